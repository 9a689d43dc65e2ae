//! The tarballs that are written: as they were packed, or with the paths of each other in them.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::error::Error;
use crate::base::escape::Escaped;
use crate::commands::preparing::pack::Tarball;
use crate::disk::tarball;
use crate::prepare::Packed;
use crate::prepare::inner;
use crate::project::kinds::FileKind;

/// The packages whose tarballs are written, by the depth of the projects that they have paths for;
/// `None` as they were packed.
#[derive(Debug, Default)]
pub(in crate::commands) struct WantedTarballs(BTreeMap<Option<usize>, BTreeSet<String>>);

impl WantedTarballs {
    /// Adds packages for projects at a depth.
    pub(in crate::commands) fn add(&mut self, depth: Option<usize>, names: &BTreeSet<String>) {
        self.0.entry(depth).or_default().extend(names.iter().cloned());
    }

    /// The files by their names in the leftover directory `into`. In a dry run, some packages are
    /// not packed yet: then no name of a tarball with paths is known.
    pub(in crate::commands) fn of(
        &self,
        tarballs: Vec<Tarball>,
        packed: &[Packed],
        into: &str,
    ) -> Result<BTreeMap<String, Vec<u8>>, Error> {
        let mut files = BTreeMap::new();
        let is_whole = tarballs.len() == packed.len();
        let depths = self.0.iter().filter_map(|(depth, names)| Some(((*depth)?, names)));
        for (depth, names) in depths.filter(|_| is_whole) {
            let renamed = inner::renamed(packed, depth);
            for package in renamed.iter().filter(|package| names.contains(&package.name)) {
                let Some(tarball) = tarballs.iter().find(|it| it.name == package.name) else {
                    continue;
                };
                let bytes = with_paths(tarball, &renamed, (into, depth)).map_err(|cause| {
                    let name = Escaped(package.name.as_bytes());
                    Error::new(format!("write the paths of others into {name}"), cause)
                        .help("prepare an overlay instead: bakstop prep --fix-dockerfiles")
                })?;
                files.insert(package.file.clone(), bytes);
            }
        }
        // Also chosen packages that no manifest needs.
        if self.0.contains_key(&None) || self.0.is_empty() {
            files.extend(tarballs.into_iter().map(|tarball| (tarball.file, tarball.bytes)));
        }
        Ok(files)
    }
}

fn with_paths(
    tarball: &Tarball,
    packed: &[Packed],
    place: (&str, usize),
) -> Result<Vec<u8>, String> {
    let wanted = FileKind::MANIFEST;
    let failed = |error: std::io::Error| error.to_string();
    let found = tarball::read(&tarball.bytes, wanted, false).map_err(failed)?;
    let text = found.manifest.ok_or_else(|| format!("it has no {wanted}"))?;
    let new = inner::manifest(&text, packed, place)?;
    if new == text {
        return Ok(tarball.bytes.clone());
    }
    tarball::with_file(&tarball.bytes, wanted, &new).map_err(failed)
}
