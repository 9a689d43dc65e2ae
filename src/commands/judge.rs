//! Judging, at whatever door: gathers what a scope brings, has it judged, and looks for a cure that works there.

use std::io::{IsTerminal, Read};

use crate::change::{Change, Entry, ObjectId};
use crate::commands::{Context, mend, mend_staged, restore_command};
use crate::engine::{Engine, LIMIT};
use crate::error::Error;
use crate::finding::Finding;
use crate::git::history::{Commits, History, Range};
use crate::git::objects::Objects;
use crate::git::worktree::{OnDisk, WorkTree};
use crate::git::{Changes, Git, Staged};
use crate::progress::Progress;
use crate::refs::{self, RefUpdate};
use crate::report::human::plural;
use crate::rule::{Check, Rule};
use crate::rules;

/// What is to be judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
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
    pub fn name(&self) -> &'static str {
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
#[derive(Debug)]
pub struct Judged {
    /// What was found, with cures that work there.
    pub findings: Vec<Finding>,
    /// How many new entries were looked at.
    pub entries: usize,
    /// What was judged and how, for `--verbose`.
    pub how: String,
    /// Why there was nothing to judge, if there was not.
    pub nothing: Option<String>,
    /// The command that undoes a preparation.
    pub restore: String,
    /// Whether the reader stands below the top of the work tree.
    pub below_top: bool,
    /// How to mend what commits carry, if they carry any.
    pub advice: Option<String>,
}

/// How it is judged.
#[derive(Debug, Clone, Copy)]
pub struct Options<'a> {
    /// Rules that are passed over.
    pub without: &'a [&'static Rule],
}

/// Judges a scope.
pub fn judge(scope: &Scope, options: &Options<'_>, context: &Context) -> Result<Judged, Error> {
    let past = || Past {
        context,
        options,
        objects: Objects::open(&context.directory, &context.env),
        history: History::new(Git::new(&context.directory), &context.env),
    };
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

/// The lines that git gives its hooks.
fn updates(parse: fn(&[u8]) -> Option<RefUpdate>) -> Result<Vec<RefUpdate>, Error> {
    let doing = "read what is pushed from standard input";
    let mut input = std::io::stdin().lock();
    if input.is_terminal() {
        return Err(Error::new(doing, "it is a terminal").help(
            "git gives its hooks a line for each ref there; to judge commits by hand: bakstop check --range REV",
        ));
    }
    let mut text = Vec::new();
    input.read_to_end(&mut text).map_err(|error| Error::new(doing, error))?;
    refs::lines(&text, parse).map_err(|line| {
        Error::new(doing, format!("this is no line of git's: {}", crate::escape::Escaped(line)))
            .help("see githooks(5) for what git gives its hooks")
    })
}

/// Judges the index against HEAD.
fn staged(options: &Options<'_>, context: &Context) -> Result<Judged, Error> {
    let staged = Staged::read(&context.directory, &context.env)?;
    if !staged.has_work_tree() {
        return Err(Error::new("judge what is staged", "this repository is bare: nothing can be staged in it")
            .help("name what to judge (`bakstop check --help`), or run this in a clone with a work tree"));
    }
    let mut engine = Engine::without(options.without);
    engine.entries(&staged)?;
    engine.together(&staged)?;
    let mut findings = engine.finish();
    mend_staged(&mut findings, &staged);
    let restore = restore_command(&staged, &findings)?;
    let entries = staged.fresh().len();
    Ok(Judged {
        findings,
        entries,
        how: format!("{}; {} judged", staged.layer(), plural(entries, "new path")),
        nothing: (entries == 0).then(|| "nothing new is staged".to_owned()),
        restore,
        below_top: staged.is_below_top(),
        advice: None,
    })
}

/// Judges the files on disk.
fn work_tree(options: &Options<'_>, context: &Context) -> Result<Judged, Error> {
    let tree = WorkTree::open(&context.directory)?;
    let files = OnDisk::all(&tree)?;
    let mut engine = Engine::without(options.without);
    engine.entries(&files)?;
    engine.together(&files)?;
    let mut findings = engine.finish();
    let on_disk = |path: &_| match tree.read(path, LIMIT) {
        Ok(Some(crate::change::Content::Bytes(text))) => Some(text),
        _ => None,
    };
    mend(&mut findings, &on_disk, &|path| tree.committed(path));
    let restore = restore_command(&files, &findings)?;
    let entries = files.fresh().len();
    Ok(Judged {
        findings,
        entries,
        how: format!("{} of the work tree judged", plural(entries, "file")),
        nothing: (entries == 0).then(|| "there is no file in the work tree".to_owned()),
        restore,
        below_top: !tree.prefix().is_empty(),
        advice: None,
    })
}

/// What commits and trees hold.
struct Past<'a> {
    context: &'a Context,
    options: &'a Options<'a>,
    objects: Objects,
    history: History<'a>,
}

