"""A field of somebody's own network is an axis: one program where its value can be traced, else a program a value."""

from __future__ import annotations

import json
import sys
import tomllib
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import jaxreg
from jaxreg import Run
from jaxreg.axes import AXES, present
from jaxreg.data.dataset import Dataset
from jaxreg.engine import training
from jaxreg.engine.own_networks import register
from jaxreg.errors import UserError
from jaxreg.own import with_network
from jaxreg.replay import replay
from jaxreg.report.layout import arrange
from jaxreg.spec.load import load, read
from jaxreg.spec.sweep import Sweep
from jaxreg.store.results import read as results_of
from jaxreg.sweep import main

ROOT = Path(__file__).parents[1]


class Net(nn.Module):
    """With a field of each kind."""

    widths: tuple[int, ...] = (4,)
    slope: float = 0.1
    rate: float = 0.0
    first: float = 1.0
    norm: bool = False
    act: str = "leaky"
    dtype: Any = None

    @nn.compact
    def __call__(self, x: Any, train: bool) -> Any:
        for width in self.widths:
            make = nn.initializers.variance_scaling(self.first, "fan_in", "normal")
            x = nn.Dense(width, kernel_init=make, dtype=self.dtype)(x)
            x = nn.leaky_relu(x, self.slope) if self.act == "leaky" else nn.tanh(x)
        x = nn.BatchNorm(use_running_average=not train)(x) if self.norm else x
        return nn.Dense(10)(nn.Dropout(self.rate, deterministic=not train)(x))


class Anew(nnx.Module):
    def __init__(self, width: int = 4, *, rngs: nnx.Rngs):
        self.hidden, self.last = nnx.Linear(784, width, rngs=rngs), nnx.Linear(width, 10, rngs=rngs)

    def __call__(self, x: Any) -> Any:
        return self.last(nnx.relu(self.hidden(x)))


def sweep(grid: str, **more: Any) -> Sweep:
    given = {"grid": grid, "splits": 2, "epochs": 2, "batch_size": [32], "second_stage": 0, "curve_images": 50}
    return load(flags={**given, **more})


def trained(grid: str, module: Any, dataset: Dataset, out: Path, **more: Any) -> Run:
    return jaxreg.run(sweep(grid, **more), network=module, dataset=dataset, out=out, report=False)


NUMBERS = ["train_cross_entropy", "test_cross_entropy", "test_accuracy", "weight_l1"]


def test_a_field_is_an_axis_of_which_only_the_name_is_known() -> None:
    assert "network.width" in AXES and AXES["network.width"].name == "network.width"
    assert not any(name in AXES for name in ("network.", "network.1x", "net.width", "network.a b"))
    assert "network.width" not in list(AXES) and len(AXES) == len(list(AXES))
    assert present(["cell", "network.b", "l2", "network.a", "network"]) == ["l2", "network", "network.b", "network.a"]
    assert AXES["network.width"].number("-0.5") == -0.5 and np.isnan(AXES["network.width"].number("4-8"))


def test_cells_have_the_first_value_unless_they_say_another() -> None:
    made = sweep("l2*network.width=8,16,network.act=tanh,leaky", l2=[0, 0.1])
    fields = {cell.name: dict(cell.settings.fields) for cell in made.cells}
    assert fields == {
        "plain": {"width": 8, "act": "tanh"},
        "l2=0.1": {"width": 8, "act": "tanh"},
        "network.width=16": {"width": 16, "act": "tanh"},
        "l2=0.1,network.width=16": {"width": 16, "act": "tanh"},
        "network.act=leaky": {"width": 8, "act": "leaky"},
    }
    assert read(made.resolved()) == read(tomllib.loads(made.to_toml())) == made
    settings = [cell.settings for cell in made.cells]
    assert len({settings[0].model_copy(update={"fields": {"act": "tanh", "width": 8}}), *settings}) == 5


def test_a_file_may_write_them_as_toml_has_it(tmp_path: Path) -> None:
    file = tmp_path / "s.toml"
    file.write_text(
        'grid = "l2*network.widths"\n[recipe]\nfields = {rate = 0.1}\n[axes]\nnetwork.widths = [[4, 8], [8]]\n'
    )
    fields = [cell.settings.fields for cell in load(file).cells]
    assert fields[0] == {"rate": 0.1, "widths": (4, 8)} and {"rate": 0.1, "widths": (8,)} in fields


PAIR = (lambda key, x: ({}, {}), lambda *_, **__: (0, {}))


