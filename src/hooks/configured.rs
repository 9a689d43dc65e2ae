//! Hooks that the configuration of git names: `hook.<name>.command` is run for `hook.<name>.event`
//! (git-config(1), git 2.54), before the hook file, also where `core.hooksPath` leads nowhere.
//!
//! A name has one command for all of its events, and git does not pass the event on. So there is a
//! name for each hook.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use crate::base::error::Error;
use crate::base::path::RepoPath;
use crate::disk::read;
use crate::git::process::{Git, text};
use crate::hooks::binary::{self, is_program};
use crate::hooks::fallback::{quote, unquote};
use crate::hooks::rehearsal;
use crate::hooks::{Hook, find};
use crate::os::env::Environment;

/// The configuration that names a hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reach {
    /// That of one clone, with all of its work trees.
    Clone,
    /// That of a user, for every repository.
    User,
}

impl Reach {
    /// The option of `git config`.
    pub(crate) fn option(self) -> &'static str {
        match self {
            Self::Clone => "--local",
            Self::User => "--global",
        }
    }

    /// The command that installs there.
    pub(crate) fn install(self) -> &'static str {
        match self {
            Self::Clone => "bakstop install --local",
            Self::User => "bakstop install --global",
        }
    }

    /// The command that uninstalls there.
    pub(crate) fn uninstall(self) -> &'static str {
        match self {
            Self::Clone => "bakstop uninstall",
            Self::User => "bakstop uninstall --global",
        }
    }

    /// The configuration in words.
    pub(crate) fn place(self) -> &'static str {
        match self {
            Self::Clone => "the configuration of this clone",
            Self::User => "the global configuration of git",
        }
    }
}

/// A hook that the configuration can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ConfiguredHook {
    /// When git runs it.
    pub event: &'static str,
    /// What it runs.
    pub guard: Hook,
}

/// Every such hook. `commit-msg` comes after all hooks of `pre-commit`: it judges what a formatter
/// in a hook file has staged, since a configured `pre-commit` runs before any file. Git skips both
/// with `--no-verify`.
const ALL: [ConfiguredHook; 5] = [
    ConfiguredHook { event: "pre-commit", guard: Hook::PreCommit },
    ConfiguredHook { event: "pre-merge-commit", guard: Hook::PreMergeCommit },
    ConfiguredHook { event: "prepare-commit-msg", guard: Hook::PrepareCommitMsg },
    ConfiguredHook { event: AFTER, guard: Hook::PreCommit },
    ConfiguredHook { event: "pre-push", guard: Hook::PrePush },
];

/// The event that judges what other hooks have staged.
const AFTER: &str = "commit-msg";

/// The start of our names.
const PREFIX: &str = "bakstop-";
const TEXT: &str = include_str!("../../hooks/configured.sh");
/// The start of a command of ours, before the quoted path of its program.
const PROGRAM: &[u8] = b"program=";
/// The first version that runs such hooks. An older one ignores them silently.
pub(crate) const NEEDED: (u32, u32) = (2, 54);

impl ConfiguredHook {
    /// The name in the configuration.
    pub(crate) fn name(self) -> String {
        format!("{PREFIX}{}", self.event)
    }

    fn key(self, key: &str) -> String {
        format!("hook.{}.{key}", self.name())
    }

    /// The command, which runs `program` and nothing else.
    fn command(self, program: &Path, reach: Reach) -> Vec<u8> {
        let lines: Vec<&str> = TEXT.lines().filter(|line| !line.starts_with('#')).collect();
        let text = lines
            .join(" ")
            .replace("@SCOPE@", reach.option())
            .replace("@NAME@", &self.name())
            .replace("@COMMAND@", self.guard.command())
            .replace("@HOOK@", self.guard.name());
        let (before, after) = text.split_once("@BINARY@").unwrap_or((&text, ""));
        let program = quote(program.as_os_str().as_bytes());
        [before.as_bytes(), &program, after.as_bytes()].concat()
    }

    /// The program of a command of ours; `None` for any other command.
    fn program(self, command: &[u8]) -> Option<PathBuf> {
        let program = unquote(command.strip_prefix(PROGRAM)?)?;
        let end = format!("exec \"$program\" hook {}", self.guard.name());
        command.ends_with(end.as_bytes()).then(|| OsString::from_vec(program).into())
    }
}

