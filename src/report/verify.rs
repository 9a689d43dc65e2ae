//! The report of `verify`: which paths are not as they were, for a person and as `bakstop.verify/1`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::change::ObjectId;
use crate::child::Ended;
use crate::escape::Escaped;
use crate::finding::{Finding, Step};
use crate::paint::Paint;
use crate::path::{RepoPath, shell_quote};
use crate::report::cure::commands;
use crate::report::human::{TO_TOP, order, plural};
use crate::report::json::{document, path};
use crate::snapshot::{Changes, Difference, Dirt, Head, State};

/// What is to be told.
#[derive(Debug)]
pub struct Verification<'a> {
    /// What changed, or what is not clean.
    pub changes: &'a Changes,
    /// What the rules say of the content of these paths.
    pub findings: &'a [Finding],
    /// How the command ended, if one was run.
    pub ended: Option<Ended>,
    /// Whether the reader stands below the top of the work tree.
    pub below_top: bool,
    /// The leftovers that nothing is lost with.
    pub removable: &'a [RepoPath],
    /// The command that undoes a preparation.
    pub restore: &'a str,
}

/// The most leftovers that one command names.
const NAMED: usize = 8;

impl Verification<'_> {
    /// For a person: one line a path, what to type, and one line that counts. Nothing at all if nothing changed.
    pub fn human(&self, paint: Paint) -> String {
        if self.changes.is_empty() {
            return String::new();
        }
        let rows = self.rows(paint);
        let width = rows.iter().map(|(label, _)| label.len()).max().unwrap_or(0);
        let row = |(label, line): &(String, String)| {
            let gap = " ".repeat(width - label.len());
            format!("{}{gap}  {line}\n", paint.bad(label))
        };
        let list: String = rows.iter().map(row).collect();
        let cure = self.cure().map_or(String::new(), |(help, commands)| {
            let go = (self.below_top && !commands.is_empty()).then(|| TO_TOP.to_owned());
            let commands = go.iter().chain(&commands).map(|command| format!("    {}\n", paint.good(command)));
            format!("\n{} {help}\n{}", paint.strong("help:"), commands.collect::<String>())
        });
        format!("{list}{cure}\n{} {}\n", paint.strong("bakstop:"), self.summary())
    }

    /// What happened, and to what; alike beside alike, and then by path.
    fn rows(&self, paint: Paint) -> Vec<(String, String)> {
        let said = self.first_findings();
        let mut sorted: Vec<&Difference> = self.changes.paths.iter().collect();
        sorted.sort_by_key(|difference| {
            let dirt = difference.after.as_ref().or(difference.before.as_ref());
            (difference.after.is_none(), dirt.map(|dirt| &dirt.states))
        });
        let moved = self.changes.head.iter().map(|(before, after)| {
            let line = format!("{} -> {}", shown(before), shown(after));
            ("HEAD moved".to_owned(), line)
        });
        let paths = sorted.into_iter().map(|difference| {
            let notes = match notes(difference) {
                notes if notes.is_empty() => String::new(),
                notes => paint.faint(&format!(" ({})", notes.join(", "))),
            };
            let said = said.get(&difference.path);
            let said = said.map_or(String::new(), |finding| format!(": {}", paint.strong(&finding.message)));
            (label(difference), format!("{}{notes}{said}", difference.path))
        });
        moved.chain(paths).collect()
    }

    /// For a program.
    pub fn json(&self) -> String {
        let said = self.first_findings();
        let paths: Vec<Value> = self
            .changes
            .paths
            .iter()
            .map(|difference| {
                let (path, path_hex) = path(&difference.path);
                json!({
                    "path": path,
                    "path_hex": path_hex,
                    "change": change(difference),
                    "before": states(difference.before.as_ref()),
                    "after": states(difference.after.as_ref()),
                    "notes": notes(difference),
                    "rule": said.get(&difference.path).map(|finding| finding.rule),
                })
            })
            .collect();
        let cure = self.cure();
        document(&json!({
            "schema": "bakstop.verify/1",
            "paths": paths,
            "head": self.changes.head.as_ref().map(|(before, after)| {
                json!({ "before": head(before), "after": head(after) })
            }),
            "help": cure.as_ref().map(|(help, _)| help),
            "steps": cure.as_ref().map_or(&[][..], |(_, commands)| commands),
            "command": self.ended.map(|ended| match ended {
                Ended::Code(code) => json!({ "exit_code": code, "signal": null }),
                Ended::Signal(number) => json!({ "exit_code": null, "signal": number }),
            }),
            "summary": { "clean": self.changes.is_empty(), "paths": self.changes.paths.len() },
        }))
    }

    fn summary(&self) -> String {
        let count = self.changes.paths.len();
        let Some(ended) = self.ended else {
            let verb = if count == 1 { "is" } else { "are" };
            return format!("{} {verb} not clean", plural(count, "path"));
        };
        let mut deeds = Vec::new();
        if count > 0 {
            deeds.push(format!("changed {}", plural(count, "path")));
        }
        if self.changes.head.is_some() {
            deeds.push("moved HEAD".into());
        }
        let end = if ended == Ended::Code(0) { String::new() } else { format!("; it {}", ended.told()) };
        format!("the command {}{end}", deeds.join(" and "))
    }

    /// What the rules say first of each path.
    fn first_findings(&self) -> BTreeMap<&RepoPath, &Finding> {
        self.findings.iter().rev().map(|finding| (&finding.path, finding)).collect()
    }

    fn is_staged(&self, path: &RepoPath) -> bool {
        let difference = self.changes.paths.iter().find(|difference| &difference.path == path);
        difference
            .and_then(|difference| difference.after.as_ref())
            .is_some_and(|dirt| dirt.states.contains(&State::Staged))
    }

    /// What to type. While a manifest is still rewritten, its backup is what restores it, so nothing says to remove it.
    fn cure(&self) -> Option<(&'static str, Vec<String>)> {
        let mut lines: Vec<String> = Vec::new();
        let mut findings: Vec<&Finding> = self.findings.iter().collect();
        findings.sort_by_key(|finding| order(finding.rule));
        for finding in findings {
            // Staging is the next step of a commit, not of a build; unless it is staged already.
            let staged = self.is_staged(&finding.path);
            let due = |step: &&Step| !matches!(step, Step::Stage | Step::Unstage) || staged;
            for &step in finding.steps.iter().filter(due) {
                for line in commands(step, self.restore, &[&finding.path], false) {
                    if !lines.contains(&line) {
                        lines.push(line);
                    }
                }
            }
        }
        if !lines.is_empty() {
            return Some(("the preparation has not been undone; put the originals back", lines));
        }
        let is_leftover = |difference: &&Difference| {
            difference.after.as_ref().is_some_and(|dirt| dirt.states.contains(&State::Leftover))
        };
        let leftovers = self.changes.paths.iter().filter(is_leftover).count();
        let help = match (self.removable.len(), leftovers) {
            (_, 0) => return None,
            (0, _) => "a backup may hold the only copy of an edit: compare it with its original, then remove it",
            (some, all) if some == all => "the preparation left this behind; remove it",
            _ => {
                "the preparation left this behind; remove it, and compare the other backups with their originals first"
            }
        };
        Some((help, self.removable.chunks(NAMED).map(removal).collect()))
    }
}

