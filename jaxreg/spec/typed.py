"""What is typed on a command line, as a sweep file would hold it. What makes no sense stays text."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from jaxreg.axes import AXES
from jaxreg.errors import UserError
from jaxreg.formatting import brief
from jaxreg.spec.limits import whole


def token(text: str) -> Any:
    """A number, true or false, a list such as 0.3-0.5-0 (a rate for each layer), or a text."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    rates = re.split(r"(?<!e)-", text)
    numbers = [token(part) for part in rates] if len(rates) > 1 and all(rates) else []
    return numbers if numbers and all(isinstance(number, int | float) for number in numbers) else text


def tokens(text: str) -> list[Any]:
    """A list of them, joined by commas."""
    return [token(part.strip()) for part in text.split(",")] if text.strip() else []


def widths(text: str) -> list[Any]:
    """Those of layers: 64,32 or, as they are shown, 64-32."""
    return [width for one in tokens(text) for width in (one if isinstance(one, list) else [one])]


def grid_and_values(text: str) -> tuple[str, dict[str, list[Any]]]:
    """A grid in which axes may have their values, as in l1*train_examples=1000,3000: without them, and these by axis.

    What follows a value after a comma is another value, unless it is an axis.
    """
    terms: list[list[str]] = []
    values: dict[str, list[Any]] = {}
    begun = ""  # the axis whose values may go on
    for part in text.split(","):
        first, *others = (factor.strip() for factor in part.split("*"))
        factors = [first, *others]
        if begun and "=" not in first and first not in AXES:
            values[begun].append(token(first))
            factors = others
        else:
            terms.append([])
        for factor in factors:
            axis, given, value = (piece.strip() for piece in factor.partition("="))
            terms[-1].append(axis)
            begun = axis if given else ""
            if given:
                values.setdefault(axis, []).append(token(value))
    return ",".join("*".join(term) for term in terms), values


def with_values_of_grid(flags: Mapping[str, Any], mark: str) -> dict[str, Any]:
    """The flags, with the values that stand in the grid as those of their axes."""
    if not isinstance(flags.get("grid"), str):
        return dict(flags)
    grid, values = grid_and_values(flags["grid"])
    for axis in values:
        if axis in flags:
            raise UserError(f"{mark}grid: gives values of {axis}, which are given beside it too. Give them once.")
    return {**flags, **{axis: given for axis, given in values.items() if axis in AXES}, "grid": grid}


def axes_named(expression: Any) -> set[str]:
    """The names that stand in a grid, axes or not."""
    return {axis.strip() for axis in re.split(r"[,*]", str(expression))}


def gain(text: str | None) -> float:
    """--difference; 0 where nothing is given."""
    least = 0.0 if text is None else token(text)
    if type(least) not in (int, float) or not 0 <= least < 1e6:
        raise UserError(f"--difference: must be a number such as 0.01, of nats or of labels, got {brief(least)}.")
    return float(least)


def budget(text: str | None) -> float:
    """--budget in seconds; no limit where nothing is given."""
    found = re.fullmatch(r"(?:(\d{1,5})h)?(?:(\d{1,5})m)?(?:(\d{1,5})s)?", text or "")
    if text is not None and (found is None or not text):
        raise UserError(f"--budget: must be a time such as 10m, 90s or 1h30m, got {brief(text)}.")
    hours, minutes, seconds = (float(one or 0) for one in found.groups()) if found and text else (0.0, 0.0, math.inf)
    return 3600 * hours + 60 * minutes + seconds


def counted(name: str, text: str | None, most: int) -> int | None:
    """The value of a flag that is a whole number from 1 to `most`; None where it is not given."""
    number = None if text is None else token(text)
    if number is not None and (type(number) is not int or not 1 <= number <= most):
        raise UserError(f"--{name}: must be {whole(1, most)}, got {brief(number)}.")
    return number


def with_negatives(arguments: list[str]) -> list[str]:
    """Joins a flag to a value that starts with a minus, which argparse would take for a flag."""
    joined: list[str] = []
    for text in arguments:
        if re.match(r"-([\d.]|inf|nan)", text) and joined and re.fullmatch(r"--[\w-]+", joined[-1]):
            joined[-1] += f"={text}"
        else:
            joined.append(text)
    return joined
