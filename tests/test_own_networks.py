"""Networks of others: Linen, NNX and pairs of functions train as ours do, and are known by their program."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import jaxreg
from jaxreg import Run
from jaxreg import fit as fit_command
from jaxreg.data.dataset import Dataset
from jaxreg.engine import training
from jaxreg.engine.networks import MLP
from jaxreg.engine.own_networks import known, register
from jaxreg.engine.trainer import Trainer
from jaxreg.errors import UserError
from jaxreg.own import with_network
from jaxreg.replay import replay
from jaxreg.spec.sweep import Sweep
from jaxreg.store.results import read
from jaxreg.sweep import main

SHAPE = (784,)


class Linen(nn.Module):
    width: int = 6

    @nn.compact
    def __call__(self, x: Any, train: bool) -> Any:
        x = x.reshape(-1, 28, 28, 1)
        x = nn.relu(nn.Conv(self.width, (5, 5), strides=4)(x))
        x = nn.BatchNorm(use_running_average=not train)(x)
        x = nn.Dropout(0.2, deterministic=not train)(x.reshape(len(x), -1))
        return nn.Dense(10)(x)


class Nnx(nnx.Module):
    def __init__(self, *, rngs: nnx.Rngs) -> None:
        self.first, self.norm = nnx.Linear(784, 8, rngs=rngs), nnx.BatchNorm(8, rngs=rngs)
        self.drop, self.last = nnx.Dropout(0.2, rngs=rngs), nnx.Linear(8, 10, rngs=rngs)

    def __call__(self, x: Any) -> Any:
        return self.last(self.drop(self.norm(nnx.relu(self.first(x)))))


def pair_init(key: Any, x: Any) -> Any:
    return {"w": 0.01 * jax.random.normal(key, (784, 10)), "b": jnp.zeros(10)}, {}


def pair_apply(params: Any, state: Any, x: Any, *, train: bool, key: Any) -> Any:
    return x @ params["w"] + params["b"], state


def sweep(**more: Any) -> Sweep:
    given = {"grid": "l2", "l2": [0, 0.01], "splits": 2, "epochs": 2, "batch_size": [32], "second_stage": 0}
    return jaxreg.load(flags={**given, "curve_images": 50, **more})


def test_our_own_mlp_as_a_module_of_others_comes_out_bit_for_bit(dataset: Dataset, tmp_path: Path) -> None:
    """The same program by another door: 100 rows in batches of 32, the last of which is padded."""
    ours = jaxreg.run(sweep(hidden=[8]), dataset=dataset, out=tmp_path / "ours")
    theirs = jaxreg.run(sweep(), network=MLP((8,), 10), dataset=dataset, out=tmp_path / "theirs")
    columns = ["member", "train_cross_entropy", "test_cross_entropy", "test_accuracy", "penalty", "weight_l1"]
    for name in columns:
        np.testing.assert_array_equal(ours.members[name], theirs.members[name], err_msg=name)
    both = [np.load(run.folder / "predictions.npz")["log_probabilities"] for run in (ours, theirs)]
    np.testing.assert_array_equal(*both)


@pytest.mark.parametrize(
    ("network", "penalised"),
    [
        (Linen(), ["Conv_0/kernel"]),
        (Nnx, ["first/kernel"]),
        ((pair_init, pair_apply), ["w"]),
    ],
    ids=["Linen", "NNX", "pair"],
)
def test_they_train_and_go_on(network: Any, penalised: list[str], dataset: Dataset, tmp_path: Path) -> None:
    how = {"network": network, "dataset": dataset, "out": tmp_path / "run"}
    how |= {"penalised": lambda path: path == "w"} if penalised == ["w"] else {}  # a layer that is the last one
    run = jaxreg.run(sweep(), **how)
    results, about = read(run.folder, for_report=True), json.loads((run.folder / "run.json").read_text())
    assert len(results.members) == 4 and results.members["diverged_at"].isna().all()
    assert [one["penalised"] for one in about["networks"]] == [penalised]
    assert (results.members["test_accuracy"] > 0.15).all()  # it has learned something
    history = results.history.groupby("epoch")["train_cross_entropy"].mean()
    assert history.loc[2] < history.loc[1]
    losses = results.members.groupby("cell", sort=False)["penalty"].mean()
    assert losses["l2=0.01"] > 0
    before = {path.name: path.read_bytes() for path in (run.folder / "members").iterdir()}
    jaxreg.run(sweep(), **how)
    assert {path.name: path.read_bytes() for path in (run.folder / "members").iterdir()} == before


def test_a_penalty_that_acts_on_nothing_is_refused(dataset: Dataset, tmp_path: Path) -> None:
    pair = pair_init, pair_apply
    norms = jaxreg.load(flags={"grid": "max_norm", "max_norm": ["off", 2.0], "splits": 2, "epochs": 1})
    for swept, named in ((sweep(), "l2: "), (norms, "max_norm: ")):
        with pytest.raises(UserError, match=rf"{named}no parameter of network \w+ is penalised.*penalised=lambda"):
            jaxreg.run(swept, network=pair, dataset=dataset, out=tmp_path / "run")
    rates = jaxreg.load(flags={"grid": "learning_rate", "learning_rate": [1e-3, 1e-2], "splits": 2, "epochs": 1})
    assert len(jaxreg.run(rates, network=pair, dataset=dataset, out=tmp_path / "run", report=False).members) == 4


def test_a_strength_and_a_rate_compile_nothing(dataset: Dataset, tmp_path: Path) -> None:
    jaxreg.run(sweep(), network=Linen(), dataset=dataset, out=tmp_path / "one")
    before = sum(training.traces.values())
    more = sweep(grid="l2,learning_rate", l2=[0, 0.1], learning_rate=[1e-4, 1e-3])
    jaxreg.run(more, network=Linen(), dataset=dataset, out=tmp_path / "two")
    assert sum(training.traces.values()) == before


def test_what_it_is_decides_who_it_is(dataset: Dataset, tmp_path: Path) -> None:
    one = register(Linen(), SHAPE, 10)
    assert register(Linen(), SHAPE, 10) is one and known(one.name) is one and str(one) == "Linen"
    others = [register(Linen(7), SHAPE, 10), register(Linen(), SHAPE, 10, penalised=lambda path: True)]
    assert len({one.name, *(other.name for other in others)}) == 3
    folder = jaxreg.run(sweep(), network=Linen(), dataset=dataset, out=tmp_path / "run").folder
    with pytest.raises(UserError, match=r"\[recipe\] network: \"Linen@\w+\" there, \"Linen@\w+\" here"):
        jaxreg.run(sweep(), network=Linen(7), dataset=dataset, out=folder)


def test_penalties_act_where_they_are_asked_to(dataset: Dataset, tmp_path: Path) -> None:
    for path, expected in (("Dense_0/kernel", ("Dense_0/kernel",)), ("bias", ("Conv_0/bias", "Dense_0/bias"))):
        own = register(Linen(), SHAPE, 10, penalised=lambda p, path=path: p.endswith(path) and "Batch" not in p)
        assert own.penalised_paths == expected
        tree = own.init(jax.random.key(0), jnp.zeros((1, *SHAPE)))
        acted_on = jax.tree_util.tree_leaves_with_path(own.penalised(tree.params))
        assert sum(flag for _, flag in acted_on) == len(expected)


def test_the_padding_of_a_batch_is_the_batch_itself(dataset: Dataset) -> None:
    """Batch statistics of a partial batch are of its own rows: no other member's, none that it holds back."""
    own = register(Linen(), SHAPE, 10)
    made, _ = with_network(sweep(), dataset.signature, Linen())
    from jaxreg.engine.grouping import prepare
    from jaxreg.spec.members import members

    (group, data), *_ = prepare(members(made), made, dataset).items()
    inputs = np.asarray(dataset.train.inputs)
    part = type(dataset.train)(jnp.asarray(inputs), jnp.asarray(dataset.train.targets))
    order = np.full((1, 32), -1, np.int32)
    order[0, :5] = data[0].rows[:5]
    spoilt = inputs.copy()
    spoilt[np.setdiff1d(np.arange(len(inputs)), data[0].rows[:5])] = 255
    hyper = jax.tree.map(jnp.asarray, data[0].hyper)
    state, batch = training.start(group.learner, hyper), jnp.asarray(order)
    other = part._replace(inputs=jnp.asarray(spoilt))
    one, two = (training.train_epoch(group.learner, hyper, state, batch, of)[0] for of in (part, other))
    jax.tree.map(np.testing.assert_array_equal, one.weights, two.weights)
    assert own.masks_padding is False


