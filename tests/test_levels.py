"""Intervals of levels on a page: from 0 on, where there is nothing below; what is in CSV is untouched."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from test_compare import made

import jaxreg
from jaxreg.measures import PARTS
from jaxreg.report.summaries import by_cell
from jaxreg.store.levels import from_0
from jaxreg.store.results import read

LEVEL = re.compile(
    r"(?<![+\u2212\d.])\d[\d.]* \((\u2212?)[\d.]+ to ([\d.]+)\)"
)  # `0.155 (−0.066 to 0.375)`; no sign before


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> jaxreg.Run:
    """Of two splits, whose intervals are wide."""
    return jaxreg.compare(**made(splits=2, seeds=2), out=tmp_path_factory.mktemp("levels") / "run")


def test_no_level_on_a_page_is_below_0(small: jaxreg.Run) -> None:
    lows = small.decomposition.filter(regex=r"^(error|variance).*_low$").to_numpy(float)
    assert np.nanmin(lows) < 0, "it takes such an interval"
    shown = LEVEL.findall(small.report)
    assert len(shown) > 10 and not any(sign for sign, _ in shown)
    results = read(small.folder)
    for loss in results.measures.losses:
        found = results.loss(loss)
        for part in ("error", "variance_seed"):
            low, value = found[f"{part}_low"], found[part]
            assert not ((low < 0) & (value >= 0)).any(), (loss, part)
    accuracy = by_cell(results, ["test_accuracy"])
    assert (accuracy["test_accuracy_low"] >= 0).all() and (accuracy["test_accuracy_high"] <= 1).all()


def test_only_what_can_not_be_is_left_out() -> None:
    """A negative estimate keeps its interval, and so does the net variance of votes; nothing else changes."""
    rows = pd.DataFrame({f"{part}{end}": [0.5, -0.5] for part in PARTS for end in ("", "_high")})
    rows = rows.assign(**{f"{part}_low": [-1.0, -1.0] for part in PARTS})
    for loss in ("brier", "zero_one"):
        found = from_0(rows, loss)
        for part in PARTS:
            kept = loss == "zero_one" and part.startswith("variance")
            assert found[f"{part}_low"].tolist() == [-1.0 if kept else 0.0, -1.0]
        same = [column for column in rows if not column.endswith("_low")]
        pd.testing.assert_frame_equal(found[same], rows[same])
    assert rows["error_low"].tolist() == [-1.0, -1.0]


def test_the_tables_in_csv_are_as_they_were(small: jaxreg.Run) -> None:
    """What the laws of intervals are about: symmetric ones."""
    table = small.decomposition.dropna(subset=["error_low"])
    np.testing.assert_allclose(table["error_high"] - table["error"], table["error"] - table["error_low"], rtol=1e-9)


def test_a_page_says_what_the_error_is(small: jaxreg.Run, tmp_path: Path) -> None:
    """In its first sentence, of the reference and of what is to be used, for every kind of prediction."""
    given = made(splits=3, seeds=1, examples=300)
    p = np.array(given["predictions"])
    targets = np.where(given["targets"] == 0, 0.9, 0.1)
    for name, predictions, wanted, loss in (
        ("votes", p.argmax(-1), given["targets"], "zero_one"),
        ("quantities", p[..., 0], targets, "squared_error"),
        ("probabilities", p, given["targets"], "cross_entropy"),
    ):
        changed = given | {"predictions": predictions, "targets": wanted}
        run = jaxreg.compare(**changed, reference="alpha=2", out=tmp_path / name)
        first = run.report.split("## Answer\n\n")[1].splitlines()[0]
        error = run.decomposition[run.decomposition["loss"] == loss].set_index("cell")["error"]
        assert "use `alpha=0`" in first and "with `alpha=2`" in first and "with `alpha=0`" in first
        values = [float(value) for value in re.findall(r"(?<![+\u2212\d.])(\d[\d.]*) \(", first)]
        for cell in ("alpha=0", "alpha=2"):
            assert any(value == pytest.approx(error[cell], rel=0.02) for value in values), (name, cell, first)
