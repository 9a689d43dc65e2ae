//! `bakstop prep --in-place`: manifests are rewritten for a build, and put back after any end.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::Duration;

use crate::prep::Pair;
use crate::support::{BAKSTOP, Ran, finish};

mod git;
mod plain;

/// The manifests of the product.
const MANIFESTS: [&str; 2] = ["backend/package.json", "web/package.json"];

/// A manifest in a spelling that a JSON library would not keep.
const ODD: &str = "\u{feff}{\r\n\t\"name\": \"backend\",\r\n\t\"version\": 1.0,\r\n\t\
                   \"dependencies\": { \"\\u0040acme\\/http\": \"^1.0.0\" }\r\n}";

/// A product with a manifest in an odd spelling, and one with an edit that is not committed.
fn pair() -> Pair {
    let pair = Pair::new("10.14.0");
    pair.product.write(MANIFESTS[0], ODD);
    pair.product.commit_all("Spell it oddly");
    let edited = "{\"name\": \"web\", \"dependencies\": {\"@acme/log\": \"*\"}}\n\n";
    pair.product.write(MANIFESTS[1], edited);
    let place = pair.product.top.join(MANIFESTS[1]);
    fs::set_permissions(place, fs::Permissions::from_mode(0o640)).unwrap();
    pair
}

/// The content and the mode of each manifest.
type Manifests = Vec<(String, u32)>;

fn manifests(pair: &Pair) -> Manifests {
    let one = |path: &&str| {
        let place = pair.product.top.join(path);
        let mode = place.metadata().unwrap().permissions().mode();
        (fs::read_to_string(place).unwrap(), mode)
    };
    MANIFESTS.iter().map(one).collect()
}

fn prepare(pair: &Pair, arguments: &[&str]) -> Ran {
    pair.prep(&[&["--in-place"], arguments].concat())
}

fn journal(pair: &Pair) -> PathBuf {
    pair.product.top.join(".git/bakstop/prep/journal")
}

/// Asserts that nothing is left of a preparation.
fn assert_as_before(pair: &Pair, before: &Manifests, at: &str) {
    assert_eq!(&manifests(pair), before, "{at}");
    assert_eq!(pair.prepared(), [".gitkeep"], "{at}");
    assert!(!journal(pair).exists(), "{at}");
    let status = pair.product.git(&["status", "--porcelain", "--ignored"]);
    assert_eq!(status, " M web/package.json\n", "{at}");
}

#[test]
fn a_command_runs_while_manifests_are_rewritten() {
    let pair = pair();
    let before = manifests(&pair);
    let look = "cat backend/package.json; ls .docker-deps; git status --porcelain";
    for (end, code) in [("", 0), ("; exit 3", 3), ("; kill -TERM $$", 143)] {
        let ran = prepare(&pair, &["--", "sh", "-c", &format!("{look}{end}")]);
        assert_eq!(ran.code, Some(code), "{ran:?}");
        let start = "\u{feff}{\r\n\t\"name\": \"backend\",\r\n\t\"version\": 1.0,\r\n\t\
                     \"dependencies\": { \"\\u0040acme\\/http\": \"file:../";
        assert!(ran.out.starts_with(start), "{ran:?}");
        for part in [
            "\r\n\t},\r\n\t\"pnpm\": {\r\n\t\t\"overrides\": {\r\n\t\t\t\"@acme/http\": \"file:../",
            "acme-http-1.0.0-",
            "acme-log-1.0.0-",
            " M backend/package.json\n M web/package.json\n",
        ] {
            let part = part.trim_start_matches("\r\n\t}");
            assert!(ran.out.contains(part), "{part:?}: {ran:?}");
        }
        assert!(!ran.out.contains("tree\n"), "there is no overlay: {ran:?}");
        assert!(ran.err.contains("3 files written, 2 rewritten in place, in "), "{ran:?}");
        assert_as_before(&pair, &before, end);
    }
    let ran = prepare(&pair, &["--", "./missing"]);
    assert_eq!(ran.code, Some(127), "{ran:?}");
    assert_as_before(&pair, &before, "missing");
}

