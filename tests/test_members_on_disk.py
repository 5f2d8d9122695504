"""The members of a run on disk: they come back as they were, and nothing else is taken for them."""

from __future__ import annotations

import csv
import json
import math

import numpy as np
import pytest
from made_members import made

from jaxreg.data.dataset import Dataset, Part, digest
from jaxreg.data.fashion import SIGNATURE
from jaxreg.spec.members import members
from jaxreg.store import tables
from jaxreg.store.identity import Key, key
from jaxreg.store.members import Damaged, MemberState, StoredMembers

LABELS = np.array([3, 0, 9], np.uint8)
MACHINE = {"jax": "0.0", "device": "abacus"}
WEIGHTS = {
    "params": {"hidden_0": {"kernel": np.float32([[1 / 3, -0.0]]), "bias": np.float32([1e-38])}},
    "statistics": {"batch_norm_0": {"mean": np.float32([7])}},
}


@pytest.fixture
def wanted(small):
    return members(small(l1=[0.0, 1e-5]))


@pytest.fixture
def keys(small):
    sweep = small(l1=[0.0, 1e-5])
    return [key(member, sweep, "abc") for member in members(sweep)]


@pytest.fixture
def store(tmp_path):
    (tmp_path / "members").mkdir()
    return StoredMembers(tmp_path / "members")


def kept(store, keys):
    results = [made(one.id, number) for number, one in enumerate(keys)]
    for one, result in zip(keys, results, strict=True):
        store.keep(one, result, MACHINE, with_weights=False)
    return results


def test_a_member_comes_back_bit_for_bit(store, keys):
    result = made(keys[0].id, 1)._replace(weights=WEIGHTS)
    store.keep(keys[0], result, MACHINE, with_weights=True)
    found = store.check(keys[0], with_weights=True)
    assert (found.row, found.history, found.made) == (result.row, result.history, MACHINE)
    np.testing.assert_array_equal(store.predictions(keys[:1])[[0], slice(None)][0], result.predictions)
    weights = store.weights(keys[0])
    for tree, layer, name in (("params", "hidden_0", "kernel"), ("statistics", "batch_norm_0", "mean")):
        np.testing.assert_array_equal(weights[tree][layer][name], WEIGHTS[tree][layer][name])


def test_weights_without_statistics_come_back_as_two_trees(store, keys):
    weights = {"params": {"output": {"bias": np.zeros(3)}}, "statistics": {}}
    store.keep(keys[0], made(keys[0].id, 0)._replace(weights=weights), MACHINE, with_weights=True)
    assert set(store.weights(keys[0])) == {"params", "statistics"} and store.weights(keys[0])["statistics"] == {}


def test_a_member_whose_weights_are_wanted_and_were_not_kept_is_not_there(store, keys):
    kept(store, keys[:1])
    assert store.check(keys[0], with_weights=False)
    with pytest.raises(FileNotFoundError):
        store.check(keys[0], with_weights=True)


def test_a_diverged_member_comes_back(store, keys):
    result = made(keys[0].id, 0)
    result.history[1]["train_loss"], result.row["diverged_at"] = math.nan, 2
    store.keep(keys[0], result, MACHINE, with_weights=False)
    found = store.read(keys[0])
    assert math.isnan(found.history[1]["train_loss"]) and found.row == result.row


@pytest.mark.parametrize("ending", [".json", ".npy"])
@pytest.mark.parametrize("damage", ["truncate", "empty", "text", "flip", "remove"])
def test_a_damaged_member_is_named_and_not_believed(store, keys, damage, ending):
    kept(store, keys[:2])
    (file,) = store.path.glob(f"plain_split0*{ending}")
    content = file.read_bytes()
    middle = len(content) // 2
    flipped = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
    damaged = {"truncate": content[:middle], "empty": b"", "text": b"not what it was", "flip": flipped}
    if damage == "remove":
        file.unlink()
    else:
        file.write_bytes(damaged[damage])
    missing = FileNotFoundError if (damage, ending) == ("remove", ".json") else Damaged
    with pytest.raises(missing, match="plain_split0"):
        store.check(keys[0], with_weights=False)
    assert store.check(keys[1], with_weights=False)


def test_an_edited_number_is_noticed(store, keys):
    kept(store, keys[:1])
    (file,) = store.path.glob("*.json")
    stored = json.loads(file.read_text())
    stored["row"]["test_cross_entropy"] = 0.1
    file.write_text(json.dumps(stored))
    with pytest.raises(Damaged, match="was changed after it was written"):
        store.check(keys[0], with_weights=False)


