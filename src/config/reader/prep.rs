//! Parses the key `prep`.

use crate::base::finding::Span;
use crate::config::Config;
use crate::config::reader::{ConfigReader, quoted};
use crate::formats::document::{Node, Value};
use crate::prepare::settings::{BuildCommand, PrepSettings};

const KEYS: [&str; 6] = ["from", "packages", "scope", "into", "manifests", "build"];

pub(super) fn read(reader: &mut ConfigReader<'_>, node: &Node, config: &mut Config) {
    let mut settings = PrepSettings::default();
    for (key, node) in reader.entries(node, "an object", &KEYS) {
        match key.text.as_str() {
            "from" => settings.from = text(reader, node, "the path of a directory"),
            "into" => settings.into = text(reader, node, "the name of a directory"),
            "packages" => settings.packages = texts(reader, node, "a list of patterns"),
            "scope" => settings.scope = scopes(reader, node),
            "manifests" => settings.manifests = directories(reader, node),
            _ => settings.build = build(reader, node),
        }
    }
    config.prep = settings;
}

/// Checks what depends on another key: `into` is a leftover directory.
pub(super) fn check(reader: &mut ConfigReader<'_>, root: &Node, config: &Config) {
    let Some(name) = &config.prep.into else { return };
    let span =
        |root: &Node| -> Option<Span> { Some(root.last("prep")?.last("into")?.span.clone()) };
    let is_known = config.debris.directories().iter().any(|directory| directory.name == *name);
    if let Some(span) = span(root).filter(|_| !is_known) {
        reader.problem(&span, format!("{} is not a directory of `debris`", quoted(name)));
    }
}

/// A string that is not empty.
fn text(reader: &mut ConfigReader<'_>, node: &Node, expected: &str) -> Option<String> {
    let text = reader.string(node, expected)?;
    if text.is_empty() || text.contains('\0') {
        reader.expected(node, expected);
    }
    Some(text.to_owned())
}

/// A list of strings that are not empty; it has one at least.
fn texts(reader: &mut ConfigReader<'_>, node: &Node, expected: &str) -> Option<Vec<String>> {
    let nodes = reader.list(node, expected);
    if nodes.is_empty() && matches!(node.value, Value::List(_)) {
        reader.problem(&node.span, "the list is empty: leave the key out for the default");
    }
    Some(nodes.iter().filter_map(|node| text(reader, node, "a string")).collect())
}

fn scopes(reader: &mut ConfigReader<'_>, node: &Node) -> Option<Vec<String>> {
    let scopes = texts(reader, node, "a list of scopes")?;
    for (scope, node) in scopes.iter().zip(node.items()) {
        let is_scope = |scope: &str| {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._~-".contains(&byte);
            scope.strip_prefix('@').is_some_and(|name| !name.is_empty() && name.bytes().all(plain))
        };
        if !is_scope(scope) {
            reader.expected(node, "a scope, such as \"@acme\"");
        }
    }
    Some(scopes)
}

fn directories(reader: &mut ConfigReader<'_>, node: &Node) -> Option<Vec<String>> {
    let nodes = reader.list(node, "a list of directories");
    let paths = nodes.iter().filter_map(|node| reader.inner_path(node, "the path of a directory"));
    Some(paths.collect())
}

fn build(reader: &mut ConfigReader<'_>, node: &Node) -> BuildCommand {
    const EXPECTED: &str = "a list of words, the first one a program; or `false`";
    if reader.is_false(node) {
        return BuildCommand::None;
    }
    if !matches!(node.value, Value::List(_)) {
        reader.expected(node, EXPECTED);
        return BuildCommand::default();
    }
    BuildCommand::Command(texts(reader, node, EXPECTED).unwrap_or_default())
}
