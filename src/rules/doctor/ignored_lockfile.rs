#![doc = include_str!("../../../docs/rules/ignored-lockfile.md")]

use std::collections::{BTreeMap, BTreeSet};

use crate::base::debris::Debris;
use crate::base::escape::Escaped;
use crate::base::finding::{Severity, Span};
use crate::builds::context::{cleaned, inclusion};
use crate::builds::installs::{Install, Installer, LockfileUse};
use crate::builds::{Build, Builds};
use crate::edit::fix::Safety;
use crate::formats::dockerignore::IgnorePattern;
use crate::project::kinds::FileKind;
use crate::project::workspaces::Workspaces;
use crate::rule::{Check, Findings, Rule, RuleGroup};

/// The row of the rule table.
pub(crate) const RULE: Rule = Rule {
    id: "ignored-lockfile",
    summary: "a lockfile that an install in an image wants, and the ignore file keeps out",
    manual: include_str!("../../../docs/rules/ignored-lockfile.md"),
    check: Check::Builds(judge),
    ..Rule::base(RuleGroup::Doctor)
};

/// A lockfile that an install of a build lacks.
pub(super) struct Ignored<'b> {
    /// Relative to the context.
    pub path: String,
    pattern: &'b IgnorePattern,
    install: Install<'b>,
    /// The place of the source that names the lockfile, if that ends the build.
    source: Option<&'b Span>,
}

impl Ignored<'_> {
    /// Whether the build fails.
    fn is_fatal(&self) -> bool {
        self.source.is_some() || self.install.lockfile == LockfileUse::Frozen
    }
}

