"""run.json read back, and what is said of a folder in which something is missing or damaged."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jaxreg import reading
from jaxreg.errors import UserError
from jaxreg.formatting import printable
from jaxreg.spec.limits import DEPTH, too_deep
from jaxreg.store import about

MOST_RECORD = 16_000_000  # bytes of run.json


def no_folder(path: Path) -> UserError:
    """The folder of a run that is not there, or is a file."""
    return UserError(
        f"{path} is not a folder. Expected the folder of a run, such as reports/l1-l2;\n"
        "  python -m jaxreg.sweep --grid l1,l2 makes one"
    )


def missing(file: Path) -> UserError:
    """A file that is not there."""
    return UserError(
        f"{file} is missing: {file.parent} is not the folder of a finished run.\n"
        "  The command that made it finishes it (nothing is trained twice)."
    )


def damaged(file: Path, what: str, record: Mapping[str, Any]) -> UserError:
    """A file that is not as a run leaves it, with the command that makes it anew, if run.json has one of ours."""
    try:
        command = shlex.split(str(record.get("command", "")))
    except ValueError:
        command = []
    ours = command[:3] == ["python", "-m", "jaxreg.sweep"] or command[:1] == ["jaxreg"]
    typed = printable(shlex.join(command)) if ours else "python -m jaxreg.sweep ..."
    return UserError(f"{file}: {what}. Was it edited, or cut off?\n  Written anew by: {typed}")


def read_record(file: Path) -> dict[str, Any]:
    """run.json. Raises `UserError` where it is missing or is not what a run leaves."""
    try:
        record = json.loads(reading.read(file, MOST_RECORD).decode("utf-8"))
    except FileNotFoundError:
        raise missing(file) from None
    except (ValueError, OSError) as error:
        said = str(getattr(error, "strerror", None) or error)
        raise UserError(f"{file} can't be read as JSON: {printable(said[:200])}") from None
    except RecursionError:
        raise UserError(f"{file} can't be read as JSON: it is nested too deeply") from None
    if not isinstance(record, dict):
        raise UserError(f"{file} can't be read: expected a JSON object, got {type(record).__name__}.")
    try:
        if too_deep(record):
            raise ValueError(f"it has tables or lists more than {DEPTH} deep in one another")
        about.check(record)
    except ValueError as error:
        raise damaged(file, str(error), record) from None
    return record
