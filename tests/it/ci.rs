//! The workflows of docs/ci: every script step runs as on its platform, in real repositories.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Map, Value, json};

use crate::support::{BAKSTOP, Ran, Sandbox, finish, path_without_bakstop};

mod action;
mod moving;
mod release;
mod yaml;

use yaml::{evaluate, yaml};

pub(crate) const CHECK: &str = "Check what is new";
pub(crate) const PROVE: &str = "Prove that the hook blocks";
pub(crate) const VERIFY: &str = "Build, and verify that it leaves the tree as it was";
const ZEROS: &str = "0000000000000000000000000000000000000000";
/// An id of no object.
const GONE: &str = "1234567890123456789012345678901234567890";
const FORGES: [&str; 2] = ["github.yml", "gitea.yml"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub(crate) fn text(name: &str) -> String {
    fs::read_to_string(root().join("docs/ci").join(name)).unwrap()
}

fn names() -> Vec<String> {
    let entries = fs::read_dir(root().join("docs/ci")).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Writes an executable shell script.
pub(crate) fn program(path: &Path, script: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, format!("#!/bin/sh\n{script}\n")).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(path, mode).unwrap();
}

/// A workspace with tracked hooks and a build: the origin of every clone here.
pub(crate) fn origin() -> Sandbox {
    let origin = Sandbox::workspace();
    origin.git(&["config", "core.hooksPath", ".githooks"]);
    // Installed while the program is in PATH; afterwards it is not.
    let bakstop = origin.home().join(".local/bin/bakstop");
    fs::create_dir_all(bakstop.parent().unwrap()).unwrap();
    std::os::unix::fs::symlink(BAKSTOP, &bakstop).unwrap();
    let installed = finish(origin.command(&bakstop).arg("install").env("PATH", {
        let mut path = OsString::from(bakstop.parent().unwrap());
        path.push(":");
        path.push(path_without_bakstop());
        path
    }));
    assert_eq!(installed.code, Some(0), "{installed:?}");
    fs::remove_file(bakstop).unwrap();
    origin.git(&["config", "--unset", "core.hooksPath"]);
    program(
        &origin.top.join("build.sh"),
        "mkdir -p web/node_modules && echo built >web/node_modules/out",
    );
    program(
        &origin.top.join("docker-prep.sh"),
        &fs::read_to_string(root().join("tests/cmd/docker-prep.sh")).unwrap(),
    );
    origin.write("tools/bakstop.tgz", "");
    commit(&origin, "Add hooks and a build");
    origin
}

pub(crate) fn commit(sandbox: &Sandbox, message: &str) -> String {
    sandbox.commit_all(message);
    sandbox.id("HEAD")
}

/// A branch that adds a file.
pub(crate) fn good(origin: &Sandbox, branch: &str) -> String {
    origin.git(&["checkout", "-q", "-b", branch, "main"]);
    origin.write("web/new.js", format!("// {branch}\n"));
    commit(origin, "Add a page")
}

/// A branch that rewrites a manifest and reverts that in another commit.
pub(crate) fn bad(origin: &Sandbox, branch: &str) -> String {
    origin.git(&["checkout", "-q", "-b", branch, "main"]);
    origin.rewrite("web/package.json");
    commit(origin, "Prepare");
    origin.git(&["checkout", "-q", "main", "--", "web/package.json"]);
    commit(origin, "Undo")
}

/// A pull request as a forge has it: its head is on no branch here, and a test merge exists.
fn pull_request(origin: &Sandbox, head: &str) -> Value {
    let base = origin.id("main");
    origin.git(&["checkout", "-q", "--detach", "main"]);
    // Meanwhile, the target branch moves on.
    origin.write(format!("backend/later-{}.js", base.get(..12).unwrap()), "");
    let later = commit(origin, "Later");
    origin.git(&["merge", "-q", "--no-ff", "-m", "Merge", head]);
    origin.git(&["update-ref", "refs/pull/1/merge", "HEAD"]);
    origin.git(&["checkout", "-q", "-B", "main", &later]);
    json!({
        "event_name": "pull_request",
        "ref": "refs/pull/1/merge",
        "sha": origin.id("refs/pull/1/merge"),
        "event": {
            "pull_request": {"base": {"sha": base}, "head": {"sha": head, "ref": "$(touch pwned)"}},
            "repository": {"default_branch": "main"},
        },
    })
}

pub(crate) fn push(branch: &str, before: &str, after: &str) -> Value {
    json!({
        "event_name": "push", "ref": format!("refs/heads/{branch}"), "sha": after,
        "event": {"before": before, "after": after, "repository": {"default_branch": "main"}},
    })
}

/// The checkout and the tools of a job.
struct Runner<'a> {
    origin: &'a Sandbox,
    room: tempfile::TempDir,
}

