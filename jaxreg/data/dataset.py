"""A data set in memory: what is trained on and what is tested on."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8

from jaxreg.errors import UserError


class Dataset(NamedTuple):
    """Images of 28 x 28 grey pixels (0-255, row by row) with their classes, for training and for testing."""

    name: str
    train_images: UInt8[np.ndarray, "example pixel"]
    train_labels: UInt8[np.ndarray, " example"]
    test_images: UInt8[np.ndarray, "example pixel"]
    test_labels: UInt8[np.ndarray, " example"]
    class_names: tuple[str, ...]
    digest: str  # SHA-256 over the bytes of the four arrays, in this order


def subset(dataset: Dataset, train_per_class: int, test_per_class: int) -> Dataset:
    """The first images of each class, in file order: real data, small enough for a trial.

    Raises:
        UserError: a class has fewer images than asked for.
    """
    train = _first_of_each_class(dataset.train_labels, train_per_class, "training")
    test = _first_of_each_class(dataset.test_labels, test_per_class, "test")
    arrays = (
        dataset.train_images[train],
        dataset.train_labels[train],
        dataset.test_images[test],
        dataset.test_labels[test],
    )
    name = f"{dataset.name} ({train_per_class} + {test_per_class} images per class)"
    return Dataset(name, *arrays, dataset.class_names, digest(*arrays))


def digest(*arrays: np.ndarray) -> str:
    """SHA-256 over the bytes of the arrays, one after the other, as hexadecimal digits."""
    total = hashlib.sha256()
    for array in arrays:
        total.update(np.ascontiguousarray(array).data)
    return total.hexdigest()


def _first_of_each_class(labels: np.ndarray, per_class: int, kind: str) -> np.ndarray:
    classes, counts = np.unique(labels, return_counts=True)
    if not 1 <= per_class <= counts.min():
        raise UserError(f"{per_class} {kind} images per class were asked for; give 1 to {counts.min()}.")
    return np.sort(np.concatenate([np.flatnonzero(labels == name)[:per_class] for name in classes]))
