"""Sweeps of which one holds the other, and what is said while they run."""

from __future__ import annotations

from jaxreg.engine.progress import Silent
from jaxreg.spec.load import read

STRENGTHS = [1e-4, 1e-3, 1e-2]


class Told(Silent):
    """What was said."""

    def __init__(self):
        super().__init__()
        self.said = []

    def announce(self, text):
        self.said.append(text)

    warn = announce


def grown(name="grown", strengths=1, seeds=1, full_seeds=0, epochs=2, axes=("l1",), runs=(), deals=None):
    """A sweep; a larger argument is a larger sweep."""
    values = {axis: [0.0, *STRENGTHS[:strengths]] for axis in axes}
    top = {"name": name, "splits": 2, "seeds": seeds, "full_seeds": full_seeds} | ({"deals": deals} if deals else {})
    recipe = {"hidden": [8], "epochs": epochs, "batch_size": 50}
    return read({**top, "grid": ",".join(axes), "axes": values, "recipe": recipe, "run": list(runs)})


RUNS = (
    {"name": "stops", "epochs": 4, "learning_rate": 0.5, "early_stopping": {"patience": 1, "validation_share": 0.2}},
    {"name": "follows", "after": "plain", "epochs": 1},
    {"name": "momentum", "optimizer": {"name": "sgd", "momentum": 0.9}, "schedule": {"name": "cosine"}},
)