/// A command that removes files, run at the top of the work tree.
fn removal(paths: &[RepoPath]) -> String {
    let word = |path: &RepoPath| match path.as_bytes() {
        option @ [b'-', ..] => format!(" {}", shell_quote(&[b"./", option].concat())),
        path => format!(" {}", shell_quote(path)),
    };
    format!("rm{}", paths.iter().map(word).collect::<String>())
}

/// What happened to a path, in the words of the list.
fn label(difference: &Difference) -> String {
    match (&difference.before, &difference.after) {
        (_, Some(dirt)) => names(dirt).join(", "),
        (Some(dirt), None) if dirt.states.contains(&State::Untracked) => "no longer untracked".into(),
        (Some(dirt), None) if dirt.states.contains(&State::Leftover) => "leftover gone".into(),
        _ => "changed back".into(),
    }
}

fn notes(difference: &Difference) -> Vec<String> {
    let mut notes: Vec<String> = Vec::new();
    if let Some(after) = &difference.after {
        notes.extend(after.notes.iter().map(|&note| note.to_owned()));
    }
    match (&difference.before, &difference.after) {
        (Some(before), Some(after)) if before.states == after.states => notes.push("changed again".into()),
        // The label has said it already.
        (Some(before), None) if matches!(names(before)[..], ["untracked" | "ignored leftover"]) => {}
        (Some(before), _) => notes.push(format!("was {}", names(before).join(", "))),
        (None, _) => {}
    }
    notes
}

