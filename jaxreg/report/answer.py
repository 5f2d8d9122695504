"""The answer: what to use, for whom, on how much data, at what price; what to avoid; what is calibration.

The rule is that of `jaxreg.statistics.recommendation`. Here it becomes sentences, the decision first.
"""

from __future__ import annotations

import math
from typing import Any

from jaxreg.formatting import NOTHING, known, listing, number
from jaxreg.measures import MEASURES, QUANTITIES
from jaxreg.report import folds, looks, temperature
from jaxreg.report.advice import (
    Row,
    Scope,
    cell_at_best_epoch,
    cell_of_averaged_weights,
    change_text,
    doubt_text,
    listed,
    lowest_text,
    price_text,
    purposes,
    scopes,
)
from jaxreg.report.averaging import averaging
from jaxreg.report.avoid import LITTLE, avoid, learned_nothing
from jaxreg.report.layout import Layout
from jaxreg.report.markdown import code
from jaxreg.report.parts import Entry, Table
from jaxreg.report.quoted import quoted, scores_on_all
from jaxreg.statistics.spreads import Spread, models_square
from jaxreg.store.results import Results


def answer(results: Results, layout: Layout) -> list[str]:
    """The decision in sentences, the most important first; each begins with what to do."""
    parts, whole = scopes(results, layout)
    if results.recommendation.empty or layout.base is None:
        return [_nothing(results)]
    sentences = []
    if whole is not None:
        sentences.append(_decision(results, layout, whole))
    sentences.append(_decision(results, layout, parts))
    sentences += [
        learned_nothing(results, layout),
        averaging(results, layout),
        temperature.calibration(results, layout, parts),
        avoid(results, layout),
        _settle(results, layout),
    ]
    return [sentence for sentence in sentences if sentence]


def _nothing(results: Results) -> str:
    if results.members["diverged_at"].notna().all():
        return (
            "**Every member diverged**: there is nothing to compare. Try a smaller learning rate or smaller strengths."
        )
    if results.recommendation.empty and not results.choices.empty:
        return "**An earlier version analysed this run**, and recommended nothing: its command, given again, does."
    return "**Nothing can be recommended**: no cell is whole. See below."


def _decision(results: Results, layout: Layout, scope: Scope) -> str:
    rows = {purpose: row for purpose in purposes(results) if (row := results.advice(scope.name, purpose))}
    chosen: dict[str, list[str]] = {}
    for purpose, row in rows.items():
        chosen.setdefault(row["cell"], []).append(results.measures.purposes[purpose].words)
    where = f"On {scope.examples}"
    if list(chosen) == [layout.base]:
        said = f"**{where}, use {layout.introduced(layout.base)}**: {_why_none(results, layout, scope, rows)}"
    else:
        uses = [f"{code(cell)} for {listing(wanted)}" for cell, wanted in chosen.items() if cell != layout.base]
        said = f"**{where}, use {listing(uses)}.**"
        open_ones = {purpose: row for purpose, row in rows.items() if row["cell"] == layout.base}
        said += _no_better(results, layout, scope, open_ones, [cell for cell in chosen if cell != layout.base])
    first = {row["cell"]: row for row in reversed(rows.values())}  # the rest is in the table
    told = " ".join(_details(results, layout, scope, row) for cell, row in first.items() if cell != layout.base)
    return " ".join(part for part in [said, told, quoted(results, layout, scope, [*chosen])] if part)


def _no_better(results: Results, layout: Layout, scope: Scope, rows: dict[str, Row], advised: list[str]) -> str:
    """For which purposes nothing is told better, and what the cells that are advised for others do there."""
    if not rows:
        return ""
    words = listing([results.measures.purposes[purpose].words for purpose in rows])
    seen: dict[tuple[str, str], list[str]] = {}  # changes, by the cell and how sure they are
    for measure in dict.fromkeys(row["measure"] for row in rows.values()):
        for cell in advised:
            on_all = scope.name == "whole"
            change = results.of_whole(cell, measure) if on_all else results.change(layout.base, cell, measure)
            if change is not None and known(change["difference"]) and change["difference"] < 0:
                told = change["verdict"] == "lower"
                sure = "significantly, but on this one training set alone" if told else doubt_text(change)
                said = f"{change_text(change, measure)} in {MEASURES[measure].words}"
                seen.setdefault((code(cell), sure), []).append(said)
    lines = [f" For {words} nothing is shown to be better than {layout.introduced(layout.base)}"]
    lines += [f"{cell} is better in the mean there too: {listing(said)}, {sure}" for (cell, sure), said in seen.items()]
    return f"{'; '.join(lines)}."


