"""The verdict of a run in sentences, each with its number and how sure it is."""

from __future__ import annotations

import math

import pandas as pd

from jaxreg.folder import Folder
from jaxreg.formatting import MINUS, between, estimate, fixed, listing, number
from jaxreg.layout import SHORT, Layout, Line

UNDECIDED = "not distinguishable"


def called(cell: str, layout: Layout) -> str:
    """A cell in a sentence: `none` for the base of a grid of strengths, else its name as code."""
    return "none" if cell == layout.base == "plain" else f"`{cell}`"


def verdict(folder: Folder, layout: Layout) -> list[str]:
    """At most three sentences: the best cell, the best of each axis, and what the choice bought in which currency."""
    best = folder.choice("all", "best")
    if best is None:
        if folder.members["diverged_at"].notna().all():
            return [
                "**Every member diverged**: there is nothing to compare. Try a smaller learning rate or smaller strengths."
            ]
        return ["**No cell could be chosen**: see the caveats."]
    sentences = [_headline(folder, layout, best)]
    axes = [text for line in layout.lines if (text := _axis(folder, layout, line))]
    if axes:
        sentences.append(" ".join(axes))
    elif ranking := _ranking(folder, layout):
        sentences.append(ranking)
    if bought := _bought(folder, layout, best):
        sentences.append(bought)
    return sentences


def _headline(folder: Folder, layout: Layout, best: pd.Series) -> str:
    cell, base = str(best["cell"]), layout.base
    loss = estimate(best["test_cross_entropy"], best.get("low", math.nan), best.get("high", math.nan))
    honest = best.get("honest_cross_entropy", math.nan)
    quoted = (
        f" ({number(honest, 4)} on test images that had no part in the choice)"
        if math.isfinite(honest)
        else ""
    )
    if len(folder.cells) == 1:
        return f"**The one cell, `{cell}`, has a test cross-entropy of {loss}.**"
    if cell == base:
        what = "none at all" if base == "plain" else f"`{cell}`"
        return f"**Nothing tried beats {what}**: it has the lowest mean test cross-entropy, {loss}{quoted}."
    change = _change(folder, base, cell, "test_cross_entropy")
    if change is None:
        return f"**`{cell}` has the lowest mean test cross-entropy, {loss}**{quoted}."
    against = "unregularised" if base == "plain" else f"`{base}`"
    difference = estimate(change["difference"], change["low"], change["high"], signed=True)
    if change["verdict"] == UNDECIDED:
        return (
            f"**`{cell}` has the lowest mean test cross-entropy, {loss}{quoted}, but can't be told from "
            f"{against}**: the paired difference is {difference}."
        )
    return f"**`{cell}` is best: test cross-entropy {loss}{quoted}, against {against} {difference}.**"


def _axis(folder: Folder, layout: Layout, line: Line) -> str:
    """Best value of an axis, its difference from none, and the strongest value within one standard error."""
    best, modest = folder.choice(line.axis, "best"), folder.choice(line.axis, "one_standard_error")
    if best is None or best["cell"] not in line.cells:
        return ""
    name, value = SHORT[line.axis], _value(line, best)
    if best["cell"] == layout.base:
        text = f"**{name}**: no value beats {value}"
    else:
        change = _change(folder, layout.base, best["cell"], "test_cross_entropy")
        text = f"**{name}**: best at {value}, {number(best['test_cross_entropy'])}"
        if change is not None:
            sure = f", {UNDECIDED}" if change["verdict"] == UNDECIDED else ""
            text += f" ({estimate(change['difference'], change['low'], change['high'], signed=True)} against none{sure})"
    if modest is not None and modest["cell"] in line.cells:
        if modest["cell"] == best["cell"]:
            return f"{text}; no stronger value is within one standard error of it."
        return f"{text}; {_value(line, modest)} is the strongest within one standard error of it."
    return f"{text}."


def _value(line: Line, choice: pd.Series) -> str:
    return line.labels[line.cells.index(choice["cell"])]


def _ranking(folder: Folder, layout: Layout) -> str:
    """Every cell against the base, in three lists: lower, not distinguishable, higher."""
    rows = folder.against(layout.base or "", "test_cross_entropy").dropna(subset=["difference"])
    if rows.empty:
        return ""
    rows = rows.sort_values("difference")
    lists = []
    for word in ("lower", UNDECIDED, "higher"):
        cells = rows[rows["verdict"] == word]
        shown = [
            f"`{cell}` ({estimate(row['difference'], math.nan, math.nan, signed=True)})"
            for cell, row in cells.iterrows()
        ]
        if shown:
            more = f" and {len(shown) - 6} more" if len(shown) > 6 else ""
            lists.append(f"{word}: {listing(shown[:6]) if not more else ', '.join(shown[:6]) + more}")
    return f"Test cross-entropy against {called(layout.base or '', layout)}: {'; '.join(lists)}."


def _bought(folder: Folder, layout: Layout, best: pd.Series) -> str:
    """What the best cell, or the strongest within one standard error where the base is best, changed in each currency."""
    cell = str(best["cell"])
    if cell == layout.base:
        modest = folder.choice("all", "one_standard_error")
        if modest is None or modest["cell"] == layout.base:
            return ""
        cell = str(modest["cell"])
    parts = []
    for measure, name in (("variance_cross_entropy", "variance"), ("bias_cross_entropy", "bias")):
        if (change := _change(folder, layout.base, cell, measure)) is not None:
            parts.append(f"{_moved(change, name)}")
    if (change := _change(folder, layout.base, cell, "test_error")) is not None:
        change = change.copy()
        change["difference"], change["low"], change["high"] = (
            -change["difference"],
            -change["high"],
            -change["low"],
        )
        words = {"lower": "higher", "higher": "lower"}
        change["verdict"] = words.get(change["verdict"], change["verdict"])
        parts.append(_moved(change, "accuracy", percent=True))
    if not parts:
        return ""
    return f"What `{cell}` changed against {called(layout.base or '', layout)}: {listing(parts)}."


def _moved(change: pd.Series, name: str, percent: bool = False) -> str:
    unit = " points" if percent else ""
    value = estimate(change["difference"], change["low"], change["high"], signed=True, percent=percent)
    head, bracket, rest = value.partition(" (")
    sure = f", {UNDECIDED}" if change["verdict"] == UNDECIDED else ""
    return f"{name} {head}{unit}{bracket}{rest.removesuffix(')')}{sure}{')' if bracket else ''}"


def _change(folder: Folder, base: str | None, cell: object, measure: str) -> pd.Series | None:
    rows = folder.comparisons
    rows = rows[(rows["reference"] == base) & (rows["cell"] == cell) & (rows["measure"] == measure)]
    rows = rows[rows["difference"].notna()]
    return None if rows.empty else rows.iloc[0]
