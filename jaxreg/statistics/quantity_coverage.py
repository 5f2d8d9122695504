"""Do the 95 % intervals of squared and absolute errors cover? A section of docs/coverage.md.

Made-up models of one quantity. Of an example, a training set s moves all models' outputs by a_s . u and a seed by
b_sr . v, where u and v are the example's directions, of independent standard normal entries over the root of their
number; the middle of all models is off the target by a normal number, wrongness and noise together. So the true bias is
its variance, and that from training sets and seeds are those of the entries of a and b.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from jaxreg.measures import QUANTITIES
from jaxreg.statistics import squared
from jaxreg.statistics.comparisons import LEVEL
from jaxreg.statistics.coverage_page import markdown, render
from jaxreg.statistics.intervals import TwoWay
from jaxreg.statistics.moderation import moderate
from jaxreg.statistics.sums import design

OFF, OF_SET, OF_SEED = 0.6, 0.5, 0.3  # standard deviations
CELLS = (1.0, 0.5)  # times the last two: the other cell varies half as much
PARTS = ("error", "bias", "variance", "variance_split", "variance_seed")


class Models(NamedTuple):
    """A design."""

    splits: int
    seeds: int
    examples: int
    directions: int

    @property
    def title(self) -> str:
        return f"{self.splits} × {self.seeds}, {self.examples:,}, {self.directions}"


FULL = (
    Models(3, 1, 1000, 50),
    Models(5, 1, 1000, 50),
    Models(5, 1, 1000, 5),
    Models(5, 1, 100, 50),
    Models(5, 2, 1000, 50),
)


def truths(models: Models, times: float) -> dict[str, float]:
    """The true parts of the squared error; nan where the design can't tell them apart."""
    parts = {"bias": OFF**2, "variance_split": (times * OF_SET) ** 2, "variance_seed": (times * OF_SEED) ** 2}
    parts["variance"] = parts["variance_split"] + parts["variance_seed"]
    parts["error"] = parts["bias"] + parts["variance"]
    if models.seeds == 1:
        parts["variance_split"] = parts["variance_seed"] = np.nan
    return parts


def drawn(random: np.random.Generator, models: Models) -> np.ndarray:
    """Outputs less targets of two cells [cell, split, seed, example] that share directions, seeds and examples."""
    u, v = random.standard_normal((2, models.directions, models.examples)) / np.sqrt(models.directions)
    a = random.standard_normal((models.splits, 1, models.directions))
    b = random.standard_normal((models.splits, models.seeds, models.directions))
    off = OFF * random.standard_normal(models.examples)
    return np.stack([off + times * (OF_SET * (a @ u) + OF_SEED * (b @ v)) for times in CELLS])


def cover(models: Models, repetitions: int, seed: int = 0) -> pd.DataFrame:
    """How often an interval holds the truth, by part of the squared error: `part, coverage, difference`."""
    random = np.random.default_rng([seed, *models])
    split, seeds = np.indices((models.splits, models.seeds)).reshape(2, -1)
    where = design(split, seeds)
    true = [truths(models, times) for times in CELLS]
    terms = [QUANTITIES.index["squared_error", part] for part in PARTS]
    held = np.zeros((2, len(PARTS)))
    for _ in range(repetitions):
        cells = drawn(random, models).reshape(2, -1, models.examples, 1)
        layout = TwoWay(2, len(PARTS), where.units, where.deals)
        found = [squared.terms(cell, np.zeros((models.examples, 1)), where) for cell in cells]
        layout.add(np.stack([estimate[terms] for estimate, _ in found]), np.stack([own[terms] for _, own in found]))
        one, change = layout.one(0), layout.difference(1, 0)
        for place, part in enumerate(PARTS):
            low, high = one.interval(place, LEVEL)
            held[0, place] += low <= true[0][part] <= high
            sure = moderate([change], place)[0]
            half = sure.half_width(LEVEL) if sure else np.nan
            held[1, place] += abs(change.value[place] - (true[1][part] - true[0][part])) <= half
    known = ~np.isnan([true[0][part] for part in PARTS])
    shares = np.where(known, held / repetitions, np.nan)
    return pd.DataFrame({"part": PARTS, "coverage": shares[0], "difference": shares[1]})


def section(repetitions: int) -> str:
    """The section, as Markdown."""
    tables = {models.title: cover(models, repetitions).set_index("part") for models in FULL}
    rows = {}
    for part in PARTS:
        for column, words in (("coverage", part), ("difference", f"{part}, difference")):
            shown = {title: float(table[column].to_dict()[part]) for title, table in tables.items()}
            rows[words] = {title: "" if np.isnan(share) else f"{100 * share:.1f}" for title, share in shown.items()}
    return render("quantities.md.j2", "quantities", repetitions, table=markdown(pd.DataFrame(rows).T))
