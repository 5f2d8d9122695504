"""What a shell may propose next on a line that begins with `jaxreg`; argcomplete does the talking with the shell."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from typing import Any

import argcomplete
from argcomplete.completers import DirectoriesCompleter, FilesCompleter

from jaxreg.axes import AXES
from jaxreg.flags import Parser

Completer = Callable[..., Any]


def _axes(prefix: str, **_: Any) -> list[str]:
    """Every axis after the ones that stand there already: of `l1,` that is `l1,l2` and so on."""
    before = prefix[: len(prefix) - len(re.split(r"[,*]", prefix)[-1])]
    return [before + axis for axis in AXES]


def _nothing(**_: Any) -> list[str]:
    return []


# By what the help calls the value of a flag. Of numbers, lists and names there is nothing to propose.
COMPLETERS: dict[str, Completer] = {
    "FILE": FilesCompleter(("toml",)),
    "CSV": FilesCompleter(("csv",)),
    "PATH": FilesCompleter(),
    "DIR": DirectoriesCompleter(),
    "AXES": _axes,
}


def propose(commands: Sequence[str], parser: Callable[[str], Parser]) -> None:
    """Answers the shell and ends the process. `parser` makes that of a command; without one it is a sweep's."""
    start = int(os.environ["_ARGCOMPLETE"])  # how many words run the program: 1, or 3 as in python -m jaxreg
    before = os.environ["COMP_LINE"][: int(os.environ["COMP_POINT"])]
    finished = re.findall(r"\S+(?=\s)", before)[start:]
    command = finished[0] if finished and finished[0] in commands else None
    if command:
        os.environ["_ARGCOMPLETE"] = str(start + 1)  # its name belongs to what runs the program
    asked = parser(command or "sweep")
    for option in asked._actions:
        completer = COMPLETERS.get(str(option.metavar), _nothing)
        if option.dest == "file" and not finished:
            completer = _or_else(commands, completer)
        option.completer = completer  # type: ignore[attr-defined]  # where argcomplete looks for it
    argcomplete.autocomplete(asked, always_complete_options=False)


def _or_else(words: Sequence[str], completer: Completer) -> Completer:
    return lambda **asked: [*words, *completer(**asked)]
