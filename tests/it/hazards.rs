//! The 36 hazards of a preparation, as they were seen with scripts that rewrite manifests: each is
//! tried below with a script, beside and in place; or the table names what tests it, or why it
//! cannot happen.

use std::fs;
use std::path::Path;

use crate::prep::Pair;
use crate::support::{BAKSTOP, finish};

/// What happens around a preparation, by the number of the hazard; and whether the tree is left as
/// if it had not run: by a script that rewrites manifests (`tests/cmd/docker-prep.sh`), and by
/// `prep --in-place`.
const HAZARDS: [(u32, &str, [bool; 2]); 16] = [
    // The script writes each manifest anew: another time.
    (
        1,
        "touch -t 202001010000 backend/package.json; prep; restore; \
         find backend -name package.json -newer bakstop.json",
        [false, false],
    ),
    // The second run keeps the rewritten manifest as the original.
    (2, "prep; prep --force; restore", [false, true]),
    // Killed: nothing restores.
    (3, "prep", [false, false]),
    (
        4,
        "sed s/backend/server/ backend/package.json > x; mv x backend/package.json; prep; restore",
        [true, true],
    ),
    // The edit is lost.
    (
        5,
        "prep; sed s/backend/server/ backend/package.json > x; mv x backend/package.json; restore",
        [false, true],
    ),
    // The stash has the rewritten manifest.
    (
        6,
        "echo 1 > note; git add note; prep; git stash -q; restore; git stash pop -q",
        [false, false],
    ),
    // The manifest of the other branch is overwritten.
    (7, "other; prep; git stash -q; git checkout -q other; restore", [false, true]),
    // A byte order mark, which stays.
    (
        13,
        "printf '\\357\\273\\277' > x; sed 's/^{ */{/' backend/package.json >> x; \
         mv x backend/package.json; prep; restore",
        [true, true],
    ),
    // Duplicate keys, and numbers that a JSON library writes otherwise.
    (
        14,
        "sed 's/{\"name\"/{\"x\":1.0,\"x\":1234567890123456789,\"name\"/' backend/package.json \
         > x; \
         mv x backend/package.json; prep; restore",
        [true, true],
    ),
    // The file behind a link stays rewritten.
    (
        15,
        "mkdir cfg; mv backend/package.json cfg; ln -s ../cfg/package.json backend; git add -A; \
         git commit -qm Link; prep; restore; test -L backend/package.json && echo link > kind; \
         cat cfg/package.json",
        [false, true],
    ),
    // Nothing is prepared.
    (16, "restore", [true, true]),
    // A backup of the developer's own is overwritten and removed.
    (17, "echo mine > backend/package.json.bak; prep; restore", [false, true]),
    // The rewritten manifest is committed.
    (18, "echo 1 > note; git add note; prep; git commit -qam All; restore", [false, false]),
    // A lockfile is made of the rewritten manifest.
    (
        19,
        "prep; cp backend/package.json backend/pnpm-lock.yaml; restore; cat backend/*.yaml",
        [false, false],
    ),
    // The merge is refused.
    (20, "other; prep; git merge -q --ff-only other; restore", [false, false]),
    // What would restore does not run after a failed build.
    (24, "prep && false && restore", [false, false]),
];

