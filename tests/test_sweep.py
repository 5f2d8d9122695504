"""The command line: what it understands, what it says, how it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import types
from pathlib import Path

import pytest

from jaxreg import sweep
from jaxreg.axes import AXES
from jaxreg.engine.forecast import Plan
from jaxreg.errors import Interrupted


def started(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """The command as a process of its own, away from this clone."""
    root = str(Path(__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": root, "COLUMNS": "100"}
    command = [sys.executable, "-m", "jaxreg.sweep", *arguments]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=60)


@pytest.fixture
def engine(monkeypatch, tmp_path):
    """Stands in for what trains; records what it was asked, and does what a test puts in `.act`."""
    calls = types.SimpleNamespace(order=[], asked=None, act=lambda: None)

    def run(sweep, **asked):
        calls.order.append("run")
        calls.sweep, calls.asked = sweep, asked
        calls.act()
        return types.SimpleNamespace(folder=asked["out"])

    def plan(sweep, data):
        calls.order.append("plan")
        return Plan(members=123, programs=2, bytes=400_000_000, seconds=297.0)

    fake = types.ModuleType("jaxreg.run")
    fake.run = run
    monkeypatch.setattr("jaxreg.engine.forecast.plan", plan)
    monkeypatch.setattr("jaxreg.dry_run.plan", plan)
    monkeypatch.setitem(sys.modules, "jaxreg.run", fake)
    monkeypatch.setattr("jaxreg.engine.devices.configure", lambda devices: calls.order.append(("configure", devices)))
    monkeypatch.setattr("jaxreg.report.page.headline", lambda folder: f"The verdict of {folder.name}.")
    monkeypatch.chdir(tmp_path)
    return calls


def test_help_names_every_axis_and_every_exit_code(tmp_path):
    done = started("--help", cwd=tmp_path)
    assert done.returncode == 0
    for axis in AXES:
        assert f"--{axis.replace('_', '-')} LIST" in done.stdout
    assert "0,1e-6,1e-5,1e-4,1e-3,0.01" in done.stdout
    assert "0 done; 1 the machine failed, or a replay came out otherwise; 2 wrong input; 130" in done.stdout


def test_wrong_input_ends_with_2_and_no_traceback(tmp_path):
    done = started("--grid", "l1", "--epoch", "3", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: unknown flag `--epoch`. Did you mean `--epochs`? --help lists all flags.\n"


@pytest.mark.parametrize(
    ("flag", "meant"),
    [
        ("--batchsize", "--batch-size"),
        ("--early-stop=3", "--early-stopping"),
        ("--hlep", "--help"),
        *[(flag, "--label") for flag in ("--target", "--y")],
        *[("--lr", "--learning-rate"), ("--dataset", "--data"), ("--output=here", "--out")],
        *[(flag, None) for flag in ("--alpha", "--verbose", "--model", "-v")],
    ],
)
def test_of_flags_only_a_near_one_is_suggested(flag, meant, capsys):
    assert sweep.main(["--grid", "l1", flag]) == 2
    question = f" Did you mean `{meant}`?" if meant else ""
    said = f"error: unknown flag `{flag.partition('=')[0]}`.{question} --help lists all flags.\n"
    assert capsys.readouterr().err == said


def test_nothing_slow_is_imported_for_help(tmp_path):
    """What makes --help wait is imported when it is needed."""
    slow = "{'jax', 'flax', 'optax', 'numpy', 'pandas', 'matplotlib', 'scipy', 'rich'}"
    code = f"import sys, jaxreg.sweep; print(sorted({slow} & set(sys.modules)))"
    root = str(Path(__file__).parents[1])
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, timeout=60)
    assert done.stdout == "[]\n"


def test_without_arguments_it_shows_its_help(capsys):
    assert sweep.main([]) == 0
    assert "usage: python -m jaxreg.sweep" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--grid", "l3"], "error: --grid: unknown axis `l3`"),
        (["--grid", "l1", "--l1", "-1,0"], "error: --l1: must be a finite number of at least 0"),
        (["--grid", "l1", "--l1", "nan"], "got nan"),
        (["--grid", "l1", "--l1", "a,b"], 'got "a"'),
        (["--grid", "l1", "--l1", ""], "error: --l1: needs at least one value"),
        (
            ["--grid", "l1", "--splits", "many"],
            'error: --splits: must be a whole number from 1 to 1000000, got "many"',
        ),
        (["--grid", "l1", "--hidden", "64,-5"], "layer widths, each from 1 to"),
        (["--grid", "l1", "--block", "0"], "error: --block: must be a whole number from 1 to 10000, got 0"),
        (["--grid", "dropout", "--dropout", "0.3-0.5"], "list of 2, but there are 3 hidden layers"),
        (["--grid"], "error: --grid: expected one argument"),
        (["l1,l2"], "Did you mean --grid l1,l2?"),
        (
            ["--grid", "l2", "--l2", "0", "0.1"],
            "error: 0.1: there is no such sweep file. Values are separated by commas",
        ),
        (["--l2", "0,", "1e-3,", "0.1"], "error: 0.1: one FILE at a time, and 1e-3, is given already. Values are sep"),
        (["a.toml", "b.toml"], "error: b.toml: one FILE at a time, and a.toml is given already"),
        (["--l1", "1e-5"], "nothing to train"),
        (["--grid", "l1", "--like", "reports/l1"], "error: --like: goes with --dry-run"),
    ],
)
def test_wrong_input(arguments, said, capsys, engine):
    assert sweep.main(arguments) == 2
    out, err = capsys.readouterr()
    assert said in err
    assert out == ""
    assert len(err.splitlines()) <= 2
    assert engine.order == [], "nothing is started for nothing"


def test_flags_reach_the_sweep_and_the_engine(engine, capsys):
    flags = "--grid dropout,early_stopping,batch_norm --dropout 0,0.5,0.3-1e-1-0 --early-stopping off,2"
    more = "--batch-norm false,true --hidden 32,16,8 --learning-rate 3e-4 --block 4 --devices 2 --quiet"
    assert sweep.main([*flags.split(), *more.split()]) == 0
    cells = [cell.name for cell in engine.sweep.cells]
    assert cells == ["plain", "dropout=0.5", "dropout=0.3-0.1-0", "early_stopping=2", "batch_norm=true"]
    assert (engine.sweep.recipe.hidden, engine.sweep.recipe.learning_rate) == ((32, 16, 8), 3e-4)
    assert engine.order == [("configure", 2), "run"]
    folder = Path("reports/dropout-early_stopping-batch_norm")
    assert engine.asked["command"] == f"python -m jaxreg.sweep {flags} {more}"
    assert (engine.asked["out"], engine.asked["block"], engine.asked["devices"]) == (folder, 4, 2)
    out, err = capsys.readouterr()
    fit = f"python -m jaxreg.fit {folder} --save networks.safetensors"
    said = f"wrote {folder / 'report.md'} and report.html; to train what it says and keep it: {fit}"
    assert out == f"The verdict of {folder.name}.\n{said}\n"
    assert err == ""


@pytest.mark.parametrize(("typed", "hidden"), [("64-32", (64, 32)), ("64-32,16", (64, 32, 16)), ("64", (64,))])
def test_hidden_layers_are_taken_as_they_are_shown(typed, hidden, engine):
    assert sweep.main(["--grid", "l1", "--hidden", typed, "--quiet"]) == 0
    assert engine.sweep.recipe.hidden == hidden


def test_dry_run_trains_nothing_and_leaves_nothing(engine, capsys, tmp_path):
    assert sweep.main(["--grid", "l1", "--splits", "1", "--dry-run"]) == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert lines[0] == "l1: 6 cells, each 1 split x 1 seed: 123 members"
    assert lines[1].split() == ["plain", "784-225-256-128-10"]
    assert lines[7:] == [
        "each of them as split0/seed0",
        "2 programs to compile, about 400 MB of memory, about 5 min",
    ]
    assert "variance is undefined" in err
    assert "run" not in engine.order
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_run_ends_with_130_and_says_how_to_go_on(engine, capsys):
    def stop():
        raise Interrupted("interrupted: 3 of 30 members are on disk. The same command goes on.")

    engine.act = stop
    assert sweep.main(["--grid", "l1"]) == 130
    assert "The same command goes on." in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_is_an_interruption(engine, capsys, number):
    before = signal.getsignal(signal.SIGTERM)
    engine.act = lambda: signal.raise_signal(number)
    # A shell starts what it puts in the background with SIGINT ignored, the tests among it.
    inherited = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        assert sweep.main(["--grid", "l1"]) == 130
    finally:
        signal.signal(signal.SIGINT, inherited)
    assert "interrupted" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGTERM) is before
