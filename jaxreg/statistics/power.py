"""What a design can detect, and what it would take to settle what it could not.

The paired difference of two cells, with S splits, R seeds on each and n test examples, has the squared error

    split^2 / S + seed^2 / (S R) + example^2 / n

and is tested with a t test of Satterthwaite's degrees of freedom (S - 1 for the first two terms). With one
split the seeds are the units, R - 1 degrees of freedom, and nothing is said about other training sets. The level
is 5 % divided by the number of cells compared, which is what Holm's correction asks of its first. Detectable is
the true difference that such a test finds in 80 % of runs (noncentral t).

"Splits needed" means more training sets of the same size. A data set cut into more parts gives smaller ones, so
beyond what the data hold it means more data, and seeds are what one can add.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import optimize, stats

from jaxreg.errors import UserError
from jaxreg.statistics.intervals import Estimate

_COLUMNS = {"test_cross_entropy": ("test_cross_entropy", 1), "test_error": ("test_accuracy", -1)}
POWER, ALPHA = 0.8, 0.05
MOST = 1000  # splits or seeds; needing more is shown as inf


class Spread(NamedTuple):
    """Standard deviations of the paired difference of two cells, in units of the measure."""

    split: float  # between training sets; with one seed a split, seeds included
    seed: float  # between seeds on one training set; nan where not known apart
    example: float  # between test examples, of the mean over models


# Medians over cells of L1 and L2 against none: the first rows of reports/bias-variance/power.csv, whose four seeds a
# split tell splits and seeds apart. In reports/l1-l2, with one seed, the two together are 0.025 and 0.007.
PRIOR: Mapping[str, Spread] = {
    "test_cross_entropy": Spread(0.006, 0.026, 0.44),
    "test_error": Spread(0.0003, 0.007, 0.09),
}


def spread(
    paired: Estimate, index: int, members: pd.DataFrame, cell: str, reference: str, measure: str, examples: int
) -> Spread:
    """The spread behind a paired difference of `jaxreg.statistics.intervals`, seeds apart where `members` can tell.

    Args:
        paired: the difference; `index` is the entry of the measure.
        members: as in members.csv.
        cell, reference: what was compared.
        examples: in the test set.
    """
    units = members[(members["split"].astype(str) != "all") & members["diverged_at"].isna()]
    column, sign = _COLUMNS.get(measure, (None, 1))
    count = int(paired.units)
    square = float(paired.error[index] ** 2)
    models = square * float(paired.from_units[index]) * count
    example = float(np.sqrt(max(square - models / count, 0.0) * examples))
    if column is None or column not in units:
        return Spread(float(np.sqrt(models)), float("nan"), example)
    both = units[units["cell"].isin([cell, reference])].pivot_table(column, ["split", "seed"], "cell").dropna()
    if cell not in both or reference not in both:
        return Spread(float(np.sqrt(models)), float("nan"), example)
    by_split = (sign * (both[cell] - both[reference])).groupby(level="split")
    sizes = by_split.size()
    freedom = float((sizes - 1).sum())
    if freedom == 0:
        return Spread(float(np.sqrt(models)), float("nan"), example)
    seed = float(((sizes - 1) * by_split.var()).fillna(0.0).sum()) / freedom
    split = float(by_split.mean().var()) - seed * float((1 / sizes).mean()) if len(sizes) > 1 else 0.0
    return Spread(float(np.sqrt(max(split, 0.0))), float(np.sqrt(seed)), example)


def detectable(spread: Spread, splits: int, seeds: int, examples: int, tests: int = 1) -> float:
    """The true difference found in 80 % of runs; nan where there is no replication.

    Args:
        spread: of the paired difference.
        splits, seeds: of each cell.
        examples: in the test set.
        tests: cells compared with one reference.
    """
    error, freedom = _error(spread, splits, seeds, examples)
    if not error > 0:
        return float("nan")
    critical = float(stats.t.isf(ALPHA / max(tests, 1) / 2, freedom))
    # The far tail adds nothing at 80 % power.
    shift = optimize.brentq(lambda delta: _found(critical, freedom, delta) - POWER, 0.0, 10 * critical + 10)
    return float(shift) * error


def _found(critical: float, freedom: float, shift: float) -> float:
    """P(T > critical) of the noncentral t: the normal chance averaged over the estimated error."""
    chances = (np.arange(400) + 0.5) / 400
    scale = np.sqrt(stats.chi2.ppf(chances, freedom) / freedom)
    return float(stats.norm.sf(critical * scale - shift).mean())


def _error(spread: Spread, splits: int, seeds: int, examples: int) -> tuple[float, float]:
    """Standard error and degrees of freedom of the mean paired difference."""
    seed = 0.0 if np.isnan(spread.seed) else spread.seed
    units = splits if splits > 1 else seeds
    if units < 2:
        return float("nan"), float("nan")
    models = (spread.split**2 + seed**2 / seeds) / splits if splits > 1 else seed**2 / seeds
    sampled = spread.example**2 / examples
    doubt = models**2 / (units - 1) + sampled**2 / (examples - 1)
    return float(np.sqrt(models + sampled)), float((models + sampled) ** 2 / doubt) if doubt > 0 else np.inf


def needed(
    difference: float, spread: Spread, splits: int, seeds: int, examples: int, tests: int = 1
) -> tuple[float, float]:
    """Splits (with as many seeds), and seeds (on as many splits), that find a true `difference` in 80 % of runs.

    inf where not even `MOST` would do; nan for seeds where their spread is not known.
    """

    def least(enough: int, fits: Callable[[int], bool]) -> float:
        if not fits(MOST):
            return float("inf")
        low, high = enough, MOST
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if fits(middle) else (middle + 1, high)
        return float(low)

    def found(s: int, r: int) -> bool:
        return detectable(spread, s, r, examples, tests) <= abs(difference)

    if not abs(difference) > 0 or not np.isfinite(spread.split + spread.example):
        return float("nan"), float("nan")
    more_splits = least(2, lambda s: found(s, seeds)) if splits > 1 else float("nan")
    more_seeds = float("nan") if np.isnan(spread.seed) else least(max(seeds, 2), lambda r: found(splits, r))
    return more_splits, more_seeds


def read(folder: str | Path) -> dict[str, Spread]:
    """The spreads that an earlier run found, from its power.csv, by measure."""
    file = Path(folder) / "power.csv"
    try:
        table = pd.read_csv(file)
        rows = table[table["cell"].isna()]
        found = {
            str(row["measure"]): Spread(row["sd_split"], row["sd_seed"], row["sd_example"])
            for row in rows.to_dict("records")
            if np.isfinite(row["sd_example"])
        }
    except FileNotFoundError:
        raise UserError(
            f"{file} is missing: expected the folder of a finished run. Without --like a prior is used."
        ) from None
    except (ValueError, KeyError, OSError) as error:
        raise UserError(f"{file} can't be read: {error}. It belongs to another version, or was edited.") from None
    if not found:
        raise UserError(f"{file} has no spreads: that run had one member a cell, or one cell.")
    return found


def outlook(splits: int, seeds: int, cells: int, like: str | Path | None = None, *, examples: int) -> pd.DataFrame:
    """Before a sweep: what it will be able to detect, a row a measure.

    Args:
        splits, seeds: of each cell.
        cells: of the sweep, one of which the others are compared with.
        like: the folder of a run whose spreads replace the prior.
        examples: in the test set.

    Returns:
        Columns `measure, detectable_difference, splits, seeds, comparisons, basis`.
    """
    spreads = PRIOR if like is None else read(like)
    basis = "prior: L1 and L2 on Fashion-MNIST" if like is None else f"spreads of {like}"
    tests = max(cells - 1, 1)
    return pd.DataFrame(
        {
            "measure": measure,
            "detectable_difference": detectable(spread, splits, seeds, examples, tests),
            "splits": splits,
            "seeds": seeds,
            "comparisons": tests,
            "basis": basis,
        }
        for measure, spread in spreads.items()
        if measure in PRIOR
    )


def review(
    spreads: Mapping[tuple[str, str], Spread],
    undecided: Mapping[tuple[str, str], float],
    splits: int,
    seeds: int,
    examples: int,
    tests: int,
) -> pd.DataFrame:
    """After a sweep: what it could detect, and what the undecided comparisons would need.

    Args:
        spreads: by cell and measure, of the differences from the plain cell.
        undecided: the differences that could not be told from 0.
        splits, seeds, examples, tests: as in `detectable`.

    Returns:
        First a row a measure, `cell` empty, with the median spread over cells; then a row an undecided difference.
        `measure, cell, difference, splits_needed, seeds_needed, detectable_difference, splits, seeds,
        comparisons, sd_split, sd_seed, sd_example`.
    """
    rows: list[dict[str, object]] = []

    def row(measure: str, cell: str | None, spread: Spread, difference: float) -> None:
        more = needed(difference, spread, splits, seeds, examples, tests) if cell else (np.nan, np.nan)
        rows.append(
            {
                "measure": measure,
                "cell": cell,
                "difference": difference,
                "splits_needed": more[0],
                "seeds_needed": more[1],
                "detectable_difference": detectable(spread, splits, seeds, examples, tests),
                "splits": splits,
                "seeds": seeds,
                "comparisons": tests,
                "sd_split": spread.split,
                "sd_seed": spread.seed,
                "sd_example": spread.example,
            }
        )

    for measure in dict.fromkeys(measure for _, measure in spreads):
        table = np.array([spread for (_, name), spread in spreads.items() if name == measure])
        known = ~np.isnan(table).all(0)
        middle = [float(np.nanmedian(table[:, i])) if known[i] else float("nan") for i in range(3)]
        row(measure, None, Spread(*middle), float("nan"))
    for (cell, measure), difference in undecided.items():
        row(measure, cell, spreads[cell, measure], difference)
    return pd.DataFrame(rows)
