"""Processes that were started together find one another: by jax.distributed, then over connections of their own.

jax.distributed knows who they are, on a TPU slice, under Slurm and elsewhere, and the devices of a slice start only
when all its hosts start theirs. Then it is left: it would end every process with an abort once any of them has died.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import sys
import threading
from concurrent.futures import Future
from multiprocessing.connection import Client, Connection, Listener
from typing import Any, NamedTuple

from jaxreg.engine.devices import configure, cores
from jaxreg.errors import Failure, UserError
from jaxreg.interrupts import SIGNALS

ARRIVAL = 300.0  # seconds in which all processes must have come
BY_HAND = "Give --coordinator HOST:PORT --processes N, and in each process its own --process, from 0 to N - 1."
COORDINATOR = "JAX_COORDINATOR_ADDRESS"  # a variable that JAX reads
KEY = "jaxreg"  # under which process 0 says how it is reached


class Where(NamedTuple):
    """Where processes meet, as far as JAX does not find it out by itself."""

    coordinator: str | None = None  # the address of process 0, with a port
    processes: int | None = None
    process: int | None = None  # which one this is


class Met(NamedTuple):
    """Which process this is, and those that it has a connection to, by number: process 0 to all, the others to it."""

    process: int
    others: dict[int, tuple[Connection, str]]  # with the name of its host


def meet(where: Where, devices: int | None = None) -> Met:
    """Waits for the other processes, and starts the devices of this one when they start theirs.

    Args:
        where: that is.
        devices: that each process trains on; all of its own by default.

    Raises:
        UserError: this process is not one of several.
        Failure: they can't meet.
    """
    if where.coordinator is not None and where.process == 0:
        _check(where.coordinator)
    configure(devices or max(2, cores()))  # as any other worker
    found: Future[Met] = Future()

    def work() -> None:
        try:
            found.set_result(_met(where._replace(coordinator=where.coordinator or os.environ.get(COORDINATOR))))
        except BaseException as error:
            found.set_exception(error)

    # Apart, since JAX waits in C++, where no signal is heard, and after its own time ends the process with a trace.
    threading.Thread(target=work, name="meet", daemon=True).start()
    try:
        met = found.result(ARRIVAL)
    except TimeoutError:
        raise Failure(
            f"--distributed: not all processes have come within {ARRIVAL:.0f} s. Start the same command on every host, "
            "with a --process of its own where they are numbered by hand; all of them must reach process 0."
        ) from None
    if threading.current_thread() is threading.main_thread():
        for number in SIGNALS:  # one of which JAX has taken for itself
            signal.signal(number, signal.getsignal(number))
    return met


def leave(code: int, text: str) -> None:
    """Ends this process from any of its threads, once it has said why."""
    try:
        print(text, file=sys.stderr, flush=True)
    finally:
        os._exit(code)


def _check(coordinator: str) -> None:
    """Makes sure that process 0 can listen there: where it can't, jaxlib ends with a segmentation fault."""
    host, _, port = coordinator.rpartition(":")
    try:
        family, *_, address = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)[0]
        socket.create_server(address[:2], family=family).close()
    except (OSError, UnicodeError) as error:
        said = getattr(error, "strerror", None) or error
        raise UserError(
            f"--coordinator {coordinator}: process 0 can't listen there ({said}). Give an address of its host, and a "
            "port that is free."
        ) from None


def _met(where: Where) -> Met:
    process, processes, store, address = _initialized(where)
    if process == 0:
        others = _gather(store, processes, address, bound=where.coordinator is not None)
    else:
        others = {0: _reach(store, process)}
    _start_devices()
    return Met(process, others)


def _initialized(where: Where) -> tuple[int, int, Any, str]:
    """Which process this is, and of how many; a store of keys and values that all see; the address of process 0."""
    # Each process compiles for itself; with this, XLA would have them measure parts of one program for one another.
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_gpu_shard_autotuning=false".strip()
    import jax
    from jax._src import distributed  # the store has no public name; Orbax takes it from here too

    jax.config.update("jax_cpu_collectives_implementation", None)  # else sums over local devices would need the store
    try:
        jax.distributed.initialize(
            where.coordinator,
            where.processes,
            where.process,
            coordinator_bind_address=os.environ.get("JAX_COORDINATOR_BIND_ADDRESS", where.coordinator),
            initialization_timeout=int(2 * ARRIVAL),
        )
    except (ValueError, TypeError) as error:
        raise UserError(f"--distributed: JAX finds no processes to join here ({error}) {BY_HAND}") from None
    except (RuntimeError, OSError) as error:
        said = [*str(error).splitlines(), type(error).__name__][0]
        raise Failure(f"--distributed: the processes can't meet ({said}).") from None
    found = distributed.global_state
    return found.process_id, found.num_processes, found.client, str(found.coordinator_address)


def _start_devices() -> None:
    """Starts JAX's devices, which the processes of a slice do together, and leaves jax.distributed, as they all do."""
    import jax

    jax.local_devices()
    jax.distributed.shutdown()


def _gather(store: Any, processes: int, address: str, bound: bool) -> dict[int, tuple[Connection, str]]:
    """Takes the connections of all others.

    Args:
        store: of keys and values.
        processes: how many there are.
        address: of process 0, with a port that is taken.
        bound: listen there alone; else on every address, since here the name that JAX has found may mean another.
    """
    host = address.rpartition(":")[0].strip("[]")
    family = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)[0][0].name
    secret, found = secrets.token_hex(32), dict[int, tuple[Connection, str]]()
    with Listener((host if bound else "", 0), family, backlog=128, authkey=secret.encode()) as listener:
        told = {"host": host, "port": listener.address[1], "family": family, "secret": secret}
        store.key_value_set(KEY, json.dumps(told | {"name": socket.gethostname(), "threads": cores()}))
        while len(found) < processes - 1:
            try:
                connection = listener.accept()
                number, name = connection.recv()
            except Exception:  # a stranger, who does not know the secret, or who has gone
                continue
            found[number] = connection, name
    return dict(sorted(found.items()))


def _reach(store: Any, process: int) -> tuple[Connection, str]:
    """Connects to process 0."""
    told = json.loads(store.blocking_key_value_get(KEY, int(1000 * ARRIVAL)))
    connection = Client((told["host"], told["port"]), told["family"], told["secret"].encode())
    connection.send((process, socket.gethostname()))
    os.environ.setdefault("NPROC", str(told["threads"]))  # as `jaxreg.cluster.worker` has it, and why
    return connection, told["name"]
