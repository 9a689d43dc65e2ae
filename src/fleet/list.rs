//! The list of the repositories of a fleet: `bakstop.fleet.json`.

use std::collections::BTreeMap;

use regex::bytes::Regex;
use serde::Deserialize;

use crate::base::error::Error;
use crate::pins::joined;

/// The largest list that is read, in bytes.
pub(crate) const LIMIT: u64 = 1024 * 1024;

/// The list. Paths are relative to its directory, unless they are absolute.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FleetList {
    #[serde(rename = "$schema", default)]
    _schema: String,
    pub repositories: Vec<ListedRepository>,
    #[serde(default)]
    pub templates: Vec<Template>,
    /// The record of builds; empty for none.
    #[serde(default)]
    pub record: String,
    /// The document of the decision about lockfiles (gate C7); empty for none.
    #[serde(default)]
    pub decision: String,
}

/// A repository of the list.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(clippy::zero_sized_map_values, reason = "the values are checked when they are read")]
pub(crate) struct ListedRepository {
    pub path: String,
    /// Directories of Dockerfiles that no build is recorded for.
    #[serde(default)]
    pub surfaces: BTreeMap<String, NotApplicable>,
    /// Paths of templates that this repository does not have.
    #[serde(default)]
    pub templates: BTreeMap<String, NotApplicable>,
}

/// The only value of a surface or a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) enum NotApplicable {
    #[serde(rename = "n/a")]
    NotApplicable,
}

/// A file that each repository has a copy of.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Template {
    /// The canonical file, which is committed in a repository.
    pub canonical: String,
    /// Its path in each repository.
    pub path: String,
    /// Lines that a pattern matches are equal.
    #[serde(default)]
    pub may_differ: Vec<LinePattern>,
}

/// A regular expression, searched for in lines.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct LinePattern(pub Regex);

impl TryFrom<String> for LinePattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let first_line = |error: regex::Error| match error {
            regex::Error::Syntax(message) => {
                // The last line has the reason; those before show the place.
                message.lines().last().unwrap_or_default().to_owned()
            }
            other => other.to_string(),
        };
        Regex::new(&text).map(Self).map_err(|error| format!("{text:?}: {}", first_line(error)))
    }
}

impl FleetList {
    /// Parses a list. `name` is printed.
    pub(crate) fn parse(name: &str, text: &[u8]) -> Result<Self, Error> {
        let doing = format!("read the list {name}");
        let refused = |cause: String| {
            Error::new(&*doing, cause).help("see docs/schema/fleet-list.json for its keys")
        };
        let text = text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text);
        let mut list: Self =
            serde_json::from_slice(text).map_err(|error| refused(error.to_string()))?;
        if list.repositories.is_empty() {
            return Err(refused("it names no repository".into()));
        }
        for template in &mut list.templates {
            let inner = joined("", &template.path).filter(|path| !path.is_empty());
            let path = inner.ok_or_else(|| {
                refused(format!(
                    "the path {:?} of a template is not in a repository",
                    template.path
                ))
            })?;
            template.path = path;
        }
        let canonical = list.templates.iter().map(|template| &template.canonical);
        if list.repositories.iter().map(|one| &one.path).chain(canonical).any(String::is_empty) {
            return Err(refused("a path is empty".into()));
        }
        let is_known = |path: &String| list.templates.iter().any(|one| one.path == *path);
        let mut named = list.repositories.iter().flat_map(|one| one.templates.keys());
        if let Some(unknown) = named.find(|path| !is_known(path)) {
            return Err(refused(format!("there is no template {unknown:?}")));
        }
        Ok(list)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<FleetList, String> {
        FleetList::parse("f.json", text.as_bytes()).map_err(|error| error.cause().to_owned())
    }

    #[test]
    fn a_whole_list() {
        let list = parse(
            r#"{"$schema": "x", "repositories": [
                {"path": "../notes", "surfaces": {"web": "n/a"}, "templates": {"a/b.sh": "n/a"}}],
                "templates": [{"canonical": "x.sh", "path": "./a/b.sh", "may_differ": ["^S="]}],
                "record": "builds.jsonl", "decision": "adr.md"}"#,
        )
        .unwrap();
        assert_eq!(list.templates[0].path, "a/b.sh");
        assert_eq!(list.repositories[0].surfaces["web"], NotApplicable::NotApplicable);
        assert_eq!((&*list.record, &*list.decision), ("builds.jsonl", "adr.md"));
        assert!(list.templates[0].may_differ[0].0.is_match(b"S=1"));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let one = r#""repositories": [{"path": "a"}]"#;
        for (text, cause) in [
            ("", "EOF while parsing a value at line 1 column 0"),
            ("{}", "missing field `repositories`"),
            (r#"{"repositories": []}"#, "it names no repository"),
            (r#"{"repositories": [{"path": ""}]}"#, "a path is empty"),
            (r#"{"repositorys": []}"#, "unknown field `repositorys`, expected one of"),
            (r#"{"repositories": [{"path": "a", "surfaces": {"b": "no"}}]}"#, "expected `n/a`"),
            (
                r#"{"repositories": [{"path": "a", "templates": {"b": "n/a"}}]}"#,
                "there is no template \"b\"",
            ),
            (
                &format!(r#"{{{one}, "templates": [{{"canonical": "a", "path": "../b"}}]}}"#),
                "the path \"../b\" of a template is not in a repository",
            ),
            (
                &format!(
                    r#"{{{one}, "templates": [{{"canonical": "a", "path": "b",
                        "may_differ": ["("]}}]}}"#
                ),
                "\"(\": error: unclosed group",
            ),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(cause), "{text}: {error}");
        }
    }
}