def test_axes_of_our_own_networks_are_not_theirs() -> None:
    with pytest.raises(UserError, match="depth is of jaxreg's own networks, and mynet:CNN decides by itself"):
        jaxreg.load(flags={"grid": "l1,depth", "network": "mynet:CNN"})


@pytest.mark.slow
def test_the_command_takes_a_module_by_name(tmp_path: Path, monkeypatch: Any, capsys: Any) -> None:
    (tmp_path / "mynet.py").write_text(
        "import flax.linen as nn\n\n\nclass Small(nn.Module):\n    @nn.compact\n    def __call__(self, x):\n"
        "        return nn.Dense(2)(nn.relu(nn.Dense(4)(x)))\n"
    )
    x = np.random.default_rng(0).normal(size=(80, 3))
    np.savez(tmp_path / "d.npz", x=x, y=x[:, 0] > 0)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    command = ["--grid", "l2", "--l2", "0,0.1", "--data", "d.npz", "--epochs", "2", "--no-full", "--out", "run"]
    assert main([*command, "--network", "mynet:Small"]) == 0
    page = Path("run/report.md").read_text()
    assert "networks mynet:Small" in page and "penalised: `Dense_1/kernel`" in page
    assert replay("run", "plain/split0/seed0").same
    capsys.readouterr()
    with monkeypatch.context() as patched:
        patched.setattr(Trainer, "train", None)  # nothing is trained for what Keras can't have
        assert fit_command.main(["run", "--cell", "plain", "--save", "a.safetensors", "--export", "a.keras"]) == 2
    assert "mynet:Small: is a network of your own, which Keras can't have" in capsys.readouterr().err
    sys.modules.pop("mynet")
    (tmp_path / "mynet.py").write_text((tmp_path / "mynet.py").read_text().replace("Dense(4)", "Dense(5)"))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    for cached in tmp_path.glob("__pycache__/*"):
        cached.unlink()
    with pytest.raises(UserError, match="the network mynet:Small is not known here, or is another one by now"):
        replay("run", "plain/split0/seed0")
    capsys.readouterr()
    for wrong, said in (
        ("mynet", "must be package.module:name"),
        ("mynet:Large", "has no attribute"),
        ("a.b:c", "No module"),
    ):
        assert main([*command, "--network", wrong]) == 2
        assert said in capsys.readouterr().err


@pytest.mark.slow
def test_the_example_in_the_documents_runs(dataset: Dataset, tmp_path: Path, monkeypatch: Any) -> None:
    document = (Path(__file__).parents[1] / "docs" / "networks.md").read_text(encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    example, _, _, optimizer = (block.split("```")[0] for block in document.split("```python\n")[1:])
    assert 'jaxreg.run("l2", network=CNN())' in example
    known_here: dict[str, Any] = {"SMALL": sweep(), "DATA": dataset}
    exec(example.replace('"l2", network', "SMALL, dataset=DATA, network"), known_here)
    assert "networks CNN" in known_here["run"].report
    exec(
        optimizer.replace('"l2,weight_decay", network', "SMALL, dataset=DATA, out='lion', report=False, network"),
        known_here,
    )
    assert Run("lion").members["test_accuracy"].notna().all()
