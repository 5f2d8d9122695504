"""Processes that were started together, such as one on each host of a TPU slice: one drives, all of them train.

Process 0 is the driver and alone writes the folder. It asks the others, and a thread of its own, for the same as
workers of a cluster are asked for, so that all of a sweep works as it does there; members need no collectives.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

from jaxreg.cluster import worker as far
from jaxreg.cluster.line import Line
from jaxreg.cluster.meeting import Where, leave, meet
from jaxreg.cluster.workers import Answer
from jaxreg.errors import Interrupted, UserError
from jaxreg.interrupts import FAILED, INTERRUPTED

FAREWELL = 5.0  # seconds that process 0 gives the others to end before it does
CALLED = {function.__name__: function for function in (far.greet, far.receive, far.work)}
"""What process 0 may have the others call: names travel, and no code."""
GOES_ON = "The same command goes on from there, with any number of processes."


class Call(NamedTuple):
    """What process 0 asks of another."""

    number: int
    name: str  # of a function
    arguments: tuple[Any, ...]


class End(NamedTuple):
    """Process 0 has done all that it had to, or can't go on."""

    code: int  # with which the others exit
    text: str  # what they say, where it is not 0


@contextmanager
def joined(where: Where, devices: int | None = None) -> Iterator[Processes]:
    """Meets the others. Process 0 goes on with all of them as workers; the others work until it ends, and then exit.

    Args:
        where, devices: as of `jaxreg.cluster.meeting.meet`, with its errors.

    Raises:
        SystemExit: this is another process than 0, and has ended.
        Interrupted: the same, by Ctrl-C.
    """
    process, others = meet(where, devices)
    if process != 0:
        raise SystemExit(_serve(*others[0]))
    processes = Processes(others)
    try:
        yield processes
    except BaseException as error:
        processes.end(_end_after(error))
        raise
    processes.end(End(0, ""))


class Processes:
    """A `jaxreg.cluster.workers.Workers`: all processes, this one too, which is worker "0".

    Args:
        others: connections to them and the names of their hosts, by number.
    """

    def __init__(self, others: Mapping[int, tuple[Connection, str]]):
        self._answers: queue.SimpleQueue[Answer] = queue.SimpleQueue()
        self._own: queue.SimpleQueue[Call] = queue.SimpleQueue()
        self._asked, self._gone = 0, ""
        self._lines = {
            str(number): Line(connection, self._answers.put, self._noting(f"process {number} on {host}"))
            for number, (connection, host) in others.items()
        }
        threading.Thread(target=self._work, name="worker", daemon=True).start()

    def present(self) -> Collection[str]:
        if self._gone:
            raise ConnectionError(self._gone)
        return ["0", *self._lines]

    def ask(self, worker: str, function: Callable[..., Any], *arguments: Any) -> int:
        self._asked += 1
        call = Call(self._asked, function.__name__, arguments)
        if worker in self._lines:
            self._lines[worker].send(call)
        else:
            self._own.put(call)
        return call.number

    def answer(self, seconds: float) -> Answer | None:
        try:
            return self._answers.get(timeout=seconds)
        except queue.Empty:
            return None

    def forget(self, number: int) -> None:
        """Nobody waits for it any more: an answer to a call that is not known is left alone."""

    def end(self, end: End) -> None:
        """Tells the others that all is over, and waits until they have heard it."""
        for line in self._lines.values():
            line.close()
            line.send(end)
        for line in self._lines.values():
            line.wait(FAREWELL)

    def _work(self) -> None:
        while True:
            self._answers.put(_called(self._own.get()))

    def _noting(self, who: str) -> Callable[[str], None]:
        def lost(why: str) -> None:
            self._gone = self._gone or f"{who} is gone ({why})"

        return lost


def _serve(connection: Connection, host: str) -> int:
    """Does what process 0 asks for, until it says that all is over or is gone; the exit code."""
    calls: queue.SimpleQueue[Call | End] = queue.SimpleQueue()

    def heard(message: Call | End) -> None:
        if isinstance(message, End) and message.code:  # what is at work here is of no use any more
            leave(message.code, message.text)
        calls.put(message)

    def lost(why: str) -> None:
        leave(FAILED, f"error: process 0 on {host} is gone ({why}). What it was sent is in its folder. {GOES_ON}")

    line = Line(connection, heard, lost)
    try:
        while isinstance(message := calls.get(), Call):
            line.send(_called(message))
    except KeyboardInterrupt:
        raise Interrupted(f"interrupted: what process 0 on {host} was sent is in its folder. {GOES_ON}") from None
    finally:
        line.close()
    return message.code


def _called(call: Call) -> Answer:
    """The answer to a call. Of an error its words: not every one can be sent."""
    try:
        return Answer(call.number, CALLED[call.name](*call.arguments))
    except Exception as error:
        return Answer(call.number, error=RuntimeError(f"{type(error).__name__}: {error}"))


def _end_after(error: BaseException) -> End:
    """How the others end after an error of process 0."""
    if isinstance(error, Interrupted | KeyboardInterrupt):
        return End(INTERRUPTED, f"process 0 was interrupted. {GOES_ON}")
    code = 2 if isinstance(error, UserError) else FAILED
    return End(code, f"process 0 ended with an error: {str(error) or type(error).__name__}")
