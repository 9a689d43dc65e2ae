#!/usr/bin/env python3
"""Gate C3 in place: builds images with unmodified Dockerfiles around `bakstop prep --in-place`.

    in_place.py BAKSTOP [NAME...]

For each package manager below, or those that are named: two services are built by
`bakstop verify -- bakstop prep --in-place -- docker compose build`, whose images must have the
packages of the sibling, while the registry of their scope is a closed port. Then the same from an
archive, which has no repository; and in a private mount namespace, which bakstop does not use.

Needs a running Docker (28 or newer, with buildx and compose), git, node, pnpm 10 or newer, unshare,
and an image with node and npm, `localhost/base:1` by default (`BASE=`), as image-builder.sh makes
it. Builds fetch the package managers from the npm registry.
"""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

import lab
from lab import Stopwatch, commit, expect, run, write

BASE = os.environ.get("BASE", "localhost/base:1")
PROJECT = "bakstop-in-place"
SERVICES = ("backend", "web")
# A preparation by a script copies the same: the tarballs, then the manifest.
DOCKERFILE = """FROM {image}
WORKDIR /app/{name}
COPY {settings} ./
COPY .docker-deps* /app/.docker-deps/
COPY {name}/package.json ./
RUN {install}
COPY {name}/src ./src
RUN node src/main.js >said
"""
NPMRC = {".npmrc": "@acme:registry=http://127.0.0.1:9/\nfetch-retries=0\n"}
BERRY = {".yarnrc.yml": "nodeLinker: node-modules\nenableTelemetry: false\nhttpRetry: 0\n"
                        "unsafeHttpWhitelist: [127.0.0.1]\nnpmScopes:\n  acme:\n"
                        "    npmRegistryServer: http://127.0.0.1:9/\n"}
PNPM = "pnpm install --lockfile=false --ignore-scripts"
# The package manager, the package that has its program, its settings, and how it installs.
MANAGERS = {
    **{f"pnpm@{version}": (f"pnpm@{version}", NPMRC, PNPM)
       for version in ("10.6.5", "10.34.9", "11.28.11", "12.21.0")},
    "npm@10.9.4": ("npm@10.9.4", NPMRC, "npm install --no-package-lock --ignore-scripts"),
    "yarn@1.22.22": ("yarn@1.22.22", NPMRC, "yarn install --no-lockfile --ignore-scripts"),
    "yarn@4.12.0": ("@yarnpkg/cli-dist@4.12.0", BERRY, "yarn install --mode=skip-build"),
}
COMPOSE = ["docker", "compose", "--progress", "plain", "build"]


def image_of(manager):
    """An image with a package manager."""
    tag = f"{PROJECT}-base:{manager.replace('@', '-')}"
    package = MANAGERS[manager][0]
    dockerfile = f"FROM {BASE}\nRUN npm install --global --force {package}\n"
    with tempfile.TemporaryDirectory() as context:
        write(pathlib.Path(context) / "Dockerfile", dockerfile)
        run("docker", "build", "--network", "host", "-t", tag, ".", cwd=context)
    return tag


def make_product(product, manager, image):
    _, settings, install = MANAGERS[manager]
    write(product / ".gitignore", "node_modules/\n.docker-deps/*\n!.docker-deps/.gitkeep\n")
    write(product / ".docker-deps/.gitkeep", "")
    for name, text in settings.items():
        # Another file each time, so that no step of an earlier run is cached.
        write(product / name, text + f"# {time.time_ns()}\n")
    write(product / "bakstop.json",
          {"prep": {"from": "../plat", "scope": ["@acme"], "build": False, "way": "in-place"}})
    services = {}
    for name in SERVICES:
        write(product / name / "package.json",
              {"name": name, "private": True, "packageManager": manager,
               "dependencies": {"@acme/http": "^1.0.0"}})
        write(product / name / "src/main.js", "console.log(require('@acme/http')())\n")
        dockerfile = DOCKERFILE.format(
            image=image, name=name, settings=" ".join(settings), install=install)
        write(product / name / "Dockerfile", dockerfile)
        build = {"context": ".", "dockerfile": f"{name}/Dockerfile", "network": "host"}
        services[name] = {"image": f"{PROJECT}-{name}", "build": build}
    write(product / "compose.yaml", {"name": PROJECT, "services": services})


def files(top):
    """The content of all files but those of git."""
    found = (path for path in sorted(top.rglob("*")) if path.is_file() and ".git" not in path.parts)
    return {str(path.relative_to(top)): path.read_bytes() for path in found}


def images_say(product, says):
    for name in SERVICES:
        ran = run("docker", "run", "--rm", "--network", "none", f"{PROJECT}-{name}", "cat", "said",
                  cwd=product, check=False)
        expect(f"the image of {name} says {ran.stdout.strip()!r}", ran.stdout.strip() == says)


