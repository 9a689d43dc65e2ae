//! The new paths of each commit, compared with git.

use std::collections::BTreeSet;
use std::fs;

use super::{commit, found};
use crate::support::{Sandbox, rewritten_spec};

/// A rewritten manifest with the spec in this line, so that findings distinguish contents.
fn manifest(line: usize) -> String {
    format!(
        "{{{}\"dependencies\": {{ \"x\": \"{}\" }}}}\n",
        "\n".repeat(line - 1),
        rewritten_spec()
    )
}

/// A history with every way in which a path becomes new.
fn every_new_path() -> Sandbox {
    let sandbox = Sandbox::unborn();
    let step = |message: &str, change: &dyn Fn()| {
        change();
        commit(&sandbox, message);
    };
    let write = |directory: &str, line: usize| {
        sandbox.write(format!("{directory}/package.json"), manifest(line));
    };
    step("root", &|| {
        for (directory, line) in [("a", 1), ("d", 2), ("d/e", 3), ("z", 4)] {
            write(directory, line);
        }
    });
    step("modify", &|| write("d", 5));
    step("mode", &|| {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(sandbox.top.join("a/package.json"), mode).unwrap();
    });
    step("rename", &|| drop(sandbox.git(&["mv", "d", "x"])));
    step("back, with another", &|| {
        sandbox.git(&["mv", "x", "d"]);
        write("d/e", 6);
    });
    step("file for directory", &|| {
        fs::remove_dir_all(sandbox.top.join("d/e")).unwrap();
        sandbox.write("d/e", "now a file");
        write("d/f", 7);
    });
    step("directory for file", &|| {
        fs::remove_file(sandbox.top.join("z/package.json")).unwrap();
        write("z/package.json/in", 8);
    });
    for (branch, line) in [("one", 10), ("two", 20), ("three", 30)] {
        sandbox.git(&["checkout", "-q", "-b", branch, "main"]);
        step(branch, &|| write(branch, line));
        step("common", &|| write("d", line + 1));
    }
    sandbox.git(&["checkout", "-q", "main"]);
    sandbox.git(&["merge", "-q", "-s", "ours", "-m", "octopus", "one", "two", "three"]);
    sandbox.git(&["checkout", "two", "--", "two"]);
    write("d", 9);
    sandbox.git(&["add", "-A"]);
    sandbox.git(&["commit", "-q", "--amend", "-m", "octopus"]);
    sandbox.git(&["checkout", "-q", "--orphan", "other"]);
    step("other root", &|| write("other", 40));
    sandbox.git(&["checkout", "-q", "main"]);
    sandbox.git(&["merge", "-q", "--allow-unrelated-histories", "-m", "unrelated", "other"]);
    sandbox
}

/// The new manifests and the subjects of their commits by `git log -c`, which lists the content of
/// a commit that none of its parents has. The same content at the same path counts once.
fn new_manifests(sandbox: &Sandbox, revision: &str) -> BTreeSet<(String, String)> {
    let log = sandbox.git(&[
        "log",
        "-c",
        "--root",
        "--raw",
        "--no-renames",
        "--no-abbrev",
        "--topo-order",
        "--reverse",
        "--format=@%s",
        revision,
    ]);
    let (mut subject, mut found, mut seen) = ("", BTreeSet::new(), BTreeSet::new());
    for line in log.lines().filter(|line| !line.is_empty()) {
        if let Some(name) = line.strip_prefix('@') {
            subject = name;
            continue;
        }
        let (about, path) = line.split_once('\t').unwrap();
        let (content, status) = about.rsplit_once(' ').unwrap();
        let blob = content.rsplit(' ').next().unwrap();
        let is_new = path.ends_with("package.json") && !status.ends_with('D');
        if is_new && seen.insert((path, blob)) {
            found.insert((path.to_owned(), subject.to_owned()));
        }
    }
    found
}

#[test]
fn the_new_paths_of_each_commit_match_git() {
    let sandbox = every_new_path();
    for (arguments, revision) in [
        (&["--range", "main~5..main"][..], "main~5..main"),
        (&["--range", "one..main"], "one..main"),
        (&["--history"], "--all"),
    ] {
        let theirs = new_manifests(&sandbox, revision);
        let ours: BTreeSet<_> = found(&sandbox, arguments).into_iter().collect();
        assert!(theirs.len() > 4, "{theirs:?}");
        assert_eq!(ours, theirs, "{revision}");
    }
}
