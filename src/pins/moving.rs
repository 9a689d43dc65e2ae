//! Moves pins to another version. Only the bytes of versions change, and only if the result is read
//! back as intended.

use std::collections::{BTreeMap, HashMap};

use semver::Version;

use crate::base::change::File;
use crate::base::edit::Edit;
use crate::base::finding::Span;
use crate::edit::apply_checked;
use crate::pins::agreement::{PinId, PinTable, Row};
use crate::pins::pin::{
    Demand, Fault, FilePins, Manager, Pin, PinKind, Role, Strictness, accepts, exact, hash,
    satisfies,
};

/// The version that pins are moved to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NewVersion {
    pub manager: Manager,
    pub version: Version,
    /// The part after its `+`; may be empty.
    pub hash: String,
}

impl NewVersion {
    /// Parses `pnpm@10.8.0`, which may have a hash after `+`; the error is the reason.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        if exact(text).is_some() {
            return Err("the package manager is missing");
        }
        let (name, written) = text.split_once('@').unwrap_or((text, ""));
        let manager = Manager::from_name(name).ok_or("it must begin with npm@, pnpm@ or yarn@")?;
        let version = exact(written).ok_or("an exact version must follow, such as 10.8.0")?;
        Ok(Self { manager, version, hash: hash(written) })
    }

    /// The version of a pin, if it is exact.
    pub(crate) fn from_pin(pin: &Pin) -> Option<Self> {
        let Demand::Exact(version) = &pin.demand else { return None };
        Some(Self { manager: pin.manager, version: version.clone(), hash: pin.hash.clone() })
    }
}

#[derive(Debug, Default)]
pub(crate) struct MovePlan {
    /// The numbers of the files that change.
    pub files: Vec<usize>,
    pub moved: Vec<PinId>,
    /// The pins that cannot be moved, with the reasons.
    pub unmoved: Vec<(PinId, &'static str)>,
    /// The files and pins after the moves.
    pub after: PinTable,
}

/// Plans to move the pins of each group to the version that `target` returns for its number. Pins
/// that the configuration allows to differ are left.
pub(crate) fn plan(
    table: &PinTable,
    target: impl Fn(usize) -> Option<NewVersion>,
    is_allowed: impl Fn(&Row) -> bool,
) -> MovePlan {
    let mut moves =
        Moves { table, wanted: BTreeMap::new(), edits: Vec::new(), unmoved: BTreeMap::new() };
    let mut variables = SharedVariables { table, known: HashMap::new() };
    for row in &table.rows {
        let pin = table.pin(row.id);
        let target = target(row.group).filter(|target| target.manager == pin.manager);
        let Some(target) = target else { continue };
        match edit(pin, table.file(row.id), &target) {
            Ok(None) => {}
            Ok(Some(_)) if is_allowed(row) => {
                moves.leave(row.id, "the configuration allows another version");
            }
            Ok(Some(_)) if variables.is_shared(row.id) => {
                moves.leave(row.id, "the variable is used for something else as well");
            }
            Ok(Some(edit)) => {
                moves.wanted.insert(row.id, target);
                moves.edits.push((row.id, edit));
            }
            Err(reason) => moves.leave(row.id, reason),
        }
    }
    moves.into_plan()
}

/// The intended moves.
struct Moves<'b> {
    table: &'b PinTable,
    wanted: BTreeMap<PinId, NewVersion>,
    /// In the order of the rows.
    edits: Vec<(PinId, Edit)>,
    unmoved: BTreeMap<PinId, &'static str>,
}

