#![doc = include_str!("../../docs/rules/package-manager-mismatch.md")]

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashSet};

use semver::Version;

use crate::change::Entry;
use crate::finding::{Severity, Span, Step};
use crate::formats::dockerfile::{self, Variables};
use crate::formats::document::Value;
use crate::formats::shell::Resolved;
use crate::formats::{self, Syntax};
use crate::path::RepoPath;
use crate::rule::{Check, File, Findings, Rule};

/// The row of the rule table.
pub const RULE: Rule = Rule {
    id: "package-manager-mismatch",
    summary: "a Dockerfile that installs another package manager than package.json pins",
    severity: Severity::Error,
    manual: include_str!("../../docs/rules/package-manager-mismatch.md"),
    check: Check::Files { wants, select, judge },
};

const STEPS: &[Step] = &[Step::Stage];

fn wants(path: &RepoPath) -> bool {
    is_manifest(path) || is_dockerfile(path)
}

fn is_manifest(path: &RepoPath) -> bool {
    path.is_named("package.json")
}

/// `Dockerfile`, `Containerfile`, and names made from them: `Dockerfile.prod`, `prod.Dockerfile`.
fn is_dockerfile(path: &RepoPath) -> bool {
    let name = path.file_name();
    let ends =
        |ending: &[u8]| name.len() >= ending.len() && name[name.len() - ending.len()..].eq_ignore_ascii_case(ending);
    let begins = |start: &[u8]| name.get(..start.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(start));
    let made_from = |base: &[u8]| {
        begins(base) && matches!(name.get(base.len()), None | Some(b'.'))
            || ends(base) && name.len().checked_sub(base.len() + 1).is_some_and(|dot| name[dot] == b'.')
    };
    !ends(b".dockerignore") && !ends(b".md") && (made_from(b"dockerfile") || made_from(b"containerfile"))
}

/// A manifest counts only for the Dockerfiles below its directory: in a large workspace, most have none.
fn select(entries: &mut Vec<Entry>) {
    let mut above = HashSet::new();
    for dockerfile in entries.iter().filter(|entry| is_dockerfile(&entry.path)) {
        let mut directory = dockerfile.path.parent();
        while above.insert(directory.to_owned()) && !directory.is_empty() {
            directory = parent(directory);
        }
    }
    entries.retain(|entry| !is_manifest(&entry.path) || above.contains(entry.path.parent()));
}

/// The directory that holds a directory; the top holds itself.
fn parent(directory: &[u8]) -> &[u8] {
    &directory[..directory.iter().rposition(|&byte| byte == b'/').unwrap_or(0)]
}

fn judge(files: &[File], findings: &mut Findings) {
    let mut manifests = Manifests::of(files);
    for file in files.iter().filter(|file| is_dockerfile(&file.path)) {
        let Some((manifest, wanted)) = manifests.governing(&file.path) else { continue };
        // Drift that was there before, and that this change does not touch, does not block it.
        if !file.fresh && !manifest.fresh {
            continue;
        }
        let mut pins = pins(&file.text);
        pins.retain(|_, pin| pin.contradicts(&wanted));
        for pin in pins.values() {
            let message = format!(
                "{} {} is installed here, but {} pins {} {}",
                pin.spec.manager, pin.spec.version, manifest.path, wanted.manager, wanted.version
            );
            findings.place(file, &pin.place, message).cure("make both the same", STEPS);
        }
    }
}

/// An exact version of a package manager.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Spec {
    manager: &'static str,
    version: Version,
}

impl Spec {
    /// `pnpm@10.6.5`; a hash after `+` is left out. Ranges, tags and other packages are no exact versions.
    fn parse(text: &str) -> Option<Self> {
        let (name, version) = text.split_once('@')?;
        let manager = ["npm", "pnpm", "yarn"].into_iter().find(|manager| *manager == name)?;
        let version = version.trim();
        let mut version = Version::parse(version.strip_prefix('v').unwrap_or(version)).ok()?;
        version.build = semver::BuildMetadata::EMPTY;
        Some(Self { manager, version })
    }
}

