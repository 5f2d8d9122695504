"""The tables of the report: numbers rounded to what their intervals support, in markdown."""

from __future__ import annotations

import math
from collections.abc import Iterable

import pandas as pd

from jaxreg.findings import UNDECIDED
from jaxreg.folder import Folder
from jaxreg.formatting import NOTHING, estimate, fixed, number
from jaxreg.layout import SHORT, Layout
from jaxreg.summaries import by_cell, diverged

CURRENCIES = {
    "test_cross_entropy": "Cross-entropy",
    "test_error": "Accuracy, points",
    "bias_cross_entropy": "Bias",
    "variance_cross_entropy": "Variance",
    "test_brier": "Brier score",
    "bias_brier": "Bias (Brier)",
    "variance_brier": "Variance (Brier)",
}


def markdown(rows: Iterable[dict[str, str]]) -> str:
    """A markdown table; the first column left, numbers right."""
    table = pd.DataFrame(list(rows)).fillna(NOTHING)
    if table.empty:
        return ""
    align = ["left"] + ["right"] * (table.shape[1] - 1)
    return table.to_markdown(index=False, disable_numparse=True, colalign=align)


def difference(row: pd.Series | None, accuracy: bool = False) -> str:
    """A paired difference with its interval, bold where it is told from 0; an error rate as accuracy in points."""
    if row is None or not math.isfinite(row["difference"]):
        return NOTHING
    value, low, high = row["difference"], row["low"], row["high"]
    if accuracy:
        value, low, high = -value, -high, -low
    text = estimate(value, low, high, signed=True, percent=accuracy)
    if row["verdict"] == UNDECIDED:
        return text
    head, bracket, rest = text.partition(" (")
    return f"**{head}**{bracket}{rest}"


def choices(folder: Folder, layout: Layout) -> str:
    """For every axis and over all cells: the best and the strongest within one standard error, chosen and quoted apart."""
    rows = []
    for axis in dict.fromkeys(folder.choices["axis"]):
        for rule, words in (("best", "best"), ("one_standard_error", "strongest within 1 SE")):
            row = folder.choice(axis, rule)
            if row is None:
                continue
            honest = row.get("honest_cross_entropy", math.nan)
            wrong = row.get("honest_error", math.nan)
            rows.append(
                {
                    "Chosen among": "all cells" if axis == "all" else SHORT.get(axis, axis),
                    "Rule": words,
                    "Cell": f"`{row['cell']}`",
                    "Cross-entropy": estimate(row["test_cross_entropy"], row.get("low"), row.get("high")),
                    "chosen on one half, quoted on the other": number(honest, 4),
                    "accuracy there": f"{fixed(100 * (1 - wrong), 2)} %" if math.isfinite(wrong) else NOTHING,
                }
            )
    return markdown(rows)


def bought(folder: Folder, layout: Layout) -> str:
    """What each choice changed against the base cell, in each currency."""
    rows, seen = [], {layout.base}
    for axis in dict.fromkeys(folder.choices["axis"]):
        for rule in ("best", "one_standard_error"):
            row = folder.choice(axis, rule)
            if row is None or row["cell"] in seen:
                continue
            seen.add(row["cell"])
            rows.append(_changes(folder, str(row["cell"]), layout.base, list(CURRENCIES)[:4]))
    return markdown(rows)


def _changes(folder: Folder, cell: str, reference: str | None, measures: list[str]) -> dict[str, str]:
    entry = {"Cell": f"`{cell}`"}
    for measure in measures:
        rows = folder.against(reference or "", measure)
        row = rows.loc[cell] if cell in rows.index else None
        entry[CURRENCIES[measure]] = difference(row, accuracy=measure == "test_error")
    return entry


def comparisons(folder: Folder, reference: str) -> str:
    """Every cell against one reference, all measures."""
    known = set(folder.comparisons.loc[folder.comparisons["reference"] == reference, "measure"])
    measures = [measure for measure in CURRENCIES if measure in known]
    return markdown(
        _changes(folder, cell, reference, measures) for cell in folder.cells if cell != reference and measures
    )


def cells(folder: Folder) -> str:
    """Every cell: error and its parts in cross-entropy, the gap, accuracy, weights, members."""
    parts, lost = folder.loss("cross_entropy"), diverged(folder)
    columns = ["train_cross_entropy", "test_accuracy", "penalty", "small_weights"]
    means = by_cell(folder, [column for column in columns if column in folder.members])
    apart = bool(parts["variance_split"].notna().any())
    rows = []
    for cell in folder.cells:
        part, mean = parts.loc[cell], means.loc[cell]

        def shown(name: str, part: pd.Series = part) -> str:
            return estimate(part[name], part.get(f"{name}_low", math.nan), part.get(f"{name}_high", math.nan))

        kept, total = lost.loc[cell, "members"] - lost.loc[cell, "diverged"], lost.loc[cell, "members"]
        row = {
            "Cell": f"`{cell}`",
            "Members": f"{kept}" if kept == total else f"{kept} of {total}",
            "Test cross-entropy": shown("error"),
            "Bias": shown("bias"),
            "Variance": shown("variance"),
        }
        if apart:
            row |= {"from data": shown("variance_split"), "from seeds": shown("variance_seed")}
        row["Test accuracy, %"] = estimate(
            *(mean[f"test_accuracy{end}"] for end in ("", "_low", "_high")), percent=True
        )
        row["Train cross-entropy"] = number(mean.get("train_cross_entropy", math.nan))
        row["Gap"] = number(part["error"] - mean.get("train_cross_entropy", math.nan))
        row["Penalty"] = number(mean.get("penalty", math.nan))
        if "small_weights" in mean:
            row["Small weights, %"] = fixed(100 * mean["small_weights"], 1)
        rows.append(row)
    return markdown(rows)


def power(folder: Folder) -> str:
    """The power table as it stands, rounded."""
    if folder.power.empty:
        return ""
    table = folder.power.copy()
    for column in table.select_dtypes("number"):
        table[column] = table[column].map(lambda value: number(value, 2))
    table.columns = [str(column).replace("_", " ") for column in table.columns]
    return markdown(table.fillna(NOTHING).to_dict("records"))  # type: ignore[arg-type]
