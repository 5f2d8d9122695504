"""Everything statistical about a run: from members and predictions to the tables that the report reads.

Counted are members on a split of their own that did not diverge. Members trained on the whole training set
(split "all") have a table of their own; diverged ones are counted in `diverged`, and their cell can't be
chosen as long as others are whole.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from jaxreg.files import write_csv, write_npz
from jaxreg.measures import CLASSES, PARTS, Measures
from jaxreg.statistics import calibration_tables, classes, data_size, power, quantities, selection, spreads
from jaxreg.statistics.boundaries import Look
from jaxreg.statistics.comparisons import UNDECIDED, Difference, against, compare_with_references, moderated
from jaxreg.statistics.cross_validation import Folds
from jaxreg.statistics.decomposition import table
from jaxreg.statistics.examples import examples
from jaxreg.statistics.groups import (
    Group,
    chosen_from,
    counted,
    differences,
    eligible,
    grouped,
    reference_of,
    settings_of,
)
from jaxreg.statistics.predictions import CellMembers, ClassPredictions, Predictions, VotePredictions
from jaxreg.statistics.recommendation import recommend
from jaxreg.statistics.whole import whole


class Candidates(NamedTuple):
    """Whom a recommendation is made from."""

    reference: str
    cells: Sequence[str]
    pairs: Sequence[Difference]  # of cells


@dataclass(frozen=True)
class Analysis:
    """The tables of a run, each the file of its name; `examples` are the arrays of examples.npz."""

    decomposition: pd.DataFrame
    comparisons: pd.DataFrame
    choices: pd.DataFrame
    power: pd.DataFrame
    whole: pd.DataFrame
    recommendation: pd.DataFrame
    data_size: pd.DataFrame
    classes: pd.DataFrame = field(default_factory=pd.DataFrame)  # empty for quantities
    quantities: pd.DataFrame = field(default_factory=pd.DataFrame)  # of several of them alone
    calibration: pd.DataFrame = field(default_factory=pd.DataFrame)  # this and the next: of probabilities alone
    reliability: pd.DataFrame = field(default_factory=pd.DataFrame)
    looks: pd.DataFrame = field(default_factory=pd.DataFrame)
    examples: dict[str, np.ndarray] = field(default_factory=dict)
    candidates: Candidates | None = None
    measures: Measures = CLASSES

    @property
    def worth_training_on_all(self) -> list[str]:
        """The reference, the best of each axis, and what is recommended for the splits."""
        named = self.choices.loc[self.choices["rule"] == "best", "cell"]
        start = [] if self.candidates is None else [self.candidates.reference]
        return list(dict.fromkeys([*start, *named, *self.recommendation["cell"]]))

    def concluded(self, whole: pd.DataFrame, kin: Mapping[str, Sequence[str]]) -> Analysis:
        """With what members on the whole training set say, as `jaxreg.statistics.recommendation.recommend` has it."""
        found = pd.DataFrame()
        if self.candidates is not None:
            reference, cells, pairs = self.candidates
            found = recommend(self.comparisons, pairs, reference, cells, whole, kin, self.measures)
        return replace(self, whole=whole, recommendation=found)


# Products are small: more threads of BLAS only wait for each other, on a busy machine for seconds.
@threadpool_limits.wrap(limits=1, user_api="blas")
def analyse(
    members: pd.DataFrame,
    predictions: Predictions,
    member_ids: Sequence[str],
    test_inputs: np.ndarray | None = None,
    picture: tuple[int, ...] | None = None,
    class_names: Sequence[str] | None = None,
    quantity_units: Sequence[tuple[str, float]] = (),
    look: Look | None = None,
    plain: str | None = None,
    folds: Folds | None = None,
) -> Analysis:
    """All tables of a run.

    Args:
        members: a row a member, with the columns of members.csv; `member`, `cell`, `split`, `seed` and
            `diverged_at` are needed, and `deal` where the same data were dealt into splits more than once.
        predictions: of the members; read in blocks.
        member_ids: whose predictions these are, in their order.
        test_inputs: [example, ...].
        picture: the shape in which an input is a picture, such as (28, 28) or (32, 32, 3); without it (or without
            the inputs) examples.npz has no pixels.
        class_names: a name a class, for classes.csv.
        quantity_units: of each quantity its name, and what a difference of 1 of it is, for quantities.csv.
        look: which one this is at a study that is looked at again and again.
        plain: the cell that others are compared with; by default what `jaxreg.axes.reference` says.
        folds: where the members are out-of-fold models: then nothing is said of bias, variance and further runs.
    """
    measures = predictions.measures
    cells = counted(members, member_ids)
    groups = grouped(cells, predictions, folds)
    settings = settings_of(members)
    named = [name for group in groups for name in group.names]
    plain = plain if plain in named else reference_of(cells, settings)
    group = chosen_from(groups, cells, plain if look else None)
    choices = _choices(group, settings, plain, members, measures)
    best = None if choices.empty else str(choices[choices["axis"] == "all"]["cell"].iloc[0])
    references = list(dict.fromkeys(name for name in (plain, best) if name is not None))
    pairs = differences(groups, cells, predictions, references, folds)
    comparisons = compare_with_references(pairs, named, plain, best, list(measures.compared), look)
    candidates = None
    if group is not None and plain is not None:
        names = group.names if look else eligible(group, cells)
        along = selection.lines(settings.loc[list(names)], names, plain)["all"]
        candidates = Candidates(plain, [names[i] for i in along], pairs)
    by_scope = {"parts": cells, "whole": counted(members, member_ids, on_all=True)}
    found = Analysis(
        decomposition=_decomposition(groups, cells, settings, measures),
        comparisons=comparisons,
        choices=choices,
        power=_power(pairs, comparisons, members, groups, plain if folds is None else None, predictions),
        whole=pd.DataFrame(),
        recommendation=pd.DataFrame(),
        data_size=_data_size(group if folds is None else None, settings, members, plain),
        quantities=quantities.table(by_scope, predictions, quantity_units, folds),
        candidates=candidates,
        measures=measures,
    )
    if isinstance(predictions, ClassPredictions | VotePredictions):
        found = replace(found, classes=classes.table(groups, predictions.labels, class_names))
    if isinstance(predictions, ClassPredictions):
        calibrated, reliability = calibration_tables.tables(groups, predictions)
        shown = examples(groups, references, predictions, test_inputs, picture)
        found = replace(found, calibration=calibrated, reliability=reliability, examples=shown)
    return found.concluded(whole(members, predictions, member_ids, plain, groups), {})


def write(analysis: Analysis, folder: str | Path) -> None:
    """Each table as CSV, and examples.npz, atomically."""
    folder = Path(folder)
    for table_field in fields(analysis):
        content = getattr(analysis, table_field.name)
        if isinstance(content, pd.DataFrame) and content.columns.empty:  # no sound member: nothing to say
            (folder / f"{table_field.name}.csv").unlink(missing_ok=True)
        elif isinstance(content, pd.DataFrame):
            write_csv(folder / f"{table_field.name}.csv", content)
        elif isinstance(content, dict) and content:
            write_npz(folder / f"{table_field.name}.npz", content)


def _decomposition(
    groups: Sequence[Group], cells: Sequence[CellMembers], settings: pd.DataFrame, measures: Measures
) -> pd.DataFrame:
    found = {
        name: table(layout, group.design, measures=measures)
        for group in groups
        for name, layout in zip(group.names, group.by_measure, strict=True)
    }
    unknown = {f"{part}{end}": np.nan for part in PARTS for end in ("", "_low", "_high")}
    empty = pd.DataFrame({"loss": measures.losses, **unknown, "models": 0, "splits": 0, "seeds": 0})
    tables = []
    for cell in cells:
        mine = found.get(cell.name, empty).copy()
        mine["diverged"] = cell.diverged
        for position, (axis, value) in enumerate({"cell": cell.name, **settings.loc[cell.name]}.items()):
            mine.insert(position, axis, value)
        tables.append(mine)
    columns = max(tables, key=lambda x: x.shape[1]).columns
    return pd.concat([x.reindex(columns=columns) for x in tables], ignore_index=True)


def _choices(
    group: Group | None, settings: pd.DataFrame, plain: str | None, members: pd.DataFrame, measures: Measures
) -> pd.DataFrame:
    if group is None or plain is None:
        return pd.DataFrame(columns=["axis", "rule", "cell", "value", measures.first])
    gaps = selection.gaps(members, group.names, measures)
    return selection.choices(group.scores, settings.loc[list(group.names)], plain, gaps, measures)


def _data_size(group: Group | None, settings: pd.DataFrame, members: pd.DataFrame, plain: str | None) -> pd.DataFrame:
    if group is None or "trained_on" not in members:
        return pd.DataFrame()
    on_splits = members[members["split"].astype(str) != "all"]
    examples = {str(cell): int(n) for cell, n in on_splits.groupby("cell")["trained_on"].first().items()}
    return data_size.table(group.scores.losses, group.design.splits, group.names, settings, examples, plain)


def _power(
    pairs: Sequence[Difference],
    comparisons: pd.DataFrame,
    members: pd.DataFrame,
    groups: Sequence[Group],
    plain: str | None,
    predictions: Predictions,
) -> pd.DataFrame:
    if plain is None:
        return pd.DataFrame()
    measures, examples = predictions.measures, predictions.examples
    found = against(pairs, plain, [name for group in groups for name in group.names])
    apart, undecided = {}, {}
    where = max((group.design for group in groups), key=lambda d: len(d.order))
    rows = comparisons[comparisons["reference"] == plain]
    open_ones = rows[rows["verdict"] == UNDECIDED].set_index(["cell", "measure"])["difference"]
    for index, measure in enumerate(measures.compared):
        for d, sure in zip(found, moderated(found, index), strict=True):
            alone = spreads.spread(d.paired, index, members, d.cell, plain, measure, examples)
            apart[d.cell, measure] = alone._replace(prior=sure.prior if sure else 0.0)
            if (d.cell, measure) in open_ones and measure in (measures.first, measures.second):
                own = spreads.as_tested(alone, sure, where, examples) if sure else alone
                undecided[d.cell, measure] = float(open_ones[d.cell, measure]), own
    return power.review(apart, undecided, where.splits, where.seeds, examples, max(len(found), 1), len(where.deals))
