"""Calibration error: zero where stated and true chances agree, known where they don't."""

from __future__ import annotations

import numpy as np
import pytest

from jaxreg.statistics.calibration import BINS, bins, confidence, diagram, gaps, measure
from jaxreg.statistics.intervals import TwoWay


def test_bins_are_of_equal_size_and_ordered():
    sure = np.random.default_rng(0).random(1000)
    where = bins(sure)
    counts = np.bincount(where)
    assert len(counts) == BINS and counts.max() - counts.min() <= 1
    assert all(sure[where == i].max() <= sure[where == i + 1].min() for i in range(BINS - 1))
    assert np.ptp(np.bincount(bins(np.ones(30)))) == 0  # ties too


def test_error_is_the_weighted_gap_of_the_bins():
    random = np.random.default_rng(1)
    sure, right = random.random(600), (random.random(600) < 0.7).astype(float)
    each, _ = gaps(sure, right)
    where = bins(sure)
    expected = sum(abs((sure - right)[where == i].sum()) for i in range(BINS)) / 600
    assert each.mean() == pytest.approx(expected)
    said, was, share = diagram(sure, right)
    assert (share * abs(said - was)).sum() == pytest.approx(expected) and share.sum() == pytest.approx(1)


def test_a_cell_is_the_mean_over_its_models_each_with_bins_of_its_own():
    random = np.random.default_rng(4)
    sure = random.random((4, 300)) * np.array([1, 0.5, 0.8, 0.2])[:, None]
    right = (random.random((4, 300)) < 0.6).astype(float)
    models = list(zip(sure, right, strict=True))
    found = measure([models[:1], models[1:]], 300)
    errors = [gaps(*model)[0].mean() for model in models]
    assert found.error.value[0] == pytest.approx((errors[0] + np.mean(errors[1:])) / 2)  # units count alike
    assert found.chance == pytest.approx(np.mean([gaps(*model)[1] for model in models]))
    expected = np.mean([diagram(*model) for model in models], axis=0)
    shown = [[row[name] for row in found.reliability] for name in ("confidence", "accuracy", "share")]
    np.testing.assert_allclose(shown, expected)


def test_its_interval_is_that_of_units_and_examples():
    random = np.random.default_rng(5)
    models = [(random.random(300), (random.random(300) < 0.6).astype(float)) for _ in range(5)]
    units = np.stack([gaps(*model)[0] for model in models])
    layout = TwoWay(1, 1, 5)
    layout.add(units.mean(0)[None, None], units[None, None])
    found = measure([[model] for model in models], 300).error
    for mine, theirs in zip(found[:4], layout.one(0)[:4], strict=True):
        np.testing.assert_allclose(mine, theirs)


def test_a_calibrated_model_shows_what_chance_alone_gives():
    random = np.random.default_rng(2)
    found, chance = [], []
    for _ in range(200):
        sure = random.uniform(0.3, 1, 3000)
        each, alone = gaps(sure, (random.random(3000) < sure).astype(float))
        found.append(each.mean())
        chance.append(alone)
    assert np.mean(found) == pytest.approx(np.mean(chance), rel=0.03)


def test_overconfidence_by_a_tenth_is_an_error_of_a_tenth():
    random = np.random.default_rng(3)
    sure = random.uniform(0.5, 1, 200_000)
    each, _ = gaps(sure, (random.random(200_000) < sure - 0.1).astype(float))
    assert each.mean() == pytest.approx(0.1, abs=0.005)


def test_confidence_is_the_largest_probability_and_right_where_it_is_the_label():
    p = np.array([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6]])
    sure, right = confidence(np.log(p), np.array([0, 1]))
    np.testing.assert_allclose(sure, [0.7, 0.6])
    assert right.tolist() == [1.0, 0.0]
