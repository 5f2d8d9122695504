"""Networks that can't be trained: each is refused by a sentence that names it, before anything is trained."""

from __future__ import annotations

import itertools
import sys
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import jaxreg
from jaxreg.data.dataset import Dataset
from jaxreg.engine.own_networks import named, register
from jaxreg.errors import UserError

SHAPE = (784,)
COUNTED = itertools.count(1)


class Dense(nn.Module):
    """What the others are made of."""

    kind: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Any) -> Any:
        return nn.Dense(10, param_dtype=self.kind)(nn.relu(nn.Dense(4, param_dtype=self.kind)(x)))


class Ends(nn.Module):
    end: Any

    @nn.compact
    def __call__(self, x: Any) -> Any:
        return self.end(Dense()(x)).reshape(-1, 10)


class Branches(nn.Module):
    @nn.compact
    def __call__(self, x: Any) -> Any:
        x = Dense()(x)
        return x if x.sum() > 0 else -x


class BranchesInTraining(nn.Module):
    @nn.compact
    def __call__(self, x: Any, train: bool) -> Any:
        x = Dense()(x)
        return -x if train and x.sum() > 0 else x


class PicksRows(nn.Module):
    @nn.compact
    def __call__(self, x: Any) -> Any:
        x = Dense()(x)
        return x[x[:, 0] > 0]


class Nnx(nnx.Module):
    def __init__(self, *, rngs: nnx.Rngs, kind: Any = jnp.float32, outputs: int = 10) -> None:
        self.last = nnx.Linear(784, outputs, param_dtype=kind, rngs=rngs)

    def __call__(self, x: Any) -> Any:
        return self.last(x)


class NnxBranches(Nnx):
    def __call__(self, x: Any) -> Any:
        return self.last(x) if x.sum() > 0 else -self.last(x)


class NeedsMore(nnx.Module):
    def __init__(self, width: int, *, rngs: nnx.Rngs) -> None:
        self.last = nnx.Linear(784, width, rngs=rngs)


class LinenNeedsMore(nn.Module):
    width: int


class Nine(nn.Module):
    @nn.compact
    def __call__(self, x: Any) -> Any:
        return nn.Dense(9)(x)


class Whole(nn.Module):
    @nn.compact
    def __call__(self, x: Any) -> Any:
        return jnp.round(Dense()(x)).astype(jnp.int32)


class Nothing(nn.Module):
    @nn.compact
    def __call__(self, x: Any) -> Any:
        return x[:, :10]


class Picky(nn.Module):
    @nn.compact
    def __call__(self, x: Any) -> Any:
        return nn.Dense(10)(x.reshape(-1, 30, 30))


class Two(nn.Module):
    @nn.compact
    def __call__(self, x: Any) -> Any:
        return Dense()(x).reshape(2, 10)


class OfTheBatch(nn.Module):
    @nn.compact
    def __call__(self, x: Any) -> Any:
        return Dense()(x) + self.param("offset", nn.initializers.zeros, (len(x), 10))


class Anew(nn.Module):
    """Another program for each member, if one let it."""

    @nn.compact
    def __call__(self, x: Any) -> Any:
        return Dense()(x) * next(COUNTED)


class ByNumPy(nn.Module):
    @nn.compact
    def __call__(self, x: Any) -> Any:
        return Dense()(x) + np.random.normal(size=10)


class Counts(nn.Module):
    @nn.compact
    def __call__(self, x: Any) -> Any:
        steps = self.variable("own", "steps", jnp.zeros, ())
        steps.value = steps.value + 1
        return Dense()(x)


WHEN_IT_RUNS = "decides by a value that is only known when it runs"
ANEW = "is another program each time that JAX traces it"


