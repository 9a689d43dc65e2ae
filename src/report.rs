//! Reports: findings become text, at the last moment. One file a format.

pub mod cure;
pub mod human;
pub mod json;
pub mod verify;

use clap::ValueEnum;

use crate::error::Error;
use crate::finding::Finding;
use crate::paint::Paint;

/// How a report is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Format {
    /// For a person
    #[default]
    Human,
    /// For a program: one JSON document, its schema versioned
    Json,
}

/// Writes the findings of a check in a format.
pub fn check(format: Format, findings: &[Finding], judged: usize, view: human::View<'_>) -> String {
    match format {
        Format::Human => human::check(findings, view),
        Format::Json => json::check(findings, judged, view.restore),
    }
}

/// An error, in the same words everywhere.
pub fn error(error: &Error, paint: Paint) -> String {
    let mut lines = error.cause().lines();
    let mut text =
        format!("{} could not {}: {}\n", paint.bad("error:"), error.doing(), lines.next().unwrap_or_default());
    for line in lines {
        text += &format!("  {line}\n");
    }
    if let Some(help) = error.next_step() {
        text += &format!("{} {help}\n", paint.strong("help:"));
    }
    text
}
