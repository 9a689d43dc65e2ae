//! The settings of npmrc and yarnrc files, each with the places of its key and its value.

use std::collections::HashSet;
use std::sync::LazyLock;

use regex::bytes::Regex;

use crate::base::credentials::{PASSWORD_SETTINGS, TOKEN_SETTINGS};
use crate::base::finding::Span;
use crate::formats::document::{Node, Value};
use crate::formats::{self, Syntax};

/// The syntax of a file of settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SettingsDialect {
    /// npm and pnpm: `key = value`, as the `ini` package reads it.
    Npmrc,
    /// Yarn 1: `key value`, each with or without quotes.
    Yarnrc,
    /// Yarn 2 and later: YAML.
    Berry,
    /// A file of environment variables, as the `dotenv` package reads it.
    Dotenv,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Setting {
    /// The last part of the key: `_authToken` of `//host/:_authToken`.
    pub name: String,
    pub key: Span,
    pub value: Span,
    /// The value without a comment. Quotes may remain.
    pub text: String,
}

/// The settings of a file.
pub(crate) fn settings(dialect: SettingsDialect, text: &[u8]) -> Vec<Setting> {
    match dialect {
        SettingsDialect::Npmrc => lines(text).filter_map(|line| parse_ini(text, &line)).collect(),
        SettingsDialect::Yarnrc => lines(text).map(|line| parse_loose(text, &line)).collect(),
        SettingsDialect::Berry => match formats::parse(Syntax::Yaml, text) {
            Ok(root) if matches!(root.value, Value::Map(_)) => yaml(&root),
            // Yarn refuses such a file, but a secret in it is public once it is committed.
            _ => lines(text).map(|line| parse_loose(text, &line)).collect(),
        },
        SettingsDialect::Dotenv => {
            lines(text).filter_map(|line| parse_variable(text, &line)).collect()
        }
    }
}

/// The settings of these names, as the package manager reads them. In a line of Yarn 1,
/// [`settings`] finds only secrets.
pub(crate) fn named(dialect: SettingsDialect, text: &[u8], names: &[&str]) -> Vec<Setting> {
    let mut settings = match dialect {
        SettingsDialect::Yarnrc => yarnrc(text, names),
        _ => settings(dialect, text),
    };
    settings.retain(|setting| names.contains(&&*setting.name));
    settings
}

/// The pairs of a file of Yarn 1, which reads one as YAML if it cannot parse it.
fn yarnrc(text: &[u8], names: &[&str]) -> Vec<Setting> {
    let mut settings: Vec<_> = lines(text).flat_map(|line| pairs(text, &line, names)).collect();
    let known: HashSet<String> = settings.iter().map(|pair| pair.text.clone()).collect();
    let root = formats::parse(Syntax::Yaml, text).ok();
    let entries = root.iter().flat_map(yaml).filter(|entry| !known.contains(&entry.text));
    settings.extend(entries.map(|entry| Setting { name: option(&entry.name).to_owned(), ..entry }));
    settings
}

/// Parses pairs of Yarn 1, which may be on one line: `key value`, `key: value`, `key, key value`.
/// The name is one of `names` if a key is. The place is the line.
fn pairs(text: &[u8], line: &Span, names: &[&str]) -> Vec<Setting> {
    let between = |c: char| c.is_whitespace() || matches!(c, ':' | ',');
    let words = lossy(text, line);
    let mut found = Vec::new();
    let mut rest = &*words;
    while !rest.is_empty() && !rest.starts_with('#') {
        let Some((mut name, mut after)) = word(rest) else { break };
        while let Some(more) = after.trim_start().strip_prefix(',') {
            let Some((next, end)) = word(more.trim_start()) else { break };
            if !names.contains(&option(&name)) {
                name = next;
            }
            after = end;
        }
        rest = after.trim_start_matches(between);
        let is_named = !rest.is_empty() && names.contains(&option(&name));
        let value = word(rest).filter(|_| is_named);
        if let Some((text, _)) = value {
            let name = option(&name).to_owned();
            found.push(Setting { name, key: line.start..line.start, value: line.clone(), text });
        }
    }
    found
}

