//! Pins of shell commands: the package managers that a script installs or runs, and their versions.

use crate::formats::shell::{Command, Link, Lookup, Resolved, Script, Use, is_shell_name};
use crate::pins::pin::{Channel, Demand, Manager, Pin, PinKind};

mod npm;

/// Looks up the variables of a script.
pub(super) type Variables<'l, 'v> = &'l dyn Fn(&str) -> Lookup<'v>;

/// The effects of one command.
#[derive(Debug, Default)]
pub(super) struct Effects {
    pub pins: Vec<Pin>,
    pub runs_corepack: bool,
    /// Whether it may install corepack, or another Node.js, which may contain it.
    pub brings_corepack: bool,
}

/// The effects of each command of a script, in their order. `file` is the file that contains it.
pub(super) fn effects(
    script: &Script<'_>,
    variables: Variables<'_, '_>,
    file: &[u8],
) -> Vec<Effects> {
    let resolved: Vec<Vec<Resolved>> = script
        .commands
        .iter()
        .map(|command| command.words().map(|word| script.resolve(&word, variables)).collect())
        .collect();
    let done = |(at, words): (usize, &Vec<Resolved>)| {
        // The commands of its script follow it.
        let has_script = script.commands[at].has_script;
        let mut done = if has_script { Effects::default() } else { command_effects(words, file) };
        done.pins.extend(installer_pin(at, words, script, variables, file));
        done
    };
    resolved.iter().enumerate().map(done).collect()
}

/// The name of the program that a command runs.
pub(super) fn program(words: &[Resolved]) -> Option<&str> {
    words.first()?.known()?.rsplit('/').next()
}

/// A form of command: the program and its first words (alternatives separated by `|`), the words
/// after these, the channel, and the label.
type InstallForm = (&'static str, &'static [&'static str], Words, Channel, &'static str);

/// The meaning of the words of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Words {
    Packages,
    /// Packages, if there is a flag for a global installation.
    Global,
    /// Packages, if npm's command line is a global installation.
    Npm,
    /// A package to run, and its arguments.
    Once,
    /// A version of this package manager.
    Version(Manager),
    /// The name of a tool, and its version.
    NameAndVersion,
    /// A subcommand of corepack.
    Corepack,
    /// URLs.
    Downloads,
}

const YARN_VERSION: Words = Words::Version(Manager::Yarn);

const FORMS: [InstallForm; 26] = [
    ("npm", &["exec|x"], Words::Once, Channel::Once, "npm exec"),
    ("npm", &[], Words::Npm, Channel::Npm, "npm install -g"),
    ("npx", &[], Words::Once, Channel::Once, "npx"),
    ("pnpx", &[], Words::Once, Channel::Once, "pnpx"),
    ("pnx", &[], Words::Once, Channel::Once, "pnpx"),
    ("bunx", &[], Words::Once, Channel::Once, "bunx"),
    ("bun", &["x"], Words::Once, Channel::Once, "bunx"),
    ("pnpm", &["dlx"], Words::Once, Channel::Once, "pnpm dlx"),
    ("yarn", &["dlx"], Words::Once, Channel::Once, "yarn dlx"),
    ("pnpm", &["add|i|install"], Words::Global, Channel::Registry, "pnpm add -g"),
    ("pnpm", &["self-update"], Words::Version(Manager::Pnpm), Channel::Other, "pnpm self-update"),
    ("yarn", &["global", "add"], Words::Packages, Channel::Registry, "yarn global add"),
    ("yarn", &["set", "version"], YARN_VERSION, Channel::Other, "yarn set version"),
    (
        "yarn",
        &["policies", "set-version"],
        YARN_VERSION,
        Channel::Other,
        "yarn policies set-version",
    ),
    ("bun", &["add|a|i|install"], Words::Global, Channel::Registry, "bun add -g"),
    ("volta", &["install"], Words::Packages, Channel::Other, "volta install"),
    ("volta", &["pin"], Words::Packages, Channel::Other, "volta pin"),
    ("mise", &["use|u"], Words::Packages, Channel::Mise, "mise use"),
    ("mise", &["install|i"], Words::Packages, Channel::Mise, "mise install"),
    ("asdf", &["install"], Words::NameAndVersion, Channel::Other, "asdf install"),
    ("asdf", &["set|global|local"], Words::NameAndVersion, Channel::Other, "asdf set"),
    ("proto", &["install"], Words::NameAndVersion, Channel::Other, "proto install"),
    ("proto", &["pin"], Words::NameAndVersion, Channel::Other, "proto pin"),
    ("corepack", &[], Words::Corepack, Channel::Corepack, "corepack"),
    ("curl", &[], Words::Downloads, Channel::Other, "download"),
    ("wget", &[], Words::Downloads, Channel::Other, "download"),
];

/// Programs that install Node.js, which may contain corepack.
const NODE_MANAGERS: [&str; 8] = ["n", "nvm", "fnm", "volta", "mise", "asdf", "proto", "nodenv"];

