"""The networks of sweeps/cnn.toml, which the command finds here when it is typed in the top folder of a clone."""

from __future__ import annotations

import flax.linen as nn
import jax


class CNN(nn.Module):
    """Two convolutions with batch normalisation, dropout, and a layer of classes."""

    widths: tuple[int, int] = (8, 16)

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        """Images as rows of pixels to a logit for each class."""
        x = x.reshape(-1, 28, 28, 1)  # examples come as rows of numbers
        for width in self.widths:
            x = nn.relu(nn.Conv(width, (3, 3), strides=2)(x))
            x = nn.BatchNorm(use_running_average=not train)(x)
        x = nn.Dropout(0.2, deterministic=not train)(x.reshape(len(x), -1))
        return nn.Dense(10)(x)


narrow = CNN((4, 8))
wide = CNN((8, 16))
