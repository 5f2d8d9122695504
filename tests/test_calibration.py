"""Calibration error: zero where stated and true chances agree, known where they don't."""

from __future__ import annotations

import numpy as np
import pytest

from jaxreg.statistics.calibration import BINS, bins, confidence, gaps, reliability


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
    rows = reliability(sure[None], right[None])
    assert sum(row["share"] * abs(row["confidence"] - row["accuracy"]) for row in rows) == pytest.approx(expected)


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
    p = np.array([[[0.7, 0.2, 0.1], [0.1, 0.3, 0.6]]])
    sure, right = confidence(np.log(p), np.array([0, 1]))
    np.testing.assert_allclose(sure, [[0.7, 0.6]])
    assert right.tolist() == [[1.0, 0.0]]