impl Past<'_> {
    fn range(&self, spec: &str) -> Result<Judged, Error> {
        let range = self.history.range(spec)?;
        let commits = self.history.of_range(&range)?;
        let nothing = format!("there is no commit in {}", range.name);
        self.commits(&commits, nothing, "commits judged:", Rewrite::Commits)
    }

    fn tip(&self, spec: &str) -> Result<Judged, Error> {
        let Range { tip, fork, name, .. } = self.history.range(spec)?;
        let fork = self.history.tree_of(&fork)?;
        self.one(tip, Some(fork), format!("nothing is new at the end of {name}"))
    }

    fn tree(&self, name: &str) -> Result<Judged, Error> {
        self.one(self.history.tree(name)?, None, "the tree is empty".to_owned())
    }

    /// One tree, or what it has that another has not.
    fn one(&self, tip: ObjectId, other: Option<ObjectId>, nothing: String) -> Result<Judged, Error> {
        let tree = self.history.tree_of(&tip)?;
        let change = Changes::new(&self.objects).tree(tree, other)?;
        let mut engine = Engine::without(self.options.without);
        engine.entries(&change)?;
        engine.together(&change)?;
        let entries = change.fresh().len();
        let how = format!("{}; {} judged", self.objects.layer(), plural(entries, "new path"));
        Ok(self.judged(engine.finish(), entries, how, nothing))
    }

    fn push(&self, updates: &[RefUpdate], remote: Option<&str>) -> Result<Judged, Error> {
        let commits = self.history.of_push(updates, remote)?;
        let nothing = "nothing that is pushed is new to the remote".to_owned();
        self.commits(&commits, nothing, "commits judged:", Rewrite::Commits)
    }

    fn receive(&self, updates: &[RefUpdate]) -> Result<Judged, Error> {
        let commits = self.history.of_receive(updates)?;
        self.commits(&commits, "nothing that is pushed is new here".to_owned(), "commits judged:", Rewrite::Commits)
    }

    fn everything(&self) -> Result<Judged, Error> {
        let commits = self.history.everything()?;
        self.commits(&commits, "there is no commit".to_owned(), "commits judged:", Rewrite::History)
    }

    fn commits(
        &self,
        commits: &Commits,
        nothing: String,
        label: &'static str,
        rewrite: Rewrite,
    ) -> Result<Judged, Error> {
        let mut engine = Engine::without(self.options.without);
        let mut changes = Changes::new(&self.objects);
        let mut entries = 0;
        // What is compared with other files counts where it ends, not on the way.
        let mut compared: Vec<Entry> = Vec::new();
        let mut progress = Progress::new(label, commits.nodes.len(), self.context.terminal);
        for node in &commits.nodes {
            let change = changes.commit(node)?;
            entries += change.fresh().len();
            engine.entries(&change)?;
            if !commits.tips.is_empty() {
                compared.extend(change.into_fresh().into_iter().filter(is_compared));
            }
            progress.step();
        }
        drop(progress);
        for tree in &commits.bare_trees {
            let change = changes.tree(*tree, None)?;
            entries += change.fresh().len();
            engine.entries(&change)?;
            engine.together(&change)?;
        }
        for node in commits.nodes.iter().filter(|node| commits.tips.contains(&node.id)) {
            engine.together(&changes.end(node, compared.clone()))?;
        }
        let how = format!(
            "{}; {} in {} judged",
            self.objects.layer(),
            plural(entries, "new path"),
            plural(commits.nodes.len(), "commit")
        );
        let mut judged = self.judged(engine.finish(), entries, how, nothing);
        if !commits.nodes.is_empty() {
            judged.nothing = None;
        }
        judged.advice = self.mend(&mut judged.findings, commits, rewrite)?;
        Ok(judged)
    }

    fn judged(&self, mut findings: Vec<Finding>, entries: usize, how: String, nothing: String) -> Judged {
        // The commands of a cure are for the index and the work tree, which may hold something else.
        for finding in &mut findings {
            finding.steps = &[];
        }
        let nothing = (entries == 0).then_some(nothing);
        Judged { findings, entries, how, nothing, restore: String::new(), below_top: false, advice: None }
    }

    /// What a commit carries is not mended by a later one.
    fn mend(&self, findings: &mut [Finding], commits: &Commits, rewrite: Rewrite) -> Result<Option<String>, Error> {
        let mut carried = Vec::new();
        for finding in findings.iter_mut().filter(|finding| is_carried(finding)) {
            carried.extend(finding.commit.as_ref().map(|commit| commit.id));
            if finding.rule != SECRET {
                finding.help = rewrite.help();
            }
        }
        let Some(first) = commits.nodes.iter().find(|node| carried.contains(&node.id)) else { return Ok(None) };
        Ok(Some(match rewrite {
            Rewrite::History => {
                "to take it out of history, see `git filter-repo`; every clone keeps its own copy".into()
            }
            Rewrite::Commits if carried.iter().all(|id| *id == first.id) && self.is_head(&first.id)? => {
                "mend the files, `git add` them, then: git commit --amend".into()
            }
            Rewrite::Commits => {
                let from = if first.parents.is_empty() {
                    "--root".to_owned()
                } else {
                    format!("{:.12}~1", first.id.to_string())
                };
                format!(
                    "git rebase -i {from}, mark the commits named above with \"edit\", and mend each where it stops"
                )
            }
        }))
    }

    fn is_head(&self, commit: &ObjectId) -> Result<bool, Error> {
        self.history.find("HEAD").map(|head| head.as_ref() == Some(commit))
    }
}

/// How what commits carry is mended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rewrite {
    /// They are new: their author can still mend them.
    Commits,
    /// Others have them.
    History,
}

impl Rewrite {
    fn help(self) -> &'static str {
        match self {
            Self::Commits => "mend the commit itself: a later one leaves it in history",
            Self::History => "it stays in history until that is rewritten",
        }
    }
}

/// The rule whose cure is another: what was public once has to be revoked.
const SECRET: &str = "registry-token";

/// Whether a finding is about what a commit brings, and not about where a range ends.
fn is_carried(finding: &Finding) -> bool {
    finding.commit.is_some() && rules::find(finding.rule).is_some_and(|rule| !matches!(rule.check, Check::Files { .. }))
}

fn is_compared(entry: &Entry) -> bool {
    rules::RULES.iter().any(|rule| matches!(rule.check, Check::Files { wants, .. } if wants(&entry.path)))
}
