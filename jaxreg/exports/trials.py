"""The members of a run as trackers of experiments have them: hyperparameters, final metrics, curves."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from jaxreg.axes import present
from jaxreg.errors import UserError
from jaxreg.store.results import Results

CHANCE = ("deal", "split", "seed")
IDENTITY = ("member", "cell", "architecture", *CHANCE)


class Trial(NamedTuple):
    """One member."""

    name: str
    group: str  # its cell, and of the second stage that it saw all of the data: trials that differ by chance alone
    hyperparameters: Mapping[str, Any]  # numbers, switches or texts, by axis; the same in the whole group
    chance: Mapping[str, Any]  # its split and seed
    metrics: Mapping[str, float]  # at the end
    curves: pd.DataFrame  # a row per epoch, a column per metric besides `epoch`; empty where none were kept
    diverged: bool


def trials(results: Results) -> list[Trial]:
    """Every member of the parts and of the second stage."""
    tables = [table for table in (results.members, results.second_stage) if not table.empty]
    members = pd.concat(tables, ignore_index=True).drop_duplicates("member")
    curves = dict(list(results.history.groupby("member", sort=False)))
    axes = {axis: _typed(members[axis]) for axis in present(members.columns)}
    names = [name for name in members if name not in (*IDENTITY, *axes) and _numbers(members[name])]
    made = []
    for place, row in enumerate(members.to_dict("records")):
        whole = str(row["split"]) == "all"
        chance: dict[str, Any] = {
            name: row[name] for name in ("deal", "split", "seed") if name in row and pd.notna(row[name])
        }
        metrics = {str(name): float(row[name]) for name in names if pd.notna(row[name])}
        seen = curves.get(row["member"], pd.DataFrame())
        made.append(
            Trial(
                row["member"],
                f"{row['cell']} on all" if whole else str(row["cell"]),
                {"cell": row["cell"], "data": "all" if whole else "a part"}
                | {axis: values[place] for axis, values in axes.items()},
                chance,
                metrics,
                seen.drop(columns=["member"], errors="ignore").dropna(axis=1, how="all"),
                pd.notna(row["diverged_at"]),
            )
        )
    return made


def finished(results: Results) -> float:
    """When the run ended, in seconds since 1970."""
    try:
        return datetime.fromisoformat(str(results.record["finished"])).timestamp()
    except (KeyError, ValueError):
        return os.path.getmtime(results.path / "members.csv")


def new_folder(path: Path, fill: Callable[[Path], object]) -> Path:
    """A folder that is there as a whole or not at all.

    Raises:
        UserError: there is one already with something in it, or it can't be written.
    """
    try:
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise UserError(f"{path} is there already, and what is in it would mix. Give another folder.")
        path.absolute().parent.mkdir(parents=True, exist_ok=True)
        half = Path(tempfile.mkdtemp(dir=path.absolute().parent, prefix=f".{path.name}."))
        try:
            fill(half)
            half.chmod(0o755)
            if path.exists():
                path.rmdir()
            half.rename(path)
        except BaseException:
            shutil.rmtree(half, ignore_errors=True)
            raise
    except OSError as error:
        raise UserError(f"{path}: can't be written ({error.strerror or error}).") from None
    return path


def as_path(name: str) -> str:
    """A name as the path of a folder inside another: as it is, but for what would lead out of there."""
    return "/".join(re.sub(r"[^\w.+=,-]", "_", part).lstrip(".") or "_" for part in name.split("/"))


def _typed(column: pd.Series) -> list[Any]:
    """Values of an axis: all numbers, all switches, or else all texts, as trackers want one type for a name."""
    if _numbers(column) and column.notna().all():
        return [float(value) for value in column]
    texts = column.astype(str)
    if set(texts) <= {"True", "False"}:
        return [text == "True" for text in texts]
    return list(texts)


def _numbers(column: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)
