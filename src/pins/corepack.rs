//! The package manager that corepack runs for a manifest, or the reason why it refuses to, checked
//! in the order of corepack 0.36. `tests/facts/corepack.json` has its answers.

use nodejs_semver::Range;
use semver::Version;

use crate::base::finding::Span;
use crate::models::Scalar;
use crate::models::manifest::{DevEngine, PackageJson, Shape};
use crate::pins::pin::{Fault, Manager, exact, satisfies};

/// How corepack interprets a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Decision {
    /// The manifest names no package manager.
    Absent,
    Exact(Manager, Version),
    /// A version in a range; or a URL of a package manager that corepack does not know.
    Open,
    /// An empty `packageManager`: refused unless a directory above has a manifest.
    Blank(Refusal),
    Refused(Refusal),
    /// `packageManager` and `devEngines` contradict each other.
    Contradiction,
}

/// Why corepack refuses a manifest, with the place.
type Refusal = (Span, Fault);

/// Package managers that corepack cannot run, and whose projects set the field for other tools.
const FOREIGN: [&str; 3] = ["bun", "deno", "vlt"];

/// The longest valid version, in UTF-16 code units.
const LONGEST: usize = 256;

/// The largest number in a valid version: JavaScript's `MAX_SAFE_INTEGER`.
const LARGEST: u64 = (1 << 53) - 1;

/// Decides for a manifest that is valid JSON.
pub(super) fn decide(manifest: &PackageJson, text: &[u8]) -> Decision {
    if let Shape::Scalar(span) = &manifest.shape {
        return Decision::Refused(refused(span, "the file is not an object"));
    }
    let field = manifest.package_manager.as_ref();
    let is_set = field.is_some_and(|field| !is_falsy(field, text));
    let engine = manifest.dev_engine.as_ref();
    let engine = match engine.map_or(Ok(None), |engine| Requirement::parse(engine, text)) {
        Ok(engine) => engine,
        Err(refusal) => return Decision::Refused(refusal),
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
        (_, Some(field)) => match decide_field(field) {
            Decision::Refused(refusal) if !is_set => Decision::Blank(refusal),
            decision => decision,
        },
    }
}

/// Whether a value is falsy in JavaScript.
fn is_falsy(value: &Scalar, file: &[u8]) -> bool {
    let raw = || file.get(value.span.clone()).and_then(|raw| std::str::from_utf8(raw).ok());
    match (value.text(), raw()) {
        (Some(text), _) => text.is_empty(),
        (None, Some("null" | "false")) => true,
        (None, raw) => raw.is_some_and(|raw| raw.parse::<f64>().is_ok_and(|number| number == 0.0)),
    }
}

fn refused(span: &Span, reason: impl Into<String>) -> Refusal {
    (span.clone(), Fault::Refused(reason.into()))
}

/// A `devEngines.packageManager` that corepack does not ignore.
struct Requirement<'m> {
    /// The name and its place.
    name: (&'m Span, &'m str),
    /// The accepted versions.
    version: Option<&'m str>,
    /// Whether a violation is an error.
    is_strict: bool,
}

impl<'m> Requirement<'m> {
    /// `None` if corepack ignores it.
    fn parse(engine: &'m DevEngine, text: &[u8]) -> Result<Option<Self>, Refusal> {
        let is_null = |value: &Scalar| text.get(value.span.clone()) == Some(b"null");
        // Other values warn, or do nothing.
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
                        "the version of devEngines.packageManager is not a range",
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
            (Some(version), Some(range)) => parse_strict(version)
                .is_none_or(|version| satisfies(&version, range) == Some(false)),
        }
    }

    /// The decision without a `packageManager`.
    fn decision(&self) -> Decision {
        let manager = Manager::from_name(self.name.1);
        let version = self.version.filter(|version| !version.is_empty());
        match (version.map(parse_strict), manager) {
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
    if FOREIGN.contains(&name) {
        (span.clone(), Fault::Foreign(name.to_owned()))
    } else {
        refused(span, "unsupported package manager")
    }
}

/// Decides for a `packageManager`.
fn decide_field(field: &Scalar) -> Decision {
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
    match (parse_strict(version), manager) {
        (None, None) if FOREIGN.contains(&name) => {
            Decision::Refused(unsupported(&field.span, name))
        }
        (None, _) => refused("expected an exact version"),
        (Some(_), None) => Decision::Refused(unsupported(&field.span, name)),
        (Some(version), Some(manager)) => Decision::Exact(manager, version),
    }
}

/// Parses a version like node-semver's strict parser, which skips white space and one `v`.
fn parse_strict(text: &str) -> Option<Version> {
    if text.encode_utf16().count() > LONGEST {
        return None;
    }
    // JavaScript's definition of white space.
    let text = text.trim_matches(|c: char| c == '\u{feff}' || (c.is_whitespace() && c != '\u{85}'));
    let version = exact(text).filter(|_| !text.starts_with('='))?;
    let numbers = [version.major, version.minor, version.patch];
    numbers.iter().all(|number| *number <= LARGEST).then_some(version)
}

/// Whether it is an absolute URL by the URL standard.
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
    fn decisions_are_those_of_corepack() {
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
                    let expected = case["version"].as_str().unwrap_or_default();
                    case["name"] == manager.name()
                        && parse_strict(expected).as_ref() == Some(version)
                }
                _ => true,
            };
            if case["verdict"] != verdict || !exact {
                wrong.push(format!("{text}: {} and not {decision:?}", case["verdict"]));
            }
        }
        // JavaScript's JSON parser refuses a blank that serde_json accepts, and accepts half a
        // surrogate.
        assert!(wrong.len() == 2, "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    }
}
