"""The verdict of a run in sentences, each with its number and how sure it is."""

from __future__ import annotations

from typing import Any

from jaxreg.axes import AXES
from jaxreg.formatting import count, estimate, fixed, known, listing, number, swapped
from jaxreg.report.layout import Layout, Line
from jaxreg.report.markdown import code
from jaxreg.statistics.comparisons import UNDECIDED
from jaxreg.statistics.label_noise import brier_rise
from jaxreg.store.results import Results

CURRENCIES = {"variance_cross_entropy": "variance", "bias_cross_entropy": "bias", "test_error": "accuracy"}
Row = dict[str, Any]


def called(cell: str | None, layout: Layout) -> str:
    """A cell in a sentence: `none` where it is no regularisation, else its name as code."""
    return "none" if cell == layout.base and layout.base_is_none else code(cell)


def verdict(results: Results, layout: Layout) -> list[str]:
    """At most three sentences: the best cell, the best of each axis, what it bought in which currency."""
    best = results.choice("all", "best")
    if best is None:
        if results.members["diverged_at"].notna().all():
            return [
                "**Every member diverged**: there is nothing to compare. "
                "Try a smaller learning rate or smaller strengths."
            ]
        return ["**No cell could be chosen**: see the caveats."]
    sentences = [_headline(results, layout, best)]
    details = [_tied(results, best)] if layout.products else [_axis(results, layout, line) for line in layout.lines]
    sentences.append(" ".join(text for text in [*details, _ranking(results, layout)] if text))
    sentences.append(_bought(results, layout, best))
    return [sentence for sentence in sentences if sentence]


def _headline(results: Results, layout: Layout, best: Row) -> str:
    cell, base = best["cell"], layout.base
    against = "no regularisation" if layout.base_is_none else code(base)
    loss = estimate(best["test_cross_entropy"], best.get("low"), best.get("high"))
    honest = best.get("honest_cross_entropy")
    apart = (
        f" On test {results.examples_are} that had no part in the choice: {number(honest, 4)}." if known(honest) else ""
    )
    if len(results.cells) == 1:
        return f"**The one cell, {code(cell)}, has a test cross-entropy of {loss}.**"
    if cell == base:
        return f"**Nothing tried beats {against}**: it has the lowest mean test cross-entropy, {loss}.{apart}"
    change = results.change(base, cell, "test_cross_entropy")
    if change is None:
        return f"**{code(cell)} has the lowest mean test cross-entropy**: {loss}.{apart}"
    difference = _difference(change)
    if change["verdict"] == UNDECIDED:
        return (
            f"**{code(cell)} has the lowest mean test cross-entropy but can't be told from {against}**: "
            f"{loss}; the paired difference is {difference}.{apart}"
        )
    return f"**{code(cell)} is best, by test cross-entropy**: {loss}; against {against} {difference}.{apart}"


def _axis(results: Results, layout: Layout, line: Line) -> str:
    """Best value of an axis, its difference from none, and the strongest value within one standard error."""
    best, modest = results.choice(line.axis, "best"), results.choice(line.axis, "one_standard_error")
    if best is None or best["cell"] not in line.cells:
        return ""
    name, value = AXES[line.axis].short, line.label(best["cell"])
    if best["cell"] == layout.base:
        text = f"**{name}**: no value beats {value}"
    else:
        text = f"**{name}**: best at {value}, with {number(best['test_cross_entropy'])}"
        change = results.change(layout.base, best["cell"], "test_cross_entropy")
        if change is not None:
            sure = f", {UNDECIDED}" if change["verdict"] == UNDECIDED else ""
            text += f", which is {_difference(change)} against {called(layout.base, layout)}{sure}"
    if modest is None or modest["cell"] not in line.cells:
        return f"{text}."
    if modest["cell"] == best["cell"]:
        return f"{text}; nothing stronger is within one standard error."
    return f"{text}; the strongest within one standard error is {line.label(modest['cell'])}."


