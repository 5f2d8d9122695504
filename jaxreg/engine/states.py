"""The whole state of one member of many, from the devices to plain arrays by name, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np


def stacked(trees: Sequence[Any]) -> Any:
    """Trees of arrays, one a member, as one with a leading member axis."""
    return jax.tree.map(lambda *leaves: np.stack(leaves), *trees)


def taken(tree: Any, places: Sequence[int]) -> list[dict[str, np.ndarray]]:
    """The arrays of members at these places of the leading axis, by their path in the tree; waits for the devices."""
    leaves = [
        (jax.tree_util.keystr(path), np.asarray(leaf)) for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
    ]
    return [{name: np.array(leaf[place]) for name, leaf in leaves} for place in places]


def put(tree: Any, arrays: Mapping[int, Mapping[str, np.ndarray]]) -> Any:
    """The tree on the host, with the arrays of `taken` at those places."""

    def whole(path: Any, leaf: Any) -> np.ndarray:
        host = np.array(leaf)
        for place, own in arrays.items():
            host[place] = own[jax.tree_util.keystr(path)]
        return host

    return jax.tree_util.tree_map_with_path(whole, tree)
