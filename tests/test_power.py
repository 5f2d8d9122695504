"""Power: what a design detects is found in 80 % of simulated runs, and more runs find more."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from jaxreg.errors import UserError
from jaxreg.statistics.comparisons import compare, moderated
from jaxreg.statistics.intervals import Estimate, TwoWay
from jaxreg.statistics.moderation import Mixture
from jaxreg.statistics.power import detectable, needed, outlook, review
from jaxreg.statistics.spreads import PRIOR, Spread, as_tested, read, spread
from jaxreg.statistics.studies import Cells, Size, differences, layout, losses
from jaxreg.statistics.sums import design

EXAMPLES = 10_000


@pytest.mark.parametrize(("splits", "seeds", "tests"), [(5, 1, 1), (5, 4, 10), (3, 2, 1), (1, 6, 4)])
def test_detectable_difference_is_found_in_four_runs_of_five(splits, seeds, tests):
    random, runs = np.random.default_rng(0), 4000
    given = Spread(0.03 if splits > 1 else 0.0, 0.05, 1e-9)
    size = detectable(given, splits, seeds, EXAMPLES, tests)
    units = size + given.split * random.standard_normal((runs, splits, 1))
    units = units + given.seed * random.standard_normal((runs, splits, seeds))
    units = units.mean(2) if splits > 1 else units[:, 0]
    p = stats.ttest_1samp(units, 0, axis=1).pvalue
    assert (p < 0.05 / tests).mean() == pytest.approx(0.8, abs=0.025)


@pytest.mark.slow
@pytest.mark.parametrize(("seeds", "examples"), [(1, 10_000), (4, 1000)])
def test_detectable_is_what_comparisons_find_in_four_runs_of_five(seeds, examples):
    """Ten cells, one of them better by what is said to be detectable, by the rule that reports use."""
    cells, runs = Cells((0.01,) * 11, (0.02,) * 11, 0.2, 0.8), 300
    size = Size(5, seeds, 1, examples)
    drawn = [differences(layout(losses(np.random.default_rng([4, run]), cells, size))) for run in range(runs)]
    prior = np.median([one.prior for found in drawn[:50] for one in moderated(found, 0)])
    spread = Spread(np.sqrt(2) * 0.01, np.sqrt(2) * 0.02, np.sqrt(0.2**2 + 0.8**2 / (5 * seeds)), prior=float(prior))
    better = detectable(spread, 5, seeds, examples, 10)
    found = 0
    for family in drawn:
        first = family[0].paired
        family[0] = family[0]._replace(paired=first._replace(value=first.value - better))
        found += compare([family], ["m"])["verdict"].iloc[0] == "lower"
    assert found / runs == pytest.approx(0.8, abs=0.075)


spreads = st.builds(
    Spread,
    st.floats(1e-4, 0.1),
    st.floats(1e-4, 0.1),
    st.floats(1e-4, 1),
    anew=st.just(float("nan")),
    prior=st.floats(0, 9),
)


@settings(max_examples=30)
@given(spreads, st.integers(2, 8), st.integers(1, 4), st.integers(2, 20))
def test_more_of_anything_detects_less(given_spread, splits, seeds, tests):
    """One comparison alone may need a larger difference than two, which tell each other's spread."""
    base = detectable(given_spread, splits, seeds, EXAMPLES, tests)
    assert detectable(given_spread, splits + 1, seeds, EXAMPLES, tests) < base
    assert detectable(given_spread, splits, seeds, EXAMPLES, tests + 1) > base
    times = given_spread._replace(**{name: 3 * getattr(given_spread, name) for name in ("split", "seed", "example")})
    assert detectable(times, splits, seeds, EXAMPLES, tests) == pytest.approx(3 * base)


@settings(max_examples=30)
@given(spreads, st.integers(2, 8), st.integers(1, 4), st.floats(0.01, 0.2))
def test_what_is_needed_is_enough_and_one_less_is_not(given_spread, splits, seeds, difference):
    more_splits, more_seeds, _ = needed(difference, given_spread, splits, seeds, EXAMPLES)
    if np.isfinite(more_splits):
        assert detectable(given_spread, int(more_splits), seeds, EXAMPLES) <= difference
        assert more_splits == 2 or detectable(given_spread, int(more_splits) - 1, seeds, EXAMPLES) > difference
    if np.isfinite(more_seeds):
        assert detectable(given_spread, splits, int(more_seeds), EXAMPLES) <= difference


def test_seeds_do_not_help_against_the_spread_of_splits():
    splits, seeds, _ = needed(0.01, Spread(0.02, 0.001, 1e-6), 5, 2, EXAMPLES)
    assert np.isfinite(splits) and seeds == np.inf
    assert np.isnan(needed(0.01, Spread(0.02, float("nan"), 1e-6), 5, 1, EXAMPLES)[1])


