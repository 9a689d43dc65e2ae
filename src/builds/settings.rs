//! The settings of npm that an install reads: their registries, and the variables in them.

use std::collections::BTreeSet;
use std::rc::Rc;

use crate::base::finding::Span;
use crate::builds::build::Build;
use crate::builds::installs::Installer;
use crate::builds::model::Builds;
use crate::builds::visits::{InEffect, Visit};
use crate::edit::dockerfile::is_argument;
use crate::formats::npmrc::{SettingsDialect, settings};
use crate::formats::shell::{Lookup, Resolved, expand};
use crate::pins::{Demand, Manager, Pin, PinKind, may_declare};
use crate::project::kinds::FileKind;

/// A setting of an `.npmrc`, or of a file that is copied over one.
#[derive(Debug, Clone)]
pub(crate) struct NpmSetting {
    pub role: SettingRole,
    /// The key, without quotes.
    pub key: String,
    /// The place of the key.
    pub span: Span,
    /// The place of the value.
    pub value: Span,
    /// The variables in the key and in the value.
    pub variables: Vec<Reference>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SettingRole {
    /// `registry`, or `@scope:registry`.
    Registry,
    /// A setting for a host, such as `//host/:_authToken`.
    Host,
    Other,
}

/// A variable in a setting.
#[derive(Debug, Clone)]
pub(crate) struct Reference {
    pub name: String,
    pub span: Span,
    /// `${NAME-default}`, or `${NAME?}`, which may be unset.
    pub is_optional: bool,
    /// The role of the setting.
    pub role: SettingRole,
    /// Whether it is in the value of a setting for a host, so a secret.
    pub is_credential: bool,
}

/// The maximum number of settings of a file, and of variables of a setting, that are judged. A
/// hostile file could have any number.
const MAX_SETTINGS: usize = 1000;
const MAX_VARIABLES: usize = 100;

/// The longest variable with its default that is judged, in bytes.
const LONGEST_VARIABLE: usize = 1024;

/// The settings of a file, by its number.
pub(crate) fn npm_settings(builds: &Builds, file: usize) -> Rc<Vec<NpmSetting>> {
    builds.project.files()[file].view(|file| parse(&file.text))
}

fn parse(text: &[u8]) -> Vec<NpmSetting> {
    let setting = |span: Span, value: Span| {
        let key = String::from_utf8_lossy(text.get(span.clone()).unwrap_or_default());
        let key = key.trim_matches(['"', '\'']).to_owned();
        let role = if key == "registry" || key.starts_with('@') && key.ends_with(":registry") {
            SettingRole::Registry
        } else if key.starts_with("//") {
            SettingRole::Host
        } else {
            SettingRole::Other
        };
        let mut variables = references(text, &span, role, false);
        variables.extend(references(text, &value, role, role == SettingRole::Host));
        NpmSetting { role, key, span, value, variables }
    };
    let settings = settings(SettingsDialect::Npmrc, text).into_iter().take(MAX_SETTINGS);
    settings.map(|found| setting(found.key, found.value)).collect()
}

/// The variables in a part of a file. A backslash before one escapes it.
fn references(text: &[u8], part: &Span, role: SettingRole, is_credential: bool) -> Vec<Reference> {
    let bytes = text.get(part.clone()).unwrap_or_default();
    let starts = memchr::memmem::find_iter(bytes, "${");
    let reference = |at: usize| {
        let before = bytes.get(..at)?;
        let escapes = before.iter().rev().take_while(|byte| **byte == b'\\').count();
        let inside = bytes.get(at + 2..(at + LONGEST_VARIABLE).min(bytes.len()))?;
        let length = inside.iter().position(|byte| b":-?=+${}".contains(byte))?;
        let end = at + 3 + memchr::memchr(b'}', inside)?;
        let name = std::str::from_utf8(inside.get(..length)?).ok()?.to_owned();
        (escapes % 2 == 0 && !name.is_empty()).then(|| Reference {
            name,
            span: part.start + at..part.start + end,
            is_optional: inside.get(length) != Some(&b'}'),
            role,
            is_credential,
        })
    };
    starts.take(MAX_VARIABLES).filter_map(reference).collect()
}

/// A registry that an install asks.
#[derive(Debug)]
pub(crate) struct Registry {
    /// The number of the file that names it.
    pub file: usize,
    /// The place of the URL.
    pub span: Span,
    pub url: Resolved,
    /// For a file of settings, what brings it, in the Dockerfile.
    pub brought: Option<Span>,
}

impl Registry {
    /// The host without a port; `None` if it is unknown.
    pub(crate) fn host(&self) -> Option<&str> {
        if !self.url.unset.is_empty() {
            return None;
        }
        let (_, rest) = self.url.text.split_once("//")?;
        let end = rest.find(['/', '?', '#']);
        let authority = rest.get(..end.unwrap_or(rest.len()))?;
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        let length = match host.strip_prefix('[') {
            Some(inside) => inside.find(']').map(|at| at + 2),
            None => host.find(':'),
        };
        let is_whole = length.is_some() || end.is_some() || !self.url.is_open;
        host.get(..length.unwrap_or(host.len())).filter(|host| is_whole && !host.is_empty())
    }
}

/// Whether a host name is that of the machine itself.
pub(crate) fn is_loopback(host: &str) -> bool {
    let name = host.trim_end_matches('.').to_ascii_lowercase();
    let is_address = |name: &str| name.parse().is_ok_and(|v4: std::net::Ipv4Addr| v4.is_loopback());
    name == "localhost"
        || name.ends_with(".localhost")
        || matches!(&*name, "[::1]" | "0.0.0.0")
        || is_address(&name)
}

/// The variables that name the registry, before any file.
const REGISTRY_VARIABLES: [&str; 2] = ["NPM_CONFIG_REGISTRY", "npm_config_registry"];

/// The registries that an install asks, as far as they are known.
pub(crate) fn registries(builds: &Builds, build: &Build, visit: &Visit<'_>) -> Vec<Registry> {
    let stage = &visit.install.step.stage;
    let words = &visit.install.command.words;
    let of_dockerfile = |span: &Span, url: Resolved| Registry {
        file: build.dockerfile,
        span: span.clone(),
        url,
        brought: None,
    };
    let mut found = Vec::new();
    let flag = |word: &&Resolved| word.text == "--registry" || word.text.starts_with("--registry=");
    if let Some(at) = words.iter().position(|word| flag(&word)) {
        let word = if words[at].text.contains('=') { words.get(at) } else { words.get(at + 1) };
        found.extend(word.map(|word| of_dockerfile(&word.span, word.clone())));
    } else if let Some((name, variable)) = REGISTRY_VARIABLES
        .iter()
        .find_map(|name| match stage.lookup(name) {
            Lookup::Set(variable) => Some((*name, variable)),
            _ => None,
        })
        .filter(|(name, _)| !visit.install.run.assigned.contains(*name))
    {
        let (file, span) = source_of(build, name, &variable.span);
        let url =
            Resolved { text: variable.text.clone(), span: span.clone(), ..Resolved::default() };
        found.push(Registry { file, span, url, brought: None });
    }
    let has_own = !found.is_empty();
    for set in &*visit.image.configured {
        let is_registry = set.key == "registry" && !has_own || set.key.ends_with(":registry");
        if is_registry && !visit.image.has_other_settings {
            let url = Resolved { text: set.text().to_owned(), ..set.value.clone() };
            found.push(of_dockerfile(&set.value.span, url));
        }
    }
    for effective in visit.settings() {
        found.extend(of_file(builds, visit, &effective, has_own));
    }
    found
}

/// The registries of a file of settings.
fn of_file(
    builds: &Builds,
    visit: &Visit<'_>,
    effective: &InEffect<'_>,
    has_own: bool,
) -> Vec<Registry> {
    let (number, text) = (effective.image.file, &builds.file(effective.image.file).text);
    let is_asked = |setting: &&NpmSetting| {
        setting.role == SettingRole::Registry && !(has_own && setting.key == "registry")
    };
    let registry = |setting: &NpmSetting| Registry {
        file: number,
        url: expanded(visit, text, &setting.value),
        span: setting.value.clone(),
        brought: Some(effective.image.span.clone()),
    };
    npm_settings(builds, number).iter().filter(is_asked).map(registry).collect()
}

/// A part of a file with its variables as they are at an install.
pub(crate) fn expanded(visit: &Visit<'_>, text: &[u8], part: &Span) -> Resolved {
    let bytes = text.get(part.clone()).unwrap_or_default();
    let run = visit.install.run;
    expand(bytes, b'\\', part.clone(), &|name| {
        let lookup = visit.install.step.stage.lookup(name);
        match visit.has_variable(name) {
            // The script or a secret sets it.
            Some(true) if run.assigned.contains(name) || lookup == Lookup::Unset => Lookup::Unknown,
            None => Lookup::Unknown,
            _ => lookup,
        }
    })
}

/// The file and the place of the value of a variable of a stage: that of a build argument is in
/// the file of the caller.
pub(crate) fn source_of(build: &Build, name: &str, span: &Span) -> (usize, Span) {
    let Some(origin) = build.origin.as_ref().filter(|_| span.is_empty()) else {
        return (build.dockerfile, span.clone());
    };
    let given = build.given.arguments.iter().rev().find(|(known, _)| known == name);
    let own = given.and_then(|(_, value)| Some(&value.as_ref()?.span));
    (origin.file, own.filter(|own| !own.is_empty()).unwrap_or(&origin.span).clone())
}

/// How builds reach a registry on this machine: the only argument that a caller gives for a host,
/// with its value; else the name that Docker has for the machine.
pub(crate) fn reachable_host<'b>(
    builds: impl Iterator<Item = &'b Build>,
) -> (Option<String>, String) {
    let is_host = |text: &str| {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-".contains(&byte);
        text.contains('.') && text.bytes().all(is_plain) && !is_loopback(text)
    };
    let arguments = builds.flat_map(|build| &build.given.arguments);
    let hosts = arguments.filter_map(|(name, value)| {
        let value = &value.as_ref()?.text;
        (name.contains("HOST") && is_argument(name) && is_host(value))
            .then(|| (name.clone(), value.clone()))
    });
    let mut hosts: Vec<(String, String)> = hosts.collect();
    hosts.sort_unstable();
    hosts.dedup();
    match <[_; 1]>::try_from(hosts) {
        Ok([(name, value)]) => (Some(name), value),
        Err(_) => (None, "host.docker.internal".to_owned()),
    }
}

