"""One temperature per model: laws, and parity with a general minimiser."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize

from jaxreg.statistics.decomposition import decompose
from jaxreg.statistics.sums import lse
from jaxreg.statistics.temperature import LEAST, LEAST_KNOWN, MOST, fitted, temperatures

CLASSES = 5


def log_softmax(z: np.ndarray) -> np.ndarray:
    return z - lse(z)[..., None]


def model(seed: int, examples: int = 200, sharpness: float = 3.0) -> tuple[np.ndarray, np.ndarray]:
    """Log-probabilities of a model that is too sure, and labels."""
    random = np.random.default_rng(seed)
    z = random.standard_normal((examples, CLASSES))
    labels = np.array([random.choice(CLASSES, p=np.exp(x)) for x in log_softmax(z)])
    return log_softmax(sharpness * z), labels


def cross_entropy(log_p: np.ndarray, labels: np.ndarray) -> float:
    return -float(np.take_along_axis(log_p, labels[:, None], -1).mean())


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31), st.floats(0.2, 20))
def test_it_is_where_a_general_minimiser_finds_the_least_cross_entropy(seed, sharpness):
    log_p, labels = model(seed, sharpness=sharpness)
    found = optimize.minimize_scalar(
        lambda log_b: cross_entropy(log_softmax(np.exp(log_b) * log_p), labels),
        bounds=(np.log(LEAST), np.log(MOST)),
        method="bounded",
        options={"xatol": 1e-9},
    )
    assert fitted(log_p, labels).inverse == pytest.approx(np.exp(found.x), rel=1e-5)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**31), st.lists(st.floats(0.3, 3), min_size=4, max_size=4))
def test_how_sure_a_model_was_before_changes_nothing(seed, factors):
    common, labels = model(seed)
    noise = np.random.default_rng(seed).standard_normal((4, *common.shape))
    models = log_softmax(common + noise)
    sharper = np.stack([log_softmax(c * m) for c, m in zip(factors, models, strict=True)])
    design = ([0, 0, 1, 1], [0, 1, 0, 1], "log_probabilities")
    one, other = (
        decompose(m, labels, *design).set_index("loss").loc["scaled_cross_entropy"] for m in (models, sharper)
    )
    np.testing.assert_allclose(one.astype(float), other.astype(float), rtol=1e-6, atol=1e-9)
    assert one["error"] < decompose(models, labels, *design).set_index("loss").loc["cross_entropy", "error"]


def test_no_example_is_scored_with_a_temperature_that_it_helped_to_fit():
    log_p, labels = model(0)
    found = temperatures([log_p], labels)
    changed = labels.copy()
    mine = np.flatnonzero(found.half)
    changed[mine] = np.roll(labels[mine], 1)  # as many of each class, so that the halves stay
    again = temperatures([log_p], changed)._replace(half=found.half)
    (before, _), (after, _) = (x.scaled(log_p[None]) for x in (found, again))
    at = [fitted(log_p[part], changed[part]).inverse for part in (~found.half, found.half)]
    np.testing.assert_allclose(before[:, found.half], log_softmax(at[0] * log_p[found.half])[None])
    assert again.inverse.tolist() != found.inverse.tolist() or not np.array_equal(before, after)


def test_the_class_that_is_named_stays():
    log_p, labels = model(1)
    scaled, _ = temperatures([log_p], labels).scaled(log_p[None])
    np.testing.assert_array_equal(scaled[0].argmax(-1), log_p.argmax(-1))
    np.testing.assert_allclose(np.exp(scaled).sum(-1), 1)


def test_influence_says_what_leaving_an_example_out_does():
    log_p, labels = model(2, examples=400)
    found = temperatures([log_p], labels)
    influence = found.influence(log_p[None], labels)[0]
    np.testing.assert_allclose([influence[part].sum() for part in (found.half, ~found.half)], 0, atol=1e-6)
    rows = np.flatnonzero(found.half)  # these fit the second of the two
    moved = [np.log(fitted(log_p[np.delete(rows, i)], labels[np.delete(rows, i)]).inverse) for i in range(20)]
    moved -= np.log(found.inverse[0, 1])
    np.testing.assert_allclose(moved, -influence[rows[:20]] / len(rows), rtol=0.1, atol=2e-4)
    assert np.std(moved) > 2e-3  # else the test says nothing


def test_derivatives_are_those_of_the_scaled_log_probabilities():
    log_p, labels = model(3)
    found = temperatures([log_p], labels)
    ends = [found._replace(inverse=found.inverse * np.exp(way * 1e-5)).scaled(log_p[None])[0] for way in (-1, 1)]
    np.testing.assert_allclose(found.scaled(log_p[None])[1], (ends[1] - ends[0]) / 2e-5, atol=1e-6)


def test_what_examples_do_not_decide_stays_as_it_is():
    """A guess; and a model that is right, or wrong, on all of few examples, which would become certain."""
    labels = np.arange(40) % CLASSES
    guess = np.full((40, CLASSES), -np.log(CLASSES))
    right = log_softmax(3.0 * np.eye(CLASSES)[labels])
    for log_p, truth in ((guess, labels), (right, labels), (right / 30, labels), (right[:0], labels[:0])):
        assert fitted(log_p, truth) == (1.0, 0.0)
    assert fitted(right, (labels + 1) % CLASSES) == (1.0, 0.0)
    assert not temperatures([guess, right], labels).influence(np.stack([guess, right]), labels).any()


def test_a_temperature_is_fitted_once_its_standard_error_is_a_half():
    """The same examples again and again: information grows with their number, the temperature stays."""
    log_p, labels = model(3)
    log_p, labels = log_p[:60], labels[:60]
    many = [fitted(np.tile(log_p, (times, 1)), np.tile(labels, times)) for times in (1, 2, 8)]
    for times, found in zip((1, 2, 8), many, strict=True):
        known = 60 * times * found.inverse**2 * found.curvature >= LEAST_KNOWN
        assert known == (found != (1.0, 0.0))
    assert many[-1].inverse == pytest.approx(many[1].inverse, rel=1e-6) or many[1] == (1.0, 0.0)
    assert many[-1] != (1.0, 0.0)
