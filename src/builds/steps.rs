//! The stages and steps of a Dockerfile, with the build arguments of one build.

use std::collections::BTreeSet;
use std::rc::Rc;

use crate::base::finding::Span;
use crate::formats::dockerfile::{Flag, Instruction};
use crate::formats::shell::{Command, Resolved, Script, Variable, Word};
use crate::models::dockerfile::{Base, Stage, Stages};
use crate::models::image::ImageReference;

/// The maximum number of instructions of a Dockerfile that are judged, and of commands in them.
pub(super) const MAX_INSTRUCTIONS: usize = 5000;

/// The maximum number of variables that are kept for all steps together. Steps beyond that are
/// left out: a hostile file could have any number.
const MAX_VARIABLES: usize = 200_000;

/// A stage of a Dockerfile.
#[derive(Debug)]
pub(crate) struct BuildStage {
    /// The place of its `FROM`.
    pub span: Span,
    /// In lower case.
    pub name: Option<String>,
    pub base: Base,
    pub steps: Vec<BuildStep>,
    /// Its variables and its image after the last step.
    pub last: Stage,
}

/// An instruction of a stage.
#[derive(Debug)]
pub(crate) struct BuildStep {
    pub span: Span,
    pub action: Action,
    /// The variables and the image before it.
    pub stage: Rc<Stage>,
    /// The last `USER` of the stage or of those that it builds on; `None` if there is none.
    pub user: Option<Rc<Resolved>>,
    /// The working directory, absolute; `None` if it is unknown.
    pub directory: Option<Rc<str>>,
}

impl BuildStep {
    /// The stages and images that it reads files from, as they are written.
    pub(crate) fn sources(&self) -> Vec<&str> {
        match &self.action {
            Action::Copy(copy) => copy.from.as_deref().into_iter().collect(),
            Action::Run(run) => {
                run.mounts.iter().filter_map(|mount| mount.option(&["from"])).collect()
            }
            _ => Vec::new(),
        }
    }
}

/// The effect of an instruction.
#[derive(Debug)]
pub(crate) enum Action {
    Copy(CopyStep),
    Run(RunStep),
    /// An `ARG` or an `ENV`.
    Variables,
    /// The command of a `HEALTHCHECK`, in shell or exec form.
    Healthcheck(Vec<RunCommand>),
    Other,
}

/// A `COPY` or an `ADD`.
#[derive(Debug)]
pub(crate) struct CopyStep {
    /// The sources but here-documents; a URL is one.
    pub sources: Vec<Resolved>,
    pub destination: Resolved,
    /// The stage or the image that it copies from; `None` for the context.
    pub from: Option<String>,
    pub is_add: bool,
    /// Whether the directories of a source are kept: `--parents`.
    pub keeps_parents: bool,
}

/// A `RUN`.
#[derive(Debug)]
pub(crate) struct RunStep {
    pub mounts: Vec<Mount>,
    /// The words of each command.
    pub commands: Vec<RunCommand>,
    /// The value of `--network`.
    pub network: Option<String>,
    /// The variables that its script sets.
    pub assigned: BTreeSet<String>,
}

#[derive(Debug)]
pub(crate) struct RunCommand {
    pub words: Vec<Resolved>,
    /// The number of subshells around it.
    pub depth: usize,
}

impl RunCommand {
    /// The name of the program, without its directory.
    pub(crate) fn program(&self) -> Option<&str> {
        self.words.first()?.known()?.rsplit('/').next()
    }

    /// The known words after the program.
    pub(crate) fn arguments(&self) -> impl Iterator<Item = &str> {
        self.words.iter().skip(1).filter_map(Resolved::known)
    }

    /// From the first word to the last.
    pub(crate) fn span(&self) -> Span {
        let ends = self.words.first().zip(self.words.last());
        ends.map_or(0..0, |(first, last)| first.span.start..last.span.end.max(first.span.end))
    }
}

/// A `--mount` of a `RUN`.
#[derive(Debug)]
pub(crate) struct Mount {
    pub span: Span,
    /// The type; `bind` by default.
    pub kind: String,
    /// The options as they are written; those of an unknown value have none.
    options: Vec<(String, Option<String>)>,
}

impl Mount {
    /// An option by one of its names; `None` if it is missing or unknown.
    pub(crate) fn option(&self, names: &[&str]) -> Option<&str> {
        self.options.iter().rev().find(|(name, _)| names.contains(&&**name))?.1.as_deref()
    }

    /// Whether an option is given, with or without a value.
    pub(crate) fn has(&self, names: &[&str]) -> bool {
        self.options.iter().any(|(name, _)| names.contains(&&**name))
    }

