#![doc = include_str!("../../../docs/rules/unprovided-secret.md")]

use std::collections::BTreeSet;

use crate::base::debris::Debris;
use crate::base::edit::Edit;
use crate::base::escape::Escaped;
use crate::base::finding::Severity;
use crate::builds::settings::npm_settings;
use crate::builds::steps::{Action, Mount};
use crate::builds::visits::{Visit, visits};
use crate::builds::{Build, BuildOrigin, Builds};
use crate::edit::appended;
use crate::edit::compose::with_item;
use crate::edit::fix::Safety;
use crate::formats::Syntax;
use crate::models::compose::{Compose, Service};
use crate::project::SourceFile;
use crate::rule::{Check, Findings, Rule, RuleGroup};

/// The row of the rule table.
pub(crate) const RULE: Rule = Rule {
    id: "unprovided-secret",
    summary: "a secret that a Dockerfile mounts and the build does not give",
    severity: Severity::Warning,
    manual: include_str!("../../../docs/rules/unprovided-secret.md"),
    check: Check::Builds(judge),
    ..Rule::base(RuleGroup::Doctor)
};

fn judge(builds: &Builds, _: &Debris, findings: &mut Findings) {
    for build in &builds.list {
        let Some(origin) = build.origin.as_ref().filter(|_| !build.given.is_open) else { continue };
        let given = &build.given.secrets;
        if given.iter().any(|(id, _)| id.contains('$')) {
            continue;
        }
        let mut known = BTreeSet::new();
        for mount in mounts(build) {
            let Some(id) = mount.secret_id() else { continue };
            if !given.iter().any(|(known, _)| known == id) && known.insert(id) {
                report(builds, build, origin, mount, id, findings);
            }
        }
    }
}

/// The mounts of the stages that a build needs.
fn mounts(build: &Build) -> impl Iterator<Item = &Mount> {
    let steps = build.needed().flat_map(|(_, stage)| &stage.steps);
    steps.flat_map(|step| match &step.action {
        Action::Run(run) => run.mounts.as_slice(),
        _ => &[],
    })
}

fn report(
    builds: &Builds,
    build: &Build,
    origin: &BuildOrigin,
    mount: &Mount,
    id: &str,
    findings: &mut Findings,
) {
    let file = builds.file(origin.file);
    let source = &builds.project.files()[origin.file];
    let compose = origin.service().map(|_| source.model(Syntax::Yaml, Compose::parse));
    let services = compose.iter().flat_map(|compose| &compose.services);
    let service = services.into_iter().find(|service| service.span == origin.span);
    let of_container =
        service.and_then(|service| service.secrets.iter().find(|used| used.id == id));
    let shown = Escaped(id.as_bytes());
    let message = match of_container {
        Some(_) => format!("only the running container gets the secret {shown}, not the build"),
        None => format!("the build does not give the secret {shown}"),
    };
    let is_required = mount.has(&["required"]) && mount.option(&["required"]) != Some("false");
    let is_error = is_required || is_read(builds, build, mount);
    if !is_error && of_container.is_none() && is_given_elsewhere(builds, build, id) {
        // A build that only checks the Dockerfile needs no secrets.
        return;
    }
    let mut draft = findings.place(file, &origin.span, message).label(
        builds.file(build.dockerfile),
        &mount.span,
        "mounted here",
    );
    if let Some(used) = of_container {
        draft = draft.label(file, &used.span, "for the running container only");
    }
    let help = match service {
        Some(_) => format!("add `secrets: [{shown}]` under `build:`, and define it at the top"),
        None => format!("give the build `--secret id={shown}`"),
    };
    let fix = service.and_then(|service| addition(source, service, mount, id));
    // A build that works without the secret may fail with it: its source may be missing.
    let safety = match &fix {
        Some((_, is_defined)) if is_error && *is_defined => Safety::Safe,
        _ => Safety::Shown,
    };
    let edits = fix.map(|(edits, _)| edits).unwrap_or_default();
    let severity = if is_error { Severity::Error } else { Severity::Warning };
    draft.help(help, &[]).fix(safety, edits, &[file]).severity(severity);
}

/// The edits that give a secret to the build of a service, and whether the file defines the secret
/// already. Otherwise it becomes the value of the variable that the mount names.
fn addition(
    source: &SourceFile,
    service: &Service,
    mount: &Mount,
    id: &str,
) -> Option<(Vec<Edit>, bool)> {
    let file = &source.file;
    let is_plain =
        |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    let build = service.build.as_ref().filter(|_| is_plain(id))?;
    let first = build.secrets.first().map(|used| &used.span);
    let mut edits = with_item(file, build, "secrets", first, id)?;
    let document = source.document(Syntax::Yaml);
    let root = document.as_ref().as_ref().ok()?;
    let secrets = root.last("secrets");
    if secrets.is_some_and(|secrets| secrets.last(id).is_some()) {
        return Some((edits, true));
    }
    let name = mount.option(&["env"]).map_or_else(|| id.to_ascii_uppercase(), str::to_owned);
    let lines = [&*format!("  {id}:"), &*format!("    environment: {name}")];
    match secrets {
        None if is_plain(&name) => {
            edits.push(appended(file, &[&["secrets:"], &lines[..]].concat()));
        }
        // The layout of the others is unknown.
        _ => return None,
    }
    Some((edits, false))
}

/// Whether another build of the same Dockerfile gives a secret.
fn is_given_elsewhere(builds: &Builds, build: &Build, id: &str) -> bool {
    let same = builds.list.iter().filter(|other| other.dockerfile_id() == build.dockerfile_id());
    same.flat_map(|other| &other.given.secrets).any(|(known, _)| known == id)
}

