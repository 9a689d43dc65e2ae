//! Real repositories for the tests, in an isolated environment.

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::LazyLock;

/// The program under test.
pub(crate) const BAKSTOP: &str = env!("CARGO_BIN_EXE_bakstop");

/// The formats of a report, from the help text, so that the tests of all formats include new ones.
pub(crate) fn formats() -> &'static [String] {
    static FORMATS: LazyLock<Vec<String>> = LazyLock::new(|| {
        let ran = Sandbox::empty().bakstop(&["check", "--format", "none"]);
        let (_, listed) =
            ran.err.split_once("[possible values: ").unwrap_or_else(|| panic!("{ran:?}"));
        listed.split(']').next().unwrap().split(", ").map(str::to_owned).collect()
    });
    &FORMATS
}

/// A temporary directory with a repository and a home.
pub(crate) struct Sandbox {
    root: tempfile::TempDir,
    /// The top of the work tree.
    pub top: PathBuf,
}

/// The exit code and the output of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ran {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Sandbox {
    /// A directory without a repository.
    pub(crate) fn empty() -> Self {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("home")).unwrap();
        let top = root.path().join("shop");
        fs::create_dir(&top).unwrap();
        Self { root, top }
    }

    /// A repository without a commit.
    pub(crate) fn unborn() -> Self {
        let sandbox = Self::empty();
        sandbox.git(&["init", "-q", "-b", "main"]);
        sandbox
    }

    /// A pnpm workspace with one commit.
    pub(crate) fn workspace() -> Self {
        let sandbox = Self::unborn();
        sandbox
            .write(".gitignore", "node_modules/\n*.bak\n.docker-deps/*\n!.docker-deps/.gitkeep\n");
        sandbox.write(
            "package.json",
            "{\n  \"name\": \"shop\",\n  \"packageManager\": \"pnpm@10.6.5\"\n}\n",
        );
        sandbox.write("pnpm-workspace.yaml", "packages:\n  - backend\n  - web\n");
        for name in ["backend", "web"] {
            let manifest = format!(
                r#"{{
  "name": "@shop/{name}",
  "dependencies": {{
    "@acme/ui": "^1.4.0"
  }}
}}
"#
            );
            sandbox.write(format!("{name}/package.json"), &manifest);
            sandbox.write(format!("{name}/index.js"), "export {};\n");
        }
        sandbox.write(".docker-deps/.gitkeep", "");
        sandbox.commit_all("Start");
        sandbox
    }

    /// The same directory, with another work tree in it.
    pub(crate) fn moved_to(mut self, name: &str) -> Self {
        self.top = self.root.path().join(name);
        self
    }

    /// The parent directory of the work tree.
    pub(crate) fn outside(&self) -> &Path {
        self.root.path()
    }

    /// HOME of every command that runs here.
    pub(crate) fn home(&self) -> PathBuf {
        self.root.path().join("home")
    }

    /// Writes a file of the work tree and creates its directories.
    pub(crate) fn write(&self, path: impl AsRef<Path>, text: impl AsRef<[u8]>) {
        let path = self.top.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Rewrites a manifest as docker-prep does. The spec is assembled at run time, so that this
    /// repository passes its own guard.
    pub(crate) fn rewrite(&self, path: &str) {
        let text = fs::read_to_string(self.top.join(path)).unwrap();
        self.write(path, text.replace("^1.4.0", &rewritten_spec()));
    }

    /// Runs git, which must succeed, and returns its output.
    pub(crate) fn git(&self, arguments: &[&str]) -> String {
        let ran = self.try_git(arguments);
        assert_eq!(ran.code, Some(0), "git {arguments:?}: {}{}", ran.out, ran.err);
        ran.out
    }

    /// Stages everything that is not ignored, and commits it.
    pub(crate) fn commit_all(&self, message: &str) {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "-m", message]);
    }

    /// The id of an object.
    pub(crate) fn id(&self, name: &str) -> String {
        self.git(&["rev-parse", name]).trim().to_owned()
    }

    /// Runs git, which may fail.
    pub(crate) fn try_git(&self, arguments: &[&str]) -> Ran {
        self.run("git", arguments)
    }

    /// Runs the program under test at the top of the work tree.
    pub(crate) fn bakstop(&self, arguments: &[&str]) -> Ran {
        self.run(BAKSTOP, arguments)
    }

    /// Runs any program at the top of the work tree.
    pub(crate) fn run(&self, program: impl AsRef<OsStr>, arguments: &[&str]) -> Ran {
        finish(self.command(program).args(arguments))
    }

    /// A command at the top of the work tree, in the environment of the sandbox.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.top).stdin(Stdio::null()).env_clear();
        command.envs(self.environment());
        command
    }

    /// The environment of the sandbox: no configuration of the machine, and a fixed identity and
    /// time.
    pub(crate) fn environment(&self) -> Vec<(&'static str, std::ffi::OsString)> {
        vec![
            ("PATH", path_without_bakstop()),
            ("HOME", self.home().into()),
            ("LC_ALL", "C.UTF-8".into()),
            ("GIT_CONFIG_NOSYSTEM", "1".into()),
            ("GIT_AUTHOR_NAME", "A".into()),
            ("GIT_AUTHOR_EMAIL", "a@example.org".into()),
            ("GIT_COMMITTER_NAME", "A".into()),
            ("GIT_COMMITTER_EMAIL", "a@example.org".into()),
            ("GIT_AUTHOR_DATE", "2026-01-02T03:04:05Z".into()),
            ("GIT_COMMITTER_DATE", "2026-01-02T03:04:05Z".into()),
        ]
    }
}

