//! The program that a hook finds, as hooks/find.sh finds it: in a `node_modules`, in `PATH`, or in
//! the usual directories.
//!
//! A commit can put files into `node_modules`. So git must track nothing in it, and the program
//! must not be a script: that could start a tracked file.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::disk::read::{self, FinalLink};
use crate::git::Git;
use crate::hooks::binary::{NAME, in_path, is_program, is_same_file};
use crate::os::env::Environment;

/// What a hook file of this clone names, because it was installed from there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Recorded {
    /// A program, which the hook tries first.
    Program(PathBuf),
    /// The directory of a package, with the program in its `node_modules`.
    Package(PathBuf),
}

/// The program that a hook finds, and what it refuses to run before that.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ProgramSearch {
    pub program: Option<PathBuf>,
    /// Where that is.
    pub source: Option<ProgramSource>,
    /// Directories whose `node_modules` has a bakstop that is not run, with the reason.
    pub refused: Vec<(PathBuf, &'static str)>,
    /// The programs that the hook would find later.
    pub others: Vec<(PathBuf, ProgramSource)>,
}

/// Where a hook finds its program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ProgramSource {
    /// The path that the hook file names.
    Recorded,
    /// `node_modules`.
    Modules,
    /// `PATH`, or a directory that hooks search after it.
    Path,
}

impl ProgramSource {
    /// Its name in reports.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Recorded => "recorded",
            Self::Modules => "node_modules",
            Self::Path => "path",
        }
    }

    /// Where the program comes from.
    pub(crate) fn describe(self) -> &'static str {
        match self {
            Self::Recorded => "named by the hook",
            Self::Modules => "from node_modules",
            Self::Path => "from PATH or a usual directory",
        }
    }
}

impl ProgramSearch {
    /// Searches in the order of hooks/find.sh: the program that the hook file names; the
    /// `node_modules` of the work tree, of the package around `hooks`, the directory of the hook
    /// file, and of the package that the file names; then `PATH`. `top` is where git starts hooks.
    /// A client with another `PATH` may find another program.
    pub(crate) fn of(
        recorded: Option<&Recorded>,
        hooks: &Path,
        top: &Path,
        env: &Environment,
    ) -> Self {
        let mut lookup = Self::server(recorded);
        let named = match recorded {
            Some(Recorded::Package(package)) => Some(&**package),
            _ => None,
        };
        let mut searched: Vec<&Path> = Vec::new();
        for package in [Some(top), hooks.parent(), named].into_iter().flatten() {
            if !searched.iter().any(|other| is_same_file(other, package)) {
                lookup.search(package, top, env);
                searched.push(package);
            }
        }
        lookup.add(in_directories(env).next(), ProgramSource::Path);
        lookup
    }

    /// The hook of a server runs what it names.
    pub(crate) fn server(recorded: Option<&Recorded>) -> Self {
        let mut lookup = Self::default();
        if let Some(Recorded::Program(path)) = recorded {
            lookup.add(Some(path.clone()).filter(|path| is_program(path)), ProgramSource::Recorded);
        }
        lookup
    }

    fn search(&mut self, package: &Path, top: &Path, env: &Environment) {
        match search(package, top, env) {
            Search::Nothing => {}
            Search::Refused(reason) => self.refused.push((package.to_owned(), reason)),
            Search::Program(path) => self.add(Some(path), ProgramSource::Modules),
        }
    }

    fn add(&mut self, path: Option<PathBuf>, source: ProgramSource) {
        let Some(path) = path else { return };
        if self.program.is_none() {
            (self.program, self.source) = (Some(path), Some(source));
        } else {
            self.others.push((path, source));
        }
    }
}

/// The programs in `PATH` and then in the usual directories. Hooks skip relative ones, those in a
/// `node_modules`, and those in the directory that Yarn makes for one command.
fn in_directories(env: &Environment) -> impl Iterator<Item = PathBuf> {
    let of_yarn = env.get("BERRY_BIN_FOLDER").map(Path::new);
    let is_searched = move |path: &PathBuf| {
        let modules = Path::new("node_modules/.bin").join(NAME);
        path.is_absolute() && !path.ends_with(modules) && path.parent() != of_yarn
    };
    let home = env.get("HOME").map_or_else(|| PathBuf::from("/"), PathBuf::from);
    let usual = [home.join(".local/bin"), home.join(".cargo/bin")];
    let usual = usual.into_iter().chain(["/usr/local/bin", "/opt/homebrew/bin"].map(PathBuf::from));
    in_path(OsStr::new(NAME), Path::new(""), env)
        .filter(is_searched)
        .chain(usual.map(|directory| directory.join(NAME)).filter(|path| is_program(path)))
}

