"""Looking repeatedly keeps the level; a look tells, closes and settles what it should."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from jaxreg.statistics.boundaries import boundary, spent
from jaxreg.statistics.comparisons import Difference, against, compare
from jaxreg.statistics.sequential import BEHIND, NO_GAIN, WORSE, decide, limit
from jaxreg.statistics.settling import Plan, rates
from jaxreg.statistics.settling_page import PLANS
from jaxreg.statistics.spreads import PRIOR, Spread
from jaxreg.statistics.studies import Cells, Size, differences, layout, losses

RULES = ("pocock", "obrien_fleming", "always_valid")
CALM = Cells((0.0,) * 5, (0.01,) * 5, 0.01, 0.01)


@pytest.mark.parametrize(
    ("rule", "published"),  # as gsDesign and ldbounds have them
    [("obrien_fleming", [4.877, 3.357, 2.680, 2.290, 2.031]), ("pocock", [2.438, 2.427, 2.410, 2.397, 2.386])],
)
def test_boundaries_are_those_of_lan_and_demets(rule, published):
    np.testing.assert_allclose(stats.norm.isf(np.array(boundary(0.05, 5, rule)) / 2), published, atol=1.5e-3)


@pytest.mark.parametrize("rule", RULES[:2])
@pytest.mark.parametrize("level", [0.05, 0.005])
def test_all_is_spent_and_one_look_takes_it_whole(rule, level):
    assert spent(level, 1.0, rule) == pytest.approx(level)
    assert boundary(level, 1, rule)[0] == pytest.approx(level, rel=1e-6)


def crossed(levels: tuple[float, ...], steps: np.ndarray) -> float:
    z = steps.cumsum(1) / np.sqrt((steps.var(0)).cumsum())
    return float((2 * stats.norm.sf(np.abs(z)) <= levels).any(1).mean())


@pytest.mark.parametrize("rule", RULES)
def test_no_more_than_the_level_of_random_walks_cross(rule):
    steps = np.random.default_rng(0).standard_normal((100_000, 6))
    rate, chance = crossed(boundary(0.05, 6, rule), steps), 4 * np.sqrt(0.05 * 0.95 / 100_000)
    assert rate <= 0.05 + chance
    if rule != "always_valid":
        assert rate >= 0.05 - chance
    # What all looks have in common makes them more alike, and crossing rarer.
    alike = steps * np.array([2.0, 1, 0.8, 0.6, 0.5, 0.4])
    assert crossed(boundary(0.05, 6, rule), alike) < rate


def test_always_valid_is_valid_for_very_many_looks():
    steps = np.random.default_rng(1).standard_normal((5000, 400))
    assert crossed(boundary(0.05, 400, "always_valid"), steps) <= 0.05


@pytest.mark.parametrize("rule", RULES)
def test_a_larger_level_has_nowhere_a_stricter_boundary(rule):
    """Else Holm's procedure would not be a shortcut of closed testing (Maurer and Bretz 2013)."""
    table = np.array([boundary(0.05 / tests, 5, rule) for tests in range(1, 11)])
    assert (np.diff(table, axis=0) <= 0).all()


def study(gaps: list[float], deals: int = 1, seed: int = 0, cells: Cells = CALM) -> list[Difference]:
    """All pairs of cells, the first of which is the reference, with these true means."""
    made = losses(np.random.default_rng(seed), cells, Size(5, 1, 4))[:, :deals]
    found = layout(made + np.array([0.0, *gaps])[:, None, None, None, None])
    return [d for reference in range(len(gaps) + 1) for d in differences(found, None, reference)]


def test_the_only_look_is_the_comparison_of_a_fixed_design():
    for seed in range(20):
        pairs = study([-0.02, 0.0, 0.01, 0.03], seed=seed)
        table = compare([against(pairs, "cell 0", [f"cell {i}" for i in range(5)])], ["m"])
        told = {row.cell: row.verdict for row in table.itertuples() if row.verdict in ("lower", "higher")}
        assert decide(pairs, "cell 0", 1, 1).told == told


