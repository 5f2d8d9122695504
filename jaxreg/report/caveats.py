"""What a reader should know before believing a report, found from its tables."""

from __future__ import annotations

from jaxreg.axes import AXES
from jaxreg.formatting import count, known, listing, number
from jaxreg.measures import MEASURES, honest
from jaxreg.report import elsewhere, folds, replication
from jaxreg.report.advice import cell_at_best_epoch, change_text
from jaxreg.report.findings import SMOOTHED
from jaxreg.report.layout import Layout
from jaxreg.report.markdown import code
from jaxreg.report.on_all import worse_on_all
from jaxreg.report.summaries import as_guessing, diverged, guessing, lost, means
from jaxreg.store.results import Results

LOOKED_FOR = (
    "too few examples that score, diverged members, members that only guess, a best cell on the edge of the grid, "
    "members still improving at the last epoch, a gain that fewer epochs give as well, a larger error with more data, "
    "too few splits or seeds, luck in choosing"
)
LOOKED_FOR_ELSEWHERE = (
    "too few examples that score, models that only guess, a best cell on the edge of what was tried, too few splits or "
    "seeds, luck in choosing"
)

FEW = 50
"""Examples that score below which a page tells hardly anything: a twentieth of the labels is two of them."""

SHOWN = 3  # members of a kind of machine that are named

# Significant bits of a factor: https://cloud.google.com/tpu/docs/bfloat16, and NVIDIA's A100 whitepaper for TF32.
ROUNDED = {"bf16": "bfloat16 (8 significant bits of 24)", "tf32": "TF32 (11 significant bits of 24)"}


def caveats(results: Results, layout: Layout) -> list[str]:
    """Every caveat that applies, the gravest first."""
    return [
        *_few(results),
        *elsewhere.another_order(results),
        *_diverged(results),
        *elsewhere.incomplete(results, layout),
        *_rounded(results),
        *_mixed(results),
        *_guessing(results),
        *elsewhere.votes(results),
        *elsewhere.cut(results, layout),
        *_edge(results, layout),
        *_unfinished(results, layout),
        *_fewer_epochs(results, layout),
        *worse_on_all(results, layout),
        *replication.caveats(results),
        *_flattery(results),
    ]


def _few(results: Results) -> list[str]:
    there = (results.record.get("data") or {}).get("test_examples")
    if not isinstance(there, int) or there >= FEW:
        return []
    return [
        f"**Only {count(there, results.example_is)} {'scores' if there == 1 else 'score'}**: fewer than {FEW} tell "
        f"hardly anything. One of them is {number(100 / there, 2)} % of every mean here, the intervals are as rough as "
        f"the means, and on other {results.examples_are} another setting may be best."
    ]


def _diverged(results: Results) -> list[str]:
    lost = diverged(results)
    lost = lost[lost["diverged"] > 0]
    if lost.empty:
        return []
    counts = zip(lost.index, lost["diverged"], lost["members"], strict=True)
    cells = ", ".join(f"{code(cell)} {some} of {all_}" for cell, some, all_ in counts)
    return [
        f"**{count(int(lost['diverged'].sum()), 'member')} of {len(results.members)} diverged**: {cells}; "
        f"the first at epoch {results.members['diverged_at'].min():.0f}. They are left out of every mean, "
        "so these cells look better than they are."
    ]


def _rounded(results: Results) -> list[str]:
    """Products of rounded factors, where the device made them."""
    rounded = [one for one in str(results.record.get("precision", "")).split(", ") if one in ROUNDED]
    if not rounded or results.record.get("platform") == "cpu":
        return []
    return [
        f"**Training multiplied in {listing([ROUNDED[one] for one in rounded])}**, scores are in float32. Noise of the "
        "size of the rounding is in every gradient, and small differences between cells may be of it: see that a "
        'choice that matters holds with `precision = "float32"`.'
    ]


def _mixed(results: Results) -> list[str]:
    """Members of several kinds of machine, or of several versions of what computes."""
    kinds = results.record.get("kinds") or {}
    if len(kinds) < 2:
        return []
    parts = [
        f"{len(members)} on {code(kind)} ({listing([code(name) for name in members[:SHOWN]])}"
        f"{f' and {len(members) - SHOWN} more' if len(members) > SHOWN else ''})"
        for kind, members in kinds.items()
    ]
    return [
        f"**Members are of {len(kinds)} kinds of machine or versions**: {'; '.join(parts)}. These round differently, "
        "and training amplifies it: two members on two kinds differ by a part of what another seed would change. "
        "`kinds` in run.json lists all of them."
    ]


def _guessing(results: Results) -> list[str]:
    """Members that say the same of all test examples, or might as well: they did not diverge, and are in every mean."""
    rows = [f"{code(cell)} {many}" for cell, many in lost(results).items()]
    if not rows:
        return []
    many = count(int(guessing(results).sum()), results.model_is)
    return [
        f"**{many} learned nothing** ({as_guessing(results)}): {', '.join(rows)}. They are "
        f"in every mean; where only some of a cell's {results.models_are} are such, its mean and interval describe "
        "neither kind."
    ]


