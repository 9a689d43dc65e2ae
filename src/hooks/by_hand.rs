//! The lines that the user adds to the configuration of a hook manager. They fit the content of the
//! file: a duplicate key breaks it, or silently replaces the team's own hooks.

use crate::hooks::Hook;

/// The format of a manager's configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// lefthook: jobs for each hook.
    Lefthook,
    /// pre-commit and prek: a list of repositories.
    Repos,
    /// simple-git-hooks: a command for each hook.
    SimpleGitHooks,
    /// Husky 4: a command for each hook, below `hooks`.
    Husky4,
    /// yorkie: a command for each hook, below `gitHooks` of package.json.
    Yorkie,
    /// ghooks: a command for each hook, below `config` of package.json.
    Ghooks,
}

const REPO: [&str; 9] = [
    "- repo: local",
    "  hooks:",
    "    - id: bakstop",
    "      name: bakstop",
    "      entry: bakstop hook pre-commit",
    "      language: system",
    "      pass_filenames: false",
    "      always_run: true",
    "      stages: [pre-commit, pre-merge-commit]",
];

const REPO_IN_TOML: &str = "\
[[repos]]
repo = \"local\"

[[repos.hooks]]
id = \"bakstop\"
name = \"bakstop\"
entry = \"bakstop hook pre-commit\"
language = \"system\"
pass_filenames = false
always_run = true
stages = [\"pre-commit\", \"pre-merge-commit\"]
";

/// Why the guard must run last.
const LAST: &str = "so that it also judges what the others stage";

/// Whether the manager can run the guard as this hook. pre-commit and prek do not pass on the
/// standard input; two old managers do not know `pre-merge-commit`.
pub(super) fn can_serve(style: Style, hook: Hook) -> bool {
    match style {
        Style::Repos => matches!(hook, Hook::PreCommit | Hook::PreMergeCommit),
        Style::Yorkie | Style::Ghooks => hook != Hook::PreMergeCommit,
        _ => true,
    }
}

/// What to do by hand for these hooks. `existing` is the configuration file and its content.
pub(crate) fn advice(style: Style, existing: Option<(&str, &[u8])>, hooks: &[Hook]) -> String {
    let Some((file, text)) = existing else {
        let (file, text) = whole(style, hooks);
        return format!("write this into a new file {file}:\n\n{text}");
    };
    let text = String::from_utf8_lossy(text);
    let is = |ending: &str| file.rsplit('.').next().is_some_and(|found| found.starts_with(ending));
    let at_its_end = |lines: &str| format!("add this at the end of {file} by hand:\n\n{lines}");
    match style {
        Style::Repos if is("toml") => at_its_end(REPO_IN_TOML),
        Style::Repos => repos(file, &text),
        Style::Lefthook if is("toml") => {
            let job = |hook: &Hook| {
                let pairs = job_of_lefthook(*hook, file)
                    .map(|(key, value)| format!("{key} = {}\n", quoted(&value)));
                format!("[[{}.jobs]]\n{}", hook.name(), pairs.collect::<String>())
            };
            at_its_end(&hooks.iter().map(job).collect::<Vec<_>>().join("\n"))
        }
        Style::Lefthook if is("json") => {
            let job = |hook: &Hook| {
                let pairs = job_of_lefthook(*hook, file)
                    .map(|(key, value)| format!("\"{key}\": {}", quoted(&value)));
                let pairs: Vec<String> = pairs.collect();
                format!(
                    "as the last of `jobs` in `{}`:\n\n  {{ {} }}\n",
                    hook.name(),
                    pairs.join(", ")
                )
            };
            let jobs: Vec<String> = hooks.iter().map(job).collect();
            format!("add this to {file} by hand, {LAST}, {}", jobs.join("\nand this, "))
        }
        Style::Lefthook => lefthook(file, &text, hooks),
        Style::SimpleGitHooks | Style::Husky4 | Style::Yorkie | Style::Ghooks => {
            commands(style, file, &text, hooks)
        }
    }
}

/// The name and content of a new configuration file.
fn whole(style: Style, hooks: &[Hook]) -> (&'static str, String) {
    let pairs = pairs(style, "", hooks);
    match style {
        Style::Lefthook => (
            "lefthook.yml",
            hooks.iter().map(|hook| section_of_lefthook(*hook, "lefthook.yml")).collect(),
        ),
        Style::Repos => (".pre-commit-config.yaml", format!("repos:\n{}", indented(&REPO, 2))),
        Style::SimpleGitHooks => {
            (".simple-git-hooks.json", format!("{{\n{}}}\n", indented(&pairs, 2)))
        }
        Style::Husky4 => {
            (".huskyrc.json", format!("{{\n  \"hooks\": {{\n{}  }}\n}}\n", indented(&pairs, 4)))
        }
        Style::Yorkie | Style::Ghooks => {
            let lines = below(keys(style, "package.json"), pairs);
            ("package.json", format!("{{\n{}}}\n", indented(&lines, 2)))
        }
    }
}

fn repos(file: &str, text: &str) -> String {
    let Some(section) = section(text, "repos") else {
        return format!("add this at the end of {file} by hand:\n\nrepos:\n{}", indented(&REPO, 2));
    };
    let indent = section.iter().find_map(|line| item(line)).unwrap_or(2);
    format!(
        "add this to {file} by hand, as the last entry under `repos:`:\n\n{}",
        indented(&REPO, indent)
    )
}

fn lefthook(file: &str, text: &str, hooks: &[Hook]) -> String {
    let part = |&hook: &Hook| {
        let name = hook.name();
        let Some(section) = section(text, name) else {
            return format!("at its end:\n\n{}", section_of_lefthook(hook, file));
        };
        let keys = section.iter().find(|line| !is_blank(line)).map_or(2, |line| indent(line));
        let filter = filter_of_lefthook(&section, keys);
        let filter = filter.map_or_else(String::new, |key| {
            format!(" (`{key}` there skips it too: move that into the other jobs)")
        });
        let Some(jobs) = section.iter().position(|line| is_key(line.trim_start(), "jobs")) else {
            return format!(
                "as a part of `{name}:`{filter}:\n\n{}",
                lines_of_lefthook(hook, file, Some(keys), keys + 2)
            );
        };
        let items = section[jobs + 1..].iter().find_map(|line| item(line)).unwrap_or(keys + 2);
        let why = if hook.reads_lines() { String::new() } else { format!(", {LAST}") };
        format!(
            "as the last job under `{name}:`{why}{filter}:\n\n{}",
            lines_of_lefthook(hook, file, None, items)
        )
    };
    format!(
        "add this to {file} by hand, {}",
        hooks.iter().map(part).collect::<Vec<_>>().join("\nand this, ")
    )
}

/// The key by which lefthook skips all jobs of a hook, if its section has one at the column `keys`.
fn filter_of_lefthook(section: &[&str], keys: usize) -> Option<&'static str> {
    let has = |key: &&str| {
        section.iter().any(|line| indent(line) == keys && is_key(line.trim_start(), key))
    };
    ["only", "skip"].into_iter().find(has)
}

