//! Takes the traces of a preparation out of a manifest, span by span. Everything else in the file
//! is kept to the byte. Nothing is written here, and nothing knows where other versions come from.
//!
//! The original of a value is searched in other versions of the file. A value whose original is
//! not certain stays, with the reason.

use std::collections::{HashMap, HashSet};

use crate::base::change::File;
use crate::base::debris::Debris;
use crate::base::edit::Edit;
use crate::base::escape::Escaped;
use crate::base::finding::{LineIndex, Span};
use crate::edit;
use crate::formats::document::{Node, Value};
use crate::formats::trace::mention;
use crate::formats::{self, Syntax};
use crate::project::kinds::FileKind;
use crate::rules::{self, Trace};

mod layout;
pub(crate) mod plan;
pub(crate) mod undo;

use layout::{emptied, located, removals};

/// Where another version of a file is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    Backup,
    /// A backup that is the file of an older commit: it may be from an earlier preparation.
    OlderBackup,
    WorkTree,
    Index,
    Head,
    /// The commit before HEAD, if HEAD is rewritten as well.
    BeforeHead,
    /// The commit that is merged, picked or reverted.
    OtherSide,
}

impl Origin {
    /// Whether it is a copy that git does not know.
    pub(crate) fn is_copy(self) -> bool {
        matches!(self, Self::Backup | Self::OlderBackup | Self::WorkTree)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Backup | Self::OlderBackup => "the backup",
            Self::WorkTree => "the work tree",
            Self::Index => "the index",
            Self::Head => "HEAD",
            Self::BeforeHead => "the commit before HEAD",
            Self::OtherSide => "the other commit",
        }
    }
}

/// Another version of a file.
#[derive(Debug, Clone)]
pub(crate) struct Version {
    pub origin: Origin,
    pub text: Vec<u8>,
    /// Whether its bytes may replace the file if both have the same values: a preparation may have
    /// changed the layout.
    pub verbatim: bool,
}

/// A file without its traces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Restored {
    pub text: Vec<u8>,
    /// The traces that stay.
    pub left: Vec<Left>,
}

impl Restored {
    /// What stays: for each its line, its keys and the reason.
    fn new(text: Vec<u8>, left: Vec<(usize, String)>) -> Self {
        let left = left.into_iter().map(|(line, reason)| Left { line, reason });
        Self { text, left: left.collect() }
    }
}

/// A trace that stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Left {
    /// Counted from 1.
    pub line: usize,
    /// The keys that lead to it, and why it stays; safe to print.
    pub reason: String,
}

/// A parsed version of the file.
struct Parsed<'a> {
    version: &'a Version,
    root: Node,
}

/// Restores a manifest; `None` if it has no trace.
pub(crate) fn manifest<'v>(
    file: &File,
    versions: &'v [Version],
    debris: &Debris,
) -> Option<Restored> {
    let syntax = FileKind::of(&file.path, |kind| kind.dependencies().is_some())?.dependencies()?;
    let unchanged = |span: Span, reason: &str| {
        let (line, _) = LineIndex::new(&file.text).locate(span.start);
        let left = vec![Left { line, reason: reason.to_owned() }];
        Some(Restored { text: file.text.clone(), left })
    };
    let root = match formats::parse(syntax, &file.text) {
        Ok(root) => root,
        Err(error) => {
            mention(&file.text, debris)?;
            return unchanged(error.span, "the file cannot be parsed: fix it by hand");
        }
    };
    let traces = rules::traces(&root, &file.path, debris);
    let first = traces.first()?.node.span.clone();
    let parse = |version: &'v Version| {
        let root = formats::parse(syntax, &version.text).ok()?;
        Some(Parsed { version, root })
    };
    let parsed: Vec<Parsed<'_>> = versions.iter().filter_map(parse).collect();
    let may_be_whole = |origin: Origin| origin.is_copy() && origin != Origin::OlderBackup;
    for copy in parsed.iter().filter(|one| may_be_whole(one.version.origin)) {
        let walk = Restoring::new(file, &traces, std::slice::from_ref(copy), debris);
        let Some(restored) = walk.run(&root, syntax) else { continue };
        let read = formats::parse(syntax, &restored.text);
        let same = read
            .is_ok_and(|read| is_same((&read, &restored.text), (&copy.root, &copy.version.text)));
        if restored.left.is_empty() && same {
            let text = &copy.version.text;
            let is_whole = copy.version.verbatim && has_comments(syntax, text, &restored.text);
            let text = if is_whole { text.clone() } else { restored.text };
            return Some(Restored { text, left: Vec::new() });
        }
    }
    let walk = Restoring::new(file, &traces, &parsed, debris);
    walk.run(&root, syntax)
        .or_else(|| unchanged(first, "its layout cannot be edited safely: restore it by hand"))
}

