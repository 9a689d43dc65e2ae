//! Searches the files of a state for the variables that a step of a build may read.

use std::collections::BTreeSet;

use crate::base::change::{Change, Content, Entry, Mode};
use crate::base::path::RepoPath;
use crate::builds::arguments::names;
use crate::project::directories::is_vendored;
use crate::project::kinds::FileKind;

/// The maximum size in bytes of a file that is searched for variables, and of all together.
const MAX_SEARCHED: u64 = 1024 * 1024;
const MAX_SEARCHED_TOGETHER: usize = 256 * 1024 * 1024;

/// The number of bytes at the start of a file that say whether it is a text, as in git.
const TELLING: usize = 8000;

/// Those variables that a file of a state names: code, or settings. Files that describe builds,
/// documents and translations do not read variables. The error is what cannot be searched, and why.
pub(super) fn named_variables(
    mut variables: BTreeSet<String>,
    change: &dyn Change,
    entries: &[&Entry],
) -> Result<BTreeSet<String>, (RepoPath, &'static str)> {
    let mut named = BTreeSet::new();
    if variables.is_empty() {
        return Ok(named);
    }
    let is_searched = |path: &RepoPath| {
        FileKind::of(path, FileKind::names_no_variable).is_none()
            && !is_binary(path)
            && !is_translation(path)
    };
    let unread = "it cannot be read, and it may use arguments of a build";
    let mut room = MAX_SEARCHED_TOGETHER;
    let searched = entries.iter().filter(|entry| entry.mode != Mode::Symlink);
    let searched = searched.filter(|entry| is_searched(&entry.path));
    let (first, others): (Vec<&Entry>, Vec<&Entry>) =
        searched.partition(|entry| often_reads_variables(entry.path.as_bytes()));
    // The search ends when each variable is found.
    for entry in first.into_iter().chain(others) {
        let path = || entry.path.clone();
        if entry.mode == Mode::Submodule {
            return Err((path(), "its files may use arguments of a build"));
        }
        let content = change.read(entry, MAX_SEARCHED).map_err(|_| (path(), unread))?;
        let Content::Bytes(text) = content else { continue };
        let Some(left) = room.checked_sub(text.len()) else {
            return Err((path(), "too many files before it may use arguments of a build"));
        };
        room = left;
        if memchr::memchr(0, text.get(..TELLING).unwrap_or(&text)).is_some() {
            continue;
        }
        let found: Vec<String> =
            variables.iter().filter(|name| names(&text, name)).cloned().collect();
        for name in found {
            variables.remove(&name);
            named.insert(name);
        }
        if variables.is_empty() {
            break;
        }
    }
    Ok(named)
}

/// Whether a path is one of those where most programs read variables.
fn often_reads_variables(path: &[u8]) -> bool {
    let parts = ["env", "config", "script", ".sh"];
    !is_vendored(path)
        && parts.iter().any(|part| memchr::memmem::find(path, part.as_bytes()).is_some())
}

/// Whether a path is that of an image, a font or another binary file.
fn is_binary(path: &RepoPath) -> bool {
    const EXTENSIONS: &str = "7z avif bin bmp br db dll eot exe gif gz icns ico jar jpeg jpg \
                              mmdb mov mp3 mp4 node ogg otf pdf png psd so sqlite tgz ttf wasm \
                              wav webm webp woff woff2 zip";
    has_extension(path, EXTENSIONS)
}

/// Whether a path is that of texts for people, in one of the languages of a program.
fn is_translation(path: &RepoPath) -> bool {
    const HOMES: [&[u8]; 7] =
        [b"i18n", b"lang", b"langs", b"locale", b"locales", b"messages", b"translations"];
    let is_home = |part: &[u8]| HOMES.contains(&part);
    has_extension(path, "json json5 yaml yml po pot xlf ftl")
        && !FileKind::Manifest.matches(path)
        && RepoPath::new(path.parent()).components().any(is_home)
}

/// Whether the name of a file ends with a dot and one of these extensions.
fn has_extension(path: &RepoPath, extensions: &str) -> bool {
    let name = path.file_name();
    let end = memchr::memrchr(b'.', name).and_then(|dot| name.get(dot + 1..));
    end.is_some_and(|end| extensions.split(' ').any(|extension| extension.as_bytes() == end))
}

#[cfg(test)]
mod tests {
    use super::{is_binary, is_translation};

    #[test]
    fn files_that_are_not_searched_are_known_by_name() {
        for (path, expected) in [("a/b.png", true), ("b.woff2", true), ("png", false)] {
            assert_eq!(is_binary(&path.into()), expected, "{path}");
        }
        for (path, expected) in [
            ("src/lang/de.json", true),
            ("web/locales/en/common.yml", true),
            ("lang/package.json", false),
        ] {
            assert_eq!(is_translation(&path.into()), expected, "{path}");
        }
    }
}
