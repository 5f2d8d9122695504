"""Members of one program group, side by side, from their first weights through all epochs to what is kept of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxreg.data.dataset import Dataset, Part
from jaxreg.engine import training
from jaxreg.engine.early_stopping import Patience
from jaxreg.engine.grouping import MemberData, ProgramGroup, epoch_order, in_batches
from jaxreg.engine.networks import Weights
from jaxreg.engine.optimizers import penalised_kernels, penalty
from jaxreg.engine.programs import Programs
from jaxreg.engine.training import EpochLosses, Evaluation
from jaxreg.store.records import SMALL_WEIGHT, MemberResult


class PlacedData(NamedTuple):
    """A data set on the host and on the devices."""

    host: Dataset
    train: Part
    test: Part
    curve: np.ndarray  # "example" rows of the test part behind a point of a learning curve


class MemberProgress:
    """What has become of a member so far."""

    def __init__(self, data: MemberData, active: bool):
        self.data, self.active = data, active
        self.history: list[dict[str, Any]] = []
        self.diverged_at: int | None = None
        self.stopped_at: int | None = None
        stopping = data.member.settings.early_stopping
        self.patience = Patience(stopping) if stopping is not None else None

    @property
    def never_best(self) -> bool:
        """Whether no epoch has been the best yet: until then, as in Keras, the latest weights count as best."""
        return self.patience is None or self.patience.best is None

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


class EpochReport(NamedTuple):
    """An epoch of a chunk, for whoever watches."""

    members: int  # that trained
    loss: float  # mean training loss of those that have not diverged; nan where all have
    diverged: int  # of those that trained


class Chunk:
    """Up to ``programs.width`` members of one group: `start`, `epoch` while there is one to train, `finish`.

    Args:
        group: what they have in common.
        members: who they are.
        data: what they are trained and scored on, corrupted as the group says.
        programs: where they are trained.
    """

    def __init__(self, group: ProgramGroup, members: Sequence[MemberData], data: PlacedData, programs: Programs):
        self.group, self.members, self.data, self.programs = group, members, data, programs
        self._started = time.perf_counter() - programs.compile_seconds
        # A call has one shape: short of members, it is filled up with copies that never train.
        filled = [*members, *[members[-1]] * (programs.width - len(members))]
        self.progress = [MemberProgress(one, place < len(members)) for place, one in enumerate(filled)]
        self.hyper = programs.per_member(_stacked([one.hyper for one in filled]))
        self.epochs = 0

    @property
    def label(self) -> str:
        """The cells at work."""
        cells = list(dict.fromkeys(one.member.cell.name for one in self.members))
        return cells[0] if len(cells) == 1 else f"{cells[0]} … {cells[-1]}"

    @property
    def done(self) -> bool:
        """Whether nobody trains any more."""
        return self.epochs == self.group.epochs or not any(one.active for one in self.progress)

    @property
    def epochs_left_out(self) -> int:
        """Member-epochs that nobody will train, since members stopped."""
        return sum(self.group.epochs - len(one.history) for one in self.progress[: len(self.members)])

    def start(self, inherited: Mapping[str, Any]) -> None:
        """First weights; of members that continue others, theirs, from `inherited` by member id."""
        learner = self.group.learner
        # A fifth of the test images: on all of them each epoch, evaluating took 16 % of the default sweep's time.
        self._on_curve = self._evaluation(lambda _: self.data.curve, self.data.test)
        self._on_validation = None
        if self.group.stops:
            self._on_validation = self._evaluation(lambda one: one.validation, self.data.train)
        if self.group.stage:
            weights = Weights(**_stacked([inherited[one.data.member.predecessor or ""] for one in self.progress]))
            self.state = self.programs(training.restart, learner, self.hyper, self.programs.per_member(weights))
        else:
            self.state = self.programs(training.start, learner, self.hyper)
        self.best = jax.tree.map(lambda leaf: leaf.copy(), self.state.weights) if self.group.keeps_best else None

    def train(self) -> EpochLosses:
        """Trains everybody who still does for an epoch; the losses are arrays on the devices, nan of the others."""
        orders = np.stack([epoch_order(one.data, self.epochs) for one in self.progress])
        active = np.array([one.active for one in self.progress])
        order, active = self.programs.per_member(orders), self.programs.per_member(active)
        self.state, losses = self.programs(
            training.train_epoch_if,
            self.group.learner,
            self.hyper,
            self.state,
            active,
            order,
            shared=self.data.train,
            donate=1,
        )
        self.epochs += 1
        return losses  # type: ignore[no-any-return]

    def epoch(self) -> EpochReport:
        """Trains an epoch, scores it and takes note of it."""
        losses = self.train()
        tested = self._on_curve(self.state.weights)._replace(predictions=())
        watched = None
        if self._on_validation is not None:
            watched = self._on_validation(self.state.weights)._replace(predictions=())
        losses, tested, watched = jax.tree.map(np.asarray, (losses, tested, watched))
        improved, trained = {}, []
        for place, one in enumerate(self.progress):
            if one.active:
                trained.append(one)
                improved[place] = one.after_epoch(self._row(place, losses, tested, watched))
        if self.best is not None:
            newer = [improved.get(place, False) or one.never_best for place, one in enumerate(self.progress)]
            self.best = self.programs(
                training.keep_better,
                self.group.learner,
                self.programs.per_member(np.array(newer)),
                self.state.weights,
                self.best,
                donate=2,
            )
        finite = [one.history[-1]["train_loss"] for one in trained if one.diverged_at is None]
        loss = float(np.mean(finite)) if finite else float("nan")
        return EpochReport(len(trained), loss, len(trained) - len(finite))

    def finish(self) -> list[MemberResult]:
        """Scores everybody on all examples; what is kept of each."""
        weights = self.state.weights if self.best is None else self.best
        test_examples = len(self.data.host.test.targets)
        tested = self._evaluation(lambda _: np.arange(test_examples), self.data.test)(weights)
        fitted = self._evaluation(lambda one: one.rows, self.data.train)(weights)._replace(predictions=())
        tested, fitted, weights = jax.tree.map(np.asarray, (tested, fitted, weights))
        spent = time.perf_counter() - self.programs.compile_seconds - self._started
        results = []
        for place, one in enumerate(self.progress[: len(self.members)]):
            own = jax.tree.map(lambda leaf, place=place: leaf[place], (weights, fitted, tested))
            row = {
                **self._member_row(one.data, *own),
                "epochs": len(one.history),
                "diverged_at": one.diverged_at,
                "stopped_at": one.stopped_at,
                "seconds": spent / len(self.members),
            }
            predictions = own[2].predictions[:test_examples]
            results.append(MemberResult(one.data.member.id, row, one.history, predictions, own[0]._asdict()))
        return results

    def epoch_text(self) -> str:
        """The optimised HLO of the program that trains an epoch; to be asked for after one."""
        (text,) = self.programs.texts(training.train_epoch_if, self.group.learner)
        return text

    def _evaluation(self, choose: Callable[[MemberData], np.ndarray], part: Part) -> Callable[[Weights], Any]:
        """Evaluates any weights on the rows of a part that are chosen for each member."""
        rows = np.stack([in_batches(choose(one.data), training.EVALUATION_BATCH) for one in self.progress])
        placed, learner = self.programs.per_member(rows), self.group.learner
        return lambda weights: self.programs(training.evaluate, learner, self.hyper, weights, placed, shared=part)

    def _row(self, at: int, losses: EpochLosses, tested: Evaluation, watched: Evaluation | None) -> dict[str, Any]:
        """A row of history.csv."""
        row = {
            "epoch": self.epochs,
            "train_loss": float(losses.loss[at]) + float(losses.penalty[at]),
            "train_cross_entropy": float(losses.cross_entropy[at]),
            "penalty": float(losses.penalty[at]),
            "test_cross_entropy": float(tested.cross_entropy[at]),
            "test_accuracy": float(tested.accuracy[at]),
        }
        if watched is not None:
            added = penalty(self.progress[at].data.member.settings, _floats(watched.norms, at))
            row["val_loss"] = float(watched.loss[at]) + added  # Keras's val_loss has the penalty in
            row["val_accuracy"] = float(watched.accuracy[at])
        return row

    def _member_row(self, data: MemberData, weights: Weights, fitted: Evaluation, tested: Evaluation) -> dict[str, Any]:
        """A row of members.csv, but for what training itself noted."""
        kernels = penalised_kernels(self.group.learner.network, weights.params)
        small = [np.abs(kernel) < SMALL_WEIGHT for kernel in kernels]
        # An input that is always 0 teaches its weights nothing: under a penalty they shrink whatever its strength.
        dead = ~self.data.host.train.inputs[data.rows].any(axis=0).reshape(-1)
        live = np.concatenate([small[0][~dead].reshape(-1), *(layer.reshape(-1) for layer in small[1:])])
        norms, entries = _floats(tested.norms), sum(kernel.size for kernel in kernels)
        return {
            "train_examples": data.rows.size,
            "train_cross_entropy": float(fitted.cross_entropy),
            "train_accuracy": float(fitted.accuracy),
            "penalty": penalty(data.member.settings, norms),
            "test_cross_entropy": float(tested.cross_entropy),
            "test_accuracy": float(tested.accuracy),
            "weight_l1": norms.absolute,
            "weight_l2": norms.square,
            "small_weights": sum(int(layer.sum()) for layer in small) / entries,
            "live_small_weights": float(live.mean()),
            "zero_weights": sum(int((kernel == 0).sum()) for kernel in kernels) / entries,
        }


def _floats(norms: Any, at: Any = ()) -> Any:
    return type(norms)(*(float(norm[at]) for norm in norms))


def _stacked(trees: Sequence[Any]) -> Any:
    return jax.tree.map(lambda *leaves: np.stack(leaves), *trees)
