"""Do the 95 % intervals of squared and absolute errors cover? A section of docs/coverage.md.

Made-up models of one quantity. Of an example, a training set s moves all models' outputs by a_s . u and a seed by
b_sr . v, where u and v are the example's directions, of independent standard normal entries over the root of their
number; the middle of all models is off the target by a normal number, wrongness and noise together. So the true bias is
its variance, and that from training sets and seeds are those of the entries of a and b. Targets are of variance 1,
normal or log-normal, and the further from their mean, the more the middle of all models is off them, as a network that
is held back is.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from jaxreg.measures import PARTS, QUANTITIES
from jaxreg.statistics import squared
from jaxreg.statistics.comparisons import LEVEL
from jaxreg.statistics.coverage_page import markdown, render
from jaxreg.statistics.decomposition import decompose
from jaxreg.statistics.intervals import TwoWay
from jaxreg.statistics.moderation import moderate
from jaxreg.statistics.sums import design

OFF, OF_SET, OF_SEED = 0.6, 0.5, 0.3  # standard deviations
HELD_BACK = -0.7  # correlation of a target and of what the middle of all models is off it
CELLS = (1.0, 0.5)  # times OF_SET and OF_SEED: the other cell varies half as much
SHOWN = (*PARTS, "r2")


class Models(NamedTuple):
    """A design."""

    splits: int
    seeds: int
    examples: int
    directions: int
    tail: bool = False  # targets are log-normal, in the place of normal

    @property
    def title(self) -> str:
        tail = ", long tail" if self.tail else ""
        return f"{self.splits} × {self.seeds}, {self.examples:,}, {self.directions}{tail}"


FULL = (
    Models(3, 1, 1000, 50),
    Models(5, 1, 1000, 50),
    Models(5, 1, 1000, 5),
    Models(5, 1, 100, 50),
    Models(5, 2, 1000, 50),
    Models(5, 1, 1000, 50, tail=True),
)


def truths(models: Models, times: float) -> dict[str, float]:
    """The true parts of the squared error, and R2; nan where the design can't tell them apart."""
    parts = {"bias": OFF**2, "variance_split": (times * OF_SET) ** 2, "variance_seed": (times * OF_SEED) ** 2}
    parts["variance"] = parts["variance_split"] + parts["variance_seed"]
    parts["error"] = parts["bias"] + parts["variance"]
    parts["r2"] = 1 - parts["error"]
    if models.seeds == 1:
        parts["variance_split"] = parts["variance_seed"] = np.nan
    return parts


def drawn(random: np.random.Generator, models: Models) -> tuple[np.ndarray, np.ndarray]:
    """Targets [example], and outputs of two cells [cell, split, seed, example] that share directions and seeds."""
    u, v = random.standard_normal((2, models.directions, models.examples)) / np.sqrt(models.directions)
    a = random.standard_normal((models.splits, 1, models.directions))
    b = random.standard_normal((models.splits, models.seeds, models.directions))
    targets, rest = random.standard_normal((2, models.examples))
    if models.tail:
        targets = (np.exp(targets) - np.exp(0.5)) / ((np.e - 1) * np.e) ** 0.5
    centre = targets + OFF * (HELD_BACK * targets + (1 - HELD_BACK**2) ** 0.5 * rest)
    return targets, np.stack([centre + times * (OF_SET * (a @ u) + OF_SEED * (b @ v)) for times in CELLS])


def cover(models: Models, repetitions: int, seed: int = 0) -> pd.DataFrame:
    """How often an interval holds the truth, by part of the squared error, and R2: `part, coverage, difference`."""
    random = np.random.default_rng([seed, *models])
    split, seeds = np.indices((models.splits, models.seeds)).reshape(2, -1)
    where = design(split, seeds)
    true = [truths(models, times) for times in CELLS]
    terms = [QUANTITIES.index["squared_error", part] for part in PARTS]
    held = np.zeros((2, len(SHOWN)))
    for _ in range(repetitions):
        targets, outputs = drawn(random, models)
        cells = outputs.reshape(2, -1, models.examples)
        alone = decompose(cells[0], targets, split, seeds, kind="quantities", level=LEVEL).set_index("loss")
        row = alone.loc["squared_error"]
        layout, targets = TwoWay(2, len(PARTS), where.units, where.deals), targets[:, None]
        found = [squared.terms(cell[..., None], targets, targets.mean(0, keepdims=True), where) for cell in cells]
        layout.add(np.stack([estimate[terms] for estimate, _ in found]), np.stack([own[terms] for _, own in found]))
        change = layout.difference(1, 0)
        for place, part in enumerate(SHOWN):
            held[0, place] += row[f"{part}_low"] <= true[0][part] <= row[f"{part}_high"]
            sure = moderate([change], place)[0] if part in PARTS else None
            if sure is not None:
                off = change.value[place] - (true[1][part] - true[0][part])
                held[1, place] += abs(off) <= sure.half_width(LEVEL)
    known = ~np.isnan([true[0][part] for part in SHOWN])
    shares = np.where([known, known & np.isin(SHOWN, PARTS)], held / repetitions, np.nan)
    return pd.DataFrame({"part": SHOWN, "coverage": shares[0], "difference": shares[1]})


def section(repetitions: int) -> str:
    """The section, as Markdown."""
    tables = {models.title: cover(models, repetitions).set_index("part") for models in FULL}
    rows = {}
    for part in SHOWN:
        for column, words in (("coverage", part), ("difference", f"{part}, difference")):
            shown = {title: float(table[column].to_dict()[part]) for title, table in tables.items()}
            if column == "difference" and part not in PARTS:
                continue
            rows[words] = {title: "" if np.isnan(share) else f"{100 * share:.1f}" for title, share in shown.items()}
    return render("quantities.md.j2", "quantities", repetitions, table=markdown(pd.DataFrame(rows).T))
