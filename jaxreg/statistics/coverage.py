"""Do the intervals cover? `python -m jaxreg.coverage > docs/coverage.md` repeats an experiment whose truth is known.

A test example has a class c, a difficulty t, uniform over `LEVELS`, and two directions f and g on a unit sphere.
Its label is c with probability 0.9, else one of the others. The model of seed r on split s gives it the
log-softmax of

    z = scale t e_c  +  split W_s f  +  seed U_sr g          W_s, U_sr: independent standard normal matrices

so that each example's logits are normal with known mean and spread, whatever f and g are: the terms of the Brier
score and of cross-entropy are normal integrals over a plane (three classes, one of which is redundant), done by
Gauss-Hermite quadrature. For 0-1 loss the truth is the mean over fresh models and examples. Models move in
as many directions as f has components, times two: real networks in some 50 to 200, fewer where they are strongly
regularised. Each repetition draws new splits, seeds and test examples, and asks for each 95 % interval whether it
holds the truth. A second cell, with other scale and spreads and half of its variation in common, gives
differences.
"""

from __future__ import annotations

import argparse
import platform
import sys
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import scipy
from jinja2 import Environment, PackageLoader, StrictUndefined
from scipy import stats

from jaxreg.formatting import fixed
from jaxreg.statistics.decomposition import SHARES
from jaxreg.statistics.intervals import Estimate, TwoWay
from jaxreg.statistics.losses import INDEX, LOSSES, MEASURES, PARTS, Design, design, lse, sums_of, terms

CLASSES = 3
LEVELS = np.arange(6.0)
NOISE = 0.1
ACCEPTED = (92, 98)  # per cent of the 95 % intervals


class LogitSpread(NamedTuple):
    """How the logits of a cell's models lie."""

    scale: float  # of the mean logits
    split: float  # standard deviation between splits
    seed: float  # and between seeds on one split


CELLS = (LogitSpread(1.0, 0.7, 0.5), LogitSpread(0.9, 0.6, 0.4))
COMMON = 0.5  # share of their variance that the cells' W (and U) have in common


class Experiment(NamedTuple):
    """What is drawn once a repetition, for both cells."""

    splits: int
    seeds: int
    examples: int
    directions: int


FULL = tuple(
    Experiment(*given)
    for given in (
        (3, 1, 1000, 50), (5, 1, 1000, 50), (10, 1, 1000, 50), (5, 1, 10_000, 50), (5, 1, 1000, 5),
        (3, 2, 1000, 50), (5, 2, 1000, 50), (5, 4, 1000, 50), (5, 4, 10_000, 50), (5, 4, 1000, 5), (10, 4, 1000, 50),
    )
)  # fmt: skip


def truth(cell: LogitSpread, experiment: Experiment) -> np.ndarray:
    """The true value of each of `MEASURES`; nan where the experiment can't estimate it."""
    split, weight_split = _normal(cell.split)
    seed, weight_seed = _normal(cell.seed)
    found = np.zeros(len(MEASURES))
    rows = {loss: [INDEX[loss, part] for part in PARTS] for loss in LOSSES}
    for level in LEVELS:
        mean = np.array([cell.scale * level, 0.0, 0.0])
        lse_mean = lse(mean[None])[0]
        given = mean + split
        z = given[:, None] + seed
        p = np.exp(z - lse(z)[..., None])
        p_split = np.einsum("srk,r->sk", p, weight_seed)
        p_mean = weight_split @ p_split
        square = weight_split @ np.square(p).sum(-1) @ weight_seed
        square_split = weight_split @ np.square(p_split).sum(-1)
        # log-softmax is z - lse(z): centres are the softmax of mean logits, divergences differences of mean lse.
        lse_split = weight_split @ lse(given)
        variances = {
            "brier": (square_split - p_mean @ p_mean, square - square_split),
            "cross_entropy": (lse_split - lse_mean, weight_split @ lse(z) @ weight_seed - lse_split),
        }
        for label, share in enumerate((1 - NOISE, NOISE / 2, NOISE / 2)):
            biases = {
                "brier": np.square(p_mean - np.eye(CLASSES)[label]).sum(),
                "cross_entropy": lse_mean - mean[label],
            }
            for loss, bias in biases.items():
                v_split, v_seed = variances[loss]
                variance = v_split + v_seed
                found[rows[loss]] += share * np.array([bias + variance, bias, variance, v_split, v_seed])
    found /= len(LEVELS)
    found[rows["zero_one"]] = _votes(cell, experiment)
    if experiment.seeds == 1:
        found[[INDEX[loss, part] for loss in variances for part in ("variance_split", "variance_seed")]] = np.nan
    return found


