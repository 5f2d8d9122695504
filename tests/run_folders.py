"""What is in the folder of a run, for tests that compare one with another."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

TIMED = {"members.csv": "seconds", "nested.csv": "seconds", "second_stage.csv": "seconds", "looks.csv": "train_seconds"}


def tables(folder: Path) -> dict[str, bytes]:
    """Every table, byte for byte, but for the seconds that members took: no two runs take the same."""
    found = {file.name: file.read_bytes() for file in sorted(folder.iterdir()) if file.suffix in (".csv", ".npz")}
    for name, column in TIMED.items():
        if name in found:
            table = pd.read_csv(folder / name, dtype=str, keep_default_na=False)
            found[name] = table.drop(columns=column).to_csv(index=False).encode()
    return found


def differing(one: dict[str, bytes], other: dict[str, bytes]) -> list[str]:
    """The names of tables that are not the same in both."""
    return sorted(name for name in {*one, *other} if one.get(name) != other.get(name))
