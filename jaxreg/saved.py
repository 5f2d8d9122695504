"""Networks of one setting, with all that predicting needs, to a file and back: bit for bit, and checked.

Weights are arrays named "networks/0/params/hidden_0/kernel"; settings, classes, columns and versions are the record. A
network of somebody's own is in the file as its weights and as the name by which Python finds it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import jax
import numpy as np
from pydantic import Field

from jaxreg import __version__
from jaxreg.circumstances import versions
from jaxreg.data.dataset import Label, Quantities, Signature
from jaxreg.data.encoding import Column, Encoding
from jaxreg.data.scaling import Scaling
from jaxreg.engine import grouping, training
from jaxreg.engine.networks import Weights
from jaxreg.engine.own_networks import OwnNetwork, named, register
from jaxreg.engine.registry import MARK
from jaxreg.engine.tracing import spelled
from jaxreg.engine.training import Hyperparameters, Learner
from jaxreg.errors import UserError
from jaxreg.spec.checked import Checked
from jaxreg.spec.rules import OptimizerRule
from jaxreg.spec.settings import Settings
from jaxreg.spec.sweep import Cell
from jaxreg.store import weights_file

FORMAT = 1
PLAIN = "biuf"  # of NumPy's types, those that safetensors has
DECISIVE = ("jax", "flax")  # whose versions decide how a program is written down
Size = Annotated[int, Field(strict=True, ge=1, le=10**9)]


class Parts(NamedTuple):
    """What `jaxreg.fitted.Fitted` consists of."""

    cell: Cell
    class_names: tuple[str, ...]
    members: tuple[Weights, ...]
    learner: Learner
    hyper: Hyperparameters
    encoding: Encoding | None  # of a table: how its columns became inputs
    about: Mapping[str, Any]  # what was recommended, on which data
    quantities: Quantities | None  # what is predicted, where that are no classes
    labels: tuple[Label, ...] = ()  # what stands for each class where labels are given


class Probe(NamedTuple):
    """A few rows of no meaning and what was predicted for them, to be predicted again by who reads."""

    rows: np.ndarray  # "row *feature" float32
    predicted: np.ndarray


class Content(NamedTuple):
    """A file, read."""

    parts: Parts
    probe: Probe
    estimator: dict[str, Any] | None
    arrays: dict[str, np.ndarray]


class Record(Checked):
    """What a file says of its arrays."""

    format: Literal[1]
    cell: Cell
    class_names: tuple[str, ...]
    labels: tuple[Label, ...] = ()
    inputs: tuple[Size, ...]
    networks: Size
    quantities: tuple[tuple[str, float, float], ...] | None  # name, mean and spread of each
    columns: tuple[tuple[str, float, float, tuple[str, ...] | None], ...] | None
    found_at: Annotated[str, Field(pattern=r"^[^\W\d][\w.]*:[^\W\d]\w*$")] | None  # a network of somebody's own
    penalised: tuple[str, ...]
    versions: dict[str, str]
    about: dict[str, Any]
    estimator: dict[str, Any] | None


def rows_to_try(inputs: tuple[int, ...], hyper: Hyperparameters) -> np.ndarray:
    """Eight rows of numbers as large as the network is used to."""
    numbers = np.cos(np.arange(8 * int(np.prod(inputs)), dtype=np.float64)).reshape(8, *inputs)
    return (hyper.shift + hyper.scale * numbers).astype(np.float32)


def write(
    path: Path,
    parts: Parts,
    probe: Probe,
    estimator: Mapping[str, Any] | None = None,
    more: Mapping[str, np.ndarray] | None = None,
) -> Path:
    """Writes a file. Raises `UserError` where that can't be.

    Args:
        estimator: what is to be known of an estimator around the networks, as plain values, and
        more: as arrays, by name.
    """
    network = parts.learner.network
    own = network if isinstance(network, OwnNetwork) else None
    arrays = {"probe/rows": probe.rows, "probe/predicted": probe.predicted, "identity": parts.hyper.identity}
    arrays |= {"scaling/shift": np.asarray(parts.hyper.shift), "scaling/scale": np.asarray(parts.hyper.scale)}
    for number, weights in enumerate(parts.members):
        arrays |= {f"networks/{number}/{name}": _plain(leaf, path) for name, leaf in named_leaves(weights).items()}
    record = {
        "format": FORMAT,
        "cell": parts.cell.model_dump(mode="json"),
        "class_names": list(parts.class_names),
        "labels": list(parts.labels),
        "inputs": list(parts.learner.inputs),
        "networks": len(parts.members),
        "quantities": None if parts.quantities is None else [list(one) for one in zip(*parts.quantities, strict=True)],
        "columns": None if parts.encoding is None else [list(column) for column in parts.encoding.columns],
        "found_at": own.found_at if own else None,
        "penalised": list(own.penalised_paths) if own else [],
        "versions": {"jaxreg": __version__} | versions(),
        "about": dict(parts.about),
        "estimator": None if estimator is None else dict(estimator),
    }
    return weights_file.write(path, record, arrays | dict(more or {}))


def read(path: Path, network: Any = None) -> Content:
    """A file that `write` has written.

    Args:
        network: where it is of somebody's own, that network; by default what Python finds under the name in the file.

    Raises:
        UserError: it is none, is damaged, or its network is not there.
    """
    stored, arrays = weights_file.read(path)
    if isinstance(stored.get("format"), int) and stored["format"] > FORMAT:
        newer = (stored.get("versions") or {}).get("jaxreg", "a later version")
        raise UserError(f"{path}: was written by jaxreg {newer}, and this is {__version__}. Install that one.")
    record = Record.read(stored, lambda key: f"{path}: {key}")
    settings, told = record.cell.settings, record.quantities or ()
    if record.labels and len(set(record.labels)) != len(record.class_names):
        raise UserError(f"{path}: labels: expected one for each of {len(record.class_names)} classes.")
    signature = Signature(record.inputs, len(record.class_names), 1, 1, len(told))
    if settings.network is not None:
        settings = _with_network(record, signature, settings.network, network, path)
    elif network is not None:
        raise UserError(f"{path}: its network is of jaxreg's own. Leave network= out.")
    # To predict takes no optimizer, which may be somebody's own.
    learner = grouping.learner(settings.model_copy(update={"optimizer": OptimizerRule()}), signature, 1)
    try:
        scale = Scaling(*(arrays[f"scaling/{name}"].item() for name in Scaling._fields))
        hyper = grouping.hyperparameters(settings, scale, arrays["identity"])
        first = jax.eval_shape(lambda hyper: training.start(learner, hyper).weights, hyper)
        members = tuple(_filled(first, arrays, f"networks/{number}/") for number in range(record.networks))
        probe = Probe(arrays["probe/rows"], arrays["probe/predicted"])
    except (KeyError, ValueError) as error:
        raise UserError(f"{path}: lacks an array of this network, or has another: {error.args[0]}.") from None
    columns = None if record.columns is None else Encoding(tuple(Column(*column) for column in record.columns))
    cell = record.cell.model_copy(update={"settings": settings})
    quantities = Quantities(*zip(*told, strict=True)) if told else None
    parts = Parts(cell, record.class_names, members, learner, hyper, columns, record.about, quantities, record.labels)
    return Content(parts, probe, record.estimator, arrays)


def named_leaves(weights: Any) -> dict[str, Any]:
    """Arrays of a tree by name: "params/hidden_0/kernel"."""
    leaves = jax.tree_util.tree_leaves_with_path(weights)
    return {spelled(path): leaf for path, leaf in leaves}


def _plain(leaf: Any, path: Path) -> np.ndarray:
    kind = getattr(leaf, "dtype", np.dtype(float))
    if getattr(kind, "kind", "") not in PLAIN:
        raise UserError(f"{path}: the network has {kind} in its weights or state, which can't be saved.")
    return np.asarray(leaf)


def _filled(template: Any, arrays: Mapping[str, np.ndarray], before: str) -> Any:
    found = []
    for name, leaf in named_leaves(template).items():
        array = arrays[before + name]
        if (array.shape, array.dtype) != (leaf.shape, leaf.dtype):
            raise ValueError(f"{before}{name} is {list(array.shape)}, expected {list(leaf.shape)}")
        found.append(array)
    return jax.tree.unflatten(jax.tree.structure(template), found)


def _with_network(record: Record, data: Signature, asked: str, network: Any, path: Path) -> Settings:
    """The settings, once their network is known here; another program than was saved is refused."""
    name = asked.partition(MARK)[0]
    give = f"Give the one that was trained: jaxreg.load({str(path)!r}, network=…)"
    if network is None:
        if record.found_at is None:
            raise UserError(f"{path}: holds weights of {name}, a network that Python can't find by a name. {give}")
        try:
            network = named(record.found_at)
        except UserError as error:
            said = re.sub(r"^--network \S+ |\.? It is looked for.*", "", str(error))
            raise UserError(f"{path}: its network {record.found_at} can't be imported ({said}). {give}") from None
    paths = frozenset(record.penalised)
    own = register(network, data.inputs, data.outputs, name, paths.__contains__, record.cell.settings.fields)
    # Other versions may write the same program otherwise; then what it predicts has to tell.
    if own.name != asked and all(versions()[name] == record.versions.get(name) for name in DECISIVE):
        raise UserError(f"{path}: its network {name} is another program here than was saved. {give}")
    return record.cell.settings.model_copy(update={"network": own.name})
