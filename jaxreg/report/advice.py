"""What the rule of `jaxreg.statistics.recommendation` found, and of which networks and for whom it speaks."""

from __future__ import annotations

from typing import Any, NamedTuple

from jaxreg.axes import AXES
from jaxreg.formatting import difference, known, listing, swapped, value_text
from jaxreg.measures import MEASURES
from jaxreg.report.layout import Layout
from jaxreg.report.markdown import code
from jaxreg.statistics.comparisons import UNDECIDED
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
    if results.folded and size:
        there = (results.record.get("data") or {}).get("test_examples")
        return Scope("parts", f"{there if isinstance(there, int) else size:,} {are}, cross-validated"), None
    on_all = results.second_stage if len(results.second_stage) else members[members["split"] == "all"]
    parts = Scope("parts", f"{size:,} {are}" if size else _unsized(results))
    if not results.advice("whole", results.measures.answered[0]):
        return parts, None
    size = _size(on_all)
    return parts, Scope("whole", f"all {size:,} {are}" if size else f"all {are}")


def _unsized(results: Results) -> str:
    """Training sets of which nobody has said how large they are."""
    if not results.elsewhere:
        return f"a part of the {results.examples_are}"
    return "training sets like these" if results.members["split"].nunique() > 1 else "a training set like this"


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


def doubt_text(row: Row, prefix: str = "") -> str:
    """Why a change that is not told is none: it may be chance, or several were looked at."""
    low, high = (row.get(f"{prefix}{end}") for end in ("low", "high"))
    apart = known(low) and known(high) and low * high > 0
    return "not significant after correction for the number of cells" if apart else "which may be chance"


def lowest_text(among: int) -> str:
    """What is said behind the interval of a cell that was picked as the lowest among so many."""
    return "; it is picked as the lowest, so that its interval is too favourable" if among > 1 else ""


def price_text(row: Row) -> str:
    """How sure the change in the other measure is: for the worse it counts by itself, before any correction."""
    if row.get("other_verdict") not in (UNDECIDED, None):
        return "significant"
    if known(low := row.get("other_low")) and low > 0:
        return "which is worse, taken by itself"
    return doubt_text(row, "other_")


def cell_at_best_epoch(results: Results, layout: Layout) -> str | None:
    """The base cell with early stopping, on all of the data, where a second stage has trained it."""
    return _beside(results, layout, "early_stopping", "off")


def cell_of_averaged_weights(results: Results, layout: Layout) -> str | None:
    """The base cell with the weights of its last epochs averaged, likewise."""
    return _beside(results, layout, "averaged_epochs", "1")


def _beside(results: Results, layout: Layout, axis: str, off: str) -> str | None:
    rows = results.second_stage
    if axis not in rows or layout.base is None or varies(results, axis):
        return None
    values = rows[axis].map(value_text, na_action="ignore")
    found = rows.loc[values.notna() & (values != off), "cell"]
    return None if found.empty else str(found.iloc[0])


def varies(results: Results, axis: str) -> bool:
    """Whether the sweep's cells differ on an axis."""
    return axis in results.members and results.members[axis].nunique() > 1


def _others(results: Results) -> str:
    """The measures in which what is recommended may have a price: `accuracy, for probabilities, and …`."""
    words: dict[str, list[str]] = {}
    for purpose in purposes(results):
        own = results.measures.purposes[purpose]
        if own.other != own.measure:
            words.setdefault(MEASURES[own.other].words, []).append(own.words)
    return listing([f"{other} (for {listing(wanted)})" for other, wanted in words.items()]) or "anything"


def why_both(results: Results, layout: Layout) -> str:
    """Why what is best on a part need not be so on all of the data."""
    parts, whole = scopes(results, layout)
    if whole is None:
        return ""
    falls = [axis.short for name, axis in AXES.items() if axis.falls and varies(results, name)]
    said = f"Bias and variance are measured on parts of {parts.examples}, since they need several training sets"
    said += f"; what to use on {whole.examples} is decided on all of them."
    said += (
        " Recommended for these is a cell that is significantly better on parts, itself or at another of its "
        f"strengths, whose mean is better here and that is not worse here, taken by itself, in {_others(results)}; of "
        f"several, the lowest mean. Where there is none, {code(layout.base)} stays, even if a cell is significantly "
        "better here: that speaks of this one training set."
    )
    if falls:
        said += (
            " What is trained on is the mean loss plus the penalty, so that its best strength falls as the examples "
            "become more: what was best on a part was trained here at its own strength and at smaller ones "
            f"({listing(falls)})."
        )
    if (stopped := cell_at_best_epoch(results, layout)) is not None:
        said += (
            f" {code(stopped)} is {code(layout.base)} at its best epoch, chosen on a tenth of the training "
            f"{results.examples_are}: what early stopping does in the place of a penalty."
        )
    if (averaged := cell_of_averaged_weights(results, layout)) is not None:
        said += (
            f" {code(averaged)} is {code(layout.base)} with the mean of the weights at the ends of its last epochs, "
            "which costs nothing to train."
        )
    return f"{said} Intervals cover other seeds and other test {results.examples_are}, of this one training set."
