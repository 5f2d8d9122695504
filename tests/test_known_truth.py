"""The table whose truth is known, and whether the report that is committed has found it."""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from jaxreg.data.load import load
from jaxreg.store.results import read

ROOT = Path(__file__).parents[1]
REPORT = ROOT / "reports" / "known-truth"


@pytest.fixture(scope="module")
def script() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "sweeps" / "known_truth.py"))


def test_the_probabilities_are_those_that_labels_were_drawn_with(script: dict[str, Any]) -> None:
    """Cross-entropy and errors of who knows them are what they should be, within four standard errors of a mean."""
    table, p = script["table"](100_000, seed=3)
    error, entropy = script["best"](p)
    yes = (table["label"] == "yes").to_numpy()
    losses, wrong = -np.log(np.where(yes, p, 1 - p)), (p > 0.5) != yes
    for found, expected in ((losses, entropy), (wrong, error)):
        assert abs(found.mean() - expected) < 4 * found.std() / np.sqrt(len(yes))
    assert list(table)[:5] == [f"signal_{i}" for i in range(1, 6)] and table.shape == (100_000, 51)


def test_the_report_is_of_this_table_and_the_readme_has_its_truth(
    script: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "known-truth.csv"
    monkeypatch.setattr(sys, "argv", ["known_truth.py", str(file)])
    script["main"]()
    said, readme = capsys.readouterr().out, (ROOT / "reports" / "README.md").read_text(encoding="utf-8")
    assert "errs in 18.81% of rows" in said and "18.81 %" in readme
    assert "cross-entropy of 0.4031" in said and "cross-entropy of 0.4031" in readme
    assert load(str(file), None).digest == json.loads((REPORT / "run.json").read_text())["data"]["digest"]


def test_it_was_found(script: dict[str, Any]) -> None:
    """No score is better than the best there is, the recommended one is near it, and five columns stand out."""
    results, (error, entropy) = read(REPORT, for_report=True), script["best"](script["table"](200_000, seed=4)[1])
    advice = results.advice("whole", "cross_entropy")
    assert advice is not None and advice["cell"] == "l1=1e-3"
    for measure, least, near in (("test_cross_entropy", entropy, 0.03), ("test_error", error, 0.03)):
        rows = results.whole[results.whole["measure"] == measure].set_index("cell")
        assert (rows["mean_high"] > least).all()
        assert rows.loc["l1=1e-3", "mean"] < least + near < rows.loc["plain", "mean"]
    norms = results.features.pivot(index="feature_name", columns="cell", values="norm")
    for cell in ("l1=1e-3", "l2=0.01"):
        largest: pd.Series = norms[cell].nlargest(5)
        assert sorted(largest.index) == [f"signal_{i}" for i in range(1, 6)]
    assert norms["plain"].nlargest(5).index.str.startswith("noise").any()
