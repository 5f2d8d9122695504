"""Results in MLflow's database, read back by MLflow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from committed_runs import everybody, kept, torn

from jaxreg.errors import UserError
from jaxreg.export import main
from jaxreg.exports import mlflow_runs
from jaxreg.exports.trials import trials

pytestmark = [
    pytest.mark.exports,
    pytest.mark.filterwarnings("ignore"),  # of MLflow's own libraries
]


def test_mlflow_reads_it_back(tmp_path: Path, capsys: Any) -> None:
    run = kept()
    assert main([str(run.path), "--mlflow", str(tmp_path / "kept")]) == 0
    address = f"sqlite:///{tmp_path / 'kept' / 'mlflow.db'}"
    assert capsys.readouterr().out.endswith(f"  mlflow ui --backend-store-uri {address}\n")
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=address)
    experiment = client.get_experiment_by_name("l1-l2")
    found = {one.info.run_name: one for one in client.search_runs([experiment.experiment_id], max_results=5000)}
    rows = everybody(run)
    assert set(found) == {"l1-l2", *(trial.group for trial in trials(run)), *rows.index}
    for member in (rows.index[3], rows.index[-1]):
        one, row = found[member], rows.loc[member]
        assert one.data.params["l1"] == str(row["l1"]) and one.data.params["seed"] == str(row["seed"])
        assert one.data.metrics["final.test_cross_entropy"] == row["test_cross_entropy"]
        cell = client.get_run(one.data.tags["mlflow.parentRunId"])
        assert cell.info.run_name == one.data.tags["jaxreg.cell"] and one.info.status == "FINISHED"
        assert cell.data.tags["mlflow.parentRunId"] == found["l1-l2"].info.run_id
        curve = run.history[run.history["member"] == member]
        points = client.get_metric_history(one.info.run_id, "test_cross_entropy")
        assert [(m.step, m.value) for m in points] == [*zip(curve["epoch"], curve["test_cross_entropy"], strict=True)]
    loss = run.decomposition.set_index(["cell", "loss"]).loc[("plain", "brier")]
    assert found["plain"].data.metrics["brier.bias"] == loss["bias"]
    mean = run.whole.set_index(["cell", "measure"]).loc[("plain", "test_cross_entropy"), "mean"]
    assert found["plain on all"].data.metrics["test_cross_entropy"] == mean
    files = {file.path for file in client.list_artifacts(found["l1-l2"].info.run_id)}
    assert {"report.html", "run.json", "members.csv"} <= files
    local = client.download_artifacts(found["l1-l2"].info.run_id, "report.html", str(tmp_path))
    assert Path(local).read_bytes() == (run.path / "report.html").read_bytes()
    # A second one beside it, by its address; the first is not written over.
    assert main([str(run.path), "--mlflow", address]) == 2
    assert "has an experiment l1-l2 already. Give it another name with --name." in capsys.readouterr().err


def test_mlflow_has_diverged_members_as_failed(tmp_path: Path) -> None:
    run = torn()
    address = mlflow_runs.write(run, str(tmp_path / "kept"), "../torn")
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=address)
    experiment = client.get_experiment_by_name("../torn")
    failed = client.search_runs([experiment.experiment_id], "attributes.status = 'FAILED'")
    assert [one.info.run_name for one in failed] == [run.members.loc[0, "member"]]
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(UserError, match="can't be written .Not a directory"):
        mlflow_runs.write(run, str(tmp_path / "file" / "kept"), "torn")
    with pytest.raises(UserError, match="can't be written"):
        mlflow_runs.write(run, "unheard://of", "torn")
