//! The commands of a build that install the packages of a project.

use crate::builds::steps::{Action, BuildStage, BuildStep, RunCommand, RunStep};
use crate::project::kinds::FileKind;

/// A command such as `pnpm install`, `npm ci` or `yarn`. `npm install --global` and `pnpm add` are
/// none: they do not install what a manifest asks for.
#[derive(Debug, Clone)]
pub(crate) struct Install<'b> {
    pub installer: Installer,
    /// How it treats the lockfile.
    pub lockfile: LockfileUse,
    pub command: &'b RunCommand,
    pub run: &'b RunStep,
    pub step: &'b BuildStep,
    /// The number of the step in its stage.
    pub position: usize,
}

/// A package manager that installs in an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Installer {
    Npm,
    Pnpm,
    Yarn,
    Bun,
}

impl Installer {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Npm => "npm",
            Self::Pnpm => "pnpm",
            Self::Yarn => "yarn",
            Self::Bun => "bun",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        [Self::Npm, Self::Pnpm, Self::Yarn, Self::Bun]
            .into_iter()
            .find(|known| known.name() == name)
    }

    /// The install that fails unless the lockfile fits.
    pub(crate) fn frozen(self) -> &'static str {
        match self {
            Self::Npm => "npm ci",
            Self::Pnpm => "pnpm install --frozen-lockfile",
            Self::Yarn => "yarn install --frozen-lockfile",
            Self::Bun => "bun install --frozen-lockfile",
        }
    }

    /// Whether a file of this kind is its lockfile.
    pub(crate) fn locks(self, kind: FileKind) -> bool {
        match self {
            Self::Npm => kind == FileKind::NpmLock,
            Self::Pnpm => kind == FileKind::PnpmLock,
            Self::Yarn => kind == FileKind::YarnLock,
            Self::Bun => kind == FileKind::BunLock,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LockfileUse {
    /// It must exist and fit.
    Frozen,
    /// It is used if it fits.
    Wanted,
    /// It is not read: `--lockfile=false`.
    Ignored,
    /// A flag may decide it that is not known.
    Unknown,
}

/// The options with which no lockfile is read.
pub(crate) const IGNORING: [&str; 4] =
    ["--lockfile=false", "--no-lockfile", "--no-package-lock", "--package-lock=false"];

/// The options with which the lockfile need not fit.
pub(crate) const UNFREEZING: [&str; 4] =
    ["--no-frozen-lockfile", "--frozen-lockfile=false", "--no-immutable", "--immutable=false"];

/// The installs of a stage.
pub(crate) fn installs(stage: &BuildStage) -> impl Iterator<Item = Install<'_>> {
    stage.steps.iter().enumerate().flat_map(|(position, step)| {
        let run = match &step.action {
            Action::Run(run) => Some(run),
            _ => None,
        };
        run.into_iter().flat_map(move |run| {
            let installs = run.commands.iter().filter_map(|command| {
                let (installer, lockfile) = install(command)?;
                Some(Install { installer, lockfile, command, run, step, position })
            });
            installs.collect::<Vec<_>>()
        })
    })
}

/// The package manager of an install, and how it treats the lockfile.
fn install(command: &RunCommand) -> Option<(Installer, LockfileUse)> {
    let mut words = command.words.iter().map(|word| word.known());
    let program = words.next()??.rsplit('/').next()?;
    let program = match program {
        "corepack" => words.next()??,
        program => program,
    };
    let installer = Installer::from_name(program.split('@').next()?)?;
    let rest: Vec<Option<&str>> = words.collect();
    // In `--filter web`, `web` is a value, not the verb.
    let verb = verb(&rest)?;
    let has = |flags: &[&str]| rest.iter().flatten().any(|word| flags.contains(word));
    let is_install = match installer {
        Installer::Npm => {
            let installs =
                matches!(verb, "install" | "i" | "ci" | "clean-install" | "install-ci-test");
            installs && !has_package(&rest, verb)
        }
        Installer::Pnpm => matches!(verb, "install" | "i"),
        Installer::Yarn => matches!(verb, "" | "install"),
        Installer::Bun => matches!(verb, "install" | "i") && !has_package(&rest, verb),
    };
    let asks = ["--help", "-h", "--version", "-v", "--lockfile-only", "--package-lock-only"];
    if !is_install || has(&asks) || has(&["-g", "--global"]) {
        return None;
    }
    let lockfile = if rest.iter().any(Option::is_none) {
        LockfileUse::Unknown
    } else if has(&IGNORING) {
        LockfileUse::Ignored
    } else if has(&UNFREEZING) {
        LockfileUse::Wanted
    } else if has(&["--frozen-lockfile", "--frozen-lockfile=true", "--immutable"])
        || installer == Installer::Npm && verb != "install" && verb != "i"
    {
        LockfileUse::Frozen
    } else {
        LockfileUse::Wanted
    };
    Some((installer, lockfile))
}

/// The options whose value is the next word.
const WITH_VALUE: [&str; 12] = [
    "--filter",
    "-F",
    "--dir",
    "-C",
    "--prefix",
    "--cwd",
    "--store-dir",
    "--registry",
    "--reporter",
    "--loglevel",
    "--workspace",
    "-w",
];

/// The first word that is not an option; empty if all are, `None` if a word before it is unknown.
fn verb<'w>(words: &[Option<&'w str>]) -> Option<&'w str> {
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let word = (*word)?;
        if WITH_VALUE.contains(&word) {
            words.next();
        } else if !word.starts_with('-') {
            return Some(word);
        }
    }
    Some("")
}

