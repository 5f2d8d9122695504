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
from jaxtyping import Float, Shaped

from jaxreg import saved
from jaxreg.data.all_rows import with_all_rows
from jaxreg.data.dataset import Dataset, Label, Quantities
from jaxreg.data.encoding import Encoding
from jaxreg.engine import training
from jaxreg.engine.grouping import prepare
from jaxreg.engine.networks import Weights
from jaxreg.engine.progress import Progress, watched
from jaxreg.engine.trainer import Trainer
from jaxreg.engine.training import Hyperparameters, Learner
from jaxreg.errors import Failure, UserError
from jaxreg.exports import network_files
from jaxreg.formatting import brief, count, listing
from jaxreg.spec.members import Member
from jaxreg.spec.sweep import Cell, Sweep
from jaxreg.store.members import MemberResult

BATCH = 256  # rows predicted at once: always as many, so that a row's prediction does not hang on its company


@dataclass(frozen=True)
class Fitted:
    """Networks of one setting from several seeds; their probabilities, or the quantities they predict, are averaged.

    Inputs are as they were given for training: rows of a table with its columns, as a DataFrame or an array of them in
    order, or 8-bit pixels.
    """

    cell: Cell
    class_names: tuple[str, ...]
    members: tuple[Weights, ...]
    _learner: Learner
    _hyper: Hyperparameters
    encoding: Encoding | None = None  # of a table: how its columns become the inputs of the network
    about: Mapping[str, Any] = field(default_factory=dict)  # what was recommended, on which data, and `trained_on`
    quantities: Quantities | None = None  # what is predicted, where that are no classes
    labels: tuple[Label, ...] = ()  # what stands for each class where labels are given; () where its number

    def __repr__(self) -> str:
        return f"Fitted({self.cell.name!r}, {count(len(self.members), 'network')})"

    @property
    def classes_(self) -> Shaped[np.ndarray, " class"]:
        """The classes as the labels had them, which `predict` gives: texts, numbers or switches. Of images, numbers."""
        return np.array(self.labels if self.labels else range(len(self.class_names)))

    def predict_proba(self, inputs: Any) -> Float[np.ndarray, "row class"]:
        """The probability of each class, in the order of `classes_` and of `class_names`.

        Raises:
            UserError: rows have another number of features, or lack a column or a value; or quantities are predicted.
        """
        if self.quantities is not None:
            raise UserError(f"predict_proba: {listing([*self.quantities.names])} has no classes. Use predict.")
        return self._mean(self._seen(inputs))

    def predict(self, inputs: Any) -> Any:
        """The most probable class as labels had it, one of `classes_`, "row"; or what is predicted in its own units.

        Raises:
            UserError: as `predict_proba`.
        """
        made = self._mean(self._seen(inputs))
        if self.quantities is None:
            return self.classes_[made.argmax(1)]
        return made[:, 0] if made.shape[1] == 1 else made

    def score(self, inputs: Any, targets: Any) -> float:
        """The share of right answers; or R², the mean over quantities, which are in their own units.

        Raises:
            UserError: targets are neither of `classes_` nor names of classes; or as `predict_proba`.
        """
        if self.quantities is None:
            return float((self.predict_proba(inputs).argmax(1) == self._numbers(targets)).mean())
        wanted = np.asarray(targets, np.float64).reshape(len(targets), -1)
        missed = np.square(wanted - self.predict(inputs).reshape(wanted.shape)).sum(0)
        return float(np.mean(1 - missed / np.square(wanted - wanted.mean(0)).sum(0)))

    def _numbers(self, targets: Any) -> np.ndarray:
        """The places of classes, which may be given by their names too."""
        known: dict[Any, int] = {name: place for place, name in enumerate(self.class_names)}
        known |= {label: place for place, label in enumerate(self.classes_.tolist())}
        given = np.asarray(targets).reshape(-1).tolist()
        if strange := [one for one in given if one not in known]:
            some = ", ".join(map(str, self.classes_[:5])) + (", …" if len(self.classes_) > 5 else "")
            raise UserError(
                f"score: targets must be classes as labels had them, {some}, or names; got {brief(strange[0])}."
            )
        return np.array([known[one] for one in given])

    def _seen(self, inputs: Any) -> np.ndarray:
        """Rows as the network takes them."""
        return np.asarray(inputs) if self.encoding is None else self.encoding.rows(inputs)

    def _mean(self, inputs: np.ndarray) -> Float[np.ndarray, "row output"]:
        """Of all networks, of rows as these take them."""
        flat = inputs.reshape(len(inputs), int(np.prod(inputs.shape[1:])))
        expected = self._learner.inputs
        if flat.shape[1:] != expected:
            raise UserError(f"rows have {count(flat.shape[1], 'feature')}, expected {expected[0]}.")
        found = []
        for start in range(0, len(flat), BATCH):
            rows = flat[start : start + BATCH]
            padded = np.concatenate([rows, np.zeros((BATCH - len(rows), *expected), flat.dtype)])
            each = [_predicted(self._learner, self._hyper, one, padded) for one in self.members]
            each = [np.exp(one) if self.quantities is None else np.asarray(one) for one in each]
            found.append(np.stack(each).astype(np.float64).mean(0)[: len(rows)])
        made = np.concatenate(found) if found else np.zeros((0, self._learner.task.outputs))
        if self.quantities is not None:
            return made * np.array(self.quantities.spreads) + np.array(self.quantities.means)
        return made / made.sum(1, keepdims=True)

    @property
    def parts(self) -> saved.Parts:
        """All that it consists of."""
        how, about = (self._learner, self._hyper, self.encoding), (self.about, self.quantities)
        return saved.Parts(self.cell, self.class_names, self.members, *how, *about, self.labels)

    @property
    def probe(self) -> saved.Probe:
        """What it predicts for a few rows of no meaning, by which a copy of it is known."""
        rows = saved.rows_to_try(self._learner.inputs, self._hyper)
        return saved.Probe(rows, self._mean(rows))

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
        seen = training.scaled(learner, hyper, jnp.asarray(inputs))
        outputs, _ = training.network_of(learner, hyper).apply(weights, seen)
    return learner.task.predictions(outputs)


