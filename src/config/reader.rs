//! Parses a configuration. Everything invalid is a problem with a place.

use std::collections::BTreeSet;

use jiff::civil::Date;

use crate::base::debris::{DOCKER_DEPS, Directory};
use crate::base::escape::Escaped;
use crate::base::finding::{LineIndex, Severity, Span};
use crate::base::pattern::Pattern;
use crate::builds::ConfiguredBuild;
use crate::config::{Allowance, Config, ConfigPlace, SeveritySetting};
use crate::formats::document::{Key, Node, Value};
use crate::formats::{self, Syntax};
use crate::pins::joined;
use crate::prepare::settings::SiblingBuild;
use crate::rule::{Problem, Rule, RuleGroup, Subject};
use crate::rules::{self, RULES};

/// The maximum number of characters of a reason.
const LONGEST_REASON: usize = 1000;
/// The maximum number of characters of a message of a library, which may quote the configuration.
const LONGEST_MESSAGE: usize = 200;
/// The maximum number of characters of a quoted word.
const LONGEST_WORD: usize = 60;

/// The configuration without its invalid parts, and its problems in the order of the text.
pub(super) fn parse(name: &str, text: &[u8]) -> (Config, Vec<Problem>) {
    let mut reader = ConfigReader { lines: LineIndex::new(text), name, text, problems: Vec::new() };
    let mut config = Config { name: name.into(), text: text.into(), ..Config::default() };
    match formats::parse(Syntax::Json, text) {
        Ok(root) => reader.root(&root, &mut config),
        Err(error) => reader.problem(&error.span, shorten(&error.message, LONGEST_MESSAGE)),
    }
    reader.problems.sort_by_key(|problem| problem.span.as_ref().map(|span| span.start));
    (config, reader.problems)
}

struct ConfigReader<'a> {
    name: &'a str,
    text: &'a [u8],
    problems: Vec<Problem>,
    lines: LineIndex<'a>,
}

