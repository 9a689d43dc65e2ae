//! Workflows of GitHub, Gitea and Forgejo, and composite actions.

use crate::base::finding::Span;
use crate::formats::document::{Key, Node};
use crate::models::{Scalar, StringMap, nested, scalar, string_map};

/// A workflow or an action.
#[derive(Debug, Default)]
pub(crate) struct Workflow {
    pub env: StringMap,
    /// The defaults of the inputs of an action, or of the events of a workflow.
    pub inputs: StringMap,
    pub jobs: Vec<WorkflowJob>,
    /// The steps of a composite action.
    pub steps: Vec<WorkflowStep>,
    /// The branches whose pushes start it, all if there are none; `None` if no push of a branch
    /// does, or if that is unknown.
    pub pushed: Option<Vec<String>>,
}

#[derive(Debug)]
pub(crate) struct WorkflowJob {
    pub condition: Option<Scalar>,
    pub env: StringMap,
    /// The workflow that it calls instead of steps.
    pub uses: Option<Uses>,
    /// The image of its container.
    pub image: Option<Scalar>,
    /// The values of each key of its matrix, also those of `include`, as far as they are strings.
    pub matrix: Vec<(String, Vec<String>)>,
    pub steps: Vec<WorkflowStep>,
}

/// A step of a job or of a composite action.
#[derive(Debug)]
pub(crate) struct WorkflowStep {
    pub condition: Option<Scalar>,
    pub env: StringMap,
    pub uses: Option<Uses>,
    /// Its script.
    pub run: Option<Scalar>,
    /// Whether it may fail.
    pub may_fail: bool,
    pub settings: RunSettings,
}

/// The settings of a script: from its step, else from `defaults.run` of its job or workflow.
#[derive(Debug, Clone, Default)]
pub(crate) struct RunSettings {
    pub directory: Option<Scalar>,
    pub shell: Option<Scalar>,
}

/// A use of an action or of another workflow.
#[derive(Debug)]
pub(crate) struct Uses {
    /// The value of `uses`; empty if it is not a string.
    pub written: String,
    pub span: Span,
    pub callee: Callee,
    /// The first word of the comment on its line, such as `v4.1.0` after the id of a commit.
    pub comment: Option<String>,
    pub with: StringMap,
}

/// The target of a [`Uses`].
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Callee {
    /// A path in the same repository, without the leading `./`.
    Local(String),
    /// An action or a workflow of another repository.
    Remote {
        /// `owner/name`, and a path in the repository if there is one.
        name: String,
        /// The tag, branch or commit after `@`; may be empty.
        reference: String,
    },
}

impl Workflow {
    /// Parses the root of a document; comments are taken from the text of the file.
    pub(crate) fn parse(root: &Node, file: &[u8]) -> Self {
        let events = root.last("on").into_iter().flat_map(Node::entries).map(|(_, event)| event);
        let inputs = std::iter::once(root).chain(events).filter_map(|holder| holder.last("inputs"));
        let default = |(name, input): (&Key, &Node)| {
            let none = || Scalar { span: input.span.clone(), text: None };
            (name.text.clone(), scalar(input, "default").unwrap_or_else(none))
        };
        let settings = RunSettings::default().with_defaults(root);
        let jobs = root.last("jobs").into_iter().flat_map(Node::entries);
        let runs = root.last("runs");
        Self {
            env: string_map(root, "env"),
            inputs: StringMap(inputs.flat_map(Node::entries).map(default).collect()),
            jobs: jobs.map(|(_, job)| WorkflowJob::parse(job, &settings, file)).collect(),
            steps: runs.map(|runs| steps(runs, &RunSettings::default(), file)).unwrap_or_default(),
            pushed: root.last("on").and_then(pushed),
        }
    }
}

impl WorkflowJob {
    fn parse(node: &Node, outer: &RunSettings, file: &[u8]) -> Self {
        Self {
            condition: scalar(node, "if"),
            env: string_map(node, "env"),
            uses: Uses::parse(node, file),
            image: nested(node, "container", "image").map(Scalar::parse),
            matrix: matrix(node),
            steps: steps(node, &outer.with_defaults(node), file),
        }
    }
}

