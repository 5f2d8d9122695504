"""What a run leaves on disk, and how it goes on from what is there. Without JAX.

While a sweep runs, each finished member is a file of its own under ``finished/``; at the end they become tables:
``members.csv``, ``history.csv``, ``predictions.npz``. Every file is written atomically, so a kill loses at most the
members in training.
"""

from __future__ import annotations

import csv
import json
import re
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from jaxreg.axes import AXES
from jaxreg.data.dataset import Signature
from jaxreg.errors import UserError
from jaxreg.files import remove_halves, write_csv, write_npz, write_text
from jaxreg.spec.grid import value_of
from jaxreg.spec.load import read
from jaxreg.spec.members import Member
from jaxreg.spec.sweep import Sweep

SMALL_WEIGHT = 1e-3
"""A hidden-kernel entry below this in absolute value counts as small."""

SEPARATOR = "/"  # between the names of nested weights


class MemberResult(NamedTuple):
    """All that is kept of a member."""

    id: str
    row: dict[str, Any]  # of members.csv, without the settings' columns
    history: list[dict[str, Any]]  # a row an epoch
    log_probabilities: np.ndarray  # "example class" float32, of the test images
    weights: Any = None  # {"params", "statistics"}, nested dicts of arrays, kept while a follower may need them


class Folder:
    """The folder of one run."""

    def __init__(self, path: Path):
        self.path = path
        self._finished = path / "finished"

    def check(self, sweep: Sweep, digest: str) -> None:
        """Makes sure that what is there belongs to this sweep.

        Raises:
            UserError: it belongs to another, or the folder can't be written.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            probe = self.path / ".writable"
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise UserError(
                f"{self.path}: can't be written ({error.strerror}). Give another folder with --out."
            ) from None
        stored = self.about()
        if stored is None:
            return
        try:
            differences = sweep.differences(read(stored["sweep"]))
        except (KeyError, TypeError, UserError):
            differences = ["its run.json is from another version of jaxreg"]
        if stored.get("data", {}).get("digest") != digest:
            differences.append("data: other images there")
        if differences:
            listed = "\n  ".join(differences)
            raise UserError(f"{self.path} holds another sweep:\n  {listed}\n  Give another folder with --out.")

    def about(self) -> dict[str, Any] | None:
        """run.json, or None where there is none yet."""
        try:
            stored = json.loads((self.path / "run.json").read_text(encoding="utf-8"))
            if not isinstance(stored, dict):
                raise ValueError
            return stored
        except FileNotFoundError:
            return None
        except (OSError, ValueError):
            raise UserError(
                f"{self.path / 'run.json'} can't be read as JSON. Delete it to train anew, "
                "or give another folder with --out."
            ) from None

    def note(self, about: Mapping[str, Any]) -> None:
        """Writes run.json."""
        write_text(self.path / "run.json", json.dumps(about, indent=2, ensure_ascii=False) + "\n")

    def keep(self, finished: MemberResult, with_weights: bool) -> None:
        """Puts a finished member on disk."""
        weights = dict(_flat(finished.weights)) if with_weights else {}
        content = json.dumps({"id": finished.id, "row": finished.row, "history": finished.history})
        arrays = {"content": np.array(content), "log_probabilities": finished.log_probabilities, **weights}
        write_npz(self._file(finished.id), arrays)

    def finished(self, ids: Iterable[str]) -> dict[str, MemberResult]:
        """The members among ``ids`` that are on disk, whole, by id."""
        ids = list(ids)
        found = {name: member for name in ids if (member := self._read(self._file(name))) is not None}
        tables = self._from_tables() if len(found) < len(ids) else {}
        return {name: tables[name] for name in ids if name in tables} | found

    def write_tables(
        self, members: Sequence[Member], finished: dict[str, MemberResult], labels: np.ndarray, data: Signature
    ) -> np.ndarray:
        """Writes members.csv, history.csv and predictions.npz, in the order of ``members``.

        Returns:
            The log-probabilities ``[member, image, class]``; those in `finished` become views of it.
        """
        predictions = _stacked(members, finished)
        rows = [settings_columns(member, data) | finished[member.id].row for member in members]
        epochs = [{"member": member.id} | row for member in members for row in finished[member.id].history]
        # Log-probabilities: a float32 probability rounds to 0 or 1 where its logarithm is still exact.
        names = np.array([member.id for member in members])
        arrays = {"members": names, "labels": labels, "log_probabilities": predictions}
        write_npz(self.path / "predictions.npz", arrays)
        history = pd.DataFrame(epochs)
        write_csv(self.path / "history.csv", history)
        table = pd.DataFrame(rows)
        write_csv(self.path / "members.csv", table.astype(dict.fromkeys(EPOCHS, "Int64")))
        return predictions

    def tidy(self) -> None:
        """Removes the members' own files, once the tables hold them, and halves of files that a kill has left."""
        for file in self._finished.glob("*"):
            file.unlink()
        if self._finished.is_dir():
            self._finished.rmdir()
        remove_halves(self.path)

    def _file(self, member: str) -> Path:
        return self._finished / (re.sub(r"[^\w.=,+-]", "_", member) + ".npz")

    def _read(self, file: Path) -> MemberResult | None:
        try:
            # Opened here, since NumPy leaves a damaged archive open.
            with file.open("rb") as opened, np.load(opened) as arrays:
                content = json.loads(str(arrays["content"]))
                weights = _nested({name: arrays[name] for name in arrays.files if SEPARATOR in name})
                return MemberResult(**content, log_probabilities=arrays["log_probabilities"], weights=weights)
        except FileNotFoundError:
            return None
        except (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile):
            return None  # damaged: trained again and written anew

    def _from_tables(self) -> dict[str, MemberResult]:
        """The members of a run that came to its end, if its predictions are still there."""
        files = [self.path / name for name in ("predictions.npz", "members.csv", "history.csv")]
        if not all(file.exists() for file in files):
            return {}
        try:
            with files[0].open("rb") as opened, np.load(opened) as arrays:
                log_probabilities = dict(zip(arrays["members"].tolist(), arrays["log_probabilities"], strict=True))
            rows = {row["member"]: _member_row(row) for row in _rows(files[1])}
            history: dict[str, list[dict[str, Any]]] = {name: [] for name in rows}
            for row in _rows(files[2]):
                history[row["member"]].append(_epoch(row))
            return {
                name: MemberResult(name, rows[name], history[name], log_p) for name, log_p in log_probabilities.items()
            }
        except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile):
            return {}


