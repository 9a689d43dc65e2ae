//! A preparation: as text, and `bakstop.prep/1` as JSON.

use serde_json::{Value, json};

use crate::base::edit::Replacement;
use crate::base::escape::Escaped;
use crate::base::path::RepoPath;
use crate::edit::excerpt;
use crate::prepare::plan::{FileChange, Prepared, PreparedPackage, Reason, TarballSource};
use crate::report::common::plural;
use crate::report::json;
use crate::report::paint::Paint;

/// The maximum number of packed packages that are listed, unless nothing is packed yet.
const LISTED: usize = 20;

/// A line for each package that is packed and, in a dry run, for each file; then a summary. Files
/// that would be rewritten are shown as differences.
pub(crate) fn human(prepared: &Prepared, paint: Paint) -> String {
    let mut text = String::new();
    let (verb, listed) =
        if prepared.dry_run { ("would pack", usize::MAX) } else { ("packed", LISTED) };
    let reason = |package: &PreparedPackage| match package.source {
        TarballSource::Packed(reason) => Some(reason),
        TarballSource::Kept | TarballSource::Cached => None,
    };
    let packed = prepared.packages.iter().filter_map(|it| Some((it, reason(it)?)));
    for (number, (package, reason)) in packed.clone().enumerate().take(listed) {
        let PreparedPackage { name, version, .. } = package;
        let (name, version) = (Escaped(name.as_bytes()), Escaped(version.as_bytes()));
        text += &format!("{} {name} {version}: {}\n", paint.good(verb), why(reason));
        let rest = packed.clone().count() - number - 1;
        if number + 1 == listed && rest > 0 {
            text += &format!("and {}\n", plural(rest, "more package"));
        }
    }
    if prepared.dry_run {
        for (path, change) in &prepared.files {
            let verb = match change {
                FileChange::Unchanged => continue,
                FileChange::Written => "would write",
                FileChange::Removed => "would remove",
            };
            text += &format!("{} {path}\n", paint.good(verb));
        }
        for Replacement { path, old, new } in &prepared.edits {
            let lines = excerpt::unified(path, old, new, 3);
            text.extend(lines.iter().map(|line| format!("{}\n", paint.diff(line))));
        }
    }
    for warning in &prepared.warnings {
        text += &format!("{} {warning}\n", paint.doubtful("warning:"));
    }
    text + &format!("{} {}\n", paint.strong("bakstop:"), summary(prepared))
}

fn why(reason: Reason) -> &'static str {
    match reason {
        Reason::New => "it is not in the cache",
        Reason::Changed => "it changed",
        Reason::Forced => "because of --force",
    }
}

/// "63 packages of ../platform in .docker-deps: 1 packed, 62 kept; 3 files written, 1 removed, 2
/// rewritten in place, in 1.2 s"; in a dry run, "1 to pack, 62 kept; 3 files to write".
fn summary(prepared: &Prepared) -> String {
    let Prepared { from, into, packages, files, edits, .. } = prepared;
    let of = |name: &str| packages.iter().filter(|package| package.source.name() == name).count();
    let [pack, write, remove, rewrite] = if prepared.dry_run {
        ["to pack", "to write", "to remove", "to rewrite in place"]
    } else {
        ["packed", "written", "removed", "rewritten in place"]
    };
    let sources = [(of("packed"), pack), (of("cached"), "cached"), (of("kept"), "kept")];
    let sources: Vec<String> = sources
        .into_iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, name)| format!("{number} {name}"))
        .collect();
    let changed = |wanted: FileChange| files.iter().filter(|(_, change)| *change == wanted).count();
    let (written, removed) = (changed(FileChange::Written), changed(FileChange::Removed));
    let mut files = match (written, removed) {
        (0, 0) => "nothing to write".to_owned(),
        (written, 0) => format!("{} {write}", plural(written, "file")),
        (0, removed) => format!("{} {remove}", plural(removed, "file")),
        (written, removed) => {
            format!("{} {write}, {removed} {remove}", plural(written, "file"))
        }
    };
    if !edits.is_empty() {
        files += &format!(", {} {rewrite}", edits.len());
    }
    let packages = plural(packages.len(), "package");
    let end = if prepared.dry_run {
        String::new()
    } else {
        format!(", in {:.1} s", prepared.took.as_secs_f64())
    };
    format!("{packages} of {from} in {into}: {}; {files}{end}", sources.join(", "))
}

/// The document `bakstop.prep/1`.
pub(crate) fn json(prepared: &Prepared) -> String {
    let packages = prepared.packages.iter().map(|package| {
        let PreparedPackage { name, version, key, file, source } = package;
        let reason = match source {
            TarballSource::Packed(Reason::New) => "new",
            TarballSource::Packed(Reason::Changed) => "changed",
            TarballSource::Packed(Reason::Forced) => "forced",
            TarballSource::Kept | TarballSource::Cached => "",
        };
        json!({
            "name": Escaped(name.as_bytes()).to_string(),
            "version": Escaped(version.as_bytes()).to_string(),
            "key": key,
            "file": file,
            "source": source.name(),
            "reason": (!reason.is_empty()).then_some(reason),
        })
    });
    let files = prepared.files.iter().map(|(path, change)| file(path, *change));
    let rewritten = prepared.edits.iter().map(|Replacement { path, .. }| {
        json!({ "path": json::path(path), "path_hex": json::path_hex(path) })
    });
    json::document(&json!({
        "schema": "bakstop.prep/1",
        "dry_run": prepared.dry_run,
        "from": prepared.from,
        "into": prepared.into,
        "packages": packages.collect::<Vec<_>>(),
        "files": files.collect::<Vec<_>>(),
        "rewritten": rewritten.collect::<Vec<_>>(),
        "warnings": prepared.warnings,
        "seconds": (prepared.took.as_secs_f64() * 1000.0).round() / 1000.0,
    }))
}

fn file(path: &RepoPath, change: FileChange) -> Value {
    json!({
        "path": json::path(path),
        "path_hex": json::path_hex(path),
        "change": change.name(),
    })
}
