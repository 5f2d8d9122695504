"""jaxreg: how strongly to regularise, and what it buys."""

from __future__ import annotations

from typing import Any

__version__ = "0.1.0"
__all__ = ["Run", "Sweep", "UserError", "compare", "configure", "load", "run"]

# Resolved when asked for: `python -m jaxreg.sweep --help` has no use for pandas, let alone JAX.
_HOMES = {
    "Run": "run",
    "run": "run",
    "compare": "compare",
    "Sweep": "spec.sweep",
    "load": "spec.load",
    "configure": "engine.devices",
    "UserError": "errors",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'jaxreg' has no attribute {name!r}")
    from importlib import import_module

    module = import_module(f"jaxreg.{_HOMES[name]}")
    # All names of that module at once: importing it has just put the module where the function `run` belongs.
    globals().update({other: getattr(module, other) for other, home in _HOMES.items() if home == _HOMES[name]})
    return globals()[name]
