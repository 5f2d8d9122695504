"""A data set in memory: what is trained on, what is tested on, and what is known of both."""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple

import numpy as np

from jaxreg.errors import UserError


class Reading(NamedTuple):
    """Which column of a table is what, where it does not say itself."""

    label: str | None = None
    group: str | None = None  # rows with the same value stay on one side of every split
    drop: tuple[str, ...] = ()
    holdout: float = 0.25  # share of the rows that score, where there is no test table
    seed: int = 0  # of that share


AS_IT_SAYS = Reading()


class Part(NamedTuple):
    """Examples with their targets, on the host or on a device."""

    inputs: Any  # "example *feature", of any type: 8-bit images stay 8-bit on the device
    targets: Any  # "example", the number of the class


class Signature(NamedTuple):
    """All of a data set that a plan or a program depends on: shapes and counts, never contents."""

    inputs: tuple[int, ...]  # shape of one example
    classes: int
    train_examples: int
    test_examples: int

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

    @property
    def described(self) -> dict[str, Any]:
        """What run.json says of it beside name and digest."""
        words: dict[str, Any] = {"examples_are": self.examples_are, "inputs_are": self.inputs_are}
        words["test_examples"] = len(self.test.targets)
        return words | ({"notes": list(self.notes)} if self.notes else {})

    @property
    def signature(self) -> Signature:
        """Its shapes and counts."""
        return Signature(
            self.train.inputs.shape[1:], len(self.class_names), len(self.train.targets), len(self.test.targets)
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
    return dataset._replace(name=name, train=train, test=test, digest=digest(train, test))


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
