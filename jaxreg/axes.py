"""The one table of axes: everything that is known of what can be swept stands in its row, and nowhere else.

Help, flags, names of cells, columns of tables, figures, choices and the README's table are derived from it. A row that
leaves a fact out can't be imported; an axis whose field the settings lack can't either (`jaxreg.spec.settings`).

Beside them, a field of somebody's own network is an axis: `network.width`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

RECIPE = "as in the recipe"  # the `off` of an axis that is always something
NO_LIMIT = ("off", "all", "nan", "None")  # as tables of all versions have it


@dataclass(frozen=True, kw_only=True)
class Axis:
    """One thing that can be swept."""

    name: str  # of its flag, column and key under [axes]
    field: str  # of the settings that it moves
    help: str  # what it is, for --help and the README
    title: str  # along an axis of a figure
    short: str  # in sentences, legends and tables
    values: tuple[Any, ...]  # swept where none are given; without any they have to be
    off: Any  # the value that changes nothing, or RECIPE
    scale: Literal["linear", "log"] | None  # how a figure spaces its values; None: they stand side by side
    number: Callable[[Any], float]  # the number that orders a value; infinite: no limit
    stronger: Literal[-1, 0, 1]  # regularises more: the larger number (1), the smaller (-1); neither is ordered (0)
    falls: bool  # stands beside the mean loss, as a prior would: its best strength falls with more examples
    condition: bool  # a condition of the data, under which one chooses, and never a choice itself
    traced: bool  # a new value is not a new program, unless it switches something on that costs time

    def strength(self, value: Any) -> float:
        """How much a value regularises, to be compared with others of the same axis; nan where it has no order."""
        return self.stronger * self.number(value) if self.stronger else math.nan

    def neutral(self, value: Any) -> bool:
        """Whether a value, as settings or a table have it, is the one that changes nothing."""
        if self.off is RECIPE:
            return False
        text = str(value).lower()
        if text in (str(self.off).lower(), "nan"):
            return True
        try:
            return isinstance(self.off, float) and float(text) == self.off
        except ValueError:  # several rates
            return False


def _mean(value: Any) -> float:
    """The mean of one value a layer, as a list or as text: 0.3-0.5-0."""
    values = re.split("(?<!e)-", str(value)) if not isinstance(value, list | tuple) else value
    return sum(map(float, values)) / len(values)


def _limit(value: Any) -> float:
    """A limit (a patience, perhaps with what is done at its end: 3-best), infinite where there is none."""
    return math.inf if str(value) in NO_LIMIT else float(str(value).split("-")[0])


def _number_or_nothing(value: Any) -> float:
    """The number of what is one; names and lists have no order."""
    try:
        return float(value)
    except ValueError:
        return math.nan


def _switch(value: Any) -> float:
    return float(str(value).lower() == "true")


def _nothing(value: Any) -> float:
    """Of what has no order."""
    return math.nan


_TABLE = (
    Axis(
        name="l1",
        field="l1",
        help="strength of L1 on the hidden kernels",
        title="L1 strength",
        short="L1",
        values=(0.0, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2),
        off=0.0,
        scale="log",
        number=float,
        stronger=1,
        falls=True,
        condition=False,
        traced=True,
    ),
    Axis(
        name="l2",
        field="l2",
        help="strength of L2 on the hidden kernels",
        title="L2 strength",
        short="L2",
        values=(0.0, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1),
        off=0.0,
        scale="log",
        number=float,
        stronger=1,
        falls=True,
        condition=False,
        traced=True,
    ),
    Axis(
        name="l1_exact",
        field="l1_exact",
        help="strength of L1 by soft thresholding after each step, which gives exact zeros",
        title="Exact L1 strength",
        short="Exact L1",
        values=(0.0, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2),
        off=0.0,
        scale="log",
        number=float,
        stronger=1,
        falls=True,
        condition=False,
        traced=True,
    ),
    Axis(
        name="weight_decay",
        field="weight_decay",
        help="decoupled weight decay (AdamW) of the hidden kernels, times the learning rate",
        title="Weight decay",
        short="Weight decay",
        values=(0.0, 1e-3, 1e-2, 0.1, 1.0),
        off=0.0,
        scale="log",
        number=float,
        stronger=1,
        falls=True,
        condition=False,
        traced=True,
    ),
    Axis(
        name="max_norm",
        field="max_norm",
        help="largest norm of the weights into a hidden unit, or off",
        title="Largest norm of the weights into a unit",
        short="Max-norm",
        values=("off", 4.0, 3.0, 2.0, 1.0),
        off="off",
        scale="log",
        number=_limit,
        stronger=-1,
        falls=False,
        condition=False,
        traced=True,
    ),
    Axis(
        name="dropout",
        field="dropout",
        help="rate after each hidden layer, or one a layer",
        title="Dropout rate",
        short="Dropout rate",
        values=(0.0, 0.1, 0.2, 0.3, 0.5, (0.3, 0.5, 0.0)),  # the last is the notebook's
        off=0.0,
        scale="linear",
        number=_mean,
        stronger=1,
        falls=False,
        condition=False,
        traced=True,
    ),
    Axis(
        name="input_noise",
        field="input_noise",
        help="standard deviation of Gaussian noise on the scaled inputs, in training only",
        title="Noise on the inputs, standard deviation",
        short="Input noise",
        values=(0.0, 0.05, 0.1, 0.2, 0.4),
        off=0.0,
        scale="linear",
        number=float,
        stronger=1,
        falls=False,
        condition=False,
        traced=True,
    ),
    Axis(
        name="label_smoothing",
        field="label_smoothing",
        help="share of each training label spread evenly over all classes",
        title="Label smoothing",
        short="Label smoothing",
        values=(0.0, 0.05, 0.1, 0.2),
        off=0.0,
        scale="linear",
        number=float,
        stronger=1,
        falls=False,
        condition=False,
        traced=True,
    ),
    Axis(
        name="batch_norm",
        field="batch_norm",
        help="batch normalisation after each hidden ReLU",
        title="Batch normalisation",
        short="Batch normalisation",
        values=(False, True),
        off=False,
        scale=None,
        number=_switch,
        stronger=1,
        falls=False,
        condition=False,
        traced=False,
    ),
    Axis(
        name="width",
        field="width",
        help="factor on the widths of the recipe, or a width for each layer",
        title="Width, as a factor on the recipe",
        short="Width",
        values=(0.125, 0.25, 0.5, 1.0, 2.0),
        off=RECIPE,
        scale="log",
        number=_mean,
        stronger=-1,
        falls=False,
        condition=False,
        traced=False,
    ),
    Axis(
        name="depth",
        field="hidden",
        help="number of hidden layers: the first widths of the recipe, the last one repeated",
        title="Hidden layers",
        short="Hidden layers",
        values=(2, 3, 5, 10),
        off=RECIPE,
        scale=None,
        number=float,
        stronger=-1,
        falls=False,
        condition=False,
        traced=False,
    ),
    Axis(
        name="network",
        field="network",
        help="networks, each a program of its own: mlp (hidden layers), MODULE:NAME (a Flax module, or what makes one)",
        title="Network",
        short="Network",
        values=(),  # have to be given
        off=RECIPE,
        scale=None,
        number=_nothing,
        stronger=0,
        falls=False,
        condition=False,
        traced=False,
    ),
    Axis(
        name="learning_rate",
        field="learning_rate",
        help="learning rate of the optimizer",
        title="Learning rate",
        short="Learning rate",
        values=(1e-4, 3e-4, 1e-3, 3e-3, 1e-2),
        off=RECIPE,
        scale="log",
        number=float,
        stronger=0,
        falls=False,
        condition=False,
        traced=True,
    ),
    Axis(
        name="batch_size",
        field="batch_size",
        help="training examples a step",
        title="Batch size",
        short="Batch size",
        values=(16, 32, 64, 128, 256),
        off=RECIPE,
        scale="log",
        number=float,
        stronger=0,
        falls=False,
        condition=False,
        traced=False,
    ),
    Axis(
        name="scaling",
        field="scaling",
        help="inputs 0..255 as they are (raw), / 255 (unit), or standardised (standard)",
        title="Input scaling",
        short="Input scaling",
        values=("raw", "unit", "standard"),
        off=RECIPE,
        scale=None,
        number=_nothing,
        stronger=0,
        falls=False,
        condition=False,
        traced=True,
    ),
    Axis(
        name="early_stopping",
        field="early_stopping",
        help="patience in epochs, or off",
        title="Early stopping, patience",
        short="Patience",
        values=("off", 1, 3, 5),
        off="off",
        scale=None,
        number=_limit,
        stronger=-1,
        falls=False,
        condition=False,
        traced=False,
    ),
    Axis(
        name="averaged_epochs",
        field="averaged_epochs",
        help="weights averaged over the ends of so many last epochs; 1: none",
        title="Epochs whose weights are averaged",
        short="Averaged epochs",
        values=(1, 3, 5),
        off=1,
        scale="linear",
        number=float,
        stronger=1,
        falls=False,
        condition=False,
        traced=True,
    ),
    Axis(
        name="label_noise",
        field="label_noise",
        help="share of training labels made wrong",
        title="Share of wrong training labels",
        short="Wrong labels",
        values=(0.0, 0.1, 0.2, 0.4),
        off=0.0,
        scale="linear",
        number=float,
        stronger=0,
        falls=False,
        condition=True,
        traced=False,
    ),
    Axis(
        name="pixel_noise",
        field="pixel_noise",
        help="share of the pixels of each training image replaced",
        title="Share of corrupted training pixels",
        short="Corrupted pixels",
        values=(0.0, 0.1, 0.2, 0.4),
        off=0.0,
        scale="linear",
        number=float,
        stronger=0,
        falls=False,
        condition=True,
        traced=False,
    ),
    Axis(
        name="train_examples",
        field="train_examples",
        help="examples of its split that a member trains on, in as many steps as on all of them",
        title="Training examples",
        short="Training examples",
        values=(1500, 3000, 6000, "all"),
        off="all",
        scale="log",
        number=_limit,
        stronger=0,
        falls=False,
        condition=True,
        traced=True,
    ),
)

OF_NETWORK = "network."
"""Before the name of a field of somebody's own network, which makes it an axis."""