#[test]
fn a_preparation_is_not_seen_in_the_tree_where_a_script_is() {
    let pair = Pair::new("10.14.0");
    let manifest = "{\"name\": \"backend\", \"dependencies\": {\"@acme/http\": \"^1.4.0\"}}\n";
    pair.product.write("backend/package.json", manifest);
    pair.product.commit_all("Ask");
    let script = fs::canonicalize("tests/cmd/docker-prep.sh").unwrap();
    let script = script.to_str().unwrap();
    for (number, hazard, [by_script, in_place]) in HAZARDS {
        let state = |name: &str, prep: &str, restore: &str| {
            let lines = format!(
                "cp -R . ../{name} && cd ../{name}
                 prep() {{ {prep} \"$@\" > /dev/null; }}
                 restore() {{ {restore} > /dev/null; }}
                 other() {{
                     git checkout -qb other
                     sed s/backend/server/ backend/package.json > x
                     mv x backend/package.json
                     git commit -qam Rename && git checkout -q -
                 }}
                 {{ {hazard}; }} 2> errors
                 rm errors; git status --porcelain; git rev-parse HEAD:
                 cat package.json */package.json; find . -name '*.bak' -exec cat {{}} +"
            );
            let mut command = pair.product.command("sh");
            let ran = finish(command.env("PATH", pair.path()).args(["-c", &lines]));
            assert_eq!(ran.code, Some(0), "{number}: {ran:?}");
            fs::remove_dir_all(pair.at(name)).unwrap();
            ran.out
        };
        let expected = state("plain", ":", ":");
        let restore = format!("'{BAKSTOP}' restore");
        assert_eq!(state("prepared", &format!("'{BAKSTOP}' prep"), &restore), expected, "{number}");
        let by = state("script", &format!("sh '{script}'"), &format!("sh '{script}' --restore"));
        assert_eq!(by == expected, by_script, "{number}");
        let by = state("place", &format!("'{BAKSTOP}' prep --in-place"), &restore);
        assert_eq!(by == expected, in_place, "{number}: {by}\n{expected}");
    }
}

/// The hazards that are tested elsewhere: with an overlay, and in place. One word is the name of a
/// test.
const COVERED: [(u32, &str, &str); 20] = [
    // Two at once.
    (8, "two_in_one_tree_do_not_build_each_others_packages", "two_at_once_have_one_original"),
    // `--strip-overrides`.
    (9, "it writes no manifest", "without_a_command_it_stays_until_it_is_restored"),
    // The build of the sibling fails.
    (10, "nothing_is_written_if_something_fails", "what_cannot_be_packed_changes_nothing"),
    // The tarball of a renamed package, and that of another version, lie there.
    (11, "what_lies_in_the_way_is_not_prepared", "what_lies_in_the_way_is_not_prepared"),
    (12, "what_lies_in_the_way_is_not_prepared", "what_lies_in_the_way_is_not_prepared"),
    // A sibling that is not built.
    (21, "nothing_is_written_if_something_fails", "what_cannot_be_packed_changes_nothing"),
    // A linked work tree.
    (
        22,
        "each work tree has its own leftover directory",
        "linked_work_trees_and_submodules_have_their_own_journals",
    ),
    // No git.
    (
        23,
        "sources_without_git_are_prepared_and_put_back",
        "sources_without_git_are_prepared_and_put_back",
    ),
    // A signal during the build.
    (25, "a_signal_at_any_moment_leaves_nothing", "a_signal_at_any_moment_puts_manifests_back"),
    // pnpm 11 and newer read no overrides in a manifest.
    (
        26,
        "each_package_manager_gets_what_it_reads",
        "pnpm_11_gets_packages_with_the_paths_of_others",
    ),
    // A peer that the product does not list, and one of its own.
    (
        27,
        "overrides_do_not_reach_every_dependency",
        "without_overrides_peers_are_listed_and_none_may_win",
    ),
    (
        28,
        "overrides_do_not_reach_every_dependency",
        "without_overrides_peers_are_listed_and_none_may_win",
    ),
    // An alias.
    (29, "overrides_do_not_reach_every_dependency", "only_the_specs_in_a_package_change"),
    // A catalog that the manifest names.
    (
        30,
        "catalogs_are_carried_only_where_they_are_used",
        "other specs stay: the image has what it has without a preparation",
    ),
    // The same version with another content, behind a lockfile or a cache.
    (
        31,
        "what_changed_is_packed_and_nothing_runs_if_nothing_did",
        "names_are_of_the_content_of_all_and_of_the_depth",
    ),
    // The same size and time with another content: BuildKit takes it for the old one.
    (32, "no_time_is_set", "no_time_is_set"),
    // The ignore file of the context excludes the leftover directory.
    (
        33,
        "dockerfiles_are_judged_before_anything_is_packed",
        "only_the_tarballs_need_a_line_in_a_dockerfile",
    ),
    // A preparation that is forgotten.
    (34, "nothing_is_to_be_undone_after_a_kill", "every_verb_says_what_a_killed_run_left"),
    // It is changed while the build runs.
    (35, "a_preparation_that_the_command_changes_is_reported", "edits_meanwhile_are_kept"),
    // A full disk, and every other error of a write.
    (36, "preparing", "preparing_in_place"),
];

#[test]
fn each_hazard_is_tested_or_cannot_happen() {
    fn functions(directory: &Path, found: &mut Vec<String>) {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                functions(&path, found);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let text = fs::read_to_string(path).unwrap();
                let names = text.split("#[test]\n").skip(1);
                let names = names.filter_map(|text| text.trim_start().strip_prefix("fn "));
                found.extend(names.filter_map(|text| Some(text.split_once('(')?.0.to_owned())));
            }
        }
    }
    let mut tests = Vec::new();
    for directory in ["src", "tests/it"] {
        functions(Path::new(directory), &mut tests);
    }
    for (number, beside, in_place) in COVERED {
        for name in [beside, in_place].into_iter().filter(|name| !name.contains(' ')) {
            assert!(tests.iter().any(|test| test == name), "{number}: {name}");
        }
    }
    let tried = HAZARDS.iter().map(|hazard| hazard.0);
    let mut numbers: Vec<u32> = tried.chain(COVERED.iter().map(|hazard| hazard.0)).collect();
    numbers.sort_unstable();
    assert!(numbers.into_iter().eq(1..=36));
}

