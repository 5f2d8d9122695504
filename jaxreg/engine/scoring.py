"""Scores of members: on test examples, the same for all of them, and on training examples of their own."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxreg.data.dataset import Dataset, Part
from jaxreg.engine import training
from jaxreg.engine.grouping import in_batches
from jaxreg.engine.optimizers import Optimizer
from jaxreg.engine.programs import Programs
from jaxreg.engine.sizes import evaluated_at_once
from jaxreg.engine.training import Evaluation, Hyperparameters, Learner


class RowsToScore(NamedTuple):
    """Some rows in batches that are padded to those of all: one program predicts few and many."""

    rows: Any  # "example" as many as the batches with any row hold, -1 where there is none
    batches: Any  # "step batch" the same, and batches of -1
    steps: Any  # "" int32, batches with any row


class PlacedData(NamedTuple):
    """A data set on the host and on the devices."""

    host: Dataset
    train: Part
    test: Part
    curve: np.ndarray  # "test_example" behind a point of a learning curve


def _to_score(rows: np.ndarray, most: int, size: int) -> RowsToScore:
    batches = in_batches(rows, size)
    padded = np.full((-(-most // size), size), -1, np.int32)
    padded[: len(batches)] = batches
    return RowsToScore(batches.reshape(-1), padded, np.int32(len(batches)))


def placed(dataset: Dataset, curve: np.ndarray, programs: Programs) -> PlacedData:
    """A data set put on the devices, with the rows of its test part that curves are drawn from."""
    # Copies, since arrays from files are read-only and JAX on a CPU would share their memory.
    train, test = programs.shared(jax.tree.map(np.array, (dataset.train, dataset.test)))
    return PlacedData(dataset, Part(*train), Part(*test), curve)


CPU_EXAMPLES = 4000
"""That a core predicts at once, all of its members together. Of 64 units each takes four times as long with 16,000, and
the 500 rows of a table's curve together 1.3 times as long with 8,000."""


def _scored(learner: Learner) -> Learner:
    """The learner without what only training makes use of: those that differ in that alone share programs."""
    return learner._replace(precision="float32", optimizer=Optimizer(), noisy=False)


class Scoring:
    """Predicts and scores members of one learner. In float32, whatever trained them: a score is of the weights."""

    def __init__(self, learner: Learner, data: PlacedData, programs: Programs):
        self.learner, self._data, self._programs = _scored(learner), data, programs
        inputs = math.prod(learner.inputs)
        self._size = evaluated_at_once(learner.network.units(inputs))
        if programs.mesh.devices.flat[0].platform == "cpu":
            self._size = min(self._size, max(1, CPU_EXAMPLES // programs.block))
        everything = np.arange(len(data.host.test.targets))
        self.curve, self.everything = (
            programs.shared(_to_score(rows, everything.size, self._size)) for rows in (data.curve, everything)
        )

    def place(self, rows: Sequence[np.ndarray], each: int, most: int) -> RowsToScore:
        """Rows of the training part, at most ``each`` for each member and padded to as many; batches like ``most``."""
        even = [np.pad(some, (0, each - some.size), constant_values=-1) for some in rows]
        asked = [_to_score(some, most, self._size) for some in even]
        place = self._programs.per_member
        own, batches = place(np.stack([one.rows for one in asked])), place(np.stack([one.batches for one in asked]))
        return RowsToScore(own, batches, self._programs.shared(asked[0].steps))

    def tested(
        self, hyper: Hyperparameters, weights: Any, asked: RowsToScore, own: RowsToScore | None, last: bool = False
    ) -> tuple[Any, Evaluation]:
        """Predictions and scores on rows of the test part, for all members the same: they are read once for a block.

        In a cross-validation each member is scored on its own rows, and predicts those asked for at the end alone.
        """
        call, of, rest = self._programs, (self.learner, hyper, weights), self._data.test
        predictions = None
        if own is None or last:
            predictions = call(training.predict, *of, shared=(asked.batches, asked.steps, rest))
        if own is not None:
            return predictions, self._own(hyper, weights, own, rest, seldom=last)
        return predictions, call(training.score, *of, predictions, shared=(asked.rows, rest), seldom=last)

    def fitted(self, hyper: Hyperparameters, weights: Any, asked: RowsToScore, seldom: bool = False) -> Evaluation:
        """Scores on each member's own rows of the training part."""
        return self._own(hyper, weights, asked, self._data.train, seldom)

    def _own(self, hyper: Hyperparameters, weights: Any, asked: RowsToScore, part: Part, seldom: bool) -> Evaluation:
        call, of = self._programs, (self.learner, hyper, weights)
        predictions = call(training.predict, *of, asked.batches, shared=(asked.steps, part), seldom=seldom)
        scores: Evaluation = call(training.score, *of, predictions, asked.rows, shared=(part,), seldom=seldom)
        return scores
