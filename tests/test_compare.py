"""Models of any library: from their predictions to the page, and what is said of predictions that are none."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from committed_runs import REPORTS

import jaxreg
from jaxreg.decomposition import decompose
from jaxreg.errors import UserError
from jaxreg.report.__main__ import main
from jaxreg.store.given import as_classes, as_log_probabilities
from jaxreg.store.results import read as read_run

NAMES = ("ant", "bee", "cat")


def made(cells: int = 3, splits: int = 4, seeds: int = 2, examples: int = 90) -> dict[str, Any]:
    """Probabilities of cells of which each is a little worse than the one before."""
    random, targets = np.random.default_rng(0), np.arange(examples) % 3
    by_split, by_seed = (random.normal(size=(splits, seeds, examples, 3)) for _ in range(2))
    by_split[:] = by_split[:, :1]
    given: dict[str, Any] = {"predictions": [], "cell": [], "split": [], "seed": [], "targets": targets}
    for cell in range(cells):
        for split, seed in np.ndindex(splits, seeds):
            z = 2 * np.eye(3)[targets] + (0.5 + 0.5 * cell) * (by_split[split, seed] + by_seed[split, seed])
            p = np.exp(z) / np.exp(z).sum(-1, keepdims=True)
            given["predictions"].append(p)
            for name, value in (("cell", f"alpha={cell}"), ("split", f"part {split}"), ("seed", seed)):
                given[name].append(value)
    return given


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> jaxreg.Run:
    return jaxreg.compare(**made(), reference="alpha=0", trained_on=50, out=tmp_path_factory.mktemp("compare") / "run")


def test_everything_after_training_is_there(compared: jaxreg.Run) -> None:
    results, page = read_run(compared.folder, for_report=True), compared.report
    assert results.cells == ["alpha=0", "alpha=1", "alpha=2"] and len(results.members) == 24
    assert {"decomposition", "comparisons", "recommendation", "calibration", "classes", "power"} <= {
        path.stem for path in compared.folder.glob("*.csv")
    }
    assert "3 cells × 4 splits × 2 seeds: 24 models, trained on 50 examples;" in page
    assert "**Avoid** `alpha=1` and `alpha=2`" in page and "network" not in page.split("## How this was made")[0]
    assert not any(part in page for part in ("image", "pixel", "Learning curves", "Weights"))
    assert (compared.folder / "report.html").exists() and compared.verdict.startswith("On 50 examples, use alpha=0")


def test_the_numbers_are_those_of_the_decomposition(compared: jaxreg.Run) -> None:
    given = made()
    own = np.array(given["predictions"][8:16])
    expected = decompose(own, given["targets"], given["split"][8:16], given["seed"][8:16]).set_index("loss")
    found = compared.decomposition[compared.decomposition["cell"] == "alpha=1"].set_index("loss")
    for part in ("error", "bias", "variance", "error_low", "error_high"):
        np.testing.assert_allclose(found[part], expected.loc[found.index, part], rtol=2e-5, err_msg=part)


def test_the_01_loss_and_its_bias_are_those_of_mlxtend() -> None:
    """mlxtend's bias of the 0-1 loss is the error of the majority vote, its variance the share that votes otherwise."""
    bvd = pytest.importorskip("mlxtend.evaluate").bias_variance_decomp

    class Replay:
        """An estimator that answers what model after model has answered."""

        def __init__(self, answers: np.ndarray) -> None:
            self.answers = iter(answers)

        def fit(self, x: np.ndarray, y: np.ndarray) -> Replay:
            return self

        def predict(self, x: np.ndarray) -> np.ndarray:
            return next(self.answers)

        def get_params(self, deep: bool = True) -> dict[str, Any]:
            return {}

    given = made(cells=1, splits=5, seeds=1)
    p = np.array(given["predictions"])
    votes = p.argmax(-1)
    counts = np.array([np.bincount(votes[:, i], minlength=3) for i in range(votes.shape[1])])
    clear = np.sort(counts)[:, -1] > np.sort(counts)[:, -2]  # where a tie makes both choose
    targets = given["targets"][clear]
    x = np.zeros((len(targets), 1))
    loss, bias, variance = bvd(
        Replay(votes[:, clear]), x, targets, x, targets, loss="0-1_loss", num_rounds=5, random_seed=0
    )
    for kind, answers in (("probabilities", p), ("votes", votes)):
        found = decompose(answers[:, clear], targets, given["split"], given["seed"], kind=kind).set_index("loss")
        assert found.loc["zero_one", "error"] == pytest.approx(loss)
        assert found.loc["zero_one", "bias"] == pytest.approx(bias)
    assert (counts[clear].max(1) != 5).mean() > 0.1 and variance > 0


