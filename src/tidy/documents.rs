//! Tests of the documentation: its links, the files and functions that it names, and the lists of
//! files in CONTRIBUTING.md.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use clap::{CommandFactory, ValueEnum};

use crate::cli::Cli;
use crate::project::kinds::{FileKind, names};
use crate::report::Format;
use crate::tidy::{declared, files, root};

/// The anchor of a heading, as forges make it.
fn anchor(heading: &str) -> String {
    let heading = heading.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
    heading.chars().filter(|&c| c.is_alphanumeric() || c == '-' || c == '_').collect()
}

/// Every page.
fn pages() -> Vec<PathBuf> {
    let top = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(|name| root().join(name));
    files(&root().join("docs"), ".md").into_iter().chain(top).collect()
}

/// Every link of a page: inline, by reference, and pictures in HTML.
fn links(text: &str) -> Vec<&str> {
    let inline = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let by_reference = text
        .lines()
        .filter_map(|line| line.strip_prefix('[')?.split_once("]: ").map(|(_, link)| link));
    let pictures = text.split("<img src=\"").skip(1).filter_map(|rest| rest.split('"').next());
    inline.chain(by_reference).chain(pictures).collect()
}

#[test]
fn paragraphs_end_at_100_columns() {
    let mut wide = Vec::new();
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        let mut in_block = false;
        for (at, line) in text.lines().enumerate() {
            in_block ^= line.trim_start().starts_with("```");
            if !in_block && !line.starts_with('|') && line.chars().count() > 100 {
                wide.push(format!("{}:{}", page.display(), at + 1));
            }
        }
    }
    assert!(wide.is_empty(), "{wide:#?}");
}

#[test]
fn links_lead_to_files_and_headings() {
    for document in pages() {
        let text = fs::read_to_string(&document).unwrap();
        for link in links(&text).into_iter().filter(|link| !link.contains("://")) {
            let (target, section) = link.split_once('#').unwrap_or((link, ""));
            let path = match target {
                "" => document.clone(),
                _ => document.parent().unwrap().join(target),
            };
            assert!(path.exists(), "{} links to {link}", document.display());
            let has_section = |text: String| text.lines().any(|line| anchor(line) == section);
            assert!(
                section.is_empty() || has_section(fs::read_to_string(&path).unwrap()),
                "{} links to {link}",
                document.display()
            );
        }
    }
}

/// The pages of the book, by their paths below docs/, in its order.
fn book() -> Vec<String> {
    let summary = fs::read_to_string(root().join("docs/SUMMARY.md")).unwrap();
    let links = summary.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    links.map(str::to_owned).collect()
}

/// mdBook makes a page of each file that SUMMARY.md names, and no others.
#[test]
fn the_book_has_every_page_for_users() {
    let docs = root().join("docs");
    let internal = ["SUMMARY.md", "architecture.md", "decisions.md"];
    let pages: Vec<String> = files(&docs, ".md")
        .iter()
        .map(|path| path.strip_prefix(&docs).unwrap().to_str().unwrap().to_owned())
        .filter(|page| !internal.contains(&&**page))
        .collect();
    let mut listed = book();
    listed.sort();
    let twice: Vec<_> = listed.windows(2).filter(|pair| pair[0] == pair[1]).collect();
    assert!(twice.is_empty(), "{twice:?}");
    assert_eq!(listed, pages);
}

/// A file outside of docs/, or that is not a page of the book, is not on the site.
#[test]
fn the_book_links_only_to_itself() {
    let book = book();
    for page in &book {
        let text = fs::read_to_string(root().join("docs").join(page)).unwrap();
        let directory = Path::new(page).parent().unwrap();
        for link in links(&text).into_iter().filter(|link| !link.contains("://")) {
            let target = link.split('#').next().unwrap_or_default();
            let path = match target {
                "" => continue,
                // One directory above rules/ is docs/.
                _ => match target.strip_prefix("../") {
                    Some(rest) if directory != Path::new("") => PathBuf::from(rest),
                    _ => directory.join(target),
                },
            };
            let is_page = path.extension().is_some_and(|ending| ending == "md");
            let known = if is_page {
                book.contains(&path.to_str().unwrap().to_owned())
            } else {
                !path.starts_with("..") && root().join("docs").join(&path).is_file()
            };
            assert!(known, "docs/{page} links to {link}");
        }
    }
}

/// What bakstop is, and the commands of the start.
#[test]
fn the_site_starts_as_the_readme_does() {
    let parts = |page: &str| -> Vec<String> {
        let text = fs::read_to_string(root().join(page)).unwrap();
        let about = text.split("\n\n").nth(1).unwrap().to_owned();
        let commands = text.split("```sh\n").nth(1).unwrap().split("```").next().unwrap();
        vec![about, commands.to_owned()]
    };
    let readme = parts("README.md");
    assert!(readme[0].starts_with("bakstop is") && readme[1].contains("bakstop prove\n"));
    assert_eq!(parts("docs/index.md"), readme);
}

