"""Workers that can be asked to call a function, over Dask. Nothing else here knows that it is Dask.

Each call is for one worker and stays with it: which worker gets what is for the driver to say, since it knows who has
compiled what. So no call of ours is ever run twice without its knowing, and what was lost with a worker is asked anew.
"""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, Protocol, runtime_checkable

from jaxreg.interrupts import unbroken

LOOKED_AFTER = 0.5  # seconds between two looks at who is there
FETCHED_AT_ONCE = 4
FAILURES = 5  # looks that may fail, one after the other, while the connection seems to be there


class Answer(NamedTuple):
    """What came of a call."""

    number: int  # of the call
    value: Any = None
    error: BaseException | None = None


@runtime_checkable  # so that the tests can check arguments by their annotations
class Workers(Protocol):
    """Whoever calls functions for us."""

    def present(self) -> Collection[str]:
        """The addresses of the workers that are there. Raises `ConnectionError` where nobody can know any more."""

    def ask(self, worker: str, function: Callable[..., Any], *arguments: Any) -> int:
        """Has a worker call a function; the number of the call."""

    def answer(self, seconds: float) -> Answer | None:
        """The next answer to come, within so many seconds."""

    def forget(self, number: int) -> None:
        """The answer is not wanted any more."""


class DaskWorkers:
    """Those of a `distributed.Client`."""

    def __init__(self, client: Any):
        self._client, self._name = client, f"jaxreg-{os.getpid()}-{os.urandom(4).hex()}"
        self._answers: queue.SimpleQueue[Answer] = queue.SimpleQueue()
        self._futures: dict[int, Any] = {}
        self._asked, self._present, self._fault = 0, frozenset[str](), ""
        self._closed, self._looked = threading.Event(), threading.Event()
        self._fetchers = ThreadPoolExecutor(FETCHED_AT_ONCE, thread_name_prefix="fetcher")
        threading.Thread(target=self._look, name="look", daemon=True).start()

    def present(self) -> Collection[str]:
        self._looked.wait(LOOKED_AFTER)
        if self._client.status != "running":
            self._fault = self._fault or "the connection was closed"
        if self._fault:
            raise ConnectionError(f"the scheduler at {self._client.scheduler.address} is gone ({self._fault})")
        return self._present

    def ask(self, worker: str, function: Callable[..., Any], *arguments: Any) -> int:
        import dask

        self._asked += 1
        number = self._asked
        # Weights are data of ours, not a graph that grew too large by mistake. A future that is interrupted while it is
        # made prints a traceback when it is let go.
        with unbroken(), dask.config.set({"distributed.admin.large-graph-warning-threshold": "10GB"}):
            future = self._client.submit(
                function,
                *arguments,
                workers=[worker],
                allow_other_workers=False,
                pure=False,
                key=f"{self._name}-{number}",
            )
            self._futures[number] = future
            future.add_done_callback(lambda _: self._fetchers.submit(self._fetch, number, future))
        return number

    def answer(self, seconds: float) -> Answer | None:
        try:
            answer = self._answers.get(timeout=seconds)
        except queue.Empty:
            return None
        future = self._futures.pop(answer.number, None)
        if future is not None:
            with unbroken():
                future.release()  # else it would be computed again if its worker died
        return answer

    def forget(self, number: int) -> None:
        future = self._futures.pop(number, None)
        if future is not None:
            with unbroken():
                future.cancel(force=True)

    def close(self) -> None:
        """Nobody is asked any more; the client stays as it is."""
        self._closed.set()
        for number in list(self._futures):
            self.forget(number)
        self._fetchers.shutdown(wait=False, cancel_futures=True)

    def _fetch(self, number: int, future: Any) -> None:
        try:
            self._answers.put(Answer(number, future.result()))
        except BaseException as error:  # a cancelled future's is no Exception
            self._answers.put(Answer(number, error=error))

    def _look(self) -> None:
        """Sees who is there, again and again, in a thread of its own: a scheduler that hangs must not hang a driver."""
        failed = 0
        while not self._closed.is_set():
            try:
                self._present = frozenset(self._client.nthreads())
                failed = 0
            except Exception as error:
                failed += 1
                if self._client.status != "running" or failed > FAILURES:
                    self._fault = (str(error).splitlines() or [type(error).__name__])[0][:200]
                    return
            finally:
                self._looked.set()
            self._closed.wait(LOOKED_AFTER)
