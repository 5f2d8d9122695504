"""Atomic files: a reader finds the old content or the new, never half of one. Nothing is written through a link."""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import IO

import numpy as np
import pandas as pd

HALF = ".jaxreg-tmp"  # how files end that are being written


def write(path: Path, fill: Callable[[IO[bytes]], object]) -> Path:
    """Have `fill` write a temporary file beside `path`, make it durable, then give it the name.

    Raises:
        OSError: it can't be written. Its folder has to be there: one that was removed is not made again, with one file.
    """
    path = Path(path)
    # In the same folder, since a rename is atomic only within one file system.
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:150]}.", suffix=HALF)
    try:
        with os.fdopen(handle, "wb") as file:
            fill(file)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o666 & ~_umask())  # mkstemp makes files that nobody else can read
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return path


def remove_halves(folders: Sequence[Path]) -> None:
    """Removes what a kill has left in these folders of files that were being written."""
    for path in (path for folder in folders for path in folder.glob(f".*{HALF}")):
        path.unlink(missing_ok=True)


def _umask() -> int:
    with _ASKING:
        mask = os.umask(0)
        os.umask(mask)
    return mask


_ASKING = Lock()  # the mask can only be asked for by setting it, and several threads write


def write_bytes(path: Path, content: bytes) -> Path:
    """Write `content` to `path`, all or nothing."""
    return write(path, lambda file: file.write(content))


def write_text(path: Path, text: str) -> Path:
    """Write `text` to `path` as UTF-8 with Unix line ends, all or nothing."""
    return write_bytes(path, text.encode())


def write_csv(path: Path, table: pd.DataFrame) -> Path:
    """Write `table` without its index; numbers in the shortest form that reads back as the same number."""
    return write_text(path, table.to_csv(index=False, lineterminator="\n"))


def write_npz(path: Path, arrays: Mapping[str, np.ndarray]) -> Path:
    """Write `arrays` by name, uncompressed: predictions hardly shrink, and compressing them is slow."""

    def fill(file: IO[bytes]) -> None:
        # `allow_pickle=False` would be an array of that name before NumPy 2.2.
        np.savez(file, **arrays)  # type: ignore[arg-type]

    return write(path, fill)


def write_npy(path: Path, array: np.ndarray) -> Path:
    """Write one array."""
    content = io.BytesIO()  # into a file NumPy writes past Python, and does not say that the disk is full
    np.save(content, array, allow_pickle=False)
    return write_bytes(path, content.getvalue())
