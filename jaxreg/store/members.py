"""The members of a run on disk, a few files each, which all say what they are. Without JAX.

    members/NAME.json          its row and its history, what decides its numbers, digests of all this and of the others
    members/NAME.npy           predictions of the test examples: log-probabilities, or quantities
    members/NAME.weights.npz   its final weights, where another member starts from them
    members/NAME.state.npz     where its training has got to, or ended

NAME is the member's id and the beginning of its fingerprint (of a state: of its lineage), so that what was trained
otherwise lies beside it and not in its place. The .json is written last: a member that has one is whole, unless its
digests say otherwise.
"""

from __future__ import annotations

import hashlib
import json
import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxreg import reading
from jaxreg.files import write_npy, write_npz, write_text
from jaxreg.store.identity import Key, digest_of
from jaxreg.store.predictions import StoredPredictions

SMALL_WEIGHT = 1e-3
"""A hidden-kernel entry below this in absolute value counts as small."""

FEATURE_NORMS = "feature_norms"
"""In the row of a member that learned from a table: a number for each column, which members.csv has not."""

SEPARATOR = "/"  # between the names of nested weights
SHOWN = 16  # digits of a fingerprint in the name of a file
MOST_CONTENT = 256_000_000  # bytes of a .json: a million epochs
UNREADABLE = (OSError, EOFError, ValueError, KeyError, TypeError, RecursionError, zipfile.BadZipFile)


class MemberResult(NamedTuple):
    """All that is kept of a member that has ended."""

    id: str
    row: dict[str, Any]  # of members.csv, without the settings' columns
    history: list[dict[str, Any]]  # a row an epoch
    predictions: np.ndarray  # of the test examples, float32: log-probabilities "example class", or "example quantity"
    weights: Any = None  # {"params", "statistics"}, nested dicts of arrays, kept while a follower may need them


class MemberState(NamedTuple):
    """Where a member's training has got to, after a whole number of epochs: enough to go on, bit for bit."""

    id: str
    history: list[dict[str, Any]]  # a row for each of these epochs
    seconds: float  # that they took
    arrays: dict[str, np.ndarray]  # weights, optimizer, patience, best weights, by name


class Content(NamedTuple):
    """What the .json of a member says."""

    row: dict[str, Any]
    history: list[dict[str, Any]]
    made: dict[str, Any]  # versions and device


class Damaged(Exception):
    """A file is there and not what it should be; the message says which and how."""


