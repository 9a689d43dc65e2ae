#!/usr/bin/env python3
"""Records real builds with `bakstop verify --record` and `bakstop measure`, and shows them with
`bakstop trend`.

    measure.py BAKSTOP

Needs a running Docker (with buildx 0.20 or newer, and compose), git and busybox, of which it makes
the base image. Prints a line for each case, and exits with 1 if one is wrong.
"""

import json
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

BASE, PROJECT = "localhost/bakstop-measure:1", "bakstop-measure"
DOCKERFILE = f"""FROM {BASE} AS deps
WORKDIR /app
COPY package.json ./
RUN --mount=type=cache,id=bakstop-measure,target=/store ls /store | wc -l >/seen && touch /store/a
FROM deps AS builder
COPY src ./src
RUN sh src/build.sh
FROM {BASE}
COPY --from=builder /app/out /out
COPY --from=deps /seen /seen
"""
COLD = ["--no-cache", "--build-arg", "BUILDKIT_CACHE_MOUNT_NS=bakstop-cold"]
COMPOSE = ["docker", "compose", "--progress", "plain", "-p", PROJECT, "build"]
BUILDX = ["docker", "buildx", "build", "--progress", "plain", "-t", f"{PROJECT}-web", "web"]
# What buildx 0.13 prints for `history ls --builder default --format json`.
OLD_BUILDX = """#!/bin/sh
case "$*" in *history*) echo 'unknown flag: --format' >&2; exit 125 ;; esac
exec "{real}" "$@"
"""


def run(*command, **options):
    return subprocess.run(command, check=True, capture_output=True, text=True, **options).stdout


def make_base(room):
    """An image with the busybox of this machine and its libraries."""
    root = room / "base"
    (root / "bin").mkdir(parents=True)
    (root / "tmp").mkdir()
    busybox = shutil.which("busybox")
    shutil.copy(busybox, root / "bin/busybox")
    libraries = subprocess.run(["ldd", busybox], capture_output=True, text=True).stdout
    for library in re.findall(r"/\S+", libraries):
        (root / library[1:]).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(library, root / library[1:])
    for applet in ("sh", "ls", "wc", "touch", "sleep", "echo", "cat"):
        (root / "bin" / applet).symlink_to("busybox")
    tar = subprocess.Popen(["tar", "-C", root, "-c", "."], stdout=subprocess.PIPE)
    run("docker", "import", "-", BASE, stdin=tar.stdout)


