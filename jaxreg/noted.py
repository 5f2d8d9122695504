"""How a call from Python is noted in run.json and the report: what was given, by name, and nothing of what is in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from inspect import signature
from pathlib import Path
from typing import Any

from jaxreg.formatting import printable

UNTOLD = ("out", "progress", "command")  # where results lie is where the note is read
MOST = 20  # things in a list, that are told one by one
LONGEST = 200  # letters of a text


def noted(name: str, called: Callable[..., Any], first: Any, given: Mapping[str, Any]) -> str:
    """Such as `jaxreg.run('l1,l2', data=(<ndarray 569 × 30>, <ndarray 569>), network=Net(…))`.

    Args:
        name: of the function.
        called: itself, which says what is given where nobody gives anything: that is left out.
        first: what stands first, by its place.
        given: the others, by name.
    """
    usual = {one.name: one.default for one in signature(called).parameters.values()}
    told = [f"{key}={_told(one)}" for key, one in given.items() if key not in UNTOLD and one is not usual.get(key)]
    return f"{name}({', '.join([_told(first), *told])})"


def _told(value: Any) -> str:
    """Texts and numbers as they are typed, what has many numbers by its type and shape, and the rest by its name."""
    if isinstance(value, str | Path):
        return repr(printable(str(value))[:LONGEST])
    if value is None or isinstance(value, bool | int | float):
        return repr(value)
    kind = type(value).__name__
    if hasattr(value, "__len__") and isinstance(shape := getattr(value, "shape", None), tuple):
        return f"<{kind} {' × '.join(map(str, shape))}>"
    if isinstance(value, Mapping) and len(value) <= MOST:
        return "{" + ", ".join(f"{_told(name)}: {_told(one)}" for name, one in value.items()) + "}"
    if type(value) in (list, tuple) and len(value) <= MOST:
        inside = ", ".join(map(_told, value))
        return f"[{inside}]" if type(value) is list else f"({inside}{',' * (len(value) == 1)})"
    if isinstance(name := getattr(value, "__name__", None), str):  # of a class or a function
        return printable(name)[:LONGEST]
    if isinstance(name := getattr(value, "name", None), str):  # of a sweep or a data set
        return f"<{kind} {printable(name)[:LONGEST]}>"
    return f"{kind}(…)"
