"""Numbers as a reader wants them: as many digits as their interval supports, strengths as short as they can be typed."""

from __future__ import annotations

import math

from jaxreg.checked import shortest

MINUS = "\u2212"
NOTHING = "\u2013"


def decimals(low: float, high: float) -> int:
    """Decimals that a value with this interval deserves: one digit of the half-width, two where it starts with 1 or 2."""
    half = abs(high - low) / 2
    if not math.isfinite(half) or half == 0:
        return 3
    exponent = math.floor(math.log10(half))
    return min(max(-exponent + (half / 10**exponent < 3), 0), 6)


def fixed(value: float, places: int, signed: bool = False) -> str:
    """`value` with `places` decimals and a true minus sign; a dash where there is no value."""
    if value is None or not math.isfinite(value):
        return NOTHING
    text = f"{round(value, places) + 0.0:{'+' if signed else ''}.{places}f}"
    return text.replace("-", MINUS)


def number(value: float, digits: int = 3) -> str:
    """`value` to `digits` significant digits, without an exponent where that stays short."""
    if value is None or not math.isfinite(value):
        return NOTHING
    if value == 0:
        return "0"
    exponent = math.floor(math.log10(abs(value)))
    if not -4 <= exponent < 7:
        mantissa, _, power = f"{value:.{digits - 1}e}".partition("e")
        return f"{mantissa}e{int(power)}".replace("-", MINUS)
    return fixed(value, max(digits - 1 - exponent, 0))


def between(low: float, high: float, signed: bool = False, percent: bool = False) -> str:
    """An interval in words, `0.404 to 0.420`; empty where it could not be estimated."""
    scale = 100 if percent else 1
    if low is None or not (math.isfinite(low) and math.isfinite(high)):
        return ""
    places = decimals(low * scale, high * scale)
    return f"{fixed(low * scale, places, signed)} to {fixed(high * scale, places, signed)}"


def estimate(value: float, low: float, high: float, signed: bool = False, percent: bool = False) -> str:
    """A value with its interval, `0.412 (0.404 to 0.420)`, both to the digits that the interval supports."""
    scale = 100 if percent else 1
    interval = between(low, high, signed, percent)
    if not interval:
        if percent:
            return fixed(value * scale, 1, signed)
        text = number(value)
        return f"+{text}" if signed and value > 0 else text
    return f"{fixed(value * scale, decimals(low * scale, high * scale), signed)} ({interval})"


def strength(value: object) -> str:
    """A value of an axis as short as it can be typed: `1e-5`, `0.01`, `0`, `true`, `0.3-0.5-0`."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return value.lower() if value in ("True", "False") else value
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value).lower()
    return shortest(value)


def listing(items: list[str], conjunction: str = "and") -> str:
    """`a`, `a and b`, `a, b and c`."""
    return (
        items[0] if len(items) == 1 else f"{', '.join(items[:-1])} {conjunction} {items[-1]}" if items else ""
    )


def count(n: int, noun: str) -> str:
    """`1 member`, `3 members`."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"
