//! `bakstop prep` with a sibling repository, and a script in the place of its pnpm.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::support::{BAKSTOP, Ran, Sandbox, finish};

/// Packs with tar, as pnpm packs: the same bytes for the same files. A call is a line of `calls`.
const PNPM: &str = r#"#!/bin/sh
printf '%s\n' "$*" >> "@CALLS@"
if [ -f "@CALLS@.hook" ]; then . "@CALLS@.hook"; fi
case "$*" in
--version) cat "@VERSION@" ;;
*'run build')
	for package in packages/*; do
		if [ -f "$package/fail" ]; then echo "//registry.example/:_authToken=s3cr3t"; exit 3; fi
		mkdir -p "$package/dist" && cp "$package/src.js" "$package/dist/index.js"
	done ;;
*pack*)
	for word in "$@"; do
		case "$word" in --pack-destination=*) to=${word#*=} ;; esac
	done
	mkdir -p "$to"
	for package in $(case "$1" in --recursive) ls -d packages/* ;; *) echo . ;; esac); do
		name=$(sed -n 's/.*"name": "@\([^"]*\)".*/\1/p' "$package/package.json")
		case "$1" in --recursive) case "$*" in *"--filter=@$name "*) ;; *) continue ;; esac ;; esac
		if [ -f "$package/break" ]; then
			echo "npmrc: //registry.example/:_authToken=s3cr3t" >&2
			printf 'it is broken \033[2J\n::error::x\n' >&2
			exit 1
		fi
		tar -C "$package" --sort=name --mtime=@499162500 --owner=0 --group=0 --numeric-owner \
			--exclude=src.js --transform 's,^\.,package,' -cf - . |
			gzip -n > "$to/$(printf %s "$name" | tr / -)-1.0.0.tgz"
	done ;;
esac
"#;

/// A product and its sibling, with a program `pnpm`.
pub(crate) struct Pair {
    pub(crate) product: Sandbox,
}

