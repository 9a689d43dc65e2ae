//! Which commits are to be judged: those of a range, of a push, of all history.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::rc::Rc;

use crate::base::change::ObjectId;
use crate::base::error::Error;
use crate::base::path::RepoPath;
use crate::base::refs::RefUpdate;
use crate::disk::read::{self, FinalLink};
use crate::git::layer::ObjectKind;
use crate::git::objects::Objects;
use crate::git::process::{Git, parse_path, records, text, unreadable};
use crate::os::env::Environment;

/// The largest list of shallow commits, in bytes: more than a million of them.
const SHALLOW: u64 = 64 * 1024 * 1024;

mod range;

pub(crate) use range::Range;

/// A commit to be judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CommitNode {
    /// Its name.
    pub id: ObjectId,
    /// Its tree.
    pub tree: ObjectId,
    /// The trees of its parents.
    pub parents: Vec<ObjectId>,
}

/// Commits that are new to somebody, and where they lead.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Commits {
    /// The commits, parents before children.
    pub nodes: Vec<CommitNode>,
    /// The ends of it: what somebody will have checked out.
    pub tips: Vec<Tip>,
    /// Trees that a tag names without a commit.
    pub bare_trees: Vec<ObjectId>,
}

impl Commits {
    /// Whether there is nothing to judge.
    pub(crate) fn is_empty(&self) -> bool {
        self.nodes.is_empty() && self.tips.is_empty() && self.bare_trees.is_empty()
    }
}

/// Where a range or a pushed ref ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tip {
    /// The commit.
    pub commit: ObjectId,
    /// Its tree.
    pub tree: ObjectId,
    /// The trees that it is compared with: of where the ref was, or of commits just before what is
    /// new.
    pub bases: Vec<ObjectId>,
}

/// The most trees that a new ref is compared with. Beyond that, more is taken for new, never less.
const MOST_BASES: usize = 8;

/// Which refs say what the other side has already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known<'a> {
    /// None.
    Nothing,
    /// Every ref of this repository.
    EveryRef,
    /// What was last seen of this remote.
    Remote(&'a str),
    /// What was last seen of any remote.
    AnyRemote,
}

/// The history of a repository.
#[derive(Debug)]
pub(crate) struct History<'a> {
    git: Git,
    env: &'a Environment,
    objects: Rc<Objects>,
}

impl<'a> History<'a> {
    /// The history of the repository that git would use in this directory.
    pub(crate) fn new(git: Git, env: &'a Environment, objects: Rc<Objects>) -> Self {
        Self { git, env, objects }
    }

    /// The commits of a range.
    pub(crate) fn of_range(&self, range: &Range) -> Result<Commits, Error> {
        let doing = format!("judge the range {}", range.name);
        let (nodes, _) = self.list(&doing, &[range.tip], &[range.base], Known::Nothing)?;
        Ok(Commits { nodes, tips: vec![self.range_tip(range)?], bare_trees: Vec::new() })
    }

    /// Where a range ends, and the trees that this is compared with.
    pub(crate) fn range_tip(&self, range: &Range) -> Result<Tip, Error> {
        let doing = format!("judge the range {}", range.name);
        let commits = range.forks.iter().chain([&range.tip]);
        let trees: Option<Vec<ObjectId>> = self.trees(&doing, commits)?.into_iter().collect();
        let mut bases =
            trees.ok_or_else(|| Error::new(doing, "a tree is not here").help("see `git fsck`"))?;
        let tree = bases.pop().ok_or_else(|| Error::new("judge the range", "git told no tree"))?;
        Ok(Tip { commit: range.tip, tree, bases })
    }

    /// The tree of a revision.
    pub(crate) fn tree(&self, name: &str) -> Result<ObjectId, Error> {
        let doing = format!("judge the tree {}", shown(name));
        let [tree] = self.resolve_as(&doing, [name], "tree")?;
        tree.ok_or_else(|| self.unknown(&doing, name))
    }

