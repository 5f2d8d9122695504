"""What is typed on a command line, as a sweep file would hold it. What makes no sense stays text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from jaxreg.axes import AXES
from jaxreg.errors import UserError


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
