//! The strings of manifests and workspace settings that name where packages come from.

use crate::formats::document::{Node, Value};
use crate::formats::npmrc::without_variables;

/// Paths of keys, and what the strings below them name.
type Fields = &'static [(&'static [&'static str], Names)];

/// What a string names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Names {
    /// The source of a dependency. At any depth below the key.
    Package,
    /// The same, in a map that replaces the sources of other packages.
    Override,
    /// A directory with packages, or a file with code. One, or a list.
    Place,
    /// The members of a workspace, as a pattern. A list.
    Members,
}

use Names::{Members, Override, Package, Place};

const MANIFEST: Fields = &[
    (&["dependencies"], Package),
    (&["devDependencies"], Package),
    (&["optionalDependencies"], Package),
    (&["peerDependencies"], Package),
    // npm; values may be nested objects.
    (&["overrides"], Override),
    // yarn; pnpm reads it too.
    (&["resolutions"], Override),
    (&["pnpm", "overrides"], Override),
    (&["pnpm", "packageExtensions"], Package),
    (&["pnpm", "patchedDependencies"], Package),
    // Bun's catalogs, at the top or in `workspaces`.
    (&["catalog"], Package),
    (&["catalogs"], Package),
    (&["workspaces", "catalog"], Package),
    (&["workspaces", "catalogs"], Package),
    (&["patchedDependencies"], Package),
    // pnpm links this directory instead of the package.
    (&["publishConfig", "directory"], Place),
    (&["workspaces"], Members),
    (&["workspaces", "packages"], Members),
];

/// The same for pnpm's workspace file and yarn's settings.
const WORKSPACE: Fields = &[
    (&["overrides"], Override),
    (&["catalog"], Package),
    (&["catalogs"], Package),
    (&["packageExtensions"], Package),
    (&["patchedDependencies"], Package),
    (&["pnpmfile"], Place),
    (&["globalPnpmfile"], Place),
    (&["storeDir"], Place),
    (&["virtualStoreDir"], Place),
    // With the lockfile, pnpm 11 and 12 move `node_modules` there.
    (&["lockfileDir"], Place),
    (&["cacheFolder"], Place),
    (&["globalFolder"], Place),
    (&["yarnPath"], Place),
    // Yarn puts it before each version or tag.
    (&["defaultProtocol"], Place),
    (&["plugins"], Place),
    (&["injectEnvironmentFiles"], Place),
    (&["packages"], Members),
];

/// The same for the settings of bun.
const BUNFIG: Fields = &[(&["install", "cache"], Place)];

/// The files that have such strings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SourceFields {
    Manifest,
    /// `pnpm-workspace.yaml` and `.yarnrc.yml`.
    Workspace,
    /// `bunfig.toml`.
    Bunfig,
}

/// Calls `visit` with every string that names the source of a package, a place or members, as far
/// as they are wanted.
pub(crate) fn for_each_source<'n>(
    root: &'n Node,
    fields: SourceFields,
    is_wanted: &dyn Fn(Names) -> bool,
    visit: &mut impl FnMut(&'n Node, Names),
) {
    let fields = match fields {
        SourceFields::Manifest => MANIFEST,
        SourceFields::Workspace => WORKSPACE,
        SourceFields::Bunfig => BUNFIG,
    };
    for (path, names) in fields.iter().filter(|(_, names)| is_wanted(*names)) {
        let is_deep = *names != Members;
        for_each_below(root, path, is_deep, &mut |node| visit(node, *names));
    }
}

/// Calls `visit` with every string at these keys, also in lists and, if `deep`, in maps, in the
/// order of the file.
fn for_each_below<'a>(node: &'a Node, keys: &[&str], deep: bool, visit: &mut impl FnMut(&'a Node)) {
    match (keys, &node.value) {
        ([key, rest @ ..], _) => {
            for (found, node) in node.entries() {
                if is_key(&found.text, key) {
                    for_each_below(node, rest, deep, visit);
                } else if found.text == "__proto__" {
                    // pnpm 10 and 11 look keys up through JavaScript's prototype chain.
                    for_each_below(node, keys, deep, visit);
                }
            }
        }
        ([], Value::Text(_)) => visit(node),
        ([], Value::Map(entries)) if deep => {
            for (_, node) in entries {
                for_each_below(node, &[], deep, visit);
            }
        }
        ([], _) => node.items().iter().for_each(|node| for_each_below(node, &[], deep, visit)),
    }
}

/// Whether a key is this one. pnpm 10 and 11 expand variables in the keys of settings.
fn is_key(found: &str, key: &str) -> bool {
    let has_variable = || memchr::memchr(b'$', found.as_bytes()).is_some();
    found == key || has_variable() && without_variables(found) == key
}
