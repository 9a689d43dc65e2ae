#![doc = include_str!("../../../docs/rules/package-manager-mismatch.md")]

use crate::base::finding::Step;
use crate::pins::{Demand, Pin, PinId, PinKind, PinTable, Relation, Role, Row, Strictness};
use crate::rule::{Check, Findings, Rule, RuleGroup};

/// The row of the rule table.
pub(crate) const RULE: Rule = Rule {
    id: "package-manager-mismatch",
    summary: "pins of one build that name different package managers or versions",
    manual: include_str!("../../../docs/rules/package-manager-mismatch.md"),
    check: Check::Pins(judge),
    ..Rule::base(RuleGroup::Pins)
};

fn judge(table: &PinTable, findings: &mut Findings) {
    for row in table.new_rows().filter(|row| row.relation == Relation::Differs) {
        let Some(reference) = table.reference(row) else { continue };
        let (pin, message) = (table.pin(row.id), message(table, row, reference));
        let wanted = table.pin(reference);
        let is_declared = wanted.kind.role() == Role::Declares;
        let can_move = pin.version.is_some() && pin.manager == wanted.manager;
        let (help, steps) = match pin.kind {
            PinKind::Action(_) if pin.strictness_to(wanted) != Strictness::Version => {
                ("leave the version out: the action reads package.json", STAGE)
            }
            _ if can_move && is_declared => {
                ("make both the same; `bakstop pins --set` moves them all", MOVE)
            }
            _ if can_move => {
                ("make both the same; `bakstop pins --set NAME@VERSION` moves them all", STAGE)
            }
            _ => ("make both the same", STAGE),
        };
        let label = if is_declared { "pinned here" } else { "installed here" };
        findings
            .place(table.file(row.id), &pin.place, message)
            .label(table.file(reference), &wanted.place, label)
            .help(help, steps);
    }
}

const STAGE: &[Step] = &[Step::Stage];
const MOVE: &[Step] = &[Step::MovePins, Step::Stage];

fn message(table: &PinTable, row: &Row, reference: PinId) -> String {
    let (pin, wanted) = (table.pin(row.id), table.pin(reference));
    let (version, path) = (describe(pin), &table.file(reference).path);
    if pin.strictness_to(wanted) == Strictness::Text && pin.demand == wanted.demand {
        return format!(
            "{version} differs from {path} in its hash, which this version of the action compares"
        );
    }
    let statement = match pin.kind.role() {
        Role::Installs => format!("{version} is installed here"),
        Role::Declares => format!("{version} is declared here"),
        Role::Accepts => format!("only {version} is accepted here"),
    };
    let verb = if wanted.kind.role() == Role::Declares { "pins" } else { "installs" };
    format!("{statement}, but {path} {verb} {}", describe(wanted))
}

