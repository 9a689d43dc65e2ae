//! The leftovers of a Docker build preparation, known by name alone.

use fast_glob::glob_match;

use crate::base::change::Mode;
use crate::base::path::{RepoPath, folded, is_same_name};
use crate::base::pattern::{LONGEST, Pattern};

/// The directory that docker-prep packs into.
pub(crate) const DOCKER_DEPS: &str = ".docker-deps";

/// Files that keep the directory in the tree: `COPY .docker-deps/` fails without it.
const KEEPERS: [&str; 2] = [".gitkeep", ".gitignore"];

/// What counts as a leftover: the built-in names, as the configuration changes them.
#[derive(Debug, Clone)]
pub(crate) struct Debris {
    backups: Vec<Backup>,
    directories: Vec<Directory>,
}

/// A pattern of backups other than `*.bak`.
#[derive(Debug, Clone)]
struct Backup {
    pattern: Pattern,
    /// What the backup adds to the name of its original, if the pattern ends with that.
    ending: Option<String>,
}

/// A directory whose content is a leftover, at any depth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Directory {
    /// Its name, without a slash, and without a dot or space at its end.
    pub name: String,
    /// The regular files directly in it that are allowed.
    pub keep: Vec<String>,
}

impl Directory {
    /// A directory in which only [`KEEPERS`] are allowed.
    pub(crate) fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), keep: KEEPERS.map(str::to_owned).to_vec() }
    }

    /// Whether a path component names this directory. Case is folded, as on macOS and Windows;
    /// trailing dots and spaces are ignored, as on Windows.
    pub(crate) fn is(&self, component: &[u8]) -> bool {
        let end = component
            .iter()
            .rposition(|byte| !matches!(byte, b'.' | b' '))
            .map_or(0, |last| last + 1);
        is_same_name(&component[..end], &self.name)
    }
}

impl Default for Debris {
    fn default() -> Self {
        Self { backups: Vec::new(), directories: vec![Directory::new(DOCKER_DEPS)] }
    }
}

impl Debris {
    /// Adds a pattern of backups, parsed from `glob`.
    pub(crate) fn add_backups(&mut self, glob: &str, pattern: Pattern) {
        // `*.orig` adds `.orig` to the name of the original.
        let ending = glob.rsplit_once('*').map(|(_, ending)| ending);
        let plain = |ending: &&str| {
            !ending.is_empty() && !ending.contains(['/', '?', '[', ']', '{', '}', ','])
        };
        self.backups.push(Backup { pattern, ending: ending.filter(plain).map(str::to_owned) });
    }

    /// Adds a directory, or replaces the one of the same name.
    pub(crate) fn add(&mut self, directory: Directory) {
        self.remove(&directory.name);
        self.directories.push(directory);
    }

    pub(crate) fn remove(&mut self, name: &str) {
        self.directories.retain(|known| !known.is(name.as_bytes()));
    }

    /// Whether the path is a backup: `*.bak` in any case, or a configured pattern.
    pub(crate) fn is_backup(&self, path: &RepoPath) -> bool {
        is_bak(path) || self.backups.iter().any(|backup| backup.pattern.matches(path))
    }

    /// The original of a backup, if its name shows it.
    pub(crate) fn backed_up(&self, path: &RepoPath) -> Option<RepoPath> {
        let bytes = path.as_bytes();
        if is_bak(path) {
            return bytes
                .iter()
                .rposition(|&byte| byte == b'.')
                .map(|dot| RepoPath::new(&bytes[..dot]));
        }
        let original = |ending: usize| RepoPath::new(&bytes[..bytes.len() - ending]);
        let mut backups = self.backups.iter().filter(|backup| backup.pattern.matches(path));
        backups.find_map(|backup| backup.ending.as_ref()).map(|ending| original(ending.len()))
    }

    pub(crate) fn directories(&self) -> &[Directory] {
        &self.directories
    }

    /// The leftover directory that a path component names.
    pub(crate) fn directory(&self, component: &[u8]) -> Option<&Directory> {
        self.directories.iter().find(|directory| directory.is(component))
    }

    /// The leftover directory that a glob of one component matches. As in package managers, `*` and
    /// `?` do not match the dot of a hidden directory. Another directory is matched by a glob with
    /// a letter, not by `*`, which matches any name.
    pub(crate) fn directory_like(&self, glob: &str) -> Option<&Directory> {
        let names = |directory: &&Directory| {
            let is_specific = if directory.name.starts_with('.') {
                glob.starts_with(['.', '['])
            } else {
                glob.bytes().any(|byte| byte.is_ascii_alphabetic())
            };
            is_specific
                && glob.len() <= LONGEST
                && glob_match(folded(glob.as_bytes()), directory.name.to_ascii_lowercase())
        };
        self.directory(glob.as_bytes()).or_else(|| self.directories.iter().find(names))
    }

    /// The leftover directory that the path is in, or replaces, unless it is a file that is
    /// allowed there.
    pub(crate) fn content_of(&self, path: &RepoPath, mode: Mode) -> Option<&Directory> {
        let mut components = path.components();
        let directory = components.find_map(|component| self.directory(component))?;
        let kept = match (components.next(), components.next()) {
            (Some(name), None) => {
                mode == Mode::File && directory.keep.iter().any(|keeper| keeper.as_bytes() == name)
            }
            _ => false,
        };
        (!kept).then_some(directory)
    }
}

