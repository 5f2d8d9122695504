"""Fashion-MNIST: find the four files, check every byte, and hand them over as arrays."""

from __future__ import annotations

import hashlib
import math
import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from jaxreg.data import download, idx
from jaxreg.data.dataset import Dataset, Part, Signature
from jaxreg.data.idx import IdxFile
from jaxreg.errors import UserError

CLASS_NAMES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
    "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip

# `digest` of the arrays below; a test computes it again from the files.
DIGEST = "ca3ab2a37f845e1b8ae23cab1b51749a3011ba3bf1d9016176d75cbaabac376f"

CLONE = Path(__file__).resolve().parents[2] / "data" / "fashion-mnist"


FILES = (
    IdxFile(
        "train-images-idx3-ubyte.gz",
        (60000, 28, 28),
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
    ),
    IdxFile(
        "train-labels-idx1-ubyte.gz",
        (60000,),
        "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
    ),
    IdxFile(
        "t10k-images-idx3-ubyte.gz",
        (10000, 28, 28),
        "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
    ),
    IdxFile(
        "t10k-labels-idx1-ubyte.gz",
        (10000,),
        "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
    ),
)


PICTURE = FILES[0].shape[1:]
SIGNATURE = Signature((math.prod(PICTURE),), len(CLASS_NAMES), FILES[1].shape[0], FILES[3].shape[0])


def load(announce: Callable[[str], None] | None = None) -> Dataset:
    """Fashion-MNIST, whole and checked.

    It may lie in data/fashion-mnist of the clone and of the current folder, in the user's cache, or in the system's
    share/datasets/fashion-mnist; where none has it, it is downloaded into the cache.

    Args:
        announce: called with one line before a download starts.

    Raises:
        UserError: a file is damaged or altered, or the data is nowhere to be had.
    """
    looked_in = []
    for candidate in _folders():
        if not _missing(candidate):
            return read(candidate)
        looked_in.append(candidate)
    return read(download.fetch(FILES, looked_in, announce))


def read(folder: Path) -> Dataset:
    """What is in a folder with the four files. Raises `UserError` where one is damaged or altered."""
    # zlib and hashlib let go of the interpreter lock, so four threads cost what the largest file costs.
    with ThreadPoolExecutor(len(FILES)) as pool:
        train_images, train_labels, test_images, test_labels = pool.map(
            lambda file: _read_file(folder / file.name, file), FILES
        )
    train, test = Part(train_images, train_labels), Part(test_images, test_labels)
    return Dataset("fashion-mnist", train, test, CLASS_NAMES, PICTURE, DIGEST)


def _folders() -> Iterator[Path]:
    """Where the data may lie already, nearest first."""
    yield CLONE
    yield Path("data", "fashion-mnist")  # a clone that jaxreg was installed from, and not in place
    try:  # only when it comes to the cache: a clone needs neither pooch nor the time to import it
        import pooch
    except ImportError:  # without the downloader there is no cache either
        pass
    else:
        yield Path(pooch.os_cache("jaxreg")) / "fashion-mnist"
    shares = os.environ.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share"
    for share in dict.fromkeys([*shares.split(os.pathsep), str(Path(sys.prefix) / "share")]):
        yield Path(share) / "datasets" / "fashion-mnist"


def _missing(folder: Path) -> list[str]:
    return [file.name for file in FILES if not (folder / file.name).is_file()]


WAY_OUT = "Delete it and give the same command again: it is looked for elsewhere then, or downloaded."


def _read_file(path: Path, file: IdxFile) -> np.ndarray:
    """One file's array (read-only): images [example, 784] or labels [example]."""
    try:
        content = idx.content_of(path, file.shape, WAY_OUT)
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}).\n  {WAY_OUT}") from None
    found = hashlib.sha256(content).hexdigest()
    if found != file.content:
        raise UserError(
            f"{path} is not Fashion-MNIST's, or was altered: unpacked SHA-256 {found},"
            f" expected {file.content}.\n  {WAY_OUT}"
        )
    array = idx.array_of(content, file.shape)
    return array.reshape(len(array), -1) if array.ndim == 3 else array
