//! Compose files: images, and the arguments that they give to a Dockerfile.

use crate::formats::document::{Node, Value};
use crate::formats::shell::{Lookup, Resolved, Variable};
use crate::formats::{self, Syntax};
use crate::pins::{Call, Footing, Reading, commands, images};

/// Reads a compose file. Paths in it are seen from `directory`, where it stands.
pub(super) fn read(text: &[u8], directory: &[u8]) -> Reading {
    let mut reading = Reading::default();
    let Ok(root) = formats::parse(Syntax::Yaml, text) else { return reading };
    for (_, service) in root.get("services").flat_map(Node::entries) {
        let build = service.get("build").last();
        if let (Some(image), None) = (service.get("image").last(), build) {
            reading.pins.extend(plain(image).and_then(|image| images::pin(&image, text)));
        }
        for command in ["command", "entrypoint"].iter().flat_map(|key| service.get(key)) {
            let mut done = commands::of_command(command, &|_| Lookup::Unknown, text);
            // A container sees what is mounted, and nobody knows from here what that is.
            done.pins.iter_mut().for_each(|pin| pin.footing = Footing::Deciding);
            reading.add(done);
        }
        reading.calls.extend(build.and_then(|build| arguments(build, directory)));
    }
    reading
}

/// A string without variables.
fn plain(node: &Node) -> Option<Resolved> {
    let text = node.text().filter(|text| !text.contains('$'))?.to_owned();
    Some(Resolved { text, is_open: false, span: node.span.clone(), used: Vec::new(), unset: Vec::new() })
}

/// The Dockerfile of a `build`, and the arguments that it is given.
fn arguments(build: &Node, directory: &[u8]) -> Option<Call> {
    let text = |key| build.get(key).last().and_then(Node::text);
    let context = text("context").unwrap_or(".");
    let path = format!("{context}/{}", text("dockerfile").unwrap_or("Dockerfile"));
    let dockerfile = commands::joined(std::str::from_utf8(directory).ok()?, &path)?.into_bytes();
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
    arguments.filter(|arguments| !arguments.is_empty()).map(|arguments| Call { paths: vec![dockerfile], arguments })
}

fn given(name: &str, node: &Node, value: &str) -> Option<(String, Option<Variable>)> {
    let is_plain = !value.contains('$');
    is_plain.then(|| (name.to_owned(), Some(Variable { text: value.to_owned(), span: node.span.clone() })))
}