/// What a configuration says about one of our names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Section {
    command: Option<Vec<u8>>,
    events: Vec<Vec<u8>>,
}

impl Section {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The sections of our names in one configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sections(Vec<(ConfiguredHook, Section)>);

impl Sections {
    /// Reads the file itself, not what it includes: only that is changed.
    pub(crate) fn read(git: &Git, reach: Reach) -> Result<Self, Error> {
        let pattern = format!(r"^hook\.{PREFIX}[a-z-]+\.(command|event)$");
        let arguments =
            ["config", reach.option(), "--no-includes", "--null", "--get-regexp", &pattern];
        let listing = git.query(&format!("read {}", reach.place()), &arguments)?;
        let records = fields(listing.as_deref().unwrap_or_default());
        let of = |hook: ConfiguredHook| {
            let values = |key: &str| -> Vec<Vec<u8>> {
                let key = hook.key(key);
                records.iter().filter_map(|record| value_of(record, &key)).collect()
            };
            (hook, Section { command: values("command").pop(), events: values("event") })
        };
        Ok(Self(ALL.map(of).into()))
    }

    /// The section of a hook.
    pub(crate) fn of(&self, hook: ConfiguredHook) -> Section {
        self.0
            .iter()
            .find(|(known, _)| *known == hook)
            .map_or_else(Section::default, |found| found.1.clone())
    }

    /// The names of hooks of ours that judge each commit: it is blocked while one is left.
    pub(crate) fn of_commits(&self) -> Vec<String> {
        let judges = |hook: ConfiguredHook| {
            hook.guard == Hook::PrepareCommitMsg || [AFTER, "pre-commit"].contains(&hook.event)
        };
        let named = self.0.iter().filter(|(hook, section)| judges(*hook) && !section.is_empty());
        named.map(|(hook, _)| hook.name()).collect()
    }

    /// Whether it names any hook of ours.
    pub(crate) fn is_installed(&self) -> bool {
        self.0.iter().any(|(_, section)| !section.is_empty())
    }
}

/// The records of a listing that ends each with a NUL.
fn fields(listing: &[u8]) -> Vec<&[u8]> {
    listing.split(|&byte| byte == 0).collect()
}

/// The value in `key LF value`. Git prints no line feed after a key without a value.
fn value_of(record: &[u8], key: &str) -> Option<Vec<u8>> {
    Some(record.strip_prefix(key.as_bytes())?.strip_prefix(b"\n")?.to_owned())
}

/// A change of a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ConfigEdit {
    pub reach: Reach,
    pub hook: ConfiguredHook,
    /// What it was planned on.
    pub old: Section,
    /// The command; `None` removes the section.
    pub command: Option<Vec<u8>>,
}

impl ConfigEdit {
    /// The calls of git that make it, in their order. A name with an event and no command would
    /// make git fail at each commit, so the command is first.
    pub(crate) fn calls(&self) -> Vec<Vec<OsString>> {
        let Self { reach, hook, command, .. } = self;
        let call = |words: &[&OsStr]| {
            let start = ["config", reach.option()].map(OsStr::new);
            start.iter().chain(words).map(OsString::from).collect::<Vec<OsString>>()
        };
        let section = format!("hook.{}", hook.name());
        let set = |key: &str, value: &OsStr| {
            call(&["--replace-all".as_ref(), hook.key(key).as_ref(), value])
        };
        match command {
            None => vec![call(&["--remove-section".as_ref(), section.as_ref()])],
            Some(command) => vec![
                set("command", OsStr::from_bytes(command)),
                set("event", OsStr::new(hook.event)),
            ],
        }
    }

    /// What could not be done, after "could not".
    pub(crate) fn doing(&self) -> String {
        format!("change hook.{} in {}", self.hook.name(), self.reach.place())
    }

    fn describe(&self, done: bool) -> String {
        let (past, verb, preposition) = match (&self.command, self.old.is_empty()) {
            (None, _) => ("removed", "remove", "from"),
            (Some(_), true) => ("added", "add", "to"),
            (Some(_), false) => ("updated", "update", "in"),
        };
        let object = format!("hook.{} {preposition} {}", self.hook.name(), self.reach.place());
        if done { format!("{past} {object}") } else { format!("would {verb} {object}") }
    }
}

