"""What stands beside the notes of the data: the design of a sweep on them, and what of its recipe their size chose."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from jaxreg.data.dataset import Dataset
from jaxreg.formatting import brief, count, listing
from jaxreg.spec.sweep import Sweep


def splits_by_class(rarest: int, wanted: int) -> int:
    """How many of the `wanted` splits have four of the `rarest` class's training rows each; two where it has two."""
    return max(2, min(wanted, rarest // 4)) if rarest >= 2 else 1


def design(sweep: Sweep, dataset: Dataset, asked: bool, wanted: int) -> str:
    """Which rows a network is trained on, whether somebody asked for it, and which class leaves fewer splits.

    Of a cross-validation the data say it. `wanted` is how many splits there would be of a class of many rows.
    """
    if sweep.folded:
        return ""
    rows = f"{len(dataset.train.targets):,} training {dataset.examples_are}"
    what = f"holdout, all {rows}" if sweep.splits == 1 else f"parts, {sweep.splits} disjoint ones of the {rows}"
    said = f"design: {what}{', as asked for' if asked else ''}"
    counts = np.bincount(dataset.strata)
    if dataset.quantities or sweep.splits >= wanted or sweep.splits != splits_by_class(int(counts.min()), wanted):
        return said
    splits, name = count(sweep.splits, "split"), brief(dataset.class_names[int(counts.argmin())])
    return (
        f"{said}; {splits}, since class {name} has {count(int(counts.min()), 'training row')}: leave its rows out, or "
        "join it with another class, for more"
    )


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


def without_layers(dataset: Dataset | None, sweep: Sweep) -> Dataset | None:
    """The data of a sweep all of whose cells are given a network from Python, which no setting names: without what
    `recipe` says of hidden layers that there are none of."""
    if dataset is None:
        return None
    both, layers, epochs = (recipe(sweep, chosen, "") for chosen in (("hidden", "epochs"), ("hidden",), ("epochs",)))
    said = {both: epochs, layers: ""}
    return dataset._replace(notes=tuple(note for one in dataset.notes if (note := said.get(one, one))))
