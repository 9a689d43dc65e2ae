//! The steps of a cure, as commands to paste.

use std::collections::BTreeSet;

use crate::base::finding::{Finding, Step};
use crate::base::path::{RepoPath, shell_quote};

/// The name of the preparation script. Teams keep it in `scripts/`, mostly.
pub(crate) const SCRIPT: &str = "docker-prep.sh";

/// The most files that one command names, and the most such commands for one step.
const NAMED: usize = 8;
const COMMANDS: usize = 10;

/// Whether any of these findings is mended by the preparation script, so that it is worth looking for.
pub(crate) fn wants_script(findings: &[Finding]) -> bool {
    findings.iter().any(|finding| finding.steps.contains(&Step::Restore))
}

/// The command that undoes a preparation. A script that is not tracked here lies elsewhere, and is only named.
pub(crate) fn restore(script: Option<&RepoPath>) -> String {
    match script {
        None => format!("{SCRIPT} --restore  # wherever it is kept"),
        // Without a slash, a shell would look for it in PATH.
        Some(path) if path.parent().is_empty() => {
            format!("{} --restore", shell_quote(&[b"./", path.as_bytes()].concat()))
        }
        Some(path) => format!("{} --restore", shell_quote(path.as_bytes())),
    }
}

/// Whether a step is a command that works from anywhere in the work tree, if its paths are written for it.
pub(crate) fn works_anywhere(step: Step) -> bool {
    matches!(step, Step::TakeBack | Step::Stage | Step::Unstage)
}

/// One step as commands, run at the top of the work tree unless `from_anywhere`.
pub(crate) fn commands(step: Step, restore: &str, paths: &[&RepoPath], from_anywhere: bool) -> Vec<String> {
    match step {
        Step::Restore => vec![restore.to_owned()],
        Step::Install(command) => {
            let directories: BTreeSet<&[u8]> = paths.iter().map(|path| path.parent()).collect();
            directories.into_iter().map(|directory| run_in(directory, command)).collect()
        }
        Step::TakeBack => on_paths("git checkout HEAD --", paths, from_anywhere),
        Step::Stage => on_paths("git add", paths, from_anywhere),
        Step::Unstage => on_paths("git rm --cached -f", paths, from_anywhere),
        Step::Remove => paths.chunks(NAMED).map(removal).collect(),
    }
}

/// A command that removes files, run at the top of the work tree.
pub(crate) fn removal(paths: &[&RepoPath]) -> String {
    let word = |path: &&RepoPath| match path.as_bytes() {
        option @ [b'-', ..] => format!(" {}", shell_quote(&[b"./", option].concat())),
        path => format!(" {}", shell_quote(path)),
    };
    format!("rm{}", paths.iter().map(word).collect::<String>())
}

fn run_in(directory: &[u8], command: &str) -> String {
    if directory.is_empty() { command.to_owned() } else { format!("(cd {} && {command})", shell_quote(directory)) }
}

fn on_paths(command: &str, paths: &[&RepoPath], from_anywhere: bool) -> Vec<String> {
    let one = |some: &[&RepoPath]| {
        let words = some.iter().map(|path| path.as_pathspec(from_anywhere));
        std::iter::once(command.to_owned()).chain(words).collect::<Vec<_>>().join(" ")
    };
    let mut commands: Vec<String> = paths.chunks(NAMED).take(COMMANDS).map(one).collect();
    let left = paths.len().saturating_sub(NAMED * COMMANDS);
    if left > 0 {
        commands.push(format!("# {left} more: the next run names them"));
    }
    commands
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_is_named_as_a_shell_finds_it() {
        for (script, shown) in [
            (None, "docker-prep.sh --restore  # wherever it is kept"),
            (Some("scripts/docker-prep.sh"), "scripts/docker-prep.sh --restore"),
            (Some("docker-prep.sh"), "./docker-prep.sh --restore"),
            (Some("a b/docker-prep.sh"), "'a b/docker-prep.sh' --restore"),
        ] {
            assert_eq!(restore(script.map(RepoPath::from).as_ref()), shown);
        }
    }

    #[test]
    fn an_install_runs_beside_its_lockfile() {
        let paths = ["pnpm-lock.yaml", "a b/pnpm-lock.yaml", "a b/yarn.lock"].map(RepoPath::from);
        let paths: Vec<&RepoPath> = paths.iter().collect();
        assert_eq!(commands(Step::Install("install"), "", &paths, false), ["install", "(cd 'a b' && install)"]);
    }

    #[test]
    fn every_file_is_named_or_counted() {
        let paths: Vec<RepoPath> = (100..200).map(|number| RepoPath::from(&*format!("{number}.bak"))).collect();
        let commands = commands(Step::Unstage, "", &paths.iter().collect::<Vec<_>>(), false);
        assert_eq!(commands.len(), 11);
        assert_eq!(commands[10], "# 20 more: the next run names them");
        assert!(commands[9].ends_with(" 179.bak"), "{}", commands[9]);
    }
}
