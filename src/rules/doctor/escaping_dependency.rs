#![doc = include_str!("../../../docs/rules/escaping-dependency.md")]

use std::collections::BTreeMap;

use crate::base::debris::Debris;
use crate::base::escape::Escaped;
use crate::base::finding::Span;
use crate::builds::{Action, Build, BuildContext, Builds};
use crate::formats::Syntax;
use crate::formats::document::Node;
use crate::formats::spec::installs_from;
use crate::project::SourceFile;
use crate::project::directories::{relative_to, resolved};
use crate::project::kinds::FileKind;
use crate::rule::{Check, Findings, Rule, RuleGroup};

/// The row of the rule table.
pub(crate) const RULE: Rule = Rule {
    id: "escaping-dependency",
    summary: "a dependency on a directory outside of the build context",
    manual: include_str!("../../../docs/rules/escaping-dependency.md"),
    check: Check::Builds(judge),
    ..Rule::base(RuleGroup::Doctor)
};

fn judge(builds: &Builds, debris: &Debris, findings: &mut Findings) {
    let workspaces = builds.workspaces();
    // The first of several names that differ in case.
    let files = builds.project.files().iter().rev();
    let manifests = files.filter(|source| FileKind::Manifest.matches(&source.file.path));
    let manifests: BTreeMap<&[u8], &SourceFile> =
        manifests.map(|source| (source.file.path.parent(), &**source)).collect();
    for build in &builds.list {
        let Some(context) = &build.context else { continue };
        if build.installs().next().is_none() || rewrites_manifests(build) {
            continue;
        }
        for (directory, copied) in build.copied_manifests(&builds.manifests, &workspaces) {
            let Some(manifest) = manifests.get(directory.as_bytes()) else { continue };
            for (spec, span) in dependencies(manifest) {
                let Some(target) = local_path(&spec) else { continue };
                if installs_from(&spec, &directory, debris).is_none()
                    && leaves(context, &directory, target)
                    && !is_made(build, target)
                {
                    report(builds, build, manifest, (&spec, &span), &copied.span, findings);
                }
            }
        }
    }
}

fn report(
    builds: &Builds,
    build: &Build,
    manifest: &SourceFile,
    (spec, span): (&str, &Span),
    copied: &Span,
    findings: &mut Findings,
) {
    let shown = Escaped(spec.as_bytes());
    let message = format!("{shown} is outside of the build context, so the image lacks it");
    findings
        .place(&manifest.file, span, message)
        .label(builds.file(build.dockerfile), copied, "the manifest is copied here")
        .help(
            "depend on a version of the package in a registry, or build with a context that has \
             the directory",
            &[],
        );
}

/// The specs of the dependencies that an install asks for.
fn dependencies(manifest: &SourceFile) -> Vec<(String, Span)> {
    let document = manifest.document(Syntax::Json);
    let Ok(root) = &*document else { return Vec::new() };
    let fields = ["dependencies", "devDependencies", "optionalDependencies"];
    let entries = fields.iter().filter_map(|field| root.last(field)).flat_map(Node::entries);
    entries.filter_map(|(_, node)| Some((node.text()?.to_owned(), node.span.clone()))).collect()
}

/// The relative path of a local dependency.
fn local_path(spec: &str) -> Option<&str> {
    let protocols = ["file:", "link:", "portal:"];
    let path = protocols.iter().find_map(|protocol| spec.strip_prefix(protocol));
    path.or_else(|| spec.starts_with("../").then_some(spec))
        .filter(|path| !path.starts_with(['/', '~']) && !path.contains(['$', '\\', '%']))
}

/// Whether a path of a manifest leaves the context.
fn leaves(context: &BuildContext, directory: &str, path: &str) -> bool {
    resolved(directory, path)
        .is_none_or(|target| relative_to(context.directory.as_bytes(), target.as_bytes()).is_none())
}

/// Whether a step may bring the directory into the image: something names it.
fn is_made(build: &Build, path: &str) -> bool {
    let tail = path.rsplit("../").next().unwrap_or(path).trim_end_matches('/');
    let names = |text: &str| tail.is_empty() || text.contains(tail);
    build.steps().any(|(_, step)| match &step.action {
        Action::Copy(copy) => {
            names(&copy.destination.text)
                || copy.destination.is_open
                || copy.from.is_some() && copy.sources.iter().any(|source| names(&source.text))
        }
        Action::Run(run) => {
            let words = run.commands.iter().flat_map(|command| &command.words);
            words.into_iter().any(|word| names(&word.text))
                || run.mounts.iter().any(|mount| mount.target().is_none_or(names))
        }
        _ => false,
    })
}

/// Whether a command may change a manifest before the install.
fn rewrites_manifests(build: &Build) -> bool {
    build.steps().any(|(_, step)| match &step.action {
        Action::Run(run) => run.commands.iter().any(|command| {
            let mut words = command.words.iter().map(|word| word.text.as_str());
            words.any(|word| word == "pkg" || FileKind::Manifest.matches(&word.into()))
        }),
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::RULE;
    use crate::engine::tests::{Fake, transcript};

    fn judged(dockerfile: &str, dependency: &str) -> Vec<String> {
        let change = Fake::default()
            .file("compose.yaml", "services: {a: {build: web}}")
            .file("web/Dockerfile", &format!("FROM node:22\n{dockerfile}\n"))
            .file(
                "web/package.json",
                &format!(r#"{{"devDependencies": {{"@acme/ui": "{dependency}"}}}}"#),
            )
            .file("shared/package.json", "{}");
        transcript(&RULE, &change)
    }

    #[test]
    fn a_directory_outside_of_the_context() {
        for spec in ["file:../shared", "link:../../common/ui", "portal:a/../../b", "../shared"] {
            assert_eq!(
                judged("COPY . .\nRUN npm install", spec),
                [format!(
                    "web/package.json:1:34: {spec} is outside of the build context, so the image \
                     lacks it"
                )]
            );
        }
    }

    #[test]
    fn a_directory_that_the_image_has_or_may_have() {
        let copy = "COPY package.json ./\nRUN npm install";
        for (dockerfile, spec) in [
            (copy, "file:./vendor/x"),
            (copy, "file:../web/vendor"),
            (copy, "^1.0.0"),
            (copy, "file:/srv/x"),
            (copy, "file:../.docker-deps/x.tgz"),
            ("COPY package.json ./\nRUN npm run build", "file:../shared"),
            ("COPY a ./\nRUN npm install", "file:../shared"),
            ("COPY . .\nCOPY --from=x shared /shared\nRUN npm install", "file:../shared"),
            ("COPY . .\nRUN git clone x /shared && npm install", "file:../shared"),
            ("COPY . .\nRUN sed -i s/a/b/ package.json && npm install", "file:../shared"),
        ] {
            assert_eq!(judged(dockerfile, spec), [""; 0], "{dockerfile} with {spec}");
        }
    }
}
