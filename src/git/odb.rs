//! The object store as gix opens it, without starting a process.
//!
//! Where gix is known to read another store than git, or none, the question is handed over: a
//! [`Handover`] says why. The list of such places was measured; when in doubt, hand over.

use std::path::{Path, PathBuf};

use gix::objs::{Find, Kind as GixKind};

use crate::base::change::{Content, ObjectId};
use crate::git::layer::{Handover, ObjectKind};
use crate::git::process::Git;
use crate::os::env::Environment;

/// How many bytes of objects are kept for a walk over history, which compares the trees of a commit
/// with those of its parents.
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

/// Extensions of the repository format that gix is known to follow. Git refuses a repository with
/// an unknown one; gix ignores it.
const EXTENSIONS: [&str; 4] = ["worktreeconfig", "objectformat", "partialclone", "preciousobjects"];

/// An open object store, with its alternates and its multi-pack index.
#[derive(Debug)]
pub(super) struct Odb {
    repository: gix::Repository,
}

impl Odb {
    /// Whether gix finds the store that git would use in this environment.
    pub(super) fn follows(env: &Environment) -> Result<(), Handover> {
        match UNKNOWN_VARIABLES.into_iter().find(|name| env.get(name).is_some()) {
            Some(name) => Err(Handover::variable(name)),
            None => Ok(()),
        }
    }

    /// Opens the store of the repository that this git would use. Gix would wait for the same
    /// files.
    pub(super) fn open(git: &Git) -> Result<Self, Handover> {
        git.check_safe_to_start().map_err(|_| "a file of the repository is not regular")?;
        let strict = || {
            gix::open::Options::default()
                .bail_if_untrusted(true)
                .strict_config(true)
                // A commit contains the object that it names, not the one that replaces it here.
                .config_overrides(["core.useReplaceRefs=false", "gitoxide.objects.noReplace=true"])
        };
        let mut repository = gix::ThreadSafeRepository::discover_with_environment_overrides_opts(
            git.directory(),
            gix::discover::upwards::Options {
                match_ceiling_dir_or_error: false,
                ..Default::default()
            },
            gix::sec::trust::Mapping { full: strict(), reduced: strict() },
        )
        .map_err(|error| Handover::failed("gix cannot open the repository", error))?
        .to_thread_local();
        if let Some(name) = unknown_extension(&repository) {
            return Err(Handover::repository_extension(&name));
        }
        repository.object_cache_size_if_unset(OBJECT_CACHE);
        Ok(Self { repository })
    }

    /// Where git keeps the list of a shallow clone's last commits.
    pub(super) fn shallow_file(&self) -> Option<PathBuf> {
        self.repository.shallow_file().ok()
    }

    /// Where the objects are, alternates aside.
    pub(super) fn directory(&self) -> &Path {
        self.repository.objects.store_ref().path()
    }

    /// The content of a blob, or `None` if gix cannot give it.
    pub(super) fn blob(&self, id: &ObjectId, limit: u64) -> Option<Content> {
        let id = gix::ObjectId::try_from(id.as_bytes()).ok()?;
        let header = self.repository.find_header(id).ok()?;
        if header.kind() != GixKind::Blob {
            // The message of git says so.
            return None;
        }
        if header.size() > limit {
            return Some(Content::TooLarge(header.size()));
        }
        Some(Content::Bytes(self.repository.find_object(id).ok()?.detach().data))
    }

    /// The raw content of an object of this kind, into a buffer that is used again and again;
    /// whether gix could give it.
    pub(super) fn raw(&self, id: &ObjectId, kind: ObjectKind, buffer: &mut Vec<u8>) -> bool {
        let Ok(id) = gix::ObjectId::try_from(id.as_bytes()) else { return false };
        matches!(self.repository.objects.try_find(&id, buffer), Ok(Some(object)) if object.kind == gix_kind(kind))
    }
}

/// The first extension of the repository format that gix is not known to follow.
fn unknown_extension(repository: &gix::Repository) -> Option<String> {
    let config = repository.config_snapshot();
    let sections = config.plumbing().sections_by_name("extensions").into_iter().flatten();
    let mut names = sections.flat_map(|section| section.value_names().collect::<Vec<_>>());
    names.find(|name| !EXTENSIONS.iter().any(|known| known.eq_ignore_ascii_case(name)))
}

/// The name that gix has for a kind.
pub(super) fn gix_kind(kind: ObjectKind) -> GixKind {
    match kind {
        ObjectKind::Commit => GixKind::Commit,
        ObjectKind::Tree => GixKind::Tree,
        ObjectKind::Blob => GixKind::Blob,
    }
}

/// Whether this is the tree without an entry.
pub(super) fn is_empty_tree(id: &ObjectId) -> bool {
    [gix::hash::Kind::Sha1, gix::hash::Kind::Sha256]
        .into_iter()
        .any(|hash| gix::ObjectId::empty_tree(hash).as_bytes() == id.as_bytes())
}
