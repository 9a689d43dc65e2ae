#![doc = include_str!("../../../docs/rules/loopback-registry.md")]

use std::collections::{BTreeMap, BTreeSet};

use crate::base::debris::Debris;
use crate::base::edit::Edit;
use crate::base::escape::Escaped;
use crate::base::finding::{Span, line_around};
use crate::builds::settings::{
    Registry, SettingRole, is_loopback, npm_settings, reachable_host, registries, source_of,
};
use crate::builds::visits::{Visit, visits};
use crate::builds::{Build, Builds};
use crate::edit::fix::Safety;
use crate::formats::shell::Lookup;
use crate::project::kinds::FileKind;
use crate::rule::{Check, Findings, Rule, RuleGroup};

/// The row of the rule table.
pub(crate) const RULE: Rule = Rule {
    id: "loopback-registry",
    summary: "a registry on localhost, which in a build is the container itself",
    manual: include_str!("../../../docs/rules/loopback-registry.md"),
    check: Check::Builds(judge),
    ..Rule::base(RuleGroup::Doctor)
};

/// A place that names the host, and the places that lead to it.
type LoopbackHosts = BTreeMap<(usize, String), (Span, BTreeSet<(usize, usize, usize)>)>;

fn judge(builds: &Builds, _: &Debris, findings: &mut Findings) {
    let mut found = LoopbackHosts::new();
    let mut lockfiles: BTreeMap<usize, Option<Span>> = BTreeMap::new();
    for build in &builds.list {
        if build.has_host_network() != Some(false) {
            continue;
        }
        for visit in &visits(builds, build) {
            if visit.install.run.network.as_deref().is_some_and(|network| network != "default") {
                continue;
            }
            for registry in registries(builds, build, visit) {
                add_registry(builds, build, visit, &registry, &mut found);
            }
            add_lockfiles(builds, build, visit, &mut lockfiles, &mut found);
        }
    }
    for ((number, host), (span, leading)) in found {
        let file = builds.file(number);
        let message = format!("{} is the build container itself", Escaped(host.as_bytes()));
        let mut draft = findings.place(file, &span, message).help(
            "name the host of the registry as the build reaches it, for example by an argument",
            &[],
        );
        for other in same_host(builds, number, &host).filter(|other| other.start > span.end).take(2)
        {
            draft = draft.label(file, &other, "for the same host");
        }
        let edits = edits(builds, number, &host, &span, &leading);
        for (number, start, end) in leading.into_iter().take(3) {
            draft = draft.label(builds.file(number), &(start..end), "used in this build");
        }
        draft.fix(Safety::Shown, edits, &[file]);
    }
}

/// The edits that name the host as the builds reach it, for every setting of the file. A lockfile
/// has none: an install writes it again.
fn edits(
    builds: &Builds,
    number: usize,
    host: &str,
    span: &Span,
    leading: &BTreeSet<(usize, usize, usize)>,
) -> Vec<Edit> {
    let file = builds.file(number);
    if FileKind::of(&file.path, FileKind::is_lockfile).is_some() {
        return Vec::new();
    }
    let is_led = |build: &&Build| leading.iter().any(|(file, ..)| *file == build.dockerfile);
    let (name, value) = reachable_host(builds.list.iter().filter(is_led));
    let is_npmrc = FileKind::of(&file.path, |kind| kind.credentials().is_some()).is_some();
    let new = name.filter(|_| is_npmrc).map_or(value, |name| format!("${{{name}}}"));
    let mut places: Vec<Span> = same_host(builds, number, host).chain([span.clone()]).collect();
    places.sort_unstable_by_key(|place| (place.start, place.end));
    let edit = |place: Span| {
        let text = file.text.get(place.clone())?;
        let start = place.start + memchr::memmem::find(text, host.as_bytes())?;
        let span = start..start + host.len();
        Some(Edit { path: file.path.clone(), span, text: new.clone() })
    };
    places.into_iter().filter_map(edit).collect()
}

fn add_registry(
    builds: &Builds,
    build: &Build,
    visit: &Visit<'_>,
    registry: &Registry,
    found: &mut LoopbackHosts,
) {
    let Some(host) = registry.host().filter(|host| is_loopback(host)) else { return };
    let text = builds.file(registry.file).text.get(registry.span.clone()).unwrap_or_default();
    let mut place = (registry.file, registry.span.clone());
    let mut leading = vec![(build.dockerfile, registry.brought.clone())];
    if memchr::memmem::find(text, host.as_bytes()).is_none() {
        // The host is the value of a variable.
        let used = registry.url.used.iter().find(|used| {
            let value = visit.install.step.stage.lookup(&used.name);
            matches!(value, Lookup::Set(variable) if variable.text.contains(host))
        });
        if let Some(used) = used {
            leading.push((registry.file, Some(registry.span.clone())));
            place = source_of(build, &used.name, &used.span);
        }
    }
    let entry =
        found.entry((place.0, host.to_owned())).or_insert_with(|| (place.1, BTreeSet::new()));
    let leading = leading.into_iter().filter_map(|(file, span)| Some((file, span?)));
    entry.1.extend(leading.map(|(file, span)| (file, span.start, span.end)));
}

