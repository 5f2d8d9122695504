"""The notebook's runs and conclusions judged, and its report written again: `python -m jaxreg.study`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from jaxreg.errors import exit_code

PRINTED = Path("sweeps/notebook-printed.csv")


def parser() -> argparse.ArgumentParser:
    """The command's flags."""
    made = argparse.ArgumentParser(prog="python -m jaxreg.study", description=__doc__)
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


def main(arguments: Sequence[str] | None = None) -> int:
    """The command: 0 done, 2 wrong input."""
    given = parser().parse_args(arguments)

    def command() -> None:
        from jaxreg.report import page as report
        from jaxreg.study import page

        print(f"wrote {page.write(given.notebook, given.regularizers, given.outliers, given.printed, given.cost)}")
        print(f"wrote {report.write(given.notebook)}")

    return exit_code(command)


if __name__ == "__main__":
    sys.exit(main())
