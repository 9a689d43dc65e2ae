//! Recorded builds as CSV (RFC 4180, with line feeds): a row for each run and target.

use std::borrow::Cow;

use crate::base::change::ObjectId;
use crate::base::escape::Escaped;
use crate::measure::builds::RecordedBuild;
use crate::measure::runs::Run;

const HEAD: &str = "label,started,seconds,exit_code,tree,commit,machine,target,status,\
                    build_seconds,steps,cached,run,run_cached,sent_bytes,export_seconds\n";
/// The columns of a build.
const OF_BUILD: usize = 9;

/// A row for each build; for a run without builds, one with empty columns.
pub(super) fn rows(runs: &[Run]) -> String {
    runs.iter().fold(HEAD.to_owned(), |text, run| {
        let head = of_run(run);
        match run.known_builds() {
            Some(builds @ [_, ..]) => {
                let rows = builds.iter().map(|build| format!("{head},{}\n", of_build(build)));
                text + &rows.collect::<String>()
            }
            _ => text + &head + &",".repeat(OF_BUILD) + "\n",
        }
    })
}

fn of_run(run: &Run) -> String {
    format!(
        "{},{},{},{},{},{},{}",
        field(&run.label),
        run.started,
        run.seconds,
        run.exit_code,
        run.tree.name(),
        run.commit.as_ref().map(ObjectId::to_string).unwrap_or_default(),
        field(run.machine.as_deref().unwrap_or_default())
    )
}

fn of_build(build: &RecordedBuild) -> String {
    let time = |seconds: Option<f64>| seconds.map(|time| time.to_string()).unwrap_or_default();
    format!(
        "{},{},{},{},{},{},{},{},{}",
        field(&build.target),
        build.status.name(),
        time(build.seconds),
        build.steps,
        build.cached,
        build.run,
        build.run_cached,
        build.sent_bytes,
        time(build.export_seconds)
    )
}

/// A field: escaped, quoted where necessary, and never a formula of a spreadsheet.
fn field(text: &str) -> String {
    let text = Escaped(text.as_bytes()).to_string();
    let text: Cow<'_, str> = if text.starts_with(['=', '+', '-', '@']) {
        format!("'{text}").into()
    } else {
        text.into()
    };
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::builds::tests::build;
    use crate::measure::runs::tests::run;

    #[test]
    fn a_row_for_each_run_and_target() {
        let builds = vec![build("web", &[("[1/1] RUN x", true)]), build("backend", &[])];
        let runs = [
            Run { builds: Some(Ok(builds)), ..run("a, \"b\"", 7.5, 0) },
            Run { commit: None, machine: Some("=ci".into()), ..run("-c", 1.0, 3) },
        ];
        let text = rows(&runs);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines.iter().skip(3).chain(&lines[..1]).all(|line| line.split(',').count() == 16));
        assert_eq!(lines.len(), 4);
        let start = "\"a, \"\"b\"\"\",2026-05-02T10:11:12Z,7.5,0,unchanged,0707";
        assert!(lines[1].starts_with(start), "{text}");
        assert!(lines[1].ends_with("07,,web,completed,6.097,1,1,1,1,409,0.443"), "{text}");
        assert!(lines[2].ends_with("07,,backend,completed,6.097,0,0,0,0,409,0.443"), "{text}");
        assert_eq!(lines[3], "'-c,2026-05-02T10:11:12Z,1,3,unchanged,,'=ci,,,,,,,,,");
    }
}