def _votes(cell: LogitSpread, experiment: Experiment, examples: int = 100_000) -> np.ndarray:
    """Error, bias and net variance of 0-1 loss for this many models: the mean over fresh examples."""
    random = np.random.default_rng(1)
    label, centre = _labels(random, examples)
    z = cell.scale * centre + cell.split * random.standard_normal((experiment.splits, 1, examples, CLASSES))
    z = z + cell.seed * random.standard_normal((experiment.splits, experiment.seeds, examples, CLASSES))
    answers = z.reshape(-1, examples, CLASSES).argmax(-1)
    votes = (answers[..., None] == np.arange(CLASSES)).sum(0)
    error, bias = (answers != label).mean(), (votes.argmax(-1) != label).mean()
    return np.array([error, bias, error - bias, np.nan, np.nan])


def _normal(spread: float, points: int = 24) -> tuple[np.ndarray, np.ndarray]:
    """Quadrature for normal logits, less their mean over the classes, which softmax does not see."""
    x, weight = np.polynomial.hermite_e.hermegauss(points)
    plane = np.array([[1.0, -1.0, 0.0], [1.0, 1.0, -2.0]])
    plane /= np.linalg.norm(plane, axis=1, keepdims=True)
    grid = np.stack(np.meshgrid(x, x), -1).reshape(-1, 2)
    weights = np.outer(weight, weight).ravel()
    return spread * grid @ plane, weights / weights.sum()


def _labels(random: np.random.Generator, examples: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels [example], and the mean logits t e_c [example, class] of a cell with scale 1."""
    level, kind = random.choice(LEVELS, examples), random.integers(CLASSES, size=examples)
    other = (kind + random.integers(1, CLASSES, examples)) % CLASSES
    return np.where(random.random(examples) < 1 - NOISE, kind, other), level[:, None] * np.eye(CLASSES)[kind]


def draw(random: np.random.Generator, experiment: Experiment) -> tuple[np.ndarray, list[np.ndarray]]:
    """Labels [example] and each cell's log-probabilities [model, example, class], split by split."""
    label, centre = _labels(random, experiment.examples)
    f, g = random.standard_normal((2, experiment.examples, experiment.directions))
    f, g = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (f, g))

    def matrices() -> tuple[np.ndarray, np.ndarray]:
        by_split = random.standard_normal((experiment.splits, 1, experiment.directions, CLASSES))
        return by_split, random.standard_normal((experiment.splits, experiment.seeds, experiment.directions, CLASSES))

    common, found = matrices(), []
    for cell in CELLS:
        w, u = (np.sqrt(COMMON) * x + np.sqrt(1 - COMMON) * y for x, y in zip(common, matrices(), strict=True))
        z = cell.scale * centre + cell.split * (f @ w) + cell.seed * (g @ u)
        z = z.reshape(-1, experiment.examples, CLASSES)
        found.append(z - lse(z)[..., None])
    return label, found


def cover(experiment: Experiment, repetitions: int, seed: int = 0) -> pd.DataFrame:
    """How often the intervals of an experiment hold the truth.

    Returns:
        A row for each quantity that the experiment can estimate: `quantity` (loss, term, and "difference" between
        the cells), `truth`, `bias` of the estimator and its standard error `bias_error`, its standard
        deviation `spread`, mean half width of the interval, `coverage`.
    """
    truths = np.stack([truth(cell, experiment) for cell in CELLS])
    where = design(*np.indices((experiment.splits, experiment.seeds)).reshape(2, -1))
    shares = {
        f"{loss} {name}": (INDEX[loss, part], INDEX[loss, whole])
        for loss in LOSSES[:2]
        for name, (part, whole) in SHARES.items()
    }
    names = [f"{loss} {part}" for loss, part in MEASURES]
    right = np.concatenate(
        [truths[0], [truths[0][a] / truths[0][b] for a, b in shares.values()], truths[1] - truths[0]]
    )
    labels = [*names, *shares, *(f"{name}, difference" for name in names)]
    values, halves = [], []
    for repetition in range(repetitions):
        found = _once(np.random.default_rng([seed, repetition]), experiment, where, list(shares.values()))
        values.append([value for value, _ in found])
        halves.append([half for _, half in found])
    value, half = np.array(values), np.array(halves)
    rows = []
    for i, label in enumerate(labels):
        if np.isnan(right[i]):
            continue
        rows.append(
            {
                "quantity": label,
                "truth": right[i],
                "bias": value[:, i].mean() - right[i],
                "bias_error": value[:, i].std(ddof=1) / np.sqrt(repetitions),
                "spread": value[:, i].std(ddof=1),
                "half_width": half[:, i].mean(),
                "coverage": (np.abs(value[:, i] - right[i]) <= half[:, i]).mean(),
            }
        )
    return pd.DataFrame(rows)


