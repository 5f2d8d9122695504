"""What a run leaves on disk: it comes back as it was, and belongs to one sweep."""

from __future__ import annotations

import errno
import json
import math
from pathlib import Path

import numpy as np
import pytest

from jaxreg.data.fashion import SIGNATURE
from jaxreg.errors import UserError
from jaxreg.spec.members import members
from jaxreg.store.records import Folder, MemberResult

LABELS = np.array([3, 0, 9], np.uint8)


def made(member, number, weights=None, epochs=2):
    """A finished member whose numbers take all their digits to write."""
    history = [
        {"epoch": epoch + 1, "train_loss": 1 / (3 + number + epoch), "test_accuracy": np.pi / 7}
        for epoch in range(epochs)
    ]
    row = {
        "train_examples": 100,
        "train_accuracy": 0.1 + 0.2,
        "test_cross_entropy": 1e-17 / (7 + number),
        "epochs": epochs,
        "diverged_at": None,
        "stopped_at": None if number % 2 else 2,
        "seconds": 1 / 3,
    }
    log_p = np.random.default_rng(number).normal(size=(3, 10)).astype(np.float32) * 90
    return MemberResult(member.id, row, history, log_p, weights)


def same(one, other):
    assert (one.id, one.row, one.history) == (other.id, other.row, other.history)
    assert one.log_probabilities.dtype == other.log_probabilities.dtype == np.float32
    np.testing.assert_array_equal(one.log_probabilities, other.log_probabilities)


@pytest.fixture
def wanted(small):
    return members(small(l1=[0.0, 1e-5]))


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path / "run")


def test_a_member_comes_back_bit_for_bit(folder, wanted):
    weights = {
        "params": {"hidden_0": {"kernel": np.float32([[1 / 3, -0.0]]), "bias": np.float32([1e-38])}},
        "statistics": {"batch_norm_0": {"mean": np.float32([7])}},
    }
    kept = made(wanted[0], 1, weights)
    folder.keep(kept, with_weights=True)
    found = folder.finished([member.id for member in wanted])
    assert list(found) == [wanted[0].id]
    same(found[kept.id], kept)
    for tree, layer, name in (("params", "hidden_0", "kernel"), ("statistics", "batch_norm_0", "mean")):
        np.testing.assert_array_equal(found[kept.id].weights[tree][layer][name], weights[tree][layer][name])


def test_weights_without_statistics_come_back_as_two_trees(folder, wanted):
    folder.keep(made(wanted[0], 0, {"params": {"output": {"bias": np.zeros(3)}}, "statistics": {}}), with_weights=True)
    found = folder.finished([wanted[0].id])[wanted[0].id]
    assert set(found.weights) == {"params", "statistics"} and found.weights["statistics"] == {}


def test_weights_are_kept_only_when_asked(folder, wanted):
    folder.keep(made(wanted[0], 0, {"params": {"output": {"bias": np.zeros(3)}}, "statistics": {}}), with_weights=False)
    assert not folder.finished([wanted[0].id])[wanted[0].id].weights


def test_a_diverged_member_comes_back(folder, wanted):
    member = made(wanted[0], 0)
    member.history[1]["train_loss"], member.row["diverged_at"] = math.nan, 2
    folder.keep(member, with_weights=False)
    found = folder.finished([member.id])[member.id]
    assert math.isnan(found.history[1]["train_loss"]) and found.row == member.row


@pytest.mark.parametrize("damage", ["truncate", "empty", "text", "flip"])
def test_a_damaged_member_is_not_finished(folder, wanted, damage):
    for number, member in enumerate(wanted[:2]):
        folder.keep(made(member, number), with_weights=False)
    (file,) = [path for path in (folder.path / "finished").iterdir() if "split0" in path.name]
    content = file.read_bytes()
    middle = len(content) // 2
    flipped = content[:middle] + bytes([content[middle] ^ 255]) + content[middle + 1 :]
    damaged = {"truncate": content[:middle], "empty": b"", "text": b"not an archive", "flip": flipped}
    file.write_bytes(damaged[damage])
    assert list(folder.finished([member.id for member in wanted])) == [wanted[1].id]


