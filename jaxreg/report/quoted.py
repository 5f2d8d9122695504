"""The scores that one would quote: of the reference on all of the data; on parts, or by cross-validation, of both."""

from __future__ import annotations

from collections.abc import Sequence

from jaxreg.formatting import count, estimate, fixed, known, listing, number
from jaxreg.measures import CLASSES, MEASURES, QUANTITIES
from jaxreg.report.advice import Scope
from jaxreg.report.layout import Layout
from jaxreg.report.markdown import code
from jaxreg.store.results import Results


def quoted(results: Results, layout: Layout, scope: Scope, cells: Sequence[str]) -> str:
    """The scores that one would quote: of the reference on the whole set; else of it and of what is to be used."""
    if scope.name == "parts":
        return _levels(results, layout, cells)
    name = _named(layout, cells)
    who = f"{name[:1].upper()}{name[1:]}, on all of them"
    if results.measures is not CLASSES:
        row = results.of_whole(layout.base, results.measures.first)
        return "" if row is None else f"{who}: {in_units(results, row['mean'])}; {count(int(row['seeds']), 'seed')}."
    measures = ("test_error", "test_cross_entropy", "test_scaled_cross_entropy")
    wrong, loss, after = (results.of_whole(layout.base, measure) for measure in measures)
    if wrong is None or loss is None:
        return ""
    scaled = after["mean"] if after else loss["mean"]
    rest = f" ({number(scaled)} with temperature scaling)" if scaled < loss["mean"] else ""
    return (
        f"{who}: accuracy {fixed(100 * (1 - wrong['mean']), 1)} %, cross-entropy "
        f"{number(loss['mean'])}{rest}; {count(int(wrong['seeds']), 'seed')}."
    )


def _levels(results: Results, layout: Layout, cells: Sequence[str]) -> str:
    """`Accuracy is 86.5 % (86.1 to 86.9) with … and 87.1 % (86.6 to 87.6) with …; cross-entropy 0.466 (…) and …`."""
    loss = results.measures.loss
    measured = results.loss(loss)["error"]
    kept = [cell for cell in dict.fromkeys([str(layout.base), *cells]) if known(measured.get(cell))]
    if not kept:
        return ""

    def score(cell: str, loss: str = loss, what: str = "error") -> tuple[float, float, float]:
        rows = results.loss(loss)
        value, low, high = (float(rows[f"{what}{end}"].get(cell, float("nan"))) for end in ("", "_low", "_high"))
        return value, low, high

    found: dict[str, list[str]] = {}
    if results.measures is CLASSES:
        found["accuracy"] = [_accuracy(*score(cell, "zero_one")) for cell in kept]
    if results.measures is QUANTITIES:
        # The root rises with its square, so that an interval's ends become those of the root's interval.
        roots = [(max(end, 0.0) ** 0.5 for end in score(cell)) for cell in kept]
        found[f"RMSE{_of_what(results)}"] = [estimate(*root) for root in roots]
        shares = [score(cell, what="r2") for cell in kept]
        if known(shares[0][0]):
            found["R²"] = [estimate(*share) for share in shares]
    found[MEASURES[results.measures.first].words] = [estimate(*score(cell)) for cell in kept]
    (first, values), *rest = found.items()
    names = {cell: code(cell) for cell in kept} | {str(layout.base): _named(layout, cells)}
    named = [f"{value} with {names[cell]}" for value, cell in zip(values, kept, strict=True)]
    said = "; ".join([f"{first} is {listing(named)}", *(f"{name} {listing(values)}" for name, values in rest)])
    return f"{said[:1].upper()}{said[1:]}."


def _named(layout: Layout, cells: Sequence[str]) -> str:
    """The reference, which is introduced already where it is among the cells to be used."""
    return code(layout.base) if layout.base in cells else layout.introduced(layout.base)


def _accuracy(wrong: float, low: float, high: float) -> str:
    text = estimate(1 - wrong, max(1 - high, 0.0), 1 - low, percent=True)
    return text.replace(" (", " % (", 1) if " (" in text else f"{text} %"


def in_units(results: Results, squared_error: float) -> str:
    """Root mean squared error, in the units of what is predicted, and the share of its variance that is."""
    share = results.predicted_share(squared_error)
    return f"RMSE{_of_what(results)} {number(squared_error**0.5)}{f', R² {fixed(share, 3)}' if known(share) else ''}"


def _of_what(results: Results) -> str:
    """In whose unit a root mean squared error is; nothing where nobody has said."""
    if results.unit:
        return f" of {code(results.unit)}"
    return " of the standardised quantities" if (results.record.get("data") or {}).get("quantities") else ""


def scores_on_all(results: Results, cell: str) -> str:
    """The scores of a cell on the whole training set, behind the change of its squared error."""
    row = results.of_whole(cell, results.measures.first)
    return f", {in_units(results, row['mean'])}" if row else ""
