"""Compressed files by their suffix: `.gz` is gzip (RFC 1952), `.zst` is Zstandard (RFC 8878)."""

import gzip
import sys
import zlib
from io import BufferedIOBase
from pathlib import PurePath

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

GZIP_SUFFIX = ".gz"
ZSTD_SUFFIXES = (".zst", ".zstd")

GZIP_LEVEL = 6
"""That of the gzip command. Python's own, 9, takes half as long again, for one percent."""

DAMAGE = (EOFError, gzip.BadGzipFile, zlib.error, zstd.ZstdError)
"""What reading raises where the file is cut off (EOFError) or is not what its suffix says."""


def reading(file: BufferedIOBase, path: str) -> BufferedIOBase:
    """What `file` holds, decompressed as the suffix of `path` says; `file` stays the caller's.

    Several members or frames one after another are read as one. Reading raises one of DAMAGE, after
    it has given what comes before the damage.
    """
    suffix = PurePath(path).suffix.lower()
    if suffix == GZIP_SUFFIX:
        return gzip.GzipFile(fileobj=file, mode="rb")
    if suffix in ZSTD_SUFFIXES:
        return zstd.ZstdFile(file, mode="r")
    return file


def writing(file: BufferedIOBase, path: str) -> BufferedIOBase:
    """A file that compresses into `file` as the suffix of `path` says; `file` stays the caller's.

    Where it is not `file` itself, it must be closed first: that writes the end, without which a
    reader takes the file for a damaged one.
    """
    suffix = PurePath(path).suffix.lower()
    if suffix == GZIP_SUFFIX:
        return gzip.GzipFile("", "wb", GZIP_LEVEL, fileobj=file, mtime=0)
    if suffix in ZSTD_SUFFIXES:
        return zstd.ZstdFile(file, mode="w")
    return file


def describe(error: Exception) -> str:
    """Why a file can't be read any further, for a person; `error` is OSError or one of DAMAGE."""
    if isinstance(error, EOFError):
        return "it is cut off"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return "it is damaged, or not compressed as its name says"
