//! Judges a lockfile as `pnpm install --frozen-lockfile` does, and what that does not notice.

use std::collections::{BTreeSet, HashMap};

use crate::base::escape::Escaped;
use crate::base::finding::Span;
use crate::formats::lockfile::{LockFault, LockScalar, LockStart, Lockfile};
use crate::locks::agreement::disagreements;
use crate::locks::checksums;
use crate::locks::gate::{Gate, LockJudgement};
use crate::locks::generation::Generation;
use crate::locks::remark::Weight;
use crate::locks::settings::{Checksum, LockSettings};
use crate::locks::view::{ImageManifest, ImageView};
use crate::project::kinds::FileKind;
use crate::project::workspaces::includes;

/// Judges the lockfile of an image, and compares it with that of the workspace.
pub(crate) fn judge(view: &ImageView) -> LockJudgement {
    let candidates = Generation::candidates(view.version.as_ref());
    let mut all: Vec<LockJudgement> =
        candidates.iter().map(|generation| judge_as(view, *generation)).collect();
    let mut first = all.pop().unwrap_or_default();
    for other in all {
        // A lockfile may give rise to any number of remarks.
        let weights: HashMap<&str, Weight> =
            other.remarks.iter().map(|remark| (&*remark.message, remark.weight)).collect();
        let mut kept = Vec::new();
        for mut remark in first.remarks {
            match weights.get(&*remark.message) {
                Some(weight) => {
                    remark.weight = remark.weight.min(*weight);
                    kept.push(remark);
                }
                None => _ = first.doubts.insert(remark.message),
            }
        }
        first.remarks = kept;
        let known = first.messages();
        let mut others: BTreeSet<String> =
            other.remarks.into_iter().map(|remark| remark.message).collect();
        others.retain(|message| !known.contains(&**message));
        first.doubts.extend(others);
        first.doubts.extend(other.doubts);
        first.hints.extend(other.hints);
        first.is_unjudged |= other.is_unjudged;
    }
    first.doubts.extend(view.doubts.iter().cloned());
    let other = view.workspace.as_ref();
    let other = other.map(|source| (source, source.view(|file| Lockfile::parse(&file.text))));
    if let (Ok(lock), Some((source, other))) = (&*view.lockfile(), other)
        && let Ok(other) = &*other
    {
        first.remarks.extend(disagreements(lock, other, source));
    }
    first
}

/// Judges as one version of pnpm does.
pub(super) fn judge_as(view: &ImageView, generation: Generation) -> LockJudgement {
    let root = view.manifest("");
    let settings = LockSettings::of(view, root.as_ref(), generation);
    let mut gate = Gate { view, generation, settings, judged: LockJudgement::default() };
    match &*view.lockfile() {
        Ok(lock) => gate.lockfile(lock, root),
        Err(fault) => gate.fault(fault),
    }
    gate.judged
}

