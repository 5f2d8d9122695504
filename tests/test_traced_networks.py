"""What is made of a network that is traced: who it is, which of its fields are traced, what is penalised."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from one_member import hyper

import jaxreg
from jaxreg.data.dataset import Dataset
from jaxreg.engine import own_networks, own_optimizers
from jaxreg.engine.own_networks import register
from jaxreg.engine.tracing import spelled
from jaxreg.errors import UserError

SHAPE = (8,)
X = jax.random.normal(jax.random.key(3), (2, *SHAPE))


class Net(nn.Module):
    """With a function between two layers."""

    between: Any

    @nn.compact
    def __call__(self, x: Any) -> Any:
        return nn.Dense(3)(self.between(nn.Dense(4)(x)))


def spike(factor: float, rule: str) -> Any:
    """A step, with a gradient of its own; a new function each time."""
    if rule == "vjp":
        backward = jax.custom_vjp(lambda x: jnp.sign(x))
        backward.defvjp(lambda x: (jnp.sign(x), None), lambda _, g: (factor * g,))
        return backward
    forward = jax.custom_jvp(lambda x: jnp.sign(x))
    forward.defjvp(lambda x, t: (jnp.sign(x[0]), factor * t[0]))
    return forward


def times(seed: int, wrapped: str) -> Any:
    """A product with a matrix that is a constant of a program in the program."""
    matrix = np.random.default_rng(seed).normal(size=(4, 4)).astype(np.float32)
    if wrapped == "scan":
        return lambda x: jax.lax.scan(lambda carry, _: (carry @ matrix, None), x, None, length=2)[0]
    if wrapped == "cond":
        return lambda x: jax.lax.cond(x[0, 0] > 0, lambda x: x @ matrix, lambda x: x, x)
    product = {"jit": jax.jit, "remat": jax.checkpoint, "twice": lambda f: jax.checkpoint(jax.jit(f))}[wrapped]
    return product(lambda x: x @ matrix)


@pytest.mark.parametrize("rule", ["vjp", "jvp"])
def test_a_gradient_of_its_own_is_of_the_program(rule: str) -> None:
    one, again, other = (register(Net(spike(factor, rule)), SHAPE, 3) for factor in (1.0, 1.0, 2.0))
    assert one is again and one.name != other.name


@pytest.mark.parametrize("wrapped", ["jit", "remat", "twice", "scan", "cond"])
def test_constants_of_inner_programs_are_of_the_program(wrapped: str) -> None:
    one, again, other = (register(Net(times(seed, wrapped)), SHAPE, 3) for seed in (0, 0, 1))
    assert one is again and one.name != other.name


def test_of_optimizers_too() -> None:
    def steps(seed: int) -> Any:
        product = times(seed, "jit")
        return lambda hyper: optax.stateless(lambda g, _: {"w": -hyper.learning_rate * product(g["w"])})

    params = {"w": jnp.zeros((3, 4))}
    one, again, other = (own_optimizers.register(steps(seed), hyper(), params) for seed in (0, 0, 1))
    assert one.name == again.name != other.name


def test_what_has_no_gradient_is_refused() -> None:
    def forever(x: Any) -> Any:
        return jax.lax.while_loop(lambda x: x.sum() < 1, lambda x: x + 1, x)

    with pytest.raises(UserError, match=r"network Net can't be differentiated for two examples .*while_loop"):
        register(Net(forever), SHAPE, 3)


class Fields(nn.Module):
    """`used` is in the program, `unused` and `other` are not, and `typed` is where nobody looks at its type."""

    used: float = 1.0
    typed: float = 1.0
    unused: float = 1.0
    other: float = 1.0

    @nn.compact
    def __call__(self, x: Any, train: bool) -> Any:
        x = nn.relu(nn.Dense(4)(x)) * self.used
        if train:  # in training alone
            x = x * self.typed * (2 if isinstance(self.typed, float) else 1)
        return nn.Dense(3, kernel_init=nn.initializers.zeros)(x)


class InTheGradient(nn.Module):
    """Looks at a type where only the gradient tells."""

    typed: float = 1.0

    @nn.compact
    def __call__(self, x: Any) -> Any:
        x = nn.Dense(4)(x)
        factor = self.typed * (2 if isinstance(self.typed, float) else 1)
        return nn.Dense(3)(x * factor + jax.lax.stop_gradient(x - x * factor))


@pytest.mark.parametrize(
    ("module", "fields", "traced"),
    [
        (Fields(), {"used": 0.5}, ("used",)),
        (Fields(), {"used": 2, "unused": 0.5}, ("used",)),
        (Fields(), {"unused": 0.5}, ()),
        (Fields(), {"typed": 0.5}, ()),
        (Fields(), {"typed": 1.0}, ()),
        (Fields(), {"typed": 0.3, "used": 0.2, "other": 0.1}, ("used",)),
        (InTheGradient(), {"typed": 0.5}, ()),
    ],
)
def test_a_field_is_traced_where_that_changes_nothing(module: Any, fields: Any, traced: Any) -> None:
    own = register(module, SHAPE, 3, fields=fields)
    assert own.traced_fields == traced
    constant = register(module.clone(**fields), SHAPE, 3)
    mine = own.at(jnp.array([fields[name] for name in traced], jnp.float32))
    first = constant.init(jax.random.key(0), X)
    weights = first._replace(params=jax.tree.map(lambda leaf: leaf + 0.1, first.params))

    def loss(own: Any, params: Any) -> Any:
        return jnp.sum(own.apply(weights._replace(params=params), X, key=jax.random.key(1))[0] ** 2)

    found, expected = (
        jax.value_and_grad(lambda params, one=one: loss(one, params))(weights.params) for one in (mine, constant)
    )
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), found, expected)


def test_two_fields_in_one_place_are_two_programs() -> None:
    class Either(nn.Module):
        one: float = 1.0
        two: float = 1.0

        @nn.compact
        def __call__(self, x: Any) -> Any:
            return nn.Dense(3)(nn.relu(nn.Dense(4)(x)) * self.one * self.two)

    found = [register(Either(), SHAPE, 3, fields={name: 1.0}) for name in ("one", "two")]
    assert [one.traced_fields for one in found] == [("one",), ("two",)] and found[0].name != found[1].name


@pytest.mark.networks
def test_fields_without_effect_train(dataset: Dataset, tmp_path: Path) -> None:
    class Ten(Fields):
        @nn.compact
        def __call__(self, x: Any) -> Any:
            return nn.Dense(10)(x)

    how = {"network": Ten(), "dataset": dataset, "report": False, "splits": 2, "epochs": 1, "second_stage": 0}
    for field in ("unused", "other"):
        run = jaxreg.run(f"network.{field}=0.5,2", out=tmp_path / field, **how)
        losses = [part["test_cross_entropy"].to_numpy() for _, part in run.members.groupby("cell")]
        np.testing.assert_array_equal(*losses)


def test_a_known_program_is_traced_once(monkeypatch: Any) -> None:
    """A further value of a traced field costs one trace, and so does the same network again."""
    times: list[int] = []
    traced = own_networks.traced
    monkeypatch.setattr(own_networks, "traced", lambda *given: times.append(given[-1]) or traced(*given))
    module = Net(lambda x: jnp.sin(3 * x))
    for _ in range(2):
        register(module, SHAPE, 3)
    assert times == [2, 3, 2, 2]
    module, times[:] = Fields(used=7.0), []
    register(module, SHAPE, 3, fields={"used": 0.25})
    first = len(times)
    register(module, SHAPE, 3, fields={"used": 0.75})
    assert len(times) == first + 1


class Attends(nn.Module):
    @nn.compact
    def __call__(self, x: Any) -> Any:
        x = nn.MultiHeadDotProductAttention(num_heads=2)(x.reshape(-1, 2, 4))
        return nn.Dense(3)(x.reshape(len(x), -1))


def test_paths_are_those_of_the_tree_and_biases_are_not_penalised() -> None:
    names = [f"MultiHeadDotProductAttention_0/{name}/kernel" for name in ("query", "key", "value", "out")]
    assert register(Attends(), SHAPE, 3).penalised_paths == tuple(names)
    asked = register(Attends(), SHAPE, 3, penalised=lambda path: "/value/" in path)
    assert [path.rpartition("/")[2] for path in asked.penalised_paths] == ["bias", "kernel"]
    weights = asked.init(jax.random.key(0), X)
    acted_on = asked.penalised(weights.params)["MultiHeadDotProductAttention_0"]
    assert acted_on["value"] == {"bias": True, "kernel": True} and acted_on["query"] == {"bias": False, "kernel": False}


def test_the_value_of_a_variable_is_no_part_of_its_path() -> None:
    params = nnx.split(nnx.Linear(2, 3, rngs=nnx.Rngs(0)), nnx.Param)[1]
    tree = {"layers": [params, {"value": jnp.zeros(2)}]}
    paths = [spelled(path) for path, _ in jax.tree_util.tree_leaves_with_path(tree)]
    assert paths == ["layers/0/bias", "layers/0/kernel", "layers/1/value"]


def test_numbers_on_their_way_are_counted_wherever_they_are() -> None:
    def pair(wrapped: Any) -> Any:
        def layers(params: Any, x: Any) -> Any:
            return jnp.tanh(x @ params["first"]) @ params["last"]

        made = {"first": jnp.ones((8, 500)), "last": jnp.ones((500, 3))}
        return lambda key, x: (made, {}), lambda params, state, x, **_: (wrapped(layers)(params, x), state)

    expected = register(pair(lambda function: function), SHAPE, 3, "plain").units(8)
    assert expected == 8 + 500 + 500 + 3
    for name, wrapped in {"jit": jax.jit, "remat": jax.checkpoint}.items():
        assert register(pair(wrapped), SHAPE, 3, name).units(8) == expected

    def looped(layers: Any) -> Any:
        return lambda params, x: jax.lax.scan(lambda sum, _: (sum + layers(params, x), None), 0.0 * x[:, :3], length=5)[
            0
        ]

    assert register(pair(looped), SHAPE, 3, "loop").units(8) - 8 == 5 * (expected - 8 + 3) + 2 * 3
