//! Targets: the parsers of `formats`.

use serde_json::Value as Json;

use crate::base::debris::{Debris, Directory};
use crate::base::finding::{Place, Span};
use crate::formats::dockerfile;
use crate::formats::document::{Key, Node, SyntaxError, Value};
use crate::formats::joined::Joined;
use crate::formats::npmrc::{self, SettingsDialect};
use crate::formats::shell::{self, Lookup, Script, Variable, expand};
use crate::formats::{self as parsers, Syntax, package, spec, trace};
use crate::fuzz::asserts::{safe, split_input, within};
use crate::models::bake::Bake;
use crate::models::dockerfile::{Base, Stages};

/// JSON in three dialects, and a dependency added to a manifest.
pub(super) fn json(data: &[u8]) {
    for syntax in [Syntax::Json, Syntax::Jsonc, Syntax::Json5] {
        document(data, &parsers::parse(syntax, data));
    }
    if let Ok(value) = serde_json::from_slice::<Json>(data) {
        let node =
            parsers::parse(Syntax::Json, data).expect("serde_json accepts it, so this parser must");
        assert!(agrees(&value, &node), "{value} and {node:?}");
    }
    let manifest: Json =
        serde_json::from_str(&package::with_dependency(data, "a", "file:b")).expect("a manifest");
    assert_eq!(manifest["dependencies"]["a"], "file:b");
}

/// YAML, and the places in its strings.
pub(super) fn yaml(data: &[u8]) {
    document(data, &parsers::parse(Syntax::Yaml, data));
}

/// HCL, and the model of a bake file.
pub(super) fn hcl(data: &[u8]) {
    let parsed = parsers::parse(Syntax::Hcl, data);
    document(data, &parsed);
    for target in parsed.iter().flat_map(|root| Bake::parse(root).targets) {
        within(&target.span, data.len());
    }
}

/// TOML, `.tool-versions`, and the settings of npm and yarn.
pub(super) fn settings(data: &[u8]) {
    document(data, &parsers::parse(Syntax::Toml, data));
    document(data, &parsers::parse(Syntax::ToolVersions, data));
    for dialect in [
        SettingsDialect::Npmrc,
        SettingsDialect::Yarnrc,
        SettingsDialect::Berry,
        SettingsDialect::Dotenv,
    ] {
        for setting in npmrc::named(dialect, data, &["", "a"]) {
            within(&setting.value, data.len());
        }
        for setting in npmrc::settings(dialect, data) {
            within(&setting.key, data.len());
            within(&setting.value, data.len());
            let literal = npmrc::without_variables(&setting.text);
            assert!(literal.len() <= setting.text.len());
            for password in npmrc::url_passwords(&setting.text) {
                assert!(setting.text.contains(password));
            }
        }
    }
}

/// Every node of a document is in the text, at character boundaries; every error has a place.
fn document(data: &[u8], parsed: &Result<Node, SyntaxError>) {
    match parsed {
        Ok(root) => node(data, root),
        Err(error) => {
            assert!(error.span.start <= error.span.end);
            safe(&Place::locate(data, &error.span).excerpt);
        }
    }
}

fn node(data: &[u8], node: &Node) {
    let text = std::str::from_utf8(data).expect("only UTF-8 is parsed");
    // No recursion: a file may be deep.
    let mut open = vec![node];
    while let Some(node) = open.pop() {
        assert!(text.get(node.span.clone()).is_some(), "{:?}", node.span);
        match &node.value {
            Value::Map(entries) => {
                for (Key { span, .. }, node) in entries {
                    assert!(text.get(span.clone()).is_some(), "{span:?}");
                    open.push(node);
                }
            }
            Value::List(nodes) => open.extend(nodes),
            Value::Text(string) => {
                let (own, whole) = (
                    Joined::verbatim(data, string, &node.span),
                    Joined::respelled(string, &node.span),
                );
                for joined in [&own, &whole].into_iter().flatten() {
                    assert_eq!(joined.bytes, string.as_bytes());
                    within(&joined.span(&(0..joined.bytes.len())), data.len());
                }
                if let Some(joined) = own {
                    for (at, byte) in joined.bytes.iter().enumerate().take(64) {
                        assert_eq!(
                            data.get(joined.span(&(at..at + 1))),
                            Some(&[*byte][..]),
                            "{string:?} at {at}"
                        );
                    }
                }
            }
            Value::Other => {}
        }
    }
}

