"""Of how many splits and seeds a report is, which caveats that has, and what further ones would bring."""

from __future__ import annotations

import pandas as pd

from jaxreg.formatting import fixed, known, listing, number
from jaxreg.measures import MEASURES, VOTES
from jaxreg.store.results import Results


def caveats(results: Results) -> list[str]:
    """What can't be told from so few."""
    return [*_single(results), *_too_few(results)]


def _single(results: Results) -> list[str]:
    rows = results.loss(results.measures.loss)
    splits, seeds = float(rows["splits"].max()), float(rows["seeds"].max())
    if results.folded or not (known(splits) and known(seeds)):
        return []
    apart = f"models on several training sets that share no {results.example_is}, named by `split`"
    if splits <= 1 and seeds <= 1:
        least = f"It takes {apart}" if results.elsewhere else "Two splits are the least: `--splits 2`"
        one = "model" if results.elsewhere else "member"
        return [f"**One {one} a cell: variance is undefined**, and so is every interval over training runs. {least}."]
    if splits <= 1:
        added = f"{apart}, put it in" if results.elsewhere else "`--splits 5` puts it in"
        return [
            f"**One training set: the variance here is between its {seeds:.0f} seeds only.** What another "
            f"training set would have changed is not in it; {added}."
        ]
    if seeds <= 1 and results.measures is not VOTES:  # of which seeds tell nothing
        several = "several models a split, named by `seed`, separate" if results.elsewhere else "`--seeds 2` separates"
        return [
            f"With one seed a split, variance from data and variance from seeds can't be told apart; {several} them."
        ]
    return []


def _too_few(results: Results) -> list[str]:
    splits = float(results.loss(results.measures.loss)["splits"].max())
    found = []
    freedom = results.deals * (splits - 1)
    if 0 < freedom < 3:
        rest = "one degree" if freedom == 1 else "two degrees"
        dealt = f", dealt {results.deals} times," if results.deals > 1 else ""
        found.append(f"{splits:.0f} splits{dealt} are few: intervals over training sets rest on {rest} of freedom.")
    return found


def detectable(results: Results) -> str:
    """What difference such a design finds four times in five."""
    found = []
    for measure in dict.fromkeys((results.measures.first, results.measures.second)):
        words, scale = f"in {MEASURES[measure].words}", 1
        if MEASURES[measure].points:
            words, scale = f"points in {MEASURES[measure].words}", 100
        if {"measure", "detectable_difference"} <= set(results.power):
            limits = results.power.loc[results.power["measure"] == measure, "detectable_difference"].dropna()
            found += [_range(scale * limits, words)] if len(limits) else []
    text = f"Four times in five, such runs tell a difference of {listing(found)}, or a larger one." if found else ""
    if "cell" in results.power and results.power["cell"].notna().any():
        text += " What is open, and what telling differences of these sizes four times in five would take:"
    return text.strip()


def _range(limits: pd.Series[float], words: str) -> str:
    """The usual difference, of the first row; from least to largest where cells vary much."""
    usual, least, most = (number(float(limit), 2) for limit in (limits.iloc[0], limits.min(), limits.max()))
    return f"{usual} {words}{'' if limits.max() < 3 * limits.min() else f' ({least} to {most}, by cell)'}"


def outlook(results: Results) -> str:
    """What further splits are, and what dealing the same examples again would bring; empty where nothing is known."""
    are, splits = results.examples_are, results.loss(results.measures.loss).get("splits")
    if splits is None or not splits.max() > 1:
        return ""
    if results.elsewhere:
        if "splits_needed" not in results.power or results.power["splits_needed"].isna().all():
            return ""
        return f"Splits needed are training sets of this size that share no {results.example_is} with one another."
    if results.deals == 1:
        return (
            f"Splits needed are of further {are}, as many again in each. The same {are} can be dealt anew, with "
            f"`--deals 2`: that helps less than further {are} do, and the report then says how much is left."
        )
    rows = results.power[results.power["cell"].isna()] if "share_deals" in results.power else results.power[:0]
    rows = rows[rows["measure"] == results.measures.first].dropna(subset=["share_deals"])
    if rows.empty:
        return ""
    words = MEASURES[results.measures.first].words
    deals, data, examples = (float(rows[f"share_{name}"].iloc[0]) for name in ("deals", "data", "examples"))
    return (
        f"More deals of the same {are} can lower {_percent(deals)} of the squared error of a typical difference in "
        f"{words}, and so narrow its interval by {_percent(1 - (1 - deals) ** 0.5)} at the most. The rest falls "
        f"only with further training {are} ({_percent(data)}) and with more test {are} ({_percent(examples)}). "
        "From few deals these shares are rough."
    )


def _percent(share: float) -> str:
    return f"{fixed(100 * share, 0)} %"
