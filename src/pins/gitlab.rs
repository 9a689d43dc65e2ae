//! Pins of GitLab pipelines: scripts, and images of pnpm.

use crate::models::Scalar;
use crate::models::gitlab::{Pipeline, PipelineJob};
use crate::pins::images::{self, Container};
use crate::pins::pin::FilePins;
use crate::pins::scope::{VariableScope, variables};
use crate::pins::scripts::{self, WorkingDirectory};

pub(super) fn pipeline_pins(pipeline: &Pipeline, text: &[u8]) -> FilePins {
    let scope = VariableScope::new(variables(&pipeline.global.variables));
    let jobs = std::iter::once(&pipeline.global).chain(&pipeline.jobs);
    let mut found: FilePins = jobs.map(|job| job_pins(job, pipeline, &scope, text)).collect();
    // Several jobs may run the same default.
    found.faults.sort_unstable_by_key(|(span, _)| span.start);
    found.faults.dedup();
    found
}

fn job_pins(
    job: &PipelineJob,
    pipeline: &Pipeline,
    scope: &VariableScope<'_>,
    text: &[u8],
) -> FilePins {
    let scope = scope.with(&job.variables);
    // A matrix sets several values.
    let scope = scope.without(job.matrix.iter().cloned());
    let mut found = FilePins::default();
    let run = |lines: &[Scalar], place: &mut _, container: &mut _| -> FilePins {
        let lines = lines.iter();
        let lookup = &|name: &str| scope.lookup(name);
        lines.map(|line| scripts::script_pins(line, place, container, lookup, text)).collect()
    };
    let mut place = WorkingDirectory::at("");
    let mut container = container(job, pipeline, &scope);
    if job.before_script.is_empty() && job.is_complete {
        // The pins of a default are found where it is.
        let defaults = [&pipeline.default, &pipeline.global];
        let default = defaults.into_iter().find(|default| !default.before_script.is_empty());
        let lines = default.map_or(&[][..], |default| &default.before_script);
        found.faults = run(lines, &mut place, &mut container).faults;
    }
    // `before_script` and `script` share a shell.
    found.add(run(&job.before_script, &mut place, &mut container));
    found.add(run(&job.script, &mut place, &mut container));
    found.add(run(&job.after_script, &mut WorkingDirectory::at(""), &mut container));
    let image = images::image_of(job.image.as_ref(), &scope);
    found.pins.extend(image.and_then(|image| images::reference_pin(&image, text)));
    found.end_of_build();
    // A job that extends a template may override its variables.
    for pin in found.pins.iter_mut().filter(|pin| job.is_template && !pin.used.is_empty()) {
        pin.is_exempt = true;
    }
    found
}

/// The container of a job; unknown if another job or file may decide on it or on its
/// `before_script`.
fn container(job: &PipelineJob, pipeline: &Pipeline, scope: &VariableScope<'_>) -> Container {
    let all = [job, &pipeline.default, &pipeline.global];
    let is_certain = !pipeline.has_includes || !job.before_script.is_empty();
    if !job.is_complete || !is_certain {
        return Container::default();
    }
    let image = all.into_iter().find_map(|job| job.image.as_ref());
    Container::new(images::image_of(image, scope).as_ref())
}

#[cfg(test)]
mod tests {
    use crate::pins::tests::{MANIFEST, mismatches};

    #[test]
    fn the_scripts_of_a_job_are_read_in_order() {
        let web = ("web/package.json", r#"{"packageManager": "pnpm@9.15.0"}"#);
        for (pipeline, count) in [
            ("a: {script: [npm i -g pnpm@9.14.0]}", 1),
            ("a: {before_script: [cd web], script: [npm i -g pnpm@9.15.0]}", 0),
            ("a: {script: [cd web, corepack prepare pnpm@9.14.0 --activate]}", 1),
            ("variables: {V: 9.14.0}\na: {script: npm i -g pnpm@$V}", 1),
            (
                "variables: {V: 9.14.0}\na: {parallel: {matrix: [{V: [1, 2]}]}, script: npm i -g \
                 pnpm@$V}",
                0,
            ),
            ("a: {script: [cd web], after_script: [npm i -g pnpm@10.6.5]}", 0),
            (".a: {variables: {V: 9.14.0}, script: npm i -g pnpm@$V}", 0),
            (".a: {script: npm i -g pnpm@9.14.0}", 1),
        ] {
            let found =
                mismatches(&[("package.json", MANIFEST), web, (".gitlab-ci.yml", pipeline)]);
            assert_eq!(found.len(), count, "{pipeline}: {found:?}");
        }
    }
}
