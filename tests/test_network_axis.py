"""Several networks are an axis: each is trained as it is alone, and the report tells them apart by their names."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
import pytest

import jaxreg
from jaxreg import Run
from jaxreg.data.dataset import Dataset
from jaxreg.engine import training
from jaxreg.engine.own_networks import named, register
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
    """Of a width, and of a depth: other shapes, and another program."""

    width: int = 4
    deep: bool = False

    @nn.compact
    def __call__(self, x: Any, train: bool) -> Any:
        for _ in range(1 + self.deep):
            x = nn.relu(nn.Dense(self.width)(x))
        x = nn.BatchNorm(use_running_average=not train)(x)
        return nn.Dense(10)(nn.Dropout(0.1, deterministic=not train)(x))


THEIRS = {"narrow": Net(4), "wide": Net(9, deep=True)}


def sweep(grid: str = "l2*network", networks: Any = tuple(THEIRS), **more: Any) -> Sweep:
    given = {"grid": grid, "l2": [0, 0.01], "splits": 2, "epochs": 2, "batch_size": [32], "second_stage": 0}
    return jaxreg.load(flags={**given, "curve_images": 50, "network": list(networks), **more})


@pytest.fixture(scope="module")
def both(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return jaxreg.run(sweep(), network=THEIRS, dataset=dataset, out=tmp_path_factory.mktemp("axis") / "both")


NUMBERS = ["train_cross_entropy", "test_cross_entropy", "test_accuracy", "penalty", "weight_l1", "architecture"]


@pytest.mark.networks
@pytest.mark.parametrize("name", THEIRS)
def test_each_network_comes_out_as_alone_bit_for_bit(both: Run, name: str, dataset: Dataset, tmp_path: Path) -> None:
    alone = jaxreg.run(
        sweep("l2", [name]), network={name: THEIRS[name]}, dataset=dataset, out=tmp_path / "alone", report=False
    )
    mine = both.members[both.members["network"] == name].reset_index(drop=True)
    assert len(mine) == len(alone.members) == 4
    for column in NUMBERS:
        np.testing.assert_array_equal(mine[column], alone.members[column], err_msg=column)
    names = [re.sub(r"network=\w+,?|,network=\w+", "", cell) or "plain" for cell in mine["cell"]]
    assert names == list(alone.members["cell"]) == ["plain"] * 2 + ["l2=0.01"] * 2
    rows = both.members.index[both.members["network"] == name]
    predicted, expected = (np.load(run.folder / "predictions.npz")["log_probabilities"] for run in (both, alone))
    np.testing.assert_array_equal(predicted[rows], expected)


@pytest.mark.networks
def test_one_network_alone_is_what_it_was_without_a_name_for_it(dataset: Dataset, tmp_path: Path) -> None:
    """The same as an object: cells, members and their numbers have nothing of an axis."""
    given = jaxreg.load(flags={"grid": "l2", "l2": [0, 0.01], "splits": 2, "epochs": 2, "second_stage": 0})
    one = jaxreg.run(given, network=Net(4), dataset=dataset, out=tmp_path / "one", report=False)
    two = jaxreg.run(given, network={"narrow": Net(4)}, dataset=dataset, out=tmp_path / "two", report=False)
    for column in (*NUMBERS[:-1], "member", "cell"):
        np.testing.assert_array_equal(one.members[column], two.members[column])
    assert set(one.members["network"]) == {"Net"} and list(one.members["cell"]) == ["plain"] * 2 + ["l2=0.01"] * 2


@pytest.mark.networks
def test_the_report_tells_them_apart_by_name(both: Run) -> None:
    assert list(dict.fromkeys(both.members["cell"])) == ["plain", "network=wide", "l2=0.01", "l2=0.01,network=wide"]
    layout = arrange(results_of(both.folder, for_report=True))
    assert layout.swept == ("l2", "network") and "(`network=narrow`, no reg" in layout.introduced("plain")
    assert "8 networks (narrow and wide; narrow where a cell names none), trained on 100 images" in both.report
    assert "no regularisation (`plain`)" not in both.report
    assert [cells.title for cells in layout.lists] == ["", "Network"] and len(layout.products) == 1
    assert "map-l2-network" in both.figures
    assert "`network=wide`" in both.report and "Network" in both.report
    assert re.search(
        "narrow, 3,.*penalised: `Dense_0/kernel`; wide, .*: `Dense_0/kernel` and `Dense_1/kernel`\n", both.report
    )
    above, resolved = both.report.split("## How this was made")
    assert not re.search(r"@[0-9a-f]{6}|225|hidden layers", above) and "@" in resolved
    assert not any(re.search(r"(narrow|wide)@", file.read_text("utf-8")) for file in both.folder.glob("*.csv"))


@pytest.mark.networks
def test_they_are_known_again(both: Run, dataset: Dataset) -> None:
    """From the folder alone, by their programs: going on trains nothing, a replay is the same, another is refused."""
    before = {path.name: path.stat().st_mtime_ns for path in (both.folder / "members").iterdir()}
    traced = sum(training.traces.values())
    jaxreg.run(sweep(), network=THEIRS, dataset=dataset, out=both.folder)
    assert {path.name: path.stat().st_mtime_ns for path in (both.folder / "members").iterdir()} == before
    assert sum(training.traces.values()) == traced
    assert replay(both.folder, "l2=0.01,network=wide/split1/seed0", dataset=dataset).same
    told = json.loads((both.folder / "run.json").read_text())
    assert [one["name"] for one in told["networks"]] == ["narrow", "wide"]
    resolved = read(told["sweep"])
    assert resolved.recipe.network == resolved.axes["network"][0] and "@" in resolved.axes["network"][1]
    assert [cell.name for cell in resolved.cells] == list(dict.fromkeys(both.members["cell"]))
    fitted = both.fit(1, "l2=0.01,network=wide", dataset=dataset)
    assert fitted.members[0].params["Dense_1"]["kernel"].shape == (9, 9)
    for changed, said in (
        ({**THEIRS, "wide": Net(8, deep=True)}, 'network=wide: network: "wide@'),
        ({**THEIRS, "narrow": Net(5)}, r'\[recipe\] network: "narrow@'),
    ):
        with pytest.raises(UserError, match=said):
            jaxreg.run(sweep(), network=changed, dataset=dataset, out=both.folder)


def test_it_stands_beside_the_networks_of_ours(dataset: Dataset) -> None:
    made = sweep("l2,network,width", ["mlp", "wide"], width=[0.5, 1], hidden=[8])
    told, about = with_network(made, dataset.signature, {"mlp": None, "wide": THEIRS["wide"]})
    assert [one["name"] for one in about] == ["wide"]
    cells = {cell.name: cell.settings for cell in told.cells}
    assert {name: cell.architecture(784, 10) for name, cell in cells.items()} == {
        "plain": "784-8-10", "l2=0.01": "784-8-10", "network=wide": "wide", "width=0.5": "784-4-10",
    }  # fmt: skip
    assert [name for name, cell in cells.items() if cell.network] == ["network=wide"]
    assert read(told.resolved()) == told


MODULE = """
import flax.linen as nn


