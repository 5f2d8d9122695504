"""What is written and said of sizes: the table, from cells by formula and from whole runs, and the page."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from written_runs import write_run

from jaxreg.formatting import estimate
from jaxreg.report import page
from jaxreg.report.data_size import more_data
from jaxreg.report.figures import data_size as drawn
from jaxreg.report.figures import style
from jaxreg.statistics.data_size import BY_LAW, INSIDE, LARGEST, NONE, SMALLEST, table
from jaxreg.statistics.intervals import TwoWay
from jaxreg.store.results import read

STRENGTHS = tuple(float(x) for x in 10 ** np.arange(-5, -0.9, 0.5))


def cells_of(best_of):
    """Settings and losses of a line of L1 at each size, and of an L2 that the sweep does not cross with them."""
    rows, means = {}, []
    for n, best in best_of.items():
        for strength in (0.0, *STRENGTHS):
            name = f"l1={strength:g},n={n}" if strength or n != "all" else "plain"
            rows[name] = {"l1": strength, "l2": 0.0, "train_examples": n}
            means.append(0.5 if not strength else 0.4 + 0.01 * (np.log(strength) - np.log(best)) ** 2)
    rows["l2=1"] = {"l1": 0.0, "l2": 1.0, "train_examples": "all"}
    losses = np.array([*means, 0.1])[:, None, None, None] + 1e-4 * np.arange(3)[:, None] + np.zeros((1, 1, 3, 5))
    sums = TwoWay(len(rows), 1, 3)
    sums.add(losses.mean(2), losses)
    return sums, list(rows), pd.DataFrame.from_dict(rows, orient="index")


def test_the_table_has_a_row_for_each_size_and_what_the_law_says_of_all_splits():
    sums, names, settings = cells_of({1500: 1e-3, 3000: 5e-4, "all": 2.5e-4})
    on = {
        name: 6000 if settings.loc[name, "train_examples"] == "all" else int(settings.loc[name, "train_examples"])
        for name in names
    }
    made = table(sums, 3, names, settings, on, "plain")
    assert list(made["axis"].unique()) == ["l1"], "L2 was swept at one size alone"
    assert list(made["trained_on"]) == [1500, 3000, 6000, 18000]
    assert list(made["position"]) == [INSIDE] * 3 + [BY_LAW]
    np.testing.assert_allclose(made["optimum"], [1e-3, 5e-4, 2.5e-4, 2.5e-4 / 3], rtol=1e-6)
    np.testing.assert_allclose(made["slope"], -1, atol=1e-6)
    assert list(made["none"][:3]) == ["l1=0,n=1500", "l1=0,n=3000", "plain"] and made["cell"].isna().tolist()[3]
    assert (made["gain"][:3] < -0.05).all() and (made["low"] <= made["optimum"] * 1.001).all()
    assert table(sums, 1, names, settings, on, "plain")["position"].tolist() == [INSIDE] * 3
    for nothing in (
        table(sums, 3, names, settings.drop(columns="train_examples"), on, "plain"),
        table(sums, 3, names, settings, dict.fromkeys(names, 6000), "plain"),
        table(sums, 3, names, settings, on, None),
    ):
        assert nothing.empty and nothing.columns.empty


def test_where_no_optimum_is_inside_there_is_no_law():
    sums, names, settings = cells_of({1500: 1e3, "all": 1e-9})
    on = {name: 6000 if settings.loc[name, "train_examples"] == "all" else 1500 for name in names}
    made = table(sums, 3, names, settings, on, "plain")
    assert made["position"].tolist() == [LARGEST, SMALLEST] or made["position"].tolist() == [NONE, NONE]
    assert made[["optimum", "low", "high", "slope"]].isna().all(axis=None)


def sized(strengths=STRENGTHS[:5], sizes=(125, 250, "all"), axes=("l1",)):
    """Cells of a run: lines of strengths at each number of examples."""
    return [
        ("plain" if (strength, size) == (0.0, "all") else f"{axis}={strength:g},train_examples={size}", settings)
        for size in sizes
        for axis in axes
        for strength in (0.0, *strengths)
        if strength or axis == axes[0]
        for settings in [{axis: strength, "train_examples": size}]
    ]


def test_the_table_of_a_run_is_written_where_a_strength_is_crossed_with_sizes_and_else_is_not(tmp_path):
    cells = sized()
    folder = write_run(tmp_path / "run", cells=cells, splits=3, seeds=1, grid="l1*train_examples")
    made = read(folder, for_report=True).data_size
    assert list(made["trained_on"]) == [125, 250, 500, 1500] and made["slope_high"].max() < 0
    losses = read(folder).loss("cross_entropy")["error"]
    for row in made.iloc[:3].itertuples():
        assert row.gain == pytest.approx(losses[row.cell] - losses[row.none])
    along = [cell for cell in cells if not cell[1]["l1"] or cell[1]["train_examples"] == "all"]
    write_run(tmp_path / "run", cells=along, splits=3, seeds=1, grid="l1,train_examples")
    assert not (folder / "data_size.csv").exists() and read(folder).data_size.empty


@pytest.mark.slow
def test_the_page_says_what_more_data_would_change(tmp_path, monkeypatch):
    monkeypatch.setattr(style, "DPI", 40)
    cells = sized(STRENGTHS[:4], axes=("l1", "l2"), sizes=(125, 250, 400, "all"))
    folder = write_run(tmp_path / "run", cells=cells, splits=4, seeds=1, grid="l1*train_examples,l2*train_examples")
    page.write(folder)
    said = (folder / "report.md").read_text().partition("\n## More data\n")[2].partition("\n## ")[0]
    made = read(folder).data_size
    assert (folder / "figures" / "data-size.png").is_file() and "![The best strength of L1 and L2, and error" in said
    assert (
        "as many steps" in said and "for the steps of 4 epochs on a whole split;" in (folder / "report.md").read_text()
    )
    line = next(line for line in said.splitlines() if line.startswith("**L1**"))
    law = made[made["axis"] == "l1"].iloc[0]
    assert f"to the power of {estimate(law.slope, law.slope_low, law.slope_high, signed=True)}" in line
    assert (
        "\u22121, which is not in that interval" in line
        and "For the 2,000 images of all splits together, in as many" in line
    )
    assert re.search("Left out of this: with 125( and 250)? images the best is the largest tried", said)
    assert "**From 400 to 500 images** the best cell's cross-entropy changes by \u2212" in said
    wrong, gained = read(folder).loss("zero_one")["error"], made[made["trained_on"] == 500].iloc[0]
    points = 100 * (wrong[gained.cell] - wrong[gained.none])
    assert re.search(f"; in wrong answers, from .* to {estimate(points, None, None, signed=True)} points", said)
    assert not re.search(r"nan|inf\b|None", said)


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"cells": sized((1e-5,))}, "no line can be fitted to the best strength: with 125"),
        ({"cells": sized(sizes=(250, "all")), "splits": 1}, "to the power of"),
        ({"cells": sized(sizes=(250, "all")), "splits": 1, "seeds": 1}, "to the power of"),
        ({"cells": [cell for cell in sized() if cell[1]["l1"]]}, "the best strength goes from"),
        ({"cells": sized(), "deals": 2}, "to the power of"),
        ({"cells": sized(), "diverged": ["l1=0.0001,train_examples=250"]}, "the best strength goes from"),
        ({"cells": sized(sizes=("all",))}, ""),
    ],
    ids=["one strength", "one split", "one member", "without none", "deals", "diverged", "one size"],
)
def test_whatever_there_is_the_page_says_it(tmp_path, how, words):
    how = {"splits": 2, "seeds": 2, "grid": "l1*train_examples"} | how
    results = read(write_run(tmp_path / "run", **how), for_report=True)
    said = "\n".join(more_data(results))
    assert words in said and bool(said) == bool(words) == bool(drawn.data_size(results))
    assert not re.search(r"nan|inf\b|None", said)
