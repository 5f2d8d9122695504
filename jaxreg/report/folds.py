"""What the page of a cross-validation says in other words than one of disjoint parts."""

from __future__ import annotations

from jaxreg.formatting import count, number
from jaxreg.measures import MEASURES
from jaxreg.report.advice import change_text, lowest_text, purposes
from jaxreg.report.layout import Layout
from jaxreg.report.markdown import code, text
from jaxreg.store.results import Results


def scored(results: Results) -> str:
    """The examples that score: test rows; of folds all rows, each by models that have not seen it."""
    return results.examples_are if results.folded else f"test {results.examples_are}"


def networks(results: Results) -> str:
    """Who scores, and how many more were trained for the intervals alone."""
    more = results.record.get("nested_members")
    said = f"every {results.example_is} is scored by {results.models_are} that have not seen it"
    if not isinstance(more, int):
        return f"{said}."
    return f"{said}; {count(more, results.model_is)} more, each without two folds, tell how sure that is."


def reading(results: Results) -> str:
    """How to read the error, and how to get what folds can't tell."""
    are, models = results.examples_are, results.models_are
    folds, deals = results.sweep.get("splits"), results.deals
    often = f" {deals} times" if deals > 1 else ""
    what = (results.record.get("data") or {}).get("standardised")
    how = f"; {text(what)} were standardised by the {are} that a {results.model_is} was trained on" if what else ""
    return (
        f"The {are} were dealt{often} into {folds} folds, and each is scored by {models} that were trained on the "
        f"other folds{how}. The error is that of {models} of this size, as a rule a little above that of one on all "
        f"{are}. "
        f"These {models} share {are}, so that the spread between folds would make intervals too narrow: they are those "
        "of nested cross-validation (Bates, Hastie and Tibshirani 2023), which trains without each pair of folds too, "
        f"never narrower than {are} that are independent would give, nor wider than √{folds} times that. They are "
        "cautious: in simulations those of differences hold in 97 to 100 studies of 100."
        "\n\n"
        f"**Bias and variance** can't be told from folds: they take training sets that share no {are}. "
        f"`--design parts` has them, of {models} on a fifth of the {are} or so."
    )


def settle(results: Results, layout: Layout) -> str:
    """What it would take to tell the cell that is best in the mean; empty where that is the reference."""
    first = results.measures.purposes[purposes(results)[0]].measure
    changes = results.against(layout.base, first)["difference"].dropna()
    if changes.empty or not changes.min() < 0:
        return ""
    best = str(changes.idxmin())
    change = results.change(layout.base, best, first)
    assert change is not None
    return (
        f"**What would settle it**: more {results.examples_are}. More deals of the same (`--deals "
        f"{5 * results.deals}`) narrow the intervals too, somewhat. {code(best)} is best in the mean, "
        f"{change_text(change, first)} in {MEASURES[first].words} (p = {number(change['p_adjusted'], 2)} after "
        f"correction for the number of cells){lowest_text(len(changes))}."
    )
