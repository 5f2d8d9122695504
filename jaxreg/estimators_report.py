"""What an estimator says of its choice: what it took and why, and the report, whose folder is gone."""

from __future__ import annotations

import re
from typing import Any

from jaxreg.measures import MEASURES, Measures
from jaxreg.noted import noted

RULES = {
    "lowest": "of what was trained on three quarters of the rows, it has the lowest mean {loss} on the last quarter "
    '(rule="lowest"). What the report recommends is what rule="sure" takes.',
    "sure": 'it is what the report recommends (rule="sure").',
}
OF_FOLDER = ("- data: ", "`python -m jaxreg.report ")
"""Beginnings of lines of a report that speak of what is in its folder."""
FIGURE = re.compile(r"^!\[.*\]\(figures/.*\)\n\n\*.*\*\n\n?", re.MULTILINE)  # with its caption
# Sections that were of figures alone.
EMPTY = re.compile(r"^(## .*\n\n+(?=## )|<details><summary>.*</summary>\n+</details>\n+)", re.MULTILINE)


def call(estimator: Any) -> str:
    """What was typed, such as `RegularizedMLPClassifier('l1', rule='sure').fit(X, y)`."""
    kind, given = type(estimator), estimator.get_params(deep=False)
    return f"{noted(kind.__name__, kind, given.pop('grid'), given)}.fit(X, y)"


def report_of(cell: str, rule: str, measures: Measures, report: str) -> str:
    """The text of a run's report.md, after the cell that an estimator took by this rule."""
    why = RULES[rule].format(loss=MEASURES[measures.first].words)
    kept = EMPTY.sub("", FIGURE.sub("", report))
    kept = "\n".join(line for line in kept.splitlines() if not line.startswith(OF_FOLDER))
    return f"This estimator took `{cell}`: {why}\n\n{kept.strip()}\n"