#[test]
fn without_a_command_it_stays_until_it_is_restored() {
    let pair = pair();
    let before = manifests(&pair);
    let ran = prepare(&pair, &[]);
    assert!(ran.code == Some(0) && ran.out.contains("2 rewritten in place"), "{ran:?}");
    let prepared = manifests(&pair);
    assert!(
        prepared.iter().zip(&before).all(|(now, before)| now.0 != before.0 && now.1 == before.1)
    );
    // Never a second original.
    for arguments in [&["--in-place"][..], &[], &["--dry-run"], &["--dry-run", "--force"]] {
        let ran = pair.prep(arguments);
        assert_eq!(ran.code, Some(2), "{arguments:?}: {ran:?}");
        let words = "backend/package.json and 1 more are still prepared in place";
        assert!(ran.err.contains(words) && ran.err.contains("bakstop restore"), "{ran:?}");
        assert_eq!(manifests(&pair), prepared, "{arguments:?}");
    }
    let ran = prepare(&pair, &["--force"]);
    assert!(ran.code == Some(0) && ran.out.contains("2 rewritten in place"), "{ran:?}");
    assert_eq!(manifests(&pair), prepared);
    let ran = pair.product.bakstop(&["restore", "--dry-run"]);
    assert!(ran.code == Some(0) && ran.out.contains("+\t\"dependencies\": {"), "{ran:?}");
    assert!(ran.out.contains("would remove .docker-deps/acme-log-1.0.0-"), "{ran:?}");
    assert_eq!(manifests(&pair), prepared);
    for words in
        ["restored web/package.json\nrestored backend/package.json\n", "nothing to restore"]
    {
        let ran = pair.product.bakstop(&["restore", "--strip-overrides"]);
        assert!(ran.code == Some(0) && ran.out.contains(words), "{ran:?}");
        assert_as_before(&pair, &before, words);
    }
    // With the other kind of preparation, `--force` takes it back as well.
    prepare(&pair, &["--keep", "--", "true"]);
    assert_eq!(manifests(&pair), prepared);
    let ran = pair.prep(&["--force", "--", "cat", MANIFESTS[1]]);
    assert_eq!((ran.code, &ran.out), (Some(0), &before[1].0), "{ran:?}");
    assert_as_before(&pair, &before, "beside");
}

/// Starts a preparation whose command waits, and kills it then.
fn killed(pair: &Pair) -> Child {
    let mut command = pair.command(&["--in-place", "--", "sh", "-c", "touch ../on; exec sleep 60"]);
    let command = command.process_group(0).stdout(Stdio::null()).stderr(Stdio::null());
    let child = command.spawn().unwrap();
    while !pair.at("on").exists() {
        sleep(Duration::from_millis(10));
    }
    child
}

#[test]
fn every_verb_says_what_a_killed_run_left() {
    let pair = pair();
    let before = manifests(&pair);
    let mut child = killed(&pair);
    let named = "bakstop: backend/package.json and 1 more have the packages of";
    let running = pair.product.bakstop(&["check"]);
    let words = format!("{named} `bakstop prep`, which is running\n");
    assert!(running.err.starts_with(&words), "{running:?}");
    child.kill().unwrap();
    child.wait().unwrap();
    let line = format!("{named} `bakstop prep --in-place`; to take them out: bakstop restore\n");
    let prepared = manifests(&pair);
    for words in [
        &["check"][..],
        &["verify"],
        &["doctor"],
        &["status"],
        &["pins"],
        &["lockfile", "--check"],
        &["prove"],
        &["hook", "pre-commit"],
        &["install"],
        &["measure", "--", "true"],
        &["uninstall"],
        &["restore", "--dry-run"],
        &["restore", "--staged"],
    ] {
        let ran = pair.product.bakstop(words);
        assert!(ran.err.starts_with(&line), "{words:?}: {ran:?}");
        assert_eq!(manifests(&pair), prepared, "{words:?}");
    }
    let ran = pair.product.bakstop(&["restore"]);
    assert!(ran.code == Some(0) && ran.err.is_empty(), "{ran:?}");
    assert_as_before(&pair, &before, "restored");
    assert_eq!(pair.product.bakstop(&["check"]).err, "bakstop: nothing new is staged\n");
}

