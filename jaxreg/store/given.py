"""Predicted probabilities of models trained elsewhere: as log-probabilities and class numbers, checked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Int64

from jaxreg.data.targets import as_texts
from jaxreg.errors import UserError
from jaxreg.formatting import brief

Kind = Literal["probabilities", "log_probabilities"]
TOLERANCE = 1e-3  # by which probabilities may miss 1 together
CLIP = "np.clip(p, 1e-7, 1)"
ALIKE = "Score all models on the same."


def as_classes(
    targets: Any, classes: Iterable[Any] | None, outputs: int
) -> tuple[Int64[np.ndarray, " example"], tuple[str, ...]]:
    """Targets of any type as numbers of classes, and the names of these.

    Without `classes`, whole numbers below `outputs` are numbers of classes already; of anything else the classes are
    the values there are, sorted, as scikit-learn's `classes_` has them.
    """
    targets = as_texts(np.asarray(targets))
    if targets.ndim != 1 or not targets.size:
        raise UserError(f"targets: expected one for each example, got the shape {targets.shape}.")
    if classes is None and targets.dtype.kind in "iub" and 0 <= targets.min() and targets.max() < outputs:
        return targets.astype(np.int64), tuple(map(str, range(outputs)))
    known = list(np.unique(targets) if classes is None else as_texts(np.asarray(list(classes))))
    if len(known) != outputs:
        raise UserError(
            f"targets: {len(known)} classes, and predictions of {outputs}. "
            "Give classes=[…], in the order of the predictions."
        )
    place = {str(name): number for number, name in enumerate(known)}
    if len(place) < len(known):
        raise UserError(f"classes: {brief(known)} has a name twice.")
    strange = next((name for name in np.unique(targets) if str(name) not in place), None)
    if strange is not None:
        raise UserError(f"targets: {brief(str(strange))} is none of the classes {', '.join(place)}.")
    return np.array([place[str(name)] for name in targets]), tuple(place)


def as_log_probabilities(
    predictions: Any, kind: Kind | None, names: Sequence[str]
) -> Float[np.ndarray, "model example class"]:
    """Predictions as float32 log-probabilities.

    Args:
        predictions: [model, example, class], or [model, example] for two classes: the probability of the second. Or a
            sequence of such, one a model.
        kind: what they are; None: probabilities, unless all are 0 or less.
        names: of the models, for messages.

    Raises:
        UserError: they are no probabilities, or one is exactly 0, so that its cross-entropy would be infinite.
    """
    try:
        given = np.asarray(predictions)
    except ValueError:
        raise UserError(f"predictions: models differ in how many examples or classes they have. {ALIKE}") from None
    if given.dtype.kind in "iUSOb" and given.ndim == 2:
        raise UserError(
            "predictions: are the classes themselves, without probabilities. kind='votes' decomposes their 0-1 loss."
        )
    if given.dtype.kind not in "fiu" or given.ndim not in (2, 3) or 0 in given.shape:
        raise UserError(
            f"predictions: {given.dtype} of the shape {given.shape}; expected probabilities "
            "[model, example, class], or [model, example] of the second of two classes."
        )
    kind = kind or ("log_probabilities" if given.dtype.kind == "f" and not (given > 0).any() else "probabilities")
    if given.ndim == 2:
        if kind == "log_probabilities":
            raise UserError("predictions: logarithms need both classes: [model, example, class].")
        strange = given[~((given >= 0) & (given <= 1))]
        if len(strange):
            raise UserError(
                f"predictions: {strange[0]:.4g} is no probability of the second of two classes, which [model, example] "
                "would be. Give kind='quantities', if they are numbers to be compared with the targets."
            )
        given = np.stack([1 - given, given], axis=-1)
    made = np.empty(given.shape, np.float32)
    for model, own in enumerate(np.asarray(one, np.float64) for one in given):
        name = names[model] if model < len(names) else f"model {model}"
        logs = own if kind == "log_probabilities" else _logs(own, name)
        sums = np.exp(logs).sum(-1)
        wrong = ~(np.abs(sums - 1) < TOLERANCE)
        if wrong.any():
            example = int(wrong.argmax())
            raise UserError(
                f"predictions of {name}, example {example}: the {kind.replace('_', '-')} make {sums[example]:.4g} "
                "together, expected 1. Give softmax outputs; leave out models that diverged."
            )
        if np.isneginf(logs).any():
            example, of = np.argwhere(np.isneginf(logs))[0]
            raise UserError(
                f"predictions of {name}, example {example}: class {of} has a probability of exactly 0, whose "
                f"cross-entropy would be infinite. Give logarithms, which do not round to it, or clip: {CLIP}; "
                "the page then says what hangs on that number. The Brier score does not: clip, with purpose='brier'."
            )
        made[model] = logs
    return made


def _logs(probabilities: np.ndarray, name: str) -> np.ndarray:
    if (probabilities < 0).any():
        example, of = np.argwhere(probabilities < 0)[0]
        raise UserError(
            f"predictions of {name}, example {example}: {probabilities[example, of]:.4g} is no probability. Give "
            "softmax outputs, or kind='log_probabilities'."
        )
    with np.errstate(divide="ignore"):  # what is 0 is named by who asks
        return np.log(probabilities)
