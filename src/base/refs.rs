//! Parses the ref updates of a push, as git passes them to hooks.

use crate::base::change::ObjectId;
use crate::base::path::RepoPath;

/// A ref that a push moves, creates or deletes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RefUpdate {
    /// The id on the receiving side; `None` if the ref is new there.
    pub old: Option<ObjectId>,
    /// The new id; `None` if the ref is deleted.
    pub new: Option<ObjectId>,
    /// The ref on the receiving side.
    pub name: RepoPath,
}

/// Parses a line of pre-push (githooks(5)): `<local ref> SP <local id> SP <remote ref> SP <remote
/// id>`. The local ref is written as it was typed: only it may contain spaces.
pub(crate) fn parse_pre_push(line: &[u8]) -> Option<RefUpdate> {
    let mut fields = line.rsplitn(4, |&byte| byte == b' ');
    let (old, name, new) = (fields.next()?, fields.next()?, fields.next()?);
    fields.next()?;
    update(old, new, name)
}

/// Parses a line of pre-receive (githooks(5)): `<old id> SP <new id> SP <ref>`.
pub(crate) fn parse_pre_receive(line: &[u8]) -> Option<RefUpdate> {
    let mut fields = line.splitn(3, |&byte| byte == b' ');
    let (old, new, name) = (fields.next()?, fields.next()?, fields.next()?);
    update(old, new, name)
}

/// Parses every line; the error is the first line that is malformed.
pub(crate) fn lines(
    text: &[u8],
    parse: fn(&[u8]) -> Option<RefUpdate>,
) -> Result<Vec<RefUpdate>, &[u8]> {
    let lines = text.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| parse(line).ok_or(line)).collect()
}

fn update(old: &[u8], new: &[u8], name: &[u8]) -> Option<RefUpdate> {
    let id = |hex: &[u8]| ObjectId::from_hex(hex).map(|id| (!id.is_null()).then_some(id));
    (!name.is_empty()).then_some(RefUpdate {
        old: id(old)?,
        new: id(new)?,
        name: RepoPath::new(name),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(parts: &[&str]) -> Vec<u8> {
        parts.join(" ").into_bytes()
    }

    #[test]
    fn both_hooks_pass_the_same_fields_in_another_order() {
        for length in [40, 64] {
            let (one, two, none) = ("1".repeat(length), "2".repeat(length), "0".repeat(length));
            let moved =
                parse_pre_push(&line(&["refs/heads/a", &two, "refs/heads/b", &one])).unwrap();
            assert_eq!(
                parse_pre_receive(&line(&[&one, &two, "refs/heads/b"])),
                Some(moved.clone())
            );
            assert_eq!(
                (moved.old.is_some(), moved.new.is_some(), &*moved.name.to_string()),
                (true, true, "refs/heads/b")
            );
            assert_eq!(
                parse_pre_push(&line(&["(delete)", &none, "refs/heads/b", &one])).unwrap().new,
                None
            );
            assert_eq!(parse_pre_receive(&line(&[&none, &two, "refs/heads/b"])).unwrap().old, None);
        }
    }

    #[test]
    fn the_local_ref_may_contain_spaces() {
        let (one, two) = ("1".repeat(40), "2".repeat(40));
        let update =
            parse_pre_push(&line(&["HEAD^{/fix a bug}", &two, "refs/heads/b", &one])).unwrap();
        assert_eq!(
            (update.new, update.old),
            (ObjectId::from_hex(two.as_bytes()), ObjectId::from_hex(one.as_bytes()))
        );
    }

    #[test]
    fn a_malformed_line_is_an_error() {
        let one = "1".repeat(40);
        for wrong in [
            line(&[&one, &one]),
            line(&[&one, "x", "refs/heads/a"]),
            line(&[&one, &"1".repeat(39), "refs/heads/a"]),
        ] {
            assert_eq!(lines(&wrong, parse_pre_receive), Err(&wrong[..]));
            assert_eq!(lines(&wrong, parse_pre_push), Err(&wrong[..]));
        }
        assert_eq!(lines(b"\n", parse_pre_push), Ok(vec![]));
        assert_eq!(parse_pre_receive(&line(&[&one, &one, ""])), None);
    }
}
