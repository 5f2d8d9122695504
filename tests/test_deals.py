"""The same examples dealt into disjoint splits more than once: estimated in each, with intervals that know of it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from jaxreg.decomposition import PARTS, Accumulator, decompose
from jaxreg.report.summaries import means
from jaxreg.spec.members import members as members_of
from jaxreg.statistics.analysis import analyse
from jaxreg.statistics.calibration import gaps, measure
from jaxreg.statistics.folds import Scores
from jaxreg.statistics.intervals import TwoWay, remaining
from jaxreg.statistics.power import detectable, needed, review
from jaxreg.statistics.predictions import ClassPredictions
from jaxreg.statistics.spreads import Spread, spread
from jaxreg.statistics.sums import design
from jaxreg.store.identity import key
from jaxreg.store.members import StoredMembers
from jaxreg.store.tables import write_members

DEALS, SPLITS, SEEDS = 3, 4, 2
DEAL, SPLIT, SEED = np.indices((DEALS, SPLITS, SEEDS)).reshape(3, -1)
TWO = (slice(0, 4), slice(4, 8))


def outputs(models: int = len(DEAL), examples: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities [model, example, class] and labels."""
    random = np.random.default_rng(0)
    p = np.exp(random.normal(size=(models, examples, 4)))
    return p / p.sum(-1, keepdims=True), random.integers(0, 4, examples)


def test_a_decomposition_is_the_mean_of_those_of_the_deals():
    p, labels = outputs()
    together = decompose(p, labels, SPLIT, SEED, deal=DEAL)
    apart = [decompose(p[DEAL == d], labels, SPLIT[DEAL == d], SEED[DEAL == d]) for d in range(DEALS)]
    for part in PARTS:
        np.testing.assert_allclose(together[part], np.mean([table[part] for table in apart], axis=0))
    assert (together[["models", "splits", "seeds", "deals"]] == [24, 4, 2, 3]).all(axis=None)
    assert "deals" not in apart[0]


def test_names_and_order_of_models_change_nothing():
    p, labels = outputs()
    expected = decompose(p, labels, SPLIT, SEED, deal=DEAL)
    order = np.random.default_rng(1).permutation(len(p))
    split = (DEAL * SPLITS + SPLIT)[order]  # numbered on, as a sweep does
    found = decompose(p[order], labels, split, SEED[order], deal=DEAL[order])
    pd.testing.assert_frame_equal(found, expected)
    kept = Accumulator(labels)
    for i in order:
        kept.add(p[i], SPLIT[i], SEED[i], deal=DEAL[i])
    pd.testing.assert_frame_equal(kept.table(), expected)


def test_a_design_knows_the_units_of_each_deal():
    where = design([3, 0, 1, 2], [0, 0, 0, 0], [1, 0, 0, 1])
    assert where.deals == (slice(0, 2), slice(2, 4)) and where.splits == 2
    assert where.order.tolist() == [1, 2, 3, 0]
    assert design([0, 1, 2], [0, 0, 0]).deals == (slice(0, 3),)


def layout(values: np.ndarray, deals=TWO) -> TwoWay:
    """Of averages over models, from values [series, unit, example]."""
    found = TwoWay(len(values), 1, values.shape[1], deals)
    centre = np.mean([values[:, units].mean(1) for units in found.deals], axis=0)
    found.add(centre[:, None], values[:, None])
    return found


def of_units(by_unit: np.ndarray, deals=TWO) -> TwoWay:
    return layout(np.repeat(by_unit[None, :, None], 50, axis=2), deals)


def test_the_error_is_between_that_of_one_deal_and_that_of_independent_ones():
    random = np.random.default_rng(0)
    units = random.standard_normal(8)
    one = np.sqrt(np.mean([units[own].var(ddof=1) for own in TWO]) / 4)
    error = of_units(units).one(0).error[0]
    assert one / np.sqrt(2) < error < one
    again = units.copy()
    again[4:] += units[:4].mean() - units[4:].mean()  # the deals agree: they seem to share much
    far = units.copy()
    far[4:] += 5  # and here nothing
    assert of_units(far).one(0).error[0] < error
    assert of_units(again).one(0).error[0] > of_units(far).one(0).error[0]


