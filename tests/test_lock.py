"""One writer a folder: whoever comes second is told, and the lock of the dead holds nobody up."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from jaxreg.errors import UserError
from jaxreg.store.lock import HOLDER, locked

ROOT = Path(__file__).parents[1]


def holding(path, act):
    """A process that has the lock, and what `act` does with it; its exit code is returned."""
    code = (
        "import sys; from pathlib import Path; from jaxreg.store.lock import locked\n"
        "with locked(Path(sys.argv[1]), 'the other command'):\n  print('held', flush=True)\n  sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "held\n"
        act(process)
        process.stdin.close()
        return process.wait(60)


def test_the_second_is_told_who_has_it_and_since_when(tmp_path):
    def act(process):
        with pytest.raises(UserError) as told, locked(tmp_path, "mine"):
            pass
        assert f"process {process.pid} on {socket.gethostname()} since 20" in str(told.value)
        assert "the other command" in str(told.value) and "--out" in str(told.value)

    assert holding(tmp_path, act) == 0
    with locked(tmp_path, "mine"):
        pass
    assert not (tmp_path / HOLDER).exists()


def test_the_lock_of_a_process_that_was_killed_is_taken_over(tmp_path):
    assert holding(tmp_path, lambda process: process.kill()) < 0
    assert (tmp_path / HOLDER).exists()
    with locked(tmp_path, "mine"):
        pass


def test_a_holder_on_another_host_is_named_with_what_to_type(tmp_path):
    (tmp_path / HOLDER).write_text(json.dumps({"host": "elsewhere", "process": 7, "since": "noon", "command": "x"}))
    with (
        pytest.raises(UserError, match=r"process 7 on elsewhere since noon: x(.|\n)*rm .*lock.json"),
        locked(tmp_path, ""),
    ):
        pass
    (tmp_path / HOLDER).unlink()
    with locked(tmp_path, "mine"):
        pass


@pytest.mark.parametrize("content", ["", "[]", "[" * 100_000, '{"host": {"a": 1}}'])
def test_a_strange_holder_is_no_traceback(tmp_path, content):
    (tmp_path / HOLDER).write_text(content)
    try:
        with locked(tmp_path, "mine"):
            pass
    except UserError as told:
        assert "rm " in str(told)


def test_a_lock_that_is_a_link_is_refused(tmp_path):
    (tmp_path / ".lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError, match="can't be locked"), locked(tmp_path, "mine"):
        pass
    assert not os.path.lexists(tmp_path / "elsewhere")
