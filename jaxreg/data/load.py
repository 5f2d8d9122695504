"""The data that a sweep names, or Fashion-MNIST."""

from __future__ import annotations

from collections.abc import Callable

from jaxreg.data import fashion, kaggle
from jaxreg.data.dataset import Dataset, Signature


def load(data: str | None, test: str | None, announce: Callable[[str], None] | None = None) -> Dataset:
    """Everything, checked: a pair of CSV files, a folder, or Fashion-MNIST where nothing is named.

    Args:
        data: a sweep's `data`: a folder of IDX files, or the training images as CSV.
        test: the test images, where `data` is a CSV file.
        announce: called with one line before something slow.

    Raises:
        UserError: what is named can't be used.
    """
    if data is not None and test is not None:
        return kaggle.load(data, test)
    return fashion.load(data, announce)


def signature(data: str | None, test: str | None) -> Signature:
    """Shapes and counts, for a plan: read from what is named; Fashion-MNIST's are known without a download."""
    return fashion.SIGNATURE if data is None else load(data, test).signature
