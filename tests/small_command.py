"""The sweep command as a process of its own, on a few images as CSV files, so that it ends in seconds."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxreg.data import fashion
from jaxreg.data.dataset import subset
from jaxreg.data.kaggle import COLUMNS

ROOT = Path(__file__).parents[1]
PATIENCE = 600.0  # seconds until a process counts as hung
SWEEP = """
name = "killed"
data = "../train.csv"
test = "../test.csv"
splits = 2
curve_images = 100
[recipe]
hidden = [4]
batch_size = 50
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
COMMAND = ("-m", "jaxreg.sweep")


def write_data(place: Path) -> None:
    """The images that the sweep reads, 400 and 200, in Kaggle's layout."""
    for name, part in zip(("train", "test"), subset(fashion.load(), 40, 20)[1:3], strict=True):
        table = np.column_stack([part.targets, part.inputs])
        np.savetxt(place / f"{name}.csv", table, fmt="%d", delimiter=",", header=",".join(COLUMNS), comments="")


class Small:
    """A folder in which the command is started: beside others, under the folder with the images.

    Args:
        place: the folder; made here.
        program: what Python runs.
    """

    def __init__(self, place: Path, program: Sequence[str] = COMMAND):
        self.place, self.program = place, program
        place.mkdir()
        (place / "small.toml").write_text(SWEEP, encoding="utf-8")
        self.run, self._told = place / "run", place / "told.txt"

    def command(self, *more: str) -> list[str]:
        """What is started."""
        return [sys.executable, *self.program, "small.toml", "--out", "run", "--devices", "2", *more]

    def environment(self, own: Mapping[str, str | None] | None = None) -> dict[str, str]:
        """This process's, with some of it otherwise, or left out where it is None."""
        # Programs in a cache of the tests' own: a kill while one is written would leave half of it in the user's.
        usual = {"JAX_COMPILATION_CACHE_DIR": str(self.place.parent / "programs"), "PYTHONPATH": str(ROOT)}
        given = {**os.environ, **usual, **(own or {})}
        return {name: value for name, value in given.items() if value is not None}

    def start(self, *more: str, environment: Mapping[str, str | None] | None = None, **how: Any) -> subprocess.Popen:
        """Starts it, with more flags; its output goes into a file, unless `how` says otherwise."""
        # A shell starts what it puts in the background with SIGINT ignored, the tests and their children among it.
        inherited = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            with self._told.open("wb") as told:
                how = {"stdout": told, "stderr": told, "start_new_session": True, **how}
                return subprocess.Popen(self.command(*more), cwd=self.place, env=self.environment(environment), **how)
        finally:
            signal.signal(signal.SIGINT, inherited)

    def end(self, *more: str, **how: Any) -> int:
        """Lets it end; its exit code."""
        return self.start(*more, **how).wait(PATIENCE)

    @property
    def told(self) -> str:
        """What it has said."""
        return self._told.read_text(encoding="utf-8")

    def kept(self) -> dict[str, int]:
        """When the files of finished members were written."""
        return {file.name: file.stat().st_mtime_ns for file in (self.run / "members").glob("[!.]*.json")}

    def strays(self) -> list[str]:
        """Files that should not be there when a command has ended."""
        found = [*self.run.rglob(".*"), *self.run.rglob("*.changed-*")]
        return [str(file.relative_to(self.run)) for file in found if file.name != ".lock"]
