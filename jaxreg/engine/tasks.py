"""What a network's outputs mean: the loss that it is trained on, and what is kept of an output."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, Integer


@dataclass(frozen=True)
class Classification:
    """One of several classes an example. Outputs are logits; what is kept of them are log-probabilities."""

    classes: int
    loss: Literal["cross_entropy", "squared"] = "cross_entropy"
    smoothed: bool = False  # label_smoothing is above 0

    @property
    def outputs(self) -> int:
        """How many numbers the network gives for an example."""
        return self.classes

    def targets(self, stored: Integer[Array, " batch"]) -> Int[Array, " batch"]:
        """Targets as the losses take them: numbers of classes are stored in as few bits as there are."""
        return stored.astype(jnp.int32)

    def predictions(self, outputs: Float[Array, "batch class"]) -> Float[Array, "batch class"]:
        """What is kept of an output: log-probabilities, which are still exact where a probability rounds to 0 or 1."""
        return jax.nn.log_softmax(outputs)

    def errors(self, outputs: Float[Array, "batch class"], targets: Int[Array, " batch"]) -> Float[Array, " batch"]:
        """The cross-entropy of each example, from outputs or from what is kept of them."""
        return optax.softmax_cross_entropy_with_integer_labels(outputs, targets)

    def losses(
        self,
        errors: Float[Array, " batch"],
        predictions: Float[Array, "batch class"],
        targets: Int[Array, " batch"],
        smoothing: Float[Array, ""],
    ) -> Float[Array, " batch"]:
        """What each example adds to the loss that is trained on.

        With smoothing s, as Keras's `label_smoothing`, a label is (1 - s) on its class and s / K on all K. "squared" is
        the mean over the classes of the squared difference of probability and label.
        """
        if self.loss == "squared":
            labels = (1 - smoothing) * jax.nn.one_hot(targets, self.classes) + smoothing / self.classes
            return jnp.mean(jnp.square(jnp.exp(predictions) - labels), axis=1)
        if not self.smoothed:
            return errors
        return (1 - smoothing) * errors - smoothing * jnp.mean(predictions, axis=1)

    def scores(
        self, predictions: Float[Array, "example class"], targets: Int[Array, " example"]
    ) -> tuple[Float[Array, " example"], Array]:
        """Cross-entropy of each example, and whether the most probable class is right."""
        losses = -jnp.take_along_axis(predictions, targets[:, None], axis=1)[:, 0]
        return losses, jnp.argmax(predictions, axis=1) == targets


@dataclass(frozen=True)
class Regression:
    """Some quantities an example. Outputs and targets are standardised, and the loss is their squared difference.

    As Keras's `mean_squared_error`: the mean over the quantities. What is kept, and scored, is in the data set's unit.
    """

    quantities: int

    @property
    def outputs(self) -> int:
        """How many numbers the network gives for an example."""
        return self.quantities

    def targets(self, stored: Float[Array, "batch quantity"]) -> Float[Array, "batch quantity"]:
        """Targets as the losses take them."""
        return stored

    def predictions(self, outputs: Float[Array, "batch quantity"]) -> Float[Array, "batch quantity"]:
        """What is kept of an output."""
        return outputs

    def errors(
        self, outputs: Float[Array, "batch quantity"], targets: Float[Array, "batch quantity"]
    ) -> Float[Array, " batch"]:
        """The squared error of each example."""
        return jnp.mean(jnp.square(outputs - targets), axis=1)

    def losses(
        self,
        errors: Float[Array, " batch"],
        predictions: Float[Array, "batch quantity"],
        targets: Float[Array, "batch quantity"],
        smoothing: Float[Array, ""],
    ) -> Float[Array, " batch"]:
        """What each example adds to the loss that is trained on: its squared error."""
        return errors

    def scores(
        self, predictions: Float[Array, "example quantity"], targets: Float[Array, "example quantity"]
    ) -> tuple[Float[Array, " example"], Array]:
        """Squared and absolute error of each example."""
        return self.errors(predictions, targets), jnp.mean(jnp.abs(predictions - targets), axis=1)


Task = Classification | Regression
