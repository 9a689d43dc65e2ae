//! Packed packages that need no overrides: the specs in them are the paths of the others.
//!
//! pnpm reads such a path from the directory of the project that is installed, not from that of the
//! package (pnpm 10.6 to 12). So each depth of a project in the repository has its own tarballs.

use crate::base::path::RepoPath;
use crate::prepare::Packed;
use crate::prepare::key::DigestParts;
use crate::prepare::manifest::{self, ManifestChanges};
use crate::prepare::means::Means;
use crate::prepare::overlay::Input;
use crate::prepare::product::Product;
use crate::project::directories::ancestors;

impl Input<'_> {
    /// Whether its packages must have the paths of the others.
    pub(crate) fn needs_paths(&self) -> bool {
        self.means() == Means::Packages
    }
}

/// How many directories a project is below the top.
pub(crate) fn depth(directory: &RepoPath) -> usize {
    ancestors(directory.as_bytes()).count() - 1
}

/// The packages with the names of the tarballs for projects at a depth. A name is of the content of
/// all of them: one may need each other one, also in a circle.
pub(crate) fn renamed(packed: &[Packed], depth: usize) -> Vec<Packed> {
    let mut all = DigestParts::default().with(&depth.to_le_bytes());
    for one in packed {
        all.add(one.file.as_bytes());
    }
    let all = all.finish();
    let rename = |one: &Packed| {
        let own = DigestParts::default().with(all.as_bytes()).with(one.file.as_bytes()).finish();
        let stem = one.file.rsplit_once('-').map_or(&*one.file, |(stem, _)| stem);
        let file = format!("{stem}-{}.tgz", own.get(..8).unwrap_or(&own));
        Packed { file, ..one.clone() }
    };
    packed.iter().map(rename).collect()
}

/// The manifest of a packed package with the paths of these packages, in the leftover directory
/// `into`, as specs; the error is the cause.
pub(crate) fn manifest(
    text: &[u8],
    packed: &[Packed],
    (into, depth): (&str, usize),
) -> Result<Vec<u8>, String> {
    let root = manifest::parse(text)?;
    let mut changes = ManifestChanges::default();
    for asked in Product::new(&root, None, packed).asked() {
        let spec = format!("file:{}{into}/{}", "../".repeat(depth), asked.package.file);
        changes.specs.push((asked.name.to_owned(), spec));
    }
    manifest::changed(text, &root, &changes)
}

#[cfg(test)]
mod tests {
    use semver::Version;

    use super::*;
    use crate::pins::pin::Manager;
    use crate::prepare::PackedManifest;
    use crate::prepare::file::Placement;
    use crate::prepare::overlay::{Top, files};

    const DIR: &str = ".docker-deps";

    fn packed(name: &str) -> Packed {
        let file = format!("acme-{name}-1.0.0-aaaaaaaa.tgz");
        let name = format!("@acme/{name}");
        Packed { name, version: Version::new(1, 0, 0), file, manifest: PackedManifest::default() }
    }

    #[test]
    fn names_are_of_the_content_of_all_and_of_the_depth() {
        let one = [packed("http"), packed("log")];
        let mut other = one.clone();
        other[1].file = "acme-log-1.0.0-bbbbbbbb.tgz".to_owned();
        let names = |packed: &[Packed], depth| renamed(packed, depth)[0].file.clone();
        let first = names(&one, 1);
        assert!(first.starts_with("acme-http-1.0.0-") && first.len() == one[0].file.len());
        assert_eq!(first, names(&one, 1));
        assert_ne!(first, names(&one, 2));
        assert_ne!(first, names(&other, 1), "a package that it may need has other content");
        let [http, log] = &*renamed(&one, 1) else { panic!("two") };
        assert_ne!(http.file.rsplit('-').next(), log.file.rsplit('-').next());
        assert_eq!([depth(&"".into()), depth(&"a".into()), depth(&"a/b".into())], [0, 1, 2]);
    }

    #[test]
    fn only_the_specs_in_a_package_change() {
        let text = "{\n \"name\": \"@acme/http\",\r\n \"version\": 1.0,\n \"dependencies\": \
                    {\"@acme/log\": \"^1\", \"l\": \"npm:@acme/log@*\", \"ms\": \"2\"},\n \
                    \"peerDependencies\": {\"@acme/log\": \"*\"}}";
        let found = manifest(text.as_bytes(), &[packed("log")], (DIR, 2)).unwrap();
        let spec = format!("file:../../{DIR}/acme-log-1.0.0-aaaaaaaa.tgz");
        let expected = text.replace("^1", &spec).replace("npm:@acme/log@*", &spec);
        assert_eq!(String::from_utf8(found).unwrap(), expected);
        assert_eq!(
            manifest(b"{,}", &[], (DIR, 1)).unwrap_err(),
            "unexpected token in object, in line 1"
        );
    }

