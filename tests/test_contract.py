"""What the rule of recommendation is held against: worlds whose truth is known, and how studies of them are counted."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from jaxreg.statistics import contract as module
from jaxreg.statistics.contract import DESIGN, MEASURES, PURPOSES, REFERENCE, World, contract, logits
from jaxreg.statistics.sums import lse


def made(better: float) -> World:
    """Two cells: the second has the reference's logits, nearer to the label's by so much."""

    def study(random: np.random.Generator) -> tuple[np.ndarray, list[np.ndarray]]:
        labels = random.integers(3, size=DESIGN.examples)
        z = random.standard_normal((DESIGN.splits, DESIGN.examples, 3))
        cells = [z, z + better * np.eye(3)[labels]]
        return labels, [x - lse(x)[..., None] for x in cells]

    return World((REFERENCE, "other"), {name: np.array([0.0, -better]) for name in MEASURES}, study)


def test_what_is_better_is_recommended_and_is_best():
    found = contract(made(1.0), 3).set_index("purpose")
    assert (found.loc[list(PURPOSES), "recommended"] == 1).all() and (found.loc[list(PURPOSES), "best"] == 1).all()
    assert (found["no_better"] == 0).all()


def test_what_is_no_better_in_truth_is_counted_where_it_is_recommended():
    world = made(1.0)
    wrong = world._replace(truths={name: -truth for name, truth in world.truths.items()})
    assert (contract(wrong, 3).set_index("purpose")["no_better"] == 1).all()


def test_nothing_told_is_the_reference():
    found = contract(made(0.0), 3).set_index("purpose")
    assert (found.loc[list(PURPOSES), "recommended"] == 0).all() and (found["no_better"] == 0).all()
    assert (found.loc[list(PURPOSES), "reference_best"] == 1).all()


def test_cells_like_the_reference_are_no_better_and_the_others_are_as_they_were_made():
    world = logits()
    for truths in world.truths.values():
        by_cell = dict(zip(world.cells, truths, strict=True))
        assert by_cell["same1"] == by_cell["same2"] == by_cell["same3"] == by_cell[REFERENCE]
        assert by_cell["worse2"] > by_cell["worse1"] > by_cell[REFERENCE]
        assert by_cell["shrunk1"] < by_cell[REFERENCE]


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_a_discriminant_is_that_of_scikit_learn(share):
    random = np.random.default_rng(3)
    labels = np.arange(90) % 3
    x, tested = random.standard_normal((90, 20)) + labels[:, None], random.standard_normal((50, 20))
    # Its covariance is divided by the number of examples, ours by the degrees of freedom: that much colder it is.
    theirs = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=share).fit(x, labels)
    z = theirs.decision_function(tested) * (90 - 3) / 90
    ours = module.discriminant(x, labels, tested, share)
    np.testing.assert_allclose(ours, z - lse(z)[:, None], atol=1e-9)
