//! Checks `tests/facts/spellings.json` against npm, pnpm, yarn and bun: from which files do they
//! install a package out of `.docker-deps`? Run by name: `cargo test --locked -- --ignored
//! real_spellings`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

use crate::real::npm_tools;
use crate::support::finish;

/// The directory of the packed packages.
const DIR: &str = ".docker-deps";
/// No server listens there, so every fetch fails at once.
const NOWHERE: &str = "http://127.0.0.1:9";

/// Replaces a dependency by the leftover.
const PNPMFILE: &str = "module.exports = {hooks: {readPackage(p) {
    if (p.dependencies && p.dependencies.acme) {
        p.dependencies.acme = 'file:' + __dirname + '/acme.tgz'
    }
    return p
}}}
";

/// Makes the leftover out of the package in `vendor`.
const PATCH: &str = "diff --git a/origin b/origin
--- a/origin
+++ b/origin
@@ -1 +1 @@
-vendor
\\ No newline at end of file
+debris
\\ No newline at end of file
";

/// Serves a tarball as the only package of a registry, and prints its port.
const REGISTRY: &str = "
const tarball = require('fs').readFileSync(process.argv[1])
const hash = (name, form) => require('crypto').createHash(name).update(tarball).digest(form)
const day = '2020-01-01T00:00:00.000Z'
const server = require('http').createServer((request, reply) => {
    if (request.url.endsWith('.tgz')) return reply.end(tarball)
    if (request.url !== '/acme') reply.statusCode = 404
    const dist = {
        tarball: `http://127.0.0.1:${server.address().port}/acme/-/acme-1.0.0.tgz`,
        shasum: hash('sha1', 'hex'),
        integrity: 'sha512-' + hash('sha512', 'base64')
    }
    reply.setHeader('content-type', 'application/json')
    reply.end(JSON.stringify({
        name: 'acme', 'dist-tags': {latest: '1.0.0'}, modified: day,
        time: {created: day, modified: day, '1.0.0': day},
        versions: {'1.0.0': {name: 'acme', version: '1.0.0', dist}}
    }))
}).listen(0, '127.0.0.1', () => console.log(server.address().port))
";

/// A registry that has the leftover as a package, while the value exists.
struct Registry {
    url: String,
    server: Child,
}

impl Registry {
    fn start(tarball: &Path) -> Self {
        let mut command = Command::new("node");
        command.args(["-e", REGISTRY]).arg(tarball).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut server = command.spawn().unwrap();
        let mut port = String::new();
        BufReader::new(server.stdout.as_mut().unwrap()).read_line(&mut port).unwrap();
        Self { url: format!("http://127.0.0.1:{}", port.trim()), server }
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.server.kill().unwrap();
        self.server.wait().unwrap();
    }
}

/// A package with its origin in it.
fn package(directory: &Path, name: &str, dependencies: &str, origin: &str) {
    fs::create_dir_all(directory).unwrap();
    let manifest = format!(
        "{{\"name\": \"{name}\", \"version\": \"1.0.0\", \"dependencies\": {{{dependencies}}}}}"
    );
    fs::write(directory.join("package.json"), manifest).unwrap();
    fs::write(directory.join("origin"), origin).unwrap();
}

/// Writes a package as a tarball under each of these names.
fn tarballs(directory: &Path, names: &[&str], origin: &str) {
    let scratch = tempfile::tempdir().unwrap();
    package(&scratch.path().join("package"), "acme", "", origin);
    for name in names {
        let target = directory.join(name);
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        let how =
            if target.extension().is_some_and(|ending| ending == "tar") { "-cf" } else { "-czf" };
        let packed = finish(
            Command::new("tar").arg(how).arg("packed").arg("package").current_dir(scratch.path()),
        );
        assert_eq!(packed.code, Some(0), "{}", packed.err);
        fs::rename(scratch.path().join("packed"), target).unwrap();
    }
}

/// The leftovers of a preparation, under every name that a spelling may refer to.
fn leftovers(directory: &Path) {
    for name in ["", "acme", "a"] {
        package(&directory.join(name), "acme", "", "debris");
    }
    let odd = [
        "acme.tgz",
        "acme-1.0.0.tgz",
        "acme.tar.gz",
        "acme.tar",
        "ACME.TGZ",
        "a b.tgz",
        "a#b.tgz",
        "a%20b.tgz",
        "vendor/acme.tgz",
        "acme.tgz#x",
        "acme.tgz?x",
        r"x\..\..\vendor\acme.tgz",
        "acme.tgz ",
        "acmeé.tgz",
    ];
    tarballs(directory, &odd, "debris");
    fs::write(directory.join("pnpmfile.cjs"), PNPMFILE).unwrap();
    fs::write(directory.join("x.patch"), PATCH).unwrap();
}

