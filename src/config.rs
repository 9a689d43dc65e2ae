//! The configuration: what a repository says in its `bakstop.json`.

use std::collections::BTreeMap;
use std::fmt::{self, Display};

use jiff::civil::Date;

use crate::base::change::{Change, Content, Entry, File};
use crate::base::debris::{DOCKER_DEPS, Debris};
use crate::base::error::Error;
use crate::base::finding::{Place, Severity, Span};
use crate::base::path::RepoPath;
use crate::base::pattern::Pattern;
use crate::rule::{ConfigReading, Finding, Problem, Rule};

mod reader;

/// Where the configuration stands, from the top of the work tree.
pub(crate) const FILE: &str = "bakstop.json";

/// The largest configuration that is read, in bytes.
pub(crate) const LIMIT: u64 = 1024 * 1024;

/// The most problems that an error lists.
const LISTED: usize = 20;

/// What a configuration says. The default is what holds where there is none.
#[derive(Debug, Clone, Default)]
pub(crate) struct Config {
    /// As it is shown.
    name: String,
    text: Vec<u8>,
    /// Whether it comes from somewhere else than what is judged.
    outside: bool,
    /// The day that allowances are held against.
    today: Date,
    weights: BTreeMap<&'static str, Weight>,
    debris: Debris,
    /// What counts as debris if nothing is taken out of what is built in, and the line that takes
    /// it out.
    with_built_in: Option<(Debris, Origin)>,
    allowances: Vec<Allowance>,
    verify: Vec<Allowance>,
}

/// How much the findings of a rule weigh.
#[derive(Debug, Clone)]
struct Weight {
    /// `None` if the rule is off.
    severity: Option<Severity>,
    origin: Origin,
}

/// An exception: what it names is found, and not told.
#[derive(Debug, Clone)]
pub(crate) struct Allowance {
    /// Whose findings; `None` for what `verify` finds.
    pub rule: Option<&'static Rule>,
    pattern: Pattern,
    path: Span,
    /// The last day on which it holds.
    until: Option<(Span, Date)>,
    /// Why, in the words of the configuration. Not escaped.
    pub reason: String,
    /// Where it stands.
    pub origin: Origin,
}

/// A line of the configuration. Shown as `bakstop.json:12:5`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Origin {
    /// The file, as it is shown.
    pub name: String,
    /// Counted from 1.
    pub line: usize,
    /// Counted in characters from 1.
    pub column: usize,
}

impl Display for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}:{}", self.name, self.line, self.column)
    }
}

/// What the configuration does with a finding.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Treatment<'a> {
    /// It is told, and weighs this much.
    Reported(Severity),
    /// It is hidden, because its rule is off.
    Off(&'a Origin),
}

impl Config {
    /// Reads a configuration. `name` is how it is shown; `today` decides which allowances have
    /// ended. The error lists what is wrong, a line each.
    pub(crate) fn parse(name: &str, text: &[u8], today: Date) -> Result<Self, Error> {
        let (config, problems) = reader::read(name, text);
        if problems.is_empty() {
            Ok(Self { today, ..config })
        } else {
            Err(unreadable(name, text, problems))
        }
    }

    /// The configuration that a change carries; the default if it carries none.
    pub(crate) fn from_change(
        change: &dyn Change,
        today: impl FnOnce() -> Date,
    ) -> Result<Self, Error> {
        let Some(entry) = change.at(&FILE.into())? else { return Ok(Self::default()) };
        match text(change, &entry)? {
            Ok(text) => Self::parse(FILE, &text, today()),
            Err(problem) => Err(unreadable(FILE, &[], vec![problem])),
        }
    }

    /// One that gives a rule a weight, for tests with rules that are not in the table.
    #[cfg(test)]
    pub(crate) fn weighing(rule: &Rule, severity: Option<Severity>) -> Self {
        let weight = Weight { severity, origin: Origin { name: FILE.into(), line: 1, column: 1 } };
        Self { weights: [(rule.id, weight)].into(), ..Self::default() }
    }

