"""A whole sweep from Python: train every member, keep everything, analyse, report.

import jaxreg
run = jaxreg.run("sweeps/quick.toml")
run.decomposition            # a DataFrame
"""

from __future__ import annotations

import shlex
import sys
import time
from base64 import b64encode
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from jaxreg import __version__
from jaxreg.data import fashion, kaggle
from jaxreg.data.corruption import corrupt
from jaxreg.data.dataset import Dataset
from jaxreg.engine import devices as hardware
from jaxreg.engine.forecast import Plan
from jaxreg.engine.progress import Progress, Silent
from jaxreg.errors import Interrupted
from jaxreg.report import page as report
from jaxreg.spec.load import load
from jaxreg.spec.members import Member, members
from jaxreg.spec.sweep import Sweep
from jaxreg.store.records import SMALL_WEIGHT, Folder, MemberResult


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
        return pd.read_csv(self.folder / f"{name}.csv")

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
        return report.headline(self.folder)

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
) -> Run:
    """Trains what a sweep asks for and writes its report.

    A folder that holds part of the same sweep is continued; nothing is trained twice.

    Args:
        sweep: a checked sweep, the path of a sweep file, or a grid such as ``"l1,l2"``.
        out: the folder to write; ``reports/<name>`` by default.
        dataset: what to train on; Fashion-MNIST by default.
        block: members that a device trains side by side; chosen by default.
        devices: how many of the devices to use; all by default.
        progress: told what happens; silent by default.

    Raises:
        UserError: the sweep, the data or the folder is not fit.
        Interrupted: stopped by Ctrl-C; what was finished is on disk.
    """
    if not isinstance(sweep, Sweep):
        sweep = load(sweep) if str(sweep).endswith(".toml") else load(flags={"grid": str(sweep)})
    began = time.perf_counter()
    progress = progress or Silent()
    folder = Folder(Path(out) if out is not None else Path("reports") / sweep.name)
    dataset = dataset or _data(sweep, progress)
    folder.check(sweep, dataset.digest)
    for warning in sweep.warnings:
        progress.warn(warning)
    wanted = members(sweep)
    finished = folder.finished(member.id for member in wanted)
    about = (folder.about() if finished else None) or {"started": _now()}
    about |= _about(sweep, dataset)
    missing = [member for member in wanted if member.id not in finished]
    if finished and missing:
        progress.announce(f"{len(finished)} of {len(wanted)} members are in {folder.path} already: going on from there")
    try:
        if missing:
            folder.note(about)
            followed = {member.predecessor for member in wanted}
            for done, facts in _train(sweep, missing, finished, dataset, block, devices, progress, about.copy()):
                _keep(done, folder, followed)
                finished |= {member.id: member._replace(weights=None) for member in done}
                about |= facts
        progress.announce("analysing and writing the report")
        started = time.perf_counter()
        predictions = folder.write_tables(wanted, finished, dataset.test_labels)
        from jaxreg.statistics import analysis

        tables = analysis.analyse(
            pd.read_csv(folder.path / "members.csv"),
            predictions,
            dataset.test_labels,
            [member.id for member in wanted],
            dataset.test_images,
        )
        analysis.write(tables, folder.path)
        about |= {
            "finished": _now(),
            "report_seconds": time.perf_counter() - started,
            "run_seconds": float(about.get("run_seconds", 0.0)) + time.perf_counter() - began,
        }
        folder.note(about)
        report.write(folder.path)
        folder.tidy()
    except KeyboardInterrupt:
        raise Interrupted(
            f"interrupted: {len(finished)} of {len(wanted)} members are finished and in {folder.path}. "
            "The same command goes on from there."
        ) from None
    finally:
        progress.close()
    return Run(folder.path)


def _keep(done: list[MemberResult], folder: Folder, followed: set[str | None]) -> None:
    """Puts members on disk; Ctrl-C in between waits until all of them are there."""
    left = list(done)
    try:
        while left:
            folder.keep(left[0], with_weights=left[0].id in followed)
            left.pop(0)
    except KeyboardInterrupt:
        _keep(left, folder, followed)
        raise


