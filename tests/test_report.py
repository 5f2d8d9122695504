"""The report: its order and its words, from whatever files a run may have left."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from html_pages import parsed
from written_runs import GOLDEN, L1_L2, write_run

from jaxreg.data.dataset import Dataset
from jaxreg.formatting import number
from jaxreg.report import __main__, findings
from jaxreg.report import page as report
from jaxreg.report.caveats import caveats
from jaxreg.report.figures import style
from jaxreg.report.layout import arrange
from jaxreg.spec.members import members
from jaxreg.store.identity import key
from jaxreg.store.members import StoredMembers
from jaxreg.store.results import read
from jaxreg.store.tables import write_members

SECTIONS = [
    "Answer", "Caveats", "On all of the training set", "Bias and variance", "Generalisation gap", "Learning curves",
    "Weights", "Accuracy", "Calibration", "Classes", "Images", "The lowest mean of each axis", "Comparisons",
    "All cells", "What more runs would settle", "How this was made",
]  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = write_run(tmp_path_factory.mktemp("run") / "reports" / "tiny", pictures=True)
    report.write(path)
    return path


@pytest.fixture(scope="module")
def page(folder: Path) -> str:
    return (folder / "report.md").read_text()


def sections(page: str) -> list[str]:
    return re.findall(r"^## (.*)$", page, flags=re.MULTILINE)


def section(page: str, title: str) -> str:
    return page.split(f"\n## {title}\n")[1].split("\n## ")[0]


def laws(page: str, folder: Path) -> None:
    """What holds for the report of any run."""
    assert parsed((folder / "report.html").read_text()).find(".//main") is not None
    assert sections(page) == [title for title in SECTIONS if title in sections(page)]
    assert {"Answer", "Caveats", "Bias and variance", "All cells", "How this was made"} <= set(sections(page))
    assert not re.search(r"\d\.\d{7,}", page), "a float with more digits than anybody can use"
    assert not re.search(r"\bnan\b|\binf\b|None|NaN", page.split("<details><summary>The sweep")[0])
    images = re.findall(r"!\[(.+?)\]\((.+?)\)\n\n\*(.+?)\*\n", page)
    assert len(images) == page.count("![")
    for _, file, _ in images:
        assert (folder / file).stat().st_size < 200_000
    rows = [line.split("|")[1].strip() for line in section(page, "All cells").splitlines() if line.startswith("| `")]
    assert rows == [f"`{cell}`" for cell in dict.fromkeys(pd.read_csv(folder / "members.csv")["cell"])]


def test_the_tables_that_training_writes_have_the_columns_of_the_written_ones(
    train: Callable, small: Callable, dataset: Dataset, folder: Path, tmp_path: Path
) -> None:
    """The others are written by the same statistics as a run's."""
    sweep = small(l1=[0.0, 1e-4])
    store, wanted = StoredMembers(tmp_path), members(sweep)
    keys = [key(member, sweep, dataset.digest) for member in wanted]
    for one, result in zip(keys, train(sweep).values(), strict=True):
        store.keep(one, result, {}, with_weights=False)
    write_members(tmp_path, wanted, keys, store, dataset.signature)
    for name in ("members", "history"):
        written, real = (pd.read_csv(path / f"{name}.csv") for path in (folder, tmp_path))
        assert [(c, written[c].dtype.kind) for c in written] == [(c, real[c].dtype.kind) for c in real], name


def test_the_parts_stand_in_order_and_hold_what_they_must(page: str, folder: Path) -> None:
    assert sections(page) == [title for title in SECTIONS if title != "On all of the training set"]
    laws(page, folder)
    assert page.index("(figures/bias-variance-cross-entropy-l1-l2.png)") < page.index("## Generalisation gap")


def test_the_answer_names_what_to_use_for_whom_at_what_price_and_what_to_avoid(page: str) -> None:
    answer = section(page, "Answer")
    assert answer.strip().startswith("**On 500 images, use `l2=1e-4` for probabilities and labels and")
    assert re.search(r"`l2=1e-4`: cross-entropy −0\.\d+ \(.*\); accuracy \+15 points \(.*\), significant", answer)
    assert re.search(
        r"has 0\.\d+ instead of 0\.\d+ in cross-entropy on 500 images, −0\.\d+ \(.*\), with the same labels", answer
    )
    assert re.search(r"lowered variance by 0\.\d+ \(0\.\d+ to 0\.\d+\), raised bias by 0", page)


def test_no_regularisation_has_one_name_which_the_answer_introduces(page: str) -> None:
    told = [place.end() for place in re.finditer("no regularisation", page)]
    assert told and all(page[end:].startswith(" (`plain`)") for end in told)
    assert page.index("plain") == page.index("(`plain`)") + 2 and not re.search(r"\b(against|with|use) none\b", page)


