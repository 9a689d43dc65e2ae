//! The tips of an error about the command line. clap proposes the most similar word, even if its
//! meaning is another one: `install`, which changes hooks, for `lint`.

use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue};

use crate::rules::RULES;

/// Words and options of other tools, and what bakstop has instead.
const KNOWN: [(&[&str], &str); 8] = [
    (&["lint", "scan", "run", "diff", "staged"], "to judge what is staged: bakstop check"),
    (&["init", "setup", "enable"], "to install the hooks: bakstop install"),
    (&["info"], "to see which hooks are in force: bakstop status"),
    (&["list"], "to list the rules: bakstop rules; the pins: bakstop pins"),
    (&["version"], "to print the version: bakstop --version"),
    (&["--json"], "to print JSON: --format json"),
    (&["--cached", "--index"], "to judge what is staged: --staged"),
    (&["--all", "--all-files"], "to judge every file: --worktree, or --tree HEAD"),
];

/// Keeps the proposals that are likely spelling errors, and adds those of [`KNOWN`].
pub(crate) fn helpful(mut error: clap::Error) -> clap::Error {
    // clap proposes to pass an unknown option as a path, or as a command to run.
    if let Some(ContextValue::StyledStrs(tips)) = error.get(ContextKind::Suggested)
        && tips.iter().any(|tip| tip.to_string().starts_with("to pass "))
    {
        error.remove(ContextKind::Suggested);
    }
    if let Some(tips) = rule_tips(&error) {
        error.remove(ContextKind::ValidValue);
        error.remove(ContextKind::SuggestedValue);
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(tips));
        return error;
    }
    let typed = [ContextKind::InvalidSubcommand, ContextKind::InvalidArg];
    let typed = typed.into_iter().find_map(|kind| match error.get(kind)? {
        ContextValue::String(word) => Some(word.clone()),
        _ => None,
    });
    let Some(typed) = typed else { return error };
    let typed = typed.split(['=', ' ']).next().unwrap_or_default();
    for kind in [ContextKind::SuggestedSubcommand, ContextKind::SuggestedArg] {
        let near = match error.remove(kind) {
            Some(ContextValue::String(word)) => vec![word],
            Some(ContextValue::Strings(words)) => words,
            _ => continue,
        };
        let near: Vec<String> = near.into_iter().filter(|word| is_near(typed, word)).collect();
        if let [one] = &near[..] {
            error.insert(kind, ContextValue::String(one.clone()));
        } else if !near.is_empty() {
            error.insert(kind, ContextValue::Strings(near));
        }
    }
    let usage = error.get(ContextKind::Usage).map(ToString::to_string).unwrap_or_default();
    let known = KNOWN.iter().find(|(words, _)| words.contains(&typed)).map(|(_, tip)| *tip);
    let tip = match known {
        None if usage.contains("bakstop verify") && !typed.starts_with('-') => {
            Some("to run a build, write -- before it: bakstop verify -- CMD")
        }
        known => known,
    };
    if let Some(tip) = tip {
        let tips = vec![StyledStr::from(tip)];
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(tips));
    }
    error
}

/// The tips for an unknown rule instead of all ids; `None` for any other error.
fn rule_tips(error: &clap::Error) -> Option<Vec<StyledStr>> {
    let Some(ContextValue::String(typed)) = error.get(ContextKind::InvalidValue) else {
        return None;
    };
    let Some(ContextValue::Strings(known)) = error.get(ContextKind::ValidValue) else {
        return None;
    };
    if known.len() != RULES.len() {
        return None;
    }
    let is_like = |id: &&str| is_near(typed, id) || (typed.len() > 2 && id.contains(typed));
    let like: Vec<&str> = RULES.iter().map(|rule| rule.id).filter(is_like).collect();
    let like = (!like.is_empty()).then(|| format!("did you mean {}?", like.join(", ")));
    let list = "to list the rules: bakstop rules".to_owned();
    Some(like.into_iter().chain([list]).map(StyledStr::from).collect())
}

/// Whether a word may be another one with a spelling error: one edit for three characters.
fn is_near(typed: &str, word: &str) -> bool {
    distance(typed.as_bytes(), word.as_bytes()) * 3 <= typed.len()
}

/// The number of bytes to insert, remove or replace (Levenshtein).
fn distance(from: &[u8], to: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (at, byte) in from.iter().enumerate() {
        let mut corner = std::mem::replace(&mut row[0], at + 1);
        for (column, other) in to.iter().enumerate() {
            let above = row[column + 1];
            let replaced = corner + usize::from(byte != other);
            row[column + 1] = replaced.min(above + 1).min(row[column] + 1);
            corner = above;
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::Cli;

    fn shown(arguments: &str) -> String {
        let words = ["bakstop"].into_iter().chain(arguments.split(' '));
        helpful(Cli::try_parse_from(words).unwrap_err()).render().to_string()
    }

    #[test]
    fn only_a_spelling_error_is_proposed() {
        for (arguments, tip) in [
            ("chek", "a similar subcommand exists: 'check'"),
            ("uninstal", "a similar subcommand exists: 'uninstall'"),
            ("check --stagd", "a similar argument exists: '--staged'"),
            ("check --json", "to print JSON: --format json"),
            ("lint", "to judge what is staged: bakstop check"),
            ("version", "to print the version: bakstop --version"),
            ("verify docker build", "to run a build, write -- before it: bakstop verify -- CMD"),
        ] {
            let text = shown(arguments);
            assert_eq!(text.matches("tip: ").count(), 1, "{text}");
            assert!(text.contains(&format!("  tip: {tip}\n")), "{text}");
        }
        for arguments in ["check --fix", "verify --staged", "scanner", "check --fiels x"] {
            assert!(!shown(arguments).contains("tip: "), "{}", shown(arguments));
        }
    }

    #[test]
    fn an_unknown_rule_is_compared_with_the_others() {
        for (id, like) in [
            ("stray-bakcup", "  tip: did you mean stray-backup?\n"),
            ("build-arg", "did you mean undeclared-build-arg, lost-build-arg, unused-build-arg?\n"),
        ] {
            let text = shown(&format!("explain {id}"));
            assert!(
                text.contains(like) && text.contains("  tip: to list the rules: bakstop rules\n")
            );
        }
        let text = shown("explain nope");
        assert!(!text.contains("did you mean") && !text.contains("stray-backup"), "{text}");
        assert!(shown("explain stray-backup --format jso").contains("'json'"));
    }

    #[test]
    fn every_proposed_command_is_one() {
        for (_, tip) in KNOWN {
            for command in tip.split("bakstop ").skip(1) {
                let words = command.split([' ', ';']).next().unwrap();
                let parsed = Cli::try_parse_from(["bakstop", words]);
                assert!(parsed.is_ok() || words == "--version", "{tip}");
            }
        }
    }
}
