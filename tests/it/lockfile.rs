//! `bakstop lockfile`, and the rule about lockfiles for images, on real repositories.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::real::npm_tools;
use crate::support::{BAKSTOP, Ran, Sandbox, finish};

const PATH: &str = "api/pnpm-lock.docker.yaml";

fn manifest(range: &str) -> String {
    format!(
        r#"{{"name": "api", "packageManager": "pnpm@10.6.5", "dependencies": {{"ms": "{range}"}}}}"#
    )
}

fn lock(specifier: &str) -> String {
    let hash = "A".repeat(88);
    format!(
        "lockfileVersion: '9.0'\n\nimporters:\n\n  .:\n    dependencies:\n      ms:\n        \
         specifier: {specifier}\n        version: 2.1.3\n\npackages:\n\n  ms@2.1.3:\n    \
         resolution: {{integrity: sha512-{hash}}}\n\nsnapshots:\n\n  ms@2.1.3: {{}}\n"
    )
}

/// A repository with a lockfile for an image that fits.
fn in_step() -> Sandbox {
    let sandbox = Sandbox::workspace();
    sandbox.write("api/package.json", manifest("^2.1.0"));
    sandbox.write(PATH, lock("^2.1.0"));
    sandbox.git(&["add", "-A"]);
    sandbox.git(&["commit", "-q", "-m", "A lockfile for the image"]);
    sandbox
}

#[test]
fn the_exit_code_says_whether_the_lockfile_fits() {
    let sandbox = in_step();
    let ran = sandbox.bakstop(&["lockfile", "--check"]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.err);
    assert!(ran.out.contains("pnpm 10.6.5: fits"), "{}", ran.out);
    sandbox.write("api/package.json", manifest("^2.2.0"));
    let ran = sandbox.bakstop(&["lockfile", "--check"]);
    assert_eq!(ran.code, Some(1), "{}{}", ran.out, ran.err);
    assert!(ran.out.contains("api/package.json asks for `^2.2.0`"), "{}", ran.out);
    assert_eq!(sandbox.bakstop(&["lockfile", "--check", "api"]).code, Some(1));
    sandbox.write("web/a", "");
    assert_eq!(sandbox.bakstop(&["lockfile", "--check", "web"]).code, Some(0));
    assert_eq!(sandbox.bakstop(&["lockfile", "--check", "nowhere"]).code, Some(2));
    sandbox.write("api/package.json", manifest("^2.1.0"));
    sandbox.write("api/pnpm-workspace.yaml", "sharedWorkspaceLockfile: false\n");
    let ran = sandbox.bakstop(&["lockfile", "--check", "--format", "json"]);
    assert_eq!(ran.code, Some(2), "{}{}", ran.out, ran.err);
    let document: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(document["lockfiles"][0]["state"], "not judged");
}

#[test]
fn the_index_is_compared_with_the_index() {
    let sandbox = in_step();
    sandbox.write("api/package.json", manifest("^2.1.2"));
    sandbox.git(&["add", "api/package.json"]);
    // The lockfile in the work tree would fit.
    sandbox.write(PATH, lock("^2.1.2"));
    let ran = sandbox.bakstop(&["check"]);
    assert_eq!(ran.code, Some(1), "{}{}", ran.out, ran.err);
    assert!(ran.out.contains("stale-docker-lockfile"), "{}", ran.out);
    sandbox.git(&["add", PATH]);
    assert_eq!(sandbox.bakstop(&["check"]).code, Some(0));
    sandbox.git(&["reset", "-q", PATH]);
    sandbox.git(&["commit", "-q", "--no-verify", "-m", "Drift"]);
    for scope in [&["--range", "HEAD~1..HEAD"][..], &["--tree", "HEAD"]] {
        let ran = sandbox.bakstop(&[&["check"], scope].concat());
        assert_eq!(ran.code, Some(1), "{scope:?} {}{}", ran.out, ran.err);
    }
    // Another change does not bring it up again.
    sandbox.write("api/index.js", "1\n");
    sandbox.git(&["add", "api/index.js"]);
    assert_eq!(sandbox.bakstop(&["check"]).code, Some(0));
}

fn assert_valid(document: &str) {
    let schema = include_str!("../../docs/schema/lockfile.json");
    let schema: Value = serde_json::from_str(schema).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let document: Value = serde_json::from_str(document).unwrap();
    let errors: Vec<String> =
        validator.iter_errors(&document).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:?}");
}

#[test]
fn json_matches_its_schema() {
    let sandbox = in_step();
    let hostile = "a\u{1b}[2J\u{202e}/pnpm-lock.docker.yaml";
    sandbox.write("a\u{1b}[2J\u{202e}/package.json", manifest("\\u001b[2J\u{202e}"));
    sandbox.write(hostile, lock("\"\\x1b[2J\u{202e}x\"").replace("ms@2.1.3", "\"m\\x1b[2J@1\""));
    for format in ["json", "human"] {
        let ran = sandbox.bakstop(&["lockfile", "--check", "--format", format]);
        assert_eq!(ran.code, Some(1), "{}{}", ran.out, ran.err);
        for text in [&ran.out, &ran.err] {
            assert!(!text.contains(['\u{1b}', '\u{202e}']), "{text}");
        }
        if format == "json" {
            assert_valid(&ran.out);
        }
    }
}

