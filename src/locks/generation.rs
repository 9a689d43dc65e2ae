//! The versions of pnpm, as far as they treat lockfiles differently.

use semver::Version;

/// Versions that treat a lockfile alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Generation {
    /// Up to 10.6.5.
    Early10,
    /// From 10.34.9.
    Late10,
    /// 11.28.11.
    Eleven,
    /// From 12.21.0.
    Twelve,
}

use Generation::{Early10, Eleven, Late10, Twelve};

impl Generation {
    /// Those that a version may belong to. Where the treatment changed between two versions that
    /// were asked is not known, so a version between them may belong to either.
    pub(crate) fn candidates(version: Option<&Version>) -> &'static [Self] {
        let Some(version) = version else { return &[Early10, Late10, Eleven, Twelve] };
        let release = (version.major, version.minor, version.patch);
        match release {
            _ if release <= (10, 6, 5) => &[Early10],
            _ if release < (10, 34, 9) => &[Early10, Late10],
            (10, ..) => &[Late10],
            _ if release < (11, 28, 11) => &[Late10, Eleven],
            (11, ..) => &[Eleven],
            _ if release < (12, 21, 0) => &[Eleven, Twelve],
            _ => &[Twelve],
        }
    }

    /// Whether a version was asked, or is newer. Earlier ones take settings from other files.
    pub(super) fn is_known(version: &Version) -> bool {
        (version.major, version.minor) >= (10, 6)
    }

    /// Whether `package.json` and `.npmrc` may have settings that the lockfile records.
    pub(super) fn reads_manifest_settings(self) -> bool {
        self < Eleven
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_between_two_may_be_either() {
        for (version, count) in [
            ("10.6.5", 1),
            ("10.20.0", 2),
            ("10.34.9", 1),
            ("11.0.0", 2),
            ("11.28.11", 1),
            ("12.0.0", 2),
            ("13.0.0", 1),
        ] {
            let version = Version::parse(version).unwrap();
            assert_eq!(Generation::candidates(Some(&version)).len(), count, "{version}");
        }
        assert_eq!(Generation::candidates(None).len(), 4);
    }
}
