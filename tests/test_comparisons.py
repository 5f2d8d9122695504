"""Paired differences, the correction for many of them, and what pairing gains."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from jaxreg.measures import CLASSES
from jaxreg.statistics.comparisons import (
    UNDECIDED,
    Difference,
    benjamini_hochberg,
    compare,
    compare_with_references,
    holm,
    verdict,
)
from jaxreg.statistics.intervals import TwoWay

COMPARED = list(CLASSES.compared)


def losses(random: np.random.Generator, cells: int, units: int, examples: int, apart: float) -> np.ndarray:
    """Losses [cell, unit, example] of equal cells: much in common, and `apart` of their own."""
    units_, examples_ = random.standard_normal((units, 1)), random.standard_normal(examples)
    own = random.standard_normal((cells, units, 1)) + random.standard_normal((cells, 1, examples))
    return 5 + units_ + examples_ + apart * own + 0.1 * random.standard_normal((cells, units, examples))


def layout(values: np.ndarray) -> TwoWay:
    found = TwoWay(len(values), 1, values.shape[1])
    found.add(values.mean(1)[:, None], values[:, None])
    return found


def repeated(pairs: list[Difference]) -> list[Difference]:
    """The one measure as often as a run has measures."""

    def times(found: NamedTuple) -> dict[str, np.ndarray]:
        return {name: np.repeat(x, len(COMPARED)) for name, x in found._asdict().items() if isinstance(x, np.ndarray)}

    made = []
    for d in pairs:
        between = d.paired.between._replace(**times(d.paired.between))
        paired = d.paired._replace(**times(d.paired), between=between)
        made.append(Difference(d.cell, d.reference, paired, np.repeat(d.unpaired_error, len(COMPARED))))
    return made


def differences(found: TwoWay, cells: int) -> list[Difference]:
    """All pairs of cells named c0, c1, ..."""
    return [
        Difference(f"c{i}", f"c{j}", found.difference(i, j), np.hypot(found.one(i).error, found.one(j).error))
        for j in range(cells)
        for i in range(j)
    ]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_is_the_step_down_rule(p):
    adjusted = holm(np.array(p))
    for level in (0.01, 0.05, 0.5):
        rejected = set()
        for rank, i in enumerate(sorted(range(len(p)), key=lambda i: p[i])):
            if p[i] * (len(p) - rank) >= level:
                break
            rejected.add(i)
        assert {i for i in range(len(p)) if adjusted[i] < level} == rejected
    assert (adjusted >= p).all() and (adjusted <= 1).all()


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_benjamini_and_hochberg_agrees_with_scipy_and_is_never_stricter_than_holm(p):
    adjusted = benjamini_hochberg(np.array(p))
    assert adjusted == pytest.approx(stats.false_discovery_control(p))
    for level in (0.01, 0.05, 0.2):  # the step-up procedure as the paper has it
        passed = [rank for rank, value in enumerate(sorted(p), 1) if value <= level * rank / len(p) * (1 - 1e-9)]
        limit = sorted(p)[max(passed) - 1] if passed else -1.0
        assert all(adjusted[np.array(p) <= limit] <= level)
    assert (adjusted <= holm(np.array(p)) + 1e-12).all()
    assert benjamini_hochberg(np.array([*p, np.nan]))[:-1].tolist() == adjusted.tolist()


def test_holm_counts_tests_that_are_unknown_or_not_shown():
    np.testing.assert_allclose(holm(np.array([0.01, np.nan, 0.02])), [0.03, np.nan, 0.04])
    np.testing.assert_allclose(holm(np.array([0.01]), 5), [0.05])


def test_pairing_takes_out_what_the_cells_share():
    values = losses(np.random.default_rng(0), 2, 5, 200, apart=0.1)
    row = compare([[Difference("a", "b", layout(values).difference(0, 1), np.array([0.0]))]], ["m"]).iloc[0]
    assert row["difference"] == pytest.approx((values[0] - values[1]).mean())
    shifted = values + np.random.default_rng(1).standard_normal((5, 200)) * 3  # the same for both cells
    again = compare([[Difference("a", "b", layout(shifted).difference(0, 1), np.array([0.0]))]], ["m"]).iloc[0]
    for column in ("difference", "low", "high", "p_adjusted"):
        assert again[column] == pytest.approx(row[column])
    found = layout(values)
    gain = compare([differences(found, 2)], ["m"])["gain"].iloc[0]
    apart = found.one(0).error ** 2 + found.one(1).error ** 2
    assert gain == pytest.approx((apart / found.difference(0, 1).error ** 2).item())
    assert gain > 10


def test_identical_cells_are_not_distinguishable():
    values = losses(np.random.default_rng(0), 1, 5, 50, 0.1)
    row = compare([differences(layout(np.concatenate([values, values])), 2)], ["m"]).iloc[0]
    assert (row["difference"], row["low"], row["high"], row["p_adjusted"]) == (0, 0, 0, 1)
    assert row["verdict"] == UNDECIDED


def test_verdicts():
    assert verdict(-1.0, 0.04) == "lower" and verdict(1.0, 0.04) == "higher"
    assert verdict(1.0, 0.06) == verdict(1.0, float("nan")) == UNDECIDED


def test_a_difference_turned_round_is_the_same_difference():
    """Also where it is in two families: what is said of a pair does not depend on what it is asked for."""
    pairs = repeated(differences(layout(losses(np.random.default_rng(2), 5, 5, 80, 1.0)), 5))
    table = compare_with_references(pairs, [f"c{i}" for i in range(5)], "c0", "c2", COMPARED)
    one = table[(table["cell"] == "c2") & (table["reference"] == "c0")].iloc[0]
    other = table[(table["cell"] == "c0") & (table["reference"] == "c2")].iloc[0]
    assert one["difference"] == pytest.approx(-other["difference"])
    assert (one["low"], one["high"]) == pytest.approx((-other["high"], -other["low"]))
    assert one["p"] == pytest.approx(other["p"])


def test_a_pair_says_the_same_whatever_is_best():
    """So the least of all pairs' p-values, each corrected for all pairs, can't be lowered by choosing."""
    pairs = repeated(differences(layout(losses(np.random.default_rng(2), 5, 5, 80, 1.0)), 5))
    names = [f"c{i}" for i in range(5)]
    one, other = (compare_with_references(pairs, names, "c0", best, COMPARED) for best in ("c1", "c3"))
    one = one[(one["cell"] == "c3") & (one["reference"] == "c1")]
    other = other[(other["cell"] == "c1") & (other["reference"] == "c3")]
    assert len(one) == len(other) == len(COMPARED)
    for column in ("p", "p_adjusted"):
        np.testing.assert_allclose(one[column], other[column])


@pytest.mark.parametrize("given", ["every pair", "those with the best"])
def test_against_the_best_all_pairs_are_corrected_for(given):
    """Four cells make six pairs: the least p-value of a measure is multiplied by six, whichever pairs are there."""
    pairs = repeated(differences(layout(losses(np.random.default_rng(5), 4, 6, 60, 0.5)), 4))
    names = [f"c{i}" for i in range(4)]
    if given != "every pair":
        pairs = [d for d in pairs if "c2" in (d.cell, d.reference)]
    table = compare_with_references(pairs, names, "c0", "c2", COMPARED)
    families = [[d for d in pairs if ("c0" in (d.cell, d.reference)) is plain] for plain in (True, False)]
    against_plain, against_best = (table[table["reference"] == name] for name in ("c0", "c2"))
    for measure in ("test_brier", "test_error"):
        rows = against_best[against_best["measure"] == measure]
        all_p = compare(families, COMPARED)[lambda t, m=measure: t["measure"] == m]["p"]
        place = [int(np.argmin(np.abs(all_p.to_numpy() - p))) for p in rows["p"]]
        np.testing.assert_allclose(rows["p_adjusted"], holm(all_p.to_numpy(), 6)[place], rtol=1e-6)
    if given == "every pair":
        rows = against_plain[against_plain["measure"] == "test_brier"]
        np.testing.assert_allclose(rows["p_adjusted"], holm(rows["p"].to_numpy()))


def test_an_interval_holds_0_where_its_own_p_value_says_so():
    random = np.random.default_rng(7)
    values = losses(random, 12, 5, 60, 1.0) + np.linspace(0, 3, 12)[:, None, None]
    pairs = differences(layout(values), 12)
    table = compare([[d for d in pairs if "c0" in (d.cell, d.reference)]], ["m"])
    inside = (table["low"] < 0) & (table["high"] > 0)
    assert (inside == (table["p"] > 0.05)).all() and inside.any() and not inside.all()
    assert (table["p_adjusted"] >= table["p"]).all()


@pytest.mark.studies
def test_equal_cells_are_rarely_told_apart_even_from_the_best_of_them(monkeypatch):
    """The best of eight equal cells looks good by luck; against it no more than 5 % of runs may say "higher"."""
    random, wrong, naive = np.random.default_rng(3), 0, 0
    names = [f"c{i}" for i in range(8)]
    for _ in range(200):
        values = losses(random, 8, 6, 30, 1.0)
        best = names[int(values.mean((1, 2)).argmin())]
        pairs = differences(layout(values), 8)
        table = compare_with_references(pairs, names, "c0", best, ["m"])
        if best != "c0":
            wrong += (table.loc[table["reference"] == best, "verdict"] != UNDECIDED).any()
            own = [d for d in pairs if best in (d.cell, d.reference)]
            naive += (compare([own], ["m"])["verdict"] != UNDECIDED).any()
    assert wrong <= 0.05 * 200 + 3 * np.sqrt(0.05 * 0.95 * 200)
    assert naive > wrong  # correcting for seven comparisons would not be enough
