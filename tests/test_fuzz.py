"""Random inputs to everything that reads what others wrote: it is refused in words or understood, and never more.

Some seconds as part of the suite; `pytest --fuzz MINUTES -m fuzz tests/test_fuzz.py` tries new inputs for so long.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import random
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jaxtyping import TypeCheckError
from written_runs import write_run

from jaxreg import sweep
from jaxreg.axes import AXES
from jaxreg.data import fashion, kaggle
from jaxreg.data.fashion import SIGNATURE
from jaxreg.engine import forecast
from jaxreg.errors import UserError
from jaxreg.report import page
from jaxreg.report.figures import painting, style
from jaxreg.spec.load import load
from jaxreg.spec.settings import Settings

pytestmark = [pytest.mark.fuzz, pytest.mark.filterwarnings("ignore::RuntimeWarning")]
PATIENCE = 120  # seconds for an input, on a machine at work
PROPERTIES = 5
SWEEPS = sorted((Path(__file__).parents[1] / "sweeps").glob("*.toml"))


class Hunt:
    """Tries a property on random inputs: some in the suite, for minutes with --fuzz. Counts inputs and how they end."""

    def __init__(self, minutes: float):
        self._seconds = 60 * minutes / PROPERTIES
        self.tried = self.refused = 0

    def __call__(self, examples: int, law: Callable[[], None]) -> None:
        until = time.monotonic() + self._seconds
        many = settings(
            max_examples=100 if self._seconds else examples, derandomize=not self._seconds, database=None,
            deadline=None, suppress_health_check=list(HealthCheck),
        )(law)  # fmt: skip
        many()
        while time.monotonic() < until:
            many()

    @contextlib.contextmanager
    def input(self) -> Iterator[None]:
        """One input: it may end in a `UserError` of few words, and has to end."""

        def late(*_: object) -> None:
            raise TimeoutError(f"no end after {PATIENCE} s")

        before = signal.signal(signal.SIGALRM, late)
        signal.alarm(PATIENCE)
        self.tried += 1
        try:
            yield
        except UserError as error:
            self.refused += 1
            assert 0 < len(str(error)) < 20_000
        except TypeCheckError:
            pass  # annotations are checked in tests alone: of an edited table a number may be whole
        finally:
            signal.alarm(0)
            signal.signal(signal.SIGALRM, before)


@pytest.fixture
def hunt(request: pytest.FixtureRequest, capsys: pytest.CaptureFixture) -> Iterator[Hunt]:
    minutes = request.config.getoption("--fuzz")
    made = Hunt(minutes)
    yield made
    assert made.tried > 0
    if minutes:
        with capsys.disabled():
            print(f"\n{request.node.name}: {made.tried:,} inputs, {made.refused:,} refused")


ODD = st.sampled_from(
    ["0", "-1", "1", "2", "1e-5", "1e400", "-1e400", "nan", "inf", "-inf", "1" * 30, "9" * 5000, "true", "off", "", " ",
     "null", "NaN", "1.5", "0x10", "0.3-0.5-0", "-", ",", "l1,l2", "l1*l2", "l1*depth", "plain", "all", "best", "\0",
     "\n", "'", '"', '"""', "`", "|", "<script>", "![a](b)", "\u202e", "\ud800", "$\\frac{", "$a$", "[", "]", "{", "}",
     "=", "#", "../x", "/dev/zero", "é", "\U0001f600", "1_0", "\u0663", "99999999999", "1000000", "10000", "100"]
)  # fmt: skip
TEXTS = st.one_of(ODD, st.text(max_size=12))
BYTES = st.one_of(TEXTS.map(lambda text: text.encode("utf-8", "surrogatepass")), st.binary(max_size=8))
EDITS = st.lists(st.tuples(st.sampled_from("cutiodr"), st.floats(0, 1), st.floats(0, 0.1), BYTES), max_size=4)


def edited(content: bytes, edits: list[tuple[str, float, float, bytes]]) -> bytes:
    """Some bytes of it cut off, replaced, put in, left out, doubled, or moved."""
    for kind, where, size, new in edits:
        start = int(where * len(content))
        stop = start + 1 + int(size * len(content))
        part = content[start:stop]
        content = {
            "c": content[:start],
            "u": content[:start] + new + content[stop:],
            "t": content[:start] + new + content[start + len(new) :],
            "i": content[:start] + new + content[start:],
            "o": content[:start] + content[stop:],
            "d": content[:stop] + part + content[stop:],
            "r": content[stop:] + part + content[:start],
        }[kind]
    return content


