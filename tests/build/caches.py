#!/usr/bin/env python3
"""Builds with exported caches, and prints how many RUN steps each build finds in them.

    caches.py --empty-builder IMAGE

Shows what the rules about caches claim: that a missing cache is no error, that an export without
mode=max or with a misspelled one has the last stage only, that the last of two exports wins, and
that a name of one commit is of no use to the next.

Needs a running Docker (28 or newer) with the containerd store of images, and an IMAGE with a shell.
Between two builds it empties the cache of that Docker's builder: use a Docker that is for tests.
"""

import pathlib
import re
import subprocess
import sys
import tempfile
import time

DOCKERFILE = """FROM {image} AS build
ARG SALT
RUN echo "$SALT {name}" >/salt
COPY manifest /manifest
RUN cat /manifest >/installed
COPY source /source
RUN cat /source >/built
FROM {image}
ARG SALT
RUN echo "$SALT {name}" >/last
COPY --from=build /built /built
RUN cat /built >/end
"""
MIN, MAX = "1/5", "3/5"


class Lab:
    def __init__(self, room, image):
        self.room, self.image, self.salt, self.wrong = room, image, time.time_ns(), 0

    def source(self, name, text):
        """The context of a build."""
        directory = self.room / name
        directory.mkdir(exist_ok=True)
        (directory / "Dockerfile").write_text(DOCKERFILE.format(image=self.image, name=name))
        (directory / "manifest").write_text("1")
        (directory / "source").write_text(text)
        return directory

    def build(self, name, text, *options):
        """Builds with an empty builder; returns `cached/all` of the RUN steps."""
        subprocess.run(["docker", "builder", "prune", "--all", "--force"], capture_output=True)
        command = ["docker", "buildx", "build", "--progress", "plain", "--network", "none"]
        command += ["--output", "type=cacheonly", "--build-arg", f"SALT={self.salt}", *options]
        command.append(str(self.source(name, text)))
        ran = subprocess.run(command, capture_output=True, text=True, cwd=self.room)
        if ran.returncode != 0:
            sys.exit(f"{command} failed:\n{ran.stderr}")
        steps = dict(re.findall(r"^#(\d+) (\[.*\] RUN .*)$", ran.stderr, re.MULTILINE))
        cached = set(re.findall(r"^#(\d+) CACHED$", ran.stderr, re.MULTILINE))
        return f"{len(cached & steps.keys())}/{len(steps)}"

    def expect(self, what, found, expected):
        self.wrong += found != expected
        print(f"{'ok   ' if found == expected else 'WRONG'} {what}: {found} RUN cached", flush=True)


def main():
    if len(sys.argv) != 3 or sys.argv[1] != "--empty-builder":
        sys.exit(__doc__)
    with tempfile.TemporaryDirectory() as room:
        lab = Lab(pathlib.Path(room), sys.argv[2])
        to, source = "--cache-to=type=local,dest=", "--cache-from=type=local,src="

        lab.expect("a missing cache, exit code 0", lab.build("a", "1", f"{source}none"), "0/5")

        for number, (options, expected) in enumerate([
            ("", MIN),
            (",mode=min", MIN),
            (",mode=max", MAX),
            (",mode=maximum", MIN),
            (",mode=MAX", MIN),
            (",moed=max", MIN),
            (", mode=max", MIN),
        ]):
            lab.build("a", "1", f"{to}c{number}{options}")
            found = lab.build("a", "2", f"{source}c{number}")
            lab.expect(f"after a change, export with `{options}`", found, expected)
            if options in ("", ",mode=max"):
                found = lab.build("a", "1", f"{source}c{number}")
                lab.expect(f"without a change, export with `{options}`", found, "5/5")

        lab.build("a", "1", f"{to}shared,mode=max")
        lab.build("b", "1", f"{to}shared,mode=max")
        lab.expect("the first of two exports", lab.build("a", "1", f"{source}shared"), "0/5")
        lab.expect("the last of two exports", lab.build("b", "1", f"{source}shared"), "5/5")

        lab.build("a", "1", f"{to}commit-1,mode=max")
        found = lab.build("a", "2", f"{source}commit-2", f"{to}commit-2,mode=max")
        lab.expect("a cache for each commit", found, "0/5")
        lab.expect("the cache of another commit", lab.build("a", "2", f"{source}commit-1"), MAX)
    sys.exit(lab.wrong > 0)


if __name__ == "__main__":
    main()