/// A home, and a repository whose `backend` is installed.
fn scene(root: &Path) {
    let shop = root.join("shop");
    leftovers(&shop.join(DIR));
    leftovers(&shop.join("backend").join(DIR));
    leftovers(&root.join("home").join(DIR));
    for odd in ["we b", "a@b", "web", "~", "a:b", "file:..", "C:", "x"] {
        let directory = shop.join("backend").join(odd).join(DIR);
        package(&directory, "acme", "", "debris");
        tarballs(&directory, &["acme.tgz"], "debris");
    }
    for vendor in ["vendor", "backend/vendor"] {
        tarballs(&shop.join(vendor), &["acme.tgz", "acme-1.0.0.tgz"], "vendor");
    }
    package(&shop.join("vendor/acme"), "acme", "", "vendor");
    package(&shop.join("vendor/via"), "via", "\"acme\": \"1.0.0\"", "vendor");
    // No tool can fetch with git.
    fs::create_dir(root.join("bin")).unwrap();
    fs::write(root.join("bin/git"), "#!/bin/sh\nexit 1\n").unwrap();
    let made = finish(Command::new("chmod").arg("+x").arg(root.join("bin/git")));
    assert_eq!(made.code, Some(0));
}

/// The command of each tool, in the recorded version.
fn tools(facts: &Value) -> BTreeMap<String, Vec<String>> {
    let versions = facts["tools"].as_object().unwrap();
    let command = |(name, version): (&String, &Value)| {
        let version = version.as_str().unwrap();
        let (package, program, arguments) = match name.split('-').next().unwrap() {
            // A script of the package would put it in place, and scripts are off.
            "bun" => ("bun", "../@oven/bun-linux-x64/bin/bun", "install --ignore-scripts"),
            "npm" => ("npm", "npm", "install --no-audit --no-fund --ignore-scripts"),
            "pnpm" => ("pnpm", "pnpm", "install --no-frozen-lockfile --ignore-scripts"),
            _ if name == "yarn-1" => (
                "yarn",
                "yarn",
                "install --ignore-scripts --non-interactive --network-timeout 500 \
                 --registry http://127.0.0.1:9/",
            ),
            _ => ("@yarnpkg/cli-dist", "yarn", "install"),
        };
        let program = npm_tools(&[&format!("{package}@{version}")]).join(program);
        // pnpm 12 is a shell script without a shebang.
        let shell = fs::read(&program).unwrap().starts_with(b"#")
            && !fs::read(&program).unwrap().starts_with(b"#!");
        let mut line = if shell { vec!["sh".to_owned()] } else { Vec::new() };
        line.push(program.to_str().unwrap().to_owned());
        line.extend(arguments.split(' ').map(str::to_owned));
        (name.clone(), line)
    };
    versions.iter().map(command).collect()
}

/// Whether a package that is installed below a directory comes from the leftovers.
fn has_leftovers(directory: &Path, seen: &mut BTreeSet<PathBuf>) -> bool {
    let Ok(real) = fs::canonicalize(directory) else { return false };
    if !seen.insert(real) {
        return false;
    }
    let entries = fs::read_dir(directory).into_iter().flatten().map(|entry| entry.unwrap().path());
    entries.into_iter().any(|path| {
        if path.is_dir() {
            // A linked package may contain the other files of the scene.
            !path.ends_with(DIR) && !path.ends_with("vendor") && has_leftovers(&path, seen)
        } else {
            path.ends_with("origin") && fs::read(&path).unwrap() == b"debris"
        }
    })
}

/// Whether a directory has a `node_modules`, at any depth, with a package from the leftovers.
fn has_installed(directory: &Path) -> bool {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.into_iter().filter(|path| path.is_dir() && !path.is_symlink()).any(|path| {
        if path.ends_with("node_modules") {
            has_leftovers(&path, &mut BTreeSet::new())
        } else {
            !path.ends_with(DIR) && has_installed(&path)
        }
    })
}

/// A path of a case: relative to `backend`, and `..` leaves it.
fn resolve(shop: &Path, name: &str) -> PathBuf {
    name.strip_prefix("..").map_or_else(
        || shop.join("backend").join(name),
        |rest| shop.join(rest.trim_start_matches('/')),
    )
}