impl<'a> Runner<'a> {
    fn new(origin: &'a Sandbox) -> Self {
        let runner = Self { origin, room: tempfile::tempdir().unwrap() };
        tools(&runner.tools());
        runner
    }

    fn checkout(&self) -> PathBuf {
        self.room.path().join("checkout")
    }

    fn tools(&self) -> PathBuf {
        self.room.path().join("tools")
    }

    fn git(&self, arguments: &[&str]) {
        let ran = finish(self.origin.command("git").args(arguments).current_dir(self.checkout()));
        assert_eq!(ran.code, Some(0), "git {arguments:?}: {}{}", ran.out, ran.err);
    }

    /// Checks out like actions/checkout and GitLab's runner: an empty repository, a fetch, a
    /// commit.
    fn check_out(&self, name: &str, sha: &str, depth: Option<&str>) {
        fs::create_dir(self.checkout()).unwrap();
        self.git(&["init", "-q", "-b", "unused"]);
        self.git(&["remote", "add", "origin", &format!("file://{}", self.origin.top.display())]);
        match depth {
            None => {
                let heads = "+refs/heads/*:refs/remotes/origin/*";
                self.git(&["fetch", "-q", "origin", heads, "+refs/tags/*:refs/tags/*", sha]);
            }
            Some(depth) => self.git(&["fetch", "-q", "--no-tags", "--depth", depth, "origin", sha]),
        }
        match name.strip_prefix("refs/heads/") {
            Some(branch) if depth.is_none() => {
                self.git(&[
                    "checkout",
                    "-q",
                    "-B",
                    branch,
                    &format!("refs/remotes/origin/{branch}"),
                ]);
            }
            _ => self.git(&["checkout", "-q", "--detach", sha]),
        }
    }

    /// A shell that runs a script in the checkout.
    fn shell(&self, script: &str, options: &[&str], extra_path: &str) -> Command {
        let file = self.room.path().join("script.sh");
        fs::write(&file, script).unwrap();
        let temp = self.room.path().join("temp");
        fs::create_dir_all(&temp).unwrap();
        let mut path = OsString::from(extra_path.replace('\n', ":"));
        path.push(self.tools());
        path.push(":");
        path.push(path_without_bakstop());
        let mut command = self.origin.command(options[0]);
        command.args(&options[1..]).arg(file).current_dir(self.checkout());
        command.env("PATH", path).env("RUNNER_TEMP", &temp).env("TMPDIR", &temp);
        command
    }

    /// Runs the scripts of a job of GitHub or Gitea until one fails; returns the last step and its
    /// output.
    fn job(&self, file: &str, job: &str, github: &Value) -> (String, Ran) {
        let workflow = yaml(&text(file));
        let context = json!({"github": github});
        let added = self.room.path().join("github-path");
        fs::write(&added, "").unwrap();
        let mut last = None;
        for step in workflow["jobs"][job]["steps"].as_array().unwrap() {
            let Some(script) = step["run"].as_str() else { continue };
            let mut command =
                self.shell(script, &["bash", "-e"], &fs::read_to_string(&added).unwrap());
            command.env("GITHUB_PATH", &added);
            let none = Map::new();
            for (name, value) in [&workflow, step]
                .into_iter()
                .flat_map(|place| place["env"].as_object().unwrap_or(&none))
            {
                command.env(name, evaluate(value.as_str().unwrap(), &context));
            }
            let ran = finish(&mut command);
            let code = ran.code;
            last = Some((step["name"].as_str().unwrap().to_owned(), ran));
            if code != Some(0) {
                break;
            }
        }
        assert!(!self.checkout().join("pwned").exists(), "a name of a branch was run");
        last.unwrap()
    }
}

