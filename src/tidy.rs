//! The laws of the house, as tests: what docs/architecture.md promises, the source is held to.

use std::fs;
use std::path::{Path, PathBuf};

use crate::rules::RULES;

/// A source file: its path below `src/`, and its text without its tests.
struct Source {
    path: String,
    code: String,
    lines: usize,
}

impl Source {
    /// The module of main.rs that the file belongs to.
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

fn sources() -> Vec<Source> {
    let source = root().join("src");
    files(&source, ".rs")
        .into_iter()
        .map(|path| {
            let text = fs::read_to_string(&path).unwrap();
            let tests = ["#[cfg(test)]\nmod tests {", "#[cfg(test)]\npub mod tests {"];
            let end = tests.iter().filter_map(|tests| text.find(tests)).min().unwrap_or(text.len());
            let code = text[..end].to_owned();
            let path = path.strip_prefix(&source).unwrap().to_str().unwrap().to_owned();
            Source { path, code, lines: text.lines().count() }
        })
        .filter(|source| source.path != "tidy.rs")
        .collect()
}

/// The modules of main.rs, lowest layer first.
fn layers() -> Vec<String> {
    let main = fs::read_to_string(root().join("src/main.rs")).unwrap();
    let layers: Vec<String> = main
        .lines()
        .filter_map(|line| line.trim_start_matches("pub ").strip_prefix("mod ")?.strip_suffix(';'))
        .map(str::to_owned)
        .collect();
    assert_eq!(layers.first().map(String::as_str), Some("escape"));
    layers
}

/// The names after `needle` in the code, up to what is no part of an identifier.
fn names_after<'a>(code: &'a str, needle: &'a str) -> impl Iterator<Item = &'a str> {
    code.split(needle).skip(1).map(|rest| {
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        &rest[..end]
    })
}

#[test]
fn a_file_uses_only_what_stands_above_it() {
    let layers = layers();
    let height = |room: &str| layers.iter().position(|layer| layer == room);
    for source in sources().iter().filter(|source| source.path != "main.rs") {
        let own = height(source.room()).unwrap_or_else(|| panic!("{} belongs to no module of main.rs", source.path));
        for used in names_after(&source.code, "crate::").filter(|used| !used.is_empty()) {
            let other = height(used)
                .unwrap_or_else(|| panic!("{}: `crate::{used}` is no module: name each on its own", source.path));
            assert!(other <= own, "{} is below {used} and must not use it", source.path);
        }
    }
}

#[test]
fn only_the_git_room_knows_gix_and_starts_git() {
    for source in sources().iter().filter(|source| source.room() != "git") {
        assert!(!source.code.contains("gix::"), "{}", source.path);
        assert!(!source.code.contains("Command::new(\"git\""), "{}", source.path);
    }
}

#[test]
fn processes_are_started_in_three_places() {
    // git; the build that `verify` runs; another bakstop, to ask its version.
    let starters = ["git/command.rs", "child.rs", "hooks/binary.rs"];
    for source in sources().iter().filter(|source| !starters.contains(&source.path.as_str())) {
        assert!(!source.code.contains("Command::new"), "{}", source.path);
    }
}

/// The rooms that are pure.
const CORE: [&str; 19] = [
    "escape", "path", "error", "finding", "change", "pattern", "refs", "formats", "pins", "debris", "rule", "rules",
    "config", "engine", "snapshot", "runs", "baseline", "paint", "report",
];

#[test]
fn the_core_touches_nothing_outside() {
    for source in sources() {
        if CORE.contains(&source.room()) {
            for outside in ["std::fs", "std::io", "std::process", "std::net", "std::env", "Timestamp::now"] {
                assert!(!source.code.contains(outside), "{} uses {outside}", source.path);
            }
        }
    }
}

#[test]
fn hook_files_are_changed_in_one_place() {
    for source in sources().iter().filter(|source| source.room() == "hooks" && source.path != "hooks/apply.rs") {
        for change in
            ["fs::write", "fs::rename", "fs::remove", "fs::hard_link", "fs::copy", "fs::set_permissions", "fs::create"]
        {
            assert!(!source.code.contains(change), "{} uses {change}", source.path);
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
fn each_stream_is_touched_in_one_place() {
    for (stream, places) in [
        ("stdin()", &["commands/judge.rs"][..]),
        ("stdout()", &["main.rs"]),
        // The line that is written over and over is gone at the end; the build of `verify` is given our own stream.
        ("stderr()", &["main.rs", "progress.rs", "child.rs"]),
        ("Timestamp::now", &["main.rs"]),
        ("Progress::new", &["commands/judge/past.rs", "git/worktree.rs"]),
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
            .map(|path| path.file_stem().unwrap().to_str().unwrap().replace('_', "-"))
            .collect()
    };
    let mut ids: Vec<String> = RULES.iter().map(|rule| rule.id.to_owned()).collect();
    ids.sort();
    assert_eq!(stems("src/rules", ".rs"), ids);
    assert_eq!(stems("docs/rules", ".md"), ids);
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    for rule in RULES {
        assert!(rule.manual.starts_with(&format!("# {}\n\n", rule.id)), "{}", rule.id);
        for section in ["\n## Why is this bad?\n", "\n## Example\n", "\n## What to do instead\n"] {
            assert!(rule.manual.contains(section), "{} lacks {section}", rule.id);
        }
        assert!(!rule.summary.is_empty() && !rule.summary.ends_with('.'), "{}", rule.id);
        assert!(readme.contains(&format!("docs/rules/{}.md", rule.id)), "the README does not name {}", rule.id);
    }
}

#[test]
fn files_stay_readable_in_one_sitting() {
    for source in sources() {
        assert!(source.lines <= 600, "{} has {} lines", source.path, source.lines);
    }
}

#[test]
fn shims_are_short() {
    for path in files(&root().join("hooks"), "") {
        let lines = fs::read_to_string(&path).unwrap().lines().count();
        assert!(lines <= 15, "{} has {lines} lines", path.display());
    }
}

#[test]
fn shims_find_the_binary_alike() {
    let search = |name: &str| -> Vec<String> {
        let text = fs::read_to_string(root().join("hooks").join(name)).unwrap();
        let lines = text.lines().map(|line| line.trim().to_owned());
        lines.skip_while(|line| !line.starts_with("PATH=")).take_while(|line| line != "exit 2").collect()
    };
    assert!(search("native.sh").len() > 5);
    assert_eq!(search("native.sh"), search("husky.sh"));
}

#[test]
fn shims_keep_the_lines_of_git_alike() {
    let shims = ["native.sh", "husky.sh", "server.sh"];
    let keeping = shims.map(|name| {
        let text = fs::read_to_string(root().join("hooks").join(name)).unwrap();
        // A server obeys nothing that a client can set.
        assert_eq!(text.contains("${BAKSTOP"), name != "server.sh", "{name}");
        let mut lines = text.lines().map(|line| line.trim().to_owned()).filter(|line| line.starts_with("lines="));
        (lines.next(), lines.next())
    });
    assert!(keeping[0].0.is_some() && keeping.iter().all(|lines| *lines == (keeping[0].0.clone(), None)));
}

#[test]
fn links_between_documents_lead_somewhere() {
    let mut documents = files(&root().join("docs"), ".md");
    documents.extend(["README.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(|name| root().join(name)));
    for document in documents {
        let text = fs::read_to_string(&document).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = link.split('#').next().unwrap();
            if !target.is_empty() && !target.contains("://") {
                let path = document.parent().unwrap().join(target);
                assert!(path.exists(), "{} links to {target}", document.display());
            }
        }
    }
}

#[test]
fn the_version_is_in_the_changelog() {
    let changelog = fs::read_to_string(root().join("CHANGELOG.md")).unwrap();
    assert!(changelog.contains("## Unreleased"));
}
