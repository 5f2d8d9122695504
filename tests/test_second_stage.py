"""The second stage: who is trained on everything, that it is, and that it leaves the sweep's own tables alone."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import jaxreg
from jaxreg.data.dataset import Dataset
from jaxreg.engine.progress import Silent
from jaxreg.errors import Interrupted, UserError
from jaxreg.measures import CLASSES
from jaxreg.replay import replay
from jaxreg.report.page import write
from jaxreg.spec import second_stage
from jaxreg.spec.load import load
from jaxreg.spec.sweep import Sweep
from jaxreg.store.results import read

SMALL = {"hidden": [4], "epochs": 3, "batch_size": [50], "curve_images": 50, "splits": 3}


def sweep(**more: object) -> Sweep:
    return load(flags={"grid": "l1", "l1": [0, 1e-4, 1e-2], **SMALL, **more})


@pytest.mark.parametrize(
    ("flags", "cell", "names"),
    [
        ({"grid": "l1", "l1": [0, 1e-4]}, "l1=1e-4", ["l1=1e-4", "l1=2e-5", "l1=1e-5"]),
        ({"grid": "l1", "l1": [0, 3e-4]}, "l1=3e-4", ["l1=3e-4", "l1=6e-5", "l1=3e-5"]),
        ({"grid": "l1", "l1": [0, 2e-5, 1e-4]}, "l1=1e-4", ["l1=1e-4", "l1=2e-5"]),
        ({"grid": "l1", "l1": [0, 1e-4], "splits": 20}, "l1=1e-4", ["l1=1e-4", "l1=5e-6"]),
        ({"grid": "dropout"}, "dropout=0.2", ["dropout=0.2"]),
        ({"grid": "l1*dropout"}, "l1=1e-4,dropout=0.1", [f"l1={x},dropout=0.1" for x in ("1e-4", "2e-5", "1e-5")]),
        ({"grid": "l1,l2"}, "plain", ["plain"]),
    ],
)
def test_strengths_that_stand_beside_the_mean_loss_are_scaled_by_the_sizes(flags: dict, cell: str, names: list[str]):
    assert [one.name for one in second_stage.kin(load(flags=flags), [cell])[cell]] == names


def test_a_grid_has_a_second_stage_and_a_file_only_where_it_asks_for_one():
    assert load(flags={"grid": "l1"}).second_stage == second_stage.USUAL_SEEDS
    assert load(flags={"grid": "l1", "splits": 1}).second_stage == 0
    assert load(Path(__file__).parents[1] / "sweeps" / "quick.toml").second_stage == 0
    with pytest.raises(UserError, match="with splits = 1 every member has the whole training set already"):
        load(flags={"grid": "l1", "splits": 1, "second_stage": 2})


@pytest.mark.slow
def test_the_reference_in_ways_that_cost_nothing_are_rows_and_never_recommended(both: dict[str, Path]):
    results = read(both["with"], for_report=True)
    stopped, averaged = second_stage.beside(sweep(), "plain")
    assert (stopped.name, averaged.name) == ("early_stopping=3-best", "averaged_epochs=2")
    assert stopped.settings.early_stopping is not None and stopped.settings.early_stopping.restore_best_weights
    for cell in (stopped, averaged):
        assert cell.name in set(results.whole["cell"]) and cell.name not in set(results.recommendation["cell"])
    page = write(both["with"]).read_text(encoding="utf-8")
    assert "`plain` at its best epoch, chosen on a tenth of the training images" in page
    assert "the mean of the weights at the ends of its last epochs" in page
    assert re.search(r"\*\*Averag(e|ing) the weights of the last epochs\*\* \(`averaged_epochs=2`\)", page)


def test_what_a_sweep_varies_itself_is_not_added():
    assert second_stage.beside(load(flags={"grid": "l1,early_stopping"}), "plain") == []
    (stopped,) = second_stage.beside(load(flags={"grid": "l1,averaged_epochs"}), "plain")
    assert stopped.name == "early_stopping=3-best"


def test_its_members_are_bounded_too():
    with pytest.raises(UserError, match="--second-stage: is about 900000 members, and a sweep has at most"):
        load(flags={"grid": "l1,l2", "second_stage": 100_000}, mark="--")


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory, dataset: Dataset) -> dict[str, Path]:
    """The same sweep without and with a second stage."""
    place = tmp_path_factory.mktemp("stages")
    return {
        name: jaxreg.run(sweep(second_stage=seeds), out=place / name, dataset=dataset).folder
        for name, seeds in (("without", 0), ("with", 2))
    }


def test_it_leaves_the_tables_of_the_design_as_they_are(both: dict[str, Path]):
    for name in ("members", "history", "decomposition", "comparisons", "choices", "classes", "calibration", "power"):
        one, other = (
            pd.read_csv(folder / f"{name}.csv").drop(columns="seconds", errors="ignore") for folder in both.values()
        )
        pd.testing.assert_frame_equal(one, other)
    assert not (both["without"] / "whole.csv").exists() and not (both["without"] / "second_stage.csv").exists()


def test_its_members_are_on_everything_and_in_tables_of_their_own(both: dict[str, Path], dataset: Dataset):
    results = read(both["with"], for_report=True)
    added = results.second_stage
    assert set(added["split"]) == {"all"} and set(added["trained_on"]) == {len(dataset.train.targets), 180}
    best = results.choice("l1", "best")
    expected = second_stage.kin(sweep(), ["plain", best["cell"]])
    names = list(dict.fromkeys(cell.name for cells in expected.values() for cell in cells)) + [
        cell.name for cell in second_stage.beside(sweep(), "plain")
    ]
    assert list(dict.fromkeys(added["cell"])) == names and (added.groupby("cell").size() == 2).all()
    assert list(results.whole["measure"]) == list(CLASSES.on_everything) * len(names)
    for cell, rows in added.groupby("cell"):
        for measure, column in (
            ("test_cross_entropy", rows["test_cross_entropy"]),
            ("test_error", 1 - rows["test_accuracy"]),
        ):
            assert results.of_whole(cell, measure)["mean"] == pytest.approx(column.mean(), rel=1e-5)
    assert set(results.recommendation["scope"]) == {"parts", "whole"}
    page = (both["with"] / "report.md").read_text()
    assert "## On all of the training set" in page and f"On all {len(dataset.train.targets):,} images" in page


@pytest.mark.slow
def test_the_same_command_trains_nothing_twice_and_a_smaller_one_forgets_the_stage(
    both: dict[str, Path], dataset: Dataset
):
    folder = both["with"]
    before = {file.name: file.read_bytes() for file in (folder / "members").iterdir()}
    tables = {name: (folder / name).read_bytes() for name in ("whole.csv", "recommendation.csv", "second_stage.csv")}
    jaxreg.run(sweep(second_stage=2), out=folder, dataset=dataset)
    assert {file.name: file.read_bytes() for file in (folder / "members").iterdir()} == before
    assert {name: (folder / name).read_bytes() for name in tables} == tables
    jaxreg.run(sweep(second_stage=0), out=folder, dataset=dataset)
    assert not any((folder / name).exists() for name in ("whole.csv", "second_stage.csv"))
    assert {file.name for file in (folder / "members").iterdir()} == set(before)
    assert "On all" not in write(folder).read_text().split("## Caveats")[0]


class Stopped(Silent):
    """Ctrl-C when the second stage begins."""

    def announce(self, text: str) -> None:
        if text.startswith("second stage"):
            raise KeyboardInterrupt


@pytest.mark.slow
def test_one_that_was_stopped_goes_on(both: dict[str, Path], dataset: Dataset, tmp_path: Path):
    with pytest.raises(Interrupted, match="The same command goes on from there"):
        jaxreg.run(sweep(second_stage=2), out=tmp_path / "run", dataset=dataset, progress=Stopped())
    jaxreg.run(sweep(second_stage=2), out=tmp_path / "run", dataset=dataset)
    jaxreg.run(sweep(second_stage=2), out=both["with"], dataset=dataset)
    for name in ("whole.csv", "recommendation.csv", "decomposition.csv"):
        assert (tmp_path / "run" / name).read_bytes() == (both["with"] / name).read_bytes()


@pytest.mark.slow
def test_its_members_can_be_replayed(both: dict[str, Path], dataset: Dataset):
    jaxreg.run(sweep(second_stage=2), out=both["with"], dataset=dataset)
    name = read(both["with"]).second_stage["member"].iloc[-1]
    assert replay(both["with"], name, dataset=dataset).same


@pytest.mark.slow
def test_what_counts_is_answered_alone(both: dict[str, Path], dataset: Dataset):
    jaxreg.run(sweep(second_stage=2), out=both["with"], dataset=dataset, purpose="accuracy")
    answer = (both["with"] / "report.md").read_text().split("## Answer")[1].split("## Caveats")[0]
    assert "Temperature" not in answer and "probabilities" not in answer
    everything = write(both["with"], "cross_entropy").read_text().split("## Answer")[1].split("## Caveats")[0]
    assert "emperature scaling" in everything
    with pytest.raises(UserError, match="purpose: must be one of cross_entropy, brier, accuracy"):
        jaxreg.run(sweep(), out=both["with"], dataset=dataset, purpose="recall")


def test_accuracies_on_everything_are_those_of_its_predictions(both: dict[str, Path], dataset: Dataset):
    jaxreg.run(sweep(second_stage=2), out=both["with"], dataset=dataset)
    results = read(both["with"])
    for row in results.second_stage.to_dict("records"):
        (file,) = (both["with"] / "members").glob(f"{row['member'].replace('/', '_')}*.npy")
        right = np.load(file).argmax(-1) == dataset.test.targets
        assert right.mean() == pytest.approx(row["test_accuracy"], abs=1e-6)
