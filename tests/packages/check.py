#!/usr/bin/env python3
"""Proves the packages of a release: python3 tests/packages/check.py RELEASES

RELEASES is what `.ci/release --out RELEASES` made. Needs no network and no package manager: the
layouts that they make are built by hand here, and by them in tests/packages/real.sh.
"""

import base64
import csv
import hashlib
import io
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import tarfile
import tempfile
import unittest
import zipfile

ROOT = os.path.realpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
PACKAGES = os.path.join(ROOT, ".ci", "packages")
LARGEST_PLATFORM = 3_000_000
LARGEST_MAIN = 200_000
DATE = "1700000000"
SHELLS = [shell for shell in ("dash", "bash", "busybox", "bash-3.2") if shutil.which(shell)]


def read(*path):
    """The bytes of a file."""
    with open(os.path.join(*path), "rb") as file:
        return file.read()


def version():
    """The version in Cargo.toml."""
    sys.path.insert(0, PACKAGES)
    sys.dont_write_bytecode = True
    import project

    return project.read(ROOT).version


VERSION = version()
RELEASE = ""


def unpack(tarball, directory):
    """Unpacks a package as package managers do: without its first directory."""
    with tarfile.open(os.path.join(RELEASE, "npm", tarball)) as tar:
        for member in tar:
            member.name = member.name.partition("/")[2]
            tar.extract(member, directory)


def release_for(launcher, platforms):
    """Writes into a launcher that its version was released for these platforms, whatever it was."""
    names = " ".join(platforms)
    text = read(launcher).decode()
    for before, after in [("released=' ", " '"), ("released = '", "'")]:
        text, count = re.subn(f"{before}[a-z0-9 -]+{after}", f"{before}{names}{after}", text)
        assert count == 1, before
    with open(launcher, "w", encoding="utf-8") as file:
        file.write(text)


def members(tarball):
    """The members of a tarball, by name."""
    with tarfile.open(os.path.join(RELEASE, "npm", tarball)) as tar:
        return {member.name: member for member in tar}


def package_json(tarball):
    """The manifest of a package."""
    with tarfile.open(os.path.join(RELEASE, "npm", tarball)) as tar:
        return json.load(tar.extractfile("package/package.json"))


def tarballs():
    """The names of the packages for npm: of the platforms, and of those that hold all."""
    names = sorted(os.listdir(os.path.join(RELEASE, "npm")))
    platforms = [f"bakstop-{system}" for system in ("linux", "darwin")]
    return [name for name in names if name.startswith(tuple(platforms))], [
        f"bakstop-{VERSION}.tgz",
        f"bakstop-{VERSION}-all.tgz",
    ]


