//! What corepack makes of a manifest: which package manager it would run, or why it refuses to,
//! decided in its order. Observed in corepack 0.36; `tests/facts/corepack.json` holds what it said
//! of each case.

use nodejs_semver::Range;
use semver::Version;

use crate::base::finding::Span;
use crate::models::Scalar;
use crate::models::manifest::{DevEngine, PackageJson, Shape};
use crate::pins::{Manager, exact, satisfies};

/// What a manifest says to corepack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Decision {
    Absent,
    /// Use this version.
    Exact(Manager, Version),
    /// Use a version in a range; or a file from an URL, of a manager that corepack does not know.
    Open,
    /// Nothing, if there is a manifest further up; else it is refused.
    Blank(Refusal),
    Refused(Refusal),
    /// `packageManager` and `devEngines` contradict each other.
    Contradiction,
}

/// Why corepack refuses a value, and where that stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub span: Span,
    /// The reason, as the end of a sentence.
    pub reason: String,
    /// The name of a package manager that is not corepack's to run.
    pub foreign: Option<String>,
}

/// Package managers that are not corepack's to run, and whose projects use the field for other
/// tools.
const FOREIGN: [&str; 3] = ["bun", "deno", "vlt"];

/// The longest version that is one, in UTF-16 code units.
const LONGEST: usize = 256;

/// The largest number that may stand in a version: JavaScript counts no further.
const LARGEST: u64 = (1 << 53) - 1;

/// Decides what a manifest says, which is no invalid one. `text` is the whole of it.
pub(super) fn decide(manifest: &PackageJson, text: &[u8]) -> Decision {
    if let Shape::Scalar(span) = &manifest.shape {
        return Decision::Refused(refused(span, "the file holds no object"));
    }
    let field = manifest.package_manager.as_ref();
    let is_set = field.is_some_and(|field| !is_falsy(field, text));
    let engine = match manifest.dev_engine.as_ref().map(|engine| Requirement::parse(engine, text)) {
        None | Some(Ok(None)) => None,
        Some(Ok(Some(engine))) => Some(engine),
        Some(Err(refusal)) => return Decision::Refused(refusal),
    };
    if let (Some(engine), Some(field)) = (&engine, field.filter(|_| is_set))
        && engine.is_contradicted_by(field)
        && engine.is_strict
    {
        return Decision::Contradiction;
    }
    match (engine, field) {
        (Some(engine), _) if !is_set => engine.decision(),
        (_, None) => Decision::Absent,
        (_, Some(field)) => match specification(field) {
            Decision::Refused(refusal) if !is_set => Decision::Blank(refusal),
            decision => decision,
        },
    }
}

/// Whether JavaScript takes a value for false.
fn is_falsy(value: &Scalar, file: &[u8]) -> bool {
    let raw = || file.get(value.span.clone()).and_then(|raw| std::str::from_utf8(raw).ok());
    match (value.text(), raw()) {
        (Some(text), _) => text.is_empty(),
        (None, Some("null" | "false")) => true,
        (None, raw) => raw.is_some_and(|raw| raw.parse::<f64>().is_ok_and(|number| number == 0.0)),
    }
}

fn refused(span: &Span, reason: impl Into<String>) -> Refusal {
    Refusal { span: span.clone(), reason: reason.into(), foreign: None }
}

/// A `devEngines.packageManager` that counts.
struct Requirement<'m> {
    /// Where the name is, and the name.
    name: (&'m Span, &'m str),
    /// The versions that are accepted.
    version: Option<&'m str>,
    /// Whether what is wrong with it is an error.
    is_strict: bool,
}

impl<'m> Requirement<'m> {
    /// `None` for what corepack ignores.
    fn parse(engine: &'m DevEngine, text: &[u8]) -> Result<Option<Self>, Refusal> {
        let is_null = |value: &Scalar| text.get(value.span.clone()) == Some(b"null");
        // Anything but `error` warns or does nothing.
        let is_strict = engine.on_fail.as_ref().is_none_or(|value| value.text() == Some("error"));
        let fail = |refusal| if is_strict { Err(refusal) } else { Ok(None) };
        let span = engine.name.as_ref().map_or(&engine.span, |name| &name.span);
        let name = engine.name.as_ref().and_then(Scalar::text).filter(|name| !name.contains('@'));
        let Some(name) = name.map(|name| (span, name)) else {
            return fail(refused(span, "devEngines.packageManager has no name"));
        };
        let version = match engine.version.as_ref().filter(|version| !is_null(version)) {
            None => None,
            Some(version) => match version.text().filter(|range| is_range(range)) {
                None => {
                    return fail(refused(
                        &version.span,
                        "the version of devEngines.packageManager is no range",
                    ));
                }
                range => range,
            },
        };
        Ok(Some(Self { name, version, is_strict }))
    }

