//! The staged check, held against git in every state of a repository that we could think of, by
//! hand and inside a real commit.
//!
//! In each state the guard is asked twice, so that each of its layers answers: as it is, and with
//! `GIT_OTHER` set, a variable that the first layer does not know, and that does not change what is
//! staged. An answer is what `git diff-index --cached` tells and what the commit then brings, or it
//! is exit code 2 with a reason.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::support::{BAKSTOP, Ran, Sandbox, finish};

mod content;
mod heads;
mod index;
mod moving;
mod names;
mod objects;
mod places;
mod random;
mod settings;

/// A state of a repository, made from a clean workspace.
#[derive(Clone, Copy)]
struct State {
    name: &'static str,
    /// The commands of a shell that make it.
    script: &'static str,
    /// Where, and with which variables, everybody is asked: commands of a shell too.
    asked: &'static str,
    /// The command that commits.
    commit: &'static str,
    /// What the guard tells by hand.
    hand: Told,
    /// What it tells inside that commit.
    hook: Told,
    /// Whether only root can make it.
    root: bool,
}

/// What the guard tells.
#[derive(Debug, Clone, Copy)]
enum Told {
    /// These paths are new; as they are shown.
    Paths(&'static [&'static str]),
    /// So many are.
    Many(usize),
    /// Whatever git says is new.
    AsGit,
    /// It cannot judge, and the reason has this in it.
    Refused(&'static str),
    /// These paths are new to a layer that can tell, and git, or our way to ask it, refuses.
    Beyond(&'static [&'static str]),
    /// Git never asks it.
    Unasked,
}

const fn state(name: &'static str, script: &'static str, paths: &'static [&'static str]) -> State {
    let told = Told::Paths(paths);
    State {
        name,
        script,
        asked: "",
        commit: "git commit -q -m Next",
        hand: told,
        hook: told,
        root: false,
    }
}

/// A state in which the guard cannot judge, and git does not commit either.
const fn refused(name: &'static str, script: &'static str, reason: &'static str) -> State {
    State { hand: Told::Refused(reason), hook: Told::Unasked, ..state(name, script, &[]) }
}

impl State {
    const fn asked(self, asked: &'static str) -> Self {
        Self { asked, ..self }
    }

    const fn by(self, commit: &'static str) -> Self {
        Self { commit, ..self }
    }

    /// Inside the commit, it is told otherwise than by hand.
    const fn inside(self, hook: Told) -> Self {
        Self { hook, ..self }
    }

    const fn as_git(self) -> Self {
        Self { hand: Told::AsGit, hook: Told::AsGit, ..self }
    }

    const fn many(self, count: usize) -> Self {
        Self { hand: Told::Many(count), hook: Told::Many(count), ..self }
    }

    /// Git refuses it, and who needs no git may not.
    const fn beyond_git(self) -> Self {
        let Told::Paths(paths) = self.hand else { panic!("say which paths") };
        Self { hand: Told::Beyond(paths), hook: Told::Unasked, ..self }
    }

    const fn as_root(self) -> Self {
        Self { root: true, ..self }
    }
}

/// What the scripts have in common.
const COMMANDS: &str = r#"
edit() { echo "${1:-1}" >web/index.js && git add -A; }
commit() { git commit -q --allow-empty -m "${1:-More}"; }
# Two branches that differ in one file; `main` is checked out.
fork() {
    git switch -q -c side && echo side >web/index.js && git commit -q -a -m Side &&
    git switch -q main && echo main >web/index.js && git commit -q -a -m Main
}
# A submodule.
library() {
    git init -q -b main ../lib && (cd ../lib && echo 1 >a.c && git add a.c && git commit -q -m Start) &&
    git -c protocol.file.allow=always submodule --quiet add ../lib lib && git commit -q -m Submodule
}
# The bytes of a hexadecimal number.
bytes() { for pair in $(printf %s "$1" | fold -w2); do printf "\\$(printf %03o "0x$pair")"; done; }
# Puts standard input in front of the checksum of the index, which is then none.
extend() {
    head -c $(($(wc -c <.git/index) - 20)) .git/index >../index && cat >>../index &&
    head -c 20 /dev/zero >>../index && mv ../index .git/index
}
# Puts a text in the place of another, of the same length, in the index, which then has no checksum.
patch() { LC_ALL=C sed "s|$1|$2|" .git/index >../index && mv ../index .git/index && extend </dev/null; }
# The file of an object.
object() { git rev-parse "$1" | sed 's|^..|.git/objects/&/|'; }
# Adds files to the index alone, by their names on standard input; all have one content.
announce() {
    blob=$(echo 1 | git hash-object -w --stdin) &&
    sed "s/^/100644 $blob	/" | git update-index --index-info
}
# Entries in blocks, which git reads with several threads: it takes twenty thousand of them.
blocks() {
    git config index.threads 2 && git config index.recordEndOfIndexEntries true && git config index.recordOffsetTable true &&
    seq -f many/%g.js 20001 | announce && commit Many
}
"#;

