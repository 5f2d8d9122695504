"""Two studies of one question: what both told, what they contradict each other in, and the command that says so."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from written_runs import L1_L2, write_run

from jaxreg.coverage import main
from jaxreg.statistics.comparisons import UNDECIDED
from jaxreg.statistics.replication import agreement


def told(*verdicts: str) -> pd.DataFrame:
    rows = [{"cell": f"c{i}", "reference": "plain", "measure": "m", "verdict": word} for i, word in enumerate(verdicts)]
    return pd.DataFrame(rows)


def test_what_both_told_is_counted_and_what_they_contradict_is_named():
    one = told("lower", "lower", UNDECIDED, "higher", UNDECIDED)
    other = told("lower", "higher", "lower", "higher", UNDECIDED)
    found = agreement(one, other, "plain")
    assert (found.made, found.told, found.twice, found.contradictions) == (5, 4, 2, [("c1", "m")])
    assert agreement(one, other[:2], "plain").made == 2
    assert agreement(one, other, "another").made == 0


def test_a_study_agrees_with_itself(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    folder = str(write_run(tmp_path / "run"))
    assert main(["--replicate", folder, folder]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split(": ")[1] == lines[1].split(": ")[1].split(" (")[0] != "0"
    assert lines[2].startswith("contradictions: 0 ")


def test_studies_of_other_questions_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    one, other = (write_run(tmp_path / name, cells=cells) for name, cells in (("a", L1_L2), ("b", L1_L2[1:])))
    assert main(["--replicate", str(one), str(other)]) == 2
    assert "not the same question" in capsys.readouterr().err
