"""The recommended setting, trained on all of the data: an ensemble that predicts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Integer

from jaxreg import saved
from jaxreg.data.dataset import Dataset
from jaxreg.data.encoding import Encoding
from jaxreg.engine import training
from jaxreg.engine.grouping import prepare
from jaxreg.engine.networks import Weights
from jaxreg.engine.progress import Progress, Silent
from jaxreg.engine.trainer import Trainer
from jaxreg.engine.training import Hyperparameters, Learner
from jaxreg.errors import Failure, UserError
from jaxreg.exports import network_files
from jaxreg.formatting import brief
from jaxreg.spec.members import Member
from jaxreg.spec.sweep import Cell, Sweep
from jaxreg.store.members import MemberResult

BATCH = 256  # rows predicted at once: always as many, so that a row's prediction does not hang on its company


@dataclass(frozen=True)
class Fitted:
    """Networks of one setting from several seeds; their probabilities are averaged.

    Inputs are as they were given for training: rows of a table with its columns, as a DataFrame or an array of them in
    order, or 8-bit pixels.
    """

    cell: Cell
    class_names: tuple[str, ...]
    members: tuple[Weights, ...]
    _learner: Learner
    _hyper: Hyperparameters
    encoding: Encoding | None = None  # of a table: how its columns become the inputs of the network
    about: Mapping[str, Any] = field(default_factory=dict)  # what was recommended, and on which data

    def predict_proba(self, inputs: Any) -> Float[np.ndarray, "row class"]:
        """The probability of each class, in the order of `class_names`.

        Raises:
            UserError: rows have another number of features, or lack a column or a value.
        """
        return self._probabilities(inputs if self.encoding is None else self.encoding.rows(inputs))

    def _probabilities(self, inputs: Any) -> Float[np.ndarray, "row class"]:
        """Of rows as the network takes them."""
        inputs = np.asarray(inputs)
        flat = inputs.reshape(len(inputs), int(np.prod(inputs.shape[1:])))
        expected = self._learner.inputs
        if flat.shape[1:] != expected:
            raise UserError(f"rows have {flat.shape[1]} features, expected {expected[0]}.")
        found = []
        for start in range(0, len(flat), BATCH):
            rows = flat[start : start + BATCH]
            padded = np.concatenate([rows, np.zeros((BATCH - len(rows), *expected), flat.dtype)])
            each = [np.exp(_predicted(self._learner, self._hyper, one, padded)) for one in self.members]
            found.append(np.stack(each).astype(np.float64).mean(0)[: len(rows)])
        made = np.concatenate(found) if found else np.zeros((0, len(self.class_names)))
        return made / made.sum(1, keepdims=True)

    def predict(self, inputs: Any) -> Integer[np.ndarray, " row"]:
        """The number of the most probable class."""
        return self.predict_proba(inputs).argmax(1)

    def score(self, inputs: Any, targets: Integer[np.ndarray, " row"]) -> float:
        """The share of right answers."""
        return float((self.predict(inputs) == np.asarray(targets)).mean())

    @property
    def parts(self) -> saved.Parts:
        """All that it consists of."""
        return saved.Parts(
            self.cell, self.class_names, self.members, self._learner, self._hyper, self.encoding, self.about
        )

    @property
    def probe(self) -> saved.Probe:
        """What it predicts for a few rows of no meaning, by which a copy of it is known."""
        rows = saved.rows_to_try(self._learner.inputs, self._hyper)
        return saved.Probe(rows, self._probabilities(rows))

    def save(self, path: str | Path) -> Path:
        """Writes it to a .safetensors file, without pickle; `jaxreg.load` gives it back, bit for bit.

        Raises:
            UserError: the file can't be written.
        """
        return saved.write(Path(path), self.parts, self.probe)

    def export(self, path: str | Path) -> Path:
        """Writes it for others: .keras, a model from rows as they are to probabilities, or .npz, arrays by name.

        Raises:
            UserError: the format can't have this network, or the file can't be written.
        """
        return network_files.write(Path(path), self.parts)


@partial(jax.jit, static_argnums=0)
def _predicted(learner: Learner, hyper: Any, weights: Weights, inputs: Any) -> Any:
    with jax.default_matmul_precision("float32"):
        outputs, _ = learner.network.apply(weights, training.scaled(learner, hyper, jnp.asarray(inputs)))
    return learner.task.predictions(outputs)


def fit(
    sweep: Sweep,
    dataset: Dataset,
    cell: Cell,
    ensemble: int = 5,
    block: int | None = None,
    devices: int | None = None,
    progress: Progress | None = None,
) -> Fitted:
    """Trains a cell on the whole training set, from so many seeds.

    Raises:
        UserError: `ensemble` is not from 1 on, or the cell starts from another.
        Failure: a member diverged.
    """
    if type(ensemble) is not int or ensemble < 1:
        raise UserError(f"ensemble: must be a whole number from 1 on, got {brief(ensemble)}.")
    if cell.after is not None:
        raise UserError(f"{cell.name} starts from another cell, {cell.after}: fit that one by itself first.")
    alone = sweep.model_copy(update={"cells": (cell,)})
    members = [Member(cell, "all", seed) for seed in range(ensemble)]
    ((group, data),) = prepare(members, alone, dataset).items()
    trainer = Trainer(alone, dataset, block, devices, progress or Silent())
    found: dict[str, MemberResult] = {}
    for done in trainer.train(members, {}, {}):
        found |= {one.id: one for one in done if isinstance(one, MemberResult)}
    if lost := [name for name, one in found.items() if one.row["diverged_at"] is not None]:
        raise Failure(f"{lost[0]} diverged in training. A smaller learning rate may help.")
    weights = tuple(Weights(**found[member.id].weights) for member in members)
    return Fitted(cell, dataset.class_names, weights, group.learner, data[0].hyper, dataset.encoding)