/// The name of an option of Yarn 1, with or without its command: `--command.option`.
fn option(key: &str) -> &str {
    key.strip_prefix("--").and_then(|option| option.rsplit('.').next()).unwrap_or(key)
}

/// The word at the start of a line, with or without quotes, and the rest of the line.
fn word(line: &str) -> Option<(String, &str)> {
    if line.starts_with('"') {
        let mut strings = serde_json::Deserializer::from_str(line).into_iter::<String>();
        let word = strings.next()?.ok()?;
        return Some((word, line.get(strings.byte_offset()..)?));
    }
    let end = line.find(|c: char| c.is_whitespace() || matches!(c, ':' | ','));
    let (word, rest) = line.split_at(end.unwrap_or(line.len()));
    Some((word.trim_matches('\'').to_owned(), rest))
}

/// The lines that are neither blank nor a comment, trimmed. A lone carriage return ends a line too.
fn lines(text: &[u8]) -> impl Iterator<Item = Span> {
    let mut start = if text.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
    text[start..].split(|byte| matches!(byte, b'\n' | b'\r')).filter_map(move |line| {
        let span = trimmed(text, start..start + line.len());
        start += line.len() + 1;
        (!span.is_empty() && !matches!(text[span.start], b';' | b'#')).then_some(span)
    })
}

/// Trims as JavaScript does, including the no-break spaces that copy and paste inserts.
fn trimmed(text: &[u8], span: Span) -> Span {
    let blank = |character: char| character.is_whitespace() || character == '\u{feff}';
    let Ok(inside) = std::str::from_utf8(&text[span.clone()]) else {
        let inside = &text[span.clone()];
        let start = span.start + inside.len() - inside.trim_ascii_start().len();
        return start..start + inside.trim_ascii().len();
    };
    let start = span.start + inside.len() - inside.trim_start_matches(blank).len();
    start..start + inside.trim_matches(blank).len()
}

fn lossy(text: &[u8], span: &Span) -> String {
    String::from_utf8_lossy(&text[span.clone()]).into_owned()
}

/// Parses `key = value`, split at the first `=`. The key of an array ends in `[]`.
fn parse_ini(text: &[u8], line: &Span) -> Option<Setting> {
    let equals = line.start + text[line.clone()].iter().position(|&byte| byte == b'=')?;
    let key = trimmed(text, line.start..equals);
    let value = trimmed(text, equals + 1..line.end);
    // pnpm 10 expands variables in keys.
    let plain = without_variables(&unquoted(&lossy(text, &key)));
    let plain = plain.trim_end_matches("[]");
    let name = plain.rsplit([':', '/', '.']).next().unwrap_or_default().to_owned();
    Some(Setting { name, key, text: without_ini_comment(&lossy(text, &value)).to_owned(), value })
}

/// A key or value without the quotes around it. In double quotes, it may have escapes of JSON.
pub(crate) fn unquoted(text: &str) -> String {
    let inner = text.trim_matches(['\'', ' ']);
    serde_json::from_str(inner).unwrap_or_else(|_| inner.trim_matches(['"', '\'', ' ']).to_owned())
}

/// A variable as the `dotenv` package matches it: a value in quotes may start on a later line, and
/// have several. Bytes, not characters (`-u`): the tables of Unicode are not in the program, though
/// a dependency of tests adds them to tests.
static VARIABLE: LazyLock<Regex> = LazyLock::new(|| {
    let quoted = ["'", "\"", "`"].map(|quote| format!(r"{quote}(?:\\{quote}|[^{quote}])*{quote}"));
    let value = format!(r"\s*(?P<quoted>{})|(?P<bare>[^#\r\n]*)", quoted.join("|"));
    Regex::new(&format!(
        r"(?mR-u)\A(?:export\s+)?(?P<key>[\w.-]+)\s*?(?:=|:\s)(?:{value})\s*(?:#.*)?$"
    ))
    .expect("the pattern is a constant, and the tests compile it")
});

