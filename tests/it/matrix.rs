//! The staged check compared with git in every state of a repository, when run manually and inside
//! a real commit.
//!
//! In each state the guard runs twice, once for each of its layers: as it is, and with `GIT_OTHER`
//! set, a variable that the first layer does not know and that does not change what is staged. Each
//! answer must be the paths of `git diff-index --cached` and of the commit made afterwards, or exit
//! code 2 with a reason.

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

/// The file that the function `edit` of the scripts stages.
const EDIT: &[&str] = &["web/index.js"];

/// Every file of the workspace: all of it is new where HEAD has no commit that can be read.
const ALL: &[&str] = &[
    ".docker-deps/.gitkeep",
    ".gitignore",
    "backend/index.js",
    "backend/package.json",
    "package.json",
    "pnpm-workspace.yaml",
    "web/index.js",
    "web/package.json",
];

/// A state of a repository, made from a clean workspace.
#[derive(Clone, Copy)]
struct State {
    name: &'static str,
    /// The shell commands that make it.
    script: &'static str,
    /// Shell commands before the guard and git run: they set variables and change directory.
    context: &'static str,
    /// The command that commits.
    commit: &'static str,
    /// What the guard reports when run by hand.
    by_hand: Expected,
    /// What it reports as a hook of that commit.
    in_hook: Expected,
    /// Whether only root can make it.
    needs_root: bool,
}

/// The expected answer of the guard.
#[derive(Debug, Clone, Copy)]
enum Expected {
    /// These paths are new, in the spelling of the report.
    Paths(&'static [&'static str]),
    /// As many paths are new.
    Count(usize),
    /// The paths that git reports.
    AsGit,
    /// Exit code 2; the reason contains this text.
    Refused(&'static str),
    /// These paths, or exit code 2: git fails here, or our way to run it does.
    PathsOrRefused(&'static [&'static str]),
    /// Git does not run the hook.
    NotRun,
}

const fn state(name: &'static str, script: &'static str, paths: &'static [&'static str]) -> State {
    State {
        name,
        script,
        context: "",
        commit: "git commit -q -m Next",
        by_hand: Expected::Paths(paths),
        in_hook: Expected::Paths(paths),
        needs_root: false,
    }
}

/// A state in which the guard cannot judge, and git does not commit.
const fn refused(name: &'static str, script: &'static str, reason: &'static str) -> State {
    let by_hand = Expected::Refused(reason);
    State { by_hand, in_hook: Expected::NotRun, ..state(name, script, &[]) }
}

impl State {
    const fn in_context(self, context: &'static str) -> Self {
        Self { context, ..self }
    }

    const fn commit_with(self, commit: &'static str) -> Self {
        Self { commit, ..self }
    }

    /// Inside the commit, the guard reports this instead.
    const fn in_hook(self, in_hook: Expected) -> Self {
        Self { in_hook, ..self }
    }

    const fn same_as_git(self) -> Self {
        Self { by_hand: Expected::AsGit, in_hook: Expected::AsGit, ..self }
    }

    const fn count(self, count: usize) -> Self {
        Self { by_hand: Expected::Count(count), in_hook: Expected::Count(count), ..self }
    }

    /// Git refuses it, and a layer that does not need git may judge it.
    const fn refused_by_git(self) -> Self {
        let Expected::Paths(paths) = self.by_hand else { panic!("give the paths") };
        Self { by_hand: Expected::PathsOrRefused(paths), in_hook: Expected::NotRun, ..self }
    }

    const fn needs_root(self) -> Self {
        Self { needs_root: true, ..self }
    }
}