def fit(
    sweep: Sweep,
    dataset: Dataset,
    cell: Cell,
    ensemble: int = 5,
    block: int | None = None,
    devices: int | None = None,
    progress: Progress | bool | None = None,
) -> Fitted:
    """Trains a cell on all of the data, from so many seeds: without a test part that was given, which is to judge by.

    `Fitted.about` has how many rows each network was `trained_on`, and how many more early stopping `watched`.

    Raises:
        UserError: `ensemble` is not from 1 on, or the cell starts from another.
        Failure: a member diverged.
    """
    if type(ensemble) is not int or ensemble < 1:
        raise UserError(f"ensemble: must be a whole number from 1 on, got {brief(ensemble)}.")
    if cell.after is not None:
        raise UserError(f"{cell.name} starts from another cell, {cell.after}: fit that one by itself first.")
    dataset = with_all_rows(dataset)
    alone = sweep.model_copy(update={"cells": (cell,)})
    members = [Member(cell, "all", seed) for seed in range(ensemble)]
    ((group, data),) = prepare(members, alone, dataset).items()
    trainer = Trainer(alone, dataset, block, devices, watched(progress))
    found: dict[str, MemberResult] = {}
    for done in trainer.train(members, {}, {}):
        found |= {one.id: one for one in done if isinstance(one, MemberResult)}
    if lost := [name for name, one in found.items() if one.row["diverged_at"] is not None]:
        raise Failure(f"{lost[0]} diverged in training. A smaller learning rate may help.")
    weights = tuple(Weights(**found[member.id].weights) for member in members)
    own: dict[str, Any] = {"encoding": dataset.encoding, "quantities": dataset.quantities, "labels": dataset.labels}
    own["about"] = {"trained_on": data[0].rows.size, "watched": data[0].validation.size}
    return Fitted(cell, dataset.class_names, weights, group.learner, data[0].hyper, **own)
