"""The twelve runs of the notebook: is what it printed what another seed might have printed?

One number was printed, and n seeds of ours stand against it. If the printed run is one more draw from the same
distribution, then  (x - mean) / (sd * sqrt(1 + 1/n))  has Student's t distribution with n - 1 degrees of freedom
(the prediction interval of one new observation). Losses are positive and their spread grows with them, so x is the
logarithm of a loss. A statement by ranks alone can't say much: with 8 seeds, no printed number, however far off,
could get a p-value below 2/9.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy import stats

from jaxreg.errors import UserError
from jaxreg.statistics.comparisons import benjamini_hochberg, holm

LEVEL = 0.95


class Prediction(NamedTuple):
    """Where one more seed would fall, and how odd the printed number is among seeds."""

    low: float
    high: float
    p: float  # two-sided; nan with fewer than two losses


def predicted(losses: Float[np.ndarray, " seed"], printed: float) -> Prediction:
    """The 95 % prediction interval of one more loss like `losses`, and the p-value of `printed`, on the log scale."""
    logs = np.log(np.asarray(losses, dtype=np.float64))
    n = logs.size
    if n < 2 or not np.isfinite(logs).all():
        return Prediction(np.nan, np.nan, np.nan)
    middle, scale = logs.mean(), logs.std(ddof=1) * np.sqrt(1 + 1 / n)
    half = stats.t.ppf((1 + LEVEL) / 2, n - 1) * scale
    distance = abs(np.log(printed) - middle)
    p = 2 * stats.t.sf(distance / scale, n - 1) if scale > 0 else float(distance == 0)
    return Prediction(float(np.exp(middle - half)), float(np.exp(middle + half)), float(p))


def read_printed(file: Path) -> pd.DataFrame:
    """The printed losses: `run, epoch, split, loss`; `epoch` is missing for the one test loss of a run."""
    try:
        return pd.read_csv(file, comment="#")
    except (OSError, ValueError) as error:
        raise UserError(f"{file}: can't be read ({error}). Give the printed losses with --printed.") from None


def curves(printed: pd.DataFrame, members: pd.DataFrame, history: pd.DataFrame) -> pd.DataFrame:
    """Every printed training loss against the same epoch of ours: `run, epoch, printed, median, low, high, p`."""
    rows = []
    for row in printed[printed["split"] == "train"].to_dict("records"):
        mine = ours(members, history, row["run"], "train", int(row["epoch"]))
        rows.append(
            {"run": row["run"], "epoch": int(row["epoch"]), "printed": row["loss"], "median": _median(mine)}
            | predicted(mine, row["loss"])._asdict()
        )
    return pd.DataFrame(rows)


def ours(members: pd.DataFrame, history: pd.DataFrame, run: str, loss: str, epoch: int) -> Float[np.ndarray, " seed"]:
    """What our seeds would have printed: the training loss of an epoch, or the test loss at the end."""
    if loss == "test":
        mine = members[members["cell"] == run]
        return (mine["test_cross_entropy"] + mine["penalty"]).dropna().to_numpy()
    here = _of(run, members, history)
    return here.loc[here["epoch"] == epoch, "train_loss"].dropna().to_numpy()


def _of(run: str, members: pd.DataFrame, history: pd.DataFrame) -> pd.DataFrame:
    return history[history["member"].isin(members.loc[members["cell"] == run, "member"])]


def twelve(printed: pd.DataFrame, members: pd.DataFrame, history: pd.DataFrame) -> pd.DataFrame:
    """Two rows a run: its last printed training loss and its test loss, each against ours.

    Returns:
        `run, loss ("train", "test"), epoch, printed, seeds, median, least, most` (ours, over seeds), `low, high`
        (prediction interval), `p, p_holm, p_bh` (over all rows), `inside` (p after Benjamini and Hochberg's
        correction is at least 0.05: the one that finds more), `test_cross_entropy`, `train_cross_entropy`
        (medians without penalty, weights frozen), `test_accuracy`, `penalty`.
    """
    rows = []
    for run in dict.fromkeys(printed["run"]):
        here, mine = printed[printed["run"] == run], members[members["cell"] == run]
        train = here[here["split"] == "train"].sort_values("epoch").iloc[-1]
        test = here[here["split"] == "test"].iloc[0]
        last = _of(run, members, history)["epoch"].max()
        epochs = {"train": int(train["epoch"]), "test": 0 if np.isnan(last) else int(last)}
        honest = ("test_cross_entropy", "train_cross_entropy", "test_accuracy", "penalty")
        for loss, number in (("train", float(train["loss"])), ("test", float(test["loss"]))):
            losses = ours(members, history, run, loss, epochs[loss])
            spread = (losses.min(), losses.max()) if losses.size else (np.nan, np.nan)
            rows.append(
                {"run": run, "loss": loss, "epoch": epochs[loss], "printed": number, "seeds": losses.size}
                | {"median": _median(losses), "least": spread[0], "most": spread[1]}
                | predicted(losses, number)._asdict()
                | {name: _median(mine[name].dropna().to_numpy()) for name in honest}
            )
    table = pd.DataFrame(rows)
    p = table["p"].to_numpy()
    table["p_holm"], table["p_bh"] = holm(p), benjamini_hochberg(p)
    table["inside"] = [None if np.isnan(value) else bool(value >= 1 - LEVEL) for value in table["p_bh"]]
    return table


def outside(twelve: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of twelve.csv whose printed number none of our seeds would give."""
    found = twelve[twelve["inside"].map(lambda inside: inside is not None and not inside)]
    return [{str(key): value for key, value in row.items()} for row in found.to_dict("records")]


def _median(values: np.ndarray) -> float:
    return float(np.median(values)) if values.size else np.nan
