"""Members trained together: nobody's numbers depend on who else is there."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from jaxreg.data.corruption import corrupt
from jaxreg.engine import grouping, training
from jaxreg.engine.programs import Programs
from jaxreg.spec.members import members


def same(one, other):
    assert repr(one.history) == repr(other.history), "repr: losses that are no number are the same, too"
    np.testing.assert_array_equal(one.predictions, other.predictions)
    for a, b in zip(*map(jax.tree.leaves, (one.weights, other.weights)), strict=True):
        np.testing.assert_array_equal(a, b)


def close(one, other):
    """The same training in another order of additions: the probabilities agree."""
    assert len(one.history) == len(other.history)
    np.testing.assert_allclose(np.exp(one.predictions), np.exp(other.predictions), atol=2e-3)
    np.testing.assert_allclose(one.row["test_cross_entropy"], other.row["test_cross_entropy"], rtol=1e-3)


@pytest.fixture(scope="module")
def grid(train, small):
    """Three cells on two splits; five members, were it not for the sixth, fill no chunk evenly."""
    return train(small(l1=[0.0, 1e-4], l2=[0.0, 1e-3]))


@pytest.fixture(scope="module")
def plain(train, small):
    return train(small())


def test_every_member_is_there(grid):
    cells = ("plain", "l1=1e-4", "l2=1e-3")
    assert list(grid) == [f"{cell}/split{split}/seed0" for cell in cells for split in (0, 1)]


def test_the_grid_around_a_member_does_not_matter(grid, plain):
    for name, member in plain.items():
        same(grid[name], member)


def test_alone_or_in_company(train, small, grid):
    """One member on two devices: the other half of the call is padding that never trains."""
    alone = train(small(splits=2, run=[{"l1": 1e-4}]))
    for name, member in alone.items():
        same(grid[name], member)
    odd = train(small(seeds=3, splits=1))
    first = train(small(seeds=1, splits=1))
    assert len(odd) == 3
    same(odd["plain/split0/seed0"], first["plain/split0/seed0"])


def test_the_chunk_a_member_falls_into_does_not_matter(train, small):
    """The last of three members is in the padded chunk; of four, in a full one."""
    three, four = (train(small(seeds=seeds, splits=1)) for seeds in (3, 4))
    same(three["plain/split0/seed2"], four["plain/split0/seed2"])


@pytest.mark.slow
@pytest.mark.parametrize("block", [2, 4])
def test_side_by_side_is_close_to_one_at_a_time(train, small, grid, block):
    together = train(small(l1=[0.0, 1e-4], l2=[0.0, 1e-3]), block=block)
    for name, member in grid.items():
        close(together[name], member)


@pytest.mark.parametrize("block", [1, 4])
def test_any_slot_and_any_company(train, small, block):
    """Members that end after one, two or five epochs: others take their slots in the middle of their neighbours' work.

    Everybody's numbers are those of a run of one cell alone, in which another place and other neighbours fall to them.
    """
    rules = {
        "one": {"start_from_epoch": 9},
        "two": {"patience": 1, "min_delta": 9.0},
        "best": {"patience": 1, "restore_best_weights": True},
        "four": {"patience": 3, "min_delta": 9.0, "restore_best_weights": True},
    }
    runs = [{"name": name, "early_stopping": rule | {"validation_share": 0.2}} for name, rule in rules.items()]
    runs.append(runs[1] | {"name": "wild", "learning_rate": 1e38})
    every = {"epochs": 5, "seeds": 3, "learning_rate": 0.05}
    together = train(small(run=runs, **every), block=block)
    epochs = {one.row["epochs"] for one in together.values()}
    assert len(epochs) >= 3 and any(one.row["diverged_at"] for one in together.values()), "else nobody leaves early"
    for run in runs:
        for name, member in train(small(run=[run], **every), block=block).items():
            same(member, together[name])


def test_a_slot_is_left_to_the_next_while_its_neighbours_go_on(train, small, monkeypatch):
    """Twelve members on two devices, of which half stop after two epochs of twenty: neither device waits."""
    calls = []
    call = Programs.__call__

    def counted(self, function, *arguments, **more):
        calls.append(function.__name__)
        return call(self, function, *arguments, **more)

    monkeypatch.setattr(Programs, "__call__", counted)
    stops = {"patience": 1, "min_delta": 9.0, "validation_share": 0.2}
    runs = [{"name": "short", "early_stopping": stops}, {"name": "long", "early_stopping": stops | {"patience": 99}}]
    finished = train(small(run=runs, epochs=20, splits=1, seeds=6))
    trained = sum(member.row["epochs"] for member in finished.values())
    assert trained == 6 * 2 + 6 * 20
    # Side by side with the same neighbour to the end, short ones would have taken 20 epochs of a device each.
    assert calls.count("train_epoch") <= trained / 2 + 12


@pytest.mark.slow
def test_a_diverged_neighbour_in_the_same_block_changes_nothing(train, small):
    """Side by side in one vmap: the neighbours' numbers are those of a run in which it does not diverge."""
    wild, tame = (
        train(small(run=[{}, {"name": "other", "learning_rate": rate}, {"l1": 1e-4}], splits=2), block=2)
        for rate in (1e38, 1e-4)
    )
    for name, member in tame.items():
        if name.startswith("other"):
            assert wild[name].row["diverged_at"] is not None and member.row["diverged_at"] is None
        else:
            same(wild[name], member)


