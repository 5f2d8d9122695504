"""Means over the members of a cell with 95 % intervals over independent training runs."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.stats import t

from jaxreg.statistics.intervals import remaining
from jaxreg.store.results import Results


def means(members: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """Mean, `_low` and `_high` of each column, by cell.

    The unit is the split, since seeds on one split share its examples; with a single split it is the seed.
    Student's t on units - 1 degrees of freedom; nan where a cell has one unit. Splits of several deals share examples:
    their intervals are those of `jaxreg.statistics.intervals`.
    """
    if "deal" in members:
        return _over_deals(members, columns)
    keys = ["cell", "split"] if members["split"].nunique() > 1 else ["cell", "seed"]
    units = members.groupby(keys, sort=False)[columns].mean().groupby(level="cell", sort=False)
    mean, n = units.mean(), units.count()
    half = units.std(ddof=1) / np.sqrt(n) * t.ppf(0.975, np.maximum(n - 1, 1))
    return pd.concat([mean, (mean - half).add_suffix("_low"), (mean + half).add_suffix("_high")], axis=1)


def _over_deals(members: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """`means` where the examples were dealt more than once."""
    by_split = members.groupby(["cell", "deal", "split"], sort=False)[columns].mean()
    rows = {}
    for cell, units in by_split.groupby(level="cell", sort=False):
        deals = units.groupby(level="deal")
        centres, sizes = deals.mean(), deals.size()
        freedom = len(units) - len(sizes)
        row = centres.mean()
        half = row * np.nan
        if freedom > 0 and len(sizes) > 1:
            square = ((sizes - 1) @ deals.var().fillna(0.0)) / freedom * (1 / sizes).mean()
            left, spread = remaining((centres.var() / square).to_numpy(), len(sizes), freedom)
            doubt = 1 / (1 / freedom + spread / left**2 / 2)
            half = np.sqrt(square * left) * t.ppf(0.975, doubt)
        rows[cell] = pd.concat([row, (row - half).add_suffix("_low"), (row + half).add_suffix("_high")])
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("cell")


def by_cell(results: Results, columns: list[str]) -> pd.DataFrame:
    """`means` of the sound members, every cell of the sweep in order; of folds, which share examples, no intervals.

    Intervals end where the quantity does: losses and the like at 0, accuracies at 1 too.
    """
    present = [column for column in columns if column in results.members]
    table = means(results.sound, present).reindex(results.cells)
    for column in present:
        least = -np.inf if column.endswith("_r2") else 0.0
        most = 1.0 if column.endswith(("_accuracy", "_r2")) else np.inf
        ends = [f"{column}_low", f"{column}_high"]
        table[ends] = table[ends].clip(least, most)
    if results.folded:
        table[[f"{column}{end}" for column in present for end in ("_low", "_high")]] = np.nan
    return table


def predicted(results: Results) -> pd.DataFrame:
    """`test_r2` of each cell with `_low` and `_high`, over training sets and test examples; older tables lack it."""
    rows = results.loss(results.measures.loss)
    found = pd.DataFrame({f"test_r2{end}": rows[f"r2{end}"] for end in ("", "_low", "_high")})
    return found.fillna({"test_r2": by_cell(results, ["test_r2"])["test_r2"]})


def accuracies(results: Results) -> pd.DataFrame:
    """`test_accuracy` of each cell with `_low` and `_high`: from the 0-1 loss, over training sets and test examples."""
    wrong = results.loss("zero_one")
    ends = {"": "", "_low": "_high", "_high": "_low"}
    found = {f"test_accuracy{end}": 1 - wrong[f"error{other}"] for end, other in ends.items()}
    return pd.DataFrame(found).clip(0.0, 1.0).reindex(results.cells)


def diverged(results: Results) -> pd.DataFrame:
    """How many members of each cell diverged, of how many: `diverged`, `members`."""
    groups = results.members.groupby("cell", sort=False)["diverged_at"]
    return pd.DataFrame({"diverged": groups.count(), "members": groups.size()}).reindex(results.cells)


def guessing(results: Results) -> pd.Series:
    """Whether each sound member puts every test example into one class or near their mean, or might as well."""
    if not results.measures.of_classes:
        return results.sound["test_r2"] <= 0 if "test_r2" in results.sound else results.sound["cell"].isna()
    classes = results.classes["class"].nunique() if "class" in results.classes else 0
    return results.sound["test_accuracy"] < (1.2 / classes if classes > 1 else 0.0)


def lost(results: Results) -> dict[str, str]:
    """How many models of a cell learned nothing, of how many: "2 of 4", of every cell with such."""
    guess, cells = guessing(results), results.sound["cell"]
    return {cell: f"{guess[cells == cell].sum()} of {(cells == cell).sum()}" for cell in cells[guess].unique()}


def as_guessing(results: Results) -> str:
    """By what one sees that a model learned nothing."""
    return "accuracy of guessing" if results.measures.of_classes else "no better than the mean of all"
