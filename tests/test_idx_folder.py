"""Folders of IDX files, written here as MNIST, KMNIST and EMNIST are published."""

from __future__ import annotations

import gzip
import json
import struct
from pathlib import Path

import numpy as np
import pytest

from jaxreg.data import fashion, idx, idx_folder
from jaxreg.data.dataset import Dataset, Part, Reading, subset
from jaxreg.data.load import load
from jaxreg.errors import UserError
from jaxreg.source import suited_to
from jaxreg.store.results import read as read_run
from jaxreg.sweep import main

MAPPING = "".join(f"{label} {code}\n" for label, code in enumerate([*range(48, 58), *range(65, 91)]))


@pytest.fixture(scope="module")
def few() -> Dataset:
    """Real images: 20 to train on and 10 to test on of each class."""
    return subset(fashion.load(), 20, 10)


def write(path: Path, array: np.ndarray, magic: int = idx.BYTES) -> Path:
    content = struct.pack(f">{1 + array.ndim}I", magic + array.ndim, *array.shape) + array.tobytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def publish(folder: Path, train: Part, test: Part, begin: str = "", ends: str = ".gz", name: str = "t10k") -> Path:
    """The four files; images are as in the parts, or transposed where the name says EMNIST."""
    folder.mkdir(exist_ok=True)
    for part, (images, labels) in (("train", train), (name, test)):
        pictures = images.reshape(len(images), 28, -1)
        if begin.startswith("emnist"):
            pictures = pictures.transpose(0, 2, 1)
        write(folder / f"{begin}{part}-images-idx3-ubyte{ends}", np.ascontiguousarray(pictures))
        write(folder / f"{begin}{part}-labels-idx1-ubyte{ends}", labels)
    return folder


@pytest.fixture
def folder(tmp_path: Path, few: Dataset) -> Path:
    return publish(tmp_path / "mnist", few.train, few.test)


def same(found: Dataset, expected: Dataset) -> bool:
    pairs = zip((*found.train, *found.test), (*expected.train, *expected.test), strict=True)
    return all(a.dtype == b.dtype == np.uint8 and np.array_equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("ends", [".gz", ""])
def test_what_was_written_is_read(tmp_path: Path, few: Dataset, ends: str) -> None:
    found = load(str(publish(tmp_path / "kmnist", few.train, few.test, ends=ends)), None)
    assert same(found, few) and found.digest == few.digest
    assert (found.name, found.picture, found.class_names) == ("kmnist", (28, 28), tuple("0123456789"))
    assert suited_to(found) == {}, "images keep the notebook's recipe"


def test_names_as_some_programs_unpack_them(tmp_path: Path, few: Dataset) -> None:
    for path in publish(tmp_path / "raw", few.train, few.test, ends="").iterdir():
        path.rename(path.with_name(path.name.replace("-idx", ".idx")))
    assert same(idx_folder.load(tmp_path / "raw"), few)


def test_fashion_mnist_is_known_by_its_bytes(tmp_path: Path) -> None:
    found, whole = idx_folder.load(fashion.CLONE), fashion.load()
    assert found._replace(train=whole.train, test=whole.test) == whole and same(found, whole)


def test_emnist_is_turned_upright_and_called_by_its_characters(tmp_path: Path, few: Dataset) -> None:
    """Its letters are numbered from 1, with both cases in one class."""
    letters = Part(few.train.inputs, few.train.targets + np.uint8(1)), Part(few.test.inputs, few.test.targets + 1)
    publish(tmp_path / "gzip", *letters, begin="emnist-letters-", name="test")
    publish(tmp_path / "gzip", few.train, few.test, begin="emnist-balanced-", name="test")
    (tmp_path / "gzip" / "emnist-letters-mapping.txt").write_text(
        "".join(f"{i} {i + 64} {i + 96}\n" for i in range(1, 27))
    )
    with pytest.raises(
        UserError, match="holds 2 data sets: emnist-balanced and emnist-letters.\n.*gzip/emnist-balanced"
    ):
        idx_folder.load(tmp_path / "gzip")
    with pytest.raises(UserError, match="gzip has no data set .emnist-digits.; it has emnist-balanced and"):
        idx_folder.load(tmp_path / "gzip" / "emnist-digits")
    found = load(str(tmp_path / "gzip" / "emnist-letters"), None)
    assert same(found, few) and found.name == "emnist-letters"
    assert found.class_names == tuple(f"{a}/{a.lower()}" for a in "ABCDEFGHIJ")
    assert any("transposed" in note for note in found.notes)
    (tmp_path / "gzip" / "emnist-balanced-mapping.txt").write_text(MAPPING)
    assert idx_folder.load(tmp_path / "gzip" / "emnist-balanced").class_names == tuple("0123456789")


@pytest.mark.parametrize(
    "text", ["0 48\n1 49\n", "a b\n", "\n", MAPPING.replace("1 49", "1 48"), MAPPING + "\xe9", "0\n"]
)
def test_a_mapping_that_does_not_name_the_labels(tmp_path: Path, few: Dataset, text: str) -> None:
    publish(tmp_path / "one", few.train, few.test, begin="emnist-mnist-", name="test")
    (tmp_path / "one" / "emnist-mnist-mapping.txt").write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match="emnist-mnist-mapping.txt does not name every label.*Move it away"):
        idx_folder.load(tmp_path / "one")


