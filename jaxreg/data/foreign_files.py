"""Files that other programs read and jaxreg does not: what they are, and how they become one that it reads."""

from __future__ import annotations

import re
from pathlib import Path

from jaxreg.errors import UserError
from jaxreg.formatting import printable

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
SEPARATORS = {";": "semicolons", "\t": "tabs"}
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


def _converted(path: Path, reader: str) -> str:
    stem = path.name.partition(".")[0]
    other = path.with_name(f"{stem}.csv" if path.name != f"{stem}.csv" else f"{stem}-commas.csv")
    read = reader.replace("FILE", repr(str(path)), 1)
    return printable(f"pandas.{read}.to_csv({str(other)!r}, index=False)")
