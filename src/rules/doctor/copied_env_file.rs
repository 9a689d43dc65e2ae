#![doc = include_str!("../../../docs/rules/copied-env-file.md")]

use std::collections::{BTreeMap, BTreeSet};

use crate::base::change::File;
use crate::base::debris::Debris;
use crate::base::finding::Severity;
use crate::base::path::RepoPath;
use crate::builds::context::{BuildContext, cleaned, is_pattern};
use crate::builds::steps::{Action, absolute};
use crate::builds::{Build, Builds};
use crate::edit::fix::Safety;
use crate::formats::shell::Resolved;
use crate::models::dockerfile::Base;
use crate::project::directories::relative_to;
use crate::project::kinds::FileKind;
use crate::rule::{Check, Findings, Rule, RuleGroup};

/// The row of the rule table.
pub(crate) const RULE: Rule = Rule {
    id: "copied-env-file",
    summary: "COPY that brings the .env of the machine into the image",
    severity: Severity::Warning,
    manual: include_str!("../../../docs/rules/copied-env-file.md"),
    check: Check::Builds(judge),
    ..Rule::base(RuleGroup::Doctor)
};

fn judge(builds: &Builds, _: &Debris, findings: &mut Findings) {
    let examples = examples(builds);
    let mut seen = BTreeSet::new();
    for build in &builds.list {
        let Some(context) = &build.context else { continue };
        let file = builds.file(build.dockerfile);
        let Some((source, example)) = copied(build, context, &examples, file) else { continue };
        // One ignore file is one fault.
        let fault = (context.directory.as_str(), context.ignore.as_ref().map(|own| own.file));
        if !seen.insert(fault) {
            continue;
        }
        let path = beside(example);
        let message = format!(
            "COPY takes {path} along if there is one: the image gets the settings of the machine"
        );
        let (help, edit) = builds.exclusion(context, "**/.env");
        let mut draft = findings.place(file, &source.span, message);
        if let Some(number) = builds.project.number(example.as_bytes()) {
            draft = draft.label(builds.file(number), &(0..0), "people write one from this example");
        }
        let draft = draft.help(help, &[]);
        if let (Some(edit), Some(ignore)) = (edit, &context.ignore) {
            draft.fix(Safety::Shown, vec![edit], &[builds.file(ignore.file)]);
        }
    }
}

/// The examples of a `.env` that git lacks, next to a file that loads it: whoever works there
/// writes one.
fn examples(builds: &Builds) -> Vec<RepoPath> {
    let paths = || builds.project.files().iter().map(|source| &source.file.path);
    let loads =
        |kind| matches!(kind, FileKind::Manifest | FileKind::Compose | FileKind::Dockerfile);
    let loading = paths().filter(|path| FileKind::of(path, loads).is_some());
    let loading: BTreeSet<&[u8]> = loading.map(RepoPath::parent).collect();
    paths()
        .filter(|path| FileKind::EnvironmentExample.matches(path))
        .filter(|path| loading.contains(path.parent()))
        .filter(|path| !builds.tree.has_file(&beside(path).to_string()))
        .cloned()
        .collect()
}

/// The path of the `.env` of an example.
fn beside(example: &RepoPath) -> RepoPath {
    let directory = String::from_utf8_lossy(example.parent());
    let name = FileKind::ENVIRONMENT;
    if directory.is_empty() { name.into() } else { (&*format!("{directory}/{name}")).into() }
}

/// The first source that brings a `.env` which the image gets, and the example of it.
fn copied<'b>(
    build: &'b Build,
    context: &BuildContext,
    examples: &'b [RepoPath],
    file: &File,
) -> Option<(&'b Resolved, &'b RepoPath)> {
    if mentions(file, build) {
        return None;
    }
    let last = build.last_stage()?;
    examples.iter().find_map(|example| {
        let own = beside(example).to_string();
        let own = relative_to(context.directory.as_bytes(), own.as_bytes())?;
        let own = std::str::from_utf8(own).ok()?;
        if context.excluding(own).is_some() {
            return None;
        }
        let source = ends(build, own).into_iter().nth(last)?.into_values().next()?;
        Some((source, example))
    })
}

/// For each stage, where it has a file of the context at its end, and the source that brings it.
fn ends<'b>(build: &'b Build, own: &str) -> Vec<BTreeMap<String, &'b Resolved>> {
    let mut ends: Vec<BTreeMap<String, &Resolved>> = Vec::new();
    for stage in &build.stages {
        let mut places = match stage.base {
            Base::Stage(base) => ends.get(base).cloned().unwrap_or_default(),
            Base::Image => BTreeMap::new(),
        };
        for step in &stage.steps {
            let Action::Copy(copy) = &step.action else { continue };
            let to = copy.destination.known();
            let Some(to) = to.and_then(|to| absolute(step.directory.as_deref(), to)) else {
                continue;
            };
            let sources = copy.sources.iter().filter_map(|source| Some((source, source.known()?)));
            for (word, source) in sources.filter(|(_, source)| !is_pattern(source)) {
                let Some(from) = &copy.from else {
                    let rest = relative_to(cleaned(source).as_bytes(), own.as_bytes());
                    let rest = rest.filter(|_| !source.is_empty() && !source.contains("://"));
                    let rest = rest.and_then(|rest| std::str::from_utf8(rest).ok());
                    let rest = rest.map(|rest| if copy.keeps_parents { own } else { rest });
                    places.extend(rest.and_then(|rest| Some((absolute(Some(&to), rest)?, word))));
                    continue;
                };
                let stage = build.stage_number(from, ends.len());
                let known = stage.and_then(|stage| ends.get(stage)).cloned().unwrap_or_default();
                let moved = known.into_iter().filter_map(|(path, word)| {
                    Some((absolute(Some(&to), &brought(source, &path)?)?, word))
                });
                places.extend(moved.collect::<Vec<_>>());
            }
        }
        ends.push(places);
    }
    ends
}

