#![doc = include_str!("../../../docs/rules/token-in-layer.md")]

use std::collections::BTreeSet;

use crate::base::change::File;
use crate::base::credentials::holds_token;
use crate::base::debris::Debris;
use crate::base::escape::Escaped;
use crate::base::finding::{Severity, Span};
use crate::builds::arguments::names;
use crate::builds::settings::npm_settings;
use crate::builds::steps::{Action, BuildStage, BuildStep, Mount, RunCommand, RunStep, absolute};
use crate::builds::visits::{Visit, visits};
use crate::builds::{Build, Builds};
use crate::formats::shell::Resolved;
use crate::rule::{Check, Findings, Rule, RuleGroup};

/// The row of the rule table.
pub(crate) const RULE: Rule = Rule {
    id: "token-in-layer",
    summary: "a token that stays in a layer or in the history of an image",
    manual: include_str!("../../../docs/rules/token-in-layer.md"),
    check: Check::Builds(judge),
    ..Rule::base(RuleGroup::Doctor)
};

/// The settings of npm and Yarn whose value is a token or a password.
const KEYS: [&str; 5] = ["_authToken", "_auth", "_password", "npmAuthToken", "npmAuthIdent"];

fn judge(builds: &Builds, _: &Debris, findings: &mut Findings) {
    let mut seen = BTreeSet::new();
    for build in &builds.list {
        let file = builds.file(build.dockerfile);
        let kept = kept(build);
        // The commands are read as the file spells them.
        let is_legible = build.inline.as_ref().is_none_or(|inline| inline.text.has_places());
        for (number, stage) in build.needed().filter(|_| is_legible) {
            for (step, run) in runs(stage) {
                for written in written(file, step, run) {
                    let is_kept = kept.contains(&number);
                    // The history of an image has the arguments of each step.
                    let is_left = !written.is_gone || is_kept && written.variable.is_some();
                    let is_kept = is_kept || is_copied(build, &kept, number, &written);
                    if is_left && seen.insert((build.dockerfile, written.span.start)) {
                        report_file(file, &written, is_kept, findings);
                    }
                }
            }
        }
        for visit in visits(builds, build) {
            for (span, setting) in declared(builds, build, &visit, &kept) {
                if seen.insert((build.dockerfile, span.start)) {
                    report_variable(builds, build, &visit, &span, &setting, findings);
                }
            }
        }
    }
}

/// The stages whose layers the image has.
fn kept(build: &Build) -> BTreeSet<usize> {
    let last = build.last_stage().into_iter();
    last.flat_map(|last| build.lineage(last).map(|(number, _)| number).collect::<Vec<_>>())
        .collect()
}

/// Whether the image copies the file from another stage.
fn is_copied(build: &Build, kept: &BTreeSet<usize>, stage: usize, written: &Written) -> bool {
    let Some(path) = &written.path else { return false };
    let copies = build.steps().filter_map(|(number, step)| match &step.action {
        Action::Copy(copy) if kept.contains(&number) => {
            let from = build.stage_number(copy.from.as_deref()?, number)?;
            build.lineage(from).any(|(own, _)| own == stage).then_some(copy)
        }
        _ => None,
    });
    let mut sources = copies.flat_map(|copy| &copy.sources).filter_map(Resolved::known);
    sources.any(|source| {
        let source = absolute(Some("/"), source).unwrap_or_default();
        path.strip_prefix(source.trim_end_matches('/'))
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    })
}

fn runs(stage: &BuildStage) -> impl Iterator<Item = (&BuildStep, &RunStep)> {
    stage.steps.iter().filter_map(|step| match &step.action {
        Action::Run(run) => Some((step, run)),
        _ => None,
    })
}

/// A command that writes a token into a file of a layer.
struct Written {
    span: Span,
    /// The mount of the secret, if the token comes from one.
    mount: Option<Span>,
    /// Whether no layer has the file: it is removed, or on a mount.
    is_gone: bool,
    /// The `ARG` or `ENV` that has the token.
    variable: Option<String>,
    /// The absolute path of the file; `None` if it is unknown.
    path: Option<String>,
}

