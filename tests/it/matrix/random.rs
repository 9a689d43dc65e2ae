//! Repositories and stagings by chance.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::{State, judge, prepare, state};
use crate::support::Sandbox;

/// How many repositories are made, and how often something is staged and committed in each.
const REPOSITORIES: u64 = 50;
const ROUNDS: u64 = 4;

/// No new repository is begun after this.
const TIME: Duration = Duration::from_secs(20);

/// Names that sort differently as a file and as a directory, and some others.
const NAMES: [&str; 12] = ["a", "a.b", "a0", "a-", "a!", "A", "ab", "b", "b.c", "ä", "a b", "TREE"];

/// What is committed: as it was staged, from the files, or in part.
const COMMITS: [&str; 5] = [
    "git commit -q -m Next",
    "git commit -q --allow-empty -m Next",
    "git commit -q -a -m Next",
    "git commit -q --amend -m Next",
    "git commit -q -m Next -- a b",
];

const STAGED: State = state("by chance", "", &[]).as_git();

/// Numbers that look random, and are the same for the same seed (splitmix64).
struct Dice(u64);

impl Dice {
    /// A number below `end`.
    fn roll(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut number = self.0;
        number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (number ^ (number >> 31)) % end
    }

    /// Whether something happens that does so once in `times`.
    fn once_in(&mut self, times: u64) -> bool {
        self.roll(times) == 0
    }

    fn pick<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[usize::try_from(self.roll(choices.len() as u64)).unwrap()]
    }

    /// A path of one to four names.
    fn path(&mut self) -> PathBuf {
        (0..=self.roll(4)).map(|_| *self.pick(&NAMES)).collect()
    }
}

/// All that lies below a directory, but for `.git`: directories too.
fn below(directory: &Path) -> Vec<PathBuf> {
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

/// Makes room for a file at a path, whatever stands there or above it.
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
fn change(top: &Path, dice: &mut Dice) {
    let (action, path, content) = (dice.roll(10), dice.path(), dice.roll(6).to_string());
    let there = below(top);
    match (action, there.is_empty()) {
        (0..=4, _) | (_, true) => fs::write(make_room(top, &path), content).unwrap(),
        (5, _) => symlink(content, make_room(top, &path)).unwrap(),
        (6, _) => {
            let file = dice.pick(&there);
            if fs::symlink_metadata(file).unwrap().is_file() {
                fs::set_permissions(file, fs::Permissions::from_mode(*dice.pick(&[0o644, 0o755])))
                    .unwrap();
            }
        }
        (7, _) => {
            let from = dice.pick(&there);
            let aside = top.parent().unwrap().join("aside");
            fs::rename(from, &aside).unwrap();
            fs::rename(&aside, make_room(top, &path)).unwrap();
        }
        _ => remove(dice.pick::<PathBuf>(&there)),
    }
}

/// Stages entries of all kinds, wherever there is room for them in the index, with nothing of them
/// on disk.
fn stage_without_files(sandbox: &Sandbox, dice: &mut Dice) {
    let blob = sandbox.git(&["hash-object", "-w", "-t", "blob", "/dev/null"]);
    let commit = "12".repeat(20);
    let mut lines = String::new();
    for _ in 0..=dice.roll(3) {
        let (mode, id) = *dice.pick(&[
            ("100644", blob.trim()),
            ("100755", blob.trim()),
            ("120000", blob.trim()),
            ("160000", &commit),
            ("0", &commit),
        ]);
        lines += &format!("{mode} {id}\t{}\n", dice.path().display());
    }
    let mut git = sandbox.command("git");
    let mut child = git
        .args(["update-index", "--add", "--replace", "--index-info"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), lines.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success(), "{lines}");
}

/// A repository with a history by chance, in which everybody is asked at each step; why it fails,
/// if it does.
fn live(seed: u64) -> Result<(), String> {
    let mut dice = Dice(seed);
    let sandbox = Sandbox::unborn();
    prepare(&sandbox);
    if dice.once_in(4) {
        sandbox.git(&["config", "index.version", "4"]);
    }
    for _ in 0..ROUNDS {
        (0..=dice.roll(12)).for_each(|_| change(&sandbox.top, &mut dice));
        let staging: &[&str] = match dice.roll(6) {
            0 => &["add", "-u"],
            1 => &["add", "-A", "--ignore-errors", "--", "a*"],
            2 => &["add", "-A", "-N"],
            _ => &["add", "-A"],
        };
        // Where no path is like this, git says so.
        sandbox.try_git(staging);
        if dice.once_in(3) {
            stage_without_files(&sandbox, &mut dice);
        }
        match dice.roll(8) {
            0 => _ = sandbox.git(&["update-index", "--split-index"]),
            // Not of what is only announced.
            1 => _ = sandbox.try_git(&["write-tree"]),
            2 => _ = sandbox.git(&["gc", "-q"]),
            3 => _ = sandbox.git(&["repack", "-q"]),
            _ => {}
        }
        let commit = if dice.once_in(2) { COMMITS[0] } else { dice.pick(&COMMITS) };
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
        // What is staged as a submodule may be a directory on disk that is none: then git fails.
        let dry = commit.replacen("git commit", "commit --dry-run", 1);
        let possible =
            possible && sandbox.try_git(&dry.split(' ').collect::<Vec<_>>()).code != Some(128);
        let commit = if possible { commit } else { COMMITS[0] };
        judge(&sandbox, &State { commit, ..STAGED })?;
        fs::remove_dir_all(sandbox.outside().join("answers")).unwrap();
        fs::create_dir(sandbox.outside().join("answers")).unwrap();
    }
    Ok(())
}

#[test]
fn what_chance_stages_is_judged_as_git_says() {
    // `MATRIX_SEED=… cargo test what_chance` makes the same repository again.
    if let Some(seed) = std::env::var("MATRIX_SEED").ok().and_then(|seed| seed.parse().ok()) {
        return live(seed).unwrap();
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
            live(seed).map_err(|why| format!("MATRIX_SEED={seed}: {why}")).unwrap();
        }
    };
    std::thread::scope(|scope| {
        let other = scope.spawn(worker);
        worker();
        other.join().unwrap();
    });
    assert!(next.into_inner() > 1);
}
