//! Next steps about an installation: what to run after `install`, `status` and `prove`, and after
//! a hook has stopped something.

use std::path::Path;

use crate::base::path::{RepoPath, TO_TOP, shell_quote};
use crate::config::FILE;
use crate::hooks::by_hand::Style;
use crate::hooks::configured::Reach;
use crate::hooks::health::{Health, Interference, Note, Off};
use crate::hooks::layout::{HooksPath, Layout, SettingScope};
use crate::hooks::operation::Operation;
use crate::hooks::plan::HookEdit;
use crate::hooks::setup::{Foreign, Owner, Setup, is_dependency, program_of_dependency};
use crate::hooks::state::{Defect, HookState};
use crate::hooks::{Hook, SKIP, SWITCH, binary, by_hand, display_path};

/// For a foreign hook that prints the findings of the guard but succeeds.
pub(crate) const LET_IT_FAIL: &str =
    "let the hook fail if the guard fails: `bakstop hook pre-commit || exit`";
/// For a hook that runs the guard for some files only.
pub(crate) const GUARD_EVERY_FILE: &str = "run the guard for every commit: \
     remove the filter by path (`files`, `glob`, `root` or a test in a script)";
/// For a hook that fails for a reason that is not known.
pub(crate) const FIX_THE_HOOK: &str = "fix the cause; `bakstop prove -v` shows all of its output";
/// For a hook of which nothing more is known.
pub(crate) const SHOW_OUTPUT: &str = "`bakstop prove -v` shows its output";
/// For a hook file that cannot be judged.
pub(crate) const ASK_INSTALL: &str = "`bakstop install` reports the reason";

/// How to bypass the guard once.
fn bypass(hook: Hook) -> String {
    format!("to skip this check: {SWITCH}=0 {}", hook.command())
}

/// How to proceed if the configuration is invalid. On a server, switches are ignored.
pub(crate) fn invalid_configuration_hint(hook: Hook) -> String {
    match hook {
        Hook::PreReceive => {
            format!("a {FILE} in the repository's directory on the server takes precedence")
        }
        hook => bypass(hook),
    }
}

/// How to proceed if the guard crashes in a hook.
pub(crate) fn after_crash(hook: Hook) -> String {
    match hook {
        Hook::PreReceive => "the push is refused; \
             `bakstop uninstall` in the repository on the server removes the hook"
            .to_owned(),
        hook => bypass(hook),
    }
}

/// How to go on without a hook that judges existing commits.
pub(crate) const SWITCH_OFF: &str = "to skip this check: set BAKSTOP=0";

/// What a hook blocks, and how to proceed; `operation` is the unfinished operation of git. A secret
/// must not leave this machine: no bypass is offered.
pub(crate) fn after_block(hook: Hook, operation: Option<Operation>, secret: bool) -> String {
    match (hook, operation) {
        (Hook::PreReceive, _) => "the push is refused".to_owned(),
        (_, Some([act, continuation, abort])) => {
            format!("the {act} stops here (to abort: {abort}; once fixed: {continuation})")
        }
        _ if secret => format!("the {} is blocked", hook.action()),
        _ => format!("the {} is blocked ({})", hook.action(), bypass(hook)),
    }
}

/// What a hook did that found nothing staged, and was not run by git.
pub(crate) fn nothing_staged(judged_head: bool) -> &'static str {
    if judged_head {
        "nothing new is staged, so every file of HEAD is judged"
    } else {
        "nothing new is staged, so nothing is judged; for every file: bakstop check --tree HEAD"
    }
}

/// Whether to use `--server`, for a user who chose wrongly for this kind of repository.
pub(crate) fn server_flag_help(bare: bool) -> &'static str {
    if bare {
        "to guard pushes to it: bakstop install --server"
    } else {
        "run this in the bare repository that is pushed to; in a clone: bakstop install"
    }
}

/// The next steps after an installation that changed something. `program` is the program that the
/// hooks run, and whether every user of the machine can run it. `manager_command` installs it where
/// it is a dependency.
pub(crate) fn after_install(
    setup: &Setup,
    edits: &[HookEdit],
    program: Option<(&Path, bool)>,
    layout: &Layout,
    manager_command: Option<&str>,
) -> Vec<String> {
    if edits.is_empty() {
        return Vec::new();
    }
    if matches!(setup, Setup::Husky(_) | Setup::Native { tracked: true, .. }) {
        let files: Vec<String> = edits
            .iter()
            .filter(|edit| !matches!(edit, HookEdit::MakeDirectory { .. }))
            .map(|edit| display_path(edit.path(), &layout.top).as_pathspec(layout.below_top))
            .collect();
        return vec![
            format!("these files are shared, so commit them: git add {}", files.join(" ")),
            match manager_command {
                Some(command) => format!("everyone who commits here gets bakstop with `{command}`"),
                None => {
                    "everyone who commits here needs bakstop in ~/.local/bin or in PATH".to_owned()
                }
            },
        ];
    }
    let Some((program, for_everyone)) = program else { return Vec::new() };
    let name = display_path(program, &layout.top);
    if binary::is_build_output(program) {
        vec![format!(
            "the hooks run {name}, which `cargo clean` removes; \
             install from a copy in ~/.local/bin instead"
        )]
    } else if layout.bare && !for_everyone {
        vec![format!(
            "not every user can run {name}; if the server runs as another user, \
             install from a copy in /usr/local/bin"
        )]
    } else {
        Vec::new()
    }
}

