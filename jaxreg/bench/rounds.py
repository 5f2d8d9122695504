"""The rounds: every peer in turn, again and again, so that a slow minute of the machine is everyone's."""

from __future__ import annotations

import os
import statistics
from collections.abc import Callable, Mapping
from typing import Any

from jaxreg.bench import limits
from jaxreg.bench.peers import PEERS
from jaxreg.bench.worker import Worker

Say = Callable[[str], None]


def spread(values: list[float]) -> dict[str, float]:
    """Median and range."""
    return {"median": statistics.median(values), "low": min(values), "high": max(values)}


def ranged(value: Mapping[str, float], places: int = 2, factor: float = 1.0) -> str:
    """A median with its range, as text."""
    median, low, high = (f"{factor * value[key]:.{places}f}" for key in ("median", "low", "high"))
    return f"{median} ({low} to {high})"


def compare(
    rounds: int, steps: int, python: Mapping[str, str], names: list[str], say: Say, on_cpu: bool = True
) -> dict[str, Any]:
    """Member-steps a second of every peer that is installed; on a CPU also one process per core, and the limit.

    Args:
        rounds: how often everyone has a turn.
        steps: batches a round.
        python: interpreters of peers that live in another environment, by name.
        names: which peers; the engine comes along anyway.
        say: told who is at work.
        on_cpu: or on an accelerator, which no processes share.
    """
    cpus = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    teams: dict[str, list[Worker]] = {}
    about: dict[str, dict[str, Any]] = {}
    missing: dict[str, str] = {}
    try:
        for name in ["engine", *(name for name in names if name != "engine")]:
            peer, interpreter = PEERS[name], python.get(name)
            say(f"preparing {peer.title}")
            teams[name] = [Worker(name, steps, python=interpreter)]
            about[name] = teams[name][0].answer()
            if "prepare_seconds" not in about[name]:
                teams.pop(name)[0].close()
                words = about.pop(name)
                missing[name] = f"not installed: {peer.install}" if "missing" in words else words["failed"]
                say(f"  {missing[name]}")
            elif peer.single and len(cpus) > 1 and on_cpu:
                pair = f"{name} per core"
                teams[pair] = [Worker(name, steps, (cpu,), interpreter) for cpu in cpus]
                answers = [worker.answer() for worker in teams[pair]]
                failed = [answer for answer in answers if "prepare_seconds" not in answer]
                if failed:
                    missing[pair] = str(failed[0])
                    for worker in teams.pop(pair):
                        worker.close()
                else:
                    about[pair] = answers[0]
        if on_cpu:
            teams["limits"] = [Worker("limits", steps)]
            teams["limits"][0].answer()
        rates: dict[str, list[float]] = {name: [] for name in teams if name != "limits"}
        machine: dict[str, list[float]] = {"matmul": [], "copy": [], "cached_copy": []}
        for turn in range(rounds):
            say(f"round {turn + 1} of {rounds}")
            for name, team in teams.items():
                for worker in team:
                    worker.go()
                answers = [worker.answer() for worker in team]
                if failure := next((answer["failed"] for answer in answers if "failed" in answer), None):
                    raise RuntimeError(f"{name} stopped: {failure}")
                if name == "limits":
                    for key in machine:
                        machine[key].append(answers[0][key])
                else:
                    # Processes that started together are done when the last one is.
                    done = sum(answer["member_steps"] for answer in answers)
                    rates[name].append(done / max(answer["seconds"] for answer in answers))
    finally:
        for team in teams.values():
            for worker in team:
                worker.close()
    limit: dict[str, Any] = {}
    if on_cpu:
        limit["limits"] = {key: spread(values) for key, values in machine.items()}
        limit["share_of_limit"] = {key: _shares(rates["engine"], machine, key) for key in ("copy", "cached_copy")}
    return {
        "rounds": rounds,
        "steps": steps,
        "missing": missing,
        **limit,
        "peers": {
            name: {
                "title": PEERS[name.split()[0]].title + (", a process per core" if " " in name else ""),
                "rate": spread(values),
                "ratio": spread([ours / theirs for ours, theirs in zip(rates["engine"], values, strict=True)]),
                **about[name],
            }
            for name, values in rates.items()
        },
    }


def _shares(rates: list[float], machine: Mapping[str, list[float]], copy: str) -> dict[str, float]:
    turns = zip(rates, machine["matmul"], machine[copy], strict=True)
    return spread([rate * limits.step_seconds(matmul, bandwidth) for rate, matmul, bandwidth in turns])