def test_what_is_worse_or_hopeless_is_closed_and_what_leads_is_told():
    first = decide(study([-0.03, 0.0, -0.018, 1.0]), "cell 0", 1, 4, rule="obrien_fleming")
    assert first.leader == "cell 1" and set(first.open) >= {"cell 1"} and first.told == {"cell 4": "higher"}
    assert first.closed["cell 4"] == WORSE and not first.settled and first.spent < 0.05
    last = decide(study([-0.03, 0.0, -0.018, 1.0], 4), "cell 0", 2, 2, first)
    assert last.told == {"cell 4": "higher", "cell 1": "lower"} | {c: "lower" for c in last.better}
    assert last.settled and last.spent == pytest.approx(0.05) and last.closed["cell 4"] == WORSE


def test_behind_the_leader_is_closed_and_nothing_said():
    found = decide(study([-0.1, -0.02, 0.0, 0.0]), "cell 0", 1, 4, rule="obrien_fleming")
    assert {found.closed[f"cell {i}"] for i in (2, 3, 4)} == {BEHIND} and found.open == ("cell 1",)


def test_where_no_cell_gains_enough_the_study_is_settled():
    found = decide(study([0.0, 0.002, -0.002, 0.001]), "cell 0", 1, 4, difference=0.1)
    assert found.settled and found.better == () and set(found.closed.values()) <= {NO_GAIN, BEHIND}
    assert not decide(study([0.0, 0.002, -0.002, 0.001]), "cell 0", 1, 4).settled


def test_closed_cells_are_still_corrected_for():
    """Cells whose pairs are not there any more had their chance to be told."""
    pairs = study([-0.02, 0.0, 0.0, 0.0])
    first = decide(pairs, "cell 0", 1, 2, difference=0.02)
    assert first.closed
    kept = [d for d in study([-0.02, 0.0, 0.0, 0.0], 2) if {d.cell, d.reference} <= {"cell 0", *first.open}]
    assert decide(kept, "cell 0", 2, 2, first).level == boundary(0.05 / 4, 2)[1]


def test_looks_follow_each_other():
    pairs = study([-0.02, 0.0, 0.0, 0.0])
    for look, of, before in ((2, 4, None), (5, 4, None), (1, 4, decide(pairs, "cell 0", 1, 4))):
        with pytest.raises(ValueError, match="does not follow"):
            decide(pairs, "cell 0", look, of, before)


def test_what_no_run_can_lower_is_named():
    spread = PRIOR["test_cross_entropy"]._replace(anew=0.5)
    assert limit(0.1, spread, 5, 1, 10_000, 10, 2) is None
    assert limit(0.001, spread, 5, 1, 10_000, 10, 2) == "test examples"
    assert limit(0.001, spread, 5, 1, 10**9, 10, 2) == "training data"
    assert limit(0.001, spread, 5, 1, 10**9, 10, 1) is None  # what a second deal shares is not known
    assert limit(0.001, Spread(0.0, 0.02, 1e-6), 1, 2, 10**9, 10) is None


@pytest.mark.studies
@pytest.mark.parametrize("plan", [Plan("deals", 3, "pocock"), Plan("seeds", 3, "obrien_fleming")])
def test_stopping_keeps_the_level_and_saves_runs(plan):
    found = rates(plan, 60, seed=3)
    assert max(found.wrong, found.none_wrong) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 60)
    assert 55 <= found.trainings < 11 * 5 * 3 and 1 < found.looks <= 3
    if plan.rounds == "deals":
        assert found.found > 0.7 and found.trainings / found.fixed < 0.8


def test_the_committed_section_keeps_five_per_cent_and_saves_runs():
    page = (Path(__file__).parents[1] / "docs" / "coverage.md").read_text(encoding="utf-8")
    part = next(x for x in page.split("## Stopping")[1].split("\n\n") if x.startswith("|")).splitlines()
    head, _, *body = [[entry.strip() for entry in line.split("|")[1:-1]] for line in part]
    assert len(body) == len(PLANS)
    for row in body:
        assert max(float(row[head.index(column)]) for column in ("wrong", "none better: wrong")) <= 5
    assert float(body[0][head.index("ratio")]) <= 0.6
