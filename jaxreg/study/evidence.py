"""Numbers that decide a claim, each with its interval, from the tables of finished runs.

Differences between two cells are paired: members are averaged within each training set (within each seed, where all
share one training set), and the interval is Student's t over those units. It covers new training sets and seeds; the
test images are these 10,000. Differences of bias and variance come from comparisons.csv, with the interval made there.

A conclusion that holds is an intersection: every one of its numbers has to be told, so the whole is no easier to get
by chance than its hardest part. One that does not hold is a union, and many numbers are asked. So what is held at
5 % is the share of wrong signs among all signs called told, by Benjamini and Hochberg's procedure over the numbers
that count (for two-sided tests it holds for signs too: Benjamini and Yekutieli 2005).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy import stats

from jaxreg.statistics.comparisons import benjamini_hochberg, holm
from jaxreg.store.results import Results

HOLDS, FAILS, OPEN, MISSING = "holds", "does not hold", "can't be told from this", "not measured yet"
OTHER = "not a question about the penalty"
LEVEL = 0.95


class NotMeasured(Exception):
    """A run, cell or column that a claim needs is not there; the message says how to get it."""


@dataclass(frozen=True)
class Runs:
    """What the conclusions are judged on; None where a folder is not there."""

    notebook: Results | None = None
    regularizers: Results | None = None
    outliers: Results | None = None
    cost: pd.DataFrame | None = None

    def named(self, name: str) -> Results:
        """A run that is there. Raises `NotMeasured` with the command that makes it."""
        run: Results | None = getattr(self, name)
        if run is None:
            raise NotMeasured(f"python -m jaxreg.sweep sweeps/{name}.toml")
        return run


@dataclass(frozen=True)
class Measured:
    """A number with its 95 % interval, in words, and what it says by itself."""

    what: str
    value: float
    low: float
    high: float
    p: float = np.nan  # two-sided, of "no difference", before any correction
    margin: float = 0.0  # a difference within it counts as none
    percent: bool = False

    @property
    def number(self) -> tuple[float, ...]:
        """The same for one number that decides two conclusions."""
        return (self.value, self.low, self.high, self.p)


@dataclass(frozen=True)
class Claim:
    """One measurable part of a conclusion: `expected` is the sign that the notebook says the number has."""

    measure: Callable[[Runs], Measured]
    expected: int
    source: str
    counts: bool = True  # False: shown beside the evidence, decides nothing


@dataclass(frozen=True)
class Finding:
    """A claim with what was found; `measured` is None where it was not measured, and `verdict` says why."""

    claim: Claim
    measured: Measured | None
    verdict: str
    p_bh: float = np.nan
    p_holm: float = np.nan
    under_holm: str = MISSING  # what the verdict would be with p_holm in the place of p_bh
    note: str = ""


def t_interval(values: Float[np.ndarray, " unit"]) -> tuple[float, float, float, float]:
    """Mean, 95 % interval and p-value of "the mean is 0"; raises `NotMeasured` with fewer than two values."""
    n = len(values)
    if n < 2:
        raise NotMeasured("more splits or seeds")
    mean, error = float(np.mean(values)), float(np.std(values, ddof=1) / np.sqrt(n))
    if error == 0:
        return mean, mean, mean, float(mean == 0)
    half = float(stats.t.ppf((1 + LEVEL) / 2, n - 1)) * error
    return mean, mean - half, mean + half, float(2 * stats.t.sf(abs(mean) / error, n - 1))


def unit(run: Results) -> str:
    """What is repeated in a run: "split", or "seed" where all members share one training set."""
    return "split" if run.members["split"].nunique() > 1 else "seed"


def by_unit(run: Results, cell: str, column: str) -> pd.Series:
    """A column of a cell's sound members: a mean a split, or a seed where there is only one split.

    `column` may also be `gap` (test minus train cross-entropy, weights frozen, no penalty) and `test_error`.
    """
    members = run.sound
    part = members[members["cell"] == cell]
    if part.empty:
        raise NotMeasured(f"a run with the cell {cell}")
    if column == "gap":
        values = part["test_cross_entropy"] - part["train_cross_entropy"]
    elif column == "test_error":
        values = 1 - part["test_accuracy"]
    else:
        values = part[column]
    return values.groupby(part[unit(run)]).mean()


def paired(run: Results, cell: str, reference: str, column: str) -> np.ndarray:
    """`cell` minus `reference`, an entry for each split (or seed) that both have."""
    both = pd.concat([by_unit(run, name, column) for name in (cell, reference)], axis=1, join="inner").dropna()
    return (both.iloc[:, 0] - both.iloc[:, 1]).to_numpy()


def cells_along(run: Results, axis: str) -> list[str]:
    """The cells in which this axis alone is set, as in `l1=1e-5`, in the sweep's order."""
    return [cell for cell in run.cells if re.fullmatch(rf"{axis}=[^,]+", cell)]


def best(run: Results, cells: list[str], column: str = "test_cross_entropy") -> str:
    """The cell with the lowest mean of a column. Chosen on the test images: that flatters whichever is chosen."""
    means = {cell: by_unit(run, cell, column).mean() for cell in cells if cell in set(run.sound["cell"])}
    if not means:
        raise NotMeasured("a run with strengths of this method")
    return min(means, key=lambda cell: means[cell])


def decide(claims: list[Claim], runs: Runs) -> list[Finding]:
    """Measures every claim and corrects for how many numbers count, each number once."""
    found: list[Measured | str] = []
    for claim in claims:
        try:
            found.append(claim.measure(runs))
        except NotMeasured as missing:
            found.append(str(missing))
    counting = [m for claim, m in zip(claims, found, strict=True) if claim.counts and isinstance(m, Measured)]
    numbers = list(dict.fromkeys(m.number for m in counting))
    p = np.array([number[-1] for number in numbers])
    bh, strict = (dict(zip(numbers, map(float, rule(p)), strict=True)) for rule in (benjamini_hochberg, holm))
    findings = []
    for claim, measured in zip(claims, found, strict=True):
        if isinstance(measured, str):
            findings.append(Finding(claim, None, MISSING, note=measured))
            continue
        p_bh, p_holm = (rule[measured.number] if claim.counts else np.nan for rule in (bh, strict))
        verdict, under_holm = (_verdict(measured, value, claim.expected) for value in (p_bh, p_holm))
        findings.append(Finding(claim, measured, verdict, p_bh, p_holm, under_holm))
    return findings


def _verdict(measured: Measured, p: float, expected: int) -> str:
    if measured.margin:
        nearest, furthest = sorted((abs(measured.low), abs(measured.high)))
        if furthest < measured.margin:
            return FAILS  # a difference so small that it is none
        if nearest < measured.margin or measured.low < 0 < measured.high:
            return OPEN
    if not p < 1 - LEVEL:
        return OPEN
    return HOLDS if np.sign(measured.value) == expected else FAILS


def together(verdicts: list[str]) -> str:
    """The verdict on a conclusion from those on the numbers that count: all must hold; one that fails is enough."""
    for verdict in (FAILS, MISSING, OPEN):
        if verdict in verdicts:
            return verdict
    return HOLDS
