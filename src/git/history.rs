//! Finds the commits to judge: of a range, of a push, or of all history.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::rc::Rc;

use crate::base::change::ObjectId;
use crate::base::error::Error;
use crate::base::path::shell_quote;
use crate::base::refs::RefUpdate;
use crate::disk::read::{self, FinalLink};
use crate::git::layer::ObjectKind;
use crate::git::objects::Objects;
use crate::git::process::{Git, lines, parse_path, records, text, unreadable};
use crate::git::repository::Repository;
use crate::os::env::Environment;

/// The largest list of shallow commits, in bytes: more than a million commits.
const SHALLOW: u64 = 64 * 1024 * 1024;

mod range;

/// A commit to judge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CommitNode {
    pub id: ObjectId,
    pub tree: ObjectId,
    /// The trees of its parents.
    pub parents: Vec<ObjectId>,
    /// The commits of its parents, in the same order.
    pub parent_ids: Vec<ObjectId>,
}

/// Commits to judge, and the tips of their refs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Commits {
    /// The commits, parents before children.
    pub nodes: Vec<CommitNode>,
    /// The new tips of refs, or of the range.
    pub tips: Vec<Tip>,
    /// Trees that a tag names directly.
    pub bare_trees: Vec<ObjectId>,
}

impl Commits {
    pub(crate) fn is_empty(&self) -> bool {
        self.nodes.is_empty() && self.tips.is_empty() && self.bare_trees.is_empty()
    }
}

/// The last commit of a range or of a pushed ref.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tip {
    pub commit: ObjectId,
    pub tree: ObjectId,
    /// The trees to compare with: that of the old tip, or those of the commits just before the new
    /// ones.
    pub bases: Vec<ObjectId>,
}

/// The maximum number of trees that a new ref is compared with. With fewer, more entries count as
/// new, never less.
const MAX_BASES: usize = 8;

/// A branch, and where it is checked out.
#[derive(Debug)]
pub(crate) struct Branch {
    name: Vec<u8>,
    /// The top of another work tree; empty for none.
    work_tree: Vec<u8>,
}

impl Branch {
    /// The command that goes to a work tree with this branch.
    pub(crate) fn checkout(&self) -> String {
        match &self.work_tree[..] {
            [] => format!("git switch {}", shell_quote(&self.name)),
            top => format!("cd {}", shell_quote(top)),
        }
    }
}

/// The history of a repository.
#[derive(Debug)]
pub(crate) struct History<'a> {
    git: Git,
    env: &'a Environment,
    objects: Rc<Objects>,
}

impl<'a> History<'a> {
    pub(crate) fn new(git: Git, env: &'a Environment, objects: Rc<Objects>) -> Self {
        Self { git, env, objects }
    }

    /// The commits of a push that the remote does not have, by its remote-tracking refs.
    pub(crate) fn push_commits(
        &self,
        updates: &[RefUpdate],
        remote: Option<&str>,
    ) -> Result<Commits, Error> {
        let name = self.remote(remote)?;
        let of_remote = name.as_ref().map(|name| format!("--remotes={name}"));
        match (&of_remote, remote) {
            (Some(refs), _) => self.new_commits(updates, &["--not", refs]),
            (None, None) => self.new_commits(updates, &["--not", "--remotes"]),
            (None, Some(_)) => self.new_commits(updates, &[]),
        }
    }

    /// The commits of a push that no ref of the receiving repository reaches.
    pub(crate) fn received_commits(&self, updates: &[RefUpdate]) -> Result<Commits, Error> {
        self.new_commits(updates, &["--not", "--all"])
    }

    /// A file of this name in the git directory, which only the owner of a server can write.
    pub(crate) fn server_file(&self, name: &str) -> Result<Option<PathBuf>, Error> {
        let doing = "find the repository's directory";
        let path = self.git.path(doing, &["rev-parse", "--absolute-git-dir"])?.join(name);
        match path.symlink_metadata() {
            Ok(_) => Ok(Some(path)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::new(format!("find the server's {name}"), error)
                .help("make it readable by the user that receives pushes")),
        }
    }

    /// A branch that ends in this commit; `None` if there is none, or without a work tree.
    pub(crate) fn branch_at(&self, commit: &ObjectId) -> Option<Branch> {
        let doing = "find the branch of a commit";
        self.git.output(doing, &["rev-parse", "--show-toplevel"]).ok()?;
        let (end, format) = (commit.to_string(), "--format=%(worktreepath)%00%(refname:short)");
        let which = ["for-each-ref", "--count=1", format, "--points-at", &end, "refs/heads"];
        let answer = self.git.output(doing, &which).ok()?;
        let mut parts = answer.strip_suffix(b"\n")?.split(|byte| *byte == 0);
        let (work_tree, name) = (parts.next()?.to_vec(), parts.next()?.to_vec());
        Some(Branch { name, work_tree })
    }

    /// Whether git finds a file for this hook.
    pub(crate) fn has_hook(&self, name: &str) -> bool {
        let file = format!("hooks/{name}");
        let path = self.git.path("find a hook", &["rev-parse", "--git-path", &file]);
        path.is_ok_and(|path| path.exists())
    }

