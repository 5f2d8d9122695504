"""jaxreg: how strongly to regularise, and what it buys."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

__version__ = "0.2.0"
__all__ = ["Failure", "Interrupted", "Run", "Sweep", "UserError", "compare", "configure", "load", "run"]

# Resolved when asked for: `python -m jaxreg.sweep --help` has no use for pandas, let alone JAX.
_HOMES = {
    "Run": "finished",
    "run": "run",
    "compare": "compare",
    "Sweep": "spec.sweep",
    "load": "loading",
    "configure": "engine.devices",
    "UserError": "errors",
    "Failure": "errors",
    "Interrupted": "errors",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'jaxreg' has no attribute {name!r}")
    from importlib import import_module

    globals()[name] = getattr(import_module(f"jaxreg.{_HOMES[name]}"), name)
    return globals()[name]


class _Package(ModuleType):
    """Importing the module `jaxreg.run`, at whatever time, does not put it where the function `run` belongs."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in _HOMES and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
