"""Members that share a compiled program are trained together: who goes with whom, and what each is given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np

from jaxreg.data.corruption import corrupt
from jaxreg.data.dataset import Dataset
from jaxreg.data.splits import split_rows, validation_share
from jaxreg.engine.networks import MLP
from jaxreg.engine.training import Hyperparameters
from jaxreg.spec.members import Member
from jaxreg.spec.settings import Settings
from jaxreg.spec.sweep import Sweep

ALL = 2**32 - 1  # stands for the split "all" in a member's key: no number of splits reaches it


class MemberData(NamedTuple):
    """A member and its data, as row numbers of the training set."""

    member: Member
    rows: np.ndarray  # "train_example" trained on
    validation: np.ndarray  # "validation_example" watched by early stopping, often none
    hyper: Hyperparameters
    epochs_before: int  # of the runs that it continues


@dataclass(frozen=True)
class ProgramGroup:
    """What members must have in common to be trained together: all that decides shapes, programs and data."""

    model: MLP
    epochs: int
    batch_size: int
    train_examples: int
    validation_examples: int
    noise: tuple[float, float]  # label_noise, pixel_noise: the corrupted training set
    stage: int  # 0, or one more than that of the member whose weights it starts from
    keeps_best: bool  # early stopping restores the best weights

    @property
    def stops(self) -> bool:
        return self.validation_examples > 0


def network(settings: Settings) -> MLP:
    """The Flax module of a cell; dropout layers only where a rate is above 0, since masks cost time even at rate 0."""
    return MLP(tuple(settings.hidden), settings.batch_norm, any(settings.dropout_rates))


def prepare(members: Sequence[Member], sweep: Sweep, dataset: Dataset) -> dict[ProgramGroup, list[MemberData]]:
    """Every member with its rows, grouped by kind, predecessors' kinds first."""
    splits = split_rows(dataset.train_labels, sweep.splits, sweep.seed)
    everything = np.arange(dataset.train_labels.size)
    cells = {cell.name: cell for cell in sweep.cells}
    pixels = cache(lambda noise: corrupt(dataset, 0.0, noise, sweep.seed).train_images)
    kinds: dict[ProgramGroup, list[MemberData]] = {}
    for member in members:
        rows = everything if member.split == "all" else splits[member.split]
        stopping = member.settings.early_stopping
        held_back = rows[:0]
        if stopping is not None and stopping.validation_share > 0:
            rows, held_back = validation_share(rows, dataset.train_labels, stopping.validation_share)
        stage, epochs_before, cell = 0, 0, member.cell
        while cell.after is not None:
            cell = cells[cell.after]
            stage, epochs_before = stage + 1, epochs_before + cell.settings.epochs
        kind = ProgramGroup(
            network(member.settings),
            member.settings.epochs,
            member.settings.batch_size,
            rows.size,
            held_back.size,
            (member.settings.label_noise, member.settings.pixel_noise),
            stage,
            stopping is not None and stopping.restore_best_weights,
        )
        hyper = _knobs(member, sweep, pixels, rows, stage)
        prepared = MemberData(member, rows, held_back, hyper, epochs_before)
        kinds.setdefault(kind, []).append(prepared)
    return dict(sorted(kinds.items(), key=lambda item: item[0].stage))


def _knobs(
    member: Member, sweep: Sweep, pixels: Callable[[float], np.ndarray], rows: np.ndarray, stage: int
) -> Hyperparameters:
    settings = member.settings
    shift, scale = 0.0, {"raw": 1.0, "unit": 255.0}.get(settings.scaling, 0.0)
    if settings.scaling == "standard":
        # From the 256 grey levels' counts: exact, and no float copy of the images.
        counts = np.bincount(pixels(settings.pixel_noise)[rows].reshape(-1), minlength=256)
        levels = np.arange(256)
        shift = float(np.average(levels, weights=counts))
        scale = float(np.sqrt(np.average((levels - shift) ** 2, weights=counts)))
    split = ALL if member.split == "all" else member.split
    return Hyperparameters(
        np.float32(settings.l1),
        np.float32(settings.l2),
        np.float32(settings.learning_rate),
        np.asarray(settings.dropout_rates, np.float32),
        np.float32(shift),
        np.float32(scale),
        np.asarray([sweep.seed, split, member.seed, stage], np.uint32),
    )


def in_batches(rows: np.ndarray, batch: int) -> np.ndarray:
    """Row numbers as ``[step, batch]`` int32, the last batch padded with -1."""
    steps = -(-rows.size // batch)
    padded = np.full(steps * batch, -1, np.int32)
    padded[: rows.size] = rows
    return padded.reshape(steps, batch)


def epoch_order(prepared: MemberData, sweep_seed: int, epoch: int) -> np.ndarray:
    """A fresh shuffle of the member's rows: of sweep seed, split, seed and epoch only, so that cells are paired.

    A run that continues another goes on counting epochs. With its predecessor's batches over again, batch
    normalisation knew them by heart: the last training loss of `batch_norm_normalized` was 3 % too low.
    Drawn on the host: sorting 60,000 random keys takes JAX on a CPU 45 ms, NumPy 3.
    """
    split = ALL if prepared.member.split == "all" else prepared.member.split
    # Raw bits and a stable sort, which NumPy promises for all versions; `Generator.permutation` may change.
    source = np.random.PCG64([sweep_seed, split, prepared.member.seed, prepared.epochs_before + epoch])
    bits = source.random_raw(prepared.rows.size)
    shuffled = prepared.rows[np.argsort(bits, kind="stable")]
    return in_batches(shuffled, prepared.member.settings.batch_size)
