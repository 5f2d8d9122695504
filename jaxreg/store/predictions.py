"""What members predict of the test part, which stays on disk until it is asked for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from jaxreg.data.dataset import Dataset

if TYPE_CHECKING:
    from jaxreg.statistics.predictions import Outputs, Predictions


class StoredPredictions:
    """Predictions "member example output" of which only what is asked for is read: `predictions[rows, examples]`.

    Args:
        files: a .npy of float32 "example output" for each member, all of one shape: log-probabilities, or quantities.
    """

    def __init__(self, files: Sequence[Path]):
        self._files = list(files)
        with self._files[0].open("rb") as file:
            np.lib.format.read_magic(file)
            shape, _, self.dtype = np.lib.format.read_array_header_1_0(file)
            self._offset = file.tell()
        self.shape = (len(self._files), *shape)

    @property
    def size(self) -> int:
        """Bytes of all of them."""
        return math.prod(self.shape) * self.dtype.itemsize

    def __getitem__(self, at: tuple[Sequence[int], slice]) -> np.ndarray:
        """Those of some members, by number, for a block of examples: "row example class"."""
        rows, examples = at
        start, stop, step = examples.indices(self.shape[1])
        # A copy where there is a step: a view would hold all that was read of each member.
        return np.stack([np.ascontiguousarray(self._read(self._files[row], start, stop)[::step]) for row in rows])

    def _read(self, file: Path, start: int, stop: int) -> np.ndarray:
        # Not a memory map: of 10,000 members in 250 blocks, making maps would take minutes.
        classes = self.shape[2]
        offset = self._offset + start * classes * self.dtype.itemsize
        return np.fromfile(file, self.dtype, (stop - start) * classes, offset=offset).reshape(stop - start, classes)


def scored(outputs: Outputs, data: Dataset) -> Predictions:
    """Outputs for the test part of a data set, to be scored."""
    from jaxreg.statistics.predictions import predictions_of  # SciPy, which training need not wait for

    return predictions_of(data.measures, outputs, data.test.targets, data.unit)
