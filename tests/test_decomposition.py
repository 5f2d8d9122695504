"""Laws of bias and variance: what must hold for any models, and truths known in closed form."""

from __future__ import annotations

import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import stats

from jaxreg.decomposition import LOSSES, MEASURES, PARTS, Accumulator, decompose
from jaxreg.errors import UserError
from jaxreg.statistics.label_noise import brier_rise
from jaxreg.statistics.losses import sensitivity, terms
from jaxreg.statistics.sums import design, lse, sums_of
from jaxreg.statistics.temperature import temperatures

CLASSES = 4
CONTINUOUS = tuple(loss for loss in LOSSES if loss != "zero_one")


def log_softmax(logits: np.ndarray) -> np.ndarray:
    return logits - lse(logits)[..., None]


def models(splits: int, seeds: int, examples: int = 30, seed: int = 0, spread: float = 1.0):
    """Log-probabilities [model, example, class], labels, split and seed of random models."""
    random = np.random.default_rng(seed)
    mean = 2 * random.standard_normal((examples, CLASSES))
    by_split = random.standard_normal((splits, 1, examples, CLASSES))
    by_seed = random.standard_normal((splits, seeds, examples, CLASSES))
    outputs = log_softmax(mean + spread * (by_split + 0.7 * by_seed)).reshape(-1, examples, CLASSES)
    labels = random.integers(CLASSES, size=examples)
    return outputs, labels, np.repeat(np.arange(splits), seeds), np.tile(np.arange(seeds), splits)


def by_loss(outputs, labels, split, seed, kind="log_probabilities") -> pd.DataFrame:
    return decompose(outputs, labels, split, seed, kind).set_index("loss")


def same(one: pd.DataFrame, other: pd.DataFrame, columns=PARTS, tolerance: float = 1e-9) -> None:
    pd.testing.assert_frame_equal(one[list(columns)], other[list(columns)], rtol=tolerance, atol=tolerance)


designs = st.tuples(st.integers(1, 5), st.integers(1, 3), st.integers(0, 2**31))


@settings(max_examples=40, deadline=None)
@given(designs)
def test_error_is_bias_plus_variance_for_every_example(plan):
    outputs, labels, split, seed = models(plan[0], plan[1], 7, plan[2])
    where = design(split, seed)
    sums = sums_of(outputs, "log_probabilities", where, labels, temperatures(outputs, labels))
    per_example, _ = terms(sums, labels, where, sensitivity([(sums, labels)], where))
    values = dict(zip(MEASURES, per_example, strict=True))
    for loss in LOSSES:
        total = values[loss, "bias"] + values[loss, "variance"]
        known = plan[0] > 1
        assert np.isnan(total).all() != known
        if known:
            np.testing.assert_allclose(total, values[loss, "error"], rtol=1e-12, atol=1e-12)
    for loss in CONTINUOUS:
        if plan[0] > 1 and plan[1] > 1:
            parts = values[loss, "variance_split"] + values[loss, "variance_seed"]
            np.testing.assert_allclose(parts, values[loss, "variance"], rtol=1e-12, atol=1e-12)


@settings(max_examples=25, deadline=None)
@given(designs)
def test_errors_are_the_mean_losses(plan):
    outputs, labels, split, seed = models(plan[0], plan[1], 11, plan[2])
    table, each = by_loss(outputs, labels, split, seed), np.arange(11)
    p = np.exp(outputs)
    assert table.loc["cross_entropy", "error"] == pytest.approx(-outputs[:, each, labels].mean())
    assert table.loc["brier", "error"] == pytest.approx(np.square(p - np.eye(CLASSES)[labels]).sum(-1).mean())
    assert table.loc["zero_one", "error"] == pytest.approx((p.argmax(-1) != labels).mean())


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 5), st.integers(1, 3), st.integers(0, 2**31))
@example(5, 1, 2)  # every vote is wrong: an error of rounding alone
def test_order_of_models_examples_and_classes_does_not_matter(splits, seeds, number):
    outputs, labels, split, seed = models(splits, seeds, 13, number)
    table, random = decompose(outputs, labels, split, seed, "log_probabilities"), np.random.default_rng(number)
    order = random.permutation(len(outputs))
    moved = decompose(outputs[order], labels, split[order], seed[order], "log_probabilities")
    pd.testing.assert_frame_equal(moved, table, rtol=1e-9, atol=1e-12)
    fixed = table["loss"] != "scaled_cross_entropy"  # the halves of the examples are cut by where they stand
    order = random.permutation(len(labels))
    moved = decompose(outputs[:, order], labels[order], split, seed, "log_probabilities")
    pd.testing.assert_frame_equal(moved[fixed], table[fixed], rtol=1e-9, atol=1e-12)
    order = random.permutation(CLASSES)
    renamed = decompose(outputs[..., order], np.argsort(order)[labels], split, seed, "log_probabilities")
    continuous = fixed & (table["loss"] != "zero_one")  # a tied vote goes to the lowest class, whichever that is
    pd.testing.assert_frame_equal(renamed[continuous], table[continuous], rtol=1e-9, atol=1e-12)


