//! Commands of hook managers, run by the real managers: `cargo test -- --ignored real_printed`.

use std::fs;
use std::path::Path;

use crate::printed_commands::{Row, Scene, Take, run};
use crate::real::{npm_tools, pip_tools};
use crate::support::Sandbox;

/// The printed lines, for the configuration of the manager.
fn lines(scene: &Scene) -> String {
    let ran = scene.shell("bakstop install || true");
    let (_, lines) = ran.err.split_once(":\n\n").unwrap_or_else(|| panic!("{ran:?}"));
    let lines = lines.split("\nand then run:").next().unwrap().lines();
    // Before the lines for each further hook.
    lines.filter(|line| !line.starts_with("and this, ")).map(|line| format!("{line}\n")).collect()
}

/// Appends the printed lines.
fn append(scene: &Scene, path: &str) {
    let file = scene.sandbox.top.join(path);
    let text = fs::read_to_string(&file).unwrap();
    scene.sandbox.write(path, format!("{text}{}", lines(scene)));
    // pre-commit refuses one that is not staged, and `prove` takes the index from HEAD.
    scene.sandbox.git(&["commit", "-q", "--no-verify", "-m", "Guard", "--", path]);
}

/// A repository with a manager in PATH, and its configuration.
fn with_manager(programs: &Path, names: &[&str], path: &str, text: &str) -> Scene {
    let sandbox = Sandbox::workspace();
    let bin = sandbox.outside().join("bin");
    fs::create_dir_all(&bin).unwrap();
    for name in names {
        std::os::unix::fs::symlink(programs.join(name), bin.join(name)).unwrap();
    }
    sandbox.write(path, text);
    sandbox.commit_all("Use a manager");
    Scene::at_top(sandbox)
}

/// `status` cannot know whether a manager runs the guard; `prove` tries it.
const INSTALLED: Row = Row {
    question: "bakstop install",
    take: Take::After("and then run: "),
    again: Some("bakstop prove"),
    ..Row::NEW
};

#[test]
#[ignore = "fetches lefthook and simple-git-hooks from the npm registry"]
fn real_printed_npm_managers() {
    run(&[
        Row {
            name: "lefthook",
            scene: || {
                let programs = npm_tools(&["lefthook@2"]);
                with_manager(&programs, &["lefthook"], "lefthook.yml", "colors: false\n")
            },
            by_hand: Some((0, |scene| append(scene, "lefthook.yml"))),
            ..INSTALLED
        },
        Row {
            name: "simple-git-hooks",
            scene: || {
                let programs = npm_tools(&["simple-git-hooks@2"]);
                let file = "simple-git-hooks.json";
                with_manager(&programs, &["simple-git-hooks"], file, "{}\n")
            },
            by_hand: Some((0, |scene| {
                let text = format!("{{\n{}}}\n", lines(scene));
                scene.sandbox.write("simple-git-hooks.json", text);
            })),
            ..INSTALLED
        },
    ]);
}

#[test]
#[ignore = "fetches pre-commit and prek from PyPI"]
fn real_printed_python_managers() {
    const FILE: &str = ".pre-commit-config.yaml";
    const TEXT: &str = "repos:
  - repo: local
    hooks:
      - id: passes
        name: passes
        entry: git status
        language: system
        pass_filenames: false
";
    fn with_hook(name: &'static str) -> Scene {
        // Its hook shows which of the two managers is used.
        let scene = with_manager(&pip_tools(name), &[name], FILE, TEXT);
        assert_eq!(scene.shell(&format!("{name} install")).code, Some(0));
        scene
    }
    let installed = Row { by_hand: Some((0, |scene| append(scene, FILE))), ..INSTALLED };
    run(&[
        Row { name: "pre-commit", scene: || with_hook("pre-commit"), ..installed },
        Row { name: "prek", scene: || with_hook("prek"), ..installed },
    ]);
}
