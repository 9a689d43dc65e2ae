//! Workflows of GitHub, Gitea and Forgejo, and composite actions: their steps, and what they give to each other.

use crate::formats::document::{Node, Value};
use crate::formats::shell::{Resolved, Variable, is_a_shell};
use crate::formats::{self, Syntax};
use crate::pins::commands::Place;
use crate::pins::scope::{Scope, variable, variables};
use crate::pins::{Bond, Call, How, Manager, Pin, Reading, commands, images};

/// Reads a workflow, or the steps of a composite action; the arguments are inputs that a caller gives.
pub(super) fn read(text: &[u8], arguments: Vec<(String, Variable)>) -> Reading {
    let mut reading = Reading::default();
    let Ok(root) = formats::parse(Syntax::Yaml, text) else { return reading };
    let events = root.last("on").into_iter().flat_map(Node::entries).map(|(_, event)| event);
    let inputs = std::iter::once(&root).chain(events).flat_map(|holder| defaults(holder.last("inputs")));
    let given = arguments.into_iter().map(|(name, variable)| (name, Some(variable)));
    let scope = Scope::of(variables(root.last("env")).chain(inputs).chain(given));
    let defaults = Defaults::default().run_of(&root);
    for (_, job) in root.last("jobs").into_iter().flat_map(Node::entries).filter(|(_, job)| !is_off(job)) {
        let scope = scope.with(job.last("env"));
        if let Some(uses) = job.last("uses").and_then(Node::text) {
            reading.calls.extend(call(uses, job.last("with")));
        }
        let image = job.last("container").map(|container| container.last("image").unwrap_or(container));
        reading.pins.extend(image.and_then(|image| images::pin(&scope.resolve(image)?, text)));
        let list = list(job.last("steps"));
        let scope = scope.without(list.iter().filter_map(|step| text_of(step, "run")).flat_map(set_for_later));
        let mut read = Steps { scope: &scope, defaults: defaults.run_of(job), text }.read(list);
        let checkout = Checkout::of(list);
        read.pins.iter_mut().for_each(|pin| checkout.place(pin));
        reading.add(read);
    }
    if let Some(runs) = root.last("runs") {
        reading.add(Steps { scope: &scope, defaults: Defaults::default(), text }.read(list(runs.last("steps"))));
    }
    reading
}

/// What inputs hold unless a caller gives them another value.
fn defaults(inputs: Option<&Node>) -> impl Iterator<Item = (String, Option<Variable>)> {
    let entries = inputs.into_iter().flat_map(Node::entries);
    entries.map(|(key, input)| (format!("inputs.{}", key.text), input.last("default").and_then(variable)))
}

fn list(node: Option<&Node>) -> &[Node] {
    match node.map(|node| &node.value) {
        Some(Value::List(nodes)) => nodes,
        _ => &[],
    }
}

/// The text of an entry.
fn text_of<'n>(node: &'n Node, key: &'n str) -> Option<&'n str> {
    node.last(key).and_then(Node::text)
}

/// The variables that a script sets for the steps behind it, by writing to the file that `GITHUB_ENV` names.
fn set_for_later(script: &str) -> impl Iterator<Item = String> {
    let lines = script.lines().filter(|_| script.contains("GITHUB_ENV"));
    let is_in_a_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    lines.flat_map(|line| line.split('=')).map(move |part| {
        let name = part.rsplit(|c| !is_in_a_name(c)).next();
        name.unwrap_or_default().to_owned()
    })
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
        let of = |key| node.last(key);
        Self { directory: of("working-directory").or(self.directory), shell: of("shell").or(self.shell) }
    }

    fn run_of(&self, node: &'n Node) -> Self {
        let run = node.last("defaults").and_then(|defaults| defaults.last("run"));
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
        let scope = self.scope.with(step.last("env"));
        let mut reading = Reading::default();
        if let Some(uses) = step.last("uses") {
            let with = step.last("with");
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
        if let (Some(script), true, Some(directory)) = (step.last("run"), is_posix, directory) {
            let mut place = Place::at(&directory);
            reading.add(commands::of_string(script, &mut place, &|name| scope.lookup(name), self.text));
        }
        reading
    }
}

