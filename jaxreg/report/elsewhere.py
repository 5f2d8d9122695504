"""What a page says of predictions of models trained elsewhere: what was lost, mixed up or cut before they came."""

from __future__ import annotations

import math
from typing import Any

from jaxreg.formatting import difference, fixed, listing, number, shortest
from jaxreg.measures import CLASSES, VOTES
from jaxreg.report.layout import Layout
from jaxreg.report.markdown import code
from jaxreg.statistics.comparisons import UNDECIDED
from jaxreg.store.results import Results

SHOWN = 4  # classes or cells that are named


def another_order(results: Results) -> list[str]:
    """The classes of predictions and targets do not fit each other."""
    found = _noted(results, "another_order")
    if found is None:
        return []
    seem = found["seem"]
    moved = [(name, other) for name, other in zip(found["classes"], seem, strict=False) if name != other]
    pairs = [f"{code(name)} where the target is {code(other)}" for name, other in moved[:SHOWN]]
    more = f", and {len(moved) - SHOWN} more" if len(moved) > SHOWN else ""
    who = "" if len(found["cells"]) == len(results.cells) else f" in {_some(found['cells'])}"
    shares = (
        f"As given, {fixed(100 * found['right'], 1)} % of the answers are right; with the classes exchanged "
        f"{fixed(100 * found['would_be'], 1)} % would be."
    )
    said = f"most often predicted: {', '.join(pairs)}{more}. {shares}"
    if results.measures is VOTES:
        return [
            f"**The predictions{who} seem to name the classes otherwise than the targets**: {said} Give both the same "
            "names."
        ]
    return [
        f"**The columns of the predictions{who} seem to be in another order than the classes**: {said} Give `classes` "
        f"in the order of the columns, which seems to be {', '.join(map(code, seem[:50]))}{'…' * (len(seem) > 50)}."
    ]


def incomplete(results: Results, layout: Layout) -> list[str]:
    """Cells that lack models which the reference has, or the other way round."""
    if not results.elsewhere or layout.base is None:
        return []
    trained = {cell: {*zip(rows["split"], rows["seed"], strict=True)} for cell, rows in results.sound.groupby("cell")}
    whole = trained.get(layout.base, set())
    other = [cell for cell in results.cells if cell in trained and trained[cell] != whole]
    if not other:
        return []
    shares = [f"{code(cell)} {len(trained[cell] & whole)} of {len(whole)}" for cell in other[:SHOWN]]
    more = f" and {len(other) - SHOWN} more cells" if len(other) > SHOWN else ""
    return [
        f"**Not every cell has the models that {code(layout.base)} has**, by split and seed: {listing(shares)}{more}. "
        "Each is compared on those that both have; errors of single cells are over different training sets."
    ]


def votes(results: Results) -> list[str]:
    """What can't be said of classes alone."""
    if results.measures is not VOTES:
        return []
    return [
        "**The predictions are classes alone, without probabilities**: how sure the models are is lost in them. So "
        "there is no cross-entropy, no Brier score and no calibration here, and variance from data and that from seeds "
        "can't be told apart."
    ]


def cut(results: Results, layout: Layout) -> list[str]:
    """Probabilities that were cut from below, and what hangs on where."""
    found = _noted(results, "cut")
    if found is None or results.measures is not CLASSES:
        return []
    at, other = shortest(float(found["at"])), shortest(float(found["other"]))
    lead = (
        f"**{found['number']:,} of {found['among']:,} probabilities are {at}**, the least there is, as if they were "
        "clipped there"
    )
    if not found["right"]:
        return [
            f"{lead}. None is of the right class: the cross-entropy does not hang on that number, but bias, variance "
            "and temperature scaling may."
        ]
    known = results.loss("cross_entropy")["error"].dropna()
    given = {str(cell): float(loss) for cell, loss in known.items()}
    then: dict[str, float] = {cell: loss for cell, loss in found["loss"].items() if cell in given}
    if not then:
        return [f"{lead}."]
    before, after = (min(of, key=of.__getitem__) for of in (given, then))
    cells = [cell for cell in dict.fromkeys((layout.base, before, after)) if cell in then]
    changes = [f"{code(cell)} {number(then[cell])} instead of {number(given[cell])}" for cell in cells]
    lowest = f"is that of {code(after)}, not of {code(before)}" if after != before else f"stays that of {code(before)}"
    return [
        f"{lead}, and {found['right']:,} of them are of the right class, where that number alone decides the "
        f"cross-entropy: {number(-math.log(float(found['at'])))} each. With {other} in its place, the cross-entropy "
        f"is {listing(changes)}, and the lowest {lowest}. {_told(found)}{_by_brier(results, layout)}"
    ]


def _told(found: dict[str, Any]) -> str:
    """How sure the lowest one is, with the other number."""
    row = found.get("comparison")
    if not row:
        return ""
    sure = "not " if row["verdict"] == UNDECIDED else ""
    return (
        f"With that, {code(row['cell'])} against {code(row['reference'])} is {difference(row)}, {sure}significant "
        "after correction for the number of cells. "
    )


def _by_brier(results: Results, layout: Layout) -> str:
    row = results.advice("parts", "brier")
    if row is None:
        return 'The Brier score does not hang on it: `purpose="brier"`.'
    lead = "The Brier score does not hang on it: by that,"
    if row["cell"] == layout.base:
        return f"{lead} nothing is significantly better than {code(layout.base)}."
    return f"{lead} {code(row['cell'])} is significantly better than {code(layout.base)}."


def _some(cells: list[str]) -> str:
    more = f" and {len(cells) - SHOWN} more" if len(cells) > SHOWN else ""
    return f"{', '.join(map(code, cells[:SHOWN]))}{more}" if more else listing([code(cell) for cell in cells])


def _noted(results: Results, name: str) -> dict[str, Any] | None:
    """What run.json says of it."""
    found = (results.record.get("data") or {}).get(name)
    return found if isinstance(found, dict) else None
