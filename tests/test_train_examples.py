"""Members on fewer examples of a split: the same steps, the same programs, and all that a folder can do."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from run_folders import differing, tables

import jaxreg
from jaxreg.axes import reference
from jaxreg.data.dataset import Part
from jaxreg.data.fashion import SIGNATURE
from jaxreg.data.scaling import FIXED
from jaxreg.data.splits import nested_rows
from jaxreg.engine import grouping
from jaxreg.engine.forecast import plan
from jaxreg.replay import replay
from jaxreg.spec.load import load, read
from jaxreg.spec.members import members
from jaxreg.store.results import read as read_results

WATCHING = {"patience": 1, "validation_share": 0.2}


def same(one, other):
    """Bit for bit."""
    assert one.history == other.history
    np.testing.assert_array_equal(one.predictions, other.predictions)
    for a, b in zip(*map(jax.tree.leaves, (one.weights, other.weights)), strict=True):
        np.testing.assert_array_equal(a, b)


@given(st.integers(1, 30), st.integers(0, 40), st.integers(1, 9), st.integers(0, 3), st.integers(1, 6))
def test_an_epoch_has_as_many_examples_and_shows_each_row_as_often(rows, more, batch, before, epochs):
    member = members(read({"run": [{"batch_size": batch}]}))[0]
    each = rows + more
    hyper = grouping.hyperparameters(member.settings, FIXED["unit"], np.array([1, 2, 3, 0], np.uint32))
    own = np.arange(rows) * 7 + 5
    one = grouping.MemberData(member, own, own[:0], each, hyper, before)
    orders = [grouping.epoch_order(one, epoch) for epoch in range(epochs)]
    assert {order.shape for order in orders} == {(-(-each // batch), batch)}
    seen = np.concatenate([order[order >= 0] for order in orders])
    assert seen.size == epochs * each
    start = before * each % rows  # in the middle of a pass, where the run before ended there
    passes = np.concatenate([np.full(start, -1), seen])
    for first in range(0, passes.size, rows):
        whole = passes[first : first + rows]
        shown = whole[whole >= 0]
        assert np.unique(shown).size == shown.size and set(shown) <= set(own), "a pass shows no row twice"


@given(st.lists(st.integers(0, 2**64 - 1) | st.integers(0, 3), max_size=60))
def test_rows_are_in_the_order_of_a_stable_sort_where_numbers_are_equal_too(bits):
    numbers = np.array(bits, np.uint64)
    np.testing.assert_array_equal(grouping.ascending(numbers), np.argsort(numbers, kind="stable"))


@pytest.mark.parametrize("rule", ["off", WATCHING])
def test_as_many_as_a_split_has_is_all(train, small, rule):
    given = {"early_stopping": rule, "scaling": "standard", "dropout": 0.2, "splits": 2}
    whole, counted = (train(small(train_examples=count, **given)) for count in ("all", 100))
    for one, other in zip(whole.values(), counted.values(), strict=True):
        same(one, other)


def test_half_the_examples_alone_take_twice_the_epochs(train, small, dataset):
    """The law behind it: a member on n of N examples is one on a data set of these, trained N / n times as long."""
    few = nested_rows(np.arange(200), dataset.train.targets, 100, seed=0)
    alone = dataset._replace(train=Part(*(array[few] for array in dataset.train)))
    how = {"splits": 1, "batch_size": 25, "scaling": "standard", "dropout": 0.2}
    (one,) = train(small(train_examples=100, epochs=2, **how)).values()
    (other,) = train(small(epochs=4, **how), data=alone).values()
    assert [row["test_accuracy"] for row in one.history] == [row["test_accuracy"] for row in other.history[1::2]]
    np.testing.assert_array_equal(one.predictions, other.predictions)
    differing = {name for name in one.row if one.row[name] != other.row[name]} - {"seconds"}
    assert differing == {"epochs"} and one.row["train_examples"] == 100


def test_sizes_share_one_program_and_cost_the_same(small, dataset):
    sizes = small(train_examples=[30, 50, "all"], early_stopping=WATCHING, full_seeds=1)
    groups = grouping.prepare(members(sizes), sizes, dataset)
    assert [len(mine) for mine in groups.values()] == [6, 3], "on splits, and on everything"
    sized, plain = (
        plan(read({"run": [{"name": name, "train_examples": count} for name, count in runs.items()]}), SIGNATURE)
        for runs in ({"a": 1000, "b": 3000}, {"a": "all", "b": "all"})
    )
    assert (sized.seconds, sized.programs, sized.members) == (plain.seconds, plain.programs, plain.members)


def test_more_than_a_split_has_is_refused_with_the_number(small, dataset, tmp_path):
    sweep = small(train_examples=[50, 101])
    with pytest.raises(jaxreg.UserError, match=r"train_examples = 101: a split has only 100 "):
        plan(sweep, dataset.signature)
    with pytest.raises(jaxreg.UserError, match=r"train_examples = 101: a split has only 100 "):
        jaxreg.run(sweep, out=tmp_path / "run", dataset=dataset)
    assert not (tmp_path / "run").exists(), "before anything is written"
    dropped = [int(np.flatnonzero(dataset.train.targets == label)[0]) for label in range(4)]
    few = dataset._replace(train=Part(*(np.delete(array, dropped, axis=0) for array in dataset.train)))
    plan(small(train_examples=98), few.signature)  # it does not know that a remainder of each class is in no split
    with pytest.raises(jaxreg.UserError, match=r"train_examples = 98: a split has only 96 "):
        grouping.prepare(members(small(train_examples=98)), small(train_examples=98), few)


def sized(*sizes, **more):
    axes = {"l1": [0.0, 1e-3], "train_examples": list(sizes)}
    recipe = {"hidden": [8], "epochs": 2, "batch_size": 50}
    return read({"name": "sized", "splits": 2, "grid": "l1*train_examples", "axes": axes, "recipe": recipe} | more)


CHAIN = [
    {"name": "few", "train_examples": 30, "early_stopping": WATCHING},
    {"name": "then-all", "after": "few", "epochs": 1},
    {"name": "then-others", "after": "then-all", "train_examples": 70},
]


def test_a_folder_grows_by_a_size_and_members_are_replayed(trained, dataset, tmp_path, monkeypatch):
    run, undisturbed = trained
    folder = run(sized("all", 30), tmp_path / "run")
    larger = sized("all", 30, 60, seeds=2, run=CHAIN)
    asked = []
    from jaxreg.engine.trainer import Trainer

    train = Trainer.train
    monkeypatch.setattr(
        Trainer, "train", lambda self, who, *rest: (asked.extend(one.id for one in who), train(self, who, *rest))[1]
    )
    run(larger, folder)
    small, large = ({member.id for member in members(sweep)} for sweep in (sized("all", 30), larger))
    assert set(asked) == large - small
    assert differing(tables(folder), undisturbed(larger)) == []
    for name in ("l1=1e-3,train_examples=30/split1/seed0", "few/split0/seed0", "then-others/split1/seed1"):
        found = replay(folder, name, devices=2, dataset=dataset)
        assert found.same, found.text
    table = read_results(folder).members.set_index("member")
    found = table.loc[
        ["plain/split0/seed0", "train_examples=60/split0/seed0", "few/split0/seed0"], ["train_examples", "trained_on"]
    ]
    assert found.astype(str).to_numpy().tolist() == [["all", "100"], ["60", "60"], ["30", "20"]]


def test_a_folder_of_before_the_axis_is_read(trained, tmp_path):
    """What is trained_on now had the name of the axis then."""
    run, _ = trained
    folder = run(sized("all"), tmp_path / "run")
    written = (folder / "members.csv").read_text()
    head, _, rest = written.partition("\n")
    columns = head.split(",")
    left_out = columns.index("train_examples")
    kept = ["train_examples" if name == "trained_on" else name for name in columns]
    rows = [",".join(kept)] + rest.splitlines()
    (folder / "members.csv").write_text("\n".join(",".join(np.delete(row.split(","), left_out)) for row in rows))
    about = folder / "run.json"
    about.write_text(about.read_text().replace('"members.csv"', '"earlier.csv"'))
    found = read_results(folder).members
    assert set(found["trained_on"]) == {100} and "train_examples" not in found


def test_values_may_stand_in_the_grid():
    typed = "l1=0,1e-5*train_examples=1000,all,l2,dropout=0.1-0.2-0"
    axes = {"l1": [0, 1e-5], "train_examples": [1000, "all"], "dropout": [[0.1, 0.2, 0]]}
    assert load(flags={"grid": typed}) == load(flags={"grid": "l1*train_examples,l2,dropout", **axes})
    assert load(flags={"grid": "l1,train_examples=1000,3000"}).name == "l1-train_examples"
    with pytest.raises(jaxreg.UserError, match=r"--grid: gives values of l1, which are given beside it too"):
        load(flags={"grid": "l1=0,1", "l1": [0]}, mark="--")
    with pytest.raises(jaxreg.UserError, match=r"--grid: unknown axis `l3`"):
        load(flags={"grid": "l3=0,1"}, mark="--")


@pytest.mark.parametrize(
    ("grid", "warned"),
    [("l1,train_examples", True), ("l1*train_examples", False), ("dropout,train_examples", False), ("l1", False)],
)
def test_sizes_that_are_not_crossed_with_a_strength_are_pointed_at(grid, warned):
    said = [text for text in load(flags={"grid": grid}).warnings if "train_examples is swept by itself" in text]
    assert bool(said) == warned and all("--grid 'l1*train_examples'" in text for text in said)


def test_without_a_plain_cell_the_others_are_compared_with_the_one_on_most_examples():
    cells = {f"n={n}": {"l1": 0.0, "train_examples": n} for n in ("1000", "12000", "3000")}
    assert reference(cells) == "n=12000"
    assert reference({"l1=1": {"l1": 1, "train_examples": "all"}} | cells) == "n=12000"