fn is_bak(path: &RepoPath) -> bool {
    let mut parts = path.file_name().rsplitn(2, |&byte| byte == b'.');
    parts.next().is_some_and(|ending| is_same_name(ending, "bak")) && parts.next().is_some()
}

/// The backup that a preparation makes of a manifest.
pub(crate) fn backup_of(path: &RepoPath) -> RepoPath {
    RepoPath::new([path.as_bytes(), b".bak"].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_backups(globs: &[&str]) -> Debris {
        let mut debris = Debris::default();
        for glob in globs {
            debris.add_backups(glob, Pattern::for_names(glob).unwrap());
        }
        debris
    }

    #[test]
    fn backups_end_in_bak_in_any_case() {
        let debris = Debris::default();
        for (path, backup) in [
            ("a.bak", true),
            (".bak", true),
            ("a/B.BaK", true),
            ("a/b.ba\u{212a}", true),
            ("bak", false),
            ("a.bak/b", false),
        ] {
            assert_eq!(debris.is_backup(&path.into()), backup, "{path}");
        }
        assert!(debris.is_backup(&RepoPath::new(*b"\xff\n.bak")));
    }

    #[test]
    fn configured_backups_have_an_original_if_the_pattern_shows_it() {
        let debris = with_backups(&["*.orig", "config/*.save", "copy-of-*", "*.[0-9]", "*~"]);
        for (path, original) in [
            ("a.bak", Some("a")),
            ("x/a.ba\u{212a}", Some("x/a")),
            ("x/A.ORIG", Some("x/A")),
            ("config/a.save", Some("config/a")),
            ("copy-of-a", None),
            ("a.1", None),
            ("a~", Some("a")),
        ] {
            assert!(debris.is_backup(&path.into()), "{path}");
            assert_eq!(debris.backed_up(&path.into()), original.map(RepoPath::from), "{path}");
        }
        for path in ["a.save", "a.orig/b", "original"] {
            assert!(!debris.is_backup(&path.into()), "{path}");
            assert_eq!(debris.backed_up(&path.into()), None, "{path}");
        }
    }

    #[test]
    fn content_is_everything_in_the_directory_or_in_its_place() {
        let debris = Debris::default();
        for (path, mode, content) in [
            (".docker-deps/x.tgz", Mode::File, true),
            ("web/.Docker-Deps/a/.gitkeep", Mode::File, true),
            (".doc\u{212a}er-dep\u{17f}/x.tgz", Mode::File, true),
            (".docker-deps/.gitkeep", Mode::File, false),
            (".docker-deps/.gitkeep", Mode::Symlink, true),
            (".docker-deps", Mode::Symlink, true),
            (".docker-deps. /x.tgz", Mode::File, true),
            (".docker-deps/", Mode::Submodule, true),
            ("docker-deps/x", Mode::File, false),
            ("x.tgz", Mode::File, false),
        ] {
            assert_eq!(debris.content_of(&path.into(), mode).is_some(), content, "{path}");
        }
    }

    #[test]
    fn a_glob_includes_a_directory_if_it_is_about_its_name() {
        let mut debris = Debris::default();
        debris.add(Directory::new("packed"));
        for (glob, name) in [
            (".docker-deps", Some(DOCKER_DEPS)),
            (".Docker-dep[s]", Some(DOCKER_DEPS)),
            (".doc\u{212a}er-*", Some(DOCKER_DEPS)),
            ("\\.docker-deps", None),
            (".*", Some(DOCKER_DEPS)),
            ("[.]docker-deps", Some(DOCKER_DEPS)),
            (".git*", None),
            ("*", None),
            ("**", None),
            ("*-deps", None),
            ("pack*", Some("packed")),
            ("PACKED", Some("packed")),
            ("?[a-z]*", Some("packed")),
            ("??????", None),
            ("packages", None),
            ("[", None),
        ] {
            let found = debris.directory_like(glob).map(|directory| directory.name.as_str());
            assert_eq!(found, name, "{glob}");
        }
        assert_eq!(debris.directory_like(&format!(".{}", "*a".repeat(10_000))), None);
    }

    #[test]
    fn directories_are_created_and_removed() {
        let mut debris = Debris::default();
        debris.add(Directory { name: ".packed".into(), keep: vec!["README".into()] });
        let content = |debris: &Debris, path: &str| {
            debris.content_of(&path.into(), Mode::File).map(|directory| directory.name.clone())
        };
        assert_eq!(content(&debris, "a/.PACKED/x"), Some(".packed".into()));
        assert_eq!(content(&debris, ".packed/.gitkeep"), Some(".packed".into()));
        assert_eq!(content(&debris, ".packed/README"), None);
        debris.add(Directory { name: DOCKER_DEPS.into(), keep: Vec::new() });
        assert_eq!(content(&debris, ".docker-deps/.gitkeep"), Some(DOCKER_DEPS.into()));
        debris.remove(DOCKER_DEPS);
        assert_eq!(content(&debris, ".docker-deps/x"), None);
        assert_eq!(debris.directories().len(), 1);
    }
}
