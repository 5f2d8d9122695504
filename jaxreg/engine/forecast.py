"""What a sweep would train and what that costs, said before anything is trained. Needs no JAX."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from jaxreg.data.dataset import Signature
from jaxreg.data.splits import check_count
from jaxreg.engine.devices import cores
from jaxreg.engine.sizes import bytes_per_member, parameters
from jaxreg.formatting import count, duration
from jaxreg.measures import CLASSES, MEASURES
from jaxreg.spec.members import number
from jaxreg.spec.second_stage import most_cells
from jaxreg.spec.sweep import Sweep

if TYPE_CHECKING:
    import pandas as pd


# Of a group: first weights and standing, an epoch and what it decides, predictions of test and of own examples, and the
# scores of a point of a curve and of both at the end.
PROGRAMS = 9
# Of a recent server core, evaluation included, for a step of the default network; older ones take four times that.
CORE_SECONDS = 0.45e-3
DEFAULT_LAYERS = (784, 225, 256, 128, 10)
BASE_BYTES = 600_000_000  # Python, JAX and its compiler
CELL_BYTES = 60  # of each test example in the analysis: what a cell's members come to in each of 15 measures


class Plan(NamedTuple):
    """What a sweep would need."""

    members: int
    programs: int
    bytes: int
    seconds: float  # nan where a network is somebody's own, of which nothing is known before it is made
    second_stage: int = 0  # members, or about as many, that the first stage will name

    @property
    def time(self) -> str:
        """In words."""
        if math.isnan(self.seconds):
            return "a time of which nothing is known before a network of your own has run"
        return duration(self.seconds)


def check_examples(sweep: Sweep, data: Signature) -> None:
    """Raises `UserError` where a cell asks for more training examples than a split of such data can have."""
    for cell in sweep.cells:
        if cell.settings.train_examples is not None:
            check_count(cell.settings.train_examples, _on_a_split(sweep, data))


def _on_a_split(sweep: Sweep, data: Signature) -> int:
    """Training examples of a split: of a cross-validation all but one fold."""
    part = data.train_examples // sweep.splits
    return data.train_examples - part if sweep.folded else part


def plan(sweep: Sweep, data: Signature) -> Plan:
    """What training a sweep on such data would need: an estimate.

    Members on fewer examples of a split take as many steps, in the same programs: they cost what the others do.

    Raises:
        UserError: more training examples are asked for than a split has.
    """
    check_examples(sweep, data)
    wanted = number(sweep)
    steps, state, groups = 0.0, 0, set()
    # How many members of a cell train on how many examples: counted, since there may be very many.
    on_splits = sweep.most_deals * len(sweep.left_out) * sweep.most_seeds
    parts = [(_on_a_split(sweep, data), on_splits), (data.train_examples, sweep.full_seeds)]
    later = most_cells(sweep) * sweep.second_stage
    everything = (data.train_examples, later / len(sweep.cells))  # as if every cell had its share of it
    for cell in sweep.cells:
        settings = cell.settings
        layers = (data.features, *settings.widths, data.outputs)
        share = settings.early_stopping.validation_share if settings.early_stopping else 0.0
        own = bytes_per_member(parameters(layers), sum(layers))
        state, size = max(state, own), own / bytes_per_member(parameters(DEFAULT_LAYERS), sum(DEFAULT_LAYERS))
        architecture = settings.architecture(data.features, data.outputs)
        for examples, members in [*parts, everything]:
            rows = int(examples * (1 - share))
            if members:
                steps += members * size * settings.epochs * -(-rows // settings.batch_size)
                groups.add((architecture, settings.batch_size, rows, cell.after is None))
    if any(cell.settings.network for cell in sweep.cells):
        steps = math.nan
    inputs = data.features * (data.train_examples + data.test_examples)
    return Plan(
        members=wanted,
        programs=PROGRAMS * len(groups),
        bytes=cores() * (inputs + state) + CELL_BYTES * data.test_examples * len(sweep.cells) + BASE_BYTES,
        seconds=steps * CORE_SECONDS / cores() + 2.0 * len(groups),
        second_stage=later,
    )


def forecast(sweep: Sweep, plan: Plan, data: Signature) -> str:
    """The members, a line for each cell, and the programs, memory and time they need."""
    splits = count(len(sweep.left_out), "split")
    if sweep.folded:
        pairs = len(sweep.left_out) - sweep.splits
        splits = f"({count(sweep.splits, 'fold')} + {count(pairs, 'pair')} of them)"
    repeats = f"{splits} x {count(sweep.most_seeds, 'seed')}"
    repeats = repeats if sweep.most_deals == 1 else f"{count(sweep.most_deals, 'deal')} x {repeats}"
    ids = [f"split{_range(sweep.most_deals * len(sweep.left_out))}/seed{_range(sweep.most_seeds)}"]
    if sweep.full_seeds:
        repeats += f", {count(sweep.full_seeds, 'seed')} on the whole training set"
        ids.append(f"all/seed{_range(sweep.full_seeds)}")
    width = max(len(cell.name) for cell in sweep.cells)
    cells = [
        f"  {cell.name:{width}}  {cell.settings.architecture(data.features, data.outputs)}"
        + (f"  after {cell.after}" if cell.after else "")
        for cell in sweep.cells
    ]
    total, programs = count(plan.members, "member"), count(plan.programs, "program")
    later = [f"then about {count(plan.second_stage, 'member')} on all of the training set, of what these speak for"]
    later = later if plan.second_stage else []
    if sweep.settle:
        first = len(sweep.cells) * (sweep.splits * sweep.seeds + sweep.full_seeds)
        later.insert(
            0, f"at most: {first} for the first of {count(sweep.settle, 'look')}, then the cells that are open"
        )
    lines = [
        f"{sweep.name}: {count(len(sweep.cells), 'cell')}, each {repeats}: {total}",
        *cells,
        f"each of them as {' and '.join(ids)}",
        *later,
        f"{programs} to compile, {_size(plan.bytes)} of memory, {plan.time}",
    ]
    return "\n".join(lines)


def foresight(outlook: pd.DataFrame) -> str:
    """What the sweep will be able to tell apart, from `jaxreg.statistics.power.outlook`."""
    found, first = outlook.set_index("measure")["detectable_difference"], outlook.iloc[0]
    shown = []
    for measure, limit in found.items():
        *_, words, points = MEASURES[str(measure)]
        unit = "points of" if points else "nats of test" if measure == CLASSES.first else "in test"
        shown.append(f"{100 * limit if points else limit:.2g} {unit} {words}")
    return (
        f"a true difference from the plain cell is found in 80 % of such sweeps if it is at least "
        f"{' or '.join(shown)} ({count(int(first['comparisons']), 'comparison')}, {first['basis']})"
    )


def _size(size: int) -> str:
    return f"about {size / 1e9:.1f} GB" if size >= 1e9 else f"about {size / 1e6:.0f} MB"


def _range(n: int) -> str:
    return "0" if n == 1 else f"0..{n - 1}"
