//! The stages of a Dockerfile and the values of variables in each, by the rules of BuildKit.
//!
//! An `ARG` before the first `FROM` is for the `FROM` lines; a stage has it only if it declares it
//! again. A stage inherits the variables of the stage that it builds on. The value of an `ARG`
//! after an `ENV` of the same name is unknown here: BuildKit uses that of the `ARG`, but its
//! documentation and other builders that of the `ENV`.

use std::collections::HashMap;
use std::ops::Range;
use std::rc::Rc;

use crate::formats::dockerfile::Instruction;
use crate::formats::shell::{Lookup, Resolved, Use, Variable, expand, is_shell_name};
use crate::models::image::ImageReference;

/// The stages so far; the last one is the current one.
#[derive(Debug, Default)]
pub(crate) struct Stages {
    /// The variables of each `ARG` before the first stage.
    globals: Values,
    list: Vec<Stage>,
    /// The numbers of the stages by their names; a later stage replaces an earlier one.
    names: HashMap<String, usize>,
    /// The build arguments, which override the defaults of `ARG`.
    arguments: Values,
}

#[derive(Debug, Clone)]
pub(crate) struct Stage {
    pub base: Base,
    /// The image that the chain of stages starts from; `None` if it is unknown or absent.
    pub image: Option<ImageReference>,
    /// Whether `RUN` uses a POSIX shell.
    pub has_posix_shell: bool,
    values: Rc<Values>,
    /// The variables of `ENV`, which the image and the stages that build on it keep.
    envs: Rc<Values>,
}

/// Variables by their names. Stages inherit them, so names and values are shared.
type Values = HashMap<Rc<str>, VariableValue>;

#[derive(Debug, Clone)]
enum VariableValue {
    Known(Rc<Variable>),
    /// Declared by an `ARG` without a default.
    Offered,
    Unknown,
}

impl VariableValue {
    fn lookup(&self) -> Lookup<'_> {
        match self {
            Self::Known(variable) => Lookup::Set(variable),
            Self::Offered => Lookup::Offered,
            Self::Unknown => Lookup::Unknown,
        }
    }
}

/// The base of a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Base {
    /// An earlier stage, by its number.
    Stage(usize),
    /// An image, or nothing.
    Image,
}

/// The variables that the official images of Node.js set by `ENV`, which no `ARG` overrides.
const SET_BY_IMAGES: [&str; 2] = ["NODE_VERSION", "YARN_VERSION"];

/// The variables that the system or BuildKit sets in every container.
const SET_BY_SYSTEM: [&str; 10] =
    ["HOME", "PATH", "PWD", "OLDPWD", "USER", "HOSTNAME", "SHELL", "SHLVL", "TERM", "IFS"];

/// The maximum number of variables of a stage, and the maximum number of stages that build on
/// others. Values beyond that are unknown.
const MAX_ENTRIES: usize = 1000;

impl Stage {
    /// Sets a variable; `false` if the stage has too many.
    fn set(&mut self, name: Rc<str>, value: VariableValue) -> bool {
        let has_room = self.values.len() < MAX_ENTRIES || self.values.contains_key(&name);
        if has_room {
            Rc::make_mut(&mut self.values).insert(name, value);
        } else {
            // In an unknown image, no variable is known to be unset.
            self.image = None;
        }
        has_room
    }

    /// Looks up a variable.
    pub(crate) fn lookup(&self, name: &str) -> Lookup<'_> {
        let official = self.image.as_ref().filter(|image| image.is_official());
        let may_be_set = SET_BY_IMAGES.contains(&name)
            && official.is_none_or(|image| image.repository == "node");
        match self.values.get(name) {
            _ if may_be_set && !self.envs.contains_key(name) => Lookup::Unknown,
            Some(value) => value.lookup(),
            // An unknown image may set any variable.
            None if official.is_none() || SET_BY_SYSTEM.contains(&name) => Lookup::Unknown,
            None if name.to_ascii_lowercase().ends_with("_proxy") => Lookup::Unknown,
            None => Lookup::Unset,
        }
    }

    /// Whether the Dockerfile sets or declares a variable for this stage.
    pub(crate) fn declares(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// The number of variables.
    pub(crate) fn size(&self) -> usize {
        self.values.len()
    }
}

