#![doc = include_str!("../../../docs/rules/escaping-workspace.md")]

use crate::base::change::File;
use crate::base::debris::Debris;
use crate::base::escape::Escaped;
use crate::base::finding::{Severity, Span};
use crate::builds::installs::{Installer, LockfileUse};
use crate::builds::{Build, Builds};
use crate::formats::Syntax;
use crate::formats::document::Node;
use crate::models::manifest::may_have;
use crate::project::directories::resolved;
use crate::project::kinds::FileKind;
use crate::rule::{Check, Findings, Rule, RuleGroup};

/// The row of the rule table.
pub(crate) const RULE: Rule = Rule {
    id: "escaping-workspace",
    summary: "members of a workspace that are outside of the repository",
    severity: Severity::Warning,
    manual: include_str!("../../../docs/rules/escaping-workspace.md"),
    check: Check::Builds(judge),
    ..Rule::base(RuleGroup::Doctor)
};

fn judge(builds: &Builds, _: &Debris, findings: &mut Findings) {
    if builds.list.is_empty() {
        return;
    }
    let mut installs = builds.list.iter().flat_map(Build::installs);
    let is_frozen = installs.any(|(_, install)| {
        install.installer == Installer::Pnpm && install.lockfile == LockfileUse::Frozen
    });
    let severity = if is_frozen { Severity::Error } else { Severity::Warning };
    for source in builds.project.files() {
        if FileKind::PnpmWorkspace.matches(&source.file.path) {
            let document = source.document(Syntax::Yaml);
            let patterns = document.as_ref().as_ref().ok().and_then(|root| root.last("packages"));
            let lockfile = lockfile_of(builds, &source.file);
            judge_patterns(&source.file, patterns, lockfile, severity, findings);
        } else if FileKind::Manifest.matches(&source.file.path)
            && may_have(&source.file.text, "workspaces")
        {
            let document = source.document(Syntax::Json);
            let field = document.as_ref().as_ref().ok().and_then(|root| root.last("workspaces"));
            let patterns = field.map(|field| field.last("packages").unwrap_or(field));
            judge_patterns(&source.file, patterns, None, Severity::Warning, findings);
        }
    }
}

/// The lockfile of pnpm next to a file.
fn lockfile_of<'b>(builds: &'b Builds, file: &File) -> Option<&'b File> {
    let mut files = builds.locks().iter().map(|&number| builds.file(number));
    files.find(|known| {
        known.path.parent() == file.path.parent() && FileKind::PnpmLock.matches(&known.path)
    })
}

/// Judges the patterns of the members that a file declares.
fn judge_patterns(
    file: &File,
    patterns: Option<&Node>,
    lockfile: Option<&File>,
    severity: Severity,
    findings: &mut Findings,
) {
    let directory = file.directory();
    let patterns = patterns.map(Node::items).unwrap_or_default().iter();
    let mut leaving = patterns
        .filter_map(|node| Some((node.text()?, &node.span)))
        .filter(|(pattern, _)| !pattern.starts_with('!') && leaves(&directory, pattern));
    let Some((first, span)) = leaving.next() else { return };
    let more = match leaving.count() {
        0 => String::new(),
        count => format!(" (and {count} more)"),
    };
    let shown = Escaped(first.as_bytes());
    let message = format!("the workspace has members outside of the repository: {shown}{more}");
    let mut draft = findings.place(file, span, message);
    if let Some(file) = lockfile {
        for (span, text) in traces(file, &directory) {
            draft = draft.label(file, &span, text);
        }
    }
    let help = "publish the packages to a registry, move them into the repository, or pack them \
                for builds with `bakstop prep`";
    draft.help(help, &[]).severity(severity);
}

fn leaves(directory: &str, pattern: &str) -> bool {
    !pattern.starts_with('/') && resolved(directory, pattern).is_none()
}

