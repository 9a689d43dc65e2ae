//! Compose files: images, and the arguments that they give to a Dockerfile.

use crate::formats::document::{Node, Value};
use crate::formats::shell::{Lookup, Resolved, Variable};
use crate::formats::{self, Syntax};
use crate::pins::{Build, Reading, commands, images};

/// Reads a compose file. Paths in it are seen from `directory`, where it stands.
pub fn read(text: &[u8], directory: &[u8]) -> Reading {
    let mut reading = Reading::default();
    let Ok(root) = formats::parse(Syntax::Yaml, text) else { return reading };
    for (_, service) in root.get("services").flat_map(Node::entries) {
        let build = service.get("build").last();
        if let (Some(image), None) = (service.get("image").last(), build) {
            reading.pins.extend(plain(image).and_then(|image| images::pin(&image, text)));
        }
        for command in ["command", "entrypoint"].iter().flat_map(|key| service.get(key)) {
            reading.add(commands::of_string(command, &|_| Lookup::Unknown, text));
        }
        reading.builds.extend(build.and_then(|build| arguments(build, directory)));
    }
    reading
}

/// A string without variables.
fn plain(node: &Node) -> Option<Resolved> {
    let text = node.text().filter(|text| !text.contains('$'))?.to_owned();
    Some(Resolved { text, is_open: false, span: node.span.clone(), used: Vec::new(), unset: Vec::new() })
}

/// The Dockerfile of a `build`, and the arguments that it is given.
fn arguments(build: &Node, directory: &[u8]) -> Option<Build> {
    let text = |key| build.get(key).last().and_then(Node::text);
    let context = text("context").unwrap_or(".");
    let path = format!("{context}/{}", text("dockerfile").unwrap_or("Dockerfile"));
    let dockerfile = below(directory, &path)?;
    let arguments = build.get("args").last().map(|arguments| match &arguments.value {
        Value::Map(entries) => entries.iter().filter_map(|(key, node)| given(&key.text, node, node.text()?)).collect(),
        Value::List(nodes) => nodes
            .iter()
            .filter_map(|node| {
                let (name, value) = node.text()?.split_once('=')?;
                given(name, node, value)
            })
            .collect(),
        _ => Vec::new(),
    });
    arguments.filter(|arguments| !arguments.is_empty()).map(|arguments| Build { dockerfile, arguments })
}

fn given(name: &str, node: &Node, value: &str) -> Option<(String, Variable)> {
    let is_plain = !value.contains('$');
    is_plain.then(|| (name.to_owned(), Variable { text: value.to_owned(), span: node.span.clone() }))
}

/// A path seen from a directory; `None` where it leads out of the work tree, or is none.
fn below(directory: &[u8], path: &str) -> Option<Vec<u8>> {
    if path.starts_with(['/', '~']) || path.contains(['$', ':']) {
        return None;
    }
    let mut parts: Vec<&[u8]> = directory.split(|&byte| byte == b'/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part.as_bytes()),
        }
    }
    Some(parts.join(&b'/'))
}
