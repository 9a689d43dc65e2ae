//! Targets: judging and reporting.

use std::collections::BTreeMap;

use crate::base::change::{Change, Content, Entry, File, Mode, ObjectId, Older};
use crate::base::debris::{Debris, backup_of};
use crate::base::edit::Edit;
use crate::base::error::Error;
use crate::base::escape::{Escaped, escaped};
use crate::base::finding::{Label, LineIndex, Place, Severity};
use crate::base::path::{RepoPath, shell_quote};
use crate::base::pattern::Pattern;
use crate::base::refs;
use crate::config::{self, Config};
use crate::cure::{self, Facts};
use crate::edit::excerpt;
use crate::edit::fix::{Fix, Safety};
use crate::engine::Engine;
use crate::fuzz::asserts::{json, safe, split_input};
use crate::measure::runs::{self, Run};
use crate::measure::units::{Budget, Percent};
use crate::report::View;
use crate::report::paint::Paint;
use crate::report::verify::{Since, Verification};
use crate::report::{self, Format, Report};
use crate::rule::{Finding, Rule};
use crate::rules::RULES;
use crate::snapshot::baseline::Baseline;
use crate::snapshot::{Changes, Snapshot};
use jiff::civil::{Date, date};

const TODAY: Date = date(2026, 5, 2);

/// A configuration; and a pattern in the first line, matched against the rest as a path.
pub(super) fn config(data: &[u8]) {
    let path = RepoPath::new(data);
    match Config::parse(config::FILE, data, TODAY) {
        Ok(config) => {
            assert!(config.is(data) && config.text() == data);
            for rule in RULES {
                config.hides(rule, &path);
                config.exempts(rule, &path);
            }
            config.verify_allowance(&path);
            config.debris().content_of(&path, Mode::File);
            config.debris().is_backup(&path);
            for origin in config.allowances().iter().map(|allowance| &allowance.origin) {
                assert!(origin.line >= 1 && origin.column >= 1);
            }
            let reading = config.reading(true, |_, _| true);
            for span in reading.expired.iter().chain(&reading.unused) {
                assert!(
                    data.get(span.clone()).is_some_and(|text| text.starts_with(b"\"")),
                    "{span:?}"
                );
            }
        }
        Err(error) => {
            safe(&report::error(&error, Paint::PLAIN));
            assert!(error.cause().lines().count() <= 21, "{error:?}");
        }
    }
    let (glob, path) = split_input(data);
    let (glob, path) = (String::from_utf8_lossy(glob), RepoPath::new(path));
    for pattern in [Pattern::for_paths(&glob), Pattern::for_names(&glob)] {
        match pattern {
            Ok(pattern) => _ = pattern.matches(&path),
            Err(problem) => assert!(!problem.is_empty()),
        }
    }
}

/// The input of push hooks, and the files that `verify` writes.
pub(super) fn records(data: &[u8]) {
    for parse in [refs::parse_pre_push, refs::parse_pre_receive] {
        match refs::lines(data, parse) {
            Ok(updates) => {
                assert!(updates.iter().all(|update| !update.name.as_bytes().contains(&b'\n')));
            }
            Err(line) => assert!(parse(line).is_none()),
        }
    }
    let text = String::from_utf8_lossy(data);
    match runs::parse(&text) {
        Ok(runs) => {
            let lines: String = runs.iter().map(Run::line).collect();
            assert_eq!(runs::parse(&lines).as_ref(), Ok(&runs));
            safe(&report::runs::human(&runs, Paint::PLAIN, true));
            json(&report::runs::json(&runs));
        }
        Err(line) => assert!(line >= 1 && line <= 1 + text.matches('\n').count()),
    }
    if let Ok(baseline) = Baseline::read(data) {
        assert_eq!(Baseline::read(baseline.write().as_bytes()).as_ref(), Ok(&baseline));
        let Baseline { snapshot, .. } = baseline;
        assert!(snapshot.clone().changes_since(snapshot.clone()).is_empty());
        verified(&snapshot.clone().changes_since_clean(), Since::Clean);
        verified(&snapshot.clone().changes_since(Snapshot::default()), Since::Baseline);
        verified(&Snapshot::default().changes_since(snapshot), Since::Baseline);
    }
    if let Ok(Budget(time)) = text.parse() {
        assert!(!time.is_zero());
    }
    if let Ok(Percent(number)) = text.parse() {
        assert!(number.is_finite());
    }
}

/// The reports of `verify`.
fn verified(changes: &Changes, since: Since<'_>) {
    let (findings, diffs, rewritten_backups, below_top) = (&[], &[], &[], false);
    // Every backup equals its original.
    let on_disk = |_: &RepoPath| Some(Vec::new());
    let facts = Facts {
        debris: &Debris::default(),
        on_disk: &on_disk,
        is_tracked: &|_| true,
        plan: &|| None,
        staged: false,
    };
    let advice = cure::of_changes(changes, findings, &facts);
    let report = Verification {
        changes,
        since,
        findings,
        diffs,
        rewritten_backups,
        below_top,
        advice: advice.as_ref(),
        cache: None,
    };
    safe(&report.human(Paint::PLAIN));
    let value = json(&report.json());
    assert_eq!(value["paths"].as_array().map(Vec::len), Some(changes.paths.len()));
}