/// The branches whose pushes start a workflow.
fn pushed(on: &Node) -> Option<Vec<String>> {
    let is_push = |node: &Node| node.text() == Some("push");
    if is_push(on) || on.items().iter().any(is_push) {
        return Some(Vec::new());
    }
    let push = on.last("push")?;
    let Some(branches) = push.last("branches") else {
        let is_limited = ["tags", "branches-ignore"].iter().any(|key| push.last(key).is_some());
        return (!is_limited).then(Vec::new);
    };
    let names: Vec<String> =
        branches.items().iter().filter_map(Node::text).map(str::to_owned).collect();
    (!names.is_empty()).then_some(names)
}

/// The values of each key of the matrix of a job.
fn matrix(node: &Node) -> Vec<(String, Vec<String>)> {
    let matrix = node.last("strategy").and_then(|strategy| strategy.last("matrix"));
    let Some(matrix) = matrix else { return Vec::new() };
    let included = matrix.last("include").map(Node::items).unwrap_or_default();
    let texts = |nodes: &[Node]| nodes.iter().filter_map(Node::text).map(str::to_owned).collect();
    let mut found: Vec<(String, Vec<String>)> =
        matrix.entries().map(|(key, values)| (key.text.clone(), texts(values.items()))).collect();
    for (key, value) in included.iter().flat_map(Node::entries) {
        let Some(text) = value.text() else { continue };
        match found.iter_mut().find(|(known, _)| *known == key.text) {
            Some((_, values)) => values.push(text.to_owned()),
            None => found.push((key.text.clone(), vec![text.to_owned()])),
        }
    }
    found
}

fn steps(node: &Node, outer: &RunSettings, file: &[u8]) -> Vec<WorkflowStep> {
    let step = |node: &Node| WorkflowStep {
        condition: scalar(node, "if"),
        env: string_map(node, "env"),
        uses: Uses::parse(node, file),
        run: scalar(node, "run"),
        may_fail: node.last("continue-on-error").is_some(),
        settings: outer.overridden_by(node),
    };
    node.last("steps").map(Node::items).unwrap_or_default().iter().map(step).collect()
}

impl RunSettings {
    fn overridden_by(&self, node: &Node) -> Self {
        let or = |key, outer: &Option<Scalar>| scalar(node, key).or_else(|| outer.clone());
        Self {
            directory: or("working-directory", &self.directory),
            shell: or("shell", &self.shell),
        }
    }

    fn with_defaults(&self, node: &Node) -> Self {
        let run = node.last("defaults").and_then(|defaults| defaults.last("run"));
        run.map_or_else(|| self.clone(), |run| self.overridden_by(run))
    }
}

impl Uses {
    fn parse(node: &Node, file: &[u8]) -> Option<Self> {
        let uses = node.last("uses")?;
        let written = uses.text().unwrap_or_default();
        let callee = match written.strip_prefix("./") {
            Some(path) => Callee::Local(path.to_owned()),
            None => {
                let (name, reference) = written.split_once('@').unwrap_or((written, ""));
                Callee::Remote { name: name.to_owned(), reference: reference.to_owned() }
            }
        };
        Some(Self {
            written: written.to_owned(),
            span: uses.span.clone(),
            callee,
            comment: comment(&uses.span, file).map(str::to_owned),
            with: string_map(node, "with"),
        })
    }
}

