"""Wheels: pip, pipx, uv, pre-commit and prek put the program itself into a bin directory."""

import base64
import hashlib
import re

from archive import zipped
from project import LICENCES, Refused


def python_version(version):
    """A version of Cargo as Python writes it: 1.0.0-rc.1 is 1.0.0rc1."""
    found = re.fullmatch(r"(\d+\.\d+\.\d+)(?:-(alpha|beta|rc)\.(\d+))?", version)
    if not found:
        raise Refused(f"Python has no version like {version}")
    release, stage, number = found.groups()
    return release + ({"alpha": "a", "beta": "b", "rc": "rc"}[stage] + number if stage else "")


def wheel(name, project, date, tags, scripts):
    """The file name and the bytes of a wheel. `scripts` is {name: bytes}.

    The formats: packaging.python.org, "Binary distribution format" and "Core metadata".
    """
    version = python_version(project.version)
    stem = f"{name}-{version}"
    files = [(f"{stem}.data/scripts/{path}", data, True) for path, data in scripts.items()]
    headers = [
        "Metadata-Version: 2.4",
        f"Name: {name}",
        f"Version: {version}",
        f"Summary: {project.description}",
        f"Keywords: {','.join(project.keywords)}",
        f"License-Expression: {project.license}",
        *(f"License-File: {text}" for text in LICENCES),
        *(f"Project-URL: {label}, {url}" for label, url in project.links.items()),
        "Description-Content-Type: text/markdown",
    ]
    metadata = "\n".join(headers).encode() + b"\n\n" + project.texts["README.md"]
    kind = ["Wheel-Version: 1.0", "Generator: bakstop", "Root-Is-Purelib: false"]
    kind += [f"Tag: py3-none-{tag}" for tag in tags]
    info = f"{stem}.dist-info"
    files += [(f"{info}/licenses/{text}", project.texts[text], False) for text in LICENCES]
    files.append((f"{info}/METADATA", metadata, False))
    files.append((f"{info}/WHEEL", "\n".join([*kind, ""]).encode(), False))
    rows = [f"{path},sha256={digest(data)},{len(data)}" for path, data, _ in files]
    record = "\n".join([*rows, f"{info}/RECORD,,", ""])
    files.append((f"{info}/RECORD", record.encode(), False))
    return f"{stem}-py3-none-{'.'.join(tags)}.whl", zipped(files, date)


def digest(data):
    """A SHA-256 as RECORD has it."""
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


def wheels(project, programs, date):
    """The wheel of each platform, {file name: bytes}."""
    return dict(
        wheel("bakstop", project, date, platform.wheel_tags, {"bakstop": program})
        for platform, program in programs.items()
    )
