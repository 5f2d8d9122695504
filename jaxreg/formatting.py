"""Numbers as a reader wants them: the digits that their interval supports, strengths as they are typed."""

from __future__ import annotations

import difflib
import math
import re
import unicodedata
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, TypeGuard

MINUS = "\u2212"
NOTHING = "\u2013"
UNPRINTABLE = ("Cc", "Cf", "Cs", "Zl", "Zp")  # of Unicode's general categories


def known(value: Any) -> TypeGuard[float]:
    """Whether `value` is a finite number."""
    return value is not None and math.isfinite(value)


LARGE = 1e7
"""A number from which on it has an exponent, as all in its interval then have."""


def fixed(value: float | None, places: int, signed: bool = False) -> str:
    """`value` with `places` decimals and a true minus sign; a dash where there is no value.

    Below 0 decimals it is tens, hundreds and so on. From 10,000 on there are commas between thousands.
    """
    if not known(value):
        return NOTHING
    value = round(value, places) + 0.0
    text = f"{value:{'+' if signed else ''}{',' if abs(value) >= 1e4 else ''}.{max(places, 0)}f}"
    return text.replace("-", MINUS)


def number(value: float | None, digits: int = 3) -> str:
    """`value` to `digits` significant digits, without an exponent where that stays short."""
    if not known(value):
        return NOTHING
    if value == 0:
        return "0"
    exponent = math.floor(math.log10(abs(value)))
    if not -4 <= exponent < 7:
        mantissa, _, power = f"{value:.{digits - 1}e}".partition("e")
        return f"{mantissa}e{int(power)}".replace("-", MINUS)
    return fixed(value, digits - 1 - exponent)


def decimals(low: float, high: float) -> int:
    """Decimals that an interval supports: one digit of its half-width, two where that starts with 1 or 2.

    Below 0 where it supports tens, hundreds and so on alone.
    """
    half = abs(high - low) / 2
    if half == 0:
        return 3
    exponent = math.floor(math.log10(half))
    return min(-exponent + int(half / 10**exponent < 3), 6)


def estimate(
    value: float | None, low: float | None, high: float | None, signed: bool = False, percent: bool = False
) -> str:
    """A value with its interval, `0.412 (0.404 to 0.420)`, all to the decimals that the interval supports.

    A value that is no difference (not `signed`) keeps at least three significant digits; a difference that would read
    as 0 has one, and so its sign, where four decimals have it. `percent` multiplies by 100. Without an interval the
    value stands alone, to three significant digits; where nothing varied, as among models that are all right on every
    example, that is said: their interval would be of width 0, which nobody believes.
    """
    if not known(value):
        return NOTHING
    scale = 100 if percent else 1
    value = value * scale
    if not (known(low) and known(high)) or low == high:
        text = fixed(value, 1) if percent else number(value)
        text = f"+{text}" if signed and value > 0 else text
        return f"{text} (no spread)" if known(low) and known(high) else text
    low, high = low * scale, high * scale
    if (largest := max(abs(value), abs(low), abs(high))) >= LARGE:
        power = math.floor(math.log10(largest))
        value, low, high = (x / 10.0**power for x in (value, low, high))
        text = estimate(value, low, high, signed)
        return re.sub(r"[\d.]+", rf"\g<0>e{power}", text)  # none has commas: the largest is below 10
    places = decimals(low, high)
    if any(end and not round(end, places) for end in (low, high)):
        places += 1  # an end that is not 0 does not read as 0
    exponent = math.floor(math.log10(abs(value))) if value else 0
    if not signed and value:
        places = max(places, min(2 - exponent, 4))
    own = places
    if not round(value, places) and round(value, 4):
        own = min(-exponent, 4)  # a difference that is not 0 does not read as 0, and keeps its sign
    return f"{fixed(value, own, signed)} ({fixed(low, places, signed)} to {fixed(high, places, signed)})"


