"""Sweeps that are killed at random moments, gone on with, and extended: `python tests/kill_campaign.py 1000`.

A round is a folder that grows over three sweeps: a first one, one with more seeds, one with more epochs. Each is killed
with kill -9 some times, at moments that are uniform over the time that it takes undisturbed; some are extended before
they ever came to their end. In half of the rounds members save their place all the time. At the end every table must be
what the largest sweep writes when nobody disturbs it, and no member that was finished may have been trained again. The
images are a few of Fashion-MNIST, as CSV files.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
from run_folders import differing, tables

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
STAGES = (["--keep-state"], ["--keep-state", "--seeds", "2"], ["--keep-state", "--seeds", "2", "--epochs", "3"])
# The command itself, but members save their place whenever they can, and not after half a minute.
SAVING = """
import sys
from jaxreg.engine import trainer
from jaxreg.sweep import main
trainer.SAVED_EVERY = 0.0
sys.exit(main())
"""


class Outcome(NamedTuple):
    """What a campaign came to."""

    kills: int  # that reached a process at work
    late: int  # that came when it had ended
    rounds: int
    faults: list[str]

    def __str__(self) -> str:
        found = "\n  ".join(self.faults) or "none"
        return f"{self.kills} kills in {self.rounds} rounds ({self.late} came too late)\nfaults: {found}"


class Killed:
    """A folder in which the command is started and killed."""

    def __init__(self, place: Path, saving: bool = False):
        self.place, self.saving = place, saving
        place.mkdir()
        (place / "killed.toml").write_text(SWEEP, encoding="utf-8")
        self.run, self.told = place / "run", place / "told.txt"

    def start(self, stage: list[str]) -> subprocess.Popen[bytes]:
        """Starts the sweep of a stage."""
        how = ["-c", SAVING] if self.saving else ["-m", "jaxreg.sweep"]
        command = [sys.executable, *how, "killed.toml", "--out", "run", "--devices", "2", *stage]
        # A cache of the campaign's own: a kill while a program is written there leaves half of it.
        cache = {"JAX_COMPILATION_CACHE_DIR": str(self.place.parent / "programs"), "PYTHONPATH": str(ROOT)}
        with self.told.open("wb") as told:
            return subprocess.Popen(
                command, cwd=self.place, env={**os.environ, **cache}, stdout=told, stderr=told, start_new_session=True
            )

    def end(self, stage: list[str]) -> int:
        """Lets it end; its exit code."""
        return self.start(stage).wait(PATIENCE)

    def members(self) -> dict[str, int]:
        """When the finished ones were written."""
        return {file.name: file.stat().st_mtime_ns for file in (self.run / "members").glob("[!.]*.json")}

    def strays(self) -> list[str]:
        """Files that should not be there when a command has ended."""
        found = [*self.run.rglob(".*"), *self.run.rglob("*.changed-*")]
        return [str(file.relative_to(self.run)) for file in found if file.name != ".lock"]


def write_csv(path: Path, inputs: np.ndarray, labels: np.ndarray) -> None:
    """Images as a file in Kaggle's layout."""
    table = np.column_stack([labels, inputs])
    np.savetxt(path, table, fmt="%d", delimiter=",", header=",".join(COLUMNS), comments="")


def campaign(kills: int, seed: int, place: Path) -> Outcome:
    """Kills so many times, in folders under `place`."""
    chance, reached, late, rounds, faults = random.Random(seed), 0, 0, 0, []
    data = subset(fashion.load(), 40, 20)
    write_csv(place / "train.csv", *data.train)
    write_csv(place / "test.csv", *data.test)
    alone, took = Killed(place / "alone"), []
    alone.end(STAGES[0])  # compiles: what follows is timed without
    for stage in STAGES:
        began = time.monotonic()
        if alone.end(stage) != 0:
            raise RuntimeError(alone.told.read_text())
        took.append(time.monotonic() - began)
    largest = Killed(place / "largest")
    if largest.end(STAGES[-1]) != 0:
        raise RuntimeError(largest.told.read_text())
    expected = tables(largest.run)
    while reached < kills:
        rounds += 1
        folder, before = Killed(place / f"round{rounds}", saving=rounds % 2 == 0), {}
        name = f"seed {seed}, round {rounds}"
        for number, stage in enumerate(STAGES):
            for _ in range(chance.randint(1, 6)):
                process = folder.start(stage)
                time.sleep(chance.uniform(0, 1.1) * max(took))
                late += process.poll() is not None
                reached += process.poll() is None
                process.kill()
                process.wait()
                now = folder.members()
                again = [file for file in before if now.get(file) != before[file]]
                faults += [f"{name}, {stage}: written again or gone: {file}" for file in again]
                before = now
            last = number == len(STAGES) - 1
            if last or chance.random() < 0.5:
                code = folder.end(stage)
                if code != 0:
                    faults.append(f"{name}, {stage}: exit code {code}: {folder.told.read_text()}")
                faults += [f"{name}, {stage}: left behind: {file}" for file in folder.strays()]
        faults += [f"{name}: {table} differs" for table in differing(tables(folder.run), expected)]
        print(f"{reached} of {kills} kills, {len(faults)} faults", file=sys.stderr, flush=True)
    return Outcome(reached, late, rounds, faults)


def main() -> int:
    """The command: 0 where there was no fault."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("kills", type=int, help="how many")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        outcome = campaign(given.kills, given.seed, Path(folder))
    print(outcome)
    return 1 if outcome.faults else 0


if __name__ == "__main__":
    sys.exit(main())