def field_of(axis: str) -> str | None:
    """The field of somebody's own network that an axis moves, as of `network.width`; None of other axes."""
    field = axis.removeprefix(OF_NETWORK)
    return field if field != axis and field.isidentifier() else None


def varies_network(axis: str) -> bool:
    """Whether networks along an axis are not one network: between two of them nothing is "no regularisation"."""
    return axis == "network" or field_of(axis) is not None


class _Axes(Mapping[str, Axis]):
    """The axes of the table, and, where one is asked for, a row for each field of a network."""

    def __init__(self) -> None:
        self._named = {axis.name: axis for axis in _TABLE}

    def __getitem__(self, name: str) -> Axis:
        field = None if name in self._named else field_of(name)
        return self._named[name] if field is None else _of_field(name, field)

    def __iter__(self) -> Iterator[str]:
        return iter(self._named)

    def __len__(self) -> int:
        return len(self._named)


def _of_field(name: str, field: str) -> Axis:
    """Nothing is known of it but its name: neither in what order it regularises nor its usual values."""
    return Axis(
        name=name,
        field="fields",
        help=f"the field {field} of a network of one's own",
        title=f"{field} of the network",
        short=name,
        values=(),
        off=RECIPE,
        scale="linear",
        number=_number_or_nothing,
        stronger=0,
        falls=False,
        condition=False,
        traced=False,
    )


