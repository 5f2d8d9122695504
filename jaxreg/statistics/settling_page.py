"""The section of docs/coverage.md on stopping when a study is settled: the rates of `jaxreg.statistics.settling`."""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd

from jaxreg.formatting import fixed
from jaxreg.statistics.coverage_page import markdown, render, words
from jaxreg.statistics.familywise import ERROR
from jaxreg.statistics.sequential import FUTILE
from jaxreg.statistics.settling import SPLITS, Plan, rates

PLANS = (
    Plan("deals", 4, "pocock"),
    Plan("deals", 4, "obrien_fleming"),
    Plan("deals", 4, "always_valid"),
    Plan("deals", 8, "pocock"),
    Plan("deals", 8, "obrien_fleming"),
    Plan("deals", 8, "always_valid"),
    Plan("seeds", 4, "pocock"),
    Plan("deals", 4, "pocock", ERROR),
)
CHOSEN = PLANS[0]
NAMES = {"pocock": "Pocock", "obrien_fleming": "O'Brien and Fleming", "always_valid": "always valid"}


def section(repetitions: int) -> str:
    """The section, from so many studies of every plan."""
    rows, chosen = [], {}
    for plan in PLANS:
        title = f"{plan.of} rounds of {plan.rounds}, {NAMES[plan.rule]}{', accuracy' if plan.cells is ERROR else ''}"
        print(f"{title} ...", file=sys.stderr, flush=True)
        found = rates(plan, repetitions)
        shown = {
            "found": _percent(found.found),
            "wrong": _percent(found.wrong),
            "looks": fixed(found.looks, 1),
            "trainings": fixed(found.trainings, 0),
            "looked_at_once": fixed(found.fixed, 0),
            "ratio": fixed(found.trainings / found.fixed, 2),
            "none_better:_wrong": _percent(found.none_wrong),
            "says_so": _percent(found.none_settled),
            "trainings_then": fixed(found.none_trainings, 0),
        }
        rows.append(pd.Series({words(key): value for key, value in shown.items()}, name=title))
        if plan is CHOSEN:
            chosen = shown | {"difference": fixed(found.difference, 3)}
    return render(
        "settling.md.j2",
        "settling",
        repetitions,
        first=11 * SPLITS,
        futile=fixed(100 * FUTILE, 0),
        chance=fixed(200 * np.sqrt(0.05 * 0.95 / repetitions), 1),
        chosen=chosen,
        rates=markdown(pd.DataFrame(rows)),
    )


def _percent(share: float) -> str:
    return fixed(100 * share, 1)
