//! The overlay of a manifest: the files that are copied over its directory in the image, or that
//! replace those of the repository.

use semver::Version;

use crate::base::error::Error;
use crate::base::path::RepoPath;
use crate::formats::document::Node;
use crate::pins::pin::Manager;
use crate::prepare::Packed;
use crate::prepare::file::{Placement, RepoFile};
use crate::prepare::manifest::{self, ManifestChanges};
use crate::prepare::means::{Means, NPM, PNPM, at, narrower, overriding};
use crate::prepare::product::Product;
use crate::prepare::workspace;
use crate::project::directories::ancestors;
use crate::project::kinds::FileKind;

/// A manifest, and what decides about its overlay.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Input<'a> {
    /// The directory of the manifest, empty for the top.
    pub directory: &'a RepoPath,
    pub manifest: &'a [u8],
    /// The `pnpm-workspace.yaml` of the directory.
    pub workspace: Option<&'a [u8]>,
    pub top: Top<'a>,
    /// The packages that the manifest needs. If the image installs at the top: that all manifests
    /// need, for all of them share its files.
    pub packed: &'a [Packed],
    /// The package manager of the image.
    pub manager: Manager,
    pub version: &'a Version,
    /// The leftover directory at the top of the context, such as `.docker-deps`.
    pub into: &'a str,
    pub placement: Placement,
}

/// The top of the repository.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Top<'a> {
    /// Its `package.json`.
    pub manifest: Option<&'a [u8]>,
    /// Its `pnpm-workspace.yaml`.
    pub workspace: Option<&'a [u8]>,
    /// Whether the image has these files and installs there.
    pub is_installed: bool,
}

impl Input<'_> {
    pub(super) fn means(&self) -> Means {
        // Nothing says whether the image has more files of the directory.
        let only_manifest = self.placement == Placement::InPlace && !self.top.is_installed;
        Means::of(self.manager, self.version, only_manifest)
    }
}

/// The files to write, and what a person should know of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Overlay {
    /// Paths in the leftover directory, such as `tree/backend/pnpm-workspace.yaml`, or, in place,
    /// in the repository, with their bytes. Overlays of manifests that are installed at the top
    /// have files in common, which are equal.
    pub files: Vec<(RepoPath, Vec<u8>)>,
    /// Sentences without an initial capital, safe to print. Some are of no manifest alone: equal
    /// ones count once.
    pub warnings: Vec<String>,
}

/// The overlay of a manifest.
///
/// # Errors
///
/// If a file cannot be edited: it does not parse, or its layout leaves the place of an edit
/// uncertain.
pub(crate) fn files(input: &Input<'_>) -> Result<Overlay, Error> {
    let member = RepoFile::new(input.directory.as_bytes(), FileKind::MANIFEST, input.manifest);
    let top = input.top.manifest.map(|text| RepoFile::new(b"", FileKind::MANIFEST, text));
    let workspace = match (input.top.is_installed, input.workspace) {
        (true, _) => {
            input.top.workspace.map(|text| RepoFile::new(b"", FileKind::WORKSPACE_OF_PNPM, text))
        }
        (false, own) => {
            own.map(|text| RepoFile::new(member.directory, FileKind::WORKSPACE_OF_PNPM, text))
        }
    };
    let settings = workspace.map(|file| file.parse(workspace::parse)).transpose()?;
    // Without a file of its own, the directory gets the catalogs of the top.
    let of_top = input.top.workspace.filter(|_| settings.is_none());
    let of_top = of_top
        .map(|text| RepoFile::new(b"", FileKind::WORKSPACE_OF_PNPM, text).parse(workspace::parse));
    let of_top = of_top.transpose()?;
    let plan = OverlayPlan {
        input,
        means: input.means(),
        settings: settings.as_ref(),
        catalogs: settings.as_ref().or(of_top.as_ref()),
        installed_in: if input.top.is_installed { b"" } else { member.directory },
    };
    let mut overlay = Overlay::default();
    plan.add_manifest(&member, &mut overlay)?;
    if input.top.is_installed && !member.directory.is_empty() {
        match top {
            Some(top) => plan.add_manifest(&top, &mut overlay)?,
            None if plan.means == Means::Workspace => {}
            None => {
                return Err(
                    RepoFile::new(b"", FileKind::MANIFEST, b"").refused("it is missing".to_owned())
                );
            }
        }
    }
    if plan.means == Means::Packages
        && let Some(name) = settings.as_ref().and_then(|root| overriding(root, input.packed))
    {
        let cause = format!("its pnpm-workspace.yaml has an override of {name}, which would win");
        return Err(member.refused(cause).help("take this override out, or prepare an overlay"));
    }
    if plan.means == Means::Workspace {
        plan.add_workspace(&member, workspace.as_ref(), &mut overlay)?;
    }
    Ok(overlay)
}