def test_another_member_under_this_name_is_noticed(store, keys):
    kept(store, keys[:2])
    for ending in (".json", ".npy"):
        mine, other = (next(store.path.glob(f"{name}*{ending}")) for name in ("plain_split0", "plain_split1"))
        mine.write_bytes(other.read_bytes())
    with pytest.raises(Damaged, match="that of another member, plain/split1/seed0"):
        store.check(keys[0], with_weights=False)


def test_trained_otherwise_lies_beside_it(store, small):
    one, other = (key(members(sweep)[0], sweep, "abc") for sweep in (small(), small(batch_size=64)))
    kept(store, [one])
    with pytest.raises(FileNotFoundError):
        store.check(other, with_weights=False)
    kept(store, [other])
    assert store.check(one, with_weights=False) and store.check(other, with_weights=False)


def test_a_state_comes_back_and_is_of_one_lineage(store, small):
    short, long, other = (
        key(members(sweep)[0], sweep, "abc") for sweep in (small(epochs=2), small(epochs=9), small(l2=0.1))
    )
    state = MemberState(short.id, [{"epoch": 1, "loss": 0.1 + 0.2}], 1 / 3, {"[0].w": np.float32([1, np.nan])})
    store.keep_state(short, state)
    found = store.state(long)
    assert (found.id, found.history, found.seconds) == state[:3]
    np.testing.assert_array_equal(found.arrays["[0].w"], state.arrays["[0].w"])
    assert store.state(other) is None
    (file,) = store.path.glob("*.state.npz")
    file.write_bytes(file.read_bytes()[:-40])
    assert store.state(short) is None
    store.drop_state(short)
    assert list(store.path.iterdir()) == []


def test_no_temporary_files_stay(store, keys):
    kept(store, keys[:1])
    assert len(list(store.path.iterdir())) == 2


def test_a_long_name_makes_a_file(store, keys):
    long = Key("x" * 300 + "/split0/seed0", keys[0].identity)
    kept(store, [long])
    assert store.check(long, with_weights=False)


def test_tables_hold_every_member_and_do_not_depend_on_how_many_are_read_together(
    store, keys, wanted, tmp_path, monkeypatch
):
    results = [made(one.id, number) for number, one in enumerate(keys)]
    results[0].history[1]["train_loss"], results[0].row["diverged_at"] = math.nan, 2
    for row in results[1].history:
        row["val_loss"] = 0.1
    for one, result in zip(keys, results, strict=True):
        store.keep(one, result, MACHINE, with_weights=False)
    written = []
    for together in (200, 1, 3):
        monkeypatch.setattr(tables, "TOGETHER", together)
        tables.write_members(tmp_path, wanted, keys, store, SIGNATURE)
        written.append([(tmp_path / name).read_bytes() for name in ("members.csv", "history.csv")])
    assert written[0] == written[1] == written[2]
    # Not with pandas, whose versions before 3 read numbers with an error in the last digit.
    with (tmp_path / "members.csv").open(newline="") as lines:
        found = {row["member"]: row for row in csv.DictReader(lines)}
    for result in results:
        row = found[result.id]
        for name, value in result.row.items():
            assert row[name] == "" if value is None else float(row[name]) == value, name
    assert written[0][1].count(b"\n") == 1 + sum(len(result.history) for result in results)


def test_predictions_as_numpy_has_them(store, keys, wanted, tmp_path):
    results = kept(store, keys)
    predictions, whole = store.predictions(keys), np.stack([one.predictions for one in results])
    assert (predictions.shape, predictions.dtype, predictions.size) == (whole.shape, whole.dtype, whole.nbytes)
    for rows, examples in (([0, 2], slice(1, 3)), ([1], slice(None)), ([1, 0], slice(2, 9))):
        np.testing.assert_array_equal(predictions[rows, examples], whole[rows][:, examples])
    part = Part(np.zeros((len(LABELS), 3), np.float32), LABELS)
    dataset = Dataset("made up", part, part, ("a", "b", "c"), None, digest(part, part))
    tables.write_predictions(tmp_path, wanted, dataset, predictions)
    with np.load(tmp_path / "predictions.npz") as stored:
        assert stored["members"].tolist() == [member.id for member in wanted]
        np.testing.assert_array_equal(stored["labels"], LABELS)
        np.testing.assert_array_equal(stored["log_probabilities"], whole)