#[test]
fn a_lockfile_that_links_nothing_outside_needs_no_other() {
    let sandbox = in_step();
    let text = lock("^2.1.0").replace("  .:\n", "  .: {}\n\n  api:\n");
    sandbox.write("pnpm-lock.yaml", text.as_str());
    let ran = sandbox.bakstop(&["lockfile", "--check"]);
    assert!(ran.out.contains("COPY api/package.json api/"), "{}", ran.out);
    sandbox.write("pnpm-lock.yaml", text.replace("version: 2.1.3", "version: link:../../plat/ms"));
    let ran = sandbox.bakstop(&["lockfile", "--check"]);
    assert!(!ran.out.contains("COPY"), "{}", ran.out);
    // Without a lockfile for an image, that none is needed comes first.
    sandbox.git(&["rm", "-qf", PATH]);
    let needs_one = "a workspace that links packages of another repository needs one";
    let ran = sandbox.bakstop(&["lockfile", "--check"]);
    assert!(ran.out.contains(needs_one), "{}", ran.out);
    sandbox.write("pnpm-lock.yaml", text);
    for arguments in [&["lockfile", "--check"][..], &["lockfile"]] {
        let ran = sandbox.bakstop(arguments);
        assert_eq!(
            ran.out,
            "bakstop: no lockfile for an image is needed: pnpm-lock.yaml links nothing outside of \
             the repository\n\
             help: an image with the same directories can install with it:\n  \
             COPY pnpm-lock.yaml pnpm-workspace.yaml package.json ./\n  \
             COPY api/package.json api/\n  \
             RUN pnpm install --frozen-lockfile --filter ./api\n\
             help: only an image with the manifest of a member at its top needs another: bakstop \
             lockfile DIR makes one for the member in DIR\n"
        );
        assert_eq!(ran.code, Some(0), "{ran:?}");
    }
    sandbox.write("pnpm-lock.yaml", lock("^2.1.0"));
    assert_eq!(
        sandbox.bakstop(&["lockfile", "--check"]).out,
        "bakstop: no lockfile for an image is needed: pnpm-lock.yaml links nothing outside of the \
         repository\nhelp: an image with the same directories can install with it\n"
    );
}

/// A stand-in for pnpm 10.6.5, first in PATH, which logs its calls and runs a script to lock.
pub(crate) fn with_pnpm(sandbox: &Sandbox, script: &str) -> std::ffi::OsString {
    let programs = sandbox.outside().join("programs");
    fs::create_dir_all(&programs).unwrap();
    let log = sandbox.outside().join("called");
    let text = format!(
        "#!/bin/sh\n[ \"$1\" != --version ] || {{ echo 10.6.5; exit; }}\n\
         echo \"$*\" >>'{}'\n{script}\n",
        log.display()
    );
    fs::write(programs.join("pnpm"), text).unwrap();
    fs::set_permissions(programs.join("pnpm"), fs::Permissions::from_mode(0o755)).unwrap();
    let path = std::env::var_os("PATH").unwrap();
    std::env::join_paths([programs].into_iter().chain(std::env::split_paths(&path))).unwrap()
}

/// A command that makes lockfiles, with temporary directories outside of the repository.
fn making(sandbox: &Sandbox, script: &str, arguments: &[&str]) -> Command {
    let path = with_pnpm(sandbox, script);
    let temporary = sandbox.outside().join("tmp");
    fs::create_dir_all(&temporary).unwrap();
    let mut command = sandbox.command(BAKSTOP);
    command.env("PATH", path).env("TMPDIR", temporary).arg("lockfile").args(arguments);
    command
}

fn make(sandbox: &Sandbox, script: &str, arguments: &[&str]) -> Ran {
    let ran = finish(&mut making(sandbox, script, arguments));
    let temporary = fs::read_dir(sandbox.outside().join("tmp")).unwrap();
    let names = temporary.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    // Node.js 22, which runs corepack, leaves one of its own.
    let left: Vec<String> = names.filter(|name| name.starts_with("bakstop")).collect();
    assert!(left.is_empty(), "{left:?} are left: {ran:?}");
    ran
}

/// A script that locks the specifier of `api/package.json`.
fn locking(specifier: &str) -> String {
    format!("cat >pnpm-lock.yaml <<'END'\n{}END", lock(specifier))
}

fn read(sandbox: &Sandbox) -> Option<String> {
    fs::read_to_string(sandbox.top.join(PATH)).ok()
}

