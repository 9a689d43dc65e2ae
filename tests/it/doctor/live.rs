//! `bakstop doctor --live` with a `docker` that gives recorded answers, and with the real one.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{BAKSTOP, Ran, Sandbox, finish};

/// A repository whose build asks three hosts.
fn repository() -> Sandbox {
    let sandbox = Sandbox::unborn();
    sandbox.write(
        ".npmrc",
        "@acme:registry=https://npm.acme.example/\n@open:registry=http://10.0.0.7:4873/\n\
         registry=http://host.docker.internal:4873/\n",
    );
    sandbox.write("package.json", "{}\n");
    sandbox.write(
        "Dockerfile",
        "FROM node:22-alpine\nWORKDIR /app\nCOPY .npmrc package.json ./\n\
         RUN --mount=type=cache,target=/root/.npm npm install\n",
    );
    sandbox.commit_all("Build");
    sandbox
}

/// A directory with git, for `PATH`.
fn programs(sandbox: &Sandbox) -> PathBuf {
    let programs = sandbox.outside().join("programs");
    let git = std::env::split_paths(&std::env::var_os("PATH").unwrap())
        .map(|directory| directory.join("git"))
        .find(|path| path.is_file());
    fs::create_dir_all(&programs).unwrap();
    symlink(git.unwrap(), programs.join("git")).unwrap();
    programs
}

/// Runs it with a `docker` that runs a script.
fn live_with(sandbox: &Sandbox, script: &str) -> Ran {
    let programs = programs(sandbox);
    write_program(&programs.join("docker"), script);
    live(sandbox, &format!("{}:/usr/bin:/bin", programs.display()))
}

fn write_program(path: &Path, script: &str) {
    fs::write(path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Runs it with these directories as `PATH`.
fn live(sandbox: &Sandbox, path: &str) -> Ran {
    finish(sandbox.command(BAKSTOP).args(["doctor", "--live"]).env("PATH", path))
}

/// The answers that were recorded, by the name of the daemon.
fn recorded(name: &str) -> Value {
    let facts: Value = serde_json::from_str(include_str!("../../facts/docker.json")).unwrap();
    facts[name].clone()
}

/// A script that gives recorded answers.
fn script(answers: &Value) -> String {
    let mut script = String::from("case \"$1 $2\" in\n");
    for (call, key) in [
        ("version --format", "version"),
        ("buildx version", "buildx"),
        ("info --format", "info"),
        ("buildx inspect", "inspect"),
    ] {
        let answer = answers[key].as_str().unwrap();
        script += &format!("'{call}') cat <<'END'\n{answer}\nEND\n;;\n");
    }
    script + "*) exit 64 ;;\nesac"
}

#[test]
fn what_a_docker_said() {
    let hosts = "bakstop: live: host.docker.internal does not resolve in a build that does not map \
         it (`extra_hosts`)\n\
         bakstop: live: not looked at: whether npm.acme.example resolves in a build: only a build \
         knows\n";
    let collection = "bakstop: live: the builder default (driver docker) removes cache mounts that \
         no build used for 48h0m0s, when they and copies of sources exceed";
    for (name, export, size) in [
        ("overlay2", "exports no cache, except inline: images are not", "3.346GiB"),
        ("containerd", "exports caches: images are", "3.346GiB"),
    ] {
        let sandbox = repository();
        let ran = live_with(&sandbox, &script(&recorded(name)));
        let expected = format!(
            "bakstop: live: Docker 28.5.2+dfsg4, buildx 0.29.1+ds1\n\
             bakstop: live: the builder default (driver docker) {export} in the containerd store\n\
             {collection} {size}\n\
             bakstop: live: the builder default (driver docker) removes any cache when less than \
             47.5GiB of the disk is free\n{hosts}"
        );
        assert_eq!((ran.code, &*ran.out, &*ran.err), (Some(0), "", &*expected));
    }
}

#[test]
fn without_docker_it_says_that_it_did_not_look() {
    let sandbox = repository();
    let programs = programs(&sandbox);
    let why = "bakstop: live: did not look: there is no docker in PATH\n";
    // A directory of the repository in PATH does not count.
    write_program(&sandbox.top.join("docker"), "touch started");
    let ran = live(&sandbox, &format!(".::{}", programs.display()));
    assert_eq!((ran.code, &*ran.err), (Some(0), why));
    assert!(!sandbox.top.join("started").exists());
    // The exit code is that of the findings.
    sandbox.write(".dockerignore", "package.json\n");
    let ran = live(&sandbox, programs.to_str().unwrap());
    assert!(ran.code == Some(1) && ran.err.contains(why), "{ran:?}");
}

#[test]
fn a_docker_that_does_not_answer_is_named() {
    let connect = "Cannot connect to the Docker daemon";
    for (script, why) in [
        (format!("echo '{connect}' >&2; exit 1"), format!("fails: {connect}")),
        ("exit 3".to_owned(), "fails: it says nothing".to_owned()),
        ("exit 0".to_owned(), "says nothing".to_owned()),
        ("sleep 60".to_owned(), "does not answer".to_owned()),
    ] {
        let start = Instant::now();
        let ran = live_with(&repository(), &script);
        assert!(start.elapsed() < Duration::from_secs(30));
        let expected = format!("bakstop: live: did not look: `docker version` {why}\n");
        assert_eq!((ran.code, ran.err), (Some(0), expected));
    }
    let script = "[ \"$1\" = version ] && echo 28.5.2 || { printf 'un\\033known\\n' >&2; exit 1; }";
    let ran = live_with(&repository(), script);
    for part in [
        "Docker 28.5.2; `docker buildx version` fails: un\\u{001b}known: without buildx, ",
        "not looked at: the builder: `docker buildx inspect` fails: ",
        "not looked at: the store of images: `docker info` fails: ",
    ] {
        assert!(ran.code == Some(0) && ran.err.contains(part), "{part}: {ran:?}");
    }
}

#[test]
#[ignore = "needs a running Docker"]
fn real_docker_answers() {
    let sandbox = repository();
    let mut doctor = Command::new(BAKSTOP);
    let ran = finish(doctor.args(["doctor", "--live"]).current_dir(&sandbox.top));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(!ran.err.contains("did not look") && ran.err.contains("the builder "), "{ran:?}");
    println!("{}", ran.err);
}