    /// The path in the container.
    pub(crate) fn target(&self) -> Option<&str> {
        self.option(&["target", "dst", "destination"])
    }

    /// Whether it mounts a part of the context.
    pub(crate) fn binds_context(&self) -> bool {
        self.kind == "bind" && !self.has(&["from"])
    }

    /// The path in the context or the stage: by default all of it; `None` if it is unknown.
    pub(crate) fn source(&self) -> Option<&str> {
        if self.has(&["source", "src"]) { self.option(&["source", "src"]) } else { Some(".") }
    }

    /// The id of a secret: by default the name of its file.
    pub(crate) fn secret_id(&self) -> Option<&str> {
        if self.kind != "secret" {
            return None;
        }
        let id = if self.has(&["id"]) {
            self.option(&["id"])
        } else {
            self.target()?.rsplit('/').next()
        };
        // A variable that is not set leaves it empty.
        id.filter(|id| !id.is_empty())
    }
}

/// The stages of a Dockerfile; `None` if it has too many instructions or commands.
pub(super) fn stages(
    instructions: &[Instruction],
    arguments: Vec<(String, Option<Variable>)>,
) -> Option<Vec<BuildStage>> {
    if instructions.len() > MAX_INSTRUCTIONS {
        return None;
    }
    let mut reader = StageReader {
        stages: Stages::with_arguments(arguments),
        found: Vec::new(),
        places: Vec::new(),
        kept: 0,
    };
    for instruction in instructions {
        reader.read(instruction);
    }
    let steps = reader.found.iter().flat_map(|stage| &stage.steps);
    let commands = steps.map(|step| match &step.action {
        Action::Run(run) => run.commands.len(),
        _ => 0,
    });
    (commands.sum::<usize>() <= MAX_INSTRUCTIONS).then_some(reader.found)
}

/// The user and the working directory of a step.
#[derive(Debug, Clone, Default)]
struct StepPlace {
    user: Option<Rc<Resolved>>,
    directory: Option<Rc<str>>,
}

struct StageReader {
    stages: Stages,
    found: Vec<BuildStage>,
    /// The place at the end of each stage so far; that of the current one is the last.
    places: Vec<StepPlace>,
    /// The number of variables that are kept so far.
    kept: usize,
}

impl StageReader {
    fn read(&mut self, instruction: &Instruction) {
        let action = self.action(instruction);
        let before = self.stages.current().map(|(_, stage)| stage.clone());
        self.stages.apply(instruction);
        let Some((_, after)) = self.stages.current() else { return };
        let (after, span) = (after.clone(), instruction.span.clone());
        if instruction.name == "FROM" {
            self.places.push(self.first_place(&after));
            let (name, steps) = (instruction.stage_name(), Vec::new());
            self.found.push(BuildStage { span, name, base: after.base, steps, last: after });
            return;
        }
        if action.changes_variables() {
            self.kept += after.size();
        }
        let (Some(found), Some(place)) = (self.found.last_mut(), self.places.last()) else {
            return;
        };
        if self.kept > MAX_VARIABLES {
            return;
        }
        let stage = match (found.steps.last(), before) {
            (Some(step), _) if !step.action.changes_variables() => Rc::clone(&step.stage),
            (_, before) => Rc::new(before.unwrap_or_else(|| after.clone())),
        };
        found.last = after;
        let StepPlace { user, directory } = place.clone();
        found.steps.push(BuildStep { span, action, stage, user, directory });
        self.move_place(instruction);
    }

    /// The place at the start of a stage.
    fn first_place(&self, stage: &Stage) -> StepPlace {
        match stage.base {
            Base::Stage(number) => self.places.get(number).cloned().unwrap_or_default(),
            Base::Image => {
                let is_official = stage.image.as_ref().is_some_and(ImageReference::is_official);
                StepPlace { user: None, directory: is_official.then(|| "/".into()) }
            }
        }
    }

    /// Applies `USER` and `WORKDIR`.
    fn move_place(&mut self, instruction: &Instruction) {
        let word = instruction.words().next().map(|word| self.stages.expand(instruction, &word));
        let (Some(place), Some(word)) = (self.places.last_mut(), word) else { return };
        match instruction.name.as_str() {
            "USER" => place.user = Some(Rc::new(word)),
            "WORKDIR" => {
                let there = |to: &str| absolute(place.directory.as_deref(), to).map(Rc::from);
                place.directory = word.known().and_then(there);
            }
            _ => {}
        }
    }