#[test]
fn a_lockfile_is_made_once_and_then_stays() {
    let sandbox = Sandbox::workspace();
    sandbox.write("api/package.json", manifest("^2.1.0"));
    let before = sandbox.git(&["status", "--porcelain", "-uall"]);
    let script = locking("^2.1.0");
    let ran = make(&sandbox, &script, &["--dry-run", "api"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.out.contains("+++ b/api/pnpm-lock.docker.yaml"), "{}", ran.out);
    assert_eq!(sandbox.git(&["status", "--porcelain", "-uall"]), before);
    let ran = make(&sandbox, &script, &["api"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.out.contains("help: git add api/pnpm-lock.docker.yaml"), "{}", ran.out);
    assert!(ran.out.contains("COPY api/package.json ./package.json\n"), "{}", ran.out);
    assert_eq!(read(&sandbox), Some(lock("^2.1.0")));
    let called = fs::read_to_string(sandbox.outside().join("called")).unwrap();
    let line = "install --lockfile-only --ignore-scripts --no-frozen-lockfile --ignore-workspace\n";
    assert_eq!(called, line.repeat(2));
    // The second time, pnpm begins with it; without a name, each lockfile is made again.
    for arguments in [&["--format", "json"][..], &["--format", "json", "api"]] {
        let ran = make(&sandbox, "grep -q '2.1.3' pnpm-lock.yaml", arguments);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        let document: Value = serde_json::from_str(&ran.out).unwrap();
        assert_eq!(document["lockfiles"][0]["made"], "unchanged");
    }
    let status = sandbox.git(&["status", "--porcelain", "-uall"]);
    assert_eq!(status, format!("{before}?? {PATH}\n"));
}

#[test]
fn a_lockfile_that_would_not_fit_is_not_written() {
    let sandbox = in_step();
    let as_it_was = read(&sandbox);
    let outside = "rm -f pnpm-lock.yaml; ln -s /etc/passwd pnpm-lock.yaml";
    let hostile = "printf '\\033[2J' >pnpm-lock.yaml";
    for (script, code, said) in [
        (locking("^2.2.0"), 1, "nothing was written"),
        (format!("{}\necho x >pnpm-workspace.yaml", locking("^2.1.0")), 1, "pnpm also wrote"),
        (format!("{}\necho >>package.json", locking("^2.1.0")), 1, "wrote package.json"),
        (locking("^2.1.0").replace("sha512-", "sha1-"), 1, "nothing was written"),
        ("rm pnpm-lock.yaml".to_owned(), 2, "pnpm wrote no lockfile"),
        (outside.to_owned(), 2, "pnpm wrote no lockfile"),
        ("rm pnpm-lock.yaml; mkfifo pnpm-lock.yaml".to_owned(), 2, "it is a FIFO"),
        (hostile.to_owned(), 1, "nothing was written"),
        ("echo '//h/:_authToken=abcdefghijklmnop' >&2; exit 3".to_owned(), 2, "exit code 3"),
        ("printf 'a\\033[2Jb'; kill -9 $$".to_owned(), 2, "signal 9"),
        ("head -c 3000000 /dev/zero | tr '\\0' x; exit 1".to_owned(), 2, "exit code 1"),
    ] {
        let ran = make(&sandbox, &script, &["api"]);
        assert_eq!(ran.code, Some(code), "{script}: {ran:?}");
        let all = format!("{}{}", ran.out, ran.err);
        assert!(all.contains(said), "{script}: {all}");
        assert!(!all.contains('\u{1b}') && !all.contains("abcdefghijklmnop"), "{all}");
        assert_eq!(read(&sandbox), as_it_was, "{script}");
        assert_eq!(sandbox.git(&["status", "--porcelain"]), "", "{script}");
    }
}

/// A repository whose workspace links the package that its image has from a registry.
fn with_linked_package() -> Sandbox {
    let sandbox = in_step();
    let link = "    dependencies:\n      ms: {specifier: ^2.1.0, version: 'link:../../plat/ms'}\n";
    sandbox.write(
        "pnpm-lock.yaml",
        format!("lockfileVersion: '9.0'\n\nimporters:\n\n  .: {{}}\n\n  api:\n{link}"),
    );
    sandbox
}

#[test]
fn a_lockfile_for_all_members_is_made_at_the_top() {
    let sandbox = Sandbox::workspace();
    sandbox.write("package.json", manifest("^2.1.0"));
    sandbox.write("pnpm-workspace.yaml", "packages:\n  - web\n");
    let ran = make(&sandbox, &locking("^2.1.0"), &["--layout", "flat"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let made = fs::read_to_string(sandbox.top.join("pnpm-lock.docker.yaml")).unwrap();
    assert_eq!(made, lock("^2.1.0"));
    assert!(ran.out.contains("help: git add pnpm-lock.docker.yaml\n"), "{}", ran.out);
}

#[test]
fn fresh_reports_what_pnpm_would_make_today() {
    let sandbox = with_linked_package();
    let before = sandbox.git(&["status", "--porcelain", "-uall"]);
    let as_it_was = read(&sandbox);
    let newer = locking("^2.1.0").replace("2.1.3", "2.1.4");
    // What is resolved again is not in the seed.
    let moves = format!("grep -q 2.1.3 pnpm-lock.yaml && exit\n{newer}");
    for (script, said) in [
        (locking("^2.1.0"), "made again today, it has the same bytes\n"),
        (locking("^2.1.0"), "`--update` changes nothing today\n"),
        (moves, "`--update` moves ms 2.1.3 to 2.1.4\n"),
        (newer, "made again today, it differs: ms 2.1.3 to 2.1.4\n"),
        ("echo >>pnpm-lock.yaml".to_owned(), "it has the same packages, but other bytes\n"),
        ("echo no such host; exit 1".to_owned(), "` ended with exit code 1\n  no such host\n"),
        (
            "echo x >pnpm-workspace.yaml".to_owned(),
            "  these files were written as well: pnpm-workspace.yaml\n",
        ),
        ("echo '[' >pnpm-lock.yaml".to_owned(), "wrote no lockfile that can be read"),
    ] {
        let ran = make(&sandbox, &script, &["--check", "--fresh"]);
        assert_eq!(ran.code, Some(0), "{script}: {ran:?}");
        assert!(ran.out.contains("1 lockfile for images fits\n"), "{}", ran.out);
        assert!(ran.out.contains(said), "{script}: {}", ran.out);
        let ran = make(&sandbox, &script, &["--check", "--fresh", "--format", "json"]);
        assert_valid(&ran.out);
        assert_eq!(read(&sandbox), as_it_was, "{script}");
        assert_eq!(sandbox.git(&["status", "--porcelain", "-uall"]), before, "{script}");
    }
    // The exit code is that of the judgement.
    sandbox.write("api/package.json", manifest("^2.2.0"));
    assert_eq!(make(&sandbox, "", &["--check", "--fresh"]).code, Some(1));
}

#[test]
fn what_pnpm_cannot_make_is_refused_before_it_runs() {
    let sandbox = in_step();
    let script = locking("^2.1.0");
    let refused = |arguments: &[&str], said: &str| {
        let ran = make(&sandbox, &script, arguments);
        assert_eq!(ran.code, Some(2), "{said}: {ran:?}");
        assert!(ran.err.contains(said), "{said}: {}", ran.err);
        assert!(!sandbox.outside().join("called").exists(), "{said}");
    };
    refused(&["nowhere"], "there is no package.json in nowhere");
    refused(&["--layout", "flat", "web"], "there is no pnpm-workspace.yaml in web");
    refused(&["--update"], "tells the packages to move");
    let of_workspace =
        manifest("^2.1.0").replace("\"ms\"", "\"@shop/web\": \"workspace:*\", \"ms\"");
    sandbox.write("api/package.json", of_workspace);
    refused(&["api"], "@shop/web as `workspace:*`");
    sandbox.write("api/package.json", manifest("^2.1.0").replace("10.6.5", "10.6.4"));
    refused(&["api"], "the pnpm in PATH gives pnpm 10.6.5");
    sandbox.write("api/package.json", manifest("^2.1.0"));
    sandbox.write("api/.npmrc", "//h/:_authToken=${TOKEN}\n//h/:tokenHelper=/bin/ls\n");
    refused(&["api"], "tokenHelper");
    sandbox.git(&["clean", "-qfd"]);
    sandbox.write(PATH, "<<<<<<< a\n=======\n>>>>>>> b\n");
    refused(&["api"], "markers of a merge conflict");
}

#[test]
fn a_signal_ends_pnpm_and_leaves_nothing() {
    let sandbox = in_step();
    let as_it_was = read(&sandbox);
    let started = sandbox.outside().join("started");
    let script = format!("echo $$ >'{}'; sleep 60 & wait", started.display());
    let mut child = making(&sandbox, &script, &["api"]).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    let id = loop {
        match fs::read_to_string(&started) {
            Ok(id) if id.ends_with('\n') => break id,
            _ => assert!(Instant::now() < deadline, "pnpm was not started"),
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    assert!(Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
    assert_ne!(child.wait().unwrap().code(), Some(0));
    assert_eq!(read(&sandbox), as_it_was);
    assert_eq!(fs::read_dir(sandbox.outside().join("tmp")).unwrap().count(), 0);
    let command_line = PathBuf::from("/proc").join(id.trim()).join("cmdline");
    assert!(
        fs::read(command_line).is_ok_and(|line| line.is_empty())
            || !PathBuf::from("/proc").join(id.trim()).exists()
    );
}

#[test]
fn pnpm_gets_what_the_dockerfile_copies() {
    let sandbox = Sandbox::workspace();
    sandbox.write("api/package.json", manifest("^2.1.0"));
    sandbox.write(".npmrc.docker", "@acme:registry=http://${HOST}:4873/\n");
    sandbox.write("api/.npmrc", "fund=false\n");
    sandbox.write(
        "Dockerfile",
        "FROM node:22\nWORKDIR /app\nCOPY .npmrc.docker /root/.npmrc\nCOPY api/package.json ./\n\
         COPY api/pnpm-lock.docker.yaml ./pnpm-lock.yaml\nRUN pnpm install --frozen-lockfile\n",
    );
    let seen = sandbox.outside().join("seen");
    let script = format!(
        "{}\nls -A >'{seen}'; cat \"$NPM_CONFIG_USERCONFIG\" >>'{seen}'",
        locking("^2.1.0"),
        seen = seen.display()
    );
    let ran = make(&sandbox, &script, &["api"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(!ran.out.contains("COPY"), "{}", ran.out);
    assert_eq!(
        fs::read_to_string(seen).unwrap(),
        "package.json\npnpm-lock.yaml\n@acme:registry=http://${HOST}:4873/\n"
    );
}

/// The steps of the job for branches of bots, as docs/lockfile.md has them.
fn steps_of_the_job() -> String {
    let page = include_str!("../../docs/lockfile.md");
    let (_, steps) = page.split_once("      - run: |\n").unwrap();
    let lines = steps.lines().map_while(|line| line.strip_prefix("          "));
    let steps: String = lines.map(|line| format!("{line}\n")).collect();
    assert!(steps.contains("git push"), "{steps}");
    steps.replace("backend", "api")
}

#[test]
fn the_job_for_branches_of_bots_pushes_what_it_makes() {
    let sandbox = in_step();
    let server = sandbox.outside().join("server.git");
    let server = server.to_str().unwrap();
    sandbox.git(&["init", "-q", "--bare", server]);
    sandbox.git(&["checkout", "-q", "-b", "renovate/ms"]);
    sandbox.write("api/package.json", manifest("^2.1.1"));
    sandbox.commit_all("Update ms");
    sandbox.git(&["push", "-q", server, "HEAD:refs/heads/renovate/ms"]);
    // As actions/checkout does with `ref`.
    let runner = sandbox.outside().join("runner");
    let at = |arguments: &[&str]| {
        let ran = finish(sandbox.command("git").arg("-C").arg(&runner).args(arguments));
        assert_eq!(ran.code, Some(0), "{arguments:?}: {ran:?}");
        ran.out
    };
    let checkout = || {
        let _ = fs::remove_dir_all(&runner);
        sandbox.git(&["init", "-q", runner.to_str().unwrap()]);
        at(&["remote", "add", "origin", &format!("file://{server}")]);
        let branch = "+refs/heads/renovate/ms*:refs/remotes/origin/renovate/ms*";
        at(&["fetch", "-q", "--no-tags", "--depth=1", "origin", branch]);
        let from = "refs/remotes/origin/renovate/ms";
        at(&["checkout", "-q", "--progress", "--force", "-B", "renovate/ms", from]);
    };
    let mut path = with_pnpm(&sandbox, &locking("^2.1.1"));
    let own = std::path::Path::new(BAKSTOP).parent().unwrap().to_owned();
    path = std::env::join_paths([own].into_iter().chain(std::env::split_paths(&path))).unwrap();
    let run = || {
        let mut bash = sandbox.command("bash");
        bash.args(["-e", "-c", &steps_of_the_job()]).env("PATH", &path).current_dir(&runner);
        // A runner has nobody's name.
        for who in ["AUTHOR", "COMMITTER"] {
            bash.env_remove(format!("GIT_{who}_NAME")).env_remove(format!("GIT_{who}_EMAIL"));
        }
        finish(&mut bash)
    };
    checkout();
    let ran = run();
    assert_eq!(ran.code, Some(0), "{ran:?}");
    checkout();
    assert_eq!(at(&["log", "-1", "--format=%an: %s"]), "bot: Update the lockfiles for images\n");
    let changes = ["--git-dir", server, "diff", "--name-only", "renovate/ms~1", "renovate/ms"];
    assert_eq!(sandbox.git(&changes), format!("{PATH}\n"));
    let ran = finish(sandbox.command(BAKSTOP).args(["lockfile", "--check"]).current_dir(&runner));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    // The push starts the job again, which has nothing to do.
    let tip = at(&["rev-parse", "HEAD"]);
    let ran = run();
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(at(&["rev-parse", "HEAD"]), tip);
}

/// A registry on the loopback interface, with what is published there; ended when dropped.
struct Registry {
    server: std::process::Child,
    npm: PathBuf,
}

impl Registry {
    fn start(sandbox: &Sandbox) -> Self {
        let programs = npm_tools(&["verdaccio@6.8.0"]);
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let home = sandbox.outside().join("registry");
        fs::create_dir_all(&home).unwrap();
        let settings = "storage: ./storage\nauth: {htpasswd: {file: ./htpasswd}}\npackages:\n  \
                        '@acme/*': {access: $authenticated, publish: $authenticated}\n  '**': \
                        {access: $all, publish: $authenticated}\n";
        fs::write(home.join("config.yaml"), settings).unwrap();
        let mut server = Command::new(programs.join("verdaccio"));
        server.args(["-c", "config.yaml", "-l", &format!("127.0.0.1:{port}")]).current_dir(&home);
        let out = fs::File::create(home.join("log")).unwrap();
        let server = server.stdout(out.try_clone().unwrap()).stderr(out).spawn().unwrap();
        let registry = Self { server, npm: home.join("npmrc") };
        let address = format!("http://127.0.0.1:{port}");
        let deadline = Instant::now() + Duration::from_secs(60);
        let user = r#"{"name": "a", "password": "secret-of-a"}"#;
        let url = format!("{address}/-/user/org.couchdb.user:a");
        let token = loop {
            let mut curl = Command::new("curl");
            curl.args([
                "-s",
                "-X",
                "PUT",
                "-H",
                "content-type: application/json",
                "-d",
                user,
                &url,
            ]);
            let answer = serde_json::from_str::<Value>(&finish(&mut curl).out).unwrap_or_default();
            if let Some(token) = answer["token"].as_str() {
                break token.to_owned();
            }
            assert!(Instant::now() < deadline, "verdaccio does not answer");
            std::thread::sleep(Duration::from_millis(200));
        };
        let npmrc = format!("registry={address}/\n//127.0.0.1:{port}/:_authToken={token}\n");
        fs::write(&registry.npm, &npmrc).unwrap();
        fs::write(sandbox.home().join(".npmrc"), npmrc).unwrap();
        registry
    }

    fn publish(&self, name: &str, version: &str, dependencies: &str) {
        let directory = tempfile::tempdir().unwrap();
        let manifest = format!(
            r#"{{"name": "{name}", "version": "{version}", "dependencies": {{{dependencies}}}}}"#
        );
        fs::write(directory.path().join("package.json"), manifest).unwrap();
        let mut npm = Command::new("npm");
        npm.args(["publish", "--loglevel", "error", "--userconfig"]).arg(&self.npm);
        let ran = finish(npm.current_dir(directory.path()));
        assert_eq!(ran.code, Some(0), "{ran:?}");
    }

    fn publish_all(&self) {
        let third = r#""lk-third-b": "^1.0.0""#;
        self.publish("ms", "2.1.3", "");
        self.publish("lk-third-b", "1.0.0", "");
        self.publish("lk-third-a", "1.0.0", third);
        self.publish("@acme/logger", "1.0.0", r#""ms": "^2.1.0""#);
        self.publish("@acme/http", "1.0.0", r#""@acme/logger": "*""#);
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// A workspace that links packages of a sibling repository, with its lockfile.
fn linked(sandbox: &Sandbox, version: &str, programs: &std::path::Path) {
    let plat = sandbox.outside().join("plat/packages");
    for (name, dependencies) in
        [("logger", r#""ms": "^2.1.0""#), ("http", r#""@acme/logger": "workspace:*""#)]
    {
        fs::create_dir_all(plat.join(name)).unwrap();
        let manifest = format!(
            r#"{{"name": "@acme/{name}", "version": "1.0.0", "dependencies": {{{dependencies}}}}}"#
        );
        fs::write(plat.join(name).join("package.json"), manifest).unwrap();
    }
    let root = format!(r#"{{"name": "shop", "packageManager": "pnpm@{version}"}}"#);
    sandbox.write("package.json", root);
    sandbox.write(
        "pnpm-workspace.yaml",
        "packages:\n  - api\n  - ../plat/packages/*\nlinkWorkspacePackages: true\n",
    );
    sandbox.write(".npmrc", "link-workspace-packages=true\n");
    let api = r#"{"name": "api", "dependencies": {"@acme/http": "*", "lk-third-a": "^1.0.0"}}"#;
    sandbox.write("api/package.json", api);
    let line = ["install", "--lockfile-only", "--ignore-scripts"];
    let ran = finish(by(sandbox, "pnpm", programs).args(line));
    assert_eq!(ran.code, Some(0), "{ran:?}");
}

/// Installs a version of pnpm; returns the directory of the program.
fn pnpm_tools(version: &str) -> PathBuf {
    let programs = npm_tools(&[&format!("pnpm@{version}")]);
    // From pnpm 12 on, it is in a package for the platform, from where a script would link it.
    let scope = fs::read_dir(programs.join("../@pnpm")).into_iter().flatten();
    let native = scope.map(|entry| entry.unwrap().path()).find(|path| path.join("pnpm").exists());
    native.unwrap_or(programs)
}

/// A program with a version of pnpm first in PATH.
fn by(sandbox: &Sandbox, program: &str, programs: &std::path::Path) -> Command {
    let path = std::env::var_os("PATH").unwrap();
    let path = [programs.to_owned()].into_iter().chain(std::env::split_paths(&path));
    let path = std::env::join_paths(path).unwrap();
    // Published a moment ago.
    let age = ("PNPM_CONFIG_MINIMUM_RELEASE_AGE", "0");
    let mut command = sandbox.command(if program == "pnpm" {
        programs.join("pnpm")
    } else {
        PathBuf::from(program)
    });
    command.env("PATH", path).envs([age, ("PNPM_CONFIG_PM_ON_FAIL", "ignore")]);
    command.env("npm_config_manage_package_manager_versions", "false");
    command
}

/// The packages of the registry in a lockfile.
fn locked(text: &str) -> Vec<String> {
    let lines = text.lines().map(|line| line.trim().trim_matches([':', '\'']));
    let mut found: Vec<String> = lines
        .filter(|line| {
            (line.starts_with("@acme/") || line.starts_with("lk-"))
                && line.rfind('@').is_some_and(|at| at > 0)
                && !line.contains(' ')
        })
        .map(str::to_owned)
        .collect();
    found.sort();
    found.dedup();
    found
}

#[test]
#[ignore = "fetches verdaccio and four versions of pnpm from the npm registry; needs Node.js 22"]
fn real_pnpm_makes_a_lockfile_that_stays() {
    let mut texts = Vec::new();
    for version in ["10.6.5", "10.34.9", "11.28.11", "12.21.0"] {
        let programs = pnpm_tools(version);
        let sandbox = Sandbox::unborn();
        let registry = Registry::start(&sandbox);
        registry.publish_all();
        linked(&sandbox, version, &programs);
        registry.publish("lk-third-b", "1.1.0", "");
        registry.publish("lk-third-a", "1.1.0", r#""lk-third-b": "^1.0.0""#);
        let make = |arguments: &[&str]| {
            let ran = finish(by(&sandbox, BAKSTOP, &programs).arg("lockfile").args(arguments));
            assert_eq!(ran.code, Some(0), "{version}: {ran:?}");
            ran
        };
        make(&["api"]);
        let first = read(&sandbox).unwrap();
        let kept =
            ["@acme/http@1.0.0", "@acme/logger@1.0.0", "lk-third-a@1.0.0", "lk-third-b@1.0.0"];
        assert_eq!(locked(&first), kept, "{version}");
        // Without the seed, packages of others move.
        let unseeded = sandbox.outside().join("unseeded");
        fs::create_dir(&unseeded).unwrap();
        fs::copy(sandbox.top.join("api/package.json"), unseeded.join("package.json")).unwrap();
        let mut pnpm = by(&sandbox, "pnpm", &programs);
        let ran = finish(pnpm.args(["install", "--lockfile-only"]).current_dir(&unseeded));
        assert_eq!(ran.code, Some(0), "{version}: {ran:?}");
        let text = fs::read_to_string(unseeded.join("pnpm-lock.yaml")).unwrap();
        let moved =
            ["@acme/http@1.0.0", "@acme/logger@1.0.0", "lk-third-a@1.1.0", "lk-third-b@1.1.0"];
        assert_eq!(locked(&text), moved, "{version}");
        // A publication changes nothing, until it is asked for.
        registry.publish("@acme/logger", "1.0.1", r#""ms": "^2.1.0""#);
        registry.publish("lk-third-b", "1.2.0", "");
        make(&[]);
        assert_eq!(read(&sandbox).unwrap(), first, "{version}");
        let fresh = |more: &[(&str, &str)]| {
            let mut bakstop = by(&sandbox, BAKSTOP, &programs);
            bakstop.envs(more.iter().copied()).args(["lockfile", "--check", "--fresh"]);
            let ran = finish(&mut bakstop);
            assert_eq!(ran.code, Some(0), "{version}: {ran:?}");
            ran.out
        };
        let today = fresh(&[]);
        assert!(today.contains("made again today, it has the same bytes\n"), "{version}: {today}");
        let said = "`--update` moves @acme/logger 1.0.0 to 1.0.1\n";
        assert!(today.contains(said), "{version}: {today}");
        // What pnpm has kept of the registry is no answer.
        let npmrc = fs::read_to_string(&registry.npm).unwrap();
        fs::write(sandbox.home().join(".npmrc"), "registry=http://127.0.0.1:9/\n").unwrap();
        let retries = ["npm_config_fetch_retries", "pnpm_config_fetch_retries"];
        let today = fresh(&retries.map(|name| (name, "0")));
        let is_unknown = ["what `--update` moves is unknown:\n", "pnpm made none today:\n"];
        assert!(is_unknown.iter().any(|text| today.contains(text)), "{version}: {today}");
        assert_eq!(read(&sandbox).unwrap(), first, "{version}");
        fs::write(sandbox.home().join(".npmrc"), npmrc).unwrap();
        make(&["--update"]);
        let updated =
            ["@acme/http@1.0.0", "@acme/logger@1.0.1", "lk-third-a@1.0.0", "lk-third-b@1.0.0"];
        assert_eq!(locked(&read(&sandbox).unwrap()), updated, "{version}");
        texts.push(first.lines().filter(|line| !line.contains("integrity")).collect::<String>());
    }
    texts.dedup();
    assert_eq!(texts.len(), 1, "the versions agree");
}

/// A patch that adds a file to a package.
const PATCH: &str = "diff --git a/added.js b/added.js\nnew file mode 100644\n\
                     index 0000000..e69de29\n--- /dev/null\n+++ b/added.js\n\
                     @@ -0,0 +1 @@\n+module.exports = 1\n";

#[test]
#[ignore = "fetches verdaccio and four versions of pnpm from the npm registry; needs Node.js 22"]
fn real_pnpm_installs_what_a_flat_lockfile_with_patches_has() {
    for version in ["10.6.5", "10.34.9", "11.28.11", "12.21.0"] {
        let programs = pnpm_tools(version);
        let sandbox = Sandbox::unborn();
        let registry = Registry::start(&sandbox);
        registry.publish_all();
        linked(&sandbox, version, &programs);
        sandbox.write("patches/lk-third-a.patch", PATCH);
        let settings = "packages:\n  - api\n  - ../plat/packages/*\npatchedDependencies:\n  \
                        lk-third-a: patches/lk-third-a.patch\n";
        sandbox.write("pnpm-workspace.yaml", settings);
        let run = |program: &str, directory: &std::path::Path, arguments: &[&str]| {
            let mut command = by(&sandbox, program, &programs);
            // As in an image.
            for name in ["PNPM_CONFIG_MINIMUM_RELEASE_AGE", "PNPM_CONFIG_PM_ON_FAIL"] {
                command.env_remove(name);
            }
            finish(command.args(arguments).current_dir(directory))
        };
        let bakstop = |arguments: &[&str]| run(BAKSTOP, &sandbox.top, arguments);
        if !version.starts_with("10.") {
            // Everything was published a moment ago.
            let ran = bakstop(&["lockfile", "--layout", "flat"]);
            assert_ne!(ran.code, Some(0), "{version}: {ran:?}");
            assert!(!sandbox.top.join("pnpm-lock.docker.yaml").exists(), "{version}");
        }
        let excluded =
            format!("{settings}minimumReleaseAgeExclude:\n  - '@acme/*'\n  - lk-*\n  - ms\n");
        // This registry has no pnpm, which pnpm 12 would record.
        sandbox.write("pnpm-workspace.yaml", format!("{excluded}pmOnFail: ignore\n"));
        let ran = bakstop(&["lockfile", "--layout", "flat"]);
        assert_eq!(ran.code, Some(0), "{version}: {ran:?}");
        let made = fs::read_to_string(sandbox.top.join("pnpm-lock.docker.yaml")).unwrap();
        assert!(made.contains("patchedDependencies:\n  lk-third-a:"), "{version}: {made}");
        assert_eq!(bakstop(&["lockfile", "--check"]).code, Some(0), "{version}");

        // Without the sibling beside it.
        let image = sandbox.outside().join("builds/image");
        for path in
            ["package.json", "pnpm-workspace.yaml", "api/package.json", "patches/lk-third-a.patch"]
        {
            fs::create_dir_all(image.join(path).parent().unwrap()).unwrap();
            fs::copy(sandbox.top.join(path), image.join(path)).unwrap();
        }
        fs::write(image.join("pnpm-lock.yaml"), &made).unwrap();
        let ran = run("pnpm", &image, &["install", "--frozen-lockfile", "--ignore-scripts"]);
        assert_eq!(ran.code, Some(0), "{version}: {ran:?}");
        assert_eq!(fs::read_to_string(image.join("pnpm-lock.yaml")).unwrap(), made, "{version}");
        for path in ["lk-third-a/added.js", "@acme/http/package.json"] {
            assert!(image.join("api/node_modules").join(path).exists(), "{version}: {path}");
        }
        // Without the setting, pnpm 12 refuses this lockfile, and so does bakstop.
        sandbox.write("pnpm-workspace.yaml", &excluded);
        fs::write(image.join("pnpm-workspace.yaml"), &excluded).unwrap();
        let refused = version.starts_with("12.");
        let ran = run("pnpm", &image, &["install", "--frozen-lockfile", "--ignore-scripts"]);
        assert_eq!(ran.code != Some(0), refused, "{version}: {ran:?}");
        let ran = bakstop(&["lockfile", "--check"]);
        assert_eq!(ran.code, Some(i32::from(refused)), "{version}: {ran:?}");
    }
}