def test_no_temporary_files_stay(folder, wanted):
    folder.keep(made(wanted[0], 0), with_weights=False)
    assert len(list((folder.path / "finished").iterdir())) == 1


def test_tables_hold_every_member(folder, wanted):
    """After the members' own files are gone, the same members are found, to the last digit."""
    finished = {member.id: made(member, number) for number, member in enumerate(wanted)}
    for member in finished.values():
        folder.keep(member, with_weights=False)
    predictions = folder.write_tables(wanted, finished, LABELS, SIGNATURE)
    for member, log_probabilities in zip(wanted, predictions, strict=True):
        np.testing.assert_array_equal(log_probabilities, finished[member.id].log_probabilities)
        assert np.shares_memory(log_probabilities, finished[member.id].log_probabilities)
    folder.tidy()
    assert not (folder.path / "finished").exists()
    found = folder.finished([member.id for member in wanted])
    assert set(found) == set(finished)
    for name, member in finished.items():
        same(found[name], member)


def test_tables_written_again_are_the_same_files(folder, wanted):
    """Reading and writing change nothing, diverged members and unlike columns included."""
    finished = {member.id: made(member, number) for number, member in enumerate(wanted)}
    first, second = (finished[member.id] for member in wanted[:2])
    first.history[1]["train_loss"], first.row["diverged_at"] = math.nan, 2
    second.history[1]["train_loss"] = math.inf
    for row in second.history:
        row["val_loss"] = 0.1
    folder.write_tables(wanted, finished, LABELS, SIGNATURE)
    files = [folder.path / name for name in ("members.csv", "history.csv", "predictions.npz")]
    before = [file.read_bytes() for file in files]
    folder.write_tables(wanted, folder.finished([member.id for member in wanted]), LABELS, SIGNATURE)
    assert [file.read_bytes() for file in files[:2]] == before[:2]
    assert math.isnan(folder.finished([first.id])[first.id].history[1]["train_loss"])


def test_only_what_was_asked_for(folder, wanted):
    folder.write_tables(wanted, {member.id: made(member, 0) for member in wanted}, LABELS, SIGNATURE)
    assert set(folder.finished([wanted[0].id])) == {wanted[0].id}


def about(sweep, digest="abc"):
    return {"sweep": sweep.resolved(), "data": {"digest": digest}}


def test_the_same_sweep_goes_on(folder, small):
    folder.check(small(), "abc")
    folder.note(about(small()))
    folder.check(small(), "abc")


@pytest.mark.parametrize(
    ("other", "named"),
    [({"epochs": 3}, "epochs"), ({"splits": 4}, "splits"), ({"seed": 5}, "seed"), ({"l1": [0.0, 1e-3]}, "l1")],
)
def test_another_sweep_is_refused_by_name(folder, small, other, named):
    folder.check(small(), "abc")
    folder.note(about(small()))
    with pytest.raises(UserError, match=named) as refused:
        folder.check(small(**other), "abc")
    assert "--out" in str(refused.value)


def test_other_data_is_refused(folder, small):
    folder.path.mkdir()
    folder.note(about(small()))
    with pytest.raises(UserError, match="data"):
        folder.check(small(), "def")


@pytest.mark.parametrize("text", ["", "{", "\x00"])
def test_an_unreadable_run_json_is_refused(folder, small, text):
    folder.path.mkdir()
    (folder.path / "run.json").write_text(text)
    with pytest.raises(UserError, match="run.json"):
        folder.check(small(), "abc")


@pytest.mark.parametrize("content", [[], {}, {"sweep": {}}, {"sweep": 3}])
def test_a_strange_run_json_is_refused(folder, small, content):
    folder.path.mkdir()
    (folder.path / "run.json").write_text(json.dumps(content))
    with pytest.raises(UserError):
        folder.check(small(), "abc")


def test_a_folder_that_can_not_be_written(tmp_path, small, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match="--out"):
        Folder(tmp_path / "file" / "run").check(small(), "abc")

    def refuse(*_, **__):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "touch", refuse)  # for the tests' user may be root, whom no mode stops
    with pytest.raises(UserError, match="Read-only"):
        Folder(tmp_path / "run").check(small(), "abc")
