"""A data set in memory: what is trained on, what is tested on, and what is known of both."""

from __future__ import annotations

import hashlib
import json
from shlex import quote
from typing import Any, NamedTuple

import numpy as np

from jaxreg.errors import UserError
from jaxreg.formatting import listing
from jaxreg.measures import CLASSES, QUANTITIES, Measures


class Reading(NamedTuple):
    """Which column of a table is what, where it does not say itself."""

    label: str | None = None
    group: str | None = None  # rows with the same value stay on one side of every split
    drop: tuple[str, ...] = ()
    holdout: float = 0.25  # share of the rows that score, where there is no test table
    seed: int = 0  # of that share
    task: str | None = None  # "classification" or "regression", where it is not as it looks
    folds: bool | None = None  # whether all rows score, in a cross-validation; by default where there are few
    in_python: bool = False  # the data are arrays or DataFrames: messages name keywords, and not flags
    in_arrays: bool = False  # they are x and y: messages name these, and no column of a table

    def typed(self, option: str, *given: str) -> str:
        """What to type of these options: a flag, `--drop age,ward`, or in Python a keyword, `drop=["age", "ward"]`."""
        if not self.in_python:
            return " ".join([f"--{option}", *([quote(",".join(given))] if given else [])])
        values = ", ".join(json.dumps(one, ensure_ascii=False) for one in given)
        return f"{option}=[{values}]" if option == "drop" else f"{option}={values}"


AS_IT_SAYS = Reading()


class Part(NamedTuple):
    """Examples with their targets, on the host or on a device."""

    inputs: Any  # "example *feature", of any type: 8-bit images stay 8-bit on the device
    targets: Any  # "example", the number of the class; of quantities "example quantity" float32, standardised


class HeldOut(NamedTuple):
    """Rows of the one table that was given, which score and are not trained on."""

    rows: np.ndarray  # "test_example" their numbers, which rise; the training part is all others, in their order
    groups: np.ndarray | None = None  # "test_example" as those of the training part


Label = bool | int | float | str
"""What stands for a class where labels are given: a text, a number or a switch."""


class Quantities(NamedTuple):
    """What is predicted where that are no classes: a number each, standardised by the training part.

    In a cross-validation that is a common unit alone: members learn what their own rows standardise.
    """

    names: tuple[str, ...]
    means: tuple[float, ...]
    spreads: tuple[float, ...]  # standard deviations

    @property
    def unit(self) -> float:
        """What 1 of the standardised numbers is: of one quantity its spread; of several, which share no unit, 1."""
        return self.spreads[0] if len(self.spreads) == 1 else 1.0


class Signature(NamedTuple):
    """All of a data set that a plan or a program depends on: shapes and counts, never contents."""

    inputs: tuple[int, ...]  # shape of one example
    classes: int  # 0 where quantities are predicted
    train_examples: int
    test_examples: int
    quantities: int = 0

    @property
    def outputs(self) -> int:
        """Numbers that a network gives for one example."""
        return self.classes or self.quantities

    @property
    def features(self) -> int:
        """Numbers in one example."""
        return int(np.prod(self.inputs))