    /// All commits that refs or a detached HEAD reach.
    pub(crate) fn all_commits(&self) -> Result<Commits, Error> {
        let doing = "judge all history";
        let (nodes, _) = self.rev_list(doing, &["--all"], &[])?;
        // A tag may name a tree directly.
        let refs = self.git.output(doing, &["for-each-ref", "--format=%(objectname)^{}"])?;
        let refs = text(&refs).lines().map(str::to_owned).collect::<Vec<_>>();
        let found = self.look_up(doing, refs.into_iter())?.into_iter().flatten();
        let bare_trees =
            found.filter(|(_, kind)| *kind == ObjectKind::Tree).map(|(id, _)| id).collect();
        Ok(Commits { nodes, tips: Vec::new(), bare_trees })
    }

    /// The commits of a push, without those that `known` excludes, arguments of `git rev-list`.
    fn new_commits(&self, updates: &[RefUpdate], known: &[&str]) -> Result<Commits, Error> {
        let doing = "judge the pushed commits";
        let pushed = self.pushed(doing, updates)?;
        // Old tips may be missing here: others may have pushed them.
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
        outside.truncate(MAX_BASES);
        let new: HashSet<ObjectId> = nodes.iter().map(|node| node.id).collect();
        let trees = self.trees(doing, pushed.iter().map(|pushed| &pushed.new))?;
        let old_trees =
            self.trees(doing, pushed.iter().filter_map(|pushed| pushed.old.as_ref()))?;
        let mut old_trees = old_trees.into_iter();
        for (pushed, tree) in pushed.iter().zip(trees) {
            let bases = match pushed.old.and_then(|_| old_trees.next().flatten()) {
                Some(old) => vec![old],
                None if new.contains(&pushed.new) => outside.clone(),
                // A new name for a known commit.
                None => continue,
            };
            let tree = tree.ok_or_else(|| {
                Error::new(doing, format!("the tree of {} is missing", pushed.new))
            })?;
            commits.tips.push(Tip { commit: pushed.new, tree, bases });
        }
        commits.nodes = nodes;
        Ok(commits)
    }

