//! Computes the edits of an installation. Nothing here writes to a file.

use std::path::{Path, PathBuf};

use crate::base::error::Error;
use crate::disk::atomic::{Bits, TEMPORARY};
use crate::hooks::block::{self, Block, Condition, Found};
use crate::hooks::fallback::Fallback;
use crate::hooks::lookup::Recorded;
use crate::hooks::setup::{Setup, mentions_bakstop};
use crate::hooks::shim::{self, Author};
use crate::hooks::slot::{HookDirectory, HookFile, Slot};
use crate::hooks::{Hook, display_path, find};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum HookEdit {
    /// Creates a missing directory.
    MakeDirectory { path: PathBuf, bits: Bits },
    /// Writes a file.
    Write { path: PathBuf, text: Vec<u8>, bits: Bits, how: Overwrite },
    /// Links a hook to the name `kept`, so that its file can be replaced.
    Keep {
        hook: PathBuf,
        kept: PathBuf,
        /// Why git has ignored it so far, if it has.
        ignored: Option<&'static str>,
    },
    /// Renames a kept hook back.
    PutBack { kept: PathBuf, hook: PathBuf },
    /// Removes a file that we wrote.
    Remove(PathBuf),
    /// Removes a directory that is empty now.
    RemoveDirectory(PathBuf),
}

/// The effect of a write on the existing file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Overwrite {
    /// No file existed.
    Create,
    /// It was ours, or is kept under another name.
    Replace,
    /// Adds the block.
    AddBlock,
    /// Replaces an older or misplaced block.
    RenewBlock,
    /// Removes the block.
    RemoveBlock,
}

/// The permission bits of our hook files: git ignores those that are not executable.
const EXECUTABLE: Bits = Bits::New(0o777);
/// The permission bits of our hook on a server, which may run as another user.
const FOR_EVERYONE: Bits = Bits::Exact(0o755);
/// The permission bits of husky's files, which it passes to a shell.
const PLAIN: Bits = Bits::New(0o666);
const DIRECTORY: Bits = Bits::New(0o777);

/// The block in a description.
const BLOCK: &str = "the bakstop block";

const INSTALL: &str = "install the hooks";
const UNINSTALL: &str = "uninstall the hooks";

impl HookEdit {
    /// The change in a line, before or after it is made.
    fn describe(&self, top: &Path, done: bool) -> String {
        let file = |path: &Path| display_path(path, top);
        let (past, verb, object) = match self {
            Self::MakeDirectory { path, .. } => ("created", "create", format!("{}/", file(path))),
            Self::Write { path, how, .. } => {
                let file = file(path);
                match how {
                    Overwrite::Create => ("created", "create", file.to_string()),
                    Overwrite::Replace => ("wrote", "write", file.to_string()),
                    Overwrite::AddBlock => ("added", "add", format!("{BLOCK} to {file}")),
                    Overwrite::RenewBlock => ("updated", "update", format!("{BLOCK} in {file}")),
                    Overwrite::RemoveBlock => ("removed", "remove", format!("{BLOCK} from {file}")),
                }
            }
            Self::Keep { hook, kept, ignored } => {
                let then = ignored.map_or("it runs first".to_owned(), still_ignored);
                ("kept", "keep", format!("{} as {}; {then}", file(hook), file(kept)))
            }
            Self::PutBack { kept, hook } => {
                ("put", "put", format!("{} back as {}", file(kept), file(hook)))
            }
            Self::Remove(path) => ("removed", "remove", file(path).to_string()),
            Self::RemoveDirectory(path) => ("removed", "remove", format!("{}/", file(path))),
        };
        if done { format!("{past} {object}") } else { format!("would {verb} {object}") }
    }

    /// The file that is changed.
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::MakeDirectory { path, .. }
            | Self::Write { path, .. }
            | Self::Remove(path)
            | Self::RemoveDirectory(path) => path,
            Self::Keep { kept, .. } => kept,
            Self::PutBack { hook, .. } => hook,
        }
    }
}

/// The program in a hook file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Guard<'a> {
    /// What hooks of this clone name; shared hooks name nothing of this machine.
    pub recorded: Option<&'a Recorded>,
    pub fallback: &'a Fallback,
}

