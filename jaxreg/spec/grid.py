"""The cells that an expression such as `l1,l2` or `l1*l2` names, and where settings lie on each axis."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any

from jaxreg.axes import AXES, OF_NETWORK, RECIPE, field_of
from jaxreg.errors import UserError
from jaxreg.formatting import brief, value_text
from jaxreg.spec.checked import Place, unknown
from jaxreg.spec.limits import MOST_LAYERS, whole
from jaxreg.spec.rules import EarlyStopping
from jaxreg.spec.settings import Settings

NOT_GIVEN = "usual"
"""The value of a field, where one network is given that field and another is not."""

Terms = tuple[tuple[str, ...], ...]


def parse(expression: str, place: str) -> Terms:
    """The axes of each term: `l1,dropout*depth` is (("l1",), ("dropout", "depth"))."""
    terms = tuple(tuple(axis.strip() for axis in term.split("*")) for term in expression.split(","))
    for axes in terms:
        for axis in axes:
            if axis not in AXES:
                wrong = unknown("axis", axis, AXES) if axis else f"an axis is missing in {brief(expression)}."
                raise UserError(f"{place}: {wrong}\n  Example: --grid l1,l2 --l1 0,1e-5,1e-4")
        if len(set(axes)) < len(axes):
            raise UserError(f"{place}: `{'*'.join(axes)[:100]}` names an axis twice. Name each once.")
    return terms


def plain(value: Any) -> Any:
    """A value as JSON and TOML would give it back."""
    return list(value) if isinstance(value, tuple) else value


def default_values(axis: str, recipe: Settings, terms: Terms) -> list[Any]:
    """The values of an axis to which none were given."""
    row, layers = AXES[axis], len(recipe.hidden)
    crossed = any({axis, "depth"} <= set(term) for term in terms)
    # A value for each layer needs as many layers as it has values.
    values = [
        plain(value) for value in row.values if not isinstance(value, tuple) or (len(value) == layers and not crossed)
    ]
    own = value_of(recipe, axis)
    if row.off is RECIPE and own not in values:
        values = sorted([*values, own], key=row.number)
    return values


def at(recipe: Settings, point: Mapping[str, Any], place: Place) -> Settings:
    """The recipe moved to a point `{axis: value}`; `place` says where the values of an axis stand."""
    changes: dict[str, Any] = {}
    for axis, value in point.items():
        if field := field_of(axis):
            changes["fields"] = {**changes.get("fields", recipe.fields), field: value}
        elif axis == "depth":
            if type(value) is not int or not 1 <= value <= MOST_LAYERS:
                raise UserError(f"{place(axis)}: must be {whole(1, MOST_LAYERS)}, got {brief(value)}.")
            changes["hidden"] = (recipe.hidden + recipe.hidden[-1:] * value)[:value]
        elif axis == "early_stopping" and type(value) is int:
            usual = recipe.early_stopping or EarlyStopping()
            changes[axis] = {**dict(usual), "patience": value}
        else:
            changes[axis] = value

    def axis_place(field: str) -> str:
        name, _, rest = field.partition(".")
        return place(OF_NETWORK + rest if name == "fields" else name) if field else ", ".join(map(place, point))

    return Settings.read({**dict(recipe), **changes}, axis_place)


def axes_of(*settings: Settings) -> list[str]:
    """The axes on which any of these settings have a value: those of the table, and fields that networks are given."""
    return [*AXES, *dict.fromkeys(OF_NETWORK + field for one in settings for field in one.fields)]


def value_of(settings: Settings, axis: str) -> int | float | bool | str:
    """Where settings lie on an axis, as one plain value: a number, true or false, or a short text."""
    if axis == "depth":
        return len(settings.hidden)
    if axis == "network":
        return settings.network_name
    field = field_of(axis)
    value: Any = getattr(settings, AXES[axis].field) if field is None else settings.fields.get(field, NOT_GIVEN)
    if isinstance(value, tuple):
        return value_text(value)
    if axis == "early_stopping":
        rule = settings.early_stopping
        return "off" if rule is None else f"{rule.patience}{'-best' * rule.restore_best_weights}"
    return AXES[axis].off if value is None else value


def cell_name(settings: Settings, recipe: Settings) -> str:
    """Every axis that is not off, as in "l1=1e-5,depth=5"; "plain" where all are.

    Axes that are always something, such as depth, are named where they differ from the recipe.
    """
    parts = []
    for axis in axes_of(recipe, settings):
        value, off = value_of(settings, axis), AXES[axis].off
        if value != (value_of(recipe, axis) if off is RECIPE else off):
            parts.append(f"{axis}={value_text(value)}")
    return ",".join(parts) or "plain"


def size(terms: Terms, values: Mapping[str, Sequence[Any]]) -> int:
    """How many `points` there are, without making one."""
    return sum(math.prod(len(values[axis]) for axis in axes) for axes in terms)


def points(terms: Terms, values: Mapping[str, Sequence[Any]]) -> Iterator[dict[str, Any]]:
    """The union of the terms, each the product of its axes; a point may come more than once."""
    for axes in terms:
        for point in product(*(values[axis] for axis in axes)):
            yield dict(zip(axes, point, strict=True))
