"""Write a run's report again, or that of models of others: `python -m jaxreg.report reports/l1-l2`."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxreg import interrupts
from jaxreg.errors import UserError, exit_code, printed
from jaxreg.flags import WHAT_COUNTS, Parser
from jaxreg.store.given_files import KINDS

PROG = "python -m jaxreg.report"
DESCRIPTION = "Write a run's report again, or that of models trained elsewhere, from their predictions."


def parser(prog: str = PROG) -> Parser:
    """The command's flags."""
    made = Parser(prog=prog, description=DESCRIPTION)
    made.add_argument("folder", type=Path, nargs="?", metavar="DIR", help="the folder of a run, such as reports/l1-l2")
    made.add_argument("--predictions", type=Path, metavar="FILE", help="predictions of other models, .npz or .parquet")
    made.add_argument("--out", type=Path, metavar="DIR", help="with --predictions: where results go (reports/FILE)")
    made.add_argument("--reference", metavar="CELL", help="with --predictions: the cell to compare with (the first)")
    made.add_argument("--kind", choices=KINDS, help="with --predictions: what they are, where it is not as it looks")
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
        if predictions is None and any(given[name] for name in ("out", "reference", "kind")):
            raise UserError("--out, --reference, --kind: go with --predictions.")
        from jaxreg.report import page

        if predictions is not None:
            folder = _compared(given, [*prog.split(), *typed])
            printed(f"{page.headline(folder)}\nwrote {folder / 'report.md'} and report.html")
        else:
            printed(f"wrote {page.write(folder, given['for'])}")

    return exit_code(command)


def _compared(asked: Mapping[str, Any], typed: list[str]) -> Path:
    from jaxreg.compare import compare
    from jaxreg.store.given_files import read

    file: Path = asked["predictions"]
    given = read(file)._asdict() | {name: asked[name] for name in ("reference", "kind") if asked[name] is not None}
    named = re.sub(r"[^\w.+=,-]+", "-", file.stem).strip("-") or "compare"
    out = Path("reports", named) if asked["out"] is None else asked["out"]
    return compare(**given, purpose=asked["for"], name=named, out=out, command=shlex.join(typed)).folder


if __name__ == "__main__":
    interrupts.leave(main())
