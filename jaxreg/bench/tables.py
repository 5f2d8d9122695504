"""A sweep on tables next to scikit-learn: `GridSearchCV(MLPClassifier)`, on the same rows for the same epochs.

Both are commands of their own, from start to end, in turn. Each trains every strength of L2 on the same disjoint parts
of the same made-up table, with Adam, one network of one shape, and scores the same rows. scikit-learn uses a process a
core. The sweep compiles, analyses and writes its report besides. A table of 178 rows is swept as anybody would.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from jaxreg.bench.rounds import ranged, spread
from jaxreg.report.markdown import table

ROWS, FEATURES, PARTS, HIDDEN, BATCH = 20_000, 50, 5, (64, 32), 32
EPOCHS = (200, 15)
"""What `MLPClassifier` takes by default, and what a sweep does of such a table."""
STRENGTHS = (0.0, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1)
TESTED = ROWS // 4
STEPS = -(-(ROWS - TESTED) // PARTS // BATCH)  # of a member in an epoch
MEMBERS = PARTS * len(STRENGTHS)


def made(folder: Path) -> Path:
    """The table, as arrays: three quarters of the rows train."""
    from sklearn.datasets import make_classification

    x, y = make_classification(ROWS, FEATURES, n_informative=20, n_classes=3, flip_y=0.1, random_state=0)
    x = ((x - x.mean(0)) / x.std(0)).astype(np.float32)
    file = folder / "made.npz"
    np.savez(file, x=x[TESTED:], y=y[TESTED:], x_test=x[:TESTED], y_test=y[:TESTED])
    return file


def wine(folder: Path) -> Path:
    """178 rows, as a CSV file."""
    from sklearn.datasets import load_wine

    file = folder / "wine.csv"
    load_wine(as_frame=True).frame.to_csv(file, index=False)
    return file


def classifier(epochs: int) -> Any:
    """scikit-learn's network: without patience, so that every epoch is trained."""
    from sklearn.neural_network import MLPClassifier

    return MLPClassifier(HIDDEN, batch_size=BATCH, max_iter=epochs, tol=0.0, n_iter_no_change=epochs + 1)


def grid_search(file: str, epochs: int) -> None:
    """scikit-learn's part, in a process of its own; prints the seconds of all fits together."""
    import warnings

    from sklearn.model_selection import GridSearchCV

    from jaxreg.data.load import load
    from jaxreg.data.splits import split_rows

    os.environ["PYTHONWARNINGS"] = "ignore"  # of its processes: that it ran out of epochs
    warnings.simplefilter("ignore")
    data = load(file, None)
    x, y = (np.concatenate(pair) for pair in zip(data.train, data.test, strict=True))
    tested = np.arange(len(data.train.targets), len(y))
    parts = [(rows, tested) for rows in split_rows(data.train.targets, PARTS, 0)]
    search = GridSearchCV(classifier(epochs), {"alpha": list(STRENGTHS)}, cv=parts, n_jobs=-1, refit=False).fit(x, y)
    print(json.dumps(float(search.cv_results_["mean_fit_time"].sum() * PARTS)))


def measure(times: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Seconds of both commands in turn, and member-steps a second of their training."""
    ours: dict[int, list[dict[str, float]]] = {epochs: [] for epochs in EPOCHS}
    theirs: dict[int, list[dict[str, float]]] = {epochs: [] for epochs in EPOCHS}
    small: list[float] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        large, few = str(made(folder)), str(wine(folder))
        l2, hidden = (",".join(map(str, values)) for values in (STRENGTHS, HIDDEN))
        flags = ["--grid", "l2", "--l2", l2, "--hidden", hidden, "--splits", str(PARTS), "--data", large, "--no-full"]
        for turn in range(times):
            for epochs in EPOCHS:
                say(f"round {turn + 1} of {times}, {epochs} epochs")
                out = folder / f"run{turn}-{epochs}"
                seconds, _ = _timed("jaxreg.sweep", *flags, "--epochs", str(epochs), "--quiet", "--out", str(out))
                about = json.loads((out / "run.json").read_text(encoding="utf-8"))
                ours[epochs].append({"job": seconds, "training": about["train_seconds"]})
                seconds, said = _timed(__name__, large, str(epochs))
                # Of so many processes side by side.
                training = json.loads(said.splitlines()[-1]) / (os.cpu_count() or 1)
                theirs[epochs].append({"job": seconds, "training": training})
            wine_out = str(folder / f"wine{turn}")
            small.append(_timed("jaxreg.sweep", "--grid", "l1,l2", "--data", few, "--quiet", "--out", wine_out)[0])
    found: dict[str, Any] = {"rows": ROWS, "features": FEATURES, "members": MEMBERS, "rounds": times}
    found["jobs"] = [_compared(epochs, ours[epochs], theirs[epochs]) for epochs in EPOCHS]
    found["wine"] = spread(small)
    return found


def _compared(epochs: int, ours: list[dict[str, float]], theirs: list[dict[str, float]]) -> dict[str, Any]:
    """The two commands on one job."""
    steps = MEMBERS * STEPS * epochs
    job: dict[str, Any] = {"epochs": epochs, "steps": steps}
    for name, times in (("jaxreg", ours), ("scikit-learn", theirs)):
        job[name] = {
            "rate": spread([steps / one["training"] for one in times]),
            "job": spread([one["job"] for one in times]),
        }
    for what in ("training", "job"):
        job[f"{what}_ratio"] = spread([b[what] / a[what] for a, b in zip(ours, theirs, strict=True)])
    return job


def _timed(module: str, *arguments: str) -> tuple[float, str]:
    """Seconds of a command, and what it printed."""
    began = time.perf_counter()
    done = subprocess.run([sys.executable, "-m", module, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{module} {' '.join(arguments)}: {done.stderr.strip()[-500:]}")
    return time.perf_counter() - began, done.stdout


def section(found: dict[str, Any]) -> list[str]:
    """What was measured, as Markdown."""
    names = {"jaxreg": "this sweep", "scikit-learn": "GridSearchCV(MLPClassifier)"}
    rows = []
    for job in found["jobs"]:
        for name, words in names.items():
            ours = name == "jaxreg"
            rows.append(
                {
                    "epochs": str(job["epochs"]),
                    "": words,
                    "member-steps a second": ranged(job[name]["rate"], 0),
                    "as fast in training": f"{ranged(job['training_ratio'], 1)} times" if ours else "1",
                    "from start to end, s": ranged(job[name]["job"], 1),
                    "as fast in all": f"{ranged(job['job_ratio'], 1)} times" if ours else "1",
                }
            )
    return [
        "## On tables, next to scikit-learn",
        table(rows),
        f"{found['rows']:,} made-up rows of {found['features']} features; {found['members']} networks 64-32, "
        f"{len(STRENGTHS)} strengths of L2 on fifths of three quarters of them, batches of 32; scikit-learn with a "
        "process a core, and without its last fit. "
        f"{EPOCHS[0]} epochs are what scikit-learn trains by default, {EPOCHS[1]} what a sweep takes for such a table. "
        f"The sweep compiles, analyses and writes its report within its time ({found['rounds']} rounds in turn). "
        f"One of 178 rows (`--grid l1,l2 --data wine.csv`) takes {ranged(found['wine'], 1)} s from start to report.",
    ]


if __name__ == "__main__":
    grid_search(sys.argv[1], int(sys.argv[2]))
