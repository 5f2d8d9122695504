"""What the mean of the weights of the last epochs does, which costs no training."""

from __future__ import annotations

from jaxreg.formatting import listing
from jaxreg.measures import MEASURES
from jaxreg.report.advice import cell_of_averaged_weights, change_text, doubt_text, purposes
from jaxreg.report.layout import Layout
from jaxreg.report.markdown import code
from jaxreg.statistics.recommendation import harmed
from jaxreg.store.results import Results


def averaging(results: Results, layout: Layout) -> str:
    """What the mean of the last epochs' weights does to the reference, on all of the data; empty where unknown."""
    cell, measures = cell_of_averaged_weights(results, layout), results.measures
    rows = {name: row for name in measures.shown if (row := results.of_whole(cell, name)) is not None} if cell else {}
    told = {name: row["verdict"] for name, row in rows.items()}
    worse = any(map(harmed, rows.values()))
    if cell is None or measures.first not in rows:
        return ""
    changed = listing([f"{change_text(row, name)} in {MEASURES[name].words}" for name, row in rows.items()])
    if "lower" in told.values() and not worse:
        better = listing([MEASURES[name].words for name, verdict in told.items() if verdict == "lower"])
        return (
            f"**Try the mean of the last epochs' weights** ({code(cell)}), which costs nothing: on all "
            f"{results.examples_are}, {code(layout.base)} then changes by {changed}; significantly better in "
            f"{better}, on this one training set.{_not_tried(results, layout)}"
        )
    sure = "some of it worse, taken by itself" if worse else doubt_text(rows[measures.first])
    return f"**Averaging the weights of the last epochs** ({code(cell)}) changes {changed}, {sure}."


def _not_tried(results: Results, layout: Layout) -> str:
    """Averaging is tried on the reference alone, and something else may be advised."""
    rows = (results.advice("whole", purpose) for purpose in purposes(results))
    advised = [code(cell) for cell in dict.fromkeys(row["cell"] for row in rows if row) if cell != layout.base]
    return f" With {listing(advised)} it was not tried." if advised else ""
