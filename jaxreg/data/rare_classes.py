"""Classes of which there are too few rows: what is said of them, with what to do about it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Integer

from jaxreg.errors import UserError
from jaxreg.formatting import brief, count, listing, nearest


def check_splits(labels: Integer[np.ndarray, " example"], splits: int, names: Sequence[str] = ()) -> None:
    """Raises `UserError` where a class has fewer rows than there are splits; `names` are what classes are called."""
    classes, counts = np.unique(labels, return_counts=True)
    if splits > counts.min():
        there, instead = "there are", ""
        if len(classes) > 1:
            there, instead = f"{_called(int(classes[counts.argmin()]), names)} has", ", or leave the rows of it out"
        fewer = "--splits 1" if counts.min() == 1 else f"--splits {counts.min()} or less"
        raise UserError(
            f"{splits} splits were asked for, but {there} only {count(int(counts.min()), 'training example')}. "
            f"Type {fewer}{instead}."
        )


def too_few(labels: np.ndarray, rare: int, names: Sequence[str], needs: str, instead: str) -> str:
    """What is said of a class of too few rows: what it `needs`, and what may be done `instead` of leaving them out."""
    classes, counts = np.unique(labels, return_counts=True)
    order = np.argsort(-counts, kind="stable")[:3]
    called = [_called(int(classes[place]), names).removeprefix("class ") for place in order]
    often = listing([f"{one} ({count(int(counts[place]), 'row')})" for one, place in zip(called, order, strict=True)])
    others = [name for place, name in enumerate(names) if place != rare]
    meant = nearest(names[rare], others) if len(names) and not _number(names[rare]) else ""
    return (
        f"{_called(rare, names)} has {count(int((labels == rare).sum()), 'row')}{needs}.{meant} There are "
        f"{len(classes)} classes, most often {often}. Leave its rows out{instead}."
    )


def _called(number: int, names: Sequence[str]) -> str:
    """A class in a message."""
    return f"class {brief(names[number])}" if len(names) else f"class number {number}"


def _number(name: str) -> bool:
    """Whether a class is called by a number: one much like it is no slip of the pen."""
    try:
        float(name)
    except ValueError:
        return False
    return True
