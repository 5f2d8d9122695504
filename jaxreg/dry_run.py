"""What a sweep would train, how long that would take, and what it could show: `--dry-run`. Writes nothing."""

from __future__ import annotations

import sys
from pathlib import Path

from jaxreg.data.dataset import Dataset
from jaxreg.data.load import signature
from jaxreg.engine.forecast import forecast, foresight, plan
from jaxreg.errors import UserError, printed
from jaxreg.measures import CLASSES
from jaxreg.source import check_task
from jaxreg.spec.sweep import Sweep
from jaxreg.statistics.power import outlook
from jaxreg.store import checks
from jaxreg.store.reading_tables import read_table
from jaxreg.store.record import read_record


def dry_run(sweep: Sweep, like: str | None, dataset: Dataset | None) -> int:
    """Prints it; `like` is an earlier run to judge by, `dataset` the data unless they are Fashion-MNIST.

    Raises:
        UserError: the earlier run can't be read, or the sweep does not fit the data.
    """
    if like is not None:
        _like(Path(like), sweep)
    data = dataset.signature if dataset else signature(None, None)
    for note in dataset.notes if dataset else ():
        printed(note)
    printed(forecast(sweep, plan(sweep, data), data))
    if dataset is not None:
        check_task(sweep, dataset)
    measures = dataset.measures if dataset else CLASSES
    if sweep.folded:
        # The prior is of parts, and no study speaks for another: in cross-validations of seven tables of 150 to 4,000
        # rows, the median half-width of cross-entropy times the root of the rows varied by a factor of 5, and from cell
        # to cell of one table half-widths did by a factor of 40 to 400.
        printed("what it could tell apart is not known beforehand: nested folds measure how far an error may be off")
    elif sweep.splits * sweep.seeds > 1:
        size = sweep.splits, sweep.seeds, len(sweep.cells)
        found = outlook(*size, like, examples=data.test_examples, measures=measures)
        if dataset is not None and like is None:
            found["basis"] = "a guess from images: of these data nothing is known before an earlier run, --like DIR"
        if len(found):
            printed(foresight(found))
    for warning in sweep.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    return 0


def _like(folder: Path, sweep: Sweep) -> None:
    """Finds out whether an earlier run's spreads can be read, and are any for this sweep."""
    if sweep.folded:
        raise UserError("--like: no earlier run says what a cross-validation can tell apart. Leave it out.")
    if (read_record(folder / "run.json").get("sweep") or {}).get("design") == "folds":
        raise UserError(f"--like {folder}: a cross-validation has no spreads of parts. Name a run with disjoint parts.")
    try:
        checks.table("power", read_table(folder / "power.csv", ["cell", "sd_split", "sd_seed", "sd_example"]))
    except ValueError as error:
        raise UserError(f"--like {folder}: power.csv can't be read: {error}.") from None
