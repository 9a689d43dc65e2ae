//! Moving pins to another version: only the bytes of versions change, and only where what is read back is what was meant.

use std::collections::{BTreeMap, BTreeSet};

use semver::Version;

use crate::base::change::File;
use crate::base::finding::Span;
use crate::pins::{Board, Bond, Demand, How, Id, Manager, Pin, Role, Row, accepts, exact, hash, satisfies};

/// The version that pins are moved to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// Whose version.
    pub manager: Manager,
    /// The version.
    pub version: Version,
    /// What stands behind its `+`; empty where nothing does.
    pub hash: String,
}

impl Target {
    /// From `pnpm@10.8.0`, with or without a hash behind `+`; the error says why it is none.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (name, written) = text.split_once('@').unwrap_or((text, ""));
        let manager = Manager::named(name).ok_or_else(|| "it must begin with npm@, pnpm@ or yarn@".to_owned())?;
        let version = exact(written).ok_or_else(|| "an exact version must follow, such as 10.8.0".to_owned())?;
        let hash = hash(written);
        Ok(Self { manager, version, hash })
    }

    /// The version that a pin has.
    pub(crate) fn of(pin: &Pin) -> Option<Self> {
        let Demand::Exact(version) = &pin.demand else { return None };
        Some(Self { manager: pin.manager, version: version.clone(), hash: pin.hash.clone() })
    }
}

/// What moving pins comes to.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// The files that change, as they will be.
    pub files: Vec<File>,
    /// The pins that are moved.
    pub moved: Vec<Id>,
    /// The pins that should be moved, and why they are not.
    pub left: Vec<(Id, &'static str)>,
    /// Every pin as it will be.
    pub after: Board,
}

/// Plans to move the pins of a board; `target` tells for each group where to, if it is to be moved.
/// Those for which `is_spared` holds stay.
pub(crate) fn plan(board: &Board, target: impl Fn(usize) -> Option<Target>, is_spared: impl Fn(&Row) -> bool) -> Plan {
    let mut left = BTreeMap::new();
    let mut edits: BTreeMap<usize, Vec<(Id, Edit)>> = BTreeMap::new();
    let mut wanted = BTreeMap::new();
    let mut shared = BTreeMap::new();
    for row in &board.rows {
        let pin = board.pin(row.id);
        let Some(target) = target(row.group).filter(|target| target.manager == pin.manager) else { continue };
        match edit(pin, board.file(row.id), &target) {
            Ok(None) => {}
            Ok(Some(_)) if is_spared(row) => _ = left.insert(row.id, "the configuration allows it to be another one"),
            Ok(Some(edit)) => {
                if let [variable] = pin.used.as_slice() {
                    let name = variable.name.rsplit('.').next().unwrap_or_default();
                    let known = shared.entry((row.id.file, pin.manager, name));
                    if *known.or_insert_with(|| is_shared(name, pin.manager, board, row.id.file)) {
                        left.insert(row.id, "the variable is used for something else as well");
                        continue;
                    }
                }
                wanted.insert(row.id, target.version);
                edits.entry(row.id.file).or_default().push((row.id, edit));
            }
            Err(reason) => _ = left.insert(row.id, reason),
        }
    }
    loop {
        let changed = |(number, edits): (&usize, &Vec<(Id, Edit)>)| {
            (*number, applied(board.project.file(*number), edits.iter().map(|(_, edit)| edit)))
        };
        let after = Board::of(board.project.with(&edits.iter().map(changed).collect()));
        let wrong = misread(board, &after, &wanted);
        let wrong: BTreeSet<usize> = wrong.into_iter().filter(|file| edits.contains_key(file)).collect();
        if wrong.is_empty() {
            let files = edits.keys().map(|number| after.project.file(*number).clone()).collect();
            let moved = edits.into_values().flatten().map(|(id, _)| id).collect();
            return Plan { files, moved, left: left.into_iter().collect(), after };
        }
        for (id, _) in wrong.iter().filter_map(|file| edits.remove(file)).flatten() {
            wanted.remove(&id);
            left.insert(id, "its file would say something else too, and is left whole");
        }
    }
}

/// Bytes that take the place of others.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Edit {
    start: usize,
    end: usize,
    text: String,
}