/// Adds the lockfiles of an install that name packages on such a host.
fn add_lockfiles(
    builds: &Builds,
    build: &Build,
    visit: &Visit<'_>,
    known: &mut BTreeMap<usize, Option<Span>>,
    found: &mut LoopbackHosts,
) {
    for image in visit.lockfiles(builds) {
        let file = builds.file(image.file);
        let place = known.entry(image.file).or_insert_with(|| loopback_tarball(&file.text));
        if let Some(span) = place {
            let host = String::from_utf8_lossy(file.text.get(span.clone()).unwrap_or_default());
            let key = (image.file, host.into_owned());
            let entry = found.entry(key).or_insert_with(|| (span.clone(), BTreeSet::new()));
            entry.1.insert((build.dockerfile, image.span.start, image.span.end));
        }
    }
}

/// The first host of a lockfile that is this machine: that of a `tarball` or a `resolved`.
fn loopback_tarball(text: &[u8]) -> Option<Span> {
    let starts = ["localhost", "127.", "[::1]", "0.0.0.0"].iter().filter_map(|start| {
        let mut places = memchr::memmem::find_iter(text, start.as_bytes());
        places.find_map(|at| {
            let line = text.get(line_around(text, at))?;
            let rest = text.get(at..)?;
            let is_end = |byte: &u8| matches!(byte, b':' | b'/' | b'"' | b'\n' | b'}');
            let length = rest.iter().skip(start.len()).position(is_end)? + start.len();
            let host = std::str::from_utf8(rest.get(..length)?).ok()?;
            let is_url = text.get(..at)?.ends_with(b"://") && is_loopback(host);
            let names_package = ["tarball", "resolved"]
                .iter()
                .any(|key| memchr::memmem::find(line, key.as_bytes()).is_some());
            (is_url && names_package).then(|| at..at + length)
        })
    });
    starts.min_by_key(|span| span.start)
}

/// The settings of an npmrc file that are for a host.
fn same_host(builds: &Builds, number: usize, host: &str) -> impl Iterator<Item = Span> {
    let file = builds.file(number);
    let is_npmrc =
        FileKind::of(&file.path, |kind| matches!(kind, FileKind::Npmrc | FileKind::NpmrcCopy));
    let settings = is_npmrc.map(|_| npm_settings(builds, number)).unwrap_or_default();
    let names = |span: &Span| {
        let text = file.text.get(span.clone()).unwrap_or_default();
        memchr::memmem::find(text, format!("//{host}").as_bytes()).is_some()
    };
    let places = settings.iter().filter_map(|setting| match setting.role {
        SettingRole::Host => Some(setting.span.clone()),
        SettingRole::Registry => Some(setting.value.clone()),
        SettingRole::Other => None,
    });
    places.filter(names).collect::<Vec<_>>().into_iter()
}

#[cfg(test)]
mod tests {
    use super::{RULE, Safety};
    use crate::engine::tests::{Fake, judged_by, transcript};

    const COMPOSE: &str = "services: {a: {build: .}}";
    const NPMRC: &str = "@s:registry=http://localhost:4873/\n//localhost:4873/:_authToken=${T}\n";

    fn judged(lines: &str, npmrc: &str, compose: &str) -> Vec<String> {
        let dockerfile = format!("FROM node:22\nWORKDIR /app\n{lines}");
        let change = Fake::default()
            .file("Dockerfile", &dockerfile)
            .file(".npmrc.docker", npmrc)
            .file("compose.yaml", compose)
            .file(
                "package-lock.json",
                "{\"a\": {\n\"resolved\": \"http://127.0.0.1:4873/a.tgz\"}}",
            );
        transcript(&RULE, &change)
    }

    #[test]
    fn a_registry_that_is_the_container_itself() {
        let itself = "is the build container itself";
        let in_file = format!(".npmrc.docker:1:13: localhost {itself}");
        let host = "@s:registry=http://${H}:4873/\n";
        for (lines, npmrc, expected) in [
            ("COPY .npmrc.docker .npmrc\nRUN npm ci", NPMRC, &*in_file),
            ("COPY .npmrc.docker /root/.npmrc\nRUN npm ci", NPMRC, &in_file),
            ("COPY .npmrc.docker .\nRUN mv .npmrc.docker .npmrc && npm ci", NPMRC, &in_file),
            ("RUN --mount=type=bind,source=.npmrc.docker,target=.npmrc npm ci", NPMRC, &in_file),
            ("RUN npm ci --registry http://[::1]:1", "", "Dockerfile:3:23: [::1]"),
            (
                "RUN npm config set registry http://127.0.0.1:1\nRUN npm ci",
                "",
                "Dockerfile:3:29: 127.0.0.1",
            ),
            ("ENV NPM_CONFIG_REGISTRY=http://0.0.0.0\nRUN npm ci", "", "Dockerfile:3:25: 0.0.0.0"),
            (
                "ARG H=localhost\nCOPY .npmrc.docker .npmrc\nRUN npm ci",
                host,
                "Dockerfile:3:7: localhost",
            ),
            ("COPY package-lock.json .\nRUN npm ci", "", "package-lock.json:2:21: 127.0.0.1"),
        ] {
            let found = judged(lines, npmrc, COMPOSE);
            assert!(found.len() == 1 && found[0].starts_with(expected), "{lines}\n{found:?}");
            assert!(found[0].ends_with(itself), "{found:?}");
        }
        let given = "services: {a: {build: {context: ., args: {H: localhost}}}}";
        let lines = "ARG H=npm.example\nCOPY .npmrc.docker .npmrc\nRUN npm ci";
        assert_eq!(judged(lines, host, given), [format!("compose.yaml:1:46: localhost {itself}")]);
    }