/// Functions for the scripts.
const COMMANDS: &str = r#"
edit() { echo "${1:-1}" >web/index.js && git add -A; }
commit() { git commit -q --allow-empty -m "${1:-More}"; }
# Makes the repository again with these options of `git init`, and stages everything.
reinit() { rm -r .git && git init -q "$@" && git add -A; }
# A branch `side` with one commit more than `main`, which is checked out.
side_branch() { git switch -q -c side && edit && commit && git switch -q main; }
# Two branches that differ in one file; `main` is checked out.
fork() {
    git switch -q -c side && echo side >web/index.js && git commit -q -a -m Side &&
    git switch -q main && echo main >web/index.js && git commit -q -a -m Main
}
# A submodule.
library() {
    git init -q -b main ../lib &&
    (cd ../lib && echo 1 >a.c && git add a.c && git commit -q -m Start) &&
    git -c protocol.file.allow=always submodule --quiet add ../lib lib &&
    git commit -q -m Submodule
}
# Writes the tree object on standard input, and makes HEAD a commit of it.
head_tree() {
    git hash-object --literally -t tree -w --stdin >../tree &&
    git reset -q --soft $(git commit-tree -m Tree $(cat ../tree))
}
# The bytes of a hexadecimal number.
bytes() { for pair in $(printf %s "$1" | fold -w2); do printf "\\$(printf %03o "0x$pair")"; done; }
# Inserts standard input before the checksum of the index, and sets the checksum to zeros.
extend() {
    head -c $(($(wc -c <.git/index) - 20)) .git/index >../index && cat >>../index &&
    head -c 20 /dev/zero >>../index && mv ../index .git/index
}
# Replaces a text in the index by one of the same length, and sets the checksum to zeros.
patch() {
    LC_ALL=C sed "s|$1|$2|" .git/index >../index && mv ../index .git/index && extend </dev/null
}
# The file of an object.
object() { git rev-parse "$1" | sed 's|^..|.git/objects/&/|'; }
# Adds files to the index only; their names are on standard input, and all have the same content.
announce() {
    blob=$(echo 1 | git hash-object -w --stdin) &&
    sed "s/^/100644 $blob	/" | git update-index --index-info
}
# Entries in blocks, which git reads with several threads, from twenty thousand entries on.
blocks() {
    git config index.threads 2 &&
    git config index.recordEndOfIndexEntries true && git config index.recordOffsetTable true &&
    seq -f many/%g.js 20001 | announce && commit Many
}
"#;

/// Runs the guard and git, once by hand and once in the first hook of a commit. Their answers go
/// to a directory of `$ANSWERS`.
const ASK: &str = r#"#!/bin/sh
[ -n "$ANSWERS" ] && into=$ANSWERS/$1 && mkdir "$into" 2>/dev/null || exit 0
record() {
    name=$1 code=0 && shift
    "$@" >"$into/$name.out" 2>"$into/$name.err" </dev/null || code=$?
    echo "$code" >"$into/$name.code"
}
record plain "$GUARD" check --show-files --verbose
record git env GIT_OTHER=1 "$GUARD" check --show-files --verbose
exec 2>/dev/null
export GIT_NO_REPLACE_OBJECTS=1 GIT_NO_LAZY_FETCH=1
old=$(git rev-parse --quiet --verify 'HEAD^{commit}') || old=$(git hash-object -t tree /dev/null)
echo "$old" >"$into/old"
record staged git diff-index --cached --raw -z --no-renames --no-abbrev --no-relative \
    --ignore-submodules=none --ita-invisible-in-index "$old" --
"#;

/// Runs `ASK` by hand, commits, and writes the files that the commit changed to `made.raw`.
const COMMIT: &str = r#"
"$ANSWERS/../ask" hand
if {commit} >"$ANSWERS/commit.out" 2>&1; then made=1; fi
exec 2>"$ANSWERS/made.err"
export GIT_NO_REPLACE_OBJECTS=1
[ -z "$made" ] || git diff-tree -r --raw -z --no-renames --no-abbrev --no-relative \
    --ignore-submodules=none "$(cat "$ANSWERS/hook/old")" "$(git rev-parse --verify HEAD)" -- \
    >"$ANSWERS/made.raw" || rm "$ANSWERS/made.raw"
true
"#;

/// One run of the guard.
struct Answer {
    /// `plain`, or `git` if the second layer had to answer.
    run: &'static str,
    ran: Ran,
}

impl Answer {
    /// The lines of `--show-files`, sorted.
    fn listing(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.ran.out.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    }

