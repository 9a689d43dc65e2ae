//! The scope, the options and the result of judging.

use std::path::{Path, PathBuf};

use crate::base::change::Change;
use crate::base::error::Error;
use crate::base::path::RepoPath;
use crate::builds::Overlays;
use crate::commands::{Context, listed, sources};
use crate::config::{self, Config};
use crate::disk::read::{self, FinalLink, ReadError};
use crate::engine::{Engine, Hidden, Judgement};
use crate::git::worktree::WorkTree;
use crate::report::View;
use crate::report::paint::Paint;
use crate::rule::{Rule, RuleGroup};
use crate::rules::MISSING_OVERLAY;

/// The scope of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Scope {
    /// The index against HEAD.
    Staged,
    /// The commits of a range, or only its tip.
    Range {
        spec: String,
        /// Whether only the tip is judged.
        tip: bool,
    },
    /// A push to this remote, by name or URL.
    Push(Option<String>),
    /// A push of one revision to this remote.
    PushOf { remote: String, tip: String },
    /// A push that a server receives.
    Receive,
    /// Every file of a tree.
    Tree(String),
    /// Every file of HEAD, if it exists.
    Head,
    /// Every file of the work tree that is not ignored.
    WorkTree,
    /// Every commit that a ref reaches.
    History,
}

impl Scope {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Staged => "staged",
            Self::Range { tip: false, .. } => "range",
            Self::Range { tip: true, .. } => "tip",
            Self::Push(_) | Self::PushOf { .. } => "push",
            Self::Receive => "receive",
            Self::Tree(_) | Self::Head => "tree",
            Self::WorkTree => "worktree",
            Self::History => "history",
        }
    }
}

/// The result of judging.
#[derive(Debug, Default)]
pub(crate) struct Judged {
    /// The findings, with steps that work in this repository.
    pub judgement: Judgement,
    /// The number of new entries.
    pub entries: usize,
    /// Lines for `--verbose`: the scope, and how it was read.
    pub details: Vec<String>,
    /// Why nothing was judged, if nothing was.
    pub skip_reason: Option<String>,
    /// Whether the current directory is below the top of the work tree.
    pub below_top: bool,
    /// How to rewrite commits with findings.
    pub advice: Option<String>,
}

impl Judged {
    pub(super) fn new(
        judgement: Judgement,
        entries: usize,
        details: Vec<String>,
        nothing: impl Into<String>,
    ) -> Self {
        Self {
            judgement,
            entries,
            details,
            skip_reason: (entries == 0).then(|| nothing.into()),
            ..Self::default()
        }
    }

    pub(crate) fn view(&self, paint: Paint) -> View<'_> {
        let Self { below_top, advice, .. } = self;
        View { paint, below_top: *below_top, advice: advice.as_deref(), can_explain: true }
    }

    /// The lines of `--verbose`: how it was judged, and what the configuration hides.
    pub(crate) fn verbose_lines(&self) -> Vec<String> {
        let details = self.details.iter().map(|line| format!("bakstop: {line}"));
        let hidden = listed(&self.judgement.hidden, |Hidden { finding, by, reason }| {
            format!("bakstop: hidden by {by}: {} in {}: {reason}", finding.rule.id, finding.path)
        });
        details.chain(hidden).collect()
    }
}

/// How to judge. The default judges everything by the configuration of the repository.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Options<'a> {
    /// The files and directories to judge, relative to the current directory; all if empty.
    pub paths: &'a [PathBuf],
    /// Rules to skip.
    pub without: &'a [&'static Rule],
    /// The configuration to use instead of that of the repository.
    pub config: Option<&'a Path>,
    /// Shown when the configuration to judge by is invalid.
    pub recovery_hint: &'a str,
    /// Whether to look for everything that the configuration hides.
    pub explain: bool,
    /// Whether to list the new entries and judge nothing.
    pub list: bool,
    /// Whether to judge builds as a whole, and nothing else.
    pub doctor: bool,
    /// To judge only whether Dockerfiles take these.
    pub overlays: Option<&'a Overlays>,
}

impl Options<'_> {
    /// The work tree to judge. A preparation needs no git.
    pub(crate) fn tree(&self, context: &Context) -> Result<WorkTree, Error> {
        match self.overlays {
            Some(_) => sources::open(context),
            None => WorkTree::open(&context.directory),
        }
    }
}

/// The engine that judges by a configuration.
pub(crate) fn engine<'a>(config: &'a Config, options: &Options<'_>) -> Engine<'a> {
    if let Some(overlays) = options.overlays {
        return Engine::of(&[MISSING_OVERLAY], config).preparing(Some(overlays.clone()));
    }
    let is_asked = |rule: &Rule| match rule.group {
        RuleGroup::Config => true,
        RuleGroup::Doctor => options.doctor || config.judges_builds(),
        _ => !options.doctor,
    };
    Engine::new(config)
        .only(is_asked)
        .without(options.without)
        .only_new_in_builds(!options.doctor)
        .explain_hidden(options.explain)
        .only_list(options.list)
}

/// Reads a configuration from outside the judged files.
pub(super) fn config_file(path: &Path, context: &Context) -> Result<Config, Error> {
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

/// The configuration of `--config`, or that of a change.
pub(crate) fn configuration(
    change: &dyn Change,
    options: &Options<'_>,
    context: &Context,
) -> Result<Config, Error> {
    match options.config {
        Some(path) => config_file(path, context),
        // Nothing will be judged.
        None if change.fresh().is_empty() => Ok(Config::default()),
        None => Config::from_change(change, || context.today()),
    }
}