fn written(file: &File, step: &BuildStep, run: &RunStep) -> Vec<Written> {
    let mut found = Vec::new();
    for (at, command) in run.commands.iter().enumerate() {
        let span = command.span();
        let end =
            run.commands.iter().map(|other| other.span().start).find(|start| *start >= span.end);
        let end = end.unwrap_or(step.span.end).max(span.end);
        let own = file.text.get(span.start..end).unwrap_or_default();
        let rest = file.text.get(span.end..step.span.end).unwrap_or_default();
        let next = run.commands.get(at + 1);
        let source = source(command, run, own, &file.text);
        let Some((mount, target)) =
            source.and_then(|mount| Some((mount, target(command, mount, own, next)?)))
        else {
            continue;
        };
        let is_gone = is_mounted(run, step, &target) || is_removed(&target, rest);
        let variable = token_variable(command, &file.text);
        let variable = variable.filter(|name| {
            mount.is_none() && step.stage.declares(name) && !run.assigned.contains(name)
        });
        let mount = mount.map(|mount| mount.span.clone());
        let path = absolute(step.directory.as_deref(), &target);
        found.push(Written { span, mount, is_gone, variable, path });
    }
    found
}

/// The variable that a command writes as a token.
fn token_variable(command: &RunCommand, text: &[u8]) -> Option<String> {
    let written = |word: &Resolved| text.get(word.span.clone()).unwrap_or_default();
    let at = command.words.iter().position(|word| after_key(written(word)).is_some())?;
    let first = after_key(written(command.words.get(at)?))?;
    let later = command.words.iter().skip(at + 1).map(written);
    std::iter::once(first).chain(later).find_map(|text| {
        let text = text.strip_prefix(b"\"").unwrap_or(text).strip_prefix(b"$")?;
        let text = text.strip_prefix(b"{").unwrap_or(text);
        let is_inside = |byte: &&u8| byte.is_ascii_alphanumeric() || **byte == b'_';
        let length = text.iter().take_while(is_inside).count();
        let name = std::str::from_utf8(text.get(..length)?).ok()?;
        (!name.is_empty()).then(|| name.to_owned())
    })
}

/// Where the token of a command comes from: a mount, or a variable. `None` if it has none.
#[allow(clippy::option_option, reason = "a token from a variable has no mount")]
fn source<'r>(
    command: &RunCommand,
    run: &'r RunStep,
    own: &[u8],
    text: &[u8],
) -> Option<Option<&'r Mount>> {
    let program = command.program()?;
    if !matches!(program, "echo" | "printf" | "cat" | "cp" | "tee" | "mv" | "npm" | "pnpm" | "yarn")
    {
        return None;
    }
    let secrets = run.mounts.iter().filter(|mount| mount.kind == "secret");
    let is_read = |mount: &&Mount| {
        secret_file(mount).is_some_and(|path| memchr::memmem::find(own, path.as_bytes()).is_some())
    };
    if let Some(mount) = secrets.clone().find(is_read) {
        let is_setting = matches!(program, "npm" | "pnpm" | "yarn");
        return (!is_setting || sets_token(command, run, text)).then_some(Some(mount));
    }
    let by_variable = |mount: &&Mount| variable_of(mount).is_some_and(|name| names(own, name));
    sets_token(command, run, text).then(|| secrets.clone().find(by_variable))
}

/// The variable of a secret; `None` if it is a file.
fn variable_of(mount: &Mount) -> Option<&str> {
    mount.option(&["env"]).filter(|name| !name.is_empty())
}

/// The absolute path of the file of a secret; `None` for a variable.
fn secret_file(mount: &Mount) -> Option<String> {
    match mount.target() {
        Some(target) => absolute(None, target),
        None if mount.has(&["env"]) => None,
        None => Some(format!("/run/secrets/{}", mount.secret_id()?)),
    }
}

