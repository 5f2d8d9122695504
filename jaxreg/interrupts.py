"""How a command is ended from outside: by Ctrl-C, a polite kill, a closed terminal.

Imported before anything that takes its time: a command that is stopped while it is still importing says so in a line.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import ExtensionFileLoader
from pathlib import Path
from threading import Timer, local, main_thread
from types import FrameType

# The last is of Windows, where Ctrl-Break and a terminal that is closed send it.
NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
SIGNALS = tuple(getattr(signal, name) for name in NAMES if hasattr(signal, name))
AGAIN, SOON = 5.0, 0.05  # seconds
FAILED, INTERRUPTED = 1, 130

_unbroken = local()  # .depth: how often this thread is inside of `unbroken`


@contextmanager
def heard() -> Iterator[None]:
    """Each of the signals is a KeyboardInterrupt, as Ctrl-C is; those that whoever started us has switched off stay so.

    One more within seconds of another changes nothing: what is under way is being kept. One that nobody could hear of,
    since Python prints and forgets what is raised while it lets go of an object, comes again.
    """
    before, hook = {number: signal.getsignal(number) for number in SIGNALS}, sys.unraisablehook
    raised: list[tuple[float, int]] = []

    def interrupt(number: int, frame: FrameType | None) -> None:
        if getattr(_unbroken, "depth", 0) or _in_c(frame):
            _soon(number)
        elif not raised or time.monotonic() - raised[-1][0] > AGAIN:
            raised.append((time.monotonic(), number))
            raise KeyboardInterrupt

    def forgotten(what: sys.UnraisableHookArgs) -> None:
        if raised and issubclass(what.exc_type, KeyboardInterrupt):
            _soon(raised.pop()[1])
        else:
            hook(what)

    try:
        for number, handler in before.items():
            if handler is not signal.SIG_IGN:
                signal.signal(number, interrupt)
    except ValueError:  # not the main thread, which signals never reach
        yield
        return
    sys.unraisablehook = forgotten
    try:
        yield
    finally:
        sys.unraisablehook = hook
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def unbroken() -> Iterator[None]:
    """An interrupt waits until this is over: for calls of others that leave something half done, and are short."""
    _unbroken.depth = getattr(_unbroken, "depth", 0) + 1
    try:
        yield
    finally:
        _unbroken.depth -= 1


def _soon(number: int) -> None:
    """Sends this process a signal in a moment."""
    again = Timer(SOON, _to_main_thread, (number,))
    again.daemon = True
    again.start()


def _to_main_thread(number: int) -> None:
    """Sends this process a signal; one that another thread raised would leave the main one asleep."""
    if hasattr(signal, "pthread_kill"):
        signal.pthread_kill(main_thread().ident or 0, number)
    else:
        signal.raise_signal(signal.Signals(number))


def _in_c(frame: FrameType | None) -> bool:
    """Whether an exception would go to C++, which can't take it: jaxlib falls over while it is imported."""
    while frame is not None:
        called = frame.f_code.co_name
        if called in ("create_module", "exec_module") and isinstance(frame.f_locals.get("self"), ExtensionFileLoader):
            return True
        frame = frame.f_back
    return False


def leave(code: int) -> None:
    """Ends the process with this code.

    Once interrupted or failed, without waiting for threads that still compile or train, which takes half a minute, and
    without a word about a reader of our output that has gone: files are complete long before.
    """
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):
            os._exit(code)
    if code in (FAILED, INTERRUPTED):
        os._exit(code)
    sys.exit(code)


def _early(number: int, frame: FrameType | None) -> None:
    try:
        os.write(2, b"\ninterrupted before training began. The same command starts again.\n")
    finally:
        os._exit(INTERRUPTED)


def _is_a_command() -> bool:
    """Whether this process is one of our commands, and not somebody's program that imports us."""
    main = getattr(sys.modules.get("__main__"), "__spec__", None)
    return (main.name if main else Path(sys.argv[0] if sys.argv else "").name).split(".")[0] == "jaxreg"


if _is_a_command():
    for _number in SIGNALS:
        if signal.getsignal(_number) is not signal.SIG_IGN:
            signal.signal(_number, _early)
