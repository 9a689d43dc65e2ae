//! Scripts and commands in documents: what they pin, where they run, and whether corepack is there.

use crate::base::finding::Span;
use crate::base::path::LONGEST_PATH;
use crate::formats::joined::Joined;
use crate::formats::shell::{Command, Form, Lookup, Resolved, Script};
use crate::models::{Invocation, Scalar};
use crate::pins::commands::{self, Variables, program};
use crate::pins::images::Container;
use crate::pins::pin::{AppliesIf, FilePins, Pin};
use crate::pins::scope::TOP;

/// The working directory of a command, relative to the directory that its file configures.
#[derive(Debug, Clone)]
pub(super) struct WorkingDirectory {
    /// `None` if unknown.
    directory: Option<String>,
    /// Whether a `cd` changed it.
    moved: bool,
}

impl WorkingDirectory {
    /// The directory at a path; unknown if the path is outside of the work tree.
    pub(super) fn at(directory: &str) -> Self {
        Self { directory: joined("", directory), moved: false }
    }

    /// The working directory after a command, which may be `cd`.
    fn after(&self, words: &[Resolved]) -> Self {
        if !matches!(program(words), Some("cd" | "pushd" | "popd")) {
            return self.clone();
        }
        let mut targets = words.iter().skip(1);
        let target = targets.find(|word| !matches!(word.known(), Some("--" | "-P" | "-L")));
        let target = target.and_then(Resolved::known).filter(|target| *target != "-");
        // Below the top, a directory is of this repository; another one may be of a clone.
        let moved = !target.is_some_and(|target| target.starts_with(TOP));
        let here = self.directory.as_deref().or((!moved).then_some(""));
        let there = here.zip(target).and_then(|(here, target)| joined(here, target));
        Self { directory: there, moved }
    }
}

/// The pins of a script in a document. `place` and `container` are the working directory and the
/// container before and after it.
pub(super) fn script_pins(
    string: &Scalar,
    place: &mut WorkingDirectory,
    container: &mut Container,
    variables: Variables<'_, '_>,
    file: &[u8],
) -> FilePins {
    let Some(text) = placed(string, file) else { return FilePins::default() };
    let mut script = Script::default();
    script.split(&text, 0..text.bytes.len());
    pins_of(&script, place, container, variables, file)
}

/// A command of a script.
#[derive(Debug)]
pub(crate) struct CiCommand {
    pub words: Vec<Resolved>,
    /// The working directory; `None` if it is unknown.
    pub directory: Option<String>,
    /// Where `DOCKER_BUILDKIT=0` is, if it counts for this command.
    pub without_buildkit: Option<Span>,
}

/// The variable that turns BuildKit off for `docker build`.
const BUILDKIT: &str = "DOCKER_BUILDKIT";

/// Where BuildKit is turned off: by a value that Docker takes for false.
fn off(value: &str, span: &Span) -> Option<Span> {
    matches!(value, "0" | "f" | "F" | "false" | "FALSE" | "False").then(|| span.clone())
}

/// Where the environment of a command turns BuildKit off. `exported` is what the commands before it
/// export.
fn without_buildkit(
    script: &Script<'_>,
    command: &Command<'_>,
    variables: Variables<'_, '_>,
    exported: Option<&Span>,
) -> Option<Span> {
    if let Some(word) = command.assignment(BUILDKIT) {
        let value = script.resolve(&word, variables);
        return off(value.known()?, &value.span);
    }
    match script.variable(BUILDKIT, variables) {
        Lookup::Set(variable) => off(&variable.text, &variable.span),
        _ => exported.cloned(),
    }
}

/// The commands of a script in a document. `place` is the working directory before and after it.
pub(super) fn commands_of(
    string: &Scalar,
    place: &mut WorkingDirectory,
    variables: Variables<'_, '_>,
    file: &[u8],
) -> Vec<CiCommand> {
    let mut script = Script::default();
    let text = placed(string, file);
    let Some(text) = &text else { return Vec::new() };
    script.split(text, 0..text.bytes.len());
    let mut shells = Subshells { shells: vec![place.clone()], begun: 0 };
    let mut exported: Option<Span> = None;
    let command = |command: &Command<'_>| {
        let words: Vec<_> = command.words().map(|word| script.resolve(&word, variables)).collect();
        let shell = shells.at(command);
        let next = shell.after(&words);
        let WorkingDirectory { directory, .. } = std::mem::replace(shell, next);
        let without_buildkit = without_buildkit(&script, command, variables, exported.as_ref());
        for word in words.iter().skip(1).filter(|_| program(&words) == Some("export")) {
            if let Some((BUILDKIT, value)) = word.text.split_once('=') {
                exported = off(value, &word.span);
            }
        }
        CiCommand { words, directory, without_buildkit }
    };
    let found = script.commands.iter().map(command).collect();
    place.clone_from(&shells.shells[0]);
    found
}

/// The text of a string with its places.
fn placed(string: &Scalar, file: &[u8]) -> Option<Joined> {
    let (text, span) = (string.text()?, &string.span);
    Joined::verbatim(file, text, span).or_else(|| Joined::respelled(text, span))
}

