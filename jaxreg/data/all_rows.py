"""All rows of a table, those that were held out to score among them: what people take away is trained on these."""

from __future__ import annotations

import numpy as np

from jaxreg.data.dataset import Dataset, Part
from jaxreg.data.encoding import Encoding


def with_all_rows(dataset: Dataset) -> Dataset:
    """The data set with all rows of its one table to train on, in their order; itself where the test part was given.

    Numbers and quantities are standardised by all of these rows. A text that only rows held out have stays none of the
    kinds, so that the network has as many inputs as the one that was judged. The rows that were held out stay the test
    part, which tells nothing of networks that are trained here; the digest stays that of the data as they were read.
    """
    if dataset.held_out is None:
        return dataset
    rows, groups = dataset.held_out
    inputs, targets = (_joined(*pair, rows) for pair in zip(dataset.train, dataset.test, strict=True))
    encoding, quantities = dataset.encoding, dataset.quantities
    if encoding is not None:
        encoding = _standardised(inputs, encoding)
    if quantities is not None:
        known = targets.astype(np.float64)
        mean, spread = known.mean(0), known.std(0)
        targets = ((known - mean) / spread).astype(np.float32)
        means, spreads = np.array(quantities.means), np.array(quantities.spreads)
        means, spreads = means + spreads * mean, spreads * spread
        quantities = quantities._replace(means=tuple(means.tolist()), spreads=tuple(spreads.tolist()))
    return dataset._replace(
        train=Part(inputs, targets),
        test=Part(inputs[rows], targets[rows]),
        groups=None if dataset.groups is None or groups is None else _joined(dataset.groups, groups, rows),
        encoding=encoding,
        quantities=quantities,
        held_out=None,
    )


def _joined(train: np.ndarray, test: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Both in one array, where those of the test part are these rows."""
    made = np.empty((len(train) + len(test), *train.shape[1:]), train.dtype)
    kept = np.ones(len(made), bool)
    kept[rows] = False
    made[kept], made[rows] = train, test
    return made


def _standardised(inputs: np.ndarray, encoding: Encoding) -> Encoding:
    """Standardises in place what fewer rows had standardised; what the encoding is then."""
    columns, place = [], 0
    for column in encoding.columns:
        if column.kinds is None:
            seen = inputs[:, place].astype(np.float64)  # a column at a time: a large table is not copied
            mean, spread = float(seen.mean()), float(seen.std()) or 1.0
            inputs[:, place] = (seen - mean) / spread
            column = column._replace(mean=column.mean + column.spread * mean, spread=column.spread * spread)
        columns.append(column)
        place += len(column.features)
    return Encoding(tuple(columns))
