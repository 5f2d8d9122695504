"""What is chosen with one part of the data and quoted from another, against a computation with every loss at hand."""

from __future__ import annotations

import numpy as np
import pytest

from jaxreg.statistics.folds import Fold, Scores, halves
from jaxreg.statistics.intervals import TwoWay

LABELS = np.arange(90) % 3


def losses(cells: int = 4, units: int = 5, examples: int = 90) -> np.ndarray:
    """Losses [cell, unit, example] with something of cells, of units and of examples."""
    random = np.random.default_rng(0)
    parts = ((cells, 1, 1), (1, units, 1), (cells, units, 1), (1, 1, examples), (cells, units, examples))
    return 2 + sum(random.standard_normal(shape) for shape in parts)


def scores(loss: np.ndarray, step: int) -> Scores:
    found = Scores([f"c{i}" for i in range(len(loss))], LABELS, TwoWay(len(loss), 1, loss.shape[1]))
    for start in range(0, loss.shape[2], step):
        block = slice(start, start + step)
        found.add(block, loss[..., block], (loss[..., block] > 2).astype(float))
    return found


def directly(loss: np.ndarray) -> list[Fold]:
    """Every fold by its definition."""
    found = []
    for half in halves(LABELS):
        for chosen in (half, ~half):
            for unit in range(loss.shape[1]):
                rest = loss if loss.shape[1] == 1 else np.delete(loss, unit, axis=1)
                seen = TwoWay(len(loss), 1, rest.shape[1])
                seen.add(rest[..., chosen].mean(1)[:, None], rest[:, None, :, chosen])
                quoted = loss[:, unit][:, ~chosen]
                found.append(Fold(seen, quoted.mean(-1), (quoted > 2).mean(-1)))
    return found


@pytest.mark.parametrize("units", [1, 2, 5])
@pytest.mark.parametrize("step", [90, 17])
def test_the_folds_are_those_with_every_loss_at_hand(units, step):
    loss = losses(units=units)
    found, expected = list(scores(loss, step).folds()), directly(loss)
    assert len(found) == len(expected) == 10 * units
    for mine, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(mine.loss, theirs.loss)
        np.testing.assert_allclose(mine.second, theirs.second)
        for reference in range(len(loss)):
            one, other = (x.seen.differences(reference) for x in (mine, theirs))
            apart = np.arange(len(loss)) != reference
            for a, b in zip(one[:4], other[:4], strict=True):
                np.testing.assert_allclose(a[apart], b[apart], rtol=1e-7, atol=1e-12)


def test_differences_are_the_pairs_one_by_one():
    layout = scores(losses(), 90).losses
    found = layout.differences(2)
    for cell in (0, 1, 3):
        one = layout.difference(cell, 2)
        for a, b in zip(found[:4], one[:4], strict=True):
            assert a[cell] == pytest.approx(b[0])


def test_the_share_of_wrong_answers():
    loss = losses()
    np.testing.assert_allclose(scores(loss, 17).second, (loss > 2).mean((1, 2)))


def test_halves_are_balanced_and_always_the_same():
    for one, again in zip(halves(LABELS), halves(LABELS), strict=True):
        np.testing.assert_array_equal(one, again)
        assert np.bincount(LABELS[one]).tolist() == [15] * 3
    assert len({one.tobytes() for one in halves(LABELS)}) > 1
