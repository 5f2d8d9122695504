"""Classes alone, without probabilities: their 0-1 loss, by definition and beside that of probabilities."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from test_compare import NAMES, made

import jaxreg
from jaxreg.decomposition import decompose
from jaxreg.errors import UserError
from jaxreg.report.__main__ import main
from jaxreg.store.given_votes import as_votes
from jaxreg.store.results import read


def voted(**more: Any) -> dict[str, Any]:
    given = made(**more)
    return given | {"predictions": np.array(given["predictions"]).argmax(-1)}


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> jaxreg.Run:
    return jaxreg.compare(**voted(), reference="alpha=0", trained_on=50, out=tmp_path_factory.mktemp("votes") / "run")


@pytest.mark.parametrize(
    ("split", "seed", "deal"),
    [
        ([0, 0, 0, 1, 1, 2, 2, 3], [0, 1, 2, 0, 1, 0, 1, 0], None),  # unequal numbers of seeds
        ([0] * 8, range(8), None),
        (range(8), [0] * 8, None),
        ([0, 0, 1, 1, 2, 2, 3, 3], [0, 1] * 4, [0, 0, 0, 0, 1, 1, 1, 1]),
    ],
)
def test_votes_are_probabilities_of_0_and_1(split: Any, seed: Any, deal: Any) -> None:
    """The 0-1 loss of one-hot probabilities, with every interval, to the last bit; whatever the classes are called."""
    random = np.random.default_rng(0)
    labels = random.integers(4, size=300)
    answers = np.where(random.random((8, 300)) < 0.5, labels, random.integers(4, size=(8, 300)))
    expected = decompose(np.eye(4)[answers], labels, [*split], [*seed], deal=deal).set_index("loss").loc[["zero_one"]]
    names = np.array(["ant", "bee", "cat", "dog"])
    for given, wanted in ((answers, labels), (names[answers], names[labels]), (3 * answers - 7, 3 * labels - 7)):
        found = decompose(given, wanted, [*split], [*seed], kind="votes", deal=deal).set_index("loss")
        pd.testing.assert_frame_equal(found, expected.drop(columns=expected.columns.difference(found.columns)))


def test_bias_is_the_error_of_the_majority() -> None:
    labels = np.array([0, 0, 0, 1])
    answers = np.array([[0, 0, 1, 0], [0, 1, 1, 2], [0, 0, 0, 1]])  # of the last example a tie: the lowest class wins
    found = decompose(answers, labels, [0, 1, 2], [0, 0, 0], kind="votes").iloc[0]
    assert found["error"] == pytest.approx((0 + 1 / 3 + 2 / 3 + 2 / 3) / 4)
    assert found["bias"] == pytest.approx((0 + 0 + 1 + 1) / 4)
    assert found["variance"] == pytest.approx(found["error"] - found["bias"]) and found["variance"] < 0
    assert np.isnan(found["variance_seed"]) and np.isnan(found["variance_split"])


def test_they_are_compared_as_the_errors_of_probabilities_are(compared: jaxreg.Run, tmp_path: Path) -> None:
    """Nothing that the labels say is different for knowing less."""
    whole = jaxreg.compare(**made(), reference="alpha=0", out=tmp_path / "run")
    columns = ["cell", "difference", "low", "high", "p", "p_adjusted", "verdict", "gain"]

    def of(run: jaxreg.Run, measure: str) -> pd.DataFrame:
        rows = run.comparisons
        return rows[(rows["measure"] == measure) & (rows["reference"] == "alpha=0")][columns].reset_index(drop=True)

    pd.testing.assert_frame_equal(of(compared, "test_zero_one"), of(whole, "test_error"))
    pd.testing.assert_series_equal(compared.members["test_accuracy"], whole.members["test_accuracy"])
    mine, theirs = (run.table("classes") for run in (compared, whole))
    theirs = theirs[theirs["loss"] == "zero_one"].reset_index(drop=True)
    pd.testing.assert_frame_equal(mine, theirs)


def test_the_page_says_so_and_drops_what_needs_probabilities(compared: jaxreg.Run) -> None:
    page = compared.report
    answered, rest = page.split("## Caveats")
    assert "for labels" in answered or "use `alpha=0`" in answered
    assert "probabilities" not in answered and "cross-entropy" not in answered and "Price" not in answered
    assert "**The predictions are classes alone, without probabilities**" in rest
    said = rest.replace("there is no cross-entropy, no Brier score and no calibration here", "")
    assert not any(word in said for word in ("ross-entropy", "Brier", "alibration", "emperature", "log-prob", "nan"))
    assert "majority vote" in rest and "## Classes" in rest and "Test accuracy, %" in rest
    assert not {"calibration", "reliability"} & {path.stem for path in compared.folder.glob("*.csv")}
    assert not (compared.folder / "examples.npz").exists() and (compared.folder / "report.html").exists()
    assert compared.decomposition["loss"].eq("zero_one").all()
    written = page
    assert main([str(compared.folder)]) == 0 and compared.report == written
    assert main([str(compared.folder), "--for", "accuracy"]) == 0
    assert read(compared.folder, for_report=True).advice("parts", "accuracy") is not None


def test_a_better_cell_is_recommended_for_labels(tmp_path: Path) -> None:
    run = jaxreg.compare(**voted(examples=600, splits=6), reference="alpha=2", out=tmp_path / "run")
    assert run.verdict.startswith("On training sets like these, use alpha=0 for labels.")
    assert "0-1 loss \u2212" in run.verdict and "; 0-1 loss" not in run.verdict
    with pytest.raises(UserError, match="purpose: must be one of accuracy of votes, got .brier."):
        jaxreg.compare(**voted(), purpose="brier", out=tmp_path / "other")


@pytest.mark.parametrize(
    ("answers", "labels", "names"),
    [
        ([[0, 1], [1, 1]], [0, 1], ("0", "1")),
        ([[2, 10], [10, 9]], [2, 9], ("2", "9", "10")),
        ([["bee", "ant"]], ["ant", "cat"], NAMES),
        (np.array([["bee", "ant"]], object), np.array(["ant", "cat"], object), NAMES),
        (np.array([["bee", "ant"]]).astype("S"), ["ant", "cat"], NAMES),
        ([[True, False]], [False, False], ("False", "True")),
        ([[0.0, 1.0]], [0, 1], ("0", "1")),
        ([[0, 1]], ["0", "1"], ("0", "1")),
    ],
)
def test_classes_of_every_type_are_taken(answers: Any, labels: Any, names: tuple[str, ...]) -> None:
    found = as_votes(answers, labels, None, [])
    assert found.classes == names
    texts = [
        [one.decode() if isinstance(one, bytes) else str(one) for one in row] for row in np.asarray(answers).tolist()
    ]
    assert np.array(names)[found.answers].tolist() == [[one.removesuffix(".0") for one in row] for row in texts]
    assert np.array(names)[found.labels].tolist() == [str(label) for label in labels]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda g: g | {"predictions": g["predictions"][:, :-1]}, "targets: 90, and predictions of 89 examples"),
        (lambda g: g | {"predictions": g["predictions"][:-1]}, "of 23 models, and cell names 24"),
        (
            lambda g: g | {"targets": np.array(NAMES)[g["targets"]]},
            "predictions name .0, 1 and 2., targets",
        ),
        (lambda g: g | {"classes": ["0", "1"]}, ".2. is none of the classes 0, 1"),
        (lambda g: g | {"classes": ["0", "0", "1", "2"]}, "has a name twice"),
        (lambda g: g | {"predictions": g["predictions"] + 0.5, "kind": "votes"}, "float64 are no classes"),
        (
            lambda g: g | {"predictions": [[None] * 90] * 24},
            "of alpha=0/splitpart 0/seed0, example 0: None is",
        ),
        (lambda g: g | {"predictions": g["predictions"].tolist()[:-1] + [[0]], "kind": "votes"}, "how many examples"),
        (lambda g: g | {"predictions": g["predictions"][0], "kind": "votes"}, r"have the shape \(90,\)"),
    ],
)
def test_what_is_no_vote_is_named(change: Any, said: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=said):
        jaxreg.compare(**change(voted()), out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_what_is_no_vote_is_not_decomposed() -> None:
    for answers, labels in (([["a", "b"]], [0, 1]), ([[0, 1]], [0]), ([0], [0]), ([[0.5, 1.0]], [0, 1])):
        with pytest.raises(UserError, match="votes: .* expected whole numbers, or texts, both times"):
            decompose(np.array(answers), np.array(labels), [0], [0], kind="votes")


def test_where_no_class_has_two_examples_nothing_is_chosen_on_one_half_and_quoted_on_the_other(tmp_path: Path) -> None:
    """One half would be empty; where a class has two, there is one."""
    answers = np.random.default_rng(0).integers(3, size=(8, 3))
    how = {"cell": np.repeat(["a", "b"], 4), "split": [0, 0, 1, 1] * 2, "seed": [0, 1] * 4, "reference": "a"}
    for labels, known in (([0, 1, 2], False), ([0, 1, 0], True)):
        run = jaxreg.compare(answers, labels, **how, kind="votes", out=tmp_path / str(known))
        assert run.table("choices")["honest_zero_one"].notna().all() == known and " nan" not in run.report
