"""A trainer whose devices are elsewhere: members go to workers for a bounded time each, and come back with results.

What a worker is given, it works at for some seconds, and reports: members that finished, and of the others where they
have got to, from where they go on there or elsewhere. So a worker that is lost costs those seconds, however long a
member trains; and nothing is asked of a worker but to call `jaxreg.cluster.worker`'s functions.
"""

from __future__ import annotations

import math
import pickle
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass
from typing import Any

from jaxreg.circumstances import circumstances
from jaxreg.cluster import worker as far
from jaxreg.cluster.crew import Crew
from jaxreg.cluster.hand import LONGEST, SECONDS, Hand
from jaxreg.cluster.job import refer
from jaxreg.cluster.waiting import Group, Waiting, share
from jaxreg.cluster.workers import Answer
from jaxreg.engine.progress import Progress
from jaxreg.formatting import count
from jaxreg.spec.members import Member
from jaxreg.spec.sweep import Sweep
from jaxreg.store.members import MemberResult, MemberState

AHEAD = 2  # calls that a worker has at once: it begins the second while the first's results travel
MOST_LOST = 4  # times that a member may be at work on a worker that is lost
MOST_FAULTS = 2  # errors of a worker, one after the other, until it is asked no more
PATIENCE = 0.2  # seconds until it is seen again who is there


@dataclass(frozen=True)
class Given:
    """What a worker was given to do."""

    hand: Hand
    members: list[Member]
    group: Group


