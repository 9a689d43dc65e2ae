//! The repository as gix reads it, without starting a process.
//!
//! Where gix is known to answer otherwise than git, or not to know at all, the question is handed over: a [`Handover`]
//! says why. The list of such places was measured, version by version; when in doubt, hand over.

use std::path::{Path, PathBuf};

use gix::bstr::ByteSlice;
use gix::index::entry::{Flags, Mode as IndexMode, Stage};
use gix::index::extension::Tree as CacheTree;
use gix::objs::{Find, TreeRefIter};

use crate::change::{Content, Entry, Mode, ObjectId};
use crate::env::Environment;
use crate::path::RepoPath;

/// Why git must be asked; completes "because …".
pub type Handover = String;

/// `PATH_MAX` of Linux, in bytes.
const LONGEST_PATH: usize = 4096;

/// How many bytes of objects a walk over history keeps: the trees of a commit are compared with those of its parents,
/// which were read just before.
const OBJECT_CACHE: usize = 32 * 1024 * 1024;

/// Variables that change what git reads and that gix does not follow.
const UNKNOWN_VARIABLES: [&str; 7] = [
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_QUARANTINE_PATH",
    "GIT_NAMESPACE",
    "GIT_SHALLOW_FILE",
    "GIT_COMMON_DIR",
    // `git -c key=value`, which reaches the hooks.
    "GIT_CONFIG_PARAMETERS",
];

/// Extensions of the repository format that gix is known to follow. Git refuses a repository with an unknown one; gix
/// would read it as if there were none.
const EXTENSIONS: [&str; 4] = ["worktreeconfig", "objectformat", "partialclone", "preciousobjects"];

/// An open repository.
pub struct Repository {
    repository: gix::Repository,
    directory: PathBuf,
}

impl Repository {
    /// Opens the repository that git would use in this directory and environment.
    pub fn open(directory: &Path, env: &Environment) -> Result<Self, Handover> {
        if let Some(name) = UNKNOWN_VARIABLES.into_iter().find(|name| env.get(name).is_some()) {
            return Err(format!("{name} is set"));
        }
        let strict = || {
            gix::open::Options::default()
                .bail_if_untrusted(true)
                .strict_config(true)
                // What is committed is the object that is named, not the one that stands in for it here.
                .config_overrides(["core.useReplaceRefs=false", "gitoxide.objects.noReplace=true"])
        };
        let repository = gix::ThreadSafeRepository::discover_with_environment_overrides_opts(
            directory,
            gix::discover::upwards::Options { match_ceiling_dir_or_error: false, ..Default::default() },
            gix::sec::trust::Mapping { full: strict(), reduced: strict() },
        )
        .map_err(|error| format!("gix cannot open the repository ({error})"))?
        .to_thread_local();
        match unknown_extension(&repository) {
            Some(name) => Err(format!("the repository uses the extension {name}")),
            None => Ok(Self { repository, directory: directory.to_owned() }),
        }
    }

    /// The objects alone, for a walk over history: what was read lately is kept.
    pub fn into_objects(mut self) -> Objects {
        self.repository.object_cache_size_if_unset(OBJECT_CACHE);
        Objects { repository: self.repository }
    }

    /// What is staged: the index compared with the tree of HEAD.
    pub fn staged(self, env: &Environment) -> Result<Staged, Handover> {
        let head = self.repository.head_tree_id_or_empty().map_err(|error| format!("HEAD cannot be read ({error})"))?;
        let (head, below_top) = (head.detach(), self.is_below_top());
        let top = self.repository.workdir().is_some().then(|| self.top(env).to_owned());
        let index = self.open_index(env)?;
        if index.is_sparse() {
            return Err("the index is sparse".into());
        }
        let mut walk = Walk { repository: &self.repository, index: &index, fresh: Vec::new(), unmerged: Vec::new() };
        walk.directory(Some(head), index.entries(), 0, index.tree())?;
        let Walk { fresh, mut unmerged, .. } = walk;
        // One unmerged path stands in the index once for each of its stages.
        unmerged.dedup();
        Ok(Staged {
            fresh,
            unmerged,
            index: Index(index),
            objects: Objects { repository: self.repository },
            top,
            below_top,
        })
    }

