"""The engine as a sweep runs it, without what surrounds the training: a chunk of members, an epoch at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from jaxreg.bench import job
from jaxreg.data import fashion
from jaxreg.data.dataset import Dataset
from jaxreg.engine import blocks, devices, grouping
from jaxreg.engine.chunk import Chunk
from jaxreg.engine.programs import Programs
from jaxreg.engine.progress import Silent
from jaxreg.engine.scoring import placed
from jaxreg.spec.load import load
from jaxreg.spec.members import members


def chunk(
    more: Mapping[str, Any] = {},  # noqa: B006 - never changed
    steps: int = 375,
    block: int | None = None,
    mesh: Any = None,
    make: type[Programs] = Programs,
    dataset: Dataset | None = None,
) -> Chunk:
    """One full chunk of members at their first weights, on the programs of a sweep.

    Args:
        more: flags of a sweep of the notebook's network with L1 and L2.
        steps: batches an epoch.
        block: members side by side on each device; as the engine chooses by default.
        mesh: where; all devices by default.
        make: how programs are made.
        dataset: what is trained on; Fashion-MNIST by default.
    """
    mesh, dataset = mesh or devices.member_mesh(), dataset or fashion.load()
    programs = make(mesh, Silent())
    flags = {"grid": "l1", "l1": [job.L1], "l2": [job.L2], "hidden": list(job.HIDDEN), "splits": 1, "epochs": 10**6}
    flags |= more
    learner = grouping.learner(load(flags=flags).cells[0].settings, dataset.signature, steps * job.BATCH)
    programs.block = block or blocks.block(mesh, learner).members
    sweep = load(flags={**flags, "seeds": programs.width})
    ((group, everybody),) = grouping.prepare(members(sweep), sweep, dataset).items()
    examples = min(steps * job.BATCH, group.train_examples)
    short = [one._replace(rows=one.rows[:examples], epoch_examples=examples) for one in everybody]
    group = replace(group, train_examples=examples)
    curve = np.arange(min(job.CURVE, len(dataset.test.targets)))
    made = Chunk(group, placed(dataset, curve, programs), programs)
    made.admit(short, {}, {})
    return made


def member_steps(made: Chunk) -> int:
    """Of one epoch, all members together."""
    return len(made.at_work) * (made.at_work[0].rows.size // job.BATCH)


def epoch(made: Chunk) -> float:
    """Trains every member for one epoch; their mean cross-entropy. Orders are drawn and moved, nothing is scored."""
    return float(np.mean(np.asarray(made.train().error)))


def counted_epoch(made: Chunk) -> int:
    """Trains every member for one epoch; the member-steps that this was."""
    epoch(made)
    return member_steps(made)
