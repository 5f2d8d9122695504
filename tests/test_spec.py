"""Sweep files, grids and flags: what they mean, and what is said where they mean nothing."""

from __future__ import annotations

import json
import tomllib
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxreg.axes import AXES
from jaxreg.errors import UserError
from jaxreg.formatting import shortest
from jaxreg.spec.grid import value_of
from jaxreg.spec.load import load, read
from jaxreg.spec.rules import EarlyStopping
from jaxreg.spec.settings import Settings

SWEEPS = sorted((Path(__file__).parents[1] / "sweeps").glob("*.toml"))


def names(sweep):
    return [cell.name for cell in sweep.cells]


def test_default_grid_is_one_line_per_axis_with_the_plain_cell_shared():
    sweep = load(flags={"grid": "l1,l2"})
    assert names(sweep) == [
        "plain",
        *("l1=1e-6", "l1=1e-5", "l1=1e-4", "l1=1e-3", "l1=0.01"),
        *("l2=1e-5", "l2=1e-4", "l2=1e-3", "l2=0.01", "l2=0.1"),
    ]
    assert (sweep.splits, sweep.seeds, sweep.name) == (5, 1, "l1-l2")
    assert sweep.cells[0].settings == Settings()
    assert sweep.cells[2].settings.l1 == 1e-5
    assert sweep.warnings == ()


def test_default_recipe():
    recipe = Settings()
    assert recipe.architecture(784, 10) == "784-225-256-128-10"
    assert (recipe.scaling, recipe.learning_rate, recipe.batch_size, recipe.epochs) == ("unit", 1e-3, 32, 15)


@pytest.mark.parametrize("file", SWEEPS, ids=lambda file: file.stem)
def test_every_shipped_sweep_loads_and_says_what_it_costs(file):
    sweep = load(file)
    assert sweep.name == file.stem
    assert read(tomllib.loads(sweep.to_toml())) == sweep
    header = [line for line in file.read_text().splitlines() if line.startswith("# ")]
    assert f"# command: python -m jaxreg.sweep sweeps/{file.name}" in header
    assert any(line.startswith("# cost: ") for line in header)
    assert any(line.startswith("# finding: ") for line in header)


def test_the_grid_and_its_file_are_the_same_sweep():
    file = next(file for file in SWEEPS if file.stem == "l1-l2")
    assert load(file) == load(flags={"grid": "l1,l2"})


def test_the_notebook_sweep_is_the_notebook():
    sweep = load(next(file for file in SWEEPS if file.stem == "notebook"))
    runs = {cell.name: cell for cell in sweep.cells}
    assert (len(runs), sweep.splits, sweep.seeds) == (12, 1, 8)

    def weights(name):
        widths = (784, *runs[name].settings.hidden, 10)
        return sum((a + 1) * b for a, b in pairwise(widths))

    counts = {name: weights(name) for name in ("simple", "depth_2", "depth_5", "depth_10")}
    assert counts == {"simple": 268_667, "depth_2": 237_051, "depth_5": 301_691, "depth_10": 419_427}
    unit = {name for name, cell in runs.items() if cell.settings.scaling == "unit"}
    after = {name: cell.after for name, cell in runs.items() if cell.after}
    assert unit == {"simple_normalized", "batch_norm_normalized"}
    assert after == {"simple_normalized": "simple", "batch_norm_normalized": "batch_norm"}
    assert runs["dropout"].settings.dropout_rates == (0.3, 0.5, 0)
    assert (runs["l1_l2"].settings.l1, runs["l1_l2"].settings.l2) == (0.01, 0.01)
    assert runs["early_stopping"].settings.early_stopping == EarlyStopping(validation_share=0)
    assert [w for w in sweep.warnings if w.startswith("early_stopping: ") and "nothing to monitor" in w]


def test_product_and_union_may_be_mixed():
    flags = {"l1": [0, 1e-5], "l2": [0, 1e-4, 1e-3], "scaling": ["unit", "raw"]}
    assert names(load(flags={"grid": "l1*l2,scaling", **flags})) == [
        *("plain", "l2=1e-4", "l2=1e-3"),
        *("l1=1e-5", "l1=1e-5,l2=1e-4", "l1=1e-5,l2=1e-3"),
        "scaling=raw",
    ]