/// Checks out for an event and runs the check.
fn check(origin: &Sandbox, file: &str, github: &Value) -> Ran {
    let runner = Runner::new(origin);
    runner.check_out(github["ref"].as_str().unwrap(), github["sha"].as_str().unwrap(), None);
    let (step, ran) = runner.job(file, "check", github);
    assert_eq!(step, CHECK, "{ran:?}");
    ran
}

#[track_caller]
fn assert_passed(ran: &Ran, judged: &str) {
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.err.contains(&format!("{judged} judged\n")), "{}", ran.err);
}

#[track_caller]
fn assert_found(ran: &Ran, subject: &str) {
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(
        ran.out.contains("error[rewritten-manifest]") && ran.out.contains(subject),
        "{}",
        ran.out
    );
}

#[test]
fn the_documentation_shows_the_actual_files() {
    let page = |name: &str| fs::read_to_string(root().join("docs").join(name)).unwrap();
    let (ci, recipes) = (page("ci.md"), page("recipes.md"));
    assert!(names().len() > 4);
    for name in names() {
        let page = if name == "pins.yml" { &recipes } else { &ci };
        let language = if name == "check.sh" { "sh" } else { "yaml" };
        assert!(
            page.contains(&format!("```{language}\n{}```\n", text(&name))),
            "the page has another {name}"
        );
        assert!(page.contains(&format!("(ci/{name})")), "the page does not link to {name}");
    }
}

#[test]
fn every_forge_chooses_the_range_in_the_same_way() {
    let choice = |name: &str| -> Vec<String> {
        let text = text(name);
        let lines = text.lines().map(|line| line.trim().to_owned());
        let mut lines: Vec<String> =
            lines.skip_while(|line| !line.starts_with("case $BASE")).collect();
        let end = lines.iter().position(|line| line == "fi").unwrap();
        lines.truncate(end);
        lines
    };
    let first = choice("check.sh");
    assert!(first.len() > 8, "{first:?}");
    for name in ["github.yml", "gitea.yml", "gitlab-ci.yml"] {
        assert_eq!(choice(name), first, "{name}");
    }
}

#[test]
fn workflows_need_few_permissions_and_run_no_foreign_text() {
    let rights = [
        ("github.yml", json!({"contents": "read"})),
        ("gitea.yml", json!({"contents": "read"})),
        ("github-code-scanning.yml", json!({"contents": "read", "security-events": "write"})),
        ("pins.yml", json!({"contents": "write", "pull-requests": "write"})),
    ];
    for (name, rights) in rights {
        let workflow = yaml(&text(name));
        assert_eq!(workflow["permissions"], rights, "{name}");
        assert_eq!(workflow["on"].get("pull_request_target"), None);
        for job in workflow["jobs"].as_object().unwrap().values() {
            for step in job["steps"].as_array().unwrap() {
                assert!(
                    !step["run"].as_str().unwrap_or_default().contains("${{"),
                    "{name}: {step}"
                );
                if let Some(uses) = step["uses"].as_str() {
                    let commit = uses.split('@').nth(1).unwrap();
                    assert!(
                        commit.len() == 40 && commit.bytes().all(|b| b.is_ascii_hexdigit()),
                        "{name}: {uses}"
                    );
                }
            }
        }
    }
    for name in FORGES {
        let workflow = yaml(&text(name));
        assert_eq!(
            workflow["jobs"]["check"]["steps"][0]["with"],
            json!({"fetch-depth": "0"}),
            "{name}"
        );
        assert_eq!(
            workflow["jobs"]["build"]["steps"][0]["with"],
            json!({"persist-credentials": "false"}),
            "{name}"
        );
    }
}

