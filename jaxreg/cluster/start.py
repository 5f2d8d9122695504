"""What makes trainers whose workers are on a cluster, for a whole run: its rounds and its second stage too."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from jaxreg.cluster import worker as far
from jaxreg.cluster.connection import connected
from jaxreg.cluster.crew import Crew
from jaxreg.cluster.job import importable, job
from jaxreg.cluster.together import Processes
from jaxreg.cluster.trainer import ClusterTrainer
from jaxreg.cluster.workers import DaskWorkers, Workers
from jaxreg.data.dataset import Dataset
from jaxreg.engine.progress import Progress
from jaxreg.own import networks_of
from jaxreg.spec.sweep import Sweep


@contextmanager
def trainers(
    on: Any,
    sweep: Sweep,
    dataset: Dataset,
    progress: Progress,
    *,
    named: bool,
    block: int | None,
    devices: int | None,
    keep_state: bool,
    network: Any = None,
    optimizer: Any = None,
    about: Mapping[str, Any] | None = None,
) -> Iterator[Callable[[], ClusterTrainer]]:
    """Connects, and gives what makes a trainer, for as long as the connection is there.

    Args:
        on: `Processes`, or a scheduler as `jaxreg.cluster.connection.connected` has it.
        sweep, dataset, progress: as of a `ClusterTrainer`.
        named, block, devices, keep_state: as of `jaxreg.cluster.job.job`.
        network, optimizer: of one's own, where they were given as objects.
        about: what run.json says of what is of one's own.

    Raises:
        UserError: there is no such scheduler, or workers could not import what is of one's own.
    """
    names: dict[str, Any] = {}
    if about:
        from jaxreg.engine.registry import MARK  # JAX, which what is of one's own has started already

        wanted = {name: name.partition(MARK)[0] for name in networks_of(sweep)}
        given = network if isinstance(network, Mapping) else dict.fromkeys(wanted.values(), network)
        if "networks" in about:
            names["networks"] = {
                name: {
                    "from": text if given.get(text) is None else importable(given[text]),
                    "penalised": own["penalised"],
                }
                for (name, text), own in zip(wanted.items(), about["networks"], strict=True)
            }
        if "optimizer" in about:
            called = sweep.recipe.optimizer.name.partition(MARK)[0]
            names["optimizer"] = called if optimizer is None else importable(optimizer, "optimizer")
    told = job(sweep, dataset, block, devices, keep_state, named, **names)
    with _workers(on, dataset, progress) as workers:
        crew = Crew(workers, told, dataset, progress)
        yield lambda: ClusterTrainer(crew, sweep, progress)


@contextmanager
def _workers(on: Any, dataset: Dataset, progress: Progress) -> Iterator[Workers]:
    if isinstance(on, Processes):
        far.hold(dataset)  # this process is one of them, and has read it
        yield on
        return
    with connected(on, progress.warn) as client:
        if client.dashboard_link:
            progress.announce(f"the cluster's dashboard, where it has one: {client.dashboard_link}")
        workers = DaskWorkers(client)
        try:
            yield workers
        finally:
            workers.close()
