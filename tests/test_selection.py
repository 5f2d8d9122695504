"""Choosing a cell: both rules, ties, axes, and honest scores."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from jaxreg.axes import AXES
from jaxreg.statistics.folds import Scores
from jaxreg.statistics.intervals import TwoWay
from jaxreg.statistics.selection import choices, choose, lines

NAMES = ("plain", "l1=1e-4", "l1=1e-3", "l2=1e-4")
SETTINGS = pd.DataFrame({"l1": [0, 1e-4, 1e-3, 0], "l2": [0, 0, 0, 1e-4], "dropout": "0"})
GAPS = (0.4, 0.2, 0.3, 0.1)  # test minus train cross-entropy
LABELS = np.arange(100) % 5


def losses(means, own: float = 0.01, units: int = 5, seed: int = 0) -> np.ndarray:
    """Losses [cell, unit, example] of given means; each unit of each cell is off by `own`, which pairing keeps."""
    random = np.random.default_rng(seed)
    shared = random.standard_normal((units, 100))
    return np.array(means)[:, None, None] + shared + own * random.standard_normal((len(means), units, 1))


def scores(loss: np.ndarray, names=NAMES) -> Scores:
    found = Scores(names[: len(loss)], LABELS, TwoWay(len(loss), 1, loss.shape[1]))
    for block in (slice(0, 37), slice(37, 100)):
        found.add(block, loss[..., block], (loss[..., block] > 1.5).astype(float))
    return found


def table(loss: np.ndarray, settings: pd.DataFrame = SETTINGS, names=NAMES) -> pd.DataFrame:
    return choices(scores(loss, names), settings.iloc[: len(loss)], "plain", GAPS[: len(loss)]).set_index(
        ["axis", "rule"]
    )


def test_best_is_the_lowest_mean_and_the_strongest_within_one_error_is_named():
    given = losses([1.0, 0.90, 0.901, 0.95])
    found = table(given)
    means = given.mean((1, 2))
    best = found.loc[("all", "best")]
    assert best["cell"] == NAMES[means.argmin()]
    assert best["test_cross_entropy"] == pytest.approx(means.min())
    assert best["low"] < best["test_cross_entropy"] < best["high"]
    assert found.loc[("l1", "one_standard_error"), "cell"] == "l1=1e-3"
    assert found.loc[("l1", "best"), "tied"] == "l1=1e-4; l1=1e-3"
    assert found.loc[("l2", "best"), "cell"] == "l2=1e-4"
    assert found.loc[("l2", "best"), "value"] == 1e-4
    assert found.loc[("all", "best"), "value"] == best["cell"]


def test_one_standard_error_is_that_of_the_paired_difference():
    given = losses([1.0, 0.9, 0.92, 0.95], own=0.02, seed=3)
    layout, every = scores(given).losses, [0, 1, 2, 3]
    best, _, tied = choose(layout, every, list(SETTINGS["l1"]))
    units = given.mean(-1)
    for cell in every:
        gap = units[cell] - units[best]
        close = gap.mean() <= layout.difference(cell, best).error[0]
        assert (cell in tied) == (cell == best or close)
        # The examples add nothing to a difference that is the same for each of them.
        assert cell == best or layout.difference(cell, best).error[0] == pytest.approx(gap.std(ddof=1) / np.sqrt(5))


def test_single_models_tie_with_nothing():
    found = table(losses([1.0, 0.90, 0.9000001, 0.95], own=0, units=1))
    assert found.loc[("all", "best"), "tied"] == "l1=1e-4"


def test_honest_score_of_a_fixed_choice_is_its_own_score():
    """Where one cell is best whatever one looks at, nothing flatters."""
    row = table(losses([1.0, 0.5, 2.0, 3.0])).loc[("all", "best")]
    assert row["honest_cross_entropy"] == pytest.approx(row["test_cross_entropy"])
    assert row["honest_error"] == pytest.approx(row["test_error"])
    assert row["flattery"] == pytest.approx(0, abs=1e-9)


@pytest.mark.studies
def test_luck_flatters_and_the_honest_score_does_not():
    """Cells of equal merit: the winner looks better by luck, the honest score is the truth on average."""
    shown, honest, flattery = [], [], []
    for seed in range(60):
        random = np.random.default_rng(seed)
        loss = 1 + 0.2 * random.standard_normal((4, 5, 100)) + 0.05 * random.standard_normal((4, 5, 1))
        row = table(loss).loc[("all", "best")]
        shown.append(row["test_cross_entropy"])
        honest.append(row["honest_cross_entropy"])
        flattery.append(row["flattery"])
    assert np.mean(shown) < 1 - 4 * np.std(shown) / np.sqrt(60)
    assert abs(np.mean(honest) - 1) < 3.5 * np.std(honest) / np.sqrt(60)
    assert np.mean(flattery) > 1 - np.mean(shown)  # with half the images and one unit less, luck is greater


def test_nothing_to_choose_has_no_honest_score():
    row = table(losses([1.0])).loc[("all", "best")]
    assert row["cell"] == "plain" and np.isnan(row["honest_cross_entropy"])


@pytest.mark.parametrize(
    ("axis", "weak_to_strong"),
    [
        ("l1", [0, 1e-5, 0.01]),
        ("l2", ["0", "1e-5"]),
        ("dropout", ["0", "0.1", "0.3-0.5-0", 0.5]),
        ("dropout", ["1e-5-1e-5", "0.1-0.1"]),
        ("batch_norm", [False, True]),
        ("batch_norm", ["False", "true"]),
        ("early_stopping", ["off", "5", "3-best", 1, "0"]),
        ("depth", [10, 5, 3]),
    ],
)
def test_strength_orders_the_values_of_an_axis(axis, weak_to_strong):
    found = [AXES[axis].strength(value) for value in weak_to_strong]
    assert found == sorted(found) and len(set(found)) == len(found)


def test_between_axes_the_smallest_generalisation_gap_decides():
    given = losses([1.0, 0.901, 0.95, 0.90], own=0.02)
    rows = table(given).loc[("all", "one_standard_error")]
    tied = rows["tied"].split("; ")
    assert len(tied) > 1
    assert rows["cell"] == min(tied, key=lambda cell: GAPS[NAMES.index(cell)])
    assert np.isnan(AXES["scaling"].strength("raw"))


def test_lines_go_through_the_plain_cell_under_its_conditions():
    settings = pd.DataFrame(
        {
            "l1": [0, 1e-4, 0, 1e-4, 0, 1e-4],
            "l2": [0, 0, 1e-3, 1e-3, 0, 0],
            "scaling": "unit",
            "label_noise": [0, 0, 0, 0, 0.4, 0.4],
        }
    )
    cells = ["plain", "a", "b", "ab", "noisy", "noisy a"]
    assert lines(settings, cells, "plain") == {"l1": [0, 1], "l2": [0, 2], "all": [0, 1, 2, 3]}
    twice = pd.concat([settings, settings.iloc[:1]], ignore_index=True)
    assert lines(twice, [*cells, "again"], "plain") == {"all": [0, 1, 2, 3, 6]}


def test_scaling_is_chosen_but_never_called_more_regularised():
    settings = pd.DataFrame({"scaling": ["unit", "raw"], "l1": [0, 0]})
    found = table(losses([1.0, 0.9]), settings, ("plain", "raw"))
    assert found.loc[("scaling", "best"), "cell"] == "raw"
    assert ("scaling", "one_standard_error") not in found.index
