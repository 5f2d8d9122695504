"""The scores that one would quote of the reference: on all of the data, or by cross-validation."""

from __future__ import annotations

import numpy as np

from jaxreg.formatting import count, estimate, fixed, known, number
from jaxreg.measures import CLASSES
from jaxreg.report.advice import Scope
from jaxreg.report.layout import Layout
from jaxreg.report.markdown import code
from jaxreg.store.results import Results


def quoted(results: Results, layout: Layout, scope: Scope) -> str:
    """The scores that one would quote on the whole set, of the reference."""
    who = f"{layout.base_in_words[:1].upper()}{layout.base_in_words[1:]}"
    if results.folded:
        return _by_folds(results, layout, who)
    who += ", on all of them"
    if results.measures is not CLASSES:
        row = results.of_whole(layout.base, results.measures.first)
        if scope.name != "whole" or row is None:
            return ""
        return f"{who}: {in_units(results, row['mean'])}; {count(int(row['seeds']), 'seed')}."
    measures = ("test_error", "test_cross_entropy", "test_scaled_cross_entropy")
    wrong, loss, after = (results.of_whole(layout.base, measure) for measure in measures)
    if scope.name != "whole" or wrong is None or loss is None:
        return ""
    scaled = after["mean"] if after else loss["mean"]
    rest = f" ({number(scaled)} with temperature scaling)" if scaled < loss["mean"] else ""
    return (
        f"{who}: accuracy {fixed(100 * (1 - wrong['mean']), 1)} %, cross-entropy "
        f"{number(loss['mean'])}{rest}; {count(int(wrong['seeds']), 'seed')}."
    )


def _by_folds(results: Results, layout: Layout, who: str) -> str:
    """The same by cross-validation, with intervals."""

    def error(loss: str) -> tuple[float, float, float]:
        rows = results.loss(loss)
        value, low, high = (float(rows[f"error{end}"].get(layout.base, np.nan)) for end in ("", "_low", "_high"))
        return value, low, high

    found = error(results.measures.loss)
    if results.measures is not CLASSES:
        return f"{who}: {in_units(results, found[0])}; squared error {estimate(*found)}."
    right, low, high = (1 - x for x in error("zero_one"))
    accuracy = f"{estimate(right, high, low, percent=True)} %".replace(" (", " % (").removesuffix(" %")
    return f"{who}: accuracy {accuracy}, cross-entropy {estimate(*found)}."


def in_units(results: Results, squared_error: float) -> str:
    """Root mean squared error, in the units of what is predicted, and the share of its variance that is."""
    of = f" of {code(results.unit)}" if results.unit else ""
    share = results.predicted_share(squared_error)
    return f"RMSE{of} {number(squared_error**0.5)}{f', R² {fixed(share, 3)}' if known(share) else ''}"


def rmse_of(results: Results, scope: Scope, cell: str) -> str:
    """The root mean squared error of a cell, behind the change of its square."""
    if scope.name == "whole":
        row = results.of_whole(cell, results.measures.first)
        error = float(row["mean"]) if row else np.nan
    else:
        error = float(results.loss(results.measures.loss)["error"].get(cell, np.nan))
    return f", RMSE {number(error**0.5)}" if error >= 0 else ""
