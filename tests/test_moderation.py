"""What units' spreads say of each other: limits in which the answer is known, and a cell that is unlike the others."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from jaxreg.statistics.intervals import Between, Estimate
from jaxreg.statistics.moderation import moderate, posterior

EXAMPLES = 10**9  # so many that their part is known


def estimate(square: float, units: int = 5, examples: float = 0.0, interaction: float = 0.0) -> Estimate:
    """A difference of which `square` is the variance between units' means, `examples` the examples' part of error^2."""
    between = Between(
        np.array([square / units]), np.array([interaction]), units - 1, EXAMPLES, np.array([1.0]), np.array([0.0])
    )
    from_units = max(square / units - interaction, 0.0)
    total = examples + from_units
    return Estimate(np.zeros(1), np.sqrt([total]), np.ones(1), np.array([from_units / total]), units, 1, between)


def alone(*args, **kwargs):
    (one,) = moderate([estimate(*args, **kwargs)])
    return one


@pytest.mark.parametrize("units", [2, 3, 5, 12, 200])
def test_alone_and_without_examples_it_is_students_test(units):
    one = alone(2.0, units)
    for t in (0.1, 1.0, 3.0, 8.0):
        assert one.p_value(t * np.sqrt(2.0 / units)) == pytest.approx(2 * stats.t.sf(t, units - 1), rel=2e-3)
    assert one.half_width(0.99) == pytest.approx(stats.t.ppf(0.995, units - 1) * np.sqrt(2.0 / units), rel=1e-3)
    assert one.prior == pytest.approx(0, abs=1e-3)


def test_without_units_it_is_the_normal_test():
    one = alone(1e-12, examples=4.0)
    assert one.p_value(3.0) == pytest.approx(2 * stats.norm.sf(1.5), rel=1e-6)
    assert one.half_width() == pytest.approx(2 * stats.norm.ppf(0.975), rel=1e-6)


@pytest.mark.parametrize(("examples", "difference"), [(0.3, 2.0), (1.0, 3.0), (1.0, 6.0), (4.0, 8.0)])
def test_alone_it_is_the_test_of_behrens_and_fisher(examples, difference):
    """A normal deviate of the examples and Student's t of the units, which are independent, add to the difference."""
    one = alone(5.0, 5, examples)
    t = stats.t(4)
    scale = np.sqrt(examples)
    expected, _ = integrate.quad(
        lambda x: t.pdf(x) * stats.norm.sf((difference - x) / scale), -200, 200, limit=500, points=[0, difference]
    )
    assert one.p_value(difference) == pytest.approx(2 * expected, rel=1e-3)


@settings(max_examples=20)
@given(st.lists(st.floats(0.01, 100), min_size=1, max_size=8), st.floats(1e-6, 1e6), st.integers(2, 20))
def test_the_unit_of_a_loss_does_not_matter(squares, factor, units):
    one = moderate([estimate(x, units, 0.1) for x in squares], overlap=1.0)
    other = moderate([estimate(x * factor, units, 0.1 * factor) for x in squares], overlap=1.0)
    for a, b in zip(one, other, strict=True):
        assert b.p_value(1.3 * np.sqrt(factor)) == pytest.approx(a.p_value(1.3), rel=1e-3)


def test_with_very_many_cells_it_is_smyths_moderated_t():
    """d and s0^2 are then as good as known, and sigma^2 given s^2 is (d s0^2 + f s^2) / chi^2_(d + f)."""
    random, worth, units = np.random.default_rng(0), 6.0, 5
    freedom = units - 1
    truth = worth * 2.0 / random.chisquare(worth, 600)
    squares = truth * random.chisquare(freedom, 600) / freedom
    made = moderate([estimate(x, units) for x in squares])
    ratios = []
    for square, one in zip(squares, made, strict=True):
        mean = (worth * 2.0 + freedom * square) / (worth + freedom)
        ratios.append(one.half_width() / (stats.t.ppf(0.975, worth + freedom) * np.sqrt(mean / units)))
        ratios[-1] *= 1 if 0.1 < square < 8 else np.nan  # what is far out may be anything
    assert np.nanmedian(ratios) == pytest.approx(1, abs=0.05)
    assert np.nanmax(np.abs(np.array(ratios) - 1)) < 0.2


def test_equal_spreads_are_worth_degrees_of_freedom_and_fewer_where_cells_are_shared():
    free, shared = (moderate([estimate(1.0)] * 10, overlap=overlap)[0] for overlap in (0.0, 9.0))
    assert 4 < shared.prior + 4 < free.prior + 4 < 40
    assert free.half_width() < shared.half_width() < alone(1.0).half_width()


@pytest.mark.parametrize("times", [100, 1000, 1e5])
def test_a_wild_cell_neither_ruins_the_others_nor_is_taken_for_one_of_them(times):
    calm = np.array([0.6, 0.8, 0.9, 1.0, 1.0, 1.1, 1.3, 1.5, 2.0])
    without = moderate([estimate(x) for x in calm], overlap=8.0)
    *others, wild = moderate([estimate(x) for x in (*calm, times)], overlap=9.0)
    for a, b in zip(without, others, strict=True):
        assert b.half_width() == pytest.approx(a.half_width(), rel=0.1)
    assert wild.half_width() > 0.8 * alone(times).half_width()


def test_what_is_the_same_everywhere_or_not_known_has_no_error_to_learn():
    nothing, unknown = estimate(1.0)._replace(error=np.zeros(1)), estimate(1.0)._replace(error=np.array([np.nan]))
    a, b, c = moderate([nothing, estimate(1.0), unknown], overlap=1.0)
    assert a is None and c is None and b.half_width() == pytest.approx(alone(1.0).half_width())
    assert moderate([nothing]) == [None] and moderate([]) == []


def test_units_that_agree_to_the_last_digit_leave_the_examples():
    one = moderate([estimate(0.0, examples=1.0)])[0]
    assert one.half_width() == pytest.approx(stats.norm.ppf(0.975), rel=1e-6)
    agreed, other = moderate([estimate(0.0, examples=1.0), estimate(1.0, examples=1.0)], overlap=1.0)
    assert stats.norm.ppf(0.975) <= agreed.half_width() <= other.half_width()


def test_a_posterior_is_a_distribution_about_its_mean_square():
    variances, weights = posterior(np.array([1.0, 2.0, 50.0]), np.array([4.0, 4.0, 8.0]), 2.0)
    np.testing.assert_allclose(weights.sum(1), 1)
    middle = np.exp(weights @ np.log(variances))
    assert (np.diff(middle) > 0).all() and middle[2] > 10