/// Until Cargo.toml has an address, the pages say that nothing is published; from then on they do
/// not.
#[test]
fn the_pages_agree_with_cargo_about_the_public_home() {
    let cargo = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let package = cargo.split("\n[").next().unwrap();
    let has_home = package.lines().any(|line| line.starts_with("homepage"));
    let denying: Vec<PathBuf> = pages()
        .into_iter()
        .filter(|page| {
            let text = fs::read_to_string(page).unwrap();
            text.contains("bakstop is not on a public registry")
        })
        .collect();
    for page in ["README.md", "docs/index.md"] {
        assert_eq!(denying.contains(&root().join(page)), !has_home, "{page}");
    }
    assert!(!has_home || denying.is_empty(), "{denying:?}");
}

/// Whether a text contains a word, in any case.
fn has_word(text: &str, word: &str) -> bool {
    let (text, word) = (text.to_lowercase(), word.to_lowercase());
    let is_part = |c: char| c.is_alphanumeric();
    text.match_indices(&word).any(|(at, _)| {
        !text.get(..at).unwrap().ends_with(is_part)
            && !text.get(at + word.len()..).unwrap().starts_with(is_part)
    })
}

/// The files that a section of CONTRIBUTING.md names for every addition: the numbered items that
/// start with a file and a colon.
fn files_to_touch(section: &str) -> Vec<String> {
    let text = fs::read_to_string(root().join("CONTRIBUTING.md")).unwrap();
    let start = format!("\n## {section}\n");
    let rest = text.split(&start).nth(1).unwrap_or_else(|| panic!("no section {section}"));
    let file = |line: &str| {
        let (file, rest) = line.split_once(". `")?.1.split_once('`')?;
        rest.starts_with(':').then(|| file.to_owned())
    };
    rest.split("\n## ").next().unwrap().lines().filter_map(file).collect()
}