VALUES: st.SearchStrategy[Any] = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), TEXTS, st.sampled_from([10**400, 2**63, -1, 0, 1, 1e308]),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXTS, inner, max_size=3)),
    max_leaves=8,
)  # fmt: skip


def toml(value: Any) -> str:
    """A value as TOML, as far as it is one."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {toml(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return repr(value) if isinstance(value, float) else "''" if value is None else json.dumps(value)


KEYS = st.sampled_from(
    [*AXES, *Settings.model_fields, "grid", "name", "splits", "seeds", "full_seeds", "after", "seed"]
)
LINES = st.one_of(
    st.tuples(KEYS, VALUES).map(lambda pair: f"{pair[0]} = {toml(pair[1])}"),
    st.tuples(KEYS, ODD).map(" = ".join),
    st.sampled_from(["[recipe]", "[axes]", "[[run]]", "[run]", "grid = 'l1'", "grid = 'l1*depth'", "name = 'a'"]),
)
FILES = st.one_of(
    st.lists(LINES, max_size=8).map(lambda lines: "\n".join(lines).encode("utf-8", "surrogatepass")),
    st.tuples(st.sampled_from([file.read_bytes() for file in SWEEPS]), EDITS).map(lambda pair: edited(*pair)),
)


def test_sweep_files(hunt: Hunt, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"

    @given(FILES)
    def law(content: bytes) -> None:
        file.write_bytes(content)
        with hunt.input():
            asked = load(file)
            forecast.forecast(asked, forecast.plan(asked, SIGNATURE), SIGNATURE)

    hunt(150, law)


FLAGS = sorted(flag for flag in sweep.parser()._option_string_actions if flag.startswith("--"))
WORDS = st.one_of(
    st.sampled_from(FLAGS),
    st.tuples(st.sampled_from(FLAGS), ODD).map("=".join),
    st.lists(ODD, min_size=1, max_size=4).map(",".join),
    TEXTS,
)


def test_command_lines(hunt: Hunt, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("jaxreg.engine.devices.configure", lambda devices: None)
    monkeypatch.chdir(tmp_path)

    @given(st.lists(WORDS, max_size=7))
    def law(words: list[str]) -> None:
        told = io.TextIOWrapper(io.BytesIO(), "utf-8", "backslashreplace")
        with hunt.input(), contextlib.redirect_stdout(told), contextlib.redirect_stderr(told):
            try:
                code = sweep.main([*words, "--dry-run"])
                assert code in (0, 2)
                hunt.refused += code == 2
            except SystemExit as end:  # of --help and --version
                assert end.code == 0

    hunt(100, law)


def test_idx_files(hunt: Hunt, tmp_path: Path) -> None:
    file = fashion.FILES[3]
    packed = (fashion.CLONE / file.name).read_bytes()
    content = gzip.decompress(packed)
    path = tmp_path / file.name

    @given(EDITS, st.booleans(), BYTES)
    def law(edits: list, inside: bool, after: bytes) -> None:
        path.write_bytes((gzip.compress(edited(content, edits), 1) if inside else edited(packed, edits)) + after)
        with hunt.input():
            labels = fashion._read_file(path, file)
            assert labels.tobytes() == content[8:]

    hunt(100, law)


ROWS = np.random.default_rng(0).integers(0, 256, (3, 784))
CSV = "\n".join([",".join(kaggle.COLUMNS), *(f"{i},{','.join(map(str, row))}" for i, row in enumerate(ROWS)), ""])


def test_csv_files(hunt: Hunt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is read is what Python reads of it."""

    @given(EDITS, st.sampled_from(["none", "inside", "outside"]), st.sampled_from([100, 3000, 10**6]), st.booleans())
    def law(edits: list, packed: str, block: int, headed: bool) -> None:
        monkeypatch.setattr(kaggle, "BLOCK", block)
        header, _, rows = CSV.encode().partition(b"\n")
        content = header + b"\n" + edited(rows, edits) if headed else edited(CSV.encode(), edits)
        path = tmp_path / ("train.csv" if packed == "none" else "train.csv.gz")
        whole = gzip.compress(content, 1) if packed == "inside" else gzip.compress(CSV.encode(), 1)
        path.write_bytes({"none": content, "inside": whole, "outside": edited(whole, edits)}[packed])
        with hunt.input():
            inputs, targets = kaggle._read(path)
            lines = (CSV.encode() if packed == "outside" else content).decode().split("\n")[1:]
            wanted = [[int(number) for number in line.split(",")] for line in lines if line]
            assert np.column_stack([targets, inputs]).tolist() == wanted

    hunt(150, law)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a small run, whose run.json has its sweep."""
    cells: list = [
        ("plain", {}),
        ("l1=1e-5", {"l1": 1e-5}),
        ("l1=1e-3", {"l1": 1e-3}),
        ("scaling=raw", {"scaling": "raw"}),
    ]
    folder = write_run(tmp_path_factory.mktemp("run") / "tiny", cells, 2, 2, 3, pictures=True)
    asked = load(
        flags={"grid": "l1,scaling", "l1": [0, 1e-5, 1e-3], "scaling": ["unit", "raw"], "splits": 2, "seeds": 2}
    )
    about = json.loads((folder / "run.json").read_text()) | {"sweep": asked.resolved()}
    (folder / "run.json").write_text(json.dumps(about))
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def changed_table(content: bytes, name: str, seed: int, new: str) -> bytes:
    """A table of which a cell, a row or a column is another, or a name is another one wherever it stands."""
    pick, made = random.Random(seed), pd.read_csv(io.BytesIO(content), dtype=str, keep_default_na=False)
    row, column = pick.randrange(len(made) or 1), pick.choice(list(made.columns))
    what = pick.choice(["cell", "column", "name", "drop row", "double row", "drop column", "no rows", "head", "swap"])
    if what == "cell" and len(made):
        made.loc[row, column] = new
    elif what == "column":
        made[column] = new
    elif what == "name":
        made = made.replace(pick.choice(["plain", "l1=1e-5", "l1=1e-3"]), new)
    elif what == "drop row":
        made = made.drop(index=made.index[row : row + pick.choice([1, 5, 100])])
    elif what == "double row":
        made = pd.concat([made, made.iloc[row : row + 1]])
    elif what == "drop column":
        made = made.drop(columns=column)
    elif what == "no rows":
        made = made.iloc[:0]
    elif what == "head":
        made = made.rename(columns={column: new})
    elif len(made):
        other = pick.choice(list(made.columns))
        made = made.rename(columns={column: other, other: column})
    return made.to_csv(index=False).encode("utf-8", "surrogatepass")


def changed_record(content: bytes, seed: int, new: Any) -> bytes:
    """run.json with another value somewhere."""
    pick, whole = random.Random(seed), json.loads(content)
    inner = whole
    while True:
        key = pick.choice(list(inner) if isinstance(inner, dict) else range(len(inner)))
        if isinstance(inner[key], dict | list) and inner[key] and pick.random() < 0.7:
            inner = inner[key]
        else:
            break
    if pick.random() < 0.3:
        whole.pop("sweep")
    inner[key] = new
    return json.dumps(whole).encode()


CHANGES = st.lists(
    st.tuples(st.integers(0, 10), st.sampled_from("bvvvd"), st.integers(0, 10**6), TEXTS, VALUES, EDITS),
    min_size=1, max_size=3,
)  # fmt: skip


@pytest.mark.slow
def test_folders(hunt: Hunt, tmp_path: Path, run: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is written but the page and its figures."""
    monkeypatch.setattr(style, "DPI", 20)
    paint = painting.painted
    folder = tmp_path / "strange"
    names = sorted(run)

    @given(CHANGES, st.booleans(), st.integers(0, 9))
    def law(changes: list, checked: bool, painted: int) -> None:
        # drawn: to paint takes seconds
        monkeypatch.setattr(painting, "painted", paint if painted == 9 else lambda figure, name: (b"", ""))
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        files = dict(run)
        if not checked:  # no sweep that the tables would be held against
            about = json.loads(files["run.json"])
            files["run.json"] = json.dumps({key: about[key] for key in about if key != "sweep"}).encode()
        for which, kind, seed, text, value, edits in changes:
            name = names[which % len(names)]
            if kind == "d":
                files.pop(name, None)
            elif name not in files:
                continue
            elif kind == "v" and name == "run.json":
                with contextlib.suppress(ValueError, IndexError, KeyError, TypeError, AttributeError):
                    files[name] = changed_record(files[name], seed, value)
            elif kind == "v" and name.endswith(".csv"):
                with contextlib.suppress(ValueError, IndexError):
                    files[name] = changed_table(files[name], name, seed, text)
            else:
                files[name] = edited(files[name], edits)
        for name, content in files.items():
            (folder / name).write_bytes(content)
        with hunt.input():
            page.write(folder)
        left = {path.name for path in folder.iterdir()} - set(files)
        assert left <= {"report.md", "report.html", "figures"}
        assert {name: (folder / name).read_bytes() for name in files} == files

    hunt(20, law)
