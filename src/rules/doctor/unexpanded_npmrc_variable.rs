#![doc = include_str!("../../../docs/rules/unexpanded-npmrc-variable.md")]

use std::collections::BTreeSet;

use crate::base::change::File;
use crate::base::debris::Debris;
use crate::base::edit::Edit;
use crate::base::escape::Escaped;
use crate::base::finding::Span;
use crate::builds::context::cleaned;
use crate::builds::installs::Installer;
use crate::builds::settings::{NpmSetting, SettingRole, demands, npm_settings};
use crate::builds::visits::{InEffect, Visit, visits};
use crate::builds::{Build, Builds};
use crate::edit::fix::Safety;
use crate::pins::Demand;
use crate::rule::{Check, Findings, Rule, RuleGroup};
use semver::Version;

/// The row of the rule table.
pub(crate) const RULE: Rule = Rule {
    id: "unexpanded-npmrc-variable",
    summary: "a variable in the .npmrc of a project, which this pnpm does not expand there",
    manual: include_str!("../../../docs/rules/unexpanded-npmrc-variable.md"),
    check: Check::Builds(judge),
    ..Rule::base(RuleGroup::Doctor)
};

fn judge(builds: &Builds, _: &Debris, findings: &mut Findings) {
    let mut known = BTreeSet::new();
    for build in &builds.list {
        for visit in &visits(builds, build) {
            if visit.install.installer != Installer::Pnpm || !visit.has_default_user_settings() {
                continue;
            }
            let Some(version) = strict_version(&demands(builds, build, visit)) else { continue };
            for effective in visit.settings().iter().filter(|effective| effective.is_project) {
                let span = &effective.image.span;
                if known.insert((effective.image.file, build.dockerfile, span.start)) {
                    report(builds, build, visit, effective, &version, findings);
                }
            }
        }
    }
}

/// The version of pnpm, if it does not expand variables in the settings of a project.
fn strict_version(demands: &[&Demand]) -> Option<Version> {
    let versions: Option<Vec<&Version>> = demands
        .iter()
        .map(|demand| match demand {
            Demand::Exact(version) => Some(version),
            _ => None,
        })
        .collect();
    let versions = versions?;
    let is_strict = |version: &&&Version| {
        let first = match version.major {
            ..10 => return false,
            10 => Version::new(10, 34, 2),
            11 => Version::new(11, 5, 3),
            _ => Version::new(12, 0, 0),
        };
        ***version >= first
    };
    let is_certain = versions.iter().all(|version| is_strict(&version));
    versions.first().filter(|_| is_certain).map(|version| (*version).clone())
}

fn report(
    builds: &Builds,
    build: &Build,
    visit: &Visit<'_>,
    effective: &InEffect<'_>,
    version: &Version,
    findings: &mut Findings,
) {
    let (dockerfile, npmrc) = (builds.file(build.dockerfile), builds.file(effective.image.file));
    let is_asked =
        |setting: &&NpmSetting| setting.role != SettingRole::Other && !setting.variables.is_empty();
    let settings = npm_settings(builds, effective.image.file);
    let mut settings = settings.iter().filter(is_asked);
    let Some(first) = settings.next() else { return };
    let Some(variable) = first.variables.first() else { return };
    let name = Escaped(variable.name.as_bytes());
    let message =
        format!("pnpm {version} does not expand ${{{name}}} in the settings of a project");
    let mut draft = findings.place(npmrc, &variable.span, message);
    for more in settings.filter_map(|setting| setting.variables.first()).take(2) {
        draft = draft.label(npmrc, &more.span, "nor this one");
    }
    draft = draft.label(dockerfile, &effective.image.span, "copied into the project here");
    let Some(home) = visit.home() else {
        draft.help("copy the file into the home directory of the user", &[]);
        return;
    };
    let target = format!("{home}/.npmrc");
    let help = format!("copy the file to {}, where pnpm expands them", Escaped(target.as_bytes()));
    let draft = draft.help(help, &[]);
    if let Some(span) = sole_destination(build, &effective.image.span, npmrc) {
        let edit = Edit { path: dockerfile.path.clone(), span, text: target };
        draft.fix(Safety::Safe, vec![edit], &[dockerfile]);
    }
}

/// The destination of a `COPY` of this file alone.
fn sole_destination(build: &Build, copy: &Span, file: &File) -> Option<Span> {
    let (_, copy) = build.copies().find(|(step, _)| step.span == *copy)?;
    let [source] = copy.sources.as_slice() else { return None };
    let path = build.context.as_ref()?.path(&cleaned(source.known()?));
    (file.path.as_bytes() == path.as_bytes()).then(|| copy.destination.span.clone())
}

#[cfg(test)]
mod tests {
    use super::RULE;
    use crate::engine::tests::{Fake, judged_by, messages};

    const NPMRC: &str = "x=${X}\n@s:registry=http://${H}/\n//${H}/:_authToken=${T}\n";
    const COPY: &str = "COPY .npmrc.docker ./.npmrc";

    fn change(copy: &str, version: &str, npmrc: &str) -> Fake {
        let dockerfile = format!(
            "FROM node:22\nWORKDIR /app\nARG H T X\nRUN corepack prepare pnpm@10.6.5 --activate\n\
             {copy}\nCOPY package.json ./\nRUN pnpm install"
        );
        Fake::default()
            .file("Dockerfile", &dockerfile)
            .file(".npmrc.docker", npmrc)
            .file("package.json", &format!("{{\"packageManager\": \"pnpm@{version}\"}}"))
    }

    #[test]
    fn a_variable_that_pnpm_does_not_expand() {
        for version in ["10.34.2", "10.40.0", "11.5.3", "12.0.0", "13.1.0"] {
            let found = judged_by(&RULE, &change(COPY, version, NPMRC));
            let message = format!(
                ".npmrc.docker:2:20: pnpm {version} does not expand ${{H}} in the settings of a \
                 project"
            );
            assert_eq!(messages(&found), [message]);
            let fix = found[0].fix.as_ref().unwrap();
            let added: Vec<&str> = fix.diffs[0]
                .1
                .lines
                .iter()
                .filter(|line| line.starts_with('+'))
                .map(|line| &**line)
                .collect();
            assert_eq!(added[1..], ["+COPY .npmrc.docker /root/.npmrc"]);
        }
    }

    #[test]
    fn variables_that_pnpm_expands_or_may_expand() {
        for (copy, version, npmrc) in [
            (COPY, "10.6.5", NPMRC),
            (COPY, "10.34.1", NPMRC),
            (COPY, "11.5.2", NPMRC),
            (COPY, "12.0.0-rc.1", NPMRC),
            ("COPY .npmrc.docker /root/.npmrc", "12.0.0", NPMRC),
            ("ENV NPM_CONFIG_USERCONFIG=/app/.npmrc\nCOPY .npmrc.docker .npmrc", "12.0.0", NPMRC),
            (COPY, "12.0.0", "x=${X}\n@s:registry=http://h/\n"),
            ("RUN npm i -g pnpm@9.15.0\nCOPY .npmrc.docker .npmrc", "12.0.0", NPMRC),
            ("FROM me/base\nWORKDIR /app\nCOPY .npmrc.docker .npmrc", "12.0.0", NPMRC),
        ] {
            let found = judged_by(&RULE, &change(copy, version, npmrc));
            assert_eq!(messages(&found), [""; 0], "{copy} {version} {npmrc}");
        }
    }
}
