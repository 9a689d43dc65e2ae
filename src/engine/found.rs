//! Lists of findings: their commit, their order, and duplicates.

use crate::base::change::Commit;
use crate::base::finding::Place;
use crate::rule::Finding;

/// Sets the commit of findings. It is looked up only if there are any.
pub(super) fn with_commit(
    mut found: Vec<Finding>,
    commit: impl FnOnce() -> Option<Commit>,
) -> Vec<Finding> {
    if !found.is_empty() {
        let commit = commit();
        for finding in &mut found {
            finding.commit.clone_from(&commit);
        }
    }
    found
}

/// The order of findings. It is equal for duplicates, which may be of different commits.
pub(super) fn key(finding: &Finding) -> impl Ord + '_ {
    let place = finding.place.as_ref().map(|Place { line, column, .. }| (*line, *column));
    (finding.path.as_bytes(), place, finding.rule.id, &finding.message)
}

/// Sorts findings. Of duplicates, the first with the highest severity stays.
pub(super) fn sorted(mut findings: Vec<Finding>) -> Vec<Finding> {
    findings.sort_by(|a, b| key(a).cmp(&key(b)).then(b.severity.cmp(&a.severity)));
    findings.dedup_by(|later, first| key(later) == key(first));
    findings
}
