"""How the best strength moves with the number of training examples, and what regularising gains at each.

A penalty stands beside the *mean* loss, so that as a prior it weighs n times as much with n times the examples: the
best strength should fall as 1/n, as in ridge regression of weights drawn with variance t^2 and noise of variance s^2,
where the best is (s^2 / t^2) / n exactly.

1. For each n the optimum is where the parabola through the best strength tried and its two neighbours, in log strength,
   is least. On the edge of the grid, or where none is best, there is no optimum to name: it lies beyond.
2. The law is the straight line of log optimum against log n, by least squares: of slope -1 if the best falls as 1/n.

Intervals are for other training sets (units: splits) and other test examples. That of an optimum are the strengths at
which the parabola's slope can't be told from 0 (Fieller 1954: a ratio whose denominator, the curvature, is
uncertain), no further than the next strength that is told to be worse than the best, or the end of the grid. That of
the law is the jackknife over units, the best strengths looked for anew without each; test examples add what they add
to its linear approximation. Nothing has to be independent: training sets of different n are nested in the same units.
In no interval is what a parabola misses of a curve that is steeper on one side: up to half a step of the grid (as in
ridge regression), at every n about as much, so that the slope keeps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy import stats

from jaxreg.axes import STRENGTHS, present
from jaxreg.statistics.intervals import TwoWay, interval

INSIDE, LARGEST, SMALLEST, NONE = "inside", "at the largest", "at the smallest", "none is best"
BY_LAW = "by the law"
COLUMNS = [
    "axis", "trained_on", "cell", "none", "position", "optimum", "low", "high", "gain", "gain_low", "gain_high",
    "slope", "slope_low", "slope_high",
]  # fmt: skip
POINTS = 1000  # between the ends of a grid, at which an interval may end

Means = Float[np.ndarray, " series"]
Slopes = Mapping[int, float]  # derivative of a number by the mean loss of each series


class Curve(NamedTuple):
    """The cells along a strength at one number of examples, by the numbers of their series."""

    examples: int
    strengths: Sequence[float]  # ascending, above 0
    cells: Sequence[int]  # of each
    none: int | None = None  # the cell without a penalty


class Optimum(NamedTuple):
    """Where a curve is least."""

    position: str
    best: int  # the series that is the lowest, none included
    log: float = np.nan  # natural logarithm of the strength, if it is inside
    window: tuple[int, int, int] | None = None  # the places of the three strengths that it was found from


class Law(NamedTuple):
    """The line of log strength against log n: of each number its value and its 95 % interval."""

    slope: tuple[float, float, float]
    further: tuple[float, float, float]  # log strength at a further n


def vertex(x: Float[np.ndarray, " 3"], y: Float[np.ndarray, " 3"]) -> tuple[float, Float[np.ndarray, " 3"]]:
    """Where the parabola through three points is least, and the derivative of that place by each y."""
    first, second = _coefficients(x)
    p, c = first @ y, second @ y
    return float((x[0] + x[1]) / 2 - p / (2 * c)), -(first - p / c * second) / (2 * c)


def _coefficients(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights of y that give the divided differences p and c of y1 + p (x - x1) + c (x - x1) (x - x2)."""
    slopes = np.array([[-1.0, 1.0, 0.0], [0.0, -1.0, 1.0]]) / np.diff(x)[:, None]
    return slopes[0], (slopes[1] - slopes[0]) / (x[2] - x[0])


def optimum(curve: Curve, means: Means) -> Optimum:
    """The optimum of a curve, given the mean loss of every series."""
    losses = means[list(curve.cells)]
    place = int(np.argmin(losses))
    if curve.none is not None and means[curve.none] <= losses[place]:
        return Optimum(NONE, curve.none)
    best = curve.cells[place]
    if place in (0, len(losses) - 1):
        return Optimum(LARGEST if place else SMALLEST, best)
    window = (place - 1, place, place + 1)
    return Optimum(INSIDE, best, _lowest(curve, window, means)[0], window)


