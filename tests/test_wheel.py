"""What is published: the wheel and the sdist as they are built here, and the wheel in an environment of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from sklearn.datasets import load_wine

import jaxreg

pytestmark = pytest.mark.wheels
ROOT = Path(__file__).parents[1]
PROXIES = ("http_proxy", "https_proxy", "all_proxy")


def done(*words: str | Path, cwd: Path = ROOT, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(word) for word in words], cwd=cwd, env=env, capture_output=True, text=True, timeout=900)


def tool(*words: str | Path) -> str:
    """A tool of this environment, run in the clone; what it prints."""
    found = done(sys.executable, "-m", *words)
    assert found.returncode == 0, found.stdout + found.stderr
    return found.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The sdist, and the wheel that is built from it and not from the clone."""
    folder = tmp_path_factory.mktemp("dist")
    tool("build", "--outdir", folder, ROOT)
    (sdist,), (wheel,) = folder.glob("*.tar.gz"), folder.glob("*.whl")
    return sdist, wheel


def test_the_tools_find_nothing_wrong(built: tuple[Path, Path]) -> None:
    tool("twine", "check", "--strict", *built)
    tool("check_wheel_contents", built[1])


def test_the_wheel_has_the_package_as_it_is_here_and_nothing_else(built: tuple[Path, Path]) -> None:
    kept = done("git", "ls-files", "jaxreg").stdout.split()
    with zipfile.ZipFile(built[1]) as wheel:
        inside = {name for name in wheel.namelist() if ".dist-info/" not in name}
        assert inside == set(kept) and "jaxreg/report/templates/report.md.j2" in inside
        assert all(wheel.read(name) == (ROOT / name).read_bytes() for name in kept)


def test_the_sdist_is_without_data_and_reports(built: tuple[Path, Path]) -> None:
    with tarfile.open(built[0]) as sdist:
        tops = {Path(name).parts[1] for name in sdist.getnames()}
    assert {"jaxreg", "docs", "pyproject.toml", "README.md", "LICENSE", "CITATION.cff"} <= tops
    assert not {"data", "reports", "tests"} & tops
    assert built[0].stat().st_size < 2_000_000


def test_the_description_has_no_link_that_leads_nowhere(built: tuple[Path, Path]) -> None:
    with zipfile.ZipFile(built[1]) as wheel:
        (name,) = (name for name in wheel.namelist() if name.endswith("/METADATA"))
        said = wheel.read(name).decode().partition("\n\n")[2]
    assert said.startswith("# jaxreg") and "](reports" not in said and "](docs" not in said and "![" not in said
    assert "(https://" in said or "](" not in said


def test_versions_agree() -> None:
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"\nversion: {jaxreg.__version__}\n" in citation
    (date,) = (line.split()[1] for line in citation.splitlines() if line.startswith("date-released:"))
    assert f"\n## [{jaxreg.__version__}] - {date}\n" in changes
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert [author["name"] for author in project["authors"]] == ["jaxreg contributors"]
    assert "jaxreg contributors" in (ROOT / "LICENSE").read_text() and "name: jaxreg contributors" in citation


def test_the_citation_is_one() -> None:
    found = done(sys.executable, "-m", "cffconvert", "--validate")
    if "No module named cffconvert.__main__" in found.stderr:
        found = done(Path(sys.executable).with_name("cffconvert"), "--validate")
    assert found.returncode == 0 and "valid" in found.stdout, found.stdout + found.stderr


@pytest.fixture(scope="module")
def elsewhere(
    built: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., subprocess.CompletedProcess]:
    """Runs a command of a new environment with nothing but the wheel and what it asks for, far from any clone.

    Without a network: its home is empty, and what goes out is sent to an address of this machine where nobody listens.
    """
    place = tmp_path_factory.mktemp("elsewhere")
    assert done(sys.executable, "-m", "venv", place / "env").returncode == 0
    found = done(place / "env" / "bin" / "pip", "install", "--quiet", built[1], cwd=place)
    assert found.returncode == 0, found.stderr
    theirs = place / "theirs"
    theirs.mkdir()
    (place / "home").mkdir()
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "TMPDIR")}
    nobody = dict.fromkeys([*PROXIES, *map(str.upper, PROXIES)], "http://127.0.0.1:9")
    environment = kept | nobody | {"HOME": str(place / "home"), "JAX_PLATFORMS": "cpu"}

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return done(place / "env" / "bin" / words[0], *words[1:], cwd=theirs, env=environment)

    return run


def test_the_wheel_asks_for_all_that_it_needs(elsewhere: Callable[..., subprocess.CompletedProcess]) -> None:
    assert elsewhere("pip", "check").returncode == 0
    where = elsewhere("python", "-c", "import jaxreg; print(jaxreg.__version__, jaxreg.__file__)").stdout
    assert where.startswith(f"{jaxreg.__version__} ") and "/elsewhere" in where and "/env/lib/" in where
    assert elsewhere("jaxreg", "--version").stdout == f"jaxreg {jaxreg.__version__}\n"


def test_without_the_data_and_a_network_it_says_so_and_leaves_nothing(
    elsewhere: Callable[..., subprocess.CompletedProcess],
) -> None:
    found = elsewhere("jaxreg", "sweep", "--grid", "l1")
    begin, error, *rest = found.stderr.splitlines()
    assert found.returncode == 2 and begin.startswith("downloading Fashion-MNIST (31 MB) to ")
    assert error.startswith("error: Fashion-MNIST is not on this machine and could not be downloaded (")
    assert "no way through the proxy" in error and "Pool" not in found.stderr
    assert len(rest) <= 2 and "--data FILE.csv" in rest[0]
    seen = elsewhere("python", "-c", "import os, pathlib; print(os.listdir(), os.listdir(pathlib.Path.home()))")
    assert seen.stdout == "[] []\n"


def test_the_wheel_sweeps_their_table(
    elsewhere: Callable[..., subprocess.CompletedProcess], built: tuple[Path, Path]
) -> None:
    table = load_wine(as_frame=True).frame
    table["kind"] = [load_wine().target_names[label] for label in table.pop("target")]
    theirs = built[1].parent.parent / "elsewhere0" / "theirs"
    table.to_csv(theirs / "wine.csv", index=False)
    words = ["--l2", "0,0.01", "--splits", "2", "--epochs", "3", "--no-full"]
    found = elsewhere("jaxreg", "sweep", "--data", "wine.csv", "--label", "kind", "--grid", "l2", *words)
    assert found.returncode == 0, found.stderr
    assert "wrote reports/wine-l2/report.md" in found.stdout
    report = (theirs / "reports" / "wine-l2" / "report.md").read_text(encoding="utf-8")
    assert "features" in report and (theirs / "reports" / "wine-l2" / "report.html").stat().st_size > 100_000
    assert elsewhere("jaxreg", "report", "reports/wine-l2").returncode == 0