/// Asks everybody, once for each commit. What they say goes into a directory of `$ANSWERS`.
const ASK: &str = r#"#!/bin/sh
[ -n "$ANSWERS" ] && into=$ANSWERS/$1 && mkdir "$into" 2>/dev/null || exit 0
tell() {
    name=$1 code=0 && shift
    "$@" >"$into/$name.out" 2>"$into/$name.err" </dev/null || code=$?
    echo "$code" >"$into/$name.code"
}
tell plain "$GUARD" check --show-files --verbose
tell git env GIT_OTHER=1 "$GUARD" check --show-files --verbose
exec 2>/dev/null
export GIT_NO_REPLACE_OBJECTS=1 GIT_NO_LAZY_FETCH=1
old=$(git rev-parse --quiet --verify 'HEAD^{commit}') || old=$(git hash-object -t tree /dev/null)
echo "$old" >"$into/old"
tell staged git diff-index --cached --raw -z --no-renames --no-abbrev --no-relative --ignore-submodules=none \
    --ita-invisible-in-index "$old" --
"#;

/// Asks by hand, then commits, and tells what the commit brought.
const COMMIT: &str = r#"
"$ANSWERS/../ask" hand
if {commit} >"$ANSWERS/commit.out" 2>&1; then made=1; fi
exec 2>"$ANSWERS/made.err"
export GIT_NO_REPLACE_OBJECTS=1
[ -z "$made" ] || git diff-tree -r --raw -z --no-renames --no-abbrev --no-relative --ignore-submodules=none \
    "$(cat "$ANSWERS/hook/old")" "$(git rev-parse --verify HEAD)" -- >"$ANSWERS/made.raw" || rm "$ANSWERS/made.raw"
true
"#;

/// What one layer said, or was made to say.
struct Answer {
    asked: &'static str,
    ran: Ran,
}

impl Answer {
    /// The lines of a listing, in an order of their own.
    fn listing(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.ran.out.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    }

    /// Who answered: "directly", "by git, because …"; of an error, its first line.
    fn layer(&self) -> &str {
        let err = &self.ran.err;
        let layer =
            err.split_once("the index was read ").and_then(|(_, rest)| rest.rsplit_once("; "));
        match layer {
            Some((layer, _)) => layer,
            None => err.lines().find(|line| line.starts_with("error: ")).unwrap_or(err),
        }
    }
}

/// What everybody said at one moment.
struct Asked {
    /// As it is, and past the first layer.
    guard: Vec<Answer>,
    /// What git says; `None` if it fails, or is in the middle of a conflict.
    staged: Option<Vec<String>>,
}

impl Asked {
    /// Reads what `ASK` wrote; `None` if nobody was asked.
    fn read(answers: &Path) -> Option<Self> {
        let read = |name: &str| {
            String::from_utf8_lossy(&fs::read(answers.join(name)).unwrap()).into_owned()
        };
        let code = |name: &str| read(&format!("{name}.code")).trim().parse::<i32>().unwrap();
        let ran = |name: &str| {
            let (out, err) = (read(&format!("{name}.out")), read(&format!("{name}.err")));
            Ran { code: Some(code(name)), out, err }
        };
        answers.is_dir().then(|| Self {
            guard: ["plain", "git"].map(|asked| Answer { asked, ran: ran(asked) }).into(),
            staged: match code("staged") {
                0 => listing(&fs::read(answers.join("staged.out")).unwrap()),
                _ => None,
            },
        })
    }