impl Pair {
    pub(crate) fn new(version: &str) -> Self {
        let product = Sandbox::workspace();
        let dependencies = [("backend", "http"), ("web", "log")];
        for (name, needs) in dependencies {
            let manifest =
                format!("{{\"name\": \"{name}\", \"dependencies\": {{\"@acme/{needs}\": \"*\"}}}}");
            product.write(format!("{name}/package.json"), manifest);
        }
        product.write("bakstop.json", r#"{"prep": {"from": "../plat"}}"#);
        product.commit_all("Share");
        let pair = Self { product };
        let top = format!("{{\"name\": \"plat\", \"packageManager\": \"pnpm@{version}\"}}");
        pair.plat("package.json", &top);
        pair.plat("pnpm-workspace.yaml", "packages: [packages/*]\n");
        pair.plat(".gitignore", "dist\nnode_modules\n");
        pair.package("log", "");
        pair.package("http", r#""dependencies": {"@acme/log": "^1.0.0"}, "#);
        pair.package("other", "");
        pair.git(&["init", "-q"]);
        pair.git(&["add", "-A"]);
        let text = PNPM
            .replace("@CALLS@", pair.at("calls").to_str().unwrap())
            .replace("@VERSION@", pair.at("version").to_str().unwrap());
        fs::create_dir(pair.at("programs")).unwrap();
        fs::write(pair.at("programs/pnpm"), text).unwrap();
        // Nothing is fetched if a test goes wrong.
        fs::write(pair.at("programs/corepack"), "#!/bin/sh\necho no corepack >&2\nexit 1\n")
            .unwrap();
        for program in ["pnpm", "corepack"] {
            let file = pair.at("programs").join(program);
            fs::set_permissions(file, fs::Permissions::from_mode(0o755)).unwrap();
        }
        fs::write(pair.at("version"), format!("{version}\n")).unwrap();
        pair
    }

    /// A path next to the product.
    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.product.outside().join(name)
    }

    /// Writes a file of the sibling.
    pub(crate) fn plat(&self, path: &str, text: &str) {
        let place = self.at("plat").join(path);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::write(place, text).unwrap();
    }

    /// A package of the sibling, which is not built.
    fn package(&self, name: &str, more: &str) {
        let manifest = format!(
            "{{\"name\": \"@acme/{name}\", \"version\": \"1.0.0\", {more}\
             \"main\": \"dist/index.js\", \"scripts\": {{\"build\": \"x\"}}}}"
        );
        self.plat(&format!("packages/{name}/package.json"), &manifest);
        self.plat(&format!("packages/{name}/src.js"), "exports.x = 1;\n");
    }

    fn git(&self, arguments: &[&str]) {
        let mut command = self.product.command("git");
        let ran = finish(command.current_dir(self.at("plat")).args(arguments));
        assert_eq!(ran.code, Some(0), "{ran:?}");
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.product.command(BAKSTOP);
        command.env("PATH", self.path()).arg("prep").args(arguments);
        command
    }

    /// The PATH with this pnpm.
    pub(crate) fn path(&self) -> std::ffi::OsString {
        let rest = crate::support::path_without_bakstop();
        let rest = std::env::split_paths(&rest);
        std::env::join_paths(std::iter::once(self.at("programs")).chain(rest)).unwrap()
    }

    pub(crate) fn prep(&self, arguments: &[&str]) -> Ran {
        finish(&mut self.command(arguments))
    }

    /// The calls of pnpm since the last question.
    pub(crate) fn calls(&self) -> Vec<String> {
        let text = fs::read_to_string(self.at("calls")).unwrap_or_default();
        let _ = fs::remove_file(self.at("calls"));
        text.lines().map(str::to_owned).collect()
    }

    /// The names of the files in the leftover directory, without the digests in them.
    pub(crate) fn prepared(&self) -> Vec<String> {
        fn list(directory: &Path, top: &Path, found: &mut Vec<String>) {
            for entry in fs::read_dir(directory).into_iter().flatten() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    list(&path, top, found);
                } else {
                    let name = path.strip_prefix(top).unwrap().to_str().unwrap().to_owned();
                    // Without the digest.
                    let stem = name.strip_suffix(".tgz").and_then(|stem| stem.rsplit_once('-'));
                    found.push(stem.map_or(name.clone(), |(stem, _)| stem.to_owned()));
                }
            }
        }
        let (mut found, top) = (Vec::new(), self.product.top.join(".docker-deps"));
        list(&top, &top, &mut found);
        found.sort();
        found
    }

    /// The content of the leftover directory.
    fn content(&self) -> crate::hooks::Snapshot {
        crate::hooks::snapshot(&self.product.top.join(".docker-deps"))
    }
}

fn must_fail(ran: &Ran, words: &str) {
    assert!(
        ran.code == Some(2) && ran.err.contains(words) && ran.err.contains("\nhelp: "),
        "{words:?}: {ran:?}"
    );
}

#[test]
fn what_changed_is_packed_and_nothing_runs_if_nothing_did() {
    for version in ["10.6.5", "10.34.9"] {
        let pair = Pair::new(version);
        let ran = pair.prep(&[]);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert!(
            ran.out.contains("2 packages of ../plat in .docker-deps: 2 packed; 5 files written")
        );
        let all = [
            ".gitkeep",
            ".prep.json",
            "acme-http-1.0.0",
            "acme-log-1.0.0",
            "tree/backend/pnpm-workspace.yaml",
            "tree/web/pnpm-workspace.yaml",
        ];
        assert_eq!(pair.prepared(), all, "{version}");
        assert_eq!(pair.product.git(&["status", "--porcelain"]), "");
        let overlay =
            fs::read_to_string(pair.product.top.join(".docker-deps/tree/web/pnpm-workspace.yaml"));
        let overlay = overlay.unwrap();
        assert!(overlay.contains("@acme/log") && !overlay.contains("@acme/http"), "{overlay}");
        assert!(overlay.contains(&format!("file:../{}/acme-log-1.0.0-", ".docker-deps")));
        assert_eq!(pair.calls().iter().filter(|call| call.contains("run build")).count(), 1);
        let (first, place) = (pair.content(), pair.product.top.join(".docker-deps/.prep.json"));
        let written = place.metadata().unwrap().modified().unwrap();

        let ran = pair.prep(&[]);
        assert!(ran.out.contains("2 kept; nothing to write"), "{ran:?}");
        assert_eq!((pair.calls().len(), pair.content() == first), (0, true));
        assert_eq!(place.metadata().unwrap().modified().unwrap(), written);

        // Nobody needs this one; the next is needed by both.
        pair.plat("packages/other/src.js", "exports.x = 2;\n");
        assert!(pair.prep(&[]).out.contains("2 kept; nothing to write"));
        pair.plat("packages/http/src.js", "exports.x = 2;\n");
        let ran = pair.prep(&[]);
        assert!(ran.out.contains("packed @acme/http 1.0.0: it changed\n"), "{ran:?}");
        assert!(ran.out.contains("1 packed, 1 kept; 3 files written, 1 removed"), "{ran:?}");
        assert_eq!(pair.prepared(), all);
        let calls = pair.calls();
        assert!(calls.iter().any(|call| call.contains("--filter=@acme/http...")), "{calls:?}");

        // The old state is cached; another directory has it without a call.
        pair.plat("packages/http/src.js", "exports.x = 1;\n");
        assert!(pair.prep(&[]).out.contains("1 cached, 1 kept"));
        assert_eq!((pair.calls().len(), pair.content() == first), (0, true));
        let ran = pair.prep(&["--force"]);
        assert!(ran.out.contains("2 packed; nothing to write"), "{ran:?}");
        assert!(pair.content() == first, "the same inputs give the same bytes");
    }
}

