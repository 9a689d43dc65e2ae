//! What the commands of a script put in place: which package managers, and which versions of them.

use crate::formats::document::Node;
use crate::formats::joined::Joined;
use crate::formats::shell::{Command, Link, Lookup, Resolved, Script};
use crate::pins::{Demand, How, Manager, Pin, Reading};

mod npm;

/// What the variables of a script hold.
pub type Variables<'l, 'v> = &'l dyn Fn(&str) -> Lookup<'v>;

/// What one command does.
#[derive(Debug, Default)]
pub struct Done {
    /// What it puts in place.
    pub pins: Vec<Pin>,
    /// Whether it runs corepack.
    pub runs_corepack: bool,
    /// Whether it may put another Node.js, or corepack, in place.
    pub brings_corepack: bool,
}

/// What each command of a script does, in their order. `file` is the whole file that holds it.
pub fn of(script: &Script<'_>, variables: Variables<'_, '_>, file: &[u8]) -> Vec<Done> {
    let resolved: Vec<Vec<Resolved>> = script
        .commands
        .iter()
        .map(|command| command.words().map(|word| script.resolve(&word, variables)).collect())
        .collect();
    let mut done: Vec<Done> = resolved.iter().map(|words| one(words, file)).collect();
    for (at, words) in resolved.iter().enumerate() {
        if let Some(pin) = installer(at, words, script, variables, file) {
            done[at].pins.push(pin);
        }
    }
    done
}

/// What a script says that is a string of a document.
pub fn of_string(node: &Node, variables: Variables<'_, '_>, file: &[u8]) -> Reading {
    let mut reading = Reading::default();
    let Some(joined) = Joined::of(file, node).or_else(|| Joined::somewhere(node)) else { return reading };
    let mut script = Script::default();
    script.split(&joined, 0..joined.bytes.len());
    for done in of(&script, variables, file) {
        reading.uses_corepack |= done.runs_corepack;
        reading.pins.extend(done.pins);
    }
    reading
}

/// The name of the program that a command runs.
fn program(words: &[Resolved]) -> Option<&str> {
    words.first()?.known()?.rsplit('/').next()
}

