//! Asks a process of this program about one repository.

use std::ffi::OsString;
use std::time::Duration;

use serde_json::Value;

use crate::base::error::Error;
use crate::base::escape::Escaped;
use crate::commands::fleet::asked::{FleetClone, KnownTemplate};
use crate::commands::fleet::judged::FleetAnswer;
use crate::fleet::drift::LIMIT;
use crate::git::process::PLACE_VARIABLES;
use crate::os::child::{self, AnswerLimits, Captured, Ended, PRINTED, ToolCall};
use crate::report::fleet::RowFailure;

/// How repositories are asked.
pub(super) struct Asker<'a> {
    pub program: OsString,
    pub arguments: Vec<String>,
    /// The number of files that are asked for.
    pub files: usize,
    /// How long an answer may take.
    pub time: Duration,
    /// Whether a signal came.
    pub stop: &'a (dyn Fn() -> bool + Sync),
}

/// The arguments of the process.
pub(super) fn arguments(prove: bool, templates: &[KnownTemplate]) -> Vec<String> {
    let start = ["fleet", "--row"].into_iter().chain(prove.then_some("--prove"));
    let files = templates.iter().map(|template| format!("--file={}", template.path));
    start.map(str::to_owned).chain(files).collect()
}

impl Asker<'_> {
    /// The answer about a repository, or why there is none.
    pub(super) fn ask(&self, place: &FleetClone) -> Result<FleetAnswer, RowFailure> {
        let directory = place.path.as_path();
        let shown = place.argument();
        if let Some(problem) = &place.problem {
            return Err(failure(problem, None));
        }
        let problem = match directory.metadata() {
            Ok(about) if about.is_dir() => None,
            Ok(_) => Some("it is not a directory".to_owned()),
            Err(error) => Some(error.to_string()),
        };
        if let Some(problem) = problem {
            return Err(failure(problem, Some("clone it there, or name another directory".into())));
        }
        let call = ToolCall {
            program: &self.program,
            arguments: &self.arguments,
            directory,
            variables: &[],
            // The repository is that of the directory.
            removed: &PLACE_VARIABLES,
        };
        // A file is printed in hexadecimal.
        let bytes = PRINTED + self.files as u64 * 2 * LIMIT;
        let limits = AnswerLimits { time: self.time, bytes };
        match child::answered(&call, limits, self.stop) {
            Ok(captured) => self.read(&captured).map_err(|failed| RowFailure {
                help: failed.help.or_else(|| Some(format!("see: git -C {shown} status"))),
                ..failed
            }),
            Err(error) => {
                let help = format!("see what it waits for: bakstop -C {shown} verify");
                Err(failure(error, Some(help)))
            }
        }
    }

    fn read(&self, captured: &Captured) -> Result<FleetAnswer, RowFailure> {
        let answer: Option<Value> = serde_json::from_slice(&captured.out).ok();
        let Some(answer) = answer else {
            let line = captured.errors.split(|byte| *byte == b'\n').find(|line| !line.is_empty());
            return Err(match (line, captured.ended) {
                (Some(line), _) => failure(Escaped(line), None),
                (None, Ended::Code(0)) => failure("the answer is cut off", None),
                (None, ended) => failure(format!("its process {}", ended.describe()), None),
            });
        };
        let text = |key: &str| answer["error"][key].as_str().map(str::to_owned);
        match text("cause") {
            Some(cause) => Err(failure(cause, text("help"))),
            None => FleetAnswer::parse(&answer, self.files)
                .ok_or_else(|| failure("its answer is that of another bakstop", None)),
        }
    }
}

fn failure(cause: impl std::fmt::Display, help: Option<String>) -> RowFailure {
    // It may quote a repository.
    let error = Error::new("judge", cause);
    RowFailure { cause: error.cause().to_owned(), help }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The reason why a process that runs this script gives no answer.
    fn cause(script: &str) -> String {
        let asker = Asker {
            program: OsString::from("/bin/sh"),
            arguments: vec!["-c".to_owned(), script.to_owned()],
            files: 0,
            time: Duration::from_secs(2),
            stop: &|| script.contains("stop"),
        };
        let place = FleetClone {
            path: "/".into(),
            name: "x".to_owned(),
            without: BTreeSet::new(),
            without_templates: BTreeSet::new(),
            problem: None,
        };
        let failure = asker.ask(&place).unwrap_err();
        assert!(failure.help.is_some(), "{script}: {failure:?}");
        failure.cause
    }

    #[test]
    fn a_process_that_gives_no_answer_is_a_failure_with_its_reason() {
        for (script, reason) in [
            ("kill -SEGV $$", "its process was ended by signal 11"),
            ("exit 3", "its process ended with exit code 3"),
            ("exit 0", "the answer is cut off"),
            ("echo '{\"cells\": ['", "the answer is cut off"),
            ("echo '{\"cells\": []}'", "its answer is that of another bakstop"),
            ("echo >&2; printf 'error: \\033[2J\\n::b\\n' >&2; exit 2", "error: \\u{001b}[2J"),
            ("echo '{\"error\": {\"cause\": \"no\", \"help\": null}}'; exit 2", "no"),
            ("sleep 60", "it did not exit in 2 seconds"),
            ("sleep 60; stop", "it was interrupted"),
        ] {
            assert_eq!(cause(script), reason, "{script}");
        }
    }
}
