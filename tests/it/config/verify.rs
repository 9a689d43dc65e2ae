//! `bakstop verify` with a configuration that allows changes.

use crate::config::stage;
use crate::hooks::must;
use crate::support::Sandbox;

/// A workspace whose configuration allows changes in `dist/`, and in `old/` until a day in the
/// past.
fn workspace() -> Sandbox {
    let sandbox = Sandbox::workspace();
    let text = r#"{"verify": {"allow": [
  {"path": "dist/**", "reason": "the build writes it"},
  {"path": "old/**", "reason": "until the migration", "until": "2001-01-01"}
]}, "rules": {"expired-allowance": "off"}}"#;
    stage(&sandbox, "bakstop.json", text);
    stage(&sandbox, "dist/a.js", "1");
    sandbox.git(&["commit", "-q", "-m", "Configure"]);
    sandbox
}

const ENDED: &str = "bakstop: bakstop.json:3:3: this allowance has expired\n";

#[test]
fn a_build_may_change_allowed_paths_only() {
    let sandbox = workspace();
    let ran = must(sandbox.bakstop(&[
        "verify",
        "--",
        "sh",
        "-c",
        "echo 2 > dist/a.js; echo 3 > dist/b.js",
    ]));
    assert_eq!((&*ran.out, &*ran.err), ("", ENDED));
    // An allowed path is not reported without a build either.
    let ran = must(sandbox.bakstop(&["verify", "--verbose"]));
    for line in [
        "bakstop: hidden by bakstop.json:2:3: dist/a.js: the build writes it\n",
        "bakstop: hidden by bakstop.json:2:3: dist/b.js: the build writes it\n",
        ENDED,
    ] {
        assert!(ran.err.contains(line), "{line}{ran:?}");
    }
    let ran =
        sandbox.bakstop(&["verify", "--", "sh", "-c", "echo 4 > dist/a.js; echo 5 > web/index.js"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.out.contains("web/index.js") && !ran.out.contains("dist/"), "{ran:?}");
    let failed = sandbox.bakstop(&["verify", "--", "sh", "-c", "echo 6 > dist/a.js; exit 7"]);
    assert_eq!(failed.code, Some(7), "{failed:?}");
}

#[test]
fn an_expired_allowance_has_no_effect_and_is_reported() {
    let sandbox = workspace();
    let ran = sandbox.bakstop(&["verify", "--", "sh", "-c", "mkdir old && echo 1 > old/a"]);
    assert_eq!((ran.code, &*ran.err), (Some(1), ENDED));
    assert!(ran.out.contains("old/a"), "{ran:?}");
}

#[test]
fn a_build_cannot_extend_the_configuration() {
    let sandbox = workspace();
    let more = r#"{"verify": {"allow": [{"path": "**", "reason": "r"}]}}"#;
    let build = format!("echo '{more}' > bakstop.json; echo 1 > web/index.js");
    let ran = sandbox.bakstop(&["verify", "--", "sh", "-c", &build]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.out.contains("web/index.js") && ran.out.contains("bakstop.json"), "{ran:?}");
}

#[test]
fn the_configuration_sets_the_leftovers() {
    let sandbox = Sandbox::workspace();
    let text = r#"{"backups": ["*.orig"], "debris": {".packed": {}}}"#;
    stage(&sandbox, "bakstop.json", text);
    stage(&sandbox, ".gitignore", "*.orig\n.packed/\n*.log\n");
    sandbox.git(&["commit", "-q", "-m", "Configure"]);
    let ran = sandbox.bakstop(&[
        "verify",
        "--",
        "sh",
        "-c",
        "mkdir .packed; touch .packed/x.tgz a.orig b.log",
    ]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.out.contains(".packed/x.tgz") && ran.out.contains("a.orig"), "{ran:?}");
    assert!(!ran.out.contains("b.log"), "{ran:?}");
}

#[test]
fn a_configuration_does_not_allow_itself() {
    let sandbox = Sandbox::workspace();
    sandbox.write("web/index.js", "1\n");
    sandbox.write("bakstop.json", r#"{"verify": {"allow": [{"path": "**", "reason": "r"}]}}"#);
    let ran = sandbox.bakstop(&["verify", "--no-diff"]);
    assert_eq!(
        (ran.code, &*ran.out),
        (Some(1), "untracked  bakstop.json\n\nbakstop: 1 path is not clean\n")
    );
}
