//! Pins of GitLab pipelines: scripts, and images of pnpm.

use crate::models::gitlab::{Pipeline, PipelineJob};
use crate::pins::commands::WorkingDirectory;
use crate::pins::pin::FilePins;
use crate::pins::scope::{VariableScope, variables};
use crate::pins::{commands, images};

pub(super) fn pipeline_pins(pipeline: &Pipeline, text: &[u8]) -> FilePins {
    let scope = VariableScope::new(variables(&pipeline.global.variables));
    let jobs = std::iter::once(&pipeline.global).chain(&pipeline.jobs);
    jobs.map(|job| job_pins(job, &scope, text)).collect()
}

fn job_pins(job: &PipelineJob, scope: &VariableScope<'_>, text: &[u8]) -> FilePins {
    let scope = scope.with(&job.variables);
    // A matrix sets several values.
    let scope = scope.without(job.matrix.iter().cloned());
    let mut found = FilePins::default();
    // `before_script` and `script` share a shell.
    for sections in [&[&job.before_script, &job.script][..], &[&job.after_script]] {
        let mut place = WorkingDirectory::at("");
        for line in sections.iter().copied().flatten() {
            found.add(commands::script_pins(line, &mut place, &|name| scope.lookup(name), text));
        }
    }
    found.pins.extend(images::image_pin(job.image.as_ref(), &scope, text));
    // A job that extends a template may override its variables.
    for pin in found.pins.iter_mut().filter(|pin| job.is_template && !pin.used.is_empty()) {
        pin.is_exempt = true;
    }
    found
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
