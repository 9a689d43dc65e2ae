//! Replaces files of the work tree: all, or none if one must not be changed.

use crate::base::edit::Replacement;
use crate::base::error::Error;
use crate::git::worktree::WorkTree;

/// Replaces each file atomically, if all are where they may be changed. A file that another process
/// changed in the meantime is an error, which says how many files are changed already.
pub(super) fn replace_all(tree: &WorkTree, files: &[Replacement]) -> Result<(), Error> {
    for file in files {
        tree.place_to_change(&file.path)?;
    }
    for (done, Replacement { path, old, new }) in files.iter().enumerate() {
        tree.replace(path, old, new).map_err(|error| match done {
            0 => error,
            1 => error.help("1 file is changed already: fix this, and run it again"),
            _ => {
                error.help(format!("{done} files are changed already: fix this, and run it again"))
            }
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::process::Command;

    use super::*;

    #[test]
    fn files_are_replaced_as_planned_or_not_at_all() {
        let (directory, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let at = |name: &str| directory.path().join(name);
        let mut init = Command::new("git");
        assert!(init.args(["init", "-q"]).arg(directory.path()).status().unwrap().success());
        let tree = WorkTree::open(directory.path()).unwrap();
        let write = |name: &str| fs::write(at(name), "old").unwrap();
        let read = |name: &str| fs::read_to_string(at(name)).unwrap();
        let replacement = |path: &str, old: &str| Replacement {
            path: path.into(),
            old: old.into(),
            new: "new".into(),
        };
        write("a");
        write("b");
        fs::write(outside.path().join("c"), "old").unwrap();
        symlink(outside.path(), at("out")).unwrap();
        symlink(".git", at("inside")).unwrap();
        for refused in ["out/c", "inside/config", ".git/config"] {
            let files = [replacement("a", "old"), replacement(refused, "old")];
            assert!(replace_all(&tree, &files).is_err(), "{refused}");
            assert_eq!(read("a"), "old", "{refused}");
        }
        assert_eq!(fs::read_to_string(outside.path().join("c")).unwrap(), "old");
        // Another process changed the second file after the plan.
        let error = replace_all(&tree, &[replacement("a", "old"), replacement("b", "older")]);
        assert!(format!("{:?}", error.unwrap_err()).contains("1 file is changed already"));
        assert_eq!((&*read("a"), &*read("b")), ("new", "old"));
        replace_all(&tree, &[replacement("a", "new"), replacement("b", "old")]).unwrap();
        assert_eq!(read("b"), "new");
    }
}