def _lowest(curve: Curve, window: Sequence[int], means: Means) -> tuple[float, Slopes]:
    cells = [curve.cells[i] for i in window]
    log, slopes = vertex(np.log([curve.strengths[i] for i in window]), means[cells])
    return log, dict(zip(cells, slopes, strict=True))


def optimum_interval(losses: TwoWay, curve: Curve, found: Optimum) -> tuple[float, float]:
    """The 95 % interval of the log of an optimum that is inside."""
    if found.window is None or losses.units == 1:
        return np.nan, np.nan
    least, most = (float(np.log(curve.strengths[end])) for end in (0, -1))
    x = np.log([curve.strengths[i] for i in found.window])
    tried = np.linspace(least, most, POINTS)
    first, second = _coefficients(x)
    # Of a curve with one valley, the optimum lies between the strengths that are told to be worse than the best.
    apart = losses.differences(found.best)
    worse = (apart.value > stats.t.ppf(0.975, apart.freedom) * apart.error)[list(curve.cells)]
    strengths, middle = np.log(curve.strengths), found.window[1]
    least = float(max(strengths[:middle][worse[:middle]], default=least))
    most = float(min(strengths[middle + 1 :][worse[middle + 1 :]], default=most))
    slope = losses.combined([curve.cells[i] for i in found.window], first + (2 * tried[:, None] - x[0] - x[1]) * second)
    told = np.abs(slope.value) > stats.t.ppf(0.975, slope.freedom) * slope.error
    below, above = tried[told & (tried < found.log)], tried[told & (tried > found.log)]
    return max([least, *below]), min([most, *above])


def law(losses: TwoWay, curves: Sequence[Curve], optima: Sequence[Optimum], further: int) -> Law | None:
    """The line through the optima that are inside, and what it says of `further` examples; None of fewer than two."""
    inside = [(curve, found) for curve, found in zip(curves, optima, strict=True) if found.window is not None]
    if len(inside) < 2:
        return None
    x = np.log([curve.examples for curve, _ in inside])
    tilt = (x - x.mean()) / np.square(x - x.mean()).sum()
    reach = 1 / len(x) + (np.log(further) - x.mean()) * tilt

    def weighed(weights: np.ndarray) -> tuple[float, float, float]:
        def value(means: Means) -> float:
            return float(weights @ [_again(curve, found, means) for curve, found in inside])

        slopes: dict[int, float] = {}
        for weight, (curve, found) in zip(weights, inside, strict=True):
            own = _lowest(curve, found.window or (), losses.sums[0] / losses.examples)[1]
            slopes |= {cell: weight * by for cell, by in own.items()}
        return _jackknife(losses, value, slopes)

    return Law(weighed(tilt), weighed(reach))


def _again(curve: Curve, found: Optimum, means: Means) -> float:
    """The optimum by other means of the losses; of the same three strengths where it would no longer be inside."""
    anew = optimum(curve, means)
    return anew.log if anew.window is not None else _lowest(curve, found.window or (), means)[0]


def _jackknife(losses: TwoWay, value: Callable[[Means], float], slopes: Slopes) -> tuple[float, float, float]:
    """A function of the series' mean losses, with its 95 % interval over units and test examples."""
    own, examples = losses.rows[0] / losses.examples, losses.examples
    centre = value(losses.sums[0] / examples)
    linear = losses.combined(list(slopes), np.array([list(slopes.values())]))
    sizes = [units.stop - units.start for units in losses.deals]
    freedom = sum(sizes) - len(sizes)
    if freedom < 1:
        return centre, np.nan, np.nan
    within = 0.0
    for units, size in zip(losses.deals, sizes, strict=True):
        others = losses.sums[0] / examples - own[:, units].mean(1) / len(sizes)
        alone = [value(others + np.delete(own[:, units], u, axis=1).mean(1) / len(sizes)) for u in range(size)]
        within += np.square((size - 1) * len(sizes) * (np.array(alone) - np.mean(alone))).sum()
    assert linear.between is not None, "of units that are independent of each other"
    left = float(linear.between.left[0])
    from_units = left * within / freedom / linear.units
    from_examples = float(linear.error[0] ** 2 * (1 - np.nan_to_num(linear.from_units[0])))  # nan: of no error at all
    square = from_units + from_examples
    doubt = from_units**2 / freedom + from_examples**2 / (examples - 1)
    return centre, *interval(centre, np.sqrt(square), square**2 / doubt if doubt else 1.0)


