"""The tables of a run folder, read back for the report: no JAX, no predictions."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from jaxreg import reading
from jaxreg.formatting import printable
from jaxreg.measures import CLASSES, OF_TASK, Measures
from jaxreg.store import arrays, checks
from jaxreg.store.columns import EMPTY, FILES, NEEDED, OPTIONAL, called
from jaxreg.store.levels import from_0
from jaxreg.store.reading_tables import read_table
from jaxreg.store.record import damaged, no_folder, read_record
from jaxreg.store.tables import CALLED


@dataclass(frozen=True)
class Results:
    """What a run left: a table a file, `record` from run.json, `examples` the arrays of examples.npz."""

    path: Path
    members: pd.DataFrame
    history: pd.DataFrame
    decomposition: pd.DataFrame
    comparisons: pd.DataFrame
    choices: pd.DataFrame
    classes: pd.DataFrame = field(default_factory=pd.DataFrame)
    quantities: pd.DataFrame = field(default_factory=pd.DataFrame)
    calibration: pd.DataFrame = field(default_factory=pd.DataFrame)
    reliability: pd.DataFrame = field(default_factory=pd.DataFrame)
    features: pd.DataFrame = field(default_factory=pd.DataFrame)
    power: pd.DataFrame = field(default_factory=pd.DataFrame)
    second_stage: pd.DataFrame = field(default_factory=pd.DataFrame)
    whole: pd.DataFrame = field(default_factory=pd.DataFrame)
    recommendation: pd.DataFrame = field(default_factory=pd.DataFrame)
    data_size: pd.DataFrame = field(default_factory=pd.DataFrame)
    looks: pd.DataFrame = field(default_factory=pd.DataFrame)
    examples: dict[str, np.ndarray] = field(default_factory=dict)
    record: dict[str, Any] = field(default_factory=dict)

    @property
    def sweep(self) -> dict[str, Any]:
        """The sweep as resolved."""
        return self.record.get("sweep") or {}

    @property
    def examples_are(self) -> str:
        """What the report calls the data's examples, as run.json says: images, rows."""
        return self._word("examples_are", "images")

    @property
    def example_is(self) -> str:
        """One of them."""
        return self.examples_are.removesuffix("s")

    @property
    def models_are(self) -> str:
        """What the report calls what was trained: networks, or models of any kind."""
        return self._word("models_are", "networks")

    @property
    def model_is(self) -> str:
        """One of them."""
        return self.models_are.removesuffix("s")

    @property
    def elsewhere(self) -> bool:
        """Whether its models were trained by others, who type none of our flags: predictions are all that there is."""
        return self.models_are == "models"

    @property
    def inputs_are(self) -> str:
        """What the report calls the numbers of an example: pixels, features."""
        return self._word("inputs_are", "pixels")

    @property
    def curve_examples(self) -> int | None:
        """Test examples behind a point of a learning curve, where that is known."""
        asked, there = self.sweep.get("curve_images"), (self.record.get("data") or {}).get("test_examples")
        return min(asked, there) if isinstance(asked, int) and isinstance(there, int) else asked

    @property
    def measures(self) -> Measures:
        """By what its models are scored."""
        return _measures(self.record)

    @property
    def unit(self) -> str:
        """The quantity that is predicted, as a text; empty where there are several, which share no unit, or none."""
        names = list((self.record.get("data") or {}).get("quantities") or ())
        return str(names[0]) if len(names) == 1 else ""

    def predicted_share(self, squared_error: float) -> float:
        """R²: the share of the test part's variance that is predicted with this error; nan where that is not known."""
        variance = (self.record.get("data") or {}).get("test_variance")
        return 1 - squared_error / variance if variance else float("nan")

    def _word(self, name: str, usual: str) -> str:
        return str((self.record.get("data") or {}).get(name, usual))

    @property
    def folded(self) -> bool:
        """Whether it is a cross-validation, which has no parts and tells no variance."""
        return self.sweep.get("design") == "folds"

    @property
    def deals(self) -> int:
        """How often the same examples were dealt into splits."""
        if "deal" not in self.members:
            return 1
        return int(self.members.loc[self.members["split"] != "all", "deal"].nunique())

    @property
    def cells(self) -> list[str]:
        """Every cell, in the sweep's order."""
        return list(dict.fromkeys(self.members["cell"]))

    def loss(self, name: str) -> pd.DataFrame:
        """The decomposition of one loss, indexed by cell in the sweep's order; intervals begin at 0, as losses do."""
        rows = self.decomposition[self.decomposition["loss"] == name].set_index("cell")
        return from_0(rows.reindex(self.cells), name)

    def against(self, reference: str | None, measure: str) -> pd.DataFrame:
        """The paired comparisons of one measure with one cell, indexed by cell in the sweep's order."""
        rows = self.comparisons
        rows = rows[(rows["reference"] == reference) & (rows["measure"] == measure)].set_index("cell")
        return rows.reindex(self.cells)

    def change(self, reference: str | None, cell: str, measure: str) -> dict[str, Any] | None:
        """One paired comparison; None where it was not made or has no number."""
        rows = self.comparisons
        rows = rows[(rows["reference"] == reference) & (rows["cell"] == cell) & (rows["measure"] == measure)]
        return _first(rows[rows["difference"].notna()])

    def choice(self, axis: str, rule: str) -> dict[str, Any] | None:
        """The row of choices.csv for an axis and a rule; None where nothing could be chosen."""
        if self.elsewhere and (axis, rule) == ("all", "one_standard_error"):
            return None  # nobody knows their gaps, of which it would be the smallest
        rows = self.choices[(self.choices["axis"] == axis) & (self.choices["rule"] == rule)]
        return _first(rows[rows["cell"].notna()])

    def advice(self, scope: str, purpose: str) -> dict[str, Any] | None:
        """What is recommended for a purpose, on the parts or on the whole training set; None where nothing can be."""
        rows = self.recommendation
        if rows.empty:
            return None
        return _first(rows[(rows["scope"] == scope) & (rows["purpose"] == purpose)])

    def of_whole(self, cell: str | None, measure: str) -> dict[str, Any] | None:
        """What a cell scores on the whole training set in a measure, and its difference from the reference."""
        rows = self.whole
        return None if rows.empty else _first(rows[(rows["cell"] == cell) & (rows["measure"] == measure)])

    def chosen(self) -> list[dict[str, Any]]:
        """The best cell of all and the most regularised within one standard error, as far as there are."""
        rows = (self.choice("all", rule) for rule in ("best", "one_standard_error"))
        return [row for row in rows if row is not None]

    @property
    def sound(self) -> pd.DataFrame:
        """The members that count towards a cell: on a split of their own, and not diverged."""
        return self.members[(self.members["split"] != "all") & self.members["diverged_at"].isna()]


