"""An estimator goes to a file and comes back with all that it learned."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

import jaxreg
from jaxreg.errors import UserError
from jaxreg.estimators import RegularizedMLPClassifier

FEW = {"epochs": 2, "hidden": [4], "l2": [0, 0.01], "splits": 2}


def comes_back(made: Any, x: pd.DataFrame, y: np.ndarray, file: Path) -> None:
    again = jaxreg.load(made.fit(x, y).save(file))
    np.testing.assert_array_equal(made.predict_proba(x), again.predict_proba(x), strict=True)
    np.testing.assert_array_equal(made.predict(x), again.predict(x), strict=True)
    assert again.get_params() == made.get_params() and type(again) is type(made)
    assert (again.best_params_, again.report_) == (made.best_params_, made.report_)
    assert again.classes_.dtype == made.classes_.dtype and list(again.feature_names_in_) == list(x.columns)
    for name, values in made.cv_results_.items():
        np.testing.assert_array_equal(again.cv_results_[name], values)
    with pytest.raises(ValueError, match="feature names should match"):
        again.predict(x[x.columns[::-1]])
    assert again.score(x, y) == made.score(x, y) and again.n_features_in_ == len(x.columns)


@pytest.mark.parametrize("classes", [["ant", "bee", "cat"], np.array(["ant", "bee"], object), [3, 1, 7]], ids=str)
def test_an_estimator_comes_back(classes: Any, tmp_path: Path) -> None:
    """One with too few rows to choose by, which is quick."""
    kinds = np.arange(7 * len(classes)) % len(classes)
    x = pd.DataFrame(50 + 9 * np.random.default_rng(0).normal(size=(len(kinds), 3)), columns=["a", "b", "c"])
    made = RegularizedMLPClassifier(settings=FEW, ensemble=2, random_state=3)
    with pytest.raises(UserError, match="is not fitted yet"):
        made.save(tmp_path / "made.safetensors")
    comes_back(made, x, np.asarray(classes)[kinds], tmp_path / "made.safetensors")


@pytest.mark.exports
def test_an_estimator_that_chose_comes_back(tmp_path: Path) -> None:
    kinds = np.arange(60) % 3
    x = pd.DataFrame(np.random.default_rng(0).normal(size=(60, 3)) + 3 * np.eye(3)[kinds], columns=["a", "b", "c"])
    made = RegularizedMLPClassifier(settings=FEW, ensemble=2)
    comes_back(made, x, np.array(["ant", "bee", "cat"])[kinds], tmp_path / "made.safetensors")
    assert len(made.cv_results_["cell"]) > 1 and "bias, variance and error" in made.report_
    clone(jaxreg.load(tmp_path / "made.safetensors")).fit(x, kinds)


def test_classes_that_are_no_plain_values_are_refused(tmp_path: Path) -> None:
    x, y = np.random.default_rng(0).normal(size=(12, 2)), np.array(["a", "b"], object)[np.arange(12) % 2]
    made = RegularizedMLPClassifier(settings={"epochs": 1, "hidden": [2]}, ensemble=1).fit(x, y)
    made.classes_ = np.array([("a", 1), ("b", 2)], "U1,i4").astype(object)
    with pytest.raises(UserError, match="classes of the type tuple can't be saved without pickle"):
        made.save(tmp_path / "made.safetensors")
    assert not list(tmp_path.iterdir())
