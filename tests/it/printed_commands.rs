//! Every printed command works when it is pasted: each row makes a situation, asks a question, runs
//! the commands of the answer in the place where they were printed, and asks again. The answer must
//! be 0, unless the row says why a person decides.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use crate::support::{BAKSTOP, Ran, Sandbox, finish};

mod commits;
mod complete;
mod hooks;
mod managers;
mod restored;
mod staged;
mod trees;

/// An editor that writes a message if there is none.
const EDITOR: &str = r#"sh -c 'grep -q "^[^#]" "$0" || echo Message >"$0"'"#;

/// A repository, and the directory in which a person works.
pub(crate) struct Scene {
    pub sandbox: Sandbox,
    pub directory: PathBuf,
    /// Whether PATH has no bakstop.
    pub without_bakstop: bool,
}

impl Scene {
    pub(crate) fn at_top(sandbox: Sandbox) -> Self {
        let directory = sandbox.top.clone();
        Self { sandbox, directory, without_bakstop: false }
    }

    pub(crate) fn below(sandbox: Sandbox, directory: &str) -> Self {
        let directory = sandbox.top.join(directory);
        Self { sandbox, directory, without_bakstop: false }
    }

    /// Runs a script as a person would paste it.
    pub(crate) fn shell(&self, script: &str) -> Ran {
        // Only some shells can read `$'…'`.
        let shell = if script.contains("$'") { "bash" } else { "sh" };
        let mut command = self.sandbox.command(shell);
        command.args(["-ec", script]).current_dir(&self.directory);
        // A test may put its own programs into `bin`.
        let mut path = vec![self.sandbox.outside().join("bin")];
        if !self.without_bakstop {
            path.push(PathBuf::from(BAKSTOP).parent().unwrap().to_owned());
        }
        path.extend(std::env::split_paths(&crate::support::path_without_bakstop()));
        command.env("PATH", std::env::join_paths(path).unwrap()).env("GIT_EDITOR", EDITOR);
        finish(&mut command)
    }
}

impl Scene {
    /// Runs the commands of an answer, which must succeed.
    fn paste(&self, name: &str, commands: &[String], answer: &str) {
        // What `restore` leaves is the work of the commands after it.
        let command = |command: &String| {
            let may_leave = command.starts_with("bakstop restore");
            format!("{command}{}\n", if may_leave { " || [ $? = 1 ]" } else { "" })
        };
        let ran = self.shell(&commands.iter().map(command).collect::<String>());
        assert_eq!(ran.code, Some(0), "{name}: {commands:?}: {}{}\n{answer}", ran.out, ran.err);
    }
}

/// What a person does.
type ByHand = fn(&Scene);

/// A situation, and what is done in it.
#[derive(Clone, Copy)]
pub(crate) struct Row {
    pub name: &'static str,
    pub scene: fn() -> Scene,
    /// A script that asks; its exit code is not 0.
    pub question: &'static str,
    /// What a person does by hand, as the answer says, before the command with this number.
    pub by_hand: Option<(usize, ByHand)>,
    /// The question after the commands; by default the same one.
    pub again: Option<&'static str>,
    /// Which commands of the answer are tried.
    pub take: Take,
    /// A part of the answer.
    pub says: &'static str,
}

/// Which commands of an answer are tried.
#[derive(Clone, Copy)]
pub(crate) enum Take {
    /// Every line that is indented as a command.
    Lines,
    /// The words after this text, to the end of the line or a backtick, or to one of `;)` unless
    /// the text ends in a backtick.
    After(&'static str),
}

impl Row {
    pub(crate) const NEW: Self = Self {
        name: "",
        scene: || Scene::at_top(Sandbox::workspace()),
        question: "bakstop check",
        by_hand: None,
        again: None,
        take: Take::Lines,
        says: "",
    };

