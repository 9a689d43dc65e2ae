//! Workflows of GitHub, Gitea and Forgejo, and composite actions: their steps, and what they give to each other.

use crate::formats::document::{Node, Value};
use crate::formats::shell::{Variable, is_a_shell};
use crate::formats::{self, Syntax};
use crate::pins::corepack::last;
use crate::pins::scope::{Scope, variable, variables};
use crate::pins::{Bond, Call, How, Manager, Pin, Reading, commands, images};

/// Reads a workflow, or the steps of a composite action; the arguments are inputs that a caller gives.
pub fn read(text: &[u8], arguments: Vec<(String, Variable)>) -> Reading {
    let mut reading = Reading::default();
    let Ok(root) = formats::parse(Syntax::Yaml, text) else { return reading };
    let events = last(&root, "on").into_iter().flat_map(Node::entries).map(|(_, event)| event);
    let inputs = std::iter::once(&root).chain(events).flat_map(|holder| defaults(last(holder, "inputs")));
    let given = arguments.into_iter().map(|(name, variable)| (name, Some(variable)));
    let scope = Scope::of(variables(last(&root, "env")).chain(inputs).chain(given));
    let defaults = Defaults::default().run_of(&root);
    for (_, job) in last(&root, "jobs").into_iter().flat_map(Node::entries).filter(|(_, job)| !is_off(job)) {
        let scope = scope.with(last(job, "env"));
        if let Some(uses) = last(job, "uses").and_then(Node::text) {
            reading.calls.extend(call(uses, last(job, "with")));
        }
        let image = last(job, "container").map(|container| last(container, "image").unwrap_or(container));
        reading.pins.extend(image.and_then(|image| images::pin(&scope.resolve(image)?, text)));
        let list = list(last(job, "steps"));
        let mut read = Steps { scope: &scope, defaults: defaults.run_of(job), text }.read(list);
        let checkout = Checkout::of(list);
        read.pins.iter_mut().for_each(|pin| checkout.place(pin));
        reading.add(read);
    }
    if let Some(runs) = last(&root, "runs") {
        reading.add(Steps { scope: &scope, defaults: Defaults::default(), text }.read(list(last(runs, "steps"))));
    }
    reading
}

/// What inputs hold unless a caller gives them another value.
fn defaults(inputs: Option<&Node>) -> impl Iterator<Item = (String, Option<Variable>)> {
    let entries = inputs.into_iter().flat_map(Node::entries);
    entries.map(|(key, input)| (format!("inputs.{}", key.text), last(input, "default").and_then(variable)))
}

fn list(node: Option<&Node>) -> &[Node] {
    match node.map(|node| &node.value) {
        Some(Value::List(nodes)) => nodes,
        _ => &[],
    }
}

/// The text of an entry.
fn text_of<'n>(node: &'n Node, key: &'n str) -> Option<&'n str> {
    last(node, key).and_then(Node::text)
}

/// Whether a job or a step never runs.
fn is_off(node: &Node) -> bool {
    matches!(text_of(node, "if").map(str::trim), Some("false" | "${{ false }}"))
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

/// Steps that are to be read.
struct Steps<'n> {
    scope: &'n Scope<'n>,
    defaults: Defaults<'n>,
    text: &'n [u8],
}

impl Steps<'_> {
    fn read(&self, steps: &[Node]) -> Reading {
        let mut reading = Reading::default();
        for step in steps.iter().filter(|step| !is_off(step)) {
            let mut read = self.step(step);
            // What depends on the matrix is one variant of several.
            let is_variant = text_of(step, "if").is_some_and(|condition| condition.contains("matrix."));
            read.pins.iter_mut().for_each(|pin| pin.is_elsewhere |= is_variant);
            reading.add(read);
        }
        reading
    }

    fn step(&self, step: &Node) -> Reading {
        let scope = self.scope.with(last(step, "env"));
        let mut reading = Reading::default();
        if let Some(uses) = last(step, "uses") {
            let with = last(step, "with");
            reading.calls.extend(uses.text().and_then(|uses| call(uses, with)));
            reading.pins.extend(with.into_iter().flat_map(|with| action(uses, with, &scope, self.text)));
        }
        let own = self.defaults.overridden_by(step);
        let shell = own.shell.and_then(Node::text);
        let is_posix = shell.is_none_or(|shell| shell.split_ascii_whitespace().next().is_some_and(is_a_shell));
        let directory = match own.directory {
            Some(node) => scope.resolve(node).and_then(|word| word.known().map(str::to_owned)),
            None => Some(String::new()),
        };
        if let (Some(script), true, Some(directory)) = (last(step, "run"), is_posix, directory) {
            reading.add(commands::of_string(script, &directory, &|name| scope.lookup(name), self.text));
        }
        reading
    }
}

