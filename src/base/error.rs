//! Why something could not be judged or done.

use std::fmt::Display;

use crate::base::escape::{Escaped, no_command};

/// A failure that ends the run with exit code 2. Every error says what was being done, what went
/// wrong, and, where there is one, the next step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Error {
    doing: String,
    cause: String,
    help: Option<String>,
}

impl Error {
    /// `doing` completes "could not …"; `cause` is what the system, git or a parser said.
    ///
    /// The cause may quote a repository, so it is escaped here, line by line, once and for all.
    pub(crate) fn new(doing: impl Into<String>, cause: impl Display) -> Self {
        let cause = cause.to_string();
        // Git indents the commands that it proposes with a tab.
        let cause = cause.trim_end().replace('\t', "    ");
        let lines: Vec<String> =
            cause.lines().map(|line| no_command(Escaped(line.as_bytes()).to_string())).collect();
        Self { doing: doing.into(), cause: lines.join("\n"), help: None }
    }

    /// Adds the next step, as a sentence without an initial capital.
    #[must_use]
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds the next step unless there is a better one already.
    #[must_use]
    pub(crate) fn or_help(self, help: impl Into<String>) -> Self {
        if self.help.is_some() { self } else { self.help(help) }
    }

    /// What was being done; completes "could not …".
    pub(crate) fn doing(&self) -> &str {
        &self.doing
    }

    /// What went wrong: one line or several.
    pub(crate) fn cause(&self) -> &str {
        &self.cause
    }

    /// What to do next.
    pub(crate) fn next_step(&self) -> Option<&str> {
        self.help.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_of_a_cause_is_a_command_to_a_runner() {
        let error = Error::new("x", "fatal: a\n::error::b\n\t::set-output name=c::d\nf::g");
        let expected = "fatal: a\n\\u{003a}:error::b\n    \\u{003a}:set-output name=c::d\nf::g";
        assert_eq!(error.cause(), expected);
    }
}
