"""Do the 95 % intervals of cross-validation cover? A section of docs/coverage.md.

Really trained models of closed form, by the path that reports use: five folds, dealt twice.

- features: ridge regression on 40 random ReLU features of 10 inputs, drawn anew for each model as a seed would. The
  cells are strengths; one is the reference again, with features of its own, so that the two are no different.
- discriminants: linear discriminants with more or less shrinkage, as in `jaxreg.statistics.contract`. No seed moves
  them, so that none of the cells is the reference again.

Two truths: the mean error of models of four fifths of so many examples, over other examples, which is that of all
studies together; and, study by study, the mean error of five models of all of its examples, over 2,000 others.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from typing import NamedTuple

import numpy as np
import pandas as pd

from jaxreg.formatting import NOTHING
from jaxreg.measures import CLASSES, QUANTITIES, Measures
from jaxreg.statistics.comparisons import LEVEL, compare
from jaxreg.statistics.contract import discriminant, drawn_classes
from jaxreg.statistics.coverage_page import markdown, render
from jaxreg.statistics.cross_validation import cross_validated
from jaxreg.statistics.groups import counted, grouped
from jaxreg.statistics.moderation import moderate
from jaxreg.statistics.predictions import predictions_of

FOLDS, DEALS, FRESH, SEEDS = 5, 2, 2000, 5
LEFT_OUT = [*((fold,) for fold in range(FOLDS)), *combinations(range(FOLDS), 2)]
INPUTS, FEATURES, NOISE = 10, 40, 0.5
STRENGTHS = (1.0, 1.0, 10.0, 100.0)  # of the features; the second is the first again
SHRINKAGES = (0.1, 0.02, 0.35, 0.7)

Examples = tuple[np.ndarray, np.ndarray]  # inputs and targets
Predict = Callable[[np.ndarray], np.ndarray]  # [cell, example, output]


class World(NamedTuple):
    """Where studies come from."""

    name: str
    measures: Measures
    shown: tuple[str, ...]  # of `measures.compared`
    again: bool  # whether the second cell is the first again
    draw: Callable[[np.random.Generator, int], Examples]
    train: Callable[[np.random.Generator, np.ndarray, np.ndarray], Predict]


def _quantities(random: np.random.Generator, number: int) -> Examples:
    x = random.standard_normal((number, INPUTS))
    y = np.sin(x[:, 0]) + x[:, 1] * x[:, 2] / 2 + x[:, 3:6].sum(1) / 3 + NOISE * random.standard_normal(number)
    return x, y[:, None]


def _ridge(random: np.random.Generator, x: np.ndarray, y: np.ndarray) -> Predict:
    layers = [(random.standard_normal((INPUTS, FEATURES)), random.standard_normal(FEATURES)) for _ in range(2)]

    def features(x: np.ndarray, cell: int) -> np.ndarray:
        weights, shifts = layers[cell == 1]
        return np.column_stack([np.ones(len(x)), np.maximum(x @ weights / np.sqrt(INPUTS) + shifts, 0)])

    fitted = []
    for cell, strength in enumerate(STRENGTHS):
        own = features(x, cell)
        square = own.T @ own + strength * np.diag([0.0, *[1.0] * FEATURES])
        fitted.append(np.linalg.solve(square, own.T @ y))
    return lambda x: np.stack([features(x, cell) @ weights for cell, weights in enumerate(fitted)])


def _discriminants(random: np.random.Generator, x: np.ndarray, y: np.ndarray) -> Predict:
    return lambda tested: np.stack([discriminant(x, y, tested, share) for share in SHRINKAGES])


WORLDS = (
    World("features", QUANTITIES, ("test_squared_error", "test_absolute_error"), True, _quantities, _ridge),
    World(
        "discriminants",
        CLASSES,
        ("test_cross_entropy", "test_scaled_cross_entropy", "test_brier", "test_error"),
        False,
        drawn_classes,
        _discriminants,
    ),
)


class Study(NamedTuple):
    """A study: estimates and half widths [cell, measure], the first cell the reference; of the others differences."""

    found: np.ndarray
    half: np.ndarray
    of_size: np.ndarray  # what models of such a size have on other examples
    of_all: np.ndarray  # what the models of all of these examples have
    told: bool  # the cell that is the reference again was told from it


def study(world: World, examples: int, random: np.random.Generator) -> Study:
    """One study of so many examples, through the real path."""
    x, y = world.draw(random, examples)
    fresh = world.draw(random, FRESH)
    numbers = np.stack([random.permutation(np.arange(examples) % FOLDS) for _ in range(DEALS)])
    outputs, single, rows, left_out = [], [], [], []
    for deal, folds in enumerate(numbers):
        for place, out in enumerate(LEFT_OUT):
            seen = ~np.isin(folds, out)
            predict = world.train(random, x[seen], y[seen])
            outputs.append(predict(x))
            if len(out) == 1:
                single.append(_errors(world, predict, fresh))
            split = deal * len(LEFT_OUT) + place
            rows.append({"split": split, "deal": deal, "seed": 0, "diverged_at": np.nan})
            left_out.append(out)
    cells = len(outputs[0])
    members = pd.concat([pd.DataFrame(rows).assign(cell=f"c{cell}") for cell in range(cells)], ignore_index=True)
    members["member"] = [f"{cell}/split{split}" for cell, split in zip(members["cell"], members["split"], strict=True)]
    flat = np.concatenate([[own[cell] for own in outputs] for cell in range(cells)])
    made, together, folds_of = cross_validated(members, left_out * cells, flat, numbers)
    predictions = predictions_of(world.measures, together, y)
    (group,) = grouped(counted(made, list(made["member"])), predictions, folds_of)
    names = list(world.measures.compared)
    places = [names.index(name) for name in world.shown]
    pairs = [group.difference(f"c{cell}", "c0") for cell in range(1, cells)]
    estimates = [group.by_cell.one(0), *(pair.paired for pair in pairs)]
    sure = [[moderate([one], place)[0] for place in places] for one in estimates]
    table = compare([pairs], names)
    verdicts = table[(table["cell"] == "c1") & table["measure"].isin(world.shown[:1])]["verdict"]
    return Study(
        np.stack([one.value[places] for one in estimates]),
        np.array([[one.half_width(LEVEL) if one else 0.0 for one in row] for row in sure]),
        _apart(np.mean(single, axis=0)),
        _apart(np.mean([_errors(world, world.train(random, x, y), fresh) for _ in range(SEEDS)], axis=0)),
        bool((verdicts != "not distinguishable").any()),
    )


def _apart(errors: np.ndarray) -> np.ndarray:
    """Errors [cell, measure] as those of the first cell, and differences from it."""
    return np.concatenate([errors[:1], errors[1:] - errors[:1]])


def _errors(world: World, predict: Predict, fresh: Examples) -> np.ndarray:
    """What models have on other examples [cell, measure], in the measures that are shown."""
    x, y = fresh
    outputs = predict(x)
    if world.measures is QUANTITIES:
        apart = outputs - y
        return np.stack([np.square(apart).mean((1, 2)), np.abs(apart).mean((1, 2))], axis=1)
    at_label = outputs[:, np.arange(len(y)), y]
    p = np.exp(outputs)
    brier = np.square(p).sum(-1) - 2 * np.exp(at_label) + 1
    wrong = outputs.argmax(-1) != y
    unknown = np.full(len(outputs), np.nan)  # a temperature is fitted on the examples that were cross-validated
    return np.stack([-at_label.mean(1), unknown, brier.mean(1), wrong.mean(1)], axis=1)


def cover(world: World, examples: int, repetitions: int, seed: int = 0) -> tuple[pd.DataFrame, float]:
    """How often an interval holds either truth: `measure, what, of_size, of_all`; how often the same is told apart."""
    studies = [study(world, examples, np.random.default_rng([seed, examples, i])) for i in range(repetitions)]
    found, half, of_all = (np.stack([getattr(one, name) for one in studies]) for name in ("found", "half", "of_all"))
    of_size = np.mean([one.of_size for one in studies], axis=0)
    held = [np.abs(found - truth) <= half for truth in (of_size, of_all)]
    rows = []
    for place, measure in enumerate(world.shown):
        words = world.measures.compared[measure].words
        for cells, what in ((slice(0, 1), words), (slice(1, None), f"{words}, difference")):
            shares = [float(own[:, cells, place].mean()) for own in held]
            if not np.isnan(of_size[cells, place]).any():
                rows.append({"what": what, "of_size": shares[0], "of_all": shares[1]})
    return pd.DataFrame(rows), float(np.mean([one.told for one in studies]))


SIZES = (100, 200, 500)


def section(repetitions: int) -> str:
    """The section, as Markdown, from half as many studies of each kind."""
    studies, tables, wrong = max(repetitions // 2, 1), {}, {}
    for world in WORLDS:
        columns: dict[str, dict[str, str]] = {}
        for examples in SIZES:
            found, told = cover(world, examples, studies)
            for _, row in found.iterrows():
                shares = f"{100 * row['of_size']:.1f} / {100 * row['of_all']:.1f}"
                columns.setdefault(row["what"], {})[f"{examples} examples"] = shares
            wrong[world.name, examples] = f"{100 * told:.1f}" if world.again else NOTHING
        tables[world.name] = markdown(pd.DataFrame(columns).T)
    told_apart = ", ".join(f"{wrong['features', examples]} ({examples})" for examples in SIZES)
    return render("folds.md.j2", "folds", repetitions, studies=f"{studies:,}", wrong=told_apart, **tables)