def test_probabilities_and_their_logarithms_give_the_same():
    outputs, labels, split, seed = models(4, 2)
    same(
        by_loss(np.exp(outputs), labels, split, seed, "probabilities"),
        by_loss(outputs, labels, split, seed),
    )


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 5), st.integers(1, 3), st.integers(0, 2**31))
def test_identical_models_have_no_variance(splits, seeds, number):
    one, labels, *_ = models(1, 1, 9, number)
    split, seed = np.repeat(np.arange(splits), seeds), np.tile(np.arange(seeds), splits)
    table = by_loss(np.repeat(one, splits * seeds, axis=0), labels, split, seed)
    np.testing.assert_allclose(table["variance"], 0, atol=1e-12)
    np.testing.assert_allclose(table["bias"], table["error"], atol=1e-12)
    if seeds > 1:
        parts = table.loc[list(CONTINUOUS), ["variance_split", "variance_seed"]]
        np.testing.assert_allclose(parts.astype(float), 0, atol=1e-12)


def test_seeds_that_agree_have_no_variance_of_their_own():
    outputs, labels, split, _ = models(4, 1)
    twice = by_loss(np.repeat(outputs, 2, axis=0), labels, np.repeat(split, 2), np.tile([0, 1], 4))
    once = by_loss(outputs, labels, split, np.zeros(4))
    for loss in CONTINUOUS:
        assert twice.loc[loss, "variance_seed"] == pytest.approx(0, abs=1e-12)
        assert twice.loc[loss, "variance_split"] == pytest.approx(once.loc[loss, "variance"])
        assert twice.loc[loss, "bias"] == pytest.approx(once.loc[loss, "bias"])


def test_perfect_and_perfectly_wrong_models():
    labels = np.array([0, 1, 2, 3])
    right = np.repeat(np.eye(CLASSES)[None], 3, axis=0)
    table = by_loss(right, labels, [0, 1, 2], [0, 0, 0], "probabilities")
    np.testing.assert_array_equal(table[["error", "bias", "variance"]], 0.0)
    wrong = by_loss(right[:, [1, 2, 3, 0]], labels, [0, 1, 2], [0, 0, 0], "probabilities")
    assert wrong.loc["brier", "error"] == 2 and wrong.loc["zero_one", "error"] == 1
    assert wrong.loc["cross_entropy", ["error", "bias", "variance"]].tolist() == [np.inf, np.inf, 0]
    assert wrong.loc["cross_entropy", ["error_low", "error_high"]].isna().all()


def test_an_impossible_label_in_one_model_is_an_infinite_error_and_not_hidden():
    p = np.full((3, 2, CLASSES), 1 / CLASSES)
    p[1, 0] = [0, 0.5, 0.25, 0.25]
    table = by_loss(p, np.array([0, 1]), [0, 1, 2], [0, 0, 0], "probabilities")
    assert table.loc["cross_entropy", "error"] == np.inf and table.loc["cross_entropy", "bias"] == np.inf
    assert np.isfinite(table.loc["cross_entropy", "variance"])
    assert np.isfinite(table.loc["brier"].filter(regex="^(error|bias|variance)(_low|_high)?$").astype(float)).all()