/// Whether a document equals the result of another parser.
fn agrees(value: &Json, node: &Node) -> bool {
    match (value, &node.value) {
        (Json::String(one), Value::Text(other)) => one == other,
        (Json::Array(values), Value::List(nodes)) => {
            values.len() == nodes.len()
                && values.iter().zip(nodes).all(|(value, node)| agrees(value, node))
        }
        (Json::Object(map), Value::Map(entries)) => {
            let exists = |(key, value): (&String, &Json)| {
                node.last(key).is_some_and(|node| agrees(value, node))
            };
            map.iter().all(exists) && entries.iter().all(|(key, _)| map.contains_key(&key.text))
        }
        (Json::Null | Json::Bool(_) | Json::Number(_), Value::Other) => true,
        _ => false,
    }
}

/// Specs, and traces in text. The first line is the directory of a manifest.
pub(super) fn spec(data: &[u8]) {
    let (directory, text) = split_input(data);
    let mut debris = Debris::default();
    debris.add(Directory::new("packed"));
    let (directory, spelled) = (String::from_utf8_lossy(directory), String::from_utf8_lossy(text));
    for line in spelled.lines() {
        spec::installs_from(line, &directory, &debris);
    }
    trace::mention(text, &debris);
    let find = |packed| trace::find_debris(text, &debris, packed);
    for trace in [find(false), find(true)].into_iter().flatten() {
        within(&trace.span, text.len());
        assert!(!trace.span.is_empty() && trace::could_hold_debris(text, &debris));
        assert!(trace::mention(text, &debris).is_some() || find(false).is_none());
        let found = &text[trace.span];
        let is_plain = !found.contains(&b'%') && !found.contains(&b'\\');
        assert!(!is_plain || trace.directory.is(found), "{found:?}");
    }
}

/// A result that depends on the name of the variable.
fn lookup<'v>(name: &str, variable: &'v Variable) -> Lookup<'v> {
    match name.bytes().next() {
        Some(b'A'..=b'P' | b'a'..=b'm') => Lookup::Set(variable),
        Some(b'Q' | b'n') => Lookup::Offered,
        Some(b'R' | b'o') => Lookup::Unknown,
        _ => Lookup::Unset,
    }
}

/// Scripts, and their words after expansion.
pub(super) fn shell(data: &[u8]) {
    let variable = Variable { text: "10.6.5".into(), span: 0..data.len().min(6) };
    let lookup = |name: &str| lookup(name, &variable);
    let mut text = Joined::default();
    text.push(data, 0..data.len());
    let mut script = Script::default();
    script.split(&text, 0..data.len());
    commands(&script, &lookup, data);
    for escape in [b'\\', b'`'] {
        let expanded = expand(data, escape, 0..data.len(), &lookup);
        // The limit is checked after a value is inserted.
        assert!(expanded.text.len() <= 1024 + variable.text.len() + 2, "{}", expanded.text.len());
        for used in expanded.used {
            within(&used.span, data.len());
        }
    }
    shell::is_shell_script(data);
    assert!(shell::unquoted(data).len() <= data.len());
}

/// Every word of a script is in the file, and so is the source of its text.
fn commands<'v>(script: &Script<'_>, lookup: &dyn Fn(&str) -> Lookup<'v>, file: &[u8]) {
    for command in &script.commands {
        command.reads_script();
        let assigned =
            ["A", "npm_config_global"].into_iter().filter_map(|name| command.assignment(name));
        for word in command.words().chain(assigned) {
            let resolved = script.resolve(&word, lookup);
            within(&resolved.span, file.len());
            for used in &resolved.used {
                within(&used.span, file.len());
            }
            within(&resolved.place(&resolved.text, file), file.len());
            if let Some(found) = resolved.find(&resolved.text, file) {
                assert_eq!(&file[found], resolved.text.as_bytes());
            }
        }
    }
}

/// Dockerfiles: instructions, stages and commands.
pub(super) fn dockerfile(data: &[u8]) {
    let given = Variable { text: "10.6.5".into(), span: 0..0 };
    let mut stages = Stages::with_arguments([("GIVEN".to_owned(), Some(given))]);
    let mut end = 0;
    for instruction in dockerfile::parse(data) {
        let Span { start, .. } = instruction.span;
        within(&instruction.span, data.len());
        assert!(start >= end, "{:?} begins before {end}", instruction.span);
        end = instruction.span.end;
        assert!(instruction.arguments().all(|word| !word.is_empty()));
        instruction.exec_words();
        instruction.flag("mount");
        stages.apply(&instruction);
        commands(&instruction.script(), &|name| stages.lookup(name), data);
        if let Some((number, stage)) = stages.current() {
            if let Base::Stage(earlier) = stage.base {
                assert!(earlier < number);
            }
            if let Some(image) = &stage.image {
                within(&image.word.span, data.len());
                assert!(!image.repository.is_empty());
            }
        }
    }
}
