#![doc = include_str!("../../../docs/rules/missing-scope-registry.md")]

use std::collections::BTreeSet;

use crate::base::change::File;
use crate::base::debris::Debris;
use crate::base::escape::Escaped;
use crate::base::finding::Span;
use crate::builds::settings::{NpmSetting, SettingRole, is_loopback, npm_settings, reachable_host};
use crate::builds::visits::{InEffect, Visit, visits};
use crate::builds::{Build, Builds};
use crate::edit::appended;
use crate::edit::fix::Safety;
use crate::formats::Syntax;
use crate::formats::document::Node;
use crate::formats::shell::Lookup;
use crate::models::image::ImageReference;
use crate::project::kinds::FileKind;
use crate::rule::{Check, Findings, Rule, RuleGroup};

/// The row of the rule table.
pub(crate) const RULE: Rule = Rule {
    id: "missing-scope-registry",
    summary: "a copy of .npmrc for images that lacks the registry of a scope in use",
    manual: include_str!("../../../docs/rules/missing-scope-registry.md"),
    check: Check::Builds(judge),
    ..Rule::base(RuleGroup::Doctor)
};

fn judge(builds: &Builds, _: &Debris, findings: &mut Findings) {
    let mut known = BTreeSet::new();
    for build in &builds.list {
        for visit in &visits(builds, build) {
            let image = visit.install.step.stage.image.as_ref();
            if image.is_some_and(ImageReference::is_official) {
                for effective in visit.settings() {
                    judge_variant(builds, build, visit, &effective, &mut known, findings);
                }
            }
        }
    }
}

/// Judges a file that the image gets in place of the `.npmrc` in the same directory.
fn judge_variant(
    builds: &Builds,
    build: &Build,
    visit: &Visit<'_>,
    effective: &InEffect<'_>,
    known: &mut BTreeSet<(usize, String)>,
    findings: &mut Findings,
) {
    let variant = builds.file(effective.image.file);
    let directory = variant.directory();
    let original = format!("{directory}/.npmrc");
    let original = original.trim_start_matches('/');
    let is_variant = FileKind::NpmrcCopy.matches(&variant.path);
    let Some(number) = builds.project.number(original.as_bytes()).filter(|_| is_variant) else {
        return;
    };
    let mapped = mapped_keys(builds, visit);
    // Another default registry may have the packages of every scope.
    if mapped.contains("registry") {
        return;
    }
    let original = builds.file(number);
    let settings = npm_settings(builds, number);
    for setting in settings.iter() {
        let NpmSetting { role, key, span, .. } = setting;
        let scope = key.strip_suffix(":registry").filter(|_| *role == SettingRole::Registry);
        let Some(scope) = scope.filter(|_| !mapped.contains(key)) else { continue };
        let Some((manifest, place, name)) = dependency(builds, visit, scope) else { continue };
        if !known.insert((effective.image.file, scope.to_owned())) {
            continue;
        }
        let (scope, name) = (Escaped(scope.as_bytes()), Escaped(name.as_bytes()));
        let message = format!(
            "it has no registry for {scope}: {} asks the public one for {name}",
            visit.install.installer.name()
        );
        let help =
            format!("add `{scope}:registry=` with the URL of the registry as the build reaches it");
        let edit = addition(build, original, &settings, setting).map(|lines| {
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            appended(variant, &lines)
        });
        findings
            .path(&variant.path, message)
            .label(builds.file(build.dockerfile), &effective.image.span, "copied here")
            .label(original, span, "the project has one")
            .label(builds.file(manifest), &place, "needed here")
            .help(help, &[])
            .fix(Safety::Shown, edit.into_iter().collect(), &[variant]);
    }
}