/// Plans the installation of `hooks`, and the update of others that were installed before.
pub(crate) fn install(
    setup: &Setup,
    place: &HookDirectory,
    hooks: &[Hook],
    guard: Guard<'_>,
) -> Result<Vec<HookEdit>, Error> {
    let shared = Guard { recorded: None, ..guard };
    let mut edits = Vec::new();
    for slot in place.slots.iter().filter(|slot| hooks.contains(&slot.hook) || slot.is_ours()) {
        edits.extend(match setup {
            Setup::Native { tracked, .. } => {
                install_file(slot, if *tracked { shared } else { guard })?
            }
            Setup::Husky(husky) => install_block(slot, husky.direct, guard.fallback)?,
            Setup::Server(_) if guard.recorded.is_none() => return Err(without_program()),
            Setup::Server(_) => install_file(slot, guard)?,
            Setup::Foreign(_) => Vec::new(),
        });
    }
    if !place.exists && !edits.is_empty() {
        let bits = if matches!(setup, Setup::Server(_)) { FOR_EVERYONE } else { DIRECTORY };
        edits.insert(0, HookEdit::MakeDirectory { path: place.directory.clone(), bits });
    }
    edits.extend(stale_temporaries(place));
    Ok(edits)
}

/// A server's hook does not search for another program.
fn without_program() -> Error {
    Error::new(INSTALL, "the path of this program is unknown").help("run it by its full path")
}

/// Removes files that a killed installation left.
fn stale_temporaries(place: &HookDirectory) -> impl Iterator<Item = HookEdit> {
    let name = |path: &PathBuf| {
        path.file_name()
            .is_some_and(|name| name.as_encoded_bytes().starts_with(TEMPORARY.as_bytes()))
    };
    place.names.iter().filter(move |path| name(path)).cloned().map(HookEdit::Remove)
}

/// The note about a hook that is kept although git ignores it.
pub(crate) fn still_ignored(why: &str) -> String {
    format!("it is {why}, so it did not run and still does not")
}

/// The changes, one a line, before or after they are made.
pub(crate) fn describe(edits: &[HookEdit], top: &Path, done: bool) -> String {
    edits.iter().map(|edit| edit.describe(top, done) + "\n").collect()
}

/// Plans what uninstalling changes in one directory.
pub(crate) fn uninstall(place: &HookDirectory) -> Result<Vec<HookEdit>, Error> {
    let mut edits = Vec::new();
    for slot in &place.slots {
        edits.extend(if place.husky { uninstall_block(slot)? } else { uninstall_file(slot)? });
    }
    edits.extend(stale_temporaries(place));
    // Git treats an empty directory of hooks like a missing one.
    let goes = |name: &PathBuf| edits.contains(&HookEdit::Remove(name.clone()));
    if !edits.is_empty() && !place.names.is_empty() && place.names.iter().all(goes) {
        edits.push(HookEdit::RemoveDirectory(place.directory.clone()));
    }
    Ok(edits)
}

/// Writes our file at the path of a hook.
fn install_file(slot: &Slot, guard: Guard<'_>) -> Result<Vec<HookEdit>, Error> {
    let text = shim::render(slot.hook, guard.recorded, guard.fallback);
    let (bits, runs) = match slot.hook {
        Hook::PreReceive => (FOR_EVERYONE, slot.is_for_everyone()),
        _ => (EXECUTABLE, slot.is_executable()),
    };
    let is_current = runs && slot.text() == text;
    let write = |how| HookEdit::Write { path: slot.path.clone(), text, bits, how };
    match (&slot.file, slot.author()) {
        (HookFile::Missing, _) => Ok(vec![write(Overwrite::Create)]),
        (HookFile::Other, _) => Err(not_a_file(slot)),
        (HookFile::Regular { .. }, Author::Bakstop(_)) if is_current => Ok(Vec::new()),
        (HookFile::Regular { .. }, Author::Bakstop(_)) => Ok(vec![write(Overwrite::Replace)]),
        (_, Author::BakstopAndOthers) => Err(edited(INSTALL, slot)),
        (_, Author::Bakstop(_)) => {
            Err(Error::new(INSTALL, format!("{} is a link to a hook of bakstop", slot.name))
                .help("remove the link, then install"))
        }
        (_, Author::Others) => replace(slot, write(Overwrite::Replace)),
    }
}

