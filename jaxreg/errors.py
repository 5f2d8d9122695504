"""The exceptions that a person may meet: their text is shown as it stands, without a traceback."""

from __future__ import annotations


class UserError(Exception):
    """Wrong input. The message says what was wrong, what was expected and what to type (exit code 2)."""


class Interrupted(Exception):
    """The run was stopped from outside. The message says what is on disk and how to go on (exit code 130)."""