fn section_of_lefthook(hook: Hook, file: &str) -> String {
    format!("{}:\n{}", hook.name(), lines_of_lefthook(hook, file, Some(2), 4))
}

/// The job in YAML at column `items`, with the key `jobs` at its column if that is missing.
fn lines_of_lefthook(hook: Hook, file: &str, jobs: Option<usize>, items: usize) -> String {
    let jobs = jobs.map(|column| indented(&["jobs:"], column)).unwrap_or_default();
    let pairs = job_of_lefthook(hook, file).enumerate().map(|(at, (key, value))| {
        let value = if value.contains('#') { quoted(&value) } else { value };
        format!("{} {key}: {value}", if at == 0 { "-" } else { " " })
    });
    jobs + &indented(&pairs.collect::<Vec<_>>(), items)
}

/// The keys and values of a job.
///
/// lefthook pastes arguments into a command without quoting them, so the URL of a remote must not
/// be one. It skips a pre-push job when the checked-out branch has nothing to push, even if other
/// refs are pushed, unless the job lists `files`.
fn job_of_lefthook(hook: Hook, file: &str) -> impl Iterator<Item = (&'static str, String)> {
    let rest = match hook {
        Hook::PrepareCommitMsg => " {0}",
        hook if hook.reads_lines() => " # {files}",
        _ => "",
    };
    let job =
        [("name", "bakstop".to_owned()), ("run", format!("bakstop hook {}{rest}", hook.name()))];
    let lines = [("files", format!("echo {file}")), ("use_stdin", TRUE.to_owned())];
    job.into_iter().chain(lines.into_iter().filter(move |_| hook.reads_lines()))
}

const TRUE: &str = "true";

/// A value in TOML and JSON.
fn quoted(value: &str) -> String {
    if value == TRUE { value.to_owned() } else { format!("\"{value}\"") }
}

