"""The mean of the weights of the last epochs: what it is, whom it leaves alone, and how it goes on."""

from __future__ import annotations

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
import pytest

import jaxreg
from jaxreg.errors import UserError
from jaxreg.spec.load import load

SMALL = {"splits": 2, "epochs": 4, "hidden": [6], "second_stage": 0}


def sweep(**more):
    return load(flags={"grid": "averaged_epochs", "averaged_epochs": [1, 2, 3], **SMALL, **more})


def test_the_mean_is_that_of_runs_that_end_at_each_epoch(train, small):
    """Bit for bit but for the order of sums: a run of e epochs ends where epoch e of a longer one does."""
    ends = []
    for epochs in (2, 3, 4):
        ((result,),) = [list(train(small(l1=[1e-4], splits=1, epochs=epochs)).values())]
        ends.append(result.weights["params"])
    averaged = small(l1=[1e-4], splits=1, epochs=4, averaged_epochs=3)
    (result,) = train(averaged).values()
    for layer, arrays in result.weights["params"].items():
        for name, own in arrays.items():
            mean = np.mean([end[layer][name] for end in ends], axis=0)
            np.testing.assert_allclose(own, mean, rtol=1e-5, atol=1e-7)


def test_one_epoch_is_no_averaging_and_company_changes_nothing(train, small):
    (plain,) = train(small(l1=[0.0], splits=1, epochs=4)).values()
    beside = train(small(averaged_epochs=[1, 3], splits=1, epochs=4))
    same = next(one for name, one in beside.items() if "averaged_epochs" not in name)
    np.testing.assert_array_equal(plain.predictions, same.predictions)
    other = next(one for name, one in beside.items() if "averaged_epochs=3" in name)
    assert (other.predictions != same.predictions).any()
    assert [row["train_loss"] for row in other.history] == [row["train_loss"] for row in same.history]


@pytest.mark.networks
def test_flags_and_counts_in_the_state_have_no_mean(dataset, tmp_path):
    """A network that keeps them trains as one without, and they are those after the last epoch."""

    class Plain(nn.Module):
        @nn.compact
        def __call__(self, x):
            return nn.Dense(10)(nn.relu(nn.Dense(4)(x)))

    class Counts(nn.Module):
        @nn.compact
        def __call__(self, x, train):
            steps, begun = (
                self.variable("own", name, jnp.zeros, (), kind) for name, kind in (("steps", int), ("begun", bool))
            )
            if train:
                steps.value, begun.value = steps.value + 1, jnp.ones((), bool)
            return nn.Dense(10)(nn.relu(nn.Dense(4)(x)))

    small, columns = sweep(epochs=4, batch_size=[25]), ["cell", "split", "test_cross_entropy"]
    runs = [
        jaxreg.run(small, network=net(), dataset=dataset, out=tmp_path / net.__name__, report=False)
        for net in (Plain, Counts)
    ]
    assert runs[0].members[columns].equals(runs[1].members[columns])
    own = runs[1].fit(1, "averaged_epochs=3", dataset=dataset).members[0].statistics["own"]
    assert own["begun"] and own["steps"] == 4 * len(dataset.train.inputs) // 25 and own["steps"].dtype == jnp.int32


@pytest.mark.slow
def test_more_epochs_are_averaged_anew(dataset, tmp_path):
    """The last epochs are others then, whatever was kept."""
    short = load(flags={"grid": "averaged_epochs", "averaged_epochs": [1, 2], **SMALL, "epochs": 3})
    long = load(flags={"grid": "averaged_epochs", "averaged_epochs": [1, 2], **SMALL, "epochs": 4})
    jaxreg.run(short, dataset=dataset, out=tmp_path / "grown", keep_state=True)
    grown = jaxreg.run(long, dataset=dataset, out=tmp_path / "grown", keep_state=True)
    fresh = jaxreg.run(long, dataset=dataset, out=tmp_path / "fresh")
    columns = ["member", "test_cross_entropy", "weight_l2"]
    assert grown.members[columns].equals(fresh.members[columns])


def test_early_stopping_does_not_know_the_last_epochs():
    with pytest.raises(UserError, match="early stopping does not know"):
        load(flags={"grid": "l1", "averaged_epochs": [3], "early_stopping": [3], **SMALL})
