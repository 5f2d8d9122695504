"""What the sections of docs/coverage.md have in common."""

from __future__ import annotations

import platform

import numpy as np
import pandas as pd
import scipy
from jinja2 import Environment, PackageLoader, StrictUndefined


def render(template: str, section: str, repetitions: int, **values: object) -> str:
    """A section from its template, which may say how it was made: `repetitions`, `command`, `versions`."""
    return (
        Environment(loader=PackageLoader("jaxreg.statistics"), undefined=StrictUndefined)
        .get_template(template)
        .render(
            repetitions=f"{repetitions:,}",
            command=f"python -m jaxreg.coverage --repetitions {repetitions} --only {section}",
            versions=f"Python {platform.python_version()}, NumPy {np.__version__}, SciPy {scipy.__version__}",
            **values,
        )
    )


def markdown(table: pd.DataFrame) -> str:
    """A table with its index as the first column."""
    named = table.rename(index=words).rename_axis(None)
    return str(named.to_markdown(disable_numparse=True, colalign=["left"] + ["right"] * table.shape[1]))


def words(name: str) -> str:
    """A column's name as one reads it."""
    return name.replace("_", " ")
