//! `.gitignore` files: whether git ignores a path, as far as the repository says it (gitignore(5)).

use fast_glob::glob_match;

/// Whether a file is ignored. `files` are the directories of ignore files and their contents, from
/// the top downward; the path and the directories are from the top of the repository.
pub(crate) fn ignores(files: &[(&str, &[u8])], path: &str) -> bool {
    let ends = path.match_indices('/').map(|(at, _)| at);
    let parents = ends.filter_map(|end| path.get(..end)).map(|parent| (parent, true));
    // Below a directory that is ignored, nothing can be included again.
    parents.chain([(path, false)]).any(|(path, is_directory)| {
        let decisive = files.iter().rev().find_map(|(home, text)| {
            let below =
                if home.is_empty() { path } else { path.strip_prefix(home)?.strip_prefix('/')? };
            text.rsplit(|&byte| byte == b'\n')
                .find_map(|line| pattern(std::str::from_utf8(line).ok()?, below, is_directory))
        });
        decisive == Some(true)
    })
}

/// Whether a line ignores a path; `None` if it does not match.
fn pattern(line: &str, path: &str, is_directory: bool) -> Option<bool> {
    let line = line.strip_suffix('\r').unwrap_or(line).trim_end_matches(' ');
    let (ignores, glob) = match line.strip_prefix('!') {
        Some(glob) => (false, glob),
        None => (true, line),
    };
    if glob.is_empty() || line.starts_with('#') || glob.contains(['{', '}']) {
        return None;
    }
    let (for_directories, glob) = match glob.strip_suffix('/') {
        Some(glob) => (true, glob),
        None => (false, glob),
    };
    let name = path.rsplit('/').next().unwrap_or(path);
    let matches = if glob.contains('/') {
        glob_match(glob.strip_prefix('/').unwrap_or(glob), path)
    } else {
        glob_match(glob, name)
    };
    (matches && (is_directory || !for_directories)).then_some(ignores)
}

#[cfg(test)]
mod tests {
    use super::ignores;

    #[test]
    fn git_decides_alike() {
        for (text, path, ignored) in [
            ("*.bak", "a/package.json.bak", true),
            ("/*.bak", "a/package.json.bak", false),
            ("#*.bak", "a.bak", false),
            ("*.bak  \r", "a.bak", true),
            (".deps/", ".deps/x.tgz", true),
            (".deps", "a/.deps/x.tgz", true),
            ("/.deps", "a/.deps/x.tgz", false),
            (".deps/*\n!.deps/.gitkeep", ".deps/x.tgz", true),
            (".deps/*\n!.deps/.gitkeep", ".deps/.gitkeep", false),
            (".deps/*.tgz", ".deps/x.tgz", true),
            (".deps/*.tgz", "a/.deps/x.tgz", false),
            ("**/.deps/*.tgz", "a/.deps/x.tgz", true),
            (".deps/**", ".deps/a/x.tgz", true),
            (".deps\n!.deps/x.tgz", ".deps/x.tgz", true),
            ("*.tgz\n!x.tgz", ".deps/x.tgz", false),
            ("x.tgz/", ".deps/x.tgz", false),
            ("", "a", false),
        ] {
            assert_eq!(ignores(&[("", text.as_bytes())], path), ignored, "{text:?} {path}");
        }
    }

    #[test]
    fn a_deeper_file_decides_first() {
        let files: [(&str, &[u8]); 2] = [("", b"*.bak"), ("web", b"!a.bak\n/b")];
        for (path, ignored) in
            [("web/a.bak", false), ("a.bak", true), ("web/b", true), ("web/c/b", false)]
        {
            assert_eq!(ignores(&files, path), ignored, "{path}");
        }
    }
}
