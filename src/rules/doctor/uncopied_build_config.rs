#![doc = include_str!("../../../docs/rules/uncopied-build-config.md")]

use crate::base::change::File;
use crate::base::debris::Debris;
use crate::base::edit::Edit;
use crate::base::escape::Escaped;
use crate::base::finding::Span;
use crate::base::path::RepoPath;
use crate::builds::context::{cleaned, is_pattern};
use crate::builds::steps::RunCommand;
use crate::builds::{Action, Build, BuildContext, Builds, ContextSource};
use crate::edit::fix::Safety;
use crate::formats::Syntax;
use crate::project::kinds::FileKind;
use crate::rule::{Check, Findings, Rule, RuleGroup};

/// The row of the rule table.
pub(crate) const RULE: Rule = Rule {
    id: "uncopied-build-config",
    summary: "a build in an image without the configuration of its tool",
    manual: include_str!("../../../docs/rules/uncopied-build-config.md"),
    check: Check::Builds(judge),
    ..Rule::base(RuleGroup::Doctor)
};

fn judge(builds: &Builds, _: &Debris, findings: &mut Findings) {
    for build in &builds.list {
        for stage in 0..build.stages.len() {
            judge_stage(builds, build, stage, findings);
        }
    }
}

fn judge_stage(builds: &Builds, build: &Build, stage: usize, findings: &mut Findings) {
    let Some(context) = &build.context else { return };
    let Some(command) = build_command(build, stage) else { return };
    let chain = build.chain(stage);
    let mut sources = build.sources();
    sources.retain(|source| chain.contains(&source.stage));
    // Any source that is unknown may be the configuration.
    if sources.iter().any(|source| source.path.is_none()) || receives_sources(build, &chain) {
        return;
    }
    let manifests = sources.iter().filter_map(|source| {
        let path = cleaned(source.path?);
        let manifest = context.named(&builds.tree, &path).find(|path| is_manifest(path))?;
        let directory = RepoPath::from(manifest).parent().to_vec();
        // A directory that is copied as a whole lists no files.
        let is_listed = is_pattern(&path) || path == manifest;
        is_listed.then(|| String::from_utf8(directory).ok())?
    });
    let mut directories: Vec<String> = manifests.collect();
    directories.sort_unstable();
    directories.dedup();
    let dockerfile = builds.file(build.dockerfile);
    for directory in directories {
        let missing = uncopied(builds, context, &sources, &directory);
        let missing: Vec<String> = missing
            .into_iter()
            .filter(|path| !is_mentioned(dockerfile, build, &chain, path))
            .collect();
        if !missing.is_empty() {
            report(builds, build, &sources, &directory, &missing, &command, findings);
        }
    }
}

fn is_manifest(path: &str) -> bool {
    FileKind::Manifest.matches(&path.into())
}

/// The place of the first command of a stage that builds.
fn build_command(build: &Build, stage: usize) -> Option<Span> {
    let mut commands = build.stages.get(stage)?.steps.iter().flat_map(|step| match &step.action {
        Action::Run(run) => run.commands.as_slice(),
        _ => &[],
    });
    commands.find(|command| builds(command)).map(RunCommand::span)
}

/// Whether a command is `pnpm run build`, `next build` or the like.
fn builds(command: &RunCommand) -> bool {
    const PROGRAMS: [&str; 16] = [
        "npm", "pnpm", "yarn", "bun", "npx", "pnpx", "bunx", "corepack", "next", "vite", "nuxt",
        "nuxi", "astro", "nest", "webpack", "rollup",
    ];
    let is_build = |word: &str| word == "build" || word.starts_with("build:");
    command.program().is_some_and(|program| PROGRAMS.contains(&program))
        && command.arguments().any(is_build)
}

/// Whether another stage or image gives files to these stages that may be sources.
fn receives_sources(build: &Build, chain: &[usize]) -> bool {
    let steps = build.steps().filter(|(stage, _)| chain.contains(stage));
    steps.into_iter().any(|(_, step)| match &step.action {
        Action::Copy(copy) => {
            let is_installed = |path: &str| {
                let path = path.trim_end_matches('/');
                path.ends_with("node_modules") || path.contains("/bin/")
            };
            copy.from.is_some()
                && !copy.sources.iter().all(|source| source.known().is_some_and(is_installed))
        }
        Action::Run(run) => {
            run.mounts.iter().any(|mount| mount.kind == "bind" && mount.has(&["from"]))
        }
        _ => false,
    })
}

