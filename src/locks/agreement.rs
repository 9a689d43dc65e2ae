//! Whether the lockfile of an image and that of the workspace lock the same packages.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use crate::base::escape::Escaped;
use crate::formats::lockfile::{LockedPackage, Lockfile};
use crate::locks::graph::package_id;
use crate::locks::projects::bare;
use crate::locks::remark::{Remark, Weight};
use crate::project::SourceFile;

/// The remarks about packages that differ. Packages that the workspace has inside of it are not
/// compared: the image has them from the registry.
pub(super) fn disagreements(
    lock: &Lockfile,
    workspace: &Lockfile,
    source: &Rc<SourceFile>,
) -> Vec<Remark> {
    let own = in_house(workspace);
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (name, version) in workspace.packages.keys().filter_map(|id| split(id)) {
        versions.entry(name).or_default().insert(version);
    }
    let direct: BTreeSet<String> = lock
        .importers
        .values()
        .flat_map(|importer| &importer.dependencies)
        .filter_map(|locked| package_id(&locked.name, bare(&locked.version.text)))
        .collect();
    let mut found = Vec::new();
    for (id, package) in &lock.packages {
        let Some((name, version)) = split(id).filter(|(name, _)| !own.contains(name)) else {
            continue;
        };
        let shown = Escaped(id.as_bytes());
        let path = &source.file.path;
        let integrity = |package: &LockedPackage| {
            package.resolution.as_ref().and_then(|resolution| resolution.integrity.clone())
        };
        match workspace.packages.get(id) {
            Some(known) => {
                let pair = integrity(package).zip(integrity(known));
                if let Some((own, other)) = pair.filter(|(own, other)| own.text != other.text) {
                    found.push(Remark {
                        weight: Weight::Wrong,
                        place: Some(own.span),
                        message: format!("the integrity of {shown} is another one in {path}"),
                        label: Some((Rc::clone(source), other.span, "locked here")),
                    });
                }
            }
            None => {
                let Some(known) = versions.get(name) else { continue };
                let known: Vec<&str> = known.iter().copied().take(3).collect();
                let weight = if direct.contains(id) { Weight::Wrong } else { Weight::Note };
                let name = Escaped(name.as_bytes());
                let known = known.join(", ");
                let (version, known) = (Escaped(version.as_bytes()), Escaped(known.as_bytes()));
                found.push(Remark {
                    weight,
                    place: Some(package.span.clone()),
                    message: format!("{name} is {version} here, but {known} in {path}"),
                    label: None,
                });
            }
        }
    }
    found
}

/// The names of the packages that a workspace links.
fn in_house(workspace: &Lockfile) -> BTreeSet<&str> {
    let dependencies = workspace.importers.values().flat_map(|importer| &importer.dependencies);
    let linked = dependencies.filter(|locked| locked.version.text.starts_with("link:"));
    linked.map(|locked| locked.name.as_str()).collect()
}

/// The name and the version of a package of a registry.
fn split(id: &str) -> Option<(&str, &str)> {
    let at = id.rfind('@').filter(|at| *at > 0 && !id.contains(':'))?;
    Some((id.get(..at)?, id.get(at + 1..)?))
}
