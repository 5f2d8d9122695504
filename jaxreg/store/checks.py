"""Whether what lies in a run's folder can be what a run has left there. It may come from anybody, or have been edited.

Each function raises a `ValueError` that says what is wrong; who reads the file knows its name and what to type.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from jaxreg.axes import AXES, NO_LIMIT, field_of, present
from jaxreg.errors import UserError
from jaxreg.formatting import brief, value_text
from jaxreg.spec.limits import MOST_CELLS, MOST_MEMBERS
from jaxreg.spec.load import read
from jaxreg.spec.members import first_look, members
from jaxreg.store.about import LARGEST, MOST_CLASSES, MOST_WHOLE

TEXT = (
    "cell", "reference", "member", "split", "value", "class_name", "architecture", "axis", "rule", "tied", "loss",
    "measure", "verdict", "deal", "scope", "purpose", "told_by", "other", "other_verdict", "as_good", "better", "worse",
    "none", "position", "open", "leader", "ended", "feature_name", "quantity_name",
)  # fmt: skip
FILLED = {
    "members": ("member", "cell", "split", "seed"), "history": ("member", "epoch"), "decomposition": ("cell", "loss"),
    "comparisons": ("cell", "measure"), "choices": ("axis", "rule"), "classes": ("cell", "class", "loss"),
    "calibration": ("cell",), "reliability": ("cell", "bin"), "power": ("measure",),
    "second_stage": ("member", "cell", "split", "seed"), "whole": ("cell", "seeds", "measure"),
    "recommendation": ("scope", "purpose", "measure", "cell"), "features": ("cell", "feature", "norm"),
    "quantities": ("scope", "cell", "quantity"),
    "data_size": ("axis", "trained_on"), "looks": ("look", "of", "measure", "tests", "members", "leader"),
}  # fmt: skip
WHOLE = ("seed", "epoch", "epochs", "trained_on", "class", "bin", "feature", "quantity", "look", "of", "tests")
KEYS = {
    "members": ["member"], "history": ["member", "epoch"], "decomposition": ["cell", "loss"],
    "comparisons": ["cell", "reference", "measure"], "choices": ["axis", "rule"], "classes": ["cell", "class", "loss"],
    "calibration": ["cell"], "reliability": ["cell", "bin"], "second_stage": ["member"], "whole": ["cell", "measure"],
    "recommendation": ["scope", "purpose"], "features": ["cell", "feature"],
    "quantities": ["scope", "cell", "quantity"],
    "data_size": ["axis", "trained_on"], "looks": ["look"],
}  # fmt: skip
MOST_LETTERS = 500  # of a text in a table
LISTS = ("tied", "as_good", "better", "worse", "open")  # of cells, in one text


def table(name: str, made: pd.DataFrame) -> None:
    """Of one table: columns of numbers hold numbers, those of texts short ones, and no row is there twice."""
    if made.empty:
        if name == "members":
            raise ValueError("it has no rows")
        return
    for column in FILLED[name]:
        if column not in made or made[column].isna().any():
            raise ValueError(f"`{column}` is missing in {'all' if column not in made else 'some'} rows")
    for column in map(str, made):
        if column in TEXT:
            most = MOST_LETTERS * (MOST_CELLS if column in LISTS else 1)
            if made[column].str.len().max() > most:
                raise ValueError(f"`{column}` has a text of more than {most} characters")
            if made[column].str.contains("\0", regex=False).any():  # pandas finds no row by a text that ends with it
                raise ValueError(f"`{column}` has a text with a character of code 0")
        elif column not in AXES:
            _numbers(brief(column)[1:-1], made[column], endless=name in ("power", "history"))
    for axis in present(made.columns):
        _on_axis(axis, made[axis])
    axes = made["axis"] if name in ("choices", "data_size") else ()
    if unknown := {axis for axis in axes if axis != "all" and axis not in AXES}:
        raise ValueError(f"`axis` is {brief(min(unknown))}, which is none")
    if name == "classes" and made["class"].nunique() > MOST_CLASSES:
        raise ValueError(f"it has more than {MOST_CLASSES} classes")
    if name in KEYS and made.duplicated(KEYS[name]).any():
        row = made[made.duplicated(KEYS[name])].iloc[0][KEYS[name]].tolist()
        raise ValueError(f"the row of {', '.join(brief(str(one))[1:-1] for one in row)} is there more than once")


def _numbers(column: str, values: pd.Series, endless: bool) -> None:
    if values.dtype.kind not in "iuf":
        raise ValueError(f"`{column}` has something else than numbers")
    known = values.dropna()
    if column in WHOLE and (len(known) < len(values) or not ((known % 1 == 0) & known.between(0, MOST_WHOLE)).all()):
        raise ValueError(f"`{column}` has something else than whole numbers from 0 to {MOST_WHOLE}")
    sizes = known.abs()
    if (sizes[~np.isinf(sizes) if endless else slice(None)] > LARGEST).any():
        raise ValueError(f"`{column}` has a number beyond {LARGEST:g}")


def _on_axis(axis: str, values: pd.Series) -> None:
    """Each value is one of the axis, as `jaxreg.spec.grid.value_of` gives them."""
    for value in values.unique().tolist():
        text = value_text(value)
        try:
            number = AXES[axis].number(text)
            least = -1e12 if field_of(axis) else 0.0
            sound = np.isnan(number) or least <= number < 1e12 or (np.isposinf(number) and text in NO_LIMIT)
            sound &= len(text) <= MOST_LETTERS
            sound &= all(sign.isalnum() or sign in "+-._" for sign in text)
        except ValueError:
            sound = False
        if not sound:
            raise ValueError(f"`{axis}` has {brief(text)}, which is no value of that axis")


def together(tables: Mapping[str, pd.DataFrame], loss: str) -> tuple[str, str] | None:
    """Of all tables: they speak of the same cells and members, of each. Which does not, and what of it, or None.

    `loss` is the one of which each cell has a decomposition.
    """
    cells = list(dict.fromkeys(tables["members"]["cell"]))
    added = set(tables["second_stage"]["cell"]) if "second_stage" in tables else set()
    if len(cells) > MOST_CELLS or len(tables["members"]) > MOST_MEMBERS:
        return "members", f"it has more than {MOST_MEMBERS} members, or more than {MOST_CELLS} cells"
    for name, made in tables.items():
        known = {*cells, *(added if name in ("second_stage", "whole", "recommendation", "quantities") else ())}
        for column in ("cell", "reference", "none", "leader"):
            if column in made and (strangers := set(made[column].dropna()) - known):
                return name, f"it has a cell {brief(min(strangers))} that members.csv has not"
    if strangers := set(tables["history"]["member"]) - set(tables["members"]["member"]):
        return "history", f"it has a member {brief(min(strangers))} that members.csv has not"
    if tables["history"].empty and "epochs" in tables["members"]:  # of models trained elsewhere nothing is known
        return "history", "it has no rows"
    parts = tables["decomposition"]
    if missing := [cell for cell in cells if cell not in set(parts.loc[parts["loss"] == loss, "cell"])]:
        return "decomposition", f"the row of {brief(missing[0])} and the {loss} is missing"
    return None


def complete(tables: Mapping[str, pd.DataFrame], asked: Mapping[str, Any]) -> tuple[str, str] | None:
    """Of a run whose sweep is known: every member is there, with each of its epochs, and nobody else. As `together`."""
    if not {"splits", "seeds", "recipe", "axes"} <= set(asked):
        return None  # not as a run writes it: there is nothing to hold the tables against
    try:
        sweep = read(asked)
        tabled = [m for m in members(sweep) if not m.nested]
        wanted = {m.id: (m.cell.name, str(m.split), m.seed) for m in tabled}
        surely = [m.id for m in tabled if first_look(m, sweep) == 1]
    except UserError as error:
        return "run.json", f"its sweep: {error}"
    made = tables["members"]
    rows = zip(made["member"], zip(made["cell"], made["split"], made["seed"], strict=True), strict=True)
    found = dict(rows)
    if missing := [name for name in surely if name not in found]:
        return "members", f"the row of {brief(missing[0])} is missing, and {len(missing) - 1} more of {len(surely)}"
    if "looks" in tables and len(made) != int(tables["looks"]["members"].iloc[-1]):
        return "looks", f"its last row speaks of other members than the {len(made)} in members.csv"
    if strange := [name for name in found if found[name] != wanted.get(name)]:
        return "members", f"the row of {brief(strange[0])} belongs to no member of the sweep, or to another one"
    if "epochs" in made:
        epochs = tables["history"].groupby("member").size().reindex(made["member"], fill_value=0).to_numpy()
        if (wrong := np.flatnonzero(epochs != made["epochs"].to_numpy())).size:
            name, has = made["member"].iloc[wrong[0]], epochs[wrong[0]]
            return "history", f"it has {has} epochs of {brief(name)}, which had {made['epochs'].iloc[wrong[0]]}"
    return None


def examples(arrays: Mapping[str, np.ndarray]) -> None:
    """Of examples.npz: the arrays that make the pictures are of one length, and of what they must be."""
    kinds = {"label": "iu", "predicted": "iu", "cell": "U", "kind": "U", "value": "fiu"}
    if not kinds.keys() <= arrays.keys():
        return
    length = len(np.atleast_1d(arrays["cell"]))
    for name, of in kinds.items():
        if arrays[name].shape != (length,) or arrays[name].dtype.kind not in of:
            raise ValueError(f"`{name}` is {arrays[name].dtype} {list(arrays[name].shape)}, of {length} examples")
    pixels = arrays.get("pixels", np.zeros((0, 1, 1)))
    if pixels.ndim not in (2, 3, 4) or len(pixels) not in (0, length) or pixels.dtype.kind not in "iuf":
        raise ValueError(f"`pixels` is {pixels.dtype} {list(pixels.shape)}, of {length} examples")
    inner = pixels.shape[1:]
    flat_square = len(inner) != 1 or int(np.sqrt(inner[0])) ** 2 == inner[0]
    if 0 in inner or not flat_square or (len(inner) == 3 and inner[2] not in (1, 3)):
        raise ValueError(f"`pixels` is {list(pixels.shape)}, which is no picture")
    if not np.isfinite(pixels).all() or (np.abs(pixels.astype(float)) > 1e30).any():
        raise ValueError("`pixels` has something else than numbers of an image")