/// Keeps a foreign hook under another name, so that `ours` can replace it.
fn replace(slot: &Slot, ours: HookEdit) -> Result<Vec<HookEdit>, Error> {
    let (name, text) = (&slot.name, slot.text());
    let refused = |cause: String| Error::new(INSTALL, cause);
    let asks = depends_on_name(text);
    if slot.is_delegated() {
        Err(refused(format!("{name} is not a hook of bakstop")).help("rename it, then install"))
    } else if slot.kept_file == slot.file {
        // An installation was cut off between keeping the hook and taking its place.
        Ok(vec![ours])
    } else if slot.has_kept() {
        let kept = &slot.kept_name;
        Err(refused(format!("{name} is not a hook of bakstop, and {kept} exists as well"))
            .help("keep the one that must run first, remove the other, then install"))
    } else if asks && mentions_bakstop(text) {
        // A person has added the line.
        Ok(Vec::new())
    } else if matches!(slot.file, HookFile::Link(_)) && text.contains(&0) {
        Err(refused(format!("{name} is a link to a program, which may depend on its name"))
            .help(by_hand(slot)))
    } else if asks {
        Err(refused(format!("{name} depends on its own name, so it cannot be renamed"))
            .help(by_hand(slot)))
    } else {
        let (hook, kept) = (slot.path.clone(), slot.kept.clone());
        Ok(vec![HookEdit::Keep { hook, kept, ignored: slot.file.why_ignored() }, ours])
    }
}

fn not_a_file(slot: &Slot) -> Error {
    Error::new(INSTALL, format!("{} is not a file", slot.name)).help("remove it")
}

/// Removes our file, and puts back the hook that was there.
fn uninstall_file(slot: &Slot) -> Result<Vec<HookEdit>, Error> {
    let put_back = HookEdit::PutBack { kept: slot.kept.clone(), hook: slot.path.clone() };
    match (&slot.file, slot.author()) {
        (HookFile::Regular { .. }, Author::Bakstop(_)) if !slot.has_kept() => {
            Ok(vec![HookEdit::Remove(slot.path.clone())])
        }
        (HookFile::Regular { .. }, Author::Bakstop(_)) | (HookFile::Missing, _)
            if slot.has_kept() =>
        {
            Ok(vec![put_back])
        }
        (_, Author::BakstopAndOthers) => Err(edited(UNINSTALL, slot)),
        (_, Author::Others) if slot.has_kept() && slot.kept_file == slot.file => {
            Ok(vec![HookEdit::Remove(slot.kept.clone())])
        }
        (_, _) if slot.has_kept() => Err(Error::new(
            UNINSTALL,
            format!("{} is not a hook of bakstop, and {} is still kept", slot.name, slot.kept_name),
        )
        .help("keep the one that you want, and remove the other")),
        _ => Ok(Vec::new()),
    }
}

