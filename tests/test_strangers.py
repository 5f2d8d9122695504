"""Folders nobody should send to `python -m jaxreg.report`: named and refused, nothing executed or written elsewhere."""

from __future__ import annotations

import io
import json
import os
import pickle
import re
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from written_runs import write_run

from jaxreg import sweep
from jaxreg.report import __main__
from jaxreg.spec.load import load
from jaxreg.store import arrays

COMMAND = "python -m jaxreg.sweep --grid l1"
CELLS: list = [("plain", {}), ("l1=1e-5", {"l1": 1e-5}), ("l1=1e-3", {"l1": 1e-3})]
Spoil = Callable[[Path], Any]

pytestmark = pytest.mark.timeout(100)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small run whose run.json has its sweep."""
    folder = write_run(tmp_path_factory.mktemp("run") / "tiny", CELLS, 2, 2, 3, pictures=True)
    asked = load(flags={"grid": "l1", "l1": [0, 1e-5, 1e-3], "splits": 2, "seeds": 2})
    record(sweep=asked.resolved(), command=COMMAND)(folder)
    return folder


@pytest.fixture
def folder(sound: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sound, tmp_path / "run"))


def record(**keys: Any) -> Spoil:
    def spoil(folder: Path) -> None:
        file = folder / "run.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | keys))

    return spoil


def table(name: str, change: Callable[[pd.DataFrame], pd.DataFrame]) -> Spoil:
    def spoil(folder: Path) -> None:
        file = folder / f"{name}.csv"
        change(pd.read_csv(file, dtype=str, keep_default_na=False)).to_csv(file, index=False)

    return spoil


def cell(name: str, column: str, value: str, row: int = 0) -> Spoil:
    def change(made: pd.DataFrame) -> pd.DataFrame:
        made.loc[row, column] = value
        return made

    return table(name, change)


def content(name: str, what: bytes | str) -> Spoil:
    return lambda folder: (folder / name).write_bytes(what.encode() if isinstance(what, str) else what)


def example(**changed: np.ndarray) -> Spoil:
    def spoil(folder: Path) -> None:
        with np.load(folder / "examples.npz") as held:
            np.savez(folder / "examples.npz", **(dict(held) | changed))

    return spoil


class Told:
    """What would tell if it were executed."""

    def __reduce__(self) -> tuple:
        return (os.mkdir, ("executed",))


def lying(shape: str, kind: str = "<f8") -> bytes:
    """An array whose header says more than there is."""
    head = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}".encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head + bytes(64)


def packed(**entries: bytes) -> bytes:
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, entry in entries.items():
            archive.writestr(f"{name}.npy", entry)
    return whole.getvalue()


def of(cell: str) -> Callable[[pd.DataFrame], pd.DataFrame]:
    return lambda made: made[made["cell"] != cell]


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (content("run.json", "[]"), "run.json can't be read: expected a JSON object, got list"),
        (content("run.json", "[" * 100_000), "run.json can't be read as JSON: it is nested too deeply"),
        (content("run.json", '{"a": ' + "9" * 5000 + "}"), "run.json can't be read as JSON: Exceeds the limit"),
        (content("run.json", " " * 17_000_000), "run.json can't be read as JSON: larger than the 16,000,000 bytes"),
        (record(sweep=[]), "run.json: `sweep`: Input should be a valid dictionary"),
        (record(sweep={"a": json.loads("[" * 50 + "]" * 50)}), "more than 10 deep in one another"),
        (record(sweep={"name": 3}), "run.json: `sweep.name`: Input should be a valid string, got 3"),
        (record(sweep={"curve_images": "many"}), 'run.json: `sweep.curve_images`: Input should be a valid integer'),
        (record(data="some"), "run.json: `data`: Input should be a valid dictionary"),
        (record(data={"examples_are": ""}), "run.json: `data.examples_are`"),
        (record(data={"inputs_are": "<b>"}), "run.json: `data.inputs_are`"),
        (record(versions={"jax": 1}), "run.json: `versions.jax`"),
        (record(run_seconds=float("nan")), "run.json: `run_seconds`"),
        (record(programs="two"), "run.json: `programs`"),
        (record(small_weight_threshold="a"), "run.json: `small_weight_threshold`"),
        (table("members", lambda made: made.iloc[:6]), '"l1=1e-5/split1/seed0" is missing, and 5 more of 12'),
        (table("members", of("l1=1e-3")), 'the row of "l1=1e-3/split0/seed0" is missing, and 3 more of 12'),
        (table("members", lambda made: pd.concat([made, made])), "members.csv: the row of plain/split0/seed0 is there"),
        (cell("members", "seed", "7"), 'the row of "plain/split0/seed0" belongs to no member of the sweep'),
        (cell("members", "member", "new"), 'the row of "plain/split0/seed0" is missing'),
        (cell("members", "epochs", "9"), 'history.csv: it has 3 epochs of "plain/split0/seed0", which had 9'),
        (table("history", lambda made: made.iloc[:-1]), 'history.csv: it has 2 epochs of "l1=1e-3/split1/seed1"'),
        (table("decomposition", of("l1=1e-5")), 'the row of "l1=1e-5" and the cross_entropy is missing'),
        (cell("comparisons", "cell", "other"), 'comparisons.csv: it has a cell "other" that members.csv has not'),
        (cell("choices", "axis", "l3"), 'choices.csv: `axis` is "l3", which is none'),
        (cell("members", "test_accuracy", "high"), "members.csv: `test_accuracy` has something else than numbers"),
        (cell("members", "test_accuracy", "1e300"), "members.csv: `test_accuracy` has a number beyond 1e+40"),
        (cell("members", "test_accuracy", "inf"), "members.csv: `test_accuracy` has a number beyond 1e+40"),
        (cell("members", "seed", "0.5"), "members.csv: `seed` has something else than whole numbers"),
        (cell("members", "trained_on", ""), "members.csv: `trained_on` has something else than whole numbers"),
        (cell("members", "l1", "-1"), 'members.csv: `l1` has "-1", which is no value of that axis'),
        (cell("members", "max_norm", "inf-$x$"), 'members.csv: `max_norm` has "inf-$x$", which is no value'),
        (cell("members", "cell", "x" * 501), "members.csv: `cell` has a text of more than 500 characters"),
        (cell("members", "cell", ""), "members.csv: `cell` is missing in some rows"),
        (table("members", lambda made: made.iloc[:0]), "members.csv: it has no rows"),
        (table("members", lambda made: made.drop(columns="seed")), "members.csv has no column seed"),
        (content("power.csv", "a,b\n1,2\n"), "power.csv has no column measure"),
        (table("calibration", lambda made: made.drop(columns="high")), "calibration.csv has no column high"),
        (content("power.csv", "a\n1,2\n3,4\n"), "power.csv can't be read as CSV: Length of header"),
        (content("power.csv", "a," * 40_000), "power.csv can't be read as CSV: its first line has more than 65,536"),
        (lambda folder: os.truncate(folder / "power.csv", 300_000_000), "power.csv can't be read as CSV: it has more"),
        (content("choices.csv", b"\xff\xfe"), "choices.csv can't be read as CSV"),
        (content("examples.npz", b"PK"), "examples.npz: can't be read (File is not a zip file)"),
        (content("examples.npz", packed(a=lying("(10**15,)"))), "examples.npz: can't be read (an array's header"),
        (content("examples.npz", packed(a=lying("(1000000000000000,)"))), "64 bytes of 8000000000000000"),
        (content("examples.npz", packed(a=lying("(-8, -1)"))), "an array that is none"),
        (content("examples.npz", packed(a=lying("(8,)", "|O"))), "an array is of Python objects"),
        (content("examples.npz", packed(a=lying("(" * 5000))), "examples.npz: can't be read"),
        (content("examples.npz", packed(a=bytes(65_000_000))), "more than 64,000,000 bytes unpacked"),
        (content("examples.npz", packed(**{f"a{n}": b"" for n in range(21)})), "more than 20 arrays"),
        (content("examples.npz", packed(a=pickle.dumps(Told()))), "examples.npz: can't be read"),
        (lambda folder: np.savez(folder / "examples.npz", cell=np.array([Told()])), "an array is of Python objects"),
        (example(label=np.zeros(3)), "examples.npz: can't be read (`label` is float64 [3]"),
        (example(value=np.zeros((2, 2))), "examples.npz: can't be read (`value` is float64 [2, 2]"),
        (example(pixels=np.zeros((1, 2, 3, 4, 5))), "examples.npz: can't be read (`pixels`"),
        (content("study.md", b"\xff"), "study.md can't be read"),
        (content("study.md", "a" * 1_000_001), "study.md can't be read (larger than the 1,000,000 bytes"),
    ],
)  # fmt: skip
def test_what_no_run_left_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, spoil: Spoil, said: str
) -> None:
    monkeypatch.chdir(folder.parent)
    spoil(folder)
    before = {path: path.read_bytes() for path in folder.parent.rglob("*.*") if path.is_file()}
    assert __main__.main(["run"]) == 2
    error = capsys.readouterr().err
    assert said in error and len(error.splitlines()) <= 2
    assert {path: path.read_bytes() for path in folder.parent.rglob("*.*") if path.is_file()} == before
    assert [path.name for path in folder.parent.iterdir()] == ["run"], "nothing was executed"


def test_a_sound_one_is_not(folder: Path) -> None:
    assert __main__.main([str(folder)]) == 0


@pytest.mark.parametrize(
    ("command", "typed"),
    [
        (COMMAND, COMMAND),
        ("jaxreg 'a b.toml' --out c", "jaxreg 'a b.toml' --out c"),
        (f"{COMMAND}; rm -rf ~", "python -m jaxreg.sweep --grid 'l1;' rm -rf '~'"),
        (f"{COMMAND} $(id) \x1b[31m", "python -m jaxreg.sweep --grid l1 '$(id)' '\ufffd[31m'"),
        ("rm -rf ~", "python -m jaxreg.sweep ..."),
        ("python -m jaxreg.sweep '", "python -m jaxreg.sweep ..."),
    ],
)
def test_what_to_type_is_a_command_of_ours_and_only_that(
    folder: Path, capsys: pytest.CaptureFixture, command: str, typed: str
) -> None:
    record(command=command)(folder)
    table("history", lambda made: made.iloc[:-1])(folder)
    assert __main__.main([str(folder)]) == 2
    assert capsys.readouterr().err.endswith(f"Written anew by: {typed}\n")


@pytest.mark.parametrize("name", ["members.csv", "power.csv", "run.json", "examples.npz", "study.md"])
@pytest.mark.parametrize("kind", ["FIFO", "loop", "folder", "device"])
def test_what_is_no_file_is_not_waited_for(folder: Path, capsys: pytest.CaptureFixture, name: str, kind: str) -> None:
    file = folder / name
    file.unlink(missing_ok=True)
    {
        "FIFO": lambda: os.mkfifo(file),
        "loop": lambda: file.symlink_to(file),
        "folder": file.mkdir,
        "device": lambda: file.symlink_to("/dev/zero"),
    }[kind]()
    assert __main__.main([str(folder)]) == 2
    error = capsys.readouterr().err
    assert name in error and re.search("can't be read|is missing", error)


def test_a_link_to_a_file_is_read_and_never_written_through(
    folder: Path, capsys: pytest.CaptureFixture, tmp_path: Path
) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    shutil.move(folder / "members.csv", kept)
    (folder / "members.csv").symlink_to(kept / "members.csv")
    assert __main__.main([str(folder)]) == 0
    capsys.readouterr()
    (kept / "own.md").write_text("mine")
    for name, target in (("report.md", kept / "own.md"), ("report.html", kept / "own.md"), ("figures", kept)):
        shutil.rmtree(folder / name) if name == "figures" else (folder / name).unlink()
        (folder / name).symlink_to(target)
        assert __main__.main([str(folder)]) == 2
        assert f"{folder / name} is a link" in capsys.readouterr().err
        (folder / name).unlink()
    assert {path.name: path.stat().st_size for path in kept.iterdir()}.keys() == {"members.csv", "own.md"}
    assert (kept / "own.md").read_text() == "mine"


def test_a_picture_that_is_a_link_is_replaced_and_its_target_left(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.png").write_bytes(b"mine")
    (folder / "figures").mkdir()
    (folder / "figures" / "images.png").symlink_to(tmp_path / "mine.png")
    assert __main__.main([str(folder)]) == 0
    assert (tmp_path / "mine.png").read_bytes() == b"mine" and not (folder / "figures" / "images.png").is_symlink()


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("measure,cell\na,b\n", "power.csv has no column"),
        ("measure,cell,sd_split,sd_seed,sd_example\na,b,c,d,e\n", "`sd_split` has something else than numbers"),
        (None, "it is a FIFO"),
    ],
)
def test_an_earlier_run_to_judge_by_is_read_as_carefully(
    folder: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch, what: str | None, said: str
) -> None:
    monkeypatch.setattr("jaxreg.engine.devices.configure", lambda devices: None)
    (folder / "power.csv").unlink()
    os.mkfifo(folder / "power.csv") if what is None else (folder / "power.csv").write_text(what)
    assert sweep.main(["--grid", "l1", "--dry-run", "--like", str(folder)]) == 2
    assert said in capsys.readouterr().err


def test_arrays_come_out_as_they_went_in(tmp_path: Path) -> None:
    put = {
        "a": np.arange(12.0).reshape(3, 4),
        "b": np.asfortranarray(np.arange(6).reshape(2, 3)), "c": np.array(["x", "yz"]),
        "d": np.zeros((0, 3), np.uint8), "e": np.array(3.5),
    }  # fmt: skip
    np.savez(tmp_path / "some.npz", **put)
    got = arrays.read(tmp_path / "some.npz")
    assert list(got) == list(put)
    assert all((got[name] == put[name]).all() and got[name].dtype == put[name].dtype for name in put)
