"""A finished run: its folder, with the tables as DataFrames, and what people do next."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from jaxreg.data.dataset import Dataset
from jaxreg.errors import UserError
from jaxreg.formatting import brief, listing, nearest
from jaxreg.spec import second_stage
from jaxreg.spec.checked import unknown
from jaxreg.spec.load import read as read_sweep
from jaxreg.spec.sweep import Cell, Sweep
from jaxreg.store.reading_tables import read_table
from jaxreg.store.record import no_folder
from jaxreg.store.results import read as read_results

if TYPE_CHECKING:
    from jaxreg.engine.progress import Progress
    from jaxreg.fitted import Fitted


OF_SOME = {
    "classes": "of classes",
    "calibration": "of probabilities",
    "reliability": "of probabilities",
    "quantities": "of several quantities",
    "features": "of a table's columns",
    "nested": "with a cross-validation",
    "looks": "that settles",
    "data_size": "with train_examples on an axis",
    "second_stage": "with a second stage",
    "whole": "with networks on all of the training set",
}
"""Tables that not every run has, and which runs do."""


class Run:
    """A finished run: its folder, with the tables as DataFrames.

    `jaxreg.run` and `jaxreg.compare` return one; ``Run("reports/NAME")`` is one of an earlier session.
    """

    def __init__(self, folder: str | Path, sweep: Sweep | None = None, dataset: Dataset | None = None):
        self.folder = Path(folder)
        if not self.folder.is_dir():
            raise no_folder(self.folder)
        self._sweep, self.dataset = sweep, dataset  # of a run that was just made

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
        """Any table of the folder, by the name of its file: `members`, `history`, `whole`, `choices`, …

        Raises:
            UserError: there is none, or it can't be read.
        """
        there = sorted(path.stem for path in self.folder.glob("*.csv"))
        if name not in there and "decomposition" in there:  # else the run is not finished
            why = f": only a run {OF_SOME[name]} has one" if name in OF_SOME else ""
            near = "" if why else nearest(name, there)
            raise UserError(f"{self.folder} has no table {brief(name)}{why}.{near} It has {listing(there)}.")
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
        """A row per cell and loss, with error, bias, variance and their intervals: nats, or shares of 1."""
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
        from jaxreg.report.page import headline  # SciPy and Matplotlib, which training need not wait for

        return headline(self.folder)

    @property
    def figures(self) -> dict[str, Path]:
        """The figures by name."""
        return {path.stem: path for path in sorted((self.folder / "figures").glob("*.png"))}

    @cached_property
    def recommendation(self) -> pd.DataFrame:
        """What to use for each purpose, on the parts and on all of the data, as `jaxreg.statistics.recommendation`.

        Of its columns `[["scope", "purpose", "cell"]]` fit on a screen.
        """
        return self.table("recommendation")

    @property
    def best(self) -> str:
        """The name of the cell to use: what is recommended for all of the data, or else for the parts.

        Raises:
            UserError: nothing can be recommended.
        """
        if self._recommended is None:
            raise UserError(f"{self.folder}: nothing can be recommended; see its report.")
        return self._recommended

    @property
    def _recommended(self) -> str | None:
        results = read_results(self.folder)
        purpose = str(results.record.get("purpose") or results.measures.answered[0])
        row = results.advice("whole", purpose) or results.advice("parts", purpose)
        return None if row is None else str(row["cell"])

    def plot(self, name: str = "answer") -> Any:
        """A figure of the report, as a Pillow image, which a notebook shows; `figures` has the names.

        Raises:
            UserError: there is no figure of this name.
        """
        from PIL import Image

        if name not in self.figures:
            raise UserError(f"there is no figure {brief(name)}; there are {', '.join(self.figures)}.")
        with Image.open(self.figures[name]) as picture:
            picture.load()
            return picture

    def cell(self, name: str | None = None) -> Cell:
        """A cell of the sweep, or of its second stage, with all of its settings; by default the one to use.

        Raises:
            UserError: there is none of this name, or nothing was trained here.
        """
        return _cell(self._asked(), name or self.best)

    def _asked(self) -> Sweep:
        found = read_results(self.folder).sweep
        if "recipe" not in found:
            raise UserError(f"{self.folder} compares models that were trained elsewhere, and there is nothing to fit.")
        return self._sweep or read_sweep(found)

    def fit(
        self,
        ensemble: int = 5,
        cell: str | None = None,
        dataset: Dataset | None = None,
        progress: Progress | bool | None = None,
        data: Any = None,
        test: Any = None,
        label: str | None = None,
        network: Any = None,
    ) -> Fitted:
        """The recommended setting, or another `cell`, trained on all of the data from so many seeds.

        All are the rows that were held out to score too. A test part that was given stays out: it is to judge by.
        `Fitted.about["trained_on"]` is how many rows that were.

        Args:
            ensemble: how many networks, whose probabilities are averaged.
            cell: another one of the sweep, or of its second stage.
            dataset: the run's data, where no file names them and this is a later session.
            progress: True shows on stderr what the command shows; silent by default.
            data, test: the same as arrays, DataFrames or paths, as `jaxreg.run` takes them.
            label: the column to predict, which the run knows, unless it had arrays and is given a table now.
            network: of a run of a network of one's own, that network, or several by name; by default what is known in
                this session, or Python finds where run.json says.

        Raises:
            UserError: there is no such cell, or data or network are not those of the run.
        """
        from jaxreg.fitted import fit
        from jaxreg.own_of_run import with_own_of_run
        from jaxreg.run_data import data_of_run

        results, sweep = read_results(self.folder), self._asked()
        digest, own = str(results.record["data"]["digest"]), None if data is not None else dataset or self.dataset
        give = f"jaxreg.Run({str(self.folder)!r}).fit(data=…)"
        dataset = data_of_run(self.folder, sweep, digest, give, data, own, test, label)
        give = f"jaxreg.Run({str(self.folder)!r}).fit(network=…), or --network package.module:name."
        sweep = with_own_of_run(sweep, dataset.signature, results.record, give, network)
        made = fit(sweep, dataset, _cell(sweep, cell or self.best), ensemble, progress=progress)
        about = {"recommended": self._recommended, "verdict": self.verdict, "data": dict(results.record["data"])}
        return replace(made, about={**about, **made.about})


def _cell(sweep: Sweep, name: str) -> Cell:
    cells = {one.name: one for one in sweep.cells} | second_stage.every(sweep)
    if name not in cells:
        raise UserError(unknown("cell", name, cells))
    return cells[name]
