//! Resolves ranges, trees and the base of a push.

use crate::base::change::ObjectId;
use crate::base::error::Error;
use crate::base::path::{RepoPath, shell_quote};
use crate::base::refs::RefUpdate;
use crate::git::history::{Commits, FETCH_MORE, History, Tip};
use crate::git::process::{failed, ids, text};

/// A resolved range of commits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Range {
    pub tip: ObjectId,
    /// The commit whose history is excluded, and whose configuration is used.
    pub base: ObjectId,
    /// The commits to compare the tip with: the base, or the merge bases.
    pub forks: Vec<ObjectId>,
    /// The base, for messages.
    pub base_name: String,
    /// The range, for messages.
    pub name: String,
}

/// The bases of a branch without an upstream, in this order.
const DEFAULT_BRANCHES: [&str; 4] = [
    "refs/remotes/origin/main",
    "refs/remotes/origin/master",
    "refs/heads/main",
    "refs/heads/master",
];

impl History<'_> {
    /// Resolves `A..B`, `A...B` or `REV`.
    pub(crate) fn range(&self, spec: &str) -> Result<Range, Error> {
        let doing = format!("judge the range {}", display_name(spec));
        let ends = spec.split_once("...").or_else(|| spec.split_once(".."));
        let is_empty = |(base, tip): (&str, &str)| base.is_empty() || tip.is_empty();
        if spec.is_empty() || ends.is_some_and(is_empty) {
            return Err(Error::new(doing, "one of its ends is empty")
                .help("is a variable empty? name both: --range BASE..TIP"));
        }
        let Some((base_name, tip_name)) = ends else {
            return self.since(spec, self.upstream(spec, &doing)?, &doing);
        };
        // A CI passes zeros as the base of a new branch. Its upstream is the branch itself.
        if is_zeros(base_name) {
            let range = self.since(tip_name, None, &doing)?;
            if range.base == range.tip {
                // A new branch without commits, the first push of the default branch, or a branch
                // of the same name: these cannot be distinguished.
                let cause = format!(
                    "{} is the same commit as {}: its new commits are unknown",
                    display_name(tip_name),
                    range.base_name
                );
                return Err(Error::new(doing, cause)
                    .help("name the base: --range BASE..TIP; or judge all: --history"));
            }
            return Ok(range);
        }
        let [base, tip] = self.resolve(&doing, [base_name, tip_name])?;
        let base = base.ok_or_else(|| self.unknown(&doing, base_name))?;
        let tip = tip.ok_or_else(|| self.unknown(&doing, tip_name))?;
        let is_forked = spec.contains("...");
        let forks = if is_forked { self.merge_bases(&doing, &base, &tip)? } else { vec![base] };
        Ok(Range { tip, base, forks, base_name: display_name(base_name), name: display_name(spec) })
    }

    /// The commits of a range.
    pub(crate) fn range_commits(&self, range: &Range) -> Result<Commits, Error> {
        let doing = format!("judge the range {}", range.name);
        let (nodes, _) = self.list(&doing, &[range.tip], &[range.base], &[])?;
        Ok(Commits { nodes, tips: vec![self.range_tip(range)?], bare_trees: Vec::new() })
    }

    /// The tip of a range, and the trees to compare it with.
    pub(crate) fn range_tip(&self, range: &Range) -> Result<Tip, Error> {
        let doing = format!("judge the range {}", range.name);
        let commits = range.forks.iter().chain([&range.tip]);
        let trees: Option<Vec<ObjectId>> = self.trees(&doing, commits)?.into_iter().collect();
        match trees.as_deref() {
            Some([bases @ .., tree]) => {
                Ok(Tip { commit: range.tip, tree: *tree, bases: bases.to_vec() })
            }
            _ => Err(Error::new(doing, "a tree is missing").help("run `git fsck`")),
        }
    }

    /// The commit of a revision.
    pub(crate) fn commit(&self, name: &str) -> Result<ObjectId, Error> {
        let doing = format!("judge the push of {}", display_name(name));
        let [commit] = self.resolve(&doing, [name])?;
        commit.ok_or_else(|| self.unknown(&doing, name))
    }

    /// The tree of a revision.
    pub(crate) fn tree(&self, name: &str) -> Result<ObjectId, Error> {
        let doing = format!("judge the tree {}", display_name(name));
        let [tree] = self.resolve_as(&doing, [name], "tree")?;
        tree.ok_or_else(|| self.unknown(&doing, name))
    }

    /// The tree of a commit that exists.
    pub(crate) fn tree_of(&self, commit: &ObjectId) -> Result<ObjectId, Error> {
        self.objects.tree_of(commit).map_or_else(|| self.tree(&commit.to_string()), Ok)
    }

    /// The range from the upstream, or else the default branch, to a revision.
    fn since(
        &self,
        name: &str,
        upstream: Option<(ObjectId, String)>,
        doing: &str,
    ) -> Result<Range, Error> {
        let [tip] = self.resolve(doing, [name])?;
        let tip = tip.ok_or_else(|| self.unknown(doing, name))?;
        let base = match upstream {
            Some(found) => Some(found),
            None => self.default_branch(&tip)?,
        };
        let (base, base_name) = base.ok_or_else(|| {
            Error::new(
                doing,
                format!(
                    "{} has no upstream, and the default branch is unknown",
                    display_name(name)
                ),
            )
            .help(format!("name the base: --range BASE..{}", display_name(name)))
        })?;
        let forks = self.merge_bases(doing, &base, &tip)?;
        let base_name = display_name(
            base_name.trim_start_matches("refs/remotes/").trim_start_matches("refs/heads/"),
        );
        let name = format!("{base_name}..{}", display_name(name));
        Ok(Range { tip, base, forks, base_name, name })
    }

    /// The commit with the configuration for a push, and its name: the remote's default branch as
    /// last seen, else the old tip of a pushed branch, else the pushed commit.
    pub(crate) fn base_of_push(
        &self,
        updates: &[RefUpdate],
        remote: Option<&str>,
    ) -> Result<Option<(ObjectId, String)>, Error> {
        if let Some(name) = self.remote(remote)?
            && let Some((id, branch)) = self.remote_head(&name)?
        {
            return Ok(Some((id, display_name(branch.trim_start_matches("refs/remotes/")))));
        }
        let doing = "read the pushed commits";
        let olds: Vec<ObjectId> = updates.iter().filter_map(|update| update.old).collect();
        let news: Vec<ObjectId> = updates.iter().filter_map(|update| update.new).collect();
        for (ids, name) in [(olds, "the remote's branch"), (news, "the pushed commit")] {
            if let Some(id) = self.present(doing, &ids)?.first() {
                return Ok(Some((*id, name.to_owned())));
            }
        }
        Ok(None)
    }

    /// The default branch of origin, or else a local one that is not the tip itself.
    fn default_branch(&self, tip: &ObjectId) -> Result<Option<(ObjectId, String)>, Error> {
        if let Some(found) = self.remote_head("origin")? {
            return Ok(Some(found));
        }
        for name in DEFAULT_BRANCHES {
            let own = name.starts_with("refs/heads/");
            if let Some(id) = self.exact(name)?.filter(|id| !(own && id == tip)) {
                return Ok(Some((id, name.to_owned())));
            }
        }
        Ok(None)
    }

    /// A remote's default branch as last seen. Only a symbolic ref counts: anybody can push a
    /// branch named HEAD.
    fn remote_head(&self, remote: &str) -> Result<Option<(ObjectId, String)>, Error> {
        let name = format!("refs/remotes/{remote}/HEAD");
        let Some(branch) = self.git.query("read the refs", &["symbolic-ref", "--quiet", &name])?
        else {
            return Ok(None);
        };
        let branch = text(&branch);
        Ok(self.exact(&branch)?.map(|id| (id, branch)))
    }

    /// The commit of the ref with this full name. As a revision, the name could mean another ref.
    fn exact(&self, name: &str) -> Result<Option<ObjectId>, Error> {
        let doing = "read the refs";
        let answer = self.git.run(doing, &["show-ref", "--verify", "--hash", "--", name])?;
        if !answer.status.success() {
            let absent = text(&answer.stderr).contains("not a valid ref");
            return if absent { Ok(None) } else { Err(failed(doing, &answer)) };
        }
        Ok(ids(doing, &answer.stdout)?.pop())
    }

    /// Whether `one` is `other` or an ancestor of it.
    pub(crate) fn is_ancestor(&self, one: &ObjectId, other: &ObjectId) -> Result<bool, Error> {
        let arguments = ["merge-base", "--is-ancestor", &one.to_string(), &other.to_string()];
        self.git.query("compare two commits", &arguments).map(|answer| answer.is_some())
    }

    /// The commit of HEAD; `None` if its branch does not exist.
    pub(crate) fn head(&self) -> Result<Option<ObjectId>, Error> {
        match self.git.query("read HEAD", &["symbolic-ref", "--quiet", "HEAD"])? {
            Some(branch) => self.exact(&text(&branch)),
            None => self.resolve("read HEAD", ["HEAD"]).map(|[id]| id),
        }
    }

    /// The upstream of a branch, if it exists here.
    fn upstream(&self, name: &str, doing: &str) -> Result<Option<(ObjectId, String)>, Error> {
        let branch = match name {
            "HEAD" => self
                .git
                .query(doing, &["symbolic-ref", "--quiet", "HEAD"])?
                .map(|answer| text(&answer)),
            // Git treats these as a pattern; branch names cannot contain them.
            _ if name.contains(['*', '?', '[', '\\']) => None,
            _ => Some(format!("refs/heads/{name}")),
        };
        let Some(branch) = branch else { return Ok(None) };
        let answer =
            text(&self.git.output(
                doing,
                &["for-each-ref", "--format=%(refname) %(upstream)", "--", &branch],
            )?);
        // Git lists refs below this name as well.
        let upstream =
            answer.lines().find_map(|line| line.strip_prefix(&branch)?.strip_prefix(' '));
        let Some(upstream) = upstream.filter(|upstream| !upstream.is_empty()) else {
            return Ok(None);
        };
        Ok(self.exact(upstream)?.map(|id| (id, upstream.to_owned())))
    }

    /// The merge bases of two commits: several after criss-cross merges.
    fn merge_bases(
        &self,
        doing: &str,
        one: &ObjectId,
        other: &ObjectId,
    ) -> Result<Vec<ObjectId>, Error> {
        let answer = self
            .git
            .query(doing, &["merge-base", "--all", &one.to_string(), &other.to_string()])?;
        match answer {
            Some(answer) => ids(doing, &answer),
            None if self.is_shallow() => {
                Err(Error::new(doing, "this clone is shallow, and lacks their common ancestor")
                    .help(FETCH_MORE))
            }
            None => Err(Error::new(doing, "they have no common ancestor")
                .help("name another base; BASE..REV needs no common ancestor")),
        }
    }

    /// The commits that revisions name, as typed; `None` for an unknown revision.
    fn resolve<const N: usize>(
        &self,
        doing: &str,
        names: [&str; N],
    ) -> Result<[Option<ObjectId>; N], Error> {
        self.resolve_as(doing, names, "commit")
    }

    /// The objects of a kind that revisions name; `None` for an unknown revision.
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

    fn unknown(&self, doing: &str, name: &str) -> Error {
        let error =
            Error::new(doing, format!("there is no commit \"{}\" here", display_name(name)));
        let unshallow = if self.is_shallow() { "--unshallow " } else { "" };
        let known =
            |remote: &str| matches!(self.remote(Some(remote)), Ok(Some(found)) if found == remote);
        match name.split_once('/') {
            // A single-branch clone fetches other branches only by name.
            Some((remote, branch)) if known(remote) => {
                let refspec = format!("{branch}:refs/remotes/{name}");
                error.help(format!(
                    "fetch it: git fetch {unshallow}{remote} {}",
                    shell_quote(refspec.as_bytes())
                ))
            }
            _ if !unshallow.is_empty() => error.help(FETCH_MORE),
            _ => error.help("see `git branch --all`, or fetch it from its remote"),
        }
    }
}

/// A name as typed, safe to print.
fn display_name(name: &str) -> String {
    RepoPath::new(name).to_string()
}

/// Whether this is the null id, such as `github.event.before` of a new branch.
fn is_zeros(name: &str) -> bool {
    ObjectId::from_hex(name.as_bytes()).is_some_and(|id| id.is_null())
}

#[cfg(test)]
mod tests {
    use super::is_zeros;

    #[test]
    fn the_null_id_is_zeros() {
        assert!(is_zeros(&"0".repeat(40)) && is_zeros(&"0".repeat(64)));
        assert!(!is_zeros("0") && !is_zeros(&"1".repeat(40)) && !is_zeros("main"));
    }
}
