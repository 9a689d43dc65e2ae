#![doc = include_str!("../../../docs/rules/unlocked-docker-install.md")]

use std::collections::BTreeSet;

use crate::base::debris::Debris;
use crate::base::finding::Severity;
use crate::base::path::RepoPath;
use crate::builds::Builds;
use crate::builds::installs::LockfileUse;
use crate::locks::{ImageInstall, image_installs};
use crate::project::kinds::FileKind;
use crate::rule::{Check, Findings, Rule, RuleGroup};

/// The row of the rule table.
pub(crate) const RULE: Rule = Rule {
    id: "unlocked-docker-install",
    summary: "an install in an image without the lockfile that is there for it",
    severity: Severity::Warning,
    manual: include_str!("../../../docs/rules/unlocked-docker-install.md"),
    check: Check::Builds(judge),
    ..Rule::base(RuleGroup::Doctor)
};

fn judge(builds: &Builds, _: &Debris, findings: &mut Findings) {
    let mut locks = builds.locks().iter().map(|&number| &builds.file(number).path);
    if !locks.any(FileKind::is_docker_lockfile) {
        return;
    }
    let mut seen = BTreeSet::new();
    for image in image_installs(builds) {
        let Some(lock) = unused_lockfile(builds, &image) else { continue };
        let span = image.install.command.span();
        if !seen.insert((image.build.dockerfile, span.start)) {
            continue;
        }
        let file = builds.file(image.build.dockerfile);
        let own_name = image.files.iter().find(|(path, (number, _))| {
            builds.file(*number).path == *lock
                && RepoPath::from(path.as_str()).parent() == image.directory.as_bytes()
        });
        let lockfile = FileKind::LOCKFILE_OF_PNPM;
        let help = format!(
            "write `COPY {lock} ./{lockfile}` before it, and run \
                            pnpm install --frozen-lockfile"
        );
        let message = match own_name {
            Some(_) => format!("pnpm reads no {lock}: in the image it must be {lockfile}"),
            None => format!("this install does not have {lock}, which is there for it"),
        };
        let draft = findings.place(file, &span, message);
        match own_name {
            Some((_, (_, copied))) => {
                draft.label(file, copied, "it keeps its name here").help(help, &[]);
            }
            None => _ = draft.help(help, &[]),
        }
    }
}

/// The lockfile that is made for the manifest of an install, if the install has none. The rule
/// `unlocked-install` reports an option with which none is read.
fn unused_lockfile<'b>(builds: &'b Builds, image: &ImageInstall<'_>) -> Option<&'b RepoPath> {
    let ignores = image.install.lockfile == LockfileUse::Ignored;
    if ignores || !image.doubts.is_empty() || image.at_root(FileKind::PnpmLock).is_some() {
        return None;
    }
    let (manifest, _) = image.at_root(FileKind::Manifest)?;
    let home = builds.file(*manifest).path.parent();
    let mut paths = builds.project.files().iter().map(|source| &source.file.path);
    paths.find(|path| path.parent() == home && FileKind::is_docker_lockfile(path))
}

#[cfg(test)]
mod tests {
    use super::RULE;
    use crate::engine::tests::{Fake, transcript};

    fn judged(steps: &str) -> Vec<String> {
        let change = Fake::default()
            .file("Dockerfile", &format!("FROM node:22\nWORKDIR /app\n{steps}\n"))
            .file("api/package.json", "{}")
            .file("api/pnpm-lock.docker.yaml", "")
            .file("web/package.json", "{}");
        transcript(&RULE, &change)
    }

    #[test]
    fn an_install_without_its_lockfile() {
        let missing = "this install does not have api/pnpm-lock.docker.yaml, which is there for it";
        let named = "pnpm reads no api/pnpm-lock.docker.yaml: in the image it must be \
                     pnpm-lock.yaml";
        for (steps, expected) in [
            (
                "COPY api/package.json ./package.json\nRUN pnpm install",
                format!("Dockerfile:4:5: {missing}"),
            ),
            (
                "COPY api/package.json api/pnpm-lock.docker.yaml ./\n\
                 RUN pnpm install --frozen-lockfile",
                format!("Dockerfile:4:5: {named}"),
            ),
        ] {
            assert_eq!(judged(steps), [expected], "{steps}");
        }
    }

    #[test]
    fn an_install_with_it_or_of_another_package() {
        for steps in [
            "COPY api/package.json ./\nCOPY api/pnpm-lock.docker.yaml ./pnpm-lock.yaml\n\
             RUN pnpm install --frozen-lockfile",
            "COPY api/package.json ./\nRUN --mount=type=bind,source=api/pnpm-lock.docker.yaml,\
             target=pnpm-lock.yaml pnpm install --frozen-lockfile",
            "COPY web/package.json ./\nRUN pnpm install",
            // Both stay in their directory.
            "COPY --parents api/package.json api/pnpm-lock.docker.yaml ./\nRUN pnpm install",
            // `unlocked-install` reports it.
            "COPY api/package.json ./\nRUN pnpm install --lockfile=false",
            "COPY api/package.json ./\nRUN npm install",
            "COPY --from=other /app ./\nCOPY api/package.json ./\nRUN pnpm install",
            "COPY api/package.json ./\nRUN pnpm --dir /srv install",
        ] {
            assert_eq!(judged(steps), [""; 0], "{steps}");
        }
    }
}
