"""A sweep on a cluster of Dask, of real processes on loopback: the same bits as in one process, whoever dies.

Run with `pytest -n 0 --cluster -m cluster`; it needs `pip install -e '.[test,cluster]'`.
"""

from __future__ import annotations

import json
import signal

import pytest
from run_folders import differing, tables
from small_cluster import LONGER, Cluster, wait_until
from small_command import PATIENCE, Small

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.fixture(scope="session")
def alone(undisturbed):
    """The longer sweep in one process: what all others must come to."""
    folder = Small(undisturbed.place.parent / "longer")
    assert folder.end(*LONGER) == 0, folder.told
    return folder


@pytest.fixture
def place(undisturbed, request):
    return undisturbed.place.parent / request.node.name.replace("[", "_").replace("]", "")


@pytest.fixture
def cluster(place):
    with Cluster(place.with_name(f"{place.name}-cluster")) as made:
        yield made


@pytest.fixture
def small(place):
    return Small(place)


def on(cluster):
    return ["--on", cluster.address, "--devices", "1"]


def members(folder, least=1):
    return lambda: len(folder.kept()) >= least


def about(folder):
    return json.loads((folder.run / "run.json").read_text())


def same(folder, other):
    return differing(tables(folder.run), tables(other.run)) == [] and folder.strays() == []


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_the_bits_are_those_of_one_process(alone, small, cluster, workers):
    for number in range(workers):
        cluster.worker(f"w{number}")
    assert small.end(*LONGER, *on(cluster)) == 0, small.told
    assert same(small, alone)
    assert "Traceback" not in small.told and "is gone" not in small.told
    found = about(small)["workers"]
    assert sum(one["members"] for one in found.values()) == len(small.kept())


def test_a_worker_that_is_killed(alone, small, cluster):
    for name in ("a", "b"):
        cluster.worker(name)
    process = small.start(*LONGER, *on(cluster))
    wait_until(members(small), process, lambda: small.told)
    cluster.workers["a"].send_signal(signal.SIGKILL)
    before = small.kept()
    assert process.wait(PATIENCE) == 0, small.told
    assert same(small, alone)
    assert "worker a is gone" in small.told and "Traceback" not in small.told
    assert about(small)["workers_lost"] == 1
    kept = small.kept()
    assert [name for name in before if kept[name] != before[name]] == [], "what was stored is not trained again"
