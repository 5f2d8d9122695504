"""`jaxreg` and `python -m jaxreg`: which command a line means, and how each ends."""

from __future__ import annotations

import os
import subprocess
import sys
import types
from pathlib import Path

import pytest

from jaxreg import __main__, __version__, coverage
from jaxreg.__main__ import COMMANDS, main

ROOT = Path(__file__).parents[1]
SLOW = {"jax", "flax", "optax", "numpy", "pandas", "matplotlib", "scipy", "rich", "pydantic", "argcomplete"}


def shown(capsys, *words: str) -> str:
    """What a line that goes well prints."""
    assert main(words) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return out


def refused(capsys, *words: str) -> str:
    """What is said of a line that is wrong: in one line, on standard error."""
    assert main(words) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    return err


@pytest.fixture
def called(monkeypatch, tmp_path):
    """The modules and words that the commands were called with; none of them runs."""
    calls = []

    def module(name):
        def note(words, prog):
            calls.append((name, list(words), prog))
            return 7

        return types.SimpleNamespace(main=note)

    monkeypatch.setattr(__main__, "import_module", module)
    monkeypatch.chdir(tmp_path)
    return calls


def test_alone_it_is_an_overview(capsys):
    overview = shown(capsys)
    assert overview == shown(capsys, "--help") == shown(capsys, "-h")
    assert [line.split()[0] for line in overview.splitlines() if line.startswith("  ")] == list(COMMANDS)
    assert "Flags or a sweep file without a command mean sweep" in overview
    assert shown(capsys, "--version") == f"jaxreg {__version__}\n"


@pytest.mark.parametrize("prog", ["jaxreg", "python -m jaxreg"])
@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_gets_what_follows(command, prog, called):
    assert main([command, "sweep", "--help"], prog) == 7
    assert called == [(COMMANDS[command][0], ["sweep", "--help"], f"{prog} {command}")]


@pytest.mark.parametrize("first", ["--grid", "--grid=l2", "a.toml", "mine", "folder/file", "l1,l2", "l1*l2", "dropout"])
def test_flags_a_file_or_a_grid_mean_sweep(first, called, tmp_path):
    (tmp_path / "mine").touch()
    assert main([first, "l2", "--dry-run"]) == 7
    assert called == [("jaxreg.sweep", [first, "l2", "--dry-run"], "jaxreg")]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_says_what_was_typed(command, capsys):
    with pytest.raises(SystemExit) as stop:
        main([command, "--help"])
    assert stop.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: jaxreg {command} ")


def test_a_mistyped_command_is_told_with_the_nearest(capsys):
    assert "unknown command `swep`. Did you mean `sweep`? Known commands: sweep, report," in refused(capsys, "swep")
    assert "Did you mean `report`?" in refused(capsys, "reprot", "reports/x")
    assert "unknown command `elephant`. Known commands:" in refused(capsys, "elephant")


@pytest.mark.parametrize("command", COMMANDS)
def test_an_unknown_flag_is_wrong_input_everywhere(command, capsys):
    words = {"report": ["reports/x"]}.get(command, [])
    assert refused(capsys, command, *words, "--alpha") == "error: unknown flag `--alpha`. --help lists all flags.\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["report"], "give the folder of a run, such as reports/l1-l2, or --predictions FILE"),
        (["report", "a", "b"], "b: one DIR at a time, and a is given already"),
        (["study", "a"], "a: there is no place for it"),
        (["coverage", "--repetition", "3"], "Did you mean `--repetitions`?"),
        (["coverage", "--repetitions", "0"], "--repetitions: must be a whole number of at least 2, got 0"),
        (["bench", "--only", "speed"], "--only: unknown 'speed'; there are: peers,"),
    ],
)
def test_wrong_input(words, said, capsys):
    assert said in refused(capsys, *words)


def test_ctrl_c_ends_with_130(monkeypatch, capsys):
    def stop(repetitions, only):
        raise KeyboardInterrupt

    monkeypatch.setattr("jaxreg.statistics.coverage.main", stop)
    assert main(["coverage"]) == 130
    assert capsys.readouterr().err == "\ninterrupted.\n"


def test_coverage_hands_its_flag_on(monkeypatch):
    asked = []
    monkeypatch.setattr("jaxreg.statistics.coverage.main", lambda *given: asked.append(given))
    assert coverage.main(["--repetitions", "3", "--only", "recommendations"]) == coverage.main([]) == 0
    assert asked == [(3, "recommendations"), (1000, None)]


def test_as_a_module_it_imports_nothing_slow_for_its_overview():
    code = f"import sys; from jaxreg.__main__ import main; main([]); print(sorted({SLOW} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "[]", done.stderr
    command = [sys.executable, "-m", "jaxreg"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.stdout.startswith("usage: python -m jaxreg COMMAND"), done.stderr


@pytest.mark.parametrize(
    ("encoding", "said"), [("cp1252", "4 l2 \xd7 5"), ("ascii", "4 l2 x 5"), ("utf-8", "4 l2 \xd7 5")]
)
def test_an_output_that_lacks_our_signs(encoding, said):
    """Pipes on Windows are cp1252; a result is not lost to a minus that they do not have."""
    code = "from jaxreg.errors import *; exit(exit_code(lambda: printed('4 l2 \\xd7 5: \\u22120.06, \\u2192 \\u4e00')))"
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, env=environment)
    assert done.returncode == 0 and done.stderr == b""
    shown = done.stdout.decode(encoding)
    assert shown.startswith(f"{said}: ") and (encoding == "utf-8" or shown.strip().endswith(": -0.06, -> ?"))
