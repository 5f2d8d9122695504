"""Run folders written from formulas, with nothing trained: what the report is tested on.

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

GOLDEN = Path(__file__).parent / "golden" / "report.md"
AXES: dict[str, Any] = {
    "l1": 0.0, "l2": 0.0, "dropout": 0.0, "batch_norm": False, "depth": 1, "scaling": "unit",
    "early_stopping": "off", "label_noise": 0.0, "pixel_noise": 0.0,
}  # fmt: skip
LOSSES = ("brier", "cross_entropy", "zero_one")
MEASURES = {
    "test_cross_entropy": ("cross_entropy", "error"),
    "test_error": ("zero_one", "error"),
    "test_brier": ("brier", "error"),
    "bias_brier": ("brier", "bias"),
    "variance_brier": ("brier", "variance"),
    "bias_cross_entropy": ("cross_entropy", "bias"),
    "variance_cross_entropy": ("cross_entropy", "variance"),
}
Cell = tuple[str, dict[str, Any]]
L1_L2: Sequence[Cell] = [
    ("plain", {}),
    ("l1=1e-5", {"l1": 1e-5}),
    ("l1=1e-3", {"l1": 1e-3}),
    ("l2=1e-4", {"l2": 1e-4}),
    ("l2=0.01", {"l2": 0.01}),
]


def parts(settings: dict[str, Any], loss: str) -> dict[str, float]:
    """Bias grows and variance falls with the strengths, so that the error is least between the ends."""
    strength = sum(
        float(np.log1p(1e5 * float(settings.get(axis, 0)))) * weight for axis, weight in (("l1", 1.0), ("l2", 0.6))
    )
    scale = {"brier": 0.6, "cross_entropy": 1.0, "zero_one": 0.5}[loss]
    bias, variance = scale * (0.3 + 0.012 * strength**1.6), scale * 0.12 * np.exp(-0.5 * strength)
    return {"bias": bias, "variance": variance, "error": bias + variance}


def write_run(
    folder: Path,
    cells: Sequence[Cell] = L1_L2,
    splits: int = 3,
    seeds: int = 2,
    epochs: int = 4,
    diverged: Sequence[str] = (),
    grid: str | None = "l1,l2",
) -> Path:
    """Write the files of a run; members of the cells named in `diverged` all diverge in epoch 2."""
    folder.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(0).normal
    members, history, decomposition = [], [], []
    for cell, settings in cells:
        lost = cell in diverged
        error = parts(settings, "cross_entropy")["error"]
        for split in range(splits):
            for seed in range(seeds):
                member, luck = f"{cell}/split{split}/seed{seed}", 0.01 * noise()
                final = np.nan if lost else error + luck
                members.append(
                    {"member": member, "cell": cell, "architecture": "784-8-10", **AXES, **settings}
                    | {"split": split, "seed": seed, "train_examples": 500, "epochs": epochs}
                    | {"train_cross_entropy": 0.8 * final, "train_accuracy": 1 - 0.4 * final, "penalty": 0.01}
                    | {
                        "test_cross_entropy": final,
                        "test_accuracy": np.nan if lost else 1 - 0.5 * error + 0.1 * luck,
                    }
                    | {
                        "weight_l1": 900.0,
                        "weight_l2": 90.0,
                        "small_weights": 0.05,
                        "live_small_weights": 0.04,
                    }
                    | {"diverged_at": 2 if lost else np.nan, "stopped_at": np.nan, "seconds": 0.25}
                )
                for epoch in range(1, epochs + 1):
                    loss = np.nan if lost and epoch > 1 else error + luck + 0.5 / epoch**2
                    history.append((member, epoch, loss + 0.01, loss - 0.05, 0.01, loss, 0.8))
        for loss in LOSSES:
            values = parts(settings, loss)
            models = splits * seeds
            known = dict.fromkeys(("error", "bias", "variance"), not lost)
            known |= dict.fromkeys(("bias", "variance"), models > 1 and not lost)
            split_known = min(splits, seeds) > 1 and not lost and loss != "zero_one"
            seed_known = seeds > 1 and not lost and loss != "zero_one"
            values |= {"variance_split": 0.6 * values["variance"], "variance_seed": 0.4 * values["variance"]}
            known |= {"variance_split": split_known, "variance_seed": seed_known}
            row: dict[str, Any] = {"cell": cell, **AXES, **settings, "loss": loss}
            for name, value in values.items():
                middle = value if known[name] else np.nan
                row |= {name: middle, f"{name}_low": middle - 0.0123, f"{name}_high": middle + 0.0123}
            kept = 0 if lost else models
            decomposition.append(row | {"models": kept, "splits": splits, "seeds": seeds, "diverged": models - kept})
    table = pd.DataFrame(decomposition)
    write = {"members": pd.DataFrame(members), "decomposition": table}
    columns = [
        "member",
        "epoch",
        "train_loss",
        "train_cross_entropy",
        "penalty",
        "test_cross_entropy",
        "test_accuracy",
    ]
    write["history"] = pd.DataFrame(history, columns=columns)
    write |= _conclusions(table, cells)
    for name, content in write.items():
        content.to_csv(folder / f"{name}.csv", index=False)
    record = {
        "sweep": {"name": folder.name, "grid": grid, "splits": splits, "seeds": seeds},
        "command": "python -m jaxreg.sweep --grid l1,l2",
        "versions": {"jaxreg": "0.1.0", "jax": "0.7.2"},
        "device": "cpu", "precision": "float32", "programs": 1, "traces": 1,
        "compile_seconds": 3.14159265358979, "run_seconds": 12.3456789012345,
        "data": {"name": "Fashion-MNIST", "digest": "0123abcd"}, "small_weight_threshold": 1e-3,
    }  # fmt: skip
    (folder / "run.json").write_text(json.dumps(record))
    return folder


def _conclusions(table: pd.DataFrame, cells: Sequence[Cell]) -> dict[str, pd.DataFrame]:
    """Comparisons, choices, classes and calibration that follow from the decomposition."""
    error = table[table["loss"] == "cross_entropy"].set_index("cell")["error"].dropna()
    best = error.idxmin() if len(error) else None
    comparisons = []
    for reference in dict.fromkeys([cells[0][0], best] if best else []):
        for cell, _ in cells:
            for measure, (loss, part) in MEASURES.items() if cell != reference else ():
                values = table[table["loss"] == loss].set_index("cell")[part]
                d = values[cell] - values[reference]
                word = "not distinguishable" if not abs(d) > 0.006 else "lower" if d < 0 else "higher"
                comparisons.append((cell, reference, measure, d, d - 0.0055, d + 0.0055, 0.03, word))
    names = ["cell", "reference", "measure", "difference", "low", "high", "p_adjusted", "verdict"]
    choices = []
    for axis in ("l1", "l2", "all"):
        group = [cell for cell, settings in cells if cell in error and (axis == "all" or not set(settings) - {axis})]
        if len(group) < 2:
            continue
        first = error[group].idxmin()
        tied = [cell for cell in group if error[cell] <= error[first] + 0.01]
        for rule, cell in (("best", first), ("one_standard_error", tied[-1])):
            value = dict(cells)[cell].get(axis, 0.0) if axis != "all" else np.nan
            row = {
                "axis": axis,
                "rule": rule,
                "cell": cell,
                "value": value,
                "test_cross_entropy": error[cell],
            }
            row |= {"low": error[cell] - 0.01, "high": error[cell] + 0.01, "test_error": 0.15}
            row |= {"honest_cross_entropy": error[cell] + 3e-4, "honest_error": 0.151, "flattery": 3e-4}
            choices.append(row | {"tied": "; ".join(tied)})
    columns = ["axis", "rule", "cell", "value", "test_cross_entropy", "low", "high", "test_error"]
    columns += ["honest_cross_entropy", "honest_error", "flattery", "tied"]
    classes = [
        {"cell": row["cell"], "class": k, "loss": row["loss"]}
        | {name: row[name] * (1 + 0.1 * k) for name in ("error", "bias", "variance", "variance_split", "variance_seed")}
        for _, row in table.iterrows()
        for k in range(10)
    ]
    reliability = [
        {"cell": cell, "bin": i, "confidence": 0.15 + i / 10, "accuracy": 0.12 + i / 10, "share": 0.1}
        for cell, _ in cells
        for i in range(9)
    ]
    calibration = [(cell, 0.03, 0.025, 0.035) for cell, _ in cells]
    return {
        "comparisons": pd.DataFrame(comparisons, columns=names),
        "choices": pd.DataFrame(choices, columns=columns),
        "classes": pd.DataFrame(classes),
        "calibration": pd.DataFrame(calibration, columns=["cell", "expected_calibration_error", "low", "high"]),
        "reliability": pd.DataFrame(reliability),
    }


def with_examples(folder: Path) -> Path:
    """Add a sheet of images to a run folder."""
    n = 12
    np.savez(
        folder / "examples.npz",
        example=np.arange(n), label=np.arange(n) % 10, predicted=(np.arange(n) + 1) % 10,
        cell=np.repeat("plain", n), kind=np.repeat(["variance", "bias"], n // 2), value=np.linspace(1, 0, n),
        pixels=np.arange(n * 784, dtype=np.uint8).reshape(n, 784),
    )  # fmt: skip
    return folder


if __name__ == "__main__":
    import tempfile

    from jaxreg.report import page as report

    with tempfile.TemporaryDirectory() as temporary:
        page = report.write(write_run(Path(temporary) / "reports" / "tiny")).read_text()
    GOLDEN.parent.mkdir(exist_ok=True)
    GOLDEN.write_text(page)
    sys.stdout.write(f"wrote {GOLDEN}\n")