    /// Holds each answer against git, and all of them against what is expected.
    fn hold(&self, told: Told) -> Result<(), String> {
        for answer in &self.guard {
            let Answer { asked, ran } = answer;
            let whole = || format!("{asked}: {ran:#?}\ngit: {:#?}", self.staged);
            match (ran.code, &self.staged) {
                (Some(2), _) if ran.err.starts_with("error: could not ") && ran.out.is_empty() => {}
                (Some(0), None) if matches!(told, Told::Beyond(_)) => {}
                (Some(0), Some(staged)) if *staged == answer.listing() => {}
                _ => return Err(whole()),
            }
            let paths = ran
                .out
                .lines()
                .map(|line| line.splitn(3, ' ').last().unwrap())
                .collect::<BTreeSet<_>>();
            let as_told = match told {
                Told::Paths(expected) => {
                    ran.code == Some(0) && paths == expected.iter().copied().collect()
                }
                Told::Many(count) => ran.code == Some(0) && paths.len() == count,
                Told::AsGit => ran.code == Some(0),
                Told::Refused(reason) => ran.code == Some(2) && ran.err.contains(reason),
                Told::Beyond(expected) => {
                    ran.code == Some(2) || paths == expected.iter().copied().collect()
                }
                Told::Unasked => false,
            };
            if !as_told {
                return Err(format!("expected {told:?}\n{}", whole()));
            }
        }
        // Each was asked in earnest.
        let [plain, git] = &self.guard[..] else { unreachable!() };
        let forced = git.layer().starts_with("by git, because ");
        if plain.ran.code == Some(0) && !forced && !matches!(told, Told::Beyond(_)) {
            return Err(format!("asked past the first: {}", git.layer()));
        }
        Ok(())
    }
}

/// The new side of a raw diff, in the lines of `bakstop check --show-files`; `None` if something is
/// unmerged.
fn listing(raw: &[u8]) -> Option<Vec<String>> {
    let mut fields = raw.split(|&byte| byte == 0);
    let mut lines = Vec::new();
    while let (Some(change @ [b':', ..]), Some(path)) = (fields.next(), fields.next()) {
        let change = String::from_utf8(change.to_vec()).unwrap();
        let [_, mode, _, id, status] = change.split(' ').collect::<Vec<_>>()[..] else {
            panic!("{change}")
        };
        let kind = match (status, mode.get(..3).unwrap()) {
            ("D", _) => continue,
            ("A" | "M" | "T", "100") => "file",
            ("A" | "M" | "T", "120") => "link",
            ("A" | "M" | "T", "160") => "submodule",
            ("U", _) => return None,
            // No answer of the guard is like this.
            _ => &change,
        };
        lines.push(format!("{kind} {id} {}", shown(path)));
    }
    assert_eq!(fields.next(), None, "git's answer is not understood");
    lines.sort();
    Some(lines)
}

/// A path as the guard prints it, as far as the states have need of it.
fn shown(path: &[u8]) -> String {
    let mut text = String::new();
    for chunk in path.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\n' => text += "\\n",
                '\r' => text += "\\r",
                '\t' => text += "\\t",
                '\u{202e}' | '\u{200b}' => text += &format!("\\u{{{:04x}}}", u32::from(character)),
                _ if character.is_control() => {
                    text += &format!("\\u{{{:04x}}}", u32::from(character));
                }
                _ => text.push(character),
            }
        }
        chunk.invalid().iter().for_each(|byte| text += &format!("\\x{byte:02x}"));
    }
    text
}