/// Bytes of a repository as text, as a path, as a word of a command, as a place in a file, and in a
/// diff.
pub(super) fn escape(data: &[u8]) {
    let shown = Escaped(data).to_string();
    safe(&shown);
    assert!(!shown.contains('\n'));
    if let Ok(text) = std::str::from_utf8(data) {
        assert_eq!(escaped(text.chars()), shown);
    }
    let path = RepoPath::new(data);
    let quoted = shell_quote(data);
    for word in [&*quoted, &path.as_pathspec(false), &path.as_pathspec(true)] {
        safe(word);
    }
    assert_eq!(unquoted(&quoted).as_deref(), Some(data), "{quoted}");
    assert_eq!(path.components().collect::<Vec<_>>().join(&b'/'), data);
    let backup = backup_of(&path);
    assert!(
        Debris::default().is_backup(&backup)
            && Debris::default().backed_up(&backup) == Some(path.clone())
    );
    safe(&report::error(&Error::new("read", String::from_utf8_lossy(data)), Paint::PLAIN));
    place(data);
    let (old, new) = split_input(data);
    for (_, excerpt) in
        excerpt::excerpts([(&RepoPath::from("a"), old.to_vec(), new.to_vec())].into_iter())
    {
        safe(&excerpt.lines.join("\n").replace('\t', " "));
    }
}

/// A place at the offset and length in the first two bytes, by both ways to find its line.
fn place(data: &[u8]) {
    let &[start, length, ref text @ ..] = data else { return };
    let start = usize::from(start) * (text.len() + 8) / 256;
    let span = start..start + usize::from(length);
    let (line, column) = LineIndex::new(text).locate(span.start);
    for place in
        [Place::locate(text, &span), Place::masked(text, &span), Place::position(text, &span)]
    {
        assert_eq!((place.line, place.column), (line, column), "{span:?}");
        assert!(place.end_column >= place.column);
        safe(&place.excerpt);
        assert!(!place.excerpt.contains('\n') && place.excerpt.get(place.marked.clone()).is_some());
    }
    let masked = Place::masked(text, &span);
    assert_eq!(masked.excerpt.get(masked.marked), Some("********"));
}

/// A word as a POSIX shell unquotes it.
fn unquoted(word: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut rest = word;
    while !rest.is_empty() {
        if let Some(inner) = rest.strip_prefix("$'") {
            rest = inner;
            loop {
                let (plain, sign) = rest.split_at_checked(rest.find(['\'', '\\'])?)?;
                bytes.extend(plain.bytes());
                if let Some(after) = sign.strip_prefix('\'') {
                    rest = after;
                    break;
                }
                let escape = sign.strip_prefix('\\')?;
                let length =
                    if escape.starts_with(|first: char| first.is_digit(8)) { 3 } else { 1 };
                let (digits, after) = escape.split_at_checked(length)?;
                bytes.push(if length == 3 {
                    u8::from_str_radix(digits, 8).ok()?
                } else {
                    digits.as_bytes()[0]
                });
                rest = after;
            }
        } else if let Some(inner) = rest.strip_prefix('\'') {
            let (text, after) = inner.split_once('\'')?;
            bytes.extend(text.bytes());
            rest = after;
        } else if let Some(after) = rest.strip_prefix("\\'") {
            bytes.push(b'\'');
            rest = after;
        } else {
            let plain = |c: char| c.is_ascii_alphanumeric() || "._/@+-,=:%".contains(c);
            let mut characters = rest.chars();
            bytes.push(u8::try_from(characters.next().filter(|first| plain(*first))?).ok()?);
            rest = characters.as_str();
        }
    }
    Some(bytes)
}

/// A change in memory, of files separated by NUL. The first line of each is its path.
struct MemoryChange {
    entries: Vec<Entry>,
    texts: BTreeMap<RepoPath, Vec<u8>>,
}

impl MemoryChange {
    fn of(data: &[u8]) -> Self {
        let parts = data.split(|&byte| byte == 0).take(8).map(split_input);
        let texts: BTreeMap<_, _> =
            parts.map(|(path, text)| (RepoPath::new(path), text.to_vec())).collect();
        let id = ObjectId::from_bytes(&[1; 20]).expect("20 bytes");
        let entry = |path: &RepoPath| Entry {
            path: path.clone(),
            mode: Mode::File,
            id,
            fresh: true,
            replaces: None,
        };
        Self { entries: texts.keys().map(entry).collect(), texts }
    }
}

impl Change for MemoryChange {
    fn fresh(&self) -> &[Entry] {
        &self.entries
    }

    fn entries(&self, wanted: &dyn Fn(&RepoPath) -> bool) -> Result<Vec<Entry>, Error> {
        Ok(self.entries.iter().filter(|entry| wanted(&entry.path)).cloned().collect())
    }

