//! Globs over paths, as the configuration writes them.

use globset::{Candidate, GlobBuilder, GlobSet, GlobSetBuilder};

use crate::path::RepoPath;

/// The most characters of a pattern: no path that a person means needs more, and what a pattern costs grows with it.
pub const LONGEST: usize = 1000;

/// A glob that is matched against a whole path, from the top of the work tree. `*` and `?` stop at a slash, `**` does
/// not. The bytes are compared as git stores them: they need not be UTF-8.
#[derive(Debug, Clone)]
pub struct Pattern(GlobSet);

impl Pattern {
    /// A pattern for paths from the top. The error says what is wrong with it.
    pub fn of_paths(glob: &str) -> Result<Self, String> {
        Self::build(glob, glob, false)
    }

    /// A pattern for files by their name: without a slash in it, it matches at any depth. Case is folded (in ASCII).
    pub fn of_names(glob: &str) -> Result<Self, String> {
        let anywhere = if glob.contains('/') { glob.to_owned() } else { format!("**/{glob}") };
        Self::build(glob, &anywhere, true)
    }

    fn build(written: &str, glob: &str, fold_case: bool) -> Result<Self, String> {
        refuse_what_matches_nothing(written)?;
        let told = |error: globset::Error| error.kind().to_string();
        let glob = GlobBuilder::new(glob)
            .case_insensitive(fold_case)
            .literal_separator(true)
            .backslash_escape(false)
            .empty_alternates(true)
            .build()
            .map_err(told)?;
        // A set is built even of one: it reports a pattern that grows too large, where a single matcher would panic.
        GlobSetBuilder::new().add(glob).build().map(Self).map_err(told)
    }

    /// Whether a path matches. The slash that git puts behind a nested repository is no part of its path.
    pub fn matches(&self, path: &RepoPath) -> bool {
        let bytes = path.as_bytes();
        self.0.is_match_candidate(&Candidate::from_bytes(bytes.strip_suffix(b"/").unwrap_or(bytes)))
    }
}

/// Refuses spellings that could never match, or that mean different things to different people.
fn refuse_what_matches_nothing(glob: &str) -> Result<(), String> {
    let odd = |component: &str| matches!(component, "." | "..");
    let refusal = match glob {
        "" => "a pattern cannot be empty",
        _ if glob.chars().count() > LONGEST => "a pattern is at most 1000 characters long",
        _ if glob.contains('\\') => "paths have no backslashes here: write `/`, and `[*]` for a literal star",
        _ if glob.starts_with('/') => "paths start at the top of the work tree, without a slash",
        _ if glob.ends_with('/') => "files are matched, not directories: write `**` behind the slash",
        _ if glob.contains("//") || glob.split('/').any(odd) => "a path has no empty, `.` or `..` components",
        _ => return Ok(()),
    };
    Err(refusal.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_matched_whole_and_as_bytes() {
        for (glob, path, matches) in [
            ("a.bak", &b"a.bak"[..], true),
            ("a.bak", b"x/a.bak", false),
            ("A.bak", b"a.bak", false),
            ("*.bak", b"x/a.bak", false),
            ("**/*.bak", b"a.bak", true),
            ("**/*.bak", b"x/y/a.bak", true),
            ("fixtures/**", b"fixtures/a/b", true),
            ("fixtures/**", b"fixtures", false),
            ("fixtures/**", b"fixtures/\xff\n/b", true),
            ("**", b"\xff", true),
            ("f/*", b"f/\xff\xfe", true),
            ("f/?", b"f/\xff", true),
            ("f/*", b"f/a/b", false),
            ("f?a", b"f/a", false),
            ("[*].bak", b"*.bak", true),
            ("[*].bak", b"a.bak", false),
            ("package{,-lock}.json", b"package.json", true),
            ("package{,-lock}.json", b"package-lock.json", true),
            ("vendor/x", b"vendor/x/", true),
        ] {
            let pattern = Pattern::of_paths(glob).unwrap();
            assert_eq!(pattern.matches(&RepoPath::new(path)), matches, "{glob} {path:?}");
        }
    }

    #[test]
    fn names_are_matched_at_any_depth_in_any_case() {
        for (glob, path, matches) in [
            ("*.orig", "a.orig", true),
            ("*.orig", "x/A.ORIG", true),
            ("*.orig", "a.orig/b", false),
            ("config/*.save", "config/a.save", true),
            ("config/*.save", "x/config/a.save", false),
        ] {
            assert_eq!(Pattern::of_names(glob).unwrap().matches(&path.into()), matches, "{glob} {path}");
        }
    }

    #[test]
    fn what_could_never_match_is_refused() {
        for glob in ["", "/a", "a/", "./a", "a//b", "a/../b", "a\\b", "[a", "{a", "a}", &"a".repeat(1001)] {
            assert!(Pattern::of_paths(glob).is_err(), "{glob}");
            assert!(Pattern::of_names(glob).is_err(), "{glob}");
        }
    }

    #[test]
    fn a_hostile_pattern_ends() {
        let nested = format!("{}a{}", "{".repeat(499), "}".repeat(499));
        let path = RepoPath::new(b"a/".repeat(2000));
        for glob in [nested, "**/".repeat(300) + "b", "*a".repeat(450), "{a,b}".repeat(200), "[!a]".repeat(250)] {
            // Refused or not, it is decided.
            let _ = Pattern::of_paths(&glob).map(|pattern| pattern.matches(&path));
        }
    }
}