/// Whether a word of a command is a setting with a token that the shell fills in.
fn sets_token(command: &RunCommand, run: &RunStep, text: &[u8]) -> bool {
    let by_secret =
        |name: &String| run.mounts.iter().any(|mount| variable_of(mount) == Some(name.as_str()));
    let is_filled =
        |word: &Resolved| word.is_open || !word.used.is_empty() || word.unset.iter().any(by_secret);
    command.words.iter().enumerate().any(|(at, word)| {
        let written = text.get(word.span.clone()).unwrap_or_default();
        let Some(after) = after_key(written) else { return false };
        let mut later = command.words.iter().skip(at + 1);
        match after {
            [b'$' | b'`', ..] => is_filled(word),
            // `printf 'key=%s' "$T"`, `npm config set key "$T"`
            [] | [b'%', ..] => later.any(is_filled),
            _ => false,
        }
    })
}

/// The text after the key of a token and its separators.
fn after_key(written: &[u8]) -> Option<&[u8]> {
    KEYS.iter().find_map(|key| {
        let at = memchr::memmem::rfind(written, key.as_bytes())?;
        let mut after = written.get(at + key.len()..)?;
        if after.first().is_some_and(u8::is_ascii_alphanumeric) {
            return None;
        }
        loop {
            after = match after {
                [b'\\', b'"', rest @ ..] | [b'=' | b':' | b' ' | b'"' | b'\'', rest @ ..] => rest,
                _ => return Some(after),
            };
        }
    })
}

/// The file that a command writes; `None` if it writes none.
fn target(
    command: &RunCommand,
    mount: Option<&Mount>,
    own: &[u8],
    next: Option<&RunCommand>,
) -> Option<String> {
    let words: Vec<&str> = command.arguments().filter(|word| !word.starts_with('-')).collect();
    match command.program()? {
        "npm" | "pnpm" | "yarn" if words.contains(&"set") => Some(SETTINGS.to_owned()),
        "npm" | "pnpm" | "yarn" => None,
        "cp" | "mv" => {
            let is_source = mount.and_then(secret_file).is_some_and(|path| {
                words.first().is_some_and(|first| *first == path) && words.len() > 1
            });
            let last = command.words.last().filter(|_| is_source)?;
            let name = words.first()?.rsplit('/').next()?;
            let target = last.known().unwrap_or(&last.text);
            Some(if target.ends_with('/') { format!("{target}{name}") } else { target.to_owned() })
        }
        _ => redirection(own).or_else(|| {
            let tee = next.filter(|next| next.program() == Some("tee"))?;
            let is_pipe = own.trim_ascii_end().ends_with(b"|");
            let file = tee.arguments().find(|word| !word.starts_with('-'))?;
            is_pipe.then(|| file.to_owned())
        }),
    }
    .filter(|target| !target.starts_with("/dev/"))
}

/// The files that commands of package managers write settings to.
const SETTINGS: &str = "rc";

/// The file of the first redirection of the standard output, outside of quotes.
fn redirection(text: &[u8]) -> Option<String> {
    let (mut quote, mut depth, mut before) = (None, 0_usize, b' ');
    for (at, byte) in text.iter().copied().enumerate() {
        match byte {
            _ if before == b'\\' => {}
            _ if quote == Some(byte) => quote = None,
            b'\'' | b'"' if quote.is_none() => quote = Some(byte),
            b'(' if quote != Some(b'\'') && before == b'$' => depth += 1,
            b')' if quote != Some(b'\'') => depth = depth.saturating_sub(1),
            b'>' if quote.is_none() && depth == 0 && !matches!(before, b'2' | b'-' | b'=') => {
                let rest = text.get(at + 1..)?.trim_ascii_start();
                let rest = rest.strip_prefix(b">").unwrap_or(rest).trim_ascii_start();
                let is_end = |byte: &u8| b" \t\n;&|)".contains(byte);
                let length = rest.iter().position(is_end).unwrap_or(rest.len());
                let name = String::from_utf8_lossy(rest.get(..length)?);
                let name = name.trim_matches(['"', '\'']);
                return (!name.is_empty()).then(|| name.to_owned());
            }
            _ => {}
        }
        before = if before == b'\\' { b' ' } else { byte };
    }
    None
}