def test_cross_entropy_variance_is_the_mean_divergence_from_the_geometric_mean():
    outputs, labels, split, seed = models(5, 1)
    centre = log_softmax(outputs.mean(0))
    divergence = (np.exp(centre) * (centre - outputs)).sum(-1).mean()
    table = by_loss(outputs, labels, split, seed)
    assert table.loc["cross_entropy", "variance"] == pytest.approx(divergence * 5 / 4)
    bias = -centre[np.arange(30), labels].mean()
    assert table.loc["cross_entropy", "bias"] == pytest.approx(bias - divergence / 4)


def test_nested_formulas_as_written_out():
    outputs, labels, split, seed = models(4, 3)
    for loss, values in {"brier": np.exp(outputs), "cross_entropy": outputs}.items():
        p = values.reshape(4, 3, 30, CLASSES)
        if loss == "brier":
            within = np.square(p - p.mean(1, keepdims=True)).sum((0, 1, 3)) / (4 * 2)
            between = np.square(p.mean(1) - p.mean((0, 1))).sum((0, 2)) / 3
            bias = np.square(p.mean((0, 1)) - np.eye(CLASSES)[labels]).sum(-1) - between / 4
        else:
            centres = log_softmax(p.mean(1))
            centre = log_softmax(centres.mean(0))
            within = (np.exp(centres)[:, None] * (centres[:, None] - p)).sum(-1).mean((0, 1)) * 3 / 2
            between = (np.exp(centre) * (centre - centres)).sum(-1).mean(0) * 4 / 3
            bias = -centre[np.arange(30), labels] - between / 4
        row = by_loss(outputs, labels, split, seed).loc[loss]
        assert row["variance_seed"] == pytest.approx(within.mean())
        assert row["variance_split"] == pytest.approx((between - within / 3).mean())
        if loss == "brier":  # error - variance and |p - e|^2 - MSB/(S R) are the same thing
            assert row["bias"] == pytest.approx(bias.mean())


def test_law_of_total_variance_of_the_uncorrected_terms():
    outputs, *_ = models(4, 3)
    p = outputs.reshape(4, 3, 30, CLASSES)
    centres = log_softmax(p.mean(1))
    centre = log_softmax(centres.mean(0))
    total = (np.exp(centre) * (centre - p)).sum(-1).mean((0, 1))
    between = (np.exp(centre) * (centre - centres)).sum(-1).mean(0)
    within = (np.exp(centres)[:, None] * (centres[:, None] - p)).sum(-1).mean((0, 1))
    np.testing.assert_allclose(total, between + within)


def test_variance_falls_apart_only_where_the_design_lets_it():
    for splits, seeds, known in [(5, 1, PARTS[:3]), (1, 4, (PARTS[0], PARTS[4])), (1, 1, PARTS[:1]), (2, 2, PARTS)]:
        row = by_loss(*models(splits, seeds)).loc["brier"]
        assert [part for part in PARTS if not np.isnan(row[part])] == list(known)
        assert (row["splits"], row["seeds"], row["models"]) == (splits, seeds, splits * seeds)


def test_zero_one_is_domingos_decomposition():
    outputs, labels, split, seed = models(5, 1, 200)
    answers = outputs.argmax(-1)
    votes = (answers[..., None] == np.arange(CLASSES)).sum(0)
    vote = votes.argmax(-1)
    unbiased = vote == labels
    net = np.where(unbiased, (answers != vote).mean(0), -(answers == labels).mean(0))
    row = by_loss(outputs, labels, split, seed).loc["zero_one"]
    assert row["bias"] == pytest.approx((~unbiased).mean())
    assert row["variance"] == pytest.approx(net.mean())
    tied = np.zeros((2, 1, CLASSES))
    tied[0, 0, 3] = tied[1, 0, 1] = 1.0
    assert by_loss(tied, np.array([1]), [0, 1], [0, 0], "probabilities").loc["zero_one", "bias"] == 0
    assert by_loss(tied, np.array([3]), [0, 1], [0, 0], "probabilities").loc["zero_one", "bias"] == 1