#[test]
fn contributing_lists_every_file() {
    let formats: Vec<String> = Format::value_variants()
        .iter()
        .map(|format| format.to_possible_value().unwrap().get_name().to_owned())
        .collect();
    let verbs: Vec<String> =
        Cli::command().get_subcommands().map(|verb| verb.get_name().to_owned()).collect();
    // Files that pin, by name: the kind is a second word for each.
    let pins: Vec<(String, FileKind)> = names()
        .filter_map(|name| Some((name.to_owned(), FileKind::of(&name.into(), FileKind::may_pin)?)))
        .collect();
    let schema = fs::read_to_string(root().join("docs/schema/bakstop.json")).unwrap();
    let schema: serde_json::Value = serde_json::from_str(&schema).unwrap();
    let settings = schema["properties"].as_object().unwrap().keys().cloned();
    let one = |name: String| vec![name];
    let mut missing = Vec::new();
    for (section, examples) in [
        ("A new report format", formats.into_iter().map(one).collect::<Vec<_>>()),
        ("A new verb", verbs.into_iter().map(one).collect()),
        (
            "A new pin source",
            pins.into_iter().map(|(name, kind)| vec![name, format!("{kind:?}")]).collect(),
        ),
        ("A new setting", settings.map(one).collect()),
    ] {
        let files = files_to_touch(section);
        assert!(files.len() > 3 && examples.len() > 5, "{section}: {files:?} {examples:?}");
        for words in examples {
            for file in &files {
                let own = file.replace("FORMAT", &words[0]).replace("VERB", &words[0]);
                let text = fs::read_to_string(root().join(&own)).unwrap_or_default();
                let is_named = own != *file || words.iter().any(|word| has_word(&text, word));
                if text.is_empty() {
                    missing.push(format!("{section}: {own} is missing"));
                } else if !is_named {
                    missing.push(format!("{section}: {file} does not mention {words:?}"));
                }
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

/// A row that is missing there leaves the questions that a kind answers untested.
#[test]
fn every_file_name_is_in_the_test_of_kinds() {
    let code = fs::read_to_string(root().join("src/project/kinds.rs")).unwrap();
    let (_, test) = code.split_once("mod tests {").unwrap();
    let words: HashSet<String> = test
        .split([' ', '"'])
        .map(|word| word.rsplit('/').next().unwrap().to_lowercase())
        .collect();
    let missing: Vec<&str> = names().filter(|name| !words.contains(*name)).collect();
    assert!(missing.is_empty(), "src/project/kinds.rs: no row in the test for {missing:?}");
}

#[test]
fn contributing_names_existing_items() {
    let text = fs::read_to_string(root().join("CONTRIBUTING.md")).unwrap();
    let additions = text.split("\n## ").filter(|section| section.starts_with("A new "));
    let items = additions.flat_map(|section| section.split("\n\n")).flat_map(|part| {
        let lines = part.replace("\n   ", " ").replace("\n  ", " ");
        lines.lines().map(str::to_owned).collect::<Vec<_>>()
    });
    let mut checked = 0;
    for item in items {
        let quoted: Vec<&str> = item.split('`').skip(1).step_by(2).collect();
        let known: Vec<String> =
            quoted.iter().filter_map(|file| fs::read_to_string(root().join(file)).ok()).collect();
        let is_name = |word: &&&str| word.chars().all(|c| c.is_ascii_alphabetic() || c == '_');
        for name in quoted.iter().filter(is_name).filter(|_| !known.is_empty()) {
            let exists = known.iter().any(|text| has_word(text, name));
            assert!(exists, "CONTRIBUTING.md names {name} in: {item}");
            checked += 1;
        }
    }
    assert!(checked > 10, "{checked}");
}

/// Whether a path such as `git::staged::Staged::read` names items of this crate.
fn is_item(path: &str) -> bool {
    let names: Vec<&str> = path.split("::").collect();
    let file = |end: usize| root().join("src").join(names[..end].join("/")).with_extension("rs");
    let Some(end) = (1..=names.len()).rev().find(|end| file(*end).exists()) else { return false };
    let code = fs::read_to_string(file(end)).unwrap();
    names[end..].iter().all(|name| {
        ["fn", "struct", "enum", "trait"]
            .iter()
            .any(|kind| has_word(&code, &format!("{kind} {name}")))
    })
}

#[test]
fn pages_name_existing_files_and_items() {
    for document in ["docs/architecture.md", "docs/decisions.md", "CONTRIBUTING.md"] {
        let text = fs::read_to_string(root().join(document)).unwrap();
        let words = text.split(|c: char| c.is_whitespace() || "`()[]|,;".contains(c));
        let mut checked = 0;
        for word in words.map(|word| word.trim_end_matches(['.', ':'])) {
            let is_rust = word.contains("::") && word.starts_with(|c: char| c.is_ascii_lowercase());
            let is_file = word.contains('/')
                && [".rs", ".sh", ".json", ".toml", ".trycmd"]
                    .iter()
                    .any(|end| word.ends_with(end))
                && !word.contains(|c: char| c.is_ascii_uppercase());
            if is_rust {
                assert!(is_item(word), "{document} names {word}");
            } else if is_file {
                let places = [root().to_owned(), root().join("src")];
                assert!(places.iter().any(|place| place.join(word).exists()), "{document}: {word}");
            }
            checked += usize::from(is_rust || is_file);
        }
        assert!(checked > 5, "{document}");
    }
}

#[test]
fn the_picture_lists_the_rooms_in_order() {
    let page = fs::read_to_string(root().join("docs/architecture.md")).unwrap();
    let picture = page.split("```text\n").nth(1).unwrap().split("```").next().unwrap();
    // The names are in the first 28 columns.
    let mut rooms: Vec<&str> = picture
        .lines()
        .flat_map(|line| line.get(..28).unwrap().split_whitespace())
        .filter(|room| *room != "main")
        .collect();
    rooms.reverse();
    let lib = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let listed: Vec<String> = declared(&lib).into_iter().flatten().collect();
    assert_eq!(listed[..rooms.len()], rooms);
    assert_eq!(listed[rooms.len()..], ["fuzz", "tidy"]);
}

/// A room names at its door its content, and what must not enter.
#[test]
fn each_room_has_a_sign() {
    let page = fs::read_to_string(root().join("docs/architecture.md")).unwrap();
    let table = page.split("| room | contains | must not contain |\n").nth(1).unwrap();
    let rows = table.lines().take_while(|line| line.starts_with('|'));
    let rooms: Vec<&str> =
        rows.filter_map(|row| row.split('`').nth(1)?.strip_suffix('/')).collect();
    assert!(rooms.len() > 15, "{rooms:?}");
    for room in rooms {
        let code = fs::read_to_string(root().join(format!("src/{room}.rs"))).unwrap();
        let sign: String = code.lines().map_while(|line| line.strip_prefix("//!")).collect();
        let forbids = ["no", "not", "none", "nothing", "only", "never"];
        assert!(forbids.iter().any(|word| has_word(&sign, word)), "src/{room}.rs: {sign}");
    }
}

#[test]
fn the_version_is_in_the_changelog() {
    let changelog = fs::read_to_string(root().join("CHANGELOG.md")).unwrap();
    assert!(changelog.contains("## Unreleased"));
}