def test_pictures_need_not_be_square(tmp_path: Path, few: Dataset) -> None:
    wide = [Part(np.ascontiguousarray(part.inputs[:, : 28 * 20]), part.targets) for part in (few.train, few.test)]
    found = idx_folder.load(publish(tmp_path / "wide", *wide))
    assert found.picture == (28, 20) and np.array_equal(found.train.inputs, wide[0].inputs)
    turned = idx_folder.load(publish(tmp_path / "turned", *wide, begin="emnist-mnist-", name="test"))
    assert turned.picture == (28, 20) and np.array_equal(turned.train.inputs, wide[0].inputs)


def test_what_is_missing_is_named(folder: Path, tmp_path: Path) -> None:
    (folder / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(UserError, match="mnist has no data set: t10k-labels-idx1-ubyte is missing, as .gz or unpacked"):
        idx_folder.load(folder)
    (folder / "t10k-labels-idx1-ubyte.gz").mkdir()
    with pytest.raises(UserError, match="t10k-labels-idx1-ubyte is missing"):
        idx_folder.load(folder)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="train-images.* and t10k-labels-idx1-ubyte are missing.*\n.*Leave --data out"):
        idx_folder.load(tmp_path / "empty")
    with pytest.raises(UserError, match="nothing-here does not exist, expected a table .*folder of IDX"):
        load(str(tmp_path / "nothing-here"), None)
    with pytest.raises(UserError, match=f"is no table.*--data {folder}"):
        load(str(folder / "train-images-idx3-ubyte.gz"), None)
    with pytest.raises(UserError, match="a test table goes with a table"):
        load(str(folder), "test.csv")
    with pytest.raises(UserError, match="--drop and --holdout are of tables"):
        load(str(folder), None, how=Reading(label="label"))


DAMAGE = {
    "cut off": (lambda packed, content: packed[: len(packed) // 2], "truncated or no gzip file"),
    "no gzip": (lambda packed, content: content, "no gzip file"),
    "empty": (lambda packed, content: b"", "no gzip file"),
    "a bit": (lambda packed, content: packed[:40] + bytes([packed[40] ^ 4]) + packed[41:], "no gzip file"),
    "more": (
        lambda packed, content: gzip.compress(content + b"1"),
        "more than the 108 bytes that its header announces",
    ),
    "less": (lambda packed, content: gzip.compress(content[:-1]), "cut off: 107 bytes, where .* announces 108"),
    "junk": (lambda packed, content: packed + b"junk", "4 bytes after its gzip stream"),
    "images": (lambda packed, content: gzip.compress(b"\0\0\x08\x03" + content[4:]), "no IDX file of labels.*00000803"),
    "floats": (lambda packed, content: gzip.compress(b"\0\0\x0d\x01" + content[4:]), "begins with 00000d01"),
    "a header": (lambda packed, content: gzip.compress(content[:6]), "begins with 0000 ?0801 ?0000, expected 00000801"),
    "none": (lambda packed, content: gzip.compress(content[:4] + bytes(4)), "announces 0 bytes of labels"),
    "a lie": (lambda packed, content: gzip.compress(content[:4] + b"\xff" * 4), "announces 4,294,967,295 bytes"),
    "fewer": (
        lambda packed, content: gzip.compress(content[:7] + b"\x63" + content[9:]),
        "100 images and .* 99 labels",
    ),
    "unknown": (lambda packed, content: gzip.compress(content[:-1] + b"\x0b"), "label 11, .* is not trained on"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_file_is_named(folder: Path, kind: str) -> None:
    path = folder / "t10k-labels-idx1-ubyte.gz"
    packed = path.read_bytes()
    how, said = DAMAGE[kind]
    path.write_bytes(how(packed, gzip.decompress(packed)))
    with pytest.raises(UserError, match=f"(?s)t10k-.*{said}"):
        idx_folder.load(folder)


def test_parts_that_do_not_belong_together(folder: Path, few: Dataset) -> None:
    write(folder / "t10k-images-idx3-ubyte.gz", few.test.inputs.reshape(-1, 14, 56))
    with pytest.raises(UserError, match="images of 14 x 56 pixels, those to train on 28 x 28"):
        idx_folder.load(folder)
    write(folder / "train-labels-idx1-ubyte.gz", np.zeros(200, np.uint8))
    write(folder / "t10k-images-idx3-ubyte.gz", few.test.inputs.reshape(-1, 28, 28))
    with pytest.raises(UserError, match="one class alone"):
        idx_folder.load(folder)


def test_the_command_reports_on_it(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    command = ["--grid", "l2", "--l2", "0,0.01", "--splits", "2", "--hidden", "8", "--epochs", "2", "--no-full"]
    assert main([*command, "--data", "mnist", "--quiet"]) == 0
    run = tmp_path / "reports" / "mnist-l2"
    assert json.loads((run / "run.json").read_text())["data"]["name"] == "mnist"
    assert read_run(run).examples["pixels"].shape[1:] == (28, 28)
    assert (run / "figures" / "images.png").exists() and "784-8-10" in (run / "report.md").read_text()
