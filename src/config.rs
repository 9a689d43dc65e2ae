//! The configuration of a repository: its `bakstop.json`. Nothing here chooses which configuration
//! applies.

use std::collections::BTreeMap;
use std::fmt::{self, Display};

use jiff::civil::Date;

use crate::base::change::File;
use crate::base::debris::{DOCKER_DEPS, Debris};
use crate::base::finding::{Severity, Span};
use crate::base::path::RepoPath;
use crate::base::pattern::Pattern;
use crate::builds::ConfiguredBuild;
use crate::prepare::settings::PrepSettings;
use crate::rule::{ConfigReading, Finding, Rule};

mod reader;
pub(crate) mod source;

/// The path of the configuration.
pub(crate) const FILE: &str = "bakstop.json";

/// The largest configuration that is read, in bytes.
pub(crate) const LIMIT: u64 = 1024 * 1024;

/// A parsed configuration. The default applies if the file is missing.
#[derive(Debug, Clone, Default)]
pub(crate) struct Config {
    /// The file name, as printed; empty for the default.
    name: String,
    text: Vec<u8>,
    /// Whether it comes from outside the judged files, as with `--config`.
    outside: bool,
    /// Decides which allowances have expired.
    today: Date,
    weights: BTreeMap<&'static str, SeveritySetting>,
    debris: Debris,
    /// The leftovers with the built-in directory unchanged, and the line that changes it.
    with_built_in: Option<(Debris, ConfigPlace)>,
    allowances: Vec<Allowance>,
    verify: Vec<Allowance>,
    builds: Vec<ConfiguredBuild>,
    judges_builds: bool,
    prep: PrepSettings,
}

/// The severity that the configuration gives to a rule.
#[derive(Debug, Clone)]
struct SeveritySetting {
    /// `None` if the rule is off.
    severity: Option<Severity>,
    origin: ConfigPlace,
}

/// An exception: the findings that it names are hidden.
#[derive(Debug, Clone)]
pub(crate) struct Allowance {
    /// `None` for an allowance of `verify`.
    pub rule: Option<&'static Rule>,
    pattern: Pattern,
    path: Span,
    /// The last day on which it applies, and its place.
    until: Option<(Span, Date)>,
    /// Not escaped.
    pub reason: String,
    pub origin: ConfigPlace,
}

/// A place in the configuration, printed as `bakstop.json:12:5`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ConfigPlace {
    /// The file name, as printed.
    pub name: String,
    /// Starts at 1.
    pub line: usize,
    /// In characters, starts at 1.
    pub column: usize,
}

impl Display for ConfigPlace {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}:{}", self.name, self.line, self.column)
    }
}

/// How the configuration treats a finding.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Treatment<'a> {
    /// Reported with this severity.
    Reported(Severity),
    /// Hidden, because its rule is off.
    Off(&'a ConfigPlace),
}

impl Config {
    /// Gives a rule a severity, for tests with rules outside the table.
    #[cfg(test)]
    pub(crate) fn with_severity(rule: &Rule, severity: Option<Severity>) -> Self {
        let weight = SeveritySetting {
            severity,
            origin: ConfigPlace { name: FILE.into(), line: 1, column: 1 },
        };
        Self { weights: [(rule.id, weight)].into(), ..Self::default() }
    }

    /// Whether there is a file.
    pub(crate) fn is_present(&self) -> bool {
        !self.name.is_empty()
    }

    /// Marks it as coming from outside the judged files.
    #[must_use]
    pub(crate) fn outside(self) -> Self {
        Self { outside: true, ..self }
    }

    /// Whether it comes from outside the judged files: no change to them could fix it.
    pub(crate) fn is_outside(&self) -> bool {
        self.outside
    }

    /// The text of the file; empty if there is none.
    pub(crate) fn text(&self) -> &[u8] {
        &self.text
    }

    /// Whether a judged file with this text is this configuration.
    pub(crate) fn is(&self, text: &[u8]) -> bool {
        !self.outside && !text.is_empty() && self.text == text
    }

    pub(crate) fn debris(&self) -> &Debris {
        &self.debris
    }

    /// The leftovers with the built-in directory unchanged, and the line that changes it.
    pub(crate) fn with_built_in(&self) -> Option<&(Debris, ConfigPlace)> {
        self.with_built_in.as_ref()
    }

    /// Whether a rule judges: by default, or because the configuration gives it a severity. A rule
    /// that is on by default and turned off judges as well; its findings are hidden.
    pub(crate) fn turns_on(&self, rule: &Rule) -> bool {
        rule.on_by_default
            || self.weights.get(rule.id).is_some_and(|weight| weight.severity.is_some())
    }

