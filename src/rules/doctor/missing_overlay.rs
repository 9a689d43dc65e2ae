#![doc = include_str!("../../../docs/rules/missing-overlay.md")]

use crate::base::change::File;
use crate::base::debris::Debris;
use crate::base::edit::Edit;
use crate::base::escape::Escaped;
use crate::base::finding::Severity;
use crate::builds::context::cleaned;
use crate::builds::overlays::{OverlayObstacle, Unreached, undecided, unreached};
use crate::builds::steps::{Action, BuildStep, CopyStep, absolute};
use crate::builds::{Builds, Overlays, PreparedBuilds};
use crate::edit::fix::Safety;
use crate::project::kinds::FileKind;
use crate::rule::{Check, Findings, Rule, RuleGroup};

const MANIFEST: &str = FileKind::MANIFEST;

/// The row of the rule table.
pub(crate) const RULE: Rule = Rule {
    id: "missing-overlay",
    summary: "COPY of a prepared manifest without what `bakstop prep` lays over it",
    manual: include_str!("../../../docs/rules/missing-overlay.md"),
    check: Check::Builds(judge),
    ..Rule::base(RuleGroup::Doctor)
};

fn judge(builds: &Builds, _: &Debris, findings: &mut Findings) {
    let Some(PreparedBuilds { overlays, .. }) = &builds.prepared else { return };
    for one in unreached(builds, overlays) {
        report(builds, overlays, &one, findings);
    }
    for one in undecided(builds, overlays) {
        let message = format!("a prepared manifest may be copied here: {}", one.reason);
        findings
            .place(builds.file(one.build.dockerfile), &one.span, message)
            .help(
                "check that an overlay is copied after it: see `bakstop explain missing-overlay`",
                &[],
            )
            .severity(Severity::Warning);
    }
}

fn report(builds: &Builds, overlays: &Overlays, one: &Unreached<'_>, findings: &mut Findings) {
    let dockerfile = builds.file(one.build.dockerfile);
    let manifest = manifest_of(one.directory);
    let (shown, into) = (Escaped(manifest.as_bytes()), Escaped(overlays.into.as_bytes()));
    let context = one.build.context.as_ref();
    match &one.obstacle {
        OverlayObstacle::OutOfContext => {
            let directory = context.map(|context| context.directory.as_str()).unwrap_or_default();
            let message = format!(
                "nothing lies over {shown}: {into} is not in the context {}",
                Escaped(directory.as_bytes())
            );
            let mut draft = findings.place(dockerfile, &one.span, message);
            if let Some(origin) = &one.build.origin {
                draft = draft.label(builds.file(origin.file), &origin.span, "built here");
            }
            let source = format!("{manifest} {}", overlays.source(one.directory));
            let source = Escaped(source.as_bytes());
            let help = if overlays.in_place {
                "make the top the context".to_owned()
            } else {
                format!("make the top the context, and write COPY {source} ./")
            };
            draft.help(help, &[]);
        }
        OverlayObstacle::Ignored { file, pattern } => {
            let ignore = builds.file(*file);
            let message = format!("nothing lies over {shown}: {} excludes {into}", ignore.path);
            let help = format!("add `!{into}` to {}, after the line that excludes it", ignore.path);
            findings
                .place(dockerfile, &one.span, message)
                .label(ignore, &pattern.span, "excluded here")
                .help(help, &[]);
        }
        OverlayObstacle::Missing { lacks_overlay, packages } => {
            let message = match (lacks_overlay, packages) {
                (true, _) => format!("nothing lies over {shown} before the install"),
                (false, packages) => format!(
                    "the packed packages for {shown} are not at {}",
                    Escaped(packages.as_deref().unwrap_or_default().as_bytes())
                ),
            };
            let lines = OverlayLines { dockerfile, overlays, one };
            let (help, edits) = lines.missing(*lacks_overlay, packages.as_deref());
            findings.place(dockerfile, &one.span, message).help(help, &[]).fix(
                Safety::Safe,
                edits,
                &[dockerfile],
            );
        }
    }
}

fn manifest_of(directory: &str) -> String {
    match directory {
        "" => MANIFEST.to_owned(),
        directory => format!("{directory}/{MANIFEST}"),
    }
}