#[test]
fn a_damaged_preparation_or_cache_is_not_used() {
    let pair = Pair::new("10.6.5");
    pair.prep(&[]);
    let (first, directory) = (pair.content(), pair.product.top.join(".docker-deps"));
    for entry in fs::read_dir(&directory).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "tgz") {
            fs::write(&path, "damaged").unwrap();
        }
    }
    fs::write(directory.join("acme-old-1.0.0.tgz"), "of another script").unwrap();
    fs::write(directory.join(".bakstop-Ab12"), "of a killed run").unwrap();
    let ran = pair.prep(&[]);
    assert!(ran.out.contains("2 cached; 2 files written, 2 removed"), "{ran:?}");
    assert!(pair.content() == first);
    pair.calls();
    for entry in fs::read_dir(pair.at("home/.cache/bakstop/pack")).unwrap() {
        fs::write(entry.unwrap().path(), "damaged").unwrap();
    }
    fs::write(directory.join(".prep.json"), "{").unwrap();
    let ran = pair.prep(&[]);
    assert!(ran.out.contains("2 packed"), "{ran:?}");
    assert!(pair.content() == first && !pair.calls().is_empty());
}

#[test]
fn a_cached_tarball_of_another_package_is_not_used() {
    let pair = Pair::new("10.6.5");
    pair.prep(&[]);
    let first = pair.content();
    let names: Vec<PathBuf> = fs::read_dir(pair.at("home/.cache/bakstop/pack"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "tgz"))
        .collect();
    // Each digest is right; one of the texts is not even a tarball.
    for ending in ["tgz", "sha256"] {
        fs::copy(names[0].with_extension(ending), names[1].with_extension(ending)).unwrap();
    }
    fs::write(&names[0], "").unwrap();
    let of_nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    fs::write(names[0].with_extension("sha256"), of_nothing).unwrap();
    pair.prep(&["--restore"]);
    let ran = pair.prep(&[]);
    assert!(ran.out.contains("2 packed"), "{ran:?}");
    assert!(pair.content() == first);
}

#[test]
fn what_is_in_the_way_is_replaced() {
    let pair = Pair::new("10.6.5");
    pair.prep(&[]);
    let (first, directory) = (pair.content(), pair.product.top.join(".docker-deps"));
    fs::remove_dir_all(directory.join("tree")).unwrap();
    fs::write(directory.join("tree"), "a file").unwrap();
    let is_tarball = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "tgz");
    let files = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path());
    for path in files.filter(is_tarball).collect::<Vec<_>>() {
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        fs::write(path.join("inner"), "x").unwrap();
    }
    let ran = pair.prep(&[]);
    assert!(ran.code == Some(0) && pair.content() == first, "{ran:?}");
    // Half a preparation would build other packages.
    fs::remove_file(directory.join(".prep.json")).unwrap();
    fs::create_dir(directory.join(".prep.json")).unwrap();
    must_fail(&pair.prep(&[]), "could not write .docker-deps/.prep.json");
    assert_eq!(pair.prepared(), [".gitkeep"]);
}

