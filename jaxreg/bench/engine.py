"""The engine as a sweep runs it, without what surrounds the training: a chunk of members, an epoch at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from jaxreg.bench import job
from jaxreg.data import fashion
from jaxreg.engine import devices, grouping
from jaxreg.engine.chunk import Chunk, PlacedData
from jaxreg.engine.programs import Programs
from jaxreg.engine.progress import Silent
from jaxreg.spec.load import load
from jaxreg.spec.members import members


def chunk(hidden: Sequence[int] = job.HIDDEN, steps: int = 375, block: int | None = None, mesh: Any = None) -> Chunk:
    """One full chunk of members at their first weights, on the programs of a sweep.

    Args:
        hidden: layer widths.
        steps: batches an epoch.
        block: members side by side on each device; as the engine chooses by default.
        mesh: where; all devices by default.
    """
    mesh, dataset = mesh or devices.member_mesh(), fashion.load()
    programs = Programs(mesh, Silent())
    flags = {"grid": "l1", "l1": [job.L1], "l2": [job.L2], "hidden": list(hidden), "splits": 1}
    learner = grouping.learner(load(flags=flags).cells[0].settings, dataset.signature, steps * job.BATCH)
    programs.block = block or devices.block(mesh, learner, 60)
    sweep = load(flags={**flags, "seeds": programs.width})
    ((group, everybody),) = grouping.prepare(members(sweep), sweep, dataset).items()
    short = [one._replace(rows=one.rows[: steps * job.BATCH]) for one in everybody]
    train, test = programs.shared(jax.tree.map(np.array, (dataset.train, dataset.test)))
    made = Chunk(group, short, PlacedData(dataset, train, test, np.arange(0)), programs)
    made.start({})
    return made


def member_steps(made: Chunk) -> int:
    """Of one epoch, all members together."""
    return len(made.members) * (made.members[0].rows.size // job.BATCH)


def epoch(made: Chunk) -> float:
    """Trains every member for one epoch; their mean cross-entropy. Orders are drawn and moved, nothing is scored."""
    return float(np.mean(np.asarray(made.train().cross_entropy)))


def counted_epoch(made: Chunk) -> int:
    """Trains every member for one epoch; the member-steps that this was."""
    epoch(made)
    return member_steps(made)
