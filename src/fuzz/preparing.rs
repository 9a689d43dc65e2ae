//! Target: the overlay of a manifest.

use semver::Version;

use crate::formats::{Syntax, parse};
use crate::fuzz::asserts::safe;
use crate::pins::pin::Manager;
use crate::prepare::file::Placement;
use crate::prepare::overlay::{Input, Overlay, Top, files};
use crate::prepare::{Packed, PackedManifest};
use crate::restore::undo::undo;

const MANAGERS: [(Manager, u64, u64); 7] = [
    (Manager::Pnpm, 10, 6),
    (Manager::Pnpm, 9, 15),
    (Manager::Pnpm, 11, 0),
    (Manager::Pnpm, 12, 0),
    (Manager::Npm, 11, 0),
    (Manager::Yarn, 4, 0),
    (Manager::Yarn, 1, 22),
];

fn packed() -> Vec<Packed> {
    let manifest = PackedManifest {
        peers: [("@acme/log".to_owned(), "^1".to_owned())].into(),
        ..PackedManifest::default()
    };
    [("log", PackedManifest::default()), ("react", manifest)]
        .map(|(name, manifest)| Packed {
            name: format!("@acme/{name}"),
            version: Version::new(1, 0, 0),
            file: format!("acme-{name}-1.0.0.tgz"),
            manifest,
        })
        .to_vec()
}

/// The first byte selects the package manager, and whether the image installs at the top. The
/// manifest and three other files follow, separated by NUL.
pub(super) fn overlay(data: &[u8]) {
    let Some((&first, rest)) = data.split_first() else { return };
    let mut parts = rest.split(|&byte| byte == 0);
    let manifest = parts.next().unwrap_or_default();
    let mut file = || parts.next().filter(|text| !text.is_empty());
    let (workspace, top, top_workspace) = (file(), file(), file());
    let (manager, major, minor) = MANAGERS[usize::from(first) % MANAGERS.len()];
    let packed = packed();
    let input = Input {
        directory: &"backend".into(),
        manifest,
        workspace,
        top: Top { manifest: top, workspace: top_workspace, is_installed: first & 0x80 != 0 },
        packed: &packed,
        manager,
        version: &Version::new(major, minor, 0),
        into: "deps",
        placement: if first & 0x40 == 0 { Placement::Beside } else { Placement::InPlace },
    };
    let Ok(overlay) = files(&input) else { return };
    if input.placement == Placement::InPlace {
        for (path, text) in &overlay.files {
            let old = match path.as_bytes() {
                b"backend/package.json" => Some(manifest),
                b"package.json" => top,
                _ => top_workspace,
            };
            let is_yaml = path.as_bytes().ends_with(b".yaml");
            let syntax = if is_yaml { Syntax::Yaml } else { Syntax::Json };
            let old = old.expect("a file that exists is rewritten");
            let undone = undo(syntax, (old, text), text);
            // An edit that nobody changed is undone by its bytes; this is what by its keys gives.
            assert!(is_yaml || undone.is_some_and(|undone| undone.text == old), "{path}");
        }
        return;
    }
    overlay.warnings.iter().for_each(|warning| safe(warning));
    for (path, text) in &overlay.files {
        let syntax = if path.as_bytes().ends_with(b".json") { Syntax::Json } else { Syntax::Yaml };
        assert!(parse(syntax, text).is_ok(), "{path}");
    }
    // Two packages of one name: a person learns of it.
    if overlay.warnings.iter().any(|warning| warning.contains("rename the alias")) {
        return;
    }
    // An overlay of what an overlay makes is the same one.
    let made = |overlay: &Overlay, path: &str| {
        let mut files = overlay.files.iter();
        files.find(|(known, _)| known.as_bytes() == path.as_bytes()).map(|(_, text)| text.clone())
    };
    let of = |path| made(&overlay, path);
    let (member, own) = (of("tree/backend/package.json"), of("tree/backend/pnpm-workspace.yaml"));
    let (above, settings) = (of("tree/package.json"), of("tree/pnpm-workspace.yaml"));
    let again = files(&Input {
        manifest: member.as_deref().unwrap_or(manifest),
        workspace: own.as_deref().or(workspace),
        top: Top {
            manifest: above.as_deref().or(top),
            workspace: settings.as_deref().or(top_workspace),
            ..input.top
        },
        ..input
    });
    let again = again.expect("an overlay that can be prepared");
    for path in ["tree/backend/package.json", "tree/package.json"] {
        assert_eq!(made(&again, path), None, "{path}");
    }
    for path in ["tree/backend/pnpm-workspace.yaml", "tree/pnpm-workspace.yaml"] {
        assert_eq!(made(&again, path), made(&overlay, path), "{path}");
    }
}