/// The pins of a command of a container. Its variables are unknown, but for the directory of its
/// file.
pub(super) fn invocation_pins(
    invocation: &Invocation,
    container: &mut Container,
    variables: Variables<'_, '_>,
    file: &[u8],
) -> FilePins {
    let mut place = WorkingDirectory::at("");
    match invocation {
        Invocation::Shell(script) => script_pins(script, &mut place, container, variables, file),
        Invocation::Exec(words) => {
            let words = words.iter().map(|word| Some((word.text()?, &word.span)));
            let words = words.collect::<Option<Vec<_>>>().unwrap_or_default();
            let Some((text, words)) = Joined::words(file, &words) else {
                return FilePins::default();
            };
            let mut script = Script::default();
            script.push(&text, Command::of_words(&text, words, Form::Literal));
            pins_of(&script, &mut place, container, variables, file)
        }
    }
}

fn pins_of(
    script: &Script<'_>,
    place: &mut WorkingDirectory,
    container: &mut Container,
    variables: Variables<'_, '_>,
    file: &[u8],
) -> FilePins {
    let mut found = FilePins::default();
    let mut shells = Subshells { shells: vec![place.clone()], begun: 0 };
    for (at, done) in commands::effects(script, variables, file).into_iter().enumerate() {
        let command = &script.commands[at];
        let words: Vec<Resolved> =
            command.words().map(|word| script.resolve(&word, variables)).collect();
        let shell = shells.at(command);
        let next = shell.after(&words);
        let WorkingDirectory { directory, moved } = std::mem::replace(shell, next);
        found.uses_corepack |= done.runs_corepack;
        found.faults.extend(container.run(script, at, &done, variables));
        if done.pins.is_empty() {
            found.visited.extend(project_directory(&words, directory.as_deref()));
        }
        found.pins.extend(done.pins.into_iter().map(|pin| Pin {
            directory: directory.clone().unwrap_or_default().into_bytes(),
            applies_if: if moved { AppliesIf::ManifestHere } else { AppliesIf::Always },
            is_exempt: directory.is_none(),
            ..pin
        }));
    }
    place.clone_from(&shells.shells[0]);
    found
}

/// Subcommands of package managers that are not about a project.
const ELSEWHERE: &str = "config c get set store setup login logout whoami cache help bin root \
                         prefix view info show dlx env self-update completion";

/// The directory of the project that a command of a package manager is about.
fn project_directory(words: &[Resolved], directory: Option<&str>) -> Option<Vec<u8>> {
    let words = if program(words)? == "corepack" { words.get(1..)? } else { words };
    if !matches!(program(words)?, "npm" | "pnpm" | "yarn") {
        return None;
    }
    let is_global = |word: &Resolved| {
        matches!(word.text.as_str(), "-g" | "--global" | "-v" | "--version" | "-h" | "--help")
    };
    if words.iter().any(is_global) {
        return None;
    }
    let (mut there, mut verb) = (directory.map(str::to_owned), None);
    let mut rest = words.iter().skip(1);
    while let Some(word) = rest.next() {
        let text = word.known()?;
        let (option, value) = text.split_once('=').map_or((text, None), |(o, v)| (o, Some(v)));
        match option {
            "-C" | "--dir" | "--prefix" | "--cwd" => {
                let value = value.or_else(|| rest.next()?.known())?;
                there = joined(directory?, value);
            }
            _ if option.starts_with('-') => {}
            _ => {
                verb = Some(option);
                break;
            }
        }
    }
    let is_about_project = verb.is_none_or(|verb| !ELSEWHERE.split(' ').any(|other| other == verb));
    there.filter(|_| is_about_project).map(String::into_bytes)
}

/// The working directories of the shell and of the open subshells in it.
struct Subshells {
    /// Outermost first.
    shells: Vec<WorkingDirectory>,
    /// The number of subshells begun so far.
    begun: usize,
}

impl Subshells {
    /// The working directory of the next command, which is inside the last of the subshells that
    /// began since the command before.
    fn at(&mut self, command: &Command<'_>) -> &mut WorkingDirectory {
        let begun = command.begun - std::mem::replace(&mut self.begun, command.begun);
        self.shells.truncate(command.depth.saturating_sub(begun) + 1);
        let outer = self.shells[self.shells.len() - 1].clone();
        self.shells.resize(command.depth + 1, outer);
        &mut self.shells[command.depth]
    }
}

/// Joins a directory and a path; `None` if the result is outside of the work tree, or if the path
/// is neither relative nor below [`TOP`], or not literal.
pub(crate) fn joined(directory: &str, path: &str) -> Option<String> {
    let (directory, path) = match path.strip_prefix(TOP) {
        Some(below) => ("", below.trim_start_matches('/')),
        None => (directory, path),
    };
    if path.starts_with(['/', '~']) || path.contains(['$', ':', '*', '\0']) {
        return None;
    }
    let mut parts: Vec<&str> = directory.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => _ = parts.pop()?,
            part => parts.push(part),
        }
    }
    let joined = parts.join("/");
    (joined.len() <= LONGEST_PATH).then_some(joined)
}
