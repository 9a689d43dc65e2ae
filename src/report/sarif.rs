//! SARIF 2.1.0, the OASIS standard for the results of static analysis: for code scanning and
//! editors.

use serde_json::{Value, json};

use crate::base::finding::{Place, Verdict};
use crate::base::path::RepoPath;
use crate::edit::fix::{Fix, Safety};
use crate::report::common::{Report, description};
use crate::report::fingerprint;
use crate::report::json::{LIST, commit, document_with};
use crate::rule::{Finding, Rule, RuleGroup, Subject};
use crate::rules::RULES;

const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// The address of the pages in docs/, once Cargo.toml has `homepage`; empty until then.
const HOME: &str = env!("CARGO_PKG_HOMEPAGE");

/// A log of one run.
pub(crate) fn check(report: &Report<'_>) -> String {
    let names = fingerprint::of(report.findings);
    let listed = listed(report);
    let results = report.findings.iter().zip(names);
    let results = results.map(|(finding, name)| result(finding, &name, &listed));
    let about = json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "bakstop",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": listed.iter().map(|about| rule(about, HOME)).collect::<Vec<_>>(),
            }},
            "invocations": [{
                // A run that fails has no report.
                "executionSuccessful": true,
                "exitCode": Verdict::of(report.findings, report.deny_warnings).code(),
            }],
            "originalUriBaseIds": {
                "%SRCROOT%": { "description": { "text": "The top of the work tree." } },
            },
            "columnKind": "unicodeCodePoints",
            "results": LIST,
            "properties": { "scope": report.scope, "judged": report.judged },
        }],
    });
    document_with(&about, results)
}

