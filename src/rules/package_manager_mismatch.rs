#![doc = include_str!("../../docs/rules/package-manager-mismatch.md")]

use crate::finding::Severity;
use crate::rule::{Check, Rule};

/// The row of the rule table.
pub const RULE: Rule = Rule {
    id: "package-manager-mismatch",
    summary: "placeholder",
    severity: Severity::Error,
    manual: include_str!("../../docs/rules/package-manager-mismatch.md"),
    check: Check::Entry(|_, _| {}),
};