class Lab:
    def __init__(self, bakstop, room, name):
        self.bakstop, self.top = bakstop, room / name
        self.record, self.wrong = room / "builds.jsonl", 0
        self.environment = os.environ | {"NO_COLOR": "1"}
        services = {}
        for service in ("backend", "web"):
            self.write(f"{service}/Dockerfile", DOCKERFILE)
            self.write(f"{service}/package.json", json.dumps({"name": service}))
            self.write(f"{service}/src/build.sh", f"# {name}\nsleep 1; echo {service} >out\n")
            services[service] = {"build": {"context": service, "network": "none"}}
        self.write("tools/other.py", "print()\n")
        self.write("compose.yaml", json.dumps({"services": services}))
        for command in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "Start"]):
            run("git", "-c", "user.name=t", "-c", "user.email=t@example.org", *command,
                cwd=self.top)

    def write(self, path, text):
        (self.top / path).parent.mkdir(parents=True, exist_ok=True)
        (self.top / path).write_text(text)

    def expect(self, case, expected, actual):
        verdict = "ok   " if expected == actual else "WRONG"
        self.wrong += expected != actual
        print(f"{verdict} {case}", flush=True)
        if expected != actual:
            print(f"expected {expected}\nbut got  {actual}", flush=True)

    def verify(self, label, command, options=(), interrupt=None, environment=None):
        """Runs a build; returns its exit code and its line. What the user sees must be what the
        build prints, byte for byte: it prints to `tee`, which keeps a copy."""
        copies = [self.record.parent / name for name in ("out", "err")]
        script = '"$@" > >(tee "$OUT") 2> >(tee "$ERR" >&2); code=$?; wait; exit $code'
        words = [self.bakstop, "verify", "--record", str(self.record), "--label", label, *options]
        process = subprocess.Popen(
            [*words, "--", "bash", "-c", script, "bash", *command], cwd=self.top,
            env=(environment or self.environment) | {"OUT": copies[0], "ERR": copies[1]},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            start_new_session=True,
        )
        if interrupt:
            time.sleep(interrupt)
            process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=300)
        if process.returncode == 0 and not options:
            printed = [copy.read_bytes() for copy in copies]
            self.expect(f"{label}: the output is that of the build", printed, [out, err])
        line = json.loads(self.record.read_text().splitlines()[-1])
        return process.returncode, line, (out + err).decode()

    def measure(self, options, command):
        """Returns the exit code, both streams, and the new lines of the record."""
        before = len(self.lines())
        words = [self.bakstop, "measure", "--record", str(self.record), *options, "--", *command]
        ran = subprocess.run(words, cwd=self.top, env=self.environment, capture_output=True,
                             text=True, timeout=600)
        return ran.returncode, ran.stdout + ran.stderr, self.lines()[before:]

    def lines(self):
        text = self.record.read_text() if self.record.exists() else ""
        return [json.loads(line) for line in text.splitlines()]

    def state(self, path):
        """A file with its times and mode, and what git says of the tree."""
        about = (self.top / path).stat()
        status = run("git", "status", "--porcelain", cwd=self.top)
        return ((self.top / path).read_bytes(), about.st_ino, about.st_mode, about.st_mtime_ns,
                status)

    def shares(self, line):
        """`target: cached/RUN steps, status` for each build."""
        builds = line["builds"]
        if builds is None:
            return line["no_builds"]
        return [
            f"{build['target']}: {build['run_cached']}/{build['run']}, {build['status']}"
            for build in builds
        ]


def touch(lab, service):
    lab.write(f"{service}/src/build.sh", f"# {time.time_ns()}\nsleep 1; echo {service} >out\n")


def cached_and_not(lab):
    code, line, _ = lab.verify("cold", [*COMPOSE, *COLD])
    lab.expect("cold, two services", (0, ["backend", "web"]),
               (code, [build["target"] for build in line["builds"]]))
    lab.expect("cold: no RUN step is cached in both", True,
               all(build["run"] == 2 for build in line["builds"]))
    lab.verify("first", COMPOSE)
    code, line, _ = lab.verify("no-op", COMPOSE)
    lab.expect("no-op", (0, ["backend: 2/2, completed", "web: 2/2, completed"]),
               (code, lab.shares(line)))
    touch(lab, "backend")
    code, line, _ = lab.verify("touched", COMPOSE)
    lab.expect("touched", (0, ["backend: 1/2, completed", "web: 2/2, completed"]),
               (code, lab.shares(line)))
    lab.expect("touched: the slowest step", "RUN sh src/build.sh",
               line["builds"][0]["slowest"][0]["step"].split("] ")[1])
    lab.verify("first", BUILDX)
    touch(lab, "web")
    code, line, _ = lab.verify("buildx", BUILDX)
    lab.expect("buildx build", (0, ["default: 1/2, completed"]), (code, lab.shares(line)))
    lab.expect("the Dockerfile", "web/Dockerfile", line["builds"][0]["dockerfile"])
    code, _, out = lab.verify("gate", BUILDX, ["--min-cached", "100%"])
    lab.expect("all steps cached", 0, code)
    touch(lab, "web")
    code, _, out = lab.verify("gate", BUILDX, ["--min-cached", "100%"])
    lab.expect("too few steps cached", (1, True), (code, "1 of 2 RUN steps cached" in out))