def test_one_model_a_cell_detects_nothing():
    assert np.isnan(detectable(PRIOR["test_error"], 1, 1, EXAMPLES))
    assert outlook(1, 1, 3, examples=EXAMPLES)["detectable_difference"].isna().all()


def test_outlook_counts_the_comparisons():
    few, many = outlook(5, 1, 2, examples=EXAMPLES), outlook(5, 1, 11, examples=EXAMPLES)
    assert list(few["measure"]) == list(PRIOR) and (many["comparisons"] == 10).all()
    assert (many["detectable_difference"] > few["detectable_difference"]).all()
    assert few["basis"].str.startswith("prior").all()


def test_an_earlier_run_replaces_the_prior(tmp_path):
    found = {("a", "test_cross_entropy"): Spread(0.01, 0.02, 0.3), ("b", "test_cross_entropy"): Spread(0.03, 0.02, 0.3)}
    undecided = {("a", "test_cross_entropy"): (0.005, found["a", "test_cross_entropy"])}
    table = review(found, undecided, 5, 2, EXAMPLES, 2)
    assert list(table["cell"].isna()) == [True, False]
    assert table["sd_split"].tolist() == [0.02, 0.01]
    assert table["splits_needed"].iloc[1] == needed(0.005, Spread(0.01, 0.02, 0.3), 5, 2, EXAMPLES, 2).splits
    table.to_csv(tmp_path / "power.csv", index=False)
    assert read(tmp_path)["test_cross_entropy"][:3] == (0.02, 0.02, 0.3)
    like = outlook(5, 2, 3, tmp_path, examples=EXAMPLES)
    assert like["detectable_difference"].item() == pytest.approx(table["detectable_difference"].iloc[0])


@pytest.mark.parametrize(("splits", "seeds", "deals"), [(5, 1, 1), (5, 4, 1), (1, 6, 1), (4, 2, 3)])
def test_an_open_difference_spreads_as_its_test_took_it(splits, seeds, deals):
    """The median standard error of the mixture is that of the moderated spread, whose parts keep their proportion."""
    places = np.ndindex(deals, splits, seeds)
    pairs = np.array([(deal * splits + split, seed, deal) for deal, split, seed in places])
    where = design(*pairs.T)
    alone = Spread(0.003, 0.004 if seeds > 1 else np.nan, 0.2, 0.4 if deals > 1 else np.nan)
    sure = Mixture(np.array([0.002, 0.006, 0.03]), np.array([0.3, 0.4, 0.3]), 2.0)
    found = as_tested(alone, sure, where, EXAMPLES)
    seed = np.nan_to_num(found.seed)
    models = (found.split**2 + seed**2 / seeds) / splits if splits > 1 else seed**2 / seeds
    left = 1 - (1 - 1 / deals) * found.anew if deals > 1 else 1.0
    assert models * left + found.example**2 / EXAMPLES == pytest.approx(0.006**2)
    np.testing.assert_allclose(found.split / alone.split, found.seed / alone.seed if seeds > 1 else found.split / 0.003)


def test_earlier_run_that_is_none(tmp_path):
    with pytest.raises(UserError, match="finished run"):
        read(tmp_path)
    (tmp_path / "power.csv").write_text("measure\n1\n")
    with pytest.raises(UserError, match="another version"):
        read(tmp_path)
    (tmp_path / "power.csv").write_text("measure,cell,sd_split,sd_seed,sd_example\n")
    with pytest.raises(UserError, match="no spreads"):
        read(tmp_path)


def test_spread_of_splits_and_seeds_is_recovered():
    random, splits, seeds, examples = np.random.default_rng(1), 600, 4, 4000
    by_split, by_seed = 0.3 * random.standard_normal((splits, 1)), 0.5 * random.standard_normal((splits, seeds))
    gap = by_split + by_seed
    images = 2.0 * random.standard_normal(examples)
    units = gap.mean(1)[:, None] + images
    found = TwoWay(1, 1, splits)
    found.add(units.mean(0)[None, None], units[None, None])
    common = {"split": np.repeat(np.arange(splits), seeds), "seed": np.tile(np.arange(seeds), splits)}
    rows = [
        pd.DataFrame({**common, "cell": cell, "diverged_at": np.nan, "test_accuracy": accuracy})
        for cell, accuracy in {"plain": np.zeros(splits * seeds), "other": -gap.ravel()}.items()
    ]
    one: Estimate = found.one(0)
    result = spread(one, 0, pd.concat(rows), "other", "plain", "test_error", examples)
    assert result[:3] == pytest.approx((0.3, 0.5, 2.0), rel=0.1)
    apart = spread(one, 0, pd.concat(rows), "other", "plain", "bias_brier", examples)
    assert np.isnan(apart.seed) and apart.split == pytest.approx(np.hypot(0.3, 0.5 / 2), rel=0.1)