/// Whether an `.npmrc` in the image reads the variable that the secret becomes.
fn is_read(builds: &Builds, build: &Build, mount: &Mount) -> bool {
    let Some(env) = mount.option(&["env"]) else { return false };
    let reads = |visit: &Visit<'_>| {
        visit.install.run.mounts.iter().any(|own| own.span == mount.span)
            && visit.settings().iter().any(|effective| {
                let settings = npm_settings(builds, effective.image.file);
                let mut variables = settings.iter().flat_map(|setting| &setting.variables);
                variables.any(|variable| variable.name == env && !variable.is_optional)
            })
    };
    visits(builds, build).iter().any(reads)
}

#[cfg(test)]
mod tests {
    use super::{RULE, Safety};
    use crate::base::finding::Severity;
    use crate::engine::tests::{Fake, judged_by, messages};
    use crate::rule::Finding;

    fn judged(lines: &str, service: &str) -> Vec<Finding> {
        let dockerfile = format!("FROM node:22\nWORKDIR /app\nCOPY .npmrc .\n{lines}");
        let change = Fake::default()
            .file("Dockerfile", &dockerfile)
            .file(".npmrc", "//h/:_authToken=${T}\n")
            .file("compose.yaml", &format!("services:\n  a: {service}\n"));
        judged_by(&RULE, &change)
    }

    #[test]
    fn a_secret_that_the_build_does_not_give() {
        let missing = "compose.yaml:2:3: the build does not give the secret t";
        let container =
            "compose.yaml:2:3: only the running container gets the secret t, not the build";
        let plain = "{build: .}";
        for (lines, service, message, severity) in [
            ("RUN --mount=type=secret,id=t npm ci", plain, missing, Severity::Warning),
            ("RUN --mount=type=secret,id=t,required npm ci", plain, missing, Severity::Error),
            ("RUN --mount=type=secret,id=t,required=false a", plain, missing, Severity::Warning),
            ("RUN --mount=type=secret,id=t,env=T npm ci", plain, missing, Severity::Error),
            ("RUN --mount=type=secret,id=t,env=U npm ci", plain, missing, Severity::Warning),
            ("RUN --mount=type=secret,target=/run/t a", plain, missing, Severity::Warning),
            (
                "RUN --mount=type=secret,id=t a\nRUN --mount=type=secret,id=t b",
                "{build: ., secrets: [t]}",
                container,
                Severity::Warning,
            ),
            (
                "RUN --mount=type=secret,id=t a",
                "{build: {context: ., secrets: [u]}}",
                missing,
                Severity::Warning,
            ),
        ] {
            let found = judged(lines, service);
            assert_eq!(messages(&found), [message], "{lines}");
            assert_eq!(found[0].severity, severity, "{lines}");
        }
    }

    #[test]
    fn the_fix_gives_the_secret() {
        let defined = "secrets:\n  t:\n    environment: T\n";
        let own = "secrets:\n  t:\n    environment: U\n";
        for (options, rest, safety, end) in [
            (",required", defined, Safety::Safe, defined),
            ("", defined, Safety::Shown, defined),
            (",required", "", Safety::Shown, defined),
            (",required,env=U", "", Safety::Shown, own),
        ] {
            let lines = format!("RUN --mount=type=secret,id=t{options} npm ci");
            let service = "\n    build:\n      context: .\n";
            let compose = format!("services:\n  a: {service}\n{rest}");
            let found = judged(&lines, &format!("{service}\n{rest}"));
            let fix = found[0].fix.as_ref().unwrap();
            let edits = fix.edits.iter().map(|(edit, _)| edit).collect();
            let fixed = crate::edit::apply(format!("{compose}\n").as_bytes(), edits).unwrap();
            let fixed = String::from_utf8(fixed).unwrap();
            assert!(fixed.contains("context: .\n      secrets:\n        - t\n"), "{fixed}");
            assert!(fixed.ends_with(end) || fixed.ends_with(&format!("{end}\n")), "{fixed}");
            assert_eq!(fix.safety, safety, "{options} {rest}");
        }
        // The layout of the other secrets is unknown.
        let other = "{build: {context: .}}\nsecrets: {u: {environment: U}}";
        assert!(judged("RUN --mount=type=secret,id=t a", other)[0].fix.is_none());
    }

    #[test]
    fn secrets_that_are_given_or_not_needed() {
        for (lines, service) in [
            ("RUN --mount=type=secret,id=t a", "{build: {context: ., secrets: [t]}}"),
            (
                "RUN --mount=type=secret,id=t a",
                "{build: {context: ., secrets: [{source: s, target: t}]}}",
            ),
            ("RUN --mount=type=secret,id=t a", "{build: {context: ., secrets: ['${S}']}}"),
            ("RUN --mount=type=secret,id=$U a", "{build: .}"),
            ("RUN --mount=type=cache,id=t,target=/t a", "{build: .}"),
            ("RUN --mount=type=secret,id=t a", "{image: x}"),
            ("RUN --mount=type=secret,id=t a\nFROM node:22", "{build: .}"),
            (
                "FROM node:22 AS a\nRUN --mount=type=secret,id=t a\nFROM node:22 AS b",
                "{build: {context: ., target: b}}",
            ),
        ] {
            assert_eq!(messages(&judged(lines, service)), [""; 0], "{lines} {service}");
        }
        let both = "{build: .}\n  b: {build: {context: ., secrets: [t]}}";
        assert_eq!(judged("RUN --mount=type=secret,id=t a", both).len(), 0);
        assert_eq!(judged("RUN --mount=type=secret,id=t,required a", both).len(), 1);
        let needed = "FROM node:22 AS a\nRUN --mount=type=secret,id=t a\n\
                      FROM node:22 AS b\nCOPY --from=a /x /x";
        assert_eq!(judged(needed, "{build: {context: ., target: b}}").len(), 1);
    }
}