    /// Whether there is one, and not just what holds without.
    pub(crate) fn is_present(&self) -> bool {
        !self.name.is_empty()
    }

    /// The same, taken from somewhere else than what is judged.
    #[must_use]
    pub(crate) fn outside(self) -> Self {
        Self { outside: true, ..self }
    }

    /// Whether it comes from somewhere else than what is judged: nothing that is judged could mend
    /// it.
    pub(crate) fn is_outside(&self) -> bool {
        self.outside
    }

    /// What it was read from; empty if there is none.
    pub(crate) fn text(&self) -> &[u8] {
        &self.text
    }

    /// Whether a configuration with this text, among what is judged, is this one.
    pub(crate) fn is(&self, text: &[u8]) -> bool {
        !self.outside && !text.is_empty() && self.text == text
    }

    /// What counts as debris.
    pub(crate) fn debris(&self) -> &Debris {
        &self.debris
    }

    /// What would count as debris if the configuration took nothing out of what is built in, and
    /// the line that does.
    pub(crate) fn with_built_in(&self) -> Option<&(Debris, Origin)> {
        self.with_built_in.as_ref()
    }

    /// Whether a rule judges at all: by default, or because it is given a weight. A rule that is
    /// switched off judges as well, and its findings are hidden.
    pub(crate) fn turns_on(&self, rule: &Rule) -> bool {
        rule.on_by_default
            || self.weights.get(rule.id).is_some_and(|weight| weight.severity.is_some())
    }

    /// What is done with a finding. One that weighs less than its rule does is not raised.
    pub(crate) fn treat(&self, finding: &Finding) -> Treatment<'_> {
        match self.weights.get(finding.rule.id) {
            None => Treatment::Reported(finding.severity),
            Some(Weight { severity: None, origin }) => Treatment::Off(origin),
            Some(Weight { severity: Some(weight), .. }) => {
                let is_full = finding.severity >= finding.rule.severity;
                Treatment::Reported(if is_full { *weight } else { finding.severity.min(*weight) })
            }
        }
    }

    /// Whether a rule is switched off.
    pub(crate) fn is_off(&self, rule: &Rule) -> bool {
        self.weights.get(rule.id).is_some_and(|weight| weight.severity.is_none())
    }

    /// Whether the findings of a rule in a file are not told.
    pub(crate) fn hides(&self, rule: &Rule, path: &RepoPath) -> bool {
        self.is_off(rule)
            || self.allowances.iter().any(|allowance| self.allows(allowance, rule, path))
    }

    /// The line that keeps a rewritten file at this path from being blocked by this rule, and how
    /// it does.
    pub(crate) fn spares(&self, rule: &Rule, path: &RepoPath) -> Option<(&Origin, String)> {
        let id = rule.id;
        if let Some(Weight { severity, origin }) = self.weights.get(id)
            && *severity != Some(Severity::Error)
        {
            let how = match severity {
                Some(_) => format!("makes {id} a warning"),
                None => format!("switches {id} off"),
            };
            return Some((origin, how));
        }
        if let Some(allowance) =
            self.allowances.iter().find(|allowance| self.allows(allowance, rule, path))
        {
            return Some((&allowance.origin, format!("allows {id} in {path}")));
        }
        let (_, origin) = self.with_built_in()?;
        let gone = self.debris.directory(DOCKER_DEPS.as_bytes()).is_none();
        gone.then(|| (origin, format!("takes {DOCKER_DEPS} out")))
    }

    /// The allowances for findings, in the order of the file.
    pub(crate) fn allowances(&self) -> &[Allowance] {
        &self.allowances
    }

    /// The first allowance in force that names this finding, by its number among
    /// [`Config::allowances`].
    pub(crate) fn allowance(&self, finding: &Finding) -> Option<usize> {
        self.allowances
            .iter()
            .position(|allowance| self.allows(allowance, finding.rule, &finding.path))
    }

    /// The first allowance in force for a path that `verify` finds changed.
    pub(crate) fn verify_allowance(&self, path: &RepoPath) -> Option<&Allowance> {
        self.verify
            .iter()
            .find(|allowance| !self.has_ended(allowance) && allowance.pattern.matches(path))
    }

    /// The allowances for `verify` that have ended.
    pub(crate) fn ended_verify_allowances(&self) -> impl Iterator<Item = &Allowance> {
        self.verify.iter().filter(|allowance| self.has_ended(allowance))
    }

    /// What there is to say of this configuration itself: the dates that have passed, and the
    /// allowances for which `unused` holds. `fresh` tells whether the file is among what is judged.
    pub(crate) fn reading(
        &self,
        fresh: bool,
        unused: impl Fn(usize, &Allowance) -> bool,
    ) -> ConfigReading {
        let file = File {
            path: RepoPath::from(&*self.name),
            text: self.text.clone(),
            fresh,
            replaces: true,
        };
        let all = self.allowances.iter().chain(&self.verify);
        let ended = all.filter(|allowance| self.has_ended(allowance));
        let expired =
            ended.filter_map(|allowance| Some(allowance.until.as_ref()?.0.clone())).collect();
        let numbered =
            self.allowances.iter().enumerate().filter(|(_, allowance)| !self.has_ended(allowance));
        let unused = numbered.filter(|(number, allowance)| unused(*number, allowance));
        let unused = unused.map(|(_, allowance)| allowance.path.clone()).collect();
        ConfigReading { file, problems: Vec::new(), expired, unused }
    }

    fn allows(&self, allowance: &Allowance, rule: &Rule, path: &RepoPath) -> bool {
        allowance.rule == Some(rule)
            && !self.has_ended(allowance)
            && allowance.pattern.matches(path)
    }

    fn has_ended(&self, allowance: &Allowance) -> bool {
        allowance.until.as_ref().is_some_and(|(_, last)| *last < self.today)
    }
}

