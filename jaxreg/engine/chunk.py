"""Members of one kind, side by side, from their first weights through all epochs to what is kept of them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxreg.data.dataset import Dataset
from jaxreg.data.splits import balanced_rows
from jaxreg.engine import training
from jaxreg.engine.early_stopping import Patience
from jaxreg.engine.grouping import MemberData, ProgramGroup, epoch_order, in_batches
from jaxreg.engine.networks import MLP
from jaxreg.engine.programs import Programs
from jaxreg.engine.progress import Progress
from jaxreg.engine.training import Weights
from jaxreg.spec.sweep import Sweep
from jaxreg.store.records import SMALL_WEIGHT, MemberResult


class Arrays(NamedTuple):
    """The data on the devices."""

    train_images: Any
    train_labels: Any
    test_images: Any
    test_labels: Any


class MemberProgress:
    """A member's place in a call, and what has become of it so far."""

    def __init__(self, prepared: MemberData, active: bool):
        self.prepared, self.active = prepared, active
        self.history: list[dict[str, Any]] = []
        self.diverged_at: int | None = None
        self.stopped_at: int | None = None
        stopping = prepared.member.settings.early_stopping
        self.patience = Patience(stopping) if stopping is not None else None

    def after_epoch(self, row: dict[str, Any]) -> bool:
        """Takes note of an epoch; says whether its weights are the best so far."""
        self.history.append(row)
        if not np.isfinite(row["train_loss"]) or not np.isfinite(row["test_cross_entropy"]):
            self.diverged_at, self.active = row["epoch"], False
        elif self.patience is not None:
            watched = {"loss": row["train_loss"]} | {key: row[key] for key in row if key.startswith("val_")}
            improved, stop = self.patience.after_epoch(row["epoch"] - 1, watched)
            if stop:
                self.stopped_at, self.active = row["epoch"], False
            return improved
        return False


