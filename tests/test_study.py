"""The study of the notebook: printed numbers judged by seeds, conclusions judged by tables."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from jaxreg.errors import UserError
from jaxreg.report import page as report
from jaxreg.statistics.comparisons import benjamini_hochberg, holm
from jaxreg.store.results import read
from jaxreg.study import __main__, judgement, keras_check, reproduction, step_cost, twelve_runs
from jaxreg.study import page as study
from jaxreg.study.conclusions import CONCLUSIONS
from jaxreg.study.evidence import (
    FAILS,
    HOLDS,
    MISSING,
    OPEN,
    OTHER,
    Claim,
    Measured,
    Runs,
    by_unit,
    decide,
    together,
)

PRINTED = Path(__file__).parents[1] / "sweeps" / "notebook-printed.csv"
TWELVE = [
    "simple", "depth_5", "depth_2", "depth_10", "simple_normalized", "batch_norm", "batch_norm_normalized",
    "dropout", "early_stopping", "l1", "l2", "l1_l2",
]  # fmt: skip
METHODS = [
    "plain", "l1=1e-5", "l1=1e-4", "l1=1e-3", "l1=0.01", "l2=1e-5", "l2=1e-4", "l2=1e-3", "l2=0.01", "dropout=0.2",
    "dropout=0.3-0.5-0", "batch_norm=true", "early_stopping=1", "early_stopping=3", "early_stopping=3-best",
    "depth=2", "depth=5", "depth=10", "scaling=raw", "l1=0.01,l2=0.01", "l1=1e-5,l2=1e-4",
]  # fmt: skip
NOISE = [f"{kind}={share}" for kind in ("label_noise", "pixel_noise") for share in ("0.2", "0.4")]
OUTLIERS = ["plain", *NOISE] + [
    ",".join(filter(None, (cell, noise))) for cell in ("l1=1e-5", "l2=1e-4") for noise in ("", *NOISE)
]
# What the notebook says, as test cross-entropies; everything else about a cell follows from it below.
LOSSES = {
    "plain": 0.40, "l2=1e-4": 0.30, "l1=1e-5": 0.35, "dropout=0.3-0.5-0": 0.70, "dropout=0.2": 0.60,
    "batch_norm=true": 0.33,
    "early_stopping=1": 0.50, "early_stopping=3": 0.45, "early_stopping=3-best": 0.45, "depth=2": 0.45, "depth=5": 0.39,
    "depth=10": 0.37, "scaling=raw": 0.5, "l1=0.01": 0.9, "l2=0.01": 0.6, "l1=0.01,l2=0.01": 1.0,
    "l1=1e-5,l2=1e-4": 0.6,
}  # fmt: skip
LOWER_VARIANCE = {"l1=1e-5", "l2=1e-4", "dropout=0.3-0.5-0", "l1=0.01,l2=0.01", "depth=2", "scaling=raw"}


def write_tables(
    folder: Path,
    cells: list[str],
    losses: Mapping[str, float] = LOSSES,
    splits: int = 4,
    seeds: int = 1,
    spread: float = 0.004,
    curves: Mapping[tuple[str, int], float] | None = None,
) -> Path:
    """The files of a run whose test cross-entropies are `losses` with a little noise; 15 epochs."""
    folder.mkdir(parents=True)
    noise = np.random.default_rng(1).normal
    members, history, comparisons = [], [], []
    for cell in cells:
        loss = losses.get(cell, 0.42)
        for split in range(splits):
            for seed in range(seeds):
                luck = float(np.exp(spread * noise()))
                name = f"{cell}/split{split}/seed{seed}"
                sparse = (0.4 if "l1" in cell else 0.2 if "l2" in cell else 0.1) + 0.01 * luck
                members.append(
                    {"member": name, "cell": cell, "split": split, "seed": seed}
                    | {"train_cross_entropy": loss * luck - 0.1}
                    | {"test_cross_entropy": loss * luck, "test_accuracy": 1 - loss * luck / 30, "penalty": 0.0}
                    | {"weight_l1": 100 / (1 + sparse) * luck, "weight_l2": 50 / (1 + sparse) * luck}
                    | {"small_weights": sparse, "live_small_weights": sparse, "diverged_at": np.nan}
                )
                for epoch in range(1, 16):
                    train = (curves or {}).get((cell, epoch), loss) * float(np.exp(spread * noise()))
                    history.append((name, epoch, train, train, 0.0, loss * luck))
        word = "lower" if cell in LOWER_VARIANCE else "higher"
        difference = -0.1 if word == "lower" else 0.1
        bounds = (difference, difference - 0.01, difference + 0.01)
        comparisons.append((cell, "plain", "variance_cross_entropy", *bounds, 0.0001, 0.001, word))
    tables = {
        "members": pd.DataFrame(members),
        "history": pd.DataFrame(
            history, columns=["member", "epoch", "train_loss", "train_cross_entropy", "penalty", "test_cross_entropy"]
        ),
        "decomposition": pd.DataFrame(
            columns=["cell", "loss", "error", "bias", "variance", "variance_split", "variance_seed"]
        ),
        "comparisons": pd.DataFrame(
            comparisons,
            columns=["cell", "reference", "measure", "difference", "low", "high", "p", "p_adjusted", "verdict"],
        ),
        "choices": pd.DataFrame(columns=["axis", "rule", "cell", "test_cross_entropy"]),
    }
    for name, table in tables.items():
        table.to_csv(folder / f"{name}.csv", index=False)
    (folder / "run.json").write_text(json.dumps({"sweep": {"name": folder.name}}))
    return folder


@pytest.fixture(scope="module")
def printed() -> pd.DataFrame:
    return reproduction.read_printed(PRINTED)


@pytest.fixture
def notebook(tmp_path: Path, printed: pd.DataFrame) -> Path:
    """A run that prints what the notebook printed, from 8 seeds."""
    test = printed[printed["split"] == "test"].set_index("run")["loss"].to_dict()
    train = printed[printed["split"] == "train"].set_index(["run", "epoch"])["loss"].to_dict()
    return write_tables(tmp_path / "notebook", TWELVE, test, splits=1, seeds=8, spread=0.02, curves=train)


def tables(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    return pd.read_csv(folder / "members.csv"), pd.read_csv(folder / "history.csv")


def test_the_printed_losses_are_whole(printed):
    assert list(dict.fromkeys(printed["run"])) == TWELVE
    counts = printed.groupby(["run", "split"]).size().unstack()
    assert (counts["test"] == 1).all()
    assert counts["train"].to_dict() == {run: 10 if run == "l1_l2" else 15 for run in TWELVE}


def test_a_reproduction_has_every_run_inside_and_the_medians_of_its_seeds(notebook, printed):
    table = reproduction.twelve(printed, *tables(notebook))
    assert list(dict.fromkeys(table["run"])) == TWELVE and len(table) == 24
    assert table["inside"].all()
    members = tables(notebook)[0]
    l1 = members.loc[members["cell"] == "l1", "test_cross_entropy"]
    row = table[(table["run"] == "l1") & (table["loss"] == "test")].iloc[0]
    assert row["median"] == pytest.approx(l1.median())
    assert (row["least"], row["most"]) == pytest.approx((l1.min(), l1.max()))
    assert row["low"] < l1.min() and row["high"] > l1.max()
    assert table[(table["run"] == "l1_l2") & (table["loss"] == "train")]["epoch"].item() == 10


@pytest.mark.parametrize(("run", "loss"), [("simple", "test"), ("l1_l2", "train")])
def test_a_planted_number_is_found_outside_and_alone(notebook, printed, run, loss):
    planted = printed.copy()
    where = (planted["run"] == run) & (planted["split"] == loss)
    planted.loc[planted[where].index[-1], "loss"] *= 1.5
    table = reproduction.twelve(planted, *tables(notebook))
    outside = table[~table["inside"].astype(bool)]
    assert outside[["run", "loss"]].to_numpy().tolist() == [[run, loss]]
    sentences = twelve_runs.why(table, reproduction.curves(planted, *tables(notebook)), read(notebook))
    assert f"`{run}`, {loss} loss" in sentences[-1]


def test_the_penalty_is_in_the_test_loss(notebook, printed):
    members, history = tables(notebook)
    with_penalty = reproduction.twelve(printed, members.assign(penalty=0.5), history)
    without = reproduction.twelve(printed, members, history)
    test = without["loss"] == "test"
    assert np.allclose(with_penalty.loc[test, "median"], without.loc[test, "median"] + 0.5)
    assert np.allclose(with_penalty.loc[~test, "median"], without.loc[~test, "median"])
    assert np.allclose(with_penalty["test_cross_entropy"], without["test_cross_entropy"])


def test_one_more_seed_is_outside_as_often_as_it_says():
    rng = np.random.default_rng(0)
    draws = np.exp(0.1 * rng.normal(size=(4000, 9)))
    p = np.array([reproduction.predicted(row[:8], row[8]).p for row in draws])
    assert stats.kstest(p, "uniform").pvalue > 0.01


def write_keras(folder: Path, losses: Mapping[tuple[str, str], float], seeds: int = 10) -> pd.DataFrame:
    """keras.csv: a last training loss and a test loss a run, with a little noise."""
    noise = np.random.default_rng(2).normal
    rows = [
        (run, seed, np.nan if split == "test" else 15, split, loss * np.exp(0.02 * noise()), "tensorflow", "3")
        for (run, split), loss in losses.items()
        for seed in range(seeds)
    ]
    table = pd.DataFrame(rows, columns=keras_check.COLUMNS)
    table.to_csv(folder / "keras.csv", index=False)
    return keras_check.read(folder / "keras.csv")


@pytest.mark.parametrize(
    ("factor", "seeds", "says"),
    [
        (1.0, 10, "gives what ours gives and not the printed number"),
        (1.5, 10, "this engine differs from Keras here"),
        (1.25, 10, "Keras gives neither"),
        (1.0, 1, "has not enough seeds"),
    ],
)
def test_keras_says_where_a_number_outside_comes_from(notebook, printed, factor, seeds, says):
    planted, run = printed.copy(), read(notebook)
    where = (planted["run"] == "simple") & (planted["split"] == "test")
    ordinary = float(planted.loc[where, "loss"].item())
    planted.loc[where, "loss"] *= 1.5
    table = reproduction.twelve(planted, run.members, run.history)
    keras = write_keras(notebook, {("simple", "test"): factor * ordinary, ("simple", "train"): 0.3027}, seeds)
    checked = keras_check.check(keras, table, run)
    assert checked[["run", "loss"]].to_numpy().tolist() == [["simple", "train"], ["simple", "test"]]
    page = keras_check.section(keras, checked, table)
    assert says in page and page.count("\n- ") == 1
    assert "| `simple` | train" in " ".join(page.split())
    if seeds > 1:
        words = "none of the 2 differences" if factor == 1 else "Keras's seeds differ from ours in `simple` test loss ("
        assert words in page
        assert checked["excess"].iloc[1] == pytest.approx(factor - 1, abs=0.05)


def test_keras_fitting_both_accuses_nobody():
    assert "nothing tells this engine from Keras" in keras_check.conclusion(printed=True, same=True)


@given(st.lists(st.floats(0.1, 2), min_size=5, max_size=9, unique=True), st.integers(2, 3))
def test_the_ratio_of_losses_read_from_the_other_end_is_its_inverse(losses, at):
    first, second = np.array(losses[:at]), np.array(losses[at:])
    assume(np.log(first).std() > 1e-3 and np.log(second).std() > 1e-3)
    there, back = keras_check.ratio(first, second), keras_check.ratio(second, first)
    assert (1 + there["excess"]) * (1 + back["excess"]) == pytest.approx(1)
    assert (1 + there["excess_low"]) * (1 + back["excess_high"]) == pytest.approx(1)
    assert there["p"] == pytest.approx(back["p"])
    assert there["excess_low"] <= there["excess"] <= there["excess_high"]


def test_keras_is_part_of_the_page_where_it_was_run_and_a_file_of_something_else_is_named(notebook, tmp_path):
    write_keras(notebook, {("batch_norm", "train"): 0.2221})
    page = study.write(notebook, tmp_path / "none", tmp_path / "none", PRINTED).read_text()
    assert "### Keras itself" in page and len(pd.read_csv(notebook / "keras_check.csv")) == 1
    (notebook / "keras.csv").write_text("run,loss\n")
    with pytest.raises(UserError, match="has no column seed, epoch, split"):
        study.write(notebook, tmp_path / "none", tmp_path / "none", PRINTED)


def runs(tmp_path: Path, losses: Mapping[str, float] = LOSSES) -> Runs:
    """All that the thirteen conclusions need, and what the notebook says in it."""
    noisy = {cell: losses.get(cell.split(",")[0], 0.42) for cell in OUTLIERS if "noise" not in cell}
    for cell in OUTLIERS:
        name, _, noise = cell.rpartition(",") if "," in cell else ("plain", "", cell)
        if noise.partition("=")[0] in ("label_noise", "pixel_noise"):
            noisy[cell] = noisy[name] + float(noise.partition("=")[2]) * (0.2 if name.startswith("l1") else 0.5)
    cost = pd.DataFrame({"round": range(9), "none": 1.0, "l1": 1.3, "l2": np.linspace(1.09, 1.11, 9)})
    return Runs(
        read(write_tables(tmp_path / "own", TWELVE, {})),
        read(write_tables(tmp_path / "regularizers", METHODS, losses, spread=1e-4)),
        read(write_tables(tmp_path / "outliers", OUTLIERS, noisy, spread=1e-4)),
        cost,
    )


def verdicts(of: Runs) -> list[str]:
    return [judgement.verdict(findings) for findings in judgement.judge(of)]


def with_losses(change: Mapping[str, float]) -> dict[str, float]:
    return {**LOSSES, **change}


def test_there_are_thirteen_conclusions_and_each_can_be_measured(tmp_path):
    judged = judgement.judge(runs(tmp_path))
    assert len(CONCLUSIONS) == len(judged) == 13
    assert not [f.note for findings in judged for f in findings if f.verdict == MISSING]
    assert [n for n, findings in enumerate(judged, 1) if judgement.verdict(findings) == OTHER] == [4]


@pytest.mark.parametrize(
    ("conclusion", "change"),
    [
        (6, {"depth=10": 0.60}),
        (7, {"scaling=raw": 0.36}),
        (8, {"batch_norm=true": 0.45}),
        (9, {"dropout=0.3-0.5-0": 0.38}),
        (10, {"early_stopping=1": 0.38}),
        (10, {"early_stopping=1": 0.75}),
        (12, {"batch_norm=true": 0.2}),
        (13, {"l1=1e-5,l2=1e-4": 0.29}),
    ],
)
def test_a_verdict_turns_when_its_numbers_turn(tmp_path, conclusion, change):
    assert verdicts(runs(tmp_path / "before"))[conclusion - 1] == HOLDS
    assert verdicts(runs(tmp_path / "after", with_losses(change)))[conclusion - 1] == FAILS


def test_a_turned_variance_or_cost_turns_its_verdict(tmp_path):
    of = runs(tmp_path)
    assert of.regularizers is not None and of.cost is not None
    table = of.regularizers.comparisons
    turned = table.assign(difference=-table["difference"], low=-table["high"], high=-table["low"])
    assert verdicts(replace(of, regularizers=replace(of.regularizers, comparisons=turned)))[8] == FAILS
    assert verdicts(of)[2] == HOLDS
    assert verdicts(replace(of, cost=of.cost.rename(columns={"l1": "l2", "l2": "l1"})))[2] == FAILS
    same = of.cost.assign(l1=of.cost["l2"] * np.linspace(1.001, 1.002, 9))
    assert verdicts(replace(of, cost=same))[2] == FAILS, "a tenth of a per cent is not cheaper"


def test_what_was_not_run_is_not_measured_and_says_how(tmp_path):
    judged = judgement.judge(replace(runs(tmp_path), outliers=None, regularizers=None, cost=None))
    found = [judgement.verdict(findings) for findings in judged]
    assert set(found) == {MISSING, OTHER}
    page = judgement.section(judged)
    for command in ("sweep sweeps/regularizers.toml", "sweep sweeps/outliers.toml", "study --cost"):
        assert f"`python -m jaxreg.{command}`" in page


def claim(p: float, value: float = 1.0, expected: int = 1, counts: bool = True) -> Claim:
    return Claim(lambda runs: Measured("", value, value - 1, value + 1, p), expected, "", counts)


@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=8, unique=True), st.sampled_from([-1, 1]))
def test_a_conclusion_holds_only_if_all_its_numbers_say_so(p, sign):
    findings = decide([claim(value, expected=sign) for value in p], Runs())
    for rule, told in (
        (benjamini_hochberg, [finding.verdict for finding in findings]),
        (holm, [finding.under_holm for finding in findings]),
    ):
        adjusted = rule(np.array(p))
        assume(np.abs(adjusted - 0.05).min() > 1e-9)  # where rounding decides
        assert told == [(HOLDS if sign > 0 else FAILS) if a < 0.05 else OPEN for a in adjusted]
        assert (together(told) == HOLDS) == (sign > 0 and max(adjusted) < 0.05)


def test_what_is_shown_beside_decides_nothing_and_is_not_corrected_for():
    findings = decide([claim(0.04), *[claim(1e-9, expected=-1, counts=False)] * 5], Runs())
    assert findings[0].p_bh == findings[0].p_holm == pytest.approx(0.04)
    assert judgement.verdict(findings) == HOLDS


def test_a_number_that_decides_two_conclusions_is_corrected_for_once():
    numbers = [claim(p) for p in (0.01, 0.02, 0.04)]
    alone, twice = decide(numbers, Runs()), decide([*numbers, *numbers[:2]], Runs())
    assert [f.p_bh for f in twice] == [f.p_bh for f in [*alone, *alone[:2]]]
    assert "Of the 3 numbers, p is below 0.05 for 3 uncorrected, 3 after" in judgement.corrections([twice])


def test_the_page_says_which_verdicts_holm_would_change():
    judged = [decide([claim(0.03), claim(0.04)], Runs())]
    assert judgement.verdict(judged[0]) == HOLDS and judgement.verdict(judged[0], holm=True) == OPEN
    assert judgement.corrections(judged).endswith(f"another on 1 ({OPEN}).")


def test_a_variance_without_an_interval_decides_nothing(tmp_path):
    of = runs(tmp_path)
    assert of.regularizers is not None
    bare = of.regularizers.comparisons.assign(low=np.nan, high=np.nan, p=np.nan)
    assert verdicts(replace(of, regularizers=replace(of.regularizers, comparisons=bare)))[8] == OPEN


def test_seeds_of_a_split_are_one_unit_and_networks_of_all_images_are_left_out(tmp_path):
    run = read(write_tables(tmp_path / "run", ["plain"], splits=3, seeds=2))
    members = run.members.copy()
    extra = members.iloc[[0]].assign(split="all", test_cross_entropy=99.0)
    values = by_unit(replace(run, members=pd.concat([members, extra])), "plain", "test_cross_entropy")
    assert values.to_numpy() == pytest.approx(members.groupby("split")["test_cross_entropy"].mean().to_numpy())


def test_the_page_has_all_twelve_and_all_thirteen_and_the_report_takes_it_in(tmp_path, notebook, monkeypatch, capsys):
    runs(tmp_path)
    others = ["--regularizers", str(tmp_path / "regularizers"), "--outliers", str(tmp_path / "none")]
    monkeypatch.setattr("jaxreg.report.page.write", lambda folder: folder / "report.md")
    assert __main__.main(["--notebook", str(notebook), "--printed", str(PRINTED), *others]) == 0
    page = (notebook / "study.md").read_text()
    assert all(f"| `{run}` " in page for run in TWELVE)
    assert all(f"### {n}. {conclusion.text}" in page for n, conclusion in enumerate(CONCLUSIONS, 1))
    assert report.study(notebook) == page.strip()
    assert len(pd.read_csv(notebook / "twelve.csv")) == 24
    judged = pd.read_csv(notebook / "conclusions.csv")
    assert judged["conclusion"].nunique() == 13 and {"p", "p_bh", "p_holm"} <= set(judged)
    assert f"`{keras_check.COMMAND}`" in page and "### Keras itself" not in page
    assert __main__.main(["--notebook", str(tmp_path / "none")]) == 2
    assert "is not a folder" in capsys.readouterr().err


def test_the_cost_of_a_step_is_timed_in_turn():
    table = step_cost.measure(rounds=3, steps=2, batch=4, hidden=(5,))
    assert list(table) == ["round", "none", "l1", "l2"] and len(table) == 3
    assert (table[list(step_cost.CHAINS)] > 0).all(axis=None)
