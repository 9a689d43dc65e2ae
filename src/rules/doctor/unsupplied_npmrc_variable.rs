#![doc = include_str!("../../../docs/rules/unsupplied-npmrc-variable.md")]

use crate::base::debris::Debris;
use crate::base::edit::Edit;
use crate::base::escape::Escaped;
use crate::base::finding::Severity;
use crate::builds::installs::Installer;
use crate::builds::settings::{SettingRole, Unsupplied, demands, major, unsupplied};
use crate::builds::visits::visits;
use crate::builds::{Build, Builds};
use crate::edit::dockerfile::{is_argument, with_flag};
use crate::edit::fix::Safety;
use crate::pins::Demand;
use crate::rule::{Check, Findings, Rule, RuleGroup};

/// The row of the rule table.
pub(crate) const RULE: Rule = Rule {
    id: "unsupplied-npmrc-variable",
    summary: "a variable of an .npmrc in an image that nothing gives a value at the install",
    manual: include_str!("../../../docs/rules/unsupplied-npmrc-variable.md"),
    check: Check::Builds(judge),
    ..Rule::base(RuleGroup::Doctor)
};

fn judge(builds: &Builds, _: &Debris, findings: &mut Findings) {
    for build in &builds.list {
        for missing in unsupplied(builds, &visits(builds, build)) {
            report(builds, build, &missing, findings);
        }
    }
}

fn report(builds: &Builds, build: &Build, missing: &Unsupplied<'_>, findings: &mut Findings) {
    let demands = demands(builds, build, missing.visit);
    let installer = missing.visit.install.installer;
    let Some((severity, effect)) = consequence(installer, &demands, missing) else { return };
    let (dockerfile, npmrc) = (builds.file(build.dockerfile), builds.file(missing.file));
    let (command, reference) = (missing.visit.install.command.span(), &missing.reference);
    let name = Escaped(reference.name.as_bytes());
    let message = format!("nothing gives {name} to {}: {effect}", installer.name());
    let draft = findings
        .place(dockerfile, &command, message)
        .label(npmrc, &reference.span, "read here")
        .label(dockerfile, &missing.brought, "copied here");
    let step = &missing.visit.install.step.span;
    let is_plain = is_argument(&reference.name);
    let (help, edit) = if reference.is_credential {
        let id = reference.name.to_ascii_lowercase();
        let mount = format!("--mount=type=secret,id={id},env={}", reference.name);
        let help = format!("add `{}` to this RUN", Escaped(mount.as_bytes()));
        (help, with_flag(dockerfile, step, &mount))
    } else {
        let help = format!("add `ARG {name}` to this stage, and give the build a value");
        let text = format!("ARG {}\n", reference.name);
        let span = step.start..step.start;
        (help, Some(Edit { path: dockerfile.path.clone(), span, text }))
    };
    let edits = edit.filter(|_| is_plain).into_iter().collect();
    draft.help(help, &[]).fix(Safety::Shown, edits, &[dockerfile]).severity(severity);
}

