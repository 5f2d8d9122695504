"""What is to be avoided: what is significantly worse by enough to matter, of committed runs and of such shrunk."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from committed_runs import REPORTS, kept
from test_compare import made

import jaxreg
from jaxreg.measures import MEASURES
from jaxreg.report.advice import listed, purposes, scopes
from jaxreg.report.answer import answer
from jaxreg.report.avoid import LITTLE, avoid, learned_nothing, matters
from jaxreg.report.layout import arrange
from jaxreg.report.temperature import calibration
from jaxreg.store.results import Results, read


def worse(results: Results) -> set[tuple[str, str]]:
    rows = [row for purpose in purposes(results) if (row := results.advice("parts", purpose))]
    return {(cell, row["measure"]) for row in rows for cell in listed(row, "worse")}


def shrunk(results: Results, factor: float) -> Results:
    ends = ["difference", "low", "high"]
    return replace(
        results, comparisons=results.comparisons.assign(**{end: factor * results.comparisons[end] for end in ends})
    )


@pytest.mark.parametrize("factor", [1.0, 0.5, 0.1, 0.001])
def test_a_cell_is_avoided_where_its_difference_is_a_twentieth_of_the_error(factor: float) -> None:
    results = shrunk(kept(), factor)
    layout, decided = arrange(results), answer(results, arrange(results))[0]
    said, _, little = avoid(results, layout).partition("Significantly worse, but by less than a twentieth")
    enough: dict[str, bool] = {}
    for cell, measure in worse(results):
        error = results.loss(MEASURES[measure].loss)["error"][layout.base]
        matter = results.against(layout.base, measure)["difference"][cell] >= error / LITTLE
        assert matters(results, layout, cell, measure) == matter
        enough[cell] = enough.get(cell, False) or bool(matter)
    assert len(enough) >= 4
    named = {cell for cell in enough if f"`{cell}`" in little}
    (more,) = re.findall(r"and (\d+) more", little) or [0]
    assert {cell for cell in enough if f"`{cell}`" in said} == {cell for cell, matter in enough.items() if matter}
    assert not any(enough[cell] for cell in named) and len(named) + int(more) == [*enough.values()].count(False)
    assert decided == answer(kept(), arrange(kept()))[0]  # what to use is another question


def test_what_was_asked_for_decides_what_is_little() -> None:
    """`--difference` of a sweep that settles, in the measure that it is looked at in."""
    results = read(REPORTS / "width")
    layout, (cell, measure) = arrange(results), ("l2=5e-6,width=256", "test_cross_entropy")
    change = results.against(layout.base, measure)["difference"][cell]
    assert not matters(results, layout, cell, measure)
    for least, matter in ((0.5 * change, True), (2 * change, False)):
        looks = pd.DataFrame([{"measure": measure, "least_difference": least}])
        assert matters(replace(results, looks=looks), layout, cell, measure) == matter
        assert not matters(replace(results, looks=looks), layout, cell, "test_error")


@pytest.mark.parametrize("dull", [(), ("alpha=2",), ("alpha=0",), ("alpha=0", "alpha=1", "alpha=2")])
@pytest.mark.parametrize("models", [1, 4])
def test_what_is_to_be_used_is_not_to_be_avoided(dull: tuple[str, ...], models: int, tmp_path: Path) -> None:
    """Where models of some cells, all or one of four, answer the same everywhere."""
    given = made(cells=3, splits=4, seeds=1)
    guess = np.full((90, 3), [0.4, 0.3, 0.3])
    lost = [cell in dull and split < models for cell, split in zip(given["cell"], [0, 1, 2, 3] * 3, strict=True)]
    p = [guess if out else own for out, own in zip(lost, given["predictions"], strict=True)]
    results = read(jaxreg.compare(**given | {"predictions": p}, reference="alpha=0", out=tmp_path / "run").folder)
    layout = arrange(results)
    used = {layout.base, *(row["cell"] for one in purposes(results) if (row := results.advice("parts", one)))}
    said, told = avoid(results, layout), learned_nothing(results, layout)
    for cell in used:
        assert f"`{cell}`" not in said.partition("Significantly")[0]
        assert (f"{models} of 4 models of `{cell}`" in told) == (cell in dull)
    for cell in {*dull} - used:
        assert f"`{cell}`" in said and f"`{cell}`" not in told
    assert ("`alpha=0`" in told) == ("changes are from the reference" in told) == ("alpha=0" in dull)
    assert told == "" or told in answer(results, layout)


@pytest.mark.parametrize("share", [0.2, 0.02])
def test_a_temperature_that_gains_little_is_not_said_to_gain_more_than_all(share: float) -> None:
    results = kept()
    layout, found = arrange(results), results.decomposition.copy()
    before = float(results.loss("cross_entropy")["error"][layout.base])
    found.loc[found["loss"] == "cross_entropy", "error"] = before  # so that nothing tried gains anything
    found.loc[found["loss"] == "scaled_cross_entropy", "error"] = (1 - share) * before
    said = calibration(replace(results, decomposition=found), layout, scopes(results, layout)[0])
    matter = share >= 1 / LITTLE
    assert (
        said.startswith("**Temperature scaling gains more, in the mean, than any cell tried on 12,000 images**")
        == matter
    )
    assert said.startswith("Temperature scaling changes little") == (not matter)