/// The lines of a Dockerfile that bring the prepared packages.
struct OverlayLines<'a> {
    dockerfile: &'a File,
    overlays: &'a Overlays,
    one: &'a Unreached<'a>,
}

impl OverlayLines<'_> {
    /// What to write, and the edits that do that, if it can be done in the copy or after it.
    fn missing(&self, lacks_overlay: bool, packages: Option<&str>) -> (String, Vec<Edit>) {
        let source = self.overlays.source(self.one.directory);
        let manifest = manifest_of(self.one.directory);
        let step = self.one.step;
        let copy = step.and_then(|step| match &step.action {
            Action::Copy(copy) => Some((step, copy)),
            _ => None,
        });
        let flags = copy.map(|(step, copy)| self.flags(step, copy)).unwrap_or_default();
        let place = self.one.place.trim_end_matches('/');
        let mut lines = Vec::new();
        let mut inner = None;
        if lacks_overlay {
            inner = copy.and_then(|(step, copy)| self.further_source(step, copy, &source));
            lines.push(format!("COPY {flags}{manifest} {source} {place}/"));
        }
        if let Some(packages) = packages {
            lines.push(format!("COPY {flags}{} {packages}/", self.overlays.packages()));
        }
        let after = if inner.is_some() { lines.get(1..) } else { lines.get(..) };
        let after = after.unwrap_or_default();
        let is_plain = lines.iter().all(|line| is_plain(line));
        let mut edits: Vec<Edit> = inner.clone().into_iter().collect();
        if let Some((step, _)) = copy.filter(|_| !after.is_empty()) {
            let at = step.span.end;
            let text: String = after.iter().map(|line| format!("\n{line}")).collect();
            edits.push(Edit { path: self.dockerfile.path.clone(), span: at..at, text });
        }
        let help = match (copy, &inner) {
            (None, _) => "copy the manifest instead of mounting it, and the overlay after it",
            (_, Some(_)) => "add the overlay as the last source",
            (_, None) => "copy what is prepared after it",
        };
        let written = inner.iter().map(|_| source.as_str());
        let written: Vec<&str> = written.chain(after.iter().map(String::as_str)).collect();
        let help = format!("{help}: {}", Escaped(written.join("; ").as_bytes()));
        (help, if is_plain { edits } else { Vec::new() })
    }

    /// The edit that adds the overlay to a copy of the manifest into a directory.
    fn further_source(&self, step: &BuildStep, copy: &CopyStep, source: &str) -> Option<Edit> {
        let manifest = manifest_of(self.one.directory);
        let names = |known: &str| cleaned(known) == manifest;
        let own = copy.sources.iter().any(|source| source.known().is_some_and(names));
        let destination = copy.destination.known()?;
        let is_directory =
            destination.ends_with('/') || destination == "." || destination.ends_with("/.");
        if !own || copy.keeps_parents || !is_directory {
            return None;
        }
        let to = absolute(step.directory.as_deref(), destination)?;
        let last = copy.sources.last()?.span.end;
        let is_list = self.dockerfile.text.get(last.checked_sub(1)?) == Some(&b'"');
        let text = if is_list { format!(", \"{source}\"") } else { format!(" {source}") };
        let path = self.dockerfile.path.clone();
        (to == self.one.place).then_some(Edit { path, span: last..last, text })
    }

    /// The flags that a further copy takes from the copy of the manifest.
    fn flags(&self, step: &BuildStep, copy: &CopyStep) -> String {
        let end = copy.sources.first().map_or(step.span.start, |source| source.span.start);
        let text = self.dockerfile.text.get(step.span.start..end).unwrap_or_default();
        let words = String::from_utf8_lossy(text);
        let kept = words
            .split_whitespace()
            .filter(|word| word.starts_with("--chown=") || word.starts_with("--chmod="));
        kept.map(|word| format!("{word} ")).collect()
    }
}

/// Whether the words of a line are what the shell form reads: no quotes, variables or blanks.
fn is_plain(line: &str) -> bool {
    line.split(' ').filter(|word| !word.starts_with("--")).all(|word| {
        word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-/[]@+~:".contains(&byte))
            && !word.is_empty()
    })
}

