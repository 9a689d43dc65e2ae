//! Pins of workflows and composite actions: in their steps, and in the inputs that they pass to
//! each other.

use crate::formats::shell::{Resolved, Variable, is_shell_name};
use crate::models::workflow::{Callee, Uses, Workflow, WorkflowJob, WorkflowStep};
use crate::models::{Scalar, StringMap};
use crate::pins::images::{self, Container};
use crate::pins::pin::{Call, FilePins, Manager, Pin, PinKind, Strictness};
use crate::pins::scope::{VariableScope, variables};
use crate::pins::scripts::{self, WorkingDirectory};
use crate::project::directories::relative_to;

pub(super) fn workflow_pins(
    workflow: &Workflow,
    text: &[u8],
    arguments: Vec<(String, Variable)>,
) -> FilePins {
    let given = arguments.into_iter().map(|(name, variable)| (name, Some(variable)));
    let scope =
        VariableScope::new(variables(&workflow.env).chain(inputs(&workflow.inputs)).chain(given));
    let jobs = workflow.jobs.iter().filter(|job| !is_off(job.condition.as_ref()));
    let jobs = jobs.map(|job| job_pins(job, &scope.with(&job.env), text));
    let mut steps = steps_pins(&workflow.steps, Container::default(), &scope, text);
    steps.end_of_build();
    jobs.chain([steps]).collect()
}

fn job_pins(job: &WorkflowJob, scope: &VariableScope<'_>, text: &[u8]) -> FilePins {
    let scripts = job.steps.iter().filter_map(script);
    let image = images::image_of(job.image.as_ref(), scope);
    let container = Container::new(image.as_ref());
    let inner = scope.without(scripts.flat_map(set_for_later));
    let mut found = steps_pins(&job.steps, container, &inner, text);
    let checkout = Checkout::new(&job.steps, scope);
    found.visited = found.visited.iter().filter_map(|path| checkout.inside(path)).collect();
    found.end_of_build();
    found.pins.iter_mut().for_each(|pin| checkout.place(pin));
    found.calls.extend(job.uses.as_ref().and_then(call));
    found.pins.extend(image.and_then(|image| images::reference_pin(&image, text)));
    found
}

/// Whether a job or step with this `if` never runs.
pub(super) fn is_off(condition: Option<&Scalar>) -> bool {
    let text = condition.and_then(Scalar::text).map(str::trim);
    matches!(text, Some("false" | "${{ false }}"))
}

fn script(step: &WorkflowStep) -> Option<&str> {
    step.run.as_ref().and_then(Scalar::text)
}

/// The variables that a script may set for later steps, in the file `$GITHUB_ENV`.
pub(super) fn set_for_later(script: &str) -> impl Iterator<Item = String> {
    let lines = script.lines().filter(|_| script.contains("GITHUB_ENV"));
    let is_in_a_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    lines.flat_map(|line| line.split('=')).map(move |part| {
        let name = part.rsplit(|c| !is_in_a_name(c)).next();
        name.unwrap_or_default().to_owned()
    })
}

/// The pins of the steps of a job, in the container that it starts with.
fn steps_pins(
    steps: &[WorkflowStep],
    mut container: Container,
    scope: &VariableScope<'_>,
    text: &[u8],
) -> FilePins {
    let steps = steps.iter().filter(|step| !is_off(step.condition.as_ref()));
    let pins = |step: &WorkflowStep| {
        let mut found = step_pins(step, &mut container, &scope.with(&step.env), text);
        // A step that depends on the matrix is one variant of several.
        let condition = step.condition.as_ref().and_then(Scalar::text);
        let is_variant = condition.is_some_and(|condition| condition.contains("matrix."));
        found.pins.iter_mut().for_each(|pin| pin.is_exempt |= is_variant);
        if step.may_fail || step.condition.is_some() {
            found.faults.clear();
        }
        found
    };
    steps.map(pins).collect()
}

