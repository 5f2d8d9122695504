"""Cross-validation: no row is scored by a model that has seen it, and the intervals are those of the nested one."""

from __future__ import annotations

import json
import re
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.datasets import load_breast_cancer, load_wine

import jaxreg
from jaxreg import sweep
from jaxreg.data.splits import dealt_folds, fold_numbers
from jaxreg.engine.grouping import prepare
from jaxreg.engine.progress import Silent
from jaxreg.engine.trainer import Trainer
from jaxreg.source import sweep_and_data
from jaxreg.spec.members import members
from jaxreg.statistics.cross_validation import CrossValidation, Folds, NestedLosses, cross_validated
from jaxreg.statistics.fold_coverage import WORLDS, cover
from jaxreg.store.results import read

SMALL = "--grid l2 --l2 0,0.1 --design folds --splits 4 --deals 2 --epochs 4 --hidden 8 --quiet"
FOLDS, DEALS = 4, 2
LEFT_OUT = [*((fold,) for fold in range(FOLDS)), *combinations(range(FOLDS), 2)]


@pytest.fixture(scope="module")
def wine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """178 real rows, with the names of the classes as texts."""
    found = load_wine(as_frame=True)
    file = tmp_path_factory.mktemp("tables") / "wine.csv"
    found.frame.assign(target=found.target_names[found.frame["target"]]).to_csv(file, index=False)
    return file


@pytest.fixture(scope="module")
def run(wine: Path, tmp_path_factory: pytest.TempPathFactory) -> jaxreg.Run:
    out = tmp_path_factory.mktemp("runs") / "run"
    assert sweep.main([*SMALL.split(), "--data", str(wine), "--out", str(out)]) == 0
    return jaxreg.Run(out)


@given(
    st.lists(st.integers(3, 30), min_size=2, max_size=5),
    st.integers(3, 7),
    st.integers(0, 2**32 - 1),
    st.integers(0, 3),
)
def test_folds_are_even_in_rows_and_in_classes(counts, folds, seed, deal):
    labels = np.repeat(np.arange(len(counts)), counts)
    numbers = fold_numbers(labels, folds, seed, deal)
    sizes = np.bincount(numbers, minlength=folds)
    assert sizes.sum() == len(labels) and sizes.max() - sizes.min() <= 1
    for kind in range(len(counts)):
        own = np.bincount(numbers[labels == kind], minlength=folds)
        assert own.max() - own.min() <= 1
    np.testing.assert_array_equal(numbers, fold_numbers(labels, folds, seed, deal))
    for pair in combinations(range(folds), 2):  # whichever two are left out, each class is still there
        assert len(np.unique(labels[~np.isin(numbers, pair)])) == len(counts)


@given(st.lists(st.integers(1, 12), min_size=5, max_size=20), st.integers(3, 5), st.integers(0, 100))
def test_groups_stay_in_one_fold(sizes, folds, seed):
    groups = np.repeat(np.arange(len(sizes)), sizes)
    numbers = fold_numbers(np.zeros(len(groups), int), folds, seed, 0, groups)
    assert all(len(np.unique(numbers[groups == group])) == 1 for group in range(len(sizes)))
    assert len(np.unique(numbers)) == folds


def test_members_train_on_all_but_their_folds_in_one_program(wine):
    asked, data = sweep_and_data(None, {"grid": "l2", "l2": [0.0], "design": "folds", "data": str(wine)})
    assert data is not None and data.folded and asked.folded and (asked.splits, asked.deals) == (5, 2)
    groups = prepare(members(asked), asked, data)
    (everybody,) = groups.values()
    numbers = dealt_folds(data.strata, 5, 0, 2)
    assert len(everybody) == 2 * (5 + 10)
    for one in everybody:
        assert one.member.deal in (0, 1)
        out = np.isin(numbers[one.member.deal], one.member.left_out)
        np.testing.assert_array_equal(np.sort(one.rows), np.flatnonzero(~out))
        np.testing.assert_array_equal(one.unseen, np.flatnonzero(out))


def stored(run: jaxreg.Run) -> tuple[np.ndarray, np.ndarray, dict[str, int]]:
    with np.load(run.folder / "predictions.npz") as found:
        names = {str(name): place for place, name in enumerate(found["members"])}
        return found["log_probabilities"].astype(np.float64), found["labels"], names