def _edge(results: Results, layout: Layout) -> list[str]:
    found = []
    for line in layout.lines:
        best = results.choice(line.axis, "best")
        modest = results.choice(line.axis, "one_standard_error")
        # More of a condition is harm done on purpose: its edge is no place to look for an optimum.
        if AXES[line.axis].condition or best is None:
            continue
        name, least, largest = AXES[line.axis].short, line.labels[0], line.labels[-1]
        if best["cell"] == line.cells[-1]:
            found.append(f"**The best {name}, {largest}, is the largest tried**: the optimum may lie beyond it.")
        elif modest is not None and modest["cell"] == line.cells[-1]:
            found.append(f"The strongest {name} within one standard error, {largest}, is the largest tried.")
        if best["cell"] == line.cells[0] and least != "0":
            found.append(f"**The best {name}, {least}, is the smallest tried**: the optimum may lie below it.")
    return found


def _unfinished(results: Results, layout: Layout) -> list[str]:
    """Cells of interest whose test loss fell over the last epochs, beyond its standard error."""
    last = 0 if results.history.empty else int(results.history["epoch"].max())
    window = max(last // SMOOTHED, 2 if last >= 6 else 1)
    cells = list(dict.fromkeys([layout.base, *(row["cell"] for row in results.chosen())]))
    kept = results.sound[results.sound["cell"].isin(cells)]
    history = results.history[results.history["member"].isin(kept["member"])].sort_values("epoch")
    # A member that stopped early stopped improving by its own rule.
    if history.empty or history["epoch"].max() < 2 * window:
        return []
    losses = history.groupby("member")[results.measures.first]
    late = losses.apply(lambda loss: loss.iloc[-window:].mean())
    early = losses.apply(lambda loss: loss.iloc[-2 * window : -window].mean())
    falls = kept.assign(fall=kept["member"].map(early - late), late=kept["member"].map(late))
    table = means(falls, ["fall", "late"])
    table = table[(table["fall"] > 0.002 * table["late"]) & ~(table["fall_low"] <= 0)]
    falling = [f"{code(cell)} by {number(table['fall'][cell], 2)}" for cell in cells if cell in table.index]
    if not falling:
        return []
    several = "two" if window == 2 else str(window)
    epochs = "in the last epoch" if window == 1 else f"from the {several} epochs before to the last {several}"
    words = MEASURES[results.measures.first].words
    return [
        f"**Still improving at the last epoch**: test {words} fell {epochs}, {listing(falling)}. "
        "More epochs may change the ranking."
    ]


def _fewer_epochs(results: Results, layout: Layout) -> list[str]:
    """Whether the base cell was half as good an epoch or more ago as the best cell is now."""
    best = results.choice("all", "best")
    if best is None or layout.base is None or best["cell"] == layout.base or results.history.empty:
        return []
    if results.sound.loc[results.sound["cell"] == best["cell"], "stopped_at"].notna().any():
        return []  # it has fewer epochs itself
    history = results.history.merge(results.sound[["member", "cell"]], on="member")
    curves = history.groupby(["cell", "epoch"])[results.measures.first].mean()
    if not {layout.base, best["cell"]} <= set(curves.index.get_level_values("cell")):
        return []
    base, other = curves[layout.base], curves[best["cell"]]
    curve_images = results.curve_examples
    curve = f" (over {curve_images:,} {folds.scored(results)})" if isinstance(curve_images, int) else ""
    rise, gain = base.iloc[-1] - base.min(), base.iloc[-1] - other.iloc[-1]
    if not (gain > 0 and rise >= gain / 2):
        return []
    return [
        f"**Fewer epochs may do as well**: by the learning curves{curve}, {code(layout.base)} was at "
        f"{number(base.min(), 3)} after epoch {base.idxmin()} and ends at {number(base.iloc[-1], 3)}; "
        f"{code(best['cell'])} ends at {number(other.iloc[-1], 3)}. {_stopped(results, layout)}"
    ]


def _stopped(results: Results, layout: Layout) -> str:
    """What early stopping gave where it was trained besides, on all of the data; else how to find out."""
    cell, first = cell_at_best_epoch(results, layout), results.measures.first
    row = results.of_whole(cell, first) if cell is not None else None
    if row is None:
        return "Sweeping `early_stopping` beside it would tell the two apart."
    return (
        f"With an epoch chosen on other {results.examples_are}, on all of the training set, {code(cell)} changes "
        f"{MEASURES[first].words} by {change_text(row, first)}."
    )


def _flattery(results: Results) -> list[str]:
    best = results.choice("all", "best")
    first = results.measures.first
    if best is None or not known(best.get(honest(first))) or not best[honest(first)] > 1.005 * best[first]:
        return []
    return [
        f"The lowest mean, {number(best[first], 4)}, was found on the {folds.scored(results)} themselves, which "
        f"flatters it: cells chosen on one half of them score {number(best[honest(first)], 4)} on the other."
    ]
