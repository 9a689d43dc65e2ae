#![doc = include_str!("../../docs/rules/floating-package-manager.md")]

use crate::escape::Escaped;
use crate::finding::{Severity, Step};
use crate::pins::{Board, Demand, Pin, Relation};
use crate::rule::{Check, Findings, Rule};

/// The row of the rule table.
pub const RULE: Rule = Rule {
    id: "floating-package-manager",
    summary: "a package manager installed without the exact version that is pinned",
    severity: Severity::Error,
    manual: include_str!("../../docs/rules/floating-package-manager.md"),
    check: Check::Pins(judge),
};

const STEPS: &[Step] = &[Step::Stage];

fn judge(board: &Board, findings: &mut Findings) {
    for row in board.rows.iter().filter(|row| row.relation == Relation::Floats && board.is_touched(row)) {
        let pin = board.pin(row.id);
        let name = pin.manager.name();
        let what = match &pin.demand {
            Demand::Empty(variable) => {
                format!("{name} is installed here in its newest version: {} is empty", Escaped(variable.as_bytes()))
            }
            Demand::Range(text) | Demand::Tag(text) => {
                format!("{name} {} is installed here, which is no exact version", Escaped(text.as_bytes()))
            }
            Demand::Exact(_) | Demand::Newest | Demand::Unknown => {
                format!("{name} is installed here without a version")
            }
        };
        let wanted = board.reference(row).map(|reference| (board.file(reference), board.pin(reference)));
        let says = match wanted {
            Some((file, Pin { demand: Demand::Exact(version), .. })) => {
                format!("{what}, but {} pins {name} {version}", file.path)
            }
            _ => what,
        };
        let help = match pin.demand {
            Demand::Empty(_) => "declare the ARG again in this stage: one before the first FROM is not known in it",
            _ => "name the exact version that is pinned; `bakstop pins --set` does",
        };
        findings.place(board.file(row.id), &pin.place, says).cure(help, STEPS);
    }
}
