"""Quantities: read, trained, decomposed, compared and reported, against closed forms and Keras."""

from __future__ import annotations

import re
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_diabetes

import jaxreg
from jaxreg import sweep
from jaxreg.data.dataset import Reading
from jaxreg.data.in_memory import of_arrays
from jaxreg.decomposition import decompose
from jaxreg.engine.tasks import Regression
from jaxreg.errors import UserError
from jaxreg.measures import QUANTITIES
from jaxreg.source import suited_to
from jaxreg.spec.load import load

SMALL = {"splits": 3, "seeds": 2, "epochs": 3, "hidden": [8], "l2": [0, 1e-3, 0.1], "second_stage": 2}


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Real measurements, with the target in other units than one."""
    frame = load_diabetes(as_frame=True, scaled=False).frame.rename(columns={"target": "progression"})
    file = tmp_path_factory.mktemp("tables") / "diabetes.csv"
    frame.assign(progression=1000 * frame["progression"] - 5e4).to_csv(file, index=False)
    return file


@pytest.fixture(scope="module")
def run(table: Path, tmp_path_factory: pytest.TempPathFactory) -> jaxreg.Run:
    out = tmp_path_factory.mktemp("runs") / "run"
    flags = "--grid l2 --l2 0,1e-3,0.1 --splits 3 --seeds 2 --epochs 3 --hidden 8 --second-stage 2 --quiet"
    assert sweep.main([*flags.split(), "--data", str(table), "--label", "progression", "--out", str(out)]) == 0
    return jaxreg.Run(out)


def stored(run: jaxreg.Run) -> dict[str, np.ndarray]:
    with np.load(run.folder / "predictions.npz") as found:
        return {name: found[name] for name in found.files}


def test_scores_are_those_of_the_predictions_in_the_targets_units(run, table):
    found, members = stored(run), run.members.set_index("member")
    apart = (found["quantities"] - found["targets"])[..., 0].astype(np.float64) * found["spreads"][0]
    of = members.loc[found["members"]]
    np.testing.assert_allclose(of["test_squared_error"], np.square(apart).mean(1), rtol=1e-5)
    np.testing.assert_allclose(of["test_absolute_error"], np.abs(apart).mean(1), rtol=1e-5)
    tested = found["targets"][:, 0].astype(np.float64) * found["spreads"][0]
    np.testing.assert_allclose(of["test_r2"], 1 - np.square(apart).mean(1) / tested.var(), rtol=1e-5)
    written = pd.read_csv(table)["progression"].to_numpy(float)
    raw = np.sort(tested + found["means"][0])
    assert np.isclose(raw[:, None], np.sort(written)[None], atol=1.0).any(1).all()  # float32 of numbers up to 3e5


def test_the_table_is_what_decompose_says_of_the_predictions(run):
    found = stored(run)
    for cell, rows in run.members.groupby("cell"):
        own = found["quantities"][np.isin(found["members"], rows["member"])] * found["spreads"][0]
        names = found["members"][np.isin(found["members"], rows["member"])]
        rows = rows.set_index("member").loc[names]
        theirs = decompose(
            own, found["targets"] * found["spreads"][0], *rows[["split", "seed"]].to_numpy().T, "quantities"
        )
        mine = run.decomposition[run.decomposition["cell"] == cell].set_index("loss")
        for loss in QUANTITIES.losses:
            np.testing.assert_allclose(
                mine.loc[loss, ["error", "bias", "variance"]].to_numpy(float),
                theirs.set_index("loss").loc[loss, ["error", "bias", "variance"]].to_numpy(float),
                rtol=1e-6,
            )


def test_the_page_speaks_of_the_quantity_and_not_of_classes(run):
    text = run.report
    assert "RMSE of `progression`" in text and "R²" in text and "squared units of progression" in text
    for word in ("cross-entropy", "accuracy", "Accuracy", "emperature", "class", "label noise", "Brier"):
        assert word not in text.replace("--task classification, if its values are classes", ""), word
    assert {"answer", "bias-variance-squared-error-l2", "train-test-l2", "r2-l2"} <= set(run.figures)
    assert run.best in {"plain", "l2=1e-3", "l2=0.1", "l2=2e-4", "l2=3.33e-4", *run.table("whole")["cell"]}
    assert set(run.recommendation["purpose"]) == {"rmse", "mae"}


def test_the_root_has_the_interval_of_its_square(run):
    written = re.search(r"RMSE of `progression` is (\S+) \((\S+) to (\S+)\) with `plain`", run.report)
    roots = [float(end.replace(",", "")) for end in written.groups()]
    (row,) = run.decomposition.query("loss == 'squared_error' and cell == 'plain'").to_dict("records")
    np.testing.assert_allclose(np.square(roots), [row[f"error{end}"] for end in ("", "_low", "_high")], rtol=0.02)


def test_the_page_is_written_again_from_its_files(run):
    before = run.report
    (run.folder / "report.md").unlink()
    jaxreg.report.page.write(run.folder)
    assert (run.folder / "report.md").read_text(encoding="utf-8") == before


@given(st.integers(1, 3), st.integers(2, 4), st.integers(1, 3), st.integers(0, 2**32 - 1))
def test_squared_bias_and_variance_are_those_of_the_nested_analysis(quantities, splits, seeds, seed):
    random = np.random.default_rng(seed)
    outputs = random.normal(size=(splits, seeds, 7, quantities))
    targets = random.normal(size=(7, quantities))
    which = np.indices((splits, seeds)).reshape(2, -1)
    found = decompose(outputs.reshape(-1, 7, quantities), targets, *which, "quantities").set_index("loss")
    error = np.square(outputs - targets).mean()
    centre = outputs.mean(1)
    between = np.square(centre - centre.mean(0)).sum(0).mean() / (splits - 1)
    within = np.square(outputs - centre[:, None]).sum((0, 1)).mean() / (splits * (seeds - 1)) if seeds > 1 else np.nan
    variance = between if seeds == 1 else between - within / seeds + within
    row = found.loc["squared_error"]
    np.testing.assert_allclose([row["error"], row["variance"], row["bias"]], [error, variance, error - variance])
    np.testing.assert_allclose(row["variance_seed"], within)
    assert found.loc["absolute_error", "error"] == pytest.approx(np.abs(outputs - targets).mean())


def test_bias_and_variance_are_unbiased_where_the_truth_is_known():
    random = np.random.default_rng(0)
    wrong, of_split, of_seed = 0.7, 0.5, 0.3
    shape = (4000, 3, 2)
    outputs = wrong + of_split * random.normal(size=(*shape[:2], 1)) + of_seed * random.normal(size=shape)
    which = np.indices((3, 2)).reshape(2, -1)
    row = (
        decompose(outputs.reshape(4000, 6).T, np.zeros(4000), *which, "quantities")
        .set_index("loss")
        .loc["squared_error"]
    )
    assert row["bias"] == pytest.approx(wrong**2, abs=0.05)
    assert row["variance_split"] == pytest.approx(of_split**2, abs=0.03)
    assert row["variance_seed"] == pytest.approx(of_seed**2, abs=0.01)


def test_units_change_nothing_but_the_units(tmp_path):
    random = np.random.default_rng(1)
    x = random.normal(size=(240, 3))
    y = x @ [1.0, -1.0, 0.5] + 0.5 * random.normal(size=240)
    runs = [
        jaxreg.run(
            load(flags={"grid": "l2", **SMALL, "loss": "squared", "scaling": ["raw"]}),
            dataset=of_arrays((x, scale * y + shift), Reading(folds=False)),
            out=tmp_path / f"{scale}",
        )
        for scale, shift in ((1.0, 0.0), (1024.0, 4096.0))
    ]
    one, other = (run.members for run in runs)
    np.testing.assert_allclose(1024.0**2 * one["test_squared_error"], other["test_squared_error"], rtol=1e-4)
    np.testing.assert_allclose(one["test_r2"], other["test_r2"], rtol=1e-3, atol=1e-4)
    one, other = (run.comparisons for run in runs)
    np.testing.assert_allclose(one["p"], other["p"], rtol=1e-2, atol=1e-6)


def test_several_quantities_are_standardised_each_by_itself(tmp_path):
    random = np.random.default_rng(2)
    x = random.normal(size=(200, 2))
    y = pd.DataFrame({"a": 1e6 * x[:, 0], "b": 1e-3 * x[:, 1]})
    data = of_arrays((pd.DataFrame(x, columns=["u", "v"]), y), Reading())
    assert data.quantities.names == ("a", "b") and data.unit == 1.0 and data.signature.outputs == 2
    np.testing.assert_allclose(data.train.targets.mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(data.train.targets.std(0), 1, rtol=1e-5)
    run = jaxreg.run("l2", data=(x, y), out=tmp_path / "run")
    assert run.members["architecture"].iloc[0].endswith("-2") and "standard deviations" in run.report


def test_the_loss_is_the_mean_over_quantities_as_keras_has_it():
    keras = pytest.importorskip("keras")
    random = np.random.default_rng(3)
    outputs, targets = jnp.asarray(random.normal(size=(2, 5, 3)), jnp.float32)
    theirs = keras.losses.mean_squared_error(np.asarray(targets), np.asarray(outputs))
    np.testing.assert_allclose(Regression(3).errors(outputs, targets), theirs, rtol=1e-6)


@pytest.mark.parametrize(
    ("values", "task", "said"),
    [
        ([0.5, 1.25, 2.0] * 10, None, "a quantity"),
        (list(range(60)), None, "a quantity"),
        ([0, 1, 2] * 10, None, '3 classes; task="regression"'),
        ([0, 1, 2] * 10, "regression", "a quantity"),
        ([0.5, 1.25, 2.0] * 10, "classification", "3 classes"),
        (["a", "b"] * 10, None, "2 classes"),
        ([True, False] * 10, None, "2 classes"),
    ],
)
def test_the_task_follows_from_the_target(values, task, said):
    x = np.random.default_rng(4).normal(size=(len(values), 2))
    data = of_arrays((x, np.array(values)), Reading(task=task))
    assert said in data.notes[0] and (data.quantities is None) == ("classes" in said.split(";")[0])


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"label_noise": [0.1]}, "label_noise is of classes"),
        ({"label_smoothing": [0.1]}, "label_smoothing is of classes"),
        ({"loss": "cross_entropy"}, "--loss squared"),
        ({"early_stopping": [{"patience": 2, "monitor": "val_accuracy", "validation_share": 0.2}]}, "val_accuracy"),
    ],
)
def test_what_is_of_classes_is_refused_before_a_folder_is_made(flags, said, tmp_path):
    x = np.random.default_rng(5).normal(size=(100, 2))
    data = of_arrays((x, x.sum(1)), Reading(folds=False))
    made = load(flags={"grid": "l2", **SMALL, **flags}, usual=suited_to(data, 3))
    with pytest.raises(UserError, match=said):
        jaxreg.run(made, dataset=data, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("y", "task", "said"),
    [
        (["a", "b"] * 20, "regression", "regression takes numbers"),
        ([3.5] * 40, None, "same in all rows"),
        ([1.5, None] * 20, None, "lacks"),
        ([1e19 * i + 0.5 for i in range(40)], None, "larger unit"),
    ],
)
def test_targets_that_are_none_are_refused(y, task, said):
    x = np.random.default_rng(6).normal(size=(40, 2))
    with pytest.raises(UserError, match=said):
        of_arrays((x, pd.Series(y)), Reading(task=task))


def test_what_counts_must_be_of_such_targets(table, capsys, tmp_path):
    asked = ["--data", str(table), "--label", "progression", "--grid", "l2", "--out", str(tmp_path / "run")]
    assert sweep.main([*asked, "--for", "accuracy"]) == 2
    assert "error: --for: must be one of rmse, mae" in capsys.readouterr().err and not (tmp_path / "run").exists()
    assert sweep.main([*asked, "--for", "rmse", "--dry-run"]) == 0


def test_predictions_of_quantities_are_compared(tmp_path):
    random = np.random.default_rng(7)
    y = random.normal(size=300) * 10
    near, far = (y + size * random.normal(size=(4, 300)) for size in (1, 3))
    cells = ["far"] * 4 + ["near"] * 4
    run = jaxreg.compare([*far, *near], y, cell=cells, split=[0, 1, 2, 3] * 2, out=tmp_path / "run")
    found = run.comparisons.set_index(["cell", "measure"])
    assert found.loc[("near", "test_squared_error"), "difference"].item() == pytest.approx(1 - 9, rel=0.1)
    assert run.best == "near" and "RMSE" in run.report
    with pytest.raises(UserError, match="far/split0/seed0, example 3"):
        bad = far.copy()
        bad[0, 3] = np.nan
        jaxreg.compare([*bad, *near], y, cell=cells, split=[0, 1, 2, 3] * 2, out=tmp_path / "other")
