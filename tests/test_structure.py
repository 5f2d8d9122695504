"""How the code hangs together: who may import whom, how long a file may be, and where the facts of one data set are."""

from __future__ import annotations

import ast
import graphlib
import io
import re
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "jaxreg"
SOURCES = sorted(PACKAGE.rglob("*.py"))

# Everything imports from layers above its own line only, inside functions too.
LAYERS = (
    {"jaxreg"},  # the version; its other names are resolved when asked for
    {"interrupts"},
    {"errors", "formatting", "files", "reading", "axes", "measures", "circumstances"},
    {"flags", "spec", "data", "statistics"},
    {"store", "completion", "decomposition", "sweep_notes"},
    {"engine", "report", "coverage"},
    {"source", "saved", "noted", "scored"},
    {"own", "run_data"},
    {"driver", "exports", "cluster", "own_of_run"},
    {"settle", "conclude", "fitted"},
    {"finished", "saved_estimators", "estimators_report"},
    {"run", "replay", "dry_run"},
    {"compare", "estimators"},
    {"loading"},
    {"sweep", "report.__main__", "fit", "export"},
    {"spec.reference"},  # writes documents from the command line's flags: nothing imports it
    {"study", "bench", "__main__"},
)
EMPTY = ("spec", "data", "engine", "store", "statistics", "exports", "study")
WITHOUT_JAX = (
    "errors",
    "formatting",
    "files",
    "reading",
    "axes",
    "measures",
    "flags",
    "spec",
    "data",
    "statistics",
    "store",
    "report",
    "driver",
)

LONGEST = 250
LONGER = {
    "jaxreg/axes.py": "a table: an entry for each axis",
    "jaxreg/bench/peers.py": "six ways to train the same network, to be read side by side",
    "jaxreg/study/conclusions.py": "a table: an entry for each of thirteen conclusions",
    "tests/test_cohorts.py": "one law, seen from many sides",
    "tests/test_decomposition.py": "formulas by definition, and against mlxtend",
    "tests/test_faults.py": "one fault after the other, each with the real thing",
    "tests/test_fashion.py": "every way in which files can be wrong",
    "tests/test_fuzz.py": "properties of everything that reads what others wrote, with one way to try them",
    "tests/test_optimizers.py": "laws of each way to step, one after the other",
    "tests/test_report.py": "sentences of the report, many of them tables of cases",
    "tests/test_run.py": "one run, and all ways in which it may be stopped",
    "tests/test_settle.py": "one study, and all ways in which it may be looked at",
    "tests/test_spec.py": "tables of wrong sweeps and what is said of them",
    "tests/test_strangers.py": "a table of folders that nobody should send",
    "tests/test_tables.py": "tables of what may be wrong with a table",
    "tests/test_study.py": "thirteen conclusions, each with its cases",
}

ELSEWHERE = ("data", "bench", "study")  # where one data set may be known
FACTS = re.compile(r"\b(784|28|u?int8|fashion(?:[-_]mnist)?)\b", re.IGNORECASE)
KNOWN = {  # an allow-list that may only shrink
    "engine/forecast.py": {"784"},  # networks whose steps were timed
    "report/figures/images.py": {"uint8"},
    "statistics/power.py": {"fashion-mnist"},  # where its prior was measured
}


def module_of(file: Path) -> str:
    """The name of a file's module under jaxreg: "engine.chunk"; of a package's `__init__`, the package's."""
    parts = list(file.relative_to(PACKAGE).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts) or "jaxreg"


MODULES = {module_of(file): file for file in SOURCES}


def imported(file: Path) -> set[str]:
    """The full names of all modules that a file imports, at its top or inside functions."""
    names = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 and node.module, f"{file}: imports are absolute"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def ours(file: Path) -> set[str]:
    """Those of them that are in this package, as `MODULES` has them."""
    found = set()
    for name in imported(file):
        head, _, rest = name.partition(".")
        if head == "jaxreg":
            parent = rest.rpartition(".")[0]
            found.add(rest if rest in MODULES else parent if parent in MODULES else "jaxreg")
    return found - {module_of(file)}


def layer(module: str) -> int:
    package = module if module in ("spec.reference", "report.__main__") else module.split(".")[0]
    (number,) = (number for number, names in enumerate(LAYERS) if package in names)
    return number


def test_imports_between_packages_go_one_way():
    wrong = []
    for module, file in MODULES.items():
        for other in ours(file):
            inside = module.split(".")[0] == other.split(".")[0] and layer(module) == layer(other)
            if not inside and layer(other) >= layer(module):
                wrong.append(f"{module} imports {other}")
    assert wrong == []


def test_there_is_no_circle_between_modules():
    graph = {module: ours(file) for module, file in MODULES.items()}
    assert len(list(graphlib.TopologicalSorter(graph).static_order())) == len(MODULES)  # a CycleError names a circle


def test_what_reads_sweeps_and_writes_reports_has_no_jax():
    """Neither does the driver: members may be trained elsewhere."""
    for module, file in MODULES.items():
        if module.split(".")[0] in WITHOUT_JAX:
            libraries = {name.split(".")[0] for name in imported(file)} & {"jax", "flax", "optax"}
            assert libraries == set(), module
            if module != "spec.reference":
                assert {name for name in ours(file) if name.startswith("engine")} <= {"engine.progress"}, module


@pytest.mark.parametrize("package", EMPTY)
def test_a_package_is_its_modules(package):
    assert (PACKAGE / package / "__init__.py").read_text() == ""


def test_no_file_is_long():
    files = [*SOURCES, *(ROOT / "tests").glob("*.py")]
    lengths = {file.relative_to(ROOT).as_posix(): len(file.read_text("utf-8").splitlines()) for file in files}
    assert {name for name, lines in lengths.items() if lines > LONGEST} == set(LONGER), "no longer, and no stale excuse"


def code(file: Path) -> list[tuple[int, str]]:
    """The numbers, names and texts of a file with their lines; comments and docstrings apart."""
    text = file.read_text(encoding="utf-8")
    if file.suffix != ".py":
        return list(enumerate(text.splitlines(), 1))
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docstrings: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        for part in getattr(node, "body", []) if isinstance(node, documented) else []:
            if isinstance(part, ast.Expr) and isinstance(part.value, ast.Constant) and type(part.value.value) is str:
                docstrings |= set(range(part.lineno, (part.end_lineno or part.lineno) + 1))
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    kept = [token for token in tokens if token.type != tokenize.COMMENT and token.start[0] not in docstrings]
    return [(token.start[0], token.string) for token in kept]


def test_facts_of_one_data_set_are_with_the_data():
    found: dict[str, set[str]] = {}
    for file in [*SOURCES, *PACKAGE.rglob("*.j2")]:
        place = file.relative_to(PACKAGE)
        if place.parts[0] in ELSEWHERE:
            continue
        for _, text in code(file):
            for fact in FACTS.findall(text):
                found.setdefault(place.as_posix(), set()).add(fact.lower())
    assert found == KNOWN
