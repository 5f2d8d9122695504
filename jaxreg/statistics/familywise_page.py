"""The section of docs/coverage.md on comparisons: what `jaxreg.statistics.familywise` counts."""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd

from jaxreg.formatting import fixed
from jaxreg.statistics import familywise
from jaxreg.statistics.coverage_page import markdown, render
from jaxreg.statistics.familywise import ALPHA, CORRELATION, RULES, SCENARIOS, TAKEN, error_rates, with_models
from jaxreg.statistics.simulation import Experiment

MODELS = tuple(Experiment(*given) for given in ((5, 1, 1000, 50), (5, 1, 1000, 5), (5, 2, 1000, 5), (3, 1, 1000, 5)))
MEASURES = (("cross_entropy", "error"), ("zero_one", "error"), ("brier", "bias"), ("brier", "variance"))


def section(repetitions: int) -> str:
    """The section, from twice as many studies of every scenario, and half as many with models."""
    studies, modelled = 2 * repetitions, max(repetitions // 2, 1)
    made_up, found, over = [], [], []
    for scenario in SCENARIOS:
        print(f"{scenario.name} ...", file=sys.stderr, flush=True)
        table = error_rates(scenario, studies).set_index("rule")
        wrong = float(table["wrong"].to_dict()[TAKEN])
        over += [f"{scenario.name} ({fixed(100 * wrong, 1)})"] if wrong > ALPHA else []
        shown = {"difference": fixed(float(table["difference"].iloc[0]), 4)}
        shown |= {rule: _pair(table, rule, "wrong", "found") for rule in RULES}
        made_up.append(pd.Series(shown | {"intervals": _pair(table, TAKEN, "coverage", "least")}, name=scenario.name))
    for experiment in MODELS:
        size = f"{experiment.splits} × {experiment.seeds}, {experiment.examples:,}, {experiment.directions}"
        print(f"{size} ...", file=sys.stderr, flush=True)
        table = with_models(experiment, MEASURES, modelled).set_index("measure")
        cells = {name: _pair(table, name, RULES[0], TAKEN, " → ") for name in table.index}
        found.append(pd.Series(cells, name=size))
    return render(
        "familywise.md.j2",
        "comparisons",
        repetitions,
        studies=f"{studies:,}",
        modelled=f"{modelled:,}",
        correlation=fixed(CORRELATION, 1),
        taken=TAKEN,
        before=RULES[0],
        better=familywise.BETTER + 1,
        over=f"It is wrong in more than 5 % of studies here: {'; '.join(over) or 'nowhere'}.",
        chance=fixed(200 * np.sqrt(0.05 * 0.95 / studies), 1),
        chance_modelled=fixed(200 * np.sqrt(0.05 * 0.95 / modelled), 1),
        rules=markdown(pd.DataFrame(made_up)),
        models=markdown(pd.DataFrame(found)),
    )


def _pair(table: pd.DataFrame, row: str, first: str, second: str, between: str = " / ") -> str:
    """Two shares in per cent."""
    return between.join(fixed(100 * float(table[column].to_dict()[row]), 1) for column in (first, second))
