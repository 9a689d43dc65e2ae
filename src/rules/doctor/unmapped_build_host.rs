#![doc = include_str!("../../../docs/rules/unmapped-build-host.md")]

use crate::base::debris::Debris;
use crate::builds::settings::{Registry, registries, source_of};
use crate::builds::visits::visits;
use crate::builds::{Build, BuildOrigin, Builds};
use crate::edit::compose::with_item;
use crate::edit::fix::Safety;
use crate::formats::Syntax;
use crate::models::compose::Compose;
use crate::rule::{Check, Findings, Rule, RuleGroup};

/// The row of the rule table.
pub(crate) const RULE: Rule = Rule {
    id: "unmapped-build-host",
    summary: "a build that asks host.docker.internal, which it cannot resolve",
    manual: include_str!("../../../docs/rules/unmapped-build-host.md"),
    check: Check::Builds(judge),
    ..Rule::base(RuleGroup::Doctor)
};

const HOST: &str = "host.docker.internal";

fn judge(builds: &Builds, _: &Debris, findings: &mut Findings) {
    for build in &builds.list {
        let Some(origin) = &build.origin else { continue };
        let is_mapped =
            build.given.hosts.iter().any(|(name, _)| name == HOST || name.contains('$'));
        if is_mapped || build.has_host_network() != Some(false) {
            continue;
        }
        let asked = visits(builds, build)
            .iter()
            .flat_map(|visit| registries(builds, build, visit))
            .find(|registry| registry.host() == Some(HOST));
        if let Some(registry) = asked {
            report(builds, build, origin, &registry, findings);
        }
    }
}

fn report(
    builds: &Builds,
    build: &Build,
    origin: &BuildOrigin,
    registry: &Registry,
    findings: &mut Findings,
) {
    let file = builds.file(origin.file);
    let source = &builds.project.files()[origin.file];
    let services = origin.service().map(|_| source.model(Syntax::Yaml, Compose::parse));
    let service = services.iter().flat_map(|compose| &compose.services);
    let service = service.into_iter().find(|service| service.span == origin.span);
    let of_container =
        service.and_then(|service| service.hosts.iter().find(|host| host.name == HOST));
    let message = match of_container {
        Some(_) => format!("the build asks {HOST}, which only the running container can resolve"),
        None => format!("the build asks {HOST}, which it cannot resolve"),
    };
    let mut draft = findings.place(file, &origin.span, message);
    if let Some(host) = of_container {
        draft = draft.label(file, &host.span, "for the running container only");
    }
    draft = draft.label(builds.file(registry.file), &registry.span, "asked here");
    for used in registry.url.used.iter().take(1) {
        let (number, span) = source_of(build, &used.name, &used.span);
        draft = draft.label(builds.file(number), &span, "the host");
    }
    let Some(service) = service else {
        draft.help(format!("add --add-host={HOST}:host-gateway to the build"), &[]);
        return;
    };
    let entry = format!("\"{HOST}:host-gateway\"");
    let draft =
        draft.help(format!("add `extra_hosts: [{entry}]` under `build:` of the service"), &[]);
    let Some(map) = &service.build else { return };
    // A map of hosts has another form.
    let first = map.hosts.first().map(|host| &host.span);
    if let Some(edits) = with_item(file, map, "extra_hosts", first, &entry) {
        draft.fix(Safety::Safe, edits, &[file]);
    }
}

#[cfg(test)]
mod tests {
    use super::RULE;
    use crate::engine::tests::{Fake, judged_by, messages};

    const DOCKERFILE: &str = "FROM node:22\nWORKDIR /app\nARG H=host.docker.internal\n\
                              COPY .npmrc.docker .npmrc\nRUN npm ci";

    fn change(dockerfile: &str, compose: &str) -> Fake {
        Fake::default()
            .file("Dockerfile", dockerfile)
            .file(".npmrc.docker", "@s:registry=http://${H}:4873/\n")
            .file("compose.yaml", compose)
    }

    #[test]
    fn a_host_that_the_build_cannot_resolve() {
        let block = "services:\n  a:\n    build:\n      context: .\n";
        let extra = "    extra_hosts:\n      - host.docker.internal:host-gateway\n";
        let plain = "the build asks host.docker.internal, which it cannot resolve";
        let container =
            "the build asks host.docker.internal, which only the running container can resolve";
        for (compose, message, fixes) in [
            (block.to_owned(), format!("compose.yaml:2:3: {plain}"), 1),
            (format!("{block}{extra}"), format!("compose.yaml:2:3: {container}"), 1),
            ("services: {a: {build: .}}".to_owned(), format!("compose.yaml:1:12: {plain}"), 0),
        ] {
            let found = judged_by(&RULE, &change(DOCKERFILE, &compose));
            assert_eq!(messages(&found), [message]);
            let fix = found[0].fix.as_ref();
            assert_eq!(fix.iter().count(), fixes);
            let Some(fix) = fix else { continue };
            let (edit, _) = &fix.edits[0];
            let (start, end) = compose.split_at(edit.span.start);
            let fixed = format!("{start}{}{end}", edit.text);
            let added = "context: .\n      extra_hosts:\n        - \
                         \"host.docker.internal:host-gateway\"\n";
            assert!(fixed.contains(added), "{fixed}");
            assert_eq!(messages(&judged_by(&RULE, &change(DOCKERFILE, &fixed))), [""; 0]);
        }
    }

    #[test]
    fn hosts_that_are_mapped_or_not_asked() {
        let other =
            "FROM node:22\nWORKDIR /app\nARG H=npm.example\nCOPY .npmrc.docker .npmrc\nRUN npm ci";
        let service = |build: &str| format!("services: {{a: {{build: {{context: ., {build}}}}}}}");
        for (dockerfile, compose) in [
            (DOCKERFILE, service("extra_hosts: ['host.docker.internal:host-gateway']")),
            (DOCKERFILE, service("extra_hosts: {host.docker.internal: host-gateway}")),
            (DOCKERFILE, service("extra_hosts: ['${HOST}']")),
            (DOCKERFILE, service("network: host")),
            (DOCKERFILE, service("args: {H: npm.example}")),
            (DOCKERFILE, service("args: {H: '${H}'}")),
            (DOCKERFILE, service("args: [H]")),
            (DOCKERFILE, String::new()),
            (other, service("args: {}")),
        ] {
            let found = judged_by(&RULE, &change(dockerfile, &compose));
            assert_eq!(messages(&found), [""; 0], "{compose}");
        }
    }
}
