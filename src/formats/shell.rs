//! Shell scripts as commands and words, each with its place in the file. They are split as a POSIX
//! shell does. A value that is known only at run time is unknown; it is never guessed.

mod script;
mod expand;
mod wrappers;
mod split;

pub(crate) use expand::{Lookup, Resolved, Use, Variable, expand};
pub(crate) use script::{
    Command, Form, Link, Script, Word, is_shell_name, is_shell_script, unquoted,
};