def test_each_split_counts_alike_when_seeds_are_missing():
    outputs, labels, split, seed = models(3, 3)
    kept = [0, 1, 2, 3, 4, 6]  # three, two and one seeds
    row = by_loss(outputs[kept], labels, split[kept], seed[kept]).loc["brier"]
    p = [np.exp(outputs[kept])[split[kept] == s] for s in range(3)]
    target = np.eye(CLASSES)[labels]
    error = np.mean([np.square(x - target).sum(-1).mean() for x in p])
    within = sum(np.square(x - x.mean(0)).sum((0, 2)) for x in p).mean() / 3
    between = np.var([x.mean(0) for x in p], axis=0, ddof=1).sum(-1).mean()
    assert row["error"] == pytest.approx(error)
    assert row["variance_seed"] == pytest.approx(within)
    assert row["variance_split"] == pytest.approx(between - within * np.mean([1 / 3, 1 / 2, 1]))


def smoother(random: np.random.Generator, splits: int, seeds: int, flipped: float = 0.0):
    """Models whose bias and variance have a closed form: kernel smoothers of random labels.

    The label of training point i is k with probability pi_ik. A model averages one-hot labels with weights
    w_b(x, i) of one of two widths b, picked by its seed. So with A_b = w_b pi and weights' mean w, difference d:
    mean (w) pi;  seed variance 1/4 E|d y|^2;  split variance sum_i w_i^2 (1 - |pi_i|^2).
    """
    train, x = np.linspace(0, 1, 15), np.linspace(0, 1, 40)
    pi = np.exp(3 * np.cos(2 * np.pi * (train[:, None] - np.arange(CLASSES) / CLASSES)))
    pi /= pi.sum(-1, keepdims=True)
    labels = np.cos(2 * np.pi * (x[:, None] - np.arange(CLASSES) / CLASSES)).argmax(-1)
    pi = (1 - flipped) * pi + flipped * (1 - pi) / (CLASSES - 1)
    weights = np.stack([np.exp(-np.square((x[:, None] - train) / width)) for width in (0.1, 0.5)])
    weights /= weights.sum(-1, keepdims=True)
    mean, difference = weights.mean(0), weights[0] - weights[1]
    noise = 1 - np.square(pi).sum(-1)
    truth = {
        "bias": np.square(mean @ pi - np.eye(CLASSES)[labels]).sum(-1).mean(),
        "variance_split": (np.square(mean) @ noise).mean(),
        "variance_seed": (np.square(difference) @ noise + np.square(difference @ pi).sum(-1)).mean() / 4,
    }
    truth["variance"] = truth["variance_split"] + truth["variance_seed"]
    truth["error"] = truth["bias"] + truth["variance"]

    def draw() -> np.ndarray:
        chance = random.random((splits, len(train), 1))
        y = np.eye(CLASSES)[(chance > pi.cumsum(-1)[None, :, :-1]).sum(-1)]
        width = random.integers(2, size=(splits, seeds))
        return (weights[width] @ y[:, None]).reshape(-1, 40, CLASSES)

    return truth, draw, labels


@pytest.mark.slow
@pytest.mark.parametrize("kept", [range(6), (0, 1, 2, 4, 5)], ids=["balanced", "one model missing"])
def test_closed_form_is_recovered_without_bias(kept):
    random = np.random.default_rng(3)
    truth, draw, labels = smoother(random, 2, 3)
    kept = list(kept)
    split, seed = np.repeat([0, 1], 3)[kept], np.tile([0, 1, 2], 2)[kept]
    where = design(split, seed)
    found = np.array(
        [
            terms(sums_of(draw()[kept], "probabilities", where, labels), labels, where)[0][:5].mean(-1)
            for _ in range(1500)
        ]
    )
    for part, values in zip(PARTS, found.T, strict=True):
        error = values.std() / np.sqrt(len(values))
        assert abs(values.mean() - truth[part]) < 4 * error, part
        assert error < 0.03 * truth[part]  # else the test says nothing


