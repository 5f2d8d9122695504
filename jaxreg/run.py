"""A whole sweep from Python: train every member, keep everything, analyse, report.

import jaxreg
run = jaxreg.run("sweeps/quick.toml")
run.decomposition            # a DataFrame
"""

from __future__ import annotations

import time
from base64 import b64encode
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from jaxreg.data.dataset import Dataset
from jaxreg.data.load import load as load_data
from jaxreg.driver import AnyTrainer, Driver
from jaxreg.engine.forecast import check_examples
from jaxreg.engine.progress import Progress, Silent
from jaxreg.errors import Failure, Interrupted, UserError
from jaxreg.flags import WHAT_COUNTS
from jaxreg.formatting import brief
from jaxreg.report import page
from jaxreg.spec import second_stage
from jaxreg.spec.load import load
from jaxreg.spec.sweep import Sweep
from jaxreg.store.folder import Folder
from jaxreg.store.lock import locked
from jaxreg.store.members import Damaged
from jaxreg.store.results import read_table

if TYPE_CHECKING:
    from jaxreg.statistics.analysis import Analysis


class Run:
    """A finished run: its folder, with the tables as DataFrames."""

    def __init__(self, folder: str | Path):
        self.folder = Path(folder)

    def __repr__(self) -> str:
        return f"Run({str(self.folder)!r})"

    def _repr_markdown_(self) -> str:
        """The report with its figures inside, which a notebook shows in place of the repr."""
        text = self.report
        for name, path in self.figures.items():
            picture = b64encode(path.read_bytes()).decode("ascii")
            text = text.replace(f"(figures/{name}.png)", f"(data:image/png;base64,{picture})")
        return text

    def table(self, name: str) -> pd.DataFrame:
        """Any table of the folder: `members`, `history`, `decomposition`, `comparisons`, `choices`, …"""
        return read_table(self.folder / f"{name}.csv")

    @cached_property
    def members(self) -> pd.DataFrame:
        """A row per member."""
        return self.table("members")

    @cached_property
    def history(self) -> pd.DataFrame:
        """A row per member and epoch."""
        return self.table("history")

    @cached_property
    def decomposition(self) -> pd.DataFrame:
        """A row per cell and loss: error, bias, variance and their intervals."""
        return self.table("decomposition")

    @cached_property
    def comparisons(self) -> pd.DataFrame:
        """Every cell against the plain one and the best one."""
        return self.table("comparisons")

    @cached_property
    def report(self) -> str:
        """The text of report.md."""
        return (self.folder / "report.md").read_text(encoding="utf-8")

    @property
    def verdict(self) -> str:
        """The first sentence of the report."""
        return page.headline(self.folder)

    @property
    def figures(self) -> dict[str, Path]:
        """The figures by name."""
        return {path.stem: path for path in sorted((self.folder / "figures").glob("*.png"))}