#[test]
fn a_pull_request_is_judged_commit_by_commit() {
    let origin = origin();
    let (fine, debris) = (good(&origin, "fine"), bad(&origin, "debris"));
    origin.git(&["checkout", "-q", "main"]);
    origin.git(&["branch", "-q", "-D", "fine", "debris"]);
    for file in FORGES {
        let request = pull_request(&origin, &fine);
        // Neither the test merge nor the new commits on main are judged.
        assert_passed(&check(&origin, file, &request), "1 new path in 1 commit");
        let ran = check(&origin, file, &pull_request(&origin, &debris));
        assert_found(
            &ran,
            &format!("in {} (Prepare)", origin.id(&format!("{debris}~1")).get(..12).unwrap()),
        );
        assert_eq!(
            ran.out.contains("::error file=web/package.json,line=4"),
            file == "github.yml",
            "{}",
            ran.out
        );
    }
}

#[test]
fn a_push_is_judged_from_the_previous_tip() {
    let origin = origin();
    let start = origin.id("main");
    let (fine, debris) = (good(&origin, "fine"), bad(&origin, "debris"));
    for file in FORGES {
        assert_passed(
            &check(&origin, file, &push("fine", &start, &fine)),
            "1 new path in 1 commit",
        );
        assert_found(&check(&origin, file, &push("debris", &start, &debris)), "(Prepare)");
        // Commits of an earlier push are not new.
        let before = origin.id("debris~1");
        assert_passed(
            &check(&origin, file, &push("debris", &before, &debris)),
            "1 new path in 1 commit",
        );
    }
}

#[test]
fn a_new_branch_is_judged_from_the_default_branch() {
    let origin = origin();
    let (fine, debris) = (good(&origin, "fine"), bad(&origin, "debris"));
    for file in FORGES {
        let ran = check(&origin, file, &push("fine", ZEROS, &fine));
        assert_passed(&ran, "1 new path in 1 commit");
        assert!(!ran.err.contains("fatal"), "the null id is not fetched: {}", ran.err);
        assert_found(&check(&origin, file, &push("debris", ZEROS, &debris)), "(Prepare)");
    }
}

#[test]
fn after_a_force_push_the_old_tip_is_fetched_or_ignored() {
    let origin = origin();
    let debris = bad(&origin, "debris");
    let before = debris.clone();
    origin.git(&["commit", "-q", "--amend", "-m", "Undo it"]);
    let after = origin.id("HEAD");
    for file in FORGES {
        // On no branch any more, but the server still gives it by its id.
        let ran = check(&origin, file, &push("debris", &before, &after));
        assert_passed(&ran, "1 new path in 1 commit");
        let ran = check(&origin, file, &push("debris", GONE, &after));
        assert_found(&ran, "(Prepare)");
        assert!(ran.err.contains(GONE), "git says why: {}", ran.err);
    }
}

#[test]
fn without_a_previous_commit_everything_is_judged() {
    let origin = origin();
    bad(&origin, "debris");
    origin.git(&["tag", "v1", "debris"]);
    origin.git(&["checkout", "-q", "main"]);
    origin.git(&["branch", "-q", "-D", "debris"]);
    let tip = origin.id("main");
    let schedule = |event: Value| {
        json!({
            "event_name": "schedule", "ref": "refs/heads/main", "sha": tip, "event": event,
        })
    };
    for file in FORGES {
        // The first push of a repository, a force-push of the default branch, and scheduled runs
        // with and without a payload.
        assert_found(&check(&origin, file, &push("main", ZEROS, &tip)), "(Prepare)");
        assert_found(&check(&origin, file, &push("main", GONE, &tip)), "(Prepare)");
        assert_found(&check(&origin, file, &schedule(json!({}))), "(Prepare)");
        let payload = json!({"repository": {"default_branch": "main"}});
        assert_found(&check(&origin, file, &schedule(payload)), "(Prepare)");
    }
}