/// The first importer and the first link of a lockfile that leave the repository.
fn traces(file: &File, directory: &str) -> Vec<(Span, &'static str)> {
    let (mut importer_found, mut link_found) = (None, None);
    let (mut inside, mut importer, mut at) = (false, String::new(), 0);
    for line in file.text.split_inclusive(|&byte| byte == b'\n') {
        let start = at;
        at += line.len();
        let Ok(text) = std::str::from_utf8(line) else { continue };
        let indent = text.len() - text.trim_start().len();
        let trimmed = text.trim();
        let span = start + indent..start + indent + trimmed.len();
        if indent == 0 && !trimmed.is_empty() {
            inside = trimmed == "importers:";
        } else if inside && indent == 2 {
            let key = trimmed.split(": ").next().unwrap_or_default().trim_end_matches(':');
            key.trim_matches(['\'', '"']).clone_into(&mut importer);
            if leaves(directory, &importer) {
                importer_found.get_or_insert((span, "the lockfile has an importer there"));
            }
        } else if inside && let Some((_, target)) = trimmed.split_once(": link:") {
            let from = resolved(directory, &importer);
            if from.is_some_and(|from| leaves(&from, target)) {
                link_found.get_or_insert((span, "the lockfile links to it"));
            }
        }
    }
    link_found.into_iter().chain(importer_found).collect()
}

#[cfg(test)]
mod tests {
    use super::RULE;
    use crate::base::finding::Severity;
    use crate::engine::tests::{Fake, judged_by, messages};

    const LOCK: &str = "importers:\n\n  .: {}\n\n  backend:\n    dependencies:\n      \
                        '@acme/x':\n        specifier: '*'\n        version: \
                        link:../../common/x\n      y:\n        version: link:../shared\n\n  \
                        ../common/x: {}\n\npackages:\n\n  ../z: {}\n";

    fn project(workspace: &str, install: &str) -> Fake {
        Fake::default()
            .file("pnpm-workspace.yaml", workspace)
            .file("Dockerfile", &format!("FROM node:22\nCOPY . .\nRUN {install}\n"))
            .file("pnpm-lock.yaml", LOCK)
    }

    #[test]
    fn members_outside_of_the_repository() {
        let workspace = "packages:\n  - backend\n  - ../common/*\n  - web/../../x\n";
        for (install, severity) in [
            ("pnpm install --frozen-lockfile", Severity::Error),
            ("pnpm install --lockfile=false", Severity::Warning),
            ("npm ci", Severity::Warning),
        ] {
            let found = judged_by(&RULE, &project(workspace, install));
            assert_eq!(
                messages(&found),
                ["pnpm-workspace.yaml:3:5: the workspace has members outside of the repository: \
                  ../common/* (and 1 more)"]
            );
            assert_eq!(found[0].severity, severity, "{install}");
            let lines: Vec<usize> =
                found[0].labels.iter().map(|label| label.place.as_ref().unwrap().line).collect();
            assert_eq!(lines, [9, 13]);
        }
    }

    #[test]
    fn members_of_a_manifest_outside_of_the_repository() {
        for (workspaces, count) in [
            (r#"["a/*", "../b"]"#, 1),
            (r#"{"packages": ["../b"], "nohoist": ["../c"]}"#, 1),
            (r#"["a/*", "!../b"]"#, 0),
            (r#""../b""#, 0),
        ] {
            let manifest = format!("{{\"workspaces\": {workspaces}}}");
            let change = Fake::default()
                .file("package.json", &manifest)
                .file("Dockerfile", "FROM node:22\nCOPY . .\nRUN npm ci\n");
            let found = judged_by(&RULE, &change);
            assert_eq!(found.len(), count, "{workspaces}");
            assert!(found.iter().all(|one| one.severity == Severity::Warning), "{workspaces}");
        }
    }

    #[test]
    fn members_inside_of_the_repository() {
        for workspace in ["packages: ['!../x', ./a/../b, '*']", "packages: [/../x]", "a: ../b", "["]
        {
            let found = judged_by(&RULE, &project(workspace, "pnpm install"));
            assert_eq!(messages(&found), [""; 0], "{workspace}");
        }
        let nested = Fake::default()
            .file("a/pnpm-workspace.yaml", "packages: [../b]")
            .file("Dockerfile", "FROM a");
        assert_eq!(messages(&judged_by(&RULE, &nested)), [""; 0]);
        let alone = Fake::default().file("pnpm-workspace.yaml", "packages: [../b]");
        assert_eq!(messages(&judged_by(&RULE, &alone)), [""; 0]);
    }
}
