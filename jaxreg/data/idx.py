"""IDX, the format of MNIST and its kin: a big-endian header (magic 0x800 + number of dimensions, then each dimension),
then the bytes; plain, or within gzip.

What is checked is the unpacked content, because gzip wrappers of the same data differ (Debian's lack the file name).
"""

from __future__ import annotations

import math
import struct
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

from jaxreg import reading
from jaxreg.errors import UserError

BYTES = 0x800  # of a magic number: what follows are unsigned bytes
DIMENSIONS = {1: "labels", 3: "images"}


class IdxFile(NamedTuple):
    """One file of a data set that is known, with the SHA-256 of its content and of the official .gz around it."""

    name: str
    shape: tuple[int, ...]
    content: str
    wrapper: str

    @property
    def header(self) -> bytes:
        return header_of(self.shape)


def header_of(shape: tuple[int, ...]) -> bytes:
    """What a file of such an array begins with."""
    return struct.pack(f">{1 + len(shape)}I", BYTES + len(shape), *shape)


def shape_of(path: Path, dimensions: int) -> tuple[int, ...]:
    """The shape that a file's header announces.

    Raises:
        UserError: it does not begin as an IDX file of bytes with so many dimensions.
        OSError: it can't be read, or is no gzip file though named so.
    """
    size, begin = 4 * (1 + dimensions), b""
    with reading.opened(path) as file:
        for piece in reading.unpacked(file, size) if path.suffix == ".gz" else reading.pieces(file, size):
            begin = (begin + piece)[:size]
            if len(begin) == size:
                break
    if len(begin) < size or begin[:4] != struct.pack(">I", BYTES + dimensions):
        raise UserError(
            f"{path} is no IDX file of {DIMENSIONS[dimensions]}: it begins with {begin.hex(' ', 4) or 'nothing'},"
            f" expected {BYTES + dimensions:08x}, then {dimensions} of 4 bytes that say how many."
        )
    return struct.unpack(f">{dimensions}I", begin[4:])


def content_of(path: Path, shape: tuple[int, ...], way_out: str) -> bytes:
    """A file's content, header included, which must be that of an array of bytes of this shape.

    Memory: what the file should hold, three times at most, whatever it holds.

    Raises:
        UserError: the file is damaged, or holds something else; `way_out` is the message's last line.
        OSError: it can't be read.
    """
    header = header_of(shape)
    size = len(header) + math.prod(shape)
    packed = reading.read(path, size + size // 1000 + 65536)  # what does not shrink grows by less than that
    content, rest = _unzipped(path, packed, size, way_out) if path.suffix == ".gz" else (packed, b"")
    if not content.startswith(header):
        found = content[: len(header)].hex(" ", 4) or "nothing"
        raise UserError(
            f"{path} is not the IDX file it is named for: it begins with {found},"
            f" expected {header.hex(' ', 4)} (magic, then {' x '.join(map(str, shape))}).\n"
            f"  {way_out}"
        )
    if len(content) > size:
        raise UserError(f"{path} unpacks to more than the {size:,} bytes that its header announces.\n  {way_out}")
    if rest:
        raise UserError(f"{path} has {len(rest):,} bytes after its gzip stream.\n  {way_out}")
    if len(content) < size:
        raise UserError(f"{path} is cut off: {len(content):,} bytes, where its header announces {size:,}.\n  {way_out}")
    return content


def _unzipped(path: Path, packed: bytes, size: int, way_out: str) -> tuple[bytes, bytes]:
    """The content, at most a byte more than `size` of it, and what follows the gzip stream."""
    stream = zlib.decompressobj(reading.GZIP)
    try:
        content = stream.decompress(packed, size + 1)
    except zlib.error as error:
        raise UserError(f"{path} is truncated or no gzip file: {len(packed)} bytes ({error}).\n  {way_out}") from None
    if not stream.eof and len(content) <= size:
        raise UserError(f"{path} is truncated or no gzip file: {len(packed)} bytes and no end.\n  {way_out}")
    return content, stream.unused_data


def array_of(content: bytes, shape: tuple[int, ...]) -> np.ndarray:
    """The array behind the header (read-only)."""
    return np.frombuffer(content, np.uint8, offset=len(header_of(shape))).reshape(shape)
