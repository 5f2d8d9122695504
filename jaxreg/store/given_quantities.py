"""Predicted quantities of models trained elsewhere, checked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float

from jaxreg.data.targets import is_quantity
from jaxreg.errors import UserError

MOST = 1e18  # of a size: its square, summed over examples, is still a number of float32


class Quantities(NamedTuple):
    """Of some models on the same examples."""

    values: Float[np.ndarray, "model example quantity"]
    targets: Float[np.ndarray, "example quantity"]


def are_quantities(predictions: Any, targets: Any) -> bool:
    """Whether targets are numbers that are no classes: with a fraction, or several an example.

    So are whole numbers of as many values as make a column of a table a quantity, where predictions are one number an
    example, not a probability for each class; whole predictions need as many values themselves.
    """
    wanted = np.asarray(targets)
    if wanted.dtype.kind == "f" and (wanted.ndim > 1 or not bool((wanted == np.round(wanted)).all())):
        return True
    try:
        made = np.asarray(predictions)
    except ValueError:
        return False
    numbers = wanted.ndim == 1 and wanted.dtype.kind in "iuf" and made.ndim == 2 and made.dtype.kind in "iuf"
    return numbers and all(is_quantity(pd.Series(one)) for one in (wanted, made.ravel()))


def as_quantities(predictions: Any, targets: Any, names: Sequence[str]) -> Quantities:
    """Predictions and targets as float64.

    Args:
        predictions: [model, example], or of several quantities [model, example, quantity]; or a sequence of such.
        targets: [example], or [example, quantity].
        names: of the models, for messages.

    Raises:
        UserError: they are no numbers, or do not belong together.
    """
    try:
        values, wanted = np.asarray(predictions, np.float64), np.asarray(targets, np.float64)
    except (TypeError, ValueError):
        raise UserError(
            "predictions, targets: expected numbers, the same number of them for each model: [model, example] and "
            "[example], or [model, example, quantity] and [example, quantity]."
        ) from None
    if wanted.ndim == 1:
        wanted, values = wanted[:, None], values[..., None] if values.ndim == 2 else values
    if values.ndim != 3 or values.shape[1:] != wanted.shape or not wanted.size:
        raise UserError(
            f"predictions: have the shape {np.shape(predictions)}, and targets {np.shape(targets)}; expected "
            "[model, example] and [example], or [model, example, quantity] and [example, quantity]."
        )
    for what, array in (("targets", wanted[None]), ("predictions", values)):
        bad = ~(np.abs(array) < MOST)  # nan too
        if bad.any():
            model, example, quantity = np.argwhere(bad)[0]
            whose = f"{what} of {names[model]}" if what == "predictions" and model < len(names) else what
            raise UserError(
                f"{whose}, example {example}: {array[model, example, quantity]} is no number below {MOST:g}. Leave out "
                "models that diverged."
            )
    return Quantities(values, wanted)
