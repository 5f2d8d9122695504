"""Until it is settled: rounds of what is open, looks that keep to their plan, and what a page says of them."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import jaxreg
from jaxreg.data.dataset import Dataset
from jaxreg.engine.progress import Silent
from jaxreg.errors import Interrupted, UserError
from jaxreg.measures import CLASSES
from jaxreg.report.page import write
from jaxreg.settle import ALL_LOOKS, BUDGET, SETTLED
from jaxreg.spec.load import load
from jaxreg.spec.members import first_look, members, number
from jaxreg.spec.sweep import Sweep
from jaxreg.spec.typed import budget, gain
from jaxreg.statistics.boundaries import Look, boundary
from jaxreg.statistics.comparisons import LEVEL, UNDECIDED
from jaxreg.store.results import Results, read
from jaxreg.sweep import main

SMALL = {"hidden": [4], "epochs": 2, "batch_size": [20], "curve_images": 50, "splits": 3, "second_stage": 0}
TABLES = ("members", "history", "decomposition", "comparisons", "choices", "recommendation", "power", "looks")


def sweep(**more: object) -> Sweep:
    return load(flags={"grid": "l1", "l1": [0, 1e-4, 1e-3, 0.1], "settle": 3, **SMALL, **more})


def tables(folder: Path) -> dict[str, pd.DataFrame]:
    """All but what a clock says."""
    found = {name: pd.read_csv(folder / f"{name}.csv") for name in TABLES}
    return {name: one.drop(columns=["seconds", "train_seconds"], errors="ignore") for name, one in found.items()}


def equal(one: Path, other: Path) -> None:
    there = tables(other)
    for name, table in tables(one).items():
        pd.testing.assert_frame_equal(table, there[name])


# --- repeated p-values ---------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("of", [2, 4, 8])
@pytest.mark.parametrize("rule", ["pocock", "obrien_fleming"])
def test_a_repeated_p_value_is_the_level_whose_boundary_a_p_value_meets(of: int, rule: str) -> None:
    for place in range(1, of + 1):
        look = Look(place, of, rule=rule)
        for level in (0.2, 0.05, 0.005, 1e-5):
            at = boundary(level, of, rule)[place - 1]
            assert look.p_value(at) == pytest.approx(level, rel=0.02)
            assert look.level(level) == at
        p = np.logspace(-12, -0.01, 30)
        repeated = [look.p_value(one) for one in p]
        assert all(np.diff(repeated) >= 0) and all(a >= b * (1 - 1e-9) for a, b in zip(repeated, p, strict=True))


def test_one_look_changes_nothing() -> None:
    assert Look(1, 1).p_value(0.012) == 0.012 and Look(1, 1).level(0.05) == pytest.approx(0.05, rel=1e-6)


def test_the_least_of_repeated_p_values_is_below_a_level_that_often_and_no_more() -> None:
    steps = np.random.default_rng(2).standard_normal((20_000, 4))
    p = 2 * stats.norm.sf(np.abs(steps.cumsum(1) / np.sqrt(np.arange(1, 5))))
    least = np.array([[Look(k + 1, 4).p_value(one) for k, one in enumerate(row)] for row in p]).min(1)
    for level in (0.01, 0.05, 0.2):
        chance = 4 * math.sqrt(level * (1 - level) / len(least))
        assert (least < level).mean() == pytest.approx(level, abs=chance + 0.02 * level)


# --- who is trained, and when --------------------------------------------------------------------------------------


def test_a_round_is_another_deal_and_of_one_split_other_seeds() -> None:
    dealt, alone = sweep(), sweep(splits=1, seeds=2)
    assert number(dealt) == len(members(dealt)) == 4 * 3 * 3 and number(alone) == len(members(alone)) == 4 * 3 * 2
    assert {(m.deal, first_look(m, dealt)) for m in members(dealt)} == {(0, 1), (1, 2), (2, 3)}
    assert {(m.seed, first_look(m, alone)) for m in members(alone)} == {(s, 1 + s // 2) for s in range(6)}
    assert {first_look(m, sweep(settle=0, deals=2)) for m in members(sweep(settle=0, deals=2))} == {1}
    kept = sweep(full_seeds=2)
    assert {first_look(m, kept) for m in members(kept) if m.split == "all"} == {1}


@pytest.fixture(scope="module")
def settled(tmp_path_factory: pytest.TempPathFactory, dataset: Dataset) -> Path:
    return jaxreg.run(sweep(), out=tmp_path_factory.mktemp("settle") / "whole", dataset=dataset).folder


@pytest.mark.slow
def test_only_what_is_open_and_the_reference_get_another_round(settled: Path) -> None:
    results = read(settled, for_report=True)
    looks, rows = results.looks, results.members
    assert len(looks) >= 2  # else this tests nothing
    deals = rows.groupby("cell")["deal"].nunique()
    for look in looks.itertuples():
        open_ones = set(str(look.open).split("; ")) if isinstance(look.open, str) else set()
        if look.ended != look.ended:
            assert open_ones and all(deals[cell] > look.look for cell in {"plain", *open_ones})
            assert all(deals[cell] <= look.look for cell in set(deals.index) - {"plain", *open_ones})
    assert looks["ended"].iloc[-1] in (SETTLED, ALL_LOOKS, "test examples", "training data")
    assert looks["ended"].iloc[:-1].isna().all()
    assert list(looks["members"]) == sorted(looks["members"]) and looks["members"].iloc[-1] == len(rows)
    assert deals["l1=0.1"] < deals["plain"]  # far too strong


def test_p_values_and_verdicts_on_the_page_are_those_of_the_last_look(settled: Path, dataset: Dataset) -> None:
    results = read(settled, for_report=True)
    last, rows = results.looks.iloc[-1], results.comparisons[results.comparisons["reference"] == "plain"]
    look = Look(int(last["look"]), int(last["of"]))
    for _, of_one in rows.groupby("measure"):
        p = of_one["p"].dropna().to_numpy()
        assert of_one["p_adjusted"].min() == pytest.approx(min(1.0, len(of_one) * p.min()), rel=1e-9)
        inside = (of_one["low"] > 0) | (of_one["high"] < 0)
        sure = (of_one["p"] < 1 - LEVEL - 1e-3) | (of_one["p"] > 1 - LEVEL + 1e-3)
        assert (inside == (of_one["p"] < 1 - LEVEL))[sure & of_one["low"].notna()].all()  # the interval is repeated too
    fixed = jaxreg.run(sweep(settle=0, deals=look.number), out=settled.parent / "fixed", dataset=dataset)
    there = fixed.comparisons.set_index(["cell", "reference", "measure"])
    plain = rows.set_index(["cell", "reference", "measure"])
    cell = next(c for c, n in results.members.groupby("cell")["deal"].nunique().items() if n == look.number != "plain")
    for measure in CLASSES.compared:
        mine, other = (table.loc[(cell, "plain", measure)] for table in (plain, there)) if cell != "plain" else (0, 0)
        if cell != "plain":
            assert mine["difference"] == pytest.approx(other["difference"], rel=1e-6, abs=1e-9)
    told = {c: "lower" for c in str(last["better"]).split("; ")} if isinstance(last["better"], str) else {}
    told |= {c: "higher" for c in str(last["worse"]).split("; ")} if isinstance(last["worse"], str) else {}
    own = rows[rows["measure"] == last["measure"]].set_index("cell")["verdict"]
    assert {c: own[c] for c in told} == told
    assert told.get("l1=0.1") == "higher" or own["l1=0.1"] == UNDECIDED


@pytest.mark.slow
def test_the_same_command_looks_again_and_trains_nothing(settled: Path, dataset: Dataset) -> None:
    before = {file.name: file.read_bytes() for file in (settled / "members").iterdir()}
    there = {name: (settled / f"{name}.csv").read_bytes() for name in TABLES if name != "looks"}
    jaxreg.run(sweep(), out=settled, dataset=dataset)
    assert {file.name: file.read_bytes() for file in (settled / "members").iterdir()} == before
    assert {name: (settled / f"{name}.csv").read_bytes() for name in there} == there


@pytest.mark.slow
def test_whoever_stops_it_and_goes_on_gets_the_same(settled: Path, dataset: Dataset, tmp_path: Path) -> None:
    class Impatient(Silent):
        def announce(self, text: str) -> None:
            if text.startswith("look 1"):
                raise KeyboardInterrupt

    with pytest.raises(Interrupted, match="goes on from there"):
        jaxreg.run(sweep(), out=tmp_path / "run", dataset=dataset, progress=Impatient())
    with pytest.raises(UserError, match="looks at most: 3 there, 2 here"):
        jaxreg.run(sweep(settle=2), out=tmp_path / "run", dataset=dataset)
    jaxreg.run(sweep(), out=tmp_path / "run", dataset=dataset)
    equal(tmp_path / "run", settled)


@pytest.mark.slow
def test_a_fixed_design_is_the_first_look(settled: Path, dataset: Dataset, tmp_path: Path) -> None:
    folder = jaxreg.run(sweep(settle=0), out=tmp_path / "run", dataset=dataset).folder
    first = {file.name: file.read_bytes() for file in (folder / "members").iterdir()}
    jaxreg.run(sweep(), out=folder, dataset=dataset)
    now = {file.name: file.read_bytes() for file in (folder / "members").iterdir()}
    assert first.items() <= now.items()
    equal(folder, settled)
    jaxreg.run(sweep(settle=0), out=folder, dataset=dataset)
    assert not (folder / "looks.csv").exists() and len(read(folder, for_report=True).members) == 12


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"settle": 4}, "looks at most: 3 there, 4 here"),
        ({"l1": [0, 1e-4, 0.1]}, "cells besides the reference: 3 there, 2 here"),
        ({"purpose": "accuracy"}, "what counts: test_cross_entropy there, test_error here"),
        ({"difference": 0.5}, "smallest difference: 0.0 there, 0.5 here"),
    ],
)
def test_a_plan_that_changes_after_a_look_is_refused(settled: Path, dataset: Dataset, change: dict, said: str) -> None:
    how = {key: change.pop(key) for key in ("purpose", "difference") if key in change}
    with pytest.raises(UserError, match=f"does not keep its 5 %:\n  {said}\n  Give the same again, or another folder"):
        jaxreg.run(sweep(**change), out=settled, dataset=dataset, **how)


@pytest.mark.slow
def test_a_spent_budget_ends_it_and_a_larger_one_goes_on(settled: Path, dataset: Dataset, tmp_path: Path) -> None:
    folder = jaxreg.run(sweep(), out=tmp_path / "run", dataset=dataset, budget=0.0).folder
    results = read(folder, for_report=True)
    assert list(results.looks["ended"]) == [BUDGET] and len(results.members) == 12
    page = (folder / "report.md").read_text()
    assert "the budget is spent" in page and "1 look of 3 at most, 12 networks" in page
    jaxreg.run(sweep(), out=folder, dataset=dataset)
    equal(folder, settled)


@pytest.mark.slow
def test_what_is_better_by_much_settles_it_at_the_first_look(dataset: Dataset, tmp_path: Path) -> None:
    better = load(
        flags={
            "grid": "l1",
            "l1": [0, 1e-6],
            **SMALL,
            "hidden": [32],
            "settle": 4,
            "learning_rate": [1e-5],
            "epochs": 6,
        }
    )
    runs = [{"name": "faster", "learning_rate": 1e-2}]
    recipe = better.resolved()["recipe"] | {"learning_rate": 1e-5, "epochs": 6}
    tables = better.resolved() | {"recipe": recipe, "run": runs, "splits": 5, "name": "better"}
    from jaxreg.spec.load import read as read_sweep

    folder = jaxreg.run(read_sweep(tables), out=tmp_path / "run", dataset=dataset).folder
    results = read(folder, for_report=True)
    assert list(results.looks["ended"]) == [SETTLED] and results.looks["better"].iloc[0] == "faster"
    assert "**Settled in cross-entropy**: `faster` is significantly better" in (folder / "report.md").read_text()


def test_whom_a_cell_starts_from_is_trained_with_it(dataset: Dataset, tmp_path: Path) -> None:
    tables = {
        **{"name": "chain", "splits": 3, "settle": 2, "curve_images": 50},
        "recipe": {"hidden": [4], "epochs": 2, "batch_size": 20},
        "run": [{"name": "plain"}, {"name": "far", "l1": 0.1}, {"name": "back", "after": "far"}],
    }
    from jaxreg.spec.load import read as read_sweep

    found: Results = read(jaxreg.run(read_sweep(tables), out=tmp_path / "run", dataset=dataset).folder, True)
    looks, deals = found.looks, found.members.groupby("cell")["deal"].nunique()
    if len(looks) > 1 and "back" in str(looks["open"].iloc[0]):
        assert deals["far"] == deals["back"] == 2


def test_seeds_are_added_where_there_is_one_split(dataset: Dataset, tmp_path: Path) -> None:
    found = read(jaxreg.run(sweep(splits=1, seeds=3), out=tmp_path / "run", dataset=dataset).folder, True)
    seeds = found.members.groupby("cell")["seed"].nunique()
    assert set(seeds) <= {3, 6, 9} and seeds["plain"] == 3 * len(found.looks)


# --- the command -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "seconds"), [("10m", 600.0), ("90s", 90.0), ("1h30m", 5400.0), ("2h", 7200.0), (None, math.inf)]
)
def test_a_budget_is_a_time(text: str | None, seconds: float) -> None:
    assert budget(text) == seconds


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--settle", "--budget", "10"], "--budget: must be a time such as 10m"),
        (["--settle", "--budget", ""], "--budget: must be a time such as 10m"),
        (["--settle", "--difference", "much"], "--difference: must be a number such as 0.01"),
        (["--settle", "--difference", "-1"], "--difference: must be a number such as 0.01"),
        (["--difference", "0.01"], "difference, budget: are of a sweep that settles"),
        (["--budget", "10m"], "difference, budget: are of a sweep that settles"),
        (["--settle", "--deals", "2"], "--deals: with settle = 4 deals are added"),
        (["--looks", "51"], "must be a whole number from 0 to 50, got 51"),
        (["--looks", "many"], "must be a whole number"),
    ],
)
def test_wrong_flags_are_said(flags: list[str], said: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["--grid", "l1", "--out", str(tmp_path / "run"), *flags]) == 2
    assert said in capsys.readouterr().err and not (tmp_path / "run").exists()
    assert gain(None) == 0.0


def test_a_dry_run_says_what_it_is_at_most(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--grid", "l1,l2", "--settle", "--dry-run"]) == 0
    assert "at most: 55 for the first of 4 looks, then the cells that are open" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [("leader", "nobody", 'a cell "nobody" that members.csv has not'), ("members", 3, "speaks of other members than")],
)
def test_a_table_of_looks_that_was_edited_is_refused(
    settled: Path, tmp_path: Path, column: str, value: object, said: str
) -> None:
    import json
    import shutil

    folder = shutil.copytree(settled, tmp_path / "copy")
    table = pd.read_csv(folder / "looks.csv")
    table[column] = value
    table.to_csv(folder / "looks.csv", index=False)
    about = json.loads((folder / "run.json").read_text())
    about.pop("files")
    (folder / "run.json").write_text(json.dumps(about))
    with pytest.raises(UserError, match=said):
        write(folder)
