//! Judging for `check` and `hook`: gathers what a scope brings, has it judged, and has the cure
//! chosen that works there.

use std::io::{IsTerminal, Read};
use std::path::Path;

use crate::base::change::Change;
use crate::base::error::Error;
use crate::base::escape::Escaped;
use crate::base::path::RepoPath;
use crate::base::refs::{self, RefUpdate};
use crate::commands::{Context, listed};
use crate::config::{self, Config};
use crate::cure::{self, Facts};
use crate::disk::read::{self, FinalLink, ReadError};
use crate::engine::{Engine, Hidden, Judgement, LIMIT};
use crate::git::Staged;
use crate::git::worktree::{OnDisk, WorkTree};
use crate::project::kinds::FileKind;
use crate::report::human::{View, plural};
use crate::report::paint::Paint;
use crate::rule::Rule;

mod past;

use past::Past;

/// What is to be judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Scope {
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
    pub(super) fn name(&self) -> &'static str {
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
pub(super) struct Judged {
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
    fn new(
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
    pub(super) fn view(&self, paint: Paint) -> View<'_> {
        View { paint, below_top: self.below_top, advice: self.advice.as_deref() }
    }

    /// What `--verbose` tells, a line each: how it was judged, and what the configuration hides.
    pub(super) fn told(&self) -> Vec<String> {
        let how = self.how.iter().map(|line| format!("bakstop: {line}"));
        let hidden = listed(&self.judgement.hidden, |Hidden { finding, by, reason }| {
            format!("bakstop: hidden by {by}: {} in {}: {reason}", finding.rule.id, finding.path)
        });
        how.chain(hidden).collect()
    }
}

/// How it is judged.
#[derive(Debug, Clone, Copy)]
pub(super) struct Options<'a> {
    /// Rules that are passed over.
    pub without: &'a [&'static Rule],
    /// The configuration to go by, whatever the repository says.
    pub config: Option<&'a Path>,
    /// What a person can do where the configuration of a commit is broken.
    pub way_on: &'a str,
    /// Whether to find out everything that the configuration hides.
    pub explain: bool,
    /// Whether only to list what there is to judge.
    pub list: bool,
}

pub(super) fn judge(
    scope: &Scope,
    options: &Options<'_>,
    context: &Context,
) -> Result<Judged, Error> {
    let past = || Past::open(options, context);
    match scope {
        Scope::Staged => staged(options, context),
        Scope::WorkTree => work_tree(options, context),
        Scope::Tree(name) => past().tree(name),
        Scope::Range { spec, tip: true } => past().tip(spec),
        Scope::Range { spec, tip: false } => past().range(spec),
        Scope::Push(remote) => past().push(&updates(refs::of_push)?, remote.as_deref()),
        Scope::Receive => past().receive(&updates(refs::of_receive)?),
        Scope::History => past().everything(),
    }
}

/// The most bytes of the lines that git gives its hooks: more than a million of them.
const LINES: u64 = 256 * 1024 * 1024;

/// The lines that git gives its hooks.
fn updates(parse: fn(&[u8]) -> Option<RefUpdate>) -> Result<Vec<RefUpdate>, Error> {
    let doing = "read what is pushed from standard input";
    let input = std::io::stdin().lock();
    if input.is_terminal() {
        return Err(Error::new(doing, "it is a terminal").help(
            "git gives its hooks a line for each ref there; to judge commits by hand: bakstop check --range REV",
        ));
    }
    let mut text = Vec::new();
    let read =
        input.take(LINES).read_to_end(&mut text).map_err(|error| Error::new(doing, error))?;
    if read as u64 == LINES {
        return Err(Error::new(doing, "it does not end")
            .help("see githooks(5) for what git gives its hooks"));
    }
    refs::lines(&text, parse).map_err(|line| {
        Error::new(doing, format!("this is no line of git's: {}", Escaped(line)))
            .help("see githooks(5) for what git gives its hooks")
    })
}

/// An engine that goes by a configuration.
fn engine<'a>(config: &'a Config, options: &Options<'_>) -> Engine<'a> {
    Engine::new(config)
        .without(options.without)
        .explain_hidden(options.explain)
        .only_list(options.list)
}

/// The configuration in a file, which the repository does not choose.
fn given(path: &Path, context: &Context) -> Result<Config, Error> {
    let shown = RepoPath::new(path.as_os_str().as_encoded_bytes()).to_string();
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
pub(super) fn configuration(
    change: &dyn Change,
    options: &Options<'_>,
    context: &Context,
) -> Result<Config, Error> {
    match options.config {
        Some(path) => given(path, context),
        // Where nothing is new, nothing is asked of it.
        None if change.fresh().is_empty() => Ok(Config::default()),
        None => Config::of(change, || context.today()),
    }
}

/// Judges the index against HEAD.
fn staged(options: &Options<'_>, context: &Context) -> Result<Judged, Error> {
    let staged = Staged::read(&context.directory, &context.env)?;
    if !staged.has_work_tree() {
        return Err(Error::new(
            "judge what is staged",
            "there is no work tree here: this is a bare repository or a .git directory",
        )
        .help("name what to judge (`bakstop check --help`), or run this in a work tree"));
    }
    let (on_disk, committed) =
        (|path: &_| staged.on_disk(path, LIMIT), |path: &_| staged.committed(path, LIMIT));
    let judgement = in_files(&staged, false, on_disk, committed, options, context)?;
    let entries = staged.fresh().len();
    let how =
        vec![format!("the index was {}; {} judged", staged.layer(), plural(entries, "new path"))];
    let judged = Judged::new(judgement, entries, how, "nothing new is staged");
    Ok(Judged { below_top: staged.is_below_top(), ..judged })
}

/// Judges the files on disk.
fn work_tree(options: &Options<'_>, context: &Context) -> Result<Judged, Error> {
    let tree = WorkTree::open(&context.directory)?;
    let files = OnDisk::all(&tree)?;
    let (on_disk, committed) =
        (|path: &_| tree.text(path, LIMIT), |path: &_| tree.committed("HEAD", path));
    let judgement = in_files(&files, true, on_disk, committed, options, context)?;
    let entries = files.fresh().len();
    let how = vec![format!("{} of the work tree judged", plural(entries, "file"))];
    let judged = Judged::new(judgement, entries, how, "there is no file in the work tree");
    Ok(Judged { below_top: !tree.prefix().is_empty(), ..judged })
}

/// Judges files that have a work tree, where a cure changes them; they are read on disk and in
/// HEAD.
fn in_files(
    change: &dyn Change,
    whole: bool,
    on_disk: impl Fn(&RepoPath) -> Option<Vec<u8>>,
    committed: impl Fn(&RepoPath) -> Option<Vec<u8>>,
    options: &Options<'_>,
    context: &Context,
) -> Result<Judgement, Error> {
    let config = configuration(change, options, context)?;
    let mut judgement = engine(&config, options).whole(whole).judge(change)?;
    let script = || {
        Ok(change
            .whole(&|path| FileKind::PrepScript.is_of(path))?
            .into_iter()
            .next()
            .map(|entry| entry.path))
    };
    let facts = Facts {
        debris: config.debris(),
        on_disk: &on_disk,
        committed: &committed,
        script: &script,
    };
    cure::in_files(&mut judgement.findings, &facts)?;
    Ok(judgement)
}
