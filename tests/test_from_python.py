"""`jaxreg.run` from Python: what the command line's flags say of a table, keywords say too; and what is noted of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from test_tables import table

import jaxreg
from jaxreg.data.dataset import Reading
from jaxreg.data.in_memory import of_arrays
from jaxreg.noted import noted
from jaxreg.source import sweep_and_data
from jaxreg.sweep import main, parser

ROOT = Path(__file__).parents[1]
GRID = "l2=0,0.1"
SMALL = 'grid = "l2"\n[recipe]\nhidden = [4]\nepochs = 1\n[axes]\nl2 = [0, 0.1]\n'


def command(out: Path) -> str:
    return json.loads((out / "run.json").read_text())["command"]


@pytest.mark.parametrize(
    ("typed", "given"),
    [
        ("--drop who --design folds", {"drop": ["who"], "design": "folds"}),
        ("--drop who --design parts --splits 2 --epochs 2 --l2 0,0.01 --learning-rate 0.01", {
            "drop": ["who"], "design": "parts", "splits": 2, "epochs": 2, "l2": [0, 0.01], "learning_rate": [0.01],
        }),
        ("--drop who --design holdout --group ward", {"drop": ["who"], "design": "holdout", "group": "ward"}),
        ("--label who --task regression --drop outcome,dose --holdout 0.4 --design parts", {
            "label": "who", "task": "regression", "drop": ("outcome", "dose"), "holdout": 0.4, "design": "parts",
        }),
    ],
    ids=str,
)  # fmt: skip
def test_keywords_are_the_flags(
    typed: str, given: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the same table, as a file with flags and as a DataFrame with keywords: the same members."""
    monkeypatch.setattr("jaxreg.report.page.write", lambda folder: folder)
    monkeypatch.setattr("jaxreg.report.page.headline", lambda folder: "")
    table().to_csv(tmp_path / "patients.csv", index=False)
    (tmp_path / "small.toml").write_text(SMALL)
    flags = (
        f"{tmp_path}/small.toml --data {tmp_path}/patients.csv --label outcome --quiet --out {tmp_path}/typed {typed}"
    )
    assert main(flags.split()) == 0
    run = jaxreg.run(
        tmp_path / "small.toml", **{"data": table(), "label": "outcome", **given}, out=tmp_path / "given", report=False
    )
    names, numbers = zip(*(made(tmp_path / place) for place in ("typed", "given")), strict=True)
    assert names[0] == names[1] and len(names[0]) >= len(run.members)
    assert numbers[0] == numbers[1]
    sweep = asked(tmp_path / "given")
    kept = {**sweep["recipe"], **sweep, "l2": sweep["axes"]["l2"]}
    expected = {**given, "drop": list(given["drop"])}
    if "learning_rate" in given:  # one value of an axis outside the grid is of the recipe
        (expected["learning_rate"],) = given["learning_rate"]
    assert {key: kept[key] for key in expected} == expected
    assert {**asked(tmp_path / "typed"), "data": None, "name": "dataframe-small"} == asked(tmp_path / "given")
    assert command(tmp_path / "given").startswith(
        f"jaxreg.run('{tmp_path}/small.toml', data=<DataFrame 240 × 6>, label="
    )


def made(out: Path) -> tuple[list[str], list[bytes]]:
    """Names of members with the digest of what they are, and what they predict."""
    files = sorted((out / "members").glob("*.npy"))
    return [file.name for file in files], [file.read_bytes() for file in files]


def asked(out: Path) -> dict[str, Any]:
    return json.loads((out / "run.json").read_text())["sweep"]


def test_every_flag_of_data_is_a_keyword() -> None:
    (group,) = (one for one in parser()._action_groups if one.title == "data and results")
    reading = {one.dest for one in group._group_actions} & {*Reading._fields}
    assert reading == {"label", "group", "drop", "holdout", "task"}
    assert {*reading, "data", "test", "design"} <= signature(jaxreg.run).parameters.keys()


