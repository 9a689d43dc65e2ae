//! Repositories that change while they are read.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::support::{BAKSTOP, Ran, Sandbox, finish};

/// How often each layer is asked.
const TIMES: usize = 12;

/// Asks each layer again and again, while commands of a shell run again and again beside it, each
/// of which must succeed.
fn ask_while(sandbox: &Sandbox, script: &str, test: impl Fn(&Ran)) {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let ran = sandbox.run("sh", &["-e", "-c", script]);
                assert_eq!(ran.code, Some(0), "{ran:?}");
            }
        });
        let asked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for variable in ["X", "GIT_OTHER", "GIT_NAMESPACE"].repeat(TIMES) {
                let mut command = sandbox.command(BAKSTOP);
                let ran =
                    finish(command.args(["check", "--show-files", "--verbose"]).env(variable, "x"));
                test(&ran);
            }
        }));
        done.store(true, Ordering::Relaxed);
        writer.join().unwrap();
        asked.unwrap();
    });
}

/// The guard takes no lock, so it is in nobody's way, and sees one state or another.
#[test]
fn an_index_that_is_replaced_meanwhile_is_read_before_or_after() {
    let sandbox = Sandbox::workspace();
    let old =
        format!("file {} web/index.js\n", sandbox.git(&["rev-parse", "HEAD:web/index.js"]).trim());
    sandbox.write("web/index.js", "1\n");
    let new =
        format!("file {} web/index.js\n", sandbox.git(&["hash-object", "web/index.js"]).trim());
    let script = "echo 1 >web/index.js && git add web && git commit -q -m Next && \
                  git reset -q --hard HEAD~1";
    ask_while(&sandbox, script, |ran| {
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert!(["", &old, &new].contains(&&*ran.out), "{ran:?}");
    });
}

/// Whoever tidies up leaves no moment without an object.
#[test]
fn objects_that_are_packed_meanwhile_are_found() {
    let sandbox = Sandbox::workspace();
    sandbox.write("web/index.js", "1\n");
    sandbox.git(&["add", "-A"]);
    let staged =
        format!("file {} web/index.js\n", sandbox.git(&["rev-parse", ":web/index.js"]).trim());
    let script = "git commit-tree -m Loose HEAD: >/dev/null
git repack -q -a -d && git multi-pack-index write && git pack-refs --all && git update-ref refs/heads/main HEAD
git gc -q && git repack -q -a -d -f && git prune-packed";
    ask_while(&sandbox, script, |ran| {
        assert_eq!((ran.code, &ran.out), (Some(0), &staged), "{ran:?}");
    });
}
