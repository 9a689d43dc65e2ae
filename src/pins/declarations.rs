//! Which directories declare a package manager, and for which directories it counts.

use std::collections::BTreeSet;
use std::rc::Rc;

use crate::pins::pin::{AppliesIf, Demand, FilePins, Manager, Pin, PinKind, Role};
use crate::project::Project;
use crate::project::directories::{ancestors, join, relative_to};
use crate::project::kinds::FileKind;
use crate::project::workspaces::Workspaces;

pub(super) struct Declarations<'a> {
    workspaces: Workspaces<'a>,
    /// The directories at whose manifest corepack stops searching upward.
    deciding: BTreeSet<&'a [u8]>,
    /// The directories for which an exact version is declared.
    declared: BTreeSet<&'a [u8]>,
    /// The same with the package managers.
    managers: BTreeSet<(&'a [u8], Manager)>,
}

impl<'a> Declarations<'a> {
    /// `file_pins` are those of the files of the project.
    pub(super) fn new(project: &'a Project, file_pins: &'a [Rc<FilePins>]) -> Self {
        let workspaces =
            Workspaces::new(project, file_pins.iter().map(|found| found.members.as_deref()));
        let paths = project.files().iter().map(|source| &source.file.path);
        let manifests = paths.zip(file_pins).filter(|(path, _)| FileKind::Manifest.matches(path));
        let deciding =
            manifests.filter(|(_, found)| found.decides).map(|(path, _)| path.parent()).collect();
        let is_exact = |pin: &&Pin| {
            pin.kind.role() == Role::Declares && matches!(pin.demand, Demand::Exact(_))
        };
        let pins = file_pins.iter().flat_map(|found| &found.pins).filter(is_exact);
        let managers: BTreeSet<_> =
            pins.map(|pin| (pin.directory.as_slice(), pin.manager)).collect();
        let declared = managers.iter().map(|(directory, _)| *directory).collect();
        Self { workspaces, deciding, declared, managers }
    }

    /// Whether corepack stops searching at a directory, because its manifest has a
    /// `packageManager`.
    pub(super) fn decides(&self, directory: &[u8]) -> bool {
        self.deciding.contains(directory)
    }

    /// Whether a pin applies in its directory.
    pub(super) fn applies(&self, pin: &Pin) -> bool {
        match pin.applies_if {
            AppliesIf::Always => true,
            AppliesIf::ManifestHere => self.workspaces.has_manifest(&pin.directory),
            AppliesIf::PackageManagerHere => self.decides(&pin.directory),
        }
    }

    /// The directory of the group that a pin belongs to.
    pub(super) fn group_of(&self, pin: &'a Pin) -> &'a [u8] {
        let directory = pin.directory.as_slice();
        if pin.kind == PinKind::PackageManager {
            // A member of a workspace must agree with its root.
            let root = self.workspaces.root_of(directory);
            return root.filter(|root| self.decides(root)).unwrap_or(directory);
        }
        let own = self.governing_directory(directory);
        let is_open =
            pin.kind.role() == Role::Installs && !self.declared.contains(own) && !self.decides(own);
        is_open.then(|| self.used_project(pin)).flatten().unwrap_or(own)
    }

    /// The only project that the build or job of a pin uses, if a version of the same package
    /// manager is declared for it.
    fn used_project(&self, pin: &Pin) -> Option<&'a [u8]> {
        let mut used = pin.used_for.iter().flat_map(|path| self.projects_at(&pin.directory, path));
        let first = used.next()??;
        let is_only = used.all(|other| other == Some(first));
        (is_only && self.managers.contains(&(first, pin.manager))).then_some(first)
    }

    /// The projects at a path, or else below it, by the directories that declare their versions;
    /// `None` for one without. The path is relative to the nearest directory above `from` where it
    /// leads to one: that is the context of a build.
    fn projects_at(&self, from: &[u8], path: &[u8]) -> Vec<Option<&'a [u8]>> {
        let declared = |home: &[u8]| self.declared.get(self.governing_directory(home)).copied();
        for context in ancestors(from) {
            let path = join(context, path);
            let home = self.workspaces.nearest_package(&path);
            if let Some(home) = home.filter(|home| relative_to(context, home).is_some()) {
                return vec![declared(home)];
            }
            let below: Vec<_> = self.workspaces.packages_below(&path).map(declared).collect();
            if !below.is_empty() {
                return below;
            }
        }
        Vec::new()
    }

    /// The directory whose pins apply to builds in a directory.
    pub(super) fn governing_directory<'d>(&self, directory: &'d [u8]) -> &'d [u8] {
        let home = self.workspaces.nearest_package(directory).unwrap_or(directory);
        let found = ancestors(home).find(|directory| self.decides(directory));
        let found = found
            .or_else(|| ancestors(directory).find(|directory| self.declared.contains(directory)));
        found.filter(|found| self.workspaces.reaches(found, home)).unwrap_or(home)
    }
}

