"""Tables of so few rows that a fold may be one of them: what is computed of such, and what the page says first."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from written_runs import write_run

import jaxreg
from jaxreg.report.caveats import FEW, caveats
from jaxreg.report.layout import arrange
from jaxreg.statistics.cross_validation import CrossValidation, Folds, NestedLosses
from jaxreg.store.results import read


def test_a_fold_of_one_row_tells_nothing_of_its_own_error() -> None:
    """As of 7 rows in 5 folds: the mean square is that of the folds of two rows; where there are none, it is nan."""
    random = np.random.default_rng(1)
    numbers, losses = np.arange(7)[None] % 5, random.standard_normal((2, 1, 1, 5, 7))
    nested = NestedLosses(2, 1, Folds(numbers, 5, np.zeros(1, int)))
    nested.add(slice(0, 7), losses, np.zeros(1, int))
    expected = []
    for fold in range(2):
        inside = numbers[0] == fold
        own, others = losses[0, 0, 0, fold, inside], losses[0, 0, 0, fold, ~inside]
        expected.append((others.mean() - own.mean()) ** 2 - own.var(ddof=1) / 2)
    assert nested.mean_square()[0, 0, 0] == pytest.approx(4 / 5 * np.mean(expected))

    single = Folds(np.arange(5)[None], 5, np.zeros(1, int))
    nested = NestedLosses(2, 1, single)
    nested.add(slice(0, 5), losses[..., :5], np.zeros(1, int))
    layout = CrossValidation(2, 1, 1, single)
    layout.add(losses[:, :, 0, 0, :5], losses[:, :, 0, :1, :5])
    layout.mean_square = nested.mean_square()
    assert np.isnan(layout.difference(1, 0).error).all() and np.isnan(layout.one(0).error).all()


@pytest.mark.parametrize(("rows", "said"), [(1, "**Only 1 "), (8, "**Only 8 "), (FEW - 1, "**Only 49 "), (FEW, None)])
def test_that_few_rows_score_stands_first(tmp_path: Path, rows: int, said: str | None) -> None:
    folder = write_run(tmp_path, diverged=["l1=1e-3"])
    file = folder / "run.json"
    record = json.loads(file.read_text())
    file.write_text(json.dumps(record | {"data": {**record.get("data", {}), "test_examples": rows}}))
    results = read(folder)
    found = caveats(results, arrange(results))
    assert found[0].startswith(said) if said else not any("Only" in one for one in found)


@pytest.mark.slow
def test_eight_rows_get_intervals_and_are_said_to_be_few(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    frame = pd.DataFrame(random.normal(size=(8, 3)), columns=list("abc")).assign(kind=np.resize(["x", "y"], 8))
    run = jaxreg.run("l2=0,0.1", data=frame, label="kind", epochs=5, out=tmp_path / "run")
    assert run.report.split("## Caveats")[1].strip().startswith("- **Only 8 rows score**")
    told = run.comparisons.query("measure == 'test_cross_entropy' and cell != reference")
    assert np.isfinite(told[["low", "high"]]).all(axis=None)
