//! Edits of a Dockerfile.

use crate::base::change::File;
use crate::base::edit::Edit;
use crate::base::finding::Span;

/// The edit that adds a flag to a `RUN` at this place; `None` if it is written in another way.
pub(crate) fn with_flag(file: &File, run: &Span, flag: &str) -> Option<Edit> {
    let at = run.start + 4;
    let is_run = file.text.get(run.start..at)?.eq_ignore_ascii_case(b"RUN ");
    is_run.then(|| Edit { path: file.path.clone(), span: at..at, text: format!("{flag} ") })
}

/// The edit that declares a build argument after the `FROM` at this place.
pub(crate) fn with_argument(file: &File, from: &Span, name: &str) -> Edit {
    Edit { path: file.path.clone(), span: from.end..from.end, text: format!("\nARG {name}") }
}

/// Whether a name can be declared as a build argument without quotes.
pub(crate) fn is_argument(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    name.bytes().all(is_plain)
        && !name.starts_with(|first: char| first.is_ascii_digit())
        && !name.is_empty()
}
