"""Fashion-MNIST: the bytes are the right ones, and every way in which they can be wrong is said plainly."""

from __future__ import annotations

import gzip
import hashlib
import http.server
import shutil
import socket
import subprocess
import sys
import threading
import types
from pathlib import Path

import numpy as np
import pytest

from jaxreg.data import download, fashion
from jaxreg.data.dataset import digest, subset
from jaxreg.errors import UserError

REAL = fashion.CLONE
SMALL = fashion.FILES[3].name  # 10,000 labels in 5 kB: what is broken in most tests
IMAGES = fashion.FILES[0].name


@pytest.fixture(scope="module")
def dataset():
    return fashion.load()


@pytest.fixture
def folder(tmp_path):
    copy = tmp_path / "mine"
    shutil.copytree(fashion.CLONE, copy)
    return copy


@pytest.fixture
def nowhere(monkeypatch, tmp_path):
    """A machine without the data: no clone, an empty cache (its path is returned), no system folder."""
    pooch = pytest.importorskip("pooch")
    monkeypatch.chdir(tmp_path)  # the current folder has none either
    monkeypatch.setattr(fashion, "CLONE", tmp_path / "no-clone")
    monkeypatch.setattr(pooch, "os_cache", lambda name: tmp_path / "cache" / name)
    monkeypatch.setenv("XDG_DATA_DIRS", str(tmp_path / "share"))
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "prefix"))  # a system's own Python has /usr here
    return tmp_path / "cache" / "jaxreg" / "fashion-mnist"


def test_the_arrays(dataset):
    assert dataset.train.inputs.shape == (60000, 784) and dataset.test.inputs.shape == (10000, 784)
    assert all(array.dtype == np.uint8 for array in (*dataset.train, *dataset.test))
    assert np.bincount(dataset.train.targets).tolist() == [6000] * 10
    assert np.bincount(dataset.test.targets).tolist() == [1000] * 10
    assert dataset.train.targets[:5].tolist() == [9, 0, 0, 3, 0]  # the boot that every tutorial shows first
    assert dataset.train.inputs.mean() / 255 == pytest.approx(0.2860, abs=5e-5)  # constants in wide use
    assert dataset.train.inputs.std() / 255 == pytest.approx(0.3530, abs=5e-5)
    assert len(dataset.class_names) == 10


def test_the_digest_is_that_of_the_arrays(dataset):
    assert digest(dataset.train, dataset.test) == dataset.digest


def test_the_readme_beside_the_data_gives_the_digests_of_its_content():
    text = (fashion.CLONE / "README.md").read_text()
    for file in fashion.FILES:
        content = gzip.decompress((fashion.CLONE / file.name).read_bytes())
        assert f"`{file.name}` |" in text and hashlib.sha256(content).hexdigest() in text
    assert all(f"| {name} |" in text for name in fashion.CLASS_NAMES)


def test_another_wrapper_of_the_same_bytes_is_as_good(folder, dataset):
    content = gzip.decompress((folder / SMALL).read_bytes())
    (folder / SMALL).write_bytes(gzip.compress(content, compresslevel=1, mtime=1))
    assert fashion.read(folder).digest == dataset.digest


def test_subset_is_the_first_of_each_class_in_file_order(dataset):
    small = subset(dataset, 5, 2)
    assert (np.bincount(small.train.targets) == 5).all() and (np.bincount(small.test.targets) == 2).all()
    assert (small.train.inputs[0] == dataset.train.inputs[0]).all()
    sevens = np.flatnonzero(dataset.train.targets == 7)[:5]
    assert (small.train.inputs[small.train.targets == 7] == dataset.train.inputs[sevens]).all()
    assert small.digest == digest(small.train, small.test) != dataset.digest
    with pytest.raises(UserError, match="6001 training examples per class .* 1 to 6000"):
        subset(dataset, 6001, 1)


