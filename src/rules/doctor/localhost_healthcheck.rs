#![doc = include_str!("../../../docs/rules/localhost-healthcheck.md")]

use crate::base::change::File;
use crate::base::debris::Debris;
use crate::base::edit::Edit;
use crate::base::finding::{Severity, Span};
use crate::builds::steps::Action;
use crate::builds::{Build, Builds};
use crate::edit::fix::Safety;
use crate::formats::Syntax;
use crate::formats::joined::Joined;
use crate::formats::shell::{Command, Form, Lookup, Resolved, Script};
use crate::models::compose::Compose;
use crate::models::image::ImageReference;
use crate::models::{Invocation, Scalar};
use crate::project::kinds::FileKind;
use crate::rule::{Check, Findings, Rule, RuleGroup};

/// The row of the rule table.
pub(crate) const RULE: Rule = Rule {
    id: "localhost-healthcheck",
    summary: "health checks with the wget of BusyBox that ask localhost by IPv6 only",
    severity: Severity::Warning,
    manual: include_str!("../../../docs/rules/localhost-healthcheck.md"),
    check: Check::Builds(judge),
    ..Rule::base(RuleGroup::Doctor)
};

fn judge(builds: &Builds, _: &Debris, findings: &mut Findings) {
    for build in &builds.list {
        let file = builds.file(build.dockerfile);
        for (number, step) in build.steps() {
            let Action::Healthcheck(commands) = &step.action else { continue };
            let Some(from) = from_with_busybox(build, number) else { continue };
            let asked = commands.iter().filter_map(|command| asked(&command.words, file));
            for span in asked {
                report(file, &span, Some((file, from)), findings);
            }
        }
    }
    for (number, source) in builds.project.files().iter().enumerate() {
        if FileKind::Compose.matches(&source.file.path) {
            let compose = source.model(Syntax::Yaml, Compose::parse);
            judge_compose(builds, number, &compose, findings);
        }
    }
}

fn judge_compose(builds: &Builds, number: usize, compose: &Compose, findings: &mut Findings) {
    let file = builds.file(number);
    for service in &compose.services {
        let Some(check) = &service.healthcheck else { continue };
        let from = if service.build.is_some() {
            let own = builds.list.iter().find(|build| {
                build.origin.as_ref().is_some_and(|origin| {
                    origin.file == number && origin.service() == Some(&service.name)
                })
            });
            let stage = own.and_then(|build| Some((build, build.last_stage()?)));
            stage.and_then(|(build, stage)| {
                Some((builds.file(build.dockerfile), from_with_busybox(build, stage)?))
            })
        } else {
            let image = service.image.as_ref().filter(|image| is_of_busybox(image));
            image.map(|image| (file, &image.span))
        };
        for words in from.iter().flat_map(|_| commands(check, &file.text)) {
            if let Some(span) = asked(&words, file) {
                report(file, &span, from, findings);
            }
        }
    }
}

fn report(file: &File, span: &Span, from: Option<(&File, &Span)>, findings: &mut Findings) {
    let message = "the wget of BusyBox asks only ::1 here, and fails if the server listens on IPv4";
    let mut draft = findings.place(file, span, message).help("write 127.0.0.1", &[]);
    if let Some((file, span)) = from {
        draft = draft.label(file, span, "its wget is that of BusyBox");
    }
    let (path, text) = (file.path.clone(), "127.0.0.1".to_owned());
    draft.fix(Safety::Safe, vec![Edit { path, span: span.clone(), text }], &[file]);
}

/// The `FROM` of the image that a stage starts from, if its wget is that of `busybox`.
fn from_with_busybox(build: &Build, stage: usize) -> Option<&Span> {
    let image = build.stages.get(stage)?.last.image.as_ref()?;
    let mut from = None;
    for (_, steps) in build.lineage(stage) {
        from = Some(&steps.span);
        for step in &steps.steps {
            let Action::Run(run) = &step.action else { continue };
            let installs = |words: &[Resolved]| {
                // An unknown package may be wget.
                let is_wget = |word: &Resolved| word.known().is_none_or(|word| word == "wget");
                words.iter().any(|word| word.known() == Some("apk")) && words.iter().any(is_wget)
            };
            if run.commands.iter().any(|command| installs(&command.words)) {
                return None;
            }
        }
    }
    from.filter(|_| has_busybox(image))
}

/// Whether it is an image of Alpine, which has the wget of `busybox`, for a language whose servers
/// often listen on IPv4 only. Those of Go listen on both by default.
fn has_busybox(image: &ImageReference) -> bool {
    let is_asked = ["node", "python", "ruby"].contains(&&*image.repository);
    image.host.is_none() && is_asked && image.tag().contains("alpine")
}

fn is_of_busybox(image: &Scalar) -> bool {
    let Some(text) = image.text().filter(|text| !text.contains('$')) else { return false };
    let word = Resolved { text: text.to_owned(), ..Resolved::default() };
    ImageReference::parse(word).is_some_and(|image| has_busybox(&image))
}

