//! A search of the raw bytes for names: much faster than reading the entries.

use crate::base::path::{FOLDED_BY, RepoPath, fold_contains};
use crate::git::index::{Extension, HEADER, IndexFile, unreadable};
use crate::git::layer::Handover;
use crate::git::source::Source;

/// The number of bytes that are searched at a time: so few that they stay in the processor's cache.
const SEARCHED: usize = 8 * 1024;

/// The number of bytes that the searched pieces have in common. No file system has longer names.
const OVERLAP: usize = 512;

impl<S: Source> IndexFile<S> {
    /// Whether an entry may be wanted whose name begins with `start`, with case folded; never
    /// wrongly `false`. The bytes are searched, which takes a fraction of the time of reading the
    /// entries.
    pub(in crate::git) fn may_have(
        &self,
        start: &[u8],
        wanted: &dyn Fn(&RepoPath) -> bool,
    ) -> Result<bool, Handover> {
        // Version 4 writes only the end of most paths.
        let is_plain = self.version < 4
            && self.raw_cache_tree()?.is_some_and(|(tree, _)| {
                // The directories of a sparse index hide paths.
                matches!(self.has_extension_after(*tree, *b"sdir"), Ok(false))
            });
        if !is_plain {
            return Ok(true);
        }
        let mut from = HEADER as u64;
        let mut buffer = vec![0; SEARCHED + OVERLAP];
        while from < self.end() {
            // Pieces overlap: a name may cross a border.
            let left = usize::try_from(self.end() - from).unwrap_or(usize::MAX);
            let length = left.min(buffer.len());
            let piece = &mut buffer[..length];
            self.source.read(piece, from).map_err(|error| unreadable(&error))?;
            // What starts in the common bytes is whole in the next piece.
            let mut ends = ends(piece, start).take_while(|(at, _)| *at < SEARCHED);
            if ends.any(|(_, end)| end.is_none_or(|end| wanted(&RepoPath::new(end)))) {
                return Ok(true);
            }
            from += SEARCHED as u64;
        }
        Ok(false)
    }

    fn has_extension_after(&self, before: Extension, wanted: [u8; 4]) -> Result<bool, Handover> {
        let mut at = before.from + u64::from(before.length);
        while let Some((signature, length)) = self.extension(at)? {
            if signature == wanted {
                return Ok(true);
            }
            at += 8 + u64::from(length);
        }
        Ok(false)
    }
}

/// The strings up to a zero that begin with `start`, in any case, with their places; `None` for one
/// whose zero is missing, or that begins with `start` only if characters beyond ASCII are folded:
/// it is at the start of the bytes, wherever it is.
fn ends<'a>(bytes: &'a [u8], start: &'a [u8]) -> impl Iterator<Item = (usize, Option<&'a [u8]>)> {
    // Letters are frequent, and have two cases.
    let rare = start.iter().position(|byte| !byte.is_ascii_alphabetic()).unwrap_or(0);
    let (lower, upper) = (start[rare].to_ascii_lowercase(), start[rare].to_ascii_uppercase());
    memchr::memchr2_iter(lower, upper, bytes).filter_map(move |middle| {
        if begins_beyond_ascii(bytes, middle, start, rare) {
            return Some((0, None));
        }
        let at = middle.checked_sub(rare)?;
        let rest = bytes.get(at..)?;
        let begins = rest.get(..start.len())?.eq_ignore_ascii_case(start);
        begins.then(|| (at, memchr::memchr(0, rest).map(|zero| &rest[..zero])))
    })
}

/// The maximum number of bytes of a name on most file systems.
const NAME: usize = 255;

/// Whether a character beyond ASCII is folded where a name begins with `start`, whose byte `rare`
/// is at `middle`. Ids and times are searched as well, so the cheap comparisons come first.
fn begins_beyond_ascii(bytes: &[u8], middle: usize, start: &[u8], rare: usize) -> bool {
    let differing =
        |(known, byte): (&u8, &u8)| (!known.eq_ignore_ascii_case(byte)).then_some(*byte);
    let mut after = start[rare..].iter().zip(&bytes[middle..]);
    let mut before = start[..rare].iter().rev().zip(bytes[..middle].iter().rev());
    let (after, before) = (after.find_map(differing), before.find_map(differing));
    let may_fold = (after.is_some() || before.is_some())
        && after.is_none_or(|byte| FOLDED_BY.contains(&byte))
        && before.is_none_or(|byte| !byte.is_ascii());
    let around = middle.saturating_sub(NAME)..bytes.len().min(middle + NAME);
    may_fold && fold_contains(&bytes[around], start)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::index::tests::{EntryDraft, entries, extension, index, read, tree};

    #[test]
    fn a_search_of_the_bytes_misses_no_name() {
        let root = extension("TREE", &tree("", -1, 0));
        let sparse = extension("sdir", b"");
        let wanted = |path: &RepoPath| path.as_bytes().to_ascii_lowercase().ends_with(b".docker");
        let may_have = |text: &[u8]| read(text).may_have(b"x-lock.", &wanted).unwrap();
        let long: &'static str = "x/".repeat(2000).leak();
        let others: Vec<EntryDraft> = (0..60)
            .map(|number| (format!("{long}{number:02}/x-lock.yaml").leak() as &str, 0))
            .collect();
        let none = [("a/x-lock.yaml", 0), ("lock.docker", 0)];
        assert!(may_have(&index(&[&entries(4, &none), &root])), "version 4");
        for version in 2..=3 {
            let text = |drafts: &[EntryDraft]| entries(version, drafts);
            let none = [&others[..], &none].concat();
            assert!(!may_have(&index(&[&text(&none), &root])));
            assert!(may_have(&index(&[&text(&none)])), "without a cache-tree");
            assert!(may_have(&index(&[&text(&none), &root, &sparse])));
            for name in [
                "x-lock.docker",
                "a/X-Lock.docker",
                "b-c/x-x-lock.a.Docker",
                "a/x-loc\u{212a}.docker",
                "a/x\u{200b}-lo\u{200c}ck\u{200d}.docker",
            ] {
                // On both sides of the border of a piece, and on it.
                for before in (5..60).step_by(2) {
                    let drafts = [&others[..before], &[(name, 0)], &others[before..]].concat();
                    assert!(may_have(&index(&[&text(&drafts), &root])), "{name} {before}");
                }
            }
        }
    }
}
