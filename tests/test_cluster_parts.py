"""What workers of a cluster are told, which members they get, and how a scheduler is reached: without Dask."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from jaxreg.cluster import job, worker
from jaxreg.cluster.connection import Scheduler, _warn_of_strangers, connected, tls
from jaxreg.cluster.waiting import Waiting, share
from jaxreg.errors import UserError
from jaxreg.spec.members import members


@pytest.fixture
def sweep(small):
    return small(hidden=[8])


def test_a_worker_with_other_versions_or_data_is_refused(sweep, dataset, tmp_path):
    told = job.job(sweep, dataset, devices=2, named=False)
    other = {**told, "versions": {**told["versions"], "jax": "0.1"}}
    said = worker.greet(other)["refuses"]
    assert "expected 0.1" in said and "pip install 'jax==0.1'" in said
    assert "given as arrays" in worker.greet({**told, "digest": "0", "key": "unknown"})["lacks"]
    x, y = np.arange(60.0).reshape(30, 2), np.arange(30) % 2
    np.savez(tmp_path / "data.npz", x=x, y=y)
    named = {**told["sweep"], "data": str(tmp_path / "data.npz")}
    said = worker.greet({**told, "sweep": named, "named": True, "digest": "0", "key": "other"})["refuses"]
    assert "its data are other ones" in said and "data.npz" in said and "expected 0" in said
    gone = {**told["sweep"], "data": str(tmp_path / "gone.npz")}
    assert "gone.npz" in worker.greet({**told, "sweep": gone, "named": True, "key": "gone", "digest": "1"})["lacks"]


def test_the_same_rows_in_other_groups_are_other_data(sweep, dataset, monkeypatch):
    monkeypatch.setattr(worker, "_data", type(worker._data)())
    worker.hold(dataset)
    grouped = dataset._replace(groups=np.arange(len(dataset.train.targets)) // 2)
    told = job.job(sweep, grouped, devices=2, named=False)
    assert "given as arrays" in worker.greet(told)["lacks"]
    worker.hold(grouped)
    assert set(worker._data) == {dataset.digest, told["digest"]} and len(worker._data) == 2


@given(some.integers(1, 5000), some.integers(1, 200), some.integers(1, 64), some.none() | some.floats(1e-6, 1e4))
def test_a_share(ready, workers, width, able):
    """It fills the devices, and is never most of what is left where several could have it."""
    found = share(ready, workers, width, able)
    assert found >= width
    if able is not None:
        assert found % width == 0 and found <= max(width, ready / (2 * workers) + 1 + width)


def test_those_who_wait(small):
    runs = [{"name": "first"}, {"name": "second", "after": "first"}, {"name": "wide", "hidden": [12]}]
    sweep = small(run=runs, seeds=2)
    waiting, taken = Waiting(members(sweep), sweep, begun={"first/split1/seed0"}), []
    assert sum(waiting.ready.values()) == 8 and len(waiting.ready) == 2, "two networks; the followers are not ready"
    while waiting:
        group = next(iter(waiting.ready))
        some_of_them = waiting.take(group, 3)
        waiting.back(some_of_them[1:])
        assert some_of_them[0].predecessor is None or some_of_them[0].predecessor in taken
        taken.append(some_of_them[0].id)
        waiting.came(some_of_them[0].id)
    assert sorted(taken) == sorted(member.id for member in members(sweep))
    assert taken[0] == "first/split1/seed0", "who has begun comes first"


@pytest.mark.parametrize("more", [{"second_stage": 2}, {"design": "folds", "splits": 4}])
def test_references_are_to_all_members(small, more):
    sweep = small(l1=[0, 1e-3], deals=2, **more)
    cells = job.cells_of(sweep)
    for member in members(sweep):
        assert job.referred(job.refer(member), cells) == member


def test_networks_that_workers_can_import():
    import flax.linen as nn

    assert job.importable(nn.Dense) == "flax.linen.linear:Dense"
    assert job.importable(nn.Dense(3)) == "flax.linen.linear:Dense"
    with pytest.raises(UserError, match="mine:NAME"):
        job.importable(lambda rngs: None)


@pytest.mark.parametrize(
    ("address", "warns"),
    [
        ("tcp://127.0.0.1:8786", False),
        ("tcp://localhost:8786", False),
        ("tcp://[::1]:8786", False),
        ("inproc://10.0.0.1/2/3", False),
        ("tls://10.0.0.1:8786", False),
        ("tcp://10.0.0.1:8786", True),
        ("ws://cluster.example:8786", True),
    ],
)
def test_a_scheduler_that_others_can_reach_is_warned_of(address, warns):
    said = []
    _warn_of_strangers(address, said.append)
    assert bool(said) == warns and all("unencrypted" in text for text in said)


def test_without_dask(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(UserError, match=r"pip install 'jaxreg\[cluster\]'"):
        with connected(Scheduler("tcp://127.0.0.1:1"), print):
            pass


def test_certificates_come_together(tmp_path):
    file = tmp_path / "a.pem"
    file.write_text("")
    assert tls(None, None, None) is None
    with pytest.raises(UserError, match="--tls-cert: is missing"):
        tls(str(file), None, str(file))
    with pytest.raises(UserError, match="can't be read"):
        tls(str(file), str(file), str(tmp_path / "nowhere"))


def test_one_process_has_no_use_for_dask():
    code = (
        "import sys, jaxreg.sweep, jaxreg.run, jaxreg.conclude; assert not {'dask', 'distributed'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