    /// The treatment of a finding. A finding below the severity of its rule is never raised.
    pub(crate) fn treat(&self, finding: &Finding) -> Treatment<'_> {
        match self.weights.get(finding.rule.id) {
            None => Treatment::Reported(finding.severity),
            Some(SeveritySetting { severity: None, origin }) => Treatment::Off(origin),
            Some(SeveritySetting { severity: Some(weight), .. }) => {
                let is_full = finding.severity >= finding.rule.severity;
                Treatment::Reported(if is_full { *weight } else { finding.severity.min(*weight) })
            }
        }
    }

    /// Whether a rule is turned off.
    pub(crate) fn is_off(&self, rule: &Rule) -> bool {
        self.weights.get(rule.id).is_some_and(|weight| weight.severity.is_none())
    }

    /// Whether the findings of a rule in a file are hidden.
    pub(crate) fn hides(&self, rule: &Rule, path: &RepoPath) -> bool {
        self.is_off(rule) || self.allowance(rule, path).is_some()
    }

    /// The line that keeps this rule from blocking a rewritten file at this path, and how.
    pub(crate) fn exempts(&self, rule: &Rule, path: &RepoPath) -> Option<(&ConfigPlace, String)> {
        let id = rule.id;
        if let Some(SeveritySetting { severity, origin }) = self.weights.get(id)
            && *severity != Some(Severity::Error)
        {
            let how = match severity {
                Some(_) => format!("makes {id} a warning"),
                None => format!("turns {id} off"),
            };
            return Some((origin, how));
        }
        if let Some(number) = self.allowance(rule, path) {
            return Some((&self.allowances[number].origin, format!("allows {id} in {path}")));
        }
        let (_, origin) = self.with_built_in()?;
        let gone = self.debris.directory(DOCKER_DEPS.as_bytes()).is_none();
        gone.then(|| (origin, format!("removes {DOCKER_DEPS}")))
    }

    /// The allowances for findings, in the order of the file.
    pub(crate) fn allowances(&self) -> &[Allowance] {
        &self.allowances
    }

    /// The index in [`Config::allowances`] of the first valid allowance for a rule in a file.
    pub(crate) fn allowance(&self, rule: &Rule, path: &RepoPath) -> Option<usize> {
        self.allowances.iter().position(|allowance| self.allows(allowance, Some(rule), path))
    }

    /// The first valid allowance of `verify` for a path. A configuration does not allow itself.
    pub(crate) fn verify_allowance(&self, path: &RepoPath) -> Option<&Allowance> {
        let mut allowances = self.verify.iter().filter(|_| path.as_bytes() != FILE.as_bytes());
        allowances.find(|allowance| self.allows(allowance, None, path))
    }

    /// The builds that it describes.
    pub(crate) fn builds(&self) -> &[ConfiguredBuild] {
        &self.builds
    }

    /// Whether a check judges new errors of builds as well.
    pub(crate) fn judges_builds(&self) -> bool {
        self.judges_builds
    }

    /// How builds are prepared.
    pub(crate) fn prep(&self) -> &PrepSettings {
        &self.prep
    }

    /// The expired allowances of `verify`.
    pub(crate) fn expired_verify_allowances(&self) -> impl Iterator<Item = &Allowance> {
        self.verify.iter().filter(|allowance| self.has_expired(allowance))
    }

    /// What the configuration rules judge: the expired allowances, and those of the rest for which
    /// `unused` is true. `fresh` is whether the file is judged itself.
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
        let expired = all.filter(|allowance| self.has_expired(allowance));
        let expired = expired.filter_map(|allowance| Some(allowance.until.as_ref()?.0.clone()));
        let unused = self.allowances.iter().enumerate().filter(|(number, allowance)| {
            !self.has_expired(allowance) && unused(*number, allowance)
        });
        let unused = unused.map(|(_, allowance)| allowance.path.clone()).collect();
        ConfigReading { file, problems: Vec::new(), expired: expired.collect(), unused }
    }

    fn allows(&self, allowance: &Allowance, rule: Option<&Rule>, path: &RepoPath) -> bool {
        allowance.rule == rule && !self.has_expired(allowance) && allowance.pattern.matches(path)
    }

    fn has_expired(&self, allowance: &Allowance) -> bool {
        allowance.until.as_ref().is_some_and(|(_, last)| *last < self.today)
    }
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
    fn a_weight_neither_raises_nor_hides_a_weaker_finding() {
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
    fn an_allowance_is_for_one_rule_and_applies_on_its_last_day() {
        let config = config(
            r#"{"allow": [
                {"rule": "stray-backup", "path": "a/**", "reason": "1", "until": "2026-05-01"},
                {"rule": "stray-backup", "path": "a/**", "reason": "2", "until": "2026-05-02"},
                {"rule": "stray-backup", "path": "**", "reason": "3"}
            ]}"#,
        );
        let reason = |rule, path: &str| {
            let number = config.allowance(crate::rules::find(rule).unwrap(), &path.into())?;
            Some(config.allowances()[number].reason.as_str())
        };
        assert_eq!(reason("stray-backup", "a/x.bak"), Some("2"));
        assert_eq!(reason("stray-backup", "b/x.bak"), Some("3"));
        assert_eq!(reason("registry-token", "a/x.bak"), None);
        assert_eq!(config.reading(true, |_, _| true).expired.len(), 1);
        assert_eq!(config.reading(true, |number, _| number == 2).unused.len(), 1);
    }

    #[test]
    fn verify_has_its_own_allowances() {
        let config = config(
            r#"{
                "allow": [{"rule": "stray-backup", "path": "src/**", "reason": "r"}],
                "verify": {"allow": [
                    {"path": "dist/**", "reason": "built"},
                    {"path": "old/**", "reason": "r", "until": "2020-01-01"}
                ]}
            }"#,
        );
        let reason = |path: &str| {
            config.verify_allowance(&path.into()).map(|allowance| allowance.reason.as_str())
        };
        assert_eq!(reason("dist/a/b.js"), Some("built"));
        assert_eq!((reason("src/a"), reason("old/a")), (None, None));
        let ended: Vec<String> =
            config.expired_verify_allowances().map(|ended| ended.origin.to_string()).collect();
        assert_eq!(ended, ["bakstop.json:5:21"]);
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