@pytest.mark.parametrize("broken", [{"learning_rate": 1e38}, {"l2": 1e38}])
def test_a_diverged_member_is_recorded_and_leaves_the_others_alone(train, small, plain, broken):
    finished = train(small(run=[{"name": "broken", **broken}, {"name": "plain"}], epochs=2))
    for split in range(2):
        lost = finished[f"broken/split{split}/seed0"]
        assert lost.row["diverged_at"] == lost.row["epochs"] == len(lost.history)
        last = lost.history[-1]
        assert not (np.isfinite(last["train_loss"]) and np.isfinite(last["test_cross_entropy"]))
        sound = finished[f"plain/split{split}/seed0"]
        assert sound.row["diverged_at"] is None
        same(sound, plain[sound.id])


def test_progress_hears_of_every_member_epoch(train, small):
    from jaxreg.engine.progress import Silent

    class Heard(Silent):
        done = lost = 0

        def advance(self, member_epochs, label, loss, diverged=0):
            self.done += member_epochs
            self.lost += diverged

    heard = Heard()
    train(small(run=[{"name": "broken", "learning_rate": 1e38}, {"name": "plain"}]), progress=heard)
    assert (heard.done, heard.lost) == (8, 2)


def test_new_strengths_seeds_and_splits_compile_nothing(train, small, plain):
    compiled = len(Programs._compiled)
    before = training.traces.copy()
    train(small(l1=[0.0, 1e-6, 3e-2], seeds=2, seed=7))
    train(small(run=[{"l2": 0.1, "learning_rate": 1e-2, "scaling": "standard"}]))
    assert training.traces == before and len(Programs._compiled) == compiled


@pytest.mark.parametrize("stopping", [{}, {"early_stopping": {"patience": 1, "validation_share": 0.2}}])
def test_all_that_a_group_needs_is_begun_before_its_first_epoch(train, small, monkeypatch, stopping):
    """So that programs are compiled at once, and not one after the other; and nothing that nobody asks for."""
    call, known, asked = Programs.__call__, [], set()

    def counted(self, function, *arguments, **more):
        asked.add(id(self.begun(function, *arguments, **more)[0]))
        known.append(set(map(id, Programs._compiled.values())))
        return call(self, function, *arguments, **more)

    before = set(map(id, Programs._compiled.values()))
    monkeypatch.setattr(Programs, "__call__", counted)
    train(small(run=[{"hidden": [5, 4, 3], **stopping}], splits=2))
    assert known[0] == known[-1] and known[0] - before <= asked <= known[0]