def table(
    losses: TwoWay,
    splits: int,
    cells: Sequence[str],
    settings: pd.DataFrame,
    trained_on: Mapping[str, int],
    plain: str | None,
) -> pd.DataFrame:
    """For every strength that was swept at several numbers of examples: its optimum at each, and the law.

    Args:
        losses: test cross-entropy; its series are the cells, its units the splits (or seeds, where there is one).
        splits: how many there are.
        cells: their names.
        settings: a row for each of them, with the columns of the axes.
        trained_on: examples that a cell's members are trained on.
        plain: the cell whose values the other axes are held at.

    Returns:
        `axis, trained_on, cell, none, position, optimum, low, high, gain, gain_low, gain_high, slope, slope_low,
        slope_high`, by axis and number. `cell` has the lowest mean, `none` no penalty, `gain` is the mean of the one
        minus the other's, paired. `position` says where the optimum lies. The slope is that of the axis. The last row
        of an axis with a law is what it says of all splits' examples together, and has no cell. Empty where nothing was
        swept so.
    """
    if plain is None or plain not in cells or "train_examples" not in settings:
        return pd.DataFrame()
    rows = []
    for axis in STRENGTHS:
        curves = _curves(axis, cells, settings, trained_on, plain) if axis in settings else []
        if len(curves) < 2:
            continue
        means = losses.sums[0] / losses.examples
        optima = [optimum(curve, means) for curve in curves]
        together = splits * curves[-1].examples
        found = law(losses, curves, optima, together)
        tilt = found.slope if found else (np.nan,) * 3
        slope = dict(zip(("slope", "slope_low", "slope_high"), tilt, strict=True))
        for curve, best in zip(curves, optima, strict=True):
            row = {"axis": axis, "trained_on": curve.examples, "cell": cells[best.best], "none": None}
            if curve.none is not None:
                apart = losses.difference(best.best, curve.none)
                gain = dict(zip(("gain_low", "gain_high"), apart.interval(), strict=True))
                row |= {"none": cells[curve.none], "gain": float(apart.value[0])} | gain
            interval = dict(zip(("low", "high"), np.exp(optimum_interval(losses, curve, best)), strict=True))
            rows.append(row | {"position": best.position, "optimum": np.exp(best.log)} | interval | slope)
        if found and splits > 1:
            strength = dict(zip(("optimum", "low", "high"), np.exp(found.further), strict=True))
            rows.append({"axis": axis, "trained_on": together, "position": BY_LAW} | strength | slope)
    return pd.DataFrame(rows, columns=COLUMNS) if rows else pd.DataFrame()


def _curves(
    axis: str, cells: Sequence[str], settings: pd.DataFrame, trained_on: Mapping[str, int], plain: str
) -> list[Curve]:
    """The line of an axis at each number of examples, the other axes as in the plain cell; ascending."""
    text = settings.loc[list(cells)].astype(str)
    others = [other for other in present(text) if other not in (axis, "train_examples")]
    on_line = (text[others] == text.loc[plain, others]).all(axis=1).to_numpy()
    lines: dict[int, dict[float, int]] = {}
    for series, cell in enumerate(cells):
        if on_line[series]:
            lines.setdefault(trained_on[cell], {}).setdefault(float(str(text.loc[cell, axis])), series)
    curves = []
    for examples, line in sorted(lines.items()):
        strengths = sorted(strength for strength in line if strength > 0)
        if strengths:
            curves.append(Curve(examples, strengths, [line[one] for one in strengths], line.get(0.0)))
    return curves