def _why_none(results: Results, layout: Layout, scope: Scope, rows: dict[str, Row]) -> str:
    """Why the reference is to be used."""
    if scope.name == "parts":
        if len(results.cells) == 1:
            return "it is the only one here."
        if not results.comparisons["low"].notna().any():
            return (
                f"of single {results.models_are} nothing can be told: two differ by chance as well as by what they are "
                "examples of."
            )
        two = results.measures.answered[:2]
        words = " or in ".join(results.measures.purposes[purpose].words for purpose in two)
        in_both = f", in {words}" if len(two) == 2 and {*two} <= {*rows} else ""
        return f"nothing that was tried is significantly better{in_both}."
    told = [cell for purpose in rows for cell in listed(results.advice("parts", purpose), "better")]
    names = [code(cell) for cell in dict.fromkeys(told)]
    if names:
        return (
            f"{listing(names)}, significantly better on parts of them, {'is' if len(names) == 1 else 'are'} on all of "
            "them, also at a strength scaled by the sizes, either not better or worse in the other measure."
        )
    compared = results.whole[results.whole["measure"] == results.measures.first].dropna(subset="difference")
    among, tried = len(compared), compared[compared["difference"] < 0]
    # The reference itself in another way has a sentence of its own.
    tried = tried[~tried["cell"].isin([cell_at_best_epoch(results, layout), cell_of_averaged_weights(results, layout)])]
    said = "nothing that was tried is significantly better on parts of them"
    if tried.empty:
        return f"{said}."
    best = str(tried.sort_values("difference")["cell"].iloc[0])
    first = results.measures.first
    row = results.of_whole(best, first) or {}
    changed = change_text(row, first)
    if row["verdict"] == "lower":
        are = results.examples_are
        return (
            f"{said}. {code(best)} is significantly better on this one training set, {changed} in "
            f"{MEASURES[first].words}, and so stands out below; but other training sets do not confirm it. Use "
            f"{code(best)} only if no {results.model_is} will be trained on {are} other than these."
        )
    lead = f"Of what was trained on all of them, {code(best)} has the lowest {MEASURES[first].words}"
    return f"{said}. {lead}, {changed} against {code(layout.base)}, {doubt_text(row)}{lowest_text(among)}."


def _details(results: Results, layout: Layout, scope: Scope, row: Row) -> str:
    """What the recommended cell gains and costs, and which are as good."""
    gain = f"{MEASURES[row['measure']].words} {change_text(row, row['measure'])}"
    if scope.name == "whole" and results.measures is QUANTITIES and row["measure"] == results.measures.first:
        gain += scores_on_all(results, row["cell"])
    said = f"{code(row['cell'])}: {gain}{_little(results, layout, scope, row)}"
    if scope.name == "whole":
        own = results.of_whole(row["cell"], row["measure"])
        sure = "and here too" if own and own["verdict"] == "lower" else "here better in the mean"
        scored = folds.scored(results)
        another = "" if row["told_by"] == row["cell"] else f" as {code(row['told_by'])}"
        said += f" (significantly better on parts of them{another}, {sure}, on the same {scored})"
    if row["other"] != row["measure"]:
        price = change_text(row, row["other"], "other_")
        said += f"; {MEASURES[row['other']].words} {price}{f', {price_text(row)}' if price != NOTHING else ''}"
    as_good = listed(row, "as_good")
    return f"{said}{f'; within one standard error of it: {listing([code(c) for c in as_good])}' if as_good else ''}."