    fn is_contradicted_by(&self, field: &Scalar) -> bool {
        let version =
            field.text().and_then(|text| text.strip_prefix(self.name.1)?.strip_prefix('@'));
        match (version, self.version) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(version), Some(range)) => {
                strict(version).is_none_or(|version| satisfies(&version, range) == Some(false))
            }
        }
    }

    /// What it says where `packageManager` says nothing.
    fn decision(&self) -> Decision {
        let manager = Manager::from_name(self.name.1);
        let version = self.version.filter(|version| !version.is_empty());
        match (version.map(strict), manager) {
            (Some(Some(version)), Some(manager)) => Decision::Exact(manager, version),
            (Some(Some(_)), None) => Decision::Refused(unsupported(self.name.0, self.name.1)),
            (_, None) if self.is_strict => Decision::Refused(unsupported(self.name.0, self.name.1)),
            (Some(None), Some(_)) => Decision::Open,
            (None, _) | (_, None) => Decision::Absent,
        }
    }
}

fn is_range(text: &str) -> bool {
    text.trim().is_empty() || Range::parse(text).is_ok()
}

fn unsupported(span: &Span, name: &str) -> Refusal {
    let foreign = FOREIGN.contains(&name).then(|| name.to_owned());
    Refusal { foreign, ..refused(span, "unsupported package manager") }
}

/// Decides what a `packageManager` says.
fn specification(field: &Scalar) -> Decision {
    let refused = |reason: &str| Decision::Refused(refused(&field.span, reason));
    let Some(text) = field.text() else { return refused("expected a string") };
    let (name, version) = text.split_once('@').unwrap_or((text, ""));
    let manager = Manager::from_name(name);
    if version.is_empty() {
        return refused("no version specified");
    }
    if is_url(version) {
        return match manager {
            Some(_) => refused(&format!("illegal use of a URL for {name}, which needs a version")),
            None => Decision::Open,
        };
    }
    match (strict(version), manager) {
        (None, None) if FOREIGN.contains(&name) => {
            Decision::Refused(unsupported(&field.span, name))
        }
        (None, _) => refused("expected an exact version"),
        (Some(_), None) => Decision::Refused(unsupported(&field.span, name)),
        (Some(version), Some(manager)) => Decision::Exact(manager, version),
    }
}

/// A version as node-semver's strict parser takes it: surrounding blanks and one `v` are passed
/// over.
fn strict(text: &str) -> Option<Version> {
    if text.encode_utf16().count() > LONGEST {
        return None;
    }
    // What JavaScript trims.
    let text = text.trim_matches(|c: char| c == '\u{feff}' || (c.is_whitespace() && c != '\u{85}'));
    let version = exact(text).filter(|_| !text.starts_with('='))?;
    let numbers = [version.major, version.minor, version.patch];
    numbers.iter().all(|number| *number <= LARGEST).then_some(version)
}

/// Whether the URL standard takes this for an absolute URL.
fn is_url(text: &str) -> bool {
    let text = text.trim_matches(|c: char| c <= ' ');
    let text: String = text.chars().filter(|c| !matches!(c, '\t' | '\n' | '\r')).collect();
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    let scheme = scheme.to_ascii_lowercase();
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    let needs_host = ["http", "https", "ws", "wss", "ftp"].contains(&scheme.as_str());
    let host = rest.trim_start_matches(['/', '\\']);
    let has_host = host
        .starts_with(|c: char| c.is_ascii_alphanumeric() || "[%-_~".contains(c) || !c.is_ascii());
    is_scheme && (!needs_host || has_host)
}

#[cfg(test)]
mod tests {
    use serde_json::Value as Json;

    use super::*;
    use crate::formats::{self, Syntax};

    #[test]
    fn every_manifest_is_decided_as_corepack_decides() {
        let facts: Json =
            serde_json::from_str(include_str!("../../tests/facts/corepack.json")).unwrap();
        let mut wrong = Vec::new();
        for case in facts["cases"].as_array().unwrap() {
            let text = case["manifest"].as_str().unwrap();
            let document = formats::parse(Syntax::Json, text.as_bytes());
            let manifest =
                document.map_or_else(|_| PackageJson::default(), |root| PackageJson::parse(&root));
            let decision = match manifest.shape {
                Shape::Scalar(_) | Shape::Object if !text.starts_with('\u{feff}') => {
                    decide(&manifest, text.as_bytes())
                }
                _ => Decision::Contradiction,
            };
            let verdict = match &decision {
                Decision::Absent => "absent",
                Decision::Exact(..) | Decision::Open => "valid",
                Decision::Blank(_) | Decision::Refused(_) | Decision::Contradiction => "invalid",
            };
            let exact = match &decision {
                Decision::Exact(manager, version) => {
                    let told = case["version"].as_str().unwrap_or_default();
                    case["name"] == manager.name() && strict(told).as_ref() == Some(version)
                }
                _ => true,
            };
            if case["verdict"] != verdict || !exact {
                wrong.push(format!("{text}: {} and not {decision:?}", case["verdict"]));
            }
        }
        // A blank that only JavaScript's JSON refuses, and half a surrogate that only it takes.
        assert!(wrong.len() == 2, "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    }
}