    /// Where git counts a relative `GIT_INDEX_FILE` from; gix takes it from the current directory. With `GIT_DIR` alone
    /// (no `GIT_WORK_TREE`, no `core.worktree`), git takes the current directory for the top of the work tree.
    fn top(&self, env: &Environment) -> &Path {
        let current_directory = env.get("GIT_DIR").is_some()
            && env.get("GIT_WORK_TREE").is_none()
            && self.repository.config_snapshot().string("core.worktree").is_none();
        self.repository.workdir().filter(|_| !current_directory).unwrap_or(&self.directory)
    }

    fn is_below_top(&self) -> bool {
        self.repository.workdir().is_some_and(|top| !same_directory(top, &self.directory))
    }

    /// Opens the index that git would use. One that is not there is empty to git; it says so itself.
    fn open_index(&self, env: &Environment) -> Result<gix::index::File, Handover> {
        let path = match env.get("GIT_INDEX_FILE") {
            Some(path) => self.top(env).join(path),
            None => self.repository.git_dir().join("index"),
        };
        // Like git, do not spend the time to verify the index's checksum: a parse that is not exact fails anyway.
        let skip_hash = true;
        let options = gix::index::decode::Options::default();
        gix::index::File::at(&path, self.repository.object_hash(), skip_hash, options)
            .map_err(|error| format!("gix cannot read the index ({error})"))
    }
}

/// The first extension of the repository format that gix is not known to follow.
fn unknown_extension(repository: &gix::Repository) -> Option<String> {
    let config = repository.config_snapshot();
    let sections = config.plumbing().sections_by_name("extensions").into_iter().flatten();
    let mut names = sections.flat_map(|section| section.value_names().collect::<Vec<_>>());
    names.find(|name| !EXTENSIONS.iter().any(|known| known.eq_ignore_ascii_case(name)))
}

/// What is staged, as gix sees it.
pub struct Staged {
    /// The new entries.
    pub fresh: Vec<Entry>,
    /// Paths with unresolved conflicts.
    pub unmerged: Vec<RepoPath>,
    /// The index, for what is asked later.
    pub index: Index,
    /// The object store, likewise.
    pub objects: Objects,
    /// The top of the work tree, if there is one.
    pub top: Option<PathBuf>,
    /// Whether we were started below the top of the work tree.
    pub below_top: bool,
}

/// Compares the index with a tree, directory by directory, and skips every directory whose tree the index already knows
/// to be that of HEAD: `git commit` writes that cache-tree before it runs the hook, so little is left to compare.
struct Walk<'a> {
    repository: &'a gix::Repository,
    index: &'a gix::index::State,
    fresh: Vec<Entry>,
    unmerged: Vec<RepoPath>,
}

impl<'a> Walk<'a> {
    /// Compares `entries`, which all lie in one directory whose path with its slash is `prefix` bytes long.
    fn directory(
        &mut self,
        tree: Option<gix::ObjectId>,
        entries: &'a [gix::index::Entry],
        prefix: usize,
        cache: Option<&CacheTree>,
    ) -> Result<(), Handover> {
        let cached = cache.filter(|node| node.num_entries.is_some_and(|count| count as usize == entries.len()));
        if let (Some(tree), Some(node)) = (tree, cached)
            && node.id == tree
        {
            return Ok(());
        }
        // The recursion is as deep as the path. Git sets it no bound, and no work tree could hold such a path.
        if prefix > LONGEST_PATH {
            return Err("a path is longer than a file system takes".into());
        }
        let mut buffer = Vec::new();
        let old = match tree {
            Some(id) => self.tree(id, &mut buffer)?,
            None => Vec::new(),
        };
        let mut rest = entries;
        while let Some(entry) = rest.first() {
            let path = entry.path(self.index);
            let name = &path[prefix..];
            let Some(slash) = name.find_byte(b'/') else {
                self.file(entry, path, name, &old)?;
                rest = &rest[1..];
                continue;
            };
            let child = cache.and_then(|node| child(node, &name[..slash]));
            let count = self.run_length(rest, &path[..=prefix + slash], child);
            let tree = find(&old, &name[..slash], true).map(|old| old.id);
            let (inside, after) = rest.split_at(count);
            self.directory(tree, inside, prefix + slash + 1, child)?;
            rest = after;
        }
        Ok(())
    }

