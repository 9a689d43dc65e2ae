//! What HEAD names, where that is beyond doubt: refs in files, gitrepository-layout(5).

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::base::change::ObjectId;
use crate::git::direct::place::{Place, read_line};
use crate::git::native::Handover;

/// The commit that HEAD names. An unborn branch is for another layer.
pub(super) fn commit(place: &Place) -> Result<ObjectId, Handover> {
    let head = place.git.join("HEAD");
    if fs::symlink_metadata(&head).is_ok_and(|about| !about.is_file()) {
        return Err("HEAD is no plain file".into());
    }
    let line = read_line(&head)?.ok_or("there is no HEAD")?;
    let line = line.as_os_str().as_bytes();
    let Some(name) = line.strip_prefix(b"ref: ") else {
        return ObjectId::from_hex(line).ok_or_else(|| "HEAD is not understood".into());
    };
    // Branches are shared by all work trees; other refs may belong to one.
    if !name.starts_with(b"refs/heads/")
        || name.split(|&byte| byte == b'/').any(|part| matches!(part, b"" | b"." | b".."))
    {
        return Err("HEAD names no branch".into());
    }
    match read_line(&place.common.join(OsStr::from_bytes(name))) {
        Ok(Some(line)) => {
            ObjectId::from_hex(line.as_os_str().as_bytes()).ok_or_else(|| "the branch is not understood".into())
        }
        Ok(None) => packed(&place.common, name),
        Err(reason) => Err(reason),
    }
}

/// Looks for a branch among the packed refs: `<id> SP <name>` a line, git-pack-refs(1).
fn packed(common: &Path, name: &[u8]) -> Result<ObjectId, Handover> {
    let refs = match fs::read(common.join("packed-refs")) {
        Ok(refs) => refs,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(format!("packed-refs cannot be read ({error})")),
    };
    find_packed(&refs, name).ok_or_else(|| "there is no such branch yet".into())
}

/// The object that a ref of this name is packed with.
pub(super) fn find_packed(refs: &[u8], name: &[u8]) -> Option<ObjectId> {
    memchr::memmem::find_iter(refs, name).find_map(|at| {
        let start = memchr::memrchr(b'\n', &refs[..at]).map_or(0, |end| end + 1);
        let (before, after) = (&refs[start..at], &refs[at + name.len()..]);
        let id = ObjectId::from_hex(before.strip_suffix(b" ")?)?;
        matches!(after.first(), None | Some(b'\n')).then_some(id)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packed_ref_is_found_by_its_whole_name() {
        let id = |digit: &str| digit.repeat(40);
        let refs = format!(
            "# pack-refs with: peeled fully-peeled sorted \n{} refs/heads/main-2\n{} refs/heads/x/refs/heads/main\n\
             {} refs/heads/main\n^{}\n{} refs/tags/v1\n",
            id("1"),
            id("2"),
            id("3"),
            id("4"),
            id("5")
        );
        let found = |name: &str| find_packed(refs.as_bytes(), name.as_bytes()).map(|id| id.to_string());
        assert_eq!(found("refs/heads/main"), Some(id("3")));
        assert_eq!(found("refs/heads/main-2"), Some(id("1")));
        assert_eq!(found("refs/tags/v1"), Some(id("5")));
        assert_eq!(found("refs/heads/mai"), None);
        assert_eq!(found("refs/heads/x"), None);
        assert_eq!(
            find_packed(format!("{} refs/heads/a", id("7")).as_bytes(), b"refs/heads/a").unwrap().to_string(),
            id("7")
        );
    }
}
