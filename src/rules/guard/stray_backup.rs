#![doc = include_str!("../../../docs/rules/stray-backup.md")]

use crate::base::change::{Entry, Mode};
use crate::base::debris::Debris;
use crate::base::finding::Step;
use crate::rule::{Check, Findings, Rule, RuleGroup};

pub(crate) const RULE: Rule = Rule {
    id: "stray-backup",
    summary: "a backup file (*.bak)",
    manual: include_str!("../../../docs/rules/stray-backup.md"),
    check: Check::Entry(judge),
    ..Rule::base(RuleGroup::Guard)
};

fn judge(entry: &Entry, debris: &Debris, findings: &mut Findings) {
    if debris.is_backup(&entry.path) && entry.mode != Mode::Submodule {
        findings
            .path(&entry.path, "a backup file")
            .help("unstage it; the file itself stays", &[Step::Unstage]);
    }
}

#[cfg(test)]
mod tests {
    use super::RULE;
    use crate::base::change::{Content, Mode};
    use crate::engine::tests::{Fake, transcript};

    #[test]
    fn any_bak_file_in_any_case() {
        let change = Fake::default()
            .file("package.json.bak", "")
            .file("a/.bak", "")
            .file("b/X.BAK", "")
            .with("link.bak", Mode::Symlink, Content::Bytes(Vec::new()), true);
        assert_eq!(
            transcript(&RULE, &change),
            [
                "a/.bak: a backup file",
                "b/X.BAK: a backup file",
                "link.bak: a backup file",
                "package.json.bak: a backup file",
            ]
        );
        assert!(change.read.borrow().is_empty(), "no content is needed");
    }

    #[test]
    fn other_names_pass() {
        let change = Fake::default()
            .file("bak", "")
            .file("x.bak/readme.md", "")
            .file("x.bakery", "")
            .old("old.bak", "")
            .with("module.bak", Mode::Submodule, Content::Bytes(Vec::new()), true);
        assert_eq!(transcript(&RULE, &change), [""; 0]);
    }
}
