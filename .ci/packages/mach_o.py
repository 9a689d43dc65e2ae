#!/usr/bin/env python3
"""Reads a program for macOS, on any system: what it needs, and whether macOS would start it.

usage: .ci/packages/mach_o.py FILE

prints its load commands that matter. Formats: mach-o/loader.h and the code directory of
kern/cs_blobs.h, both of XNU.
"""

import collections
import hashlib
import struct
import sys

MAGIC = b"\xcf\xfa\xed\xfe"
PROCESSORS = {0x01000007: "x86_64", 0x0100000C: "arm64"}
EXECUTABLE = 2
# Load commands.
SYMBOLS, LIBRARIES = 0x2, (0xC, 0x80000018, 0x8000001F)
SIGNATURE, MINIMUM, BUILD, UUID = 0x1D, 0x24, 0x32, 0x1B
# Of a signature: the magic numbers of all of it and of its code directory, and flags.
SUPER_BLOB, CODE_DIRECTORY, AD_HOC, BY_LINKER = 0xFADE0CC0, 0xFADE0C02, 0x2, 0x20000

# `minimum` is the oldest macOS, (major, minor). `signature` is None without one. `symbols` is their
# number, `uuid` whether it has one.
Program = collections.namedtuple(
    "Program", "processor kind minimum libraries signature symbols uuid"
)
# `pages` is how many were hashed.
Signature = collections.namedtuple("Signature", "ad_hoc by_linker pages")


class Invalid(Exception):
    """Why macOS would not start it."""


def read(data):
    """The facts of a program. Raises Invalid for what is no whole program."""
    try:
        return parse(data)
    except (struct.error, UnicodeDecodeError, ValueError) as error:
        raise Invalid("it is cut off or damaged") from error


def parse(data):
    """`read`, where anything may go wrong."""
    magic, processor, _, kind, count, size = struct.unpack_from("<4s5I", data)
    if magic != MAGIC:
        raise Invalid("it is not a program for macOS")
    if 32 + size > len(data):
        raise Invalid("it is cut off or damaged")
    minimum, libraries, signature, symbols, uuid, at = (0, 0), [], None, 0, False, 32
    for _ in range(count):
        command, length = struct.unpack_from("<2I", data, at)
        if length < 8 or at + length > 32 + size:
            raise Invalid("it is cut off or damaged")
        if command in (MINIMUM, BUILD):
            (version,) = struct.unpack_from("<I", data, at + (12 if command == BUILD else 8))
            minimum = (version >> 16, version >> 8 & 0xFF)
        elif command in LIBRARIES:
            start = at + struct.unpack_from("<I", data, at + 8)[0]
            libraries.append(data[start : data.index(b"\0", start)].decode())
        elif command == SIGNATURE:
            signature = verify(data, *struct.unpack_from("<2I", data, at + 8))
        elif command == SYMBOLS:
            (symbols,) = struct.unpack_from("<I", data, at + 12)
        uuid = uuid or command == UUID
        at += length
    name = PROCESSORS.get(processor, hex(processor))
    return Program(name, kind, minimum, libraries, signature, symbols, uuid)


def verify(data, start, size):
    """The signature at this place, if all of its hashes are right."""
    if start + size > len(data):
        raise Invalid("it is cut off or damaged")
    magic, _, count = struct.unpack_from(">3I", data, start)
    blobs = [struct.unpack_from(">2I", data, start + 12 + 8 * at) for at in range(count)]
    places = [start + offset for kind, offset in blobs if kind == 0]
    if magic != SUPER_BLOB or len(places) != 1:
        raise Invalid("its signature has no code directory")
    at = places[0]
    magic, _, _, flags, hashes, _, _, pages, limit = struct.unpack_from(">9I", data, at)
    width, kind, _, shift = struct.unpack_from("4B", data, at + 36)
    if magic != CODE_DIRECTORY or (width, kind) != (32, 2):
        raise Invalid("its signature is not one with SHA-256")
    if limit != start or pages != -(-limit // (1 << shift)):
        raise Invalid("its signature is not over all of it")
    for page in range(pages):
        begin = page << shift
        found = hashlib.sha256(data[begin : min(begin + (1 << shift), limit)]).digest()
        if found != data[at + hashes + 32 * page : at + hashes + 32 * (page + 1)]:
            raise Invalid(f"page {page} is not the one that was signed")
    return Signature(bool(flags & AD_HOC), bool(flags & BY_LINKER), pages)


def check(data, oldest):
    """Raises Invalid for a program that macOS would not start: `oldest` is the oldest version, as
    (major, minor), that it must run on."""
    program = read(data)
    if program.kind != EXECUTABLE:
        raise Invalid("it is not an executable")
    if program.minimum == (0, 0) or program.minimum > oldest:
        raise Invalid("it is not for macOS {}.{}".format(*oldest))
    for library in program.libraries:
        if not library.startswith(("/usr/lib/", "/System/Library/")):
            raise Invalid(f"it needs {library}, which is not a part of macOS")
    # The kernel ends a program for ARM64 that has no signature.
    if program.processor == "arm64" and program.signature is None:
        raise Invalid("it is not signed; sign it ad hoc: rcodesign sign FILE")


def main(arguments):
    if len(arguments) != 1 or arguments[0].startswith("-"):
        sys.exit(__doc__)
    with open(arguments[0], "rb") as file:
        data = file.read()
    try:
        program = read(data)
    except Invalid as error:
        sys.exit(f"{arguments[0]}: {error}")
    signed = program.signature
    by = "ad hoc, by the linker" if signed and signed.by_linker else "ad hoc"
    by = by if signed and signed.ad_hoc else "by an identity"
    signature = f"{by}; {signed.pages} pages verified" if signed else "none"
    for name, value in [
        ("processor", program.processor),
        ("minimum macOS", "{}.{}".format(*program.minimum)),
        ("libraries", ", ".join(program.libraries)),
        ("signature", signature),
        ("symbols", program.symbols),
        ("UUID", "yes" if program.uuid else "no"),
        ("bytes", len(data)),
    ]:
        print(f"  {name:<14} {value}")


if __name__ == "__main__":
    main(sys.argv[1:])
