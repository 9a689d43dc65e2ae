//! Repositories that change while they are read.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::support::{BAKSTOP, Ran, Sandbox, finish};

/// How often each layer runs.
const TIMES: usize = 12;

/// Runs each layer repeatedly while a shell script runs in a loop; the script must succeed.
fn run_during(sandbox: &Sandbox, script: &str, test: impl Fn(&Ran)) {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let ran = sandbox.run("sh", &["-e", "-c", script]);
                assert_eq!(ran.code, Some(0), "{ran:?}");
            }
        });
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for variable in ["X", "GIT_OTHER", "GIT_NAMESPACE"].repeat(TIMES) {
                let mut command = sandbox.command(BAKSTOP);
                let ran =
                    finish(command.args(["check", "--show-files", "--verbose"]).env(variable, "x"));
                test(&ran);
            }
        }));
        done.store(true, Ordering::Relaxed);
        writer.join().unwrap();
        result.unwrap();
    });
}

/// The guard takes no lock, so it never blocks git, and sees one state or the other.
#[test]
fn an_index_replaced_while_it_is_read_gives_the_old_or_the_new_state() {
    let sandbox = Sandbox::workspace();
    let old =
        format!("file {} web/index.js\n", sandbox.git(&["rev-parse", "HEAD:web/index.js"]).trim());
    sandbox.write("web/index.js", "1\n");
    let new =
        format!("file {} web/index.js\n", sandbox.git(&["hash-object", "web/index.js"]).trim());
    let script = "echo 1 >web/index.js && git add web && git commit -q -m Next && \
                  git reset -q --hard HEAD~1";
    run_during(&sandbox, script, |ran| {
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert!(["", &old, &new].contains(&&*ran.out), "{ran:?}");
    });
}

/// Git writes the new pack before it removes the old objects.
#[test]
fn objects_packed_while_they_are_read_are_found() {
    let sandbox = Sandbox::workspace();
    sandbox.write("web/index.js", "1\n");
    sandbox.git(&["add", "-A"]);
    let staged =
        format!("file {} web/index.js\n", sandbox.git(&["rev-parse", ":web/index.js"]).trim());
    let script = "git commit-tree -m Loose HEAD: >/dev/null
git repack -q -a -d && git multi-pack-index write
git pack-refs --all && git update-ref refs/heads/main HEAD
git gc -q && git repack -q -a -d -f && git prune-packed";
    run_during(&sandbox, script, |ran| {
        assert_eq!((ran.code, &ran.out), (Some(0), &staged), "{ran:?}");
    });
}
