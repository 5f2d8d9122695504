"""Tables from CSV and Parquet files: large ones in pieces, with the types that one reading of the whole gives.

A piece's columns are put away one by one, so that memory stays near that of the table itself. What a piece has not seen
can change a column's type: a number in a later row makes whole numbers fractions, a text makes all of them texts. Such
columns are read again, as a whole.
"""

from __future__ import annotations

import csv
import gzip
import io
import itertools
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import pandas as pd

from jaxreg.data import foreign_files
from jaxreg.data.not_there import absent
from jaxreg.errors import UserError
from jaxreg.formatting import printable

SUFFIXES = (".csv", ".csv.gz", ".parquet", ".pq")
LARGE = 32_000_000  # bytes of a file that is read in pieces
PIECE = 16_000_000  # bytes of one
SAMPLE = 1 << 16  # bytes from which the length of a line is guessed

Watch = Callable[[str, float], None]
"""Told what is being read, and how much of it is, from 0 to 1."""


def read(path: Path, watch: Watch | None = None) -> pd.DataFrame:
    """A CSV or Parquet file. Raises `UserError` where it can't be read."""

    def far(share: float) -> None:
        if watch is not None:
            watch(f"reading {path}", min(share, 1.0))

    parquet = path.name.endswith((".parquet", ".pq"))
    foreign_files.refuse(path)
    try:
        far(0.0)
        found = None
        if path.is_file() and not parquet:
            sample = _sample(path)
            if not sample.strip():
                raise UserError(f"{path} is empty, expected a line of names and rows below it.")
            foreign_files.refuse_other_encodings(path, sample)
            foreign_files.refuse_other_separators(path, sample)
            names = next(_lines(sample), [])
            foreign_files.refuse_rows_for_names(path, names)
            foreign_files.refuse_names_there_twice(path, names if b"\n" in sample else names[:-1])  # the last is cut
        if path.is_file() and path.stat().st_size > LARGE:
            found = _parquet(path, far) if parquet else _csv(path, far)
        if found is None:
            found = pd.read_parquet(path) if parquet else pd.read_csv(path, low_memory=False)
        far(1.0)
        return found
    except FileNotFoundError:
        raise absent(path, "a table as .csv or .parquet") from None
    except ImportError:
        raise UserError(f"{path}: Parquet needs pyarrow. Type: pip install pyarrow") from None
    except UnicodeDecodeError:
        raise foreign_files.other_encoding(path, "cp1252") from None
    except (OSError, ValueError, EOFError, zlib.error, csv.Error, pd.errors.ParserError) as error:
        said = getattr(error, "strerror", None) or [*str(error).strip().splitlines(), type(error).__name__][0]
        raise UserError(f"{path} can't be read as a table: {printable(str(said)[:200])}.") from None


def _csv(path: Path, far: Callable[[float], None]) -> pd.DataFrame | None:
    """In pieces; None where the rows have names, which is left to one reading."""
    size, packed = path.stat().st_size, path.name.endswith(".gz")
    sample = _sample(path)
    head, first = _fields(sample)
    if first > head:
        return None
    a_byte = max(1, sample.count(b"\n")) / max(1, len(sample))  # lines
    columns: dict[str, _Column] = {}
    with path.open("rb") as file:
        rows = max(100, int(PIECE * a_byte))
        for piece in pd.read_csv(file, low_memory=False, chunksize=rows, compression="gzip" if packed else None):
            for name in piece:
                if name not in columns:
                    columns[str(name)] = _Column(piece[name].dtype, int(1.1 * size * a_byte))
                columns[str(name)].add(piece[name])
            far(file.tell() / size)
    again = [place for place, column in enumerate(columns.values()) if column.mixed]
    whole = pd.read_csv(path, low_memory=False, usecols=again) if again else pd.DataFrame()
    made = {name: column.whole for name, column in columns.items() if not column.mixed}
    made |= {name: whole.iloc[:, again.index(place)] for place, name in enumerate(columns) if place in again}
    return pd.DataFrame({name: made[name] for name in columns}, copy=False)


def _sample(path: Path) -> bytes:
    """The beginning of a CSV file, unpacked."""
    with (gzip.open if path.name.endswith(".gz") else open)(path, "rb") as start:  # type: ignore[operator]
        return cast(BinaryIO, start).read(SAMPLE)


def _fields(sample: bytes) -> tuple[int, int]:
    """How many fields the first line has, and the second."""
    found = [len(line) for line in itertools.islice(_lines(sample), 2)]
    return (*found, 0, 0)[:2]  # type: ignore[return-value]


def _lines(sample: bytes) -> Iterator[list[str]]:
    """The fields of each line that has some; the last may be cut off."""
    return filter(None, csv.reader(io.StringIO(sample.decode("utf-8-sig", "replace"), newline="")))


class _Column:
    """One that grows: room for all of it is asked for at once, and not used before it is filled."""

    def __init__(self, dtype: Any, room: int) -> None:
        self.dtype, self.mixed = dtype, False
        self._array = np.empty(room, dtype) if isinstance(dtype, np.dtype) else None
        self._used, self._parts = 0, list[pd.Series]()

    def add(self, values: pd.Series) -> None:
        if self.mixed or values.dtype != self.dtype:
            self.mixed, self._array, self._parts = True, None, []
        elif self._array is None:
            self._parts.append(values.copy())
        else:
            end = self._used + len(values)
            if end > self._array.size:
                grown = np.empty(max(end, 3 * self._array.size // 2), self._array.dtype)
                grown[: self._used] = self._array[: self._used]
                self._array = grown
            self._array[self._used : end] = values.to_numpy()
            self._used = end

    @property
    def whole(self) -> pd.Series:
        if self._array is None:
            return pd.concat(self._parts, ignore_index=True)
        return pd.Series(self._array[: self._used], copy=False)


def _parquet(path: Path, far: Callable[[float], None]) -> pd.DataFrame | None:
    """A few columns at a time; None where names are there twice, which is left to one reading."""
    import pyarrow.parquet

    schema = pyarrow.parquet.read_schema(path)
    about = schema.pandas_metadata or {}
    index = {str(name) for name in about.get("index_columns", []) if isinstance(name, str)}
    names = [str(name) for name in schema.names if name not in index]
    if len(set(names)) < len(names) or not names:
        return None
    together = max(1, len(names) * PIECE // path.stat().st_size)
    columns: dict[str, pd.Series] = {}
    for start in range(0, len(names), together):
        some = pd.read_parquet(path, columns=names[start : start + together])
        columns |= {str(name): some[name].copy() for name in some}
        del some
        pyarrow.default_memory_pool().release_unused()
        far((start + together) / len(names))
    return pd.DataFrame(columns, copy=False)