/// Whether a job works on what is in this repository, and where it puts that.
enum Checkout {
    /// At this directory; at the top if it is empty.
    Into(String),
    /// It works on something else.
    Nowhere,
}

impl Checkout {
    fn of(steps: &[Node]) -> Self {
        for step in steps {
            let uses = text_of(step, "uses").unwrap_or_default();
            let with = |key| last(step, "with").and_then(|with| text_of(with, key));
            // Which repository this is, nobody knows from here.
            let is_own = with("repository").is_none_or(|name| name.contains("github."));
            if uses.contains("checkout") && is_own {
                return with("path").map_or(Self::Into(String::new()), |path| {
                    commands::joined("", path).map_or(Self::Nowhere, Self::Into)
                });
            }
            // An action of this repository is there only once that is checked out; and git can be told anything.
            if uses.starts_with("./") || text_of(step, "run").is_some_and(|run| run.contains("git ")) {
                return Self::Into(String::new());
            }
        }
        Self::Nowhere
    }

    /// Turns the directory that a pin is for into one of the repository.
    fn place(&self, pin: &mut Pin) {
        match self {
            Self::Into(top) if top.is_empty() => {}
            Self::Into(top) => match pin.directory.strip_prefix(top.as_bytes()) {
                Some([]) => pin.directory = Vec::new(),
                Some([b'/', below @ ..]) => pin.directory = below.to_vec(),
                _ => pin.is_elsewhere = true,
            },
            Self::Nowhere => pin.is_elsewhere = true,
        }
    }
}

/// What is given to an action or a workflow of the same repository.
fn call(uses: &str, with: Option<&Node>) -> Option<Call> {
    let path = commands::joined("", uses.strip_prefix("./")?)?;
    let inside = ["action.yml", "action.yaml"].iter().filter_map(|name| commands::joined(&path, name));
    let paths = std::iter::once(path.clone()).chain(inside).map(String::into_bytes).collect();
    let given = |(name, value): (String, Option<Variable>)| Some((format!("inputs.{name}"), value?));
    let arguments: Vec<_> = variables(with).filter_map(given).collect();
    (!arguments.is_empty()).then_some(Call { paths, arguments })
}

/// The inputs of actions that name a version: the action, its input, and whose version it is. Without an action, every one
/// that has such an input means the same by it.
const INPUTS: [(&str, &str, Manager); 7] = [
    ("pnpm/action-setup", "version", Manager::Pnpm),
    ("pnpm/setup", "version", Manager::Pnpm),
    ("threeal/setup-yarn-action", "version", Manager::Yarn),
    ("", "pnpm-version", Manager::Pnpm),
    ("", "pnpm_version", Manager::Pnpm),
    ("", "yarn-version", Manager::Yarn),
    ("", "npm-version", Manager::Npm),
];