/// The lines of a project for the registry of a scope, with the host as the build reaches it: its
/// URL, and the settings for that URL, unless they hold a secret as text.
fn addition(
    build: &Build,
    original: &File,
    settings: &[NpmSetting],
    registry: &NpmSetting,
) -> Option<Vec<String>> {
    let text = |span: &Span| std::str::from_utf8(original.text.get(span.clone())?).ok();
    let url = text(&registry.value)?.trim();
    let (_, place) = url.split_once("//")?;
    let host = place.split(['/', ':']).next()?;
    let reachable = match reachable_host(std::iter::once(build)) {
        _ if !is_loopback(host) => host.to_owned(),
        (Some(name), _) => format!("${{{name}}}"),
        (None, value) => value,
    };
    let with_host = |text: &str| text.replacen(&format!("//{host}"), &format!("//{reachable}"), 1);
    let of_url = settings.iter().filter(|setting| {
        let key = setting.key.strip_prefix("//").and_then(|key| key.rsplit_once(':'));
        key.is_some_and(|(key, _)| key.trim_end_matches('/') == place.trim_end_matches('/'))
            && setting.role == SettingRole::Host
            && setting.variables.iter().any(|variable| variable.is_credential)
    });
    let mut lines = vec![format!("{}={}", registry.key, with_host(url))];
    for setting in of_url {
        lines.push(format!("{}={}", with_host(&setting.key), text(&setting.value)?.trim()));
    }
    Some(lines)
}

/// The keys of the registries that are set for an install.
fn mapped_keys(builds: &Builds, visit: &Visit<'_>) -> BTreeSet<String> {
    let settings = visit.settings();
    let of_files = settings.iter().flat_map(|effective| {
        let settings = npm_settings(builds, effective.image.file);
        let registries = settings.iter().filter(|setting| setting.role == SettingRole::Registry);
        registries.map(|setting| setting.key.clone()).collect::<Vec<_>>()
    });
    let by_commands = visit.image.configured.iter().map(|set| set.key.clone());
    let by_flag = visit.install.command.words.iter().filter_map(|word| {
        let flag = word.text.strip_prefix("--")?;
        let key = flag.split('=').next().unwrap_or(flag);
        key.ends_with("registry").then(|| key.to_owned())
    });
    let stage = &visit.install.step.stage;
    let by_variable = ["NPM_CONFIG_REGISTRY", "npm_config_registry"].into_iter().filter(|name| {
        stage.lookup(name) != Lookup::Unset || visit.install.run.assigned.contains(*name)
    });
    let by_variable = by_variable.map(|_| "registry".to_owned());
    of_files.chain(by_commands).chain(by_flag).chain(by_variable).collect()
}

const FIELDS: [&str; 3] = ["dependencies", "devDependencies", "optionalDependencies"];

/// A dependency with this scope that a manifest in the image takes from a registry: the number of
/// the manifest, the place and the name.
fn dependency(builds: &Builds, visit: &Visit<'_>, scope: &str) -> Option<(usize, Span, String)> {
    let directory = visit.directory.as_deref()?;
    let manifests = visit.image.files().filter(|(path, image)| {
        let path = path.strip_prefix(directory);
        let is_below = path.is_some_and(|rest| directory.ends_with('/') || rest.starts_with('/'));
        is_below && FileKind::Manifest.matches(&builds.file(image.file).path)
    });
    for (_, image) in manifests {
        let document = builds.project.files()[image.file].document(Syntax::Json);
        let Ok(root) = &*document else { continue };
        for (key, spec) in
            FIELDS.iter().filter_map(|field| root.last(field)).flat_map(Node::entries)
        {
            let is_asked = key.text.strip_prefix(scope).is_some_and(|rest| rest.starts_with('/'));
            if is_asked && spec.text().is_some_and(is_range) && !is_member(builds, &key.text) {
                return Some((image.file, key.span.clone(), key.text.clone()));
            }
        }
    }
    None
}

/// Whether a spec is a version, a range or a tag, which a registry resolves.
fn is_range(spec: &str) -> bool {
    !spec.contains([':', '/'])
}

/// Whether a package of the repository has this name: it may be linked.
fn is_member(builds: &Builds, name: &str) -> bool {
    builds.project.files().iter().any(|source| {
        FileKind::Manifest.matches(&source.file.path)
            && (*source.document(Syntax::Json))
                .as_ref()
                .is_ok_and(|root| root.last("name").and_then(Node::text) == Some(name))
    })
}

#[cfg(test)]
mod tests {
    use super::{RULE, Safety};
    use crate::engine::tests::{Fake, judged_by, transcript};

    const LINES: &str = "COPY .npmrc.docker .npmrc\nCOPY package.json .\nRUN pnpm install";
    const MANIFEST: &str = r#"{"dependencies": {"@s/a": "^1"}}"#;

