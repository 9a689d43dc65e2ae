//! Fuzz target: foreign hook files, which are parsed, edited and restored.

use std::path::Path;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use crate::base::escape::is_unsafe;
use crate::hooks::Hook;
use crate::hooks::block::{self, Found};
use crate::hooks::by_hand::{self, Style};
use crate::hooks::fallback::Fallback;
use crate::hooks::layout::parse_hooks_path;
use crate::hooks::lookup::Recorded;
use crate::hooks::manager::MANAGERS;
use crate::hooks::rehearsal::{self, Lines};
use crate::hooks::setup::mentions_bakstop;
use crate::hooks::shim::{self, Author};

/// A text as a hook file, as the configuration of a hook manager, and as the path of the program in
/// ours.
pub(crate) fn files(data: &[u8]) {
    for hook in Hook::STRICT {
        match block::look(data, hook) {
            Found::Nothing => {
                let with = block::insert(Some(data), hook, &Fallback::default());
                let Found::Block(found) = block::look(&with, hook) else {
                    panic!("the block is not found")
                };
                assert_eq!(block::remove(&with, &found).as_deref(), Some(data));
            }
            Found::Block(found) => {
                let (first, last) = block::lines(data, &found);
                assert!(1 <= first && first <= last);
                let without = block::remove(data, &found).unwrap_or_default();
                assert!(without.len() < data.len());
            }
            Found::Pieces => {}
        }
        shim::author(data, hook);
    }
    let path = Path::new(OsStr::from_bytes(data));
    if !data.is_empty() && !data.contains(&0) {
        for hook in [Hook::PrePush, Hook::PreReceive] {
            let how = String::from_utf8_lossy(data).into_owned();
            let fallback = Fallback { how, ..Fallback::default() };
            let recorded = Recorded::Program(path.to_owned());
            let text = shim::render(hook, Some(&recorded), &fallback);
            let Author::Bakstop(ours) = shim::author(&text, hook) else { panic!("not ours") };
            assert!(ours.current && ours.recorded == Some(recorded));
            assert!(hook == Hook::PreReceive || ours.fallback == fallback);
        }
    }
    mentions_bakstop(data);
    for manager in &MANAGERS {
        manager.wrote(data);
        manager.claims(|_| Some(data.to_vec()));
        for name in manager.configuration {
            let advice = by_hand::advice(manager.style, Some((name, data)), &Hook::STRICT);
            assert!(
                !advice.chars().any(|character| is_unsafe(character) && character != '\n'),
                "{advice:?}"
            );
            let served =
                Hook::STRICT.iter().filter(|hook| by_hand::can_serve(manager.style, **hook));
            // In pre-commit, one entry runs every hook.
            let is_named =
                |hook: &&Hook| manager.style == Style::Repos || advice.contains(hook.name());
            assert!(served.clone().all(|hook| is_named(&hook)));
        }
    }
}

/// The output of git about hooks, and about a rehearsed commit.
pub(crate) fn answers(data: &[u8]) {
    if let Some(setting) = parse_hooks_path(data) {
        assert!(setting.value.as_bytes().len() + setting.origin.as_bytes().len() < data.len());
    }
    let heard = |length: usize| {
        let mut heard = Vec::new();
        let mut lines = Lines::new(|line: &[u8]| heard.push(line.to_vec()));
        data.chunks(length).for_each(|piece| lines.take(piece));
        lines.finish();
        heard
    };
    assert_eq!(heard(3), heard(data.len().max(1)));
    rehearsal::version(&String::from_utf8_lossy(data));
}