fn step_pins(
    step: &WorkflowStep,
    container: &mut Container,
    scope: &VariableScope<'_>,
    text: &[u8],
) -> FilePins {
    let mut found = FilePins::default();
    if let Some(uses) = &step.uses {
        found.calls.extend(call(uses));
        found.pins.extend(input_pins(uses, scope, text));
        if !adds_no_program(uses) {
            container.corepack = None;
        }
    }
    if let (Some(script), Some(directory)) = (&step.run, script_directory(step, scope)) {
        let mut place = WorkingDirectory::at(&directory);
        let variables = &|name: &str| scope.lookup(name);
        found.add(scripts::script_pins(script, &mut place, container, variables, text));
    } else if step.run.is_some() {
        container.corepack = None;
    }
    found
}

/// The working directory of the script of a step; `None` if it is unknown, or if the script is not
/// for a POSIX shell.
pub(super) fn script_directory(step: &WorkflowStep, scope: &VariableScope<'_>) -> Option<String> {
    let shell = step.settings.shell.as_ref().and_then(Scalar::text);
    let program = shell.map(|shell| shell.split_ascii_whitespace().next());
    if !program.is_none_or(|program| program.is_some_and(is_shell_name)) {
        return None;
    }
    match &step.settings.directory {
        Some(directory) => scope.resolve(directory)?.known().map(str::to_owned),
        None => Some(String::new()),
    }
}

/// Whether an action installs no program.
fn adds_no_program(uses: &Uses) -> bool {
    let actions = [
        "actions/checkout",
        "actions/cache",
        "actions/upload-artifact",
        "actions/download-artifact",
    ];
    matches!(&uses.callee, Callee::Remote { name, .. } if actions.contains(&name.as_str()))
}

/// The directories into which a job checks out this and other repositories.
#[derive(Debug)]
pub(super) struct Checkout {
    /// Empty for the top of the workspace; `None` if this repository is not checked out.
    own: Option<String>,
    others: Vec<String>,
}

impl Checkout {
    /// This repository at the top of the workspace.
    pub(super) fn whole() -> Self {
        Self { own: Some(String::new()), others: Vec::new() }
    }

    pub(super) fn new(steps: &[WorkflowStep], scope: &VariableScope<'_>) -> Self {
        let path = |uses: &Uses| match uses.with.last("path") {
            Some(path) => scripts::joined("", scope.resolve(path)?.known()?),
            None => Some(String::new()),
        };
        let mut checkout = Self { own: None, others: Vec::new() };
        for step in steps {
            let is_local =
                step.uses.as_ref().is_some_and(|uses| matches!(uses.callee, Callee::Local(_)));
            if let Some(uses) = step.uses.as_ref().filter(|uses| uses.written.contains("checkout"))
            {
                let path = path(uses);
                // `${{ github.repository }}` is most likely this one.
                if uses.with.text("repository").is_none_or(|name| name.contains("github.")) {
                    checkout.own = checkout.own.or(path);
                } else {
                    checkout.others.extend(path.filter(|path| !path.is_empty()));
                }
            } else if checkout.own.is_none()
                && (is_local || script(step).is_some_and(|run| run.contains("git ")))
            {
                // A local action needs a checkout, and a git command may make one.
                checkout.own = Some(String::new());
            }
        }
        checkout
    }

    /// A path relative to this repository; `None` if it is outside of it.
    pub(super) fn inside(&self, path: &[u8]) -> Option<Vec<u8>> {
        let below = |top: &String| relative_to(top.as_bytes(), path);
        let is_of_another = self.others.iter().any(|other| below(other).is_some());
        self.own.as_ref().and_then(below).filter(|_| !is_of_another).map(<[u8]>::to_vec)
    }

    /// Makes the directory of a pin relative to this repository; a pin outside of it is exempt.
    fn place(&self, pin: &mut Pin) {
        match self.inside(&pin.directory) {
            Some(directory) => pin.directory = directory,
            None => pin.is_exempt = true,
        }
    }
}

/// Inputs, by their names in expressions.
pub(super) fn inputs(inputs: &StringMap) -> impl Iterator<Item = (String, Option<Variable>)> {
    variables(inputs).map(|(name, value)| (format!("inputs.{name}"), value))
}

