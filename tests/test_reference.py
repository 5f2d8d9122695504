"""The reference of sweep files: complete, true of the code, and what its example says."""

from __future__ import annotations

import re
import tomllib
from typing import Annotated

import pytest
from pydantic import BeforeValidator, Field

from jaxreg.axes import AXES
from jaxreg.errors import UserError
from jaxreg.spec import reference
from jaxreg.spec.checked import Checked
from jaxreg.spec.load import load
from jaxreg.spec.settings import Settings
from jaxreg.spec.sweep import Run, SweepFile
from jaxreg.sweep import parser

PAGE = reference.page()


def rows(heading: str, text: str = PAGE) -> dict[str, list[str]]:
    """The cells of a section's table, by key."""
    section = re.split(r"^#+ ", text.partition(heading + "\n")[2], flags=re.MULTILINE)[0]
    lines = [re.split(r"(?<!\\)\|", line)[1:-1] for line in section.splitlines() if line.startswith("| `")]
    return {key.strip(" `"): [cell.strip() for cell in cells] for key, *cells in lines}


def test_the_example_is_a_sweep(tmp_path):
    (example,) = re.findall(r"^```toml\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)
    (tmp_path / "mine.toml").write_text(example, encoding="utf-8")
    sweep = load(tmp_path / "mine.toml")
    assert (sweep.name, sweep.splits, sweep.seeds) == ("mine", 5, 2)
    settings = {cell.name: cell.settings for cell in sweep.cells}
    assert all(cell.batch_norm and cell.early_stopping.patience == 3 for cell in settings.values())
    assert {(cell.l1, cell.l2, cell.dropout) for cell in list(settings.values())[:-2]} == {
        (0, 0, 0), (1e-5, 0, 0), (1e-4, 0, 0), (0, 1e-4, 0), (0, 0, 0.2), (0, 1e-4, 0.2),
    }  # fmt: skip
    assert list(settings)[-2:] == ["strong", "strong-then-free"]
    assert sweep.cells[-1].after == "strong"


def test_every_key_and_every_axis_is_there_and_said_in_words():
    assert list(rows("## At the top")) == list(SweepFile.model_fields)
    assert list(rows("## `[recipe]`")) == list(Settings.model_fields)
    assert set(rows("## `[[run]]`")) == Run.model_fields.keys() - Settings.model_fields.keys()
    assert list(rows("## `[axes]`")) == [*AXES, "network.FIELD"]
    assert all(all(cells[:2]) for cells in rows("## At the top").values())
    assert all(cells[1] for cells in rows("## `[recipe]`").values())


def test_a_default_is_what_a_file_that_leaves_the_key_out_has():
    without = load(flags={"grid": "l1"})
    for key, (*_, default) in rows("## `[recipe]`").items():
        table = {} if default == "" else {key: tomllib.loads(f"it = {default.strip('`')}")["it"]}
        assert Settings.read(table, str) == without.recipe, key


def test_the_table_of_axes_says_what_help_says():
    helped = {option.dest: option.help for option in parser()._actions}
    said = {
        axis: f"{meaning} (default {usual})" if AXES[axis].values else meaning
        for axis, (meaning, usual) in rows("", "\n" + reference.axes_table()).items()
    }
    assert said == {axis: helped.get(axis, AXES[axis].help) for axis in [*AXES, "network.FIELD"]}


class Inner(Checked):
    """The innermost."""

    far: int = Field(default=1, description="a|b")


class Outer(Checked):
    """A rule.

    With two paragraphs.
    """

    name: str = Field(default="one", description="a text")
    inner: Inner | None = Field(default=None, description="a table")
    must: int = Field(description="a number")


class Model(Checked):
    rule: Annotated[Outer | str, BeforeValidator(lambda value: value)] = Field(
        default=Outer(must=1), description="a text or a table"
    )
    other: tuple[Inner, ...] = Field(default=(), description="a list of tables")


def test_tables_inside_tables_are_found_wherever_they_stand():
    assert list(reference._tables(Model)) == [("rule", Outer), ("rule.inner", Inner), ("other", Inner)]
    table = rows("", "\n" + reference._keys(Outer.model_fields))
    assert table == {
        "name": ["a text", '`"one"`'],
        "inner": ["a table", ""],
        "must": ["a number", "none: has to be given"],
    }
    assert rows("", "\n" + reference._keys(Inner.model_fields)) == {"far": [r"a\|b", "`1`"]}
    assert rows("", "\n" + reference._keys(Model.model_fields))["rule"] == ["a text or a table", '`"one"`']


def test_the_command_writes_both_in_a_clone_alone(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="README.md: is not here"):
        reference.write()
    text = f"before\n{reference.BEGIN}\n| `l0` | of an earlier day |\n{reference.END}\nafter\n"
    reference.README.write_text(text.replace(reference.END, ""), encoding="utf-8")
    with pytest.raises(UserError, match="has no lines"):
        reference.write()
    reference.README.write_text(text, encoding="utf-8")
    reference.PAGE.parent.mkdir()
    reference.write()
    assert capsys.readouterr().out == f"wrote README.md and {reference.PAGE}\n"
    assert reference.PAGE.read_text(encoding="utf-8") == PAGE
    written = reference.README.read_text(encoding="utf-8")
    assert reference.axes_table() in written and "`l0`" not in written
    assert written.startswith("before\n") and written.endswith("\nafter\n")
