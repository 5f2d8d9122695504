"""What can be written in a sweep file, from what checks it: `python -m jaxreg.spec.reference` in a clone.

Writes docs/sweep-files.md, and the README's table of axes between two comments.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from inspect import cleandoc
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from jaxreg import files
from jaxreg.axes import AXES, OF_NETWORK, RECIPE, Axis
from jaxreg.errors import UserError, exit_code
from jaxreg.formatting import spelled
from jaxreg.spec.checked import Checked
from jaxreg.spec.limits import LIMITS
from jaxreg.spec.settings import Settings
from jaxreg.spec.sweep import Run, SweepFile
from jaxreg.sweep import parser, usual_values

README, PAGE = Path("README.md"), Path("docs/sweep-files.md")
BEGIN, END = "<!-- axes: python -m jaxreg.spec.reference writes them -->", "<!-- end of the axes -->"
EXAMPLE = """\
grid = "l1,l2*dropout"            # a line of strengths of L1, and every pair of L2 and dropout
splits = 5                        # each cell is trained on five disjoint parts of the training set
seeds = 2                         # and twice on each

[recipe]                          # what every cell starts from
epochs = 10
early_stopping = {patience = 3, restore_best_weights = true}

[axes]
l1 = [0, 1e-5, 1e-4]              # an axis of the grid without a line here has its usual values
l2 = [0, 1e-4]
dropout = [0, 0.2]
batch_norm = [true]               # one value of an axis outside the grid: held there

[[run]]                           # a cell of its own, beside the grid
name = "strong"
l1 = 1e-3

[[run]]
name = "strong-then-free"         # starts from the final weights of another, with the same split and seed
after = "strong"
"""
INTRODUCTION = """\
# Sweep files

<!-- python -m jaxreg.spec.reference writes this page -->

A sweep file is a TOML file that says what to train. `jaxreg FILE` trains it, `jaxreg FILE --dry-run` says what it would
train, and flags override it. Every key may be left out; a key that is none of these is refused. Paths are relative to
the current folder.
"""
EPOCHS = """\
`train_examples` changes how many different examples a member sees, and not how many steps it takes: an epoch is one
pass over a whole split, in steps. A member with fewer examples goes over its own as often as that takes, each time in
a new random order, the batches running on from one pass to the next. Where its number does not divide that of the
split, an epoch ends in the middle of a pass and the next one begins there; at the end some examples were seen once
more than others. The examples are drawn from the split at random, each class in proportion, and those of a smaller
number are among those of a larger one.
"""
BAR = r"\|"  # inside a cell
NONE: Mapping[str, str] = {}
NO_VALUES = "none: they have to be given"
# What keys are that neither an axis nor a flag of the same name describes.
MEANINGS = {
    "curve_images": "test images behind a point of a learning curve; the end is measured on all",
    "recipe": "what every cell starts from",
    "axes": "values of axes",
    "fields": "fields of a network of one's own",
    "programs": "which programs its networks with fields are: in run.json, for who goes on from there",
    "run": "cells of their own",
    "name": "what the cell is called (without: after its settings)",
    "after": "the run whose final weights it starts from, with the same split and seed",
}


def axes_table() -> str:
    """Every axis: what it is, and its values where none are given."""
    rows = ((f"`{axis.name}`", axis.help, usual_values(axis) or NO_VALUES) for axis in _every_axis())
    return _table(("axis", "what it is", "values by default"), rows)


def _every_axis() -> list[Axis]:
    return [*AXES.values(), AXES[f"{OF_NETWORK}FIELD"]]


def page() -> str:
    """docs/sweep-files.md."""
    recipe, own = Settings.model_fields, Run.model_fields.keys() - Settings.model_fields.keys()
    sections = [
        (INTRODUCTION, f"```toml\n{EXAMPLE}```"),
        ("## At the top", _keys(SweepFile.model_fields, _meanings(), {"name": "that of the file"})),
        ("## `[recipe]`", _keys(recipe, _meanings())),
        (EPOCHS,),
        *((f"### `{name}` as a table", f"{_doc(table)}\n\n{_keys(table.model_fields)}") for name, table in _tables()),
        ("## `[axes]`", f"A list of values for an axis.\n\n{_values()}"),
        ("## `[[run]]`", "Any key of `[recipe]`, on top of it, and these:"),
        ("", _keys({key: field for key, field in Run.model_fields.items() if key in own}, MEANINGS)),
        ("## Limits", "Far above what anybody has a use for; what is beyond them is refused before anything starts."),
        ("", _table(("what", "at most"), ((what, f"{most:,}") for what, most in LIMITS.items()))),
    ]
    return "\n\n".join(part.strip() for section in sections for part in section if part) + "\n"


def readme(text: str) -> str:
    """A README with the table of axes between its two comments as it should be.

    Raises:
        UserError: where it lacks the comments.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise UserError(f"{README}: has no lines {BEGIN} and {END}, between which the table of axes belongs.")
    return f"{before}{BEGIN}\n\n{axes_table()}\n\n{END}{after}"


