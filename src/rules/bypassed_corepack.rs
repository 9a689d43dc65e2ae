#![doc = include_str!("../../docs/rules/bypassed-corepack.md")]

use crate::finding::{Severity, Step};
use crate::pins::{Board, How, Relation};
use crate::rule::{Check, Findings, Rule};

/// The row of the rule table.
pub const RULE: Rule = Rule {
    id: "bypassed-corepack",
    summary: "a package manager that npm installs although the project uses corepack",
    severity: Severity::Warning,
    manual: include_str!("../../docs/rules/bypassed-corepack.md"),
    check: Check::Pins(judge),
};

const STEPS: &[Step] = &[Step::Stage];

fn judge(board: &Board, findings: &mut Findings) {
    for row in board.rows.iter().filter(|row| row.relation == Relation::Agrees) {
        let Some(reference) = board.reference(row).filter(|_| board.is_touched(row)) else { continue };
        let (pin, wanted) = (board.pin(row.id), board.pin(reference));
        if pin.bypasses_corepack && wanted.how == How::PackageManager && board.uses_corepack(row) {
            let message = format!("npm installs {} here, past corepack, which this project uses", pin.manager.name());
            let help = "let corepack read the version from package.json: `corepack enable`";
            findings.place(board.file(row.id), &pin.place, message).cure(help, STEPS);
        }
    }
}
