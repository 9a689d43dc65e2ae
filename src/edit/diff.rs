//! Unified diffs of two texts.

use std::time::{Duration, Instant};

use similar::algorithms::{Capture, Compact, IdentifyDistinct, Replace, myers};
use similar::udiff::UnifiedHunkHeader;
use similar::{DiffOp, DiffTag, group_diff_ops};

/// After this time, a diff may be longer than needed.
const PATIENCE: Duration = Duration::from_millis(500);

/// A line of a unified diff, with its line feed if it has one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum DiffLine<'t> {
    /// `@@ -2,4 +2,4 @@`
    Hunk(String),
    Same(&'t str),
    Removed(&'t str),
    Added(&'t str),
}

/// A unified diff with `radius` lines of context. Empty if the texts are equal.
///
/// `similar::TextDiff` does the same, and links five algorithms of which one is used.
pub(crate) fn unified<'t>(old: &'t str, new: &'t str, radius: usize) -> Vec<DiffLine<'t>> {
    let old: Vec<&str> = old.split_inclusive('\n').collect();
    let new: Vec<&str> = new.split_inclusive('\n').collect();
    let mut lines = Vec::new();
    for hunk in group_diff_ops(operations(&old, &new), radius) {
        lines.push(DiffLine::Hunk(UnifiedHunkHeader::new(&hunk).to_string()));
        for operation in hunk {
            let (tag, before, after) = operation.as_tag_tuple();
            if tag == DiffTag::Equal {
                lines.extend(old[before].iter().map(|line| DiffLine::Same(line)));
            } else {
                lines.extend(old[before].iter().map(|line| DiffLine::Removed(line)));
                lines.extend(new[after].iter().map(|line| DiffLine::Added(line)));
            }
        }
    }
    lines
}

fn operations(old: &[&str], new: &[&str]) -> Vec<DiffOp> {
    let deadline = Instant::now().checked_add(PATIENCE);
    let known = IdentifyDistinct::<u32>::new(old, 0..old.len(), new, 0..new.len());
    let (before, after) = (known.old_lookup(), known.new_lookup());
    let mut found = Compact::new(Replace::new(Capture::new()), before, after);
    let Ok(()) = myers::diff_deadline(
        &mut found,
        before,
        known.old_range(),
        after,
        known.new_range(),
        deadline,
    );
    found.into_inner().into_inner().into_ops()
}

#[cfg(test)]
mod tests {
    use super::DiffLine::{Added, Hunk, Removed, Same};
    use super::unified;

    #[test]
    fn changed_lines_have_context() {
        assert_eq!(
            unified("1\n2\n3\n4\n5\n", "1\n2\nthree\n4\n5", 1),
            [
                Hunk("@@ -2,4 +2,4 @@".to_owned()),
                Same("2\n"),
                Removed("3\n"),
                Added("three\n"),
                Same("4\n"),
                Removed("5\n"),
                Added("5"),
            ]
        );
        assert_eq!(unified("a\r\n", "a\r\n", 3), []);
        assert_eq!(unified("", "", 3), []);
    }
}
