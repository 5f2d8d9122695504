"""Predicted classes of models trained elsewhere, without probabilities, checked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int

from jaxreg.data.targets import as_texts
from jaxreg.errors import UserError
from jaxreg.formatting import brief, listing


class Votes(NamedTuple):
    """Of some models on the same examples, as numbers of classes."""

    answers: Int[np.ndarray, "model example"]
    labels: Int[np.ndarray, " example"]
    classes: tuple[str, ...]


def are_votes(predictions: Any) -> bool:
    """Whether predictions are classes themselves: whole numbers or texts, one a model and example."""
    try:
        found = np.asarray(predictions)
    except ValueError:
        return False
    return found.ndim == 2 and found.dtype.kind in "iubUSO"


def as_votes(predictions: Any, targets: Any, classes: Iterable[Any] | None, names: Sequence[str]) -> Votes:
    """Predictions and targets as numbers of classes: all that either of them names, sorted, or `classes`.

    Args:
        predictions: [model, example], or a sequence with an entry a model: whole numbers, texts or booleans.
        targets: [example], named as the predictions are.
        classes: all names, in the order that decides ties of the majority.
        names: of the models, for messages.

    Raises:
        UserError: something else is among them, or predictions and targets have no name in common.
    """
    try:
        given, wanted = np.asarray(predictions), np.asarray(targets)
    except ValueError:
        raise UserError(
            "predictions: models differ in how many examples they have. Score all models on the same."
        ) from None
    if given.ndim != 2 or wanted.ndim != 1 or not given.size:
        raise UserError(
            f"predictions: have the shape {given.shape}, and targets {wanted.shape}; classes themselves are expected "
            "as [model, example] and [example]."
        )
    made = [
        _named(row, f"predictions of {names[i] if i < len(names) else f'model {i}'}") for i, row in enumerate(given)
    ]
    labels = _named(wanted, "targets")
    said = np.unique(np.concatenate(made))
    if not set(said) & set(labels):
        raise UserError(
            f"predictions, targets: predictions name {brief(listing(said[:5].tolist()))}, targets "
            f"{brief(listing(np.unique(labels)[:5].tolist()))}, and none is in both. Give both the same names."
        )
    known = _sorted({*said.tolist(), *labels.tolist()}) if classes is None else [str(name) for name in classes]
    place = {name: number for number, name in enumerate(known)}
    if len(place) < len(known):
        raise UserError(f"classes: {brief(known)} has a name twice.")
    strange = sorted({*said.tolist(), *labels.tolist()} - place.keys())
    if strange:
        raise UserError(f"predictions, targets: {brief(strange[0])} is none of the classes {', '.join(place)}.")

    def numbers(row: np.ndarray) -> np.ndarray:
        found, codes = np.unique(row, return_inverse=True)
        return np.array([place[name] for name in found.tolist()])[codes]

    return Votes(np.stack([numbers(row) for row in made]), numbers(labels), tuple(known))


def _named(values: np.ndarray, whose: str) -> np.ndarray:
    """Classes as texts [example]."""
    kind = values.dtype.kind
    if kind == "f" and (values == np.round(values)).all():  # as some libraries have them; nan is no whole number
        values = values.astype(np.int64)
    elif kind == "O":
        wrong = [
            i for i, value in enumerate(values.tolist()) if not isinstance(value, str | int | np.integer | np.bool_)
        ]
        if wrong:
            raise UserError(
                f"{whose}, example {wrong[0]}: {brief(values[wrong[0]])} is no class. Give names or numbers."
            )
    elif kind not in "iubUS":
        raise UserError(f"{whose}: {values.dtype} are no classes. Give names or whole numbers, as predict has them.")
    return as_texts(values).astype(str)


def _sorted(names: set[str]) -> list[str]:
    """Whole numbers by size, other names by letters, as scikit-learn's `classes_` has them."""
    try:
        return sorted(names, key=int)
    except ValueError:
        return sorted(names)
