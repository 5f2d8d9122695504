"""The notebook for Colab: what it installs, that all its cells run, on what device, and what a lost runtime loses."""

from __future__ import annotations

import re

import pytest
from test_docs import PROJECT, ROOT, TINY, requirement

COLABS_OWN = {"jax", "flax", "optax", "numpy", "scipy", "pandas", "matplotlib", "pillow", "threadpoolctl"}


def notebook():
    import nbformat

    return nbformat.read(ROOT / "sweeps" / "colab.ipynb", as_version=4)


def tagged(tag):
    (cell,) = [cell for cell in notebook().cells if tag in cell.metadata.get("tags", ())]
    return cell.source


def test_the_notebook_installs_all_but_what_colab_has():
    (packages,) = re.findall(r"%pip install --quiet (?!-)(.*)", tagged("install"))
    assert set(packages.split()) == {requirement(text) for text in PROJECT["dependencies"]} - COLABS_OWN
    assert "--no-deps ." in tagged("install")


def test_the_notebook_runs_sweeps_that_exist():
    paths = re.findall(r'"(\S+\.toml)"', tagged("parameters"))
    assert paths == ["sweeps/quick.toml", "sweeps/l1-l2.toml"] and 'DEVICE = "tpu"' in tagged("parameters")
    assert all((ROOT / path).exists() for path in paths)
    assert all(not cell.get("outputs") for cell in notebook().cells)


def executed(folder, skipped=(), **changed):
    """The notebook after all its cells have run in a folder, with a tiny sweep and such replacements."""
    nbclient = pytest.importorskip("nbclient")
    for name in ("first", "second"):
        (folder / f"{name}.toml").write_text(TINY, encoding="utf-8")
    book = notebook()
    book.cells = [cell for cell in book.cells if not set(skipped) & set(cell.metadata.get("tags", ()))]
    for cell in book.cells:
        if "parameters" in cell.metadata.get("tags", ()):
            files = f'QUICK = "{folder}/first.toml"\nMAIN = "{folder}/second.toml"'
            cell.source = f'DEVICE = "cpu"\n{files}\nKEEP_ON_DRIVE = True'
        for old, new in changed.items():
            cell.source = cell.source.replace({"drive": "/content/drive/MyDrive", "device": '"cpu"'}[old], new)
        if "install" in cell.metadata.get("tags", ()):
            cell.source = re.sub(r'"https://.*?"', f'"file://{ROOT}"', cell.source)
    client = nbclient.NotebookClient(book, timeout=600, resources={"metadata": {"path": str(folder)}})
    client.execute()
    return book


def shown(book):
    return [output.data for cell in book.cells for output in cell.get("outputs", ()) if "data" in output]


def printed(book):
    return "".join(output.text for cell in book.cells for output in cell.get("outputs", ()) if "text" in output)


def seen_as_a_reader_does(book):
    reports = [data["text/markdown"] for data in shown(book) if "text/markdown" in data]
    assert len(reports) == 2
    assert all("## Answer" in text and "data:image/png;base64," in text for text in reports)
    assert not any("](figures/" in text for text in reports)
    assert "<th>variance</th>" in shown(book)[-1]["text/html"]
    assert "side by side on a device" in printed(book) and "about" in printed(book)


@pytest.fixture
def on_a_cpu(monkeypatch):
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


@pytest.mark.slow
def test_the_notebook_runs_and_goes_on_after_a_lost_runtime(tmp_path, on_a_cpu):
    """Every cell but the one that installs. The second time, what is on Drive is not trained again."""
    drive = tmp_path / "MyDrive"
    drive.mkdir()
    first = executed(tmp_path, ["install"], drive=str(drive))
    seen_as_a_reader_does(first)
    assert f"results are kept in {drive}/jaxreg" in printed(first) and "compiling" in printed(first)
    assert (drive / "jaxreg" / "second" / "report.md").exists()
    second = executed(tmp_path, ["install"], drive=str(drive))
    seen_as_a_reader_does(second)
    assert "compiling" not in printed(second)


@pytest.mark.slow
def test_the_notebook_refuses_to_be_silently_on_a_cpu(tmp_path, on_a_cpu):
    import nbclient

    with pytest.raises(nbclient.exceptions.CellExecutionError, match="a TPU was chosen, and JAX .* is on a CPU"):
        executed(tmp_path, ["install"], device='"tpu"')


@pytest.mark.installs
def test_the_notebook_runs_with_its_installation(tmp_path, monkeypatch):
    """Every cell, from a clone of this repository, as a Colab runtime does."""
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    monkeypatch.delenv("PYTHONPATH", raising=False)
    drive = tmp_path / "MyDrive"
    drive.mkdir()
    seen_as_a_reader_does(executed(tmp_path, drive=str(drive)))
