//! How a bare repository runs its hooks, and where the guard is installed.

use std::path::PathBuf;

use crate::base::error::Error;
use crate::hooks::display_path;
use crate::hooks::layout::Layout;
use crate::hooks::shim::Author;
use crate::hooks::slot::{HookDirectory, HookFile, Slot};
use crate::hooks::state::{Defect, HookState};

/// The directory whose programs the `pre-receive` of Gitea and Forgejo runs one after the other.
const DELEGATES: &str = "pre-receive.d";

/// A repository that is pushed to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Server {
    /// Where git looks for hooks.
    pub hooks: PathBuf,
    /// Whether `pre-receive` belongs to the hosting program, and runs the programs of a directory.
    pub delegates: bool,
}

impl Server {
    /// Reads `pre-receive`.
    pub(crate) fn find(layout: &Layout) -> Result<Self, Error> {
        let hooks = layout.hooks.clone();
        let place = HookDirectory::server(&hooks, &layout.top)?;
        // Without a foreign `pre-receive`, nothing runs the directory.
        let is_foreign =
            |slot: &&Slot| slot.file != HookFile::Missing && slot.author() == Author::Others;
        let delegates = |slot: &Slot| runs_directory(slot.text()) || hooks.join(DELEGATES).is_dir();
        let delegates = place.slots.iter().find(is_foreign).is_some_and(delegates);
        Ok(Self { hooks, delegates })
    }

    /// Where the guard is installed.
    pub(crate) fn place(&self, layout: &Layout) -> Result<HookDirectory, Error> {
        if self.delegates {
            HookDirectory::delegated(&self.hooks.join(DELEGATES), &layout.top)
        } else {
            HookDirectory::server(&self.hooks, &layout.top)
        }
    }

    /// Why the programs of the directory do not run, or may not.
    pub(crate) fn obstacle(&self, layout: &Layout) -> Result<Option<HookState>, Error> {
        if !self.delegates {
            return Ok(None);
        }
        let place = HookDirectory::server(&self.hooks, &layout.top)?;
        Ok(place.slots.iter().find_map(|slot| match slot.file.why_ignored() {
            Some(why) => Some(HookState::NotInForce(Defect::NotReached(slot.name.clone(), why))),
            None if runs_directory(slot.text()) => None,
            None => {
                let directory = display_path(&self.hooks.join(DELEGATES), &layout.top);
                Some(HookState::Doubtful(format!(
                    "it is unknown whether {} runs the programs in {directory}",
                    slot.name
                )))
            }
        }))
    }
}

/// Every directory that an earlier installation may have written into.
pub(crate) fn installed_directories(layout: &Layout) -> Result<Vec<HookDirectory>, Error> {
    let mut directories = vec![layout.default_hooks()];
    if layout.hooks.starts_with(&layout.common) {
        directories.push(layout.hooks.clone());
    }
    directories.dedup();
    let mut places = Vec::new();
    for directory in directories {
        places.push(HookDirectory::delegated(&directory.join(DELEGATES), &layout.top)?);
        places.push(HookDirectory::server(&directory, &layout.top)?);
    }
    Ok(places)
}

/// Whether a hook names the directory: `pre-receive.d`, `$name.d`, `${0##*/}.d`.
fn runs_directory(text: &[u8]) -> bool {
    let lines =
        text.split(|&byte| byte == b'\n').filter(|line| !line.trim_ascii_start().starts_with(b"#"));
    let in_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    lines.into_iter().any(|line| {
        memchr::memmem::find_iter(line, b".d").any(|at| {
            let (before, after) = (&line[..at], &line[at + 2..]);
            let word = before.iter().rev().take_while(|byte| in_word(byte)).count();
            let named = before.ends_with(b"pre-receive")
                || before.ends_with(b"}")
                || before.ends_with(b")")
                || (word > 0 && before[..before.len() - word].ends_with(b"$"));
            named && !after.first().is_some_and(in_word)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delegating_hook_names_the_directory() {
        for (line, runs) in [
            ("for hook in ${GIT_DIR}/hooks/${hookname}.d/*; do", true),
            ("run-parts hooks/pre-receive.d", true),
            ("for hook in \"$0.d\"/*; do", true),
            ("for hook in $GIT_DIR/hooks/$name.d/*", true),
            ("ls \"$(basename \"$0\").d\"", true),
            ("# runs pre-receive.d/*", false),
            (". /etc/profile.d/git.sh", false),
            ("${x}.data", false),
            ("echo a.d b.d", false),
            ("", false),
        ] {
            assert_eq!(runs_directory(format!("#!/bin/sh\n{line}\n").as_bytes()), runs, "{line}");
        }
    }
}
