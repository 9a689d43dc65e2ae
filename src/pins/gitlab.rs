//! Pipelines of GitLab: scripts, and images of pnpm.

use crate::formats::document::{Node, Value};
use crate::formats::{self, Syntax};
use crate::pins::corepack::last;
use crate::pins::scope::{Scope, variables};
use crate::pins::{Reading, commands, images};

/// The sections of a job that hold scripts.
const SCRIPTS: [&str; 3] = ["before_script", "script", "after_script"];

/// Reads a pipeline.
pub fn read(text: &[u8]) -> Reading {
    let mut reading = Reading::default();
    let Ok(root) = formats::parse(Syntax::Yaml, text) else { return reading };
    let of_pipeline = Scope::of(variables(last(&root, "variables")));
    let jobs = root.entries().filter(|(key, _)| key.text != "variables").map(|(_, job)| job);
    for job in std::iter::once(&root).chain(jobs) {
        let scope = of_pipeline.with(last(job, "variables"));
        for script in SCRIPTS.iter().filter_map(|key| last(job, key)) {
            lines(script, &scope, text, &mut reading);
        }
        let image = last(job, "image").map(|image| last(image, "name").unwrap_or(image));
        reading.pins.extend(image.and_then(|image| images::pin(&scope.resolve(image)?, text)));
    }
    reading
}

/// A script as a string, or as lists of strings within lists.
fn lines(node: &Node, scope: &Scope<'_>, text: &[u8], reading: &mut Reading) {
    match &node.value {
        Value::List(nodes) => nodes.iter().for_each(|node| lines(node, scope, text, reading)),
        Value::Text(_) => reading.add(commands::of_string(node, "", &|name| scope.lookup(name), text)),
        _ => {}
    }
}
