//! The preparation of a build as values: what each manifest needs, the packages to pack, and the
//! files to write.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use semver::Version;

use crate::base::edit::Replacement;
use crate::base::path::RepoPath;
use crate::prepare::PackedManifest;
use crate::prepare::closure::{Missing, closure};

/// A manifest of the product, and the packages that it names.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asking<'a> {
    /// The path of the manifest.
    pub path: &'a RepoPath,
    pub names: &'a BTreeSet<String>,
}

/// The packages that are needed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Needed {
    /// For each manifest, in their order.
    pub of_manifests: Vec<BTreeSet<String>>,
    pub all: BTreeSet<String>,
    /// The named packages that are left to the registry, because only some were chosen.
    pub left: BTreeSet<String>,
}

impl Needed {
    /// What some manifests need; of that, only the chosen packages and what they need.
    pub(crate) fn new<'a>(
        manifests: &[Asking<'_>],
        chosen: &BTreeSet<String>,
        scopes: &BTreeSet<String>,
        manifest: impl Fn(&str) -> Option<&'a PackedManifest>,
    ) -> Result<Self, Missing> {
        let reach = closure("--package", chosen, scopes, &manifest)?;
        let mut needed = Self { all: reach.clone(), ..Self::default() };
        for Asking { path, names } in manifests {
            let is_packed = |name: &&String| chosen.is_empty() || reach.contains(*name);
            let (packed, left): (Vec<_>, Vec<_>) = names.iter().partition(is_packed);
            let packed = packed.into_iter().cloned().collect();
            needed.left.extend(left.into_iter().cloned());
            let all = closure(&path.to_string(), &packed, scopes, &manifest)?;
            needed.all.extend(all.iter().cloned());
            needed.of_manifests.push(all);
        }
        Ok(needed)
    }
}

/// Why a package is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// It was not packed from these inputs, or is not cached any more.
    New,
    /// The last preparation packed it from other inputs.
    Changed,
    Forced,
}

/// Where a tarball comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TarballSource {
    /// The leftover directory, as the last preparation left it.
    Kept,
    Cached,
    Packed(Reason),
}

impl TarballSource {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::Cached => "cached",
            Self::Packed(_) => "packed",
        }
    }
}

/// A package of a preparation, as it is reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PreparedPackage {
    pub name: String,
    pub version: String,
    pub key: String,
    /// The name of its tarball; `None` if that is known only once it is packed.
    pub file: Option<String>,
    pub source: TarballSource,
}

/// What becomes of a file in the leftover directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileChange {
    Written,
    Unchanged,
    Removed,
}

impl FileChange {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Written => "written",
            Self::Unchanged => "unchanged",
            Self::Removed => "removed",
        }
    }
}

/// A preparation, as it is reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Prepared {
    pub dry_run: bool,
    /// The sibling, as it was named.
    pub from: String,
    /// The leftover directory.
    pub into: String,
    pub packages: Vec<PreparedPackage>,
    /// Of the leftover directory; paths from the top of the repository.
    pub files: Vec<(RepoPath, FileChange)>,
    /// The files of the repository that are rewritten in place.
    pub edits: Vec<Replacement>,
    /// Sentences without an initial capital, safe to print.
    pub warnings: Vec<String>,
    pub took: Duration,
}

/// The longest start of a name, in bytes: a file system has 255 for a name, of which 13 are for the
/// digest and the ending.
const LONGEST_STEM: usize = 240;

/// The start of the name of a tarball: `acme-log-1.0.0`. `None` for a name that npm does not allow,
/// and for one that is too long.
pub(crate) fn stem(name: &str, version: &Version) -> Option<String> {
    let (scope, rest) = name.strip_prefix('@')?.split_once('/')?;
    let is_plain = |part: &str| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._~-".contains(&byte);
        !part.is_empty() && !part.starts_with('.') && part.bytes().all(plain)
    };
    let version = version.to_string().replace('+', "-");
    let stem = (is_plain(scope) && is_plain(rest)).then(|| format!("{scope}-{rest}-{version}"));
    stem.filter(|stem| stem.len() <= LONGEST_STEM)
}

/// Two packages whose tarballs would have the same name, but for their content.
pub(crate) fn clash(stems: &BTreeMap<String, String>) -> Option<(&str, &str)> {
    let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
    stems.iter().find_map(|(name, stem)| seen.insert(stem, name).map(|other| (other, &**name)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::{Syntax, parse};

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn chosen_packages_leave_the_rest_to_the_registry() {
        let text = r#"{"dependencies": {"@acme/log": "1"}}"#;
        let http = parse(Syntax::Json, text.as_bytes()).unwrap();
        let http = PackedManifest::parse(&http, text.as_bytes());
        let packages: BTreeMap<&str, PackedManifest> =
            [("@acme/http", http), ("@acme/log", PackedManifest::default())].into();
        let (web, both) = ("web/package.json".into(), set(&["@acme/http", "@acme/log"]));
        let of = |names: &BTreeSet<String>, chosen: &[&str]| {
            let manifests = [Asking { path: &web, names }];
            Needed::new(&manifests, &set(chosen), &set(&["@acme"]), |name| packages.get(name))
        };
        let all = of(&set(&["@acme/http"]), &[]).unwrap();
        assert_eq!(
            (all.all.clone(), all.of_manifests, all.left),
            (both.clone(), vec![both.clone()], set(&[]))
        );
        let log = of(&both, &["@acme/log"]).unwrap();
        assert_eq!((log.all, log.left), (set(&["@acme/log"]), set(&["@acme/http"])));
        assert_eq!(of(&set(&[]), &["@acme/x"]).unwrap_err().chain, "--package needs @acme/x");
        assert_eq!(
            of(&set(&["@acme/y"]), &[]).unwrap_err().chain,
            "web/package.json needs @acme/y"
        );
    }

    #[test]
    fn names_of_tarballs_are_plain_and_may_clash() {
        let one = Version::new(1, 0, 0);
        assert_eq!(stem("@acme/log", &one).as_deref(), Some("acme-log-1.0.0"));
        let build = Version::parse("1.0.0-rc.1+x").unwrap();
        assert_eq!(stem("@acme/log", &build).as_deref(), Some("acme-log-1.0.0-rc.1-x"));
        for wrong in ["log", "@acme", "@acme/", "@/log", "@acme/../x", "@acme/a b", "@a/b\u{1b}"] {
            assert_eq!(stem(wrong, &one), None, "{wrong}");
        }
        let long = Version::parse(&format!("1.0.0-{}", "a".repeat(250))).unwrap();
        assert_eq!(stem("@acme/log", &long), None);
        let stems = |names: &[&str]| {
            let of = |name: &&str| ((*name).to_owned(), stem(name, &one).unwrap());
            names.iter().map(of).collect::<BTreeMap<_, _>>()
        };
        assert_eq!(
            clash(&stems(&["@acme/log-x", "@acme-log/x", "@acme/x"])),
            Some(("@acme-log/x", "@acme/log-x"))
        );
        assert_eq!(clash(&stems(&["@acme/log", "@acme/http"])), None);
    }
}
