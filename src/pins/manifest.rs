//! Pins of `package.json`: `packageManager`, `devEngines`, `engines`, `volta`.

use crate::base::finding::Span;
use crate::models::Scalar;
use crate::models::manifest::{DevEngine, PackageJson, Shape};
use crate::pins::corepack::{self, Decision, Refusal};
use crate::pins::{Demand, Fault, FilePins, Manager, Pin, PinKind, exact, hash};

/// The pins of a manifest; `text` is the file. One that cannot be parsed has none, and corepack
/// looks no further up.
pub(super) fn manifest_pins(manifest: &PackageJson, text: &[u8]) -> FilePins {
    if manifest.shape == Shape::Invalid {
        return FilePins { decides: true, ..FilePins::default() };
    }
    let members = manifest.workspaces.clone();
    let mut found = FilePins { members, ..FilePins::default() };
    package_manager(manifest, text, &mut found);
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

/// What corepack makes of it.
fn package_manager(manifest: &PackageJson, text: &[u8], found: &mut FilePins) {
    let field = manifest.package_manager.as_ref();
    match corepack::decide(manifest, text) {
        Decision::Refused(refusal) => {
            found.decides = field.is_some();
            found.faults.push(fault(refusal));
        }
        Decision::Blank(refusal) => found.blank = Some(fault(refusal)),
        Decision::Absent => {}
        Decision::Open => found.decides = field.is_some(),
        Decision::Exact(..) => found.pins.extend(written(field, text)),
        Decision::Contradiction => {
            found.decides = true;
            let pin = written(field, text);
            // Two versions are compared where pins are; one that is none is a fault.
            let engine = manifest.dev_engine.as_ref().and_then(|engine| engine_pin(engine, text));
            let is_compared = engine.is_some() && pin.is_some();
            if let Some(field) = field.filter(|_| !is_compared) {
                let reason = "it is not what devEngines.packageManager asks for".to_owned();
                found.faults.push((field.span.clone(), Fault::Refused(reason)));
            }
            found.pins.extend(pin);
        }
    }
    found.decides |= !found.pins.is_empty();
}

fn fault(refusal: Refusal) -> (Span, Fault) {
    let fault = match refusal.foreign {
        Some(name) => Fault::Foreign(name),
        None => Fault::Refused(refusal.reason),
    };
    (refusal.span, fault)
}

/// The pin that a `packageManager` is, as it is written.
fn written(field: Option<&Scalar>, text: &[u8]) -> Option<Pin> {
    let field = field?;
    let (name, version) = field.text()?.split_once('@')?;
    let bare = version.trim().trim_start_matches('v');
    let demand = Demand::Exact(exact(bare)?);
    let whole = text.get(field.span.clone())?;
    let at = memchr::memmem::rfind(whole, bare.as_bytes()).map(|at| field.span.start + at);
    let pin =
        Pin::fixed(PinKind::PackageManager, Manager::from_name(name)?, demand, field.span.clone());
    Some(Pin { version: at.map(|at| at..at + bare.len()), hash: hash(bare), ..pin })
}

fn engine_pin(engine: &DevEngine, text: &[u8]) -> Option<Pin> {
    let manager = engine.name.as_ref().and_then(Scalar::text).and_then(Manager::from_name)?;
    let version = engine.version.as_ref()?;
    Pin::from_string(PinKind::DevEngines, manager, version, text)
}
