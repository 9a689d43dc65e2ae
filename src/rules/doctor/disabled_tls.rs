#![doc = include_str!("../../../docs/rules/disabled-tls.md")]

use std::collections::BTreeSet;

use crate::base::change::File;
use crate::base::debris::Debris;
use crate::base::edit::Edit;
use crate::base::finding::{Severity, Span};
use crate::builds::arguments::stage_numbers;
use crate::builds::settings::npm_settings;
use crate::builds::steps::{Action, RunCommand, RunStep};
use crate::builds::visits::visits;
use crate::builds::{Build, Builds};
use crate::edit::fix::Safety;
use crate::formats::dockerfile::Instruction;
use crate::rule::{Check, Findings, Rule, RuleGroup};

/// The row of the rule table.
pub(crate) const RULE: Rule = Rule {
    id: "disabled-tls",
    summary: "a build or an image that accepts any certificate",
    severity: Severity::Warning,
    manual: include_str!("../../../docs/rules/disabled-tls.md"),
    check: Check::Builds(judge),
    ..Rule::base(RuleGroup::Doctor)
};

/// The variable of Node.js, which also the program in the image reads.
const OF_NODE: &str = "NODE_TLS_REJECT_UNAUTHORIZED";

/// Variables and the values with which a program accepts any certificate.
const VARIABLES: [(&str, &[&str]); 6] = [
    (OF_NODE, &["0"]),
    ("NPM_CONFIG_STRICT_SSL", &["false"]),
    ("npm_config_strict_ssl", &["false"]),
    ("PNPM_CONFIG_STRICT_SSL", &["false"]),
    ("YARN_ENABLE_STRICT_SSL", &["false", "0"]),
    ("GIT_SSL_NO_VERIFY", &["1", "true"]),
];

/// Settings with the same effect, each with its value.
const SETTINGS: [(&str, &str); 3] =
    [("strict-ssl", "false"), ("enableStrictSsl", "false"), ("http.sslVerify", "false")];

/// The setting of npm, which pnpm and Yarn 1 read too.
const OF_NPM: (&str, &str) = SETTINGS[0];

fn judge(builds: &Builds, _: &Debris, findings: &mut Findings) {
    let mut seen = BTreeSet::new();
    let mut seen_settings = BTreeSet::new();
    for build in &builds.list {
        let file = builds.file(build.dockerfile);
        let mut places = in_variables(builds, build);
        places.extend(in_commands(build, file));
        // One finding for all places of a Dockerfile.
        if !places.is_empty() && seen.insert(build.dockerfile_id()) {
            let settings = copied(builds, build);
            report(builds, build, places, &settings, findings);
            seen_settings.extend(settings.into_iter().map(|(settings, _)| settings));
        }
    }
    for build in &builds.list {
        for (settings, span) in copied(builds, build) {
            if seen_settings.insert(settings) {
                let draft = findings.place(builds.file(settings), &span, OF_BUILD);
                draft.help(HELP, &[]);
            }
        }
    }
}

const OF_BUILD: &str =
    "the build accepts any certificate, so anyone between may change what it installs";
const OF_IMAGE: &str = "the program in the image accepts any certificate";
const HELP: &str =
    "trust the certificate of the registry instead: NODE_EXTRA_CA_CERTS, or `cafile`";

/// Reports the places of a Dockerfile, with the settings that its image gets.
fn report(
    builds: &Builds,
    build: &Build,
    mut places: Vec<Disabling>,
    settings: &[(usize, Span)],
    findings: &mut Findings,
) {
    let file = builds.file(build.dockerfile);
    // The place that the image keeps comes first.
    places.sort_unstable_by_key(|place| (!place.is_kept, place.span.start));
    let Some((first, others)) = places.split_first() else { return };
    let message = if first.is_kept { OF_IMAGE } else { OF_BUILD };
    let mut draft = findings.place(file, &first.span, message).help(HELP, &[]);
    for place in others.iter().take(2) {
        draft = draft.label(file, &place.span, "and by this");
    }
    if let Some((settings, span)) = settings.first() {
        draft = draft.label(builds.file(*settings), span, "and by this, which the image gets");
    }
    let edit = first.alone.as_ref().map(|line| {
        let end = line.end + usize::from(file.text.get(line.end) == Some(&b'\n'));
        Edit { path: file.path.clone(), span: line.start..end, text: String::new() }
    });
    draft = draft.fix(Safety::Shown, edit.into_iter().collect(), &[file]);
    if first.is_kept {
        draft.severity(Severity::Error);
    }
}

/// A place in the Dockerfile.
struct Disabling {
    span: Span,
    /// Whether the image has it as a variable.
    is_kept: bool,
    /// The instruction, if it does nothing else.
    alone: Option<Span>,
}

