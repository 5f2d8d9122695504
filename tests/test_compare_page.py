"""What the page of models trained elsewhere says: in their terms, and what is wrong with the predictions themselves."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from test_compare import made

import jaxreg
from jaxreg.report.__main__ import main
from jaxreg.store.given_doubts import another_order, cut
from jaxreg.store.results import read as read_run

WORDS_OF_THE_TRAINER = re.compile(
    r"(?<![\w-])--[a-z][\w-]*|\b(?:sweep|grid|epoch|network|member|deal|gap)s?\b", re.IGNORECASE
)


def of_kind(kind: str, **size: int) -> dict[str, Any]:
    """`made`, as probabilities, as votes or as quantities."""
    given = made(**size)
    p = np.array(given["predictions"])
    if kind == "votes":
        return given | {"predictions": p.argmax(-1)}
    if kind == "quantities":
        return given | {"predictions": p[..., 0], "targets": np.where(given["targets"] == 0, 0.9, 0.1)}
    return given


@pytest.mark.pages
@pytest.mark.parametrize("kind", ["probabilities", "votes", "quantities"])
@pytest.mark.parametrize(
    "size", [{"splits": 4, "seeds": 2}, {"splits": 2, "seeds": 1}, {"splits": 1, "seeds": 3}, {"splits": 1, "seeds": 1}]
)
def test_it_advises_nothing_that_only_the_trainer_can_do(kind: str, size: dict[str, int], tmp_path: Path) -> None:
    run = jaxreg.compare(**of_kind(kind, **size), out=tmp_path / "run")
    for page in (run.report, (run.folder / "report.html").read_text(encoding="utf-8").partition("<body")[2]):
        said = re.sub(r' style="[^"]*"', "", page.replace("members.csv", "").partition("<script")[0])
        found = {match.group() for match in WORDS_OF_THE_TRAINER.finditer(said)}
        assert found == set(), [line[:300] for line in said.splitlines() if WORDS_OF_THE_TRAINER.search(line)]
    if size["splits"] == 1:
        assert "several training sets that share no example, named by `split`" in run.report
    elif size["seeds"] == 1 and kind != "votes":
        assert "several models a split, named by `seed`, separate them" in run.report
    written = run.report
    assert main([str(run.folder)]) == 0 and jaxreg.Run(run.folder).report == written


@pytest.mark.parametrize("kind", ["probabilities", "votes"])
def test_classes_in_another_order_are_named(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given, order = of_kind(kind, examples=300), [2, 0, 1]
    names, predictions = np.array(["ant", "bee", "cat"]), np.array(given["predictions"])
    targets = names[given["targets"]]
    moved = names[np.argsort(order)][predictions] if kind == "votes" else predictions[..., order]
    run = jaxreg.compare(**given | {"predictions": moved, "targets": targets}, out=tmp_path / "run")
    first = run.report.split("## Caveats\n\n")[1].splitlines()[0]
    assert "most often predicted: `ant` where the target is `cat`, `bee` where the target is `ant`" in first
    warned = capsys.readouterr().err
    assert warned == f"warning: {first.removeprefix('- ').replace('**', '').replace('`', '')}\n"
    if kind == "votes":
        assert "Give both the same names." in first
        return
    assert first.endswith("Give `classes` in the order of the columns, which seems to be `cat`, `ant`, `bee`.")
    followed = given | {"predictions": moved, "targets": targets, "classes": ["cat", "ant", "bee"]}
    right = jaxreg.compare(**followed, out=tmp_path / "right")
    straight = jaxreg.compare(**given | {"targets": targets}, out=tmp_path / "straight")
    assert "another order" not in right.report and not capsys.readouterr().err
    mine, theirs = (  # but for temperatures: which half fits one hangs on the numbers of the classes
        run.comparisons[~run.comparisons["measure"].str.contains("scaled")] for run in (right, straight)
    )
    pd.testing.assert_frame_equal(mine, theirs, rtol=1e-4)


@pytest.mark.parametrize(("classes", "examples"), [(2, 30), (3, 60), (10, 100), (100, 100)])
def test_luck_is_no_other_order(classes: int, examples: int) -> None:
    """Neither models that guess, nor those that are right half of the time, nor a single answer to everything."""
    random, cells, names = np.random.default_rng(classes), ["a"] * 4, list(map(str, range(classes)))
    for _ in range(50):
        labels = random.integers(classes, size=examples)
        guessed = random.integers(classes, size=(4, examples))
        half = np.where(random.random((4, examples)) < 0.5, labels, guessed)
        for answers in (guessed, half, np.zeros_like(guessed), np.tile(labels, (4, 1))):
            assert another_order(cells, answers, labels, names) is None
    shifted = another_order(cells, (np.tile(labels, (4, 1)) + 1) % classes, labels, names)
    assert shifted is not None and (shifted["right"], shifted["would_be"]) == (0, 1)
    assert all(shifted["seem"][(label + 1) % classes] == str(label) for label in labels)


def counted(floor: float) -> dict[str, Any]:
    """Shares of votes, as forests give them, with 0 clipped: of few and wrong now and then, or of many."""
    random, targets = np.random.default_rng(0), np.arange(400) % 3
    given: dict[str, Any] = {"predictions": [], "cell": [], "split": [], "targets": targets}
    for cell, trees, doubt in (("few", 10, 0.06), ("many", 60, 0.15)):
        shares = np.where(np.eye(3)[targets] > 0, 1 - 2 * doubt, doubt)
        shares[: 12 if cell == "few" else 0] = np.roll(shares[: 12 if cell == "few" else 0], 1, axis=1)
        for split in range(4):
            votes = np.array([random.multinomial(trees, share) for share in shares]) / trees
            for name, value in (("predictions", np.clip(votes, floor, 1)), ("cell", cell), ("split", split)):
                given[name].append(value)
    return given


@pytest.mark.pages
def test_a_clip_that_decides_is_named(tmp_path: Path) -> None:
    """What the page says of another clip is what the page with that clip measures; there the other cell is lower."""
    runs = {floor: jaxreg.compare(**counted(floor), out=tmp_path / str(floor)) for floor in (1e-7, 1e-15)}
    losses = {
        floor: run.decomposition.query("loss == 'cross_entropy'").set_index("cell")["error"]
        for floor, run in runs.items()
    }
    assert losses[1e-7].idxmin() == "few" and losses[1e-15].idxmin() == "many"
    for floor, other in ((1e-7, 1e-15), (1e-15, 1e-7)):
        predictions, targets = np.array(counted(floor)["predictions"]), counted(floor)["targets"]
        number, right = (predictions == floor).sum(), (predictions[:, np.arange(400), targets] == floor).sum()
        noted = read_run(runs[floor].folder).record["data"]["cut"]
        assert (noted["at"], noted["other"], noted["number"], noted["right"]) == (floor, other, number, right)
        assert noted["loss"] == pytest.approx(losses[other].to_dict(), rel=1e-6)
        caveat = next(line for line in runs[floor].report.splitlines() if "clipped there" in line)
        assert f"{number:,} of 9,600 probabilities are {floor:.0e}".replace("e-0", "e-") in caveat and right > 0
        assert f"the lowest is that of `{losses[other].idxmin()}`, not of `{losses[floor].idxmin()}`" in caveat
        told = noted["comparison"]
        there = runs[other].comparisons.query("measure == 'test_cross_entropy'").iloc[0]
        sign = 1 if told["cell"] == there["cell"] else -1
        assert told["difference"] == pytest.approx(sign * there["difference"], rel=1e-5)
        assert [told["low"], told["high"]] == pytest.approx(sorted(sign * there[["low", "high"]]), rel=1e-5)
        sure = "" if there["p_adjusted"] < 0.05 else "not "
        assert (
            f"With that, `{told['cell']}` against `{told['reference']}` is " in caveat
            and f", {sure}significant" in caveat
        )
        assert "The Brier score does not hang on it: by that, nothing is significantly better" in caveat


def test_probabilities_that_nobody_cut_are_not_said_to_be() -> None:
    given = made()
    for p in (np.array(given["predictions"]), np.repeat(given["predictions"], 9, axis=1)):
        assert cut(given["cell"], np.log(p), np.resize(given["targets"], p.shape[1])) is None


@pytest.mark.pages
def test_a_clip_of_wrong_classes_alone_changes_no_error(tmp_path: Path) -> None:
    given = made()
    predictions, wrong = np.array(given["predictions"]), (given["targets"] + 1) % 3
    predictions[:, np.arange(90), wrong] = 1e-7
    predictions /= predictions.sum(-1, keepdims=True)
    run = jaxreg.compare(**given | {"predictions": predictions}, out=tmp_path / "run")
    assert "None is of the right class" in run.report


def test_a_cell_that_lacks_a_model_is_judged_by_the_others_and_said_to_lack_it(tmp_path: Path) -> None:
    """The reference has four, the better one three: paired on these, as if the reference had no fourth."""
    given = made(cells=2, splits=4, seeds=1, examples=600)
    places = [*zip(given["cell"], given["split"], strict=True)]

    def compared(lacking: list[tuple[str, str]], name: str) -> jaxreg.Run:
        kept = [i for i, place in enumerate(places) if place not in lacking]
        some = {key: [given[key][i] for i in kept] for key in ("predictions", "cell", "split", "seed")}
        return jaxreg.compare(**given | some, reference="alpha=1", out=tmp_path / name)

    run = compared([("alpha=0", "part 1")], "one")
    assert run.best == "alpha=0" and "use `alpha=0` for probabilities" in run.report
    assert "**Not every cell has the models that `alpha=1` has**, by split and seed: `alpha=0` 3 of 4." in run.report
    both = compared([("alpha=0", "part 1"), ("alpha=1", "part 1")], "both")
    pd.testing.assert_frame_equal(
        run.comparisons.query("reference == 'alpha=1'"), both.comparisons.query("reference == 'alpha=1'")
    )
    assert "Not every cell" not in both.report
