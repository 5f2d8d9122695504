"""The columns of a run's tables that a report asks for."""

from __future__ import annotations

from collections.abc import Sequence

from jaxreg.measures import Measures

# The columns without which a table can't be read at all; the report leaves out what else is missing. Loss and score are
# those of the kind of target.
NEEDED = {
    "members": ["member", "cell", "split", "seed", "test_{loss}", "test_{score}", "diverged_at"],
    "history": ["member", "epoch", "train_{loss}", "test_{loss}"],
    "decomposition": ["cell", "loss", "error", "bias", "variance", "variance_split", "variance_seed"],
    "comparisons": ["cell", "reference", "measure", "difference", "low", "high", "p_adjusted", "verdict"],
    "choices": ["axis", "rule", "cell", "test_{loss}"],
}
# What the report looks for in every row, and does without.
EMPTY = {
    "members": ["train_{loss}", "stopped_at"],
    "decomposition": ["error_low", "error_high", "splits", "seeds", "r2", "r2_low", "r2_high"],
}
OPTIONAL = {
    "classes": ["cell", "class", "loss", "error", "bias", "variance", "variance_split", "variance_seed"],
    "quantities": ["scope", "cell", "quantity", "error", "bias", "variance", "rmse", "r2", "absolute_error"],
    "calibration": ["cell", "expected_calibration_error", "low", "high"],
    "reliability": ["cell", "bin", "confidence", "accuracy", "share"],
    "features": ["cell", "feature", "norm"],
    "power": ["measure"],
    "second_stage": ["member", "cell", "split", "seed", "test_{score}", "diverged_at"],
    "whole": ["cell", "seeds", "measure", "mean", "mean_low", "difference", "low", "high", "verdict"],
    "recommendation": ["scope", "purpose", "measure", "cell", "difference", "low", "high", "better", "worse"],
    "looks": ["look", "of", "measure", "tests", "members", "open", "better", "worse", "leader", "ended"],
    "data_size": ["axis", "trained_on", "cell", "none", "position", "optimum", "low", "high", "gain", "slope"],
}
FILES = (*(f"{name}.csv" for name in (*NEEDED, *OPTIONAL)), "examples.npz")


def called(columns: Sequence[str], measures: Measures) -> list[str]:
    """Columns by their names for a kind of target."""
    return [column.format(loss=measures.loss, score=measures.score) for column in columns]
