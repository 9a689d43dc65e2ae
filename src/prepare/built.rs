//! Whether a tarball has the files that its manifest names: one of a package that was not built
//! installs without an error, and fails where it is used.

use std::collections::BTreeSet;

use crate::formats::document::{Node, Value};

/// The fields that name one file each.
const FIELDS: [&str; 4] = ["main", "module", "types", "typings"];

/// The conditions of `exports` that an image takes. Others, such as `source`, may name files that
/// are not packed.
const CONDITIONS: [&str; 7] =
    ["import", "require", "default", "node", "types", "browser", "module"];

/// What Node.js appends to a path that names no file.
const COMPLETED: [&str; 7] =
    ["", ".js", ".json", ".node", "/index.js", "/index.json", "/index.node"];

/// The first file that a manifest names and the tarball lacks, with the field. `files` has the
/// paths in the package.
pub(crate) fn missing(manifest: &Node, files: &BTreeSet<String>) -> Option<(String, String)> {
    let mut named: Vec<(&str, &str)> = Vec::new();
    for field in FIELDS {
        named.extend(manifest.last(field).and_then(Node::text).map(|path| (field, path)));
    }
    if let Some(bin) = manifest.last("bin") {
        let programs = bin.entries().filter_map(|(_, path)| path.text());
        named.extend(bin.text().into_iter().chain(programs).map(|path| ("bin", path)));
    }
    if let Some(exports) = manifest.last("exports") {
        let mut targets = Vec::new();
        exported(exports, &mut targets);
        named.extend(targets.into_iter().map(|path| ("exports", path)));
    }
    let lacks = named.into_iter().find(|(field, path)| !has(files, path, *field == "main"));
    lacks.map(|(field, path)| (field.to_owned(), path.to_owned()))
}

/// The targets of `exports`: of every path, and of every condition that an image takes.
fn exported<'a>(node: &'a Node, targets: &mut Vec<&'a str>) {
    match &node.value {
        Value::Text(path) => targets.extend(path.starts_with("./").then_some(path.as_str())),
        Value::Map(entries) => {
            let taken = entries.iter().filter(|(key, _)| {
                key.text.starts_with('.') || CONDITIONS.contains(&key.text.as_str())
            });
            taken.for_each(|(_, node)| exported(node, targets));
        }
        // The first of a list that is valid is taken.
        Value::List(nodes) => nodes.iter().take(1).for_each(|node| exported(node, targets)),
        Value::Other => {}
    }
}

fn has(files: &BTreeSet<String>, path: &str, completes: bool) -> bool {
    let path = plain(path);
    if let Some((start, _)) = path.split_once('*') {
        // A pattern may name no file at all, but not in a directory that is missing.
        let directory = start.rsplit_once('/').map_or("", |(directory, _)| directory);
        return directory.is_empty() || is_directory(files, directory);
    }
    if path.is_empty() {
        return true;
    }
    let is_exact = files.contains(&path) || is_directory(files, &path);
    is_exact
        || completes && COMPLETED.iter().any(|ending| files.contains(&format!("{path}{ending}")))
}

fn is_directory(files: &BTreeSet<String>, directory: &str) -> bool {
    let start = format!("{directory}/");
    files.range(start.clone()..).next().is_some_and(|file| file.starts_with(&start))
}

/// A path without `.`, and without the slash at its end.
fn plain(path: &str) -> String {
    let parts = path.split('/').filter(|part| !matches!(*part, "" | "."));
    parts.collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::{Syntax, parse};

    #[test]
    fn a_named_file_must_be_packed() {
        let files =
            ["package.json", "dist/index.js", "dist/index.d.ts", "bin/acme.js", "lib/x.mjs"];
        let files: BTreeSet<String> = files.map(str::to_owned).into();
        for (manifest, lacks) in [
            ("{}", None),
            (r#"{"main": "dist/index.js"}"#, None),
            (r#"{"main": "./dist/index"}"#, None),
            (r#"{"main": "dist"}"#, None),
            (r#"{"main": "lib.js"}"#, Some("main")),
            (r#"{"main": "."}"#, None),
            (r#"{"main": 1, "types": null}"#, None),
            (r#"{"types": "dist/index.d.ts", "typings": "dist/gone.d.ts"}"#, Some("typings")),
            (r#"{"types": "dist/index"}"#, Some("types")),
            (r#"{"bin": "bin/acme.js"}"#, None),
            (r#"{"bin": {"a": "bin/acme.js", "b": "./bin/b.js"}}"#, Some("bin")),
            (r#"{"exports": "./dist/index.js"}"#, None),
            (r#"{"exports": {".": {"import": {"types": "./x.d.ts"}}}}"#, Some("exports")),
            (r#"{"exports": {".": {"source": "./src/x.ts", "default": "./lib/x.mjs"}}}"#, None),
            (r#"{"exports": {"./*": "./dist/*.js", "./y/*": null}}"#, None),
            (r#"{"exports": {"./*": "./build/*.js"}}"#, Some("exports")),
            (r#"{"exports": {"./*": "./build-*.js"}}"#, None),
            (r#"{"exports": {".": ["./dist/index.js", "./gone.js"]}}"#, None),
            (r#"{"exports": {"./package.json": "./package.json"}}"#, None),
        ] {
            let manifest_node = parse(Syntax::Json, manifest.as_bytes()).unwrap();
            let found = missing(&manifest_node, &files);
            assert_eq!(found.map(|(field, _)| field).as_deref(), lacks, "{manifest}");
        }
    }
}