/// Parses `key=value`, `key: value` or `export key=value`. A `#` starts a comment, unless the value
/// is in quotes.
fn parse_variable(text: &[u8], line: &Span) -> Option<Setting> {
    let found = VARIABLE.captures(&text[line.start..])?;
    let span = |name| {
        let part = found.name(name)?;
        Some(trimmed(text, line.start + part.start()..line.start + part.end()))
    };
    let (key, quoted) = (span("key")?, span("quoted"));
    let value = quoted.clone().or_else(|| span("bare"))?;
    let inside = if quoted.is_some() { value.start + 1..value.end - 1 } else { value.clone() };
    Some(Setting { name: lossy(text, &key), key, value, text: lossy(text, &inside) })
}

/// `;` and `#` start a comment, unless they are escaped or the whole value is in quotes.
fn without_ini_comment(value: &str) -> &str {
    let quoted = |quote| value.len() > 1 && value.starts_with(quote) && value.ends_with(quote);
    if quoted('"') || quoted('\'') {
        return value;
    }
    let mut escaped = false;
    let comment = value.find(|character| {
        let starts = !escaped && matches!(character, ';' | '#');
        escaped = !escaped && character == '\\';
        starts
    });
    comment.map_or(value, |at| value.split_at(at).0)
}

/// A known name anywhere in a line, a separator, and the rest of the line.
static LOOSE: LazyLock<Regex> = LazyLock::new(|| {
    let names = [TOKEN_SETTINGS, PASSWORD_SETTINGS].concat().join("|");
    Regex::new(&format!(
        r#"(?i-u)(?:^|[^\w-])({names})(?:\[\])?["']?(?:[ \t]*[:=][ \t]*|[ \t]+)(.*)$"#
    ))
    .expect("the pattern is a constant, and the tests compile it")
});

/// Parses a line without a grammar. Everything after a known name is the value, so that a first
/// setting cannot hide a second one on the same line; without a known name, the whole line is the
/// value. The place is the whole line, because the start of the value is uncertain.
fn parse_loose(text: &[u8], line: &Span) -> Setting {
    let found = LOOSE.captures(&text[line.clone()]);
    let (name, from) = match found.as_ref().and_then(|found| Some((found.get(1)?, found.get(2)?))) {
        Some((name, rest)) => {
            (String::from_utf8_lossy(name.as_bytes()).into_owned(), line.start + rest.start())
        }
        None => (String::new(), line.start),
    };
    let rest = lossy(text, &(from..line.end));
    // A comment starts after a blank.
    let before = |text, mark| str::split_once(text, mark).map_or(text, |(before, _)| before);
    let value = without_flow_end(before(before(&rest, " #"), "\t#"));
    Setting { name, key: line.start..from, value: line.clone(), text: value.to_owned() }
}

/// A value without the `}` and `]` of the flow collections around it; the brace of `${NAME}` stays.
fn without_flow_end(mut value: &str) -> &str {
    let count = |value: &str, brace: char| value.matches(brace).count();
    let mut surplus = count(value, '}').saturating_sub(count(value, '{'));
    loop {
        value = value.trim_end_matches([' ', '\t', ',', ']']);
        match value.strip_suffix('}').filter(|_| surplus > 0) {
            Some(rest) => (value, surplus) = (rest, surplus - 1),
            None => return value,
        }
    }
}

/// Every entry of a document, at any depth. The items of a list have its key; a map has an empty
/// text.
fn yaml(root: &Node) -> Vec<Setting> {
    let mut settings = Vec::new();
    // No recursion: a file may be deep.
    let mut open = vec![(String::new(), root.span.start..root.span.start, root)];
    while let Some((name, key, node)) = open.pop() {
        match &node.value {
            Value::Map(entries) => {
                open.extend(
                    entries.iter().map(|(key, node)| (key.text.clone(), key.span.clone(), node)),
                );
            }
            Value::List(list) => {
                open.extend(list.iter().map(|node| (name.clone(), key.clone(), node)));
            }
            Value::Text(_) | Value::Other => {}
        }
        let text = node.text().unwrap_or_default().to_owned();
        settings.push(Setting { name, key, value: node.span.clone(), text });
    }
    settings
}

