"""A folder of IDX files as MNIST, KMNIST and EMNIST are published: images and labels, to train on and to test on."""

from __future__ import annotations

import math
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np

from jaxreg import reading
from jaxreg.data import fashion, idx
from jaxreg.data.dataset import Dataset, Part, digest
from jaxreg.data.not_there import ANYTHING, absent
from jaxreg.errors import UserError
from jaxreg.formatting import brief, listing, printable

# MNIST's names, those that some programs unpack them to (a dot before idx), and EMNIST's.
NAME = re.compile(r"(?:(.+)-)?(train|t10k|test)-(images|labels)[-.]idx[13]-ubyte(?:\.gz)?")
ROLES = [(part, kind) for part in ("train", "t10k") for kind in ("images", "labels")]
MOST_BYTES = 1 << 30  # of a file, unpacked: 1.3 million images of 28 x 28; EMNIST's largest has 0.7 million
MOST_MAPPING = 1 << 16
EMNIST = "emnist"  # what begins with it holds each image transposed

Role = tuple[str, str]


class _Found(NamedTuple):
    """A file of the data set, and the array in it."""

    path: Path
    array: np.ndarray


def load(path: str | Path) -> Dataset:
    """The data set of a folder; 8-bit images stay 8-bit.

    Args:
        path: the folder with the four files (.gz or not): train-images-idx3-ubyte, train-labels-idx1-ubyte,
            t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte. Where it holds several data sets, as EMNIST's does, the
            beginning of their names behind the folder's: gzip/emnist-balanced.

    Classes are called by their numbers; EMNIST's by the characters of its mapping file, where that lies beside.
    Fashion-MNIST's four files are Fashion-MNIST. Memory, whatever the files hold: what their headers announce, three
    times, and never more than `MOST_BYTES` a file.

    Raises:
        UserError: a file is missing or damaged, or they do not belong together; the message names it.
    """
    name, files = _files(Path(path))
    with ThreadPoolExecutor(len(ROLES)) as pool:
        found = dict(zip(ROLES, pool.map(lambda role: _read(files[role], role[1]), ROLES), strict=True))
    for part in ("train", "t10k"):
        images, labels = found[part, "images"], found[part, "labels"]
        if len(images.array) != len(labels.array):
            raise UserError(
                f"{images.path} has {len(images.array):,} images and {labels.path.name} {len(labels.array):,} labels;"
                " expected one for each. Is one of them of another data set?"
            )
    train, test = found["train", "images"], found["t10k", "images"]
    picture = train.array.shape[1:]
    if test.array.shape[1:] != picture:
        raise UserError(
            f"{test.path} has images of {' x '.join(map(str, test.array.shape[1:]))} pixels, those to train on"
            f" {' x '.join(map(str, picture))}. Is one of them of another data set?"
        )
    upright = (0, 2, 1) if name.startswith(EMNIST) else (0, 1, 2)
    known, train_targets = np.unique(found["train", "labels"].array, return_inverse=True)
    labels = found["t10k", "labels"]
    if len(known) < 2:
        raise UserError(f"{found['train', 'labels'].path} has one class alone, expected 2 or more.")
    if len(strange := np.setdiff1d(labels.array, known)):
        raise UserError(f"{labels.path} has the label {strange[0]}, a class that is not trained on.")
    to_train, to_test = (
        Part(_rows(images.array.transpose(upright)), targets.astype(np.uint8))
        for images, targets in ((train, train_targets), (test, np.searchsorted(known, labels.array)))
    )
    sha = digest(to_train, to_test)
    if sha == fashion.DIGEST:
        return Dataset("fashion-mnist", to_train, to_test, fashion.CLASS_NAMES, fashion.PICTURE, sha)
    picture = tuple(picture[axis - 1] for axis in upright[1:])
    turned = ("EMNIST's files hold each image transposed: they are turned upright",) if upright[1] == 2 else ()
    names, given = _class_names(Path(path), name, known), tuple(known.tolist())
    return Dataset(name, to_train, to_test, names, picture, sha, notes=turned, labels=given)


