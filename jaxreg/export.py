"""A run's results for TensorBoard, MLflow, or as Parquet: `python -m jaxreg.export DIR --tensorboard LOGS`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from jaxreg import interrupts
from jaxreg.errors import UserError, exit_code, printed
from jaxreg.flags import Parser

PROG = "python -m jaxreg.export"
DESCRIPTION = """\
Write the results of a run for other tools: every member with its settings, its
learning curve and what it scored. `jaxreg fit` exports networks.
"""


def parser(prog: str = PROG) -> Parser:
    """The command's flags."""
    made = Parser(prog=prog, description=DESCRIPTION)
    made.add_argument("folder", type=Path, nargs="?", metavar="DIR", help="the folder of a run, such as reports/l1-l2")
    made.add_argument("--tensorboard", metavar="DIR", help="a new folder, for tensorboard --logdir; with HParams")
    made.add_argument("--mlflow", metavar="DIR", help="a folder with MLflow's database, new or not; or an address, ://")
    made.add_argument("--parquet", metavar="DIR", help="a new folder, with a file for each table")
    made.add_argument("--name", metavar="NAME", help="with --mlflow: of the experiment (default: the sweep's)")
    return made


def main(arguments: Sequence[str] | None = None, prog: str = PROG) -> int:
    """The command, which was typed as `prog`: 0 done, 2 wrong input, 130 interrupted."""
    return exit_code(lambda: _command(arguments, prog))


def _command(arguments: Sequence[str] | None, prog: str) -> None:
    given = parser(prog).read(arguments)
    if given.folder is None:
        raise UserError("give the folder of a run, such as reports/l1-l2.")
    if given.tensorboard is given.mlflow is given.parquet is None:
        raise UserError("say where it goes: --tensorboard DIR, --mlflow DIR, --parquet DIR, or several of them.")
    if given.name is not None and given.mlflow is None:
        raise UserError("--name: goes with --mlflow, whose experiments have names.")
    from jaxreg.store.results import read

    results = read(given.folder)
    if given.parquet is not None:
        from jaxreg.exports import parquet_tables

        printed(f"wrote {parquet_tables.write(results, Path(given.parquet))}")
    if given.tensorboard is not None:
        from jaxreg.exports import tensorboard_runs

        printed(f"wrote {tensorboard_runs.write(results, Path(given.tensorboard))}; look at it with")
        printed(f"  tensorboard --logdir {given.tensorboard}")
    if given.mlflow is not None:
        from jaxreg.exports import mlflow_runs

        name = given.name or str(results.sweep.get("name") or given.folder.name)
        address = mlflow_runs.write(results, given.mlflow, name)
        printed(f"wrote the experiment {name}; look at it with\n  mlflow ui --backend-store-uri {address}")


if __name__ == "__main__":
    interrupts.leave(main())
