"""The parser of every command: what is wrong is told in one line, with the flag that was probably meant."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any, NoReturn

from jaxreg.errors import UserError
from jaxreg.formatting import brief, nearest, separated
from jaxreg.measures import CLASSES, QUANTITIES, VOTES, Measures

NEAR = 0.8  # of two flags: the two dashes that all have in common make any two short ones half alike
MEANT = {"--target": "--label", "--y": "--label", "--lr": "--learning-rate", "--dataset": "--data", "--output": "--out"}
"""What other programs call a flag, where that is not near its name here."""

ASKED = {
    CLASSES.task: ("cross_entropy", "brier", "accuracy"),
    QUANTITIES.task: ("rmse", "mae"),
    VOTES.task: ("accuracy",),
}
WHAT_COUNTS = (*ASKED[CLASSES.task], *ASKED[QUANTITIES.task])
"""What `--for` may ask for: probabilities, by either score, or labels; of quantities squared or absolute errors."""


def check_purpose(purpose: str | None, measures: Measures | None = None, called: str = "purpose") -> None:
    """Raises `UserError` where it is none of `WHAT_COUNTS`, or none of such targets; None is all of them.

    `called` is what it was given by.
    """
    known = WHAT_COUNTS if measures is None else ASKED[measures.task]
    if purpose not in (None, *known):
        of = "" if measures is None else f" of {measures.task}"
        raise UserError(f"{called}: must be one of {', '.join(known)}{of}, got {brief(purpose)}.")


class Joined(argparse.Action):
    """Of a list that may be given in parts: what was typed, joined by commas."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:
        """Adds what is typed to what is there."""
        before = getattr(namespace, self.dest)
        setattr(namespace, self.dest, values if before is None else f"{before},{values}")


class Parser(argparse.ArgumentParser):
    """An argparse parser whose `read` raises a `UserError`, so that all commands end alike."""

    def __init__(self, **how: Any) -> None:
        super().__init__(allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter, **how)

    def error(self, message: str) -> NoReturn:
        """What argparse found wrong."""
        raise UserError(f"{message.removeprefix('argument ')}. See --help.")

    def read(self, arguments: Sequence[str] | None = None) -> argparse.Namespace:
        """What the arguments (without any: those of the process) say.

        Raises:
            UserError: where they make no sense; an unknown flag is told with one much like it, if there is one.
        """
        given, left = self.parse_known_args(arguments)
        for text in left:
            if not text.startswith("-"):
                taken = [(option.metavar, getattr(given, option.dest)) for option in self._get_positional_actions()]
                already = "".join(f": one {kind} at a time, and {value} is given already" for kind, value in taken)
                raise UserError(f"{text}{already or ': there is no place for it'}.{separated(text) or ' See --help.'}")
            flag = text.partition("=")[0]
            known = [option for option in self._option_string_actions if option.startswith("--")]
            near = nearest(MEANT.get(flag, flag), known, NEAR)
            raise UserError(f"unknown flag `{flag}`.{near} --help lists all flags.")
        return given
