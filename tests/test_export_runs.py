"""Results for other tools, read back by these: TensorBoard with its HParams plugin, PyArrow."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from committed_runs import REPORTS, everybody, kept, torn

from jaxreg.errors import UserError
from jaxreg.export import main
from jaxreg.exports import mlflow_runs, parquet_tables, tensorboard_runs
from jaxreg.exports.trials import as_path, trials
from jaxreg.store.results import Results, read


@pytest.fixture(scope="module")
def run() -> Results:
    return kept()


# --- what all of them are told ---------------------------------------------------------------------------------------


def test_a_trial_is_a_member(run: Results) -> None:
    found, rows = trials(run), everybody(run)
    assert [trial.name for trial in found] == list(rows.index)
    for trial in found:
        row = rows.loc[trial.name]
        assert (trial.hyperparameters["l1"], trial.hyperparameters["l2"]) == (row["l1"], row["l2"])
        assert trial.metrics["test_accuracy"] == row["test_accuracy"] and "seed" not in trial.metrics
        assert str(trial.chance["split"]) == str(row["split"])
    assert {type(value) for trial in found for value in trial.hyperparameters.values()} == {str, float, bool}
    groups: dict[str, set[str]] = {}
    for trial in found:
        groups.setdefault(trial.group, set()).add(str(sorted(trial.hyperparameters.items())))
    assert all(len(settings) == 1 for settings in groups.values()) and {"plain", "plain on all"} <= set(groups)
    first = trials(torn())[0]
    assert first.diverged and "test_cross_entropy" not in first.metrics and not found[0].diverged


def test_a_name_leads_nowhere_else() -> None:
    assert as_path("l1=1e-4,dropout=0.3-0.5/split0/seed0") == "l1=1e-4,dropout=0.3-0.5/split0/seed0"
    assert as_path("../../etc/x") == "_/_/etc/x" and as_path("/a//b") == "_/a/_/b" and as_path("C:\\x") == "C__x"


def test_parquet_has_every_table_as_it_is(tmp_path: Path, capsys: Any) -> None:
    import pyarrow.parquet as pq

    assert main([str(REPORTS / "digits"), "--parquet", str(tmp_path / "tables")]) == 0
    assert capsys.readouterr().out == f"wrote {tmp_path / 'tables'}\n"
    run = read(REPORTS / "digits")
    files = {path.stem for path in (tmp_path / "tables").iterdir()}
    assert files == {path.stem for path in (REPORTS / "digits").glob("*.csv") if len(path.read_text().splitlines()) > 1}
    for name in files:
        expected = getattr(run, name)
        found = pq.read_table(tmp_path / "tables" / f"{name}.parquet")
        assert found.column_names == list(expected)
        for column in expected:
            values = [None if value != value else value for value in expected[column].tolist()]
            mine = [None if value != value else value for value in found[column].to_pylist()]
            assert mine == values, (name, column)


def test_wrong_input_is_told_in_one_line(tmp_path: Path, capsys: Any, monkeypatch: Any) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    run = str(REPORTS / "digits")
    for words, told in (
        ([], "give the folder of a run"),
        ([run], "say where it goes: --tensorboard DIR, --mlflow DIR, --parquet DIR"),
        ([str(tmp_path), "--parquet", "x"], "is not the folder of a finished run"),
        ([run, "--parquet", str(tmp_path / "full")], "is there already, and what is in it would mix"),
        ([run, "--parquet", str(tmp_path / "full" / "mine.txt" / "x")], "can't be written ("),
        ([run, "--parquet", str(tmp_path / "x"), "--name", "a"], "--name: goes with --mlflow"),
    ):
        assert main(words) == 2
        error = capsys.readouterr().err
        assert told in error and error.startswith("error: ") and "Traceback" not in error
    results, new = read(REPORTS / "digits"), tmp_path / "x"
    for package, extra, write in (
        ("tensorboard", "tensorboard", lambda: tensorboard_runs.write(results, new)),
        ("mlflow", "mlflow", lambda: mlflow_runs.write(results, str(new), "x")),
        ("pyarrow", "parquet", lambda: parquet_tables.write(results, new)),
    ):
        for module in [name for name in sys.modules if name.partition(".")[0] == package]:
            monkeypatch.delitem(sys.modules, module)
        monkeypatch.setitem(sys.modules, package, None)
        with pytest.raises(UserError, match=rf"can't be imported .*pip install 'jaxreg\[{extra}\]'"):
            write()
    assert [path.name for path in tmp_path.iterdir()] == ["full"] and len([*(tmp_path / "full").iterdir()]) == 1


def test_what_fails_half_way_leaves_nothing(run: Results, tmp_path: Path, monkeypatch: Any) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    (tmp_path / "empty").mkdir()
    monkeypatch.setattr(pd.DataFrame, "to_parquet", fails)
    with pytest.raises(UserError, match="can't be written .No space left on device"):
        parquet_tables.write(run, tmp_path / "empty")
    assert [path.name for path in tmp_path.iterdir()] == ["empty"] and not [*(tmp_path / "empty").iterdir()]


# --- TensorBoard -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tensorboard_runs.write(torn(), tmp_path_factory.mktemp("tensorboard") / "logs")


@pytest.mark.exports
def test_tensorboard_reads_the_curves(logs: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    rows = everybody(run := torn())
    for member in (rows.index[0], rows.index[7], rows.index[-1]):
        events = EventAccumulator(str(logs / member)).Reload()
        curve = run.history[run.history["member"] == member].dropna(subset=["test_cross_entropy"])
        tags = events.Tags()["scalars"]
        assert ("test_cross_entropy" in tags) == bool(len(curve))
        if len(curve):
            found = [(event.step, event.value) for event in events.Scalars("test_cross_entropy")]
            assert [step for step, _ in found] == list(curve["epoch"])
            np.testing.assert_allclose([value for _, value in found], curve["test_cross_entropy"], rtol=1e-6)
        (final,) = events.Scalars("final/test_accuracy")
        assert final.value == pytest.approx(rows.loc[member, "test_accuracy"])


@pytest.mark.exports
def test_the_hparams_plugin_shows_cells_with_the_means_of_their_members(logs: Path) -> None:
    from tensorboard import context
    from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
    from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
    from tensorboard.plugins import base_plugin
    from tensorboard.plugins.hparams import api_pb2, backend_context, get_experiment, list_session_groups

    events = EventMultiplexer().AddRunsFromDirectory(str(logs))
    events.Reload()
    provider = MultiplexerDataProvider(events, str(logs))
    plugin = backend_context.Context(base_plugin.TBContext(data_provider=provider, logdir=str(logs)))
    asked = context.RequestContext()
    experiment = get_experiment.Handler(asked, plugin, "", api_pb2.GetExperimentRequest()).run()
    assert {info.name for info in experiment.hparam_infos} == {
        "cell", "data", "l1", "l2", "early_stopping", "averaged_epochs",
    }  # fmt: skip
    (l1,) = [info for info in experiment.hparam_infos if info.name == "l1"]
    rows = everybody(torn())
    assert {value.number_value for value in l1.domain_discrete.values} == set(rows["l1"])
    metric = api_pb2.MetricName(tag="final/test_accuracy")
    request = api_pb2.ListSessionGroupsRequest(
        allowed_statuses=[api_pb2.STATUS_SUCCESS, api_pb2.STATUS_FAILURE],
        aggregation_type=api_pb2.AGGREGATION_AVG,
        slice_size=1000,
        include_metrics=True,
    )
    groups = list_session_groups.Handler(asked, plugin, "", request).run().session_groups
    assert Counter({group.name: len(group.sessions) for group in groups}) == Counter(t.group for t in trials(torn()))
    for group in groups:
        cell, data = group.hparams["cell"].string_value, group.hparams["data"].string_value
        own = rows[(rows["cell"] == cell) & ((rows["split"].astype(str) == "all") == (data == "all"))]
        (mean,) = [value.value for value in group.metric_values if value.name == metric]
        assert mean == pytest.approx(own["test_accuracy"].mean(), rel=1e-6)
        assert group.hparams["l1"].number_value == own["l1"].iloc[0]
    failed = [s.name for group in groups for s in group.sessions if s.status == api_pb2.STATUS_FAILURE]
    assert failed == [rows.index[0]]