/// The `ENV` and `ARG` instructions that set such a variable.
fn in_variables(builds: &Builds, build: &Build) -> Vec<Disabling> {
    let last: BTreeSet<usize> = build
        .last_stage()
        .into_iter()
        .flat_map(|last| build.lineage(last).map(|(number, _)| number).collect::<Vec<_>>())
        .collect();
    let mut found = Vec::new();
    let instructions = builds.instructions(build);
    for (instruction, stage) in instructions.iter().zip(stage_numbers(&instructions)) {
        if !matches!(&*instruction.name, "ENV" | "ARG") {
            continue;
        }
        let assignments = instruction.assignments();
        let is_single = assignments.len() == 1;
        for (name, value) in assignments {
            let Some(value) = value.filter(|value| disables(instruction, &name, value)) else {
                continue;
            };
            let in_last = stage.is_some_and(|stage| last.contains(&stage));
            found.push(Disabling {
                span: instruction.text.span(&value),
                is_kept: instruction.name == "ENV" && name == OF_NODE && in_last,
                alone: is_single.then(|| instruction.span.clone()),
            });
        }
    }
    found
}

fn disables(instruction: &Instruction, name: &str, value: &std::ops::Range<usize>) -> bool {
    let value = instruction.bytes(value).trim_ascii();
    let value =
        value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value);
    let value =
        value.strip_prefix(b"'").and_then(|value| value.strip_suffix(b"'")).unwrap_or(value);
    VARIABLES.iter().any(|(known, values)| {
        *known == name && values.iter().any(|own| value.eq_ignore_ascii_case(own.as_bytes()))
    })
}

/// The commands that turn the check off.
fn in_commands(build: &Build, file: &File) -> Vec<Disabling> {
    let runs = build.steps().filter_map(|(_, step)| match &step.action {
        Action::Run(run) => Some((step, run)),
        _ => None,
    });
    let mut found = Vec::new();
    for (step, run) in runs {
        found.extend(assigned(run, file, &step.span));
        found.extend(
            run.commands.iter().filter(|command| configures(command)).map(RunCommand::span),
        );
    }
    found.into_iter().map(|span| Disabling { span, is_kept: false, alone: None }).collect()
}

/// The places where the script of a step sets such a variable.
fn assigned(run: &RunStep, file: &File, step: &Span) -> Vec<Span> {
    let text = file.text.get(step.clone()).unwrap_or_default();
    let names: Vec<_> = VARIABLES.iter().filter(|(name, _)| run.assigned.contains(*name)).collect();
    let (mut found, mut end) = (Vec::new(), step.start);
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        let start = end;
        end += line.len();
        if line.trim_ascii_start().starts_with(b"#") {
            continue;
        }
        for (name, values) in &names {
            for at in memchr::memmem::find_iter(line, name.as_bytes()) {
                let after = line.get(at + name.len()..).unwrap_or_default();
                if is_assigned(after, values) {
                    found.push(start + at..start + at + name.len());
                }
            }
        }
    }
    found
}

/// Whether a text is the rest of an assignment of one of these values.
fn is_assigned(after: &[u8], values: &[&str]) -> bool {
    let Some(value) = after.strip_prefix(b"=") else { return false };
    let value = value.strip_prefix(b"\"").or(value.strip_prefix(b"'")).unwrap_or(value);
    let length = value.iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
    let value = value.get(..length).unwrap_or_default();
    values.iter().any(|own| value.eq_ignore_ascii_case(own.as_bytes()))
}

/// Whether a command sets such a setting, or has it as an option.
fn configures(command: &RunCommand) -> bool {
    let Some("npm" | "pnpm" | "yarn" | "git") = command.program() else { return false };
    let words: Vec<&str> = command.arguments().collect();
    let sets = words.iter().any(|word| matches!(*word, "config" | "set"));
    let is_pair = |pair: &[&str]| SETTINGS.iter().any(|(name, value)| pair == [*name, *value]);
    let is_option = |word: &&str| {
        *word == "--no-strict-ssl"
            || SETTINGS.iter().any(|(name, value)| {
                let word = word.strip_prefix("--").unwrap_or(word);
                word.strip_prefix(name).and_then(|rest| rest.strip_prefix('=')) == Some(value)
            })
    };
    sets && words.windows(2).any(is_pair) || words.iter().any(is_option)
}

