#![doc = include_str!("../../../docs/rules/unused-build-arg.md")]

use crate::base::debris::Debris;
use crate::base::edit::Edit;
use crate::base::escape::Escaped;
use crate::base::finding::{Severity, Span};
use crate::builds::arguments::{UnusedArgument, is_for_tools, open_variables, unused_arguments};
use crate::builds::{Build, Builds};
use crate::edit::fix::Safety;
use crate::rule::{Check, Findings, Rule, RuleGroup};

/// The row of the rule table.
pub(crate) const RULE: Rule = Rule {
    id: "unused-build-arg",
    summary: "an ARG that no instruction and no file reads",
    severity: Severity::Warning,
    manual: include_str!("../../../docs/rules/unused-build-arg.md"),
    check: Check::Builds(judge),
    asks_for_variables: Some(open_variables),
    ..Rule::base(RuleGroup::Doctor)
};

fn judge(builds: &Builds, _: &Debris, findings: &mut Findings) {
    for build in builds.of_each_dockerfile() {
        let unused = unused_arguments(builds, build);
        for argument in unused.iter().filter(|argument| !may_be_read(builds, argument)) {
            report(builds, build, argument, findings);
        }
    }
}

/// Whether a step may read an argument from its environment.
fn may_be_read(builds: &Builds, argument: &UnusedArgument) -> bool {
    let is_named = || {
        let named = builds.named_variables.as_ref();
        named.is_none_or(|named| named.contains(&argument.name))
    };
    argument.may_be_read && (is_for_tools(&argument.name) || is_named())
}

fn report(builds: &Builds, build: &Build, argument: &UnusedArgument, findings: &mut Findings) {
    let file = builds.file(build.dockerfile);
    let name = Escaped(argument.name.as_bytes());
    let reader = if argument.may_be_read { "no instruction and no file" } else { "nothing" };
    // The default is not shown: it may be a secret.
    let place = argument.span.start..argument.span.start + argument.name.len();
    let mut draft = findings.place(file, &place, format!("{reader} reads the argument {name}"));
    let givers = givers(builds, build, &argument.name);
    for (giver, span) in givers.iter().take(3) {
        draft = draft.label(builds.file(*giver), span, "given here");
    }
    if !givers.is_empty() {
        draft.help("remove the ARG, and what gives it a value", &[]);
        return;
    }
    let draft = draft.help("remove the ARG", &[]);
    if let Some(lines) = argument.lines.as_ref() {
        let edit = |line: &Span| {
            let end = line.end + usize::from(file.text.get(line.end) == Some(&b'\n'));
            Edit { path: file.path.clone(), span: line.start..end, text: String::new() }
        };
        // A program that an install brings may read a variable that no file here names.
        let is_seen = argument.may_be_read && argument.has_default;
        let safety = if is_seen { Safety::Shown } else { Safety::Safe };
        draft.fix(safety, lines.iter().map(edit).collect(), &[file]);
    }
}

/// What gives the argument to a build of the same Dockerfile: the file, and the place.
fn givers<'b>(builds: &'b Builds, build: &Build, name: &str) -> Vec<(usize, &'b Span)> {
    let same = builds.list.iter().filter(|other| other.dockerfile_id() == build.dockerfile_id());
    let given = same.filter_map(|other| {
        let origin = other.origin.as_ref()?;
        let (_, value) = other.given.arguments.iter().find(|(known, _)| known == name)?;
        let own = value.as_ref().map(|value| &value.span).filter(|span| !span.is_empty());
        Some((origin.file, own.unwrap_or(&origin.span)))
    });
    let mut given: Vec<_> = given.collect();
    given.sort_unstable_by_key(|(file, span)| (*file, span.start));
    given.dedup();
    given
}

#[cfg(test)]
mod tests {
    use super::RULE;
    use crate::base::change::{Content, Mode};
    use crate::engine::tests::{Fake, judged_by, transcript};

