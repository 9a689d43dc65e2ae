#!/usr/bin/env python3
"""Builds the same commit on two days, with publications between, and prints what is in the images.

    lockfile.py BAKSTOP [IMAGE]

Needs a running Docker (28 or newer, with buildx), git, node 22, npm, and the pnpm (10 or newer)
that the image has; the image is `localhost/base:1` by default, as image-builder.sh makes it.
Fetches verdaccio from the npm registry: it is the registry of this machine and of the builds, with
a token.
"""

import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

import lab
from lab import commit, expect, run, write

BAKSTOP = pathlib.Path(sys.argv[1]).resolve()
IMAGE = sys.argv[2] if len(sys.argv) > 2 else "localhost/base:1"
PROJECT = "bakstop-lockfile"
PNPM = subprocess.check_output(["pnpm", "--version"], text=True).strip()
# pnpm 11 and newer refuse what was published today, and pnpm 12 asks the registry for itself.
SETTINGS = {"PNPM_CONFIG_MINIMUM_RELEASE_AGE": "0", "PNPM_CONFIG_PM_ON_FAIL": "ignore",
            "npm_config_manage_package_manager_versions": "false"}
os.environ.update(SETTINGS)
START = """FROM {image}
ENV {settings}
ARG REGISTRY_TOKEN
WORKDIR /app
COPY .npmrc.docker /root/.npmrc
COPY backend/package.json ./package.json
"""
LOCKED = """COPY backend/pnpm-lock.docker.yaml ./pnpm-lock.yaml
RUN pnpm install --ignore-scripts --frozen-lockfile
"""
UNLOCKED = "RUN pnpm install --ignore-scripts --lockfile=false\n"
END = """COPY backend/main.js ./
RUN node main.js >said
"""
LOCKFILE = "backend/pnpm-lock.docker.yaml"


class Registry:
    """verdaccio on the loopback interface, which needs a token for everything."""

    def __init__(self, room):
        self.room = room
        # Without this, its install fails: a package that it needs was withdrawn.
        manifest = {"private": True, "overrides": {"node-fetch": "2.7.0"}}
        write(room / "tool/package.json", manifest)
        run("npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "verdaccio@6.8.0",
            cwd=room / "tool")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        write(room / "config.yaml",
              "storage: ./storage\nauth: {htpasswd: {file: ./htpasswd}}\npackages:\n"
              "  '**': {access: $authenticated, publish: $authenticated}\n")
        with open(room / "log", "w", encoding="utf-8") as log:
            self.server = subprocess.Popen(
                [room / "tool/node_modules/.bin/verdaccio", "-c", "config.yaml",
                 "-l", f"127.0.0.1:{self.port}"],
                cwd=room, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )
        self.token = self.sign_up()

    def sign_up(self):
        user = {"name": "a", "password": "secret-of-a"}
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/-/user/org.couchdb.user:a", json.dumps(user).encode(),
            {"content-type": "application/json"}, method="PUT",
        )
        for _ in range(300):
            try:
                with urllib.request.urlopen(request, timeout=10) as answer:
                    return json.load(answer)["token"]
            except urllib.error.URLError:
                time.sleep(0.1)
        sys.exit(f"verdaccio does not answer:\n{(self.room / 'log').read_text()}")

    def npmrc(self, token):
        return (f"registry=http://127.0.0.1:{self.port}/\n"
                f"//127.0.0.1:{self.port}/:_authToken={token}\n")

    def publish(self, name, version, **needs):
        with tempfile.TemporaryDirectory() as package:
            dependencies = {other.replace("acme_", "@acme/").replace("_", "-"): spec
                            for other, spec in needs.items()}
            write(pathlib.Path(package) / "package.json",
                  {"name": name, "version": version, "dependencies": dependencies})
            write(pathlib.Path(package) / "index.js", f"module.exports = '{name} {version}'\n")
            run("npm", "publish", "--loglevel", "error", cwd=package)


def make_repositories(room, registry):
    """A product that links the packages of a sibling, with the lockfile of its workspace."""
    plat, product = room / "plat", room / "product"
    for name, needs in (("logger", {}), ("http", {"@acme/logger": "workspace:*"})):
        write(plat / "packages" / name / "package.json",
              {"name": f"@acme/{name}", "version": "1.0.0", "dependencies": needs})
    write(product / "package.json",
          {"name": "shop", "private": True, "packageManager": f"pnpm@{PNPM}"})
    write(product / "pnpm-workspace.yaml",
          "packages:\n  - backend\n  - ../plat/packages/*\nlinkWorkspacePackages: true\n")
    write(product / ".npmrc", "link-workspace-packages=true\n")
    write(product / ".npmrc.docker", registry.npmrc("${REGISTRY_TOKEN}"))
    write(product / ".gitignore", "node_modules/\n")
    write(product / "backend/package.json",
          {"name": "backend", "private": True, "packageManager": f"pnpm@{PNPM}",
           "dependencies": {"@acme/http": "*", "third-a": "^1.0.0"}})
    write(product / "backend/main.js",
          "console.log(require('@acme/http') + ', ' + require('third-a'))\n")
    settings = " ".join(f"{name}={value}" for name, value in SETTINGS.items())
    start = START.format(image=IMAGE, settings=settings)
    write(product / "Dockerfile", start + LOCKED + END)
    write(product / "unlocked/Dockerfile", start + UNLOCKED + END)
    run("git", "init", "-q", cwd=product)
    run("pnpm", "install", "--lockfile-only", "--ignore-scripts", cwd=product)
    return product


