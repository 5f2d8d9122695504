"""The work that everybody is given: the notebook's network on real images, and what one step of it costs."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from jaxreg.data import fashion
from jaxreg.data.dataset import Dataset, Part

INPUTS, CLASSES = 784, 10
HIDDEN = (225, 256, 128)
BATCH = 32
L1 = L2 = 1e-5
LEARNING_RATE = 1e-3
ENSEMBLE = 16  # members of the peers that train several at a time
CURVE = 2000  # test images behind a point of a learning curve, as in a sweep


class Job(NamedTuple):
    """Images scaled to 0..1 as everyone wants them, so that no peer is timed for converting them."""

    images: np.ndarray  # "example 784" float32
    labels: np.ndarray  # "example" int32

    @property
    def steps(self) -> int:
        return self.labels.size // BATCH

    def first(self, steps: int) -> Job:
        """The first of these batches."""
        return Job(self.images[: steps * BATCH], self.labels[: steps * BATCH])


def load(steps: int) -> Job:
    """An epoch of this many batches."""
    dataset = fashion.load()
    images = dataset.train.inputs[: steps * BATCH].astype(np.float32) / 255
    return Job(images, dataset.train.targets[: steps * BATCH].astype(np.int32))


def dataset(inputs: int, classes: int, examples: int = 12_000) -> Dataset:
    """Fashion-MNIST where it has these shapes; else a made-up table of normal numbers, for what a step costs."""
    if (inputs, classes) == (INPUTS, CLASSES):
        return fashion.load()
    random = np.random.default_rng(0)

    def part(size: int) -> Part:
        return Part(random.standard_normal((size, inputs), np.float32), np.arange(size, dtype=np.uint8) % classes)

    return Dataset("made up", part(examples), part(1000), tuple(map(str, range(classes))), None, "")


def parameters(hidden: Sequence[int] = HIDDEN) -> int:
    """Kernels and biases."""
    return sum((before + 1) * after for before, after in pairwise([INPUTS, *hidden, CLASSES]))


def step_flops(hidden: Sequence[int] = HIDDEN, batch: int = BATCH) -> float:
    """Floating-point operations of a step's products: forward, both backward, none towards the images."""
    products = [before * after for before, after in pairwise([INPUTS, *hidden, CLASSES])]
    return 2.0 * batch * (3 * sum(products) - products[0])


def adam_bytes(hidden: Sequence[int] = HIDDEN) -> float:
    """Adam's seven streams: gradient, both moments and weights read, moments and weights written; float32."""
    return 7 * 4.0 * parameters(hidden)