/// Whether a file is on a mount, so in no layer.
fn is_mounted(run: &RunStep, step: &BuildStep, target: &str) -> bool {
    let path = absolute(step.directory.as_deref(), target);
    run.mounts.iter().any(|mount| match (mount.target(), &path) {
        (Some(to), Some(path)) => absolute(step.directory.as_deref(), to).is_some_and(|to| {
            path.strip_prefix(&*to).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        }),
        (Some(_), None) => mount.kind != "secret",
        (None, _) => false,
    })
}

/// Whether the rest of the step removes a file, or the setting in it.
fn is_removed(target: &str, rest: &[u8]) -> bool {
    let name = target.trim_end_matches('/').rsplit('/').next().unwrap_or(target);
    let has = |text: &[u8]| memchr::memmem::find(rest, text).is_some();
    let is_removing = ["rm ", "rm\t", "unlink ", "shred "].iter().any(|word| has(word.as_bytes()));
    let is_reset = ["config delete", "config rm", "config unset", "logout"];
    is_removing && has(name.as_bytes())
        || target == SETTINGS && is_reset.iter().any(|word| has(word.as_bytes()))
}

fn report_file(file: &File, written: &Written, is_kept: bool, findings: &mut Findings) {
    let message = if let Some(name) = written.variable.as_ref().filter(|_| written.is_gone) {
        format!("the token in {} stays in the history of the image", Escaped(name.as_bytes()))
    } else {
        let place = if is_kept { "the image" } else { "the build cache" };
        format!("the token stays in a layer of {place}: this writes it to a file")
    };
    let help = "mount it with `--mount=type=secret,…,env=NAME`, and write `${NAME}` to the file";
    let text = file.text.get(written.span.clone()).unwrap_or_default();
    let draft = if holds_token(text) {
        findings.position(file, &written.span, &message)
    } else {
        findings.place(file, &written.span, message)
    };
    let draft = match &written.mount {
        Some(mount) => draft.label(file, mount, "the secret"),
        None => draft,
    };
    let draft = draft.help(help, &[]);
    if !is_kept {
        draft.severity(Severity::Warning);
    }
}

/// The `ARG` and `ENV` instructions of the image with a token that an install reads: the place, and
/// the file of settings with the place of the variable.
fn declared(
    builds: &Builds,
    build: &Build,
    visit: &Visit<'_>,
    kept: &BTreeSet<usize>,
) -> Vec<(Span, (usize, Span, String))> {
    let step = visit.install.step;
    let stage = build.steps().find(|(_, own)| std::ptr::eq(*own, step)).map(|(stage, _)| stage);
    let Some(stage) = stage.filter(|stage| kept.contains(stage)) else { return Vec::new() };
    let text = &builds.file(build.dockerfile).text;
    let mut found = Vec::new();
    for effective in visit.settings() {
        let number = effective.image.file;
        let settings = npm_settings(builds, number);
        for reference in settings.iter().flat_map(|setting| &setting.variables) {
            let name = &reference.name;
            let by_mount = visit.install.run.mounts.iter().any(|mount| mount.has(&["env"]));
            let is_own = visit.install.run.assigned.contains(name) || by_mount;
            if !reference.is_credential || is_own || !step.stage.declares(name) {
                continue;
            }
            let declaration =
                build.lineage(stage).flat_map(|(_, stage)| &stage.steps).find(|own| {
                    let own_text = text.get(own.span.clone()).unwrap_or_default();
                    matches!(own.action, Action::Variables) && names(own_text, name)
                });
            if let Some(declaration) = declaration {
                let place = (number, reference.span.clone(), name.clone());
                found.push((declaration.span.clone(), place));
            }
        }
    }
    found
}

fn report_variable(
    builds: &Builds,
    build: &Build,
    visit: &Visit<'_>,
    span: &Span,
    (settings, reference, name): &(usize, Span, String),
    findings: &mut Findings,
) {
    let file = builds.file(build.dockerfile);
    let shown = Escaped(name.as_bytes());
    let id = name.to_ascii_lowercase();
    let message = format!("the token in {shown} stays in the history of the image");
    let help = format!(
        "remove this, and add `--mount=type=secret,id={},env={shown}` to the RUN",
        Escaped(id.as_bytes())
    );
    // The value is not shown.
    findings
        .position(file, span, &message)
        .label(file, &visit.install.command.span(), "this install reads it")
        .label(builds.file(*settings), reference, "for this setting")
        .help(help, &[]);
}

