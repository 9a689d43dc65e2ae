//! Pipelines of GitLab: scripts, and images of pnpm.

use crate::formats::document::{Node, Value};
use crate::formats::{self, Syntax};
use crate::pins::commands::Place;
use crate::pins::scope::{Scope, variables};
use crate::pins::{Reading, commands, images};

/// The sections of a job that hold scripts, those together that one shell runs.
const SCRIPTS: [&[&str]; 2] = [&["before_script", "script"], &["after_script"]];

/// Reads a pipeline.
pub(super) fn read(text: &[u8]) -> Reading {
    let mut reading = Reading::default();
    let Ok(root) = formats::parse(Syntax::Yaml, text) else { return reading };
    let of_pipeline = Scope::of(variables(root.last("variables")));
    let jobs = root.entries().filter(|(key, _)| key.text != "variables");
    let jobs = jobs.map(|(key, job)| (key.text.starts_with('.'), job));
    for (is_template, job) in std::iter::once((false, &root)).chain(jobs) {
        let scope = of_pipeline.with(job.last("variables"));
        // What a matrix sets is one variant of several.
        let matrix = job.last("parallel").and_then(|parallel| parallel.last("matrix")).map(|matrix| &matrix.value);
        let variants = if let Some(Value::List(variants)) = matrix { variants.as_slice() } else { &[] };
        let names = variants.iter().flat_map(Node::entries).map(|(key, _)| key.text.clone());
        let scope = scope.without(names);
        let before = reading.pins.len();
        for sections in SCRIPTS {
            let mut place = Place::at("");
            for script in sections.iter().filter_map(|key| job.last(key)) {
                lines(script, &mut place, &scope, text, &mut reading);
            }
        }
        let image = job.last("image").map(|image| image.last("name").unwrap_or(image));
        reading.pins.extend(image.and_then(|image| images::pin(&scope.resolve(image)?, text)));
        // Whoever extends a template may set its variables otherwise.
        for pin in reading.pins[before..].iter_mut().filter(|pin| is_template && !pin.used.is_empty()) {
            pin.is_elsewhere = true;
        }
    }
    reading
}

/// A script as a string, or as lists of strings within lists.
fn lines(node: &Node, place: &mut Place, scope: &Scope<'_>, text: &[u8], reading: &mut Reading) {
    match &node.value {
        Value::List(nodes) => nodes.iter().for_each(|node| lines(node, place, scope, text, reading)),
        Value::Text(_) => reading.add(commands::of_string(node, place, &|name| scope.lookup(name), text)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use crate::pins::tests::{MANIFEST, told};

    #[test]
    fn a_job_is_read_as_one_script() {
        let web = ("web/package.json", r#"{"packageManager": "pnpm@9.15.0"}"#);
        for (pipeline, count) in [
            ("a: {script: [npm i -g pnpm@9.14.0]}", 1),
            ("a: {before_script: [cd web], script: [npm i -g pnpm@9.15.0]}", 0),
            ("a: {script: [cd web, corepack prepare pnpm@9.14.0 --activate]}", 1),
            ("variables: {V: 9.14.0}\na: {script: npm i -g pnpm@$V}", 1),
            ("variables: {V: 9.14.0}\na: {parallel: {matrix: [{V: [1, 2]}]}, script: npm i -g pnpm@$V}", 0),
            ("a: {script: [cd web], after_script: [npm i -g pnpm@10.6.5]}", 0),
            (".a: {variables: {V: 9.14.0}, script: npm i -g pnpm@$V}", 0),
            (".a: {script: npm i -g pnpm@9.14.0}", 1),
        ] {
            let found = told(&[("package.json", MANIFEST), web, (".gitlab-ci.yml", pipeline)]);
            assert_eq!(found.len(), count, "{pipeline}: {found:?}");
        }
    }
}