class Release(unittest.TestCase):
    """The files of the release."""

    def test_manifest_names_every_file_with_its_digest(self):
        content = json.loads(read(RELEASE, "manifest.json"))
        self.assertEqual(content["version"], VERSION)
        named = {"manifest.json"}
        for artefact in content["artefacts"]:
            data = read(RELEASE, artefact["path"])
            self.assertEqual(hashlib.sha256(data).hexdigest(), artefact["sha256"])
            self.assertEqual(len(data), artefact["bytes"])
            named.add(artefact["path"])
        found = set()
        for base, _, names in os.walk(RELEASE):
            paths = (os.path.relpath(os.path.join(base, name), RELEASE) for name in names)
            found |= {path for path in paths if not path.endswith(".sha256")}
        self.assertEqual(found, named)

    def test_packages_are_small(self):
        platforms, (main, _) = tarballs()
        for name in platforms:
            self.assertLess(os.path.getsize(os.path.join(RELEASE, "npm", name)), LARGEST_PLATFORM)
        self.assertLess(os.path.getsize(os.path.join(RELEASE, "npm", main)), LARGEST_MAIN)

    def test_tarballs_hold_what_they_need_and_nothing_that_runs(self):
        platforms, common = tarballs()
        self.assertTrue(platforms)
        for name in platforms + common:
            found = members(name)
            self.assertEqual(list(found), sorted(found))
            for path, member in found.items():
                self.assertTrue(member.isfile() and path.startswith("package/"), path)
                self.assertEqual((member.uid, member.gid, member.uname), (0, 0, ""))
                runs = path.endswith("/bakstop")
                self.assertEqual(member.mode, 0o755 if runs else 0o644, path)
            for text in ("README.md", "LICENSE-MIT", "LICENSE-APACHE", "bin/bakstop"):
                self.assertIn(f"package/{text}", found)
            manifest = package_json(name)
            self.assertEqual(manifest["version"], VERSION)
            self.assertEqual(manifest["license"], "MIT OR Apache-2.0")
            self.assertNotIn("scripts", manifest)
            self.assertNotIn("dependencies", manifest)

    def test_main_package_depends_on_each_platform(self):
        platforms, (main, every) = tarballs()
        wanted = {name.removesuffix(f"-{VERSION}.tgz"): VERSION for name in platforms}
        self.assertEqual(package_json(main)["optionalDependencies"], wanted)
        self.assertNotIn("optionalDependencies", package_json(every))
        for name in platforms:
            manifest = package_json(name)
            self.assertEqual(f"bakstop-{manifest['os'][0]}-{manifest['cpu'][0]}", manifest["name"])
            inside = f"package/native/{manifest['os'][0]}-{manifest['cpu'][0]}/bakstop"
            self.assertIn(inside, members(every))
        for name in (main, every):
            with tarfile.open(os.path.join(RELEASE, "npm", name)) as tar:
                schema = tar.extractfile("package/schema/bakstop.json").read()
            self.assertEqual(schema, read(ROOT, "docs/schema/bakstop.json"))

    def test_wheels_match_their_records(self):
        names = os.listdir(os.path.join(RELEASE, "wheel"))
        self.assertEqual(len(names), len(tarballs()[0]))
        for name in names:
            with zipfile.ZipFile(os.path.join(RELEASE, "wheel", name)) as archive:
                stem = f"bakstop-{VERSION}"
                record = archive.read(f"{stem}.dist-info/RECORD").decode()
                rows = {row[0]: row[1:] for row in csv.reader(io.StringIO(record))}
                self.assertEqual(set(rows), set(archive.namelist()))
                self.assertEqual(rows.pop(f"{stem}.dist-info/RECORD"), ["", ""])
                for path, (digest, size) in rows.items():
                    data = archive.read(path)
                    own = base64.urlsafe_b64encode(hashlib.sha256(data).digest())
                    self.assertEqual(digest, "sha256=" + own.decode().rstrip("="))
                    self.assertEqual(int(size), len(data))
                program = archive.getinfo(f"{stem}.data/scripts/bakstop")
                self.assertEqual(program.external_attr >> 16, 0o100755)
                tags = name.removesuffix(".whl").split("-")[-1].split(".")
                kind = archive.read(f"{stem}.dist-info/WHEEL").decode().splitlines()
                wanted = [f"Tag: py3-none-{tag}" for tag in tags]
                self.assertEqual([line for line in kind if line.startswith("Tag: ")], wanted)
                self.assertIn(f"{stem}.dist-info/licenses/LICENSE-MIT", rows)
                metadata = archive.read(f"{stem}.dist-info/METADATA").decode()
                self.assertIn(f"\nVersion: {VERSION}\n", metadata)
                self.assertIn(read(ROOT, "README.md").decode(), metadata)

    def test_hook_on_the_wheel_names_this_version(self):
        hooks = read(ROOT, ".pre-commit-hooks.yaml").decode()
        self.assertIn(f"additional_dependencies: [bakstop=={VERSION}]\n", hooks)


def mach_o(machine, minimum=(10, 12), library="/usr/lib/libSystem.B.dylib", signed=True):
    """A program for macOS of two pages, as a linker makes it, with an ad hoc signature."""
    name = library.encode() + b"\0" * (8 - len(library) % 8)
    commands = [
        struct.pack("<6I", 0x32, 24, 1, minimum[0] << 16 | minimum[1] << 8, 0, 0),
        struct.pack("<6I", 0xC, 24 + len(name), 24, 0, 0, 0) + name,
    ]
    end, pages = 8000, 2
    if signed:
        commands.append(struct.pack("<4I", 0x1D, 16, end, 20 + 44 + 32 * pages))
    sizes = sum(map(len, commands))
    header = struct.pack("<4s7I", b"\xcf\xfa\xed\xfe", machine, 0, 2, len(commands), sizes, 0, 0)
    code = (header + b"".join(commands)).ljust(end, b"\0")
    if not signed:
        return code
    hashes = b"".join(hashlib.sha256(code[at : at + 4096]).digest() for at in (0, 4096))
    length = 44 + len(hashes)
    directory = struct.pack(">9I", 0xFADE0C02, length, 0x20400, 0x20002, 44, 0, 0, pages, end)
    directory += struct.pack(">4BI", 32, 2, 0, 12, 0) + hashes
    return code + struct.pack(">5I", 0xFADE0CC0, 20 + length, 1, 0, 20) + directory