def _once(
    random: np.random.Generator, experiment: Experiment, where: Design, shares: Sequence[Sequence[int]]
) -> list[tuple[float, float]]:
    """Value and half width of everything that `cover` lists, from one experiment."""
    label, cells = draw(random, experiment)
    both = [terms(sums_of(cell, "log_probabilities", where), label, where.splits) for cell in cells]
    estimate, pseudo = (np.stack(x) for x in zip(*both, strict=True))
    by_cell = TwoWay(2, len(MEASURES), where.units)
    by_cell.add(estimate, pseudo)
    by_measure = TwoWay(len(MEASURES), 1, where.units)
    by_measure.add(estimate[0][:, None], pseudo[0][:, None])
    first, change = by_cell.one(0), by_cell.difference(1, 0)
    ratios = [by_measure.ratio(*pair) for pair in shares]
    return [*_pairs(first), *(pair for ratio in ratios for pair in _pairs(ratio)), *_pairs(change)]


def _pairs(found: Estimate) -> list[tuple[float, float]]:
    half = stats.t.ppf(0.975, found.freedom) * found.error
    return list(zip(found.value, half, strict=True))


def title(experiment: Experiment) -> str:
    """An experiment as the head of a column."""
    return f"{experiment.splits} × {experiment.seeds}, {experiment.examples:,}, {experiment.directions}"


def percentages(tables: Mapping[Experiment, pd.DataFrame]) -> pd.DataFrame:
    """Coverage in per cent, a row a quantity, a column an experiment; nan where an experiment has no such interval."""
    columns = {}
    for experiment, table in tables.items():
        rows = table.set_index("quantity")
        columns[title(experiment)] = 100 * rows["coverage"].where(rows["half_width"].notna())
    longest = max(columns.values(), key=len)
    return pd.DataFrame(columns).reindex(longest.index).rename_axis(None).rename(index=_words)


def page(tables: Mapping[Experiment, pd.DataFrame], repetitions: int) -> str:
    """docs/coverage.md: what was simulated, how to read it, the tables of `cover`, how it was made."""
    covered = percentages(tables)
    shown = max(tables, key=lambda experiment: (experiment.seeds > 1, experiment.splits == 5, experiment.examples))
    digits = {"truth": 4, "bias": 5, "spread": 5, "half_width": 5}
    rows = tables[shown].set_index("quantity")
    estimators = rows[list(digits)].apply(lambda column: column.map(lambda x: fixed(x, digits[str(column.name)])))
    estimators["bias"] += [f" ± {fixed(2 * error, 5)}" for error in rows["bias_error"]]
    estimators = estimators.rename_axis(None)
    estimators.columns = pd.Index(["truth", "estimates less truth", "spread", "half width"])
    return (
        Environment(loader=PackageLoader("jaxreg.statistics"), undefined=StrictUndefined)
        .get_template("coverage.md.j2")
        .render(
            repetitions=f"{repetitions:,}",
            classes=CLASSES,
            noise=fixed(100 * NOISE, 0),
            chance=fixed(200 * np.sqrt(0.95 * 0.05 / repetitions), 1),
            outside=_outside(covered),
            coverage=_markdown(covered.map(lambda x: "" if np.isnan(x) else fixed(x, 1))),
            shown=title(shown),
            estimators=_markdown(estimators),
            command=f"python -m jaxreg.coverage --repetitions {repetitions}",
            versions=f"Python {platform.python_version()}, NumPy {np.__version__}, SciPy {scipy.__version__}",
        )
    )


def _outside(covered: pd.DataFrame) -> str:
    """Which intervals are outside `ACCEPTED`, in a sentence."""
    low, high = ACCEPTED
    wrong = covered[(covered < low) | (covered > high)]
    span = f"{fixed(covered.min().min(), 1)} to {fixed(covered.max().max(), 1)}"
    if wrong.isna().all(axis=None):
        return f"Here all are between {low} and {high}: {span}."
    listed = []
    for quantity, row in wrong.dropna(how="all").iterrows():
        values = ", ".join(f"{fixed(value, 1)} ({experiment})" for experiment, value in row.dropna().items())
        listed.append(f"{quantity} {values}")
    return f"All are {span}; outside {low} to {high}: {'; '.join(listed)}."


def _words(name: str) -> str:
    return name.replace("_", " ")


def _markdown(table: pd.DataFrame) -> str:
    return str(
        table.rename(index=_words).to_markdown(disable_numparse=True, colalign=["left"] + ["right"] * table.shape[1])
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """The command: the full page, to be sent to a file."""
    parser = argparse.ArgumentParser(prog="python -m jaxreg.coverage", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--repetitions", type=int, default=1000, help="of every design (1000, about ten minutes on one core)"
    )
    given = parser.parse_args(arguments)
    tables = {}
    for experiment in FULL:
        print(f"{title(experiment)} ...", file=sys.stderr, flush=True)
        tables[experiment] = cover(experiment, given.repetitions)
    print(page(tables, given.repetitions))
    return 0
