"""The orders in which members see their rows, drawn and sent to the devices while these train on the last ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np

from jaxreg.engine.grouping import MemberData, epoch_order
from jaxreg.engine.programs import Programs

Wanted = tuple[tuple[str, int] | None, ...]  # by slot: member id and epoch; None where nobody trains


class Orders:
    """One epoch ahead. NumPy's sort lets other threads run: drawing costs the devices nothing."""

    def __init__(self, programs: Programs, shape: tuple[int, int]):
        self._programs, self._shape = programs, shape  # of an order: "step batch"
        self._thread = ThreadPoolExecutor(1, "orders")
        self._ahead: tuple[Wanted, Future[Any]] | None = None

    def take(self, members: Sequence[MemberData | None], epochs: Sequence[int], end: int) -> Any:
        """Placed orders "member step batch" of these epochs; begins with the next ones, as far as there are any.

        Args:
            members: by slot; None where nobody trains.
            epochs: of each, from 0.
            end: how many epochs there are.
        """
        ready, (wanted, asked) = self._ahead, self._ask(members, epochs)
        if ready is None or ready[0] != wanted:  # somebody's first epoch
            ready = wanted, asked()
        following = [one if at + 1 < end else None for one, at in zip(members, epochs, strict=True)]
        self._ahead = None
        if any(following):
            wanted, asked = self._ask(following, [at + 1 for at in epochs])
            self._ahead = wanted, asked()
        return ready[1].result()

    def close(self) -> None:
        """Nothing more is wanted."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _ask(
        self, members: Sequence[MemberData | None], epochs: Sequence[int]
    ) -> tuple[Wanted, Callable[[], Future[Any]]]:
        """Whose orders these are, and what has them drawn."""
        pairs = tuple(zip(members, epochs, strict=True))
        wanted = tuple(None if one is None else (one.member.id, at) for one, at in pairs)
        return wanted, partial(self._thread.submit, self._draw, pairs)

    def _draw(self, pairs: Sequence[tuple[MemberData | None, int]]) -> Any:
        drawn: dict[Any, np.ndarray] = {}  # cells are paired: most members of a chunk share their order with others

        def order(one: MemberData, epoch: int) -> np.ndarray:
            whose = id(one.rows), *map(int, one.hyper.identity[:3]), one.epochs_before + epoch
            if whose not in drawn:
                drawn[whose] = epoch_order(one, epoch)
            return drawn[whose]

        nobody = np.zeros(self._shape, np.int32)
        return self._programs.per_member(
            np.stack([nobody if one is None else order(one, epoch) for one, epoch in pairs])
        )
