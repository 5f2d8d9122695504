"""A device that runs out of memory: fewer members side by side, everybody trained once."""

from __future__ import annotations

from collections import Counter

import jax
import jax.numpy as jnp
import pytest
from test_cohorts import close, same

from jaxreg.engine import training
from jaxreg.engine.programs import Programs
from jaxreg.engine.progress import Silent
from jaxreg.engine.trainer import Trainer
from jaxreg.spec.members import members


class Heard(Silent):
    def __init__(self):
        super().__init__()
        self.warnings = []

    def warn(self, text):
        self.warnings.append(text)


@pytest.fixture
def scarce(monkeypatch):
    """A device on which a function fits for so many members side by side; with more, it allocates what none has."""
    call = Programs.__call__

    def limit(members, function, error=None):
        def limited(self, called, *arguments, **more):
            if called is function and self.block > members:
                if error is not None:
                    raise error
                jnp.zeros(2**46).block_until_ready()  # 256 TiB: more than an address space has
            return call(self, called, *arguments, **more)

        monkeypatch.setattr(Programs, "__call__", limited)

    return limit


def trained(sweep, dataset, block, heard):
    """How often each member came, and what came."""
    trainer, weights, count, finished = Trainer(sweep, dataset, block, 2, heard), {}, Counter(), {}
    for done in trainer.train(members(sweep), weights, {}):
        weights |= {one.id: one.weights for one in done}
        count.update(one.id for one in done)
        finished |= {one.id: one for one in done}
    return count, finished


@pytest.fixture
def sweep(small):
    """Twelve members: more than a call of two devices with two or four members each takes."""
    return small(l1=[0.0, 1e-4], l2=[0.0, 1e-3], splits=2, seeds=2)


# Before the first epoch, in it, and when all epochs are over.
@pytest.mark.slow
@pytest.mark.parametrize("function", [training.start, training.train_epoch, training.predict])
def test_out_of_memory_halves_until_it_fits(sweep, dataset, train, scarce, function):
    expected = train(sweep, block=2)
    scarce(2, function)
    heard = Heard()
    count, finished = trained(sweep, dataset, 8, heard)
    assert heard.warnings == [
        f"the device is out of memory: {number} members at a time from here on" for number in (4, 2)
    ]
    assert count == Counter(member.id for member in members(sweep)), "everybody once"
    for name, member in expected.items():
        close(finished[name], member)


@pytest.mark.slow
def test_followers_start_from_who_was_trained_when_memory_ran_out(small, dataset, train, scarce):
    sweep = small(run=[{"name": "second", "after": "first", "epochs": 1}, {"name": "first"}], seeds=2)
    expected = train(sweep)
    scarce(1, training.train_epoch)
    count, finished = trained(sweep, dataset, 2, Heard())
    assert set(count.values()) == {1} and set(finished) == set(expected)
    for name, member in expected.items():
        same(finished[name], member)


def test_one_at_a_time_is_the_end(small, dataset, scarce):
    scarce(0, training.start)
    heard = Heard()
    with pytest.raises(jax.errors.JaxRuntimeError, match="RESOURCE_EXHAUSTED"):
        trained(small(), dataset, 1, heard)
    assert heard.warnings == []


@pytest.mark.parametrize(
    "error",
    [
        jax.errors.JaxRuntimeError("INTERNAL: the compiler is ill"),
        ValueError("RESOURCE_EXHAUSTED: of another kind"),
        MemoryError("RESOURCE_EXHAUSTED: the host's"),
    ],
    ids=["internal", "value", "host"],
)
def test_another_error_is_raised_as_it_is(small, dataset, scarce, error):
    scarce(1, training.start, error)
    heard = Heard()
    with pytest.raises(type(error)) as raised:
        trained(small(), dataset, 8, heard)
    assert raised.value is error and heard.warnings == []