class Dataset(NamedTuple):
    """A training and a test part, with the names that people have for what is in them."""

    name: str
    train: Part
    test: Part
    class_names: tuple[str, ...]
    picture: tuple[int, ...] | None  # the shape in which an example is a picture; None where it is none
    digest: str  # SHA-256 over the bytes of the four arrays, in this order
    groups: np.ndarray | None = None  # "train_example" number of the group that stays on one side of every split
    examples_are: str = "images"
    inputs_are: str = "pixels"
    notes: tuple[str, ...] = ()  # how it was read
    quantities: Quantities | None = None  # what is predicted, where that are no classes
    folded: bool = False  # the test part is the training part: for a cross-validation
    encoding: Any = None  # `jaxreg.data.encoding.Encoding`, of a table: how its columns became the inputs
    labels: tuple[Label, ...] = ()  # what stands for each class in the labels as they were given; () where its number
    held_out: HeldOut | None = None  # which rows the test part is; None where a test part was given, or all rows score

    @property
    def measures(self) -> Measures:
        """By what its models are scored."""
        return CLASSES if self.quantities is None else QUANTITIES

    @property
    def unit(self) -> float:
        """What a difference of 1 between targets is."""
        return 1.0 if self.quantities is None else self.quantities.unit

    @property
    def quantity_units(self) -> tuple[tuple[str, float], ...]:
        """Of each quantity its name, and what a difference of 1 between its targets is."""
        if self.quantities is None:
            return ()
        return tuple(zip(self.quantities.names, self.quantities.spreads, strict=True))

    @property
    def test_variance(self) -> float:
        """Of quantities: the mean squared error of who knows their means in the test part and nothing else."""
        return self.unit**2 * float(np.var(self.test.targets, axis=0, dtype=np.float64).mean())

    @property
    def strata(self) -> np.ndarray:
        """What every part of the training rows should have its share of, "train_example": classes, or nothing."""
        return self._strata(self.train)

    @property
    def test_strata(self) -> np.ndarray:
        """The same of the test rows."""
        return self._strata(self.test)

    def _strata(self, part: Part) -> np.ndarray:
        return np.asarray(part.targets) if self.quantities is None else np.zeros(len(part.targets), np.uint8)

    @property
    def draws_watched(self) -> bool:
        """Whether early stopping watches random rows of those that are in file order: of a table, which may be sorted.

        Of images it watches the last ones, as Keras does; of groups whole ones, in random order.
        """
        return self.examples_are != "images" and self.groups is None

    @property
    def standardised(self) -> tuple[str, ...]:
        """What was standardised when it was read: inputs, but those of 8 bits, and targets that are quantities."""
        found = {"inputs": self.train.inputs.dtype != np.uint8, "targets": self.quantities is not None}
        return tuple(name for name, is_so in found.items() if is_so)

    @property
    def described(self) -> dict[str, Any]:
        """What run.json says of it beside name and digest."""
        words: dict[str, Any] = {"examples_are": self.examples_are, "inputs_are": self.inputs_are}
        if self.quantities is not None:
            words |= {"task": self.measures.task, "quantities": dict(self.quantity_units)}
            words["test_variance"] = self.test_variance
        words["test_examples"] = len(self.test.targets)
        if self.folded and self.standardised:
            words["standardised"] = listing([*self.standardised])  # by the rows that a member trains on
        return words | ({"notes": list(self.notes)} if self.notes else {})

    @property
    def signature(self) -> Signature:
        """Its shapes and counts."""
        return Signature(
            self.train.inputs.shape[1:],
            len(self.class_names),
            len(self.train.targets),
            len(self.test.targets),
            0 if self.quantities is None else len(self.quantities.names),
        )


def subset(dataset: Dataset, train_per_class: int, test_per_class: int) -> Dataset:
    """The first examples of each class, in file order: real data, small enough for a trial.

    Raises:
        UserError: a class has fewer examples than asked for.
    """
    rows = _first_of_each_class(dataset.train.targets, train_per_class, "training")
    train = Part(*(array[rows] for array in dataset.train))
    rows = _first_of_each_class(dataset.test.targets, test_per_class, "test")
    test = Part(*(array[rows] for array in dataset.test))
    name = f"{dataset.name} ({train_per_class} + {test_per_class} examples per class)"
    return dataset._replace(name=name, train=train, test=test, digest=digest(train, test), held_out=None)


def digest(*parts: Part) -> str:
    """SHA-256 over the bytes of the parts' arrays, one after the other, as hexadecimal digits."""
    total = hashlib.sha256()
    for array in (array for part in parts for array in part):
        total.update(np.ascontiguousarray(array).data)
    return total.hexdigest()


def _first_of_each_class(targets: np.ndarray, per_class: int, kind: str) -> np.ndarray:
    classes, counts = np.unique(targets, return_counts=True)
    if not 1 <= per_class <= counts.min():
        raise UserError(f"{per_class} {kind} examples per class were asked for; give 1 to {counts.min()}.")
    return np.sort(np.concatenate([np.flatnonzero(targets == name)[:per_class] for name in classes]))
