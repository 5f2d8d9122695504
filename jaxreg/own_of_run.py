"""The networks of somebody's own that a run was trained on, for whoever trains some of it again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jaxreg.data.dataset import Signature
from jaxreg.errors import UserError
from jaxreg.own import networks_of, with_own
from jaxreg.spec.sweep import Sweep


def with_own_of_run(
    sweep: Sweep,
    data: Signature,
    record: Mapping[str, Any],
    give: str,
    network: Any = None,
    devices: int | None = None,
) -> Sweep:
    """The sweep of a run, with what is of somebody's own in it known in this process.

    Args:
        sweep, data: of the run.
        record: its run.json, which says where Python finds each network, and what of it is penalised.
        give: how somebody gives a network that Python does not find.
        network: the run's, one or several by name; by default what is known in this process, or is found.
        devices: how many to use, which JAX must know before it starts.

    Raises:
        UserError: a network is not known and not found, or is another one by now.
    """
    programs = networks_of(sweep)
    told = record.get("networks") or []
    about = {name: one for name, one in zip(programs, told, strict=False) if isinstance(one, Mapping)}
    if programs and network is None:
        network = _found(programs, about, give, devices)
    acts = {name: frozenset(one.get("penalised", ())).__contains__ for name, one in about.items()}
    return with_own(sweep, data, network, acts or None, devices=devices)[0]


def _found(programs: list[str], about: Mapping[str, Any], give: str, devices: int | None) -> dict[str, Any] | None:
    """Of networks that this process does not know and settings name without a module, what run.json says of them."""
    from jaxreg.engine import devices as hardware
    from jaxreg.engine import own_networks
    from jaxreg.engine.registry import MARK

    hardware.configure(devices)
    found: dict[str, Any] = {}
    for name in programs:
        try:
            own_networks.known(name)
        except UserError:
            called, _, _ = name.partition(MARK)
            where = called if ":" in called else about.get(name, {}).get("found_at")
            if not isinstance(where, str):
                raise UserError(
                    f"the network {called} is not known here. Give the one that was trained: {give}"
                ) from None
            found[name] = own_networks.named(where)
    return found or None