/// The literal parts of a value: `${NAME}` is removed, with backslashes before it; of
/// `${NAME-default}` and similar forms the default remains.
pub(crate) fn without_variables(value: &str) -> String {
    let mut literal = String::with_capacity(value.len());
    let mut rest = value;
    let mut depth = 0_usize;
    let last_end = value.rfind('}').unwrap_or(0);
    while let Some(at) = rest.find(['$', '}']) {
        let (before, sign) = rest.split_at(at);
        literal.push_str(before);
        // Without a closing brace, npm, pnpm and yarn do not expand it.
        let closed = last_end > value.len() - sign.len();
        if let Some(inside) = sign.strip_prefix("${").filter(|_| closed) {
            literal.truncate(literal.trim_end_matches('\\').len());
            depth += 1;
            let part_of_name = |character: char| {
                !matches!(character, ':' | '-' | '?' | '=' | '+' | '$' | '{' | '}')
            };
            let inside = inside.trim_start_matches(part_of_name);
            rest = inside.strip_prefix(':').unwrap_or(inside);
            rest = match rest.strip_prefix('?') {
                // The error message for a missing variable is not a value.
                Some(message) => {
                    message.trim_start_matches(|character| !matches!(character, '}' | '$'))
                }
                None => rest.strip_prefix(['-', '=', '+']).unwrap_or(rest),
            };
        } else if let Some(after) = sign.strip_prefix('}').filter(|_| depth > 0) {
            depth -= 1;
            rest = after;
        } else {
            let mut characters = sign.chars();
            literal.extend(characters.next());
            rest = characters.as_str();
        }
    }
    literal + rest
}

