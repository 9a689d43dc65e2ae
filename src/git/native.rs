//! The repository as gix reads it, without starting a process.
//!
//! Where gix is known to answer otherwise than git, or not to know at all, the question is handed over: a [`Handover`]
//! says why. The list of such places was measured, version by version; when in doubt, hand over.

use std::path::{Path, PathBuf};

use gix::bstr::ByteSlice;
use gix::index::entry::{Flags, Mode as IndexMode, Stage};
use gix::objs::Find;

use crate::base::change::{Content, Entry, Mode, ObjectId};
use crate::base::path::RepoPath;
use crate::git;
use crate::git::cache_tree::CacheTree;
use crate::git::compare::{Compared, Entries, Item, compare};
use crate::git::trees::LONGEST_PATH;
use crate::os::env::Environment;

/// Why git must be asked; completes "because …".
pub(super) type Handover = String;

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
pub(super) struct Repository {
    repository: gix::Repository,
    directory: PathBuf,
}

impl Repository {
    /// Opens the repository that git would use in this directory and environment.
    pub(super) fn open(directory: &Path, env: &Environment) -> Result<Self, Handover> {
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
    pub(super) fn into_objects(mut self) -> Objects {
        self.repository.object_cache_size_if_unset(OBJECT_CACHE);
        Objects { repository: self.repository }
    }

    /// What is staged: the index compared with the tree of HEAD.
    pub(super) fn staged(self, env: &Environment) -> Result<Staged, Handover> {
        let head = self.repository.head_tree_id_or_empty().map_err(|error| format!("HEAD cannot be read ({error})"))?;
        let (head, below_top) = (convert_id(&head)?, self.is_below_top());
        // Git gives its hooks the path of a repository that lies apart from its work tree; to gix, it may look bare.
        if self.repository.workdir().is_none() && env.get("GIT_DIR").is_some() {
            return Err("GIT_DIR is set, and gix knows of no work tree".into());
        }
        self.check_head()?;
        let top = self.repository.workdir().is_some().then(|| self.top(env).to_owned());
        let index = self.open_index(env)?;
        if index.is_sparse() {
            return Err("the index is sparse".into());
        }
        let objects = Objects { repository: self.repository };
        Ok(Staged { index: Index(index), head, objects, top, below_top })
    }

    /// Git refuses a repository whose HEAD stands for what is no ref, and what follows a first line belongs to the name of
    /// the branch; gix takes no notice of either.
    fn check_head(&self) -> Result<(), Handover> {
        let head = std::fs::read(self.repository.git_dir().join("HEAD"))
            .map_err(|error| format!("HEAD cannot be read ({error})"))?;
        let name = head.strip_prefix(b"ref:").map(<[u8]>::trim_ascii);
        match name {
            Some(name) if !name.starts_with(b"refs/") => Err("HEAD stands for what is no ref".into()),
            Some(name) if name.contains(&b'\n') => Err("HEAD has more than one line".into()),
            _ => Ok(()),
        }
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
pub(super) struct Staged {
    /// The tree of HEAD.
    pub head: ObjectId,
    /// The index.
    pub index: Index,
    /// The object store.
    pub objects: Objects,
    /// The top of the work tree, if there is one.
    pub top: Option<PathBuf>,
    /// Whether we were started below the top of the work tree.
    pub below_top: bool,
}

/// The entries of gix's index, one after another.
struct Stream<'a> {
    index: &'a gix::index::State,
    next: usize,
}

impl Entries for Stream<'_> {
    fn peek(&mut self) -> Result<Option<Item<'_>>, Handover> {
        let Some(entry) = self.index.entries().get(self.next) else { return Ok(None) };
        Ok(Some(Item {
            path: entry.path(self.index),
            mode: entry.mode.bits(),
            id: convert_id(&entry.id)?,
            unmerged: entry.stage() != Stage::Unconflicted,
            announced: entry.flags.contains(Flags::INTENT_TO_ADD),
        }))
    }

    fn advance(&mut self) {
        self.next += 1;
    }

    fn skip(&mut self, count: u32) -> Result<(), Handover> {
        self.next += count as usize;
        if self.next > self.index.entries().len() {
            return Err("the cache-tree counts otherwise than the index".into());
        }
        Ok(())
    }

