"""What the documents say, held against what is there: sweeps, commands, flags, axes, links."""

from __future__ import annotations

import ast
import os
import re
import shlex
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest

from jaxreg import export, fit, sweep
from jaxreg.bench import __main__ as bench
from jaxreg.report import __main__ as reported
from jaxreg.report import page as report
from jaxreg.spec import reference
from jaxreg.spec.load import load
from jaxreg.spec.members import members

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SWEEPS = sorted((ROOT / "sweeps").glob("*.toml"))
DOCUMENTS = sorted(
    path
    for pattern in ("*.md", "docs/*.md", "data/**/*.md", "reports/**/*.md", "sweeps/*.md")
    for path in ROOT.glob(pattern)
    if not {"finished", ".venv"} & set(path.parts)
)
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
TINY = """
splits = 2
grid = "l1"
[recipe]
hidden = [4]
epochs = 1
batch_size = 1000
[axes]
l1 = [0, 1e-3]
"""


def blocks(language: str, text: str = README) -> list[str]:
    """The fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)


def commands(text: str = README) -> list[list[str]]:
    """The words of every command in a document's bash blocks."""
    lines = [line for block in blocks("bash", text) for line in block.splitlines()]
    return [shlex.split(part, comments=True) for line in lines for part in line.split("&&")]


def modules(text: str = README) -> list[list[str]]:
    """The commands among them that run a module, from the module's name on."""
    return [words[words.index("-m") + 1 :] for words in commands(text) if "-m" in words[:2]]


def requirement(text: str) -> str:
    return re.split(r"[<>=!~\[; ]", text)[0].lower()


@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.stem)
def test_every_sweep_loads_and_says_how_it_is_run(path, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert members(load(path))
    header = re.search(r"# command: python -m jaxreg\.sweep (\S+)", path.read_text(encoding="utf-8"))
    assert header and (ROOT / header[1]) == path


def test_the_default_sweep_is_what_the_readme_starts_with():
    first, second = blocks("bash")[:2]
    assert "pip install -e . && " in first and first.rstrip().endswith("-m jaxreg.sweep --grid l1,l2")
    assert "pip install -e '.[test]' && " in second and second.rstrip().endswith("-m pytest")
    assert not load(flags={"grid": "l1,l2"}).differences(load(ROOT / "sweeps" / "l1-l2.toml"))


def test_commands_name_modules_that_exist():
    documents = [path.read_text(encoding="utf-8") for path in DOCUMENTS]
    named = {match for text in documents for match in re.findall(r"python -m ([\w.]+)", text)}
    assert {"jaxreg.sweep", "jaxreg.report", "pytest"} <= named
    assert [name for name in named if find_spec(name) is None] == []


def the(name: str) -> list[list[str]]:
    """The README's commands that run this module: there are some, or a test of each of them would test nothing."""
    found = [words for words in modules() if words[0] == name]
    assert found, f"the README has no command that runs {name}"
    return found


@pytest.mark.parametrize("words", the("jaxreg.sweep"), ids=" ".join)
def test_sweep_commands_are_understood(words, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    assert sweep.main([*words[1:], "--dry-run"]) == 0
    assert "member" in capsys.readouterr().out


@pytest.mark.parametrize("words", the("jaxreg.report"), ids=" ".join)
def test_report_commands_name_a_run(words):
    assert (ROOT / words[1] / "run.json").exists()


def test_flags_exist():
    parsers = (sweep.parser(), bench.parser(), fit.parser(), export.parser(), reported.parser())
    known = {flag for parser in parsers for flag in parser._option_string_actions}
    documents = README + (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    named = set(re.findall(r"(?<![\w-])--[a-z][\w-]*", documents))
    assert "--grid" in named
    assert named <= known


def test_the_table_of_axes_and_the_reference_of_sweep_files_are_the_generated_ones():
    """`python -m jaxreg.spec.reference` writes both."""
    assert reference.readme(README) == README
    assert reference.page() == (ROOT / reference.PAGE).read_text(encoding="utf-8")


def test_the_recipe_in_the_readme_is_the_default():
    settings = load(flags={"grid": "l1"}).recipe
    said = README.replace("\n", " ")
    assert f"{settings.architecture(784, 10)}, ReLU, inputs / 255, Adam at 1e-3, batches of 32, 15 epochs" in said
    assert (settings.scaling, settings.learning_rate, settings.batch_size, settings.epochs) == ("unit", 1e-3, 32, 15)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(path):
    links = re.findall(r"\]\(([^)\s]+)\)", path.read_text(encoding="utf-8"))
    inside = [link.partition("#")[0] for link in links if not re.match(r"https?:|#", link)]
    assert [link for link in inside if not (path.parent / link).exists()] == []


def test_every_import_is_declared():
    declared = {requirement(text) for text in PROJECT["dependencies"]}
    optional = {requirement(text) for texts in PROJECT["optional-dependencies"].values() for text in texts}
    # pydantic pins the core that belongs to it
    distribution = {"PIL": "pillow", "pydantic_core": "pydantic", "markdown_it": "markdown-it-py"}
    distribution |= {"sklearn": "scikit-learn"}
    missing = {}
    for path in sorted((ROOT / "jaxreg").rglob("*.py")):
        # The benchmark also measures torch where somebody has it; no extra installs its gigabytes.
        allowed = declared | (optional | {"torch"} if path.is_relative_to(ROOT / "jaxreg" / "bench") else set())
        # What these are there for.
        theirs = path.name in ("estimators.py", "table_files.py") or path.parent.name in ("exports", "cluster")
        allowed |= optional if theirs else set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            tops = {name.partition(".")[0] for name in names} - sys.stdlib_module_names - {"jaxreg"}
            unknown = {top for top in tops if distribution.get(top, top) not in allowed}
            missing |= {path.name: unknown} if unknown else {}
    assert missing == {}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A folder with a sweep file that takes seconds."""
    folder = tmp_path_factory.mktemp("docs")
    (folder / "tiny.toml").write_text(TINY, encoding="utf-8")
    return folder


@pytest.mark.slow
def test_the_python_example_runs(tiny):
    (example,) = blocks("python")
    assert '"l1,l2"' in example
    (tiny / "example.py").write_text(example.replace('"l1,l2"', '"tiny.toml"'), encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "example.py"]  # a process of its own, since it starts JAX
    done = subprocess.run(command, cwd=tiny, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert report.headline(tiny / "reports" / "tiny") in done.stdout
