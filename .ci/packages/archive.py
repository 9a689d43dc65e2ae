"""Archives that depend only on their contents and one date."""

import gzip
import io
import tarfile
import time
import zipfile


def tgz(files, date):
    """A .tar.gz of `files`, {path: (bytes, is executable)}. `date` is in seconds since 1970."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for path, (data, executable) in sorted(files.items()):
            member = tarfile.TarInfo(path)
            member.size = len(data)
            member.mode = 0o755 if executable else 0o644
            member.mtime = date
            tar.addfile(member, io.BytesIO(data))
    packed = io.BytesIO()
    # Neither a name nor a time in the header.
    with gzip.GzipFile("", "wb", 9, packed, mtime=0) as out:
        out.write(plain.getvalue())
    return packed.getvalue()


def untar(packed, name):
    """The bytes of one member of a .tar.gz."""
    with tarfile.open(fileobj=io.BytesIO(packed), mode="r:gz") as tar:
        return tar.extractfile(name).read()


def zipped(files, date):
    """A .zip of `files`, [(path, bytes, is executable)], in this order."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as out:
        for path, data, executable in files:
            # A zip file has dates since 1980, without a time zone.
            member = zipfile.ZipInfo(path, time.gmtime(max(date, 315532800))[:6])
            member.compress_type = zipfile.ZIP_DEFLATED
            member.create_system = 3
            member.external_attr = (0o100755 if executable else 0o100644) << 16
            out.writestr(member, data)
    return packed.getvalue()