def run(
    sweep: Sweep | str | Path,
    *,
    out: str | Path | None = None,
    dataset: Dataset | None = None,
    block: int | None = None,
    devices: int | None = None,
    progress: Progress | None = None,
    command: str | None = None,
    keep_state: bool = False,
    with_predictions: bool = False,
    purpose: str | None = None,
) -> Run:
    """Trains what a sweep asks for and writes its report.

    A folder that holds part of the same sweep, or of a smaller or larger one, is gone on with: nothing is trained
    twice.

    Args:
        sweep: a checked sweep, the path of a sweep file, or a grid such as ``"l1,l2"``.
        out: the folder to write; ``reports/<name>`` by default.
        dataset: what to train on; Fashion-MNIST by default.
        block: members that a device trains side by side; chosen by default.
        devices: how many of the devices to use; all by default.
        progress: told what happens; silent by default.
        command: what was typed, for the report; this call by default.
        keep_state: keep each member's weights, optimizer and patience, so that more epochs can go on from there.
        with_predictions: write predictions.npz however large it is.
        purpose: what counts, cross_entropy, brier or accuracy, which the report then answers alone.

    Raises:
        UserError: the sweep, the data or the folder is not fit.
        Interrupted: stopped by Ctrl-C; what was finished is on disk.
        Failure: disk, memory or devices failed; what was finished is on disk.
    """
    if purpose not in (None, *WHAT_COUNTS):
        raise UserError(f"purpose: must be one of {', '.join(WHAT_COUNTS)}, got {brief(purpose)}.")
    command = command or f"jaxreg.run({sweep.name if isinstance(sweep, Sweep) else str(sweep)!r})"
    if not isinstance(sweep, Sweep):
        sweep = load(sweep) if str(sweep).endswith(".toml") else load(flags={"grid": str(sweep)})
    began = time.perf_counter()
    progress = progress or Silent()
    folder = Folder(Path(out) if out is not None else Path("reports") / sweep.name)
    folder.make()
    dataset = dataset or load_data(sweep.data, sweep.test, progress.announce)
    check_examples(sweep, dataset.signature)

    def trainer() -> AnyTrainer:
        from jaxreg.engine.trainer import Trainer  # JAX, which a run that only wants its report has no use for

        return Trainer(sweep, dataset, block, devices, progress, keep_state)

    with locked(folder.path, command):
        folder.prepare()
        driver = Driver(sweep, dataset, folder, progress, command, began, keep_state)
        driver.about |= {"purpose": purpose}
        for warning in sweep.warnings:
            progress.warn(warning)
        try:
            driver.train(trainer)
            _analyse(driver, with_predictions, trainer)
        except KeyboardInterrupt:
            raise Interrupted(f"interrupted: {driver.kept}\nThe same command goes on from there.") from None
        except (OSError, MemoryError, Damaged) as error:
            raise Failure(f"{_fault(error)}: {driver.kept}\nOnce that is mended, the same command goes on.") from error
        finally:
            progress.close()
    return Run(folder.path)


def _analyse(driver: Driver, with_predictions: bool, trainer: Callable[[], AnyTrainer]) -> None:
    """From members to the report, by way of a second stage where the sweep asks for one."""
    from jaxreg.statistics import analysis

    driver.progress.announce("analysing")
    started, path, dataset = time.perf_counter(), driver.folder.path, driver.dataset
    predictions = driver.write_tables(with_predictions)
    tables = analysis.analyse(
        read_table(path / "members.csv"),
        predictions,
        dataset.test.targets,
        [member.id for member in driver.members],
        dataset.test.inputs,
        dataset.picture,
        dataset.class_names,
    )
    trained = time.perf_counter()
    tables = _second_stage(driver, tables, trainer)
    analysis.write(tables, path)
    driver.end(started + time.perf_counter() - trained)
    page.write(path)


def _second_stage(driver: Driver, tables: Analysis, trainer: Callable[[], AnyTrainer]) -> Analysis:
    """Trains on the whole training set what the splits speak for, and concludes what to use there."""
    if not driver.sweep.second_stage or tables.candidates is None:
        return tables
    from jaxreg.statistics.whole import whole

    kin = second_stage.kin(driver.sweep, tables.worth_training_on_all)
    driver.add(second_stage.members(driver.sweep, [cell for cells in kin.values() for cell in cells]))
    cells = dict.fromkeys(member.cell.name for member in driver.second_stage)
    if cells:
        driver.progress.announce(f"second stage, on all of the training set: {', '.join(cells)}")
    driver.train(trainer)
    rows, predictions = driver.on_everything()
    driver.progress.announce("writing the report")
    found = whole(rows, predictions, driver.dataset.test.targets, list(rows["member"]), tables.candidates.reference)
    return tables.concluded(found, {name: [cell.name for cell in cells] for name, cells in kin.items()})


def _fault(error: BaseException) -> str:
    """What the system said, and of which file."""
    if isinstance(error, MemoryError):
        return "out of memory"
    said = getattr(error, "strerror", None) or str(error)
    name = getattr(error, "filename", None)
    return f"{name}: {said}" if name else said
