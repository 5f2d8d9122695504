"""The command `jaxreg`, also `python -m jaxreg`: one door to all the others."""

# PYTHON_ARGCOMPLETE_OK: so that global completion, where a user has it, asks this command.

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from jaxreg import __version__, interrupts
from jaxreg.errors import UserError, exit_code

# The module of each, which has `parser(prog)` and `main(arguments, prog)`, and what it does.
COMMANDS = {
    "sweep": ("jaxreg.sweep", "train every strength of regularisation at once and write a report"),
    "report": ("jaxreg.report.__main__", "write a run's report again"),
    "fit": ("jaxreg.fit", "train what a run recommends on all of its data, and save or export it"),
    "export": ("jaxreg.export", "write a run's results for TensorBoard, MLflow, or as Parquet"),
    "bench": ("jaxreg.bench.__main__", "measure how fast the engine is on this machine"),
    "study": ("jaxreg.study.__main__", "judge the notebook's runs and conclusions"),
    "coverage": ("jaxreg.coverage", "check that the 95 % intervals cover"),
}
OVERVIEW = """\
usage: {prog} COMMAND ...

commands:
{commands}

Flags or a sweep file without a command mean sweep: `{prog} --grid l1,l2` is `{prog} sweep --grid l1,l2`.
`{prog} COMMAND --help` lists the flags of a command, `{prog} --version` says which jaxreg this is.
exit codes: 0 done; 1 the machine failed, or a replay came out otherwise; 2 wrong input; 130 interrupted.
"""


def main(argv: Sequence[str] | None = None, prog: str = "jaxreg") -> int:
    """Runs the command that the arguments begin with, or a sweep; returns its exit code."""
    if "_ARGCOMPLETE" in os.environ:  # a shell asks what could be typed next
        from jaxreg.completion import propose

        propose(list(COMMANDS), lambda name: _module(name).parser())
    words = list(sys.argv[1:] if argv is None else argv)
    first = words[0] if words else "--help"
    if first in ("-h", "--help"):
        listed = "\n".join(f"  {name:<10}{what}" for name, (_, what) in COMMANDS.items())
        print(OVERVIEW.format(prog=prog, commands=listed), end="")
    elif first == "--version":
        print(f"jaxreg {__version__}")
    elif first in COMMANDS:
        return _module(first).main(words[1:], f"{prog} {first}")
    elif first.startswith("-") or _for_sweep(first):
        return _module("sweep").main(words, prog)
    else:
        return exit_code(lambda: _refuse(first))
    return 0


def command() -> None:
    """The installed command `jaxreg`."""
    interrupts.leave(main())


def _module(command: str) -> Any:
    """Imported when it is asked for: none is needed to say which there are."""
    return import_module(COMMANDS[command][0])


def _for_sweep(word: str) -> bool:
    """Whether it is a sweep file or was meant as one, or as a grid, of which a sweep knows what to say."""
    from jaxreg.axes import AXES

    return word in AXES or re.search(r"[./\\,*]", word) is not None or Path(word).is_file()


def _refuse(word: str) -> None:
    from jaxreg.spec.checked import unknown

    raise UserError(f"{unknown('command', word, COMMANDS)} A sweep file ends in .toml.")


if __name__ == "__main__":
    interrupts.leave(main(prog="python -m jaxreg"))
