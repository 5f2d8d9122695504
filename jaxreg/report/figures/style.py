"""How every figure looks: sizes legible on a phone, marks that stay apart in grey, axes of strengths."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, ScalarFormatter
from PIL import Image

from jaxreg.formatting import MINUS, number, printable
from jaxreg.report.figures.tips import Sheet, tell
from jaxreg.report.layout import Line

WIDTH = 6.6  # inches; 11 points at this width are 8 pixels on a phone of 375
DPI = 140

RC: Any = {
    "font.size": 11,
    "axes.titlesize": 11,
    "axes.labelsize": 11,
    "xtick.labelsize": 10,
    "ytick.labelsize": 10,
    "legend.fontsize": 10,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e3e3e3",
    "grid.linewidth": 0.7,
    "lines.linewidth": 1.8,
    "lines.markersize": 5.5,
    "figure.constrained_layout.use": True,
    "figure.facecolor": "white",
}

# One meaning, one mark. The areas differ in lightness too, so they stay apart in grey.
INK, QUIET, WARN = "#1a1a1a", "#6b6b6b", "#b3001b"
BIAS, BIAS_AREA = "#2f6db3", "#d3e1f1"
VARIANCE, DATA_AREA, SEED_AREA = "#b8570f", "#eda964", "#a8480a"
BETTER_AREA = "#e8f1ea"
MARKS: dict[str, dict[str, Any]] = {
    "error": {"color": INK, "linestyle": "-", "marker": "o"},
    "bias": {"color": BIAS, "linestyle": (0, (5, 1.5)), "marker": "s"},
    "variance": {"color": VARIANCE, "linestyle": (0, (1.5, 1)), "marker": "^"},
}
SHADES = ["#b9cfe8", "#8fb3d9", "#6493c4", "#3f73aa", "#23548a", "#0f3765", "#06203f"]  # light to dark
GAP = "#ececec"

# In a page each has a name, and another colour on a dark ground: `--ink` and so on in templates/report.css.
THEME = {
    INK: "ink", "#000000": "ink", "#ffffff": "paper", QUIET: "quiet", WARN: "warn", GAP: "gap",
    RC["grid.color"]: "grid",
    BETTER_AREA: "better-area",
    BIAS: "bias", BIAS_AREA: "bias-area", VARIANCE: "variance", DATA_AREA: "data-area", SEED_AREA: "seed-area",
    **{shade: f"shade-{i}" for i, shade in enumerate(SHADES)},
}  # fmt: skip
AS_IT_IS = "as-it-is"  # the gid of what stands on a coloured ground, and keeps its colour on any page
PATCH: dict[str, Any] = {"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 0.8}


def themed(colour: str) -> str:
    """A colour as a page has it."""
    return f"var(--{THEME[colour]})" if colour in THEME else colour


def label(name: str) -> str:
    """A name of others as Matplotlib shows it: a dollar would start a formula."""
    return printable(name).replace("$", r"\$")


def canvas(height: float, rows: int = 1, columns: int = 1, **kwargs: Any) -> tuple[Figure, np.ndarray]:
    """A figure of the common width and its axes [rows, columns]; not by pyplot, whose state is global."""
    figure = Sheet(figsize=(WIDTH, height))
    figure.tips = []
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns, squeeze=False, **kwargs)


def png(figure: Figure) -> bytes:
    """The figure as PNG bytes in 256 colours, the same for the same input."""
    _large_numbers(figure)
    drawn = FigureCanvasAgg(figure)  # and not `savefig`, whose PNG would have to be read again: a fifth of the time
    figure.set_dpi(DPI)
    drawn.draw()
    small = io.BytesIO()
    image = Image.fromarray(np.asarray(drawn.buffer_rgba())).convert("RGB")
    image.quantize(256, dither=Image.Dither.NONE).save(small, format="png", optimize=True)
    return small.getvalue()


def _large_numbers(figure: Figure) -> None:
    """Numbers of an axis with their exponents, where Matplotlib would write one for all of them over the legend."""
    for axis in (axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)):
        usual = isinstance(axis.get_major_formatter(), ScalarFormatter)
        if usual and np.abs(axis.get_view_interval()).max() >= 1e5:
            axis.set_major_formatter(FuncFormatter(_with_exponent))


def _with_exponent(value: float, _: int | None = None) -> str:
    return f"{value:.3g}".replace("e+0", "e").replace("e+", "e").replace("-", MINUS)


def strength_axis(axes: Axes, line: Line, label: bool = True) -> None:
    """Ticks at the values trained; 0 on a logarithmic axis, and no limit, stand apart, the axis broken beside them."""
    labels = [text if _shown(line, i) else "" for i, text in enumerate(line.labels)]
    axes.set_xticks(line.positions, labels)
    for place, text in zip(line.positions, line.labels, strict=True):
        tell(axes, f"{line.short} = {text}", x=place, head=True)
    axes.margins(x=0.04)
    axes.grid(axis="x", visible=False)
    if label:
        axes.set_xlabel(line.title)
    breaks = [line.positions[0] + 0.48] if line.logarithmic and line.labels[0] == "0" else []
    breaks += [line.positions[-1] - 0.48] if line.logarithmic and line.unlimited else []
    for place in breaks if len(line.positions) > 1 else ():
        slash = [(-0.5, -1.0), (0.5, 1.0)]
        axes.plot(
            [place - 0.06, place + 0.06],
            [0, 0],
            transform=axes.get_xaxis_transform(),
            marker=slash,  # type: ignore[arg-type]
            linestyle="none",
            color=INK,
            markersize=9,
            clip_on=False,
        )


def _shown(line: Line, i: int) -> bool:
    """Whether the i-th value gets its label: all up to seven, else 0 and the powers of ten, or every other one."""
    if len(line.labels) <= 7:
        return True
    round_ones = [
        text == "0" or abs(place - round(place)) < 1e-6 for text, place in zip(line.labels, line.positions, strict=True)
    ]
    return round_ones[i] if line.logarithmic and sum(round_ones) > 2 else i % 2 == 0


def curve(axes: Axes, x: Sequence[float] | np.ndarray, table: Any, name: str, **kwargs: Any) -> None:
    """A line through `table[name]` with `name_low` to `name_high` as a band."""
    band_alpha = kwargs.pop("band_alpha", 0.22)
    drawn = axes.plot(x, table[name], **kwargs)
    if {f"{name}_low", f"{name}_high"} <= set(table):
        low, high = (table[f"{name}_{end}"].to_numpy(float) for end in ("low", "high"))
        axes.fill_between(x, low, high, color=drawn[0].get_color(), alpha=band_alpha, linewidth=0)


def crosses(axes: Axes, line: Line, diverged: Any) -> None:
    """A cross on the foot of the panel for every cell with diverged members, with how many of how many."""
    for x, cell in zip(line.positions, line.cells, strict=True):
        lost, total = int(diverged.loc[cell, "diverged"]), int(diverged.loc[cell, "members"])
        if lost:
            foot = axes.get_xaxis_transform()
            axes.plot([x], [0.05], "x", color=WARN, markersize=8, mew=2.2, transform=foot)
            axes.text(x, 0.1, f"{lost}/{total}", transform=foot, ha="center", color=WARN, fontsize=9)


def cap(axes: Axes, x: Sequence[float] | np.ndarray, values: Any, top: float) -> None:
    """End the panel at `top`; write what lies above it, so that one bad cell does not flatten the rest."""
    values = np.asarray(values, float)
    axes.set_ylim(axes.get_ylim()[0], top)
    _off_scale(axes, x, values, np.isfinite(values) & (values > top), "\u2191", "top")


def foot(axes: Axes, x: Sequence[float] | np.ndarray, values: Any, bottom: float) -> None:
    """As `cap`, for a panel whose bad values lie low."""
    values = np.asarray(values, float)
    beyond = np.isfinite(values) & (values < bottom)
    if beyond.any():
        axes.set_ylim(bottom, axes.get_ylim()[1])
        _off_scale(axes, x, values, beyond, "\u2193", "bottom")


def _off_scale(
    axes: Axes, x: Sequence[float] | np.ndarray, values: np.ndarray, beyond: np.ndarray, arrow: str, end: str
) -> None:
    """The values beyond an end of a panel, of neighbours on two lines: side by side they would touch."""
    inwards = -12 if end == "top" else 12  # points: a line of this size
    second = False
    for place, (at, value) in enumerate(zip(x, values, strict=True)):
        second = bool(beyond[place]) and place > 0 and bool(beyond[place - 1]) and not second
        if beyond[place]:
            axes.annotate(
                f"{number(value)}{arrow}", (at, 0.995 if end == "top" else 0.01), (0, inwards if second else 0),
                xycoords=axes.get_xaxis_transform(), textcoords="offset points", ha="center", va=end, fontsize=9,
                bbox=PATCH,
            )  # fmt: skip


def ceiling(values: Any, factor: float = 2.0) -> float | None:
    """Where to cap a panel of non-negative values: `factor` times the least, if something lies above that."""
    finite = np.asarray(values, float)
    finite = finite[np.isfinite(finite)]
    if not finite.size or finite.max() <= factor * finite.min():
        return None
    return float(factor * finite.min())


def legend(axes: Axes, **kwargs: Any) -> None:
    """A legend without a frame above the panel."""
    axes.legend(
        **{
            "loc": "lower left",
            "bbox_to_anchor": (0, 1.0),
            "borderaxespad": 0.2,
            "handlelength": 2.2,
            **kwargs,
        }
    )
