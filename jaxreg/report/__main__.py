"""Write a run's report again: `python -m jaxreg.report reports/l1-l2`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from jaxreg import interrupts
from jaxreg.errors import exit_code, printed
from jaxreg.flags import WHAT_COUNTS, Parser

PROG = "python -m jaxreg.report"


def parser(prog: str = PROG) -> Parser:
    """The command's flags."""
    made = Parser(prog=prog, description="Write a run's report again, from its tables.")
    made.add_argument("folder", type=Path, metavar="DIR", help="the folder of a run, such as reports/l1-l2")
    made.add_argument("--for", choices=WHAT_COUNTS, help="what counts, which the page then answers alone")
    return made


def main(arguments: Sequence[str] | None = None, prog: str = PROG) -> int:
    """The command, which was typed as `prog`: 0 done, 2 wrong input, 130 interrupted."""

    def command() -> None:
        given = vars(parser(prog).read(arguments))
        from jaxreg.report import page

        printed(f"wrote {page.write(given['folder'], given['for'])}")

    return exit_code(command)


if __name__ == "__main__":
    interrupts.leave(main())
