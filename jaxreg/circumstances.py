"""On what the last digits of a number may depend, beside what the member is: versions and machine."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

PACKAGES = ("jax", "jaxlib", "flax", "optax", "numpy")  # whose versions may change a number
MACHINE = ("platform", "device", "precision")  # of a trainer's facts, what may change one as well


def versions() -> dict[str, str]:
    """Of the libraries that a number may depend on."""
    return {name: version(name) for name in PACKAGES}


def circumstances(facts: Mapping[str, Any]) -> dict[str, str]:
    """On what a member's last digits may depend, beside what it is: some of a trainer's facts, and versions."""
    blocks = {f"members of {network}": str(text) for network, text in facts.get("blocks", {}).items()}
    return {name: str(facts[name]) for name in MACHINE if name in facts} | blocks | versions()


def kind(made: Mapping[str, Any]) -> str:
    """The machine and the versions that a member is of, in words: two that differ in this round differently."""
    known = [f"{name} {made[name]}" for name in PACKAGES if name in made]
    return f"{made.get('device', 'an unknown device')} ({', '.join([str(made.get('platform', '?')), *known])})"


def by_kind(kinds: Mapping[str, str]) -> dict[str, list[str]]:
    """The members of each kind, from the kind of each member."""
    found: dict[str, list[str]] = {}
    for member, of in kinds.items():
        found.setdefault(of, []).append(member)
    return found


def now() -> str:
    """The time as run.json has it."""
    return datetime.now(UTC).isoformat(timespec="seconds")