/// What has to change so that a pin has a version; nothing where it has, and an error where that cannot be done safely.
fn edit(pin: &Pin, file: &File, target: &Target) -> Result<Option<Edit>, &'static str> {
    let takes_hash = pin.how == How::PackageManager || !pin.hash.is_empty() || pin.bond == Bond::Text;
    let is_there = match (&pin.demand, pin.how) {
        (Demand::Exact(version), How::Engines) => *version == target.version,
        (Demand::Exact(version), _) => {
            *version == target.version && (pin.hash == target.hash || target.hash.is_empty() || !takes_hash)
        }
        (Demand::Range(range), How::Engines) => accepts(&target.version, range) == Some(true),
        (Demand::Range(range), How::DevEngines) => satisfies(&target.version, range) == Some(true),
        _ => false,
    };
    if is_there {
        return Ok(None);
    }
    if pin.is_elsewhere {
        return Err("it is for another checkout, or one variant of several");
    }
    let span = match (&pin.demand, pin.how) {
        (_, How::YarnPath) => return Err("the file that it names has to be there: yarn set version"),
        (_, How::Image) if pin.version.is_none() => return Err("its digest decides, or it has no tag"),
        (_, How::Lockfile) => {
            return Err("hashes stand beside it: the package manager writes it anew at the next install");
        }
        (_, how) if how.is_from_npm() && is_later_yarn(target, pin, file) => {
            return Err("npm has no such version of the package yarn: use corepack, or `yarn set version`");
        }
        (Demand::Empty(_), _) => {
            return Err("the variable is empty where it is used: declare the ARG again in that stage");
        }
        (Demand::Unknown, _) => return Err("its version is known only when it runs"),
        (Demand::Range(range), How::Engines | How::DevEngines) => {
            let span = pin.version.clone().ok_or(UNSAFE)?;
            let (bound, parts) = bound(range, &span).ok_or("its range is not a simple one")?;
            let version = &target.version;
            let numbers = [version.major, version.minor, version.patch].map(|number| number.to_string());
            // `^9` becomes `^10`: as exact as it was.
            let is_short = parts < 3 && version.pre.is_empty();
            let text = if is_short { numbers[..parts].join(".") } else { version.to_string() };
            return Ok(Some(Edit { start: bound.start, end: bound.end, text }));
        }
        _ => pin.version.clone().ok_or(UNSAFE)?,
    };
    let hash = if takes_hash && !target.hash.is_empty() { format!("+{}", target.hash) } else { String::new() };
    let text = format!("{}{}{hash}", pin.before, target.version);
    let is_inside = span.start <= span.end && span.end <= file.text.len();
    if is_inside { Ok(Some(Edit { start: span.start, end: span.end, text })) } else { Err(UNSAFE) }
}

/// Whether a variable is used for something else in a file than for the versions of this manager, as far as its text tells: it
/// is not named after the manager, and is put in somewhere but in a pin.
fn is_shared(name: &str, manager: Manager, board: &Board, file: usize) -> bool {
    if name.to_ascii_lowercase().contains(manager.name()) {
        return false;
    }
    let text = &board.project.file(file).text;
    // They are in the order of the text.
    let pins: Vec<&Pin> = board.readings[file].pins.iter().filter(|pin| pin.manager == manager).collect();
    let is_in_a_pin = |at: usize| {
        let before = pins.partition_point(|pin| pin.at.start <= at);
        pins[..before].last().is_some_and(|pin| pin.at.contains(&at))
    };
    let is_put_in = |at: usize| {
        let ends = text.get(at + name.len()).is_none_or(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_');
        let before = &text[..at];
        let outer = [&b"env."[..], b"inputs."].iter().find_map(|scope| before.strip_suffix(*scope)).unwrap_or(before);
        let sign = outer.trim_ascii_end();
        ends && sign.strip_suffix(b"{{").or(sign.strip_suffix(b"{")).unwrap_or(sign).ends_with(b"$")
    };
    memchr::memmem::find_iter(text, name).any(|at| is_put_in(at) && !is_in_a_pin(at))
}

/// Whether a version is one of Yarn that is not in the package `yarn`.
fn is_later_yarn(target: &Target, pin: &Pin, file: &File) -> bool {
    let other = b"@yarnpkg/cli-dist";
    let is_other = file.text.get(pin.at.clone()).is_some_and(|word| memchr::memmem::find(word, other).is_some());
    target.manager == Manager::Yarn && target.version.major >= 2 && !is_other
}

const UNSAFE: &str = "its version is written in a way that cannot be changed safely";

/// Where the version is in a range that is one version behind `^`, `~`, `=` or `>=`, and how many numbers it has.
fn bound(range: &str, span: &Span) -> Option<(Span, usize)> {
    let version = range.trim_start_matches(['^', '~', '>', '=']);
    let operator = &range[..range.len() - version.len()];
    let is_simple = ["", "^", "~", "=", ">="].contains(&operator)
        && version.split('.').all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()));
    let parts = version.split('.').count();
    (is_simple && parts <= 3 && span.len() == range.len()).then(|| (span.start + operator.len()..span.end, parts))
}