/// What there is to say of a configuration that is among what is judged: whether it could be
/// obeyed.
pub(crate) fn examine(change: &dyn Change, entry: &Entry) -> Result<ConfigReading, Error> {
    let (text, problems) = match text(change, entry)? {
        Ok(text) => {
            let (_, problems) = reader::read(FILE, &text);
            (text, problems)
        }
        Err(problem) => (Vec::new(), vec![problem]),
    };
    let file = File {
        path: entry.path.clone(),
        text,
        fresh: entry.fresh,
        replaces: entry.replaces.is_some(),
    };
    Ok(ConfigReading { file, problems, expired: Vec::new(), unused: Vec::new() })
}

/// The text of a configuration, or why it is none.
fn text(change: &dyn Change, entry: &Entry) -> Result<Result<Vec<u8>, Problem>, Error> {
    let problem = |message: &str| Ok(Err(Problem { span: None, message: message.into() }));
    if !entry.is_regular() {
        return problem("it must be a regular file, and is a symbolic link or a submodule");
    }
    match change.read(entry, LIMIT)? {
        Content::Bytes(text) => Ok(Ok(text)),
        Content::TooLarge(_) => problem("it is larger than 1 MiB"),
    }
}

/// The error that lists what is wrong with a configuration.
fn unreadable(name: &str, text: &[u8], problems: Vec<Problem>) -> Error {
    let beyond = problems.len().saturating_sub(LISTED);
    let line = |problem: Problem| match problem.span {
        Some(span) => {
            let Place { line, column, .. } = Place::position(text, &span);
            format!("{name}:{line}:{column}: {}", problem.message)
        }
        None => format!("{name}: {}", problem.message),
    };
    let mut lines: Vec<String> = problems.into_iter().take(LISTED).map(line).collect();
    if beyond > 0 {
        lines.push(format!("and {beyond} more problems"));
    }
    Error::new("read the configuration", lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::tests::probe;

    pub(super) fn today() -> Date {
        jiff::civil::date(2026, 5, 2)
    }

    fn config(text: &str) -> Config {
        Config::parse(FILE, text.as_bytes(), today()).unwrap()
    }

    fn finding(rule: &str, path: &str, severity: Severity) -> Finding {
        let rule = crate::rules::find(rule).unwrap();
        Finding { severity, ..Finding::new(rule, path.into(), None, String::new()) }
    }

    #[test]
    fn a_weight_neither_raises_nor_hides_what_weighs_less_on_its_own() {
        use Severity::{Error, Warning};
        for (weight, own, rule, expected) in [
            ("error", Error, Error, Error),
            ("warning", Error, Error, Warning),
            ("error", Warning, Error, Warning),
            ("warning", Warning, Error, Warning),
            ("error", Warning, Warning, Error),
        ] {
            let config = config(&format!(r#"{{"rules": {{"stray-backup": "{weight}"}}}}"#));
            let about = |id| -> Finding {
                let rule: &'static Rule = Box::leak(Box::new(Rule { severity: rule, ..probe(id) }));
                Finding { severity: own, ..Finding::new(rule, "a.bak".into(), None, String::new()) }
            };
            let stray_backup = about("stray-backup");
            assert_eq!(
                config.treat(&stray_backup),
                Treatment::Reported(expected),
                "{weight} {own:?} {rule:?}"
            );
            assert_eq!(config.treat(&about("registry-token")), Treatment::Reported(own));
        }
        let config = config("{\n  \"rules\": {\n    \"stray-backup\": \"off\"\n  }\n}");
        let Treatment::Off(origin) = config.treat(&finding("stray-backup", "a", Error)) else {
            panic!("off")
        };
        assert_eq!(origin.to_string(), "bakstop.json:3:5");
    }

    #[test]
    fn an_allowance_is_for_one_rule_and_holds_on_its_last_day() {
        let config = config(
            r#"{"allow": [
                {"rule": "stray-backup", "path": "a/**", "reason": "1", "until": "2026-05-01"},
                {"rule": "stray-backup", "path": "a/**", "reason": "2", "until": "2026-05-02"},
                {"rule": "stray-backup", "path": "**", "reason": "3"}
            ]}"#,
        );
        let reason = |rule, path| {
            let number = config.allowance(&finding(rule, path, Severity::Error))?;
            Some(config.allowances()[number].reason.as_str())
        };
        assert_eq!(reason("stray-backup", "a/x.bak"), Some("2"));
        assert_eq!(reason("stray-backup", "b/x.bak"), Some("3"));
        assert_eq!(reason("registry-token", "a/x.bak"), None);
        assert_eq!(config.reading(true, |_, _| true).expired.len(), 1);
        assert_eq!(config.reading(true, |number, _| number == 2).unused.len(), 1);
    }

    #[test]
    fn verify_has_allowances_of_its_own() {
        let config = config(
            r#"{"allow": [{"rule": "stray-backup", "path": "src/**", "reason": "r"}], "verify": {"allow": [
                {"path": "dist/**", "reason": "built"},
                {"path": "old/**", "reason": "r", "until": "2020-01-01"}
            ]}}"#,
        );
        let reason = |path: &str| {
            config.verify_allowance(&path.into()).map(|allowance| allowance.reason.as_str())
        };
        assert_eq!(reason("dist/a/b.js"), Some("built"));
        assert_eq!((reason("src/a"), reason("old/a")), (None, None));
        let ended: Vec<String> =
            config.ended_verify_allowances().map(|ended| ended.origin.to_string()).collect();
        assert_eq!(ended, ["bakstop.json:3:17"]);
    }

    #[test]
    fn problems_are_listed_up_to_a_number() {
        let text = format!(
            "{{{}}}",
            (0..50).map(|n| format!("\"k{n}\": 1")).collect::<Vec<_>>().join(", ")
        );
        let error = Config::parse(FILE, text.as_bytes(), today()).unwrap_err();
        assert_eq!(error.doing(), "read the configuration");
        assert_eq!(error.cause().lines().count(), 21);
        assert!(
            error.cause().starts_with("bakstop.json:1:2: unknown key \"k0\"\nbakstop.json:1:11: "),
            "{error:?}"
        );
        assert!(error.cause().ends_with("\nand 30 more problems"));
    }
}
