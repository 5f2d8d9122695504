"""A sheet of the test images on which the models disagree most, and of those that they agree to get wrong."""

from __future__ import annotations

import math

import numpy as np

from jaxreg.report.figures import style
from jaxreg.report.figures.classes import class_names
from jaxreg.report.figures.painting import picture
from jaxreg.report.parts import Picture
from jaxreg.store.results import Results

ACROSS = 6
MOST_ROWS = 20  # a figure has an end
KINDS = {"variance": "highest variance", "bias": "highest bias"}


def as_picture(pixels: np.ndarray) -> np.ndarray:
    """What `imshow` draws: grey [height, width] of any range, or colours [height, width, 3] from 0 to 1."""
    if pixels.ndim == 1:  # as earlier versions stored images, which were square
        pixels = pixels.reshape(math.isqrt(pixels.size), -1)
    if pixels.ndim == 2 or pixels.shape[-1] == 1:
        return pixels.reshape(pixels.shape[:2]).astype(float)
    low, high = (0, 255) if pixels.dtype == np.uint8 else (pixels.min(), pixels.max())
    return (pixels - low) / ((high - low) or 1)


def sheet(results: Results) -> list[Picture]:
    """A row of images for every cell and kind in examples.npz, label and usual answer below each."""
    arrays = results.examples
    if not {"label", "predicted", "cell", "kind", "value"} <= set(arrays):
        return []
    pixels = arrays.get("pixels")
    if pixels is None or not len(pixels):
        return []
    names = class_names(results)
    cells, kinds = arrays["cell"].astype(str), arrays["kind"].astype(str)
    rows = list(dict.fromkeys(zip(cells, kinds, strict=True)))[:MOST_ROWS]
    figure, axes = style.canvas(1.72 * len(rows), len(rows), ACROSS)
    for line, (cell, kind) in zip(axes, rows, strict=True):
        which = np.flatnonzero((cells == cell) & (kinds == kind))
        which = which[np.argsort(-arrays["value"][which], kind="stable")][:ACROSS]
        for panel in line:
            panel.set_axis_off()
        line[0].set_title(style.label(f"{cell}: {KINDS.get(kind, kind)}"), loc="left", fontsize=10.5, fontweight="bold")
        for panel, i in zip(line, which, strict=False):
            panel.imshow(as_picture(pixels[i]), cmap="gray_r", interpolation="nearest")
            label, answer = (names.get(int(arrays[key][i]), str(arrays[key][i])) for key in ("label", "predicted"))
            text = f"{style.label(label)}\n"
            text += "mostly right" if label == answer else f"\u2192 {style.label(answer)}"
            panel.text(0.5, -0.04, text, transform=panel.transAxes, ha="center", va="top", fontsize=8.5)
    return [
        picture(
            "images",
            "The test images with the highest variance and the highest bias, with label and answer.",
            "Under each image its label and, after the arrow, what most models call it. High variance: "
            "models trained on other data disagree. High bias: they agree against the label, rightly or not.",
            figure,
        )
    ]