impl Gate<'_> {
    fn fault(&mut self, fault: &LockFault) {
        let (weight, span, message) = match fault {
            LockFault::Conflict(span) => (
                Weight::Wrong,
                Some(span),
                "it has markers of a merge conflict, which pnpm may merge without a word"
                    .to_owned(),
            ),
            LockFault::Empty => (Weight::Refused, None, "it is empty, or no lockfile".to_owned()),
            LockFault::Syntax(error) => {
                let message = Escaped(error.message.as_bytes());
                (Weight::Refused, Some(&error.span), format!("it cannot be parsed: {message}"))
            }
            LockFault::DuplicateKey(span) => {
                (Weight::Refused, Some(span), "this key is here twice".to_owned())
            }
        };
        self.add(weight, span.cloned(), message);
    }

    fn lockfile(&mut self, lock: &Lockfile, root: Option<ImageManifest>) {
        if !self.header(lock) {
            return;
        }
        if self.settings.is_broken {
            let message = "the settings of the workspace cannot be parsed".to_owned();
            return self.add(Weight::Refused, None, message);
        }
        if let Some(obstacle) = self.settings.obstacle {
            self.judged.is_unjudged = true;
            return self.doubt(obstacle.to_owned());
        }
        self.own_version(lock);
        self.recorded_settings(lock);
        self.hints();
        let projects = self.projects(root);
        for project in &projects {
            self.project(lock, project);
        }
        self.other_importers(lock, &projects);
        self.graph(lock);
    }

    /// Names what only an install in the image can tell, and settings that endanger the file.
    fn hints(&mut self) {
        if self.generation >= Generation::Eleven && !self.settings.limits_age {
            self.judged.hints.insert(
                "pnpm 11 and later refuse packages that are younger than a day, unless the \
                 pnpm-workspace.yaml of the image sets `minimumReleaseAge` or \
                 `minimumReleaseAgeExclude`",
            );
        }
        if self.settings.merges_branches {
            let message = "`mergeGitBranchLockfilesBranchPattern` is set: on such a branch, pnpm \
                           merges the lockfiles of this name at the top, and deletes them";
            self.add(Weight::Note, None, message.to_owned());
        }
    }

    /// Judges the start and the version; whether the rest can be judged.
    fn header(&mut self, lock: &Lockfile) -> bool {
        match lock.start {
            LockStart::Marked if self.generation >= Generation::Eleven => {
                let message = "it begins with `---`, but no second document follows".to_owned();
                self.add(Weight::Refused, Some(0..3), message);
            }
            LockStart::Environment if self.generation == Generation::Early10 => {
                let message = "it has two documents".to_owned();
                self.add(Weight::Refused, Some(0..3), message);
            }
            _ => {}
        }
        let Some(version) = &lock.version else {
            let message = "`lockfileVersion` is missing".to_owned();
            self.add(Weight::Refused, None, message);
            return false;
        };
        let shown = Escaped(version.text.as_bytes());
        match version.text.as_str() {
            "9.0" => {
                if version.is_plain && self.generation < Generation::Twelve {
                    let message = "`lockfileVersion` is a number, and must be a string".to_owned();
                    self.add_lock(Weight::Refused, &version.span, message);
                }
                true
            }
            text if text == "9" || text.starts_with("9.") => {
                self.judged.is_unjudged = true;
                self.doubt(format!("a lockfile of version {shown}"));
                false
            }
            _ => {
                let message = format!("this pnpm does not read lockfiles of version {shown}");
                self.add_lock(Weight::Refused, &version.span, message);
                false
            }
        }
    }

    /// Judges whether pnpm finds itself: from pnpm 12 on, an install that must not change the
    /// lockfile needs the version that the manifest pins in its environment document. Asked of pnpm
    /// 12.21.0; pnpm 11.28.11 installs without.
    fn own_version(&mut self, lock: &Lockfile) {
        let is_exempt = self.view.ignores_pin || self.settings.ignores_pin;
        if self.generation < Generation::Twelve || is_exempt {
            return;
        }
        let Some(pinned) = self.view.pinned_by_manifest() else { return };
        let recorded = lock.manager.as_deref();
        let without_hash = recorded.and_then(|recorded| recorded.split('+').next());
        if without_hash == Some(&*pinned) {
            return;
        }
        let shown = Escaped(pinned.as_bytes());
        let has = match recorded {
            Some(other) => format!("records pnpm {}", Escaped(other.as_bytes())),
            None => "does not record the version of pnpm".to_owned(),
        };
        let message = format!(
            "it {has}, but the manifest pins {shown}, and `pmOnFail` is not `ignore` in the image"
        );
        self.add(Weight::Refused, None, message);
    }

    /// The manifests that an install includes.
    fn projects(&self, root: Option<ImageManifest>) -> Vec<ImageManifest> {
        let directories = self.view.manifest_directories();
        let members = directories.iter().filter(|directory| !directory.is_empty());
        let members = members.filter(|directory| {
            self.settings.members.as_ref().is_some_and(|patterns| is_member(patterns, directory))
        });
        let found = members.filter_map(|directory| self.view.manifest(directory));
        root.into_iter().chain(found).collect()
    }

    /// Compares the settings that the lockfile records with those in force.
    fn recorded_settings(&mut self, lock: &Lockfile) {
        let settings = &self.settings;
        let overrides = lock.overrides.iter().map(|(key, value)| (key, &value.text));
        let catalogs = lock.catalogs.iter();
        let ignored: BTreeSet<String> =
            lock.ignored_optional.iter().map(|scalar| scalar.text.clone()).collect();
        let same_catalogs = catalogs.clone().all(|(key, entry)| {
            settings.catalogs.get(key).is_some_and(|spec| *spec == entry.specifier)
        });
        let hooks = self.hooks_checksum();
        let checks = [
            ("overrides", Some(settings.overrides.iter().eq(overrides))),
            ("catalogs", Some(same_catalogs || self.generation == Generation::Early10)),
            (
                "packageExtensionsChecksum",
                is_checksum(&settings.extensions, lock.extensions_checksum.as_ref()),
            ),
            ("ignoredOptionalDependencies", Some(settings.ignored_optional == ignored)),
            ("pnpmfileChecksum", is_checksum(&hooks, lock.hooks_checksum.as_ref())),
            ("patchedDependencies", self.same_patches(lock)),
        ];
        let switches = self.same_switches(lock);
        for (name, is_same) in checks.into_iter().chain(switches) {
            match is_same {
                Some(true) => {}
                Some(false) if self.knows_settings() => {
                    let message = format!("`{name}` differs from the settings in the image");
                    let span = place_of_setting(lock, name);
                    self.add(Weight::Refused, span, message);
                }
                _ => self.doubt(format!("whether the settings in the image have this `{name}`")),
            }
        }
    }

    /// Whether the settings in force are known.
    fn knows_settings(&self) -> bool {
        self.view.has_settings && self.view.version.as_ref().is_none_or(Generation::is_known)
    }

    fn same_switches(&self, lock: &Lockfile) -> [(&'static str, Option<bool>); 5] {
        let settings = &self.settings;
        // A quoted `'true'` is a string, which only pnpm 12 takes for a boolean.
        let equals = |scalar: &LockScalar, value: bool| match scalar.text.as_str() {
            text @ ("true" | "false") => {
                let is_boolean = scalar.is_plain || self.generation == Generation::Twelve;
                Some(is_boolean && (text == "true") == value)
            }
            _ if self.generation == Generation::Twelve => None,
            _ => Some(false),
        };
        let get = |name: &str| lock.settings.get(name);
        let if_recorded =
            |name: &str, value| get(name).map_or(Some(true), |scalar| equals(scalar, value));
        let always = |name: &str, value: bool| match get(name) {
            Some(scalar) => equals(scalar, value),
            None => Some(!value),
        };
        let suffix = get("peersSuffixMaxLength").map_or("1000", |scalar| scalar.text.as_str());
        let ignores_dedupe = self.generation == Generation::Early10;
        let dedupe =
            always("dedupePeers", settings.dedupe_peers).map(|same| same || ignores_dedupe);
        [
            ("autoInstallPeers", if_recorded("autoInstallPeers", settings.auto_install_peers)),
            (
                "excludeLinksFromLockfile",
                if_recorded("excludeLinksFromLockfile", settings.exclude_links),
            ),
            (
                "injectWorkspacePackages",
                always("injectWorkspacePackages", settings.inject_packages),
            ),
            ("peersSuffixMaxLength", Some(suffix == settings.suffix_length)),
            ("dedupePeers", dedupe),
        ]
    }

    /// The checksum of the hooks in the image. pnpm computes one only if the file exports hooks.
    fn hooks_checksum(&self) -> Checksum {
        let Some(source) = self.view.at_root(FileKind::InstallCode) else {
            return Checksum::Absent;
        };
        let text = &source.file.text;
        let has = |word: &str| memchr::memmem::find(text, word.as_bytes()).is_some();
        if has("hooks") {
            Checksum::Known(checksums::hooks(text))
        } else if has("require") || has("import") || has("from") {
            Checksum::Unknown
        } else {
            Checksum::Absent
        }
    }

    fn same_patches(&self, lock: &Lockfile) -> Option<bool> {
        let patches = &self.settings.patches;
        if !patches.keys().eq(lock.patches.keys()) {
            return Some(false);
        }
        let has_paths = self.generation < Generation::Eleven;
        for ((package, path), locked) in patches.iter().zip(lock.patches.values()) {
            debug_assert!(lock.patches.contains_key(package));
            let path = path.strip_prefix("./").unwrap_or(path);
            if has_paths && locked.path.as_deref() != Some(path) {
                return Some(false);
            }
            match self.view.files.get(path) {
                Some(source) if checksums::patch(&source.file.text) == locked.hash => {}
                Some(_) => return Some(false),
                None if self.knows_settings() => return Some(false),
                None => return None,
            }
        }
        Some(true)
    }
}

