//! Everything in git that can hide a change: settings, attributes, marks in the index, variables.
//! Each is tried with a change that it would hide. The list is that of git-config(1),
//! gitattributes(5), git-update-index(1) and git(1) of git 2.47.

use serde_json::json;

use crate::support::{BAKSTOP, Sandbox, finish};
use crate::verify::states::table::LIBRARY;
use crate::verify::{changed, report, reported_paths};

/// What hides: its name, the commands that set it, a change that it would hide, and the finding.
type Hiding = (&'static str, &'static str, &'static str, &'static str);

/// A change of the same size and time, which only ctime or the inode shows.
const SAME_TIME: &str = "touch -r web/index.js ../t && printf 'import {};\\n' >web/index.js && \
                         touch -r ../t web/index.js";
/// A link that becomes a file with its target as content.
const UNLINKED: &str = "rm link && printf web >link && git status >/dev/null";

/// Settings that are overruled: the change is found whether this was set before the build or by it.
const OVERRULED: &[Hiding] = &[
    ("core.fileMode", "git config core.fileMode false", "chmod +x web/index.js", "web/index.js"),
    (
        "core.ignoreCase, a file",
        "git config core.ignoreCase true",
        "touch web/Package.json",
        "web/Package.json",
    ),
    (
        "core.ignoreCase, a directory",
        "git config core.ignoreCase true",
        "mkdir WEB && touch WEB/index.js",
        "WEB/index.js",
    ),
    (
        "core.ignoreCase, another name",
        "git config core.ignoreCase true",
        "mv web/index.js web/Index.js",
        "web/Index.js",
    ),
    (
        "core.ignoreCase, a rule in another case",
        "git config core.ignoreCase true",
        "mkdir Node_Modules && touch Node_Modules/a",
        "Node_Modules/a",
    ),
    (
        "core.ignoreCase, and a file that looks like a file system that ignores case",
        "git config core.ignoreCase true && ln .git/HEAD .gIT",
        "touch web/Package.json",
        "web/Package.json",
    ),
    ("core.symlinks", "git config core.symlinks false", UNLINKED, "link"),
    (
        "core.symlinks, and a mark",
        "git config core.symlinks false && git update-index --assume-unchanged link",
        UNLINKED,
        "link",
    ),
    (
        "core.symlinks, a sparse index",
        "git sparse-checkout set --cone --sparse-index web && git config core.symlinks false",
        UNLINKED,
        "link",
    ),
    ("core.trustctime", "git config core.trustctime false", SAME_TIME, "web/index.js"),
    ("core.checkStat", "git config core.checkStat minimal", SAME_TIME, "web/index.js"),
    (
        "core.ignoreStat",
        "git config core.ignoreStat true && git rm -q --cached -r . && git reset -q --hard",
        "echo 1 >web/index.js",
        "web/index.js",
    ),
    (
        "core.untrackedCache",
        "git config core.untrackedCache true && git update-index --untracked-cache && git status",
        "touch web/new",
        "web/new",
    ),
    (
        "core.fsmonitor",
        "printf '#!/bin/sh\\nprintf \"t\\\\0\"\\n' >../monitor && chmod +x ../monitor && \
         git config core.fsmonitor \"$PWD/../monitor\" && git status && git status",
        "echo 1 >web/index.js",
        "web/index.js",
    ),
    (
        "core.splitIndex",
        "git config core.splitIndex true && git update-index --split-index",
        "echo 1 >web/index.js",
        "web/index.js",
    ),
    (
        "core.sparseCheckout without rules",
        "git config core.sparseCheckout true && git update-index --skip-worktree web/index.js",
        "rm web/index.js",
        "web/index.js",
    ),
    (
        "core.sparseCheckoutCone, a path that it includes",
        "git sparse-checkout set --cone web && git update-index --skip-worktree web/index.js",
        "rm web/index.js",
        "web/index.js",
    ),
    (
        "sparse.expectFilesOutsideOfPatterns",
        "git config core.sparseCheckout true && echo /backend >.git/info/sparse-checkout && \
         git config sparse.expectFilesOutsideOfPatterns true && \
         git update-index --skip-worktree web/index.js",
        "echo 1 >web/index.js",
        "web/index.js",
    ),
    (
        "index.sparse",
        "git sparse-checkout set --cone --sparse-index web && git config index.sparse true",
        "echo 1 >web/index.js",
        "web/index.js",
    ),
    (
        "feature.manyFiles",
        "git config feature.manyFiles true && git update-index --untracked-cache && git status",
        "touch web/new",
        "web/new",
    ),
    (
        "core.safecrlf",
        "git config core.safecrlf false",
        "printf '1\\r\\n' >web/index.js",
        "web/index.js",
    ),
    (
        "core.bigFileThreshold",
        "git config core.bigFileThreshold 1",
        "echo 1 >web/index.js",
        "web/index.js",
    ),
    (
        "core.preloadIndex",
        "git config core.preloadIndex false",
        "echo 1 >web/index.js",
        "web/index.js",
    ),
    ("core.hideDotFiles", "git config core.hideDotFiles true", "touch .new", ".new"),
    (
        "core.protectNTFS, core.protectHFS",
        "git config core.protectNTFS true && git config core.protectHFS true",
        "mkdir git~1 && touch git~1/new",
        "git~1/new",
    ),
    (
        "core.precomposeUnicode, core.quotePath",
        "git config core.precomposeUnicode true && git config core.quotePath false && touch é",
        "touch \"$(printf 'e\\314\\201')\"",
        "e\u{301}",
    ),
    (
        "core.useReplaceRefs",
        "git replace -f $(git rev-parse HEAD:web/index.js) $(echo 1 | git hash-object -w --stdin)",
        "echo 1 >web/index.js",
        "web/index.js",
    ),
    ("status.showUntrackedFiles", "git config status.showUntrackedFiles no", "touch new", "new"),
    (
        "status.relativePaths, diff.relative, diff.renames, status.renames",
        "git config status.relativePaths true && git config diff.relative true && \
         git config diff.renames copies && git config status.renames copies",
        "cp web/index.js new && git add new",
        "new",
    ),
    (
        "diff.external, diff.autoRefreshIndex",
        "git config diff.external true && git config diff.autoRefreshIndex false",
        "echo 1 >web/index.js",
        "web/index.js",
    ),
    (
        "extensions.worktreeConfig",
        "git config extensions.worktreeConfig true && \
         git config --worktree core.ignoreCase true && git config --worktree core.symlinks false",
        UNLINKED,
        "link",
    ),
    (
        "include.path",
        "printf '[core]\\nignoreCase = true\\n' >../included && \
         git config include.path \"$PWD/../included\"",
        "touch web/Package.json",
        "web/Package.json",
    ),
    (
        "assume-unchanged",
        "git update-index --assume-unchanged web/index.js",
        "echo 1 >web/index.js",
        "web/index.js",
    ),
    (
        "skip-worktree",
        "git update-index --skip-worktree web/index.js",
        "rm web/index.js",
        "web/index.js",
    ),
    (
        "fsmonitor-valid",
        "git update-index --fsmonitor-valid web/index.js",
        "echo 1 >web/index.js",
        "web/index.js",
    ),
    ("intent-to-add", "echo 1 >new && git add -N new", "echo 2 >new", "new"),
    (
        "submodule.<name>.ignore, diff.ignoreSubmodules",
        "git config submodule.lib.ignore all && git config diff.ignoreSubmodules all",
        "echo 2 >lib/a.c",
        "lib",
    ),
    (
        "submodule.<name>.ignore, staged",
        "git config submodule.lib.ignore all && git config diff.ignoreSubmodules all",
        "git -C lib commit -q --allow-empty -m More && \
         git update-index --cacheinfo 160000,$(git -C lib rev-parse HEAD),lib",
        "lib",
    ),
    (
        "submodule.active, submodule.recurse, status.submoduleSummary",
        "git config submodule.active no && git config submodule.lib.active false && \
         git config submodule.recurse false && git config status.submoduleSummary false",
        "echo 2 >lib/a.c",
        "lib",
    ),
    (
        "core.ignoreCase of a submodule",
        "git -C lib config core.ignoreCase true",
        "touch lib/A.C",
        "lib",
    ),
    (
        "status.showUntrackedFiles of a submodule",
        "git -C lib config status.showUntrackedFiles no",
        "touch lib/new",
        "lib",
    ),
    (
        "a mark in a submodule",
        "git -C lib config core.sparseCheckout true && git -C lib update-index --skip-worktree a.c",
        "rm lib/a.c",
        "lib",
    ),
];

