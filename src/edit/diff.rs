//! Unified diffs of two texts.

use std::time::{Duration, Instant};

use similar::algorithms::{Capture, Compact, IdentifyDistinct, Replace, myers};
use similar::udiff::UnifiedHunkHeader;
use similar::{DiffOp, DiffTag, group_diff_ops};

/// After this time, a diff may be longer than needed.
const TIMEOUT: Duration = Duration::from_millis(500);

/// The lines of a unified diff with `radius` lines of context, without line feeds. Empty if the
/// texts are equal.
///
/// `similar::TextDiff` does the same, and links five algorithms of which one is used.
/// `first` is the number of lines before both texts.
pub(crate) fn unified(first: usize, old: &str, new: &str, radius: usize) -> Vec<String> {
    let old: Vec<&str> = old.split_inclusive('\n').collect();
    let new: Vec<&str> = new.split_inclusive('\n').collect();
    let mut diff = Vec::new();
    for hunk in group_diff_ops(operations(&old, &new), radius) {
        let placed: Vec<DiffOp> = hunk.iter().map(|operation| moved(*operation, first)).collect();
        diff.push(UnifiedHunkHeader::new(&placed).to_string());
        for operation in hunk {
            let (tag, before, after) = operation.as_tag_tuple();
            if tag == DiffTag::Equal {
                push_signed(' ', &old[before], &mut diff);
            } else {
                push_signed('-', &old[before], &mut diff);
                push_signed('+', &new[after], &mut diff);
            }
        }
    }
    diff
}

/// The number of lines that differ: of each changed place, those of the longer side.
pub(crate) fn differing_lines(old: &str, new: &str) -> usize {
    let old: Vec<&str> = old.split_inclusive('\n').collect();
    let new: Vec<&str> = new.split_inclusive('\n').collect();
    let changed = operations(&old, &new).into_iter().map(|operation| operation.as_tag_tuple());
    let changed = changed.filter(|(tag, ..)| *tag != DiffTag::Equal);
    changed.map(|(_, before, after)| before.len().max(after.len())).sum()
}

/// Appends lines of a text, each with its sign.
fn push_signed(sign: char, lines: &[&str], diff: &mut Vec<String>) {
    for line in lines {
        let content = line.strip_suffix('\n');
        diff.push(format!("{sign}{}", content.unwrap_or(line)));
        if content.is_none() {
            diff.push("\\ No newline at end of file".to_owned());
        }
    }
}

/// The operation, so many lines further down.
fn moved(operation: DiffOp, by: usize) -> DiffOp {
    let mut moved = operation;
    match &mut moved {
        DiffOp::Equal { old_index, new_index, .. }
        | DiffOp::Delete { old_index, new_index, .. }
        | DiffOp::Insert { old_index, new_index, .. }
        | DiffOp::Replace { old_index, new_index, .. } => {
            *old_index += by;
            *new_index += by;
        }
    }
    moved
}

fn operations(old: &[&str], new: &[&str]) -> Vec<DiffOp> {
    let deadline = Instant::now().checked_add(TIMEOUT);
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
    use super::unified;

    #[test]
    fn changed_lines_have_context() {
        assert_eq!(
            unified(0, "1\n2\n3\n4\n5\n", "1\n2\nthree\n4\n5", 1),
            [
                "@@ -2,4 +2,4 @@",
                " 2",
                "-3",
                "+three",
                " 4",
                "-5",
                "+5",
                "\\ No newline at end of file",
            ]
        );
        assert_eq!(unified(7, "1\n", "2\n", 1), ["@@ -8 +8 @@", "-1", "+2"]);
        assert_eq!(unified(0, "a\r\n", "a\r\n", 3), [""; 0]);
        assert_eq!(unified(0, "", "", 3), [""; 0]);
    }
}
