"""The data that a run was trained on, for whoever trains some of it again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jaxreg.data.dataset import Dataset
from jaxreg.data.load import DIGEST
from jaxreg.errors import UserError
from jaxreg.formatting import brief
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
    label: str | None = None,
) -> Dataset:
    """The data that a run was trained on.

    Args:
        folder, sweep, digest: of the run, and of its data.
        give: how somebody gives data that no file names.
        data, test: these, as arrays or DataFrames, or paths.
        dataset: read already.
        label: what is to be predicted, where the run knows no column's name, as of arrays.

    Raises:
        UserError: they are others, or no file names them and nobody gives them; or another label is asked for.
    """
    if label is not None and sweep.label not in (None, label):
        raise UserError(f"label: {folder} predicts {brief(sweep.label)}, got {brief(label)}. Leave label out.")
    if test is not None and data is None:
        raise UserError("test: goes with data, and is the part that scores.")
    sweep = sweep.model_copy(update={"label": sweep.label or label})
    if isinstance(data, str | Path):
        paths = {name: None if one is None else str(one) for name, one in {"data": data, "test": test}.items()}
        sweep = sweep.model_copy(update=paths)
    elif data is not None:
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