def test_a_test_part_stands_beside_its_data(tmp_path: Path) -> None:
    frame = table().drop(columns="who")
    train, test = frame.iloc[:180], frame.iloc[180:]
    flags = {"grid": GRID, "label": "outcome"}
    for part, name in ((train, "train.csv"), (test, "test.csv")):
        part.to_csv(tmp_path / name, index=False)
    paths = {"data": str(tmp_path / "train.csv"), "test": str(tmp_path / "test.csv")}
    digests = [sweep_and_data(None, {**flags, **paths})[1], sweep_and_data(None, flags, data=train, test=test)[1]]
    assert digests[0] is not None and digests[1] is not None and digests[0].digest == digests[1].digest
    x, y = np.random.default_rng(0).normal(size=(60, 3)), np.resize([0, 1], 60)
    beside = of_arrays((x[:40], y[:40]), Reading(), test=(x[40:], y[40:]))
    assert beside.digest == of_arrays((x[:40], y[:40], x[40:], y[40:]), Reading()).digest
    for data, scores, said in (
        (None, test, "test: goes with data, which trains"),
        (train, paths["test"], "a path beside a path"),
        (paths["data"], test, "a path beside a path"),
        (train, (x, y), "expected a DataFrame beside a DataFrame"),
        ((x, y), train, "expected a DataFrame beside a DataFrame"),
        ((x, y, x, y), (x, y), "expected"),
        ((x, y), x, "expected"),
    ):
        with pytest.raises(jaxreg.UserError, match=said):
            jaxreg.run(GRID, data=data, test=scores, label="outcome", out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_what_is_of_a_grid_is_refused_beside_a_sweep(tmp_path: Path) -> None:
    with pytest.raises(jaxreg.UserError, match="task and drop: go with a grid or a sweep file"):
        jaxreg.run(jaxreg.load(flags={"grid": GRID}), task="regression", drop=["x"], out=tmp_path / "run")
    with pytest.raises(jaxreg.UserError, match='design: must be "parts", "folds" or "holdout"'):
        jaxreg.run(GRID, data=table(), design="fold", out=tmp_path / "run")


def test_a_grid_is_a_text(tmp_path: Path) -> None:
    """In a process of its own: types are checked in the tests alone."""
    code = "import sys, jaxreg\nfor grid in (['l1', 'l2'], {'l2': [0, 0.1]}):\n    try:\n        jaxreg.run(grid)\n"
    code += "    except jaxreg.UserError as error:\n        print(error)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True
    )
    said = 'grid: must be a text, and values of an axis beside it, as in jaxreg.run("l1,l2", l2=[0, 1e-3]), got'
    assert done.stdout.decode().splitlines() == [f'{said} ["l1", "l2"].', f"{said} {{l2 = [0, 0.1]}}."]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("grid", "network", "said"),
    [
        ("l2*network", [object(), object()], 'network has no usual values.* network={"narrow": …, "wide": …} from Py'),
        (GRID, "gone_for_good:Net", "gone_for_good:Net: No module named 'gone_for_good'"),
        (GRID, ["gone_for_good:Net", "gone_for_good:Wide"], "gone_for_good:Net: No module named 'gone_for_good'"),
    ],
)
def test_several_networks_and_names_of_them(grid: str, network: Any, said: str, tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(60, 3))
    with pytest.raises(jaxreg.UserError, match=said):
        jaxreg.run(grid, network=network, data=(x, x[:, 0] > 0), design="parts", out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("progress", [True, False, None])
def test_who_asks_for_progress_sees_what_the_command_shows(
    progress: bool | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    x = np.random.default_rng(0).normal(size=(60, 3))
    how = {"data": (x, x[:, 0] > 0), "design": "parts", "splits": 2, "epochs": 1, "second_stage": 0, "hidden": [4]}
    jaxreg.run("l2=0,0.1", **how, out=tmp_path / "run", report=False, progress=progress)
    shown = capsys.readouterr().err
    assert ("compiling the programs" in shown and "100%" in shown) == bool(progress) and bool(shown) == bool(progress)


@pytest.mark.parametrize(
    ("given", "said"),
    [({}, "rows: 25 epochs; epochs changes it"), ({"epochs": 1}, None), ({"hidden": [4]}, "rows: 25 epochs")],
)
def test_of_a_network_of_ones_own_no_hidden_layers_are_told(
    given: dict[str, Any], said: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was read is shown before the network is looked at, which is none here."""
    x = np.random.default_rng(0).normal(size=(800, 3))
    how = {"data": (x, x[:, 0] > 0), "progress": True, "out": tmp_path / "run", **given}
    with pytest.raises(jaxreg.UserError, match="must be a Linen module"):
        jaxreg.run(GRID, network=object(), **how)
    shown = capsys.readouterr().err
    assert "label: " in shown and "layers" not in shown
    assert said in shown if said else "chosen by" not in shown


def test_data_in_memory_are_called_what_they_are() -> None:
    frame, y = table().drop(columns="who"), np.resize([0, 1], 2000)
    x = np.random.default_rng(0).normal(size=(2000, 3))
    how, pictures = Reading(label="outcome"), np.zeros((2000, 4, 5), np.uint8)
    for data, expected in (
        (frame, "a DataFrame of 240 rows and 5 columns"),
        ((frame.iloc[:180], frame.iloc[180:]), "DataFrames of 180 and 60 rows and 5 columns"),
        ((frame.drop(columns="outcome"), frame["outcome"]), "a DataFrame of 240 rows and 4 columns"),
        ((x, y), "arrays of 2,000 rows and 3 columns"),
        ((x, y, x[:50], y[:50]), "arrays of 2,000 and 50 rows and 3 columns"),
        ((pictures, y), "arrays of 2,000 rows of 4 × 5 numbers"),
    ):
        assert of_arrays(data, how).name == expected
    asked, data = sweep_and_data(None, {"grid": "l2", "label": "outcome"}, data=frame)
    assert asked.name == "dataframe-l2" and data is not None and data.notes[0].startswith("label: column outcome")
    assert sweep_and_data(None, {"grid": "l2"}, data=(x, y))[0].name == "arrays-l2"


class Net:
    """Of which a name is told."""


def test_a_call_is_noted_with_what_was_given_and_nothing_of_what_is_in_it() -> None:
    x, y, secret = np.zeros((569, 30)), np.zeros(569), pd.DataFrame({"secret": ["mary"] * 4})

    def told(first: Any = "l1,l2", **given: Any) -> str:
        return noted("jaxreg.run", jaxreg.run, first, given).removeprefix("jaxreg.run")

    assert told() == told(out="somewhere", progress=object(), data=None, keep_state=False) == "('l1,l2')"
    assert told(data=(x, y), network=Net) == "('l1,l2', data=(<ndarray 569 × 30>, <ndarray 569>), network=Net)"
    assert told(data=secret, label="secret") == "('l1,l2', data=<DataFrame 4 × 1>, label='secret')"
    assert told(network={"narrow": Net(), "wide": Net}) == "('l1,l2', network={'narrow': Net(…), 'wide': Net})"
    assert told(drop=["a", "b"], holdout=0.4) == "('l1,l2', drop=['a', 'b'], holdout=0.4)"
    assert told(drop=["a"] * 300) == "('l1,l2', drop=list(…))"
    assert told(Path("a.toml"), data="t.csv", optimizer=sorted) == "('a.toml', data='t.csv', optimizer=sorted)"
    assert told(jaxreg.load(flags={"grid": "l2"}), block=2) == "(<Sweep l2>, block=2)"
    assert "\n" not in told(label="a\nb") and len(told(label="a" * 10_000)) < 300
