"""Levels of what can't be negative, such as a loss: intervals are shown from 0 on, and whole in decomposition.csv.

So is that of R², which no model has above 1.
"""

from __future__ import annotations

import pandas as pd

from jaxreg.measures import PARTS


def from_0(rows: pd.DataFrame, loss: str) -> pd.DataFrame:
    """A table like decomposition.csv of one loss, with intervals from 0 on; those of a negative estimate are as given.

    The net variance of the 0-1 loss may be negative in truth.
    """
    parts = [part for part in PARTS if loss != "zero_one" or not part.startswith("variance")]
    ends = {part: f"{part}_low" for part in parts if {part, f"{part}_low"} <= set(rows)}
    shown = {low: rows[low].where(rows[part] < 0, rows[low].clip(0)) for part, low in ends.items()}
    return rows.assign(**shown, **({"r2_high": rows["r2_high"].clip(upper=1)} if "r2_high" in rows else {}))
