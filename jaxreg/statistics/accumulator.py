"""The decomposition of probabilities without keeping them: one model after the other."""

from __future__ import annotations

import numpy as np
import pandas as pd

from jaxreg.statistics.decomposition import as_logs, blocks, check, some, table
from jaxreg.statistics.intervals import TwoWay
from jaxreg.statistics.losses import MEASURES, sensitivity, terms
from jaxreg.statistics.sums import Kind, Sums, design, sums_of
from jaxreg.statistics.temperature import temperatures


class Accumulator:
    """The table of `decompose` without keeping predictions: give it one model after another, in any order.

    Holds five [example, class] arrays for each split (about 4 MB for 10,000 examples of 10 classes); as
    long as there is only one split, as much for each of its seeds.
    """

    def __init__(self, labels: np.ndarray) -> None:
        self.labels = np.asarray(labels)
        self._models: list[tuple[str, str, str]] = []  # split, seed and deal
        self._sums: dict[tuple[str, ...], Sums] = {}  # of each deal and split (and seed)

    def add(
        self, outputs: np.ndarray, split: object, seed: object, kind: Kind = "probabilities", deal: object = 0
    ) -> None:
        """Add a model's outputs [example, class]."""
        outputs = np.asarray(outputs)[None]
        check(outputs, self.labels, kind)
        model = (str(split), str(seed), str(deal))
        design(*zip(*self._models, model, strict=True))  # refuses one that is there already
        self._models.append(model)
        found = temperatures([as_logs(outputs[0], kind)], self.labels)
        sums = sums_of(outputs, kind, design([split], [seed]), self.labels, found)
        self._put((str(deal), str(split), str(seed)), sums)
        if len({(d, s) for s, _, d in self._models}) > 1 and any(len(unit) == 3 for unit in self._sums):
            apart, self._sums = self._sums, {}
            for unit, sums in apart.items():
                self._put(unit[:2], sums)

    def _put(self, unit: tuple[str, ...], sums: Sums) -> None:
        if unit in self._sums:
            sums = Sums(*(mine + new for mine, new in zip(self._sums[unit], sums, strict=True)))
        self._sums[unit] = sums

    def table(self, level: float = 0.95) -> pd.DataFrame:
        """What `decompose` returns for the models so far."""
        where = design(*zip(*self._models, strict=True))
        in_order = [self._sums[unit] for unit in sorted(self._sums)]
        together = Sums(*(np.concatenate(x) for x in zip(*in_order, strict=True)))

        def read(block: slice) -> tuple[Sums, np.ndarray]:
            return Sums(together.models, *(x[:, block] for x in together[1:])), self.labels[block]

        layout, size = TwoWay(len(MEASURES), 1, where.units, where.deals), (len(self.labels), where.units)
        sensitive = sensitivity(map(read, some(*size, together.p.shape[2])), where)
        for block in blocks(*size, together.p.shape[2]):
            estimate, pseudo = terms(*read(block), where, sensitive)
            layout.add(estimate[:, None], pseudo[:, None])
        return table(layout, where, level)
