"""The tables of a whole run, from a small one made up of formulas."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from jaxreg.axes import present
from jaxreg.measures import CLASSES
from jaxreg.statistics.analysis import analyse, write
from jaxreg.statistics.comparisons import UNDECIDED, holm
from jaxreg.statistics.decomposition import LOSSES, PARTS, SHARES
from jaxreg.statistics.predictions import ClassPredictions
from jaxreg.statistics.recommendation import COLUMNS

CELLS = {"plain": (0.0, 0.0), "l1=1e-4": (1e-4, 0.0), "l2=1e-3": (0.0, 1e-3), "l2=0.1": (0.0, 0.1)}
WORSE = {"plain": 0.3, "l1=1e-4": 0.0, "l2=1e-3": 0.1, "l2=0.1": 2.0}
LABELS = np.arange(60) % 4
NAMES = ("coat", "bag", "7", "low, wide")
INPUTS = np.arange(360).reshape(60, 6)


def made_up(diverged=()):
    """Members and log-probabilities [member, example, class] of 4 cells x 3 splits x 2 seeds."""
    random = np.random.default_rng(3)
    common = random.normal(size=(3, 2, 60, 4))
    rows, logits = [], []
    for cell, (l1, l2) in CELLS.items():
        for split in range(3):
            for seed in range(2):
                name = f"{cell}/split{split}/seed{seed}"
                other = {"dropout": 0.0, "batch_norm": False, "depth": 3, "scaling": "unit", "early_stopping": "off"}
                rows.append(
                    {"member": name, "cell": cell, "l1": l1, "l2": l2}
                    | other
                    | {"label_noise": 0.0, "pixel_noise": 0.0, "split": str(split), "seed": seed}
                    | {"diverged_at": 1.0 if name in diverged else np.nan}
                )
                noise = common[split, seed] + 0.1 * random.normal(size=(60, 4))
                logits.append((2.5 - WORSE[cell]) * np.eye(4)[LABELS] + noise)
    x = np.array(logits)
    return pd.DataFrame(rows), x - np.log(np.exp(x).sum(-1, keepdims=True))


def tables(members, outputs, inputs=INPUTS, picture=(2, 3), names=NAMES):
    kept = members["diverged_at"].isna().to_numpy()
    return analyse(
        members, ClassPredictions(outputs[kept], LABELS), list(members["member"][kept]), inputs, picture, names
    )


@pytest.fixture(scope="module")
def run():
    return tables(*made_up())


def test_the_files_and_their_columns(run, tmp_path):
    write(run, tmp_path)
    names = {
        "decomposition",
        "comparisons",
        "choices",
        "classes",
        "calibration",
        "reliability",
        "power",
        "recommendation",
    }
    assert {path.name for path in tmp_path.iterdir()} == {f"{name}.csv" for name in names} | {"examples.npz"}
    measured = [f"{part}{end}" for part in (*PARTS, *SHARES) for end in ("", "_low", "_high")]
    expected = {
        "decomposition": ["cell", *present(made_up()[0]), "loss", *measured, "models", "splits", "seeds", "diverged"],
        "comparisons": "cell reference measure difference low high p p_adjusted verdict gain".split(),
        "choices": "axis rule cell value test_cross_entropy low high test_error honest_cross_entropy honest_error "
        "flattery tied".split(),
        "classes": ["cell", "class", "class_name", "loss", *PARTS],
        "calibration": "cell expected_calibration_error low high chance temperature".split()
        + ["scaling", "scaling_low", "scaling_high"],
        "reliability": "cell bin confidence accuracy share".split(),
        "power": "measure cell difference splits_needed seeds_needed detectable_difference splits seeds comparisons "
        "sd_split sd_seed sd_example prior_freedom".split(),
        "recommendation": list(COLUMNS),
    }
    assert {path.name for path in tmp_path.iterdir()} == {f"{name}.csv" for name in expected} | {"examples.npz"}
    for name, columns in expected.items():
        assert set(columns) == set(pd.read_csv(tmp_path / f"{name}.csv").columns), name
    with np.load(tmp_path / "examples.npz") as examples:
        assert {"example", "label", "predicted", "cell", "kind", "value", "pixels"} == set(examples)


def test_an_input_is_stored_as_the_picture_that_it_is(run):
    examples = run.examples
    assert examples["pixels"].shape == (len(examples["example"]), 2, 3)
    np.testing.assert_array_equal(examples["pixels"][:, 0, 0], 6 * examples["example"])
    members, outputs = made_up()
    for nothing in ({"picture": None}, {"inputs": None}):
        found = tables(members, outputs, **nothing).examples
        assert set(found) == set(examples) - {"pixels"}


def test_classes_have_the_names_that_were_given(run):
    found = run.classes.drop_duplicates("class")
    assert dict(zip(found["class"], found["class_name"], strict=True)) == dict(enumerate(NAMES))
    assert "class_name" not in tables(*made_up(), names=None).classes


def test_every_cell_is_decomposed(run):
    found = run.decomposition
    assert list(found["cell"]) == [cell for cell in CELLS for _ in LOSSES]
    assert (found[["models", "splits", "seeds", "diverged"]] == [6, 3, 2, 0]).all(axis=None)
    np.testing.assert_allclose(found["error"], found["bias"] + found["variance"])
    smooth = found[found["loss"] != "zero_one"]
    np.testing.assert_allclose(smooth["variance"], smooth["variance_split"] + smooth["variance_seed"])
    by_class = run.classes.groupby(["cell", "loss"])[["error", "variance"]].mean()  # the classes are equally many
    whole = found.set_index(["cell", "loss"])[["error", "variance"]]
    pd.testing.assert_frame_equal(by_class, whole.sort_index(), rtol=1e-5, atol=1e-7)


def test_comparisons_are_differences_of_the_decomposition(run):
    found = run.comparisons
    best = "l1=1e-4"  # by how the members were made up
    for reference in ("plain", best):
        rows = found[found["reference"] == reference]
        assert sorted(zip(rows["cell"], rows["measure"], strict=True)) == sorted(
            (cell, measure) for cell in CELLS if cell != reference for measure in CLASSES.compared
        )
    parts = run.decomposition.set_index(["cell", "loss"])
    for row in found.itertuples():
        loss, part = CLASSES.compared[row.measure].term
        expected = parts.loc[(row.cell, loss), part] - parts.loc[(row.reference, loss), part]
        assert row.difference == pytest.approx(expected, abs=1e-6)
        assert row.verdict == UNDECIDED or row.verdict == ("lower" if row.difference < 0 else "higher")
        assert row.low <= row.difference <= row.high
    worst = found[(found["cell"] == "l2=0.1") & (found["measure"] == "test_cross_entropy")]
    assert list(worst["verdict"]) == ["higher", "higher"]


def test_what_a_split_does_to_all_cells_alike_cancels(run):
    """Every probability of the label falls by a factor of its split and example, the same in all cells."""
    members, outputs = made_up()
    random = np.random.default_rng(4)
    factor = np.exp(-np.array([0.1, 0.5, 1.0])[:, None] * random.uniform(0.5, 1, (3, 60)))
    hot = np.eye(4, dtype=bool)[LABELS]
    p = np.exp(outputs)
    right = p[:, hot][..., None]
    lower = right * factor[members["split"].astype(int)][..., None]
    shifted = np.log(np.where(hot, lower, p * (1 - lower) / (1 - right)))
    a, b = (
        found.comparisons[found.comparisons["measure"] == "test_cross_entropy"].reset_index(drop=True)
        for found in (run, tables(members, shifted))
    )
    columns = ["cell", "reference", "difference", "low", "high", "p_adjusted", "verdict"]
    pd.testing.assert_frame_equal(a[columns], b[columns], rtol=1e-6, atol=1e-9)
    assert (b["gain"] > a["gain"]).all()


@pytest.mark.parametrize("number", [None, 10])
def test_holm_is_monotone_and_never_below_the_raw(number):
    p = np.array([0.04, 0.01, np.nan, 0.01, 0.9, 0.002])
    adjusted = holm(p, number)
    known = ~np.isnan(p)
    assert (np.isnan(adjusted) == ~known).all()
    assert (adjusted[known] >= p[known]).all() and (adjusted[known] <= 1).all()
    assert (np.diff(adjusted[known][np.argsort(p[known])]) >= 0).all()
    assert adjusted[5] == pytest.approx(0.002 * (number or len(p)))


def test_choices_of_each_swept_axis_and_of_all(run):
    found = run.choices
    assert set(found["axis"]) == {"l1", "l2", "all"}
    assert {axis: list(rules) for axis, rules in found.groupby("axis")["rule"]} == {
        axis: ["best", "one_standard_error"] for axis in ("l1", "l2", "all")
    }
    best = found[found["rule"] == "best"].set_index("axis")
    assert dict(best["cell"]) == {"l1": "l1=1e-4", "l2": "l2=1e-3", "all": "l1=1e-4"}
    np.testing.assert_allclose(
        best["test_cross_entropy"],
        [
            run.decomposition.query("loss == 'cross_entropy' and cell == @cell")["error"].iloc[0]
            for cell in best["cell"]
        ],
        rtol=1e-6,
    )
    assert all(row.cell in row.tied.split("; ") for row in found.itertuples())


def test_a_diverged_member_is_left_out_and_counted(run):
    found = tables(*made_up(diverged=["l1=1e-4/split1/seed0"]))
    a, b = (x.decomposition.set_index("cell") for x in (run, found))
    assert set(b.loc["l1=1e-4", "diverged"]) == {1} and set(b.loc["l1=1e-4", "models"]) == {5}
    pd.testing.assert_frame_equal(a.drop("l1=1e-4"), b.drop("l1=1e-4"))
    assert "l1=1e-4" not in set(found.choices["cell"]), "a cell with a diverged member can't be chosen"
    paired = found.comparisons[found.comparisons["cell"] == "l1=1e-4"]
    assert set(paired["reference"]) == {"plain", "l2=1e-3"} and paired["difference"].notna().all()


def test_when_all_have_diverged_there_is_a_table_all_the_same(tmp_path):
    members, outputs = made_up()
    found = tables(members.assign(diverged_at=1.0), outputs)
    assert list(found.decomposition["cell"]) == [cell for cell in CELLS for _ in LOSSES]
    assert (found.decomposition[["models", "diverged"]] == [0, 6]).all(axis=None)
    assert found.decomposition[list(PARTS)].isna().all(axis=None)
    assert found.choices.empty and found.comparisons.empty
    write(found, tmp_path)
    assert (tmp_path / "decomposition.csv").exists()
