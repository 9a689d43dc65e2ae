#![doc = include_str!("../../docs/rules/registry-token.md")]

use crate::finding::Severity;
use crate::rule::{Check, Rule};

/// The row of the rule table.
pub const RULE: Rule = Rule {
    id: "registry-token",
    summary: "placeholder",
    severity: Severity::Error,
    manual: include_str!("../../docs/rules/registry-token.md"),
    check: Check::Entry(|_, _| {}),
};
