"""The data of a sweep: what it names, read as it says, and the recipe that suits a table of such a size."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from jaxreg import sweep_notes
from jaxreg.axes import AXES
from jaxreg.data.dataset import Dataset, Reading
from jaxreg.data.load import load as load_data
from jaxreg.data.rare_classes import check_splits
from jaxreg.engine.progress import Progress, Silent
from jaxreg.errors import UserError
from jaxreg.spec.design import LEAST_FOLDS, USUAL_REPEATS
from jaxreg.spec.load import load
from jaxreg.spec.settings import Settings
from jaxreg.spec.sweep import Sweep
from jaxreg.spec.sweep_file import tables_of

STEPS = 1000
"""Of Adam at 1e-3, at least: with fewer, small tables are left unfitted, and every penalty looks useless. With 600, the
best setting of L1 and L2 had an error 1 to 28 % larger on scikit-learn's wine, breast cancer, diabetes and digits and
on two made tables; 1,200 gain up to 6 % on top, and 178 rows take ten seconds then."""


USUAL_ROWS = 12_000
"""On a split: those that the usual strengths of an axis are for, a fifth of Fashion-MNIST."""


DEALS = 2
"""Of a cross-validation: each gives every row another prediction by a network that has not seen it."""


def how(sweep: Sweep) -> Reading:
    """Which column of a table is what."""
    folds = None if sweep.design is None else sweep.folded
    return Reading(sweep.label, sweep.group, sweep.drop, sweep.holdout, sweep.seed, sweep.task, folds)


def dataset_of(sweep: Sweep, progress: Progress | None = None) -> Dataset:
    """The data that a sweep names, or Fashion-MNIST. Raises `UserError` where it can't be used."""
    progress = progress or Silent()
    return load_data(sweep.data, sweep.test, progress.announce, how(sweep), progress.read)


def sweep_and_data(
    file: str | Path | None,
    flags: Mapping[str, Any],
    mark: str = "",
    data: Any = None,
    dataset: Dataset | None = None,
    progress: Progress | None = None,
    test: Any = None,
) -> tuple[Sweep, Dataset | None]:
    """The sweep of a file, flags or both, with the recipe that suits its data; and these, where some are named.

    Args:
        file, flags, mark: as `jaxreg.spec.load.load` has them.
        data: arrays or DataFrames, in the place of what the sweep names.
        dataset: read already.
        progress: told how far a table is read.
        test: beside `data`, arrays or a DataFrame that score.

    What of the design and the recipe nobody has typed is in the notes of the data.
    """
    made = load(file, flags, mark, by_size=True)
    if data is not None:
        from jaxreg.data.in_memory import is_table, of_arrays  # pandas

        kind = "dataframe" if is_table(data) else "arrays"
        dataset, flags = of_arrays(data, how(made), test=test), {"name": f"{kind}-{made.name}", **flags}
    elif dataset is None and (made.data is not None or made.test is not None):
        dataset = dataset_of(made, progress)
    if made.folded and dataset is None:
        raise UserError(f'{mark}design: "folds" takes a table or arrays without a test part: give {mark}data.')
    if dataset is None:
        return made.model_copy(update={"design": made.design or "parts"}), None
    suited = suited_to(dataset, made.splits, made.axes)
    if made.design and not dataset.folded:  # as asked for, where the rows alone would have another
        suited = {**suited, "design": made.design}
    sweep = load(file, flags, mark, suited)
    check_design(sweep, dataset)
    given = {*flags, *({} if file is None else tables_of(Path(file)).get("recipe", {}))}
    by_size = {*suited.get("recipe", {})} - given
    design = sweep_notes.design(sweep, dataset, made.design is not None, made.splits)
    more = design, sweep_notes.recipe(sweep, by_size, mark)
    return sweep, dataset._replace(notes=(*dataset.notes, *filter(None, more)))


