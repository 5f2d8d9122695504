"""Sweeps nobody should send: what a typo asks for is refused at once, with its number and the limit."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from jaxreg import sweep
from jaxreg.data.fashion import SIGNATURE
from jaxreg.engine import forecast
from jaxreg.errors import UserError
from jaxreg.formatting import brief, printable
from jaxreg.spec import members
from jaxreg.spec.limits import DEPTH, LIMITS, MOST_CELLS, MOST_MEMBERS, too_deep
from jaxreg.spec.load import load, read

pytestmark = pytest.mark.timeout(60)  # what falls takes minutes, or all memory
MANY = ",".join(str(number / 1000) for number in range(150))
DIGITS = "9" * 6000


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("--seeds 588911395913", "--seeds: must be a whole number from 1 to 1000000, got 588911395913."),
        ("--splits 1000001", "--splits: must be a whole number from 1 to 1000000, got 1000001."),
        ("--full-seeds 1e9", "--full-seeds: must be a whole number from 0 to 1000000, got 1000000000.0."),
        (f"--seeds {DIGITS}", "--seeds: must be a whole number from 1 to 1000000, got inf."),
        (f"--seed {DIGITS[:4000]}", "--seed: must be a whole number from 0 to 4294967295, got 9999"),
        (f"--l1 {DIGITS}", "got inf."),
        (f"--l1 {DIGITS[:4000]}", "--l1: must be a finite number of at least 0"),
        ("--l1 1e400", "got inf."),
        ("--epochs nan", "--epochs: must be a whole number from 1 to 1000000, got nan."),
        ("--epochs 10000000", "--epochs: must be a whole number from 1 to 1000000, got 10000000."),
        ("--batch-size 99999999999", "--batch-size: must be a whole number from 1 to 1000000"),
        ("--early-stopping 99999999999", "--early-stopping: must be a whole number from 0 to 1000000"),
        ("--depth 3,10000000000", "--depth: must be a whole number from 1 to 100, got 10000000000."),
        ("--hidden 100001", "--hidden: must be a list of at most 100 layer widths, each from 1 to 100000"),
        (f"--hidden {'8,' * 100}8", "--hidden: must be a list of at most 100 layer widths, each from 1 to"),
        ("--hidden 100000,100000", "10000000000 weights between them, and at most 100000000 are possible"),
        ("--width 1e300", "--width: a hidden layer has 2.56e+302 units, and at most 100000 are possible"),
        ("--width 1e-300", None),
        ("--width 100000-100000-9", "--width: the hidden layers have 10000900000 weights between them"),
        ("--seeds 4000 --splits 30", "--seeds: 6 cells of 120000 members each are 720000 members, and a sweep has at"),
        (f"--grid l1*l2 --l1 {MANY} --l2 {MANY}", "--grid: asks for 22500 cells, and a sweep has at most 10000."),
        (f"--grid {'l1,' * 5000}l1", "--grid: asks for 30006 cells, and a sweep has at most 10000."),
        (f"--grid {'l1*' * 5000}l1", "names an axis twice"),
        (f"--grid {'x' * 50000}", "--grid: unknown axis `xxx"),
        (f"--l1 {'0,1e-5,' * 9000}1", "--l1: has 18001 values, and a sweep has at most 10000 cells."),
        ("--block 1000000000000", "--block: must be a whole number from 1 to 10000, got 1000000000000."),
        (f"--block {DIGITS}", "--block: must be a whole number from 1 to 10000, got inf."),
        ("--devices 100000000", "--devices: must be a whole number from 1 to 1024, got 100000000."),
        ("--name a\0b", "--name: must be a name of letters"),
        ("--name a\udcffb", "--name: must be a name of letters"),
        ("--data a\0b", "does not exist, expected a table (.csv"),
        ("--data a\udcffb.csv --test c", "does not exist, expected a table"),
        ("--data a\ud800b.csv --test c", "can't be read as a table"),
        ("--data a\udcffb --test c", "does not exist, expected a table"),
        ("a\0b.toml", "can't be read (no file can have this name)"),
        ("\ud800.toml", "can't be read (no file can have this name)"),
        (f"--like {os.devnull}", "can't be read"),
        ("--like a\0b", "can't be read"),
    ],
    ids=lambda given: given and given[:40].encode("ascii", "backslashreplace").decode().replace("\0", "0"),
)
def test_on_the_command_line(arguments: str, said: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jaxreg.engine.devices.configure", lambda devices: None)
    grid = [] if "--grid" in arguments or ".toml" in arguments else ["--grid", "l1"]
    if "--depth" in arguments or "--width" in arguments or "--early" in arguments:
        grid = ["--grid", arguments.split()[0][2:].replace("-", "_")]
    told = io.TextIOWrapper(io.BytesIO(), "utf-8", "backslashreplace")  # as Python opens standard error
    monkeypatch.setattr("sys.stderr", told)
    code = sweep.main([*arguments.split(" "), *grid, "--dry-run"])
    told.seek(0)
    error = told.read()
    if said is None:
        assert code == 0
    else:
        assert code == 2 and said in error and len(error) < 1500 and len(error.splitlines()) <= 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("l1 = " + 10_000 * "[" + 10_000 * "]", "more than 10 deep in one another"),
        ("l1 = " + 200 * "[" + 200 * "]", "more than 10 deep in one another"),
        ("l1 = " + 300 * "{a = " + "1" + 300 * "}", "more than 10 deep in one another"),
        ("a" + ".a" * 100_000 + " = 1", "has a key of more than 8 parts"),
        ("a" + " . 'b' . \"c\"" * 50_000 + " = 1", "has a key of more than 8 parts"),
        (f"seeds = {'9' * 5000}", "is not valid TOML: Exceeds the limit"),
        (
            f"seeds = 0x{'f' * 5000}",
            "seeds: must be a whole number from 1 to 1000000, got a number of thousands of digits.",
        ),
        (f"grid = 'l1'\n[axes]\nl1 = [0x{'f' * 5000}]", "got a number of thousands of digits"),
        (f"grid = 'l1'\n[axes]\nl1 = [{10**400}]", "[axes] l1: must be a finite number"),
        ("grid = 'l1'\n[axes]\nl1 = [1e400]", "[axes] l1: must be a finite number of at least 0, such as 1e-5"),
        ("grid = 'l1'\n[axes]\nl1 = [nan, nan]", "[axes] l1: nan is there more than once"),
        ("grid = 'l1'\n[axes]\nl1 = [1979-05-27]", "[axes] l1: must be a finite number"),
        ("[[run]]\n" * 20_000, "asks for 20000 cells, and a sweep has at most 10000"),
        ("name = '" + "x" * 999_990 + "'", "nothing to train"),
        ("'" + "x" * 500_000 + "' = 1", "unknown key `xxxx"),
        ("#" * 1_000_001, "larger than the 1,000,000 bytes that it may have"),
        ('grid = "\\u0000"', "unknown axis `\ufffd`"),
        ('name = "\\u001b[31m"', 'got "\ufffd[31m"'),
        ('data = "\\u0000"\ngrid = "l1"', None),
    ],
    ids=lambda text: text and text[:20],
)
def test_in_a_file(tmp_path: Path, text: str, said: str | None) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(text)
    if said is None:
        load(file)
        return
    with pytest.raises(UserError) as caught:
        load(file)
    assert said in str(caught.value)
    assert str(caught.value).startswith(str(file)) and len(str(caught.value)) < 2500


def test_runs_in_a_row_have_an_end() -> None:
    chain = [{"name": "r0"}, *({"name": f"r{n}", "after": f"r{n - 1}"} for n in range(1, 300))]
    assert len(members.members(read({"run": chain[:100], "splits": 1, "seeds": 2}))) == 200
    with pytest.raises(UserError, match="at most 100 runs may start one after another"):
        read({"run": chain})


@pytest.mark.parametrize(("kind", "said"), [("FIFO", "it is a FIFO"), ("folder", "Is a directory"), ("loop", "links")])
def test_what_is_no_file_is_not_waited_for(tmp_path: Path, kind: str, said: str) -> None:
    file = tmp_path / "mine.toml"
    {"FIFO": lambda: os.mkfifo(file), "folder": file.mkdir, "loop": lambda: file.symlink_to(file)}[kind]()
    with pytest.raises(UserError, match=f"can't be read .*{said}"):
        load(file)
    with pytest.raises(UserError, match="can't be read .it is a device"):
        load("/dev/zero")


def test_as_many_members_as_there_may_be_are_counted_and_not_made(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = load(flags={"grid": "l1", "l1": [0, 1e-5], "splits": 5, "seeds": 9_998, "full_seeds": 10})
    monkeypatch.setattr(members, "Member", None)
    plan = forecast.plan(asked, SIGNATURE)
    assert plan.members == members.number(asked) == MOST_MEMBERS
    assert len(forecast.forecast(asked, plan, SIGNATURE).splitlines()) == 6


@pytest.mark.parametrize("full", [0, 3])
def test_the_number_of_members_is_theirs(full: int) -> None:
    asked = load(flags={"grid": "l1,l2", "splits": 3, "seeds": 2, "full_seeds": full})
    assert members.number(asked) == len(members.members(asked)) == 11 * (6 + full)


def test_depth_is_found_without_descending() -> None:
    value: list = []
    for _ in range(100_000):
        value = [value]
    assert too_deep(value)
    inner: object = 1
    for _ in range(DEPTH):
        inner = {"a": inner}
    assert not too_deep(inner) and too_deep([inner])
    assert LIMITS["cells of a sweep"] == MOST_CELLS


def test_what_is_shown_of_what_was_given_is_short_and_of_one_line() -> None:
    assert brief([1, 1e-5, "a"]) == '[1, 1e-5, "a"]'
    assert brief("a\nb\x1b[0m\u202e") == '"a\ufffdb\ufffd[0m\ufffd"'
    assert brief("x" * 1000) == '"' + "x" * 99 + "\u2026"
    assert printable("Größe 大 \U0001f600") == "Größe 大 \U0001f600"
