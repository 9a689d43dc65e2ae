#![doc = include_str!("../../../docs/rules/copied-git-directory.md")]

use std::collections::BTreeSet;

use crate::base::change::File;
use crate::base::debris::Debris;
use crate::base::finding::Severity;
use crate::builds::context::cleaned;
use crate::builds::steps::{Action, BuildStage, RunCommand};
use crate::builds::{Build, Builds};
use crate::edit::fix::Safety;
use crate::rule::{Check, Findings, Rule, RuleGroup};

/// The row of the rule table.
pub(crate) const RULE: Rule = Rule {
    id: "copied-git-directory",
    summary: "COPY of the whole context with the history of the repository",
    severity: Severity::Warning,
    manual: include_str!("../../../docs/rules/copied-git-directory.md"),
    check: Check::Builds(judge),
    ..Rule::base(RuleGroup::Doctor)
};

fn judge(builds: &Builds, _: &Debris, findings: &mut Findings) {
    let mut seen = BTreeSet::new();
    for build in &builds.list {
        // The history is at the top of the repository.
        let Some(context) = build.context.as_ref().filter(|context| context.directory.is_empty())
        else {
            continue;
        };
        let file = builds.file(build.dockerfile);
        if context.excluding(".git/HEAD").is_some() || may_use_git(file, build) {
            continue;
        }
        let whole = build.copies().find_map(|(_, copy)| {
            copy.sources.iter().find(|source| source.known().is_some_and(is_whole))
        });
        let Some(source) = whole else { continue };
        // One ignore file is one fault.
        if !seen.insert(context.ignore.as_ref().map(|ignore| ignore.file)) {
            continue;
        }
        let message = "COPY takes .git along: each commit makes the steps after it run again";
        let (help, edit) = builds.exclusion(context, ".git");
        let draft = findings.place(file, &source.span, message).help(help, &[]);
        if let (Some(edit), Some(ignore)) = (edit, &context.ignore) {
            let safety = if lacks_git(build) { Safety::Safe } else { Safety::Shown };
            draft.fix(safety, vec![edit], &[builds.file(ignore.file)]);
        }
    }
}

/// Whether a source is the whole context.
fn is_whole(source: &str) -> bool {
    !source.is_empty() && cleaned(source).is_empty()
}

/// Whether no stage has git, which a script could ask for the commit: no step installs it. The
/// small images of Node.js do not have it, unlike the others.
fn lacks_git(build: &Build) -> bool {
    let is_small = |stage: &BuildStage| {
        stage.last.image.as_ref().is_some_and(|image| {
            let tag = image.tag();
            image.host.is_none()
                && image.repository == "node"
                && (tag.contains("alpine") || tag.contains("slim"))
        })
    };
    !build.stages.is_empty() && build.stages.iter().all(is_small)
}

/// Programs that run what a file says, or that read the version from git by themselves.
const READING: [&str; 9] =
    ["make", "go", "goreleaser", "mage", "just", "task", "cargo", "gradle", "mvn"];

/// Whether a step mentions git, or starts a program that may use it.
fn may_use_git(file: &File, build: &Build) -> bool {
    let is_git =
        |text: &[u8]| text.split(|byte| !byte.is_ascii_alphanumeric()).any(|word| word == b"git");
    build.steps().any(|(_, step)| {
        let Action::Run(run) = &step.action else { return false };
        let mut programs = run.commands.iter().filter_map(RunCommand::program);
        programs.any(|program| READING.contains(&program.trim_start_matches("./")))
            || file.text.get(step.span.clone()).is_some_and(is_git)
    })
}

#[cfg(test)]
mod tests {
    use super::RULE;
    use crate::edit::fix::Safety;
    use crate::engine::tests::{Fake, judged_by, transcript};

    fn change(dockerfile: &str, ignore: &str) -> Fake {
        let dockerfile = format!("FROM node:22\n{dockerfile}\n");
        Fake::default().file("Dockerfile", &dockerfile).file(".dockerignore", ignore)
    }

    #[test]
    fn the_whole_context_with_its_history() {
        let message = "COPY takes .git along: each commit makes the steps after it run again";
        for line in ["COPY . .", "COPY ./ /app", "COPY --chown=1 a / ./", "ADD . ."] {
            let found = judged_by(&RULE, &change(line, "node_modules"));
            assert_eq!((found.len(), &*found[0].message), (1, message), "{line}");
            let fix = found[0].fix.as_ref().unwrap();
            assert_eq!(fix.edits[0].0.text, "\n.git");
            // This image has git, which a script of the project may call.
            assert_eq!(fix.safety, Safety::Shown);
        }
        for (from, safety) in [
            ("node:22-alpine", Safety::Safe),
            ("node:22-bookworm-slim", Safety::Safe),
            ("node:22-alpine AS a\nFROM golang:1", Safety::Shown),
            ("me/node:22-alpine", Safety::Shown),
        ] {
            let change = Fake::default()
                .file("Dockerfile", &format!("FROM {from}\nCOPY . .\n"))
                .file(".dockerignore", "a\n");
            let fix = judged_by(&RULE, &change).remove(0).fix.unwrap();
            assert_eq!((fix.safety, &*fix.edits[0].0.text), (safety, ".git\n"), "{from}");
        }
        let two = change("COPY . .", "a\n").file("web.Dockerfile", "FROM x\nCOPY . .").file(
            "compose.yaml",
            "services: {a: {build: {dockerfile: web.Dockerfile}}, b: {build: .}}",
        );
        assert_eq!(transcript(&RULE, &two).len(), 1);
        let none = Fake::default().file("Dockerfile", "FROM x\nCOPY . .\n");
        let found = judged_by(&RULE, &none);
        assert!(found[0].fix.is_none() && found[0].help.contains("`.git`"), "{found:?}");
    }

    #[test]
    fn a_context_without_its_history_or_a_build_that_needs_it() {
        for (line, ignore) in [
            ("COPY . .", ".git"),
            ("COPY . .", "**/.git"),
            ("COPY . .", "*\n!src"),
            ("COPY src .", ""),
            ("COPY --from=a . .", ""),
            ("COPY $X .", ""),
            ("COPY . .\nRUN git rev-parse HEAD", ""),
            ("COPY . .\nRUN A=$(git describe) x", ""),
            // The Makefile may call git, and go records the commit in the program.
            ("COPY . .\nRUN make build", ""),
            ("COPY . .\nRUN CGO_ENABLED=0 go build .", ""),
        ] {
            assert_eq!(transcript(&RULE, &change(line, ignore)), [""; 0], "{line}");
        }
        let below = Fake::default()
            .file("a/Dockerfile", "FROM x\nCOPY . .")
            .file("compose.yaml", "services: {a: {build: a}}");
        assert_eq!(transcript(&RULE, &below), [""; 0]);
    }
}