/// What a version has at the same path of keys, if it has anything there.
type At<'a> = Option<&'a Node>;

/// The values of each key of a map; a key may occur several times.
fn by_key(at: At<'_>) -> HashMap<&str, Vec<&Node>> {
    let mut values: HashMap<&str, Vec<&Node>> = HashMap::new();
    for (key, node) in at.into_iter().flat_map(Node::entries) {
        values.entry(&key.text).or_default().push(node);
    }
    values
}

/// What becomes of a trace.
enum Fate<'a> {
    /// This value of a version replaces it.
    Replace(&'a Version, &'a Node),
    /// Its key is removed.
    Remove,
    Keep(String),
}

/// A walk over a manifest and its other versions at once.
struct Restoring<'a> {
    file: &'a File,
    traces: HashMap<*const Node, Trace<'a>>,
    versions: &'a [Parsed<'a>],
    /// The traces of the versions.
    unknown: HashSet<*const Node>,
    keys: Vec<&'a str>,
    edits: Vec<Edit>,
    left: Vec<(Span, String)>,
}

impl<'a> Restoring<'a> {
    fn new(
        file: &'a File,
        traces: &'a [Trace<'a>],
        versions: &'a [Parsed<'a>],
        debris: &Debris,
    ) -> Self {
        let traces_of = |one: &'a Parsed<'a>| rules::traces(&one.root, &file.path, debris);
        let place = |trace: Trace<'a>| std::ptr::from_ref(trace.node);
        let unknown = versions.iter().flat_map(traces_of).map(place).collect();
        let traces = traces.iter().map(|trace| (place(*trace), *trace)).collect();
        let (keys, edits, left) = (Vec::new(), Vec::new(), Vec::new());
        Self { file, traces, versions, unknown, keys, edits, left }
    }

    /// The restored file; `None` if more than the traces would change.
    fn run(mut self, root: &'a Node, syntax: Syntax) -> Option<Restored> {
        let versions: Vec<At<'a>> = self.versions.iter().map(|one| Some(&one.root)).collect();
        let expected = self.node(root, &versions)?;
        let text = edit::apply(&self.file.text, self.edits.iter().collect())?;
        let read = formats::parse(syntax, &text).ok()?;
        if !is_same((&expected, &self.file.text), (&read, &text)) {
            return None;
        }
        let left = located(self.edits, self.left, &text);
        Some(Restored::new(text, left))
    }

    fn trace(&self, node: &Node) -> Option<Trace<'a>> {
        self.traces.get(&std::ptr::from_ref(node)).copied()
    }

    fn holds_trace(&self, node: &Node) -> bool {
        self.trace(node).is_some()
            || node.entries().any(|(_, node)| self.holds_trace(node))
            || node.items().iter().any(|node| self.holds_trace(node))
    }

    /// Whether a value of a version consists of traces.
    fn is_unknown(&self, node: &Node) -> bool {
        let mut inner = node.entries().peekable();
        let is_map = inner.peek().is_some();
        self.unknown.contains(&std::ptr::from_ref(node))
            || is_map && inner.all(|(_, node)| self.is_unknown(node))
    }

    /// The node without its traces; `None` if its key is to be removed.
    fn node(&mut self, node: &'a Node, versions: &[At<'a>]) -> Option<Node> {
        if let Some(trace) = self.trace(node) {
            return self.value(trace, versions);
        }
        if !self.holds_trace(node) {
            return Some(node.clone());
        }
        match &node.value {
            Value::Map(_) => self.map(node, versions),
            _ => {
                self.keep(node.span.clone(), "it is an item of a list: remove it by hand");
                Some(node.clone())
            }
        }
    }

    fn keep(&mut self, span: Span, reason: &str) {
        let keys = Escaped(self.keys.join(" > ").as_bytes()).to_string();
        self.left.push((span, format!("{keys}: {reason}")));
    }

    fn value(&mut self, trace: Trace<'a>, versions: &[At<'a>]) -> Option<Node> {
        match self.decide(trace, versions) {
            Fate::Remove => None,
            Fate::Keep(reason) => {
                self.keep(trace.node.span.clone(), &reason);
                Some(trace.node.clone())
            }
            Fate::Replace(version, node) => {
                let literal = version.text.get(node.span.clone()).unwrap_or_default();
                let literal = String::from_utf8_lossy(literal).into_owned();
                // The lines of a block depend on its indentation. Every JSON string is one of YAML.
                let literal = match node.text() {
                    Some(text) if literal.contains('\n') => serde_json::json!(text).to_string(),
                    _ => literal,
                };
                self.replace(trace.node.span.clone(), literal);
                Some(Node { span: node.span.clone(), value: node.value.clone() })
            }
        }
    }

    /// Chooses the original of a trace. What was staged is newer than a commit; a copy that git
    /// does not know is of an unknown age, so it must not contradict.
    fn decide(&self, trace: Trace<'a>, versions: &[At<'a>]) -> Fate<'a> {
        let values: Vec<(&'a Version, &'a Node, &'a str)> = (self.versions.iter().zip(versions))
            .filter_map(|(one, at)| Some((one.version, (*at)?, (*at)?.text()?)))
            .filter(|(_, node, _)| !self.is_unknown(node))
            .collect();
        let is_staged = values.iter().any(|(version, ..)| version.origin == Origin::Index);
        let counts = |origin: Origin| origin.is_copy() || !is_staged || origin == Origin::Index;
        let mut values = values.into_iter().filter(|(version, ..)| counts(version.origin));
        let Some((version, node, text)) = values.next() else {
            return if trace.may_be_added {
                Fate::Remove
            } else {
                Fate::Keep("no original is known: write it by hand".to_owned())
            };
        };
        let shown = |version: &Version, text: &str| {
            format!("{} has {}", version.origin.name(), Escaped(text.as_bytes()))
        };
        if let Some((other, _, different)) = values.find(|(_, _, other)| *other != text) {
            let (one, two) = (shown(version, text), shown(other, different));
            return Fate::Keep(format!("{one}, {two}: write one of them by hand"));
        }
        // HEAD shows that the key is new, and a backup that it is not.
        let is_absent = self
            .versions
            .iter()
            .zip(versions)
            .any(|(one, at)| at.is_none() && one.version.origin == Origin::Head);
        if trace.may_be_added && version.origin.is_copy() && is_absent {
            let copy = shown(version, text);
            return Fate::Keep(format!("{copy}, HEAD has no such key: decide by hand"));
        }
        Fate::Replace(version, node)
    }

    /// The map without its traces; `None` if it is empty then, and no version has it.
    fn map(&mut self, map: &'a Node, versions: &[At<'a>]) -> Option<Node> {
        let (mut kept, mut removed) = (Vec::new(), Vec::new());
        let entries: Vec<_> = map.entries().collect();
        let below: Vec<_> = versions.iter().map(|version| by_key(*version)).collect();
        let mut seen: HashMap<&str, usize> = HashMap::new();
        for (at, (key, node)) in entries.iter().enumerate() {
            let times = seen.entry(&key.text).and_modify(|times| *times += 1).or_default();
            let value = |values: &HashMap<&str, Vec<&'a Node>>| {
                let values = values.get(&*key.text)?;
                values.get(*times).or(values.last()).copied()
            };
            let below: Vec<At<'a>> = below.iter().map(value).collect();
            self.keys.push(&key.text);
            match self.node(node, &below) {
                Some(node) => kept.push(((*key).clone(), node)),
                None => removed.push(at),
            }
            self.keys.pop();
        }
        let known = versions.iter().zip(self.versions).find_map(|(at, one)| {
            at.filter(|node| !self.is_unknown(node)).map(|node| (one.version, node))
        });
        if kept.is_empty() && known.is_none() && !self.keys.is_empty() {
            return None;
        }
        if kept.is_empty() && !removed.is_empty() {
            let literal = known.filter(|(_, node)| node.entries().next().is_none());
            let literal = literal.and_then(|(version, node)| {
                std::str::from_utf8(version.text.get(node.span.clone())?).ok()
            });
            let is_top = self.keys.is_empty();
            let (span, text) = emptied(&self.file.text, map, literal, is_top);
            self.replace(span, text);
        } else {
            for span in removals(&self.file.text, map, &removed) {
                self.replace(span, String::new());
            }
        }
        Some(Node { span: map.span.clone(), value: Value::Map(kept) })
    }

    fn replace(&mut self, span: Span, text: String) {
        self.edits.push(Edit { path: self.file.path.clone(), span, text });
    }
}

