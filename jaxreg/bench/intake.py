"""How many members a second the driver of a cluster can take in, and in how much memory: nobody is trained.

    python -m jaxreg.bench.intake 100000

Two hundred pretended workers have their members finished as soon as they are asked for. All else is real: the driver,
who waits, what is packed for workers, results that are unpacked, members that are written.
"""

from __future__ import annotations

import argparse
import pickle
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jaxreg.bench.store import MadeUp, sweep_and_data
from jaxreg.cluster import worker as far
from jaxreg.cluster.crew import Crew
from jaxreg.cluster.job import cells_of, job, referred
from jaxreg.cluster.trainer import ClusterTrainer
from jaxreg.cluster.workers import Answer
from jaxreg.driver import Driver
from jaxreg.engine.progress import Silent
from jaxreg.store.folder import Folder

WORKERS = 200
CELLS_TIMES_SPLITS = 80  # of the sweep that `jaxreg.bench.store` makes
SHOWN = 10  # times that it says how far it is
DIFFERENT = 50  # results that are made; members have them in turn


class Pretended:
    """A `jaxreg.cluster.workers.Workers` whose workers finish at once what they are given."""

    def __init__(self, sweep: Any, labels: Any) -> None:
        made = MadeUp(labels)
        self._results = [made("", number) for number in range(DIFFERENT)]
        self._cells = cells_of(sweep)
        self._there = frozenset(f"worker{number}" for number in range(WORKERS))
        self._asked = self._finished = self.bytes = 0
        self._calls: deque[tuple[int, Callable[..., Any], tuple[Any, ...]]] = deque()

    def present(self) -> frozenset[str]:
        """All of them, always."""
        return self._there

    def ask(self, worker: str, function: Callable[..., Any], *arguments: Any) -> int:
        """It is done when the answer is asked for."""
        self._asked += 1
        self._calls.append((self._asked, function, arguments))
        return self._asked

    def answer(self, seconds: float) -> Answer | None:
        """The oldest call's, as it would come over a wire."""
        if not self._calls:
            return None
        number, function, arguments = self._calls.popleft()
        facts = {"platform": "cpu", "device": "pretended", "devices": 1, "cores": 1}
        if function is far.greet:
            return Answer(number, facts | {"name": f"worker{number}", "host": f"host{number}", "host_cores": 1})
        _, references, *_ = pickle.loads(arguments[0])
        done = []
        for reference in references:
            member = referred(reference, self._cells)
            done.append(self._results[self._finished % DIFFERENT]._replace(id=member.id))
            self._finished += 1
        spent = {"programs": 0, "traces": 0, "compile_seconds": 0.0, "train_seconds": 1.0}
        said = {"done": done, "states": [], "facts": facts | {"precision": "float32", "blocks": {}} | spent, "width": 1}
        packed = pickle.dumps(said | {"epochs": 15 * len(done), "loss": 0.0, "diverged": 0, "warnings": []})
        self.bytes += len(packed)
        return Answer(number, pickle.loads(packed))

    def forget(self, number: int) -> None:
        """There is nothing to forget."""


def memory() -> float:
    """MB of this process that are in memory now; of where that can't be known, nan."""
    try:
        import psutil
    except ImportError:
        return float("nan")
    return float(psutil.Process().memory_info().rss) / 1e6


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("members", type=int, help=f"how many, a multiple of {CELLS_TIMES_SPLITS}")
    given = parser.parse_args()
    began = time.perf_counter()
    sweep, data = sweep_and_data(given.members // CELLS_TIMES_SPLITS)
    with tempfile.TemporaryDirectory() as place:
        folder = Folder(Path(place))
        folder.prepare()
        driver = Driver(sweep, data, folder, Silent(), "made up", began)
        workers = Pretended(sweep, data.test.targets)
        total = len(driver.members)
        print(f"{total} members, {memory():.0f} MB, {time.perf_counter() - began:.0f} s until the first is asked for")

        class Watched(ClusterTrainer):
            """Says how far it is."""

            def train(self, *arguments: Any) -> Any:
                """As it does, and says so."""
                mark, counted = time.perf_counter(), 0
                for came in super().train(*arguments):
                    yield came
                    done = len(driver.finished)
                    if done - counted >= total / SHOWN:
                        now = time.perf_counter()
                        rate = (done - counted) / (now - mark)
                        print(f"{done:7} members  {rate:6.0f} a second  {memory():5.0f} MB", flush=True)
                        mark, counted = now, done

        crew = Crew(workers, job(sweep, data), data, Silent())
        started = time.perf_counter()
        driver.train(lambda: Watched(crew, sweep, Silent()))
        spent = time.perf_counter() - started
        print(f"{total / spent:.0f} members a second, {workers.bytes / total / 1e3:.1f} kB a member over the wire")
    return 0


if __name__ == "__main__":
    sys.exit(main())
