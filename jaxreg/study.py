"""The notebook against its reproduction, and its conclusions judged: `python -m jaxreg.study`.

Reads finished runs of sweeps/notebook.toml, sweeps/regularizers.toml and sweeps/outliers.toml, and the printed
losses. Writes twelve.csv, curves.csv, conclusions.csv and study.md into the notebook's folder and its report
again, which takes study.md in. Trains nothing; what was not run is called not measured, with the command.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from jaxreg import report, reproduction, step_cost
from jaxreg.conclusions import CONCLUSIONS
from jaxreg.errors import UserError
from jaxreg.evidence import FAILS, HOLDS, MISSING, OTHER, Finding, Runs, decide, together
from jaxreg.files import write_csv, write_text
from jaxreg.formatting import estimate, fixed, listing, number
from jaxreg.results import Results, read
from jaxreg.tables import markdown

PRINTED = Path("sweeps/notebook-printed.csv")
COST = "step_cost.csv"


def write(
    notebook: Path, regularizers: Path, outliers: Path, printed: Path = PRINTED, measure_cost: bool = False
) -> Path:
    """Writes the study into the notebook's folder; returns the path of study.md.

    Args:
        notebook, regularizers, outliers: folders of runs; the last two may be missing.
        printed: the losses that the notebook printed.
        measure_cost: time the penalties' steps and keep the times in step_cost.csv; otherwise those kept are used.

    Raises:
        UserError: the notebook's run or the printed losses are missing, or can't be read.
    """
    own, losses = read(notebook), reproduction.read_printed(printed)
    if measure_cost:
        write_csv(notebook / COST, step_cost.measure())
    runs = Runs(
        notebook=own,
        regularizers=_if_there(regularizers),
        outliers=_if_there(outliers),
        cost=pd.read_csv(notebook / COST) if (notebook / COST).exists() else None,
    )
    members, history = own.members, own.history
    table = reproduction.twelve(losses, members, history)
    curves = reproduction.curves(losses, members, history)
    judged = judge(runs)
    write_csv(notebook / "twelve.csv", table)
    write_csv(notebook / "curves.csv", curves)
    write_csv(notebook / "conclusions.csv", rows(judged))
    page = f"{twelve_section(table, curves, own)}\n\n{conclusions_section(judged)}\n"
    return write_text(notebook / "study.md", page)


def _if_there(folder: Path) -> Results | None:
    """A finished run; None where there is none, or not yet all of it."""
    return read(folder) if (folder / "choices.csv").exists() else None


def judge(runs: Runs) -> list[list[Finding]]:
    """The findings of each conclusion; the correction runs over those of all conclusions together."""
    findings = iter(decide([claim for conclusion in CONCLUSIONS for claim in conclusion.claims], runs))
    return [[next(findings) for _ in conclusion.claims] for conclusion in CONCLUSIONS]


def verdict(place: int, findings: list[Finding]) -> str:
    """The verdict on the conclusion at this place (from 0)."""
    return together(findings) if CONCLUSIONS[place].claims else OTHER


def rows(judged: list[list[Finding]]) -> pd.DataFrame:
    """conclusions.csv: a row a finding, one without numbers for a conclusion that no number can decide."""
    table = []
    for place, (conclusion, findings) in enumerate(zip(CONCLUSIONS, judged, strict=True)):
        base = {"conclusion": place + 1, "text": conclusion.text, "verdict": verdict(place, findings)}
        for finding in findings:
            measured = finding.measured
            row: dict[str, object] = {"measured": measured.what if measured else finding.note}
            if measured:
                row |= {"value": measured.value, "low": measured.low, "high": measured.high}
            row |= {"p_adjusted": finding.p_adjusted, "finding": finding.verdict}
            table.append(base | row | {"counts": finding.claim.counts, "source": finding.claim.source})
        if not findings:
            table.append(base)
    return pd.DataFrame(table)


def twelve_section(table: pd.DataFrame, curves: pd.DataFrame, run: Results) -> str:
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
    outside = table[table["inside"].map(lambda inside: inside is not None and not inside)]
    if outside.empty:
        return ["No printed number is further off than seeds are from each other."]
    lines = []
    for row in outside.to_dict("records"):
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


def conclusions_section(judged: list[list[Finding]]) -> str:
    """The thirteen conclusions: an overview, then the numbers behind each."""
    overview, details = [], []
    for place, (conclusion, findings) in enumerate(zip(CONCLUSIONS, judged, strict=True)):
        verdict_ = verdict(place, findings)
        overview.append({"No.": str(place + 1), "Conclusion": conclusion.text, "Verdict": f"**{verdict_}**"})
        lines = [f"### {place + 1}. {conclusion.text}", f"**{verdict_[0].upper()}{verdict_[1:]}.**"]
        lines[1] += f" {conclusion.aside}" if conclusion.aside else ""
        evidence = list(dict.fromkeys(line(finding) for finding in findings))
        lines += ["\n".join(evidence)] if evidence else []
        details.append("\n\n".join(lines))
    table = pd.DataFrame(overview).to_markdown(index=False, disable_numparse=True, colalign=("right", "left", "left"))
    explained = (
        "A conclusion holds if every number that counts for it has the sign it says, and does not hold if one has "
        "the other sign. Differences are paired by training set (by seed in the notebook's own setting, where all "
        "share one), with 95 % intervals over training sets and seeds; the sign counts as told where p is below "
        "0.05 after Holm's correction over all numbers below that count (differences of variance: over the cells of "
        'their own table). "Best" strengths are those with the lowest test cross-entropy here. Numbers in italics '
        "decide nothing: they are the notebook's own setting, or other views of the same question."
    )
    return "\n\n".join(["## The conclusions of the notebook, judged", table, explained, *details])


def line(finding: Finding) -> str:
    """One finding as an item of a list."""
    if finding.measured is None:
        missing = finding.note
        missing = f"`{missing}`" if missing.startswith("python") else f"it needs {missing}"
        return f"- {MISSING}: {missing}"
    measured = finding.measured
    shown = estimate(measured.value, measured.low, measured.high, signed=True, percent=measured.percent)
    says = {HOLDS: "says so", FAILS: "says otherwise"}.get(finding.verdict, "undecided")
    p = "" if np.isnan(finding.p_adjusted) else f", p = {number(finding.p_adjusted, 2)}"
    if finding.claim.counts:
        return f"- {measured.what}: **{shown}**{p}: {says} ({finding.claim.source})"
    return f"- *{measured.what}: {shown}*"


def main(arguments: list[str] | None = None) -> int:
    """The command: 0 done, 2 wrong input."""
    parser = argparse.ArgumentParser(prog="python -m jaxreg.study", description=(__doc__ or "").split("\n")[0])
    for name in ("notebook", "regularizers", "outliers"):
        words = f"folder of the run of sweeps/{name}.toml (default: reports/{name})"
        parser.add_argument(f"--{name}", type=Path, default=Path("reports") / name, metavar="DIR", help=words)
    parser.add_argument(
        "--printed", type=Path, default=PRINTED, metavar="CSV", help=f"the printed losses (default: {PRINTED})"
    )
    parser.add_argument(
        "--cost", action="store_true", help=f"time a step without penalty, with L1 and with L2, and keep {COST}"
    )
    given = parser.parse_args(arguments)
    try:
        print(f"wrote {write(given.notebook, given.regularizers, given.outliers, given.printed, given.cost)}")
        print(f"wrote {report.write(given.notebook)}")
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
