//! What a hook file does if it does not find the program: the text is in the file itself, since a
//! colleague without the program has nothing else.

use std::path::Path;

use memchr::memmem::find;
use serde_json::Value;

use crate::base::error::Error;
use crate::base::escape::is_unsafe;
use crate::base::path::RepoPath;
use crate::disk::read;
use crate::project::kinds::FileKind;

/// What a hook does without the program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fallback {
    /// How to install the program, as the hook prints it.
    pub how: String,
    pub when_missing: WhenMissing,
}

/// What happens to a commit or push.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum WhenMissing {
    // It is blocked
    Block,
    // The hook warns, and lets it pass unchecked
    Warn,
}

/// How to install the program where nothing better is known.
const ANYWHERE: &str =
    "put it into ~/.local/bin or any directory of PATH (its install.sh does that)";
/// The start of the line that prints how to install it.
const HOW: &[u8] = br"to install it: %s\n' ";
/// A part of a hook that warns.
const WARNING: &str = "echo 'bakstop: warning: ";

impl Default for Fallback {
    fn default() -> Self {
        Self { how: ANYWHERE.to_owned(), when_missing: WhenMissing::Block }
    }
}

impl Fallback {
    /// That of a hook file or block of ours; the default for a text of an older version.
    pub(super) fn of(text: &[u8]) -> Self {
        let how = find(text, HOW).and_then(|at| unquote(&text[at + HOW.len()..]));
        let how = how.and_then(|how| String::from_utf8(how).ok());
        let warns = find(text, WARNING.as_bytes()).is_some();
        let default = Self::default();
        Self {
            how: how.unwrap_or(default.how),
            when_missing: if warns { WhenMissing::Warn } else { WhenMissing::Block },
        }
    }

    pub(crate) fn warns(&self) -> bool {
        self.when_missing == WhenMissing::Warn
    }

    /// The text on how to install, if a person chose it.
    pub(crate) fn own_text(&self) -> Option<&str> {
        let is_default = self.how == ANYWHERE || self.manager_command().is_some();
        (!is_default).then_some(&*self.how)
    }

    /// The command of a package manager that installs the program, if that is the text.
    pub(crate) fn manager_command(&self) -> Option<&str> {
        let command = match self.how.split_once(" && ") {
            Some((before, command)) if before.starts_with("cd ") => command,
            _ => &*self.how,
        };
        FileKind::INSTALL_COMMANDS.contains(&command).then_some(&*self.how)
    }

    /// Fills in a template of a hook file, except for `how`.
    pub(super) fn fill(&self, template: &str) -> String {
        if !self.warns() {
            return template.replace("@BLOCKED@", "blocked").replace("@CODE@", "2");
        }
        let lines = template.split_inclusive('\n').filter(|line| !line.contains("to skip this"));
        lines.collect::<String>().replace("@BLOCKED@", "warning").replace("@CODE@", "0")
    }

    /// Fills `how` into the rest of a template.
    pub(super) fn fill_how(&self, template: &str) -> Vec<u8> {
        match template.split_once("@HOW@") {
            None => template.as_bytes().to_owned(),
            Some((before, after)) => {
                [before.as_bytes(), &quote(self.how.as_bytes()), after.as_bytes()].concat()
            }
        }
    }

    /// What to install: the arguments of `install`, or else what an earlier installation chose, or
    /// else the default. An empty `how` asks for the default.
    pub(crate) fn choose(
        how: Option<&str>,
        when_missing: Option<WhenMissing>,
        earlier: Option<Self>,
        default_how: Option<String>,
    ) -> Result<Self, Error> {
        if how.is_some_and(|how| how.chars().any(is_unsafe)) {
            return Err(Error::new("install the hooks", "the text of --how is not plain text")
                .help("write it in one line, without control characters"));
        }
        let default = || default_how.unwrap_or_else(|| ANYWHERE.to_owned());
        let kept = earlier.as_ref().and_then(Self::own_text);
        let how = how.or(kept).filter(|how| !how.is_empty()).map_or_else(default, str::to_owned);
        let earlier = earlier.map_or(WhenMissing::Block, |earlier| earlier.when_missing);
        Ok(Self { how, when_missing: when_missing.unwrap_or(earlier) })
    }
}

/// Whether a manifest depends on the program: then installing the dependencies installs it.
pub(super) fn depends_on_program(manifest: &[u8]) -> bool {
    depends_on(manifest, "bakstop")
}

/// Whether a manifest depends on a package of this name, in any scope.
pub(super) fn depends_on(manifest: &[u8], package: &str) -> bool {
    let Ok(manifest) = serde_json::from_slice::<Value>(manifest) else { return false };
    ["dependencies", "devDependencies", "optionalDependencies"].iter().any(|key| {
        let names = manifest.get(key).and_then(Value::as_object).into_iter().flatten();
        names.map(|(name, _)| name).any(|name| name.rsplit('/').next() == Some(package))
    })
}

/// The major version of husky that a manifest asks for: the first number of its range.
pub(super) fn husky_major(manifest: &[u8]) -> Option<u32> {
    let manifest = serde_json::from_slice::<Value>(manifest).ok()?;
    let range = ["devDependencies", "dependencies"]
        .iter()
        .find_map(|key| manifest.get(key)?.get("husky")?.as_str())?;
    let number = range.trim_start_matches(['^', '~', '>', '=', 'v', ' ']);
    number.split(|other: char| !other.is_ascii_digit()).next()?.parse().ok()
}