/// What the package manager does; `None` if it does not read the file, or that is unknown.
fn consequence(
    installer: Installer,
    demands: &[&Demand],
    missing: &Unsupplied<'_>,
) -> Option<(Severity, &'static str)> {
    let is_pnpm = installer == Installer::Pnpm;
    let role = missing.reference.role;
    match (installer, major(demands)) {
        (Installer::Pnpm, Some(..11)) => {
            Some((Severity::Error, "it ignores the whole file, and asks the public registry"))
        }
        (Installer::Npm | Installer::Pnpm, _) if missing.reference.is_credential => {
            let sends = "it sends the text of the variable instead";
            let effect = if is_pnpm { "it asks without the credentials" } else { sends };
            Some((Severity::Warning, effect))
        }
        (Installer::Npm | Installer::Pnpm, _) if role != SettingRole::Other => {
            Some((Severity::Error, "the URL is invalid"))
        }
        (Installer::Npm, _) => {
            Some((Severity::Warning, "it takes the text of the variable for the value"))
        }
        (Installer::Yarn, Some(1)) => Some((Severity::Error, "it stops")),
        (Installer::Pnpm | Installer::Yarn | Installer::Bun, _) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{RULE, Safety};
    use crate::base::finding::Severity;
    use crate::engine::tests::{Fake, judged_by, messages};

    const COPY: &str = "COPY .npmrc package.json ./\n";

    fn judged(lines: &str, npmrc: &str, version: &str) -> (Vec<String>, Option<Severity>) {
        let dockerfile = format!("FROM node:22\nWORKDIR /app\n{COPY}{lines}");
        let manifest = format!("{{\"packageManager\": \"{version}\"}}");
        let change = Fake::default()
            .file("Dockerfile", &dockerfile)
            .file(".npmrc", npmrc)
            .file("package.json", &manifest);
        let found = judged_by(&RULE, &change);
        (messages(&found), found.first().map(|finding| finding.severity))
    }

    const TOKEN: &str = "//npm.example/:_authToken=${T}\n";

    #[test]
    fn a_variable_without_a_value_by_its_package_manager() {
        let dropped = "it ignores the whole file, and asks the public registry";
        let invalid = "the URL is invalid";
        let registry = "registry=http://${T}/\n";
        let (error, warning) = (Severity::Error, Severity::Warning);
        for (install, version, npmrc, severity, effect) in [
            ("pnpm install", "pnpm@10.6.5", TOKEN, error, dropped),
            ("pnpm install", "pnpm@9.15.0", "cache=${T}\n", error, dropped),
            ("pnpm install", "pnpm@11.0.0", TOKEN, warning, "it asks without the credentials"),
            ("pnpm install", "yarn@4.0.0", TOKEN, warning, "it asks without the credentials"),
            ("pnpm install", "pnpm@12.0.0", registry, error, invalid),
            ("npm ci", "npm@11.0.0", TOKEN, warning, "it sends the text of the variable instead"),
            ("npm ci", "npm@11.0.0", registry, error, invalid),
            ("npm ci", "npm@11.0.0", "//${T}/:_auth=x\n", error, invalid),
            (
                "npm ci",
                "npm@11.0.0",
                "cache=${T}\n",
                warning,
                "it takes the text of the variable for the value",
            ),
            ("yarn install", "yarn@1.22.22", TOKEN, error, "it stops"),
        ] {
            let manager = install.split(' ').next().unwrap();
            let expected = format!("Dockerfile:4:5: nothing gives T to {manager}: {effect}");
            assert_eq!(
                judged(&format!("RUN {install}\nRUN {install}"), npmrc, version),
                (vec![expected], Some(severity)),
                "{install}"
            );
        }
    }

    #[test]
    fn the_fix_gives_a_value() {
        for (install, npmrc, added) in [
            ("RUN npm ci", TOKEN, "RUN --mount=type=secret,id=t,env=T npm ci"),
            ("run npm ci", TOKEN, "run --mount=type=secret,id=t,env=T npm ci"),
            ("RUN npm ci", "registry=http://${T}/\n", "ARG T\nRUN npm ci"),
        ] {
            let dockerfile = format!("FROM node:22\nWORKDIR /app\n{COPY}{install}\n");
            let change = |dockerfile: &str| {
                let manifest = "{\"packageManager\": \"npm@11.0.0\"}";
                Fake::default()
                    .file("Dockerfile", dockerfile)
                    .file(".npmrc", npmrc)
                    .file("package.json", manifest)
            };
            let fix = judged_by(&RULE, &change(&dockerfile)).remove(0).fix.unwrap();
            let edits = fix.edits.iter().map(|(edit, _)| edit).collect();
            let fixed = crate::edit::apply(dockerfile.as_bytes(), edits).unwrap();
            let fixed = String::from_utf8(fixed).unwrap();
            assert!(fixed.ends_with(&format!("{COPY}{added}\n")), "{fixed}");
            assert_eq!(fix.safety, Safety::Shown);
            assert_eq!(messages(&judged_by(&RULE, &change(&fixed))), [""; 0], "{fixed}");
        }
        let found = judged(&format!("RUN\t{}", "npm ci"), TOKEN, "npm@11.0.0");
        assert_eq!(found.0.len(), 1);
    }

    #[test]
    fn variables_that_have_a_value_or_may_have_one() {
        for (lines, npmrc) in [
            ("ARG T\nRUN npm ci", TOKEN),
            ("ENV T=x\nRUN npm ci", TOKEN),
            ("RUN --mount=type=secret,id=t,env=T npm ci", TOKEN),
            ("RUN --mount=type=secret,id=t,env=$E npm ci", TOKEN),
            ("RUN T=$(cat /run/secrets/t) npm ci", TOKEN),
            ("RUN export T=\"$(cat /run/secrets/t)\" && npm ci", TOKEN),
            ("RUN . ./.env && npm ci", TOKEN),
            ("RUN export $(cat .env) && npm ci", TOKEN),
            ("RUN npm ci --userconfig .npmrc.ci", TOKEN),
            ("RUN rm -f .npmrc && npm ci", TOKEN),
            ("RUN npm config set x y && npm ci && sed -i s/a/b/ .npmrc", TOKEN),
            ("RUN bun install", TOKEN),
            ("RUN yarn install", TOKEN),
            ("USER node\nENV HOME=/home/node\nRUN npm ci", "a=${HOME}\n"),
            ("RUN npm ci", "//npm.example/:_authToken=${T-}\n"),
            ("RUN npm ci", "//npm.example/:_authToken=${T:-x}\n"),
            ("RUN npm ci", "//npm.example/:_authToken=\\${T}\n"),
            ("RUN npm ci", "# //npm.example/:_authToken=${T}\n"),
            ("FROM me/base\nWORKDIR /app\nCOPY .npmrc .\nRUN npm ci", TOKEN),
            ("RUN npm run build", TOKEN),
            ("RUN npm --prefix web ci", TOKEN),
        ] {
            let lines = lines
                .strip_prefix("FROM")
                .map_or_else(|| lines.to_owned(), |rest| format!("RUN a\nFROM{rest}"));
            assert_eq!(judged(&lines, npmrc, "yarn@4.1.0").0, [""; 0], "{lines} {npmrc}");
        }
    }

    #[test]
    fn a_stage_has_the_files_and_variables_of_its_base() {
        let file = |end: &str| format!("ARG T\nFROM node:22 AS a\nWORKDIR /app\n{COPY}{end}");
        let change = |lines: &str| {
            Fake::default()
                .file("Dockerfile", &file(lines))
                .file(".npmrc", TOKEN)
                .file("package.json", "{}")
        };
        for (lines, count) in [
            ("FROM a\nRUN npm ci", 1),
            ("ARG T\nFROM a\nRUN npm ci", 0),
            ("FROM node:22\nWORKDIR /app\nRUN npm ci", 0),
            ("FROM a\nWORKDIR web\nRUN npm --prefix .. ci", 1),
            ("FROM a\nRUN cd web && npm ci", 0),
            ("FROM a\nRUN (cd web && npm ci); npm ci", 1),
        ] {
            assert_eq!(judged_by(&RULE, &change(lines)).len(), count, "{lines}");
        }
    }
}
