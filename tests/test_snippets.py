"""The Python and the commands in the documents are run, as they stand there but for the size of the sweep."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_iris
from test_docs import DOCUMENTS, ROOT, blocks
from test_idx_folder import publish
from test_tables import table

from jaxreg.data.dataset import Dataset
from jaxreg.sweep import main

RUN = {  # by what is in it: each piece of Python in a document, with the test that runs it
    "README.md": {"run = jaxreg.run(": "test_docs"},
    "docs/compare.md": {"MLPClassifier(": "test_compare", "to_parquet(": "test_compare_files"},
    "docs/networks.md": {
        "class CNN(": "test_own_networks",
        "network={": "test_network_axis",
        "network.widths": "test_network_fields",
        "def lion(": "test_own_networks",
    },
    "docs/after.md": dict.fromkeys(
        ["fitted.save(", "jaxreg.load(", "fitted.export(", "load_model(", "np.load("],
        "test_after",
    ),
    "docs/data.md": dict.fromkeys(
        [
            "load_breast_cancer",
            'drop=["ward"]',
            "with_format",
            "to_pandas()",
            "for picture,",
            "fetch_openml",
            "run.plot()",
            "RegularizedMLPClassifier(",
        ],
        "test_snippets",
    ),
    "docs/scaling.md": {
        "on=client)": "test_cluster",
        "joined(": "test_together",
        "SLURMCluster(": "none: it needs Slurm, and the document says so",
        "KubeCluster(": "none: it needs Kubernetes, and the document says so",
    },
}
SMALL = 'grid = "l2"\nsplits = 2\n[recipe]\nhidden = [8]\nepochs = 2\n[axes]\nl2 = [0, 0.1]\n'


def python(document: Path) -> list[str]:
    return blocks("python", document.read_text(encoding="utf-8"))


def test_every_piece_of_python_is_run_by_a_test() -> None:
    found = {path.relative_to(ROOT).as_posix(): python(path) for path in DOCUMENTS}
    for name, pieces in found.items():
        for piece in pieces:
            assert any(word in piece for word in RUN.get(name, {})), f"{name}: no test runs\n{piece}"
    assert all(sum(word in piece for piece in found[name]) == 1 for name, words in RUN.items() for word in words)


def run(word: str, known: dict[str, Any]) -> dict[str, Any]:
    """Runs the piece of docs/data.md with this word in it, with a small sweep; the names that it leaves."""
    (piece,) = (piece for piece in python(ROOT / "docs" / "data.md") if word in piece)
    Path("small.toml").write_text(SMALL, encoding="utf-8")
    for grid in ('jaxreg.run("l2"', 'jaxreg.run("l1,l2"'):
        piece = piece.replace(grid, 'jaxreg.run("small.toml"')
    exec(piece, known)
    return known


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.snippets
def test_arrays_and_what_comes_after() -> None:
    known = run("load_breast_cancer", {})
    assert "rows of arrays" in Path("reports/cancer/report.md").read_text(encoding="utf-8")
    known = run("run.plot()", known)
    assert known["fitted"].score(known["x"], known["y"]) > 0.8
    x, y = load_breast_cancer(return_X_y=True)
    known = run("RegularizedMLPClassifier(", known)
    assert known["model"].score(x, y) > 0.95 and set(known["model"].best_params_) == {"l1", "l2"}


@pytest.mark.snippets
def test_a_frame_with_keywords() -> None:
    import jaxreg

    found = run('drop=["ward"]', {"jaxreg": jaxreg, "table": table()})["run"]
    assert len(found.dataset.test.targets) == 96 and found.dataset.encoding.features == ("age", "dose", "smokes", "who")
    assert "rows of a DataFrame of 240 rows and 6 columns" in found.report


@pytest.mark.snippets
@pytest.mark.filterwarnings("default")
def test_hugging_face(dataset: Dataset) -> None:
    datasets = pytest.importorskip("datasets")
    from PIL import Image

    import jaxreg

    pictures = [Image.fromarray(row.reshape(28, 28)) for row in dataset.train.inputs]
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=dataset.class_names)})
    columns = {"image": pictures, "label": dataset.train.targets.tolist()}
    table = datasets.Dataset.from_dict(columns, features=features)
    found = run("with_format", {"jaxreg": jaxreg, "dataset": {"train": table}})["run"].dataset
    assert found.train.inputs.dtype == np.uint8 and found.picture == (28, 28)
    kept = {row.tobytes() for part in (found.train, found.test) for row in part.inputs}
    assert kept == {row.tobytes() for row in dataset.train.inputs}
    flowers = datasets.Dataset.from_pandas(load_iris(as_frame=True).frame.rename(columns={"target": "label"}))
    found = run("to_pandas()", {"jaxreg": jaxreg, "dataset": {"train": flowers}})["run"].dataset
    assert found.signature.inputs == (4,) and len(found.train.targets) + len(found.test.targets) == 150


@pytest.mark.snippets
@pytest.mark.filterwarnings("default")
def test_torch(dataset: Dataset) -> None:
    torch = pytest.importorskip("torch")
    import jaxreg

    pictures = torch.tensor(dataset.train.inputs.reshape(-1, 28, 28))
    items = torch.utils.data.TensorDataset(pictures, torch.tensor(dataset.train.targets))
    found = run("for picture,", {"jaxreg": jaxreg, "numpy": np, "dataset": items})["run"].dataset
    assert found.train.inputs.dtype == np.uint8 and found.picture == (28, 28) and len(found.class_names) == 10


@pytest.mark.snippets
@pytest.mark.filterwarnings("default")
def test_openml(monkeypatch: pytest.MonkeyPatch) -> None:
    import sklearn.datasets
    from sklearn.datasets.tests.test_openml import _monkey_patch_webbased_functions

    import jaxreg

    _monkey_patch_webbased_functions(monkeypatch, 61, gzip_response=False)  # what the server answers, from files
    found = run("fetch_openml", {"jaxreg": jaxreg, "sklearn": sklearn})["run"].dataset
    assert found.class_names == ("Iris-setosa", "Iris-versicolor", "Iris-virginica")
    assert found.signature.inputs == (4,) and len(found.train.targets) + len(found.test.targets) == 150


@pytest.mark.snippets
@pytest.mark.parametrize("document", ["docs/data.md"])
def test_commands(document: str, dataset: Dataset, capsys: pytest.CaptureFixture) -> None:
    cancer = load_breast_cancer(as_frame=True).frame.rename(columns={"target": "outcome"})
    cancer.to_csv("patients.csv", index=False)
    publish(Path("mnist"), dataset.train, dataset.test)
    publish(Path("gzip"), dataset.train, dataset.test, begin="emnist-balanced-", name="test")
    lines = "".join(blocks("bash", (ROOT / document).read_text(encoding="utf-8"))).splitlines()
    assert lines
    for line in lines:
        program, flag, module, *words = shlex.split(line)
        assert (program, flag, module) == ("python", "-m", "jaxreg.sweep")
        assert main([*words, "--dry-run"]) == 0
        assert "member" in capsys.readouterr().out
