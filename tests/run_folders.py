"""What is in the folder of a run, for tests that compare one with another."""

from __future__ import annotations

from pathlib import Path

import pandas as pd


def tables(folder: Path) -> dict[str, bytes]:
    """Every table, byte for byte, but for the seconds that a member took: no two runs take the same."""
    found = {file.name: file.read_bytes() for file in sorted(folder.iterdir()) if file.suffix in (".csv", ".npz")}
    members = pd.read_csv(folder / "members.csv", dtype=str, keep_default_na=False)
    return found | {"members.csv": members.drop(columns="seconds").to_csv(index=False).encode()}


def differing(one: dict[str, bytes], other: dict[str, bytes]) -> list[str]:
    """The names of tables that are not the same in both."""
    return sorted(name for name in {*one, *other} if one.get(name) != other.get(name))
