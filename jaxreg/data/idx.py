"""IDX, the format of MNIST and its kin: a big-endian header, then the bytes."""

from __future__ import annotations

import struct
from typing import NamedTuple


class IdxFile(NamedTuple):
    """One file of the data set, with the SHA-256 of its content and of the official .gz around it."""

    name: str
    shape: tuple[int, ...]
    content: str
    wrapper: str

    @property
    def header(self) -> bytes:
        return struct.pack(f">{1 + len(self.shape)}I", 0x800 + len(self.shape), *self.shape)