impl Stages {
    /// The stages of a build with these arguments; an unknown value is `None`.
    pub(crate) fn with_arguments(
        arguments: impl IntoIterator<Item = (String, Option<Variable>)>,
    ) -> Self {
        let value = |(name, variable): (String, Option<Variable>)| {
            let known = variable.map(|variable| VariableValue::Known(Rc::new(variable)));
            (name.into(), known.unwrap_or(VariableValue::Unknown))
        };
        Self { arguments: arguments.into_iter().map(value).collect(), ..Self::default() }
    }

    /// The current stage and its number; `None` before the first `FROM`.
    pub(crate) fn current(&self) -> Option<(usize, &Stage)> {
        self.list.last().map(|stage| (self.list.len() - 1, stage))
    }

    /// Applies the effect of an instruction on those that follow.
    pub(crate) fn apply(&mut self, instruction: &Instruction) {
        match instruction.name.as_str() {
            "FROM" => self.begin(instruction),
            "ARG" | "ENV" => self.declare(instruction),
            "SHELL" => {
                let shell = instruction.exec_words().and_then(|words| words.into_iter().next());
                if let (Some(stage), Some(shell)) = (self.list.last_mut(), shell) {
                    stage.has_posix_shell = is_shell_name(&shell);
                }
            }
            _ => {}
        }
    }

    fn begin(&mut self, instruction: &Instruction) {
        let from = instruction.words().next();
        let name = instruction.stage_name();
        let known = from
            .map(|word| expanded(instruction, &word, &|name| self.global(name)))
            .filter(|expanded| !expanded.is_open);
        let earlier = known.as_ref().and_then(|known| self.names.get(&known.text).copied());
        let stage = match earlier.filter(|_| self.list.len() < MAX_ENTRIES) {
            Some(number) => {
                let mut stage = Stage { base: Base::Stage(number), ..self.list[number].clone() };
                let kept = stage.envs.iter().map(|(name, value)| (Rc::clone(name), value.clone()));
                Rc::make_mut(&mut stage.values).extend(kept);
                stage
            }
            None => Stage {
                base: Base::Image,
                image: known.filter(|_| earlier.is_none()).and_then(ImageReference::parse),
                has_posix_shell: true,
                values: Rc::default(),
                envs: Rc::default(),
            },
        };
        self.names.extend(name.map(|name| (name, self.list.len())));
        self.list.push(stage);
    }

    fn declare(&mut self, instruction: &Instruction) {
        let assignments = instruction.assignments();
        if instruction.name == "ARG" {
            for (name, range) in assignments {
                self.declare_argument(instruction, name.into(), range.as_ref());
            }
            return;
        }
        // An `ENV` is evaluated as a whole: its values do not see its own variables.
        let value = |range| self.value(instruction, &range);
        let set: Vec<(Rc<str>, VariableValue)> = assignments
            .into_iter()
            .map(|(name, range)| (name.into(), range.map_or(VariableValue::Unknown, value)))
            .collect();
        if let Some(stage) = self.list.last_mut() {
            for (name, value) in set {
                if stage.set(name.clone(), value.clone()) {
                    Rc::make_mut(&mut stage.envs).insert(name, value);
                }
            }
        }
    }

    fn declare_argument(
        &mut self,
        instruction: &Instruction,
        name: Rc<str>,
        range: Option<&Range<usize>>,
    ) {
        let given = self.arguments.get(&name).cloned();
        let value = given.or_else(|| range.map(|range| self.value(instruction, range)));
        let global = self.globals.get(&name).filter(|_| !self.list.is_empty());
        // An `ARG` from before the first `FROM` that is declared again has its value there.
        let value = value
            .or_else(|| global.filter(|value| !matches!(value, VariableValue::Offered)).cloned());
        match (self.list.last_mut(), value) {
            (None, Some(value)) => _ = self.globals.insert(name, value),
            (None, None) => _ = self.globals.entry(name).or_insert(VariableValue::Offered),
            // The variable keeps its value.
            (Some(stage), None) if stage.values.contains_key(&name) => {}
            (Some(stage), None) => _ = stage.set(name, VariableValue::Offered),
            (Some(stage), Some(value)) => {
                let kept = match (stage.envs.get(&name), &value) {
                    (Some(VariableValue::Known(env)), VariableValue::Known(own)) => {
                        env.text == own.text
                    }
                    (env, _) => env.is_none(),
                };
                _ = stage.set(name, if kept { value } else { VariableValue::Unknown });
            }
        }
    }

