//! Keeps files out of a context.

use crate::base::edit::Edit;
use crate::base::escape::Escaped;
use crate::builds::{BuildContext, Builds};
use crate::edit::appended;

impl Builds {
    /// How to keep what a pattern matches out of a context: the help, and the edit of the ignore
    /// file if there is one.
    pub(crate) fn exclusion(
        &self,
        context: &BuildContext,
        pattern: &str,
    ) -> (String, Option<Edit>) {
        let Some(ignore) = &context.ignore else {
            let path = context.path(".dockerignore");
            return (format!("write `{pattern}` to {}", Escaped(path.as_bytes())), None);
        };
        let file = self.file(ignore.file);
        let help = format!("add the line `{pattern}` at the end of {}", file.path);
        (help, Some(appended(file, &[pattern])))
    }
}