/// The two ways to prepare.
const WAYS: [&[&str]; 2] = [&[], &["--in-place"]];

#[test]
fn what_lies_in_the_way_is_not_prepared() {
    let pair = Pair::new("10.14.0");
    for way in WAYS {
        for name in ["acme-gone-1.0.0.tgz", "acme-log-0.9.0.tgz", "acme-log-1.0.0-rc.1.tgz"] {
            pair.product.write(format!(".docker-deps/{name}"), "old");
        }
        let look = "ls .docker-deps; cat web/package.json .docker-deps/tre[e]/web/*";
        let ran = pair.prep(&[way, &["--", "sh", "-c", look]].concat());
        assert!(ran.out.contains("acme-log-1.0.0-"), "{ran:?}");
        for old in ["gone", "0.9.0", "rc.1"] {
            assert!(!ran.out.contains(old), "{old}: {ran:?}");
        }
    }
}

#[test]
fn what_cannot_be_packed_changes_nothing() {
    for (path, text, option, words) in [
        ("packages/log/fail", "", "--force", "could not build the sibling"),
        ("packages/log/break", "", "--force", "could not pack ../plat"),
        // It was never built.
        ("packages/log/new", "", "--no-build", "it is not built: `main` names dist/index.js"),
    ] {
        let pair = Pair::new("10.14.0");
        pair.plat(path, text);
        for way in WAYS {
            let ran = pair.prep(&[way, &[option, "--", "touch", "ran"]].concat());
            assert!(ran.code == Some(2) && ran.err.contains(words), "{ran:?}");
            assert_eq!(pair.prepared(), [".gitkeep"]);
            assert_eq!(pair.product.git(&["status", "--porcelain"]), "");
        }
    }
}

#[test]
fn no_time_is_set() {
    let pair = Pair::new("10.14.0");
    let old = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_577_836_800);
    for way in WAYS {
        let manifest = pair.product.top.join("web/package.json");
        fs::File::options().append(true).open(&manifest).unwrap().set_modified(old).unwrap();
        let before = std::time::SystemTime::now() - std::time::Duration::from_secs(5);
        assert_eq!(pair.prep(way).code, Some(0));
        let written = |path: &Path| path.metadata().unwrap().modified().unwrap();
        for entry in fs::read_dir(pair.product.top.join(".docker-deps")).unwrap() {
            let path = entry.unwrap().path();
            assert!(path.ends_with(".gitkeep") || written(&path) > before, "{path:?}");
        }
        for verb in ["prep", "restore"] {
            let is_rewritten = !way.is_empty();
            assert_eq!(written(&manifest) > before, is_rewritten, "{verb}");
            assert_eq!(written(&manifest) == old, !is_rewritten, "{verb}");
            assert_eq!(pair.product.bakstop(&["restore"]).code, Some(0));
        }
    }
}
