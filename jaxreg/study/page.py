"""The study: the notebook against its reproduction, and its conclusions judged.

Reads finished runs of sweeps/notebook.toml, sweeps/regularizers.toml and sweeps/outliers.toml, the printed losses, and
those of Keras where there are any (keras.csv). Writes twelve.csv, curves.csv, keras_check.csv, conclusions.csv and
study.md into the notebook's folder and its report again, which takes study.md in. Trains nothing; what was not run is
called not measured, with the command.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from jaxreg.files import write_csv, write_text
from jaxreg.store.results import Results, read
from jaxreg.study import judgement, keras_check, reproduction, step_cost, twelve_runs
from jaxreg.study.evidence import Runs

COST = "step_cost.csv"
KERAS = "keras.csv"


def write(notebook: Path, regularizers: Path, outliers: Path, printed: Path, measure_cost: bool = False) -> Path:
    """Writes the study into the notebook's folder; returns the path of study.md.

    Args:
        notebook, regularizers, outliers: folders of runs; the last two may be missing.
        printed: the losses that the notebook printed.
        measure_cost: time the penalties' steps and keep the times in step_cost.csv; otherwise those kept are used.

    Raises:
        UserError: the notebook's run or the printed losses are missing, or can't be read.
    """
    own, losses = read(notebook), reproduction.read_printed(printed)
    if measure_cost:
        write_csv(notebook / COST, step_cost.measure())
    runs = Runs(
        notebook=own,
        regularizers=_if_there(regularizers),
        outliers=_if_there(outliers),
        cost=pd.read_csv(notebook / COST) if (notebook / COST).exists() else None,
    )
    sections = [*_twelve(own, losses), _conclusions(own, runs)]
    return write_text(notebook / "study.md", "\n\n".join(sections) + "\n")


def _if_there(folder: Path) -> Results | None:
    """A finished run; None where there is none, or not yet all of it."""
    return read(folder) if (folder / "choices.csv").exists() else None


def _twelve(run: Results, printed: pd.DataFrame) -> list[str]:
    table = reproduction.twelve(printed, run.members, run.history)
    curves = reproduction.curves(printed, run.members, run.history)
    keras = keras_check.read(run.path / KERAS) if (run.path / KERAS).exists() else None
    checked = pd.DataFrame() if keras is None else keras_check.check(keras, table, run)
    write_csv(run.path / "twelve.csv", table)
    write_csv(run.path / "curves.csv", curves)
    if len(checked):
        write_csv(run.path / "keras_check.csv", checked)
    return [twelve_runs.section(table, curves, run), keras_check.section(keras, checked, table)]


def _conclusions(run: Results, runs: Runs) -> str:
    judged = judgement.judge(runs)
    write_csv(run.path / "conclusions.csv", judgement.rows(judged))
    return judgement.section(judged)
