"""In a cross-validation each member sees numbers standardised by the rows that it trains on, and by no others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_diabetes, load_wine
from sklearn.preprocessing import StandardScaler

import jaxreg
from jaxreg.data.dataset import Dataset
from jaxreg.data.scaling import of_quantities
from jaxreg.engine.grouping import MemberData, prepare
from jaxreg.engine.progress import Silent
from jaxreg.engine.trainer import Trainer
from jaxreg.fitted import fit
from jaxreg.replay import replay
from jaxreg.source import sweep_and_data
from jaxreg.spec.members import Member, members
from jaxreg.spec.sweep import Sweep
from jaxreg.store.identity import key
from jaxreg.store.members import SMALL_WEIGHT, MemberResult

FLAGS = {"grid": "l2", "l2": [0.01], "epochs": 6, "hidden": [8]}
FOLDS = {"design": "folds", "splits": 5, "deals": 1}
ROWS = 150  # of each table: so many are five folds of equal size
WINE, DIABETES = (load(return_X_y=True) for load in (load_wine, load_diabetes))
OF_CLASSES, OF_QUANTITIES = ((x[::step][:ROWS], y[::step][:ROWS]) for (x, y), step in ((WINE, 1), (DIABETES, 2)))
BOTH = pytest.mark.parametrize("table", [OF_CLASSES, OF_QUANTITIES], ids=["classes", "quantities"])
CROSS_VALIDATED = {**FLAGS, **FOLDS}


def read(data: Any, flags: Mapping[str, Any] = CROSS_VALIDATED) -> tuple[Sweep, Dataset]:
    asked, made = sweep_and_data(None, flags, data=data)
    assert made is not None
    return asked, made


def prepared(asked: Sweep, data: Dataset) -> list[MemberData]:
    return [one for group in prepare(members(asked), asked, data).values() for one in group]


def trained(asked: Sweep, data: Dataset, wanted: Callable[[Member], bool]) -> dict[int, MemberResult]:
    """Those who are wanted, by split: the sweeps here have one cell."""
    chosen = [one for one in members(asked) if wanted(one)]
    trainer = Trainer(asked, data, None, 1, Silent())
    found = {one.id: one for done in trainer.train(chosen, {}, {}) for one in done}
    return {int(one.split): found[one.id] for one in chosen}  # type: ignore[misc]


def told(data: Dataset, result: MemberResult) -> np.ndarray:
    """What a member says of each row: of quantities in their own units."""
    if data.quantities is None:
        return result.predictions
    return result.predictions * np.array(data.quantities.spreads) + np.array(data.quantities.means)


@BOTH
def test_a_fold_is_what_a_scaler_fitted_on_its_training_rows_makes_of_it(table):
    """Trained on these rows alone, which scikit-learn has standardised, and scored on all."""
    x, y = table
    asked, data = read((x, y))
    (mine,) = trained(asked, data, lambda one: one.split == 0).values()
    rows = next(one.rows for one in prepared(asked, data) if one.member.split == 0)
    scaler = StandardScaler().fit(x[rows])
    alone, apart = read((scaler.transform(x[rows]), y[rows], scaler.transform(x), y), {**FLAGS, "design": "holdout"})
    recipe = {name: getattr(asked.recipe, name) for name in ("batch_size", "learning_rate", "loss")}
    assert recipe == {name: getattr(alone.recipe, name) for name in recipe}
    (other,) = trained(alone, apart, lambda one: one.seed == 0).values()
    unit = np.std(y) if data.quantities else 1.0  # predictions are numbers from -4 to 4 then
    np.testing.assert_allclose(told(data, mine) / unit, told(apart, other) / unit, rtol=0, atol=1e-5)
    for name in ("train_loss", "penalty", f"train_{data.measures.loss}"):
        assert mine.history[-1][name] == pytest.approx(other.history[-1][name], rel=1e-4)
    for name in ("train", "test"):
        loss = f"{name}_{data.measures.loss}"
        expected = other.row[loss] if name == "train" else _error(data, mine, np.setdiff1d(np.arange(len(y)), rows))
        assert mine.row[loss] == pytest.approx(expected, rel=1e-4)


def _error(data: Dataset, result: MemberResult, rows: np.ndarray) -> float:
    targets = data.test.targets[rows]
    if data.quantities is None:
        return float(-result.predictions[rows, targets].mean())
    return float(data.unit**2 * np.square(result.predictions[rows] - targets).mean())


@BOTH
def test_what_a_row_is_that_was_left_out_moves_no_other_prediction(table):
    """By 30 standard deviations in each column; of a quantity in its target too."""
    x, y = table
    asked, data = read((x, y))
    here = prepared(asked, data)
    row = int(here[0].unseen[0])
    moved, target = x.copy(), y.astype(float)
    moved[row] += 30 * x.std(0)
    if data.quantities is not None:
        target[row] += 30 * y.std()
    again, other = read((moved, target if data.quantities is not None else y))
    assert other.digest != data.digest and again == asked
    without = {one.member.split for one in here if row in one.unseen}
    assert len(without) == 5, "its fold alone, and with each of the four others"
    before, after = (trained(asked, one, lambda member: member.split in without) for one in (data, other))
    unit = np.std(y) if data.quantities else 1.0
    for split in without:
        mine, theirs = (
            np.delete(told(of, found[split]), row, 0) / unit for of, found in ((data, before), (other, after))
        )
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=1e-5)


@pytest.mark.parametrize("stops", [False, True])
def test_numbers_of_each_member_are_standardised_by_its_own_rows(stops):
    """Without those that early stopping watches. Kinds stay 0 and 1; what is the same in its rows is 0 in all."""
    table, flags = mixed(), dict(CROSS_VALIDATED)
    if stops:
        flags |= {"grid": "early_stopping", "early_stopping": [3]}
    asked, data = read(table, flags | {"label": "y"})
    assert data.encoding.numbers.tolist() == [True, True, False, False, False, True]
    numbers, once = table[["a", "b", "once"]].to_numpy(), int(np.flatnonzero(table["once"])[0])
    seen_by = {True: 0, False: 0}
    for one in prepared(asked, data):
        seen = one.hyper.features.of(data.train.inputs)
        scaler = StandardScaler().fit(numbers[one.rows])
        np.testing.assert_allclose(seen[:, :2], scaler.transform(numbers)[:, :2], atol=1e-5)
        there = once in one.rows
        seen_by[there] += 1
        if there:
            np.testing.assert_allclose(seen[:, 5], scaler.transform(numbers)[:, 2], rtol=1e-5, atol=1e-5)
        for place, kind in enumerate(("rare", "strange", "usual"), 2):
            expected = (table["kind"] == kind) & (kind in {*table["kind"][one.rows]})
            np.testing.assert_array_equal(seen[:, place], expected)
        assert there or not seen[:, 5].any()
    assert all(seen_by.values())


def test_early_stopping_watches_the_loss_that_is_trained_on():
    """In the unit of a member's own rows; of its last weights, which count where none are restored."""
    stops = {"grid": "early_stopping", "early_stopping": [{"patience": 9, "validation_share": 0.2}]}
    asked, data = read(OF_QUANTITIES, CROSS_VALIDATED | stops)
    here = {one.member.split: one for one in prepared(asked, data)}
    for split, result in trained(asked, data, lambda one: one.split in (0, 7)).items():
        own, watched = (
            data.train.targets[rows].astype(np.float64) for rows in (here[split].rows, here[split].validation)
        )
        apart = np.square((result.predictions[here[split].validation] - watched) / own.std()).mean()
        assert result.history[-1]["val_loss"] == pytest.approx(apart + result.row["penalty"], rel=1e-5)


