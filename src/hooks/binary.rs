//! The program that the hooks run.

use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};

use crate::os::child;
use crate::os::env::Environment;

/// The file name of the program.
pub(super) const NAME: &str = "bakstop";

/// The path by which hooks start the running program.
///
/// If it was called by a link such as `~/bin/bakstop`, that is the path: an update may replace the
/// target of the link.
pub(crate) fn this(directory: &Path, env: &Environment) -> Option<PathBuf> {
    let running = std::env::current_exe().ok().filter(|path| path.is_file())?;
    let called = std::env::args_os().next().and_then(|name| invoked_path(&name, directory, env));
    called.filter(|path| is_same_file(path, &running)).or(Some(running))
}

fn invoked_path(name: &OsStr, directory: &Path, env: &Environment) -> Option<PathBuf> {
    let path = if Path::new(name).components().count() > 1 {
        directory.join(name)
    } else {
        in_path(name, directory, env).next()?
    };
    let path: PathBuf = path.components().filter(|part| *part != Component::CurDir).collect();
    (!path.components().any(|part| part == Component::ParentDir)).then_some(path)
}

/// Whether two paths resolve to the same file.
pub(crate) fn is_same_file(one: &Path, other: &Path) -> bool {
    one.canonicalize().is_ok_and(|one| other.canonicalize().is_ok_and(|other| one == other))
}

/// Whether the file is where cargo builds it, and `cargo clean` removes it.
pub(crate) fn is_build_output(path: &Path) -> bool {
    let parts: Vec<&OsStr> = path.iter().collect();
    parts.windows(2).any(|pair| pair[0] == "target" && (pair[1] == "debug" || pair[1] == "release"))
}

/// Whether every user of the machine can reach and run the file.
pub(crate) fn is_for_everyone(path: &Path) -> bool {
    let open = |path: &Path, bits: u32| {
        path.metadata().is_ok_and(|data| data.permissions().mode() & bits == bits)
    };
    open(path, 0o005) && path.ancestors().skip(1).all(|directory| open(directory, 0o001))
}

/// The version that a program prints, if it is bakstop.
pub(crate) fn version(path: &Path) -> Option<String> {
    if std::env::current_exe().is_ok_and(|running| is_same_file(path, &running)) {
        return Some(env!("CARGO_PKG_VERSION").to_owned());
    }
    let line = String::from_utf8(child::first_line(path, "--version")?).ok()?;
    // Another program may have this name, so only a version is printed from its output.
    let version = line.strip_prefix("bakstop ")?;
    semver::Version::parse(version.trim()).ok().map(|version| version.to_string())
}

pub(super) fn in_path<'a>(
    name: &'a OsStr,
    directory: &'a Path,
    env: &Environment,
) -> impl Iterator<Item = PathBuf> + use<'a> {
    let directories: Vec<PathBuf> =
        env.get("PATH").map(|path| std::env::split_paths(path).collect()).unwrap_or_default();
    directories
        .into_iter()
        .map(move |entry| directory.join(entry).join(name))
        .filter(|path| is_program(path))
}

/// Whether a path resolves to an executable file. An empty file does not count: a shell runs it
/// as a script, with success.
pub(crate) fn is_program(path: &Path) -> bool {
    path.metadata().is_ok_and(|metadata| {
        metadata.is_file() && metadata.permissions().mode() & 0o111 != 0 && metadata.len() > 0
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn build_outputs_are_recognised_by_their_path() {
        assert!(is_build_output(Path::new("/home/me/bakstop/target/release/bakstop")));
        assert!(!is_build_output(Path::new("/home/me/target/bakstop")));
        assert!(!is_build_output(Path::new("/usr/local/bin/bakstop")));
    }
}
