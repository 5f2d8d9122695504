"""One process and clusters of Dask on one machine, each worker on a core of its own: does the cost model hold?

    python -m jaxreg.bench.workers

The same sweep is trained in turn by one process on one core, and by clusters of one worker and of two, each of them on
a core alone; the driver and the scheduler share the first one. The model says: start + compile + members x steps x
seconds of a step / workers, where a step's seconds are those of the one process; so what is left of the time without
the last term must be the same for any number of workers. Prints its table as Markdown.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jaxreg.bench.rounds import ranged, spread
from jaxreg.report.markdown import table

ROUNDS = 3
FLAGS = ("--grid", "l2", "--l2", "0,1e-5,1e-4,1e-3", "--splits", "5", "--epochs", "8", "--no-full", "--quiet")


def measure(rounds: int = ROUNDS) -> dict[str, list[dict[str, float]]]:
    """For one process, and for each number of workers, what every round took."""
    cores = sorted(os.sched_getaffinity(0))
    found: dict[str, list[dict[str, float]]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for turn in range(rounds):
            print(f"round {turn + 1} of {rounds}", file=sys.stderr, flush=True)
            found.setdefault("one process", []).append(_sweep(folder / f"alone{turn}", cores[0]))
            for workers in range(1, len(cores) + 1):
                with cluster(folder / f"cluster{turn}-{workers}", cores[:workers]) as scheduler:
                    words = f"{workers} worker{'s' * (workers > 1)}"
                    out = folder / f"run{turn}-{workers}"
                    found.setdefault(words, []).append(_sweep(out, cores[0], "--on", scheduler))
    return found


@contextmanager
def cluster(place: Path, cores: Sequence[int]) -> Iterator[str]:
    """A scheduler on loopback, and a worker on each of the cores; gives the scheduler's file."""
    place.mkdir()
    file = place / "scheduler.json"
    started = [_start(place, cores[0], "scheduler", "--port", "0", "--scheduler-file", str(file))]
    try:
        while not file.exists():
            time.sleep(0.05)
        for number, core in enumerate(cores):
            flags = ["--scheduler-file", str(file), "--nthreads", "1", "--memory-limit", "0", "--no-nanny"]
            flags += ["--name", f"worker{number}", "--local-directory", str(place / f"worker{number}")]
            started.append(_start(place, core, "worker", *flags))
        yield str(file)
    finally:
        for process in started:
            process.kill()
            process.wait()


def _start(place: Path, core: int, what: str, *flags: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "dask", what, "--host", "127.0.0.1", "--dashboard-address", "127.0.0.1:0", *flags]
    with (place / "log").open("ab") as log:
        return subprocess.Popen(_on(core, command), stdout=log, stderr=log)


def _on(core: int, command: Sequence[str]) -> list[str]:
    return ["taskset", "-c", str(core), *command]


def _sweep(out: Path, core: int, *more: str) -> dict[str, float]:
    """Seconds of the whole command, and of its training, where a cluster's is that of all workers together."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "jaxreg.sweep", *FLAGS, "--out", str(out), *more]
    done = subprocess.run(_on(core, command), capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr[-1000:])
    wall, about = time.perf_counter() - began, json.loads((out / "run.json").read_text(encoding="utf-8"))
    shutil.rmtree(out)
    return {"wall": wall, "train": float(about["train_seconds"])}


def page(found: dict[str, list[dict[str, float]]]) -> str:
    """The table, as Markdown."""
    alone = found["one process"]
    training = statistics.median(one["train"] for one in alone)
    rows = []
    for name, rounds in found.items():
        workers = 1 if name == "one process" else int(name.split()[0])
        walls = [one["wall"] for one in rounds]
        against = [wall / other["wall"] for wall, other in zip(walls, alone, strict=True)]
        rows.append(
            {
                "": name,
                "from start to end, s": ranged(spread(walls), 1),
                "less training of one process / workers, s": ranged(spread([w - training / workers for w in walls]), 1),
                "over one process": ranged(spread(against)),
            }
        )
    return table(rows)


def main() -> None:
    """Measures and prints."""
    if not hasattr(os, "sched_getaffinity") or shutil.which("taskset") is None:
        raise SystemExit("a process is put on a core by Linux's taskset, which is not here")
    found: Any = measure()
    print(page(found))


if __name__ == "__main__":
    main()