def test_every_row_is_scored_by_a_member_without_it_and_the_error_is_their_mean(run):
    outputs, labels, names = stored(run)
    numbers = dealt_folds(labels, FOLDS, 0, DEALS)
    losses = -outputs[:, np.arange(len(labels)), labels]
    for cell, rows in run.decomposition.groupby("cell"):
        expected = []
        for deal in range(DEALS):
            for fold in range(FOLDS):
                own = losses[names[f"{cell}/split{deal * len(LEFT_OUT) + fold}/seed0"]][numbers[deal] == fold]
                row = run.members.set_index("member").loc[f"{cell}/split{deal * len(LEFT_OUT) + fold}/seed0"]
                assert row["test_cross_entropy"] == pytest.approx(own.mean(), rel=1e-5)
                expected.append(own)
        row = rows.set_index("loss").loc["cross_entropy"]
        assert row["error"] == pytest.approx(np.concatenate(expected).mean(), rel=1e-6)
        assert rows[["bias", "variance", "variance_split", "variance_seed"]].isna().all(axis=None)


def test_the_interval_of_a_difference_is_that_of_the_definition(run):
    """Bates, Hastie and Tibshirani's estimate, loop by loop."""
    outputs, labels, names = stored(run)
    numbers = dealt_folds(labels, FOLDS, 0, DEALS)
    losses = -outputs[:, np.arange(len(labels)), labels]

    def apart(deal: int, *out: int) -> np.ndarray:
        split = deal * len(LEFT_OUT) + LEFT_OUT.index(tuple(sorted(out)))
        return losses[names[f"l2=0.1/split{split}/seed0"]] - losses[names[f"plain/split{split}/seed0"]]

    squares, mean = [], np.zeros(len(labels))
    for deal in range(DEALS):
        fold_of = numbers[deal]
        for k in range(FOLDS):
            own = apart(deal, k)[fold_of == k]
            mean[fold_of == k] += own / DEALS
            inner = np.concatenate([apart(deal, k, j)[fold_of == j] for j in range(FOLDS) if j != k])
            squares.append((inner.mean() - own.mean()) ** 2 - own.var(ddof=1) / len(own))
    independent = mean.var(ddof=1) / len(labels)
    square = np.clip((FOLDS - 1) / FOLDS * np.mean(squares), independent, FOLDS * independent)
    row = run.comparisons.set_index(["cell", "measure"]).loc[("l2=0.1", "test_cross_entropy")]
    assert row["difference"] == pytest.approx(mean.mean(), rel=1e-5)
    half = (row["high"] - row["low"]) / 2
    assert half == pytest.approx(np.sqrt(square) * stats.t.ppf(0.975, FOLDS * DEALS - 1), rel=2e-3)


def test_targets_of_rows_left_out_change_nothing(wine):
    """A member without a fold is the same, bit for bit, whatever the targets in it."""
    asked, data = sweep_and_data(None, {"grid": "l2", "l2": [0.1], "epochs": 2, "design": "folds", "data": str(wine)})
    assert data is not None
    numbers = dealt_folds(data.strata, 5, 0, 2)
    changed = np.where(numbers[0] == 0, (data.train.targets + 1) % 3, data.train.targets)
    other = data._replace(train=data.train._replace(targets=changed.astype(data.train.targets.dtype)))
    without = [member for member in members(asked) if 0 in member.left_out and member.deal == 0][:2]
    found = []
    for one in (data, other):
        trainer = Trainer(asked, _dealt_like(one, data), None, 1, Silent())
        results = [r for done in trainer.train(without, {}, {}) for r in done]
        found.append([r.predictions for r in results])
    for mine, theirs in zip(*found, strict=True):
        np.testing.assert_array_equal(mine, theirs)


def _dealt_like(dataset, original):
    """A data set whose strata are those of another one."""

    class Dealt(type(dataset)):
        @property
        def strata(self):
            return original.strata

    return Dealt(*dataset)


