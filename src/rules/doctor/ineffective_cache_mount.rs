#![doc = include_str!("../../../docs/rules/ineffective-cache-mount.md")]

use crate::base::change::File;
use crate::base::debris::Debris;
use crate::base::edit::Edit;
use crate::base::escape::Escaped;
use crate::base::finding::{Severity, Span};
use crate::builds::installs::{Install, Installer, installs};
use crate::builds::steps::{Mount, absolute};
use crate::builds::stores::{PackageStore, store};
use crate::builds::{Build, Builds};
use crate::edit::fix::Safety;
use crate::rule::{Check, Findings, Rule, RuleGroup};

/// The row of the rule table.
pub(crate) const RULE: Rule = Rule {
    id: "ineffective-cache-mount",
    summary: "a cache mount that does not keep what the package manager downloads",
    severity: Severity::Warning,
    manual: include_str!("../../../docs/rules/ineffective-cache-mount.md"),
    check: Check::Builds(judge),
    ..Rule::base(RuleGroup::Doctor)
};

fn judge(builds: &Builds, _: &Debris, findings: &mut Findings) {
    for build in &builds.list {
        for (stage, steps) in build.stages.iter().enumerate() {
            for install in installs(steps) {
                judge_install(builds, build, stage, &install, findings);
            }
        }
    }
}

fn judge_install(
    builds: &Builds,
    build: &Build,
    stage: usize,
    install: &Install<'_>,
    findings: &mut Findings,
) {
    let caches = install.run.mounts.iter().filter(|mount| matches!(&*mount.kind, "cache" | ""));
    let caches: Option<Vec<(&Mount, String)>> = caches
        .map(|mount| {
            let target = mount.target().filter(|_| mount.kind == "cache")?;
            Some((mount, absolute(install.step.directory.as_deref(), target)?))
        })
        .collect();
    // A cache at an unknown place may be the right one.
    let Some(caches) = caches else { return };
    let meant = caches.iter().find(|(mount, target)| {
        let names = [mount.option(&["id"]).unwrap_or_default(), target];
        names.iter().any(|name| is_meant(install.installer, name))
    });
    let Some((mount, target)) = meant else { return };
    let Some(store) = store(builds, build, stage, install) else { return };
    if caches.iter().any(|(_, target)| store.is_kept_at(target) != Some(false)) {
        return;
    }
    report(builds.file(build.dockerfile), install, mount, target, &store, findings);
}

/// Whether the name of a cache names a package manager.
fn is_meant(installer: Installer, name: &str) -> bool {
    name.match_indices(installer.name()).any(|(at, _)| {
        // `npm` is not named by `pnpm`.
        installer != Installer::Npm || !name.get(..at).is_some_and(|before| before.ends_with('p'))
    })
}

fn report(
    file: &File,
    install: &Install<'_>,
    mount: &Mount,
    target: &str,
    store: &PackageStore,
    findings: &mut Findings,
) {
    let (name, own) = (install.installer.name(), Escaped(store.directory.as_bytes()));
    let is_above = store.directory.starts_with(&format!("{target}/"));
    let target = Escaped(target.as_bytes());
    let message = if is_above {
        format!(
            "the cache at {target} has no packages: {name} keeps its store out of a mount above it"
        )
    } else {
        format!("the cache at {target} has no packages: {name} keeps its packages in {own}")
    };
    let draft = findings
        .place(file, &mount.span, message)
        .label(file, &install.command.span(), format!("{name} does not use it"))
        .help(format!("mount it at {own}"), &[]);
    if let Some(span) = target_value(file, mount) {
        let text = store.directory.clone();
        draft.fix(Safety::Safe, vec![Edit { path: file.path.clone(), span, text }], &[file]);
    }
}