/// The first word of the comment after a value.
fn comment<'f>(span: &Span, file: &'f [u8]) -> Option<&'f str> {
    let rest = file.get(span.end..)?.split(|&byte| byte == b'\n').next()?;
    let (_, comment) = std::str::from_utf8(rest).ok()?.split_once('#')?;
    comment.split_ascii_whitespace().next()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::tests::yaml;

    fn parse(text: &str) -> Workflow {
        Workflow::parse(&yaml(text), text.as_bytes())
    }

    fn texts<'a>(values: impl IntoIterator<Item = &'a Option<Scalar>>) -> Vec<&'a str> {
        values
            .into_iter()
            .map(|value| value.as_ref().map_or("-", |value| value.text().unwrap_or("?")))
            .collect()
    }

    #[test]
    fn a_workflow_has_jobs_and_steps() {
        let text = "on: {workflow_call: {inputs: {v: {default: 1}, w: {}}}, push:}\n\
                    env: {V: 2}\ninputs: {x: }\njobs:\n  \
                    a:\n    if: false\n    container: {image: node}\n    \
                    steps: [{if: matrix.x == 1, run: a}, b]\n  \
                    b:\n    container: alpine\n    uses: ./x\n    with: {v: [1], w: 2}\n";
        let workflow = parse(text);
        let inputs: Vec<_> =
            workflow.inputs.iter().map(|(name, value)| (name, value.text())).collect();
        assert_eq!(inputs, [("x", None), ("v", Some("1")), ("w", None)]);
        assert_eq!(workflow.env.text("V"), Some("2"));
        let [a, b] = workflow.jobs.as_slice() else { panic!("two jobs") };
        assert_eq!(
            texts([&a.condition, &b.condition, &a.image, &b.image]),
            ["false", "-", "node", "alpine"]
        );
        assert_eq!(texts(a.steps.iter().map(|step| &step.condition)), ["matrix.x == 1", "-"]);
        assert_eq!(texts(a.steps.iter().map(|step| &step.run)), ["a", "-"]);
        let uses = b.uses.as_ref().unwrap();
        assert_eq!((uses.with.text("v"), uses.with.text("w")), (None, Some("2")));
    }

    #[test]
    fn a_workflow_starts_when_branches_are_pushed() {
        for (on, expected) in [
            ("push", Some("")),
            ("[pull_request, push]", Some("")),
            ("{push: }", Some("")),
            ("{push: {paths: [a]}}", Some("")),
            ("{push: {branches: [main, x]}}", Some("main x")),
            ("{push: {branches: [main], tags: [v1]}}", Some("main")),
            ("{push: {tags: ['v*']}}", None),
            ("{push: {branches-ignore: [x]}}", None),
            ("{push: {branches: '${{ x }}'}}", None),
            ("pull_request", None),
        ] {
            let pushed = parse(&format!("on: {on}")).pushed.map(|names| names.join(" "));
            assert_eq!(pushed.as_deref(), expected, "{on}");
        }
    }

    #[test]
    fn a_matrix_has_the_values_of_its_keys() {
        let matrix =
            "{a: [1, 2, {x: 3}], b: '${{ fromJson(x) }}', include: [{a: 1, c: x}, {c: y}]}";
        let workflow = parse(&format!("jobs: {{j: {{strategy: {{matrix: {matrix}}}}}, k: {{}}}}"));
        let shown = |(key, values): &(String, Vec<String>)| format!("{key}={}", values.join(" "));
        let keys: Vec<_> = workflow.jobs[0].matrix.iter().map(shown).collect();
        assert_eq!(keys, ["a=1 2 1", "b=", "include=", "c=x y"]);
        assert!(workflow.jobs[1].matrix.is_empty());
    }

    #[test]
    fn a_step_inherits_settings_of_its_job_and_workflow() {
        let run = |settings: &str| format!("defaults: {{run: {{{settings}}}}}");
        let (top, job) =
            (run("shell: bash, working-directory: top"), run("working-directory: job"));
        let steps = "steps: [{run: a}, {working-directory: [x], shell: sh}]";
        let text = format!(
            "{{{top}, jobs: {{a: {{{job}, {steps}}}, b: {{{steps}}}}}, runs: {{{steps}}}}}"
        );
        let workflow = parse(&text);
        let shown = |steps: &[WorkflowStep]| -> Vec<String> {
            let settings =
                steps.iter().map(|step| [&step.settings.directory, &step.settings.shell]);
            settings.map(|settings| texts(settings).join(" ")).collect()
        };
        assert_eq!(shown(&workflow.jobs[0].steps), ["job bash", "? sh"]);
        assert_eq!(shown(&workflow.jobs[1].steps), ["top bash", "? sh"]);
        assert_eq!(shown(&workflow.steps), ["- -", "? sh"]);
    }

    #[test]
    fn an_action_is_local_or_of_another_repository() {
        let remote = |name: &str, reference: &str| Callee::Remote {
            name: name.into(),
            reference: reference.into(),
        };
        for (uses, callee, comment) in [
            ("./a/b # c", Callee::Local("a/b".into()), Some("c")),
            ("o/n/p@v1", remote("o/n/p", "v1"), None),
            ("o/n@abc # v1.2 x\n      with: {v: '#'}", remote("o/n", "abc"), Some("v1.2")),
            ("o/n", remote("o/n", ""), None),
            ("[o/n]", remote("", ""), None),
        ] {
            let text = format!("runs:\n  steps:\n    - run: x\n      uses: {uses}\n");
            let workflow = parse(&text);
            let found = workflow.steps[0].uses.as_ref().unwrap();
            assert_eq!((&found.callee, found.comment.as_deref()), (&callee, comment), "{uses}");
        }
    }
}