/// The commands of a health check of a service.
fn commands(check: &Invocation, file: &[u8]) -> Vec<Vec<Resolved>> {
    let of_script = |script: &Script<'_>| {
        let word = |word| script.resolve(&word, &|_| Lookup::Unknown);
        script.commands.iter().map(|command| command.words().map(word).collect()).collect()
    };
    let of_shell = |line: &Scalar| {
        let text = line.text().and_then(|text| Joined::verbatim(file, text, &line.span));
        let Some(text) = text else { return Vec::new() };
        let mut script = Script::default();
        script.split(&text, 0..text.bytes.len());
        of_script(&script)
    };
    match check {
        Invocation::Shell(line) => of_shell(line),
        Invocation::Exec(words) => match words.split_first() {
            Some((kind, [line])) if kind.text() == Some("CMD-SHELL") => of_shell(line),
            Some((kind, words)) if kind.text() == Some("CMD") => {
                let words: Option<Vec<_>> =
                    words.iter().map(|word| Some((word.text()?, &word.span))).collect();
                let joined = words.and_then(|words| Joined::words(file, &words));
                let Some((text, words)) = joined else { return Vec::new() };
                let mut script = Script::default();
                script.push(&text, Command::of_words(&text, words, Form::Literal));
                of_script(&script)
            }
            _ => Vec::new(),
        },
    }
}

/// The place of `localhost` in the URL of a wget.
fn asked(words: &[Resolved], file: &File) -> Option<Span> {
    let program = words.first()?.known()?;
    if program.rsplit('/').next() != Some("wget") {
        return None;
    }
    let is_local = |word: &&Resolved| {
        let text = word.text.as_str();
        let address = text.split_once("://").map_or(text, |(_, address)| address);
        let after = address.strip_prefix("localhost").and_then(|rest| rest.chars().next());
        matches!(after, Some(':' | '/')) || !word.is_open && address == "localhost"
    };
    words.iter().skip(1).find(is_local)?.find("localhost", &file.text)
}

#[cfg(test)]
mod tests {
    use super::RULE;
    use crate::engine::tests::{Fake, judged_by, transcript};

    fn judged(dockerfile: &str) -> usize {
        transcript(&RULE, &Fake::default().file("Dockerfile", dockerfile)).len()
    }

    #[test]
    fn a_health_check_of_busybox() {
        let dockerfile = "FROM node:22-alpine AS a\nRUN apk add curl\nFROM a\nHEALTHCHECK CMD \
                          wget -q --spider http://localhost:$PORT/health || exit 1\n";
        let found = judged_by(&RULE, &Fake::default().file("Dockerfile", dockerfile));
        let place = found[0].place.as_ref().unwrap();
        assert_eq!((found.len(), place.line, place.column), (1, 4, 41));
        assert_eq!(found[0].labels[0].place.as_ref().unwrap().line, 1);
        let fix = found[0].fix.as_ref().unwrap();
        assert!(fix.diffs[0].1.lines.last().unwrap().contains("http://127.0.0.1:$PORT"));
        for check in [
            "CMD [\"wget\", \"-qO-\", \"http://localhost/\"]",
            "--interval=3s CMD wget localhost:80",
            "CMD sh -c 'wget http://localhost'",
        ] {
            assert_eq!(judged(&format!("FROM python:3-alpine\nHEALTHCHECK {check}")), 1, "{check}");
        }
    }

    #[test]
    fn a_health_check_of_another_program_or_address() {
        for (from, check) in [
            ("node:22", "wget http://localhost"),
            ("node:22-alpine\nRUN apk add --no-cache wget", "wget http://localhost"),
            ("node:22-alpine\nARG X\nRUN apk add $X", "wget http://localhost"),
            ("me/x:alpine", "wget http://localhost"),
            ("$X", "wget http://localhost"),
            ("nginx:alpine", "wget http://localhost"),
            ("alpine", "wget http://localhost"),
            ("golang:alpine", "wget http://localhost"),
            ("node:22-alpine", "wget http://127.0.0.1"),
            ("node:22-alpine", "wget http://localhost.example.org"),
            ("node:22-alpine\nARG X", "wget http://localhost$X"),
            ("node:22-alpine", "curl http://localhost"),
            ("node:22-alpine", "node localhost"),
        ] {
            let file = format!("FROM {from}\nHEALTHCHECK CMD {check}");
            assert_eq!(judged(&file), 0, "{file}");
        }
    }

    #[test]
    fn a_health_check_of_a_service() {
        let judged = |dockerfile: &str, service: &str| {
            let compose = format!("services:\n  a: {service}\n");
            let change = Fake::default().file("Dockerfile", dockerfile);
            transcript(&RULE, &change.file("compose.yaml", &compose))
        };
        let alpine = "FROM node:22-alpine AS a\nFROM node:22 AS b";
        let url = "http://localhost:1";
        for (service, expected) in [
            (format!("{{build: {{target: a}}, healthcheck: {{test: wget {url}}}}}"), 1),
            (format!("{{build: {{target: a}}, healthcheck: {{test: [CMD, wget, '{url}']}}}}"), 1),
            (
                format!(
                    "{{image: 'node:22-alpine', healthcheck: {{test: [CMD-SHELL, 'a || wget \
                     {url}']}}}}"
                ),
                1,
            ),
            (format!("{{build: ., healthcheck: {{test: wget {url}}}}}"), 0),
            (format!("{{build: {{target: b}}, healthcheck: {{test: wget {url}}}}}"), 0),
            (format!("{{build: {{target: $X}}, healthcheck: {{test: wget {url}}}}}"), 0),
            (format!("{{image: $X, healthcheck: {{test: wget {url}}}}}"), 0),
            (
                format!(
                    "{{image: 'node:22-alpine', healthcheck: {{test: [NONE, wget, '{url}']}}}}"
                ),
                0,
            ),
        ] {
            let found = judged(alpine, &service);
            assert_eq!(found.len(), expected, "{service} {found:?}");
        }
    }
}
