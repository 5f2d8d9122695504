"""Write a run's report again: `python -m jaxreg.report reports/l1-l2`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from jaxreg.errors import exit_code


def parser() -> argparse.ArgumentParser:
    """The command's flags."""
    made = argparse.ArgumentParser(prog="python -m jaxreg.report", description="Write a run's report again.")
    made.add_argument("folder", type=Path, help="the folder of a run, such as reports/l1-l2")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """The command: 0 done, 2 wrong input."""
    folder = parser().parse_args(arguments).folder
    from jaxreg.report import page

    return exit_code(lambda: print(f"wrote {page.write(folder)}"))


if __name__ == "__main__":
    sys.exit(main())
