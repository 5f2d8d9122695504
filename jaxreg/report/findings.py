"""The verdict of a run in sentences, each with its number and how sure it is."""

from __future__ import annotations

from typing import Any

from jaxreg.formatting import count, difference, estimate, known, listing, number, swapped
from jaxreg.measures import MEASURES
from jaxreg.report.layout import Layout
from jaxreg.report.markdown import code
from jaxreg.statistics.comparisons import UNDECIDED
from jaxreg.statistics.label_noise import brier_rise
from jaxreg.store.results import Results

Row = dict[str, Any]
SMOOTHED = 10  # of a learning curve's epochs so many parts, which are averaged over


def changed(results: Results, layout: Layout) -> str:
    """What the recommended cell, or else the best, changed in bias, variance and accuracy."""
    measures = results.measures
    advice, best = results.advice("parts", measures.answered[0]), results.choice("all", "best")
    cell = next((row["cell"] for row in (advice, best) if row is not None and row["cell"] != layout.base), None)
    if cell is None or layout.base is None:
        return ""
    moved, still = [], []
    names: dict[str | None, str] = {measures.of(measures.loss, part): part for part in ("variance", "bias")}
    if results.folded:  # which tell neither
        names = {measures.first: MEASURES[measures.first].words}
    for measure, name in (names | {measures.second: MEASURES[measures.second].words}).items():
        change = results.change(layout.base, cell, str(measure))
        if change is None:
            continue
        points = MEASURES[str(measure)].points
        change = swapped(change) if points else change
        if change["verdict"] == UNDECIDED:
            still.append(f"{name} {_difference(change, points)}")
        else:
            moved.append(_moved(change, name, points))
    against = f"Against {code(layout.base)}, {code(cell)}"
    if moved:
        rest = f" Not significant: {listing(still)}." if still else ""
        return f"{against} {listing(moved)}.{rest}"
    return f"{against} changed none of these by more than may be chance: {listing(still)}." if still else ""


def _difference(change: Row, points: bool = False) -> str:
    """`-0.0005 (-0.0023 to +0.0012)`, with a reason where a clear interval is no finding."""
    text = difference(change, points)
    if change["verdict"] == UNDECIDED and known(change["low"]) and change["low"] * change["high"] > 0:
        text = text.replace(")", ", before correction for the number of cells)")
    return text


def _moved(change: Row, name: str, points: bool) -> str:
    """`lowered variance by 0.0056 (0.0036 to 0.0077)`."""
    fell = change["difference"] < 0
    size, low, high = (abs(change[key]) for key in ("difference", "high" if fell else "low", "low" if fell else "high"))
    text = estimate(size, low, high, signed=True, percent=points).replace("+", "")
    if points:
        text = text.replace(" (", " points (")
    return f"{'lowered' if fell else 'raised'} {name} by {text}"


def wrong_labels(results: Results, layout: Layout) -> str:
    """What wrong training labels add to bias by theory (`brier_rise`), beside what they added; empty without any."""
    classes = results.classes["class"].nunique() if "class" in results.classes else 0
    found, expected = [], []
    for line in layout.lines:
        if line.axis != "label_noise" or layout.base not in line.cells or float(line.label(layout.base)) != 0:
            continue
        for cell, rate in zip(line.cells, line.labels, strict=True):
            change = results.change(layout.base, cell, "bias_brier")
            if cell != layout.base and change is not None and classes > 1:
                expected.append(f"{number(brier_rise(float(rate), classes))} at {rate}")
                found.append(f"{_difference(change)} at {rate}")
    if not found:
        return ""
    return (
        f"**Wrong labels**: in {results.models_are} that learn the share of wrong training labels exactly, the Brier "
        f"bias rises by {listing(expected)} where the {results.example_is} settles the class, and by less where it "
        f"does not. Measured, against {code(layout.base)}: {listing(found)}. Those that ignore wrong labels "
        "rise less; those that also fit worse, for having fewer right labels, rise more."
    )


def sparsity(results: Results, layout: Layout, most: int = 6) -> str:
    """What share of the weights is exactly zero, and what that cost; empty where none is."""
    if "zero_weights" not in results.members:
        return ""
    share = results.sound.groupby("cell", sort=False)["zero_weights"].mean()
    found = []
    for cell in [cell for cell in share.index if share[cell] >= 1e-3 and cell != layout.base]:
        changes = []
        for measure in (results.measures.second, results.measures.first):
            change, (*_, name, points) = results.change(layout.base, cell, measure), MEASURES[measure]
            if change is not None:
                change = swapped(change) if points else change
                sure = f", {UNDECIDED}" if change["verdict"] == UNDECIDED else ""
                changes.append(f"{name} {_difference(change, points)}{sure}")
        cost = f": {listing(changes)}" if changes else ""
        found.append(f"- {code(cell)} has {number(100 * share[cell])} % of the penalised weights at exactly 0{cost}.")
    if not found:
        return ""
    rest = f"\n- {count(len(found) - most, 'more cell')} in `members.csv`." if len(found) > most else ""
    against = f", against {code(layout.base)}" if layout.base else ""
    return f"What exact zeros cost{against}:\n\n" + "\n".join(found[:most]) + rest


def turned(results: Results, layout: Layout) -> list[str]:
    """Cells of interest whose mean test loss was lower at an earlier epoch than at the last."""
    cells = dict.fromkeys([layout.base, *(row["cell"] for row in results.chosen())])
    history = results.history.merge(results.sound[["member", "cell"]], on="member")
    found = []
    for cell in cells:
        losses = history[history["cell"] == cell].groupby("epoch")[results.measures.first].mean()
        if len(losses) < 3:
            continue
        losses = losses.rolling(max(1, len(losses) // SMOOTHED), min_periods=1).mean()  # many epochs jitter
        rise = float(losses.iloc[-1] - losses.min())
        if rise > 0.01 * losses.min():
            epoch = int(losses.index[int(losses.argmin())])
            found.append(f"{code(cell)} was best after epoch {epoch} and has risen by {number(rise, 2)} since")
    return [f"Overfitting in time: {listing(found)}."] if found else []
