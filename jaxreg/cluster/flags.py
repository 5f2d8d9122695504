"""The command's flags of who trains, where that is not this process alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jaxreg.errors import UserError
from jaxreg.formatting import brief
from jaxreg.spec.limits import whole

if TYPE_CHECKING:
    from jaxreg.cluster.connection import Scheduler
    from jaxreg.cluster.meeting import Where

TLS = {"ca": "who signs both sides", "cert": "what we show", "key": "of what we show"}
MOST_PROCESSES = 100_000
NUMBERED = "--coordinator, --processes, --process"


def add(group: Any) -> None:
    """Adds them to a group of a parser's flags."""
    group.add_argument(
        "--on", metavar="SCHEDULER", help="train on a cluster of Dask: tcp://HOST:8786 or scheduler.json"
    )
    for name, what in TLS.items():
        group.add_argument(f"--tls-{name}", metavar="PEM", help=f"with --on tls://…: {what}")
    group.add_argument(
        "--distributed",
        action="store_true",
        help="one of the processes of a TPU slice, a Slurm job …, all started with this command: train together",
    )
    group.add_argument(
        "--coordinator", metavar="HOST:PORT", help="with --distributed: of process 0, for all to meet at"
    )
    group.add_argument("--processes", metavar="N", help="with --distributed: how many there are")
    group.add_argument("--process", metavar="I", help="with --distributed: which one this is, from 0 on")


def taken(given: dict[str, Any]) -> tuple[Scheduler | None, Where | None]:
    """A scheduler, or where processes meet, by the flags, which are taken out; neither: this process alone."""
    asked = [given.pop(name) for name in ("on", *(f"tls_{name}" for name in TLS))]
    together, *numbered = (given.pop(name) for name in ("distributed", "coordinator", "processes", "process"))
    if not together and any(text is not None for text in numbered):
        raise UserError(f"{NUMBERED}: go with --distributed.")
    if together and any(asked):
        raise UserError("--on, --distributed: give one of them. A cluster of Dask brings its own processes.")
    if together:
        return None, _where(*numbered)
    if not any(asked):
        return None, None
    from jaxreg.cluster import connection

    return connection.asked(*asked), None


def _where(coordinator: str | None, processes: str | None, process: str | None) -> Where:
    from jaxreg.cluster.meeting import Where

    if coordinator is not None:
        host, _, port = coordinator.rpartition(":")
        if not (host and port.isdecimal() and 0 < int(port) < 65536):
            raise UserError(f"--coordinator: must be HOST:PORT, such as 10.0.0.1:8476, got {brief(coordinator)}.")
    count = _number("processes", processes, 1, MOST_PROCESSES)
    return Where(coordinator, count, _number("process", process, 0, (count or MOST_PROCESSES) - 1))


def _number(name: str, text: str | None, least: int, most: int) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 10 and least <= int(text) <= most):
        raise UserError(f"--{name}: must be {whole(least, most)}, got {brief(text)}.")
    return int(text)
