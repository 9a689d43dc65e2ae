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
        let names_program = |source: &&Rc<SourceFile>| {
            source.file.text.to_ascii_lowercase().windows(11).any(|it| it == b"tokenhelper")
        };
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
    items.sort_unstable_by_key(|item| item.span.start);
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
                        "{path} asks for {name} as `workspace:{spec}`, which the image does not \
                         have"
                    ));
                }
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::base::change::File;

    /// The image of files, each with its path in the image and in the repository.
    fn view(files: &[(&str, &str, &str)]) -> ImageView {
        let source = |path: &str, text: &str| {
            let (path, text) = (path.into(), text.as_bytes().to_vec());
            Rc::new(SourceFile::new(File { path, text, fresh: true, replaces: false }))
        };
        ImageView {
            lock: source("pnpm-lock.docker.yaml", ""),
            files: files
                .iter()
                .map(|(to, from, text)| ((*to).to_owned(), source(from, text)))
                .collect(),
            members: None,
            has_settings: true,
            registries: None,
            version: None,
            workspace: None,
            user_npmrc: None,
            ignores_pin: false,
            doubts: BTreeSet::new(),
            origin: None,
        }
    }

    fn file(layout: &LockLayout, path: &str) -> String {
        String::from_utf8(layout.files[path].clone()).unwrap()
    }

    #[test]
    fn pnpm_gets_what_the_image_has_and_no_more() {
        let layout = LockLayout::of(&view(&[
            ("package.json", "api/package.json", "{}"),
            (".npmrc", ".npmrc.docker", "a=1"),
            (".pnpmfile.cjs", "api/.pnpmfile.cjs", "x"),
            ("lib/.pnpmfile.cjs", "lib/.pnpmfile.cjs", "x"),
            ("patches/a.patch", "patches/a.patch", "x"),
            ("Dockerfile", "Dockerfile", "FROM x"),
            ("src/.env", "src/.env", "x"),
        ]))
        .unwrap();
        let paths: Vec<_> = layout.files.keys().map(String::as_str).collect();
        assert_eq!(paths, [".npmrc", ".pnpmfile.cjs", "package.json", "patches/a.patch"]);
        assert_eq!(layout.code.unwrap().to_string(), "api/.pnpmfile.cjs");
        assert!(layout.user_npmrc.is_none());
    }

    #[test]
    fn variables_are_expanded_in_the_settings_of_the_user() {
        let npmrc = "@s:registry=http://${HOST}:4873/\n//h:4873/:_authToken=${TOKEN}\n";
        let layout = LockLayout::of(&view(&[(".npmrc", ".npmrc.docker", npmrc)])).unwrap();
        assert!(layout.files.is_empty());
        assert_eq!(layout.user_npmrc.unwrap().file.text, npmrc.as_bytes());
        // There, pnpm would start the program.
        for program in ["//h/:tokenHelper=/tmp/x", "//h/:TOKENHELPER = ./x"] {
            let text = format!("{npmrc}{program}\n");
            let refused = LockLayout::of(&view(&[(".npmrc", ".npmrc.docker", &text)]));
            assert_eq!(refused.unwrap_err(), Unlockable::Program(".npmrc.docker".into()));
        }
    }

    #[test]
    fn patterns_of_members_do_not_lead_out() {
        let text =
            "packages:\n  - backend\n  - ../plat/packages/*\n  - '!/abs/**'\n  - \"a/../../b\"\n";
        let layout =
            LockLayout::of(&view(&[("pnpm-workspace.yaml", "pnpm-workspace.yaml", text)])).unwrap();
        let expected = "packages:\n  - backend\n  - '.none'\n  - '.none'\n  - '.none'\n";
        assert_eq!(file(&layout, "pnpm-workspace.yaml"), expected);
    }

    #[test]
    fn a_member_that_the_image_does_not_have_is_named() {
        let api = r#"{"name": "api", "dependencies": {"@s/util": "workspace:^"}}"#;
        let alone = view(&[("package.json", "api/package.json", api)]);
        let Unlockable::NoMember(cause) = LockLayout::of(&alone).unwrap_err() else { panic!() };
        assert!(cause.starts_with("api/package.json asks for @s/util as `workspace:^`"), "{cause}");
        let util = r#"{"name": "@s/util"}"#;
        let flat = [
            ("api/package.json", "api/package.json", api),
            ("util/package.json", "util/package.json", util),
        ];
        assert!(LockLayout::of(&view(&flat)).is_ok());
        let alias = r#"{"dependencies": {"u": "workspace:@s/util@*", "x": "workspace:../x"}}"#;
        let aliased = [("package.json", "package.json", alias), flat[1]];
        assert!(LockLayout::of(&view(&aliased)).is_ok());
    }
}
