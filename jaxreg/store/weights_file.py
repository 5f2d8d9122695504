"""A trained network in a file: its arrays by name, and a record of what they are, as safetensors. Nothing is pickled.

The record is JSON in the file's metadata, with a SHA-256 of itself and of all arrays, which safetensors does not keep.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from jaxreg import reading
from jaxreg.errors import UserError
from jaxreg.files import write_bytes

SUFFIX = ".safetensors"
RECORD, DIGEST = "jaxreg", "sha256"  # the key of the metadata, and one in the record
MOST_BYTES = 8_000_000_000


def write(path: Path, record: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Path:
    """Writes both, all or nothing. Raises `UserError` where the file can't be written or has another suffix."""
    if path.suffix != SUFFIX:
        raise UserError(f"{path}: must end in {SUFFIX}, which is what a saved network is.")
    plain = {name: np.array(array, order="C") for name, array in arrays.items()}
    try:
        text = json.dumps({**record, DIGEST: _digest(record, plain)}, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise UserError(f"{path}: something of it can't be written without pickle: {error}.") from None
    try:
        return write_bytes(path, save(plain, {RECORD: text}))
    except OSError as error:
        raise UserError(f"{path}: can't be written ({error.strerror or error}).") from None


def read(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The record and the arrays. Raises `UserError` where they are not what was written, or nothing of ours."""
    try:
        content = reading.read(path, MOST_BYTES)
    except OSError as error:
        raise UserError(f"{path}: can't be read ({error.strerror or error}).") from None
    try:
        arrays = load(content)  # checks the header, which is read again for what this leaves out
        length = int.from_bytes(content[:8], "little")
        about = json.loads(content[8 : 8 + length]).get("__metadata__", {})
    except (SafetensorError, KeyError, ValueError, RecursionError) as error:
        raise UserError(f"{path}: is no safetensors file, or a damaged one ({str(error).splitlines()[0]}).") from None
    if RECORD not in about:
        raise UserError(f"{path}: is a safetensors file of something else; jaxreg loads what `save` has written.")
    try:
        record = json.loads(about[RECORD])
        whole = record.pop(DIGEST, None) == _digest(record, arrays)
    except (ValueError, AttributeError, RecursionError):
        whole = False
    if not whole:
        raise UserError(f"{path}: is damaged: its content is not what was written. Save it again.")
    return record, arrays


def _digest(record: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> str:
    total = hashlib.sha256(json.dumps(record, allow_nan=False).encode())
    for name, array in sorted(arrays.items()):
        total.update(f"{name} {array.dtype.str} {array.shape}".encode())
        total.update(array.tobytes())
    return total.hexdigest()
