"""Lines, products and lists are found from the cells alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from written_runs import L1_L2, write_run

from jaxreg.report.layout import Layout, arrange
from jaxreg.store.results import read


def layout(folder: Path, **options: object) -> Layout:
    return arrange(read(write_run(folder, **options)))  # type: ignore[arg-type]


def test_a_union_of_axes_is_a_line_each_in_the_order_of_values(tmp_path: Path) -> None:
    found = layout(tmp_path, cells=L1_L2[::-1])
    assert found.base == "plain"
    assert [(line.axis, line.cells, line.labels) for line in found.lines] == [
        ("l1", ("plain", "l1=1e-5", "l1=1e-3"), ("0", "1e-5", "1e-3")),
        ("l2", ("plain", "l2=1e-4", "l2=0.01"), ("0", "1e-4", "0.01")),
    ]
    assert not found.products and not found.lists


def test_lines_go_through_the_plain_cell_even_if_all_of_it_diverged(tmp_path: Path) -> None:
    found = layout(tmp_path, diverged=["plain"])
    assert found.base == "l1=1e-5"  # that the others were compared with, as the first with most axes off
    assert [line.cells[0] for line in found.lines] == ["plain", "plain"]
    cells = [("plain", {}), ("a", {"dropout": "0.3-0"}), ("b", {"dropout": "0-0.3"}), ("c", {"scaling": "raw"})]
    listed = layout(tmp_path, cells=cells, diverged=["plain"]).lists
    assert [part.cells for part in listed] == [("c", "plain"), ("a", "b")]


@pytest.mark.parametrize(
    ("cells", "base", "nothing"),
    [
        (L1_L2, "plain", True),
        ([("plain", {"l2": 1e-3}), ("more", {"l2": 1e-2})], "plain", False),
        ([("simple", {}), ("more", {"l2": 1e-2})], "simple", False),  # who names a cell wants to read the name
        ([("plain", {"label_noise": 0.2}), ("more", {"l2": 1e-2})], "plain", True),
    ],
)
def test_no_regularisation_is_plain_with_everything_off(tmp_path: Path, cells: list, base: str, nothing: bool) -> None:
    results = read(write_run(tmp_path, cells=cells, grid=None))
    found = arrange(results)
    assert (found.base, found.base_is_none) == (base, nothing)
    assert found.introduced(base) == (f"no regularisation (`{base}`)" if nothing else f"`{base}`")


def test_zero_stands_a_decade_left_of_the_least_strength(tmp_path: Path) -> None:
    l1 = layout(tmp_path).lines[0]
    assert [round(x, 9) for x in l1.positions] == [-6, -5, -3]


def test_a_product_holds_every_pair_and_a_line_through_the_base(tmp_path: Path) -> None:
    cells = [(f"{a},{b}" if a or b else "plain", {"l1": a, "l2": b}) for a in (0, 1e-3) for b in (0, 1e-2, 1e-4)]
    found = layout(tmp_path, cells=cells)
    (product,) = found.products
    assert (product.first, product.second) == ("l1", "l2")
    assert product.table.loc["1e-4", "1e-3"] == "0.001,0.0001"
    assert list(product.table.index) == ["0", "1e-4", "0.01"] and product.table.notna().all().all()
    assert [line.labels for line in found.lines] == [("0", "1e-3"), ("0", "1e-4", "0.01")]


def test_the_other_axes_of_a_product_are_held_where_the_best_cell_is(tmp_path: Path) -> None:
    cells = [(f"{a},{b},{c}", {"l1": a, "l2": b, "dropout": c}) for a in (0, 1e-3) for b in (0, 1e-4) for c in (0, 0.5)]
    found = layout(tmp_path, cells=cells)
    assert [(p.first, p.second, p.held) for p in found.products][0] == ("l1", "l2", "Dropout rate = 0")
    assert len(found.products) == 3


def test_what_has_no_order_is_listed_below_the_base(tmp_path: Path) -> None:
    cells = [("plain", {}), ("dropout=0.3-0-0", {"dropout": "0.3-0-0"}), ("depth=5", {"depth": 5})]
    found = layout(tmp_path, cells=cells)
    assert [(listed.title, listed.cells) for listed in found.lists] == [
        ("", ("plain",)), ("Dropout rate", ("dropout=0.3-0-0",)), ("Hidden layers", ("depth=5",)),
    ]  # fmt: skip
    assert not found.lines


def test_rates_alone_are_a_line_on_an_even_scale(tmp_path: Path) -> None:
    cells = [("plain", {}), ("dropout=0.5", {"dropout": 0.5}), ("dropout=0.1", {"dropout": 0.1})]
    (line,) = layout(tmp_path, cells=cells).lines
    assert line.positions == (0.0, 0.1, 0.5)


def test_named_runs_stand_side_by_side_in_their_order(tmp_path: Path) -> None:
    cells = [("simple", {}), ("l1", {"l1": 0.01}), ("again", {})]
    found = layout(tmp_path, cells=cells, grid=None)
    assert found.base == "simple"
    assert [listed.cells for listed in found.lists] == [("simple", "l1", "again")]
    assert not found.lines and not found.products