/// Adds the block to husky's file. With `direct`, husky 5 to 8, git runs the file itself.
fn install_block(slot: &Slot, direct: bool, fallback: &Fallback) -> Result<Vec<HookEdit>, Error> {
    let shared = Guard { recorded: None, fallback };
    if slot.author() != Author::Others {
        return install_file(slot, shared);
    }
    let (text, mode) = match &slot.file {
        HookFile::Regular { text, mode } => (text, *mode),
        HookFile::Missing if direct => return install_file(slot, shared),
        HookFile::Missing => {
            let text = block::insert(None, slot.hook, fallback);
            return Ok(vec![write_block(slot, text, PLAIN, Overwrite::Create)]);
        }
        HookFile::Link(_) | HookFile::Other => return Err(not_a_file(slot)),
    };
    let found = block::look(text, slot.hook);
    if direct && is_nothing_else(text, &found) {
        // Made for husky 9, which passes the file to a shell: git ignores it.
        let text = shim::render(slot.hook, None, fallback);
        return Ok(vec![write_block(slot, text, EXECUTABLE, Overwrite::Replace)]);
    } else if direct {
        refuse_ignored(slot, text, mode)?;
    }
    let bits = Bits::Exact(mode);
    match found {
        Found::Nothing => {
            let text = block::insert(Some(text), slot.hook, fallback);
            Ok(vec![write_block(slot, text, bits, Overwrite::AddBlock)])
        }
        Found::Block(found) => match found.condition {
            Condition::Current if found.fallback == *fallback => Ok(Vec::new()),
            Condition::Edited => Err(edited_block(INSTALL, slot, text, &found)),
            Condition::Current | Condition::Crlf | Condition::Misplaced | Condition::Older => {
                let rest = block::remove(text, &found);
                let text = block::insert(rest.as_deref(), slot.hook, fallback);
                Ok(vec![write_block(slot, text, bits, Overwrite::RenewBlock)])
            }
        },
        Found::Pieces => Err(pieces(INSTALL, slot)),
    }
}

/// Whether a file has the block as we wrote it, and no other line.
fn is_nothing_else(text: &[u8], found: &Found) -> bool {
    matches!(found, Found::Block(block)
        if block.condition != Condition::Edited && block::remove(text, block).is_none())
}

fn write_block(slot: &Slot, text: Vec<u8>, bits: Bits, how: Overwrite) -> HookEdit {
    HookEdit::Write { path: slot.path.clone(), text, bits, how }
}

/// Fails if git would not run the block in this file: another interpreter would read it, or git
/// ignores the file, and its commands have never run.
fn refuse_ignored(slot: &Slot, text: &[u8], mode: u32) -> Result<(), Error> {
    let name = &slot.name;
    if !is_for_sh(text) {
        return Err(
            Error::new(INSTALL, format!("{name} is not a script for sh")).help(by_hand(slot))
        );
    }
    if mode & 0o111 == 0 {
        let chmod = format!("chmod +x {}", name.as_pathspec(false));
        return Err(Error::new(INSTALL, format!("{name} is not executable: git ignores it"))
            .help(format!("make it executable (`{chmod}`) or remove it")));
    }
    Ok(())
}

/// Removes the block from husky's file, or the file if we made it.
fn uninstall_block(slot: &Slot) -> Result<Vec<HookEdit>, Error> {
    let HookFile::Regular { text, mode } = &slot.file else { return Ok(Vec::new()) };
    if slot.author() != Author::Others {
        return uninstall_file(slot);
    }
    match block::look(text, slot.hook) {
        Found::Nothing => Ok(Vec::new()),
        Found::Block(found) if found.condition == Condition::Edited => {
            Err(edited_block(UNINSTALL, slot, text, &found))
        }
        Found::Block(found) => Ok(vec![match block::remove(text, &found) {
            Some(text) => write_block(slot, text, Bits::Exact(*mode), Overwrite::RemoveBlock),
            None => HookEdit::Remove(slot.path.clone()),
        }]),
        Found::Pieces => Err(pieces(UNINSTALL, slot)),
    }
}

/// The line to add to a script that we must not edit.
fn by_hand(slot: &Slot) -> String {
    let input = if slot.hook.reads_lines() { ", with its standard input" } else { "" };
    let call = slot.hook.call();
    format!(
        "nothing was changed; add this at its end by hand{input}, in its language:\n\n  \
         {call} || exit"
    )
}

fn edited(doing: &str, slot: &Slot) -> Error {
    let help = if slot.has_kept() {
        let runs = if slot.kept_file.why_ignored().is_none() {
            "which runs first"
        } else {
            "make that executable"
        };
        format!(
            "move your lines into {}, {runs}, remove {}, then try again",
            slot.kept_name, slot.name
        )
    } else {
        format!("move your lines elsewhere, remove {}, then try again", slot.name)
    };
    Error::new(doing, format!("{} was edited after bakstop wrote it", slot.name)).help(help)
}