    /// The tree of a commit that is known to be there.
    pub(crate) fn tree_of(&self, commit: &ObjectId) -> Result<ObjectId, Error> {
        self.objects.tree_of(commit).map_or_else(|| self.tree(&commit.to_string()), Ok)
    }

    /// The commits of a push that the remote does not have, as far as is known here.
    pub(crate) fn of_push(
        &self,
        updates: &[RefUpdate],
        remote: Option<&str>,
    ) -> Result<Commits, Error> {
        let name = self.remote(remote)?;
        let known = match (&name, remote) {
            (Some(name), _) => Known::Remote(name),
            (None, None) => Known::AnyRemote,
            (None, Some(_)) => Known::Nothing,
        };
        self.new_commits(updates, known)
    }

    /// The commits of a push that no ref of the receiving repository reaches.
    pub(crate) fn of_receive(&self, updates: &[RefUpdate]) -> Result<Commits, Error> {
        self.new_commits(updates, Known::EveryRef)
    }

    /// The commit whose configuration a push is judged by, and its name: where the remote's default
    /// branch was last seen, else what the remote has of a pushed branch, else what is pushed, for
    /// then there is nothing else.
    pub(crate) fn base_of_push(
        &self,
        updates: &[RefUpdate],
        remote: Option<&str>,
    ) -> Result<Option<(ObjectId, String)>, Error> {
        if let Some(name) = self.remote(remote)?
            && let Some((id, branch)) = self.remote_head(&name)?
        {
            return Ok(Some((id, shown(branch.trim_start_matches("refs/remotes/")))));
        }
        let doing = "read what is pushed";
        let side = |ids: Vec<ObjectId>, name: &str| {
            self.present(doing, &ids).map(|found| found.first().map(|id| (*id, name.to_owned())))
        };
        let old =
            side(updates.iter().filter_map(|update| update.old).collect(), "what the remote has")?;
        match old {
            Some(found) => Ok(Some(found)),
            None => {
                side(updates.iter().filter_map(|update| update.new).collect(), "what is pushed")
            }
        }
    }

    /// A file of this name in the repository's own directory, where only who runs the server can
    /// put one.
    pub(crate) fn server_file(&self, name: &str) -> Result<Option<PathBuf>, Error> {
        let doing = "find the repository's directory";
        let path = self.git.path(doing, &["rev-parse", "--absolute-git-dir"])?.join(name);
        match path.symlink_metadata() {
            Ok(_) => Ok(Some(path)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::new(format!("look for the server's own {name}"), error)
                .help("make it readable for the user that receives pushes")),
        }
    }

    /// Every commit that a ref, or a detached HEAD, reaches.
    pub(crate) fn all_commits(&self) -> Result<Commits, Error> {
        let doing = "judge all history";
        let listing = self.rev_list(doing, &["--all"], &[])?;
        let (nodes, _) = self.nodes(doing, &listing)?;
        // A tag may name a tree that no commit has.
        let refs = self.git.output(doing, &["for-each-ref", "--format=%(objectname)^{}"])?;
        let refs = text(&refs).lines().map(str::to_owned).collect::<Vec<_>>();
        let found = self.look_up(doing, refs.into_iter())?.into_iter().flatten();
        let bare_trees =
            found.filter(|(_, kind)| *kind == ObjectKind::Tree).map(|(id, _)| id).collect();
        Ok(Commits { nodes, tips: Vec::new(), bare_trees })
    }

