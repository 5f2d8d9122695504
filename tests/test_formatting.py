"""Numbers keep what their interval supports, and no more."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxreg.formatting import LARGE, MINUS, estimate, fixed, listing, number, value_text

FINITE = st.floats(-1e6, 1e6, allow_nan=False)


def back(text: str) -> float:
    return float(text.replace(MINUS, "-").replace(",", ""))


@given(FINITE, st.floats(1e-5, 1e3))
def test_an_interval_is_rounded_by_less_than_a_sixth_of_its_width(value: float, half: float) -> None:
    text = estimate(value, value - half, value + half, signed=True)
    middle, low, high = (back(part) for part in text.replace("(", "").replace(")", "").replace(" to", "").split())
    unit = half / 3 + 1e-12 * abs(value)
    assert abs(middle - value) <= unit and abs(low - (value - half)) <= unit and abs(high - (value + half)) <= unit


@given(FINITE.filter(lambda value: abs(value) > 1e-9))
def test_a_number_keeps_three_significant_digits(value: float) -> None:
    assert math.isclose(back(number(value)), value, rel_tol=0.0051)
    assert len(number(value)) <= 10


@given(st.floats(0, 1e3, allow_subnormal=False))
def test_a_strength_reads_back_as_itself(value: float) -> None:
    assert float(value_text(value)) == value
    assert value_text(str(value)) == value_text(value)


@pytest.mark.parametrize(
    ("value", "low", "high", "text"),
    [
        (0.41234, 0.40424, 0.42044, "0.412 (0.404 to 0.420)"),
        (0.41234, 0.41194, 0.41274, "0.4123 (0.4119 to 0.4127)"),
        (0.41234, 0.3, 0.5, "0.412 (0.300 to 0.500)"),
        (12.3456, 8.0, 16.0, "12.3 (8.0 to 16.0)"),
        (0.5, math.nan, math.nan, "0.500"),
        (math.nan, math.nan, math.nan, "\u2013"),
        (None, None, None, "\u2013"),
    ],
)
def test_estimates_as_they_are_read(value: float, low: float, high: float, text: str) -> None:
    assert estimate(value, low, high) == text


def test_signs_percent_and_words() -> None:
    assert estimate(-0.0431, -0.0512, -0.0350, signed=True) == "\u22120.043 (\u22120.051 to \u22120.035)"
    assert estimate(0.8712, 0.8632, 0.8792, percent=True) == "87.1 (86.3 to 87.9)"
    assert estimate(1.0, 1.0, 1.0, percent=True) == "100.0 (no spread)" and estimate(0.0, 0.0, 0.0) == "0 (no spread)"
    assert fixed(-0.00001, 2) == "0.00"
    assert [value_text(value) for value in (True, "False", 0, 0.001, "1e-05", "0.3-0.5-0", "off")] == [
        "true", "false", "0", "1e-3", "1e-5", "0.3-0.5-0", "off",
    ]  # fmt: skip
    assert [listing(list("abc")[:n]) for n in range(4)] == ["", "a", "a and b", "a, b and c"]


def test_large_numbers_share_an_exponent():
    assert estimate(-3246389131661.0, -4275211521619.0, -2217566741703.0, signed=True) == "−3.2e12 (−4.3e12 to −2.2e12)"
    assert estimate(7.325e12, 7.1e12, 7.5e12) == "7.33e12 (7.10e12 to 7.50e12)"
    assert estimate(3060.0, 2629.0, 3491.0) == "3060 (2630 to 3490)"
    assert estimate(-185098.0, -250577.0, -119619.0, signed=True) == "−190,000 (−250,000 to −120,000)"
    assert number(2022407.0, 4) == "2,022,000" and number(9999.0, 4) == "9999"


@given(st.floats(1e-3, 1e12), st.floats(1.0, 1e5), st.booleans(), st.booleans())
def test_a_difference_keeps_its_sign_and_a_digit(size: float, wider: float, negative: bool, percent: bool) -> None:
    value, half = (-size if negative else size), size * wider
    text = estimate(value, value - half, value + half, signed=True, percent=percent).split(" (")[0]
    scale = 100 if percent else 1
    if scale * (half + size) < LARGE or wider < 1e3:  # an exponent leaves four decimals
        assert math.isclose(back(text), scale * value, rel_tol=0.51), text
        assert text[0] == (MINUS if negative else "+")
