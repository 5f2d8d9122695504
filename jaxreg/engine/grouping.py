"""Members that share a compiled program are trained together: who goes with whom, and what each is given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from jaxreg.data.corruption import corrupt
from jaxreg.data.dataset import Dataset, Signature
from jaxreg.data.scaling import Scaling, of_features, of_quantities, scaling
from jaxreg.data.splits import WATCHED, dealt_folds, nested_rows, split_rows
from jaxreg.data.validation import Sides, fewer, validation_groups, validation_share
from jaxreg.engine.networks import network
from jaxreg.engine.optimizers import Optimizer, Schedule
from jaxreg.engine.own_networks import known
from jaxreg.engine.own_optimizers import known as known_optimizer
from jaxreg.engine.penalties import ANY, Penalties
from jaxreg.engine.tasks import Classification, Regression, Task
from jaxreg.engine.training import Hyperparameters, Learner
from jaxreg.spec.members import Member
from jaxreg.spec.settings import Settings
from jaxreg.spec.sweep import Sweep

ALL = 2**32 - 1  # stands for the split "all" in a member's key: no number of splits reaches it


NOBODY = np.zeros(0, np.int64)


class MemberData(NamedTuple):
    """A member and its data, as row numbers of the training set."""

    member: Member
    rows: np.ndarray  # "train_example" trained on
    validation: np.ndarray  # "validation_example" watched by early stopping, often none
    epoch_examples: int  # that it sees in an epoch: as many as a whole split has, its own more than once where fewer
    hyper: Hyperparameters
    epochs_before: int  # of the runs that it continues
    unseen: np.ndarray = NOBODY  # "test_example" that it is scored on, where these are its own: in a cross-validation


class Noise(NamedTuple):
    """What was done to the training set."""

    labels: float  # label_noise
    pixels: float  # pixel_noise


@dataclass(frozen=True)
class ProgramGroup:
    """What members must have in common to be trained together: all that decides shapes, programs and data."""

    learner: Learner
    epochs: int
    batch_size: int
    train_examples: int  # of a whole split, validation examples left out; members may have fewer
    validation_examples: int  # of a whole split
    noise: Noise
    stage: int  # 0, or one more than that of the member whose weights it starts from
    unseen_examples: int = 0  # the most that a member is scored on, where these are its own

    @property
    def stops(self) -> bool:
        return self.validation_examples > 0


def learner(settings: Settings, signature: Signature, train_examples: int, penalties: Penalties = ANY) -> Learner:
    """What is static of how a cell's members learn from so many examples, where somebody has these penalties."""
    task: Task = Regression(signature.quantities)
    if signature.classes:
        task = Classification(signature.classes, settings.loss, settings.label_smoothing > 0)
    schedule = None
    if settings.schedule.name != "constant":
        epochs = settings.epochs if settings.schedule.name == "cosine" else 0  # which no other asks for
        schedule = Schedule(settings.schedule, -(-train_examples // settings.batch_size), epochs)
    own = None if settings.optimizer.ours else known_optimizer(settings.optimizer.name)
    optimizer = Optimizer(
        settings.optimizer,
        schedule,
        settings.l1_exact > 0,
        settings.max_norm is not None,
        own,
        penalties,
    )
    return Learner(
        known(settings.network) if settings.network else network(settings, task.outputs),
        task,
        optimizer,
        signature.inputs,
        noisy=settings.input_noise > 0,
        precision=settings.precision,
    )


def prepare(members: Sequence[Member], sweep: Sweep, dataset: Dataset) -> dict[ProgramGroup, list[MemberData]]:
    """Every member with its rows, by group, groups of predecessors first."""
    labels, signature = dataset.strata, dataset.signature
    splits = splits_of(sweep, dataset)
    together = 1 if sweep.folded else sweep.splits  # splits of one size
    cells = {cell.name: cell for cell in sweep.cells}
    every = [*sweep.cells, *{member.cell.name: member.cell for member in members}.values()]  # second stage
    penalties = Penalties(*(any(getattr(one.settings, name) > 0 for one in every) for name in Penalties._fields))
    inputs = cache(lambda noise: corrupt(dataset, 0.0, noise, sweep.seed).train.inputs)

    @cache
    def sides(deal: int | None, count: int | None, share: float) -> list[Sides]:
        """Of each split of a deal (of a split, in a cross-validation), or so many rows of it; None: of all rows."""
        whole = [np.arange(labels.size)]
        if deal is not None:
            whole = [split.rows for split in splits[deal * together : (deal + 1) * together]]
        parts = whole if count is None else [nested_rows(rows, labels, count, sweep.seed) for rows in whole]
        if not share:
            return [Sides(rows, rows[:0]) for rows in parts]
        if dataset.groups is None:
            draws = dataset.draws_watched and not sweep.shuffled("all" if deal is None else deal)
            draw = [sweep.seed, WATCHED, ALL if deal is None else deal] if draws else None
            return [validation_share(rows, labels, share, draw) for rows in parts]
        if count is None:
            return validation_groups(whole, dataset.groups, share, sweep.seed)
        return fewer(sides(deal, None, share), parts)

    @cache
    def most(share: float) -> tuple[int, int, int]:
        """The most examples that members of a cross-validation train on, watch and are scored on."""
        of = [sides(split, None, share)[0] for split in range(len(splits))]
        unseen = max(one.unseen.size for one in splits)
        return max(one.train.size for one in of), max(one.watched.size for one in of), unseen

    @cache
    def standards(split: int, share: float) -> dict[str, Scaling | None]:
        """How members of a cross-validation see what the data set has standardised by all rows: by their own alone."""
        (own, _), (inputs, targets) = sides(split, None, share)[0], dataset.train
        quantities = None if dataset.quantities is None else of_quantities(targets[own])
        return {"features": of_features(inputs[own], dataset.encoding), "quantities": quantities}

    groups: dict[ProgramGroup, list[MemberData]] = {}
    for member in members:
        settings, stopping = member.settings, member.settings.early_stopping
        deal, part = (None, 0) if member.split == "all" else divmod(member.split, together)
        unseen = NOBODY if member.split == "all" else splits[member.split].unseen
        share = 0.0 if stopping is None else stopping.validation_share
        whole, watched = sides(deal, None, share)[part]
        rows, held_back = sides(deal, settings.train_examples, share)[part]
        sizes = whole.size, watched.size, 0
        if member.left_out:  # so that folds of a row more or less, and two folds less, are no other program
            sizes = most(share)
        stage, epochs_before, cell = 0, 0, member.cell
        while cell.after is not None:
            cell = cells[cell.after]
            stage, epochs_before = stage + 1, epochs_before + cell.settings.epochs
        group = ProgramGroup(
            learner(settings, signature, sizes[0], penalties),
            settings.epochs,
            settings.batch_size,
            *sizes[:2],
            Noise(settings.label_noise, settings.pixel_noise),
            stage,
            sizes[2],
        )
        seen = scaling(settings.scaling, inputs(settings.pixel_noise)[rows])
        split = ALL if member.split == "all" else member.split
        identity = np.asarray([sweep.seed, split, member.seed, stage], np.uint32)
        hyper = hyperparameters(settings, seen, identity)
        if member.left_out:
            hyper = hyper._replace(**standards(split, share))
        data = MemberData(member, rows, held_back, sizes[0], hyper, epochs_before, unseen)
        groups.setdefault(group, []).append(data)
    return dict(sorted(groups.items(), key=lambda item: item[0].stage))


class Split(NamedTuple):
    """What a member of a split may train on, and what it is scored on."""

    rows: np.ndarray  # "train_example"
    unseen: np.ndarray = NOBODY  # "test_example", in a cross-validation; else all of the test part


def splits_of(sweep: Sweep, dataset: Dataset) -> list[Split]:
    """Every split of every deal."""
    if sweep.folded:
        folds = dealt_folds(dataset.strata, sweep.splits, sweep.seed, sweep.most_deals, dataset.groups)
        unseen = [np.isin(numbers, out) for numbers in folds for out in sweep.left_out]
        return [Split(np.flatnonzero(~own), np.flatnonzero(own)) for own in unseen]
    deals = range(sweep.most_deals)
    dealt = [split_rows(dataset.strata, sweep.splits, sweep.seed, deal, dataset.groups) for deal in deals]
    return [Split(rows) for parts in dealt for rows in parts]


def hyperparameters(settings: Settings, scaling: Scaling, identity: np.ndarray) -> Hyperparameters:
    """What is traced of a member: `identity` is sweep seed, split, seed and stage."""
    # Under their own names in the settings, but for these.
    own = {"dropout": settings.dropout_rates, "max_norm": settings.max_norm or np.inf}
    if names := known(settings.network).traced_fields if settings.network else ():
        own["field_values"] = [settings.fields[name] for name in names]
    values: dict[str, Any] = settings.model_dump() | own | scaling._asdict()
    traced = {name: np.float32(values[name]) for name in Hyperparameters._fields if name in values}
    return Hyperparameters(**traced, identity=identity)


def in_batches(rows: np.ndarray, batch: int) -> np.ndarray:
    """Row numbers as ``[step, batch]`` int32, the last batch padded with -1."""
    steps = -(-rows.size // batch)
    padded = np.full(steps * batch, -1, np.int32)
    padded[: rows.size] = rows
    return padded.reshape(steps, batch)


def epoch_order(data: MemberData, epoch: int) -> np.ndarray:
    """A fresh shuffle of the member's rows: of sweep seed, split, seed and epoch only, so that cells are paired.

    With fewer rows than an epoch has, one shuffle follows the other, and the epoch goes on where the last one ended: in
    a number of epochs each row is seen as often as any other, or once more.
    A run that continues another goes on counting epochs. With its predecessor's batches over again, batch
    normalisation knew them by heart: the last training loss of `batch_norm_normalized` was 3 % too low.
    Drawn on the host: sorting 60,000 random keys takes JAX on a CPU 45 ms, NumPy one.
    """
    *identity, _ = map(int, data.hyper.identity)
    first, skipped = divmod((data.epochs_before + epoch) * data.epoch_examples, data.rows.size)
    passes = -(-(skipped + data.epoch_examples) // data.rows.size)
    # Raw bits and a stable sort, which NumPy promises for all versions; `Generator.permutation` may change.
    bits = [np.random.PCG64([*identity, first + more]).random_raw(data.rows.size) for more in range(passes)]
    rows = np.concatenate([data.rows[ascending(own)] for own in bits])
    return in_batches(rows[skipped : skipped + data.epoch_examples], data.member.settings.batch_size)


def ascending(bits: np.ndarray) -> np.ndarray:
    """The order of a stable sort, by NumPy's default one: four times as fast, and the same where all numbers differ."""
    order = np.argsort(bits)
    found = bits[order]
    return order if (found[1:] != found[:-1]).all() else np.argsort(bits, kind="stable")
