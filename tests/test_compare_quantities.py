"""Quantities that others have predicted: taken for what they are, in the units that they were given in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from test_compare_page import of_kind

import jaxreg
from jaxreg.errors import UserError
from jaxreg.measures import PARTS
from jaxreg.report.__main__ import main
from jaxreg.scored import scored
from jaxreg.store.given_quantities import are_quantities


@pytest.mark.parametrize("scales", [(1.0,), (50.0,), (1.0, 100.0)])
def test_errors_of_quantities_are_in_the_units_that_they_were_given_in(
    scales: tuple[float, ...], tmp_path: Path
) -> None:
    """What the page says of units is how the error follows them."""
    given = of_kind("quantities", splits=3, seeds=1)
    p, y = (np.stack([scale * np.array(given[key]) for scale in scales], -1) for key in ("predictions", "targets"))
    run = jaxreg.compare(**given | {"predictions": p, "targets": y}, kind="quantities", out=tmp_path / "run")
    alone = np.square(np.array(given["predictions"]) - given["targets"]).mean(1)
    np.testing.assert_allclose(run.members["test_squared_error"], alone * np.mean(np.square(scales)))
    assert "standard deviations" not in run.report
    several = "means over the 2 quantities, each in its own units" in run.report
    assert several == (len(scales) > 1) == ("in the units of the targets" not in run.report)


def test_numbers_of_many_values_are_quantities_as_in_a_table(tmp_path: Path) -> None:
    """Whole targets, with predictions that have fractions or are rounded; the page says what they were taken for."""
    random, targets = np.random.default_rng(0), np.repeat(np.arange(60), 4) * 3
    fractions = targets + random.normal(0, 20, (4, 240))
    given: dict[str, Any] = {"targets": targets, "cell": ["a", "a", "b", "b"], "split": [0, 1, 0, 1]}
    for name, predictions in {"fractions": fractions, "rounded": fractions.round().astype(int)}.items():
        run = jaxreg.compare(**given, predictions=predictions, out=tmp_path / name)
        np.testing.assert_allclose(run.members["test_squared_error"], np.square(predictions - targets).mean(1))
        assert "quantities, of 60 different whole numbers; kind='votes'" in run.report
    votes = jaxreg.compare(**given, predictions=fractions.round().astype(int), kind="votes", out=tmp_path / "votes")
    assert "test_zero_one" in votes.members and "different whole numbers" not in votes.report
    few = given | {"targets": targets % 2, "predictions": fractions}
    with pytest.raises(UserError, match=r"is no probability of the second .* kind='quantities'"):
        jaxreg.compare(**few, out=tmp_path / "few")
    assert "test_squared_error" in jaxreg.compare(**few, kind="quantities", out=tmp_path / "few").members


def test_probabilities_for_each_of_many_classes_are_no_quantities() -> None:
    p = np.random.default_rng(0).dirichlet(np.ones(60), (2, 120))
    assert not are_quantities(p, np.arange(120) % 60) and are_quantities(p[..., 0], np.arange(120) % 60)


def given_to(names: list[str] | None = None, quantities: int = 2) -> dict[str, Any]:
    """Predictions of two settings on three training sets, the second worse, and the last quantity in thousands."""
    random = np.random.default_rng(1)
    targets = random.normal(size=(80, quantities)) * ([1] * (quantities - 1) + [1000])
    worse = np.repeat([1.0, 2.0], 3)[:, None, None] * targets.std(0)
    predictions = targets + worse * random.normal(size=(6, *targets.shape))
    of = targets if names is None else pd.DataFrame(targets, columns=names)
    return {"predictions": predictions, "targets": of, "cell": ["a"] * 3 + ["b"] * 3, "split": [0, 1, 2] * 2}


def test_given_quantities_are_in_the_units_that_they_were_given_in(tmp_path: Path) -> None:
    given = given_to()
    run = jaxreg.compare(**given, out=tmp_path / "run")
    found = run.table("quantities").set_index(["quantity_name", "cell"])
    means = found.groupby("cell")[["error", "bias", "variance"]].mean()
    rows = run.decomposition.set_index(["loss", "cell"]).loc["squared_error"]
    np.testing.assert_allclose(means, rows.loc[means.index, means.columns])
    for place, name in enumerate(("target0", "target1")):
        one = {key: given[key][..., place] for key in ("predictions", "targets")}
        alone = jaxreg.compare(**given | one, out=tmp_path / name)
        assert not (alone.folder / "quantities.csv").exists() and "## Quantities" not in alone.report
        theirs = alone.decomposition.set_index(["loss", "cell"]).loc["squared_error"]
        for column in PARTS:
            np.testing.assert_allclose(found.loc[name][column], theirs.loc[found.loc[name].index, column])
        r2 = alone.members.groupby("cell")["test_r2"].mean()
        np.testing.assert_allclose(found.loc[name]["r2"], r2[found.loc[name].index])
    assert "On training sets like these:" in run.report and "counts most. Each by itself" in run.report
    assert "squared errors, bias and variance in" in run.report


def test_of_one_training_set_no_bias_is_told(tmp_path: Path) -> None:
    given = given_to()
    run = jaxreg.compare(**given | {"seed": given.pop("split")}, out=tmp_path / "run")
    found = run.table("quantities")
    assert found["bias"].isna().all() and (found["variance_seed"] > 0).all()
    said = run.report.partition("\n## Quantities\n")[2].partition("\n## ")[0]
    assert "On a training set like this:" in said and "ias" not in said


def test_given_quantities_have_the_names_of_their_columns(tmp_path: Path) -> None:
    run = jaxreg.compare(**given_to(["NA", "size"]), out=tmp_path / "run")
    assert list(run.table("quantities")["quantity"]) == [0, 1, 0, 1]
    assert "| size " in run.report and "| 0 " in run.report  # a table has no way to hold a name that says there is none
    pytest.importorskip("pyarrow")
    given = given_to(["NA", "size"])
    models = zip(given["cell"], given["split"], given["predictions"], strict=True)
    frames = [
        pd.DataFrame({"cell": cell, "split": split, "example": range(80)})
        .join(given["targets"].add_prefix("target_"))
        .join(pd.DataFrame(own, columns=["NA", "size"]).add_prefix("prediction_"))
        for cell, split, own in models
    ]
    pd.concat(frames).to_parquet(tmp_path / "mine.parquet")
    assert main(["--predictions", str(tmp_path / "mine.parquet"), "--out", str(tmp_path / "file")]) == 0
    pd.testing.assert_frame_equal(run.table("quantities"), jaxreg.Run(tmp_path / "file").table("quantities"))


def test_of_very_many_the_page_has_the_first(tmp_path: Path) -> None:
    run = jaxreg.compare(**given_to(quantities=130), out=tmp_path / "run")
    assert run.table("quantities")["quantity"].nunique() == 130
    assert "| target99 " in run.report and "| target100 " not in run.report


def test_one_hot_targets_are_refused_as_quantities_unless_that_is_said(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    labels, made = np.arange(40) % 3, random.dirichlet(np.ones(3), (4, 40))
    given = {"cell": ["a", "a", "b", "b"], "split": [0, 1, 0, 1], "out": tmp_path / "run"}
    for targets in (np.eye(3)[labels], np.eye(3, dtype=bool)[labels], pd.DataFrame(np.eye(3, dtype=int)[labels])):
        for kind in (None, "probabilities"):
            with pytest.raises(
                UserError, match=r"targets: look one-hot, .*targets.argmax\(1\); or, .*kind='quantities'"
            ):
                jaxreg.compare(made, targets, kind=kind, **given)
    assert not (tmp_path / "run").exists()
    models = pd.DataFrame({"member": list("uvwx"), "cell": given["cell"]})
    assert scored(made, np.eye(3)[labels], None, "quantities", models).quantity_units[2] == ("target2", 1.0)


def test_labels_that_are_bytes_are_texts() -> None:
    labels, made = (
        np.array(["ant", "bee", "wasp"])[np.arange(40) % 3],
        np.random.default_rng(0).dirichlet(np.ones(3), 40),
    )
    models = pd.DataFrame({"member": ["u"], "cell": ["a"]})
    for classes in (None, ["ant", "bee", "wasp"], np.array([b"ant", b"bee", b"wasp"])):
        found = scored(made[None], labels.astype("S"), classes, None, models)
        assert found.classes == ("ant", "bee", "wasp") and (found.predictions.labels == np.arange(40) % 3).all()