/// One finding for each lockfile of each ignore file, with the installs of all builds.
fn judge(builds: &Builds, _: &Debris, findings: &mut Findings) {
    let mut found: BTreeMap<(usize, String), Vec<(&Build, Ignored<'_>)>> = BTreeMap::new();
    for build in &builds.list {
        for one in ignored(builds, build) {
            let Some(context) = &build.context else { continue };
            let Some(ignore) = &context.ignore else { continue };
            let key = (ignore.file, context.path(&one.path));
            found.entry(key).or_default().push((build, one));
        }
    }
    for ((file, path), all) in found {
        report(builds, file, &path, &all, findings);
    }
}

fn report(
    builds: &Builds,
    file: usize,
    path: &str,
    all: &[(&Build, Ignored<'_>)],
    findings: &mut Findings,
) {
    let fatal = all.iter().find(|(_, one)| one.is_fatal());
    let Some((_, worst)) = fatal.or(all.first()) else { return };
    let (file, name) = (builds.file(file), worst.install.installer.name());
    let effect = match (worst.source, worst.install.lockfile) {
        (Some(_), _) => "the build fails".to_owned(),
        (None, LockfileUse::Frozen) => format!("the install of {name} fails"),
        _ => format!("{name} installs without its lockfile"),
    };
    let shown = Escaped(path.as_bytes());
    let message = format!("{effect}: {} keeps {shown} out of the build", file.path);
    let mut draft = findings.place(file, &worst.pattern.span, message);
    let mut labelled: Vec<usize> = Vec::new();
    for (build, one) in all.iter().take(3) {
        if !labelled.contains(&build.dockerfile) {
            labelled.push(build.dockerfile);
            let dockerfile = builds.file(build.dockerfile);
            draft = match one.source {
                Some(span) => draft.label(dockerfile, span, "this file is not found"),
                None => draft.label(dockerfile, &one.install.command.span(), "installs here"),
            };
        }
    }
    let Some(inclusion) = inclusion(file, worst.pattern, &worst.path) else {
        return draft.severity(severity(fatal.is_some()));
    };
    let help = if inclusion.removes {
        format!("remove the line from {}", file.path)
    } else {
        let exception = Escaped(worst.path.as_bytes());
        format!("add `!{exception}` to {}, after the line that excludes it", file.path)
    };
    // Another install works without it, and would take other versions with it.
    let safety = if fatal.is_some() { Safety::Safe } else { Safety::Shown };
    draft
        .help(help, &[])
        .fix(safety, vec![inclusion.edit], &[file])
        .severity(severity(fatal.is_some()));
}

fn severity(is_fatal: bool) -> Severity {
    if is_fatal { Severity::Error } else { Severity::Warning }
}

/// The lockfiles that the installs of a build want and its ignore file excludes.
pub(super) fn ignored<'b>(builds: &'b Builds, build: &'b Build) -> Vec<Ignored<'b>> {
    let Some(context) = build.context.as_ref().filter(|context| context.ignore.is_some()) else {
        return Vec::new();
    };
    let wants = |(_, install): &(usize, Install<'_>)| {
        matches!(install.lockfile, LockfileUse::Frozen | LockfileUse::Wanted)
    };
    let installs: Vec<_> = build.installs().filter(wants).collect();
    let mut found: Vec<Ignored<'b>> = Vec::new();
    if installs.is_empty() {
        return found;
    }
    let workspaces = builds.workspaces();
    let installers: BTreeSet<Installer> = installs.iter().map(|(_, it)| it.installer).collect();
    for (directory, from) in build.copied_manifests(&builds.manifests, &workspaces) {
        let excluded = |installer: &Installer| {
            let path = lockfile(builds, &workspaces, &directory, *installer)?;
            let path = context.inside(&path)?;
            let pattern = context.excluding(&path)?;
            Some((*installer, (path, pattern)))
        };
        let excluded: BTreeMap<_, _> = installers.iter().filter_map(excluded).collect();
        if excluded.is_empty() {
            continue;
        }
        // The install that is nearest to the manifest: in a stage that has it, and a strict one.
        let mut nearest: Vec<_> = installs.iter().collect();
        nearest.sort_by_key(|(stage, install)| {
            let is_frozen = install.lockfile == LockfileUse::Frozen;
            (!build.chain(*stage).contains(&from.stage), !is_frozen)
        });
        for (_, install) in nearest {
            let Some((path, pattern)) = excluded.get(&install.installer) else { continue };
            if found.iter().any(|known| known.path == *path) {
                continue;
            }
            let names = |named: &str| cleaned(named) == *path;
            let source = build.sources().into_iter().find(|source| source.path.is_some_and(names));
            let source = source.map(|source| source.span);
            let (path, install) = (path.clone(), install.clone());
            found.push(Ignored { path, pattern, install, source });
        }
    }
    found
}

/// The lockfile of a package: at the root of its workspace, or next to its manifest.
fn lockfile(
    builds: &Builds,
    workspaces: &Workspaces<'_>,
    directory: &str,
    installer: Installer,
) -> Option<String> {
    let directory = directory.as_bytes();
    let root = workspaces.root_of(directory);
    let lock = |home: &[u8]| {
        let mut paths = builds.locks().iter().map(|&number| &builds.file(number).path);
        paths.find(|path| {
            path.parent() == home && FileKind::of(path, |kind| installer.locks(kind)).is_some()
        })
    };
    root.and_then(lock).or_else(|| lock(directory)).map(ToString::to_string)
}

#[cfg(test)]
mod tests {
    use super::RULE;
    use crate::base::finding::Severity;
    use crate::edit::fix::Safety;
    use crate::engine::tests::{Fake, judged_by, messages};

    /// The message, severity and diff of each finding.
    fn judged(dockerfile: &str, ignore: &str) -> Vec<String> {
        let change = Fake::default()
            .file("Dockerfile", &format!("FROM node:22\n{dockerfile}\n"))
            .file(".dockerignore", ignore)
            .file("package.json", r#"{"workspaces": ["web"]}"#)
            .file("pnpm-workspace.yaml", "packages: [web]")
            .file("pnpm-lock.yaml", "")
            .file("package-lock.json", "{}")
            .file("web/package.json", "{}")
            .file("tools/package.json", "{}")
            .file("web/pnpm-lock.yaml", "");
        let found = judged_by(&RULE, &change);
        let lines = messages(&found).into_iter().zip(&found).map(|(line, finding)| {
            let diff = finding.fix.iter().flat_map(|fix| &fix.diffs);
            let diff = diff.flat_map(|(_, diff)| diff.lines.iter().skip(3));
            let changed: Vec<&str> =
                diff.map(String::as_str).filter(|line| !line.starts_with(' ')).collect();
            let warning = if finding.severity == Severity::Error { "" } else { "warning " };
            let is_safe = finding.fix.as_ref().unwrap().safety == Safety::Safe;
            assert_eq!(is_safe, finding.severity == Severity::Error);
            format!("{warning}{line} {}", changed.join(" "))
        });
        lines.collect()
    }

    #[test]
    fn an_install_that_lacks_its_lockfile() {
        let out = ".dockerignore keeps pnpm-lock.yaml out of the build";
        for (dockerfile, ignore, expected) in [
            (
                "COPY package.json ./\nRUN pnpm install --frozen-lockfile",
                "a\npnpm-lock.yaml\n",
                format!(".dockerignore:2:1: the install of pnpm fails: {out} -pnpm-lock.yaml"),
            ),
            (
                "COPY . .\nRUN pnpm install",
                "*.yaml\n",
                format!(
                    "warning .dockerignore:1:1: pnpm installs without its lockfile: {out} \
                     +!pnpm-lock.yaml"
                ),
            ),
            (
                "COPY package.json pnpm-lock.yaml ./\nRUN pnpm install",
                "**/pnpm-lock.yaml\n",
                format!(".dockerignore:1:1: the build fails: {out} -**/pnpm-lock.yaml"),
            ),
            (
                "COPY web/package.json ./\nRUN pnpm install",
                "pnpm-lock.yaml\n",
                format!(
                    "warning .dockerignore:1:1: pnpm installs without its lockfile: {out} \
                     -pnpm-lock.yaml"
                ),
            ),
        ] {
            assert_eq!(judged(dockerfile, ignore), [expected], "{dockerfile}");
        }
    }

    #[test]
    fn the_install_is_that_of_the_stage() {
        let dockerfile = "COPY tools/package.json .\nRUN npm ci\n\
                          FROM node:22\nCOPY package.json .\nRUN npm install";
        assert_eq!(
            judged(dockerfile, "package-lock.json\n"),
            ["warning .dockerignore:1:1: npm installs without its lockfile: .dockerignore keeps \
              package-lock.json out of the build -package-lock.json"]
        );
    }

    #[test]
    fn an_install_that_has_or_wants_no_such_lockfile() {
        for (dockerfile, ignore) in [
            ("COPY . .\nRUN pnpm install --lockfile=false", "pnpm-lock.yaml"),
            ("COPY . .\nARG FLAGS\nRUN pnpm install $FLAGS", "pnpm-lock.yaml"),
            ("COPY . .\nRUN pnpm install --frozen-lockfile", "package-lock.json"),
            ("COPY . .\nRUN pnpm install", "*.yaml\n!pnpm-lock.yaml"),
            ("COPY . .\nRUN pnpm install -g x && npm i -g pnpm", "package-lock.json"),
            // It is not a member of the workspace.
            ("COPY tools/package.json .\nRUN npm install", "package-lock.json"),
            ("COPY --from=a package.json .\nRUN npm install", "package-lock.json"),
            ("RUN npm ci", "package-lock.json"),
            // The workspace has one lockfile.
            ("COPY . .\nRUN pnpm install", "web/pnpm-lock.yaml"),
            ("COPY . .\nRUN npm ci", "pnpm-lock.yaml\npackage.json"),
        ] {
            assert_eq!(judged(dockerfile, ignore), [""; 0], "{dockerfile} with {ignore:?}");
        }
    }
}