/// The settings of files that an install reads: the file, and the place.
fn copied(builds: &Builds, build: &Build) -> Vec<(usize, Span)> {
    let mut found: Vec<(usize, Span)> = Vec::new();
    for visit in visits(builds, build) {
        for effective in visit.settings() {
            let number = effective.image.file;
            let text = &builds.file(number).text;
            let settings = npm_settings(builds, number);
            let off = settings.iter().filter(|setting| {
                let value = text.get(setting.value.clone()).unwrap_or_default();
                setting.key == OF_NPM.0 && value == OF_NPM.1.as_bytes()
            });
            found.extend(off.map(|setting| (number, setting.span.start..setting.value.end)));
        }
    }
    found.sort_unstable_by_key(|(file, span)| (*file, span.start));
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::RULE;
    use crate::base::finding::Severity;
    use crate::engine::tests::{Fake, judged_by, transcript};

    fn change(lines: &str, settings: &str) -> Fake {
        Fake::default()
            .file("Dockerfile", &format!("FROM node:22 AS a\n{lines}\n"))
            .file(".npmrc", settings)
    }

    const LATER: &str = "\nFROM node:22\nCOPY --from=a /a /a";

    #[test]
    fn a_check_that_is_turned_off() {
        for line in [
            "ENV NODE_TLS_REJECT_UNAUTHORIZED=0",
            "ENV A=1 NODE_TLS_REJECT_UNAUTHORIZED=\"0\"",
            "ENV NODE_TLS_REJECT_UNAUTHORIZED 0",
            "ARG NPM_CONFIG_STRICT_SSL=false",
            "ENV GIT_SSL_NO_VERIFY=true",
            "RUN NODE_TLS_REJECT_UNAUTHORIZED=0 npm ci",
            "RUN export NODE_TLS_REJECT_UNAUTHORIZED='0' && npm ci",
            "RUN npm config set strict-ssl false && npm ci",
            "RUN npm config set strict-ssl=false",
            "RUN yarn config set enableStrictSsl false",
            "RUN npm ci --strict-ssl=false",
            "RUN git config --global http.sslVerify false",
        ] {
            let found = judged_by(&RULE, &change(&format!("{line}{LATER}"), ""));
            let [finding] = found.as_slice() else { panic!("{line}: {found:?}") };
            assert_eq!(finding.severity, Severity::Warning);
            assert!(finding.message.starts_with("the build accepts any"), "{finding:?}");
        }
        let settings = "registry=https://r.example/\nstrict-ssl=false\n";
        let copied = "WORKDIR /a\nCOPY .npmrc .\nRUN npm ci";
        let found = judged_by(&RULE, &change(copied, settings));
        assert_eq!((found.len(), found[0].path.to_string()), (1, ".npmrc".to_owned()));
    }

    #[test]
    fn a_variable_that_the_image_keeps_is_an_error() {
        let line = "ENV NODE_TLS_REJECT_UNAUTHORIZED=0";
        let settings = "strict-ssl=false\n";
        let lines = format!(
            "ARG NPM_CONFIG_STRICT_SSL=false\n{line}\nWORKDIR /a\nCOPY .npmrc .\nRUN npm ci"
        );
        let found = judged_by(&RULE, &change(&lines, settings));
        let [finding] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!(finding.severity, Severity::Error);
        assert_eq!(finding.place.as_ref().unwrap().line, 3);
        let labels: Vec<String> =
            finding.labels.iter().map(|label| label.path.to_string()).collect();
        assert_eq!(labels, ["Dockerfile", ".npmrc"]);
        let (edit, _) = &finding.fix.as_ref().unwrap().edits[0];
        assert_eq!(edit.span.len(), line.len() + 1);
        let inherited = change(&format!("{line}\nFROM a AS b\nCOPY . ."), "");
        assert_eq!(judged_by(&RULE, &inherited)[0].severity, Severity::Error);
    }

    #[test]
    fn a_dockerfile_inside_of_another_file_is_judged_by_itself() {
        let compose = "services:\n  a:\n    build:\n      dockerfile_inline: |\n        FROM node\n\
                       \x20       ENV NODE_TLS_REJECT_UNAUTHORIZED=0\n  b:\n    build:\n      \
                       dockerfile_inline: \"FROM node\\nENV NODE_TLS_REJECT_UNAUTHORIZED=0\\n\"\n\
                       \x20 c:\n    build:\n      dockerfile_inline: |\n        FROM $X\n        \
                       ENV NODE_TLS_REJECT_UNAUTHORIZED=0\n";
        let found = judged_by(&RULE, &Fake::default().file("compose.yaml", compose));
        let shown: Vec<(usize, Severity, bool)> = found
            .iter()
            .map(|one| (one.place.as_ref().unwrap().line, one.severity, one.fix.is_some()))
            .collect();
        assert_eq!(shown, [(6, Severity::Error, false), (9, Severity::Error, false)]);
    }

    #[test]
    fn a_check_that_stays_on() {
        for line in [
            "ENV NODE_TLS_REJECT_UNAUTHORIZED=1",
            "ARG NODE_TLS_REJECT_UNAUTHORIZED",
            "ENV NODE_TLS_REJECT_UNAUTHORIZED=$X",
            "ENV NODE_EXTRA_CA_CERTS=/ca.pem",
            "RUN npm config set strict-ssl true",
            "RUN npm config get strict-ssl && echo false",
            "RUN a \\\n  # NODE_TLS_REJECT_UNAUTHORIZED=0\n  b",
            "RUN echo strict-ssl false",
            "RUN unset NODE_TLS_REJECT_UNAUTHORIZED",
            "COPY .npmrc /elsewhere/\nWORKDIR /a\nRUN npm ci",
        ] {
            let found = transcript(&RULE, &change(line, "strict-ssl=false\n"));
            assert_eq!(found, [""; 0], "{line}");
        }
    }
}
