"""Members that share a compiled program are trained together: who goes with whom, and the loop over epochs."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxreg import training
from jaxreg.early_stopping import Patience
from jaxreg.fashion import Dataset
from jaxreg.members import Member
from jaxreg.models import MLP
from jaxreg.programs import Programs
from jaxreg.progress import Progress
from jaxreg.records import SMALL_WEIGHT, Finished
from jaxreg.settings import EarlyStopping, Settings
from jaxreg.spec import Sweep
from jaxreg.splits import split_rows, validation_share
from jaxreg.training import Knobs, Weights

ALL = 2**32 - 1  # stands for the split "all" in a member's key: no number of splits reaches it


class Prepared(NamedTuple):
    """A member and its data, as row numbers of the training set."""

    member: Member
    rows: np.ndarray  # "train_example" trained on
    validation: np.ndarray  # "validation_example" watched by early stopping, often none
    knobs: Knobs


@dataclass(frozen=True)
class Kind:
    """What members must have in common to be trained together: all that decides shapes, programs and data."""

    model: MLP
    epochs: int
    batch_size: int
    train_examples: int
    validation_examples: int
    noise: tuple[float, float]  # label_noise, pixel_noise: the corrupted training set
    generation: int  # 0, or one more than that of the member whose weights it starts from
    keeps_best: bool  # early stopping restores the best weights

    @property
    def stops(self) -> bool:
        return self.validation_examples > 0


def network(settings: Settings) -> MLP:
    """The Flax module of a cell; dropout layers only where a rate is above 0, since masks cost time even at rate 0."""
    return MLP(tuple(settings.hidden), settings.batch_norm, any(settings.dropout_rates))


def prepare(members: Sequence[Member], sweep: Sweep, dataset: Dataset) -> dict[Kind, list[Prepared]]:
    """Every member with its rows, grouped by kind, predecessors' kinds first."""
    splits = split_rows(dataset.train_labels, sweep.splits, sweep.seed)
    everything = np.arange(dataset.train_labels.size)
    cells = {cell.name: cell for cell in sweep.cells}
    kinds: dict[Kind, list[Prepared]] = {}
    for member in members:
        rows = everything if member.split == "all" else splits[member.split]
        stopping = member.settings.early_stopping
        held_back = rows[:0]
        if stopping is not None and stopping.validation_share > 0:
            rows, held_back = validation_share(rows, dataset.train_labels, stopping.validation_share)
        generation, cell = 0, member.cell
        while cell.after is not None:
            generation, cell = generation + 1, cells[cell.after]
        kind = Kind(
            network(member.settings),
            member.settings.epochs,
            member.settings.batch_size,
            rows.size,
            held_back.size,
            (member.settings.label_noise, member.settings.pixel_noise),
            generation,
            stopping is not None and stopping.restore_best_weights,
        )
        prepared = Prepared(member, rows, held_back, _knobs(member, sweep, dataset, rows))
        kinds.setdefault(kind, []).append(prepared)
    return dict(sorted(kinds.items(), key=lambda item: item[0].generation))


def _knobs(member: Member, sweep: Sweep, dataset: Dataset, rows: np.ndarray) -> Knobs:
    settings = member.settings
    shift, scale = 0.0, {"raw": 1.0, "unit": 255.0}.get(settings.scaling, 0.0)
    if settings.scaling == "standard":
        # From the 256 grey levels' counts: exact, and no float copy of the images.
        counts = np.bincount(dataset.train_images[rows].reshape(-1), minlength=256)
        levels = np.arange(256)
        shift = float(np.average(levels, weights=counts))
        scale = float(np.sqrt(np.average((levels - shift) ** 2, weights=counts)))
    split = ALL if member.split == "all" else member.split
    return Knobs(
        np.float32(settings.l1),
        np.float32(settings.l2),
        np.float32(settings.learning_rate),
        np.asarray(settings.dropout_rates, np.float32),
        np.float32(shift),
        np.float32(scale),
        np.asarray([sweep.seed, split, member.seed], np.uint32),
    )