#[cfg(test)]
mod tests {
    use super::RULE;
    use crate::base::finding::Severity;
    use crate::engine::Engine;
    use crate::engine::tests::{Fake, configured, messages};
    use crate::rule::Finding;

    const PREP: &str = r#"{"prep": {"from": "../plat", "scope": ["@acme"]}}"#;

    fn judged_files(files: &[(&str, &str)]) -> Vec<Finding> {
        let change = files.iter().fold(Fake::default(), |fake, (path, text)| fake.file(path, text));
        let asks = r#"{"dependencies": {"@acme/http": "workspace:*"}}"#;
        let change = change
            .file("backend/package.json", asks)
            .file("web/package.json", asks)
            .file("tools/package.json", "{}");
        Engine::of(&[&RULE], &configured(PREP)).judge(&change).unwrap().findings
    }

    fn judged(lines: &str) -> Vec<Finding> {
        let dockerfile = format!("FROM node:22\nWORKDIR /app/backend\n{lines}\n");
        judged_files(&[("Dockerfile", &dockerfile)])
    }

    /// The added and the removed lines of the fix of a finding.
    fn fixed(finding: &Finding) -> Vec<String> {
        let Some(fix) = &finding.fix else { return Vec::new() };
        let lines = fix.diffs[0].1.lines.iter().skip(3);
        lines.filter(|line| !line.starts_with(' ')).cloned().collect()
    }

    const PACKAGES: &str = "COPY .docker-deps* /app/.docker-deps/\n";

    #[test]
    fn a_copy_gets_the_overlay_as_its_last_source() {
        for (copy, expected) in [
            (
                "COPY backend/package.json ./",
                "COPY backend/package.json .docker-dep[s]/tree/backend ./",
            ),
            (
                "COPY --chown=1:1 ./backend/package.json backend/.npmrc .",
                "COPY --chown=1:1 ./backend/package.json backend/.npmrc \
                 .docker-dep[s]/tree/backend .",
            ),
            (
                "COPY [\"backend/package.json\", \"/app/backend/\"]",
                "COPY [\"backend/package.json\", \".docker-dep[s]/tree/backend\", \
                 \"/app/backend/\"]",
            ),
            (
                "add backend/package.json /app/backend/",
                "add backend/package.json .docker-dep[s]/tree/backend /app/backend/",
            ),
        ] {
            let found = judged(&format!("{PACKAGES}{copy}\nRUN pnpm install"));
            assert_eq!(
                messages(&found),
                ["Dockerfile:4:1: nothing lies over backend/package.json before the install"]
            );
            assert_eq!(fixed(&found[0]), [format!("-{copy}"), format!("+{expected}")]);
        }
    }

    #[test]
    fn another_copy_gets_a_line_after_it() {
        let line = "+COPY backend/package.json .docker-dep[s]/tree/backend /app/backend/";
        for copy in [
            "COPY backend ./",
            "COPY . /app",
            "COPY backend/package.json package.json",
            "COPY backend/package*.json ./",
            "COPY --parents backend/package.json /app/",
        ] {
            let found = judged(&format!("{PACKAGES}{copy}\nRUN pnpm install"));
            let own = found.iter().find(|one| one.message.contains("backend"));
            assert_eq!(fixed(own.unwrap()), [line], "{copy}");
        }
        let found = judged("COPY --chown=node:node backend/ ./\nRUN pnpm install");
        assert_eq!(
            fixed(&found[0]),
            [
                line.replace("COPY", "COPY --chown=node:node"),
                "+COPY --chown=node:node .docker-dep[s] /app/.docker-deps/".to_owned()
            ]
        );
        // The manifest is copied again before the second install.
        let both = "COPY backend/package.json .docker-dep[s]/tree/backend ./\nRUN pnpm install\n";
        let found = judged(&format!("{PACKAGES}{both}COPY backend ./\nRUN pnpm install --prod"));
        assert_eq!(
            messages(&found),
            ["Dockerfile:6:1: nothing lies over backend/package.json before the install"]
        );
    }