def test_a_quantity_that_is_the_same_in_all_rows_trained_on_stays_a_number():
    same = of_quantities(np.full((9, 2), [3.0, -0.25], np.float32))
    np.testing.assert_array_equal(same.of(np.array([3.0, -0.25])), [0, 0])
    np.testing.assert_array_equal(same.undone(np.zeros(2)), [3.0, -0.25])


def mixed() -> pd.DataFrame:
    """Two rows that differ in their kinds alone, which no other has; and a column that tells one row from the rest."""
    random = np.random.default_rng(0)
    table = pd.DataFrame(random.normal([3, 40], [2, 7], (ROWS, 2)), columns=["a", "b"]).assign(kind="usual", once=0.0)
    table.loc[1, ["a", "b"]] = table.loc[0, ["a", "b"]].to_numpy()
    table.loc[[0, 1], "kind"] = ["rare", "strange"]
    table.loc[7, "once"] = 5.0
    return table.assign(y=np.where(table["a"] + random.normal(size=ROWS) > 3, "yes", "no"))


def test_a_kind_that_only_rows_left_out_have_is_as_none_at_all():
    asked, data = read(mixed(), {**CROSS_VALIDATED, "label": "y"})
    here = {one.member.split: one for one in prepared(asked, data)}
    alike = []
    for split, result in trained(asked, data, lambda one: one.nested).items():
        rare, strange = result.predictions[:2]
        neither = not {0, 1} & {*here[split].rows.tolist()}
        assert np.array_equal(rare, strange) is neither
        alike.append(neither)
        kernel = result.weights["params"]["hidden_0"]["kernel"]
        dead = [feature for feature, row in ((2, 0), (3, 1), (5, 7)) if row not in here[split].rows]
        live = (np.abs(np.delete(kernel, dead, axis=0)) < SMALL_WEIGHT).mean()
        assert result.row["live_small_weights"] == pytest.approx(live)
    assert {*alike} == {True, False}