def gate(bakstop, product, says):
    """The build is proven, and a failing one leaves as little behind."""
    before, since = files(product), Stopwatch()
    ran = run(bakstop, "verify", "--", bakstop, "prep", "--in-place", "--", *COMPOSE, cwd=product,
              check=False)
    expect(f"gate C3: exit code {ran.returncode}, {since}", ran.returncode == 0, ran.stdout)
    images_say(product, says)
    ran = run(bakstop, "verify", "--", *COMPOSE, "--no-cache", cwd=product, check=False)
    expect("not prepared, it fails", ran.returncode != 0 and files(product) == before, ran.stdout)
    ran = run(bakstop, "prep", "--", *COMPOSE, "--build-arg", "x", "nothing", cwd=product,
              check=False)
    expect("a build that fails", ran.returncode != 0 and files(product) == before, ran.stdout)
    ran = run(bakstop, "doctor", "--format", "json", cwd=product, check=False)
    expect("doctor asks for no overlay", "missing-overlay" not in ran.stdout, ran.stdout)
    status = run("git", "status", "--porcelain", cwd=product).stdout
    expect("git status is empty", not status, status)


def archive(bakstop, product, says):
    """The same without a repository, and without git in the PATH."""
    room = product.parent / "archive"
    ignored = shutil.ignore_patterns(".git", ".docker-deps")
    for name in ("plat", "product"):
        shutil.copytree(product.parent / name, room / name, ignore=ignored, symlinks=True)
    copy = room / "product"
    before, since = files(copy), Stopwatch()
    programs = product.parent / "programs"
    programs.mkdir()
    for name in ("docker", "node", "pnpm"):
        (programs / name).symlink_to(shutil.which(name))
    environment = os.environ | {"PATH": str(programs)}
    ran = run(bakstop, "prep", "--", *COMPOSE, cwd=copy, check=False, env=environment)
    expect(f"without git: exit code {ran.returncode}, {since}", ran.returncode == 0, ran.stdout)
    images_say(copy, says)
    expect("the archive is as before", files(copy) == before)


def namespace(bakstop, product, says):
    """Rewritten manifests that are bound over the others, for one command alone."""
    run(bakstop, "prep", cwd=product)
    rewritten = product.parent / "rewritten"
    for name in SERVICES:
        write(rewritten / name, (product / name / "package.json").read_text())
    tarballs = product.parent / "tarballs"
    shutil.copytree(product / ".docker-deps", tarballs)
    run(bakstop, "restore", cwd=product)
    bind = " && ".join([
        *(f"mount --bind {rewritten / name} {name}/package.json" for name in SERVICES),
        f"mount --bind {tarballs} .docker-deps", 'exec "$@"',
    ])
    one = ["--network", "host", "-f", "backend/Dockerfile", "-t", f"{PROJECT}-backend", "."]
    for title, command, more in (
        ("docker compose build", [*COMPOSE, "--no-cache"], {}),
        ("docker buildx build", ["docker", "buildx", "build", "--load", "--no-cache", *one], {}),
        ("docker build", ["docker", "build", "--no-cache", *one], {}),
        ("the legacy builder", ["docker", "build", "--no-cache", *one], {"DOCKER_BUILDKIT": "0"}),
    ):
        lab.remove_images(f"{PROJECT}-backend")
        since = Stopwatch()
        ran = run(bakstop, "verify", "--", "unshare", "-rm", "sh", "-ec", bind, "sh", *command,
                  cwd=product, check=False, env=os.environ | more)
        said = run("docker", "run", "--rm", "--network", "none", f"{PROJECT}-backend",
                   "cat", "said", cwd=product, check=False).stdout.strip()
        expect(f"in a mount namespace, {title}: {ran.returncode}, {said!r}, {since}",
               ran.returncode == 0 and said == says, ran.stdout)


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    bakstop = pathlib.Path(sys.argv[1]).resolve()
    pnpm = subprocess.check_output(["pnpm", "--version"], text=True).strip()
    for manager in sys.argv[2:] or MANAGERS:
        print(manager, flush=True)
        with tempfile.TemporaryDirectory() as room:
            plat, product = pathlib.Path(room) / "plat", pathlib.Path(room) / "product"
            says = f"packed {time.time_ns()}"
            image = image_of(manager)
            lab.make_sibling(plat, pnpm, says)
            make_product(product, manager, image)
            commit(plat)
            commit(product)
            try:
                gate(bakstop, product, says)
                archive(bakstop, product, says)
                if manager.startswith("pnpm@10.34"):
                    namespace(bakstop, product, says)
            finally:
                lab.remove_images(image, *(f"{PROJECT}-{name}" for name in SERVICES))
    lab.end()


if __name__ == "__main__":
    main()
