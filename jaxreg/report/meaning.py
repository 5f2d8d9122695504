"""What bias and variance mean on a page, by what is predicted."""

from __future__ import annotations

from jaxreg.measures import CLASSES, VOTES
from jaxreg.report import folds
from jaxreg.report.markdown import text
from jaxreg.store.results import Results


def reading(results: Results) -> str:
    """What bias and variance mean here, and of which networks they speak."""
    if results.folded:
        return folds.reading(results) + _units(results)
    on_splits = results.members[results.members["split"] != "all"]
    article, size = "an" if results.example_is[0] in "aeiou" else "a", ""
    if "trained_on" in on_splits and on_splits["trained_on"].nunique() == 1:
        examples = f"{int(on_splits['trained_on'].iloc[0]):,} {results.examples_are}"
        size = f" Both speak of {results.models_are} trained on {examples}."
    if results.measures is VOTES:
        return (
            f"**Bias** is the error of the majority vote of a cell's {results.models_are}, with the label noise in it: "
            f"one label {article} {results.example_is} can't part the two. **Variance** is what is left of the error, "
            f"the net variance: how much more often one {results.model_is} is wrong than their majority. It can be "
            f"negative, and bias falls as {results.models_are} are added: compare cells with equal numbers of "
            f"them.{size}{_dealt(results)}"
        )
    of_classes = results.measures is CLASSES
    saved = "the cross-entropy that averaging" if of_classes else "the squared error that averaging"
    outputs = "log-probabilities" if of_classes else "outputs"
    noise = "label noise in it: one label" if of_classes else "noise of the targets in it: one target"
    return (
        "**Variance** is how much of the error comes from which training set and which seed a "
        f"{results.model_is} happened to get: {saved} such {results.models_are}' {outputs} would save. "
        f"**Bias** is what remains, with the {noise} "
        f"{article} {results.example_is} can't part the two.{size}{_units(results)}{_dealt(results)}"
    )


def _units(results: Results) -> str:
    """In what the errors of quantities are measured."""
    if results.measures.of_classes:
        return ""
    if results.unit:
        parts = "" if results.folded else ", their bias and their variance"
        return f" Squared errors{parts} are in squared units of {text(results.unit)}."
    apart = "" if results.quantities.empty else " Each by itself, in its own unit, is in the next section."
    if results.elsewhere:  # as they were given
        if (outputs := (results.record.get("data") or {}).get("outputs")) == 1:
            return " Errors are in the units of the targets, squared errors in the squares of these."
        several = f"{outputs} quantities" if outputs else "quantities"
        return (
            f" Errors are means over the {several}, each in its own units, squared errors in the squares of these: the "
            f"quantity with the largest errors counts most.{apart}"
        )
    values = f"its values in all {results.examples_are}" if results.folded else "its training values"
    return f" Errors are means over the quantities, each in standard deviations of {values}.{apart}"


def _dealt(results: Results) -> str:
    """What was done, and taken into account, where the same examples were dealt more than once."""
    if results.deals == 1:
        return ""
    are = results.examples_are
    return (
        f" The same {are} were dealt {results.deals} times into disjoint splits, each time anew. Splits of different "
        f"deals share {are}, so that a further deal tells less than as many new {are} would: the intervals take that "
        "into account."
    )
