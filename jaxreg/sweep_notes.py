"""What stands beside the notes of the data: the design of a sweep on them, and what of its recipe their size chose."""

from __future__ import annotations

from collections.abc import Collection

from jaxreg.data.dataset import Dataset
from jaxreg.formatting import listing
from jaxreg.spec.sweep import Sweep


def design(sweep: Sweep, dataset: Dataset, asked: bool) -> str:
    """Which rows a network is trained on, and whether somebody asked for it; of a cross-validation the data say it."""
    if sweep.folded:
        return ""
    rows = f"{len(dataset.train.targets):,} training {dataset.examples_are}"
    what = f"holdout, all {rows}" if sweep.splits == 1 else f"parts, {sweep.splits} disjoint ones of the {rows}"
    return f"design: {what}{', as asked for' if asked else ''}"


def recipe(sweep: Sweep, by_size: Collection[str], mark: str) -> str:
    """What nobody has typed of network and epochs, of those keys that the size of the data decides; nothing if none is.

    `mark` stands before the name of a flag.
    """
    own = sweep.recipe
    words = {"hidden": f"hidden layers of {'-'.join(map(str, own.hidden))} units"} if own.network is None else {}
    words |= {"epochs": f"{own.epochs} epochs"}
    chosen = [name for name in words if name in by_size]
    if not chosen:
        return ""
    change = f"{listing([mark + name for name in chosen])} {'changes' if len(chosen) == 1 else 'change'} it"
    return f"chosen by the number of rows: {listing([words[name] for name in chosen])}; {change}"
