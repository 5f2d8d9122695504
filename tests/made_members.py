"""Finished members that nobody trained."""

from __future__ import annotations

import numpy as np

from jaxreg.store.members import MemberResult


def made(name, number, epochs=2):
    """A finished member whose numbers take all their digits to write."""
    history = [
        {"epoch": epoch + 1, "train_loss": 1 / (3 + number + epoch), "test_accuracy": np.pi / 7}
        for epoch in range(epochs)
    ]
    row = {
        "trained_on": 100,
        "train_accuracy": 0.1 + 0.2,
        "test_cross_entropy": 1e-17 / (7 + number),
        "epochs": epochs,
        "diverged_at": None,
        "stopped_at": None if number % 2 else 2,
        "seconds": 1 / 3,
    }
    log_p = np.random.default_rng(number).normal(size=(3, 10)).astype(np.float32) * 90
    return MemberResult(name, row, history, log_p)
