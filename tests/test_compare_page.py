"""What the page of models trained elsewhere says: in their terms, and what is wrong with the predictions themselves."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_compare import made

import jaxreg
from jaxreg.report.__main__ import main

WORDS_OF_THE_TRAINER = re.compile(
    r"(?<![\w-])--[a-z][\w-]*|\b(?:sweep|grid|epoch|network|member|deal|gap)s?\b", re.IGNORECASE
)


def of_kind(kind: str, **size: int) -> dict[str, Any]:
    """`made`, as probabilities, as votes or as quantities."""
    given = made(**size)
    p = np.array(given["predictions"])
    if kind == "votes":
        return given | {"predictions": p.argmax(-1)}
    if kind == "quantities":
        return given | {"predictions": p[..., 0], "targets": np.where(given["targets"] == 0, 0.9, 0.1)}
    return given


@pytest.mark.parametrize("kind", ["probabilities", "votes", "quantities"])
@pytest.mark.parametrize(
    "size", [{"splits": 4, "seeds": 2}, {"splits": 2, "seeds": 1}, {"splits": 1, "seeds": 3}, {"splits": 1, "seeds": 1}]
)
def test_it_advises_nothing_that_only_the_trainer_can_do(kind: str, size: dict[str, int], tmp_path: Path) -> None:
    run = jaxreg.compare(**of_kind(kind, **size), out=tmp_path / "run")
    for page in (run.report, (run.folder / "report.html").read_text(encoding="utf-8").partition("<body")[2]):
        said = re.sub(r' style="[^"]*"', "", page.replace("members.csv", "").partition("<script")[0])
        found = {match.group() for match in WORDS_OF_THE_TRAINER.finditer(said)}
        assert found == set(), [line[:300] for line in said.splitlines() if WORDS_OF_THE_TRAINER.search(line)]
    if size["splits"] == 1:
        assert "several training sets that share no example, named by `split`" in run.report
    elif size["seeds"] == 1 and kind != "votes":
        assert "several models a split, named by `seed`, separate them" in run.report
    written = run.report
    assert main([str(run.folder)]) == 0 and jaxreg.Run(run.folder).report == written