    fn judged(lines: &str, variant: &str, manifest: &str) -> Vec<String> {
        let dockerfile = format!("FROM node:22\nWORKDIR /app\n{lines}");
        let change = Fake::default()
            .file("Dockerfile", &dockerfile)
            .file(".npmrc", "@s:registry=http://npm.example/\n@t:registry=http://npm.example/\n")
            .file(".npmrc.docker", variant)
            .file("member/package.json", r#"{"name": "@s/member"}"#)
            .file("package.json", manifest);
        transcript(&RULE, &change)
    }

    #[test]
    fn a_scope_in_use_without_a_registry() {
        let expected =
            ".npmrc.docker: it has no registry for @s: pnpm asks the public one for @s/a";
        for (lines, variant) in [
            (LINES, "strict-ssl=false\n"),
            (LINES, ""),
            (
                "COPY .npmrc.docker /root/.npmrc\nCOPY . .\nRUN rm .npmrc && pnpm i",
                "@t:registry=http://h\n",
            ),
        ] {
            assert_eq!(judged(lines, variant, MANIFEST), [expected], "{lines}");
        }
    }

    #[test]
    fn the_fix_adds_the_lines_of_the_project() {
        let own = "@s:registry=http://localhost:4873/\n//localhost:4873/:_authToken=${T}\n";
        let secret = ["//localhost:4873/:_authTok", "en=abcdefgh\n"].concat();
        let far = "@s:registry=https://npm.example/\n//other.example/:_authToken=${T}\n";
        for (own, variant, expected) in [
            (
                own.to_owned(),
                "strict-ssl=false",
                "strict-ssl=false\n@s:registry=http://host.docker.internal:4873/\n\
                 //host.docker.internal:4873/:_authToken=${T}",
            ),
            (
                format!("@s:registry=http://localhost:4873/\n{secret}"),
                "a=b\n",
                "a=b\n@s:registry=http://host.docker.internal:4873/\n",
            ),
            (far.to_owned(), "", "@s:registry=https://npm.example/\n"),
        ] {
            let change = Fake::default()
                .file("Dockerfile", &format!("FROM node:22\nWORKDIR /app\n{LINES}"))
                .file(".npmrc", &own)
                .file(".npmrc.docker", variant)
                .file("package.json", MANIFEST);
            let fix = judged_by(&RULE, &change).remove(0).fix.unwrap();
            let edits = fix.edits.iter().map(|(edit, _)| edit).collect();
            let fixed = crate::edit::apply(variant.as_bytes(), edits).unwrap();
            assert_eq!(String::from_utf8(fixed).unwrap(), expected);
            assert_eq!(fix.safety, Safety::Shown);
        }
    }

    #[test]
    fn scopes_that_are_mapped_or_not_in_use() {
        let copied = "COPY .npmrc.docker .npmrc\nCOPY package.json .\n";
        for (lines, variant, manifest) in [
            (LINES.to_owned(), "@s:registry=http://h\n", MANIFEST),
            (LINES.to_owned(), "registry=http://h\n", MANIFEST),
            (LINES.to_owned(), "", "{}"),
            (LINES.to_owned(), "", r#"{"dependencies": {"@s/a": "workspace:*"}}"#),
            (LINES.to_owned(), "", r#"{"dependencies": {"@s/a": "file:../a"}}"#),
            (LINES.to_owned(), "", r#"{"dependencies": {"@s/member": "*"}}"#),
            (format!("{copied}RUN npm config set @s:registry http://h && npm i"), "", MANIFEST),
            (format!("{copied}RUN pnpm i --@s:registry=http://h"), "", MANIFEST),
            (format!("{copied}RUN pnpm i --registry=http://h"), "", MANIFEST),
            (format!("{copied}RUN echo x >> .npmrc && pnpm i"), "", MANIFEST),
            (format!("{copied}ENV NPM_CONFIG_REGISTRY=http://h\nRUN pnpm i"), "", MANIFEST),
            ("COPY .npmrc .npmrc\nCOPY package.json .\nRUN pnpm i".to_owned(), "", MANIFEST),
            ("COPY . .\nRUN pnpm i".to_owned(), "", MANIFEST),
            ("COPY .npmrc.docker .npmrc\nRUN pnpm i".to_owned(), "", MANIFEST),
            (format!("FROM me/base\nWORKDIR /app\n{LINES}"), "", MANIFEST),
            (
                format!("{copied}RUN --mount=type=secret,id=n,target=/root/.npmrc pnpm i"),
                "",
                MANIFEST,
            ),
        ] {
            assert_eq!(judged(&lines, variant, manifest), [""; 0], "{lines} {variant} {manifest}");
        }
    }
}