struct OverlayPlan<'a> {
    input: &'a Input<'a>,
    means: Means,
    /// The `pnpm-workspace.yaml` that the image reads.
    settings: Option<&'a Node>,
    /// The one with the versions that `catalog:` names.
    catalogs: Option<&'a Node>,
    /// The directory in which the image installs.
    installed_in: &'a [u8],
}

impl OverlayPlan<'_> {
    /// The spec of a tarball, as it is read in a directory.
    fn spec(&self, directory: &[u8], package: &Packed) -> String {
        let to_top = "../".repeat(ancestors(directory).count() - 1);
        format!("file:{to_top}{}/{}", self.input.into, package.file)
    }

    fn specs<'p>(
        &self,
        directory: &[u8],
        packages: impl IntoIterator<Item = &'p Packed>,
    ) -> Vec<(String, String)> {
        let entry = |one: &Packed| (one.name.clone(), self.spec(directory, one));
        let mut specs: Vec<_> = packages.into_iter().map(entry).collect();
        specs.sort_unstable();
        specs.dedup();
        specs
    }

    /// Adds a manifest if it must change, and what a person should know of that of the input.
    fn add_manifest(&self, file: &RepoFile<'_>, overlay: &mut Overlay) -> Result<(), Error> {
        let root = file.parse(manifest::parse)?;
        let product = Product::new(&root, self.catalogs, self.input.packed);
        let changes = self.changes(file.directory, &root, &product);
        let text = manifest::changed(file.text, &root, &changes);
        let text = text.map_err(|cause| file.refused(cause))?;
        if file.directory == self.input.directory.as_bytes() {
            overlay.warnings.extend(product.warnings(&file.path().to_string()));
        }
        if file.directory == self.installed_in {
            for keys in self.means.in_manifest(self.input.version) {
                let object = at(&root, keys).into_iter();
                overlay.warnings.extend(object.flat_map(|node| narrower(node, self.input.packed)));
            }
        }
        if text != file.text {
            overlay.files.push((file.target(self.input.placement), text));
        }
        Ok(())
    }

    fn changes(&self, directory: &[u8], root: &Node, product: &Product<'_>) -> ManifestChanges {
        let is_needed = |is_alias| is_alias || self.means != Means::Workspace;
        let mut changes = ManifestChanges::default();
        for asked in product.asked().into_iter().filter(|asked| is_needed(asked.is_alias())) {
            changes.specs.push((asked.name.to_owned(), self.spec(directory, asked.package)));
        }
        if self.means == Means::Manifest(PNPM) && self.settings.is_none() {
            // The image has no file with catalogs.
            changes.specs.extend(product.catalog_specs());
        }
        // Of several specs of a name, the first field counts.
        changes.specs.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        changes.specs.dedup_by(|(later, _), (first, _)| later == first);
        let peers = self.peers_of_packages(product).into_iter().chain(self.own_peers(product));
        changes.added.push(("dependencies", self.specs(directory, peers)));
        if directory == self.installed_in {
            self.override_in(directory, root, product, &mut changes);
        }
        changes
    }

    /// Adds the overrides of a manifest.
    fn override_in(
        &self,
        directory: &[u8],
        root: &Node,
        product: &Product<'_>,
        changes: &mut ManifestChanges,
    ) {
        let overrides = self.specs(directory, self.input.packed);
        match self.means {
            // For a dependency of a workspace, npm reads a path of an override from the directory
            // of that workspace, but not that of a dependency of the top.
            Means::Manifest(keys) if keys == NPM && self.input.top.is_installed => {
                let is_new = |(name, _): &&(String, String)| !product.lists(name);
                let listed = overrides.iter().filter(is_new).cloned().collect();
                changes.added.push(("devDependencies", listed));
                let reference = |(name, _): (String, String)| {
                    let value = format!("${name}");
                    (name, value)
                };
                changes.overrides = Some((keys, overrides.into_iter().map(reference).collect()));
            }
            Means::Manifest(keys) => changes.overrides = Some((keys, overrides)),
            Means::Packages => {}
            // With overrides in a manifest, pnpm 10 ignores those of `pnpm-workspace.yaml`.
            Means::Workspace => {
                let read = self.means.in_manifest(self.input.version).iter();
                let mut read = read.filter_map(|keys| at(root, keys)?.entries().next());
                changes.overrides = read.next().map(|_| (PNPM, overrides));
            }
        }
    }

    /// The peers that the overrides of this package manager do not reach.
    fn peers_of_packages<'p>(&self, product: &Product<'p>) -> Vec<&'p Packed> {
        let is_automatic = || {
            let setting = self.settings.and_then(|root| root.last("autoInstallPeers"));
            setting.and_then(Node::text) != Some("false")
        };
        let is_pnpm = self.input.manager == Manager::Pnpm;
        let is_old = self.input.version.major <= 10 || self.means == Means::Packages;
        if is_pnpm && (is_old || !is_automatic()) { product.missing_peers() } else { Vec::new() }
    }

    /// The own peers that they do not reach.
    fn own_peers<'p>(&self, product: &Product<'p>) -> Vec<&'p Packed> {
        match self.input.manager {
            // It lets no override contradict a dependency.
            Manager::Npm => product.own_peers(),
            _ if self.means == Means::Packages => product.own_peers(),
            Manager::Pnpm if self.input.version.major >= 12 => product.own_peers(),
            // Yarn does not install peers.
            _ => Vec::new(),
        }
    }

    fn add_workspace(
        &self,
        member: &RepoFile<'_>,
        file: Option<&RepoFile<'_>>,
        overlay: &mut Overlay,
    ) -> Result<(), Error> {
        let overrides = self.specs(self.installed_in, self.input.packed);
        let Some(file) = file else {
            let root = member.parse(manifest::parse)?;
            let uses_catalogs =
                Product::new(&root, self.catalogs, self.input.packed).uses_catalogs();
            let catalogs = self.catalogs.filter(|_| uses_catalogs);
            let new = RepoFile::new(self.installed_in, FileKind::WORKSPACE_OF_PNPM, b"");
            let text = workspace::new(&overrides, catalogs);
            overlay.files.push((new.target(self.input.placement), text.into_bytes()));
            return Ok(());
        };
        let root = file.parse(workspace::parse)?;
        let text = workspace::with(file.text, &root, &overrides);
        let text = text.map_err(|cause| file.refused(cause))?;
        let own = root.last("overrides").into_iter();
        overlay.warnings.extend(own.flat_map(|node| narrower(node, self.input.packed)));
        overlay.files.push((file.target(self.input.placement), text));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value as Json;

    use super::*;
    use crate::prepare::PackedManifest;
    use crate::prepare::file::TREE;
    use crate::project::directories::join;

    const DIR: &str = ".docker-deps";

    fn packed(name: &str) -> Packed {
        let file = format!("acme-{name}-1.0.0.tgz");
        let name = format!("@acme/{name}");
        Packed { name, version: Version::new(1, 0, 0), file, manifest: PackedManifest::default() }
    }

    fn four() -> Vec<Packed> {
        ["log", "http", "cli", "config"].map(packed).to_vec()
    }

    struct Case<'a> {
        directory: &'a str,
        manifest: &'a [u8],
        workspace: Option<&'a str>,
        top: Top<'a>,
        packed: &'a [Packed],
        /// Such as `pnpm@10.6.5`.
        manager: &'a str,
        placement: Placement,
    }

    impl Default for Case<'_> {
        fn default() -> Self {
            let top = Top::default();
            let (directory, manager) = ("backend", "pnpm@10.6.5");
            let (manifest, packed, placement) = (b"{}", &[], Placement::Beside);
            Self { directory, manifest, workspace: None, top, packed, manager, placement }
        }
    }

    impl Case<'_> {
        fn run(&self) -> Result<Overlay, Error> {
            let (name, version) = self.manager.split_once('@').unwrap();
            files(&Input {
                directory: &self.directory.into(),
                manifest: self.manifest,
                workspace: self.workspace.map(str::as_bytes),
                top: self.top,
                packed: self.packed,
                manager: Manager::from_name(name).unwrap(),
                version: &Version::parse(version).unwrap(),
                into: DIR,
                placement: self.placement,
            })
        }

        /// The files, as `path` and text, with `DIR` for the leftover directory, and the warnings.
        fn show(&self) -> (Vec<(String, String)>, Vec<String>) {
            let overlay = self.run().unwrap();
            let show = |(path, text): (RepoPath, Vec<u8>)| {
                let text = String::from_utf8(text).unwrap().replace(DIR, "DIR");
                (path.to_string(), text)
            };
            (overlay.files.into_iter().map(show).collect(), overlay.warnings)
        }

        /// The text of a file of the overlay.
        fn file(&self, path: &str) -> Option<String> {
            self.show().0.into_iter().find_map(|(known, text)| (known == path).then_some(text))
        }
    }

    fn facts() -> Json {
        serde_json::from_str(include_str!("../../tests/facts/prepared.json")).unwrap()
    }

    fn text<'j>(case: &'j Json, key: &str) -> &'j str {
        case[key].as_str().unwrap()
    }

    #[test]
    fn manifests_are_edited_to_the_byte() {
        let facts = facts();
        let cases = facts["prepared"].as_array().unwrap();
        assert_eq!(cases.len(), 28);
        for case in cases {
            let path = text(case, "path").trim_start_matches("./");
            let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory);
            let name = RepoPath::new(join(&join(TREE, directory.as_bytes()), b"package.json"));
            let before = text(case, "before");
            let packed = four();
            let run = |manager| Case {
                directory,
                manifest: before.as_bytes(),
                packed: &packed,
                manager,
                ..Case::default()
            };
            for manager in ["pnpm@9.15.9", "pnpm@10.4.1"] {
                let found = run(manager).file(&name.to_string());
                let prepared = text(case, "prepared");
                assert_eq!(found.as_deref().unwrap_or(before), prepared, "{case}");
            }
            let specs = text(case, "specs");
            let root = manifest::parse(before.as_bytes()).unwrap();
            let to_top = if directory.is_empty() { "" } else { "../" };
            let spec = |one: &Packed| (one.name.clone(), format!("file:{to_top}DIR/{}", one.file));
            let changes = ManifestChanges {
                specs: four().iter().map(spec).collect(),
                ..ManifestChanges::default()
            };
            let new = manifest::changed(before.as_bytes(), &root, &changes).unwrap();
            assert_eq!(String::from_utf8(new).unwrap(), specs, "{case}");
            // With overrides in a manifest, pnpm 10 ignores those of the other file.
            let found = run("pnpm@10.6.5").file(&name.to_string());
            assert_eq!(found.is_some(), case["name"] == "has-overrides", "{case}");
            assert_eq!(run("pnpm@11.0.0").file(&name.to_string()), None, "{case}");
        }
    }

    #[test]
    fn what_no_package_manager_reads_is_refused() {
        let facts = facts();
        let cases = facts["refused"].as_array().unwrap();
        assert_eq!(cases.len(), 7);
        for case in cases {
            let bytes: Vec<u8> = match case["text"].as_str() {
                Some(text) => text.into(),
                None => serde_json::from_value(case["bytes"].clone()).unwrap(),
            };
            for manager in ["pnpm@10.6.5", "pnpm@9.15.9", "npm@11.0.0", "yarn@4.0.0"] {
                let packed = four();
                let case = Case { manifest: &bytes, packed: &packed, manager, ..Case::default() };
                let error = case.run().unwrap_err();
                assert_eq!(error.doing(), "prepare backend/package.json");
                assert!(error.next_step().is_some());
            }
        }
        let packed = four();
        for (manifest, manager) in [
            ("{\"pnpm\": []}", "pnpm@9.0.0"),
            ("{\"pnpm\": {\"overrides\": null}}", "pnpm@9.0.0"),
            ("{\"overrides\": \"x\"}", "npm@11.0.0"),
            ("{\"resolutions\": 1}", "yarn@4.0.0"),
        ] {
            let manifest = manifest.as_bytes();
            let case = Case { manifest, packed: &packed, manager, ..Case::default() };
            assert!(case.run().unwrap_err().cause().contains("is not an object"));
        }
    }

    #[test]
    fn each_package_manager_gets_what_it_reads() {
        let mut packed = [packed("react"), packed("log")];
        packed[0].manifest.peers.insert("@acme/log".to_owned(), "^1.0.0".to_owned());
        let manifest = br#"{"dependencies":{"@acme/react":"workspace:*"}}"#;
        let yaml = "overrides:\n  \"@acme/log\": \"file:../DIR/acme-log-1.0.0.tgz\"\n  \
                    \"@acme/react\": \"file:../DIR/acme-react-1.0.0.tgz\"\n";
        let log = r#""@acme/log":"file:../DIR/acme-log-1.0.0.tgz""#;
        let react = r#""@acme/react":"file:../DIR/acme-react-1.0.0.tgz""#;
        let deps = format!(r#"{{"dependencies":{{{react}}}"#);
        let listed = format!(r#"{{"dependencies":{{{react},{log}}}"#);
        let own = r#"{"dependencies":{"@acme/react":"workspace:*","#.to_owned() + log + "}}";
        for (manager, text, workspace) in [
            (
                "pnpm@9.15.9",
                Some(format!(r#"{listed},"pnpm":{{"overrides":{{{log},{react}}}}}}}"#)),
                None,
            ),
            ("pnpm@10.5.0", Some(own.clone()), Some(yaml)),
            ("pnpm@10.34.9", Some(own), Some(yaml)),
            ("pnpm@11.0.0", None, Some(yaml)),
            ("pnpm@12.0.0", None, Some(yaml)),
            ("npm@11.0.0", Some(format!(r#"{deps},"overrides":{{{log},{react}}}}}"#)), None),
            ("yarn@4.0.0", Some(format!(r#"{deps},"resolutions":{{{log},{react}}}}}"#)), None),
        ] {
            let case = Case { manifest, packed: &packed, manager, ..Case::default() };
            assert_eq!(case.file("tree/backend/package.json"), text, "{manager}");
            let found = case.file("tree/backend/pnpm-workspace.yaml");
            assert_eq!(found.as_deref(), workspace, "{manager}");
        }
    }

    #[test]
    fn overrides_do_not_reach_every_dependency() {
        let mut packed = [packed("react"), packed("log"), packed("ui")];
        packed[0].manifest.peers.insert("@acme/log".to_owned(), "*".to_owned());
        packed[2].manifest.dependencies.insert("@acme/react".to_owned(), "*".to_owned());
        let log = r#""@acme/log":"file:../DIR/acme-log-1.0.0.tgz""#;
        let listed = |rest: &str| Some(format!(r#"{{"dependencies":{{{rest}{log}}}}}"#));
        let own =
            Some(format!(r#"{{"peerDependencies":{{"@acme/log":"*"}},"dependencies":{{{log}}}}}"#));
        let is_manual = Some("autoInstallPeers: false\n");
        let twice = Some(format!(
            r#"{{"dependencies":{{"@acme/ui":"*",{log}}},"peerDependencies":{{"@acme/log":"*"}}}}"#
        ));
        for (manifest, workspace, ten, twelve) in [
            (r#"{"dependencies":{"@acme/ui":"*"}}"#, None, listed(r#""@acme/ui":"*","#), None),
            (
                r#"{"dependencies":{"@acme/ui":"*"}}"#,
                is_manual,
                listed(r#""@acme/ui":"*","#),
                listed(r#""@acme/ui":"*","#),
            ),
            (
                r#"{"dependencies":{"@acme/ui":"*"},"devDependencies":{"@acme/log":"1"}}"#,
                None,
                None,
                None,
            ),
            (r#"{"peerDependencies":{"@acme/log":"*"}}"#, None, None, own),
            // A package needs the same peer.
            (
                r#"{"dependencies":{"@acme/ui":"*"},"peerDependencies":{"@acme/log":"*"}}"#,
                is_manual,
                twice.clone(),
                twice,
            ),
            (
                r#"{"dependencies":{"l":"npm:@acme/log@^1","m":"npm:@other/log@1"}}"#,
                None,
                Some(r#"{"dependencies":{"l":"F","m":"npm:@other/log@1"}}"#.to_owned()),
                Some(r#"{"dependencies":{"l":"F","m":"npm:@other/log@1"}}"#.to_owned()),
            ),
            (
                r#"{"dependencies":{"l":"workspace:@acme/log@*"}}"#,
                None,
                Some(r#"{"dependencies":{"l":"F"}}"#.to_owned()),
                Some(r#"{"dependencies":{"l":"F"}}"#.to_owned()),
            ),
        ] {
            for (manager, text) in [("pnpm@10.6.5", &ten), ("pnpm@12.21.0", &twelve)] {
                let used: Vec<Packed> = packed
                    .iter()
                    // A peer of a package that the manifest does not need.
                    .filter(|one| manifest.contains("ui") || one.name == "@acme/log")
                    .cloned()
                    .collect();
                let bytes = manifest.as_bytes();
                let case =
                    Case { manifest: bytes, workspace, packed: &used, manager, ..Case::default() };
                let text = text.as_ref();
                let text = text.map(|text| text.replace("\"F\"", log.split_at(12).1));
                assert_eq!(case.file("tree/backend/package.json"), text, "{manager} {manifest}");
            }
        }
        // An optional peer is not installed, and one that every user of the package has is given.
        packed[2].manifest.dependencies.insert("@acme/log".to_owned(), "*".to_owned());
        let manifest = br#"{"dependencies":{"@acme/ui":"*"}}"#;
        let case = Case { manifest, packed: &packed, ..Case::default() };
        assert_eq!(case.file("tree/backend/package.json"), None);
        packed[2].manifest.dependencies.remove("@acme/log");
        packed[0].manifest.optional_peers.insert("@acme/log".to_owned());
        let case = Case { manifest, packed: &packed, ..Case::default() };
        assert_eq!(case.file("tree/backend/package.json"), None);
    }

    #[test]
    fn an_image_that_installs_at_the_top_gets_its_files() {
        let packed = [packed("log")];
        let top = Top {
            manifest: Some(br#"{"private":true}"#),
            workspace: Some(b"packages: [backend]\n"),
            is_installed: true,
        };
        let manifest = br#"{"dependencies":{"l":"npm:@acme/log@1","@acme/log":"1"}}"#;
        let run =
            |manager| Case { manifest, packed: &packed, top, manager, ..Case::default() }.show().0;
        let log = |to_top: &str| format!("\"file:{to_top}DIR/acme-log-1.0.0.tgz\"");
        let (near, far) = (log(""), log("../"));
        let file = |path: &str, text: String| (path.to_owned(), text);
        assert_eq!(
            run("pnpm@10.6.5"),
            [
                file(
                    "tree/backend/package.json",
                    format!(r#"{{"dependencies":{{"l":{far},"@acme/log":"1"}}}}"#)
                ),
                file(
                    "tree/pnpm-workspace.yaml",
                    format!("overrides:\n  \"@acme/log\": {near}\npackages: [backend]\n")
                )
            ]
        );
        let member = file(
            "tree/backend/package.json",
            format!(r#"{{"dependencies":{{"l":{far},"@acme/log":{far}}}}}"#),
        );
        for (manager, open, close) in [
            ("pnpm@10.4.1", r#""pnpm":{"overrides":{"#, "}}"),
            ("yarn@4.0.0", r#""resolutions":{"#, "}"),
        ] {
            let text = format!(r#"{{"private":true,{open}"@acme/log":{near}{close}}}"#);
            assert_eq!(run(manager), [member.clone(), file("tree/package.json", text)]);
        }
        let text = format!(r#"{{"private":true,"devDependencies":{{"@acme/log":{near}}},"#)
            + r#""overrides":{"@acme/log":"$@acme/log"}}"#;
        assert_eq!(run("npm@11.0.0"), [member, file("tree/package.json", text)]);
        let top = Top { manifest: None, ..top };
        let case =
            Case { manifest, packed: &packed, top, manager: "npm@11.0.0", ..Case::default() };
        assert_eq!(case.run().unwrap_err().doing(), "prepare package.json");
    }

    #[test]
    fn catalogs_are_carried_only_where_they_are_used() {
        let packed = [packed("log")];
        let top =
            Top { workspace: Some(b"catalog: {ms: ^2, l: 'npm:@acme/log@2'}\n"), ..Top::default() };
        for (manifest, carried) in [
            (r#"{"dependencies":{"@acme/log":"1","ms":"1"}}"#, false),
            (r#"{"dependencies":{"ms":"catalog:"}}"#, true),
            (r#"{"peerDependencies":{"ms":"catalog:default"}}"#, true),
        ] {
            let case =
                Case { manifest: manifest.as_bytes(), packed: &packed, top, ..Case::default() };
            let text = case.file("tree/backend/pnpm-workspace.yaml").unwrap();
            assert_eq!(text.contains("\ncatalog:\n  \"ms\": \"^2\"\n"), carried, "{manifest}");
            let case = Case { manager: "pnpm@9.15.9", ..case };
            let text = case.file("tree/backend/package.json").unwrap();
            let is_replaced = manifest.starts_with(r#"{"dependencies":{"ms":"catalog:"#);
            assert_eq!(text.contains(r#""ms":"^2""#), is_replaced, "{manifest}");
        }
        let manifest = br#"{"dependencies":{"l":"catalog:"}}"#;
        let (files, warnings) = Case { manifest, packed: &packed, top, ..Case::default() }.show();
        assert!(files[0].1.contains("\"l\":\"file:../DIR/acme-log-1.0.0.tgz\""), "{files:?}");
        assert_eq!(
            warnings,
            ["backend/package.json asks for l 2, but the packed version is 1.0.0: the registry \
                 would give another one"]
        );
    }

    #[test]
    fn a_person_learns_where_the_image_differs() {
        let mut packed = [packed("log"), packed("http"), packed("log2")];
        packed[1].manifest.dependencies.insert("@acme/log".to_owned(), "^1.1.0".to_owned());
        packed[2].name = "log2".to_owned();
        let manifest = br#"{"dependencies":{"@acme/http":"^2.0.0","@acme/log":"workspace:^"},
            "devDependencies":{"log2":"npm:@acme/log@*"},
            "pnpm":{"overrides":{"a>@acme/log@1":"1","@acme/log":"1","ms":"1","@acme/log>ms":"1"}},
            "resolutions":{"a/@acme/http":"1","**/log2":"1","b/c":"1"}}"#;
        let case = Case { manifest, packed: &packed, ..Case::default() };
        let other = "the packed version is 1.0.0: the registry would give another one";
        let stays = "stays: where it applies, the image does not get the packed package";
        assert_eq!(
            case.show().1,
            [
                format!("backend/package.json asks for @acme/http ^2.0.0, but {other}"),
                "backend/package.json has log2 as an alias of another package, and a package of \
                 this name is packed as well: rename the alias"
                    .to_owned(),
                format!("@acme/http asks for @acme/log ^1.1.0, but {other}"),
                format!("the override a>@acme/log@1 {stays}"),
                format!("the override a/@acme/http {stays}"),
                format!("the override **/log2 {stays}"),
            ]
        );
        let manifest = br#"{"overrides":{"@acme/log":{"ms":"1"},"x":{"@acme/http@1":"1"}}}"#;
        let case =
            Case { manifest, packed: &packed[..2], manager: "npm@11.0.0", ..Case::default() };
        assert_eq!(
            case.show().1,
            [
                format!("@acme/http asks for @acme/log ^1.1.0, but {other}"),
                "the override @acme/log has overrides for its dependencies, which the packed \
                 package does not get"
                    .to_owned(),
                format!("the override x {stays}"),
            ]
        );
        let workspace = Some("overrides:\n  'a>@acme/log': '1'\n");
        let case = Case { workspace, packed: &packed[..1], ..Case::default() };
        assert_eq!(case.show().1, [format!("the override a>@acme/log {stays}")]);
    }
}