def damaged(kind: str, path: Path) -> None:
    packed = path.read_bytes()
    if kind == "truncated":
        path.write_bytes(packed[: len(packed) // 2])
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "flipped bit":
        path.write_bytes(packed[:2000] + bytes([packed[2000] ^ 1]) + packed[2001:])
    elif kind == "altered":
        content = bytearray(gzip.decompress(packed))
        content[-1] ^= 1
        path.write_bytes(gzip.compress(bytes(content)))
    elif kind == "other file":
        shutil.copy(path.with_name(fashion.FILES[1].name), path)
    elif kind == "empty gzip":
        path.write_bytes(gzip.compress(b""))
    elif kind == "not a gzip":
        path.write_bytes(b"version https://git-lfs.github.com/spec/v1\n")


@pytest.mark.parametrize(
    ("kind", "fault"),
    [
        ("truncated", "is truncated or no gzip file: 2562 bytes"),
        ("empty", "is truncated or no gzip file: 0 bytes"),
        ("flipped bit", "is truncated or no gzip file"),
        ("altered", "unpacked SHA-256 [0-9a-f]{64}, expected 0402a96d"),
        ("other file", "begins with 00000801 0000ea60, expected 00000801 00002710"),
        ("empty gzip", "begins with nothing, expected 00000801 00002710"),
        ("not a gzip", "is truncated or no gzip file"),
    ],
)
def test_a_damaged_file_is_named(folder, kind, fault):
    damaged(kind, folder / SMALL)
    with pytest.raises(UserError, match=f"{SMALL} .*{fault}") as caught:
        fashion.read(folder)
    assert "Delete it and give the same command again" in str(caught.value)


def test_a_damaged_file_in_the_clone_is_said_not_passed_over(folder, monkeypatch):
    damaged("altered", folder / SMALL)
    monkeypatch.setattr(fashion, "CLONE", folder)
    with pytest.raises(UserError, match=f"{SMALL} .*unpacked SHA-256"):
        fashion.load()


def test_a_truncated_large_file_is_named(folder):
    damaged("truncated", folder / IMAGES)
    with pytest.raises(UserError, match=f"{IMAGES} is truncated"):
        fashion.read(folder)


def test_a_file_that_may_not_be_read_is_named(folder, monkeypatch):
    def refuse(path, how):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("os.open", refuse)  # not chmod: the administrator may read everything
    with pytest.raises(UserError, match="cannot be read .Permission denied"):
        fashion.read(folder)


def test_the_cache_then_the_system_folder(nowhere, dataset, tmp_path, monkeypatch):
    system = tmp_path / "share" / "datasets" / "fashion-mnist"
    shutil.copytree(REAL, system)
    monkeypatch.setattr(download, "fetch", None)  # would fail if it came to that
    assert fashion.load().digest == dataset.digest
    shutil.copytree(REAL, nowhere)
    damaged("altered", nowhere / SMALL)
    with pytest.raises(UserError, match=f"cache.*{SMALL} .*unpacked SHA-256"):
        fashion.load()
    (nowhere / SMALL).unlink()  # what the message says to do
    assert fashion.load().digest == dataset.digest


def test_a_clone_is_found_from_inside_it_where_jaxreg_is_installed_elsewhere(nowhere, dataset, tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "fashion-mnist").symlink_to(REAL)
    monkeypatch.setattr(download, "fetch", None)  # would fail if it came to that
    assert fashion.load().digest == dataset.digest


@pytest.fixture
def server(tmp_path, monkeypatch):
    """The official addresses, on this machine: the first has nothing, the second this folder."""
    site = tmp_path / "site"
    (site / "empty").mkdir(parents=True)
    shutil.copytree(REAL, site / "full")
    # pooch waits a second before it tries again.
    monkeypatch.setattr("pooch.core.time", types.SimpleNamespace(sleep=lambda seconds: None))

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments):
            super().__init__(*arguments, directory=str(site))

        def log_message(self, format, *arguments):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as web:
        thread = threading.Thread(target=web.serve_forever, args=[0.02])
        thread.start()
        address = f"http://127.0.0.1:{web.server_port}"
        monkeypatch.setattr(download, "ADDRESSES", (f"{address}/empty/", f"{address}/full/"))
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        yield site / "full"
        web.shutdown()
        thread.join()


def expect_these_wrappers(monkeypatch, folder: Path) -> None:
    """The served wrappers are not the official ones, whose digests stand in FILES."""
    digests = [hashlib.sha256((folder / file.name).read_bytes()).hexdigest() for file in fashion.FILES]
    files = tuple(file._replace(wrapper=sha) for file, sha in zip(fashion.FILES, digests, strict=True))
    monkeypatch.setattr(fashion, "FILES", files)


def test_download_into_the_cache(nowhere, server, monkeypatch, dataset):
    expect_these_wrappers(monkeypatch, server)
    lines: list[str] = []
    assert fashion.load(announce=lines.append).digest == dataset.digest
    assert lines == [f"downloading Fashion-MNIST (31 MB) to {nowhere} ..."]
    assert sorted(path.name for path in nowhere.iterdir()) == sorted(file.name for file in fashion.FILES)
    monkeypatch.setattr(download, "ADDRESSES", ())
    assert fashion.load().digest == dataset.digest  # from the cache now


def test_an_interrupted_download_goes_on_and_takes_only_what_lacks(nowhere, server, monkeypatch, dataset):
    expect_these_wrappers(monkeypatch, server)
    nowhere.mkdir(parents=True)
    for file in fashion.FILES[:3]:
        shutil.move(server / file.name, nowhere)
    assert fashion.load().digest == dataset.digest


def test_a_wrong_download_leaves_nothing_in_the_cache(nowhere, server, monkeypatch):
    expect_these_wrappers(monkeypatch, server)
    damaged("truncated", server / IMAGES)
    with pytest.raises(UserError, match="could not be downloaded .*does not match") as caught:
        fashion.load()
    assert "127.0.0.1: answers 404; 127.0.0.1: what came does not match the SHA-256" in str(caught.value)
    assert not nowhere.parent.parent.exists()
    for way_out in (str(nowhere), "--data FOLDER", "--data FILE.csv", "apt install dataset-fashion-mnist", "try again"):
        assert way_out in str(caught.value)


def test_an_address_that_does_not_answer(nowhere, monkeypatch):
    """A real one, on this machine, where nobody listens: three lines, and no folder is left that was not there."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and not listened to
        monkeypatch.setattr(download, "ADDRESSES", (f"http://127.0.0.1:{taken.getsockname()[1]}/",))
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        nowhere.parent.parent.mkdir()
        with pytest.raises(UserError, match=r"could not be downloaded \(127.0.0.1: no connection\)") as caught:
            fashion.load()
    assert len(str(caught.value).splitlines()) <= 3
    assert list(nowhere.parent.parent.iterdir()) == [], "the folder that was there stays"


def test_a_cache_that_cannot_be_made(nowhere, server):
    nowhere.parent.parent.mkdir()
    nowhere.parent.write_text("a file where the folder should be")
    with pytest.raises(UserError, match="(?s)could not be downloaded .*--data FOLDER"):
        fashion.load()


def test_without_the_downloader_the_data_is_still_found(monkeypatch, dataset):
    monkeypatch.setitem(sys.modules, "pooch", None)
    assert fashion.load().digest == dataset.digest
    monkeypatch.setattr(fashion, "_folders", lambda: iter(()))
    with pytest.raises(UserError, match="the package pooch, is not installed"):
        fashion.load()


def test_loading_from_the_clone_imports_neither_jax_nor_the_downloader():
    code = "import sys; from jaxreg.data import fashion as f; f.load(); print({'jax', 'pooch'} & set(sys.modules))"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, cwd=REAL.parent.parent)
    assert done.stdout.strip() == "set()", done.stderr