    #[test]
    fn the_fix_names_the_host_as_the_build_reaches_it() {
        let dockerfile = "FROM node:22\nWORKDIR /app\nARG H\nCOPY .npmrc.docker .npmrc\nRUN npm ci";
        for (args, host) in [
            ("{}", "host.docker.internal"),
            ("{NPM_HOST: registry.internal}", "${NPM_HOST}"),
            ("{NPM_HOST: localhost}", "host.docker.internal"),
            ("{A_HOST: a.example, B_HOST: b.example}", "host.docker.internal"),
            ("{NPM_HOST: '${NPM_HOST}'}", "host.docker.internal"),
        ] {
            let compose = format!("services: {{a: {{build: {{context: ., args: {args}}}}}}}");
            let change = |npmrc: &str| {
                Fake::default()
                    .file("Dockerfile", dockerfile)
                    .file(".npmrc.docker", npmrc)
                    .file("compose.yaml", &compose)
            };
            let fix = judged_by(&RULE, &change(NPMRC)).remove(0).fix.unwrap();
            let edits = fix.edits.iter().map(|(edit, _)| edit).collect();
            let fixed = crate::edit::apply(NPMRC.as_bytes(), edits).unwrap();
            let fixed = String::from_utf8(fixed).unwrap();
            assert_eq!(fixed, NPMRC.replace("localhost", host), "{args}");
            assert_eq!(fix.safety, Safety::Shown);
            assert_eq!(transcript(&RULE, &change(&fixed)), [""; 0], "{args}");
        }
        let change = Fake::default()
            .file("Dockerfile", "FROM node:22\nWORKDIR /app\nCOPY package-lock.json .\nRUN npm ci")
            .file("package-lock.json", "{\n\"resolved\": \"http://127.0.0.1:1/a.tgz\"}")
            .file("compose.yaml", COMPOSE);
        assert!(judged_by(&RULE, &change)[0].fix.is_none());
    }

    #[test]
    fn registries_that_are_elsewhere_or_not_read() {
        let copied = "COPY .npmrc.docker .npmrc\nRUN npm ci";
        let host = "@s:registry=http://${H}:4873/\n";
        let network = "services: {a: {build: {context: ., network: host}}}";
        let unknown = "services: {a: {build: {context: ., args: {H: '${H}'}}}}";
        for (lines, npmrc, compose) in [
            (copied, "@s:registry=http://localhost.example/\n", COMPOSE),
            (copied, NPMRC, network),
            // Without a caller, the network is unknown.
            (copied, NPMRC, ""),
            ("RUN npm ci\nCOPY .npmrc.docker .npmrc", NPMRC, COMPOSE),
            ("COPY .npmrc.docker x/.npmrc\nRUN npm ci", NPMRC, COMPOSE),
            ("COPY .npmrc.docker ./\nRUN npm ci", NPMRC, COMPOSE),
            (
                "COPY .npmrc.docker .npmrc\nRUN sed -i s/localhost/x/ .npmrc && npm ci",
                NPMRC,
                COMPOSE,
            ),
            ("COPY .npmrc.docker .npmrc\nRUN rm .npmrc\nRUN npm ci", NPMRC, COMPOSE),
            ("COPY .npmrc.docker .npmrc\nRUN --network=host npm ci", NPMRC, COMPOSE),
            ("COPY .npmrc.docker .npmrc\nRUN bun install", NPMRC, COMPOSE),
            ("COPY .npmrc.docker .npmrc\nRUN cd web && npm ci", NPMRC, COMPOSE),
            ("ARG H=localhost\nCOPY .npmrc.docker .npmrc\nRUN npm ci", host, unknown),
            ("ARG H=localhost\nCOPY .npmrc.docker .npmrc\nRUN export H=x && npm ci", host, COMPOSE),
            ("COPY package-lock.json .\nRUN npm ci --no-package-lock", "", COMPOSE),
            ("COPY package-lock.json .\nRUN pnpm install", "", COMPOSE),
            ("ENV API_URL=http://localhost\nRUN npm ci", "", COMPOSE),
        ] {
            assert_eq!(judged(lines, npmrc, compose), [""; 0], "{lines}");
        }
        // A stage that the target does not need.
        let target = "services: {a: {build: {context: ., target: a}}}";
        let lines = "FROM node:22 AS a\nFROM node:22\nCOPY .npmrc.docker .npmrc\nRUN npm ci";
        assert_eq!(judged(lines, NPMRC, target), [""; 0]);
    }
}
