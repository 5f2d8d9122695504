"""The folder of a run: whether it is ours, what may go on in it, what is still as it was written."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import pytest

from jaxreg.errors import UserError
from jaxreg.files import HALF
from jaxreg.store.folder import Folder

ROOT = Path(__file__).parents[1]
OURS = {"sweep": {}, "versions": {"jaxreg": "0.1.0"}}


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path / "run")


def about(sweep, digest="abc"):
    return OURS | {"sweep": sweep.resolved(), "data": {"digest": digest}}


def noted(folder, content):
    folder.path.mkdir(exist_ok=True)
    (folder.path / "run.json").write_text(json.dumps(content))
    return folder


def contents(path):
    return {file: file.read_bytes() for file in path.rglob("*") if file.is_file()}


def test_a_new_or_empty_folder_is_fine(folder):
    folder.make()
    folder.make()
    folder.prepare()
    folder.make()  # its own empty folders are no strangers'
    (folder.path / ".DS_Store").touch()
    folder.make()


@pytest.mark.parametrize(
    "theirs", ["notes.txt", "report.md", "members.csv", "run.json", "figures/mine.png", "members/x.txt"]
)
def test_a_folder_with_other_things_is_refused_and_left_as_it_is(folder, theirs):
    file = folder.path / theirs
    file.parent.mkdir(parents=True)
    file.write_text("mine")
    before = contents(folder.path)
    with pytest.raises(UserError, match=r"holds other things \(.*--out"):
        folder.make()
    assert contents(folder.path) == before


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("run.json", json.dumps(OURS)),
        ("members.csv", "member,cell,architecture,l1\n"),
        ("members/plain_split0_seed0.0123.json", "{}"),
        ("finished/plain_split0_seed0.npz", "of an earlier version"),
    ],
)
def test_ours_is_known_by_what_is_in_it(folder, name, content):
    file = folder.path / name
    file.parent.mkdir(parents=True)
    file.write_text(content)
    (folder.path / "notes.txt").write_text("mine")
    folder.make()
    folder.prepare()
    assert (folder.path / "notes.txt").read_text() == "mine"


def test_every_committed_report_is_ours():
    for run in (ROOT / "reports").glob("*/members.csv"):
        assert Folder(run.parent).ours, run.parent


@pytest.mark.parametrize("name", ["figures", "members", "report.md", "report.html", "members.csv", "run.json"])
def test_nothing_is_written_through_a_link(folder, tmp_path, name):
    target = tmp_path / "elsewhere"
    target.mkdir()
    noted(folder, OURS)
    (folder.path / name).unlink(missing_ok=True)
    (folder.path / name).symlink_to(target)
    with pytest.raises(UserError, match=f"{name} is a link"):
        folder.make()
    assert list(target.iterdir()) == []


def test_a_link_to_the_folder_itself_is_followed_once(tmp_path):
    (tmp_path / "scratch").mkdir()
    (tmp_path / "run").symlink_to(tmp_path / "scratch")
    folder = Folder(tmp_path / "run")
    (tmp_path / "run").unlink()
    folder.make()
    folder.note(OURS)
    assert (tmp_path / "scratch" / "run.json").exists() and not (tmp_path / "run").exists()


def test_what_the_dead_have_left_is_cleared_and_nothing_else(folder):
    folder.make()
    folder.prepare()
    ours = [folder.path / f".run.json.x{HALF}", folder.path / "members" / f".m.y{HALF}"]
    theirs = [folder.path / ".notes.tmp", folder.path / "members" / "note.txt"]
    for file in (*ours, *theirs):
        file.write_text("half")
    folder.prepare()
    assert [file.exists() for file in (*ours, *theirs)] == [False, False, True, True]


def test_a_folder_that_can_not_be_written(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match="--out"):
        Folder(tmp_path / "file" / "run").make()

    def refuse(*_, **__):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "touch", refuse)  # for the tests' user may be root, whom no mode stops
    with pytest.raises(UserError, match="Read-only"):
        Folder(tmp_path / "run").make()


@pytest.mark.parametrize(
    ("other", "named"),
    [({"batch_size": 64}, "batch_size"), ({"splits": 4}, "splits"), ({"seed": 5}, "seed"), ({"l2": 0.5}, "l2")],
)
def test_what_can_not_grow_is_refused_by_name(folder, small, other, named):
    noted(folder, about(small()))
    with pytest.raises(UserError, match=f"holds another sweep(.|\n)*{named}(.|\n)*--out"):
        folder.check(small(**other), "abc")


@pytest.mark.parametrize(
    "other",
    [{}, {"seeds": 4}, {"full_seeds": 2}, {"epochs": 9}, {"name": "x"}, {"run": [{"name": "more", "l1": 1e-3}]}],
)
def test_what_can_grow_is_not(folder, small, other):
    noted(folder, about(small()))
    folder.check(small(**other), "abc")


def test_a_cell_that_has_become_another_is_refused(folder, small):
    noted(folder, about(small(run=[{"name": "first"}, {"name": "mine", "l1": 1e-3}])))
    with pytest.raises(UserError, match=r"mine: l1: 1e-3 there, 1e-4 here"):
        folder.check(small(run=[{"name": "mine", "l1": 1e-4}]), "abc")
    with pytest.raises(UserError, match=r'mine: after: "nothing" there, "first" here'):
        folder.check(small(run=[{"name": "first"}, {"name": "mine", "l1": 1e-3, "after": "first"}]), "abc")


def test_other_data_is_refused(folder, small):
    noted(folder, about(small()))
    with pytest.raises(UserError, match="data: other examples"):
        folder.check(small(), "def")


@pytest.mark.parametrize("text", ["", "{", "\x00", "[]", "{}", '{"sweep": 3}', '{"sweep": {}}', "[" * 100_000])
def test_a_strange_run_json_says_nothing(folder, small, text):
    folder.path.mkdir()
    (folder.path / "run.json").write_text(text)
    folder.check(small(), "abc")


def test_a_table_that_was_changed_is_set_aside(folder):
    folder.make()
    for name in ("members.csv", "history.csv"):
        (folder.path / name).write_text("as written")
    noted_then = folder.digests()
    assert folder.set_aside(noted_then) == []
    for turn in (1, 2):
        (folder.path / "members.csv").write_text("edited")
        (said,) = folder.set_aside(noted_then)
        assert f"members.csv.changed-{turn}" in said
        assert (folder.path / f"members.csv.changed-{turn}").read_text() == "edited"
    folder.remove("history.csv", noted_then)
    folder.remove("members.csv", noted_then)
    assert not (folder.path / "history.csv").exists()
