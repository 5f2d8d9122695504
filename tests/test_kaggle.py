"""The CSV pair: the same arrays as the IDX files, and a wrong line is named."""

from __future__ import annotations

import gzip

import numpy as np
import pytest

from jaxreg.data import fashion, kaggle
from jaxreg.data.dataset import subset
from jaxreg.errors import UserError

HEADER = ",".join(kaggle.COLUMNS)
NUMBERS = np.array([str(number) for number in range(256)], object)


@pytest.fixture(scope="module")
def dataset():
    return fashion.load()


def write(path, images, labels, newline="\n"):
    table = NUMBERS[np.column_stack([labels, images])]
    path.write_text(newline.join([HEADER, *(",".join(row) for row in table.tolist()), ""]), newline="")
    return path


@pytest.fixture
def pair(tmp_path, dataset):
    """Thirty and ten real images as CSV files."""
    small = subset(dataset, 3, 1)
    return (
        small,
        write(tmp_path / "train.csv", small.train.inputs, small.train.targets),
        write(tmp_path / "test.csv", small.test.inputs, small.test.targets),
    )


def edit(path, line, change):
    """Apply `change` to the list of values of a line (1 is the header)."""
    lines = path.read_text().split("\n")
    lines[line - 1] = ",".join(change(lines[line - 1].split(",")))
    path.write_text("\n".join(lines))


def same(left, right):
    return left.digest == right.digest and all(
        a.dtype == b.dtype and a.shape == b.shape and (a == b).all()
        for a, b in zip((*left.train, *left.test), (*right.train, *right.test), strict=True)
    )


def test_written_from_the_idx_arrays_it_gives_them_back(pair):
    small, train, test = pair
    assert same(kaggle.load(train, test), small)
    assert kaggle.load(train, test).name == "train.csv and test.csv"


@pytest.mark.slow
def test_every_image_of_both_sets(tmp_path, dataset):
    train = write(tmp_path / "train.csv", dataset.train.inputs, dataset.train.targets)
    test = write(tmp_path / "test.csv", dataset.test.inputs, dataset.test.targets)
    loaded = kaggle.load(train, test)
    assert same(loaded, dataset) and loaded.name == "fashion-mnist"


@pytest.mark.parametrize("block", [3000, 4096, 50_000])
def test_lines_that_straddle_blocks(pair, monkeypatch, block):
    small, train, test = pair
    monkeypatch.setattr(kaggle, "BLOCK", block)
    assert same(kaggle.load(train, test), small)
    edit(train, 29, lambda values: [*values[:-1], "256"])
    with pytest.raises(UserError, match="train.csv line 29: pixel784 is '256'"):
        kaggle.load(train, test)


def test_gzip_windows_newlines_no_last_newline_quotes_and_byte_order_mark(pair, tmp_path):
    small, train, test = pair
    packed = tmp_path / "train.csv.gz"
    packed.write_bytes(gzip.compress(train.read_bytes()))
    assert same(kaggle.load(packed, test), small)
    write(train, small.train.inputs, small.train.targets, newline="\r\n")
    assert same(kaggle.load(train, test), small)
    train.write_bytes(train.read_bytes().removesuffix(b"\n"))  # the carriage return stays
    assert same(kaggle.load(train, test), small)
    train.write_bytes(train.read_bytes().removesuffix(b"\r"))
    assert same(kaggle.load(train, test), small)
    quoted = b",".join(b'"%s"' % name.encode() for name in kaggle.COLUMNS)
    test.write_bytes(b"\xef\xbb\xbf" + test.read_bytes().replace(HEADER.encode(), quoted))
    assert same(kaggle.load(train, test), small)


@pytest.mark.parametrize(
    ("line", "change", "fault"),
    [
        (2, lambda v: v[:-1], "line 2: 784 values, expected 785"),
        (31, lambda v: [*v, "0"], "line 31: 786 values, expected 785"),
        (9, lambda v: [], "line 9: 0 values, expected 785"),
        (17, lambda v: [*v[:3], "256", *v[4:]], "line 17: pixel3 is '256', expected an integer from 0 to"),
        (17, lambda v: [*v[:3], "-1", *v[4:]], "line 17: pixel3 is '-1'"),
        (17, lambda v: [*v[:3], "1.5", *v[4:]], "line 17: pixel3 is '1.5'"),
        (17, lambda v: [*v[:3], "", *v[4:]], "line 17: pixel3 is ''"),
        (17, lambda v: [*v[:3], "nan", *v[4:]], "line 17: pixel3 is 'nan'"),
        (17, lambda v: [*v[:3], "1000", *v[4:]], "line 17: pixel3 is '1000'"),
        (17, lambda v: [*v[:3], " 7", *v[4:]], "line 17: pixel3 is ' 7'"),
        (17, lambda v: [*v[:3], "\u0663", *v[4:]], "line 17: pixel3 is"),
        (3, lambda v: ["10", *v[1:]], "line 3: label is '10', expected an integer from 0 to 9"),
        (1, lambda v: v[1:], "line 1: column 1 is 'pixel1', expected 'label'"),
        (1, lambda v: v[:-1], "line 1: 784 columns, expected 785"),
        (1, lambda v: ["5"] * 785, "line 1: column 1 is '5', expected 'label'"),
    ],
)
def test_a_wrong_line_is_named(pair, line, change, fault):
    _, train, test = pair
    edit(train, line, change)
    with pytest.raises(UserError, match=f"train.csv {fault}"):
        kaggle.load(train, test)


def test_a_short_and_a_long_row_do_not_cancel_out(pair):
    _, train, test = pair
    edit(train, 5, lambda values: values[:-1])
    edit(train, 6, lambda values: [*values, "0"])
    with pytest.raises(UserError, match="line 5: 784 values"):
        kaggle.load(train, test)


def test_files_that_are_none(pair, tmp_path):
    _, train, test = pair
    with pytest.raises(UserError, match="none.csv cannot be read .No such file.*\n.*--data TRAIN.csv --test"):
        kaggle.load(tmp_path / "none.csv", test)
    with pytest.raises(UserError, match="cannot be read .Is a directory"):
        kaggle.load(tmp_path, test)
    with pytest.raises(UserError, match="given for training and for testing"):
        kaggle.load(train, tmp_path / "." / "train.csv")
    packed = tmp_path / "cut.csv.gz"
    packed.write_bytes(gzip.compress(train.read_bytes())[:-2000])
    with pytest.raises(UserError, match="cut.csv.gz cannot be read"):
        kaggle.load(packed, test)
    packed.write_bytes(train.read_bytes())
    with pytest.raises(UserError, match="cut.csv.gz cannot be read .it is no gzip file"):
        kaggle.load(packed, test)
    train.write_text(HEADER + "\n")
    with pytest.raises(UserError, match="train.csv has a header and no rows"):
        kaggle.load(train, test)
    train.write_text("")
    with pytest.raises(UserError, match="train.csv line 1: column 1 is ''"):
        kaggle.load(train, test)