/// What a command does, whatever stands around it.
fn one(words: &[Resolved], file: &[u8]) -> Done {
    let mut done = Done::default();
    let Some(name) = program(words) else { return done };
    let rest = &words[1..];
    let texts: Vec<&str> = rest.iter().map(|word| word.known().unwrap_or_default()).collect();
    let mut found: Vec<(&'static str, &Resolved)> = Vec::new();
    match (name, texts.as_slice()) {
        ("npm", ["exec" | "x", ..]) => found.extend(npm::run_once(&rest[1..]).map(|word| ("npm exec", word))),
        ("npm", _) => found.extend(npm::installed_globally(rest).into_iter().map(|word| ("npm install -g", word))),
        ("npx", _) => found.extend(npm::run_once(rest).map(|word| ("npx", word))),
        ("pnpx" | "bunx", _) => {
            found.extend(npm::run_once(rest).map(|word| (if name == "bunx" { "bunx" } else { "pnpx" }, word)))
        }
        ("pnpm", ["dlx", ..]) => found.extend(npm::run_once(&rest[1..]).map(|word| ("pnpm dlx", word))),
        ("yarn", ["dlx", ..]) => found.extend(npm::run_once(&rest[1..]).map(|word| ("yarn dlx", word))),
        ("yarn", ["global", "add", ..]) => found.extend(packages(&rest[2..]).map(|word| ("yarn global add", word))),
        ("pnpm", ["add" | "i" | "install", ..]) if is_global(&texts) => {
            found.extend(packages(&rest[1..]).map(|word| ("pnpm add -g", word)));
        }
        ("bun", ["add" | "a" | "i" | "install", ..]) if is_global(&texts) => {
            found.extend(packages(&rest[1..]).map(|word| ("bun add -g", word)));
        }
        ("volta", ["install", ..]) => found.extend(packages(&rest[1..]).map(|word| ("volta install", word))),
        ("volta", ["pin", ..]) => found.extend(packages(&rest[1..]).map(|word| ("volta pin", word))),
        ("mise", ["use" | "u" | "install" | "i", ..]) => {
            found.extend(packages(&rest[1..]).map(|word| ("mise use", word)))
        }
        ("corepack", _) => {
            done.runs_corepack = true;
            found.extend(by_corepack(rest));
        }
        ("pnpm", ["self-update", ..]) => {
            done.pins.extend(version_of(
                Manager::Pnpm,
                "pnpm self-update",
                rest[1..].iter().find(|word| !is_flag(word)),
                words,
                file,
            ));
        }
        ("yarn", ["set", "version", ..]) => {
            done.pins.extend(version_of(
                Manager::Yarn,
                "yarn set version",
                rest[2..].iter().find(|word| !is_flag(word)),
                words,
                file,
            ));
        }
        ("yarn", ["policies", "set-version", ..]) => {
            done.pins.extend(version_of(
                Manager::Yarn,
                "yarn policies set-version",
                rest[2..].iter().find(|word| !is_flag(word)),
                words,
                file,
            ));
        }
        ("asdf" | "proto", ["install" | "global" | "local" | "set" | "pin", ..]) => {
            let mut words = rest[1..].iter().filter(|word| !is_flag(word));
            if let Some(manager) = words.next().and_then(Resolved::known).and_then(Manager::named) {
                let label = if name == "asdf" { "asdf install" } else { "proto install" };
                done.pins
                    .extend(words.next().and_then(|version| version_of(manager, label, Some(version), rest, file)));
            }
        }
        ("curl" | "wget", _) => done.pins.extend(rest.iter().filter_map(|word| downloaded(word, file))),
        _ => {}
    }
    done.pins.extend(found.into_iter().filter_map(|(label, word)| package(label, word, file)));
    let others = ["n", "nvm", "fnm", "volta", "mise", "asdf", "proto", "nodenv"];
    done.brings_corepack = others.contains(&name)
        || name != "corepack" && texts.iter().any(|text| *text == "corepack" || text.starts_with("corepack@"));
    done
}

fn is_flag(word: &Resolved) -> bool {
    word.text.starts_with('-')
}

fn is_global(texts: &[&str]) -> bool {
    texts.iter().any(|text| matches!(*text, "-g" | "--global" | "--location=global"))
}

/// The words that are no options.
fn packages(words: &[Resolved]) -> impl Iterator<Item = &Resolved> {
    words.iter().filter(|word| !is_flag(word))
}

/// What `corepack prepare X --activate`, `corepack install --global X`, `corepack use X` and `corepack X …` make the one
/// that is used. Without these flags, nothing becomes the default.
fn by_corepack(words: &[Resolved]) -> Vec<(&'static str, &Resolved)> {
    let Some((verb, rest)) = words.split_first() else { return Vec::new() };
    let has = |flag: &str| rest.iter().any(|word| word.known() == Some(flag));
    let (label, counts) = match verb.text.as_str() {
        "prepare" => ("corepack prepare", has("--activate")),
        "install" | "i" => ("corepack install -g", (has("--global") || has("-g")) && !has("--cache-only")),
        "use" => ("corepack use", true),
        // `corepack pnpm@10.6.5 install` runs that version; without one, what the manifest says.
        text if text.contains('@') => return vec![("corepack", verb)],
        _ => return Vec::new(),
    };
    if counts { packages(rest).map(|word| (label, word)).collect() } else { Vec::new() }
}

/// A package with or without a version, if it is a package manager.
fn package(label: &'static str, word: &Resolved, file: &[u8]) -> Option<Pin> {
    let text = &word.text;
    // The first sign may be the one of a scope.
    let at = text.char_indices().skip(1).find(|(_, character)| *character == '@').map(|(at, _)| at);
    let (name, version) = match at {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text.as_str(), None),
    };
    let manager = Manager::of_package(name)?;
    let how = How::Command(label);
    match version {
        Some(version) => Some(Pin::resolved(how, manager, version, word, file)),
        // `pnpm$V` is anything.
        None if word.is_open => None,
        None => {
            let mut pin = Pin::resolved(how, manager, "", word, file);
            // A version can be put in behind a name that stands there as it is.
            if pin.used.is_empty()
                && word.used.is_empty()
                && let Some(name) = word.find(name, file)
            {
                pin.version = Some(name.end..name.end);
                pin.before = "@";
                pin.place = name;
            }
            Some(pin)
        }
    }
}