def difference(change: Mapping[str, Any], points: bool = False) -> str:
    """A change with its interval, `−0.021 (−0.031 to −0.010)`; a share in `points` of a hundred, and called so."""
    text = estimate(change["difference"], change["low"], change["high"], signed=True, percent=points)
    return text.replace(" (", " points (", 1) if points else text


def swapped(change: dict[str, Any]) -> dict[str, Any]:
    """The same comparison read from the other end: a change of error as a change of accuracy."""
    words = {"lower": "higher", "higher": "lower"}
    return change | {
        "difference": -change["difference"],
        "low": -change["high"],
        "high": -change["low"],
        "verdict": words.get(change["verdict"], change["verdict"]),
    }


def value_text(value: Any) -> str:
    """A value of an axis as short as it can be typed: `1e-5`, `0.01`, `0`, `true`, `0.3-0.5-0`."""
    if isinstance(value, list | tuple):
        return "-".join(map(shortest, value))
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return value.lower() if value in ("True", "False") else value
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value).lower()
    return shortest(value)


def listing(items: list[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join([", ".join(items[:-1]), items[-1]] if len(items) > 1 else items)


def count(n: int, noun: str) -> str:
    """`1 member`, `3 members`."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def spelled(value: Any) -> str:
    """A value as a person would write it in a sweep file."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return shortest(value)
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(spelled, value)) + "]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{bare(key)} = {spelled(item)}" for key, item in value.items()) + "}"
    return str(value)


def bare(key: str) -> str:
    """A key as a sweep file has it: in quotation marks where it needs some."""
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else f'"{key}"'


def printable(text: str) -> str:
    """Text of others on one line, without what would change how or where a terminal or a page shows it.

    Control characters, line ends, marks of direction and halves of characters become U+FFFD.
    """
    return "".join("\ufffd" if unicodedata.category(sign) in UNPRINTABLE else sign for sign in text)


def nearest(name: str, known: Iterable[str], alike: float = 0.6) -> str:
    """A question to append where a name is `alike` one that exists, by difflib's ratio, or nothing."""
    near = difflib.get_close_matches(name[:100], list(known), n=1, cutoff=alike)
    return f" Did you mean `{near[0]}`?" if near else ""


def separated(text: str) -> str:
    """What to append where a text that has no place is a number, as after `--l2 0 0.1`; or nothing."""
    return " Values are separated by commas, as in --l2 0,0.1." if re.fullmatch(r"[\d.,e+-]*\d[\d.,e+-]*", text) else ""


def brief(value: Any, most: int = 100) -> str:
    """What somebody gave, for a message: `spelled`, printable, and cut off after `most` characters."""
    try:
        text = spelled(value)
    except ValueError:  # Python does not spell numbers of more than 4,300 digits
        return "a number of thousands of digits"
    return printable(text if len(text) <= most else f"{text[:most]}\u2026")


def shortest(number: int | float) -> str:
    """The shortest decimal text that reads back as the same number, but plain from 1 to 1e5: 1e-3, 0.01, 0.3, 1000."""
    if isinstance(number, int) or not math.isfinite(number):
        return str(number)
    plain = repr(number).removesuffix(".0")
    sign, digits, exponent = Decimal(repr(number)).normalize().as_tuple()
    first, rest = digits[0], "".join(map(str, digits[1:]))
    scientific = f"{'-' * sign}{first}{'.' * bool(rest)}{rest}e{int(exponent) + len(rest)}"
    readable = "e" not in plain and 1 <= abs(number) < 1e5  # 1000 rather than 1e3
    return plain if readable or ("e" not in plain and len(plain) <= len(scientific)) else scientific


def duration(seconds: int | float) -> str:
    """A rough time, as in "about 40 s", "about 5 min", "about 1.5 h"."""
    if seconds < 90:
        return f"about {max(round(seconds, -1), 10):.0f} s"
    return f"about {seconds / 60:.0f} min" if seconds < 5400 else f"about {seconds / 3600:.1f} h"