/// Writes the files of a case.
fn write_files(shop: &Path, case: &Value) {
    for (name, text) in case["files"].as_object().unwrap() {
        let bytes = match text {
            Value::String(text) => text.replace("{top}", shop.to_str().unwrap()).into_bytes(),
            hex => {
                let digits = hex["hex"].as_str().unwrap();
                let byte = |at| u8::from_str_radix(digits.get(at..at + 2).unwrap(), 16).unwrap();
                (0..digits.len()).step_by(2).map(byte).collect()
            }
        };
        let path = resolve(shop, name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}

/// Whether a tool installs from the leftovers. A case with `fill` is about a cache or a store: the
/// tool fills it from a registry, and then installs again without the registry and the packages in
/// other places.
fn installs(template: &Path, line: &[String], case: &Value) -> bool {
    let root = tempfile::tempdir().unwrap();
    let copied = finish(Command::new("cp").arg("-a").arg(template.join(".")).arg(root.path()));
    assert_eq!(copied.code, Some(0), "{}", copied.err);
    let shop = root.path().join("shop");
    write_files(&shop, case);
    let directory = resolve(&shop, case["in"].as_str().unwrap_or_default());
    let registry = (case["fill"] == true).then(|| {
        let registry = Registry::start(&template.join("shop").join(DIR).join("acme-1.0.0.tgz"));
        install(root.path(), &directory, line, &registry.url);
        forget(root.path(), &directory);
        registry.url.clone()
    });
    install(root.path(), &directory, line, registry.as_deref().unwrap_or(NOWHERE));
    has_installed(&shop)
}

/// Removes what a tool installed and kept, except in the leftovers.
fn forget(root: &Path, directory: &Path) {
    for kept in [directory.join("node_modules"), directory.join(".yarn"), root.join("home")] {
        if kept.exists() {
            fs::remove_dir_all(kept).unwrap();
        }
    }
    for entry in fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()) {
        // Such as the store that pnpm puts at the top of a file system.
        if !entry.ends_with("shop") && !entry.ends_with("bin") {
            fs::remove_dir_all(entry).unwrap();
        }
    }
    fs::create_dir(root.join("home")).unwrap();
}

/// Runs a tool in a directory of a scene. Its exit code does not matter, only what it installed.
fn install(root: &Path, directory: &Path, line: &[String], registry: &str) {
    let path = std::env::var_os("PATH").unwrap();
    let path = std::iter::once(root.join("bin")).chain(std::env::split_paths(&path));
    let mut command = Command::new(&line[0]);
    command
        .args(line[1..].iter().map(|argument| argument.replace(NOWHERE, registry)))
        .current_dir(directory)
        .stdin(Stdio::null())
        .env_clear()
        .env("PATH", std::env::join_paths(path).unwrap())
        .env("HOME", root.join("home"))
        .env("LC_ALL", "C.UTF-8")
        // Yarn 1 has a cache outside the home of root: it would find the packages of other cases.
        .env("FAKEROOTKEY", "1");
    for proxy in [
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "http_proxy",
        "https_proxy",
        "npm_config_registry",
        "pnpm_config_registry",
        "BUN_CONFIG_REGISTRY",
        "YARN_NPM_REGISTRY_SERVER",
    ] {
        let is_proxy = proxy.to_ascii_lowercase().ends_with("_proxy");
        if !is_proxy || registry == NOWHERE {
            command.env(proxy, registry);
        }
    }
    for (name, value) in [
        ("npm_config_fetch_retries", "0"),
        ("pnpm_config_fetch_retries", "0"),
        ("pnpm_config_manage_package_manager_versions", "false"),
        ("npm_config_manage_package_manager_versions", "false"),
        ("YARN_NODE_LINKER", "node-modules"),
        ("YARN_ENABLE_TELEMETRY", "0"),
        ("YARN_ENABLE_IMMUTABLE_INSTALLS", "0"),
        ("YARN_UNSAFE_HTTP_WHITELIST", "127.0.0.1"),
        ("YARN_HTTP_RETRY", "0"),
        ("YARN_ENABLE_SCRIPTS", "0"),
    ] {
        command.env(name, value);
    }
    finish(&mut command);
}

fn names(list: &Value) -> BTreeSet<&str> {
    list.as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect()
}

#[test]
#[ignore = "fetches npm, pnpm, yarn and bun from the npm registry, and runs them for an hour"]
fn real_spellings() {
    let facts: Value = serde_json::from_str(include_str!("../facts/spellings.json")).unwrap();
    let tools = tools(&facts);
    let template = tempfile::tempdir().unwrap();
    scene(template.path());
    let cases = facts["cases"].as_array().unwrap();
    let next = AtomicUsize::new(0);
    let ask = || {
        let (mut wrong, mut runs) = (Vec::new(), 0);
        while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            // The tools of a case that lists none.
            let asked = names(case.get("asked").unwrap_or(&facts["asked"]));
            for name in tools.keys().filter(|name| asked.contains(name.as_str())) {
                let installs = installs(template.path(), &tools[name], case);
                if installs != names(&case["from"]).contains(name.as_str()) {
                    wrong.push(format!("{name} installs: {installs}, from {}", case["files"]));
                }
                runs += 1;
            }
        }
        (wrong, runs)
    };
    let (wrong, runs) = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(ask)).collect();
        let ended = threads.into_iter().map(|thread| thread.join().unwrap());
        ended.fold((Vec::new(), 0), |(all, total), (wrong, runs)| {
            ([all, wrong].concat(), total + runs)
        })
    });
    assert!(wrong.is_empty(), "{} of {runs} wrong:\n{}", wrong.len(), wrong.join("\n"));
    println!("{} manifests, {runs} answers, as recorded", cases.len());
}
