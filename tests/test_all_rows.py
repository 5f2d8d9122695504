"""What people take away is trained on all rows: on those that were held out to score too, not on a part to judge by."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fitted_networks import patients

import jaxreg
from jaxreg import fit as fit_command
from jaxreg.data.all_rows import with_all_rows
from jaxreg.data.dataset import Dataset, Reading
from jaxreg.data.in_memory import of_arrays
from jaxreg.fitted import Fitted, fit
from jaxreg.source import sweep_and_data

FRAME = patients().assign(dose=lambda table: 1e6 + 30 * table["age"], clinic=np.arange(90) // 6)
RANDOM = np.random.default_rng(0)
PICTURES = RANDOM.integers(0, 256, (60, 3, 4), np.uint8), np.arange(60) % 3


@pytest.mark.parametrize(
    ("data", "how"),
    [
        (FRAME, Reading(label="outcome")),
        (FRAME, Reading(label="outcome", group="clinic")),
        (FRAME, Reading(label="age")),
        (FRAME, Reading(label="age,dose", group="clinic", holdout=0.4)),
        (PICTURES, Reading()),
    ],
    ids=["classes", "groups", "quantity", "quantities", "pictures"],
)
def test_rows_held_out_and_the_others_are_the_data_as_they_came(data: Any, how: Reading) -> None:
    """A cross-validation reads all rows as one part: the same arrays, groups and standardisation."""
    cut, whole = of_arrays(data, how._replace(folds=False)), of_arrays(data, how._replace(folds=True))
    assert cut.held_out is not None and len(cut.train.targets) < len(whole.train.targets) and whole.held_out is None
    made = with_all_rows(cut)
    for found, expected in zip(made.train, whole.train, strict=True):
        assert found.dtype == expected.dtype
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    for found, expected in zip(made.test, whole.train, strict=True):
        np.testing.assert_allclose(found, expected[cut.held_out.rows], rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(made.groups, whole.groups)
    if whole.quantities is not None:
        assert made.quantities is not None and made.quantities.names == whole.quantities.names
        np.testing.assert_allclose(made.quantities[1:], whole.quantities[1:], rtol=1e-6)
    columns = [() if one.encoding is None else one.encoding.columns for one in (made, whole)]
    for mine, theirs in zip(*columns, strict=True):
        assert (mine.name, mine.kinds) == (theirs.name, theirs.kinds)
        assert (mine.mean, mine.spread) == pytest.approx((theirs.mean, theirs.spread))
    assert made.digest == cut.digest and made.held_out is None and with_all_rows(made) is made


def test_a_part_that_was_given_stays_out_and_so_do_no_rows_where_all_score() -> None:
    x, y = FRAME[["age", "dose"]].to_numpy(), FRAME["outcome"].to_numpy()
    given = of_arrays((x[:60], y[:60], x[60:], y[60:]), Reading())
    folded = of_arrays((x, y), Reading(folds=True))
    assert with_all_rows(given) is given and with_all_rows(folded) is folded


def fitted(data: Any, **more: Any) -> tuple[Fitted, Dataset]:
    flags = {"grid": "l2", "l2": [0.01], "epochs": 8, "hidden": [8], "batch_size": [16], **more}
    asked, dataset = sweep_and_data(None, flags, data=data)
    assert dataset is not None
    return fit(asked, dataset, asked.cells[0], 2, devices=1), dataset


@pytest.mark.parametrize("label", ["outcome", "age"])
def test_networks_do_not_hang_on_which_rows_were_held_out(label: str) -> None:
    made, names = [], [name for name in ("age", "dose", "smokes") if name != label]
    kept = FRAME[[*names, label]]
    for more in ({"design": "parts", "holdout": 0.25}, {"design": "parts", "holdout": 0.5}, {"design": "folds"}):
        one, _ = fitted(kept, label=label, **more)
        assert one.about == {"trained_on": 90, "watched": 0}
        made.append(one._mean(one._seen(kept)))
    scale = kept["age"].std() if label == "age" else 1.0
    for other in made[:2]:
        np.testing.assert_allclose(other / scale, made[2] / scale, rtol=0, atol=1e-3)


def test_early_stopping_watches_some_of_all_rows_and_whole_groups_of_them() -> None:
    rule = {"validation_share": 0.2, "patience": 3}
    one, _ = fitted(FRAME, label="outcome", group="clinic", design="parts", early_stopping=[rule])
    assert one.about["trained_on"] + one.about["watched"] == 90 and one.about["watched"] % 6 == 0 < one.about["watched"]


def test_a_text_that_only_rows_held_out_have_counts_as_none_of_the_kinds(tmp_path: Path) -> None:
    frame = FRAME[["age", "ward", "outcome"]]
    rows = of_arrays(frame, Reading(label="outcome", folds=False)).held_out.rows
    frame = frame.assign(ward=frame["ward"].where(frame.index != rows[3], "attic"))
    made, data = fitted(frame, label="outcome", design="parts")
    assert rows[3] in data.held_out.rows and made.about["trained_on"] == 90
    assert made.encoding.features == ("age", "ward=east", "ward=north", "ward=west")
    unknown = frame.assign(ward="cellar")
    np.testing.assert_array_equal(
        made.predict_proba(frame.iloc[rows[3:4]]), made.predict_proba(unknown.iloc[rows[3:4]])
    )
    again = jaxreg.load(made.save(tmp_path / "made.safetensors"))
    np.testing.assert_array_equal(again.predict_proba(frame), made.predict_proba(frame))


@pytest.mark.slow
def test_the_command_says_on_how_many_rows(tmp_path: Path, monkeypatch: Any, capsys: Any) -> None:
    monkeypatch.chdir(tmp_path)
    FRAME.drop(columns="clinic").to_csv("all.csv", index=False)
    pd.read_csv("all.csv").iloc[:70].to_csv("to_train.csv", index=False)
    pd.read_csv("all.csv").iloc[70:].to_csv("to_judge.csv", index=False)
    small = {"grid": "l2", "l2": [0, 0.1], "label": "outcome", "hidden": [4], "epochs": 2, "splits": 2}
    for name, data, rows in (
        ("own", {"data": "all.csv"}, 90),
        ("given", {"data": "to_train.csv", "test": "to_judge.csv"}, 70),
    ):
        made = jaxreg.run(jaxreg.load(flags=small | data), out=name)
        assert fit_command.main([name, "--cell", "l2=0.1", "--save", f"{name}.safetensors", "--quiet"]) == 0
        assert f"l2=0.1, 5 networks trained on {rows} rows: wrote {name}.safetensors" in capsys.readouterr().out
        later = jaxreg.load(f"{name}.safetensors")
        assert later.about["trained_on"] == rows and later.about["data"]["digest"] == made.dataset.digest
        frame = pd.read_csv("all.csv")
        np.testing.assert_array_equal(later.predict_proba(frame), made.fit(5, "l2=0.1").predict_proba(frame))