@pytest.mark.parametrize(
    ("grid", "network", "said"),
    [
        ("network.wdth=1,2", Net(), r"network\.wdth: Net has no field wdth; it has widths, slope, rate, first, norm"),
        ("network.width=1,2", PAIR, r"network\.width: a pair \(init, apply\) has no fields"),
        ("network.rngs=1,2", Anew, r"network\.rngs: Anew has no field rngs; it has width\."),
        ("network.slope=1,2", None, r"network\.slope: is a field of a network of your own, and none is given.*--net"),
        ("network.widths=a,b", Net(), r"network Net can't be traced for two examples"),
    ],
)
def test_what_is_no_field_is_named(grid: str, network: Any, said: str, dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=said):
        trained(grid, network, dataset, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_values_have_to_be_given_and_to_be_values() -> None:
    with pytest.raises(UserError, match=r"grid: network.width has no usual values. Give some, as in --grid network.w"):
        sweep("l2*network.width")
    for value in ([], {"a": 1}, "a b", float("nan"), None):
        with pytest.raises(UserError, match="network.width"):
            load(flags={"grid": "network.width", "network.width": [value]})
    with pytest.raises(UserError, match=r"width is of jaxreg's own.*is network\.width"):
        load(flags={"grid": "width", "network": "mynets:Net"})


def test_what_can_be_traced_is_one_program_and_what_decides_in_python_one_a_value(dataset: Dataset) -> None:
    names = {}
    for grid in ("network.slope=0,0.1", "network.first=1,2", "network.rate=0,0.1", "network.widths=4,8"):
        told, _ = with_network(sweep(grid), dataset.signature, Net())
        names[grid] = {cell.settings.network for cell in told.cells}
        assert read(told.resolved()) == told and not told.differences(read(told.resolved()))
    assert [len(found) for found in names.values()] == [1, 1, 2, 2]
    both = register(Net, (784,), 10, fields={"slope": 0.3, "rate": 0.1, "first": 2, "act": "leaky"})
    assert both.traced_fields == ("slope", "first")
    half = register(Net(dtype=jnp.bfloat16), (784,), 10, fields={"slope": 0.3})
    assert half.traced_fields == (), "an array of float32 would make float32 of what is computed in bfloat16"


def test_a_value_is_in_the_program_like_the_field_of_a_module(dataset: Dataset) -> None:
    given = register(Net(), (784,), 10, fields={"widths": [4, 8], "rate": 0.2, "act": "tanh"})
    assert given.name == register(Net((4, 8), rate=0.2, act="tanh"), (784,), 10).name
    assert register(Anew, (784,), 10, fields={"width": 6}).size == 784 * 6 + 6 + 60 + 10


@pytest.fixture(scope="module")
def run(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Run:
    out = tmp_path_factory.mktemp("fields") / "run"
    before = dict(training.traces)
    made = jaxreg.run(
        sweep("l2*network.slope=0,0.5", l2=[0, 0.01], full_seeds=1), network=Net(), dataset=dataset, out=out
    )
    assert training.traces["train_epoch"] - before.get("train_epoch", 0) == 2, "parts and all rows, whatever the value"
    return made


@pytest.mark.networks
def test_a_traced_value_does_what_a_constant_does(run: Run, dataset: Dataset, tmp_path: Path) -> None:
    named = {"low": Net(slope=0.0), "high": Net(slope=0.5)}
    alone = trained("l2*network", named, dataset, tmp_path / "alone", l2=[0, 0.01], network=[*named], full_seeds=1)
    assert len(run.members) == len(alone.members) == 12
    keys = ["l2", "split", "seed"]
    for name, slope in (("low", 0.0), ("high", 0.5)):
        mine = run.members[run.members["network.slope"] == slope].sort_values(keys)
        theirs = alone.members[alone.members["network"] == name].sort_values(keys)
        for column in NUMBERS:
            np.testing.assert_allclose(mine[column], theirs[column], rtol=1e-4, atol=1e-6, err_msg=column)
    slopes = run.members.groupby("network.slope")["test_cross_entropy"].mean()
    assert slopes[0.0] != slopes[0.5]


@pytest.mark.networks
def test_it_is_known_again(run: Run, dataset: Dataset, tmp_path: Path) -> None:
    """A further value trains its own members alone; a replay is the same; another module is refused."""
    before = {path.name: path.stat().st_mtime_ns for path in (run.folder / "members").iterdir()}
    more = trained("l2*network.slope=0,0.5,-0.2", Net(), dataset, run.folder, l2=[0, 0.01], full_seeds=1)
    after = {path.name: path.stat().st_mtime_ns for path in (run.folder / "members").iterdir()}
    assert {name: after[name] for name in before} == before and len(more.members) == 18
    assert set(more.members["network.slope"]) == {0.0, 0.5, -0.2}
    assert replay(run.folder, "l2=0.01,network.slope=0.5/split1/seed0", dataset=dataset).same
    with pytest.raises(UserError, match='network: "Net@'):
        trained("l2*network.slope=0,0.5", Net((5,)), dataset, run.folder, l2=[0, 0.01], full_seeds=1)
    fitted = run.fit(1, "network.slope=0.5", dataset=dataset)
    rows = dataset.test.inputs[:20]
    back = jaxreg.load(fitted.save(tmp_path / "n.safetensors"), network=Net())
    np.testing.assert_array_equal(back.predict_proba(rows), fitted.predict_proba(rows))
    plain = run.fit(1, "plain", dataset=dataset)
    assert not np.array_equal(plain.predict_proba(rows), fitted.predict_proba(rows))


@pytest.mark.networks
def test_the_page_speaks_of_them(run: Run) -> None:
    layout = arrange(results_of(run.folder))
    programs = json.loads((run.folder / "run.json").read_text())["sweep"]["programs"]
    assert [line.axis for line in layout.lines] == ["l2", "network.slope"] and not layout.base_is_none
    assert "network.slope 0 and 0.5" in run.report and "no regularisation (`plain`)" not in run.report
    assert "`network.slope=0.5`" in run.report and "Net, 3,190 parameters; penalised: `Dense_0/kernel`" in run.report
    assert {"Net(slope=0)", "Net(slope=0.5)"} <= programs.keys() and len({*programs.values()}) == 1


@pytest.mark.networks
def test_a_value_that_is_a_program_of_its_own_comes_out_as_alone(dataset: Dataset, tmp_path: Path) -> None:
    made = trained("network.rate=0,0.4", Net(), dataset, tmp_path / "fields")
    named = {"off": Net(), "some": Net(rate=0.4)}
    alone = trained("network", named, dataset, tmp_path / "named", network=[*named])
    for column in NUMBERS:
        np.testing.assert_array_equal(made.members[column], alone.members[column], err_msg=column)


@pytest.mark.networks
def test_a_command_names_them(tmp_path: Path, monkeypatch: Any, capsys: Any) -> None:
    (tmp_path / "fieldnets.py").write_text(
        "import flax.linen as nn\n\n\nclass Net(nn.Module):\n    width: int = 3\n\n    @nn.compact\n"
        "    def __call__(self, x):\n        return nn.Dense(2)(nn.relu(nn.Dense(self.width)(x)))\n"
    )
    x = np.random.default_rng(0).normal(size=(80, 3))
    np.savez(tmp_path / "d.npz", x=x, y=x[:, 0] > 0)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    more = ["--data", "d.npz", "--epochs", "2", "--splits", "2", "--no-full", "--network", "fieldnets:Net"]
    assert main(["--grid", "l2=0,0.1*network.width=3,8", *more, "--dry-run"]) == 0
    assert "l2=0.1,network.width=8  fieldnets:Net(width=8)" in capsys.readouterr().out
    assert main(["--grid", "l2=0,0.1*network.width=3,8", *more, "--out", "run"]) == 0
    assert replay("run", "network.width=8/split0/seed0").same
    assert Run("run").fit(1, "network.width=8").members[0].params["Dense_1"]["kernel"].shape == (3, 8)
    sys.modules.pop("fieldnets")


@pytest.mark.networks
def test_the_example_in_the_documents_runs(dataset: Dataset, tmp_path: Path) -> None:
    document = (ROOT / "docs" / "networks.md").read_text(encoding="utf-8")
    example, fields = (block.split("```")[0] for block in document.split("```python\n")[1:3])
    small = sweep("l2*network.widths=4-8,8-16", l2=[0, 0.01])
    here: dict[str, Any] = {"SMALL": small, "DATA": dataset, "OUT": tmp_path / "run"}
    exec(
        example.split("run = ")[0] + fields.replace('"l2*network.widths=4-8,8-16",', "SMALL, dataset=DATA, out=OUT,"),
        here,
    )
    accuracy = here["run"].members.groupby("network.widths")["test_accuracy"].mean()
    assert set(accuracy.index) == {"4-8", "8-16"} and accuracy.gt(0.1).all()
