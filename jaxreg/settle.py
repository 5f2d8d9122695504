"""Until it is settled: a look at the study after each round of members, and another round of what is open.

A round is one more deal of the images into splits (of one split: as many further seeds as it began with) for the cells
that are open and the reference. `jaxreg.statistics.sequential` decides, and is what keeps the 5 %. All of it follows
from the members that are there, so that a run which was stopped makes the same looks again, without training.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import pandas as pd

from jaxreg.driver import AnyTrainer, Driver
from jaxreg.errors import UserError
from jaxreg.files import write_csv
from jaxreg.formatting import count
from jaxreg.measures import CLASSES, Measures
from jaxreg.statistics.boundaries import Look
from jaxreg.statistics.comparisons import LEVEL, Difference, against, moderated
from jaxreg.statistics.groups import counted, differences, grouped, reference_of, settings_of
from jaxreg.statistics.sequential import Decision, decide, limit
from jaxreg.statistics.spreads import spread
from jaxreg.store.predictions import scored
from jaxreg.store.reading_tables import read_table
from jaxreg.store.tables import rows_of

LOOKS = "looks.csv"
SETTLED, ALL_LOOKS, BUDGET = "settled", "looks", "budget"  # why a study ended, besides what `limit` names


class Wanted(NamedTuple):
    """What a study is to settle, and what it may take."""

    measure: str  # of `jaxreg.measures`; less is better
    difference: float = 0.0  # the smallest gain that is worth a run, in units of the measure
    budget: float = float("inf")  # seconds from the start of the command after which no round begins


def wanted(purpose: str | None, difference: float, budget: float, measures: Measures = CLASSES) -> Wanted:
    """What counts, the first measure unless said, with the smallest gain and the longest time."""
    return Wanted(measures.purposes[purpose or measures.answered[0]].measure, difference, budget)


def settle(driver: Driver, trainer: Callable[[], AnyTrainer], plan: Wanted, began: float) -> tuple[pd.DataFrame, Look]:
    """Trains round after round until the study is settled, the budget spent, or nothing more can be told.

    Args:
        driver: of a sweep with `settle`.
        trainer: makes one.
        plan: what is to be settled.
        began: when the command did, by `time.perf_counter`.

    Returns:
        The rows of looks.csv, one a look; and the last look.

    Raises:
        UserError: the folder was looked at by another plan, which no longer keeps the 5 %.
    """
    of, index = driver.sweep.settle, list(driver.dataset.measures.compared).index(plan.measure)
    _planned(driver, plan)
    decision, rows = None, list[dict[str, Any]]()
    for number in range(1, of + 1):
        driver.train(trainer)
        seen = _seen(driver)
        decision = decide(seen.pairs, seen.reference, number, of, decision, index=index, difference=plan.difference)
        row = _row(driver, seen, decision, index, plan)
        if decision.settled:
            row["ended"] = SETTLED
        elif number == of:
            row["ended"] = ALL_LOOKS
        else:
            row["ended"] = _nothing_more(seen, decision, index, plan) or ""
        if not row["ended"]:
            coming = driver.coming(number + 1, [seen.reference, *decision.open])
            ahead = float(seen.members["seconds"].mean()) * sum(member.id not in driver.finished for member in coming)
            if time.perf_counter() - began + ahead > plan.budget:
                row["ended"] = BUDGET
        rows.append(row)
        write_csv(driver.folder.path / LOOKS, pd.DataFrame(rows))
        if row["ended"]:
            break
        driver.progress.announce(
            f"look {number} of {of} at most: {count(len(decision.open), 'cell')} open, {count(len(coming), 'member')} "
            "more"
        )
        driver.take_on(coming)
    assert decision is not None
    return pd.DataFrame(rows), Look(decision.look, of, decision.told, plan.measure)


class Seen(NamedTuple):
    """The members at a look, compared."""

    members: pd.DataFrame
    pairs: list[Difference]
    reference: str
    examples: int  # that score


def _seen(driver: Driver) -> Seen:
    keys = [driver.keys[member.id] for member in driver.members]
    members, _ = rows_of(driver.members, keys, driver.store, driver.dataset.signature)
    predictions = scored(driver.outputs(driver.members), driver.dataset)
    cells = counted(members, list(members["member"]))
    plain = reference_of(cells, settings_of(members))
    if plain is None:
        raise UserError("settle: every member diverged, so that there is nothing to compare. Try smaller strengths.")
    pairs = differences(grouped(cells, predictions), cells, predictions, [plain])
    return Seen(members, pairs, plain, predictions.examples)


def _row(driver: Driver, seen: Seen, decision: Decision, index: int, plan: Wanted) -> dict[str, Any]:
    """What a look saw and decided."""
    family = against(seen.pairs, seen.reference, [cell.name for cell in driver.sweep.cells])
    gaps = {d.cell: float(d.paired.value[index]) for d in family}
    told = {way: [cell for cell, verdict in decision.told.items() if verdict == way] for way in ("lower", "higher")}
    return {
        "look": decision.look,
        "of": decision.of,
        "measure": plan.measure,
        "tests": len(driver.sweep.cells) - 1,
        "least_difference": plan.difference,
        "members": len(driver.members),
        "train_seconds": float(seen.members["seconds"].sum()),
        "leader": decision.leader,
        "difference": gaps.get(decision.leader, 0.0),
        "level": decision.level,
        "spent": decision.spent,
        "open": "; ".join(decision.open),
        "better": "; ".join(told["lower"]),
        "worse": "; ".join(told["higher"]),
    }


def _nothing_more(seen: Seen, decision: Decision, index: int, plan: Wanted) -> str | None:
    """What keeps any number of further rounds from telling even the largest gain that the leader may well have."""
    family = against(seen.pairs, seen.reference, [decision.leader])
    if not family:
        return None
    d, (sure,) = family[0], moderated(family, index)
    gap = float(d.paired.value[index])
    largest = abs(gap) + (sure.half_width(LEVEL) if sure else 0.0)
    members = seen.members[seen.members["cell"] == decision.leader]
    apart = spread(d.paired, index, seen.members, d.cell, d.reference, plan.measure, seen.examples)
    on_splits = members[members["split"].astype(str) != "all"]
    deals = on_splits["deal"].nunique() if "deal" in on_splits else 1
    splits = on_splits["split"].nunique() // deals
    return limit(
        largest,
        apart._replace(prior=sure.prior if sure else 0.0),
        splits,
        on_splits["seed"].nunique(),
        seen.examples,
        len(seen.members["cell"].unique()) - 1,
        deals,
    )


def _planned(driver: Driver, plan: Wanted) -> None:
    """Makes sure that earlier looks at this folder were of the same plan."""
    file = driver.folder.path / LOOKS
    if not file.exists():
        return
    first = read_table(file, ["of", "measure", "tests", "least_difference"]).iloc[0]
    asked = {
        "looks at most": (int(first["of"]), driver.sweep.settle),
        "what counts": (str(first["measure"]), plan.measure),
        "cells besides the reference": (int(first["tests"]), len(driver.sweep.cells) - 1),
        "smallest difference": (float(first["least_difference"]), plan.difference),
    }
    changed = [f"{what}: {there} there, {here} here" for what, (there, here) in asked.items() if there != here]
    if changed:
        listed = "\n  ".join(changed)
        raise UserError(
            f"{driver.folder.path} was looked at by another plan, and a plan that changes after a look does not keep "
            f"its 5 %:\n  {listed}\n  Give the same again, or another folder with --out."
        )