/// Whether a package is named after the verb.
fn has_package(words: &[Option<&str>], verb: &str) -> bool {
    let mut after = words.iter().skip_while(|word| **word != Some(verb)).skip(1);
    while let Some(word) = after.next() {
        match word {
            Some(word) if WITH_VALUE.contains(word) => _ = after.next(),
            Some(word) if !word.starts_with('-') => return true,
            Some(_) | None => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builds::steps::stages;
    use crate::formats::dockerfile::parse;

    #[test]
    fn an_install_is_known_by_its_words() {
        for (command, expected) in [
            ("pnpm install", "Pnpm Wanted"),
            ("pnpm i --frozen-lockfile", "Pnpm Frozen"),
            ("pnpm --filter web install --no-frozen-lockfile", "Pnpm Wanted"),
            ("corepack pnpm install --lockfile=false", "Pnpm Ignored"),
            ("corepack pnpm@10.6.5 install", "Pnpm Wanted"),
            ("pnpm install $FLAGS", "Pnpm Unknown"),
            ("/usr/local/bin/npm ci --omit=dev", "Npm Frozen"),
            ("npm install --no-package-lock", "Npm Ignored"),
            ("npm install --loglevel error", "Npm Wanted"),
            ("yarn", "Yarn Wanted"),
            ("yarn --cwd web --immutable", "Yarn Frozen"),
            ("yarn install --frozen-lockfile", "Yarn Frozen"),
            ("bun install --frozen-lockfile", "Bun Frozen"),
            ("npm install -g pnpm@10", ""),
            ("npm install pnpm", ""),
            ("pnpm install -g tsx", ""),
            ("bun install --global x", ""),
            ("pnpm add x", ""),
            ("pnpm run install", ""),
            ("pnpm fetch", ""),
            ("pnpm deploy --filter a /out", ""),
            ("pnpm install --lockfile-only", ""),
            ("yarn build", ""),
            ("yarn --version", ""),
            ("yarn workspaces focus", ""),
            ("$PM install", ""),
            ("echo pnpm install", ""),
        ] {
            let file = format!("FROM node:22\nARG FLAGS\nARG PM\nRUN {command}");
            let stages = stages(&parse(file.as_bytes()), Vec::new()).unwrap();
            let found: Vec<String> = installs(&stages[0])
                .map(|install| format!("{:?} {:?}", install.installer, install.lockfile))
                .collect();
            assert_eq!(found.join(", "), expected, "{command}");
        }
    }
}