/// The package manager and its version: "pnpm 10.6.5", "pnpm ^9", "pnpm".
fn describe(pin: &Pin) -> String {
    let name = pin.manager.name();
    match &pin.demand {
        Demand::Exact(version) => format!("{name} {version}"),
        Demand::Range(text) | Demand::Tag(text) => {
            format!("{name} {}", crate::base::escape::Escaped(text.as_bytes()))
        }
        Demand::Newest | Demand::Empty(_) | Demand::Unknown => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::RULE;
    use crate::engine::tests::{Fake, transcript};
    use crate::pins::tests::{MANIFEST, mismatches};

    /// The findings in a Dockerfile next to a manifest that pins pnpm 10.6.5: `line:column
    /// version`.
    fn judged(dockerfile: &str) -> Vec<String> {
        let change = Fake::default().file("package.json", MANIFEST).file("Dockerfile", dockerfile);
        let found = transcript(&RULE, &change);
        found
            .iter()
            .map(|line| {
                line.strip_prefix("Dockerfile:")
                    .and_then(|line| {
                        line.strip_suffix(" is installed here, but package.json pins pnpm 10.6.5")
                    })
                    .map_or_else(|| line.clone(), |line| line.replace(": ", " "))
            })
            .collect()
    }

    #[test]
    fn the_finding_names_both_sides() {
        let change = Fake::default()
            .file("package.json", r#"{"packageManager": "yarn@1.22.22"}"#)
            .file("backend/package.json", MANIFEST)
            .file(
                "backend/docker/Dockerfile.prod",
                "FROM node\nRUN corepack enable && \\\n    npm i -g pnpm@9.15.0\n",
            );
        assert_eq!(
            transcript(&RULE, &change),
            ["backend/docker/Dockerfile.prod:3:19: pnpm 9.15.0 is installed here, but \
                 backend/package.json pins pnpm 10.6.5"]
        );
    }

    #[test]
    fn every_spelling_of_an_install() {
        for run in [
            "npm install -g pnpm@9.15.0",
            "npm i -g pnpm@9.15.0",
            "npm -g i pnpm@9.15.0",
            "npm add pnpm@9.15.0 --global",
            "npm --location=global isntall pnpm@9.15.0",
            "npm i --location global pnpm@9.15.0",
            "npm i -L global pnpm@9.15.0",
            "npm i -gf pnpm@9.15.0",
            "npm i --global=true pnpm@9.15.0",
            "npm i -g --no-audit --loglevel error typescript@5.0.0 'pnpm@9.15.0'",
            "npm --registry $REGISTRY --prefix /usr/local i -g pnpm@9.15.0",
            "npm i -g -- pnpm@9.15.0",
            "npm i -g \"pnpm@v9.15.0\"",
            "/usr/bin/npm i -g pnpm@9.15.0+sha512.abc",
            "corepack prepare pnpm@9.15.0 --activate",
            "corepack prepare --activate yarn@$YARN pnpm@9.15.0+sha256.abc",
            "corepack install -g pnpm@9.15.0",
            "corepack install --global pnpm@9.15.0",
            "corepack use pnpm@9.15.0",
            "corepack pnpm@9.15.0 install",
            "npm i -g @pnpm/exe@9.15.0",
            "yarn global add pnpm@9.15.0",
            "pnpm add --global pnpm@9.15.0",
            "pnpm self-update 9.15.0",
            "bun add -g pnpm@9.15.0",
            "npx -y pnpm@9.15.0 install",
            "npm exec --yes pnpm@9.15.0 install",
            "pnpm dlx pnpm@9.15.0 install",
            "volta install node@22 pnpm@9.15.0",
            "mise use -g pnpm@9.15.0",
            "asdf install pnpm 9.15.0",
            "proto install pnpm 9.15.0",
            "sh -c 'npm i -g pnpm@9.15.0'",
            "[\"sh\", \"-ec\", \"npm i -g pnpm@9.15.0\"]",
            "npm i -g pnpm@${UNSET:-9.15.0}",
            "curl -fsSL https://get.pnpm.io/install.sh | env PNPM_VERSION=9.15.0 sh -",
            "wget -qO- https://get.pnpm.io/install.sh | ENV=/etc/shrc PNPM_VERSION=9.15.0 bash -",
            "PNPM_VERSION=9.15.0 sh -c \"$(curl -fsSL https://get.pnpm.io/install.sh)\"",
            "curl -fsSLo /bin/pnpm \
             https://github.com/pnpm/pnpm/releases/download/v9.15.0/pnpm-linux-$(uname -m)",
            "curl -o p.tgz https://registry.example.org/pnpm/-/pnpm-9.15.0.tgz",
            "if true; then A=b sudo -E npm i -g pnpm@9.15.0 2>&1 >/dev/null; fi",
            "sudo -u node npm i -g pnpm@9.15.0",
            "su node -c \"npm i -g pnpm@9.15.0\"",
            "su - node -s /bin/bash -c 'cd /app && npm i -g pnpm@9.15.0'",
            "runuser -u node -- npm i -g pnpm@9.15.0",
            "gosu node npm i -g pnpm@9.15.0",
            "setpriv --reuid node --init-groups npm i -g pnpm@9.15.0",
            "timeout -s KILL 60 nice -n 10 npm i -g pnpm@9.15.0",
            "bash -euxo pipefail -c \"npm i -g pnpm@9.15.0\"",
            "chroot --userspec=node / npm i -g pnpm@9.15.0",
            "env -S 'npm i -g pnpm@9.15.0'",
            "eval \"npm i -g pnpm@9.15.0\"",
            "[\"su\", \"node\", \"-c\", \"npm i -g pnpm@9.15.0\"]",
            "[\"tini\", \"--\", \"npm\", \"i\", \"-g\", \"pnpm@9.15.0\"]",
            "mise use npm:pnpm@9.15.0",
            "npm i -g https://registry.example.org/pnpm/-/pnpm-9.15.0.tgz",
            "echo $(date) && (cd /app; npm i -g pnpm@9.15.0) # done",
            "--mount=type=cache,target=/home/node/.npm --network=host npm i -g pnpm@9.15.0",
            "[\"npm\", \"i\", \"-g\", \"pnpm@9.15.0\"]",
        ] {
            let column = run.find("9.15.0").unwrap() + 5 - usize::from(run.contains("@v"));
            assert_eq!(
                judged(&format!("FROM node\nRUN {run}")),
                [format!("2:{column} pnpm 9.15.0")],
                "{run}"
            );
        }
    }

    #[test]
    fn commands_that_pin_no_other_version_pass() {
        for run in [
            "corepack enable",
            "corepack prepare pnpm@10.6.5 --activate",
            "corepack prepare pnpm@9.15.0",
            "corepack install -g --cache-only pnpm@9.15.0",
            "npm install pnpm@9.15.0",
            "npm i -g --global=false pnpm@9.15.0",
            "npm i -g --tag pnpm@9.15.0",
            "npm run i -g pnpm@9.15.0",
            "npm i -g pnpm@10 pnpm@^10.6.0 pnpm@latest pnpm pnpm@ pnpm@10.6 pnpm@>=9.15.0",
            "npm i -g pnpm@$UNKNOWN pnpm@${V#9} pnpm@$(cat v) pnpm@`cat v` 'pnpm@$V'",
            "npm i -g @scope/pnpm@9.15.0 pnpm-x@9.15.0 npm:pnpm@9.15.0 PNPM@9.15.0",
            "npm i -g npm@11.0.0",
            "echo corepack prepare pnpm@9.15.0 --activate",
            "echo 'a && npm i -g pnpm@9.15.0'",
            "su node -c \"echo npm i -g pnpm@9.15.0\"",
            "su node -c \"npm i -g pnpm@$UNKNOWN\"",
            "echo su node -c 'npm i -g pnpm@9.15.0'",
            "timeout npm i -g pnpm@9.15.0",
            "sudo -l npm i -g pnpm@9.15.0",
            "command -v npm i -g pnpm@9.15.0",
            "ionice -p npm i -g pnpm@9.15.0",
            "true # && npm i -g pnpm@9.15.0",
            "[\"npm\", \"i\", \"-g\", \"pnpm@$V\"]",
            "V=9.14.0 && npm i -g pnpm@$V",
            "for V in 9.14.0; do npm i -g pnpm@$V; done",
            "npm i -g pnpm@10.6.5+sha1.other",
        ] {
            assert_eq!(judged(&format!("FROM node\nENV V=9.15.0\nRUN {run}")), [""; 0], "{run}");
        }
    }

    #[test]
    fn another_manager_is_a_mismatch_but_npm_may_upgrade_itself() {
        assert_eq!(judged("RUN npm i -g yarn@1.22.22 npm@11.0.0"), ["1:19 yarn 1.22.22"]);
        assert_eq!(judged("RUN corepack prepare npm@11.0.0 --activate"), ["1:26 npm 11.0.0"]);
    }

    #[test]
    fn variables_of_the_same_stage_are_followed_to_where_they_are_set() {
        for (dockerfile, expected) in [
            ("FROM node\nARG V=9.15.0\nRUN npm i -g pnpm@$V", &["2:7 pnpm 9.15.0"][..]),
            (
                "FROM node\nARG V=\"9.15.0\"\nENV W=${V}\nRUN npm i -g pnpm@$W pnpm@${W}",
                &["2:8 pnpm 9.15.0"],
            ),
            ("FROM node\nENV PM pnpm@9.15.0\nRUN npm i -g \"$PM\"", &["2:13 pnpm 9.15.0"]),
            ("FROM node\nENV M=15\nRUN npm i -g pnpm@9.$M.0", &["3:14 pnpm 9.15.0"]),
            ("FROM node\nENV V=9.15.0\nRUN npm i -g pnpm@$V npm@$V", &["2:7 pnpm 9.15.0"]),
            // Builders disagree on an ARG after an ENV.
            ("FROM node\nENV V=10.6.5\nARG V=9.15.0\nRUN npm i -g pnpm@$V", &[]),
            // An instruction is evaluated as a whole.
            (
                "FROM node\nENV V=9.15.0\nENV V=10.6.5 W=$V\nRUN npm i -g pnpm@$W",
                &["2:7 pnpm 9.15.0"],
            ),
            // A global ARG is known where it is declared again.
            ("ARG V=9.15.0\nFROM node\nARG V\nRUN npm i -g pnpm@$V", &["1:7 pnpm 9.15.0"]),
            ("FROM node AS a\nARG V=9.15.0\nFROM a\nRUN npm i -g pnpm@$V", &["2:7 pnpm 9.15.0"]),
            ("FROM node\nARG V=9.15.0\nARG V\nRUN npm i -g pnpm@$V", &["2:7 pnpm 9.15.0"]),
            ("ARG V=9.15.0\nFROM node\nRUN npm i -g pnpm@$V", &[]),
            ("FROM node\nARG V=9.15.0\nFROM node\nRUN npm i -g pnpm@$V", &[]),
            ("FROM node\nRUN npm i -g pnpm@$V\nENV V=9.15.0", &[]),
            // The same for an ENV of the base stage.
            ("FROM node AS a\nENV V=10.6.5\nFROM a\nARG V=9.15.0\nRUN npm i -g pnpm@$V", &[]),
            ("FROM node\nARG YARN_VERSION=9.15.0\nRUN npm i -g pnpm@$YARN_VERSION", &[]),
        ] {
            assert_eq!(judged(dockerfile), expected, "{dockerfile}");
        }
    }

    #[test]
    fn the_manifest_is_found_as_corepack_finds_it() {
        let dockerfile = "RUN npm i -g pnpm@9.15.0";
        let judged = |manifests: &[(&str, &str)]| {
            let change = Fake::default().file("a/b/c/Dockerfile", dockerfile);
            let change = manifests.iter().fold(change, |change, (path, field)| {
                change.file(path, &format!("{{\"name\": \"x\"{field}}}"))
            });
            transcript(&RULE, &change)
                .iter()
                .map(|line| line.rsplit("but ").next().unwrap().to_owned())
                .collect::<Vec<_>>()
        };
        let other = ", \"packageManager\": \"pnpm@10.6.5\"";
        assert_eq!(judged(&[("package.json", other)]), ["package.json pins pnpm 10.6.5"]);
        assert_eq!(
            judged(&[("a/package.json", other), ("a/b/package.json", "")]),
            ["a/package.json pins pnpm 10.6.5"]
        );
        for absent in ["\"\"", "null", "false"] {
            let absent = format!(", \"packageManager\": {absent}");
            assert_eq!(
                judged(&[("package.json", other), ("a/package.json", &absent)]),
                ["package.json pins pnpm 10.6.5"]
            );
        }
        for invalid in [
            "\"pnpm@10\"",
            "\"pnpm\"",
            "\"pnpm@^10.6.5\"",
            "\"bun@1.0.0\"",
            "{}",
            "\"pnpm@https://x\"",
            "1]",
        ] {
            let invalid = format!(", \"packageManager\": {invalid}");
            assert_eq!(
                judged(&[("package.json", other), ("a/package.json", &invalid)]),
                [""; 0],
                "{invalid}"
            );
        }
        let odd = ", \"packageManager\": \"yarn@1.0.0\", \"packageManager\": \"pnpm@ v10.6.5\\n\"";
        assert_eq!(judged(&[("a/b/c/package.json", odd)]), ["a/b/c/package.json pins pnpm 10.6.5"]);
        assert_eq!(judged(&[("b/package.json", other), ("a/b/c/d/package.json", other)]), [""; 0]);
    }

    #[test]
    fn installed_packages_are_not_manifests_of_the_project() {
        for (path, expected) in [
            ("node_modules/x", 0),
            ("node_modules/@s/x", 0),
            ("node_modules/x/y", 1),
            ("modules/@s/x", 1),
        ] {
            let change = Fake::default()
                .file(&format!("{path}/package.json"), MANIFEST)
                .file(&format!("{path}/Dockerfile"), "RUN npm i -g pnpm@9.15.0");
            assert_eq!(transcript(&RULE, &change).len(), expected, "{path}");
        }
    }

    #[test]
    fn drift_that_this_change_does_not_touch_does_not_block_it() {
        let old = || {
            Fake::default()
                .old("a/Dockerfile", "RUN npm i -g pnpm@9.15.0")
                .old("a/package.json", MANIFEST)
                .file("b/package.json", MANIFEST)
        };
        assert_eq!(transcript(&RULE, &old()), [""; 0]);
        assert_eq!(
            transcript(&RULE, &old().file("b/Dockerfile", "RUN npm i -g pnpm@9.15.0")).len(),
            1
        );
        assert_eq!(
            transcript(&RULE, &old().old("b/Dockerfile", "RUN npm i -g pnpm@9.15.0")).len(),
            1
        );
    }

    #[test]
    fn the_names_of_dockerfiles() {
        for (name, expected) in [
            ("Dockerfile", 1),
            ("dockerfile", 1),
            ("Containerfile", 1),
            ("Dockerfile.prod", 1),
            ("web.Dockerfile", 1),
            ("web.dockerfile", 1),
            ("Dockerfile.dockerignore", 0),
            ("Dockerfile.md", 0),
            ("NotADockerfile", 0),
            ("Dockerfiles", 0),
        ] {
            let change = Fake::default()
                .file("package.json", MANIFEST)
                .file(name, "RUN npm i -g pnpm@9.15.0");
            assert_eq!(transcript(&RULE, &change).len(), expected, "{name}");
        }
    }

    #[test]
    fn text_from_a_file_is_safe_to_print() {
        let change = Fake::default()
            .file("\u{1b}[2J/package.json", MANIFEST)
            .file("\u{1b}[2J/Dockerfile", "RUN npm i -g pnpm@9.15.0-\u{1b}x pnpm@9.15.0");
        assert_eq!(
            transcript(&RULE, &change),
            ["\\u{001b}[2J/Dockerfile:1:34: pnpm 9.15.0 is installed here, but \
                 \\u{001b}[2J/package.json pins pnpm 10.6.5"]
        );
    }

    #[test]
    fn a_hostile_file_is_judged_to_the_last_line() {
        let many = |text: &str| text.repeat(100_000);
        for text in [
            format!("RUN npm i -g {}", many("pnpm@9.15.0 ")),
            format!("RUN npm i -g {} pnpm@9.15.0", many("${")),
            format!("RUN npm i -g {} pnpm@9.15.0", many("\"$(`")),
            format!("RUN npm i -g {}", many("$A")),
            format!("FROM a\nENV A=x\n{}", many("ENV A=$A$A\n")),
            format!("FROM a\nENV A=\n{}RUN npm i -g pnpm@9.15.0$A", many("ENV A=$A$A\n")),
            many("RUN <<A <<B\n"),
            format!("RUN <<A\n{}", many("cat <<A <<B\n")),
            many("RUN \\\n"),
            format!("RUN [{}", many("[")),
            many("FROM a\nENV A=1\n"),
            format!("RUN {} npm i -g pnpm@9.15.0", many("sudo timeout 1 ")),
            format!("RUN {} npm i -g pnpm@9.15.0", many("su ")),
            format!("RUN {}", many("su -c 'a' ")),
        ] {
            assert!(judged(&text).len() <= 101);
        }
    }

    #[test]
    fn a_manifest_agrees_with_itself() {
        for (fields, expected) in [
            (r#""engines": {"pnpm": ">=11"}"#, &["only pnpm >=11 is accepted here"][..]),
            (r#""engines": {"pnpm": "^10", "npm": ">=8", "yarn": "please-use-pnpm"}"#, &[]),
            (
                r#""devEngines": {"packageManager": {"name": "pnpm", "version": "10.6.4"}}"#,
                &["pnpm 10.6.4 is declared here"],
            ),
            (r#""devEngines": {"packageManager": {"name": "pnpm", "version": "^10.6.5"}}"#, &[]),
            (
                concat!(
                    r#""devEngines": {"packageManager": "#,
                    r#"{"name": "yarn", "version": "4.1.0", "onFail": "ignore"}}"#
                ),
                &["yarn 4.1.0 is declared here"],
            ),
            (
                concat!(
                    r#""devEngines": {"packageManager": [{"name": "npm", "version": "11"}, "#,
                    r#"{"name": "pnpm", "version": "10"}]}"#
                ),
                &[],
            ),
            (r#""volta": {"node": "22.1.0", "pnpm": "9.15.0"}"#, &["pnpm 9.15.0 is declared here"]),
            (r#""volta": {"npm": "11.0.0"}"#, &[]),
            (r#""devEngines": {"packageManager": {"name": "npm"}}"#, &[]),
        ] {
            let text = format!(r#"{{"packageManager": "pnpm@10.6.5", {fields}}}"#);
            let found = mismatches(&[("package.json", &text)]);
            let found: Vec<_> = found
                .iter()
                .map(|line| line.split(": ").nth(1).unwrap().split(", but").next().unwrap())
                .collect();
            assert_eq!(found, expected, "{fields}");
        }
    }

    #[test]
    fn a_member_of_a_workspace_agrees_with_its_root() {
        let nested = r#"{"packageManager": "pnpm@9.15.0"}"#;
        let workspace = ("pnpm-workspace.yaml", "packages: ['packages/*', '!packages/x']");
        for (path, expected) in [
            (
                "packages/a",
                &["packages/a/package.json:1:20: pnpm 9.15.0 is declared here, but package.json \
                     pins pnpm 10.6.5"][..],
            ),
            ("packages/x", &[]),
            ("examples/a", &[]),
        ] {
            let manifest = format!("{path}/package.json");
            let dockerfile = format!("{path}/Dockerfile");
            let files = [
                ("package.json", MANIFEST),
                workspace,
                (&*manifest, nested),
                (&*dockerfile, "RUN npm i -g pnpm@9.15.0"),
            ];
            assert_eq!(mismatches(&files), expected, "{path}");
        }
        // A package that is not a member is a separate project, even without the field.
        let dockerfile = ("examples/a/Dockerfile", "RUN npm i -g pnpm@9.15.0");
        let files = [("package.json", MANIFEST), ("examples/a/package.json", "{}"), dockerfile];
        assert_eq!(mismatches(&files).len(), 1);
        assert_eq!(mismatches(&[&files[..], &[workspace]].concat()).len(), 0);
        let yarn = r#"{"packageManager": "yarn@4.1.0", "workspaces": {"packages": ["a"]}}"#;
        assert_eq!(mismatches(&[("package.json", yarn), ("a/package.json", nested)]).len(), 1);
    }

    #[test]
    fn without_a_package_manager_field_the_next_declaration_counts() {
        let dockerfile = ("Dockerfile", "RUN npm i -g pnpm@9.15.0");
        let action = "jobs: {a: {steps: [{uses: actions/checkout@v4}, {uses: pnpm/action-setup@v4, \
                      with: {version: 10.6.5}}]}}";
        for (path, text, says) in [
            (
                "package.json",
                r#"{"devEngines": {"packageManager": {"name": "pnpm", "version": "10.6.5"}}}"#,
                "package.json pins",
            ),
            (
                "package.json",
                r#"{"volta": {"npm": "11.0.0", "pnpm": "10.6.5"}}"#,
                "package.json pins",
            ),
            (".tool-versions", "pnpm 10.6.5", ".tool-versions pins"),
            (".github/workflows/a.yml", action, ".github/workflows/a.yml installs"),
        ] {
            let found = mismatches(&[(path, text), dockerfile]);
            assert_eq!(
                found,
                [format!("Dockerfile:1:19: pnpm 9.15.0 is installed here, but {says} pnpm 10.6.5")]
            );
        }
        assert_eq!(
            mismatches(&[
                (".yarnrc.yml", "yarnPath: .yarn/releases/yarn-4.1.0.cjs"),
                ("Dockerfile", "RUN corepack prepare yarn@4.0.0 --activate")
            ])
            .len(),
            1
        );
        assert_eq!(
            mismatches(&[
                (".yarnrc", "yarn-path \".yarn/releases/yarn-1.22.22.js\""),
                ("package.json", r#"{"packageManager": "yarn@1.22.21"}"#)
            ])
            .len(),
            1
        );
    }

    #[test]
    fn an_installation_for_a_project_below_is_compared_with_that() {
        let nested = ("web/package.json", r#"{"packageManager": "pnpm@9.15.0"}"#);
        assert_eq!(
            mismatches(&[
                ("package.json", MANIFEST),
                nested,
                ("Dockerfile", "RUN npm i -g pnpm@9.15.0")
            ]),
            [""; 0]
        );
        assert_eq!(
            mismatches(&[
                ("package.json", MANIFEST),
                nested,
                ("Dockerfile", "RUN npm i -g pnpm@9.14.0")
            ])
            .len(),
            1
        );
        let root = ("a/Dockerfile", "RUN npm i -g pnpm@9.15.0");
        assert_eq!(mismatches(&[("package.json", MANIFEST), nested, root]).len(), 1);
    }

    #[test]
    fn another_manager_agrees_if_the_pinned_one_is_installed_too() {
        for (run, expected) in [
            ("npm i -g yarn@1.22.22", 1),
            ("npm i -g yarn@1.22.22 pnpm@10.6.5", 0),
            ("corepack enable && npm i -g yarn@1.22.22", 0),
            ("corepack prepare yarn@1.22.22 --activate", 1),
            ("npm i -g yarn", 0),
            ("npx yarn@1.22.22 audit", 0),
        ] {
            assert_eq!(judged(&format!("FROM node:22\nRUN {run}")).len(), expected, "{run}");
        }
    }

    #[test]
    fn only_posix_shells_are_read() {
        assert_eq!(judged("FROM w\nSHELL [\"powershell\"]\nRUN npm i -g pnpm@9.15.0"), [""; 0]);
    }

    #[test]
    fn the_field_of_a_member_governs_its_directory() {
        let files = [
            ("package.json", MANIFEST),
            ("pnpm-workspace.yaml", "packages: ['*']"),
            ("web/package.json", MANIFEST),
            ("web/Dockerfile", "RUN npm i -g pnpm@9.15.0"),
        ];
        assert_eq!(
            mismatches(&files),
            ["web/Dockerfile:1:19: pnpm 9.15.0 is installed here, but web/package.json pins \
                 pnpm 10.6.5"]
        );
    }

    #[test]
    fn yarn_1_runs_the_release_of_yarn_path() {
        let manifest = ("package.json", r#"{"packageManager": "yarn@4.1.0"}"#);
        let dockerfile = ("Dockerfile", "RUN npm i -g yarn@1.22.22");
        assert_eq!(mismatches(&[manifest, dockerfile]).len(), 1);
        let carried = (".yarnrc.yml", "yarnPath: .yarn/releases/yarn-4.1.0.cjs");
        assert_eq!(mismatches(&[manifest, dockerfile, carried]), [""; 0]);
    }
}