class Making(unittest.TestCase):
    """What make.py does with the archives of a release."""

    def setUp(self):
        self.scratch = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.scratch)

    def make(self, directory, root=ROOT, **more):
        """Runs make.py, and returns how it ended and what it reported."""
        script = os.path.join(root, ".ci/packages/make.py")
        ended = subprocess.run(
            [sys.executable, "-B", script, directory, VERSION, DATE],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            check=False,
            **more,
        )
        return ended.returncode, ended.stderr.decode()

    def checkout(self):
        """A copy of what the packages are made of."""
        other = os.path.join(self.scratch, "checkout")
        shutil.copytree(PACKAGES, os.path.join(other, ".ci/packages"))
        shutil.copytree(os.path.join(ROOT, "docs/schema"), os.path.join(other, "docs/schema"))
        for name in ("Cargo.toml", "README.md", "LICENSE-MIT", "LICENSE-APACHE"):
            shutil.copy(os.path.join(ROOT, name), other)
        return other

    def archive(self, directory, platform, program):
        """Puts an archive with this program into a directory."""
        os.makedirs(directory, exist_ok=True)
        path = os.path.join(directory, f"bakstop-{VERSION}-{platform}.tar.gz")
        with tarfile.open(path, "w:gz") as tar:
            member = tarfile.TarInfo("bakstop")
            member.size = len(program)
            tar.addfile(member, io.BytesIO(program))

    def test_same_bytes_elsewhere(self):
        first, second = os.path.join(self.scratch, "a"), os.path.join(self.scratch, "b c")
        for directory in (first, second):
            os.mkdir(directory)
            for name in os.listdir(RELEASE):
                if name.endswith(".tar.gz"):
                    shutil.copy(os.path.join(RELEASE, name), directory)
        self.assertEqual(self.make(first, env={**os.environ, "TZ": "UTC"}), (0, ""))
        other = self.checkout()
        environment = {**os.environ, "TZ": "Asia/Tokyo", "LC_ALL": "C", "PYTHONHASHSEED": "7"}
        code = self.make(
            second, other, env=environment, cwd=second, preexec_fn=lambda: os.umask(0o077)
        )
        self.assertEqual(code, (0, ""))
        self.assertEqual(read(first, "manifest.json"), read(second, "manifest.json"))
        self.assertEqual(compare(first, second), [])

    def test_a_second_platform_is_in_all_that_hold_all(self):
        self.archive(self.scratch, "linux-x86_64", b"#!/bin/sh\n")
        self.assertEqual(self.make(self.scratch), (0, ""))
        before = read(self.scratch, f"npm/bakstop-linux-x64-{VERSION}.tgz")
        self.archive(self.scratch, "macos-aarch64", b"#!/bin/sh\n")
        self.assertEqual(self.make(self.scratch), (0, ""))
        self.assertEqual(before, read(self.scratch, f"npm/bakstop-linux-x64-{VERSION}.tgz"))
        with tarfile.open(os.path.join(self.scratch, f"npm/bakstop-{VERSION}.tgz")) as tar:
            manifest = json.load(tar.extractfile("package/package.json"))
        self.assertEqual(
            list(manifest["optionalDependencies"]), ["bakstop-linux-x64", "bakstop-darwin-arm64"]
        )
        with tarfile.open(os.path.join(self.scratch, f"npm/bakstop-{VERSION}-all.tgz")) as tar:
            names = [name for name in tar.getnames() if "/native/" in name]
        self.assertEqual(
            names, [f"package/native/{name}/bakstop" for name in ("darwin-arm64", "linux-x64")]
        )
        self.assertEqual(
            sorted(os.listdir(os.path.join(self.scratch, "wheel")))[0],
            f"bakstop-{VERSION}-py3-none-macosx_11_0_arm64.whl",
        )

    def test_programs_of_other_platforms_are_refused(self):
        def elf(machine, kind):
            header = bytearray(64 + 56)
            header[:4] = b"\x7fELF"
            header[18:20] = machine.to_bytes(2, "little")
            header[32:40] = (64).to_bytes(8, "little")
            header[54:58] = (56).to_bytes(2, "little") + (1).to_bytes(2, "little")
            header[64] = kind
            return bytes(header)

        arm, intel = 0x0100000C, 0x01000007
        for platform, program, reason in [
            ("linux-x86_64", elf(62, 1), None),
            ("linux-x86_64", elf(62, 3), "not static"),
            ("linux-x86_64", elf(183, 1), "another processor"),
            ("linux-aarch64", elf(183, 1), None),
            ("linux-aarch64", mach_o(arm), "another system"),
            ("linux-x86_64", b"MZ\x90\x00", "another system"),
            ("macos-aarch64", mach_o(arm, (11, 0)), None),
            ("macos-aarch64", mach_o(arm, (13, 0)), "it is not for macOS 11.0"),
            ("macos-aarch64", mach_o(arm, signed=False), "it is not signed"),
            ("macos-aarch64", mach_o(arm).replace(b"libSystem", b"libsystem"), "page 0 is not"),
            ("macos-aarch64", mach_o(arm)[:-1], "cut off"),
            ("macos-aarch64", mach_o(arm)[:40], "cut off"),
            ("macos-x86_64", mach_o(arm), "another processor"),
            ("macos-x86_64", mach_o(intel, signed=False), None),
            ("macos-x86_64", mach_o(intel, (11, 0)), "it is not for macOS 10.12"),
            ("macos-x86_64", mach_o(intel, library="/opt/x.dylib"), "it needs /opt/x.dylib"),
            ("macos-x86_64", elf(62, 1), "another system"),
        ]:
            with self.subTest(platform=platform, reason=reason):
                directory = tempfile.mkdtemp(dir=self.scratch)
                self.archive(directory, platform, program)
                code, message = self.make(directory)
                self.assertEqual(code, 1 if reason else 0)
                self.assertIn(reason or "", message)
                self.assertEqual(bool(reason), "manifest.json" not in os.listdir(directory))

    def test_addresses_of_the_project_are_in_all(self):
        other = self.checkout()
        lines = read(ROOT, "Cargo.toml").decode().splitlines(keepends=True)
        lines = [line for line in lines if not line.startswith(("homepage", "repository"))]
        lines.insert(1, 'homepage = "https://example.org/a"\n')
        lines.insert(2, 'repository = "https://example.org/b"\n')
        with open(os.path.join(other, "Cargo.toml"), "w", encoding="utf-8") as file:
            file.writelines(lines)
        self.archive(self.scratch, "linux-x86_64", b"#!/bin/sh\n")
        self.assertEqual(self.make(self.scratch, other), (0, ""))
        with tarfile.open(os.path.join(self.scratch, f"npm/bakstop-{VERSION}.tgz")) as tar:
            manifest = json.load(tar.extractfile("package/package.json"))
        self.assertEqual(manifest["homepage"], "https://example.org/a")
        self.assertEqual(manifest["repository"], "https://example.org/b")
        (name,) = os.listdir(os.path.join(self.scratch, "wheel"))
        with zipfile.ZipFile(os.path.join(self.scratch, "wheel", name)) as archive:
            metadata = archive.read(f"bakstop-{VERSION}.dist-info/METADATA").decode()
        self.assertIn("\nProject-URL: homepage, https://example.org/a\n", metadata)

    def test_pip_gets_an_empty_package_from_the_checkout(self):
        code = "import hook_backend, sys; print(hook_backend.build_wheel(sys.argv[1]))"
        name = subprocess.check_output(
            [sys.executable, "-B", "-c", code, self.scratch], cwd=PACKAGES, text=True
        ).strip()
        self.assertEqual(name, f"bakstop_hooks-{VERSION}-py3-none-any.whl")
        with zipfile.ZipFile(os.path.join(self.scratch, name)) as archive:
            self.assertNotIn(".data/", " ".join(archive.namelist()))


