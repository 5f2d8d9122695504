"""The analysis reads predictions in blocks: its memory is that of the cells, not of the members."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pandas as pd
import pytest

from jaxreg.statistics import decomposition
from jaxreg.statistics import predictions as in_blocks
from jaxreg.statistics.analysis import analyse
from jaxreg.statistics.predictions import ClassPredictions

EXAMPLES, CLASSES = 400, 10
LABELS = np.arange(EXAMPLES) % CLASSES


class Made:
    """Log-probabilities [member, example, class] that are nowhere: made up when they are asked for."""

    def __init__(self, members: int):
        self.shape = (members, EXAMPLES, CLASSES)
        self.largest = 0

    def __getitem__(self, key):
        rows, block = key
        assert isinstance(rows, list) and isinstance(block, slice), "asked for by list of members and slice of examples"
        member, example = np.ix_(rows, np.arange(EXAMPLES)[block])
        kind = np.arange(CLASSES)
        logits = 2 * np.sin(1.0 + member * 7.1 + example * 3.3)[..., None] * np.cos(kind + member[..., None])
        logits += 2.0 * (kind == LABELS[example][..., None])
        found = (logits - np.log(np.exp(logits).sum(-1, keepdims=True))).astype(np.float32)
        self.largest = max(self.largest, found.nbytes)
        return found


def members(cells: int, splits: int) -> pd.DataFrame:
    rows = [(f"c{cell}/split{split}", f"c{cell}", cell / 10, split) for cell in range(cells) for split in range(splits)]
    table = pd.DataFrame(rows, columns=["member", "cell", "l1", "split"])
    rest = {"l2": 0.0, "dropout": 0.0, "batch_norm": False, "depth": 3, "scaling": "unit", "early_stopping": "off"}
    return table.assign(**rest, label_noise=0.0, pixel_noise=0.0, seed=0, diverged_at=np.nan)


def peak(splits: int) -> int:
    table, predictions = members(4, splits), Made(4 * splits)
    names = list(table["member"])
    tracemalloc.start()
    try:
        analyse(table, ClassPredictions(predictions, LABELS), names)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.studies
def test_forty_times_as_many_members_need_about_the_same_memory(monkeypatch):
    for module in (in_blocks, decomposition):
        monkeypatch.setattr(module, "_BLOCK_BYTES", 2**20)
    few, many = peak(4), peak(160)
    assert many < 1.5 * few + 2**20


def test_no_request_is_large(monkeypatch):
    monkeypatch.setattr(in_blocks, "_BLOCK_BYTES", 2**16)
    table, predictions = members(2, 3), Made(6)
    analyse(table, ClassPredictions(predictions, LABELS), list(table["member"]))
    assert predictions.largest <= 2**16


def test_blocks_change_nothing(monkeypatch):
    table, predictions = members(3, 4), Made(12)
    names = list(table["member"])
    whole = analyse(table, ClassPredictions(predictions[list(range(12)), slice(None)], LABELS), names)
    monkeypatch.setattr(in_blocks, "_BLOCK_BYTES", 2**16)
    blocks = analyse(table, ClassPredictions(predictions, LABELS), names)
    for name in ("decomposition", "comparisons", "choices", "classes", "calibration", "reliability", "power"):
        pd.testing.assert_frame_equal(getattr(whole, name), getattr(blocks, name), rtol=1e-7, atol=1e-12)