@given(st.integers(0, 2**32 - 1), st.integers(1, 3), st.integers(3, 5))
def test_the_mean_square_is_a_quadratic_form_in_blocks(seed, deals, count):
    random = np.random.default_rng(seed)
    examples, cells = 30, 3
    numbers = np.stack([random.permutation(np.arange(examples) % count) for _ in range(deals)])
    losses = random.standard_normal((cells, 1, deals, count, examples))
    folds = Folds(numbers, count, np.arange(deals))
    whole, blocks = (NestedLosses(cells, 1, folds) for _ in range(2))
    whole.add(slice(0, examples), losses, np.arange(deals))
    for block in (slice(0, 7), slice(7, examples)):
        blocks.add(block, losses[..., block], np.arange(deals))
    np.testing.assert_allclose(blocks.mean_square(), whole.mean_square(), atol=1e-12)
    weights = random.standard_normal(cells)
    alone = NestedLosses(1, 1, folds)
    alone.add(slice(0, examples), np.tensordot(weights, losses, 1)[None], np.arange(deals))
    assert weights @ whole.mean_square()[0] @ weights == pytest.approx(alone.mean_square().item(), abs=1e-9)


def test_a_difference_of_a_cell_and_itself_is_0_and_sure():
    random = np.random.default_rng(0)
    numbers = np.arange(20)[None] % 4
    layout = CrossValidation(2, 1, 1, Folds(numbers, 4, np.zeros(1, int)))
    values = np.repeat(random.standard_normal((1, 1, 20)), 2, axis=0)
    layout.add(values, values[:, :, None])
    layout.mean_square = np.ones((1, 2, 2))
    found = layout.difference(0, 1)
    assert found.value == 0 and found.error == 0


def test_models_without_a_pair_of_folds_are_needed():
    rows = pd.DataFrame({"member": list("abc"), "cell": "x", "split": range(3), "seed": 0, "diverged_at": np.nan})
    with pytest.raises(AssertionError, match="lacks a model"):
        cross_validated(rows, [(0,), (1,), (2,)], np.zeros((3, 6, 2)), np.arange(6)[None] % 3)


@pytest.mark.studies
@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.name)
def test_intervals_cover_both_truths(world):
    found, told = cover(world, 100, 40)
    assert (found[["of_size", "of_all"]] > 0.82).all(axis=None)  # 95 ± 3.4 of 40: far below is a fault
    assert found[["of_size", "of_all"]].to_numpy().mean() > 0.93 and told <= 0.1


def test_the_page_speaks_of_folds_and_of_no_variance(run):
    page = run.report
    assert page.startswith("# wine-l2: error by cross-validation\n")
    first = page.split("## Caveats")[0]
    assert "On 178 rows, cross-validated" in first
    assert "networks that have not seen it" in first and "nested" not in first
    table = page.split("## All cells")[1]
    assert "| Bias" not in table and "not a variance" not in table
    assert "test row" not in page and "Paired by fold, seed and row" in page and "rows that a member has not" in page
    assert re.search(r"the hardest is \w+\.\]", page)  # one of three classes, not all of them
    assert "nested cross-validation" in page and "`--design parts` has them" in page
    results = read(run.folder, for_report=True)
    assert results.folded and results.record["nested_members"] == 2 * 2 * 6
    assert len(pd.read_csv(run.folder / "nested.csv")) == 24 and len(run.members) == 16
    assert json.loads((run.folder / "run.json").read_text())["sweep"]["design"] == "folds"


def test_the_recommended_cell_is_fitted_on_all_rows(run):
    made = run.fit(ensemble=2, cell="l2=0.1")
    data = load_wine()
    assert (made.predict(data.data) == data.target_names[data.target]).mean() > 0.6


@pytest.mark.slow
def test_a_run_of_quantities_by_folds(tmp_path):
    data = load_breast_cancer(as_frame=True)
    frame = data.data.iloc[:120, :5].rename(columns={"mean radius": "y"})
    found = jaxreg.run("l2", data=frame, label="y", out=tmp_path / "run")
    results = read(found.folder, for_report=True)
    assert results.folded and "R²" in found.report.split("## Caveats")[0]
    assert re.search("Against `plain`, .* squared error", found.report)  # which bias and variance would add up to
    assert "| Chosen as |" in re.sub(" +", " ", found.report) and not re.search(r"\| +Bias", found.report)
    spread = frame["y"].var(ddof=0)
    assert 0 < results.loss("squared_error")["error"].min() < spread / 10
