"""One member of a folder trained again, alone: do its numbers come out as they are there, and if not, why?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxreg.data.dataset import Dataset
from jaxreg.engine.progress import Silent
from jaxreg.engine.trainer import Trainer
from jaxreg.errors import UserError
from jaxreg.formatting import listing, number
from jaxreg.own_of_run import with_own_of_run
from jaxreg.run_data import data_of_run
from jaxreg.spec import second_stage
from jaxreg.spec.checked import unknown
from jaxreg.spec.load import read
from jaxreg.spec.members import Member, members
from jaxreg.store.folder import Folder
from jaxreg.store.identity import key
from jaxreg.store.members import Damaged, MemberResult

TIMINGS = ("seconds",)
NO_REASON = "device, versions and members side by side are the same, so this is a fault: of the machine, or of jaxreg"


class Replayed(NamedTuple):
    """What came of it."""

    same: bool  # every number, bit for bit
    text: str


def replay(
    folder: str | Path,
    name: str,
    block: int | None = None,
    devices: int | None = None,
    dataset: Dataset | None = None,
    network: Any = None,
) -> Replayed:
    """Trains a member of a folder again, alone or behind those that it starts from, and compares. Writes nothing.

    Args:
        folder: of a run.
        name: the member's id, such as "l1=1e-5/split2/seed0".
        block, devices: as in `jaxreg.run`.
        dataset: the run's; what its run.json names by default.
        network: of one's own, as of `jaxreg.Run.fit`.

    Raises:
        UserError: there is no such folder or member, or data or network are not those of the run.
    """
    place = Folder(Path(folder))
    about = place.about() or {}
    try:
        sweep = read(about["sweep"])
        digest = str(about["data"]["digest"])
    except (KeyError, TypeError, AttributeError):
        raise UserError(f"{folder} has no run.json that says what was trained, expected the folder of a run.") from None
    later = second_stage.members(sweep, second_stage.every(sweep).values())
    by_id = {member.id: member for member in [*members(sweep), *later]}
    if name not in by_id:
        raise UserError(f"--replay: {unknown('member', name, by_id) if len(by_id) < 200 else f'there is no {name}.'}")
    give = f"jaxreg.replay.replay({str(folder)!r}, {name!r}, dataset=…)"
    dataset = data_of_run(folder, sweep, digest, give, dataset=dataset)
    wanted = key(by_id[name], sweep, digest, dataset.draws_watched, dataset.standardised)
    try:
        content = place.members.check(wanted, with_weights=False)
    except (FileNotFoundError, Damaged) as error:
        raise UserError(f"{folder} has no whole {name} to compare with: {error}.") from None
    give = f"jaxreg.replay.replay({str(folder)!r}, {name!r}, network=…)"
    sweep = with_own_of_run(sweep, dataset.signature, about, give, network, devices)
    trainer = Trainer(sweep, dataset, block, devices, Silent())
    chain = _chain(by_id[name], by_id)
    weights: dict[str, Any] = {}
    made: dict[str, MemberResult] = {}
    for done in trainer.train(chain, weights, {}):
        results = [one for one in done if isinstance(one, MemberResult)]
        weights |= {one.id: one.weights for one in results}
        made |= {one.id: one for one in results}
    there = place.members.predictions([wanted])[[0], slice(None)][0]
    of_quantities = dataset.quantities is not None
    return _compared(made[name], content.row, content.history, there, content.made, trainer.made(), of_quantities)


def _chain(member: Member, by_id: Mapping[str, Member]) -> list[Member]:
    """The member, behind those that it starts from."""
    chain = [member]
    while chain[0].predecessor is not None:
        chain.insert(0, by_id[chain[0].predecessor])
    return chain


def _compared(
    made: MemberResult,
    row: Mapping[str, Any],
    history: Sequence[Mapping[str, Any]],
    predictions: np.ndarray,
    was: Mapping[str, Any],
    here: Mapping[str, Any],
    standardised: bool,
) -> Replayed:
    """`standardised`: predictions are standardised quantities, and no log-probabilities."""
    differing = [name for name in row if name not in TIMINGS and not _same(row[name], made.row.get(name))]
    pairs: Any = zip_longest(history, made.history, fillvalue={})
    epochs = [epoch for epoch, pair in enumerate(pairs, 1) if not _equal(*pair)]
    same = np.array_equal(predictions, made.predictions, equal_nan=True)
    if same and not differing and not epochs:
        return Replayed(True, f"{made.id}: the same, bit for bit: row, history, {predictions.size} predictions")
    lines = [f"{made.id}: not the same"]
    lines += [f"  history: other numbers from epoch {epochs[0]} on"] if epochs else []
    lines += [f"  {name}: {row[name]} there, {made.row.get(name)} here" for name in differing]
    if not same:
        there, now = (x.astype(np.float64) for x in (predictions, made.predictions))
        apart = np.abs(there - now if standardised else np.exp(there) - np.exp(now))
        most, usual = (number(float(x), 2) for x in (apart.max(), apart.mean()))
        what = "standardised quantities" if standardised else "probabilities"
        lines.append(f"  predictions: {what} differ by {most} at most, by {usual} on average")
    changed = [f"{name} {was.get(name)} there, {here[name]} here" for name in here if was.get(name) != here[name]]
    reason = f"other rounding, which training amplifies: {listing(changed)}" if changed else NO_REASON
    return Replayed(False, "\n".join([*lines, f"  why that may be: {reason}"]))


def _same(one: Any, other: Any) -> bool:
    return one == other or (one != one and other != other)


def _equal(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