/// A place where a Dockerfile installs a package manager.
#[derive(Debug)]
struct Pin {
    spec: Spec,
    /// Whether corepack installs it: then it is for the project, while npm upgrades itself for its own sake.
    corepack: bool,
    place: Span,
}

impl Pin {
    fn contradicts(&self, wanted: &Spec) -> bool {
        if self.spec.manager == wanted.manager {
            self.spec.version.cmp_precedence(&wanted.version) != Ordering::Equal
        } else {
            self.corepack || self.spec.manager != "npm"
        }
    }
}

/// The manifests of a change by their directories.
struct Manifests<'a> {
    files: BTreeMap<&'a [u8], &'a File>,
    /// Those that were looked at already.
    fields: BTreeMap<&'a [u8], Field>,
}

/// What the `packageManager` of a manifest says.
#[derive(Debug, Clone)]
enum Field {
    /// Nothing: the manifest further up decides.
    Absent,
    /// Something that corepack refuses.
    Invalid,
    Exact(Spec),
}

impl<'a> Manifests<'a> {
    fn of(files: &'a [File]) -> Self {
        let files = files.iter().filter(|file| is_manifest(&file.path));
        Self { files: files.map(|file| (file.path.parent(), file)).collect(), fields: BTreeMap::new() }
    }

    /// The manifest that decides for this file, and what it pins: found upward from its directory, as corepack does.
    fn governing(&mut self, path: &'a RepoPath) -> Option<(&'a File, Spec)> {
        let mut directory = path.parent();
        loop {
            if let Some(file) = self.files.get(directory).filter(|_| !is_installed_package(directory)) {
                match self.fields.entry(directory).or_insert_with(|| field(&file.text)) {
                    Field::Absent => {}
                    Field::Invalid => return None,
                    Field::Exact(spec) => return Some((file, spec.clone())),
                }
            }
            if directory.is_empty() {
                return None;
            }
            directory = parent(directory);
        }
    }
}

/// Whether a directory is a package in `node_modules`, where corepack does not look.
fn is_installed_package(directory: &[u8]) -> bool {
    let mut parts = directory.rsplit(|&byte| byte == b'/');
    parts.next();
    matches!(parts.find(|part| !part.starts_with(b"@")), Some(b"node_modules"))
}

fn field(text: &[u8]) -> Field {
    let Ok(root) = formats::parse(Syntax::Json, text) else { return Field::Invalid };
    // Of a key that is there twice, JSON.parse takes the last.
    let Some(node) = root.get("packageManager").last() else { return Field::Absent };
    match &node.value {
        Value::Text(spec) if spec.is_empty() => Field::Absent,
        Value::Text(spec) => Spec::parse(spec).map_or(Field::Invalid, Field::Exact),
        Value::Other if [&b"null"[..], b"false", b"0"].contains(&&text[node.span.clone()]) => Field::Absent,
        _ => Field::Invalid,
    }
}

/// The package managers that a Dockerfile installs, by their places: one that is written once and used twice is one.
fn pins(text: &[u8]) -> BTreeMap<(usize, &'static str), Pin> {
    let mut pins: BTreeMap<_, Pin> = BTreeMap::new();
    let mut variables = Variables::default();
    for instruction in dockerfile::parse(text) {
        variables.apply(&instruction);
        let script = instruction.script();
        for command in &script.commands {
            let mut words = command.words().map(|word| script.resolve(&word, |name| variables.get(name)));
            let program = words.next().flatten().map(|word| word.text);
            let program = program.as_deref().and_then(|path| path.rsplit('/').next());
            let found = match program {
                Some("npm") => installed_by_npm(words),
                Some("corepack") => installed_by_corepack(words),
                _ => continue,
            };
            for (word, spec) in found {
                let version = word.text.split_once('@').map_or("", |(_, version)| version);
                let place = word.place(version.split('+').next().unwrap_or_default(), text);
                let pin = pins.entry((place.start, spec.manager)).or_insert(Pin { spec, corepack: false, place });
                pin.corepack |= program == Some("corepack");
            }
        }
    }
    pins
}

