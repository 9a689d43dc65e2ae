#!/usr/bin/env python3
"""Builds two services with Docker around `bakstop prep`, and prints seconds and cached steps.

    prep.py BAKSTOP [IMAGE [BUILDAH-ARGUMENT...]]

Needs a running Docker (28 or newer, with buildx and compose), git, node and pnpm 10 or newer, and
an image with node and pnpm 10.5 or newer, `localhost/base:1` by default, as image-builder.sh makes
it. The registry of the scope is a closed port: what is not prepared fails. With arguments for
buildah, such as `bud --isolation chroot --network host`, it builds as well; it must have the image.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

import lab
from lab import Stopwatch, commit, expect, listed, run, write

BAKSTOP = pathlib.Path(sys.argv[1]).resolve()
IMAGE = sys.argv[2] if len(sys.argv) > 2 else "localhost/base:1"
PROJECT = "bakstop-prep"
PNPM = subprocess.check_output(["pnpm", "--version"], text=True).strip()
DOCKERFILE = """FROM {image}
WORKDIR /app/{name}
COPY .npmrc ./
COPY .docker-deps* /app/.docker-deps/
COPY {name}/package.json .docker-dep[s]/tree/{name} ./
RUN pnpm install --lockfile=false --ignore-scripts
COPY {name}/src ./src
RUN node src/main.js >said
"""


def make_product(product):
    write(product / ".gitignore", "node_modules/\n.docker-deps/*\n!.docker-deps/.gitkeep\n")
    write(product / ".docker-deps/.gitkeep", "")
    write(product / ".npmrc", "@acme:registry=http://127.0.0.1:9/\nfetch-retries=0\n")
    write(product / "bakstop.json", {"prep": {"from": "../plat", "build": False}})
    services = {}
    # Another one would be fetched in each build.
    pnpm = run("docker", "run", "--rm", "--network", "none", IMAGE, "pnpm", "--version",
               cwd=product).stdout.strip()
    for name in ("backend", "web"):
        manifest = {"name": name, "private": True, "packageManager": f"pnpm@{pnpm}",
                    "dependencies": {"@acme/http": "workspace:*"}}
        write(product / name / "package.json", manifest)
        write(product / name / "src/main.js", "console.log(require('@acme/http')())\n")
        write(product / name / "Dockerfile", DOCKERFILE.format(image=IMAGE, name=name))
        build = {"context": ".", "dockerfile": f"{name}/Dockerfile", "network": "host"}
        services[name] = {"image": f"{PROJECT}-{name}", "build": build}
    write(product / "compose.yaml", {"name": PROJECT, "services": services})


def build(product, title, *, prepared=True, code=0, says="log one"):
    """A build, and the word that both services say."""
    compose = ["docker", "compose", "--progress", "plain", "build"]
    since = Stopwatch()
    prefix = [BAKSTOP, "prep", "--"] if prepared else []
    ran = run(BAKSTOP, "verify", "--", *prefix, *compose, cwd=product, check=False)
    seconds = str(since)
    steps = len(set(re.findall(r"^(#\d+) \[\S+ +\d+/\d+\]", ran.stdout, re.M)))
    cached = len(re.findall(r"^#\d+ CACHED$", ran.stdout, re.M))
    print(f"{title}: {seconds}, {cached} of {steps} steps cached", flush=True)
    is_expected = (ran.returncode == 0) == (code == 0)
    expect(f"exit code {ran.returncode}", is_expected, ran.stdout)
    for name in ("backend", "web") if code == 0 else ():
        said = run("docker", "run", "--rm", "--network", "none", f"{PROJECT}-{name}", "cat", "said",
                   cwd=product).stdout.strip()
        expect(f"{name} says {said!r}", said == says)
    left = listed(product / ".docker-deps")
    expect("nothing is left", left == [".gitkeep"], left)
    dirty = run("git", "status", "--porcelain", cwd=product).stdout
    expect("git status is empty", not dirty, dirty)


def build_elsewhere(product, title, *command):
    """A prepared build by another builder."""
    for name in ("backend", "web"):
        since = Stopwatch()
        words = [*command, "-t", f"{PROJECT}-other-{name}", "-f", f"{name}/Dockerfile", "."]
        ran = run(BAKSTOP, "prep", "--", *words, cwd=product, check=False)
        print(f"{title}, {name}: {since}", flush=True)
        expect(f"exit code {ran.returncode}", ran.returncode == 0, ran.stdout)
        since = Stopwatch()
        ran = run(*words, cwd=product, check=False)
        print(f"{title}, {name}, not prepared: {since}", flush=True)
        expect(f"exit code {ran.returncode}", ran.returncode != 0, ran.stdout)


def main():
    with tempfile.TemporaryDirectory() as room:
        plat, product = pathlib.Path(room) / "plat", pathlib.Path(room) / "product"
        lab.make_sibling(plat, PNPM, "log one")
        make_product(product)
        # Another file each time, so that no step of an earlier run is cached.
        write(product / ".npmrc", (product / ".npmrc").read_text() + f"# {time.time_ns()}\n")
        commit(plat)
        commit(product)
        try:
            build(product, "cold")
            build(product, "again")
            for path in product.rglob("*"):
                if ".git" not in path.parts and path.is_file():
                    os.utime(path)
            build(product, "the same bytes with new times")
            main_js = product / "backend/src/main.js"
            write(main_js, main_js.read_text() + "// edited\n")
            commit(product, "b")
            build(product, "one source edited")
            lab.say(plat, "log two")
            build(product, "one package changed", says="log two")
            build(product, "not prepared", prepared=False, code=1)
            build(product, "prepared again", says="log two")
            lab.say(plat, "log one")
            build(product, "the package as before")
            os.environ["DOCKER_BUILDKIT"] = "0"
            build_elsewhere(product, "legacy builder", "docker", "build", "--network", "host")
            if shutil.which("buildah") and len(sys.argv) > 3:
                build_elsewhere(product, "buildah", "buildah", *sys.argv[3:])
        finally:
            images = [f"{PROJECT}{other}-{name}" for other in ("", "-other")
                      for name in ("backend", "web")]
            lab.remove_images(*images)
    lab.end()


if __name__ == "__main__":
    main()
