//! The record of runs and the limits that a run is held to: arguments of `verify` and `measure`.

use std::path::PathBuf;

use crate::commands::recording::record::Record;
use crate::measure::builds::CacheGate;
use crate::measure::runs::Run;
use crate::measure::trend::{IN_A_ROW, LONGEST_ROW, Limit, LostCache, Timing, Trend, lost_caches};
use crate::measure::units::{Budget, Percent, Share};
use crate::report::timing;

/// The heading of these arguments in the help.
pub(in crate::commands) const TIME: &str = "Build times";

// A doc comment would replace that of the verb.
#[derive(Debug, clap::Args)]
pub(in crate::commands) struct Limits {
    /// Fail if the build takes longer, such as 30s or 1m30s
    #[arg(long, help_heading = TIME, value_name = "TIME", requires = "command")]
    pub budget: Option<Budget>,

    /// Append the run to a file: label, time, exit code, state of the tree, commit, machine, and
    /// what Docker recorded of its builds
    #[arg(long, help_heading = TIME, value_name = "FILE", requires = "command")]
    pub record: Option<PathBuf>,

    /// Fail if this build and those before it took this much longer than the median of earlier
    /// ones, such as 10%: recorded runs with its label in which as many steps ran
    #[arg(long, help_heading = TIME, value_name = "PERCENT", requires = "record")]
    pub max_regression: Option<Percent>,

    /// How many builds in a row must be slower
    #[arg(
        long,
        help_heading = TIME,
        value_name = "N",
        requires = "max_regression",
        default_value_t = IN_A_ROW,
        value_parser = row
    )]
    pub in_a_row: usize,

    /// Fail if a smaller share of the RUN steps of a Docker build is cached, such as 3/5 or 60%
    #[arg(long, help_heading = TIME, value_name = "SHARE", requires = "command")]
    pub min_cached: Option<Share>,
}

impl Limits {
    /// The time of a run, and what it is compared with.
    pub(in crate::commands) fn timing(&self, record: Option<&Record>, run: &Run) -> Timing {
        let earlier = record.map_or(&[][..], Record::runs);
        let limit = |Percent(allowed)| Limit { allowed, in_a_row: self.in_a_row };
        Timing {
            seconds: run.seconds,
            budget: self.budget.map(|Budget(time)| time.as_secs_f64()),
            trend: self.max_regression.map(|allowed| Trend::of(earlier, run, limit(allowed))),
        }
    }

    /// The share of cached steps, if one is required.
    pub(in crate::commands) fn cache_gate(&self, run: &Run) -> Option<CacheGate> {
        self.min_cached.map(|share| CacheGate { share, builds: run.builds.clone() })
    }

    /// The steps that used to be cached, if runs are compared.
    pub(in crate::commands) fn lost_caches(
        &self,
        record: Option<&Record>,
        run: &Run,
    ) -> Vec<LostCache> {
        match record.filter(|_| self.max_regression.is_some() && run.is_successful()) {
            Some(record) => lost_caches(record.runs(), run, self.in_a_row),
            None => Vec::new(),
        }
    }

    /// The note on a successful run whose time does not decide yet.
    pub(in crate::commands) fn note(
        record: Option<&Record>,
        run: &Run,
        timing: &Timing,
    ) -> Option<String> {
        let (record, trend) = (record?, timing.trend.as_ref()?);
        timing::note(trend, run.seconds, record).filter(|_| run.is_successful())
    }
}

/// A number of builds in a row.
fn row(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| (1..=LONGEST_ROW).contains(number));
    number.ok_or_else(|| format!("expected a number from 1 to {LONGEST_ROW}"))
}