/// Settings that are part of git's answer: only a build that changes one is found, by this name.
const WATCHED: &[Hiding] = &[
    ("info/exclude", "echo new >>.git/info/exclude", "touch new", ".git/info/exclude"),
    (
        "core.excludesFile",
        "echo new >../rules && git config core.excludesFile \"$PWD/../rules\"",
        "touch new",
        "core.excludesfile",
    ),
    (
        "core.excludesFile in the work tree, which ignores itself",
        "printf 'rules\\nnew\\n' >rules && git config core.excludesFile \"$PWD/rules\"",
        "touch new",
        "the file of core.excludesFile",
    ),
    (
        "core.attributesFile",
        "echo '*.js filter=f' >../rules && git config core.attributesFile \"$PWD/../rules\"",
        "printf 'import {};\\n' >web/index.js",
        "core.attributesfile",
    ),
    (
        "info/attributes",
        "echo '*.js filter=f' >.git/info/attributes",
        "printf 'import {};\\n' >web/index.js",
        ".git/info/attributes",
    ),
    (
        "attr.tree",
        "git config attr.tree $({ printf '100644 blob %s\\t.gitattributes' \
         $(echo '*.js filter=f' | git hash-object -w --stdin); } | git mktree)",
        "printf 'import {};\\n' >web/index.js",
        "attr.tree",
    ),
    (
        "filter.<driver>.clean",
        "git config filter.f.clean 'printf \"export {};\\\\n\"; cat >/dev/null' && \
         git config filter.f.required true",
        "true",
        "filter.f.clean",
    ),
    ("core.autocrlf", "git config core.autocrlf input", "true", "core.autocrlf"),
    ("core.eol", "git config core.eol crlf", "true", "core.eol"),
    ("core.bare", "git config core.bare true", "echo 1 >web/index.js", "core.bare"),
    (
        "core.worktree",
        "cp -r . ../copy && git config core.worktree \"$PWD/../copy\"",
        "echo 1 >web/index.js",
        "core.worktree",
    ),
    (
        "info/exclude of a submodule",
        "echo new >>.git/modules/lib/info/exclude",
        "touch lib/new",
        "lib: .git/info/exclude",
    ),
];

