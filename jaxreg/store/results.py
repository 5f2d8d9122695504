"""The tables of a run folder, read back for the report: no JAX, no predictions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from jaxreg.errors import UserError

# Values as they were written.
TEXT = dict.fromkeys(["cell", "reference", "member", "split", "value", "class_name"], str)
# The columns without which a table can't be read at all; the report leaves out what else is missing.
NEEDED = {
    "members": ["member", "cell", "split", "seed", "test_cross_entropy", "test_accuracy", "diverged_at"],
    "history": ["member", "epoch", "train_cross_entropy", "test_cross_entropy"],
    "decomposition": ["cell", "loss", "error", "bias", "variance", "variance_split", "variance_seed"],
    "comparisons": ["cell", "reference", "measure", "difference", "low", "high", "p_adjusted", "verdict"],
    "choices": ["axis", "rule", "cell", "test_cross_entropy"],
}
OPTIONAL = ("classes", "calibration", "reliability", "power")


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
    calibration: pd.DataFrame = field(default_factory=pd.DataFrame)
    reliability: pd.DataFrame = field(default_factory=pd.DataFrame)
    power: pd.DataFrame = field(default_factory=pd.DataFrame)
    examples: dict[str, np.ndarray] = field(default_factory=dict)
    record: dict[str, Any] = field(default_factory=dict)

    @property
    def sweep(self) -> dict[str, Any]:
        """The sweep as resolved."""
        return self.record.get("sweep") or {}

    @property
    def examples_are(self) -> str:
        """What the report calls the data's examples, as run.json says: images, rows."""
        return str((self.record.get("data") or {}).get("examples_are", "images"))

    @property
    def example_is(self) -> str:
        """The same of one of them."""
        return self.examples_are.removesuffix("s")

    @property
    def inputs_are(self) -> str:
        """What the report calls the numbers of an example: pixels, features."""
        return str((self.record.get("data") or {}).get("inputs_are", "pixels"))

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
        """The decomposition of one loss, indexed by cell in the sweep's order."""
        rows = self.decomposition[self.decomposition["loss"] == name].set_index("cell")
        return rows.reindex(self.cells)

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
        rows = self.choices[(self.choices["axis"] == axis) & (self.choices["rule"] == rule)]
        return _first(rows[rows["cell"].notna()])

    def chosen(self) -> list[dict[str, Any]]:
        """The best cell of all and the most regularised within one standard error, as far as there are."""
        rows = (self.choice("all", rule) for rule in ("best", "one_standard_error"))
        return [row for row in rows if row is not None]

    @property
    def sound(self) -> pd.DataFrame:
        """The members that count towards a cell: on a split of their own, and not diverged."""
        return self.members[(self.members["split"] != "all") & self.members["diverged_at"].isna()]


def _first(rows: pd.DataFrame) -> dict[str, Any] | None:
    return None if rows.empty else {str(key): value for key, value in rows.to_dict("records")[0].items()}


def read(path: str | Path) -> Results:
    """Read a run folder. Raises `UserError` naming the file that is missing or can't be read."""
    path = Path(path)
    if not path.is_dir():
        raise UserError(
            f"{path} is not a folder. Expected the folder of a run, such as reports/l1-l2;\n"
            "  python -m jaxreg.sweep --grid l1,l2 makes one"
        )
    tables = {name: read_table(path / f"{name}.csv", columns) for name, columns in NEEDED.items()}
    for name in OPTIONAL:
        if (path / f"{name}.csv").exists():
            tables[name] = read_table(path / f"{name}.csv")
    return Results(path=path, record=_record(path / "run.json"), examples=_examples(path / "examples.npz"), **tables)


def _missing(file: Path) -> UserError:
    return UserError(
        f"{file} is missing: {file.parent} is not the folder of a finished run.\n"
        "  The command that made it finishes it (nothing is trained twice)."
    )


def read_table(file: Path, columns: Sequence[str] = ()) -> pd.DataFrame:
    """A table of a run. Raises `UserError` where it is missing, is no CSV, or lacks one of the columns."""
    try:
        table = pd.read_csv(file, dtype=TEXT, keep_default_na=True)  # type: ignore[arg-type]
    except FileNotFoundError:
        raise _missing(file) from None
    except (ValueError, OSError) as error:  # pandas' parser errors are ValueErrors
        raise UserError(f"{file} can't be read as CSV: {str(error).strip().splitlines()[0]}") from None
    lacking = [column for column in columns if column not in table]
    if lacking:
        raise UserError(f"{file} has no column {', '.join(lacking)}. Was it edited? Its first line names the columns.")
    return table


def _record(file: Path) -> dict[str, Any]:
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise _missing(file) from None
    except (ValueError, OSError) as error:
        raise UserError(f"{file} can't be read as JSON: {error}") from None
    if not isinstance(record, dict):
        raise UserError(f"{file} can't be read: expected a JSON object, got {type(record).__name__}.")
    return record


def _examples(file: Path) -> dict[str, np.ndarray]:
    if not file.exists():
        return {}
    try:
        with np.load(file, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except (ValueError, OSError, EOFError) as error:
        raise UserError(f"{file} can't be read: {error}") from None