/// Commands as strings: below a key in package.json, at the top of other files.
fn commands(style: Style, file: &str, text: &str, hooks: &[Hook]) -> String {
    let keys = keys(style, file);
    // In package.json, a string is a dependency of that name.
    let exists = |key: &&&str| {
        values(text, key).any(|value| file != "package.json" || value.starts_with('{'))
    };
    let present = keys.iter().take_while(exists).count();
    let (present, missing) = keys.split_at(present);
    let place = match present {
        [] => file.to_owned(),
        present => format!("`{}` in {file}", present.join(".")),
    };
    let lines = below(missing, pairs(style, if missing.is_empty() { text } else { "" }, hooks));
    // A line that includes the present command replaces that.
    let verb = if lines.iter().any(|line| line.contains(NOW)) { "change it to" } else { "add" };
    format!("edit {place} by hand, and {verb} this:\n\n{}", indented(&lines, 2))
}

/// The keys below which the commands are.
fn keys(style: Style, file: &str) -> &'static [&'static str] {
    match (style, file) {
        (Style::SimpleGitHooks, "package.json") => &["simple-git-hooks"],
        (Style::SimpleGitHooks, _) => &[],
        (Style::Yorkie, _) => &["gitHooks"],
        (Style::Ghooks, _) => &["config", "ghooks"],
        (_, "package.json") => &["husky", "hooks"],
        (_, _) => &["hooks"],
    }
}

/// Lines of JSON as the value of the last of these keys, each within the one before.
fn below(keys: &[&str], mut lines: Vec<String>) -> Vec<String> {
    for key in keys.iter().rev() {
        lines = lines.iter().map(|line| format!("  {line}")).collect();
        lines.insert(0, format!("\"{key}\": {{"));
        lines.push("}".to_owned());
    }
    lines
}

/// The placeholder for the present command of a hook.
const NOW: &str = "<the current command>";

/// A key and a command for each hook.
fn pairs(style: Style, text: &str, hooks: &[Hook]) -> Vec<String> {
    let last = hooks.len().saturating_sub(1);
    let pair = |(at, &hook): (usize, &Hook)| {
        let command =
            command(style, hook, values(text, hook.name()).next().is_some()).replace('"', "\\\"");
        format!("\"{}\": \"{command}\"{}", hook.name(), if at < last { "," } else { "" })
    };
    hooks.iter().enumerate().map(pair).collect()
}

/// The command for a hook; `taken` if the hook has one already.
fn command(style: Style, hook: Hook, taken: bool) -> String {
    match (style, hook) {
        // Both commands get the standard input.
        (style, Hook::PrePush) if taken && style != Style::Husky4 => format!(
            "lines=$(cat; echo .); printf %s \"${{lines%.}}\" | {} \
             && printf %s \"${{lines%.}}\" | {{ {NOW}; }}",
            hook.call()
        ),
        _ => {
            let call = match (style, hook) {
                (Style::Husky4, Hook::PrePush) => {
                    "printf %s \"$HUSKY_GIT_STDIN\" | bakstop hook pre-push".to_owned()
                }
                (Style::Husky4, Hook::PrepareCommitMsg) => {
                    "bakstop hook prepare-commit-msg $HUSKY_GIT_PARAMS".to_owned()
                }
                _ => hook.call(),
            };
            if taken { format!("{NOW} && {call}") } else { call }
        }
    }
}

/// The text after each `key:` in JSON or a script.
fn values<'a>(text: &'a str, key: &'a str) -> impl Iterator<Item = &'a str> {
    let quotes = ['"', '\''];
    text.match_indices(key).filter_map(move |(at, _)| {
        let (before, from) = text.split_at_checked(at)?;
        let whole =
            !before.ends_with(|before: char| before.is_alphanumeric() || "-_.".contains(before));
        let rest = from.strip_prefix(key)?.trim_start_matches(quotes).trim_start();
        rest.strip_prefix(':').filter(|_| whole).map(str::trim_start)
    })
}

/// The lines below a key at the left margin of a YAML file.
fn section<'a>(text: &'a str, key: &str) -> Option<Vec<&'a str>> {
    let mut lines = text.lines().skip_while(|line| !is_key(line, key));
    lines.next()?;
    Some(
        lines
            .take_while(|line| line.is_empty() || line.starts_with([' ', '\t', '#', '-']))
            .collect(),
    )
}

fn is_key(line: &str, key: &str) -> bool {
    line.split_once(':').is_some_and(|(name, _)| name.trim_end().trim_matches(['"', '\'']) == key)
}