def image(product, dockerfile):
    """The packages that a cold build installs, or the end of its output if it fails."""
    tag = f"{PROJECT}-{dockerfile.replace('/', '-').lower()}"
    start = time.monotonic()
    ran = run("docker", "build", "--progress", "plain", "--no-cache", "--network", "host",
              "--build-arg", "REGISTRY_TOKEN", "-t", tag, "-f", dockerfile, ".", cwd=product,
              check=False)
    seconds = time.monotonic() - start
    if ran.returncode != 0:
        return seconds, ran.stdout[-3000:]
    listed = run("docker", "run", "--rm", "--network", "none", tag, "ls", "node_modules/.pnpm",
                 cwd=product).stdout.split()
    return seconds, sorted(name.replace("+", "/") for name in listed if "@" in name)


def locked(product):
    """The packages in the lockfile of the image."""
    text = (product / LOCKFILE).read_text()
    packages = text.partition("\npackages:\n")[2].partition("\nsnapshots:\n")[0]
    return sorted(re.findall(r"^  '?([^\s':]+)'?:$", packages, re.M))


def day(product, title):
    """The packages of both images."""
    found = []
    for name, dockerfile in (("locked", "Dockerfile"), ("--lockfile=false", "unlocked/Dockerfile")):
        seconds, packages = image(product, dockerfile)
        print(f"{title}, {name}: {seconds:.1f} s\n    {packages}", flush=True)
        expect("it is built", isinstance(packages, list))
        found.append(packages)
    return found


def drift(product):
    """A manifest that changed without the lockfile."""
    path = product / "backend/package.json"
    as_it_was = path.read_text()
    path.write_text(as_it_was.replace("^1.0.0", "^1.1.0"))
    run("git", "add", "-A", cwd=product)
    for arguments in (("lockfile", "--check"), ("check",)):
        start = time.monotonic()
        ran = run(BAKSTOP, *arguments, cwd=product, check=False)
        print(f"drift, bakstop {' '.join(arguments)}: {time.monotonic() - start:.3f} s", flush=True)
        is_found = ran.returncode == 1 and "stale-docker-lockfile" in ran.stdout
        expect("it is found", is_found, ran.stdout)
    seconds, said = image(product, "Dockerfile")
    print(f"drift, docker build: {seconds:.1f} s", flush=True)
    expect("the build fails", "ERR_PNPM_OUTDATED_LOCKFILE" in said, said)
    path.write_text(as_it_was)
    run("git", "add", "-A", cwd=product)
    expect("without it, the lockfile fits",
           run(BAKSTOP, "lockfile", "--check", cwd=product, check=False).returncode == 0)


def main():
    with tempfile.TemporaryDirectory() as directory:
        room = pathlib.Path(directory)
        registry = Registry(room / "registry")
        try:
            os.environ["REGISTRY_TOKEN"] = registry.token
            os.environ["NPM_CONFIG_USERCONFIG"] = str(room / "npmrc")
            write(room / "npmrc", registry.npmrc(registry.token))
            two_days(room, registry)
        finally:
            registry.server.kill()
            registry.server.wait()
            images = [f"{PROJECT}-dockerfile", f"{PROJECT}-unlocked-dockerfile"]
            lab.remove_images(*images)
    lab.end()


def two_days(room, registry):
    registry.publish("third-b", "1.0.0")
    registry.publish("third-a", "1.0.0", third_b="^1.0.0")
    registry.publish("@acme/logger", "1.0.0")
    registry.publish("@acme/http", "1.0.0", acme_logger="*")
    product = make_repositories(room, registry)
    registry.publish("third-b", "1.1.0")
    run(BAKSTOP, "lockfile", "backend", cwd=product)
    commit(product, "Start")
    lockfile = (product / LOCKFILE).read_bytes()
    print(f"pnpm {PNPM}, {IMAGE}; in the lockfile:\n    {locked(product)}", flush=True)
    day1 = day(product, "day 1")
    registry.publish("third-b", "1.2.0")
    registry.publish("third-a", "1.1.0", third_b="^1.0.0")
    registry.publish("@acme/http", "1.0.1", acme_logger="*")
    day2 = day(product, "day 2")
    expect("the locked images have the same packages", day1[0] == day2[0])
    expect("those of the lockfile", day2[0] == locked(product))
    expect("the others differ", day1[1] != day2[1])
    drift(product)
    ran = run(BAKSTOP, "lockfile", cwd=product)
    expect("made again, it is the same", (product / LOCKFILE).read_bytes() == lockfile, ran.stdout)
    dirty = run("git", "status", "--porcelain", cwd=product).stdout
    expect("git status is empty", not dirty, dirty)
    run(BAKSTOP, "lockfile", "--update", cwd=product)
    expect("--update moves the linked package alone",
           "@acme/http@1.0.1" in locked(product) and "third-a@1.0.0" in locked(product),
           locked(product))


if __name__ == "__main__":
    main()
