#![doc = include_str!("../../../docs/rules/install-after-source.md")]

use std::collections::BTreeMap;

use crate::base::debris::Debris;
use crate::base::escape::Escaped;
use crate::base::finding::Severity;
use crate::builds::context::{BuildContext, cleaned, is_pattern};
use crate::builds::installs::installs;
use crate::builds::steps::{Action, BuildStep};
use crate::builds::{Build, Builds};
use crate::formats::shell::Resolved;
use crate::rule::{Check, Findings, Rule, RuleGroup};

/// The row of the rule table.
pub(crate) const RULE: Rule = Rule {
    id: "install-after-source",
    summary: "installs that run again after any change of the source",
    severity: Severity::Warning,
    manual: include_str!("../../../docs/rules/install-after-source.md"),
    check: Check::Builds(judge),
    ..Rule::base(RuleGroup::Doctor)
};

/// Whether a directory of a context is code, by the context, its ignore file and the directory.
type KnownDirectories<'b> = BTreeMap<(&'b str, Option<usize>, String), bool>;

fn judge(builds: &Builds, _: &Debris, findings: &mut Findings) {
    let mut known = KnownDirectories::new();
    for build in &builds.list {
        let Some(context) = &build.context else { continue };
        for (number, stage) in build.stages.iter().enumerate() {
            let Some(install) = installs(stage).next() else { continue };
            let steps = stage.steps.iter().take(install.position);
            if has_packages(build, number, install.position) {
                continue;
            }
            let mut sources = steps.rev().flat_map(sources);
            let is_code = |source: &&Resolved| {
                let directory = cleaned(&source.text);
                let ignore = context.ignore.as_ref().map(|ignore| ignore.file);
                let key = (context.directory.as_str(), ignore, directory);
                let judge = |key: &(_, _, String)| is_source(builds, context, &key.2);
                let value = known.get(&key).copied().unwrap_or_else(|| judge(&key));
                *known.entry(key).or_insert(value)
            };
            let Some(source) = sources.find(is_code) else { continue };
            let file = builds.file(build.dockerfile);
            let (name, shown) = (install.installer.name(), Escaped(source.text.as_bytes()));
            let message = format!("{name} installs again after any change in {shown}");
            findings
                .place(file, &source.span, message)
                .label(file, &install.command.span(), "the install")
                .help("copy only manifests and the lockfile before the install", &[]);
        }
    }
}

/// Whether an earlier stage installed, or `pnpm fetch` downloaded, what the install needs.
fn has_packages(build: &Build, stage: usize, position: usize) -> bool {
    build.lineage(stage).any(|(number, steps)| {
        let length = if number == stage { position } else { steps.steps.len() };
        let fetches = steps.steps.iter().take(length).any(|step| match &step.action {
            Action::Run(run) => {
                run.commands.iter().any(|command| command.arguments().next() == Some("fetch"))
            }
            _ => false,
        });
        fetches || number != stage && installs(steps).next().is_some()
    })
}

/// The directories of the context that a step may copy.
fn sources(step: &BuildStep) -> impl Iterator<Item = &Resolved> {
    let sources = match &step.action {
        Action::Copy(copy) if copy.from.is_none() => copy.sources.as_slice(),
        _ => &[],
    };
    let is_path = |path: &str| !path.is_empty() && !path.contains("://") && !is_pattern(path);
    sources.iter().filter(move |source| source.known().is_some_and(is_path))
}

/// Whether a directory has code, and is that of a package or its `src`.
fn is_source(builds: &Builds, context: &BuildContext, directory: &str) -> bool {
    let prefix = if directory.is_empty() { String::new() } else { format!("{directory}/") };
    let path = context.path(directory);
    let path = path.trim_end_matches('/');
    let is_copied = |inside: &str| context.excluding(&format!("{prefix}{inside}")).is_none();
    let is_code = |path: &str| {
        let extension = path.rsplit_once('.').map(|(_, extension)| extension);
        matches!(extension, Some("ts" | "tsx" | "js" | "jsx" | "mts" | "vue" | "svelte"))
    };
    let is_package = || builds.project.manifest_directories().contains(path.as_bytes());
    let is_named = directory.is_empty() || directory.rsplit('/').next() == Some("src");
    let mut files = builds.tree.below(path);
    (is_named || is_package()) && files.any(|inside| is_code(inside) && is_copied(inside))
}

#[cfg(test)]
mod tests {
    use super::RULE;
    use crate::engine::tests::{Fake, transcript};

    fn judged(lines: &str, ignore: &str) -> Vec<String> {
        let change = Fake::default()
            .file("Dockerfile", &format!("FROM node:22 AS a\n{lines}"))
            .file(".dockerignore", ignore)
            .file("package.json", "{}")
            .file("web/package.json", "{}")
            .file("web/src/a.ts", "")
            .file("prisma/schema.prisma", "")
            .file("prisma/seed.ts", "");
        transcript(&RULE, &change)
    }

    #[test]
    fn an_install_after_the_code() {
        for (lines, line, column, source) in [
            ("COPY . .\nRUN npm ci", 2, 6, "."),
            ("COPY package.json ./\nCOPY web/src ./src\nRUN npm ci", 3, 6, "web/src"),
            ("COPY --chown=1 package.json web/ ./\nRUN pnpm i", 2, 29, "web/"),
        ] {
            let name = if lines.ends_with("npm ci") { "npm" } else { "pnpm" };
            assert_eq!(
                judged(lines, ""),
                [format!(
                    "Dockerfile:{line}:{column}: {name} installs again after any change in \
                     {source}"
                )],
                "{lines}"
            );
        }
    }

    #[test]
    fn an_install_before_the_code_or_of_what_is_there() {
        for (lines, ignore) in [
            ("COPY package.json .\nRUN npm ci\nCOPY . .\nRUN npm ci", ""),
            ("COPY prisma ./prisma\nRUN npm ci", ""),
            ("COPY */package.json ./\nRUN npm ci", ""),
            ("COPY --from=b . .\nRUN npm ci", ""),
            ("COPY . .\nRUN npm ci", "**/*.ts"),
            ("COPY . .\nRUN npm run build", ""),
            ("COPY pnpm-lock.yaml .\nRUN pnpm fetch\nCOPY . .\nRUN pnpm i --offline", ""),
            ("COPY package.json .\nRUN npm ci\nFROM a\nCOPY . .\nRUN npm ci", ""),
        ] {
            assert_eq!(judged(lines, ignore), [""; 0], "{lines}");
        }
        let unknown = Fake::default()
            .file("a/Dockerfile", "FROM x\nCOPY . .\nRUN npm ci")
            .file("a/package.json", "{}")
            .file("a/b.ts", "");
        assert_eq!(transcript(&RULE, &unknown), [""; 0]);
    }
}