/// The rules of the verb, also those that are off. Those about builds have long pages, so only
/// `doctor` lists them.
fn listed(report: &Report<'_>) -> Vec<&'static Rule> {
    let is_about_builds = |rule: &Rule| rule.group == RuleGroup::Doctor;
    let judged_builds = report.rules.iter().any(|rule| is_about_builds(rule));
    RULES.into_iter().filter(|rule| judged_builds || !is_about_builds(rule)).collect()
}

fn rule(rule: &Rule, home: &str) -> Value {
    let topic = if rule.subject == Subject::Secret { "security" } else { "docker" };
    let mut about = json!({
        "id": rule.id,
        "shortDescription": { "text": rule.summary },
        "fullDescription": { "text": first_paragraph(rule.manual) },
        "help": { "text": rule.manual, "markdown": rule.manual },
        "defaultConfiguration": { "enabled": rule.on_by_default, "level": rule.severity.name() },
        "properties": { "tags": ["git", topic] },
    });
    if !home.is_empty() {
        about["helpUri"] = page(rule, home).into();
    }
    about
}

/// The address of a rule's page, as mdBook names it.
fn page(rule: &Rule, home: &str) -> String {
    format!("{}/rules/{}.html", home.trim_end_matches('/'), rule.id)
}

/// The first paragraph of a manual page, on one line.
fn first_paragraph(manual: &str) -> String {
    let paragraph = manual.split("\n\n").find(|part| !part.starts_with('#')).unwrap_or_default();
    paragraph.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn result(finding: &Finding, fingerprint: &str, listed: &[&Rule]) -> Value {
    let mut result = json!({ "ruleId": finding.rule.id });
    if let Some(index) = listed.iter().position(|known| *known == finding.rule) {
        result["ruleIndex"] = index.into();
    }
    result["level"] = finding.severity.name().into();
    result["message"] = json!({ "text": message(&description(finding)) });
    result["locations"] =
        json!([{ "physicalLocation": location(&finding.path, finding.place.as_ref()) }]);
    result["partialFingerprints"] = json!({ "markedContent/v1": fingerprint });
    if !finding.labels.is_empty() {
        let related = finding.labels.iter().map(|label| {
            let location = location(&label.path, label.place.as_ref());
            json!({ "physicalLocation": location, "message": { "text": message(&label.text) } })
        });
        result["relatedLocations"] = related.collect();
    }
    // A masked fix would write asterisks.
    if let Some(fix) = finding.fix.as_ref().filter(|fix| !fix.is_secret) {
        result["fixes"] = json!([repair(fix)]);
    }
    if let Some(about) = &finding.commit {
        result["properties"] = json!({ "commit": commit(about) });
    }
    result
}

fn artifact(path: &RepoPath) -> Value {
    json!({ "uri": uri(path), "uriBaseId": "%SRCROOT%" })
}

fn location(path: &RepoPath, place: Option<&Place>) -> Value {
    let mut location = json!({ "artifactLocation": artifact(path) });
    if let Some(place) = place {
        location["region"] = region(place);
        if place.marked.len() < place.excerpt.len() {
            location["contextRegion"] =
                json!({ "startLine": place.line, "snippet": { "text": place.excerpt } });
        }
    }
    location
}

fn repair(fix: &Fix) -> Value {
    let changes = fix.edits.chunk_by(|(a, _), (b, _)| a.path == b.path).map(|edits| {
        let replacements = edits.iter().map(|(edit, region)| {
            json!({
                "deletedRegion": {
                    "startLine": region.line,
                    "startColumn": region.column,
                    "endLine": region.end_line,
                    "endColumn": region.end_column,
                },
                "insertedContent": { "text": edit.text },
            })
        });
        let path = edits.first().map(|(edit, _)| artifact(&edit.path));
        json!({ "artifactLocation": path, "replacements": replacements.collect::<Vec<_>>() })
    });
    let description = match fix.safety {
        Safety::Safe => "safe: it cannot change what a working build does",
        Safety::Shown => "shown: a change to consider",
    };
    let changes: Vec<Value> = changes.collect();
    json!({ "description": { "text": description }, "artifactChanges": changes })
}

/// SARIF counts columns as [`Place`] does.
fn region(place: &Place) -> Value {
    let mut region = json!({ "startLine": place.line, "startColumn": place.column });
    // A masked place has no length; the region then ends with the line.
    if place.end_column > place.column {
        region["endColumn"] = place.end_column.into();
    }
    if !place.marked.is_empty() {
        region["snippet"] = json!({ "text": place.excerpt.get(place.marked.clone()) });
    }
    region
}

/// A path as a relative reference (RFC 3986). A colon is escaped: it could end a scheme.
fn uri(path: &RepoPath) -> String {
    let escape = |&byte: &u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' | b'@' => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    };
    path.as_bytes().iter().map(escape).collect()
}

/// Escapes the placeholders and links of a plain text message (SARIF 2.1.0, 3.11.5 and 3.11.6).
fn message(text: &str) -> String {
    text.replace('{', "{{").replace('}', "}}").replace("](", "] (")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::escape::is_unsafe;
    use crate::report::tests::{commit, every_kind, finding, fix, label, placed, report};
    use crate::rule::tests::probe;

    fn run(report: &Report<'_>) -> Value {
        let text = check(report);
        assert!(text.chars().all(|character| character == '\n' || !is_unsafe(character)), "{text}");
        let mut value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["version"], "2.1.0");
        value["runs"][0].take()
    }

    #[test]
    fn without_findings_there_is_a_run_with_rules_and_no_results() {
        let run = run(&report(&[]));
        assert_eq!(run["results"], json!([]));
        assert_eq!(run["invocations"], json!([{ "executionSuccessful": true, "exitCode": 0 }]));
        let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
        assert_eq!(rules.len(), RULES.len());
        for rule in rules {
            let described = rule["fullDescription"]["text"].as_str().unwrap();
            assert!(described.len() > 20 && !described.contains(['\n', '#']), "{described}");
        }
    }

    #[test]
    fn a_result_has_message_place_and_help() {
        let about = Finding {
            commit: Some(commit("Ship it")),
            ..placed("web/a.json", "\n{\"ü\": \"x\"}", "\"x\"")
        };
        let run = run(&report(&[about]));
        assert_eq!(run["invocations"][0]["exitCode"], 1);
        let fingerprint = run["results"][0]["partialFingerprints"].clone();
        let expected = json!({
            "ruleId": "rewritten-manifest",
            "ruleIndex": 0,
            "level": "error",
            "message": { "text": "this points astray in 1a1a1a1a1a1a (Ship it)\n\
                help: unstage it\n    git rm --cached -f web/a.json" },
            "locations": [{ "physicalLocation": {
                "artifactLocation": { "uri": "web/a.json", "uriBaseId": "%SRCROOT%" },
                "region": {
                    "startLine": 2,
                    "startColumn": 7,
                    "endColumn": 10,
                    "snippet": { "text": "\"x\"" },
                },
                "contextRegion": { "startLine": 2, "snippet": { "text": "{\"ü\": \"x\"}" } },
            }}],
            "partialFingerprints": fingerprint,
            "properties": { "commit": { "id": "1a".repeat(20), "subject": "Ship it" } },
        });
        assert_eq!(run["results"][0], expected);
    }

    #[test]
    fn hostile_findings_are_escaped() {
        let findings = every_kind();
        let run = run(&report(&findings));
        let results = run["results"].as_array().unwrap();
        let location = |at: usize| &results[at]["locations"][0]["physicalLocation"];
        assert_eq!(location(0).get("region"), None, "a file as such");
        assert_eq!(
            location(1)["region"],
            json!({ "startLine": 1, "startColumn": 17, "snippet": { "text": "********" } })
        );
        let uri = location(3)["artifactLocation"]["uri"].as_str().unwrap();
        assert!(
            uri.starts_with(
                "a%0A%3A%3Aerror%3A%3Aforged%250A%0D%23%23%5Badd-mask%5Dx%1B%5B2J%E2%80%AE"
            ),
            "{uri}"
        );
        assert_eq!(location(4)["artifactLocation"]["uri"], "b%FF%0A%25%3A%3A");
        let text = results[4]["message"]["text"].as_str().unwrap();
        assert!(text.contains("{{0}}[x] (http://h)") && !text.contains("]("), "{text}");
        assert_eq!(results[5].get("ruleIndex"), None, "a rule that is not in the table");
        assert!(!run.to_string().contains("s3cr3t"));
    }

    #[test]
    fn warnings_that_block_are_in_the_exit_code() {
        let findings =
            [Finding { severity: crate::base::finding::Severity::Warning, ..finding("a.bak") }];
        let mut report = report(&findings);
        assert_eq!(run(&report)["invocations"][0]["exitCode"], 0);
        report.deny_warnings = true;
        assert_eq!(run(&report)["invocations"][0]["exitCode"], 1);
    }

    #[test]
    fn labels_are_related_locations_and_a_fix_is_replacements() {
        let text = "\n{\"ü\": \"x\"}\n";
        let about = Finding {
            labels: vec![label("web/b.json", text, "ü", "see {this}")],
            fix: Some(fix(Safety::Safe, "web/a.json", text, "\"x\"}", "1}")),
            ..placed("web/a.json", text, "\"x\"")
        };
        let result = run(&report(&[about]))["results"][0].take();
        let related = &result["relatedLocations"][0];
        assert_eq!(related["message"]["text"], "see {{this}}");
        let location = &related["physicalLocation"];
        assert_eq!(location["artifactLocation"]["uri"], "web/b.json");
        assert_eq!(
            location["region"],
            json!({ "startLine": 2, "startColumn": 3, "endColumn": 4, "snippet": { "text": "ü" } })
        );
        assert_eq!(
            result["fixes"],
            json!([{
                "description": { "text": "safe: it cannot change what a working build does" },
                "artifactChanges": [{
                    "artifactLocation": { "uri": "web/a.json", "uriBaseId": "%SRCROOT%" },
                    "replacements": [{
                        "deletedRegion": {
                            "startLine": 2,
                            "startColumn": 7,
                            "endLine": 2,
                            "endColumn": 11,
                        },
                        "insertedContent": { "text": "1}" },
                    }],
                }],
            }])
        );
        // One that would write asterisks into a file is left out.
        let findings = every_kind();
        let run = run(&report(&findings));
        assert_eq!(
            (run["results"][1].get("fixes"), run["results"][3]["fixes"].is_array()),
            (None, true)
        );
    }

    #[test]
    fn a_rule_is_about_secrets_and_may_be_off_by_default() {
        let topics: Vec<Value> =
            RULES.iter().map(|about| rule(about, "")["properties"]["tags"][1].clone()).collect();
        assert_eq!(topics.iter().filter(|topic| *topic == "security").count(), 1);
        let off = Rule { on_by_default: false, ..probe("probe") };
        assert_eq!(
            rule(&off, "")["defaultConfiguration"],
            json!({ "enabled": false, "level": "error" })
        );
    }

    #[test]
    fn a_rule_links_to_its_page_once_there_is_a_public_home() {
        let about = probe("stray-backup");
        assert_eq!(rule(&about, "").get("helpUri"), None);
        for home in ["https://example.org/bakstop", "https://example.org/bakstop/"] {
            let expected = "https://example.org/bakstop/rules/stray-backup.html";
            assert_eq!(rule(&about, home)["helpUri"], expected);
        }
        let run = run(&report(&[]));
        for about in run["tool"]["driver"]["rules"].as_array().unwrap() {
            assert_eq!(about.get("helpUri").is_some(), !HOME.is_empty());
        }
    }
}