impl ConfigReader<'_> {
    fn root(&mut self, root: &Node, config: &mut Config) {
        let known = ["$schema", "rules", "backups", "debris", "allow", "verify", "doctor", "prep"];
        for (key, node) in self.entries(root, "an object", &known) {
            match key.text.as_str() {
                "$schema" if node.text().is_none() => self.expected(node, "a string"),
                "rules" => self.rules(node, config),
                "backups" => self.backups(node, config),
                "debris" => self.debris(node, config),
                "allow" => config.allowances = self.allowances(node, true),
                "verify" => {
                    for (_, node) in self.entries(node, "an object", &["allow"]) {
                        config.verify = self.allowances(node, false);
                    }
                }
                "doctor" => self.doctor(node, config),
                "prep" => self.prep(node, config),
                _ => {}
            }
        }
        self.check_into(root, config);
    }

    fn doctor(&mut self, node: &Node, config: &mut Config) {
        for (key, node) in self.entries(node, "an object", &["builds", "check"]) {
            match key.text.as_str() {
                "check" => match self.boolean(node) {
                    Some(check) => config.judges_builds = check,
                    None => self.expected(node, "`true` or `false`"),
                },
                _ => {
                    let builds = self.list(node, "a list of builds").iter();
                    config.builds = builds.filter_map(|node| self.build(node)).collect();
                }
            }
        }
    }

    fn prep(&mut self, node: &Node, config: &mut Config) {
        let known = ["from", "packages", "scope", "into", "manifests", "build", "way"];
        let settings = &mut config.prep;
        for (key, node) in self.entries(node, "an object", &known) {
            match key.text.as_str() {
                "from" => settings.from = self.word(node, "the path of a directory"),
                "into" => settings.into = self.word(node, "the name of a directory"),
                "packages" => settings.packages = self.words(node, "a list of patterns"),
                "scope" => settings.scope = self.scopes(node),
                "way" => match node.text() {
                    Some("overlay") => settings.in_place = false,
                    Some("in-place") => settings.in_place = true,
                    _ => self.expected(node, r#""overlay" or "in-place""#),
                },
                "manifests" => {
                    let nodes = self.list(node, "a list of directories").iter();
                    let path = |node| self.inner_path(node, "the path of a directory");
                    settings.manifests = Some(nodes.filter_map(path).collect());
                }
                _ if self.is_false(node) => settings.build = SiblingBuild::None,
                _ => {
                    let expected = "a list of words, the first one a program; or `false`";
                    let words = self.words(node, expected);
                    settings.build = SiblingBuild::Command(words.unwrap_or_default());
                }
            }
        }
    }

    /// Checks that a preparation writes to a leftover directory: `debris` may come after it.
    fn check_into(&mut self, root: &Node, config: &Config) {
        let Some(name) = &config.prep.into else { return };
        let is_known = config.debris.directories().iter().any(|known| known.name == *name);
        let node = root.last("prep").and_then(|prep| prep.last("into"));
        if let Some(node) = node.filter(|_| !is_known) {
            let message = format!("{} is not a directory of `debris`", quoted(name));
            self.problem(&node.span, message);
        }
    }

    /// A string that is not empty.
    fn word(&mut self, node: &Node, expected: &str) -> Option<String> {
        let text = self.string(node, expected)?;
        if text.is_empty() || text.contains('\0') {
            self.expected(node, expected);
        }
        Some(text.to_owned())
    }

    /// A list of such strings that is not empty.
    fn words(&mut self, node: &Node, expected: &str) -> Option<Vec<String>> {
        let nodes = self.list(node, expected);
        if nodes.is_empty() && matches!(node.value, Value::List(_)) {
            self.problem(&node.span, "the list is empty: leave the key out for the default");
        }
        Some(nodes.iter().filter_map(|node| self.word(node, "a string")).collect())
    }

    fn scopes(&mut self, node: &Node) -> Option<Vec<String>> {
        let scopes = self.words(node, "a list of scopes")?;
        for node in node.items().iter().filter(|node| !node.text().is_none_or(is_scope)) {
            self.expected(node, "a scope, such as \"@acme\"");
        }
        Some(scopes)
    }

    /// A build; its context is the top of the repository by default.
    fn build(&mut self, build: &Node) -> Option<ConfiguredBuild> {
        let (mut dockerfile, mut context) = (None, Some(String::new()));
        let entries = self.entries(build, "an object", &["dockerfile", "context"]);
        let has_dockerfile = entries.iter().any(|(key, _)| key.text == "dockerfile");
        if matches!(build.value, Value::Map(_)) && !has_dockerfile {
            self.problem(&build.span, "this build lacks \"dockerfile\"");
        }
        for (key, node) in entries {
            match key.text.as_str() {
                "dockerfile" => dockerfile = self.inner_path(node, "the path of a Dockerfile"),
                _ => context = self.inner_path(node, "the path of a directory"),
            }
        }
        Some(ConfiguredBuild { dockerfile: dockerfile?, context: context? })
    }

    /// A path in the repository, without `.` and `..`.
    fn inner_path(&mut self, node: &Node, expected: &str) -> Option<String> {
        let path = self.string(node, expected)?;
        let inner = joined("", path);
        if inner.is_none() {
            self.problem(&node.span, "the path is not in the repository");
        }
        inner
    }

    fn rules(&mut self, node: &Node, config: &mut Config) {
        for (key, node) in self.entries(node, "an object that names rules", &[]) {
            let Some(rule) = rules::find(&key.text) else {
                self.unknown_rule(&key.span, &key.text);
                continue;
            };
            let severity = match node.text() {
                Some("error") => Some(Severity::Error),
                Some("warning") => Some(Severity::Warning),
                Some("off") => None,
                _ => {
                    self.expected(node, r#""error", "warning" or "off""#);
                    continue;
                }
            };
            if rule.subject == Subject::InvalidConfiguration && severity != Some(Severity::Error) {
                let message = "must be an error: an invalid configuration blocks everyone";
                self.problem(&node.span, format!("{} {message}", rule.id));
            }
            let origin = self.origin(&key.span);
            config.weights.insert(rule.id, SeveritySetting { severity, origin });
        }
    }

    fn backups(&mut self, node: &Node, config: &mut Config) {
        for node in self.list(node, "a list of patterns") {
            if let Some(glob) = self.string(node, "a pattern")
                && let Some(pattern) = self.pattern(node, Pattern::for_names(glob))
            {
                config.debris.add_backups(glob, pattern);
            }
        }
    }

    fn debris(&mut self, node: &Node, config: &mut Config) {
        let (mut names, mut about_built_in) = (BTreeSet::new(), None);
        for (key, node) in self.entries(node, "an object that names directories", &[]) {
            let (name, span) = (key.text.as_str(), &key.span);
            let built_in = name.eq_ignore_ascii_case(DOCKER_DEPS);
            if !is_directory_name(name) {
                let rule = "a directory name consists of letters, digits, `.`, `_` and `-`, and \
                            does not end in a dot";
                self.problem(span, rule);
            } else if !names.insert(name.to_ascii_lowercase()) {
                self.problem(span, format!("{} is listed twice (case is ignored)", quoted(name)));
            } else if built_in && name != DOCKER_DEPS {
                let known = quoted(DOCKER_DEPS);
                self.problem(span, format!("the built-in directory is spelled {known}"));
            } else if self.is_false(node) && built_in {
                config.debris.remove(name);
            } else if self.is_false(node) {
                let meant = did_you_mean(name, &[DOCKER_DEPS]);
                self.problem(span, format!("only {} can be removed{meant}", quoted(DOCKER_DEPS)));
            } else if let Some(directory) = self.directory(name, node) {
                config.debris.add(directory);
            }
            if built_in {
                about_built_in = Some(self.origin(&key.span));
            }
        }
        config.with_built_in = about_built_in.map(|origin| {
            let mut debris = config.debris.clone();
            debris.add(Directory::new(DOCKER_DEPS));
            (debris, origin)
        });
    }

    fn directory(&mut self, name: &str, node: &Node) -> Option<Directory> {
        if !matches!(node.value, Value::Map(_)) {
            self.expected(node, "an object; or `false`, for the built-in directory");
            return None;
        }
        let mut directory = Directory::new(name);
        for (_, node) in self.entries(node, "an object", &["keep"]) {
            directory.keep.clear();
            for node in self.list(node, "a list of file names") {
                let Some(name) = self.string(node, "a file name") else { continue };
                if matches!(name, "" | "." | "..") || name.contains(['/', '\0']) {
                    let rule = "a file name is not empty, `.` or `..`, and has no slash";
                    self.problem(&node.span, rule);
                }
                directory.keep.push(name.to_owned());
            }
        }
        Some(directory)
    }

    /// A list of allowances, of rules or of `verify`.
    fn allowances(&mut self, node: &Node, of_rules: bool) -> Vec<Allowance> {
        let required = if of_rules { &["rule", "path", "reason"][..] } else { &["path", "reason"] };
        let nodes = self.list(node, "a list of allowances").iter();
        nodes.filter_map(|node| self.allowance(node, required)).collect()
    }

    fn allowance(&mut self, allowance: &Node, required: &[&str]) -> Option<Allowance> {
        let known = [required, &["until"]].concat();
        let entries = self.entries(allowance, "an object", &known);
        if matches!(allowance.value, Value::Map(_)) {
            let is_missing = |key: &&&str| !entries.iter().any(|(found, _)| found.text == **key);
            for key in required.iter().filter(is_missing) {
                self.problem(&allowance.span, format!("this allowance lacks {}", quoted(key)));
            }
        }
        let (mut rule, mut path, mut reason, mut until) = (None, None, None, None);
        for (key, node) in entries {
            match key.text.as_str() {
                "rule" => rule = self.allowed_rule(node),
                "path" => {
                    let glob = self.string(node, "a pattern");
                    let pattern =
                        glob.and_then(|glob| self.pattern(node, Pattern::for_paths(glob)));
                    path = pattern.map(|pattern| (node.span.clone(), pattern));
                }
                "reason" => reason = self.reason(node),
                "until" => until = self.date(node).map(|date| (node.span.clone(), date)),
                _ => {}
            }
        }
        let origin = self.origin(&allowance.span);
        let ((path, pattern), reason) = (path?, reason?);
        Some(Allowance { rule, pattern, path, until, reason, origin })
    }

    fn allowed_rule(&mut self, node: &Node) -> Option<&'static Rule> {
        let id = self.string(node, "the id of a rule")?;
        let Some(rule) = rules::find(id) else {
            self.unknown_rule(&node.span, id);
            return None;
        };
        if rule.group == RuleGroup::Config {
            let message =
                format!("findings of {id} cannot be hidden; `rules` can change its severity");
            self.problem(&node.span, message);
        }
        Some(rule)
    }

    fn reason(&mut self, node: &Node) -> Option<String> {
        let reason = self.string(node, "the reason, as a sentence")?;
        if reason.trim().is_empty() {
            self.problem(&node.span, "the reason is blank: say why this is allowed");
        } else if reason.chars().count() > LONGEST_REASON {
            let message = format!("the reason is longer than {LONGEST_REASON} characters");
            self.problem(&node.span, message);
        }
        Some(reason.to_owned())
    }

    fn date(&mut self, node: &Node) -> Option<Date> {
        let date = node.text().and_then(parse_date);
        if date.is_none() {
            self.expected(node, "a date, such as \"2027-01-31\"");
        }
        date
    }

    fn pattern(&mut self, node: &Node, pattern: Result<Pattern, String>) -> Option<Pattern> {
        pattern.map_err(|problem| self.problem(&node.span, shorten(&problem, LONGEST_MESSAGE))).ok()
    }

    /// The entries of an object. Other values, unknown keys and duplicate keys are problems. If
    /// `known` is empty, every key is known.
    fn entries<'n>(
        &mut self,
        node: &'n Node,
        expected: &str,
        known: &[&str],
    ) -> Vec<(&'n Key, &'n Node)> {
        if !matches!(node.value, Value::Map(_)) {
            self.expected(node, expected);
        }
        let mut seen = BTreeSet::new();
        let mut entries = Vec::new();
        for (key, node) in node.entries() {
            let text = key.text.as_str();
            if !seen.insert(text) {
                self.problem(&key.span, format!("duplicate key {}", quoted(text)));
            } else if !known.is_empty() && !known.contains(&text) {
                let meant = did_you_mean(text, known);
                self.problem(&key.span, format!("unknown key {}{meant}", quoted(text)));
            } else {
                entries.push((key, node));
            }
        }
        entries
    }

    fn list<'n>(&mut self, node: &'n Node, expected: &str) -> &'n [Node] {
        if !matches!(node.value, Value::List(_)) {
            self.expected(node, expected);
        }
        node.items()
    }

    fn string<'n>(&mut self, node: &'n Node, expected: &str) -> Option<&'n str> {
        let text = node.text();
        if text.is_none() {
            self.expected(node, expected);
        }
        text
    }

    fn is_false(&self, node: &Node) -> bool {
        self.boolean(node) == Some(false)
    }

    fn boolean(&self, node: &Node) -> Option<bool> {
        let text = self.text.get(node.span.clone()).filter(|_| node.value == Value::Other)?;
        match text {
            b"true" => Some(true),
            b"false" => Some(false),
            _ => None,
        }
    }

    fn unknown_rule(&mut self, span: &Span, id: &str) {
        let meant = did_you_mean(id, &RULES.map(|rule| rule.id));
        self.problem(span, format!("unknown rule {}{meant}", quoted(id)));
    }

    fn expected(&mut self, node: &Node, what: &str) {
        self.problem(&node.span, format!("expected {what}"));
    }

    fn problem(&mut self, span: &Span, message: impl Into<String>) {
        self.problems.push(Problem { span: Some(span.clone()), message: message.into() });
    }

    fn origin(&mut self, span: &Span) -> ConfigPlace {
        let (line, column) = self.lines.locate(span.start);
        ConfigPlace { name: self.name.into(), line, column }
    }
}

