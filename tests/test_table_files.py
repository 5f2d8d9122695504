"""Large tables are read in pieces: what comes out is what one reading of the whole gives, in less memory."""

from __future__ import annotations

import gzip
import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from test_progress import Hands, Terminal

from jaxreg.data import table_files
from jaxreg.data.dataset import Reading
from jaxreg.data.load import load
from jaxreg.engine.progress import Bar, Lines
from jaxreg.errors import UserError

ROWS = 1000
RANDOM = np.random.default_rng(0)


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of some kilobytes is large, and a piece has a hundred rows."""
    monkeypatch.setattr(table_files, "LARGE", 1000)
    monkeypatch.setattr(table_files, "PIECE", 1000)


def odd() -> pd.DataFrame:
    """Columns whose type only the last rows decide, as texts: they are written as they stand here."""
    whole, share = RANDOM.integers(0, 1000, ROWS), RANDOM.normal(size=ROWS)
    late = [""] * 900 + ["x"] * 100
    columns: dict[str, Any] = {
        "whole": whole,
        "share": share,
        "text": RANDOM.choice(["a", "b", "c d"], ROWS),
        "switch": RANDOM.choice(["True", "False"], ROWS),
        "text at the end": [f"{value:.2f}" for value in share[:950]] + ["none"] * 50,
        "number at the end": [str(value) for value in whole[:990]] + ["0.5"] * 10,
        "missing at the end": [str(value) for value in whole[:990]] + [""] * 10,
        "switch, then missing": ["True"] * 950 + [""] * 50,
        "missing, then text": late,
        "huge at the end": [str(value) for value in whole[:990]] + [str(2**63 + 11)] * 10,
        "minus nothing": ["-0"] * 500 + ["0.25"] * 500,
        "zeros before": [f"{value:04}" for value in whole[:990]] + ["x"] * 10,
        "lines": ['"two\nlines"', '"a ""word"", and more"'] * (ROWS // 2),
    }
    return pd.DataFrame({name: np.asarray(values).astype(str) for name, values in columns.items()})


def written(file: Path, end: str = "\n") -> Path:
    frame = odd()
    lines = [",".join(f'"{name}"' for name in frame), *(",".join(row) for row in frame.to_numpy())]
    content = (end.join(lines) + end).encode()
    file.write_bytes(gzip.compress(content) if file.suffix == ".gz" else content)
    return file


@pytest.mark.parametrize(("name", "end"), [("odd.csv", "\n"), ("odd.csv", "\r\n"), ("odd.csv.gz", "\n")])
def test_types_are_those_of_one_reading(name: str, end: str, tmp_path: Path, small_pieces: None) -> None:
    file, shares = written(tmp_path / name, end), []
    found = table_files.read(file, lambda text, share: shares.append(share))
    pd.testing.assert_frame_equal(found, pd.read_csv(file, low_memory=False), check_exact=True)
    zero = found["minus nothing"].to_numpy()
    assert np.signbit(zero[:500]).all(), "as numbers with a fraction they have a sign"
    assert shares[0] == 0 and shares[-1] == 1 and shares == sorted(shares)


@pytest.mark.parametrize("packed", [False, True])
def test_the_share_is_of_the_bytes_of_the_file(packed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_files, "LARGE", 1000)
    monkeypatch.setattr(table_files, "PIECE", 200_000)
    file, shares = tmp_path / f"mine.csv{'.gz' * packed}", []
    frame = pd.DataFrame(RANDOM.normal(size=(20_000, 8)))
    frame.to_csv(file, index=False)
    found = table_files.read(file, lambda text, share: shares.append(share))
    pd.testing.assert_frame_equal(found, pd.read_csv(file, low_memory=False), check_exact=True)
    assert len(shares) > 10 and shares == sorted(shares) and max(np.diff(shares)) < 0.3


def test_headers_are_those_of_one_reading(tmp_path: Path, small_pieces: None) -> None:
    rows = "".join(f"{i},{i / 2},{'x' if i > 900 else i}\n" for i in range(ROWS))
    for head in ("a,b,a.1\n", "a,,b\n", "a,b\n"):  # the last one: the first column is names of the rows
        file = tmp_path / "mine.csv"
        file.write_text(head + rows)
        pd.testing.assert_frame_equal(table_files.read(file), pd.read_csv(file, low_memory=False), check_exact=True)


@pytest.mark.parametrize("named", [None, "number", "twice", "who"])
def test_parquet_comes_column_by_column(named: str | None, tmp_path: Path, small_pieces: None) -> None:
    pytest.importorskip("pyarrow")
    frame = pd.read_csv(io.BytesIO(written(tmp_path / "odd.csv").read_bytes()), low_memory=False)
    frame = frame.assign(kind=pd.Categorical(frame["text"]), day=pd.Timestamp("2020-01-01"))
    if named is not None:
        index = {"number": range(5, ROWS + 5), "twice": [0, 1] * (ROWS // 2), "who": [f"p{i}" for i in range(ROWS)]}
        frame.index = pd.Index(index[named], name=None if named == "number" else named)
    file, shares = tmp_path / "odd.parquet", []
    frame.to_parquet(file)
    found = table_files.read(file, lambda text, share: shares.append(share))
    pd.testing.assert_frame_equal(found, pd.read_parquet(file), check_exact=True)
    assert shares[0] == 0 and shares[-1] == 1 and len(set(shares)) > 3


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_the_data_set_is_the_same(suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frame = pd.DataFrame(RANDOM.normal(size=(ROWS, 4)), columns=list("abcd"))
    frame = frame.assign(kind=RANDOM.choice(["x", "y"], ROWS), who=np.arange(ROWS) // 3, label=frame["a"] > 0)
    file = tmp_path / f"mine{suffix}"
    frame.to_csv(file, index=False) if suffix == ".csv" else frame.to_parquet(file)
    whole = load(str(file), None, how=Reading(group="who"))
    monkeypatch.setattr(table_files, "LARGE", 1000)
    monkeypatch.setattr(table_files, "PIECE", 1000)
    pieces = load(str(file), None, how=Reading(group="who"))
    assert pieces.digest == whole.digest and pieces.encoding == whole.encoding and pieces.notes == whole.notes
    np.testing.assert_array_equal(pieces.groups, whole.groups)


def test_a_fault_in_a_late_piece_is_said_as_any_other(tmp_path: Path, small_pieces: None) -> None:
    file = tmp_path / "mine.csv"
    file.write_text("a,b\n" + "1,2\n" * 900 + "1,2,3\n" + "1,2\n" * 50)
    with pytest.raises(UserError, match="mine.csv can't be read as a table: .*Expected 2 fields in line 902, saw 3"):
        table_files.read(file)
    file.write_bytes(gzip.compress(file.read_bytes())[:-20])
    with pytest.raises(UserError, match="can't be read as a table"):
        table_files.read(file.rename(tmp_path / "mine.csv.gz"))


def test_how_far_it_is_is_seen() -> None:
    hands, stream = Hands(), io.StringIO()
    lines = Lines(stream, now=hands)
    for share in (0.0, 0.1, 0.4, 0.8, 1.0):
        lines.read("reading big.csv", share)
        hands.time += 6
    assert stream.getvalue().splitlines() == ["reading big.csv", " 40%  reading big.csv"]
    terminal = Terminal()
    bar = Bar(terminal)
    for share in (0.0, 0.25, 1.0):
        bar.read("reading [big].csv", share)
    bar.start(10)
    bar.close()
    assert "25%" in terminal.getvalue() and "reading [big].csv" in terminal.getvalue()
    quiet = io.StringIO()
    Lines(quiet, quiet=True).read("reading big.csv", 0.0)
    assert not quiet.getvalue()


def test_a_file_that_is_not_there_is_told_with_one_much_like_it(tmp_path: Path) -> None:
    odd().to_csv(tmp_path / "ok.csv", index=False)
    how = Reading(label="outcome")
    for name, said in (
        ("ok.cvs", r"ok.cvs does not exist, expected a table as .csv or .parquet. Did you mean `ok.csv`\?"),
        ("ok", r"ok does not exist, .* Did you mean `ok.csv`\?"),
        ("okk.csv", r"okk.csv does not exist, .* Did you mean `ok.csv`\?"),
        (".", "this is a folder of such. Give one of them: --data .*ok.csv"),
    ):
        with pytest.raises(UserError, match=said):
            load(str(tmp_path / name), None, how=how)
    with pytest.raises(UserError, match=r"ok.cvs does not exist, .*folder of IDX files.* Did you mean `ok.csv`\?"):
        load(str(tmp_path / "ok.cvs"), None)
    with pytest.raises(UserError, match="okk.csv does not exist.*`ok.csv`"):
        load(str(tmp_path / "ok.csv"), str(tmp_path / "okk.csv"), how=how)
    for given in (("https://host.org/ok.csv", None), (str(tmp_path / "ok.csv"), "https://host.org/ok.csv")):
        with pytest.raises(UserError, match="https://host.org/ok.csv: expected a file on this machine. Download it"):
            load(*given, how=how)
