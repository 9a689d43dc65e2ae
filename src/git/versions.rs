//! The committed versions of files that many repositories have.

use std::path::Path;

use crate::base::change::{Content, Entry, Mode, ObjectId};
use crate::base::error::Error;
use crate::base::path::RepoPath;
use crate::fleet::drift::{Canonical, Committed, LIMIT};
use crate::git::listing::{RAW, RawChange, parse_changes, parse_tree_record};
use crate::git::objects::Objects;
use crate::git::process::{CatFile, Git, literal, records, text, unreadable};
use crate::os::env::Environment;

/// The maximum number of versions that are read.
const MOST: usize = 1000;

/// What the commits that HEAD reaches have at the path of a file, the newest first. Renames are not
/// followed. Merges are compared with each parent; a branch without influence on HEAD is left out.
pub(crate) fn versions(file: &Path, env: &Environment) -> Result<Canonical, Error> {
    let doing = format!("read the history of {}", RepoPath::from(file));
    let place = file.canonicalize().map_err(|error| {
        Error::new(&*doing, error).help("name a file that exists, in a git repository")
    })?;
    let is_named = ["GIT_DIR", "GIT_WORK_TREE"].iter().any(|name| env.get(name).is_some());
    let directory = place.parent().unwrap_or(&place);
    let git = if is_named { Git::nested(directory) } else { Git::new(directory) };
    let name = RepoPath::new(place.file_name().unwrap_or_default().as_encoded_bytes());
    let prefix = git.prefix(&doing)?;
    let prefix = RepoPath::from(prefix.trim_end_matches('/'));
    let path = if prefix.as_bytes().is_empty() { name } else { prefix.join(&name) };
    let changes = changes(&git, &doing, &path)?;
    let newest = changes.first().filter(|change| is_file(change.new_mode)).ok_or_else(|| {
        Error::new(&*doing, "HEAD does not have it as a file")
            .help("commit it: committed versions are compared")
    })?;
    let is_shallow = git.output(&doing, &["rev-parse", "--is-shallow-repository"])?;
    let mut canonical = Canonical {
        mode: newest.new_mode,
        versions: Vec::new(),
        is_whole: text(&is_shallow) == "false" && changes.len() <= MOST,
    };
    let files = changes.iter().filter(|change| is_file(change.new_mode)).take(MOST);
    let entries = files.filter_map(|change| change.entry(&path));
    read(&mut canonical, &git.cat_file()?, &doing, entries)?;
    Ok(canonical)
}

/// Whether this is git's mode of a regular file.
fn is_file(mode: u32) -> bool {
    Mode::from_bits(mode) == Some(Mode::File)
}

/// The changes of a path, the newest first. Of those that make the same blob, only the newest.
fn changes(git: &Git, doing: &str, path: &RepoPath) -> Result<Vec<RawChange>, Error> {
    let pathspec = literal(path);
    let pathspec = pathspec.to_string_lossy();
    let commits = git.output(doing, &["rev-list", "--topo-order", "HEAD", "--", &*pathspec])?;
    let how = ["diff-tree", "--stdin", "-r", "-m", "--root", "--no-commit-id"];
    let arguments = [&how[..], &RAW[..], &["--", &*pathspec]].concat();
    let raw = git.output_with_input(doing, &arguments, &commits)?.stdout;
    let (mut changes, mut seen) = (Vec::new(), Vec::<ObjectId>::new());
    for (_, change) in parse_changes(doing, &raw)? {
        if !seen.contains(&change.new) {
            seen.push(change.new);
            changes.push(change);
        }
    }
    Ok(changes)
}

/// Reads the texts. Only the newest one must be there and of a sensible length.
fn read(
    canonical: &mut Canonical,
    objects: &CatFile,
    doing: &str,
    entries: impl Iterator<Item = Entry>,
) -> Result<(), Error> {
    for (number, entry) in entries.enumerate() {
        match objects.read(&entry, LIMIT) {
            Ok(Content::Bytes(text)) => canonical.versions.push(text),
            Ok(Content::TooLarge(size)) if number == 0 => {
                let cause = format!("it has {size} bytes, and at most {LIMIT} are compared");
                return Err(Error::new(doing, cause).help("name a smaller file"));
            }
            Ok(Content::TooLarge(_)) => {}
            Err(error) if number == 0 => return Err(error),
            // A partial clone lacks it.
            Err(_) => {
                canonical.is_whole = false;
                break;
            }
        }
    }
    Ok(())
}

/// What HEAD has at these paths.
pub(crate) fn committed(
    git: &Git,
    objects: &Objects,
    paths: &[String],
) -> Result<Vec<Committed>, Error> {
    if paths.is_empty() {
        return Ok(Vec::new());
    }
    let doing = "read the copies of templates";
    // With -t: a directory is named although a path in it is asked for as well.
    let arguments = ["ls-tree", "-z", "-t", "--full-tree", "HEAD", "--"];
    let named = paths.iter().map(String::as_str);
    let listing = git.output(doing, &arguments.into_iter().chain(named).collect::<Vec<_>>())?;
    let mut known = Vec::new();
    for record in records(&listing) {
        known.push(parse_tree_record(record).ok_or_else(|| unreadable(doing, record))?);
    }
    let committed = |path: &String| {
        let found = known.iter().find(|(_, _, known)| *known == path.as_bytes());
        let Some((mode, id, _)) = found else { return Ok(Committed::Missing) };
        if !is_file(*mode) {
            return Ok(Committed::Irregular);
        }
        let path = RepoPath::from(path.as_str());
        let entry = Entry { path, mode: Mode::File, id: *id, fresh: false, replaces: None };
        Ok(match objects.blob(&entry, LIMIT)? {
            Content::Bytes(text) => Committed::File { mode: *mode, text },
            Content::TooLarge(_) => Committed::TooLarge,
        })
    };
    paths.iter().map(committed).collect()
}