impl Moves<'_> {
    fn leave(&mut self, id: PinId, reason: &'static str) {
        self.unmoved.insert(id, reason);
    }

    /// Applies the edits of every file that is read back as intended.
    fn into_plan(mut self) -> MovePlan {
        let (ids, edits): (Vec<PinId>, Vec<Edit>) =
            std::mem::take(&mut self.edits).into_iter().unzip();
        let is_as_intended = |number, after: &PinTable| self.is_as_intended(number, after);
        let (texts, after) =
            apply_checked(&self.table.project, &edits, PinTable::new, is_as_intended);
        let (mut moved, refused): (Vec<PinId>, Vec<PinId>) =
            ids.into_iter().partition(|id| texts.contains_key(&id.file));
        moved.sort_unstable_by_key(|id| id.file);
        for id in refused {
            self.leave(id, "more than the version would change in its file");
        }
        let files = texts.into_keys().collect();
        MovePlan { files, moved, unmoved: self.unmoved.into_iter().collect(), after }
    }

    /// Whether the edits give a file the intended meaning.
    fn is_as_intended(&self, number: usize, after: &PinTable) -> bool {
        let (old, new) = (&self.table.file_pins[number], &after.file_pins[number]);
        let mut pins = new.pins.iter().enumerate();
        old.pins.len() == new.pins.len()
            && comparable(old) == comparable(new)
            && pins.all(|(pin, new)| self.is_pin_as_intended(PinId { file: number, pin }, new))
    }

    /// Whether the edits give a pin the intended meaning.
    fn is_pin_as_intended(&self, id: PinId, new: &Pin) -> bool {
        let old = self.table.pin(id);
        let (has_demand, hash) = match self.wanted.get(&id) {
            None => (new.demand == old.demand, old.hash.as_str()),
            Some(target) => {
                // A range keeps its operator.
                let is_range =
                    matches!(old.demand, Demand::Range(_)) && old.kind.role() == Role::Declares;
                let has_demand = if is_range || old.kind == PinKind::Engines {
                    accepts_demand(&new.demand, &target.version)
                } else {
                    new.demand == Demand::Exact(target.version.clone())
                };
                (has_demand, hash_for(old, target))
            }
        };
        let flags = |pin: &Pin| (pin.applies_if, pin.is_exempt, pin.bypasses_corepack);
        has_demand
            && new.hash == hash
            && (old.manager, old.kind, old.strictness) == (new.manager, new.kind, new.strictness)
            && (flags(old), &old.directory) == (flags(new), &new.directory)
    }
}

/// The meaning of a file without its pins and places.
fn comparable(found: &FilePins) -> (Vec<&Fault>, bool, bool, Option<&[String]>) {
    let faults = found.faults.iter().chain(&found.blank).map(|(_, fault)| fault).collect();
    (faults, found.uses_corepack, found.decides, found.members.as_deref())
}

/// The edit that moves a pin; `None` if it is not needed, and the reason if it is not safe.
fn edit(pin: &Pin, file: &File, target: &NewVersion) -> Result<Option<Edit>, &'static str> {
    if has_version(pin, target) {
        return Ok(None);
    }
    if let Some(reason) = obstacle(pin, file, target) {
        return Err(reason);
    }
    let span = pin.version.clone().ok_or(UNSAFE)?;
    let (span, text) = match (&pin.demand, pin.kind) {
        (Demand::Range(range), PinKind::Engines | PinKind::DevEngines) => {
            let (span, parts) = parse_bound(range, &span).ok_or("its range is not supported")?;
            (span, with_precision(parts, &target.version))
        }
        _ => (span, replacement(pin, target)),
    };
    file.text.get(span.clone()).ok_or(UNSAFE)?;
    Ok(Some(Edit { path: file.path.clone(), span, text }))
}

const UNSAFE: &str = "its version is written in a way that cannot be changed safely";

/// The hash to write with the version of a pin; may be empty.
fn hash_for<'t>(pin: &Pin, target: &'t NewVersion) -> &'t str {
    let takes_hash = pin.kind == PinKind::PackageManager
        || !pin.hash.is_empty()
        || pin.strictness == Strictness::Text;
    if takes_hash { &target.hash } else { "" }
}

/// Whether a pin already has or accepts a version.
fn has_version(pin: &Pin, target: &NewVersion) -> bool {
    match (&pin.demand, pin.kind) {
        (Demand::Exact(version), PinKind::Engines) => *version == target.version,
        (Demand::Exact(version), _) => {
            let hash = hash_for(pin, target);
            *version == target.version && (hash.is_empty() || pin.hash == hash)
        }
        (Demand::Range(range), PinKind::Engines) => accepts(&target.version, range) == Some(true),
        (Demand::Range(range), PinKind::DevEngines) => {
            satisfies(&target.version, range) == Some(true)
        }
        _ => false,
    }
}