#[test]
fn a_signal_at_any_moment_puts_manifests_back() {
    let pair = pair();
    let before = manifests(&pair);
    for round in 0..24_u32 {
        let (name, number) =
            [("INT", 2), ("TERM", 15), ("HUP", 1), ("QUIT", 3)][round as usize % 4];
        let with_command = ["--in-place", "--force", "--", "sh", "-c", "exec sleep 5"];
        let mut command = pair.command(&with_command);
        let command = command.process_group(0).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        sleep(Duration::from_millis(u64::from(round) * 30));
        let mut kill = std::process::Command::new("kill");
        assert!(kill.args(["-s", name, &child.id().to_string()]).status().unwrap().success());
        let ended = child.wait().unwrap();
        let by_default = std::os::unix::process::ExitStatusExt::signal(&ended) == Some(number);
        assert!(by_default || ended.code() == Some(128 + number), "{name} in {round}: {ended:?}");
        assert_as_before(&pair, &before, &format!("{name} in round {round}"));
    }
}

#[test]
fn edits_meanwhile_are_kept() {
    for (edit, expected, left) in [
        // Another value, a formatter that needs no key, the removal of what was written.
        (
            "s/\"web\"/\"site\"/",
            "{\"name\": \"site\", \"dependencies\": {\"@acme/log\": \"*\"}}\n\n",
            "",
        ),
        ("s/,/ ,\\n/g", "{\"name\": \"web\" ,\n \"dependencies\": {\"@acme/log\": \"*\"}}\n\n", ""),
        ("s/\"@acme.log\": \"[^\"]*\"//g", "{\"name\": \"web\", \"dependencies\": {}}\n\n", ""),
        (
            "s/\"file:[^\"]*\"/\"^2\"/",
            "{\"name\": \"web\", \"dependencies\": {\"@acme/log\": \"^2\"}}\n\n",
            "left web/package.json:1: dependencies > @acme/log: it was changed since",
        ),
        (
            "s/^{/{,/",
            "",
            "left web/package.json: it cannot be undone in what it is: see `git diff`",
        ),
    ] {
        let pair = pair();
        let before = manifests(&pair);
        for is_around in [false, true] {
            let script = format!("sed -i '{edit}' {}", MANIFESTS[1]);
            let ran = if is_around {
                prepare(&pair, &["--", "sh", "-c", &script])
            } else {
                prepare(&pair, &[]);
                pair.product.run("sh", &["-c", &script]);
                pair.product.bakstop(&["restore"])
            };
            let text = format!("{}{}", ran.out, ran.err);
            assert!(text.contains(left), "{edit}: {ran:?}");
            // The build may have used the edit.
            let code = i32::from(is_around || !left.is_empty());
            assert_eq!(ran.code, Some(code), "{edit}: {ran:?}");
            let now = manifests(&pair);
            assert_eq!(now[0], before[0], "{edit}");
            if !expected.is_empty() {
                assert_eq!(now[1].0, expected, "{edit}");
            }
            pair.product.write(MANIFESTS[1], &before[1].0);
            let again = pair.product.bakstop(&["restore"]);
            assert_eq!(again.code, Some(0), "{edit}: {again:?}");
        }
    }
    // A file that is gone is not created again, nor is a link followed.
    let pair = pair();
    let place = pair.product.top.join(MANIFESTS[1]);
    for is_link in [false, true] {
        prepare(&pair, &[]);
        fs::remove_file(&place).unwrap();
        let outside = pair.at("outside.json");
        fs::write(&outside, "{}").unwrap();
        if is_link {
            symlink(&outside, &place).unwrap();
        }
        let ran = pair.product.bakstop(&["restore"]);
        let words =
            format!("it is {} now: it is not created", if is_link { "no file" } else { "gone" });
        assert!(ran.code == Some(1) && ran.out.contains(&words), "{ran:?}");
        assert_eq!(place.symlink_metadata().is_ok(), is_link);
        assert_eq!(fs::read_to_string(outside).unwrap(), "{}");
        assert!(!journal(&pair).exists());
        let _ = fs::remove_file(&place);
        pair.product.git(&["checkout", "-q", "--", MANIFESTS[1]]);
    }
}

