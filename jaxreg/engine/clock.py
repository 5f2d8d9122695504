"""How long the rest of the training will take, by what is done."""

from __future__ import annotations

import time
from collections.abc import Callable


class Clock:
    """How long the rest will take; stands still while paused."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self.now = now
        self.total = self.done = self._counted = 0
        self._spent, self._since = 0.0, now()
        self._running = True

    def start(self, total: int, done: int) -> None:
        """Begins to count: `done` of `total` member-epochs were finished by an earlier run."""
        self.total, self.done, self._counted = total, done, 0
        self._spent, self._since = 0.0, self.now()

    def advance(self, member_epochs: int) -> None:
        self.done += member_epochs
        self._counted += member_epochs

    def pause(self) -> None:
        if self._running:
            self._spent += self.now() - self._since
        self._running = False

    def resume(self) -> None:
        if not self._running:
            self._since = self.now()
        self._running = True

    @property
    def share(self) -> float:
        return self.done / self.total if self.total else 1.0

    @property
    def left(self) -> str:
        """As in "ETA 2:05", "ETA 1:02:05"; dashes before anything is known."""
        if not self._counted:
            return "ETA -:--"
        spent = self._spent + (self.now() - self._since if self._running else 0)
        minutes, seconds = divmod(round(spent / self._counted * (self.total - self.done)), 60)
        hours, minutes = divmod(minutes, 60)
        return f"ETA {hours}:{minutes:02}:{seconds:02}" if hours else f"ETA {minutes}:{seconds:02}"
