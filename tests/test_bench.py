"""The benchmark: what it counts, that its clock loses nothing, and that it runs."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxreg.bench import accelerators, host, job, phases, rounds, table, tables
from jaxreg.bench.__main__ import main
from jaxreg.bench.limits import step_seconds
from jaxreg.bench.peers import PEERS
from jaxreg.bench.worker import Worker
from jaxreg.engine.grouping import prepare
from jaxreg.engine.networks import MLP
from jaxreg.source import sweep_and_data
from jaxreg.spec.members import members as all_members


def weights(hidden):
    return jax.eval_shape(MLP(hidden, 10).init, jax.random.key(0), jnp.zeros((1, 784)))


@pytest.mark.parametrize("hidden", [(32,), (225, 256, 128)])
def test_parameters_are_those_of_the_network(hidden):
    assert job.parameters(hidden) == sum(leaf.size for leaf in jax.tree.leaves(weights(hidden)))


@pytest.mark.parametrize("hidden", [(32,), (225, 256, 128)])
def test_flops_are_those_of_the_products_in_the_traced_gradient(hidden):
    def loss(variables, images):
        return jnp.sum(MLP(hidden, 10).apply(variables, images))

    variables = weights(hidden)
    traced = jax.make_jaxpr(jax.grad(loss))(variables, jax.ShapeDtypeStruct((job.BATCH, 784), jnp.float32))

    def products(jaxpr):
        used = {id(read) for reader in jaxpr.eqns for read in reader.invars} | {id(out) for out in jaxpr.outvars}
        for equation in jaxpr.eqns:
            if used.isdisjoint(map(id, equation.outvars)):
                continue  # nobody asks for the gradient of the inputs
            if equation.primitive.name == "dot_general":
                ((contracted, _), _) = equation.params["dimension_numbers"]
                (left, _), (out,) = equation.invars, equation.outvars
                yield 2 * out.aval.size * int(np.prod([left.aval.shape[axis] for axis in contracted]))
            for value in equation.params.values():
                if isinstance(value, tuple) and value:
                    value = value[0]  # one branch of those of which each device takes its own
                inner = getattr(value, "jaxpr", None)
                if inner is not None:
                    yield from products(getattr(inner, "jaxpr", inner))

    assert job.step_flops(hidden) == sum(products(traced.jaxpr))


def test_a_machine_twice_as_fast_in_everything_has_half_the_limit():
    assert step_seconds(2e11, 6e10) == pytest.approx(step_seconds(1e11, 3e10) / 2)


def test_the_clock_charges_the_inner_phase_alone_and_loses_nothing(monkeypatch):
    now = iter([1.0, 3.0, 7.0, 12.0])
    monkeypatch.setattr(phases.time, "time", lambda: next(now))
    clock = phases.Clock(0.0)
    clock.enter("train")
    clock.enter("compile")
    clock.leave()
    clock.leave()
    assert clock.seconds == {"start": 1.0, "train": 2.0 + 5.0, "compile": 4.0}


def test_a_worker_that_dies_says_why():
    worker = Worker("no such peer", 1)
    try:
        assert "no such peer" in worker.answer()["failed"]
    finally:
        worker.close()


def test_the_table_says_who_is_missing_and_how_to_have_them():
    one = {"median": 2.0, "low": 1.0, "high": 3.0}
    peers = {
        "rounds": 7,
        "steps": 375,
        "missing": {"torch": f"not installed: {PEERS['torch'].install}"},
        "limits": dict.fromkeys(("matmul", "copy", "cached_copy"), one),
        "share_of_limit": dict.fromkeys(("copy", "cached_copy"), one),
        "peers": {
            name: {"title": PEERS[name].title, "rate": one, "ratio": one, "prepare_seconds": 4.0}
            for name in ("engine", "keras-jax")
        },
    }
    about = {"device": "a processor", "devices": 2, "platform": "cpu", "cores": 2, "date": "2026-01-01"}
    text = table.write({"about": {**about, "versions": {"jax": "1"}}, "commands": {"peers": "python"}, "peers": peers})
    assert PEERS["keras-jax"].title in text and "2.00 (1.00 to 3.00) ×" in text
    assert "- torch: not installed: pip install torch" in text


def test_an_unknown_section_is_refused_with_the_known_ones(capsys):
    assert main(["--only", "speed"]) == 2
    assert "growth" in capsys.readouterr().err


@pytest.mark.slow
def test_peers_take_turns_alone_and_one_per_core():
    result = rounds.compare(rounds=2, steps=3, python={}, names=["jax-epoch"], say=lambda text: None)
    assert result["missing"] == {}
    assert {"engine", "jax-epoch"} <= set(result["peers"])
    for peer in result["peers"].values():
        assert 0 < peer["rate"]["low"] <= peer["rate"]["median"] <= peer["rate"]["high"]
    assert result["peers"]["engine"]["ratio"] == {"median": 1.0, "low": 1.0, "high": 1.0}


@pytest.mark.slow
def test_a_sweep_under_the_clock_is_all_accounted_for(tmp_path):
    flags = {"grid": "l1", "l1": [0.0, 1e-3], "hidden": [8], "epochs": 1, "splits": 2, "batch_size": [1000]}
    run = phases.launch(flags, cache=str(tmp_path))
    assert run["members"] == 4 and run["peak_bytes"] > 50e6
    accounted = sum(run.get(phase, 0.0) for phase in phases.PHASES)
    assert 0.8 * run["wall"] < accounted <= run["wall"]
    assert run["compile"] > 0 and run["until_first_epoch"] < run["wall"]


def test_a_missing_compiler_is_named_with_what_brings_it(monkeypatch):
    monkeypatch.setattr(accelerators, "find_spec", lambda name: None)
    found = accelerators.measure(["v5e", "h100"], {}, "a command", lambda text: None)
    assert found["targets"] == {}
    assert "pip install -e '.[tpu-compiler]'" in found["missing"]["v5e"] and "jax[cuda12]" in found["missing"]["h100"]
    text = "\n".join(table._accelerators(found))
    assert "Nothing here ran" in text and "- TPU v5e: its compiler is not installed." in text


@pytest.mark.slow
def test_the_host_keeps_an_epoch_going_without_its_programs():
    """What is measured of the host takes time, and less than training does."""
    assert 0 < host.epoch_seconds(block=2, steps=10, epochs=4) < 1


def test_sections_name_the_command_that_made_them():
    one = {"peers": "a", "phases": "a"}
    assert table._commands(one) == "Command: `a`."
    assert table._commands(one | {"growth": "b"}) == "Commands: `a` (peers, phases); `b` (growth)."


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_both_train_as_many_steps_on_the_same_rows_of_a_table(monkeypatch, tmp_path):
    for name, value in {"ROWS": 1600, "TESTED": 400}.items():
        monkeypatch.setattr(tables, name, value)
    file = str(tables.made(tmp_path))
    flags = {"grid": "l2", "l2": [0.0], "splits": 5, "epochs": 2, "hidden": [64, 32], "second_stage": 0, "data": file}
    sweep, data = sweep_and_data(None, flags)
    ((group, members),) = prepare(all_members(sweep), sweep, data).items()
    assert group.batch_size == tables.BATCH and len(members) == tables.PARTS
    for one in members:
        theirs = tables.classifier(2).fit(data.train.inputs[one.rows], data.train.targets[one.rows])
        assert theirs.t_ == group.epochs * one.rows.size  # examples seen
        assert [layer.shape for layer in theirs.coefs_] == [(50, 64), (64, 32), (32, 3)]


def test_what_was_measured_of_tables_is_written():
    one = {"median": 2.0, "low": 1.0, "high": 3.0}
    job = {"epochs": 7, "training_ratio": one, "job_ratio": one}
    job |= {name: {"rate": one, "job": one} for name in ("jaxreg", "scikit-learn")}
    found = {"rows": 20, "features": 3, "members": 6, "rounds": 2, "wine": one, "jobs": [job]}
    assert "2.0 (1.0 to 3.0) times" in "\n".join(tables.section(found))