/// A version that is a word of its own; without one, the newest.
fn version_of(
    manager: Manager,
    label: &'static str,
    version: Option<&Resolved>,
    words: &[Resolved],
    file: &[u8],
) -> Option<Pin> {
    let how = How::Command(label);
    match version {
        Some(word) => Some(Pin::resolved(how, manager, &word.text, word, file)),
        None => Some(Pin::unchangeable(how, manager, Demand::Newest, words.last()?.span.clone())),
    }
}

/// A release that is downloaded from where the managers publish them, or from a registry.
fn downloaded(word: &Resolved, file: &[u8]) -> Option<Pin> {
    let how = How::Command("download");
    let url = word.text.as_str();
    for (manager, releases) in
        [(Manager::Pnpm, "github.com/pnpm/pnpm/releases/"), (Manager::Yarn, "github.com/yarnpkg/yarn/releases/")]
    {
        let Some((_, release)) = url.split_once(releases) else { continue };
        if release.starts_with("latest/") {
            return Some(Pin::unchangeable(how, manager, Demand::Newest, word.span.clone()));
        }
        let (tag, _) = release.strip_prefix("download/")?.split_once('/')?;
        // What follows the version may be open: the platform.
        let closed = Resolved { is_open: false, ..word.clone() };
        return Some(Pin::resolved(how, manager, tag.strip_prefix('v').unwrap_or(tag), &closed, file));
    }
    [Manager::Npm, Manager::Pnpm, Manager::Yarn].into_iter().find_map(|manager| {
        let name = manager.name();
        let (_, rest) = url.split_once(&format!("/{name}/-/{name}-"))?;
        Some(Pin::resolved(how, manager, rest.strip_suffix(".tgz")?, word, file))
    })
}

/// The installer script of pnpm, which takes its version from `PNPM_VERSION`: `curl … | sh`, `sh -c "$(curl …)"`.
fn installer(
    at: usize,
    words: &[Resolved],
    script: &Script<'_>,
    variables: Variables<'_, '_>,
    file: &[u8],
) -> Option<Pin> {
    let how = How::Command("get.pnpm.io");
    let url = words.iter().find(|word| is_installer(&raw(word, file)))?;
    let fetches = matches!(program(words), Some("curl" | "wget"));
    let shell = script.commands[at..]
        .iter()
        .skip(usize::from(fetches))
        .take_while(|command| !fetches || command.link == Link::Pipe)
        .find(|command| is_shell(command, script, variables))?;
    let unchangeable = |demand| Pin::unchangeable(how, Manager::Pnpm, demand, url.span.clone());
    if let Some(word) = shell.assignment(VERSION) {
        let word = script.resolve(&word, variables);
        return Some(Pin::resolved(how, Manager::Pnpm, &word.text, &word, file));
    }
    Some(match script.variable(VERSION, variables) {
        Lookup::Set(variable) => {
            let span = variable.span.clone();
            let used = vec![crate::formats::shell::Use { name: VERSION.to_owned(), span: span.clone() }];
            let word = Resolved { text: variable.text.clone(), is_open: false, span, used, unset: Vec::new() };
            Pin::resolved(how, Manager::Pnpm, &variable.text, &word, file)
        }
        Lookup::Unset => unchangeable(Demand::Newest),
        Lookup::Offered | Lookup::Unknown => unchangeable(Demand::Unknown),
    })
}

/// The variable that the installer of pnpm reads.
const VERSION: &str = "PNPM_VERSION";

fn is_installer(word: &str) -> bool {
    word.contains("get.pnpm.io/install.sh")
}

/// A word as it is written: it may hold a substitution, in which nothing is known.
fn raw(word: &Resolved, file: &[u8]) -> String {
    String::from_utf8_lossy(file.get(word.span.clone()).unwrap_or_default()).into_owned()
}

fn is_shell(command: &Command<'_>, script: &Script<'_>, variables: Variables<'_, '_>) -> bool {
    let first = command.words().next().map(|word| script.resolve(&word, variables));
    first.as_ref().and_then(Resolved::known).is_some_and(crate::formats::shell::is_a_shell)
}
