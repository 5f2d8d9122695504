"""Programs are compiled for what decides them alone, are not given up after one failure, and have their own keys."""

from __future__ import annotations

from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import jax
import numpy as np
import pytest
from one_member import hyper, learner

from jaxreg.cluster.waiting import Waiting
from jaxreg.engine import devices, programs, training
from jaxreg.engine.programs import Programs
from jaxreg.engine.progress import Silent
from jaxreg.errors import UserError
from jaxreg.spec.load import load
from jaxreg.spec.members import members


def test_what_only_training_makes_use_of_is_no_other_program_of_scoring(train: Any, small: Any) -> None:
    made = small(hidden=[7], splits=1, l1_exact=[0, 1e-4], input_noise=[0, 0.1])
    before = training.traces.copy()
    train(made)
    new = training.traces - before
    assert new["train_epoch"] == 3
    assert new["predict"] == new["score"] == 2, "of test and of own rows"


def test_a_schedule_of_steps_is_one_program_for_any_number_of_epochs() -> None:
    steps = {"name": "step", "epochs": [2], "factor": 0.1}
    assert learner(schedule=steps, epochs=3) == learner(schedule=steps, epochs=4)
    assert learner(schedule="cosine", epochs=3) != learner(schedule="cosine", epochs=4)


def test_what_could_not_be_compiled_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Programs, "_compiled", {})
    failed: Future[Any] = Future()
    failed.set_exception(OSError("no space left on device"))
    full = SimpleNamespace(submit=lambda *_, **__: failed)
    mine, one = Programs(devices.member_mesh(1), Silent()), jax.tree.map(lambda leaf: np.asarray(leaf)[None], hyper())
    with monkeypatch.context() as patch, pytest.raises(OSError, match="no space"):
        patch.setattr(programs, "COMPILERS", full)
        mine(training.start, learner(hidden=[3]), one)
    assert mine(training.start, learner(hidden=[3]), one).steps.shape == (1,)


@pytest.mark.parametrize(("option", "value"), [("jax_default_prng_impl", "rbg"), ("jax_threefry_partitionable", False)])
def test_chance_is_the_same_whatever_jax_is_told(option: str, value: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    mine, one = Programs(devices.member_mesh(1), Silent()), jax.tree.map(lambda leaf: np.asarray(leaf)[None], hyper())

    def first() -> Any:
        monkeypatch.setattr(Programs, "_compiled", {})
        return jax.tree.leaves(mine(training.start, learner(hidden=[3]), one).weights)

    expected, usual = first(), getattr(jax.config, option)
    jax.config.update(option, value)
    try:
        found = first()
    finally:
        jax.config.update(option, usual)
    for a, b in zip(expected, found, strict=True):
        np.testing.assert_array_equal(a, b)


def test_64_bits_are_refused(float64: None) -> None:
    with pytest.raises(UserError, match="JAX_ENABLE_X64: jaxreg trains in 32 bits.*Unset it"):
        devices.configure()


def test_values_of_a_traced_field_wait_together() -> None:
    made = load(flags={"grid": "network.slope=0,0.1", "network": "n:Net", "splits": 2, "second_stage": 0})
    known = {cell.name: "Net@a" for cell in made.cells}
    for names, groups in ((known, 1), (known | {"network.slope=0.1": "Net@b"}, 2)):
        cells = tuple(
            cell.model_copy(update={"settings": cell.settings.model_copy(update={"network": names[cell.name]})})
            for cell in made.cells
        )
        sweep = made.model_copy(update={"cells": cells})
        assert len(Waiting(members(sweep), sweep).ready) == groups
