"""Who is trained: each cell on each split from each seed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from jaxreg.spec.settings import Settings
from jaxreg.spec.sweep import Cell, Sweep


@dataclass(frozen=True)
class Member:
    """One training run. `split` is the number of one of the disjoint parts, or "all" for their union.

    Where the images are dealt more than once, the parts of a deal are disjoint, and numbered on from the deal before.
    In a cross-validation a split is all of the folds but one or two.
    """

    cell: Cell
    split: int | Literal["all"]
    seed: int
    deal: int | Literal["all"] | None = None  # which deal the split is of, where there are several
    left_out: tuple[int, ...] = ()  # folds that it does not see, and is scored on, in a cross-validation

    @property
    def id(self) -> str:
        """Readable and stable: "l1=1e-5/split2/seed0", "l1=1e-5/all/seed0"."""
        return self._id_in(self.cell.name)

    @property
    def predecessor(self) -> str | None:
        """The id of the member whose final weights it starts from: the same split and seed."""
        return None if self.cell.after is None else self._id_in(self.cell.after)

    @property
    def nested(self) -> bool:
        """Whether it lacks two folds: trained for the intervals of a cross-validation alone."""
        return len(self.left_out) == 2

    @property
    def settings(self) -> Settings:
        return self.cell.settings

    def _id_in(self, cell: str) -> str:
        split = "all" if self.split == "all" else f"split{self.split}"
        return f"{cell}/{split}/seed{self.seed}"


def number(sweep: Sweep) -> int:
    """How many `members` there are at most, without making one."""
    return len(sweep.cells) * (_splits(sweep) * sweep.most_seeds + sweep.full_seeds)


def members(sweep: Sweep) -> tuple[Member, ...]:
    """All members that there may be, by cell, split and seed; a cell that starts from another comes after it."""
    splits: list[int | Literal["all"]] = [*range(_splits(sweep)), "all"]
    folds = sweep.left_out
    found = [
        Member(cell, split, seed, _deal(split, sweep), () if split == "all" else folds[split % len(folds)])
        for cell in _in_order(sweep.cells)
        for split in splits
        for seed in range(sweep.full_seeds if split == "all" else sweep.most_seeds)
    ]
    assert len({member.id for member in found}) == len(found), "cells have unique names"
    return tuple(found)


def _splits(sweep: Sweep) -> int:
    """Splits of all deals there may be."""
    return sweep.most_deals * len(sweep.left_out)


def first_look(member: Member, sweep: Sweep) -> int:
    """The look, from 1, which a member is trained for; 1 for all where a sweep does not settle."""
    if not sweep.settle or member.split == "all":
        return 1
    return 1 + (member.seed // sweep.seeds if sweep.splits == 1 else member.split // sweep.splits)


def _deal(split: int | Literal["all"], sweep: Sweep) -> int | Literal["all"] | None:
    if sweep.most_deals == 1:
        return None
    return "all" if split == "all" else split // len(sweep.left_out)


def _in_order(cells: tuple[Cell, ...]) -> list[Cell]:
    """The cells as they stand, but each that starts from another behind it."""
    by_name = {cell.name: cell for cell in cells}
    ordered: dict[str, Cell] = {}

    def place(cell: Cell) -> None:
        if cell.after is not None:
            place(by_name[cell.after])
        ordered.setdefault(cell.name, cell)

    for cell in cells:
        place(cell)
    return list(ordered.values())
