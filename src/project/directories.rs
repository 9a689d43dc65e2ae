//! Directories of a repository: paths without a trailing slash, empty for the top.

/// A directory and its ancestors, up to the top.
pub(crate) fn ancestors(directory: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::successors(Some(directory), |directory| {
        (!directory.is_empty()).then(|| &directory[..memchr::memrchr(b'/', directory).unwrap_or(0)])
    })
}

/// The path of a directory relative to a base; `None` if it is not that or below it.
pub(crate) fn relative_to<'d>(base: &[u8], directory: &'d [u8]) -> Option<&'d [u8]> {
    match directory.strip_prefix(base)? {
        rest if base.is_empty() || rest.is_empty() => Some(rest),
        [b'/', rest @ ..] => Some(rest),
        _ => None,
    }
}

/// Whether a directory is below another one.
pub(crate) fn is_below(directory: &[u8], above: &[u8]) -> bool {
    relative_to(above, directory).is_some_and(|rest| !rest.is_empty())
}

pub(crate) fn join(outer: &[u8], inner: &[u8]) -> Vec<u8> {
    let parts = [outer, inner].into_iter().filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join(&b'/')
}

/// A relative path seen from a directory, without `.` and `..`; `None` if it leaves the repository.
pub(crate) fn resolved(directory: &str, path: &str) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    for part in directory.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => _ = parts.pop()?,
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// Whether a directory is a package in `node_modules`, which corepack ignores.
pub(crate) fn is_installed_package(directory: &[u8]) -> bool {
    let mut parts = directory.rsplit(|&byte| byte == b'/');
    parts.next();
    matches!(parts.find(|part| !part.starts_with(b"@")), Some(b"node_modules"))
}

/// Whether a path is of a project that was copied here: what Go, Composer and npm leave below
/// `vendor/` and `node_modules/`. A directory `vendor` with files of its own is no such copy.
pub(crate) fn is_vendored(path: &[u8]) -> bool {
    let mut parts = path.split(|&byte| byte == b'/');
    let is_copy = parts.any(|part| matches!(part, b"vendor" | b"node_modules"));
    is_copy && parts.count() > 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_relative_to_ancestors() {
        for (above, directory, seen) in [
            ("", "", Some("")),
            ("", "a/b", Some("a/b")),
            ("a", "a/b", Some("b")),
            ("a", "a", Some("")),
            ("a", "ab", None),
            ("a/b", "a", None),
        ] {
            let found = relative_to(above.as_bytes(), directory.as_bytes());
            assert_eq!(found, seen.map(str::as_bytes), "{directory} from {above}");
            assert_eq!(
                is_below(directory.as_bytes(), above.as_bytes()),
                seen.is_some_and(|seen| !seen.is_empty())
            );
        }
        assert_eq!(resolved("a/b", "./../c//d").as_deref(), Some("a/c/d"));
        assert_eq!(resolved("a/b", "../../../a/b"), None);
        assert_eq!(ancestors(b"a/b").collect::<Vec<_>>(), [&b"a/b"[..], b"a", b""]);
        assert_eq!((join(b"", b"b"), join(b"a", b"b")), (b"b".to_vec(), b"a/b".to_vec()));
    }

    #[test]
    fn projects_that_were_copied_here() {
        for (path, expected) in [
            ("vendor/github.com/a/b/Dockerfile", true),
            ("api/vendor/acme/b/Dockerfile", true),
            ("node_modules/a/b/Dockerfile", true),
            ("apps/vendor/Dockerfile", false),
            ("vendor/web/Dockerfile", false),
            ("vendored/a/b/Dockerfile", false),
        ] {
            assert_eq!(is_vendored(path.as_bytes()), expected, "{path}");
        }
    }
}