/// The next steps after the hooks were named in a configuration of git. `program` is the one that
/// they run, `of_commits` are the names of those that judge a commit.
pub(crate) fn after_configuring(reach: Reach, program: &RepoPath, of_commits: &[String]) -> String {
    let everywhere = match reach {
        Reach::Clone => "a commit or push with an older git is not judged".to_owned(),
        Reach::User => {
            let off = |name: &String| format!("git config hook.{name}.enabled false");
            let off: Vec<String> = of_commits.iter().map(off).collect();
            format!(
                "every repository of this user is guarded, where git is 2.54 or newer; to commit \
                 without the guard in one of them, run this there:\n  {}",
                off.join(" && ")
            )
        }
    };
    format!(
        "the hooks run {program} and no other; uninstall them before you remove it\n{everywhere}"
    )
}

/// For a clone whose hooks were removed, while those of the user stay.
pub(crate) const GLOBAL_STAYS: &str = "the global configuration of git still names the hooks, for \
     every clone of this user: `bakstop uninstall --global` removes them";

/// The script that would install the hooks for everyone.
pub(crate) fn script_to_add(key: &str, command: &str) -> String {
    format!(
        "to install the hooks with the dependencies, add this script to package.json \
         (`bakstop install --prepare` does):\n  \"{key}\": \"{command}\"\n"
    )
}

/// The next steps after the hooks were taken out of shared files.
pub(crate) fn after_uninstall(files: &[String]) -> Option<String> {
    (!files.is_empty()).then(|| {
        format!("these files are shared, so commit the change: git add {}", files.join(" "))
    })
}

/// The lines for a configured manager that will replace our hooks.
pub(crate) fn before_takeover(successor: &Foreign, layout: &Layout) -> String {
    format!("{}; {}", successor.takeover(), foreign_help(successor, layout))
}

/// Why a hook is not in force, or may not be, and what to do about it unless that is to install.
pub(crate) fn explain(state: &HookState, below_top: bool) -> Option<String> {
    let help = match state {
        HookState::NotInForce(defect) => defect_help(defect, below_top),
        _ => None,
    };
    let help = help.map_or_else(String::new, |help| format!("; {help}"));
    state.reason().map(|reason| reason + &help)
}

/// A note about a hook, with the command that changes it.
pub(crate) fn note(hook: Hook, note: &Note) -> String {
    if note.install_helps {
        format!("{}; `{}` rewrites it", note.text, hook.install())
    } else {
        note.text.clone()
    }
}

/// What to do about a hook that is not in force, if installing it does not help. `below_top`: the
/// current directory is not the top of the work tree.
fn defect_help(defect: &Defect, below_top: bool) -> Option<String> {
    let go = if below_top { format!("{TO_TOP} && ") } else { String::new() };
    Some(match defect {
        Defect::NoProgram(None) | Defect::NoProgramButPasses(None) => {
            "put the program into ~/.local/bin or a directory of PATH".to_owned()
        }
        Defect::NoProgram(Some(command)) | Defect::NoProgramButPasses(Some(command)) => {
            format!("install the dependencies (`{go}{command}`)")
        }
        Defect::NoConfiguredProgram(_, install) => {
            format!("put it there again, or run `{install}` with another one")
        }
        Defect::NotRun(_, command) => format!("`{command}`"),
        Defect::Crlf(_) => "add `.husky/* text eol=lf` to .gitattributes".to_owned(),
        Defect::Misplaced(_) => "`bakstop install` moves it up".to_owned(),
        Defect::HuskyNotPrepared { old: true } => {
            format!("run husky (`{go}npx husky install`, or install the dependencies)")
        }
        Defect::HuskyNotPrepared { old: false } | Defect::NoStub(_) => {
            format!("run husky (`{go}npx husky`, or install the dependencies)")
        }
        Defect::HuskyNotExecutable(file) => {
            let here: &[u8] = if file.as_bytes().starts_with(b"-") { b"./" } else { b"" };
            let file = [here, file.as_bytes()].concat();
            format!("make it executable (`{go}chmod +x {}`)", shell_quote(&file))
        }
        Defect::OnlyHere(_, None) => "run `git config --unset core.hooksPath`".to_owned(),
        Defect::OnlyHere(_, Some(directory)) => {
            format!("run `git config core.hooksPath {}`", shell_quote(directory.as_bytes()))
        }
        Defect::NotInstalled(_)
        | Defect::NotExecutable(_)
        | Defect::NoServerProgram
        | Defect::NotReached(..)
        | Defect::NotNamed
        | Defect::SwitchedOff => return None,
    })
}

