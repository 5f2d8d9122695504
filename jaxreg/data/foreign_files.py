"""Files that other programs read and jaxreg does not: what they are, and how they become one that it reads."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from jaxreg.errors import UserError
from jaxreg.formatting import brief, printable

READERS = {  # by the end of a name: what pandas reads it by, and what that needs besides
    ".xlsx": ("read_excel(FILE)", "openpyxl"),
    ".xls": ("read_excel(FILE)", "xlrd"),
    ".ods": ("read_excel(FILE)", "odfpy"),
    ".json": ("read_json(FILE)", ""),
    ".jsonl": ("read_json(FILE, lines=True)", ""),
    ".tsv": ("read_csv(FILE, sep='\\t')", ""),
    ".txt": ("read_csv(FILE, sep=None, engine='python')", ""),
    ".feather": ("read_feather(FILE)", "pyarrow"),
    ".dta": ("read_stata(FILE)", ""),
    ".sav": ("read_spss(FILE)", "pyreadstat"),
    ".sas7bdat": ("read_sas(FILE)", ""),
}
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
SEPARATORS = {";": "semicolons", "\t": "tabs"}
UTF_16 = (b"\xff\xfe", b"\xfe\xff")  # how such a file begins
DECIMAL_COMMA = re.compile(r"(?:^|[;\t])\s*[+-]?\d+,\d+\s*(?:$|[;\t])", re.MULTILINE)


def refuse(path: Path) -> None:
    """Raises `UserError` where the name is that of a table which pandas alone reads, with what makes a CSV of it."""
    reader, needs = READERS.get(path.suffix.lower(), ("", ""))
    if reader and not path.is_dir():
        install = f" (pip install {needs})" if needs else ""
        raise UserError(
            f"{printable(str(path))}: expected a table as .csv, .csv.gz or .parquet, or arrays as .npz.\n"
            f"  {_converted(path, reader)} makes one{install}."
        )


def refuse_other_separators(path: Path, sample: bytes) -> None:
    """Raises `UserError` where the first line of a CSV file has no comma, and another mark that separates columns.

    `sample` is the beginning of the file.
    """
    text = sample.decode("utf-8", "replace")
    head = text.lstrip().partition("\n")[0]
    found = [mark for mark in SEPARATORS if mark in head]
    if not found or "," in head:
        return
    decimal = ", decimal=','" if DECIMAL_COMMA.search(text) else ""
    raise UserError(
        f"{printable(str(path))} is separated by {SEPARATORS[found[0]]}, and jaxreg reads commas.\n"
        f"  {_converted(path, f'read_csv(FILE, sep={found[0]!r}{decimal})')} makes a table that it reads."
    )


def refuse_other_encodings(path: Path, sample: bytes) -> None:
    """Raises `UserError` where a CSV file is UTF-16; `sample` is its beginning."""
    if sample.startswith(UTF_16):
        raise other_encoding(path, "utf-16")


def other_encoding(path: Path, likely: str) -> UserError:
    """A CSV file that is not UTF-8, and what makes one of it where it is in the `likely` encoding."""
    return UserError(
        f"{printable(str(path))} is not in UTF-8, as jaxreg reads it. Save it as CSV in UTF-8, or, if it is in "
        f"{likely}:\n"
        f"  {_converted(path, f'read_csv(FILE, encoding={likely!r})', 'utf-8')} makes a table that it reads."
    )


def refuse_rows_for_names(path: Path, first: Sequence[str]) -> None:
    """Raises `UserError` where the first line of a CSV file looks like a row: most of its fields are numbers.

    Whole numbers that rise by one are names: of the columns of an array as pandas writes it, or years.
    """
    numbers = [float(field) for field in first if NUMBER.fullmatch(field.strip())]
    counted = all(number == numbers[0] + place and number % 1 == 0 for place, number in enumerate(numbers))
    if 2 * len(numbers) <= len(first) or counted:
        return
    shown = ", ".join(brief(field) for field in first[:3])
    raise UserError(
        f"{printable(str(path))}: its first line looks like a row and not like the names of columns: {shown}, …\n"
        "  Add a line of names on top, as x1,x2,label. If these are names, put a letter before those that are numbers."
    )


def refuse_names_there_twice(path: Path, names: Sequence[str]) -> None:
    """Raises `UserError` where two columns of a CSV file have one name, of which pandas silently makes a and a.1."""
    twice = [name for name, often in Counter(names).items() if name and often > 1]
    if twice:
        raise UserError(
            f"{printable(str(path))} has two columns called {brief(twice[0])}. Give each a name of its own; or, if "
            f"they may be {brief(twice[0])} and {brief(f'{twice[0]}.1')}:\n"
            f"  {_converted(path, 'read_csv(FILE)', 'renamed')} makes a table that it reads."
        )


def _converted(path: Path, reader: str, now: str = "commas") -> str:
    stem = path.name.partition(".")[0]
    other = path.with_name(f"{stem}.csv" if path.name != f"{stem}.csv" else f"{stem}-{now}.csv")
    read = reader.replace("FILE", repr(str(path)), 1)
    return printable(f"pandas.{read}.to_csv({str(other)!r}, index=False)")
