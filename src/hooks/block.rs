//! The marked block in a hook file that is tracked and shared: husky's.
//!
//! Everything outside the block is kept to the byte, and removing the block restores the file.

use std::ops::Range;

use crate::hooks::fallback::Fallback;
use crate::hooks::{Hook, find, is_sealed, seal};

const TEXT: &str = include_str!("../../hooks/husky.sh");
/// The start of the line that opens the block. The digest follows.
const OPEN: &[u8] = b"# >>> bakstop ";
/// The line that closes the block.
const CLOSE: &[u8] = b"# <<< bakstop";

/// The block, without a line end after it.
pub(super) fn render(hook: Hook, fallback: &Fallback) -> Vec<u8> {
    seal(&fallback.fill_how(hook.fill_template(TEXT, fallback).trim_end()))
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Block {
    /// Its bytes, without the line end after it.
    span: Range<usize>,
    pub condition: Condition,
    /// What it does without the program.
    pub fallback: Fallback,
}

/// The condition of a block: the first that applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Condition {
    /// It was changed by hand.
    Edited,
    /// Its lines end in CRLF, which no POSIX shell can run.
    Crlf,
    /// Commands come before it, other than a shebang and husky's own line, and can end the hook.
    Misplaced,
    /// Another version wrote it.
    Older,
    /// It is the block of this version.
    Current,
}

/// The result of a search for the block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    Nothing,
    Block(Block),
    /// Marks that do not form one block: a merge lost or doubled lines.
    Pieces,
}

/// Finds the block.
pub(super) fn look(text: &[u8], hook: Hook) -> Found {
    let starts: Vec<usize> = line_starts(text).filter(|&at| text[at..].starts_with(OPEN)).collect();
    let ends: Vec<Range<usize>> = line_starts(text)
        .map(|at| at..at + line_length(&text[at..]))
        .filter(|line| &text[line.clone()] == CLOSE)
        .collect();
    match (&starts[..], &ends[..]) {
        ([], []) => Found::Nothing,
        ([start], [end]) if *start < end.start => {
            let span = *start..end.end;
            let fallback = Fallback::of(&text[span.clone()]);
            let condition = condition(text, &span, hook, &fallback);
            Found::Block(Block { span, condition, fallback })
        }
        _ => Found::Pieces,
    }
}

fn condition(text: &[u8], span: &Range<usize>, hook: Hook, fallback: &Fallback) -> Condition {
    let bytes = &text[span.clone()];
    let lf = String::from_utf8_lossy(bytes).replace("\r\n", "\n").into_bytes();
    let rest = [&text[..span.start], &text[span.end..]].concat();
    if !is_sealed(&lf, OPEN) {
        Condition::Edited
    } else if lf.len() < bytes.len() {
        Condition::Crlf
    } else if header(&rest) < span.start {
        Condition::Misplaced
    } else if lf == render(hook, fallback) {
        Condition::Current
    } else {
        Condition::Older
    }
}

/// Inserts the block after the shebang and husky's own line. `None` is a missing file.
pub(super) fn insert(text: Option<&[u8]>, hook: Hook, fallback: &Fallback) -> Vec<u8> {
    let block = render(hook, fallback);
    let Some(text) = text else { return [&block[..], b"\n"].concat() };
    let at = header(text);
    let (before, after) = text.split_at(at);
    match (before, after) {
        // A missing line end is preserved: the block then ends without one, which `remove` undoes.
        // This also distinguishes an empty file from a missing one.
        ([], []) => block,
        (_, []) if !before.ends_with(b"\n") => [before, b"\n", &block].concat(),
        _ => [before, &block, b"\n", after].concat(),
    }
}

/// Removes the block; `None` if the file was missing before the block was inserted.
pub(super) fn remove(text: &[u8], block: &Block) -> Option<Vec<u8>> {
    let (before, after) = (&text[..block.span.start], &text[block.span.end..]);
    if after.is_empty() {
        return Some(before.strip_suffix(b"\n").unwrap_or(before).to_owned());
    }
    let after = after.strip_prefix(b"\r").unwrap_or(after);
    let after = after.strip_prefix(b"\n").unwrap_or(after);
    (!before.is_empty() || !after.is_empty()).then(|| [before, after].concat())
}

/// The first and last line of the block, counted from 1.
pub(super) fn lines(text: &[u8], block: &Block) -> (usize, usize) {
    let line = |at: usize| text[..at].split(|&byte| byte == b'\n').count();
    (line(block.span.start), line(block.span.end))
}