def test_pooling_all_models_would_be_wrong_as_theory_says():
    random = np.random.default_rng(4)
    splits, seeds = 2, 4
    truth, draw, _ = smoother(random, splits, seeds)
    pooled = np.mean([draw().var(0, ddof=1).sum(-1).mean() for _ in range(1000)])
    share = seeds * (splits - 1) / (splits * seeds - 1)
    assert pooled == pytest.approx(truth["variance_seed"] + share * truth["variance_split"], rel=0.02)
    assert pooled < 0.9 * truth["variance"]


def test_test_label_noise_is_all_in_the_bias():
    """Labels flipped with chance q to another class raise |p - e_y|^2 by 2 q (K p_y - 1)/(K - 1) on average."""
    outputs, labels, split, seed = models(5, 2, 4000)
    random = np.random.default_rng(6)
    flip = random.random(4000) < 0.2
    noisy = np.where(flip, (labels + random.integers(1, CLASSES, 4000)) % CLASSES, labels)
    clean, after = by_loss(outputs, labels, split, seed), by_loss(outputs, noisy, split, seed)
    at_label = np.exp(outputs).mean(0)[np.arange(4000), labels]
    expected = (2 * 0.2 * (CLASSES * at_label - 1) / (CLASSES - 1)).mean()
    same(after.loc[["brier", "cross_entropy"]], clean.loc[["brier", "cross_entropy"]], PARTS[2:])
    assert after.loc["brier", "bias"] - clean.loc["brier", "bias"] == pytest.approx(expected, abs=0.02)


# The class probabilities of six kinds of image, in twentieths, and how many labels a model sees of each.
KINDS = np.array([[17, 1, 1, 1], [2, 12, 3, 3], [5, 5, 5, 5], [1, 4, 14, 1], [1, 1, 8, 10], [4, 1, 1, 14]])
SEEN = 400


def flips(rate: float) -> np.ndarray:
    """Chance of a label [true class, label] where a share is wrong, uniformly over the other classes."""
    return np.where(np.eye(CLASSES, dtype=bool), 1 - rate, rate / (CLASSES - 1))


def frequencies(random: np.random.Generator, splits: int, rate: float) -> tuple[np.ndarray, np.ndarray]:
    """Models that quote the shares of the labels they saw [split, kind, class]: of right ones, and after flips."""
    right = random.multinomial(SEEN, KINDS / 20, size=(splits, len(KINDS)))
    return right / SEEN, random.multinomial(right, flips(rate)).sum(-2) / SEEN


def mean_log(p: np.ndarray) -> np.ndarray:
    """E log(X / n) of binomial counts X with chance p, exactly."""
    counts = np.arange(1, SEEN + 1)
    return stats.binom.pmf(counts, SEEN, p[..., None]) @ np.log(counts / SEEN)


@pytest.mark.parametrize("rate", [0.3, 0.6])
def test_training_label_noise_raises_bias_as_theory_says(rate):
    """Shares are unbiased, so the main prediction of such models is the distribution of the labels they saw.

    With K classes, probabilities eta, c = rate K/(K-1) and eta' = eta + c (1/K - eta), bias is, where test
    labels are right / just as noisy, larger by (means over x)

        brier            c^2 (|eta|^2 - 1/K)  /  (1 - (1 - c)^2) (|eta|^2 - 1/K)
        cross_entropy    KL(eta | eta')       /  H(eta') - H(eta)        as the number of labels grows
    """
    random, splits = np.random.default_rng(8), 5
    where = design(np.arange(splits), np.zeros(splits))
    eta, noisy = KINDS / 20, KINDS / 20 @ flips(rate)
    entropy = [-(p * np.log(p)).sum(-1).mean() for p in (eta, noisy)]
    learnt = [log_softmax(mean_log(p)) for p in (eta, noisy)]  # the geometric-mean centres, exactly
    step, spread = rate * CLASSES / (CLASSES - 1), np.square(eta).sum(-1).mean() - 1 / CLASSES
    limit = {
        "brier": (step**2 * spread, (1 - (1 - step) ** 2) * spread),
        "cross_entropy": ((eta * np.log(eta / noisy)).sum(-1).mean(), entropy[1] - entropy[0]),
    }
    exact = {
        "brier": limit["brier"],
        "cross_entropy": tuple((eta * learnt[0] - p * learnt[1]).sum(-1).mean() for p in (eta, noisy)),
    }
    assert brier_rise(rate, CLASSES, spread + 1 / CLASSES) == pytest.approx(limit["brier"][0])
    kind, label = (x.ravel() for x in np.indices(KINDS.shape))  # one example of each; means by their probability
    measures = [MEASURES.index((loss, "bias")) for loss in LOSSES[:2]]
    found = []
    for _ in range(200):
        both = frequencies(random, splits, rate)
        right, wrong = (
            terms(sums_of(x[:, kind], "probabilities", where, label), label, where)[0][measures] for x in both
        )
        found.append([(wrong @ p.ravel() - right @ eta.ravel()) / len(KINDS) for p in (eta, noisy)])
    rises = np.array(found).swapaxes(1, 2)
    error = rises.std(0) / np.sqrt(len(rises))
    for loss, mean, doubt in zip(LOSSES[:2], rises.mean(0), error, strict=True):
        np.testing.assert_allclose(exact[loss], limit[loss], rtol=0.02)
        assert (np.abs(mean - exact[loss]) < 4 * doubt).all(), (loss, mean, exact[loss], doubt)
        assert (doubt < 0.02 * mean).all()  # else the test says nothing


