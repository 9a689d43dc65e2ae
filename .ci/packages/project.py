"""Facts of the project and its platforms that the packages carry."""

import collections
import os
import re
import struct

import mach_o

LICENCES = ("LICENSE-APACHE", "LICENSE-MIT")

# `node` is what npm calls the platform, as in `os` and `cpu` of a package.json. The tags of a wheel
# for Linux name the libc that it needs: a static program runs with any. Those for macOS name the
# oldest version that the standard library of Rust supports.
Platform = collections.namedtuple("Platform", "name node_os node_cpu wheel_tags magic machine")

ELF, MACH_O = b"\x7fELF", mach_o.MAGIC
PLATFORMS = [
    Platform(
        "linux-x86_64",
        "linux",
        "x64",
        ("manylinux_2_17_x86_64", "manylinux2014_x86_64", "musllinux_1_1_x86_64"),
        ELF,
        62,
    ),
    Platform(
        "linux-aarch64",
        "linux",
        "arm64",
        ("manylinux_2_17_aarch64", "manylinux2014_aarch64", "musllinux_1_1_aarch64"),
        ELF,
        183,
    ),
    Platform("macos-x86_64", "darwin", "x64", ("macosx_10_12_x86_64",), MACH_O, 0x01000007),
    Platform("macos-aarch64", "darwin", "arm64", ("macosx_11_0_arm64",), MACH_O, 0x0100000C),
]

# `links` are the addresses that Cargo.toml has, by their keys there, which are those of npm too.
Project = collections.namedtuple(
    "Project", "version description keywords license links texts schema"
)


class Refused(Exception):
    """Why no packages can be made."""


def read(root, version=None):
    """The project of a checkout: the keys of its Cargo.toml and the files that packages carry.

    Python before 3.11, which runs pre-commit in places, has no parser of TOML.
    """
    with open(os.path.join(root, "Cargo.toml"), encoding="utf-8") as file:
        package = re.search(r"^\[package\]\n(.*?)(?=^\[|\Z)", file.read(), re.M | re.S).group(1)

    def find(name):
        found = re.search(rf'^{name} *= *"([^"]*)"', package, re.M)
        return found and found.group(1)

    def key(name):
        if not find(name):
            raise Refused(f"Cargo.toml has no {name}")
        return find(name)

    keywords = re.search(r"^keywords *= *\[([^]]*)\]", package, re.M)
    texts = {name: contents(root, name) for name in (*LICENCES, "README.md")}
    return Project(
        version or key("version"),
        key("description"),
        re.findall(r'"([^"]*)"', keywords.group(1)) if keywords else [],
        key("license"),
        {name: find(name) for name in ("homepage", "repository") if find(name)},
        texts,
        contents(root, "docs/schema/bakstop.json"),
    )


def contents(*path):
    """The bytes of a file."""
    with open(os.path.join(*path), "rb") as file:
        return file.read()


def check_program(platform, program):
    """Refuses a program that cannot run on all machines of its platform.

    Only the headers of ELF, Mach-O and PE are judged: the tests pack scripts.
    """
    if program[:2] == b"MZ" or program[:4] in {ELF, MACH_O} - {platform.magic}:
        raise Refused(f"the program for {platform.name} is one for another system")
    if program[:4] == MACH_O:
        machine = struct.unpack_from("<I", program, 4)[0]
    elif program[:4] == ELF:
        machine = struct.unpack_from("<H", program, 18)[0]
    else:
        return
    if machine != platform.machine:
        raise Refused(f"the program for {platform.name} is one for another processor")
    if program[:4] == ELF and needs_interpreter(program):
        raise Refused(f"the program for {platform.name} is not static")
    if program[:4] == MACH_O:
        oldest = re.match(r"macosx_(\d+)_(\d+)_", platform.wheel_tags[0])
        try:
            mach_o.check(program, tuple(map(int, oldest.groups())))
        except mach_o.Invalid as error:
            raise Refused(f"the program for {platform.name} would not start: {error}") from error


def needs_interpreter(program):
    """Whether an ELF file names a dynamic linker (a program header of type PT_INTERP, 3)."""
    start = struct.unpack_from("<Q", program, 32)[0]
    size, count = struct.unpack_from("<HH", program, 54)
    return any(
        struct.unpack_from("<I", program, start + size * at)[0] == 3 for at in range(count)
    )