/// Why a pin cannot be moved, regardless of the place of its version.
fn obstacle(pin: &Pin, file: &File, target: &NewVersion) -> Option<&'static str> {
    if pin.is_exempt {
        return Some("it is for another repository, or one of several variants");
    }
    match (&pin.demand, pin.kind) {
        (_, PinKind::YarnPath) => Some("the file that it names must exist: run `yarn set version`"),
        (_, PinKind::Image) if pin.version.is_none() => {
            Some("it is pinned by digest, or has no tag")
        }
        (_, PinKind::Lockfile) => {
            Some("its hashes would be wrong: the package manager updates it at the next install")
        }
        (_, PinKind::Command(_, "download")) if is_checked(&file.text) => {
            Some("its checksum would be wrong: change both by hand")
        }
        (_, kind) if kind.is_from_npm() && is_later_yarn(target, pin, file) => {
            Some("npm has no such version of yarn: use corepack, or `yarn set version`")
        }
        (Demand::Empty(_), _) => {
            Some("the variable is empty where it is used: declare the ARG again in that stage")
        }
        (Demand::Unknown, _) => Some("its version is known only at run time"),
        _ => None,
    }
}

/// Whether a file compares downloads with checksums, one of which may be that of a pin.
fn is_checked(text: &[u8]) -> bool {
    ["sha256sum", "sha512sum", "sha1sum", "shasum", "openssl dgst", "--checksum="]
        .iter()
        .any(|tool| memchr::memmem::find(text, tool.as_bytes()).is_some())
}

/// The text of a version in place of that of a pin.
fn replacement(pin: &Pin, target: &NewVersion) -> String {
    let hash = hash_for(pin, target);
    let sign = if hash.is_empty() { "" } else { "+" };
    format!("{}{}{sign}{hash}", pin.insert_prefix, target.version)
}

/// A version with this many numbers, so that `^9` becomes `^10`.
fn with_precision(parts: usize, version: &Version) -> String {
    match parts {
        _ if !version.pre.is_empty() => version.to_string(),
        1 => version.major.to_string(),
        2 => format!("{}.{}", version.major, version.minor),
        _ => version.to_string(),
    }
}

/// Remembers which variables of which files are shared.
struct SharedVariables<'b> {
    table: &'b PinTable,
    known: HashMap<(usize, Manager, &'b str), bool>,
}

impl SharedVariables<'_> {
    /// Whether the version of a pin comes from one variable, which is also used elsewhere.
    fn is_shared(&mut self, id: PinId) -> bool {
        let (table, pin) = (self.table, self.table.pin(id));
        let [variable] = pin.used.as_slice() else { return false };
        let name = variable.name.rsplit('.').next().unwrap_or_default();
        let known = self.known.entry((id.file, pin.manager, name));
        *known.or_insert_with(|| is_shared(name, pin.manager, table, id.file))
    }
}

/// Whether a variable seems to have other uses in a file than versions of this package manager: it
/// is not named after it, and there is a use outside of its pins.
fn is_shared(name: &str, manager: Manager, table: &PinTable, file: usize) -> bool {
    if name.to_ascii_lowercase().contains(manager.name()) {
        return false;
    }
    let text = &table.project.file(file).text;
    // Sorted by place.
    let pins: Vec<&Pin> =
        table.file_pins[file].pins.iter().filter(|pin| pin.manager == manager).collect();
    let is_in_a_pin = |at: usize| {
        let before = pins.partition_point(|pin| pin.at.start <= at);
        pins[..before].last().is_some_and(|pin| pin.at.contains(&at))
    };
    let is_in_name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let is_use = |at: usize| {
        let before = &text[..at];
        let outer = before.strip_suffix(b"env.").or(before.strip_suffix(b"inputs."));
        let sign = outer.unwrap_or(before).trim_ascii_end();
        let ends = !text.get(at + name.len()).is_some_and(is_in_name);
        ends && sign.strip_suffix(b"{{").or(sign.strip_suffix(b"{")).unwrap_or(sign).ends_with(b"$")
    };
    memchr::memmem::find_iter(text, name).any(|at| is_use(at) && !is_in_a_pin(at))
}

