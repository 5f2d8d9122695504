"""Slots for members of one program group, side by side, from first weights through all epochs to what is kept.

Nothing here waits for a device before it has given it the next epoch: what an epoch came to is read when the one after
it is under way. A member that ends leaves its slot to the next one.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np

from jaxreg.engine import devices, early_stopping, training
from jaxreg.engine.epoch import Epoch, EpochReport
from jaxreg.engine.grouping import MemberData, ProgramGroup
from jaxreg.engine.networks import Weights
from jaxreg.engine.orders import Orders
from jaxreg.engine.programs import Programs
from jaxreg.engine.rows import epoch_row, member_row
from jaxreg.engine.scoring import PlacedData, Scoring
from jaxreg.engine.slot import Slot, label
from jaxreg.engine.states import put, stacked, taken
from jaxreg.engine.training import EpochLosses, Evaluation
from jaxreg.store.members import MemberResult, MemberState


class Chunk:
    """`programs.width` slots for members of one group.

    `admit` members, then `advance` while somebody `trains`, `read` what came of it, and `release` who has ended.

    Args:
        group: what they have in common.
        data: what they are trained and scored on, corrupted as the group says.
        programs: where they are trained.
    """

    def __init__(self, group: ProgramGroup, data: PlacedData, programs: Programs):
        self.group, self.data, self.programs = group, data, programs
        self.learner = devices.suited(programs.mesh, group.learner, data.train.inputs.dtype)
        self._scoring = Scoring(self.learner, data, programs)
        self.slots: list[Slot | None] = [None] * programs.width
        self._orders = Orders(programs, (-(-group.train_examples // group.batch_size), group.batch_size))
        self._unread: deque[Epoch] = deque()
        self._mark = time.perf_counter() - programs.compile_seconds
        self.state: Any = None

    @property
    def at_work(self) -> list[MemberData]:
        """Who is in a slot."""
        return [slot.data for slot in self.slots if slot is not None]

    @property
    def free(self) -> int:
        """Slots with nobody in them."""
        return self.slots.count(None)

    @property
    def ended(self) -> int:
        """Slots with a member that has ended."""
        return sum(slot is not None and slot.ended for slot in self.slots)

    @property
    def trains(self) -> bool:
        """Whether there is, as far as is known, an epoch to train."""
        return any(self._trains(slot) for slot in self.slots)

    def _trains(self, slot: Slot | None) -> bool:
        return slot is not None and not slot.ended and slot.begun < self.group.epochs

    def admit(
        self, members: Sequence[MemberData], inherited: Mapping[str, Any], states: Mapping[str, MemberState]
    ) -> None:
        """Puts members into free slots, at first weights, or at those of whom they continue: `inherited` by id.

        Those of whom there are `states`, by id, go on from where they had got to.
        """
        block = self.programs.block
        by_device = sorted(range(len(self.slots)), key=lambda place: (place % block, place))  # to each device as many
        places = [place for place in by_device if self.slots[place] is None][: len(members)]
        saved: dict[int, MemberState] = {}
        for place, one in zip(places, members, strict=True):
            if one.member.id in states:
                saved[place] = states[one.member.id]
            self.slots[place] = Slot(one, saved.get(place))
        # A call has one shape: empty slots are filled with copies whose results nobody reads.
        filled = [members[0] if slot is None else slot.data for slot in self.slots]
        place_all = self.programs.per_member
        self._hyper = place_all(stacked([one.hyper for one in filled]))
        self._rule = place_all(stacked([early_stopping.rule_of(one.member.settings) for one in filled]))
        sizes = self.group.train_examples, self.group.validation_examples, self.group.unseen_examples
        self._rows = self._scoring.place([one.rows for one in filled], sizes[0], max(sizes))
        if self.group.stops:
            self._validation_rows = self._scoring.place([one.validation for one in filled], sizes[1], max(sizes))
        own = [one.unseen for one in filled]
        self._unseen_rows = self._scoring.place(own, sizes[2], max(sizes)) if sizes[2] else None
        learner = self.learner
        if self.group.stage:
            weights = Weights(**stacked([inherited[one.member.predecessor or ""] for one in filled]))
            state = self.programs(training.restart, learner, self._hyper, place_all(weights), seldom=True)
        else:
            state = self.programs(training.start, learner, self._hyper, seldom=True)
        occupied = np.array([slot is not None for slot in self.slots])
        standing = self.programs(early_stopping.begin, None, state.weights, place_all(occupied))
        if saved:
            state, standing = put((state, standing), {place: one.arrays for place, one in saved.items()})
            more = [place not in saved or self._trains(slot) for place, slot in enumerate(self.slots)]
            state, standing = place_all((state, standing._replace(active=occupied & more)))
        if len(places) == len(self.at_work):
            self.state, self._standing = state, standing
        else:
            new = place_all(np.isin(np.arange(len(self.slots)), places))
            for name, fresh in (("state", state), ("_standing", standing)):
                mixed = self.programs(training.chosen, None, new, fresh, getattr(self, name), donate=2)
                setattr(self, name, mixed)

    def train(self) -> EpochLosses:
        """Has an epoch trained by everybody who still does; the losses are arrays on the devices, nan of the others."""
        members = [slot.data if slot and self._trains(slot) else None for slot in self.slots]
        order = self._orders.take(members, [slot.begun if slot else 0 for slot in self.slots], self.group.epochs)
        self.state, losses = self.programs(
            training.train_epoch,
            self.learner,
            self._hyper,
            self.state,
            order,
            shared=(self.data.train,),
            donate=1,
            active=self._standing.active,
            otherwise=training.rest,
        )
        for slot in self.slots:
            if slot is not None:
                slot.begun += 1
        return losses  # type: ignore[no-any-return]

    def advance(self) -> None:
        """Has an epoch trained and scored, and whoever has to end ended. Returns before the devices are done."""
        losses = self.train()
        weights = self.state.weights
        # A fifth of the test images: on all of them each epoch, evaluating took 16 % of the default sweep's time.
        _, tested = self._scoring.tested(self._hyper, weights, self._scoring.curve, self._unseen_rows)
        validated = None
        if self.group.stops:
            validated = self._scoring.fitted(self._hyper, weights, self._validation_rows)
        self._standing, verdict = self.programs(
            early_stopping.after_epoch,
            None,
            self._hyper,
            self._rule,
            self._standing,
            weights,
            losses,
            tested,
            validated,
            donate=2,
        )
        self._unread.append(Epoch(losses, tested, validated, verdict))

    def read(self, everything: bool = False) -> list[EpochReport]:
        """What has come of the epochs but the one under way, or of all; waits for them."""
        under_way = 1 if self.trains and not everything else 0
        return [self._read(self._unread.popleft()) for _ in range(len(self._unread) - under_way)]

    @property
    def unsaved(self) -> float:
        """Seconds of training that some member would lose now."""
        since = [slot.saved_at for slot in self.slots if slot is not None and slot.begun and not slot.ended]
        return time.monotonic() - min(since, default=time.monotonic())

    @property
    def ends(self) -> bool:
        """Whether the epoch under way is the last of somebody, who is going to train no more."""
        return any(slot is not None and slot.begun == self.group.epochs and not slot.ended for slot in self.slots)

    def states(self) -> list[MemberState]:
        """Where everybody has got to who may go on; to be asked for when everything was read."""
        places = [place for place, slot in enumerate(self.slots) if slot is not None and slot.resumable]
        arrays = taken((self.state, self._standing), places)
        return [self.slots[place].state(own) for place, own in zip(places, arrays, strict=True)]  # type: ignore[union-attr]

    def release(self) -> list[MemberResult]:
        """Scores those who have ended on all examples and empties their slots; what is kept of each."""
        everything = jax.tree.map(np.asarray, self.score())
        leaving = [(place, slot) for place, slot in enumerate(self.slots) if slot is not None and slot.ended]
        spent = self._spent() / len(leaving)
        results = []
        for place, slot in leaving:
            weights, *scores, predicted = jax.tree.map(lambda leaf, place=place: leaf[place], everything)
            row = {
                **member_row(slot.data, self.group.learner.network, self.data.host, weights, *scores),
                "epochs": len(slot.history),
                "diverged_at": slot.diverged_at,
                "stopped_at": slot.stopped_at,
                "seconds": slot.seconds + spent,
            }
            kept = predicted[: len(self.data.host.test.targets)]
            results.append(MemberResult(slot.data.member.id, row, slot.history, kept, weights._asdict()))
            self.slots[place] = None
        return results

    def score(self) -> tuple[Weights, Evaluation, Evaluation, Any]:
        """Everybody's weights as they count, scores on own and on test examples, and predictions of the latter."""
        hyper, weights, own = self._hyper, self._standing.kept, self._unseen_rows
        predictions, tested = self._scoring.tested(hyper, weights, self._scoring.everything, own, last=True)
        # With validation data the same program scores those in every epoch.
        fitted = self._scoring.fitted(hyper, weights, self._rows, seldom=not self.group.stops)
        return weights, fitted, tested, predictions

    def close(self) -> None:
        """Nothing more is trained here."""
        self._orders.close()

    def texts(self) -> list[str]:
        """The optimised HLO of the programs of an epoch, training first; to be asked for after one."""
        scored = self._scoring.learner
        made = [self.programs.texts(training.train_epoch, self.learner)]
        made += [self.programs.texts(function, scored) for function in (training.predict, training.score)]
        made.append(self.programs.texts(early_stopping.after_epoch, None))
        return [text for texts in made for text in texts]

    def _spent(self) -> float:
        """Seconds since it was asked last, compiling left out."""
        before, self._mark = self._mark, time.perf_counter() - self.programs.compile_seconds
        return self._mark - before

    def _read(self, epoch: Epoch) -> EpochReport:
        *scores, verdict = jax.tree.map(np.asarray, epoch)
        trained = [(place, slot) for place, slot in enumerate(self.slots) if slot and verdict.trained[place]]
        spent, left_out, cells = self._spent(), 0, label([slot for _, slot in trained])
        arrays, structure = jax.tree.flatten(scores)
        by_place = list(zip(*map(np.ndarray.tolist, arrays), strict=True))  # a third of the time of one by one
        for place, slot in trained:
            mine = jax.tree.unflatten(structure, by_place[place])
            slot.history.append(epoch_row(slot.data, self.data.host, len(slot.history) + 1, *mine))
            slot.seconds += spent / len(trained)
            if verdict.diverged[place]:
                slot.diverged_at = len(slot.history)
            if verdict.stopped[place]:
                slot.stopped_at = len(slot.history)
            if slot.ended:
                left_out += self.group.epochs - len(slot.history)
        finite = [slot.history[-1]["train_loss"] for _, slot in trained if slot.diverged_at is None]
        loss = float(np.mean(finite)) if finite else float("nan")
        return EpochReport(cells, len(trained), loss, len(trained) - len(finite), left_out)