fn is_blank(line: &str) -> bool {
    line.trim().is_empty() || line.trim_start().starts_with('#')
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// The column of the dash, if the line begins an item of a list.
fn item(line: &str) -> Option<usize> {
    line.trim_start().starts_with("- ").then(|| indent(line))
}

fn indented(lines: &[impl AsRef<str>], column: usize) -> String {
    lines.iter().map(|line| format!("{:column$}{}\n", "", line.as_ref())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn advised(style: Style, file: &str, text: &str) -> String {
        advice(style, Some((file, text.as_bytes())), &hooks(style))
    }

    fn hooks(style: Style) -> Vec<Hook> {
        Hook::USUAL.into_iter().filter(|hook| can_serve(style, *hook)).collect()
    }

    /// The lines to paste.
    fn lines(advice: &str) -> &str {
        advice.split_once(":\n\n").unwrap().1
    }

    #[test]
    fn a_key_is_found_between_other_characters() {
        let found = |text: &'static str| values(text, "pre-commit").collect::<Vec<_>>();
        assert_eq!(found("é'pre-commit'\u{2003}:\u{2003}ü"), ["ü"]);
        assert_eq!(found("épre-commit: a, pre-commité: b, é pre-commit"), [""; 0]);
    }

    #[test]
    fn an_existing_key_is_not_repeated() {
        for (text, indent) in [
            ("repos:\n- repo: x\n  hooks:\n    - id: y\n", ""),
            ("repos:\n-   repo: x\n    hooks:\n    -   id: y\n", ""),
            ("# x\r\nfail_fast: true\r\nrepos:  # ours\r\n\r\n    - repo: x\r\n", "    "),
            ("\"repos\":\n", "  "),
        ] {
            let advice = advised(Style::Repos, ".pre-commit-config.yaml", text);
            let place = "add this to .pre-commit-config.yaml by hand, \
                         as the last entry under `repos:`:\n\n";
            let expected = format!(
                "{place}{indent}- repo: local\n{indent}  hooks:\n{indent}    - id: bakstop\n"
            );
            assert!(advice.starts_with(&expected), "{advice}");
        }
        let advice = advised(Style::Repos, ".pre-commit-config.yaml", "fail_fast: true\n");
        assert!(lines(&advice).starts_with("repos:\n  - repo: local\n"), "{advice}");
        assert!(
            lines(&advised(Style::Repos, "prek.toml", "[[repos]]\n")).starts_with("[[repos]]\n")
        );
    }

    #[test]
    fn a_job_is_added_below_existing_jobs() {
        let yaml = |text| advised(Style::Lefthook, "lefthook.yml", text);
        assert_eq!(
            yaml("pre-commit:\n  parallel: true\n  jobs:\n  - run: a\npre-push:\n"),
            "add this to lefthook.yml by hand, as the last job under `pre-commit:`, \
             so that it also judges what the others stage:\n\n  - name: bakstop\n    \
             run: bakstop hook pre-commit\n\n\
             and this, at its end:\n\npre-merge-commit:\n  jobs:\n    - name: bakstop\n      \
             run: bakstop hook pre-merge-commit\n\n\
             and this, as a part of `pre-push:`:\n\n  jobs:\n    - name: bakstop\n      \
             run: \"bakstop hook pre-push # {files}\"\n      files: echo lefthook.yml\n      \
             use_stdin: true\n"
        );
        let strict =
            advice(Style::Lefthook, Some(("lefthook.yml", b"")), &[Hook::PrepareCommitMsg]);
        assert!(
            strict
                .ends_with("    - name: bakstop\n      run: bakstop hook prepare-commit-msg {0}\n"),
            "{strict}"
        );
        let both = yaml("pre-merge-commit:\n  jobs:\npre-commit:\n   # x\n   commands:\n     a:\n");
        assert!(
            both.contains("as a part of `pre-commit:`:\n\n   jobs:\n     - name: bakstop\n"),
            "{both}"
        );
        assert!(both.contains("last job under `pre-merge-commit:`"), "{both}");
        let skipped =
            yaml("pre-commit:\n  only:\n    - ref: main\n  jobs:\n  - run: a\n    skip: b\n");
        let note =
            "the others stage (`only` there skips it too: move that into the other jobs):\n\n";
        assert!(skipped.contains(note), "{skipped}");
        let toml = advised(Style::Lefthook, ".lefthook.toml", "");
        assert!(
            toml.ends_with(
                "pre-push # {files}\"\nfiles = \"echo .lefthook.toml\"\nuse_stdin = true\n"
            ),
            "{toml}"
        );
        assert!(lines(&toml).starts_with("[[pre-commit.jobs]]\nname = \"bakstop\"\n"), "{toml}");
        let json = advised(Style::Lefthook, "lefthook.jsonc", "{}");
        assert!(
            json.contains("\"files\": \"echo lefthook.jsonc\", \"use_stdin\": true }\n"),
            "{json}"
        );
        assert!(
            json.contains(
                "  { \"name\": \"bakstop\", \"run\": \"bakstop hook pre-merge-commit\" }\n"
            ),
            "{json}"
        );
    }

    #[test]
    fn an_existing_command_is_kept() {
        let merge = "\"pre-merge-commit\": \"bakstop hook pre-merge-commit\"";
        let push = r#""pre-push": "bakstop hook pre-push \"$@\"""#;
        let push_4 = r#""pre-push": "printf %s \"$HUSKY_GIT_STDIN\" | bakstop hook pre-push""#;
        let fresh = format!("\"pre-commit\": \"bakstop hook pre-commit\",\n  {merge},\n  {push}\n");
        let now = "  \"pre-commit\": \"<the current command> && bakstop hook pre-commit\"";
        let kept = format!("{now},\n  {merge},\n  {push}\n");
        let kept_4 = format!("{now},\n  {merge},\n  {push_4}\n");
        let (simple, husky) = (Style::SimpleGitHooks, Style::Husky4);
        for (style, file, text, place, expected) in [
            (
                simple,
                "package.json",
                r#"{"simple-git-hooks": {"pre-commit": "a"}}"#,
                "`simple-git-hooks` in",
                &kept,
            ),
            (
                simple,
                ".simple-git-hooks.js",
                "module.exports = {'pre-commit': `a`}",
                "edit .simple-git-hooks.js",
                &kept,
            ),
            (
                simple,
                "simple-git-hooks.json",
                "{}",
                "edit simple-git-hooks.json by hand, and add",
                &format!("  {fresh}"),
            ),
            (
                husky,
                "package.json",
                r#"{"husky": {"hooks": {"pre-commit": "a"}}}"#,
                "`husky.hooks` in",
                &kept_4,
            ),
            (husky, ".huskyrc", "hooks:\n  pre-commit: a\n", "edit `hooks` in .huskyrc", &kept_4),
        ] {
            let advice = advised(style, file, text);
            assert!(advice.contains(place), "{advice}");
            assert_eq!(lines(&advice), expected, "{text}");
        }
        let advice = advised(
            husky,
            "package.json",
            r#"{"devDependencies": {"husky": "^4", "pre-commit": "1"}}"#,
        );
        assert!(
            lines(&advice)
                .starts_with("  \"husky\": {\n    \"hooks\": {\n      \"pre-commit\": \"bakstop"),
            "{advice}"
        );
        assert!(advice.ends_with("\n    }\n  }\n"), "{advice}");

        // Both commands read the standard input.
        let text = r#"{"pre-push": "git lfs pre-push \"$@\""}"#;
        let advice = super::advice(
            simple,
            Some(("simple-git-hooks.json", text.as_bytes())),
            &[Hook::PrePush],
        );
        let fed = r#"lines=$(cat; echo .); printf %s \"${lines%.}\" | bakstop hook pre-push"#;
        assert!(lines(&advice).starts_with(&format!("  \"pre-push\": \"{fed}")), "{advice}");
        assert!(advice.ends_with("| { <the current command>; }\"\n"), "{advice}");
    }

    #[test]
    fn without_a_configuration_it_is_a_whole_file() {
        for (style, file, first) in [
            (Style::Lefthook, "lefthook.yml", "pre-commit:\n  jobs:\n    - name: bakstop\n"),
            (Style::Repos, ".pre-commit-config.yaml", "repos:\n  - repo: local\n"),
            (
                Style::SimpleGitHooks,
                ".simple-git-hooks.json",
                "{\n  \"pre-commit\": \"bakstop hook",
            ),
            (
                Style::Husky4,
                ".huskyrc.json",
                "{\n  \"hooks\": {\n    \"pre-commit\": \"bakstop hook",
            ),
        ] {
            let advice = advice(style, None, &hooks(style));
            assert!(
                advice.starts_with(&format!("write this into a new file {file}:\n\n{first}")),
                "{advice}"
            );
        }
    }
}
