"""Test rows that were trained on: what is noted where all of them are."""

from __future__ import annotations

import numpy as np
from jaxtyping import UInt64

from jaxreg.data.dataset import Part, Reading
from jaxreg.formatting import count

PIECE = 1 << 12  # rows that are looked at at a time


def among_trained_on(train: Part, test: Part, how: Reading) -> list[str]:
    """A note where each row of a test table is in the table to train on: a guess, which refuses nothing.

    Nothing is guessed where half of the rows to train on are alike, as of a few switches: there new rows are too.
    """
    known = np.unique(_hashes(train))
    if 2 * len(known) <= len(train.targets) or not np.isin(_hashes(test), known).all():
        return []
    return [
        f"all {count(len(test.targets), 'test row')} are among the rows that were trained on: they tell nothing of new "
        f"ones; give others as {how.typed('test')}, or leave it out"
    ]


def _hashes(part: Part) -> UInt64[np.ndarray, " example"]:
    """A number for each row with its target: a sum of its 32-bit words, each times a random number."""
    found = np.empty(len(part.targets), np.uint64)
    for start in range(0, len(found), PIECE):
        rows = slice(start, start + PIECE)
        targets = part.targets[rows].reshape(len(found[rows]), -1).astype(np.float32)
        words = np.concatenate([part.inputs[rows], targets], axis=1).view(np.uint32)
        found[rows] = words @ np.random.PCG64(0).random_raw(words.shape[1])
    return found
