"""What a worker is told: a sweep, the digest of its data, versions, and references to members. Data, and no code.

A job is plain values, so that a worker with another jaxreg can still read which one is asked for.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from jaxreg import __version__
from jaxreg.circumstances import versions
from jaxreg.data.dataset import Dataset
from jaxreg.engine.devices import cores
from jaxreg.errors import UserError
from jaxreg.formatting import brief
from jaxreg.spec import second_stage
from jaxreg.spec.members import Member
from jaxreg.spec.sweep import Cell, Sweep
from jaxreg.store.identity import NUMERICS, digest_of

Reference = tuple[str, int | Literal["all"], int, int | Literal["all"] | None, tuple[int, ...]]
"""A member in few bytes: its cell, split, seed and deal, and the folds that it does not see."""

IMPORTABLE = (
    "{what}: workers import it by name, so it must be a name in a module that they have too, and this one is not. "
    "Put it into a file such as mine.py, and give mine.NAME, or --{what} mine:NAME."
)


def here() -> dict[str, str]:
    """Versions on which a member's numbers may depend, jaxreg's own arithmetic among them."""
    return {"jaxreg": __version__, "jaxreg's numbers": str(NUMERICS)} | versions()


def job(
    sweep: Sweep,
    dataset: Dataset,
    block: int | None = None,
    devices: int | None = None,
    keep_state: bool = False,
    named: bool = True,
    networks: Mapping[str, Any] | None = None,
    optimizer: str | None = None,
) -> dict[str, Any]:
    """What workers need to know.

    Args:
        sweep: whose members are trained.
        dataset: on what.
        block, devices, keep_state: as of `jaxreg.engine.trainer.Trainer`, on each worker.
        named: whether the sweep names the data, so that workers can read them by themselves.
        networks: of one's own, by the names of their programs: how workers import each, "module:name", as `from`; and
            the paths of parameters that penalties act on, as `penalised`.
        optimizer: of one's own, how workers import it.
    """
    told = sweep.resolved()
    for key in ("data", "test"):
        if told[key] is not None:
            told[key] = str(Path(told[key]).resolve())
    content = {
        "sweep": told,
        "digest": whole_digest(dataset),
        "named": named,
        "block": block,
        "devices": devices,
        "keep_state": keep_state,
        "networks": networks,
        "optimizer": optimizer,
        "threads": cores(),
        "versions": here(),
    }
    return content | {"key": digest_of(content)}


def whole_digest(dataset: Dataset) -> str:
    """The digest of a data set and of its groups: a worker may have the same rows for two sweeps, grouped otherwise."""
    if dataset.groups is None:
        return dataset.digest
    return digest_of([dataset.digest, dataset.groups.tolist()])


def refer(member: Member) -> Reference:
    """A reference to a member."""
    return member.cell.name, member.split, member.seed, member.deal, member.left_out


def cells_of(sweep: Sweep) -> dict[str, Cell]:
    """All cells that members of a sweep may be of, by name, those of its second stage too."""
    later = second_stage.every(sweep) if sweep.second_stage else {}
    return later | {cell.name: cell for cell in sweep.cells}


def referred(reference: Reference, cells: Mapping[str, Cell]) -> Member:
    """The member that is referred to."""
    cell, split, seed, deal, left_out = reference
    return Member(cells[cell], split, seed, deal, left_out)


def importable(own: Any, what: str = "network") -> str:
    """How a network, or an optimizer, that was given as an object is imported elsewhere: "module:name".

    Of a module that is made already, its class will do where that makes the same without arguments: workers compare
    the programs.

    Raises:
        UserError: it has no such name.
    """
    kind = type(own)
    of = own[1] if isinstance(own, tuple | list) and len(own) == 2 else own
    for module in dict.fromkeys((getattr(of, "__module__", ""), kind.__module__)):
        if module in ("", "__main__", "builtins") or not (there := sys.modules.get(module)):
            continue
        found = [name for name, value in vars(there).items() if value is own or value is kind]
        if found:
            exact = [name for name in found if vars(there)[name] is own]
            name = (exact or found)[0]
            if getattr(import_module(module), name, None) is not None:
                return f"{module}:{name}"
    raise UserError(f"{IMPORTABLE.format(what=what)} ({brief(own)})")
