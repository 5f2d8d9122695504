"""Runs of a sweep file in Keras itself, one after another: `python -m jaxreg.study.keras_twin`.

Independent of the engine from the data onwards, on whichever backend Keras is set to (KERAS_BACKEND). What it needs
is Keras and a backend, in an environment of its own where that is TensorFlow. Writes a row per seed, run and epoch:
`run, seed, epoch, split, loss, backend, keras`, the losses as Keras prints them; `epoch` is missing for the test loss.
Runs that the file already has are not trained again.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from jaxreg import interrupts
from jaxreg.data import fashion
from jaxreg.data.dataset import Dataset, Signature
from jaxreg.data.scaling import FIXED
from jaxreg.errors import UserError, exit_code
from jaxreg.exports import keras_layers
from jaxreg.files import write_csv
from jaxreg.spec.load import load
from jaxreg.spec.settings import Settings
from jaxreg.spec.sweep import Cell, Sweep

COLUMNS = ["run", "seed", "epoch", "split", "loss", "backend", "keras"]


def model(settings: Settings, data: Signature) -> Any:
    """The network of a run: penalties on the hidden kernels, logits out.

    The notebook's softmax output comes to the same on TensorFlow, whose cross-entropy goes back to the logits behind
    it; on JAX, Keras would clip the probabilities at 1e-7, which stops most gradients of raw inputs.
    """
    keras = keras_layers.imported()
    hidden = keras_layers.hidden_layers(settings)
    return keras.Sequential([keras.Input(data.inputs), *hidden, keras.layers.Dense(data.classes)])


def chain(sweep: Sweep, run: str) -> list[Cell]:
    """A run after those that it continues. Raises `UserError` where Keras here can't do what one of them asks."""
    if sweep.splits != 1:
        raise UserError(
            f"{sweep.name}: has {sweep.splits} splits; a twin in Keras trains on all images. Set splits = 1."
        )
    cells = {cell.name: cell for cell in sweep.cells}
    if run not in cells:
        raise UserError(f"{run!r} is no run of {sweep.name}: there are {', '.join(cells)}.")
    found = [cells[run]]
    while (before := found[0].after) is not None:
        found.insert(0, cells[before])
    for cell in found:
        settings = cell.settings
        stopping = settings.early_stopping
        undone = {
            "stops early": stopping is not None and not stopping.watches_nothing,
            "standardises its inputs": settings.scaling not in FIXED,
            "corrupts its images": settings.label_noise or settings.pixel_noise,
        }
        for words, asked in undone.items():
            if asked:
                raise UserError(f"{cell.name}: {words}, which this twin does not. Leave {run} out of --runs.")
    return found


def train(sweep: Sweep, run: str, seed: int, dataset: Dataset) -> pd.DataFrame:
    """One run from one seed and, before it, the runs that it continues; all of them in the table."""
    cells = chain(sweep, run)
    keras = keras_layers.imported()
    keras.utils.set_random_seed(seed)
    shuffles = np.random.default_rng(seed)
    network, rows = model(cells[0].settings, dataset.signature), []
    for cell in cells:
        settings, divisor = cell.settings, FIXED[cell.settings.scaling].scale
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        network.compile(keras.optimizers.Adam(settings.learning_rate), loss)
        images, labels = dataset.train.inputs.astype(np.float32) / divisor, dataset.train.targets.astype(np.int32)
        past = []
        for _ in range(settings.epochs):
            # Shuffled here: after `set_random_seed`, `fit` on TensorFlow deals the same batches in every epoch, which
            # batch normalisation learns by heart (seen with Keras 3.15.1; an unseeded notebook has fresh ones).
            order = shuffles.permutation(labels.size)
            fit = network.fit(
                images[order], labels[order], batch_size=settings.batch_size, epochs=1, shuffle=False, verbose=0
            )
            past.append(fit.history["loss"][0])
        images, labels = dataset.test.inputs.astype(np.float32) / divisor, dataset.test.targets.astype(np.int32)
        test = network.evaluate(images, labels, batch_size=1000, verbose=0)
        told = {"run": cell.name, "seed": seed, "backend": keras.backend.backend(), "keras": keras.__version__}
        rows += [told | {"epoch": epoch, "split": "train", "loss": loss} for epoch, loss in enumerate(past, 1)]
        rows.append(told | {"epoch": None, "split": "test", "loss": test})
    return pd.DataFrame(rows, columns=COLUMNS)


def add(file: Path, sweep: Sweep, run: str, seed: int, dataset: Dataset) -> bool:
    """Trains a run from a seed and adds its rows to the file; False where the file has them already."""
    done = pd.read_csv(file) if file.exists() else pd.DataFrame(columns=COLUMNS)
    there = set(zip(done["run"], done["seed"], strict=True))
    if (run, seed) in there:
        return False
    new = train(sweep, run, seed, dataset)
    new = new[[pair not in there for pair in zip(new["run"], new["seed"], strict=True)]]
    file.parent.mkdir(parents=True, exist_ok=True)
    write_csv(file, pd.concat([done, new], ignore_index=True) if len(done) else new)
    return True


def _seeds(text: str) -> list[int]:
    try:
        return [int(seed) for seed in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"needs whole numbers, as in 0,1,2, got {text}") from None


def main(arguments: list[str] | None = None) -> int:
    """The command: 0 done, 2 wrong input."""
    parser = argparse.ArgumentParser(
        prog="python -m jaxreg.study.keras_twin", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("sweep", nargs="?", default="sweeps/notebook.toml", help="a sweep file with [[run]] tables")
    parser.add_argument("--runs", default="simple_normalized,batch_norm_normalized", help="which of them, by commas")
    parser.add_argument("--seeds", type=_seeds, default="0,1,2,3,4,5,6,7,8,9", help="by commas, as in 0,1,2,3")
    parser.add_argument("--out", type=Path, default=Path("reports/notebook/keras.csv"), metavar="CSV")
    given = parser.parse_args(arguments)

    def command() -> None:
        sweep, dataset = load(given.sweep), fashion.load()
        for seed in given.seeds:
            for run in given.runs.split(","):
                if add(given.out, sweep, run, seed, dataset):
                    print(f"{run}, seed {seed}: written to {given.out}", flush=True)

    return exit_code(command)


if __name__ == "__main__":
    interrupts.leave(main())
