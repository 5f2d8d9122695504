"""Networks on all of the data beside those on parts of them: how much worse they may be, and what a page says of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from written_runs import L1_L2, LABELS, predictions, write_run

from jaxreg.report import page
from jaxreg.statistics.analysis import analyse, write
from jaxreg.statistics.predictions import ClassPredictions
from jaxreg.statistics.sums import lse

SEEDS = 3


def run(folder: Path, surer: float, cells: list = L1_L2[:2]) -> Path:
    """A run with networks on all of the data, whose logits are those of the parts' first ones times `surer`."""
    write_run(folder, cells=cells, splits=5, seeds=1)
    members = pd.read_csv(folder / "members.csv", dtype={"split": str})
    rows, outputs = [], []
    for cell, settings in cells:
        mine = members[members["cell"] == cell]
        outputs += list(predictions(settings, 5, 1)[:, 0])
        rows += mine.to_dict("records")
        for seed, own in enumerate(predictions(settings, 5, 1)[:SEEDS, 0] * surer):
            outputs.append(own - lse(own)[..., None])
            name = {"member": f"{cell}/all/seed{seed}", "split": "all", "seed": seed, "trained_on": 2500}
            rows.append(mine.iloc[0].to_dict() | name)
    table = pd.DataFrame(rows)
    table.to_csv(folder / "members.csv", index=False)
    scored = ClassPredictions(np.array(outputs, dtype=np.float32), LABELS)
    write(analyse(table, scored, list(table["member"])), folder)
    return folder


def test_the_difference_is_that_of_the_two_sets_of_models_on_the_same_examples(tmp_path: Path) -> None:
    table = pd.read_csv(run(tmp_path / "run", 2.0) / "whole.csv").set_index(["cell", "measure"])
    row = table.loc[("plain", "test_cross_entropy")]
    parts = predictions({}, 5, 1)[:, 0].astype(float)
    on_all = parts[:SEEDS] * 2
    on_all -= lse(on_all)[..., None]
    losses = [-own[:, np.arange(len(LABELS)), LABELS] for own in (parts, on_all)]
    square = doubt = 0.0
    n = len(LABELS)
    for loss in losses:  # [unit, example]
        units = len(loss)
        by_unit = n * loss.mean(1).var(ddof=1)
        rest = ((loss - loss.mean(0) - loss.mean(1, keepdims=True) + loss.mean()) ** 2).sum() / (units - 1) / (n - 1)
        of_units = max(by_unit - rest, 0) / units / n
        square += of_units
        doubt += (by_unit / units / n) * min(by_unit / units / n, 4 * of_units) / (units - 1)
    examples = (losses[1].mean(0) - losses[0].mean(0)).var(ddof=1) / n
    square, doubt = square + examples, doubt + examples**2 / (n - 1)
    assert row["parts_difference"] == pytest.approx(losses[1].mean() - losses[0].mean(), rel=1e-4)
    half = stats.t.ppf(0.975, square**2 / doubt) * square**0.5
    assert row["parts_high"] - row["parts_difference"] == pytest.approx(half, rel=1e-3)


@pytest.mark.parametrize(("surer", "said"), [(4.0, True), (1.0, False)])
def test_a_larger_error_is_said_with_what_it_means(tmp_path: Path, surer: float, said: bool) -> None:
    text = page.write(run(tmp_path / "run", surer)).read_text(encoding="utf-8")
    caveats = text.split("## Caveats\n")[1].split("\n## ")[0]
    assert (
        "**More images, and a larger error**: on all of the training set cross-entropy of `plain` is larger" in caveats
    ) is said
    assert ("No more of its answers are wrong there" in caveats) is said
    assert ("with temperature scaling the error is not larger" in caveats) is said  # as it undoes a factor
    assert ("The same epochs are 5.0 times as many steps there" in caveats) is said


def test_single_models_say_nothing_of_others(tmp_path: Path) -> None:
    folder = run(tmp_path / "run", 2.5)
    members = pd.read_csv(folder / "members.csv", dtype={"split": str})
    kept = (members["split"] != "all") | (members["seed"] == 0)
    outputs = np.concatenate([predictions(settings, 5, 1)[:, 0] for _, settings in L1_L2[:2]])
    alone = members[kept].sort_values("split", key=lambda split: split == "all", kind="stable")
    scored = ClassPredictions(np.concatenate([outputs, outputs[[0, 5]]]), LABELS)
    found = analyse(alone, scored, list(alone["member"])).whole
    assert len(found) and found["parts_difference"].isna().all()