/// `corepack prepare X --activate` and `corepack install --global X`. Without these flags nothing becomes the default.
fn installed_by_corepack(mut words: impl Iterator<Item = Option<Resolved>>) -> Vec<(Resolved, Spec)> {
    let flag = match words.next().flatten().as_ref().map(|verb| verb.text.as_str()) {
        Some("prepare") => ["--activate", "--activate"],
        Some("install") => ["--global", "-g"],
        _ => return Vec::new(),
    };
    let mut found = Vec::new();
    let mut default = false;
    for word in words.flatten() {
        match word.text.as_str() {
            "--cache-only" => return Vec::new(),
            text if flag.contains(&text) => default = true,
            text => found.extend(Spec::parse(text).map(|spec| (word, spec))),
        }
    }
    if default { found } else { Vec::new() }
}

/// How npm lets `install` be spelled.
const INSTALL: [&str; 12] =
    ["install", "add", "i", "in", "ins", "inst", "insta", "instal", "isnt", "isnta", "isntal", "isntall"];

/// The options of npm that take the next word for their value; from npm's own definitions.
const WITH_VALUE: &str = "access auth-type before C ca cache cache-max cache-min cafile cert cpu depth fetch-retries \
    fetch-retry-factor fetch-retry-maxtimeout fetch-retry-mintimeout fetch-timeout globalconfig https-proxy include \
    install-strategy key L libc local-address location loglevel logs-dir logs-max maxsockets min-release-age \
    node-options noproxy omit only os otp prefix proxy reg registry scope script-shell tag userconfig w workspace";

/// The letters that npm lets stand together behind one dash.
const LETTERS: &str = "?BCDEHLOPSacdfghlmnpqsvwy";

