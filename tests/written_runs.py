"""Run folders with nothing trained: members and their predictions by formula, the tables by the real analysis.

`python tests/written_runs.py` writes the golden report again; look at the difference before committing it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from jaxreg.axes import AXES, CONDITIONS, OURS, RECIPE
from jaxreg.statistics.analysis import analyse, write
from jaxreg.statistics.predictions import ClassPredictions
from jaxreg.statistics.sums import lse

GOLDEN = Path(__file__).parent / "golden" / "report.md"
BASE = {name: [OURS, *axis.values][-1] if axis.off is RECIPE else axis.off for name, axis in AXES.items()}
CLASSES = ("ant", "bee", "cat", "dog", "elk", "fox", "gnu", "hen", "ibis", "jay")
LABELS = np.arange(200) % len(CLASSES)
Cell = tuple[str, dict[str, Any]]
L1_L2: Sequence[Cell] = [
    ("plain", {}),
    ("l1=1e-5", {"l1": 1e-5}),
    ("l1=1e-3", {"l1": 1e-3}),
    ("l2=1e-4", {"l2": 1e-4}),
    ("l2=0.01", {"l2": 0.01}),
]


EXAMPLES = 500  # of a split


def trained_on(settings: dict[str, Any]) -> int:
    """Training examples of a member with these settings."""
    asked = settings.get("train_examples", "all")
    return EXAMPLES if asked == "all" else int(asked)


def predictions(settings: dict[str, Any], splits: int, seeds: int) -> np.ndarray:
    """Log-probabilities [split, seed, example, class] of the members of a cell.

    Strengths (anything else that is on counts as a weak one) shrink the logits, so that bias grows, and what splits and
    seeds do to them even more, so that variance falls: the error is least between the ends. With fewer training
    examples splits and seeds do more, and a strength does less, as beside a mean loss. The splits and seeds of all
    cells are the same ones.
    """
    random = np.random.default_rng(0)
    believed = np.where(random.random(len(LABELS)) < 0.02, LABELS + 1, LABELS) % len(CLASSES)
    centre = random.uniform(1, 6, (len(LABELS), 1)) * np.eye(len(CLASSES))[believed]
    shape = (len(LABELS), len(CLASSES))
    by_split = random.normal(size=(splits, 1, *shape)) * random.uniform(0.9, 1.1, (splits, 1, 1, 1))
    by_seed = random.normal(size=(splits, seeds, *shape)) * random.uniform(0.9, 1.1, (splits, seeds, 1, 1))
    share = trained_on(settings) / EXAMPLES
    l1, l2 = (1e5 * share * float(settings.get(axis, 0)) for axis in ("l1", "l2"))
    strength = np.log1p(l1) + 0.6 * np.log1p(l2)
    strength += 0.2 * len(set(settings) - {"l1", "l2", *CONDITIONS})
    z = (centre + np.exp(-0.5 * strength) / share**0.25 * (by_split + 0.8 * by_seed)) / (1 + 0.06 * strength**2)
    wrong = float(settings.get("label_noise", 0)) * len(CLASSES) / (len(CLASSES) - 1)
    p = (1 - wrong) * np.exp(z - lse(z)[..., None]) + wrong / len(CLASSES)
    return np.log(p).astype(np.float32)


def write_run(
    folder: Path,
    cells: Sequence[Cell] = L1_L2,
    splits: int = 3,
    seeds: int = 2,
    epochs: int = 4,
    diverged: Sequence[str] = (),
    grid: str | None = "l1,l2",
    pictures: bool = False,
    deals: int = 1,
) -> Path:
    """Write the files of a run; members of the cells named in `diverged` all diverge in epoch 2.

    With `pictures` the inputs are some. With several `deals`, each has so many splits.
    """
    folder.mkdir(parents=True, exist_ok=True)
    members, history, outputs = [], [], []
    for cell, settings in cells:
        lost = cell in diverged
        log_p = predictions(settings, deals * splits, seeds)
        for split, seed in np.ndindex(deals * splits, seeds):
            name, own = f"{cell}/split{split}/seed{seed}", log_p[split, seed] * (np.nan if lost else 1)
            loss = -float(own[np.arange(len(LABELS)), LABELS].mean())
            accuracy = np.nan if lost else float((own.argmax(-1) == LABELS).mean())
            outputs.append(own)
            members.append(
                {"member": name, "cell": cell, "architecture": "784-8-10", **BASE, **settings}
                | ({"deal": split // splits} if deals > 1 else {})
                | {"split": split, "seed": seed, "trained_on": trained_on(settings)}
                | {"train_cross_entropy": 0.8 * loss, "train_accuracy": 0.9, "penalty": 0.01}
                | {"test_cross_entropy": loss, "test_accuracy": accuracy, "weight_l1": 900.0, "weight_l2": 90.0}
                | {"small_weights": 0.05, "live_small_weights": 0.04, "zero_weights": 0.0, "epochs": epochs}
                | {"diverged_at": 2 if lost else np.nan, "stopped_at": np.nan, "seconds": 0.25}
            )
            for epoch in range(1, epochs + 1):
                test = 1.0 if lost and epoch == 1 else loss + 0.5 / epoch**2 - 0.5 / epochs**2
                history.append(
                    {"member": name, "epoch": epoch, "train_loss": test - 0.04, "train_cross_entropy": test - 0.05}
                    | {"penalty": 0.01, "test_cross_entropy": test, "test_accuracy": 0.8}
                )
    table = pd.DataFrame(members)
    table.to_csv(folder / "members.csv", index=False)
    pd.DataFrame(history).to_csv(folder / "history.csv", index=False)
    inputs = np.arange(len(LABELS) * 64, dtype=np.uint8).reshape(-1, 64) if pictures else None
    scored = ClassPredictions(np.array(outputs), LABELS)
    write(
        analyse(table, scored, list(table["member"]), inputs, (8, 8), CLASSES),
        folder,
    )
    record = {
        "sweep": {"name": folder.name, "grid": grid, "splits": splits, "deals": deals, "seeds": seeds},
        "command": "python -m jaxreg.sweep --grid l1,l2",
        "versions": {"jaxreg": "0.1.0", "jax": "0.7.2"},
        "device": "cpu", "precision": "float32", "programs": 1, "traces": 1,
        "compile_seconds": 3.14159265358979, "run_seconds": 12.3456789012345,
        "data": {"name": "animals", "digest": "0123abcd"}, "small_weight_threshold": 1e-3,
    }  # fmt: skip
    (folder / "run.json").write_text(json.dumps(record))
    return folder


if __name__ == "__main__":
    import tempfile

    from jaxreg.report import page as report

    with tempfile.TemporaryDirectory() as temporary:
        page = report.write(write_run(Path(temporary) / "reports" / "tiny")).read_text()
    GOLDEN.parent.mkdir(exist_ok=True)
    GOLDEN.write_text(page)
    sys.stdout.write(f"wrote {GOLDEN}\n")
