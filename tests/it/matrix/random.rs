//! Random repositories and random staging.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::{State, check_here, prepare, state};
use crate::support::{Sandbox, finish_with_input};

/// How many repositories are made, and how often something is staged and committed in each.
const REPOSITORIES: u64 = 50;
const ROUNDS: u64 = 4;

/// No new repository is started after this time.
const TIME: Duration = Duration::from_secs(20);

/// Names that sort differently as a file than as a directory, and a few others.
const NAMES: [&str; 12] = ["a", "a.b", "a0", "a-", "a!", "A", "ab", "b", "b.c", "ä", "a b", "TREE"];

/// Commits of the index, of all files and of a few paths.
const COMMITS: [&str; 5] = [
    "git commit -q -m Next",
    "git commit -q --allow-empty -m Next",
    "git commit -q -a -m Next",
    "git commit -q --amend -m Next",
    "git commit -q -m Next -- a b",
];

const STAGED: State = state("random", "", &[]).same_as_git();

/// Pseudo-random numbers, the same for the same seed (splitmix64).
struct Random(u64);

impl Random {
    /// A number below `end`.
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut number = self.0;
        number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (number ^ (number >> 31)) % end
    }

    /// True once in `times` on average.
    fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    fn pick<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[usize::try_from(self.below(choices.len() as u64)).unwrap()]
    }

    /// A path of one to four names.
    fn path(&mut self) -> PathBuf {
        (0..=self.below(4)).map(|_| *self.pick(&NAMES)).collect()
    }
}

/// Every file and directory below a directory, except `.git`.
fn entries_below(directory: &Path) -> Vec<PathBuf> {
    let mut found = BTreeSet::new();
    let mut open = vec![directory.to_owned()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(next)
            .unwrap()
            .map(Result::unwrap)
            .filter(|entry| entry.file_name() != ".git")
        {
            let is_directory = entry.file_type().unwrap().is_dir();
            open.extend(is_directory.then(|| entry.path()));
            found.insert(entry.path());
        }
    }
    found.into_iter().collect()
}

fn remove(path: &Path) {
    match fs::symlink_metadata(path) {
        Ok(about) if about.is_dir() => fs::remove_dir_all(path).unwrap(),
        Ok(_) => fs::remove_file(path).unwrap(),
        Err(_) => {}
    }
}

/// Makes room for a file at a path: removes an existing one, and files in place of its parents.
fn make_room(top: &Path, path: &Path) -> PathBuf {
    let mut directory = top.to_owned();
    for name in path.parent().unwrap() {
        directory.push(name);
        if !fs::symlink_metadata(&directory).is_ok_and(|about| about.is_dir()) {
            remove(&directory);
            fs::create_dir(&directory).unwrap();
        }
    }
    let target = top.join(path);
    remove(&target);
    target
}

/// Changes something in the work tree.
fn change(top: &Path, random: &mut Random) {
    let (action, path, content) = (random.below(10), random.path(), random.below(6).to_string());
    let existing = entries_below(top);
    match (action, existing.is_empty()) {
        (0..=4, _) | (_, true) => fs::write(make_room(top, &path), content).unwrap(),
        (5, _) => symlink(content, make_room(top, &path)).unwrap(),
        (6, _) => {
            let file = random.pick(&existing);
            if fs::symlink_metadata(file).unwrap().is_file() {
                fs::set_permissions(
                    file,
                    fs::Permissions::from_mode(*random.pick(&[0o644, 0o755])),
                )
                .unwrap();
            }
        }
        (7, _) => {
            let from = random.pick(&existing);
            let aside = top.parent().unwrap().join("aside");
            fs::rename(from, &aside).unwrap();
            fs::rename(&aside, make_room(top, &path)).unwrap();
        }
        _ => remove(random.pick::<PathBuf>(&existing)),
    }
}

