#![doc = include_str!("../../../docs/rules/undeclared-build-arg.md")]

use std::collections::BTreeSet;

use crate::base::debris::Debris;
use crate::base::escape::Escaped;
use crate::base::finding::{Severity, Span};
use crate::builds::arguments::{is_for_tools, is_predefined};
use crate::builds::installs::installs;
use crate::builds::settings::unsupplied;
use crate::builds::steps::BuildStage;
use crate::builds::visits::visits;
use crate::builds::{Build, Builds};
use crate::edit::dockerfile::{is_argument, with_argument};
use crate::edit::fix::Safety;
use crate::formats::dockerfile::Instruction;
use crate::rule::{Check, Findings, Rule, RuleGroup};

/// The row of the rule table.
pub(crate) const RULE: Rule = Rule {
    id: "undeclared-build-arg",
    summary: "a build argument that the Dockerfile does not declare",
    severity: Severity::Warning,
    manual: include_str!("../../../docs/rules/undeclared-build-arg.md"),
    check: Check::Builds(judge),
    ..Rule::base(RuleGroup::Doctor)
};

fn judge(builds: &Builds, _: &Debris, findings: &mut Findings) {
    let declared: Vec<BTreeSet<String>> =
        builds.list.iter().map(|build| declared(builds, build)).collect();
    // An anchor may give the same arguments to several builds.
    let mut used: BTreeSet<(usize, usize)> = BTreeSet::new();
    for (build, declared) in builds.list.iter().zip(&declared) {
        let places = places(build).filter(|(_, name, _)| declared.contains(*name));
        used.extend(places.map(|(file, _, span)| (file, span.start)));
    }
    for (build, declared) in builds.list.iter().zip(&declared) {
        let missing: Vec<_> = places(build)
            .filter(|(file, name, span)| {
                !declared.contains(*name)
                    && !is_predefined(name)
                    && !name.contains('$')
                    && !used.contains(&(*file, span.start))
            })
            .collect();
        if missing.is_empty() {
            continue;
        }
        // A variable of an .npmrc that lacks a value is a finding of its own.
        let seen = visits(builds, build);
        let read: BTreeSet<String> = unsupplied(builds, &seen)
            .into_iter()
            .map(|unsupplied| unsupplied.reference.name)
            .collect();
        let dockerfile = builds.file(build.dockerfile);
        for (number, argument, span) in
            missing.into_iter().filter(|(_, name, _)| !read.contains(*name))
        {
            let name = Escaped(argument.as_bytes());
            let message = format!("{} does not declare the argument {name}", dockerfile.path);
            let mut draft = findings.place(builds.file(number), span, message);
            if let Some(stage) = build.stages.first() {
                draft = draft.label(dockerfile, &stage.span, "no stage has this `ARG`");
            }
            let help = format!("add `ARG {name}` to the stage that uses it, or remove it here");
            let stage = reader(builds, build, argument).filter(|_| is_argument(argument));
            let edits = stage.map(|stage| with_argument(dockerfile, &stage.span, argument));
            draft.help(help, &[]).fix(Safety::Shown, edits.into_iter().collect(), &[dockerfile]);
        }
    }
}

/// The arguments of a build, each with its file and its place.
fn places(build: &Build) -> impl Iterator<Item = (usize, &str, &Span)> {
    let origin = build.origin.as_ref();
    let place = move |name: &str| {
        let own = build.given.arguments.iter().find(|(known, _)| known == name);
        let own = own.and_then(|(_, value)| Some(&value.as_ref()?.span));
        own.filter(|span| !span.is_empty()).or(Some(&origin?.span))
    };
    let names = build.given.arguments.iter().map(|(name, _)| name.as_str());
    names.filter_map(move |name| Some((origin?.file, name, place(name)?)))
}

/// The stage that uses a variable: the only one that names it. If none does, but tools read it: the
/// only stage at all, or the first that installs packages. Whether a file of the repository reads
/// it is not asked: that takes longer than everything else, and the fix is only shown.
fn reader<'b>(builds: &Builds, build: &'b Build, name: &str) -> Option<&'b BuildStage> {
    let file = builds.file(build.dockerfile);
    let may_be_read = is_for_tools(name);
    let forms = [format!("${name}"), format!("${{{name}")];
    let names = |stage: &&BuildStage| {
        stage.steps.iter().any(|step| {
            let text = file.text.get(step.span.clone()).unwrap_or_default();
            forms.iter().any(|form| memchr::memmem::find(text, form.as_bytes()).is_some())
        })
    };
    let mut naming = build.stages.iter().filter(names);
    match (naming.next(), naming.next(), build.stages.as_slice()) {
        (Some(only), None, _) => Some(only),
        (None, None, [only]) if may_be_read => Some(only),
        (None, None, stages) if may_be_read => {
            stages.iter().find(|stage| installs(stage).next().is_some())
        }
        _ => None,
    }
}

