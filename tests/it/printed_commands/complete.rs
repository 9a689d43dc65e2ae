//! Every command that a message can print is known here: with the test that runs it, or the reason
//! why none does.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The programs that messages name.
const NAMED: [&str; 21] = [
    "git",
    "bakstop",
    "rm",
    "cd",
    "chmod",
    "mkdir",
    "install",
    "unset",
    "cp",
    "mv",
    "ln",
    "sudo",
    "npm",
    "npx",
    "pnpm",
    "yarn",
    "bun",
    "corepack",
    "lefthook",
    "prek",
    "pre-commit",
];

/// What precedes a command in a message: its start, a backtick, an indent, a colon, `(`, `&&`, or
/// a variable part.
const BEFORE: [&str; 7] = ["", "`", "  ", ": ", "(", "&& ", "} "];

/// How a command is known to work.
enum Known {
    /// A test of this directory runs it.
    Row(&'static str),
    /// Another test of `tests/it` does.
    Elsewhere(&'static str),
    /// It only shows something.
    Shows,
    /// No test runs it, for this reason.
    Untried(&'static str),
    /// It is no command: a sentence, or a part of the program.
    Words,
}

use Known::{Elsewhere, Row, Shows, Untried, Words};

const REGISTRY: Known = Untried("needs the registry; `tests/it/real.rs` and `facts.rs` ask it");
const READ: Known = Untried("parts of commands that are read, not printed");

#[rustfmt::skip]
const COMMANDS: &[(&str, Known)] = &[
    ("bakstop --version", Shows),
    ("bakstop -C", Elsewhere("every_printed_command_shows_what_the_table_says")),
    ("bakstop check", Shows),
    ("bakstop doctor", Elsewhere("the_findings_that_no_safe_fix_resolves_stay")),
    ("bakstop explain", Row("more_is_read_about_a_rule")),
    ("bakstop fleet", Shows),
    ("bakstop hook", Elsewhere("a_pre_push_hook_that_reads_its_own_name_is_left_to_the_user")),
    ("bakstop install", Row("a_guard_is_put_in_force")),
    ("bakstop is", Words),
    ("bakstop lockfile", Elsewhere("a_lockfile_is_made_once_and_then_stays")),
    ("bakstop measure", Elsewhere("each_run_sees_another_comment_and_the_file_is_as_before")),
    ("bakstop pack", Words),
    ("bakstop pins", Row("pins_are_moved")),
    (
        "git update-index",
        Elsewhere("what_must_not_be_rewritten_is_named_before_anything_is_packed"),
    ),
    ("bakstop prep", Elsewhere("without_a_build_what_lies_there_is_packed")),
    ("bakstop prove", Shows),
    ("bakstop restore", Row("a_preparation_is_taken_out")),
    ("bakstop rules", Shows),
    ("bakstop status", Shows),
    ("bakstop trend", Shows),
    ("bakstop uninstall", Elsewhere("uninstalling_restores_the_previous_hooks")),
    ("bakstop verify", Shows),
    ("bakstop {}", Words),
    ("bun add", READ),
    ("bun and", Words),
    ("bun install", REGISTRY),
    ("bun pm", Shows),
    ("cd \"$(git", Row("files_are_unstaged")),
    ("cd {directory}", Row("commands_for_another_directory_follow_a_change_to_it")),
    ("cd {}", Row("a_lockfile_is_restored_or_written_again")),
    ("chmod +x", Row("husky_is_repaired")),
    ("corepack enable", REGISTRY),
    ("corepack in", Words),
    ("corepack install", READ),
    ("corepack prepare", READ),
    ("corepack refuses", Words),
    ("corepack use", READ),
    ("git -C", Shows),
    ("git add", Row("an_edited_file_is_staged")),
    ("git am", Row("a_patch_that_stops_is_applied_on")),
    ("git bisect", Row("a_work_tree_is_cleaned")),
    ("git branch", Shows),
    ("git cat-file", Shows),
    ("git cat-file:", Words),
    ("git checkout", Row("a_lockfile_is_restored_or_written_again")),
    ("git cherry-pick", Row("a_stopped_operation_is_aborted_or_continued")),
    ("git commit", Row("a_hook_is_passed_once")),
    ("git config", Row("a_guard_is_put_in_force")),
    ("git could", Words),
    ("git diff", Shows),
    ("git does", Words),
    ("git ended", Words),
    ("git fetch", Row("missing_history_is_fetched")),
    ("git fsck", Shows),
    ("git finds", Words),
    ("git has", Words),
    ("git ignores", Words),
    ("git merge", Row("a_merge_is_aborted")),
    ("git passes", Words),
    ("git push", Row("a_hook_is_passed_once")),
    ("git rebase", Row("a_rebase_stops_where_files_must_be_fixed")),
    ("git reset", Row("a_stopped_operation_is_aborted_or_continued")),
    ("git rev-parse", Row("files_are_unstaged")),
    ("git revert", Row("a_stopped_operation_is_aborted_or_continued")),
    ("git rm", Row("files_are_unstaged")),
    ("git runs", Words),
    ("git status", Shows),
    ("git switch", Row("files_are_removed_from_commits")),
    ("git takes", Words),
    ("git tracks", Words),
    ("git version", Words),
    ("git was", Words),
    ("git {major}.{minor}", Words),
    ("install from", Words),
    ("install git", Words),
    ("install hooks", Words),
    ("install it", Words),
    ("install the", Words),
    ("install this", Words),
    ("install with", Words),
    ("install {}", Elsewhere("a_program_that_is_missing_or_does_not_know_the_rule")),
    ("lefthook install", Row("real_printed_npm_managers")),
    ("mkdir -p", Elsewhere("a_program_that_is_missing_or_does_not_know_the_rule")),
    ("npm ci", REGISTRY),
    ("npm config", Shows),
    ("npm exec", READ),
    ("npm has", Words),
    ("npm install", REGISTRY),
    ("npm installs", Words),
    ("npx husky", Row("husky_is_repaired")),
    ("npx simple-git-hooks", Row("real_printed_npm_managers")),
    ("pnpm 10", Words),
    ("pnpm 11", Words),
    ("pnpm add", READ),
    ("pnpm dlx", READ),
    ("pnpm install", Row("a_lockfile_is_restored_or_written_again")),
    ("pnpm made", Words),
    ("pnpm merges", Words),
    ("pnpm packed", Words),
    ("pnpm ran", Words),
    ("pnpm reads", Words),
    ("pnpm self-update", READ),
    ("pnpm store", Shows),
    ("pnpm wrote", Words),
    ("pnpm {version}", Words),
    ("pre-commit blocks", Words),
    ("pre-commit install", Row("real_printed_python_managers")),
    ("pre-commit let", Words),
    ("pre-commit reports", Words),
    ("pre-commit runs", Words),
    ("pre-commit {failed}", Words),
    ("prek install", Row("real_printed_python_managers")),
    ("unset GIT_CONFIG_GLOBAL", Elsewhere("a_device_is_not_taken_for_a_configuration")),
    ("unset argv0", READ),
    ("unset {SKIP}", Row("what_disables_the_guard_is_unset")),
    ("unset {name}", Row("what_disables_the_guard_is_unset")),
    ("yarn bakstop", Untried("needs Yarn with Plug'n'Play")),
    ("yarn cache", Shows),
    ("yarn dlx", READ),
    ("yarn global", READ),
    ("yarn install", REGISTRY),
    ("yarn policies", READ),
    ("yarn set", REGISTRY),
];

/// The texts of a file that are no comments and no tests.
fn literals(text: &str) -> Vec<String> {
    let text = ["mod", "pub(crate) mod"].iter().fold(text, |text, start| {
        text.split_once(&format!("#[cfg(test)]\n{start} tests {{")).map_or(text, |parts| parts.0)
    });
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    let text = lines.collect::<Vec<_>>().join("\n");
    let mut texts = Vec::new();
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            // A character that is a quote.
            '\'' if characters.peek() == Some(&'"') => _ = characters.next(),
            '"' => {
                let mut literal = String::new();
                while let Some(character) = characters.next() {
                    match character {
                        '"' => break,
                        '\\' => match characters.next() {
                            Some('n') => literal.push('\n'),
                            Some('\n') => {
                                while characters.next_if(|next| next.is_whitespace()).is_some() {}
                            }
                            other => literal.extend(other),
                        },
                        other => literal.push(other),
                    }
                }
                texts.push(literal);
            }
            _ => {}
        }
    }
    texts
}

/// The first two words of each command in a text.
fn commands(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in text.lines() {
        for program in NAMED {
            for (start, _) in line.match_indices(program) {
                let (before, command) = line.split_at(start);
                let mut words = command.split(['`', ',', ';', ')']).next().unwrap().split(' ');
                let is_start = BEFORE.iter().any(|mark| match *mark {
                    "" => before.is_empty(),
                    mark => before.ends_with(mark),
                });
                let first = words.next();
                let second = words.next().filter(|word| !word.is_empty());
                if let Some(second) = second.filter(|_| is_start && first == Some(program)) {
                    found.push(format!("{program} {}", second.trim_end_matches('.')));
                }
            }
        }
    }
    found
}

fn files(directory: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, ending));
        } else if path.to_string_lossy().ends_with(ending) {
            found.push(path);
        }
    }
    found
}

