"""The exceptions that a person may meet: their text is shown as it stands, without a traceback."""

from __future__ import annotations

import codecs
import gc
import sys
from collections.abc import Callable
from io import TextIOWrapper

from jaxreg.interrupts import INTERRUPTED, heard


class UserError(Exception):
    """Wrong input. The message says what was wrong, what was expected and what to type (exit code 2)."""


class Failure(Exception):
    """The machine failed: its disk, its memory, its devices. The message says what is on disk (exit code 1)."""


class Interrupted(Exception):
    """The run was stopped from outside. The message says what is on disk and how to go on (exit code 130)."""


def exit_code(command: Callable[[], int | None], interrupted: str = "interrupted.") -> int:
    """Runs a command; its exit code, or that of what went wrong, once it is told.

    Args:
        command: what is to be run; its own code is 0 where it gives none.
        interrupted: said where it was interrupted and has nothing to say itself.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors=PLAINLY)
    thresholds = gc.get_threshold()
    gc.set_threshold(*SELDOM)
    try:
        with heard():
            return command() or 0
    except UserError as error:
        return _end(2, f"error: {error}")
    except Failure as failure:
        return _end(1, f"error: {failure}")
    except Interrupted as stop:
        return _end(INTERRUPTED, f"\n{stop}")
    except KeyboardInterrupt:
        return _end(INTERRUPTED, f"\n{interrupted}")
    finally:
        gc.set_threshold(*thresholds)


SELDOM = (50_000, 20, 100)
"""When Python looks for cycles. Libraries that are imported make many objects: looking at them again and again took a
seventh of the time of a short sweep.
"""


def _plainly(error: UnicodeError) -> tuple[str, int]:
    """Signs that an output's encoding lacks, as the nearest that all have: a pipe on Windows is seldom UTF-8."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(PLAIN.get(sign, "?") for sign in error.object[error.start : error.end]), error.end


PLAINLY = "jaxreg.plainly"
PLAIN = {"\u2212": "-", "\u2013": "-", "\u00d7": "x", "\u2192": "->", "\u2026": "...", "\u00b2": "^2", "\u00b1": "+-"}
codecs.register_error(PLAINLY, _plainly)


def _end(code: int, text: str) -> int:
    try:
        print(text, file=sys.stderr, flush=True)
    except OSError:
        pass  # nobody listens any more
    return code


def printed(text: str) -> None:
    """Writes a result to the output. A reader who has gone wants no more; a full disk behind it is a `Failure`."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        pass
    except OSError as error:
        raise Failure(f"the result can't be written to the output: {error.strerror}.\n{text}") from None