/// A file with its edits. Several pins may be decided in one place.
fn applied<'e>(file: &File, edits: impl Iterator<Item = &'e Edit>) -> Vec<u8> {
    let mut text = Vec::with_capacity(file.text.len());
    let mut at = 0;
    for edit in edits.collect::<BTreeSet<_>>() {
        // Two that overlap say different things of one place: what is read back tells.
        if edit.start >= at {
            text.extend_from_slice(&file.text[at..edit.start]);
            text.extend_from_slice(edit.text.as_bytes());
            at = edit.end;
        }
    }
    text.extend_from_slice(&file.text[at..]);
    text
}

/// The files that do not say after the edits what they should: the versions that are wanted, and for the rest what they
/// said before.
fn misread(before: &Board, after: &Board, wanted: &BTreeMap<Id, Version>) -> BTreeSet<usize> {
    let mut wrong = BTreeSet::new();
    for (number, (old, new)) in before.readings.iter().zip(&after.readings).enumerate() {
        let same = |pin: usize| {
            let (old, new) = (&old.pins[pin], &new.pins[pin]);
            let demand = match wanted.get(&Id { file: number, pin }) {
                // A range keeps its operator.
                Some(version) if old.how == How::Engines => accepts_demand(&new.demand, version),
                Some(version) if matches!(old.demand, Demand::Range(_)) && old.how.role() == Role::Declares => {
                    accepts_demand(&new.demand, version)
                }
                Some(version) => new.demand == Demand::Exact(version.clone()),
                None => new.demand == old.demand,
            };
            demand && old.manager == new.manager && old.how == new.how
        };
        let faults = old.faults.len() == new.faults.len();
        if old.pins.len() != new.pins.len() || !(0..old.pins.len()).all(same) || !faults {
            wrong.insert(number);
        }
    }
    wrong
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

    fn moved(files: Vec<File>, spec: &str) -> (Board, Plan) {
        let board = Board::of(files.into_iter().collect());
        let target = Target::parse(spec).unwrap();
        let plan = plan(&board, |_| Some(target.clone()), |_| false);
        (board, plan)
    }

    /// The text of the only file, moved to pnpm 10.8.0; `None` if it stays.
    fn edited(path: &str, text: &str) -> Option<String> {
        let (_, plan) = moved(vec![file(path, text)], "pnpm@10.8.0");
        plan.files.first().map(|file| String::from_utf8(file.text.clone()).unwrap())
    }

    #[test]
    fn only_the_version_changes() {
        for (path, before, after) in [
            (
                "package.json",
                r#"{"packageManager":"pnpm@v10.6.5+sha1.ab","x":"10.6.5"}"#,
                r#"{"packageManager":"pnpm@v10.8.0","x":"10.6.5"}"#,
            ),
            ("package.json", "{\"packageManager\": \"pnpm@ 10.6.5\\n\"}", "{\"packageManager\": \"pnpm@ 10.8.0\\n\"}"),
            ("package.json", r#"{"engines": {"pnpm": ">=11"}}"#, r#"{"engines": {"pnpm": ">=10"}}"#),
            (
                "package.json",
                r#"{"devEngines": {"packageManager": {"name": "pnpm", "version": "~10.6.5"}}}"#,
                r#"{"devEngines": {"packageManager": {"name": "pnpm", "version": "~10.8.0"}}}"#,
            ),
            ("package.json", r#"{"engines": {"pnpm": "9"}}"#, r#"{"engines": {"pnpm": "10"}}"#),
            ("Dockerfile", "RUN npx --package=pnpm@10.6.5 pnpm i", "RUN npx --package=pnpm@10.8.0 pnpm i"),
            ("Dockerfile", "RUN npm update -g pnpm", "RUN npm update -g pnpm"),
            ("Dockerfile", "RUN npm i -g pnpm # pnpm", "RUN npm i -g pnpm@10.8.0 # pnpm"),
            ("Dockerfile", "RUN npm i -g \"pnpm\"", "RUN npm i -g \"pnpm@10.8.0\""),
            ("Dockerfile", "RUN npm i -g a@10.6.5 pnpm@10.6.5 b@10.6.5", "RUN npm i -g a@10.6.5 pnpm@10.8.0 b@10.6.5"),
            ("Dockerfile", "RUN npm i -g pnpm@${V:-10.6.5}\nFROM x", "RUN npm i -g pnpm@${V:-10.6.5}\nFROM x"),
            ("Dockerfile", "FROM node\nRUN npm i -g pnpm@${V:-10.6.5}", "FROM node\nRUN npm i -g pnpm@${V:-10.8.0}"),
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
                "jobs: {a: {steps: [{uses: actions/checkout@v4}, {uses: pnpm/action-setup@v4, with: {version: 10}}]}}",
                "jobs: {a: {steps: [{uses: actions/checkout@v4}, {uses: pnpm/action-setup@v4, with: {version: 10.8.0}}]}}",
            ),
        ] {
            let text = edited(path, before).unwrap_or_else(|| before.to_owned());
            assert_eq!(text, after, "{before}");
        }
    }

    #[test]
    fn what_would_change_something_else_stays() {
        for (path, text) in [
            ("package.json", r#"{"packageManager": "pnpm@10\u002e6.5"}"#),
            ("package.json", r#"{"engines": {"pnpm": ">=9 <10"}}"#),
            ("Dockerfile", "FROM node\nENV V=10.6.5\nRUN npm i -g pnpm@$V npm@$V"),
            ("Dockerfile", "FROM node\nENV V=10.6\nRUN npm i -g pnpm@$V.5"),
            ("Dockerfile", "FROM node\nARG VERSION=10.6.5\nRUN npm i -g pnpm@$VERSION @acme/cli@$VERSION"),
            ("Dockerfile", "FROM ghcr.io/pnpm/pnpm:10.6.5@sha256:abc"),
            ("Dockerfile", "RUN npm i -g pn\\\npm@10.6.\\\n5"),
            ("pnpm-lock.yaml", "importers: {.: {packageManagerDependencies: {pnpm: {version: 10.6.5}}}}\n---\n"),
        ] {
            assert_eq!(edited(path, text), None, "{text}");
        }
        let (_, plan) =
            moved(vec![file("Dockerfile", "FROM node\nENV V=10.6.5\nRUN npm i -g pnpm@$V npm@$V")], "pnpm@10.8.0");
        assert_eq!(
            plan.left.iter().map(|(_, reason)| *reason).collect::<Vec<_>>(),
            ["the variable is used for something else as well"]
        );
    }

    #[test]
    fn a_version_is_named_with_its_manager() {
        for (text, version, hash) in [
            ("pnpm@10.8.0", "10.8.0", ""),
            ("yarn@4.1.0+sha512.ab", "4.1.0", "sha512.ab"),
            ("npm@v11.0.0-rc.1", "11.0.0-rc.1", ""),
        ] {
            let target = Target::parse(text).unwrap();
            assert_eq!((target.version.to_string().as_str(), target.hash.as_str()), (version, hash), "{text}");
        }
        for text in ["", "pnpm", "pnpm@", "pnpm@10", "pnpm@latest", "bun@1.0.0", "10.8.0"] {
            assert!(Target::parse(text).is_err(), "{text}");
        }
    }

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
        fn what_is_moved_says_what_was_meant_and_the_rest_what_it_said(
            pieces in proptest::collection::vec(proptest::sample::select(&PIECES[..]), 0..40),
            path in proptest::sample::select(&["Dockerfile", ".github/workflows/a.yml", "package.json", "mise.toml", ".tool-versions", "compose.yaml"][..]),
        ) {
            let text = pieces.concat();
            let (board, plan) = moved(vec![file(path, &text)], "pnpm@10.8.0");
            for row in &board.rows {
                let (before, after) = (board.pin(row.id), plan.after.pin(row.id));
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