def test_duplicated_models_keep_the_uncorrected_terms_only():
    outputs, labels, *_ = models(3, 1)
    p = np.exp(outputs)
    naive = np.square(p - p.mean(0)).sum(-1).mean()
    for copies in (1, 2):
        table = by_loss(np.tile(outputs, (copies, 1, 1)), labels, np.arange(3 * copies), np.zeros(3 * copies))
        n = 3 * copies
        assert table.loc["brier", "variance"] * (n - 1) / n == pytest.approx(naive)


@pytest.mark.parametrize("models_n", [2, 3, 5])
def test_cross_entropy_correction_is_good_to_two_per_cent(models_n):
    random = np.random.default_rng(7)
    mean = random.standard_normal((400, 1, 10))
    truth = (lse(mean + random.standard_normal((400, 4000, 10))).mean(1) - lse(mean[:, 0])).mean()
    found = []
    for _ in range(60):
        z = log_softmax(mean.swapaxes(0, 1) + random.standard_normal((models_n, 400, 10)))
        row = by_loss(z, np.zeros(400, dtype=int), np.arange(models_n), np.zeros(models_n))
        found.append(row.loc["cross_entropy", "variance"])
    assert np.mean(found) == pytest.approx(truth, rel=0.04)
    assert np.mean(found) * (models_n - 1) / models_n < 0.9 * truth


class Replay:
    """An estimator whose i-th fit returns the i-th stored prediction."""

    def __init__(self, predictions):
        self.predictions, self.calls = list(predictions), 0

    def fit(self, *_):
        return self

    def predict(self, *_):
        self.calls += 1
        return self.predictions[self.calls - 1]


def test_mlxtend_agrees_where_it_defines_the_same():
    decomp = pytest.importorskip("mlxtend.evaluate").bias_variance_decomp
    outputs, labels, split, seed = models(5, 1, 60)
    p, train = np.exp(outputs), np.zeros((4, 1))

    def theirs(predictions, target, loss):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return np.array(
                decomp(
                    Replay(predictions), train, np.zeros(4, dtype=int), np.zeros((60, 1)), target,
                    loss=loss, num_rounds=5, random_seed=0,
                )
            )  # fmt: skip

    table = by_loss(outputs, labels, split, seed)
    error, bias, plain = theirs(outputs.argmax(-1), labels, "0-1_loss")
    answers = outputs.argmax(-1)
    vote = (answers[..., None] == np.arange(CLASSES)).sum(0).argmax(-1)
    assert table.loc["zero_one", "error"] == pytest.approx(error)
    assert table.loc["zero_one", "bias"] == pytest.approx(bias)
    assert (answers != vote).mean() == pytest.approx(plain)
    error, bias, variance = sum(theirs(p[..., k], (labels == k).astype(float), "mse") for k in range(CLASSES))
    row = table.loc["brier"]
    assert row["error"] == pytest.approx(error)
    assert row["variance"] * 4 / 5 == pytest.approx(variance)  # theirs is not corrected for 5 models
    assert row["bias"] + row["variance"] / 5 == pytest.approx(bias)


