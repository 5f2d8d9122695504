"""Does the rule of `jaxreg.statistics.recommendation` keep its word? Studies of known truth, through the real path.

Two worlds, in each a reference and ten other cells on five splits with one seed and 1,000 test examples:

- logits: models whose logits are normal around known means (`jaxreg.statistics.simulation`). Three of the ten are just
  like the reference, two a little worse, and five regularise ever more: less spread between models, and means ever
  closer to each other.
- discriminants: really trained models, linear discriminant analysis on 90 examples of three Gaussian classes in 20
  dimensions, whose covariance is shrunk towards a multiple of the identity (Friedman 1989). It has a closed form, and
  the strength is the share of shrinkage. Its truth is the mean over 400 training sets and 4,000 test examples.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from jaxreg.measures import CLASSES
from jaxreg.statistics.comparisons import compare
from jaxreg.statistics.decomposition import decompose
from jaxreg.statistics.groups import Group
from jaxreg.statistics.predictions import CellMembers, ClassPredictions
from jaxreg.statistics.recommendation import recommend
from jaxreg.statistics.simulation import Experiment, LogitSpread, draw, truth
from jaxreg.statistics.sums import lse

DESIGN = Experiment(splits=5, seeds=1, examples=1000, directions=50)
REFERENCE = "plain"
COMPARED, PURPOSES = CLASSES.compared, CLASSES.purposes
MEASURES = {purpose.measure: COMPARED[purpose.measure].term for purpose in PURPOSES.values()}
Drawn = tuple[Int[np.ndarray, " example"], list[np.ndarray]]  # labels, and log-probabilities of each cell


class World(NamedTuple):
    """Where studies come from."""

    cells: tuple[str, ...]  # the reference first
    truths: Mapping[str, Float[np.ndarray, " cell"]]  # of each measure
    study: Callable[[np.random.Generator], Drawn]


def logits() -> World:
    """Models of known logits."""
    reference = LogitSpread(1.0, 0.7, 0.5)
    worse = [LogitSpread(1.0, 0.7 + 0.05 * k, 0.5 + 0.05 * k) for k in (1, 2)]
    shrunk = [LogitSpread(1 - 0.07 * k, 0.7 * (1 - 0.1 * k), 0.5 * (1 - 0.1 * k)) for k in range(1, 6)]
    spreads = [reference, *[reference] * 3, *worse, *shrunk]
    known = {spread: truth(spread, DESIGN) for spread in set(spreads)}
    truths = {name: np.array([known[s][CLASSES.index[measure]] for s in spreads]) for name, measure in MEASURES.items()}
    names = (REFERENCE, "same1", "same2", "same3", "worse1", "worse2", *(f"shrunk{k}" for k in range(1, 6)))
    return World(names, truths, lambda random: draw(random, DESIGN, spreads))


_CLASSES, DIMENSIONS, _TRAINED_ON, _TRUTH_SETS, _TRUTH_EXAMPLES = 3, 20, 90, 400, 4000
SHRINKAGES = (0.02, 0.0, 0.01, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 0.9, 1.0)


_MEANS = 0.55 * np.random.default_rng(0).standard_normal((_CLASSES, DIMENSIONS))
_MIXING = np.diag(np.linspace(0.4, 1.6, DIMENSIONS))


def drawn_classes(random: np.random.Generator, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Inputs [example, dimension] and labels of examples, as many of each class."""
    labels = np.arange(number) % _CLASSES
    return _MEANS[labels] + random.standard_normal((number, DIMENSIONS)) @ _MIXING, labels


def discriminants() -> World:
    """Linear discriminants, trained anew for every study."""

    def study(random: np.random.Generator, sets: int = DESIGN.splits, tested: int = DESIGN.examples) -> Drawn:
        x, labels = drawn_classes(random, tested)
        trained = [drawn_classes(random, _TRAINED_ON) for _ in range(sets)]
        return labels, [np.stack([discriminant(*own, x, share) for own in trained]) for share in SHRINKAGES]

    labels, cells = study(np.random.default_rng(1), _TRUTH_SETS, _TRUTH_EXAMPLES)
    sets = np.arange(_TRUTH_SETS)
    tables = [decompose(one, labels, sets, 0 * sets, "log_probabilities").set_index("loss")["error"] for one in cells]
    truths = {name: np.array([errors[loss] for errors in tables]) for name, (loss, _) in MEASURES.items()}
    return World((REFERENCE, *(f"shrinkage={share:g}" for share in SHRINKAGES[1:])), truths, study)


def discriminant(x: np.ndarray, labels: np.ndarray, tested: np.ndarray, share: float) -> np.ndarray:
    """Log-probabilities of linear discriminant analysis with a shrunk covariance."""
    centres = np.stack([x[labels == kind].mean(0) for kind in range(_CLASSES)])
    within = x - centres[labels]
    covariance = within.T @ within / (len(x) - _CLASSES)
    covariance = (1 - share) * covariance + share * np.trace(covariance) / DIMENSIONS * np.eye(DIMENSIONS)
    weights = np.linalg.solve(covariance, centres.T)
    z = tested @ weights - 0.5 * (centres.T * weights).sum(0)
    return z - lse(z)[:, None]


def contract(world: World, studies: int, seed: int = 0) -> pd.DataFrame:
    """What the rule recommends in so many studies of a world, held against the truth: a row a purpose.

    Returns:
        Shares of the studies: `recommended` a cell other than the reference; `no_better` than it in truth; of those,
        one that is `best` in truth, or within one standard error (of its difference from the best, in the study) of
        the best; `reference_best`, the same of the studies that recommended the reference. The row "any" counts a study
        where it is so for any purpose.
    """
    names = world.cells
    counts = {purpose: np.zeros(5) for purpose in PURPOSES}
    anywhere = 0
    for study in range(studies):
        labels, cells = world.study(np.random.default_rng([seed, study]))
        members, splits = tuple((str(split), "0") for split in range(DESIGN.splits)), DESIGN.splits
        own = [
            CellMembers(name, tuple(range(splits * i, splits * (i + 1))), members, (0,) * splits, 0)
            for i, name in enumerate(names)
        ]
        group = Group(own, ClassPredictions(np.concatenate(cells), labels))
        pairs = [group.difference(name, REFERENCE) for name in names[1:]]
        table = compare([pairs], list(COMPARED))
        found = recommend(table, pairs, REFERENCE, names).set_index("purpose")["cell"]
        wrong = False
        for purpose, (measure, *_) in PURPOSES.items():
            truths, chosen = world.truths[measure], names.index(found[purpose])
            best = int(truths.argmin())
            error = (
                group.by_cell.difference(chosen, best).error[list(COMPARED).index(measure)] if chosen != best else 0.0
            )
            close = truths[chosen] - truths[best] <= error
            no_better = chosen > 0 and truths[chosen] >= truths[0]
            wrong |= bool(no_better)
            counts[purpose] += [chosen > 0, no_better, chosen > 0 and close, chosen == 0, chosen == 0 and close]
        anywhere += wrong
    rows = []
    for purpose, (recommended, no_better, close, kept, kept_close) in counts.items():
        rows.append(
            {
                "purpose": purpose,
                "recommended": recommended / studies,
                "no_better": no_better / studies,
                "best": close / recommended if recommended else np.nan,
                "reference_best": kept_close / kept if kept else np.nan,
            }
        )
    return pd.DataFrame([*rows, {"purpose": "any", "no_better": anywhere / studies}])
