"""Folders of many members: their bytes, and what analysis and report take in time and memory. Nobody is trained."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from jaxreg.bench.memory import peak_bytes

SEEDS = (1, 13, 125)  # on each of 5 splits in 16 cells: 80, 1,040 and 10,000 members
CELLS = 16
EXAMPLES = 1000  # of the test set, of ten classes


def measure() -> list[dict[str, Any]]:
    """A row for each number of members: `members`, `bytes` of the folder, `seconds` and `peak_bytes` of the report."""
    rows = []
    for seeds in SEEDS:
        with tempfile.TemporaryDirectory() as folder:
            made = _apart("make", seeds, folder)
            found = _apart("report", seeds, folder)
            size = sum(file.stat().st_size for file in Path(folder).rglob("*") if file.is_file())
            rows.append(found | {"make_seconds": made["seconds"], "bytes": size})
    return rows


def _apart(what: str, seeds: int, folder: str) -> dict[str, Any]:
    """In a process of its own, whose memory is its alone."""
    done = subprocess.run(
        [sys.executable, "-m", __name__, what, str(seeds), folder], check=True, capture_output=True, text=True
    )
    return dict(json.loads(done.stdout.splitlines()[-1]))


def sweep_and_data(seeds: int) -> tuple[Any, Any]:
    from jaxreg.data.dataset import Dataset, Part
    from jaxreg.spec.load import read

    axes = {"l1": [0.0, *(10.0**-power for power in range(2, CELLS + 1))]}
    sweep = read({"name": "made-up", "grid": "l1", "axes": axes, "seeds": seeds})
    random = np.random.default_rng(0)
    train, test = (
        Part(random.integers(0, 255, (count, 8), np.uint8), np.arange(count, dtype=np.uint8) % 10)
        for count in (1000, EXAMPLES)
    )
    return sweep, Dataset("made up", train, test, tuple("abcdefghij"), None, "made up")


class MadeUp:
    """Results that nobody trained, of the size of real ones.

    Args:
        labels: of the test examples.
    """

    def __init__(self, labels: np.ndarray) -> None:
        self._random, self._labels = np.random.default_rng(1), labels
        self._hard = self._random.normal(size=(len(labels), 10)) + 3 * np.eye(10)[labels]

    def __call__(self, name: str, number: int) -> Any:
        """That of a member."""
        from jaxreg.store.members import MemberResult

        z = self._hard + self._random.normal(size=self._hard.shape)
        log_p = (z - np.log(np.exp(z).sum(1, keepdims=True))).astype(np.float32)
        loss = float(-log_p[np.arange(len(z)), self._labels].mean())
        scores = {"test_cross_entropy": loss, "test_accuracy": float((log_p.argmax(1) == self._labels).mean())}
        train = {"train_examples": 200, "train_cross_entropy": 0.8 * loss, "train_accuracy": 0.9, "penalty": 0.01}
        weights = {"weight_l1": 900.0, "weight_l2": 90.0, "small_weights": 0.05, "live_small_weights": 0.04}
        ended = {"zero_weights": 0.0, "epochs": 15, "diverged_at": None, "stopped_at": None, "seconds": 1.0 + number}
        history = [
            {"epoch": epoch, "train_loss": loss + 1 / epoch, "train_cross_entropy": loss + 1 / epoch, "penalty": 0.01}
            | scores
            for epoch in range(1, 16)
        ]
        return MemberResult(name, train | scores | weights | ended, history, log_p)


def _make(seeds: int, folder: Path) -> int:
    from jaxreg.spec.members import members
    from jaxreg.store.folder import Folder
    from jaxreg.store.identity import key

    sweep, data = sweep_and_data(seeds)
    place = Folder(folder)
    place.prepare()
    results = MadeUp(data.test.targets)
    for number, member in enumerate(members(sweep)):
        result = results(member.id, number)
        place.members.keep(key(member, sweep, data.digest), result, {}, with_weights=False)
    return number + 1


def _report(seeds: int, folder: Path) -> int:
    import jaxreg

    sweep, data = sweep_and_data(seeds)
    return len(jaxreg.run(sweep, out=folder, dataset=data).members)


if __name__ == "__main__":
    began = time.perf_counter()
    count = (_make if sys.argv[1] == "make" else _report)(int(sys.argv[2]), Path(sys.argv[3]))
    print(json.dumps({"members": count, "seconds": time.perf_counter() - began, "peak_bytes": peak_bytes()}))
