"""Workers of a cluster that are in this process: they do what a worker does, in the order in which they are asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jaxreg.cluster.workers import Answer


class NearWorkers:
    """A `jaxreg.cluster.workers.Workers`.

    Args:
        there: their addresses.
        before: called with this and the call's number before each call is done; it may change who is there.
        wrong: what to raise or to give in the place of what a worker comes to: called with address, function, value.
    """

    def __init__(
        self,
        there: set[str],
        before: Callable[[NearWorkers, int], None] = lambda *_: None,
        wrong: Callable[[str, Callable[..., Any], Any], Any] = lambda _, __, value: value,
    ):
        self.there, self.before, self.wrong = there, before, wrong
        self.calls: dict[int, tuple[str, Callable[..., Any], tuple[Any, ...]]] = {}
        self.asked = 0

    def present(self) -> set[str]:
        return set(self.there)

    def ask(self, worker: str, function: Callable[..., Any], *arguments: Any) -> int:
        self.asked += 1
        self.calls[self.asked] = worker, function, arguments
        return self.asked

    def answer(self, seconds: float) -> Answer | None:
        for number, (worker, function, arguments) in sorted(self.calls.items()):
            self.before(self, number)
            if worker not in self.there or number not in self.calls:
                continue
            del self.calls[number]
            try:
                return Answer(number, self.wrong(worker, function, function(*arguments)))
            except RuntimeError as error:
                return Answer(number, error=error)
        return None

    def forget(self, number: int) -> None:
        self.calls.pop(number, None)
