"""A run for MLflow: an experiment, in which the sweep, its cells and their members are runs, one within the other.

In a database and not in files: MLflow no longer supports its file store, and SQLite is what it uses by itself
(github.com/mlflow/mlflow/issues/18534).
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from jaxreg.axes import present
from jaxreg.errors import UserError
from jaxreg.exports.trials import Trial, as_path, finished, trials
from jaxreg.store.results import FILES, Results

DATABASE, ARTIFACTS = "mlflow.db", "artifacts"
ALSO = ("report.md", "report.html", "run.json")  # beside the tables, what the sweep's own run holds as files
AT_ONCE = 1000  # metrics that MLflow takes in one call


def write(results: Results, target: str, name: str) -> str:
    """Writes an experiment; returns the address to give to `mlflow ui --backend-store-uri`.

    Args:
        target: a folder, new or with such a database in it; or an address of MLflow's, with ://.
        name: of the experiment, which is not to be there yet.

    Raises:
        UserError: it is, or can't be written.
    """
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # nobody who writes to a folder expects a call elsewhere
    try:
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException
    except ImportError as error:
        raise UserError(f"MLflow can't be imported ({error}). Type: pip install 'jaxreg[mlflow]'") from None
    for talker in ("mlflow", "alembic"):  # which say at length how they make a database
        logging.getLogger(talker).setLevel(logging.WARNING)
    address, artifacts = target, None
    try:
        if "://" not in target:
            folder = Path(target).absolute()
            folder.mkdir(parents=True, exist_ok=True)
            address, artifacts = (
                f"sqlite:///{(folder / DATABASE).as_posix()}",
                (folder / ARTIFACTS / as_path(name)).as_uri(),
            )
        client: Any = MlflowClient(tracking_uri=address)
        if client.get_experiment_by_name(name) is not None:
            raise UserError(f"{target} has an experiment {name} already. Give it another name with --name.")
        experiment = client.create_experiment(name, artifact_location=artifacts)
        _fill(client, experiment, results, name)
    except (OSError, MlflowException) as error:
        said = getattr(error, "strerror", None) or [*str(error).splitlines(), type(error).__name__][0]
        raise UserError(f"{target}: can't be written ({said}).") from None
    return address


def _fill(client: Any, experiment: str, results: Results, name: str) -> None:
    when = int(1000 * finished(results))

    def begun(called: str, within: Any, tags: Mapping[str, Any]) -> str:
        own = {"mlflow.parentRunId": within} if within else {}
        made = client.create_run(experiment, when, {k: str(v) for k, v in (own | dict(tags)).items()}, called)
        return str(made.info.run_id)

    record = results.record
    about = {"command": record.get("command"), **(record.get("versions") or {}), **(record.get("data") or {})}
    top = begun(name, None, {f"jaxreg.{key}": value for key, value in about.items() if value is not None})
    for file in (*FILES, *ALSO):
        if (results.path / file).is_file():
            client.log_artifact(top, str(results.path / file))
    groups: dict[str, list[Trial]] = {}
    for trial in trials(results):
        groups.setdefault(trial.group, []).append(trial)
    for group, members in groups.items():
        first = members[0]
        cell = begun(group, top, {"jaxreg.level": "cell"})
        _logged(client, cell, first.hyperparameters, _of_cell(results, first), when)
        for trial in members:
            run = begun(trial.name, cell, {"jaxreg.level": "member", "jaxreg.cell": group})
            _logged(client, run, {**trial.hyperparameters, **trial.chance}, trial.metrics, when, trial.curves)
            client.set_terminated(run, "FAILED" if trial.diverged else "FINISHED", when)
        client.set_terminated(cell, "FINISHED", when)
    client.set_terminated(top, "FINISHED", when)


def _of_cell(results: Results, trial: Trial) -> dict[str, float]:
    """What is known of a cell as a whole: on the parts error, bias and variance of each loss, on all of them means."""
    cell, found = trial.hyperparameters["cell"], dict[str, Any]()
    if trial.hyperparameters["data"] == "all":
        rows = results.whole[results.whole["cell"] == cell] if not results.whole.empty else results.whole
        for row in rows.to_dict("records"):
            found |= {row["measure"]: row["mean"], f"{row['measure']}.difference": row["difference"]}
    else:
        rows = results.decomposition[results.decomposition["cell"] == cell]
        skipped = {"cell", "loss", *present(rows.columns)}
        numbers = rows.drop(columns=[name for name in rows if name in skipped]).select_dtypes("number")
        for loss, row in zip(rows["loss"], numbers.to_dict("records"), strict=True):
            found |= {f"{loss}.{name}": value for name, value in row.items()}
    return {name: float(value) for name, value in found.items() if pd.notna(value)}


def _logged(
    client: Any, run: str, parameters: Mapping[str, Any], final: Mapping[str, float], when: int, curves: Any = None
) -> None:
    """Parameters, and metrics: `final.NAME` at the end, NAME at each epoch."""
    from mlflow.entities import Metric, Param

    metrics = [Metric(name, value, when, 0) for name, value in final.items()]
    if curves is not None:
        metrics = [Metric(f"final.{name}", value, when, 0) for name, value in final.items()]
        for row in curves.to_dict("records"):
            metrics += [
                Metric(str(name), float(value), when, int(row["epoch"]))
                for name, value in row.items()
                if name != "epoch" and value == value
            ]
    client.log_batch(run, params=[Param(name, str(value)) for name, value in parameters.items()])
    for start in range(0, len(metrics), AT_ONCE):
        client.log_batch(run, metrics=metrics[start : start + AT_ONCE])
