"""Where a sweep's time goes, how soon a second start trains, and what more members or devices cost.

Each figure is a whole run in a process of its own, as the command line starts one.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import Any

from jaxreg.bench.memory import peak_bytes


class Clock:
    """Seconds by phase; time inside a phase that is inside another counts for the inner one alone."""

    def __init__(self, began: float):
        self.seconds: dict[str, float] = defaultdict(float)
        self._open = ["start"]
        self._since = began

    def _charge(self) -> None:
        now = time.time()
        self.seconds[self._open[-1]] += now - self._since
        self._since = now

    def enter(self, phase: str) -> None:
        self._charge()
        self._open.append(phase)

    def leave(self) -> None:
        self._charge()
        self._open.pop()

    def rename(self, phase: str) -> None:
        """What is outside all inner phases goes to this one from now on."""
        self._charge()
        self._open[0] = phase

    def around(self, owner: Any, name: str, phase: Callable[..., str]) -> None:
        """Charges calls of ``owner.name`` to a phase, and waits for what they compute: JAX returns before it is."""
        function = getattr(owner, name)

        @wraps(function)
        def timed(*arguments: Any, **options: Any) -> Any:
            import jax

            self.enter(phase(*arguments))
            try:
                return jax.block_until_ready(function(*arguments, **options))
            finally:
                self.leave()

        setattr(owner, name, timed)


def watched(began: float, flags: dict[str, Any], out: str, devices: int | None, first_epoch_only: bool) -> None:
    """Runs a sweep under the clock and prints its phases as JSON. ``began`` is when the process was started."""
    clock = Clock(began)
    from jaxreg.engine import devices as hardware

    hardware.configure(devices)
    import jaxreg
    from jaxreg import conclude
    from jaxreg.driver import Driver
    from jaxreg.engine import programs, training
    from jaxreg.report import page as report
    from jaxreg.spec.load import load
    from jaxreg.statistics import analysis

    def of_program(self: Any, function: Any, *_: Any) -> str:
        return "train" if function is training.train_epoch else "evaluate"

    compiling = programs.Programs.compiled

    def compiled(self: Any, function: Any, *arguments: Any, **how: Any) -> Any:
        clock.enter("compile")
        try:
            found = compiling(self, function, *arguments, **how)
        finally:
            clock.leave()
        if function is training.train_epoch and "until_first_epoch" not in clock.seconds:
            clock.seconds["until_first_epoch"] = time.time() - began
            if first_epoch_only:
                raise KeyboardInterrupt
            clock.rename("host")  # transfers, the loop itself
        return found

    programs.Programs.compiled = compiled  # type: ignore[method-assign]
    clock.around(programs.Ahead, "begun", lambda *_: "compile")
    clock.around(programs.Programs, "__call__", of_program)
    clock.around(Driver, "_keep", lambda *_: "save")
    clock.around(conclude, "_write_members", lambda *_: "save")
    clock.around(analysis, "analyse", lambda *_: "decompose")
    clock.around(report, "write", lambda *_: "report")
    try:
        run = jaxreg.run(load(flags=flags), out=out, devices=devices)
    except jaxreg.errors.Interrupted:  # type: ignore[attr-defined]
        print(json.dumps(clock.seconds))
        return
    clock.leave()
    about = json.loads((run.folder / "run.json").read_text(encoding="utf-8"))
    facts = {"members": len(run.members), "peak_bytes": peak_bytes(), "train_seconds": about["train_seconds"]}
    print(json.dumps({**clock.seconds, **facts}))


def launch(
    flags: dict[str, Any],
    devices: int | None = None,
    first_epoch_only: bool = False,
    cache: str | None = None,
) -> dict[str, float]:
    """A sweep in a fresh process: seconds of each phase, `wall`, `members`, `peak_bytes`, `until_first_epoch`."""
    environment = dict(os.environ) | ({"JAX_COMPILATION_CACHE_DIR": cache} if cache else {})
    package = str(Path(__file__).resolve().parents[2])
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, (package, environment.get("PYTHONPATH"))))
    with tempfile.TemporaryDirectory() as out:
        began = time.time()
        call = json.dumps([began, flags, str(Path(out, "run")), devices, first_epoch_only])
        done = subprocess.run(
            [sys.executable, "-m", __name__, call],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        wall = time.time() - began
    if done.returncode:
        raise RuntimeError(f"a run of {flags} failed:\n{done.stderr[-2000:]}")
    return {**json.loads(done.stdout.splitlines()[-1]), "wall": wall}


PHASES = ("start", "compile", "train", "evaluate", "host", "save", "decompose", "report")


def shares(flags: dict[str, Any]) -> dict[str, Any]:
    """A sweep's phases, compilation included (a fresh cache), in per cent of the wall time."""
    with tempfile.TemporaryDirectory() as cache:
        run = launch(flags, cache=cache)
    percent = {phase: 100 * run.get(phase, 0.0) / run["wall"] for phase in PHASES}
    percent["exit"] = 100 - sum(percent.values())  # the interpreter's end, and what the clock did not see
    return {"run": run, "percent": percent, "not_training": 100 - percent["train"]}


def starts(flags: dict[str, Any], rounds: int) -> dict[str, Any]:
    """Seconds from starting the process until the first epoch runs: compile cache empty, then warm."""
    with tempfile.TemporaryDirectory() as cache:
        first = launch(flags, first_epoch_only=True, cache=cache)["until_first_epoch"]
        again = [launch(flags, first_epoch_only=True, cache=cache)["until_first_epoch"] for _ in range(rounds)]
    from jaxreg.bench.rounds import spread

    return {"cold": first, "warm": spread(again)}


def growth(sizes: Sequence[int], devices: Sequence[int], epochs: int) -> dict[str, Any]:
    """Whole runs of more and more members on all devices, and of as many on 1, 2 … devices; caches warm."""

    def flags(count: int) -> dict[str, Any]:
        return {
            "grid": "l1",
            "l1": [1e-5],
            "l2": [1e-5],
            "splits": 4,
            "seeds": max(1, count // 4),
            "epochs": epochs,
        }

    with tempfile.TemporaryDirectory() as cache:
        for count in devices:
            launch(flags(4), devices=count, cache=cache)
        members = [launch(flags(size), cache=cache) for size in sizes]
        wide = [launch(flags(sizes[1]), devices=count, cache=cache) | {"devices": count} for count in devices]
    return {"epochs": epochs, "members": members, "devices": wide}


if __name__ == "__main__":
    watched(*json.loads(sys.argv[1]))
