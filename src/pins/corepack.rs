//! What corepack makes of the `packageManager` of a manifest: its grammar, in its order, with its reasons. Observed in
//! corepack 0.36, against which `tests/facts/corepack.json` holds this.

use semver::Version;

use crate::formats::document::{Node, Value};
use crate::pins::{Manager, exact};

/// What a `packageManager` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Field {
    /// Nothing: the manifest further up decides.
    Absent,
    /// An exact version.
    Exact(Manager, Version),
    /// Something that corepack takes and that names no version of a manager that it knows.
    Custom,
    /// Something that corepack refuses; why.
    Refused(String),
    /// An exact version of another package manager, which corepack refuses as well: its name.
    Foreign(String),
}

/// Package managers that are not corepack's to run, and whose projects use the field for other tools.
const FOREIGN: [&str; 3] = ["bun", "deno", "vlt"];

/// The longest version that is one, in UTF-16 code units.
const LONGEST: usize = 256;

/// The largest number that may stand in a version: JavaScript counts no further.
const LARGEST: u64 = (1 << 53) - 1;

/// Decides as corepack does. `raw` is the value as it is written.
pub fn decide(node: &Node, raw: &[u8]) -> Field {
    match &node.value {
        Value::Text(text) if text.is_empty() => Field::Absent,
        Value::Text(text) => specification(text),
        Value::Other if is_falsy(raw) => Field::Absent,
        _ => Field::Refused("expected a string".into()),
    }
}

fn is_falsy(raw: &[u8]) -> bool {
    match raw {
        b"null" | b"false" => true,
        _ => std::str::from_utf8(raw).ok().and_then(|text| text.parse::<f64>().ok()).is_some_and(|number| number == 0.0),
    }
}

fn specification(text: &str) -> Field {
    let (name, version) = text.split_once('@').unwrap_or((text, ""));
    let manager = Manager::named(name);
    if version.is_empty() {
        return Field::Refused("no version specified".into());
    }
    if is_url(version) {
        return match manager {
            Some(_) => Field::Refused(format!("illegal use of a URL for {name}: it must be a version")),
            None => Field::Custom,
        };
    }
    match (strict(version), manager) {
        (None, _) => Field::Refused("expected an exact version, such as 10.6.5".into()),
        (Some(_), None) if FOREIGN.contains(&name) => Field::Foreign(name.to_owned()),
        (Some(_), None) => Field::Refused("unsupported package manager".into()),
        (Some(version), Some(manager)) => Field::Exact(manager, version),
    }
}

/// A version as node-semver's strict parser takes it: surrounding blanks and one `v` are passed over.
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
    let text: String = text.chars().filter(|c| !matches!(c, '\t' | '\n' | '\r')).collect();
    let Some((scheme, rest)) = text.trim_start_matches(|c: char| c <= ' ').split_once(':') else { return false };
    let scheme = scheme.to_ascii_lowercase();
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    let needs_host = ["http", "https", "ws", "wss", "ftp"].contains(&scheme.as_str());
    let host = rest.trim_start_matches(['/', '\\']);
    is_scheme && (!needs_host || host.starts_with(|c: char| c.is_ascii_alphanumeric() || "[%-_~".contains(c) || !c.is_ascii()))
}