def _little(results: Results, layout: Layout, scope: Scope, row: Row) -> str:
    """Where a gain is less than a twentieth of the reference's error: who has much data tells the smallest."""
    measure = row["measure"]
    if scope.name == "whole":
        error = float((results.of_whole(layout.base, measure) or {}).get("mean", math.nan))
    else:
        error = float(results.loss(MEASURES[measure].loss)["error"].get(layout.base, math.nan))
    share = abs(row["difference"]) / error if known(error) and error > 0 else math.nan
    return f", which is little: {number(100 * share, 2)} % of it" if share < 1 / LITTLE else ""


def _settle(results: Results, layout: Layout) -> str:
    """Whether it is settled; else what it would take to tell the most promising of what is open."""
    if said := looks.settled(results, layout):
        return said
    row, first = results.advice("parts", results.measures.answered[0]), results.measures.first
    if row is None or row["cell"] != layout.base:
        return ""
    if results.folded:
        return folds.settle(results, layout)
    if "cell" not in results.power:
        return ""
    rows = results.power[(results.power["measure"] == first) & results.power["cell"].notna()]
    rows = rows[rows["difference"] < 0].sort_values("difference")
    if rows.empty:
        return ""
    best = rows.iloc[0]
    held = results.loss(results.measures.loss)["splits"].max()
    ways = {
        "splits_needed": f"disjoint parts of this size (there are {held:.0f})",
        "seeds_needed": "seeds on each",
    }
    needed = [f"{best[key]:.0f} {words}" for key, words in ways.items() if known(best.get(key))]
    cell, change = str(best["cell"]), results.change(layout.base, str(best["cell"]), first)
    said = ""
    if change is not None:
        second = results.measures.second
        beside = results.change(layout.base, cell, second) if second != first else None
        price = f", and {change_text(beside, second)} in {MEASURES[second].words}" if beside is not None else ""
        sure = ""
        if known(p := change["p_adjusted"]):
            sure = f" (p = {number(p, 2)} after correction for the number of cells)"
        said = f", {change_text(change, first)} in {MEASURES[first].words}{sure}{price}"
    what = f"**What would settle it**: {code(cell)} has the lowest mean{said}. "
    if not needed:
        return f"{what}{_other_data(results, best)}"
    return (
        f"{what}If it is in truth as large, which the largest of several seldom is, four runs in five with "
        f"{', or '.join(needed)} tell it."
    )


def _other_data(results: Results, row: Any) -> str:
    """What keeps a difference from being told that no number of training sets would tell."""
    there = (results.record.get("data") or {}).get("test_examples")
    if isinstance(there, int) and there > 0:
        spread = Spread(row["sd_split"], row["sd_seed"], row["sd_example"])
        if spread.example**2 / there > models_square(spread, int(row["splits"]), int(row["seeds"])):
            return f"To tell a difference of this size takes more {folds.scored(results)}: there are {there:,}."
    return f"No number of further runs on these data is likely to tell it; more {folds.scored(results)} may."


def table(results: Results, layout: Layout) -> Table:
    """What to use: a row a purpose, a column a scope."""
    parts, whole = scopes(results, layout)
    rows: Table = []
    for purpose in purposes(results):
        row = {"What counts": Entry(results.measures.purposes[purpose].words)}
        for scope in [scope for scope in (whole, parts) if scope is not None]:
            found = results.advice(scope.name, purpose)
            if found is None:
                continue
            chosen = found["cell"] != layout.base
            row[f"Use, on {scope.examples}"] = Entry(found["cell"], code=True)
            if scope.name == "parts":
                row["Change"] = Entry(change_text(found, found["measure"]))
            if scope.name == "parts" and found["other"] != found["measure"]:
                row["Change in the other measure"] = Entry(
                    f"{MEASURES[found['other']].words} {change_text(found, found['other'], 'other_')}"
                    if chosen
                    else NOTHING
                )
        rows.append(row)
    chosen = results.recommendation
    return rows if len(chosen) and (chosen["cell"] != layout.base).any() else []
