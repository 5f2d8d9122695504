"""What a network's outputs mean: the loss that it is trained on, and what is kept of an output."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, Integer


@dataclass(frozen=True)
class Classification:
    """One of several classes an example. Outputs are logits; what is kept of them are log-probabilities."""

    classes: int

    @property
    def outputs(self) -> int:
        """How many numbers the network gives for an example."""
        return self.classes

    def losses(self, outputs: Float[Array, "batch class"], targets: Integer[Array, " batch"]) -> Float[Array, " batch"]:
        """What each example adds to the loss that is trained on."""
        return optax.softmax_cross_entropy_with_integer_labels(outputs, targets.astype(jnp.int32))

    def predictions(self, outputs: Float[Array, "batch class"]) -> Float[Array, "batch class"]:
        """What is kept of an output: log-probabilities, which are still exact where a probability rounds to 0 or 1."""
        return jax.nn.log_softmax(outputs)

    def scores(
        self, predictions: Float[Array, "example class"], targets: Int[Array, " example"]
    ) -> tuple[Float[Array, " example"], Array]:
        """Cross-entropy of each example, and whether the most probable class is right."""
        losses = -jnp.take_along_axis(predictions, targets[:, None], axis=1)[:, 0]
        return losses, jnp.argmax(predictions, axis=1) == targets


Task = Classification
