"""Do the intervals cover? `python -m jaxreg.coverage`: the public door to `jaxreg.statistics.coverage`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from jaxreg import interrupts
from jaxreg.errors import UserError, exit_code, printed
from jaxreg.flags import Parser

PROG = "python -m jaxreg.coverage"
SECTIONS = ("intervals", "quantities", "folds", "comparisons", "recommendations", "settling")


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
    made.add_argument(
        "--replicate", nargs=2, type=Path, metavar="DIR", help="instead: whether two runs of the same question agree"
    )
    made.add_argument("--only", choices=SECTIONS, help="one section of the page")
    return made


def replicate(one: Path, other: Path) -> str:
    """Whether two runs tell the same, in a few lines."""
    from jaxreg.axes import present, reference
    from jaxreg.statistics.replication import agreement
    from jaxreg.store.results import read

    runs = [read(folder) for folder in (one, other)]
    names = []
    for run in runs:
        cells = run.sound.drop_duplicates("cell").set_index("cell")
        points = {str(cell): dict(row) for cell, row in cells[present(cells)].iterrows()}
        names.append(reference(points))
    if names[0] is None or names[0] != names[1]:
        raise UserError(f"--replicate: {one} compares with {names[0]}, {other} with {names[1]}: not the same question.")
    found = agreement(runs[0].comparisons, runs[1].comparisons, names[0])
    if not found.made:
        raise UserError(f"--replicate: {one} and {other} have no cell in common but {names[0]}.")
    lines = [
        f"{found.made} comparisons with {names[0]} in both; told by either: {found.told}",
        f"told the same by both: {found.twice} (that is power: both have to find it)",
        f"contradictions: {len(found.contradictions)} (told lower by one and higher by the other: 5 % of what is told, "
        "or fewer, are to be expected)",
    ]
    return "\n".join([*lines, *(f"  {cell}: {measure}" for cell, measure in found.contradictions)])


def main(arguments: Sequence[str] | None = None, prog: str = PROG) -> int:
    """The command, which was typed as `prog`: 0 done, 2 wrong input, 130 interrupted."""

    def command() -> None:
        asked = parser(prog).read(arguments)
        if asked.repetitions < 2:
            raise UserError(f"--repetitions: must be a whole number of at least 2, got {asked.repetitions}.")
        if asked.replicate:
            printed(replicate(*asked.replicate))
            return
        from jaxreg.statistics import coverage  # SciPy and pandas, for which --help need not wait

        coverage.main(asked.repetitions, asked.only)

    return exit_code(command)


if __name__ == "__main__":
    interrupts.leave(main())