fn edited_block(doing: &str, slot: &Slot, text: &[u8], found: &Block) -> Error {
    let (first, last) = block::lines(text, found);
    Error::new(doing, format!("the bakstop block in {} was edited", slot.name))
        .help(format!("remove its lines {first} to {last} by hand, then try again"))
}

fn pieces(doing: &str, slot: &Slot) -> Error {
    Error::new(doing, format!("{} contains an incomplete bakstop block", slot.name)).help(
        "remove the lines between `# >>> bakstop` and `# <<< bakstop` by hand, then try again",
    )
}

/// Whether a hook depends on the name that it is called by.
fn depends_on_name(text: &[u8]) -> bool {
    if text.contains(&0) {
        // A compiled program.
        return false;
    }
    text.split(|&byte| byte == b'\n').filter(|line| !line.trim_ascii_start().starts_with(b"#")).any(
        |line| {
            let holds = |needle: &str| find(line, needle.as_bytes()).is_some();
            let itself = [
                "$0",
                "${0",
                "$PROGRAM_NAME",
                "$BASH_SOURCE",
                "${BASH_SOURCE",
                "argv",
                "__file__",
                "__filename",
                "__FILE__",
            ];
            let takes_apart =
                ["basename", "case ", "sed ", "awk ", ".name", "=$0", "=\"$0\"", "=${0}"];
            let cuts_off = ["${0##", "${0/", "${0#*"];
            cuts_off.into_iter().any(holds)
                || (takes_apart.into_iter().any(holds) && itself.into_iter().any(holds))
        },
    )
}