/// The use of an action or workflow of the same repository.
fn call(uses: &Uses) -> Option<Call> {
    let Callee::Local(path) = &uses.callee else { return None };
    let path = scripts::joined("", path)?;
    let inside =
        ["action.yml", "action.yaml"].iter().filter_map(|name| scripts::joined(&path, name));
    let paths = std::iter::once(path.clone()).chain(inside).map(String::into_bytes).collect();
    Some(Call { paths, arguments: inputs(&uses.with).collect() })
}

/// The inputs that are versions: the action (`None` for any), the input, and its package manager.
const INPUTS: [(Option<&str>, &str, Manager); 7] = [
    (Some(ACTION_SETUP), "version", Manager::Pnpm),
    (Some(PNPM_SETUP), "version", Manager::Pnpm),
    (Some("threeal/setup-yarn-action"), "version", Manager::Yarn),
    (None, "pnpm-version", Manager::Pnpm),
    (None, "pnpm_version", Manager::Pnpm),
    (None, "yarn-version", Manager::Yarn),
    (None, "npm-version", Manager::Npm),
];

const ACTION_SETUP: &str = "pnpm/action-setup";
const PNPM_SETUP: &str = "pnpm/setup";

/// The pins in the inputs of an action of another repository.
fn input_pins(uses: &Uses, scope: &VariableScope<'_>, text: &[u8]) -> Vec<Pin> {
    let Callee::Remote { name, reference } = &uses.callee else { return Vec::new() };
    let manifest = ["package_json_file", "package-json-file"];
    let manifest = manifest.into_iter().find_map(|key| uses.with.text(key));
    let Some(manifest) = scripts::joined("", manifest.unwrap_or_default()) else {
        return Vec::new();
    };
    let directory = manifest.rsplit_once('/').map_or("", |(directory, _)| directory);
    let pin = |&(action, input, manager): &(Option<&'static str>, &'static str, Manager)| {
        let is_for_action =
            action.map_or(!name.starts_with('.'), |action| action.eq_ignore_ascii_case(name));
        let value = uses.with.last(input).filter(|_| is_for_action)?;
        let is_null = |word: &Resolved| matches!(word.known(), Some("" | "~" | "null"));
        let word = scope.resolve(value).filter(|word| !is_null(word))?;
        let kind = PinKind::Action(action.unwrap_or(input));
        let pin = Pin::from_word(kind, manager, &word.text, &word, text);
        let strictness = action.map_or(Strictness::Version, |action| {
            strictness(action, reference, uses.comment.as_deref())
        });
        Some(Pin { directory: directory.into(), strictness, ..pin })
    };
    INPUTS.iter().filter_map(pin).collect()
}

/// What an action requires of its version. Since version 4, `pnpm/action-setup` accepts only that
/// of the manifest, and version 4 compares the hash as well; `pnpm/setup` always did, without the
/// hash.
fn strictness(action: &str, reference: &str, comment: Option<&str>) -> Strictness {
    let major = |version: &str| version.strip_prefix('v')?.split('.').next()?.parse::<u64>().ok();
    match action {
        PNPM_SETUP => Strictness::ExactVersion,
        // The version of a commit is in a comment, if at all.
        ACTION_SETUP => match major(reference).or_else(|| comment.and_then(major)) {
            Some(4) => Strictness::Text,
            Some(5..) => Strictness::ExactVersion,
            _ => Strictness::Version,
        },
        _ => Strictness::Version,
    }
}

#[cfg(test)]
mod tests {
    use crate::pins::tests::{MANIFEST, mismatches};

