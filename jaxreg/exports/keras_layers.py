"""Layers of our networks as Keras has them, and a Keras that can be imported."""

from __future__ import annotations

import os
import sys
from typing import Any

from jaxreg.errors import UserError
from jaxreg.spec.settings import Settings


def imported() -> Any:
    """Keras. Raises `UserError` where it can't be imported.

    Where nobody chose a backend, on JAX, which is here: Keras would take TensorFlow.
    """
    if "keras" not in sys.modules:
        os.environ.setdefault("KERAS_BACKEND", "jax")
    try:
        import keras
    except ImportError as error:
        raise UserError(f"Keras can't be imported ({error}). Type: pip install 'jaxreg[keras]'") from None
    return keras


def hidden_layers(settings: Settings) -> list[Any]:
    """The hidden layers of a network, with penalties on their kernels, under the names of our own."""
    layers = imported().layers
    stack: list[Any] = []
    for place, (width, rate) in enumerate(zip(settings.widths, settings.dropout_rates, strict=True)):
        how: dict[str, Any] = {"use_bias": settings.biases, "kernel_regularizer": penalty(settings)}
        stack.append(layers.Dense(width, activation="relu", name=f"hidden_{place}", **how))
        if settings.batch_norm:
            stack.append(layers.BatchNormalization(name=f"batch_norm_{place}"))
        if rate:
            stack.append(layers.Dropout(rate, name=f"dropout_{place}"))
    return stack


def penalty(settings: Settings) -> Any:
    """L1 and L2 of a kernel; None where there are none."""
    return imported().regularizers.L1L2(settings.l1, settings.l2) if settings.l1 or settings.l2 else None