/// The passwords of the URLs in a text, such as `https://user:password@host/`.
pub(crate) fn url_passwords(text: &str) -> impl Iterator<Item = &str> {
    text.split("//").skip(1).filter_map(|url| {
        let authority =
            url.split(|c: char| c.is_ascii_whitespace() || "/?#\\\"'".contains(c)).next()?;
        let (user, _) = authority.rsplit_once('@')?;
        user.split_once(':').map(|(_, password)| password)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The settings with a text, as `name=text`, in the order of the file.
    fn setting_lines(dialect: SettingsDialect, text: &str) -> Vec<String> {
        let mut settings = settings(dialect, text.as_bytes());
        settings.sort_by_key(|setting| setting.value.start);
        settings.retain(|setting| !setting.text.is_empty());
        settings.iter().map(|setting| format!("{}={}", setting.name, setting.text)).collect()
    }

    #[test]
    fn the_patterns_need_no_tables_of_unicode() {
        for pattern in [VARIABLE.as_str(), LOOSE.as_str()] {
            let (flags, _) = pattern.split_once(')').unwrap();
            assert!(flags.starts_with("(?") && flags.ends_with("-u"), "{pattern}");
        }
    }

    #[test]
    fn npmrc_is_read_as_npm_reads_it() {
        let text = "\u{feff}a=1\r\n; b=2\n # c=3\n\nd = 4 ; e\r//host/:_authToken\
                    =\"f;g\"\n'//host/:h[]' = i\\;j#k\nl\n\"\\u006d\"=n=o\nü=é;ö";
        assert_eq!(
            setting_lines(SettingsDialect::Npmrc, text),
            ["a=1", "d=4 ", "_authToken=\"f;g\"", "h=i\\;j", "m=n=o", "ü=é"]
        );
    }

    #[test]
    fn yarn_1_separates_with_a_blank() {
        let text = "# c\n\"//host/:_authToken\" \"x y\"\n\
                    _auth z # c\nregistry \"https://npm.example.org\"";
        assert_eq!(
            setting_lines(SettingsDialect::Yarnrc, text),
            ["_authToken=\"x y\"", "_auth=z", "=registry \"https://npm.example.org\""]
        );
    }

    #[test]
    fn a_setting_of_yarn_1_is_found_by_its_name() {
        let text = "a b\n\"a\" \"\\u0062 c\" # d\n a: 'b'\na-b c\n# a b\nb a\na\n\"a\n\
                    \"a\":b\nü é\nx, a, y z\nx,,";
        let found = named(SettingsDialect::Yarnrc, text.as_bytes(), &["a"]);
        let values: Vec<_> = found.iter().map(|setting| setting.text.as_str()).collect();
        assert_eq!(values, ["b", "b c", "b", "b", "z"]);
        let found = named(SettingsDialect::Npmrc, b"a=b\nb=a\n'a[]' = c", &["a"]);
        let values: Vec<_> = found.iter().map(|setting| setting.text.as_str()).collect();
        assert_eq!(values, ["b", "c"]);
    }

    #[test]
    fn berry_is_read_at_any_depth_and_line_by_line_when_broken() {
        let text = "npmScopes:\n  s: {npmAuthToken: \"a\\x62\"}\nx: &t c\nlist: [d, e]\n";
        assert_eq!(
            setting_lines(SettingsDialect::Berry, text),
            ["npmAuthToken=ab", "x=c", "list=d", "list=e"]
        );
        let broken = "a: [\nnpmScopes: {s: {npmAuthToken: x}}\n\"npmAuthIdent\" : 'y' # c\n";
        assert_eq!(
            setting_lines(SettingsDialect::Berry, broken),
            ["=a: [", "npmAuthToken=x", "npmAuthIdent='y'"]
        );
        let broken = "é: [\nï npmAuthToken: ö#ü}\t#ç #\n\u{2003}npmAuthIdent ñ} # é\n";
        assert_eq!(
            setting_lines(SettingsDialect::Berry, broken),
            ["=é: [", "npmAuthToken=ö#ü", "npmAuthIdent=ñ"]
        );
    }

    #[test]
    fn a_key_and_its_value_have_places() {
        let text = "\n  //host/:_authToken = x ; c\n";
        let found = &settings(SettingsDialect::Npmrc, text.as_bytes())[0];
        let parts = [&found.key, &found.value].map(|span| text.get(span.clone()).unwrap());
        assert_eq!(parts, ["//host/:_authToken", "x ; c"]);
    }

    #[test]
    fn variables_are_removed_and_defaults_stay() {
        for (value, literal) in [
            ("${NPM_TOKEN}", ""),
            ("a${B}c", "ac"),
            ("${A-}${A:-}${A?}${A:?}", ""),
            ("${A-b}${A:-c}${A:?d}", "bc"),
            ("a${B", "a${B"),
            ("${A:-${B:-c}}d", "cd"),
            ("${A:-${B}}", ""),
            ("\\${A}", ""),
            ("$A $$ } {", "$A $$ } {"),
            ("${A", "${A"),
            ("ä${B}ö$", "äö$"),
            ("${ä:-ö}ü}é${", "öü}é${"),
            ("${A:?é}$ü", "$ü"),
            ("", ""),
        ] {
            assert_eq!(without_variables(value), literal, "{value}");
        }
    }

    #[test]
    fn passwords_of_urls() {
        for (text, found) in [
            ("https://user:pass@host/", &["pass"][..]),
            ("https://u:p@host:80/a b=//v:q@w", &["p", "q"]),
            ("https://user:p:a@s@host", &["p:a@s"]),
            ("é//ü:ö@ä?ß@//ñ:é\u{2003}@x", &["ö", "é\u{2003}"]),
            ("https://host:8080/a:b@c", &[]),
            ("https://user@host //host/:_authToken", &[]),
            ("u:p@host", &[]),
        ] {
            assert_eq!(url_passwords(text).collect::<Vec<_>>(), found, "{text}");
        }
    }
}