/// `npm install --global X`, in every order and spelling. A word that is not known is no package, but may be a value.
fn installed_by_npm(words: impl Iterator<Item = Option<Resolved>>) -> Vec<(Resolved, Spec)> {
    let mut found = Vec::new();
    let mut global = false;
    let mut verb = false;
    let mut options = true;
    let mut words = words.peekable();
    while let Some(word) = words.next() {
        let Some(word) = word else { continue };
        let dashes = word.text.bytes().take_while(|&byte| byte == b'-').count();
        let option = &word.text[dashes..];
        if options && dashes > 1 && option.is_empty() {
            options = false;
        } else if options && dashes > 0 && !option.is_empty() {
            let (name, given) = option.split_once('=').map_or((option, None), |(name, value)| (name, Some(value)));
            let switch = matches!(name, "global" | "g");
            let takes_value = WITH_VALUE.split(' ').any(|known| known == name);
            let next = words.next_if(|next| match next {
                _ if given.is_some() => false,
                Some(next) if switch => matches!(next.text.as_str(), "true" | "false"),
                Some(next) => takes_value && !next.text.starts_with('-'),
                None => takes_value,
            });
            let value = given.or(next.as_ref().and_then(|next| Some(next.as_ref()?.text.as_str())));
            match name {
                _ if switch => global = value != Some("false"),
                "no-global" | "local" => global = false,
                "location" | "L" => global = value == Some("global"),
                _ if takes_value => {}
                _ if dashes == 1 && name.contains('g') && name.chars().all(|letter| LETTERS.contains(letter)) => {
                    global = true;
                }
                _ => {}
            }
        } else if verb {
            found.extend(Spec::parse(&word.text).map(|spec| (word, spec)));
        } else if INSTALL.contains(&word.text.as_str()) {
            verb = true;
        } else {
            return Vec::new();
        }
    }
    if global { found } else { Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::RULE;
    use crate::engine::tests::{Fake, transcript};

    const MANIFEST: &str = r#"{"packageManager": "pnpm@10.6.5+sha512.abc"}"#;

    /// What is said about a Dockerfile beside a manifest that pins pnpm 10.6.5: `line:column version`.
    fn judged(dockerfile: &str) -> Vec<String> {
        let change = Fake::default().file("package.json", MANIFEST).file("Dockerfile", dockerfile);
        let told = transcript(&RULE, &change);
        told.iter()
            .map(|line| {
                line.strip_prefix("Dockerfile:")
                    .and_then(|line| line.strip_suffix(" is installed here, but package.json pins pnpm 10.6.5"))
                    .map_or_else(|| line.clone(), |line| line.replace(": ", " "))
            })
            .collect()
    }

    #[test]
    fn the_finding_names_both_sides() {
        let change = Fake::default()
            .file("package.json", r#"{"packageManager": "yarn@1.22.22"}"#)
            .file("backend/package.json", MANIFEST)
            .file("backend/docker/Dockerfile.prod", "FROM node\nRUN corepack enable && \\\n    npm i -g pnpm@9.15.0\n");
        assert_eq!(
            transcript(&RULE, &change),
            [
                "backend/docker/Dockerfile.prod:3:19: pnpm 9.15.0 is installed here, but backend/package.json pins pnpm 10.6.5"
            ]
        );
    }

    #[test]
    fn every_spelling_of_an_install() {
        for run in [
            "npm install -g pnpm@9.15.0",
            "npm i -g pnpm@9.15.0",
            "npm -g i pnpm@9.15.0",
            "npm add pnpm@9.15.0 --global",
            "npm --location=global isntall pnpm@9.15.0",
            "npm i --location global pnpm@9.15.0",
            "npm i -L global pnpm@9.15.0",
            "npm i -gf pnpm@9.15.0",
            "npm i --global=true pnpm@9.15.0",
            "npm i -g --no-audit --loglevel error typescript@5.0.0 'pnpm@9.15.0'",
            "npm --registry $REGISTRY --prefix /usr/local i -g pnpm@9.15.0",
            "npm i -g -- pnpm@9.15.0",
            "npm i -g \"pnpm@v9.15.0\"",
            "/usr/bin/npm i -g pnpm@9.15.0+sha512.abc",
            "corepack prepare pnpm@9.15.0 --activate",
            "corepack prepare --activate yarn@$YARN pnpm@9.15.0+sha256.abc",
            "corepack install -g pnpm@9.15.0",
            "corepack install --global pnpm@9.15.0",
            "if true; then A=b sudo -E npm i -g pnpm@9.15.0 2>&1 >/dev/null; fi",
            "echo $(date) && (cd /app; npm i -g pnpm@9.15.0) # done",
            "--mount=type=cache,target=/home/node/.npm --network=host npm i -g pnpm@9.15.0",
            "[\"npm\", \"i\", \"-g\", \"pnpm@9.15.0\"]",
        ] {
            let column = run.find("9.15.0").unwrap() + 5 - usize::from(run.contains("@v"));
            assert_eq!(judged(&format!("FROM node\nRUN {run}")), [format!("2:{column} pnpm 9.15.0")], "{run}");
        }
    }

    #[test]
    fn what_pins_nothing_passes() {
        for run in [
            "corepack enable",
            "corepack prepare pnpm@10.6.5 --activate",
            "corepack prepare pnpm@9.15.0",
            "corepack install -g --cache-only pnpm@9.15.0",
            "corepack use pnpm@9.15.0",
            "npm install pnpm@9.15.0",
            "npm i -g --global=false pnpm@9.15.0",
            "npm i -g --tag pnpm@9.15.0",
            "npm run i -g pnpm@9.15.0",
            "npm i -g pnpm@9 pnpm@^9.15.0 pnpm@latest pnpm pnpm@ pnpm@9.15 pnpm@>=9.15.0",
            "npm i -g pnpm@$UNKNOWN pnpm@${V:-9.15.0} pnpm@$(cat v) pnpm@`cat v` 'pnpm@$V'",
            "npm i -g @pnpm/exe@9.15.0 pnpm-x@9.15.0 npm:pnpm@9.15.0 PNPM@9.15.0",
            "npm i -g npm@11.0.0",
            "echo corepack prepare pnpm@9.15.0 --activate",
            "echo 'a && npm i -g pnpm@9.15.0'",
            "true # && npm i -g pnpm@9.15.0",
            "[\"npm\", \"i\", \"-g\", \"pnpm@$V\"]",
            "V=9.14.0 && npm i -g pnpm@$V",
            "for V in 9.14.0; do npm i -g pnpm@$V; done",
            "npm i -g pnpm@10.6.5+sha1.other",
        ] {
            assert_eq!(judged(&format!("FROM node\nENV V=9.15.0\nRUN {run}")), [""; 0], "{run}");
        }
    }

    #[test]
    fn another_manager_is_a_mismatch_but_npm_may_upgrade_itself() {
        assert_eq!(judged("RUN npm i -g yarn@1.22.22 npm@11.0.0"), ["1:19 yarn 1.22.22"]);
        assert_eq!(judged("RUN corepack prepare npm@11.0.0 --activate"), ["1:26 npm 11.0.0"]);
    }

    #[test]
    fn variables_of_the_same_stage_are_followed_to_where_they_are_set() {
        for (dockerfile, told) in [
            ("FROM node\nARG V=9.15.0\nRUN npm i -g pnpm@$V", &["2:7 pnpm 9.15.0"][..]),
            ("FROM node\nARG V=\"9.15.0\"\nENV W=${V}\nRUN npm i -g pnpm@$W pnpm@${W}", &["2:8 pnpm 9.15.0"]),
            ("FROM node\nENV PM pnpm@9.15.0\nRUN npm i -g \"$PM\"", &["2:13 pnpm 9.15.0"]),
            ("FROM node\nENV M=15\nRUN npm i -g pnpm@9.$M.0", &["3:14 pnpm 9.15.0"]),
            ("FROM node\nENV V=9.15.0\nRUN npm i -g pnpm@$V npm@$V", &["2:7 pnpm 9.15.0"]),
            // ENV wins over ARG, before or after it.
            ("FROM node\nENV V=10.6.5\nARG V=9.15.0\nRUN npm i -g pnpm@$V", &[]),
            // An instruction is evaluated as a whole.
            ("FROM node\nENV V=9.15.0\nENV V=10.6.5 W=$V\nRUN npm i -g pnpm@$W", &["2:7 pnpm 9.15.0"]),
            // Not decided in this stage, or not before.
            ("ARG V=9.15.0\nFROM node\nARG V\nRUN npm i -g pnpm@$V", &[]),
            ("ARG V=9.15.0\nFROM node\nRUN npm i -g pnpm@$V", &[]),
            ("FROM node\nARG V=9.15.0\nFROM node\nRUN npm i -g pnpm@$V", &[]),
            ("FROM node\nRUN npm i -g pnpm@$V\nENV V=9.15.0", &[]),
            ("FROM node\nARG V=9.15.0\nARG V\nRUN npm i -g pnpm@$V", &[]),
            // What the image underneath sets wins over an ARG.
            ("FROM node AS a\nENV V=10.6.5\nFROM a\nARG V=9.15.0\nRUN npm i -g pnpm@$V", &[]),
            ("FROM node\nARG YARN_VERSION=9.15.0\nRUN npm i -g pnpm@$YARN_VERSION", &[]),
        ] {
            assert_eq!(judged(dockerfile), told, "{dockerfile}");
        }
    }

    #[test]
    fn the_manifest_is_found_as_corepack_finds_it() {
        let dockerfile = "RUN npm i -g pnpm@9.15.0";
        let judged = |manifests: &[(&str, &str)]| {
            let change = Fake::default().file("a/b/c/Dockerfile", dockerfile);
            let change = manifests
                .iter()
                .fold(change, |change, (path, field)| change.file(path, &format!("{{\"name\": \"x\"{field}}}")));
            transcript(&RULE, &change)
                .iter()
                .map(|line| line.rsplit("but ").next().unwrap().to_owned())
                .collect::<Vec<_>>()
        };
        let other = ", \"packageManager\": \"pnpm@10.6.5\"";
        assert_eq!(judged(&[("package.json", other)]), ["package.json pins pnpm 10.6.5"]);
        assert_eq!(judged(&[("a/package.json", other), ("a/b/package.json", "")]), ["a/package.json pins pnpm 10.6.5"]);
        for absent in ["\"\"", "null", "false"] {
            let absent = format!(", \"packageManager\": {absent}");
            assert_eq!(
                judged(&[("package.json", other), ("a/package.json", &absent)]),
                ["package.json pins pnpm 10.6.5"]
            );
        }
        for invalid in
            ["\"pnpm@10\"", "\"pnpm\"", "\"pnpm@^10.6.5\"", "\"bun@1.0.0\"", "{}", "\"pnpm@https://x\"", "1]"]
        {
            let invalid = format!(", \"packageManager\": {invalid}");
            assert_eq!(judged(&[("package.json", other), ("a/package.json", &invalid)]), [""; 0], "{invalid}");
        }
        let odd = ", \"packageManager\": \"yarn@1.0.0\", \"packageManager\": \"pnpm@ v10.6.5\\n\"";
        assert_eq!(judged(&[("a/b/c/package.json", odd)]), ["a/b/c/package.json pins pnpm 10.6.5"]);
        assert_eq!(judged(&[("b/package.json", other), ("a/b/c/d/package.json", other)]), [""; 0]);
    }

    #[test]
    fn packages_that_were_installed_are_no_manifests_of_the_project() {
        for (path, told) in
            [("node_modules/x", 0), ("node_modules/@s/x", 0), ("node_modules/x/y", 1), ("modules/@s/x", 1)]
        {
            let change = Fake::default()
                .file(&format!("{path}/package.json"), MANIFEST)
                .file(&format!("{path}/Dockerfile"), "RUN npm i -g pnpm@9.15.0");
            assert_eq!(transcript(&RULE, &change).len(), told, "{path}");
        }
    }

    #[test]
    fn drift_that_this_change_does_not_touch_does_not_block_it() {
        let old = || {
            Fake::default()
                .old("a/Dockerfile", "RUN npm i -g pnpm@9.15.0")
                .old("a/package.json", MANIFEST)
                .file("b/package.json", MANIFEST)
        };
        assert_eq!(transcript(&RULE, &old()), [""; 0]);
        assert_eq!(transcript(&RULE, &old().file("b/Dockerfile", "RUN npm i -g pnpm@9.15.0")).len(), 1);
        assert_eq!(transcript(&RULE, &old().old("b/Dockerfile", "RUN npm i -g pnpm@9.15.0")).len(), 1);
    }

    #[test]
    fn the_names_of_dockerfiles() {
        for (name, told) in [
            ("Dockerfile", 1),
            ("dockerfile", 1),
            ("Containerfile", 1),
            ("Dockerfile.prod", 1),
            ("web.Dockerfile", 1),
            ("web.dockerfile", 1),
            ("Dockerfile.dockerignore", 0),
            ("Dockerfile.md", 0),
            ("NotADockerfile", 0),
            ("Dockerfiles", 0),
        ] {
            let change = Fake::default().file("package.json", MANIFEST).file(name, "RUN npm i -g pnpm@9.15.0");
            assert_eq!(transcript(&RULE, &change).len(), told, "{name}");
        }
    }

    #[test]
    fn what_comes_from_a_file_is_safe_to_print() {
        let change = Fake::default()
            .file("\u{1b}[2J/package.json", MANIFEST)
            .file("\u{1b}[2J/Dockerfile", "RUN npm i -g pnpm@9.15.0-\u{1b}x pnpm@9.15.0");
        assert_eq!(
            transcript(&RULE, &change),
            [
                "\\u{001b}[2J/Dockerfile:1:34: pnpm 9.15.0 is installed here, but \\u{001b}[2J/package.json pins pnpm 10.6.5"
            ]
        );
    }

    #[test]
    fn a_hostile_file_is_judged_to_its_end() {
        let many = |text: &str| text.repeat(100_000);
        for text in [
            format!("RUN npm i -g {}", many("pnpm@9.15.0 ")),
            format!("RUN npm i -g {} pnpm@9.15.0", many("${")),
            format!("RUN npm i -g {} pnpm@9.15.0", many("\"$(`")),
            format!("RUN npm i -g {}", many("$A")),
            format!("FROM a\nENV A=x\n{}", many("ENV A=$A$A\n")),
            format!("FROM a\nENV A=\n{}RUN npm i -g pnpm@9.15.0$A", many("ENV A=$A$A\n")),
            many("RUN <<A <<B\n"),
            format!("RUN <<A\n{}", many("cat <<A <<B\n")),
            many("RUN \\\n"),
            format!("RUN [{}", many("[")),
            many("FROM a\nENV A=1\n"),
        ] {
            assert!(judged(&text).len() <= 101);
        }
    }
}