#[test]
fn a_merge_queue_is_judged_from_its_base() {
    let origin = origin();
    let base = origin.id("main");
    let head = bad(&origin, "gh-readonly-queue/main/pr-1");
    let group = json!({
        "event_name": "merge_group", "ref": "refs/heads/gh-readonly-queue/main/pr-1", "sha": head,
        "event": {
            "merge_group": {"base_sha": base, "head_sha": head},
            "repository": {"default_branch": "main"},
        },
    });
    assert_found(&check(&origin, "github.yml", &group), "(Prepare)");
}

#[test]
fn a_shallow_checkout_cannot_be_judged() {
    let origin = origin();
    let start = origin.id("main");
    let debris = bad(&origin, "debris");
    for file in FORGES {
        for before in [&*start, ZEROS, GONE] {
            let runner = Runner::new(&origin);
            runner.check_out("refs/heads/debris", &debris, Some("1"));
            let (step, ran) = runner.job(file, "check", &push("debris", before, &debris));
            assert_eq!((&*step, ran.code), (CHECK, Some(2)), "{ran:?}");
            assert!(ran.err.contains("check out with `fetch-depth: 0`"), "{before}: {}", ran.err);
        }
    }
}

/// The programs of a runner: npm with the package of bakstop, a package manager that installs the
/// hooks as `prepare` does, and a builder.
fn tools(directory: &Path) {
    let npm = format!(
        "test \"$1 $2 $3 $4 $5 $6\" = \
         'install --global --ignore-scripts --no-audit --no-fund --prefix' && \
         test $# -eq 8 && test \"$8\" = ./tools/bakstop.tgz && test -f \"$8\" && \
         mkdir -p \"$7/bin\" && ln -s '{BAKSTOP}' \"$7/bin/bakstop\""
    );
    program(&directory.join("npm"), &npm);
    program(&directory.join("corepack"), r#"test "$*" = enable"#);
    program(
        &directory.join("pnpm"),
        "test \"$*\" = 'install --frozen-lockfile' && \
         git config core.hooksPath .githooks && mkdir -p node_modules",
    );
    program(&directory.join("docker"), r#"test "$*" = 'compose build' && exec ./build.sh"#);
}

fn build(origin: &Sandbox, file: &str) -> (String, Ran) {
    let runner = Runner::new(origin);
    let sha = origin.id("HEAD");
    runner.check_out("refs/pull/1/merge", &sha, Some("1"));
    runner.job(file, "build", &push("main", ZEROS, &sha))
}

#[test]
fn a_build_must_leave_the_tree_unchanged() {
    let origin = origin();
    for file in FORGES {
        let (step, ran) = build(&origin, file);
        assert_eq!((&*step, ran.code), (VERIFY, Some(0)), "{ran:?}");
    }
    program(&origin.top.join("build.sh"), "./docker-prep.sh");
    commit(&origin, "Forget the restore");
    for file in FORGES {
        let (step, ran) = build(&origin, file);
        assert_eq!((&*step, ran.code), (VERIFY, Some(1)), "{ran:?}");
        assert!(ran.out.contains("ignored leftover  web/package.json.bak"), "{}", ran.out);
    }
    program(&origin.top.join("build.sh"), "exit 17");
    commit(&origin, "Break the build");
    assert_eq!(build(&origin, "github.yml").1.code, Some(17));
}

#[test]
fn a_hook_that_does_not_block_is_not_proven() {
    let origin = origin();
    origin.write(".githooks/pre-commit", "#!/bin/sh\nexit 0\n");
    commit(&origin, "Disarm");
    for file in FORGES {
        let (step, ran) = build(&origin, file);
        assert_eq!((&*step, ran.code), (PROVE, Some(1)), "{ran:?}");
        assert!(ran.out.contains("not proven") || ran.err.contains("not proven"), "{ran:?}");
    }
}

#[test]
fn the_workflows_have_nothing_to_fill_in() {
    for name in names() {
        let text = text(&name);
        let placeholder = text
            .split('<')
            .skip(1)
            .find(|rest| rest.split(['>', '\n']).next().is_some_and(|word| word.contains(' ')));
        assert_eq!(placeholder, None, "{name}");
    }
}

#[test]
fn a_job_without_bakstop_fails() {
    let origin = origin();
    origin.git(&["rm", "-q", "tools/bakstop.tgz"]);
    let sha = commit(&origin, "Take bakstop away");
    let jobs = [
        ("github.yml", "check"),
        ("github.yml", "build"),
        ("gitea.yml", "check"),
        ("gitea.yml", "build"),
        ("github-code-scanning.yml", "scan"),
    ];
    for (file, job) in jobs {
        let runner = Runner::new(&origin);
        runner.check_out("refs/heads/main", &sha, None);
        let (step, ran) = runner.job(file, job, &push("main", ZEROS, &sha));
        assert_eq!((&*step, ran.code), ("Install bakstop", Some(1)), "{file}: {ran:?}");
    }
    for shell in [&["bash", "-eo", "pipefail"][..], &["dash", "-e"]] {
        let runner = Runner::new(&origin);
        runner.check_out("", &sha, None);
        let job = &yaml(&text("gitlab-ci.yml"))["bakstop"];
        let ran = finish(&mut gitlab_job(&runner, job, shell));
        assert_eq!((ran.code, &*ran.out), (Some(1), ""), "{ran:?}");
    }
}

#[test]
fn the_package_is_named_in_one_place() {
    for name in names().iter().filter(|name| *name != "check.sh") {
        let text = text(name);
        assert_eq!(text.matches("./tools/bakstop.tgz").count(), 1, "{name}");
        assert_eq!(text.matches("BAKSTOP_PACKAGE:").count(), 1, "{name}");
        let installs = text.matches("npm install --global").count();
        assert_eq!(text.matches("\"$BAKSTOP_PACKAGE\"").count(), installs, "{name}");
    }
}

#[test]
fn code_scanning_gets_the_findings_of_the_tree() {
    let origin = origin();
    origin.rewrite("web/package.json");
    let sha = commit(&origin, "Prepare");
    let runner = Runner::new(&origin);
    runner.check_out("refs/heads/main", &sha, Some("1"));
    let (step, ran) = runner.job("github-code-scanning.yml", "scan", &push("main", ZEROS, &sha));
    assert_eq!((&*step, ran.code), ("Judge the tree", Some(1)), "{ran:?}");
    let report = fs::read_to_string(runner.checkout().join("bakstop.sarif")).unwrap();
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["runs"][0]["results"].as_array().unwrap().len(), 1);
}

/// The script of GitLab's job, in the shell of an image, with the variables of the file.
fn gitlab_job(runner: &Runner<'_>, job: &Value, shell: &[&str]) -> Command {
    let lines: Vec<&str> =
        job["script"].as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect();
    let mut command = runner.shell(&lines.join("\n"), shell, "");
    for (name, value) in job["variables"].as_object().unwrap() {
        command.env(name, value.as_str().unwrap());
    }
    command.env("CI_PROJECT_DIR", runner.checkout());
    command
}

/// Runs GitLab's job with these variables, in the shell of an image.
fn gitlab<'a>(
    origin: &'a Sandbox,
    sha: &str,
    shell: &[&str],
    variables: &[(&str, &str)],
) -> (Ran, PathBuf, Runner<'a>) {
    let runner = Runner::new(origin);
    runner.check_out("", sha, None);
    let job = &yaml(&text("gitlab-ci.yml"))["bakstop"];
    let mut command = gitlab_job(&runner, job, shell);
    command.env("CI_DEFAULT_BRANCH", "main").env("CI_COMMIT_SHA", sha);
    let ran = finish(command.envs(variables.iter().copied()));
    let reports = &job["artifacts"]["reports"];
    for report in [&reports["codequality"], &reports["junit"]] {
        let file = runner.checkout().join(report.as_str().unwrap());
        assert_eq!(file.exists(), ran.code != Some(2), "{report}: {ran:?}");
    }
    let quality = runner.checkout().join(reports["codequality"].as_str().unwrap());
    (ran, quality, runner)
}