/// The effects of a command by itself.
fn command_effects(words: &[Resolved], file: &[u8]) -> Effects {
    let mut done = Effects::default();
    let Some(name) = program(words) else { return done };
    let names_corepack = |word: &Resolved| word.text.contains("corepack");
    done.runs_corepack =
        name == "corepack" && words.get(1).is_none_or(|verb| verb.text != "disable");
    done.brings_corepack = NODE_MANAGERS.contains(&name)
        || name != "corepack" && words[1..].iter().any(names_corepack);
    let mut forms = FORMS.iter().filter(|form| form.0 == name);
    let form = forms.find_map(|form| Some((form, words_after(&words[1..], form.1)?)));
    if let Some(((.., form, channel, label), rest)) = form {
        done.pins = command_pins(*form, PinKind::Command(*channel, label), rest, words, file);
    }
    done
}

/// The words after the first ones of a form, between which there may be options.
fn words_after<'w>(words: &'w [Resolved], verbs: &[&str]) -> Option<&'w [Resolved]> {
    let mut rest = words;
    for verb in verbs {
        let at = rest.iter().position(|word| !is_flag(word))?;
        let word = rest[at].known()?;
        verb.split('|').find(|verb| *verb == word)?;
        rest = &rest[at + 1..];
    }
    Some(rest)
}

fn is_flag(word: &Resolved) -> bool {
    word.text.starts_with('-')
}

fn without_flags(words: &[Resolved]) -> impl Iterator<Item = &Resolved> {
    words.iter().filter(|word| !is_flag(word))
}

/// The pins of a command; `rest` are the words after those of its form, `words` all of them.
fn command_pins(
    form: Words,
    kind: PinKind,
    rest: &[Resolved],
    words: &[Resolved],
    file: &[u8],
) -> Vec<Pin> {
    let is_global = |word: &Resolved| matches!(word.known(), Some("-g" | "--global"));
    let package = |word: &Resolved| package_pin(kind, word, file);
    let download = |word: &Resolved| download_pin(kind, word, file);
    let version = |manager, word: &Resolved| Pin::from_word(kind, manager, &word.text, word, file);
    match form {
        Words::Global if !words.iter().any(is_global) => Vec::new(),
        Words::Packages | Words::Global => without_flags(rest).filter_map(package).collect(),
        Words::Npm => {
            let installed = npm::installed_globally(rest);
            let archives = installed.iter().copied().filter_map(download);
            installed.iter().copied().filter_map(package).chain(archives).collect()
        }
        Words::Once => npm::run_once(rest).iter().filter_map(package).collect(),
        Words::Corepack => {
            let activated = corepack_packages(rest).into_iter();
            activated.filter_map(|(kind, word)| package_pin(kind, word, file)).collect()
        }
        Words::Version(manager) => {
            let last = words.last().map(|word| word.span.clone());
            let newest = || last.map(|span| Pin::fixed(kind, manager, Demand::Newest, span));
            let word = without_flags(rest).next();
            word.map(|word| version(manager, word)).or_else(newest).into_iter().collect()
        }
        Words::NameAndVersion => {
            let mut words = without_flags(rest);
            let manager = words.next().and_then(Resolved::known).and_then(Manager::from_name);
            let pin = manager.zip(words.next()).map(|(manager, word)| version(manager, word));
            pin.into_iter().collect()
        }
        Words::Downloads => rest.iter().filter_map(download).collect(),
    }
}

/// The packages that corepack activates or runs: `prepare X --activate`, `install --global X`,
/// `use X` and `X …`. Without these flags, it only downloads them.
fn corepack_packages(words: &[Resolved]) -> Vec<(PinKind, &Resolved)> {
    let Some((verb, rest)) = words.split_first() else { return Vec::new() };
    let has = |flag: &str| rest.iter().any(|word| word.known() == Some(flag));
    let kind = |label| PinKind::Command(Channel::Corepack, label);
    let (label, counts) = match verb.text.as_str() {
        "prepare" => ("corepack prepare", has("--activate")),
        "install" => {
            ("corepack install -g", (has("--global") || has("-g")) && !has("--cache-only"))
        }
        "use" => ("corepack use", true),
        // `corepack pnpm@10.6.5 install`; without a version, the manifest decides.
        text if text.contains('@') => return vec![(kind("corepack"), verb)],
        _ => return Vec::new(),
    };
    if counts { without_flags(rest).map(|word| (kind(label), word)).collect() } else { Vec::new() }
}

