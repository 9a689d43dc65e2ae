//! The script of `package.json` that installs the hooks for everyone who installs the dependencies.

use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use crate::base::edit::Edit;
use crate::base::error::Error;
use crate::base::path::RepoPath;
use crate::disk::atomic::{self, Bits, Old};
use crate::edit;
use crate::formats;
use crate::formats::document::{Node, Syntax, Value};
use crate::hooks::display_path;

/// npm and pnpm 10 run the script also where dev dependencies are left out, and would fail.
const GUARDED: &str = "if command -v bakstop >/dev/null; then bakstop install; fi";
/// The shell of Yarn 2 and newer has no `if`; it always installs dev dependencies.
const PLAIN: &str = "bakstop install";

/// The scripts that package managers run when the dependencies of a project are installed.
const LIFECYCLE: [&str; 7] = [
    "preinstall",
    "install",
    "postinstall",
    "preprepare",
    "prepare",
    "postprepare",
    "dependencies",
];

const DOING: &str = "add the script";

/// A script that package managers run after an installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct InstallScript {
    pub key: &'static str,
    pub command: &'static str,
}

/// A manifest in which no script installs the hooks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unprepared {
    pub path: PathBuf,
    text: Vec<u8>,
    pub script: InstallScript,
    /// Whether its scripts run only here, and never for those who depend on the package.
    is_private: bool,
}

impl Unprepared {
    /// The manifest of a package, unless a script installs the hooks. A manifest that does not
    /// parse has no script.
    pub(crate) fn find(package: &Path, text: Vec<u8>) -> Option<Self> {
        let manifest = serde_json::from_slice::<Json>(&text).unwrap_or_default();
        if installs(&manifest) {
            return None;
        }
        let pinned = manifest.get("packageManager").and_then(Json::as_str).unwrap_or_default();
        let is_modern_yarn = match pinned.strip_prefix("yarn@") {
            Some(version) => !version.starts_with("0.") && !version.starts_with("1."),
            None => pinned.is_empty() && package.join(".yarnrc.yml").exists(),
        };
        let script = if is_modern_yarn {
            InstallScript { key: "postinstall", command: PLAIN }
        } else {
            InstallScript { key: "prepare", command: GUARDED }
        };
        let is_private = manifest.get("private") == Some(&Json::Bool(true));
        Some(Self { path: package.join("package.json"), text, script, is_private })
    }

    /// Why the script must not be added; `None` if it may.
    pub(crate) fn obstacle(&self) -> Option<Error> {
        (self.script.key == "postinstall" && !self.is_private).then(|| {
            Error::new(
                DOING,
                "Yarn has no script for this project alone, and the package is not private",
            )
            .help("add \"private\": true to package.json, or run `bakstop install` in each clone")
        })
    }

    /// The manifest with the script. Fails if it is not JSON, or has something else in that place.
    pub(crate) fn with_script(&self) -> Result<Vec<u8>, Error> {
        if let Some(obstacle) = self.obstacle() {
            return Err(obstacle);
        }
        let InstallScript { key, command } = self.script;
        let failed = |cause: String| {
            Error::new(DOING, cause).help(format!("add it by hand: \"{key}\": \"{command}\""))
        };
        let parsed = serde_json::from_slice::<Json>(&self.text)
            .map_err(|error| failed(format!("package.json is not valid JSON: {error}")))?;
        let root = formats::parse(Syntax::Json, &self.text).map_err(|error| {
            failed(format!("package.json is not valid JSON: {}", error.message))
        })?;
        let edit = self.script.edit(&root, &self.text).map_err(failed)?;
        let text = edit::apply(&self.text, vec![&edit]);
        let text = text.filter(|text| {
            serde_json::from_slice::<Json>(text)
                .is_ok_and(|after| installs(&after) && differs_in(&parsed, &after, key))
        });
        text.ok_or_else(|| failed("the result would not be as intended".to_owned()))
    }

