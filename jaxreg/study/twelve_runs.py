"""The section on the twelve runs: what the notebook printed beside what our seeds do."""

from __future__ import annotations

import pandas as pd

from jaxreg.formatting import fixed, listing, number
from jaxreg.report.markdown import table as markdown
from jaxreg.store.results import Results
from jaxreg.study import reproduction


def section(table: pd.DataFrame, curves: pd.DataFrame, run: Results) -> str:
    """The table of the twelve runs and a sentence on each number that no seed would print."""
    shown, losses = [], {name: table[table["loss"] == name].set_index("run") for name in ("train", "test")}
    for name in losses["train"].index:
        row: dict[str, str] = {"Run": f"`{name}`"}
        for loss, part in losses.items():
            one = part.loc[name]
            title = "Train loss" if loss == "train" else "Test loss"
            row[f"{title}, printed"] = fixed(one["printed"], 4)
            row[f"{title}, ours"] = f"{fixed(one['median'], 4)} ({fixed(one['least'], 4)} to {fixed(one['most'], 4)})"
            row[f"{loss}: p"] = number(one["p"], 2)
            row[f"{loss}: inside?"] = {None: "not measured"}.get(one["inside"], "yes" if one["inside"] else "**no**")
        honest = losses["test"].loc[name]
        row["Train cross-entropy"] = fixed(honest["train_cross_entropy"], 4)
        row["Test cross-entropy"] = fixed(honest["test_cross_entropy"], 4)
        row["Test accuracy, %"] = fixed(100 * honest["test_accuracy"], 2)
        shown.append(row)
    tests = int(table["p"].notna().sum())
    below = {column: int((table[column] < 0.05).sum()) for column in ("p", "p_holm", "p_bh")}
    seeds = table["seeds"].max()
    short = table[(table["seeds"] > 0) & (table["epoch"] < table["epoch"].max())].to_dict("records")
    epochs = ", ".join(f"`{row['run']}` at epoch {row['epoch']}" for row in short)
    inside = curves["p"].dropna() >= 0.05
    words = [
        "## The twelve runs of the notebook",
        f"Each was printed once, from one unknown seed. Ours: the median and, in brackets, the range over {seeds} "
        "seeds. Train loss: the running mean over the last printed epoch"
        + (f" ({epochs}, the last that it shows)" if epochs else "")
        + ", penalty in, dropout on; test loss: cross-entropy plus penalty, as Keras's `evaluate` gives it. The "
        "three columns at the right are ours without penalty, with the weights frozen and dropout off (medians).",
        markdown(shown),
        "*p: the printed number as one more draw beside our seeds, by Student's t on the log scale with the "
        "prediction interval's width, sd·√(1 + 1/n). (Ranks alone can't tell: with 8 seeds no p-value below 2/9 "
        "is possible.) Inside: p at least 0.05 after Benjamini and Hochberg's correction over the "
        f"{tests} numbers. Below 0.05: {below['p']} uncorrected, {below['p_bh']} after Benjamini and Hochberg, "
        f"{below['p_holm']} after Holm. The interval itself, and every epoch's: `twelve.csv`, `curves.csv`.*",
        f"Epoch by epoch, {int(inside.sum())} of the {inside.size} printed training losses lie in the 95 % prediction "
        f"interval of their epoch (the epochs of a run are not independent).{off_curves(curves)} `early_stopping` is "
        "`simple` run again, and from the same seeds ours are the same networks.",
        *why(table, curves, run),
    ]
    return "\n\n".join(words)


def off_curves(curves: pd.DataFrame) -> str:
    """Which printed epochs lie outside the 95 % interval."""
    parts = []
    for name, part in curves[curves["p"] < 0.05].groupby("run", sort=False):
        away = 100 * (part["printed"] / part["median"] - 1)
        epochs = [f"{epoch} ({number(x, 2)} %)" for epoch, x in zip(part["epoch"], away, strict=True)]
        parts.append(f"`{name!s}` epoch {listing(epochs)}")
    return f" Outside (printed against our median): {'; '.join(parts)}." if parts else ""


def why(table: pd.DataFrame, curves: pd.DataFrame, run: Results) -> list[str]:
    """For each number outside: how far, and what the rest of its run says."""
    outside = reproduction.outside(table)
    if not outside:
        return ["No printed number is further off than seeds are from each other."]
    lines = []
    for row in outside:
        curve = curves[curves["run"] == row["run"]]
        off = curve[curve["p"] < 0.05]
        distance = row["printed"] / row["median"] - 1
        text = (
            f"- `{row['run']}`, {row['loss']} loss: {fixed(row['printed'], 4)}, {fixed(100 * abs(distance), 1)} % "
            f"{'above' if distance > 0 else 'below'} our median; one more seed would fall in "
            f"{fixed(row['low'], 4)} to {fixed(row['high'], 4)}. Of "
            f"its {len(curve)} printed training losses {len(off)} lie outside the interval of their epoch"
        )
        text += f" (epochs {listing([str(epoch) for epoch in off['epoch']])})." if len(off) else "."
        text += _epochs_that_fit(row["run"], row["loss"], row["printed"], run)
        p = [number(row[column], 2) for column in ("p", "p_bh", "p_holm")]
        text += f" p = {p[0]}; {p[1]} after Benjamini and Hochberg, {p[2]} after Holm"
        lines.append(text + (", which would leave it inside." if row["p_holm"] >= 0.05 else "."))
    return ["Outside, and what the rest of the run says:", "\n".join(lines)]


def _epochs_that_fit(name: str, loss: str, printed: float, run: Results) -> str:
    """The epochs whose loss of ours would have made the printed number ordinary."""
    ours = run.history[run.history["member"].isin(run.members.loc[run.members["cell"] == name, "member"])]
    ours = ours.assign(test=ours["test_cross_entropy"] + ours["penalty"], train=ours["train_loss"])
    fits = [
        int(str(epoch))
        for epoch, part in ours.groupby("epoch")
        if reproduction.predicted(part[loss].to_numpy(), printed).p >= 0.05
    ]
    about = " (with the mean penalty of the epoch)" if loss == "test" and ours["penalty"].any() else ""
    if not fits:
        return f" No epoch of ours has a {loss} loss{about} that fits it."
    return f" Our {loss} loss{about} fits it at epoch {listing([str(epoch) for epoch in fits])}."
