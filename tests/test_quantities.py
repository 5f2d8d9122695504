"""Each of several quantities by itself: against the mean over all, against one alone, and against scikit-learn."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

import jaxreg
from jaxreg.decomposition import decompose
from jaxreg.measures import PARTS, QUANTITIES
from jaxreg.report.__main__ import main
from jaxreg.statistics import analysis, decomposition
from jaxreg.statistics.groups import counted, grouped
from jaxreg.statistics.predictions import QuantityPredictions
from jaxreg.statistics.quantities import table

real = analysis.analyse


class Column:
    """One of several quantities of outputs that are read a block at a time."""

    def __init__(self, outputs: Any, place: int) -> None:
        self.outputs, self.place, self.shape = outputs, place, (*outputs.shape[:-1], 1)

    def __getitem__(self, key: Any) -> np.ndarray:
        return self.outputs[key][..., [self.place]]


NAMES = ["weight|g", "height_m", "<b>any</b>"]
FLAGS = {"seeds": 2, "epochs": 3, "hidden": [8]}


def measured(rows: int) -> pd.DataFrame:
    """Quantities in units that differ by seven orders of magnitude; the last is noise."""
    random = np.random.default_rng(0)
    x, noise = random.normal(size=(rows, 3)), random.normal(size=(rows, 3))
    y = np.column_stack([4000 + 800 * x[:, 0] + 300 * noise[:, 0], 1.7 + 1e-4 * x[:, 1], noise[:, 2]])
    return pd.DataFrame(x, columns=["a", "b", "c"]).assign(**dict(zip(NAMES, y.T, strict=True)))


def trained(out: Path, rows: int, **flags: Any) -> jaxreg.Run:
    return jaxreg.run("l2=0,0.1", data=measured(rows), label=",".join(NAMES), out=out, **FLAGS, **flags)


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> jaxreg.Run:
    out = tmp_path_factory.mktemp("parts") / "run"
    return trained(out, 240, design="parts", splits=3, second_stage=2)


@pytest.fixture(scope="module")
def folds(tmp_path_factory: pytest.TempPathFactory) -> jaxreg.Run:
    return trained(tmp_path_factory.mktemp("folds") / "run", 60, design="folds", splits=3, deals=2)


def spreads(run: jaxreg.Run) -> dict[str, float]:
    found = json.loads((run.folder / "run.json").read_text(encoding="utf-8"))["data"]["quantities"]
    assert list(found) == NAMES
    return dict(found)


def over_quantities(run: jaxreg.Run, scope: str) -> pd.DataFrame:
    """Means over the quantities, in standard deviations, by cell."""
    found = run.table("quantities")
    unit = found["quantity_name"].map(spreads(run))
    found[[*PARTS]] = found[[*PARTS]].div(unit**2, axis=0)
    found["absolute_error"] /= unit
    means = found[found["scope"] == scope].groupby("cell")[[*PARTS, "absolute_error"]]
    return means.mean()


@pytest.mark.parametrize("design", ["parts", "folds"])
def test_their_mean_is_the_error_of_all(design: str, request: pytest.FixtureRequest) -> None:
    run = request.getfixturevalue(design)
    rows = run.decomposition.set_index(["loss", "cell"])
    means, squared = over_quantities(run, "parts"), rows.loc["squared_error"]
    assert list(means.index.sort_values()) == list(squared.index.sort_values())
    np.testing.assert_allclose(means[[*PARTS]], squared.loc[means.index, [*PARTS]], rtol=1e-9, atol=1e-15)
    np.testing.assert_allclose(means["absolute_error"], rows.loc["absolute_error"].loc[means.index, "error"])
    assert means["bias"].isna().all() == means["variance_seed"].isna().all() == (design == "folds")


def test_on_all_of_the_data_their_mean_is_that_of_the_whole(parts: jaxreg.Run) -> None:
    means, whole = over_quantities(parts, "whole"), parts.table("whole").set_index(["measure", "cell"])["mean"]
    for column, measure in {"error": "test_squared_error", "absolute_error": "test_absolute_error"}.items():
        np.testing.assert_allclose(means[column], whole[measure][means.index])
    assert len(means) > 2 and set(means.index) == set(whole["test_squared_error"].index)  # the second stage's too
    assert means["bias"].isna().all() and means["variance_seed"].notna().all()  # of one training set


def test_error_is_bias_and_variance_in_the_unit_of_each(parts: jaxreg.Run) -> None:
    found = parts.table("quantities").query("scope == 'parts'")
    np.testing.assert_allclose(found["error"], found["bias"] + found["variance"])
    np.testing.assert_allclose(found["variance"], found["variance_split"] + found["variance_seed"])
    np.testing.assert_allclose(found["rmse"] ** 2, found["error"])
    by_name = found.groupby("quantity_name")["rmse"].max()
    assert (by_name / pd.Series(spreads(parts))).between(0.1, 2).all()  # each of the size of its spread


def test_scores_are_the_means_of_scikit_learns_over_the_members(parts: jaxreg.Run) -> None:
    with np.load(parts.folder / "predictions.npz") as stored:
        values, targets = (stored[name] * stored["spreads"] + stored["means"] for name in ("quantities", "targets"))
        names = list(stored["members"])
    for cell, members in parts.members.groupby("cell"):
        rows = parts.table("quantities").query("scope == 'parts'").set_index("cell").loc[str(cell)]
        outputs = [values[names.index(member)] for member in members["member"]]
        how: dict[str, Any] = {"multioutput": "raw_values"}
        own = {
            "r2": np.mean([r2_score(targets, one, **how) for one in outputs], 0),
            "rmse": np.mean([root_mean_squared_error(targets, one, **how) ** 2 for one in outputs], 0) ** 0.5,
            "absolute_error": np.mean([mean_absolute_error(targets, one, **how) for one in outputs], 0),
        }
        for column, wanted in own.items():
            np.testing.assert_allclose(rows[column], wanted, rtol=1e-6, atol=1e-9)


@given(
    st.integers(2, 3), st.integers(1, 3), st.integers(1, 3), st.integers(1, 2), st.booleans(), st.integers(0, 2**32 - 1)
)
def test_one_of_several_is_what_it_is_alone(
    quantities: int, splits: int, seeds: int, deals: int, lost: bool, seed: int
) -> None:
    random = np.random.default_rng(seed)
    deal, split, number = np.indices((deals, splits, seeds)).reshape(3, -1)
    rows = pd.DataFrame({"split": deal * splits + split, "seed": number, "deal": deal, "cell": "plain"})
    rows = rows.assign(member=[str(i) for i in rows.index], diverged_at=pd.NA)
    if lost and len(rows) > 1:  # so that seeds need not be equally many
        rows.loc[len(rows) - 1, "diverged_at"] = 1
    values, targets = random.normal(size=(len(rows), 5, quantities)), random.normal(size=(5, quantities))
    units = 10.0 ** random.integers(-3, 4, quantities)
    scored = QuantityPredictions(values, targets)
    cells = {"parts": counted(rows, list(rows["member"]))}
    found = table(cells, scored, [(f"q{i}", unit) for i, unit in enumerate(units)])
    kept = rows["diverged_at"].isna().to_numpy()
    where = {key: rows.loc[kept, key].to_numpy() for key in ("split", "seed", "deal")}
    for i, unit in enumerate(units):
        alone = decompose(unit * values[kept, :, i], unit * targets[:, i], **where, kind="quantities")
        alone = alone.set_index("loss")
        for end in ("", "_low", "_high"):
            ours, names = found.loc[i], [f"{part}{end}" for part in PARTS]
            np.testing.assert_allclose(
                ours[names].to_numpy(float), alone.loc["squared_error", names].to_numpy(float), atol=unit**2 * 1e-9
            )
            assert ours[f"absolute_error{end}"] == pytest.approx(
                alone.loc["absolute_error", f"error{end}"], nan_ok=True
            )
            assert ours[f"r2{end}"] == pytest.approx(alone.loc["squared_error", f"r2{end}"], nan_ok=True)
    assert table(cells, QuantityPredictions(values[..., :1], targets[:, :1]), [("q", 1.0)]).empty


def test_of_folds_one_of_several_is_what_it_is_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The layouts of nested cross-validation too, by the real path: the tables of each by itself."""
    kept: list[Any] = []
    monkeypatch.setattr(
        "jaxreg.conclude.analysis.analyse", lambda *given, **how: kept.append((given, how)) or real(*given, **how)
    )
    trained(tmp_path / "run", 60, design="folds", splits=3, deals=2)
    (rows, predictions, ids, *_), how = kept[0]
    cells, names = counted(rows, ids), [(name, 1.0) for name in NAMES]
    found = table({"parts": cells}, predictions, names, how["folds"]).set_index(["cell", "quantity"])
    for place in range(len(NAMES)):
        alone = QuantityPredictions(Column(predictions.values, place), predictions.targets[:, [place]])
        (group,) = grouped(cells, alone, how["folds"])
        for name, layout in zip(group.names, group.by_measure, strict=True):
            one = decomposition.table(layout, group.design, measures=QUANTITIES).set_index("loss")
            for end in ("", "_low", "_high"):
                for part in ("error", "r2"):
                    assert found.loc[(name, place), f"{part}{end}"] == pytest.approx(
                        one.loc["squared_error", f"{part}{end}"]
                    )