def _tied(results: Results, best: Row) -> str:
    """How many cells of a product are within one standard error of the best, and which is modest."""
    tied = [cell for cell in str(best.get("tied") or "").split("; ") if cell and cell != best["cell"]]
    modest = results.choice("all", "one_standard_error")
    if not tied or modest is None:
        return "No other cell is within one standard error of it."
    most = f"; the most regularised is {code(modest['cell'])}" if modest["cell"] != best["cell"] else ""
    verb = "is" if len(tied) == 1 else "are"
    return f"{count(len(tied), 'other cell')} of {len(results.cells)} {verb} within one standard error{most}."


def _ranking(results: Results, layout: Layout, most: int = 6) -> str:
    """The cells that lie on no axis against the base, in three lists: lower, not distinguishable, higher."""
    cells = [cell for listed in layout.lists for cell in listed.cells if cell != layout.base]
    rows = results.against(layout.base, "test_cross_entropy").loc[cells].dropna(subset=["difference"])
    rows = rows.sort_values("difference")
    lists = []
    for word in ("lower", UNDECIDED, "higher"):
        part = rows[rows["verdict"] == word]
        shown = [
            f"{code(cell)} ({estimate(value, None, None, signed=True)})"
            for cell, value in zip(part.index[:most], part["difference"][:most], strict=True)
        ]
        if len(part) > most:
            shown.append(f"{len(part) - most} more")
        if shown:
            lists.append(f"{word}: {listing(shown)}")
    return f"Against {called(layout.base, layout)}, {'; '.join(lists)}." if lists else ""


def _bought(results: Results, layout: Layout, best: Row) -> str:
    """What the best cell changed in each currency; where the base is best, the strongest within 1 SE."""
    cell = best["cell"]
    if cell == layout.base:
        modest = results.choice("all", "one_standard_error")
        if modest is None or modest["cell"] == layout.base:
            return ""
        cell = modest["cell"]
    moved, still = [], []
    for measure, name in CURRENCIES.items():
        change = results.change(layout.base, cell, measure)
        if change is None:
            continue
        points = measure == "test_error"
        change = swapped(change) if points else change
        if change["verdict"] == UNDECIDED:
            still.append(f"{name} {_difference(change, points)}")
        else:
            moved.append(_moved(change, name, points))
    if moved:
        rest = f"; {UNDECIDED}: {listing(still)}" if still else ""
        return f"In which currency: {code(cell)} {listing(moved)}{rest}."
    if still:
        return f"What {code(cell)} changed is {UNDECIDED} from nothing: {listing(still)}."
    return ""


def _difference(change: Row, points: bool = False) -> str:
    """`-0.0005 (-0.0023 to +0.0012)`, with a reason where a clear interval is no finding."""
    text = estimate(change["difference"], change["low"], change["high"], signed=True, percent=points)
    if points:
        text = text.replace(" (", " points (", 1)
    if change["verdict"] == UNDECIDED and known(change["low"]) and change["low"] * change["high"] > 0:
        text = text.replace(")", ", before correction for the number of cells)")
    return text


def _moved(change: Row, name: str, points: bool) -> str:
    """`lowered variance by 0.0056 (0.0036 to 0.0077)`."""
    fell = change["difference"] < 0
    size, low, high = (abs(change[key]) for key in ("difference", "high" if fell else "low", "low" if fell else "high"))
    text = estimate(size, low, high, signed=True, percent=points).replace("+", "")
    if points:
        text = text.replace(" (", " points (")
    return f"{'lowered' if fell else 'raised'} {name} by {text}"


