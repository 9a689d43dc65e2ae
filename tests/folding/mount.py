#!/usr/bin/env python3
"""Mounts a directory as a file system that compares names as macOS does.

usage: tests/folding/mount.py KIND DIRECTORY MOUNT_POINT

KIND is `apfs` (names keep the form in which they were written) or `hfs` (names are listed in
Unicode's form NFD, whatever was written). Both find a name in any letter case and in any form.
Needs /dev/fuse, libfuse and the Python package mfusepy; returns once the file system is mounted,
which stays until it is unmounted.
"""

import errno
import os
import sys
import unicodedata

import mfusepy


def key(name):
    """What two names of one file have in common."""
    return unicodedata.normalize("NFD", unicodedata.normalize("NFD", name).casefold())


class Folding(mfusepy.Operations):
    """The files below `root`, by any of their names."""

    use_ns = True

    def __init__(self, kind, root):
        self.kind = kind
        self.root = root

    def place(self, path):
        """The real path: of the file that has this name, or else of the one to be made."""
        real = self.root
        for name in filter(None, path.split("/")):
            stored = unicodedata.normalize("NFD", name) if self.kind == "hfs" else name
            if not os.path.lexists(os.path.join(real, stored)):
                wanted = key(name)
                same = (other for other in self.names(real) if key(other) == wanted)
                stored = next(same, stored)
            real = os.path.join(real, stored)
        return real

    @staticmethod
    def names(directory):
        try:
            return os.listdir(directory)
        except (FileNotFoundError, NotADirectoryError):
            return []

    def init(self, _path):
        """Nothing to prepare."""

    def access(self, path, amode):
        if not os.access(self.place(path), amode):
            raise mfusepy.FuseOSError(errno.EACCES)

    def chmod(self, path, mode):
        os.chmod(self.place(path), mode)

    def chown(self, path, uid, gid):
        os.chown(self.place(path), uid, gid, follow_symlinks=False)

    def getattr(self, path, fh=None):
        about = os.lstat(self.place(path))
        names = ("mode", "nlink", "uid", "gid", "size", "ino")
        found = {f"st_{name}": getattr(about, f"st_{name}") for name in names}
        for name in ("st_atime", "st_mtime", "st_ctime"):
            found[name] = getattr(about, f"{name}_ns")
        return found

    def readdir(self, path, _fh):
        # An entry without an inode would be skipped.
        directory = self.place(path)
        for name in (".", "..", *os.listdir(directory)):
            about = os.lstat(os.path.join(directory, name))
            yield name, {"st_ino": about.st_ino, "st_mode": about.st_mode}, 0

    def readlink(self, path):
        return os.readlink(self.place(path))

    def mknod(self, path, mode, dev):
        os.mknod(self.place(path), mode, dev)

    def mkdir(self, path, mode):
        os.mkdir(self.place(path), mode)

    def rmdir(self, path):
        os.rmdir(self.place(path))

    def unlink(self, path):
        os.unlink(self.place(path))

    def symlink(self, target, source):
        os.symlink(source, self.place(target))

    def link(self, target, source):
        os.link(self.place(source), self.place(target), follow_symlinks=False)

    def rename(self, old, new):
        source, target = self.place(old), self.place(new)
        if source == target:
            # Only the letter case or the form changes.
            name = new.rsplit("/", 1)[-1]
            name = unicodedata.normalize("NFD", name) if self.kind == "hfs" else name
            target = os.path.join(os.path.dirname(source), name)
        os.rename(source, target)

    def statfs(self, path):
        about = os.statvfs(self.place(path))
        names = "bavail bfree blocks bsize favail ffree files frsize namemax".split()
        return {f"f_{name}": getattr(about, f"f_{name}") for name in names}

    def utimens(self, path, times=None):
        os.utime(self.place(path), ns=times, follow_symlinks=False)

    def create(self, path, mode, fi=None):
        return os.open(self.place(path), os.O_RDWR | os.O_CREAT | os.O_EXCL, mode)

    def open(self, path, flags):
        return os.open(self.place(path), flags & ~os.O_APPEND & ~os.O_NOFOLLOW)

    def read(self, path, size, offset, fh):
        return os.pread(fh, size, offset)

    def write(self, path, data, offset, fh):
        return os.pwrite(fh, data, offset)

    def truncate(self, path, length, fh=None):
        os.truncate(self.place(path) if fh is None else fh, length)

    def flush(self, path, fh):
        """Nothing is kept back."""

    def fsync(self, path, datasync, fh):
        os.fsync(fh)

    def release(self, path, fh):
        os.close(fh)


def main(arguments):
    if len(arguments) != 3 or arguments[0] not in ("apfs", "hfs"):
        sys.exit(__doc__)
    kind, root, point = arguments
    timeouts = {"entry_timeout": 0, "negative_timeout": 0, "attr_timeout": 0}
    # `use_ino`: git compares inodes.
    mfusepy.FUSE(
        Folding(kind, os.path.realpath(root)), point, foreground=False, nothreads=True,
        use_ino=True, default_permissions=True, allow_other=True, **timeouts,
    )


if __name__ == "__main__":
    main(sys.argv[1:])
