//! The commit of HEAD, from refs in files (gitrepository-layout(5)).

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::base::change::ObjectId;
use crate::git::layer::Handover;
use crate::git::repository::{Repository, read_line};
use crate::git::source;

/// The commit that HEAD names; `None` on a branch that has no commit yet.
pub(super) fn commit(repository: &Repository) -> Result<Option<ObjectId>, Handover> {
    let head = repository.git.join("HEAD");
    if fs::symlink_metadata(&head).is_ok_and(|about| !about.is_file()) {
        return Err("HEAD is not a regular file".into());
    }
    let id =
        |line: &[u8]| ObjectId::from_hex(line).filter(|id| id.as_bytes().len() == repository.hash);
    let line = read_line(&head)?.ok_or("HEAD is missing")?;
    let Some(name) = line.strip_prefix(b"ref: ") else {
        return id(&line).map(Some).ok_or_else(|| "HEAD is malformed".into());
    };
    // Branches are shared by all work trees; other refs may belong to one of them.
    if !name.starts_with(b"refs/heads/")
        || name.contains(&b'\n')
        || name.split(|&byte| byte == b'/').any(|part| matches!(part, b"" | b"." | b".."))
    {
        return Err("HEAD does not name a branch".into());
    }
    match read_line(&repository.common.join(OsStr::from_bytes(name)))? {
        Some(line) => id(&line).map(Some).ok_or_else(|| "the branch is malformed".into()),
        None => packed(repository, name),
    }
}

/// Looks up a branch in the packed refs; `None` if the branch certainly does not exist.
fn packed(repository: &Repository, name: &[u8]) -> Result<Option<ObjectId>, Handover> {
    let refs = source::read_whole(&repository.common.join("packed-refs"))
        .map_err(|error| Handover::failed("packed-refs cannot be read", error))?
        .unwrap_or_default();
    if let Some(id) = find_packed(&refs, name, repository.hash) {
        return Ok(Some(id));
    }
    let unborn = is_plain(name)
        && is_well_formed(&refs, repository.hash)
        && is_absent(&repository.common, name);
    if unborn { Ok(None) } else { Err("the branch may have a commit".into()) }
}

/// The object that the packed refs have for a name: `<id> SP <name>` a line (git-pack-refs(1)).
pub(in crate::git) fn find_packed(refs: &[u8], name: &[u8], hash: usize) -> Option<ObjectId> {
    memchr::memmem::find_iter(refs, name).find_map(|at| {
        let start = memchr::memrchr(b'\n', &refs[..at]).map_or(0, |end| end + 1);
        let (before, after) = (&refs[start..at], &refs[at + name.len()..]);
        let id = ObjectId::from_hex(before.strip_suffix(b" ")?)?;
        (id.as_bytes().len() == hash && matches!(after.first(), None | Some(b'\n'))).then_some(id)
    })
}

/// Whether every line of the packed refs parses: a comment, `<id> SP <name>`, or `^<id>` for the
/// object that a tag points to.
pub(in crate::git) fn is_well_formed(refs: &[u8], hash: usize) -> bool {
    let is_id = |hex: &[u8]| ObjectId::from_hex(hex).is_some_and(|id| id.as_bytes().len() == hash);
    let is_line = |line: &[u8]| match line {
        [b'#', ..] => true,
        [b'^', id @ ..] => is_id(id),
        line => line
            .split_at_checked(2 * hash)
            .is_some_and(|(id, name)| is_id(id) && name.starts_with(b" refs/")),
    };
    let Some(lines) = refs.strip_suffix(b"\n") else { return refs.is_empty() };
    lines.split(|&byte| byte == b'\n').all(is_line)
}

/// Whether git accepts this as the name of a branch, and no file system folds it into another name.
/// Git reads a name that it refuses in special ways (git-check-ref-format(1)).
fn is_plain(name: &[u8]) -> bool {
    let is_plain = |part: &[u8]| {
        part.iter().all(|&byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
            && !part.is_empty()
            && !part.starts_with(b".")
            && !part.ends_with(b".")
            && !part.ends_with(b".lock")
            && !part.windows(2).any(|pair| pair == b"..")
    };
    name.split(|&byte| byte == b'/').all(is_plain)
}

/// Whether a branch has no file. A dangling link may name another ref, and refs may be kept in
/// tables.
fn is_absent(common: &Path, name: &[u8]) -> bool {
    let is_missing = |path: &OsStr| {
        fs::symlink_metadata(common.join(path))
            .is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
    };
    is_missing(OsStr::from_bytes(name)) && is_missing(OsStr::new("reftable"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packed_ref_is_found_by_its_whole_name() {
        let id = |digit: &str| digit.repeat(40);
        let refs = format!(
            "# pack-refs with: peeled fully-peeled sorted \n\
             {} refs/heads/main-2\n\
             {} refs/heads/x/refs/heads/main\n\
             {} refs/heads/main\n\
             ^{}\n\
             {} refs/tags/v1\n",
            id("1"),
            id("2"),
            id("3"),
            id("4"),
            id("5")
        );
        let found =
            |name: &str| find_packed(refs.as_bytes(), name.as_bytes(), 20).map(|id| id.to_string());
        assert_eq!(found("refs/heads/main"), Some(id("3")));
        assert_eq!(found("refs/heads/main-2"), Some(id("1")));
        assert_eq!(found("refs/tags/v1"), Some(id("5")));
        assert_eq!(found("refs/heads/mai"), None);
        assert_eq!(found("refs/heads/x"), None);
        assert_eq!(
            find_packed(format!("{} refs/heads/a", id("7")).as_bytes(), b"refs/heads/a", 20)
                .unwrap()
                .to_string(),
            id("7")
        );
    }

    #[test]
    fn packed_refs_parse_to_the_last_line_or_are_refused() {
        let id = |hash: usize| "7".repeat(2 * hash);
        for hash in [20, 32] {
            let refs = format!("# x\n{0} refs/heads/a\n^{0}\n{0} refs/tags/b c\n", id(hash));
            assert!(is_well_formed(refs.as_bytes(), hash) && is_well_formed(b"", hash));
            assert!(!is_well_formed(refs.as_bytes(), 52 - hash));
            for wrong in
                ["\n", "dirt\n", &id(hash), &format!("{} HEAD\n", id(hash)), "^7\n", " refs/x\n"]
            {
                assert!(!is_well_formed(format!("{refs}{wrong}").as_bytes(), hash), "{wrong:?}");
            }
            assert!(!is_well_formed(refs.trim_end().as_bytes(), hash));
        }
        assert_eq!(
            find_packed(format!("{} refs/heads/a\n", id(20)).as_bytes(), b"refs/heads/a", 32),
            None
        );
    }

    #[test]
    fn only_a_branch_with_a_plain_name_may_be_unborn() {
        for name in ["refs/heads/main", "refs/heads/a/b-c_d.e", "refs/heads/v1.2"] {
            assert!(is_plain(name.as_bytes()), "{name}");
        }
        for name in
            [".x", "x.", "a..b", "x.lock", "a/.b", "a b", "a\nref: x", "a~1", "@{0}", "ä", ""]
        {
            assert!(!is_plain(format!("refs/heads/{name}").as_bytes()), "{name}");
        }
    }
}