def broken(lab):
    lab.write("web/src/build.sh", "exit 3\n")
    code, line, _ = lab.verify("failing", COMPOSE, ["--min-cached", "100%"])
    lab.expect("failing", (1, "web: 1/2, failed"), (code, lab.shares(line)[-1]))
    lab.write("web/src/build.sh", f"# {time.time_ns()}\nsleep 60\n")
    code, line, _ = lab.verify("canceled", BUILDX, interrupt=4)
    lab.expect("canceled", (True, ["default: 1/2, canceled"]), (code != 0, lab.shares(line)))
    touch(lab, "web")


def other_builds(lab, other):
    """Another clone builds at the same time."""
    touch(other, "web")
    thread = threading.Thread(target=run, args=COMPOSE, kwargs={"cwd": other.top})
    thread.start()
    touch(lab, "backend")
    _, line, _ = lab.verify("other", [*COMPOSE, "backend"])
    thread.join()
    lab.expect("another clone at the same time", ["backend: 1/2, completed"], lab.shares(line))


def without_answers(lab, room):
    code, line, _ = lab.verify("none", ["true"])
    lab.expect("no build", (0, "buildx noted no build of this work tree"), (code, lab.shares(line)))
    plugins = json.loads(run("docker", "info", "--format", "{{json .ClientInfo.Plugins}}"))
    (real,) = (plugin["Path"] for plugin in plugins if plugin["Name"] == "buildx")
    config = room / "old"
    (config / "cli-plugins").mkdir(parents=True)
    plugin = config / "cli-plugins/docker-buildx"
    plugin.write_text(OLD_BUILDX.format(real=real))
    plugin.chmod(0o755)
    code, line, _ = lab.verify("old", BUILDX,
                               environment=lab.environment | {"DOCKER_CONFIG": str(config)})
    lab.expect("an old buildx", (0, "`docker buildx history` is missing: it needs buildx 0.20"),
               (code, lab.shares(line)))
    programs = room / "programs"
    programs.mkdir()
    for program in ("git", "bash", "tee"):
        (programs / program).symlink_to(shutil.which(program))
    code, line, _ = lab.verify("none", ["true"],
                               environment=lab.environment | {"PATH": str(programs)})
    lab.expect("no docker", (0, "there is no docker in PATH"), (code, lab.shares(line)))


def cold_leaves_mounts(lab):
    """A cold build sees an empty cache mount, and leaves the shared one as it was."""
    mount = "RUN --mount=type=cache,id=bakstop-mount,target=/store"
    lab.write("mount/Dockerfile", f"FROM {BASE}\nARG WHEN\n"
              f"{mount} echo seen $(ls /store | wc -l); touch /store/$WHEN\n")

    def seen(*options):
        words = ["docker", "build", "--progress", "plain", "--build-arg", f"WHEN={time.time_ns()}"]
        built = subprocess.run([*words, *options, "mount"], cwd=lab.top, check=True,
                               capture_output=True, text=True)
        return int(re.search(r" seen (\d+)\n", built.stderr).group(1))

    first = seen()
    lab.expect("the shared mount keeps its files", first + 1, seen())
    lab.expect("a cold build sees none", [0, 0], [seen(*COLD), seen(*COLD)])
    lab.expect("the shared mount is as it was", first + 2, seen())
    words = ["docker", "build", "--progress", "plain", "--build-arg", "WHEN=cold", "mount"]
    code, out, _ = lab.measure(["--cold", "--runs", "2"], words)
    lab.expect("measure --cold sees none", (0, ["0", "0"]),
               (code, re.findall(r" seen (\d+)\n", out)))
    lab.expect("the shared mount is as it was", first + 3, seen())