def test_the_headline_is_the_first_sentence_without_markup(page: str, folder: Path) -> None:
    first = section(page, "Answer").strip().splitlines()[0]
    assert report.headline(folder) == first.replace("*", "").replace("`", "")


def test_the_page_is_word_for_word_the_golden_one(tmp_path: Path) -> None:
    # After a wanted change: python tests/written_runs.py
    written = report.write(write_run(tmp_path / "reports" / "tiny"))
    assert written.read_text() == GOLDEN.read_text()


def test_writing_again_changes_no_byte(folder: Path) -> None:
    before = {file: file.read_bytes() for file in [*folder.glob("report.*"), *folder.glob("figures/*.png")]}
    report.write(folder)
    assert {file: file.read_bytes() for file in before} == before
    assert not list(folder.rglob("*.tmp"))


PRODUCT = [
    (
        "plain" if not (a or b) else ",".join(f"{k}={v:g}" for k, v in (("l1", a), ("l2", b)) if v),
        {"l1": a, "l2": b},
    )
    for a in (0, 1e-5, 1e-3)
    for b in (0, 1e-4, 1e-2)
]
UNION = [
    ("plain", {}),
    ("dropout=0.3", {"dropout": 0.3}),
    ("dropout=0.3-0.5-0", {"dropout": "0.3-0.5-0"}),
    ("batch_norm=true", {"batch_norm": True}),
    ("depth=2", {"depth": 2}),
    ("early_stopping=3", {"early_stopping": 3}),
]
NAMED = [("simple", {}), ("l1", {"l1": 1e-2}), ("l2", {"l2": 1e-2}), ("simple_again", {})]


@pytest.mark.parametrize(
    ("name", "options", "pictures"),
    [
        ("one member a cell", {"splits": 1, "seeds": 1}, ["bias-variance-cross-entropy-l1-l2"]),
        ("one split", {"splits": 1, "seeds": 3}, ["bias-variance-cross-entropy-l1-l2"]),
        ("two deals", {"splits": 3, "deals": 2}, ["bias-variance-cross-entropy-l1-l2"]),
        ("one seed", {"splits": 3, "seeds": 1}, ["bias-variance-cross-entropy-l1-l2"]),
        ("one cell", {"cells": L1_L2[:1]}, ["bias-variance-cross-entropy-cells"]),
        ("one axis", {"cells": L1_L2[:3]}, ["bias-variance-cross-entropy-l1"]),
        ("one epoch", {"epochs": 1}, ["bias-variance-cross-entropy-l1-l2"]),
        (
            "a product",
            {"cells": PRODUCT, "grid": "l1*l2"},
            ["map-l1-l2", "bias-variance-cross-entropy-l1-l2"],
        ),
        (
            "without an order",
            {"cells": UNION, "grid": "dropout,depth"},
            ["bias-variance-cross-entropy-cells"],
        ),
        (
            "named runs",
            {"cells": NAMED, "grid": None, "splits": 1, "seeds": 4},
            ["bias-variance-cross-entropy-cells"],
        ),
        ("one cell diverged", {"diverged": ["l1=1e-3"]}, ["bias-variance-cross-entropy-l1-l2"]),
        ("the plain cell diverged", {"diverged": ["plain"]}, ["bias-variance-cross-entropy-l1-l2"]),
        ("all diverged", {"diverged": [cell for cell, _ in L1_L2]}, []),
    ],
)
def test_any_sweep_gets_a_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, options: dict, pictures: list[str]
) -> None:
    monkeypatch.setattr(style, "DPI", 50)  # the same figures, drawn faster
    folder = write_run(tmp_path, **options)
    page = report.write(folder).read_text()
    laws(page, folder)
    drawn = re.findall(r"\(figures/(.+?)\.png\)", section(page, "Bias and variance"))
    assert [picture for picture in drawn if "brier" not in picture] == pictures


def found(path: Path) -> list[str]:
    results = read(path)
    return caveats(results, arrange(results))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"splits": 1, "seeds": 1}, "variance is undefined"),
        ({"splits": 1, "seeds": 4}, "between its 4 seeds only"),
        ({"splits": 4, "seeds": 1}, "can't be told apart"),
        ({"splits": 2, "seeds": 2}, "2 splits are few"),
        ({"splits": 2, "seeds": 2, "deals": 2}, "2 splits, dealt 2 times, are few"),
        ({"diverged": ["l1=1e-3"]}, "**6 members of 30 diverged**: `l1=1e-3` 6 of 6; the first at epoch 2"),
        (
            {"cells": [("l1=1e-3", {"l1": 1e-3}), ("l1=1e-5", {"l1": 1e-5})]},
            "The best L1, 1e-5, is the smallest tried",
        ),
        ({"cells": L1_L2[:2]}, "**The best L1, 1e-5, is the largest tried**"),
        ({"epochs": 2}, "**Still improving at the last epoch**"),
    ],
)
def test_caveats_are_found(tmp_path: Path, options: dict, words: str) -> None:
    assert words in "\n".join(found(write_run(tmp_path, **options)))