class ClusterTrainer:
    """Trains members of one sweep on workers. It writes nothing.

    Args:
        crew: the workers, for as long as the job is the same.
        sweep: whose members they are.
        progress: told what happens.
    """

    def __init__(self, crew: Crew, sweep: Sweep, progress: Progress) -> None:
        self.crew, self.workers = crew, crew.workers
        self.sweep, self.progress = sweep, progress
        self._out: dict[int, Given] = {}
        self._at_risk: Counter[str] = Counter()  # how often a member was on a worker that was lost
        self._last: Mapping[str, Any] = {}  # facts of the worker whose members came last
        self._spent: Counter[str] = Counter()
        self._blocks: dict[str, str] = {}
        self._lost_workers = self._retried = 0

    def facts(self) -> dict[str, Any]:
        """Devices of all workers that trained, and what they compiled and spent, together."""
        hands = self.crew.who_trained
        kinds, platforms = ({str(hand.facts[what]) for hand in hands} for what in ("device", "platform"))
        hosts = {hand.facts["host"]: int(hand.facts["cores"]) for hand in hands}
        return {
            "platform": ", ".join(sorted(platforms)),
            "device": "; ".join(sorted(kinds)),
            "devices": sum(int(hand.facts["devices"]) for hand in hands if hand.address in self.crew.hands),
            "cores": sum(hosts.values()),
            "precision": self._last.get("precision", ""),
            "blocks": self._blocks,
            **{name: self._spent[name] for name in ("programs", "traces", "compile_seconds", "train_seconds")},
            "workers": self.crew.described(),
            "workers_lost": self._lost_workers,
            "members_retried": self._retried,
        }

    def made(self) -> dict[str, str]:
        """Of the worker that trained those that were yielded last."""
        return circumstances(self._last)

    def train(
        self, members: Sequence[Member], weights: Mapping[str, Any], states: Mapping[str, MemberState]
    ) -> Iterator[Sequence[MemberResult | MemberState]]:
        """Trains members on whoever is there, as `jaxreg.driver.AnyTrainer` says.

        Raises:
            UserError: none of the workers can take part.
            ConnectionError: the scheduler is gone, or workers die of these members.
        """
        waiting = Waiting(members, self.sweep, set(states))
        done_before = sum(len(states[name].history) for name in states)
        self.progress.start(sum(member.settings.epochs for member in members), done_before)
        try:
            while waiting or self._out:
                self._see(waiting)
                self._assign(waiting, weights, states)
                answer = self.workers.answer(PATIENCE)
                while answer is not None:
                    came = self._came(answer, waiting)
                    if came:
                        yield came
                    answer = self.workers.answer(0)
        finally:
            for number in self._out:
                self.workers.forget(number)

    def _see(self, waiting: Waiting) -> None:
        """Takes back what those had who are gone."""
        for hand in self.crew.see():
            calls = [number for number, given in self._out.items() if given.hand is hand]
            for place, number in enumerate(calls):
                self.workers.forget(number)
                self._take_back(self._out.pop(number), waiting, at_work=place == 0)
            if hand.stands == "ready":
                self._lost_workers += 1
                self.progress.warn(f"worker {hand.name} is gone: what it had goes elsewhere")

    def _assign(self, waiting: Waiting, weights: Mapping[str, Any], states: Mapping[str, MemberState]) -> None:
        """Gives members to who has none to do, and to who will soon have none."""
        has = Counter(given.hand.address for given in self._out.values())
        for already in range(AHEAD):
            for hand in self.crew.ready:
                ready = waiting.ready
                if not ready:
                    return
                if has[hand.address] != already:
                    continue
                group = self._group_for(hand, ready)
                width = hand.widths.get(group) or self._usual_width(group)
                if already and (group not in hand.rates or ready[group] < 2 * width * len(self.crew.ready)):
                    continue  # the last ones are for whoever is free first
                rate = hand.rates.get(group)
                able = None if rate is None else rate * hand.seconds / waiting.first(group).settings.epochs
                chosen = waiting.take(group, share(ready[group], len(self.crew.ready), width, able))
                self._give(hand, group, chosen, weights, states)
                has[hand.address] += 1

    def _give(
        self,
        hand: Hand,
        group: Group,
        members: list[Member],
        weights: Mapping[str, Any],
        states: Mapping[str, MemberState],
    ) -> None:
        inherited = {name: weights[name] for member in members if (name := member.predecessor) is not None}
        begun = {member.id: states[member.id] for member in members if member.id in states}
        references = [refer(member) for member in members]
        packed = pickle.dumps((dict(self.crew.job), references, inherited, begun, LONGEST * hand.seconds))
        hand.group = group
        self._out[self.workers.ask(hand.address, far.work, packed)] = Given(hand, members, group)

    def _group_for(self, hand: Hand, ready: Mapping[Group, int]) -> Group:
        """What it has the programs for; else that of which there is most for those who are at it."""
        if hand.group is not None and hand.group in ready:
            return hand.group
        at_it = Counter(other.group for other in self.crew.ready)
        return max(ready, key=lambda group: ready[group] / (1 + at_it[group]))

    def _usual_width(self, group: Group) -> int:
        """What others have there; else a member a device of any."""
        widths = [hand.widths[group] for hand in self.crew.ready if group in hand.widths]
        return max(widths) if widths else 1

    def _came(self, answer: Answer, waiting: Waiting) -> list[MemberResult | MemberState]:
        """What there is to keep in an answer."""
        given = self._out.pop(answer.number, None)
        if given is None:
            self.crew.heard(answer)
        elif answer.error is not None:
            self._failed(given, answer.error, waiting)
        elif "lacks" in answer.value:
            self.crew.lacks(given.hand)
            waiting.back(given.members)
        else:
            return self._trained(given, answer.value, waiting)
        return []

    def _failed(self, given: Given, error: BaseException, waiting: Waiting) -> None:
        """An error of a worker, or of who carries our calls."""
        self.workers.present()  # which knows whether there is anybody to ask at all
        hand = given.hand
        self._take_back(given, waiting)
        if isinstance(error, CancelledError):
            return  # it is gone, and will be missed
        hand.faults += 1
        said = [*str(error).splitlines(), ""][0][:300]
        self.progress.warn(f"worker {hand.name}: {type(error).__name__}: {said}")
        if hand.faults >= MOST_FAULTS:
            self.crew.refuse(hand, said)
            if all(other.stands == "refused" for other in self.crew.hands.values()):
                raise ConnectionError(f"no worker can go on: {said}")

    def _take_back(self, given: Given, waiting: Waiting, at_work: bool = True) -> None:
        """Members that a worker did not bring to an end are ready for others."""
        waiting.back(given.members)
        if not at_work:
            return
        self._retried += len(given.members)
        self._at_risk.update(member.id for member in given.members)
        name, times = self._at_risk.most_common(1)[0]
        if times >= MOST_LOST:
            raise ConnectionError(
                f"{times} workers were lost or failed while they trained {name}: is there memory for it? "
                "Their own logs may say"
            )

    def _trained(self, given: Given, value: Mapping[str, Any], waiting: Waiting) -> list[MemberResult | MemberState]:
        hand, facts = given.hand, value["facts"]
        done, states = value["done"], value["states"]
        came = {one.id for one in done}
        waiting.back([member for member in given.members if member.id not in came])
        for name in came:
            waiting.came(name)
        seconds = max(facts["train_seconds"], 1e-3)
        hand.faults, hand.members = 0, hand.members + len(done)
        hand.epochs, hand.spent = hand.epochs + value["epochs"], hand.spent + seconds
        hand.rates[given.group] = max(value["epochs"] / seconds, 1e-6)
        hand.widths[given.group] = value["width"]
        hand.seconds = min(SECONDS, 2 * hand.seconds)
        self._last = facts
        self._spent.update({name: facts[name] for name in ("programs", "traces", "compile_seconds", "train_seconds")})
        self._blocks |= facts["blocks"]
        for warning in value["warnings"]:
            self.progress.warn(f"worker {hand.name}: {warning}")
        retried = f", {count(self._retried, 'member')} retried" if self._retried else ""
        loss = value["loss"] if math.isfinite(value["loss"]) else math.nan
        self.progress.advance(value["epochs"], f"{self.crew.label}{retried}", loss, value["diverged"])
        return [*states, *done]
