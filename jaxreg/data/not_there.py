"""A file of data that is not there: what is said of it, and which one was probably meant."""

from __future__ import annotations

import re
from pathlib import Path
from shlex import quote

from jaxreg.errors import UserError
from jaxreg.formatting import nearest, printable

ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+:/", re.IGNORECASE)  # two letters or more: one is a drive of Windows
ANYTHING = "a table (.csv, .parquet), arrays (.npz), a folder of IDX files, or no --data for Fashion-MNIST"


def refuse_address(path: str) -> None:
    """Raises `UserError` where it is an address of the web in the place of a path."""
    if ADDRESS.match(path):
        raise UserError(
            f"{printable(path)}: expected a file on this machine. Download it first, and give the path where it is."
        )


def absent(path: Path, expected: str) -> UserError:
    """What is raised where there is no such file: with one of its folder that is called much like it."""
    names = _names(path.parent)
    same = [name for name in names if name.partition(".")[0] == path.name]  # but for the suffix
    meant = printable(nearest(path.name, same or names, 0.1 if same else 0.6))
    return UserError(f"{printable(str(path))} does not exist, expected {expected}.{meant}")


def tables_in(folder: Path, suffixes: tuple[str, ...]) -> str:
    """The path of the first table of a folder, as it is typed; nothing where there is none."""
    first = next((name for name in _names(folder) if name.endswith(suffixes)), None)
    return "" if first is None else printable(quote(str(folder / first)))


def _names(folder: Path) -> list[str]:
    try:
        return sorted(other.name for other in folder.iterdir())
    except (OSError, ValueError):
        return []