fn is_checksum(checksum: &Checksum, locked: Option<&LockScalar>) -> Option<bool> {
    match checksum {
        Checksum::Absent => Some(locked.is_none()),
        Checksum::Known(known) => Some(locked.is_some_and(|locked| locked.text == *known)),
        Checksum::Unknown => None,
    }
}

/// The place of a setting in a lockfile.
fn place_of_setting(lock: &Lockfile, name: &str) -> Option<Span> {
    let first = match name {
        "overrides" => lock.overrides.values().next().map(|value| &value.span),
        "catalogs" => lock.catalogs.values().next().map(|entry| &entry.span),
        "packageExtensionsChecksum" => lock.extensions_checksum.as_ref().map(|value| &value.span),
        "ignoredOptionalDependencies" => lock.ignored_optional.first().map(|value| &value.span),
        "pnpmfileChecksum" => lock.hooks_checksum.as_ref().map(|value| &value.span),
        "patchedDependencies" => lock.patches.values().next().map(|patch| &patch.span),
        _ => lock.settings.get(name).map(|value| &value.span),
    };
    first.cloned()
}

/// Whether the patterns of a workspace include a directory. To pnpm, `a/**` includes `a`, and no
/// pattern includes what is installed.
fn is_member(patterns: &[String], directory: &str) -> bool {
    if directory.split('/').any(|part| part == "node_modules") {
        return false;
    }
    let with_bases: Vec<String> = patterns
        .iter()
        .flat_map(|pattern| {
            let base = pattern.strip_suffix("/**").map(str::to_owned);
            std::iter::once(pattern.clone()).chain(base)
        })
        .collect();
    includes(&with_bases, directory.as_bytes())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::rc::Rc;
    use std::time::{Duration, Instant};

    use super::*;
    use crate::base::change::File;
    use crate::project::SourceFile;

    fn source(path: &str, text: String) -> Rc<SourceFile> {
        let (path, text) = (path.into(), text.into_bytes());
        Rc::new(SourceFile::new(File { path, text, fresh: true, replaces: false }))
    }

    /// The view of an image that has a lockfile and nothing else.
    fn view(lock: String) -> ImageView {
        ImageView {
            lock: source("pnpm-lock.yaml", lock),
            files: BTreeMap::new(),
            members: None,
            has_settings: true,
            user_npmrc: None,
            ignores_pin: false,
            registries: None,
            version: None,
            workspace: None,
            doubts: BTreeSet::new(),
            origin: None,
        }
    }

    #[test]
    fn from_pnpm_12_on_the_pinned_version_is_recorded() {
        let lock = "lockfileVersion: '9.0'\n\nimporters:\n\n  .: {}\n";
        let recorded = |version: &str| {
            format!(
                "---\nlockfileVersion: '9.0'\nimporters:\n  .:\n    \
                 packageManagerDependencies:\n      \
                 pnpm: {{specifier: {version}, version: {version}}}\n\n---\n{lock}"
            )
        };
        let pin = r#"{"packageManager": "pnpm@12.21.0+sha512.a"}"#;
        let engine =
            r#"{"devEngines": {"packageManager": {"name": "pnpm", "version": "12.21.0"}}}"#;
        let fits = |version: &str, manifest: &str, lock: &str, settings: &str, ignores_pin| {
            let view = ImageView {
                files: [("package.json", manifest), ("pnpm-workspace.yaml", settings)]
                    .map(|(path, text)| (path.to_owned(), source(path, text.to_owned())))
                    .into(),
                version: Some(version.parse().unwrap()),
                ignores_pin,
                ..view(lock.to_owned())
            };
            let judged = judge(&view);
            let message = judged.remarks.first().map(|remark| remark.message.clone());
            message.unwrap_or_default()
        };
        let missing = "it does not record the version of pnpm, but the manifest pins 12.21.0, and \
                       `pmOnFail` is not `ignore` in the image";
        for manifest in [pin, engine] {
            assert_eq!(fits("12.21.0", manifest, lock, "a: b\n", false), missing);
            let other = fits("12.21.0", manifest, &recorded("12.20.0"), "a: b\n", false);
            assert_eq!(
                other,
                missing
                    .replace("does not record the version of", "records")
                    .replace("pnpm,", "pnpm 12.20.0,")
            );
            for (version, lock, settings, ignores_pin) in [
                ("12.21.0", recorded("12.21.0").as_str(), "a: b\n", false),
                ("12.21.0", lock, "pmOnFail: ignore\n", false),
                ("12.21.0", lock, "a: b\n", true),
                ("11.28.11", lock, "a: b\n", false),
            ] {
                assert_eq!(fits(version, manifest, lock, settings, ignores_pin), "");
            }
        }
        assert_eq!(fits("12.21.0", "{}", lock, "a: b\n", false), "");
    }

    #[test]
    fn any_number_of_faults_is_judged_in_time() {
        const COUNT: usize = 20_000;
        let lines = |line: &dyn Fn(usize) -> String| (0..COUNT).map(line).collect::<String>();
        let dependency = |at| format!("      a{at}: {{specifier: '1', version: 2.0.0}}\n");
        let lock = format!(
            "lockfileVersion: '9.0'\nimporters:\n  .:\n    dependencies:\n{}{}packages:\n{}",
            lines(&dependency),
            lines(&|at| format!("  m{at}: {{}}\n")),
            lines(&|at| format!("  a{at}@2.0.0: {{}}\n"))
        );
        let members = lines(&|at| format!("k{at}: x\n"));
        let workspace =
            format!("{members}overrides:\n{}", lines(&|at| format!("  o{at}: $b{at}\n")));
        let manifest = lines(&|at| format!("\"b{at}\": \"1\", "));
        let manifest = format!("{{\"dependencies\": {{{manifest}\"c\": \"1\"}}}}");
        let files = [("package.json", manifest), ("pnpm-workspace.yaml", workspace)];
        let view = ImageView {
            files: files.map(|(path, text)| (path.to_owned(), source(path, text))).into(),
            members: Some(lines(&|at| format!("m{}\n", 2 * at)).lines().map(Into::into).collect()),
            ..view(lock)
        };
        let start = Instant::now();
        let judged = judge(&view);
        assert!(judged.remarks.len() > 3 * COUNT, "{}", judged.remarks.len());
        // Three seconds of a processor, which may be busy; each with each takes many minutes.
        assert!(start.elapsed() < Duration::from_secs(240), "{:?}", start.elapsed());
    }
}
