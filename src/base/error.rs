//! The error that ends a run.

use std::fmt::Display;

use crate::base::escape::{Escaped, no_command};

/// A failure that ends the run with exit code 2: what was being done, the cause, and a next step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Error {
    doing: String,
    cause: String,
    help: Option<String>,
}

impl Error {
    /// `doing` completes "could not …"; `cause` is the message of the system, git or a parser. It
    /// may quote a repository, so each line is escaped here.
    pub(crate) fn new(doing: impl Into<String>, cause: impl Display) -> Self {
        let cause = cause.to_string();
        // Git indents proposed commands with a tab.
        let cause = cause.trim_end().replace('\t', "    ");
        let lines: Vec<String> =
            cause.lines().map(|line| no_command(Escaped(line.as_bytes()).to_string())).collect();
        Self { doing: doing.into(), cause: lines.join("\n"), help: None }
    }

    /// Adds the next step: a sentence without an initial capital.
    #[must_use]
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds the next step unless there is one.
    #[must_use]
    pub(crate) fn or_help(self, help: impl Into<String>) -> Self {
        if self.help.is_some() { self } else { self.help(help) }
    }

    pub(crate) fn doing(&self) -> &str {
        &self.doing
    }

    /// One line or several.
    pub(crate) fn cause(&self) -> &str {
        &self.cause
    }

    pub(crate) fn next_step(&self) -> Option<&str> {
        self.help.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_runner_obeys_no_line_of_a_cause() {
        let error = Error::new("x", "fatal: a\n::error::b\n\t::set-output name=c::d\nf::g");
        let expected = "fatal: a\n\\u{003a}:error::b\n    \\u{003a}:set-output name=c::d\nf::g";
        assert_eq!(error.cause(), expected);
    }
}