/// The pin of a package with or without a version, if it is a package manager.
fn package_pin(kind: PinKind, word: &Resolved, file: &[u8]) -> Option<Pin> {
    // `mise use npm:pnpm@10.6.5`
    let is_mise = matches!(kind, PinKind::Command(Channel::Mise, _));
    let text = word.text.strip_prefix("npm:").filter(|_| is_mise).unwrap_or(&word.text);
    // A leading `@` begins a scope.
    let at = text.char_indices().skip(1).find(|(_, character)| *character == '@').map(|(at, _)| at);
    let (name, rest) = at.and_then(|at| text.split_at_checked(at)).unwrap_or((text, ""));
    let version = rest.strip_prefix('@');
    let manager = Manager::from_package(name)?;
    match version {
        Some(version) => Some(Pin::from_word(kind, manager, version, word, file)),
        // `pnpm$V` may be any package.
        None if word.is_open => None,
        None => {
            let mut pin = Pin::from_word(kind, manager, "", word, file);
            // A version can be inserted after a literal name.
            if pin.used.is_empty()
                && word.used.is_empty()
                && let Some(name) = word.find(name, file)
            {
                pin.version = Some(name.end..name.end);
                pin.insert_prefix = "@";
                pin.place = name;
            }
            Some(pin)
        }
    }
}

/// The pin of a URL of a release on GitHub, or of an archive in a registry.
fn download_pin(kind: PinKind, word: &Resolved, file: &[u8]) -> Option<Pin> {
    let url = word.text.as_str();
    for (manager, releases) in [
        (Manager::Pnpm, "github.com/pnpm/pnpm/releases/"),
        (Manager::Yarn, "github.com/yarnpkg/yarn/releases/"),
    ] {
        let Some((_, release)) = url.split_once(releases) else { continue };
        if release.starts_with("latest/") {
            return Some(Pin::fixed(kind, manager, Demand::Newest, word.span.clone()));
        }
        let (tag, _) = release.strip_prefix("download/")?.split_once('/')?;
        // The platform after the version may be unknown.
        let closed = Resolved { is_open: false, ..word.clone() };
        let version = tag.strip_prefix('v').unwrap_or(tag);
        return Some(Pin::from_word(kind, manager, version, &closed, file));
    }
    [Manager::Npm, Manager::Pnpm, Manager::Yarn].into_iter().find_map(|manager| {
        let name = manager.name();
        let (_, rest) = url.split_once(&format!("/{name}/-/{name}-"))?;
        Some(Pin::from_word(kind, manager, rest.strip_suffix(".tgz")?, word, file))
    })
}

/// The pin of the installer of pnpm, which reads the version from `PNPM_VERSION`: `curl … | sh`,
/// `sh -c "$(curl …)"`.
fn installer_pin(
    at: usize,
    words: &[Resolved],
    script: &Script<'_>,
    variables: Variables<'_, '_>,
    file: &[u8],
) -> Option<Pin> {
    let kind = PinKind::Command(Channel::Other, "get.pnpm.io");
    let url = words.iter().find(|word| is_installer(word, file))?;
    let fetches = matches!(program(words), Some("curl" | "wget"));
    let mut commands = script.commands[at..].iter();
    let shell = if fetches {
        let mut piped =
            commands.skip(1).take(LONGEST_PIPE).take_while(|command| command.link == Link::Pipe);
        piped.find(|command| is_shell(command, script, variables))?
    } else {
        commands.next().filter(|command| is_shell(command, script, variables))?
    };
    let fixed = |demand| Pin::fixed(kind, Manager::Pnpm, demand, url.span.clone());
    if let Some(word) = shell.assignment(VERSION) {
        let word = script.resolve(&word, variables);
        return Some(Pin::from_word(kind, Manager::Pnpm, &word.text, &word, file));
    }
    Some(match script.variable(VERSION, variables) {
        Lookup::Set(variable) => {
            let span = variable.span.clone();
            let used = vec![Use { name: VERSION.to_owned(), span: span.clone() }];
            let word = Resolved { text: variable.text.clone(), span, used, ..Resolved::default() };
            Pin {
                at: url.span.clone(),
                ..Pin::from_word(kind, Manager::Pnpm, &variable.text, &word, file)
            }
        }
        Lookup::Unset => fixed(Demand::Newest),
        Lookup::Offered | Lookup::Unknown => fixed(Demand::Unknown),
    })
}

/// The maximum number of commands of a pipe that are searched for a shell.
const LONGEST_PIPE: usize = 8;

const VERSION: &str = "PNPM_VERSION";

/// Whether a word contains the URL of the installer, which may be in a command substitution.
fn is_installer(word: &Resolved, file: &[u8]) -> bool {
    let has_url = |text: &[u8]| memchr::memmem::find(text, INSTALLER).is_some();
    has_url(word.text.as_bytes())
        || word.is_open && file.get(word.span.clone()).is_some_and(has_url)
}

const INSTALLER: &[u8] = b"get.pnpm.io/install.sh";

fn is_shell(command: &Command<'_>, script: &Script<'_>, variables: Variables<'_, '_>) -> bool {
    let first = command.words().next().map(|word| script.resolve(&word, variables));
    first.as_ref().and_then(Resolved::known).is_some_and(is_shell_name)
}
