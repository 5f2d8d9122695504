"""What a worker does: it reads the data by itself, and trains members for a bounded time. It writes nothing.

These functions are all that a driver has workers call. One process owns all devices of its machine; a second thread of
it would wait for the first.
"""

from __future__ import annotations

import os
import pickle
import socket
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from jaxreg.cluster.allocation import allocate_as_usual
from jaxreg.cluster.job import cells_of, here, referred, whole_digest
from jaxreg.data.dataset import Dataset
from jaxreg.errors import UserError
from jaxreg.spec.load import read
from jaxreg.spec.sweep import Cell, Sweep
from jaxreg.store.members import MemberResult, MemberState

if TYPE_CHECKING:
    from jaxreg.engine.trainer import Trainer

KEPT = 2  # jobs, and data sets, of which a worker keeps what it has read and compiled


class Noted:
    """A `jaxreg.engine.progress.Progress` that nobody watches: what was counted goes back with the results."""

    def __init__(self) -> None:
        self.warnings: list[str] = []
        self.epochs = self.diverged = 0
        self.loss = float("nan")

    def announce(self, text: str) -> None:
        """Nobody listens."""

    def warn(self, text: str) -> None:
        self.warnings.append(text)

    def read(self, text: str, share: float) -> None:
        """Nobody listens."""

    def start(self, total: int, done: int = 0) -> None:
        self.epochs = self.diverged = 0

    def advance(self, member_epochs: int, label: str, loss: int | float, diverged: int = 0) -> None:
        self.epochs += member_epochs
        self.diverged += diverged
        self.loss = float(loss)

    def pause_clock(self) -> None:
        """There is none."""

    def resume_clock(self) -> None:
        """There is none."""

    def close(self) -> None:
        """Nothing to put away."""


class Ready(NamedTuple):
    """A job for which all is there."""

    sweep: Sweep
    cells: Mapping[str, Cell]
    trainer: Trainer
    noted: Noted


class Lacking(Exception):
    """The data are not to be had here: the driver has to send them. The message says why."""


_ready: OrderedDict[str, Ready] = OrderedDict()  # by the key of a job
_data: OrderedDict[str, Dataset] = OrderedDict()  # by digest, that of groups in it
_one_at_a_time = threading.Lock()


def greet(job: Mapping[str, Any]) -> dict[str, Any]:
    """Makes a worker ready for a job, and says what it is.

    Returns:
        `refuses`: why it can't take part; or `lacks`: why it has to be sent the data; or host, devices, warnings. In
        any case its name.
    """
    return {"name": _name(), **_greeted(job)}


def _greeted(job: Mapping[str, Any]) -> dict[str, Any]:
    mine, theirs = here(), job["versions"]
    if differing := [name for name in theirs if theirs[name] != mine.get(name)]:
        listed = ", ".join(f"{name} {mine.get(name)}, expected {theirs[name]}" for name in differing)
        packages = " ".join(f"'{name}=={theirs[name]}'" for name in differing if " " not in name)
        return {"refuses": f"it has {listed}. Type there: pip install {packages or 'the same jaxreg'}"}
    try:
        with _one_at_a_time:
            ready = _prepared(job)
    except Lacking as lacking:
        return {"lacks": str(lacking)}
    except UserError as error:
        return {"refuses": str(error)}
    facts = ready.trainer.facts()
    told = {name: facts[name] for name in ("platform", "device", "devices", "cores")}
    host, cores = socket.gethostname(), os.cpu_count() or 1
    return told | {"host": host, "host_cores": cores, "warnings": ready.noted.warnings}


def receive(packed: bytes) -> None:
    """Takes in data that can't be read here."""
    hold(pickle.loads(packed))


def hold(dataset: Dataset) -> None:
    """Keeps data that are here already."""
    with _one_at_a_time:
        _keep(_data, whole_digest(dataset), dataset)


