#![doc = include_str!("../../../docs/rules/root-owned-mount.md")]

use crate::base::change::File;
use crate::base::debris::Debris;
use crate::base::edit::Edit;
use crate::base::escape::Escaped;
use crate::base::finding::Severity;
use crate::builds::Builds;
use crate::builds::steps::{Action, BuildStep, Mount};
use crate::edit::fix::Safety;
use crate::rule::{Check, Findings, Rule, RuleGroup};

/// The row of the rule table.
pub(crate) const RULE: Rule = Rule {
    id: "root-owned-mount",
    summary: "mounts that the user of the step cannot read or write",
    manual: include_str!("../../../docs/rules/root-owned-mount.md"),
    check: Check::Builds(judge),
    ..Rule::base(RuleGroup::Doctor)
};

fn judge(builds: &Builds, _: &Debris, findings: &mut Findings) {
    for build in &builds.list {
        let file = builds.file(build.dockerfile);
        for (_, step) in build.steps() {
            let (Action::Run(run), Some(user)) = (&step.action, other_user(step)) else { continue };
            for mount in &run.mounts {
                let (effect, severity) = match &*mount.kind {
                    _ if mount.has(&["uid", "gid", "mode"]) => continue,
                    "secret" if !mount.has(&["env"]) => ("read", Severity::Error),
                    "cache" if !mount.has(&["from"]) => ("write to", Severity::Warning),
                    _ => continue,
                };
                let message = format!(
                    "{} cannot {effect} this mount, which is root's",
                    Escaped(user.as_bytes())
                );
                let draft = findings.place(file, &mount.span, message).help(help(mount, user), &[]);
                let draft = match edit(file, mount, user) {
                    Some(edit) => draft.fix(Safety::Safe, vec![edit], &[file]),
                    None => draft,
                };
                draft.severity(severity);
            }
        }
    }
}

/// The user of a step, if it is known and not root.
fn other_user(step: &BuildStep) -> Option<&str> {
    let user = step.user.as_deref()?.known()?.split(':').next()?;
    (!matches!(user, "" | "root" | "0")).then_some(user)
}

/// Whether it is in the home directory of root, which others cannot enter.
fn is_hidden(mount: &Mount) -> bool {
    mount.target().is_some_and(|target| target.starts_with("/root/"))
}

fn is_number(user: &str) -> bool {
    user.bytes().all(|byte| byte.is_ascii_digit())
}

fn help(mount: &Mount, user: &str) -> String {
    let uid = if is_number(user) {
        format!("add uid={user}")
    } else {
        format!("add uid= with the number of {}", Escaped(user.as_bytes()))
    };
    if is_hidden(mount) {
        return format!("mount it outside of /root, and {uid}");
    }
    let env = if mount.kind == "secret" { ", or env= for a variable" } else { "" };
    format!("{uid}{env}")
}

/// The edit that gives the mount to a user whose number is known.
fn edit(file: &File, mount: &Mount, user: &str) -> Option<Edit> {
    let written = file.text.get(mount.span.clone())?;
    let is_plain = !is_hidden(mount) && !written.iter().any(|byte| b"\"'\\\n ".contains(byte));
    let (at, text) = (mount.span.end, format!(",uid={user}"));
    (is_plain && is_number(user)).then(|| Edit { path: file.path.clone(), span: at..at, text })
}

#[cfg(test)]
mod tests {
    use super::RULE;
    use crate::engine::tests::{Fake, judged_by, transcript};

    fn change(lines: &str) -> Fake {
        Fake::default().file("Dockerfile", &format!("FROM node:22\n{lines}\n"))
    }

    #[test]
    fn a_mount_that_the_user_cannot_use() {
        let lines = "USER node\nRUN --mount=type=secret,id=t cat /run/secrets/t\nUSER 1000:1000\n\
                     RUN --mount=type=cache,target=/c npm ci";
        let found = judged_by(&RULE, &change(lines));
        let shown: Vec<String> = found
            .iter()
            .map(|finding| format!("{:?} {} {}", finding.severity, finding.message, finding.help))
            .collect();
        assert_eq!(
            shown,
            [
                "Error node cannot read this mount, which is root's add uid= with the number of \
                 node, or env= for a variable",
                "Warning 1000 cannot write to this mount, which is root's add uid=1000",
            ]
        );
        let fix = found[1].fix.as_ref().unwrap();
        assert!(found[0].fix.is_none() && fix.edits[0].0.text == ",uid=1000");
        let hidden = change("USER 1000\nRUN --mount=type=cache,target=/root/.npm npm ci");
        let found = judged_by(&RULE, &hidden);
        assert_eq!(found[0].help, "mount it outside of /root, and add uid=1000");
        assert!(found[0].fix.is_none());
    }

    #[test]
    fn a_mount_that_the_user_can_use() {
        for lines in [
            "RUN --mount=type=secret,id=t a",
            "USER root\nRUN --mount=type=secret,id=t a",
            "USER 0:0\nRUN --mount=type=secret,id=t a",
            "ARG U\nUSER $U\nRUN --mount=type=secret,id=t a",
            "USER node\nRUN --mount=type=secret,id=t,uid=1000 a",
            "USER node\nRUN --mount=type=secret,id=t,mode=0444 a",
            "USER node\nRUN --mount=type=secret,id=t,env=T a",
            "USER node\nRUN --mount=type=cache,target=/c,gid=1000 a",
            "USER node\nRUN --mount=type=cache,target=/c,from=a a",
            "USER node\nRUN --mount=type=bind,target=/c a",
            "USER node\nRUN --mount=type=ssh a",
        ] {
            assert_eq!(transcript(&RULE, &change(lines)), [""; 0], "{lines}");
        }
    }
}