    /// The layer that answered: "directly", or "by git, because …"; of an error, its first line.
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

/// All answers at one moment.
struct Answers {
    /// The answers of the guard: as it is, and without its first layer.
    guard: Vec<Answer>,
    /// The answer of git; `None` if it fails, or a path is unmerged.
    staged: Option<Vec<String>>,
}

impl Answers {
    /// Reads a directory that `ASK` wrote; `None` if it did not run.
    fn read(directory: &Path) -> Option<Self> {
        let read = |name: &str| {
            String::from_utf8_lossy(&fs::read(directory.join(name)).unwrap()).into_owned()
        };
        let code = |name: &str| read(&format!("{name}.code")).trim().parse::<i32>().unwrap();
        let ran = |name: &str| {
            let (out, err) = (read(&format!("{name}.out")), read(&format!("{name}.err")));
            Ran { code: Some(code(name)), out, err }
        };
        directory.is_dir().then(|| Self {
            guard: ["plain", "git"].map(|run| Answer { run, ran: ran(run) }).into(),
            staged: match code("staged") {
                0 => listing(&fs::read(directory.join("staged.out")).unwrap()),
                _ => None,
            },
        })
    }

    /// Compares each answer of the guard with that of git and with the expected one.
    fn check(&self, expected: Expected) -> Result<(), String> {
        let may_differ_from_git = matches!(expected, Expected::PathsOrRefused(_));
        for answer in &self.guard {
            let Answer { run, ran } = answer;
            let whole = || format!("{run}: {ran:#?}\ngit: {:#?}", self.staged);
            match (ran.code, &self.staged) {
                (Some(2), _) if ran.err.starts_with("error: could not ") && ran.out.is_empty() => {}
                (Some(0), None) if may_differ_from_git => {}
                (Some(0), Some(staged)) if *staged == answer.listing() => {}
                _ => return Err(whole()),
            }
            let reported: BTreeSet<&str> =
                ran.out.lines().map(|line| line.splitn(3, ' ').last().unwrap()).collect();
            let are_reported = |paths: &[&'static str]| reported == paths.iter().copied().collect();
            let is_expected = match expected {
                Expected::Paths(paths) => ran.code == Some(0) && are_reported(paths),
                Expected::Count(count) => ran.code == Some(0) && reported.len() == count,
                Expected::AsGit => ran.code == Some(0),
                Expected::Refused(reason) => ran.code == Some(2) && ran.err.contains(reason),
                Expected::PathsOrRefused(paths) => ran.code == Some(2) || are_reported(paths),
                Expected::NotRun => false,
            };
            if !is_expected {
                return Err(format!("expected {expected:?}\n{}", whole()));
            }
        }
        // The second run really used the second layer.
        let [plain, git] = &self.guard[..] else { unreachable!() };
        let used_git = git.layer().starts_with("by git, because ");
        if plain.ran.code == Some(0) && !used_git && !may_differ_from_git {
            return Err(format!("the second layer was not used: {}", git.layer()));
        }
        Ok(())
    }
}

/// The new side of a raw diff, in the lines of `bakstop check --show-files`; `None` if a path is
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
            // The guard never prints this.
            _ => &change,
        };
        lines.push(format!("{kind} {id} {}", shown(path)));
    }
    assert_eq!(fields.next(), None, "the output of git is not valid");
    lines.sort();
    Some(lines)
}

/// A path as the guard prints it, as far as these states need it.
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

