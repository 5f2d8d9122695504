"""What decides a member's numbers, and the fingerprint of all of it: by this a stored member is known again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from jaxreg.spec.members import Member
from jaxreg.spec.sweep import Cell, Sweep

NUMERICS = 1
"""Of jaxreg's own arithmetic: to be raised by every change after which a member comes out with another number."""

STRETCHED = ("cosine",)  # schedules that depend on how many epochs there are


class Key(NamedTuple):
    """Which member this is, and of which numbers."""

    id: str
    identity: Mapping[str, Any]  # all that decides its numbers, as plain values

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the identity, as hexadecimal digits."""
        return digest_of(self.identity)

    @property
    def lineage(self) -> str:
        """The same without the number of epochs: what members have in common of whom one goes on from the other.

        Where the learning rate's schedule stretches with the epochs, or the last ones are averaged, none goes on from
        another.
        """
        settings = dict(self.identity["settings"])
        if settings.get("schedule", {}).get("name") not in STRETCHED and "averaged_epochs" not in settings:
            settings.pop("epochs", None)
        return digest_of({**self.identity, "settings": settings})


def key(
    member: Member, sweep: Sweep, digest: str, draws_watched: bool = False, standardised: Sequence[str] = ()
) -> Key:
    """The key of a member of a sweep over the data with this digest, which are as these properties of `Dataset` say.

    Devices and versions of other libraries are not in it: they are kept beside the numbers.
    """

    def identity(cell: Cell) -> dict[str, Any]:
        # Without what is as usual: a setting that a later version adds leaves all fingerprints as they are.
        settings = cell.settings.model_dump(mode="json", exclude_defaults=True)
        grouped = {} if sweep.group is None else {"group": sweep.group}  # which decides what is in a split
        stopping = cell.settings.early_stopping
        watches = stopping is not None and stopping.validation_share > 0
        drawn = {"watched": "drawn"} if draws_watched and watches and not sweep.shuffled(member.split) else {}
        anew = {"standardised_by_own_rows": list(standardised)} if standardised and member.left_out else {}
        return {
            **grouped,
            **drawn,
            **anew,
            "numerics": NUMERICS,
            "data": digest,
            "curve_images": sweep.curve_images,
            "sweep_seed": sweep.seed,
            "splits": None if member.split == "all" else sweep.splits,
            "split": member.split,
            **({"left_out": list(member.left_out)} if member.left_out else {}),
            "seed": member.seed,
            "settings": settings,
            "after": None if cell.after is None else digest_of(identity(before(cell))),
        }

    def before(cell: Cell) -> Cell:
        # Looked for only where there is one: a sweep may have 10,000 cells, and this is called for each member.
        return next(other for other in sweep.cells if other.name == cell.after)

    return Key(member.id, identity(member.cell))


def digest_of(content: Any) -> str:
    """SHA-256 of plain values in JSON's shortest form with sorted keys, as hexadecimal digits."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()
