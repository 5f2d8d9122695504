"""The folder of a run: whether it is ours, what run.json says, which of its files are still as they were written."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jaxreg import reading
from jaxreg.errors import UserError
from jaxreg.files import HALF, remove_halves, write_text
from jaxreg.formatting import spelled
from jaxreg.spec.load import read
from jaxreg.spec.sweep import Sweep
from jaxreg.store.columns import FILES
from jaxreg.store.members import StoredMembers
from jaxreg.store.record import MOST_RECORD

# What is written into a folder.
FOLDERS = ("members", "figures")
TABLES = (*FILES, "predictions.npz")
WRITTEN = (*FOLDERS, *TABLES, "run.json", "report.md", "report.html")
OTHER_OUT = "Give another folder with --out."


class Folder:
    """The folder of one run. A link to a folder is followed once, when it is named; no link in it ever is."""

    def __init__(self, path: Path):
        self.path = path.resolve() if path.is_symlink() else path
        self.members = StoredMembers(self.path / "members")

    def make(self) -> None:
        """Makes the folder where there is none, and finds out what is wrong with it before anything is trained.

        Raises:
            UserError: it can't be written, or holds what jaxreg did not write, or links where files should be.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            links = [name for name in WRITTEN if (self.path / name).is_symlink()]
            probe = self.path / f".writable{HALF}"
            probe.touch()
            probe.unlink()
        except (OSError, ValueError) as error:  # the latter where no file can have this name
            fault = getattr(error, "strerror", None) or error
            raise UserError(f"{self.path}: can't be written ({fault}). {OTHER_OUT}") from None
        if links:
            raise UserError(
                f"{self.path / links[0]} is a link, and nothing is written through one. Remove it, or give another "
                "folder with --out."
            )
        theirs = [name for name in _shown(self.path) if name not in FOLDERS or _shown(self.path / name)]
        if theirs and not self.ours:
            shown = ", ".join(theirs[:3]) + (f" and {len(theirs) - 3} more" if len(theirs) > 3 else "")
            raise UserError(f"{self.path} holds other things ({shown}), with which the results would mix. {OTHER_OUT}")

    def prepare(self) -> None:
        """Clears what the dead have left, once nobody else writes here."""
        try:
            for name in FOLDERS:
                (self.path / name).mkdir(exist_ok=True)
            remove_halves([self.path, *(self.path / name for name in FOLDERS)])
        except OSError as error:
            raise UserError(f"{error.filename}: can't be written ({error.strerror}). {OTHER_OUT}") from None

    @property
    def ours(self) -> bool:
        """Whether jaxreg made it, by what is in it: also of an earlier version, or with its run.json deleted."""
        about = self.about() or {}
        if "sweep" in about and "jaxreg" in (about.get("versions") or {}):
            return True
        try:
            with reading.opened(self.path / "members.csv") as file:
                if file.readline(1000).startswith(b"member,cell,"):
                    return True
        except OSError:
            pass
        # The latter were kept by an earlier version.
        return any(self.members.path.glob("*.json")) or any((self.path / "finished").glob("*.npz"))

    def about(self) -> dict[str, Any] | None:
        """run.json; None where there is none that can be read. Nothing hangs on it: members know what they are."""
        try:
            stored = json.loads(reading.read(self.path / "run.json", MOST_RECORD))
        except (OSError, ValueError, RecursionError):
            return None
        return stored if isinstance(stored, dict) else None

    def check(self, sweep: Sweep, digest: str) -> None:
        """Makes sure that this sweep can go on from what is there.

        Raises:
            UserError: it would train the same cells otherwise, on other data, or on other parts of it.
        """
        stored = self.about()
        if stored is None:
            return
        try:
            before = read(stored["sweep"])
            differences = sweep.differences(before)
        except (KeyError, TypeError, AttributeError, UserError):
            return  # of another version; its members say for themselves what they are
        data = stored.get("data")
        if isinstance(data, dict) and data.get("digest") != digest:
            differences += _read_otherwise(sweep, before) or ["data: other examples there"]
        if differences:
            listed = "\n  ".join(differences)
            raise UserError(f"{self.path} holds another sweep:\n  {listed}\n  {OTHER_OUT}")

    def check_given(self, digest: str) -> None:
        """Makes sure that a page on predictions of others replaces none but an earlier one on the same predictions.

        Args:
            digest: of the predictions and their targets.

        Raises:
            UserError: it holds a sweep, or a page on other predictions.
        """
        stored = self.about() or {}
        data, sweep = stored.get("data"), stored.get("sweep")
        if any(self.members.path.glob("*.json")) or (isinstance(sweep, dict) and "recipe" in sweep):
            raise UserError(f"{self.path} holds a sweep, with which the results would mix. Give another out= (--out).")
        if isinstance(data, dict) and data.get("digest") != digest:
            raise UserError(
                f"{self.path} holds a report on other predictions, which this one would replace.\n"
                f"  Give another out= (--out), or, if that one is not needed, type: rm -r {shlex.quote(str(self.path))}"
            )

    def note(self, about: Mapping[str, Any]) -> None:
        """Writes run.json."""
        write_text(self.path / "run.json", json.dumps(about, indent=2, ensure_ascii=False) + "\n")

    def digests(self) -> dict[str, str]:
        """SHA-256 of every table that is there, by name."""
        return {name: digest for name in TABLES if (digest := self._digest(name)) is not None}

    def set_aside(self, noted: Mapping[str, str]) -> list[str]:
        """Renames tables that are not as they were written, so that what is written anew replaces nobody's work.

        Args:
            noted: what `digests` said when they were written.

        Returns:
            A sentence for each.
        """
        said = []
        for name in TABLES:
            file, found = self.path / name, self._digest(name)
            if name not in noted or found in (None, noted[name]):
                continue
            aside = next(
                path for n in range(1, 10**6) if not os.path.lexists(path := file.with_name(f"{name}.changed-{n}"))
            )
            file.rename(aside)
            said.append(f"{file} was changed after it was written: it is {aside.name} now, and is written anew")
        return said

    def _digest(self, name: str) -> str | None:
        """Of one of the tables; None where there is no such file."""
        try:
            return reading.digest(self.path / name)
        except FileNotFoundError:
            return None

    def remove(self, name: str, noted: Mapping[str, str]) -> None:
        """Removes a table that no longer belongs to the run, if it is as it was written."""
        if name in noted and self._digest(name) == noted[name]:
            (self.path / name).unlink()


def _shown(folder: Path) -> list[str]:
    """What is in a folder, but for hidden files, which editors and systems leave anywhere."""
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith(".")) if folder.is_dir() else [""]


def _read_otherwise(here: Sweep, there: Sweep) -> list[str]:
    """Of two sweeps that name the same data: what of it they take otherwise, a line each."""
    if (here.data, here.test) != (there.data, there.test):
        return []
    asked = [(key, getattr(there, key), getattr(here, key)) for key in ("label", "task", "drop", "holdout")]
    return [f"{key}: {_said(was)} there, {_said(now)} here" for key, was, now in asked if was != now]


def _said(value: Any) -> str:
    return spelled(value) if value else "none"
