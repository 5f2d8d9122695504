"""A table of a run, read back with bounds: it may come from anybody."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from jaxreg import reading
from jaxreg.errors import UserError
from jaxreg.formatting import printable
from jaxreg.store import checks
from jaxreg.store.record import missing

# Values as they were written.
TEXT = dict.fromkeys(checks.TEXT, str)
MOST_BYTES = 256_000_000  # of a table
LONGEST_HEADER = 1 << 16


def read_table(file: Path, columns: Sequence[str] = ()) -> pd.DataFrame:
    """A table of a run. Raises `UserError` where it is missing, is no CSV, or lacks one of the columns."""
    try:
        with reading.opened(file) as opened:
            if len(opened.readline(LONGEST_HEADER)) == LONGEST_HEADER:
                raise ValueError(f"its first line has more than {LONGEST_HEADER:,} characters")
            if opened.seek(0, os.SEEK_END) > MOST_BYTES:
                raise ValueError(f"it has more than {MOST_BYTES:,} bytes")
            opened.seek(0)
            with warnings.catch_warnings():
                warnings.simplefilter("error", pd.errors.ParserWarning)  # of rows longer than the first line
                # Not in parts: a column may not be of numbers here and of text there.
                how: Any = {"dtype": TEXT, "keep_default_na": True, "low_memory": False, "index_col": False}
                table = pd.read_csv(opened, **how)
    except FileNotFoundError:
        raise missing(file) from None
    except (
        ValueError,
        OSError,
        OverflowError,
        pd.errors.ParserWarning,
    ) as error:  # pandas' parser errors are ValueErrors
        said = [*str(getattr(error, "strerror", None) or error).strip().splitlines(), type(error).__name__][0]
        raise UserError(f"{file} can't be read as CSV: {printable(said[:200])}") from None
    lacking = [column for column in columns if column not in table]
    if lacking:
        raise UserError(f"{file} has no column {', '.join(lacking)}. Was it edited? Its first line names the columns.")
    return table
