"""Files from anywhere, read within bounds: regular files alone, never waited for, never more of them than is stated.

A FIFO would make a reader wait for ever, a device has no end, a .gz of some megabytes may unpack to gigabytes. What is
refused here is an `OSError` with a reason in `strerror`, like every other fault of a file.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

GZIP = 31  # of zlib: a gzip stream
KINDS = {stat.S_IFIFO: "FIFO", stat.S_IFCHR: "device", stat.S_IFBLK: "device", stat.S_IFSOCK: "socket"}


def opened(path: str | Path) -> BinaryIO:
    """A regular file, open for reading; links are followed.

    Raises:
        OSError: it is not there, may not be read, or is a FIFO, a device, a socket or a folder.
    """
    try:
        _regular(os.stat(path))  # before it is opened: to open a device may do something
        # Without waiting, and looked at again: something else may have got the name in between.
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except ValueError:  # a null byte, or half a character
        raise OSError(errno.EINVAL, "no file can have this name") from None
    try:
        _regular(os.fstat(handle))
    except BaseException:
        os.close(handle)
        raise
    # Not in there: Ctrl-C on the way out would close it twice, and be lost in the error of that.
    return os.fdopen(handle, "rb")


def read(path: str | Path, most: int) -> bytes:
    """A regular file's content, at most `most` bytes of it.

    Raises:
        OSError: as `opened`; or it is larger.
    """
    with opened(path) as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise OSError(errno.EFBIG, f"larger than the {most:,} bytes that it may have")
    return content


def digest(path: str | Path) -> str:
    """SHA-256 of a regular file, as hexadecimal digits. Raises OSError as `opened`."""
    with opened(path) as file:
        return hashlib.file_digest(cast(Any, file), "sha256").hexdigest()


def pieces(file: BinaryIO, size: int) -> Iterator[bytes]:
    """The rest of a file in pieces of at most `size` bytes, none of them empty."""
    while piece := file.read(size):
        yield piece


def unpacked(file: BinaryIO, size: int) -> Iterator[bytes]:
    """What a .gz file holds, in pieces of at most `size` bytes, none of them empty. Memory: two pieces.

    Raises:
        OSError: it is no gzip file, is damaged or cut off, or something follows the gzip stream.
    """
    stream = zlib.decompressobj(GZIP)
    try:
        for packed in pieces(file, 1 << 16):
            while not stream.eof:
                piece = stream.decompress(packed, size)
                packed = stream.unconsumed_tail
                if piece:
                    yield piece
                if not packed and len(piece) < size:  # a full piece may leave more of it inside
                    break
            if stream.eof and (stream.unused_data or file.read(1)):
                raise OSError(errno.EINVAL, "something follows the gzip stream: a second one, or what is no gzip")
    except zlib.error as error:
        raise OSError(errno.EINVAL, f"it is no gzip file, or a damaged one: {error}") from None
    if not stream.eof:
        raise OSError(errno.EINVAL, "it is no gzip file, or one that is cut off")


def _regular(status: os.stat_result) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(status.st_mode):
        kind = KINDS.get(stat.S_IFMT(status.st_mode), "special file")
        raise OSError(errno.EINVAL, f"it is a {kind}, and only regular files are read")
