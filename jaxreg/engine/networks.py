"""The network of one member: what the engine asks of one, and the MLP as a Flax module.

Linen rather than NNX: a Linen module is a frozen, hashable description, so it is itself the static argument that
decides what is compiled, and ``init``/``apply`` are the pure functions of one member that the engine batches.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Key

from jaxreg.engine.products import Levels, dense
from jaxreg.engine.sizes import parameters
from jaxreg.spec.settings import Settings

Params = Any  # a pytree of one member's arrays, as Flax names them


class Weights(NamedTuple):
    """What a trained network is: parameters, and the running statistics of batch normalisation (may be empty)."""

    params: Params
    statistics: Any


@runtime_checkable  # so that the tests can check arguments by their annotations
class Network(Protocol):
    """What the engine asks of a network. Frozen and hashable: programs are compiled for it."""

    @property
    def masks_padding(self) -> bool:
        """Whether the padding of a partial batch is kept out of what it computes over a batch, by `valid`."""

    @property
    def side_by_side(self) -> bool:
        """Whether this JAX can train several members of it in one program of a device."""

    @property
    def convolves(self) -> bool:
        """Whether it has convolutions."""

    def parameters(self, inputs: int) -> int:
        """How many there are, for so many numbers in an example."""

    def units(self, inputs: int) -> int:
        """Numbers that are on their way for one example."""

    def at(self, values: Float[Array, " field"] | None) -> Network:
        """With these values of its fields that are traced; None where none are."""

    def init(self, key: Key[Array, ""], inputs: Float[Array, "batch ..."]) -> Weights:
        """First weights."""

    def apply(
        self,
        weights: Weights,
        inputs: Float[Array, "batch ..."],
        *,
        valid: Bool[Array, " batch"] | None = None,
        rates: Float[Array, " hidden"] | None = None,
        key: Key[Array, ""] | None = None,
    ) -> tuple[Float[Array, "batch output"], Any]:
        """Outputs, and the statistics after them. With a ``key`` it trains: dropout is on, statistics move."""

    def penalised(self, params: Params) -> Any:
        """True at each array that penalties, decay and constraints act on."""

    def last_gradient(self, gradient: Params) -> Float[Array, ""]:
        """A number of the gradient that is known only when all of it is."""


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
    epsilon 1e-3 and the biased variance. The output is linear: logits, whose softmax belongs to the task.
    """

    hidden: tuple[int, ...]
    outputs: int
    batch_norm: bool = False
    dropout: bool = False
    biases: bool = True

    @nn.compact
    def __call__(
        self,
        inputs: Float[Array, "batch feature"] | Levels,
        *,
        train: bool = False,
        valid: Bool[Array, " batch"] | None = None,
        rates: Float[Array, " hidden"] | None = None,
        key: Key[Array, ""] | None = None,
    ) -> Float[Array, "batch output"]:
        """Outputs. In training, ``valid`` masks the padding of a partial batch out of the batch statistics."""
        units: Any = inputs
        for layer, width in enumerate(self.hidden):
            units = nn.relu(self._dense(width, f"hidden_{layer}", units))
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
        return self._dense(self.outputs, OUTPUT, units)

    def _dense(self, width: int, name: str, units: Any) -> Array:
        levels = units if isinstance(units, Levels) else None

        def product(units: Array, kernel: Array, *_: Any, **__: Any) -> Array:
            return dense(units, kernel) if levels is None else levels.times(kernel)

        return nn.Dense(
            width,
            use_bias=self.biases,
            kernel_init=nn.initializers.glorot_uniform(),
            dot_general=product,
            name=name,
        )(units if levels is None else levels.levels)


OUTPUT = "output"  # the name of the last layer


@dataclass(frozen=True)
class DenseNetwork:
    """The MLP as a `Network`; penalties act on the kernels of hidden layers, or on all kernels."""

    mlp: MLP
    acts_on: Literal["hidden", "all"] = "hidden"

    def __str__(self) -> str:
        return "-".join(map(str, self.mlp.hidden))

    masks_padding = True
    side_by_side = True
    convolves = False

    @property
    def layers(self) -> tuple[int, ...]:
        """Units of each layer, the output's last."""
        return (*self.mlp.hidden, self.mlp.outputs)

    def parameters(self, inputs: int) -> int:
        return parameters((inputs, *self.layers))

    def units(self, inputs: int) -> int:
        return inputs + sum(self.layers)

    def at(self, values: Float[Array, " field"] | None) -> DenseNetwork:
        return self  # it has none

    def init(self, key: Key[Array, ""], inputs: Float[Array, "batch ..."]) -> Weights:
        variables = self.mlp.init(key, inputs)
        return Weights(variables["params"], variables.get("batch_stats", {}))

    def apply(
        self,
        weights: Weights,
        inputs: Float[Array, "batch ..."] | Levels,
        *,
        valid: Bool[Array, " batch"] | None = None,
        rates: Float[Array, " hidden"] | None = None,
        key: Key[Array, ""] | None = None,
    ) -> tuple[Float[Array, "batch output"], Any]:
        variables = {"params": weights.params, "batch_stats": weights.statistics}
        if key is None:
            return self.mlp.apply(variables, inputs), weights.statistics  # type: ignore[return-value]
        outputs, moved = self.mlp.apply(
            variables, inputs, train=True, valid=valid, rates=rates, key=key, mutable=["batch_stats"]
        )
        return outputs, moved.get("batch_stats", {})

    def penalised(self, params: Params) -> Any:
        """Kernels, by path: the output's has two axes as well and is not among the hidden ones."""

        def acted_on(path: tuple[Any, ...], _: Any) -> bool:
            *_layers, layer, name = [entry.key for entry in path]
            return name == "kernel" and (layer != OUTPUT or self.acts_on == "all")

        return jax.tree_util.tree_map_with_path(acted_on, params)

    def last_gradient(self, gradient: Params) -> Float[Array, ""]:
        """Of the first layer, which backpropagation reaches last: its biases, or one of its weights."""
        first = gradient["hidden_0"]
        return jnp.sum(first["bias"]) if "bias" in first else first["kernel"][0, 0]


def network(settings: Settings, outputs: int) -> DenseNetwork:
    """The network of a cell; dropout layers only where a rate is above 0, since masks cost time even at rate 0."""
    mlp = MLP(settings.widths, outputs, settings.batch_norm, any(settings.dropout_rates), settings.biases)
    return DenseNetwork(mlp, settings.penalised)
