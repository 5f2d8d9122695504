"""What is recommended: the rule, case by case, on tables of comparisons."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from jaxreg.measures import CLASSES
from jaxreg.statistics.comparisons import UNDECIDED, Difference
from jaxreg.statistics.intervals import Between, Estimate
from jaxreg.statistics.recommendation import recommend

MEASURES, COMPARED, PURPOSES = CLASSES.on_everything, CLASSES.compared, CLASSES.purposes
CE, SCALED, BRIER, ERROR = MEASURES
Verdicts = dict[str, dict[str, tuple[float, str] | tuple[float, str, float]]]


def compared(cells: Verdicts) -> pd.DataFrame:
    """Comparisons with plain, of a difference, a verdict and a p of its own, by cell and measure; others are open."""
    rows = [
        {
            "cell": cell,
            "reference": "plain",
            "measure": measure,
            "difference": value,
            "low": value - 1,
            "high": value + 1,
        }
        | {"verdict": verdict, "p": alone[0] if alone else 1.0}
        for cell, own in cells.items()
        for measure in MEASURES
        for value, verdict, *alone in [own.get(measure, (0.0, UNDECIDED))]
    ]
    return pd.DataFrame(rows)


def pair(cell: str, reference: str, value: float, error: float) -> Difference:
    same = np.ones(len(COMPARED))
    between = Between(same, same, 4, 100, same, same)
    return Difference(cell, reference, Estimate(value * same, error * same, same, same, 5, 1, between), same)


def chosen(cells: Verdicts, pairs: list[Difference] | None = None, **whole: object) -> pd.DataFrame:
    found = recommend(compared(cells), pairs or [], "plain", ["plain", *cells], **whole)  # type: ignore[arg-type]
    return found.set_index(["scope", "purpose"])


def test_nothing_told_better_is_nothing_recommended_however_low_its_mean():
    found = chosen({"a": {CE: (-9.0, UNDECIDED)}, "b": {CE: (1.0, "higher")}})
    assert set(found["cell"]) == {"plain"} and found["difference"].isna().all()
    assert found.loc[("parts", "cross_entropy"), "worse"] == "b"


def test_what_is_told_better_is_recommended_to_whom_it_serves_alone():
    found = chosen({"a": {CE: (-0.1, "lower")}, "b": {ERROR: (-0.01, "lower")}})["cell"]
    assert found["parts"].to_dict() == {
        "cross_entropy": "a", "scaled_cross_entropy": "plain", "brier": "plain", "accuracy": "b",
    }  # fmt: skip


def test_of_several_the_lowest_mean_and_what_is_within_one_error_of_it_is_named():
    cells = {name: {CE: (value, "lower")} for name, value in (("a", -0.1), ("b", -0.2), ("c", -0.19), ("d", -0.05))}
    pairs = [pair("c", "b", 0.01, 0.02), pair("b", "a", -0.1, 0.02), pair("d", "b", 0.15, 0.2)]
    row = chosen(cells, pairs).loc[("parts", "cross_entropy")]
    assert (row["cell"], row["as_good"], row["better"]) == ("b", "c; d", "a; b; c; d")


def test_what_has_no_price_comes_first_and_a_price_is_said():
    dear = {CE: (-0.5, "lower"), ERROR: (0.02, "higher")}
    row = chosen({"dear": dear, "free": {CE: (-0.1, "lower")}}).loc[("parts", "cross_entropy")]
    assert row["cell"] == "free" and np.isclose(row["other_difference"], 0)
    row = chosen({"dear": dear}).loc[("parts", "cross_entropy")]
    assert (row["cell"], row["other"], row["other_difference"], row["other_verdict"]) == ("dear", ERROR, 0.02, "higher")


@pytest.mark.parametrize("p", [0.04, 0.06])
def test_a_price_counts_before_any_correction(p: float):
    """Else the more cells there are, the more harm would pass for chance."""
    dear = {CE: (-0.5, "lower"), ERROR: (0.02, UNDECIDED, p)}
    cells: Verdicts = {"dear": dear, "free": {CE: (-0.1, "lower"), ERROR: (-0.02, UNDECIDED, 0.01)}}
    assert chosen(cells).loc[("parts", "cross_entropy"), "cell"] == ("free" if p < 0.05 else "dear")


def on_all(cells: Verdicts) -> pd.DataFrame:
    return compared(cells).assign(mean=0.5, mean_low=0.0, mean_high=1.0).drop(columns="reference")


@pytest.mark.parametrize(
    ("there", "expected"),
    [
        ({"a": {CE: (-0.1, UNDECIDED)}, "weak": {CE: (-0.2, UNDECIDED)}}, "weak"),
        ({"a": {CE: (-0.1, UNDECIDED)}, "weak": {CE: (-0.2, UNDECIDED), ERROR: (0.01, "higher")}}, "a"),
        ({"a": {CE: (0.1, UNDECIDED)}, "weak": {CE: (0.2, UNDECIDED)}}, "plain"),
        ({"a": {CE: (-0.1, UNDECIDED)}, "weak": {CE: (-0.2, "lower"), ERROR: (0.01, UNDECIDED, 0.04)}}, "a"),
        ({"a": {CE: (-0.1, UNDECIDED), ERROR: (0.01, UNDECIDED, 0.04)}}, "plain"),
        ({"stranger": {CE: (-0.5, "lower")}}, "plain"),
        ({}, None),
    ],
    ids=[
        "better in the mean",
        "at a price",
        "not better",
        "at a price by itself",
        "all at a price",
        "not told on the parts",
        "nobody there",
    ],
)
def test_the_parts_carry_the_advice_for_the_whole(there: Verdicts, expected: str | None):
    whole = on_all(there) if there else pd.DataFrame()
    found = chosen({"a": {CE: (-0.1, "lower")}}, whole=whole, kin={"a": ["a", "weak"]})
    assert (("whole", "cross_entropy") in found.index) == (expected is not None)
    if expected is not None:
        row = found.loc[("whole", "cross_entropy")]
        assert row["cell"] == expected
        assert pd.isna(row["told_by"]) if expected == "plain" else row["told_by"] == "a"


def test_every_purpose_has_a_measure_and_another_that_it_may_cost():
    for purpose in PURPOSES.values():
        assert {purpose.measure, purpose.other} <= set(COMPARED) and purpose.measure != purpose.other