    /// How many of the entries, from the first, lie below this directory.
    fn run_length(&self, entries: &[gix::index::Entry], directory: &[u8], cache: Option<&CacheTree>) -> usize {
        let inside = |entry: &gix::index::Entry| entry.path(self.index).starts_with(directory);
        // The cache-tree knows the number; it is believed where both ends bear it out.
        let count = cache.and_then(|node| node.num_entries).map_or(0, |count| count as usize);
        let confirmed =
            count > 0 && entries.get(count - 1).is_some_and(inside) && !entries.get(count).is_some_and(inside);
        if confirmed { count } else { entries.iter().position(|entry| !inside(entry)).unwrap_or(entries.len()) }
    }

    fn file(&mut self, entry: &gix::index::Entry, path: &[u8], name: &[u8], old: &[Old<'_>]) -> Result<(), Handover> {
        if entry.stage() != Stage::Unconflicted {
            self.unmerged.push(RepoPath::new(path));
            return Ok(());
        }
        // `git add -N` only announces a file; git commits nothing of it.
        if entry.flags.contains(Flags::INTENT_TO_ADD) {
            return Ok(());
        }
        let mode = convert_mode(entry.mode)
            .ok_or_else(|| format!("the index has an entry of mode {:o}", entry.mode.bits()))?;
        let before = find(old, name, false);
        if !before.is_some_and(|old| old.id == entry.id && old.mode == entry.mode.bits()) {
            let replaces = before.map(|old| convert_id(&old.id)).transpose()?;
            let (path, id) = (RepoPath::new(path), convert_id(&entry.id)?);
            self.fresh.push(Entry { path, mode, id, fresh: true, replaces });
        }
        Ok(())
    }

    fn tree<'b>(&self, id: gix::ObjectId, buffer: &'b mut Vec<u8>) -> Result<Vec<Old<'b>>, Handover> {
        let hash = self.repository.object_hash();
        if id == gix::ObjectId::empty_tree(hash) {
            return Ok(Vec::new());
        }
        *buffer =
            self.repository.find_object(id).map_err(|error| format!("a tree cannot be read ({error})"))?.detach().data;
        TreeRefIter::from_bytes(buffer, hash)
            .map(|entry| {
                let entry = entry.map_err(|error| format!("a tree cannot be read ({error})"))?;
                let mode = u32::from(entry.mode.value());
                Ok(Old { name: entry.filename, is_tree: entry.mode.is_tree(), mode, id: entry.oid.to_owned() })
            })
            .collect()
    }
}

fn same_directory(a: &Path, b: &Path) -> bool {
    a == b || matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

/// An entry of a tree of HEAD.
struct Old<'a> {
    name: &'a [u8],
    is_tree: bool,
    mode: u32,
    id: gix::ObjectId,
}

/// Finds a file or a directory in a tree. Git sorts a tree's entries as if directories ended in a slash.
fn find<'a, 'b>(tree: &'a [Old<'b>], name: &[u8], is_tree: bool) -> Option<&'a Old<'b>> {
    let slash = |is_tree: bool| if is_tree { &b"/"[..] } else { b"" };
    let wanted = || name.iter().chain(slash(is_tree));
    tree.binary_search_by(|entry| entry.name.iter().chain(slash(entry.is_tree)).cmp(wanted())).ok().map(|at| &tree[at])
}

