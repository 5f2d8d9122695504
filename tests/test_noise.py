"""Noise that a cell asks for is in what its members are trained on, and in nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from test_cohorts import same

from jaxreg.data.corruption import corrupt
from jaxreg.data.dataset import Part
from jaxreg.data.splits import split_rows

STILL = 1e-30  # a learning rate at which every example is seen and no weight moves
SEED = 3


def mean_surprise(log_probabilities, labels):
    return -log_probabilities[np.arange(labels.size), labels].mean()


@pytest.fixture
def mirrored(dataset):
    """The training images as test images, whose every prediction is kept: what training sees can be told from it."""

    def mirror(pixel_noise=0.0):
        seen = corrupt(dataset, 0.0, pixel_noise, SEED).train
        return dataset._replace(test=Part(seen.inputs, dataset.train.targets))

    return mirror


def rows_of(member, dataset):
    split = int(member.id.split("/split")[1][0])
    return split_rows(dataset.train.targets, 2, SEED)[split]


@pytest.mark.parametrize("rate", [0.4, 1.0])
def test_members_are_trained_on_wrong_labels_and_tested_on_right_ones(train, small, dataset, mirrored, rate):
    wrong = corrupt(dataset, rate, 0.0, SEED).train.targets
    right = dataset.train.targets
    sweep = small(run=[{"label_noise": rate, "learning_rate": STILL}], seed=SEED)
    for member in train(sweep, data=mirrored()).values():
        rows, log_p = rows_of(member, dataset), member.predictions
        expected = mean_surprise(log_p[rows], wrong[rows])
        assert expected != pytest.approx(mean_surprise(log_p[rows], right[rows]), rel=1e-3)
        for epoch in member.history:  # what its gradients were taken from
            assert epoch["train_cross_entropy"] == pytest.approx(expected, rel=1e-4)
        assert member.row["train_cross_entropy"] == pytest.approx(expected, rel=1e-4)
        assert member.row["train_accuracy"] == pytest.approx((log_p[rows].argmax(axis=1) == wrong[rows]).mean())
        assert member.row["test_cross_entropy"] == pytest.approx(mean_surprise(log_p, right), rel=1e-4)
        assert member.row["test_accuracy"] == pytest.approx((log_p.argmax(axis=1) == right).mean())


def test_members_are_trained_on_wrong_pixels(train, small, dataset, mirrored):
    """Here the test images are as noisy as the training images should be: their predictions tell the loss on them."""
    run = {"name": "noisy", "pixel_noise": 0.4, "learning_rate": STILL}
    labels = dataset.train.targets
    clean = train(small(run=[{**run, "pixel_noise": 0.0}], seed=SEED), data=mirrored())
    for member in train(small(run=[run], seed=SEED), data=mirrored(pixel_noise=0.4)).values():
        rows = rows_of(member, dataset)
        expected = mean_surprise(member.predictions[rows], labels[rows])
        unseen = mean_surprise(clean[member.id].predictions[rows], labels[rows])
        assert expected != pytest.approx(unseen, rel=1e-3)
        for epoch in member.history:
            assert epoch["train_cross_entropy"] == pytest.approx(expected, rel=1e-4)
        assert member.row["train_cross_entropy"] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("noise", ["label_noise", "pixel_noise"])
def test_the_test_set_is_never_noisy(train, small, noise):
    """Untouched initial weights predict the same for every test image, whatever the noise."""
    noisy, clean = (train(small(run=[{"name": "still", noise: rate, "learning_rate": STILL}])) for rate in (0.9, 0.0))
    for name, member in clean.items():
        np.testing.assert_array_equal(noisy[name].predictions, member.predictions)
        assert noisy[name].row["test_cross_entropy"] == member.row["test_cross_entropy"]
        assert noisy[name].row["train_cross_entropy"] != member.row["train_cross_entropy"]


def test_cells_of_different_noise_are_each_trained_on_their_own(train, small):
    """Clean after noisy, noisy after clean, one kind after the other: as if each were alone in the sweep."""
    runs = [
        {"name": "labels", "label_noise": 0.4},
        {"name": "clean"},
        {"name": "pixels", "pixel_noise": 0.4},
        {"name": "fewer-labels", "label_noise": 0.1},
        {"name": "both", "label_noise": 0.4, "pixel_noise": 0.4},
    ]
    together = train(small(run=runs))
    assert len(together) == 10
    for run in runs:
        for name, member in train(small(run=[run])).items():
            same(together[name], member)
    losses = {tuple(epoch["train_loss"] for epoch in together[f"{run['name']}/split0/seed0"].history) for run in runs}
    assert len(losses) == len(runs)


def test_who_stops_early_watches_labels_that_are_as_wrong_as_those_it_is_trained_on(train, small, dataset, mirrored):
    """Validation data are held back from the training set, its noise included, as Keras's validation_split does."""
    from jaxreg.data.validation import validation_share

    rule = {"patience": 5, "validation_share": 0.2}
    run = {"label_noise": 1.0, "learning_rate": STILL, "early_stopping": rule}
    wrong = corrupt(dataset, 1.0, 0.0, SEED).train.targets
    for member in train(small(run=[run], seed=SEED), data=mirrored()).values():
        _, held_back = validation_share(rows_of(member, dataset), dataset.train.targets, 0.2)
        expected = mean_surprise(member.predictions[held_back], wrong[held_back])
        assert member.history[-1]["val_loss"] == pytest.approx(expected, rel=1e-4)