    #[test]
    fn every_step_of_a_workflow_is_read() {
        let head = "on: push\nenv: {V: 9.15.0}\njobs:\n  a:\n    steps:\n      \
                    - uses: actions/checkout@v4\n";
        for (steps, expected) in [
            (
                "      - uses: pnpm/action-setup@v2\n        with: {version: 9.15.0}",
                &["8:25 pnpm 9.15.0"][..],
            ),
            ("      - uses: pnpm/action-setup@v4\n        with: {version: 10}", &["8:25 pnpm 10"]),
            ("      - uses: pnpm/action-setup@v3\n        with: {version: 10}", &[]),
            ("      - uses: pnpm/action-setup@v6\n        with: {version: 10.6.5}", &[]),
            (
                "      - uses: pnpm/action-setup@v4\n        with: {version: '${{ env.V }}'}",
                &["2:10 pnpm 9.15.0"],
            ),
            ("      - uses: pnpm/action-setup@v4", &[]),
            (
                "      - uses: volta-cli/action@v4\n        with: {yarn-version: 1.22.22}",
                &["8:30 yarn 1.22.22"],
            ),
            ("      - run: npm i -g pnpm@$V", &["2:10 pnpm 9.15.0"]),
            (
                "      - run: |\n          set -e\n          npm i -g pnpm@9.15.0 && pnpm i",
                &["9:25 pnpm 9.15.0"],
            ),
            ("      - run: >-\n          npm i -g\n          pnpm@9.15.0", &["9:16 pnpm 9.15.0"]),
            ("      - shell: pwsh\n        run: npm i -g pnpm@9.15.0", &[]),
            ("      - working-directory: ../x\n        run: npm i -g pnpm@9.15.0", &[]),
            (
                "      - working-directory: ./x\n        run: npm i -g pnpm@9.15.0",
                &["8:28 pnpm 9.15.0"],
            ),
            ("      - if: matrix.client == 'old'\n        run: npm i -g pnpm@9.15.0", &[]),
            ("      - run: npm i -g pnpm@${{ matrix.pnpm }}", &[]),
        ] {
            let found = mismatches(&[
                ("package.json", MANIFEST),
                (".github/workflows/a.yml", &format!("{head}{steps}")),
            ]);
            let shown = |line: &String| {
                let line = line.strip_prefix(".github/workflows/a.yml:").unwrap_or(line);
                line.split(" is installed").next().unwrap().replace(": ", " ")
            };
            assert_eq!(found.iter().map(shown).collect::<Vec<_>>(), expected, "{steps}");
        }
        // A job without a checkout of this repository.
        let elsewhere = "jobs:\n  a:\n    steps:\n      - uses: pnpm/action-setup@v4\n        \
                         with: {version: 9}";
        assert_eq!(
            mismatches(&[("package.json", MANIFEST), (".gitea/workflows/a.yaml", elsewhere)]),
            [""; 0]
        );
        assert_eq!(
            mismatches(&[("package.json", MANIFEST), ("docs/workflows/a.yaml", elsewhere)]),
            [""; 0]
        );
    }

    #[test]
    fn an_action_that_compares_the_text_requires_the_hash() {
        let hashed = r#"{"packageManager": "pnpm@10.6.5+sha1.ab"}"#;
        for (version, expected) in [
            ("v4", 1),
            ("v4.1.0", 1),
            ("v6", 0),
            ("v3", 0),
            ("fe02b34f77f8bc703788d5817da081398fad5dd2", 0),
        ] {
            let text = format!(
                "jobs: {{a: {{steps: [{{uses: actions/checkout@v4}}, {{uses: \
                 pnpm/action-setup@{version}, with: {{version: 10.6.5}}}}]}}}}"
            );
            assert_eq!(
                mismatches(&[("package.json", hashed), (".github/workflows/a.yml", &text)]).len(),
                expected,
                "{version}"
            );
        }
    }