def test_another_architecture_is_another_program(train, small, plain):
    before = training.traces.copy()
    train(small(run=[{"name": "plain"}, {"name": "deep", "hidden": [7, 6]}]))
    assert {name: training.traces[name] - before[name] for name in before} == {
        "start": 1,
        "train_epoch": 1,
        "predict": 2,  # of the test images and of the training images
        "score": 2,
    }


def prepared(sweep, dataset):
    groups = grouping.prepare(members(sweep), sweep, dataset)
    return {one.member.id: one for group in groups.values() for one in group}


def test_cells_are_paired(small, dataset):
    """Same split and seed: same rows, order and key in every cell, whatever the grid; else others."""
    wide = prepared(small(l1=[0.0, 1e-4], dropout=[0.0, 0.3], seeds=2), dataset)
    narrow = prepared(small(), dataset)
    reference = narrow["plain/split0/seed0"]
    for name, other in wide.items():
        paired = name.endswith("/split0/seed0")
        for epoch in range(2):
            orders = [grouping.epoch_order(one, epoch) for one in (reference, other)]
            assert np.array_equal(*orders) == paired
        assert np.array_equal(other.hyper.identity, reference.hyper.identity) == paired
    assert len(wide) == 12


def test_cells_start_from_the_same_weights(train, small):
    """An epoch with a learning rate of nothing leaves the initial weights, for all networks of one shape."""
    still = [
        {"name": name, "learning_rate": 1e-30, "epochs": 1, **more}
        for name, more in (("plain", {}), ("l1", {"l1": 0.5}), ("dropout", {"dropout": 0.5}))
    ]
    finished = train(small(run=still))
    for split in range(2):
        first, *others = (finished[f"{run['name']}/split{split}/seed0"] for run in still)
        for other in others:
            np.testing.assert_array_equal(first.predictions, other.predictions)
    assert np.any(finished["plain/split0/seed0"].predictions != finished["plain/split1/seed0"].predictions)


def test_an_epoch_is_every_row_once(small, dataset):
    (one, _) = prepared(small(batch_size=30), dataset).values()
    orders = [grouping.epoch_order(one, epoch) for epoch in range(3)]
    for order in orders:
        assert order.shape == (4, 30)
        assert (order[:-1] >= 0).all() and order[-1].tolist().count(-1) == 20
        np.testing.assert_array_equal(np.sort(order[order >= 0]), np.sort(one.rows))
    assert not np.array_equal(orders[0], orders[1])


@pytest.mark.parametrize(("scaling", "expected"), [("raw", (0, 1)), ("unit", (0, 255)), ("standard", None)])
def test_scaling(small, dataset, scaling, expected):
    """Standardised by the mean and deviation of the member's own training images."""
    for one in prepared(small(scaling=scaling), dataset).values():
        pixels = dataset.train.inputs[one.rows].astype(np.float64)
        shift, scale = expected or (pixels.mean(), pixels.std())
        assert float(one.hyper.shift) == pytest.approx(shift, rel=1e-6)
        assert float(one.hyper.scale) == pytest.approx(scale, rel=1e-6)


def test_standardised_by_the_pixels_that_are_trained_on(small, dataset):
    for one in prepared(small(scaling="standard", pixel_noise=0.4), dataset).values():
        pixels = corrupt(dataset, 0.0, 0.4, 0).train.inputs[one.rows].astype(np.float64)
        assert float(one.hyper.shift) == pytest.approx(pixels.mean(), rel=1e-6)
        assert float(one.hyper.scale) == pytest.approx(pixels.std(), rel=1e-6)


