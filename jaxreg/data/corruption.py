"""Outliers on purpose: a share of wrong labels or of wrong pixels in the training set, never in the test set.

Noise is nested: what is wrong at one rate is wrong in the same way at every higher rate, so that two rates
differ only by what was added. The two kinds are drawn independently of each other and of the splits.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import UInt8

from jaxreg.data.dataset import Dataset, Part
from jaxreg.errors import UserError

# Streams of random numbers: one seed gives unrelated ones for the labels and the pixels.
LABEL_STREAM, PIXEL_STREAM = 1, 2


def corrupt(dataset: Dataset, label_noise: float, pixel_noise: float, seed: int) -> Dataset:
    """The data set with noise in its training part; the very same object if both rates are 0.

    Args:
        dataset: left as it is; the test arrays, names and digest (the source's) are shared with the result.
        label_noise: share of training images with a wrong label. Exactly round(rate * n) of the whole
            training set, so a split has about this share. A wrong label is uniform over the other classes.
        pixel_noise: probability of each pixel, by itself, to be replaced by a value uniform over 0-255, so an
            image has about this share (binomial). One replacement in 256 is the old value by chance.
        seed: not negative. Equal seeds give equal noise.

    Raises:
        UserError: a rate is not from 0 to 1.
    """
    for name, rate in (("label_noise", label_noise), ("pixel_noise", pixel_noise)):
        if not 0 <= rate <= 1:
            raise UserError(f"{name} is {rate:g}, expected a share from 0 to 1, for example 0.1.")
    assert seed >= 0
    if label_noise == 0 and pixel_noise == 0:
        return dataset
    images, labels = dataset.train
    if label_noise > 0:
        labels = _wrong_labels(labels, label_noise, len(dataset.class_names), seed)
    if pixel_noise > 0:
        if images.dtype != np.uint8:
            raise UserError("pixel_noise is of 8-bit images, and this is a table. input_noise is of any inputs.")
        images = _wrong_pixels(images, pixel_noise, seed)
    return dataset._replace(train=Part(images, labels))


def _wrong_labels(
    labels: UInt8[np.ndarray, " example"], rate: float, classes: int, seed: int
) -> UInt8[np.ndarray, " example"]:
    rank, shift = _bits([seed, LABEL_STREAM], 2 * labels.size).reshape(2, -1)
    wrong = np.argsort(rank, kind="stable")[: round(rate * labels.size)]
    noisy = labels.copy()
    # A step of 1 to classes - 1 round the circle of classes reaches each of the others, never the label
    # itself.
    noisy[wrong] = (labels[wrong] + 1 + shift[wrong] % np.uint64(classes - 1)) % np.uint64(classes)
    return noisy


def _wrong_pixels(
    images: UInt8[np.ndarray, "example pixel"], rate: float, seed: int
) -> UInt8[np.ndarray, "example pixel"]:
    # 16 bits decide (a rate is met to 1 in 65,536), 8 bits are the new value.
    decide = _bits([seed, PIXEL_STREAM, 0], -(-images.size // 4)).astype("<u8", copy=False).view("<u2")
    value = _bits([seed, PIXEL_STREAM, 1], -(-images.size // 8)).astype("<u8", copy=False).view(np.uint8)
    wrong = decide[: images.size] < round(rate * 65536)
    return np.where(wrong, value[: images.size], images.reshape(-1)).reshape(images.shape)


def _bits(entropy: list[int], count: int) -> np.ndarray:
    """Random uint64 that NumPy promises to be the same in all versions, as it does not for `Generator`."""
    return np.random.PCG64(entropy).random_raw(count)