/// A workspace, and the bare repository that it pushes to: its `origin`, by a path after
/// `transport`. `options` are those of `git init`. Nothing is pushed yet.
pub(crate) fn clone_and_server(options: &[&str], transport: &str) -> (Sandbox, PathBuf) {
    let clone = Sandbox::workspace();
    let server = clone.outside().join("shop.git");
    let init = [&["init", "-q", "--bare"], options, &[server.to_str().unwrap()]].concat();
    clone.git(&init);
    clone.git(&["remote", "add", "origin", &format!("{transport}{}", server.display())]);
    (clone, server)
}

/// PATH without the directories that have an installed bakstop.
pub(crate) fn path_without_bakstop() -> std::ffi::OsString {
    let path = std::env::var_os("PATH").unwrap();
    let others =
        std::env::split_paths(&path).filter(|directory| !directory.join("bakstop").exists());
    std::env::join_paths(others).unwrap()
}

/// Runs a command to its end. A program that a test has just written is busy for a moment, if
/// another thread started a process meanwhile, which has the file open until it executes.
pub(crate) fn finish(command: &mut Command) -> Ran {
    for _ in 0..100 {
        match command.output() {
            Err(error) if error.kind() == std::io::ErrorKind::ExecutableFileBusy => {
                std::thread::sleep(std::time::Duration::from_millis(50));
            }
            ended => return ended.unwrap_or_else(|error| panic!("{command:?}: {error}")).into(),
        }
    }
    panic!("{command:?}: its program is busy")
}

/// Runs a command to its end, with its standard output going to a file.
pub(crate) fn finish_with(command: &mut Command, out: fs::File) -> Ran {
    let child = command.stdout(out).stderr(Stdio::piped()).spawn().unwrap();
    child.wait_with_output().unwrap().into()
}

/// Runs a command to its end with these bytes on its standard input, which it need not read.
pub(crate) fn finish_with_input(command: &mut Command, input: &[u8]) -> Ran {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // A command that does not read may have exited before everything is written.
    let _ = stdin.write_all(input);
    drop(stdin);
    child.wait_with_output().unwrap().into()
}

/// The spec that docker-prep writes.
pub(crate) fn rewritten_spec() -> String {
    format!("file:../{}/acme-ui-1.4.0.tgz", ".docker-deps")
}
