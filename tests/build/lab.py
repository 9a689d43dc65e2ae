"""What scripts of this directory share: commands, files, repositories, and one line a check."""

import json
import pathlib
import subprocess
import sys
import time

# The longest time of a command, in seconds.
TIMEOUT = 240
_wrong = []


def run(*command, cwd, check=True, **options):
    """Runs a command to its end; its output is one text."""
    ran = subprocess.run(
        command, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, timeout=TIMEOUT, check=False, **options,
    )
    if check and ran.returncode != 0:
        sys.exit(f"{command} failed:\n{ran.stdout}")
    return ran


def write(path, text):
    """Writes a text, or a value as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text if isinstance(text, str) else json.dumps(text, indent=2) + "\n")


def commit(repository, message="a"):
    """Commits all files, in a new repository if there is none."""
    run("git", "init", "-q", cwd=repository)
    run("git", "add", "-A", cwd=repository)
    run("git", "-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "-qm", message,
        cwd=repository)


def expect(what, is_so, more=""):
    """Prints whether something is as it should be."""
    print(f"  {'ok   ' if is_so else 'WRONG'} {what}", flush=True)
    if not is_so:
        _wrong.append(what)
        print(more)


def end():
    """Ends the script: with 1 if something was not as it should be."""
    sys.exit(len(_wrong) > 0)


def remove_images(*names):
    """Removes images that a script built, if they exist."""
    subprocess.run(["docker", "image", "rm", "--force", *names], capture_output=True, check=False)


def make_sibling(plat, pnpm, says):
    """A workspace with @acme/http, which needs @acme/log, which says this."""
    write(plat / "pnpm-workspace.yaml", "packages:\n  - packages/*\n")
    manifest = {"name": "plat", "private": True, "packageManager": f"pnpm@{pnpm}"}
    write(plat / "package.json", manifest)
    write(plat / ".gitignore", "node_modules/\n")
    for name, asks in (("log", {}), ("http", {"@acme/log": "workspace:*"})):
        manifest = {"name": f"@acme/{name}", "version": "1.0.0", "main": "index.js",
                    "files": ["index.js"], "dependencies": asks}
        write(plat / "packages" / name / "package.json", manifest)
    say(plat, says)
    write(plat / "packages/http/index.js", "module.exports = () => require('@acme/log')()\n")
    run("pnpm", "install", "--silent", cwd=plat)


def say(plat, text):
    """What @acme/log of a sibling says."""
    write(plat / "packages/log/index.js", f"module.exports = () => '{text}'\n")


class Stopwatch:
    """Seconds since it was made."""

    def __init__(self):
        self.start = time.monotonic()

    def __str__(self):
        return f"{time.monotonic() - self.start:.1f} s"


def listed(directory):
    """The names in a directory."""
    return sorted(path.name for path in pathlib.Path(directory).iterdir())