/// The configurations of a directory that is copied in parts, and without them.
fn uncopied(
    builds: &Builds,
    context: &BuildContext,
    sources: &[ContextSource<'_>],
    directory: &str,
) -> Vec<String> {
    let inside = |path: &str| -> Option<String> {
        let below = if directory.is_empty() {
            path
        } else {
            path.strip_prefix(directory)?.strip_prefix('/')?
        };
        Some(below.to_owned())
    };
    let paths: Vec<String> =
        sources.iter().filter_map(|source| Some(cleaned(source.path?))).collect();
    let is_subdirectory = |path: &String| {
        inside(path).is_some_and(|below| {
            !below.is_empty() && builds.tree.has_directory(&context.path(path))
        })
    };
    if !paths.iter().any(is_subdirectory) {
        return Vec::new();
    }
    let home = context.path(directory);
    let names = builds.tree.below(home.trim_end_matches('/')).filter(|name| !name.contains('/'));
    let found = names.filter(|name| {
        let path = RepoPath::from(*name);
        let readers = FileKind::readers_of_config(&path);
        FileKind::is_build_config(&path)
            && readers.is_none_or(|readers| depends_on(builds, &home, readers))
    });
    found
        .map(
            |name| {
                if directory.is_empty() { name.to_owned() } else { format!("{directory}/{name}") }
            },
        )
        .filter(|path| context.excluding(path).is_none())
        .filter(|path| {
            !paths
                .iter()
                .any(|source| context.named(&builds.tree, source).any(|named| named == path))
        })
        .collect()
}

/// Whether the manifest of a directory depends on one of these packages.
fn depends_on(builds: &Builds, home: &str, packages: &[&str]) -> bool {
    let mut manifests = builds.project.files().iter().filter(|source| {
        let path = &source.file.path;
        FileKind::Manifest.matches(path) && path.parent() == home.trim_end_matches('/').as_bytes()
    });
    manifests.any(|source| {
        let document = source.document(Syntax::Json);
        let Ok(root) = document.as_ref() else { return false };
        let lists = ["dependencies", "devDependencies"].iter().filter_map(|key| root.last(key));
        let mut lists = lists.collect::<Vec<_>>().into_iter();
        lists.any(|list| packages.iter().any(|package| list.last(package).is_some()))
    })
}

/// Whether a command or a destination of these stages names the file: then it may make it.
fn is_mentioned(file: &File, build: &Build, chain: &[usize], path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let mut steps = build.steps().filter(|(stage, _)| chain.contains(stage));
    steps.any(|(_, step)| match &step.action {
        Action::Copy(copy) => copy.destination.text.contains(name) || copy.destination.is_open,
        Action::Run(_) => {
            let text = file.text.get(step.span.clone()).unwrap_or_default();
            memchr::memmem::find(text, name.as_bytes()).is_some()
        }
        _ => false,
    })
}

fn report(
    builds: &Builds,
    build: &Build,
    sources: &[ContextSource<'_>],
    directory: &str,
    missing: &[String],
    command: &Span,
    findings: &mut Findings,
) {
    let dockerfile = builds.file(build.dockerfile);
    let shown: Vec<String> =
        missing.iter().map(|path| Escaped(path.as_bytes()).to_string()).collect();
    let shown = shown.join(" and ");
    let message = format!("the build runs without {shown}, which no COPY takes into the image");
    let files = sources.iter().rfind(|source| {
        let path = source.path.map(cleaned).unwrap_or_default();
        RepoPath::from(&*path).parent() == directory.as_bytes()
            && builds.tree.has_file(
                &build.context.iter().map(|context| context.path(&path)).collect::<String>(),
            )
    });
    let mut draft = findings.place(dockerfile, command, message);
    if let Some(source) = files {
        draft = draft.label(dockerfile, source.span, "files are copied one by one here");
    }
    let draft = draft.help(format!("copy {shown} as well"), &[]);
    if let Some(edit) = files.and_then(|source| addition(dockerfile, source, missing)) {
        draft.fix(Safety::Safe, vec![edit], &[dockerfile]);
    }
}

/// The edit that adds files to a `COPY` into a directory.
fn addition(dockerfile: &File, source: &ContextSource<'_>, missing: &[String]) -> Option<Edit> {
    let copy = source.copy?;
    let to_directory = copy.destination.known().is_some_and(|to| to.ends_with(['/', '.']));
    let written = dockerfile.text.get(source.span.clone())?;
    let is_plain = |path: &String| !path.contains([' ', '"', '\'', '\\', '$']);
    // The exec form has quotes.
    let is_shell = !written.starts_with(b"\"") && missing.iter().all(is_plain);
    (to_directory && is_shell && !copy.keeps_parents && !copy.is_add).then(|| Edit {
        path: dockerfile.path.clone(),
        span: source.span.end..source.span.end,
        text: format!(" {}", missing.join(" ")),
    })
}

#[cfg(test)]
mod tests {
    use super::RULE;
    use crate::engine::tests::{Fake, judged_by, messages};

    fn judged(dockerfile: &str) -> Vec<String> {
        let change = Fake::default()
            .file("Dockerfile", &format!("FROM node:22 AS a\n{dockerfile}\n"))
            .file("package.json", "{}")
            .file("web/package.json", "{}")
            .file("web/next.config.ts", "")
            .file("web/postcss.config.mjs", "")
            .file("web/jest.config.js", "")
            .file("web/src/page.tsx", "")
            .file(".dockerignore", "web/.babelrc")
            .file("web/.babelrc", "");
        let found = judged_by(&RULE, &change);
        let diffs = found.iter().flat_map(|finding| &finding.fix).flat_map(|fix| &fix.diffs);
        let added = diffs
            .flat_map(|(_, diff)| &diff.lines)
            .filter(|line| line.starts_with('+') && !line.starts_with("++"));
        messages(&found).into_iter().chain(added.cloned()).collect()
    }

    const COPIES: &str = "COPY web/package.json web/next.config.ts ./\nCOPY web/src/ ./src/\n";

    #[test]
    fn a_configuration_that_is_left_out_of_a_list() {
        let without = "the build runs without web/postcss.config.mjs, which no COPY takes into \
                       the image";
        for build in ["RUN pnpm run build", "FROM a\nRUN npx next build"] {
            let place = if build.starts_with("FROM") { "5:5" } else { "4:5" };
            assert_eq!(
                judged(&format!("{COPIES}{build}")),
                [
                    format!("Dockerfile:{place}: {without}"),
                    "+COPY web/package.json web/next.config.ts web/postcss.config.mjs ./".into()
                ]
            );
        }
        let single = "COPY web/package*.json ./package.json\nCOPY web/src ./src\nRUN yarn build";
        assert_eq!(
            judged(single),
            ["Dockerfile:4:5: the build runs without web/next.config.ts and \
              web/postcss.config.mjs, which no COPY takes into the image"]
        );
    }

    #[test]
    fn a_configuration_that_is_there_or_may_be() {
        for rest in [
            "COPY web/ ./\nRUN pnpm build",
            "COPY . .\nRUN pnpm build",
            "COPY web/*.mjs ./\nRUN pnpm build",
            "RUN pnpm install",
            "RUN pnpm test && echo build",
            "ARG X\nCOPY $X ./\nRUN pnpm build",
            "COPY --from=b /app/web ./\nRUN pnpm build",
            "COPY <<EOF postcss.config.mjs\nEOF\nRUN pnpm build",
            "RUN echo > postcss.config.mjs && pnpm build",
            "FROM b\nRUN pnpm build",
        ] {
            assert_eq!(judged(&format!("{COPIES}{rest}")), [""; 0], "{rest}");
        }
        for all in ["COPY web/package.json ./\nRUN pnpm build", "COPY web ./\nRUN pnpm build"] {
            assert_eq!(judged(all), [""; 0], "{all}");
        }
    }

    #[test]
    fn a_configuration_of_a_compiler_counts_if_the_build_reads_it() {
        for (dependency, expected) in [
            ("babel-loader", 1),
            ("next", 1),
            // The tests read it, and Vite does not.
            ("babel-jest", 0),
            ("vite", 0),
        ] {
            let manifest = format!("{{\"devDependencies\": {{\"{dependency}\": \"1\"}}}}");
            let change = Fake::default()
                .file(
                    "Dockerfile",
                    "FROM node:22\nCOPY package.json ./\nCOPY src src\nRUN npm run build",
                )
                .file("package.json", &manifest)
                .file("src/main.ts", "")
                .file("babel.config.cjs", "")
                .file(".swcrc", "{}");
            assert_eq!(messages(&judged_by(&RULE, &change)).len(), expected, "{dependency}");
        }
    }
}
