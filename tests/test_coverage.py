"""The intervals hold the truth as often as they say, and the estimators are right on average."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from jaxreg.statistics.coverage import ACCEPTED, CELLS, CLASSES, FULL, Experiment, cover, draw, main, page, title, truth
from jaxreg.statistics.losses import MEASURES, design, sums_of, terms

EXPERIMENTS = [Experiment(5, 1, 400, 50), Experiment(5, 4, 400, 20)]


@pytest.mark.slow
@pytest.mark.parametrize("experiment", EXPERIMENTS, ids=["5 splits", "5 splits of 4 seeds"])
def test_95_per_cent_means_95_per_cent(experiment):
    table = cover(experiment, 600).set_index("quantity")
    assert len(table) == (20 if experiment.seeds == 1 else 30)
    outside = table[(table["coverage"] < 0.92) | (table["coverage"] > 0.98)]
    assert outside.empty, outside
    # 4 standard errors, for thirty quantities; 0-1 also has the error of its simulated truth, cross-entropy's
    # variance the terms beyond second order, ratios the bias of a ratio.
    allowed = 4 * table["bias_error"] + 0.006 * table["truth"].abs() * ~table.index.str.startswith("brier v")
    assert (table["bias"].abs() < allowed).all(), table


def test_the_truth_is_that_of_many_models():
    """Quadrature against 200 splits of 2 seeds, whose own bias is negligible."""
    experiment = Experiment(200, 2, 800, 300)
    label, cells = draw(np.random.default_rng(0), experiment)
    where = design(np.repeat(np.arange(200), 2), np.tile([0, 1], 200))
    for cell, outputs in zip(CELLS, cells, strict=True):
        np.testing.assert_allclose(np.exp(outputs).sum(-1), 1)
        estimate, _ = terms(sums_of(outputs, "log_probabilities", where), label, 200)
        exact = truth(cell, Experiment(5, 2, 1, 1))
        for measure, values, value in zip(MEASURES[:10], estimate, exact, strict=False):
            assert abs(values.mean() - value) < 4 * values.std() / np.sqrt(experiment.examples), measure
    assert outputs.shape == (400, 800, CLASSES)


def test_fewer_than_three_splits_have_no_interval_for_variance():
    table = cover(Experiment(2, 2, 50, 5), 3).set_index("quantity")
    assert table.loc[["brier bias", "brier variance"], "half_width"].isna().all()
    assert np.isfinite(table.loc["brier error", "half_width"])


def test_command_prints_the_page(capsys, monkeypatch):
    monkeypatch.setattr("jaxreg.statistics.coverage.FULL", (Experiment(3, 1, 20, 2), Experiment(3, 2, 20, 2)))
    main(["--repetitions", "3"])
    printed = capsys.readouterr().out
    assert " 3 × 1, 20, 2 |" in printed and "| cross entropy variance, difference" in printed
    assert "python -m jaxreg.coverage --repetitions 3 > docs/coverage.md" in printed
    assert "nan" not in printed and "brier variance seed" in printed


def test_the_page_names_every_interval_outside_what_is_accepted():
    rows = pd.DataFrame({"quantity": ["brier error", "brier bias"], "coverage": [0.95, 0.91], "half_width": 0.1})
    rows = rows.assign(truth=1.0, bias=0.0, bias_error=0.01, spread=0.1)
    experiment = Experiment(5, 1, 1000, 50)
    text = page({experiment: rows}, 1000)
    assert "All are 91.0 to 95.0; outside 92 to 98: brier bias 91.0 (5 × 1, 1,000, 50)." in text
    assert "Here all are between 92 and 98: 95.0 to 95.0." in page({experiment: rows.iloc[:1]}, 1000)


def test_the_committed_page_is_of_the_designs_and_shows_no_interval_that_promises_too_much():
    committed = (Path(__file__).parents[1] / "docs" / "coverage.md").read_text(encoding="utf-8")
    lines = next(part for part in committed.split("\n\n") if part.startswith("|")).splitlines()
    head, _, *body = [[entry.strip() for entry in line.split("|")[1:-1]] for line in lines]
    rows = {name: [float(x) for x in entries if x] for name, *entries in body}
    assert head[1:] == [title(experiment) for experiment in FULL]
    assert len(rows) == 30 and min(min(row) for row in rows.values()) >= ACCEPTED[0]
    # Wide where first-order terms vanish, as jaxreg.statistics.intervals says.
    assert {name for name, row in rows.items() if max(row) > ACCEPTED[1]} <= {
        "brier bias, difference", "cross entropy bias, difference",
    }  # fmt: skip
