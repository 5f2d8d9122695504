"""Sweeps that are killed at random moments, gone on with, and extended: `python tests/kill_campaign.py 1000`.

A round is a folder that grows over three sweeps: a first one, one with more seeds, one with more epochs. Each is killed
with kill -9 some times, at moments that are uniform over the time that it takes undisturbed; some are extended before
they ever came to their end. In half of the rounds members save their place all the time. At the end every table must be
what the largest sweep writes when nobody disturbs it, and no member that was finished may have been trained again. The
images are a few of Fashion-MNIST, as CSV files.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from run_folders import differing, tables
from small_command import COMMAND, Small, write_data

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


def campaign(kills: int, seed: int, place: Path) -> Outcome:
    """Kills so many times, in folders under `place`."""
    chance, reached, late, rounds, faults = random.Random(seed), 0, 0, 0, []
    write_data(place)
    alone, took = Small(place / "alone"), []
    alone.end(*STAGES[0])  # compiles: what follows is timed without
    for stage in STAGES:
        began = time.monotonic()
        if alone.end(*stage) != 0:
            raise RuntimeError(alone.told)
        took.append(time.monotonic() - began)
    largest = Small(place / "largest")
    if largest.end(*STAGES[-1]) != 0:
        raise RuntimeError(largest.told)
    expected = tables(largest.run)
    while reached < kills:
        rounds += 1
        folder, before = Small(place / f"round{rounds}", COMMAND if rounds % 2 else ("-c", SAVING)), {}
        name = f"seed {seed}, round {rounds}"
        for number, stage in enumerate(STAGES):
            for _ in range(chance.randint(1, 6)):
                process = folder.start(*stage)
                time.sleep(chance.uniform(0, 1.1) * max(took))
                late += process.poll() is not None
                reached += process.poll() is None
                process.kill()
                process.wait()
                now = folder.kept()
                again = [file for file in before if now.get(file) != before[file]]
                faults += [f"{name}, {stage}: written again or gone: {file}" for file in again]
                before = now
            last = number == len(STAGES) - 1
            if last or chance.random() < 0.5:
                code = folder.end(*stage)
                if code != 0:
                    faults.append(f"{name}, {stage}: exit code {code}: {folder.told}")
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