/// What a hook file of this clone names for this `program`, run in `directory`: nothing if the hook
/// would not run it.
pub(crate) fn recorded(
    program: &Path,
    directory: &Path,
    top: &Path,
    env: &Environment,
) -> Option<Recorded> {
    let parts: Vec<&OsStr> = program.iter().collect();
    let Some(at) = parts.iter().position(|part| *part == "node_modules") else {
        return Some(Recorded::Program(program.to_owned()));
    };
    let outermost: PathBuf = parts[..at].iter().collect();
    let directory = read::canonicalize_existing(directory);
    let here = directory.ancestors().take_while(|directory| directory.starts_with(top));
    let mut refused = false;
    for package in here.chain([&*outermost]) {
        match search(package, top, env) {
            Search::Program(found) if is_same_file(&found, program) => {
                return Some(Recorded::Package(package.to_owned()));
            }
            // Outside of every repository, git tracks nothing.
            Search::Refused(reason) => refused |= package.starts_with(top) || reason == TRACKED,
            _ => {}
        }
    }
    (!refused).then(|| Recorded::Program(program.to_owned()))
}

/// The result of a search in one `node_modules`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Search {
    /// It has no bakstop for this system.
    Nothing,
    /// The reason why the hooks do not run the program there.
    Refused(&'static str),
    /// The program, by its real path.
    Program(PathBuf),
}

const TRACKED: &str = "git tracks files in node_modules";

/// The systems whose programs can run here, in the words of npm, the best one first.
const SYSTEMS: &[&str] = if cfg!(target_os = "macos") {
    if cfg!(target_arch = "aarch64") {
        &["darwin-arm64", "darwin-x64"]
    } else {
        &["darwin-x64", "darwin-arm64"]
    }
} else if cfg!(target_arch = "aarch64") {
    &["linux-arm64"]
} else {
    &["linux-x64"]
};

/// Searches the `node_modules` of the directory `package`. `top` is the work tree in which a hook
/// runs.
fn search(package: &Path, top: &Path, env: &Environment) -> Search {
    let modules = package.join("node_modules");
    let (Ok(package), Ok(real)) = (package.canonicalize(), modules.canonicalize()) else {
        return Search::Nothing;
    };
    let file = match in_package(&real) {
        Some(file) => file,
        None => match in_bin(&real) {
            None => return Search::Nothing,
            Some(file) if is_script(&file) => {
                return Search::Refused("it is a script, which could start a tracked file");
            }
            Some(file) => file,
        },
    };
    if file.is_symlink() || !is_program(&file) {
        return Search::Refused("it is no executable file, or empty");
    }
    let roots = [real, top.join("node_modules")];
    if !roots.iter().any(|root| file.starts_with(root)) {
        return Search::Refused("it leads out of node_modules");
    }
    if is_in_other_repository(&file, &roots) {
        return Search::Refused("it is in another repository in node_modules");
    }
    match tracks_modules(&package, top, env) {
        Some(false) => Search::Program(file),
        Some(true) => Search::Refused(TRACKED),
        None => Search::Refused("git does not say whether it tracks files in node_modules"),
    }
}

/// Whether a file in one of these directories is in a repository that is in it too. Git keeps the
/// files of a submodule that a commit removes, and does not track them any more.
fn is_in_other_repository(file: &Path, roots: &[PathBuf]) -> bool {
    let is_inside = |directory: &&Path| roots.iter().any(|root| directory.starts_with(root));
    let mut directories = file.ancestors().skip(1).take_while(is_inside);
    directories.any(|directory| directory.join(".git").symlink_metadata().is_ok())
}

/// The program of the package `bakstop`: in it, next to it, or in its own `node_modules`.
fn in_package(modules: &Path) -> Option<PathBuf> {
    let package = modules.join(NAME).canonicalize().ok()?;
    let beside = package.parent()?;
    let places = SYSTEMS.iter().flat_map(|system| {
        let name = format!("bakstop-{system}/bin");
        [
            package.join("native").join(system),
            beside.join(&name),
            package.join("node_modules").join(name),
        ]
    });
    let mut files = places.map(|place| place.join(NAME)).filter(|file| is_program(file));
    real_place(&files.next()?)
}