class Net(nn.Module):
    width: int = 3

    @nn.compact
    def __call__(self, x):
        return nn.Dense(2)(nn.relu(nn.Dense(self.width)(x)))


narrow, wide = Net(3), Net(8)
"""


@pytest.mark.networks
def test_a_command_and_a_file_name_them(tmp_path: Path, monkeypatch: Any, capsys: Any) -> None:
    (tmp_path / "mynets.py").write_text(MODULE)
    x = np.random.default_rng(0).normal(size=(80, 3))
    np.savez(tmp_path / "d.npz", x=x, y=x[:, 0] > 0)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "nets.toml").write_text(
        'grid = "l2*network"\ndata = "d.npz"\nsplits = 2\nsecond_stage = 0\n[recipe]\nepochs = 2\n'
        '[axes]\nl2 = [0, 0.1]\nnetwork = ["mynets:narrow", "mynets:wide"]\n'
    )
    more = ["--l2", "0,0.1", "--data", "d.npz", "--epochs", "2", "--splits", "2", "--no-full", "--name", "nets"]
    joined = ["--network", "mynets:narrow,mynets:wide"]
    repeated = ["--network", "mynets:narrow", "--network", "mynets:wide"]
    plans = []
    for command in (
        ["nets.toml"],
        ["--grid", "l2*network", *more, *joined],
        ["--grid", "l2*network", *more, *repeated],
    ):
        assert main([*command, "--dry-run"]) == 0
        plans.append(capsys.readouterr().out)
    assert len(set(plans)) == 1 and "l2=0.1,network=wide  mynets:wide" in plans[0]
    assert "a time of which nothing is known before a network of your own has run" in plans[0]
    assert main(["--grid", "l2", *more, *joined, "--out", "run"]) == 0, "a line of their own"
    assert list(dict.fromkeys(Run("run").members["cell"])) == ["plain", "l2=0.1", "network=wide"]
    assert replay("run", "network=wide/split0/seed0").same
    sys.modules.pop("mynets")


@pytest.mark.networks
def test_the_example_in_the_documents_runs(dataset: Dataset, tmp_path: Path) -> None:
    document = (ROOT / "docs" / "networks.md").read_text(encoding="utf-8")
    example, _, several, _ = (block.split("```")[0] for block in document.split("```python\n")[1:])
    known_here: dict[str, Any] = {"SMALL": sweep(), "DATA": dataset, "OUT": tmp_path / "run"}
    exec(example.split("run = ")[0] + several.replace('"l2*network",', "SMALL, dataset=DATA, out=OUT,"), known_here)
    assert known_here["run"].members.groupby("network")["test_accuracy"].mean().gt(0.1).all()


def test_the_shipped_sweep_is_of_the_network_in_the_documents(monkeypatch: pytest.MonkeyPatch) -> None:
    document = (ROOT / "docs" / "networks.md").read_text(encoding="utf-8")
    known_here: dict[str, Any] = {}
    exec(document.split("```python\n")[1].split("run = ")[0], known_here)
    monkeypatch.syspath_prepend(str(ROOT))
    shipped = load(ROOT / "sweeps" / "cnn.toml").axes["network"]
    assert shipped == ["sweeps.cnn:narrow", "sweeps.cnn:wide"]
    for name, widths in zip(shipped, ((4, 8), (8, 16)), strict=True):
        theirs, ours = (register(one, (784,), 10, "one") for one in (named(name), known_here["CNN"](widths)))
        assert theirs is ours


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"grid": "l2*network"}, "grid: network has no usual values. Give some, as in --network"),
        ({"grid": "l2*network", "network": ["a:Net", "b:Net"]}, "network: two networks are called Net. Give one"),
        ({"grid": "l2*network", "network": ["a:Net", "nan"]}, "network: nan reads as no name in a table"),
        ({"grid": "l2*network", "network": ["a:Net", "two words"]}, 'network: must be "mlp", .*got "two words"'),
        ({"grid": "width*network", "network": ["mlp", "a:Net"]}, "grid: width is of jaxreg's own networks, and a:Net"),
        ({"grid": "width,network", "network": ["a:Net", "mlp"]}, "grid: width is of jaxreg's own networks, and a:Net"),
        ({"grid": "l2", "dropout": [0.2], "network": ["a:Net"]}, "dropout: dropout is of jaxreg's own networks"),
    ],
)
def test_what_makes_no_sense_is_said(flags: Any, said: str) -> None:
    with pytest.raises(UserError, match=said):
        jaxreg.load(flags=flags)


@pytest.mark.parametrize(
    ("network", "said"),
    [
        ({"narrow": Net(4)}, "the network wide is not known here"),
        ({**THEIRS, "third": Net(5)}, "network: the sweep has none that is called third"),
        ({**THEIRS, "mlp": Net(5)}, "network: mlp is jaxreg's own"),
        (Net(4), "network: the sweep has 2. Give each by its name"),
        ({"narrow": Net(4), "wide": Net(jnp.nan)}, "network wide"),
        (None, '--network: must be package.module:name, such as mynet:CNN, got "narrow"'),
    ],
)
def test_networks_are_those_of_the_sweep(network: Any, said: str, dataset: Dataset, tmp_path: Path) -> None:
    from jaxreg.engine import own_networks

    own_networks._REGISTRY._known.clear()
    with pytest.raises(UserError, match=said):
        jaxreg.run(sweep(), network=network, dataset=dataset, out=tmp_path / "run")


def test_a_run_can_not_start_from_another_network() -> None:
    runs = [{"name": "first", "network": "a:Net"}, {"name": "then", "network": "b:Other", "after": "first"}]
    pytest.raises(UserError, read, {"run": runs}).match("first is another network: a:Net, not b:Other")
