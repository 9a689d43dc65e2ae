//! Workflows of GitHub, Gitea and Forgejo, composite actions, and pipelines of GitLab.

use std::collections::HashMap;

use crate::formats::document::{Node, Value};
use crate::formats::shell::{Lookup, Resolved, Variable, expand, is_a_shell};
use crate::formats::{self, Syntax};
use crate::pins::{Bond, How, Manager, Pin, Reading, commands, images};

/// What variables hold. A value that is put together when it runs is not known.
#[derive(Debug, Clone, Default)]
struct Variables(HashMap<String, Option<Variable>>);

impl Variables {
    /// These, and those of a map beside them, by their names behind a prefix.
    fn and(&self, maps: impl Iterator<Item = (String, Option<Variable>)>) -> Self {
        let mut all = self.clone();
        all.0.extend(maps);
        all
    }

    fn lookup(&self, name: &str) -> Lookup<'_> {
        let name = name.strip_prefix("env.").unwrap_or(name);
        self.0.get(name).and_then(Option::as_ref).map_or(Lookup::Unknown, Lookup::Set)
    }

    /// A value with its expressions put in.
    fn resolve(&self, node: &Node) -> Option<Resolved> {
        let text = node.text()?;
        let expanded = expand(text.as_bytes(), b'\\', &|name| self.lookup(name));
        let (is_open, used, unset) = (expanded.is_open, expanded.used, expanded.unset);
        Some(Resolved { text: expanded.text, is_open, span: node.span.clone(), used, unset })
    }
}

/// The entries of a map, as variables.
fn variables(map: Option<&Node>) -> impl Iterator<Item = (String, Option<Variable>)> {
    map.into_iter().flat_map(Node::entries).map(|(key, node)| (key.text.clone(), variable(node)))
}

fn variable(node: &Node) -> Option<Variable> {
    let text = node.text().filter(|text| !text.contains(['$', '\'', '"', '\\', '`']))?;
    Some(Variable { text: text.to_owned(), span: node.span.clone() })
}

/// What inputs hold unless a caller gives them another value.
fn inputs(node: Option<&Node>) -> impl Iterator<Item = (String, Option<Variable>)> {
    node.into_iter()
        .flat_map(Node::entries)
        .map(|(key, input)| (format!("inputs.{}", key.text), last(input, "default").and_then(variable)))
}

fn last<'n>(node: &'n Node, key: &'n str) -> Option<&'n Node> {
    node.get(key).last()
}

fn list(node: Option<&Node>) -> &[Node] {
    match node.map(|node| &node.value) {
        Some(Value::List(nodes)) => nodes,
        _ => &[],
    }
}

/// What holds for a step unless it says otherwise.
#[derive(Debug, Clone, Default)]
struct Defaults<'n> {
    directory: Option<&'n Node>,
    shell: Option<&'n Node>,
}

impl<'n> Defaults<'n> {
    fn overridden_by(&self, node: &'n Node) -> Self {
        let of = |key| last(node, key);
        Self { directory: of("working-directory").or(self.directory), shell: of("shell").or(self.shell) }
    }

    fn run_of(&self, node: &'n Node) -> Self {
        let run = last(node, "defaults").and_then(|defaults| last(defaults, "run"));
        run.map_or_else(|| self.clone(), |run| self.overridden_by(run))
    }
}

/// A workflow, or the steps of a composite action.
pub fn workflow(text: &[u8]) -> Reading {
    let mut reading = Reading::default();
    let Ok(root) = formats::parse(Syntax::Yaml, text) else { return reading };
    let of_workflow = Variables::default().and(variables(last(&root, "env"))).and(inputs(last(&root, "inputs")));
    let events = last(&root, "on").into_iter().flat_map(Node::entries).map(|(_, event)| event);
    let of_workflow = events.fold(of_workflow, |all, event| all.and(inputs(last(event, "inputs"))));
    let defaults = Defaults::default().run_of(&root);
    for (_, job) in last(&root, "jobs").into_iter().flat_map(Node::entries) {
        let of_job = of_workflow.and(variables(last(job, "env")));
        let image = last(job, "container").map(|container| last(container, "image").unwrap_or(container));
        reading.pins.extend(image.and_then(|image| images::pin(&of_job.resolve(image)?, text)));
        let before = reading.pins.len();
        let list = list(last(job, "steps"));
        steps(list, &of_job, &defaults.run_of(job), text, &mut reading);
        if !checks_out(list) {
            reading.pins[before..].iter_mut().for_each(|pin| pin.is_elsewhere = true);
        }
    }
    if let Some(runs) = last(&root, "runs") {
        steps(list(last(runs, "steps")), &of_workflow, &Defaults::default(), text, &mut reading);
    }
    reading
}