    /// Asks, runs the commands, and asks again.
    fn run(&self) {
        let Self { name, question, .. } = self;
        let scene = (self.scene)();
        let asked = scene.shell(question);
        let text = format!("{}{}", asked.out, asked.err);
        assert_ne!(asked.code, Some(0), "{name}: {text}");
        assert!(text.contains(self.says), "{name}: {text}");
        let commands = self.commands(&text);
        assert!(!commands.is_empty(), "{name}: no command in {text}");
        let mut commands_left = &commands[..];
        if let Some((number, by_hand)) = self.by_hand {
            let (first, rest) = commands.split_at(number);
            scene.paste(name, first, &text);
            by_hand(&scene);
            commands_left = rest;
        }
        scene.paste(name, commands_left, &text);
        let again = self.again.unwrap_or(question);
        let ran = scene.shell(again);
        assert_eq!(ran.code, Some(0), "{name}: after {commands:?}: {}{}\n{text}", ran.out, ran.err);
    }

    fn commands(&self, text: &str) -> Vec<String> {
        match self.take {
            Take::Lines => lines(text),
            Take::After(start) => {
                let (_, rest) = text.split_once(start).unwrap_or_else(|| panic!("{text}"));
                let is_quoted = start.ends_with('`');
                let is_end = |mark: char| match mark {
                    '\n' | '`' => true,
                    mark => !is_quoted && matches!(mark, ';' | ')'),
                };
                vec![rest.split(is_end).next().unwrap().to_owned()]
            }
        }
    }
}

/// The first words of printed commands: another word is a new kind of command, which needs a row.
const PROGRAMS: [&str; 8] =
    ["git ", "bakstop ", "cd ", "rm ", "(cd ", "pnpm ", "BAKSTOP=0 git ", "GIT_SEQUENCE_EDITOR="];

/// The indented lines of an answer that are commands.
fn lines(text: &str) -> Vec<String> {
    let mut commands: Vec<String> = Vec::new();
    for line in text.lines() {
        let command = line.trim_start();
        let indent = line.len() - command.len();
        // A source line of an excerpt, or its mark.
        let is_excerpt = command.starts_with(['|', '^', '-', '=', '#']) || command.is_empty();
        let known = PROGRAMS.iter().any(|program| command.starts_with(program));
        if indent < 2 || (indent < 4 && !known) || is_excerpt {
            continue;
        }
        assert!(known, "is this a command? {command}\n{text}");
        commands.push(command.to_owned());
    }
    commands
}

fn run(rows: &[Row]) {
    for row in rows {
        row.run();
    }
}

/// Stages everything, ignored files as well.
pub(crate) fn stage(sandbox: &Sandbox) {
    sandbox.git(&["add", "-A", "-f"]);
}

/// A program that a person has, in place of a real one.
pub(crate) fn program(sandbox: &Sandbox, name: &str, text: &str) {
    let bin = sandbox.outside().join("bin");
    fs::create_dir_all(&bin).unwrap();
    fs::write(bin.join(name), text).unwrap();
    fs::set_permissions(bin.join(name), fs::Permissions::from_mode(0o755)).unwrap();
}

/// Names that a shell or git reads in another way. The last is no text.
pub(crate) fn odd_names() -> Vec<PathBuf> {
    use std::os::unix::ffi::OsStrExt;
    let names =
        ["a", "a b", "it's", "-rf", "$(id)", "*", "a\nb", "\"", ":(top)x", "`id`", "\\", "ü"];
    let names = names.iter().map(|name| name.as_bytes()).chain([&b"\xff\xfe"[..]]);
    names.map(|name| PathBuf::from(std::ffi::OsStr::from_bytes(name))).collect()
}

/// A path with another ending.
pub(crate) fn with_ending(path: &std::path::Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// Replaces the text of a file.
pub(crate) fn edit(scene: &Scene, path: &str, from: &str, to: &str) {
    let file = scene.sandbox.top.join(path);
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(file, text.replace(from, to)).unwrap();
}