    #[test]
    fn packages_are_where_the_overlay_looks_for_them() {
        let copy = "COPY backend/package.json .docker-dep[s]/tree/backend ./\nRUN pnpm install";
        let found = judged(&format!("COPY .docker-deps* ./.docker-deps/\n{copy}"));
        assert_eq!(
            messages(&found),
            ["Dockerfile:4:1: the packed packages for backend/package.json are not at \
                 /app/.docker-deps"]
        );
        assert_eq!(fixed(&found[0]), ["+COPY .docker-dep[s] /app/.docker-deps/"]);
        for fine in [
            "COPY .docker-dep[s]/*.tgz /app/.docker-deps/",
            "COPY . /app",
            "COPY --from=packed /x /app/.docker-deps/",
        ] {
            assert_eq!(messages(&judged(&format!("{fine}\n{copy}"))).len(), 0, "{fine}");
        }
    }

    #[test]
    fn what_is_out_of_reach_is_named() {
        let install = "FROM node:22\nWORKDIR /app\nCOPY package.json ./\nRUN pnpm install\n";
        let found = judged_files(&[
            ("backend/Dockerfile", install),
            ("compose.yaml", "services: {a: {build: backend}}"),
        ]);
        assert_eq!(
            messages(&found),
            ["backend/Dockerfile:3:1: nothing lies over backend/package.json: .docker-deps is \
                 not in the context backend"]
        );
        assert_eq!(found[0].labels[0].path.to_string(), "compose.yaml");
        let copy = "COPY backend/package.json .docker-dep[s]/tree/backend ./\nRUN pnpm install";
        let dockerfile = format!("FROM node:22\nWORKDIR /app/backend\n{PACKAGES}{copy}\n");
        for ignored in [".docker-deps", "*.tgz\n**/*.tgz", ".docker-deps/tree"] {
            let found = judged_files(&[("Dockerfile", &dockerfile), (".dockerignore", ignored)]);
            assert_eq!(
                messages(&found),
                ["Dockerfile:4:1: nothing lies over backend/package.json: .dockerignore \
                     excludes .docker-deps"],
                "{ignored}"
            );
        }
    }

    #[test]
    fn a_dockerfile_that_nothing_builds_is_read_as_well() {
        let lines = "FROM node:22\nWORKDIR /app/backend\nCOPY backend/package.json ./\n\
                     RUN pnpm install\n";
        let found = judged_files(&[("docker/Dockerfile.api", lines)]);
        assert_eq!(
            messages(&found),
            ["docker/Dockerfile.api:3:1: nothing lies over backend/package.json before the \
                 install"]
        );
    }

    #[test]
    fn what_cannot_be_decided_is_a_warning() {
        for (lines, place) in [
            ("ARG APP\nCOPY ${APP}/package.json ./\nRUN pnpm install", "4:6"),
            ("ONBUILD COPY backend/package.json ./\nRUN pnpm install", "3:1"),
            ("COPY backend/package.json ./\nRUN ./install.sh", "3:6"),
        ] {
            let found = judged(lines);
            let prefix = format!("Dockerfile:{place}: a prepared manifest may be copied here: ");
            assert!(messages(&found)[0].starts_with(&prefix), "{:?}", messages(&found));
            assert_eq!(found[0].severity, Severity::Warning);
        }
    }

    #[test]
    fn copies_that_need_no_overlay() {
        for lines in [
            "COPY .docker-deps* /app/.docker-deps/\n\
             COPY backend/package.json .docker-deps*/tree/backend ./\nRUN pnpm install",
            "COPY tools/package.json ./\nRUN pnpm install",
            "COPY backend/package.json ./\nCMD [\"node\", \"x\"]",
            "COPY backend/src ./\nRUN pnpm install",
            "COPY --from=a backend/package.json ./\nRUN pnpm install",
            "WORKDIR /app\nCOPY backend/package.json /other/\nCOPY tools/package.json ./\n\
             RUN pnpm install",
        ] {
            assert_eq!(messages(&judged(lines)), [""; 0], "{lines}");
        }
        let copy = "FROM node:22\nCOPY backend/package.json ./\nRUN pnpm install\n";
        let change = Fake::default()
            .file("Dockerfile", copy)
            .file("backend/package.json", r#"{"dependencies": {"@acme/http": "1"}}"#);
        let found = Engine::of(&[&RULE], &configured("{}")).judge(&change).unwrap().findings;
        assert_eq!(messages(&found), [""; 0]);
    }
}
