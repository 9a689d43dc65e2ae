//! Runs the pnpm that a sibling pins.

use std::ffi::OsStr;
use std::path::Path;

use semver::Version;

use crate::base::credentials::holds_secret;
use crate::base::error::Error;
use crate::base::escape::Escaped;
use crate::os::child::{self, Captured, Ended, ToolCall};
use crate::pins::Manager;

/// pnpm neither replaces itself by another version, which needs the registry and fails without its
/// signature, nor asks about a download. pnpm 10 reads the first, pnpm 11 the second name.
const VARIABLES: [(&str, &str); 3] = [
    ("npm_config_manage_package_manager_versions", "false"),
    ("pnpm_config_pm_on_fail", "ignore"),
    ("COREPACK_ENABLE_DOWNLOAD_PROMPT", "0"),
];

/// The number of lines of a failed tool that are shown.
const SHOWN: usize = 20;

/// The pnpm of a version.
#[derive(Debug)]
pub(in crate::commands) struct Pnpm {
    program: &'static str,
    /// The arguments before those of a call.
    first: Vec<String>,
    pub version: Version,
}

impl Pnpm {
    /// Finds it: on PATH, or else by corepack, which downloads it if it must.
    pub(in crate::commands) fn find(version: &Version, root: &Path) -> Result<Self, Error> {
        let name = Manager::Pnpm.name();
        let on_path = Self { program: name, first: Vec::new(), version: version.clone() };
        let found = on_path.printed_version(root);
        if found.as_deref() == Ok(&*version.to_string()) {
            return Ok(on_path);
        }
        let first = vec![format!("{name}@{version}")];
        let by_corepack = Self { program: "corepack", first, version: version.clone() };
        match by_corepack.printed_version(root) {
            Ok(found) if found == version.to_string() => Ok(by_corepack),
            Ok(other) | Err(other) => {
                let here = match found {
                    Ok(found) => format!("the {name} on PATH is {found}"),
                    Err(why) => format!("{name}: {why}"),
                };
                let doing = format!("run {name}@{version}, which the sibling pins");
                Err(Error::new(doing, format!("{here}\ncorepack: {other}")).help(format!(
                    "install corepack, or this version: npm install --global {name}@{version}"
                )))
            }
        }
    }

    /// What it says its version is, or why it says none.
    fn printed_version(&self, root: &Path) -> Result<String, String> {
        let printed = self.captured(&["--version".to_owned()], root).map_err(|e| e.to_string())?;
        if printed.ended != Ended::Code(0) {
            return Err(shown(&printed).join("\n"));
        }
        Ok(Escaped(printed.out.trim_ascii()).to_string())
    }

    /// The whole command line of a call.
    fn arguments(&self, arguments: &[String]) -> Vec<String> {
        [&self.first, arguments].concat()
    }

    fn captured(&self, arguments: &[String], directory: &Path) -> std::io::Result<Captured> {
        let arguments = &self.arguments(arguments);
        child::captured(&ToolCall {
            program: OsStr::new(self.program),
            arguments,
            directory,
            variables: &VARIABLES,
            removed: &[],
        })
    }

    /// Runs it quietly. If it fails, the error has the end of its output.
    pub(in crate::commands) fn run(
        &self,
        doing: &str,
        arguments: &[String],
        directory: &Path,
    ) -> Result<(), Error> {
        let printed =
            self.captured(arguments, directory).map_err(|error| Error::new(doing, error))?;
        match printed.ended {
            Ended::Code(0) => Ok(()),
            ended => {
                let words = self.arguments(arguments).join(" ");
                let mut lines = vec![format!("`{} {words}` {}", self.program, ended.describe())];
                lines.extend(shown(&printed));
                Err(Error::new(doing, lines.join("\n")))
            }
        }
    }

    /// Runs a build, with its output on standard error. Another program than pnpm is run as it is
    /// named.
    pub(in crate::commands) fn build(&self, words: &[String], root: &Path) -> Result<(), Error> {
        let Some((program, rest)) = words.split_first() else { return Ok(()) };
        let own = program == Manager::Pnpm.name();
        let arguments = if own { self.arguments(rest) } else { rest.to_vec() };
        let program = if own { self.program } else { program };
        let call = ToolCall {
            program: OsStr::new(program),
            arguments: &arguments,
            directory: root,
            variables: &VARIABLES,
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
pub(in crate::commands) fn shown(printed: &Captured) -> Vec<String> {
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
