"""Of how many splits and seeds a report is, which caveats that has, and what further ones would bring."""

from __future__ import annotations

import pandas as pd

from jaxreg.formatting import fixed, known, listing, number
from jaxreg.measures import MEASURES
from jaxreg.store.results import Results


def caveats(results: Results) -> list[str]:
    """What can't be told from so few."""
    return [*_single(results), *_too_few(results)]


def _single(results: Results) -> list[str]:
    rows = results.loss(results.measures.loss)
    splits, seeds = float(rows["splits"].max()), float(rows["seeds"].max())
    if results.folded or not (known(splits) and known(seeds)):
        return []
    if splits <= 1 and seeds <= 1:
        return [
            "**One member a cell: variance is undefined**, and so is every interval over training runs. "
            "Two splits are the least: `--splits 2`."
        ]
    if splits <= 1:
        return [
            f"**One training set: the variance here is between its {seeds:.0f} seeds only.** What another "
            "training set would have changed is not in it; `--splits 5` puts it in."
        ]
    if seeds <= 1:
        return [
            "With one seed a split, variance from data and variance from seeds can't be told apart; "
            "`--seeds 2` separates them."
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
            words, scale = f"points of {MEASURES[measure].words}", 100
        if {"measure", "detectable_difference"} <= set(results.power):
            limits = results.power.loc[results.power["measure"] == measure, "detectable_difference"].dropna()
            found += [f"{_range(scale * limits)} {words}"] if len(limits) else []
    text = f"Four times in five, such runs tell a difference of {listing(found)} or more." if found else ""
    if "cell" in results.power and results.power["cell"].notna().any():
        text += " What is open, and what telling differences of these sizes four times in five would take:"
    return text


def _range(limits: pd.Series[float]) -> str:
    """The usual difference, of the first row; from least to largest where cells vary much."""
    usual, least, most = (number(float(limit), 2) for limit in (limits.iloc[0], limits.min(), limits.max()))
    return usual if limits.max() < 3 * limits.min() else f"{least} to {most}, by cell (half of them {usual} or less),"


def outlook(results: Results) -> str:
    """What dealing the same examples again would bring; empty where it can't be done or nothing is known."""
    are, splits = results.examples_are, results.loss(results.measures.loss).get("splits")
    if splits is None or not splits.max() > 1:
        return ""
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