/// What the inputs of an action of another repository pin.
fn action(uses: &Node, with: &Node, scope: &Scope<'_>, text: &[u8]) -> Vec<Pin> {
    let written = uses.text().unwrap_or_default();
    let (name, reference) = written.split_once('@').unwrap_or((written, ""));
    let manifest = ["package_json_file", "package-json-file"].into_iter().find_map(|key| text_of(with, key));
    let directory = match manifest.map(|path| commands::joined("", path)) {
        Some(Some(path)) => path.rsplit_once('/').map_or(String::new(), |(directory, _)| directory.to_owned()),
        None => String::new(),
        Some(None) => return Vec::new(),
    };
    let pin = |&(action, input, manager): &(&'static str, &'static str, Manager)| {
        let is_meant = if action.is_empty() { !name.starts_with('.') } else { action.eq_ignore_ascii_case(name) };
        let node = last(with, input).filter(|_| is_meant)?;
        let word = scope.resolve(node).filter(|word| word.is_open || !word.text.is_empty())?;
        let label = if action.is_empty() { input } else { action };
        let pin = Pin::resolved(How::Action(label), manager, &word.text, &word, text);
        Some(Pin { directory: directory.clone().into_bytes(), bond: bond(action, reference, uses, text), ..pin })
    };
    INPUTS.iter().filter_map(pin).collect()
}

/// What an action compares its version with. Since its fourth version, `pnpm/action-setup` takes no version but the one of
/// the manifest; the fourth compares the hash as well. `pnpm/setup` has always done so, without the hash.
fn bond(action: &str, reference: &str, uses: &Node, text: &[u8]) -> Bond {
    let major = |version: &str| version.strip_prefix('v')?.split('.').next()?.parse::<u64>().ok();
    match action {
        "pnpm/setup" => Bond::ExactVersion,
        // A commit says its version in a comment, if at all.
        "pnpm/action-setup" => match major(reference).or_else(|| comment(uses, text).and_then(major)) {
            Some(4) => Bond::Text,
            Some(5..) => Bond::ExactVersion,
            _ => Bond::Version,
        },
        _ => Bond::Version,
    }
}

/// The first word of the comment behind a value: `# v4.1.0`.
fn comment<'t>(node: &Node, text: &'t [u8]) -> Option<&'t str> {
    let rest = text.get(node.span.end..)?.split(|&byte| byte == b'\n').next()?;
    let comment = std::str::from_utf8(rest).ok()?.split_once('#')?.1;
    comment.split_ascii_whitespace().next()
}

#[cfg(test)]
mod tests {
    use crate::pins::tests::{MANIFEST, told};

    #[test]
    fn a_workflow_is_read_step_by_step() {
        let head = "on: push\nenv: {V: 9.15.0}\njobs:\n  a:\n    steps:\n      - uses: actions/checkout@v4\n";
        for (steps, told) in [
            ("      - uses: pnpm/action-setup@v2\n        with: {version: 9.15.0}", &["8:25 pnpm 9.15.0"][..]),
            ("      - uses: pnpm/action-setup@v4\n        with: {version: 10}", &["8:25 pnpm 10"]),
            ("      - uses: pnpm/action-setup@v3\n        with: {version: 10}", &[]),
            ("      - uses: pnpm/action-setup@v6\n        with: {version: 10.6.5}", &[]),
            ("      - uses: pnpm/action-setup@v4\n        with: {version: '${{ env.V }}'}", &["2:10 pnpm 9.15.0"]),
            ("      - uses: pnpm/action-setup@v4", &[]),
            ("      - uses: volta-cli/action@v4\n        with: {yarn-version: 1.22.22}", &["8:30 yarn 1.22.22"]),
            ("      - run: npm i -g pnpm@$V", &["2:10 pnpm 9.15.0"]),
            ("      - run: |\n          set -e\n          npm i -g pnpm@9.15.0 && pnpm i", &["9:25 pnpm 9.15.0"]),
            ("      - run: >-\n          npm i -g\n          pnpm@9.15.0", &["9:16 pnpm 9.15.0"]),
            ("      - shell: pwsh\n        run: npm i -g pnpm@9.15.0", &[]),
            ("      - working-directory: ../x\n        run: npm i -g pnpm@9.15.0", &[]),
            ("      - working-directory: ./x\n        run: npm i -g pnpm@9.15.0", &["8:28 pnpm 9.15.0"]),
            ("      - if: matrix.client == 'old'\n        run: npm i -g pnpm@9.15.0", &[]),
            ("      - run: npm i -g pnpm@${{ matrix.pnpm }}", &[]),
        ] {
            let found = crate::pins::tests::told(&[
                ("package.json", MANIFEST),
                (".github/workflows/a.yml", &format!("{head}{steps}")),
            ]);
            let shown = |line: &String| {
                let line = line.strip_prefix(".github/workflows/a.yml:").unwrap_or(line);
                line.split(" is installed").next().unwrap().replace(": ", " ")
            };
            assert_eq!(found.iter().map(shown).collect::<Vec<_>>(), told, "{steps}");
        }
        // A job that works on something else than this repository.
        let elsewhere = "jobs:\n  a:\n    steps:\n      - uses: pnpm/action-setup@v4\n        with: {version: 9}";
        assert_eq!(told(&[("package.json", MANIFEST), (".gitea/workflows/a.yaml", elsewhere)]), [""; 0]);
        assert_eq!(told(&[("package.json", MANIFEST), ("docs/workflows/a.yaml", elsewhere)]), [""; 0]);
    }