def _rows(images: np.ndarray) -> np.ndarray:
    """[example, row, column] as [example, pixel]."""
    return np.ascontiguousarray(images).reshape(len(images), -1)


def _files(path: Path) -> tuple[str, dict[Role, Path]]:
    """What the data set is called, and the file in each role."""
    folder, wanted = (path, None) if path.is_dir() else (path.parent, path.name)
    if path.is_file():
        raise UserError(
            f"{path} is no table, and expected is the folder of {path.name} and its like: --data {folder}\n"
            "  Or a table as .csv, .csv.gz or .parquet, or arrays as .npz."
        )
    sets: dict[str, dict[Role, Path]] = {}
    for file in sorted(folder.iterdir()) if folder.is_dir() else []:
        if (match := NAME.fullmatch(file.name)) and file.is_file():
            part = "t10k" if match[2] == "test" else match[2]
            sets.setdefault(match[1] or "", {})[part, match[3]] = file  # of both, the .gz, which has a check sum
    if wanted is None and len(sets) == 1:
        (wanted,) = sets
    elif wanted is None and "" in sets:
        wanted = ""
    elif wanted is None and sets:
        names = [*sets]
        raise UserError(
            f"{path} holds {len(names)} data sets: {printable(listing(names[:12]))}.\n"
            f"  Say which: --data {printable(str(path / names[0]))}"
        )
    elif wanted is not None and wanted not in sets:
        if named := [name for name in sets if name]:
            raise UserError(f"{folder} has no data set {brief(wanted)}; it has {printable(listing(named[:12]))}.")
        raise absent(path, ANYTHING)
    files = sets.get(wanted or "", {})
    begin = f"{wanted}-" if wanted else ""
    usual = {role: f"{begin}{_part(role[0], begin)}-{role[1]}-idx{_dimensions(role[1])}-ubyte" for role in ROLES}
    if missing := [usual[role] for role in ROLES if role not in files]:
        are = "is" if len(missing) == 1 else "are"
        raise UserError(
            f"{path} has no data set: {listing(missing)} {are} missing, as .gz or unpacked.\n"
            "  Expected a folder with the four files of MNIST or its kin. Leave --data out for Fashion-MNIST."
        )
    return wanted or folder.resolve().name, files


def _part(part: str, begin: str) -> str:
    return "test" if part == "t10k" and begin.startswith(EMNIST) else part


def _dimensions(kind: str) -> int:
    return next(number for number, name in idx.DIMENSIONS.items() if name == kind)


def _read(path: Path, kind: str) -> _Found:
    way_out = "Copy or download it again."
    try:
        shape = idx.shape_of(path, _dimensions(kind))
        if not 0 < math.prod(shape) <= MOST_BYTES:
            sizes = " x ".join(f"{size:,}" for size in shape)
            raise UserError(f"{path} announces {sizes} bytes of {kind}, expected 1 to {MOST_BYTES:,} in all.")
        return _Found(path, idx.array_of(idx.content_of(path, shape, way_out), shape))
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}).\n  {way_out}") from None


def _class_names(path: Path, name: str, known: np.ndarray) -> tuple[str, ...]:
    """The characters of EMNIST's mapping file (a line is a label and the codes of its characters), or the labels."""
    file = (path if path.is_dir() else path.parent) / f"{name}-mapping.txt"
    if not file.exists():
        return tuple(map(str, known))
    try:
        lines = reading.read(file, MOST_MAPPING).decode("ascii").splitlines()
        codes = {int(label): rest for label, *rest in (line.split() for line in lines if line.strip())}
        names = tuple("/".join(chr(int(code)) for code in codes[int(label)]) for label in known)
    except OSError as error:
        raise UserError(f"{file} cannot be read ({error.strerror}). Move it away to call classes by numbers.") from None
    except (ValueError, KeyError, OverflowError):
        names = ()
    if len(set(names)) < len(known) or not all(name.isprintable() and name for name in names):
        raise UserError(
            f"{file} does not name every label, each once: expected a line such as '10 65' for each, label and code."
            " Move it away to call classes by numbers."
        )
    return names