    fn action(&self, instruction: &Instruction) -> Action {
        match instruction.name.as_str() {
            "ARG" | "ENV" => Action::Variables,
            "COPY" | "ADD" => self.copy(instruction).map_or(Action::Other, Action::Copy),
            "RUN" => Action::Run(self.run(instruction)),
            "HEALTHCHECK" => Action::Healthcheck(self.commands(&instruction.script())),
            _ => Action::Other,
        }
    }

    fn copy(&self, instruction: &Instruction) -> Option<CopyStep> {
        let mut words: Vec<Resolved> = match instruction.exec_form() {
            Some(words) => words.iter().map(|word| exec_word(instruction, word)).collect(),
            None => instruction
                .words()
                .filter(|word| !instruction.is_heredoc(word))
                .map(|word| self.stages.expand(instruction, &word))
                .collect(),
        };
        let destination = words.pop()?;
        Some(CopyStep {
            sources: words,
            destination,
            from: instruction.flag("from").map(str::to_owned),
            is_add: instruction.name == "ADD",
            keeps_parents: instruction.flag("parents").is_some_and(|value| value != "false"),
        })
    }

    fn run(&self, instruction: &Instruction) -> RunStep {
        let script = instruction.script();
        let mounts = instruction.flags.iter().filter(|flag| flag.value("mount").is_some());
        let mount = |flag: &Flag| {
            let expanded = self.stages.expand_flag(instruction, &flag.range);
            Mount::parse(&flag.text, &expanded, instruction.text.span(&flag.range))
        };
        RunStep {
            mounts: mounts.map(mount).collect(),
            commands: self.commands(&script),
            network: instruction.flag("network").map(str::to_owned),
            assigned: script.assigned().map(std::borrow::Cow::into_owned).collect(),
        }
    }

    fn commands(&self, script: &Script<'_>) -> Vec<RunCommand> {
        let word = |word: Word<'_>| script.resolve(&word, &|name| self.stages.lookup(name));
        let command = |command: &Command<'_>| RunCommand {
            words: command.words().map(word).collect(),
            depth: command.depth,
        };
        script.commands.iter().map(command).collect()
    }
}

impl Action {
    fn changes_variables(&self) -> bool {
        matches!(self, Self::Variables)
    }
}

impl Mount {
    /// Parses `--mount=type=cache,target=/x`. After the first unknown variable, values are unknown.
    fn parse(written: &str, expanded: &Resolved, span: Span) -> Self {
        let options = |text: &str| -> Vec<(String, String)> {
            let text = text.split_once('=').map_or("", |(_, options)| options);
            let pairs =
                text.split(',').map(|option| option.split_once('=').unwrap_or((option, "")));
            pairs
                .map(|(name, value)| (name.trim().to_ascii_lowercase(), value.to_owned()))
                .collect()
        };
        let known = options(&expanded.text);
        // The last known option may be cut off.
        let whole = if expanded.is_open { known.len().saturating_sub(1) } else { known.len() };
        let value =
            |at: usize| known.get(at).filter(|_| at < whole).map(|(_, value)| value.clone());
        let options: Vec<(String, Option<String>)> = options(written)
            .into_iter()
            .enumerate()
            .map(|(at, (name, value_written))| {
                let literal = (!value_written.contains('$')).then_some(value_written);
                (name, literal.or_else(|| value(at)))
            })
            .collect();
        let kind = options.iter().find(|(name, _)| name == "type");
        let kind = kind.map_or(Some("bind"), |(_, kind)| kind.as_deref()).unwrap_or_default();
        Self { span, kind: kind.to_owned(), options }
    }
}

/// A word of the exec form, which is not expanded as a shell does, but its variables are.
fn exec_word(instruction: &Instruction, word: &std::ops::Range<usize>) -> Resolved {
    let text: Option<String> = serde_json::from_slice(instruction.bytes(word)).ok();
    let is_open = text.as_ref().is_none_or(|text| text.contains('$'));
    let span = instruction.text.span(word);
    Resolved { text: text.unwrap_or_default(), is_open, span, ..Resolved::default() }
}

/// A path seen from a working directory, without `.` and `..`; `None` if it is relative and the
/// directory is unknown.
pub(crate) fn absolute(directory: Option<&str>, path: &str) -> Option<String> {
    let start = if path.starts_with('/') { "" } else { directory? };
    let mut parts: Vec<&str> = Vec::new();
    for part in start.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => _ = parts.pop(),
            part => parts.push(part),
        }
    }
    Some(format!("/{}", parts.join("/")))
}

