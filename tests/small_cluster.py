"""A scheduler and workers of Dask as processes of their own, on loopback, for a command that is given `--on`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from run_folders import differing, tables
from small_command import PATIENCE, ROOT, Small

# Some members that take a second or two each, so that there is a middle to kill something in.
LONGER = ["--hidden", "192,192", "--batch-size", "5", "--epochs", "60", "--seeds", "2"]
DASK = (sys.executable, "-m", "dask")


class Cluster:
    """One scheduler, and workers as they are started; all are killed at the end of a `with`.

    Args:
        place: a folder for files and logs; made here.
        host: what they listen on.
        tls: flags of Dask, that all are started with.
        program: what the scheduler is started by.
    """

    def __init__(self, place: Path, host: str = "127.0.0.1", tls: Sequence[str] = (), program: Sequence[str] = DASK):
        place.mkdir()
        self.place, self.host, self.tls, self.program = place, host, list(tls), list(program)
        self.file = place / "scheduler.json"
        self.workers: dict[str, subprocess.Popen] = {}
        self.scheduler = self.start_scheduler()

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *_: object) -> None:
        for process in [*self.workers.values(), self.scheduler]:
            process.kill()
            process.wait()

    @property
    def address(self) -> str:
        """Of the scheduler, once it is there."""
        end = time.monotonic() + PATIENCE
        while True:
            try:
                return str(json.loads(self.file.read_text())["address"])
            except (FileNotFoundError, ValueError):
                assert self.scheduler.poll() is None and time.monotonic() < end, self.log("scheduler")
                time.sleep(0.05)

    def start_scheduler(self) -> subprocess.Popen:
        """Starts one, on any port; it writes its file."""
        protocol = ["--protocol", "tls"] if self.tls else []
        flags = ["--port", "0", "--scheduler-file", str(self.file), *protocol]
        return self._start("scheduler", "scheduler", *flags, program=self.program)

    def worker(self, name: str, *more: str, inside: Sequence[str] = (), host: str | None = None) -> None:
        """Starts a worker, without a nanny unless `more` asks for one; `inside` is such as `ip netns exec NAME`."""
        nanny = [] if "--nanny" in more else ["--no-nanny"]
        flags = ["--nthreads", "1", "--memory-limit", "0", "--name", name, *nanny, *more]
        place = ["--local-directory", str(self.place / name)]
        process = self._start(name, "worker", self.address, *flags, *place, program=[*inside, *DASK], host=host)
        self.workers[name] = process

    def _start(
        self, name: str, what: str, *flags: str, program: Sequence[str], host: str | None = None
    ) -> subprocess.Popen:
        own = {"PYTHONPATH": str(ROOT), "JAX_COMPILATION_CACHE_DIR": str(self.place.parent / "programs")}
        command = [*program, what, *flags, "--host", host or self.host]
        with (self.place / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                [*command, "--dashboard-address", "127.0.0.1:0", *self.tls],
                stdout=log,
                stderr=log,
                cwd=self.place,
                env={**os.environ, **own},
                start_new_session=True,
            )

    def log(self, name: str) -> str:
        """What one of them has said."""
        return (self.place / f"{name}.log").read_text(encoding="utf-8")


def wait_until(seen, process: subprocess.Popen, told) -> None:
    """Waits for something to be so, while a process is at work; `told` is said where it ends before."""
    end = time.monotonic() + PATIENCE
    while not seen():
        assert process.poll() is None and time.monotonic() < end, told()
        time.sleep(0.02)


def on(cluster: Cluster, *more: str) -> list[str]:
    """The flags of a command that trains there."""
    return ["--on", cluster.address, *more]


def kept(folder: Small, least: int = 1) -> Callable[[], bool]:
    """Whether so many members are stored."""
    return lambda: len(folder.kept()) >= least


def about(folder: Small) -> dict[str, Any]:
    """run.json."""
    return dict(json.loads((folder.run / "run.json").read_text()))


def same(folder: Small, other: Small) -> bool:
    """Whether two folders have the same tables, byte for byte, and nothing was left behind."""
    found = differing(tables(folder.run), tables(other.run))
    assert found == [] and folder.strays() == [], (found, folder.strays(), folder.told)
    return True