def test_with_one_model_the_interval_of_r2_is_the_delta_methods() -> None:
    random = np.random.default_rng(3)
    targets = random.gamma(2.0, size=200)
    outputs = targets + random.normal(size=(1, 200)) * targets**0.5
    row = decompose(outputs, targets, [0], [0], kind="quantities").set_index("loss").loc["squared_error"]
    errors, spread = np.square(outputs[0] - targets), np.square(targets - targets.mean())
    assert row["r2"] == pytest.approx(r2_score(targets, outputs[0]))
    share = errors.sum() / spread.sum()
    error = (errors - share * spread).std(ddof=1) / spread.mean() / 200**0.5
    half = stats.t.ppf(0.975, 199) * error
    assert (row["r2_low"], row["r2_high"]) == pytest.approx((1 - share - half, 1 - share + half))
    shifted = decompose(7 + 1e3 * outputs, 7 + 1e3 * targets, [0], [0], kind="quantities").set_index("loss")
    assert list(shifted.loc["squared_error", ["r2", "r2_low", "r2_high"]]) == pytest.approx(
        list(row[["r2", "r2_low", "r2_high"]])
    )
    assert decompose(outputs, 0 * targets, [0], [0], kind="quantities")["r2"].isna().all()  # nothing to predict


@pytest.mark.parametrize("design", ["parts", "folds"])
def test_the_page_has_each_in_its_own_unit(design: str, request: pytest.FixtureRequest) -> None:
    run = request.getfixturevalue(design)
    said = run.report.partition("\n## Quantities\n")[2].partition("\n## ")[0]
    heads = [line for line in said.splitlines() if line.startswith("| Quantity")]
    assert ["Bias" in head and "Variance" in head for head in heads] == (
        [False, True] if design == "parts" else [False]
    )
    assert "On all 180 rows:" in said if design == "parts" else "On 60 rows, cross-validated:" in said
    assert "RMSE of the standardised quantities" in run.report and "is in the next section" in run.report
    for name in ("weight¦g", "height_m", r"\<b\>any\</b\>"):
        assert f"| {name} " in said
    page = (run.folder / "report.html").read_text(encoding="utf-8")
    assert "weight|g" in page and "&lt;b&gt;any&lt;/b&gt;" in page and "<b>" not in page


