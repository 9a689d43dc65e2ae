//! The hook file that is installed: a few lines of POSIX shell that find the program and run it.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use crate::hooks::fallback::{Fallback, quote, unquote};
use crate::hooks::lookup::Recorded;
use crate::hooks::{Hook, find, is_sealed, seal};

const TEXT: &str = include_str!("../../hooks/native.sh");
/// The template for a server: one program, which cannot be disabled.
const SERVER: &str = include_str!("../../hooks/server.sh");
/// The mark of a file that we wrote. The digest follows.
const MARK: &[u8] = b"# bakstop-hook ";
/// The start of the line that names the program, its placeholder, and its variable in other lines,
/// which are left out of a file without it.
const PROGRAM: [&str; 3] = ["\ninstalled=", "@BINARY@", "\"$installed\""];
/// The same for the directory of a package.
const PACKAGE: [&str; 3] = ["\npackage=", "@PACKAGE@", "\"$package\""];

/// A hook file that we wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shim {
    /// Where it looks in addition to the places of every hook.
    pub recorded: Option<Recorded>,
    /// Whether it is what this version would write.
    pub current: bool,
    /// What it does without a program.
    pub fallback: Fallback,
}

/// Who wrote a hook file, by its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Author {
    /// We wrote it, and it is unchanged.
    Bakstop(Shim),
    /// We wrote it, and it was changed by hand.
    BakstopAndOthers,
    /// Somebody else.
    Others,
}

/// Renders a hook file. A shared file has no path of this machine in `recorded`.
pub(super) fn render(hook: Hook, recorded: Option<&Recorded>, fallback: &Fallback) -> Vec<u8> {
    let template = if hook == Hook::PreReceive { SERVER } else { TEXT };
    let text = hook.fill_template(template, fallback);
    let (place, path) = match recorded {
        Some(Recorded::Program(path)) => (Some(PROGRAM), path.as_path()),
        Some(Recorded::Package(path)) => (Some(PACKAGE), path.as_path()),
        None => (None, Path::new("")),
    };
    let is_kept = |line: &&str| {
        let others = [PROGRAM, PACKAGE].into_iter().filter(|other| Some(*other) != place);
        others
            .flat_map(|[_, placeholder, variable]| [placeholder, variable])
            .all(|name| !line.contains(name))
    };
    let text: String = text.split_inclusive('\n').filter(is_kept).collect();
    let placeholder = place.map_or("", |[_, placeholder, _]| placeholder);
    match text.split_once(placeholder).filter(|_| place.is_some()) {
        None => seal(&fallback.fill_how(&text)),
        Some((before, after)) => {
            let path = quote(path.as_os_str().as_bytes());
            seal(&[before.as_bytes(), &path, &fallback.fill_how(after)].concat())
        }
    }
}

/// Recognises a hook file.
pub(super) fn author(text: &[u8], hook: Hook) -> Author {
    if find(text, MARK).is_none() {
        return Author::Others;
    }
    if !is_sealed(text, MARK) {
        return Author::BakstopAndOthers;
    }
    let path = |[start, ..]: [&str; 3]| {
        let path = find(text, start.as_bytes()).and_then(|at| unquote(&text[at + start.len()..]));
        path.filter(|path| !path.is_empty()).map(|path| PathBuf::from(OsString::from_vec(path)))
    };
    let recorded =
        path(PROGRAM).map(Recorded::Program).or_else(|| path(PACKAGE).map(Recorded::Package));
    let fallback = Fallback::of(text);
    let current = text == render(hook, recorded.as_ref(), &fallback);
    Author::Bakstop(Shim { recorded, current, fallback })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hooks::block;
    use std::ffi::OsStr;

    fn program() -> Recorded {
        Recorded::Program("/b".into())
    }

    #[test]
    fn a_shim_is_recognised_with_its_program() {
        for path in [
            &b"/usr/bin/bakstop"[..],
            b"/it's here/a\nb/\xff\x81\x88",
            b"/$(id)/`id`/\"x\"\\",
            b"/''/'",
        ] {
            let path = PathBuf::from(OsStr::from_bytes(path));
            for recorded in [Recorded::Program(path.clone()), Recorded::Package(path)] {
                let recorded = Some(recorded);
                let text = render(Hook::PreCommit, recorded.as_ref(), &Fallback::default());
                let expected = Shim { recorded, current: true, fallback: Fallback::default() };
                assert_eq!(author(&text, Hook::PreCommit), Author::Bakstop(expected));
            }
        }
        let shared = render(Hook::PreMergeCommit, None, &Fallback::default());
        let expected =
            Author::Bakstop(Shim { recorded: None, current: true, fallback: Fallback::default() });
        assert_eq!(author(&shared, Hook::PreMergeCommit), expected);
    }

    #[test]
    fn an_older_text_is_ours_and_an_edited_one_is_not_only_ours() {
        let older = seal(
            b"#!/bin/sh\n# bakstop-hook @DIGEST@, of another time\n\
              installed='/b'\nexec \"$installed\"\n",
        );
        let expected =
            Shim { recorded: Some(program()), current: false, fallback: Fallback::default() };
        assert_eq!(author(&older, Hook::PreCommit), Author::Bakstop(expected));
        let edited = [&older[..], b"npm test\n"].concat();
        assert_eq!(author(&edited, Hook::PreCommit), Author::BakstopAndOthers);
        assert_eq!(
            author(b"#!/bin/sh\nbakstop hook pre-commit\n", Hook::PreCommit),
            Author::Others
        );
    }

    #[test]
    fn a_shared_shim_has_no_line_about_a_program_of_this_machine() {
        let (shared, own) = (
            render(Hook::PreCommit, None, &Fallback::default()),
            render(Hook::PreCommit, Some(&program()), &Fallback::default()),
        );
        let lines = |text: Vec<u8>| {
            String::from_utf8(text).unwrap().lines().skip(2).map(str::to_owned).collect()
        };
        let (shared, own): (Vec<String>, Vec<String>) = (lines(shared), lines(own));
        let rest: Vec<String> =
            own.iter().filter(|line| !line.contains("installed")).cloned().collect();
        assert_eq!((shared.len() + 2, shared), (own.len(), rest));
        // As earlier versions wrote it.
        let older = seal(b"#!/bin/sh\n# bakstop-hook @DIGEST@, of another time\ninstalled=''\n");
        let expected = Shim { recorded: None, current: false, fallback: Fallback::default() };
        assert_eq!(author(&older, Hook::PreCommit), Author::Bakstop(expected));
    }

    #[test]
    fn no_placeholder_is_left() {
        for hook in Hook::STRICT.into_iter().chain([Hook::PreReceive]) {
            for text in [
                render(hook, Some(&program()), &Fallback::default()),
                block::render(hook, &Fallback::default()),
            ] {
                let text = String::from_utf8(text).unwrap();
                assert_eq!(text.matches('@').count(), text.matches("\"$@\"").count(), "{text}");
                // A hook that reads no lines does not wait for any, and exits like the guard.
                assert_eq!(text.contains("lines"), hook.reads_lines(), "{text}");
                assert_eq!(text.contains("exec "), !hook.reads_lines(), "{text}");
                assert!(text.contains(&format!("hook {} \"$@\"", hook.name())), "{text}");
            }
            let text = String::from_utf8(render(hook, None, &Fallback::default())).unwrap();
            let way_out = format!("BAKSTOP=0 {}'", hook.command());
            assert_eq!(text.contains(&way_out), hook != Hook::PreReceive, "{text}");
        }
    }
}
