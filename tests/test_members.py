"""Who is trained, in which order, under which id."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from jaxreg.spec.load import load, read
from jaxreg.spec.members import members


def test_a_member_for_each_cell_split_and_seed():
    found = members(load(flags={"grid": "l1", "l1": [0, 1e-5], "splits": 2, "seeds": 2, "full_seeds": 1}))
    ids = ["split0/seed0", "split0/seed1", "split1/seed0", "split1/seed1", "all/seed0"]
    assert [member.id for member in found] == [f"{cell}/{rest}" for cell in ("plain", "l1=1e-5") for rest in ids]
    assert found[-1].settings.l1 == 1e-5
    assert all(member.predecessor is None for member in found)


@given(order=st.permutations(["a", "b", "c", "d"]))
def test_predecessors_come_first_in_any_order_of_runs(order):
    after = {"b": "a", "c": "b"}
    runs = [{"name": name, **({"after": after[name]} if name in after else {})} for name in order]
    found = members(read({"run": runs, "splits": 2, "seeds": 2, "full_seeds": 1}))
    seen: set[str] = set()
    for member in found:
        assert member.predecessor is None or member.predecessor in seen
        seen.add(member.id)
    assert len(seen) == len(found) == 4 * 5
    follower = next(member for member in found if member.id == "c/all/seed0")
    assert follower.predecessor == "b/all/seed0"


def test_a_members_place_depends_on_nothing_but_its_cell():
    few = members(load(flags={"grid": "l1", "l1": [0, 1e-5]}))
    more = members(load(flags={"grid": "l1,l2", "l1": [0, 1e-5, 1e-3], "seeds": 3}))
    assert set(few) <= set(more)


def test_further_deals_number_their_splits_on():
    one, two = (load(flags={"grid": "l1", "l1": [0, 1e-5], "splits": 2, "deals": n, "full_seeds": 1}) for n in (1, 2))
    found = [member for member in members(two) if member.cell.name == "plain"]
    assert [(m.id, m.deal) for m in found] == [
        ("plain/split0/seed0", 0), ("plain/split1/seed0", 0), ("plain/split2/seed0", 1), ("plain/split3/seed0", 1),
        ("plain/all/seed0", "all"),
    ]  # fmt: skip
    assert {m.id for m in members(one)} <= {m.id for m in members(two)}
    assert all(m.deal is None for m in members(one))