/// The changes, one a line, before or after they are made.
pub(crate) fn describe(edits: &[ConfigEdit], done: bool) -> String {
    edits.iter().map(|edit| edit.describe(done) + "\n").collect()
}

const INSTALL: &str = "install hooks in the configuration of git";
const UNINSTALL: &str = "uninstall the hooks in the configuration of git";

/// Plans the installation. `strict` adds `prepare-commit-msg`, which later installations keep; it
/// comes after other hooks too, and replaces the second look.
pub(crate) fn install(
    reach: Reach,
    now: &Sections,
    program: &Path,
    strict: bool,
) -> Result<Vec<ConfigEdit>, Error> {
    let is_strict = |hook: ConfiguredHook| hook.guard == Hook::PrepareCommitMsg;
    let strict = strict || now.0.iter().any(|(hook, old)| is_strict(*hook) && !old.is_empty());
    let mut edits = Vec::new();
    for (hook, old) in &now.0 {
        let (hook, old) = (*hook, old.clone());
        refuse_edited(INSTALL, reach, hook, &old)?;
        let is_wanted = if is_strict(hook) { strict } else { hook.event != AFTER || !strict };
        let command = is_wanted.then(|| hook.command(program, reach));
        let wanted = command.as_ref().map_or_else(Section::default, |command| Section {
            command: Some(command.clone()),
            events: vec![hook.event.into()],
        });
        if old != wanted {
            edits.push(ConfigEdit { reach, hook, old, command });
        }
    }
    Ok(edits)
}

/// Plans what uninstalling changes. A section that only disables a hook stays.
pub(crate) fn uninstall(reach: Reach, now: &Sections) -> Result<Vec<ConfigEdit>, Error> {
    let mut edits = Vec::new();
    for (hook, old) in now.0.iter().filter(|(_, old)| !old.is_empty()) {
        refuse_edited(UNINSTALL, reach, *hook, old)?;
        edits.push(ConfigEdit { reach, hook: *hook, old: old.clone(), command: None });
    }
    Ok(edits)
}

/// Fails for a command that we did not write, or events that are not ours.
fn refuse_edited(
    doing: &str,
    reach: Reach,
    hook: ConfiguredHook,
    section: &Section,
) -> Result<(), Error> {
    let is_ours = section.command.as_ref().is_none_or(|text| hook.program(text).is_some());
    if is_ours && section.events.iter().all(|event| event == hook.event.as_bytes()) {
        return Ok(());
    }
    let (name, place) = (hook.name(), reach.place());
    Err(Error::new(doing, format!("hook.{name} in {place} was edited")).help(format!(
        "move what you need to another name, then remove it: \
         git config {} --remove-section hook.{name}",
        reach.option()
    )))
}

/// Fails where the configuration cannot name `program`, or git would not read it.
pub(crate) fn check(git: &Git, reach: Reach, env: &Environment) -> Result<(), Error> {
    if let Some((major, minor)) = outdated(git)? {
        let (new, patch) = NEEDED;
        let cause = format!("git {major}.{minor} ignores them: it takes git {new}.{patch}");
        return Err(Error::new(INSTALL, cause)
            .help("update git; or `bakstop install` writes hook files into a clone"));
    }
    check_file(INSTALL, reach, env)
}

/// Fails if git would replace something that is not a file, such as /dev/null.
pub(crate) fn check_file(doing: &str, reach: Reach, env: &Environment) -> Result<(), Error> {
    let named = env.get("GIT_CONFIG_GLOBAL").map(Path::new).filter(|_| reach == Reach::User);
    match named {
        Some(file) if file.exists() && !file.is_file() => {
            let file = RepoPath::from(file);
            Err(Error::new(doing, format!("GIT_CONFIG_GLOBAL is {file}, which is not a file"))
                .help("unset GIT_CONFIG_GLOBAL"))
        }
        _ => Ok(()),
    }
}

/// The version of git, if it ignores such hooks.
fn outdated(git: &Git) -> Result<Option<(u32, u32)>, Error> {
    let answer = text(&git.output("find the version of git", &["version"])?);
    Ok(rehearsal::version(&answer).filter(|version| *version < NEEDED))
}

