//! The stages of a Dockerfile, and what its variables hold in each, as BuildKit decides.
//!
//! An `ARG` before the first `FROM` is for the `FROM` lines; a stage knows it only where it declares it again. A stage
//! that builds on another has what that one declared. An `ENV` wins over an `ARG`, before or after it.

use std::collections::HashMap;
use std::ops::Range;

use crate::formats::dockerfile::Instruction;
use crate::formats::shell::{Expanded, Lookup, Resolved, Use, Variable, expand, is_a_shell};

/// The stages so far; the last one is the one that is being read.
#[derive(Debug, Default)]
pub struct Stages {
    /// What an `ARG` before the first stage sets.
    globals: HashMap<String, Option<Variable>>,
    stages: Vec<Stage>,
    /// What whoever starts the build gives to each `ARG` of these names.
    given: HashMap<String, Variable>,
}

/// One stage.
#[derive(Debug, Clone)]
pub struct Stage {
    name: Option<String>,
    /// What it builds on.
    pub base: Base,
    /// The image at the end of the chain of stages; `None` where that is not known, or there is none.
    pub image: Option<Image>,
    /// Whether what `RUN` executes is for a POSIX shell.
    pub has_posix_shell: bool,
    args: HashMap<String, Option<Variable>>,
    envs: HashMap<String, Option<Variable>>,
}

/// What a stage builds on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Base {
    /// An earlier stage, by its number.
    Stage(usize),
    /// An image, or nothing.
    Image,
}

/// An image, as a `FROM` names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Its repository without registry and `library/` where it is one of Docker's official images, such as `node`; else
    /// as it is written.
    pub repository: String,
    /// Its tag, its variables replaced; `latest` where none is written.
    pub tag: String,
    /// Whether it is one of Docker's official images.
    pub is_official: bool,
    /// Whether a digest decides, whatever the tag.
    pub has_digest: bool,
    /// Whether a tag is written.
    pub is_tagged: bool,
    /// The word that names it.
    pub word: Resolved,
}

/// What the official images of Node.js set by `ENV`, which no `ARG` overrides.
const SET_BY_IMAGES: [&str; 2] = ["NODE_VERSION", "YARN_VERSION"];

/// What the system or BuildKit sets in every container, declared or not.
const SET_BY_SYSTEM: [&str; 10] =
    ["HOME", "PATH", "PWD", "OLDPWD", "USER", "HOSTNAME", "SHELL", "SHLVL", "TERM", "IFS"];

impl Stages {
    /// Stages of a build that is started with these arguments.
    pub fn given(arguments: impl IntoIterator<Item = (String, Variable)>) -> Self {
        Self { given: arguments.into_iter().collect(), ..Self::default() }
    }

    /// The number of the stage that is being read, and the stage; `None` before the first.
    pub fn current(&self) -> Option<(usize, &Stage)> {
        self.stages.last().map(|stage| (self.stages.len() - 1, stage))
    }

    /// Takes in what an instruction changes for those that follow.
    pub fn apply(&mut self, instruction: &Instruction) {
        match instruction.name.as_str() {
            "FROM" => self.begin(instruction),
            "ARG" | "ENV" => self.declare(instruction),
            "SHELL" => {
                let shell = instruction.exec_words().and_then(|words| words.into_iter().next());
                if let (Some(stage), Some(shell)) = (self.stages.last_mut(), shell) {
                    stage.has_posix_shell = is_a_shell(&shell);
                }
            }
            _ => {}
        }
    }

    fn begin(&mut self, instruction: &Instruction) {
        let mut words = instruction.words();
        let from = words.next();
        let name = words.next().filter(|word| instruction.bytes(word).eq_ignore_ascii_case(b"as"));
        let name = name.and(words.next()).map(|word| String::from_utf8_lossy(instruction.bytes(&word)).to_lowercase());
        let expanded = from.map(|word| (self.expanded(instruction, &word, &|name| self.global(name)), word));
        let known = expanded.as_ref().filter(|(expanded, _)| !expanded.is_open);
        let earlier = known.and_then(|(expanded, _)| self.named(&expanded.text));
        let stage = match earlier {
            Some(number) => Stage { name, base: Base::Stage(number), ..self.stages[number].clone() },
            None => Stage {
                name,
                base: Base::Image,
                image: known.and_then(|(expanded, word)| {
                    let (text, span) = (expanded.text.clone(), instruction.text.span(word));
                    let (used, unset) = (expanded.used.clone(), Vec::new());
                    Image::of(Resolved { text, is_open: false, span, used, unset })
                }),
                has_posix_shell: true,
                args: HashMap::new(),
                envs: HashMap::new(),
            },
        };
        self.stages.push(stage);
    }

    /// The stage of this name; of several, the last.
    fn named(&self, name: &str) -> Option<usize> {
        self.stages.iter().rposition(|stage| stage.name.as_deref() == Some(&name.to_lowercase()))
    }

    fn declare(&mut self, instruction: &Instruction) {
        // An instruction is evaluated as a whole: what it sets, it does not see.
        let set: Vec<_> = instruction
            .assignments()
            .into_iter()
            .map(|(name, range)| {
                let value = match range {
                    _ if instruction.name == "ARG" && self.given.contains_key(&name) => self.given.get(&name).cloned(),
                    Some(range) => self.value(instruction, &range),
                    // Declared again, an `ARG` of the start has its value here.
                    None => self.globals.get(&name).filter(|_| !self.stages.is_empty()).cloned().flatten(),
                };
                (name, value)
            })
            .collect();
        match self.stages.last_mut() {
            Some(stage) if instruction.name == "ENV" => stage.envs.extend(set),
            Some(stage) => stage.args.extend(set),
            None => self.globals.extend(set),
        }
    }