/// A workspace with a link, and with a submodule if the commands name it.
fn workspace(commands: &str) -> Sandbox {
    let sandbox = Sandbox::workspace();
    let library = if commands.contains("lib") { LIBRARY } else { "" };
    let filter = "git config filter.f.clean \"sed s/import/export/\"";
    run(
        &sandbox,
        &format!("ln -s web link && git add link && git commit -q -m Link && {filter}\n{library}"),
    );
    // The index is then older than each later change.
    run(&sandbox, "sleep 0.02 && git update-index -q --refresh");
    sandbox
}

fn run(sandbox: &Sandbox, script: &str) {
    let ran = sandbox.run("sh", &["-e", "-c", script]);
    assert_eq!(ran.code, Some(0), "{script}: {ran:?}");
}

fn names(paths: &[String], path: &str) -> bool {
    paths.iter().any(|line| line.starts_with(&format!("{path}: ")))
}

#[test]
fn what_hides_a_change_is_overruled() {
    for (name, set, change, path) in OVERRULED {
        let commands = format!("{set} {change}");
        let before = workspace(&commands);
        run(&before, set);
        let around = changed(&before, change);
        assert!(names(&around, path), "{name}, set before the build: {around:?}");
        let by_build = workspace(&commands);
        let around = changed(&by_build, &format!("{{ {set}; }} >/dev/null 2>&1; {change}"));
        assert!(names(&around, path), "{name}, set by the build: {around:?}");
        let plain = reported_paths(&by_build.bakstop(&["verify", "--format", "json"]));
        assert!(names(&plain, path), "{name}, without a command: {plain:?}");
    }
}