#[cfg(test)]
mod tests {
    use super::RULE;
    use crate::base::finding::Severity;
    use crate::engine::tests::{Fake, judged_by, transcript};

    fn change(lines: &str, settings: &str) -> Fake {
        Fake::default()
            .file("Dockerfile", &format!("FROM node:22 AS a\nWORKDIR /a\n{lines}\n"))
            .file(".npmrc", settings)
    }

    const WITH_VARIABLE: &str = "//r.example/:_authToken=${T}\n";
    const SECRET: &str = "RUN --mount=type=secret,id=t ";

    #[test]
    fn a_token_in_a_file_of_a_layer() {
        for line in [
            "ARG T\nRUN echo \"//r.example/:_authToken=$T\" > .npmrc && npm ci",
            "ARG T\nRUN echo //r.example/:_authToken=${T} >> ~/.npmrc && npm ci",
            "ARG T\nRUN printf '//r.example/:_authToken=%s\\n' \"$T\" > .npmrc",
            "ARG T\nRUN echo \"//r.example/:_authToken=$T\" | tee -a .npmrc",
            "ARG T\nRUN npm config set //r.example/:_authToken $T && npm ci",
            "ARG T\nRUN pnpm config set \"//r.example/:_authToken=${T}\"",
            "ARG T\nRUN yarn config set npmAuthToken \"$T\"",
            "RUN --mount=type=secret,id=t,env=T echo \"//r/:_authToken=$T\" > .npmrc",
            &format!("{SECRET}echo \"//r/:_authToken=$(cat /run/secrets/t)\" > .npmrc && npm ci"),
            &format!("{SECRET}npm config set //r/:_authToken=$(cat /run/secrets/t)"),
            &format!("{SECRET}cat /run/secrets/t > .npmrc && npm ci"),
            &format!("{SECRET}cp /run/secrets/t /root/.npmrc && npm ci"),
            &format!("{SECRET}cp /run/secrets/t /root/ && npm ci"),
            "RUN --mount=type=secret,id=t,target=/s/t cat /s/t >.npmrc",
            &format!("{SECRET}echo \"T=$(cat /run/secrets/t)\" > .env.local"),
        ] {
            let found = judged_by(&RULE, &change(line, ""));
            let [finding] = found.as_slice() else { panic!("{line}: {found:?}") };
            assert_eq!(finding.severity, Severity::Error, "{line}");
            assert!(finding.message.contains("layer of the image"));
            assert_eq!(finding.labels.len(), usize::from(line.contains("secret")), "{line}");
        }
        let written = "ARG T\nRUN echo \"_authToken=$T\" > .npmrc\nFROM node:22\n";
        let copied = format!("{written}COPY --from=a /a /b");
        assert_eq!(judged_by(&RULE, &change(&copied, ""))[0].severity, Severity::Error);
        let builder = format!("{written}COPY --from=a /a/dist /a");
        let found = judged_by(&RULE, &change(&builder, ""));
        assert_eq!(found[0].severity, Severity::Warning);
        assert!(found[0].message.contains("layer of the build cache"));
    }

    #[test]
    fn a_token_in_a_dockerfile_inside_of_another_file() {
        let found = |inline: &str| {
            let compose =
                format!("services:\n  a:\n    build:\n      dockerfile_inline: {inline}\n");
            judged_by(&RULE, &Fake::default().file("compose.yaml", &compose))
        };
        let block = "|\n        FROM node\n        ARG T\n        RUN npm -v && \\\n          \
                     echo \"//r/:_authToken=$$T\" > .npmrc";
        let lines: Vec<usize> =
            found(block).iter().map(|one| one.place.as_ref().unwrap().line).collect();
        assert_eq!(lines, [8]);
        // The text of the whole string would count as that of each command.
        let escaped =
            "\"FROM node\\nARG T\\nRUN echo '//r/:_authToken=$${T}' > .npmrc && echo $$T\"";
        assert_eq!(found(escaped).len(), 0);
    }

