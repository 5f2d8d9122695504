"""A line between two processes, which notices when the other end is gone."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

BEAT = 10.0  # seconds between two signs of life
SILENCE = 60.0
"""Seconds without one after which the other end counts as gone: its host is, or nothing gets through. Of a process that
has ended, the system says so at once.
"""


class Line:
    """Messages to and from another process, in threads of its own.

    Args:
        connection: to that process, which has shown that it knows our secret.
        heard: called with each message, one after the other.
        lost: called once, with what happened, when the other end is gone before this one was closed.
    """

    def __init__(self, connection: Connection, heard: Callable[[Any], None], lost: Callable[[str], None]):
        self._connection, self._heard, self._lost = connection, heard, lost
        self._closed, self._ended = threading.Event(), threading.Event()
        self._one_at_a_time = threading.Lock()
        for name, work in {"hear": self._hear, "beat": self._beat}.items():
            threading.Thread(target=work, name=name, daemon=True).start()

    def send(self, message: Any) -> None:
        """Sends anything that pickles. To an end that is gone it sends nothing: whoever waits for it is told else."""
        self._send(pickle.dumps(message))

    def close(self) -> None:
        """Expects the other end to go."""
        self._closed.set()

    def wait(self, seconds: float) -> None:
        """Waits until the other end has gone, so that what was sent last arrives: an early end could destroy it."""
        self._ended.wait(seconds)

    def _send(self, message: bytes) -> None:
        try:
            with self._one_at_a_time:
                self._connection.send_bytes(message)
        except OSError:
            pass  # it is gone, as the other thread hears

    def _beat(self) -> None:
        while not self._ended.wait(BEAT):
            self._send(b"")

    def _hear(self) -> None:
        why = "its connection was closed"
        try:
            while True:
                if not self._connection.poll(SILENCE):
                    why = f"nothing was heard of it for {SILENCE:.0f} s"
                    break
                if message := self._connection.recv_bytes():
                    self._heard(pickle.loads(message))
        except (EOFError, OSError):
            pass
        self._ended.set()
        if not self._closed.is_set():
            self._lost(why)
