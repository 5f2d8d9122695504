"""The notebook's runs and conclusions judged, and its report written again: `python -m jaxreg.study`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from jaxreg import interrupts
from jaxreg.errors import exit_code, printed
from jaxreg.flags import Parser

PROG = "python -m jaxreg.study"
PRINTED = Path("sweeps/notebook-printed.csv")


def parser(prog: str = PROG) -> Parser:
    """The command's flags."""
    made = Parser(prog=prog, description="The notebook's runs and conclusions judged, and its report written again.")
    for name in ("notebook", "regularizers", "outliers"):
        words = f"folder of the run of sweeps/{name}.toml (default: reports/{name})"
        made.add_argument(f"--{name}", type=Path, default=Path("reports") / name, metavar="DIR", help=words)
    made.add_argument(
        "--printed", type=Path, default=PRINTED, metavar="CSV", help=f"the printed losses (default: {PRINTED})"
    )
    made.add_argument(
        "--cost", action="store_true", help="time a step without penalty, with L1 and with L2, and keep step_cost.csv"
    )
    return made


def main(arguments: Sequence[str] | None = None, prog: str = PROG) -> int:
    """The command, which was typed as `prog`: 0 done, 2 wrong input, 130 interrupted."""

    def command() -> None:
        given = parser(prog).read(arguments)
        from jaxreg.report import page as report
        from jaxreg.study import page

        printed(f"wrote {page.write(given.notebook, given.regularizers, given.outliers, given.printed, given.cost)}")
        printed(f"wrote {report.write(given.notebook)}")

    return exit_code(command)


if __name__ == "__main__":
    interrupts.leave(main())