def test_a_run_without_the_table_is_read_and_its_page_written(parts: jaxreg.Run, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(parts.folder, tmp_path / "run"))
    assert main([str(folder)]) == 0
    assert jaxreg.Run(folder).report == parts.report.replace("/".join(parts.folder.parts[-2:]), f"{tmp_path.name}/run")
    (folder / "quantities.csv").unlink()
    record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    del record["files"]["quantities.csv"]
    (folder / "run.json").write_text(json.dumps(record), encoding="utf-8")
    assert main([str(folder)]) == 0
    after = jaxreg.Run(folder).report
    assert "## Quantities" not in after and "next section" not in after and "## All cells" in after


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda rows: pd.concat([rows, rows[:1]]), "is there more than once"),
        (lambda rows: rows[:1].assign(cell="other"), "that members.csv has not"),
        (lambda rows: rows.assign(rmse="much"), "`rmse` has something else than numbers"),
        (lambda rows: rows.drop(columns="r2"), "no column r2"),
        (lambda rows: rows.assign(quantity=0.5), "`quantity` has something else than whole numbers"),
    ],
)
def test_what_no_run_has_left_is_refused(
    change: Any, said: str, parts: jaxreg.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Path(shutil.copytree(parts.folder, tmp_path / "run"))
    record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    (folder / "run.json").write_text(json.dumps(record | {"files": {}}), encoding="utf-8")
    change(pd.read_csv(folder / "quantities.csv")).to_csv(folder / "quantities.csv", index=False)
    assert main([str(folder)]) == 2
    told = capsys.readouterr().err
    assert "quantities.csv" in told and said in told
