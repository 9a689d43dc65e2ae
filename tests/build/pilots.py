#!/usr/bin/env python3
"""Repairs the broken pilots of tests/facts/pilots.json with doctor, and builds them with Docker.

    pilots.py BAKSTOP [SERVICE...]

First the fixes of doctor are applied, by `doctor --fix` and from its report, then the edits below:
those that a person makes for findings without a fix. The repaired form (`fixed`) is built as well.
Needs what doctor.py needs; corepack and pnpm come from the npm registry.
"""

import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

import doctor

PILOTS = doctor.HERE.parent / "facts/pilots.json"
SETTINGS = [
    f"ENV COREPACK_NPM_REGISTRY=http://public.example:{doctor.PORT} COREPACK_INTEGRITY_KEYS=0",
]
TIMEOUT = 600
# The edits of a person: file, pattern, replacement.
INSTALL = (r"^RUN ((?:--mount=\S+ )*)pnpm install",
           r"RUN \1--mount=type=secret,id=gitea_npm_token,env=GITEA_NPM_TOKEN pnpm install")
ARGUMENTS = (r"\A(FROM .*\n)((?:ARG GITEA.*\n)*)",
             r"\1ARG GITEA_NPM_HOST=host.docker.internal\nARG GITEA_NPM_OWNER=acme\n")
# The install goes before the first COPY of sources.
ORDER = (r"^(COPY \S*src/(?:.*\n)+?)(RUN .*pnpm install.*\n)", r"\2\1")
DOCKERFILES = [("*/Dockerfile", *edit) for edit in (INSTALL, ARGUMENTS, ORDER)]
WORKSPACE = ("pnpm-workspace.yaml", r"^  - \.\./.*\n", "")
DEPENDENCY = ("web/package.json", r'"file:\.\./\.\./common-plat/[^"]*"', '"*"')
EDITS = {"broken": [*DOCKERFILES, WORKSPACE, DEPENDENCY], "fixed": []}
# What Next.js needs and the pilots leave out.
NEEDED = {
    "@types/node": "22.18.0", "@types/react": "19.2.2", "tailwindcss": "4.1.16",
    "typescript": "5.9.3",
}
LAYOUT = """import './globals.css';

export default function Layout({ children }: { children: React.ReactNode }) {
  return <html><body>{children}</body></html>;
}
"""
# What the repaired form has of these files, for the findings that have no other cure.
COPIED = {"broken": [".npmrc.docker", "docker-compose.yml"], "fixed": []}


def ran(*command, directory, token=doctor.TOKEN, **more):
    environment = os.environ | {"GITEA_NPM_TOKEN": token, "BUILDKIT_PROGRESS": "plain"} | more
    start = time.monotonic()
    result = subprocess.run(
        command, cwd=directory, env=environment, stdin=subprocess.DEVNULL, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=TIMEOUT,
    )
    return result.returncode, result.stdout, time.monotonic() - start


def write(files, directory):
    for path, text in files.items():
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / path).write_text(text)
    commit = "git init -q . && git add -Af && git -c user.name=t -c user.email=t@t commit -qm Start"
    subprocess.run(["sh", "-c", commit], cwd=directory, check=True)


def edit(form, repaired, directory):
    for pattern, wanted, replacement in EDITS[form]:
        for path in directory.glob(pattern):
            text = path.read_text()
            changed = re.sub(wanted, replacement, text, count=1, flags=re.MULTILINE)
            path.write_text(changed)
    for path in COPIED[form]:
        (directory / path).write_text(repaired[path])


def complete(directory):
    """Adds what the web service needs for a build."""
    manifest = directory / "web/package.json"
    if manifest.exists():
        content = json.loads(manifest.read_text())
        content["devDependencies"] |= NEEDED
        manifest.write_text(json.dumps(content, indent=2) + "\n")
        (directory / "web/src/app/layout.tsx").write_text(LAYOUT)


def apply(edits, directory):
    """Applies edits of a report, from the last place to the first; of overlapping ones, one."""
    places = {(e["path"], e["line"], e["column"], e["end_line"], e["end_column"], e["text"])
              for e in edits}
    last = {}
    for path, line, column, end_line, end_column, text in sorted(places, reverse=True):
        lines = (directory / path).read_text().splitlines(keepends=True)
        offset = lambda line, column: sum(map(len, lines[: line - 1])) + column - 1  # noqa: E731
        start, end = offset(line, column), offset(end_line, end_column)
        if end <= last.get(path, end):
            whole = "".join(lines)
            (directory / path).write_text(whole[:start] + text + whole[end:])
            last[path] = start


