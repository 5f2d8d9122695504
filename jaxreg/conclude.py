"""From members to the report: their tables, what they say, a second stage on all of the data, the page."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import pandas as pd

from jaxreg.data.splits import dealt_folds
from jaxreg.driver import AnyTrainer, Driver
from jaxreg.files import write_csv
from jaxreg.report import page
from jaxreg.spec import second_stage
from jaxreg.statistics import analysis, quantities
from jaxreg.statistics.analysis import Analysis
from jaxreg.statistics.boundaries import Look
from jaxreg.statistics.cross_validation import CrossValidated, Folds, cross_validated
from jaxreg.statistics.groups import counted, grouped
from jaxreg.statistics.predictions import Outputs, Predictions
from jaxreg.statistics.whole import whole
from jaxreg.store.predictions import scored
from jaxreg.store.reading_tables import read_table
from jaxreg.store.tables import PREDICTIONS_LIMIT, features_of, rows_of, write_members, write_predictions

NESTED = "nested.csv"  # of a cross-validation, the members without two folds


def conclude(
    driver: Driver,
    trainer: Callable[[], AnyTrainer],
    with_predictions: bool = False,
    looks: pd.DataFrame | None = None,
    look: Look | None = None,
    report: bool = True,
) -> None:
    """Analyses the members of a driver, and writes the tables and the report.

    Args:
        driver: all of whose members are finished.
        trainer: makes one, for a second stage where the sweep asks for it.
        with_predictions: write predictions.npz however large it is.
        looks, look: of a sweep that settles, as `jaxreg.settle.settle` gives them.
        report: write the pages too.
    """
    driver.progress.announce("analysing")
    started, path, dataset = time.perf_counter(), driver.folder.path, driver.dataset
    _write_members(driver, with_predictions)
    folds: Folds | None = None
    outputs: Outputs = driver.outputs(driver.members)
    rows = read_table(path / "members.csv")
    if driver.sweep.folded:
        rows, outputs, folds = _cross_validated(driver, rows)
    tables = analysis.analyse(
        rows,
        scored(outputs, dataset),
        list(rows["member"]),
        dataset.test.inputs,
        dataset.picture,
        dataset.class_names,
        dataset.quantity_units,
        look,
        folds=folds,
    )
    trained = time.perf_counter()
    tables = _second_stage(driver, tables, trainer)
    analysis.write(tables if looks is None else replace(tables, looks=looks), path)
    driver.end(started + time.perf_counter() - trained)
    if report:
        page.write(path)


def _write_members(driver: Driver, with_predictions: bool) -> None:
    """Writes members.csv, history.csv and, up to a size or where asked for, predictions.npz."""
    predictions, path = driver.outputs(driver.members), driver.folder.path
    if with_predictions or predictions.size <= PREDICTIONS_LIMIT:
        write_predictions(path, driver.members, driver.dataset, predictions)
    else:
        driver.remove("predictions.npz")
    single = [member for member in driver.members if not member.nested]
    own = [driver.keys[member.id] for member in single]
    write_members(path, single, own, driver.store, driver.dataset.signature)
    encoding = driver.dataset.encoding
    names = () if encoding is None else [column.name for column in encoding.columns]
    features = features_of(single, own, driver.store, names) if names else pd.DataFrame()
    if features.empty:
        driver.remove("features.csv")
    else:
        write_csv(path / "features.csv", features)
    if not driver.sweep.second_stage:
        driver.remove("second_stage.csv")


def _cross_validated(driver: Driver, single: pd.DataFrame) -> CrossValidated:
    """Models each row of which is predicted by a member that has not seen it; writes the members without two folds."""
    sweep, data = driver.sweep, driver.dataset
    pairs = [member for member in driver.members if member.nested]
    nested, _ = rows_of(pairs, [driver.keys[member.id] for member in pairs], driver.store, data.signature)
    write_csv(driver.folder.path / NESTED, nested)
    driver.about["nested_members"] = len(pairs)
    rows = pd.concat([single, nested], ignore_index=True).set_index("member", drop=False)
    rows = rows.loc[[member.id for member in driver.members]].reset_index(drop=True)
    numbers = dealt_folds(data.strata, sweep.splits, sweep.seed, sweep.most_deals, data.groups)
    return cross_validated(
        rows, [member.left_out for member in driver.members], driver.outputs(driver.members), numbers
    )


def _second_stage(driver: Driver, tables: Analysis, trainer: Callable[[], AnyTrainer]) -> Analysis:
    """Trains on the whole training set what the splits speak for, and concludes what to use there."""
    if not driver.sweep.second_stage or tables.candidates is None:
        return tables
    kin = second_stage.kin(driver.sweep, tables.worth_training_on_all)
    beside = second_stage.beside(driver.sweep, tables.candidates.reference)
    wanted = [cell for cells in [*kin.values(), beside] for cell in cells]
    driver.add(second_stage.members(driver.sweep, wanted))
    cells = dict.fromkeys(member.cell.name for member in driver.second_stage)
    if cells:
        driver.progress.announce(f"second stage, on all of the training set: {', '.join(cells)}")
    driver.train(trainer)
    rows, predictions = _on_everything(driver)
    driver.progress.announce("writing the report")
    ids = list(rows["member"])
    parts = grouped(counted(rows, ids), predictions)
    found = whole(rows, predictions, ids, tables.candidates.reference, parts)
    tables = tables.concluded(found, {name: [cell.name for cell in cells] for name, cells in kin.items()})
    each = quantities.table({"whole": counted(rows, ids, on_all=True)}, predictions, driver.dataset.quantity_units)
    if each.empty:
        return tables
    on_parts = tables.quantities[tables.quantities["scope"] == "parts"]
    return replace(tables, quantities=pd.concat([on_parts, each], ignore_index=True))


def _on_everything(driver: Driver) -> tuple[pd.DataFrame, Predictions]:
    """Rows and predictions of all members of cells on the whole training set; writes those of the second stage."""
    cells = {member.cell.name for member in driver.everybody if member.split == "all"}
    wanted = [member for member in driver.everybody if member.cell.name in cells]
    keys = [driver.keys[member.id] for member in wanted]
    rows, _ = rows_of(wanted, keys, driver.store, driver.dataset.signature)
    added = rows["member"].isin([member.id for member in driver.second_stage])
    write_csv(driver.folder.path / "second_stage.csv", rows[added])
    return rows, scored(driver.outputs(wanted), driver.dataset)
