"""One writer a folder: who has it is told, and a holder that died is no obstacle."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from jaxreg import reading
from jaxreg.errors import UserError
from jaxreg.files import write_text

LOCK, HOLDER = ".lock", ".lock.json"


@contextmanager
def locked(folder: Path, command: str) -> Iterator[None]:
    """Nobody else writes this folder meanwhile.

    The system's own lock goes with its process, however that ends. Between hosts it may not reach; there what the
    holder wrote about itself counts.

    Raises:
        UserError: somebody else has it; the message says who, since when, and what to type.
    """
    holder = folder / HOLDER
    lock = FileLock(folder / LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise UserError(f"{folder} is being written by {_who(_read(holder))}.\n  {WAIT}") from None
    except OSError as error:
        raise UserError(
            f"{folder / LOCK} can't be locked ({error.strerror}). Give another folder with --out."
        ) from None
    try:
        there = _read(holder)
        if there and there.get("host") != socket.gethostname():
            raise UserError(
                f"{folder} is being written by {_who(there)}.\n"
                f"  {WAIT} If that host is gone or the process has ended, type: rm {holder}"
            )
        write_text(holder, json.dumps(_myself(command)) + "\n")
        try:
            yield
        finally:
            holder.unlink(missing_ok=True)
    finally:
        lock.release()


WAIT = "Wait for its end, or give another folder with --out."


def _myself(command: str) -> dict[str, Any]:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return {"host": socket.gethostname(), "process": os.getpid(), "since": now, "command": command}


def _read(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(reading.read(file, 1 << 16))
        return found if isinstance(found, dict) else {}
    except (OSError, ValueError, RecursionError):
        return {}


def _who(holder: dict[str, Any]) -> str:
    if not holder:
        return "another process, which has only just begun"
    parts = "process {process} on {host} since {since}: {command}"
    return parts.format_map({key: str(holder.get(key, "?"))[:200] for key in ("process", "host", "since", "command")})