AXES: Mapping[str, Axis] = _Axes()
"""Every axis by name, in the order of cell names and of columns."""

STRENGTHS: tuple[str, ...] = tuple(name for name, axis in AXES.items() if axis.scale == "log" and axis.off == 0.0)
"""The axes that are strengths: 0 is none, and values are spaced by their logarithm."""

CONDITIONS: tuple[str, ...] = tuple(axis.name for axis in _TABLE if axis.condition)

assert len(AXES) == len(_TABLE), "axes have unique names"


OURS = "mlp"
"""The network that jaxreg makes of hidden layers, among others on their axis."""

OF_OURS = ("width", "depth", "dropout", "batch_norm")
"""Axes of the MLPs that jaxreg makes; a network of somebody's own decides by itself."""


def present(columns: Iterable[Any]) -> list[str]:
    """The axes among the columns of a table, in their own order: a run of an earlier version has fewer."""
    there = list(columns)
    return [*(name for name in AXES if name in there), *(name for name in there if field_of(str(name)))]


def reference(cells: Mapping[str, Mapping[Any, Any]]) -> str | None:
    """The cell that the others are compared with: the one called plain, else the one with the most axes off.

    `cells` has a mapping from axes to values for each cell, by name; of equals the one with the most training examples
    is taken, then the first.
    """
    if "plain" in cells or not cells:
        return "plain" if cells else None

    def rank(cell: str) -> tuple[int, float]:
        values = {axis: value for axis, value in cells[cell].items() if axis in AXES}
        examples = AXES["train_examples"].number(values.pop("train_examples", "all"))
        return sum(AXES[axis].neutral(value) for axis, value in values.items()), examples

    return max(cells, key=rank)


def unregularised(cell: Mapping[Any, Any]) -> bool:
    """Whether nothing that regularises is on, among the axes that a mapping to values names."""
    return all(
        axis.neutral(cell[name])
        for name, axis in AXES.items()
        if name in cell and axis.off is not RECIPE and not axis.condition
    )
