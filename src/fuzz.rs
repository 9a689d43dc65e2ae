//! Fuzz targets. A target takes any bytes and asserts properties of the result. Each is compiled as
//! a program by `fuzz/`, and for the test that feeds it its corpus. Targets of private parsers are
//! in the `fuzz.rs` of their room.

use crate::{git, hooks};

mod asserts;
mod builds;
mod formats;
mod judging;
mod locks;
mod pins;
mod preparing;

/// The name of a target, in fuzz/Cargo.toml and as directory of its corpus, and its function.
type FuzzTarget = (&'static str, fn(&[u8]));

/// Every target. A new one needs a line here and one in fuzz/Cargo.toml.
pub const TARGETS: &[FuzzTarget] = &[
    ("json", formats::json),
    ("yaml", formats::yaml),
    ("hcl", formats::hcl),
    ("settings", formats::settings),
    ("spec", formats::spec),
    ("shell", formats::shell),
    ("dockerfile", formats::dockerfile),
    ("dockerignore", builds::dockerignore),
    ("builds", builds::builds),
    ("progress", builds::progress),
    ("pins", pins::read),
    ("edit", pins::edit),
    ("overlay", preparing::overlay),
    ("locks", locks::locks),
    ("config", judging::config),
    ("records", judging::records),
    ("escape", judging::escape),
    ("judge", judging::judge),
    ("hooks", hooks::fuzz::files),
    ("answers", answers),
    ("trees", git::fuzz::trees),
    ("index", git::worktree::fuzz::index),
    ("entries", git::fuzz::entries),
    ("pack", git::fuzz::pack),
];

/// The output of git.
fn answers(data: &[u8]) {
    git::fuzz::answers(data);
    hooks::fuzz::answers(data);
}

/// Runs a target.
pub fn run(name: &str, data: &[u8]) {
    match TARGETS.iter().find(|(known, _)| *known == name) {
        Some((_, target)) => target(data),
        None => panic!("{name} is not a target of src/fuzz.rs"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::{Path, PathBuf};

    use crate::formats::document::{Node, Value};
    use crate::formats::{Syntax, parse};

    use super::*;

    fn root() -> &'static Path {
        Path::new(env!("CARGO_MANIFEST_DIR"))
    }

    fn corpus(target: &str) -> Vec<PathBuf> {
        let directory = root().join("fuzz/corpus").join(target);
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect()
    }

    fn toml(path: &str) -> Node {
        parse(Syntax::Toml, &fs::read(root().join(path)).unwrap()).unwrap()
    }

    #[test]
    fn every_target_accepts_its_corpus() {
        for (name, target) in TARGETS {
            let files = corpus(name);
            assert!(!files.is_empty(), "{name}");
            for file in files {
                let data = fs::read(&file).unwrap();
                let ran = std::panic::catch_unwind(|| target(&data));
                assert!(ran.is_ok(), "{}", file.display());
            }
        }
    }

    #[test]
    fn a_corpus_is_small() {
        for (name, _) in TARGETS {
            let sizes: Vec<u64> =
                corpus(name).iter().map(|file| file.metadata().unwrap().len()).collect();
            let whole: u64 = sizes.iter().sum();
            assert!(
                sizes.len() <= 64 && whole <= 100 * 1024,
                "{name}: {} files, {whole} bytes",
                sizes.len()
            );
            assert!(sizes.iter().all(|size| *size <= 4096), "{name}");
        }
    }

    #[test]
    fn every_target_is_a_program_and_has_a_corpus() {
        let targets: BTreeSet<String> =
            TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(targets.len(), TARGETS.len());
        let manifest = toml("fuzz/Cargo.toml");
        let Some(Value::List(programs)) = manifest.last("bin").map(|bin| &bin.value) else {
            panic!("no list")
        };
        let name = |program: &Node| program.last("name").unwrap().text().unwrap().to_owned();
        assert_eq!(programs.iter().map(name).collect::<BTreeSet<_>>(), targets);
        let name = |entry: fs::DirEntry| entry.file_name().into_string().unwrap();
        let corpora =
            fs::read_dir(root().join("fuzz/corpus")).unwrap().map(|entry| name(entry.unwrap()));
        assert_eq!(corpora.collect::<BTreeSet<_>>(), targets);
    }

    /// The direct dependencies of bakstop in a lockfile, with versions.
    fn locked(path: &str) -> BTreeSet<(String, String)> {
        let lockfile = toml(path);
        let list = |node: &Node, key| match node.last(key).map(|list| &list.value) {
            Some(Value::List(list)) => list.clone(),
            _ => panic!("no list {key} in {path}"),
        };
        let part = |package: &Node, key| package.last(key).unwrap().text().unwrap().to_owned();
        let packages = list(&lockfile, "package");
        let ours = packages.iter().find(|package| part(package, "name") == "bakstop").unwrap();
        let ours: BTreeSet<String> =
            list(ours, "dependencies").iter().map(|name| name.text().unwrap().to_owned()).collect();
        let versions =
            packages.iter().map(|package| (part(package, "name"), part(package, "version")));
        versions.filter(|(name, _)| ours.contains(name)).collect()
    }

    #[test]
    fn the_targets_link_the_versions_that_are_built() {
        let (built, linked) = (locked("Cargo.lock"), locked("fuzz/Cargo.lock"));
        assert!(linked.len() > 20, "{linked:?}");
        assert_eq!(linked.difference(&built).collect::<Vec<_>>(), Vec::<&(String, String)>::new());
    }
}
