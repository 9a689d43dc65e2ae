#![doc = include_str!("../../docs/rules/invalid-package-manager.md")]

use crate::finding::{Severity, Step};
use crate::pins::{Board, Fault};
use crate::rule::{Check, Findings, Rule};

/// The row of the rule table.
pub const RULE: Rule = Rule {
    id: "invalid-package-manager",
    summary: "a packageManager that corepack refuses",
    severity: Severity::Error,
    manual: include_str!("../../docs/rules/invalid-package-manager.md"),
    check: Check::Pins(judge),
};

const STEPS: &[Step] = &[Step::Stage];

fn judge(board: &Board, findings: &mut Findings) {
    for (file, span, fault) in board.faults() {
        match fault {
            Fault::Refused(reason) => {
                let message = format!("corepack refuses this packageManager: {reason}");
                let help = "write a name and an exact version, such as pnpm@10.6.5";
                findings.place(file, span, message).cure(help, STEPS);
            }
            // Such a project does not use corepack, unless it says so somewhere.
            Fault::Foreign(name) if board.has_corepack() => {
                let message = format!("corepack refuses this packageManager: it does not run {name}");
                findings.place(file, span, message).weigh(Severity::Warning);
            }
            Fault::Foreign(_) | Fault::NoCorepack(_) => {}
        }
    }
}
