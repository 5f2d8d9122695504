"""The axes that can be swept, and the cells that an expression such as `l1,l2` or `l1*l2` names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any

from jaxreg.errors import UserError
from jaxreg.formatting import shortest, spelled
from jaxreg.spec.checked import Place, unknown
from jaxreg.spec.settings import EarlyStopping, Settings

# Of each axis: what it is, for --help. The order is that of cell names and of columns.
AXES = {
    "l1": "strength of L1 on the hidden kernels",
    "l2": "strength of L2 on the hidden kernels",
    "dropout": "rate after each hidden layer, or one a layer",
    "batch_norm": "batch normalisation after each hidden ReLU",
    "depth": "number of hidden layers: the first widths of the recipe, the last one repeated",
    "scaling": "inputs 0..255 as they are (raw), / 255 (unit), or standardised (standard)",
    "early_stopping": "patience in epochs, or off",
    "label_noise": "share of training labels made wrong",
    "pixel_noise": "share of the pixels of each training image replaced",
}
OFF = {
    "l1": 0.0,
    "l2": 0.0,
    "dropout": 0.0,
    "batch_norm": False,
    "early_stopping": "off",
    "label_noise": 0.0,
    "pixel_noise": 0.0,
}
DEFAULTS: Mapping[str, Sequence[Any]] = {
    "l1": (0.0, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2),
    "l2": (0.0, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1),
    "dropout": (0.0, 0.1, 0.2, 0.3, 0.5, (0.3, 0.5, 0.0)),  # the last is the notebook's
    "batch_norm": (False, True),
    "depth": (2, 3, 5, 10),
    "scaling": ("raw", "unit", "standard"),
    "early_stopping": ("off", 1, 3, 5),
    "label_noise": (0.0, 0.1, 0.2, 0.4),
    "pixel_noise": (0.0, 0.1, 0.2, 0.4),
}

Terms = tuple[tuple[str, ...], ...]


def parse(expression: str, place: str) -> Terms:
    """The axes of each term: `l1,dropout*depth` is (("l1",), ("dropout", "depth"))."""
    terms = tuple(tuple(axis.strip() for axis in term.split("*")) for term in expression.split(","))
    for axes in terms:
        for axis in axes:
            if axis not in AXES:
                wrong = unknown("axis", axis, AXES) if axis else f"an axis is missing in `{expression}`."
                raise UserError(f"{place}: {wrong}\n  Example: --grid l1,l2 --l1 0,1e-5,1e-4")
        if len(set(axes)) < len(axes):
            raise UserError(f"{place}: `{'*'.join(axes)}` names an axis twice. Name each once.")
    return terms


def plain(value: Any) -> Any:
    """A value as JSON and TOML would give it back."""
    return list(value) if isinstance(value, tuple) else value


def default_values(axis: str, recipe: Settings, terms: Terms) -> list[Any]:
    """The values of an axis to which none were given."""
    values = [plain(value) for value in DEFAULTS[axis]]
    layers = len(recipe.hidden)
    if axis == "depth" and layers not in values:
        values = sorted([*values, layers])
    if axis == "dropout" and (layers != 3 or any({"dropout", "depth"} <= set(term) for term in terms)):
        values = [rate for rate in values if not isinstance(rate, list)]  # its three rates need three layers
    return values


def at(recipe: Settings, point: Mapping[str, Any], place: Place) -> Settings:
    """The recipe moved to a point `{axis: value}`; `place` says where the values of an axis stand."""
    changes: dict[str, Any] = {}
    for axis, value in point.items():
        if axis == "depth":
            if type(value) is not int or value < 1:
                raise UserError(f"{place(axis)}: must be a whole number of at least 1, got {spelled(value)}.")
            changes["hidden"] = (recipe.hidden + recipe.hidden[-1:] * value)[:value]
        elif axis == "early_stopping" and type(value) is int:
            usual = recipe.early_stopping or EarlyStopping()
            changes[axis] = {**dict(usual), "patience": value}
        else:
            changes[axis] = value

    def axis_place(field: str) -> str:
        return place(field.split(".")[0]) if field else ", ".join(map(place, point))

    return Settings.read({**dict(recipe), **changes}, axis_place)


def value_of(settings: Settings, axis: str) -> int | float | bool | str:
    """Where settings lie on an axis, as one plain value: a number, true or false, or a short text."""
    if axis == "depth":
        return len(settings.hidden)
    if axis == "dropout" and isinstance(settings.dropout, tuple):
        return "-".join(map(shortest, settings.dropout))
    if axis == "early_stopping":
        rule = settings.early_stopping
        return "off" if rule is None else f"{rule.patience}{'-best' * rule.restore_best_weights}"
    value: int | float | bool | str = getattr(settings, axis)
    return value


def label(value: int | float | bool | str) -> str:
    """A value of an axis as it stands in the name of a cell."""
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, str) else shortest(value)


def cell_name(settings: Settings, recipe: Settings) -> str:
    """Every axis that is not off, as in "l1=1e-5,depth=5"; "plain" where all are.

    Depth and scaling are always something: they are named where they differ from the recipe.
    """
    parts = []
    for axis in AXES:
        value = value_of(settings, axis)
        if value != OFF.get(axis, value_of(recipe, axis)):
            parts.append(f"{axis}={label(value)}")
    return ",".join(parts) or "plain"


def points(terms: Terms, values: Mapping[str, Sequence[Any]]) -> Iterator[dict[str, Any]]:
    """The union of the terms, each the product of its axes; a point may come more than once."""
    for axes in terms:
        for point in product(*(values[axis] for axis in axes)):
            yield dict(zip(axes, point, strict=True))
