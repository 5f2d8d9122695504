"""What a person sees while members train: a bar on a terminal, a line now and then anywhere else.

All of it goes to stderr; stdout is for results. The time left leaves out what was spent compiling: it is
the time per member-epoch so far, over the member-epochs to come.
"""

from __future__ import annotations

import io
import math
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import IO, Any, Protocol, cast, runtime_checkable

from jaxreg.engine.clock import Clock

Stream = io.TextIOBase | IO[str]  # what stands in for stderr in tests and notebooks is only the former


class Unbreakable(io.TextIOBase):
    """A stream whose reader may go, or whose disk may be full: what is said is lost, and training goes on."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Writes, if it can."""
        with suppress(OSError, ValueError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Sends what was written, if it can."""
        with suppress(OSError, ValueError):
            self._stream.flush()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The stream's own."""
        return getattr(self._stream, "encoding", None) or "utf-8"

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        return bool(self._stream.isatty())


@runtime_checkable  # so that the tests can check arguments by their annotations
class Progress(Protocol):
    """What training tells whoever watches."""

    def announce(self, text: str) -> None:
        """Says what is about to happen, before it does."""

    def warn(self, text: str) -> None:
        """Says what may not be as meant."""

    def read(self, text: str, share: float) -> None:
        """Says what is being read, and how much of it is: 0 at the beginning, 1 at the end."""

    def start(self, total: int, done: int = 0) -> None:
        """Begins to count member-epochs, of which `done` are finished already."""

    def advance(self, member_epochs: int, label: str, loss: int | float, diverged: int = 0) -> None:
        """Counts finished member-epochs.

        Args:
            member_epochs: how many more.
            label: the chunk at work.
            loss: its mean loss.
            diverged: members lost in them; the display adds them up.
        """

    def pause_clock(self) -> None:
        """Begins what the time left must not be judged by, such as compiling."""

    def resume_clock(self) -> None:
        """Ends it."""

    def close(self) -> None:
        """Puts everything away. May be called twice."""


def suited(given: Stream | None, quiet: bool = False) -> Progress:
    """What suits a stream: a bar on a terminal, lines elsewhere; `quiet` leaves warnings only. None: it is closed."""
    stream = Unbreakable(io.StringIO() if given is None else given)
    return Bar(stream) if stream.isatty() and not quiet else Lines(stream, quiet=quiet)


def watched(asked: Progress | bool | None) -> Progress:
    """What somebody asked for from Python: a display of his own, the command's (True), or none."""
    own = None if isinstance(asked, bool) else asked
    return own or (suited(sys.stderr) if asked else Silent())


def _state(loss: int | float, diverged: int) -> str:
    """The mean loss of the members at work, and how many were lost so far."""
    text = f"loss {loss:.3f}" if math.isfinite(loss) else "loss not finite"
    return f"{text}, {diverged} diverged" if diverged else text


class Lines:
    """Plain lines: one after every 5 % or minute, but no two within 10 seconds."""

    def __init__(self, stream: Stream, quiet: bool = False, now: Callable[[], float] = time.monotonic) -> None:
        self.stream, self.quiet, self.clock = stream, quiet, Clock(now)
        self._said_at, self._said_share, self._diverged = now(), 0.0, 0

    def announce(self, text: str) -> None:
        if not self.quiet:
            self._write(text)

    def warn(self, text: str) -> None:
        self._write(f"warning: {text}")

    def read(self, text: str, share: float) -> None:
        if share == 0:
            self._said_at = self.clock.now()
            self.announce(text)
        elif share < 1 and self.clock.now() - self._said_at >= 10:
            self._said_at = self.clock.now()
            self.announce(f"{share:4.0%}  {text}")

    def start(self, total: int, done: int = 0) -> None:
        self.clock.start(total, done)
        self._said_at, self._said_share = self.clock.now(), self.clock.share

    def advance(self, member_epochs: int, label: str, loss: int | float, diverged: int = 0) -> None:
        self.clock.advance(member_epochs)
        self._diverged += diverged
        silence, gain = self.clock.now() - self._said_at, self.clock.share - self._said_share
        due = silence >= 60 or (silence >= 10 and gain >= 0.05)
        if self.quiet or not (due or self.clock.done >= self.clock.total):
            return
        self._said_at, self._said_share = self.clock.now(), self.clock.share
        self._write(f"{self.clock.share:4.0%}  {label}  {_state(loss, self._diverged)}  {self.clock.left}")

    def pause_clock(self) -> None:
        self.clock.pause()

    def resume_clock(self) -> None:
        self.clock.resume()

    def close(self) -> None:
        """Nothing to put away."""

    def _write(self, text: str) -> None:
        print(text, file=self.stream, flush=True)


class Silent(Lines):
    """Nothing but warnings, to stderr: what a call from Python gets unless it asks for more."""

    def __init__(self) -> None:
        super().__init__(sys.stderr, quiet=True)


class Bar:
    """One bar over all member-epochs, redrawn in place; announcements and warnings scroll by above it."""

    def __init__(self, stream: Stream, now: Callable[[], float] = time.monotonic) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

        self.clock, self._diverged = Clock(now), 0
        self._console = Console(file=cast(IO[str], stream))
        self._bar = Progress(
            BarColumn(bar_width=24),
            TaskProgressColumn(),
            *(TextColumn(f"{{task.fields[{field}]}}", markup=False) for field in ("left", "state")),
            TextColumn("{task.description}", markup=False),
            console=self._console,
        )
        self._task = self._bar.add_task("", total=None, visible=False, state="", left="")

    def announce(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False)

    def warn(self, text: str) -> None:
        self._console.print(f"warning: {text}", style="yellow", markup=False, highlight=False)

    def read(self, text: str, share: float) -> None:
        if share == 0:
            self.announce(text)
        self._bar.update(self._task, total=1, completed=share, description=text, visible=share < 1, left="", state="")
        if share < 1:
            self._bar.start()
            self._bar.refresh()
        else:
            self._bar.stop()

    def start(self, total: int, done: int = 0) -> None:
        self.clock.start(total, done)
        self._bar.update(self._task, total=total, completed=done, visible=True, left=self.clock.left)
        self._bar.start()

    def advance(self, member_epochs: int, label: str, loss: int | float, diverged: int = 0) -> None:
        self.clock.advance(member_epochs)
        self._diverged += diverged
        state = _state(loss, self._diverged)
        self._bar.update(self._task, completed=self.clock.done, description=label, state=state, left=self.clock.left)

    def pause_clock(self) -> None:
        self.clock.pause()

    def resume_clock(self) -> None:
        self.clock.resume()

    def close(self) -> None:
        self._bar.stop()
