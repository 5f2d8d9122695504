"""Do the intervals cover? Of an experiment that is repeated and whose truth is known.

The experiment is in `jaxreg.statistics.simulation`. Each repetition draws new splits, seeds and test examples, and asks
for each 95 % interval whether it holds the truth. The other sections of docs/coverage.md have modules of their own;
`main` puts the page together.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy import stats

from jaxreg.formatting import fixed
from jaxreg.statistics import contract_page, familywise_page, fold_coverage, quantity_coverage, settling_page
from jaxreg.statistics.coverage_page import markdown, render, words
from jaxreg.statistics.decomposition import SHARES
from jaxreg.statistics.intervals import Estimate, TwoWay
from jaxreg.statistics.losses import INDEX, LOSSES, MEASURES, sensitivity, terms
from jaxreg.statistics.moderation import moderate
from jaxreg.statistics.simulation import CELLS, CLASSES, NOISE, Experiment, design_of, draw, truth
from jaxreg.statistics.sums import Design, sums_of
from jaxreg.statistics.temperature import temperatures

ACCEPTED = (92, 98)  # per cent of the 95 % intervals


FULL = tuple(
    Experiment(*given)
    for given in (
        (3, 1, 1000, 50), (5, 1, 1000, 50), (10, 1, 1000, 50), (5, 1, 10_000, 50), (5, 1, 1000, 5),
        (3, 2, 1000, 50), (5, 2, 1000, 50), (5, 4, 1000, 50), (5, 4, 10_000, 50), (5, 4, 1000, 5), (10, 4, 1000, 50),
        (5, 1, 1000, 50, 2, 0.3), (5, 1, 1000, 50, 2, 0.9), (5, 1, 1000, 5, 2, 0.9), (5, 1, 1000, 50, 5, 0.3),
        (5, 1, 1000, 50, 5, 0.9), (5, 2, 1000, 50, 2, 0.3), (5, 2, 1000, 50, 5, 0.9),
    )
)  # fmt: skip


def cover(experiment: Experiment, repetitions: int, seed: int = 0, scaled: bool = True) -> pd.DataFrame:
    """How often the intervals of an experiment hold the truth; of temperatures too, if `scaled`, in twice the time.

    Returns:
        A row for each quantity that the experiment can estimate: `quantity` (loss, term, and "difference" between
        the cells), `truth`, `bias` of the estimator and its standard error `bias_error`, its standard
        deviation `spread`, mean half width of the interval, `coverage`.
    """
    truths = np.stack([truth(cell, experiment) for cell in CELLS])
    where = design_of(experiment)
    shares = {
        f"{loss} {name}": (INDEX[loss, part], INDEX[loss, whole])
        for loss in LOSSES
        if loss != "zero_one"
        for name, (part, whole) in SHARES.items()
    }
    names = [f"{loss} {part}" for loss, part in MEASURES]
    right = np.concatenate(
        [truths[0], [truths[0][a] / truths[0][b] for a, b in shares.values()], truths[1] - truths[0]]
    )
    labels = [*names, *shares, *(f"{name}, difference" for name in names)]
    values, halves = [], []
    for repetition in range(repetitions):
        random = np.random.default_rng([seed, repetition])
        found = _once(random, experiment, where, list(shares.values()), scaled)
        values.append([value for value, _ in found])
        halves.append([half for _, half in found])
    value, half = np.array(values), np.array(halves)
    rows = []
    for i, label in enumerate(labels):
        if np.isnan(right[i]) or (label.startswith("scaled") and not scaled):
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
    random: np.random.Generator,
    experiment: Experiment,
    where: Design,
    shares: Sequence[Sequence[int]],
    scaled: bool,
) -> list[tuple[float, float]]:
    """Value and half width of everything that `cover` lists, from one experiment."""
    label, cells = draw(random, experiment)
    both = []
    for cell in cells:
        sums = sums_of(cell, "log_probabilities", where, label, temperatures(cell, label) if scaled else None)
        both.append(terms(sums, label, where, sensitivity([(sums, label)], where) if scaled else None))
    estimate, pseudo = (np.stack(x) for x in zip(*both, strict=True))
    by_cell = TwoWay(2, len(MEASURES), where.units, where.deals)
    by_cell.add(estimate, pseudo)
    by_measure = TwoWay(len(MEASURES), 1, where.units, where.deals)
    by_measure.add(estimate[0][:, None], pseudo[0][:, None])
    first, change = by_cell.one(0), by_cell.difference(1, 0)
    ratios = [by_measure.ratio(*pair) for pair in shares]
    sure = [moderate([change], index)[0] for index in range(len(MEASURES))]
    halves = [one.half_width() if one else np.nan for one in sure]
    alone = list(zip(change.value, halves, strict=True))
    return [*_pairs(first), *(pair for ratio in ratios for pair in _pairs(ratio)), *alone]


def _pairs(found: Estimate) -> list[tuple[float, float]]:
    half = stats.t.ppf(0.975, found.freedom) * found.error
    return list(zip(found.value, half, strict=True))


def title(experiment: Experiment) -> str:
    """An experiment as the head of a column."""
    text = f"{experiment.splits} × {experiment.seeds}, {experiment.examples:,}, {experiment.directions}"
    return text if experiment.deals == 1 else f"{experiment.deals} deals of {text}; {experiment.images:.0%}"


def percentages(tables: Mapping[Experiment, pd.DataFrame]) -> pd.DataFrame:
    """Coverage in per cent, a row a quantity, a column an experiment; nan where an experiment has no such interval."""
    columns = {}
    for experiment, table in tables.items():
        rows = table.set_index("quantity")
        columns[title(experiment)] = 100 * rows["coverage"].where(rows["half_width"].notna())
    longest = max(columns.values(), key=len)
    return pd.DataFrame(columns).reindex(longest.index).rename_axis(None).rename(index=words)


def page(tables: Mapping[Experiment, pd.DataFrame], repetitions: int) -> str:
    """The section: what was simulated, how to read it, the tables of `cover`, how it was made."""
    covered = percentages(tables)
    shown = max(tables, key=lambda one: (one.deals == 1, one.seeds > 1, one.splits == 5, one.examples))
    digits = {"truth": 4, "bias": 5, "spread": 5, "half_width": 5}
    rows = tables[shown].set_index("quantity")
    estimators = rows[list(digits)].apply(lambda column: column.map(lambda x: fixed(x, digits[str(column.name)])))
    estimators["bias"] += [f" ± {fixed(2 * error, 5)}" for error in rows["bias_error"]]
    estimators.columns = pd.Index(["truth", "estimates less truth", "spread", "half width"])
    return render(
        "coverage.md.j2",
        "intervals",
        repetitions,
        classes=CLASSES,
        noise=fixed(100 * NOISE, 0),
        chance=fixed(200 * np.sqrt(0.95 * 0.05 / repetitions), 1),
        outside=_outside(covered),
        coverage=markdown(covered.map(lambda x: "" if np.isnan(x) else fixed(x, 1))),
        shown=title(shown),
        estimators=markdown(estimators),
    )


def intervals(repetitions: int) -> str:
    """The section, from so many repetitions of every experiment."""
    tables = {}
    for experiment in FULL:
        print(f"{title(experiment)} ...", file=sys.stderr, flush=True)
        tables[experiment] = cover(experiment, repetitions)
    return page(tables, repetitions)


SECTIONS = {
    "intervals": intervals,
    "quantities": quantity_coverage.section,
    "folds": fold_coverage.section,
    "comparisons": familywise_page.section,
    "recommendations": contract_page.section,
    "settling": settling_page.section,
}


def main(repetitions: int, only: str | None = None) -> None:
    """Prints the page, or only one of its `SECTIONS`."""
    print("\n\n".join(make(repetitions) for name, make in SECTIONS.items() if only in (None, name)))


def _outside(covered: pd.DataFrame) -> str:
    """Which intervals are outside `ACCEPTED`, in a sentence."""
    low, high = ACCEPTED
    wrong = covered[(covered < low) | (covered > high)]
    span = f"{fixed(covered.min().min(), 1)} to {fixed(covered.max().max(), 1)}"
    if wrong.isna().all(axis=None):
        return f"Here all are between {low} and {high}: {span}."
    listed = []
    for quantity, row in wrong.dropna(how="all").iterrows():
        found = row.dropna()
        ends = " to ".join(dict.fromkeys(fixed(end, 1) for end in (found.min(), found.max())))
        listed.append(f"{quantity} {ends} ({found.index[0] if len(found) == 1 else f'{len(found)} designs'})")
    return f"All are {span}; outside {low} to {high}: {'; '.join(listed)}."
