//! `bakstop doctor --bases` and `--same`.

use serde_json::Value;

use crate::support::Sandbox;

/// Dockerfiles on several images, one of them inside of a compose file.
fn based() -> Sandbox {
    let sandbox = Sandbox::workspace();
    let web = "ARG NODE=22-alpine\nFROM docker.io/library/node:${NODE} AS base\nFROM base\n\
               FROM scratch\nCOPY --from=busybox /bin/sh /\n";
    sandbox.write("web/Dockerfile", web);
    let digest = "0123456789abcdef".repeat(4);
    sandbox.write("api/Dockerfile", format!("\n\nFROM ghcr.io/a/b:1@sha256:{digest}\n"));
    sandbox.write("x/Dockerfile", "FROM $BASE\nFROM redis:$TAG\n");
    let compose = "services:\n  a:\n    build:\n      dockerfile_inline: |\n        FROM node\n";
    sandbox.write("compose.yaml", compose);
    sandbox
}

#[test]
fn the_base_images_are_listed() {
    let sandbox = based();
    let ran = sandbox.bakstop(&["doctor", "--bases"]);
    assert_eq!(
        ran.out,
        "ghcr.io/a/b  1          sha256:0123456789ab  api/Dockerfile:3\n\
         node         22-alpine  -                    web/Dockerfile:2 (NODE)\n\
         node         latest     -                    compose.yaml:5\n\
         redis        ?          ?                    x/Dockerfile:2\n"
    );
    assert_eq!(ran.code, Some(0));
    assert_eq!(ran.err, "bakstop: not judged: x/Dockerfile:1: $BASE is unknown\n");
    let report = sandbox.bakstop(&["doctor", "--bases", "--format", "json"]).out;
    let report: Value = serde_json::from_str(&report).unwrap();
    let schema = include_str!("../../../docs/schema/bases.json");
    let schema: Value = serde_json::from_str(schema).unwrap();
    jsonschema::draft202012::meta::validate(&schema).unwrap();
    jsonschema::validate(&schema, &report).unwrap();
    assert_eq!(report["bases"].as_array().unwrap().len(), 4);
    assert_eq!(report["bases"][1]["variables"][0], "NODE");
    assert_eq!(report["bases"][3]["tag"], Value::Null);
    assert_eq!(report["not_judged"][0]["text"], "$BASE");
    let empty = Sandbox::workspace().bakstop(&["doctor", "--bases"]);
    let note = "bakstop: no Dockerfile here has a base image\n";
    assert_eq!((empty.code, &*empty.out, &*empty.err), (Some(0), "", note));
}

#[test]
fn uses_of_an_image_are_compared() {
    let sandbox = based();
    let same = |image: &str| sandbox.bakstop(&["doctor", "--same", image]);
    let ran = same("docker.io/node");
    assert!(ran.code == Some(1) && ran.out.lines().count() == 2, "{ran:?}");
    assert!(ran.err.contains("bakstop: 2 different versions of docker.io/node\n"), "{ran:?}");
    let ran = same("ghcr.io/a/b");
    assert!(ran.code == Some(0) && ran.out.lines().count() == 1, "{ran:?}");
    for (image, cause) in [
        ("busybox", "no Dockerfile here is based on busybox"),
        ("node:22", "node:22 is not the name of an image without a tag"),
        ("$BASE", "$BASE is not the name of an image without a tag"),
        ("redis", "a variable without a default decides on the tag of redis"),
    ] {
        let ran = same(image);
        let expected = format!("error: could not compare the base images: {cause}\nhelp: ");
        assert!(ran.code == Some(2) && ran.err.starts_with(&expected), "{ran:?}");
    }
    for arguments in [
        &["doctor", "--bases", "--format", "sarif"][..],
        &["doctor", "--bases", "--output", "x"],
        &["doctor", "--same", "node", "--deny-warnings"],
    ] {
        assert_eq!(sandbox.bakstop(arguments).code, Some(2), "{arguments:?}");
    }
}
