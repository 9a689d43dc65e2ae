#![doc = include_str!("../../../docs/rules/missing-cache-mount.md")]

use std::cell::OnceCell;

use crate::base::change::File;
use crate::base::debris::Debris;
use crate::base::edit::Edit;
use crate::base::finding::{Severity, Span};
use crate::builds::installs::{Install, Installer, installs};
use crate::builds::steps::{Action, RunCommand};
use crate::builds::stores::{PackageStore, question, store};
use crate::builds::{Build, Builds};
use crate::edit::fix::Safety;
use crate::project::directories::relative_to;
use crate::project::kinds::FileKind;
use crate::rule::{Check, Findings, Rule, RuleGroup};

/// The row of the rule table.
pub(crate) const RULE: Rule = Rule {
    id: "missing-cache-mount",
    summary: "installs that download every package again in each build",
    severity: Severity::Warning,
    manual: include_str!("../../../docs/rules/missing-cache-mount.md"),
    check: Check::Builds(judge),
    ..Rule::base(RuleGroup::Doctor)
};

/// The maximum number of other installs that a finding shows.
const MAX_LABELS: usize = 3;

fn judge(builds: &Builds, _: &Debris, findings: &mut Findings) {
    let railway = OnceCell::new();
    let is_railway = || {
        railway.get_or_init(|| {
            builds.tree.below("").any(|path| FileKind::Railway.matches(&path.into()))
        })
    };
    for build in builds.of_each_dockerfile() {
        let mut uncached: Vec<(usize, Install<'_>)> = build
            .stages
            .iter()
            .enumerate()
            .flat_map(|(stage, steps)| installs(steps).map(move |install| (stage, install)))
            .filter(|(stage, install)| downloads(build, *stage, install))
            .collect();
        let is_yarn = |install: &Install<'_>| install.installer == Installer::Yarn;
        if uncached.iter().any(|(_, install)| is_yarn(install)) && has_yarn_cache(builds, build) {
            uncached.retain(|(_, install)| !is_yarn(install));
        }
        if !uncached.is_empty() {
            report(builds, build, &uncached, *is_railway(), findings);
        }
    }
}

/// Whether an install has to download packages, and no cache may keep them.
fn downloads(build: &Build, stage: usize, install: &Install<'_>) -> bool {
    let run = install.run;
    let is_cached = run.mounts.iter().any(|mount| matches!(&*mount.kind, "cache" | ""));
    // An unknown word may be `--offline`.
    let is_open = install.command.words.iter().any(|word| word.known().is_none());
    !is_cached
        && !is_open
        && run.network.is_none()
        && !is_offline(install.command)
        && !is_fetched(build, stage, install)
}

fn is_offline(command: &RunCommand) -> bool {
    command.arguments().any(|word| matches!(word, "--offline" | "--prefer-offline"))
}

/// Whether `pnpm fetch` filled the store of the image before.
fn is_fetched(build: &Build, stage: usize, install: &Install<'_>) -> bool {
    let fetches = |command: &RunCommand| {
        command.program() == Some("pnpm") && command.arguments().any(|word| word == "fetch")
    };
    install.installer == Installer::Pnpm
        && build.lineage(stage).any(|(number, steps)| {
            let length = if number == stage { install.position + 1 } else { steps.steps.len() };
            steps.steps.iter().take(length).any(|step| match &step.action {
                Action::Run(run) => run.commands.iter().any(fetches),
                _ => false,
            })
        })
}

/// Whether the repository has the packages of Yarn.
fn has_yarn_cache(builds: &Builds, build: &Build) -> bool {
    let context = build.context.as_ref().map_or("", |context| &context.directory);
    builds.tree.mentions(context, ".yarn/cache/")
}

fn report(
    builds: &Builds,
    build: &Build,
    installs: &[(usize, Install<'_>)],
    is_railway: bool,
    findings: &mut Findings,
) {
    let Some((first, others)) = installs.split_first() else { return };
    let (_, install) = first;
    let file = builds.file(build.dockerfile);
    let name = install.installer.name();
    let message = match others.len() {
        0 => format!("no cache keeps what {name} downloads: each build downloads it again"),
        more => format!(
            "no cache keeps what {} installs download: each build downloads it again",
            more + 1
        ),
    };
    let all = || std::iter::once(first).chain(others);
    let stores: Vec<Option<PackageStore>> =
        all().map(|(stage, install)| store(builds, build, *stage, install)).collect();
    let known = stores.first().and_then(Option::as_ref);
    let help = known.map_or_else(
        || {
            let question = question(install.installer);
            format!("mount a cache at the directory that `{question}` prints in the image")
        },
        |known| {
            let mount = mount(install.installer, &known.directory);
            let differs = |(_, store): &(_, &Option<PackageStore>)| {
                store.as_ref().is_none_or(|store| store.directory != known.directory)
            };
            match all().zip(&stores).find(differs) {
                None => format!("add {mount} to the RUN"),
                Some(((_, other), _)) => format!(
                    "add {mount} to the first RUN; another may keep its packages elsewhere: mount \
                     a cache at the directory that `{}` prints there",
                    question(other.installer)
                ),
            }
        },
    );
    let mut draft = findings.place(file, &install.command.span(), message).help(help, &[]);
    for (_, other) in others.iter().take(MAX_LABELS) {
        draft = draft.label(file, &other.command.span(), "and here");
    }
    let needing = stores.iter().flatten().filter_map(|store| needing(build, store));
    if let Some(span) = needing.min_by_key(|span| span.start) {
        draft.label(file, &span, "no fix: this may need the packages in the image, or clears them");
    } else if let Some(edits) = edits(file, all().zip(&stores)) {
        let safety = if is_railway { Safety::Shown } else { Safety::Safe };
        draft.fix(safety, edits, &[file]);
    }
}

/// The flag that mounts a cache. Yarn does not expect others in its cache.
fn mount(installer: Installer, directory: &str) -> String {
    let sharing = if installer == Installer::Yarn { ",sharing=locked" } else { "" };
    format!("--mount=type=cache,target={directory}{sharing}")
}

/// The edits that mount the caches; `None` if a store is unknown.
fn edits<'i>(
    file: &File,
    installs: impl Iterator<Item = (&'i (usize, Install<'i>), &'i Option<PackageStore>)>,
) -> Option<Vec<Edit>> {
    let mut edits: Vec<Edit> = Vec::new();
    for ((_, install), store) in installs {
        let store = store.as_ref()?;
        let start = install.step.span.start;
        let name = file.text.get(start..start + 4)?;
        if !name.eq_ignore_ascii_case(b"RUN ") {
            return None;
        }
        let (at, flag) = (start + 4, mount(install.installer, &store.directory));
        match edits.iter_mut().find(|edit| edit.span.start == at) {
            Some(known) if known.text.contains(&flag) => {}
            Some(known) => known.text = format!("{}{flag} ", known.text),
            None => {
                let (path, text) = (file.path.clone(), format!("{flag} "));
                edits.push(Edit { path, span: at..at, text });
            }
        }
    }
    Some(edits)
}

/// The place of the first command or step that may need the packages in the image, or clears them.
fn needing(build: &Build, store: &PackageStore) -> Option<Span> {
    let changes = |command: &&RunCommand| may_need(command, &store.directory);
    build.steps().find_map(|(_, step)| match &step.action {
        Action::Run(run) => run.commands.iter().find(changes).map(RunCommand::span),
        Action::Copy(copy) => {
            let store = store.directory.trim_start_matches('/');
            let takes = copy.from.is_some()
                && copy.sources.iter().any(|source| source.text.contains(store));
            takes.then(|| step.span.clone())
        }
        _ => None,
    })
}

/// Whether a command may need the packages in the store, or clear them.
fn may_need(command: &RunCommand, store: &str) -> bool {
    let has = |names: &[&str]| command.arguments().any(|word| names.contains(&word));
    match command.program() {
        Some("npm" | "npx" | "pnpm" | "yarn" | "bun" | "corepack") => {
            is_offline(command) || has(&["cache", "store", "prune", "fetch"])
        }
        Some("rm") => command.words.iter().skip(1).any(|word| {
            word.known().is_none_or(|path| !path.starts_with('-') && may_be_in(path, store))
        }),
        // `find -exec rm`, `xargs rm`
        _ => has(&["rm"]),
    }
}

/// Whether a path, perhaps with wildcards, may be a directory, or be above or below it.
fn may_be_in(path: &str, directory: &str) -> bool {
    let Some(absolute) = path.strip_prefix('/') else {
        // A relative path starts at the working directory, `~` in a home directory.
        return path.starts_with(['~', '.'])
            && directory.contains(path.trim_matches(['~', '.', '/']));
    };
    let fixed = absolute.split(['*', '?', '[']).next().unwrap_or_default();
    let is_pattern = fixed.len() < absolute.len();
    let (fixed, directory) = (fixed.trim_end_matches('/'), directory.trim_start_matches('/'));
    let relative = |one: &str, other: &str| relative_to(one.as_bytes(), other.as_bytes()).is_some();
    relative(fixed, directory)
        || relative(directory, fixed)
        || is_pattern && directory.starts_with(fixed)
}

#[cfg(test)]
mod tests {
    use super::{RULE, Safety};
    use crate::engine::tests::{Fake, judged_by, transcript};

    fn judged(dockerfile: &str) -> Vec<String> {
        transcript(&RULE, &Fake::default().file("Dockerfile", dockerfile))
    }

    /// The lines that a fix adds.
    fn added(dockerfile: &str) -> Vec<String> {
        let found = judged_by(&RULE, &Fake::default().file("Dockerfile", dockerfile));
        let diffs = found.iter().filter_map(|finding| finding.fix.as_ref());
        let lines = diffs.flat_map(|fix| &fix.diffs[0].1.lines);
        lines.filter(|line| line.starts_with("+R")).cloned().collect()
    }

    #[test]
    fn an_install_without_a_cache() {
        assert_eq!(
            judged("FROM node:22\nRUN npm ci\nFROM node:22\nRUN a && npm ci --omit=dev"),
            ["Dockerfile:2:5: no cache keeps what 2 installs download: each build downloads \
                 it again"]
        );
        assert_eq!(
            judged("FROM me/x\nRUN --mount=type=secret,id=x yarn"),
            ["Dockerfile:2:30: no cache keeps what yarn downloads: each build downloads it \
                 again"]
        );
    }

    #[test]
    fn what_keeps_the_packages_is_shown() {
        for (rest, expected) in [
            ("RUN npm ci --offline", Some((3, 5))),
            ("RUN npm cache clean --force", Some((3, 5))),
            ("RUN rm -r /root/.npm/_cacache", Some((3, 5))),
            ("RUN rm -rf /x /root", Some((3, 5))),
            ("RUN rm -rf /root/.n*", Some((3, 5))),
            ("RUN rm -rf ~/.npm", Some((3, 5))),
            ("RUN rm -rf $(pnpm store path)", Some((3, 5))),
            ("RUN find / -name x -exec rm {} +", Some((3, 5))),
            ("RUN apk add --no-cache git && rm -rf /var/lib/apt/lists/* /tmp/x.deb", None),
            ("RUN rm -rf ./dist", None),
            ("RUN npm test", None),
        ] {
            let dockerfile = format!("FROM node:22\nRUN npm ci --x\n{rest}");
            let found = judged_by(&RULE, &Fake::default().file("Dockerfile", &dockerfile));
            let reason = found[0].labels.iter().find(|label| label.text.starts_with("no fix"));
            let place =
                reason.map(|label| label.place.as_ref().map(|place| (place.line, place.column)));
            assert_eq!(place.flatten(), expected, "{rest}");
            assert_eq!(found[0].fix.is_some(), expected.is_none(), "{rest}");
        }
    }

    #[test]
    fn the_directory_is_that_of_every_install_it_is_named_for() {
        let help = |dockerfile: &str| {
            let found = judged_by(&RULE, &Fake::default().file("Dockerfile", dockerfile));
            found[0].help.to_string()
        };
        let first = "add --mount=type=cache,target=/root/.npm to the ";
        let all = help("FROM node:22\nRUN npm ci\nRUN npm ci --omit=dev");
        assert_eq!(all, format!("{first}RUN"));
        for (other, question) in
            [("USER node\nRUN npm ci", "npm config get cache"), ("RUN pnpm i", "pnpm store path")]
        {
            let text = help(&format!("FROM node:22\nRUN npm ci\n{other}"));
            let rest = format!(
                "first RUN; another may keep its packages elsewhere: mount a cache at the \
                 directory that `{question}` prints there"
            );
            assert_eq!(text, format!("{first}{rest}"));
        }
    }

    #[test]
    fn an_install_that_downloads_nothing_or_has_a_cache() {
        for lines in [
            "RUN --mount=type=cache,target=/x npm ci",
            "RUN --mount=type=$K,target=/x npm ci",
            "RUN pnpm install --offline",
            "RUN pnpm install --prefer-offline",
            "RUN pnpm install $FLAGS",
            "RUN pnpm fetch\nRUN pnpm install",
            "RUN pnpm fetch && pnpm install",
            "RUN --network=none npm ci",
            "RUN npm install -g pnpm",
            "RUN pnpm deploy --filter a /out",
            "COPY . .",
        ] {
            let file = format!("FROM me/x\nARG FLAGS\nARG K\n{lines}");
            assert_eq!(judged(&file), [""; 0], "{lines}");
        }
        let vendored = Fake::default()
            .file("Dockerfile", "FROM node:22\nRUN yarn install")
            .file(".yarn/cache/a.zip", "");
        assert_eq!(transcript(&RULE, &vendored), [""; 0]);
    }

    #[test]
    fn a_builder_that_refuses_the_cache_gets_none_unseen() {
        let fake = || Fake::default().file("Dockerfile", "FROM node:22\nRUN npm ci\n");
        let safety = |change: Fake| judged_by(&RULE, &change)[0].fix.as_ref().unwrap().safety;
        assert_eq!(safety(fake()), Safety::Safe);
        assert_eq!(safety(fake().file("api/railway.toml", "")), Safety::Shown);
    }

    #[test]
    fn the_cache_is_mounted_where_the_store_is_known() {
        assert_eq!(
            added("FROM node:22\nRUN npm ci\nRUN  pnpm i && yarn"),
            [
                "+RUN --mount=type=cache,target=/root/.npm npm ci",
                "+RUN --mount=type=cache,target=/root/.local/share/pnpm/store \
                 --mount=type=cache,target=/usr/local/share/.cache/yarn,sharing=locked  pnpm i \
                 && yarn",
            ]
        );
        for lines in [
            "FROM me/x\nRUN npm ci",
            "FROM node:22\nUSER node\nRUN npm ci",
            "FROM node:22\nRUN npm ci && npm cache clean --force",
            "FROM node:22\nRUN npm ci && rm -rf /root/.npm",
            "FROM node:22\nRUN pnpm i\nRUN pnpm i --prod --offline",
            "FROM node:22 AS a\nRUN npm ci\nFROM node:22\nCOPY --from=a /root/.npm /x",
        ] {
            assert_eq!(added(lines), [""; 0], "{lines}");
        }
    }
}
