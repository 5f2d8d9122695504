"""A run for TensorBoard: learning curves as scalars, and a trial a member for its HParams plugin.

Written with TensorBoard's own messages and record writer, which do without TensorFlow. Members of one cell are sessions
of one group, of whose metrics HParams shows the mean.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from jaxreg.errors import UserError
from jaxreg.exports.trials import Trial, as_path, finished, new_folder, trials
from jaxreg.store.results import Results

FINAL = "final/"  # before the name of a metric at the end, measured on all test examples: a curve's point is on some
EVENTS = "events.out.tfevents.0.jaxreg"


def write(results: Results, path: Path) -> Path:
    """Writes a folder for `tensorboard --logdir`, with a run a member. Raises `UserError` where that can't be."""
    try:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.summary.writer.record_writer import RecordWriter
    except ImportError as error:
        raise UserError(f"TensorBoard can't be imported ({error}). Type: pip install 'jaxreg[tensorboard]'") from None
    found, when = trials(results), finished(results)

    def one(folder: Path, summaries: Iterator[tuple[int, Any]]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / EVENTS).open("wb") as file:
            writer = RecordWriter(file)
            writer.write(Event(wall_time=when, file_version="brain.Event:2").SerializeToString())
            for step, summary in summaries:
                writer.write(Event(wall_time=when, step=step, summary=summary).SerializeToString())

    def fill(folder: Path) -> None:
        swept = [axis for axis in found[0].hyperparameters if len({str(t.hyperparameters[axis]) for t in found}) > 1]
        one(folder, _experiment(found, swept, when))
        for trial in found:
            one(folder / as_path(trial.name), _trial(trial, swept, when))

    return new_folder(path, fill)


def _experiment(found: Sequence[Trial], swept: Sequence[str], when: float) -> Iterator[tuple[int, Any]]:
    """What the plugin is told of all trials: which hyperparameters there are, and which metrics."""
    from tensorboard.plugins.hparams import api_pb2

    experiment = api_pb2.Experiment(time_created_secs=when)
    for axis in swept:
        values = list(dict.fromkeys(trial.hyperparameters[axis] for trial in found))
        kind = {float: "DATA_TYPE_FLOAT64", bool: "DATA_TYPE_BOOL"}.get(type(values[0]), "DATA_TYPE_STRING")
        experiment.hparam_infos.add(name=axis, type=getattr(api_pb2, kind)).domain_discrete.extend(values)
    for metric in dict.fromkeys(name for trial in found for name in trial.metrics):
        experiment.metric_infos.add(name=api_pb2.MetricName(tag=FINAL + metric), display_name=metric)
    yield 0, _told("experiment", experiment)


def _trial(trial: Trial, swept: Sequence[str], when: float) -> Iterator[tuple[int, Any]]:
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.hparams import api_pb2, plugin_data_pb2

    start = plugin_data_pb2.SessionStartInfo(group_name=trial.group, start_time_secs=when)
    for axis in swept:
        value = trial.hyperparameters[axis]
        kind = {float: "number_value", bool: "bool_value"}.get(type(value), "string_value")
        setattr(start.hparams[axis], kind, value)
    yield 0, _told("session_start_info", start)
    for row in trial.curves.to_dict("records"):
        scalars = {name: value for name, value in row.items() if name != "epoch" and value == value}
        if scalars:  # none after a member diverged
            yield int(row["epoch"]), Summary(value=[Summary.Value(tag=k, simple_value=v) for k, v in scalars.items()])
    last = int(trial.metrics.get("epochs", 0))
    yield last, Summary(value=[Summary.Value(tag=FINAL + k, simple_value=v) for k, v in trial.metrics.items()])
    status = api_pb2.STATUS_FAILURE if trial.diverged else api_pb2.STATUS_SUCCESS
    yield last, _told("session_end_info", plugin_data_pb2.SessionEndInfo(status=status, end_time_secs=when))


def _told(field: str, message: Any) -> Any:
    """A message to the HParams plugin, under the tag where it looks for it."""
    from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
    from tensorboard.plugins.hparams import metadata, plugin_data_pb2

    data = plugin_data_pb2.HParamsPluginData(version=metadata.PLUGIN_DATA_VERSION, **{field: message})
    plugin = SummaryMetadata.PluginData(plugin_name=metadata.PLUGIN_NAME, content=data.SerializeToString())
    tag = {
        "experiment": metadata.EXPERIMENT_TAG,
        "session_start_info": metadata.SESSION_START_INFO_TAG,
        "session_end_info": metadata.SESSION_END_INFO_TAG,
    }[field]
    value = Summary.Value(tag=tag, metadata=SummaryMetadata(plugin_data=plugin), tensor=metadata.NULL_TENSOR)
    return Summary(value=[value])