    fn new_commits(&self, updates: &[RefUpdate], known: Known<'_>) -> Result<Commits, Error> {
        let doing = "judge what is pushed";
        let pushed = self.pushed(doing, updates)?;
        // What the other side has need not be here: somebody else may have pushed it.
        let olds: Vec<ObjectId> = pushed.iter().filter_map(|pushed| pushed.old).collect();
        let olds = self.present(doing, &olds)?;
        let tree = |pushed: &Pushed| (pushed.kind == ObjectKind::Tree).then_some(pushed.new);
        let mut commits =
            Commits { bare_trees: pushed.iter().filter_map(tree).collect(), ..Commits::default() };
        let pushed: Vec<Pushed> =
            pushed.into_iter().filter(|pushed| pushed.kind == ObjectKind::Commit).collect();
        if pushed.is_empty() {
            return Ok(commits);
        }
        let ends: Vec<ObjectId> = pushed.iter().map(|pushed| pushed.new).collect();
        let (nodes, mut outside) = self.list(doing, &ends, &olds, known)?;
        outside.sort_unstable();
        outside.dedup();
        outside.truncate(MOST_BASES);
        let new: HashSet<ObjectId> = nodes.iter().map(|node| node.id).collect();
        let trees = self.trees(doing, pushed.iter().map(|pushed| &pushed.new))?;
        let old_trees =
            self.trees(doing, pushed.iter().filter_map(|pushed| pushed.old.as_ref()))?;
        let mut old_trees = old_trees.into_iter();
        for (pushed, tree) in pushed.iter().zip(trees) {
            let bases = match pushed.old.and_then(|_| old_trees.next().flatten()) {
                Some(old) => vec![old],
                None if new.contains(&pushed.new) => outside.clone(),
                // A new name for what is there.
                None => continue,
            };
            let tree = tree.ok_or_else(|| {
                Error::new(doing, format!("the tree of {} is not here", pushed.new))
            })?;
            commits.tips.push(Tip { commit: pushed.new, tree, bases });
        }
        commits.nodes = nodes;
        Ok(commits)
    }