def test_logarithms_say_the_same_and_two_classes_need_one_number(tmp_path: Path, compared: jaxreg.Run) -> None:
    given = made()
    logs = jaxreg.compare(**given | {"predictions": np.log(given["predictions"])}, out=tmp_path / "logs")
    pd.testing.assert_frame_equal(logs.comparisons, compared.comparisons, rtol=1e-5)
    p = np.random.default_rng(1).uniform(0.01, 0.99, (4, 30))
    both, names = as_log_probabilities(p, None, []), as_classes(np.array(["no", "yes"] * 15), None, 2)[1]
    np.testing.assert_allclose(np.exp(both[..., 1]), p, rtol=1e-6)
    np.testing.assert_allclose(np.exp(both).sum(-1), 1, rtol=1e-6)
    assert names == ("no", "yes")


def test_numbers_on_an_axis_are_a_line(tmp_path: Path) -> None:
    given = made()
    given["cell"] = [{"alpha=0": 0.01, "alpha=1": 0.0, "alpha=2": 1e-4}[cell] for cell in given["cell"]]
    run = jaxreg.compare(**given, axis="l2", out=tmp_path / "run")
    results = read_run(run.folder, for_report=True)
    assert set(results.comparisons["reference"]) == {"plain", "l2=0.01"} and set(results.choices["axis"]) == {
        "l2",
        "all",
    }
    assert any("-l2" in name for name in run.figures) and "against L2" in run.report


@pytest.mark.parametrize("names", [{"alpha=0": "other", "alpha=1": "plain"}, {"alpha=0": "plain", "alpha=1": "other"}])
def test_the_reference_is_the_one_that_was_named(names: dict[str, str], tmp_path: Path) -> None:
    given = made()
    given["cell"] = [names.get(cell, cell) for cell in given["cell"]]
    run = jaxreg.compare(**given, reference="other", out=tmp_path / "run")
    assert "other" in set(run.comparisons["reference"]) and "Change against `other`" in run.report
    assert main([str(run.folder)]) == 0 and "Change against `other`" in jaxreg.Run(run.folder).report


def test_without_splits_and_seeds_the_models_of_a_cell_are_seeds(tmp_path: Path) -> None:
    given = {key: value for key, value in made().items() if key not in ("split", "seed")}
    run = jaxreg.compare(**given, out=tmp_path / "run")
    assert list(run.members["seed"]) == [*range(8)] * 3 and "One training set" in run.report


def test_targets_of_any_type_are_classes() -> None:
    assert as_classes([2, 0, 1], None, 3)[1] == ("0", "1", "2")
    labels, names = as_classes(["cat", "ant", "bee", "ant"], None, 3)
    assert list(labels) == [2, 0, 1, 0] and names == NAMES
    labels, names = as_classes([7, 3], [7, 3], 2)
    assert list(labels) == [0, 1] and names == ("7", "3")
    assert list(as_classes([True, False], None, 2)[0]) == [1, 0]