fn steps(steps: &[Node], outer: &Variables, defaults: &Defaults<'_>, text: &[u8], reading: &mut Reading) {
    for step in steps {
        let before = reading.pins.len();
        let variables = outer.and(variables(last(step, "env")));
        if let Some(uses) = last(step, "uses").and_then(Node::text) {
            reading.pins.extend(action(uses, last(step, "with"), &variables, text));
        }
        let own = defaults.overridden_by(step);
        let is_posix = own
            .shell
            .and_then(Node::text)
            .is_none_or(|shell| shell.split_ascii_whitespace().next().is_some_and(is_a_shell));
        let directory = match own.directory {
            Some(node) => variables.resolve(node).and_then(|word| inside(word.known()?)),
            None => Some(String::new()),
        };
        if let (Some(script), true, Some(directory)) = (last(step, "run"), is_posix, directory) {
            let first = reading.pins.len();
            reading.add(commands::of_string(script, &|name| variables.lookup(name), text));
            for pin in &mut reading.pins[first..] {
                pin.directory = directory.clone().into_bytes();
            }
        }
        // What depends on the matrix is one variant of several.
        if last(step, "if").and_then(Node::text).is_some_and(|condition| condition.contains("matrix.")) {
            reading.pins[before..].iter_mut().for_each(|pin| pin.is_elsewhere = true);
        }
    }
}

/// Whether a job works on what is in this repository: a step checks it out, or says what to do in a way that is not seen
/// here.
fn checks_out(steps: &[Node]) -> bool {
    steps.iter().any(|step| {
        let uses = last(step, "uses").and_then(Node::text);
        let other = last(step, "with").and_then(|with| last(with, "repository")).and_then(Node::text);
        let is_other = other.is_some_and(|name| !name.contains("${{"));
        let runs_git = last(step, "run").and_then(Node::text).is_some_and(|run| run.contains("git "));
        // An action of this repository is there only once it is checked out.
        uses.is_some_and(|uses| uses.contains("checkout") && !is_other || uses.starts_with("./")) || runs_git
    })
}

/// A directory below the top of the work tree; `None` for one that leads elsewhere.
fn inside(directory: &str) -> Option<String> {
    let parts: Vec<&str> = directory.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    (!directory.starts_with(['/', '~']) && !parts.contains(&"..")).then(|| parts.join("/"))
}

/// The inputs of actions that name a version: the action, its input, and whose version it is.
const ACTIONS: [(&str, &str, Manager); 6] = [
    ("pnpm/action-setup", "version", Manager::Pnpm),
    ("pnpm/setup", "version", Manager::Pnpm),
    ("wyvox/action-setup-pnpm", "pnpm-version", Manager::Pnpm),
    ("volta-cli/action", "yarn-version", Manager::Yarn),
    ("volta-cli/action", "npm-version", Manager::Npm),
    ("threeal/setup-yarn-action", "version", Manager::Yarn),
];

/// The action that from its fourth version on refuses any version that is not the one of the manifest.
const STRICT: &str = "pnpm/action-setup";

/// What the inputs of an action pin.
fn action(uses: &str, with: Option<&Node>, variables: &Variables, text: &[u8]) -> Vec<Pin> {
    let (name, reference) = uses.split_once('@').unwrap_or((uses, ""));
    let known = ACTIONS.iter().filter(|(action, ..)| action.eq_ignore_ascii_case(name));
    let manifest = with.and_then(|with| last(with, "package_json_file").or(last(with, "package-json-file")));
    let directory = match manifest.and_then(Node::text).map(inside) {
        Some(Some(path)) => path.rsplit_once('/').map_or(String::new(), |(directory, _)| directory.to_owned()),
        Some(None) => return Vec::new(),
        None => String::new(),
    };
    let major = reference.strip_prefix('v').and_then(|version| version.split('.').next()?.parse::<u64>().ok());
    let bond = match major.filter(|_| name.eq_ignore_ascii_case(STRICT)) {
        Some(4) => Bond::Text,
        Some(5..) => Bond::ExactVersion,
        _ => Bond::Version,
    };
    let pin = |&(label, input, manager): &(&'static str, &str, Manager)| {
        let node = with.and_then(|with| last(with, input))?;
        let word = variables.resolve(node).filter(|word| word.is_open || !word.text.is_empty())?;
        let pin = Pin::resolved(How::Action(label), manager, &word.text, &word, text);
        Some(Pin { directory: directory.clone().into_bytes(), bond, ..pin })
    };
    known.filter_map(pin).collect()
}

/// The sections of a job of GitLab that hold scripts.
const SCRIPTS: [&str; 3] = ["before_script", "script", "after_script"];

/// A pipeline of GitLab.
pub fn gitlab(text: &[u8]) -> Reading {
    let mut reading = Reading::default();
    let Ok(root) = formats::parse(Syntax::Yaml, text) else { return reading };
    let of_pipeline = Variables::default().and(variables(last(&root, "variables")));
    let jobs = root.entries().filter(|(key, _)| key.text != "variables").map(|(_, job)| job);
    for job in std::iter::once(&root).chain(jobs) {
        let variables = of_pipeline.and(variables(last(job, "variables")));
        for key in SCRIPTS {
            if let Some(node) = last(job, key) {
                script_lines(node, &variables, text, &mut reading);
            }
        }
        let image = last(job, "image").map(|image| last(image, "name").unwrap_or(image));
        reading.pins.extend(image.and_then(|image| images::pin(&variables.resolve(image)?, text)));
    }
    reading
}

/// A script as a string, or as lists of strings within lists.
fn script_lines(node: &Node, variables: &Variables, text: &[u8], reading: &mut Reading) {
    match &node.value {
        Value::List(nodes) => nodes.iter().for_each(|node| script_lines(node, variables, text, reading)),
        Value::Text(_) => reading.add(commands::of_string(node, &|name| variables.lookup(name), text)),
        _ => {}
    }
}