def fix(bakstop, directory):
    """Applies the fixes of doctor, also those that it only shows, and prints what is left."""
    if "--fix" in subprocess.check_output([bakstop, "doctor", "--help"], text=True):
        code, printed, _ = ran(bakstop, "doctor", "--fix", directory=directory)
        print(f"  doctor --fix: exit code {code}: {printed.strip().splitlines()[-1:]}")
    findings = report(bakstop, directory)
    fixes = [one["fix"] for one in findings if one["fix"]]
    apply([edit for fix in fixes for edit in fix["edits"]], directory)
    left = [f"{one['severity']}[{one['rule']}]" for one in report(bakstop, directory)]
    print(f"  {len(findings)} findings, {len(fixes)} of them with a fix; then:", *sorted(left))


def report(bakstop, directory):
    _, printed, _ = ran(bakstop, "doctor", "--format", "json", directory=directory)
    return json.loads(printed[printed.index("{"):])["findings"]


def measure(service, directory, room):
    """Builds a service without cached steps (but with the cache mounts of this machine), with a
    touched source, and without a token."""
    override = room / "override.yaml"
    hosts = {"build": {"extra_hosts": ["public.example:host-gateway"]}}
    override.write_text(json.dumps({"services": {service: hosts}}))
    compose = ["docker", "compose", "-p", "bakstop-test", "-f", "docker-compose.yml",
               "-f", override, "build"]
    code, printed, took = ran(*compose, service, directory=directory)
    if code != 0:
        errors = [line for line in printed.splitlines() if re.search(r"ERR|not found|rror", line)]
        print(f"  {service}: exit code {code}: {errors[:4]}")
        return False
    source = next(path for path in (directory / service / "src").rglob("*.ts*"))
    source.write_text(source.read_text() + "\n// touched\n")
    _, again, touched = ran(*compose, service, directory=directory)
    cached = len(re.findall(r"^#\d+ CACHED", again, re.MULTILINE))
    image = f"bakstop-test-{service}"
    history = doctor.run("docker", "history", "--no-trunc", image)
    history += doctor.run("docker", "image", "inspect", image)
    code, refused, _ = ran(*compose, "--no-cache", service, directory=directory, token="")
    said = re.search(r"ERR_PNPM_FETCH_401|ERR_PNPM_\w+|secret .*", refused)
    is_kept = doctor.TOKEN in history
    print(f"  {service}: cold {took:.1f} s; source touched {touched:.1f} s, {cached} steps cached; "
          f"token in the image: {'YES' if is_kept else 'no'}; without a token: exit code {code}, "
          f"{said and said.group()}")
    return not is_kept and code != 0


def main():
    bakstop = pathlib.Path(sys.argv[1]).resolve()
    pilots = json.loads(PILOTS.read_text())
    for port in (doctor.PORT, 3300):
        doctor.serve(port)
    good = True
    with tempfile.TemporaryDirectory() as room:
        room = pathlib.Path(room)
        root = doctor.make_root(room, ["npm@10.9.4", "corepack@0.36.0"])
        for form in EDITS:
            for pilot in ("clock", "peak"):
                print(f"{form}/{pilot}", flush=True)
                doctor.make_base(root, SETTINGS)
                directory = room / form / pilot
                write(pilots[f"{form}/{pilot}"], directory)
                fix(bakstop, directory)
                if EDITS[form]:
                    edit(form, pilots[f"fixed/{pilot}"], directory)
                    print("  after the edits of a person:")
                    fix(bakstop, directory)
                complete(directory)
                for dockerfile in directory.glob("*/Dockerfile"):
                    # A frontend would come from a registry of images.
                    text = re.sub(r"\A# syntax=.*\n", "", dockerfile.read_text())
                    dockerfile.write_text(text)
                    service = dockerfile.parent.name
                    if service in (sys.argv[2:] or ["backend", "web"]):
                        good &= measure(service, directory, room)
    images = ["bakstop-test-backend", "bakstop-test-web", doctor.BASE]
    subprocess.run(["docker", "image", "rm", "--force", *images], capture_output=True)
    sys.exit(not good)


if __name__ == "__main__":
    main()