    #[test]
    fn a_token_in_the_history() {
        let lines = "ARG T=npm_0123456789abcdefghij\nCOPY .npmrc package.json ./\nRUN npm ci";
        let found = judged_by(&RULE, &change(lines, WITH_VARIABLE));
        let [finding] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!(finding.message, "the token in T stays in the history of the image");
        assert!(!format!("{finding:?}").contains("0123456789"), "{finding:?}");
        assert_eq!(finding.labels.len(), 2);
        for line in [
            "ARG T\nRUN echo \"//r/:_authToken=$T\" > .npmrc && npm ci && rm -f .npmrc",
            "ARG T\nRUN printf '//r/:_authToken=%s' \"${T}\" > .npmrc && npm ci && rm .npmrc",
            "ARG T\nRUN npm config set //r/:_authToken $T && npm ci && npm config delete //r/",
            "ARG T\nRUN --mount=type=tmpfs,target=/t echo \"//r/:_authToken=$T\" > /t/.npmrc",
        ] {
            let found = judged_by(&RULE, &change(line, ""));
            let [finding] = found.as_slice() else { panic!("{line}: {found:?}") };
            assert_eq!(finding.message, "the token in T stays in the history of the image");
        }
        let kept = "ENV T=x\nCOPY .npmrc ./\nRUN npm ci\nFROM a\nRUN npm run build";
        assert_eq!(transcript(&RULE, &change(kept, WITH_VARIABLE)).len(), 1);
    }

    #[test]
    fn a_token_that_leaves_no_trace() {
        for line in [
            "ARG T\nRUN echo '//r/:_authToken=${T}' > .npmrc && npm ci",
            "ARG T\nRUN echo \"//r/:_authToken=\\${T}\" > .npmrc && npm ci",
            "ARG T\nRUN echo \"//r/:_authToken=$T\" > .npmrc && npm ci && rm .npmrc\nFROM node",
            "RUN T=$(x) && echo \"//r/:_authToken=$T\" > ~/.npmrc && npm ci; rm $HOME/.npmrc",
            &format!(
                "{SECRET}npm config set //r/:_authToken $(cat /run/secrets/t) && npm ci && npm \
                 config delete //r/"
            ),
            "ARG T\nRUN npm config set //r/:_authToken '${T}' && npm ci",
            "ARG R\nRUN npm config set registry $R",
            "ARG R\nRUN echo \"registry=$R\" > .npmrc",
            "RUN echo \"//r/:_authToken=literal\" > .npmrc",
            "ARG T\nRUN echo \"//r/:_authToken=$T\" > /dev/null",
            "ARG T\nRUN echo \"//r/:_authToken=$T\" | sha256sum",
            "RUN --mount=type=tmpfs,target=/t echo \"//r/:_authToken=$(x)\" > /t/.npmrc",
            &format!("{SECRET}T=$(cat /run/secrets/t 2>/dev/null) npm ci > log"),
            &format!("{SECRET}export T=\"$(cat /run/secrets/t)\" && npm ci > log"),
            &format!("{SECRET}cat /run/secrets/t | npm login"),
            &format!("{SECRET}cp /run/secrets/t /root/.npmrc && npm ci && rm /root/.npmrc"),
            "RUN --mount=type=secret,id=t,target=/root/.npmrc npm ci",
            // Its layers stay on the machine.
            "ARG T\nCOPY .npmrc ./\nRUN npm ci\nFROM node:22\nCOPY --from=a /a /a",
            "COPY .npmrc ./\nRUN --mount=type=secret,id=t,env=T npm ci",
            "ARG OTHER\nCOPY .npmrc ./\nRUN npm ci",
        ] {
            assert_eq!(transcript(&RULE, &change(line, WITH_VARIABLE)), [""; 0], "{line}");
        }
    }
}