    fn change(dockerfile: &str) -> Fake {
        Fake::default()
            .file("Dockerfile", dockerfile)
            .file("src/main.js", "process.env.READ; process.env.NAMED_LONGER")
            .file("README.md", "NAMED")
            .file("web/Dockerfile", "FROM node\nARG READ\nRUN echo $NAMED\n")
            .file("pnpm-lock.yaml", "NAMED")
    }

    #[test]
    fn an_argument_that_nothing_reads() {
        for (dockerfile, message) in [
            ("FROM node\nARG NAMED\nRUN npm ci", "no instruction and no file reads"),
            ("FROM node\nRUN npm ci\nARG READ=1", "nothing reads"),
            ("FROM node\nRUN npm ci $READ\nARG READ", "nothing reads"),
            ("FROM node\nARG NODE_ENV\nCMD node .", "nothing reads"),
            ("FROM node AS a\nARG READ\nFROM node\nRUN npm ci $READ", "nothing reads"),
            ("FROM node\nARG READ\n# $READ\nCOPY . .", "nothing reads"),
            ("ARG GLOBAL=1\nFROM node\nRUN npm ci", "nothing reads"),
            ("FROM node\nARG NAMED\nRUN npm ci $NAMED_LONGER", "no instruction and no file reads"),
        ] {
            let found = judged_by(&RULE, &change(dockerfile));
            let [finding] = found.as_slice() else { panic!("{dockerfile}: {found:?}") };
            assert!(
                finding.message.starts_with(&format!("{message} the argument ")),
                "{finding:?}"
            );
            let (edit, _) = &finding.fix.as_ref().unwrap().edits[0];
            let mut rest = dockerfile.to_owned();
            rest.replace_range(edit.span.clone(), &edit.text);
            assert!(!rest.contains("ARG") && rest.lines().count() > 1, "{rest}");
        }
    }

    #[test]
    fn an_argument_that_is_repeated_is_removed_at_once() {
        let places = |dockerfile: &str| {
            let found = judged_by(&RULE, &change(dockerfile));
            let [finding] = found.as_slice() else { panic!("{dockerfile}: {found:?}") };
            let edits = finding.fix.as_ref().map(|fix| fix.edits.iter());
            edits.map(|edits| edits.map(|(edit, _)| edit.span.start).collect::<Vec<_>>())
        };
        let twice = "FROM node\nARG NAMED\nARG NAMED\nRUN npm ci\nARG NAMED";
        assert_eq!(places(twice), Some(vec![10, 20, 41]));
        assert_eq!(
            places("FROM node\nARG NAMED\nRUN npm ci\nARG NAMED NODE_ENV=x\nRUN $NODE_ENV"),
            None
        );
    }

    #[test]
    fn a_default_that_a_step_sees_is_only_shown() {
        use crate::edit::fix::Safety;
        for (dockerfile, safety) in [
            ("FROM node\nARG NAMED\nRUN npm ci", Safety::Safe),
            ("FROM node\nARG NAMED=1\nRUN npm ci", Safety::Shown),
            ("FROM node\nARG NAMED=\nRUN npm ci", Safety::Shown),
            ("FROM node AS a\nARG NAMED=1\nFROM a\nRUN npm ci", Safety::Shown),
            ("FROM node\nRUN npm ci\nARG NAMED=1\nCOPY . .", Safety::Safe),
            ("FROM node\nRUN npm ci\nFROM node\nARG NAMED=1\nCOPY . .", Safety::Safe),
        ] {
            let found = judged_by(&RULE, &change(dockerfile));
            let [finding] = found.as_slice() else { panic!("{dockerfile}: {found:?}") };
            assert_eq!(finding.fix.as_ref().unwrap().safety, safety, "{dockerfile}");
        }
        let dockerfile = "ARG NAMED=1\nFROM node:$NAMED\nARG NAMED\nRUN npm ci";
        let found = judged_by(&RULE, &change(dockerfile));
        assert_eq!(found[0].fix.as_ref().unwrap().safety, Safety::Shown);
    }