    #[test]
    fn a_script_runs_where_cd_leads() {
        let web = ("web/package.json", r#"{"packageManager": "pnpm@9.15.0"}"#);
        for (run, count) in [
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
            ("cd \"$GITHUB_WORKSPACE\" && npm i -g pnpm@9.14.0", 1),
            ("cd ${GITHUB_WORKSPACE}/web && npm i -g pnpm@10.6.5", 1),
            ("cd ${{ github.workspace }}/web && npm i -g pnpm@9.15.0", 0),
            ("cd ${{ github.workspace }}/api && npm i -g pnpm@9.14.0", 1),
            ("cd $HERE && cd $GITHUB_WORKSPACE && npm i -g pnpm@9.14.0", 1),
            ("cd $GITHUB_WORKSPACE/.. && npm i -g pnpm@9.14.0", 0),
            ("cd $GITHUB_WORKSPACE$X && npm i -g pnpm@9.14.0", 0),
        ] {
            let text = format!(
                "jobs:\n  a:\n    steps:\n      - uses: actions/checkout@v4\n      - run: {run}"
            );
            let found =
                mismatches(&[("package.json", MANIFEST), web, (".github/workflows/a.yml", &text)]);
            assert_eq!(found.len(), count, "{run}: {found:?}");
        }
    }

    #[test]
    fn a_variable_that_a_step_sets_is_unknown_in_later_steps() {
        for (run, count) in [
            ("echo \"V=9.15.0\" >> $GITHUB_ENV", 0),
            ("echo V=9.15.0", 1),
            ("|\n          # 版本\n          echo \"éV=9.15.0\" >> $GITHUB_ENV", 0),
        ] {
            let text = format!(
                "env: {{V: 9.14.0}}\njobs:\n  a:\n    steps:\n      \
                 - uses: actions/checkout@v4\n      - run: {run}\n      - run: npm i -g pnpm@$V"
            );
            let found =
                mismatches(&[("package.json", MANIFEST), (".github/workflows/a.yml", &text)]);
            assert_eq!(found.len(), count, "{run}: {found:?}");
        }
    }

    #[test]
    fn a_second_checkout_is_another_repository() {
        let steps = "jobs:\n  a:\n    steps:\n      - uses: actions/checkout@v4\n      \
                     - uses: actions/checkout@v4\n        \
                     with: {repository: other/app, path: app}\n";
        for (step, count) in [
            ("      - working-directory: app/web\n        run: npm i -g pnpm@9.15.0", 0),
            (
                "      - uses: pnpm/action-setup@v4\n        with: {version: 9.15.0, \
                 package_json_file: app/package.json}",
                0,
            ),
            ("      - uses: pnpm/action-setup@v4\n        with: {version: ~}", 0),
            ("      - run: npm i -g pnpm@9.15.0", 1),
        ] {
            let text = format!("{steps}{step}");
            let found =
                mismatches(&[("package.json", MANIFEST), (".github/workflows/a.yml", &text)]);
            assert_eq!(found.len(), count, "{step}: {found:?}");
        }
    }

    #[test]
    fn a_job_uses_the_repository_that_it_checks_out() {
        let web = ("web/package.json", r#"{"packageManager": "pnpm@9.15.0"}"#);
        for (checkout, step, count) in [
            ("", "run: npm i -g pnpm@9.14.0", 1),
            ("path: here", "run: npm i -g pnpm@9.14.0", 0),
            ("path: here", "working-directory: here\n        run: npm i -g pnpm@9.14.0", 1),
            (
                "path: '${{ github.workspace }}/here'",
                "working-directory: ${{ github.workspace }}/here/web\n        run: npm i -g \
                 pnpm@9.14.0",
                1,
            ),
            ("path: '${{ matrix.path }}'", "run: npm i -g pnpm@9.14.0", 0),
            ("path: here", "working-directory: here/web\n        run: npm i -g pnpm@9.15.0", 0),
            ("repository: other/repo", "run: npm i -g pnpm@9.14.0", 0),
            ("repository: '${{ github.repository }}'", "run: npm i -g pnpm@9.14.0", 1),
        ] {
            let text = format!(
                "jobs:\n  a:\n    steps:\n      - uses: actions/checkout@v4\n        with: \
                 {{{checkout}}}\n      - {step}"
            );
            let found =
                mismatches(&[("package.json", MANIFEST), web, (".github/workflows/a.yml", &text)]);
            assert_eq!(found.len(), count, "{checkout} {step}: {found:?}");
        }
    }
}