    fn value(&self, instruction: &Instruction, range: &Range<usize>) -> Option<Variable> {
        let lookup = |name: &str| if self.stages.is_empty() { self.global(name) } else { self.lookup(name) };
        let expanded = self.expanded(instruction, range, &lookup);
        if expanded.is_open {
            return None;
        }
        let is_it = |used: &Use| matches!(lookup(&used.name), Lookup::Set(variable) if variable.text == expanded.text);
        let span = match expanded.used.as_slice() {
            // Another variable under a new name: what there is to see and to change stands there.
            [only] if is_it(only) => only.span.clone(),
            _ => instruction.text.span(range),
        };
        Some(Variable { text: expanded.text, span })
    }

    fn expanded<'v>(
        &'v self,
        instruction: &Instruction,
        range: &Range<usize>,
        lookup: &dyn Fn(&str) -> Lookup<'v>,
    ) -> Expanded {
        expand(instruction.bytes(range), instruction.escape, lookup)
    }

    /// What is known of a variable in a `FROM`, or in an `ARG` before the first one.
    fn global(&self, name: &str) -> Lookup<'_> {
        match self.globals.get(name) {
            Some(Some(variable)) => Lookup::Set(variable),
            Some(None) => Lookup::Offered,
            // BuildKit sets some of its own, such as `TARGETARCH`.
            None => Lookup::Unknown,
        }
    }

    /// What is known of a variable in the stage that is being read.
    pub fn lookup(&self, name: &str) -> Lookup<'_> {
        let Some(stage) = self.stages.last() else { return Lookup::Unknown };
        if let Some(value) = stage.envs.get(name) {
            return value.as_ref().map_or(Lookup::Unknown, Lookup::Set);
        }
        let official = stage.image.as_ref().filter(|image| image.is_official);
        if SET_BY_IMAGES.contains(&name) && official.is_none_or(|image| image.repository == "node") {
            return Lookup::Unknown;
        }
        match stage.args.get(name) {
            Some(Some(variable)) => Lookup::Set(variable),
            Some(None) => Lookup::Offered,
            // An image that nobody here knows may set anything.
            None if official.is_none() || SET_BY_SYSTEM.contains(&name) => Lookup::Unknown,
            None if name.to_ascii_lowercase().ends_with("_proxy") => Lookup::Unknown,
            None => Lookup::Unset,
        }
    }
}

impl Image {
    /// From the word of a `FROM`; `None` for `scratch` and for what names no image.
    pub fn of(word: Resolved) -> Option<Self> {
        let text = word.known()?;
        let (name, has_digest) = match text.split_once('@') {
            Some((name, _)) => (name, true),
            None => (text, false),
        };
        // A colon before a slash is the port of a registry.
        let (repository, tag) = match name.rsplit_once(':') {
            Some((repository, tag)) if !tag.contains('/') => (repository, Some(tag)),
            _ => (name, None),
        };
        if repository.is_empty() || repository == "scratch" {
            return None;
        }
        let short = repository.strip_prefix("docker.io/").or(repository.strip_prefix("index.docker.io/")).unwrap_or(repository);
        let short = short.strip_prefix("library/").unwrap_or(short);
        let short = short.strip_prefix("public.ecr.aws/docker/library/").unwrap_or(short);
        let (repository, is_official) = (short.to_owned(), !short.contains('/'));
        let (is_tagged, tag) = (tag.is_some(), tag.unwrap_or("latest").to_owned());
        Some(Self { repository, tag, is_official, has_digest, is_tagged, word })
    }
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

    fn shown(lookup: Lookup<'_>) -> String {
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
            ("FROM node\nENV V=1\nARG V=2", "1"),
            ("FROM node\nARG V=2\nENV V=1", "1"),
            ("FROM node AS a\nENV V=1\nFROM a", "1"),
            ("FROM node AS a\nARG V=1\nFROM A", "1"),
            ("FROM node AS a\nARG V=1\nFROM node", "Unset"),
            ("FROM node AS a\nENV V=1\nFROM a\nARG V=2", "1"),
            ("ARG W=1\nARG V=$W.2\nFROM node\nARG V", "1.2"),
            ("FROM node\nENV V=1\nENV V=2 W=$V\nENV V=$W", "1"),
            ("FROM node\nENV V=${X:-1}", "1"),
            ("FROM node\nENV V=$(x)", "Unknown"),
        ] {
            assert_eq!(shown(read(file).lookup("V")), expected, "{file}");
        }
        assert_eq!(read("FROM node\nARG YARN_VERSION=1").lookup("YARN_VERSION"), Lookup::Unknown);
        assert_eq!(shown(read("FROM alpine\nARG YARN_VERSION=1").lookup("YARN_VERSION")), "1");
        for name in ["HOME", "PATH", "http_proxy"] {
            assert_eq!(read("FROM node").lookup(name), Lookup::Unknown);
        }
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
            ("FROM node:20 AS a\nFROM a AS b\nFROM B", Some("node:20 official")),
            ("FROM scratch", None),
            ("FROM", None),
        ] {
            let stages = read(file);
            let image = stages.current().unwrap().1.image.as_ref();
            let shown = image.map(|image| {
                let official = if image.is_official { " official" } else { "" };
                let digest = if image.has_digest { " digest" } else { "" };
                format!("{}:{}{official}{digest}", image.repository, image.tag)
            });
            assert_eq!(shown.as_deref(), expected, "{file}");
        }
    }

    #[test]
    fn a_stage_has_the_shell_that_it_sets() {
        assert!(read("FROM node\nSHELL [\"/bin/bash\", \"-c\"]").current().unwrap().1.has_posix_shell);
        assert!(!read("FROM w AS a\nSHELL [\"powershell\"]\nFROM a").current().unwrap().1.has_posix_shell);
    }
}