/// The offset at which the block belongs: after the shebang and after the line that loads
/// `husky.sh` (husky 5 to 8), which runs the file again and must come first.
fn header(text: &[u8]) -> usize {
    let mut end = 0;
    let mut at = 0;
    while at < text.len() {
        let next = text[at..]
            .iter()
            .position(|&byte| byte == b'\n')
            .map_or(text.len(), |newline| at + newline + 1);
        let line = text[at..next].trim_ascii();
        let shebang = at == 0 && line.starts_with(b"#!");
        let loads_husky = find(line, b"/husky.sh").is_some()
            && (line.starts_with(b". ") || line.starts_with(b"source "));
        if shebang || loads_husky {
            end = next;
        } else if !line.is_empty() && !line.starts_with(b"#") {
            break;
        }
        at = next;
    }
    end
}

fn line_starts(text: &[u8]) -> impl Iterator<Item = usize> {
    std::iter::once(0).chain(memchr::memchr_iter(b'\n', text).map(|at| at + 1))
}

/// The length of the first line, without its line end.
fn line_length(text: &[u8]) -> usize {
    let length = text.iter().position(|&byte| byte == b'\n').unwrap_or(text.len());
    if text[..length].ends_with(b"\r") && length < text.len() { length - 1 } else { length }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HOOK: Hook = Hook::PreCommit;

    fn only_block(text: &[u8]) -> Block {
        match look(text, HOOK) {
            Found::Block(block) => block,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_block_follows_the_shebang_and_the_line_of_husky() {
        let block = String::from_utf8(render(HOOK, &Fallback::default())).unwrap();
        let husky_8 = "#!/usr/bin/env sh\n. \"$(dirname -- \"$0\")/_/husky.sh\"\n";
        for (before, expected) in [
            ("npm test\n", format!("{block}\nnpm test\n")),
            ("npm test", format!("{block}\nnpm test")),
            ("#!/bin/sh\nnpm test\n", format!("#!/bin/sh\n{block}\nnpm test\n")),
            ("#!/bin/sh\r\nnpm test\r\n", format!("#!/bin/sh\r\n{block}\nnpm test\r\n")),
            ("#!/bin/sh", format!("#!/bin/sh\n{block}")),
            ("# x\nnpm test\n", format!("{block}\n# x\nnpm test\n")),
            ("", block.clone()),
            (&format!("{husky_8}\nnpm test\n"), format!("{husky_8}{block}\n\nnpm test\n")),
        ] {
            let with = insert(Some(before.as_bytes()), HOOK, &Fallback::default());
            assert_eq!(String::from_utf8_lossy(&with), expected);
            let found = only_block(&with);
            assert_eq!(found.condition, Condition::Current, "{before:?}");
            assert_eq!(remove(&with, &found).as_deref(), Some(before.as_bytes()), "{before:?}");
        }
        let created = insert(None, HOOK, &Fallback::default());
        assert_eq!(remove(&created, &only_block(&created)), None);
    }

    #[test]
    fn a_block_that_was_moved_edited_or_converted_is_detected() {
        let block = String::from_utf8(render(HOOK, &Fallback::default())).unwrap();
        let other = String::from_utf8(render(Hook::PreMergeCommit, &Fallback::default())).unwrap();
        for (text, condition) in [
            (format!("exit 0\n{block}\n"), Condition::Misplaced),
            (block.replace("exit 2", "exit 0"), Condition::Edited),
            (other, Condition::Older),
            (block.replace('\n', "\r\n"), Condition::Crlf),
            (block.replacen('\n', "\r\n", 1), Condition::Crlf),
        ] {
            assert_eq!(only_block(text.as_bytes()).condition, condition, "{text}");
        }
        let converted = format!("{block}\nnpm test\n").replace('\n', "\r\n");
        assert_eq!(
            remove(converted.as_bytes(), &only_block(converted.as_bytes())).unwrap(),
            b"npm test\r\n"
        );
        for pieces in [
            format!("{block}\n{block}\n"),
            block.replace("# <<<", "#"),
            block.replace("# >>>", "#"),
        ] {
            assert_eq!(look(pieces.as_bytes(), HOOK), Found::Pieces);
        }
        assert_eq!(
            lines(
                format!("a\n{block}\n").as_bytes(),
                &only_block(format!("a\n{block}\n").as_bytes())
            ),
            (2, 1 + block.lines().count())
        );
    }

    proptest! {
        #[test]
        fn removing_the_block_restores_every_byte(
            text in prop::collection::vec(
                prop_oneof![
                    Just(&b"\n"[..]), Just(&b"\r\n"[..]), Just(&b"\r"[..]), Just(&b" "[..]),
                    Just(&b"#!/bin/sh"[..]), Just(&b"# x"[..]), Just(&b"npm test"[..]),
                    Just(&b". ./_/husky.sh"[..]), Just(&b"\xff\0"[..]),
                ],
                0..8,
            ),
        ) {
            let text = text.concat();
            let with = insert(Some(&text), HOOK, &Fallback::default());
            let block = only_block(&with);
            prop_assert_eq!(block.condition, Condition::Current);
            prop_assert_eq!(remove(&with, &block), Some(text));
        }
    }
}