/// Whether a script is run by `sh`, as the block needs: by its shebang, or because `husky.sh` runs
/// it again.
fn is_for_sh(text: &[u8]) -> bool {
    let line = text.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let shebang = String::from_utf8_lossy(line.strip_prefix(b"#!").unwrap_or_default());
    let mut programs =
        shebang.split_whitespace().map(|word| word.rsplit('/').next().unwrap_or(word));
    let interpreter = programs.find(|word| *word != "env" && !word.starts_with('-'));
    interpreter.is_some_and(|name| {
        ["sh", "dash", "ash"].contains(&name) || find(text, b"/husky.sh").is_some()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::path::RepoPath;
    use crate::hooks::setup::Husky;

    const MINE: &[u8] = b"#!/bin/sh\nnpm test\n";

    fn slot(hook_file: HookFile, has_kept: bool) -> Slot {
        Slot {
            hook: Hook::PreCommit,
            path: "/r/h/pre-commit".into(),
            file: hook_file,
            kept: "/r/h/pre-commit.before-bakstop".into(),
            kept_file: if has_kept { file("#!/bin/sh\nolder\n", 0o755) } else { HookFile::Missing },
            name: RepoPath::from("h/pre-commit"),
            kept_name: RepoPath::from("h/pre-commit.before-bakstop"),
        }
    }

    fn file(text: impl Into<Vec<u8>>, mode: u32) -> HookFile {
        HookFile::Regular { text: text.into(), mode }
    }

    fn program() -> Recorded {
        Recorded::Program("/b".into())
    }

    fn shim() -> Vec<u8> {
        shim::render(Hook::PreCommit, Some(&program()), &Fallback::default())
    }

    fn installed(slot: &Slot) -> Result<String, Error> {
        let guard = Guard { recorded: Some(&program()), fallback: &Fallback::default() };
        install_file(slot, guard).map(|edits| describe(&edits, Path::new("/r"), false))
    }

    fn uninstalled(slot: &Slot) -> Result<String, Error> {
        uninstall_file(slot).map(|edits| describe(&edits, Path::new("/r"), true))
    }

    #[test]
    fn installing_creates_keeps_or_does_nothing() {
        let keeps = "would keep h/pre-commit as h/pre-commit.before-bakstop; it runs first\n\
                     would write h/pre-commit\n";
        let idle = |why| {
            keeps.replace(
                "it runs first",
                &format!("it is {why}, so it did not run and still does not"),
            )
        };
        for (hook_file, has_kept, expected) in [
            (HookFile::Missing, false, "would create h/pre-commit\n"),
            (HookFile::Missing, true, "would create h/pre-commit\n"),
            (file(MINE, 0o755), false, keeps),
            (file(MINE, 0o644), false, &idle("not executable")),
            (file("", 0o755), false, keeps),
            (HookFile::Link(Some((MINE.into(), 0o755))), false, keeps),
            (HookFile::Link(Some((MINE.into(), 0o644))), false, &idle("not executable")),
            (HookFile::Link(None), false, &idle("a link that does not point to a file")),
            (file(shim(), 0o755), true, ""),
            (file(shim(), 0o644), true, "would write h/pre-commit\n"),
            (
                file(shim::render(Hook::PreCommit, None, &Fallback::default()), 0o755),
                false,
                "would write h/pre-commit\n",
            ),
        ] {
            assert_eq!(
                installed(&slot(hook_file.clone(), has_kept)).unwrap(),
                expected,
                "{hook_file:?}"
            );
        }
    }

    #[test]
    fn a_killed_installation_is_resumed() {
        let cut_off = Slot { kept_file: file(MINE, 0o755), ..slot(file(MINE, 0o755), true) };
        assert_eq!(installed(&cut_off).unwrap(), "would write h/pre-commit\n");
        assert_eq!(uninstalled(&cut_off).unwrap(), "removed h/pre-commit.before-bakstop\n");
        let scrap = PathBuf::from("/r/h/.bakstop-x1");
        let names = vec![scrap.clone(), "/r/h/pre-push".into()];
        let place = HookDirectory {
            directory: "/r/h".into(),
            exists: true,
            husky: false,
            names,
            slots: Vec::new(),
        };
        assert_eq!(uninstall(&place).unwrap(), [HookEdit::Remove(scrap)]);
    }

    #[test]
    fn installing_refuses_what_it_cannot_keep() {
        for (hook_file, has_kept, cause) in [
            (HookFile::Other, false, "h/pre-commit is not a file"),
            (
                file(MINE, 0o755),
                true,
                "h/pre-commit is not a hook of bakstop, \
                 and h/pre-commit.before-bakstop exists as well",
            ),
            (
                file([&shim(), MINE].concat(), 0o755),
                true,
                "h/pre-commit was edited after bakstop wrote it",
            ),
            (
                HookFile::Link(Some((shim(), 0o755))),
                false,
                "h/pre-commit is a link to a hook of bakstop",
            ),
            (
                file("#!/bin/sh\ncase $(basename \"$0\") in pre-commit) npm test ;; esac\n", 0o755),
                false,
                "h/pre-commit depends on its own name, so it cannot be renamed",
            ),
        ] {
            let error = installed(&slot(hook_file, has_kept)).unwrap_err();
            assert_eq!(error.cause(), cause);
            assert!(error.next_step().is_some());
        }
    }

    #[test]
    fn uninstalling_restores_removes_or_refuses() {
        let puts_back = "put h/pre-commit.before-bakstop back as h/pre-commit\n";
        for (hook_file, has_kept, expected) in [
            (HookFile::Missing, false, Ok("")),
            (HookFile::Missing, true, Ok(puts_back)),
            (file(shim(), 0o755), true, Ok(puts_back)),
            (file(shim(), 0o644), false, Ok("removed h/pre-commit\n")),
            (file(MINE, 0o755), false, Ok("")),
            (
                file(MINE, 0o755),
                true,
                Err("h/pre-commit is not a hook of bakstop, \
                     and h/pre-commit.before-bakstop is still kept"),
            ),
            (
                file([&shim(), MINE].concat(), 0o755),
                false,
                Err("h/pre-commit was edited after bakstop wrote it"),
            ),
            (HookFile::Link(Some((MINE.into(), 0o755))), false, Ok("")),
        ] {
            let done = uninstalled(&slot(hook_file.clone(), has_kept));
            let done = done.as_deref().map_err(Error::cause);
            assert_eq!(done, expected, "{hook_file:?}");
        }
    }

    #[test]
    fn a_shared_hook_names_no_program_of_this_machine() {
        let place = |hook_file| HookDirectory {
            directory: "/r/h".into(),
            exists: false,
            husky: false,
            names: Vec::new(),
            slots: vec![slot(hook_file, false)],
        };
        let recorded = Recorded::Program("/opt/me/bakstop".into());
        for tracked in [true, false] {
            let setup = Setup::Native { directory: "/r/h".into(), tracked };
            let edits = install(
                &setup,
                &place(HookFile::Missing),
                &Hook::USUAL,
                Guard { recorded: Some(&recorded), fallback: &Fallback::default() },
            )
            .unwrap();
            let [HookEdit::MakeDirectory { .. }, HookEdit::Write { text, .. }] = &edits[..] else {
                panic!("{edits:?}")
            };
            assert_eq!(find(text, b"/opt/me").is_none(), tracked);
        }
        let husky = Setup::Husky(Husky { directory: "/r/h".into(), direct: false, prepared: true });
        let edits = install(
            &husky,
            &place(HookFile::Missing),
            &Hook::USUAL,
            Guard { recorded: Some(&recorded), fallback: &Fallback::default() },
        )
        .unwrap();
        assert!(
            matches!(&edits[1], HookEdit::Write { text, .. } if find(text, b"/opt/me").is_none())
        );
    }

    #[test]
    fn the_block_is_only_added_where_sh_runs_it() {
        for (script, direct, ok) in [
            ("npm test\n", false, true),
            ("#!/usr/bin/env node\n", false, true),
            ("#!/usr/bin/env sh\nnpm test\n", true, true),
            ("#!/bin/sh -e\nnpm test\n", true, true),
            ("#!/usr/bin/env bash\n. \"$(dirname -- \"$0\")/_/husky.sh\"\n", true, true),
            ("#!/usr/bin/env bash\n[[ 1 ]]\n", true, false),
            ("#!/usr/bin/env node\n", true, false),
            ("npm test\n", true, false),
        ] {
            let done =
                install_block(&slot(file(script, 0o755), false), direct, &Fallback::default());
            assert_eq!(done.is_ok(), ok, "{script} {done:?}");
        }
        assert!(
            install_block(&slot(file("#!/bin/sh\n", 0o644), false), true, &Fallback::default())
                .is_err(),
            "git ignores it"
        );
    }

    #[test]
    fn a_block_is_renewed_moved_left_alone_or_refused() {
        let how = |text: Vec<u8>| match install_block(
            &slot(file(text, 0o644), false),
            false,
            &Fallback::default(),
        ) {
            Ok(edits) => match &edits[..] {
                [] => "nothing",
                [HookEdit::Write { how: Overwrite::AddBlock, .. }] => "added",
                [
                    HookEdit::Write {
                        how: Overwrite::RenewBlock, bits: Bits::Exact(0o644), ..
                    },
                ] => "renewed",
                _ => "else",
            },
            Err(_) => "refused",
        };
        let with = block::insert(Some(MINE), Hook::PreCommit, &Fallback::default());
        let block = block::render(Hook::PreCommit, &Fallback::default());
        let older =
            crate::hooks::seal(b"# >>> bakstop @DIGEST@, of another time\nexit 2\n# <<< bakstop");
        assert_eq!(how(MINE.into()), "added");
        assert_eq!(how(with.clone()), "nothing");
        assert_eq!(how([&older, &b"\n"[..], MINE].concat()), "renewed");
        assert_eq!(how([b"exit 0\n", &block[..]].concat()), "renewed");
        assert_eq!(
            how(String::from_utf8(with.clone()).unwrap().replace("exit 2", "exit 0").into()),
            "refused"
        );
        assert_eq!(how([&with[..], &block].concat()), "refused");
    }

    #[test]
    fn a_hook_that_depends_on_its_name_is_detected() {
        for (line, asks) in [
            ("name=$(basename \"$0\")", true),
            ("case ${0##*/} in", true),
            ("hook_type = File.basename($0)", true),
            ("os.path.basename(sys.argv[0])", true),
            ("cd \"$(dirname \"$0\")\"", false),
            ("# basename $0", false),
            ("basename \"$file\"", false),
        ] {
            assert_eq!(depends_on_name(line.as_bytes()), asks, "{line}");
        }
    }
}
