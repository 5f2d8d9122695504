"""Fitted networks for others: Keras's .keras, NumPy's .npz. Both take rows as they are and need nothing of ours."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from jaxreg.engine.networks import OUTPUT, Weights
from jaxreg.errors import UserError
from jaxreg.exports import keras_layers
from jaxreg.files import write_bytes, write_npz
from jaxreg.formatting import listing
from jaxreg.saved import Parts, named_leaves
from jaxreg.spec.settings import Settings

FAR = 1e5  # of a column's mean from 0, in standard deviations: in float32 these are told apart to one hundredth


def write(path: Path, parts: Parts) -> Path:
    """Writes what the suffix says. Raises `UserError` where that can't be, or the file can't be written."""
    try:
        if path.suffix == ".npz":
            return write_npz(path, arrays(parts))
        if path.suffix == ".keras":
            model = keras_model(parts)
            with tempfile.TemporaryDirectory() as folder:
                model.save(made := Path(folder, "model.keras"))
                return write_bytes(path, made.read_bytes())
    except OSError as error:
        raise UserError(f"{path}: can't be written ({error.strerror or error}).") from None
    raise UserError(f"{path}: must end in .keras or .npz, the formats that there are.")


def check(path: Path, settings: Settings) -> None:
    """Raises `UserError` where the format can't have a network of such settings: known before it is trained."""
    if path.suffix == ".keras":
        _keras_for(settings)


def _keras_for(settings: Settings) -> Any:
    if settings.network is not None:
        raise UserError(
            f"{settings.architecture()}: is a network of your own, which Keras can't have. Export it as .npz, which "
            "has its weights."
        )
    return keras_layers.imported()


def scaling(parts: Parts) -> tuple[Any, Any]:
    """What is subtracted from inputs and what they are then divided by: for each feature of a table, or for all."""
    if parts.encoding is None:
        return np.asarray(parts.hyper.shift), np.asarray(parts.hyper.scale)
    columns = [column for column in parts.encoding.columns for _ in column.features]
    return np.array([column.mean for column in columns]), np.array([column.spread for column in columns])


def arrays(parts: Parts) -> dict[str, np.ndarray]:
    """Everything by name: `shift` and `scale`, then each network's arrays as in a .safetensors file."""
    shift, scale = scaling(parts)
    made = {"shift": shift, "scale": scale}
    if parts.quantities is None:
        made["class_names"] = np.array(parts.class_names)
    else:
        made |= {f"quantity_{name}": np.array(values) for name, values in parts.quantities._asdict().items()}
    if parts.encoding is not None:
        made["feature_names"] = np.array(parts.encoding.features)
    made["settings"] = np.array(json.dumps(parts.cell.settings.given()))
    for number, weights in enumerate(parts.members):
        made |= {f"networks/{number}/{name}": np.asarray(leaf) for name, leaf in named_leaves(weights).items()}
    return made


def keras_model(parts: Parts) -> Any:
    """A Keras model from rows as they are to probabilities, or quantities in their units: the mean of its networks'.

    It takes the features of a table: numbers as they are, and 0 or 1 for each text, in the order of the encoding.

    Raises:
        UserError: the network is somebody's own, or a column is nothing for numbers of 32 bits.
    """
    keras = _keras_for(parts.cell.settings)
    begin, scaled = keras.Input(parts.learner.inputs), _scaled(parts)
    stacks = [_filled(parts, weights) for weights in parts.members]
    units: list[Any] = []
    if parts.quantities is not None:
        _, means, spreads = parts.quantities
        how = {"mean": list(means), "variance": [spread**2 for spread in spreads]}
        units = [keras.layers.Normalization(**how, invert=True, name="in_units")]
    if len(stacks) == 1:
        return keras.Sequential([begin, *scaled, *stacks[0], *units])
    seen = begin
    for layer in scaled:
        seen = layer(seen)
    models = [keras.Sequential(stack, name=f"network_{number}") for number, stack in enumerate(stacks)]
    mean = keras.layers.Average(name="mean")([model(seen) for model in models])
    return keras.Model(begin, units[0](mean) if units else mean)


def _scaled(parts: Parts) -> list[Any]:
    layers = keras_layers.imported().layers
    shift, scale = scaling(parts)
    if parts.encoding is None:
        return [] if (shift, scale) == (0, 1) else [layers.Rescaling(float(1 / scale), float(-shift / scale))]
    far = [
        name for name, m, s in zip(parts.encoding.features, shift, scale, strict=True) if abs(m) > FAR * s or s < 1e-6
    ]
    if far:
        raise UserError(
            f"{listing(far[:5])}: varies too little around its mean for Keras's numbers of 32 bits. Subtract a "
            "constant in the table, or export it as .npz."
        )
    return [layers.Normalization(mean=shift.tolist(), variance=(scale**2).tolist())]


def _filled(parts: Parts, weights: Weights) -> list[Any]:
    """The layers of one network, built and with its weights."""
    settings, keras = parts.cell.settings, keras_layers.imported()
    hidden = keras_layers.hidden_layers(settings)
    last = keras_layers.penalty(settings) if settings.penalised == "all" else None
    how = {"use_bias": settings.biases, "kernel_regularizer": last}
    how["activation"] = "softmax" if parts.quantities is None else None
    stack = [*hidden, keras.layers.Dense(parts.learner.task.outputs, name=OUTPUT, **how)]
    shape: tuple[Any, ...] = (None, *parts.learner.inputs)
    for layer in stack:
        layer.build(shape)
        own = {**weights.params.get(layer.name, {}), **weights.statistics.get(layer.name, {})}
        # In Keras's order: of a layer its kernel and biases, of batch normalisation gamma, beta, mean and variance.
        layer.set_weights([own[name] for name in ("kernel", "scale", "bias", "mean", "var") if name in own])
        shape = layer.compute_output_shape(shape)
    return stack