def plan(sweep: Sweep) -> Plan:
    """What `run` would need, without starting JAX."""
    wanted = members(sweep)
    examples = fashion.FILES[1].shape[0]
    steps, kinds = 0.0, set()
    for member in wanted:
        settings = member.settings
        share = settings.early_stopping.validation_share if settings.early_stopping else 0.0
        rows = int(examples // (1 if member.split == "all" else sweep.splits) * (1 - share))
        size = hardware.bytes_per_member(settings.hidden) / hardware.bytes_per_member((225, 256, 128))
        steps += size * settings.epochs * -(-rows // settings.batch_size)
        kinds.add((settings.architecture, settings.batch_size, rows, member.cell.after is None))
    cores = hardware.cores()
    images = 784 * (examples + 10_000)
    state = max(hardware.bytes_per_member(member.settings.hidden) for member in wanted)
    return Plan(
        members=len(wanted),
        programs=PROGRAMS * len(kinds),
        bytes=cores * (images + state) + 4 * 10 * 10_000 * len(wanted) + BASE_BYTES,
        seconds=steps * CORE_SECONDS / cores + 2.0 * len(kinds),
    )


PROGRAMS = 4  # of a kind: start, epoch, and the evaluation of the test images and of a split
# Of a recent server core, evaluation included, for a step of the default network; older ones take four times that.
CORE_SECONDS = 0.45e-3
BASE_BYTES = 600_000_000  # Python, JAX and its compiler


def _data(sweep: Sweep, progress: Progress) -> Dataset:
    if sweep.data is not None and sweep.test is not None:
        return kaggle.load(sweep.data, sweep.test)
    return fashion.load(sweep.data, progress.announce)


def _train(
    sweep: Sweep,
    missing: list[Member],
    finished: Mapping[str, MemberResult],
    dataset: Dataset,
    block: int | None,
    devices: int | None,
    progress: Progress,
    about: Mapping[str, Any],
) -> Iterator[tuple[list[MemberResult], dict[str, Any]]]:
    """Trains the missing members; yields those that finish together, with the facts of the run so far."""
    hardware.configure(devices)
    import jax

    from jaxreg.engine import chunk as epochs
    from jaxreg.engine import grouping, training
    from jaxreg.engine.programs import Programs

    traced = sum(training.traces.values())
    mesh = hardware.member_mesh(devices)
    if (slower := hardware.advice(mesh)) is not None:
        progress.warn(slower)
    facts = hardware.describe(mesh)
    earlier = {name: float(about.get(f"{name}_seconds", 0.0)) for name in ("compile", "train")}
    kinds = grouping.prepare(missing, sweep, dataset)
    followed = {member.predecessor for member in missing}
    progress.start(sum(kind.epochs * len(group) for kind, group in kinds.items()))
    started = time.perf_counter()
    weights = {name: member.weights for name, member in finished.items() if member.weights}
    programs = Programs(mesh, progress)
    arrays: epochs.Arrays | None = None
    noise, corrupted = (0.0, 0.0), dataset
    for kind, group in kinds.items():
        if arrays is None or noise != kind.noise:
            noise, corrupted = kind.noise, corrupt(dataset, *kind.noise, sweep.seed)
            arrays = programs.shared(epochs.Arrays(*(np.array(array) for array in corrupted[1:5])))
        programs.block = block or hardware.block(mesh, kind.model, len(group))
        while group:
            chunk = group[: programs.width]
            try:
                done = epochs.train(kind, chunk, sweep, arrays, corrupted, weights, programs, progress)
            except jax.errors.JaxRuntimeError as error:
                if "RESOURCE_EXHAUSTED" not in str(error) or programs.block == 1:
                    raise
                programs.block //= 2
                progress.warn(f"the device is out of memory: {programs.block} members at a time from here on")
                continue
            group = group[len(chunk) :]
            weights |= {member.id: member.weights for member in done if member.id in followed}
            spent = time.perf_counter() - started - programs.compile_seconds
            facts |= {
                "programs": programs.count,
                "traces": sum(training.traces.values()) - traced,
                "compile_seconds": earlier["compile"] + programs.compile_seconds,
                "train_seconds": earlier["train"] + spent,
            }
            yield done, facts


def _about(sweep: Sweep, dataset: Dataset) -> dict[str, Any]:
    """What run.json says before anything has been measured."""
    packages = ("jax", "jaxlib", "flax", "optax", "numpy")
    return {
        "sweep": sweep.resolved(),
        "command": shlex.join(["python", "-m", "jaxreg.sweep", *sys.argv[1:]]),
        "versions": {"jaxreg": __version__, "python": sys.version.split()[0]}
        | {name: version(name) for name in packages},
        "data": {"name": dataset.name, "digest": dataset.digest},
        "small_weight_threshold": SMALL_WEIGHT,
    }


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