    fn before(&self, _: &dyn Fn(&RepoPath) -> bool) -> Result<Vec<Vec<Older>>, Error> {
        Ok(Vec::new())
    }

    fn read(&self, entry: &Entry, _limit: u64) -> Result<Content, Error> {
        Ok(Content::Bytes(self.texts[&entry.path].clone()))
    }
}

/// Every rule over a tree with its own configuration, and the reports of the findings.
pub(super) fn judge(data: &[u8]) {
    let change = MemoryChange::of(data);
    let config = Config::from_change(&change, || TODAY).unwrap_or_default();
    let judgement = Engine::new(&config)
        .whole_tree(true)
        .explain_hidden(true)
        .judge(&change)
        .expect("nothing can fail in memory");
    for finding in
        judgement.findings.iter().chain(judgement.hidden.iter().map(|hidden| &hidden.finding))
    {
        safe(&finding.message);
        assert!(!finding.message.contains('\n'));
        if let (Some(place), Some(text)) = (&finding.place, change.texts.get(&finding.path)) {
            assert!(place.line <= 1 + text.iter().filter(|&&byte| byte == b'\n').count());
        }
    }
    let mut findings = judgement.findings;
    explained(&mut findings, &change);
    reports(&findings, data.len());
}

/// Adds to each finding labels in its own file and in another, and a fix.
fn explained(findings: &mut [Finding], change: &MemoryChange) {
    let files: Vec<File> = change.texts.iter().map(|(path, text)| file(path, text)).collect();
    for (at, finding) in findings.iter_mut().enumerate() {
        let Some(own) = files.iter().find(|file| file.path == finding.path) else { continue };
        let span = at % (own.text.len() + 1)..(2 * at) % (own.text.len() + 2);
        for file in [own, &files[at % files.len()]] {
            let (path, place) = (file.path.clone(), Some(Place::locate(&file.text, &span)));
            finding.labels.push(Label { path, place, text: Escaped(&file.text).to_string() });
        }
        finding.labels.push(Label {
            path: own.path.clone(),
            place: None,
            text: "the file".to_owned(),
        });
        let text = String::from_utf8_lossy(&own.text[..own.text.len().min(64)]).into_owned();
        let edit = Edit { path: own.path.clone(), span: span.clone(), text };
        let safety = if at % 2 == 0 { Safety::Safe } else { Safety::Shown };
        finding.fix = Fix::of(safety, vec![edit], &[own]);
        assert_eq!(finding.fix.is_some(), span.start <= span.end && span.end <= own.text.len());
    }
}

fn file(path: &RepoPath, text: &[u8]) -> File {
    File { path: path.clone(), text: text.to_vec(), fresh: true, replaces: false }
}

/// Each format is valid for all findings. `length` selects one of the slow formats.
fn reports(findings: &[Finding], length: usize) {
    let view = View { paint: Paint::PLAIN, below_top: true, advice: None, can_explain: true };
    // Rules without findings only make the reports longer.
    let found = |rule: &&'static Rule| findings.iter().any(|finding| finding.rule == *rule);
    let rules: Vec<_> = RULES.into_iter().filter(found).collect();
    let report =
        Report { findings, rules: &rules, scope: "staged", judged: 1, deny_warnings: false, view };
    let written = |format| report::check(format, &report);
    safe(&written(Format::Human));
    annotations(&written(Format::Github), findings.len());
    // One slow format at a time: it takes longer than everything else.
    match length % 4 {
        0 => {
            let value = json(&written(Format::Json));
            assert_eq!(value["findings"].as_array().map(Vec::len), Some(findings.len()));
        }
        1 => assert_eq!(json(&written(Format::Sarif))["version"], "2.1.0"),
        2 => _ = json(&written(Format::Gitlab)),
        _ => {
            let junit = written(Format::Junit);
            safe(&junit);
            let suites = roxmltree::Document::parse(&junit).expect("well-formed XML");
            let failed = suites.descendants().filter(|node| node.has_tag_name("failure")).count();
            assert_eq!(
                failed,
                findings.iter().filter(|finding| finding.severity == Severity::Error).count()
            );
        }
    }
}

/// One workflow command a finding, each on one line, and then a text between `::stop-commands::`.
fn annotations(text: &str, findings: usize) {
    if findings == 0 {
        return assert!(text.is_empty());
    }
    assert!(!text.contains('\r'));
    let lines: Vec<&str> = text.split('\n').collect();
    let fence =
        lines[findings].strip_prefix("::stop-commands::").expect("a fence after the commands");
    assert!(
        lines[..findings]
            .iter()
            .all(|line| line.starts_with("::error file=") || line.starts_with("::warning file="))
    );
    let end = format!("::{fence}::");
    let ends = |line: &&&str| line.to_lowercase().contains(&end.to_lowercase());
    assert_eq!(lines.iter().filter(ends).count(), 1);
    assert_eq!(lines[lines.len() - 2..], [&*end, ""]);
    safe(&lines[findings..].join("\n"));
}