def measured(lab):
    """Builds after an edit, that reach the image or not; and without any cache."""
    source, label = "web/src/build.sh", ["--label", "shop/web warm"]
    lab.verify("first", [*COMPOSE, "web"])
    before = lab.state(source)
    code, out, lines = lab.measure(["--touch", source, *label], [*COMPOSE, "web"])
    lab.expect("measure --touch", (0, [["web: 1/2, completed"]] * 3),
               (code, [lab.shares(line) for line in lines]))
    lab.expect("its protocol", [{"touched": [source], "cold": False}] * 3,
               [line["protocol"] for line in lines])
    lab.expect("its tree", ["unchanged"] * 3, [line["tree"] for line in lines])
    lab.expect("the file is as before", before, lab.state(source))
    for share, expected in (("1/2", 0), ("2/2", 1)):
        options = ["--touch", source, "--runs", "1", "--min-cached", share]
        code, out, _ = lab.measure(options, [*COMPOSE, "web"])
        lab.expect(f"measure --min-cached {share}", expected, code)
    code, out, lines = lab.measure(["--touch", "tools/other.py"], [*COMPOSE, "web"])
    lab.expect("a file outside of the image", (1, True, 1),
               (code, "no RUN step ran after the edit" in out, len(lines)))
    code, out, lines = lab.measure(["--cold", "--runs", "2", "--label", "shop/web cold"],
                                   [*COMPOSE, "web"])
    lab.expect("measure --cold", (0, [["web: 0/2, completed"]] * 2),
               (code, [lab.shares(line) for line in lines]))
    lab.expect("its protocol", [{"touched": [], "cold": True}] * 2,
               [line["protocol"] for line in lines])
    lab.write(source, "# broken\nexit 3\n")
    code, out, _ = lab.measure(["--touch", source], [*COMPOSE, "web"])
    lab.expect("an edited file is refused", (2, True), (code, "not as it is committed" in out))
    run("git", "restore", source, cwd=lab.top)


def killed(lab, times):
    """What a kill at any moment leaves, `restore` takes back."""
    source, left = "web/src/build.sh", 0
    before = lab.state(source)
    words = [lab.bakstop, "measure", "--touch", source, "--", "sleep", "0.05"]
    warning = "has a comment of `bakstop measure`, which was killed"
    for _ in range(times):
        process = subprocess.Popen(words, cwd=lab.top, env=lab.environment,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(random.uniform(0, 0.8))
        process.kill()
        process.wait()
        content = (lab.top / source).read_bytes()
        touched = content != before[0]
        left += touched
        status = subprocess.run([lab.bakstop, "status"], cwd=lab.top, capture_output=True,
                                text=True)
        told = status.stderr.startswith(f"bakstop: {source} {warning}")
        restored = subprocess.run([lab.bakstop, "restore"], cwd=lab.top, capture_output=True)
        if (touched and not told) or restored.returncode or lab.state(source) != before \
                or not content.startswith(before[0]):
            lab.expect("killed", (touched, 0, before), (told, restored, lab.state(source)))
    lab.expect(f"killed {times} times, {left} left a comment", True, 0 < left < times)


def main():
    bakstop = str(pathlib.Path(sys.argv[1]).resolve())
    with tempfile.TemporaryDirectory() as room:
        room = pathlib.Path(room).resolve()
        make_base(room)
        lab, other = Lab(bakstop, room, "shop"), Lab(bakstop, room, "other")
        cached_and_not(lab)
        broken(lab)
        other_builds(lab, other)
        without_answers(lab, room)
        cold_leaves_mounts(lab)
        again = Lab(bakstop, room, "again")
        measured(again)
        killed(again, 50)
        for form in ("human", "markdown", "csv", "prometheus", "svg", "json"):
            shown = subprocess.run([bakstop, "trend", lab.record, "--format", form],
                                   capture_output=True, text=True)
            lab.expect(f"trend --format {form}", 0, shown.returncode)
        lines = lab.record.read_text().splitlines()
        print(f"     {len(lines)} lines, {max(map(len, lines))} bytes the longest")
        images = [BASE, PROJECT, *(f"{PROJECT}-{name}" for name in ("backend", "web"))]
        subprocess.run(["docker", "image", "rm", "--force", *images], capture_output=True)
    sys.exit(lab.wrong + again.wrong > 0)


if __name__ == "__main__":
    main()
