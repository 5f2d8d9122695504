"""Which rows train and which score: disjoint parts, a cross-validation, or all of the training rows each time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jaxreg.errors import UserError
from jaxreg.spec.checked import Place
from jaxreg.spec.sweep import SweepFile
from jaxreg.spec.typed import axes_named

OF_PARTS = {"splits", "settle", "full_seeds", "second_stage", "holdout", "train_examples"}
"""Who gives one of these and no design asks for disjoint parts, however few rows there are."""
LEAST_FOLDS = 3  # two are left out by some models
USUAL_REPEATS = 5  # seeds on all of the training rows, where none are disjoint


def asks_for_parts(tables: Mapping[str, Any]) -> bool:
    """Whether somebody who names no design gives what only disjoint parts have."""
    swept = {name.partition("=")[0].strip() for name in axes_named(tables.get("grid"))}
    return "design" not in tables and bool(OF_PARTS & {*tables, *swept})


def check_design(top: SweepFile, place: Place) -> None:
    """Raises `UserError` where a sweep asks for what its design can't have."""
    if top.full_seeds and top.splits == 1:
        raise UserError(
            f"{place('full_seeds')}: with splits = 1 every member has the whole training set already. "
            "Raise seeds, or leave full_seeds out."
        )
    if top.second_stage and top.splits == 1:
        raise UserError(
            f"{place('second_stage')}: with splits = 1 every member has the whole training set already. "
            "Raise splits, or leave second_stage out."
        )
    if top.deals > 1 and top.splits == 1:
        where = place("deals")
        more = "--splits 5" if where.startswith("--") else "splits = 5"
        raise UserError(
            f"{where}: with splits = 1 every deal would be the whole training set again. Raise splits, as in {more}, "
            "or leave deals out."
        )
    if top.settle and top.deals > 1:
        raise UserError(
            f"{place('deals')}: with settle = {top.settle} deals are added until it is settled. Leave one out."
        )
    if top.design == "holdout" and top.splits > 1:
        raise UserError(f'{place("splits")}: is of disjoint parts, and design = "holdout" has none. Leave one out.')
    if top.design != "folds":
        return
    for key in ("settle", "full_seeds", "second_stage", "test"):
        if getattr(top, key):
            why = "all rows score" if key == "test" else "no rows are left to score such members"
            why = "looks are of disjoint parts" if key == "settle" else why
            raise UserError(f'{place(key)}: does not go with cross-validation, design = "folds": {why}. Leave one out.')
    if top.splits < LEAST_FOLDS:
        raise UserError(f"{place('splits')}: cross-validation needs {LEAST_FOLDS} folds or more, got {top.splits}.")
