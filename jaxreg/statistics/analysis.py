"""Everything statistical about a run: from members and predictions to the tables that the report reads.

Counted are members on a split of their own that did not diverge. Members trained on the whole training set
(split "all") are for the headline accuracy; diverged ones are counted in `diverged`, and their cell can't be
chosen as long as others are whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path

import numpy as np
import pandas as pd

from jaxreg.axes import present, reference
from jaxreg.files import write_csv, write_npz
from jaxreg.statistics import calibration, power, selection, spreads
from jaxreg.statistics.comparisons import (
    COMPARED,
    UNDECIDED,
    Difference,
    against,
    compare_with_references,
    moderated,
)
from jaxreg.statistics.decomposition import table
from jaxreg.statistics.groups import CellMembers, Group, LogProbabilities, Predictions, counted, differences, grouped
from jaxreg.statistics.losses import INDEX, LOSSES, PARTS

SHOWN = 12  # test examples of each kind and cell


@dataclass(frozen=True)
class Analysis:
    """The tables of a run, each the file of its name; `examples` are the arrays of examples.npz."""

    decomposition: pd.DataFrame
    comparisons: pd.DataFrame
    choices: pd.DataFrame
    classes: pd.DataFrame
    calibration: pd.DataFrame
    reliability: pd.DataFrame
    power: pd.DataFrame
    examples: dict[str, np.ndarray] = field(default_factory=dict)


def analyse(
    members: pd.DataFrame,
    log_probabilities: LogProbabilities,
    labels: np.ndarray,
    member_ids: Sequence[str],
    test_inputs: np.ndarray | None = None,
    picture: tuple[int, ...] | None = None,
    class_names: Sequence[str] | None = None,
) -> Analysis:
    """All tables of a run.

    Args:
        members: a row a member, with the columns of members.csv; `member`, `cell`, `split`, `seed` and
            `diverged_at` are needed, and `deal` where the same data were dealt into splits more than once.
        log_probabilities: [member, example, class], in the order of `member_ids`; read in blocks.
        labels: [example].
        member_ids: whose predictions these are.
        test_inputs: [example, ...].
        picture: the shape in which an input is a picture, such as (28, 28) or (32, 32, 3); without it (or without
            the inputs) examples.npz has no pixels.
        class_names: a name a class, for classes.csv.
    """
    predictions = Predictions(log_probabilities, labels)
    cells = counted(members, member_ids)
    groups = grouped(cells, predictions)
    settings = members.drop_duplicates("cell").set_index("cell")
    settings = settings[present(settings)]
    whole = _candidates(groups, cells)
    named = [name for group in groups for name in group.names]
    plain = reference({cell.name: dict(settings.loc[cell.name]) for cell in cells if cell.pairs})
    choices = _choices(whole, settings, plain)
    best = None if choices.empty else str(choices[choices["axis"] == "all"]["cell"].iloc[0])
    references = list(dict.fromkeys(name for name in (plain, best) if name is not None))
    pairs = differences(groups, cells, predictions, references)
    comparisons = compare_with_references(pairs, named, plain, best)
    sure = _calibration(groups, predictions)
    return Analysis(
        decomposition=_decomposition(groups, cells, settings),
        comparisons=comparisons,
        choices=choices,
        classes=_classes(groups, predictions.labels, class_names),
        calibration=sure[0],
        reliability=sure[1],
        power=_power(pairs, comparisons, members, groups, plain, len(predictions.labels)),
        examples=_examples(groups, references, predictions, test_inputs, picture),
    )


def write(analysis: Analysis, folder: str | Path) -> None:
    """Each table as CSV, and examples.npz, atomically."""
    folder = Path(folder)
    for table_field in fields(analysis):
        content = getattr(analysis, table_field.name)
        if isinstance(content, pd.DataFrame) and content.columns.empty:  # no sound member: nothing to say
            (folder / f"{table_field.name}.csv").unlink(missing_ok=True)
        elif isinstance(content, pd.DataFrame):
            write_csv(folder / f"{table_field.name}.csv", content)
        elif content:
            write_npz(folder / f"{table_field.name}.npz", content)


def _candidates(groups: Sequence[Group], cells: Sequence[CellMembers]) -> Group | None:
    """The group that may be chosen from: that of the cells without a diverged member, where there is one."""
    whole = {cell.name for cell in cells if not cell.diverged}
    return max(groups, key=lambda g: (len(whole.intersection(g.names)), len(g.design.order)), default=None)


def _decomposition(groups: Sequence[Group], cells: Sequence[CellMembers], settings: pd.DataFrame) -> pd.DataFrame:
    found = {
        name: table(layout, group.design)
        for group in groups
        for name, layout in zip(group.names, group.by_measure, strict=True)
    }
    unknown = {f"{part}{end}": np.nan for part in PARTS for end in ("", "_low", "_high")}
    empty = pd.DataFrame({"loss": LOSSES, **unknown, "models": 0, "splits": 0, "seeds": 0})
    tables = []
    for cell in cells:
        mine = found.get(cell.name, empty).copy()
        mine["diverged"] = cell.diverged
        for position, (axis, value) in enumerate({"cell": cell.name, **settings.loc[cell.name]}.items()):
            mine.insert(position, axis, value)
        tables.append(mine)
    columns = max(tables, key=lambda x: x.shape[1]).columns
    return pd.concat([x.reindex(columns=columns) for x in tables], ignore_index=True)


def _choices(group: Group | None, settings: pd.DataFrame, plain: str | None) -> pd.DataFrame:
    if group is None or plain is None:
        return pd.DataFrame(columns=["axis", "rule", "cell", "value", "test_cross_entropy"])
    return selection.choices(group.scores, settings.loc[list(group.names)], plain)


def _classes(groups: Sequence[Group], labels: np.ndarray, names: Sequence[str] | None) -> pd.DataFrame:
    rows = []
    for group in groups:
        for cell, terms in zip(group.names, group.terms, strict=True):
            for label in np.unique(labels):
                means = terms[:, labels == label].mean(1, dtype=np.float64)
                name = {} if names is None else {"class_name": names[label]}
                for loss in LOSSES:
                    parts = {part: means[INDEX[loss, part]] for part in PARTS}
                    rows.append({"cell": cell, "class": label} | name | {"loss": loss} | parts)
    return pd.DataFrame(rows)


def _calibration(groups: Sequence[Group], predictions: Predictions) -> tuple[pd.DataFrame, pd.DataFrame]:
    errors, diagrams = [], []
    for group in groups:
        for cell in group.cells:
            where = group.design
            found = calibration.measure(predictions.confidences(cell, where), len(predictions.labels), where.deals)
            low, high = found.error.interval()
            errors.append(
                {
                    "cell": cell.name,
                    "expected_calibration_error": found.error.value[0],
                    "low": max(low, 0.0),
                    "high": high,
                    "chance": found.chance,
                }
            )
            diagrams += [{"cell": cell.name} | row for row in found.reliability]
    return pd.DataFrame(errors), pd.DataFrame(diagrams)


def _power(
    pairs: Sequence[Difference],
    comparisons: pd.DataFrame,
    members: pd.DataFrame,
    groups: Sequence[Group],
    plain: str | None,
    examples: int,
) -> pd.DataFrame:
    if plain is None:
        return pd.DataFrame()
    found = against(pairs, plain, [name for group in groups for name in group.names])
    apart, undecided = {}, {}
    rows = comparisons[comparisons["reference"] == plain]
    open_ones = rows[rows["verdict"] == UNDECIDED].set_index(["cell", "measure"])["difference"]
    for index, measure in enumerate(COMPARED):
        for d, sure in zip(found, moderated(found, index), strict=True):
            alone = spreads.spread(d.paired, index, members, d.cell, plain, measure, examples)
            apart[d.cell, measure] = alone._replace(prior=sure.prior if sure else 0.0)
            if (d.cell, measure) in open_ones and measure in spreads.PRIOR:
                undecided[d.cell, measure] = float(open_ones[d.cell, measure])
    where = max((group.design for group in groups), key=lambda d: len(d.order))
    tests = max(len(found), 1)
    return power.review(apart, undecided, where.splits, where.seeds, examples, tests, len(where.deals))


def _examples(
    groups: Sequence[Group],
    cells: Sequence[str],
    predictions: Predictions,
    inputs: np.ndarray | None,
    picture: tuple[int, ...] | None,
) -> dict[str, np.ndarray]:
    """The test examples with the highest Brier variance and bias in the plain and in the best cell."""
    columns: dict[str, list[np.ndarray]] = {}
    for name in cells:
        group = next(g for g in groups if name in g.names)
        cell = group.cells[group.names.index(name)]
        for kind in ("variance", "bias"):
            values = group.terms[group.names.index(name), INDEX["brier", kind]]
            if np.isnan(values).any():
                continue
            top = np.argsort(-values, kind="stable")[:SHOWN]
            usual = [int(np.bincount(predictions.votes(cell, int(example))).argmax()) for example in top]
            row = {
                "example": top,
                "label": predictions.labels[top],
                "predicted": np.array(usual),
                "cell": np.full(len(top), name),
                "kind": np.full(len(top), kind),
                "value": values[top],
            }
            if inputs is not None and picture is not None:
                row["pixels"] = np.asarray(inputs)[top].reshape(-1, *picture)
            for key, value in row.items():
                columns.setdefault(key, []).append(value)
    return {key: np.concatenate(values) for key, values in columns.items()}
