//! The cold form of a build command: without layers of earlier builds, and with cache mounts of its
//! own.
//!
//! `--no-cache` alone empties the cache mounts for good, which may be shared by every repository of
//! the machine. In a namespace of its own, a build sees empty mounts, and the others stay as they
//! are.

/// Options of commands before the name of a subcommand that have a value, as the next word.
const DOCKER: [&str; 10] = [
    "--config",
    "-c",
    "--context",
    "-H",
    "--host",
    "-l",
    "--log-level",
    "--tlscacert",
    "--tlscert",
    "--tlskey",
];
const COMPOSE: [&str; 10] = [
    "-f",
    "--file",
    "-p",
    "--project-name",
    "--profile",
    "--env-file",
    "--project-directory",
    "--progress",
    "--ansi",
    "--parallel",
];
const BUILDX: [&str; 1] = ["--builder"];

/// The same options without a value.
const FLAGS: [&str; 8] = [
    "-D",
    "--debug",
    "--tls",
    "--tlsverify",
    "--compatibility",
    "--all-resources",
    "--verbose",
    "--dry-run",
];

const NO_CACHE: &str = "--no-cache";
const MOUNTS: [&str; 3] = [NO_CACHE, "--build-arg", "BUILDKIT_CACHE_MOUNT_NS=bakstop-cold"];

/// The words to add to a build command so that it is cold, and their position; `None` for a command
/// that is not known.
pub(crate) fn cold_options(command: &[&str]) -> Option<(usize, &'static [&'static str])> {
    let (program, _) = command.split_first()?;
    let name = program.rsplit('/').next()?;
    let after = |start, with_value| subcommand(command, start, with_value);
    let (at, options): (usize, &[&str]) = match name {
        "docker" => {
            let mut at = after(1, &DOCKER)?;
            match command[at] {
                "image" | "builder" => at = after(at + 1, &[])?,
                "buildx" => at = after(at + 1, &BUILDX)?,
                "compose" => at = after(at + 1, &COMPOSE)?,
                _ => {}
            }
            (at, &MOUNTS)
        }
        "docker-compose" => (after(1, &COMPOSE)?, &MOUNTS),
        // They have no such namespace.
        "podman" => {
            let at = after(1, &[])?;
            (if command[at] == "image" { after(at + 1, &[])? } else { at }, &MOUNTS[..1])
        }
        "buildah" => (after(1, &[])?, &MOUNTS[..1]),
        _ => return None,
    };
    let is_build = command[at] == "build" || name == "buildah" && command[at] == "bud";
    is_build.then_some((at + 1, options))
}

/// The position of the first word that is no option.
fn subcommand(command: &[&str], start: usize, with_value: &[&str]) -> Option<usize> {
    let mut at = start;
    loop {
        let word = *command.get(at)?;
        if !word.starts_with('-') {
            return Some(at);
        }
        let (name, is_whole) = match word.split_once('=') {
            Some((name, _)) => (name, true),
            None => (word, false),
        };
        at += match (with_value.contains(&name), is_whole) {
            (true, false) => 2,
            (true, true) => 1,
            (false, _) if FLAGS.contains(&name) => 1,
            // What it means is not known.
            _ => return None,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cold(command: &str) -> Option<String> {
        let mut words: Vec<&str> = command.split(' ').collect();
        let (at, options) = cold_options(&words)?;
        words.splice(at..at, options.iter().copied());
        Some(words.join(" "))
    }

    #[test]
    fn options_stand_behind_the_word_build() {
        let all = MOUNTS.join(" ");
        for (before, after) in [
            ("docker build", " -t x ."),
            ("/usr/bin/docker build", ""),
            ("docker --context far -D image build", " ."),
            ("docker -H=unix:///x buildx --builder b build", " --load ."),
            ("docker builder build", " ."),
            ("docker compose build", " backend"),
            ("docker compose -f a.yaml --profile=x --project-name p build", " --pull web"),
            ("docker-compose -f a.yaml build", ""),
        ] {
            let expected = format!("{before} {all}{after}");
            assert_eq!(cold(&format!("{before}{after}")), Some(expected), "{before}");
        }
        for before in ["podman build", "podman image build", "buildah bud", "buildah build"] {
            assert_eq!(cold(&format!("{before} .")), Some(format!("{before} {NO_CACHE} .")));
        }
    }

    #[test]
    fn other_commands_are_not_known() {
        for command in [
            "make build",
            "docker",
            "docker run build",
            "docker compose up --build",
            "docker --new build",
            "docker compose --new x build",
            "docker -H",
            "docker buildx bake",
            "podman bud",
            "sudo docker build .",
        ] {
            assert_eq!(cold(command), None, "{command}");
        }
    }
}
