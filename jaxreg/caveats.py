"""What a reader should know before believing a report, found from its tables."""

from __future__ import annotations

import math

import numpy as np

from jaxreg.findings import UNDECIDED
from jaxreg.folder import Folder
from jaxreg.formatting import count, fixed, listing, number
from jaxreg.layout import SHORT, Layout
from jaxreg.summaries import diverged, means, sound

# On these axes more is only ever harm done on purpose: their edge is no place to look for an optimum.
HARMS = ("label_noise", "pixel_noise")


def caveats(folder: Folder, layout: Layout) -> list[str]:
    """Every caveat that applies, the gravest first."""
    found = [
        *_diverged(folder), *_edge(folder, layout), *_unfinished(folder, layout), *_replication(folder),
        *_too_few(folder, layout), *_flattery(folder),
    ]  # fmt: skip
    return found


def _diverged(folder: Folder) -> list[str]:
    lost = diverged(folder)
    lost = lost[lost["diverged"] > 0]
    if lost.empty:
        return []
    first = folder.members["diverged_at"].min()
    cells = [f"`{cell}` {row['diverged']} of {row['members']}" for cell, row in lost.iterrows()]
    return [
        f"**{count(int(lost['diverged'].sum()), 'member')} of {len(folder.members)} diverged** ({', '.join(cells)}; the first "
        f"at epoch {first:.0f}). They are left out of every mean, so these cells look better than they are."
    ]


def _edge(folder: Folder, layout: Layout) -> list[str]:
    found = []
    for line in layout.lines:
        best = folder.choice(line.axis, "best")
        modest = folder.choice(line.axis, "one_standard_error")
        if line.axis in HARMS or best is None:
            continue
        name, end = SHORT[line.axis], line.labels[-1]
        if best["cell"] == line.cells[-1]:
            found.append(
                f"**The best {name}, {end}, is the largest tried**: the optimum may lie beyond it. Try larger values."
            )
        elif modest is not None and modest["cell"] == line.cells[-1]:
            found.append(
                f"The strongest {name} within one standard error, {end}, is the largest tried: more may be had."
            )
        if best["cell"] == line.cells[0] and line.labels[0] != "0":
            found.append(
                f"**The best {name}, {line.labels[0]}, is the smallest tried**: the optimum may lie below it."
            )
    return found


def _unfinished(folder: Folder, layout: Layout) -> list[str]:
    """Cells of interest whose test cross-entropy still fell over the last epochs, by more than its standard error."""
    window = 2 if folder.history["epoch"].max() >= 6 else 1
    cells = [layout.base] + [
        row["cell"]
        for rule in ("best", "one_standard_error")
        if (row := folder.choice("all", rule)) is not None
    ]
    cells = [cell for cell in dict.fromkeys(cells) if cell]
    falling = {}
    kept = sound(folder.members)
    kept = kept[kept["cell"].isin(cells)]
    history = folder.history[folder.history["member"].isin(kept["member"])].sort_values("epoch")
    if history.empty or history["epoch"].max() < 2 * window:
        return []
    losses = history.groupby("member")["test_cross_entropy"]
    late = losses.apply(lambda loss: loss.iloc[-window:].mean())
    early = losses.apply(lambda loss: loss.iloc[-2 * window : -window].mean())
    kept = kept.assign(fall=kept["member"].map(early - late), late=kept["member"].map(late))
    table = means(kept, ["fall", "late"])
    for cell in cells:
        if cell in table.index:
            row = table.loc[cell]
            sure = row["fall_low"] > 0 if np.isfinite(row["fall_low"]) else True
            if sure and row["fall"] > 0.002 * row["late"]:
                falling[cell] = row["fall"]
    if not falling:
        return []
    listed = listing([f"`{cell}` ({number(fall, 2)})" for cell, fall in falling.items()])
    epochs = "the last epoch" if window == 1 else "the last two epochs against the two before"
    verb = "was" if len(falling) == 1 else "were"
    return [
        f"**{listed} {verb} still improving**: in brackets by how much test cross-entropy fell, {epochs}. "
        "More epochs may change the ranking."
    ]


def _replication(folder: Folder) -> list[str]:
    rows = folder.loss("cross_entropy")
    splits, seeds = rows["splits"].max(), rows["seeds"].max()
    if not (math.isfinite(splits) and math.isfinite(seeds)):
        return []
    if splits <= 1 and seeds <= 1:
        return [
            "**One member a cell: variance is undefined**, and so is every interval over training runs. "
            "Two splits are the least: `--splits 2`."
        ]
    if splits <= 1:
        return [
            f"**One training set: the variance here is between its {seeds:.0f} seeds only.** What another training set would "
            "have changed is not in it; `--splits 5` puts it in."
        ]
    if seeds <= 1:
        return [
            "With one seed a split, variance from data and variance from seeds can't be told apart; "
            "`--seeds 2` separates them."
        ]
    return []


def _too_few(folder: Folder, layout: Layout) -> list[str]:
    best = folder.choice("all", "best")
    splits = folder.loss("cross_entropy")["splits"].max()
    found = []
    if 1 < splits < 4:
        found.append(
            f"{splits:.0f} splits are few: intervals over training sets rest on {count(int(splits) - 1, 'degree')} of freedom."
        )
    if best is None or best["cell"] == layout.base or layout.base is None:
        return found
    row = folder.against(layout.base, "test_cross_entropy").reindex([best["cell"]]).iloc[0]
    if row["verdict"] != UNDECIDED or not math.isfinite(row["difference"]):
        return found
    smallest = ""
    power = folder.power
    if {"measure", "detectable_difference"} <= set(power):
        known = power.loc[power["measure"] == "test_cross_entropy", "detectable_difference"].dropna()
        if len(known):
            smallest = f" This design detects a difference of {number(known.iloc[0], 2)} four times in five."
    return [
        *found,
        f"**Too few training runs for the difference claimed**: `{best['cell']}` against `{layout.base}` is "
        f"{number(row['difference'], 2)} in cross-entropy, which may be chance.{smallest}",
    ]


def _flattery(folder: Folder) -> list[str]:
    best = folder.choice("all", "best")
    if best is None or not math.isfinite(best.get("flattery", math.nan)):
        return []
    honest, same = best["honest_cross_entropy"], best["test_cross_entropy"]
    places = 4
    return [
        f"The best cell was chosen on the test images. Chosen on one half of them and quoted on the other, its cross-entropy is "
        f"{fixed(honest, places)} instead of {fixed(same, places)}: choosing flatters by {fixed(best['flattery'], places)}."
    ]
