#![doc = include_str!("../../../docs/rules/lost-build-arg.md")]

use crate::base::change::File;
use crate::base::debris::Debris;
use crate::base::finding::Span;
use crate::builds::Builds;
use crate::edit::dockerfile::with_argument;
use crate::edit::fix::Safety;
use crate::formats::dockerfile::Instruction;
use crate::formats::shell::{Command, Resolved};
use crate::models::dockerfile::{Stage, Stages};
use crate::rule::{Check, Findings, Rule, RuleGroup};

/// The row of the rule table.
pub(crate) const RULE: Rule = Rule {
    id: "lost-build-arg",
    summary: "stages that use an ARG from before the first FROM without declaring it again",
    manual: include_str!("../../../docs/rules/lost-build-arg.md"),
    check: Check::Builds(judge),
    ..Rule::base(RuleGroup::Doctor)
};

fn judge(builds: &Builds, _: &Debris, findings: &mut Findings) {
    for build in builds.of_each_dockerfile() {
        judge_file(builds.file(build.dockerfile), &builds.instructions(build), findings);
    }
}

fn judge_file(file: &File, instructions: &[Instruction], findings: &mut Findings) {
    let globals: Vec<(String, Span)> = instructions
        .iter()
        .take_while(|instruction| instruction.name != "FROM")
        .filter(|instruction| instruction.name == "ARG")
        .flat_map(|instruction| {
            let names = instruction.assignments().into_iter().map(|(name, _)| name);
            names.map(|name| (name, instruction.span.clone()))
        })
        .collect();
    if globals.is_empty() {
        return;
    }
    let mut stages = Stages::default();
    let mut from = 0..0;
    let mut reported: Vec<String> = Vec::new();
    for instruction in instructions {
        if instruction.name == "FROM" {
            from = instruction.span.clone();
            reported.clear();
        } else if stages.current().is_some_and(|(_, stage)| is_plain(stage)) {
            for word in words(instruction, &stages) {
                let lost = |(name, _): &&(String, Span)| {
                    word.unset.contains(name) && !reported.contains(name)
                };
                if let Some((name, declared)) = globals.iter().find(lost) {
                    report(file, name, &word, declared, &from, findings);
                    reported.push(name.clone());
                }
            }
        }
        stages.apply(instruction);
    }
}

/// Whether the variables of the image are known: other official images set versions, too.
fn is_plain(stage: &Stage) -> bool {
    let plain = ["node", "debian", "alpine", "ubuntu"];
    stage.image.as_ref().is_some_and(|image| {
        image.is_official() && plain.contains(&&*image.repository) && stage.has_posix_shell
    })
}

/// The words of an instruction that are expanded.
fn words(instruction: &Instruction, stages: &Stages) -> Vec<Resolved> {
    match instruction.name.as_str() {
        "RUN" => {
            let script = instruction.script();
            let lookup = |name: &str| stages.lookup(name);
            let words = script.commands.iter().flat_map(Command::words);
            words.map(|word| script.resolve(&word, &lookup)).collect()
        }
        "ENV" => {
            let values = instruction.assignments().into_iter().filter_map(|(_, value)| value);
            values.map(|value| stages.expand(instruction, &value)).collect()
        }
        "COPY" | "ADD" | "WORKDIR" | "USER" | "LABEL" | "EXPOSE" => {
            instruction.words().map(|word| stages.expand(instruction, &word)).collect()
        }
        _ => Vec::new(),
    }
}

fn report(
    file: &File,
    name: &str,
    word: &Resolved,
    declared: &Span,
    from: &Span,
    findings: &mut Findings,
) {
    let edit = with_argument(file, from, name);
    findings
        .place(file, &word.span, format!("${name} is empty in this stage"))
        .label(file, declared, "declared for FROM lines only")
        .help(format!("write `ARG {name}` after the FROM"), &[])
        .fix(Safety::Safe, vec![edit], &[file]);
}

#[cfg(test)]
mod tests {
    use super::RULE;
    use crate::engine::tests::{Fake, judged_by, transcript};

    fn judged(dockerfile: &str) -> Vec<String> {
        transcript(&RULE, &Fake::default().file("Dockerfile", dockerfile))
    }

    #[test]
    fn an_argument_that_the_stage_does_not_have() {
        for use_of in ["RUN a ${V}", "ENV A=x$V", "COPY $V/a /", "WORKDIR /$V", "LABEL a=\"$V\""] {
            let found = judged(&format!("ARG V=1\nFROM node:$V AS a\n{use_of}\nRUN b $V\n"));
            assert_eq!(found.len(), 1, "{use_of}");
            assert!(found[0].ends_with(": $V is empty in this stage"), "{found:?}");
        }
        let text = "ARG V=1\nFROM alpine AS a\nARG V\nRUN $V\nFROM alpine AS b\nRUN a $V\n";
        let found = judged_by(&RULE, &Fake::default().file("Dockerfile", text));
        let [finding] = found.as_slice() else { panic!("{found:?}") };
        let edit = &finding.fix.as_ref().unwrap().edits[0].0;
        assert_eq!((edit.span.start, &*edit.text), (text.find("\nRUN a").unwrap(), "\nARG V"));
    }

    #[test]
    fn an_argument_that_the_stage_has_or_may_have() {
        for lines in [
            "ARG V=1\nFROM node:$V\nARG V\nRUN a $V",
            "ARG V=1\nFROM node:$V\nENV V=2\nRUN a $V",
            "ARG V=1\nFROM node:$V AS a\nARG V\nFROM a\nRUN a $V",
            "ARG V=1\nFROM me/x:$V\nRUN a $V",
            "ARG PYTHON_VERSION=3\nFROM python:$PYTHON_VERSION\nRUN a $PYTHON_VERSION",
            "ARG NODE_VERSION=22\nFROM node:$NODE_VERSION\nRUN a $NODE_VERSION",
            "ARG V=1\nFROM node:$V\nRUN V=2 && a $V",
            "ARG V=1\nFROM node:$V\nRUN a ${V:-2}",
            "ARG V=1\nFROM node:$V\nRUN a '$V'",
            "ARG V=1\nFROM node:$V\nRUN a $W",
            "FROM node:22\nRUN a $V",
        ] {
            assert_eq!(judged(lines), [""; 0], "{lines}");
        }
    }
}
