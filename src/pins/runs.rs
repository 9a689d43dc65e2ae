//! The steps of CI: the commands of their scripts, each with its directory, and the actions that
//! they use.

use std::rc::Rc;

use crate::formats::shell::Resolved;
use crate::models::Scalar;
use crate::models::gitlab::{Pipeline, PipelineJob};
use crate::models::workflow::{Uses, Workflow, WorkflowStep};
use crate::pins::ci::{Checkout, inputs, is_off, script_directory, set_for_later};
use crate::pins::scope::{VariableScope, variables};
use crate::pins::scripts::{CiCommand, WorkingDirectory, commands_of, joined};

/// A use of an action by a step.
#[derive(Debug)]
pub(crate) struct UsedAction<'w> {
    pub uses: &'w Uses,
    /// The inputs with their variables expanded.
    inputs: Vec<(&'w str, Option<Resolved>)>,
    checkout: Rc<Checkout>,
    /// The matrix of its job.
    matrix: &'w [(String, Vec<String>)],
}

impl UsedAction<'_> {
    /// The expanded value of an input, empty if it is missing; `None` if it is unknown.
    pub(crate) fn input(&self, name: &str) -> Option<&str> {
        match self.inputs.iter().rfind(|(known, _)| *known == name) {
            Some((_, value)) => value.as_ref()?.known(),
            None => Some(""),
        }
    }

    /// Whether an input depends on a key of the matrix that has several values.
    pub(crate) fn varies(&self, name: &str) -> bool {
        let text = self.uses.with.text(name).unwrap_or_default();
        let is_word =
            |rest: &str| !rest.starts_with(|c: char| c.is_alphanumeric() || "_-.".contains(c));
        self.matrix.iter().any(|(key, values)| {
            let named = format!("matrix.{key}");
            let mut places = text.match_indices(&named);
            let is_named =
                places.any(|(at, _)| is_word(text.get(at + named.len()..).unwrap_or_default()));
            is_named && values.iter().any(|value| *value != values[0])
        })
    }

    /// A path of the step, from the top of this repository; `None` if it is outside of it.
    pub(crate) fn path(&self, path: &str) -> Option<String> {
        inside(&self.checkout, &joined("", path)?)
    }
}

fn inside(checkout: &Checkout, path: &str) -> Option<String> {
    String::from_utf8(checkout.inside(path.as_bytes())?).ok()
}

/// The steps of a workflow that may run.
pub(crate) struct WorkflowSteps<'w> {
    file: &'w [u8],
    /// Whether the commands of a script are asked for.
    is_asked: fn(&[u8]) -> bool,
    pub commands: Vec<CiCommand>,
    pub actions: Vec<UsedAction<'w>>,
}

impl<'w> WorkflowSteps<'w> {
    /// The actions of a workflow, and the commands of those scripts for which `is_asked` is true.
    pub(crate) fn new(workflow: &'w Workflow, file: &'w [u8], is_asked: fn(&[u8]) -> bool) -> Self {
        let mut found = Self { file, is_asked, commands: Vec::new(), actions: Vec::new() };
        let scope = VariableScope::new(variables(&workflow.env).chain(inputs(&workflow.inputs)));
        for job in workflow.jobs.iter().filter(|job| !is_off(job.condition.as_ref())) {
            let outer = scope.with(&job.env);
            let checkout = Rc::new(Checkout::new(&job.steps, &outer));
            let scripts = job.steps.iter().filter_map(|step| step.run.as_ref()?.text());
            let outer = outer.without(scripts.flat_map(set_for_later));
            let start = found.actions.len();
            found.add(&job.steps, &outer, &checkout);
            found.actions[start..].iter_mut().for_each(|action| action.matrix = &job.matrix);
        }
        found.add(&workflow.steps, &scope, &Rc::new(Checkout::whole()));
        found
    }

    fn add(
        &mut self,
        steps: &'w [WorkflowStep],
        outer: &VariableScope<'_>,
        checkout: &Rc<Checkout>,
    ) {
        for step in steps.iter().filter(|step| !is_off(step.condition.as_ref())) {
            let scope = outer.with(&step.env);
            if let Some(uses) = &step.uses {
                let inputs = uses.with.iter().map(|(name, value)| (name, scope.resolve(value)));
                let (inputs, checkout) = (inputs.collect(), Rc::clone(checkout));
                self.actions.push(UsedAction { uses, inputs, checkout, matrix: &[] });
            }
            let is_asked =
                |script: &&Scalar| script.text().is_some_and(|it| (self.is_asked)(it.as_bytes()));
            let script = step.run.as_ref().filter(is_asked);
            if let Some((script, directory)) = script.zip(script_directory(step, &scope)) {
                let mut place = WorkingDirectory::at(&directory);
                let found = commands_of(script, &mut place, &|name| scope.lookup(name), self.file);
                self.commands.extend(found.into_iter().map(|command| CiCommand {
                    directory: command.directory.and_then(|path| inside(checkout, &path)),
                    ..command
                }));
            }
        }
    }
}

/// The commands of a pipeline. A script that a job inherits is found where it is.
pub(crate) fn pipeline_commands(pipeline: &Pipeline, text: &[u8]) -> Vec<CiCommand> {
    let scope = VariableScope::new(variables(&pipeline.global.variables));
    let jobs = std::iter::once(&pipeline.global).chain(&pipeline.jobs);
    jobs.flat_map(|job| job_commands(job, &scope, text)).collect()
}

fn job_commands(job: &PipelineJob, scope: &VariableScope<'_>, text: &[u8]) -> Vec<CiCommand> {
    let scope = scope.with(&job.variables);
    // A matrix sets several values; a job that extends a template may set others.
    let names = job.variables.iter().filter(|_| job.is_template);
    let names = names.map(|(name, _)| name.to_owned());
    let scope = scope.without(job.matrix.iter().cloned().chain(names));
    let run = |lines: &[Scalar], place: &mut WorkingDirectory| -> Vec<CiCommand> {
        let lookup = &|name: &str| scope.lookup(name);
        lines.iter().flat_map(|line| commands_of(line, place, lookup, text)).collect()
    };
    let mut place = WorkingDirectory::at("");
    let mut found = run(&job.before_script, &mut place);
    found.extend(run(&job.script, &mut place));
    found.extend(run(&job.after_script, &mut WorkingDirectory::at("")));
    found
}
