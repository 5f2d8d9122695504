"""What more data would change, in words: the best strength, the error, and what a penalty gains."""

from __future__ import annotations

from typing import Any

import pandas as pd

from jaxreg.axes import AXES
from jaxreg.formatting import estimate, known, listing, number
from jaxreg.measures import MEASURES
from jaxreg.statistics.data_size import BY_LAW, INSIDE, NONE
from jaxreg.store.results import Results


def measured(results: Results) -> pd.DataFrame:
    """The rows of data_size.csv that were trained, by number of examples; of each number the lowest cell first."""
    rows = results.data_size[results.data_size["cell"].notna()]
    error = rows["cell"].map(results.loss(results.measures.loss)["error"])
    return rows.assign(error=error).sort_values(["trained_on", "error"], kind="stable")


def more_data(results: Results) -> list[str]:
    """A sentence or two for each axis, and one on the error; none where the sizes were not crossed with a strength."""
    if results.data_size.empty:
        return []
    axes = dict.fromkeys(results.data_size["axis"])
    return [*(_axis(results, axis) for axis in axes), *_last_step(results)]


def _axis(results: Results, axis: str) -> str:
    rows = _records(results.data_size[results.data_size["axis"] == axis])
    inside = [row for row in rows if row["position"] == INSIDE]
    name, are = AXES[axis].short, results.examples_are
    beyond: dict[str, list[str]] = {}
    for row in (row for row in rows if row["position"] not in (INSIDE, BY_LAW)):
        beyond.setdefault(row["position"], []).append(_count(row))
    edges = [f"with {listing(counts)} {are} {_edge(position)}" for position, counts in beyond.items()]
    if not known(rows[0]["slope"]):
        found = [f"with {_count(row)} {are} it is {_strength(row)}" for row in inside]
        return f"**{name}**: no line can be fitted to the best strength: {listing([*found, *edges])}."
    slope = rows[0]["slope"], rows[0].get("slope_low"), rows[0].get("slope_high")
    text = (
        f"**{name}**: the best strength goes from {_strength(inside[0])} with {_count(inside[0])} {are} to "
        f"{_strength(inside[-1])} with {_count(inside[-1])}, as the number of {are} to the power of "
        f"{estimate(*slope, signed=True)}. "
    )
    if known(slope[1]) and known(slope[2]):
        there = "is" if slope[1] <= -1 <= slope[2] else "is not"
        text += (
            f"As 1/n, as theory has it for a penalty beside the mean loss, is \u22121, which {there} in that interval."
        )
    if edges:
        text += f" Left out of this: {listing(edges)}."
    for row in (row for row in rows if row["position"] == BY_LAW):
        text += (
            f" For the {_count(row)} {are} of all splits together, in as many steps, the line says {_strength(row)}."
        )
    return text


def _records(rows: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in rows.to_dict("records")]


def _count(row: dict[str, Any]) -> str:
    return f"{int(row['trained_on']):,}"


def _strength(row: dict[str, Any]) -> str:
    low, high = row.get("low"), row.get("high")
    sure = f" ({number(low, 2)} to {number(high, 2)})" if known(low) and known(high) else ""
    return f"{number(row['optimum'], 2)}{sure}"


def _edge(position: str) -> str:
    return position if position == NONE else f"the best is {position.removeprefix('at ')} tried"


def _last_step(results: Results) -> list[str]:
    """What the last step to more data brought to the best cell and to none, and what a penalty gained at both."""
    rows = _records(measured(results).drop_duplicates("trained_on"))
    if len(rows) < 2:
        return []
    first, last = rows[-2:]
    words = MEASURES[results.measures.first].words
    changes = [f"the best cell's {words} changes by {_change(results, first['cell'], last['cell'])}"]
    both = isinstance(first["none"], str) and isinstance(last["none"], str)
    if both:
        changes.append(f"that without a penalty by {_change(results, first['none'], last['none'])}")
    text = f"**From {_count(first)} to {_count(last)} {results.examples_are}** {listing(changes)}."
    if both:
        gains = [estimate(row["gain"], row.get("gain_low"), row.get("gain_high"), signed=True) for row in (first, last)]
        text += f" What the best changes against none goes from {gains[0]} to {gains[1]}"
        text = text if results.measures.of_classes else f"{text}."
    if both and results.measures.of_classes:
        wrong = results.loss("zero_one")["error"]
        points = [100 * float(wrong[row["cell"]] - wrong[row["none"]]) for row in (first, last)]
        shown = [f"{estimate(change, None, None, signed=True)} points" for change in points if known(change)]
        text += f"; in wrong answers, from {' to '.join(shown)}." if len(shown) == 2 else "."
    return [text]


def _change(results: Results, before: str, after: str) -> str:
    """`−0.061 (bias −0.043, variance −0.018)`."""
    table = results.loss(results.measures.loss)
    found = {part: float(table[part][after] - table[part][before]) for part in ("error", "bias", "variance")}
    said = {part: estimate(change, None, None, signed=True) for part, change in found.items() if known(change)}
    parts = [f"{part} {said[part]}" for part in ("bias", "variance") if part in said]
    return said["error"] + (f" ({', '.join(parts)})" if parts else "")