@pytest.mark.parametrize(
    ("network", "said"),
    [
        (Branches(), f"network Branches: {WHEN_IT_RUNS}"),
        (BranchesInTraining(), f"network BranchesInTraining: {WHEN_IT_RUNS}"),
        (NnxBranches, f"network NnxBranches: {WHEN_IT_RUNS}"),
        (PicksRows(), f"network PicksRows: {WHEN_IT_RUNS} .*boolean indices"),
        (Nine(), r"network Nine: gives \[2, 9\] for two examples, expected \[2, 10\]: one for each class"),
        (lambda rngs: Nnx(rngs=rngs, outputs=9), r"network lambda: gives \[2, 9\] for two examples"),
        (Whole(), "network Whole: gives int32, expected real numbers"),
        (Ends(nn.softmax), "network Ends: ends in a softmax or a sigmoid, .* Leave it out"),
        (Ends(jax.jit(lambda x: nn.softmax(x).reshape(-1, 5, 2))), "network Ends: ends in a softmax"),
        (Ends(lambda x: nn.softmax(x.astype(jnp.bfloat16)).astype(jnp.float32)), "network Ends: ends in a softmax"),
        (Ends(nn.sigmoid), "network Ends: ends in a softmax or a sigmoid"),
        (Nothing(), "network Nothing has no parameters, and nothing to train"),
        (Picky(), r"network Picky can't be traced for two examples of the shape \(784,\)"),
        (Two(), "network Two can't be traced for three examples"),
        (OfTheBatch(), "network OfTheBatch: has other parameters for three examples than for two"),
        (Anew(), f"network Anew: {ANEW}, so that each member would be compiled anew"),
        (ByNumPy(), f"network ByNumPy: {ANEW}.* np.random"),
        (Counts(), 'network Counts can\'t be traced .* Cannot update variable "steps"'),
        (Dense(jnp.bfloat16), "network Dense: its parameter Dense_0/bias is bfloat16, .*param_dtype=jnp.float32"),
        (Dense(jnp.complex64), "network Dense: its parameter Dense_0/bias is complex64"),
        (lambda rngs: Nnx(rngs=rngs, kind=jnp.float16), "network lambda: its parameter last/bias is float16"),
        (NeedsMore, r"network NeedsMore: can't be made as NeedsMore\(rngs=…\): .*width"),
        (LinenNeedsMore, r"network LinenNeedsMore: can't be made as LinenNeedsMore\(\): .*width"),
        (Nnx(rngs=nnx.Rngs(0)), "an NNX module that is made already has one set of weights"),
        (lambda x: x, "network: must be a Linen module, an NNX module's class"),
        ("CNN", "network: must be a Linen module"),
        ((Dense(),) * 2, 'network: several are given by name, as in network={"narrow": …, "wide": …}'),
        ([Dense, Nnx], "network: several are given by name"),
        ((lambda key, x: ({}, {}),), "network: must be a Linen module"),
    ],
)
def test_what_can_not_be_trained_is_named(network: Any, said: str, dataset: Dataset, tmp_path: Any) -> None:
    sweep = jaxreg.load(flags={"grid": "l2", "l2": [0, 0.01], "splits": 2, "epochs": 1})
    with pytest.raises(UserError, match=said) as caught:
        jaxreg.run(sweep, network=network, dataset=dataset, out=tmp_path / "run")
    assert "\n" not in str(caught.value) and not list((tmp_path / "run").glob("members/*"))


OTHER_ENDS = [nn.log_softmax, nn.soft_sign, nn.relu, lambda x: x / jnp.exp(x), lambda x: x.T.T]
NEARLY = [lambda x: jnp.exp(x) / 3, lambda x: jnp.exp(x) / jnp.exp(-x).sum(), lambda x: 2 * nn.softmax(x)]


@pytest.mark.parametrize("end", OTHER_ENDS + NEARLY)
def test_other_ends_are_no_probabilities(end: Any) -> None:
    assert register(Ends(end), SHAPE, 10).size == 784 * 4 + 4 + 4 * 10 + 10


class Half(nn.Module):
    """Computes in 16 bits, with parameters of 32."""

    @nn.compact
    def __call__(self, x: Any) -> Any:
        return nn.Dense(10, dtype=jnp.bfloat16)(nn.relu(nn.Dense(8, dtype=jnp.bfloat16)(x)))


def test_what_computes_in_16_bits_is_trained_and_scored_in_32(dataset: Dataset, tmp_path: Any) -> None:
    own = register(Half(), SHAPE, 10)
    weights = own.init(jax.random.key(0), jnp.zeros((1, *SHAPE)))
    output, _ = own.apply(weights, jnp.ones((2, *SHAPE)))
    assert output.dtype == jnp.float32 and (output == output.astype(jnp.bfloat16)).all()
    sweep = jaxreg.load(flags={"grid": "l2", "l2": [0, 0.01], "splits": 2, "epochs": 3, "second_stage": 0})
    run = jaxreg.run(sweep, network=Half(), dataset=dataset, out=tmp_path / "run", report=False)
    losses = run.history.groupby("epoch")["train_cross_entropy"].mean()
    assert losses.loc[3] < losses.loc[2] < losses.loc[1] < 2.5 and run.members["diverged_at"].isna().all()


def test_a_module_that_can_not_be_imported_is_named(tmp_path: Any, monkeypatch: Any) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "half_written.py").write_text("class Net(:\n")
    (tmp_path / "in_haste.py").write_text("1 / 0\n")
    for name, said in (("half_written", "invalid syntax"), ("in_haste", "division by zero")):
        with pytest.raises(UserError, match=f"--network {name}:Net: {said}"):
            named(f"{name}:Net")
    (tmp_path / "well_made.py").write_text("Net = 3\n")
    with pytest.raises(UserError, match="No module named 'well_made.py'.* here first. Type --network well_made:Net.$"):
        named("well_made.py:Net")


def test_a_module_of_the_current_folder_is_found_by_whichever_command(tmp_path: Any, monkeypatch: Any) -> None:
    """A script that pip made begins to look in its own folder, `python -m` in the current one."""
    (tmp_path / "of_this_folder.py").write_text("Net = 3\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [place for place in sys.path if place not in ("", str(tmp_path))])
    assert named("of_this_folder:Net") == 3
