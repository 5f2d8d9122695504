"""The workers of a job: who is there, who can take part, who has to be sent the data first."""

from __future__ import annotations

import pickle
from collections import Counter
from collections.abc import Mapping
from typing import Any

from jaxreg.cluster import worker as far
from jaxreg.cluster.hand import Hand
from jaxreg.cluster.workers import Answer, Workers
from jaxreg.data.dataset import Dataset
from jaxreg.engine.progress import Progress
from jaxreg.errors import UserError
from jaxreg.formatting import count

SENT_AT_ONCE = 4  # workers that are being sent the data


class Crew:
    """All workers that were ever there.

    Args:
        workers: who can be asked.
        job: what they are told, by `jaxreg.cluster.job`.
        dataset: for those who can't read it by themselves.
        progress: told who comes and goes.
    """

    def __init__(self, workers: Workers, job: Mapping[str, Any], dataset: Dataset, progress: Progress):
        self.workers, self.job = workers, job
        self._dataset, self._progress = dataset, progress
        self.hands: dict[str, Hand] = {}  # who are there, by address
        self.past: list[Hand] = []  # who are gone, having been ready
        self._greeted: dict[int, Hand] = {}  # by number of the call
        self._sent: dict[int, Hand] = {}
        self._said: set[str] = set()
        self._alone = False

    @property
    def ready(self) -> list[Hand]:
        """Those that can be given members."""
        return [hand for hand in self.hands.values() if hand.stands == "ready"]

    @property
    def who_trained(self) -> list[Hand]:
        """Those who have, whether or not they are still there."""
        return [hand for hand in [*self.past, *self.hands.values()] if hand.epochs or hand.members]

    def see(self) -> list[Hand]:
        """Greets who is new, sends data to who lacks it; those who are gone.

        Raises:
            UserError: all who are there have refused, and there never were others.
        """
        present = self.workers.present()
        gone = [hand for address, hand in self.hands.items() if address not in present]
        for hand in gone:
            del self.hands[hand.address]
            if hand.stands == "ready":
                self.past.append(hand)
            for calls in (self._greeted, self._sent):
                for number in [number for number, other in calls.items() if other is hand]:
                    self.workers.forget(number)
                    del calls[number]
        for address in present:
            if address not in self.hands:
                self.hands[address] = Hand(address)
                self._greet(self.hands[address])
        for hand in self.hands.values():
            if hand.stands == "lacks" and len(self._sent) < SENT_AT_ONCE:
                hand.stands = "sent"
                self._sent[self.workers.ask(hand.address, far.receive, pickle.dumps(self._dataset))] = hand
        self._say_who_is_missing()
        return gone

    def heard(self, answer: Answer) -> None:
        """What came of a greeting, or of sending the data."""
        if (hand := self._sent.pop(answer.number, None)) is not None:
            self._greet(hand)
        elif (hand := self._greeted.pop(answer.number, None)) is not None:
            if answer.error is not None:
                self.workers.present()  # which knows whether there is anybody to ask at all
                self.refuse(hand, _said(answer.error))
            elif "refuses" in answer.value:
                hand.name = str(answer.value["name"])
                self.refuse(hand, answer.value["refuses"])
            elif "lacks" in answer.value:
                self.lacks(hand)
            else:
                self._introduced(hand, answer.value)

    def lacks(self, hand: Hand) -> None:
        """A worker can't read the data by itself."""
        hand.stands = "lacks"
        size = sum(array.nbytes for part in (self._dataset.train, self._dataset.test) for array in part) / 1e6
        self.warn_once(f"workers that can't read the data by themselves are sent them, {size:.1f} MB each")

    def refuse(self, hand: Hand, why: str) -> None:
        """A worker can't take part, or no more."""
        name = hand.name or hand.address
        hand.stands, hand.why = "refused", f"{name}: {why}"
        self.warn_once(f"a worker takes no part: {hand.why}")

    def _greet(self, hand: Hand) -> None:
        hand.stands = "greeted"
        self._greeted[self.workers.ask(hand.address, far.greet, dict(self.job))] = hand

    def _say_who_is_missing(self) -> None:
        if any(hand.stands != "refused" for hand in self.hands.values()):
            self._alone = False
        elif self.hands and not self.past:
            raise UserError(f"none of the workers can take part: {next(iter(self.hands.values())).why}")
        elif not self._alone:
            self._alone = True
            self._progress.announce(
                "no worker is there: waiting for one. Ctrl-C ends, and the same command goes on, with a cluster or not."
            )

    def _introduced(self, hand: Hand, facts: Mapping[str, Any]) -> None:
        """A worker has said what it is, and is ready."""
        hand.stands, hand.name = "ready", str(facts.get("name") or hand.address)
        hand.facts = dict(facts)
        devices = count(int(facts["devices"]), f"{str(facts['platform']).upper()} device")
        self._progress.announce(f"worker {hand.name}: {devices}, {hand.kind}")
        for warning in facts.get("warnings", ()):
            self.warn_once(f"worker {hand.name}: {warning}")
        kinds = sorted({one.kind for one in [*self.ready, *self.past]})
        if len(kinds) > 1:
            self.warn_once(
                f"workers of {len(kinds)} kinds ({'; '.join(kinds)}): they round differently, and training amplifies "
                "it. run.json says which member is from which."
            )
        together, cores = Counter[str](), {}
        for one in self.ready:
            if one.facts["platform"] == "cpu":
                together[one.facts["host"]] += min(int(one.facts["devices"]), int(one.facts["cores"]))
                cores[one.facts["host"]] = int(one.facts["host_cores"])
        for host, taken in together.items():
            if taken > cores[host]:
                self.warn_once(
                    f"workers on {host} take {taken} cores where there are {cores[host]}, and get in each other's way: "
                    "start one a machine, or give each its own cores (taskset)."
                )

    def warn_once(self, text: str) -> None:
        """Says what may not be as meant, once."""
        if text not in self._said:
            self._said.add(text)
            self._progress.warn(text)

    def described(self) -> dict[str, Any]:
        """Of those that trained, for run.json: by name."""
        found: dict[str, Any] = {}
        for hand in self.who_trained:
            found[hand.name] = {
                "host": hand.facts["host"],
                "device": hand.kind,
                "devices": int(hand.facts["devices"]),
                "members": hand.members + found.get(hand.name, {"members": 0})["members"],
                "member_epochs_a_second": round(hand.rate, 3),
            }
        return found

    @property
    def label(self) -> str:
        """Workers and how fast they are, for a bar."""
        at_work = [hand for hand in self.ready if hand.epochs]
        if len(at_work) > 3:
            return f"{len(at_work)} workers, {sum(hand.rate for hand in at_work):.1f} member-epochs/s"
        return ", ".join(f"{hand.name} {hand.rate:.1f}/s" for hand in at_work)


def _said(error: BaseException) -> str:
    """What went wrong before a worker could answer, most often since the other side has no jaxreg, or an older one."""
    said = f"{type(error).__name__}: {[*str(error).splitlines(), ''][0]}"[:300]
    if isinstance(error, ImportError) or "deserialization" in said:
        return f"{said} The scheduler and all workers need the jaxreg of the driver: pip install 'jaxreg[cluster]'"
    return said
