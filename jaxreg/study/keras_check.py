"""Keras itself as a witness: the same runs by `python -m jaxreg.study.keras_twin`, beside ours and the printed ones.

Where a printed number is none that our seeds give, either this engine differs from Keras or the notebook was not run
as its page shows. Keras of today, given what the page shows, tells the two apart. Losses are compared on the log
scale, as in `reproduction`: Keras's seeds with ours by Welch's t test, the printed number as one more of Keras's seeds.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy import stats

from jaxreg.errors import UserError
from jaxreg.formatting import count, fixed, listing, number
from jaxreg.report.markdown import table as markdown
from jaxreg.statistics.comparisons import benjamini_hochberg
from jaxreg.store.results import Results
from jaxreg.study import reproduction
from jaxreg.study.keras_twin import COLUMNS

COMMAND = "KERAS_BACKEND=tensorflow python -m jaxreg.study.keras_twin"
OWN_SETTING = "older Keras or TensorFlow, code that the page cuts off, cells run twice or in another order"
TOLD = 0.05


def read(file: Path) -> pd.DataFrame:
    """The losses that Keras printed; `epoch` is missing for the one test loss of a run and seed."""
    try:
        table = pd.read_csv(file)
    except (OSError, ValueError) as error:
        raise UserError(f"{file}: can't be read ({error}). {COMMAND} makes it.") from None
    if lacking := [column for column in COLUMNS if column not in table]:
        raise UserError(f"{file}: has no column {', '.join(lacking)}. {COMMAND} makes it anew.")
    return table


def ratio(losses: Float[np.ndarray, " seed"], others: Float[np.ndarray, " other_seed"]) -> dict[str, float]:
    """By what share the geometric mean of the one exceeds the other's: 95 % interval and p by Welch's t on logs."""
    logs, other = np.log(losses), np.log(others)
    excess = float(np.expm1(logs.mean() - other.mean())) if logs.size and other.size else np.nan
    if min(logs.size, other.size) < 2 or logs.std() + other.std() == 0:
        return {"excess": excess, "excess_low": np.nan, "excess_high": np.nan, "p": np.nan}
    test = stats.ttest_ind(logs, other, equal_var=False)
    low, high = map(float, np.expm1(test.confidence_interval(reproduction.LEVEL)))
    return {"excess": excess, "excess_low": low, "excess_high": high, "p": float(test.pvalue)}


def check(keras: pd.DataFrame, twelve: pd.DataFrame, run: Results) -> pd.DataFrame:
    """Every number of `twelve` whose run Keras has trained.

    Returns:
        `run, loss, epoch, printed`; ours: `seeds, median, least, most`; Keras's: `keras_seeds, keras_median,
        keras_least, keras_most`; `keras_low, keras_high, keras_p`: the prediction interval of one more seed of
        Keras's, and the printed number beside them; `excess, excess_low, excess_high, p, p_bh`: Keras against ours.
    """
    rows = []
    for row in twelve.to_dict("records"):
        theirs = keras[(keras["run"] == row["run"]) & (keras["split"] == row["loss"])]
        if row["loss"] == "train":
            theirs = theirs[theirs["epoch"] == row["epoch"]]
        losses = theirs["loss"].to_numpy(np.float64)
        if not losses.size:
            continue
        ours = reproduction.ours(run.members, run.history, row["run"], row["loss"], int(row["epoch"]))
        low, high, p = reproduction.predicted(losses, row["printed"])
        rows.append(
            {key: row[key] for key in ("run", "loss", "epoch", "printed", "seeds", "median", "least", "most")}
            | {"keras_seeds": losses.size, "keras_median": float(np.median(losses))}
            | {"keras_least": losses.min(), "keras_most": losses.max()}
            | {"keras_low": low, "keras_high": high, "keras_p": p}
            | ratio(losses, ours)
        )
    table = pd.DataFrame(rows)
    if rows:
        table["p_bh"] = benjamini_hochberg(table["p"].to_numpy())
    return table


def section(keras: pd.DataFrame | None, checked: pd.DataFrame, twelve: pd.DataFrame) -> str:
    """Keras beside ours for all that it has trained, and what it says on each printed number outside."""
    if keras is None:
        return f"Keras itself was not run beside ours: `{COMMAND}` does that, in an environment with TensorFlow."
    made = [
        f"Keras {version} on {'TensorFlow' if backend == 'tensorflow' else backend}"
        for backend, version in dict.fromkeys(zip(keras["backend"], keras["keras"], strict=True))
    ]
    shown = [
        {
            "Run": f"`{row['run']}`",
            "Loss": row["loss"],
            "Printed": fixed(row["printed"], 4),
            "Keras": _spread(row, "keras_"),
            "Ours": _spread(row),
            "Keras over ours, %": _excess(row),
            "p": number(row["p"], 2),
            "p, corrected": number(row["p_bh"], 2),
            "Printed among Keras's: p": number(row["keras_p"], 2),
        }
        for row in _rows(checked)
    ]
    seeds = sorted(set(checked.get("keras_seeds", [])))
    words = [
        "### Keras itself",
        f"The same runs in {listing(made)}, {' or '.join(map(str, seeds))} seeds of its own: median and range of the "
        "train loss of the last printed epoch and of the test loss.",
        markdown(shown),
        "*Keras over ours: geometric means, 95 % interval and p by Welch's t on the log scale; corrected: Benjamini "
        "and Hochberg over this table. At the right the printed number as one more seed of Keras's.*",
        agreement(checked),
        "\n".join(witness(row, checked) for row in reproduction.outside(twelve)),
    ]
    return "\n\n".join(filter(None, words))


def agreement(checked: pd.DataFrame) -> str:
    """Which differences between Keras and ours are told from none."""
    tested = checked[checked["p_bh"].notna()] if len(checked) else checked
    if tested.empty:
        return ""
    told = [f"`{row['run']}` {row['loss']} loss ({_excess(row)} %)" for row in _rows(tested[tested["p_bh"] < TOLD])]
    if told:
        return f"After correction, Keras's seeds differ from ours in {listing(told)}."
    return f"After correction, none of the {len(tested)} differences between Keras's seeds and ours is told from 0."


def witness(row: dict[str, Any], checked: pd.DataFrame) -> str:
    """What Keras says on one printed number that none of our seeds would give."""
    name = f"- `{row['run']}`, {row['loss']} loss, printed {fixed(row['printed'], 4)}:"
    found = checked[(checked["run"] == row["run"]) & (checked["loss"] == row["loss"])] if len(checked) else checked
    if found.empty or np.isnan(found["p"].iloc[0]) or np.isnan(found["keras_p"].iloc[0]):
        return f"{name} Keras has not enough seeds of this run: `{COMMAND} --runs {row['run']}` trains more."
    theirs = found.iloc[0].to_dict()
    printed, same = (bool(theirs[p] >= TOLD) for p in ("keras_p", "p"))
    text = (
        f"{name} {count(int(theirs['keras_seeds']), 'seed')} of Keras's give {_spread(theirs, 'keras_')}, one more "
        f"would fall in {fixed(theirs['keras_low'], 4)} to {fixed(theirs['keras_high'], 4)} "
        f"(p of the printed number = {number(theirs['keras_p'], 2)}); Keras's are {_excess(theirs)} % over ours "
        f"(p = {number(theirs['p'], 2)}). "
    )
    return text + conclusion(printed, same)


def conclusion(printed: bool, same: bool) -> str:
    """What follows from whether Keras gives the printed number, and whether it gives what ours gives."""
    if same and not printed:
        return (
            "**Keras of today gives what ours gives and not the printed number: the cause lies in the notebook's own "
            f"setting ({OWN_SETTING}) or in a seldom seed, and not in this engine.**"
        )
    if printed and not same:
        return "**Keras gives the printed number and ours do not: this engine differs from Keras here.**"
    if printed:
        return (
            "**Keras's seeds fit the printed number and ours alike: nothing tells this engine from Keras, and the "
            "printed number may be a seldom seed.**"
        )
    return (
        "**Keras gives neither: this engine differs from Keras here, and Keras of today from the notebook's own "
        f"setting ({OWN_SETTING}).**"
    )


def _rows(table: pd.DataFrame) -> list[dict[Any, Any]]:
    return [dict(row) for row in table.to_dict("records")]


def _spread(row: Mapping[Any, Any], prefix: str = "") -> str:
    median, least, most = (fixed(row[f"{prefix}{name}"], 4) for name in ("median", "least", "most"))
    return f"{median} ({least} to {most})"


def _excess(row: Mapping[Any, Any]) -> str:
    value, low, high = (fixed(100 * row[name], 1, signed=True) for name in ("excess", "excess_low", "excess_high"))
    return f"{value} ({low} to {high})"