/// The first base of a stage that one of the further contexts replaces.
pub(super) fn replaced_base(instructions: &[Instruction], contexts: &[String]) -> Option<String> {
    let bases = instructions.iter().filter(|instruction| instruction.name == "FROM");
    let mut bases = bases.filter_map(|from| std::str::from_utf8(from.arguments().next()?).ok());
    // Docker finds `node:22` by that name and by `docker.io/library/node:22`.
    let is_named =
        |base: &&str| contexts.iter().any(|name| base.contains('$') || name.ends_with(*base));
    if contexts.is_empty() { None } else { bases.find(is_named).map(str::to_owned) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::dockerfile::parse;
    use crate::formats::shell::Lookup;

    fn read(text: &str) -> Vec<BuildStage> {
        stages(&parse(text.as_bytes()), Vec::new()).unwrap()
    }

    fn shown(word: &Resolved) -> String {
        word.known().map_or_else(|| format!("{}?", word.text), str::to_owned)
    }

    #[test]
    fn a_copy_has_its_sources_and_its_place() {
        let file = "ARG D=src\nFROM node:22 AS a\nARG D\nWORKDIR /app\nWORKDIR web\n\
                    COPY --from=x --chown=1:1 a b ./\nCOPY [\"a b\", \"c\"]\n\
                    COPY --parents ${D}/*.json $E/x <<F /d/\nbody\nF\n\
                    FROM a\nADD https://example.org/x /x\nUSER 1000\nWORKDIR $HOME\nRUN a";
        let mut lines = Vec::new();
        for stage in read(file) {
            for step in &stage.steps {
                let directory = step.directory.as_deref().unwrap_or("?");
                let user = step.user.as_deref().map(shown).unwrap_or_default();
                match &step.action {
                    Action::Copy(copy) => lines.push(format!(
                        "{directory} {:?} {} -> {}",
                        copy.from,
                        copy.sources.iter().map(shown).collect::<Vec<_>>().join(" "),
                        shown(&copy.destination)
                    )),
                    Action::Run(_) => lines.push(format!("{directory} {user} run")),
                    _ => {}
                }
            }
        }
        assert_eq!(
            lines,
            [
                "/app/web Some(\"x\") a b -> ./",
                "/app/web None a b -> c",
                "/app/web None src/*.json /x -> /d/",
                "/app/web None https://example.org/x -> /x",
                "? 1000 run",
            ]
        );
    }

    #[test]
    fn a_mount_has_its_options() {
        let file = "FROM me/x\nARG N=store\nRUN --mount=type=cache,id=a-$N,target=/root/$U/x \\\n  \
                    --mount=type=secret,dst=/run/t,required --mount=target=/src pnpm i && T=1 b";
        let stages = read(file);
        let Action::Run(run) = &stages[0].steps[1].action else { panic!("a RUN") };
        let lines: Vec<String> = run
            .mounts
            .iter()
            .map(|mount| {
                format!(
                    "{} {:?} {:?} {:?} {}",
                    mount.kind,
                    mount.option(&["id"]),
                    mount.target(),
                    mount.secret_id(),
                    mount.has(&["required"])
                )
            })
            .collect();
        assert_eq!(
            lines,
            [
                "cache Some(\"a-store\") None None false",
                "secret None Some(\"/run/t\") Some(\"t\") true",
                "bind None Some(\"/src\") None false",
            ]
        );
        assert_eq!(run.commands[0].program(), Some("pnpm"));
        assert_eq!(run.commands[0].arguments().collect::<Vec<_>>(), ["i"]);
        assert_eq!(file.get(run.commands[0].span()), Some("pnpm i"));
        assert!(run.assigned.contains("T"));
    }

    #[test]
    fn variables_are_those_before_the_step() {
        let file = "FROM node:22 AS a\nRUN a\nENV A=1\nRUN b\nARG B\nRUN c\nFROM a\nRUN d";
        let stages = read(file);
        let set: Vec<String> = stages
            .iter()
            .flat_map(|stage| &stage.steps)
            .filter(|step| matches!(step.action, Action::Run(_)))
            .map(|step| {
                let known = |name| match step.stage.lookup(name) {
                    Lookup::Set(_) => "set",
                    Lookup::Offered => "offered",
                    Lookup::Unset => "unset",
                    Lookup::Unknown => "unknown",
                };
                format!("{} {}", known("A"), known("B"))
            })
            .collect();
        assert_eq!(set, ["unset unset", "set unset", "set offered", "set offered"]);
    }

    #[test]
    fn a_hostile_file_is_bounded() {
        let many = format!("FROM x\n{}", "RUN a\n".repeat(MAX_INSTRUCTIONS));
        assert!(stages(&parse(many.as_bytes()), Vec::new()).is_none());
        let alternating: String = (0..2000).map(|n| format!("ENV V{n}=1\nRUN a\n")).collect();
        let stages = read(&format!("FROM x\n{alternating}"));
        assert!(stages[0].steps.len() < 4000);
    }
}
