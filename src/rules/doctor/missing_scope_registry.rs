#![doc = include_str!("../../../docs/rules/missing-scope-registry.md")]

use std::collections::BTreeSet;

use crate::base::debris::Debris;
use crate::base::escape::Escaped;
use crate::base::finding::Span;
use crate::builds::settings::{NpmSetting, SettingRole, npm_settings};
use crate::builds::visits::{InEffect, Visit, visits};
use crate::builds::{Build, Builds};
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
    for NpmSetting { role, key, span, .. } in npm_settings(builds, number).iter() {
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
        findings
            .path(&variant.path, message)
            .label(builds.file(build.dockerfile), &effective.image.span, "copied here")
            .label(original, span, "the project has one")
            .label(builds.file(manifest), &place, "needed here")
            .help(
                format!(
                    "add `{scope}:registry=` with the URL of the registry as the build reaches it"
                ),
                &[],
            );
    }
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
    use super::RULE;
    use crate::engine::tests::{Fake, transcript};

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