    /// The trees of commits; `None` for a commit that is not here.
    fn trees<'i>(
        &self,
        doing: &str,
        commits: impl Iterator<Item = &'i ObjectId>,
    ) -> Result<Vec<Option<ObjectId>>, Error> {
        let found = self.peel(doing, commits, "tree", |_, tree| (tree, ObjectKind::Tree))?;
        Ok(found.into_iter().map(|found| found.map(|(id, _)| id)).collect())
    }

    /// The objects of these ids, peeled to a kind, or to any if that is empty; `None` for one that
    /// is not here. `known` gives that object for a commit in the store and its tree; git is asked
    /// only about the other ids.
    fn peel<'i>(
        &self,
        doing: &str,
        ids: impl Iterator<Item = &'i ObjectId>,
        kind: &str,
        known: impl Fn(ObjectId, ObjectId) -> (ObjectId, ObjectKind),
    ) -> Result<Vec<Option<(ObjectId, ObjectKind)>>, Error> {
        let ids: Vec<(&ObjectId, Option<ObjectId>)> =
            ids.map(|id| (id, self.objects.tree_of(id))).collect();
        let rest = ids.iter().filter(|(_, tree)| tree.is_none());
        let rest = rest.map(|(id, _)| format!("{id}^{{{kind}}}"));
        let mut found = self.look_up(doing, rest)?.into_iter();
        let object = |(id, tree): (&ObjectId, Option<ObjectId>)| match tree {
            Some(tree) => Some(known(*id, tree)),
            None => found.next().flatten(),
        };
        Ok(ids.into_iter().map(object).collect())
    }

    fn list(
        &self,
        doing: &str,
        include: &[ObjectId],
        exclude: &[ObjectId],
        known: Known<'_>,
    ) -> Result<(Vec<CommitNode>, Vec<ObjectId>), Error> {
        let remote;
        let known: &[&str] = match known {
            Known::Nothing => &[],
            Known::EveryRef => &["--not", "--all"],
            Known::Remote(name) => {
                remote = format!("--remotes={name}");
                &["--not", &remote]
            }
            Known::AnyRemote => &["--not", "--remotes"],
        };
        let include = include.iter().map(|id| format!("{id}\n"));
        let exclude = exclude.iter().map(|id| format!("^{id}\n"));
        let input: String = include.chain(exclude).collect();
        let listing = self.rev_list(doing, &[&["--stdin"], known].concat(), input.as_bytes())?;
        self.nodes(doing, &listing)
    }

    fn rev_list(&self, doing: &str, which: &[&str], input: &[u8]) -> Result<Vec<u8>, Error> {
        // Commits just outside are listed too, for their trees: what a commit is compared with.
        let how = [
            "rev-list",
            "--topo-order",
            "--reverse",
            "--boundary",
            "--encoding=UTF-8",
            "--format=tformat:%m %H %T %P",
        ];
        // What is pushed takes along the parents that it names, not those that `info/grafts` lends
        // it here. The file cannot be: one that is there, if only an empty one, earns a word of
        // advice.
        let git = self.git.with(&[("GIT_GRAFT_FILE".into(), "/dev/null/none".into())]);
        let listed = git.output_with_input(doing, &[&how[..], which, &["--"]].concat(), input);
        listed.map(|output| output.stdout).map_err(|error| {
            error.or_help(
                "if history is missing here, fetch it: `git fetch --refetch`; else see `git fsck`",
            )
        })
    }

    /// The commits of a listing, and the trees of those just outside.
    fn nodes(
        &self,
        doing: &str,
        listing: &[u8],
    ) -> Result<(Vec<CommitNode>, Vec<ObjectId>), Error> {
        let mut trees = HashMap::new();
        let (mut nodes, mut outside) = (Vec::new(), Vec::new());
        // `commit <id>`, which git writes before each, says nothing new.
        for line in listing
            .split(|&byte| byte == b'\n')
            .filter(|line| !line.is_empty() && !line.starts_with(b"commit "))
        {
            let Line { inside, id, tree, parents } =
                Line::parse(line).ok_or_else(|| unreadable(doing, line))?;
            trees.insert(id, tree);
            if inside {
                nodes.push((id, tree, parents));
            } else {
                outside.push(tree);
            }
        }
        self.check_depth(doing, nodes.iter().map(|(id, _, _)| id))?;
        let node = |(id, tree, parents): (ObjectId, ObjectId, Vec<ObjectId>)| {
            let parents =
                parents.iter().map(|parent| trees.get(parent).copied()).collect::<Option<Vec<_>>>();
            let parents = parents.ok_or_else(|| {
                Error::new(doing, format!("a parent of the commit {id} is not here"))
                    .help("fetch the missing history, or see `git fsck`")
            })?;
            Ok(CommitNode { id, tree, parents })
        };
        Ok((nodes.into_iter().map(node).collect::<Result<_, _>>()?, outside))
    }

    /// A shallow clone has commits whose parents were cut off: what these bring cannot be told.
    fn check_depth<'b>(
        &self,
        doing: &str,
        mut commits: impl Iterator<Item = &'b ObjectId>,
    ) -> Result<(), Error> {
        let shallow = self.shallow(doing)?;
        if commits.any(|commit| shallow.contains(commit)) {
            return Err(Error::new(doing, "this clone is shallow, and does not hold all of it")
                .help(FETCH_MORE));
        }
        Ok(())
    }

    /// The commits whose parents were cut off.
    fn shallow(&self, doing: &str) -> Result<HashSet<ObjectId>, Error> {
        // Where gix knows the place, no process is started for it.
        if self.objects.shallow_file().is_some_and(|path| matches!(path.try_exists(), Ok(false))) {
            return Ok(HashSet::new());
        }
        let answer = self
            .git
            .output(doing, &["rev-parse", "--is-shallow-repository", "--git-path", "shallow"])?;
        let path = match (answer.strip_prefix(b"false\n"), answer.strip_prefix(b"true\n")) {
            (Some(_), _) => return Ok(HashSet::new()),
            (None, Some(path)) => parse_path(path.to_vec()),
            (None, None) => return Err(unreadable(doing, &answer)),
        };
        let path = self.env.get("GIT_SHALLOW_FILE").map_or(path, PathBuf::from);
        let list = read::file(&self.git.directory().join(path), FinalLink::Follow, SHALLOW)
            .map_err(|error| {
                Error::new(doing, format!("the list of shallow commits: {error}"))
                    .help("make .git readable for this user")
            })?;
        Ok(list.split(|&byte| byte == b'\n').filter_map(ObjectId::from_hex).collect())
    }

    fn is_shallow(&self) -> bool {
        self.shallow("").is_ok_and(|commits| !commits.is_empty())
    }

    /// The remote of this name, or of this URL, if it is one of this repository's.
    fn remote(&self, name: Option<&str>) -> Result<Option<String>, Error> {
        let Some(name) = name else { return Ok(None) };
        let arguments = ["config", "--null", "--get-regexp", r"^remote\..*\.(push)?url$"];
        let settings = self.git.query("list the remotes", &arguments)?.unwrap_or_default();
        let settings = records(&settings).filter_map(|setting| {
            let (key, url) = std::str::from_utf8(setting).ok()?.split_once('\n')?;
            let remote = key.strip_prefix("remote.")?.rsplit_once('.')?.0;
            Some((remote, url))
        });
        // A name with a meaning to a pattern would stand for others as well.
        let plain = |name: &str| {
            name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-/".contains(&byte))
        };
        let mut matching =
            settings.filter(|(remote, url)| (*remote == name || *url == name) && plain(remote));
        Ok(matching.next().map(|(remote, _)| remote.to_owned()))
    }

    /// The new object of each update of a push, with its tags peeled.
    fn pushed(&self, doing: &str, updates: &[RefUpdate]) -> Result<Vec<Pushed>, Error> {
        let updates: Vec<(ObjectId, Option<ObjectId>)> =
            updates.iter().filter_map(|update| Some((update.new?, update.old))).collect();
        let ids = updates.iter().map(|(new, _)| new);
        let found = self.peel(doing, ids, "", |id, _| (id, ObjectKind::Commit))?;
        let pushed = updates.iter().zip(found).map(|((id, old), found)| {
            let (new, kind) = found.ok_or_else(|| {
                Error::new(doing, format!("the object {id} is not here"))
                    .help("see `git fsck`; in a hook, git itself names objects that are there")
            })?;
            Ok(Pushed { new, kind, old: *old })
        });
        pushed.collect()
    }

    /// Those of the commits that are here.
    fn present(&self, doing: &str, ids: &[ObjectId]) -> Result<Vec<ObjectId>, Error> {
        let found = self.peel(doing, ids.iter(), "commit", |id, _| (id, ObjectKind::Commit))?;
        Ok(found.into_iter().flatten().map(|(id, _)| id).collect())
    }

    /// The commits that revisions name, as somebody typed them; `None` for one that names none.
    fn resolve<const N: usize>(
        &self,
        doing: &str,
        names: [&str; N],
    ) -> Result<[Option<ObjectId>; N], Error> {
        self.resolve_as(doing, names, "commit")
    }

    /// The objects of this kind that the revisions name; `None` for one that names none.
    fn resolve_as<const N: usize>(
        &self,
        doing: &str,
        names: [&str; N],
        kind: &str,
    ) -> Result<[Option<ObjectId>; N], Error> {
        let found = self.look_up(doing, names.iter().map(|name| format!("{name}^{{{kind}}}")))?;
        let mut ids = [None; N];
        for (id, found) in ids.iter_mut().zip(found) {
            *id = found.map(|(id, _)| id);
        }
        Ok(ids)
    }

    /// Asks git for objects by name. They go through a pipe: no name can be taken for an option.
    fn look_up(
        &self,
        doing: &str,
        names: impl Iterator<Item = String>,
    ) -> Result<Vec<Option<(ObjectId, ObjectKind)>>, Error> {
        // A line feed is no part of any revision; it must not make two of one.
        let names: Vec<String> = names.map(|name| name.replace(['\n', '\0'], "?")).collect();
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let how = ["-c", "core.warnAmbiguousRefs=true", "cat-file", "--batch-check"];
        let input = names.join("\n") + "\n";
        let answer = self.git.output_with_input(doing, &how, input.as_bytes())?;
        // Of a tag and a branch of one name, git takes the tag, with a word that nobody reads in
        // CI.
        if let Some(ambiguous) = text(&answer.stderr).lines().find(|line| is_ambiguous(line)) {
            return Err(Error::new(doing, ambiguous.trim_start_matches("warning: ")).help(
                "name it in full: refs/heads/NAME, refs/remotes/REMOTE/NAME or refs/tags/NAME",
            ));
        }
        let found: Vec<_> = answer
            .stdout
            .split(|&byte| byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(object)
            .collect();
        if found.len() == names.len() { Ok(found) } else { Err(unreadable(doing, &answer.stdout)) }
    }
}