@pytest.mark.slow
def test_deals_are_no_further_training_sets(tmp_path: Path) -> None:
    """Five splits dealt twice are said to be that, and their intervals are not those of ten splits."""
    dealt, one = (
        report.write(write_run(tmp_path / str(deals), splits=5, seeds=1, deals=deals)).read_text() for deals in (2, 1)
    )
    assert "5 cells × 2 deals × 5 splits × 1 seed: 50 networks" in dealt
    assert "The same images were dealt 2 times into disjoint splits" in section(dealt, "Bias and variance")
    assert "With one seed a split, variance from data" in section(dealt, "Caveats")
    words = r"More deals of the same images can lower (\d+) % .* by (\d+) % .*images \((\d+) %\).*images \((\d+) %\)\."
    settle = re.search(words, section(dealt, "What more runs would settle"))
    again, _, data, test = map(int, settle.groups())
    assert 99 <= again + data + test <= 101
    assert "can be dealt anew, with `--deals 2`" in section(one, "What more runs would settle")
    assert "deal" not in section(one, "Bias and variance")
    table = pd.read_csv(tmp_path / "2" / "decomposition.csv")
    assert (table[["models", "splits", "deals"]] == [10, 5, 2]).all(axis=None)


def test_one_split_has_no_other_deal(tmp_path: Path) -> None:
    page = report.write(write_run(tmp_path, splits=1, seeds=3)).read_text()
    assert "--deals" not in section(page, "What more runs would settle")


def test_luck_in_choosing_is_said_where_it_counts(tmp_path: Path) -> None:
    folder = write_run(tmp_path)
    assert "flatters" not in "\n".join(found(folder))  # one cell is best whatever one looks at
    choices = pd.read_csv(folder / "choices.csv")
    shown = choices["test_cross_entropy"][choices["axis"].eq("all") & choices["rule"].eq("best")].item()
    choices["honest_cross_entropy"] = 1.01 * shown
    choices.to_csv(folder / "choices.csv", index=False)
    said = (
        f"The lowest mean, {number(shown, 4)}, was found on the test images themselves, which flatters it: cells chosen"
    )
    assert f"{said} on one half of them score {number(1.01 * shown, 4)} on the other." in "\n".join(found(folder))


def test_members_that_only_guess_are_named(tmp_path: Path) -> None:
    folder = write_run(tmp_path)
    members = pd.read_csv(folder / "members.csv")
    members.loc[members["cell"].eq("l1=1e-3") & members["seed"].eq(0), "test_accuracy"] = 0.1
    members.to_csv(folder / "members.csv", index=False)
    assert "**3 networks learned nothing** (accuracy of guessing): `l1=1e-3` 3 of 6." in "\n".join(found(folder))


@pytest.mark.parametrize(
    ("precision", "platform", "words"),
    [
        ("float32", "tpu", None),
        ("bf16", "cpu", None),
        ("bf16", "tpu", "bfloat16 (8"),
        ("bf16, tf32", "gpu", "TF32 (11"),
    ],
)
def test_rounded_products_are_said(tmp_path: Path, precision: str, platform: str, words: str | None) -> None:
    """Where the device made them: a CPU multiplies in float32 whatever is asked for."""
    folder = write_run(tmp_path)
    record = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps(record | {"precision": precision, "platform": platform}))
    text = "\n".join(found(folder))
    assert ("Training multiplied in" in text) == (words is not None) and (words or "") in text
    assert f"matrix precision {precision}" in report.write(folder).read_text()


def test_a_gain_that_fewer_epochs_give_is_called_that(tmp_path: Path) -> None:
    """The plain network's curve turns up after epoch 2, by more than the best cell gains."""
    folder = write_run(tmp_path)
    history = pd.read_csv(folder / "history.csv")
    plain = history["member"].str.startswith("plain/")
    history.loc[plain, "test_cross_entropy"] = history.loc[plain, "epoch"].map({1: 0.9, 2: 0.3, 3: 0.5, 4: 0.7})
    history.to_csv(folder / "history.csv", index=False)
    text = "\n".join(found(folder))
    assert (
        "**Fewer epochs may do as well**: by the learning curves, `plain` was at 0.300 after epoch 2 and ends at"
        in text
    )