def wrong_labels(results: Results, layout: Layout) -> str:
    """What wrong training labels add to bias by theory (`brier_rise`), beside what they added; empty without any."""
    classes = results.classes["class"].nunique() if "class" in results.classes else 0
    found, expected = [], []
    for line in layout.lines:
        if line.axis != "label_noise" or layout.base not in line.cells or float(line.label(layout.base)) != 0:
            continue
        for cell, rate in zip(line.cells, line.labels, strict=True):
            change = results.change(layout.base, cell, "bias_brier")
            if cell != layout.base and change is not None and classes > 1:
                expected.append(f"{number(brier_rise(float(rate), classes))} at {rate}")
                found.append(f"{_difference(change)} at {rate}")
    if not found:
        return ""
    return (
        "**Wrong labels**: in networks that learn the share of wrong training labels exactly, the Brier bias rises by "
        f"{listing(expected)} where the {results.example_is} settles the class, and by less where it does not. "
        f"Measured, against {called(layout.base, layout)}: {listing(found)}. Networks that ignore wrong labels rise "
        "less; those that also fit worse, for having fewer right labels, rise more."
    )


def sparsity(results: Results, layout: Layout, most: int = 6) -> str:
    """What share of the weights is exactly zero, and what that cost; empty where none is."""
    if "zero_weights" not in results.members:
        return ""
    share = results.sound.groupby("cell", sort=False)["zero_weights"].mean()
    found = []
    for cell in [cell for cell in share.index if share[cell] >= 1e-3 and cell != layout.base]:
        changes = []
        for measure, name in (("test_error", "accuracy"), ("test_cross_entropy", "cross-entropy")):
            change, points = results.change(layout.base, cell, measure), measure == "test_error"
            if change is not None:
                change = swapped(change) if points else change
                sure = f", {UNDECIDED}" if change["verdict"] == UNDECIDED else ""
                changes.append(f"{name} {_difference(change, points)}{sure}")
        cost = f": {listing(changes)}" if changes else ""
        found.append(f"- {code(cell)} has {number(100 * share[cell])} % of the penalised weights at exactly 0{cost}.")
    if not found:
        return ""
    rest = f"\n- {count(len(found) - most, 'more cell')} in `members.csv`." if len(found) > most else ""
    against = f", against {called(layout.base, layout)}" if layout.base else ""
    return f"What exact zeros cost{against}:\n\n" + "\n".join(found[:most]) + rest


def turned(results: Results, layout: Layout) -> list[str]:
    """Cells of interest whose mean test cross-entropy was lower at an earlier epoch than at the last."""
    cells = dict.fromkeys([layout.base, *(row["cell"] for row in results.chosen())])
    history = results.history.merge(results.sound[["member", "cell"]], on="member")
    found = []
    for cell in cells:
        losses = history[history["cell"] == cell].groupby("epoch")["test_cross_entropy"].mean()
        if len(losses) < 3:
            continue
        rise = float(losses.iloc[-1] - losses.min())
        if rise > 0.01 * losses.min():
            epoch = int(losses.index[int(losses.argmin())])
            found.append(f"{code(cell)} was best after epoch {epoch} and has risen by {number(rise, 2)} since")
    return [f"Overfitting in time: {listing(found)}."] if found else []


def outlook(results: Results) -> str:
    """What dealing the same examples again would bring; empty where it can't be done or nothing is known."""
    are, splits = results.examples_are, results.loss("cross_entropy").get("splits")
    if splits is None or not splits.max() > 1:
        return ""
    if results.deals == 1:
        return (
            f"Splits needed are of further {are}, as many again in each. The same {are} can be dealt anew, with "
            f"`--deals 2`: that helps less than further {are} do, and the report then says how much is left."
        )
    rows = results.power[results.power["cell"].isna()] if "share_deals" in results.power else results.power[:0]
    rows = rows[rows["measure"] == "test_cross_entropy"].dropna(subset=["share_deals"])
    if rows.empty:
        return ""
    deals, data, examples = (float(rows[f"share_{name}"].iloc[0]) for name in ("deals", "data", "examples"))
    return (
        f"More deals of the same {are} can lower {_percent(deals)} of the squared error of a typical difference in "
        f"cross-entropy, and so narrow its interval by {_percent(1 - (1 - deals) ** 0.5)} at the most. The rest falls "
        f"only with further training {are} ({_percent(data)}) and with more test {are} ({_percent(examples)}). "
        "From few deals these shares are rough."
    )


def _percent(share: float) -> str:
    return f"{fixed(100 * share, 0)} %"
