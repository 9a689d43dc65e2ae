//! Runs the pinned pnpm.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use semver::Version;

use crate::base::error::Error;
use crate::base::escape::Escaped;
use crate::commands::Context;
use crate::commands::docker::on_path;
use crate::commands::preparing::tool::shown;
use crate::disk::scratch::{Interrupted, Scratch};
use crate::os::child::{self, AnswerLimits, Captured, Ended, PRINTED, ToolCall};
use crate::pins::Manager;

/// pnpm neither replaces itself by another version, which it would download, nor asks about a
/// download. corepack uses what it has.
const VARIABLES: [(&str, &str); 3] = [
    ("npm_config_manage_package_manager_versions", "false"),
    ("COREPACK_ENABLE_NETWORK", "0"),
    ("COREPACK_ENABLE_DOWNLOAD_PROMPT", "0"),
];
/// The same for pnpm 11 and later, which then records no version of itself either.
const IGNORE_PIN: (&str, &str) = ("pnpm_config_pm_on_fail", "ignore");

/// How long it may take to say its version, and to make a lockfile.
const ANSWER: Duration = Duration::from_secs(60);
const MAKING: Duration = Duration::from_secs(20 * 60);

/// What pnpm reads beside the files of a directory.
#[derive(Debug, Default)]
pub(super) struct PnpmPlaces {
    /// Whether the directory has a `pnpm-workspace.yaml`.
    pub has_workspace: bool,
    /// Whether the manifest pins the version of this pnpm: it may record that in the lockfile.
    pub is_pinned: bool,
    /// The `.npmrc` instead of that of the user.
    pub npmrc: Option<PathBuf>,
    /// What it keeps of registries, instead of that of the user.
    pub cache: Option<PathBuf>,
}

/// The pnpm of a version.
#[derive(Debug)]
pub(super) struct Pnpm<'s> {
    program: String,
    /// The arguments before those of a call.
    first: Vec<String>,
    scratch: &'s Scratch,
}

impl<'s> Pnpm<'s> {
    /// Finds it, without a download: on PATH, or else by corepack.
    pub(super) fn find(
        version: &Version,
        doing: &str,
        scratch: &'s Scratch,
        context: &Context,
    ) -> Result<Self, Error> {
        let name = Manager::Pnpm.name();
        let mut reasons = Vec::new();
        for (program, first) in
            [(name, Vec::new()), ("corepack", vec![format!("{name}@{version}")])]
        {
            let Some(path) = on_path(&context.env, program) else {
                reasons.push(format!("there is no {program} in PATH"));
                continue;
            };
            let tool = Self { program: text(path), first, scratch };
            match tool.printed_version() {
                Ok(found) if found == version.to_string() => return Ok(tool),
                Ok(found) => reasons.push(format!("the {program} in PATH gives {name} {found}")),
                Err(why) => reasons.push(format!("{program}: {why}")),
            }
        }
        Err(Error::new(doing, format!("it needs {name} {version}\n{}", reasons.join("\n")))
            .help(format!("install this version: npm install --global {name}@{version}")))
    }

    /// What it says its version is, or why it says none.
    fn printed_version(&self) -> Result<String, String> {
        let printed = self.answered(&["--version"], self.scratch.path(), &[IGNORE_PIN], ANSWER)?;
        match printed.ended {
            Ended::Code(0) => Ok(Escaped(printed.out.trim_ascii()).to_string()),
            _ => Err(shown(&printed).join("\n")),
        }
    }

    fn answered(
        &self,
        arguments: &[&str],
        directory: &Path,
        variables: &[(&str, &str)],
        time: Duration,
    ) -> Result<Captured, String> {
        let own = arguments.iter().map(|argument| (*argument).to_owned());
        let arguments: Vec<String> = self.first.iter().cloned().chain(own).collect();
        let variables = [&VARIABLES, variables].concat();
        let call = ToolCall {
            program: OsStr::new(&self.program),
            arguments: &arguments,
            directory,
            variables: &variables,
            removed: &[],
        };
        let limits = AnswerLimits { time, bytes: PRINTED };
        let answered =
            |stop: &AtomicBool| child::answered(&call, limits, || stop.load(Ordering::SeqCst));
        match self.scratch.defer_signals(answered) {
            Ok(answered) => answered.map_err(|error| error.to_string()),
            Err(Interrupted) => Err("it was interrupted".to_owned()),
        }
    }

    /// Makes the lockfile of a directory. If it fails, the error has the end of its output.
    pub(super) fn lock(
        &self,
        doing: &str,
        directory: &Path,
        places: &PnpmPlaces,
    ) -> Result<(), Error> {
        let mut arguments =
            vec!["install", "--lockfile-only", "--ignore-scripts", "--no-frozen-lockfile"];
        if !places.has_workspace {
            // Not even one in a directory above.
            arguments.push("--ignore-workspace");
        }
        let mut variables: Vec<_> = [
            ("NPM_CONFIG_USERCONFIG", &places.npmrc),
            // pnpm 10 reads the first, pnpm 11 the second name.
            ("npm_config_cache_dir", &places.cache),
            ("pnpm_config_cache_dir", &places.cache),
        ]
        .into_iter()
        .filter_map(|(name, path)| Some((name, path.as_deref()?.to_str()?)))
        .collect();
        if !places.is_pinned {
            variables.push(IGNORE_PIN);
        }
        let printed = self
            .answered(&arguments, directory, &variables, MAKING)
            .map_err(|error| Error::new(doing, error).help("nothing was written"))?;
        if printed.ended == Ended::Code(0) {
            return Ok(());
        }
        let mut lines = vec![format!("pnpm {}", printed.ended.describe())];
        lines.extend(shown(&printed));
        Err(Error::new(doing, lines.join("\n")).help(
            "nothing was written; pnpm had the files of the image alone, and the registries and \
             tokens of this user or of the image's .npmrc",
        ))
    }
}

fn text(path: PathBuf) -> String {
    path.into_os_string().to_string_lossy().into_owned()
}