@BOTH
def test_networks_on_all_rows_are_those_of_any_design_bit_for_bit(table):
    x, y = table
    (folded, rows), (other, same) = read((x, y)), read((x, y, x, y), {**FLAGS, "design": "parts", "splits": 2})
    made = [fit(asked, data, asked.cells[-1], 2, devices=1) for asked, data in ((folded, rows), (other, same))]
    np.testing.assert_array_equal(*(one._mean(one._seen(x)) for one in made))
    outside = prepared(other, same)
    assert outside and all((one.hyper.features, one.hyper.quantities) == (None, None) for one in outside)


def test_members_are_others_where_they_see_other_numbers_and_nowhere_else():
    random = np.random.default_rng(0)
    pictures, y = random.integers(0, 256, (ROWS, 5, 4), dtype=np.uint8), OF_QUANTITIES[1]
    pixels = (pictures, np.resize([0, 1], ROWS))
    for given, what in (
        (OF_CLASSES, ["inputs"]),
        (OF_QUANTITIES, ["inputs", "targets"]),
        (pixels, []),
        ((pictures, y), ["targets"]),
    ):
        asked, data = read(given)
        assert [*data.standardised] == what
        told = data.described.get("standardised", "")
        assert told == " and ".join(what)
        for one in prepared(asked, data):
            assert (one.hyper.features is not None, one.hyper.quantities is not None) == (
                "inputs" in what,
                "targets" in what,
            )
            prints = {
                key(one.member, asked, data.digest, standardised=so).fingerprint for so in ((), data.standardised)
            }
            assert len(prints) == 1 + bool(what)
    parts, data = read(OF_QUANTITIES, {**FLAGS, "design": "parts", "splits": 2, "second_stage": 0, "full_seeds": 1})
    assert data.standardised and "standardised" not in data.described
    for one in members(parts):
        assert key(one, parts, data.digest, standardised=data.standardised) == key(one, parts, data.digest)


def test_a_fold_replayed_alone_is_the_same_bit_for_bit_and_the_page_says_how_it_saw(tmp_path):
    table = mixed().assign(y=lambda rows: 10 * rows["a"] - rows["b"])
    run = jaxreg.run("l2=0,0.1", data=table, label="y", design="folds", out=tmp_path / "run", devices=2)
    for name in ("plain/split0/seed0", "l2=0.1/split9/seed0"):
        found = replay(run.folder, name, devices=2, dataset=run.dataset)
        assert found.same, found.text
    assert "inputs and targets were standardised by the rows that a network was trained on" in run.report
    assert "kind one-hot, by the values in all rows: 6 features in all, of which a network sees those" in run.report
