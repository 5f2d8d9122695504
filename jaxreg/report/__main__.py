"""Write a run's report again, or that of models of others: `python -m jaxreg.report reports/l1-l2`."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from jaxreg import interrupts
from jaxreg.errors import UserError, exit_code, printed
from jaxreg.flags import WHAT_COUNTS, Parser

PROG = "python -m jaxreg.report"
DESCRIPTION = "Write a run's report again, or that of models trained elsewhere, from their predictions."


def parser(prog: str = PROG) -> Parser:
    """The command's flags."""
    made = Parser(prog=prog, description=DESCRIPTION)
    made.add_argument("folder", type=Path, nargs="?", metavar="DIR", help="the folder of a run, such as reports/l1-l2")
    made.add_argument("--predictions", type=Path, metavar="FILE", help="predictions of other models, .npz or .parquet")
    made.add_argument("--out", type=Path, metavar="DIR", help="with --predictions: where results go (reports/FILE)")
    made.add_argument("--reference", metavar="CELL", help="with --predictions: the cell to compare with (the first)")
    made.add_argument("--for", choices=WHAT_COUNTS, help="what counts, which the page then answers alone")
    return made


def main(arguments: Sequence[str] | None = None, prog: str = PROG) -> int:
    """The command, which was typed as `prog`: 0 done, 2 wrong input, 130 interrupted."""

    typed = list(sys.argv[1:] if arguments is None else arguments)

    def command() -> None:
        given = vars(parser(prog).read(typed))
        folder, predictions = given["folder"], given["predictions"]
        if (folder is None) == (predictions is None):
            raise UserError("give the folder of a run, such as reports/l1-l2, or --predictions FILE, and not both.")
        if predictions is None and (given["out"] or given["reference"]):
            raise UserError("--out, --reference: go with --predictions.")
        from jaxreg.report import page

        if predictions is not None:
            folder = _compared(predictions, given["out"], given["reference"], given["for"], [*prog.split(), *typed])
            printed(f"{page.headline(folder)}\nwrote {folder / 'report.md'}")
        else:
            printed(f"wrote {page.write(folder, given['for'])}")

    return exit_code(command)


def _compared(file: Path, out: Path | None, reference: str | None, purpose: str | None, typed: list[str]) -> Path:
    from jaxreg.compare import compare
    from jaxreg.store.given import read

    given = read(file)._asdict()
    given |= {"reference": reference} if reference is not None else {}
    named = re.sub(r"[^\w.+=,-]+", "-", file.stem).strip("-") or "compare"
    out = Path("reports", named) if out is None else out
    return compare(**given, purpose=purpose, name=named, out=out, command=shlex.join(typed)).folder


if __name__ == "__main__":
    interrupts.leave(main())
