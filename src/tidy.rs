//! Tests that the source follows the rules of docs/architecture.md.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::project::kinds::names;
use crate::rules::RULES;

mod documents;

/// A source file: its path below `src/`, and its text without its tests.
struct SourceText {
    path: String,
    code: String,
    lines: usize,
}

impl SourceText {
    /// The path of its module, without the leading `crate::`.
    fn module(&self) -> String {
        self.path.trim_end_matches(".rs").replace('/', "::")
    }

    /// The module of lib.rs that the file belongs to.
    fn room(&self) -> &str {
        self.path.split(['/', '.']).next().unwrap_or_default()
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files(directory: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.append(&mut files(&path, ending));
        } else if path.to_str().unwrap().ends_with(ending) {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn sources() -> Vec<SourceText> {
    let source = root().join("src");
    files(&source, ".rs")
        .into_iter()
        .map(|path| {
            let text = fs::read_to_string(&path).unwrap();
            let tests = ["#[cfg(test)]\nmod tests {", "#[cfg(test)]\npub(crate) mod tests {"];
            let end = tests.iter().filter_map(|tests| text.find(tests)).min().unwrap_or(text.len());
            let code = text.get(..end).unwrap().to_owned();
            let path = path.strip_prefix(&source).unwrap().to_str().unwrap().to_owned();
            SourceText { path, code, lines: text.lines().count() }
        })
        .filter(|source| source.room() != "tidy")
        .collect()
}

/// The modules that a file declares, in its order: the lowest layer first. An inline module is
/// named with those in it.
fn declared(code: &str) -> Vec<Vec<String>> {
    let mut outer: Vec<String> = Vec::new();
    let mut found = Vec::new();
    for line in code.lines() {
        let text = line.trim_start();
        let visible = text.starts_with("pub").then(|| text.split_once(" mod ")).flatten();
        match visible.map(|(_, rest)| rest).or(text.strip_prefix("mod ")) {
            Some(rest) if rest.ends_with(" {") => {
                outer.push(rest.trim_end_matches(" {").to_owned());
            }
            Some(rest) => {
                if let Some(name) = rest.strip_suffix(';') {
                    found.push([&outer[..], &[name.to_owned()]].concat());
                }
            }
            None if line == "}" => outer.clear(),
            None => {}
        }
    }
    found
}

/// The position of each module of the crate: at every depth, its place among its siblings.
fn layers() -> HashMap<String, usize> {
    let mut found = HashMap::new();
    let lib = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let mut faces = vec![(String::new(), lib)];
    faces.extend(sources().into_iter().map(|source| (source.module(), source.code)));
    for (face, code) in faces {
        for (position, names) in declared(&code).iter().enumerate() {
            for depth in 1..=names.len() {
                let inner = names[..depth].join("::");
                let path = if face.is_empty() { inner } else { format!("{face}::{inner}") };
                found.entry(path).or_insert(position);
            }
        }
    }
    found
}

/// The paths of a `use` tree: `a::{b, c::d}` gives `a::b` and `a::c::d`. Ends where the tree does.
fn expand(tree: &str, prefix: &str, found: &mut Vec<String>) {
    let end =
        tree.find(|c: char| !c.is_ascii_alphanumeric() && !"_:".contains(c)).unwrap_or(tree.len());
    let (path, rest) = tree.split_at(end);
    let path = format!("{prefix}{path}");
    let Some(inner) = rest.strip_prefix('{') else {
        found.push(path.trim_end_matches(':').to_owned());
        return;
    };
    let (mut depth, mut start) = (0, 0);
    for (at, c) in inner.char_indices() {
        match c {
            '{' => depth += 1,
            ',' | '}' if depth == 0 => {
                expand(inner.get(start..at).unwrap().trim(), &path, found);
                start = at + 1;
                if c == '}' {
                    return;
                }
            }
            '}' => depth -= 1,
            _ => {}
        }
    }
}

/// Every path of this crate that a piece of code names, without the leading `crate::`.
fn paths_named(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for rest in code.split("crate::").skip(1) {
        expand(rest, "", &mut found);
    }
    found
}

/// Why a module must not name a path: the path is of a lower entry of their common list.
fn violation(module: &str, named: &str, layers: &HashMap<String, usize>) -> Option<String> {
    let (own, other): (Vec<&str>, Vec<&str>) =
        (module.split("::").collect(), named.split("::").collect());
    let shared = own.iter().zip(&other).take_while(|(own, other)| own == other).count();
    let own = layers.get(&own.get(..=shared)?.join("::"))?;
    let other_path = other.get(..=shared)?.join("::");
    let other = layers.get(&other_path)?;
    (other > own).then(|| format!("{module} uses {other_path}, which is listed below it"))
}

/// The position of the file inside a face that a path names, if it names one.
fn position_inside(face: &str, named: &str, layers: &HashMap<String, usize>) -> Option<usize> {
    let child = named.strip_prefix(face)?.strip_prefix("::")?.split("::").next()?;
    layers.get(&format!("{face}::{child}")).copied()
}

/// The position of the last file inside a face that the face itself uses: by its full path, or by
/// its bare name, as in `reader::read`.
fn last_used(face: &SourceText, layers: &HashMap<String, usize>) -> Option<usize> {
    let module = face.module();
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let bare = face.code.split(|c| !word(c)).filter(|path| path.contains("::"));
    let paths = paths_named(&face.code).into_iter().chain(bare.map(|p| format!("{module}::{p}")));
    paths.filter_map(|path| position_inside(&module, &path, layers)).max()
}

/// Why a file must not use its face, which itself uses the file or one that is listed after it:
/// they could use each other in a circle.
fn use_of_face(
    source: &SourceText,
    face: &str,
    last_used: usize,
    layers: &HashMap<String, usize>,
) -> Option<String> {
    let module = source.module();
    position_inside(face, &module, layers).filter(|own| *own <= last_used)?;
    // `pub(in crate::git)` is not a use.
    let named = paths_named(&source.code.replace("(in crate::", "(in "));
    let is_face = |path: &&String| {
        let inside = path.starts_with(&format!("{face}::"));
        **path == face || inside && position_inside(face, path, layers).is_none()
    };
    named.iter().find(is_face).map(|path| format!("{module} uses {path}, of a face that uses it"))
}

#[test]
fn a_face_and_its_files_use_each_other_in_one_direction() {
    let (layers, sources) = (layers(), sources());
    for face in &sources {
        let Some(used) = last_used(face, &layers) else { continue };
        let face = face.module();
        let found = sources.iter().filter_map(|file| use_of_face(file, &face, used, &layers));
        let found: Vec<String> = found.collect();
        assert!(found.is_empty(), "{found:#?}");
    }
}

#[test]
fn a_circle_through_a_face_is_found() {
    let source =
        |path: &str, code: &str| SourceText { path: path.into(), code: code.into(), lines: 1 };
    let layers =
        [("a", 0), ("a::low", 0), ("a::high", 1)].map(|(path, at)| (path.to_owned(), at)).into();
    for (face, path, code, allowed) in [
        ("", "a/low.rs", "crate::a::X", true),
        ("low::f()", "a/low.rs", "crate::a::X", false),
        ("use crate::a::low::f;", "a/low/deep.rs", "use crate::a::{low::g, X};", false),
        ("high::f()", "a/low.rs", "crate::a::X", false),
        ("low::f()", "a/high.rs", "crate::a::X", true),
        ("high::f()", "a/high.rs", "crate::a::low::X", true),
        ("low::f()", "a/low.rs", "pub(in crate::a) fn f() {}", true),
    ] {
        let found = last_used(&source("a.rs", face), &layers)
            .and_then(|used| use_of_face(&source(path, code), "a", used, &layers));
        assert_eq!(found.is_none(), allowed, "{face} {path} {code}");
    }
}

#[test]
fn paths_begin_at_the_crate() {
    for source in sources() {
        assert!(!source.code.contains("super::"), "{} names a path of super", source.path);
    }
}

#[test]
fn layers_are_read_from_the_module_lists() {
    assert_eq!(
        declared("mod a;\npub(crate) mod b;\nmod c {\n    pub mod d;\n}\n"),
        [vec!["a".to_owned()], vec!["b".to_owned()], vec!["c".to_owned(), "d".to_owned()]]
    );
    let named = paths_named("use crate::a::{B, c::{d, E}};\nlet x = crate::f::g(1);");
    assert_eq!(named, ["a::B", "a::c::d", "a::c::E", "f::g"]);
    let layers = [("a", 0), ("b", 1), ("b::c", 0), ("b::d", 1)]
        .map(|(path, at)| (path.to_owned(), at))
        .into();
    for (module, named, allowed) in [
        ("b", "a::X", true),
        ("a", "b", false),
        ("a", "b::c::x", false),
        ("b::c", "b::d::X", false),
        ("b::d", "b::c", true),
        ("b::d", "b::X", true),
        ("b", "b::d::X", true),
    ] {
        assert_eq!(violation(module, named, &layers).is_none(), allowed, "{module} {named}");
    }
}

#[test]
fn a_module_uses_only_those_listed_above_it() {
    let layers = layers();
    let mut found = Vec::new();
    for source in
        sources().iter().filter(|source| !["main.rs", "lib.rs"].contains(&source.path.as_str()))
    {
        let module = source.module();
        if !layers.contains_key(&module) {
            found.push(format!("{} belongs to no module of lib.rs", source.path));
        }
        for named in paths_named(&source.code) {
            found.extend(violation(&module, &named, &layers));
        }
    }
    found.sort();
    found.dedup();
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn gix_is_named_in_few_files() {
    let files = [
        "git/repository.rs",
        "git/store/cache.rs",
        "git/store.rs",
        "git/worktree/entries.rs",
        "git/worktree/fingerprint.rs",
        "git/worktree/fuzz.rs",
    ];
    let named: Vec<String> = sources()
        .into_iter()
        .filter(|source| source.code.contains("gix::"))
        .map(|source| source.path)
        .collect();
    assert_eq!(named, files);
}

#[test]
fn git_is_started_in_one_file() {
    for source in sources().iter().filter(|source| source.path != "git/process.rs") {
        assert!(!source.code.contains("Command::new(\"git\""), "{}", source.path);
    }
}

#[test]
fn processes_are_started_in_two_places() {
    // git; the build that `verify` runs, and another bakstop that is asked for its version.
    let starters = ["git/process.rs", "os/child.rs"];
    for source in sources().iter().filter(|source| !starters.contains(&source.path.as_str())) {
        // Threads are started with an argument.
        for start in ["Command::new", ".spawn()", ".output()"] {
            assert!(!source.code.contains(start), "{} has {start}", source.path);
        }
    }
}

/// The rooms that are pure.
const CORE: [&str; 18] = [
    "base", "formats", "models", "project", "edit", "pins", "rule", "rules", "restore", "prepare",
    "locks", "config", "engine", "fleet", "snapshot", "measure", "cure", "report",
];

/// Texts of code that reaches outside, and the rooms that may.
const OUTSIDE: [&str; 10] = [
    "std::fs",
    "std::io",
    "std::process",
    "std::net",
    "std::env",
    "std::{",
    "rustix",
    "Timestamp::now",
    "Instant::now",
    "SystemTime::now",
];
const OUTER_ROOMS: [&str; 3] = ["os", "disk", "git"];

/// The files of the core that may name one of these, and which.
const EXEMPT: [(&str, &str); 5] = [
    // A comparison of two texts ends after a while: its result is then less exact.
    ("edit/diff.rs", "Instant::now"),
    // Values alone: the commits of a range, how a command ended, variables that were read before.
    ("cure/commits.rs", "git::history"),
    ("report/verify.rs", "os::child"),
    ("report/verify/json.rs", "os::child"),
    ("report/paint.rs", "os::env"),
];

/// What a piece of code names that reaches outside: a text, or a module of a room.
fn outside(code: &str) -> Vec<String> {
    let texts = OUTSIDE.iter().filter(|text| code.contains(*text)).map(|text| (*text).to_owned());
    let module = |path: &String| path.split("::").take(2).collect::<Vec<_>>().join("::");
    let is_outer =
        |path: &String| OUTER_ROOMS.iter().any(|room| path.split("::").next() == Some(room));
    let mut found: Vec<String> =
        texts.chain(paths_named(code).iter().filter(|path| is_outer(path)).map(module)).collect();
    found.sort();
    found.dedup();
    found
}

#[test]
fn the_core_touches_nothing_outside() {
    let mut exempt = Vec::new();
    for source in sources() {
        if CORE.contains(&source.room()) {
            for named in outside(&source.code) {
                let known =
                    EXEMPT.into_iter().find(|(path, what)| source.path == *path && named == *what);
                exempt.push(known.unwrap_or_else(|| panic!("{} uses {named}", source.path)));
            }
        }
    }
    // An exemption that is not needed must be removed.
    exempt.sort_unstable();
    let mut known = EXEMPT;
    known.sort_unstable();
    assert_eq!(exempt, known);
    let code = "use crate::{git::history::Commits, os};\nuse crate::disk::read;\n\
                std::fs::read(crate::base::x())";
    assert_eq!(outside(code), ["disk::read", "git::history", "os", "std::fs"]);
}

/// The files that may have a name of the table as a literal, and why.
const NAMING: [&str; 11] = [
    // They open the configuration of a hook manager, by name and on disk.
    "hooks/manager.rs",
    "hooks/by_hand.rs",
    "hooks/setup.rs",
    "hooks/prepare.rs",
    // It stages a manifest.
    "commands/prove/probe.rs",
    // The name is printed.
    "pins/pin.rs",
    "cure.rs",
    // The file that an action of this repository is read from.
    "pins/ci.rs",
    // They look for the files that git reads itself.
    "git/endless.rs",
    "git/worktree.rs",
    "git/worktree/suspects.rs",
];

#[test]
fn names_of_files_are_known_in_one_place() {
    let folding = ["is_same_name(", "folded("];
    for source in
        sources().iter().filter(|source| !["base", "project", "fuzz"].contains(&source.room()))
    {
        for name in names().filter(|_| !NAMING.contains(&source.path.as_str())) {
            assert!(!source.code.contains(&format!("\"{name}\"")), "{} knows {name}", source.path);
        }
        for fold in folding {
            assert!(!source.code.contains(fold), "{} compares names with {fold}", source.path);
        }
    }
}

/// Ways to open, read, write or list files. Metadata and `canonicalize` are free: they neither wait
/// nor change anything.
const FILE_ACCESS: [&str; 21] = [
    "fs::read(",
    "fs::read_to_string",
    "fs::read_dir",
    "fs::{self, read",
    "fs::write",
    "fs::copy",
    "fs::rename",
    "fs::remove",
    "fs::create",
    "fs::hard_link",
    "set_permissions",
    "fs::symlink(",
    "std::fs::{",
    "File::open",
    "File::create",
    "File::options",
    "OpenOptions",
    "tempfile",
    "persist",
    "flock",
    "rustix::fs::",
];

/// The files outside of the room `disk` that may have one of these, and why.
const ACCESSING: [(&str, &str); 8] = [
    // They open the terminal and /proc.
    ("os/child.rs", "File::open"),
    ("os/child/family.rs", "fs::read"),
    ("os/signals.rs", "fs::read_to_string"),
    // It lists directories by descriptors.
    ("git/worktree/walk.rs", "rustix::fs::"),
    // It sets the time of a temporary index.
    ("git/worktree/suspects.rs", "std::fs::{"),
    // They ask what this user may do, access(2).
    ("hooks/rehearsal.rs", "rustix::fs::"),
    ("commands/recording/record.rs", "rustix::fs::"),
    // It knows the program of this name.
    ("formats/shell/wrappers.rs", "flock"),
];

#[test]
fn users_files_are_reached_through_one_door() {
    for source in sources().iter().filter(|source| source.room() != "disk") {
        let may = |access: &str| {
            ACCESSING.iter().any(|(path, start)| source.path == *path && access.starts_with(start))
        };
        for access in FILE_ACCESS.iter().chain(&["set_len"]).filter(|access| !may(access)) {
            assert!(!source.code.contains(access), "{} uses {access}", source.path);
        }
    }
}

#[test]
fn only_main_prints() {
    for source in sources().iter().filter(|source| source.path != "main.rs") {
        for macro_name in ["print!(", "println!(", "eprint!(", "eprintln!(", "dbg!("] {
            assert!(!source.code.contains(macro_name), "{}", source.path);
        }
    }
}

#[test]
fn the_program_handles_panics_from_its_first_statement() {
    let main = fs::read_to_string(root().join("src/main.rs")).unwrap();
    assert!(main.contains("fn main() -> ExitCode {\n    bakstop::report_panics();\n"));
    for source in sources().iter().filter(|source| source.path != "os/crash.rs") {
        for other in ["set_hook", "take_hook", "catch_unwind", "process::exit", "process::abort"] {
            assert!(!source.code.contains(other), "{} uses {other}", source.path);
        }
    }
}

/// It packs with another program, which takes a while.
const PACKING: &str = "commands/preparing/pack.rs";

#[test]
fn each_stream_is_touched_in_one_place() {
    for (stream, places) in [
        ("stdin()", &["commands/judge.rs"][..]),
        ("stdout()", &["main.rs", "program.rs"]),
        // The line that is written over and over is gone at the end; the build of `verify` is given
        // our stream.
        ("stderr()", &["main.rs", "program.rs", "os/crash.rs", "os/progress.rs", "os/child.rs"]),
        ("Timestamp::now", &["program.rs"]),
        ("Progress::new", &["commands/judge/past.rs", "git/worktree.rs", PACKING]),
    ] {
        for source in sources().iter().filter(|source| !places.contains(&source.path.as_str())) {
            assert!(!source.code.contains(stream), "{} uses {stream}", source.path);
        }
    }
}

#[test]
fn every_rule_is_a_file_a_page_and_a_row() {
    let stems = |directory: &str, ending: &str| -> Vec<String> {
        files(&root().join(directory), ending)
            .iter()
            // The parts of a rule are in a directory of its name.
            .filter(|path| !path.parent().unwrap().with_extension("rs").exists())
            .map(|path| path.file_stem().unwrap().to_str().unwrap().replace('_', "-"))
            .collect()
    };
    let mut files_of_rules = stems("src/rules", ".rs");
    files_of_rules.sort();
    let mut ids: Vec<String> = RULES.iter().map(|rule| rule.id.to_owned()).collect();
    ids.sort();
    assert_eq!(files_of_rules, ids);
    assert_eq!(stems("docs/rules", ".md"), ids);
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    for rule in RULES {
        assert!(rule.manual.starts_with(&format!("# {}\n\n", rule.id)), "{}", rule.id);
        for section in ["\n## Why is this bad?\n", "\n## Example\n", "\n## What to do instead\n"] {
            assert!(rule.manual.contains(section), "{} lacks {section}", rule.id);
        }
        assert!(!rule.summary.is_empty() && !rule.summary.ends_with('.'), "{}", rule.id);
        assert!(
            readme.contains(&format!("docs/rules/{}.md", rule.id)),
            "the README does not name {}",
            rule.id
        );
    }
}

/// What names a rule in code, or compares its id. A rule is asked for its role instead: a field of
/// its row.
fn names_a_rule(code: &str) -> Option<String> {
    let quoted = RULES.iter().map(|rule| format!("\"{}\"", rule.id));
    let compared = ["rule.id ==", "rule.id !=", "== rule.id", "!= rule.id"].map(str::to_owned);
    quoted.chain(compared).find(|text| code.contains(text))
}

#[test]
fn only_the_rules_know_their_ids() {
    for source in sources().iter().filter(|source| source.room() != "rules") {
        assert_eq!(names_a_rule(&source.code), None, "{}", source.path);
    }
    assert!(names_a_rule("if finding.rule.id == SECRET {").is_some());
    assert!(names_a_rule("const SECRET: &str = \"registry-token\";").is_some());
}

#[test]
fn files_and_functions_are_short() {
    for source in sources() {
        assert!(source.lines <= 700, "{} has {} lines", source.path, source.lines);
    }
}

#[test]
fn shims_are_short() {
    for path in files(&root().join("hooks"), "") {
        let lines = fs::read_to_string(&path).unwrap().lines().count();
        // The search of node_modules is in each hook: nothing that it could call is safe to run.
        let limit = if path.ends_with("find.sh") { 60 } else { 15 };
        assert!(lines <= limit, "{} has {lines} lines", path.display());
    }
}

#[test]
fn shims_find_the_binary_alike() {
    // What only a file of this clone has.
    let own = ["installed", "package"];
    let search = |name: &str| -> Vec<String> {
        let text = fs::read_to_string(root().join("hooks").join(name)).unwrap();
        let lines = text.lines().map(|line| line.trim().to_owned());
        let search = lines.skip_while(|line| line != "@FIND@").take_while(|line| line != "fi");
        search.filter(|line| !own.iter().any(|name| line.contains(name))).collect()
    };
    assert_eq!(search("native.sh").len(), 5);
    assert_eq!(search("native.sh"), search("husky.sh"));
}

#[test]
fn shims_keep_the_lines_of_git_alike() {
    let shims = ["native.sh", "husky.sh", "server.sh"];
    let keeping = shims.map(|name| {
        let text = fs::read_to_string(root().join("hooks").join(name)).unwrap();
        // A server obeys nothing that a client can set.
        assert_eq!(text.contains("${BAKSTOP"), name != "server.sh", "{name}");
        let mut lines = text
            .lines()
            .map(|line| line.trim().to_owned())
            .filter(|line| line.starts_with("lines="));
        (lines.next(), lines.next())
    });
    assert!(
        keeping[0].0.is_some()
            && keeping.iter().all(|lines| *lines == (keeping[0].0.clone(), None))
    );
}

#[test]
fn lines_end_at_100_columns() {
    let mut paths = Vec::new();
    for ending in [".rs", ".sh", ".py"] {
        paths.extend(["src", "tests"].iter().flat_map(|name| files(&root().join(name), ending)));
    }
    // By name: cargo-fuzz builds below that directory.
    paths.extend(["fuzz/run.sh", "fuzz/target.rs"].map(|name| root().join(name)));
    let mut wide = Vec::new();
    for path in paths {
        let text = fs::read_to_string(&path).unwrap();
        for (at, _) in text.lines().enumerate().filter(|(_, line)| line.chars().count() > 100) {
            wide.push(format!("{}:{}", path.display(), at + 1));
        }
    }
    assert!(wide.is_empty(), "{wide:#?}");
}
