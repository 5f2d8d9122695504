"""A network of one's own is found again from the folder of a run: by fit, a replay, and who goes on with it."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import jaxreg
from jaxreg import Run
from jaxreg import fit as fit_command
from jaxreg import sweep as sweep_command
from jaxreg.engine import own_networks
from jaxreg.errors import UserError
from jaxreg.replay import replay

MODULE = """
import flax.linen as nn


class Net(nn.Module):
    width: int = 3

    @nn.compact
    def __call__(self, x):
        return nn.Dense(2)(nn.relu(nn.Dense(self.width)(x)))


class Other(nn.Module):
    @nn.compact
    def __call__(self, x):
        return nn.Dense(2)(nn.tanh(nn.Dense(3)(x)))


wide = Net(8)
"""
HOW = {"report": False, "epochs": 2, "design": "parts", "splits": 2, "second_stage": 0, "curve_images": 20}


@pytest.fixture
def nets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A module of a file, in the folder that is the current one; forgotten after."""
    (tmp_path / "runnets.py").write_text(MODULE)
    x = np.random.default_rng(0).normal(size=(80, 3))
    np.savez(tmp_path / "d.npz", x=x, y=x[:, 0] > 0)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield importlib.import_module("runnets")
    sys.modules.pop("runnets")


def forget() -> None:
    """As in another process."""
    own_networks._REGISTRY._known.clear()


@pytest.mark.networks
def test_a_network_that_python_finds_need_not_be_given_again(nets: Any, capsys: Any) -> None:
    jaxreg.run("l2=0,0.1", network=nets.Net, penalised=lambda path: True, data="d.npz", out="run", **HOW)
    (told,) = json.loads(Path("run/run.json").read_text())["networks"]
    assert told["found_at"] == "runnets:Net" and len(told["penalised"]) == 4
    forget()
    assert replay("run", "l2=0.1/split0/seed0").same
    forget()
    assert fit_command.main(["run", "--cell", "l2=0.1", "--ensemble", "1", "--save", "n.safetensors", "--quiet"]) == 0
    forget()
    assert fit_command.main(["run", "--cell", "plain", "--save", "o.safetensors", "--network", "runnets:Other"]) == 2
    assert "the network Net is not known here, or is another one by now" in capsys.readouterr().err


@pytest.mark.networks
def test_one_that_python_does_not_find_is_given(nets: Any) -> None:
    """An instance with fields of its own: its class is found, which is another program."""
    jaxreg.run("l2=0,0.1", network=nets.wide, data="d.npz", out="run", **HOW)
    forget()
    with pytest.raises(UserError, match="Give the same one again: network=… from Python, or --network package.mod"):
        Run("run").fit(1, "plain")
    fitted = Run("run").fit(1, "plain", network=nets.wide)
    assert fitted.members[0].params["Dense_1"]["kernel"].shape == (3, 8)
    forget()
    named = {"--network": "runnets:wide", "--cell": "plain", "--ensemble": "1", "--save": "n.safetensors"}
    assert fit_command.main(["run", *(word for pair in named.items() for word in pair), "--quiet"]) == 0
    forget()
    record = json.loads(Path("run/run.json").read_text())
    record["networks"][0]["found_at"] = None
    Path("run/run.json").write_text(json.dumps(record))
    with pytest.raises(UserError, match=r"Net is not known here. .*Run\('run'\).fit\(network=…\), or --network pack"):
        Run("run").fit(1, "plain")
    assert replay("run", "plain/split0/seed0", network=nets.wide).same


@pytest.mark.networks
def test_several_are_given_by_name(nets: Any) -> None:
    both = {"one": nets.Net(), "two": nets.wide}
    jaxreg.run("network", network=both, data="d.npz", out="run", **HOW)
    forget()
    fitted = Run("run").fit(1, "network=two", network=both)
    assert fitted.members[0].params["Dense_1"]["kernel"].shape == (3, 8)


@pytest.mark.networks
def test_a_name_from_python_is_what_it_is_on_a_command_line(nets: Any) -> None:
    Path("r.toml").write_text("splits = 2\nsecond_stage = 0\ncurve_images = 20\n[recipe]\nepochs = 2\n")
    flags = "--grid l2=0,0.1 --network runnets:Net --design parts --data d.npz --no-full --quiet --out typed"
    assert sweep_command.main(["r.toml", *flags.split()]) == 0
    jaxreg.run("l2=0,0.1", network="runnets:Net", data="d.npz", out="run", **HOW)
    typed, run = (sorted(path.name for path in Path(folder, "members").iterdir()) for folder in ("typed", "run"))
    assert typed == run and len(run) > 3
    jaxreg.run("l2=0,0.1", network=["runnets:Net", "runnets:Other"], data="d.npz", out="both", **HOW)
    assert {"plain", "network=Other"} <= set(Run("both").members["cell"])


@pytest.mark.networks
def test_runs_with_fields_are_gone_on_with(nets: Any) -> None:
    Path("r.toml").write_text(
        'data = "d.npz"\nsplits = 2\ncurve_images = 20\n[recipe]\nepochs = 2\nnetwork = "runnets:Net"\n'
        '[[run]]\nname = "a"\nfields = {width = 4}\n[[run]]\nname = "b"\nfields = {width = 8}\n'
        '[[run]]\nname = "c"\nafter = "b"\nfields = {width = 8}\n'
    )
    jaxreg.run("r.toml", out="run", report=False)
    before = {path.name: path.stat().st_mtime_ns for path in Path("run/members").iterdir()}
    jaxreg.run("r.toml", out="run", report=False)
    assert {path.name: path.stat().st_mtime_ns for path in Path("run/members").iterdir()} == before
    forget()
    assert Run("run").fit(1, "b").members[0].params["Dense_1"]["kernel"].shape == (3, 8)
