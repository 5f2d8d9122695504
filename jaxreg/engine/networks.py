"""The network of one member, as a Flax module.

Linen rather than NNX: a Linen module is a frozen, hashable description, so it is itself the static argument that
decides what is compiled, and ``init``/``apply`` are the pure functions of one member that the engine batches.
"""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Key

CLASSES = 10


def dropout(
    key: Key[Array, ""], rate: Float[Array, ""], units: Float[Array, "batch unit"]
) -> Float[Array, "batch unit"]:
    """Inverted dropout, as Keras: a unit is kept with probability ``1 - rate`` and divided by it.

    ``flax.linen.Dropout`` branches on its rate in Python; here the rate is traced, so a sweep over rates is one
    program. Rate 0 is the identity, exactly.
    """
    keep = 1.0 - rate
    return jnp.where(jax.random.bernoulli(key, keep, units.shape), units / keep, 0.0)


class MLP(nn.Module):
    """Dense layers with ReLU, each followed by batch normalisation and dropout where the member has them.

    Keras's semantics: glorot-uniform kernels, zero biases, batch normalisation after the ReLU with momentum 0.99,
    epsilon 1e-3 and the biased variance. The output is logits; the softmax belongs to the loss and to predictions.
    """

    hidden: tuple[int, ...]
    batch_norm: bool = False
    dropout: bool = False

    @nn.compact
    def __call__(
        self,
        pixels: Float[Array, "batch pixel"],
        *,
        train: bool = False,
        valid: Bool[Array, " batch"] | None = None,
        rates: Float[Array, " hidden"] | None = None,
        key: Key[Array, ""] | None = None,
    ) -> Float[Array, "batch class"]:
        """Logits. In training, ``valid`` masks the padding of a partial batch out of the batch statistics."""
        units = pixels
        for layer, width in enumerate(self.hidden):
            units = nn.relu(self._dense(width, f"hidden_{layer}")(units))
            if self.batch_norm:
                normalise = nn.BatchNorm(
                    use_running_average=not train,
                    momentum=0.99,
                    epsilon=1e-3,
                    use_fast_variance=False,  # Keras computes the variance in two passes
                    name=f"batch_norm_{layer}",
                )
                units = normalise(units, mask=None if valid is None else valid[:, None])
            if self.dropout and train:
                assert rates is not None and key is not None
                units = dropout(jax.random.fold_in(key, layer), rates[layer], units)
        return self._dense(CLASSES, "output")(units)

    def _dense(self, width: int, name: str) -> nn.Dense:
        return nn.Dense(width, kernel_init=nn.initializers.glorot_uniform(), name=name)
