"""Figures: only those that the sweep calls for, legible, without a global state."""

from __future__ import annotations

import io
import re
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from written_runs import L1_L2, write_run

from jaxreg.report import figures
from jaxreg.report.figures import classes, images, painting, style
from jaxreg.report.layout import arrange
from jaxreg.store.results import read


@pytest.fixture(autouse=True)
def coarse(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(style, "DPI", 50)
    monkeypatch.setattr(painting, "svg", lambda figure, name: "")  # tests/test_html.py looks at these


def drawn(folder: Path) -> dict[str, figures.Picture]:
    results = read(folder)
    parts = figures.draw(results, arrange(results))
    return {picture.name: picture for pictures in parts.values() for picture in pictures}


def pixels(picture: figures.Picture) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(picture.png)).convert("RGB"), float)


def test_every_picture_says_what_it_shows_and_how_to_read_it(tmp_path: Path) -> None:
    pictures = drawn(write_run(tmp_path, pictures=True))
    assert len(pictures) == 11
    for picture in pictures.values():
        assert len(picture.alt) > 20 and picture.alt.endswith(".")
        assert len(picture.caption) > 40 and picture.caption.endswith(".")
        assert pixels(picture).std() > 1, "an empty sheet"


def test_nothing_is_drawn_for_what_is_not_there(tmp_path: Path) -> None:
    folder = write_run(tmp_path, epochs=1)
    for name in ("calibration", "reliability", "classes"):
        (folder / f"{name}.csv").unlink()
    assert set(drawn(folder)) == {
        "bias-variance-cross-entropy-l1-l2", "bias-variance-brier-l1-l2", "train-test-l1-l2", "weights-l1-l2",
        "accuracy-l1-l2", "answer",
    }  # fmt: skip


def test_at_most_two_panels_stand_side_by_side(tmp_path: Path) -> None:
    cells = [("plain", {})] + [(f"{axis}=0.1", {axis: 0.1}) for axis in ("l1", "l2", "dropout", "label_noise")]
    names = [name for name in drawn(write_run(tmp_path, cells=cells)) if name.startswith("accuracy")]
    assert names == ["accuracy-l1-l2", "accuracy-dropout-label_noise"]


def test_the_areas_stay_apart_in_grey() -> None:
    colours = (style.BIAS_AREA, style.DATA_AREA, style.SEED_AREA)
    grey = [np.dot(matplotlib.colors.to_rgb(colour), (0.299, 0.587, 0.114)) for colour in colours]
    assert np.all(-np.diff([1.0, *grey]) > 0.1)


def test_a_diverged_cell_leaves_a_cross(tmp_path: Path) -> None:
    red = tuple(int(style.WARN[i : i + 2], 16) for i in (1, 3, 5))

    def reddish(**options: object) -> int:
        picture = drawn(write_run(tmp_path, **options))["bias-variance-cross-entropy-l1-l2"]  # type: ignore[arg-type]
        return int((np.abs(pixels(picture) - red).sum(axis=2) < 90).sum())

    assert reddish() == 0
    assert reddish(diverged=["l1=1e-3"]) > 10


@pytest.mark.parametrize(
    ("stored", "drawn_as"),
    [
        (np.arange(16, dtype=np.uint8), np.arange(16).reshape(4, 4)),  # as runs of earlier versions have it
        (np.arange(6.0).reshape(2, 3), np.arange(6).reshape(2, 3)),
        (np.arange(6).reshape(2, 3, 1), np.arange(6).reshape(2, 3)),
        (np.full((2, 2, 3), 51, np.uint8), np.full((2, 2, 3), 0.2)),
        (np.linspace(-1, 3, 12).reshape(2, 2, 3), np.linspace(0, 1, 12).reshape(2, 2, 3)),
        (np.ones((2, 2, 3)), np.zeros((2, 2, 3))),
    ],
)
def test_pictures_are_drawn_in_their_shape_and_colour(stored: np.ndarray, drawn_as: np.ndarray) -> None:
    np.testing.assert_allclose(images.as_picture(stored), drawn_as)


def test_a_sheet_of_colours_is_in_colour(tmp_path: Path) -> None:
    folder = write_run(tmp_path, pictures=True)
    with np.load(folder / "examples.npz") as arrays:
        kept = dict(arrays)
    coloured = np.zeros((len(kept["pixels"]), 8, 8, 3), np.uint8)
    coloured[..., 1] = np.arange(8) * 36
    for stored, colour in ((kept["pixels"], False), (coloured, True)):
        np.savez(folder / "examples.npz", **{**kept, "pixels": stored})
        (sheet,) = images.sheet(read(folder))
        assert (np.ptp(pixels(sheet), axis=2).max() > 100) == colour
    np.savez(folder / "examples.npz", **{name: array for name, array in kept.items() if name != "pixels"})
    assert not images.sheet(read(folder))


def hardest(folder: Path) -> str:
    results = read(folder)
    (picture,) = classes.per_class(results, arrange(results), "brier")
    return picture.alt


def test_a_class_has_its_name_from_the_table_or_its_number(tmp_path: Path) -> None:
    folder = write_run(tmp_path)
    table = pd.read_csv(folder / "classes.csv").drop(columns="class_name", errors="ignore")
    table.to_csv(folder / "classes.csv", index=False)
    assert re.search(r"the hardest are \d, \d and \d\.", hardest(folder))
    table["class_name"] = "kind " + table["class"].astype(str)
    table.to_csv(folder / "classes.csv", index=False)
    assert re.search(r"the hardest are kind \d, kind \d and kind \d\.", hardest(folder))


def test_drawing_touches_nothing_global(tmp_path: Path) -> None:
    before = dict(matplotlib.rcParams)
    drawn(write_run(tmp_path, cells=L1_L2[:2]))
    assert dict(matplotlib.rcParams) == before


def test_large_numbers_of_an_axis_have_their_exponents_themselves() -> None:
    figure, axes = style.canvas(2.0, 1, 2)
    axes[0, 0].plot([0, 1], [-2e12, 1e13])
    axes[0, 1].plot([0, 1], [0, 0.5])
    style.png(figure)
    large, small = ([text.get_text() for text in panel.get_yticklabels()] for panel in axes[0])
    assert {"0", "5e12"} <= {*large} and not axes[0, 0].yaxis.get_offset_text().get_text()
    assert "0.2" in small


def test_neighbours_beyond_a_panel_stand_on_two_lines() -> None:
    figure, axes = style.canvas(2.0)
    places = np.arange(6.0)
    axes[0, 0].plot(places, [1, 9, 9, 9, 1, 9])
    style.cap(axes[0, 0], places, [1, 9, 8, 7, 1, 6], 2.0)
    texts = [text for text in axes[0, 0].texts if text.get_text()]
    assert [text.get_text() for text in texts] == ["9.00↑", "8.00↑", "7.00↑", "6.00↑"]
    assert [text.get_position()[1] for text in texts] == [0, -12, 0, 0]