/// Whether a copy has every comment of a text that may be newer. Outside of YAML, whole lines are
/// compared.
fn has_comments(syntax: Syntax, copy: &[u8], text: &[u8]) -> bool {
    fn comments(syntax: Syntax, text: &[u8]) -> HashSet<&[u8]> {
        let start = |line: &[u8]| match syntax {
            Syntax::Yaml => line.iter().position(|&byte| byte == b'#'),
            _ => Some(0),
        };
        let lines = text.split(|&byte| byte == b'\n');
        lines.filter_map(|line| line.get(start(line)?..)).map(<[u8]>::trim_ascii).collect()
    }
    syntax == Syntax::Json || comments(syntax, text).is_subset(&comments(syntax, copy))
}

/// Whether two documents have the same values in the same order. Numbers are compared as they are
/// written.
pub(crate) fn is_same((a, text): (&Node, &[u8]), (b, other): (&Node, &[u8])) -> bool {
    match (&a.value, &b.value) {
        (Value::Text(a), Value::Text(b)) => a == b,
        (Value::Map(a), Value::Map(b)) => {
            a.len() == b.len()
                && a.iter().zip(b).all(|((key, a), (other_key, b))| {
                    key.text == other_key.text && is_same((a, text), (b, other))
                })
        }
        (Value::List(a), Value::List(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_same((a, text), (b, other)))
        }
        (Value::Other, Value::Other) => text.get(a.span.clone()) == other.get(b.span.clone()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value as Json;

    use super::*;

    const DIR: &str = ".docker-deps";

    fn file(path: &str, text: &str) -> File {
        File { path: path.into(), text: text.into(), fresh: true, replaces: true }
    }

    fn version(origin: Origin, text: &str) -> Version {
        Version { origin, text: text.into(), verbatim: true }
    }

    /// The restored text, and why traces stay. `DIR` in the texts is the leftover directory.
    fn restored(path: &str, text: &str, versions: &[(Origin, &str)]) -> (String, Vec<String>) {
        let with_name = |text: &str| text.replace("DIR", DIR);
        let versions: Vec<Version> =
            versions.iter().map(|(origin, text)| version(*origin, &with_name(text))).collect();
        let file = file(path, &with_name(text));
        match manifest(&file, &versions, &Debris::default()) {
            None => (with_name(text), vec!["no trace".to_owned()]),
            Some(Restored { text, left }) => (
                String::from_utf8(text).unwrap(),
                left.into_iter().map(|left| format!("{}: {}", left.line, left.reason)).collect(),
            ),
        }
    }

    #[test]
    fn a_prepared_manifest_becomes_the_committed_one_again() {
        let facts: Json =
            serde_json::from_str(include_str!("../tests/facts/prepared.json")).unwrap();
        let text = |case: &Json, key: &str| case[key].as_str().unwrap().to_owned();
        let mut restored_files = 0;
        for case in facts["prepared"].as_array().unwrap() {
            let (before, prepared) = (text(case, "before"), text(case, "prepared"));
            let path = text(case, "path");
            let path = path.trim_start_matches("./");
            for origin in [Origin::Head, Origin::Backup, Origin::Index] {
                let (after, left) = restored(path, &prepared, &[(origin, &before)]);
                if prepared == before {
                    assert_eq!(left, ["no trace"], "{case}");
                } else {
                    assert_eq!((after, left), (before.clone(), Vec::new()), "{case}");
                    restored_files += 1;
                }
            }
        }
        assert!(restored_files >= 60, "{restored_files}");
        for case in facts["edited"].as_array().unwrap() {
            let [before, edited, after] =
                ["before", "edited", "restored"].map(|key| text(case, key));
            for origins in [&[Origin::Head][..], &[Origin::Backup, Origin::Head]] {
                let versions: Vec<_> = origins.iter().map(|origin| (*origin, &*before)).collect();
                let (found, left) = restored("backend/package.json", &edited, &versions);
                let is_clean = left.is_empty() || left == ["no trace"];
                let reformatted = found == before && case["name"] == "reformatted-by-a-tool";
                assert!(is_clean && (found == after || reformatted), "{case}\n{found}\n{left:?}");
            }
        }
    }

    #[test]
    fn the_original_is_certain_or_the_trace_stays() {
        use Origin::{Backup, Head, Index, OtherSide};
        let of = |spec: &str| format!("{{\"dependencies\": {{\"x\": \"{spec}\"}}, \"v\": \"2\"}}");
        let prepared = of("file:../DIR/x.tgz");
        let older = of("1").replace("\"2\"", "\"1\"");
        let two = "1: dependencies > x: the backup has 1, HEAD has 3: write one of them by hand";
        let none = "1: dependencies > x: no original is known: write it by hand";
        for (versions, expected) in [
            (&[(Head, of("1"))][..], Ok("1")),
            (&[(Index, of("2")), (Head, of("1"))], Ok("2")),
            // The backup was made from this very file.
            (&[(Backup, of("2")), (Head, of("1"))], Ok("2")),
            (&[(Backup, older.clone()), (Head, of("1"))], Ok("1")),
            (&[(Backup, older), (Head, of("3"))], Err(two)),
            (&[(Head, prepared.clone()), (OtherSide, of("1"))], Ok("1")),
            (&[(Backup, prepared.clone()), (Head, "{}".into())], Err(none)),
            (&[(Head, "{ broken".into())], Err(none)),
            (&[], Err(none)),
        ] {
            let versions: Vec<_> =
                versions.iter().map(|(origin, text)| (*origin, &**text)).collect();
            let (after, left) = restored("a/package.json", &prepared, &versions);
            match expected {
                Ok(spec) => assert_eq!((after, left), (of(spec), Vec::new()), "{versions:?}"),
                Err(reason) => assert_eq!(left, [reason], "{versions:?}"),
            }
        }
    }

    #[test]
    fn comments_and_layout_stay_in_every_syntax() {
        for (path, prepared, committed, expected) in [
            (
                "pnpm-workspace.yaml",
                "# top\r\npackages:\r\n  - a # kept\r\noverrides: # ours\r\n  x: file:DIR/x.tgz\r\n\
                 \x20 'y': 'file:DIR/y.tgz' # y\r\ncatalog:\r\n  z: 1\r\n",
                "packages:\n  - a\ncatalog:\n  z: 1\n",
                "# top\r\npackages:\r\n  - a # kept\r\ncatalog:\r\n  z: 1\r\n",
            ),
            (
                "pnpm-workspace.yaml",
                "packages: [a]\noverrides:\n  a: 1 # a\n  x: >-\n    file:DIR/x.tgz\n  # b\n  \
                 b: 2\n",
                "packages: [a]\noverrides:\n  a: 1\n",
                "packages: [a]\noverrides:\n  a: 1 # a\n  # b\n  b: 2\n",
            ),
            (
                "pnpm-workspace.yaml",
                "overrides: {a: 1, x: 'file:DIR/x.tgz', y: DIR/y} # c\n",
                "packages: [a]\noverrides:\n  a: 2\n",
                "overrides: {a: 1} # c\n",
            ),
            (
                "pnpm-workspace.yaml",
                "overrides:\n  x: file:DIR/x.tgz\npackages: [a]\n",
                "overrides: {} \npackages: [a]\n",
                "overrides: {}\npackages: [a]\n",
            ),
            ("pnpm-workspace.yaml", "overrides:\n  x: file:DIR/x.tgz\n", "packages: [a]\n", ""),
            (
                "package.yaml",
                "dependencies:\n  x: file:DIR/x.tgz   # why\n  y: DIR/y\n",
                "dependencies:\n  x: >-\n    ^1.0.0\n  y: \"2\"\n",
                "dependencies:\n  x: \"^1.0.0\"   # why\n  y: \"2\"\n",
            ),
            (
                "package.json5",
                "{\n  // one\n  dependencies: { x: 'file:DIR/x.tgz', },\n  overrides: {\n    \
                 a: '1', // a\n    x: 'file:DIR/x.tgz', // x\n  },\n}",
                "{ dependencies: { x: '^1' }, overrides: { a: '1' } }",
                "{\n  // one\n  dependencies: { x: '^1', },\n  overrides: {\n    a: '1', \
                 // a // x\n  },\n}",
            ),
            (
                ".yarnrc.yml",
                "catalog:\n  x: file:DIR/x.tgz\n",
                "catalog:\n  x: ^3\n",
                "catalog:\n  x: ^3\n",
            ),
        ] {
            let (after, left) = restored(path, prepared, &[(Origin::Head, committed)]);
            assert_eq!((after, left), (expected.to_owned(), Vec::new()), "{prepared}");
            let again = restored(path, expected, &[(Origin::Head, committed)]);
            assert_eq!(again, (expected.to_owned(), vec!["no trace".to_owned()]));
        }
    }

    #[test]
    fn a_file_that_cannot_be_edited_safely_stays() {
        let by_hand = "its layout cannot be edited safely: restore it by hand";
        for (path, text, reason) in [
            ("package.json", "{\n<<<<<<<\n\"x\": \"DIR/x\"", "2: the file cannot be parsed"),
            (
                "package.json",
                "{\"workspaces\": [\"a\", \"DIR/*\"]}",
                "1: workspaces: it is an item",
            ),
            (
                "package.json",
                "{\"catalog\": {\"x\": \"DIR/x\"}}",
                "1: catalog > x: no original is known",
            ),
            (
                "pnpm-workspace.yaml",
                "a: &a {x: DIR/x}\noverrides:\n  <<: *a\n",
                &format!("1: {by_hand}"),
            ),
        ] {
            let (after, left) = restored(path, text, &[(Origin::Head, "{}")]);
            assert_eq!(after, text.replace("DIR", DIR));
            assert!(left.len() == 1 && left[0].starts_with(reason), "{text}: {left:?}");
        }
    }

    mod spellings {
        use proptest::prelude::*;

        use super::*;

        /// A manifest with random blanks, and the same as a preparation rewrites it.
        fn manifests() -> impl Strategy<Value = (String, String)> {
            let blank = proptest::sample::select(&["", " ", "\n", "\r\n  ", "\t"][..]);
            let names = proptest::collection::btree_set("[a-e]", 0..5);
            let sections = proptest::collection::vec(
                (
                    proptest::sample::select(&["dependencies", "devDependencies", "files"][..]),
                    names,
                ),
                0..4,
            );
            let overrides = proptest::option::of(proptest::collection::btree_set("[a-e]", 0..3));
            let blanks = proptest::collection::vec(blank, 40);
            (sections, overrides, blanks, any::<bool>()).prop_map(
                |(sections, own, blanks, nested)| {
                    let mut at = 0;
                    let mut blank = || {
                        at = (at + 1) % blanks.len();
                        blanks[at]
                    };
                    let mut map = |entries: &[(String, String)]| {
                        let entry = |(key, value): &(String, String)| {
                            let [a, b, c, d] = [blank(), blank(), blank(), blank()];
                            format!("{a}\"{key}\"{b}:{c}{value}{d}")
                        };
                        format!("{{{}}}", entries.iter().map(entry).collect::<Vec<_>>().join(","))
                    };
                    let spec = format!("\"file:../{DIR}/x.tgz\"");
                    let (mut before, mut after) = (Vec::new(), Vec::new());
                    for (name, keys) in &sections {
                        let one = |value: &str| {
                            keys.iter()
                                .map(|key| (key.clone(), value.to_owned()))
                                .collect::<Vec<_>>()
                        };
                        let (clean, rewritten) = (map(&one("\"^1\"")), map(&one(&spec)));
                        // The same blanks.
                        let rewritten = if *name == "files" || rewritten.len() < 3 {
                            clean.clone()
                        } else {
                            clean.replace("\"^1\"", &spec)
                        };
                        before.push(((*name).to_owned(), clean));
                        after.push(((*name).to_owned(), rewritten));
                    }
                    let own = own.map(|own| own.into_iter().collect::<Vec<_>>());
                    let keys = |own: &[String], value: &str| {
                        own.iter().map(|key| (key.clone(), value.to_owned())).collect::<Vec<_>>()
                    };
                    let kept = own.as_ref().map(|own| map(&keys(own, "\"2\"")));
                    let added = keys(&["y".to_owned(), "z".to_owned()], &spec);
                    let mut layers = match &kept {
                        // Added at the end, as every tool does.
                        Some(kept) if kept.len() > 2 => {
                            let (head, _) = kept.rsplit_once('}').unwrap();
                            let blank = head.trim_end_matches([' ', '\n', '\r', '\t']);
                            let rest = head.get(blank.len()..).unwrap();
                            format!("{blank}, \"y\": {spec},\n \"z\":{spec}{rest}}}")
                        }
                        _ => map(&added),
                    };
                    let mut kept = kept;
                    let mut name = "overrides";
                    if nested {
                        layers = format!("{{ \"overrides\" : {layers} }}");
                        kept = kept.map(|kept| format!("{{ \"overrides\" : {kept} }}"));
                        name = "pnpm";
                    }
                    before.extend(kept.map(|kept| (name.to_owned(), kept)));
                    after.push((name.to_owned(), layers));
                    let write = |entries: &[(String, String)]| {
                        let entry =
                            |(key, value): &(String, String)| format!("\n  \"{key}\": {value}");
                        format!("{{{}\n}}", entries.iter().map(entry).collect::<Vec<_>>().join(","))
                    };
                    let (before, after) = (write(&before), write(&after));
                    (if before == "{\n}" { "{}".to_owned() } else { before }, after)
                },
            )
        }

        proptest! {
            #[test]
            fn restoring_undoes_a_preparation((before, prepared) in manifests()) {
                for origin in [Origin::Head, Origin::Backup] {
                    let (after, left) = restored("a/package.json", &prepared, &[(origin, &before)]);
                    prop_assert_eq!(left, Vec::<String>::new(), "{}", prepared);
                    prop_assert_eq!(&after, &before, "{}", prepared);
                }
            }

            #[test]
            fn another_edit_stays((before, prepared) in manifests()) {
                let edit = |text: &str| text.replacen('{', "{ \"version\" : 1.0 ,", 1);
                prop_assume!(before != "{}");
                let (after, left) =
                    restored("a/package.json", &edit(&prepared), &[(Origin::Head, &before)]);
                prop_assert_eq!(left, Vec::<String>::new(), "{}", prepared);
                prop_assert_eq!(after, edit(&before), "{}", prepared);
            }

            #[test]
            fn every_text_is_restored_or_left(
                text in any::<Vec<u8>>(), other in any::<Vec<u8>>(),
                path in proptest::sample::select(&["package.json", "pnpm-workspace.yaml"][..])
            ) {
                let text = [&text[..], DIR.as_bytes(), &other[..]].concat();
                let file = File { path: path.into(), text, fresh: true, replaces: true };
                let versions = [Version { origin: Origin::Head, text: other, verbatim: true }];
                let debris = Debris::default();
                if let Some(Restored { text, left }) = manifest(&file, &versions, &debris) {
                    prop_assert!(!left.is_empty() || text != file.text);
                    let again = manifest(&File { text, ..file }, &versions, &debris);
                    prop_assert_eq!(again.is_some(), !left.is_empty());
                }
            }
        }
    }
}
