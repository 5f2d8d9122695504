"""The engine as a sweep runs it, without what surrounds the training: members of one kind, an epoch at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from jaxreg.bench import job
from jaxreg.data import fashion
from jaxreg.engine import devices, grouping, training
from jaxreg.engine.programs import Programs
from jaxreg.engine.progress import Silent
from jaxreg.spec.load import load
from jaxreg.spec.members import members
from jaxreg.spec.settings import Settings


class Engine:
    """One chunk of members, trained by the same programs as in a sweep. Orders are drawn and moved each epoch.

    Args:
        hidden: layer widths.
        steps: batches an epoch.
        block: members side by side on each device; as the engine chooses by default.
        mesh: where; all devices by default.
    """

    def __init__(
        self, hidden: Sequence[int] = job.HIDDEN, steps: int = 375, block: int | None = None, mesh: Any = None
    ):
        mesh = mesh or devices.member_mesh()
        self.network = grouping.network(Settings(hidden=tuple(hidden)))
        block = block or devices.block(mesh, self.network, 60)
        self.programs = Programs(mesh, Silent(), block)
        sweep = load(
            flags={
                "grid": "l1",
                "l1": [job.L1],
                "l2": [job.L2],
                "hidden": list(hidden),
                "splits": 1,
                "seeds": self.programs.width,
            }
        )
        dataset = fashion.load()
        (group,) = grouping.prepare(members(sweep), sweep, dataset).values()
        self.slots = [slot._replace(rows=slot.rows[: steps * job.BATCH]) for slot in group]
        self.data = self.programs.shared((dataset.train_images.copy(), dataset.train_labels.copy()))
        hyper = jax.tree.map(lambda *leaves: np.stack(leaves), *(slot.hyper for slot in self.slots))
        self.hyper = self.programs.per_member(hyper)
        self.active = self.programs.per_member(np.ones(len(self.slots), bool))
        self.state = self.programs(training.start, self.network, self.hyper)
        self.epochs = 0

    @property
    def member_steps(self) -> int:
        """Of one epoch, all members together."""
        return len(self.slots) * (self.slots[0].rows.size // job.BATCH)

    def epoch(self) -> float:
        """Trains every member for one epoch; their mean cross-entropy."""
        orders = np.stack([grouping.epoch_order(slot, 0, self.epochs) for slot in self.slots])
        order = self.programs.per_member(orders)
        self.state, losses = self.programs(
            training.train_epoch_if,
            self.network,
            self.hyper,
            self.state,
            self.active,
            order,
            shared=self.data,
            donate=1,
        )
        self.epochs += 1
        return float(np.mean(np.asarray(losses.cross_entropy)))

    def counted_epoch(self) -> int:
        """Trains every member for one epoch; the member-steps that this was."""
        self.epoch()
        return self.member_steps

    def text(self) -> str:
        """The optimised HLO of the epoch's program; to be asked for after an epoch."""
        (program,) = (
            program
            for key, program in self.programs._compiled.items()
            if key[:4] == (training.train_epoch_if, self.network, self.programs.mesh, self.programs.block)
            and key[-1] == ((60_000,), np.dtype("uint8"))
            and any(shape == (len(self.slots), self.member_steps // len(self.slots), job.BATCH) for shape, _ in key[5:])
        )
        return str(program.as_text())
