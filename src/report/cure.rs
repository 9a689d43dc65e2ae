//! The steps of a cure, as commands to paste.

use crate::finding::{Finding, Step};
use crate::path::{RepoPath, shell_quote};

/// The name of the preparation script. Teams keep it in `scripts/`, mostly.
pub const SCRIPT: &str = "docker-prep.sh";

/// Whether any of these findings is mended by the preparation script, so that it is worth looking for.
pub fn wants_script(findings: &[Finding]) -> bool {
    findings.iter().any(|finding| finding.steps.contains(&Step::Restore))
}

/// The command that undoes a preparation. A script that is not tracked here lies elsewhere, and is only named.
pub fn restore(script: Option<&RepoPath>) -> String {
    let program = match script {
        // Without a slash, a shell would look for it in PATH.
        Some(path) if path.parent().is_empty() => shell_quote(&[b"./", path.as_bytes()].concat()).into_owned(),
        Some(path) => shell_quote(path.as_bytes()).into_owned(),
        None => SCRIPT.to_owned(),
    };
    format!("{program} --restore")
}

/// One step as a command, run at the top of the work tree unless `from_anywhere`.
pub fn command<'a>(
    step: Step,
    restore: &str,
    paths: impl IntoIterator<Item = &'a RepoPath>,
    from_anywhere: bool,
) -> String {
    match step {
        Step::Restore => restore.to_owned(),
        Step::Run(command) => command.to_owned(),
        Step::Git(command) => {
            let paths = paths.into_iter().map(|path| path.as_pathspec(from_anywhere));
            std::iter::once(command.to_owned()).chain(paths).collect::<Vec<_>>().join(" ")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_is_named_as_a_shell_finds_it() {
        for (script, shown) in [
            (None, "docker-prep.sh --restore"),
            (Some("scripts/docker-prep.sh"), "scripts/docker-prep.sh --restore"),
            (Some("docker-prep.sh"), "./docker-prep.sh --restore"),
            (Some("a b/docker-prep.sh"), "'a b/docker-prep.sh' --restore"),
        ] {
            assert_eq!(restore(script.map(RepoPath::from).as_ref()), shown);
        }
    }
}