USUAL = [name for name, axis in AXES.items() if axis.values]  # axes that need no values
REFUSED = {"early_stopping", "averaged_epochs"}  # together: who stops does not know which epochs are the last
TERMS = st.lists(st.sampled_from(USUAL), min_size=1, max_size=2, unique=True).filter(lambda term: set(term) != REFUSED)


@pytest.mark.slow
@settings(deadline=None, max_examples=50)
@given(grid=st.lists(TERMS, min_size=1, max_size=3))
def test_any_grid_gives_distinct_cells_and_comes_back_from_json_and_toml(grid):
    sweep = load(flags={"grid": ",".join("*".join(term) for term in grid)})
    assert len(set(names(sweep))) == len(sweep.cells)
    points = [tuple(value_of(cell.settings, axis) for axis in AXES) for cell in sweep.cells]
    assert len(set(points)) == len(points)
    assert points[0] == tuple(value_of(Settings(), axis) for axis in AXES), "the plain cell comes first"
    assert read(json.loads(json.dumps(sweep.resolved()))) == sweep
    assert read(tomllib.loads(sweep.to_toml())) == sweep
    assert sweep.differences(read(sweep.resolved())) == []


def test_another_value_changes_no_other_cell():
    few = load(flags={"grid": "l1,l2", "l1": [0, 1e-5]})
    more = load(flags={"grid": "l1,l2", "l1": [0, 1e-5, 1e-4]})
    assert [cell for cell in more.cells if cell.name != "l1=1e-4"] == list(few.cells)


def test_depth_takes_the_first_widths_and_repeats_the_last():
    sweep = load(flags={"grid": "depth", "depth": [2, 3, 5]})
    widths = {cell.name: cell.settings.hidden for cell in sweep.cells}
    assert widths == {
        "plain": (225, 256, 128),
        "depth=2": (225, 256),
        "depth=5": (225, 256, 128, 128, 128),
    }
    assert names(load(flags={"grid": "depth", "hidden": [64]})) == [
        *("plain", "depth=2", "depth=3", "depth=5", "depth=10")
    ]


def test_early_stopping_axis_keeps_what_else_the_recipe_says():
    recipe = {"early_stopping": {"monitor": "val_accuracy", "patience": 9}}
    sweep = read({"grid": "early_stopping", "axes": {"early_stopping": ["off", 2]}, "recipe": recipe})
    off, two = (cell.settings.early_stopping for cell in sweep.cells)
    assert off is None
    assert two == EarlyStopping(monitor="val_accuracy", patience=2)


def test_architecture_names_the_layers_there_are():
    settings = Settings(hidden=(8, 4), batch_norm=True, dropout=(0.0, 0.5))
    assert settings.architecture(784, 10) == "784-8-4-10+bn+dropout"
    assert settings.architecture() == "8-4+bn+dropout", "what the settings alone decide"
    assert Settings(hidden=(8, 4), dropout=(0.0, 0.0)).architecture(784, 10) == "784-8-4-10"
    assert Settings(hidden=(8, 4), dropout=0.5).dropout_rates == (0.5, 0.5)


def test_one_value_on_an_axis_outside_the_grid_holds_it_there():
    sweep = load(flags={"grid": "l1", "l1": [0, 1e-5], "l2": [1e-4], "scaling": ["raw"]})
    assert names(sweep) == ["l2=1e-4", "l1=1e-5,l2=1e-4"]
    assert {cell.settings.scaling for cell in sweep.cells} == {"raw"}