#[test]
fn gitlab_gets_its_reports() {
    let origin = origin();
    let base = origin.id("main");
    let (fine, debris) = (good(&origin, "fine"), bad(&origin, "debris"));
    for shell in [&["bash", "-eo", "pipefail"][..], &["dash", "-e"]] {
        let of_request =
            [("CI_MERGE_REQUEST_DIFF_BASE_SHA", &*base), ("CI_COMMIT_BEFORE_SHA", ZEROS)];
        let (ran, quality, _runner) = gitlab(&origin, &fine, shell, &of_request);
        assert_passed(&ran, "1 new path in 1 commit");
        assert_eq!(fs::read_to_string(quality).unwrap().trim(), "[]");
        let (ran, quality, _runner) = gitlab(&origin, &debris, shell, &of_request);
        assert_found(&ran, "(Prepare)");
        let quality: Value = serde_json::from_str(&fs::read_to_string(quality).unwrap()).unwrap();
        assert_eq!(quality[0]["check_name"], "rewritten-manifest");
        // Merged results: the commit is the merge, and a variable has the head.
        let merge = pull_request(&origin, &fine)["sha"].as_str().unwrap().to_owned();
        let of_merge =
            [of_request[0], of_request[1], ("CI_MERGE_REQUEST_SOURCE_BRANCH_SHA", &fine)];
        assert_passed(&gitlab(&origin, &merge, shell, &of_merge).0, "1 new path in 1 commit");
        // Branches: new, moved and forced ones, and a scheduled run of the default branch.
        let of_branch = |before| [("CI_COMMIT_BRANCH", "debris"), ("CI_COMMIT_BEFORE_SHA", before)];
        assert_found(&gitlab(&origin, &debris, shell, &of_branch(ZEROS)).0, "(Prepare)");
        assert_found(&gitlab(&origin, &debris, shell, &of_branch(&base)).0, "(Prepare)");
        assert_found(&gitlab(&origin, &debris, shell, &of_branch(GONE)).0, "(Prepare)");
        let by_night = [("CI_COMMIT_BRANCH", "main"), ("CI_COMMIT_BEFORE_SHA", ZEROS)];
        assert_found(&gitlab(&origin, &base, shell, &by_night).0, "(Prepare)");
    }
}

