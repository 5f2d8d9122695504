"""The driver: who is trained next, what is kept, and what is noted of how it came about. It alone writes the folder.

It needs no devices and no JAX: members are trained by a trainer, which may be elsewhere.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Protocol, runtime_checkable

from jaxreg import __version__
from jaxreg.circumstances import by_kind, kind, now, versions
from jaxreg.data.dataset import Dataset
from jaxreg.engine.progress import Progress
from jaxreg.formatting import count, duration
from jaxreg.spec.members import Member, first_look, members
from jaxreg.spec.sweep import Sweep
from jaxreg.store.folder import Folder
from jaxreg.store.identity import key
from jaxreg.store.members import SMALL_WEIGHT, Damaged, MemberResult, MemberState
from jaxreg.store.on_disk import OnDisk
from jaxreg.store.predictions import StoredPredictions

WRITERS = 8


@runtime_checkable  # so that the tests can check arguments by their annotations
class AnyTrainer(Protocol):
    """What the driver asks of whoever trains (`jaxreg.engine.trainer.Trainer` in this process)."""

    def facts(self) -> dict[str, Any]:
        """Devices, programs, seconds, for run.json."""

    def made(self) -> dict[str, str]:
        """On what the last digits of those that were yielded last may depend, beside who they are."""

    def train(
        self, members: Sequence[Member], weights: Mapping[str, Any], states: Mapping[str, MemberState]
    ) -> Iterator[Sequence[MemberResult | MemberState]]:
        """Trains members, from where they have got to; yields those that finish together, and how far others are."""


class Driver:
    """The state of a run: its members, those that are finished, and what run.json says.

    Args:
        sweep: what to train.
        dataset: on what.
        folder: where results are kept; nobody else writes it meanwhile.
        progress: told what happens.
        command: what was typed to start it.
        began: when, by `time.perf_counter`.
        keep_state: whether each member's whole state stays, so that more epochs can go on from it.

    Raises:
        UserError: the folder belongs to another sweep.
    """

    def __init__(
        self,
        sweep: Sweep,
        dataset: Dataset,
        folder: Folder,
        progress: Progress,
        command: str,
        began: float,
        keep_state: bool = False,
    ) -> None:
        folder.check(sweep, dataset.digest)
        self.sweep, self.dataset, self.folder = sweep, dataset, folder
        self.progress, self.keep_state, self.store = progress, keep_state, folder.members
        self._may_be = members(sweep)
        self.members = [member for member in self._may_be if first_look(member, sweep) == 1]
        self.second_stage: list[Member] = []  # besides those of the sweep
        self._trained_on = dataset.digest, dataset.draws_watched, dataset.standardised
        self.keys = {member.id: key(member, sweep, *self._trained_on) for member in self._may_be}
        self._followed = {member.predecessor for member in self._may_be}
        self._kinds: dict[str, str] = {}  # of machine and versions, by member
        self.finished = {member.id for member in self.members if self._whole(member)}
        earlier = folder.about() or {}
        noted, _ = earlier.pop("files", None) or {}, earlier.pop("kinds", None)
        self._noted = {name: digest for name, digest in noted.items() if isinstance(digest, str)}
        for sentence in folder.set_aside(self._noted):
            progress.warn(sentence)
        self.about = (earlier if self.finished else None) or {"started": now()}
        self.about |= {
            "sweep": sweep.resolved(),
            "command": command,
            "versions": {"jaxreg": __version__, "python": sys.version.split()[0]} | versions(),
            "data": {"name": dataset.name, "digest": dataset.digest} | dataset.described,
            "small_weight_threshold": SMALL_WEIGHT,
        }
        self._trained = False
        self._began, self._spent_before = began, _number(self.about.get("run_seconds"))

    @property
    def everybody(self) -> list[Member]:
        """All members, those of the second stage last."""
        return [*self.members, *self.second_stage]

    def coming(self, look: int, cells: Collection[str]) -> list[Member]:
        """Whom these cells, and those that they start from, train for a look."""
        wanted, after = set(cells), {cell.name: cell.after for cell in self.sweep.cells}
        for name in cells:
            while (name := after[name] or "") and name not in wanted:
                wanted.add(name)
        later = (member for member in self._may_be if first_look(member, self.sweep) == look)
        return [member for member in later if member.cell.name in wanted]

    def take_on(self, more: Sequence[Member]) -> None:
        """Takes on members of a further look, to be trained and kept with those before."""
        taken = {member.id for member in [*self.members, *more]}
        self.members = [member for member in self._may_be if member.id in taken]
        self.finished |= {member.id for member in more if self._whole(member)}

    def add(self, more: Sequence[Member]) -> None:
        """Takes on the members of a second stage, to be trained and kept like the others."""
        self.second_stage += [member for member in more if member.id not in self.keys]
        self.keys |= {member.id: key(member, self.sweep, *self._trained_on) for member in self.second_stage}
        self.finished |= {member.id for member in self.second_stage if self._whole(member)}

    def _whole(self, member: Member) -> bool:
        """Whether a member is on disk and what it should be."""
        wanted = self.keys[member.id]
        try:
            content = self.store.check(wanted, with_weights=member.id in self._followed)
            self._kinds[member.id] = kind(content.made)
            return True
        except FileNotFoundError:
            pass
        except Damaged as damage:
            self.progress.warn(f"{damage}: trained again")
            return False
        for other, content in self.store.others(wanted):
            ended, epochs = content.row["stopped_at"] or content.row["diverged_at"], member.settings.epochs
            if ended and ended <= epochs and member.id not in self._followed:
                self.store.adopt(wanted, other)
                self._kinds[member.id] = kind(content.made)
                return True
        return False

    def train(self, trainer: Callable[[], AnyTrainer]) -> None:
        """Has everybody trained who is not finished. Ctrl-C in between loses only what members at work did lately."""
        self._note()
        missing = [member for member in self.everybody if member.id not in self.finished]
        if not missing:
            return
        if self.finished and not self._trained:
            there = f"{len(self.finished)} of {count(len(self.everybody), 'member')}"
            self.progress.announce(f"{there} are in {self.folder.path} already: going on from there")
        begun = [m.id for m in missing if (s := self._state(m.id)) and len(s.history) <= m.settings.epochs]
        self._say_what_is_lost(missing, begun)
        states = OnDisk(begun, self._state)
        followed = [name for name in self.finished if name in self._followed]
        weights = OnDisk(followed, lambda name: self.store.weights(self.keys[name]))
        earlier = {name: _number(self.about.get(name)) for name in ("compile_seconds", "train_seconds")}
        at_work, self._trained = trainer(), True
        for done in at_work.train(missing, weights, states):
            facts = at_work.facts()
            self.about |= facts | {name: spent + facts[name] for name, spent in earlier.items()}
            self._keep(done, at_work.made())
            for one in done:
                if isinstance(one, MemberState):
                    states.put(one.id)  # for a trainer that has to begin a chunk again
                    continue
                states.drop(one.id)
                if one.id in self._followed:
                    weights.put(one.id)

    def outputs(self, members: Sequence[Member]) -> StoredPredictions:
        """What finished members predict of the test part."""
        return self.store.predictions([self.keys[member.id] for member in members])

    def _state(self, name: str) -> Any:
        return self.store.state(self.keys[name])

    def _say_what_is_lost(self, missing: Sequence[Member], begun: Sequence[str]) -> None:
        """Says before it happens that members with other epochs are trained from the beginning, and what that takes."""
        anew, seconds = 0, 0.0
        for member in missing:
            others = [] if member.id in begun else list(self.store.others(self.keys[member.id]))
            if others:
                _, content = others[-1]
                anew += 1
                seconds += content.row["seconds"] * member.settings.epochs / max(content.row["epochs"], 1)
        if begun:
            self.progress.announce(f"{count(len(begun), 'member')} go on from where their training had got to")
        if anew:
            self.progress.warn(
                f"{count(anew, 'member')} are trained anew for their new number of epochs, since their state was not "
                f"kept: {duration(seconds)}. --keep-state keeps it from now on."
            )

    def remove(self, table: str) -> None:
        """Removes a table that no longer belongs to the run, if it is as it was written."""
        self.folder.remove(table, self._noted)

    @property
    def kept(self) -> str:
        """What is on disk, in a sentence."""
        return f"{len(self.finished)} of {count(len(self.everybody), 'member')} are finished and in {self.folder.path}."

    def end(self, analysed: float) -> None:
        """Writes run.json for the last time; the analysis began at `analysed`, by `time.perf_counter`."""
        self.about |= {
            "finished": now(),
            "report_seconds": time.perf_counter() - analysed,
            "files": self.folder.digests(),
        }
        if len(kinds := by_kind({member.id: self._kinds[member.id] for member in self.everybody})) > 1:
            self.about["kinds"] = kinds
        self._note()

    def _note(self) -> None:
        """Writes run.json, with what this run and those that it goes on from have spent so far."""
        self.about["run_seconds"] = self._spent_before + time.perf_counter() - self._began
        self.folder.note(self.about)

    def _keep(self, done: Sequence[MemberResult | MemberState], made: Mapping[str, Any]) -> None:
        """Puts members on disk, and what they took; Ctrl-C in between waits until all of it is there."""
        left = list(done)
        try:
            # Several at once: a disk makes the files of four durable in the time of one, 2 ms.
            with ThreadPoolExecutor(WRITERS, "writer") as writers:
                for one, _ in zip(done, writers.map(partial(self._put, made=made), done), strict=True):
                    left.pop(0)
                    if isinstance(one, MemberResult):
                        self.finished.add(one.id)
                        self._kinds[one.id] = kind(made)
            self._note()
        except KeyboardInterrupt:
            self._keep(left, made)
            raise

    def _put(self, one: MemberResult | MemberState, made: Mapping[str, Any]) -> None:
        if isinstance(one, MemberState):
            self.store.keep_state(self.keys[one.id], one)
            return
        self.store.keep(self.keys[one.id], one, made, with_weights=one.id in self._followed)
        if not self.keep_state:
            self.store.drop_state(self.keys[one.id])


def _number(value: Any) -> float:
    """Of a run.json that anybody may have edited."""
    return float(value) if isinstance(value, int | float) else 0.0
