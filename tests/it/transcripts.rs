//! Runs every console block of README.md, docs/ and tests/cmd/, and compares the output.
//!
//! Each file gets a fresh workspace, in which its blocks run in order. `TRYCMD=overwrite` rewrites
//! the blocks.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::{BAKSTOP, Sandbox};

/// The build in the page about builds.
const DOCKERFILE: &str = "\
FROM node:22-alpine
WORKDIR /app
RUN corepack enable
COPY package.json pnpm-lock.yaml pnpm-workspace.yaml ./
COPY backend ./backend
RUN --mount=type=cache,target=/root/.local/share/pnpm/store pnpm install --frozen-lockfile
HEALTHCHECK CMD wget -q --spider http://localhost:8080/health
";

#[test]
fn the_transcripts_in_the_documentation_are_correct() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files: Vec<PathBuf> = ["README.md", "docs/*.md", "docs/rules/*.md", "tests/cmd/*.trycmd"]
        .into_iter()
        .flat_map(|pattern| files(root, pattern))
        .filter(|path| fs::read_to_string(path).unwrap().contains("```console"))
        .collect();
    assert!(files.len() > 1, "the documentation is found: {files:?}");
    for file in files {
        run(&file, &root.join("tests/cmd/docker-prep.sh"));
    }
}

fn run(file: &Path, docker_prep: &Path) {
    let sandbox = Sandbox::workspace();
    fs::create_dir(sandbox.top.join("scripts")).unwrap();
    fs::copy(docker_prep, sandbox.top.join("scripts/docker-prep.sh")).unwrap();
    if file.ends_with("docs/doctor.md") {
        sandbox.write("Dockerfile", DOCKERFILE);
        sandbox.write(".dockerignore", "node_modules\ndist\n*-lock.*\n");
    }
    sandbox.commit_all("Add the preparation script");

    // trycmd runs `NAME.md` in the directory `NAME.in` next to it.
    let copy = sandbox.outside().join(file.file_name().unwrap());
    fs::copy(file, &copy).unwrap();
    let directory = copy.with_extension("in");
    fs::rename(&sandbox.top, &directory).unwrap();

    // Installed in the usual place: the documentation has no warning about a program in a build
    // directory. A link, because a copy that this process has just written may still be busy
    // (ETXTBSY).
    let bakstop = sandbox.home().join(".local/bin/bakstop");
    fs::create_dir_all(bakstop.parent().unwrap()).unwrap();
    std::os::unix::fs::symlink(BAKSTOP, &bakstop).unwrap();

    let cases = trycmd::TestCases::new();
    cases.register_bin("bakstop", &bakstop);
    cases.register_bin("git", find_program("git"));
    cases.register_bin("rm", find_program("rm"));
    cases.register_bin("scripts/docker-prep.sh", docker_prep);
    cases.insert_var("[BAKSTOP]", bakstop.to_str().unwrap().to_owned()).unwrap();
    for (name, value) in sandbox.environment() {
        cases.env(name, value.to_str().unwrap());
    }
    cases.case(&copy);
    cases.run();
    if std::env::var_os("TRYCMD").is_some_and(|mode| mode == "overwrite") {
        fs::copy(&copy, file).unwrap();
    }
}

/// The files of `DIR/*ENDING`, sorted, or the file with this name.
fn files(root: &Path, pattern: &str) -> Vec<PathBuf> {
    let Some((directory, ending)) = pattern.split_once('*') else {
        return vec![root.join(pattern)];
    };
    let mut files: Vec<PathBuf> = fs::read_dir(root.join(directory))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_str().unwrap().ends_with(ending))
        .collect();
    files.sort();
    files
}

fn find_program(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap();
    std::env::split_paths(&path)
        .map(|directory| directory.join(name))
        .find(|path| path.is_file())
        .unwrap()
}