/// Installs `ASK`, by hand and as the hooks of every repository of this home.
fn prepare(sandbox: &Sandbox) {
    let hooks = sandbox.outside().join("hooks");
    fs::create_dir(&hooks).unwrap();
    fs::create_dir(sandbox.outside().join("answers")).unwrap();
    // Durability is not needed here.
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

/// The answers by hand, those in the hook, and the files that the commit changed, if one was made.
fn ask(sandbox: &Sandbox, state: &State) -> (Answers, Option<Answers>, Option<Vec<String>>) {
    let answers = sandbox.outside().join("answers");
    let script =
        format!("set -e\n{}\nset +e{}", state.context, COMMIT.replace("{commit}", state.commit));
    let mut shell = sandbox.command("sh");
    shell.args(["-c", &script]).env("ANSWERS", &answers).env("GUARD", BAKSTOP);
    let ran = finish(&mut shell);
    assert_eq!((ran.code, &*ran.err), (Some(0), ""), "{}: {ran:?}", state.name);
    let made = fs::read(answers.join("made.raw")).ok().map(|raw| listing(&raw).unwrap());
    (Answers::read(&answers.join("hand")).unwrap(), Answers::read(&answers.join("hook")), made)
}

/// A row of the printed table: the state, the layer by hand, the layer in the hook, the answer.
type Row = [String; 4];

/// Makes a state and checks the answers in it; the error says why it fails.
fn check(state: &State) -> Result<Row, String> {
    let sandbox = Sandbox::workspace();
    prepare(&sandbox);
    let ran = sandbox.run("sh", &["-e", "-c", &format!("{COMMANDS}\n{}", state.script)]);
    if ran.code != Some(0) {
        return Err(format!("cannot be made: {ran:#?}"));
    }
    check_here(&sandbox, state)
}

/// Checks the answers in the present state of a sandbox, by hand and in the hook of a commit.
fn check_here(sandbox: &Sandbox, state: &State) -> Result<Row, String> {
    let (by_hand, in_hook, made) = ask(sandbox, state);
    by_hand.check(state.by_hand).map_err(|why| format!("by hand: {why}"))?;
    let commit_output =
        || fs::read_to_string(sandbox.outside().join("answers/commit.out")).unwrap_or_default();
    match (&in_hook, state.in_hook) {
        (None, Expected::NotRun) => {}
        (None, expected) => {
            return Err(format!(
                "in the hook: expected {expected:?}, but git did not run it: {}",
                commit_output()
            ));
        }
        (Some(answers), expected) => answers
            .check(expected)
            .map_err(|why| format!("in the hook: {why}\n{}", commit_output()))?,
    }
    // The commit itself is compared last.
    if let Some(made) = made {
        let in_hook = in_hook.as_ref().ok_or("a commit was made, and no hook ran")?;
        for answer in in_hook.guard.iter().filter(|answer| answer.ran.code == Some(0)) {
            let listing = answer.listing();
            if listing != made {
                return Err(format!("committed: {made:#?}\n{}: {listing:#?}", answer.run));
            }
        }
    }
    let layer = |answers: &Answers| {
        answers.guard[0].layer().replace(sandbox.outside().to_str().unwrap(), "…")
    };
    let answer = match (&by_hand.staged, by_hand.guard[0].ran.code) {
        (Some(staged), Some(0)) => format!("{} new, as git", staged.len()),
        (None, Some(0)) => "judged, where git refuses".to_owned(),
        (_, _) => "exit 2".to_owned(),
    };
    Ok([
        state.name.to_owned(),
        layer(&by_hand),
        in_hook.as_ref().map_or_else(|| "the hook does not run".to_owned(), layer),
        answer,
    ])
}

/// Whether the tests run as root: some states can only be made by root.
fn is_root() -> bool {
    finish(std::process::Command::new("id").arg("-u")).out.trim() == "0"
}

/// Checks every state of a table; panics with all that failed.
fn check_all(states: &[State]) -> Vec<Row> {
    let root = is_root();
    let mut rows = Vec::new();
    let mut failed = Vec::new();
    for state in states.iter().filter(|state| root || !state.needs_root) {
        match check(state) {
            Ok(row) => rows.push(row),
            Err(why) => failed
                .push(format!("## {}\n{}\n{}\n{why}\n", state.name, state.script, state.context)),
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

/// The tables, each a separate test so that they run in parallel.
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
fn there_are_many_states_with_unique_names() {
    let names: Vec<&str> =
        TABLES.iter().flat_map(|(_, states)| states.iter()).map(|state| state.name).collect();
    assert!(names.len() >= 80, "{}", names.len());
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
}

/// Prints which layer answers in which state: `cargo test -- --ignored --nocapture matrix_table`.
#[test]
#[ignore = "prints a table to read"]
fn matrix_table() {
    let tables = std::thread::scope(|scope| {
        let running = TABLES.map(|(table, states)| (table, scope.spawn(|| check_all(states))));
        running.map(|(table, rows)| (table, rows.join().unwrap()))
    });
    println!("state | layer by hand | layer in the hook | answer\n--- | --- | --- | ---");
    for (table, rows) in tables {
        println!("**{table}** | | |");
        for row in rows {
            println!("{}", row.map(|cell| cell.replace('|', "\\|").replace('\n', " ")).join(" | "));
        }
    }
}
