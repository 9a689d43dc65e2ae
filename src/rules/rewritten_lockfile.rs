#![doc = include_str!("../../docs/rules/rewritten-lockfile.md")]

use crate::finding::{Severity, Step};
use crate::formats::spec::find_docker_deps;
use crate::path::RepoPath;
use crate::rule::{Check, File, Findings, Rule};

/// The row of the rule table.
pub const RULE: Rule = Rule {
    id: "rewritten-lockfile",
    summary: "a lockfile that resolves a package from .docker-deps",
    severity: Severity::Error,
    manual: include_str!("../../docs/rules/rewritten-lockfile.md"),
    check: Check::File { wants, judge },
};

/// The lockfiles by name, and how to heal each: restoring `package.json` does not undo what an install wrote here, but
/// an install over the restored manifests does.
const LOCKFILES: [(&str, &[Step]); 5] = [
    ("pnpm-lock.yaml", &[RESTORE, Step::Run("pnpm install --lockfile-only"), Step::Git("git add")]),
    ("package-lock.json", &[RESTORE, Step::Run("npm install --package-lock-only"), Step::Git("git add")]),
    ("npm-shrinkwrap.json", &[RESTORE, Step::Run("npm install --package-lock-only"), Step::Git("git add")]),
    ("yarn.lock", &[RESTORE, Step::Run("yarn install"), Step::Git("git add")]),
    ("bun.lock", &[RESTORE, Step::Run("bun install --lockfile-only"), Step::Git("git add")]),
];

const RESTORE: Step = Step::Run("scripts/docker-prep.sh --restore");

fn lockfile(path: &RepoPath) -> Option<&'static [Step]> {
    LOCKFILES.iter().find(|(name, _)| path.is_named(name)).map(|(_, cure)| *cure)
}

fn wants(path: &RepoPath) -> bool {
    lockfile(path).is_some()
}

/// A lockfile is written by a machine: whatever names `.docker-deps` in it is a source, wherever it stands, in a key, in
/// a value, or in part of one. So it is read line by line, which holds for every format, and for a broken file as well.
fn judge(file: &File, findings: &mut Findings) {
    let mut first = None;
    let mut lines = 0_usize;
    let mut start = 0;
    for line in file.text.split_inclusive(|&byte| byte == b'\n') {
        if let Some(span) = find_docker_deps(line).filter(|_| !is_prose(line)) {
            first.get_or_insert(start + span.start..start + span.end);
            lines += 1;
        }
        start += line.len();
    }
    let (Some(first), Some(steps)) = (first, lockfile(&file.path)) else { return };
    let more = match lines {
        1 => String::new(),
        2 => ", and 1 more line does".into(),
        _ => format!(", and {} more lines do", lines - 1),
    };
    findings
        .place(file, &first, format!("the lockfile resolves a package from .docker-deps{more}"))
        .cure("restoring package.json does not undo this; install again over the restored manifests", steps);
}

/// Comments, and the message of a deprecated package: the only free text that a lockfile carries.
fn is_prose(line: &[u8]) -> bool {
    let line = line.trim_ascii_start();
    line.starts_with(b"#") || line.starts_with(b"deprecated:") || line.starts_with(b"\"deprecated\":")
}

#[cfg(test)]
mod tests {
    use super::RULE;
    use crate::engine::tests::{Fake, transcript};

    #[test]
    fn the_trace_is_found_in_every_lockfile() {
        let dir = ".docker-deps";
        let change = Fake::default()
            .file("bun.lock", &format!("{{\n  \"@s/x\": [\"@s/x@{dir}/x.tgz\", {{}}],\n}}\n"))
            .file("npm-shrinkwrap.json", &format!("{{\"resolved\": \"file:..\\/{dir}/x.tgz\"}}"))
            .file("package-lock.json", &format!("{{\n\t\"resolved\": \"file:../{dir}/x.tgz\"\n}}"))
            .file("pnpm-lock.yaml", &format!("packages:\r\n  '@s/x@file:{dir}/x.tgz':\r\n    resolution: {{tarball: file:{dir}/x.tgz}}\r\n"))
            .file("web/yarn.lock", &format!("\"@s/x@file:../{dir}/x.tgz\":\n  version \"1.0.0\"\n  resolved \"file:../{dir}/x.tgz#1\"\n  a {dir}\n"));
        let text = "the lockfile resolves a package from .docker-deps";
        assert_eq!(
            transcript(&RULE, &change),
            [
                format!("bun.lock:2:18: {text}"),
                format!("npm-shrinkwrap.json:1:24: {text}"),
                format!("package-lock.json:2:23: {text}"),
                format!("pnpm-lock.yaml:2:14: {text}, and 1 more line does"),
                format!("web/yarn.lock:1:15: {text}, and 2 more lines do"),
            ]
        );
    }

    #[test]
    fn ordinary_lockfiles_and_their_prose_pass() {
        let change = Fake::default()
            .file(
                "pnpm-lock.yaml",
                "# .docker-deps/\npackages:\n  x@1:\n    deprecated: do not use .docker-deps/\n  y: link:../ui\n",
            )
            .file("package-lock.json", "{\"resolved\": \"../my.docker-deps/x\"}")
            .file("docs/pnpm-lock.md", ".docker-deps/x.tgz");
        assert_eq!(transcript(&RULE, &change), [""; 0]);
    }
}
