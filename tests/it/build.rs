//! Gate C3 around a real image build: real packages, a preparation script, `docker compose build`.
//! Run by name, as root on Debian, as CONTRIBUTING.md says: `cargo test --locked -- --ignored
//! real_build`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::real::npm_tools;
use crate::support::{BAKSTOP, finish};

/// The cases, which need a running docker: each writes its report and its exit code.
const CASES: &str = r#"
report() { # NAME: writes the exit code and the status, and resets the tree
	echo "$code" >"../$1.code"
	git status --porcelain=v2 -uall >"../$1.status"
	scripts/docker-prep.sh --restore
	git checkout -q HEAD -- . && git clean -q -d -f -x
}
verify() { # NAME SCRIPT
	code=0
	bakstop verify -- sh -c "$2" >"../$1.out" 2>"../$1.err" </dev/null || code=$?
	report "$1"
}
verify good 'scripts/docker-prep.sh && docker compose build
	code=$?; scripts/docker-prep.sh --restore; exit $code'
verify failing 'scripts/docker-prep.sh && docker compose build --build-arg CHECK=no
	code=$?; scripts/docker-prep.sh --restore; exit $code'
verify forgotten 'scripts/docker-prep.sh && docker compose build'
verify installed 'scripts/docker-prep.sh && pnpm install --offline --no-frozen-lockfile &&
	docker compose build && scripts/docker-prep.sh --restore'
# The built image runs.
docker run --rm --network none shop-web >../image.out

interrupt() { # NAME SCRIPT: TERM to bakstop alone, in the middle of the build
	code=0
	bakstop verify -- sh -c "$2" >"../$1.out" 2>"../$1.err" </dev/null &
	for _ in $(seq 150); do
		! ps -e -o args= | grep -q '^sleep 333' || break
		sleep 0.2
	done
	kill -TERM $!
	wait $! || code=$?
	# Neither the builder nor its children are running.
	sleep 1
	{
		ps -e -o comm= | grep -E '^docker(-compose)?$'
		ps -e -o args= | grep '^sleep 333'
	} >"../$1.alive" || true
	report "$1"
}
slow_build='scripts/docker-prep.sh &&
	docker compose --progress plain build --no-cache --build-arg DELAY=333'
interrupt interrupted "$slow_build"
interrupt undone 'trap "scripts/docker-prep.sh --restore" EXIT; trap "exit 143" TERM
	'"$slow_build"
"#;

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/build").join(name)
}

/// Runs the cases below a directory, which keeps their results.
fn run_cases(room: &Path) {
    let directory = Path::new(BAKSTOP).parent().unwrap();
    let path = std::env::var_os("PATH").unwrap();
    let programs = [npm_tools(&["pnpm@10"]), directory.to_owned()];
    let path =
        std::env::join_paths(programs.into_iter().chain(std::env::split_paths(&path))).unwrap();
    let run = |command: &mut Command| {
        let ran = finish(command.env("PATH", &path).env("NO_COLOR", "1").stdin(Stdio::null()));
        assert_eq!(ran.code, Some(0), "{ran:?}");
    };
    run(Command::new(script("make-workspace.sh")).arg(room));
    run(Command::new(script("image-builder.sh"))
        .args(["--", "bash", "-e", "-c", CASES])
        .current_dir(room.join("shop")));
}

#[test]
#[ignore = "needs root on Debian, and fetches docker, compose and pnpm"]
fn real_build() {
    let room = tempfile::tempdir().unwrap();
    let room = room.path();
    run_cases(room);
    let results = |name: &str| {
        let read = |ending| fs::read_to_string(room.join(format!("{name}.{ending}"))).unwrap();
        (read("code").trim().to_owned(), read("out"), read("err"), read("status"))
    };
    // Prepared, built and restored: the tree is clean, and only the build prints anything.
    let (code, out, err, status) = results("good");
    assert_eq!((&*code, &*status), ("0", ""), "{out}{err}");
    assert!(!out.contains("bakstop:") && !err.contains("bakstop:"), "{out}{err}");
    // The image was really built.
    assert_eq!(fs::read_to_string(room.join("image.out")).unwrap(), "web #f00\n");

    let (code, out, err, status) = results("failing");
    assert_ne!(code, "0", "{out}{err}");
    assert_eq!(status, "");
    assert!(
        err.ends_with(&format!(
            "bakstop: the command ended with exit code {code}; the work tree is as it was\n"
        )),
        "{err}"
    );

    check_leftovers(&results);
    for name in ["interrupted", "undone"] {
        assert_eq!(fs::read_to_string(room.join(format!("{name}.alive"))).unwrap(), "", "{name}");
    }
}

/// Checks the cases that leave something or are interrupted. Each result is an exit code, both
/// streams and the status of git.
fn check_leftovers(results: &impl Fn(&str) -> (String, String, String, String)) {
    let unrestored = "help: the preparation has not been undone; \
                restore the originals\n    bakstop restore\n";
    let (code, out, _, status) = results("forgotten");
    assert_eq!((&*code, status.lines().count()), ("1", 3), "{out}");
    for line in [
        "modified          backend/package.json: this dependency points into .docker-deps\n",
        "modified          package.json: this dependency points into .docker-deps\n",
        "ignored leftover  .docker-deps/acme-tokens-1.4.0.tgz\n",
        "ignored leftover  package.json.bak\n",
        "\nbakstop: the command changed 8 paths\n",
        unrestored,
    ] {
        assert!(out.contains(line), "{line}: {out}");
    }

    let (code, out, _, status) = results("installed");
    assert_eq!((&*code, status.lines().count()), ("1", 1), "{out}");
    let help = "help: the lockfile kept a trace of the preparation\n    bakstop restore\n\n\
                  bakstop: the command changed 1 path\n";
    assert!(out.contains("modified  pnpm-lock.yaml: ") && out.ends_with(help), "{out}");

    let (code, out, _, status) = results("interrupted");
    assert_eq!((&*code, status.lines().count()), ("143", 3), "{out}");
    assert!(
        out.contains(unrestored)
            && out.contains("the command changed 8 paths; it was ended by signal 15\n"),
        "{out}"
    );
    let (code, out, err, status) = results("undone");
    assert_eq!((&*code, &*status), ("143", ""), "{out}{err}");
    assert!(
        err.ends_with(
            "bakstop: the command ended with exit code 143; the work tree is as it was\n"
        ),
        "{err}"
    );
}
