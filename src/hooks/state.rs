//! Whether a hook runs the guard.

use std::fmt;

use crate::base::path::RepoPath;

/// Whether a hook runs the guard. The worst state is the greatest.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum HookState {
    /// git runs the hook, and the hook runs the guard.
    InForce,
    /// Only running the hook would show; the reason why.
    Doubtful(String),
    /// The guard does not run.
    NotInForce(Defect),
}

/// Why a hook does not run the guard. `cure::setup` decides what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Defect {
    /// The hook is missing, or another file is in its place.
    NotInstalled(Option<RepoPath>),
    /// The file that `install` wrote is not executable.
    NotExecutable(RepoPath),
    /// The hook finds no program to run. The command of a package manager that installs it.
    NoProgram(Option<String>),
    /// The same, but the hook lets everything pass.
    NoProgramButPasses(Option<String>),
    /// The program that git's configuration names is missing, and the command that installs there.
    NoConfiguredProgram(RepoPath, &'static str),
    /// git does not run the hook that its configuration names: why, and the command that helps.
    NotRun(String, String),
    /// The hook of a server finds no program to run.
    NoServerProgram,
    /// The lines of husky's file end in CRLF.
    Crlf(RepoPath),
    /// Other commands come before the block in husky's file.
    Misplaced(RepoPath),
    /// husky has not been run in this clone, and whether it is husky 5 to 8.
    HuskyNotPrepared { old: bool },
    /// The stub by which husky runs its file.
    NoStub(RepoPath),
    /// A tracked file that husky 5 to 8 lets git run is not executable.
    HuskyNotExecutable(RepoPath),
    /// The hook of a server that would run ours, and why git ignores it.
    NotReached(RepoPath, &'static str),
    /// The hooks are in a directory that only this work tree has: `core.hooksPath` is this relative
    /// path. The directory to name instead; `None` if the default is the same.
    OnlyHere(RepoPath, Option<RepoPath>),
    /// A foreign configuration or script does not name bakstop.
    NotNamed,
    /// git runs no hook.
    SwitchedOff,
}

impl HookState {
    /// Why the hook is not in force, or may not be.
    pub(crate) fn reason(&self) -> Option<String> {
        match self {
            Self::InForce => None,
            Self::Doubtful(reason) => Some(reason.clone()),
            Self::NotInForce(defect) => Some(defect.to_string()),
        }
    }
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotInstalled(None) => write!(f, "not installed"),
            Self::NotInstalled(Some(other)) => {
                write!(f, "not installed ({other} is not a hook of bakstop)")
            }
            Self::NotExecutable(file) | Self::HuskyNotExecutable(file) => {
                write!(f, "{file} is not executable: git ignores it")
            }
            Self::NoProgram(_) => write!(f, "it cannot find bakstop, so it blocks everything"),
            Self::NoProgramButPasses(_) => {
                write!(f, "it cannot find bakstop, so it checks nothing")
            }
            Self::NoConfiguredProgram(program, _) => {
                write!(f, "git's configuration names {program}, which is missing, so it blocks")
            }
            Self::NotRun(reason, _) => write!(f, "{reason}"),
            Self::NoServerProgram => write!(f, "it cannot find bakstop, so it blocks every push"),
            Self::Crlf(file) => {
                write!(f, "{file} has CRLF line endings, which sh cannot run")
            }
            Self::Misplaced(file) => {
                write!(f, "lines before the bakstop block in {file} can end the hook early")
            }
            Self::HuskyNotPrepared { .. } => write!(f, "husky is not prepared in this clone"),
            Self::NoStub(stub) => write!(f, "{stub} is missing in this work tree"),
            Self::NotReached(by, why) => write!(f, "{by}, which would run it, is {why}"),
            Self::OnlyHere(value, _) => write!(
                f,
                "it runs in this work tree only, since core.hooksPath is the relative path \
                 {value}: in a linked worktree, git runs no hooks"
            ),
            Self::NotNamed => write!(f, "bakstop is not configured there"),
            Self::SwitchedOff => write!(f, "git runs no hooks"),
        }
    }
}
