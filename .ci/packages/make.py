#!/usr/bin/env python3
"""Makes the packages of a release: make.py RELEASE VERSION DATE

RELEASE is a directory with archives bakstop-VERSION-PLATFORM.tar.gz; `.ci/release` makes them. It
gets npm/*.tgz, wheel/*.whl and manifest.json, which names each archive and package with its
SHA-256. DATE, in seconds since 1970, is that of all files. The same archives, checkout and date
give the same bytes.
"""

import hashlib
import json
import os
import sys

import npm
import project
import wheel
from archive import untar


def artefact(path, data):
    """An entry of the manifest."""
    return {
        "path": path,
        "bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
    }


def make(release, version, date):
    """Writes the packages and the manifest into the directory of a release."""
    root = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
    facts = project.read(root, version)
    programs, artefacts = {}, []
    for platform in project.PLATFORMS:
        name = f"bakstop-{version}-{platform.name}.tar.gz"
        if os.path.exists(os.path.join(release, name)):
            packed = project.contents(release, name)
            programs[platform] = untar(packed, "bakstop")
            project.check_program(platform, programs[platform])
            artefacts.append(artefact(name, packed))
    packages = {
        "npm": npm.packages(facts, programs, date),
        "wheel": wheel.wheels(facts, programs, date),
    }
    for directory, files in packages.items():
        os.makedirs(os.path.join(release, directory), exist_ok=True)
        for name, data in sorted(files.items()):
            with open(os.path.join(release, directory, name), "wb") as file:
                file.write(data)
            artefacts.append(artefact(f"{directory}/{name}", data))
    content = {"name": "bakstop", "version": version, "artefacts": artefacts}
    with open(os.path.join(release, "manifest.json"), "w", encoding="utf-8") as file:
        file.write(json.dumps(content, indent=2) + "\n")


def main():
    """Reads the arguments."""
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    try:
        make(sys.argv[1], sys.argv[2], int(sys.argv[3]))
    except project.Refused as reason:
        sys.exit(f"release: {reason}")


if __name__ == "__main__":
    main()
