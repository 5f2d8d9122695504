"""An epoch of a chunk: what it came to, on the devices and for whoever watches."""

from __future__ import annotations

from typing import NamedTuple

from jaxreg.engine.early_stopping import Verdict
from jaxreg.engine.training import EpochLosses, Evaluation


class EpochReport(NamedTuple):
    """An epoch of a chunk, for whoever watches."""

    label: str  # the cells at work
    members: int  # that trained
    loss: float  # mean training loss of those that have not diverged; nan where all have
    diverged: int  # of those that trained
    left_out: int  # member-epochs that nobody will train, since members stopped


class Epoch(NamedTuple):
    """What became of an epoch, on the devices still."""

    losses: EpochLosses
    tested: Evaluation
    validated: Evaluation | None
    verdict: Verdict