def compare(first, second):
    """The files that differ."""
    names = [
        os.path.relpath(os.path.join(base, name), first)
        for base, _, names in os.walk(first)
        for name in names
    ]
    return [name for name in names if read(first, name) != read(second, name)]


class Installing(unittest.TestCase):
    """What install.sh takes from this release."""

    def test_each_machine_gets_its_own_program(self):
        platforms = [
            ("linux-x86_64", "Linux", "x86_64"),
            ("linux-aarch64", "Linux", "aarch64"),
            ("macos-x86_64", "Darwin", "x86_64"),
            ("macos-aarch64", "Darwin", "arm64"),
        ]
        tried = 0
        for platform, system, machine in platforms:
            archive = os.path.join(RELEASE, f"bakstop-{VERSION}-{platform}.tar.gz")
            if not os.path.exists(archive):
                continue
            tried += 1
            with self.subTest(platform=platform), tempfile.TemporaryDirectory() as top:
                with tarfile.open(archive) as tar:
                    wanted = tar.extractfile("bakstop").read()
                code, message = self.install(top, system, machine)
                self.assertEqual(read(top, "last"), wanted)
                if code == 0:
                    self.assertEqual(read(top, "bin/bakstop"), wanted)
                else:
                    # This machine cannot run it.
                    self.assertIn("the new binary does not run here", message)
                    self.assertFalse(os.path.exists(os.path.join(top, "bin")))
        self.assertTrue(tried)

    @staticmethod
    def install(top, system, machine):
        """Runs install.sh where `uname` gives these answers; returns how it ended and what it
        reported. `top`/last is the file that it copied last: the program, to try it."""
        stubs = os.path.join(top, "stubs")
        os.mkdir(stubs)
        for name, line in [
            ("uname", f"case $1 in -s) echo {system} ;; -m) echo {machine} ;; esac"),
            ("cp", f"command -p cp \"$@\" && command -p cp -- \"$2\" '{top}/last'"),
        ]:
            with open(os.path.join(stubs, name), "w", encoding="utf-8") as file:
                file.write(f"#!/bin/sh\n{line}\n")
            os.chmod(os.path.join(stubs, name), 0o755)
        releases = "file://" + os.path.dirname(RELEASE)
        script = os.path.join(ROOT, "install.sh")
        ended = subprocess.run(
            ["sh", script, "--base-url", releases, "--to", os.path.join(top, "bin")],
            env={**os.environ, "PATH": f"{stubs}:{os.environ['PATH']}"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            check=False,
        )
        return ended.returncode, ended.stderr.decode()


# A program that shows how it was started.
PROGRAM = '#!/bin/sh\nprintf "%s|" "${0##*/}" "$@"\ncat\nexit 7\n'


class Launcher(unittest.TestCase):
    """The launcher, in the layouts of package managers."""

    def setUp(self):
        self.top = os.path.join(tempfile.mkdtemp(), "a b")
        self.addCleanup(shutil.rmtree, os.path.dirname(self.top))
        self.modules = os.path.join(self.top, "node_modules")
        self.machine = os.uname().machine.replace("aarch64", "arm64").replace("x86_64", "x64")
        self.platform = f"{sys.platform}-{self.machine}"

    def main(self, directory, tarball=f"bakstop-{VERSION}.tgz"):
        """Unpacks the main package, with the program of the tests if it holds programs."""
        unpack(tarball, os.path.join(self.modules, directory))
        inside = os.path.join(self.modules, directory, "native", self.platform, "bakstop")
        if os.path.exists(inside):
            self.program(inside)

    def platform_package(self, directory):
        """Puts the package of this machine, with the program of the tests, into a directory."""
        path = os.path.join(self.modules, directory, f"bakstop-{self.platform}", "bin/bakstop")
        os.makedirs(os.path.dirname(path))
        self.program(path)

    def program(self, path):
        """Writes the program of the tests."""
        with open(path, "w", encoding="utf-8") as file:
            file.write(PROGRAM)
        os.chmod(path, 0o755)

    def link(self, target, path):
        """A link, as package managers make them: relative."""
        path = os.path.join(self.modules, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        os.symlink(target, path)

    def run_it(self, path, before=(), **more):
        """Runs a path below node_modules; returns the exit code and both outputs."""
        ended = subprocess.run(
            [*before, os.path.join(self.modules, path), "check", "--range", "a b", "*"],
            input=b"lines\n",
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            check=False,
            **more,
        )
        return ended.returncode, ended.stdout.decode(), ended.stderr.decode()

    def starts(self, path):
        """Each shell starts the program: its arguments, input and exit code come through."""
        wanted = (7, "bakstop|check|--range|a b|*|lines\n", "")
        self.assertEqual(self.run_it(path), wanted)
        for shell in SHELLS:
            words = ["busybox", "ash"] if shell == "busybox" else [shell]
            self.assertEqual(self.run_it(path, words), wanted, shell)
        if shutil.which("node"):
            self.assertEqual(self.run_it(path, ["node"]), wanted, "node")

    def test_side_by_side(self):
        self.main("bakstop")
        self.platform_package("")
        self.link("../bakstop/bin/bakstop", ".bin/bakstop")
        self.starts(".bin/bakstop")
        self.starts("bakstop/bin/bakstop")
        os.symlink(os.path.join(self.modules, ".bin/bakstop"), os.path.join(self.top, "linked"))
        self.starts("../linked")

    def test_isolated(self):
        self.main(".pnpm/bakstop@1/node_modules/bakstop")
        self.platform_package(".pnpm/bakstop@1/node_modules")
        self.link(".pnpm/bakstop@1/node_modules/bakstop", "bakstop")
        self.starts("bakstop/bin/bakstop")

    def test_inside_of_the_main_package(self):
        self.main("bakstop")
        self.platform_package("bakstop/node_modules")
        self.link("../bakstop/bin/bakstop", ".bin/bakstop")
        self.starts(".bin/bakstop")

    def test_all_in_one(self):
        self.main("bakstop", f"bakstop-{VERSION}-all.tgz")
        self.link("../bakstop/bin/bakstop", ".bin/bakstop")
        self.starts(".bin/bakstop")

    def test_started_from_its_own_directory_and_from_path(self):
        self.main("bakstop")
        self.platform_package("")
        own = os.path.join(self.modules, "bakstop/bin")
        for words, environment in [
            (["sh", "bakstop"], os.environ),
            (["bakstop"], {**os.environ, "PATH": ".:" + os.environ["PATH"]}),
        ]:
            ended = subprocess.run(
                words, cwd=own, env=environment, stdin=subprocess.DEVNULL, check=False,
                stdout=subprocess.PIPE,
            )
            self.assertEqual((ended.returncode, ended.stdout), (7, b"bakstop|"))

    def test_without_the_package_of_this_machine(self):
        self.main("bakstop")
        self.link("../bakstop/bin/bakstop", ".bin/bakstop")
        words = [[], *([shell] for shell in SHELLS if shell != "busybox")]
        if shutil.which("node"):
            words.append(["node"])
        for before in words:
            code, out, err = self.run_it(".bin/bakstop", before)
            self.assertEqual((code, out), (2, ""))
            self.assertIn(f"bakstop-{self.platform} {VERSION}, the package with", err)
            self.assertIn("optional", err)

    def test_a_program_that_a_signal_ends(self):
        self.main("bakstop")
        self.platform_package("")
        program = os.path.join(self.modules, f"bakstop-{self.platform}/bin/bakstop")
        for signal in ("TERM", "KILL"):
            with open(program, "w", encoding="utf-8") as file:
                file.write(f"#!/bin/sh\nkill -{signal} $$\n")
            for before in [[], ["node"]] if shutil.which("node") else [[]]:
                code, _, _ = self.run_it("bakstop/bin/bakstop", before)
                self.assertEqual(code, {"TERM": -15, "KILL": -9}[signal], before)

    def test_what_is_no_program_is_missing(self):
        self.main("bakstop")
        self.platform_package("")
        program = os.path.join(self.modules, f"bakstop-{self.platform}/bin/bakstop")
        for size, mode in [(None, 0o644), (0, 0o755)]:
            os.chmod(program, mode)
            if size is not None:
                os.truncate(program, size)
            for before in [[], ["node"]] if shutil.which("node") else [[]]:
                code, _, err = self.run_it("bakstop/bin/bakstop", before)
                self.assertEqual(code, 2)
                self.assertIn("is not installed", err)
        if shutil.which("node"):
            os.truncate(program, 4096)
            code, _, err = self.run_it("bakstop/bin/bakstop", ["node"])
            self.assertEqual(code, 2)
            self.assertIn("is not installed", err)

    def test_other_machines(self):
        self.main("bakstop", f"bakstop-{VERSION}-all.tgz")
        stubs = os.path.join(self.top, "stubs")
        os.mkdir(stubs)
        environment = {**os.environ, "PATH": f"{stubs}:{os.environ['PATH']}"}
        for machine, message in [
            ("MINGW64_NT-10.0-22631 x86_64", "there is no bakstop for Windows"),
            ("MSYS_NT-10.0 x86_64", "Use it in WSL"),
            ("SunOS i86pc", "there is no bakstop for SunOS i86pc"),
            ("Linux riscv64", "there is no bakstop for Linux riscv64"),
            ("", "there is no bakstop for "),
        ]:
            with open(os.path.join(stubs, "uname"), "w", encoding="utf-8") as file:
                file.write(f"#!/bin/sh\necho '{machine}'\n")
            os.chmod(os.path.join(stubs, "uname"), 0o755)
            code, out, err = self.run_it("bakstop/bin/bakstop", env=environment)
            self.assertEqual((code, out), (2, ""))
            self.assertIn(message, err)

    def test_each_machine_starts_its_own_program(self):
        self.main("bakstop")
        package = os.path.join(self.modules, "bakstop")
        names = ["linux-x64", "linux-arm64", "darwin-x64", "darwin-arm64"]
        for name in names:
            os.makedirs(os.path.join(package, "native", name))
            path = os.path.join(package, "native", name, "bakstop")
            with open(path, "w", encoding="utf-8") as file:
                file.write(f"#!/bin/sh\necho {name}\n")
            os.chmod(path, 0o755)
        launcher = os.path.join(package, "bin/bakstop")
        release_for(launcher, names)
        stubs = os.path.join(self.top, "stubs")
        os.mkdir(stubs)
        environment = {**os.environ, "PATH": f"{stubs}:{os.environ['PATH']}"}
        for kernel, machine, name in [
            ("Linux", "x86_64", "linux-x64"),
            ("Linux", "aarch64", "linux-arm64"),
            ("Darwin", "x86_64", "darwin-x64"),
            ("Darwin", "arm64", "darwin-arm64"),
        ]:
            with open(os.path.join(stubs, "uname"), "w", encoding="utf-8") as file:
                file.write(f"#!/bin/sh\n[ \"$*\" = -sm ] && echo {kernel} {machine}\n")
            os.chmod(os.path.join(stubs, "uname"), 0o755)
            for shell in SHELLS:
                words = ["busybox", "ash"] if shell == "busybox" else [shell]
                ran = self.run_it("bakstop/bin/bakstop", words, env=environment)
                self.assertEqual(ran, (0, name + "\n", ""), shell)
            if shutil.which("node"):
                fake = os.path.join(self.top, "fake.js")
                system, processor = name.split("-")
                with open(fake, "w", encoding="utf-8") as file:
                    for key, value in (("platform", system), ("arch", processor)):
                        property = f"'{key}', {{ value: '{value}' }}"
                        file.write(f"Object.defineProperty(process, {property});\n")
                ran = self.run_it("bakstop/bin/bakstop", ["node", "--require", fake])
                self.assertEqual(ran, (0, name + "\n", ""), "node")
        # On macOS, the program for the other processor is better than none.
        shutil.rmtree(os.path.join(package, "native/darwin-arm64"))
        ran = self.run_it("bakstop/bin/bakstop", ["sh"], env=environment)
        self.assertEqual(ran, (0, "darwin-x64\n", ""))

    def test_a_platform_that_was_not_released(self):
        self.main("bakstop")
        launcher = os.path.join(self.modules, "bakstop/bin/bakstop")
        other = "linux-arm64" if self.platform == "darwin-arm64" else "darwin-arm64"
        release_for(launcher, [other])
        for before in [[], ["node"]] if shutil.which("node") else [[]]:
            code, _, err = self.run_it("bakstop/bin/bakstop", before)
            self.assertEqual(code, 2)
            self.assertIn(f"bakstop {VERSION} was released without {self.platform}", err)
            self.assertIn(f"It was released for {other}", err)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    RELEASE = os.path.join(os.path.realpath(sys.argv.pop(1)), f"v{VERSION}")
    unittest.main()