def test_a_follower_goes_on_from_its_predecessor(train, small):
    """Same split and seed; at a learning rate of nothing it is the predecessor itself, statistics included."""
    runs = [
        {"name": "second", "after": "first", "learning_rate": 1e-30, "epochs": 1},
        {"name": "first"},
        {"name": "third", "after": "first", "epochs": 1},
    ]
    finished = train(small(run=runs))
    scratch = train(small(run=[{"name": "third", "epochs": 1}]))
    for split in range(2):
        first, second, third = (finished[f"{name}/split{split}/seed0"] for name in ("first", "second", "third"))
        np.testing.assert_array_equal(second.predictions, first.predictions)
        assert third.row["train_cross_entropy"] < first.row["train_cross_entropy"]
        assert third.history != scratch[third.id].history


def test_a_follower_has_batches_and_dropout_masks_of_its_own(small, dataset):
    """Batch normalisation learns batches by heart: the predecessor's must not come back."""
    runs = [{"name": "a", "epochs": 3}, {"name": "b", "after": "a"}, {"name": "c", "after": "b"}]
    all_of_them = prepared(small(run=runs, dropout=0.5), dataset)
    epochs = {"a": 3, "b": 2, "c": 2}
    mine = {name: all_of_them[f"{name}/split0/seed0"] for name in epochs}
    orders = {grouping.epoch_order(one, epoch).tobytes() for name, one in mine.items() for epoch in range(epochs[name])}
    assert len(orders) == 7
    assert [int(one.hyper.identity[3]) for one in mine.values()] == [0, 1, 2]


@pytest.mark.slow
def test_batch_norm_statistics_follow(train, small):
    """With batch normalisation the moving statistics are handed on, and go on moving."""
    runs = [{"name": "first"}, {"name": "second", "after": "first", "learning_rate": 1e-30, "epochs": 1}]
    finished = train(small(run=runs, batch_norm=True))
    for split in range(2):
        first, second = (finished[f"{name}/split{split}/seed0"].weights for name in ("first", "second"))
        for a, b in zip(*map(jax.tree.leaves, (first["params"], second["params"])), strict=True):
            np.testing.assert_array_equal(a, b)
        before, after = (weights["statistics"]["batch_norm_0"]["var"] for weights in (first, second))
        # 4 steps of momentum 0.99 keep 96 % of what was there.
        assert np.all(after >= 0.99**4 * before - 1e-6) and np.any(after != before)


def test_the_whole_training_set_is_a_split_of_its_own(train, small, dataset):
    finished = train(small(full_seeds=1))
    member = finished["plain/all/seed0"]
    assert member.row["train_examples"] == 200
    assert finished["plain/split0/seed0"].row["train_examples"] == 100


def test_row_of_a_member_by_definition(train, small, dataset):
    (one, _) = train(small(l1=1e-3, l2=1e-2)).values()
    log_p = one.predictions
    assert log_p.shape == (100, 10)
    assert one.row["test_accuracy"] == pytest.approx((log_p.argmax(axis=1) == dataset.test.targets).mean(), abs=1e-6)
    truth = log_p[np.arange(100), dataset.test.targets]
    assert one.row["test_cross_entropy"] == pytest.approx(-truth.mean(), rel=1e-5)
    kernel = one.weights["params"]["hidden_0"]["kernel"]
    assert one.row["weight_l1"] == pytest.approx(np.abs(kernel).sum(), rel=1e-5)
    assert one.row["weight_l2"] == pytest.approx((kernel**2).sum(), rel=1e-5)
    penalty = 1e-3 * np.abs(kernel).sum() + 1e-2 * (kernel**2).sum()
    assert one.row["penalty"] == pytest.approx(penalty, rel=1e-5)
    assert one.row["small_weights"] == pytest.approx((np.abs(kernel) < 1e-3).mean())
    split = prepared(small(), dataset)["plain/split0/seed0"].rows
    live = dataset.train.inputs[split].any(axis=0)
    assert not live.all()
    assert one.row["live_small_weights"] == pytest.approx((np.abs(kernel[live]) < 1e-3).mean())
    assert one.history[-1]["test_cross_entropy"] == one.row["test_cross_entropy"]
    for row in one.history:
        assert row["train_loss"] == pytest.approx(row["train_cross_entropy"] + row["penalty"])
