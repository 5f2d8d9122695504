"""A committed run, for the tests of what becomes of results; and the same with a member that diverged."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from jaxreg.store.results import Results, read

REPORTS = Path(__file__).parents[1] / "reports"


def kept() -> Results:
    """With a second stage."""
    return read(REPORTS / "l1-l2")


def torn() -> Results:
    """The same, but that its first member diverged in its second epoch, and what is known of it ends there."""
    run = kept()
    members, history = run.members.copy(), run.history.copy()
    members["diverged_at"] = members["diverged_at"].astype(float)
    members.loc[0, "diverged_at"] = 2.0
    members.loc[0, ["test_cross_entropy", "train_cross_entropy"]] = np.nan
    gone = (history["member"] == members.loc[0, "member"]) & (history["epoch"] >= 2)
    history.loc[gone, history.columns[2:]] = np.nan
    return replace(run, members=members, history=history)


def everybody(run: Results) -> pd.DataFrame:
    """Its members, those of the second stage too, by name."""
    return pd.concat([run.members, run.second_stage], ignore_index=True).set_index("member")
