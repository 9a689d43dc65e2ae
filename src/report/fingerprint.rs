//! Fingerprints of findings that stay the same when lines move.

use std::collections::BTreeMap;

use crate::rule::Finding;

/// The fingerprint of each finding, in the same order; all are different.
///
/// It is a hash of the rule, the path and the marked text, and a number for equal ones. It does not
/// depend on lines, commits or messages, which change.
pub(crate) fn of(findings: &[Finding]) -> Vec<String> {
    let mut seen: BTreeMap<u64, usize> = BTreeMap::new();
    let fingerprint = |finding: &Finding| {
        let marked =
            finding.place.as_ref().and_then(|place| place.excerpt.get(place.marked.clone()));
        let marked = marked.unwrap_or_default();
        let hash = hash(&[finding.rule.id.as_bytes(), finding.path.as_bytes(), marked.as_bytes()]);
        let ordinal = seen.entry(hash).or_default();
        *ordinal += 1;
        format!("{hash:016x}:{ordinal}")
    };
    findings.iter().map(fingerprint).collect()
}

/// FNV-1a, 64 bits, with a zero byte after each part.
pub(crate) fn hash(parts: &[&[u8]]) -> u64 {
    let bytes = parts.iter().flat_map(|part| part.iter().chain(&[0]));
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::{commit, finding, placed};

    #[test]
    fn the_hash_matches_a_test_vector() {
        // FNV-1a of "foobar" is 85944171f73967e8 (the authors' test vectors); here a zero byte
        // follows.
        assert_eq!(hash(&[b"foobar"]), 0x8594_4171_f739_67e8_u64.wrapping_mul(0x0100_0000_01b3));
        assert_ne!(hash(&[b"a", b"b"]), hash(&[b"ab", b""]));
    }

    #[test]
    fn a_fingerprint_stays_when_lines_move() {
        let before =
            [placed("a", "x\ny\nx", "x"), placed("a", "y\nx", "y"), placed("a", "\n\nx", "x")];
        let mut after = [
            placed("a", "\n\n\n  x", "x"),
            placed("a", "\n\n\ny", "y"),
            placed("a", "\n\n\n\nx", "x"),
        ];
        for finding in &mut after {
            finding.message = "in other words".into();
            finding.help = "otherwise".into();
            finding.commit = Some(commit("rebased"));
        }
        assert_eq!(of(&before), of(&after));
        assert!(
            of(&before)[0].ends_with(":1") && of(&before)[2].ends_with(":2"),
            "{:?}",
            of(&before)
        );
    }

    #[test]
    fn different_findings_have_different_fingerprints() {
        let mut other_rule = finding("a");
        other_rule.rule = crate::rules::find("docker-deps-content").unwrap();
        let findings =
            [finding("a"), finding("a"), finding("b"), other_rule, placed("a", "x", "x")];
        let names: std::collections::BTreeSet<String> = of(&findings).into_iter().collect();
        assert_eq!(names.len(), findings.len());
    }
}
