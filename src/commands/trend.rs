//! `bakstop trend`: shows the builds of a record as text, tables and charts.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp, Unit};

use crate::base::error::Error;
use crate::base::escape::Escaped;
use crate::base::finding::Verdict;
use crate::base::path::{RepoPath, shell_quote};
use crate::commands::destination::destination;
use crate::commands::recording::record;
use crate::commands::{Context, Outcome};
use crate::measure::runs::{Run, labels};
use crate::report::runs::{self, RunsFormat};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes: 0 shown, whether or not it grew; 2 could not read the record.\n\n\
Example: bakstop trend builds.jsonl --format markdown --since 7d")]
pub(crate) struct Args {
    /// The record, as `verify --record` writes it
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// Output format
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    format: RunsFormat,

    /// Write the report to a file, and the text report to standard output
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Only the runs with this label (repeatable)
    #[arg(long, value_name = "LABEL")]
    label: Vec<String>,

    /// Only the runs since a day (in UTC) or in a time until now, such as 2026-05-02 or 7d
    #[arg(long, value_name = "WHEN")]
    since: Option<Start>,

    /// With --format markdown: an earlier record, for the columns before and after
    #[arg(long, value_name = "FILE")]
    before: Option<PathBuf>,
}

/// The start of a time.
#[derive(Debug, Clone, Copy)]
enum Start {
    Day(Date),
    /// So long ago.
    Ago(SignedDuration),
}

impl FromStr for Start {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(day) = text.parse() {
            return Ok(Self::Day(day));
        }
        let span: Option<Span> = text.parse().ok();
        // A day has 24 hours, a week seven days; a month has no fixed length.
        let days = SpanRelativeTo::days_are_24_hours();
        let seconds = span.and_then(|span| span.total((Unit::Second, days)).ok());
        let ago = seconds.filter(|seconds| (0.0..1e10).contains(seconds));
        ago.map(|seconds| Self::Ago(SignedDuration::from_secs_f64(seconds)))
            .ok_or_else(|| "expected a day such as 2026-05-02, or a time such as 7d or 12h".into())
    }
}

impl Start {
    /// The first moment that counts; `None` if every moment does.
    fn start(self, now: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Day(day) => day.to_zoned(TimeZone::UTC).ok().map(|start| start.timestamp()),
            Self::Ago(time) => now.checked_sub(time).ok(),
        }
    }
}

/// Prints the runs of a record.
pub(crate) fn run(args: &Args, context: &Context) -> Result<Outcome, Error> {
    let inputs = [&Some(args.file.clone()), &args.before];
    let output =
        args.output.as_deref().map(|file| destination(file, &inputs, context)).transpose()?;
    if args.before.is_some() && args.format != RunsFormat::Markdown {
        return Err(Error::new("use --before", "only the table in Markdown has these columns")
            .help("add --format markdown"));
    }
    let since = args.since.and_then(|when| when.start(context.now));
    let has_label = |run: &Run| args.label.is_empty() || args.label.contains(&run.label);
    let mut runs = read(&args.file)?;
    known_labels(&args.label, &runs)?;
    runs.retain(|run| has_label(run) && since.is_none_or(|since| run.started >= since));
    let before = args.before.as_deref().map(read).transpose()?;
    let before: Option<Vec<Run>> = before.map(|runs| runs.into_iter().filter(has_label).collect());
    let charts = is_utf8(context);
    Ok(Outcome::in_format(Verdict::Clean, args.format, output, context.paint, |format, paint| {
        runs::report(format, &runs, before.as_deref(), paint, charts)
    }))
}

/// Fails if no recorded run has one of these labels. A record without a run knows none.
fn known_labels(wanted: &[String], runs: &[Run]) -> Result<(), Error> {
    let known = labels(runs);
    let is_unknown = |label: &&String| !known.is_empty() && !known.contains(&label.as_str());
    let Some(unknown) = wanted.iter().find(is_unknown) else { return Ok(()) };
    let shown = |label: &str| format!("\"{}\"", Escaped(label.as_bytes()));
    let named: Vec<String> = known.iter().take(LABELS).map(|label| shown(label)).collect();
    let more = if known.len() > LABELS { ", …" } else { "" };
    Err(Error::new("use --label", format!("no recorded run has the label {}", shown(unknown)))
        .help(format!("the record has: {}{more}", named.join(", "))))
}

/// How many labels an error names.
const LABELS: usize = 8;

/// The runs of a record that must exist.
fn read(file: &Path) -> Result<Vec<Run>, Error> {
    record::read(file)?.ok_or_else(|| {
        Error::new(format!("read the record {}", RepoPath::from(file)), "the file does not exist")
            .help(format!("create it: bakstop verify --record {} -- CMD", named(file)))
    })
}

fn named(file: &Path) -> Cow<'_, str> {
    shell_quote(file.as_os_str().as_encoded_bytes())
}

/// Whether the output is UTF-8, as the locale says.
fn is_utf8(context: &Context) -> bool {
    let set = |name: &str| context.env.text(name).filter(|value| !value.is_empty());
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(set);
    locale.is_some_and(|locale| {
        let locale = locale.to_ascii_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_begins_at_a_day_or_so_long_ago() {
        let now: Timestamp = "2026-05-20T10:00:00Z".parse().unwrap();
        for (text, start) in [
            ("2026-05-02", "2026-05-02T00:00:00Z"),
            ("7d", "2026-05-13T10:00:00Z"),
            ("1w", "2026-05-13T10:00:00Z"),
            ("12h", "2026-05-19T22:00:00Z"),
            ("90m", "2026-05-20T08:30:00Z"),
        ] {
            let when: Start = text.parse().unwrap();
            assert_eq!(when.start(now), Some(start.parse().unwrap()), "{text}");
        }
        for text in ["", "yesterday", "-7d", "1 month", "2026-13-01"] {
            assert!(text.parse::<Start>().is_err(), "{text}");
        }
    }
}
