"""Who is trained on the whole training set once the parts have been told apart: the second stage of a sweep.

A penalty stands beside the mean loss, so that as a prior it weighs as many times more as there are more examples, and
the best strength would fall as 1 / examples. How fast it does depends on more than that: with the number of steps held,
reports/data-size finds it to fall faster. What was best on a part is therefore trained on the whole set at its own
strength and at the one scaled by the sizes, 1 / splits of it; and where that is no value of the grid at a tenth too,
which is one as a rule.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from jaxreg.axes import AXES
from jaxreg.spec.grid import cell_name, value_of
from jaxreg.spec.members import Member
from jaxreg.spec.rules import EarlyStopping
from jaxreg.spec.sweep import Cell, Sweep

USUAL_SEEDS = 3
"""Of a grid that is given without a sweep file."""
USUAL_LOOKS = 4
"""Of a sweep that settles, unless it says: with Pocock's boundaries half of the trainings, see docs/coverage.md."""
TENTH = 0.1
AVERAGED = 1 / 3  # of the epochs, the last
BEST_EPOCH = EarlyStopping(patience=3, restore_best_weights=True)


def kin(sweep: Sweep, chosen: Iterable[str]) -> dict[str, list[Cell]]:
    """For each chosen cell itself and its relatives, which are trained on the whole set; of runs in a row, none."""
    by_name = {cell.name: cell for cell in sweep.cells}
    found = {}
    for name in dict.fromkeys(chosen):
        cell = by_name[name]
        if cell.after is None:
            scaled = [_times(cell, factor, sweep) for factor in _factors(cell, sweep)]
            itself = cell if cell.settings.train_examples is None else _times(cell, 1.0, sweep)
            found[name] = list({one.name: one for one in [itself, *scaled]}.values())
    return found


def beside(sweep: Sweep, reference: str) -> list[Cell]:
    """The reference in other ways that cost nothing: back at its best epoch, and with the weights of its last averaged.

    The best epoch is chosen on a tenth of the training examples, never on the test set; the last are a third of all.
    Of each kind none where the sweep has it itself, and none at all where the reference starts from another cell.
    """
    start = next(cell for cell in sweep.cells if cell.name == reference)
    if start.after is not None or any(cell.settings.early_stopping for cell in sweep.cells):
        return []
    changes: list[dict[str, Any]] = [{"early_stopping": BEST_EPOCH, "averaged_epochs": 1}]
    last = max(round(start.settings.epochs * AVERAGED), 2)
    if last < start.settings.epochs and all(cell.settings.averaged_epochs == 1 for cell in sweep.cells):
        changes.append({"averaged_epochs": last})
    found = [start.settings.model_copy(update={"train_examples": None, **change}) for change in changes]
    return [Cell(name=cell_name(settings, sweep.recipe), settings=settings) for settings in found]


def every(sweep: Sweep) -> dict[str, Cell]:
    """All cells that a second stage may train, whatever was best, by name."""
    names = [cell.name for cell in sweep.cells]
    others = [cell for name in names for cell in beside(sweep, name)]
    cells = [*(cell for cells in kin(sweep, names).values() for cell in cells), *others]
    return {cell.name: cell for cell in cells}


def members(sweep: Sweep, cells: Iterable[Cell]) -> list[Member]:
    """Members on the whole set: each cell once, from as many seeds as the sweep asks for."""
    deal: Literal["all"] | None = "all" if sweep.most_deals > 1 else None
    unique = {cell.name: cell for cell in cells}.values()
    return [Member(cell, "all", seed, deal) for cell in unique for seed in range(sweep.second_stage)]


def most_cells(sweep: Sweep) -> int:
    """How many cells a second stage may well have, before it is known what is best: for --dry-run."""
    axes = {axis for term in (sweep.grid or "").split(",") for axis in term.split("*") if axis in AXES}
    choices = [3 if AXES[axis].falls else 1 for axis in axes if not AXES[axis].condition]
    most = min(1 + sum(choices), 1 + 3 * len(sweep.cells))
    others = max((len(beside(sweep, cell.name)) for cell in sweep.cells[:1]), default=0)
    return most + others if sweep.second_stage else 0


def _falling(cell: Cell) -> dict[str, float]:
    """The strengths of a cell that fall with the number of examples, by axis, but for those that are off."""
    values = {name: value_of(cell.settings, name) for name, axis in AXES.items() if axis.falls}
    return {name: float(value) for name, value in values.items() if value}


def _factors(cell: Cell, sweep: Sweep) -> list[float]:
    strengths, share = _falling(cell), 1 / sweep.splits
    if not strengths:
        return []
    on_grid = all(
        any(_rounded(strength * share) == _rounded(float(value)) for value in sweep.axes.get(name, ()))
        for name, strength in strengths.items()
    )
    return [share] if on_grid or share <= TENTH else [share, TENTH]


def _times(cell: Cell, factor: float, sweep: Sweep) -> Cell:
    scaled = {AXES[name].field: _rounded(factor * strength) for name, strength in _falling(cell).items()}
    settings = cell.settings.model_copy(update={**scaled, "train_examples": None})  # all of the set
    return Cell(name=cell_name(settings, sweep.recipe), settings=settings)


def _rounded(strength: float) -> float:
    """A fifth of 3e-4 is 6e-5, and not 5.9999999999999995e-05."""
    return float(f"{strength:.6g}")
