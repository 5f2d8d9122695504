"""How far paired differences of two cells spread: between training sets, between seeds, between test examples."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from jaxreg.errors import UserError
from jaxreg.statistics.intervals import Estimate
from jaxreg.statistics.moderation import Mixture
from jaxreg.statistics.sums import Design

_COLUMNS = {"test_error": ("test_accuracy", -1)}  # of members.csv, where they are called otherwise than the measure
COLUMNS = ("sd_split", "sd_seed", "sd_example")  # of power.csv
PRIOR_FREEDOM = "prior_freedom"  # another, which runs of earlier versions have not


class Spread(NamedTuple):
    """Standard deviations of the paired difference of two cells, in units of the measure."""

    split: float  # between training sets; with one seed a split, seeds included
    seed: float  # between seeds on one training set; nan where not known apart
    example: float  # between test examples, of the mean over models
    # Share of the models' variance that another deal of the same data draws anew; nan where there is one deal.
    anew: float = float("nan")
    prior: float = 0.0  # degrees of freedom that the other differences add, see `jaxreg.statistics.moderation`


# Medians over cells of L1 and L2 against none: the first rows of reports/bias-variance/power.csv, whose four seeds a
# split tell splits and seeds apart. In reports/l1-l2, with one seed, the two together are 0.025 and 0.007; of its ten
# cells are the degrees of freedom that others add.
PRIOR: Mapping[str, Spread] = {
    "test_cross_entropy": Spread(0.006, 0.026, 0.44, prior=2.4),
    "test_error": Spread(0.0003, 0.007, 0.09, prior=1.3),
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
    column, sign = _COLUMNS.get(measure, (measure, 1))
    count = int(paired.units)
    square = float(paired.error[index] ** 2)
    assert paired.between is not None, "of units that are independent of each other"
    left = float(paired.between.left[index])
    models = square * float(paired.from_units[index]) * count / left
    example = float(np.sqrt(max(square - models * left / count, 0.0) * examples))
    anew = (1 - left) / (1 - 1 / paired.deals) if paired.deals > 1 else float("nan")
    together = Spread(float(np.sqrt(models)), float("nan"), example, anew)
    if column not in units:
        return together
    both = units[units["cell"].isin([cell, reference])].pivot_table(column, ["split", "seed"], "cell").dropna()
    if cell not in both or reference not in both:
        return together
    by_split = (sign * (both[cell] - both[reference])).groupby(level="split")
    sizes = by_split.size()
    freedom = float((sizes - 1).sum())
    if freedom == 0:
        return together
    seed = float(((sizes - 1) * by_split.var()).fillna(0.0).sum()) / freedom
    split = 0.0
    if len(sizes) > 1:
        split = _between(by_split.mean(), units) - seed * float((1 / sizes).mean())
    return Spread(float(np.sqrt(max(split, 0.0))), float(np.sqrt(seed)), example, anew)


def models_square(spread: Spread, splits: int, seeds: int, deals: int = 1) -> float:
    """The models' part of the squared error of a mean over so many: what more of them can lower."""
    seed = 0.0 if np.isnan(spread.seed) else spread.seed
    of_one_deal = (spread.split**2 + seed**2 / seeds) / splits if splits > 1 else seed**2 / seeds
    return of_one_deal * (1 - (1 - 1 / deals) * spread.anew) if deals > 1 else of_one_deal


def as_tested(alone: Spread, sure: Mixture, where: Design, examples: int) -> Spread:
    """A spread with the models' part as the test takes it: what other differences say of it is in there.

    A difference whose units agree by luck has a spread of its own that is too small, and with it a few units more
    seem to be enough to tell it.

    Args:
        alone: as of `spread`.
        sure: how sure the difference is.
        where: the design of both cells.
        examples: in the test set.
    """
    order = np.argsort(sure.errors)
    middle = float(sure.errors[order][np.searchsorted(np.cumsum(sure.weights[order]), 0.5)])
    own = models_square(alone, where.splits, where.seeds, len(where.deals))
    models = max(middle**2 - alone.example**2 / examples, 0.0)
    if not own > 0:
        return alone
    scale = float(np.sqrt(models / own))
    return alone._replace(split=alone.split * scale, seed=alone.seed * scale)


def _between(means: pd.Series[float], members: pd.DataFrame) -> float:
    """Variance between splits of one deal."""
    if "deal" not in members:
        return float(means.var())
    deal = members.drop_duplicates("split").set_index("split")["deal"]
    by_deal = means.groupby(deal.reindex(means.index))
    freedom = by_deal.size() - 1
    return float((freedom * by_deal.var()).fillna(0.0).sum() / freedom.sum()) if freedom.sum() else float("nan")


def read(folder: str | Path) -> dict[str, Spread]:
    """The spreads that an earlier run found, from its power.csv, by measure."""
    file = Path(folder) / "power.csv"
    try:
        table = pd.read_csv(file)
        rows = table[table["cell"].isna()]
        found = {
            str(row["measure"]): Spread(*(row[name] for name in COLUMNS))._replace(prior=_known(row.get(PRIOR_FREEDOM)))
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


def _known(freedom: float | None) -> float:
    return 0.0 if freedom is None or not freedom > 0 else float(freedom)
