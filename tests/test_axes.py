"""The table of axes: every row is complete, and every axis goes all the way from what is typed to the report."""

from __future__ import annotations

import math
from dataclasses import fields

import numpy as np
import pytest

import jaxreg
from jaxreg import sweep as command
from jaxreg.axes import AXES, RECIPE, Axis, reference, unregularised
from jaxreg.formatting import value_text
from jaxreg.report.figures.style import strength_axis
from jaxreg.report.layout import arrange
from jaxreg.spec.grid import at, plain, value_of
from jaxreg.spec.load import load
from jaxreg.spec.load import read as read_sweep
from jaxreg.spec.settings import Settings
from jaxreg.store.results import read

ROWS = pytest.mark.parametrize("axis", AXES.values(), ids=lambda axis: axis.name)
RECIPE_OF_TESTS = {"hidden": [6, 4, 3], "epochs": 2, "batch_size": 50}


def values(axis: Axis) -> list[object]:
    """Two values of an axis: what changes nothing, and one that does."""
    if axis.name == "train_examples":  # of the 100 that a split of these tests has
        return ["all", 40]
    if axis.name == "network":
        return ["mlp", "fitted_networks:Own"]
    usual = [plain(value) for value in axis.values]
    off = value_of(Settings(**RECIPE_OF_TESTS), axis.name) if axis.off is RECIPE else axis.off
    return [off, next(value for value in usual[1:] if value != off)]


def typed(axis: Axis) -> list[str]:
    return [f"--{axis.name.replace('_', '-')}", ",".join(map(value_text, values(axis)))]


@pytest.mark.parametrize("missing", [field.name for field in fields(Axis)])
def test_a_row_that_leaves_a_fact_out_can_not_be_written(missing):
    row = {field.name: getattr(AXES["l1"], field.name) for field in fields(Axis)}
    assert Axis(**row) == AXES["l1"]
    del row[missing]
    with pytest.raises(TypeError, match=missing):
        Axis(**row)


@ROWS
def test_the_usual_values_are_what_settings_take(axis):
    recipe = Settings()
    for value in axis.values:
        settings = at(recipe, {axis.name: plain(value)}, str)
        assert settings == recipe or value_text(value_of(settings, axis.name)) != value_text(
            value_of(recipe, axis.name)
        )
    if axis.off is not RECIPE:
        assert value_of(recipe, axis.name) == axis.off and axis.neutral(axis.off) and axis.neutral(str(axis.off))
        assert not axis.neutral(values(axis)[1])


@ROWS
def test_values_read_back_from_a_table_keep_their_order(axis):
    """Strength is the same of a value and of its text in a table, and differs between the usual ones."""
    settings = [at(Settings(), {axis.name: plain(value)}, str) for value in axis.values]
    found = [axis.strength(value_of(one, axis.name)) for one in settings]
    again = [axis.strength(str(value_of(one, axis.name))) for one in settings]
    np.testing.assert_array_equal(found, again)
    if axis.stronger:
        scalar = [strength for strength, value in zip(found, axis.values, strict=True) if not isinstance(value, tuple)]
        assert len(set(scalar)) == len(scalar)
        off = [strength for strength, value in zip(found, axis.values, strict=True) if value == axis.off]
        assert all(strength >= least for strength in found for least in off), "off regularises least"
    else:
        assert np.isnan(found).all()


@ROWS
@pytest.mark.parametrize("crossed", [False, True])
def test_command_line_file_and_python_mean_the_same(axis, crossed, tmp_path):
    grid = f"l1*{axis.name}" if crossed and axis.name != "l1" else axis.name
    flags = {"grid": grid, **{name: plain(value) for name, value in RECIPE_OF_TESTS.items()}}
    flags = {name: [value] if name in AXES else value for name, value in flags.items()}
    expected = load(flags={**flags, axis.name: values(axis)})
    assert len(expected.cells) == 2 * (6 if crossed and axis.name != "l1" else 1)
    file = tmp_path / "axis.toml"
    file.write_text(expected.to_toml(), encoding="utf-8")
    assert load(file) == expected
    words = ["--grid", grid, "--hidden", "6,4,3", "--epochs", "2"]
    words += typed(AXES["batch_size"]) if axis.name == "batch_size" else ["--batch-size", "50"]
    given = vars(command.parser().read([*words, *(typed(axis) if axis.name != "batch_size" else [])]))
    understood = {name: command._value(name, text) for name, text in given.items() if isinstance(text, str)}
    assert load(flags=understood, mark="--") == expected


