//! Which directories are members of a workspace.

use fast_glob::glob_match;

/// Whether the patterns of a workspace take in a directory, seen from the top of the workspace. As pnpm, npm and Yarn have
/// it: a later `!pattern` takes out again, and a pattern names directories.
pub(super) fn takes_in(patterns: &[String], directory: &[u8]) -> bool {
    let Ok(directory) = std::str::from_utf8(directory) else { return false };
    let mut member = false;
    for pattern in patterns {
        let (adds, glob) = match pattern.strip_prefix('!') {
            Some(glob) => (false, glob),
            None => (true, pattern.as_str()),
        };
        let glob = glob.strip_prefix("./").or(glob.strip_prefix('/')).unwrap_or(glob).trim_end_matches('/');
        if glob_match(glob, directory) {
            member = adds;
        }
    }
    member
}

#[cfg(test)]
mod tests {
    use super::takes_in;

    #[test]
    fn patterns_name_directories() {
        let patterns = ["packages/*", "./apps/web/", "tools/**", "!**/test/**", "{a,b}/*"].map(str::to_owned);
        for (directory, member) in [
            ("packages/ui", true),
            ("packages/ui/deep", false),
            ("apps/web", true),
            ("apps/api", false),
            ("tools/a/b", true),
            ("tools/test/b", false),
            ("a/x", true),
            ("examples/x", false),
        ] {
            assert_eq!(takes_in(&patterns, directory.as_bytes()), member, "{directory}");
        }
        assert!(!takes_in(&patterns, b"packages/\xff"));
    }
}