def test_flags_override_a_file(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text('grid = "l1"\nsplits = 3\n[recipe]\nepochs = 2\nl2 = 1e-4\n[axes]\nl1 = [0, 1]\n')
    sweep = load(file, {"epochs": 4, "l1": [0, 2]})
    assert (sweep.name, sweep.splits, sweep.recipe.epochs, sweep.recipe.l2) == ("mine", 3, 4, 1e-4)
    assert names(sweep) == ["l2=1e-4", "l1=2,l2=1e-4"]
    other_grid = load(file, {"grid": "scaling"})
    assert names(other_grid) == ["l2=1e-4", "l2=1e-4,scaling=raw", "l2=1e-4,scaling=standard"]


def test_runs_stand_beside_a_grid_and_are_called_after_their_settings():
    tables = {
        "grid": "l1",
        "axes": {"l1": [0, 1e-5]},
        "run": [{"l1": 1e-5, "l2": 1e-4}, {"name": "long", "epochs": 99}],
    }
    assert names(read(tables)) == ["plain", "l1=1e-5", "l1=1e-5,l2=1e-4", "long"]


def test_one_model_a_cell_runs_but_is_warned_of():
    assert "variance is undefined" in load(flags={"grid": "l1", "splits": 1}).warnings[0]
    assert load(flags={"grid": "l1", "splits": 1, "seeds": 2}).warnings == ()


def test_a_sweep_without_an_unregularised_cell_is_warned_of():
    assert "no cell is unregularised" in load(flags={"grid": "l1", "l1": [1e-5, 1e-4]}).warnings[0]


def test_differences_name_what_no_folder_can_grow_by_and_ignore_names():
    there = load(flags={"grid": "l1", "name": "there"})
    here = load(flags={"grid": "l1", "name": "here", "epochs": 3, "l1": [0, 1], "splits": 2, "learning_rate": [0.01]})
    assert there.differences(load(flags={"grid": "l1", "data": "elsewhere"})) == []
    assert here.differences(there) == [
        "splits: 5 there, 2 here",
        "[recipe] learning_rate: 1e-3 there, 0.01 here",
    ]


NUMBER = "must be a finite number of at least 0, such as 1e-5"


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"grid": "l3"}, ["--grid: unknown axis `l3`", "l1, l2, l1_exact", "--grid l1,l2 --l1 0,1e-5,1e-4"]),
        ({"grid": "l1,drop_out"}, ["unknown axis `drop_out`. Did you mean `dropout`?"]),
        ({"grid": "l1,,l2"}, ["--grid: an axis is missing"]),
        ({"grid": "l1*l1"}, ["--grid: `l1*l1` names an axis twice"]),
        ({"grid": "l1", "l1": [-1]}, [f"--l1: {NUMBER}", "got -1"]),
        ({"grid": "l1", "l1": [float("nan")]}, [f"--l1: {NUMBER}", "got nan"]),
        ({"grid": "l1", "l1": [float("inf")]}, [f"--l1: {NUMBER}", "got inf"]),
        ({"grid": "l1", "l1": ["much"]}, [f"--l1: {NUMBER}", 'got "much"']),
        ({"grid": "l1", "l1": [True]}, [f"--l1: {NUMBER}", "got true"]),
        ({"grid": "l1", "l1": [0, 0.0]}, ["--l1: 0 is there more than once"]),
        ({"grid": "l1", "l1": [0, 1e-5, 0.00001]}, ["--l1: 1e-5 is there more than once"]),
        ({"grid": "l1", "l1": []}, ["--l1: needs at least one value"]),
        ({"grid": "l1", "l1": 1e-5}, ["--l1: needs a list, got 1e-5. A list of one is l1 = [1e-5]."]),
        ({"grid": "l1", "l2": [0, 1]}, ["--l2: has 2 values, but l2 is not in the grid", "--grid l1,l2"]),
        ({"grid": "dropout", "dropout": [1.0]}, ["--dropout: must be a rate", "less than 1", "got 1"]),
        ({"grid": "dropout", "dropout": [[0.1, 0.2]]}, ["--dropout:", "list of 2", "3 hidden layers"]),
        ({"grid": "depth", "depth": [0]}, ["--depth: must be a whole number from 1 to 100, got 0"]),
        ({"grid": "depth", "depth": [2.5]}, ["--depth: must be a whole number", "got 2.5"]),
        ({"grid": "scaling", "scaling": ["units"]}, ['--scaling: must be "raw", "unit" or "standard"']),
        ({"grid": "early_stopping", "early_stopping": [-1]}, ["--early-stopping:", "from 0 to 1000000, got -1"]),
        ({"grid": "label_noise", "label_noise": [1.1]}, ["--label-noise: must be a share between 0 and 1"]),
        ({"grid": "l1", "epochs": 0}, ["--epochs: must be a whole number from 1 to 1000000, got 0"]),
        ({"grid": "l1", "splits": 5.0}, ["--splits: must be a whole number from 1 to 1000000, got 5.0"]),
        ({"grid": "l1", "hidden": 64}, ["--hidden: needs a list, got 64. A list of one is [64]."]),
        ({"grid": "l1", "hidden": []}, ["--hidden: must be a list of at most 100 layer widths", "got []"]),
        ({"grid": "l1", "hidden": [8, 0]}, ["--hidden: must be a list of at most 100 layer widths", "got 0"]),
        ({"grid": "l1", "learning_rate": [0]}, ["--learning-rate: must be a finite number above 0"]),
        ({"grid": "l1", "name": "a/b"}, ["--name: must be a name of letters"]),
        ({"grid": "l1", "splits": 1, "full_seeds": 1}, ["--full-seeds: with splits = 1"]),
        ({"grid": "l1", "splits": 1, "deals": 2}, ["--deals: with splits = 1", "--splits 5"]),
        ({}, ["nothing to train", "--grid l1,l2"]),
    ],
)  # fmt: skip
def test_flags_that_make_no_sense(flags, said):
    with pytest.raises(UserError) as caught:
        load(flags=flags, mark="--")
    for words in said:
        assert words in str(caught.value)
    assert len(str(caught.value).splitlines()) <= 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[recipe]\nepoch = 3", "[recipe]: unknown key `epoch`. Did you mean `epochs`? Known keys: hidden,"),
        ("gird = 'l1'", "unknown key `gird`. Did you mean `grid`?"),
        ("recipe = 3", "[recipe]: must be a table, got 3"),
        ("axes = 3", "[axes]: must be a table of lists"),
        ("run = 3", "[[run]]: needs a list"),
        ("grid = 'l1'\n[axes]\nl4 = [1]", "[axes]: unknown axis `l4`. Known axes: l1, l2,"),
        (
            "grid = 'l1'\n[axes]\nl1 = 1e-4",
            "[axes] l1: needs a list, got 1e-4. A list of one is l1 = [1e-4].",
        ),
        ("grid = 'l1'\n[recipe]\nl2 = -1", "[recipe] l2: must be a finite number"),
        ("grid = 'l1'\n[recipe]\nearly_stopping = {patienc = 1}", "Did you mean `patience`?"),
        (
            "[recipe]\nearly_stopping = {monitor = 'acc'}",
            '[recipe] early_stopping.monitor: must be "val_loss"',
        ),
        ("[[run]]\nnam = 'a'", "[[run]] number 1: unknown key `nam`. Did you mean `name`?"),
        ("[[run]]\n[[run]]\nl1 = 'a'", "[[run]] number 2 l1: must be a finite number"),
        ("[[run]]\n[[run]]", "two cells are called plain"),
        ("grid = 'l1'\n[[run]]", "two cells are called plain"),
        ("[[run]]\nname = 'a'\nafter = 'bb'\n[[run]]\nname = 'b'", "unknown run `bb`. Did you mean `b`?"),
        ("[[run]]\nname = 'a'\nafter = 'a'", "goes in a circle: a after a"),
        (
            "[[run]]\nname = 'a'\nafter = 'b'\n[[run]]\nname = 'b'\nafter = 'a'",
            "goes in a circle: a after b after a",
        ),
        (
            "[[run]]\nname = 'a'\n[[run]]\nname = 'b'\nafter = 'a'\nbatch_norm = true",
            "a is another network: 225-256-128, not 225-256-128+bn",
        ),
        ("grid = ", "is not valid TOML"),
    ],
)
def test_files_that_make_no_sense(tmp_path, text, said):
    file = tmp_path / "mine.toml"
    file.write_text(text)
    with pytest.raises(UserError) as caught:
        load(file)
    assert said in str(caught.value)
    assert str(caught.value).startswith(str(file))


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(UserError, match="no such sweep file"):
        load(tmp_path / "none.toml")
    with pytest.raises(UserError, match=r"Did you mean --grid l1\*l2\?"):
        load("l1*l2")
    with pytest.raises(UserError, match="can't be read"):
        load(tmp_path)
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match="is not valid TOML"):
        load(tmp_path / "binary.toml")
    (tmp_path / "wine.csv").write_text("a,b\n1,2\n")
    with pytest.raises(UserError, match=r"sweep file ends in .toml, .* a table is given as data: --data .*wine.csv"):
        load(tmp_path / "wine.csv")


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_shortest_reads_back_and_is_not_longer_than_repr(number):
    assert float(shortest(number)) == number
    assert len(shortest(number)) <= len(repr(number))


def test_a_table_without_a_grid_is_asked_the_question_of_the_first_command():
    named = load(flags={"data": "theirs.csv"})
    assert named == load(flags={"data": "theirs.csv", "grid": "l1,l2"}) and named.name == "theirs-l1-l2"
    with pytest.raises(UserError, match="nothing to train"):
        load(flags={"data": "theirs.csv", "l1": [1e-5]})  # of which it is not said whether it is to be swept
