"""What is said before anything is trained."""

from __future__ import annotations

import pytest

from jaxreg.data.fashion import SIGNATURE
from jaxreg.engine.forecast import Plan, forecast, plan
from jaxreg.formatting import duration
from jaxreg.spec.load import read


def test_every_cell_and_every_kind_of_member_is_named():
    runs = [{"name": "a"}, {"name": "long", "after": "a", "dropout": 0.5}]
    sweep = read({"name": "two", "run": runs, "splits": 3, "seeds": 2, "full_seeds": 4})
    needs = Plan(members=20, programs=1, bytes=2_500_000_000, seconds=7200.0)
    assert forecast(sweep, needs, SIGNATURE).splitlines() == [
        "two: 2 cells, each 3 splits x 2 seeds, 4 seeds on the whole training set: 20 members",
        "  a     784-225-256-128-10",
        "  long  784-225-256-128-10+dropout  after a",
        "each of them as split0..2/seed0..1 and all/seed0..3",
        "1 program to compile, about 2.5 GB of memory, about 2.0 h",
    ]


@pytest.mark.parametrize(
    ("seconds", "said"), [(2, "10 s"), (44, "40 s"), (300, "5 min"), (3500, "58 min"), (6000, "1.7 h")]
)
def test_durations_are_rough(seconds, said):
    assert duration(seconds) == f"about {said}"


def test_as_many_programs_as_are_compiled(train, small, monkeypatch):
    """Of a group. On so few examples a point of a curve is all of them: one program less."""
    from jaxreg.engine.forecast import PROGRAMS
    from jaxreg.engine.programs import Programs

    monkeypatch.setattr(Programs, "_compiled", {})
    train(small(run=[{}]))
    assert len(Programs._compiled) == PROGRAMS - 1


def test_deals_are_counted():
    sweep = read({"run": [{"name": "a"}], "splits": 3, "deals": 2, "seeds": 2})
    found = plan(sweep, SIGNATURE)
    assert found.members == 12
    lines = forecast(sweep, found, SIGNATURE).splitlines()
    assert lines[0].endswith("1 cell, each 2 deals x 3 splits x 2 seeds: 12 members")
    assert "each of them as split0..5/seed0..1" in lines