/// The program for a configured hook: by its absolute path, and not one that a repository brings,
/// where a commit, a checkout or an installation of dependencies could replace it.
pub(crate) fn own_program(program: Option<PathBuf>) -> Result<PathBuf, Error> {
    let refused = |cause: String| {
        Err(Error::new(INSTALL, cause).help(
            "copy the program to a place outside of every repository, such as ~/.local/bin, and \
             run that one",
        ))
    };
    let Some(program) = program.filter(|path| path.is_absolute()) else {
        return refused("the path of this program is unknown".to_owned());
    };
    let real = read::canonicalize_existing(&program);
    let repository = [&program, &real].into_iter().find_map(|path| {
        path.ancestors().skip(1).find(|directory| directory.join(".git").exists())
    });
    match repository {
        Some(repository) => refused(format!(
            "{} is in the repository {}, which may replace it",
            RepoPath::from(&*program),
            RepoPath::from(repository)
        )),
        None if binary::is_build_output(&real) => refused(format!(
            "{} is where cargo builds it, and `cargo clean` removes it",
            RepoPath::from(&*program)
        )),
        None => Ok(program),
    }
}

/// What git makes of a configured hook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EffectiveHook {
    pub hook: ConfiguredHook,
    /// Where its command is set.
    pub reach: Reach,
    /// Its program, if the command is ours.
    pub program: Option<PathBuf>,
    /// Why git does not run it; `None` if it does.
    pub off: Option<Inactive>,
}

/// Why git does not run a hook that its configuration names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Inactive {
    pub reason: String,
    /// A command, or two.
    pub help: String,
}

impl EffectiveHook {
    /// Whether its program exists. Without it, the hook blocks.
    pub(crate) fn has_program(&self) -> bool {
        self.program.as_deref().is_some_and(is_program)
    }

    /// Whether it is a second look at what other hooks have staged.
    pub(crate) fn is_after(&self) -> bool {
        self.hook.event == AFTER
    }
}

/// Our commands in every configuration that git reads here, with their scopes.
fn commands(git: &Git) -> Result<Option<Vec<u8>>, Error> {
    let pattern = format!(r"^hook\.{PREFIX}[a-z-]+\.command$");
    let arguments = ["config", "--null", "--show-scope", "--get-regexp", &pattern];
    git.query("read the hooks in git's configuration", &arguments)
}

/// Whether the configuration of the user names our hooks.
pub(crate) fn is_global(git: &Git) -> Result<bool, Error> {
    Ok(commands(git)?.is_some_and(|listing| fields(&listing).contains(&&b"global"[..])))
}

/// The configured hooks of a clone, as git runs them there.
pub(crate) fn effective(git: &Git) -> Result<Vec<EffectiveHook>, Error> {
    let Some(listing) = commands(git)? else { return Ok(Vec::new()) };
    let outdated = outdated(git)?;
    let records = fields(&listing);
    let mut found = Vec::new();
    for hook in ALL {
        let key = hook.key("command");
        let of = |pair: &[&[u8]]| Some((pair[0].to_owned(), value_of(pair.get(1)?, &key)?));
        let Some((scope, command)) = records.chunks(2).filter_map(of).next_back() else { continue };
        let is_user = matches!(&*scope, b"global" | b"system");
        let reach = if is_user { Reach::User } else { Reach::Clone };
        let off = match outdated {
            Some((major, minor)) => Some(Inactive {
                reason: format!("git {major}.{minor} ignores it"),
                help: match reach {
                    Reach::Clone => "bakstop uninstall && bakstop install".to_owned(),
                    Reach::User => "bakstop install".to_owned(),
                },
            }),
            None => why_off(git, hook, reach)?,
        };
        found.push(EffectiveHook { hook, reach, program: hook.program(&command), off });
    }
    Ok(found)
}

