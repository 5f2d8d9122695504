"""The data as a pair of CSV files in Kaggle's layout: `label,pixel1,...,pixel784`, integers, an image a line.

Parsed here with NumPy rather than by pandas, which fills short rows up, skips blank lines and cannot say on
which line a value is that does not fit.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from jaxreg import reading
from jaxreg.data.dataset import Dataset, Part, digest
from jaxreg.data.fashion import CLASS_NAMES, DIGEST, PICTURE
from jaxreg.errors import UserError

COLUMNS = ("label", *(f"pixel{number}" for number in range(1, 785)))
BLOCK = 1 << 23  # bytes parsed at a time: what is needed on the way is about ten times as large
LONGEST_LINE = 1 << 14  # bytes; 785 numbers of three digits are 3,139, the names of the header 8,176
MOST_ROWS = 500_000
COMMA, NEWLINE, ZERO = b",\n0"


def load(train_csv: str | Path, test_csv: str | Path) -> Dataset:
    """The images of two CSV files (.csv or .csv.gz), in the order of their lines.

    Written from the IDX files, they give bit for bit the arrays, and so the digest, of `fashion.load`. The
    classes are taken to be those of Fashion-MNIST.

    Memory, whatever the files hold: for each file 785 bytes a row three times over, with at most `MOST_ROWS` rows, and
    some hundred megabytes to parse a block in.

    Raises:
        UserError: a file is not there or not in this layout; the message names the first line that is wrong.
    """
    train_csv, test_csv = Path(train_csv), Path(test_csv)
    if _are_one(train_csv, test_csv):
        raise UserError(
            f"{train_csv} is given for training and for testing, expected two files.\n"
            "  Type --data TRAIN.csv --test TEST.csv."
        )
    train, test = _read(train_csv), _read(test_csv)
    found = digest(train, test)
    name = "fashion-mnist" if found == DIGEST else f"{train_csv.name} and {test_csv.name}"
    return Dataset(name, train, test, CLASS_NAMES, PICTURE, found)


def has_layout(path: str | Path) -> bool:
    """Whether a file begins as one in Kaggle's layout does, rightly or not: with columns of pixels."""
    path = Path(path)
    if not path.name.endswith((".csv", ".csv.gz")):
        return False
    try:
        with reading.opened(path) as file:
            take = reading.unpacked if path.suffix == ".gz" else reading.pieces
            first = next(iter(take(file, LONGEST_LINE)), b"")
    except (OSError, UserError):
        return False
    return b"pixel" in first.split(b"\n")[0]


def _are_one(train_csv: Path, test_csv: Path) -> bool:
    try:
        return os.path.samefile(train_csv, test_csv)
    except (OSError, ValueError):  # reading it will say what is wrong
        return False


def _read(path: Path) -> Part:
    """A file's images, uint8 [example, 784], and labels, uint8 [example]."""
    tables, line = [], 1
    try:
        with reading.opened(path) as file:
            take = reading.unpacked if path.suffix == ".gz" else reading.pieces
            for text in _blocks(path, take(file, BLOCK)):
                if line == 1:
                    header, _, text = text.partition(b"\n")
                    _check_header(path, header)
                    line = 2
                if text:
                    tables.append(_parse(path, text, line))
                line += text.count(b"\n")
                if line - 2 > MOST_ROWS:
                    raise UserError(f"{path} has more than the {MOST_ROWS:,} rows that are read.")
    except OSError as error:
        raise UserError(
            f"{path} cannot be read ({error.strerror}), expected a CSV file in Kaggle's layout.\n"
            "  Type --data TRAIN.csv --test TEST.csv."
        ) from None
    if line == 1:
        _check_header(path, b"")
    if not tables:
        raise UserError(f"{path} has a header and no rows, expected an image a line.")
    table = np.concatenate(tables)
    return Part(np.ascontiguousarray(table[:, 1:]), np.ascontiguousarray(table[:, 0]))


def _check_header(path: Path, header: bytes) -> None:
    names = header.removeprefix(b"\xef\xbb\xbf").decode("latin-1").strip().replace('"', "").split(",")
    if tuple(names) == COLUMNS:
        return
    wrong = next((i for i, pair in enumerate(zip(names, COLUMNS, strict=False)) if pair[0] != pair[1]), None)
    fault = (
        f"{len(names)} columns, expected {len(COLUMNS)}"
        if wrong is None
        else f"column {wrong + 1} is {names[wrong][:20]!r}, expected {COLUMNS[wrong]!r}"
    )
    raise UserError(f"{path} line 1: {fault}. Kaggle's layout begins with the line label,pixel1,...,pixel784.")


def _blocks(path: Path, pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The pieces of a file as blocks of whole lines, each ending in a newline."""
    rest, line = b"", 1
    for piece in pieces:
        whole, newline, tail = piece.rpartition(b"\n")
        if newline:
            block = rest + whole + newline
            yield block.replace(b"\r\n", b"\n")
            line += block.count(b"\n")
            rest = tail
        else:
            rest += tail
        if len(rest) > LONGEST_LINE:
            raise UserError(f"{path} line {line}: more than {LONGEST_LINE:,} bytes, expected {len(COLUMNS)} values.")
    if rest:
        yield rest.rstrip(b"\r") + b"\n"


def _parse(path: Path, text: bytes, first_line: int) -> np.ndarray:
    """Whole lines as a table, uint8 [row, 785], label first."""
    if text.count(b",") + text.count(b"\n") > len(text) / 2:  # empty fields, which would take far more memory
        raise UserError(_first_fault(path, text, first_line))
    characters = np.frombuffer(text, np.uint8)
    separator = (characters == COMMA) | (characters == NEWLINE)
    ends = np.flatnonzero(separator)
    rows, left_over = divmod(ends.size, len(COLUMNS))
    lengths = np.diff(ends, prepend=-1) - 1
    digits = characters - np.uint8(ZERO)  # wraps round, so that every character but a digit is above 9
    values = digits[ends - 1].astype(np.uint16)
    for place, factor in ((2, 10), (3, 100)):
        # Where a field is shorter than this the index reaches into its neighbour: times False.
        values += digits[ends - place] * (lengths >= place) * np.uint16(factor)
    table = values[: rows * len(COLUMNS)].reshape(rows, len(COLUMNS))
    whole = left_over == 0 and text.count(b"\n") == rows and (characters[ends[784::785]] == NEWLINE).all()
    integers = lengths.min() >= 1 and lengths.max() <= 3 and ((digits <= 9) | separator).all()
    if not (whole and integers and table.max() <= 255 and table[:, 0].max() <= 9):
        raise UserError(_first_fault(path, text, first_line))
    return table.astype(np.uint8)


def _first_fault(path: Path, text: bytes, first_line: int) -> str:
    """Which line is wrong, and how: looked for slowly, once it is known that there is one."""
    for number, line in enumerate(text.decode("latin-1").split("\n")[:-1], first_line):
        values = line.count(",") + 1 if line else 0
        if values != len(COLUMNS):
            found = f"{values} values, expected {len(COLUMNS)} (label,pixel1,...,pixel784)"
            return f"{path} line {number}: {found}."
        for column, field in zip(COLUMNS, line.split(","), strict=True):
            highest = 9 if column == "label" else 255
            if not re.fullmatch("[0-9]{1,3}", field) or int(field) > highest:
                found = f"{column} is {field[:20]!r}, expected an integer from 0 to {highest}"
                return f"{path} line {number}: {found}."
    raise AssertionError("the fast and the slow check of a CSV file disagree")
