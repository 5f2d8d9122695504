"""A trainer: everything that happens in one process that owns devices, from configuring them to finished members."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import jax

from jaxreg.circumstances import circumstances
from jaxreg.data.corruption import corrupt
from jaxreg.data.dataset import Dataset
from jaxreg.data.splits import balanced_rows
from jaxreg.engine import blocks, training
from jaxreg.engine import devices as hardware
from jaxreg.engine.chunk import Chunk
from jaxreg.engine.grouping import MemberData, Noise, ProgramGroup, prepare
from jaxreg.engine.programs import Ahead, Programs
from jaxreg.engine.progress import Progress
from jaxreg.engine.scoring import PlacedData, placed
from jaxreg.spec.members import Member
from jaxreg.spec.sweep import Sweep
from jaxreg.store.members import MemberResult, MemberState

SAVED_EVERY = 30.0
"""Seconds of training after which a member's place is saved: with the epoch under way, a kill costs less than a minute.
Two members of the notebook's network are taken in 0.02 s and written in 0.14, on two busy cores: 0.5 % of the time.
"""


def _never() -> bool:
    return False


class Trainer:
    """Trains members of one sweep on the devices of this process. It writes nothing.

    Args:
        sweep: whose members they are.
        dataset: what they are trained on.
        block: members side by side on a device; chosen by default.
        devices: how many of the devices to use; all by default.
        progress: told what happens.
        keep_state: whether each member's state at its end is wanted too.
    """

    def __init__(
        self,
        sweep: Sweep,
        dataset: Dataset,
        block: int | None,
        devices: int | None,
        progress: Progress,
        keep_state: bool = False,
    ) -> None:
        hardware.configure(devices)
        self.sweep, self.dataset, self.progress = sweep, dataset, progress
        self._keep_state = keep_state
        self._block, self._traced = block, sum(training.traces.values())
        mesh = hardware.member_mesh(devices)
        for advice in hardware.advice(mesh, {cell.settings.precision for cell in sweep.cells}):
            progress.warn(advice)
        self.programs = Programs(mesh, progress)
        self._noise = Noise(0.0, 0.0)
        self._placed: PlacedData | None = None  # the data set on the devices, with that noise
        self._seconds = 0.0
        self._blocks: dict[str, str] = {}  # by network, how many members side by side and why

    def facts(self) -> dict[str, Any]:
        """The devices, and what was compiled and spent so far."""
        return hardware.describe(self.programs.mesh) | {
            "precision": ", ".join(sorted({cell.settings.precision for cell in self.sweep.cells})),
            "blocks": self._blocks,
            "programs": self.programs.count,
            "traces": sum(training.traces.values()) - self._traced,
            "compile_seconds": self.programs.compile_seconds,
            "train_seconds": self._seconds - self.programs.compile_seconds,
        }

    def made(self) -> dict[str, str]:
        """On what the last digits of those that were yielded last may depend, beside who they are."""
        return circumstances(self.facts())

    def train(
        self,
        members: Sequence[Member],
        weights: Mapping[str, Any],
        states: Mapping[str, MemberState],
        enough: Callable[[], bool] = _never,
    ) -> Iterator[Sequence[MemberResult | MemberState]]:
        """Trains members; yields those that finish together, and at times where those at work have got to.

        A member that continues another comes after it; between two of the lists the caller may add the weights of
        members that came, by id.

        Args:
            members: whom to train.
            weights: final weights of members that others continue.
            states: where members had got to, by id; the others begin.
            enough: asked after each epoch; once it says so, those at work leave, as states, and nobody begins any more.
        """
        started = time.perf_counter() - self._seconds
        groups = prepare(members, self.sweep, self.dataset)
        done_before = sum(len(states[name].history) for name in states)
        total = sum(group.epochs * len(waiting) for group, waiting in groups.items())
        self.progress.start(total, done_before)
        for group, waiting in groups.items():
            data = self._data(group.noise)
            chosen = blocks.block(self.programs.mesh, group.learner)
            if self._block:
                chosen = blocks.Block(self._block, "as asked for")
            self.programs.block = chosen.members
            self._note_block(group, chosen)
            self._compile(group, waiting, data, weights)
            while waiting:
                chunk = Chunk(group, data, self.programs)
                try:
                    for done in self._until_ended(chunk, waiting, weights, states, enough):
                        self._seconds = time.perf_counter() - started
                        yield done
                except jax.errors.JaxRuntimeError as error:
                    if "RESOURCE_EXHAUSTED" not in str(error) or self.programs.block == 1:
                        raise
                    waiting[:0] = chunk.at_work
                    self.programs.block //= 2
                    words = f"{self.programs.block} members at a time from here on"
                    self.progress.warn(f"the device is out of memory: {words}")
                    self._note_block(group, blocks.Block(self.programs.block, "out of memory with more"))
                finally:
                    chunk.close()
                if enough():
                    return

    def _compile(
        self, group: ProgramGroup, members: Sequence[MemberData], data: PlacedData, weights: Mapping[str, Any]
    ) -> None:
        """Begins to compile all that the group needs, at once instead of one after the other."""
        self.progress.announce(f"compiling the programs of {group.learner.network}")
        self.progress.pause_clock()
        ahead = Ahead(self.programs.mesh, self.progress, self.programs.block)
        chunk = Chunk(group, data, ahead)
        chunk.admit(members[: ahead.width], weights, {})
        chunk.advance()
        chunk.score()
        chunk.close()
        self.programs.count += ahead.count
        self.programs.compile_seconds += ahead.compile_seconds
        self.progress.resume_clock()

    def _note_block(self, group: ProgramGroup, block: blocks.Block) -> None:
        self._blocks[str(group.learner.network)] = f"{block.members} side by side: {block.why}"

    def _until_ended(
        self,
        chunk: Chunk,
        waiting: list[MemberData],
        weights: Mapping[str, Any],
        states: Mapping[str, MemberState],
        enough: Callable[[], bool],
    ) -> Iterator[Sequence[MemberResult | MemberState]]:
        """Trains all who wait; takes them from the list as they find a slot."""
        while waiting or chunk.at_work:
            if waiting and chunk.free:
                admitted = waiting[: chunk.free]
                del waiting[: chunk.free]
                chunk.admit(admitted, weights, states)
            if chunk.trains:
                chunk.advance()
            # The states of those who end are gone with the next epoch, in which their block trains on.
            leave = enough()
            saves = leave or chunk.unsaved >= SAVED_EVERY or (self._keep_state and chunk.ends)
            for epoch in chunk.read(everything=saves):
                if not epoch.members:  # under way when the last who trained had stopped: it has no loss
                    continue
                self.progress.advance(epoch.members + epoch.left_out, epoch.label, epoch.loss, epoch.diverged)
            if saves:
                yield chunk.states()
            # Releasing scores every slot, which takes a third of an epoch: worth it for a quarter of them.
            many = 4 * chunk.ended >= self.programs.width if waiting else chunk.ended == len(chunk.at_work)
            if chunk.ended and (many or leave):
                yield chunk.release()
            if leave:
                return

    def _data(self, noise: Noise) -> PlacedData:
        """The data set with this noise in its training part, on the devices: one at a time."""
        if self._placed is None or self._noise != noise:
            host = corrupt(self.dataset, noise.labels, noise.pixels, self.sweep.seed)
            curve = balanced_rows(host.test_strata, self.sweep.curve_images, self.sweep.seed)
            self._noise, self._placed = noise, placed(host, curve, self.programs)
        return self._placed
