"""What a sweep says of networks of somebody's own: which there are, and that they decide on their layers themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from jaxreg.axes import AXES, OF_OURS, OURS, field_of
from jaxreg.errors import UserError
from jaxreg.spec.checked import Place
from jaxreg.spec.settings import Settings
from jaxreg.spec.sweep import Sweep


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
    swept = dict.fromkeys(axis for term in terms for axis in term)
    if "network" in swept and "network" not in values:
        raise UserError(
            f"{place('grid')}: network has no usual values. Give some, as in --network mynets:narrow,mynets:wide, or "
            'network={"narrow": …, "wide": …} from Python.'
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
    check_cell(recipe, lambda name: place(f"{'axes' if name in values else 'recipe'}.{name}"))
    held = tuple(axis for axis in values if axis not in swept)
    for term in (*terms, held):
        asked = [one.network for one in networks] if "network" in term else [recipe.network]
        theirs = [name for name in asked if name not in (None, OURS)]
        if theirs and (ours := [axis for axis in term if axis in OF_OURS]):
            raise _ignored(place("grid" if term != held else f"axes.{ours[0]}"), ours[0], theirs[0])


def check_cell(settings: Settings, where: Callable[[str], str], given: Iterable[str] = OF_OURS) -> None:
    """Raises `UserError` where a network of somebody's own would ignore what `given` settings are."""
    if settings.network is not None and (ours := _of_ours(settings, given)):
        raise _ignored(where(ours[0]), ours[0], settings.network)


def check_unnamed(sweep: Sweep, called: str) -> None:
    """Raises `UserError` where a sweep that names no network, as all of its cells have one of somebody's own, has axes
    or settings that this one would ignore."""
    swept = [axis.strip() for axis in (sweep.grid or "").replace("*", ",").split(",")]
    ours = [axis for axis in (*swept, *sweep.axes) if axis in OF_OURS]
    for settings in (sweep.recipe, *(cell.settings for cell in sweep.cells)):
        ours += _of_ours(settings, OF_OURS)
    if ours:
        raise _ignored("grid" if ours[0] in swept else ours[0], ours[0], called)


def _of_ours(settings: Settings, names: Iterable[str]) -> list[str]:
    """Of these settings those of our networks that are not as usual; hidden layers, which the data choose, are none."""
    usual = Settings()
    there = [name for name in names if name in OF_OURS and name in Settings.model_fields]
    return [name for name in there if getattr(settings, name) != getattr(usual, name)]


def _ignored(where: str, axis: str, network: str) -> UserError:
    return UserError(
        f"{where}: {AXES[axis].name} is of jaxreg's own networks, and {network.partition('@')[0]} decides by itself. "
        f"Leave it out; a field of it that is called so is network.{axis}."
    )
