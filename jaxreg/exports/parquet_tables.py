"""The tables of a run as Parquet: a file a table, of the same names and columns as the CSV files."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pandas as pd

from jaxreg.errors import UserError
from jaxreg.exports.trials import new_folder
from jaxreg.store.results import Results


def write(results: Results, path: Path) -> Path:
    """Writes a folder of NAME.parquet. Raises `UserError` where that can't be."""
    tables = {field.name: getattr(results, field.name) for field in dataclasses.fields(results)}
    try:
        import pyarrow  # noqa: F401
    except ImportError as error:
        raise UserError(f"PyArrow can't be imported ({error}). Type: pip install 'jaxreg[parquet]'") from None

    def fill(folder: Path) -> None:
        for name, table in tables.items():
            if isinstance(table, pd.DataFrame) and not table.empty:
                table.to_parquet(folder / f"{name}.parquet", engine="pyarrow", index=False)

    return new_folder(path, fill)