def _first(rows: pd.DataFrame) -> dict[str, Any] | None:
    if rows.empty:
        return None
    row = {str(key): value for key, value in rows.to_dict("records")[0].items()}
    # Of an edited table a column may be of whole numbers.
    return {key: float(value) if type(value) is int else value for key, value in row.items()}


def read(path: str | Path, for_report: bool = False) -> Results:
    """Read a run folder, whoever it is from: no more than is stated of any file, and nothing is executed.

    What only the report needs is asked for with `for_report`: that all tables speak of the same cells, of each of them.

    Raises:
        UserError: a file is missing, can't be read, or can't be what a run has left; the message has its name.
    """
    path = Path(path)
    if not path.is_dir():
        raise no_folder(path)
    about = read_record(path / "run.json")
    measures = _measures(about)
    tables = {name: read_table(path / f"{name}.csv", called(columns, measures)) for name, columns in NEEDED.items()}
    for name, columns in OPTIONAL.items():
        if os.path.lexists(path / f"{name}.csv"):
            tables[name] = read_table(path / f"{name}.csv", called(columns, measures))
    if "trained_on" not in tables["members"]:  # of an earlier version, in which this was no axis
        tables["members"] = tables["members"].rename(columns=CALLED)
    _as_written(path, about)
    for name, table in tables.items():
        try:
            checks.table(name, table)
        except ValueError as error:
            raise damaged(path / f"{name}.csv", str(error), about) from None
    fault = checks.complete(tables, about.get("sweep") or {})
    fault = fault or (checks.together(tables, measures.loss) if for_report else None)
    if fault is not None:
        name, what = fault
        raise damaged(path / (name if "." in name else f"{name}.csv"), what, about)
    for name, columns in EMPTY.items():
        missing = [column for column in called(columns, measures) if column not in tables[name]]
        tables[name] = tables[name].assign(**dict.fromkeys(missing, np.nan))
    tables["history"] = tables["history"].replace([np.inf, -np.inf], np.nan)  # of members that diverged
    return Results(path=path, record=about, examples=_examples(path / "examples.npz", about), **tables)


def _measures(about: Mapping[str, Any]) -> Measures:
    return OF_TASK[(about.get("data") or {}).get("task", CLASSES.task)]


def _as_written(path: Path, about: Mapping[str, Any]) -> None:
    """Makes sure that tables are those of which run.json has the digests, as runs of this version note them."""
    noted = about.get("files")
    for name in FILES:
        if isinstance(noted, Mapping) and name in noted:
            try:
                found = reading.digest(path / name)
            except OSError as error:
                found = str(error.strerror)
            if found != noted[name]:
                raise damaged(path / name, "is not the one that was written", about)


def _examples(file: Path, about: Mapping[str, Any]) -> dict[str, np.ndarray]:
    try:
        found = arrays.read(file)
        checks.examples(found)
    except FileNotFoundError:
        return {}
    except (ValueError, OSError) as error:
        said = str(getattr(error, "strerror", None) or error)
        raise damaged(file, f"can't be read ({printable(said[:200])})", about) from None
    return found
