"""NNX modules: random streams are the step's, variables of any kind are state, and a call is told whether it trains."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from jaxreg.engine.networks import Weights
from jaxreg.engine.own_networks import OwnNetwork, register

SHAPE = (8,)
X = jnp.ones((2, *SHAPE))


def made(module: Any) -> tuple[OwnNetwork, Weights]:
    own = register(module, SHAPE, 3)
    return own, own.init(jax.random.key(0), X)


def stepped(own: OwnNetwork, weights: Weights, key: int | None) -> np.ndarray:
    return np.asarray(own.apply(weights, X, key=None if key is None else jax.random.key(key))[0])


class Drops(nnx.Module):
    """Dropout as Flax's own examples write it: of a stream that is called "default"."""

    def __init__(self, *, rngs: nnx.Rngs) -> None:
        self.first, self.last = nnx.Linear(8, 64, rngs=rngs), nnx.Linear(64, 3, rngs=rngs)
        self.drop = nnx.Dropout(0.5, rngs=rngs)

    def __call__(self, x: Any) -> Any:
        return self.last(self.drop(self.first(x)))


class Named(Drops):
    def __init__(self, *, rngs: nnx.Rngs) -> None:
        super().__init__(rngs=rngs)
        self.drop = nnx.Dropout(0.5, rngs=rngs, rng_collection="mine")


class Noisy(Drops):
    """It keeps the generator itself."""

    def __init__(self, *, rngs: nnx.Rngs) -> None:
        super().__init__(rngs=rngs)
        self.drop, self.rngs = None, rngs

    def __call__(self, x: Any) -> Any:
        return self.last(self.first(x + jax.random.normal(self.rngs.noise(), x.shape)))


def streams(rngs: nnx.Rngs) -> Drops:
    """Made with a key of its own for each stream."""
    key = rngs.params()
    return Drops(rngs=nnx.Rngs(params=key, dropout=jax.random.fold_in(key, 1)))


@pytest.mark.parametrize("module", [Drops, Named, Noisy, streams])
def test_chance_is_of_the_step(module: Any) -> None:
    own, weights = made(module)
    np.testing.assert_array_equal(stepped(own, weights, 1), stepped(own, weights, 1))
    assert not np.array_equal(stepped(own, weights, 1), stepped(own, weights, 2))
    if module is not Noisy:  # which draws in evaluation too
        first, last = (weights.params[layer] for layer in ("first", "last"))
        hidden = np.asarray(X) @ first["kernel"] + first["bias"]
        np.testing.assert_allclose(stepped(own, weights, None), hidden @ last["kernel"] + last["bias"], rtol=1e-5)


class Draws(nnx.Module):
    """Gives what its streams draw, besides something to train."""

    def __init__(self, *, rngs: nnx.Rngs) -> None:
        self.last = nnx.Linear(8, 1, rngs=rngs)
        self.dropout, self.default, self.again = rngs.dropout.fork(), rngs.params.fork(), rngs.params.fork()

    def __call__(self, x: Any) -> Any:
        drawn = [jax.random.uniform(stream(), (len(x),)) for stream in (self.dropout, self.default, self.again)]
        return jnp.stack(drawn, axis=1) + 0 * self.last(x)


def test_each_stream_has_a_key_of_its_own() -> None:
    for module in (Draws, lambda rngs: Draws(rngs=nnx.Rngs(dropout=rngs.params(), default=rngs.params()))):
        own, weights = made(module)
        drawn = stepped(own, weights, 1)[0]
        assert len({*drawn.tolist()}) == 3
        assert not {*drawn.tolist()} & {*stepped(own, weights, 2)[0].tolist()}


class Stat(nnx.Variable):
    """Of somebody's own kind."""


class Counts(nnx.Module):
    """A fixed projection of each member's own, and a count of the steps, in variables that Flax does not know."""

    def __init__(self, *, rngs: nnx.Rngs) -> None:
        self.projection = Stat(jax.random.normal(rngs.params(), (8, 4)))
        self.steps, self.last = nnx.Cache(jnp.zeros([])), nnx.Linear(4, 3, rngs=rngs)

    def __call__(self, x: Any) -> Any:
        self.steps[...] = self.steps[...] + 1
        self.seen = nnx.Intermediate(x)  # which is nobody's state
        return self.last(x @ self.projection[...])


def test_a_variable_of_any_kind_is_state() -> None:
    own, weights = made(Counts)
    assert own.penalised_paths == () and {*weights.statistics} == {"projection", "steps"}
    expected = Counts(rngs=nnx.Rngs(jax.random.key(0)))(X)
    np.testing.assert_allclose(stepped(own, weights, 1), expected, rtol=1e-5)
    other = own.init(jax.random.key(1), X)
    assert not np.array_equal(weights.statistics["projection"], other.statistics["projection"])
    _, once = own.apply(weights, X, key=jax.random.key(1))
    _, twice = own.apply(weights._replace(statistics=once), X, key=jax.random.key(2))
    _, still = own.apply(weights._replace(statistics=twice), X)
    assert (once["steps"], twice["steps"], still["steps"]) == (1, 2, 2)
    np.testing.assert_array_equal(twice["projection"], weights.statistics["projection"])


class Told(Drops):
    def __call__(self, x: Any, train: bool = False) -> Any:
        return self.last(self.drop(self.first(x), deterministic=not train))


class ToldStill(Drops):
    def __call__(self, x: Any, *, deterministic: bool) -> Any:
        return self.last(self.drop(self.first(x), deterministic=deterministic))


@pytest.mark.parametrize("module", [Told, ToldStill])
def test_a_call_is_told_whether_it_trains(module: Any) -> None:
    own, weights = made(module)
    plain = made(Drops)[0]
    for key in (1, 2, None):
        np.testing.assert_array_equal(stepped(own, weights, key), stepped(plain, weights, key))
    assert not np.array_equal(stepped(own, weights, 1), stepped(own, weights, 2))
