"""Optimizers of others: a function of the hyperparameters steps as it would alone, and is known by its program."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from one_member import hyper, learner

import jaxreg
from jaxreg.data.dataset import Dataset
from jaxreg.engine import training
from jaxreg.engine.optimizers import Optimizer
from jaxreg.engine.own_optimizers import known, register
from jaxreg.errors import UserError
from jaxreg.own import with_own
from jaxreg.spec.members import members
from jaxreg.spec.sweep import Sweep
from jaxreg.store.identity import key

LEARNER = learner(hidden=[6, 5])
PARAMS = jax.eval_shape(LEARNER.network.init, jax.eval_shape(lambda: jax.random.key(0)), jnp.zeros((1, 784))).params


def lion(hyper: Any) -> optax.GradientTransformation:
    return optax.lion(hyper.learning_rate, weight_decay=hyper.weight_decay)


def plain(hyper: Any) -> optax.GradientTransformation:
    return optax.sgd(hyper.learning_rate, momentum=0.9)


def deaf(hyper: Any) -> optax.GradientTransformation:
    return optax.adam(1e-3)


def sweep(**more: Any) -> Sweep:
    flags = {"grid": "l2", "l2": [0, 0.1], "hidden": [5, 4], "epochs": 2, "batch_size": [20], "splits": 2}
    return jaxreg.load(flags={"second_stage": 0, **flags, **more})


def test_it_gets_the_penalised_gradient_and_its_steps_are_its_own() -> None:
    """One step of the engine's chain is that of Optax's Lion alone on the gradient with 2 l2 w in it."""
    own = register(lion, hyper(), PARAMS)
    told = hyper(l2=0.01, learning_rate=0.02, weight_decay=0.1)
    random = np.random.default_rng(0)
    params = jax.tree.map(lambda leaf: jnp.asarray(random.normal(size=leaf.shape), jnp.float32), PARAMS)
    gradient = jax.tree.map(lambda leaf: jnp.asarray(random.normal(size=leaf.shape), jnp.float32), PARAMS)
    chain = Optimizer(own=own).transformation(told, jnp.int32(0), LEARNER.network)
    found, _ = chain.update(gradient, chain.init(params), params)
    acted_on = LEARNER.network.penalised(params)
    penalised = jax.tree.map(lambda g, w, on: g + 0.02 * w if on else g, gradient, params, acted_on)
    alone = optax.lion(0.02, weight_decay=0.1)
    expected, _ = alone.update(penalised, alone.init(params), params)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), found, expected)


def test_what_it_uses_and_what_it_is_is_known() -> None:
    own = register(lion, hyper(), PARAMS)
    assert own.uses == ("learning_rate", "weight_decay") and str(own) == "lion" and known(own.name) is own
    assert register(plain, hyper(), PARAMS).uses == ("learning_rate",) and register(deaf, hyper(), PARAMS).uses == ()
    again = register(lambda hyper: optax.lion(hyper.learning_rate, weight_decay=hyper.weight_decay), hyper(), PARAMS)
    other = register(lambda hyper: optax.lion(hyper.learning_rate, b1=0.8), hyper(), PARAMS, "lion")
    assert again.name.partition("@")[2] == own.name.partition("@")[2] != other.name.partition("@")[2]
    more = register(lion, hyper(l1=0.3, learning_rate=7.0), PARAMS)
    assert more.name == own.name  # values are none of the program


@pytest.mark.slow
def test_members_train_with_it_in_one_program(train: Any, dataset: Dataset) -> None:
    """Optax's SGD with momentum as a function trains what the recipe's own does, whatever the strength and rate."""
    before = training.traces["train_epoch"]
    rates = {"grid": "l2,learning_rate", "learning_rate": [0.01, 0.1]}
    made, _ = with_own(sweep(**rates), dataset.signature, optimizer=plain)
    theirs = train(made)
    assert training.traces["train_epoch"] == before + 1
    ours = train(sweep(**rates, optimizer={"name": "sgd", "momentum": 0.9}))
    assert len(theirs) == len(ours) == 8 and not any(one.row["diverged_at"] for one in theirs.values())
    for name, one in theirs.items():
        np.testing.assert_allclose(one.row["test_cross_entropy"], ours[name].row["test_cross_entropy"], rtol=2e-3)
    other, _ = with_own(sweep(**rates), dataset.signature, optimizer=lion)
    one, two = (key(members(each)[0], each, dataset.digest).fingerprint for each in (made, other))
    assert one != two


def test_a_fitted_network_predicts_without_it(dataset: Dataset, tmp_path: Path) -> None:
    from jaxreg.fitted import fit

    made, about = with_own(sweep(), dataset.signature, optimizer=lion)
    assert about["optimizer"] == {"name": "lion", "uses": ["learning_rate", "weight_decay"]}
    fitted = fit(made, dataset, made.cells[0], 1)
    from jaxreg.engine import own_optimizers

    own_optimizers._REGISTRY._known.pop(made.recipe.optimizer.name)
    again = jaxreg.load(fitted.save(tmp_path / "made.safetensors"))
    rows = dataset.test.inputs
    np.testing.assert_array_equal(again.predict_proba(rows), fitted.predict_proba(rows))
    assert again.cell == fitted.cell
    with pytest.raises(UserError, match="the optimizer lion is not known here, or is another one by now"):
        with_own(made, dataset.signature)
    with pytest.raises(UserError, match="the optimizer lion is not known here, or is another one by now"):
        with_own(made, dataset.signature, optimizer=plain)


def test_it_is_named_on_the_command_line(dataset: Dataset, tmp_path: Path, monkeypatch: Any) -> None:
    (tmp_path / "steps.py").write_text(
        "import optax\ndef mine(hyper):\n    return optax.rmsprop(hyper.learning_rate)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    made, about = with_own(sweep(optimizer="steps:mine"), dataset.signature)
    assert about["optimizer"]["name"] == "steps:mine" and made.recipe.optimizer.name.startswith("steps:mine@")
    assert with_own(made, dataset.signature)[0] == made  # as a later session has it from run.json
    with pytest.raises(UserError, match="--optimizer steps:other: module 'steps' has no attribute 'other'"):
        with_own(sweep(optimizer="steps:other"), dataset.signature)
    with pytest.raises(UserError, match='optimizer.name: must be "adam", "sgd" or "package.module:name", got "adamm"'):
        sweep(optimizer="adamm")


def branches(hyper: Any) -> Any:
    return optax.adam(1e-3) if hyper.weight_decay > 0 else optax.sgd(1e-3)


@pytest.mark.parametrize(
    ("optimizer", "more", "said"),
    [
        (optax.adam(1e-3), {}, "must be a function of the hyperparameters that gives an Optax transformation, such as"),
        (lambda hyper: 3, {}, "optimizer lambda can't be traced: 'int' object has no attribute 'init'"),
        (lambda hyper: optax.adam(hyper.rate), {}, "'Hyperparameters' object has no attribute 'rate'"),
        (branches, {}, "optimizer branches: decides by a value that is only known when it runs"),
        (
            lambda hyper: optax.stateless(lambda g, p: {"w": g}),
            {},
            "optimizer lambda: its updates differ in shape or type",
        ),
        (plain, {"grid": "weight_decay", "weight_decay": [0, 0.1]}, "weight_decay: plain makes no use of it. Have it"),
        (deaf, {"grid": "learning_rate", "learning_rate": [0.1, 0.2]}, "learning_rate: deaf makes no use of it"),
        (
            lion,
            {"grid": "l1_exact", "l1_exact": [0, 0.1]},
            "l1_exact: needs the size of each step, which lion",
        ),
    ],
)
def test_what_cannot_be_is_said(optimizer: Any, more: dict[str, Any], said: str, dataset: Dataset) -> None:
    flags = {"l2": [0], **more} if "grid" in more else more
    with pytest.raises(UserError, match=said):
        with_own(sweep(**flags), dataset.signature, optimizer=optimizer)
