"""What the rule of `jaxreg.statistics.recommendation` found, and of which networks and for whom it speaks."""

from __future__ import annotations

from typing import Any, NamedTuple

from jaxreg.formatting import difference, swapped
from jaxreg.measures import MEASURES
from jaxreg.report.layout import Layout
from jaxreg.store.results import Results

Row = dict[str, Any]


class Scope(NamedTuple):
    """Of which networks an advice speaks."""

    name: str  # "parts" or "whole"
    examples: str  # on how many, in words


def purposes(results: Results) -> tuple[str, ...]:
    """Which purposes the page answers: those asked for, or the usual ones of such targets."""
    asked = results.record.get("purpose")
    if asked == "cross_entropy":
        return ("cross_entropy", "scaled_cross_entropy")
    return (str(asked),) if asked in results.measures.purposes else results.measures.answered


def scopes(results: Results, layout: Layout) -> tuple[Scope, Scope | None]:
    """The networks on the parts and, where there are any, those on the whole training set."""
    are, members = results.examples_are, results.members
    own = members[(members["cell"] == layout.base) & (members["split"] != "all")]
    size = _size(own)
    on_all = results.second_stage if len(results.second_stage) else members[members["split"] == "all"]
    parts = Scope("parts", f"{size:,} {are}" if size else f"a part of the {are}")
    if not results.advice("whole", results.measures.answered[0]):
        return parts, None
    size = _size(on_all)
    return parts, Scope("whole", f"all {size:,} {are}" if size else f"all {are}")


def _size(members: Any) -> int | None:
    sizes = members["trained_on"].dropna() if "trained_on" in members else members[:0]
    return int(sizes.max()) if len(sizes) else None


def listed(row: Row | None, column: str) -> list[str]:
    cells = None if row is None else row.get(column)
    return [cell for cell in cells.split("; ") if cell] if isinstance(cells, str) else []


def change_text(row: Row, measure: str, prefix: str = "") -> str:
    """The change in a measure, whose columns may have a prefix; an error as accuracy in points."""
    found = {key: row[f"{prefix}{key}"] for key in ("difference", "low", "high")} | {"verdict": ""}
    points = MEASURES[measure].points
    return difference(swapped(found) if points else found, points)