/// Stages random entries of all kinds in the index only, without files.
fn stage_without_files(sandbox: &Sandbox, random: &mut Random) {
    let blob = sandbox.git(&["hash-object", "-w", "-t", "blob", "/dev/null"]);
    let commit = "12".repeat(20);
    let mut lines = String::new();
    for _ in 0..=random.below(3) {
        let (mode, id) = *random.pick(&[
            ("100644", blob.trim()),
            ("100755", blob.trim()),
            ("120000", blob.trim()),
            ("160000", &commit),
            ("0", &commit),
        ]);
        lines += &format!("{mode} {id}\t{}\n", random.path().display());
    }
    let mut git = sandbox.command("git");
    git.args(["update-index", "--add", "--replace", "--index-info"]);
    let ran = finish_with_input(&mut git, lines.as_bytes());
    assert_eq!(ran.code, Some(0), "{lines}{ran:?}");
}

/// A repository with a random history, checked at each step; the error says why it fails.
fn check_random(seed: u64) -> Result<(), String> {
    let mut random = Random(seed);
    let sandbox = Sandbox::unborn();
    prepare(&sandbox);
    if random.once_in(4) {
        sandbox.git(&["config", "index.version", "4"]);
    }
    for _ in 0..ROUNDS {
        (0..=random.below(12)).for_each(|_| change(&sandbox.top, &mut random));
        let staging: &[&str] = match random.below(6) {
            0 => &["add", "-u"],
            1 => &["add", "-A", "--ignore-errors", "--", "a*"],
            2 => &["add", "-A", "-N"],
            _ => &["add", "-A"],
        };
        // Git fails if no path matches.
        sandbox.try_git(staging);
        if random.once_in(3) {
            stage_without_files(&sandbox, &mut random);
        }
        match random.below(8) {
            0 => _ = sandbox.git(&["update-index", "--split-index"]),
            // Git refuses to write a tree of intent-to-add entries.
            1 => _ = sandbox.try_git(&["write-tree"]),
            2 => _ = sandbox.git(&["gc", "-q"]),
            3 => _ = sandbox.git(&["repack", "-q"]),
            _ => {}
        }
        let commit = if random.once_in(2) { COMMITS[0] } else { random.pick(&COMMITS) };
        let possible = match commit.rsplit_once("-- ") {
            Some((_, paths)) => {
                let paths = paths.split(' ').collect::<Vec<_>>();
                sandbox.try_git(&[&["ls-files", "--error-unmatch"], &paths[..]].concat()).code
                    == Some(0)
            }
            None => {
                !commit.contains("--amend")
                    || sandbox.try_git(&["rev-parse", "--verify", "HEAD"]).code == Some(0)
            }
        };
        // Git fails if a path is staged as a submodule but is an ordinary directory on disk.
        let dry = commit.replacen("git commit", "commit --dry-run", 1);
        let possible =
            possible && sandbox.try_git(&dry.split(' ').collect::<Vec<_>>()).code != Some(128);
        let commit = if possible { commit } else { COMMITS[0] };
        check_here(&sandbox, &State { commit, ..STAGED })?;
        fs::remove_dir_all(sandbox.outside().join("answers")).unwrap();
        fs::create_dir(sandbox.outside().join("answers")).unwrap();
    }
    Ok(())
}

#[test]
fn random_staging_is_judged_as_git_does() {
    // `MATRIX_SEED=… cargo test random_staging` makes the same repository again.
    if let Some(seed) = std::env::var("MATRIX_SEED").ok().and_then(|seed| seed.parse().ok()) {
        return check_random(seed).unwrap();
    }
    let first = 1;
    let (next, begun) = (AtomicU64::new(0), Instant::now());
    let worker = || {
        while begun.elapsed() < TIME {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= REPOSITORIES {
                break;
            }
            let seed = first + number;
            check_random(seed).map_err(|why| format!("MATRIX_SEED={seed}: {why}")).unwrap();
        }
    };
    std::thread::scope(|scope| {
        let other = scope.spawn(worker);
        worker();
        other.join().unwrap();
    });
    assert!(next.into_inner() > 1);
}