    /// The change in a line, before or after it is made.
    pub(crate) fn describe(&self, top: &Path, done: bool) -> String {
        let verb = if done { "added" } else { "would add" };
        let file = display_path(&self.path, top);
        format!("{verb} `bakstop install` to the script {} in {file}\n", self.script.key)
    }

    /// Writes the manifest with the script, unless it has changed since.
    pub(crate) fn write(&self, with_script: &[u8], top: &Path) -> Result<(), Error> {
        let old = Old::Text(&self.text);
        atomic::write(&self.path, with_script, Bits::Kept, old).map_err(|error| {
            Error::new(format!("change {}", display_path(&self.path, top)), error)
                .help("inspect it, then run the command again")
        })
    }
}

/// Whether two manifests have nothing but this script that differs.
fn differs_in(before: &Json, after: &Json, key: &str) -> bool {
    let without = |manifest: &Json| {
        let mut manifest = manifest.clone();
        if let Some(scripts) = manifest.get_mut("scripts").and_then(Json::as_object_mut) {
            scripts.remove(key);
            if scripts.is_empty()
                && let Some(manifest) = manifest.as_object_mut()
            {
                manifest.remove("scripts");
            }
        }
        manifest
    };
    without(before) == without(after)
}

/// Whether a script that runs at an installation installs the hooks, or runs a script that does.
fn installs(manifest: &Json) -> bool {
    let scripts = manifest.get("scripts").and_then(Json::as_object);
    let script = |name: &str| scripts?.get(name)?.as_str();
    let calls = |text: &str, other: &str| words(text).any(|word| word == other);
    LIFECYCLE.iter().filter_map(|name| script(name)).any(|text| {
        calls_install(text)
            || scripts
                .into_iter()
                .flatten()
                .any(|(name, other)| other.as_str().is_some_and(calls_install) && calls(text, name))
    })
}

/// The words of a script, without the characters that a shell does not count as part of them.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let is_between =
        |character: char| character.is_whitespace() || ";&|(){}<>\"'`".contains(character);
    text.split(is_between).filter(|word| !word.is_empty())
}

/// Whether a script calls `bakstop install`, in whatever way it starts bakstop.
fn calls_install(text: &str) -> bool {
    let words: Vec<&str> = words(text).collect();
    words.iter().enumerate().any(|(at, word)| {
        let name = word.rsplit('/').next().unwrap_or(word);
        let name = name.split('@').next().unwrap_or(name);
        let after = words[at + 1..].iter().copied();
        name == "bakstop" && verb(after) == Some("install")
    })
}

/// The verb among the words after the program.
fn verb<'a>(mut words: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    loop {
        match words.next()? {
            // This option has a value.
            "-C" | "--directory" | "--color" => drop(words.next()),
            option if option.starts_with('-') => {}
            verb => return Some(verb),
        }
    }
}

