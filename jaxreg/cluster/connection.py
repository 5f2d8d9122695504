"""To a scheduler that runs already: by its address, by the file that it wrote, or by a client of one's own."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from jaxreg import reading
from jaxreg.errors import UserError
from jaxreg.formatting import brief
from jaxreg.interrupts import unbroken

if TYPE_CHECKING:
    from distributed import Client

EXTRA = "a cluster needs Dask. Type: pip install 'jaxreg[cluster]'"
PATIENCE = 10.0  # seconds until a scheduler answers
MOST_FILE = 1_000_000  # bytes of a scheduler's file
START = "Is it running? dask scheduler --host ADDRESS --dashboard-address 127.0.0.1:8787"


class Tls(NamedTuple):
    """Files in PEM: who signs both sides, and what we show."""

    ca: str
    cert: str
    key: str


class Scheduler(NamedTuple):
    """Which one, and how to speak with it."""

    on: Any  # an address, a file that it wrote, or a client
    files: Tls | None = None  # none: Dask's own configuration counts


def asked(on: str | None, ca: str | None, cert: str | None, key: str | None) -> Scheduler:
    """What the flags of a command say. Raises `UserError` where they do not go together."""
    if on is None:
        raise UserError("--tls-ca, --tls-cert, --tls-key: go with --on tls://…, the scheduler of a cluster.")
    return Scheduler(on, tls(ca, cert, key))


def tls(ca: str | None, cert: str | None, key: str | None) -> Tls | None:
    """What the three flags say. Raises `UserError` where only some are given, or a file can't be read."""
    given = {"--tls-ca": ca, "--tls-cert": cert, "--tls-key": key}
    lacking = [flag for flag, file in given.items() if file is None]
    if len(lacking) == len(given):
        return None
    if lacking:
        raise UserError(f"{lacking[0]}: is missing. Give all three: {', '.join(given)}.")
    for flag, file in given.items():
        try:
            with open(str(file), "rb"):
                pass
        except OSError as error:
            raise UserError(f"{flag} {file}: can't be read ({error.strerror}).") from None
    return Tls(str(ca), str(cert), str(key))


@contextmanager
def connected(scheduler: Any, warn: Callable[[str], None]) -> Iterator[Client]:
    """A client of a scheduler; one that is given stays open.

    Args:
        scheduler: an address, such as "tcp://10.0.0.1:8786"; the path of a file that a scheduler wrote; a client; or a
            `Scheduler`, which has certificates too.
        warn: told where everybody between here and there can read and change what is sent.

    Raises:
        UserError: there is no such scheduler, it can't be reached so, or Dask is not installed.
    """
    try:
        from distributed import Client
    except ImportError:
        raise UserError(f"--on: {EXTRA}") from None
    on, files = scheduler if isinstance(scheduler, Scheduler) else Scheduler(scheduler)
    if isinstance(on, Client):
        if on.asynchronous or on.status != "running":
            raise UserError("on: needs a client that is connected and not asynchronous, as Client(address) makes it.")
        _warn_of_strangers(str(on.scheduler.address), warn)  # type: ignore[union-attr]
        yield on
        return
    address = _address(on)
    if files and not address.startswith(("tls://", "wss://")):
        raise UserError(
            f"--on {address}: --tls-ca, --tls-cert and --tls-key go with tls://…, as the scheduler says it."
        )
    _warn_of_strangers(address, warn)
    with ExitStack() as held:
        silence = held.enter_context(_silent())
        how = _security(address, files)
        with unbroken():
            client = Client(address, security=how, timeout=PATIENCE, set_as_default=False)
        try:
            yield client
        finally:
            if client.status != "running":
                silence.pop_all()  # what it was about to do still fails, and would be told for a while
            with unbroken():
                client.close(timeout=2)


@contextmanager
def _silent() -> Iterator[ExitStack]:
    """What happens is told by us, in a line; Dask would tell it in tracebacks. The stack undoes it."""
    loggers = [
        logging.getLogger(name)
        for name in list(logging.root.manager.loggerDict)
        if name.partition(".")[0] in ("distributed", "tornado", "asyncio")
    ]
    with ExitStack() as undone:
        for logger in loggers:
            undone.callback(setattr, logger, "disabled", logger.disabled)
            logger.disabled = True
        yield undone


def _security(address: str, files: Tls | None) -> Any:
    """How to speak with a scheduler, once it has answered: a client that can't connect would tell it at length."""
    from distributed.comm import connect
    from distributed.security import Security

    arguments: dict[str, Any] = {}
    try:
        if files is not None:
            how = {"tls_ca_file": files.ca, "tls_client_cert": files.cert, "tls_client_key": files.key}
            security = Security(**how, require_encryption=True)
        else:
            security = Security()  # by Dask's own configuration
        arguments = security.get_connection_args("client")
        if address.startswith(("tls://", "wss://")) and arguments.get("ssl_context") is None:
            raise ValueError("there are no certificates to show")

        async def reach() -> None:
            comm = await connect(address, timeout=PATIENCE, **arguments)
            await comm.close()

        with ThreadPoolExecutor(1) as apart:  # a notebook has a loop of its own in this thread
            apart.submit(asyncio.run, reach()).result()
    except OSError as error:  # time-outs and TLS among it
        said = [*str(error.__cause__ or error).splitlines(), type(error).__name__][0]
        hint = "Does it take these certificates?" if arguments.get("ssl_context") else START
        raise UserError(f"--on {address}: no scheduler answers there ({said}). {hint}") from None
    except (TypeError, ValueError, RuntimeError) as error:
        said = [*str(error).splitlines(), type(error).__name__][0]
        more = " Give --tls-ca, --tls-cert and --tls-key, or Dask's own configuration."
        raise UserError(f"--on {address}: {said}.{more if address.startswith('tls') and not files else ''}") from None
    return security


def _address(on: Any) -> str:
    """The address that is meant."""
    text = str(on)
    if "://" in text:
        return text
    if not text.endswith(".json"):
        raise UserError(f"--on: must be an address such as tcp://10.0.0.1:8786, or scheduler.json, got {brief(text)}.")
    try:
        found = json.loads(reading.read(Path(text), MOST_FILE))
        address = found["address"]
    except FileNotFoundError:
        raise UserError(
            f"--on {text}: there is no such file. dask scheduler --scheduler-file {text} writes it."
        ) from None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        address = None
    if not isinstance(address, str) or "://" not in address:
        raise UserError(f"--on {text}: has no address, expected a file that dask scheduler --scheduler-file wrote.")
    return address


def _warn_of_strangers(address: str, warn: Callable[[str], None]) -> None:
    scheme, _, rest = address.partition("://")
    if scheme in ("tls", "wss", "inproc") or _loopback(rest):
        return
    warn(
        f"{address} is reached unencrypted, and whoever reaches it too can run programs on every worker. On a network "
        "that others use, start it with --tls-ca-file, --tls-cert and --tls-key, and give tls://… here."
    )


def _loopback(rest: str) -> bool:
    host = rest.split("/")[0].rpartition(":")[0].strip("[]")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
