"""One peer in a process of its own: prepares, then waits for a word on stdin before each round.

Keras's backend, thread pools and CPU devices are fixed per process, so peers can't share one; and since a worker
blocks on its pipe while others work, rounds interleave (A B A B …) without disturbing one another.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from functools import partial
from typing import Any


class Worker:
    """The parent's side."""

    def __init__(
        self,
        name: str,
        steps: int,
        cores: tuple[int, ...] = (),
        python: str | None = None,
        limit: float = 600.0,
    ):
        from jaxreg.bench.peers import PEERS

        environment = dict(os.environ) | dict(PEERS[name].environment if name in PEERS else ())
        environment.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # several workers share an accelerator
        if cores:
            environment |= {name: str(len(cores)) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "NPROC")}
            environment |= {"TF_NUM_INTRAOP_THREADS": str(len(cores)), "TF_NUM_INTEROP_THREADS": "1"}
        folder = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, (folder, environment.get("PYTHONPATH"))))
        command = [python or sys.executable, "-m", __name__, name, str(steps), *map(str, cores)]
        # A file and no pipe: nobody reads the libraries' warnings, and a full pipe would stop the worker.
        self.said = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.said, text=True
        )

    def answer(self) -> dict[str, Any]:
        """The next thing it says; its first is about itself: `missing`, or `prepare_seconds` and `versions`."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            code = self.process.wait()
            self.said.seek(0)
            said = self.said.read().strip().splitlines()
            return {"failed": said[-1] if said else f"exit code {code}"}
        return dict(json.loads(line))

    def go(self) -> None:
        """Starts a round; its `answer` has `seconds` and `member_steps`."""
        assert self.process.stdin is not None
        self.process.stdin.write("round\n")
        self.process.stdin.flush()

    def close(self) -> None:
        """Lets it end."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.close()
            self.process.wait(timeout=20)
        except (BrokenPipeError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.said.close()


def versions(packages: tuple[str, ...]) -> dict[str, str]:
    """Of the packages that are installed."""
    from importlib.metadata import version

    return {package: version(package) for package in packages}


def serve(name: str, steps: int, cores: tuple[int, ...]) -> None:
    """The worker's side."""
    # What libraries print must not land between the answers.
    channel = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def say(words: Mapping[str, Any]) -> None:
        channel.write(json.dumps(words) + "\n")
        channel.flush()

    if cores:
        os.sched_setaffinity(0, cores)
    started = time.perf_counter()
    try:
        if name == "limits":
            from jaxreg.bench.limits import measure

            say({"prepare_seconds": 0.0, "versions": {}})
            for _ in sys.stdin:
                say(measure())
            return
        from jaxreg.bench import job
        from jaxreg.bench.peers import PEERS, Epoch
        from jaxreg.engine.devices import configure

        kind, *details = name.split(":")
        if kind in ("engine", "block"):
            configure()
        about: dict[str, Any] = {}
        if kind == "block":
            from jaxreg.bench.engine import chunk, counted_epoch

            inputs, *hidden, classes = map(int, details[0].split("-"))
            more = {"hidden": hidden, "scaling": ["unit" if inputs == job.INPUTS else "raw"]}
            # Block 0: as the engine chooses.
            made = chunk(more, steps, int(details[1]) or None, dataset=job.dataset(inputs, classes))
            epoch: Epoch = partial(counted_epoch, made)
            about["block"] = made.programs.block
        else:
            about["versions"] = versions(PEERS[kind].packages)
            epoch = PEERS[kind].prepare(job.load(steps))
        epoch()
        once = time.perf_counter()
        epoch()
        warm = time.perf_counter() - once
    except ImportError as error:
        say({"missing": str(error)})
        return
    say({"prepare_seconds": max(0.0, once - started - warm), "epoch_seconds": warm, **about})
    for _ in sys.stdin:
        started = time.perf_counter()
        done = epoch()
        say({"seconds": time.perf_counter() - started, "member_steps": done})


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]), tuple(map(int, sys.argv[3:])))