@pytest.mark.parametrize("deals", [2, 5])
@pytest.mark.parametrize("shared", [0.0, 0.4, 0.95])
def test_an_interval_covers_whatever_the_deals_share(deals, shared):
    """Of a mean of normal units whose deals have this correlation: 95 %, and never much less."""
    random, held, where = np.random.default_rng(1), 0, tuple(slice(5 * d, 5 * d + 5) for d in range(deals))
    for _ in range(600):
        deal = np.sqrt(shared) * random.standard_normal() + np.sqrt(1 - shared) * random.standard_normal(deals)
        units = random.standard_normal((deals, 5))
        units += deal[:, None] / np.sqrt(5) - units.mean(1, keepdims=True)
        low, high = of_units(units.ravel(), where).one(0).interval()
        held += low <= 0 <= high
    assert held / 600 > 0.92


def test_what_remains_is_between_all_and_a_deals_share():
    left, doubt = remaining(np.array([0.0, 0.1, 1.0, 100.0]), 5, 20)
    assert (np.diff(left) < 0).all() and left[0] < 1 and left[-1] > 0.2 and (doubt > 0).all()


def test_series_that_are_combined_are_so_in_every_deal():
    values = np.random.default_rng(2).standard_normal((2, 8, 50))
    found, alone = layout(values).difference(0, 1), layout(values[:1] - values[1:]).one(0)
    for mine, theirs in zip(found[:4], alone[:4], strict=True):
        np.testing.assert_allclose(mine, theirs)
    assert layout(values).differences(1).error[0] == pytest.approx(found.error[0])


def test_one_split_a_deal_has_no_interval():
    assert np.isnan(of_units(np.arange(2.0), (slice(0, 1), slice(1, 2))).one(0).error[0])


def test_folds_leave_out_and_look_within_a_deal():
    labels = np.arange(30) % 3
    loss = np.random.default_rng(3).standard_normal((2, 8, 30))
    both = Scores(("a", "b"), labels, TwoWay(2, 1, 8, TWO))
    both.add(slice(0, 30), loss, (loss > 0).astype(float))
    alone = []
    for units in TWO:
        one = Scores(("a", "b"), labels, TwoWay(2, 1, 4))
        one.add(slice(0, 30), loss[:, units], (loss[:, units] > 0).astype(float))
        alone.append(one)
    expected = [fold for one in alone for fold in one.folds()]
    found = list(both.folds())
    assert len(found) == len(expected) == 80

    def key(fold):
        return tuple(np.round(fold.loss, 9))

    for mine, theirs in zip(sorted(found, key=key), sorted(expected, key=key), strict=True):
        assert mine.seen.units == 3
        np.testing.assert_allclose(mine.seen.difference(0, 1).error, theirs.seen.difference(0, 1).error)
    np.testing.assert_allclose(both.second, (loss > 0).mean((1, 2)))


def test_calibration_is_the_mean_over_deals():
    random = np.random.default_rng(4)
    models = [(random.random(90), (random.random(90) < 0.5).astype(float)) for _ in range(8)]
    found = measure([[model] for model in models], 90, TWO).error
    expected = layout(np.stack([gaps(*model)[0] for model in models])[None]).one(0)
    for mine, theirs in zip(found[:4], expected[:4], strict=True):
        np.testing.assert_allclose(mine, theirs)


def test_means_of_members_have_the_interval_of_units_and_deals():
    by_unit = np.random.default_rng(5).standard_normal(8)
    members = pd.DataFrame({"cell": "a", "deal": np.repeat([0, 1], 4), "split": range(8), "x": by_unit})
    row = means(members, ["x"]).loc["a"]
    low, high = of_units(by_unit).one(0).interval()
    assert (row["x"], row["x_low"], row["x_high"]) == pytest.approx((by_unit.mean(), low, high))


def test_the_spread_behind_a_difference_is_that_of_one_deal():
    by_unit = np.random.default_rng(6).standard_normal(8)
    found = of_units(by_unit).one(0)
    got = spread(found, 0, pd.DataFrame({"split": [], "diverged_at": []}), "a", "b", "bias_brier", 50)
    assert got.split == pytest.approx(np.sqrt(np.mean([by_unit[own].var(ddof=1) for own in TWO])))
    assert 0 < got.anew < 1
    left = 1 - got.anew / 2
    assert found.error[0] == pytest.approx(got.split * np.sqrt(left / 4))


def test_deals_detect_less_than_splits_do_and_more_than_nothing():
    given = Spread(0.03, float("nan"), 0.1, 0.5)
    one, two = detectable(given, 5, 1, 10_000), detectable(given, 5, 1, 10_000, deals=2)
    assert detectable(given, 10, 1, 10_000) < two < one
    assert needed(0.9 * two, given, 5, 1, 10_000, deals=2).deals > 2
    assert needed(0.1 * two, given, 5, 1, 10_000, deals=2).deals == np.inf  # what deals share stays
    assert np.isnan(needed(0.01, given, 5, 1, 10_000).deals)
    row = review({("a", "test_error"): given}, {}, 5, 1, 10_000, 1, deals=2).iloc[0]
    assert row[["share_deals", "share_data", "share_examples"]].sum() == pytest.approx(1)
    assert row["share_data"] == pytest.approx(2 * row["share_deals"])


