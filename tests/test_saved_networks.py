"""Networks of others in a file: their weights, and the name by which Python finds them; known by their program."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from fitted_networks import Own, fitted, same

import jaxreg
from jaxreg.data.dataset import Dataset
from jaxreg.engine import own_networks
from jaxreg.errors import UserError
from jaxreg.store import weights_file

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.exports


def test_another_process_predicts_the_same(dataset: Dataset, tmp_path: Path) -> None:
    """With a network that Python finds by its name there too."""
    (tmp_path / "theirs.py").write_text("import flax.linen as nn\nfrom typing import Any\n" + inspect.getsource(Own))
    np.savez(tmp_path / "rows.npz", rows=dataset.test.inputs)
    script = (
        "import sys, numpy as np, jaxreg\n"
        "jaxreg.configure(2)\n"
        "rows = np.load('rows.npz')['rows']\n"
        "np.save('found.npy', jaxreg.load(sys.argv[1]).predict_proba(rows))\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"}
    sys.path.insert(0, str(tmp_path))
    try:
        made = fitted(dataset, network=own_networks.named("theirs:Own"))
    finally:
        sys.path.remove(str(tmp_path))
    made.save(tmp_path / "own.safetensors")
    command = [sys.executable, "-c", script, "own.safetensors"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    np.testing.assert_array_equal(np.load(tmp_path / "found.npy"), made.predict_proba(dataset.test.inputs))
    (tmp_path / "theirs.py").unlink()
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
    last = done.stderr.splitlines()[-1]
    assert "its network theirs:Own can't be imported (No module named 'theirs')" in last
    assert "jaxreg.load('own.safetensors', network=…)" in last


def test_a_network_is_known_by_its_program(dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def some(path: str) -> bool:
        return path.endswith("bias")

    made = fitted(dataset, network=Own(width=6), penalised=some)
    file = made.save(tmp_path / "own.safetensors")
    again = jaxreg.load(file, network=Own(width=6))
    same(made, again, dataset.test.inputs)
    assert again.cell == made.cell  # of the digest that holds what is penalised
    for other in (Own(width=5), None):  # the latter is found by its name, with its usual width
        with pytest.raises(UserError, match="its network Own is another program here than was saved. Give the one"):
            jaxreg.load(file, network=other)

    class Hidden(Own):
        pass

    file = fitted(dataset, network=Hidden()).save(tmp_path / "hidden.safetensors")
    with pytest.raises(UserError, match="holds weights of Hidden, a network that Python can't find by a name. Give"):
        jaxreg.load(file)
    # What an own network takes is decided by a program; another JAX may spell the same one otherwise.
    record, arrays = weights_file.read(file)
    record["versions"]["jax"] = "0.1"
    record["cell"]["settings"]["network"] = "Hidden@0123456789abcdef"
    weights_file.write(file, record, arrays)
    same(jaxreg.load(file, network=Hidden()), fitted(dataset, network=Hidden()), dataset.test.inputs)
    arrays["networks/0/params/Dense_1/bias"] += 1 + np.arange(10, dtype=np.float32)
    weights_file.write(file, record, arrays)
    with pytest.raises(UserError, match="predicts otherwise here than where it was saved"):
        jaxreg.load(file, network=Hidden())
