//! The command line of npm.

use crate::formats::shell::Resolved;

/// The spellings of `npm install`.
const INSTALL: [&str; 12] = [
    "install", "add", "i", "in", "ins", "inst", "insta", "instal", "isnt", "isnta", "isntal",
    "isntall",
];

/// The options of npm whose value is the next word, from npm's definitions.
const WITH_VALUE: &str = "access auth-type before C ca cache cache-max cache-min cafile cert cpu \
    depth fetch-retries fetch-retry-factor fetch-retry-maxtimeout fetch-retry-mintimeout \
    fetch-timeout globalconfig https-proxy include install-strategy key L libc local-address \
    location loglevel logs-dir logs-max maxsockets min-release-age node-options noproxy omit only \
    os otp prefix proxy reg registry scope script-shell tag userconfig w workspace";

/// The letters that npm accepts in a group after one dash.
const LETTERS: &str = "?BCDEHLOPSacdfghlmnpqsvwy";

/// The packages of `npm install --global X`, in every order and spelling. An unknown word is not a
/// package, but may be a value.
pub(super) fn installed_globally(words: &[Resolved]) -> Vec<&Resolved> {
    let mut found = Vec::new();
    let mut global = false;
    let mut verb = false;
    let mut options = true;
    let mut words = words.iter().peekable();
    while let Some(word) = words.next() {
        let option = word.text.trim_start_matches('-');
        let dashes = word.text.len() - option.len();
        if options && dashes > 1 && option.is_empty() && !word.is_open {
            options = false;
        } else if options && dashes > 0 && !option.is_empty() {
            let (name, given) =
                option.split_once('=').map_or((option, None), |(name, value)| (name, Some(value)));
            let switch = matches!(name, "global" | "g");
            let takes_value = WITH_VALUE.split(' ').any(|known| known == name);
            let next = words.next_if(|next| {
                let is_value = if switch {
                    matches!(next.known(), Some("true" | "false"))
                } else {
                    takes_value
                };
                given.is_none() && is_value && (next.is_open || !next.text.starts_with('-'))
            });
            let value = given.or(next.map(|next| next.text.as_str()));
            match name {
                _ if switch => global = value != Some("false"),
                "no-global" | "local" => global = false,
                "location" | "L" => global = value == Some("global"),
                _ if takes_value => {}
                _ if dashes == 1
                    && name.contains('g')
                    && name.chars().all(|letter| LETTERS.contains(letter)) =>
                {
                    global = true;
                }
                _ => {}
            }
        } else if verb {
            found.push(word);
        } else if word.known().is_some_and(|word| INSTALL.contains(&word)) {
            verb = true;
        } else if !word.is_open || !word.text.is_empty() {
            return Vec::new();
        }
    }
    if global { found } else { Vec::new() }
}

/// The package that `npx` runs: that of `--package`, else the first word that is not an option.
pub(super) fn run_once(words: &[Resolved]) -> Vec<Resolved> {
    let mut words = words.iter();
    let mut found = Vec::new();
    while let Some(word) = words.next() {
        let (option, value) = word.text.split_once('=').unwrap_or((&word.text, ""));
        match option {
            "-p" | "--package" if !value.is_empty() => {
                found.push(Resolved { text: value.to_owned(), ..word.clone() });
            }
            "-p" | "--package" => found.extend(words.next().cloned()),
            "-c" | "--call" | "-w" | "--workspace" | "--registry" | "--cache" | "--loglevel" => {
                words.next();
            }
            _ if word.text.starts_with('-') => {}
            _ => {
                if found.is_empty() {
                    found.push(word.clone());
                }
                break;
            }
        }
    }
    found
}
