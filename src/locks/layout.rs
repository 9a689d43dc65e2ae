//! The files that pnpm gets when it makes the lockfile of an image: those of the image.

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::base::escape::Escaped;
use crate::base::path::RepoPath;
use crate::formats::Syntax;
use crate::formats::document::Node;
use crate::formats::lockfile::Field;
use crate::locks::view::ImageView;
use crate::project::SourceFile;
use crate::project::kinds::FileKind;

/// The files of an image, as far as pnpm reads them when it resolves dependencies.
#[derive(Debug, Default)]
pub(crate) struct LockLayout {
    /// By their paths from the directory of the install.
    pub files: BTreeMap<String, Vec<u8>>,
    /// The settings of the user. pnpm 10.34 and later expand variables only there.
    pub user_npmrc: Option<Rc<SourceFile>>,
    /// The code that pnpm runs.
    pub code: Option<RepoPath>,
}

/// Why no lockfile can be made.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unlockable {
    /// A manifest asks for a member of the workspace that the image does not have. The text names
    /// the manifest and the dependency, and is safe to print.
    NoMember(String),
    /// The `.npmrc` of the user names a program. The text is its path.
    Program(RepoPath),
}

/// A pattern of members that matches nothing.
const NOTHING: &str = "'.none'";

impl LockLayout {
    pub(crate) fn of(view: &ImageView) -> Result<Self, Unlockable> {
        if let Some(missing) = missing_member(view) {
            return Err(Unlockable::NoMember(missing));
        }
        let mut layout = Self { user_npmrc: view.user_npmrc.clone(), ..Self::default() };
        for (path, source) in &view.files {
            let name = RepoPath::from(path.as_str());
            let is_used = |kind: FileKind| {
                use FileKind::{
                    InstallCode, Manifest, ManifestJson5, ManifestYaml, Npmrc, Patch, PnpmWorkspace,
                };
                let is_manifest = matches!(kind, Manifest | ManifestJson5 | ManifestYaml);
                let is_at_root = name.parent().is_empty();
                is_manifest
                    || kind == Patch
                    || is_at_root && matches!(kind, PnpmWorkspace | Npmrc | InstallCode)
            };
            let text = &source.file.text;
            let kind = FileKind::of(&name, is_used);
            let text = match kind {
                None => continue,
                // Either may have variables; that of the user has precedence in the image as well.
                Some(FileKind::Npmrc) if memchr::memmem::find(text, b"${").is_some() => {
                    layout.user_npmrc.get_or_insert_with(|| Rc::clone(source));
                    continue;
                }
                Some(FileKind::PnpmWorkspace) => inside(source),
                Some(FileKind::InstallCode) => {
                    layout.code = Some(source.file.path.clone());
                    text.clone()
                }
                Some(_) => text.clone(),
            };
            layout.files.insert(path.clone(), text);
        }
        let names_program =
            |source: &&Rc<SourceFile>| source.file.text.to_ascii_lowercase().windows(11).any(|it| it == b"tokenhelper");
        match layout.user_npmrc.iter().find(names_program) {
            Some(source) => Err(Unlockable::Program(source.file.path.clone())),
            None => Ok(layout),
        }
    }
}

/// The settings of a workspace, without the patterns of members that lead out of it: elsewhere,
/// they would match other directories.
fn inside(source: &SourceFile) -> Vec<u8> {
    let mut text = source.file.text.clone();
    let document = source.document(Syntax::Yaml);
    let Ok(root) = &*document else { return text };
    let mut items: Vec<&Node> = root.get("packages").flat_map(Node::items).collect();
    items.sort_by_key(|item| item.span.start);
    for item in items.into_iter().rev() {
        let pattern = item.text().unwrap_or_default().trim_start_matches('!');
        if pattern.starts_with('/') || pattern.split('/').any(|part| part == "..") {
            text.splice(item.span.clone(), NOTHING.bytes());
        }
    }
    text
}

/// The first dependency on a member that the image does not have.
fn missing_member(view: &ImageView) -> Option<String> {
    let directories = view.manifest_directories();
    let manifests: Vec<_> =
        directories.iter().filter_map(|directory| view.manifest(directory)).collect();
    for manifest in &manifests {
        let Some(root) = manifest.root() else { continue };
        for field in Field::ALL {
            for (key, node) in root.last(field.name()).iter().flat_map(|node| node.entries()) {
                let Some(spec) = node.text().and_then(|spec| spec.strip_prefix("workspace:"))
                else {
                    continue;
                };
                let alias = spec.rfind('@').filter(|at| *at > 0).and_then(|at| spec.get(..at));
                let is_path = spec.starts_with(['.', '/']);
                let wanted = alias.unwrap_or(&key.text);
                if !is_path && !manifests.iter().any(|other| other.name() == Some(wanted)) {
                    let (path, name) = (&manifest.source.file.path, Escaped(key.text.as_bytes()));
                    let spec = Escaped(spec.as_bytes());
                    return Some(format!(
                        "{path} asks for {name} as `workspace:{spec}`, which the image does not have"
                    ));
                }
            }
        }
    }
    None
}
