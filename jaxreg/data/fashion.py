"""Fashion-MNIST: find the four files, check every byte, and hand them over as arrays.

The files are IDX: a big-endian header (magic 0x800 + number of dimensions, then each dimension), then the
bytes. What is checked is the unpacked content, because gzip wrappers of the same data differ (Debian's lack
the file name).
"""

from __future__ import annotations

import hashlib
import math
import os
import sys
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from jaxreg import reading
from jaxreg.data import download
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


def load(folder: str | Path | None = None, announce: Callable[[str], None] | None = None) -> Dataset:
    """Fashion-MNIST, whole and checked.

    Args:
        folder: where the four .gz files are. None looks in data/fashion-mnist of the clone and of the current folder,
            in the user's cache and the system's share/datasets/fashion-mnist, and downloads into the cache if none
            has them.
        announce: called with one line before a download starts.

    Raises:
        UserError: a file is missing, damaged or altered, or the data is nowhere to be had.
    """
    if folder is not None:
        return _read_folder(_given(Path(folder)))
    looked_in = []
    for candidate in _folders():
        if not _missing(candidate):
            return _read_folder(candidate)
        looked_in.append(candidate)
    return _read_folder(download.fetch(FILES, looked_in, announce))


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


LEAVE_OUT = "Leave --data out to use this clone's data/fashion-mnist, your cache, or to download it."


def _given(folder: Path) -> Path:
    if folder.is_file():
        raise UserError(
            f"{folder} is a file, expected the folder that holds {FILES[0].name} and the other three.\n"
            f"  A pair of CSV files takes both: --data TRAIN.csv --test TEST.csv. {LEAVE_OUT}"
        )
    if not folder.is_dir():
        raise UserError(f"{folder} does not exist, expected a folder with Fashion-MNIST's files.\n  {LEAVE_OUT}")
    if missing := _missing(folder):
        are = "is" if len(missing) == 1 else "are"
        raise UserError(
            f"{folder} has no Fashion-MNIST ({', '.join(missing)} {are} missing; 4 files, 31 MB).\n  {LEAVE_OUT}"
        )
    return folder


def _read_folder(folder: Path) -> Dataset:
    # zlib and hashlib let go of the interpreter lock, so four threads cost what the largest file costs.
    with ThreadPoolExecutor(len(FILES)) as pool:
        train_images, train_labels, test_images, test_labels = pool.map(
            lambda file: _read_file(folder / file.name, file), FILES
        )
    train, test = Part(train_images, train_labels), Part(test_images, test_labels)
    return Dataset("fashion-mnist", train, test, CLASS_NAMES, PICTURE, DIGEST)


def _read_file(path: Path, file: IdxFile) -> np.ndarray:
    """One file's array (read-only): images [example, 784] or labels [example].

    Memory: what the file should hold, three times at most, whatever it holds.
    """
    way_out = f"Delete it and give the same command again without --data. {LEAVE_OUT}"
    size = len(file.header) + math.prod(file.shape)
    try:
        packed = reading.read(path, size + size // 1000 + 65536)  # what does not shrink grows by less than that
        stream = zlib.decompressobj(reading.GZIP)
        content = stream.decompress(packed, size + 1)
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}).\n  {LEAVE_OUT}") from None
    except zlib.error as error:
        raise UserError(f"{path} is truncated or no gzip file: {len(packed)} bytes ({error}).\n  {way_out}") from None
    if not stream.eof and len(content) <= size:
        raise UserError(f"{path} is truncated or no gzip file: {len(packed)} bytes and no end.\n  {way_out}")
    if not content.startswith(file.header):
        found = content[: len(file.header)].hex(" ", 4) or "nothing"
        raise UserError(
            f"{path} is not the IDX file it is named for: it begins with {found},"
            f" expected {file.header.hex(' ', 4)} (magic, then {' x '.join(map(str, file.shape))}).\n"
            f"  {way_out}"
        )
    if len(content) > size:
        raise UserError(f"{path} unpacks to more than the {size:,} bytes that its header announces.\n  {way_out}")
    if stream.unused_data:
        raise UserError(f"{path} has {len(stream.unused_data):,} bytes after its gzip stream.\n  {way_out}")
    found = hashlib.sha256(content).hexdigest()
    if found != file.content:
        raise UserError(
            f"{path} is not Fashion-MNIST's, or was altered: unpacked SHA-256 {found},"
            f" expected {file.content}.\n  {way_out}"
        )
    return np.frombuffer(content, np.uint8, offset=len(file.header)).reshape(
        file.shape[0], *([math.prod(PICTURE)] if len(file.shape) == 3 else [])
    )