    /// The text of a manifest in place, and its cause if it is refused.
    fn in_place(
        (path, text): (&str, &[u8]),
        manager: &str,
        workspace: Option<&str>,
        packed: &[Packed],
    ) -> Result<String, String> {
        let (name, version) = manager.split_once('@').unwrap();
        let directory = path.trim_start_matches("./").rsplit_once('/');
        let directory: RepoPath = directory.map_or("", |(directory, _)| directory).into();
        let made = files(&Input {
            directory: &directory,
            manifest: text,
            workspace: workspace.map(str::as_bytes),
            top: Top::default(),
            packed,
            manager: Manager::from_name(name).unwrap(),
            version: &Version::parse(version).unwrap(),
            into: DIR,
            placement: Placement::InPlace,
        });
        let made = made.map_err(|error| error.cause().to_owned())?;
        match &*made.files {
            [] => Ok(String::from_utf8(text.to_vec()).unwrap()),
            [(known, text)] => {
                assert_eq!(known.to_string(), path.trim_start_matches("./"));
                Ok(String::from_utf8(text.clone()).unwrap())
            }
            more => panic!("{more:?}"),
        }
    }

    #[test]
    fn manifests_are_rewritten_to_the_byte() {
        let facts: serde_json::Value =
            serde_json::from_str(include_str!("../../tests/facts/prepared.json")).unwrap();
        let packed = ["log", "http", "cli", "config"]
            .map(|name| Packed { file: format!("acme-{name}-1.0.0.tgz"), ..packed(name) });
        let cases = facts["prepared"].as_array().unwrap();
        assert_eq!(cases.len(), 28);
        for case in cases {
            let text = |key: &str| case[key].as_str().unwrap().replace("DIR", DIR);
            let before = text("before");
            let run =
                |manager| in_place((&text("path"), before.as_bytes()), manager, None, &packed);
            for manager in ["pnpm@9.15.9", "pnpm@10.4.1", "pnpm@10.6.5", "pnpm@10.34.9"] {
                assert_eq!(run(manager), Ok(text("prepared")), "{manager} {case}");
            }
            for manager in ["pnpm@11.0.0", "pnpm@12.21.0"] {
                assert_eq!(run(manager), Ok(text("specs")), "{manager} {case}");
            }
        }
        for case in facts["refused"].as_array().unwrap() {
            let bytes: Vec<u8> = match case["text"].as_str() {
                Some(text) => text.into(),
                None => serde_json::from_value(case["bytes"].clone()).unwrap(),
            };
            for manager in ["pnpm@10.6.5", "pnpm@11.0.0", "npm@11.0.0", "yarn@4.0.0"] {
                let path = ("backend/package.json", &*bytes);
                assert!(in_place(path, manager, None, &packed).is_err(), "{case}");
            }
        }
    }

    #[test]
    fn without_overrides_peers_are_listed_and_none_may_win() {
        let mut all = [packed("react"), packed("log")];
        all[0].manifest.peers.insert("@acme/log".to_owned(), "^1.0.0".to_owned());
        let manifest = br#"{"dependencies":{"@acme/react":"^1"}}"#;
        let path = ("backend/package.json", &manifest[..]);
        let spec = |name: &str| format!("\"file:../{DIR}/acme-{name}-1.0.0-aaaaaaaa.tgz\"");
        let (react, log) = (spec("react"), spec("log"));
        let expected = format!(r#"{{"dependencies":{{"@acme/react":{react},"@acme/log":{log}}}}}"#);
        assert_eq!(in_place(path, "pnpm@11.0.0", None, &all), Ok(expected));
        let own = br#"{"peerDependencies":{"@acme/log":"^1"}}"#;
        let found = in_place(("backend/package.json", own), "pnpm@11.0.0", None, &all[1..]);
        let expected = format!(
            r#"{{"peerDependencies":{{"@acme/log":"^1"}},"dependencies":{{"@acme/log":{log}}}}}"#
        );
        assert_eq!(found, Ok(expected));
        for (key, is_refused) in [("@acme/log", true), ("a>@acme/log@1", true), ("ms", false)] {
            let workspace = format!("overrides:\n  '{key}': '1'\n");
            let found = in_place(path, "pnpm@11.0.0", Some(&workspace), &all);
            assert_eq!(found.is_err(), is_refused, "{key}: {found:?}");
        }
    }
}
