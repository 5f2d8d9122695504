"""A trainer: everything that happens in one process that owns devices, from configuring them to finished members."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from jaxreg.data.corruption import corrupt
from jaxreg.data.dataset import Dataset, Part
from jaxreg.data.splits import balanced_rows
from jaxreg.engine import devices as hardware
from jaxreg.engine import training
from jaxreg.engine.chunk import Chunk, PlacedData
from jaxreg.engine.grouping import MemberData, Noise, ProgramGroup, prepare
from jaxreg.engine.programs import Programs
from jaxreg.engine.progress import Progress
from jaxreg.spec.members import Member
from jaxreg.spec.sweep import Sweep
from jaxreg.store.records import MemberResult


class Trainer:
    """Trains members of one sweep on the devices of this process. It writes nothing.

    Args:
        sweep: whose members they are.
        dataset: what they are trained on.
        block: members side by side on a device; chosen by default.
        devices: how many of the devices to use; all by default.
        progress: told what happens.
    """

    def __init__(
        self, sweep: Sweep, dataset: Dataset, block: int | None, devices: int | None, progress: Progress
    ) -> None:
        hardware.configure(devices)
        self.sweep, self.dataset, self.progress = sweep, dataset, progress
        self._block, self._traced = block, sum(training.traces.values())
        mesh = hardware.member_mesh(devices)
        if (slower := hardware.advice(mesh)) is not None:
            progress.warn(slower)
        self.programs = Programs(mesh, progress)
        self._noise = Noise(0.0, 0.0)
        self._placed: PlacedData | None = None  # the data set on the devices, with that noise
        self._seconds = 0.0

    def facts(self) -> dict[str, Any]:
        """The devices, and what was compiled and spent so far."""
        return hardware.describe(self.programs.mesh) | {
            "programs": self.programs.count,
            "traces": sum(training.traces.values()) - self._traced,
            "compile_seconds": self.programs.compile_seconds,
            "train_seconds": self._seconds - self.programs.compile_seconds,
        }

    def train(self, members: Sequence[Member], weights: Mapping[str, Any]) -> Iterator[list[MemberResult]]:
        """Trains members; yields those that finish together.

        A member that continues another comes after it; between two of the lists the caller may add the weights of
        members that came, by id.

        Args:
            members: whom to train.
            weights: final weights of members that others continue.
        """
        started = time.perf_counter()
        groups = prepare(members, self.sweep, self.dataset)
        self.progress.start(sum(group.epochs * len(waiting) for group, waiting in groups.items()))
        for group, waiting in groups.items():
            data = self._data(group.noise)
            self.programs.block = self._block or hardware.block(self.programs.mesh, group.learner, len(waiting))
            while waiting:
                chunk = waiting[: self.programs.width]
                try:
                    done = self._chunk(group, chunk, data, weights)
                except jax.errors.JaxRuntimeError as error:
                    if "RESOURCE_EXHAUSTED" not in str(error) or self.programs.block == 1:
                        raise
                    self.programs.block //= 2
                    words = f"{self.programs.block} members at a time from here on"
                    self.progress.warn(f"the device is out of memory: {words}")
                    continue
                waiting = waiting[len(chunk) :]
                self._seconds = time.perf_counter() - started
                yield done

    def _chunk(
        self, group: ProgramGroup, members: Sequence[MemberData], data: PlacedData, weights: Mapping[str, Any]
    ) -> list[MemberResult]:
        chunk = Chunk(group, members, data, self.programs)
        chunk.start(weights)
        loss = float("nan")
        while not chunk.done:
            trained = chunk.epoch()
            loss = trained.loss
            self.progress.advance(trained.members, chunk.label, loss, trained.diverged)
        if chunk.epochs_left_out:
            self.progress.advance(chunk.epochs_left_out, chunk.label, loss)
        return chunk.finish()

    def _data(self, noise: Noise) -> PlacedData:
        """The data set with this noise in its training part, on the devices: one at a time."""
        if self._placed is None or self._noise != noise:
            host = corrupt(self.dataset, noise.labels, noise.pixels, self.sweep.seed)
            # Copies, since arrays from files are read-only and JAX on a CPU would share their memory.
            train, test = self.programs.shared(jax.tree.map(np.array, (host.train, host.test)))
            curve = balanced_rows(host.test.targets, self.sweep.curve_images, self.sweep.seed)
            self._noise, self._placed = noise, PlacedData(host, Part(*train), Part(*test), curve)
        return self._placed
