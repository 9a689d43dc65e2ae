//! Runs the pinned pnpm, for a limited time.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use semver::Version;

use crate::base::credentials::holds_secret;
use crate::base::error::Error;
use crate::base::escape::Escaped;
use crate::commands::docker::on_path;
use crate::disk::scratch::{Interrupted, Scratch};
use crate::os::child::{self, AnswerLimits, Captured, Ended, PRINTED, ToolCall};
use crate::os::env::Environment;
use crate::pins::Manager;

/// pnpm neither replaces itself by another version, which needs the registry and fails without its
/// signature, nor asks about a download.
const VARIABLES: [(&str, &str); 2] = [
    ("npm_config_manage_package_manager_versions", "false"),
    ("COREPACK_ENABLE_DOWNLOAD_PROMPT", "0"),
];
/// The first for pnpm 11 and later, which then records no version of itself either.
pub(super) const IGNORE_PIN: (&str, &str) = ("pnpm_config_pm_on_fail", "ignore");

/// How long it may take to say its version, which corepack may download.
const ANSWER: Duration = Duration::from_secs(5 * 60);
/// How long a call may take. A package may build itself before it is packed.
const CALL: Duration = Duration::from_secs(60 * 60);

/// The number of lines of a failed call that are shown.
const SHOWN: usize = 20;

/// Whether corepack may download a version that this machine does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Downloads {
    Never,
    IfMissing,
}

/// The pnpm of a version.
#[derive(Debug)]
pub(super) struct Pnpm<'s> {
    name: &'static str,
    program: PathBuf,
    /// The arguments before those of a call.
    first: Vec<String>,
    downloads: Downloads,
    pub(super) version: Version,
    /// Its signals end a call.
    scratch: &'s Scratch,
}

impl<'s> Pnpm<'s> {
    /// Finds it: in PATH, or else by corepack.
    pub(super) fn find(
        version: &Version,
        downloads: Downloads,
        doing: &str,
        scratch: &'s Scratch,
        env: &Environment,
    ) -> Result<Self, Error> {
        let name = Manager::Pnpm.name();
        let mut reasons = Vec::new();
        for (program, first) in
            [(name, Vec::new()), ("corepack", vec![format!("{name}@{version}")])]
        {
            let Some(path) = on_path(env, program) else {
                reasons.push(format!("there is no {program} in PATH"));
                continue;
            };
            let version = version.clone();
            let tool = Self { name: program, program: path, first, downloads, version, scratch };
            match tool.printed_version() {
                Ok(found) if found == tool.version.to_string() => return Ok(tool),
                Ok(found) => reasons.push(format!("the {program} in PATH gives {name} {found}")),
                Err(why) => reasons.push(format!("{program}: {why}")),
            }
        }
        Err(Error::new(doing, format!("it needs {name} {version}\n{}", reasons.join("\n")))
            .help(format!("install this version: npm install --global {name}@{version}")))
    }

    /// What it says its version is, or why it says none.
    fn printed_version(&self) -> Result<String, String> {
        let arguments = ["--version".to_owned()];
        let printed = self.answered(&arguments, self.scratch.path(), &[IGNORE_PIN], ANSWER)?;
        match printed.ended {
            Ended::Code(0) => Ok(Escaped(printed.out.trim_ascii()).to_string()),
            _ => Err(shown(&printed).join("\n")),
        }
    }

    fn answered(
        &self,
        arguments: &[String],
        directory: &Path,
        variables: &[(&str, &str)],
        time: Duration,
    ) -> Result<Captured, String> {
        let mut variables = [&VARIABLES, variables].concat();
        if self.downloads == Downloads::Never {
            variables.push(("COREPACK_ENABLE_NETWORK", "0"));
        }
        let call = ToolCall {
            program: self.program.as_os_str(),
            arguments: &[&self.first, arguments].concat(),
            directory,
            variables: &variables,
            removed: &[],
        };
        let limits = AnswerLimits { time, bytes: PRINTED };
        let answered =
            |stop: &AtomicBool| child::answered(&call, limits, || stop.load(Ordering::SeqCst));
        match self.scratch.delay_signals(answered) {
            Ok(answered) => answered.map_err(|error| error.to_string()),
            Err(Interrupted) => Err("it was interrupted".to_owned()),
        }
    }

    /// Runs it quietly. If it fails, the error has the end of its output.
    pub(super) fn run(
        &self,
        doing: &str,
        arguments: &[String],
        directory: &Path,
        variables: &[(&str, &str)],
    ) -> Result<(), Error> {
        let printed = self
            .answered(arguments, directory, variables, CALL)
            .map_err(|why| Error::new(doing, format!("{}: {why}", self.name)))?;
        if printed.ended == Ended::Code(0) {
            return Ok(());
        }
        let words = [&self.first, arguments].concat().join(" ");
        let mut lines = vec![format!("`{} {words}` {}", self.name, printed.ended.describe())];
        lines.extend(shown(&printed));
        Err(Error::new(doing, lines.join("\n")))
    }

    /// Runs a build, with its output on standard error, for as long as it takes. Another program
    /// than pnpm is run as it is named.
    pub(super) fn build(&self, words: &[String], root: &Path) -> Result<(), Error> {
        let Some((program, rest)) = words.split_first() else { return Ok(()) };
        let own = program == Manager::Pnpm.name();
        let arguments = if own { [&self.first, rest].concat() } else { rest.to_vec() };
        let program = if own { self.program.as_os_str() } else { OsStr::new(program) };
        let variables = [&VARIABLES[..], &[IGNORE_PIN]].concat();
        let call = ToolCall {
            program,
            arguments: &arguments,
            directory: root,
            variables: &variables,
            removed: &[],
        };
        let doing = "build the sibling";
        let ran = child::run_tool(&call).map_err(|failed| {
            failed.error.help("`prep.build` of bakstop.json names the program that builds it")
        })?;
        match ran.ended {
            Ended::Code(0) => Ok(()),
            ended => {
                let cause =
                    format!("`{}` {}", Escaped(words.join(" ").as_bytes()), ended.describe());
                Err(Error::new(doing, cause).help(
                    "its output is above; nothing was prepared. To pack what lies there: bakstop \
                     prep --no-build",
                ))
            }
        }
    }
}

/// The last lines of what a tool printed, without those that hold a secret.
fn shown(printed: &Captured) -> Vec<String> {
    let lines = |stream: &[u8]| {
        let text = String::from_utf8_lossy(stream);
        let lines = text.lines().filter(|line| !line.trim().is_empty());
        let mask = |line: &str| {
            let hides = holds_secret(line.as_bytes());
            if hides { "(a line with a secret)".to_owned() } else { line.to_owned() }
        };
        lines.map(mask).collect::<Vec<_>>()
    };
    let all = [lines(&printed.out), lines(&printed.errors)].concat();
    all[all.len().saturating_sub(SHOWN)..].to_vec()
}
