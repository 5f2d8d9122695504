"""docs/after.md: every block of it runs, one after the other, in one folder."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jaxreg.__main__ import main

DOCUMENT = (Path(__file__).parents[1] / "docs" / "after.md").read_text(encoding="utf-8")
SMALL = """
grid = "l2"
splits = 2
second_stage = 1
label = "target"
[recipe]
hidden = [8, 4]
epochs = 4
[axes]
l2 = [0, 0.01]
"""


@pytest.mark.exports
@pytest.mark.filterwarnings("ignore")  # of Keras, as it saves, and of MLflow's own libraries
def test_the_documents_examples_run(tmp_path: Path, monkeypatch: Any, capsys: Any) -> None:
    monkeypatch.chdir(tmp_path)
    Path("small.toml").write_text(SMALL, encoding="utf-8")
    known: dict[str, Any] = {}
    blocks = re.findall(r"^```(\w+)\n(.*?)^```", DOCUMENT, flags=re.MULTILINE | re.DOTALL)
    assert [kind for kind, _ in blocks] == ["python"] * 3 + ["bash"] + ["python"] * 2 + ["bash"]
    for kind, text in blocks:
        if kind == "python":
            exec(text.replace('"l2", data', '"small.toml", data'), known)
            continue
        for line in text.splitlines():
            program, *words = shlex.split(line)
            if words[0] == "fit":  # its run was of a table in memory, which a later process does not have
                known["table"].to_csv("cancer.csv", index=False)
                assert main(["small.toml", "--data", "cancer.csv", "--out", "cancer", "--quiet"]) == 0
                words = [word.replace("reports/cancer", "cancer") for word in words]
            assert program == "jaxreg" and main(words) == 0, capsys.readouterr().err
    probabilities = known["model"].predict(known["rows"], verbose=0)
    assert probabilities.shape == (569, 2) and known["again"].cell == known["fitted"].cell
    own = known["fitted"]
    alone = type(own)(own.cell, own.class_names, own.members[:1], own._learner, own._hyper, own.encoding)
    np.testing.assert_allclose(known["first"], alone.predict_proba(known["table"]), rtol=1e-3, atol=1e-5)
    assert {"logs", "tracking", "tables", "cancer.keras", "cancer.safetensors"} <= {p.name for p in tmp_path.iterdir()}
