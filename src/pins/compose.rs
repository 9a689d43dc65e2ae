//! Pins of compose files: images, commands, and the arguments of builds.

use crate::formats::shell::{Lookup, Variable};
use crate::models::Scalar;
use crate::models::compose::{Compose, ServiceBuild};
use crate::pins::images::{self, Container};
use crate::pins::pin::{AppliesIf, Call, FilePins};
use crate::pins::scope::VariableScope;
use crate::pins::scripts;

pub(super) fn compose_pins(compose: &Compose, text: &[u8], directory: &[u8]) -> FilePins {
    let mut found = FilePins::default();
    for service in &compose.services {
        let image = service.image.as_ref().filter(|_| service.build.is_none());
        let image = images::image_of(image, &VariableScope::default());
        found.pins.extend(image.as_ref().and_then(|image| images::reference_pin(image, text)));
        for command in &service.commands {
            // A command is only an argument of an entrypoint.
            let is_whole = service.commands.len() == 1 || !service.has_entrypoint;
            let mut container = Container::new(image.as_ref().filter(|_| is_whole));
            let unknown = &|_: &str| Lookup::Unknown;
            let mut done = scripts::invocation_pins(command, &mut container, unknown, text);
            // Which directories are mounted into the container is unknown.
            done.pins.iter_mut().for_each(|pin| pin.applies_if = AppliesIf::PackageManagerHere);
            found.add(done);
        }
        found.calls.extend(service.build.as_ref().and_then(|build| call(build, directory)));
    }
    found
}

/// The use of a Dockerfile by a build.
fn call(build: &ServiceBuild, directory: &[u8]) -> Option<Call> {
    let or = |value: &Option<Scalar>, default| {
        value.as_ref().and_then(Scalar::text).unwrap_or(default).to_owned()
    };
    let path = format!("{}/{}", or(&build.context, "."), or(&build.dockerfile, "Dockerfile"));
    let dockerfile = scripts::joined(std::str::from_utf8(directory).ok()?, &path)?.into_bytes();
    let given = |(name, value): (&str, &Scalar)| {
        let text = value.text().filter(|text| !text.contains('$'))?.to_owned();
        Some((name.to_owned(), Some(Variable { text, span: value.span.clone() })))
    };
    let arguments: Vec<_> = build.arguments.iter().filter_map(given).collect();
    (!arguments.is_empty()).then(|| Call { paths: vec![dockerfile], arguments })
}
