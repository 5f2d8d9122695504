"""Files nobody should send, to whatever reads data: named and refused, in bounded memory, without waiting."""

from __future__ import annotations

import gzip
import os
import socket
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from jaxreg import reading
from jaxreg.data import fashion, idx_folder, kaggle
from jaxreg.errors import UserError

ROOT = Path(__file__).parents[1]
HEADER = ",".join(kaggle.COLUMNS).encode() + b"\n"
ROW = b",".join([b"7"] * 785) + b"\n"
MEMORY = 1_500_000_000  # bytes of address space: NumPy's threads and libraries alone take 0.6 GB of it
GIGABYTE = 10**9


def bomb(path: Path, head: bytes, count: int, what: bytes = b"\0") -> Path:
    """A .gz that unpacks to `head` and `count` equal bytes: 10 MB of them, packed once and written again and again."""
    pack, size = zlib.compressobj(9, wbits=reading.GZIP), 10**7
    packed = pack.compress(head) + pack.flush(zlib.Z_FULL_FLUSH)
    chunk = pack.compress(what * size) + pack.flush(zlib.Z_FULL_FLUSH)
    path.write_bytes(packed + chunk * (count // size))
    return path


def refused(code: str, *words: str) -> None:
    """Runs it in a process that may have no more than `MEMORY`: a `UserError` that says the words, and soon."""

    text = (
        f"import resource\nresource.setrlimit(resource.RLIMIT_AS, ({MEMORY}, {MEMORY}))\n"
        "from pathlib import Path\nfrom jaxreg.errors import exit_code\n"
        "from jaxreg.data import fashion, idx_folder, kaggle\n"
        f"exit(exit_code(lambda: {code}))"
    )
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", text]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=100)
    assert done.returncode == 2, done.stderr
    assert all(word in done.stderr for word in words), done.stderr
    assert len(done.stderr.splitlines()) <= 2


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of links to the real files, to be replaced one by one."""
    for file in fashion.FILES:
        (tmp_path / file.name).symlink_to(fashion.CLONE / file.name)
    return tmp_path


def test_a_bomb_of_idx_is_not_unpacked(folder: Path) -> None:
    file = fashion.FILES[0]
    (folder / file.name).unlink()
    bomb(folder / file.name, file.header, 6 * GIGABYTE)
    refused(
        f"fashion.read(Path({str(folder)!r}))", file.name, "more than the 47,040,016 bytes that its header announces"
    )


@pytest.mark.parametrize(
    ("head", "what", "said"),
    [
        (HEADER, b"1", "bomb.csv.gz line 2: more than 16,384 bytes"),
        (b"", b"1", "bomb.csv.gz line 1: more than 16,384 bytes"),
        (HEADER, b",", "bomb.csv.gz line 2: more than 16,384 bytes"),
        (HEADER, b"\n", "bomb.csv.gz line 2: 0 values"),
        (HEADER + b"1", b",", "bomb.csv.gz line 2: more than 16,384 bytes"),
    ],
)
def test_an_endless_line_is_not_read_to_its_end(tmp_path: Path, head: bytes, what: bytes, said: str) -> None:
    bomb(tmp_path / "bomb.csv.gz", head, 2 * GIGABYTE, what)
    refused(f"kaggle.load({str(tmp_path / 'bomb.csv.gz')!r}, 'test.csv')", said)


def test_rows_have_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kaggle, "MOST_ROWS", 3)
    train, test = tmp_path / "train.csv", tmp_path / "test.csv"
    train.write_bytes(HEADER + 3 * ROW)
    test.write_bytes(HEADER + 4 * ROW)
    with pytest.raises(UserError, match="test.csv has more than the 3 rows that are read"):
        kaggle.load(train, test)


@pytest.mark.parametrize("junk", [b"\0", b"junk", gzip.compress(b""), gzip.compress(ROW)], ids=len)
def test_nothing_follows_a_gzip_stream(tmp_path: Path, folder: Path, junk: bytes) -> None:
    train = tmp_path / "train.csv.gz"
    for at_the_end_of_a_piece in (False, True):
        packed = gzip.compress(HEADER + ROW, compresslevel=0)
        if at_the_end_of_a_piece:  # a comment in the header moves the end to where the next piece begins
            comment = b"c" * (65536 - len(packed) - 1) + b"\0"
            packed = packed[:3] + bytes([packed[3] | 16]) + packed[4:10] + comment + packed[10:]
            assert len(packed) == 65536
        train.write_bytes(packed)
        assert len(kaggle._read(train).targets) == 1
        train.write_bytes(packed + junk)
        with pytest.raises(UserError, match="train.csv.gz cannot be read .something follows the gzip stream"):
            kaggle._read(train)
    file = folder / fashion.FILES[3].name
    content = file.read_bytes()
    file.unlink()
    file.write_bytes(content + junk)
    with pytest.raises(UserError, match=f"{file.name} has {len(junk)} bytes after its gzip stream"):
        fashion.read(folder)


def test_a_gzip_stream_comes_out_as_it_was_whatever_the_pieces(tmp_path: Path) -> None:
    content = bytes(range(256)) * 3000 + b"\0" * 500_000
    (tmp_path / "some.gz").write_bytes(gzip.compress(content))
    for size in (1000, 4096, 65536, 10**7):
        with reading.opened(tmp_path / "some.gz") as file:
            found = list(reading.unpacked(file, size))
        assert b"".join(found) == content and max(map(len, found)) <= size and min(map(len, found)) > 0
    (tmp_path / "some.gz").write_bytes(gzip.compress(content)[:-1])
    with reading.opened(tmp_path / "some.gz") as file, pytest.raises(OSError, match="cut off"):
        list(reading.unpacked(file, 4096))


def test_a_header_that_lies_is_no_header(folder: Path) -> None:
    file = fashion.FILES[1]
    (folder / file.name).unlink()
    for count in (0, 59_999, 60_001, 2**32 - 1):
        lie = struct.pack(">II", 0x801, count) + bytes(60_000)
        (folder / file.name).write_bytes(gzip.compress(lie))
        with pytest.raises(UserError, match="is not the IDX file it is named for"):
            fashion.read(folder)
    for found, said in (
        (59_999, "is cut off: 60,007 bytes"),
        (60_000, "unpacked SHA-256"),
        (60_001, "more than the 60,008 bytes"),
    ):
        (folder / file.name).write_bytes(gzip.compress(file.header + bytes(found)))
        with pytest.raises(UserError, match=said):
            fashion.read(folder)
    with (folder / file.name).open("wb") as sparse:
        sparse.truncate(10**12)
    with pytest.raises(UserError, match="cannot be read .larger than the 125,604 bytes that it may have"):
        fashion.read(folder)


def special(path: Path, kind: str) -> Path:
    """Something at this path, or another, that is no regular file."""
    if kind == "FIFO":
        os.mkfifo(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(os.path.relpath(path))  # the name of a socket may not be long
    elif kind == "loop":
        path.symlink_to(path)
    elif kind == "link to a FIFO":
        os.mkfifo(path.with_suffix(".fifo"))
        path.symlink_to(path.with_suffix(".fifo"))
    elif kind == "link to nothing":
        path.symlink_to(path.with_suffix(".nothing"))
    elif kind == "folder":
        path.mkdir()
    return {"null byte": Path("a\0b"), "half a character": Path("\ud800"), "device": Path("/dev/zero")}.get(kind, path)


SPECIAL = {
    "FIFO": "it is a FIFO",
    "link to a FIFO": "it is a FIFO",
    "socket": "it is a socket",
    "device": "it is a device",
    "folder": "Is a directory",
    "loop": "symbolic links",
    "link to nothing": "No such file",
    "null byte": "no file can have this name",
    "half a character": "no file can have this name",
}


@pytest.mark.parametrize(("kind", "said"), SPECIAL.items(), ids=SPECIAL)
def test_what_is_no_file_is_named_and_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    path = special(tmp_path / "train.csv", kind)
    with pytest.raises(UserError, match=f"cannot be read .*{said}"):
        kaggle.load(path, "test.csv")
    for folder in (path, path.parent / "folder"):
        with pytest.raises(UserError):
            idx_folder.load(folder)


@pytest.mark.parametrize("kind", ["FIFO", "loop", "link to nothing", "folder"])
def test_what_is_no_file_is_not_one_of_the_four(folder: Path, kind: str) -> None:
    name = fashion.FILES[2].name
    (folder / name).unlink()
    special(folder / name, kind)
    with pytest.raises(UserError, match=f"{name.removesuffix('.gz')} is missing"):
        idx_folder.load(folder)
