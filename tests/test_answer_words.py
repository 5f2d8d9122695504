"""What the answer claims: no default as a finding, no chance as a gain, and each number for the size it was seen at."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from jaxreg.formatting import estimate, number
from jaxreg.measures import MEASURES
from jaxreg.report.advice import doubt_text, scopes
from jaxreg.report.answer import answer
from jaxreg.report.averaging import averaging
from jaxreg.report.layout import arrange
from jaxreg.report.summaries import accuracies
from jaxreg.store.results import Results, read

REPORTS = Path(__file__).parents[1] / "reports"


@pytest.fixture(scope="module")
def digits() -> Results:
    return read(REPORTS / "digits")


def told(results: Results) -> list[str]:
    return answer(results, arrange(results))


def test_where_nothing_is_told_better_the_reference_is_no_advice(digits: Results) -> None:
    for said in told(digits)[:2]:
        advice, _, rest = said.partition("** ")
        assert "plain" not in advice and re.match(
            "For [^.]+ nothing is shown to be better than no regularisation", rest
        )
        assert "is better in the mean there too: −0.0" in rest  # what is advised for something else
        assert rest.count("in the mean there too") == 1  # in however many measures


def test_what_is_worse_in_the_mean_is_not_said_to_be_better_there(digits: Results) -> None:
    whole, comparisons = digits.whole.copy(), digits.comparisons.copy()
    for table in (whole, comparisons):
        table.loc[table["measure"].isin(["test_cross_entropy", "test_error"]), "difference"] = 0.1
    assert "better in the mean there too" not in " ".join(
        told(replace(digits, whole=whole, comparisons=comparisons))[:2]
    )


@pytest.mark.parametrize(("share", "little"), [(0.2, False), (0.051, False), (0.049, True), (0.002, True)])
def test_a_gain_of_less_than_a_twentieth_is_little(digits: Results, share: float, little: bool) -> None:
    advice = digits.recommendation.copy()
    mine = advice.index[(advice["scope"] == "parts") & (advice["cell"] != "plain")][0]
    error = digits.loss(MEASURES[str(advice.loc[mine, "measure"])].loss)["error"]["plain"]
    advice.loc[mine, "difference"] = -share * error
    said = told(replace(digits, recommendation=advice))[1]
    assert ("which is little" in said) == little
    if little:
        assert f"{number(100 * share, 2)} % of it" in said


@pytest.mark.parametrize(("low", "high", "chance"), [(-1.0, 0.1, True), (-1.0, -0.1, False), (np.nan, np.nan, True)])
def test_an_interval_without_0_is_not_said_to_be_chance(low: float, high: float, chance: bool) -> None:
    assert (doubt_text({"low": low, "high": high}) == "which may be chance") == chance


def test_what_to_avoid_is_said_of_the_size_that_it_was_seen_at(digits: Results) -> None:
    parts, whole = scopes(digits, arrange(digits))
    assert whole is not None and any(said.startswith(f"**Avoid, on {parts.examples},**") for said in told(digits))
    alone = replace(digits, recommendation=digits.recommendation.query("scope == 'parts'"))
    assert any(said.startswith("**Avoid** ") for said in told(alone))


@pytest.mark.parametrize(
    ("spread", "takes"), [(10.0, "takes more test rows: there are 450."), (0.0, "tell it; more test rows may.")]
)
def test_what_no_training_set_would_tell_takes_test_rows_where_these_are_few(
    digits: Results, spread: float, takes: str
) -> None:
    power = digits.power.assign(splits_needed=np.inf, seeds_needed=np.nan, sd_example=spread)
    assert any(said.endswith(takes) for said in told(replace(digits, power=power)))


def test_averaging_is_advised_for_what_it_was_tried_on() -> None:
    results = read(REPORTS / "l1-l2")
    said = averaging(results, arrange(results))
    assert "on this one training set." in said and "it was not tried" not in said
    advice = results.recommendation.copy()
    advice.loc[advice["scope"] == "whole", "cell"] = "l2=1e-5"
    assert averaging(replace(results, recommendation=advice), arrange(results)).endswith(
        "With `l2=1e-5` it was not tried."
    )


def test_an_accuracy_has_one_interval_on_a_page(digits: Results) -> None:
    wrong, found = digits.loss("zero_one"), accuracies(digits)
    pd.testing.assert_series_equal(found["test_accuracy_low"], 1 - wrong["error_high"], check_names=False)
    plain = estimate(*(1 - wrong.loc["plain", ["error", "error_high", "error_low"]]), percent=True)
    assert plain in (REPORTS / "digits" / "report.md").read_text("utf-8").split("## All cells")[1]