/// Where everybody can be asked: a home that lets git run our hooks, and the script that asks.
fn prepare(sandbox: &Sandbox) {
    let hooks = sandbox.outside().join("hooks");
    fs::create_dir(&hooks).unwrap();
    fs::create_dir(sandbox.outside().join("answers")).unwrap();
    // Nothing here has to outlive a power cut.
    let config = format!(
        "[core]\n\thooksPath = {}\n\tfsync = none\n[init]\n\tdefaultBranch = main\n",
        hooks.display()
    );
    fs::write(sandbox.home().join(".gitconfig"), config).unwrap();
    let script = |path: &Path, text: &str| {
        fs::write(path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    };
    let ask = sandbox.outside().join("ask");
    script(&ask, ASK);
    for hook in ["pre-commit", "pre-merge-commit", "prepare-commit-msg"] {
        script(&hooks.join(hook), &format!("#!/bin/sh\nexec '{}' hook\n", ask.display()));
    }
}

/// Asks everybody by hand, and inside the commit. What the commit brought comes last, if there was
/// one.
fn ask(sandbox: &Sandbox, state: &State) -> (Asked, Option<Asked>, Option<Vec<String>>) {
    let answers = sandbox.outside().join("answers");
    let script =
        format!("set -e\n{}\nset +e{}", state.asked, COMMIT.replace("{commit}", state.commit));
    let mut shell = sandbox.command("sh");
    shell.args(["-c", &script]).env("ANSWERS", &answers).env("GUARD", BAKSTOP);
    let ran = finish(&mut shell);
    assert_eq!((ran.code, &*ran.err), (Some(0), ""), "{}: {ran:?}", state.name);
    let made = fs::read(answers.join("made.raw")).ok().map(|raw| listing(&raw).unwrap());
    (Asked::read(&answers.join("hand")).unwrap(), Asked::read(&answers.join("hook")), made)
}

/// A row of the table: who answered by hand, who inside the commit, and what.
type Row = [String; 4];

/// Makes a state and asks everybody; why it fails, if it does.
fn hold(state: &State) -> Result<Row, String> {
    let sandbox = Sandbox::workspace();
    prepare(&sandbox);
    let ran = sandbox.run("sh", &["-e", "-c", &format!("{COMMANDS}\n{}", state.script)]);
    if ran.code != Some(0) {
        return Err(format!("cannot be made: {ran:#?}"));
    }
    judge(&sandbox, state)
}

/// Asks everybody about what stands there, by hand and inside the commit; why it fails, if it does.
fn judge(sandbox: &Sandbox, state: &State) -> Result<Row, String> {
    let (hand, hook, made) = ask(sandbox, state);
    hand.hold(state.hand).map_err(|why| format!("by hand: {why}"))?;
    let said =
        || fs::read_to_string(sandbox.outside().join("answers/commit.out")).unwrap_or_default();
    match (&hook, state.hook) {
        (None, Told::Unasked) => {}
        (None, told) => {
            return Err(format!(
                "inside the commit: expected {told:?}, but git did not ask: {}",
                said()
            ));
        }
        (Some(hook), told) => {
            hook.hold(told).map_err(|why| format!("inside the commit: {why}\n{}", said()))?;
        }
    }
    // What git has committed decides.
    if let Some(made) = made {
        let hook = hook.as_ref().ok_or("a commit was made, and nobody was asked")?;
        for answer in hook.guard.iter().filter(|answer| answer.ran.code == Some(0)) {
            if answer.listing() != made {
                return Err(format!(
                    "committed: {made:#?}\n{}: {:#?}",
                    answer.asked,
                    answer.listing()
                ));
            }
        }
    }
    let layer =
        |asked: &Asked| asked.guard[0].layer().replace(sandbox.outside().to_str().unwrap(), "…");
    let answer = match (&hand.staged, hand.guard[0].ran.code) {
        (Some(staged), Some(0)) => format!("{} new, as git", staged.len()),
        (None, Some(0)) => "judged, where git refuses".to_owned(),
        (_, _) => "exit 2".to_owned(),
    };
    Ok([
        state.name.to_owned(),
        layer(&hand),
        hook.as_ref().map_or_else(|| "git asks nobody".to_owned(), layer),
        answer,
    ])
}

/// Whether we are root, as some states can only be made by root.
fn is_root() -> bool {
    finish(std::process::Command::new("id").arg("-u")).out.trim() == "0"
}

/// Holds every state of a table; the rows, or all that failed.
fn each(states: &[State]) -> Vec<Row> {
    let root = is_root();
    let mut rows = Vec::new();
    let mut failed = Vec::new();
    for state in states.iter().filter(|state| root || !state.root) {
        match hold(state) {
            Ok(row) => rows.push(row),
            Err(why) => failed
                .push(format!("## {}\n{}\n{}\n{why}\n", state.name, state.script, state.asked)),
        }
    }
    assert!(
        failed.is_empty(),
        "{} of {} states:\n{}",
        failed.len(),
        states.len(),
        failed.join("\n")
    );
    rows
}

/// The tables, each a test of its own, so that they run beside each other.
const TABLES: [(&str, &[State]); 7] = [
    ("content", content::STATES),
    ("heads", heads::STATES),
    ("index", index::STATES),
    ("names", names::STATES),
    ("objects", objects::STATES),
    ("places", places::STATES),
    ("settings", settings::STATES),
];

#[test]
fn there_are_many_states_and_each_has_a_name() {
    let names: Vec<&str> =
        TABLES.iter().flat_map(|(_, states)| states.iter()).map(|state| state.name).collect();
    assert!(names.len() >= 80, "{}", names.len());
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
}

/// Prints who answers in which state: `cargo test -- --ignored --nocapture matrix_table`.
#[test]
#[ignore = "prints a table, for the eye"]
fn matrix_table() {
    let tables = std::thread::scope(|scope| {
        let running = TABLES.map(|(table, states)| (table, scope.spawn(|| each(states))));
        running.map(|(table, rows)| (table, rows.join().unwrap()))
    });
    println!("state | layer by hand | layer inside commit | answer\n--- | --- | --- | ---");
    for (table, rows) in tables {
        println!("**{table}** | | |");
        for row in rows {
            println!("{}", row.map(|cell| cell.replace('|', "\\|").replace('\n', " ")).join(" | "));
        }
    }
}