impl InstallScript {
    /// The edit that adds it to a manifest.
    fn edit(self, root: &Node, text: &[u8]) -> Result<Edit, String> {
        let path = RepoPath::from("package.json");
        let quoted = |text: &str| format!("\"{text}\"");
        let Value::Map(entries) = &root.value else { return Err("it is not an object".into()) };
        let Some(scripts) = root.last("scripts") else {
            let member = |outer: &str| {
                let inner = deeper(outer);
                format!("{{{inner}{}: {}{outer}}}", quoted(self.key), quoted(self.command))
            };
            let (at, before) = end_of(root, text);
            let outer = if entries.is_empty() { "\n  ".to_owned() } else { before.clone() };
            let comma = if entries.is_empty() { "" } else { "," };
            let close = if entries.is_empty() { "\n" } else { "" };
            let text = format!("{comma}{outer}\"scripts\": {}{close}", member(&outer));
            return Ok(Edit { path, span: at..at, text });
        };
        let Value::Map(members) = &scripts.value else {
            return Err("\"scripts\" in package.json is not an object".into());
        };
        if let Some(node) = scripts.last(self.key) {
            let Value::Text(commands) = &node.value else {
                return Err(format!("the script {} in package.json is not a text", self.key));
            };
            if commands.trim().is_empty() {
                return Ok(Edit { path, span: node.span.clone(), text: quoted(self.command) });
            }
            let ends_openly = commands.trim_end().ends_with(['&', '|', ';', '\\']);
            let is_open = ends_openly || commands.contains('#') || commands.contains('\n');
            if is_open || ends_early(commands) {
                return Err(format!("no command can be added to the script {}", self.key));
            }
            let at = node.span.end - 1;
            return Ok(Edit { path, span: at..at, text: format!(" && {}", self.command) });
        }
        let (at, before) = end_of(scripts, text);
        let pair = format!("{}: {}", quoted(self.key), quoted(self.command));
        Ok(if members.is_empty() {
            let (_, outer) = end_of(root, text);
            let inner = deeper(&outer);
            Edit { path, span: scripts.span.clone(), text: format!("{{{inner}{pair}{outer}}}") }
        } else {
            Edit { path, span: at..at, text: format!(",{before}{pair}") }
        })
    }
}

/// Whether a script may succeed before its end, so that a command after it would never run. After
/// `||`, only a failure ends it.
fn ends_early(commands: &str) -> bool {
    commands.split("||").enumerate().any(|(number, part)| {
        let mut commands = part.split([';', '&', '|']).skip(usize::from(number > 0));
        commands.any(|command| {
            matches!(command.split_whitespace().next(), Some("exec" | "exit" | "return"))
        })
    })
}

/// Where a member is added to an object, and the space before its last one.
fn end_of(object: &Node, text: &[u8]) -> (usize, String) {
    match object.entries().last() {
        Some((key, node)) => (node.span.end, space_before(text, key.span.start)),
        None => (object.span.start + 1, String::new()),
    }
}

fn space_before(text: &[u8], at: usize) -> String {
    let before = &text[..at];
    let start = before.len() - before.iter().rev().take_while(|b| b.is_ascii_whitespace()).count();
    String::from_utf8_lossy(&before[start..]).into_owned()
}