SETTINGS_COLUMNS = ("member", "cell", "architecture", *AXES, "deal", "split", "seed")


EPOCHS = ("diverged_at", "stopped_at")  # columns of members.csv that are empty for most


def _rows(file: Path) -> list[dict[str, str]]:
    # Not with pandas, whose versions before 3 read numbers with an error in the last digit.
    with file.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def _number(text: str) -> int | float:
    return int(text) if text.isdecimal() else float(text or "nan")


def _member_row(row: Mapping[str, str]) -> dict[str, Any]:
    """A row of members.csv, as `MemberResult` has it."""
    own = {key: text for key, text in row.items() if key not in SETTINGS_COLUMNS}
    return {key: None if key in EPOCHS and not text else _number(text) for key, text in own.items()}


def _epoch(row: Mapping[str, str]) -> dict[str, Any]:
    """A row of history.csv, as `MemberResult` has it. Only members with validation data have its columns."""
    present = {key: text for key, text in row.items() if text or not key.startswith("val_")}
    return {key: _number(text) for key, text in present.items() if key != "member"}


def settings_columns(member: Member, data: Signature) -> dict[str, Any]:
    """The columns of members.csv that are known before training."""
    settings = member.settings
    deal = {} if member.deal is None else {"deal": member.deal}
    return {
        "member": member.id,
        "cell": member.cell.name,
        "architecture": settings.architecture(data.features, data.classes),
        **{axis: value_of(settings, axis) for axis in AXES},
        **deal,
        "split": member.split,
        "seed": member.seed,
    }


def _stacked(members: Sequence[Member], finished: dict[str, MemberResult]) -> np.ndarray:
    """All log-probabilities, copied one by one and let go of, so that memory holds none twice."""
    first = finished[members[0].id].log_probabilities
    whole = np.empty((len(members), *first.shape), first.dtype)
    for place, member in enumerate(members):
        whole[place] = finished[member.id].log_probabilities
        finished[member.id] = finished[member.id]._replace(log_probabilities=whole[place])
    return whole


def _flat(tree: Any, prefix: str = "weights") -> Iterable[tuple[str, np.ndarray]]:
    if isinstance(tree, Mapping):
        for name, branch in tree.items():
            yield from _flat(branch, f"{prefix}{SEPARATOR}{name}")
    else:
        yield prefix, np.asarray(tree)


def _nested(flat: Mapping[str, np.ndarray]) -> Any:
    tree: dict[str, Any] = {}
    if flat:
        tree = {"params": {}, "statistics": {}}
    for path, leaf in flat.items():
        *branches, name = path.split(SEPARATOR)[1:]
        node = tree
        for branch in branches:
            node = node.setdefault(branch, {})
        node[name] = leaf
    return tree