/// Whether this is a valid name of a directory: one that every spelling of a path preserves.
fn is_directory_name(name: &str) -> bool {
    name.len() <= 255
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
        && !name.is_empty()
        && !name.ends_with('.')
}

/// Whether this is the scope of packages, with its `@`.
fn is_scope(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._~-".contains(&byte);
    text.strip_prefix('@').is_some_and(|name| !name.is_empty() && name.bytes().all(plain))
}

/// Parses `2027-01-31`, and no other form of ISO 8601.
fn parse_date(text: &str) -> Option<Date> {
    let plain = text.bytes().enumerate().all(|(at, byte)| match at {
        4 | 7 => byte == b'-',
        _ => byte.is_ascii_digit(),
    });
    if plain && text.len() == 10 { text.parse().ok() } else { None }
}

/// The end of a message with the known word that is most similar; empty if none is similar.
fn did_you_mean(word: &str, known: &[&str]) -> String {
    if word.len() > 64 {
        return String::new();
    }
    let word = word.to_ascii_lowercase();
    let likeness = known.iter().map(|known| (strsim::jaro_winkler(&word, known), known));
    let best = likeness.filter(|(likeness, _)| *likeness > 0.8).max_by(|a, b| a.0.total_cmp(&b.0));
    best.map(|(_, known)| format!("; did you mean {}?", quoted(known))).unwrap_or_default()
}

/// A word of the configuration in quotes, safe to print.
fn quoted(word: &str) -> String {
    format!("\"{}\"", shorten(word, LONGEST_WORD))
}

/// The first characters of a text, safe to print.
fn shorten(text: &str, characters: usize) -> String {
    let end = text.char_indices().nth(characters).map_or(text.len(), |(at, _)| at);
    let dots = if end < text.len() { "…" } else { "" };
    format!("{}{dots}", Escaped(&text.as_bytes()[..end]))
}