/// Why git does not run a hook, by its own list.
fn why_off(git: &Git, hook: ConfiguredHook, reach: Reach) -> Result<Option<Inactive>, Error> {
    let (name, event) = (hook.name(), hook.event);
    let listing = git.query(&format!("list the {event} hooks"), &["hook", "list", event])?;
    let listing = listing.unwrap_or_default();
    let lines: Vec<&[u8]> = listing.split(|&byte| byte == b'\n').collect();
    if lines.contains(&name.as_bytes()) {
        return Ok(None);
    }
    // `disabled TAB name`, or `event-disabled TAB name`.
    let marked = format!("\t{name}");
    let line = lines.into_iter().find(|line| line.ends_with(marked.as_bytes()));
    let disabled = |name: &str| Inactive {
        reason: format!("hook.{name}.enabled is false"),
        help: format!("git config hook.{name}.enabled true"),
    };
    let is_off = || {
        let key = hook.key("enabled");
        git.query("read the settings of a hook", &["config", "--type=bool", "--get", &key])
    };
    Ok(Some(match line {
        Some(line) if find(line, b"event-disabled").is_some() => disabled(event),
        Some(_) => disabled(&name),
        None if is_off()?.is_some_and(|value| value == b"false\n") => disabled(&name),
        None => Inactive {
            reason: format!("hook.{name}.event does not name {event}"),
            help: reach.install().to_owned(),
        },
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(command: &[u8], events: &[&str]) -> Section {
        let events = events.iter().map(|event| event.as_bytes().to_owned()).collect();
        Section { command: Some(command.to_owned()), events }
    }

    fn sections(pick: impl Fn(ConfiguredHook) -> Section) -> Sections {
        Sections(ALL.map(|hook| (hook, pick(hook))).into())
    }

    #[test]
    fn a_command_is_recognised_with_its_program() {
        for path in ["/usr/bin/bakstop", "/it's here/a\nb", "/$(id)/`id`/\"x\"\\"] {
            for hook in ALL {
                let command = hook.command(Path::new(path), Reach::User);
                assert_eq!(hook.program(&command).as_deref(), Some(Path::new(path)));
                assert_eq!(find(&command, b"@"), None, "{}", String::from_utf8_lossy(&command));
                assert_eq!(hook.program(&[&command[..], b"; true"].concat()), None);
            }
        }
        assert_eq!(ALL[0].program(b"bakstop hook pre-commit"), None);
    }

    #[test]
    fn a_second_installation_changes_nothing_and_a_cut_off_one_continues() {
        let program = Path::new("/b");
        let names = |edits: &[ConfigEdit]| -> Vec<&str> {
            edits.iter().map(|edit| edit.hook.event).collect()
        };
        let none = sections(|_| Section::default());
        let edits = install(Reach::Clone, &none, program, false).unwrap();
        assert_eq!(names(&edits), ["pre-commit", "pre-merge-commit", AFTER, "pre-push"]);
        let full =
            |hook: ConfiguredHook| section(&hook.command(program, Reach::Clone), &[hook.event]);
        let usual = |hook: ConfiguredHook| match hook.guard {
            Hook::PrepareCommitMsg => Section::default(),
            _ => full(hook),
        };
        let done = sections(usual);
        assert_eq!(install(Reach::Clone, &done, program, false).unwrap(), []);
        assert_eq!(uninstall(Reach::Clone, &done).unwrap().len(), 4);
        // The stricter hook comes after the others as well.
        let edits = install(Reach::Clone, &done, program, true).unwrap();
        assert_eq!(names(&edits), ["prepare-commit-msg", AFTER]);
        assert_eq!(edits[1].command, None);
        // Cut off between a command and its event.
        let half = sections(|hook| Section { events: Vec::new(), ..usual(hook) });
        assert_eq!(names(&install(Reach::Clone, &half, program, false).unwrap()).len(), 4);
        // Another program, as after a move.
        let moved = install(Reach::Clone, &done, Path::new("/c"), false).unwrap();
        assert_eq!(moved.len(), 4);
    }

    #[test]
    fn what_somebody_edited_is_not_touched() {
        for edited in [section(b"make", &["pre-commit"]), {
            let command = ALL[0].command(Path::new("/b"), Reach::Clone);
            section(&command, &["pre-commit", "post-commit"])
        }] {
            let now =
                sections(|hook| if hook == ALL[0] { edited.clone() } else { Section::default() });
            assert!(install(Reach::Clone, &now, Path::new("/b"), false).is_err());
            assert!(uninstall(Reach::Clone, &now).is_err());
        }
    }

    #[test]
    fn a_command_is_set_before_its_event() {
        let edit = ConfigEdit {
            reach: Reach::User,
            hook: ALL[0],
            old: Section::default(),
            command: Some(b"x\xff".into()),
        };
        let calls = edit.calls();
        assert_eq!(calls[0][2..4], ["--replace-all", "hook.bakstop-pre-commit.command"]);
        assert_eq!(calls[0][4].as_bytes(), b"x\xff");
        assert_eq!(calls[1][3..], ["hook.bakstop-pre-commit.event", "pre-commit"]);
    }
}