const FETCH_MORE: &str =
    "fetch more: `git fetch --unshallow`; in a workflow, check out with `fetch-depth: 0`";

/// What a push brings to a ref. A blob has no path that it could be judged by.
#[derive(Debug, Clone, Copy)]
struct Pushed {
    new: ObjectId,
    kind: ObjectKind,
    old: Option<ObjectId>,
}

/// Parses `<id> SP <type> SP <size>` of git-cat-file(1); `None` for `<name> missing` and its kin.
pub(super) fn object(line: &[u8]) -> Option<(ObjectId, ObjectKind)> {
    let mut fields = line.split(|&byte| byte == b' ');
    let (id, kind, size) = (fields.next()?, fields.next()?, fields.next()?);
    let kind = ObjectKind::of_name(kind)?;
    let whole = fields.next().is_none() && size.iter().all(u8::is_ascii_digit);
    ObjectId::from_hex(id).filter(|_| whole).map(|id| (id, kind))
}

/// A line of our own format of git-rev-list(1): `<mark> SP <commit> SP <tree> SP <parents>`.
pub(super) struct Line {
    pub inside: bool,
    pub id: ObjectId,
    pub tree: ObjectId,
    pub parents: Vec<ObjectId>,
}

impl Line {
    pub(super) fn parse(line: &[u8]) -> Option<Self> {
        let mut fields = line.split(|&byte| byte == b' ').filter(|field| !field.is_empty());
        let inside = match fields.next()? {
            b">" => true,
            b"-" => false,
            _ => return None,
        };
        let (id, tree) = (ObjectId::from_hex(fields.next()?)?, ObjectId::from_hex(fields.next()?)?);
        let parents = fields.map(ObjectId::from_hex).collect::<Option<Vec<_>>>()?;
        Some(Self { inside, id, tree, parents })
    }
}

