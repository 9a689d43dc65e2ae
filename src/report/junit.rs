//! JUnit XML: a rule without findings is a passed test, a finding that blocks is a failed one.
//!
//! A warning that does not block is a passed test with output: a failed test would fail the CI job,
//! against the exit code.

use crate::report::common::{Report, full_description, position};
use crate::rule::Finding;

/// One test suite.
pub(crate) fn check(report: &Report<'_>) -> String {
    let findings = report.findings;
    let quiet =
        report.rules.iter().filter(|rule| findings.iter().all(|finding| finding.rule != **rule));
    let mut cases: Vec<String> = quiet
        .map(|rule| format!("    <testcase classname=\"bakstop\" name=\"{}\"/>\n", xml(rule.id)))
        .collect();
    cases.extend(findings.iter().map(|finding| case(report, finding)));
    let failures = findings.iter().filter(|finding| report.blocks(finding)).count();
    let counts = format!("tests=\"{}\" failures=\"{failures}\" errors=\"0\"", cases.len());
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <testsuites name=\"bakstop\" {counts}>\n  \
           <testsuite name=\"bakstop {}\" {counts} skipped=\"0\">\n{}  </testsuite>\n\
         </testsuites>\n",
        xml(report.scope),
        cases.concat()
    )
}

fn case(report: &Report<'_>, finding: &Finding) -> String {
    let place = position(finding.place.as_ref());
    let path = xml(&finding.path.to_string());
    let text = xml(&full_description(finding));
    let body = if report.blocks(finding) {
        let (message, severity) = (xml(&finding.message), finding.severity.name());
        format!("<failure message=\"{message}\" type=\"{severity}\">{text}</failure>")
    } else {
        format!("<system-out>{}: {text}</system-out>", finding.severity.name())
    };
    let rule = xml(finding.rule.id);
    format!(
        "    <testcase classname=\"bakstop.{rule}\" name=\"{path}{place}\" file=\"{path}\">\n      \
         {body}\n    </testcase>\n"
    )
}

/// Text for an element or an attribute. XML 1.0 cannot represent most control characters or U+FFFE:
/// they are escaped as in [`crate::base::escape`].
fn xml(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            '\n' => out += "&#10;",
            '\u{0}'..'\u{20}' | '\u{fffe}' | '\u{ffff}' => {
                out += &format!("\\u{{{:04x}}}", u32::from(character));
            }
            _ => out.push(character),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use roxmltree::{Document, Node};

    use super::*;
    use crate::base::escape::is_unsafe;
    use crate::base::finding::Severity;
    use crate::edit::fix::Safety;
    use crate::report::tests::{every_kind, finding, fix, label, placed, report};
    use crate::rules::RULES;

    fn cases<'a>(document: &'a Document<'_>) -> Vec<Node<'a, 'a>> {
        document.descendants().filter(|node| node.has_tag_name("testcase")).collect()
    }

    fn counts(document: &Document<'_>) -> (String, String) {
        let suite = document.root_element().first_element_child().unwrap();
        let count = |name: &str| suite.attribute(name).unwrap().to_owned();
        (count("tests"), count("failures"))
    }

    #[test]
    fn without_findings_every_rule_passes() {
        let text = check(&report(&[]));
        let document = Document::parse(&text).unwrap();
        let cases = cases(&document);
        assert_eq!(cases.len(), RULES.len());
        assert!(cases.iter().all(|case| !case.has_children()));
        assert_eq!(counts(&document), (RULES.len().to_string(), "0".into()));
    }

    #[test]
    fn a_warning_fails_only_if_it_blocks() {
        let findings = [
            Finding { severity: Severity::Warning, ..finding("a.bak") },
            placed("web/package.json", "\n x", "x"),
        ];
        let mut report = report(&findings);
        let text = check(&report);
        let document = Document::parse(&text).unwrap();
        let found = &cases(&document)[RULES.len() - 2..];
        assert_eq!(found[0].first_element_child().unwrap().tag_name().name(), "system-out");
        let failure = found[1].first_element_child().unwrap();
        assert_eq!(found[1].attribute("name"), Some("web/package.json:2:2"));
        assert_eq!(failure.attribute("message"), Some("this points astray"));
        let body = "this points astray\nhelp: unstage it\n    git rm --cached -f web/package.json";
        assert_eq!(failure.text(), Some(body));
        assert_eq!(counts(&document), (RULES.len().to_string(), "1".into()));

        report.deny_warnings = true;
        let text = check(&report);
        let document = Document::parse(&text).unwrap();
        let failure = cases(&document)[RULES.len() - 2].first_element_child().unwrap();
        assert_eq!(
            (failure.tag_name().name(), failure.attribute("type")),
            ("failure", Some("warning"))
        );
        assert_eq!(counts(&document).1, "2");
    }

    #[test]
    fn the_xml_is_well_formed_for_hostile_findings() {
        let findings = every_kind();
        let text = check(&report(&findings));
        let document = Document::parse(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        let names: Vec<&str> =
            cases(&document).iter().filter_map(|case| case.attribute("file")).collect();
        assert_eq!(names.len(), findings.len());
        assert_eq!(names[3].replace("\\u{fffe}", "\u{fffe}"), findings[3].path.to_string());
        assert_eq!(names[4], "b\\xff\\n%::");
        assert!(text.chars().all(|character| character == '\n' || !is_unsafe(character)), "{text}");
    }

    #[test]
    fn labels_and_the_fix_are_in_the_text() {
        let about = Finding {
            labels: vec![label("b.json", "1\n2", "2", "pinned here")],
            fix: Some(fix(Safety::Safe, "a.json", "1\n2\n", "2", "3")),
            ..placed("a.json", "1\n2\n", "2")
        };
        let text = check(&report(&[about]));
        let document = Document::parse(&text).unwrap();
        let failure = document.descendants().find(|node| node.has_tag_name("failure")).unwrap();
        let body = failure.text().unwrap();
        assert!(
            body.ends_with(
                "\nnote: b.json:2:1: pinned here\nfix (safe):\n\
                 --- a/a.json\n+++ b/a.json\n@@ -1,2 +1,2 @@\n 1\n-2\n+3"
            ),
            "{body}"
        );
    }
}
