"""What is known of each of several quantities by itself, in its own unit."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from itertools import product
from typing import Any

from jaxreg.formatting import known
from jaxreg.report.advice import Scope, purposes, scopes
from jaxreg.report.layout import Layout
from jaxreg.report.parts import Entry, Table, estimated, numbered
from jaxreg.store.results import Results

MOST = 100  # quantities that are shown
PARTS = {"error": "Squared error", "bias": "Bias", "variance": "Variance"}


def tables(results: Results, layout: Layout) -> list[tuple[str, Table]]:
    """On all of the data, and on parts, each in words: the reference and what is recommended there, by quantity."""
    parts, whole = scopes(results, layout)
    found = [(scope, _table(results, layout, scope)) for scope in (whole, parts) if scope is not None]
    return [(f"On {scope.examples}", table) for scope, table in found if table]


def _table(results: Results, layout: Layout, scope: Scope) -> Table:
    if results.quantities.empty:
        return []
    rows = results.quantities[results.quantities["scope"] == scope.name].to_dict("records")
    by_place = {(row["quantity"], row["cell"]): row for row in rows}
    advice = (results.advice(scope.name, purpose) for purpose in purposes(results))
    cells = dict.fromkeys([layout.base, *(row["cell"] for row in advice if row is not None)])
    places = product(sorted({quantity for quantity, _ in by_place})[:MOST], cells)
    shown = [by_place[place] for place in places if place in by_place]
    names = {row["quantity"]: row["quantity_name"] for row in shown if isinstance(row.get("quantity_name"), str)}
    told = [part for part in PARTS if any(known(row[part]) for row in shown)]
    return [
        {
            "Quantity": Entry(names.get(row["quantity"], str(row["quantity"]))),
            "Cell": Entry(str(row["cell"]), code=True),
            "RMSE": _estimated(row, "rmse"),
            "R²": _estimated(row, "r2"),
            **{PARTS[part]: numbered(row[part], 4) for part in told},
            "Absolute error": _estimated(row, "absolute_error"),
        }
        for row in shown
    ]


def _estimated(row: Mapping[Hashable, Any], what: str) -> Entry:
    """With its interval, which tables of before lack."""
    low, high = row.get(f"{what}_low"), row.get(f"{what}_high")
    if what == "r2":
        return estimated(row[what], low, min(high, 1.0) if known(high) else None)
    return estimated(row[what], max(low, 0.0) if known(low) else None, high)