/// The node of a directory in its parent's cache-tree. gix sorts them by name, and refuses an index that names one twice.
fn child<'a>(node: &'a CacheTree, name: &[u8]) -> Option<&'a CacheTree> {
    let at = node.children.binary_search_by(|child| child.name[..].cmp(name)).ok()?;
    Some(&node.children[at])
}

fn convert_mode(mode: IndexMode) -> Option<Mode> {
    Mode::from_bits(mode.bits())
}

fn convert_id(id: &gix::oid) -> Result<ObjectId, Handover> {
    ObjectId::from_bytes(id.as_bytes()).ok_or_else(|| format!("the object id {id} has an unknown length"))
}

/// The index, kept for what the rules ask for later.
pub struct Index(gix::index::File);

impl Index {
    /// The wanted entries of stage 0, none of them marked as fresh.
    pub fn entries(&self, wanted: &dyn Fn(&RepoPath) -> bool) -> Vec<Entry> {
        // One path is filled again and again: most of a large index is not wanted.
        let mut path = RepoPath::default();
        let mut entries = Vec::new();
        for entry in self.0.entries() {
            path.replace(entry.path(&self.0));
            let committed = entry.stage() == Stage::Unconflicted && !entry.flags.contains(Flags::INTENT_TO_ADD);
            if committed
                && wanted(&path)
                && let (Some(mode), Ok(id)) = (convert_mode(entry.mode), convert_id(&entry.id))
            {
                entries.push(Entry { path: path.clone(), mode, id, fresh: false, replaces: None });
            }
        }
        entries
    }

    /// The entry of stage 0 at one path.
    pub fn entry(&self, path: &RepoPath) -> Option<Entry> {
        let entry = self.0.entry_by_path(path.as_bytes().as_bstr())?;
        let committed = entry.stage() == Stage::Unconflicted && !entry.flags.contains(Flags::INTENT_TO_ADD);
        let (mode, id) = (convert_mode(entry.mode)?, convert_id(&entry.id).ok()?);
        committed.then(|| Entry { path: path.clone(), mode, id, fresh: false, replaces: None })
    }
}

/// The object store.
pub struct Objects {
    repository: gix::Repository,
}

impl Objects {
    /// The content of a blob, or `None` if gix cannot give it.
    pub fn blob(&self, id: &ObjectId, limit: u64) -> Option<Content> {
        let id = gix::ObjectId::try_from(id.as_bytes()).ok()?;
        let header = self.repository.find_header(id).ok()?;
        if header.kind() != gix::objs::Kind::Blob {
            // Git says so itself.
            return None;
        }
        if header.size() > limit {
            return Some(Content::TooLarge(header.size()));
        }
        Some(Content::Bytes(self.repository.find_object(id).ok()?.detach().data))
    }

    /// The raw content of a tree or a commit, into a buffer that is used again and again; whether gix could give it.
    pub fn raw(&self, id: &ObjectId, kind: Kind, buffer: &mut Vec<u8>) -> bool {
        let wanted = match kind {
            Kind::Tree => gix::objs::Kind::Tree,
            Kind::Commit => gix::objs::Kind::Commit,
        };
        let Ok(id) = gix::ObjectId::try_from(id.as_bytes()) else { return false };
        matches!(self.repository.objects.try_find(&id, buffer), Ok(Some(object)) if object.kind == wanted)
    }
}

/// The kinds of object that are read raw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A directory.
    Tree,
    /// A commit.
    Commit,
}

impl Kind {
    /// The word that git uses.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tree => "tree",
            Self::Commit => "commit",
        }
    }
}

impl std::fmt::Debug for Objects {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Objects").field("path", &self.repository.git_dir()).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Index {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_tuple("Index").field(&self.0.path()).finish()
    }
}
