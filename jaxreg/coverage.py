"""Do the intervals cover? `python -m jaxreg.coverage`: the public door to `jaxreg.statistics.coverage`."""

from __future__ import annotations

from collections.abc import Sequence

from jaxreg import interrupts
from jaxreg.errors import UserError, exit_code
from jaxreg.flags import Parser

PROG = "python -m jaxreg.coverage"
SECTIONS = ("intervals", "comparisons", "settling")


def parser(prog: str = PROG) -> Parser:
    """The command's flags."""
    made = Parser(prog=prog, description="Do the 95 % intervals cover? Writes the page docs/coverage.md to the output.")
    made.add_argument(
        "--repetitions",
        type=int,
        default=1000,
        metavar="N",
        help="of every design (default 1000, about an hour on one core)",
    )
    made.add_argument("--only", choices=SECTIONS, help="one section of the page")
    return made


def main(arguments: Sequence[str] | None = None, prog: str = PROG) -> int:
    """The command, which was typed as `prog`: 0 done, 2 wrong input, 130 interrupted."""

    def command() -> None:
        asked = parser(prog).read(arguments)
        if asked.repetitions < 2:
            raise UserError(f"--repetitions: must be a whole number of at least 2, got {asked.repetitions}.")
        from jaxreg.statistics import coverage  # SciPy and pandas, for which --help need not wait

        coverage.main(asked.repetitions, asked.only)

    return exit_code(command)


if __name__ == "__main__":
    interrupts.leave(main())