def write() -> None:
    """Writes both documents of the clone that is the current folder."""
    if not README.is_file():
        raise UserError(f"{README}: is not here. Run this in the top folder of a clone.")
    files.write_text(README, readme(README.read_text(encoding="utf-8")))
    files.write_text(PAGE, page())
    print(f"wrote {README} and {PAGE}")


def _meanings() -> dict[str, str]:
    """What the flags' help says of the keys that they set, in the words of a file."""
    helped = {option.dest: re.sub(r" \(default.*\)$", "", option.help or "") for option in parser()._actions}
    return MEANINGS | {key: re.sub(r"--([a-z-]+)", r"`\1`", text) for key, text in helped.items()}


def _keys(
    fields: Mapping[str, FieldInfo], meanings: Mapping[str, str] = NONE, defaults: Mapping[str, str] = NONE
) -> str:
    """A row per key; without a column that is empty in all of them."""
    columns = {
        "key": [f"`{name}`" for name in fields],
        "what it is": [meanings.get(name, "") for name in fields],
        "must be": [field.description or "" for field in fields.values()],
        "default": [defaults.get(name) or _default(name, field) for name, field in fields.items()],
    }
    kept = {head: cells for head, cells in columns.items() if any(cells)}
    return _table(tuple(kept), zip(*kept.values(), strict=True))


def _default(name: str, field: FieldInfo) -> str:
    """As a file would have it; of a table its name, where it has one: a file may give that in its place."""
    if field.is_required():
        return "none: has to be given"
    value = field.get_default(call_default_factory=True)
    value = getattr(value, "name", value)
    if value is None and name in AXES and AXES[name].off != RECIPE:
        value = AXES[name].off
    return "" if value in (None, (), {}) or isinstance(value, BaseModel) else f"`{spelled(value)}`"


def _values() -> str:
    """A row per axis; one that is no key of the recipe, such as depth, moves another and says itself what it is."""
    recipe = Settings.model_fields
    rows = (
        (
            f"`{axis.name}`",
            (recipe[axis.name].description or "") if axis.name in recipe else axis.help,
            f"`{spelled(axis.values)}`" if axis.values else NO_VALUES,
        )
        for axis in _every_axis()
    )
    return _table(("key", "each value must be", "in the grid without values"), rows)


def _tables(model: type[Checked] = Settings) -> Iterator[tuple[str, type[Checked]]]:
    """The tables that may stand in a model's keys, and those in theirs."""
    for name, field in model.model_fields.items():
        for table in dict.fromkeys(_inside(field.annotation)):
            yield name, table
            yield from ((f"{name}.{key}", inner) for key, inner in _tables(table))


def _inside(annotation: Any) -> Iterator[type[Checked]]:
    if isinstance(annotation, type) and issubclass(annotation, Checked):
        yield annotation
    for part in get_args(annotation):
        yield from _inside(part)


def _doc(table: type[Checked]) -> str:
    return cleandoc(table.__doc__ or "")


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [f"| {' | '.join(cell.replace('|', BAR) for cell in row)} |" for row in (heads, *rows)]
    return "\n".join([lines[0], "|" + "---|" * len(heads), *lines[1:]])


if __name__ == "__main__":
    sys.exit(exit_code(write))
