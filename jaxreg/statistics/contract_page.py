"""The section of docs/coverage.md on recommendations: what `jaxreg.statistics.contract` counts."""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd

from jaxreg.formatting import NOTHING, fixed
from jaxreg.statistics.contract import contract, discriminants, logits
from jaxreg.statistics.coverage_page import markdown, render, words


def section(repetitions: int) -> str:
    """The section, from half as many studies of each world."""
    studies, tables, above = max(repetitions // 2, 1), {}, []
    for name, made in (("logits", logits), ("discriminants", discriminants)):
        print(f"recommendations: {name} ...", file=sys.stderr, flush=True)
        found = contract(made(), studies).set_index("purpose")
        above += [f"{name}, {words(str(x))} ({_percent(y)})" for x, y in found["no_better"].items() if y > 0.05]
        tables[name] = markdown(found.rename(columns=words).map(_percent))
    return render(
        "contract.md.j2",
        "recommendations",
        repetitions,
        studies=f"{studies:,}",
        chance=fixed(200 * np.sqrt(0.05 * 0.95 / studies), 1),
        above=f"Above 5 % here: {'; '.join(above)}." if above else "Here none is above 5 %.",
        **tables,
    )


def _percent(share: float) -> str:
    return NOTHING if pd.isna(share) else fixed(100 * share, 1)
