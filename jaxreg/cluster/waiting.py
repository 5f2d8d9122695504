"""Who waits to be trained, by what can be trained together, and how many of them a worker is given at once."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from itertools import islice

from jaxreg.axes import AXES
from jaxreg.spec.grid import value_of
from jaxreg.spec.members import Member
from jaxreg.spec.sweep import Cell, Sweep
from jaxreg.store.identity import digest_of

Group = tuple[str, bool]
"""Members of one program, as far as that can be told without JAX: what a wrong guess costs is time, and no number."""

FIRST = 64  # members that a worker is given at most before it is known how fast it is


class Waiting:
    """Members that are to be trained; those that continue others wait until these have come.

    Args:
        members: all of them.
        sweep: theirs.
        begun: ids of those that have got somewhere already, who come first.
    """

    def __init__(self, members: Sequence[Member], sweep: Sweep, begun: Collection[str] = ()):
        self._cells = {cell.name: cell for cell in sweep.cells}
        self._static: dict[str, str] = {}
        self._ready: dict[Group, deque[Member]] = {}
        self._blocked: dict[str, list[Member]] = {}
        missing = {member.id for member in members}
        for member in sorted(members, key=lambda member: member.id not in begun):
            if member.predecessor in missing:
                self._blocked.setdefault(str(member.predecessor), []).append(member)
            else:
                self._append(member)

    def __bool__(self) -> bool:
        return bool(self._blocked) or any(self._ready.values())

    @property
    def ready(self) -> Mapping[Group, int]:
        """How many could begin now, by group."""
        return {group: len(queue) for group, queue in self._ready.items() if queue}

    def first(self, group: Group) -> Member:
        """The next one of a group in which somebody is ready."""
        return self._ready[group][0]

    def take(self, group: Group, most: int) -> list[Member]:
        """Takes out as many of a group, and no more."""
        queue = self._ready[group]
        taken = list(islice(queue, most))
        for _ in taken:
            queue.popleft()
        return taken

    def back(self, members: Sequence[Member]) -> None:
        """Puts members where they will be the next."""
        for member in reversed(members):
            self._ready.setdefault(self._group(member), deque()).appendleft(member)

    def came(self, name: str) -> None:
        """A member has finished: those that continue it are ready."""
        for member in self._blocked.pop(name, ()):
            self._append(member)

    def _append(self, member: Member) -> None:
        self._ready.setdefault(self._group(member), deque()).append(member)

    def _group(self, member: Member) -> Group:
        name = member.cell.name
        if name not in self._static:
            self._static[name] = self._static_of(member.cell)
        return self._static[name], member.split == "all"

    def _static_of(self, cell: Cell) -> str:
        """What decides the programs of a cell; of a traced setting that is whether it is on."""
        # Of fields, those that are not traced are in the network's name, which ends in the digest of its program.
        settings = cell.settings.model_dump(mode="json", exclude={"fields"})
        for name, axis in AXES.items():
            if axis.traced:
                settings[axis.field] = axis.neutral(value_of(cell.settings, name))
        stage, last = 0, cell
        while last.after is not None:
            stage, last = stage + 1, self._cells[last.after]
        return digest_of([settings, stage])


def share(ready: int, workers: int, width: int, able: float | None) -> int:
    """How many members a worker is given at once.

    As many as it trains in its time, and never more than half of its share of those who are ready, so that all workers
    come to the end together: guided self-scheduling (Polychronopoulos and Kuck, 1987). Less than fill its devices would
    take it as long.

    Args:
        ready: members who are.
        workers: that they are for.
        width: members that its devices train side by side.
        able: how many it trains in its time; None: not known yet.
    """
    if able is None:
        return min(FIRST, max(width, math.ceil(ready / workers)))
    most = math.ceil(ready / (2 * workers))
    return max(width, math.floor(min(able, most) / width) * width)
