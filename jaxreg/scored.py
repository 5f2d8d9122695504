"""Predictions of models trained elsewhere, of any kind: what they are, and how each model scores."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from jaxreg.data.dataset import Part, digest
from jaxreg.data.in_memory import target_names
from jaxreg.data.targets import one_hot
from jaxreg.errors import UserError
from jaxreg.formatting import count
from jaxreg.measures import QUANTITIES, VOTES
from jaxreg.statistics.predictions import ClassPredictions, Predictions, QuantityPredictions, VotePredictions
from jaxreg.store.given import Kind, as_classes, as_log_probabilities
from jaxreg.store.given_doubts import another_order, cut
from jaxreg.store.given_files import Anything
from jaxreg.store.given_quantities import are_quantities, as_quantities
from jaxreg.store.given_votes import are_votes, as_votes


class Scored(NamedTuple):
    """Somebody's predictions, and what is known of them."""

    predictions: Predictions
    columns: dict[str, list[float]]  # of members.csv
    digest: str
    classes: tuple[str, ...] | None
    quantity_units: tuple[tuple[str, float], ...]  # as `jaxreg.statistics.analysis.analyse` wants them
    about: dict[str, Any]  # what run.json says of the data besides


def scored(
    predictions: Any, targets: Any, classes: Iterable[Any] | None, kind: Anything | None, models: pd.DataFrame
) -> Scored:
    """All of it as `jaxreg.compare` takes it; `models` has a row for each, with its `member` and `cell`.

    Raises:
        UserError: predictions are not of the kind, or do not fit targets or models.
    """
    if kind != "quantities" and one_hot(targets):
        raise UserError(
            "targets: look one-hot, with a single 1 in each row. Give the classes themselves, targets.argmax(1); or, "
            "if these are quantities, kind='quantities'."
        )
    if kind == "quantities" or (kind is None and are_quantities(predictions, targets)):
        found = _of_quantities(predictions, targets, models["member"].to_list())
        values = np.unique(np.asarray(targets))
        if kind is None and (values == np.round(values)).all():
            other = "kind='votes', if they are classes"
            found.about["notes"] = [f"targets: quantities, of {len(values)} different whole numbers; {other}"]
        return found
    if kind == "votes" or (kind is None and are_votes(predictions)):
        return _of_votes(predictions, targets, classes, models)
    return _of_classes(predictions, targets, classes, kind, models)


def _of_classes(
    predictions: Any, targets: Any, classes: Iterable[Any] | None, kind: Kind | None, models: pd.DataFrame
) -> Scored:
    made = as_log_probabilities(predictions, kind, models["member"].to_list())
    labels, names = as_classes(targets, classes, made.shape[2])
    _check_sizes(len(made), made.shape[1], len(models), len(labels))
    columns = {
        "test_cross_entropy": [-float(one[np.arange(len(labels)), labels].mean()) for one in made.astype(float)],
        "test_accuracy": [float((one.argmax(-1) == labels).mean()) for one in made],
    }
    cells = models["cell"].to_list()
    doubts = {"another_order": another_order(cells, made.argmax(-1), labels, names), "cut": cut(cells, made, labels)}
    return Scored(ClassPredictions(made, labels), columns, digest(Part(made, labels)), names, (), doubts)


def _of_votes(predictions: Any, targets: Any, classes: Iterable[Any] | None, models: pd.DataFrame) -> Scored:
    answers, labels, names = as_votes(predictions, targets, classes, models["member"].to_list())
    _check_sizes(len(answers), answers.shape[1], len(models), len(labels))
    right = (answers == labels).mean(1)
    columns = {"test_zero_one": (1 - right).tolist(), "test_accuracy": right.tolist()}
    predicted = VotePredictions(answers, labels, len(names))
    doubts = {"another_order": another_order(models["cell"].to_list(), answers, labels, names)}
    return Scored(predicted, columns, digest(Part(answers, labels)), names, (), {"task": VOTES.task} | doubts)


def _of_quantities(predictions: Any, targets: Any, ids: list[str]) -> Scored:
    values, wanted = as_quantities(predictions, targets, ids)
    _check_sizes(len(values), values.shape[1], len(ids), len(wanted))
    variance = float(wanted.var(0).mean())
    squares = np.square(values - wanted).mean((1, 2))
    columns = {
        "test_squared_error": squares.tolist(),
        "test_absolute_error": np.abs(values - wanted).mean((1, 2)).tolist(),
        "test_r2": (1 - squares / variance if variance > 0 else np.full(len(squares), np.nan)).tolist(),
    }
    about: dict[str, Any] = {"task": QUANTITIES.task, "test_variance": variance, "outputs": wanted.shape[1]}
    units = tuple((name, 1.0) for name in target_names(targets))  # as they were given
    return Scored(QuantityPredictions(values, wanted), columns, digest(Part(values, wanted)), None, units, about)


def _check_sizes(models: int, examples: int, cells: int, targets: int) -> None:
    if models != cells:
        raise UserError(f"predictions: of {count(models, 'model')}, and cell names {cells}.")
    if targets != examples:
        raise UserError(f"targets: {targets}, and predictions of {count(examples, 'example')}.")