class StoredMembers:
    """The members in the folder of a run."""

    def __init__(self, path: Path):
        self.path = path

    def keep(self, key: Key, result: MemberResult, made: Mapping[str, Any], with_weights: bool) -> None:
        """Puts a member on disk: all of it, or nothing that counts."""
        predictions, weights = self._file(key, ".npy"), dict(_flat(result.weights)) if with_weights else {}
        write_npy(predictions, result.predictions)
        digests = {"predictions": _digest(predictions)}
        if weights:
            write_npz(self._file(key, ".weights.npz"), weights)
            digests["weights"] = _digest(self._file(key, ".weights.npz"))
        self._write(key, {"row": result.row, "history": result.history, "made": dict(made)}, digests)

    def read(self, key: Key) -> Content:
        """Row and history of a member.

        Raises:
            FileNotFoundError: there is no such member.
            Damaged: its file is not what was written, or is another member's.
        """
        return self._read(key)[0]

    def check(self, key: Key, with_weights: bool) -> Content:
        """The same, once its other files have been compared with their digests too, with the same errors."""
        content, digests = self._read(key)
        files = {"predictions": ".npy"} | ({"weights": ".weights.npz"} if with_weights else {})
        for name, ending in files.items():
            file = self._file(key, ending)
            if name not in digests:
                raise FileNotFoundError(file)  # kept before anybody wanted to start from it
            if _digest(file) != digests[name]:
                raise Damaged(f"{file} is missing or not what was written")
        return content

    def weights(self, key: Key) -> Any:
        """The final weights, as in `MemberResult`, of a member that was checked."""
        with np.load(self._file(key, ".weights.npz"), allow_pickle=False) as arrays:
            return _nested({name: arrays[name] for name in arrays.files})

    def predictions(self, keys: Sequence[Key]) -> StoredPredictions:
        """What members that were checked predict, in this order."""
        return StoredPredictions([self._file(key, ".npy") for key in keys])

    def others(self, key: Key) -> Iterator[tuple[Key, Content]]:
        """Members of the same id and lineage that were trained for another number of epochs; whole ones."""
        for file in self._by_name.get(_name(key.id), []):
            try:
                identity = json.loads(reading.read(file, MOST_CONTENT))["identity"]
                other = Key(key.id, identity)
                if other.fingerprint != key.fingerprint and other.lineage == key.lineage:
                    yield other, self.check(other, with_weights=False)
            except (*UNREADABLE, Damaged):
                continue  # nobody asked for it

    @cached_property
    def _by_name(self) -> dict[str, list[Path]]:
        """The members that were there when it was asked first, by the beginnings of their files' names.

        Listed once: a look for each of 10,000 members would take minutes.
        """
        found: dict[str, list[Path]] = {}
        for file in sorted(self.path.glob("*.json")):
            found.setdefault(file.stem.rpartition(".")[0], []).append(file)
        return found

    def keep_state(self, key: Key, state: MemberState) -> None:
        """Puts the state of a member on disk, in the place of an earlier one."""
        content = {"lineage": key.lineage, "history": state.history, "seconds": state.seconds}
        own = {"content": np.array(json.dumps(content)), **state.arrays}
        write_npz(self._file(key, ".state.npz"), own | {"digest": np.array(_digest_of_arrays(own))})

    def state(self, key: Key) -> MemberState | None:
        """The state of a member or of its lineage; None where there is none, or it is damaged."""
        try:
            # Opened here, since NumPy leaves a damaged archive open.
            with self._file(key, ".state.npz").open("rb") as file, np.load(file, allow_pickle=False) as stored:
                arrays = {name: stored[name] for name in stored.files}
            if str(arrays.pop("digest")) != _digest_of_arrays(arrays):
                return None
            content = json.loads(str(arrays.pop("content")))
            if content["lineage"] != key.lineage:
                return None
            return MemberState(key.id, content["history"], content["seconds"], arrays)
        except UNREADABLE:
            return None

    def drop_state(self, key: Key) -> None:
        """Removes the state of a member."""
        self._file(key, ".state.npz").unlink(missing_ok=True)

    def adopt(self, key: Key, other: Key) -> None:
        """Keeps the numbers of another member as this one's: it ended before its epochs did, and so would this."""
        content, _ = self._read(other)
        predictions = np.load(self._file(other, ".npy"), allow_pickle=False)
        self.keep(key, MemberResult(key.id, content.row, content.history, predictions), content.made, False)

    def _write(self, key: Key, content: dict[str, Any], digests: Mapping[str, str | None]) -> None:
        whole = {"id": key.id, "identity": key.identity, **content, "digests": digests}
        text = json.dumps(whole | {"digest": digest_of(whole)}, indent=1)
        write_text(self._file(key, ".json"), text + "\n")

    def _read(self, key: Key) -> tuple[Content, dict[str, str]]:
        file = self._file(key, ".json")
        try:
            stored = json.loads(reading.read(file, MOST_CONTENT))
            digest = stored.pop("digest")
            if digest != digest_of(stored):
                raise Damaged(f"{file} was changed after it was written")
            if stored["id"] != key.id or digest_of(stored["identity"]) != key.fingerprint:
                raise Damaged(f"{file} is that of another member, {stored['id']}")
            return Content(stored["row"], stored["history"], stored["made"]), stored["digests"]
        except FileNotFoundError:
            raise
        except UNREADABLE:
            raise Damaged(f"{file} can't be read") from None

    def _file(self, key: Key, ending: str) -> Path:
        shown = key.lineage if ending == ".state.npz" else key.fingerprint
        return self.path / f"{_name(key.id)}.{shown[:SHOWN]}{ending}"


def _digest(file: Path) -> str | None:
    """SHA-256 of a file; None where there is none that can be read."""
    try:
        return reading.digest(file)
    except OSError:
        return None


def _digest_of_arrays(arrays: Mapping[str, np.ndarray]) -> str:
    total = hashlib.sha256()
    for name, array in arrays.items():
        total.update(f"{name} {array.dtype} {array.shape} ".encode())
        total.update(np.ascontiguousarray(array).data)
    return total.hexdigest()


def _name(member: str) -> str:
    """The id as the beginning of a file's name: file systems take 255 bytes."""
    return re.sub(r"[^\w.=,+-]", "_", member).encode()[:180].decode(errors="ignore")


def _flat(tree: Any, prefix: str = "") -> Iterable[tuple[str, np.ndarray]]:
    if isinstance(tree, Mapping):
        for name, branch in tree.items():
            yield from _flat(branch, f"{prefix}{SEPARATOR}{name}" if prefix else name)
    else:
        yield prefix, np.asarray(tree)


def _nested(flat: Mapping[str, np.ndarray]) -> Any:
    tree: dict[str, Any] = {"params": {}, "statistics": {}}
    for path, leaf in flat.items():
        *branches, name = path.split(SEPARATOR)
        node = tree
        for branch in branches:
            node = node.setdefault(branch, {})
        node[name] = leaf
    return tree