#[test]
fn a_packer_is_not_believed_and_what_it_leaves_running_is_not_waited_for() {
    let pair = Pair::new("10.14.0");
    let hook = |text: &str| fs::write(pair.at("calls.hook"), text).unwrap();
    for (script, words) in [
        ("*pack*) mkdir -p \"${5#*=}/dir\"", "could not read what pnpm packed: it is a directory"),
        ("*pack*) mkdir -p \"${5#*=}\"; ln -s /etc/passwd \"${5#*=}/x.tgz\"", "a symbolic link"),
        (
            "*pack*) mkdir -p \"${5#*=}\"; echo x > \"${5#*=}/x.tgz\"",
            "could not read what pnpm packed: its tarball cannot be read",
        ),
        ("*pack*) exit 0", "could not pack"),
    ] {
        hook(&format!("case \"$*\" in {script} ;; esac\n"));
        must_fail(&pair.prep(&[]), words);
        assert_eq!(pair.prepared(), [".gitkeep"], "{script}");
    }
    let left = pair.at("left");
    hook(&format!("case \"$*\" in *pack*) sleep 600 & echo $! > '{}' ;; esac\n", left.display()));
    let ran = pair.prep(&[]);
    let id = fs::read_to_string(left).unwrap();
    let killed = Command::new("kill").arg(id.trim()).status().unwrap();
    assert!(ran.code == Some(0) && killed.success(), "{ran:?}");
}

