"""Completion, asked as a shell asks: in a process of its own, with the line in its environment."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from jaxreg.__main__ import COMMANDS
from jaxreg.axes import AXES

ROOT = Path(__file__).parents[1]
FLAGS = {"--" + axis.replace("_", "-") for axis in AXES} | {"--grid", "--epochs", "--dry-run", "--out"}


@pytest.fixture
def proposed(tmp_path):
    """What is proposed at the end of a line, in a folder with a sweep, a table, a text and a run."""
    for name in ("mine.toml", "printed.csv", "notes.txt"):
        (tmp_path / name).touch()
    (tmp_path / "runs").mkdir()
    answer = tmp_path / ".answer"

    def ask(line: str, start: int = 1) -> set[str]:
        asked = {"_ARGCOMPLETE": str(start), "COMP_LINE": line, "COMP_POINT": str(len(line))}
        talk = {"_ARGCOMPLETE_STDOUT_FILENAME": str(answer), "_ARGCOMPLETE_IFS": "\n", "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-m", "jaxreg"]
        done = subprocess.run(command, cwd=tmp_path, env=os.environ | asked | talk, capture_output=True, timeout=60)
        assert (done.returncode, done.stdout) == (0, b""), done.stderr
        return {word.strip() for word in answer.read_text().split("\n")} - {""}

    return ask


def test_commands_and_sweep_files_come_first(proposed):
    assert proposed("jaxreg ") == {*COMMANDS, "mine.toml", "runs/"}
    assert proposed("jaxreg re") == {"report"}
    assert proposed("python -m jaxreg co", start=3) == {"coverage"}


def test_flags_without_a_command_are_those_of_sweep(proposed):
    assert proposed("jaxreg --") == proposed("jaxreg sweep --") == proposed("jaxreg mine.toml --")
    assert proposed("jaxreg --") >= FLAGS
    assert proposed("jaxreg --grid l1 --early") == {"--early-stopping"}
    assert proposed("jaxreg --grid l1 ") == proposed("jaxreg sweep ") == {"mine.toml", "runs/"}


@pytest.mark.parametrize(
    ("command", "flags"),
    [
        ("report", {"--for", "--help", "--kind", "--out", "--predictions", "--reference"}),
        ("study", {"--help", "--notebook", "--regularizers", "--outliers", "--printed", "--cost"}),
        ("coverage", {"--help", "--only", "--repetitions", "--replicate"}),
    ],
)
def test_a_command_has_flags_of_its_own(command, flags, proposed):
    assert proposed(f"jaxreg {command} --") == flags
    assert proposed(f"python -m jaxreg {command} --", start=3) == flags


def test_values_are_what_a_flag_takes(proposed):
    assert proposed("jaxreg report ") == proposed("jaxreg --out ") == {"runs/"}
    assert proposed("jaxreg study --printed ") == {"printed.csv", "runs/"}
    assert proposed("jaxreg --data no") == {"notes.txt"}
    assert proposed("jaxreg --grid l1,l") == {f"l1,{axis}" for axis in AXES if axis.startswith("l")}
    assert proposed("jaxreg --epochs ") == set()