fn names(dirt: &Dirt) -> Vec<&'static str> {
    dirt.states.iter().map(|state| state.name()).collect()
}

fn change(difference: &Difference) -> &'static str {
    match (&difference.before, &difference.after) {
        (None, _) => "dirty",
        (Some(_), Some(_)) => "changed-again",
        (Some(_), None) => "changed-back",
    }
}

/// The states by name; none at all means clean.
fn states(dirt: Option<&Dirt>) -> Value {
    dirt.map(names).unwrap_or_default().into()
}

fn shown(head: &Head) -> String {
    let commit = head.commit.map_or("no commit".to_owned(), |id| id.to_string()[..12].to_owned());
    let branch = head.branch.as_ref().map_or("detached".to_owned(), |branch| Escaped(branch).to_string());
    format!("{commit} ({branch})")
}

fn head(head: &Head) -> Value {
    json!({
        "commit": head.commit.as_ref().map(ObjectId::to_string),
        "branch": head.branch.as_ref().map(|branch| Escaped(branch).to_string()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Severity;

    fn dirt(states: &[State]) -> Dirt {
        Dirt { states: states.iter().copied().collect(), ..Dirt::default() }
    }

    fn changes(paths: &[(&[u8], Option<Dirt>, Option<Dirt>)]) -> Changes {
        let difference = |(path, before, after): &(&[u8], Option<Dirt>, Option<Dirt>)| Difference {
            path: RepoPath::new(*path),
            before: before.clone(),
            after: after.clone(),
        };
        Changes { paths: paths.iter().map(difference).collect(), head: None }
    }

    fn human(changes: &Changes, findings: &[Finding], ended: Option<Ended>, removable: &[RepoPath]) -> String {
        Verification { changes, findings, ended, below_top: false, removable, restore: "restore" }.human(Paint::PLAIN)
    }

    fn rewritten() -> Finding {
        Finding {
            rule: "rewritten-manifest",
            severity: Severity::Error,
            commit: None,
            path: "package.json".into(),
            place: None,
            message: "this points astray".into(),
            help: "",
            steps: &[Step::Restore, Step::Stage],
        }
    }

    #[test]
    fn nothing_is_said_of_nothing() {
        assert_eq!(human(&Changes::default(), &[], Some(Ended::Code(0)), &[]), "");
    }

    #[test]
    fn lines_are_grouped_and_aligned_and_leftovers_can_be_removed() {
        let changes = changes(&[
            (b"a\x1b b.bak", None, Some(dirt(&[State::Leftover]))),
            (b"b", None, Some(dirt(&[State::Untracked]))),
            (b"c", None, Some(dirt(&[State::Staged, State::Modified]))),
            (b"-x.bak", None, Some(dirt(&[State::Leftover]))),
        ]);
        let removable = ["a\u{1b} b.bak", "-x.bak"].map(RepoPath::from);
        assert_eq!(
            human(&changes, &[], None, &removable),
            "staged, modified  c\n\
             untracked         b\n\
             ignored leftover  a\\u{001b} b.bak\n\
             ignored leftover  -x.bak\n\
             \n\
             help: the preparation left this behind; remove it\n\
             \x20   rm $'a\\033 b.bak' ./-x.bak\n\
             \n\
             bakstop: 4 paths are not clean\n"
        );
    }

    #[test]
    fn while_a_manifest_is_rewritten_its_backup_is_not_to_be_removed() {
        let finding = rewritten();
        let changes = changes(&[
            (b"package.json", None, Some(dirt(&[State::Modified]))),
            (b"package.json.bak", None, Some(dirt(&[State::Leftover]))),
        ]);
        assert_eq!(
            human(&changes, &[finding.clone(), finding], Some(Ended::Code(3)), &[]),
            "modified          package.json: this points astray\n\
             ignored leftover  package.json.bak\n\
             \n\
             help: the preparation has not been undone; put the originals back\n\
             \x20   restore\n\
             \n\
             bakstop: the command changed 2 paths; it ended with exit code 3\n"
        );
    }

    #[test]
    fn what_is_staged_is_to_be_staged_again() {
        let finding = rewritten();
        let changes = changes(&[(b"package.json", None, Some(dirt(&[State::Staged])))]);
        let shown = human(&changes, &[finding], None, &[]);
        assert!(shown.contains("    restore\n    git add package.json\n"), "{shown}");
    }

    #[test]
    fn a_backup_that_may_be_the_only_copy_is_not_to_be_removed() {
        let changes = changes(&[
            (b"a.bak", None, Some(dirt(&[State::Leftover]))),
            (b"b.bak", None, Some(dirt(&[State::Leftover]))),
        ]);
        let shown = human(&changes, &[], None, &[RepoPath::from("a.bak")]);
        assert!(shown.contains("compare the other backups with their originals first\n    rm a.bak\n\n"), "{shown}");
        let shown = human(&changes, &[], None, &[]);
        assert!(
            shown.contains("compare it with its original, then remove it\n\n") && !shown.contains("rm "),
            "{shown}"
        );
    }

    #[test]
    fn what_was_dirty_before_is_told_with_what_it_was() {
        let mut changes = changes(&[
            (b"again", Some(dirt(&[State::Modified])), Some(dirt(&[State::Modified]))),
            (b"back", Some(dirt(&[State::Modified])), None),
            (b"gone", Some(dirt(&[State::Untracked])), None),
            (b"left", Some(dirt(&[State::Leftover])), None),
            (b"staged", Some(dirt(&[State::Untracked])), Some(dirt(&[State::Staged]))),
        ]);
        let id = |digit: &str| ObjectId::from_hex(digit.repeat(40).as_bytes());
        let before = Head { commit: None, branch: Some(b"main".to_vec()) };
        changes.head = Some((before, Head { commit: id("a"), branch: None }));
        assert_eq!(
            human(&changes, &[], Some(Ended::Code(0)), &[]),
            "HEAD moved           no commit (main) -> aaaaaaaaaaaa (detached)\n\
             staged               staged (was untracked)\n\
             modified             again (changed again)\n\
             changed back         back (was modified)\n\
             no longer untracked  gone\n\
             leftover gone        left\n\
             \n\
             bakstop: the command changed 5 paths and moved HEAD\n"
        );
    }

    #[test]
    fn the_document_holds_the_same() {
        let changes = changes(&[(b"a\xff", Some(dirt(&[State::Modified])), None)]);
        let text = Verification {
            changes: &changes,
            findings: &[],
            ended: Some(Ended::Signal(15)),
            below_top: false,
            removable: &[],
            restore: "",
        }
        .json();
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["schema"], "bakstop.verify/1");
        assert_eq!(value["paths"][0]["path_hex"], "61ff");
        assert_eq!(value["paths"][0]["change"], "changed-back");
        assert_eq!(value["paths"][0]["before"], json!(["modified"]));
        assert_eq!(value["paths"][0]["after"], json!([]));
        assert_eq!(value["command"]["signal"], 15);
        assert_eq!(value["summary"], json!({ "clean": false, "paths": 1 }));
    }
}
