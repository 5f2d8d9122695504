"""One of the places of a chunk, with the member that is trained there."""

from __future__ import annotations

from typing import Any

from jaxreg.engine.grouping import MemberData


class Slot:
    """A member at work, and what is known of it."""

    def __init__(self, data: MemberData):
        self.data = data
        self.begun = 0  # epochs that its devices were given
        self.history: list[dict[str, Any]] = []
        self.diverged_at: int | None = None
        self.stopped_at: int | None = None
        self.seconds = 0.0

    @property
    def ended(self) -> bool:
        """Whether it is known to train no more."""
        finished = len(self.history) == self.data.member.settings.epochs
        return finished or self.diverged_at is not None or self.stopped_at is not None
