//! Pins of `package.json`: `packageManager`, `devEngines`, `engines`, `volta`.

use crate::models::Scalar;
use crate::models::manifest::{DevEngine, PackageJson, Shape};
use crate::pins::corepack::{self, Decision};
use crate::pins::pin::{
    Demand, Fault, FilePins, Manager, Pin, PinKind, exact, hash, last_occurrence,
};

/// The pins of a manifest. One that cannot be parsed has none, and corepack stops at it.
pub(super) fn manifest_pins(manifest: &PackageJson, text: &[u8]) -> FilePins {
    if manifest.shape == Shape::Invalid {
        return FilePins { decides: true, ..FilePins::default() };
    }
    let members = manifest.workspaces.clone();
    let mut found = FilePins { members, ..FilePins::default() };
    add_package_manager(manifest, text, &mut found);
    let engines = manifest.dev_engine.iter().chain(&manifest.alternatives);
    found.pins.extend(engines.filter_map(|engine| engine_pin(engine, text)));
    if let Some(field) =
        manifest.package_manager.as_ref().filter(|_| text.starts_with(b"\xef\xbb\xbf"))
    {
        found.faults.push((
            field.span.clone(),
            Fault::Refused("the file begins with a byte order mark".into()),
        ));
    }
    for (versions, kind) in
        [(&manifest.volta, PinKind::Volta), (&manifest.engines, PinKind::Engines)]
    {
        for (name, version) in versions.iter() {
            let manager = Manager::from_name(name);
            let pin = manager.and_then(|manager| Pin::from_string(kind, manager, version, text));
            // "please-use-pnpm" is not a version.
            found.pins.extend(
                pin.filter(|pin| matches!(pin.demand, Demand::Exact(_) | Demand::Range(_))),
            );
        }
    }
    found
}

/// Adds the pin of `packageManager`, or the fault that corepack finds.
fn add_package_manager(manifest: &PackageJson, text: &[u8], found: &mut FilePins) {
    let field = manifest.package_manager.as_ref();
    match corepack::decide(manifest, text) {
        Decision::Refused(refusal) => {
            found.decides = field.is_some();
            found.faults.push(refusal);
        }
        Decision::Blank(refusal) => found.blank = Some(refusal),
        Decision::Absent => {}
        Decision::Open => found.decides = field.is_some(),
        Decision::Exact(..) => found.pins.extend(package_manager_pin(field, text)),
        Decision::Contradiction => {
            found.decides = true;
            let pin = package_manager_pin(field, text);
            // Two valid versions are compared as pins; anything else is a fault.
            let engine = manifest.dev_engine.as_ref().and_then(|engine| engine_pin(engine, text));
            let is_compared = engine.is_some() && pin.is_some();
            if let Some(field) = field.filter(|_| !is_compared) {
                let reason = "it does not match devEngines.packageManager".to_owned();
                found.faults.push((field.span.clone(), Fault::Refused(reason)));
            }
            found.pins.extend(pin);
        }
    }
    found.decides |= !found.pins.is_empty();
}

fn package_manager_pin(field: Option<&Scalar>, text: &[u8]) -> Option<Pin> {
    let field = field?;
    let (name, version) = field.text()?.split_once('@')?;
    let bare = version.trim().trim_start_matches('v');
    let demand = Demand::Exact(exact(bare)?);
    let (manager, place) = (Manager::from_name(name)?, field.span.clone());
    let version = last_occurrence(text, &place, bare);
    let pin = Pin::fixed(PinKind::PackageManager, manager, demand, place);
    Some(Pin { version, hash: hash(bare), ..pin })
}

fn engine_pin(engine: &DevEngine, text: &[u8]) -> Option<Pin> {
    let manager = engine.name.as_ref().and_then(Scalar::text).and_then(Manager::from_name)?;
    let version = engine.version.as_ref()?;
    Pin::from_string(PinKind::DevEngines, manager, version, text)
}
