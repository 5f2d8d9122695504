"""How often a study was looked at until it was settled, what that cost, and what keeps it from being settled."""

from __future__ import annotations

from typing import Any

from jaxreg.formatting import count, duration, fixed, known, listing, number
from jaxreg.measures import MEASURES
from jaxreg.report import folds
from jaxreg.report.advice import listed
from jaxreg.report.layout import Layout
from jaxreg.report.markdown import code
from jaxreg.report.parts import ABSENT, Entry, Table
from jaxreg.store.results import Results


def settled(results: Results, layout: Layout) -> str:
    """Whether it is settled, after how many looks and members; else what it was that ended it."""
    looks = results.looks
    if looks.empty:
        return ""
    last, measure = dict(looks.iloc[-1]), _words(str(looks["measure"].iloc[-1]))
    ended = str(last["ended"])
    said = {
        "settled": f"**Settled in {measure}**: {_found(last, layout)}",
        "looks": f"**Not settled in {measure}**: all looks that were planned are made, and {_open(last)}",
        "budget": f"**Not settled in {measure}**: the budget is spent, and {_open(last)}. With a larger one the same "
        "command goes on from here",
    }
    limits = {"test examples": folds.scored(results), "training data": f"training {results.examples_are}"}
    no_more = (
        f"**Not settled in {measure}**: {_open(last)}, and no number of further runs on these data is likely to tell "
        f"it. What sets the limit is the number of {limits.get(ended, 'examples')}"
    )
    return f"{said.get(ended, no_more)}. {_cost(results)}"


def _words(measure: str) -> str:
    return MEASURES[measure].words if measure in MEASURES else ""


def _found(last: dict[str, Any], layout: Layout) -> str:
    if last["leader"] in listed(last, "better"):
        return f"{code(last['leader'])} is significantly better than {code(layout.base)}, and no other cell leads"
    least = last.get("least_difference")
    enough = f" by {number(least, 2)}" if known(least) and least > 0 else ""
    return f"no cell is left that may well be better than {code(layout.base)}{enough}"


def _open(last: dict[str, Any]) -> str:
    cells = listed(last, "open")
    return f"{listing([code(c) for c in cells])} {'is' if len(cells) == 1 else 'are'} open" if cells else "none is open"


def _cost(results: Results) -> str:
    looks = results.looks
    first, last = dict(looks.iloc[0]), dict(looks.iloc[-1])
    spent = f", {duration(last['train_seconds'])} of training" if known(last.get("train_seconds")) else ""
    more = int(last["members"]) - int(first["members"])
    models = count(int(last["members"]), results.model_is)
    return (
        f"{count(len(looks), 'look')} of {int(last['of'])} at most, {models}"
        f"{f', {more} of them after the first look' if more else ''}{spent}. The 5 % are spent over all looks, so that "
        "looking again costs none of them."
    )


def table(results: Results) -> Table:
    """A row a look."""
    rows: Table = []
    for look in results.looks.to_dict("records"):
        row = {str(key): value for key, value in look.items()}
        cells = {name: "; ".join(listed(row, name)) for name in ("open", "better", "worse")}
        level = row.get("level")
        rows.append(
            {
                "Look": Entry(str(row["look"]), order=float(row["look"])),
                "Networks": Entry(str(int(row["members"])), order=float(row["members"])),
                "Smallest p-value must be below": Entry(fixed(level, 5)) if known(level) else ABSENT,
                "Lowest mean": Entry(str(row["leader"]), code=True),
                "Significantly better": Entry(cells["better"], code=True) if cells["better"] else ABSENT,
                "Significantly worse": Entry(cells["worse"], code=True) if cells["worse"] else ABSENT,
                "Open": Entry(cells["open"], code=True) if cells["open"] else ABSENT,
            }
        )
    return rows
