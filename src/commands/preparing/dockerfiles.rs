//! Whether the Dockerfiles take what a preparation writes: judged before anything is packed.

use std::collections::BTreeSet;

use crate::base::error::Error;
use crate::base::finding::{Severity, Verdict};
use crate::builds::Overlays;
use crate::commands::fixing::{self, FixMode, Fixed};
use crate::commands::judge::{Options, Scope, judge};
use crate::commands::preparing::product::Product;
use crate::commands::{Context, Outcome};
use crate::pins::Manager;
use crate::report::fixes::{self, Tense};
use crate::report::{self, Format, Report};

/// What a preparation of a product writes.
pub(in crate::commands) fn overlays(product: &Product, into: &str, in_place: bool) -> Overlays {
    let manifests = product.manifests.iter();
    let has_own = |manager| !product.installs_at_top || manager != Manager::Pnpm;
    let own = manifests.filter(|manifest| has_own(manifest.manager));
    let directory = |path: &[u8]| String::from_utf8(path.to_vec()).ok();
    let mut directories: BTreeSet<String> =
        own.filter_map(|manifest| directory(manifest.directory.as_bytes())).collect();
    if product.installs_at_top {
        directories.insert(String::new());
    }
    Overlays { into: into.to_owned(), directories, in_place }
}

/// The verdict on the Dockerfiles.
pub(in crate::commands) enum OverlayVerdict {
    /// They take the overlay, as far as that can be decided: the rest are lines to print.
    Yes(Vec<String>),
    /// At least one does not.
    No(Outcome),
}

/// Judges every Dockerfile of the work tree; with `writes`, after the line is written to those that
/// lack it.
pub(in crate::commands) fn judged(
    overlays: &Overlays,
    config: Option<&std::path::Path>,
    writes: bool,
    context: &Context,
) -> Result<OverlayVerdict, Error> {
    let options = Options { config, doctor: true, overlays: Some(overlays), ..Options::default() };
    let fixed = writes.then(|| fixing::fix(FixMode::Write, &options, context)).transpose()?;
    let judged = judge(&Scope::WorkTree, &options, context)?;
    let findings = &judged.judgement.findings;
    let mut lines: Vec<String> = match &fixed {
        Some(Fixed::Done(summary)) if summary.files > 0 => {
            let text = fixes::lines(summary, Tense::Past, context.paint);
            text.lines().map(str::to_owned).collect()
        }
        _ => Vec::new(),
    };
    if Verdict::of(findings, false) == Verdict::Clean {
        let warnings = findings.iter().filter(|finding| finding.severity == Severity::Warning);
        lines.extend(warnings.map(|finding| {
            let place = finding.place.as_ref().map(|place| format!(":{}", place.line));
            format!("warning: {}{}: {}", finding.path, place.unwrap_or_default(), finding.message)
        }));
        return Ok(OverlayVerdict::Yes(lines));
    }
    let report = Report {
        findings,
        rules: &judged.judgement.rules,
        scope: Scope::WorkTree.name(),
        judged: judged.entries,
        deny_warnings: false,
        view: judged.view(context.paint),
    };
    let text = report::check(Format::Human, &report);
    let outcome = lines.iter().fold(Outcome::new(Verdict::Found, text), Outcome::note);
    let has_fix = !writes && findings.iter().any(|finding| finding.fix.is_some());
    let outcome = outcome.note("bakstop: nothing is prepared: a Dockerfile would not take it");
    let command = if overlays.in_place {
        "bakstop prep --in-place --fix-dockerfiles"
    } else {
        "bakstop prep --fix-dockerfiles"
    };
    Ok(OverlayVerdict::No(if has_fix { outcome.note(format!("help: {command}")) } else { outcome }))
}