/// What `.bin/bakstop` is or links to.
fn in_bin(modules: &Path) -> Option<PathBuf> {
    let entry = modules.join(".bin").join(NAME);
    if !entry.exists() {
        return None;
    }
    let target = fs::read_link(&entry).map_or(entry, |link| modules.join(".bin").join(link));
    real_place(&target)
}

/// A file by the real path of its directory.
fn real_place(file: &Path) -> Option<PathBuf> {
    Some(file.parent()?.canonicalize().ok()?.join(file.file_name()?))
}

fn is_script(file: &Path) -> bool {
    let Ok((mut opened, _)) = read::open(file, FinalLink::Follow) else { return false };
    let mut start = [0; 2];
    opened.read_exact(&mut start).is_ok() && &start == b"#!"
}

/// Whether git tracks anything in the `node_modules` of a package, or at the top of its work tree;
/// `None` if git cannot answer. A hook may run with the variables of another index, so the one of
/// the work tree is asked.
fn tracks_modules(package: &Path, top: &Path, env: &Environment) -> Option<bool> {
    let ignores_case = [package, top].iter().any(|path| path.join("NODE_MODULES").exists());
    let mut own = OsString::from(if ignores_case { ":(literal,icase)" } else { ":(literal)" });
    own.push(package.join("node_modules"));
    let at_top = if ignores_case {
        ":(top,literal,icase)node_modules"
    } else {
        ":(top,literal)node_modules"
    };
    // The repository that the environment names, or else the one around the package.
    let is_named = env.get("GIT_DIR").is_some_and(|directory| !directory.is_empty());
    let git =
        if is_named && package.starts_with(top) { Git::new(top) } else { Git::nested(package) };
    let arguments = ["ls-files".into(), "--".into(), own, at_top.into()];
    let output = git.run("list node_modules", &arguments);
    output.ok().filter(|output| output.status.success()).map(|output| !output.stdout.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_hook_tries_its_own_program_then_path_then_home() {
        let directory = tempfile::tempdir().unwrap();
        let place = |name: &str| {
            let path = directory.path().join(name).join(NAME);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, "program").unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
            path
        };
        let env: Environment = [
            ("HOME", directory.path().join("home")),
            (
                "PATH",
                std::env::join_paths([
                    directory.path().join("empty"),
                    directory.path().join("bin"),
                ])
                .unwrap()
                .into(),
            ),
        ]
        .into_iter()
        .collect();
        let top = directory.path().join("top");
        let found = |installed: Option<&Path>| {
            let recorded = installed.map(|path| Recorded::Program(path.to_owned()));
            ProgramSearch::of(recorded.as_ref(), &top.join("hooks"), &top, &env).program
        };
        let (home, path, installed) = (place("home/.cargo/bin"), place("bin"), place("installed"));
        assert_eq!(found(Some(&installed)).unwrap(), installed);
        assert_eq!(found(None).unwrap(), path);
        std::fs::write(&path, "").unwrap();
        assert_eq!(found(None).unwrap(), home);
        std::fs::write(&path, "x").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(found(Some(Path::new("/nowhere/bakstop"))).unwrap(), home);
        std::fs::write(&installed, "").unwrap();
        assert_eq!(found(Some(&installed)).unwrap(), home);
    }

    #[test]
    fn directories_of_the_path_that_package_managers_add_are_skipped() {
        let directory = tempfile::tempdir().unwrap();
        let place = |name: &str| {
            let path = directory.path().join(name).join(NAME);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, "program").unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
            path
        };
        place("x/node_modules/.bin");
        let of_yarn = place("xfs-1");
        let last = place("bin");
        let parts = ["x/node_modules/.bin", "x/node_modules/.bin/", "xfs-1", "bin"];
        let parts = parts.map(|part| directory.path().join(part));
        let relative = ["", ".", "x/node_modules/.bin"].map(PathBuf::from);
        let path = std::env::join_paths(relative.iter().chain(&parts)).unwrap();
        let folder = of_yarn.parent().unwrap().as_os_str().to_owned();
        let env = [("PATH", path.clone()), ("BERRY_BIN_FOLDER", folder)].into_iter().collect();
        assert_eq!(in_directories(&env).next(), Some(last));
        let env = [("PATH", path), ("BERRY_BIN_FOLDER", "".into())].into_iter().collect();
        assert_eq!(in_directories(&env).next(), Some(of_yarn));
    }
}