/// Whether installing would make a hook run the guard.
pub(crate) fn install_helps(state: &HookState) -> bool {
    use Defect::{NoServerProgram, NotExecutable, NotInstalled};
    let HookState::NotInForce(defect) = state else { return false };
    matches!(defect, NotInstalled(_) | NotExecutable(_) | NoServerProgram)
}

/// What to do about the hooks of a repository, if one step helps.
pub(crate) fn hooks_help(setup: &Setup, health: &[Health], layout: &Layout) -> Option<String> {
    match setup {
        _ if health.iter().all(|health| health.state == HookState::InForce) => None,
        Setup::Foreign(foreign) => (!foreign.is_named()).then(|| foreign_help(foreign, layout)),
        _ => health
            .iter()
            .find(|health| install_helps(&health.state))
            .map(|health| health.hook.install().to_owned()),
    }
}

/// What to do about one hook that is not in force.
pub(crate) fn hook_help(setup: &Setup, health: &Health, layout: &Layout) -> String {
    match (setup, &health.state) {
        (Setup::Foreign(foreign), _) => foreign_help(foreign, layout),
        (_, state) if install_helps(state) => health.hook.install().to_owned(),
        (_, HookState::NotInForce(defect)) => {
            defect_help(defect, layout.below_top).unwrap_or(SHOW_OUTPUT.to_owned())
        }
        _ => SHOW_OUTPUT.to_owned(),
    }
}

/// What to do if a hook manager or script names bakstop, but the guard did not block: perhaps the
/// manager has not run since its configuration changed, or it skips the guard.
pub(crate) fn named_help(foreign: &Foreign) -> String {
    let Owner::Manager { manager, .. } = foreign.owner else { return SHOW_OUTPUT.to_owned() };
    manager.apply_command.map_or(SHOW_OUTPUT.to_owned(), |command| {
        format!(
            "{command}; if that changes nothing, a filter in its configuration (such as `only`, \
             `skip`, `files`) skips the guard"
        )
    })
}

/// What to do if a hook manager or script does not find the program that it names.
pub(crate) fn unfound_help(layout: &Layout) -> String {
    match program_of_dependency(layout) {
        Some(program) => format!(
            "the PATH of git has no bakstop: where it is configured, replace `bakstop hook` by \
             `{program} hook`"
        ),
        None => "put the program into ~/.local/bin or a directory of PATH".to_owned(),
    }
}

/// What to do if `install` refuses to change foreign hooks. `flag` requested another setup.
pub(crate) fn after_refusal(foreign: &Foreign, flag: Option<&str>, layout: &Layout) -> String {
    if foreign.is_named() {
        return "nothing was changed; bakstop is already configured there".to_owned();
    }
    let by_hand = foreign_help(foreign, layout);
    let Some(flag) = flag else { return format!("nothing was changed; {by_hand}") };
    let why = if foreign.is_off() { "runs no hooks" } else { "looks for hooks nowhere else" };
    format!("nothing was changed; {flag} does not help here, because git {why}; {by_hand}")
}

/// Manual steps for foreign hooks.
fn foreign_help(foreign: &Foreign, layout: &Layout) -> String {
    let scripts = || lines_for_scripts(layout, &foreign.missing());
    match &foreign.owner {
        Owner::Manager { manager, configuration } => {
            let existing = configuration.as_ref().map(|(name, text)| (*name, &text[..]));
            let mut text = by_hand::advice(manager.style, existing, &foreign.missing());
            if let Some(program) = program_of_dependency(layout) {
                // Managers run commands with the PATH of git, which lacks `node_modules/.bin`.
                text = text.replace("bakstop hook ", &format!("{program} hook "));
            }
            if let Some(then) = manager.apply_command {
                let is_installed =
                    manager.style == Style::Lefthook && is_dependency(layout, manager.name);
                let npx = if is_installed { "npx " } else { "" };
                text += &format!("\nand then run: {npx}{then}");
            }
            text.truncate(text.trim_end().len());
            text
        }
        Owner::Scripts => scripts(),
        Owner::Setting(setting) => format!(
            "{}\nor let this repository have its own hooks, then install:\n{}",
            scripts(),
            default_hooks_help(layout, setting)
        ),
        Owner::SwitchedOff(setting) => {
            format!("enable them, then install:\n{}", default_hooks_help(layout, setting))
        }
    }
}

