"""The packages for npm, pnpm, Yarn and Bun.

`bakstop` is a launcher with one optional dependency per platform, of which a package manager
installs the one for its machine. The same package with all programs inside needs no registry. None
has a script that runs at the installation.
"""

import json
import os

from archive import tgz
from project import Refused

HERE = os.path.dirname(os.path.abspath(__file__))


def package_name(platform):
    """The package of a platform, in the words of `process.platform` and `process.arch`."""
    return f"bakstop-{platform.node_os}-{platform.node_cpu}"


def launcher(version, platforms):
    """The program that package managers put into node_modules/.bin.

    A kernel, npm, pnpm and Bun start it with sh, in a tenth of the time that Node needs. Yarn 4
    starts all scripts with Node, so it is valid JavaScript as well: JavaScript ignores the first
    line and takes the part for sh as a comment; sh exits before the part for Node.
    """
    parts = []
    for name in ("launcher.sh", "launcher.js"):
        with open(os.path.join(HERE, name), encoding="utf-8") as file:
            parts.append(file.read())
    shell, node = parts
    if "*/" in shell:
        raise Refused("launcher.sh contains */, which ends a comment of JavaScript")
    names = " ".join(f"{platform.node_os}-{platform.node_cpu}" for platform in platforms)
    text = f"#!/bin/sh\n':' /*\n{shell}*/\n{node}"
    return text.replace("@VERSION@", version).replace("@PLATFORMS@", names).encode()


def manifest(project, name, description, **more):
    """The text of a package.json."""
    fields = {
        "name": name,
        "version": project.version,
        "description": description,
        "keywords": project.keywords,
        "license": project.license,
        **project.links,
        **more,
    }
    return (json.dumps(fields, indent=2) + "\n").encode()


def pack(project, date, files):
    """The tarball of a package: `files` is {path: (bytes, is executable)}."""
    texts = {name: (data, False) for name, data in project.texts.items()}
    return tgz({f"package/{path}": file for path, file in {**texts, **files}.items()}, date)


def packages(project, programs, date):
    """All tarballs, {file name: bytes}, from `programs`, {platform: bytes}."""
    version, tarballs = project.version, {}
    for platform, program in programs.items():
        name = package_name(platform)
        text = manifest(
            project,
            name,
            f"The program of bakstop for {platform.node_os} on {platform.node_cpu}",
            os=[platform.node_os],
            cpu=[platform.node_cpu],
            # A program inside the zip file that Yarn keeps cannot be started.
            preferUnplugged=True,
        )
        tarballs[f"{name}-{version}.tgz"] = pack(
            project, date, {"package.json": (text, False), "bin/bakstop": (program, True)}
        )
    common = {
        "bin/bakstop": (launcher(version, programs), True),
        "schema/bakstop.json": (project.schema, False),
    }
    bins = {"bin": {"bakstop": "bin/bakstop"}}
    dependencies = {package_name(platform): version for platform in programs}
    main = manifest(
        project, "bakstop", project.description, **bins, optionalDependencies=dependencies
    )
    tarballs[f"bakstop-{version}.tgz"] = pack(
        project, date, {**common, "package.json": (main, False)}
    )
    every = manifest(project, "bakstop", project.description, **bins, preferUnplugged=True)
    inside = {
        f"native/{platform.node_os}-{platform.node_cpu}/bakstop": (program, True)
        for platform, program in programs.items()
    }
    tarballs[f"bakstop-{version}-all.tgz"] = pack(
        project, date, {**common, **inside, "package.json": (every, False)}
    )
    return tarballs