def train(
    kind: ProgramGroup,
    members: Sequence[MemberData],
    sweep: Sweep,
    data: Arrays,
    dataset: Dataset,
    inherited: Mapping[str, Any],
    programs: Programs,
    progress: Progress,
) -> list[MemberResult]:
    """Trains up to ``programs.width`` members of one kind side by side.

    Args:
        data: the (corrupted) data on the devices.
        dataset: the same on the host.
        inherited: final weights of predecessors by member id, for members that continue from another.
    """
    started = time.perf_counter() - programs.compile_seconds
    # A call has one shape: short of members, it is filled up with copies that never train.
    filled = [*members, *[members[-1]] * (programs.width - len(members))]
    slots = [MemberProgress(prepared, place < len(members)) for place, prepared in enumerate(filled)]
    hyper = programs.per_member(_stack([slot.prepared.hyper for slot in slots]))

    def evaluation(choose: Any, shared: tuple[Any, Any]) -> Any:
        """Evaluates any weights on the rows that are chosen for each slot."""
        rows = np.stack([in_batches(choose(slot.prepared), training.EVALUATION_BATCH) for slot in slots])
        placed = programs.per_member(rows)
        return lambda weights: programs(training.evaluate, kind.model, hyper, weights, placed, shared=shared)

    # A fifth of the test images: on all of them each epoch, evaluating took 16 % of the default sweep's time.
    curve = balanced_rows(dataset.test_labels, sweep.curve_images, sweep.seed)
    on_curve = evaluation(lambda _: curve, data[2:])
    on_validation = evaluation(lambda prepared: prepared.validation, data[:2]) if kind.stops else None
    if kind.stage:
        weights = Weights(**_stack([inherited[slot.prepared.member.predecessor or ""] for slot in slots]))
        state = programs(training.restart, kind.model, hyper, programs.per_member(weights))
    else:
        state = programs(training.start, kind.model, hyper)
    best = jax.tree.map(lambda leaf: leaf.copy(), state.weights) if kind.keeps_best else None

    for epoch in range(kind.epochs):
        order = programs.per_member(np.stack([epoch_order(slot.prepared, sweep.seed, epoch) for slot in slots]))
        active = programs.per_member(np.array([slot.active for slot in slots]))
        state, losses = programs(
            training.train_epoch_if, kind.model, hyper, state, active, order, shared=data[:2], donate=1
        )
        tested = on_curve(state.weights)._replace(log_probabilities=())
        watched = on_validation(state.weights)._replace(log_probabilities=()) if on_validation else None
        losses, tested, watched = jax.tree.map(np.asarray, (losses, tested, watched))
        trained = [place for place, slot in enumerate(slots) if slot.active]
        rows = {place: _epoch_row(slots[place].prepared, epoch, place, losses, tested, watched) for place in trained}
        improved = {place: slots[place].after_epoch(row) for place, row in rows.items()}
        if best is not None:
            # As in Keras, the latest weights stay until an epoch has been the best.
            newer = np.array([improved.get(place, False) or _never_best(slot) for place, slot in enumerate(slots)])
            best = programs(keep_better, kind.model, programs.per_member(newer), state.weights, best, donate=2)
        loss = _tell(progress, _label(members), [slots[place] for place in trained])
        if not any(slot.active for slot in slots):
            break
    left = sum(kind.epochs - len(slot.history) for slot in slots[: len(members)])
    if left:
        progress.advance(left, _label(members), loss)

    weights = state.weights if best is None else best
    tested = evaluation(lambda _: np.arange(dataset.test_labels.size), data[2:])(weights)
    fitted = evaluation(lambda prepared: prepared.rows, data[:2])(weights)._replace(log_probabilities=())
    tested, fitted, weights = jax.tree.map(np.asarray, (tested, fitted, weights))
    seconds = (time.perf_counter() - programs.compile_seconds - started) / len(members)
    results = []
    for place, (slot, prepared) in enumerate(zip(slots, members, strict=False)):
        own = jax.tree.map(lambda leaf, place=place: leaf[place], (weights, fitted, tested))
        row = _member_row(prepared, own, ~dataset.train_images[prepared.rows].any(axis=0))
        row |= {
            "epochs": len(slot.history),
            "diverged_at": slot.diverged_at,
            "stopped_at": slot.stopped_at,
            "seconds": seconds,
        }
        log_probabilities = own[2].log_probabilities[: dataset.test_labels.size]
        results.append(MemberResult(prepared.member.id, row, slot.history, log_probabilities, own[0]._asdict()))
    return results


def keep_better(model: MLP, newer: Any, new: Weights, best: Weights) -> Weights:
    """The new weights where they are wanted, else the best ones so far."""
    return jax.tree.map(lambda a, b: jax.numpy.where(newer, a, b), new, best)


def _never_best(slot: MemberProgress) -> bool:
    return slot.patience is None or slot.patience.best is None


def _tell(progress: Progress, label: str, trained: Sequence[MemberProgress]) -> float:
    """Reports an epoch; returns the mean loss of those that have not diverged."""
    finite = [slot.history[-1]["train_loss"] for slot in trained if slot.diverged_at is None]
    loss = float(np.mean(finite)) if finite else float("nan")
    progress.advance(len(trained), label, loss, len(trained) - len(finite))
    return loss


def _epoch_row(
    prepared: MemberData, epoch: int, at: int, losses: training.EpochLosses, tested: Any, watched: Any
) -> dict[str, Any]:
    settings = prepared.member.settings
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
    prepared: MemberData,
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


def _label(members: Sequence[MemberData]) -> str:
    cells = list(dict.fromkeys(prepared.member.cell.name for prepared in members))
    return cells[0] if len(cells) == 1 else f"{cells[0]} … {cells[-1]}"


def _stack(trees: Sequence[Any]) -> Any:
    return jax.tree.map(lambda *leaves: np.stack(leaves), *trees)
