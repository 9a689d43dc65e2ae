#![doc = include_str!("../../docs/rules/docker-deps-content.md")]

use crate::change::{Entry, Mode};
use crate::debris::{is_docker_deps, is_docker_deps_content};
use crate::finding::{Severity, Step};
use crate::rule::{Check, Findings, Rule};

/// The row of the rule table.
pub const RULE: Rule = Rule {
    id: "docker-deps-content",
    summary: "packed packages: anything in a .docker-deps directory",
    severity: Severity::Error,
    manual: include_str!("../../docs/rules/docker-deps-content.md"),
    check: Check::Entry(judge),
};

fn judge(entry: &Entry, findings: &mut Findings) {
    if !is_docker_deps_content(&entry.path, entry.mode) {
        return;
    }
    let what = match (is_docker_deps(entry.path.file_name()), entry.mode) {
        (true, Mode::File) => ".docker-deps is staged as a file",
        (true, Mode::Symlink) => ".docker-deps is staged as a symbolic link",
        (true, Mode::Submodule) => ".docker-deps is staged as a submodule",
        (false, _) => "the content of .docker-deps is staged",
    };
    findings.path(&entry.path, what).cure("unstage it; the file itself stays", &[Step::Unstage]);
}

#[cfg(test)]
mod tests {
    use super::RULE;
    use crate::change::{Content, Mode};
    use crate::engine::tests::{Fake, transcript};

    #[test]
    fn anything_in_the_directory_at_any_depth() {
        let nothing = || Content::Bytes(Vec::new());
        let change = Fake::default()
            .file(".docker-deps/x.tgz", "")
            .file("backend/.docker-deps/a/b/.gitkeep", "")
            .file("c/.Docker-Deps/x", "")
            .with("d/.docker-deps", Mode::Symlink, nothing(), true)
            .with("e/.docker-deps", Mode::Submodule, nothing(), true)
            .with("f/.docker-deps", Mode::File, nothing(), true)
            .with("g/.docker-deps/.gitkeep", Mode::Symlink, nothing(), true);
        assert_eq!(
            transcript(&RULE, &change),
            [
                ".docker-deps/x.tgz: the content of .docker-deps is staged",
                "backend/.docker-deps/a/b/.gitkeep: the content of .docker-deps is staged",
                "c/.Docker-Deps/x: the content of .docker-deps is staged",
                "d/.docker-deps: .docker-deps is staged as a symbolic link",
                "e/.docker-deps: .docker-deps is staged as a submodule",
                "f/.docker-deps: .docker-deps is staged as a file",
                "g/.docker-deps/.gitkeep: the content of .docker-deps is staged",
            ]
        );
        assert!(change.read.borrow().is_empty(), "no content is needed");
    }

    #[test]
    fn what_keeps_the_directory_and_other_names_pass() {
        let change = Fake::default()
            .file(".docker-deps/.gitkeep", "")
            .file("web/.docker-deps/.gitignore", "")
            .file("docs/.docker-deps.md", "")
            .file("x.docker-deps/y", "")
            .old(".docker-deps/old.tgz", "");
        assert_eq!(transcript(&RULE, &change), [""; 0]);
    }
}
