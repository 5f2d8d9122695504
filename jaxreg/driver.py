"""The driver: who is trained next, what is kept, and what is noted of how it came about. It alone writes the folder.

It needs no devices and no JAX: members are trained by a trainer, which may be elsewhere.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any, Protocol, runtime_checkable

from jaxreg import __version__
from jaxreg.data.dataset import Dataset
from jaxreg.engine.progress import Progress
from jaxreg.spec.members import Member, members
from jaxreg.spec.sweep import Sweep
from jaxreg.store.records import SMALL_WEIGHT, Folder, MemberResult

PACKAGES = ("jax", "jaxlib", "flax", "optax", "numpy")  # whose versions may change a number


@runtime_checkable  # so that the tests can check arguments by their annotations
class AnyTrainer(Protocol):
    """What the driver asks of whoever trains (`jaxreg.engine.trainer.Trainer` in this process)."""

    def facts(self) -> dict[str, Any]:
        """Devices, programs, seconds, for run.json."""

    def train(self, members: Sequence[Member], weights: Mapping[str, Any]) -> Iterator[list[MemberResult]]:
        """Trains members; yields those that finish together."""


class Driver:
    """The state of a run: its members, those that are finished, and what run.json says.

    Args:
        sweep: what to train.
        dataset: on what.
        folder: where results are kept.
        progress: told what happens.
        command: what was typed to start it.
        began: when, by `time.perf_counter`.

    Raises:
        UserError: the folder belongs to another sweep, or can't be written.
    """

    def __init__(
        self, sweep: Sweep, dataset: Dataset, folder: Folder, progress: Progress, command: str, began: float
    ) -> None:
        folder.check(sweep, dataset.digest)
        self.folder, self.progress = folder, progress
        self.members = members(sweep)
        self.finished = folder.finished(member.id for member in self.members)
        self.about = (folder.about() if self.finished else None) or {"started": now()}
        self.about |= {
            "sweep": sweep.resolved(),
            "command": command,
            "versions": {"jaxreg": __version__, "python": sys.version.split()[0]}
            | {name: version(name) for name in PACKAGES},
            "data": {"name": dataset.name, "digest": dataset.digest},
            "small_weight_threshold": SMALL_WEIGHT,
        }
        self._began, self._spent_before = began, float(self.about.get("run_seconds", 0.0))

    def train(self, trainer: Callable[[], AnyTrainer]) -> None:
        """Has everybody trained who is not finished. Ctrl-C in between loses only the members at work."""
        missing = [member for member in self.members if member.id not in self.finished]
        if not missing:
            return
        if self.finished:
            count = f"{len(self.finished)} of {len(self.members)} members"
            self.progress.announce(f"{count} are in {self.folder.path} already: going on from there")
        self._note()
        followed = {member.predecessor for member in self.members}
        weights = {name: done.weights for name, done in self.finished.items() if done.weights}
        earlier = {key: float(self.about.get(key, 0.0)) for key in ("compile_seconds", "train_seconds")}
        at_work = trainer()
        for done in at_work.train(missing, weights):
            facts = at_work.facts()
            self.about |= facts | {key: spent + facts[key] for key, spent in earlier.items()}
            self._keep(done, followed)
            weights |= {one.id: one.weights for one in done if one.id in followed}

    def end(self, analysed: float) -> None:
        """Writes run.json for the last time; the analysis began at `analysed`, by `time.perf_counter`."""
        self.about |= {"finished": now(), "report_seconds": time.perf_counter() - analysed}
        self._note()

    def _note(self) -> None:
        """Writes run.json, with what this run and those that it goes on from have spent so far."""
        self.about["run_seconds"] = self._spent_before + time.perf_counter() - self._began
        self.folder.note(self.about)

    def _keep(self, done: Sequence[MemberResult], followed: set[str | None]) -> None:
        """Puts members on disk, and what they took; Ctrl-C in between waits until all of it is there."""
        left = list(done)
        try:
            while left:
                one = left[0]
                self.folder.keep(one, with_weights=one.id in followed)
                self.finished[one.id] = one._replace(weights=None)
                left.pop(0)
            self._note()
        except KeyboardInterrupt:
            self._keep(left, followed)
            raise


def now() -> str:
    """The time as run.json has it."""
    return datetime.now(UTC).isoformat(timespec="seconds")
