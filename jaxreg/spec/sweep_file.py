"""A sweep file, read with bounds: it may come from anybody."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

from jaxreg import reading
from jaxreg.axes import AXES, OF_NETWORK
from jaxreg.errors import UserError
from jaxreg.formatting import nearest, printable, separated
from jaxreg.spec.limits import DEPTH, FILE_BYTES, KEY_PARTS, too_deep
from jaxreg.spec.typed import axes_named

# Dotted keys cost tomllib the cube of their parts.
_PART = r"""(?:(?<![\w-])[\w-]+|"[^"\n]*"|'[^'\n]*')"""
DOTTED = re.compile(rf"(?:{_PART}[ \t]*\.[ \t]*){{{KEY_PARTS}}}")


def tables_of(file: Path) -> dict[str, Any]:
    """What a sweep file holds. Raises `UserError` where it is missing, no TOML, or larger than any sweep is."""
    deep = f"{file}: has tables or lists more than {DEPTH} deep in one another, which no sweep file has."
    try:
        text = reading.read(file, FILE_BYTES).decode()
        if DOTTED.search(text):
            raise UserError(f"{file}: has a key of more than {KEY_PARTS} parts, which no sweep file has.")
        tables = tomllib.loads(text)
    except FileNotFoundError:
        named = axes_named(str(file))
        others = sorted(str(path) for path in Path("sweeps").glob("*.toml"))
        hint = f" Did you mean --grid {file}?" if named <= set(AXES) else nearest(str(file), others)
        listed = f" There are: {', '.join(others)}." if others else ""
        raise UserError(f"{file}: there is no such sweep file.{separated(str(file)) or hint + listed}") from None
    except OSError as error:
        raise UserError(f"{file}: can't be read ({error.strerror}). A sweep file is a TOML file.") from None
    except ValueError as error:  # of TOML, of UTF-8, and of numbers of more than 4,300 digits
        said = f"{file}: is not valid TOML: {printable(str(error)[:200])}"
        if file.suffix == ".toml":
            raise UserError(said) from None
        hint = "A sweep file ends in .toml, a fitted network in .safetensors; a table is given as data"
        raise UserError(f"{said}. {hint}: --data {file}, or data= in Python.") from None
    except RecursionError:
        raise UserError(deep) from None
    if too_deep(tables):
        raise UserError(deep)
    axes = tables.get("axes")
    if isinstance(axes, dict) and isinstance(fields := axes.get("network"), dict):  # network.width = [8, 16]
        del axes["network"]
        axes |= {f"{OF_NETWORK}{field}": values for field, values in fields.items()}
    return tables