/// The place of the target in a mount that is written without quotes, in one line.
fn target_value(file: &File, mount: &Mount) -> Option<Span> {
    let written = std::str::from_utf8(file.text.get(mount.span.clone())?).ok()?;
    if written.contains(['"', '\'', '\\', '\n']) {
        return None;
    }
    let mut at = mount.span.start;
    let mut found = None;
    for option in written.split_inclusive([',', '=']).collect::<Vec<_>>().windows(2) {
        let [name, value] = option else { continue };
        at += name.len();
        if matches!(*name, "target=" | "dst=" | "destination=") {
            found = Some(at..at + value.trim_end_matches(',').len());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::RULE;
    use crate::engine::tests::{Fake, judged_by, transcript};

    const PNPM: &str = "/root/.local/share/pnpm/store";

    fn change(lines: &str) -> Fake {
        Fake::default()
            .file("Dockerfile", &format!("FROM node:22\nWORKDIR /app\n{lines}"))
            .file("package.json", r#"{"packageManager": "pnpm@10.6.5"}"#)
    }

    fn judged(lines: &str) -> Vec<String> {
        transcript(&RULE, &change(lines))
    }

    #[test]
    fn a_cache_elsewhere_or_above_the_store() {
        for (mount, place) in [
            ("target=/root/.pnpm-store", format!("its packages in {PNPM}")),
            ("id=pnpm,target=/pnpm/store", format!("its packages in {PNPM}")),
            ("target=/root/.local/share/pnpm", "its store out of a mount above it".to_owned()),
            ("target=/root/.local,id=pnpm", "its store out of a mount above it".to_owned()),
            ("target=/root/.local/share/pnpm/store/v3", format!("its packages in {PNPM}")),
            ("target=~/.local/share/pnpm/store", format!("its packages in {PNPM}")),
            ("target=$HOME/.local/share/pnpm/store", format!("its packages in {PNPM}")),
            ("target=.pnpm-store", format!("its packages in {PNPM}")),
        ] {
            let found = judged(&format!("RUN --mount=type=cache,{mount} pnpm i"));
            assert_eq!(found.len(), 1, "{mount}");
            assert!(found[0].starts_with("Dockerfile:3:5: the cache at /"), "{found:?}");
            assert!(
                found[0].ends_with(&format!("has no packages: pnpm keeps {place}")),
                "{found:?}"
            );
        }
        for (lines, own) in [
            ("RUN --mount=type=cache,target=/npm-cache npm ci", "/root/.npm"),
            ("RUN --mount=type=cache,target=/root/.yarn yarn", "/usr/local/share/.cache/yarn"),
            ("RUN --mount=type=cache,target=/root/.bun/cache bun i", "/root/.bun/install/cache"),
            ("ENV PNPM_HOME=/p\nRUN --mount=type=cache,id=pnpm,target=/s pnpm i", "/p/store"),
            ("RUN pnpm config set store-dir /s\nRUN --mount=type=cache,target=/pnpm pnpm i", "/s"),
        ] {
            let found = judged(lines);
            assert!(found.len() == 1 && found[0].ends_with(&format!(" in {own}")), "{found:?}");
        }
    }

    #[test]
    fn a_cache_that_keeps_the_store_or_may_do_so() {
        for lines in [
            "RUN --mount=type=cache,target=/root/.local/share/pnpm/store pnpm i",
            "RUN --mount=type=cache,target=/root/.local/share/pnpm/store/v10 pnpm i",
            "RUN --mount=type=cache,target=/root/.cache/node pnpm i",
            "ARG X\nRUN --mount=type=cache,target=$X/pnpm pnpm i",
            "ENV PNPM_HOME=/pnpm\nRUN --mount=type=cache,id=pnpm,target=/pnpm/store pnpm i",
            "ARG PNPM_HOME\nRUN --mount=type=cache,target=/pnpm/store pnpm i",
            "RUN --mount=type=cache,target=/pnpm/store PNPM_HOME=/pnpm pnpm i",
            "RUN --mount=type=cache,target=/pnpm pnpm i --store-dir=/pnpm/s",
            "RUN --mount=type=cache,target=/pnpm pnpm i --store-dir /pnpm",
            "RUN pnpm config set store-dir /s/pnpm\nRUN --mount=type=cache,target=/s/pnpm pnpm i",
            "ARG X\nRUN pnpm config set store-dir $X\nRUN --mount=type=cache,target=/s/pnpm pnpm i",
            "RUN echo store-dir=/s >>.npmrc\nRUN --mount=type=cache,target=/s/pnpm pnpm i",
            "ENV npm_config_store_dir=/s/pnpm\nRUN --mount=type=cache,target=/s/pnpm pnpm i",
            "USER node\nRUN --mount=type=cache,target=/home/node/.pnpm-store pnpm i",
            "WORKDIR /\nRUN --mount=type=cache,target=/root/.local/share/pnpm pnpm i",
            "ARG X\nWORKDIR $X\nRUN --mount=type=cache,target=/root/.local/share/pnpm pnpm i",
            "RUN --mount=target=. --mount=type=cache,target=/.pnpm-store pnpm i",
            "FROM me/x\nRUN --mount=type=cache,target=/pnpm/store pnpm i",
            "RUN --mount=type=cache,target=/root/.npm npm ci",
            "RUN --mount=type=cache,target=/root/.npm/_cacache npm ci",
            "RUN --mount=type=cache,target=/root npm ci",
            "RUN --mount=type=cache,target=/pnpm npm ci",
            "RUN --mount=type=cache,target=/root/.yarn yarn\nRUN yarn set version 4",
        ] {
            let yarn = Fake::default().file("Dockerfile", &format!("FROM node:22\n{lines}"));
            let berry = yarn.file("package.json", r#"{"packageManager": "yarn@3.8.7"}"#);
            let found =
                if lines.contains("yarn") { transcript(&RULE, &berry) } else { judged(lines) };
            assert_eq!(found, [""; 0], "{lines}");
        }
    }

    #[test]
    fn settings_in_files_make_the_store_unknown() {
        let lines = "RUN --mount=type=cache,target=/root/.pnpm-store pnpm i";
        assert_eq!(judged(lines).len(), 1);
        for (path, text) in [(".npmrc", "store-dir=/s"), ("a/pnpm-workspace.yaml", "storeDir: /s")]
        {
            let found = transcript(&RULE, &change(lines).file(path, text));
            assert_eq!(found, [""; 0], "{path}");
        }
        let old = format!("RUN npm i -g pnpm@6.35.1\n{lines}");
        assert_eq!(judged(&old), [""; 0]);
    }

    #[test]
    fn the_target_is_replaced() {
        let found = judged_by(
            &RULE,
            &change("RUN --mount=type=cache,id=pnpm,target=/x,sharing=locked pnpm i\n"),
        );
        let fix = found[0].fix.as_ref().unwrap();
        assert_eq!(
            fix.diffs[0].1.lines.last().unwrap(),
            &format!("+RUN --mount=type=cache,id=pnpm,target={PNPM},sharing=locked pnpm i")
        );
    }
}
