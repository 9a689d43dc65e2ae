//! Pins of compose files: images, and the arguments that they give to a Dockerfile.

use crate::formats::shell::{Resolved, Variable};
use crate::models::Scalar;
use crate::models::compose::{Compose, ServiceBuild};
use crate::pins::{Call, Footing, Reading, commands, images};

/// The pins of a compose file; `text` is the file.
pub(super) fn view(compose: &Compose, text: &[u8], directory: &[u8]) -> Reading {
    let mut reading = Reading::default();
    for service in &compose.services {
        if let (Some(image), None) = (&service.image, &service.build) {
            reading.pins.extend(plain(image).and_then(|image| images::pin(&image, text)));
        }
        for command in &service.commands {
            let mut done = commands::of_invocation(command, text);
            // A container sees what is mounted, and nobody knows from here what that is.
            done.pins.iter_mut().for_each(|pin| pin.footing = Footing::Deciding);
            reading.add(done);
        }
        reading.calls.extend(service.build.as_ref().and_then(|build| call(build, directory)));
    }
    reading
}

/// A string without variables.
fn plain(value: &Scalar) -> Option<Resolved> {
    let text = value.text().filter(|text| !text.contains('$'))?.to_owned();
    Some(Resolved { text, span: value.span.clone(), ..Resolved::default() })
}

/// The Dockerfile of a build, and the arguments that it is given.
fn call(build: &ServiceBuild, directory: &[u8]) -> Option<Call> {
    let or = |value: &Option<Scalar>, default| {
        value.as_ref().and_then(Scalar::text).unwrap_or(default).to_owned()
    };
    let path = format!("{}/{}", or(&build.context, "."), or(&build.dockerfile, "Dockerfile"));
    let dockerfile = commands::joined(std::str::from_utf8(directory).ok()?, &path)?.into_bytes();
    let given = |(name, value): (&str, &Scalar)| {
        let text = value.text().filter(|text| !text.contains('$'))?.to_owned();
        Some((name.to_owned(), Some(Variable { text, span: value.span.clone() })))
    };
    let arguments: Vec<_> = build.arguments.iter().filter_map(given).collect();
    (!arguments.is_empty()).then(|| Call { paths: vec![dockerfile], arguments })
}