#[test]
fn what_must_not_be_rewritten_is_named_before_anything_is_packed() {
    let refused = |change: &dyn Fn(&Pair), words: &str| {
        let pair = pair();
        change(&pair);
        let before = pair.product.git(&["status", "--porcelain"]);
        let ran = prepare(&pair, &["--", "touch", "ran"]);
        assert!(ran.code == Some(2) && ran.err.contains(words), "{words}: {ran:?}");
        assert!(ran.err.contains("\nhelp: "), "{ran:?}");
        assert_eq!(pair.product.git(&["status", "--porcelain"]), before, "{words}");
        assert!(pair.calls().is_empty() && !journal(&pair).exists(), "{words}");
        assert_eq!(pair.prepared(), [".gitkeep"], "{words}");
        // The printed command lets it through.
        if let Some((_, command)) = ran.err.split_once("help: git update-index") {
            let command = format!("git update-index{command}");
            assert_eq!(pair.product.run("sh", &["-c", &command]).code, Some(0));
            let ran = prepare(&pair, &["--", "true"]);
            assert_eq!(ran.code, Some(0), "{ran:?}");
        }
    };
    let marked = |mark: &'static str| {
        move |pair: &Pair| {
            pair.product.git(&["update-index", mark, MANIFESTS[1]]);
        }
    };
    refused(&marked("--skip-worktree"), "could not change web/package.json: a mark hides");
    refused(&marked("--assume-unchanged"), "web/package.json: a mark hides its changes");
    let conflict = |pair: &Pair| {
        let product = &pair.product;
        product.commit_all("Ours");
        product.git(&["checkout", "-q", "-b", "other", "HEAD~1"]);
        product.write(MANIFESTS[1], r#"{"dependencies": {"@acme/log": "^1"}}"#);
        product.commit_all("Theirs");
        assert_eq!(product.try_git(&["merge", "-q", "main"]).code, Some(1));
        // Resolved in the file, not in the index.
        product.write(MANIFESTS[1], r#"{"dependencies": {"@acme/log": "^1"}}"#);
    };
    refused(&conflict, "could not change web/package.json: it has conflicts");
    let write = |text: &'static str| move |pair: &Pair| pair.product.write(MANIFESTS[1], text);
    for text in ["{\"dependencies\": {\"@acme/log\": \"1\",}}", "// @acme/\n{}", "{'@acme/x': 1}"] {
        refused(&write(text), "could not read web/package.json:1:");
    }
    let link = |pair: &Pair| {
        let place = pair.product.top.join(MANIFESTS[1]);
        fs::remove_file(&place).unwrap();
        symlink("../backend/package.json", place).unwrap();
    };
    refused(&link, "could not read web/package.json: it is a symbolic link");
    let no_object = r#"{"dependencies": {"@acme/log": "1"}, "pnpm": 1}"#;
    refused(&write(no_object), "its pnpm is not an object");
}

#[test]
fn a_damaged_journal_is_not_obeyed() {
    let pair = pair();
    prepare(&pair, &[]);
    let prepared = manifests(&pair);
    let whole = fs::read(journal(&pair)).unwrap();
    let end = whole.len();
    let newer = String::from_utf8_lossy(&whole).replacen("journal/2", "journal/3", 1).into_bytes();
    for text in [&whole[..0], &whole[..1], &whole[..end / 2], &whole[..end - 1], &newer] {
        fs::write(journal(&pair), text).unwrap();
        for words in
            [&["restore"][..], &["restore", "--dry-run"], &["prep", "--in-place", "--force"]]
        {
            let mut command = pair.product.command(BAKSTOP);
            let ran = finish(command.env("PATH", pair.path()).args(words));
            assert!(
                ran.code == Some(2) && ran.err.contains("it is damaged, or of another version")
            );
            assert!(ran.err.contains("help: it may have originals"), "{ran:?}");
            assert_eq!(manifests(&pair), prepared, "{words:?}");
        }
        let status = pair.product.bakstop(&["status"]);
        assert!(status.err.starts_with("bakstop: a file has the packages of"), "{status:?}");
    }
    // Without it, the originals are those of HEAD.
    fs::remove_file(journal(&pair)).unwrap();
    let ran = pair.product.bakstop(&["restore"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(manifests(&pair)[0].0, ODD);
}

#[test]
fn two_at_once_have_one_original() {
    let pair = pair();
    let before = manifests(&pair);
    let script = format!("'{BAKSTOP}' prep --in-place; echo $?; '{BAKSTOP}' restore; echo $?");
    let ran = prepare(&pair, &["--", "sh", "-c", &script]);
    assert!(ran.code == Some(0) && ran.out == "2\n2\n", "{ran:?}");
    assert!(ran.err.contains("another bakstop is preparing one here"), "{ran:?}");
    assert!(ran.err.contains("`bakstop prep` is running in this work tree"), "{ran:?}");
    assert_as_before(&pair, &before, "one in the other");
    let runs = [(); 3].map(|()| {
        let mut command = pair.command(&["--in-place"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    });
    let ran = runs.map(|run| Ran::from(run.wait_with_output().unwrap()));
    let codes: Vec<Option<i32>> = ran.iter().map(|ran| ran.code).collect();
    assert_eq!(codes.iter().filter(|code| **code == Some(0)).count(), 1, "{ran:?}");
    assert_eq!(codes.iter().filter(|code| **code == Some(2)).count(), 2, "{ran:?}");
    assert_eq!(pair.product.bakstop(&["restore"]).code, Some(0));
    assert_as_before(&pair, &before, "at once");
}

#[test]
fn pnpm_11_gets_packages_with_the_paths_of_others() {
    let pair = pair();
    let pinned = "{\"name\": \"shop\", \"packageManager\": \"pnpm@11.28.11\"}\n";
    pair.product.write("package.json", pinned);
    pair.product.commit_all("Pin");
    let before = manifests(&pair);
    let look = "cat backend/package.json; for file in .docker-deps/acme-http-*.tgz; do \
                gzip -dc $file | tar -xOf - package/package.json; done; ls .docker-deps";
    let mut first = String::new();
    for round in 0..2 {
        let ran = prepare(&pair, &["--", "sh", "-c", look]);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert!(!ran.out.contains("overrides"), "{ran:?}");
        let name = |text: &str| text.split(['"', '\n']).next().unwrap().to_owned();
        let names: Vec<String> = ran.out.split("file:../").skip(1).map(name).collect();
        assert!(names.len() == 2 && names[1].contains("/acme-log-1.0.0-"), "{ran:?}");
        for name in &names {
            let file = name.rsplit('/').next().unwrap();
            assert!(
                ran.out.contains(&format!("\n{file}\n"))
                    || ran.out.contains(&format!("}}{file}\n")),
                "{file}: {ran:?}"
            );
        }
        if round == 0 {
            first = ran.out;
        } else {
            assert_eq!(first, ran.out, "the same packages have the same names");
        }
        assert_eq!(manifests(&pair), before);
        assert_eq!(pair.prepared(), [".gitkeep"]);
    }
    // An override in the file that an image may have would win.
    pair.product.write("web/pnpm-workspace.yaml", "overrides:\n  '@acme/log': '1'\n");
    let ran = prepare(&pair, &["--", "true"]);
    let words = "could not prepare web/package.json: its pnpm-workspace.yaml has an override of";
    assert!(ran.code == Some(2) && ran.err.contains(words), "{ran:?}");
    assert_eq!(manifests(&pair), before);
}

#[test]
fn an_image_that_installs_at_the_top_gets_its_settings_in_place() {
    let pair = pair();
    let dockerfile = "FROM node:22\nWORKDIR /app\nCOPY .docker-deps* .docker-deps/\n\
                      COPY package.json pnpm-workspace.yaml ./\n\
                      COPY backend/package.json backend/\nRUN pnpm install\n";
    pair.product.write("Dockerfile", dockerfile);
    pair.product.write("package.json", "{\"packageManager\": \"pnpm@12.21.0\"}\n");
    pair.product.write(".dockerignore", "node_modules\n");
    pair.product.commit_all("Build");
    let before = manifests(&pair);
    let workspace = || fs::read_to_string(pair.product.top.join("pnpm-workspace.yaml")).unwrap();
    let settings = workspace();
    let ran = prepare(&pair, &["--", "cat", "pnpm-workspace.yaml", "backend/package.json"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let overrides = "overrides:\n  \"@acme/http\": \"file:.docker-deps/acme-http-1.0.0-";
    assert!(ran.out.starts_with(overrides) && ran.out.contains("\npackages:\n"), "{ran:?}");
    assert!(ran.out.ends_with(ODD), "{ran:?}");
    assert_eq!((workspace(), manifests(&pair)), (settings.clone(), before.clone()));
    // With an edit meanwhile.
    prepare(&pair, &[]);
    pair.product.write("pnpm-workspace.yaml", workspace() + "# more\n");
    assert_eq!(pair.product.bakstop(&["restore"]).code, Some(0));
    assert_eq!(workspace(), settings + "# more\n");
}

#[test]
fn only_the_tarballs_need_a_line_in_a_dockerfile() {
    let pair = pair();
    let start = "FROM node:22\nWORKDIR /app/backend\n";
    let end = "COPY backend/package.json ./\nRUN pnpm install\n";
    let tarballs = "COPY .docker-deps* /app/.docker-deps/\n";
    pair.product.write("Dockerfile", format!("{start}{tarballs}{end}"));
    pair.product.write(".dockerignore", "node_modules\n.docker-deps/tree\n");
    assert_eq!(pair.prep(&["--", "true"]).code, Some(1), "an overlay does");
    assert_eq!(prepare(&pair, &["--", "true"]).code, Some(0));
    pair.product.write("Dockerfile", format!("{start}{end}"));
    let ran = prepare(&pair, &["--", "touch", "ran"]);
    assert!(ran.code == Some(1) && ran.out.contains("not at /app/.docker-deps"), "{ran:?}");
    assert!(ran.err.contains("help: bakstop prep --in-place --fix-dockerfiles"), "{ran:?}");
    assert!(!pair.product.top.join("ran").exists() && !journal(&pair).exists());
    let ran = prepare(&pair, &["--fix-dockerfiles", "--", "true"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let fixed = fs::read_to_string(pair.product.top.join("Dockerfile")).unwrap();
    assert!(fixed.contains("COPY .docker-dep[s] /app/.docker-deps/\n") && !fixed.contains("tree"));
}

#[test]
fn the_configuration_can_ask_for_it() {
    let pair = pair();
    let settings = |way: &str| {
        let prep = r#"{"prep": {"from": "../plat", "scope": ["@acme"]"#;
        pair.product.write("bakstop.json", format!("{prep}{way}}}}}"));
    };
    let (tarballs, end) = (
        "COPY .docker-deps* /app/.docker-deps/\n",
        "COPY backend/package.json ./\nRUN pnpm install\n",
    );
    let dockerfile = |lines: &str| {
        pair.product
            .write("Dockerfile", format!("FROM node:22\nWORKDIR /app/backend\n{lines}{end}"));
    };
    dockerfile(tarballs);
    pair.product.write(MANIFESTS[0], "{\"dependencies\": {\"@acme/http\": \"^1.0.0\"}}");
    pair.product.write(".dockerignore", "node_modules\n");
    let found = |what: &str| pair.product.bakstop(&["doctor"]).out.contains(what);
    settings("");
    assert!(found("nothing lies over backend/package.json"));
    assert_eq!(pair.prep(&["--", "true"]).code, Some(1), "it lacks the overlay");
    settings(r#", "way": "in-place""#);
    assert!(!found("missing-overlay"));
    for option in [&[][..], &["--in-place"]] {
        let ran = pair.prep(&[option, &["--", "cat", MANIFESTS[1]]].concat());
        assert!(ran.code == Some(0) && ran.out.contains("file:../"), "{ran:?}");
        assert!(ran.err.contains("2 rewritten in place"), "{ran:?}");
    }
    // Also while it is prepared, which the rules about rewritten manifests report.
    must_succeed(&pair.prep(&[]), 0);
    assert!(journal(&pair).exists() && !found("missing-overlay"));
    must_succeed(&pair.product.bakstop(&["restore"]), 0);
    dockerfile("");
    assert!(found("the packed packages for backend/package.json are not at /app/.docker-deps"));
    assert_eq!(pair.prep(&["--", "true"]).code, Some(1), "it lacks the packed packages");
}

#[test]
fn a_lockfile_that_an_installation_wrote_is_named() {
    let pair = pair();
    let before = manifests(&pair);
    let lock = |spec: &str| {
        format!(
            "lockfileVersion: '9.0'\n\npackages:\n\n  '@acme/log@{spec}':\n    version: 1.0.0\n"
        )
    };
    pair.product.write("web/pnpm-lock.yaml", lock("1.0.0"));
    pair.product.commit_all("Lock");
    let script = "sed \"s,log@1.0.0,log@file:../.docker-deps/$(ls .docker-deps | grep log),\" \
                  web/pnpm-lock.yaml > web/new && mv web/new web/pnpm-lock.yaml";
    let ran = prepare(&pair, &["--", "sh", "-c", script]);
    let words = "bakstop: left web/pnpm-lock.yaml: it was written while manifests were rewritten";
    assert!(ran.code == Some(1) && ran.err.contains(words), "{ran:?}");
    assert_eq!(manifests(&pair), before);
    let ran = pair.product.bakstop(&["restore"]);
    assert!(ran.code == Some(0) && ran.out.contains("restored web/pnpm-lock.yaml"), "{ran:?}");
    assert_eq!(pair.product.git(&["status", "--porcelain"]), "");
}

#[test]
fn a_build_that_is_proven_leaves_the_tree_as_it_was() {
    let pair = pair();
    let before = manifests(&pair);
    for (script, code) in [("true", 0), ("echo x > left", 1)] {
        let mut command = pair.product.command(BAKSTOP);
        let words = ["verify", "--", BAKSTOP, "prep", "--in-place", "--", "sh", "-c", script];
        let ran = finish(command.env("PATH", pair.path()).args(words));
        assert_eq!(ran.code, Some(code), "{ran:?}");
        assert_eq!(manifests(&pair), before);
    }
}

#[test]
fn a_dry_run_shows_the_differences() {
    let pair = pair();
    let before = manifests(&pair);
    let ran = prepare(&pair, &["--dry-run"]);
    assert!(ran.code == Some(0) && ran.out.contains("\n--- a/web/package.json\n"), "{ran:?}");
    let line = "+{\"name\": \"web\", \"dependencies\": {\"@acme/log\": \"file:../";
    assert!(ran.out.contains(line), "{ran:?}");
    assert!(ran.out.contains("2 to rewrite in place\n"), "{ran:?}");
    assert_as_before(&pair, &before, "dry");
    let ran = prepare(&pair, &["--format", "json", "--", "true"]);
    let document: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(document["rewritten"][1]["path"], MANIFESTS[1]);
    let schema = fs::read_to_string("docs/schema/prep.json").unwrap();
    let schema = serde_json::from_str(&schema).unwrap();
    assert!(jsonschema::validator_for(&schema).unwrap().is_valid(&document), "{document}");
}

/// Kills runs at random moments, each followed by another run that may be killed as well. The seed
/// is printed.
#[test]
#[ignore = "takes some minutes"]
fn random_kills_lose_nothing() {
    let pair = pair();
    let before = manifests(&pair);
    must_succeed(&prepare(&pair, &[]), 0);
    let prepared = manifests(&pair);
    must_succeed(&pair.product.bakstop(&["restore"]), 0);
    let mut seed = u64::from(std::process::id());
    println!("seed {seed}");
    let mut random = |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    let kinds: [&[&str]; 4] = [
        &["prep", "--in-place", "--", "sleep", "0.02"],
        &["prep", "--in-place"],
        &["prep", "--in-place", "--force", "--", "true"],
        &["restore"],
    ];
    let (mut killed, mut left) = (0, 0);
    for round in 0..200 {
        let mut words = Vec::new();
        for _ in 0..=random(3) {
            let arguments = kinds[usize::try_from(random(4)).unwrap()];
            words.push(arguments[1..].join(" "));
            let mut command = pair.product.command(BAKSTOP);
            let command = command.env("PATH", pair.path()).args(arguments).process_group(0);
            let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            sleep(Duration::from_micros(random(400_000)));
            let _ = child.kill();
            killed += usize::from(child.wait().unwrap().code().is_none());
        }
        let now = manifests(&pair);
        for (at, one) in now.iter().enumerate() {
            assert!(*one == before[at] || *one == prepared[at], "{round}: {words:?}: {one:?}");
        }
        if now != before {
            left += 1;
            let status = pair.product.bakstop(&["status"]);
            assert!(
                status.err.contains("to take them out: bakstop restore"),
                "{round}: {status:?}"
            );
        }
        must_succeed(&pair.product.bakstop(&["restore"]), 0);
        assert_as_before(&pair, &before, &format!("{round}: {words:?}"));
    }
    println!("{killed} runs killed, {left} times prepared manifests were left");
    assert!(killed > 50 && left > 0);
}

fn must_succeed(ran: &Ran, code: i32) {
    assert_eq!(ran.code, Some(code), "{ran:?}");
}