#[test]
fn what_is_part_of_gits_answer_is_watched() {
    for (name, set, change, setting) in WATCHED {
        let sandbox = workspace(&format!("{set} {change}"));
        let script = format!("{{ {set}; }} >/dev/null && {change}");
        let ran = sandbox.bakstop(&["verify", "--format", "json", "--", "sh", "-c", &script]);
        let settings = &report(&ran)["settings"];
        assert!(settings.as_array().unwrap().contains(&json!(setting)), "{name}: {ran:?}");
        assert_eq!(ran.code, Some(1), "{name}");
    }
}

#[test]
fn variables_of_git_hide_nothing() {
    let sandbox = workspace("");
    let changes = "touch web/Package.json && chmod +x backend/index.js && echo 1 >web/index.js && \
                   rm link && printf web >link";
    run(&sandbox, changes);
    let expected = reported_paths(&sandbox.bakstop(&["verify", "--format", "json"]));
    assert_eq!(expected.len(), 4);
    let settings = ["core.ignoreCase=true", "core.symlinks=false", "core.fileMode=false"];
    let settings = [&settings[..], &["status.showUntrackedFiles=no"]].concat();
    let mut numbered = vec![("GIT_CONFIG_COUNT".to_owned(), "4".to_owned())];
    let mut parameters = Vec::new();
    for (number, setting) in settings.iter().enumerate() {
        let (key, value) = setting.split_once('=').unwrap();
        numbered.push((format!("GIT_CONFIG_KEY_{number}"), key.to_owned()));
        numbered.push((format!("GIT_CONFIG_VALUE_{number}"), value.to_owned()));
        parameters.push(format!("'{key}'='{value}'"));
    }
    let one = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
    let mut all = vec![numbered, one("GIT_CONFIG_PARAMETERS", &parameters.join(" "))];
    for name in [
        "GIT_LITERAL_PATHSPECS",
        "GIT_GLOB_PATHSPECS",
        "GIT_NOGLOB_PATHSPECS",
        "GIT_ICASE_PATHSPECS",
        "GIT_OPTIONAL_LOCKS",
        "GIT_NO_REPLACE_OBJECTS",
        "GIT_FORCE_UNTRACKED_CACHE",
        "GIT_TEST_SPLIT_INDEX",
        "GIT_TEST_UNTRACKED_CACHE",
        "GIT_ATTR_NOSYSTEM",
        "GIT_CONFIG_NOSYSTEM",
        "GIT_DISCOVERY_ACROSS_FILESYSTEM",
    ] {
        all.extend(["0", "1"].map(|value| one(name, value)));
    }
    for (name, value) in [
        ("GIT_CEILING_DIRECTORIES", sandbox.top.to_str().unwrap()),
        ("GIT_NAMESPACE", "x"),
        ("GIT_EXTERNAL_DIFF", "true"),
        ("GIT_DIFF_OPTS", "--unified=0"),
        ("GIT_ATTR_SOURCE", "HEAD"),
        ("GIT_INDEX_VERSION", "4"),
        ("GIT_INDEX_FILE", ".git/index"),
        ("GIT_DIR", ".git"),
        ("GIT_WORK_TREE", "."),
        ("GIT_PREFIX", "web/"),
        ("GIT_CONFIG", "/dev/null"),
        ("GIT_REPLACE_REF_BASE", "refs/x"),
    ] {
        all.push(one(name, value));
    }
    for variables in all {
        let ran = finish(
            sandbox.command(BAKSTOP).args(["verify", "--format", "json"]).envs(variables.clone()),
        );
        assert_eq!(reported_paths(&ran), expected, "{variables:?}");
    }
}
