"""What is to be trained: a sweep file, or an expression such as `l1,l2`, becomes a list of cells.

This is the only place where a sweep is checked. A sweep file (TOML) holds, all of it optional:

    name, seed, design, splits, deals, seeds, settle, full_seeds, second_stage, curve_images, grid     at the top
    data, test, label, task, group, drop, holdout                                               the same
    [recipe]    any field of Settings: what every cell starts from
    [axes]      values of an axis: l1 = [0, 1e-5]. One value on an axis outside the grid holds it there
    [[run]]     a cell of its own: name, after, and any field of Settings; beside a grid or without one

Paths are relative to the current folder.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxreg.axes import AXES, field_of
from jaxreg.errors import UserError
from jaxreg.formatting import brief, count
from jaxreg.spec import networks
from jaxreg.spec.checked import Place, unknown
from jaxreg.spec.design import USUAL_REPEATS, asks_for_parts, check_design
from jaxreg.spec.grid import at, cell_name, default_values, parse, plain, points, size
from jaxreg.spec.limits import MOST_CELLS, MOST_MEMBERS, MOST_RUNS_IN_A_ROW
from jaxreg.spec.members import number
from jaxreg.spec.rules import EarlyStopping
from jaxreg.spec.second_stage import USUAL_SEEDS, most_cells
from jaxreg.spec.settings import Settings
from jaxreg.spec.sweep import Cell, Run, Sweep, SweepFile, spelled_path
from jaxreg.spec.sweep_file import tables_of
from jaxreg.spec.typed import axes_named, with_values_of_grid

USUAL_GRID = "l1,l2"
SHARED = ("network", "fields", "widths", "batch_norm", "biases")  # by a run with the one that it starts from

__all__ = ["Cell", "EarlyStopping", "Settings", "Sweep", "load", "read"]


def load(
    file: str | Path | None = None,
    flags: Mapping[str, Any] | None = None,
    mark: str = "",
    usual: Mapping[str, Any] | None = None,
    by_size: bool = False,
) -> Sweep:
    """The sweep of a file, of flags, or of a file with flags over it.

    Args:
        file: a sweep file.
        flags: values by name: `grid`, an axis (a list of values), or any key of a file's top or of its
            recipe, as in `{"grid": "l1", "l1": [0, 1e-5], "epochs": 3}`.
        usual: what suits the data, where neither says: tables as a file has them.
        by_size: leave the design open where neither says, for the size of the data to decide.
        mark: what stands before the name of a flag in messages: "--" on the command line.

    Raises:
        UserError: where anything is wrong.
    """

    def in_file(path: str) -> str:
        inside = spelled_path(path)
        return inside if file is None else f"{file} {inside}" if path else str(file)

    tables = tables_of(Path(file)) if file is not None else {}
    if file is None and flags and "data" in flags and not {"grid", *AXES} & {*flags}:
        flags = {"grid": USUAL_GRID, **flags}  # whoever names a table alone has the question of the first command
    asked = {**tables, **(flags or {})}
    if asked.get("design") == "holdout":
        tables = {"splits": 1, "seeds": USUAL_REPEATS, **tables}
    for name, value in (usual or {}).items():
        tables[name] = {**value, **tables.get(name, {})} if isinstance(value, Mapping) else tables.get(name, value)
    if not by_size or asks_for_parts(asked):
        tables.setdefault("design", "parts")
    SweepFile.read(tables, in_file)  # tables are tables, whatever the flags put in them
    flags = with_values_of_grid(flags or {}, mark)
    if (grid := networks.with_axis(flags.get("grid", tables.get("grid")), flags.get("network"))) is not None:
        (flags if "grid" in flags else tables)["grid"] = grid
    if "grid" in flags:  # the file's cells give way, and its values of axes that the new grid leaves out
        tables.pop("run", None)
        kept = axes_named(flags["grid"])
        tables["axes"] = {axis: v for axis, v in tables.get("axes", {}).items() if axis in kept}
    design = flags.get("design", tables.get("design"))
    splits = flags.get("splits", tables.get("splits"))
    if file is None and "grid" in flags and splits != 1 and design not in ("folds", "holdout"):
        flags.setdefault("second_stage", USUAL_SEEDS)
    usual_name = Path(file).stem if file is not None else flags.get("grid", "sweep")
    if file is None and isinstance(flags.get("data"), str):
        usual_name = f"{Path(flags['data']).name.partition('.')[0]}-{usual_name}"
    tables.setdefault("name", _name(usual_name))
    written = {}
    for flag, value in flags.items():
        on_axis = flag in AXES and (flag, type(value)) != ("network", str)
        table = "axes" if on_axis else "recipe" if flag in Settings.model_fields else ""
        written[f"{table}.{flag}".strip(".")] = mark + (flag.replace("_", "-") if mark else flag)
        if table:
            tables[table] = {**tables.get(table, {}), flag: value}
        else:
            tables[flag] = value

    def place(path: str) -> str:
        return written.get(path) or in_file(path)

    return read(tables, place)


def read(tables: Mapping[str, Any], place: Place | None = None) -> Sweep:
    """The sweep of tables as TOML or `Sweep.resolved` has them.

    `place` says where a key such as "recipe.epochs" was written, for messages.
    """
    place = place or spelled_path
    top = SweepFile.read(tables, place)
    check_design(top, place)
    terms = parse(top.grid, place("grid")) if top.grid is not None else ()
    if top.design == "folds" and any("train_examples" in term for term in terms):
        raise UserError(
            f'{place("grid")}: train_examples needs disjoint parts. Leave it out, or give design = "parts".'
        )
    swept = list(dict.fromkeys(axis for term in terms for axis in term))
    values = _values(top.axes, swept, place)
    first = ["network"] if top.recipe.network is None else []  # of several it is the reference
    first += [axis for axis in values if (field := field_of(axis)) and field not in top.recipe.fields]
    held = {axis: given[0] for axis, given in values.items() if axis not in swept or axis in first}

    def axis_place(axis: str) -> str:
        return place(f"axes.{axis}")

    recipe = at(top.recipe, held, axis_place)
    networks.check(terms, values, recipe, place)
    values = {axis: values.get(axis) or default_values(axis, recipe, terms) for axis in swept}
    if (asked := size(terms, values) + len(top.run)) > MOST_CELLS:
        raise UserError(
            f"{place('grid')}: asks for {asked} cells, and a sweep has at most {MOST_CELLS}. "
            "Give fewer values, or cross fewer axes."
        )
    cells: dict[str, Cell] = {}
    for point in points(terms, values):
        settings = networks.as_known(at(recipe, point, axis_place), top.programs)
        name = cell_name(settings, recipe)
        if cells.setdefault(name, Cell(name=name, settings=settings)).settings != settings:
            raise UserError(f"{place('grid')}: two different cells would be called {name}. Leave one out.")
    # The recipe itself comes first, wherever the values put it.
    ordered = sorted(cells.values(), key=lambda cell: cell.settings != recipe)
    ordered += [_run(given, recipe, top.programs, f"run.{number}", place) for number, given in enumerate(top.run, 1)]
    _check(ordered, place)
    grid = ",".join("*".join(term) for term in terms) or None
    resolved = {"recipe": recipe, "axes": values, "grid": grid, "cells": tuple(ordered)}
    sweep = Sweep(**{**dict(top), **resolved})
    if (asked := number(sweep)) > MOST_MEMBERS:
        raise UserError(
            f"{place('seeds')}: {count(len(ordered), 'cell')} of {count(asked // len(ordered), 'member')} each are "
            f"{asked} members, and a sweep has at most {MOST_MEMBERS}. Give fewer splits, seeds or cells."
        )
    if (later := most_cells(sweep) * sweep.second_stage) > MOST_MEMBERS:
        raise UserError(
            f"{place('second_stage')}: is about {later} members, and a sweep has at most {MOST_MEMBERS}. Give less."
        )
    return sweep


def _values(axes: Mapping[str, Any], swept: list[str], place: Place) -> dict[str, list[Any]]:
    """The given values of each axis, once it is known that they are lists that make sense as such."""
    for axis, values in axes.items():
        where = place(f"axes.{axis}")
        if axis not in AXES:
            raise UserError(f"{place('axes')}: {unknown('axis', axis, AXES)}")
        if not isinstance(values, list | tuple):
            one = brief(values)
            raise UserError(f"{where}: needs a list, got {one}. A list of one is {axis} = [{one}].")
        if not values:
            raise UserError(f"{where}: needs at least one value. Leave {axis} out to have its usual values.")
        if len(values) > MOST_CELLS:
            raise UserError(f"{where}: has {len(values)} values, and a sweep has at most {MOST_CELLS} cells.")
        text, times = Counter(_as_number(axis, value) for value in values).most_common(1)[0]
        if times > 1:
            raise UserError(f"{where}: {text} is there more than once. Give each value once.")
        if axis not in swept and len(values) > 1:
            raise UserError(
                f"{where}: has {len(values)} values, but {axis} is not in the grid. "
                f"Add it, as in --grid {','.join([*swept, axis])}, or give one value to hold it there."
            )
    return {axis: [plain(value) for value in values] for axis, values in axes.items()}


def _as_number(axis: str, value: Any) -> str:
    """A value in such a way that 0 and 0.0 are one where the axis is of such numbers."""
    if type(value) is int and isinstance(AXES[axis].off, float) and abs(value) < 2**53:
        value = float(value)
    return brief(value, 1000)


def _run(given: Mapping[str, Any], recipe: Settings, programs: Mapping[str, str], table: str, place: Place) -> Cell:
    run = Run.read({**dict(recipe), **given}, lambda key: place(f"{table}.{key}".strip(".")))
    settings = Settings(**{key: value for key, value in dict(run).items() if key in Settings.model_fields})
    networks.check_cell(settings, lambda key: place(f"{table}.{key}"), given)
    settings = networks.as_known(settings, programs)
    return Cell(name=run.name or cell_name(settings, recipe), settings=settings, after=run.after)


def _check(cells: Sequence[Cell], place: Place) -> None:
    """What no cell can know by itself: names are unique, and `after` leads somewhere it can start from."""
    if not cells:
        raise UserError(f"{place('')}: nothing to train. Give a grid, as in --grid l1,l2, or [[run]] tables.")
    by_name: dict[str, Cell] = {}
    for cell in cells:
        if cell.name in by_name:
            raise UserError(f"{place('run')}: two cells are called {cell.name}. Give one another name.")
        by_name[cell.name] = cell
    for cell in cells:
        chain, last = {cell.name: cell}, cell
        while (after := last.after) is not None:
            where = f"{place('run')} {last.name}: after"
            if after not in by_name:
                raise UserError(f"{where}: {unknown('run', after, by_name)}")
            if after in chain:
                names = " after ".join([*chain, after])
                raise UserError(f"{where}: goes in a circle: {names}. Leave one `after` out.")
            if len(chain) == MOST_RUNS_IN_A_ROW:
                raise UserError(f"{where}: at most {MOST_RUNS_IN_A_ROW} runs may start one after another.")
            chain[after] = by_name[after]
            mine, theirs = last.settings, by_name[after].settings
            if any(getattr(mine, name) != getattr(theirs, name) for name in SHARED):
                raise UserError(
                    f"{where}: {after} is another network: {theirs.architecture()}, not {mine.architecture()}. "
                    "Give both the same network with the same fields, hidden layers, width, batch_norm and biases."
                )
            last = by_name[after]


def _name(text: Any) -> str:
    """A name for the run from a grid or a file's name: "l1,l2" is l1-l2, "l1*l2" is l1xl2."""
    return re.sub(r"[^\w.+=,-]+|,", "-", str(text).replace(" ", "").replace("*", "x")).strip("-") or "sweep"
