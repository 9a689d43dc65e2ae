//! Glob patterns of the configuration.

use fast_glob::glob_match;

use crate::base::path::RepoPath;

/// The maximum number of characters of a pattern: the cost of matching grows with them.
pub(crate) const LONGEST: usize = 1000;

/// The maximum number of groups of alternatives: with more, `fast_glob` matches nothing.
const MAX_GROUPS: usize = 8;

/// A glob that matches whole paths, from the top of the work tree. `*` and `?` stop at a slash,
/// `**` does not. Paths are matched as bytes.
#[derive(Debug, Clone)]
pub(crate) struct Pattern {
    glob: String,
    fold_case: bool,
}

impl Pattern {
    /// A pattern of paths. The error is the reason why it is invalid.
    pub(crate) fn for_paths(glob: &str) -> Result<Self, String> {
        check(glob)?;
        Ok(Self { glob: glob.to_owned(), fold_case: false })
    }

    /// A pattern of names, in any ASCII case. Without a slash, it matches at any depth.
    pub(crate) fn for_names(glob: &str) -> Result<Self, String> {
        check(glob)?;
        let anywhere = if glob.contains('/') { "" } else { "**/" };
        Ok(Self { glob: format!("{anywhere}{}", glob.to_ascii_lowercase()), fold_case: true })
    }

    /// Whether a path matches. The slash that git writes after a nested repository is ignored.
    pub(crate) fn matches(&self, path: &RepoPath) -> bool {
        let bytes = path.as_bytes();
        let bytes = bytes.strip_suffix(b"/").unwrap_or(bytes);
        if self.fold_case {
            glob_match(&self.glob, bytes.to_ascii_lowercase())
        } else {
            glob_match(&self.glob, bytes)
        }
    }
}

/// Refuses an invalid pattern, and one that could never match or is ambiguous.
fn check(glob: &str) -> Result<(), String> {
    check_spelling(glob)?;
    let (mut open, mut groups) = (0, 0);
    let mut rest = glob.chars();
    while let Some(character) = rest.next() {
        match character {
            '[' => {
                let class = rest.as_str();
                let negated = class.strip_prefix(['!', '^']).unwrap_or(class);
                // A bracket is an ordinary character at the start of a class.
                let end = negated.char_indices().skip(1).find(|(_, character)| *character == ']');
                let parts = end.and_then(|(end, _)| negated.split_at_checked(end));
                let Some((class, from_end)) = parts else {
                    return Err("a `[` is not closed".into());
                };
                check_class(class)?;
                rest = from_end.chars();
                rest.next();
            }
            '{' if groups == MAX_GROUPS => {
                return Err(format!("a pattern has at most {MAX_GROUPS} groups of alternatives"));
            }
            '{' => (open, groups) = (open + 1, groups + 1),
            '}' if open == 0 => return Err("a `}` has no `{`".into()),
            '}' => open -= 1,
            _ => {}
        }
    }
    if open > 0 { Err("a `{` is not closed".into()) } else { Ok(()) }
}

/// Refuses classes that mean something else than they seem to: a class is a set of bytes.
fn check_class(class: &str) -> Result<(), String> {
    let bytes = class.as_bytes();
    let backwards = bytes.windows(3).any(|range| range[1] == b'-' && range[0] > range[2]);
    let refusal = match class {
        _ if !class.is_ascii() => "only ASCII characters are allowed between `[` and `]`",
        _ if class.contains("[:") => "named classes such as `[:alpha:]` are not supported",
        _ if backwards => "a range between `[` and `]` is reversed",
        _ => return Ok(()),
    };
    Err(refusal.into())
}

/// Refuses a pattern that could never match, or that other tools read differently.
fn check_spelling(glob: &str) -> Result<(), String> {
    let odd = |component: &str| matches!(component, "." | "..");
    let refusal = match glob {
        "" => "a pattern cannot be empty",
        _ if glob.chars().count() > LONGEST => "a pattern is at most 1000 characters long",
        _ if glob.contains('\\') => {
            "a backslash is not allowed: write `/`, and `[*]` for a literal star"
        }
        _ if glob.starts_with('!') => {
            "a pattern cannot be negated; for a literal `!` at its start, write `?`"
        }
        _ if glob.starts_with('/') => "paths start at the top of the work tree, without a slash",
        _ if glob.ends_with('/') => {
            "files are matched, not directories: write `**` after the slash"
        }
        _ if glob.contains("***") => "`***` matches nothing: write `**`",
        _ if glob.contains("//") || glob.split('/').any(odd) => {
            "a path has no empty, `.` or `..` components"
        }
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
            ("[]x].bak", b"].bak", true),
            ("[!a-c].bak", b"b.bak", false),
            ("[!a-c].bak", b"d.bak", true),
            ("package{,-lock}.json", b"package.json", true),
            ("package{,-lock}.json", b"package-lock.json", true),
            ("vendor/x", b"vendor/x/", true),
        ] {
            let pattern = Pattern::for_paths(glob).unwrap();
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
            assert_eq!(
                Pattern::for_names(glob).unwrap().matches(&path.into()),
                matches,
                "{glob} {path}"
            );
        }
    }

    #[test]
    fn a_pattern_that_could_never_match_is_refused() {
        for glob in [
            "",
            "/a",
            "a/",
            "./a",
            "a//b",
            "a/../b",
            "a\\b",
            "[a",
            "[]",
            "{a",
            "a}",
            "!a",
            "[z-a]",
            "[ä]",
            "[ä",
            "ä[",
            "[!ä]",
            "[]ä]",
            "[[:alpha:]]",
            "***/a",
            &"{a,b}".repeat(9),
            &"a".repeat(1001),
        ] {
            assert!(Pattern::for_paths(glob).is_err(), "{glob}");
            assert!(Pattern::for_names(glob).is_err(), "{glob}");
        }
    }

    #[test]
    fn matching_a_hostile_pattern_terminates() {
        let nested = format!("{}a{}", "{".repeat(499), "}".repeat(499));
        let path = RepoPath::new(b"a/".repeat(2000));
        for glob in [
            nested,
            "**/".repeat(300) + "b",
            "*a".repeat(450),
            "{a,b}".repeat(200),
            "[!a]".repeat(250),
        ] {
            // Only termination is tested; the result does not matter.
            let _ = Pattern::for_paths(&glob).map(|pattern| pattern.matches(&path));
        }
    }
}