/// Where a job puts what is in this repository, and where others.
struct Checkout {
    /// The directory, empty for the top; `None` if it works on something else.
    own: Option<String>,
    others: Vec<String>,
}

impl Checkout {
    fn of(steps: &[Node]) -> Self {
        let mut checkout = Self { own: None, others: Vec::new() };
        for step in steps {
            let uses = text_of(step, "uses").unwrap_or_default();
            let with = |key| step.last("with").and_then(|with| text_of(with, key));
            // An action of this repository is there only once that is checked out; and git can be told anything.
            let is_there = uses.starts_with("./") || text_of(step, "run").is_some_and(|run| run.contains("git "));
            if uses.contains("checkout") {
                let path = commands::joined("", with("path").unwrap_or_default());
                // Which repository this is, nobody knows from here.
                if with("repository").is_none_or(|name| name.contains("github.")) {
                    checkout.own = checkout.own.or(path);
                } else {
                    checkout.others.extend(path.filter(|path| !path.is_empty()));
                }
            } else if is_there && checkout.own.is_none() {
                checkout.own = Some(String::new());
            }
        }
        checkout
    }

    /// Turns the directory that a pin is for into one of the repository.
    fn place(&self, pin: &mut Pin) {
        let below = |directory: &[u8], top: &str| match directory.strip_prefix(top.as_bytes())? {
            rest if top.is_empty() || rest.is_empty() => Some(rest.to_vec()),
            [b'/', rest @ ..] => Some(rest.to_vec()),
            _ => None,
        };
        let is_others = self.others.iter().any(|other| below(&pin.directory, other).is_some());
        match self.own.as_ref().and_then(|own| below(&pin.directory, own)).filter(|_| !is_others) {
            Some(directory) => pin.directory = directory,
            None => pin.is_elsewhere = true,
        }
    }
}

/// What is given to an action or a workflow of the same repository.
fn call(uses: &str, with: Option<&Node>) -> Option<Call> {
    let path = commands::joined("", uses.strip_prefix("./")?)?;
    let inside = ["action.yml", "action.yaml"].iter().filter_map(|name| commands::joined(&path, name));
    let paths = std::iter::once(path.clone()).chain(inside).map(String::into_bytes).collect();
    let named = |(name, value): (String, Option<Variable>)| (format!("inputs.{name}"), value);
    Some(Call { paths, arguments: variables(with).map(named).collect() })
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
        let node = with.last(input).filter(|_| is_meant)?;
        let is_none = |word: &Resolved| matches!(word.known(), Some("" | "~" | "null"));
        let word = scope.resolve(node).filter(|word| !is_none(word))?;
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
    fn what_a_step_sets_for_later_ones_is_not_known() {
        for (run, count) in [
            ("echo \"V=9.15.0\" >> $GITHUB_ENV", 0),
            ("echo V=9.15.0", 1),
            ("|\n          # 版本\n          echo \"éV=9.15.0\" >> $GITHUB_ENV", 0),
        ] {
            let text = format!(
                "env: {{V: 9.14.0}}\njobs:\n  a:\n    steps:\n      - uses: actions/checkout@v4\n      - run: {run}\n      - run: npm i -g pnpm@$V"
            );
            let found = told(&[("package.json", MANIFEST), (".github/workflows/a.yml", &text)]);
            assert_eq!(found.len(), count, "{run}: {found:?}");
        }
    }

    #[test]
    fn what_is_checked_out_beside_it_is_another_repository() {
        let steps = "jobs:\n  a:\n    steps:\n      - uses: actions/checkout@v4\n      - uses: actions/checkout@v4\n        with: {repository: other/app, path: app}\n";
        for (step, count) in [
            ("      - working-directory: app/web\n        run: npm i -g pnpm@9.15.0", 0),
            (
                "      - uses: pnpm/action-setup@v4\n        with: {version: 9.15.0, package_json_file: app/package.json}",
                0,
            ),
            ("      - uses: pnpm/action-setup@v4\n        with: {version: ~}", 0),
            ("      - run: npm i -g pnpm@9.15.0", 1),
        ] {
            let text = format!("{steps}{step}");
            let found = told(&[("package.json", MANIFEST), (".github/workflows/a.yml", &text)]);
            assert_eq!(found.len(), count, "{step}: {found:?}");
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
