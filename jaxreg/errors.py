"""The exceptions that a person may meet: their text is shown as it stands, without a traceback."""

from __future__ import annotations

import sys
from collections.abc import Callable


class UserError(Exception):
    """Wrong input. The message says what was wrong, what was expected and what to type (exit code 2)."""


class Interrupted(Exception):
    """The run was stopped from outside. The message says what is on disk and how to go on (exit code 130)."""


def exit_code(command: Callable[[], object]) -> int:
    """Runs a command: 0, or 2 once it is told what was wrong with its input, or 130 where it was interrupted."""
    try:
        command()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\ninterrupted.", file=sys.stderr)
        return 130
    return 0
