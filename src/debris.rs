//! What the preparation of a Docker build leaves behind, known by its name alone.

use crate::change::Mode;
use crate::path::RepoPath;

/// The directory that docker-prep packs into.
pub const DOCKER_DEPS: &str = ".docker-deps";

/// Whether a path component is the `.docker-deps` directory. Case is folded, as macOS and Windows do, and dots and spaces
/// at the end are passed over, as Windows does.
pub fn is_docker_deps(component: &[u8]) -> bool {
    let end = component.iter().rposition(|byte| !matches!(byte, b'.' | b' ')).map_or(0, |last| last + 1);
    component[..end].eq_ignore_ascii_case(DOCKER_DEPS.as_bytes())
}

/// Files that keep the directory in the tree on purpose: a Dockerfile's `COPY .docker-deps/` needs it to exist.
const KEEPERS: [&[u8]; 2] = [b".gitkeep", b".gitignore"];

/// Whether this is a backup: `*.bak`, in any case.
pub fn is_backup(path: &RepoPath) -> bool {
    path.file_name().last_chunk::<4>().is_some_and(|ending| ending.eq_ignore_ascii_case(b".bak"))
}

/// The file that a backup is of.
pub fn backed_up(path: &RepoPath) -> Option<RepoPath> {
    is_backup(path).then(|| RepoPath::new(&path.as_bytes()[..path.as_bytes().len() - 4]))
}

/// The backup that the preparation makes of a manifest.
pub fn backup_of(path: &RepoPath) -> RepoPath {
    RepoPath::new([path.as_bytes(), b".bak"].concat())
}

/// Whether this stands in a `.docker-deps` directory, or in its place. A regular file that keeps the directory in the
/// tree does not count.
pub fn is_docker_deps_content(path: &RepoPath, mode: Mode) -> bool {
    let mut inside = path.components().skip_while(|component| !is_docker_deps(component)).skip(1);
    match (inside.next(), inside.next()) {
        (None, _) => is_docker_deps(path.file_name()),
        (Some(name), None) => !(mode == Mode::File && KEEPERS.contains(&name)),
        (Some(_), Some(_)) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backups_end_in_bak_in_any_case() {
        for (path, backup) in [("a.bak", true), (".bak", true), ("a/B.BaK", true), ("bak", false), ("a.bak/b", false)] {
            assert_eq!(is_backup(&path.into()), backup, "{path}");
        }
        assert!(is_backup(&RepoPath::new(*b"\xff\n.bak")));
    }

    #[test]
    fn content_is_what_the_directory_holds_and_what_stands_in_its_place() {
        for (path, mode, content) in [
            (".docker-deps/x.tgz", Mode::File, true),
            ("web/.Docker-Deps/a/.gitkeep", Mode::File, true),
            (".docker-deps/.gitkeep", Mode::File, false),
            (".docker-deps/.gitkeep", Mode::Symlink, true),
            (".docker-deps", Mode::Symlink, true),
            ("docker-deps/x", Mode::File, false),
            ("x.tgz", Mode::File, false),
        ] {
            assert_eq!(is_docker_deps_content(&path.into(), mode), content, "{path}");
        }
    }
}
