"""What not to use: what is significantly worse by enough to matter, and what learned nothing."""

from __future__ import annotations

from jaxreg.formatting import known, listing, number, value_text
from jaxreg.measures import MEASURES
from jaxreg.report.advice import Row, change_text, listed, purposes, scopes
from jaxreg.report.layout import Layout
from jaxreg.report.markdown import code
from jaxreg.report.summaries import as_guessing, lost
from jaxreg.store.results import Results

KERAS_DEFAULT = 0.01  # of keras.regularizers.L1 and L2
LITTLE = 20  # one in so many parts of the reference's own error


def avoid(results: Results, layout: Layout) -> str:
    """What is significantly worse, by what it is worse in; what is so by little; and what learned nothing.

    Who has many examples tells the smallest difference, which is then no reason to avoid anything. What matters is what
    the run was asked to find (`difference`), and otherwise a twentieth of the reference's error: 0.02 nats of 0.4, 0.5
    points where 10 % are wrong. It has no unit, so that it holds for quantities too.
    """
    rows = {purpose: row for purpose in purposes(results) if (row := results.advice("parts", purpose)) is not None}
    better = {cell for row in rows.values() for cell in listed(row, "better")}
    worse_in: dict[str, list[str]] = {}
    for row in rows.values():
        for cell in listed(row, "worse"):
            worse_in.setdefault(cell, []).append(row["measure"])
    nothing, used = lost(results), {layout.base, *(row["cell"] for row in _advised(results))}
    groups: dict[tuple[str, ...], list[str]] = {}
    little = []
    for cell in results.cells:
        if cell in worse_in and cell not in better:
            if any(matters(results, layout, cell, measure) for measure in worse_in[cell]):
                groups.setdefault(tuple(MEASURES[measure].words for measure in worse_in[cell]), []).append(cell)
            elif cell not in nothing:
                little.append(f"{code(cell)} ({listing([_by(results, layout, cell, one) for one in worse_in[cell]])})")
    said = [
        f"{_named(results, layout, cells)} (significantly worse in {listing([*words])})"
        for words, cells in sorted(groups.items(), key=lambda group: -len(group[0]))
    ]
    avoided = used.union(*groups.values())
    idle: dict[str, list[str]] = {}
    for cell in nothing.keys() - avoided:
        idle.setdefault(nothing[cell], []).append(cell)
    said += [
        f"{_named(results, layout, sorted(cells, key=results.cells.index))} "
        f"({many} {results.models_are}{' each' * (len(cells) > 1)} learned nothing)"
        for many, cells in sorted(idle.items())
    ]
    parts, whole = scopes(results, layout)
    where = "" if whole is None else f", on {parts.examples},"  # at other sizes it may be otherwise
    text = f"**Avoid{where}** {'; '.join(said)}." if said else ""
    if little:
        lead = f"Significantly worse, but by {_less(results)}, which is little: "
        text = f"{text} {lead}{_first(little)}.".strip()
    return text


def learned_nothing(results: Results, layout: Layout) -> str:
    """Of what is to be used, or compared with, the networks that learned nothing: advice not to use it is none."""
    nothing, uses = lost(results), dict.fromkeys([layout.base, *(row["cell"] for row in _advised(results))])
    told = [cell for cell in uses if cell in nothing]
    if not told:
        return ""
    many = listing([f"{nothing[cell]} {results.models_are} of {code(cell)}" for cell in told])
    said = f"**Before using anything: {many} learned nothing** ({as_guessing(results)})."
    if layout.base in told:
        said += " All changes are from the reference, so that they say little before it learns."
    return said


def _advised(results: Results) -> list[Row]:
    found = [results.advice(scope, purpose) for scope in ("parts", "whole") for purpose in purposes(results)]
    return [row for row in found if row is not None]


def matters(results: Results, layout: Layout, cell: str, measure: str) -> bool:
    """Whether a cell is worse than the reference by enough."""
    change = results.change(layout.base, cell, measure)
    error = float(results.loss(MEASURES[measure].loss)["error"].get(layout.base, float("nan")))
    if change is None or not known(error):
        return True
    asked = _asked(results, measure)
    return bool(change["difference"] >= (asked if asked else error / LITTLE))


def _asked(results: Results, measure: str) -> float:
    """The smallest difference in a measure that the run was asked to find; 0 where it was not."""
    looks = results.looks
    if looks.empty or "least_difference" not in looks or looks["measure"].iloc[-1] != measure:
        return 0.0
    asked = float(looks["least_difference"].iloc[-1])
    return asked if known(asked) else 0.0


def _less(results: Results) -> str:
    asked = _asked(results, results.measures.first)
    given = f" (in {MEASURES[results.measures.first].words}, by less than {number(asked, 2)})" if asked else ""
    return f"less than a twentieth of the reference's error{given}"


def _by(results: Results, layout: Layout, cell: str, measure: str) -> str:
    change = results.change(layout.base, cell, measure)
    return f"{MEASURES[measure].words} {change_text(change, measure)}" if change else MEASURES[measure].words


def _first(said: list[str], most: int = 4) -> str:
    return listing(said) if len(said) <= most else f"{', '.join(said[:most])} and {len(said) - most} more"


def _named(results: Results, layout: Layout, cells: list[str], most: int = 8) -> str:
    usual = {
        line.cells[i]
        for line in layout.lines
        for i, label in enumerate(line.labels)
        if line.axis in ("l1", "l2") and value_text(label) == value_text(KERAS_DEFAULT)
    }
    shown = [code(cell) + ", Keras's default strength," * (cell in usual) for cell in cells[:most]]
    if len(cells) > most:
        return f"{', '.join(shown)} and {len(cells) - most} more"
    return listing(shown).removesuffix(",").replace(",,", ",")