/// The space before the members of an object that is a member after this space.
fn deeper(outer: &str) -> String {
    match outer.rsplit_once('\n') {
        Some((_, indent)) => format!("{outer}{indent}"),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unprepared(text: &str) -> Option<Unprepared> {
        Unprepared::find(Path::new("/nowhere"), text.as_bytes().to_owned())
    }

    fn added(text: &str) -> Result<String, Error> {
        let unprepared = unprepared(text).unwrap_or_else(|| panic!("{text}"));
        unprepared.with_script().map(|text| String::from_utf8(text).unwrap())
    }

    #[test]
    fn a_script_is_added_in_the_layout_of_the_file() {
        for (before, after) in [
            (
                "{\n  \"name\": \"a\"\n}\n",
                "{\n  \"name\": \"a\",\n  \"scripts\": {\n    \"prepare\": \"@\"\n  }\n}\n",
            ),
            (
                "{\n\t\"scripts\": {\n\t\t\"test\": \"x\"\n\t}\n}",
                "{\n\t\"scripts\": {\n\t\t\"test\": \"x\",\n\t\t\"prepare\": \"@\"\n\t}\n}",
            ),
            (
                "{\r\n  \"scripts\": {}\r\n}\r\n",
                "{\r\n  \"scripts\": {\r\n    \"prepare\": \"@\"\r\n  }\r\n}\r\n",
            ),
            (r#"{"scripts":{"test":"x"}}"#, r#"{"scripts":{"test":"x","prepare": "@"}}"#),
            (r#"{"name":"a"}"#, r#"{"name":"a","scripts": {"prepare": "@"}}"#),
            ("{}", "{\n  \"scripts\": {\n    \"prepare\": \"@\"\n  }\n}"),
            (r#"{"scripts": {"prepare": "husky"}}"#, r#"{"scripts": {"prepare": "husky && @"}}"#),
            (r#"{"scripts": {"prepare": " "}}"#, r#"{"scripts": {"prepare": "@"}}"#),
            (
                r#"{"scripts": {"prepare": "echo \"ü\" || true"}}"#,
                r#"{"scripts": {"prepare": "echo \"ü\" || true && @"}}"#,
            ),
            (
                r#"{"scripts": {"prepare": "pnpm exec husky || exit 1"}}"#,
                r#"{"scripts": {"prepare": "pnpm exec husky || exit 1 && @"}}"#,
            ),
        ] {
            let after = after.replace('@', GUARDED);
            assert_eq!(added(before).unwrap(), after, "{before}");
            assert_eq!(unprepared(&after), None, "a second time: {after}");
        }
    }

    #[test]
    fn what_is_not_json_or_has_another_meaning_is_refused() {
        for (text, cause) in [
            ("{ // a\n}", "not valid JSON"),
            ("{\"a\": 1,}", "not valid JSON"),
            ("[]", "it is not an object"),
            (r#"{"scripts": []}"#, "is not an object"),
            (r#"{"scripts": {"prepare": ["a"]}}"#, "is not a text"),
            (r#"{"scripts": {"prepare": "a &"}}"#, "no command can be added"),
            (r#"{"scripts": {"prepare": "a # b"}}"#, "no command can be added"),
            (r#"{"scripts": {"prepare": "exec husky"}}"#, "no command can be added"),
            (r#"{"scripts": {"prepare": "a || b; exit 0"}}"#, "no command can be added"),
            (r#"{"packageManager": "yarn@4.1.0"}"#, "not private"),
        ] {
            let error = added(text).unwrap_err().cause().to_owned();
            assert!(error.contains(cause), "{text}: {error}");
        }
    }

    #[test]
    fn every_script_that_installs_is_recognised() {
        for (scripts, known) in [
            (r#"{"prepare": "bakstop install"}"#, true),
            (r#"{"prepare": "husky && bakstop install --how 'ask me'"}"#, true),
            (r#"{"postinstall": "pnpm exec bakstop install"}"#, true),
            (r#"{"prepare": "npx --no bakstop@1.2.3 install; true"}"#, true),
            (r#"{"prepare": "./node_modules/.bin/bakstop -C .. install"}"#, true),
            (r#"{"prepare": "(bakstop install)"}"#, true),
            (r#"{"prepare": "npm run hooks", "hooks": "bakstop install"}"#, true),
            (r#"{"hooks": "bakstop install"}"#, false),
            (r#"{"prepare": "npm run hook", "hooks": "bakstop install"}"#, false),
            (r#"{"prepare": "bakstop check && npm install"}"#, false),
            (r#"{"prepare": "bakstop-x install"}"#, false),
            (r#"{"prepare": "bakstop status"}"#, false),
            (r#"{"test": "bakstop install"}"#, false),
        ] {
            let text = format!(r#"{{"scripts": {scripts}}}"#);
            assert_eq!(unprepared(&text).is_none(), known, "{scripts}");
        }
    }

    #[test]
    fn newer_versions_of_yarn_run_another_script() {
        for (manifest, key) in [
            (r#"{"packageManager": "yarn@1.22.22"}"#, "prepare"),
            (r#"{"packageManager": "yarn@4.1.0", "private": true}"#, "postinstall"),
            (r#"{"packageManager": "pnpm@10.1.0"}"#, "prepare"),
            ("{}", "prepare"),
        ] {
            assert_eq!(unprepared(manifest).unwrap().script.key, key, "{manifest}");
        }
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join(".yarnrc.yml"), "").unwrap();
        let found = Unprepared::find(directory.path(), b"{}".to_vec()).unwrap();
        assert_eq!(found.script, InstallScript { key: "postinstall", command: PLAIN });
        assert!(found.obstacle().is_some());
    }
}
