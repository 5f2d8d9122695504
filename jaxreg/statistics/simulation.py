"""Models and test examples whose error, bias and variance are known, for `jaxreg.statistics.coverage`.

A test example has a class c, a difficulty t, uniform over `LEVELS`, and two directions f and g on a unit sphere.
Its label is c with probability 0.9, else one of the others. The model of seed r on split s gives it the
log-softmax of

    z = scale t e_c  +  split W_s f  +  seed U_sr g          W_s, U_sr: independent standard normal matrices

so that each example's logits are normal with known mean and spread, whatever f and g are: the terms of the Brier
score and of cross-entropy are normal integrals over a plane (three classes, one of which is redundant), done by
Gauss-Hermite quadrature. For 0-1 loss the truth is the mean over fresh models and examples. The best temperature is
taken to be the same for all models, which is exact as their directions become many: it then divides scale and spreads.
Models move in
as many directions as f has components, times two: real networks in some 50 to 200, fewer where they are strongly
regularised. A
second cell, with other scale and spreads and half of its variation in common, gives differences; there may be more.

Where the same images are dealt into splits more than once, they are S G independent "grains" X_g, G to a split, and
each deal hands them out anew:

    W_s = sqrt(a) sum of the split's X_g / sqrt(G)  +  sqrt(1 - a) W'_s      X_g, W'_s: independent standard normal

W_s is as before, so the truth is too; `a` is how much of what a split does to a model is the sum of what its images do.
Of what is linear in W deals share that part, and a further deal can't lower it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import optimize

from jaxreg.measures import PARTS
from jaxreg.statistics.losses import INDEX, LOSSES, MEASURES
from jaxreg.statistics.sums import Design, design, lse

CLASSES = 3
LEVELS = np.arange(6.0)
NOISE = 0.1


class LogitSpread(NamedTuple):
    """How the logits of a cell's models lie."""

    scale: float  # of the mean logits
    split: float  # standard deviation between splits
    seed: float  # and between seeds on one split


CELLS = (LogitSpread(1.0, 0.7, 0.5), LogitSpread(0.9, 0.6, 0.4))
GRAINS = 10  # a split
COMMON = 0.5  # share of their variance that the cells' W (and U) have in common


class Experiment(NamedTuple):
    """What is drawn once a repetition, for both cells."""

    splits: int
    seeds: int
    examples: int
    directions: int
    deals: int = 1
    images: float = 0.0  # share of a split's variance that its images decide; the rest is drawn anew in every deal


def truth(cell: LogitSpread, experiment: Experiment) -> np.ndarray:
    """The true value of each of `MEASURES`; nan where the experiment can't estimate it."""
    found = _integrals(cell)
    rows = {loss: [INDEX[loss, part] for part in PARTS] for loss in LOSSES}
    b = best_inverse_temperature(cell)
    found[rows["scaled_cross_entropy"]] = _integrals(LogitSpread(*(b * x for x in cell)))[rows["cross_entropy"]]
    found[rows["zero_one"]] = _votes(cell, experiment)
    if experiment.seeds == 1:
        apart = ("variance_split", "variance_seed")
        found[[INDEX[loss, part] for loss in LOSSES for part in apart]] = np.nan
    return found


def best_inverse_temperature(cell: LogitSpread) -> float:
    """That of least cross-entropy, for all models of a cell."""
    z, weight = _normal(float(np.hypot(cell.split, cell.seed)))
    # The labels' mean logit is that of their class, t e_c, as often as they are not wrong.
    means = cell.scale * LEVELS[:, None] * np.eye(CLASSES)[0]

    def error(b: float) -> float:
        return float(np.mean([weight @ lse(b * (mean + z)) - b * (1 - NOISE) * mean[0] for mean in means]))

    return float(optimize.minimize_scalar(error, bounds=(0.01, 10), method="bounded", options={"xatol": 1e-6}).x)


def _integrals(cell: LogitSpread) -> np.ndarray:
    """The terms of the Brier score and of cross-entropy; what is left is 0."""
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
    return found / len(LEVELS)


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


def draw(
    random: np.random.Generator, experiment: Experiment, cells: Sequence[LogitSpread] = CELLS
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Labels [example] and each cell's log-probabilities [model, example, class], by deal, split and seed."""
    label, centre = _labels(random, experiment.examples)
    f, g = random.standard_normal((2, experiment.examples, experiment.directions))
    f, g = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (f, g))
    splits, shape = experiment.deals * experiment.splits, (experiment.directions, CLASSES)
    dealt = None
    if experiment.deals > 1:  # the cells train on the same splits
        grains = random.permuted(np.tile(np.arange(GRAINS * experiment.splits), (experiment.deals, 1)), axis=1)
        dealt = grains.reshape(splits, GRAINS)

    def matrices() -> tuple[np.ndarray, np.ndarray]:
        by_split = random.standard_normal((splits, 1, *shape))
        if dealt is not None:
            of_grains = random.standard_normal((GRAINS * experiment.splits, *shape))[dealt].sum(1) / np.sqrt(GRAINS)
            by_split *= np.sqrt(1 - experiment.images)
            by_split += np.sqrt(experiment.images) * of_grains[:, None]
        return by_split, random.standard_normal((splits, experiment.seeds, *shape))

    common, found = matrices(), []
    for cell in cells:
        w, u = (np.sqrt(COMMON) * x + np.sqrt(1 - COMMON) * y for x, y in zip(common, matrices(), strict=True))
        z = cell.scale * centre + cell.split * (f @ w) + cell.seed * (g @ u)
        z = z.reshape(-1, experiment.examples, CLASSES)
        found.append(z - lse(z)[..., None])
    return label, found


def design_of(experiment: Experiment) -> Design:
    """Which of the models that `draw` gives belong together."""
    deal, split, seed = np.indices((experiment.deals, experiment.splits, experiment.seeds)).reshape(3, -1)
    return design(split, seed, deal)
