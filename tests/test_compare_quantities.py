"""Quantities that others have predicted: taken for what they are, in the units that they were given in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_compare_page import of_kind

import jaxreg
from jaxreg.errors import UserError
from jaxreg.store.given_quantities import are_quantities


@pytest.mark.parametrize("scales", [(1.0,), (50.0,), (1.0, 100.0)])
def test_errors_of_quantities_are_in_the_units_that_they_were_given_in(
    scales: tuple[float, ...], tmp_path: Path
) -> None:
    """What the page says of units is how the error follows them."""
    given = of_kind("quantities", splits=3, seeds=1)
    p, y = (np.stack([scale * np.array(given[key]) for scale in scales], -1) for key in ("predictions", "targets"))
    run = jaxreg.compare(**given | {"predictions": p, "targets": y}, kind="quantities", out=tmp_path / "run")
    alone = np.square(np.array(given["predictions"]) - given["targets"]).mean(1)
    np.testing.assert_allclose(run.members["test_squared_error"], alone * np.mean(np.square(scales)))
    assert "standard deviations" not in run.report
    several = "means over the 2 quantities, each in its own units" in run.report
    assert several == (len(scales) > 1) == ("in the units of the targets" not in run.report)


def test_numbers_of_many_values_are_quantities_as_in_a_table(tmp_path: Path) -> None:
    """Whole targets, with predictions that have fractions or are rounded; the page says what they were taken for."""
    random, targets = np.random.default_rng(0), np.repeat(np.arange(60), 4) * 3
    fractions = targets + random.normal(0, 20, (4, 240))
    given: dict[str, Any] = {"targets": targets, "cell": ["a", "a", "b", "b"], "split": [0, 1, 0, 1]}
    for name, predictions in {"fractions": fractions, "rounded": fractions.round().astype(int)}.items():
        run = jaxreg.compare(**given, predictions=predictions, out=tmp_path / name)
        np.testing.assert_allclose(run.members["test_squared_error"], np.square(predictions - targets).mean(1))
        assert "quantities, of 60 different whole numbers; kind='votes'" in run.report
    votes = jaxreg.compare(**given, predictions=fractions.round().astype(int), kind="votes", out=tmp_path / "votes")
    assert "test_zero_one" in votes.members and "different whole numbers" not in votes.report
    few = given | {"targets": targets % 2, "predictions": fractions}
    with pytest.raises(UserError, match=r"is no probability of the second .* kind='quantities'"):
        jaxreg.compare(**few, out=tmp_path / "few")
    assert "test_squared_error" in jaxreg.compare(**few, kind="quantities", out=tmp_path / "few").members


def test_probabilities_for_each_of_many_classes_are_no_quantities() -> None:
    p = np.random.default_rng(0).dirichlet(np.ones(60), (2, 120))
    assert not are_quantities(p, np.arange(120) % 60) and are_quantities(p[..., 0], np.arange(120) % 60)
