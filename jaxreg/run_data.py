"""The data that a run was trained on, for whoever trains some of it again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jaxreg.data.dataset import Dataset
from jaxreg.data.load import DIGEST
from jaxreg.errors import UserError
from jaxreg.source import dataset_of, how
from jaxreg.spec.sweep import Sweep


def data_of_run(
    folder: str | Path,
    sweep: Sweep,
    digest: str,
    give: str,
    data: Any = None,
    dataset: Dataset | None = None,
    test: Any = None,
) -> Dataset:
    """The data that a run was trained on.

    Args:
        folder, sweep, digest: of the run, and of its data.
        give: how somebody gives data that no file names.
        data, test: these, as arrays or DataFrames.
        dataset: read already.

    Raises:
        UserError: they are others, or no file names them and nobody gives them.
    """
    if test is not None and data is None:
        raise UserError("test: goes with data, and is the part that scores.")
    if data is not None:
        from jaxreg.data.in_memory import of_arrays  # pandas

        dataset = of_arrays(data, how(sweep), test=test)
    if dataset is None and sweep.data is None and sweep.test is None and digest != DIGEST:
        raise UserError(f"{folder} was trained on data that no file names. Give them: {give}")
    found = dataset or dataset_of(sweep)
    if found.digest != digest:
        raise UserError(
            f"{folder} was trained on other data (digest {digest[:12]}…, these have {found.digest[:12]}…). "
            f"Give the same rows in the same order: {give}"
        )
    return found
