//! What is judged, how, and what came of it.

use std::path::Path;

use crate::base::change::Change;
use crate::base::error::Error;
use crate::base::path::RepoPath;
use crate::commands::{Context, listed};
use crate::config::{self, Config};
use crate::disk::read::{self, FinalLink, ReadError};
use crate::engine::{Engine, Hidden, Judgement};
use crate::report::View;
use crate::report::paint::Paint;
use crate::rule::Rule;

/// What is to be judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Scope {
    /// What is about to be committed.
    Staged,
    /// The commits of a range, or only where it ends.
    Range {
        /// The range, as it was typed.
        spec: String,
        /// Whether only its end counts.
        tip: bool,
    },
    /// What is about to be pushed to this remote: its name, or its URL.
    Push(Option<String>),
    /// What is being received.
    Receive,
    /// All of a tree.
    Tree(String),
    /// Every file of the work tree that is not ignored.
    WorkTree,
    /// Everything that any ref reaches.
    History,
}

impl Scope {
    /// The word that reports use.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Staged => "staged",
            Self::Range { tip: false, .. } => "range",
            Self::Range { tip: true, .. } => "tip",
            Self::Push(_) => "push",
            Self::Receive => "receive",
            Self::Tree(_) => "tree",
            Self::WorkTree => "worktree",
            Self::History => "history",
        }
    }
}

/// What was judged, and what is to be said of it.
#[derive(Debug, Default)]
pub(crate) struct Judged {
    /// What was found, with cures that work there.
    pub judgement: Judgement,
    /// How many new entries were looked at.
    pub entries: usize,
    /// What was judged and how, for `--verbose`: a line each.
    pub how: Vec<String>,
    /// Why there was nothing to judge, if there was not.
    pub nothing: Option<String>,
    /// Whether the reader stands below the top of the work tree.
    pub below_top: bool,
    /// How to mend what commits carry, if they carry any.
    pub advice: Option<String>,
}

impl Judged {
    pub(super) fn new(
        judgement: Judgement,
        entries: usize,
        how: Vec<String>,
        nothing: impl Into<String>,
    ) -> Self {
        Self {
            judgement,
            entries,
            how,
            nothing: (entries == 0).then(|| nothing.into()),
            ..Self::default()
        }
    }

    /// How a person sees the report.
    pub(crate) fn view(&self, paint: Paint) -> View<'_> {
        View { paint, below_top: self.below_top, advice: self.advice.as_deref() }
    }

    /// What `--verbose` tells, a line each: how it was judged, and what the configuration hides.
    pub(crate) fn verbose_lines(&self) -> Vec<String> {
        let how = self.how.iter().map(|line| format!("bakstop: {line}"));
        let hidden = listed(&self.judgement.hidden, |Hidden { finding, by, reason }| {
            format!("bakstop: hidden by {by}: {} in {}: {reason}", finding.rule.id, finding.path)
        });
        how.chain(hidden).collect()
    }
}

/// How it is judged.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Options<'a> {
    /// Rules that are passed over.
    pub without: &'a [&'static Rule],
    /// The configuration to go by, whatever the repository says.
    pub config: Option<&'a Path>,
    /// What a person can do where the configuration of a commit is broken.
    pub recovery_hint: &'a str,
    /// Whether to find out everything that the configuration hides.
    pub explain: bool,
    /// Whether only to list what there is to judge.
    pub list: bool,
}

/// An engine that goes by a configuration.
pub(super) fn engine<'a>(config: &'a Config, options: &Options<'_>) -> Engine<'a> {
    Engine::new(config)
        .without(options.without)
        .explain_hidden(options.explain)
        .only_list(options.list)
}

/// The configuration in a file, which the repository does not choose.
pub(super) fn given(path: &Path, context: &Context) -> Result<Config, Error> {
    let shown = RepoPath::from(path).to_string();
    let doing = format!("read the configuration {shown}");
    let text = read::file(&context.directory.join(path), FinalLink::Follow, config::LIMIT)
        .map_err(|error| {
            let help = match error {
                ReadError::TooLarge { .. } => "make it smaller",
                _ => "name a file that exists and is readable",
            };
            Error::new(doing, error).help(help)
        })?;
    Config::parse(&shown, &text, context.today()).map(Config::outside)
}

/// The configuration that was given, or that a change carries.
pub(crate) fn configuration(
    change: &dyn Change,
    options: &Options<'_>,
    context: &Context,
) -> Result<Config, Error> {
    match options.config {
        Some(path) => given(path, context),
        // Where nothing is new, nothing is asked of it.
        None if change.fresh().is_empty() => Ok(Config::default()),
        None => Config::from_change(change, || context.today()),
    }
}