def work(packed: bytes) -> dict[str, Any]:
    """Trains members until all are finished or the time is spent, one epoch at least.

    Args:
        packed: a pickle of the job, references to members, weights and states by id, and seconds without compiling.

    Returns:
        `done` and `states`: of those that finished, and of those that got on; what this took.
    """
    job, references, weights, states, seconds = pickle.loads(packed)
    with _one_at_a_time:
        try:
            sweep, cells, trainer, noted = _prepared(job)
        except Lacking as lacking:
            return {"lacks": str(lacking)}
        noted.warnings = []
        followed = {cell.after for cell in sweep.cells}
        began, before = time.perf_counter(), trainer.facts()
        compiled = trainer.programs.compile_seconds

        def enough() -> bool:
            return time.perf_counter() - began - (trainer.programs.compile_seconds - compiled) >= seconds

        done: dict[str, MemberResult] = {}
        kept: dict[str, MemberState] = {}
        members = [referred(reference, cells) for reference in references]
        for made in trainer.train(members, weights, states, enough):
            for one in made:
                if isinstance(one, MemberState):
                    kept[one.id] = one
                else:
                    wanted = one.id.split("/")[0] in followed
                    done[one.id] = one if wanted else one._replace(weights=None)
        facts = trainer.facts()
        spent = ("programs", "traces", "compile_seconds", "train_seconds")
        return {
            "done": list(done.values()),
            "states": [one for one in kept.values() if job["keep_state"] or one.id not in done],
            "facts": facts | {name: facts[name] - before[name] for name in spent},
            "width": trainer.programs.width,
            "epochs": noted.epochs,
            "loss": noted.loss,
            "diverged": noted.diverged,
            "warnings": noted.warnings,
        }


def _prepared(job: Mapping[str, Any]) -> Ready:
    """All that a job needs, made now or before."""
    if job["key"] in _ready:
        _ready.move_to_end(job["key"])
        return _ready[job["key"]]
    from jaxreg.engine import devices as hardware

    allocate_as_usual()
    # XLA parts sums on a CPU by how many threads it has, so that with other cores the eighth digit of a norm
    # may be another one: as many everywhere as the driver's process would have.
    os.environ.setdefault("NPROC", str(job["threads"]))
    # Programs for one device alone round otherwise than those for several, which all round alike.
    hardware.configure(job["devices"] or max(2, hardware.cores()))  # before anything starts JAX
    sweep = read(job["sweep"])
    dataset = _dataset(job, sweep)
    if job["networks"] or job["optimizer"]:
        from jaxreg.engine.own_networks import named
        from jaxreg.own import with_own

        own = job["networks"] or {}
        networks = {name: named(one["from"]) for name, one in own.items()} or None
        acts = {name: one["penalised"].__contains__ for name, one in own.items()}
        optimizer = job["optimizer"] and named(job["optimizer"], "--optimizer")
        sweep, _ = with_own(sweep, dataset.signature, networks, acts, optimizer, job["devices"])
    from jaxreg.engine.trainer import Trainer

    noted = Noted()
    trainer = Trainer(sweep, dataset, job["block"], job["devices"], noted, job["keep_state"])
    return _keep(_ready, job["key"], Ready(sweep, cells_of(sweep), trainer, noted))


def _dataset(job: Mapping[str, Any], sweep: Sweep) -> Dataset:
    """The data with the digest that is asked for."""
    digest = job["digest"]
    if digest in _data:
        _data.move_to_end(digest)
        return _data[digest]
    if not job["named"]:
        raise Lacking("they were given as arrays")
    from jaxreg.source import dataset_of

    try:
        found = dataset_of(sweep)
    except (UserError, OSError) as error:
        raise Lacking(str(error)) from None
    if (there := whole_digest(found)) != digest:
        what = sweep.data or found.name
        raise UserError(
            f"its data are other ones: {what} has the digest {there} there, expected {digest}. Put the same "
            "file there, or none, and it is sent."
        )
    return _keep(_data, digest, found)


def _keep(kept: OrderedDict[str, Any], key: str, value: Any) -> Any:
    kept[key] = value
    kept.move_to_end(key)
    while len(kept) > KEPT:
        kept.popitem(last=False)
    return value


def _name() -> str:
    """What whoever started this worker calls it."""
    try:
        from distributed import get_worker

        worker = get_worker()
    except (ImportError, ValueError):  # it is none of Dask's
        return ""
    return str(worker.name).rpartition("://")[2]