/// The commands that make git run the hooks in `.git/hooks`, including ours.
fn default_hooks_help(layout: &Layout, setting: &HooksPath) -> String {
    let origin = setting.origin.as_bytes();
    let origin = RepoPath::new(origin.strip_prefix(b"file:").unwrap_or(origin));
    let command = match (setting.scope, origin.file_name()) {
        (SettingScope::Run, _) => {
            "# run without that setting, which applies to this run only".to_owned()
        }
        // A setting of this repository can be unset. Then no path of this machine is needed.
        (SettingScope::Repository, b"config.worktree") => {
            "git config --worktree --unset core.hooksPath".to_owned()
        }
        (SettingScope::Repository, b"config") => "git config --unset core.hooksPath".to_owned(),
        _ => format!(
            "git config core.hooksPath {}",
            shell_quote(layout.default_hooks().as_os_str().as_encoded_bytes())
        ),
    };
    let hook = if layout.bare { Hook::PreReceive } else { Hook::PreCommit };
    format!("  {command}\n  {}", hook.install())
}

/// The lines to add to foreign hook scripts.
fn lines_for_scripts(layout: &Layout, hooks: &[Hook]) -> String {
    let mut text = String::from("add a line by hand, at the end of each of these scripts:\n");
    for hook in hooks {
        let script = display_path(&layout.hooks.join(hook.name()), &layout.top);
        text += &format!("  {script}:\n    {} || exit\n", hook.call());
    }
    text +=
        "(a script that does not exist yet begins with the line `#!/bin/sh`, and needs `chmod +x`";
    for hook in hooks.iter().filter(|hook| hook.reads_lines()) {
        let name = hook.name();
        text += &format!("; a {name} script must pass its standard input on to bakstop as well");
    }
    text + ")"
}

/// The command that makes the hooks run this program, `this`.
pub(crate) fn reinstall_help(setup: &Setup, health: &Health, this: Option<&Path>) -> String {
    if matches!(setup, Setup::Native { tracked: false, .. }) {
        return health.hook.install().to_owned();
    }
    let Some(this) = this else { return "put this version into ~/.local/bin".to_owned() };
    let quoted = |path: &Path| shell_quote(path.as_os_str().as_encoded_bytes()).into_owned();
    match &health.lookup.program {
        Some(program) => format!("install {} {}", quoted(this), quoted(program)),
        None => format!("mkdir -p ~/.local/bin && install {} ~/.local/bin/bakstop", quoted(this)),
    }
}

/// What to do about an environment that disables the guard or its rules.
pub(crate) fn interference_help(interference: &Interference) -> String {
    match interference {
        Interference::Weakens(_)
        | Interference::Blocks(_)
        | Interference::Disarms(Off::EveryRule) => format!("unset {SKIP}"),
        Interference::Disarms(Off::Variable(name)) => format!("unset {name}"),
        Interference::Disarms(Off::StartFile(_)) => "remove that line from the file".to_owned(),
    }
}

/// What to do about a line of the configuration that allows a rewritten manifest.
pub(crate) fn allowance_help() -> String {
    format!("remove that from {FILE}, and commit it")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_looks_like_an_option_is_named_by_its_path() {
        for (file, command) in [
            ("a b/pre-commit", "chmod +x 'a b/pre-commit'"),
            ("-x/pre-commit", "chmod +x ./-x/pre-commit"),
        ] {
            let help = defect_help(&Defect::HuskyNotExecutable(file.into()), false).unwrap();
            assert_eq!(help, format!("make it executable (`{command}`)"));
        }
    }

    #[test]
    fn every_defect_of_our_hooks_has_a_next_step() {
        // The others are defects of the hooks of somebody else.
        let file = || RepoPath::from("f");
        for defect in [
            Defect::NotInstalled(Some(file())),
            Defect::NotExecutable(file()),
            Defect::NoProgram(None),
            Defect::NoProgram(Some("npm install".to_owned())),
            Defect::NoProgramButPasses(None),
            Defect::NoProgramButPasses(Some("npm install".to_owned())),
            Defect::NoServerProgram,
            Defect::NoConfiguredProgram(file(), "bakstop install --local"),
            Defect::NotRun("disabled".to_owned(), "git config x true".to_owned()),
            Defect::Crlf(file()),
            Defect::Misplaced(file()),
            Defect::HuskyNotPrepared { old: true },
            Defect::HuskyNotPrepared { old: false },
            Defect::NoStub(file()),
            Defect::HuskyNotExecutable(file()),
            Defect::OnlyHere(file(), None),
            Defect::OnlyHere(file(), Some(file())),
        ] {
            let has_help = defect_help(&defect, true).is_some();
            let state = HookState::NotInForce(defect);
            assert!(has_help != install_helps(&state), "{state:?}");
        }
    }
}
