"""What a driver knows of a worker: what it is, what it has got, how fast it is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from jaxreg.cluster.waiting import Group

FIRST_SECONDS, SECONDS = 2.5, 20.0
"""How much a worker is given to train before it reports, at first and, doubled each time, in the end: each round trip
is less than a hundredth of it.
"""
LONGEST = 1.5
"""Times as long as that it may take, then it reports on those who are not finished: with the epoch under way, what is
lost with a worker is less than a minute of its work. A state is ten times what a result is: so that none travels that
does not have to, a worker is given what it should finish.
"""


@dataclass
class Hand:
    """One worker."""

    address: str
    stands: Literal["greeted", "lacks", "sent", "ready", "refused"] = "greeted"
    name: str = ""
    why: str = ""  # it was refused
    facts: dict[str, Any] = field(default_factory=dict)
    seconds: float = FIRST_SECONDS  # that it gets for what it is given next
    group: Group | None = None  # whose programs it had last
    rates: dict[Group, float] = field(default_factory=dict)  # member-epochs a second
    widths: dict[Group, int] = field(default_factory=dict)  # members side by side on all its devices
    faults: int = 0  # one after the other
    members: int = 0  # that it finished
    epochs: int = 0
    spent: float = 0.0  # seconds of training

    @property
    def kind(self) -> str:
        """What its numbers may hang on."""
        return str(self.facts.get("device", ""))

    @property
    def rate(self) -> float:
        """Member-epochs a second, over all that it did; 0 before."""
        return self.epochs / self.spent if self.spent else 0.0