#[test]
fn the_script_works_in_any_other_ci() {
    let origin = origin();
    let base = origin.id("main");
    good(&origin, "fine");
    bad(&origin, "debris");
    let run = |branch: &str, variables: &[(&str, &str)], options: &[&str]| {
        let runner = Runner::new(&origin);
        runner.check_out(&format!("refs/heads/{branch}"), &origin.id(branch), None);
        std::os::unix::fs::symlink(BAKSTOP, runner.tools().join("bakstop")).unwrap();
        let mut command = runner.shell(&text("check.sh"), &["dash"], "");
        finish(command.args(options).envs(variables.iter().copied()))
    };
    assert_passed(&run("fine", &[("BASE", &base)], &["--verbose"]), "1 new path in 1 commit");
    assert_passed(&run("fine", &[], &["--verbose"]), "1 new path in 1 commit");
    assert_found(&run("debris", &[("BASE", &base), ("TIP", "HEAD")], &[]), "(Prepare)");
    assert_found(
        &run("debris", &[("REF", "refs/heads/debris"), ("BASE", ZEROS)], &[]),
        "(Prepare)",
    );
    assert_found(&run("main", &[("REF", "refs/heads/main"), ("BASE", ZEROS)], &[]), "(Prepare)");
    let ran = run("fine", &[("DEFAULT_BRANCH", "trunk")], &[]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
}