    #[test]
    fn an_argument_that_a_build_gives_has_two_ends() {
        let given = change("FROM node\nARG NAMED=x OTHER=$OTHER\nRUN npm ci")
            .file("compose.yaml", "services: {a: {build: {context: ., args: {NAMED: 1}}}}");
        let found = judged_by(&RULE, &given);
        let [finding, _] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!(finding.labels[0].path, "compose.yaml".into());
        assert!(finding.fix.is_none() && finding.help.ends_with("what gives it a value"));
    }

    #[test]
    fn an_argument_of_a_dockerfile_inside_of_another_file() {
        let compose = "services:\n  a:\n    build:\n      args: {GIVEN: 1}\n      \
                       dockerfile_inline: |\n        FROM node\n        ARG GIVEN\n        \
                       RUN npm ci $$NAMED\n  b:\n    build:\n      dockerfile_inline: |-\n        \
                       FROM node\n        ARG GIVEN\n        ARG NAMED\n";
        let change = Fake::default().file("compose.yaml", compose);
        let found = judged_by(&RULE, &change);
        let shown: Vec<(usize, usize)> = found
            .iter()
            .map(|finding| (finding.place.as_ref().unwrap().line, finding.labels.len()))
            .collect();
        // Only the build of the first service is given a value.
        assert_eq!(shown, [(7, 1), (13, 0), (14, 0)]);
        assert!(found.iter().all(|finding| finding.fix.is_none()));
        // Nothing is known about a Dockerfile with a variable of the environment.
        let change = Fake::default().file("compose.yaml", &compose.replace("$$", "$"));
        let found = judged_by(&RULE, &change);
        assert_eq!(found.len(), 2);
    }

    #[test]
    fn many_arguments_take_linear_time() {
        let names: String = (0..40).map(|number| format!(" A{number}")).collect();
        let line = |number: usize| format!("ARG B{number}{names}\n");
        let lines: String = (0..3000).map(line).collect();
        let start = std::time::Instant::now();
        let found = judged_by(&RULE, &change(&format!("FROM node\n{lines}RUN x\n")));
        // Searching every later instruction for each name takes a minute here.
        assert!(start.elapsed() < std::time::Duration::from_secs(20));
        assert!(!found.is_empty());
    }

    #[test]
    fn an_argument_that_something_reads_or_may_read() {
        for dockerfile in [
            "FROM node\nARG READ\nRUN npm run build",
            "FROM node AS a\nARG READ\nFROM a\nRUN npm run build",
            "FROM node\nARG NAMED\nRUN npm ci --x=$NAMED",
            "FROM node\nARG NAMED\nENV X=${NAMED:-1}",
            "FROM node\nARG NAMED\nARG X=$NAMED\nRUN a $X",
            "FROM node\nARG NAMED\nLABEL a=$NAMED",
            "FROM node\nARG NAMED\nRUN <<E\necho $NAMED\nE",
            "FROM node AS a\nARG NAMED\nFROM a\nCOPY $NAMED .",
            "FROM node\nARG NODE_OPTIONS\nRUN npm ci",
            "FROM node\nARG CACHEBUST\nRUN npm ci",
            "FROM node\nARG TARGETARCH\nCOPY . .",
            // The script may read it.
            "FROM node\nARG NAMED\nRUN curl -sSL https://x.example/install.sh | sh",
            "ARG GLOBAL=1\nFROM node:$GLOBAL\nRUN npm ci",
            "ARG GLOBAL=1\nFROM node\nARG GLOBAL\nRUN npm ci $GLOBAL",
            "ARG GLOBAL=1\nFROM node\nRUN npm ci $GLOBAL",
        ] {
            assert_eq!(transcript(&RULE, &change(dockerfile)), [""; 0], "{dockerfile}");
        }
        let dockerfile = "FROM node\nARG NAMED\nRUN npm ci";
        let submodule =
            change(dockerfile).with("lib", Mode::Submodule, Content::Bytes(Vec::new()), true);
        assert_eq!(transcript(&RULE, &submodule), [""; 0]);
        let binary = change(dockerfile).file("a.bin", "\0 NAMED");
        assert_eq!(transcript(&RULE, &binary).len(), 1);
    }
}