def in_batches(rows: np.ndarray, batch: int) -> np.ndarray:
    """Row numbers as ``[step, batch]`` int32, the last batch padded with -1."""
    steps = -(-rows.size // batch)
    padded = np.full(steps * batch, -1, np.int32)
    padded[: rows.size] = rows
    return padded.reshape(steps, batch)


def epoch_order(prepared: Prepared, sweep_seed: int, epoch: int) -> np.ndarray:
    """A fresh shuffle of the member's rows: of sweep seed, split, seed and epoch only, so that cells are paired.

    Drawn on the host: sorting 60,000 random keys takes JAX on a CPU 45 ms, NumPy 3.
    """
    split = ALL if prepared.member.split == "all" else prepared.member.split
    # Raw bits and a stable sort, which NumPy promises for all versions; `Generator.permutation` may change.
    bits = np.random.PCG64([sweep_seed, split, prepared.member.seed, epoch]).random_raw(prepared.rows.size)
    shuffled = prepared.rows[np.argsort(bits, kind="stable")]
    return in_batches(shuffled, prepared.member.settings.batch_size)


class Arrays(NamedTuple):
    """The data on the devices."""

    train_images: Any
    train_labels: Any
    test_images: Any
    test_labels: Any


def train(
    kind: Kind,
    members: Sequence[Prepared],
    sweep_seed: int,
    data: Arrays,
    dataset: Dataset,
    inherited: Mapping[str, Any],
    programs: Programs,
    progress: Progress,
) -> list[Finished]:
    """Trains up to ``programs.width`` members of one kind side by side.

    Args:
        data: the (corrupted) data on the devices.
        dataset: the same on the host.
        inherited: final weights of predecessors by member id, for members that continue from another.
    """
    started = time.perf_counter() - programs.compile_seconds
    # A call has one shape: short of members, it is filled up with copies that never train.
    slots = [*members, *[members[-1]] * (programs.width - len(members))]
    active = np.arange(len(slots)) < len(members)
    knobs = programs.per_member(_stack([slot.knobs for slot in slots]))
    train_data, test_data = data[:2], data[2:]
    test_rows, train_rows, validation_rows = (
        programs.per_member(np.stack([in_batches(rows, training.EVALUATION_BATCH) for rows in many]))
        for many in (
            [np.arange(data.test_labels.size)] * len(slots),
            [slot.rows for slot in slots],
            [slot.validation for slot in slots],
        )
    )
    if kind.generation:
        weights = Weights(**_stack([inherited[slot.member.predecessor or ""] for slot in slots]))
        state = programs(training.restart, kind.model, knobs, programs.per_member(weights))
    else:
        state = programs(training.start, kind.model, knobs)
    best = jax.tree.map(lambda leaf: leaf.copy(), state.weights) if kind.keeps_best else None
    patience = [Patience(slot.member.settings.early_stopping or EarlyStopping()) for slot in slots]
    history: list[list[dict[str, Any]]] = [[] for _ in slots]
    diverged: list[int | None] = [None] * len(slots)
    stopped: list[int | None] = [None] * len(slots)

    for epoch in range(kind.epochs):
        order = programs.per_member(np.stack([epoch_order(slot, sweep_seed, epoch) for slot in slots]))
        mask = programs.per_member(active.copy())
        state, losses = programs(
            training.train_epoch_if, kind.model, knobs, state, mask, order, shared=train_data, donate=1
        )
        tested = programs(training.evaluate, kind.model, knobs, state.weights, test_rows, shared=test_data)
        watched = None
        if kind.stops:
            watched = programs(training.evaluate, kind.model, knobs, state.weights, validation_rows, shared=train_data)
        losses, tested, watched = jax.tree.map(np.asarray, (losses, tested._replace(log_probabilities=()), watched))
        improved = np.zeros(len(slots), bool)
        trained = np.flatnonzero(active).tolist()
        for slot in trained:
            row = _epoch_row(slots[slot], epoch, slot, losses, tested, watched)
            history[slot].append(row)
            if not np.isfinite(row["train_loss"]) or not np.isfinite(row["test_cross_entropy"]):
                diverged[slot], active[slot] = epoch + 1, False
            elif slots[slot].member.settings.early_stopping is not None:
                values = {"loss": row["train_loss"]} | {key: row[key] for key in row if key.startswith("val_")}
                improved[slot], stop = patience[slot].after_epoch(epoch, values)
                if stop:
                    stopped[slot], active[slot] = epoch + 1, False
        if best is not None:
            # As in Keras, the latest weights stay until an epoch has been the best.
            newer = improved | np.array([rule.best is None for rule in patience])
            best = programs(keep_better, kind.model, programs.per_member(newer), state.weights, best, donate=2)
        finite = [history[slot][-1]["train_loss"] for slot in trained if diverged[slot] is None]
        loss = float(np.mean(finite)) if finite else float("nan")
        lost = sum(diverged[slot] == epoch + 1 for slot in trained)
        progress.advance(len(trained), _label(kind, members), loss, lost)
        if not active.any():
            break
    left = sum(kind.epochs - len(rows) for rows in history[: len(members)])
    if left:
        progress.advance(left, _label(kind, members), loss)

    weights = state.weights if best is None else best
    tested = programs(training.evaluate, kind.model, knobs, weights, test_rows, shared=test_data)
    fitted = programs(training.evaluate, kind.model, knobs, weights, train_rows, shared=train_data)
    tested, fitted, weights = jax.tree.map(np.asarray, (tested, fitted._replace(log_probabilities=()), weights))
    seconds = (time.perf_counter() - programs.compile_seconds - started) / len(members)
    results = []
    for slot, prepared in enumerate(members):
        own = jax.tree.map(lambda leaf, slot=slot: leaf[slot], (weights, fitted, tested))
        row = _member_row(prepared, own, ~dataset.train_images[prepared.rows].any(axis=0))
        row |= {
            "epochs": len(history[slot]),
            "diverged_at": diverged[slot],
            "stopped_at": stopped[slot],
            "seconds": seconds,
        }
        log_probabilities = own[2].log_probabilities[: data.test_labels.size]
        results.append(Finished(prepared.member.id, row, history[slot], log_probabilities, own[0]._asdict()))
    return results


def keep_better(model: MLP, newer: Any, new: Weights, best: Weights) -> Weights:
    """The new weights where they are wanted, else the best ones so far."""
    return jax.tree.map(lambda a, b: jax.numpy.where(newer, a, b), new, best)


def _epoch_row(
    slot: Prepared, epoch: int, at: int, losses: training.EpochLosses, tested: Any, watched: Any
) -> dict[str, Any]:
    settings = slot.member.settings
    row = {
        "epoch": epoch + 1,
        "train_loss": float(losses.cross_entropy[at]) + float(losses.penalty[at]),
        "train_cross_entropy": float(losses.cross_entropy[at]),
        "penalty": float(losses.penalty[at]),
        "test_cross_entropy": float(tested.cross_entropy[at]),
        "test_accuracy": float(tested.accuracy[at]),
    }
    if watched is not None:
        penalty = settings.l1 * float(watched.weight_l1[at]) + settings.l2 * float(watched.weight_l2[at])
        row["val_loss"] = float(watched.cross_entropy[at]) + penalty  # Keras's val_loss has the penalty in
        row["val_accuracy"] = float(watched.accuracy[at])
    return row


def _member_row(
    prepared: Prepared,
    own: tuple[Weights, training.Evaluation, training.Evaluation],
    dead_pixels: np.ndarray,
) -> dict[str, Any]:
    weights, fitted, tested = own
    settings = prepared.member.settings
    kernels = [weights.params[f"hidden_{layer}"]["kernel"] for layer in range(len(settings.hidden))]
    small = [np.abs(kernel) < SMALL_WEIGHT for kernel in kernels]
    entries = sum(kernel.size for kernel in kernels)
    # A pixel that is always 0 teaches its weights nothing: under a penalty they shrink whatever its strength.
    live = np.concatenate([small[0][~dead_pixels].reshape(-1), *(layer.reshape(-1) for layer in small[1:])])
    return {
        "train_examples": prepared.rows.size,
        "train_cross_entropy": float(fitted.cross_entropy),
        "train_accuracy": float(fitted.accuracy),
        "penalty": settings.l1 * float(tested.weight_l1) + settings.l2 * float(tested.weight_l2),
        "test_cross_entropy": float(tested.cross_entropy),
        "test_accuracy": float(tested.accuracy),
        "weight_l1": float(tested.weight_l1),
        "weight_l2": float(tested.weight_l2),
        "small_weights": sum(int(layer.sum()) for layer in small) / entries,
        "live_small_weights": float(live.mean()),
    }


def _label(kind: Kind, members: Sequence[Prepared]) -> str:
    cells = list(dict.fromkeys(prepared.member.cell.name for prepared in members))
    return cells[0] if len(cells) == 1 else f"{cells[0]} … {cells[-1]}"


def _stack(trees: Sequence[Any]) -> Any:
    return jax.tree.map(lambda *leaves: np.stack(leaves), *trees)