@pytest.fixture(scope="module")
def run(tmp_path_factory, dataset):
    """Every axis crossed with L1, trained and reported; among the cells are those of every axis alone."""
    grid = ",".join(f"l1*{name}" for name in AXES if name != "l1")
    axes = {axis.name: values(axis) for axis in AXES.values()}
    sweep = read_sweep({"name": "axes", "grid": grid, "splits": 2, "recipe": RECIPE_OF_TESTS, "axes": axes})
    return jaxreg.run(sweep, out=tmp_path_factory.mktemp("axes") / "run", dataset=dataset)


@pytest.mark.slow
@ROWS
def test_an_axis_goes_all_the_way_to_the_report(axis, run):
    results = read(run.folder)
    layout = arrange(results)
    assert axis.name in layout.swept and set(AXES) <= set(run.members.columns)
    cells = run.members.drop_duplicates("cell").set_index("cell")
    mine = [cell for cell in cells.index if cell.startswith(f"{axis.name}=") and "," not in cell]
    assert len(mine) == 1 and cells.loc[mine[0], axis.name] != cells.loc["plain", axis.name]
    assert cells.loc[mine[0]].drop([axis.name, "architecture"]).reindex(AXES).dropna().astype(str).to_dict() == (
        cells.loc["plain"].drop([axis.name]).reindex(AXES).dropna().astype(str).to_dict()
    ), "no other column tells them apart"
    assert run.decomposition.loc[run.decomposition["cell"] == mine[0], axis.name].notna().all()
    drawn = [line.axis for line in layout.lines] if axis.scale else [cells.title for cells in layout.lists]
    assert (axis.name if axis.scale else axis.title) in drawn
    chosen = run.table("choices")
    rules = set(chosen.loc[chosen["axis"] == axis.name, "rule"])
    assert rules == (set() if axis.condition else {"best", "one_standard_error"} if axis.stronger else {"best"})
    assert f"`{mine[0]}`" in run.report


@pytest.mark.slow
@ROWS
def test_an_axis_crossed_with_l1_is_a_map_of_the_report(axis, run):
    if axis.name == "l1":
        pytest.skip("the other side of every map")
    results = read(run.folder)
    assert f"map-l1-{axis.name}" in run.figures
    (product,) = [product for product in arrange(results).products if product.second == axis.name]
    assert product.table.shape == (2, 2) and product.table.notna().all(axis=None)


def test_no_limit_stands_beyond_the_largest_value_of_a_line(tmp_path):
    from written_runs import write_run

    from jaxreg.report.figures.style import canvas

    cells = [("plain", {"max_norm": "off"}), *((f"max_norm={limit}", {"max_norm": limit}) for limit in (1.0, 3.0))]
    (line,) = arrange(read(write_run(tmp_path, cells=cells, grid="max_norm"))).lines
    assert line.cells == ("max_norm=1.0", "max_norm=3.0", "plain") and line.labels == ("1", "3", "off")
    assert line.positions == (0.0, math.log10(3), math.log10(3) + 1)
    axes = canvas(3.0)[1][0, 0]
    strength_axis(axes, line)
    assert [label.get_text() for label in axes.get_xticklabels()] == ["1", "3", "off"]


def test_the_reference_is_plain_or_has_the_most_axes_off():
    cells = {"a": {"l1": 1e-5, "l2": "0"}, "b": {"l1": 0.0, "l2": 0, "depth": 3}, "c": {"l1": "0.0", "l2": 0.0}}
    assert reference(cells) == "b", "the first of equals"
    assert reference(cells | {"plain": {"l1": 1}}) == "plain"
    assert reference({}) is None


def test_unregularised_means_that_nothing_that_regularises_is_on():
    off = {name: axis.off for name, axis in AXES.items() if axis.off is not RECIPE}
    assert unregularised(off) and unregularised(off | {"label_noise": 0.4}) and unregularised({})
    for name, axis in AXES.items():
        if axis.off is not RECIPE and not axis.condition:
            assert not unregularised(off | {name: values(axis)[1]})