/// The command that installs the dependencies of a directory: that of `packageManager` in its
/// manifest, or else of its only kind of lockfile.
pub(super) fn install_command(top: &Path, manifest: &[u8]) -> Option<&'static str> {
    let manifest = serde_json::from_slice::<Value>(manifest).ok()?;
    if let Some(pinned) = manifest.get("packageManager").and_then(Value::as_str) {
        let name = pinned.split('@').next().unwrap_or_default();
        let command = |command: &&&str| command.strip_suffix(" install") == Some(name);
        return FileKind::INSTALL_COMMANDS.iter().find(command).copied();
    }
    let names = read::list(top).ok()?;
    let names = names.iter().filter_map(|path| path.file_name()?.to_str().map(RepoPath::from));
    let mut commands: Vec<&str> = names
        .filter_map(|name| FileKind::of(&name, FileKind::is_lockfile)?.install_command())
        .collect();
    commands.sort_unstable();
    commands.dedup();
    if let [command] = commands[..] { Some(command) } else { None }
}

/// Quotes any bytes as one word for any POSIX shell; some do not know `$'…'`.
pub(super) fn quote(word: &[u8]) -> Vec<u8> {
    let parts: Vec<&[u8]> = word.split(|&byte| byte == b'\'').collect();
    [b"'", &parts.join(&br"'\''"[..])[..], b"'"].concat()
}

/// Parses the word at the start of a text that `quote` wrote.
pub(super) fn unquote(text: &[u8]) -> Option<Vec<u8>> {
    let mut rest = text.strip_prefix(b"'")?;
    let mut word = Vec::new();
    loop {
        let end = rest.iter().position(|&byte| byte == b'\'')?;
        word.extend(&rest[..end]);
        match rest[end..].strip_prefix(br"'\''") {
            Some(more) => {
                word.push(b'\'');
                rest = more;
            }
            None => return Some(word),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_earlier_choice_is_kept_until_another_is_made() {
        let own = || Fallback { how: "brew install x".into(), when_missing: WhenMissing::Warn };
        let pnpm = || Some("pnpm install".to_owned());
        let choose = |how, missing, earlier, default| {
            let chosen = Fallback::choose(how, missing, earlier, default).unwrap();
            (chosen.how, chosen.when_missing)
        };
        let (block, warn) = (WhenMissing::Block, WhenMissing::Warn);
        assert_eq!(choose(None, None, None, None), (ANYWHERE.into(), block));
        assert_eq!(choose(None, None, None, pnpm()), ("pnpm install".into(), block));
        assert_eq!(choose(None, None, Some(own()), pnpm()), ("brew install x".into(), warn));
        assert_eq!(choose(Some("a"), Some(block), Some(own()), pnpm()), ("a".into(), block));
        assert_eq!(choose(Some(""), None, Some(own()), pnpm()), ("pnpm install".into(), warn));
        // A default is not a choice: the repository may use another package manager now.
        let npm = Fallback { how: "npm install".into(), when_missing: block };
        assert_eq!(choose(None, None, Some(npm), pnpm()), ("pnpm install".into(), block));
        for unsafe_text in ["a\nb", "a\u{1b}[2J", "a\0"] {
            assert!(Fallback::choose(Some(unsafe_text), None, None, None).is_err());
        }
    }

    #[test]
    fn the_first_number_of_a_range_is_the_major_version_of_husky() {
        let major = |range: &str| {
            husky_major(format!(r#"{{"devDependencies": {{"husky": "{range}"}}}}"#).as_bytes())
        };
        for (range, expected) in [
            ("8.0.3", Some(8)),
            ("^8.0.0", Some(8)),
            (">= 9", Some(9)),
            ("v10", Some(10)),
            ("catalog:", None),
            ("latest", None),
        ] {
            assert_eq!(major(range), expected, "{range}");
        }
        assert_eq!(husky_major(b"{\"husky\": \"8\"}"), None);
        assert_eq!(husky_major(b"{"), None);
    }

    #[test]
    fn the_command_of_the_repository_installs_its_dependencies() {
        let directory = tempfile::tempdir().unwrap();
        let command = |manifest: &str| install_command(directory.path(), manifest.as_bytes());
        for (manifest, expected) in [
            (r#"{"packageManager": "pnpm@10.6.5"}"#, Some("pnpm install")),
            (r#"{"packageManager": "yarn@4.1.0+sha224.a"}"#, Some("yarn install")),
            (r#"{"packageManager": "bun@1.2.0"}"#, Some("bun install")),
            (r#"{"packageManager": "other@1"}"#, None),
            ("{}", None),
            ("{", None),
        ] {
            assert_eq!(command(manifest), expected, "{manifest}");
        }
        std::fs::write(directory.path().join("yarn.lock"), "").unwrap();
        assert_eq!(command("{}"), Some("yarn install"));
        std::fs::write(directory.path().join("package-lock.json"), "").unwrap();
        assert_eq!(command("{}"), None, "it is unknown which one is used");
    }

    #[test]
    fn a_dependency_on_the_program_is_found_by_name() {
        for (manifest, depends) in [
            (r#"{"devDependencies": {"bakstop": "1"}}"#, true),
            (r#"{"dependencies": {"@acme/bakstop": "1"}}"#, true),
            (r#"{"devDependencies": {"bakstop-x": "1"}}"#, false),
            (r#"{"scripts": {"bakstop": "1"}}"#, false),
            (r#"{"dependencies": ["bakstop"]}"#, false),
        ] {
            assert_eq!(depends_on_program(manifest.as_bytes()), depends, "{manifest}");
        }
    }
}
