"""Files that are not read as they are: what is said to type makes files that are."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from jaxreg.data.dataset import Reading
from jaxreg.data.load import load
from jaxreg.data.table_files import read
from jaxreg.errors import UserError
from jaxreg.store import arrays

TABLE = pd.DataFrame({"a": np.arange(40) / 4, "b": np.cos(np.arange(40)).round(3), "label": ["x", "y"] * 20})


def made_readable(file: Path, test: str | None = None) -> str:
    """What is said of a file, once what it says to type has made the table of it."""
    with pytest.raises(UserError) as error:
        load(test or str(file), str(file) if test else None)
    said = str(error.value)
    made = eval(re.findall(r"(pandas.*\)) makes", said)[0], {"pandas": pd})
    assert made is None
    other = re.findall(r"to_csv\('(.*?)'", said)[0]
    assert other != str(file)
    pd.testing.assert_frame_equal(read(Path(other)), TABLE)
    return said


@pytest.mark.parametrize(("mark", "words"), [(";", "semicolons"), ("\t", "tabs")])
@pytest.mark.parametrize("decimal", [".", ","])
@pytest.mark.parametrize("end", ["csv", "csv.gz"])
def test_other_separators_are_recognised(mark: str, words: str, decimal: str, end: str, tmp_path: Path) -> None:
    TABLE.to_csv(tmp_path / f"mine.{end}", sep=mark, decimal=decimal, index=False)
    said = made_readable(tmp_path / f"mine.{end}")
    assert f"separated by {words}" in said and ("decimal=" in said) is (decimal == ",")
    TABLE.to_csv(tmp_path / "train.csv", index=False)
    made_readable(tmp_path / f"mine.{end}", test=str(tmp_path / "train.csv"))


def test_a_semicolon_within_a_table_of_commas_separates_nothing(tmp_path: Path) -> None:
    frame = TABLE.rename(columns={"a": "a; b"})
    frame.to_csv(tmp_path / "mine.csv", index=False)
    pd.testing.assert_frame_equal(read(tmp_path / "mine.csv"), frame)


def test_tables_of_other_programs_are_converted(tmp_path: Path) -> None:
    TABLE.to_json(tmp_path / "a.json")
    TABLE.to_json(tmp_path / "b.jsonl", lines=True, orient="records")
    TABLE.to_csv(tmp_path / "c.tsv", sep="\t", index=False)
    TABLE.to_csv(tmp_path / "d.txt", sep=" ", index=False)
    TABLE.to_json(tmp_path / "E.JSON")
    for file in sorted(tmp_path.iterdir()):
        made_readable(file)


@pytest.mark.parametrize("name", ["mine.xlsx", "MINE.XLS", "mine.ods"])
def test_spreadsheets_are_read_by_pandas(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"PK")
    with pytest.raises(UserError, match=r"expected a table as .csv(?s:.)*pandas.read_excel\(.*to_csv\(.*pip install"):
        load(str(tmp_path / name), None)


@pytest.mark.parametrize(("name", "kind"), [("y", "str"), ("x", "float")])
def test_arrays_of_objects_are_named_with_what_to_save(name: str, kind: str, tmp_path: Path) -> None:
    good = {"x": TABLE[["a", "b"]].to_numpy(), "y": TABLE["label"].to_numpy().astype(str)}
    np.savez(tmp_path / "mine.npz", **good | {name: good[name].astype(object)})
    with pytest.raises(UserError, match=rf"array {name} is of Python objects.*{name}.astype\({kind}\)"):
        load(str(tmp_path / "mine.npz"), None)
    with pytest.raises(ValueError, match=r"Python objects.*astype\(str\)"):
        arrays.read(tmp_path / "mine.npz", 10**6)
    np.savez(tmp_path / "mine.npz", **good | {name: good[name].astype(object).astype(kind)})
    assert load(str(tmp_path / "mine.npz"), None, how=Reading(folds=True)).folded
