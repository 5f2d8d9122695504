"""Columns of texts that are numbers as people write them: with a decimal comma, commas between thousands, or a unit."""

from __future__ import annotations

import re
from typing import NamedTuple

import pandas as pd
from pandas.api import types

from jaxreg.formatting import brief

# A currency, a number and a unit, of letters and signs that stand in units.
WRITTEN = re.compile(r"([$€£¥]?)\s*([+-]?\d[\d.,]*)\s*((?:[^\W\d_]|[%°/²³·€$£¥ ])*)")
PLAIN = re.compile(r"[+-]?\d+(\.\d*)?")
THOUSANDS = re.compile(r"[+-]?([1-9]\d{0,2}(,\d{3})+|\d+)(\.\d*)?")  # 0,523 is none
DECIMAL_COMMA = re.compile(r"[+-]?\d+(,\d+)?")


MOST_KINDS = 10  # different numbers in a column of texts that may be kinds


class Written(NamedTuple):
    """What the texts of a column look like, and what to type for a column of numbers."""

    said: str
    code: str


def as_people_write(values: pd.Series, array: str = "") -> Written | None:
    """What is said of a column of texts, or of an `array` of this name, where all are such numbers; else None.

    A currency or a unit must be the same in each.
    """
    if not (types.is_object_dtype(values) or isinstance(values.dtype, pd.StringDtype)):
        return None
    texts, found = values.dropna().astype(str).unique().tolist(), list[re.Match[str]]()
    for text in texts if len(texts) > MOST_KINDS else []:
        match = WRITTEN.fullmatch(text.strip())
        if match is None or (found and (match[1], match[3].strip()) != (found[0][1], found[0][3].strip())):
            return None
        found.append(match)
    if not found:
        return None
    numbers, unit = [one[2] for one in found], bool(found[0][1] or found[0][3].strip())
    column = f"pandas.Series({array})" if array else f"table[{str(values.name)!r}]"
    into, shown = "" if array else f"{column} = ", brief(texts[0])

    def all_are(kind: re.Pattern[str]) -> bool:
        return all(map(kind.fullmatch, numbers))

    def alone(of: str) -> str:
        return f"{into}pandas.to_numeric({of}.str.replace('[^0-9.-]', '', regex=True))"

    if all_are(PLAIN):
        return Written(f"numbers with a unit, as {shown}", alone(column)) if unit else None
    if all_are(THOUSANDS):
        also = "" if unit or array else ", or read them so: pandas.read_csv(FILE, thousands=',')"
        return Written(f"numbers with commas between thousands, as {shown}", f"{alone(column)}{also}")
    if all_are(DECIMAL_COMMA):
        also = "" if unit or array else ", or read them so: pandas.read_csv(FILE, decimal=',')"
        return Written(f"numbers with a decimal comma, as {shown}", alone(f"{column}.str.replace(',', '.')") + also)
    return None