    /// The trees of commits; `None` for a commit that is missing.
    fn trees<'i>(
        &self,
        doing: &str,
        commits: impl Iterator<Item = &'i ObjectId>,
    ) -> Result<Vec<Option<ObjectId>>, Error> {
        let found = self.peel(doing, commits, "tree", |_, tree| (tree, ObjectKind::Tree))?;
        Ok(found.into_iter().map(|found| found.map(|(id, _)| id)).collect())
    }

    /// The objects of these ids, peeled to a kind, or of any kind if that is empty; `None` for a
    /// missing one. `known` maps a commit in the store and its tree to that object; git is asked
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
        known: &[&str],
    ) -> Result<(Vec<CommitNode>, Vec<ObjectId>), Error> {
        let include = include.iter().map(|id| format!("{id}\n"));
        let exclude = exclude.iter().map(|id| format!("^{id}\n"));
        let input: String = include.chain(exclude).collect();
        self.rev_list(doing, &[&["--stdin"], known].concat(), input.as_bytes())
    }

    /// The listed commits, and the trees of boundary commits.
    fn rev_list(
        &self,
        doing: &str,
        which: &[&str],
        input: &[u8],
    ) -> Result<(Vec<CommitNode>, Vec<ObjectId>), Error> {
        // Boundary commits are listed too: commits are compared with their trees.
        let how = [
            "rev-list",
            "--topo-order",
            "--reverse",
            "--boundary",
            "--encoding=UTF-8",
            "--format=tformat:%m %H %T %P",
        ];
        // A push sends the parents that a commit names, not those of `info/grafts`. Git prints
        // advice for a graft file that exists, even an empty one.
        let git = self.git.with(&[("GIT_GRAFT_FILE".into(), "/dev/null/none".into())]);
        let arguments = [&how[..], which, &["--"]].concat();
        let output = git.output_with_input(doing, &arguments, input).map_err(|error| {
            error.or_help(
                "if history is missing, fetch it with `git fetch --refetch`; else run `git fsck`",
            )
        })?;
        self.nodes(doing, &output.stdout)
    }

    fn nodes(
        &self,
        doing: &str,
        listing: &[u8],
    ) -> Result<(Vec<CommitNode>, Vec<ObjectId>), Error> {
        let mut trees = HashMap::new();
        let (mut nodes, mut outside) = (Vec::new(), Vec::new());
        // Git writes a line `commit <id>` before each.
        for line in lines(listing).filter(|line| !line.starts_with(b"commit ")) {
            let Line { inside, id, tree, parents } =
                Line::parse(line).ok_or_else(|| unreadable(doing, line))?;
            trees.insert(id, tree);
            if inside {
                nodes.push((id, tree, parents));
            } else {
                outside.push(tree);
            }
        }
        let shallow = self.shallow(doing)?;
        if nodes.iter().any(|(id, _, _)| shallow.contains(id)) {
            let cause = "this clone is shallow, and lacks some of these commits";
            return Err(Error::new(doing, cause).help(FETCH_MORE));
        }
        let node = |(id, tree, parents): (ObjectId, ObjectId, Vec<ObjectId>)| {
            let found =
                parents.iter().map(|parent| trees.get(parent).copied()).collect::<Option<Vec<_>>>();
            let found = found.ok_or_else(|| {
                Error::new(doing, format!("a parent of the commit {id} is missing"))
                    .help("fetch the missing history, or run `git fsck`")
            })?;
            Ok(CommitNode { id, tree, parents: found, parent_ids: parents })
        };
        Ok((nodes.into_iter().map(node).collect::<Result<_, _>>()?, outside))
    }

    /// The commits without parents at the boundary of a shallow clone.
    fn shallow(&self, doing: &str) -> Result<HashSet<ObjectId>, Error> {
        // If it is certain that the list is missing, git need not run.
        if Repository::find(self.git.directory(), self.env)
            .is_ok_and(|found| matches!(found.shallow().try_exists(), Ok(false)))
        {
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
                    .help("make .git readable by this user")
            })?;
        Ok(lines(&list).filter_map(ObjectId::from_hex).collect())
    }

    fn is_shallow(&self) -> bool {
        self.shallow("").is_ok_and(|commits| !commits.is_empty())
    }

    /// The configured remote of this name or URL.
    fn remote(&self, name: Option<&str>) -> Result<Option<String>, Error> {
        let Some(name) = name else { return Ok(None) };
        let arguments = ["config", "--null", "--get-regexp", r"^remote\..*\.(push)?url$"];
        let settings = self.git.query("list the remotes", &arguments)?.unwrap_or_default();
        let settings = records(&settings).filter_map(|setting| {
            let (key, url) = std::str::from_utf8(setting).ok()?.split_once('\n')?;
            let remote = key.strip_prefix("remote.")?.rsplit_once('.')?.0;
            Some((remote, url))
        });
        // `--remotes=` takes a pattern.
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
                Error::new(doing, format!("the object {id} is missing"))
                    .help("fetch it, or run `git fsck`")
            })?;
            Ok(Pushed { new, kind, old: *old })
        });
        pushed.collect()
    }

    /// The commits that exist here.
    fn present(&self, doing: &str, ids: &[ObjectId]) -> Result<Vec<ObjectId>, Error> {
        let found = self.peel(doing, ids.iter(), "commit", |id, _| (id, ObjectKind::Commit))?;
        Ok(found.into_iter().flatten().map(|(id, _)| id).collect())
    }

    /// Asks git for objects by name, through a pipe: no name can be mistaken for an option.
    fn look_up(
        &self,
        doing: &str,
        names: impl Iterator<Item = String>,
    ) -> Result<Vec<Option<(ObjectId, ObjectKind)>>, Error> {
        // A revision has no line feed.
        let names: Vec<String> = names.map(|name| name.replace(['\n', '\0'], "?")).collect();
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let how = ["-c", "core.warnAmbiguousRefs=true", "cat-file", "--batch-check"];
        let input = names.join("\n") + "\n";
        let answer = self.git.output_with_input(doing, &how, input.as_bytes())?;
        // Git prefers a tag to a branch of the same name, with a warning that CI logs hide.
        if let Some(ambiguous) = text(&answer.stderr).lines().find(|line| is_ambiguous(line)) {
            return Err(Error::new(doing, ambiguous.trim_start_matches("warning: ")).help(
                "name it in full: refs/heads/NAME, refs/remotes/REMOTE/NAME or refs/tags/NAME",
            ));
        }
        let found: Vec<_> = lines(&answer.stdout).map(object).collect();
        if found.len() == names.len() { Ok(found) } else { Err(unreadable(doing, &answer.stdout)) }
    }
}

const FETCH_MORE: &str =
    "fetch more: `git fetch --unshallow`; in a workflow, check out with `fetch-depth: 0`";

/// An update of a ref by a push. Blobs are not judged: they have no path.
#[derive(Debug, Clone, Copy)]
struct Pushed {
    new: ObjectId,
    kind: ObjectKind,
    old: Option<ObjectId>,
}

/// Parses `<id> SP <type> SP <size>` of git-cat-file(1); `None` for `<name> missing` and similar.
pub(super) fn object(line: &[u8]) -> Option<(ObjectId, ObjectKind)> {
    let mut fields = line.split(|&byte| byte == b' ');
    let (id, kind, size) = (fields.next()?, fields.next()?, fields.next()?);
    let kind = ObjectKind::from_name(kind)?;
    let whole = fields.next().is_none() && size.iter().all(u8::is_ascii_digit);
    ObjectId::from_hex(id).filter(|_| whole).map(|id| (id, kind))
}

/// A line of `git rev-list` in our format: `<mark> SP <commit> SP <tree> SP <parents>`.
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

/// Whether git warns that a name means several refs. `HEAD` always means HEAD.
fn is_ambiguous(warning: &str) -> bool {
    warning.contains("is ambiguous") && !warning.contains("refname 'HEAD' is")
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
