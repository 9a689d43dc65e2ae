//! Colour for terminals.

use owo_colors::{OwoColorize, Style};

use crate::os::env::Environment;

/// When to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum When {
    // On a terminal, unless the environment disables it
    #[default]
    Auto,
    // Always
    Always,
    // Never
    Never,
}

/// Adds colour to text, or does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Paint {
    on: bool,
}

impl Paint {
    pub(crate) const PLAIN: Self = Self { on: false };

    /// Decides for one stream: by the command line, then `NO_COLOR` (no-color.org),
    /// `CLICOLOR_FORCE` (bixense.com/clicolors) and `TERM=dumb`, then whether it is a terminal.
    pub(crate) fn decide(when: When, env: &Environment, terminal: bool) -> Self {
        let forced = env.get("CLICOLOR_FORCE").is_some_and(|value| value != "0");
        let dumb = env.get("TERM").is_some_and(|term| term == "dumb");
        let on = match when {
            When::Always => true,
            When::Never => false,
            When::Auto if env.get("NO_COLOR").is_some() => false,
            When::Auto if forced => true,
            When::Auto => terminal && !dumb,
        };
        Self { on }
    }

    /// For errors.
    pub(crate) fn bad(self, text: &str) -> String {
        self.style(text, Style::new().red().bold())
    }

    /// For warnings.
    pub(crate) fn doubtful(self, text: &str) -> String {
        self.style(text, Style::new().yellow().bold())
    }

    /// For success, and commands to run.
    pub(crate) fn good(self, text: &str) -> String {
        self.style(text, Style::new().green())
    }

    /// For emphasis.
    pub(crate) fn strong(self, text: &str) -> String {
        self.style(text, Style::new().bold())
    }

    /// For secondary text.
    pub(crate) fn faint(self, text: &str) -> String {
        self.style(text, Style::new().dimmed())
    }

    /// A line of a unified diff, or the one that counts the rest of it.
    pub(crate) fn diff(self, line: &str) -> String {
        match line.as_bytes().first() {
            Some(b'+') => self.good(line),
            Some(b'-') => self.bad(line),
            _ if line.starts_with('…') => self.faint(line),
            _ => line.to_owned(),
        }
    }

    fn style(self, text: &str, style: Style) -> String {
        if self.on { text.style(style).to_string() } else { text.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_wins_then_the_environment_then_the_terminal() {
        let none: [(&str, &str); 0] = [];
        for (when, variables, terminal, on) in [
            (When::Auto, &none[..], true, true),
            (When::Auto, &none[..], false, false),
            (When::Auto, &[("NO_COLOR", "1")][..], true, false),
            (When::Auto, &[("NO_COLOR", "")][..], true, true),
            (When::Auto, &[("CLICOLOR_FORCE", "1")][..], false, true),
            (When::Auto, &[("CLICOLOR_FORCE", "0")][..], false, false),
            (When::Auto, &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")][..], true, false),
            (When::Auto, &[("TERM", "dumb")][..], true, false),
            (When::Always, &[("NO_COLOR", "1")][..], false, true),
            (When::Never, &[("CLICOLOR_FORCE", "1")][..], true, false),
        ] {
            let env = variables.iter().copied().collect();
            assert_eq!(
                Paint::decide(when, &env, terminal).on,
                on,
                "{when:?} {variables:?} {terminal}"
            );
        }
    }
}