/// The names that the `ARG` instructions of a Dockerfile declare, in any stage.
fn declared(builds: &Builds, build: &Build) -> BTreeSet<String> {
    let instructions = builds.instructions(build);
    let names = |instruction: &Instruction| match instruction.name.as_str() {
        "ARG" => instruction.assignments().into_iter().map(|(name, _)| name).collect(),
        "ONBUILD" => instruction
            .arguments()
            .skip(1)
            .map(|word| {
                let name = word.split(|&byte| byte == b'=').next().unwrap_or(word);
                String::from_utf8_lossy(name).into_owned()
            })
            .collect(),
        _ => Vec::new(),
    };
    instructions.iter().flat_map(names).collect()
}

#[cfg(test)]
mod tests {
    use super::{RULE, Safety};
    use crate::engine::tests::{Fake, judged_by, transcript};

    fn judged(dockerfile: &str, args: &str) -> Vec<String> {
        let change = Fake::default()
            .file("Dockerfile", dockerfile)
            .file("other/Dockerfile", "FROM node:22\nARG O")
            .file(
                "compose.yaml",
                &format!(
                    "services:\n  a:\n    build:\n      context: .\n      args: &a {args}\n  \
                     b: {{build: {{context: other, args: *a}}}}"
                ),
            )
            .file(".npmrc", "//h/:_authToken=${T}\n");
        transcript(&RULE, &change)
    }

    #[test]
    fn an_argument_without_a_declaration() {
        let message = |file: &str, name: &str| {
            format!("{file}Dockerfile does not declare the argument {name}")
        };
        assert_eq!(
            judged("FROM node:22\nENV A=1", "{A: 1, B: '${B}'}"),
            // The value of B is unknown, so the service is named.
            [
                format!("compose.yaml:2:3: {}", message("", "B")),
                format!("compose.yaml:5:20: {}", message("", "A")),
                format!("compose.yaml:5:20: {}", message("other/", "A")),
                format!("compose.yaml:6:3: {}", message("other/", "B")),
            ]
        );
        assert_eq!(judged("FROM node:22", "[N]").len(), 2);
    }

    #[test]
    fn the_stage_that_uses_it_is_shown() {
        for (dockerfile, expected) in [
            ("FROM a\nRUN b $A\n", Some("FROM a\nARG A\nRUN b $A\n")),
            ("FROM a\nFROM b\nRUN ${A:-c}", Some("FROM a\nFROM b\nARG A\nRUN ${A:-c}")),
            ("FROM a\nRUN $A\nFROM b\nRUN $A", None),
            ("FROM a\nRUN c\nFROM b\nRUN d", None),
            ("FROM a\nRUN npm ci\n", None),
        ] {
            let change = Fake::default()
                .file("Dockerfile", dockerfile)
                .file("main.js", "process.env.A")
                .file("compose.yaml", "services: {a: {build: {context: ., args: {A: 1}}}}");
            let found = judged_by(&RULE, &change);
            let fixed = found[0].fix.as_ref().map(|fix| {
                assert_eq!(fix.safety, Safety::Shown);
                let edits = fix.edits.iter().map(|(edit, _)| edit).collect();
                String::from_utf8(crate::edit::apply(dockerfile.as_bytes(), edits).unwrap())
            });
            assert_eq!(fixed.map(Result::unwrap).as_deref(), expected, "{dockerfile}");
        }
    }

    #[test]
    fn no_declaration_is_shown_that_nothing_would_read() {
        let change = |dockerfile: &str, name: &str| {
            let caller = format!("services: {{a: {{build: {{context: ., args: {{{name}: 1}}}}}}}}");
            Fake::default().file("Dockerfile", dockerfile).file("compose.yaml", &caller)
        };
        for dockerfile in ["FROM a\nRUN npm ci\n", "FROM a\nRUN npm ci\nFROM b"] {
            let shown = |name| judged_by(&RULE, &change(dockerfile, name))[0].fix.is_some();
            assert!(!shown("BUILD_VERSION"), "{dockerfile}");
            assert!(shown("VITE_API_URL"), "{dockerfile}");
        }
    }

    #[test]
    fn arguments_that_are_declared_somewhere_or_predefined() {
        for (dockerfile, args) in [
            ("ARG A\nFROM node:22", "{A: 1}"),
            ("FROM node:22\nARG A=2\nFROM node:22", "{A: 1}"),
            ("FROM node:22\nARG X=1 A", "{A: 1}"),
            ("FROM node:22\nONBUILD ARG A=1", "{A: 1}"),
            // The other service of the anchor declares it.
            ("FROM node:22", "{O: 1}"),
            ("FROM node:22", "{http_proxy: x, BUILDKIT_INLINE_CACHE: 1, SOURCE_DATE_EPOCH: 0}"),
        ] {
            assert_eq!(judged(dockerfile, args), [""; 0], "{dockerfile} {args}");
        }
    }

    #[test]
    fn a_variable_of_an_npmrc_is_a_finding_of_another_rule() {
        let dockerfile = "FROM node:22\nWORKDIR /app\nCOPY .npmrc .\nRUN npm ci";
        let found = judged(dockerfile, "{T: x}");
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("other/Dockerfile"), "{found:?}");
    }
}