def test_caveats_are_not_raised_without_cause(tmp_path: Path) -> None:
    text = "\n".join(found(write_run(tmp_path, splits=5, epochs=40)))
    for words in (
        "diverged",
        "tried**",
        "Still improving",
        "are few",
        "seeds only",
        "told apart",
        "Too few",
        "nothing",
        "Fewer",
    ):
        assert words not in text


def test_the_rise_from_wrong_labels_stands_beside_what_theory_says(tmp_path: Path) -> None:
    noise: list = [(f"label_noise={rate}", {"label_noise": rate}) for rate in (0.2, 0.4)]
    results = read(write_run(tmp_path, cells=[*L1_L2, *noise], grid="l1,l2,label_noise"))
    text = findings.wrong_labels(results, arrange(results))
    assert "by 0.0444 at 0.2 and 0.178 at 0.4" in text  # rate^2 K/(K - 1), K = 10
    assert re.search(r"Measured, against `plain`: \+0\.\d+ \(.* to .*\) at 0\.2 and \+0\.\d+ \(.*\) at 0\.4\. ", text)
    clean = read(write_run(tmp_path / "clean"))
    assert findings.wrong_labels(clean, arrange(clean)) == ""


def test_a_table_is_of_rows_and_not_of_images(tmp_path: Path) -> None:
    folder = write_run(tmp_path)
    record = json.loads((folder / "run.json").read_text())
    record["data"] |= {"examples_are": "rows", "inputs_are": "features"}
    (folder / "run.json").write_text(json.dumps(record))
    page = report.write(folder).read_text()
    assert not re.search("image|pixel", page)
    assert "every test row is scored" in page and "one label a row can't part" in page


def test_all_diverged_is_said_first(tmp_path: Path) -> None:
    page = report.write(write_run(tmp_path, diverged=[cell for cell, _ in L1_L2])).read_text()
    assert section(page, "Answer").strip().startswith("**Every member diverged**")


@pytest.mark.slow
def test_members_on_the_whole_training_set_are_shown_apart(tmp_path: Path) -> None:
    folder = write_run(tmp_path)
    alone = report.write(folder).read_text()
    members = pd.read_csv(folder / "members.csv", dtype={"split": str})
    whole = members[members["seed"] == 0].drop_duplicates("cell").assign(split="all", test_accuracy=0.99)
    whole["member"] = whole["cell"] + "/all/seed0"
    pd.concat([members, whole]).to_csv(folder / "members.csv", index=False)
    drawn = (folder / "figures" / "accuracy-l1-l2.png").read_bytes()
    page = report.write(folder).read_text()
    assert section(page, "Answer") == section(alone, "Answer")
    assert (folder / "figures" / "accuracy-l1-l2.png").read_bytes() != drawn


def command(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "jaxreg.report", *map(str, arguments)],
        capture_output=True,
        text=True,
    )


def test_the_command_needs_neither_jax_nor_predictions(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run")
    code = (
        "import sys; sys.modules['jax'] = sys.modules['matplotlib.pyplot'] = None\n"
        f"from jaxreg.report import __main__ as report; sys.exit(report.main([{str(folder)!r}]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert (folder / "report.md").exists()


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda folder: (folder / "members.csv").unlink(), "members.csv is missing"),
        (lambda folder: (folder / "run.json").unlink(), "run.json is missing"),
        (lambda folder: (folder / "run.json").write_text("{"), "run.json can't be read as JSON"),
        (
            lambda folder: (folder / "history.csv").write_text("a,b\n1,2,3\n4\n5,6,7,8\n"),
            "history.csv can't be read as CSV",
        ),
        (lambda folder: (folder / "choices.csv").write_text(""), "choices.csv can't be read as CSV"),
        (lambda folder: (folder / "choices.csv").write_text("axis,rule\n"), "choices.csv has no column cell"),
        (lambda folder: (folder / "members.csv").write_bytes(b"\xff\xfe\x00"), "members.csv can't be read"),
        (lambda folder: (folder / "examples.npz").write_bytes(b"PK"), "examples.npz: can't be read"),
        (lambda folder: [file.unlink() for file in folder.iterdir()], "run.json is missing"),
    ],
)
def test_wrong_input_is_told_in_two_lines(tmp_path: Path, capsys: pytest.CaptureFixture, spoil, words: str) -> None:
    folder = write_run(tmp_path)
    spoil(folder)
    assert __main__.main([str(folder)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and words in error
    assert len(error.splitlines()) <= 2


@pytest.mark.slow
def test_the_command_says_where_it_wrote_and_what_is_no_folder(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run")
    done = command(folder)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"wrote {folder / 'report.md'}\n", "")
    wrong = command(tmp_path / "nowhere")
    assert wrong.returncode == 2
    assert "nowhere is not a folder" in wrong.stderr and "Traceback" not in wrong.stderr
