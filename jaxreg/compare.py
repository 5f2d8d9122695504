"""Models of any library, compared as the members of a sweep are: from their predictions to the report.

import jaxreg
run = jaxreg.compare(probabilities, y_test, cell=alphas, split=parts, seed=seeds, reference="alpha=0")
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from jaxreg import __version__
from jaxreg.axes import AXES
from jaxreg.circumstances import now, versions
from jaxreg.engine.progress import Silent
from jaxreg.errors import UserError
from jaxreg.files import write_csv
from jaxreg.finished import Run
from jaxreg.flags import check_purpose
from jaxreg.formatting import brief, nearest, value_text
from jaxreg.report import page
from jaxreg.scored import scored
from jaxreg.spec.limits import MOST_CELLS, MOST_MEMBERS
from jaxreg.statistics.analysis import analyse, write
from jaxreg.statistics.predictions import ClassPredictions
from jaxreg.statistics.recut import recut
from jaxreg.store.folder import Folder
from jaxreg.store.given_files import known_kind
from jaxreg.store.lock import locked


def compare(
    predictions: Any,
    targets: Any,
    *,
    cell: Iterable[Any],
    split: Iterable[Any] | None = None,
    seed: Iterable[Any] | None = None,
    trained_on: Iterable[int] | int | None = None,
    reference: str | None = None,
    axis: str | None = None,
    classes: Iterable[Any] | None = None,
    kind: str | None = None,
    purpose: str | None = None,
    name: str = "compare",
    out: str | Path | None = None,
    command: str | None = None,
) -> Run:
    """Everything after training, of predictions from any library: decomposition, comparisons, recommendation, report.

    Args:
        predictions: [model, example, class] probabilities or their logarithms, or [model, example] probabilities of the
            second of two classes; an array, or a sequence with an entry a model. Or [model, example] classes alone, as
            whole numbers or names: the 0-1 loss is all that is known of them. Of quantities [model, example], or of
            several [model, example, quantity].
        targets: [example], class numbers or names; of quantities [example] or [example, quantity]; the
            columns of a DataFrame name them.
        cell: [model], what the model is one of: its setting, as a name or, with `axis`, as a number.
        split: [model], which training set it had, by any name. Training sets must share no example; a model of one
            cell is paired with the models of others on the same.
        seed: [model], its seed, by any name. Without it, models of a cell on a split are numbered.
        trained_on: [model], or one for all: how many examples it was trained on, for the page.
        reference: the cell that the others are compared with; the first by default, with `axis` the one that is off.
        axis: an axis of `jaxreg.axes` on which the cells are numbers, such as "l2": figures are lines along it then.
        classes: names of the classes in the order of the predictions; by default the sorted targets.
        kind: "probabilities", "log_probabilities", "votes" or "quantities". By default quantities where targets have
            fractions, are several an example, or are numbers of more than 50 values, as predictions [model, example]
            then are; votes where these are whole numbers or names; else logarithms where nothing is above 0.
        purpose: what counts, as of `jaxreg.run`.
        name: of the study, on the page.
        out: the folder to write; ``reports/<name>`` by default. A report on other predictions is not replaced.
        command: what was typed, for the report; this call by default.

    Returns:
        The folder with its tables, report and figures; nothing in it can be trained on.

    Raises:
        UserError: predictions are no probabilities, are 0, or do not fit each other; the folder holds something else.
    """
    began, started = time.perf_counter(), now()
    given_as = known_kind(kind)
    models = _models(cell, split, seed, axis, reference)
    ids = list(models["member"])
    found = scored(predictions, targets, classes, given_as, models)
    measures = found.predictions.measures
    check_purpose(purpose, measures)
    models = models.assign(**found.columns)
    if trained_on is not None:
        models["trained_on"] = [trained_on] * len(models) if isinstance(trained_on, int) else list(trained_on)
    models["diverged_at"] = pd.array([pd.NA] * len(models), dtype="Int64")
    if reference is None and axis is None:
        reference = str(models["cell"].iloc[0])

    folder = Folder(Path(out) if out is not None else Path("reports") / name)
    folder.make()
    command = command or "jaxreg.compare(…)"
    with locked(folder.path, command):
        folder.check_given(found.digest)
        folder.prepare()
        tables = analyse(
            models,
            found.predictions,
            ids,
            class_names=found.classes,
            quantity_units=found.quantity_units,
            plain=reference,
        )
        if isinstance(found.predictions, ClassPredictions) and (clip := found.about["cut"]) and clip["right"]:
            clip["comparison"] = recut(tables, models, found.predictions, ids, clip["other"])
        write_csv(folder.path / "members.csv", models)
        history = ["member", "epoch", *(f"{part}_{measures.loss}" for part in ("train", "test"))]
        write_csv(folder.path / "history.csv", pd.DataFrame(columns=history))
        write(tables, folder.path)
        about = {
            "started": started,
            "sweep": {"name": name},
            "command": command,
            "purpose": purpose,
            "reference": reference,
            "versions": {"jaxreg": __version__} | versions(),
            "data": {
                "name": name,
                "digest": found.digest,
                "examples_are": "examples",
                "inputs_are": "features",
                "models_are": "models",
                **found.about,
            },
            "finished": now(),
            "run_seconds": time.perf_counter() - began,
        }
        folder.note(about | {"files": folder.digests()})
        page.write(folder.path)
    for warning in page.warnings(folder.path):
        Silent().warn(warning)
    return Run(folder.path)


def _models(
    cell: Iterable[Any],
    split: Iterable[Any] | None,
    seed: Iterable[Any] | None,
    axis: str | None,
    reference: str | None,
) -> pd.DataFrame:
    """A row a model: who it is."""
    if axis is not None and axis not in AXES:
        known = f"must be one of {', '.join(AXES)}, got {brief(axis)}.{nearest(axis, AXES)}"
        raise UserError(f"axis: {known} Leave axis out: cells may then be called anything, and be of any setting.")
    asked = {"cell": cell, "split": split, "seed": seed}
    given = {key: list(values) for key, values in asked.items() if values is not None}
    lengths = {key: len(values) for key, values in given.items()}
    if len(set(lengths.values())) > 1 or not lengths["cell"]:
        said = ", ".join(f"{key} has {length}" for key, length in lengths.items())
        raise UserError(f"cell, split, seed: need an entry for each model; {said}.")
    cells = given["cell"]
    table = pd.DataFrame({"cell": [_called(axis, value) if axis else str(value) for value in cells]})
    if axis is not None:
        table[axis] = [float(value) for value in cells]
    table["split"] = [str(value) for value in given["split"]] if "split" in given else "0"
    if "seed" in given:
        table["seed"] = pd.factorize(pd.Series([str(value) for value in given["seed"]]))[0]
    else:
        table["seed"] = table.groupby(["cell", "split"]).cumcount()
    table.insert(0, "member", table["cell"] + "/split" + table["split"] + "/seed" + table["seed"].astype(str))
    if (twice := table["member"].duplicated()).any():
        raise UserError(
            f"cell, split, seed: {table['member'][twice].iloc[0]} is there more than once. Models of a cell on one "
            "split need different seeds."
        )
    if table["cell"].nunique() > MOST_CELLS or len(table) > MOST_MEMBERS:
        raise UserError(f"cell: at most {MOST_CELLS} cells and {MOST_MEMBERS} models.")
    if (table["split"] == "all").any():
        raise UserError('split: "all" has a meaning of its own in reports. Give another name.')
    if reference is not None and reference not in set(table["cell"]):
        names = ", ".join(table["cell"].unique()[:10])
        raise UserError(f"reference: {brief(reference)} is none of the cells {names}.")
    return table


def _called(axis: str, value: Any) -> str:
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise UserError(f"cell: axis = {axis} takes numbers, got {brief(value)}. Or leave axis out.") from None
    return "plain" if AXES[axis].neutral(number) else f"{axis}={value_text(number)}"