#[test]
fn a_manifest_in_an_odd_spelling_is_prepared_or_named() {
    let pair = Pair::new("10.6.5");
    pair.product.write("web/package.json", r#"{"dependencies": {"@acme\/log": "*"}}"#);
    pair.prep(&[]);
    assert!(pair.prepared().contains(&"tree/web/pnpm-workspace.yaml".to_owned()));
    let wide = "\u{feff}{\"dependencies\": {\"@acme/log\": \"*\"}}";
    let wide: Vec<u8> = wide.encode_utf16().flat_map(u16::to_le_bytes).collect();
    fs::write(pair.product.top.join("web/package.json"), wide).unwrap();
    must_fail(&pair.prep(&[]), "could not read web/package.json");
    fs::remove_file(pair.product.top.join("web/package.json")).unwrap();
    symlink("../backend/package.json", pair.product.top.join("web/package.json")).unwrap();
    let ran = pair.prep(&[]);
    must_fail(&ran, "could not read web/package.json: it is a symbolic link");
    assert!(ran.err.contains("`prep.manifests`"), "{ran:?}");
}

#[test]
fn a_sibling_that_git_does_not_list_is_refused() {
    let pair = Pair::new("10.6.5");
    // Git goes on listing what it tracks there, and nothing new.
    fs::rename(pair.at("plat/packages/log"), pair.at("log")).unwrap();
    symlink("../../log", pair.at("plat/packages/log")).unwrap();
    must_fail(&pair.prep(&[]), "packages/log/package.json of ../plat: its directory is a symbolic");
    fs::remove_dir_all(pair.at("plat/.git")).unwrap();
    let ran = pair.prep(&[]);
    must_fail(&ran, "not a git repository");
    assert!(ran.err.contains("help: it must be a work tree of git"), "{ran:?}");
    for option in [&[][..], &["--no-build"]] {
        let ran = pair.prep(&[&["--from", "/"], option].concat());
        must_fail(&ran, "not a git repository");
    }
}

#[test]
fn nothing_is_written_if_something_fails() {
    let change = |path: &str, text: &str| {
        let pair = Pair::new("10.6.5");
        pair.plat(path, text);
        let ran = pair.prep(&[]);
        assert_eq!(pair.prepared(), [".gitkeep"], "{ran:?}");
        assert_eq!(pair.product.git(&["status", "--porcelain"]), "");
        (ran, pair)
    };
    let (ran, _) = change("packages/log/break", "");
    must_fail(&ran, "could not pack @acme/log: `pnpm pack --pack-destination=");
    assert!(
        ran.err.contains("it is broken \\u{001b}[2J") && !ran.err.contains("s3cr3t"),
        "{ran:?}"
    );
    assert!(!ran.err.contains("\n::error"), "{ran:?}");
    let (ran, _) = change("packages/log/fail", "");
    must_fail(&ran, "could not build the sibling: `pnpm --recursive");
    // A Dockerfile may have been: --fix-dockerfiles writes before anything is packed.
    assert!(ran.err.contains("nothing was prepared"), "{ran:?}");
    let lacks =
        r#"{"name": "@acme/log", "version": "1.0.0", "main": "dist/index.js", "types": "x"}"#;
    let (ran, _) = change("packages/log/package.json", lacks);
    must_fail(&ran, "could not pack @acme/log: it is not built: `types` names x, which is not");
    let needs = r#"{"name": "@acme/log", "version": "1.0.0", "dependencies": {"@acme/gone": "1"}}"#;
    let (ran, _) = change("packages/log/package.json", needs);
    must_fail(
        &ran,
        "could not pack @acme/gone: backend/package.json needs @acme/http, which needs @acme/log, \
         which needs @acme/gone, which is not among the packages of ../plat",
    );
    let (ran, _) =
        change("packages/other/package.json", r#"{"name": "@acme/log", "version": "1.0.0"}"#);
    must_fail(&ran, "packages/log and packages/other are both named @acme/log");
    let long = format!("1.0.0-{}", "a".repeat(250));
    let long = format!("{{\"name\": \"@acme/log\", \"version\": \"{long}\"}}");
    let (ran, _) = change("packages/log/package.json", &long);
    must_fail(&ran, "packages/log/package.json of ../plat has no valid name and version");
    let (ran, _) = change("packages/log/package.json", r#"{"name": "@acme/log"}"#);
    must_fail(&ran, "packages/log/package.json of ../plat has no valid name and version");
    let (ran, _) = change("packages/log/package.json", "{,}");
    must_fail(&ran, "could not read packages/log/package.json:1:2");
    let (ran, _) = change("package.json", "{}");
    must_fail(&ran, "could not find the package manager of ../plat: its package.json pins none");
    let (ran, _) = change("package.json", r#"{"packageManager": "npm@11.0.0"}"#);
    must_fail(&ran, "it is npm@11.0.0");
    let (ran, pair) = change("package.json", r#"{"packageManager": "pnpm@10.7.0"}"#);
    must_fail(
        &ran,
        "could not run the pnpm that ../plat pins: it needs pnpm 10.7.0\n  the pnpm in PATH gives \
         pnpm 10.6.5",
    );
    must_fail(&pair.prep(&["--from", "../nope"]), "could not find the sibling ../nope");
    must_fail(&pair.prep(&["--package", "@acme/nope"]), "--package needs @acme/nope");
    must_fail(&pair.prep(&["--package-manager", "bun@1.0.0"]), "invalid version bun@1.0.0");
    pair.product.write("package.json", "{\"name\": \"shop\"}");
    must_fail(&pair.prep(&[]), "nothing pins the npm, pnpm or Yarn of its image");
}

#[test]
fn what_else_goes_wrong_is_named() {
    let built_by = |pair: &Pair, script: &str| {
        let build = serde_json::json!({ "from": "../plat", "build": ["sh", "-c", script] });
        pair.product.write("bakstop.json", serde_json::json!({ "prep": build }).to_string());
    };
    let pair = Pair::new("10.6.5");
    built_by(&pair, "sed -i s,@acme/log,@acme/lag, packages/log/package.json");
    must_fail(&pair.prep(&[]), "pnpm packed \"@acme/lag\", which nobody asked for");
    let pair = Pair::new("10.6.5");
    let link = pair.product.top.join(".docker-deps/link");
    built_by(&pair, &format!("ln -s x '{}'; exit 3", link.display()));
    let ran = pair.prep(&["--", "true"]);
    must_fail(&ran, "could not build the sibling");
    // The preparation could not be taken out either.
    assert!(ran.err.contains(".docker-deps/link is a symbolic link"), "{ran:?}");
    let pair = Pair::new("10.6.5");
    fs::remove_dir_all(pair.at("plat/packages/log")).unwrap();
    symlink("log", pair.at("plat/packages/log")).unwrap();
    must_fail(&pair.prep(&[]), "could not read packages/log/package.json of ../plat: Too many");
}

#[test]
fn a_warning_about_a_package_is_printed_once() {
    let pair = Pair::new("10.6.5");
    pair.package("http", r#""dependencies": {"@acme/log": "^2.0.0"}, "#);
    for name in ["backend", "web"] {
        let manifest =
            format!("{{\"name\": \"{name}\", \"dependencies\": {{\"@acme/http\": \"^9\"}}}}");
        pair.product.write(format!("{name}/package.json"), manifest);
    }
    let ran = pair.prep(&[]);
    let count = |start: &str| ran.out.matches(&format!("warning: {start} asks for")).count();
    let counts = ["backend/package.json", "web/package.json", "@acme/http"].map(count);
    assert_eq!(counts, [1, 1, 1], "{ran:?}");
}

#[test]
fn without_a_build_what_lies_there_is_packed() {
    let pair = Pair::new("10.6.5");
    must_fail(&pair.prep(&["--no-build"]), "it is not built: `main` names dist/index.js");
    for name in ["log", "http"] {
        pair.plat(&format!("packages/{name}/dist/index.js"), "1");
    }
    assert!(pair.prep(&["--no-build"]).out.contains("2 packed"));
    assert!(pair.prep(&["--no-build"]).out.contains("2 kept; nothing to write"));
    // Git ignores it.
    pair.plat("packages/http/dist/index.js", "2");
    assert!(pair.prep(&["--no-build"]).out.contains("1 packed, 1 kept"));
    assert!(pair.calls().iter().all(|call| !call.contains("run build")));
    pair.product.write("bakstop.json", r#"{"prep": {"from": "../plat", "build": false}}"#);
    assert!(pair.prep(&[]).out.contains("2 kept; nothing to write"));
    let words = r#"{"prep": {"from": "../plat", "build": ["sh", "-c", "echo built"]}}"#;
    pair.product.write("bakstop.json", words);
    let ran = pair.prep(&[]);
    assert!(ran.out.contains("2 packed") && ran.err.contains("built\n"), "{ran:?}");
}

#[test]
fn only_an_ignored_directory_of_regular_files_is_written_to() {
    let pair = Pair::new("10.6.5");
    let directory = pair.product.top.join(".docker-deps");
    let ignore = fs::read_to_string(pair.product.top.join(".gitignore")).unwrap();
    pair.product.write(".gitignore", "node_modules/\n.docker-deps/*.tgz\n");
    let ran = pair.prep(&[]);
    must_fail(&ran, "git does not ignore .docker-deps");
    assert!(ran.err.contains("add this line to the .gitignore at the top: .docker-deps/*\n"));
    pair.product.write(".gitignore", ignore);
    pair.product.write(".docker-deps/tracked.tgz", "x");
    pair.product.git(&["add", "-f", ".docker-deps/tracked.tgz"]);
    let ran = pair.prep(&["--dry-run"]);
    must_fail(&ran, ".docker-deps/tracked.tgz is tracked");
    let (_, cure) = ran.err.split_once("help: ").unwrap();
    let cured = pair.product.run("sh", &["-c", cure]);
    assert_eq!(cured.code, Some(0), "{cured:?}");
    symlink("/etc/passwd", directory.join("link")).unwrap();
    must_fail(&pair.prep(&[]), ".docker-deps/link is a symbolic link");
    fs::remove_file(directory.join("link")).unwrap();
    fs::create_dir_all(directory.join("inner/.git")).unwrap();
    must_fail(&pair.prep(&[]), ".docker-deps/inner/.git is a repository");
    fs::remove_dir_all(&directory).unwrap();
    symlink(pair.at("plat"), &directory).unwrap();
    must_fail(&pair.prep(&[]), ".docker-deps is a symbolic link");
    fs::remove_file(&directory).unwrap();
    fs::write(&directory, "").unwrap();
    must_fail(&pair.prep(&[]), ".docker-deps is a file");
    fs::remove_file(&directory).unwrap();
    assert!(pair.calls().is_empty(), "nothing was packed");
    assert_eq!(pair.prep(&[]).code, Some(0));
    pair.product.write(
        "bakstop.json",
        r#"{"debris": {".docker-deps": false}, "prep": {"from": "../plat"}}"#,
    );
    must_fail(&pair.prep(&[]), ".docker-deps is not a leftover directory of bakstop.json");
}

#[test]
fn a_dry_run_names_what_would_change() {
    let pair = Pair::new("10.6.5");
    let ran = pair.prep(&["--dry-run"]);
    assert_eq!(
        ran.out,
        "would pack @acme/http 1.0.0: it is not in the cache\n\
         would pack @acme/log 1.0.0: it is not in the cache\n\
         would write .docker-deps/tree/backend/pnpm-workspace.yaml\n\
         would write .docker-deps/tree/web/pnpm-workspace.yaml\n\
         bakstop: 2 packages of ../plat in .docker-deps: 2 to pack; 2 files to write\n"
    );
    assert_eq!((pair.prepared().len(), pair.calls().len()), (1, 0));
    pair.prep(&[]);
    pair.calls();
    let first = pair.content();
    assert!(pair.prep(&["-n"]).out.contains("2 kept; nothing to write\n"));
    pair.plat("packages/log/src.js", "exports.x = 2;\n");
    let ran = pair.prep(&["-n"]);
    assert!(ran.out.starts_with("would pack @acme/http 1.0.0: it changed\nwould pack @acme/log"));
    assert!(pair.content() == first && pair.calls().is_empty(), "{ran:?}");
}

#[test]
fn the_configuration_and_arguments_choose() {
    let pair = Pair::new("10.6.5");
    let ran = pair.prep(&["--package", "@acme/log"]);
    assert!(ran.out.contains("1 packed; 3 files written"), "{ran:?}");
    assert!(ran.out.contains("warning: @acme/http is not among the packages of --package"));
    let config = |text: &str| pair.product.write("bakstop.json", text);
    config(
        r#"{"prep": {"from": "../plat", "manifests": ["web"], "scope": ["@acme"],
        "packages": ["packages/{log,other}"]}}"#,
    );
    let ran = pair.prep(&[]);
    assert!(ran.out.contains("1 package of ../plat in .docker-deps: 1 kept"), "{ran:?}");
    config(r#"{"prep": {"from": "../plat", "manifests": ["nope"]}}"#);
    must_fail(&pair.prep(&[]), "nope has no manifest");
    config(r#"{"prep": {"from": "../plat", "scope": ["@none"]}}"#);
    must_fail(&pair.prep(&[]), "no package there has a name with a scope");
    config("{}");
    must_fail(&pair.prep(&[]), "could not find the sibling: nothing names it");
    // Relative to where it runs; the record has the path from the top.
    let mut command = pair.command(&["--from", "../../plat"]);
    let ran = finish(command.current_dir(pair.product.top.join("web")));
    assert!(ran.code == Some(0) && ran.out.contains("2 packages of ../../plat"), "{ran:?}");
    let record = fs::read_to_string(pair.product.top.join(".docker-deps/.prep.json")).unwrap();
    assert!(record.contains("\"from\": \"../plat\"") && !record.contains("/tmp"), "{record}");
    config(r#"{"debris": {".packed": {}}, "prep": {"from": "../plat", "into": ".packed"}}"#);
    must_fail(&pair.prep(&[]), "git does not ignore .packed");
    pair.product.write(".gitignore", ".packed/*\n.docker-deps/*\n");
    assert_eq!(pair.prep(&[]).code, Some(0));
    let text = fs::read_to_string(pair.product.top.join(".packed/tree/web/pnpm-workspace.yaml"));
    assert!(text.unwrap().contains("file:../.packed/acme-log-1.0.0-"));
}

#[test]
fn a_workspace_may_be_its_own_sibling() {
    let pair = Pair::new("10.6.5");
    pair.plat(".gitignore", "dist\nnode_modules\n.docker-deps/*\n");
    pair.plat("apps/web/package.json", r#"{"dependencies": {"@acme/http": "workspace:*"}}"#);
    let mut command = pair.command(&["--from", "."]);
    let ran = finish(command.current_dir(pair.at("plat")));
    assert!(ran.code == Some(0) && ran.out.contains("2 packages of . in"), "{ran:?}");
    assert!(pair.at("plat/.docker-deps/tree/apps/web/pnpm-workspace.yaml").exists());
    assert!(!pair.at("plat/.docker-deps/tree/packages").exists());
}

#[test]
fn two_at_once_wait_for_each_other() {
    let pair = Pair::new("10.6.5");
    let runs = [(); 3].map(|()| {
        let mut command = pair.command(&[]);
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        command.spawn().unwrap()
    });
    let ran = runs.map(|run| Ran::from(run.wait_with_output().unwrap()));
    assert!(ran.iter().all(|ran| ran.code == Some(0)), "{ran:?}");
    let packed = ran.iter().filter(|ran| ran.out.contains("2 packed")).count();
    assert_eq!(packed, 1, "{ran:?}");
}

#[test]
fn reports_match_their_schema() {
    let schema = fs::read_to_string("docs/schema/prep.json").unwrap();
    let schema: Value = serde_json::from_str(&schema).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let pair = Pair::new("10.6.5");
    let mut sources = Vec::new();
    for arguments in [
        &["--format", "json", "--dry-run"][..],
        &["--format", "json"],
        &["--format", "json"],
        &["--format", "json", "--force", "--package", "@acme/log"],
    ] {
        let ran = pair.prep(arguments);
        let document: Value = serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{ran:?}"));
        let errors: Vec<String> =
            validator.iter_errors(&document).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{errors:?}");
        let package = &document["packages"][0];
        sources.push((package["source"].clone(), package["reason"].clone()));
    }
    let expected = [
        ("packed", Some("new")),
        ("packed", Some("new")),
        ("kept", None),
        ("packed", Some("forced")),
    ];
    let expected = expected.map(|(source, reason)| (Value::from(source), Value::from(reason)));
    assert_eq!(sources, expected);
}

#[test]
fn a_report_that_cannot_be_written_is_an_error() {
    let pair = Pair::new("10.6.5");
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let ran = crate::support::finish_with(&mut pair.command(&[]), full);
    assert!(ran.code == Some(2) && ran.err.contains("could not write the report"), "{ran:?}");
    let mut command = pair.command(&["--force"]);
    let ran = finish(command.env("TMPDIR", "/nonexistent"));
    must_fail(&ran, "could not create a temporary directory");
    // Without a place for the cache, packages are packed each time.
    let mut command = pair.command(&["--force"]);
    let ran = finish(command.env_remove("HOME"));
    assert!(ran.code == Some(0) && ran.out.contains("2 packed"), "{ran:?}");
}

/// A sibling `../plat` of a workspace, with the package that its manifests need.
pub(crate) fn add_sibling(sandbox: &Sandbox) {
    let plat = sandbox.outside().join("plat");
    let write = |path: &str, text: &str| {
        fs::create_dir_all(plat.join(path).parent().unwrap()).unwrap();
        fs::write(plat.join(path), text).unwrap();
    };
    write("package.json", r#"{"packageManager": "pnpm@10.6.5"}"#);
    write("pnpm-workspace.yaml", "packages: [packages/*]\n");
    write("packages/ui/package.json", r#"{"name": "@acme/ui", "version": "1.4.0"}"#);
    let ran = finish(sandbox.command("git").args(["init", "-q"]).arg(&plat));
    assert_eq!(ran.code, Some(0), "{ran:?}");
}

/// A product that was prepared, and whose sibling changed since: the new packages are cached.
pub(crate) fn outdated() -> Sandbox {
    let pair = Pair::new("10.6.5");
    for text in ["2", "1"] {
        pair.plat("packages/log/src.js", text);
        let ran = pair.prep(&[]);
        assert_eq!(ran.code, Some(0), "{ran:?}");
    }
    pair.plat("packages/log/src.js", "2");
    pair.product
}

#[test]
fn odd_names_and_texts_are_escaped() {
    let pair = Pair::new("10.6.5");
    let hostile = r#"{"name": "@acme/\u001b[2J\n::error::x", "version": "1\u001b"}"#;
    pair.plat("packages/odd/package.json", hostile);
    let asks = r#"{"dependencies": {"@acme/\u001b[2J\n::error::x": "*"}}"#;
    pair.product.write("web/package.json", asks);
    for arguments in [&[][..], &["--dry-run"]] {
        let ran = pair.prep(arguments);
        must_fail(&ran, "could not pack @acme/\\u{001b}[2J");
        assert!(!ran.err.contains('\u{1b}') && !ran.err.contains("\n::error"), "{ran:?}");
    }
}