    #[test]
    fn an_action_that_compares_the_text_wants_the_hash_as_well() {
        let hashed = r#"{"packageManager": "pnpm@10.6.5+sha1.ab"}"#;
        for (version, told) in
            [("v4", 1), ("v4.1.0", 1), ("v6", 0), ("v3", 0), ("fe02b34f77f8bc703788d5817da081398fad5dd2", 0)]
        {
            let text = format!(
                "jobs: {{a: {{steps: [{{uses: actions/checkout@v4}}, {{uses: pnpm/action-setup@{version}, with: {{version: 10.6.5}}}}]}}}}"
            );
            assert_eq!(
                crate::pins::tests::told(&[("package.json", hashed), (".github/workflows/a.yml", &text)]).len(),
                told,
                "{version}"
            );
        }
    }

    #[test]
    fn a_step_stands_where_cd_leads_it() {
        let web = ("web/package.json", r#"{"packageManager": "pnpm@9.15.0"}"#);
        for (run, told) in [
            ("npm i -g pnpm@9.14.0", 1),
            ("cd web && npm i -g pnpm@9.15.0", 0),
            ("cd web && npm i -g pnpm@10.6.5", 1),
            ("(cd web && npm i -g pnpm@9.15.0); npm i -g pnpm@9.14.0", 1),
            ("(cd web); (cd web && npm i -g pnpm@10.6.5)", 1),
            ("(a); sh -c 'cd web && npm i -g pnpm@10.6.5'; npm i -g pnpm@10.6.5", 1),
            ("cd web/../web; cd -; npm i -g pnpm@9.14.0", 0),
            ("git clone $URL other && cd other && npm i -g pnpm@9.14.0", 0),
            ("cd ../other && npm i -g pnpm@9.14.0", 0),
            ("cd $HERE && npm i -g pnpm@9.14.0", 0),
        ] {
            let text = format!("jobs:\n  a:\n    steps:\n      - uses: actions/checkout@v4\n      - run: {run}");
            let found =
                crate::pins::tests::told(&[("package.json", MANIFEST), web, (".github/workflows/a.yml", &text)]);
            assert_eq!(found.len(), told, "{run}: {found:?}");
        }
    }

    #[test]
    fn a_job_works_on_what_it_checks_out() {
        let web = ("web/package.json", r#"{"packageManager": "pnpm@9.15.0"}"#);
        for (checkout, step, told) in [
            ("", "run: npm i -g pnpm@9.14.0", 1),
            ("path: here", "run: npm i -g pnpm@9.14.0", 0),
            ("path: here", "working-directory: here\n        run: npm i -g pnpm@9.14.0", 1),
            ("path: here", "working-directory: here/web\n        run: npm i -g pnpm@9.15.0", 0),
            ("repository: other/repo", "run: npm i -g pnpm@9.14.0", 0),
            ("repository: '${{ github.repository }}'", "run: npm i -g pnpm@9.14.0", 1),
        ] {
            let text = format!(
                "jobs:\n  a:\n    steps:\n      - uses: actions/checkout@v4\n        with: {{{checkout}}}\n      - {step}"
            );
            let found =
                crate::pins::tests::told(&[("package.json", MANIFEST), web, (".github/workflows/a.yml", &text)]);
            assert_eq!(found.len(), told, "{checkout} {step}: {found:?}");
        }
    }
}
