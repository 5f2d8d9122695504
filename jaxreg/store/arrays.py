"""The arrays of an .npz file from anywhere: no pickles, and never more memory than the file's own words allow.

NumPy's reader believes headers: an array of 10^15 numbers is allocated before it is found to be missing.
"""

from __future__ import annotations

import lzma
import math
import warnings
import zipfile
import zlib
from io import BytesIO
from pathlib import Path
from tokenize import TokenError

import numpy as np
from numpy.lib import format as npy

from jaxreg import reading

MOST_BYTES, MOST_ARRAYS = 64_000_000, 20
# What NumPy and the parser of Python in it raise at what is no header.
NO_HEADER = (
    ValueError, TypeError, KeyError, SyntaxError, TokenError, RecursionError, MemoryError, OverflowError,
)  # fmt: skip
KINDS = "biufU"  # of NumPy's types: numbers and text


def read(file: Path, most: int = MOST_BYTES) -> dict[str, np.ndarray]:
    """Every array of the file by name.

    Raises:
        OSError, ValueError: it can't be read; is larger than `most` bytes, as it lies there or unpacked, or has more
            than `MOST_ARRAYS` arrays; or an array is not of numbers or text, or not as long as its header says.
    """
    content = reading.read(file, most)
    if content.count(b"PK\1\2") > 10 * MOST_ARRAYS:  # entries, and what looks like one by chance
        raise ValueError(f"more than {MOST_ARRAYS} arrays")
    try:
        with zipfile.ZipFile(BytesIO(content)) as archive:
            entries = archive.infolist()
            if len(entries) > MOST_ARRAYS or len(set(archive.namelist())) < len(entries):
                raise ValueError(f"more than {MOST_ARRAYS} arrays, or two of one name")
            if sum(entry.file_size for entry in entries) > most:
                raise ValueError(f"more than {most:,} bytes unpacked")
            # No more than its size is read of an entry.
            return {entry.filename.removesuffix(".npy"): _array(archive.read(entry)) for entry in entries}
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise ValueError(str(error) or type(error).__name__) from None


def _array(content: bytes) -> np.ndarray:
    file = BytesIO(content)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of headers that NumPy has to guess at
            shape, by_columns, kind = _header(file)
    except NO_HEADER as error:
        raise ValueError(f"an array's header: {str(error).splitlines()[0][:100] if str(error) else error!r}") from None
    if kind.hasobject:
        raise ValueError("an array is of Python objects, as pandas keeps texts. Save it as texts: array.astype(str)")
    size = math.prod(shape) * kind.itemsize
    if kind.kind not in KINDS or min(shape, default=0) < 0 or size != len(content) - file.tell():
        raise ValueError(f"an array that is none: of {str(kind)[:30]}, {len(content) - file.tell()} bytes of {size}")
    return np.frombuffer(content, kind, math.prod(shape), file.tell()).reshape(shape, order="F" if by_columns else "C")


def _header(file: BytesIO) -> tuple[tuple[int, ...], bool, np.dtype]:
    version = npy.read_magic(file)
    if version == (1, 0):
        return npy.read_array_header_1_0(file)
    if version == (2, 0):
        return npy.read_array_header_2_0(file)
    raise ValueError(f"version {version} of the format")
