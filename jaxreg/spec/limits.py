"""How large a sweep may be. Far above what anybody has a use for: a typo must not eat the machine.

Stated here alone; messages and docs/sweep-files.md have them from here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MOST = 1_000_000  # of whatever is counted, where nothing less is said
MOST_LAYERS = 100  # hidden ones
MOST_UNITS = 100_000  # of a hidden layer
MOST_WEIGHTS = 100_000_000  # between the hidden layers of one network
MOST_CELLS = 10_000
MOST_MEMBERS = 100_000
MOST_RUNS_IN_A_ROW = 100  # each after the one before
MOST_LOOKS = 50  # of a sweep that settles
MOST_BLOCK, MOST_DEVICES = 10_000, 1024  # of --block and --devices
FILE_BYTES = 1_000_000  # of a sweep file
KEY_PARTS = 8  # of a dotted key
DEPTH = 10  # of tables and lists in one another

LIMITS: Mapping[str, int] = {
    "cells of a sweep": MOST_CELLS,
    "members of a sweep": MOST_MEMBERS,
    "runs in a row, each `after` the one before": MOST_RUNS_IN_A_ROW,
    "looks of a sweep that settles": MOST_LOOKS,
    "hidden layers of a network": MOST_LAYERS,
    "units of a hidden layer": MOST_UNITS,
    "weights between the hidden layers of a network": MOST_WEIGHTS,
    "members side by side (`--block`)": MOST_BLOCK,
    "devices (`--devices`)": MOST_DEVICES,
    "anything else that is counted": MOST,
    "bytes of a sweep file": FILE_BYTES,
}
"""What docs/sweep-files.md says of them."""


def whole(least: int, most: int = MOST) -> str:
    """What completes "must be" for a whole number."""
    return f"a whole number from {least} to {most}"


def too_deep(value: Any) -> bool:
    """Whether lists and tables lie in one another more than `DEPTH` deep; does not descend by recursion itself."""
    left = [(value, 0)]
    while left:
        inner, depth = left.pop()
        if isinstance(inner, Mapping | list | tuple):
            if depth == DEPTH:
                return True
            left += [(one, depth + 1) for one in (inner.values() if isinstance(inner, Mapping) else inner)]
    return False
