#![doc = include_str!("../../../docs/rules/docker-deps-content.md")]

use crate::base::change::{Entry, Mode};
use crate::base::debris::Debris;
use crate::base::finding::Step;
use crate::rule::{Check, Findings, Rule, RuleGroup};

pub(crate) const RULE: Rule = Rule {
    id: "docker-deps-content",
    summary: "anything in .docker-deps, except .gitkeep and .gitignore",
    manual: include_str!("../../../docs/rules/docker-deps-content.md"),
    check: Check::Entry(judge),
    ..Rule::base(RuleGroup::Guard)
};

fn judge(entry: &Entry, debris: &Debris, findings: &mut Findings) {
    let Some(directory) = debris.content_of(&entry.path, entry.mode) else { return };
    let name = &directory.name;
    let what = match (directory.is(entry.path.file_name()), entry.mode) {
        (true, Mode::File) => format!("{name} as a file"),
        (true, Mode::Symlink) => format!("{name} as a symbolic link"),
        (true, Mode::Submodule) => format!("{name} as a submodule"),
        (false, _) => format!("content of {name}"),
    };
    findings.path(&entry.path, what).help("unstage it; the file itself stays", &[Step::Unstage]);
}

#[cfg(test)]
mod tests {
    use super::RULE;
    use crate::base::change::{Content, Mode};
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
                ".docker-deps/x.tgz: content of .docker-deps",
                "backend/.docker-deps/a/b/.gitkeep: content of .docker-deps",
                "c/.Docker-Deps/x: content of .docker-deps",
                "d/.docker-deps: .docker-deps as a symbolic link",
                "e/.docker-deps: .docker-deps as a submodule",
                "f/.docker-deps: .docker-deps as a file",
                "g/.docker-deps/.gitkeep: content of .docker-deps",
            ]
        );
        assert!(change.read.borrow().is_empty(), "no content is needed");
    }

    #[test]
    fn files_that_keep_the_directory_and_other_names_pass() {
        let change = Fake::default()
            .file(".docker-deps/.gitkeep", "")
            .file("web/.docker-deps/.gitignore", "")
            .file("docs/.docker-deps.md", "")
            .file("x.docker-deps/y", "")
            .old(".docker-deps/old.tgz", "");
        assert_eq!(transcript(&RULE, &change), [""; 0]);
    }
}
