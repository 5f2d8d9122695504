"""A whole sweep from Python: train every member, keep everything, analyse, report.

import jaxreg
run = jaxreg.run("sweeps/quick.toml")
run.decomposition            # a DataFrame
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from jaxreg.data.dataset import Dataset
from jaxreg.driver import AnyTrainer, Driver
from jaxreg.engine.forecast import check_examples
from jaxreg.engine.progress import Progress, watched
from jaxreg.errors import Failure, Interrupted, UserError
from jaxreg.finished import Run
from jaxreg.flags import check_purpose
from jaxreg.formatting import brief, listing
from jaxreg.noted import noted
from jaxreg.own import networks_of, with_own
from jaxreg.source import check_design, check_task, dataset_of, sweep_and_data
from jaxreg.spec.sweep import Sweep
from jaxreg.store.folder import Folder
from jaxreg.store.lock import locked
from jaxreg.store.members import Damaged
from jaxreg.sweep_notes import without_layers


def run(
    sweep: Sweep | str | Path,
    *,
    out: str | Path | None = None,
    dataset: Dataset | None = None,
    data: Any = None,
    test: Any = None,
    label: str | None = None,
    task: str | None = None,
    group: str | None = None,
    drop: Sequence[str] | None = None,
    holdout: float | None = None,
    design: str | None = None,
    network: Any = None,
    penalised: Callable[[str], bool] | None = None,
    optimizer: Callable[[Any], Any] | None = None,
    block: int | None = None,
    devices: int | None = None,
    on: Any = None,
    progress: Progress | bool | None = None,
    command: str | None = None,
    keep_state: bool = False,
    with_predictions: bool = False,
    purpose: str | None = None,
    difference: float = 0.0,
    budget: float = math.inf,
    report: bool = True,
    **settings: Any,
) -> Run:
    """Trains what a sweep asks for and writes its report.

    A folder that holds part of the same sweep, or of a smaller or larger one, is gone on with: nothing is trained
    twice.

    Args:
        sweep: a checked sweep, the path of a sweep file, or a grid such as ``"l1,l2"``.
        out: the folder to write; ``reports/<name>`` by default.
        dataset: what to train on; what the sweep names by default, or Fashion-MNIST.
        data: the same as arrays or DataFrames of any shape: ``(x, y)``, ``(x, y, x_test, y_test)``, or a table with its
            `label`; or a path, as of a sweep's `data`.
        test: what scores, where it is not in `data`: as that is, a DataFrame, ``(x, y)`` or a path.
        label, group, drop: columns of the table: what is to be predicted, what keeps rows on one side of every split,
            and a list of those to leave out.
        task: "classification" or "regression", where it is not as the label looks.
        holdout: share of the rows that score where there is no `test`; a quarter by default.
        design: "parts" (disjoint ones), "folds" (cross-validation) or "holdout" (all training rows each time); by the
            number of rows by default. This and the others from `data` on are as of a sweep file or the command line.
        network: a network of one's own: a Linen module, an NNX module's class or a function of ``rngs`` that makes one,
            or a pair ``(init, apply)`` as in `jaxreg.engine.flax_modules`. It gets inputs `[batch, feature]`.
            Several, by name, are an axis: ``{"narrow": Net(16), "wide": Net(64)}``; the first is the reference. A text
            such as ``"package.module:name"``, or a list of them, is what it is for a command.
        penalised: of such a network, whether penalties, decay and max_norm act on the parameter of a path such as
            "Conv_0/kernel"; by default on every kernel but the last.
        optimizer: one's own: a function of the hyperparameters (`learning_rate`, `weight_decay`, …) that gives an Optax
            transformation. It gets the gradients with those of L1 and L2 in them.
        block: members that a device trains side by side; chosen by default.
        devices: how many of the devices to use; all by default.
        on: a cluster in the place of this process's devices: a client of Dask, the address of a scheduler, the path of
            its file, or what `jaxreg.cluster.together.joined` gives. `block` and `devices` are then of each worker.
        progress: True shows on stderr what the command shows; silent by default.
        command: what was typed, for the report; this call by default.
        keep_state: keep each member's weights, optimizer and patience, so that more epochs can go on from there.
        with_predictions: write predictions.npz however large it is.
        purpose: what counts, which the report then answers alone: cross_entropy, brier or accuracy; of quantities rmse
            or mae.
        difference: with `settle`, the smallest gain that is worth a run: nats, a share of the labels, a squared error.
        budget: with `settle`, seconds from now after which no further round begins.
        report: write report.md, report.html and the figures too, and not only the tables.
        settings: any other key of a sweep file's top or recipe, and lists of values of axes, over what a grid or file
            says: ``epochs=30, splits=5, l2=[0, 1e-3]``.

    Returns:
        The folder with its tables, report and figures.

    Raises:
        UserError: the sweep, the data or the folder is not fit.
        Interrupted: stopped by Ctrl-C; what was finished is on disk.
        Failure: disk, memory or devices failed; what was finished is on disk.
    """
    given = {name: value for name, value in locals().items() if name not in ("sweep", "settings")}  # before others
    check_purpose(purpose)
    progress = watched(progress)
    typed = command is not None
    command = command or noted("jaxreg.run", run, sweep, given | settings)
    reading = {"label": label, "task": task, "group": group, "drop": drop, "holdout": holdout, "design": design}
    reading |= settings
    if not isinstance(sweep, Sweep):
        if isinstance(network, Mapping):
            network = {str(name): one for name, one in network.items()}
            reading["network"] = list(network)
        elif names := _names(network):
            reading["network"], network = names, None
        sweep, dataset = _read(sweep, reading, data, test, dataset, progress)
        if network is not None and not networks_of(sweep):
            dataset = without_layers(dataset, sweep)
    elif alone := [name for name, one in {"data": data, "test": test, **reading}.items() if one is not None]:
        goes = "goes" if len(alone) == 1 else "go"
        raise UserError(f"{listing(alone)}: {goes} with a grid or a sweep file; beside a Sweep give dataset=")
    if not sweep.settle and (difference or budget < math.inf):
        raise UserError("difference, budget: are of a sweep that settles. Give settle too: --settle, or settle = 4.")
    if not (0 <= difference < math.inf and budget >= 0):
        raise UserError(f"difference, budget: must be 0 or more, got {difference} and {budget}.")
    began = time.perf_counter()
    named = typed or dataset is None or sweep.data is not None  # a command line can only name its data
    dataset = dataset or dataset_of(sweep, progress)
    for note in dataset.notes:
        progress.announce(note)
    sweep, own = with_own(sweep, dataset.signature, network, penalised, optimizer, devices)
    check_design(sweep, dataset)
    check_task(sweep, dataset)
    check_purpose(purpose, dataset.measures, "--for" if typed else "purpose")
    check_examples(sweep, dataset.signature)
    folder = Folder(Path(out) if out is not None else Path("reports") / sweep.name)
    folder.make()

    def trainer() -> AnyTrainer:
        from jaxreg.engine.trainer import Trainer  # JAX, which a run that only wants its report has no use for

        return Trainer(sweep, dataset, block, devices, progress, keep_state)

    with ExitStack() as held:
        if on is not None:
            from jaxreg.cluster.start import trainers

            how: Any = {"block": block, "devices": devices, "keep_state": keep_state, "named": named}
            there = trainers(on, sweep, dataset, progress, network=network, optimizer=optimizer, about=own, **how)
            trainer = held.enter_context(there)
        held.enter_context(locked(folder.path, command))
        folder.prepare()
        driver = Driver(sweep, dataset, folder, progress, command, began, keep_state)
        driver.about |= {"purpose": purpose} | own
        for warning in sweep.warnings:
            progress.warn(warning)
        try:
            looks = look = None
            if sweep.settle:
                from jaxreg.settle import settle, wanted

                looks, look = settle(driver, trainer, wanted(purpose, difference, budget, dataset.measures), began)
            else:
                driver.train(trainer)
            from jaxreg.conclude import conclude  # SciPy and Matplotlib, which training need not wait for

            conclude(driver, trainer, with_predictions, looks, look, report)
        except KeyboardInterrupt:
            raise Interrupted(f"interrupted: {driver.kept}\nThe same command goes on from there.") from None
        except (OSError, MemoryError, Damaged) as error:
            raise Failure(f"{_fault(error)}: {driver.kept}\nOnce that is mended, the same command goes on.") from error
        finally:
            progress.close()
    return Run(folder.path, sweep, dataset)


def _names(network: Any) -> list[str]:
    """Those of networks that a sweep may name; nothing where networks are given."""
    given = network if isinstance(network, list | tuple) else [network]
    return [*given] if all(isinstance(one, str) for one in given) else []


def _read(
    asked: str | Path,
    reading: Mapping[str, Any],
    data: Any,
    test: Any,
    dataset: Dataset | None,
    progress: Progress,
) -> tuple[Sweep, Dataset | None]:
    """A grid or a sweep file, as the command line would have it, and its data; `data` and `test` may be in memory."""
    if not isinstance(asked, str | Path):
        raise UserError(
            'grid: must be a text, and values of an axis beside it, as in jaxreg.run("l1,l2", l2=[0, 1e-3]), got '
            f"{brief(asked)}."
        )
    file = asked if str(asked).endswith(".toml") else None
    flags = {"grid": None if file else str(asked), **reading}
    paths = {name: str(one) for name, one in {"data": data, "test": test}.items() if isinstance(one, str | Path)}
    if test is not None and ("data" in paths) is not ("test" in paths):
        raise UserError("test: goes with data and is what that is: a path beside a path, or beside arrays such.")
    if test is not None and data is None:
        raise UserError("test: goes with data, which trains.")
    data, test = (None, None) if paths else (data, test)
    flags = {name: value for name, value in {**flags, **paths}.items() if value is not None}
    return sweep_and_data(file, flags, data=data, dataset=dataset, progress=progress, test=test)


def _fault(error: BaseException) -> str:
    """What the system said, and of which file."""
    if isinstance(error, MemoryError):
        return "out of memory"
    said = getattr(error, "strerror", None) or str(error)
    name = getattr(error, "filename", None)
    return f"{name}: {said}" if name else said