#[test]
fn every_command_in_a_message_is_known() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut printed = BTreeSet::new();
    for path in files(&root.join("src"), ".rs") {
        let text = fs::read_to_string(&path).unwrap();
        printed.extend(literals(&text).iter().flat_map(|text| commands(text)));
    }
    for path in files(&root.join("hooks"), ".sh") {
        let text = fs::read_to_string(&path).unwrap();
        printed.extend(text.lines().filter(|line| line.contains("echo")).flat_map(commands));
    }
    let known: BTreeSet<String> = COMMANDS.iter().map(|(words, _)| (*words).to_owned()).collect();
    let new: Vec<_> = printed.difference(&known).collect();
    assert!(new.is_empty(), "add these, with a row in tests/it/printed_commands: {new:#?}");
    let gone: Vec<_> = known.difference(&printed).collect();
    assert!(gone.is_empty(), "no message prints these: {gone:#?}");

    let sources = |directory: &Path| {
        let texts =
            files(directory, ".rs").into_iter().map(|path| fs::read_to_string(path).unwrap());
        texts.collect::<String>()
    };
    let (here, all) = (root.join("tests/it/printed_commands"), root.join("tests/it"));
    let (here, all) = (sources(&here), sources(&all));
    for (words, known) in COMMANDS {
        match known {
            Row(test) => assert!(here.contains(&format!("fn {test}()")), "{words}: {test}"),
            Elsewhere(test) => assert!(all.contains(&format!("fn {test}()")), "{words}: {test}"),
            Shows | Words => {}
            Untried(reason) => assert!(!reason.is_empty(), "{words}"),
        }
    }
}
