"""The best strength against the number of examples: laws of the optimum, its interval, and the line through optima."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxreg.statistics.data_size import (
    INSIDE,
    LARGEST,
    NONE,
    SMALLEST,
    Curve,
    law,
    optimum,
    optimum_interval,
    vertex,
)
from jaxreg.statistics.intervals import TwoWay

SIZES = (1500, 3000, 6000, 12000)
STRENGTHS = tuple(float(x) for x in 10 ** np.arange(-5, -0.9, 0.5))
PLACES = np.log(STRENGTHS)


@given(
    st.lists(st.floats(-9, 9), min_size=3, max_size=3, unique=True).map(sorted),
    st.floats(-9, 9),
    st.floats(0.01, 10),
    st.floats(-5, 5),
)
def test_the_vertex_of_an_exact_parabola_is_found_and_moves_as_its_derivative_says(x, least, curvature, height):
    x = np.array(x)
    if np.diff(x).min() < 0.1:
        return
    y = height + curvature * (x - least) ** 2
    found, slopes = vertex(x, y)
    assert found == pytest.approx(least, abs=1e-6)
    for i in range(3):
        moved = np.array(y)
        moved[i] += 1e-6 * curvature
        assert (vertex(x, moved)[0] - found) / (1e-6 * curvature) == pytest.approx(slopes[i], rel=1e-2, abs=1e-4)
    assert slopes.sum() == pytest.approx(0, abs=1e-6 / curvature), "a loss that is higher everywhere moves nothing"


def test_where_an_optimum_lies():
    curve = Curve(100, (1.0, 10.0, 100.0), (0, 1, 2), none=3)
    for losses, position, best in (
        ([2, 1, 2, 3], INSIDE, 1),
        ([1, 2, 3, 4], SMALLEST, 0),
        ([3, 2, 1, 4], LARGEST, 2),
        ([3, 2, 4, 1], NONE, 3),
        ([3, 1, 4, 1], NONE, 3),
    ):
        found = optimum(curve, np.array(losses, float))
        assert (found.position, found.best) == (position, best)
        assert np.isfinite(found.log) == (position == INSIDE)
    assert optimum(curve, np.array([2.0, 1, 2, 3])).log == pytest.approx(np.log(10))
    assert optimum(curve._replace(none=None), np.array([2.0, 1, 2, 0])).position == INSIDE


def measured(losses, deals=()):
    """Losses [size, strength, unit, example] as sums, with the curves of their sizes."""
    sizes, strengths, units, examples = losses.shape
    flat = losses.reshape(sizes * strengths, 1, units, examples)
    sums = TwoWay(len(flat), 1, units, deals)
    by_deal = [flat[:, :, own].mean(2) for own in sums.deals]
    sums.add(np.mean(by_deal, axis=0), flat)
    curves = [
        Curve(n, STRENGTHS[:strengths], range(i * strengths, (i + 1) * strengths))
        for i, n in zip(range(sizes), SIZES, strict=False)
    ]
    return sums, curves, [optimum(curve, sums.sums[0] / sums.examples) for curve in curves]


def made_up(random, best, wobble=0.3, noise=0.006, units=5, examples=40, shift=0.0):
    """Parabolas least at `best` [size] (logs); units move them, in all sizes alike and in each; so do examples."""
    own = wobble * (random.normal(size=units) + random.normal(size=(len(best), units))) / np.sqrt(2)
    away = PLACES[:, None] - best[:, None, None] - own[:, None]
    loss = 0.4 + 0.007 * away**2 + noise * random.normal(size=away.shape)
    tilt = shift * np.sqrt(examples) * random.normal(size=examples)
    by_example = random.normal(size=examples) - 0.014 * (PLACES[:, None] - best[:, None, None]) * tilt
    return loss[..., None] + by_example[:, :, None] + 0.01 * random.normal(size=(*loss.shape, examples))


def test_a_law_of_c_over_n_is_found_exactly_where_nothing_is_noisy():
    best = np.log(1.5) - np.log(SIZES)
    losses = 0.4 + 0.01 * (PLACES[:, None, None] - best[:, None, None, None]) ** 2 + np.zeros((1, 1, 3, 4))
    sums, curves, optima = measured(losses)
    np.testing.assert_allclose([found.log for found in optima], best, atol=1e-9)
    found = law(sums, curves, optima, 60000)
    np.testing.assert_allclose(found.slope, -1, atol=1e-6)
    np.testing.assert_allclose(np.exp(found.further), 1.5 / 60000, rtol=1e-6)
    low, high = optimum_interval(sums, curves[0], optima[0])
    assert low <= best[0] <= high and high - low < 0.1, "but for rounding"


@pytest.mark.parametrize(
    "how", [{}, {"wobble": 0.8}, {"shift": 0.3, "wobble": 0.1}], ids=["usual", "splits", "examples"]
)
def test_intervals_of_optima_and_of_the_law_cover(how):
    """In 100 repetitions: not so few that 95 % could not be it, and slopes that are right in the mean."""
    random, found, inside = np.random.default_rng(1), [], []
    for _ in range(100):
        best = np.log(random.uniform(0.5, 3)) - np.log(SIZES)
        sums, curves, optima = measured(made_up(random, best, **how))
        one = law(sums, curves, optima, 60000)
        true = best[0] - np.log(60000 / SIZES[0])
        found.append([one.slope[0], one.slope[1] <= -1 <= one.slope[2], one.further[1] <= true <= one.further[2]])
        for curve, own, where in zip(curves, optima, best, strict=True):
            if own.position == INSIDE:
                low, high = optimum_interval(sums, curve, own)
                inside.append(low <= where <= high)
    slopes, covered, further = np.array(found, float).T
    assert slopes.mean() == pytest.approx(-1, abs=3 * slopes.std() / np.sqrt(100))
    assert 0.88 <= covered.mean() and 0.88 <= further.mean() and 0.92 <= np.mean(inside) <= 0.99


def test_where_splits_agree_test_examples_alone_are_unsure_and_fewer_of_them_more():
    random = np.random.default_rng(0)
    best = np.log(1.5) - np.log(SIZES)
    losses = made_up(random, best, wobble=0.0, noise=0.0, units=4, examples=400, shift=0.02)
    widths = []
    for examples in (400, 100):
        sums, curves, optima = measured(losses[..., :examples])
        low, high = law(sums, curves, optima, 60000).further[1:]
        widths.append(high - low)
    assert widths[1] > 1.3 * widths[0] > 0


def test_two_deals_of_the_same_splits_are_no_surer_than_one_and_further_splits_are():
    random, best = np.random.default_rng(2), np.log(1.5) - np.log(SIZES)
    losses = made_up(random, best, units=4)
    again = np.concatenate([losses, losses], axis=2)

    def width(losses, deals=()):
        sums, curves, optima = measured(losses, deals)
        _, low, high = law(sums, curves, optima, 60000).slope
        return high - low

    alone, dealt = width(losses), width(again, (slice(0, 4), slice(4, 8)))
    assert width(again) < dealt <= alone, "told that they are independent, it is surer"


GRID = tuple(float(x) for x in 10 ** np.arange(-3.75, 0.1, 0.25))
HALF_A_STEP = np.log(10) / 8  # which a parabola may miss


def on_grid(losses, sizes):
    """Sums and curves of losses [size, strength, unit] without test examples of their own."""
    flat = losses.reshape(-1, 1, losses.shape[2], 1) + np.zeros(2)
    sums = TwoWay(len(flat), 1, losses.shape[2])
    sums.add(flat.mean(2), flat)
    curves = [Curve(n, GRID, range(i * len(GRID), (i + 1) * len(GRID))) for i, n in enumerate(sizes)]
    return sums, curves, [optimum(curve, sums.sums[0] / sums.examples) for curve in curves]


def test_the_expected_loss_of_ridge_regression_is_least_at_c_over_n():
    """Of d orthonormal inputs: (strength^2 |w|^2 + d noise^2 / n) / (1 + strength)^2, at d noise^2 / |w|^2 / n."""
    strengths, sizes = np.array(GRID), (100, 200, 400, 800)
    losses = np.array([(strengths**2 + 4 / n) / (1 + strengths) ** 2 for n in sizes])
    sums, curves, optima = on_grid(losses[..., None] + np.zeros(3), sizes)
    np.testing.assert_allclose([found.log for found in optima], np.log(4 / np.array(sizes)), atol=HALF_A_STEP)
    assert law(sums, curves, optima, 1600).slope[0] == pytest.approx(-1, abs=0.03)


def test_the_best_strength_of_trained_ridge_regressions_falls_as_one_over_n():
    """Trained on random inputs: mean squared error + strength |w|^2."""
    random, sizes, dimension, noise = np.random.default_rng(3), (100, 200, 400, 800), 20, 2.0
    true = random.normal(size=dimension)

    def excess(n):
        inputs = random.normal(size=(n, dimension))
        targets = inputs @ true + noise * random.normal(size=n)
        gram, seen = inputs.T @ inputs / n, inputs.T @ targets / n
        return [np.square(np.linalg.solve(gram + one * np.eye(dimension), seen) - true).sum() for one in GRID]

    losses = np.array([[excess(n) for _ in range(200)] for n in sizes]).swapaxes(1, 2)
    sums, curves, optima = on_grid(losses, sizes)
    assert [found.position for found in optima] == [INSIDE] * 4
    found = law(sums, curves, optima, 1600)
    assert found.slope[1] < -1 < found.slope[2] and found.slope[2] - found.slope[1] < 0.4
    best = np.log(dimension * noise**2 / np.square(true).sum() / 1600)
    assert found.further[1] - HALF_A_STEP < best < found.further[2] + HALF_A_STEP
