"""One of the places of a chunk, with the member that is trained there."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from jaxreg.engine.grouping import MemberData
from jaxreg.store.members import MemberState


class Slot:
    """A member at work, from the beginning or from where it had got to, and what is known of it."""

    def __init__(self, data: MemberData, state: MemberState | None = None):
        self.data = data
        self.history: list[dict[str, Any]] = list(state.history) if state else []
        self.begun = len(self.history)  # epochs that its devices were given
        self.diverged_at: int | None = None
        self.stopped_at: int | None = None
        self.seconds = state.seconds if state else 0.0
        self.saved_at = time.monotonic()  # when it was last known outside the devices

    @property
    def ended(self) -> bool:
        """Whether it is known to train no more."""
        finished = len(self.history) == self.data.member.settings.epochs
        return finished or self.diverged_at is not None or self.stopped_at is not None

    @property
    def resumable(self) -> bool:
        """Whether its arrays are those at the end of its history, and more epochs could follow."""
        return self.begun == len(self.history) and self.diverged_at is None and self.stopped_at is None

    def state(self, arrays: dict[str, Any]) -> MemberState:
        """What is kept of it, with its arrays as they are now."""
        self.saved_at = time.monotonic()
        return MemberState(self.data.member.id, list(self.history), self.seconds, arrays)


def label(slots: Sequence[Slot]) -> str:
    """The cells at work."""
    cells = list(dict.fromkeys(slot.data.member.cell.name for slot in slots)) or [""]
    return cells[0] if len(cells) == 1 else f"{cells[0]} … {cells[-1]}"