/// Whether git warns that a name stands for several refs. HEAD is always itself, whatever else is
/// called so.
fn is_ambiguous(warning: &str) -> bool {
    warning.contains("is ambiguous") && !warning.contains("refname 'HEAD' is")
}

/// What a person typed, safe to print.
fn shown(name: &str) -> String {
    RepoPath::new(name).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_listing_are_parsed_or_refused() {
        let (one, two) = ("1".repeat(40), "2".repeat(40));
        let line = Line::parse(format!("> {one} {two} {one} {two}").as_bytes()).unwrap();
        assert_eq!((line.inside, line.parents.len()), (true, 2));
        let root = Line::parse(format!("- {one} {two} ").as_bytes()).unwrap();
        assert_eq!((root.inside, root.parents.len()), (false, 0));
        for wrong in
            ["", ">", &format!("> {one}"), &format!("< {one} {two}"), &format!("> {one} {two} x")]
        {
            assert!(Line::parse(wrong.as_bytes()).is_none(), "{wrong}");
        }
    }

    #[test]
    fn answers_about_objects_are_parsed() {
        let one = "1".repeat(40);
        assert_eq!(object(format!("{one} commit 12").as_bytes()).unwrap().1, ObjectKind::Commit);
        for none in [
            "main missing",
            &format!("{one} missing"),
            "a commit 1",
            &format!("{one} commit 1 x"),
            "",
        ] {
            assert_eq!(object(none.as_bytes()), None, "{none}");
        }
    }
}
