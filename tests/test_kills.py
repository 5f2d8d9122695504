"""A sweep as a process of its own, stopped by signals at many moments: the same command ends as if it had not been.

Run with `pytest --kills -m kills`: it starts the command some twenty times.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from run_folders import differing, tables

ROOT = Path(__file__).parents[1]
PATIENCE = 300.0  # seconds until a process counts as hung
SWEEP = """
splits = 2
curve_images = 100
[recipe]
hidden = [4]
batch_size = 1000
epochs = 2
[[run]]
name = "second"
after = "first"
[[run]]
name = "first"
[[run]]
name = "stops"
epochs = 3
learning_rate = 0.5
early_stopping = {patience = 1, validation_share = 0.2}
[[run]]
name = "l1"
l1 = 1e-3
"""

pytestmark = [pytest.mark.kills, pytest.mark.slow]


class Started:
    """The command at work in a folder."""

    def __init__(self, folder: Path):
        self.folder = folder
        folder.mkdir(exist_ok=True)
        (folder / "small.toml").write_text(SWEEP, encoding="utf-8")
        self.run, self._told = folder / "run", folder / "told.txt"
        # Programs in a cache of the tests' own: a kill while one is written would leave half of it in the user's.
        cache = {"JAX_COMPILATION_CACHE_DIR": str(folder.parent / "programs")}
        command = [sys.executable, "-m", "jaxreg.sweep", "small.toml", "--out", "run", "--devices", "2"]
        # A shell starts what it puts in the background with SIGINT ignored, the tests and their children among it.
        inherited = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            with self._told.open("wb") as told:
                environment = {**os.environ, "PYTHONPATH": str(ROOT), **cache}
                self.process = subprocess.Popen(command, cwd=folder, env=environment, stdout=told, stderr=told)
        finally:
            signal.signal(signal.SIGINT, inherited)

    @property
    def told(self) -> str:
        return self._told.read_text(encoding="utf-8")

    def kept(self) -> dict[str, int]:
        """When the files of finished members were written."""
        return {file.name: file.stat().st_mtime_ns for file in (self.run / "finished").glob("[!.]*.npz")}

    def end(self) -> int:
        return self.process.wait(PATIENCE)

    def stop(self, moment: Callable[[Started], bool], number: signal.Signals) -> int:
        """Waits for the moment, sends the signal, and returns the exit code."""
        give_up = time.monotonic() + PATIENCE
        try:
            while not moment(self):
                assert self.process.poll() is None, f"it ended before the moment came: {self.told}"
                assert time.monotonic() < give_up, f"the moment never came: {self.told}"
                time.sleep(0.002)
            self.process.send_signal(number)
            return self.end()
        finally:
            self.process.kill()  # where the test has failed; else it is over
            self.process.wait()


def after(seconds: float) -> Callable[[Started], bool]:
    began: list[float] = []

    def passed(_: Started) -> bool:
        began.append(time.monotonic())
        return began[-1] - began[0] >= seconds

    return passed


def says(words: str) -> Callable[[Started], bool]:
    return lambda started: words in started.told


def wrote(pattern: str, count: int = 1) -> Callable[[Started], bool]:
    return lambda started: len(list(started.run.glob(pattern))) >= count


def keeps(count: int) -> Callable[[Started], bool]:
    return wrote("finished/[!.]*.npz", count)


CHAINS = {
    signal.SIGINT: [
        ("while it starts", after(0.5)),
        ("while it compiles", says("compiling the programs")),
        ("after three members", keeps(3)),
        ("at the first table", wrote("predictions.npz")),
        ("at the first figure", wrote("figures/*.png")),
    ],
    signal.SIGTERM: [
        ("before training", lambda started: started.run.exists()),
        ("after a member", keeps(1)),
        ("before the tables", says("analysing and writing")),
        ("in the analysis", wrote("members.csv")),
        ("between tables", wrote("comparisons.csv")),
    ],
    signal.SIGKILL: [
        ("while it starts", after(0.5)),
        ("in training", keeps(2)),
        ("near the end of training", keeps(5)),
        ("while a table is written", wrote(".predictions.npz.*.tmp")),
        ("between tables", wrote("history.csv")),
        ("in the report", wrote("figures/*.png", 2)),
        ("while it tidies up", wrote("report.md")),
    ],
}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("kills")


@pytest.fixture(scope="module")
def left_alone(place):
    started = Started(place / "alone")
    assert started.end() == 0, started.told
    return started.run


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("number", CHAINS, ids=lambda number: number.name)
def test_the_same_command_ends_as_if_it_had_been_left_alone(place, left_alone, number):
    folder, before = place / number.name, {}
    for name, moment in CHAINS[number]:
        started = Started(folder)
        code = started.stop(moment, number)
        # Before the command has begun to listen, Python itself ends.
        polite = {130, -number} if name == "while it starts" else {130}
        assert code in ({-number} if number == signal.SIGKILL else polite), (name, code, started.told)
        if code == 130:
            assert "The same command" in started.told and "Traceback" not in started.told, (name, started.told)
        kept = started.kept()
        again = [file for file in before if kept.get(file, before[file]) != before[file]]
        assert again == [], f"{name}: finished members were trained again"
        before = kept
        for file in (started.run / "finished").glob("[!.]*.npz"):
            with np.load(file) as arrays:
                assert {"content", "log_probabilities"} <= set(arrays.files)
    started = Started(folder)
    assert started.end() == 0, started.told
    assert "compiling" not in started.told, "all members were finished long before"
    assert differing(tables(started.run), tables(left_alone)) == []
    assert names(started.run) == names(left_alone)


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))