def check_design(sweep: Sweep, dataset: Dataset) -> None:
    """Raises `UserError` where rows would score that were trained on, folds have a test part, or parts lack rows."""
    if sweep.folded and not dataset.folded:
        raise UserError(
            'design = "folds" takes a table or arrays without a test part, and these have one. Leave it out.'
        )
    if dataset.folded and not sweep.folded:
        raise UserError(
            "all rows of these data are for a cross-validation, and the sweep has another design. Give the sweep "
            'design = "folds", or read the data with Reading(folds=False).'
        )
    if dataset.groups is None:
        if not sweep.folded and sweep.splits > 1:
            check_splits(dataset.strata, sweep.splits, dataset.class_names)
        return
    there = len({*dataset.groups.tolist()})
    if sweep.splits > max(there, 1):
        what, least = ("folds", LEAST_FOLDS) if sweep.folded else ("splits", 2)
        fewer = f"--splits {there}, or " if there >= least else ""
        raise UserError(
            f"{sweep.splits} {what} take as many groups, and there {'is' if there == 1 else 'are'} {there}. "
            f"Type {fewer}--design holdout."
        )


def suited_to(dataset: Dataset, splits: int = 5, axes: Iterable[str] = ()) -> Mapping[str, Any]:
    """What a sweep on these data is by default: the notebook's recipe for images; of quantities its squared error.

    For a table, networks by the number of training rows (64-32 up to 20,000, 128-64 beyond; 32 where there are fewer
    than 1,000), batches of 32 (16 of fewer than 1,000), as many epochs as make `STEPS` steps on a split, from 15 to
    200; as many splits, up to 5, as leave four rows of the rarest class in each, or, where all rows score, a
    cross-validation of 5 folds that deals them `DEALS` times, and no more of either than there are groups; where one
    split is left, all of the training rows from `USUAL_REPEATS` seeds; values of those `axes` whose best one falls as
    1/n: ten times as large for every power of ten that a split's rows are below `USUAL_ROWS`, up to two; and learning
    curves on a sixth as many rows as a split has, as for images, from 500 to 2,000: on 2,000 rows for a split of 3,000
    they took a fifth of the time.
    """
    loss = {} if dataset.quantities is None else {"loss": "squared"}
    design = {"design": "folds", "deals": DEALS} if dataset.folded else {"design": "parts"}
    if dataset.examples_are == "images":
        return {**(design if dataset.folded else {}), **({"recipe": loss} if loss else {})}
    import numpy as np

    rows, rarest = len(dataset.train.targets), int(np.bincount(dataset.strata).min())
    hidden = [32] if rows < 1000 else [64, 32] if rows <= 20_000 else [128, 64]
    batch = 16 if rows < 1000 else 32
    if not dataset.folded:
        splits = sweep_notes.splits_by_class(rarest, splits)
    if dataset.groups is not None:  # none of which is in two of them
        splits = max(LEAST_FOLDS if dataset.folded else 1, min(splits, np.unique(dataset.groups).size))
    if splits == 1:
        design = {"design": "holdout", "seeds": USUAL_REPEATS}
    own = rows * (splits - 1) / splits if dataset.folded else rows / splits
    epochs = int(np.clip(np.ceil(STEPS * batch / own), 15, 200))
    power = int(np.clip(np.floor(np.log10(USUAL_ROWS / own)), 0, 2))
    values = {
        axis: [float(f"{10**power * value:.6g}") for value in AXES[axis].values]
        for axis in axes
        if AXES[axis].falls and power
    }
    recipe = {"hidden": hidden, "batch_size": batch, "epochs": epochs, "scaling": "raw", **loss}
    curve = int(np.clip(own // 600 * 100, 500, 2000))
    return {**design, "splits": splits, "curve_images": curve, "recipe": recipe, "axes": values}


def check_task(sweep: Sweep, dataset: Dataset) -> None:
    """Raises `UserError` where a cell has a setting that is of classes, and quantities are to be predicted."""
    if dataset.quantities is None:
        return
    usual = Settings()
    for cell in sweep.cells:
        own = cell.settings
        monitor = "" if own.early_stopping is None else own.early_stopping.monitor
        wrong = {
            'loss = "cross_entropy"': own.loss != "squared",
            "label_smoothing": own.label_smoothing != usual.label_smoothing,
            "label_noise": own.label_noise != usual.label_noise,
            'monitor = "val_accuracy"': monitor == "val_accuracy",
        }
        for name in (name for name, there in wrong.items() if there):
            what = " and ".join(dataset.quantities.names)
            hint = ' Type --loss squared, or loss = "squared" in [recipe].' if name.startswith("loss") else ""
            raise UserError(f"{cell.name}: {name} is of classes, and {what} is to be predicted as a quantity.{hint}")