    fn value(&self, instruction: &Instruction, range: &Range<usize>) -> VariableValue {
        let lookup =
            |name: &str| if self.list.is_empty() { self.global(name) } else { self.lookup(name) };
        let expanded = expanded(instruction, range, &lookup);
        if expanded.is_open {
            return VariableValue::Unknown;
        }
        let is_text = |variable: &Variable| variable.text == expanded.text;
        let is_copy = |used: &Use| matches!(lookup(&used.name), Lookup::Set(set) if is_text(set));
        let span = match expanded.used.as_slice() {
            // A copy of another variable has the place of the original.
            [only] if is_copy(only) => only.span.clone(),
            _ => expanded.span,
        };
        VariableValue::Known(Rc::new(Variable { text: expanded.text, span }))
    }

    /// Looks up a variable in a `FROM`, or in an `ARG` before the first one. A variable that is not
    /// declared may be one of BuildKit's, such as `TARGETARCH`.
    fn global(&self, name: &str) -> Lookup<'_> {
        self.globals.get(name).map_or(Lookup::Unknown, VariableValue::lookup)
    }

    /// Looks up a variable in the current stage.
    pub(crate) fn lookup(&self, name: &str) -> Lookup<'_> {
        self.list.last().map_or(Lookup::Unknown, |stage| stage.lookup(name))
    }

    /// Expands a word of an instruction in the current stage.
    pub(crate) fn expand(&self, instruction: &Instruction, range: &Range<usize>) -> Resolved {
        expanded(instruction, range, &|name| self.lookup(name))
    }

    /// Expands a flag of a `RUN`. It does not see the variables that the system sets in the
    /// container: `$HOME/x` is `/x`.
    pub(crate) fn expand_flag(&self, instruction: &Instruction, range: &Range<usize>) -> Resolved {
        let official = self.list.last().and_then(|stage| stage.image.as_ref());
        let is_official = official.is_some_and(ImageReference::is_official);
        let is_home = |name: &str| {
            name == "HOME" && self.list.last().is_some_and(|stage| !stage.declares(name))
        };
        expanded(instruction, range, &|name| match self.lookup(name) {
            Lookup::Unknown if is_official && is_home(name) => Lookup::Unset,
            other => other,
        })
    }
}

