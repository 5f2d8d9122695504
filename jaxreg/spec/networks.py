"""What a sweep says of networks of somebody's own: which there are, and that they decide on their layers themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jaxreg.axes import AXES, OF_OURS, OURS, field_of
from jaxreg.errors import UserError
from jaxreg.spec.checked import Place
from jaxreg.spec.settings import Settings


def with_axis(grid: Any, networks: Any) -> Any:
    """The grid; where several networks are given and it does not name them, with a line of them."""
    several = isinstance(networks, list | tuple) and len(networks) > 1
    if not several or not isinstance(grid, str) or "network" in grid.replace("*", ",").replace(" ", "").split(","):
        return grid
    return f"{grid},network"


def as_known(settings: Settings, programs: Mapping[str, str]) -> Settings:
    """The settings, with the program that a network with these fields was known by, in a sweep that has been run."""
    if not (settings.fields and settings.network and programs):
        return settings
    return settings.model_copy(update={"network": programs.get(settings.architecture(), settings.network)})


def check(terms: Sequence[Sequence[str]], values: Mapping[str, Sequence[Any]], recipe: Settings, place: Place) -> None:
    """Raises `UserError` where two networks have one name, or a setting of ours goes with one of theirs.

    Args:
        terms: of the grid, the axes of each.
        values: that were given, of axes in the grid and of others.
    """
    swept = {axis for term in terms for axis in term}
    if "network" in swept and "network" not in values:
        raise UserError(
            f"{place('grid')}: network has no usual values. Give some, as in --network mynets:narrow,mynets:wide."
        )
    if unknown := [axis for axis in swept if field_of(axis) and axis not in values]:
        raise UserError(
            f"{place('grid')}: {unknown[0]} has no usual values. Give some, as in --grid {unknown[0]}=8,16."
        )
    networks = [Settings.read({"network": name}, lambda _: place("axes.network")) for name in values.get("network", ())]
    called: dict[str, str | None] = {recipe.network_name: recipe.network}
    for one in networks if "network" in swept else ():
        if called.setdefault(one.network_name, one.network) != one.network:
            raise UserError(
                f"{place('axes.network')}: two networks are called {one.network_name}. Give one another name."
            )
    held = tuple(axis for axis in values if axis not in swept)
    for term in (*terms, held):
        asked = [one.network for one in networks] if "network" in term else [recipe.network]
        theirs = [name for name in asked if name not in (None, OURS)]
        if theirs and (ours := [axis for axis in term if axis in OF_OURS]):
            where = place("grid" if term != held else f"axes.{ours[0]}")
            raise UserError(
                f"{where}: {AXES[ours[0]].name} is of jaxreg's own networks, and {theirs[0].partition('@')[0]} decides "
                f"by itself. Leave it out; a field of it that is called so is network.{ours[0]}."
            )