/// Whether a version of Yarn is missing in the package `yarn`, which the pin names.
fn is_later_yarn(target: &NewVersion, pin: &Pin, file: &File) -> bool {
    let other = b"@yarnpkg/cli-dist";
    let word = file.text.get(pin.at.clone());
    let is_other = word.is_some_and(|word| memchr::memmem::find(word, other).is_some());
    target.manager == Manager::Yarn && target.version.major >= 2 && !is_other
}

/// The place of the version in a range that is one version after `^`, `~`, `=`, `>=` or nothing,
/// and how many numbers it has.
fn parse_bound(range: &str, span: &Span) -> Option<(Span, usize)> {
    let version = range.trim_start_matches(['^', '~', '>', '=']);
    let operator = range.strip_suffix(version)?;
    let is_simple = ["", "^", "~", "=", ">="].contains(&operator)
        && version
            .split('.')
            .all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()));
    let parts = version.split('.').count();
    (is_simple && parts <= 3 && span.len() == range.len())
        .then(|| (span.start + operator.len()..span.end, parts))
}

fn accepts_demand(demand: &Demand, version: &Version) -> bool {
    match demand {
        Demand::Exact(exact) => exact == version,
        Demand::Range(range) => accepts(version, range) == Some(true),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> File {
        File { path: path.into(), text: text.into(), fresh: true, replaces: false }
    }

    fn moved(files: Vec<File>, spec: &str) -> (PinTable, MovePlan) {
        let table = PinTable::new(files.into_iter().collect());
        let target = NewVersion::parse(spec).unwrap();
        let plan = plan(&table, |_| Some(target.clone()), |_| false);
        (table, plan)
    }

    /// The text of the only file, moved to pnpm 10.8.0; `None` if it does not change.
    fn moved_text(path: &str, text: &str) -> Option<String> {
        let (_, plan) = moved(vec![file(path, text)], "pnpm@10.8.0");
        let text = |number: &usize| plan.after.project.file(*number).text.clone();
        plan.files.first().map(|number| String::from_utf8(text(number)).unwrap())
    }

    #[test]
    fn only_the_version_changes() {
        for (path, before, after) in [
            (
                "package.json",
                r#"{"packageManager":"pnpm@v10.6.5+sha1.ab","x":"10.6.5"}"#,
                r#"{"packageManager":"pnpm@v10.8.0","x":"10.6.5"}"#,
            ),
            (
                "package.json",
                "{\"packageManager\": \"pnpm@ 10.6.5\\n\"}",
                "{\"packageManager\": \"pnpm@ 10.8.0\\n\"}",
            ),
            (
                "package.json",
                r#"{"engines": {"pnpm": ">=11"}}"#,
                r#"{"engines": {"pnpm": ">=10"}}"#,
            ),
            (
                "package.json",
                r#"{"devEngines": {"packageManager": {"name": "pnpm", "version": "~10.6.5"}}}"#,
                r#"{"devEngines": {"packageManager": {"name": "pnpm", "version": "~10.8.0"}}}"#,
            ),
            ("package.json", r#"{"engines": {"pnpm": "9"}}"#, r#"{"engines": {"pnpm": "10"}}"#),
            (
                "Dockerfile",
                "RUN npx --package=pnpm@10.6.5 pnpm i",
                "RUN npx --package=pnpm@10.8.0 pnpm i",
            ),
            ("Dockerfile", "RUN npm update -g pnpm", "RUN npm update -g pnpm"),
            ("Dockerfile", "RUN npm i -g pnpm # pnpm", "RUN npm i -g pnpm@10.8.0 # pnpm"),
            ("Dockerfile", "RUN npm i -g \"pnpm\"", "RUN npm i -g \"pnpm@10.8.0\""),
            (
                "Dockerfile",
                "RUN npm i -g a@10.6.5 pnpm@10.6.5 b@10.6.5",
                "RUN npm i -g a@10.6.5 pnpm@10.8.0 b@10.6.5",
            ),
            (
                "Dockerfile",
                "RUN npm i -g pnpm@${V:-10.6.5}\nFROM x",
                "RUN npm i -g pnpm@${V:-10.6.5}\nFROM x",
            ),
            (
                "Dockerfile",
                "FROM node\nRUN npm i -g pnpm@${V:-10.6.5}",
                "FROM node\nRUN npm i -g pnpm@${V:-10.8.0}",
            ),
            (
                "Dockerfile",
                "FROM node\r\nENV A=1 V=10.6.5\r\nRUN npm i -g pnpm@$V pnpm@${V}\r\n",
                "FROM node\r\nENV A=1 V=10.8.0\r\nRUN npm i -g pnpm@$V pnpm@${V}\r\n",
            ),
            (
                "Dockerfile",
                "RUN corepack prepare pnpm@10.6.5+sha1.ab --activate",
                "RUN corepack prepare pnpm@10.8.0 --activate",
            ),
            (
                ".github/workflows/a.yml",
                "jobs: {a: {steps: [{uses: actions/checkout@v4}, {uses: pnpm/action-setup@v4, \
                 with: {version: 10}}]}}",
                "jobs: {a: {steps: [{uses: actions/checkout@v4}, {uses: pnpm/action-setup@v4, \
                 with: {version: 10.8.0}}]}}",
            ),
        ] {
            let text = moved_text(path, before).unwrap_or_else(|| before.to_owned());
            assert_eq!(text, after, "{before}");
        }
    }

    #[test]
    fn a_pin_is_left_if_something_else_would_change() {
        for (path, text) in [
            ("package.json", r#"{"packageManager": "pnpm@10\u002e6.5"}"#),
            ("package.json", r#"{"engines": {"pnpm": ">=9 <10"}}"#),
            ("Dockerfile", "FROM node\nENV V=10.6.5\nRUN npm i -g pnpm@$V npm@$V"),
            ("Dockerfile", "FROM node\nENV V=10.6\nRUN npm i -g pnpm@$V.5"),
            (
                "Dockerfile",
                "FROM node\nARG VERSION=10.6.5\nRUN npm i -g pnpm@$VERSION @acme/cli@$VERSION",
            ),
            ("Dockerfile", "FROM ghcr.io/pnpm/pnpm:10.6.5@sha256:abc"),
            ("Dockerfile", "RUN npm i -g pn\\\npm@10.6.\\\n5"),
            (
                "Dockerfile",
                "FROM node\nRUN curl -fLo p.tgz https://r.example.org/pnpm/-/pnpm-10.6.5.tgz && \
                 echo 'ab  p.tgz' | sha256sum -c -",
            ),
            (
                "pnpm-lock.yaml",
                "importers: {.: {packageManagerDependencies: {pnpm: {version: 10.6.5}}}}\n---\n",
            ),
        ] {
            assert_eq!(moved_text(path, text), None, "{text}");
        }
        let (_, plan) = moved(
            vec![file("Dockerfile", "FROM node\nENV V=10.6.5\nRUN npm i -g pnpm@$V npm@$V")],
            "pnpm@10.8.0",
        );
        assert_eq!(
            plan.unmoved.iter().map(|(_, reason)| *reason).collect::<Vec<_>>(),
            ["the variable is used for something else as well"]
        );
    }

    #[test]
    fn a_file_with_another_meaning_is_not_as_intended() {
        let setup = |uses: &str| {
            format!("jobs: {{a: {{steps: [{{uses: {uses}, with: {{version: 10.6.5}}}}]}}}}")
        };
        for (path, old, new, wanted) in [
            (
                "package.json",
                r#"{"packageManager": "pnpm@10.6.5+sha1.ab"}"#,
                r#"{"packageManager": "pnpm@10.6.5"}"#,
                None,
            ),
            (
                "package.json",
                r#"{"packageManager": "pnpm@10.6.5"}"#,
                r#"{"packageManager": "pnpm@10.8.0+sha1.cd"}"#,
                Some("pnpm@10.8.0+sha1.ab"),
            ),
            ("package.json", r#"{"workspaces": ["a"]}"#, r#"{"workspaces": ["b"]}"#, None),
            ("package.json", r#"{"packageManager": "pnpm@https://x"}"#, "{}", None),
            ("package.json", r#"{"packageManager": "pnpm"}"#, r#"{"packageManager": 5}"#, None),
            ("Dockerfile", "RUN corepack enable", "RUN true", None),
            (
                "Dockerfile",
                "FROM node:22\nRUN npm i -g pnpm",
                "FROM node:25\nRUN npm i -g pnpm",
                None,
            ),
            (
                ".github/workflows/a.yml",
                &setup("pnpm/action-setup@v4"),
                &setup("pnpm/action-setup@v2"),
                None,
            ),
        ] {
            let board_of = |text: &str| PinTable::new([file(path, text)].into_iter().collect());
            let (table, after) = (board_of(old), board_of(new));
            let id = PinId { file: 0, pin: 0 };
            let wanted =
                wanted.map(|spec| (id, NewVersion::parse(spec).unwrap())).into_iter().collect();
            let moves =
                Moves { table: &table, wanted, edits: Vec::new(), unmoved: BTreeMap::new() };
            assert!(!moves.is_as_intended(0, &after), "{new}");
            let unchanged = Moves { wanted: BTreeMap::new(), ..moves };
            assert!(unchanged.is_as_intended(0, &table), "{old}");
        }
    }

    #[test]
    fn a_version_is_parsed_with_its_package_manager() {
        for (text, version, hash) in [
            ("pnpm@10.8.0", "10.8.0", ""),
            ("yarn@4.1.0+sha512.ab", "4.1.0", "sha512.ab"),
            ("npm@v11.0.0-rc.1", "11.0.0-rc.1", ""),
        ] {
            let target = NewVersion::parse(text).unwrap();
            assert_eq!(
                (target.version.to_string().as_str(), target.hash.as_str()),
                (version, hash),
                "{text}"
            );
        }
        for text in ["", "pnpm", "pnpm@", "pnpm@10", "pnpm@latest", "bun@1.0.0", "10.8.0"] {
            assert!(NewVersion::parse(text).is_err(), "{text}");
        }
    }

    const PATHS: [&str; 6] = [
        "Dockerfile",
        ".github/workflows/a.yml",
        "package.json",
        "mise.toml",
        ".tool-versions",
        "compose.yaml",
    ];

    const PIECES: [&str; 40] = [
        "FROM node\n",
        "RUN ",
        "npm i -g ",
        "pnpm",
        "@",
        "10.6.5",
        "10.6.5",
        "+sha1.ab",
        "$V",
        "${V",
        ":-",
        "}",
        " ",
        "\n",
        "\r\n",
        "\\\n",
        "ENV V=",
        "ARG V=",
        "\"",
        "'",
        "corepack prepare ",
        " --activate",
        "<<E\n",
        "\nE\n",
        "&& ",
        "(",
        ")",
        "cd a",
        "npx ",
        "^",
        "latest",
        "jobs: {a: {steps: [{uses: actions/checkout@v4}, {",
        "run: ",
        "uses: pnpm/action-setup@v4, with: {version: ",
        "}]}}",
        "{\"packageManager\": \"",
        "\"engines\": {\"pnpm\": \"",
        "\"}",
        "ä",
        ",",
    ];

    proptest::proptest! {
        #[test]
        fn moved_pins_have_the_version_and_the_others_stay(
            pieces in proptest::collection::vec(proptest::sample::select(&PIECES[..]), 0..40),
            path in proptest::sample::select(&PATHS[..]),
        ) {
            let text = pieces.concat();
            let (table, plan) = moved(vec![file(path, &text)], "pnpm@10.8.0");
            for row in &table.rows {
                let (before, after) = (table.pin(row.id), plan.after.pin(row.id));
                if plan.moved.contains(&row.id) {
                    assert!(accepts_demand(&after.demand, &Version::new(10, 8, 0)), "{text}");
                } else {
                    assert_eq!(before.demand, after.demand, "{text}");
                }
            }
            assert!(plan.files.len() <= 1 && (plan.files.is_empty() == plan.moved.is_empty()));
        }
    }
}
