"""Predictions of all members, read in blocks of examples, and the terms of their losses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int

from jaxreg.measures import CLASSES, QUANTITIES, VOTES, Measures
from jaxreg.statistics import losses, squared, votes
from jaxreg.statistics.calibration import confidence
from jaxreg.statistics.decomposition import some
from jaxreg.statistics.sums import Design, Sums, sums_of
from jaxreg.statistics.temperature import Temperatures, temperatures
from jaxreg.statistics.units import Found

_BLOCK_BYTES = 64 * 2**20


@dataclass(frozen=True)
class CellMembers:
    """The counted members of a cell."""

    name: str
    rows: tuple[int, ...]  # of the predictions
    pairs: tuple[tuple[str, str], ...]  # (split, seed) of each
    deals: tuple[int, ...]  # of each
    diverged: int


@runtime_checkable
class Outputs(Protocol):
    """Log-probabilities [member, example, class] or quantities [member, example, quantity], which may be on disk.

    An array, or what reads as one: they are asked for by a list of members and a slice of examples,
    `outputs[rows, block]`, and for no more than some 64 MB at once.
    """

    @property
    def shape(self) -> tuple[int, ...]: ...

    def __getitem__(self, key: tuple[list[int], slice], /) -> np.ndarray: ...


def cut(examples: int, each: int) -> Iterator[slice]:
    """Blocks of examples that need `each` bytes, about 64 MB a block."""
    size = max(1, min(examples, _BLOCK_BYTES // each))
    for start in range(0, examples, size):
        yield slice(start, min(start + size, examples))


@runtime_checkable
class Predictions(Protocol):
    """What is scored, by the measures that there are for it."""

    measures: Measures

    @property
    def strata(self) -> np.ndarray:
        """The stratum of each example: halves of them have equal shares of each."""

    @property
    def examples(self) -> int:
        """How many are scored."""

    def blocks(self, cells: int, where: Design) -> Iterator[slice]:
        """Blocks of examples, such that the terms of so many cells stay near 64 MB."""

    def terms(self, cell: CellMembers, where: Design) -> Callable[[slice], Found]:
        """For a block of examples each of `measures.terms` of a cell's members, and its pseudo-values."""


def predictions_of(measures: Measures, outputs: Outputs, targets: np.ndarray, unit: float = 1.0) -> Predictions:
    """The predictions for a kind of target; a difference of 1 between quantities is one of `unit`."""
    return ClassPredictions(outputs, targets) if measures is CLASSES else QuantityPredictions(outputs, targets, unit)


class _Labelled:
    """Examples with a label, which is their stratum too."""

    labels: np.ndarray

    @property
    def strata(self) -> np.ndarray:
        return self.labels

    @property
    def examples(self) -> int:
        return len(self.labels)


class ClassPredictions(_Labelled):
    """Log-probabilities [member, example, class] and labels [example]."""

    measures = CLASSES

    def __init__(self, log_probabilities: Outputs, labels: np.ndarray) -> None:
        self.log_probabilities = log_probabilities
        self.labels = np.asarray(labels).astype(np.int64)
        self._temperatures: dict[tuple[int, ...], Temperatures] = {}

    def blocks(self, cells: int, where: Design) -> Iterator[slice]:
        _, examples, classes = self.log_probabilities.shape
        each = cells * len(self.measures.terms) * where.units + 8 * len(where.order) * classes
        return cut(examples, 8 * each)

    def temperatures(self, cell: CellMembers) -> Temperatures:
        """Those of a cell's members."""
        if cell.rows not in self._temperatures:
            models = (self.log_probabilities[[row], slice(None)][0] for row in cell.rows)
            self._temperatures[cell.rows] = temperatures(models, self.labels)
        return self._temperatures[cell.rows]

    def terms(self, cell: CellMembers, where: Design) -> Callable[[slice], Found]:
        found, (_, examples, classes) = self.temperatures(cell), self.log_probabilities.shape

        def read(block: slice) -> tuple[Sums, np.ndarray]:
            outputs, labels = self.log_probabilities[list(cell.rows), block], self.labels[block]
            return sums_of(outputs, "log_probabilities", where, labels, found.of(block)), labels

        sensitive = losses.sensitivity(map(read, some(examples, len(where.order), classes)), where)
        return lambda block: losses.terms(*read(block), where, sensitive)

    def confidences(self, cell: CellMembers, where: Design) -> list[Iterator[tuple[np.ndarray, np.ndarray]]]:
        """For each unit its members' `calibration.confidence`, to be read one member at a time."""
        return [
            (self._confidence(cell.rows[i]) for i in where.order[start : start + models])
            for start, models in zip(where.starts, where.models, strict=True)
        ]

    def _confidence(self, row: int) -> tuple[np.ndarray, np.ndarray]:
        _, examples, classes = self.log_probabilities.shape
        found = np.empty((2, examples))
        for block in cut(examples, 32 * classes):
            found[:, block] = confidence(self.log_probabilities[[row], block][0], self.labels[block])
        return found[0], found[1]

    def votes(self, cell: CellMembers, example: int) -> np.ndarray:
        """The class that each of a cell's members gives one example [member]."""
        return self.log_probabilities[list(cell.rows), slice(example, example + 1)][:, 0].argmax(-1)


class QuantityPredictions:
    """Quantities [member, example, quantity] and what they should be [example, quantity]."""

    measures = QUANTITIES

    def __init__(self, values: Outputs, targets: Float[np.ndarray, "example quantity"], unit: float = 1.0) -> None:
        self.values, self.unit = values, unit
        self.targets = np.asarray(targets, dtype=np.float64)
        self.means = self.targets.mean(0, keepdims=True)

    @property
    def strata(self) -> np.ndarray:
        return np.zeros(self.examples, dtype=np.int64)

    @property
    def examples(self) -> int:
        return len(self.targets)

    def blocks(self, cells: int, where: Design) -> Iterator[slice]:
        each = cells * len(self.measures.terms) * where.units + 4 * len(where.order) * self.targets.shape[1]
        return cut(self.examples, 8 * each)

    def terms(self, cell: CellMembers, where: Design) -> Callable[[slice], Found]:
        def found(block: slice) -> Found:
            values = np.asarray(self.values[list(cell.rows), block], dtype=np.float64)
            return squared.terms(self.unit * values, self.unit * self.targets[block], self.unit * self.means, where)

        return found


class VotePredictions(_Labelled):
    """The classes that models name [member, example], of so many, and labels [example]."""

    measures = VOTES

    def __init__(
        self, answers: Int[np.ndarray, "member example"], labels: Int[np.ndarray, " example"], classes: int
    ) -> None:
        self.answers, self.labels, self.classes = answers, labels, classes

    def blocks(self, cells: int, where: Design) -> Iterator[slice]:
        each = cells * len(self.measures.terms) * where.units + 4 * len(where.order) * self.classes
        return cut(self.examples, 8 * each)

    def terms(self, cell: CellMembers, where: Design) -> Callable[[slice], Found]:
        return lambda block: votes.terms(self.answers[list(cell.rows), block], self.labels[block], self.classes, where)
