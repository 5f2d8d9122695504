"""A sweep as a process of its own, stopped by signals at many moments: the same command ends as if it had not been.

Run with `pytest --kills -m kills`: it starts the command some twenty times.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from kill_campaign import campaign
from run_folders import differing, tables
from small_command import PATIENCE, Small

pytestmark = [pytest.mark.kills, pytest.mark.slow]


class Started(Small):
    """The command, to be stopped at a moment."""

    def stop(self, moment: Callable[[Started], bool], number: signal.Signals, times: int = 1) -> int:
        """Waits for the moment, sends the signal, perhaps some times, and returns the exit code."""
        give_up = time.monotonic() + PATIENCE
        self.process = self.start()
        try:
            while not moment(self):
                assert self.process.poll() is None, f"it ended before the moment came: {self.told}"
                assert time.monotonic() < give_up, f"the moment never came: {self.told}"
                time.sleep(0.002)
            for _ in range(times):
                self.process.send_signal(number)
                time.sleep(0.05 * (times > 1))
            return self.process.wait(PATIENCE)
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
    return wrote("members/[!.]*.json", count)


CHAINS = {
    signal.SIGINT: [
        ("while it starts", after(0.5)),
        ("while it compiles", says("compiling the programs")),
        ("after three members", keeps(3)),
        ("at the first table", wrote("predictions.npz")),
        ("in the report, twice", says("analysing"), 2),
        ("in the report, five times", says("analysing"), 5),
    ],
    signal.SIGHUP: [("in training", keeps(1)), ("in the analysis", wrote("members.csv"))],
    signal.SIGTERM: [
        ("before training", lambda started: started.run.exists()),
        ("after a member", keeps(1)),
        ("before the tables", says("analysing")),
        ("in the analysis", wrote("members.csv")),
        ("between tables", wrote("comparisons.csv")),
    ],
    signal.SIGKILL: [
        ("while it starts", after(0.5)),
        ("in training", keeps(2)),
        ("near the end of training", keeps(5)),
        ("while tables are written", wrote("predictions.npz")),
        ("between tables", wrote("comparisons.csv")),
        ("in the report", wrote("figures/*.png", 2)),
        ("at its end", wrote("report.md")),
    ],
}


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("number", CHAINS, ids=lambda number: number.name)
def test_the_same_command_ends_as_if_it_had_been_left_alone(undisturbed, number):
    folder, before = Started(undisturbed.place.parent / number.name), {}
    for name, moment, *times in CHAINS[number]:
        code = folder.stop(moment, number, *times)
        # Before the command has begun to listen, Python itself ends.
        polite = {130, -number} if name == "while it starts" else {130}
        assert code in ({-number} if number == signal.SIGKILL else polite), (name, code, folder.told)
        if code == 130:
            assert "The same command" in folder.told and "Traceback" not in folder.told, (name, folder.told)
        kept = folder.kept()
        again = [file for file in before if kept.get(file) != before[file]]
        assert again == [], f"{name}: finished members were trained again"
        before = kept
    assert folder.end() == 0, folder.told
    assert "compiling" not in folder.told, "all members were finished long before"
    assert differing(tables(folder.run), tables(undisturbed.run)) == []
    assert names(folder.run) == names(undisturbed.run) and folder.strays() == []


@pytest.mark.timeout(3600)
def test_folders_that_grow_are_killed_at_random(tmp_path):
    """Thirty times here; `python tests/kill_campaign.py 1000` goes on for longer."""
    outcome = campaign(30, seed=0, place=tmp_path)
    assert outcome.faults == [] and outcome.kills >= 30


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))
