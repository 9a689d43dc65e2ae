//! The builds of `doctor`: the lines of `--verbose`, and fields of the JSON document.

use serde_json::{Value, json};

use crate::base::escape::Escaped;
use crate::base::finding::LineIndex;
use crate::builds::{Build, BuildOrigin, Builds, OriginName};
use crate::report::common::Report;
use crate::report::fixes::{self, FixSummary};
use crate::report::json;

/// The report as JSON, with the builds, what was not judged, and what `--fix` resolved.
pub(crate) fn json(
    report: &Report<'_>,
    builds: Option<&Builds>,
    fixed: Option<&FixSummary>,
) -> String {
    let built = builds.iter().flat_map(|builds| {
        builds.list.iter().map(|build| {
            json!({
                "dockerfile": json::path(&builds.file(build.dockerfile).path),
                "context": build.context.as_ref().map(|context| match &*context.directory {
                    "" => ".",
                    directory => directory,
                }),
                "origin": build.origin.as_ref().map(|origin| self::origin(builds, origin)),
            })
        })
    });
    let doubts = builds.iter().flat_map(|builds| {
        let doubts = builds.doubts.iter();
        doubts.map(|doubt| json!({ "path": json::path(&doubt.path), "reason": doubt.reason }))
    });
    let mut more = vec![
        ("builds", built.collect::<Vec<Value>>().into()),
        ("not_judged", doubts.collect::<Vec<Value>>().into()),
    ];
    more.extend(fixed.map(|summary| ("fixed", fixes::json(summary))));
    json::check_with(report, &more)
}

fn origin(builds: &Builds, origin: &BuildOrigin) -> Value {
    let file = builds.file(origin.file);
    let (line, _) = LineIndex::new(&file.text).locate(origin.span.start);
    let (service, target) = match &origin.name {
        Some(OriginName::Service(name)) => (Some(name), None),
        Some(OriginName::Target(name)) => (None, Some(name)),
        None => (None, None),
    };
    json!({ "path": json::path(&file.path), "line": line, "service": service, "target": target })
}

/// The builds, and what was not judged.
pub(crate) fn lines(builds: &Builds) -> Vec<String> {
    let described = builds.list.iter().map(|build| line(builds, build));
    let doubts = builds
        .doubts
        .iter()
        .map(|doubt| format!("bakstop: not judged: {}: {}", doubt.path, escaped(&doubt.reason)));
    described.chain(doubts).collect()
}

fn escaped(text: &str) -> String {
    Escaped(text.as_bytes()).to_string()
}

/// "bakstop: build of backend/Dockerfile, context ., by compose.yaml (service web)"
fn line(builds: &Builds, build: &Build) -> String {
    let dockerfile = &builds.file(build.dockerfile).path;
    let context = match &build.context {
        Some(context) if context.directory.is_empty() => "context .".to_owned(),
        Some(context) => format!("context {}", escaped(&context.directory)),
        None => "context unknown".to_owned(),
    };
    let origin = build.origin.as_ref().map(|origin| {
        let name = match &origin.name {
            Some(OriginName::Service(name)) => format!(" (service {})", escaped(name)),
            Some(OriginName::Target(name)) => format!(" (target {})", escaped(name)),
            None => String::new(),
        };
        format!(", by {}{name}", builds.file(origin.file).path)
    });
    format!("bakstop: build of {dockerfile}, {context}{}", origin.unwrap_or_default())
}