def ridge(random: np.random.Generator, deals: int) -> np.ndarray:
    """Squared errors [unit, example] of ridge regressions, each on a fifth of 200 rows, dealt anew for every deal."""
    weights = np.ones(10) / np.sqrt(10)
    x, test = random.standard_normal((200, 10)), random.standard_normal((1500, 10))
    y, wanted = (inputs @ weights + 0.7 * random.standard_normal(len(inputs)) for inputs in (x, test))
    found = []
    for rows in [rows for _ in range(deals) for rows in random.permutation(200).reshape(5, 40)]:
        a, b = x[rows], y[rows]
        found.append(np.square(test @ np.linalg.solve(a.T @ a + np.eye(10), a.T @ b) - wanted))
    return np.array(found)


@pytest.mark.slow
@pytest.mark.parametrize("deals", [1, 2, 5])
def test_really_trained_learners_are_covered(deals):
    """Intervals that take further deals for further data cover less often than those that know of the sharing."""
    random, where = np.random.default_rng(7), tuple(slice(5 * d, 5 * d + 5) for d in range(deals))
    true = np.mean([ridge(random, 1).mean() for _ in range(4000)])
    runs = [ridge(random, deals) for _ in range(800)]
    knowing, ignoring = (
        np.mean([low <= true <= high for low, high in (layout(x[None], own).one(0).interval() for x in runs)])
        for own in (where, ())
    )
    assert 0.92 < knowing < 0.98
    assert ignoring < knowing - 0.02 if deals > 1 else ignoring == knowing


def test_a_run_with_deals_trains_the_first_deal_as_one_without(train, small, dataset, tmp_path):
    one, two = (small(l1=[0.0, 1e-4], deals=deals, full_seeds=1) for deals in (1, 2))
    first, both = train(one), train(two)
    assert set(first) < set(both) and len(both) == 2 * (2 * 2 + 1)
    for name, member in first.items():
        np.testing.assert_array_equal(member.predictions, both[name].predictions)
    tables = []
    for sweep, finished in ((one, first), (two, both)):
        store, wanted = StoredMembers(tmp_path), members_of(sweep)
        keys = [key(member, sweep, dataset.digest) for member in wanted]
        for one_key in keys:
            store.keep(one_key, finished[one_key.id], {}, with_weights=False)
        write_members(tmp_path, wanted, keys, store, dataset.signature)
        tables.append(pd.read_csv(tmp_path / "members.csv"))
    assert "deal" not in tables[0]
    assert tables[1]["deal"].tolist() == ["0", "0", "1", "1", "all"] * 2
    assert tables[1]["split"].tolist() == ["0", "1", "2", "3", "all"] * 2


def test_an_analysis_takes_the_deals_from_the_members():
    random = np.random.default_rng(8)
    cells = (("plain", 0), ("a", 1))
    rows = [(f"{cell}/split{s}/seed0", cell, value, s // 3, s) for cell, value in cells for s in range(6)]
    rows += [("plain/all/seed0", "plain", 0, "all", "all")]
    table = pd.DataFrame(rows, columns=["member", "cell", "l1", "deal", "split"]).astype({"deal": str, "split": str})
    other = {"l2": 0.0, "dropout": 0.0, "batch_norm": False, "depth": 3, "scaling": "unit", "early_stopping": "off"}
    table = table.assign(**other, label_noise=0.0, pixel_noise=0.0, seed=0, diverged_at=np.nan)
    labels = np.arange(60) % 4
    z = random.normal(size=(len(table), 60, 4)) + 2 * np.eye(4)[labels]
    log_p = (z - np.log(np.exp(z).sum(-1, keepdims=True))).astype(np.float32)
    found = analyse(table, ClassPredictions(log_p, labels), list(table["member"]))
    expected = decompose(log_p[:6], labels, range(6), [0] * 6, "log_probabilities", deal=[0, 0, 0, 1, 1, 1])
    pd.testing.assert_frame_equal(found.decomposition[expected.columns].iloc[: len(expected)], expected)
    assert {"deals", "deals_needed", "share_deals"} <= set(found.power)
