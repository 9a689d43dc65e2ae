//! What the preparation of a Docker build leaves behind, known by its name alone.

use crate::formats::spec::is_docker_deps;
use crate::path::RepoPath;

/// Files that keep the directory in the tree on purpose: a Dockerfile's `COPY .docker-deps/` needs it to exist.
const KEEPERS: [&[u8]; 2] = [b".gitkeep", b".gitignore"];

/// Whether this is a backup: `*.bak`, in any case.
pub fn is_backup(path: &RepoPath) -> bool {
    path.file_name().last_chunk::<4>().is_some_and(|ending| ending.eq_ignore_ascii_case(b".bak"))
}

/// Whether this stands in a `.docker-deps` directory, or in its place. A regular file that keeps the directory in the
/// tree does not count.
pub fn is_packed(path: &RepoPath, regular: bool) -> bool {
    let mut inside = path.components().skip_while(|component| !is_docker_deps(component)).skip(1);
    match (inside.next(), inside.next()) {
        (None, _) => is_docker_deps(path.file_name()),
        (Some(name), None) => !(regular && KEEPERS.contains(&name)),
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
    fn packed_is_what_the_directory_holds_and_what_stands_in_its_place() {
        for (path, regular, packed) in [
            (".docker-deps/x.tgz", true, true),
            ("web/.Docker-Deps/a/.gitkeep", true, true),
            (".docker-deps/.gitkeep", true, false),
            (".docker-deps/.gitkeep", false, true),
            (".docker-deps", false, true),
            ("docker-deps/x", true, false),
            ("x.tgz", true, false),
        ] {
            assert_eq!(is_packed(&path.into(), regular), packed, "{path}");
        }
    }
}
