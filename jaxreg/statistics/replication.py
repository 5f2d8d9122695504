"""Do two studies of the same question agree? What each told, held against the other."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd

from jaxreg.statistics.comparisons import UNDECIDED


class Agreement(NamedTuple):
    """Of the comparisons that both studies made: how many, and what became of what was told."""

    made: int
    told: int  # by either
    twice: int  # told the same by both: power, as both have to find it
    contradictions: list[tuple[str, str]]  # cell and measure, told lower by one and higher by the other


def agreement(one: pd.DataFrame, other: pd.DataFrame, reference: str) -> Agreement:
    """Two tables of comparisons, as in comparisons.csv, with the same reference."""
    keys = ["cell", "measure"]
    tables = [table[table["reference"] == reference].set_index(keys)["verdict"] for table in (one, other)]
    both = pd.concat(tables, axis=1, join="inner", keys=["one", "other"])
    told = both[(both != UNDECIDED).any(axis=1)]
    twice = told[(told != UNDECIDED).all(axis=1)]
    apart = twice[twice["one"] != twice["other"]]
    return Agreement(len(both), len(told), len(twice) - len(apart), [(str(a), str(b)) for a, b in apart.index])
