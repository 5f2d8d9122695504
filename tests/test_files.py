"""Files are whole or not there."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from jaxreg.files import HALF, remove_halves, write_csv, write_npz, write_text


def test_what_is_written_reads_back_the_same(tmp_path):
    table = pd.DataFrame({"a": [1e-5, 0.1 + 0.2, np.nan], "b": ["x", "y, z", '"é"']})
    pd.testing.assert_frame_equal(pd.read_csv(write_csv(tmp_path / "t.csv", table)), table)
    arrays = {"a": np.arange(3, dtype=np.float32), "names": np.array(["x", "long"])}
    with np.load(write_npz(tmp_path / "t.npz", arrays)) as found:
        for name, array in arrays.items():
            np.testing.assert_array_equal(found[name], array)
    assert write_text(tmp_path / "t.txt", "é\n").read_bytes() == "é\n".encode()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["t.csv", "t.npz", "t.txt"]


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = write_text(tmp_path / "t.txt", "old")

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        write_text(path, "new")
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(os.name == "nt", reason="no such permissions there")
def test_others_may_read_what_the_mask_allows(tmp_path):
    mask = os.umask(0o022)
    try:
        assert stat.S_IMODE(write_text(tmp_path / "t.txt", "").stat().st_mode) == 0o644
    finally:
        os.umask(mask)


def test_halves_that_a_kill_has_left_are_removed_and_nothing_else(tmp_path):
    """A process that ends in the middle of writing, as one that is killed does."""
    code = "import os, sys; from pathlib import Path; from jaxreg import files; "
    code += "files.write(Path(sys.argv[1]), lambda file: os._exit(9))"
    (tmp_path / "figures").mkdir()
    for name in ("table.csv", "figures/one.png"):
        root = Path(__file__).parents[1]
        assert subprocess.run([sys.executable, "-c", code, tmp_path / name], cwd=root, timeout=60).returncode == 9
    (tmp_path / "table.csv").write_text("whole")
    (tmp_path / "notes.tmp").write_text("the user's")
    assert len(list(tmp_path.rglob(f".*{HALF}"))) == 2
    remove_halves([tmp_path, tmp_path / "figures"])
    assert {path.name for path in tmp_path.rglob("*")} == {"table.csv", "notes.tmp", "figures"}
