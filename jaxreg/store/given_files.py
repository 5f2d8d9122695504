"""Files of predictions of models trained elsewhere."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from jaxreg.errors import UserError
from jaxreg.formatting import brief
from jaxreg.store import arrays
from jaxreg.store.given import ALIKE, Kind

Anything = Kind | Literal["votes", "quantities"]
KINDS: tuple[Anything, ...] = ("probabilities", "log_probabilities", "votes", "quantities")
MOST_BYTES = 4_000_000_000  # of a file of predictions
ARRAYS = ("predictions", "targets", "cell", "split", "seed", "classes", "reference", "axis", "kind")
COLUMNS = ("cell", "split", "seed", "example", "target")
TARGET, PREDICTED = "target_", "prediction_"  # before the name of each of several quantities


class Given(NamedTuple):
    """What a file of predictions holds, by the names that `jaxreg.compare` has for it."""

    predictions: Any  # "model example class", or "model example" where they are no probabilities
    targets: Any  # "example", or "example quantity"
    cell: Iterable[Any]
    split: Iterable[Any] | None = None
    seed: Iterable[Any] | None = None
    classes: Iterable[Any] | None = None
    reference: str | None = None
    axis: str | None = None
    kind: str | None = None  # one of `KINDS`


def known_kind(kind: str | None) -> Anything | None:
    """What somebody says that predictions are; UserError where it is none of `KINDS`."""
    for known in (None, *KINDS):
        if kind == known:
            return known
    raise UserError(f"kind: must be one of {', '.join(KINDS)}, got {brief(kind)}.")


def read(file: Path) -> Given:
    """Predictions from an `.npz` or a Parquet file.

    An `.npz` has the arrays `predictions`, `targets`, `cell` [model] and, as they are known, `split` and `seed`
    [model], `classes` [class], `reference`, `axis`, `kind`, all as `jaxreg.compare` takes them. A Parquet file has a
    row for each model and example: the columns `cell`, `split`, `seed` (which tell the models), `example`, `target`,
    and either one column for each class, named by it, with its probability; or `prediction`, the class or the quantity
    that is predicted. Of several quantities it has `target_NAME` and `prediction_NAME` for each NAME.

    Raises:
        UserError: it can't be read, or lacks something.
    """
    if file.suffix in (".parquet", ".pq"):
        return _parquet(file)
    try:
        found = arrays.read(file, MOST_BYTES)
    except FileNotFoundError:
        raise UserError(f"{file} is missing: expected predictions as .npz or .parquet.") from None
    except (OSError, ValueError) as error:
        said = getattr(error, "strerror", None) or error
        raise UserError(
            f"{file} can't be read as .npz: {said}. np.savez(FILE, predictions=…, targets=…, cell=…)"
        ) from None
    lacking = [name for name in ("predictions", "targets", "cell") if name not in found]
    strange = [name for name in found if name not in ARRAYS]
    if lacking or strange:
        what = f"has no array {lacking[0]}" if lacking else f"has an array {brief(strange[0])}"
        raise UserError(f"{file} {what}. It may have: {', '.join(ARRAYS)}; the first three it must.")
    single = {name: str(found.pop(name)) for name in ("reference", "axis", "kind") if name in found}
    return Given(**found, **single)  # type: ignore[arg-type]


def _parquet(file: Path) -> Given:
    import pandas as pd

    try:
        table = pd.read_parquet(file)
    except ImportError:
        raise UserError(f"{file}: needs pyarrow. Type: pip install pyarrow") from None
    except FileNotFoundError:
        raise UserError(f"{file} is missing: expected predictions as .npz or .parquet.") from None
    except (OSError, ValueError) as error:
        raise UserError(f"{file} can't be read as Parquet: {str(error).splitlines()[0][:200]}.") from None
    lacking = [name for name in ("cell", "example") if name not in table]
    others = [str(name) for name in table if name not in COLUMNS]
    alone = others == ["prediction"]
    several = [name.removeprefix(TARGET) for name in others if name.startswith(TARGET)]
    pairs = [f"{of}{name}" for of in (TARGET, PREDICTED) for name in several]
    if "target" not in table and several and {*others} == {*pairs}:
        targets, outputs = pairs[: len(several)], pairs[len(several) :]
    elif "target" in table:
        targets, outputs = ["target"], others
        lacking += [] if alone or len(others) > 1 else ["prediction"]
    else:
        targets, outputs, lacking = [], [], [*lacking, "target"]
    if lacking:
        raise UserError(
            f"{file} has no column {lacking[0]}. It needs: {', '.join(COLUMNS)} (split and seed where there are "
            "several), and prediction, or one column for each class, named by it."
        )
    models = [name for name in ("cell", "split", "seed") if name in table]
    table = table.sort_values([*models, "example"], kind="stable")
    groups = [group for _, group in table.groupby(models, sort=False)]
    first = groups[0]
    for group in groups:
        if not all(np.array_equal(group[name], first[name]) for name in ("example", *targets)):
            who = ", ".join(f"{name} {group[name].iloc[0]}" for name in models)
            raise UserError(f"{file}: {who} has other examples or targets than the first model. {ALIKE}")
    keys: dict[str, Any] = {name: [group[name].iloc[0] for group in groups] for name in models}
    if alone:  # a column of them says what they are: probabilities have one for each class
        made = np.stack([group["prediction"].to_numpy() for group in groups])
        kind = "quantities" if made.dtype.kind == "f" else None
        return Given(made, first["target"].to_numpy(), kind=kind, **keys)
    made = np.stack([group[outputs].to_numpy() for group in groups])
    if targets != ["target"]:
        return Given(made, first[targets].set_axis(several, axis=1), kind="quantities", **keys)
    return Given(made, first["target"].to_numpy(), classes=outputs, **keys)
