"""What one temperature does to the probabilities, beside what the best penalty does."""

from __future__ import annotations

from jaxreg.formatting import estimate, known, number
from jaxreg.report import folds
from jaxreg.report.advice import Scope, purposes
from jaxreg.report.avoid import LITTLE
from jaxreg.report.layout import Layout
from jaxreg.report.markdown import code
from jaxreg.store.results import Results


def calibration(results: Results, layout: Layout, scope: Scope) -> str:
    """What one temperature does, beside what the best penalty does."""
    raw, scaled = results.loss("cross_entropy")["error"], results.loss("scaled_cross_entropy")["error"]
    before, after = raw.get(layout.base), scaled.get(layout.base)
    if not (known(before) and known(after)) or "cross_entropy" not in purposes(results):
        return ""
    if number(after) == number(before):
        return ""
    base, best = code(layout.base), raw.drop(labels=[layout.base]).min()
    if after >= before:
        return (
            f"**Temperature scaling** does not help on {scope.examples}: fitted on one half of the "
            f"{folds.scored(results)} and scored on the other, it gives {base} {number(after)} instead of "
            f"{number(before)} in cross-entropy."
        )
    more = f" gains more, in the mean, than any cell tried on {scope.examples}" if after < best else ""
    change = _measured(results, layout)
    high = change.get("scaling_high")
    if before - after < before / LITTLE:
        lead = "Temperature scaling changes little"
    elif known(high) and high >= 0:
        lead = (
            f"Temperature scaling{more}, which may be chance"
            if more
            else "What temperature scaling gains may be chance"
        )
    else:
        lead = f"**Temperature scaling{more}**"
    value, low = change.get("scaling"), change.get("scaling_low")
    by = f", {estimate(value, low, high, signed=True)}," if known(value) and known(low) and known(high) else ","
    text = (
        f"{lead}: with logits divided by one number{_divide(results, layout)}, fitted on other "
        f"{results.examples_are} than it is scored on, {base} has {number(after)} instead of {number(before)} in "
        f"cross-entropy on {scope.examples}{by} with the same labels"
    )
    if known(best) and best < before:
        text += f"; the best cell here gains {number(before - best, 2)}"
    row = results.advice("parts", "scaled_cross_entropy")
    if row is None:
        return f"{text}."
    if row["cell"] == layout.base:
        return f"{text}. With it, nothing is significantly better than {base}."
    alone = results.change(layout.base, row["cell"], "test_cross_entropy")
    still = "still " if alone is not None and alone["verdict"] == "lower" else ""
    return (
        f"{text}. With it, {code(row['cell'])} is {still}significantly better, by {number(abs(row['difference']), 2)}."
    )


def _measured(results: Results, layout: Layout) -> dict[str, float]:
    """What calibration.csv has of the reference; nothing where it has none."""
    found = results.calibration
    rows = found[found["cell"] == layout.base] if "cell" in found else found
    return {str(name): float(value) for name, value in rows.drop(columns="cell").iloc[0].items()} if len(rows) else {}


def _divide(results: Results, layout: Layout) -> str:
    by = _measured(results, layout).get("temperature")
    return f" ({number(by, 3)} on average)" if known(by) else ""
