"""The tables of a run, from its members: members.csv, history.csv, predictions.npz."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
import pandas as pd

from jaxreg.data.dataset import Dataset, Signature
from jaxreg.files import write, write_csv
from jaxreg.spec.grid import axes_of, value_of
from jaxreg.spec.members import Member
from jaxreg.store.identity import Key
from jaxreg.store.members import FEATURE_NORMS, StoredMembers
from jaxreg.store.predictions import StoredPredictions

PREDICTIONS_LIMIT = 256 * 2**20
"""Bytes of predictions up to which predictions.npz is written unasked; each member has them in a file of its own."""

CALLED = {"train_examples": "trained_on"}  # columns of members.csv that would have the name of an axis
EPOCHS = ("diverged_at", "stopped_at")  # columns of members.csv that are empty for most
LONGEST_NAME = 200  # letters of a column's name
TOGETHER = 200  # members whose rows are plain Python at one time, which take ten times what a table takes


def write_members(
    path: Path, members: Sequence[Member], keys: Sequence[Key], store: StoredMembers, data: Signature
) -> None:
    """Writes members.csv and history.csv into the folder `path`, in the order of `members`."""
    rows, epochs = rows_of(members, keys, store, data)
    write_csv(path / "history.csv", epochs)
    write_csv(path / "members.csv", rows)


def rows_of(
    members: Sequence[Member], keys: Sequence[Key], store: StoredMembers, data: Signature
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows of members.csv and of history.csv."""
    rows, epochs = [], []
    for start in range(0, len(members), TOGETHER):
        some, history = [], []
        for member, key in zip(members[start : start + TOGETHER], keys[start : start + TOGETHER], strict=True):
            content = store.read(key)
            some.append(
                settings_columns(member, data)
                | {CALLED.get(name, name): row for name, row in content.row.items() if name != FEATURE_NORMS}
            )
            history += [{"member": member.id} | row for row in content.history]
        rows.append(pd.DataFrame(some).astype(dict.fromkeys(EPOCHS, "Int64")))
        epochs.append(pd.DataFrame(history))
    return pd.concat(rows, ignore_index=True), pd.concat(epochs, ignore_index=True)


def features_of(
    members: Sequence[Member], keys: Sequence[Key], store: StoredMembers, names: Sequence[str]
) -> pd.DataFrame:
    """The rows of features.csv: of each cell, for each column of the table, what the first layer's weights are.

    `names` are those of the columns; `norm` is the mean over the members on splits that did not diverge. Empty where
    some were trained before this was kept, or there are none.
    """
    of_cell: dict[str, list[list[float]]] = {}
    for member, key in zip(members, keys, strict=True):
        row = store.read(key).row
        if member.split != "all" and row["diverged_at"] is None:
            if len(row.get(FEATURE_NORMS, ())) != len(names):
                return pd.DataFrame()
            of_cell.setdefault(member.cell.name, []).append(row[FEATURE_NORMS])
    columns = [(number, name[:LONGEST_NAME].replace("\0", "")) for number, name in enumerate(names)]
    return pd.DataFrame(
        [
            {"cell": cell, "feature": number, "feature_name": name, "norm": norm}
            for cell, norms in of_cell.items()
            for (number, name), norm in zip(columns, np.mean(norms, axis=0).tolist(), strict=True)
        ]
    )


def write_predictions(path: Path, members: Sequence[Member], dataset: Dataset, predictions: StoredPredictions) -> None:
    """Writes predictions.npz into the folder `path`: `members`, `labels`, `log_probabilities` "member example class".

    Log-probabilities: a float32 probability rounds to 0 or 1 where its logarithm is still exact. Of quantities:
    `members`, `targets`, `quantities` "member example quantity", standardised as the targets are, and `means` and
    `spreads` to undo that.
    """
    targets, quantities = dataset.test.targets, dataset.quantities
    beside = {"members": np.array([member.id for member in members])}
    if quantities is None:
        beside, name = beside | {"labels": targets}, "log_probabilities"
    else:
        scale = {"means": np.array(quantities.means), "spreads": np.array(quantities.spreads)}
        beside, name = beside | {"targets": targets} | scale, "quantities"

    def fill(file: IO[bytes]) -> None:
        with zipfile.ZipFile(file, "w") as archive:

            def add(name: str) -> Any:
                return archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True)

            for called, array in beside.items():
                with add(called) as entry:
                    np.lib.format.write_array(entry, np.asarray(array), allow_pickle=False)
            with add(name) as entry:  # a member at a time, as no array holds them all
                shape, kind = predictions.shape, np.lib.format.dtype_to_descr(predictions.dtype)
                header = {"shape": shape, "fortran_order": False, "descr": kind}
                np.lib.format.write_array_header_1_0(entry, header)
                for row in range(shape[0]):
                    entry.write(predictions[[row], slice(None)].tobytes())

    write(path / "predictions.npz", fill)


def settings_columns(member: Member, data: Signature) -> dict[str, Any]:
    """The columns of members.csv that are known before training."""
    settings = member.settings
    deal = {} if member.deal is None else {"deal": member.deal}
    return {
        "member": member.id,
        "cell": member.cell.name,
        "architecture": settings.architecture(data.features, data.outputs),
        **{axis: value_of(settings, axis) for axis in axes_of(settings)},
        **deal,
        "split": member.split,
        "seed": member.seed,
    }
