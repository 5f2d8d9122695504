"""Pairs `(init, apply)` that are no network: what each takes and gives is said, and what it has to."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import pytest

import jaxreg
from jaxreg.data.dataset import Dataset
from jaxreg.errors import UserError


def init(key: Any, x: Any) -> Any:
    return {"w": jnp.zeros((784, 10))}, {"seen": jnp.zeros(3)}


def init_alone(key: Any, x: Any) -> Any:
    return {"w": jnp.zeros((784, 10))}


def apply(params: Any, state: Any, x: Any, *, train: bool, key: Any) -> Any:
    return x @ params["w"], state


def apply_alone(params: Any, state: Any, x: Any, *, train: bool, key: Any) -> Any:
    return x @ params["w"]


def with_key(params: Any, state: Any, x: Any, *, train: bool, key: Any) -> Any:
    return x @ params["w"], state, key


def grows(params: Any, state: Any, x: Any, *, train: bool, key: Any) -> Any:
    return x @ params["w"], {"seen": jnp.zeros(4)} if train else state


def fails(params: Any, state: Any, x: Any, *, train: bool, key: Any) -> Any:
    raise RuntimeError("the file of weights is not there")


@pytest.mark.parametrize(
    ("network", "said"),
    [
        ((init, apply_alone), r"apply of a pair gives one thing in the place of \(output, state\), expected init\(key"),
        ((init, with_key), r"apply of a pair gives 3 things in the place of \(output, state\), expected init\(key"),
        ((init_alone, apply), r"init of a pair gives one thing in the place of \(params, state\), expected init\(key"),
        ((apply, init), r"init of a pair takes \(params, state, x, train, key\), expected .* Did you swap them\?$"),
        ((init, lambda params, x: x), r"apply of a pair takes \(params, x\), expected init\(key, x\) -> .* be {}\.$"),
        ((init, grows), r"its state has .*'seen': 'float32\[4\]'.*, and before it .*float32\[3\]"),
        ((init, fails), r"network \(init, apply\) can't be traced .*the file of weights is not there"),
        ({"linear": (init, fails)}, r"network linear can't be traced .*the file of weights is not there"),
    ],
)
def test_what_is_no_pair_is_told_what_is(network: Any, said: str, dataset: Dataset, tmp_path: Any) -> None:
    flags = {"grid": "l2", "l2": [0, 0.01], "splits": 2, "epochs": 1}
    named = {"network": [*network]} if isinstance(network, dict) else {}
    with pytest.raises(UserError, match=said) as caught:
        jaxreg.run(jaxreg.load(flags=flags | named), network=network, dataset=dataset, out=tmp_path / "run")
    assert "\n" not in str(caught.value) and not list((tmp_path / "run").glob("members/*"))