#[cfg(test)]
mod tests {
    use crate::pins::tests::{MANIFEST, mismatches};

    const NOTHING: (&str, &str) = ("README.md", "");
    const OTHER: (&str, &str) = ("api/package.json", "{}");
    const TOP: (&str, &str) = ("package.json", "{}");

    fn count(path: &str, text: &str, other: (&str, &str)) -> usize {
        let found = mismatches(&[("web/package.json", MANIFEST), (path, text), other]);
        assert!(found.iter().all(|line| line.contains("but web/package.json pins")), "{found:?}");
        found.len()
    }

    #[test]
    fn a_dockerfile_is_for_the_only_project_that_it_copies() {
        let install = "FROM node:22 AS a\nRUN npm i -g pnpm@9.15.0\n";
        let pinned = ("api/package.json", r#"{"packageManager": "pnpm@9.14.0"}"#);
        let same = ("api/package.json", MANIFEST);
        for (lines, other, expected) in [
            ("COPY web/package.json web/pnpm-lock.yaml ./", NOTHING, 1),
            ("COPY web ./", NOTHING, 1),
            ("COPY ./web/ ./", NOTHING, 1),
            ("COPY --chown=node:node /web ./", NOTHING, 1),
            ("COPY [\"web/package.json\", \"./\"]", NOTHING, 1),
            ("COPY \"web/package.json\" ./", NOTHING, 1),
            ("COPY web/*.json ./", NOTHING, 1),
            ("COPY web/src ./src", NOTHING, 1),
            ("ADD web ./", NOTHING, 1),
            ("COPY . .", NOTHING, 1),
            ("COPY */package.json ./", NOTHING, 1),
            ("FROM a\nCOPY web ./", NOTHING, 1),
            ("FROM node:22\nCOPY web ./", NOTHING, 0),
            ("FROM node:22\nCOPY --from=a web ./", NOTHING, 0),
            ("COPY src ./", NOTHING, 0),
            ("COPY --from=x web ./", NOTHING, 0),
            ("COPY $WEB ./", NOTHING, 0),
            ("COPY ../web ./", NOTHING, 0),
            ("COPY package.json ./", NOTHING, 0),
            ("RUN pnpm install", NOTHING, 0),
            ("COPY web ./", OTHER, 1),
            ("COPY web api ./", OTHER, 0),
            ("COPY api ./", OTHER, 0),
            ("COPY . .", OTHER, 0),
            ("COPY web api ./", pinned, 0),
            ("COPY . .", pinned, 0),
            ("COPY web ./", pinned, 1),
            ("COPY web api ./", same, 0),
            ("COPY web ./", TOP, 1),
            ("COPY package.json web ./", TOP, 0),
            ("COPY . .", TOP, 0),
        ] {
            for path in ["Dockerfile", "docker/Dockerfile"] {
                // A file at the top is not in the context of another directory.
                let expected = if path == "Dockerfile" { expected } else { expected.min(1) };
                assert_eq!(count(path, &format!("{install}{lines}"), other), expected, "{lines}");
            }
        }
        let yarn = "FROM node:22\nRUN npm i -g yarn@1.22.22\nCOPY web ./";
        assert_eq!(count("Dockerfile", yarn, NOTHING), 0);
        let found = mismatches(&[
            ("web/package.json", "{}"),
            ("web/.tool-versions", "pnpm 10.6.5"),
            ("Dockerfile", &format!("{install}COPY web ./")),
        ]);
        assert_eq!(found.len(), 1, "{found:?}");
    }

    #[test]
    fn a_job_is_for_the_only_project_that_it_works_in() {
        let (checkout, install) = ("uses: actions/checkout@v4", "run: npm i -g pnpm@9.15.0");
        for (steps, other, expected) in [
            ("run: pnpm install\n        working-directory: web", NOTHING, 1),
            ("run: pnpm install\n        working-directory: ./web/", NOTHING, 1),
            ("run: pnpm i\n        working-directory: ${{ github.workspace }}/web", NOTHING, 1),
            ("run: cd web && pnpm install", NOTHING, 1),
            ("run: cd \"$GITHUB_WORKSPACE/web\" && pnpm install", NOTHING, 1),
            ("run: (cd web; npm ci)", NOTHING, 1),
            ("run: pnpm -C web install", NOTHING, 1),
            ("run: pnpm --dir=web install", NOTHING, 1),
            ("run: npm --prefix ./web ci", NOTHING, 1),
            ("run: yarn --cwd web install", NOTHING, 1),
            ("run: cd web && corepack pnpm install", NOTHING, 1),
            ("run: sudo -u node sh -c 'cd web && pnpm install'", NOTHING, 1),
            ("run: cd web/src && pnpm test", NOTHING, 1),
            ("run: pnpm install", NOTHING, 1),
            ("run: pnpm install", OTHER, 0),
            ("run: make", NOTHING, 0),
            ("run: cd web && ls", NOTHING, 0),
            ("run: cd web && npm i -g typescript", NOTHING, 0),
            ("run: cd $WEB && pnpm install", NOTHING, 0),
            ("run: cd docs && pnpm install", NOTHING, 0),
            ("run: cd web && pnpm i && cd ../api && pnpm i", OTHER, 0),
            ("run: cd web && pnpm i", OTHER, 1),
            ("run: cd web && pnpm i", TOP, 1),
            ("run: pnpm store path && cd web && pnpm i", TOP, 1),
            ("run: pnpm i && cd web && pnpm i", TOP, 0),
        ] {
            let text = format!(
                "jobs:\n  a:\n    steps:\n      - {checkout}\n      - {install}\n      - {steps}\n\
                 \x20 b:\n    steps:\n      - {checkout}\n      - {install}"
            );
            assert_eq!(count(".github/workflows/a.yml", &text, other), expected, "{steps}");
        }
        let action = |version: &str| {
            format!(
                "defaults: {{run: {{working-directory: web}}}}\njobs: {{a: {{steps: [{{uses: \
                 actions/checkout@v4}}, {{uses: pnpm/action-setup@v4, with: {{version: \
                 {version}}}}}, {{run: pnpm install}}]}}}}"
            )
        };
        assert_eq!(count(".github/workflows/a.yml", &action("9.15.0"), NOTHING), 1);
        assert_eq!(count(".github/workflows/a.yml", &action("10.6.5"), NOTHING), 0);
        // The action refuses a range only for the manifest that it reads.
        assert_eq!(count(".github/workflows/a.yml", &action("10"), NOTHING), 0);
        let elsewhere = "jobs:\n  a:\n    steps:\n      - uses: actions/checkout@v4\n        with: \
                         {path: here}\n      - run: npm i -g pnpm@9.15.0\n        \
                         working-directory: here\n      - run: pnpm i\n        \
                         working-directory: here/web";
        assert_eq!(count(".github/workflows/a.yml", elsewhere, NOTHING), 1);
        for (path, text, expected) in [
            (".gitlab-ci.yml", "a: {script: [npm i -g pnpm@9.15.0, cd web, pnpm install]}", 1),
            (
                ".gitlab-ci.yml",
                "a: {before_script: [npm i -g pnpm@9.15.0], script: ['cd $CI_PROJECT_DIR/web', \
                 pnpm i]}",
                1,
            ),
            (
                ".gitlab-ci.yml",
                "a: {script: npm i -g pnpm@9.15.0}\nb: {script: [cd web, pnpm install]}",
                0,
            ),
            (
                ".devcontainer/devcontainer.json",
                r#"{"onCreateCommand": ["npm", "i", "-g", "pnpm@9.15.0"],
                    "postCreateCommand": "cd ${containerWorkspaceFolder}/web && pnpm i"}"#,
                1,
            ),
            (
                "action.yml",
                "runs: {steps: [{run: npm i -g pnpm@9.15.0}, {run: pnpm i, working-directory: \
                 web}]}",
                1,
            ),
        ] {
            assert_eq!(count(path, text, NOTHING), expected, "{text}");
        }
    }
}