/// A variable of a file of settings that has no value at an install.
#[derive(Debug)]
pub(crate) struct Unsupplied<'v> {
    pub visit: &'v Visit<'v>,
    /// The number of the file.
    pub file: usize,
    /// What brings it, in the Dockerfile.
    pub brought: Span,
    pub reference: Reference,
}

/// The variables without a value, each at the first install that lacks it.
pub(crate) fn unsupplied<'v>(builds: &Builds, visits: &'v [Visit<'v>]) -> Vec<Unsupplied<'v>> {
    let mut found = Vec::new();
    let mut known = BTreeSet::new();
    for visit in visits {
        for effective in visit.settings() {
            let file = effective.image.file;
            let settings = npm_settings(builds, file);
            for reference in settings.iter().flat_map(|setting| &setting.variables) {
                if !reference.is_optional
                    && visit.has_variable(&reference.name) == Some(false)
                    && known.insert((file, reference.name.clone()))
                {
                    let brought = effective.image.span.clone();
                    let reference = reference.clone();
                    found.push(Unsupplied { visit, file, brought, reference });
                }
            }
        }
    }
    found
}

/// The versions that may install: that of the manifest in the image, else those of the Dockerfile,
/// else those of all manifests of the context.
pub(crate) fn demands<'b>(
    builds: &'b Builds,
    build: &'b Build,
    visit: &Visit<'_>,
) -> Vec<&'b Demand> {
    let manager = match visit.install.installer {
        Installer::Npm => Manager::Npm,
        Installer::Pnpm => Manager::Pnpm,
        Installer::Yarn => Manager::Yarn,
        Installer::Bun => return Vec::new(),
    };
    let field = |file: usize| {
        let pins = builds.pins_of_file(file).pins.iter();
        let is_field = |pin: &&Pin| pin.kind == PinKind::PackageManager && pin.manager == manager;
        pins.filter(is_field)
    };
    let own: Vec<&Pin> = builds
        .pins_of(build)
        .pins
        .iter()
        .filter(|pin| pin.manager == manager && !pin.is_exempt && !pin.kind.runs_once())
        .collect();
    let declared: Vec<&Pin> =
        visit.manifest().map(|manifest| field(manifest.file).collect()).unwrap_or_default();
    let pins: Vec<&Pin> = if !declared.is_empty() {
        // Corepack runs the declared version; another installation may not.
        let others = own.into_iter().filter(|pin| !pin.kind.is_corepack());
        declared.into_iter().chain(others).collect()
    } else if !own.is_empty() {
        own
    } else {
        let context = build.context.as_ref().map(|context| context.path(""));
        let files = builds.project.files().iter().enumerate();
        let inside = files.filter(|(_, source)| {
            let path = source.file.path.as_bytes();
            FileKind::Manifest.matches(&source.file.path)
                && may_declare(source)
                && context.as_ref().is_some_and(|context| path.starts_with(context.as_bytes()))
        });
        inside.flat_map(|(file, _)| field(file)).collect()
    };
    pins.into_iter().map(|pin| &pin.demand).collect()
}