/// Expands a part of an instruction.
fn expanded<'v>(
    instruction: &Instruction,
    range: &Range<usize>,
    lookup: &dyn Fn(&str) -> Lookup<'v>,
) -> Resolved {
    let span = instruction.text.span(range);
    expand(instruction.bytes(range), instruction.escape, span, lookup)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::dockerfile::parse;

    fn read(file: &str) -> Stages {
        let mut stages = Stages::default();
        for instruction in parse(file.as_bytes()) {
            stages.apply(&instruction);
        }
        stages
    }

    fn display(lookup: Lookup<'_>) -> String {
        match lookup {
            Lookup::Set(variable) => variable.text.clone(),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn a_variable_is_known_where_buildkit_knows_it() {
        for (file, expected) in [
            ("FROM node\nARG V=1", "1"),
            ("ARG V=1\nFROM node", "Unset"),
            ("ARG V=1\nFROM node\nARG V", "1"),
            ("ARG V=1\nFROM node\nARG V=2", "2"),
            ("ARG V\nFROM node\nARG V", "Offered"),
            ("FROM node\nARG V", "Offered"),
            ("FROM node", "Unset"),
            ("FROM me/node", "Unknown"),
            ("FROM $X", "Unknown"),
            ("FROM node\nENV V=1\nARG V=2", "Unknown"),
            ("FROM node\nENV V=1\nARG V=1", "1"),
            ("FROM node\nENV V=1\nARG V", "1"),
            ("FROM node AS a\nENV V=1\nARG V=2\nFROM a", "1"),
            ("FROM node\nARG V=1\nARG V", "1"),
            ("FROM node\nARG W=1 V=$W", "1"),
            ("FROM node\nARG V=2\nENV V=1", "1"),
            ("FROM node AS a\nENV V=1\nFROM a", "1"),
            ("FROM node AS A\nARG V=1\nFROM a", "1"),
            ("FROM node AS a\nARG V=1\nFROM node", "Unset"),
            ("FROM node AS a\nENV V=1\nFROM a\nARG V=2", "Unknown"),
            ("ARG W=1\nARG V=$W.2\nFROM node\nARG V", "1.2"),
            ("FROM node\nENV V=1\nENV V=2 W=$V\nENV V=$W", "1"),
            ("FROM node\nENV V=${X:-1}", "1"),
            ("FROM node\nENV V=$(x)", "Unknown"),
        ] {
            assert_eq!(display(read(file).lookup("V")), expected, "{file}");
        }
        assert_eq!(read("FROM node\nARG YARN_VERSION=1").lookup("YARN_VERSION"), Lookup::Unknown);
        assert_eq!(display(read("FROM alpine\nARG YARN_VERSION=1").lookup("YARN_VERSION")), "1");
        for name in ["HOME", "PATH", "http_proxy"] {
            assert_eq!(read("FROM node").lookup(name), Lookup::Unknown);
        }
    }

    #[test]
    fn no_value_contradicts_what_buildkit_passes_to_run() {
        let facts: serde_json::Value =
            serde_json::from_str(include_str!("../../tests/facts/stages.json")).unwrap();
        let (mut known, mut given) = (0, 0);
        for case in facts["cases"].as_array().unwrap() {
            let file = case["file"].as_str().unwrap();
            let mut stages = Stages::default();
            let mut runs = Vec::new();
            for instruction in parse(file.as_bytes()) {
                stages.apply(&instruction);
                if instruction.name == "RUN" {
                    let names = "V W X Y A B C G P Q S T".split(' ');
                    runs.push(
                        names.map(|name| (name, display(stages.lookup(name)))).collect::<Vec<_>>(),
                    );
                }
            }
            let expected = case["runs"].as_array().unwrap();
            if runs.len() != expected.len() {
                // BuildKit skips the stages that the last one does not need.
                continue;
            }
            for (lookups, env) in runs.iter().zip(expected) {
                let env: HashMap<&str, &str> = env
                    .as_array()
                    .unwrap()
                    .iter()
                    .filter_map(|pair| pair.as_str()?.split_once('='))
                    .collect();
                for (name, found) in lookups {
                    given += usize::from(env.contains_key(name));
                    match (found.as_str(), env.get(name)) {
                        ("Unknown" | "Offered", _) | ("Unset", None) => {}
                        (text, Some(value)) if text == *value => known += 1,
                        (text, value) => panic!("{file}\n{name} is {value:?} and not {text}"),
                    }
                }
            }
        }
        assert!(known >= 20 && known * 10 > given * 7, "{known} of {given} are known");
    }

    #[test]
    fn an_image_is_known_by_its_repository_and_tag() {
        for (file, expected) in [
            ("FROM node", Some("node:latest official")),
            ("FROM --platform=linux/amd64 node:22-alpine AS x", Some("node:22-alpine official")),
            ("FROM docker.io/library/node:22@sha256:abc", Some("node:22 official digest")),
            ("FROM localhost:5000/node", Some("localhost:5000/node:latest")),
            ("FROM ghcr.io/pnpm/pnpm:10.6.5", Some("ghcr.io/pnpm/pnpm:10.6.5")),
            ("ARG N=22\nARG I=node\nFROM ${I}:$N", Some("node:22 official")),
            ("FROM node:${N:-22}", None),
            ("ARG N\nFROM node:${N:-22}", Some("node:22 official")),
            ("FROM node:$N", None),
            ("FROM node:20 AS A\nFROM a AS b\nFROM b", Some("node:20 official")),
            ("FROM scratch", None),
            ("FROM docker.io/library/:22", None),
            ("FROM", None),
        ] {
            let stages = read(file);
            let image = stages.current().unwrap().1.image.as_ref();
            let shown = image.map(|image| {
                let official = if image.is_official() { " official" } else { "" };
                let digest = if image.digest.is_some() { " digest" } else { "" };
                let host = image.host.iter().map(|host| format!("{host}/")).collect::<String>();
                format!("{host}{}:{}{official}{digest}", image.repository, image.tag())
            });
            assert_eq!(shown.as_deref(), expected, "{file}");
        }
    }

    #[test]
    fn a_stage_has_the_shell_that_it_sets() {
        assert!(
            read("FROM node\nSHELL [\"/bin/bash\", \"-c\"]").current().unwrap().1.has_posix_shell
        );
        assert!(
            !read("FROM w AS a\nSHELL [\"powershell\"]\nFROM a")
                .current()
                .unwrap()
                .1
                .has_posix_shell
        );
    }
}
