#![doc = include_str!("../../docs/rules/missing-corepack.md")]

use crate::escape::Escaped;
use crate::finding::{Severity, Step};
use crate::pins::{Board, Fault};
use crate::rule::{Check, Findings, Rule};

/// The row of the rule table.
pub const RULE: Rule = Rule {
    id: "missing-corepack",
    summary: "corepack used in an image that does not carry it",
    severity: Severity::Error,
    manual: include_str!("../../docs/rules/missing-corepack.md"),
    check: Check::Pins(judge),
};

const STEPS: &[Step] = &[Step::Stage];

fn judge(board: &Board, findings: &mut Findings) {
    for (file, span, fault) in board.faults() {
        if let Fault::NoCorepack(image) = fault {
            let message = format!("{} has no corepack, and nothing before installs it", Escaped(image.as_bytes()));
            let help = "install it first (`npm install --global corepack`), or install the package manager with npm";
            findings.place(file, span, message).cure(help, STEPS);
        }
    }
}
