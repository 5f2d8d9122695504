"""The weights of each column of a table: stored with members, in a table of their own, and in the report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from test_tables import made, table

import jaxreg
from jaxreg.data.dataset import Dataset
from jaxreg.report import page
from jaxreg.spec.load import load
from jaxreg.spec.members import members
from jaxreg.spec.sweep import Sweep
from jaxreg.store.identity import key
from jaxreg.store.members import FEATURE_NORMS, StoredMembers
from jaxreg.store.results import read
from jaxreg.store.tables import features_of


def sweep(**more: object) -> Sweep:
    usual = {"splits": 2, "second_stage": 0, "full_seeds": 1, "epochs": 4, "hidden": [6, 5]}
    return load(flags={"grid": "l1,l2", "l1": [0, 0.3], "l2": [0, 0.01], **usual, **more})


@pytest.fixture(scope="module")
def data() -> Dataset:
    return made(table().rename(columns={"smokes": "NA"}).drop(columns="who"))


@pytest.fixture(scope="module")
def run(data: Dataset, tmp_path_factory: pytest.TempPathFactory) -> jaxreg.Run:
    return jaxreg.run(sweep(), dataset=data, out=tmp_path_factory.mktemp("features") / "run")


def test_they_are_the_norms_of_the_weights_that_count(train, data: Dataset) -> None:
    """By hand, from the weights with which the member predicts: one-hot columns of one text count as one."""
    assert [len(column.features) for column in data.encoding.columns] == [1, 1, 3, 1]
    for member in train(sweep(l1=[0.3], full_seeds=0), data=data).values():
        kernel = member.weights["params"]["hidden_0"]["kernel"].astype(float)
        assert kernel.shape == (6, 6)
        age, dose, ward, smokes = kernel[:1], kernel[1:2], kernel[2:5], kernel[5:]
        expected = [np.sqrt((rows**2).sum() / len(rows)) for rows in (age, dose, ward, smokes)]
        np.testing.assert_allclose(member.row[FEATURE_NORMS], expected, rtol=1e-5)


@pytest.mark.pages
def test_the_table_has_the_means_of_those_on_splits(run: jaxreg.Run, data: Dataset) -> None:
    found, asked = run.table("features"), sweep()
    store = StoredMembers(run.folder / "members")
    on_splits = [one for one in members(asked) if one.split != "all"]
    for cell in ("plain", "l1=0.3", "l2=0.01"):
        own = [
            store.read(key(one, asked, data.digest)).row[FEATURE_NORMS] for one in on_splits if one.cell.name == cell
        ]
        assert len(own) == 2
        np.testing.assert_allclose(found.loc[found["cell"] == cell, "norm"], np.mean(own, axis=0), rtol=1e-12)
    assert FEATURE_NORMS not in run.members
    by_cell = found.groupby("cell")["norm"].mean()
    assert by_cell["l1=0.3"] < by_cell["plain"], "a penalty that strong shrinks the weights even in a few steps"


@pytest.mark.pages
def test_the_report_shows_them(run: jaxreg.Run) -> None:
    assert "features-l1-l2" in " ".join(run.figures) and "columns with the largest weights" in run.report
    html = (run.folder / "report.html").read_text(encoding="utf-8")
    assert "dose at L1 = 0.3" in html and "column 4" in html, "a column called NA is no missing value"


@pytest.mark.pages
def test_a_folder_of_before_has_no_such_figure(run: jaxreg.Run, data: Dataset, tmp_path: Path) -> None:
    """Members that were trained without keeping the norms: no table, and the rest as ever."""

    class Earlier(StoredMembers):
        def read(self, key):
            content = super().read(key)
            return content._replace(row={name: row for name, row in content.row.items() if name != FEATURE_NORMS})

    asked = sweep()
    wanted = members(asked)
    keys = [key(one, asked, data.digest) for one in wanted]
    assert features_of(wanted, keys, Earlier(run.folder / "members"), list("abcd")).empty
    assert len(features_of(wanted, keys, StoredMembers(run.folder / "members"), list("abcd"))) == 12
    for file in [*run.folder.glob("*.csv"), run.folder / "examples.npz"]:
        (tmp_path / file.name).write_bytes(file.read_bytes())
    about = json.loads((run.folder / "run.json").read_text())
    about["files"].pop("features.csv")
    (tmp_path / "features.csv").unlink()
    (tmp_path / "run.json").write_text(json.dumps(about))
    page.write(tmp_path)
    assert "columns with the largest weights" not in (tmp_path / "report.md").read_text(encoding="utf-8")


@pytest.mark.pages
def test_a_table_that_can_not_be_is_refused(run: jaxreg.Run, tmp_path: Path) -> None:
    about = json.loads((run.folder / "run.json").read_text())
    for file in [*run.folder.glob("*.csv"), run.folder / "examples.npz"]:
        (tmp_path / file.name).write_bytes(file.read_bytes())
    about["files"].pop("features.csv")
    (tmp_path / "run.json").write_text(json.dumps(about))
    found = pd.read_csv(tmp_path / "features.csv")
    for wrong in (found.assign(cell="nobody"), pd.concat([found, found]), found.assign(feature=0.5)):
        wrong.to_csv(tmp_path / "features.csv", index=False)
        with pytest.raises(jaxreg.UserError, match="features.csv"):
            read(tmp_path, for_report=True)


def test_pictures_and_networks_of_others_have_none(train, small, dataset: Dataset, data: Dataset) -> None:
    from jaxreg.engine import own_networks
    from jaxreg.engine.networks import Weights
    from jaxreg.engine.rows import feature_norms

    assert all(FEATURE_NORMS not in member.row for member in train(small(l2=[0, 0.1])).values())

    def init(key: Any, x: Any) -> Any:
        return {"w": np.zeros((6, 3), np.float32)}, {}

    def apply(params: Any, state: Any, x: Any, *, train: bool, key: Any) -> Any:
        return x @ params["w"], state

    own = own_networks.register((init, apply), (6,), 3)
    assert feature_norms(own, data, Weights({"w": np.ones((6, 3))}, {})) == {}