/// The major version that all demands have; `None` if it is unknown.
pub(crate) fn major(demands: &[&Demand]) -> Option<u64> {
    let major = |demand: &&Demand| match demand {
        Demand::Exact(version) => Some(version.major),
        Demand::Range(range) => {
            let text = range.trim_start_matches(['^', '~', 'v']);
            let is_plain = text.bytes().all(|byte| byte.is_ascii_digit() || b".x*".contains(&byte));
            text.split('.').next().filter(|_| is_plain)?.parse().ok()
        }
        _ => None,
    };
    let first = major(demands.first()?)?;
    demands.iter().all(|demand| major(demand) == Some(first)).then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_has_its_role_and_its_variables() {
        let text = "registry=http://${A}/\n'@s:registry' = ${B}:${C-x}\n//${D}/:_authToken=${E:-}\n\
                    a=\\${F}\nb=${}\nc=${G\n@s:x=${H?}\n# ${I}\n";
        let shown: Vec<String> = parse(text.as_bytes())
            .iter()
            .map(|setting| {
                let variables = setting.variables.iter().map(|variable| {
                    let written = text.get(variable.span.clone()).unwrap();
                    let optional = if variable.is_optional { "?" } else { "" };
                    let secret = if variable.is_credential { "!" } else { "" };
                    format!(" {written}={}{optional}{secret}", variable.name)
                });
                format!("{:?} {}{}", setting.role, setting.key, variables.collect::<String>())
            })
            .collect();
        assert_eq!(
            shown,
            [
                "Registry registry ${A}=A",
                "Registry @s:registry ${B}=B ${C-x}=C?",
                "Host //${D}/:_authToken ${D}=D ${E:-}=E?!",
                "Other a",
                "Other b",
                "Other c",
                "Other @s:x ${H?}=H?",
            ]
        );
    }

    #[test]
    fn a_host_is_known_once_the_text_after_it_is() {
        let host = |text: &str, is_open: bool| {
            let url = Resolved { text: text.to_owned(), is_open, ..Resolved::default() };
            let registry = Registry { file: 0, span: 0..0, url, brought: None };
            registry.host().map(|host| (host.to_owned(), is_loopback(host)))
        };
        let found = |name: &str, loopback| Some((name.to_owned(), loopback));
        for (text, is_open, expected) in [
            ("http://localhost:3300/x", false, found("localhost", true)),
            ("http://localhost", false, found("localhost", true)),
            ("http://localhost", true, None),
            ("http://localhost:", true, found("localhost", true)),
            ("http://127.0.0.2/", true, found("127.0.0.2", true)),
            ("http://[::1]:80/", false, found("[::1]", true)),
            ("http://u:p@npm.example/localhost", false, found("npm.example", false)),
            ("http://x.LOCALHOST./", false, found("x.LOCALHOST.", true)),
            ("http://127.example/", false, found("127.example", false)),
            ("npm.example", false, None),
            ("http://", false, None),
        ] {
            assert_eq!(host(text, is_open), expected, "{text}");
        }
    }

    #[test]
    fn demands_have_a_major_version_if_all_agree() {
        let parsed =
            |texts: &[&str]| texts.iter().map(|text| Demand::parse(text)).collect::<Vec<_>>();
        for (texts, expected) in [
            (&["10.6.5"][..], Some(10)),
            (&["^10.1", "10.6.5"], Some(10)),
            (&["10", "~10.2.x"], Some(10)),
            (&["10.6.5", "11.0.0"], None),
            (&[">=10"], None),
            (&["10 || 11"], None),
            (&["latest"], None),
            (&[""], None),
            (&[], None),
        ] {
            let demands = parsed(texts);
            assert_eq!(major(&demands.iter().collect::<Vec<_>>()), expected, "{texts:?}");
        }
    }
}
