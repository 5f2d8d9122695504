"""Tables of settings that check themselves, and say in plain words what they expected."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError

from jaxreg.errors import UserError
from jaxreg.formatting import brief, nearest, printable

# Says where a key was written ("--l1", "quick.toml [recipe] l1"); of "", where its table is.
Place = Callable[[str], str]
MOST_NAMES = 50  # of those that exist, in a message
# Not typing.Self: the shape checks of the tests can't resolve it in a method.
Table = TypeVar("Table", bound="Checked")


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """The sentence for a name that does not exist: the nearest one that does, and all of them."""
    names = list(known)
    plural = {"axis": "axes"}.get(kind, kind + "s")
    some = ", ".join(names[:MOST_NAMES]) + (f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else "")
    return f"unknown {kind} `{printable(name[:100])}`.{nearest(name, names)} Known {plural}: {some}."


class Checked(BaseModel):
    """A frozen table. The description of each field completes the sentence "must be ..."."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, table: Any) -> Any:
        if isinstance(table, Mapping):
            for key in table:
                if key not in cls.model_fields:
                    sentence = unknown("key", str(key), cls.model_fields)
                    raise PydanticCustomError("unknown_key", "{sentence}", {"sentence": sentence})
        return table

    @classmethod
    def read(cls: type[Table], table: Any, place: Place) -> Table:
        """The checked table; `place` says where each key was written.

        Raises:
            UserError: with the first thing that is wrong, what was expected, and what to type.
        """
        try:
            return cls.model_validate(table)
        except ValidationError as error:
            raise UserError(_sentence(cls, error, place)) from None


def _sentence(model: type[Checked], error: ValidationError, place: Place) -> str:
    first = error.errors(include_url=False)[0]
    # Other parts of a location are the branch of a union that was tried, or the index in a list.
    field, names = _field(model, first["loc"])
    where = place(".".join(names)).rstrip()
    given = first["input"]
    if first["type"] in ("unknown_key", "impossible"):  # our own sentences
        return f"{where}: {first['msg']}"
    if first["type"] == "missing":
        return f"{where}: is missing. It must be {field.description}."
    if first["type"] in ("tuple_type", "list_type") and not isinstance(given, Mapping):
        return f"{where}: needs a list, got {brief(given)}. A list of one is [{brief(given)}]."
    if first["type"] == "too_short":
        given = []
    if first["type"] == "too_long":
        return f"{where}: must be {field.description}, got {len(given)} of them."
    got = repr(given) if isinstance(given, float) and first["type"] == "int_type" else brief(given)
    return f"{where}: must be {field.description}, got {got}."


def _field(model: type[Checked], location: tuple[int | str, ...]) -> tuple[FieldInfo, list[str]]:
    """The innermost field that a location names, and the names on the way to it."""
    field, names = FieldInfo(description="a table"), []
    known: Mapping[str, FieldInfo] = model.model_fields
    for part in location:
        if isinstance(part, str) and part in known:
            field = known[part]
            names.append(part)
            inner = [kind for kind in (field.annotation, *get_args(field.annotation)) if _is_table(kind)]
            known = inner[0].model_fields if inner else {}
        elif isinstance(part, str) and get_origin(field.annotation) is dict:
            field = FieldInfo.from_annotation(get_args(field.annotation)[1])
            names.append(part)  # a key that the table does not know beforehand
    return field, names


def _is_table(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Checked)