@pytest.mark.parametrize("plan", [(4, 2), (5, 1), (1, 3), (1, 1)])
def test_model_by_model_gives_the_same_table(plan):
    outputs, labels, split, seed = models(*plan)
    stream = Accumulator(labels)
    for i in np.random.default_rng(0).permutation(len(outputs)):
        stream.add(outputs[i], split[i], seed[i], "log_probabilities")
    whole = decompose(outputs, labels, split, seed, "log_probabilities")
    pd.testing.assert_frame_equal(stream.table(), whole, rtol=1e-9, atol=1e-12)


def test_blocks_of_examples_give_the_same_table(monkeypatch, tmp_path):
    outputs, labels, split, seed = models(5, 2)
    whole = decompose(outputs, labels, split, seed, "log_probabilities")
    np.save(tmp_path / "outputs.npy", outputs)
    monkeypatch.setattr("jaxreg.statistics.decomposition._BLOCK_BYTES", 8 * len(outputs) * CLASSES * 7)
    mapped = np.load(tmp_path / "outputs.npy", mmap_mode="r")
    pd.testing.assert_frame_equal(
        decompose(mapped, labels, split, seed, "log_probabilities"), whole, rtol=1e-9, atol=1e-12
    )


PEAKS = """
import sys, tracemalloc
import numpy as np
from jaxreg.statistics import decomposition

block, splits, seeds, *numbers = map(int, sys.argv[1:])
decomposition._BLOCK_BYTES = block
split, seed = np.repeat(np.arange(splits), seeds), np.tile(np.arange(seeds), splits)
for number in (5, *numbers):  # the first call imports
    outputs = np.full((splits * seeds, number, 10), 1 / 10, dtype=np.float32)
    tracemalloc.start()
    decomposition.decompose(outputs, np.zeros(number, dtype=int), split, seed)
    print(tracemalloc.get_traced_memory()[1])
    tracemalloc.stop()
"""


@pytest.mark.parametrize(("splits", "seeds"), [(25, 4), (4, 25), (100, 1)])
def test_memory_does_not_grow_with_the_examples(splits, seeds):
    """What is held besides the predictions is some blocks, most where every model is a unit.

    In a process of its own: here what other tests left behind is counted too.
    """
    block = 2**19
    arguments = [str(x) for x in (block, splits, seeds, 400, 4000)]
    found = subprocess.run([sys.executable, "-c", PEAKS, *arguments], capture_output=True, text=True, check=True)
    _, few, many = map(int, found.stdout.split())
    assert many < 24 * block
    assert many < 1.3 * few


def test_float32_predictions_lose_nothing_that_matters():
    outputs, labels, split, seed = models(5, 2, 300, spread=0.01)
    same(
        by_loss(outputs.astype(np.float32), labels, split, seed),
        by_loss(outputs, labels, split, seed),
        PARTS,
        tolerance=2e-6,
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: {**a, "labels": a["labels"][:-1]}, r"\[model, example, class\] and \[example\]"),
        (lambda a: {**a, "labels": a["labels"] + CLASSES}, "whole numbers from 0 to 3"),
        (lambda a: {**a, "labels": a["labels"] + 0.0}, "whole numbers from 0 to 3"),
        (lambda a: {**a, "kind": "probabilities"}, "do not make 1"),
        (lambda a: {**a, "outputs": np.where(a["split"][:, None, None] == 1, np.nan, a["outputs"])}, "model 2"),
        (lambda a: {**a, "seed": np.zeros(6)}, "each pair may occur once"),
        (lambda a: {**a, "outputs": a["outputs"][:5]}, "5 models, but 6 pairs"),
    ],
)
def test_wrong_input_is_named(change, message):
    outputs, labels, split, seed = models(3, 2)
    given = dict(outputs=outputs, labels=labels, split=split, seed=seed, kind="log_probabilities")
    with pytest.raises(UserError, match=message):
        decompose(**change(given))