    /// gix read all of it.
    fn finish(&mut self) -> Result<(), Handover> {
        Ok(())
    }
}

/// gix sorts the nodes by name, and refuses an index that names one twice. Git sets the depth no bound.
fn convert_cache(node: &gix::index::extension::Tree, prefix: usize) -> Option<CacheTree> {
    let prefix = prefix + node.name.len() + 1;
    if prefix > LONGEST_PATH {
        return None;
    }
    let id = node.num_entries.and_then(|_| convert_id(&node.id).ok());
    let children = node.children.iter().map(|child| convert_cache(child, prefix)).collect::<Option<_>>()?;
    Some(CacheTree { name: node.name.to_vec(), count: node.num_entries, id, children })
}

/// Whether this is the tree of nothing.
pub(super) fn is_empty_tree(id: &ObjectId) -> bool {
    [gix::hash::Kind::Sha1, gix::hash::Kind::Sha256]
        .into_iter()
        .any(|hash| gix::ObjectId::empty_tree(hash).as_bytes() == id.as_bytes())
}

fn same_directory(a: &Path, b: &Path) -> bool {
    a == b || matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

fn convert_mode(mode: IndexMode) -> Option<Mode> {
    Mode::from_bits(mode.bits())
}

fn convert_id(id: &gix::oid) -> Result<ObjectId, Handover> {
    ObjectId::from_bytes(id.as_bytes()).ok_or_else(|| format!("the object id {id} has an unknown length"))
}

/// The index, kept for what the rules ask for later.
pub(super) struct Index(gix::index::File);

impl Index {
    /// What it has that a tree has not.
    pub(super) fn compare(&self, head: ObjectId, objects: &git::objects::Objects) -> Result<Compared, Handover> {
        let cache = self.0.tree().and_then(|root| convert_cache(root, 0));
        compare(&mut Stream { index: &self.0, next: 0 }, cache.as_ref(), head, objects)
    }

    /// The wanted entries of stage 0, none of them marked as fresh.
    pub(super) fn entries(&self, wanted: &dyn Fn(&RepoPath) -> bool) -> Vec<Entry> {
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
    pub(super) fn entry(&self, path: &RepoPath) -> Option<Entry> {
        let entry = self.0.entry_by_path(path.as_bytes().as_bstr())?;
        let committed = entry.stage() == Stage::Unconflicted && !entry.flags.contains(Flags::INTENT_TO_ADD);
        let (mode, id) = (convert_mode(entry.mode)?, convert_id(&entry.id).ok()?);
        committed.then(|| Entry { path: path.clone(), mode, id, fresh: false, replaces: None })
    }
}

/// The object store.
pub(super) struct Objects {
    repository: gix::Repository,
}

impl Objects {
    /// Where git keeps the list of a shallow clone's last commits.
    pub(super) fn shallow_file(&self) -> Option<PathBuf> {
        self.repository.shallow_file().ok()
    }

    /// Where they are, alternates aside.
    pub(super) fn directory(&self) -> &Path {
        self.repository.objects.store_ref().path()
    }

    /// The content of a blob, or `None` if gix cannot give it.
    pub(super) fn blob(&self, id: &ObjectId, limit: u64) -> Option<Content> {
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
    pub(super) fn raw(&self, id: &ObjectId, kind: Kind, buffer: &mut Vec<u8>) -> bool {
        let wanted = kind.of_gix();
        let Ok(id) = gix::ObjectId::try_from(id.as_bytes()) else { return false };
        matches!(self.repository.objects.try_find(&id, buffer), Ok(Some(object)) if object.kind == wanted)
    }
}

/// The kinds of object that are read raw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A directory.
    Tree,
    /// A commit.
    Commit,
}

impl Kind {
    /// The word that git uses.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Tree => "tree",
            Self::Commit => "commit",
        }
    }

    /// The same, to gix.
    pub(super) fn of_gix(self) -> gix::objs::Kind {
        match self {
            Self::Tree => gix::objs::Kind::Tree,
            Self::Commit => gix::objs::Kind::Commit,
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