/// The directory of a build of Next.js that runs by itself.
const STANDALONE: &str = "/.next/standalone";

/// The place of a file below a source of another stage; `None` if the source does not bring it.
/// Next.js puts a copy of the `.env` that it loads into its build.
fn brought(source: &str, path: &str) -> Option<String> {
    let source = absolute(Some("/"), source)?;
    let below = |directory: &str| {
        let rest = path.strip_prefix(directory.trim_end_matches('/'))?;
        rest.strip_prefix('/').map(str::to_owned)
    };
    let project = source.strip_suffix(STANDALONE);
    below(&source).or_else(|| project.and_then(below).filter(|rest| rest == FileKind::ENVIRONMENT))
}

/// Whether a step is about such a file: then it is meant.
fn mentions(file: &File, build: &Build) -> bool {
    let asks = |action: &Action| matches!(action, Action::Run(_) | Action::Copy(_));
    let mut steps = build.steps().filter(|(_, step)| asks(&step.action));
    steps.any(|(_, step)| {
        let text = file.text.get(step.span.clone()).unwrap_or_default();
        memchr::memmem::find(text, FileKind::ENVIRONMENT.as_bytes()).is_some()
    })
}

#[cfg(test)]
mod tests {
    use super::RULE;
    use crate::engine::tests::{Fake, judged_by, transcript};

    fn change(lines: &str, ignore: &str) -> Fake {
        Fake::default()
            .file("Dockerfile", &format!("FROM node:22\n{lines}\n"))
            .file(".dockerignore", ignore)
            .file(".env.example", "TOKEN=\n")
            .file("apps/web/.env.sample", "TOKEN=\n")
            .file("apps/web/package.json", "{}")
            .file("apps/web/e2e/.env.example", "TOKEN=\n")
            .file("apps/api/.env.example", "TOKEN=\n")
            .file("apps/api/.env", "PORT=1\n")
            .file("apps/api/main.js", "")
    }

    #[test]
    fn a_directory_with_settings_of_the_machine() {
        for (line, ignore, path) in [
            ("COPY . .", "node_modules\n", ".env"),
            ("COPY ./ /app", ".env.*\n", ".env"),
            ("COPY . .", ".env\n", "apps/web/.env"),
            ("COPY apps ./", ".env\n", "apps/web/.env"),
            ("ADD apps/web/ ./", "", "apps/web/.env"),
            ("COPY . .\nFROM node:22 AS c\nCOPY --from=0 / /app", "", ".env"),
            ("WORKDIR /a\nCOPY . .\nFROM alpine\nCOPY --from=0 /a/apps /b", "", "apps/web/.env"),
            // Next.js copies the file itself.
            ("WORKDIR /a\nCOPY . .\nFROM alpine\nCOPY --from=0 /a/.next/standalone .", "", ".env"),
        ] {
            let found = judged_by(&RULE, &change(line, ignore));
            let message = format!(
                "COPY takes {path} along if there is one: the image gets the settings of the \
                     machine"
            );
            assert_eq!((found.len(), &*found[0].message), (1, &*message), "{line}");
            let (edit, _) = &found[0].fix.as_ref().unwrap().edits[0];
            assert_eq!((edit.span.end, edit.text.trim()), (ignore.len(), "**/.env"));
        }
    }

    #[test]
    fn a_directory_without_settings_or_a_build_that_means_them() {
        for (lines, ignore) in [
            ("COPY . .", "**/.env\n"),
            ("COPY . .", "**/.env*\n"),
            ("COPY . .", ".env\napps\n"),
            ("COPY . .", "*\n!src\n"),
            // No file next to it loads it.
            ("COPY apps/web/e2e .", ""),
            // Git has the file.
            ("COPY apps/api .", ""),
            ("COPY src .", ""),
            ("COPY apps/*/package.json .", ""),
            ("COPY --from=a . .", ""),
            ("COPY $X .", ""),
            ("COPY . .\nCOPY .env .", ""),
            ("COPY . .\nRUN rm -f .env", ""),
            // Only a stage has the file that the image does not build on.
            ("WORKDIR /a\nCOPY . .\nFROM alpine\nCOPY --from=0 /a/dist /b", ""),
            ("WORKDIR /a\nCOPY . .\nRUN turbo prune web\nFROM a\nCOPY --from=0 /a/out .", ""),
        ] {
            assert_eq!(transcript(&RULE, &change(lines, ignore)), [""; 0], "{lines} {ignore}");
        }
        let unknown =
            Fake::default().file("a/Dockerfile", "FROM x\nCOPY . .").file("a/.env.example", "A=1");
        assert_eq!(transcript(&RULE, &unknown), [""; 0]);
    }
}