def zeroed(given: dict[str, Any]) -> dict[str, Any]:
    given["predictions"][5][7] = [0.0, 0.5, 0.5]
    return given


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (zeroed, r"predictions of alpha=0/splitpart 2/seed1, example 7: class 0 has a probability of exactly 0"),
        (zeroed, "The Brier score does not: clip, with purpose='brier'"),
        (lambda g: g | {"predictions": np.array(g["predictions"]) * 2}, "make 2 together, expected 1"),
        (lambda g: g | {"predictions": -np.array(g["predictions"])}, "make 2.1.* together|no probability|together"),
        (
            lambda g: g | {"predictions": np.array(g["predictions"]).argmax(-1), "kind": "probabilities"},
            "are the classes themselves",
        ),
        (lambda g: g | {"kind": "odds"}, "kind: must be one of probabilities, log_probabilities, votes, quantities"),
        (lambda g: g | {"predictions": g["predictions"][:-1]}, "of 23 models, and cell names 24"),
        (lambda g: g | {"predictions": [*g["predictions"][:-1], np.ones((3, 3)) / 3]}, "differ in how many examples"),
        (lambda g: g | {"targets": g["targets"][:-1]}, "targets: 89, and predictions of 90 examples"),
        (lambda g: g | {"targets": ["x"] * 90}, "targets: 1 classes, and predictions of 3"),
        (lambda g: g | {"classes": ["a", "b", "c"]}, "is none of the classes a, b, c"),
        (lambda g: g | {"seed": None, "split": None, "cell": g["cell"][:-1]}, "cell names 23"),
        (lambda g: g | {"seed": [0] * 24}, "is there more than once"),
        (lambda g: g | {"split": g["split"][:-1]}, "need an entry for each model; cell has 24, split has 23"),
        (lambda g: g | {"reference": "beta"}, "reference: .beta. is none of the cells alpha=0"),
        (lambda g: g | {"axis": "alpha"}, "axis: must be one of .* Leave axis out: cells may"),
        (lambda g: g | {"axis": "dropuot"}, "Did you mean `dropout`"),
        (lambda g: g | {"axis": "l2"}, "axis = l2 takes numbers, got .alpha=0.. Or leave axis out"),
        (lambda g: g | {"purpose": "profit"}, "purpose: must be one of"),
        (lambda g: g | {"predictions": np.array(g["predictions"]) * np.nan}, "together, expected 1"),
    ],
)
def test_what_can_not_be_compared_is_named(change: Any, said: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=said):
        jaxreg.compare(**change(made()), out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_folder_of_others_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("...")
    with pytest.raises(UserError, match="holds other things"):
        jaxreg.compare(**made(), out=tmp_path)


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith(".")
    }


def test_a_report_on_other_predictions_is_not_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where no folder was named; the same predictions may be reported on anew, as with another reference."""
    monkeypatch.chdir(tmp_path)
    given, place = made(cells=2, splits=2, seeds=1), Path("reports", "compare")
    jaxreg.compare(**given)
    before = contents(place)
    with pytest.raises(UserError, match=r"holds a report on other predictions.*\n.*or, .* type: rm -r reports/compare"):
        jaxreg.compare(**given | {"predictions": np.array(given["predictions"])[..., ::-1]})
    assert contents(place) == before
    assert "Change against `alpha=1`" in jaxreg.compare(**given, reference="alpha=1").report
    (place / "run.json").unlink()  # as where somebody stopped it halfway
    assert jaxreg.compare(**given).folder == place


def test_a_sweep_is_not_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(REPORTS / "digits", folder)
    before = contents(folder)
    with pytest.raises(UserError, match="holds a sweep, with which the results would mix"):
        jaxreg.compare(**made(cells=2, splits=2, seeds=1), out=folder)
    assert contents(folder) == before


@pytest.mark.slow
def test_the_example_in_the_documents_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    document = (Path(__file__).parents[1] / "docs" / "compare.md").read_text(encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    known: dict[str, Any] = {}
    exec(document.split("```python\n")[1].split("```")[0], known)
    losses = known["run"].decomposition.set_index(["cell", "loss"])["error"]
    assert losses["alpha=10", "cross_entropy"] > losses["alpha=0", "cross_entropy"]
    assert known["run"].folder == Path("reports/compare") and "4 splits" in known["run"].report
